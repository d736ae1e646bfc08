/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Means of a campaign's posterior by quadrature around its mode.
 */
#ifndef CURVE_POSTERIOR_H
#define CURVE_POSTERIOR_H

#include "curve/fit.h"

#define REACHES 6 /* multiples of the highest spend at which a curve is to be right */
extern const double fit_posterior_reach[REACHES];

/* The weighted rows of a campaign: n rows, then the highest spend, then the reaches. */
struct posterior_rows {
    size_t n;
    double spend_max;
    const double *x, *y, *factor, *root_weight;
    double *share, **by; /* room for what the family computes */
};

struct posterior {
    double mean[PARAMETERS];
    double covariance[PARAMETERS][PARAMETERS];
    double log_users[REACHES]; /* of users over highest spend */
};

/* false: the covariance at the mode is none, or nothing finite came out. */
bool fit_posterior_of(const struct fit_family *family, const struct prior *prior, const double *centre,
                      const struct posterior_rows *rows, const double mode[PARAMETERS],
                      double covariance[PARAMETERS][PARAMETERS], struct posterior *posterior);

/* The parameters whose curve runs through the posterior's log users, nearest to its mean. */
void fit_posterior_curve(const struct fit_family *family, const struct posterior *posterior,
                         double parameter[PARAMETERS]);

#endif
