/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A daily series to its forecast, and what two of them say together: a ratio, as ROAS is, and a forecast that
 * follows planned spend.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "forecast/band.h"
#include "forecast/prepare.h"

#define RATIO_WIDER      0.5    /* over the number of blocks: as totals are */
#define NORMAL_PER_LEVEL 1.2816 /* half width of 80 % of a normal, in standard deviations */

struct mi_forecast {
    struct series series;
    struct combination combination;
    struct band band;
    int32_t end; /* its last day */
    double level;
    bool never_negative, no_negative_week;   /* days, and sums of seven of them */
    double zeros;                            /* probability that a day is zero */
    double fixed[MI_FORECAST_DAYS_MOST];     /* by day ahead: what is planned, NaN where nothing is */
    double factor[MI_FORECAST_DAYS_MOST];    /* by day ahead: what holidays and the plan multiply it by */
    double log_error[MI_FORECAST_DAYS_MOST]; /* standard error of its logarithm */
};

const char *mi_forecast_kind_name(enum mi_forecast_kind kind) {
    static const char *const names[] = {"regular", "intermittent", "walk", "short", "stopped"};
    return names[kind];
}

struct mi_forecast_options mi_forecast_options_default(void) {
    return (struct mi_forecast_options){.days = 90, .level = MI_INTERVAL};
}

/* ---- make ---- */

static void find_signs(struct mi_forecast *made) {
    double week = 0, zeros = 0, known = 0;
    made->never_negative = made->no_negative_week = true;
    for (size_t t = 0; t < made->series.days; t++) {
        double value = made->series.value[t], left = t >= WEEK ? made->series.value[t - WEEK] : 0;
        week += (isnan(value) ? 0 : value) - (isnan(left) ? 0 : left);
        if (value < 0)
            made->never_negative = false;
        zeros += value == 0;
        known += !isnan(value);
        if (t + 1 >= WEEK && week < -1e-9 * fabs(value))
            made->no_negative_week = false;
    }
    made->zeros = zeros > 0 ? (zeros + 0.5) / (known + 1) : 0;
}

/* The spend's logs by day of the series, and its forecasts. */
static enum mi_status lend_spend(struct mi_forecast *made, int32_t end,
                                 const struct mi_forecast_options *options, struct mi_error *error) {
    const struct series *spend = &options->spend->series;
    const size_t days = made->series.days;
    if (options->spend->end != end || options->spend->combination.ahead < options->days)
        return MI_OK;
    made->series.spend = malloc(days * sizeof *made->series.spend);
    if (!made->series.spend)
        return mi_no_memory(error);
    for (size_t t = 0; t < days; t++) {
        size_t back = days - t;
        double value = back <= spend->days ? spend->value[spend->days - back] : NAN;
        made->series.spend[t] = value > 0 ? log(value) : NAN;
    }
    made->series.spend_forecast = &options->spend->combination;
    return MI_OK;
}

static enum mi_status make(const struct mi_series *from, const struct mi_forecast_options *options,
                           struct mi_forecast *made, struct mi_error *error) {
    struct holiday_effect effects[MI_FORECAST_DAYS_MOST];
    enum mi_status status = series_prepare(from, options, &made->series, effects, error);
    if (!status && options->spend)
        status = lend_spend(made, from->start + (int32_t)from->days - 1, options, error);
    if (!status)
        status = combine(&made->series, options->days, &made->combination, error);
    made->series.spend_forecast = NULL;
    if (!status)
        status = band_make(&made->series, &made->combination, options->level, &made->band, error);
    if (status)
        return status;
    made->end = from->start + (int32_t)from->days - 1;
    made->level = options->level;
    find_signs(made);
    for (size_t h = 0; h < MI_FORECAST_DAYS_MOST; h++) {
        bool holiday = h < options->days;
        made->factor[h] = holiday ? effects[h].factor : 1;
        made->log_error[h] = holiday ? effects[h].error / effects[h].factor : 0;
        made->fixed[h] = NAN;
    }
    return MI_OK;
}

enum mi_status mi_forecast_series(const struct mi_series *series, const struct mi_forecast_options *options,
                                  struct mi_forecast **forecast, struct mi_error *error) {
    if (options->days < 1 || options->days > MI_FORECAST_DAYS_MOST)
        return mi_error_set(error, MI_BAD_ARGUMENT, "%zu days ahead: 1 to %d can be forecast", options->days,
                            MI_FORECAST_DAYS_MOST);
    struct mi_forecast *made = calloc(1, sizeof *made);
    if (!made)
        return mi_no_memory(error);
    enum mi_status status = make(series, options, made, error);
    if (status)
        mi_forecast_free(made);
    else
        *forecast = made;
    return status;
}

