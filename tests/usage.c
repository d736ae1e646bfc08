/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * usage: usage FILE COMMAND [ARG...]
 *
 * Runs a command and writes "KIB MILLISECONDS" to FILE: the most memory that it held and the CPU time it
 * took. Ends with the command's own status.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc < 3) {
        fputs("usage: usage FILE COMMAND [ARG...]\n", stderr);
        return 2;
    }
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) < 0) {
        perror("usage");
        return 2;
    }
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    FILE *report = fopen(argv[1], "w");
    if (report == NULL) {
        perror(argv[1]);
        return 2;
    }
    double seconds = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                     (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    fprintf(report, "%ld %.1f\n", used.ru_maxrss, 1e3 * seconds);
    fclose(report);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
