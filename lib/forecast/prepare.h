/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Makes a series ready for the experts.
 */
#ifndef MI_FORECAST_PREPARE_H
#define MI_FORECAST_PREPARE_H

#include "forecast/holiday.h"

/* From the first known day on, the last LONGEST_PAST days; holidays and weekdays that are closed are taken
 * out. ahead: what holidays do to the options->days days ahead. */
enum mi_status series_prepare(const struct mi_series *from, const struct mi_forecast_options *options,
                              struct series *series, struct holiday_effect *ahead, struct mi_error *error);
void series_clear(struct series *series);

#endif
