/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A sequential test of days against what was predicted; see mi.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mi.h"

/* What the statistic overshoots the limit by, and the days on which the variance is not yet beyond the
 * threshold, make alarms rarer than 1 / limit: the limit is lowered to where simulated counts (2 to 500 a
 * day, noise 0 to 0.2, 150 days) have the false alarms that are asked for. */
#define OVERSHOOT                                                                                            \
    0.66 /* per standard deviation of a day's step; by the overshoot alone 0.583: Siegmund 1985, 10.2 */
#define NOT_BEYOND 0.6
#define BEYOND     1.25 /* the alternative lies a quarter beyond the threshold */
#define SCORE_CAP  4.0  /* standard deviations that one day may count */
#define STEP_CAP   50.0 /* of a log likelihood ratio, so that nothing overflows */

/* What the observed is to the expected where it is as bad as the alternative. */
static double bad_ratio(const struct mi_watch_options *options) {
    double beyond = 1 + BEYOND * options->threshold;
    return options->kind == MI_WATCH_COST ? 1 / beyond : fmax(beyond, 0.01);
}

void mi_watch_start(struct mi_watch *watch, const struct mi_watch_options *options) {
    *watch = (struct mi_watch){.options = *options};
}

void mi_watch_raise(struct mi_watch *watch, size_t days, double expected, double observed) {
    watch->open = true;
    watch->statistic = 0;
    watch->days = days;
    watch->expected = expected;
    watch->observed = observed;
}

/* Log likelihood ratio of a count: negative binomial, or Poisson without noise. */
static double count_step(const struct mi_watch *watch, double expected, double observed, double bad) {
    double noise = watch->options.noise;
    if (!(noise > 1e-9)) {
        return observed * log(bad) + expected * (1 - bad);
    }
    double size = 1 / noise;
    return observed * log(bad) - (observed + size) * log((size + expected * bad) / (size + expected));
}

static double ratio_step(const struct mi_watch *watch, double ratio, double bad) {
    double sd = watch->options.noise;
    double middle = (1 + bad) / 2;
    double score = (ratio - middle) / sd;
    score = fmax(-SCORE_CAP, fmin(SCORE_CAP, score));
    return score * (bad - 1) / sd;
}

static double step_of(const struct mi_watch *watch, double expected, double observed, double bad) {
    double step = watch->options.kind == MI_WATCH_RATIO ? ratio_step(watch, observed, bad)
                                                        : count_step(watch, expected, observed, bad);
    return fmax(-STEP_CAP, fmin(STEP_CAP, step));
}

double mi_watch_evidence(const struct mi_watch *watch, double expected, double observed) {
    bool ratio = watch->options.kind == MI_WATCH_RATIO;
    if (isnan(observed) || !(expected > 0) || (ratio && !(watch->options.noise > 0))) {
        return NAN;
    }
    return step_of(watch, ratio ? 1 : expected, ratio ? observed / expected : observed,
                   bad_ratio(&watch->options));
}

/* The size of a day's step in standard deviations. */
static double step_size(const struct mi_watch *watch, double expected, double bad) {
    double noise = watch->options.noise;
    if (watch->options.kind == MI_WATCH_RATIO) {
        return fabs(1 - bad) / noise;
    }
    return fabs(1 - bad) * expected / sqrt(expected + noise * expected * expected);
}

/* Where the statistic alarms. */
static double limit_of(const struct mi_watch *watch, double expected, double bad) {
    double lower = fmin(NOT_BEYOND, exp(-OVERSHOOT * step_size(watch, expected, bad)));
    return fmax(1, lower / watch->options.false_alarms);
}

double mi_watch_variance(const struct mi_watch *watch) {
    if (watch->days == 0) {
        return NAN;
    }
    if (watch->options.kind == MI_WATCH_COST) {
        /* No user at all: as if there had been half a one. */
        return watch->expected / fmax(watch->observed, 0.5) - 1;
    }
    return watch->observed / watch->expected - 1;
}

static bool is_beyond(const struct mi_watch *watch) {
    double variance = mi_watch_variance(watch), threshold = watch->options.threshold;
    return threshold > 0 ? variance > threshold : variance < threshold;
}

/* Adds a day to those since the likeliest change; they begin anew where they speak for no change. */
static void add_day(struct mi_watch *watch, double expected, double observed, double step) {
    if (!watch->open && watch->evidence <= 0) {
        watch->days = 0;
        watch->expected = watch->observed = watch->evidence = 0;
    }
    watch->days++;
    watch->expected += expected;
    watch->observed += observed;
    watch->evidence += step;
}

