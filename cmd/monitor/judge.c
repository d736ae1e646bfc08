/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Days against what was predicted for them.
 */
#include "monitor/parts.h"

#include "common/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOISE_OTHERWISE  0.01 /* of counts, where the portfolio has no history */
#define SPREAD_OTHERWISE 0.25 /* of a ROAS */
#define NORMAL_80        1.2815515655446004
#define NEXT_DAYS        28
#define NEXT_PRIOR       100.0 /* users that the prediction in force counts as */

/* ---- one day ---- */

/* A day's users against those predicted: by the CPA at the spend that came, or as such. */
static bool count_day(const struct watched *watched, const struct rules *rules, enum watched_metric metric,
                      int32_t as_of, const struct mi_monitored_day *day, struct judged_day *judged) {
    bool cost = metric == WATCH_CPA;
    const struct forecast *forecast =
        forecast_on(&watched->forecasts[cost ? FORECAST_CPA : FORECAST_USERS], day->date, day->spend);
    double share = rules_share(rules, metric, as_of - day->date, 1);
    if (!forecast || isnan(day->users) || (cost && !(day->spend > 0)))
        return false;
    *judged = (struct judged_day){
        .date = day->date,
        .expected = share * (cost ? day->spend / forecast->value : forecast->value),
        .observed = day->users,
        .outer = share * (cost ? day->spend / forecast->high : forecast->low),
    };
    return share > 0;
}

/* Revenue of a day for its spend. */
static bool daily_roas_day(const struct watched *watched, const struct mi_monitored_day *day,
                           struct judged_day *judged) {
    const struct forecast *forecast =
        forecast_on(&watched->forecasts[FORECAST_DAILY_ROAS], day->date, day->spend);
    if (!forecast || isnan(day->revenue) || !(day->spend > 0))
        return false;
    *judged = (struct judged_day){day->date, forecast->value, day->revenue / day->spend, forecast->low};
    return true;
}

/* A cohort's ROAS at its age against the share of the predicted one that is due by then; without shares not
 * before the horizon. */
static bool cohort_day(const struct watched *watched, const struct rules *rules, const struct cohort *cohort,
                       struct judged_day *judged) {
    const struct forecast *forecast = NULL;
    for (size_t i = 0; i < watched->forecasts[FORECAST_ROAS].count; i++) {
        const struct forecast *item = &watched->forecasts[FORECAST_ROAS].items[i];
        if (item->date == cohort->date && (!forecast || item->made >= forecast->made))
            forecast = item;
    }
    if (!forecast)
        return false;
    double share = cohort->age >= forecast->horizon
                       ? 1
                       : rules_share(rules, WATCH_ROAS, cohort->age, NAN) /
                             rules_share(rules, WATCH_ROAS, forecast->horizon, NAN);
    if (!(share > 0))
        return false;
    *judged =
        (struct judged_day){cohort->date, share * forecast->value, cohort->value, share * forecast->low};
    return true;
}

/* All days of the window that can be judged; the caller frees them. */
static bool judged_days(const struct watched *watched, const struct rules *rules, enum watched_metric metric,
                        const struct monitor_options *options, struct judged *judged) {
    size_t most = watched->day_count + watched->cohort_count + 1;
    int32_t first = options->as_of - (int32_t)options->window;
    *judged = (struct judged){.days = calloc(most, sizeof *judged->days)};
    if (!judged->days)
        return false;
    bool cohorts = metric == WATCH_ROAS && watched->forecasts[FORECAST_DAILY_ROAS].count == 0;
    for (size_t i = 0; i < watched->cohort_count && cohorts; i++)
        if (watched->cohorts[i].date >= first &&
            cohort_day(watched, rules, &watched->cohorts[i], &judged->days[judged->count]))
            judged->count++;
    for (size_t i = 0; i < watched->day_count && !cohorts; i++) {
        const struct mi_monitored_day *day = &watched->days[i];
        struct judged_day *to = &judged->days[judged->count];
        if (day->date < first || day->date >= options->as_of)
            continue;
        judged->count += metric == WATCH_ROAS ? daily_roas_day(watched, day, to)
                                              : count_day(watched, rules, metric, options->as_of, day, to);
    }
    return true;
}

/* ---- noise ---- */

