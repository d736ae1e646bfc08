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
#define PRIOR_SD         0.1 /* of a predicted CPA's logarithm, where it comes without an interval */

static const enum mi_watch_kind kinds[WATCH_METRICS] = {MI_WATCH_COST, MI_WATCH_RATIO, MI_WATCH_COUNT};

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
        finding->actual = observed > 0 ? spend / observed : INFINITY;
        finding->predicted = spend / expected;
        finding->spend = spend;
    } else {
        double level = ratio ? judged->days[judged->count - 1].expected : 1;
        finding->actual = level * observed / n;
        finding->predicted = level * expected / n;
    }
    finding->variance = finding->actual / finding->predicted - 1;
    finding->expected = expected;
    finding->outside = !(observed >= outer);
    finding->alert = open;
}

/* ---- a rule, network by network ---- */

/* What a rule judges by, campaign by campaign of the list. */
struct judging {
    const struct watchlist *list;
    const struct rules *rules;
    const struct rule *rule;
    const struct monitor_options *options;
    const struct noises *noises;
    struct judged *judged;
    struct finding *findings;
    size_t *order;               /* campaigns by network */
    double *expected, *observed; /* of a day, by member */
    size_t *next;                /* the first of its days that has not come, by member */
};

/* How many rules have a prediction to judge by: the false alarms are shared among them. */
static size_t rules_that_apply(const struct rules *rules, const struct watched *watched) {
    size_t count = 0;
    for (size_t i = 0; i < rules->count; i++) {
        const struct forecasts *by = watched->forecasts;
        switch (rules->rules[i].metric) {
        case WATCH_CPA:
            count += by[FORECAST_CPA].count > 0;
            break;
        case WATCH_USERS:
            count += by[FORECAST_USERS].count > 0;
            break;
        default:
            count += by[FORECAST_ROAS].count + by[FORECAST_DAILY_ROAS].count > 0;
        }
    }
    return count > 0 ? count : 1;
}

static const char *network_of(const struct watched *watched) {
    return watched->network ? watched->network : "";
}

struct placed {
    const char *network;
    size_t number;
};

static int compare_placed(const void *left, const void *right) {
    const struct placed *a = left, *b = right;
    int order = strcmp(a->network, b->network);
    return order != 0 ? order : (a->number > b->number) - (a->number < b->number);
}

/* Campaigns by network, in their order within one; those of none are one. */
static enum mi_status order_by_network(struct judging *j, struct mi_error *error) {
    struct placed *placed = calloc(j->list->count + 1, sizeof *placed);
    if (!placed)
        return no_memory(error);
    for (size_t i = 0; i < j->list->count; i++)
        placed[i] = (struct placed){network_of(&j->list->items[i]), i};
    qsort(placed, j->list->count, sizeof *placed, compare_placed);
    for (size_t i = 0; i < j->list->count; i++)
        j->order[i] = placed[i].number;
    free(placed);
    return MI_OK;
}

/* Fills in the members' values of a date, and moves on. */
static void take_date(struct judging *j, const size_t *members, size_t count, int32_t date) {
    for (size_t i = 0; i < count; i++) {
        const struct judged *judged = &j->judged[members[i]];
        bool there = j->next[i] < judged->count && judged->days[j->next[i]].date == date;
        j->expected[i] = there ? judged->days[j->next[i]].expected : NAN;
        j->observed[i] = there ? judged->days[j->next[i]].observed : NAN;
        j->next[i] += there;
    }
}

/* The noise of the members' sum, from how it changes from one day to the next. */
static enum mi_status noise_together(struct judging *j, const size_t *members, size_t count, double *noise,
                                     struct mi_error *error) {
    const size_t window = j->options->window;
    double *sums = calloc(2 * window, sizeof *sums);
    if (!sums)
        return no_memory(error);
    memset(j->next, 0, count * sizeof *j->next);
    for (size_t day = 0; day < window; day++) {
        take_date(j, members, count, j->options->as_of - (int32_t)(window - day));
        for (size_t i = 0; i < count; i++)
            if (j->expected[i] > 0 && !isnan(j->observed[i])) {
                sums[day] += j->expected[i];
                sums[window + day] += j->observed[i];
            }
    }
    *noise = mi_watch_noise(sums, sums + window, window);
    *noise = isnan(*noise) ? NOISE_OTHERWISE : *noise;
    free(sums);
    return MI_OK;
}

static void find(struct judging *j, size_t campaign, const struct mi_watch *watch) {
    struct finding *finding = &j->findings[campaign];
    const struct judged *judged = &j->judged[campaign];
    finding->judged = judged->count > 0;
    if (watch->open && watch->days > 0 && watch->days <= judged->count)
        describe(&j->list->items[campaign], judged, judged->count - watch->days, j->rule, true, finding);
    finding->alert = finding->alert && (finding->outside || !j->options->interval);
}

