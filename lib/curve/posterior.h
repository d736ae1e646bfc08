/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A campaign's posterior: log users at any spend = level + log share of the family + misfit, where the misfit
 * is a smooth random function of log spend (a Gaussian process), for no campaign is exactly of a family.
 * Level and misfit are integrated out in closed form, the shape on a grid.
 */
#ifndef CURVE_POSTERIOR_H
#define CURVE_POSTERIOR_H

#include "curve/fit.h"

#define MISFIT_LENGTH 0.7 /* over which the misfit of a family changes, in log spend */

struct posterior {
    double mean[PARAMETERS]; /* level, shape */
    double covariance[PARAMETERS][PARAMETERS];
    double anchor, anchor_variance, anchor_level;
    struct kind_sums kinds[KINDS];
    double layout[PARAMETERS][PARAMETERS]; /* covariance that the grid is laid out by */
    double log_users[REACHES];             /* mean of log(users / highest spend) at the reaches */
    double users_covariance[REACHES][REACHES];
};

/* The posterior under a prior with this centre, on a grid laid out by mean and layout in `posterior`
 * (from the last time, or the prior's), which is replaced; its log users only where `users` asks for
 * them. false: nothing finite came out. */
bool fit_posterior_of(const struct fit_family *family, const struct prior *prior, const double *centre,
                      struct posterior_bins *bins, bool users, struct posterior *posterior);

/* A symmetric positive definite n by n matrix := its inverse. */
bool fit_posterior_invert(double *matrix, size_t n);

/* The parameters whose curve runs through the posterior's log users about the spend in view (log of it over
 * the highest), nearest to its mean, and the covariance under which their curve varies as the posterior's log
 * users do. */
void fit_posterior_curve(const struct fit_family *family, const struct posterior *posterior, double in_view,
                         double parameter[PARAMETERS], double covariance[PARAMETERS][PARAMETERS]);

#endif
