/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The global search where there are limits on groups, gaps in domains, or terms of their own (calm): convex
 * relaxation, diving to an allocation, branch and bound.
 */
#ifndef OPTIMIZE_LIMITED_H
#define OPTIMIZE_LIMITED_H

#include "optimize/rounding.h"

struct limited_result {
    double *spend; /* room; whole units, keeps to all limits */
    double value;  /* of the terms there */
    double bound;
    double budget_price;
    double *prices; /* room for one per row */
};

/* MI_NO: no allocation was found; error names the rows that contradict, with what would do, where the
 * relaxation shows that. deadline: as clock_now() counts, 0: none. */
enum mi_status limited_maximise(const struct rounding_problem *problem, double gap, double deadline,
                                struct limited_result *result, struct mi_error *error);

#endif
