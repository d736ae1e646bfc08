/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Holidays of a series: taken out before the experts see it, put back on the days ahead.
 */
#ifndef MI_FORECAST_HOLIDAY_H
#define MI_FORECAST_HOLIDAY_H

#include "forecast/forecast.h"
#include "mi.h"

struct holiday_effect {
    double factor, error; /* by which the day is multiplied, and its standard error */
};

/* Learns what holidays do from those within `value` (days from `start` on; NaN: missing) and takes it out of
 * them. ahead[h]: the effect on the day h + 1 after the last, factor 1 and error 0 where that is no holiday
 * or one never seen. */
enum mi_status holidays_take_out(double *value, int32_t start, size_t days, const struct mi_holiday *holidays,
                                 size_t count, struct holiday_effect *ahead, size_t ahead_days,
                                 struct mi_error *error);

#endif
