/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Branch and bound over the dual: where an envelope splits a campaign, its interval is cut there.
 */
#ifndef OPTIMIZE_BRANCH_H
#define OPTIMIZE_BRANCH_H

#include "optimize/limits.h"
#include "optimize/objective.h"

/* Maximises the sum of `terms` within the limits. `spend` gets the best allocation found, *bound what no
 * allocation passes, *price the budget's multiplier at the root (NaN where the limits leave no choice). Ends
 * when bound and value are within `gap` (relative), at a fixed number of nodes, or after `deadline` (as
 * clock_now() counts, 0: none). MI_NUMERIC: *culprit is the
 * campaign whose curve gives no number. */
enum mi_status branch_maximise(const struct term *terms, const struct limits *limits, double gap,
                               double deadline, double *spend, double *bound, double *price, size_t *culprit);

/* Seconds of a clock that only goes forward. */
double clock_now(void);

#endif
