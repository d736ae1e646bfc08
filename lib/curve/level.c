/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The level that is expected of the day that the curves are of: a curve is fitted to all days, but it is used
 * for the next. Groups have weekdays, and good and bad days that may last (campaigns' own levels: walk.c).
 * How far a group's days foretell the next is learnt: of the autoregressions of first order, seen with the
 * noise of the rows, the one under which the past ones were likeliest (Durbin & Koopman 2012, section 2.2 for
 * the filter).
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "curve/fit.h"

#define CELLS_LEAST 40  /* foretold days of groups, to learn the pace from; below, groups stay as they are */
#define FIRST_DAYS  7   /* of a group, that are not judged: smoothing has to begin */
#define FALL        2.5 /* standard errors: groups that all fall by more are not complete */
#define YOUNG       14  /* newest days that may be incomplete */

#define CHANGE_DAYS   14
#define CHANGE_ROWS   7    /* of these days; a few may be outliers */
#define CHANGE_ERRORS 6.0  /* standard errors of these days' mean residual that no chance explains */
#define CHANGE_MUCH   0.35 /* and how much it must be, in logs */
#define CHANGE_LEAST  0.05 /* of the level before */
#define CHANGE_STEPS  8

#define STEP_MOST      0.5 /* of an observation from the effect as it was learnt */
#define START_VARIANCE 0.1 /* of a group's first day, where days remember all that was */

struct pace {      /* of groups' days */
    double memory; /* correlation of a day's level with the next day's */
    double sd;     /* of what a day adds */
};

/* A group's day about the curves, as it is foretold. */
struct filter {
    double level, variance;
};

/* What the rows of a day say of it, with weekdays taken out, and the variance of that; false: nothing. */
static bool observe(const struct shared *shared, size_t group, size_t day, double *seen, double *variance) {
    const struct shared_cell *cell = &shared->cells[group * shared->span + day];
    if (cell->rows < SHARED_ROWS_LEAST || !(cell->information > 0))
        return false;
    double step = fmin(fmax(cell->gradient / cell->information, -STEP_MOST), STEP_MOST);
    *seen = cell->effect + step - shared->weekdays[group][fit_shared_weekday(shared, day)];
    *variance = 1 / cell->information;
    return true;
}

static void pass_day(struct filter *at, struct pace pace) {
    at->level *= pace.memory;
    at->variance = pace.memory * pace.memory * at->variance + pace.sd * pace.sd;
}

/* Kalman's filter from the first day up to `until`; the level that is foretold of that day. With `errors`,
 * each day's error over its standard deviation is put there (NAN: nothing to compare with), and the log
 * likelihood of the days from FIRST_DAYS on is added to *likelihood. */
static struct filter filter_days(const struct shared *shared, size_t group, struct pace pace, size_t until,
                                 double *errors, double *likelihood) {
    struct filter at = {.variance = pace.memory < 1 ? pace.sd * pace.sd / (1 - pace.memory * pace.memory)
                                                    : START_VARIANCE};
    for (size_t day = 0; day < until; day++) {
        double seen, noise;
        bool there = observe(shared, group, day, &seen, &noise);
        if (errors)
            errors[day] = NAN;
        if (there) {
            double variance = at.variance + noise, gain = at.variance / variance, error = seen - at.level;
            if (errors)
                errors[day] = error / sqrt(variance);
            if (likelihood && day >= FIRST_DAYS)
                *likelihood -= 0.5 * (log(variance) + error * error / variance);
            at.level += gain * error;
            at.variance -= gain * at.variance;
        }
        pass_day(&at, pace);
    }
    return at;
}

static size_t days_seen(const struct shared *shared, size_t until) {
    size_t count = 0;
    double seen, variance;
    for (size_t group = 0; (group + 1) * shared->span <= shared->count; group++)
        for (size_t day = FIRST_DAYS; day < until; day++)
            count += observe(shared, group, day, &seen, &variance);
    return count;
}

/* The likeliest pace of a grid. */
static struct pace learn_pace(const struct shared *shared, size_t until) {
    static const double memories[] = {0.5, 0.7, 0.8, 0.9, 0.95, 1};
    static const double steps[] = {0.01, 0.015, 0.02, 0.03, 0.045, 0.07, 0.1, 0.15, 0.2, 0.3};
    struct pace best = {0};
    double most = -INFINITY;
    if (days_seen(shared, until) < CELLS_LEAST)
        return best;
    for (size_t i = 0; i <= sizeof memories / sizeof *memories; i++)
        for (size_t j = 0; j < sizeof steps / sizeof *steps; j++) {
            bool none = i == sizeof memories / sizeof *memories;
            struct pace pace = none ? (struct pace){0} : (struct pace){memories[i], steps[j]};
            double likelihood = 0;
            for (size_t group = 0; (group + 1) * shared->span <= shared->count; group++)
                filter_days(shared, group, pace, until, NULL, &likelihood);
            if (likelihood > most) {
                most = likelihood;
                best = pace;
            }
        }
    return best;
}

/* The mean error of all groups on a day, over its standard deviation; *groups that have one. */
static double fall_of(const struct shared *shared, struct pace pace, size_t day, double *errors,
                      size_t *groups) {
    double sum = 0;
    *groups = 0;
    for (size_t group = 0; (group + 1) * shared->span <= shared->count; group++) {
        filter_days(shared, group, pace, day + 1, errors, NULL);
        if (!isnan(errors[day])) {
            sum += errors[day];
            ++*groups;
        }
    }
    return *groups > 0 ? sum / (double)*groups : 0;
}

/* The days from the oldest on that say what the level is: conversions of the newest may not all have come in,
 * and then all groups fall at once, from some day on. */
static size_t complete_days(const struct shared *shared, struct pace pace, double *errors) {
    size_t from = shared->span > YOUNG ? shared->span - YOUNG : 0;
    for (size_t day = shared->span; day-- > from;) {
        size_t groups;
        double fall = fall_of(shared, pace, day, errors, &groups);
        if (groups > 0 && fall > -FALL / sqrt((double)groups))
            return day + 1;
    }
    return shared->span;
}

/* What is expected of each group on the day, counted from the oldest. */
static void learn_group_days(struct portfolio *portfolio, size_t target, double *errors) {
    const struct shared *shared = &portfolio->shared;
    struct pace pace = learn_pace(shared, shared->span > YOUNG ? shared->span - YOUNG : 0);
    if (pace.sd <= 0)
        return;
    size_t complete = complete_days(shared, pace, errors);
    for (size_t group = 0; group < portfolio->prior.node_count; group++) {
        struct filter at = filter_days(shared, group, pace, complete, NULL, NULL);
        for (size_t day = complete; day < target; day++)
            pass_day(&at, pace);
        portfolio->prior.nodes[group].day = at.level;
        portfolio->prior.nodes[group].day_variance = at.variance;
    }
}

static void learn_group_weekdays(struct portfolio *portfolio) {
    for (size_t group = 0; group < portfolio->prior.node_count; group++)
        portfolio->prior.nodes[group].day +=
            portfolio->shared.weekdays[group][mi_date_weekday(portfolio->target)];
}

struct fit_day_level fit_level_of_day(const struct portfolio *portfolio, const struct campaign *campaign) {
    const struct node *group = &portfolio->prior.nodes[fit_shared_group(&portfolio->prior, campaign->node)];
    const struct weekdays *weekdays = &portfolio->weekdays;
    struct fit_day_level of = {group->day, group->day_variance};
    if (portfolio->target == MI_DATE_MISSING || !weekdays->used)
        return of;
    int weekday = mi_date_weekday(portfolio->target);
    bool known = campaign->count > 0;
    double information = known ? campaign->weekday_information[weekday] : 0;
    of.level += known ? campaign->weekday[weekday] : weekdays->mean[weekday];
    of.variance += 1 / (information + 1 / (weekdays->sd * weekdays->sd));
    return of;
}

static enum mi_status learn_groups(struct portfolio *portfolio, struct mi_error *error) {
    const struct shared *shared = &portfolio->shared;
    size_t target =
        portfolio->target == MI_DATE_MISSING ? shared->span : (size_t)(portfolio->target - shared->oldest);
    double *errors = malloc((shared->span + 1) * sizeof *errors);
    if (!errors)
        return mi_no_memory(error);
    fit_shared_sum(portfolio);
    learn_group_days(portfolio, target, errors);
    free(errors);
    if (portfolio->target != MI_DATE_MISSING)
        learn_group_weekdays(portfolio);
    return MI_OK;
}

/* Of a day that is taken for no outlier, for many of them in a row are none: 1 / variance of the relative
 * residual. */
static double whole_weight(const struct portfolio *portfolio, const struct campaign *campaign,
                           const struct fit_day *day) {
    double share = 1 + (double)day->residual, mean = share > 0 ? day->users / share : 0;
    if (!(mean > 0))
        return (double)day->weight;
    return mean * mean / fit_noise_variance(&portfolio->noise, campaign->dispersion, mean);
}

static size_t newest_rows(const struct portfolio *portfolio, const struct campaign *campaign) {
    size_t rows = 0;
    while (rows < campaign->count &&
           campaign->newest - portfolio->days[campaign->first + campaign->count - 1 - rows].date <
               CHANGE_DAYS)
        rows++;
    return rows;
}

/* The mean residual of the newest rows about a level, each of them at most as far above it as below; *weight:
 * 1 / its variance. */
static double newest_residual(const struct portfolio *portfolio, const struct campaign *campaign, size_t rows,
                              double level, double *weight) {
    double sum = 0;
    *weight = 0;
    for (size_t i = campaign->count - rows; i < campaign->count; i++) {
        const struct fit_day *day = &portfolio->days[campaign->first + i];
        double whole = whole_weight(portfolio, campaign, day);
        sum += whole * fmin((1 + (double)day->residual) / level - 1, 1);
        *weight += whole;
    }
    return *weight > 0 ? sum / *weight : 0;
}

/* Where levels stand still but one campaign's own newest days are far from its curve, as after a change of
 * its offer or its tracking, its level is theirs. */
static void follow_change(const struct portfolio *portfolio, struct campaign *campaign) {
    size_t rows = newest_rows(portfolio, campaign);
    double level = 1, weight = 0;
    if (rows < CHANGE_ROWS || campaign->count - rows < CHANGE_ROWS)
        return;
    for (int step = 0; step < CHANGE_STEPS; step++)
        level = fmax(level * (1 + newest_residual(portfolio, campaign, rows, level, &weight)), CHANGE_LEAST);
    campaign->changed = fabs(log(level)) > CHANGE_MUCH && fabs(level - 1) * sqrt(weight) > CHANGE_ERRORS;
    if (!campaign->changed)
        return;
    campaign->parameter[0] += log(level);
    campaign->curve_covariance[0][0] += 1 / weight;
}

enum mi_status fit_level_now(struct portfolio *portfolio, struct mi_error *error) {
    for (size_t i = 0; i < portfolio->prior.node_count; i++)
        portfolio->prior.nodes[i].day = portfolio->prior.nodes[i].day_variance = 0;
    enum mi_status status = portfolio->shared.cells ? learn_groups(portfolio, error) : MI_OK;
    for (size_t i = 0; i < portfolio->campaign_count && status == MI_OK; i++) {
        struct campaign *campaign = &portfolio->campaigns[i];
        struct fit_day_level of = fit_level_of_day(portfolio, campaign);
        campaign->parameter[0] += of.level;
        campaign->curve_covariance[0][0] += of.variance;
        if (portfolio->dated && !campaign->failed && !campaign_on_bound(campaign))
            follow_change(portfolio, campaign);
    }
    return status;
}