/* The campaigns of a network, day by day. */
static enum mi_status judge_network(struct judging *j, const size_t *members, size_t count,
                                    struct mi_error *error) {
    struct mi_watch_options how = {
        .kind = kinds[j->rule->metric],
        .threshold = j->rule->threshold,
        .noise = isnan(j->noises->counts) ? NOISE_OTHERWISE : j->noises->counts,
        .plain = j->options->plain,
    };
    struct mi_watch_group *group = NULL;
    size_t applied = 1, known = 0;
    double together = NAN;
    for (size_t i = 0; i < count; i++) {
        size_t apply = rules_that_apply(j->rules, &j->list->items[members[i]]);
        applied = apply > applied ? apply : applied;
        known += j->judged[members[i]].count > 0;
    }
    how.false_alarms = j->options->false_alarms / (double)applied;
    if (known == 0)
        return MI_OK;
    enum mi_status status = noise_together(j, members, count, &together, error);
    if (!status)
        status = mi_watch_group_new(&how, together, count, &group, error);
    if (status)
        return status;
    for (size_t i = 0; i < count && j->rule->metric == WATCH_ROAS; i++)
        mi_watch_group_noise(group, i, ratio_noise(&j->judged[members[i]], j->noises));
    memset(j->next, 0, count * sizeof *j->next);
    for (int32_t date = j->options->as_of - (int32_t)j->options->window; date < j->options->as_of; date++) {
        take_date(j, members, count, date);
        mi_watch_group_day(group, j->expected, j->observed);
    }
    for (size_t i = 0; i < count; i++)
        find(j, members[i], mi_watch_group_member(group, i));
    mi_watch_group_free(group);
    return MI_OK;
}

static enum mi_status judge_networks(struct judging *j, struct mi_error *error) {
    enum mi_status status = MI_OK;
    const size_t all = j->list->count;
    for (size_t i = 0; i < all && !status; i++)
        if (!judged_days(&j->list->items[i], j->rules, j->rule->metric, j->options, &j->judged[i]))
            status = no_memory(error);
    if (!status)
        status = order_by_network(j, error);
    for (size_t from = 0, to; from < all && !status; from = to) {
        const char *network = network_of(&j->list->items[j->order[from]]);
        for (to = from + 1; to < all && strcmp(network_of(&j->list->items[j->order[to]]), network) == 0; to++)
            continue;
        status = judge_network(j, j->order + from, to - from, error);
    }
    return status;
}

enum mi_status judge_rule(const struct watchlist *list, const struct rules *rules, const struct rule *rule,
                          const struct monitor_options *options, const struct noises *noises,
                          struct finding *findings, struct mi_error *error) {
    const size_t all = list->count + 1;
    struct judging j = {list, rules, rule, options, noises, NULL, findings, NULL, NULL, NULL, NULL};
    memset(findings, 0, list->count * sizeof *findings);
    j.judged = calloc(all, sizeof *j.judged);
    j.order = calloc(2 * all, sizeof *j.order);
    j.expected = calloc(2 * all, sizeof *j.expected);
    enum mi_status status = j.judged && j.order && j.expected ? MI_OK : no_memory(error);
    if (!status) {
        j.next = j.order + all;
        j.observed = j.expected + all;
        status = judge_networks(&j, error);
    }
    for (size_t i = 0; j.judged && i < list->count; i++)
        free(j.judged[i].days);
    free(j.judged);
    free(j.order);
    free(j.expected);
    return status;
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
    size_t others, found;
    double variance = others_variance(list, watched, rules, rule, options, finding->since, &others);
    found = mi_causes_find(watched->days, watched->day_count, finding->since, finding->variance,
                           kinds[rule->metric], variance, others, causes);
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

/* Actual over predicted CPA, from users expected and observed over `days` days, drawn to the prediction as
 * far as the prediction is sure: an empirical Bayes estimate on the log scale, whose prior's spread is what
 * the prediction's interval says, or the more that the days themselves show. Few users say little and leave
 * much open. */
static double corrected_by(const struct forecast *now, double expected, double observed, double days,
                           double noise, double *error) {
    double change = log((expected + 0.5) / (observed + 0.5));
    double chance = 1 / (observed + 0.5) + noise / days;
    double own =
        now->high > now->low && now->low > 0 ? log(now->high / now->low) / (2 * NORMAL_80) : PRIOR_SD;
    double spread = fmax(own * own, change * change - chance), share = spread / (spread + chance);
    *error = sqrt(share * chance);
    return exp(share * change);
}

bool judge_next(const struct watched *watched, const struct rules *rules,
                const struct monitor_options *options, const struct noises *noises, int32_t since,
                struct mi_prediction *next) {
    struct monitor_options recent = *options;
    struct judged judged;
    double expected, observed, outer, error;
    const struct forecast *now = forecast_on(&watched->forecasts[FORECAST_CPA], options->as_of, NAN);
    now = now ? now : forecast_on(&watched->forecasts[FORECAST_CPA], options->as_of - 1, NAN);
    recent.window = since == MI_DATE_MISSING ? NEXT_DAYS : (unsigned long)(options->as_of - since);
    if (!now || !judged_days(watched, rules, WATCH_CPA, &recent, &judged))
        return false;
    double days = (double)judged.count;
    sum_days(&judged, 0, false, &expected, &observed, &outer);
    free(judged.days);
    if (!(days > 0))
        return false;
    double noise = isnan(noises->counts) ? NOISE_OTHERWISE : noises->counts;
    double value = now->value * corrected_by(now, expected, observed, days, noise, &error);
    /* the days to come have a noise of their own */
    error = sqrt(error * error +
                 (1 / fmax(expected / days * now->value / value, 0.5) + noise) / fmax(now->horizon, 1));
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
