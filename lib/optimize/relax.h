/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The convex relaxation of an allocation with rows: every campaign's term and users are replaced by their
 * concave envelopes. Rows may be exceeded at a price above any that a row that can be kept would have, so
 * that contradictions show as what is left over.
 */
#ifndef OPTIMIZE_RELAX_H
#define OPTIMIZE_RELAX_H

#include "optimize/pieces.h"
#include "optimize/rows.h"

struct relax_problem {
    size_t count;
    const struct pieces **pieces; /* one per campaign */
    const struct rows *rows;
    const double *b; /* the rows' right sides */
    double budget;
    bool at_most;
};

struct relaxed {
    double *spend; /* room for one per campaign */
    double *price; /* of each row, 0 and above */
    double *over;  /* by how much each row is exceeded */
    double budget_price;
    double bound; /* of all allocations within the pieces' domains; INFINITY: none known */
};

/* MI_NO: the domains leave no sum that is the budget. MI_NUMERIC: no solution was found. */
enum mi_status relax_solve(const struct relax_problem *problem, gsl_root_fsolver *roots,
                           struct relaxed *relaxed);

#endif
