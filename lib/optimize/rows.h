/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Limits on groups as rows: the sum over the campaigns of p * spend - q * users is at most b, with q >= 0.
 * Limits on each campaign alone narrow its domain instead.
 */
#ifndef OPTIMIZE_ROWS_H
#define OPTIMIZE_ROWS_H

#include "optimize/domain.h"
#include "optimize/limits.h"

struct row_entry {
    size_t row;
    double p, q;
};

struct rows {
    size_t count;
    size_t *limit; /* the problem's limit that a row stands for */
    double *b;
    double *tolerance; /* what a row may be over: rounding of its sums */
    size_t campaigns;
    size_t *start; /* entries of campaign i: start[i] to start[i + 1] */
    struct row_entry *entries;
    struct domain *domains; /* of the campaigns */
    bool gaps;              /* some domain is more than one interval */
};

/* MI_NO names a campaign that is left no spend, and why. */
enum mi_status rows_new(struct rows *rows, const struct mi_allocation_problem *problem,
                        const struct limits *limits, struct mi_error *error);
void rows_free(struct rows *rows);

/* Sum of each row at given spends. */
void rows_sums(const struct rows *rows, const struct mi_allocation_problem *problem, const double *spend,
               double *sums);
/* Whether all hold. */
bool rows_hold(const struct rows *rows, const struct mi_allocation_problem *problem, const double *spend,
               double *sums);

/* The members of a limit, all campaigns where it names none. */
size_t limit_member(const struct mi_allocation_limit *limit, size_t number);
size_t limit_member_count(const struct mi_allocation_problem *problem,
                          const struct mi_allocation_limit *limit);
/* The figure that a limit is on. */
double limit_reached(const struct mi_allocation_problem *problem, const struct mi_allocation_limit *limit,
                     const double *spend);

#endif
