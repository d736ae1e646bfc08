/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The option table of one sub-command: its own options and those that every tool has.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "common/program.h"

/* What --help, --version and --completion set. */
struct asked {
    bool help, version;
    const char *completion;
};
extern struct asked asked;

/* Calls `visit` for each option of a command: its own, then the common ones. */
typedef void option_visitor(void *context, const struct option_spec *option, bool own);
void options_each(const struct command *command, option_visitor *visit, void *context);

/* Sets the defaults, parses argv[1] and on, puts the operand into common.input. MI_BAD_ARGUMENT says what is
 * wrong; `try_help` whether the help would help. */
enum mi_status options_parse(const struct command *command, int argc, char **argv, bool *try_help,
                             struct mi_error *error);

/* The help of a command; with whole: of the program, its default command and the list of the others. */
void help_print(const struct program *program, const struct command *command, bool whole);
/* A completion script for bash. */
void completion_print(const struct program *program);

#endif
