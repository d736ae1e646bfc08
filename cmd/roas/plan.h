/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Spend that is planned for the days ahead, as mi-optimize writes it, and what it makes of a forecast.
 */
#ifndef ROAS_PLAN_H
#define ROAS_PLAN_H

#include "roas/series.h"

/* What is planned for one series. */
struct plan {
    bool given;
    double every; /* spend of every day ahead; NaN where the plan names days */
    double *day;  /* by step - 1; NaN: not planned. NULL where every day is alike */
    bool has_curve;
    struct mi_curve curve; /* users by spend */
};

struct plans {
    struct plan *items; /* by series */
    size_t count, days;
};

/* Reads the table: the columns that tell the series apart, spend (under the measure's name), and where there
 * `date` and `curve`. Zero-initialise before; plans_free() in any case. */
enum mi_status plans_read(struct plans *plans, const char *path, const struct series_set *set,
                          const char *spend, size_t days, struct mi_error *error);
void plans_free(struct plans *plans);

/* Makes the two forecasts of a series follow its plan. false: there is spend in the plan and none is forecast
 * without it, so that nothing can be said of the revenue. */
bool plan_follow(const struct plan *plan, size_t days, const struct mi_series *revenue,
                 const struct mi_series *spend, struct mi_forecast *revenue_forecast,
                 struct mi_forecast *spend_forecast);

#endif
