/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Likely causes of a variance, from the campaign's own days.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "mi.h"

#define BEFORE_DAYS  28
#define BEFORE_LEAST 7
#define YEAR_DAYS    364 /* the same weekday */
#define SURE         2.0 /* standard errors */
#define SHARE_LEAST  0.1 /* of the variance, that a cause must explain */

/* A ratio of two daily values, over / under. */
typedef double ratio_function(const struct mi_monitored_day *day);

static double cpm_of(const struct mi_monitored_day *day) {
    return day->impressions > 0 ? day->spend / day->impressions * 1000 : NAN;
}

static double ctr_of(const struct mi_monitored_day *day) {
    return day->impressions > 0 ? day->clicks / day->impressions : NAN;
}

static double cvr_of(const struct mi_monitored_day *day) {
    return day->clicks > 0 ? day->users / day->clicks : NAN;
}

static double frequency_of(const struct mi_monitored_day *day) {
    return day->frequency;
}

static double users_of(const struct mi_monitored_day *day) {
    return day->users;
}

static double revenue_per_user_of(const struct mi_monitored_day *day) {
    return day->users > 0 ? day->revenue / day->users : NAN;
}

static double revenue_per_spend_of(const struct mi_monitored_day *day) {
    return day->spend > 0 ? day->revenue / day->spend : NAN;
}

static double users_per_spend_of(const struct mi_monitored_day *day) {
    return day->spend > 0 ? day->users / day->spend : NAN;
}

/* Mean and variance of the logs over [first, last]. */
struct level {
    double mean, variance;
    size_t count;
    size_t zeros; /* days known to be 0, which have no logarithm */
};

static struct level level_of(const struct mi_monitored_day *days, size_t count, int32_t first, int32_t last,
                             ratio_function *ratio) {
    double sum = 0, squares = 0;
    struct level level = {0};
    for (size_t i = 0; i < count; i++) {
        double value = days[i].date >= first && days[i].date <= last ? ratio(&days[i]) : NAN;
        if (value > 0) {
            double l = log(value);
            sum += l;
            squares += l * l;
            level.count++;
        }
        level.zeros += value == 0;
    }
    double n = (double)level.count;
    level.mean = sum / n;
    level.variance = n > 1 ? fmax(0, (squares - sum * sum / n) / (n - 1)) : NAN;
    return level;
}

struct change {
    double log_ratio; /* NaN: too little is known, or no more than noise; -infinity: none is left */
    double before, now;
};

/* How a ratio changed from [first - 28, first) to [first, last]. */
static struct change change_of(const struct mi_monitored_day *days, size_t count, int32_t first, int32_t last,
                               ratio_function *ratio) {
    struct level before = level_of(days, count, first - BEFORE_DAYS, first - 1, ratio);
    struct level now = level_of(days, count, first, last, ratio);
    struct change change = {NAN, exp(before.mean), exp(now.mean)};
    if (before.count >= BEFORE_LEAST && now.count == 0 && now.zeros > 0) {
        return (struct change){-INFINITY, exp(before.mean), 0};
    }
    if (before.count < BEFORE_LEAST || now.count == 0) {
        return change;
    }
    double error = sqrt(before.variance * (1 / (double)before.count + 1 / (double)now.count));
    double log_ratio = now.mean - before.mean;
    if (fabs(log_ratio) > SURE * error && fabs(log_ratio) > 0.005) {
        change.log_ratio = log_ratio;
    }
    return change;
}

struct search {
    const struct mi_monitored_day *days;
    size_t count;
    int32_t since, last;
    double target; /* log of what is to be explained */
    struct mi_cause *causes;
    size_t found;
};

/* Adds a cause that explains a share of the target; NULL where it explains too little. */
static struct mi_cause *add_cause(struct search *search, const char *name, double log_ratio) {
    /* Where nothing is left, what took it all is the cause. */
    double share = isinf(search->target) ? (log_ratio == search->target ? 1 : 0) : log_ratio / search->target;
    if (!(share >= SHARE_LEAST) || search->found == MI_CAUSES_MOST) {
        return NULL;
    }
    struct mi_cause *cause = &search->causes[search->found++];
    cause->name = name;
    cause->share = fmin(share, 1);
    return cause;
}

