/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From main() to the exit status: finds the sub-command, parses, runs, reports.
 */
#include "common/options.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum exit_status { EXIT_DONE = 0, EXIT_NO = 1, EXIT_TROUBLE = 2 };

static const char *program_name;

/* ---- messages ---- */

static void say(const char *format, va_list arguments) {
    char line[1024];
    vsnprintf(line, sizeof line, format, arguments);
    fprintf(stderr, "%s: %s\n", program_name, line);
}

void note(const char *format, ...) {
    if (common.quiet)
        return;
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

void detail(const char *format, ...) {
    if (!common.verbose || common.quiet)
        return;
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

static void note_line(void *user, const char *text) {
    (void)user;
    note("%s", text);
}

struct mi_notes common_notes(void) {
    return (struct mi_notes){.say = note_line};
}

enum mi_status no_memory(struct mi_error *error) {
    return mi_error_set(error, MI_NO_MEMORY, "out of memory");
}

static enum exit_status report(enum mi_status status, const struct mi_error *error) {
    char text[sizeof *error + 64];
    if (status == MI_OK || status == MI_CLOSED)
        return EXIT_DONE;
    mi_error_format(error, text, sizeof text);
    if (*text)
        fprintf(stderr, "%s: %s\n", program_name, text);
    else if (status != MI_NO)
        fprintf(stderr, "%s: out of memory\n", program_name);
    return status == MI_NO ? EXIT_NO : EXIT_TROUBLE;
}

/* ---- start ---- */

/* A standard stream that is closed gets a descriptor on which its use fails, so that no file takes its place.
 */
static void hold_standard_streams(void) {
    for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; descriptor++)
        if (fcntl(descriptor, F_GETFD) < 0)
            (void)!open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* What was printed by stdio reached its place. */
static enum exit_status flush_standard_output(void) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_DONE;
    fprintf(stderr, "%s: cannot write standard output\n", program_name);
    return EXIT_TROUBLE;
}

/* Whether argv[1], or argv[1] and argv[2], are the command's name; the number of its words, else 0. */
static int words_of(const struct command *command, int argc, char **argv) {
    const char *space = strchr(command->name, ' ');
    if (!space)
        return argc > 1 && strcmp(argv[1], command->name) == 0 ? 1 : 0;
    size_t size = (size_t)(space - command->name);
    bool named = argc > 2 && strlen(argv[1]) == size && memcmp(argv[1], command->name, size) == 0 &&
                 strcmp(argv[2], space + 1) == 0;
    return named ? 2 : 0;
}

/* The command that argv names, the first one where it names none; argv is moved to the word before options.
 */
static const struct command *find_command(const struct program *program, int *argc, char ***argv) {
    for (const struct command *command = program->commands; command->name; command++) {
        int words = words_of(command, *argc, *argv);
        if (words > 0) {
            *argc -= words;
            *argv += words;
            return command;
        }
    }
    return program->commands;
}

/* A command's name as the file to read is a slip. */
static enum mi_status check_operand(const struct program *program, struct mi_error *error) {
    for (const struct command *command = program->commands; command->name; command++)
        if (common.input && strcmp(common.input, command->name) == 0 && access(common.input, F_OK) != 0)
            return mi_error_set(error, MI_BAD_ARGUMENT, "'%s' goes first, before all options", command->name);
    return MI_OK;
}

static enum exit_status answer(const struct program *program, const struct command *command, bool named) {
    if (asked.help)
        help_print(program, command, !named);
    else if (asked.version)
        printf("%s %s\n", program->name, mi_version());
    else if (strcmp(asked.completion, "bash") == 0)
        completion_print(program);
    else {
        fprintf(stderr, "%s: option --completion: none of bash: \"%s\"\n", program_name, asked.completion);
        return EXIT_TROUBLE;
    }
    return flush_standard_output();
}

int program_main(const struct program *program, int argc, char **argv) {
    struct mi_error error = {0};
    bool try_help = false;
    program_name = program->name;
    hold_standard_streams();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a status of write() */
    enum mi_status status = mi_init(MI_VERSION, &error);
    if (status)
        return (int)report(status, &error);
    int words = argc;
    const struct command *command = find_command(program, &argc, &argv);
    status = options_parse(command, argc, argv, &try_help, &error);
    if (!status && !(common.map_use = calloc(common.maps.count + 1, sizeof *common.map_use)))
        status = no_memory(&error);
    if (!status && (asked.help || asked.version || asked.completion))
        return (int)answer(program, command, argc < words);
    if (!status)
        status = check_operand(program, &error);
    if (status) {
        enum exit_status ended = report(status, &error);
        if (try_help)
            fprintf(stderr, "Try '%s%s%s --help'.\n", program_name, argc < words ? " " : "",
                    argc < words ? command->name : "");
        return (int)ended;
    }
    status = command->run(&error);
    return (int)report(status, &error);
}