void mi_forecast_free(struct mi_forecast *forecast) {
    if (!forecast)
        return;
    combination_clear(&forecast->combination);
    series_clear(&forecast->series);
    free(forecast);
}

enum mi_forecast_kind mi_forecast_kind(const struct mi_forecast *forecast) {
    return forecast->combination.kind;
}

bool mi_forecast_last_odd(const struct mi_forecast *forecast) {
    return forecast->series.tamed;
}

/* ---- say ---- */

static double floored(const struct mi_forecast *forecast, double value) {
    return forecast->never_negative ? fmax(0, value) : value;
}

static bool is_live(const struct mi_forecast *forecast, size_t step) {
    return forecast->series.live[weekday_of(&forecast->series, forecast->series.days - 1 + step)];
}

static bool is_fixed(const struct mi_forecast *forecast, size_t step) {
    return !isnan(forecast->fixed[step - 1]);
}

/* Without the plan. */
static double base(const struct mi_forecast *forecast, size_t step) {
    const struct combination *c = &forecast->combination;
    return is_live(forecast, step) ? floored(forecast, c->path[c->origins * c->ahead + step - 1]) : 0;
}

/* The interval around `mean` from quantiles of the error and the plan's own error, independent of it, in the
 * same units. */
static void set_range(double mean, double low, double high, double plan, bool positive,
                      struct mi_forecast_range *range) {
    low = mean - hypot(fmin(0, low), plan) + fmax(0, low);
    high = mean + hypot(fmax(0, high), plan) + fmin(0, high);
    range->predicted = mean;
    range->low = fmin(mean, positive ? fmax(0, low) : low);
    range->high = fmax(mean, high);
}

/* Half of an interval of a normal error with this standard deviation. */
static double half_width(const struct mi_forecast *forecast, double deviation) {
    return NORMAL_PER_LEVEL * (forecast->level / MI_INTERVAL) * deviation;
}

void mi_forecast_day(const struct mi_forecast *forecast, size_t step, struct mi_forecast_range *range) {
    const double factor = forecast->factor[step - 1], mean = base(forecast, step) * factor;
    double low, high;
    if (is_fixed(forecast, step)) {
        range->predicted = range->low = range->high = forecast->fixed[step - 1];
    } else if (!is_live(forecast, step)) {
        range->predicted = range->low = range->high = 0;
    } else if (forecast->band.knots == 0) {
        *range = (struct mi_forecast_range){mean, NAN, NAN};
    } else {
        band_at(&forecast->band, &forecast->band.day, (double)step, &low, &high);
        set_range(mean, low * factor, high * factor,
                  half_width(forecast, forecast->log_error[step - 1] * fabs(mean)), forecast->never_negative,
                  range);
    }
}

/* Sums over days ahead. */
struct sums {
    double predicted;       /* with the plan */
    double open, open_base; /* of it, the days that are not fixed: with the plan, and without */
    double plan_error;      /* standard error that the plan adds */
    double live;            /* days that may err */
};

static struct sums sum_days(const struct mi_forecast *forecast, size_t days) {
    struct sums s = {0};
    for (size_t step = 1; step <= days; step++) {
        double without = base(forecast, step), value = without * forecast->factor[step - 1];
        if (is_fixed(forecast, step)) {
            s.predicted += forecast->fixed[step - 1];
            continue;
        }
        s.predicted += value;
        s.open += value;
        s.open_base += without;
        s.plan_error += fabs(value) * forecast->log_error[step - 1];
        s.live += is_live(forecast, step) ? 1 : 0;
    }
    return s;
}

void mi_forecast_total(const struct mi_forecast *forecast, size_t days, struct mi_forecast_range *range) {
    const struct sums s = sum_days(forecast, days);
    const double factor = s.live * (s.open_base != 0 ? s.open / s.open_base : 1);
    double low, high;
    *range = (struct mi_forecast_range){s.predicted, NAN, NAN};
    if (s.live == 0) {
        range->low = range->high = s.predicted;
    } else if (forecast->band.knots > 0) {
        band_at(&forecast->band, &forecast->band.total, (double)days, &low, &high);
        set_range(s.predicted, low * factor, high * factor, half_width(forecast, s.plan_error),
                  forecast->never_negative || (forecast->no_negative_week && days >= WEEK), range);
        /* what happens so seldom may not happen, whatever the few times it did */
        if (pow(forecast->zeros, s.live) > (1 - forecast->level) / 2)
            range->low = fmin(range->low, 0);
    }
}

