/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Runs a command without a shell; see run.h.
 */
#include "common/run.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GRACE_SECONDS 2 /* between asking a command to stop and stopping it */

extern char **environ;

/* ---- words ---- */

struct words {
    char *text;   /* the words, each with its NUL */
    char **items; /* NULL ends them */
    size_t count;
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n';
}

/* Copies one word from `at` to `to`, without its quotes. Returns where it ends; NULL: a quote is open. */
static const char *copy_word(const char *at, char **to) {
    char quote = '\0';
    for (; *at && (quote || !is_blank(*at)); at++) {
        if (quote ? *at == quote : *at == '\'' || *at == '"') {
            quote = quote ? '\0' : *at;
        } else {
            if (*at == '\\' && quote != '\'' && at[1])
                at++;
            *(*to)++ = *at;
        }
    }
    *(*to)++ = '\0';
    return quote ? NULL : at;
}

static enum mi_status cut_words(const char *option, const char *text, struct words *words,
                                struct mi_error *error) {
    size_t size = strlen(text);
    *words = (struct words){.text = malloc(size + 2), .items = calloc(size + 2, sizeof *words->items)};
    if (!words->text || !words->items)
        return no_memory(error);
    char *to = words->text;
    for (const char *at = text; *at;) {
        if (is_blank(*at)) {
            at++;
            continue;
        }
        words->items[words->count++] = to;
        at = copy_word(at, &to);
        if (!at)
            return mi_error_set(error, MI_BAD_ARGUMENT, "--%s: a quote is open: \"%s\"", option, text);
    }
    if (words->count == 0)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--%s: no command: \"%s\"", option, text);
    return MI_OK;
}

/* ---- child ---- */

/* A file without a name that holds `input` and is read from its start. */
static enum mi_status hold_input(struct mi_text input, FILE **file, struct mi_error *error) {
    *file = tmpfile();
    if (!*file)
        return mi_error_set(error, MI_SYSTEM, "no temporary file: %s", strerror(errno));
    if (fwrite(input.data ? input.data : "", 1, input.size, *file) != input.size || fflush(*file) != 0 ||
        lseek(fileno(*file), 0, SEEK_SET) < 0)
        return mi_error_set(error, MI_SYSTEM, "temporary file: %s", strerror(errno));
    return MI_OK;
}

/* Starts it in a process group of its own; returns 0 or an errno. */
static int start(char **words, int input, pid_t *child) {
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t files;
    sigset_t usual;
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    int failed = posix_spawnattr_init(&attributes);
    if (failed)
        return failed;
    failed = posix_spawn_file_actions_init(&files);
    if (failed) {
        posix_spawnattr_destroy(&attributes);
        return failed;
    }
    failed = posix_spawnattr_setsigdefault(&attributes, &usual);
    if (!failed)
        failed = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    if (!failed)
        failed = posix_spawnp(child, words[0], &files, &attributes, words, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return failed;
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Waits until the child has ended, or, with a deadline, until then; false: it has not ended. */
static bool wait_until(pid_t child, double deadline, int *state) {
    const struct timespec pause = {.tv_nsec = 5000000};
    for (;;) {
        pid_t ended = waitpid(child, state, deadline > 0 ? WNOHANG : 0);
        if (ended == child || (ended < 0 && errno != EINTR))
            return true;
        if (deadline > 0 && seconds_now() >= deadline)
            return false;
        if (ended == 0)
            nanosleep(&pause, NULL);
    }
}

static enum mi_status await(const char *option, const char *text, pid_t child, unsigned long seconds,
                            struct mi_error *error) {
    int state = 0;
    double deadline = seconds > 0 ? seconds_now() + (double)seconds : 0;
    if (!wait_until(child, deadline, &state)) {
        kill(-child, SIGTERM);
        wait_until(child, seconds_now() + GRACE_SECONDS, &state);
        kill(-child, SIGKILL);
        wait_until(child, 0, &state);
        return mi_error_set(error, MI_SYSTEM, "--%s: not done within %lu s, stopped: %s", option, seconds,
                            text);
    }
    if (WIFSIGNALED(state))
        return mi_error_set(error, MI_SYSTEM, "--%s: ended by signal %d: %s", option, WTERMSIG(state), text);
    if (state != 0)
        return mi_error_set(error, MI_SYSTEM, "--%s: ended with status %d: %s", option, WEXITSTATUS(state),
                            text);
    return MI_OK;
}

enum mi_status command_run(const char *option, const char *text, struct mi_text input, unsigned long seconds,
                           struct mi_error *error) {
    struct words words = {0};
    FILE *file = NULL;
    pid_t child;
    enum mi_status status = cut_words(option, text, &words, error);
    if (!status)
        status = hold_input(input, &file, error);
    if (!status) {
        int failed = start(words.items, fileno(file), &child);
        status =
            failed ? mi_error_set(error, MI_SYSTEM, "--%s: %s: %s", option, words.items[0], strerror(failed))
                   : await(option, text, child, seconds, error);
    }
    if (file)
        fclose(file);
    free(words.items);
    free(words.text);
    return status;
}
