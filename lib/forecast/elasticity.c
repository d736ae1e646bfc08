/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * By how much revenue follows spend, for forecasts along a plan: a Bayesian regression on one slope.
 */
#include <math.h>

#include "forecast/forecast.h"
#include "mi.h"

#define PRIOR_MEAN  0.7 /* across campaigns: 0.74 on 655 Google Ads campaigns before and after */
#define PRIOR_SD    0.2
#define CHANGE_MOST 2.0 /* in logs: a change beyond is a start or a stop, no day like the others */
#define VALUE_MOST  1.2

static double log_change(const double *value, size_t t) {
    double change = value[t] > 0 && value[t - WEEK] > 0 ? log(value[t] / value[t - WEEK]) : NAN;
    return fabs(change) <= CHANGE_MOST ? change : NAN;
}

struct mi_elasticity mi_forecast_elasticity(const struct mi_series *revenue, const struct mi_series *spend) {
    struct mi_elasticity elasticity = {PRIOR_MEAN, PRIOR_SD, 0};
    double xx = 0, xy = 0, yy = 0, n = 0;
    if (revenue->start != spend->start)
        return elasticity;
    for (size_t t = WEEK; t < revenue->days && t < spend->days; t++) {
        double x = log_change(spend->value, t), y = log_change(revenue->value, t);
        if (isnan(x) || isnan(y))
            continue;
        xx += x * x;
        xy += x * y;
        yy += y * y;
        n++;
    }
    elasticity.days = (size_t)n;
    if (n < 3 || !(xx > 0))
        return elasticity;
    /* each day is in two changes: half as many independent ones */
    double slope = xy / xx, noise = fmax(1e-6, (yy - slope * xy) / (n - 1));
    double own = xx / (2 * noise), prior = 1 / (PRIOR_SD * PRIOR_SD);
    elasticity.value = fmin(VALUE_MOST, fmax(0, (own * slope + prior * PRIOR_MEAN) / (own + prior)));
    elasticity.error = sqrt(1 / (own + prior));
    return elasticity;
}
