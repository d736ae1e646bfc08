/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Makes whole units (cents, or steps) of an allocation that has rows and domains to keep to.
 */
#ifndef OPTIMIZE_ROUNDING_H
#define OPTIMIZE_ROUNDING_H

#include "optimize/objective.h"
#include "optimize/rows.h"

struct rounding_problem {
    const struct mi_allocation_problem *problem;
    const struct limits *limits;
    const struct rows *rows;
    const struct term *terms; /* whose sum is maximised */
    double unit;
    const double *prices; /* of the rows, to rank exchanges by; NULL: none */
};

/* Rounds in place. MI_NO: what came of it does not keep to all limits. */
enum mi_status rounding_settle(const struct rounding_problem *rounding, double *spend);

#endif