/* ---- ratio ---- */

/* Sums of the days after a backtest's origin, actual and predicted, over those that both series know. */
struct pairs {
    double top, bottom, top_predicted, bottom_predicted;
    size_t n;
};

static void add_day(const struct mi_forecast *f, size_t row, size_t h, double *actual, double *predicted) {
    const struct combination *c = &f->combination;
    size_t day = c->first + row * c->apart + 1 + h;
    bool live = f->series.live[weekday_of(&f->series, day)];
    *actual = isnan(f->series.value[day]) && !live ? 0 : f->series.value[day];
    *predicted = live ? floored(f, c->path[row * c->ahead + h]) : 0;
}

/* Relative error of the ratio of the totals of `days` days after backtest `back` from the end; NaN: not
 * known. */
static double ratio_error(const struct mi_forecast *top, const struct mi_forecast *bottom, size_t back,
                          size_t days) {
    struct pairs s = {0};
    if (days > back * top->combination.apart)
        return NAN;
    for (size_t h = 0; h < days; h++) {
        double a, b, a_predicted, b_predicted;
        add_day(top, top->combination.origins - back, h, &a, &a_predicted);
        add_day(bottom, bottom->combination.origins - back, h, &b, &b_predicted);
        if (isnan(a) || isnan(b))
            continue;
        s.top += a;
        s.bottom += b;
        s.top_predicted += a_predicted;
        s.bottom_predicted += b_predicted;
        s.n++;
    }
    if (2 * s.n <= days || !(s.bottom > 0) || !(s.bottom_predicted > 0) || s.top_predicted == 0)
        return NAN;
    return s.top / s.bottom / (s.top_predicted / s.bottom_predicted) - 1;
}

/* Beyond the longest total that the backtest holds, the interval is that of the longest. */
static bool ratio_interval(const struct mi_forecast *top, const struct mi_forecast *bottom, size_t days,
                           struct errors *errors, double *low, double *high) {
    size_t origins = top->combination.origins < bottom->combination.origins ? top->combination.origins
                                                                            : bottom->combination.origins;
    for (size_t length = days; length > 0; length /= 2) {
        errors->count = 0;
        for (size_t back = 1; back <= origins; back++) {
            double error = ratio_error(top, bottom, back, length);
            if (!isnan(error))
                errors->value[errors->count++] = error;
        }
        double blocks = (double)(origins * top->combination.apart) / (double)length;
        if (errors_interval(errors, top->level, blocks, low, high)) {
            *low *= 1 + RATIO_WIDER / fmax(1, blocks);
            *high *= 1 + RATIO_WIDER / fmax(1, blocks);
            return true;
        }
    }
    return false;
}

enum mi_status mi_forecast_ratio(const struct mi_forecast *top, const struct mi_forecast *bottom, size_t days,
                                 struct mi_forecast_range *range, struct mi_error *error) {
    struct mi_forecast_range above, below;
    struct errors errors = {malloc((top->combination.origins + 1) * sizeof(double)), 0};
    double low, high;
    if (!errors.value)
        return mi_no_memory(error);
    mi_forecast_total(top, days, &above);
    mi_forecast_total(bottom, days, &below);
    *range = (struct mi_forecast_range){NAN, NAN, NAN};
    if (below.predicted > 0) {
        double ratio = above.predicted / below.predicted;
        range->predicted = ratio;
        if (top->end == bottom->end && ratio_interval(top, bottom, days, &errors, &low, &high))
            set_range(ratio, fabs(ratio) * low, fabs(ratio) * high,
                      half_width(top, sum_days(top, days).plan_error) / below.predicted,
                      top->no_negative_week, range);
    }
    free(errors.value);
    return MI_OK;
}

/* ---- plan ---- */

void mi_forecast_follow(struct mi_forecast *forecast, size_t step, double factor, double log_error) {
    forecast->factor[step - 1] *= factor;
    forecast->log_error[step - 1] = hypot(forecast->log_error[step - 1], log_error);
}

void mi_forecast_fix(struct mi_forecast *forecast, size_t step, double value) {
    forecast->fixed[step - 1] = value;
}
