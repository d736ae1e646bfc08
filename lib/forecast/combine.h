/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The experts' combination on one series: its path from the last day, and those of the backtest.
 */
#ifndef MI_FORECAST_COMBINE_H
#define MI_FORECAST_COMBINE_H

#include "forecast/forecast.h"
#include "mi.h"

/* Days ahead share weights within a segment. */
#define SEGMENTS 4

struct combination {
    enum mi_forecast_kind kind;
    size_t ahead;
    size_t first, apart, origins; /* backtest i starts from the end of day first + i * apart; row `origins` is
                                     the forecast, from the last day */
    double *path;                 /* (origins + 1) x ahead */
};

enum mi_status combine(const struct series *series, size_t ahead, struct combination *combination,
                       struct mi_error *error);
void combination_clear(struct combination *combination);

#endif
