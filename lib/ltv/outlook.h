/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The distribution of a user's value around its prediction, from predictions of users that had no part in
 * them: zero with some probability, else the mean of payers times a residual whose quantiles are those of
 * users with a like prediction. Intervals are conformal (Vovk, Gammerman, Shafer 2005; Romano, Patterson,
 * Candes 2019): the probability that the distribution gives to the set is chosen, for users of like
 * predictions, such that the sets have held what came as often as they should.
 */
#ifndef MI_LTV_OUTLOOK_H
#define MI_LTV_OUTLOOK_H

#include "base/buffer.h"
#include "mi.h"

#include <jansson.h>

enum { LTV_RESIDUALS = 41, LTV_LEVELS = 6 };

/* Users of like predictions. */
struct ltv_outlook_bin {
    double top;                      /* the highest prediction; the last bin has no top */
    double paying;                   /* share of payers */
    double lift;                     /* of the members' odds of paying: observed over said */
    double residuals[LTV_RESIDUALS]; /* quantiles of log(value * paying / prediction) of payers */
    double nominal[LTV_LEVELS];      /* probability of a set that holds ltv_levels[] */
};

struct ltv_outlook {
    struct ltv_outlook_bin *bins;
    size_t count;
};

extern const double ltv_levels[LTV_LEVELS]; /* 0.5 ... 0.95 */

/* From out-of-fold predictions: the mean, the probability of paying (NaN: not said) and what came. */
enum mi_status ltv_outlook_fit(const double *mean, const double *paying, const double *actual, size_t count,
                               struct ltv_outlook *outlook, struct mi_error *error);
void ltv_outlook_clear(struct ltv_outlook *outlook);

/* The narrowest set that holds `level`: one that starts at 0, or one of payers' values alone. Where not
 * paying alone is at least that likely it is [0, 0]. */
void ltv_outlook_interval(const struct ltv_outlook *outlook, double mean, double paying, double level,
                          double *low, double *high);
/* A quantile of the distribution. */
double ltv_outlook_quantile(const struct ltv_outlook *outlook, double mean, double paying, double share);

void ltv_outlook_write(const struct ltv_outlook *outlook, struct mi_buffer *out);
enum mi_status ltv_outlook_read(const json_t *array, struct ltv_outlook *outlook, const char **fault,
                                struct mi_error *error);

#endif
