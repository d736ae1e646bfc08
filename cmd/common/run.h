/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Other programs that a tool runs: --on-fail, --exec.
 */
#ifndef RUN_H
#define RUN_H

#include "common/program.h"

/* Runs the command that `option` names and waits for it. `text` is cut into words at blanks; quotes '...' and
 * "..." and a backslash keep characters together, as xargs does. There is no shell: $, *, ; and | are
 * ordinary characters. The program is searched in PATH, reads `input`, and what it prints goes to standard
 * error. It gets SIGPIPE as usual. MI_SYSTEM where it could not be started, ended with another status than 0,
 * or ran longer than `seconds` (0: no limit): then it and what it started are stopped. */
enum mi_status command_run(const char *option, const char *text, struct mi_text input, unsigned long seconds,
                           struct mi_error *error);

#endif
