/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Makes a series ready for the experts.
 */
#ifndef MI_FORECAST_PREPARE_H
#define MI_FORECAST_PREPARE_H

#include "forecast/forecast.h"
#include "mi.h"

/* From the first known day on, the last LONGEST_PAST days; weekdays that are closed are taken out. */
enum mi_status series_prepare(const struct mi_series *from, struct series *series, struct mi_error *error);
void series_clear(struct series *series);

#endif
