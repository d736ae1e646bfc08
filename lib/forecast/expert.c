/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The experts: forecasters with fixed parameters, each one pass over the series. None is fitted; what they
 * are worth on a series is found by backtests (combine.c).
 *
 * Smoothing: additive level, damped trend and weekly season (Gardner, McKenzie 1985; Hyndman et al. 2008,
 * ETS(A,Ad,A)), on values or their logs, errors clipped. Walk: the last day without its weekday's part, plus
 * drift. Weekday mean: trimmed mean of the last same weekdays. Year: the same weekday a year (52 weeks) ago,
 * at today's level.
 */
#include <math.h>
#include <string.h>

#include "forecast/forecast.h"

#define CLIP       2.5 /* scales: an error beyond counts as that */
#define YEAR       364 /* 52 weeks: the same weekday */
#define YEAR_LEVEL 28  /* days over which now and a year ago are compared */

bool expert_asked(const struct asking *asking, const struct series *series, size_t day) {
    return day + 1 == series->days || (day >= asking->first && (day - asking->first) % asking->apart == 0);
}

/* The weekday of the k-th day asked for, from the weekday of the origin. */
static inline size_t weekday_ahead(const struct asking *asking, size_t weekday, size_t k) {
    size_t w = weekday + asking->phase[k];
    return w < WEEK ? w : w - WEEK;
}

void expert_answer(const struct expert *expert, const struct series *series, const struct asking *asking,
                   size_t day, double *path) {
    const size_t weekday = weekday_of(series, day);
    double logarithm[WEEK],
        value[WEEK]; /* of the weekday's last: without a trend it is the same week after week */
    for (size_t w = 0; w < WEEK; w++)
        logarithm[w] = NAN;
    for (size_t k = 0; expert->logs && k < asking->steps; k++) {
        const size_t w = weekday_ahead(asking, weekday, k);
        if (path[k] != logarithm[w]) {
            logarithm[w] = path[k];
            value[w] = exp(fmin(path[k], series->log_most));
        }
        path[k] = value[w];
    }
    for (size_t k = 0; series->closed && k < asking->steps; k++)
        if (!series->live[weekday_ahead(asking, weekday, k)])
            path[k] = 0;
    asking->receive(asking->context, day, path);
}

static const double *values_of(const struct expert *expert, const struct series *series) {
    return expert->logs ? series->log : series->value;
}

static double scale_of(const struct expert *expert, const struct series *series) {
    return expert->logs ? series->log_scale : series->scale;
}

/* Mean of each weekday less the mean of all, and that mean, over the first `days`. */
static double start_season(const double *z, const struct series *series, size_t days, double *season) {
    double sum[WEEK] = {0}, all = 0;
    size_t n[WEEK] = {0}, used = 0;
    for (size_t t = 0; t < days; t++)
        if (!isnan(z[t])) {
            size_t w = weekday_of(series, t);
            sum[w] += z[t];
            n[w]++;
        }
    for (size_t w = 0; w < WEEK; w++)
        if (n[w] > 0) {
            all += sum[w] / (double)n[w];
            used++;
        }
    all = used > 0 ? all / (double)used : 0;
    for (size_t w = 0; w < WEEK; w++)
        season[w] = n[w] > 1 ? (sum[w] / (double)n[w] - all) : 0; /* one day is no weekday */
    return all;
}

static void run_smoothing(const struct expert *expert, const struct series *series,
                          const struct asking *asking) {
    const double *z = values_of(expert, series);
    const double limit = CLIP * scale_of(expert, series);
    double path[FARTHEST], season[WEEK], reach[FARTHEST + 1] = {0};
    size_t start = series->days < 28 ? series->days : 28;
    double level = start_season(z, series, start, season), trend = 0, damped = 1;
    for (size_t h = 1; h <= FARTHEST; h++) {
        damped *= expert->damping;
        reach[h] = reach[h - 1] + damped;
    }
    for (size_t w = 0; w < WEEK; w++)
        season[w] *= 0.8;
    for (size_t t = 0; t < series->days; t++) {
        size_t w = weekday_of(series, t);
        double before = level + expert->damping * trend;
        trend *= expert->damping;
        if (isnan(z[t])) {
            level = before;
        } else {
            double error = z[t] - before - season[w];
            error = fmin(limit, fmax(-limit, error));
            level = before + expert->level * error;
            trend += expert->trend * error;
            season[w] += expert->season * error;
        }
        if (!expert_asked(asking, series, t))
            continue;
        for (size_t k = 0; k < asking->steps; k++)
            path[k] =
                level + trend * reach[asking->step[k]] + season[weekday_of(series, t + asking->step[k])];
        expert_answer(expert, series, asking, t, path);
    }
}

