/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The probability of paying, stacked apart from the mean: a logistic regression on the logarithm of the
 * weighted mean and on the log odds of those members that say them. `leaf`, which says none, counts through
 * the mean.
 */
#ifndef MI_LTV_PAYING_H
#define MI_LTV_PAYING_H

#include "ltv/learner.h"

struct ltv_paying {
    double unit; /* of the mean: that of the target */
    double constant, mean;
    double members[LTV_MEMBERS]; /* of their log odds */
};

/* From out-of-fold values (LTV_MEMBERS for each row of all), the weights of the members, and of `count` rows
 * the place among all, the weighted mean and what came. A ridge of 20 users draws the weights to those of the
 * mean's stacking, and the mean's to none; where no member says a probability, to the logarithm itself. */
enum mi_status ltv_paying_fit(const struct ltv_value *values, const double *weights, const size_t *rows,
                              const double *mean, const double *actual, size_t count,
                              struct ltv_paying *paying, struct mi_error *error);

/* The probability that a user pays; `mean` is the ensemble's. */
double ltv_paying_at(const struct ltv_paying *paying, const struct ltv_value *values, double mean);

#endif
