/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the store knows of campaigns: days, cohorts, predictions.
 */
#include "monitor/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define YEAR_BACK 400 /* days, for the same weeks a year ago and the four before them */

/* ---- campaigns ---- */

static enum mi_status add_campaign(void *context, const struct mi_stored_campaign *campaign,
                                   struct mi_error *error) {
    struct watchlist *list = context;
    void *items = mi_array_room(list->items, list->count, &list->capacity, sizeof *list->items);
    if (!items)
        return no_memory(error);
    list->items = items;
    struct watched *watched = &list->items[list->count++];
    *watched = (struct watched){
        .id = mi_text_copy(campaign->id),
        .network = campaign->attributes[0].data ? mi_text_copy(campaign->attributes[0]) : NULL,
        .daily_budget = campaign->daily_budget,
        .min_budget = campaign->min_budget,
        .may_act = campaign->auto_optimization == 1,
    };
    return watched->id && (watched->network || !campaign->attributes[0].data) ? MI_OK : no_memory(error);
}

/* ---- days and cohorts ---- */

static double *field_of(struct mi_monitored_day *day, struct mi_text metric) {
    const struct {
        const char *name;
        double *value;
    } fields[] = {{"spend", &day->spend},     {"users", &day->users},
                  {"revenue", &day->revenue}, {"impressions", &day->impressions},
                  {"clicks", &day->clicks},   {"frequency", &day->frequency}};
    for (size_t i = 0; i < 6; i++)
        if (mi_text_equal(metric, mi_text_of(fields[i].name)))
            return fields[i].value;
    return NULL;
}

/* The day of this date, made where it is not there; outcomes come by metric, so that dates come several times
 * over. */
static struct mi_monitored_day *day_of(struct watched *watched, int32_t date) {
    size_t low = 0, high = watched->day_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (watched->days[middle].date < date)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < watched->day_count && watched->days[low].date == date)
        return &watched->days[low];
    void *days =
        mi_array_room(watched->days, watched->day_count, &watched->day_capacity, sizeof *watched->days);
    if (!days)
        return NULL;
    watched->days = days;
    memmove(watched->days + low + 1, watched->days + low, (watched->day_count - low) * sizeof *watched->days);
    watched->day_count++;
    watched->days[low] = (struct mi_monitored_day){date, NAN, NAN, NAN, NAN, NAN, NAN};
    return &watched->days[low];
}

struct loading {
    struct watched *watched;
    int32_t as_of;
    enum forecast_kind kind;
};

/* Outcomes come by date and horizon: of several ages of a cohort the oldest stays. */
static enum mi_status add_cohort(struct watched *watched, const struct mi_actual *actual,
                                 struct mi_error *error) {
    bool same = watched->cohort_count > 0 && watched->cohorts[watched->cohort_count - 1].date == actual->date;
    void *cohorts = mi_array_room(watched->cohorts, watched->cohort_count, &watched->cohort_capacity,
                                  sizeof *watched->cohorts);
    if (!cohorts)
        return no_memory(error);
    watched->cohorts = cohorts;
    watched->cohort_count += !same;
    watched->cohorts[watched->cohort_count - 1] =
        (struct cohort){actual->date, actual->horizon, actual->value};
    return MI_OK;
}

static enum mi_status add_actual(void *context, const struct mi_stored_campaign *campaign,
                                 const struct mi_actual *actual, int64_t recorded, struct mi_error *error) {
    (void)campaign;
    (void)recorded;
    struct loading *loading = context;
    if ((double)actual->date + actual->horizon > (double)loading->as_of)
        return MI_OK; /* not over yet */
    if (mi_text_equal(actual->metric, mi_text_of("roas")))
        return add_cohort(loading->watched, actual, error);
    struct mi_monitored_day probe;
    if (actual->horizon != 1 || !field_of(&probe, actual->metric))
        return MI_OK;
    struct mi_monitored_day *day = day_of(loading->watched, actual->date);
    if (!day)
        return no_memory(error);
    *field_of(day, actual->metric) = actual->value;
    return MI_OK;
}

/* ---- predictions ---- */

static enum mi_status add_forecast(void *context, const struct mi_stored_prediction *stored,
                                   struct mi_error *error) {
    struct loading *loading = context;
    struct forecasts *forecasts = &loading->watched->forecasts[loading->kind];
    const struct mi_prediction *prediction = &stored->prediction;
    if (mi_text_equal(prediction->model, mi_text_of(OWN_MODEL)) || !(prediction->value > 0))
        return MI_OK;
    void *items =
        mi_array_room(forecasts->items, forecasts->count, &forecasts->capacity, sizeof *forecasts->items);
    if (!items)
        return no_memory(error);
    forecasts->items = items;
    forecasts->items[forecasts->count++] =
        (struct forecast){prediction->made,  prediction->date, prediction->horizon, prediction->spend,
                          prediction->value, prediction->low,  prediction->high};
    return MI_OK;
}

static double distance(double spend, double wanted) {
    return isnan(spend) || isnan(wanted) || spend <= 0 || wanted <= 0 ? 0 : fabs(log(spend / wanted));
}

const struct forecast *forecast_on(const struct forecasts *forecasts, int32_t day, double spend) {
    const struct forecast *best = NULL;
    for (size_t i = 0; i < forecasts->count; i++) {
        const struct forecast *item = &forecasts->items[i];
        bool covers = item->made <= day && item->date <= day && day < item->date + fmax(item->horizon, 1);
        if (covers &&
            (!best || item->made > best->made || (item->made == best->made && item->date > best->date) ||
             (item->made == best->made && item->date == best->date &&
              distance(item->spend, spend) < distance(best->spend, spend))))
            best = item;
    }
    return best;
}

/* ---- all of it ---- */

static enum mi_status load_one(struct watched *watched, struct mi_store *store, int32_t as_of,
                               unsigned long window, struct mi_error *error) {
    static const char *const metrics[FORECAST_KINDS] = {"cpa", "users", "roas", "forecast_roas"};
    struct loading loading = {.watched = watched, .as_of = as_of};
    struct mi_store_query query = {.campaign = mi_text_of(watched->id),
                                   .from = as_of - YEAR_BACK - (int32_t)window,
                                   .to = as_of,
                                   .known = INT64_MAX};
    enum mi_status status = mi_store_each_actual(store, &query, add_actual, &loading, error);
    for (unsigned kind = 0; kind < FORECAST_KINDS && !status; kind++) {
        loading.kind = (enum forecast_kind)kind;
        query.metric = mi_text_of(metrics[kind]);
        status = mi_store_each_prediction(store, &query, add_forecast, &loading, error);
    }
    return status;
}

enum mi_status watchlist_load(struct watchlist *list, struct mi_store *store, int32_t as_of,
                              unsigned long window, struct mi_error *error) {
    struct mi_text all = {NULL, 0};
    *list = (struct watchlist){0};
    enum mi_status status = mi_store_each_campaign(store, all, add_campaign, list, error);
    for (size_t i = 0; i < list->count && !status; i++)
        status = load_one(&list->items[i], store, as_of, window, error);
    return status;
}

void watchlist_free(struct watchlist *list) {
    for (size_t i = 0; i < list->count; i++) {
        struct watched *watched = &list->items[i];
        free(watched->id);
        free(watched->network);
        free(watched->days);
        free(watched->cohorts);
        for (size_t kind = 0; kind < FORECAST_KINDS; kind++)
            free(watched->forecasts[kind].items);
    }
    free(list->items);
    *list = (struct watchlist){0};
}
