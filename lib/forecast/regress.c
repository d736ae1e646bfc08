/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The regression among the experts: ridge on lagged values, the calendar and spend (Hoerl, Kennard 1970),
 * refitted at every origin from what is known by then, with coefficients of its own for days 1-7, 8-14, 15-30
 * and beyond.
 *
 * What is explained is how far a day lies from the mean of the four weeks before the origin; by how far the
 * last week, the last quarter, the last same weekday and the mean of four of them lie from it, by what the
 * same weeks did a year ago, and by how far the day's spend lies from the four weeks' before. Coefficients
 * are drawn to the mean of four same weekdays, 1, and to the usual elasticity of spend. A day's own spend is
 * what was spent; what is forecast follows the spend that was forecast at the origin.
 */
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "forecast/combine.h"

#define FEATURES    7
#define MONTH       28
#define QUARTER     84
#define YEAR        364
#define CLIP        4.0   /* scales: a day beyond counts as that */
#define RIDGE       100.0 /* forecasts that the prior counts as, of two to four for each day */
#define ELASTICITY  0.7
#define SPEND_MOST  2.0 /* in logs */
#define KNOWN_LEAST 14  /* days of the four weeks */

enum feature { ALWAYS, LAST_WEEK, LAST_QUARTER, SAME_WEEKDAY, FOUR_WEEKDAYS, LAST_YEAR, SPEND };

static const size_t segment_ends[SEGMENTS] = {7, 14, 30, FARTHEST};
static const size_t learnt[] = {1, 2, 4, 6, 9, 12, 17, 26, 40, 75};
#define LEARNT (sizeof learnt / sizeof *learnt)

/* What is known at the end of a day. */
struct known {
    double month, week, quarter;   /* means; month NaN: too little is known */
    double same[WEEK], four[WEEK]; /* by weekday: its last value, the mean of the last four */
    double year_month;             /* mean of the four weeks that end a year before */
    double spend;                  /* mean log of the four weeks */
};

/* Sums over the days before, and how many of them are known. */
struct running {
    double sum;
    unsigned n;
};

/* One segment's sums. */
struct sums {
    double n, xx[FEATURES][FEATURES], xy[FEATURES];
};

struct regression {
    const struct series *series;
    const double *z;
    double clip;
    struct known *known; /* by day */
    struct running *of_z, *of_spend;
    struct sums sums[SEGMENTS];
};

/* ---- what is known ---- */

static void run_sums(const double *z, size_t days, struct running *running) {
    running[0] = (struct running){0, 0};
    for (size_t t = 0; t < days; t++) {
        bool known = !isnan(z[t]);
        running[t + 1] = (struct running){running[t].sum + (known ? z[t] : 0), running[t].n + known};
    }
}

/* Of the last days up to day t; NaN where fewer than `least` are known. */
static double mean_of(const struct running *running, size_t days, size_t t, unsigned least) {
    size_t from = t + 1 > days ? t + 1 - days : 0;
    unsigned n = running[t + 1].n - running[from].n;
    return n >= least ? (running[t + 1].sum - running[from].sum) / n : NAN;
}

/* Of the weekday of day t, the last value and the mean of four; those of the others are as they were the day
 * before. */
static void know_weekdays(const struct series *series, const double *z, size_t t, struct known *known) {
    const size_t w = weekday_of(series, t);
    double sum = 0, last = NAN;
    size_t n = 0;
    for (size_t w_other = 0; w_other < WEEK; w_other++) {
        known->same[w_other] = t > 0 ? known[-1].same[w_other] : NAN;
        known->four[w_other] = t > 0 ? known[-1].four[w_other] : NAN;
    }
    for (size_t k = 0; k < MONTH && k <= t; k += WEEK)
        if (!isnan(z[t - k])) {
            last = n == 0 ? z[t - k] : last;
            sum += z[t - k];
            n++;
        }
    known->same[w] = last;
    known->four[w] = n > 0 ? sum / (double)n : NAN;
}

static void know(const struct regression *r, size_t t, struct known *known) {
    know_weekdays(r->series, r->z, t, known);
    known->month = mean_of(r->of_z, MONTH, t, KNOWN_LEAST);
    if (isnan(known->month))
        return;
    known->week = mean_of(r->of_z, WEEK, t, 1);
    known->week = isnan(known->week) ? known->month : known->week;
    known->quarter = mean_of(r->of_z, QUARTER, t, 1);
    known->year_month = t >= YEAR ? mean_of(r->of_z, MONTH, t - YEAR, 1) : NAN;
    known->spend = r->series->spend ? mean_of(r->of_spend, MONTH, t, 1) : NAN;
}

/* ---- features ---- */

/* The mean of the seven days around the day a year before day t + step; NaN: not known. */
static double year_before(const struct regression *r, size_t t, size_t step) {
    if (t + step < YEAR + 3 || step > YEAR - 3)
        return NAN;
    return mean_of(r->of_z, WEEK, t + step - YEAR + 3, 4);
}

/* A difference of values, not beyond what a day may count; 0 where it is not known. */
static double within(double x, double most) {
    return x > most ? most : x < -most ? -most : isnan(x) ? 0 : x;
}

