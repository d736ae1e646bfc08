/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who decides in a market: a command, or someone who knows the truth.
 */
#ifndef SIMULATE_POLICY_H
#define SIMULATE_POLICY_H

#include "common/program.h"

/* Writes what is known into the folder, runs the command there and reads its answer into `budgets`, one a
 * campaign. */
enum mi_status policy_ask(const struct mi_market *market, size_t campaigns, const char *command,
                          const char *folder, double *budgets, struct mi_error *error);

#endif