enum mi_status judge_noises(const struct watchlist *list, const struct rules *rules,
                            const struct monitor_options *options, struct noises *noises,
                            struct mi_error *error) {
    size_t most = 0, counts = 0, ratios = 0;
    for (size_t i = 0; i < list->count; i++)
        most += list->items[i].day_count + list->items[i].cohort_count + 1;
    double *expected = calloc(3 * most + 1, sizeof *expected);
    double *observed = expected ? expected + most : NULL, *ratio = expected ? expected + 2 * most : NULL;
    enum mi_status status = expected ? MI_OK : no_memory(error);
    for (size_t i = 0; i < list->count && !status; i++) {
        for (unsigned metric = 0; metric < 2 && !status; metric++) {
            struct judged judged;
            if (!judged_days(&list->items[i], rules, (enum watched_metric)metric, options, &judged))
                status = no_memory(error);
            for (size_t day = 0; !status && day < judged.count; day++) {
                if (metric == WATCH_CPA) {
                    expected[counts] = judged.days[day].expected;
                    observed[counts++] = judged.days[day].observed;
                } else {
                    ratio[ratios++] = judged.days[day].observed / judged.days[day].expected;
                }
            }
            /* Parts this campaign from the next. */
            if (!status && metric == WATCH_CPA) {
                expected[counts] = NAN;
                observed[counts++] = NAN;
            } else if (!status) {
                ratio[ratios++] = NAN;
            }
            free(judged.days);
        }
    }
    if (!status) {
        noises->counts = mi_watch_noise(expected, observed, counts);
        noises->ratios = mi_watch_spread(ratio, ratios);
    }
    free(expected);
    return status;
}

/* The noise of a campaign's ratios: its own, the portfolio's, that of the intervals, or the usual. */
static double ratio_noise(const struct judged *judged, const struct noises *noises) {
    double own = NAN, width = NAN;
    double *ratios = malloc((judged->count + 1) * sizeof *ratios);
    for (size_t i = 0; ratios && i < judged->count; i++) {
        ratios[i] = judged->days[i].observed / judged->days[i].expected;
        width = isnan(judged->days[i].outer)
                    ? width
                    : fabs(1 - judged->days[i].outer / judged->days[i].expected) / NORMAL_80;
    }
    if (ratios)
        own = mi_watch_spread(ratios, judged->count);
    free(ratios);
    if (own > 0)
        return own;
    if (noises->ratios > 0)
        return noises->ratios;
    return width > 0 ? width : SPREAD_OTHERWISE;
}

/* ---- a campaign ---- */

static void sum_days(const struct judged *judged, size_t first, bool mean, double *expected, double *observed,
                     double *outer) {
    *expected = *observed = *outer = 0;
    for (size_t i = first; i < judged->count; i++) {
        double unit = mean ? judged->days[i].expected : 1;
        *expected += judged->days[i].expected / unit;
        *observed += judged->days[i].observed / unit;
        *outer += judged->days[i].outer / unit;
    }
}

/* Fills in what the days since the change say. */
static void describe(const struct watched *watched, const struct judged *judged, size_t first,
                     const struct rule *rule, bool open, struct finding *finding) {
    double expected, observed, outer;
    bool ratio = rule->metric == WATCH_ROAS;
    sum_days(judged, first, ratio, &expected, &observed, &outer);
    finding->since = judged->days[first].date;
    finding->days = judged->count - first;
    double n = (double)finding->days, spend = 0;
    if (rule->metric == WATCH_CPA) {
        for (size_t i = first; i < judged->count; i++)
            for (size_t day = 0; day < watched->day_count; day++)
                spend += watched->days[day].date == judged->days[i].date ? watched->days[day].spend : 0;
        observed = fmax(observed, 0.5);
        finding->actual = spend / observed;
        finding->predicted = spend / expected;
    } else {
        double level = ratio ? judged->days[judged->count - 1].expected : 1;
        finding->actual = level * observed / n;
        finding->predicted = level * expected / n;
    }
    finding->variance = finding->actual / finding->predicted - 1;
    finding->outside = !(observed >= outer);
    finding->alert = open;
}

enum mi_status judge_campaign(const struct watched *watched, const struct rules *rules,
                              const struct rule *rule, const struct monitor_options *options,
                              const struct noises *noises, struct finding *finding, struct mi_error *error) {
    static const enum mi_watch_kind kinds[WATCH_METRICS] = {MI_WATCH_COST, MI_WATCH_RATIO, MI_WATCH_COUNT};
    struct judged judged;
    struct mi_watch watch;
    *finding = (struct finding){0};
    if (!judged_days(watched, rules, rule->metric, options, &judged))
        return no_memory(error);
    struct mi_watch_options how = {
        .kind = kinds[rule->metric],
        .threshold = rule->threshold,
        .noise = rule->metric == WATCH_ROAS ? ratio_noise(&judged, noises)
                 : isnan(noises->counts)    ? NOISE_OTHERWISE
                                            : noises->counts,
        .false_alarms = options->false_alarms,
        .plain = options->plain,
    };
    mi_watch_start(&watch, &how);
    for (size_t i = 0; i < judged.count; i++)
        mi_watch_day(&watch, judged.days[i].expected, judged.days[i].observed);
    finding->judged = judged.count > 0;
    if (watch.open && watch.days > 0 && watch.days <= judged.count)
        describe(watched, &judged, judged.count - watch.days, rule, true, finding);
    finding->alert = finding->alert && (finding->outside || !options->interval);
    free(judged.days);
    return MI_OK;
}

