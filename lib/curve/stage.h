/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One stage of a funnel: counts (impressions, clicks, conversions) per exposure (spend, impressions, clicks),
 * as a log-linear function of some regressors. Every campaign has coefficients of its own, normal about the
 * portfolio's, whose spreads are learnt from all: a thin campaign has the portfolio's.
 */
#ifndef CURVE_STAGE_H
#define CURVE_STAGE_H

#include "mi.h"

#define STAGE_MOST 8 /* coefficients: the level first */

struct stage_row {
    double count, exposure; /* exposure above 0 */
    double x[STAGE_MOST];   /* x[0] = 1 */
};

struct stage_campaign {
    size_t first, rows;
    double coefficient[STAGE_MOST];
    double covariance[STAGE_MOST][STAGE_MOST];
};

struct stage {
    size_t coefficients;
    struct stage_row *rows;
    struct stage_campaign *campaigns;
    size_t campaign_count;
    /* before anything is learnt: the portfolio's coefficients with their uncertainty (that of the level is
     * not used), and the campaigns' spread about them with the least that it may be */
    double start[STAGE_MOST], uncertainty[STAGE_MOST], spread[STAGE_MOST], least_spread[STAGE_MOST];
    /* learnt */
    double mean[STAGE_MOST], mean_variance[STAGE_MOST];
    double dispersion; /* variance of a count = mean + dispersion * mean^2 */
};

/* Fits all campaigns; one without rows gets the portfolio's coefficients. */
void stage_fit(struct stage *stage);
/* Whether the rows of all tell a coefficient: it is surer than what was assumed of it. */
bool stage_tells(const struct stage *stage, size_t coefficient);
/* The log of counts per exposure at regressors x. */
double stage_log_rate(const struct stage *stage, const struct stage_campaign *campaign, const double *x);

#endif
