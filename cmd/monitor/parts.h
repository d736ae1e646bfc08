/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The parts of mi-monitor: rules, what the store knows of campaigns, judgement, actions.
 */
#ifndef MONITOR_PARTS_H
#define MONITOR_PARTS_H

#include "common/store.h"

#define OWN_MODEL "mi-monitor" /* makes predictions that are not judged here */

/* ---- rules ---- */

enum watched_metric { WATCH_CPA, WATCH_ROAS, WATCH_USERS, WATCH_METRICS };
const char *watched_name(enum watched_metric metric);

struct rule {
    enum watched_metric metric;
    double threshold; /* variance beyond which it is an alert */
    char severity[32], action[32];
    double change; /* of the budget; NaN: none */
};

struct rules {
    struct rule rules[WATCH_METRICS];
    size_t count;
    /* Share of a value that is there by an age: of users by days since their day, of a ROAS by days since its
     * period began. Knots in order of age. */
    struct maturity {
        double *ages, *shares;
        size_t count;
    } maturity[WATCH_METRICS];
};

/* The rules of a file, the built-in ones where path is NULL; shares from another, none where that is NULL. */
enum mi_status rules_read(struct rules *rules, const char *path, const char *maturity,
                          struct mi_error *error);
void rules_free(struct rules *rules);
enum mi_status rules_write(struct mi_error *error);
/* The share that is there by an age; 1 where none is given for the metric and `otherwise` is NaN. */
double rules_share(const struct rules *rules, enum watched_metric metric, double age, double otherwise);

/* ---- campaigns ---- */

struct forecast {
    int32_t made, date;
    double horizon, spend, value, low, high;
};

struct forecasts {
    struct forecast *items;
    size_t count, capacity;
};

/* A ROAS of a period as it is known by an age. */
struct cohort {
    int32_t date;
    double age, value;
};

enum forecast_kind { FORECAST_CPA, FORECAST_USERS, FORECAST_ROAS, FORECAST_DAILY_ROAS, FORECAST_KINDS };

struct watched {
    char *id, *network;
    double daily_budget, min_budget;
    bool may_act;
    struct mi_monitored_day *days; /* each date once, oldest first */
    size_t day_count, day_capacity;
    struct cohort *cohorts;
    size_t cohort_count, cohort_capacity;
    struct forecasts forecasts[FORECAST_KINDS];
};

struct watchlist {
    struct watched *items;
    size_t count, capacity;
};

/* All campaigns with what is known of days before as_of. */
enum mi_status watchlist_load(struct watchlist *list, struct mi_store *store, int32_t as_of,
                              unsigned long window, struct mi_error *error);
void watchlist_free(struct watchlist *list);
/* The prediction in force on a day, for about this spend; NULL: none. */
const struct forecast *forecast_on(const struct forecasts *forecasts, int32_t day, double spend);

/* ---- judgement ---- */

struct monitor_options {
    int32_t as_of;
    unsigned long window; /* days that are looked at */
    double false_alarms;  /* a campaign and day */
    bool plain, interval;
};

/* One day of a campaign against what was predicted for it. */
struct judged_day {
    int32_t date;
    double expected, observed;
    double outer; /* expected at the interval's end that is nearer to the alert; NaN: none */
};

struct judged {
    struct judged_day *days;
    size_t count;
};

/* What is found about a campaign and rule. */
struct finding {
    bool judged;  /* there was something to judge */
    bool alert;   /* open now */
    bool outside; /* of the prediction's own interval, or there is none */
    int32_t since;
    size_t days;
    double variance, actual, predicted; /* of a CPA without users: infinite */
    double expected, spend;             /* users that were expected, and what was spent; of a CPA */
};

struct noises {
    double counts, ratios; /* of the portfolio */
};

enum mi_status judge_noises(const struct watchlist *list, const struct rules *rules,
                            const struct monitor_options *options, struct noises *noises,
                            struct mi_error *error);
/* Judges all campaigns by a rule, those of a network together: a finding for each. */
enum mi_status judge_rule(const struct watchlist *list, const struct rules *rules, const struct rule *rule,
                          const struct monitor_options *options, const struct noises *noises,
                          struct finding *findings, struct mi_error *error);
/* actual / predicted - 1 of a campaign over the days from `since` on; NaN: nothing to judge. */
double judge_variance(const struct watched *watched, const struct rules *rules, const struct rule *rule,
                      const struct monitor_options *options, int32_t since);
/* Causes of a finding as a JSON array, malloc'ed; NULL: no memory. */
char *judge_causes(const struct watchlist *list, const struct watched *watched, const struct rules *rules,
                   const struct rule *rule, const struct monitor_options *options,
                   const struct finding *finding);
/* The next prediction: the one in force, corrected by how the last four weeks went, or where an alert is open
 * the days `since` it began (else MI_DATE_MISSING). false: none. */
bool judge_next(const struct watched *watched, const struct rules *rules,
                const struct monitor_options *options, const struct noises *noises, int32_t since,
                struct mi_prediction *next);

/* ---- what comes of it ---- */

struct acting_options {
    unsigned long max_actions; /* a day */
    double max_change;         /* share of all daily budgets that actions may move a day */
};

/* An alert of this run, to be written. */
struct verdict {
    struct watched *watched;
    const struct rule *rule;
    struct mi_alert alert; /* its texts live as long as the others here */
    const char *status;    /* raised, open, closed */
    char message[200], *causes;
    double lost; /* share of the spend that buys nothing, as predicted */
    bool acted;
    struct mi_action action;
};

struct verdicts {
    struct verdict *items;
    size_t count, capacity;
};
struct verdict *verdicts_add(struct verdicts *verdicts);
void verdicts_free(struct verdicts *verdicts);

/* Changes budgets as the rules say, for the alerts that are open and for which nothing was ever done, where
 * campaigns and the day's limits allow it: most money at stake first. What is left over by a limit is said,
 * and has its turn the next day; a campaign that may not be changed is said when its alert is raised. */
enum mi_status actions_take(struct mi_store *store, const struct watchlist *list, struct verdicts *verdicts,
                            int32_t day, const struct acting_options *options, struct mi_error *error);
/* Undoes an action by its id, as the operand has it. */
enum mi_status action_undo(const char *id, int32_t day, bool dry_run, struct mi_error *error);

/* An alert as one line of NDJSON, into `json`. */
struct json;
void alert_json(struct json *json, const struct mi_alert *alert);

#endif
