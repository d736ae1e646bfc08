/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a series is before the experts see it: trimmed, weekdays on which it is closed masked, logs and
 * scales.
 */
#include "forecast/prepare.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

#define LONGEST_PAST 1100  /* days: two years and what a backtest on them needs */
#define TAME_PAST    56    /* days before the last that it is held against */
#define TAME_KNOWN   14    /* of them, that must be known */
#define TAME_ROOM    0.5   /* of their range, beyond which the last day is odd */
#define LOG_BEYOND   1.5   /* how far logs may go beyond the highest: to 4.5 times the value */
#define CLOSED_WEEKS 12    /* over which a weekday that is always zero is looked for */
#define CLOSED_ODDS  0.001 /* of so many zeros by chance, below which the weekday is closed */

/* Masks a weekday on which nothing ever happens lately, though on others it does. */
static void mask_closed(struct series *series) {
    size_t zeros[WEEK] = {0}, n[WEEK] = {0}, open = 0, open_zeros = 0;
    size_t span = CLOSED_WEEKS * WEEK, from = series->days > span ? series->days - span : 0;
    for (size_t t = from; t < series->days; t++)
        if (!isnan(series->value[t])) {
            n[weekday_of(series, t)]++;
            zeros[weekday_of(series, t)] += series->value[t] == 0;
        }
    for (size_t w = 0; w < WEEK; w++)
        if (zeros[w] < n[w]) {
            open += n[w];
            open_zeros += zeros[w];
        }
    double chance = ((double)open_zeros + 1) / ((double)open + 2);
    for (size_t w = 0; w < WEEK; w++)
        series->live[w] =
            zeros[w] < n[w] || n[w] == 0 || open == 0 || pow(chance, (double)n[w]) > CLOSED_ODDS;
    for (size_t w = 0; w < WEEK; w++)
        series->closed |= !series->live[w];
    for (size_t t = 0; t < series->days; t++)
        if (!series->live[weekday_of(series, t)])
            series->value[t] = NAN;
}

static int compare(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The usual distance of a day from the mean of the same weekday a week before and after; infinite where there
 * is none. `room`: for as many numbers as days. */
static double usual_surprise(const double *z, size_t days, double *room) {
    size_t n = 0;
    double sum = 0;
    for (size_t t = WEEK; t + WEEK < days; t++) {
        double surprise = fabs(z[t] - (z[t - WEEK] + z[t + WEEK]) / 2);
        if (!isnan(surprise)) {
            room[n++] = surprise;
            sum += surprise;
        }
    }
    if (n == 0)
        return INFINITY;
    qsort(room, n, sizeof *room, compare);
    return fmax(1.2 * room[n / 2], 0.5 * sum / (double)n);
}

/* Logs, only where all that is known is above 0. */
static bool take_logs(struct series *series, double *logs) {
    series->log_most = -INFINITY;
    for (size_t t = 0; t < series->days; t++) {
        if (series->value[t] <= 0)
            return false;
        logs[t] = log(series->value[t]);
        series->log_most = fmax(series->log_most, logs[t] + LOG_BEYOND); /* NaN leaves it */
    }
    return true;
}

/* The last day is what walks start from, and most often not whole yet, or a batch that came late: one that
 * lies far beyond the two months before it is taken at the edge. Two such days in a row are a new level and
 * stay. */
static bool tame_last(struct series *series) {
    const size_t last = series->days - 1;
    double low = INFINITY, high = -INFINITY;
    size_t known = 0;
    for (size_t t = last > TAME_PAST ? last - TAME_PAST : 0; t < last; t++) {
        if (isnan(series->value[t]))
            continue;
        low = fmin(low, series->value[t]);
        high = fmax(high, series->value[t]);
        known++;
    }
    double room = (high - low) * TAME_ROOM, value = series->value[last];
    if (isnan(value) || known < TAME_KNOWN || (value >= low - room && value <= high + room))
        return false;
    series->value[last] = value < low ? low - room : high + room;
    return true;
}

enum mi_status series_prepare(const struct mi_series *from, const struct mi_forecast_options *options,
                              struct series *series, struct holiday_effect *ahead, struct mi_error *error) {
    size_t first = from->days > LONGEST_PAST ? from->days - LONGEST_PAST : 0;
    while (first < from->days && isnan(from->value[first]))
        first++;
    if (first == from->days)
        return mi_error_set(error, MI_BAD_ARGUMENT, "no day %shas a value",
                            from->days > LONGEST_PAST ? "of the last three years " : "");
    const size_t days = from->days - first;
    double *room = malloc(3 * days * sizeof *room);
    if (!room)
        return mi_no_memory(error);
    *series = (struct series){
        .days = days,
        .first_weekday = mi_date_weekday(from->start + (int32_t)first),
        .value = room,
    };
    for (size_t t = 0; t < days; t++)
        series->value[t] = from->value[first + t];
    enum mi_status status =
        holidays_take_out(series->value, from->start + (int32_t)first, days, options->holidays,
                          options->holiday_count, ahead, options->days, error);
    if (status)
        return status;
    mask_closed(series);
    series->tamed = tame_last(series);
    series->scale = usual_surprise(series->value, days, room + 2 * days);
    if (take_logs(series, room + days)) {
        series->log = room + days;
        series->log_scale = usual_surprise(series->log, days, room + 2 * days);
    }
    return MI_OK;
}

void series_clear(struct series *series) {
    free(series->value);
    free(series->spend);
    series->value = series->spend = NULL;
}
