/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The level that is expected of the day after the newest: a curve is fitted to all days, but it is used for
 * the next. Groups have good and bad days that may last, campaigns drift. How far a group's days foretell the
 * next is learnt: the simple exponential smoothing, damped, that would have foretold the past ones best.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "curve/fit.h"

#define BLOCK         7    /* rows over which residuals are averaged to tell drift from noise */
#define BLOCKS_LEAST  20   /* pairs of blocks that say something */
#define OWN_HALF_LIFE 14.0 /* days */

#define CELLS_LEAST 40  /* foretold days of groups, to learn the pace from; below, groups stay as they are */
#define FIRST_DAYS  7   /* of a group, that are not judged: smoothing has to begin */
#define FALL        2.5 /* standard errors: groups that all fall by more are not complete */
#define YOUNG       14  /* newest days that may be incomplete */

struct pace {
    double weight;  /* of the newest day */
    double damping; /* of the level, a day */
};

static double block_mean(const struct fit_day *days) {
    double sum = 0, weight = 1e-9;
    for (size_t i = 0; i < BLOCK; i++) {
        sum += (double)days[i].weight * (double)days[i].residual;
        weight += (double)days[i].weight;
    }
    return sum / weight;
}

/* Variance of the campaigns' own drift: covariance of residuals a week apart, which is 0 without. */
static double drift_variance(const struct portfolio *portfolio) {
    double sum = 0, count = 0;
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        const struct campaign *campaign = &portfolio->campaigns[i];
        const struct fit_day *days = &portfolio->days[campaign->first];
        for (size_t j = 0; j + 2 * BLOCK <= campaign->count; j += BLOCK) {
            sum += block_mean(days + j) * block_mean(days + j + BLOCK);
            count++;
        }
    }
    return count >= BLOCKS_LEAST ? fmax(sum / count, 0) : 0;
}

/* The level of a group foretold for day `until` from those before. With `errors`, the error on each day is
 * put there (NAN: nothing to compare with). */
static double smooth(const struct shared *shared, size_t group, struct pace pace, size_t until,
                     double *errors) {
    double level = 0;
    for (size_t d = 0; d < until; d++) {
        const struct shared_cell *cell = &shared->cells[group * shared->span + d];
        bool seen = cell->rows >= SHARED_ROWS_LEAST;
        if (errors)
            errors[d] = seen ? cell->effect - level : NAN;
        if (seen)
            level += pace.weight * (cell->effect - level);
        level *= pace.damping;
    }
    return level;
}

/* Sum of squared errors of a pace over all groups' days before `until`; *count of them. */
static double squares_of(const struct shared *shared, struct pace pace, size_t until, double *errors,
                         size_t *count) {
    double sum = 0;
    *count = 0;
    for (size_t group = 0; (group + 1) * shared->span <= shared->count; group++) {
        smooth(shared, group, pace, until, errors);
        for (size_t d = FIRST_DAYS; d < until; d++)
            if (!isnan(errors[d])) {
                sum += errors[d] * errors[d];
                ++*count;
            }
    }
    return sum;
}

/* The pace that foretells best, of a grid; `sd` of its errors. */
static struct pace learn_pace(const struct shared *shared, size_t until, double *errors, double *sd) {
    static const double weights[] = {0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1};
    static const double dampings[] = {0.6, 0.8, 0.9, 0.95, 1};
    struct pace best = {0, 1};
    size_t count;
    double least = squares_of(shared, best, until, errors, &count);
    if (count < CELLS_LEAST) {
        *sd = INFINITY;
        return best;
    }
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        for (size_t j = 0; j < sizeof dampings / sizeof *dampings; j++) {
            struct pace pace = {weights[i], dampings[j]};
            double squares = squares_of(shared, pace, until, errors, &count);
            if (squares < least) {
                least = squares;
                best = pace;
            }
        }
    *sd = sqrt(least / (double)count);
    return best;
}

/* The mean error of all groups on a day, foretold from the days before; *groups that have one. */
static double fall_of(const struct shared *shared, struct pace pace, size_t day, double *errors,
                      size_t *groups) {
    double sum = 0;
    *groups = 0;
    for (size_t group = 0; (group + 1) * shared->span <= shared->count; group++) {
        smooth(shared, group, pace, day + 1, errors);
        if (!isnan(errors[day])) {
            sum += errors[day];
            ++*groups;
        }
    }
    return *groups > 0 ? sum / (double)*groups : 0;
}

/* The days from the oldest on that say what the level is: conversions of the newest may not all have come in,
 * and then all groups fall at once, from some day on. */
static size_t complete_days(const struct shared *shared, struct pace pace, double sd, double *errors) {
    size_t from = shared->span > YOUNG ? shared->span - YOUNG : 0;
    for (size_t day = shared->span; day-- > from;) {
        size_t groups;
        double fall = fall_of(shared, pace, day, errors, &groups);
        if (groups > 0 && fall > -FALL * sd / sqrt((double)groups))
            return day + 1;
    }
    return shared->span;
}

static void add_group_levels(struct portfolio *portfolio, double *errors) {
    const struct shared *shared = &portfolio->shared;
    double sd;
    size_t judged = shared->span > YOUNG ? shared->span - YOUNG : 0;
    struct pace pace = learn_pace(shared, judged, errors, &sd);
    if (pace.weight <= 0)
        return;
    size_t complete = complete_days(shared, pace, sd, errors);
    double aged = pow(pace.damping, (double)(shared->span - complete));
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        struct campaign *campaign = &portfolio->campaigns[i];
        size_t group = fit_shared_group(&portfolio->prior, campaign->node);
        campaign->parameter[0] += aged * smooth(shared, group, pace, complete, NULL);
    }
}

static void add_own_levels(struct portfolio *portfolio) {
    double variance = drift_variance(portfolio);
    int32_t now = portfolio->shared.oldest + (int32_t)portfolio->shared.span - 1;
    for (size_t i = 0; i < portfolio->campaign_count && variance > 0; i++) {
        struct campaign *campaign = &portfolio->campaigns[i];
        double sum = 0, weight = 0;
        for (size_t j = 0; j < campaign->count; j++) {
            const struct fit_day *day = &portfolio->days[campaign->first + j];
            double kernel = exp2(-(double)(now - day->date) / OWN_HALF_LIFE) * (double)day->weight;
            sum += kernel * (double)day->residual;
            weight += kernel;
        }
        campaign->parameter[0] += sum / (weight + 1 / variance);
        /* a band holds what is not known of that */
        campaign->curve_covariance[0][0] += 1 / (weight + 1 / variance);
    }
}

enum mi_status fit_level_now(struct portfolio *portfolio, struct mi_error *error) {
    if (!portfolio->shared.cells)
        return MI_OK;
    double *errors = malloc((portfolio->shared.span + 1) * sizeof *errors);
    if (!errors)
        return mi_no_memory(error);
    add_group_levels(portfolio, errors);
    free(errors);
    add_own_levels(portfolio);
    return MI_OK;
}
