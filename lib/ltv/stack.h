/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How well predictions of money do that is mostly zero and has a heavy tail, and the weights of several such
 * predictions that do best together.
 */
#ifndef MI_LTV_STACK_H
#define MI_LTV_STACK_H

#include "mi.h"

enum { LTV_STACK_MOST = 5 };

/* Of predictions against what came. */
struct ltv_score {
    double mae, rmse;
    double gini;  /* normalised: area of the gain curve over that of the perfect order, ties averaged */
    double ratio; /* predicted total / actual total */
};

enum mi_status ltv_score_of(const double *predicted, const double *actual, size_t count,
                            struct ltv_score *score, struct mi_error *error);

/* A member's predictions as they are taken: those above `knee` grow more slowly, with a power of 1 or less,
 * and all are scaled. What is exp() of something linear goes too far at the top where the data do not say
 * otherwise. */
struct ltv_bend {
    double knee, power, scale;
};

struct ltv_weights {
    struct ltv_bend bend[LTV_STACK_MOST];
    double weight[LTV_STACK_MOST]; /* 0 and above, sum 1 */
    double scale;                  /* of the weighted mean */
};

struct ltv_stack_member {
    bool trusted; /* not learnt from what these rows brought */
    double prior; /* its share among those alike where the rows could not tell */
};

/* Weights for `members` predictions a row (count x members, row by row). The loss of weights is
 *     MAE / least + (1 - Gini) / least + RMSE / least / 4
 * where `least` is that of the best single member: the absolute error and the order count in full, the
 * squared error a quarter, since a handful of users decide it. Of all weights on the simplex in steps of 0.1
 * the mean is taken, each counting exp(-loss sqrt(count)): what the rows cannot tell apart is shared. Each
 * member is bent before (knee at its 95th percentile; the power whose squared error is less by the most
 * standard errors, 1.5 at least, so that no handful of users bends it) and scaled towards the actual total,
 * but for trusted ones. Of more than 20,000 rows every n-th is taken.
 *
 * Trusted members together get at least half of the weight where the loss of the best of them is within a
 * quarter of the best member's: what a user who is unlike all others will bring, the learnt ones cannot know,
 * and a few such users decide the total and the order.
 *
 * What is found is then drawn towards the priors as though 5000 rows spoke for these: half for the trusted,
 * half for the others, none for a member whose loss is more than a quarter above the best one's. Which
 * weights do best on a few thousand rows of heavy-tailed money is mostly luck. Where it is not, the priors
 * count less: by 1 + (z / 2)^2, with z the standard errors by which the Tweedie deviance (power 1.5) of what
 * was found is less than that of the priors. A weight below 0.05 is none.
 *
 * Totals are brought to within 10 % of the actual one, or within two of its standard errors. */
enum mi_status ltv_stack_fit(const double *predictions, size_t members, const struct ltv_stack_member *how,
                             const double *actual, size_t count, struct ltv_weights *weights,
                             struct mi_error *error);

double ltv_stack_at(const struct ltv_weights *weights, const double *predictions, size_t members);

#endif
