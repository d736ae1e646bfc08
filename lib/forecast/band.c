/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Empirical, asymmetric quantiles of the combination's errors at like horizons (split conformal prediction on
 * rolling origins). Errors are in units of the local error around their origin, in part: a calm stretch says
 * less about a wild one. The errors of neighbouring origins are much the same, so that the level is widened
 * by how few blocks of the horizon's length there are.
 */
#include "forecast/band.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

#define REACH        1.6 /* horizons from h / REACH to h * REACH are alike */
#define LOCAL_DAYS   42
#define LOCAL_MOST   4   /* local error over that of all days, and its inverse: at most */
#define WIDEN        0.8 /* level * (1 + WIDEN / blocks) */
#define LEVEL_MOST   0.9 /* beyond it the extremes of a short past would decide */
#define ALIKE_MOST   12  /* horizons that are looked at for one knot */
#define TOTALS_ALIKE 3
#define ERRORS_LEAST 8

static const double steps[KNOTS] = {1, 2, 3, 4, 5, 7, 10, 14, 20, 30, 45, 65, 90, 140, 220, 365};

/* Power of the local error in the unit of errors: spikes of an intermittent series say little of the next. */
static const double local_power[] = {[MI_FORECAST_REGULAR] = 0.6,
                                     [MI_FORECAST_INTERMITTENT] = 0.1,
                                     [MI_FORECAST_WALK] = 0.6,
                                     [MI_FORECAST_SHORT] = 0,
                                     [MI_FORECAST_STOPPED] = 0};
/* How much wider totals are, over the number of blocks: few of them are seen in the backtest. */
static const double totals_wider[] = {[MI_FORECAST_REGULAR] = 0.5,
                                      [MI_FORECAST_INTERMITTENT] = 2,
                                      [MI_FORECAST_WALK] = 0,
                                      [MI_FORECAST_SHORT] = 2,
                                      [MI_FORECAST_STOPPED] = 0};

struct backtests {
    const struct series *series;
    const struct combination *c;
    double *unit; /* of each origin's errors; the last is that of the forecast */
};

/* ---- units ---- */

/* Mean change of a week over the days from `from` to `to`; NaN where none is known. */
static double change_between(const struct series *series, size_t from, size_t to) {
    double sum = 0;
    size_t n = 0;
    for (size_t t = from > WEEK ? from : WEEK; t <= to; t++) {
        double change = fabs(series->value[t] - series->value[t - WEEK]);
        if (!isnan(change)) {
            sum += change;
            n++;
        }
    }
    return n > 0 ? sum / (double)n : NAN;
}

static void find_units(const struct backtests *b) {
    const struct combination *c = b->c;
    double all = change_between(b->series, 0, b->series->days - 1);
    for (size_t i = 0; i <= c->origins; i++) {
        size_t t = c->first + i * c->apart;
        double local = change_between(b->series, t > LOCAL_DAYS ? t + 1 - LOCAL_DAYS : 0, t);
        double ratio = all > 0 && local >= 0 ? local / all : 1;
        b->unit[i] = pow(fmin(LOCAL_MOST, fmax(1.0 / LOCAL_MOST, ratio)), local_power[c->kind]);
    }
}

/* ---- errors ---- */

static void add_error(struct errors *errors, double error) {
    if (!isnan(error))
        errors->value[errors->count++] = error;
}

static void collect_days(const struct backtests *b, double from, double to, struct errors *errors) {
    const struct combination *c = b->c;
    double stride = fmax(1, (to - from) / ALIKE_MOST);
    errors->count = 0;
    for (double at = from; at <= to; at += stride) {
        size_t h = (size_t)(at + 0.5);
        for (size_t i = 0; i < c->origins; i++) {
            size_t day = c->first + i * c->apart + h;
            if (day < b->series->days)
                add_error(errors, (b->series->value[day] - c->path[i * c->ahead + h - 1]) / b->unit[i]);
        }
    }
}

/* Mean error of the first h days after origin i; NaN where half of them or more are not known. */
static double mean_error(const struct backtests *b, size_t i, size_t h) {
    const struct series *series = b->series;
    const struct combination *c = b->c;
    const size_t start = c->first + i * c->apart + 1;
    double sum = 0;
    size_t n = 0, live = 0;
    if (start + h > series->days)
        return NAN;
    for (size_t k = 0; k < h; k++) {
        if (!series->live[weekday_of(series, start + k)])
            continue;
        double error = series->value[start + k] - c->path[i * c->ahead + k];
        live++;
        if (!isnan(error)) {
            sum += error;
            n++;
        }
    }
    return 2 * n > live ? sum / (double)n : NAN;
}

