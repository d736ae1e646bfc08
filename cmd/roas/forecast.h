/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-roas forecast: options, help, run.
 */
#ifndef ROAS_FORECAST_H
#define ROAS_FORECAST_H

#include "common/program.h"

extern const struct option_spec forecast_table[];
extern const char forecast_details[];
enum mi_status forecast_run(struct mi_error *error);

#endif