static bool plain_day(struct mi_watch *watch, double expected, double observed) {
    bool was = watch->open;
    watch->days = 1;
    watch->expected = expected;
    watch->observed = observed;
    watch->open = is_beyond(watch);
    return watch->open != was;
}

bool mi_watch_day(struct mi_watch *watch, double expected, double observed) {
    bool ratio = watch->options.kind == MI_WATCH_RATIO;
    if (isnan(observed) || !(expected > 0) || (ratio && !(watch->options.noise > 0))) {
        return false;
    }
    if (ratio) {
        observed /= expected;
        expected = 1;
    }
    if (watch->options.plain) {
        return plain_day(watch, expected, observed);
    }
    double bad = bad_ratio(&watch->options), step = step_of(watch, expected, observed, bad);
    add_day(watch, expected, observed, step);
    watch->statistic = fmin((1 + watch->statistic) * exp(watch->open ? -step : step), 1e300);
    if (watch->statistic < limit_of(watch, expected, bad) || (!watch->open && !is_beyond(watch))) {
        return false;
    }
    watch->open = !watch->open;
    watch->statistic = 0;
    if (!watch->open) {
        watch->days = 0;
        watch->evidence = 0;
    }
    return true;
}

/* ---- noise ---- */

static int compare_numbers(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median_of(double *values, size_t count) {
    qsort(values, count, sizeof *values, compare_numbers);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

#define DAYS_LEAST 10
#define CHI_UPPER  1.323303696931466 /* upper quartile of chi-squared with one degree of freedom */
#define NOISE_MOST 4.0

/* What was observed for each one expected, from one day to the next. */
struct step {
    double change;  /* of observed / expected */
    double poisson; /* variance that chance gives it */
};

/* The steps between days that follow each other; malloc'ed, NULL: no memory, or too few. */
static struct step *steps_of(const double *expected, const double *observed, size_t count, size_t *found) {
    struct step *steps = count > 0 ? malloc(count * sizeof *steps) : NULL;
    *found = 0;
    for (size_t i = 1; steps != NULL && i < count; i++) {
        if (expected[i] > 0 && expected[i - 1] > 0 && !isnan(observed[i]) && !isnan(observed[i - 1])) {
            steps[(*found)++] = (struct step){
                .change = observed[i] / expected[i] - observed[i - 1] / expected[i - 1],
                .poisson = 1 / expected[i] + 1 / expected[i - 1],
            };
        }
    }
    if (*found < DAYS_LEAST) {
        free(steps);
        return NULL;
    }
    return steps;
}

/* The upper quartile of the squared scores at this noise. */
static double upper_score(const struct step *steps, size_t count, double noise, double *scores) {
    for (size_t i = 0; i < count; i++) {
        scores[i] = steps[i].change * steps[i].change / (steps[i].poisson + 2 * noise);
    }
    qsort(scores, count, sizeof *scores, compare_numbers);
    return scores[3 * count / 4];
}

double mi_watch_noise(const double *expected, const double *observed, size_t count) {
    size_t found;
    struct step *steps = steps_of(expected, observed, count, &found);
    double *scores = steps != NULL ? malloc(found * sizeof *scores) : NULL;
    double low = 0, high = scores != NULL ? NOISE_MOST : NAN;
    if (scores != NULL && upper_score(steps, found, 0, scores) <= CHI_UPPER) {
        high = 0;
    }
    for (int i = 0; i < 50 && high > 0; i++) {
        double middle = (low + high) / 2;
        if (upper_score(steps, found, middle, scores) > CHI_UPPER) {
            low = middle;
        } else {
            high = middle;
        }
    }
    free(scores);
    free(steps);
    return high;
}

double mi_watch_spread(const double *ratios, size_t count) {
    size_t found = 0;
    double *steps = count > 0 ? malloc(count * sizeof *steps) : NULL;
    for (size_t i = 1; steps != NULL && i < count; i++) {
        if (!isnan(ratios[i]) && !isnan(ratios[i - 1])) {
            steps[found++] = fabs(ratios[i] - ratios[i - 1]);
        }
    }
    double spread = found >= DAYS_LEAST ? 1.4826 / sqrt(2) * median_of(steps, found) : NAN;
    free(steps);
    return spread;
}