static void collect_totals(const struct backtests *b, double step, struct errors *errors) {
    const double far = floor(fmin(step * REACH, (double)b->c->ahead));
    const double alike[TOTALS_ALIKE] = {step, ceil(step / REACH), far};
    errors->count = 0;
    for (size_t k = 0; k < TOTALS_ALIKE; k++)
        for (size_t i = 0; i < b->c->origins; i++)
            add_error(errors, mean_error(b, i, (size_t)alike[k]) / b->unit[i]);
}

/* ---- quantiles ---- */

/* Moves the value that a sort would put at `rank` there, smaller ones before it (Hoare's selection). */
static double select_rank(double *values, size_t n, size_t rank) {
    size_t low = 0, high = n - 1;
    while (low < high) {
        double pivot = values[rank];
        size_t i = low, k = high;
        do {
            while (values[i] < pivot)
                i++;
            while (values[k] > pivot)
                k--;
            if (i <= k) {
                double swapped = values[i];
                values[i++] = values[k];
                values[k] = swapped;
                if (k == 0)
                    break;
                k--;
            }
        } while (i <= k);
        if (k < rank)
            low = i;
        if (rank < i)
            high = k;
    }
    return values[rank];
}

/* Quantile of n values, as conformal prediction takes it: of n + 1. Reorders them. */
static double quantile(double *values, size_t n, double p) {
    double at = fmin((double)(n - 1), fmax(0, p * (double)(n + 1) - 1));
    size_t below = (size_t)at;
    double value = select_rank(values, n, below), share = at - (double)below;
    return share > 0 ? value + share * (select_rank(values, n, below + 1) - value) : value;
}

bool errors_interval(struct errors *errors, double level, double blocks, double *low, double *high) {
    if (errors->count < ERRORS_LEAST)
        return false;
    double wide = fmin(fmax(level, LEVEL_MOST), level * (1 + WIDEN / fmax(1, blocks)));
    *low = quantile(errors->value, errors->count, (1 - wide) / 2);
    *high = quantile(errors->value, errors->count, (1 + wide) / 2);
    return true;
}

/* ---- the band ---- */

/* Quantiles at one knot; false where the backtest does not reach it. */
static bool make_knot(const struct backtests *b, double step, double level, struct band *band,
                      struct errors *errors) {
    const struct combination *c = b->c;
    const size_t k = band->knots;
    const double blocks = fmax(1, (double)(c->origins * c->apart) / step), now = b->unit[c->origins];
    const double wider = now * (1 + totals_wider[c->kind] / blocks);
    collect_days(b, fmax(1, step / REACH), fmin(fmax(step * REACH, step + 1), (double)c->ahead), errors);
    if (!errors_interval(errors, level, blocks, &band->day.low[k], &band->day.high[k]))
        return false;
    band->day.low[k] *= now;
    band->day.high[k] *= now;
    collect_totals(b, step, errors);
    if (errors_interval(errors, level, blocks, &band->total.low[k], &band->total.high[k])) {
        band->total.low[k] *= wider;
        band->total.high[k] *= wider;
    } else { /* the mean of several days errs no more than each */
        band->total.low[k] = k > 0 ? band->total.low[k - 1] : band->day.low[k];
        band->total.high[k] = k > 0 ? band->total.high[k - 1] : band->day.high[k];
    }
    band->step[k] = step;
    band->knots++;
    return true;
}

enum mi_status band_make(const struct series *series, const struct combination *c, double level,
                         struct band *band, struct mi_error *error) {
    struct backtests b = {series, c, malloc((c->origins + 1) * sizeof(double))};
    struct errors errors = {malloc((c->origins + 1) * (ALIKE_MOST + 2) * sizeof(double)), 0};
    enum mi_status status = b.unit && errors.value ? MI_OK : mi_no_memory(error);
    band->knots = 0;
    if (!status && c->kind == MI_FORECAST_STOPPED) { /* what it was says nothing of what it is */
        *band = (struct band){.knots = 1, .step = {1}};
    } else if (!status) {
        find_units(&b);
        for (size_t k = 0; k < KNOTS && (k == 0 || steps[k - 1] < (double)c->ahead); k++)
            if (!make_knot(&b, fmin(steps[k], (double)c->ahead), level, band, &errors))
                break;
    }
    free(b.unit);
    free(errors.value);
    return status;
}

void band_at(const struct band *band, const struct quantiles *q, double step, double *low, double *high) {
    size_t k = 0;
    while (k < band->knots && band->step[k] < step)
        k++;
    if (k == 0) {
        *low = q->low[0];
        *high = q->high[0];
    } else if (k == band->knots) { /* beyond the backtest: errors grow with the root of time */
        double growth = sqrt(step / band->step[k - 1]);
        *low = q->low[k - 1] * growth;
        *high = q->high[k - 1] * growth;
    } else {
        double share = log(step / band->step[k - 1]) / log(band->step[k] / band->step[k - 1]);
        *low = q->low[k - 1] + share * (q->low[k] - q->low[k - 1]);
        *high = q->high[k - 1] + share * (q->high[k] - q->high[k - 1]);
    }
}
