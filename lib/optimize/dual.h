/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The Lagrangian dual of the budget: the price at which the campaigns, each left to itself, together ask for
 * the budget; an allocation made of their answers, and a bound that no allocation passes.
 */
#ifndef OPTIMIZE_DUAL_H
#define OPTIMIZE_DUAL_H

#include "optimize/envelope.h"

struct dual {
    size_t count;
    const struct envelope **envelopes; /* one per campaign */
    double budget;
    bool at_most;
    gsl_root_fsolver *roots;
    double *workspace; /* three times count numbers */
};

struct dual_answer {
    double *spend; /* room for count numbers; sums to the budget, or to less with at_most */
    double value;  /* of the terms at spend */
    double bound;  /* what no allocation within the envelopes' intervals passes */
    double price;
    size_t split;      /* the campaign that loses most against its envelope */
    double split_loss; /* and how much */
};

/* Room for `count` campaigns; dual_free() in any case. */
enum mi_status dual_new(struct dual *dual, size_t count, double budget, bool at_most);
void dual_free(struct dual *dual);

/* Solves. `guess` is a price to begin at, NaN: none. MI_NO: the intervals leave no allocation. */
enum mi_status dual_solve(struct dual *dual, double guess, struct dual_answer *answer);

#endif