double judge_variance(const struct watched *watched, const struct rules *rules, const struct rule *rule,
                      const struct monitor_options *options, int32_t since) {
    struct judged judged;
    struct finding finding = {.variance = NAN};
    if (!judged_days(watched, rules, rule->metric, options, &judged))
        return NAN;
    size_t first = 0;
    while (first < judged.count && judged.days[first].date < since)
        first++;
    if (first < judged.count)
        describe(watched, &judged, first, rule, false, &finding);
    free(judged.days);
    return finding.variance;
}

/* ---- causes ---- */

static int compare_numbers(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The median variance of the other campaigns of the network. */
static double others_variance(const struct watchlist *list, const struct watched *watched,
                              const struct rules *rules, const struct rule *rule,
                              const struct monitor_options *options, int32_t since, size_t *others) {
    double *variances = malloc((list->count + 1) * sizeof *variances), median = NAN;
    *others = 0;
    for (size_t i = 0; variances && watched->network && i < list->count; i++) {
        const struct watched *other = &list->items[i];
        if (other == watched || !other->network || strcmp(other->network, watched->network) != 0)
            continue;
        double variance = judge_variance(other, rules, rule, options, since);
        if (!isnan(variance))
            variances[(*others)++] = variance;
    }
    if (*others > 0) {
        qsort(variances, *others, sizeof *variances, compare_numbers);
        median = (variances[(*others - 1) / 2] + variances[*others / 2]) / 2;
    }
    free(variances);
    return median;
}

char *judge_causes(const struct watchlist *list, const struct watched *watched, const struct rules *rules,
                   const struct rule *rule, const struct monitor_options *options,
                   const struct finding *finding) {
    struct mi_cause causes[MI_CAUSES_MOST];
    struct json json = {0};
    size_t others, found = 0;
    double variance = others_variance(list, watched, rules, rule, options, finding->since, &others);
    if (rule->metric != WATCH_ROAS)
        found = mi_causes_find(watched->days, watched->day_count, finding->since, finding->variance,
                               rule->metric == WATCH_CPA, variance, others, causes);
    json_open(&json, NULL, '[');
    for (size_t i = 0; i < found; i++) {
        json_open(&json, NULL, '{');
        json_text(&json, "cause", mi_text_of(causes[i].name));
        json_number(&json, "share", round(causes[i].share * 1000) / 1000);
        json_text(&json, "evidence", mi_text_of(causes[i].evidence));
        json_close(&json, '}');
    }
    json_close(&json, ']');
    char *text = json.failed ? NULL : mi_text_copy((struct mi_text){json.data, json.size});
    json_free(&json);
    return text;
}

/* ---- the next prediction ---- */

bool judge_next(const struct watched *watched, const struct rules *rules,
                const struct monitor_options *options, const struct noises *noises,
                struct mi_prediction *next) {
    struct monitor_options recent = *options;
    struct judged judged;
    double expected, observed, outer;
    const struct forecast *now = forecast_on(&watched->forecasts[FORECAST_CPA], options->as_of, NAN);
    now = now ? now : forecast_on(&watched->forecasts[FORECAST_CPA], options->as_of - 1, NAN);
    recent.window = NEXT_DAYS;
    if (!now || !judged_days(watched, rules, WATCH_CPA, &recent, &judged))
        return false;
    size_t days = judged.count;
    sum_days(&judged, 0, false, &expected, &observed, &outer);
    free(judged.days);
    if (days == 0)
        return false;
    double ratio = (expected + NEXT_PRIOR) / (observed + NEXT_PRIOR);
    double noise = isnan(noises->counts) ? NOISE_OTHERWISE : noises->counts;
    double error = sqrt(1 / (observed + NEXT_PRIOR) + noise / (double)days +
                        (1 / fmax(expected / (double)days, 1) + noise) / fmax(now->horizon, 1));
    double value = now->value * ratio;
    *next = (struct mi_prediction){.campaign = mi_text_of(watched->id),
                                   .metric = mi_text_of("cpa"),
                                   .model = mi_text_of(OWN_MODEL),
                                   .made = options->as_of,
                                   .date = options->as_of,
                                   .horizon = now->horizon,
                                   .spend = NAN,
                                   .value = value,
                                   .low = value * exp(-NORMAL_80 * error),
                                   .high = value * exp(NORMAL_80 * error)};
    return true;
}
