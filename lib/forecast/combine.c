/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Combines the experts. Three kinds of series, told from the days alone, since the same weights do not serve
 * all: intermittent ones (means of fixed weights; weights by absolute error would drive the totals to zero),
 * random walks (the walks with drift), and the rest (weights by each segment's backtest error, sharpened).
 */
#include "forecast/combine.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW            400  /* days of the backtest, at most */
#define APART             3    /* days between its origins */
#define START_LEAST       56   /* days before the first origin, where there are three times as many */
#define BACKTEST_LEAST    28   /* days of a series from which weights are found by backtest */
#define HALF_LIFE         150  /* days: what an error that old counts half */
#define REGRESSION_COUNTS 8    /* as so many others that err as it does */
#define WEIGHT_LITTLE     0.15 /* of the largest weight: not worth the pass */
#define MANY_ORIGINS      80   /* from which every other one is enough to take losses at */
#define LOSS_LITTLE       1e-12
#define ZEROS             0.03 /* share on live days from which a series is intermittent */
#define WALK_RATIO        2.2 /* E|difference of a week| / E|difference of a day|; a pure walk has the root of 7 */
#define STOPPED_DAYS      10   /* zeros at the end from which a series may have stopped */
#define STOPPED_ODDS      1e-3 /* of them by chance, below which it has */
#define LEVEL_WEEKS       8    /* whose mean the total of an intermittent series is drawn to */
#define MOSTLY_ZERO       0.75 /* share of zeros from which it is drawn there more and more */

static const size_t segment_ends[SEGMENTS] = {7, 14, 30, FARTHEST};
/* weight = (loss / best)^-sharpness */
static const double sharpness[SEGMENTS] = {3, 4, 8, 8};

/* Losses are taken on some of the days ahead, which meet all weekdays. */
static const size_t sampled[] = {1,  2,  3,  4,  5,  6,  7,  8,  10, 12, 14, 15, 18,  21,  24,  27,  30,
                                 31, 36, 41, 46, 51, 57, 62, 67, 72, 78, 83, 88, 110, 140, 170, 230, 310};
#define SAMPLED (sizeof sampled / sizeof *sampled)

static size_t segment_of(size_t step) {
    size_t segment = 0;
    while (step > segment_ends[segment])
        segment++;
    return segment;
}

/* ---- kind ---- */

static size_t window_start(const struct series *series) {
    return series->days > WINDOW ? series->days - WINDOW : 0;
}

static double mean_difference(const struct series *series, size_t lag) {
    double sum = 0;
    size_t n = 0;
    for (size_t t = window_start(series) + lag; t < series->days; t++) {
        double difference = fabs(series->value[t] - series->value[t - lag]);
        if (!isnan(difference)) {
            sum += difference;
            n++;
        }
    }
    return n > 0 ? sum / (double)n : 0;
}

static double share_of_zeros(const struct series *series, size_t from) {
    size_t zeros = 0, n = 0;
    for (size_t t = from; t < series->days; t++)
        if (!isnan(series->value[t])) {
            n++;
            zeros += series->value[t] == 0;
        }
    return n > 0 ? (double)zeros / (double)n : 0;
}

/* Whether the zeros at the end are more than those before let expect. */
static bool has_stopped(const struct series *series) {
    size_t end = series->days, run = 0, n = 0, zeros = 0;
    while (end > 0 && (series->value[end - 1] == 0 || isnan(series->value[end - 1])))
        run += series->value[--end] == 0 ? 1 : 0;
    for (size_t t = window_start(series); t < end; t++)
        if (!isnan(series->value[t])) {
            n++;
            zeros += series->value[t] == 0 ? 1 : 0;
        }
    double chance = ((double)zeros + 1) / ((double)n + 2);
    return n > 0 && run >= STOPPED_DAYS && pow(chance, (double)run) < STOPPED_ODDS;
}

static enum mi_forecast_kind kind_of(const struct series *series) {
    if (has_stopped(series))
        return MI_FORECAST_STOPPED;
    if (series->days < BACKTEST_LEAST)
        return MI_FORECAST_SHORT;
    if (share_of_zeros(series, window_start(series)) >= ZEROS)
        return MI_FORECAST_INTERMITTENT;
    double day = mean_difference(series, 1), week = mean_difference(series, WEEK);
    return day > 0 && week >= WALK_RATIO * day ? MI_FORECAST_WALK : MI_FORECAST_REGULAR;
}

/* ---- backtest ---- */

struct backtest {
    const struct series *series;
    struct combination *combination;
    double *loss;        /* of one expert: origins x SEGMENTS, mean absolute error, NaN: none */
    double *reference;   /* the same of the first expert, which is asked everywhere */
    double *sum_weights; /* (origins + 1) x SEGMENTS */
    double *recent;      /* per origin: what its errors count */
    double weight[EXPERTS_MOST][SEGMENTS];
    size_t expert;  /* that is being asked */
    size_t sampled; /* days of `sampled` within the horizon */
};

static size_t row_of(const struct combination *c, size_t origin) {
    return (origin - c->first) / c->apart;
}

static void take_losses(void *context, size_t origin, const double *path) {
    struct backtest *b = context;
    const struct series *series = b->series;
    double sum[SEGMENTS] = {0};
    size_t n[SEGMENTS] = {0};
    if (origin + 1 == series->days)
        return;
    for (size_t k = 0; k < b->sampled && origin + sampled[k] < series->days; k++) {
        double error = fabs(series->value[origin + sampled[k]] - path[k]);
        size_t s = segment_of(sampled[k]);
        if (!isnan(error)) {
            sum[s] += error;
            n[s]++;
        }
    }
    double *loss = b->loss + row_of(b->combination, origin) * SEGMENTS;
    for (size_t s = 0; s < SEGMENTS; s++)
        loss[s] = n[s] > 0 ? sum[s] / (double)n[s] : NAN;
}

static void take_path(void *context, size_t origin, const double *path) {
    struct backtest *b = context;
    struct combination *c = b->combination;
    size_t row = row_of(c, origin);
    double *sum = c->path + row * c->ahead;
    const double *weight = b->weight[b->expert];
    for (size_t s = 0, h = 0; s < SEGMENTS; s++) {
        for (; h < segment_ends[s] && h < c->ahead; h++)
            sum[h] += weight[s] * path[h];
        b->sum_weights[row * SEGMENTS + s] += weight[s];
    }
}

/* ---- weights ---- */

/* The expert's loss over that of the first, on the origins where both spoke; NaN where these are few. */
static double relative_loss(const struct backtest *b, size_t segment) {
    double own = 0, same = 0;
    size_t n = 0, all = 0;
    for (size_t i = 0; i < b->combination->origins; i++) {
        double loss = b->loss[i * SEGMENTS + segment], reference = b->reference[i * SEGMENTS + segment];
        if (isnan(reference))
            continue;
        all++;
        if (isnan(loss))
            continue;
        own += b->recent[i] * loss;
        same += b->recent[i] * reference;
        n++;
    }
    return n > 0 && 4 * n >= all ? (own + LOSS_LITTLE) / (same + LOSS_LITTLE) : NAN;
}

/* The regression is one voice among dozens that are much alike. */
static double standing(const struct expert *expert) {
    return expert->kind == EXPERT_REGRESSION ? REGRESSION_COUNTS : 1;
}

static void weigh_by_loss(struct backtest *b, const struct expert *experts, size_t count, struct asking ask) {
    size_t cells = b->combination->origins * SEGMENTS;
    double loss[EXPERTS_MOST][SEGMENTS];
    ask.receive = take_losses;
    if (b->combination->origins >= MANY_ORIGINS)
        ask.apart *= 2;
    unsigned char phase[SAMPLED];
    for (size_t k = 0; k < b->sampled; k++)
        phase[k] = (unsigned char)(sampled[k] % WEEK);
    ask.step = sampled;
    ask.phase = phase;
    ask.steps = b->sampled;
    for (size_t e = 0; e < count; e++) {
        for (size_t i = 0; i < cells; i++)
            b->loss[i] = NAN;
        expert_run(&experts[e], b->series, &ask);
        if (e == 0)
            memcpy(b->reference, b->loss, cells * sizeof *b->loss);
        for (size_t s = 0; s < SEGMENTS; s++)
            loss[e][s] = relative_loss(b, s);
    }
    for (size_t s = 0; s < SEGMENTS; s++) {
        double best = INFINITY;
        for (size_t e = 0; e < count; e++)
            best = fmin(best, loss[e][s]);
        for (size_t e = 0; e < count; e++) {
            double weight = pow(loss[e][s] / best, -sharpness[s]);
            b->weight[e][s] = weight >= WEIGHT_LITTLE ? weight * standing(&experts[e]) : 0; /* NaN: none */
        }
    }
    /* segments that the backtest never reached are as the last that it did */
    for (size_t s = 1; s < SEGMENTS; s++) {
        double sum = 0;
        for (size_t e = 0; e < count; e++)
            sum += b->weight[e][s];
        for (size_t e = 0; e < count && !(sum > 0); e++)
            b->weight[e][s] = b->weight[e][s - 1];
    }
}

/* Of a random walk: the last day with the drift of several spans; for the days next also a fast damped trend.
 */
static double weight_on_walk(const struct expert *expert, size_t segment) {
    static const double trend[SEGMENTS] = {6, 3, 0, 0};
    if (expert->kind == EXPERT_WALK)
        return expert->span > 0;
    return expert->kind == EXPERT_SMOOTHING && expert->level == LEVEL_FASTEST && expert->trend > 0
               ? trend[segment]
               : 0;
}

/* Of an intermittent series: weekday means of several lengths, most of all the longest, and a slow mean. */
static double weight_on_intermittent(const struct expert *expert) {
    if (expert->logs)
        return 0;
    if (expert->kind == EXPERT_WEEKDAY_MEAN)
        return expert->weeks == WEEKS_LONGEST ? 0.4 : expert->weeks >= LEVEL_WEEKS ? 0.15 : 0;
    return expert->kind == EXPERT_SMOOTHING && expert->level == LEVEL_SLOWEST && expert->season == SEASON_SLOW
               ? 0.3
               : 0;
}

static void weigh_by_kind(struct backtest *b, const struct expert *experts, size_t count) {
    for (size_t e = 0; e < count; e++)
        for (size_t s = 0; s < SEGMENTS; s++)
            b->weight[e][s] = b->combination->kind == MI_FORECAST_WALK ? weight_on_walk(&experts[e], s)
                                                                       : weight_on_intermittent(&experts[e]);
}

/* ---- the total of an intermittent series ---- */

/* Robust means lie below the mean, the more so the more days are zero, and totals are sums of means: the path
 * is drawn towards the mean of the last weeks, in logs halfway, and whole where most days are zero. */
static void draw_to_mean(const struct series *series, const struct combination *c, size_t row, double share) {
    size_t t = c->first + row * c->apart, known = 0, live = 0;
    double mean = 0, week = 0, *path = c->path + row * c->ahead;
    for (size_t k = 0; k < LEVEL_WEEKS * WEEK && k <= t; k++)
        if (!isnan(series->value[t - k])) {
            mean += series->value[t - k];
            known++;
        }
    for (size_t h = 0; h < WEEK && h < c->ahead; h++)
        if (series->live[weekday_of(series, t + 1 + h)]) {
            week += path[h];
            live++;
        }
    if (known == 0 || live == 0 || mean < 0)
        return;
    mean /= (double)known;
    week /= (double)live;
    for (size_t h = 0; h < c->ahead; h++)
        if (week > 0)
            path[h] *= pow(mean / week, share);
        else if (week == 0 && share >= 1 && series->live[weekday_of(series, t + 1 + h)])
            path[h] = mean;
}

static void correct_totals(const struct series *series, struct combination *c) {
    const size_t weeks = LEVEL_WEEKS * WEEK, from = series->days > weeks ? series->days - weeks : 0;
    const double share = 0.5 + fmin(0.5, fmax(0, 5 * (share_of_zeros(series, from) - MOSTLY_ZERO)));
    for (size_t row = 0; row <= c->origins; row++)
        draw_to_mean(series, c, row, share);
}

/* ---- all of it ---- */

static bool has_weight(const double *weight) {
    for (size_t s = 0; s < SEGMENTS; s++)
        if (weight[s] > 0)
            return true;
    return false;
}

/* Origins lie `apart` from each other and from the last day, so that series that end together share them. */
static void lay_out(const struct series *series, size_t ahead, struct combination *c) {
    size_t last = series->days - 1;
    size_t least = series->days / 3 < START_LEAST ? series->days / 3 : START_LEAST;
    size_t from = window_start(series) > least ? window_start(series) : least;
    *c = (struct combination){.kind = kind_of(series), .ahead = ahead, .apart = APART};
    c->origins = from < last ? (last - from) / APART : 0;
    c->first = last - c->origins * APART;
}

static void add_paths(struct backtest *b, const struct expert *experts, size_t count,
                      const struct asking *ask) {
    struct combination *c = b->combination;
    for (b->expert = 0; b->expert < count; b->expert++)
        if (has_weight(b->weight[b->expert]))
            expert_run(&experts[b->expert], b->series, ask);
    for (size_t row = 0; row <= c->origins; row++)
        for (size_t h = 0; h < c->ahead; h++)
            c->path[row * c->ahead + h] /= b->sum_weights[row * SEGMENTS + segment_of(h + 1)];
}

enum mi_status combine(const struct series *series, size_t ahead, struct combination *c,
                       struct mi_error *error) {
    struct expert experts[EXPERTS_MOST];
    struct backtest b = {.series = series, .combination = c};
    size_t count = expert_list(experts), step[FARTHEST];
    unsigned char phase[FARTHEST];
    lay_out(series, ahead, c);
    const size_t rows = c->origins + 1;
    c->path = calloc(rows * ahead, sizeof *c->path);
    double *room = calloc(rows * (3 * SEGMENTS + 1), sizeof *room);
    if (!c->path || !room) {
        combination_clear(c);
        free(room);
        return mi_no_memory(error);
    }
    b.loss = room;
    b.reference = b.loss + rows * SEGMENTS;
    b.sum_weights = b.reference + rows * SEGMENTS;
    b.recent = b.sum_weights + rows * SEGMENTS;
    for (size_t i = 0; i < c->origins; i++)
        b.recent[i] = exp2(-(double)((c->origins - i) * c->apart) / HALF_LIFE);
    for (size_t h = 0; h < ahead; h++) {
        step[h] = h + 1;
        phase[h] = (unsigned char)(step[h] % WEEK);
    }
    while (b.sampled < SAMPLED && sampled[b.sampled] <= ahead)
        b.sampled++;
    bool no_memory = false;
    const struct asking ask = {c->first, c->apart, step, phase, ahead, take_path, &b, &no_memory};
    if (c->kind == MI_FORECAST_REGULAR)
        weigh_by_loss(&b, experts, count, ask);
    else
        weigh_by_kind(&b, experts, count);
    add_paths(&b, experts, count, &ask);
    if (c->kind == MI_FORECAST_INTERMITTENT || c->kind == MI_FORECAST_SHORT)
        correct_totals(series, c);
    if (c->kind == MI_FORECAST_STOPPED)
        memset(c->path, 0, rows * ahead * sizeof *c->path);
    free(room);
    if (no_memory)
        combination_clear(c);
    return no_memory ? mi_no_memory(error) : MI_OK;
}

void combination_clear(struct combination *combination) {
    free(combination->path);
    combination->path = NULL;
}