/* A part of the funnel: sign tells whether its rise makes the target rise. */
static void try_part(struct search *search, const char *name, const char *what, ratio_function *ratio,
                     double sign) {
    struct change change = change_of(search->days, search->count, search->since, search->last, ratio);
    if (isnan(change.log_ratio)) {
        return;
    }
    struct mi_cause *cause = add_cause(search, name, sign * change.log_ratio);
    if (cause != NULL) {
        snprintf(cause->evidence, sizeof cause->evidence, "%s %+.0f %%: %.4g, before %.4g", what,
                 100 * expm1(change.log_ratio), change.now, change.before);
    }
}

/* Frequency wears an audience out; how much of the variance it explains is not more than what it rose. */
static void try_frequency(struct search *search) {
    struct change change = change_of(search->days, search->count, search->since, search->last, frequency_of);
    if (!(change.log_ratio > 0) || isinf(search->target)) {
        return;
    }
    struct mi_cause *cause =
        add_cause(search, "audience_exhaustion",
                  copysign(fmin(change.log_ratio, fabs(search->target)), search->target));
    if (cause != NULL) {
        snprintf(cause->evidence, sizeof cause->evidence, "frequency %+.0f %%: %.3g, before %.3g",
                 100 * expm1(change.log_ratio), change.now, change.before);
    }
}

static void try_season(struct search *search, enum mi_watch_kind kind) {
    static const struct {
        const char *name;
        ratio_function *ratio;
        double sign;
    } measures[] = {[MI_WATCH_COST] = {"CPA", users_per_spend_of, -1},
                    [MI_WATCH_COUNT] = {"users", users_of, 1},
                    [MI_WATCH_RATIO] = {"ROAS", revenue_per_spend_of, 1}};
    struct change change = change_of(search->days, search->count, search->since - YEAR_DAYS,
                                     search->last - YEAR_DAYS, measures[kind].ratio);
    if (isnan(change.log_ratio)) {
        return;
    }
    struct mi_cause *cause = add_cause(search, "season", measures[kind].sign * change.log_ratio);
    if (cause != NULL) {
        snprintf(cause->evidence, sizeof cause->evidence, "the same weekdays a year ago: %s %+.0f %%",
                 measures[kind].name, 100 * expm1(measures[kind].sign * change.log_ratio));
    }
}

static void try_network(struct search *search, double others_variance, size_t others) {
    if (others < 2 || isnan(others_variance)) {
        return;
    }
    double log_ratio =
        isinf(search->target) && others_variance == -1 ? -INFINITY : log1p(fmax(others_variance, -0.99));
    struct mi_cause *cause = add_cause(search, "platform_change", log_ratio);
    if (cause != NULL && isinf(log_ratio)) {
        snprintf(cause->evidence, sizeof cause->evidence,
                 "%zu other campaigns of the network: no users either", others);
    } else if (cause != NULL) {
        snprintf(cause->evidence, sizeof cause->evidence,
                 "%zu other campaigns of the network: median variance %+.0f %%", others,
                 100 * others_variance);
    }
}

static int stronger(const void *left, const void *right) {
    const struct mi_cause *a = left, *b = right;
    return (a->share < b->share) - (a->share > b->share);
}

size_t mi_causes_find(const struct mi_monitored_day *days, size_t count, int32_t since, double variance,
                      enum mi_watch_kind kind, double others_variance, size_t others,
                      struct mi_cause *causes) {
    if (count == 0 || !(variance >= -1) || variance == 0) {
        return 0;
    }
    struct search search = {.days = days,
                            .count = count,
                            .since = since,
                            .last = days[count - 1].date,
                            .target = log1p(variance),
                            .causes = causes};
    double sign = kind == MI_WATCH_COST ? 1 : -1;
    try_part(&search, "competition", "CPM", cpm_of, sign);
    try_part(&search, "creative_fatigue", "click rate", ctr_of, -sign);
    try_part(&search, "landing_page", "conversion rate", cvr_of, -sign);
    try_frequency(&search);
    if (kind == MI_WATCH_RATIO) {
        try_part(&search, "user_value", "revenue a user", revenue_per_user_of, 1);
    }
    try_season(&search, kind);
    try_network(&search, others_variance, others);
    qsort(causes, search.found, sizeof *causes, stronger);
    return search.found;
}
