/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Intervals from the combination's errors in its backtest.
 */
#ifndef MI_FORECAST_BAND_H
#define MI_FORECAST_BAND_H

#include "forecast/combine.h"

/* Horizons at which quantiles are taken; between them they are interpolated. */
#define KNOTS 16

struct quantiles {
    double low[KNOTS], high[KNOTS];
};

struct band {
    size_t knots;
    double step[KNOTS];     /* days ahead */
    struct quantiles day;   /* of a day's error, actual - predicted */
    struct quantiles total; /* of the mean error of the days up to there */
};

/* What quantiles are of: a growing list with room for all. */
struct errors {
    double *value;
    size_t count;
};

/* band->knots 0 where the backtest is too short to say. */
enum mi_status band_make(const struct series *series, const struct combination *combination, double level,
                         struct band *band, struct mi_error *error);
/* Low and high at a horizon. */
void band_at(const struct band *band, const struct quantiles *quantiles, double step, double *low,
             double *high);

/* The interval of a list of errors that has `blocks` independent ones; false where there are too few. Sorts
 * it. */
bool errors_interval(struct errors *errors, double level, double blocks, double *low, double *high);

#endif
