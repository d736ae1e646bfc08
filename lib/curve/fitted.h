/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A fit from its first row to its results: what collects the rows (fit.c) and what says what came of them
 * (fitted.c) share.
 */
#ifndef CURVE_FITTED_H
#define CURVE_FITTED_H

#include "curve/fit.h"

#define POOLED "*"

struct mi_curve_fit {
    struct mi_curve_fit_options options;
    struct mi_index *ids, *groups, *features;
    struct portfolio portfolio;
    size_t day_capacity, campaign_capacity, node_capacity;
    struct backtest backtest;
    size_t users_without_spend, summed;
    double typical_spend; /* median of the campaigns' highest */
    double typical_least; /* and of their lowest */
    double typical_level; /* median of their log users per spend */
    double users;         /* of all campaigns */
    int32_t asof;         /* of the delay */
    struct delays delays; /* none: all is known at once */
    size_t too_young;
    double adstock; /* rate; NaN: to be estimated */
    bool adstock_estimated;
};

/* Notes: what was left out and what fell back. */
void fit_say(const struct mi_curve_fit *fit, const struct mi_notes *notes);

#endif