/* Day t + step as seen from day t; spend: log of that day's. */
static void take_features(const struct regression *r, size_t t, size_t step, double spend, double *x) {
    const struct known *known = &r->known[t];
    const size_t w = weekday_of(r->series, t + step);
    x[ALWAYS] = r->clip / CLIP; /* a scale, as the others are some scales */
    x[LAST_WEEK] = within(known->week - known->month, r->clip);
    x[LAST_QUARTER] = within(known->quarter - known->month, r->clip);
    x[SAME_WEEKDAY] = within(known->same[w] - known->four[w], r->clip);
    x[FOUR_WEEKDAYS] = within(known->four[w] - known->month, INFINITY);
    x[LAST_YEAR] = within(year_before(r, t, step) - known->year_month, r->clip);
    x[SPEND] = within(spend - known->spend, SPEND_MOST);
    if (r->z == r->series->value)
        x[SPEND] *= known->month;
}

/* ---- learning ---- */

/* Adds what day d says of the forecasts that were made for it. */
static void learn(struct regression *r, size_t d) {
    for (size_t k = 0, s = 0; k < LEARNT && learnt[k] <= d; k++) {
        const size_t t = d - learnt[k];
        double x[FEATURES];
        while (learnt[k] > segment_ends[s])
            s++;
        if (isnan(r->known[t].month))
            continue;
        take_features(r, t, learnt[k], r->series->spend ? r->series->spend[d] : NAN, x);
        double usual = x[FOUR_WEEKDAYS], y = r->z[d] - r->known[t].month;
        y = usual + within(y - usual, r->clip);
        r->sums[s].n++;
        for (size_t i = 0; i < FEATURES; i++) {
            for (size_t j = 0; j <= i; j++)
                r->sums[s].xx[i][j] += x[i] * x[j];
            r->sums[s].xy[i] += x[i] * y;
        }
    }
}

/* Coefficients; where there is no solution, the prior. */
static void solve(const struct sums *sums, double *coefficients) {
    double a[FEATURES * FEATURES], b[FEATURES];
    const double prior[FEATURES] = {[FOUR_WEEKDAYS] = 1, [SPEND] = ELASTICITY};
    const double weight = RIDGE / fmax(1, sums->n);
    for (size_t i = 0; i < FEATURES; i++) {
        /* a feature without any variation keeps its prior */
        double ridge = weight * sums->xx[i][i] + 1e-12;
        for (size_t j = 0; j < FEATURES; j++)
            a[i * FEATURES + j] = sums->xx[i > j ? i : j][i > j ? j : i];
        a[i * FEATURES + i] += ridge;
        b[i] = sums->xy[i] + ridge * prior[i];
    }
    gsl_matrix_view matrix = gsl_matrix_view_array(a, FEATURES, FEATURES);
    gsl_vector_view right = gsl_vector_view_array(b, FEATURES);
    bool solved = gsl_linalg_cholesky_decomp1(&matrix.matrix) == GSL_SUCCESS &&
                  gsl_linalg_cholesky_svx(&matrix.matrix, &right.vector) == GSL_SUCCESS;
    memcpy(coefficients, solved ? b : prior, sizeof prior);
}

/* ---- forecasting ---- */

/* What spend was forecast at the end of day t, by day ahead; NULL: it was not. */
static const double *spend_path(const struct series *series, size_t t) {
    const struct combination *spend = series->spend_forecast;
    const size_t left = series->days - 1 - t;
    if (!spend || left % spend->apart != 0 || left / spend->apart > spend->origins)
        return NULL;
    return spend->path + (spend->origins - left / spend->apart) * spend->ahead;
}

static void say(const struct regression *r, const struct expert *expert, const struct asking *asking,
                size_t t) {
    double path[FARTHEST], coefficients[SEGMENTS][FEATURES];
    const double *spend = spend_path(r->series, t);
    for (size_t s = 0; s < SEGMENTS; s++)
        solve(&r->sums[s], coefficients[s]);
    for (size_t k = 0, s = 0; k < asking->steps; k++) {
        const size_t step = asking->step[k];
        double x[FEATURES], sum = r->known[t].month;
        while (step > segment_ends[s])
            s++;
        take_features(r, t, step, spend && spend[step - 1] > 0 ? log(spend[step - 1]) : NAN, x);
        for (size_t i = 0; i < FEATURES; i++)
            sum += coefficients[s][i] * x[i];
        path[k] = sum;
    }
    expert_answer(expert, r->series, asking, t, path);
}

void expert_run_regression(const struct expert *expert, const struct series *series,
                           const struct asking *asking) {
    if (!expert->logs && series->log) /* of the two, logs are enough */
        return;
    const size_t days = series->days;
    struct regression r = {.series = series, .z = expert->logs ? series->log : series->value};
    r.clip = CLIP * (expert->logs ? series->log_scale : series->scale);
    if (!isfinite(r.clip)) /* no day has the same weekday before and after */
        return;
    r.known = malloc(days * sizeof *r.known);
    r.of_z = malloc(2 * (days + 1) * sizeof *r.of_z);
    if (!r.known || !r.of_z) {
        *asking->no_memory = true;
    } else {
        r.of_spend = r.of_z + days + 1;
        run_sums(r.z, days, r.of_z);
        if (series->spend)
            run_sums(series->spend, days, r.of_spend);
        for (size_t t = 0; t < days; t++) {
            know(&r, t, &r.known[t]);
            if (!isnan(r.z[t]))
                learn(&r, t);
            if (expert_asked(asking, series, t) && !isnan(r.known[t].month))
                say(&r, expert, asking, t);
        }
    }
    free(r.known);
    free(r.of_z);
}