/* Change a day over the expert's span, or over all days where there are fewer. */
static double drift_over(const struct expert *expert, const double *z, size_t t, size_t first_day,
                         double first, double level) {
    if (expert->span == 0 || t <= first_day)
        return 0;
    size_t from = first_day;
    double start = first;
    if (t - first_day > expert->span) {
        for (from = t - expert->span; isnan(z[from]); from--)
            continue;
        start = z[from];
    }
    return (level - start) / (double)(t - from);
}

static void run_walk(const struct expert *expert, const struct series *series, const struct asking *asking) {
    const double *z = values_of(expert, series);
    double path[FARTHEST], season[WEEK];
    size_t start = series->days < 28 ? series->days : 28;
    double slow = start_season(z, series, start, season), last = slow, first = NAN, level = slow;
    size_t first_day = 0;
    for (size_t t = 0; t < series->days; t++) {
        size_t w = weekday_of(series, t);
        if (!isnan(z[t])) {
            double error = z[t] - last - season[w];
            error = fmin(CLIP * scale_of(expert, series), fmax(-CLIP * scale_of(expert, series), error));
            season[w] += 0.08 * error;
            last = z[t] - season[w];
            level = z[t] - expert->profile * season[w];
            if (isnan(first)) {
                first = level;
                first_day = t;
            }
        }
        if (!expert_asked(asking, series, t))
            continue;
        double drift = drift_over(expert, z, t, first_day, first, level);
        for (size_t k = 0; k < asking->steps; k++)
            path[k] = level + drift * (double)asking->step[k] +
                      expert->profile * season[weekday_ahead(asking, w, k)];
        expert_answer(expert, series, asking, t, path);
    }
}

static double trimmed_mean(double *values, size_t n) {
    for (size_t i = 1; i < n; i++) { /* a handful: insertion sort */
        double value = values[i];
        size_t k = i;
        for (; k > 0 && values[k - 1] > value; k--)
            values[k] = values[k - 1];
        values[k] = value;
    }
    size_t cut = n / 8 + (n >= 4 && n < 8);
    double sum = 0;
    for (size_t i = cut; i < n - cut; i++)
        sum += values[i];
    return n > 2 * cut ? sum / (double)(n - 2 * cut) : NAN;
}

/* Trimmed mean of the last values of the weekday of day t. */
static double weekday_mean(const struct expert *expert, const double *z, size_t t) {
    double values[WEEKS_LONGEST];
    size_t n = 0;
    for (size_t day = t; n < expert->weeks; day -= WEEK) {
        if (!isnan(z[day]))
            values[n++] = z[day];
        if (day < WEEK)
            break;
    }
    if (n < 2) { /* one day is no weekday: the last week, whole */
        n = 0;
        for (size_t k = 0; k < WEEK && k <= t; k++)
            if (!isnan(z[t - k]))
                values[n++] = z[t - k];
    }
    return n > 0 ? trimmed_mean(values, n) : NAN;
}

static void run_weekday_mean(const struct expert *expert, const struct series *series,
                             const struct asking *asking) {
    const double *z = values_of(expert, series);
    double path[FARTHEST], of[WEEK] = {NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    for (size_t t = 0; t < series->days; t++) {
        if (t + WEEK > asking->first || t + WEEK >= series->days)
            of[weekday_of(series, t)] = weekday_mean(expert, z, t);
        if (!expert_asked(asking, series, t))
            continue;
        double all = 0;
        size_t known = 0;
        for (size_t w = 0; w < WEEK; w++)
            if (!isnan(of[w])) {
                all += of[w];
                known++;
            }
        for (size_t k = 0; k < asking->steps; k++) {
            double mean = of[weekday_ahead(asking, weekday_of(series, t), k)];
            path[k] = !isnan(mean) ? mean : known > 0 ? all / (double)known : 0;
        }
        expert_answer(expert, series, asking, t, path);
    }
}

static double mean_of(const double *z, size_t from, size_t to) {
    double sum = 0;
    size_t n = 0;
    for (size_t t = from; t < to; t++)
        if (!isnan(z[t])) {
            sum += z[t];
            n++;
        }
    return n > 0 ? sum / (double)n : NAN;
}

/* Mean of the day 52 weeks before day t + step and of the same weekday of the weeks around it, those that are
 * known at day t. */
static double year_before(const struct expert *expert, const struct series *series, size_t t, size_t step) {
    const double *z = values_of(expert, series);
    double sum = 0, weight = 0;
    for (size_t k = 0; k <= 2 * expert->weeks; k++) {
        size_t day = t + step + k * WEEK, back = YEAR + expert->weeks * WEEK;
        double share = k == expert->weeks ? 2 : 1;
        if (day >= back && day - back <= t && !isnan(z[day - back])) {
            sum += share * z[day - back];
            weight += share;
        }
    }
    return weight > 0 ? sum / weight : mean_of(z, t + 1 - YEAR_LEVEL - YEAR, t + 1 - YEAR);
}

static void run_year(const struct expert *expert, const struct series *series, const struct asking *asking) {
    const double *z = values_of(expert, series);
    double path[FARTHEST];
    for (size_t t = YEAR + YEAR_LEVEL; t < series->days; t++) {
        if (!expert_asked(asking, series, t))
            continue;
        double now = mean_of(z, t + 1 - YEAR_LEVEL, t + 1);
        double then = mean_of(z, t + 1 - YEAR_LEVEL - YEAR, t + 1 - YEAR);
        if (isnan(now) || isnan(then))
            continue;
        for (size_t k = 0; k < asking->steps; k++)
            path[k] = now + expert->profile * (year_before(expert, series, t, asking->step[k]) - then);
        expert_answer(expert, series, asking, t, path);
    }
}

void expert_run(const struct expert *expert, const struct series *series, const struct asking *asking) {
    if (expert->logs && !series->log)
        return;
    switch (expert->kind) {
    case EXPERT_SMOOTHING:
        run_smoothing(expert, series, asking);
        break;
    case EXPERT_WALK:
        run_walk(expert, series, asking);
        break;
    case EXPERT_WEEKDAY_MEAN:
        run_weekday_mean(expert, series, asking);
        break;
    case EXPERT_REGRESSION:
        expert_run_regression(expert, series, asking);
        break;
    case EXPERT_YEAR:
        run_year(expert, series, asking);
        break;
    }
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

size_t expert_list(struct expert *experts) {
    static const double levels[] = {LEVEL_SLOWEST, 0.06, 0.15, 0.35, LEVEL_FASTEST};
    static const double seasons[] = {SEASON_SLOW, 0.15};
    static const struct {
        double level, trend, damping;
    } trends[] = {{0.06, 0.1, 0.96},
                  {0.35, 0.1, 0.96},
                  {LEVEL_FASTEST, 0.1, 0.96},
                  {0.06, 0.02, 0.998},
                  {0.15, 0.02, 0.998}};
    static const size_t spans[] = {0, 180, 364, 728};
    static const size_t weeks[] = {4, 8, 13, WEEKS_LONGEST};
    size_t n = 0;
    for (int logs = 0; logs <= 1; logs++) {
        for (size_t i = 0; i < COUNT(levels); i++)
            for (size_t k = 0; k < COUNT(seasons); k++)
                experts[n++] = (struct expert){
                    .kind = EXPERT_SMOOTHING, .logs = logs, .level = levels[i], .season = seasons[k]};
        for (size_t i = 0; i < COUNT(trends); i++)
            experts[n++] = (struct expert){.kind = EXPERT_SMOOTHING,
                                           .logs = logs,
                                           .level = trends[i].level,
                                           .season = SEASON_SLOW,
                                           .trend = trends[i].trend * trends[i].level,
                                           .damping = trends[i].damping};
        for (int profile = 0; profile <= 1; profile++)
            for (size_t i = 0; i < 4; i++)
                experts[n++] = (struct expert){
                    .kind = EXPERT_WALK, .logs = logs, .profile = profile ? 0.7 : 0, .span = spans[i]};
        for (size_t i = 0; i < COUNT(weeks); i++)
            if (!logs || weeks[i] == 8 || weeks[i] == WEEKS_LONGEST)
                experts[n++] = (struct expert){.kind = EXPERT_WEEKDAY_MEAN, .logs = logs, .weeks = weeks[i]};
        experts[n++] = (struct expert){.kind = EXPERT_REGRESSION, .logs = logs};
        for (size_t i = 0; i < 2; i++)
            experts[n++] =
                (struct expert){.kind = EXPERT_YEAR, .logs = logs, .weeks = i, .profile = i ? 0.7 : 1};
    }
    return n;
}
