/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Actions of mi-monitor, and their undoing.
 */
#include "monitor/parts.h"

#include "common/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUDGET "daily_budget"

/* ---- verdicts ---- */

struct verdict *verdicts_add(struct verdicts *verdicts) {
    struct verdict *items =
        mi_array_room(verdicts->items, verdicts->count, &verdicts->capacity, sizeof *items);
    if (!items)
        return NULL;
    verdicts->items = items;
    struct verdict *verdict = &verdicts->items[verdicts->count++];
    *verdict = (struct verdict){0};
    return verdict;
}

void verdicts_free(struct verdicts *verdicts) {
    for (size_t i = 0; i < verdicts->count; i++)
        free(verdicts->items[i].causes);
    free(verdicts->items);
    *verdicts = (struct verdicts){0};
}

/* ---- what was done before ---- */

struct done {
    int32_t day;
    unsigned long count; /* of actions of the day */
    double moved;
    int64_t *alerts; /* for which there was an action, undone or not, in order */
    size_t alert_count, capacity;
};

static enum mi_status count_action(void *context, const struct mi_action *action, struct mi_error *error) {
    struct done *done = context;
    if (action->undoes != 0)
        return MI_OK;
    if (action->day == done->day) {
        done->count++;
        done->moved += fabs(action->after - action->before);
    }
    int64_t *alerts = mi_array_room(done->alerts, done->alert_count, &done->capacity, sizeof *alerts);
    if (!alerts)
        return no_memory(error);
    done->alerts = alerts;
    done->alerts[done->alert_count++] = action->alert;
    return MI_OK;
}

static int compare_ids(const void *left, const void *right) {
    const int64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static bool was_acted_on(const struct done *done, int64_t alert) {
    return done->alert_count > 0 &&
           bsearch(&alert, done->alerts, done->alert_count, sizeof alert, compare_ids) != NULL;
}

/* ---- taking one ---- */

static double all_budgets(const struct watchlist *list) {
    double sum = 0;
    for (size_t i = 0; i < list->count; i++)
        sum += isnan(list->items[i].daily_budget) ? 0 : list->items[i].daily_budget;
    return sum;
}

static double budget_after(const struct verdict *verdict) {
    const struct watched *watched = verdict->watched;
    double after = floor(watched->daily_budget * (1 + verdict->rule->change) * 100 + 0.5) / 100;
    return isnan(watched->min_budget) ? after : fmax(after, watched->min_budget);
}

/* Why a campaign's budget cannot be changed on any day; NULL: it can. */
static const char *obstacle(const struct watched *watched, double after) {
    if (!watched->may_act)
        return "auto_optimization is not set";
    if (!(watched->daily_budget > 0))
        return "its daily_budget is not known";
    if (!(watched->daily_budget > after))
        return "its budget is at min_budget";
    return NULL;
}

/* Which limit of the day stands against it; NULL: none. `budgets`: all, as they were before the day's
 * actions. */
static const char *limit(double moved, double budgets, const struct acting_options *options,
                         const struct done *done) {
    if (done->count >= options->max_actions)
        return "--max-actions is reached today";
    if (done->moved + moved > options->max_change * budgets * (1 + 1e-9))
        return "--max-change would be passed today";
    return NULL;
}

static enum mi_status take_one(struct mi_store *store, struct verdict *verdict, double budgets,
                               const struct acting_options *options, struct done *done,
                               struct mi_error *error) {
    struct watched *watched = verdict->watched;
    const double after = budget_after(verdict);
    const char *never = obstacle(watched, after);
    const char *today = never ? NULL : limit(watched->daily_budget - after, budgets, options, done);
    if (today)
        note("%s: no %s: %s; tried again while the alert is open", watched->id, verdict->rule->action, today);
    else if (never && strcmp(verdict->status, "raised") == 0)
        note("%s: no %s: %s", watched->id, verdict->rule->action, never);
    if (never || today)
        return MI_OK;
    verdict->action = (struct mi_action){.alert = verdict->alert.id,
                                         .campaign = mi_text_of(watched->id),
                                         .kind = mi_text_of(verdict->rule->action),
                                         .field = mi_text_of(BUDGET),
                                         .before = watched->daily_budget,
                                         .after = after,
                                         .day = done->day};
    enum mi_status status = mi_store_action_add(store, &verdict->action, error);
    if (status)
        return status;
    done->count++;
    done->moved += watched->daily_budget - after;
    watched->daily_budget = after;
    verdict->acted = true;
    return MI_OK;
}

/* Of the money a day that the action takes away, what buys nothing as things are. */
static double stake(const struct verdict *verdict) {
    double moved = verdict->watched->daily_budget - budget_after(verdict);
    return moved > 0 ? moved * verdict->lost : 0;
}

static int compare_stakes(const void *left, const void *right) {
    struct verdict *const *a = left, *const *b = right;
    double x = stake(*a), y = stake(*b);
    /* in their order where as much is at stake */
    return x != y ? (x < y) - (x > y) : (*a > *b) - (*a < *b);
}

static bool wants_action(const struct verdict *verdict, const struct done *done) {
    return strcmp(verdict->status, "closed") != 0 && !isnan(verdict->rule->change) &&
           verdict->rule->change != 0 && !was_acted_on(done, verdict->alert.id);
}

enum mi_status actions_take(struct mi_store *store, const struct watchlist *list, struct verdicts *verdicts,
                            int32_t day, const struct acting_options *options, struct mi_error *error) {
    struct done done = {.day = day};
    struct verdict **order = malloc((verdicts->count + 1) * sizeof(struct verdict *));
    size_t count = 0;
    enum mi_status status =
        order ? mi_store_each_action(store, count_action, &done, error) : no_memory(error);
    if (!status && done.alert_count > 0)
        qsort(done.alerts, done.alert_count, sizeof *done.alerts, compare_ids);
    for (size_t i = 0; !status && i < verdicts->count; i++)
        if (wants_action(&verdicts->items[i], &done))
            order[count++] = &verdicts->items[i];
    if (count > 0)
        qsort(order, count, sizeof *order, compare_stakes);
    const double budgets = all_budgets(list) + done.moved;
    for (size_t i = 0; i < count && !status; i++)
        status = take_one(store, order[i], budgets, options, &done, error);
    free(order);
    free(done.alerts);
    return status;
}

/* ---- undoing ---- */

struct undoing {
    int64_t id;
    bool found;
    struct mi_action action;
    char campaign[256], field[64];
    double budget; /* the campaign's present one */
};

static enum mi_status take_action(void *context, const struct mi_action *action, struct mi_error *error) {
    struct undoing *undoing = context;
    (void)error;
    if (action->id == undoing->id) {
        undoing->found = true;
        undoing->action = *action;
        snprintf(undoing->campaign, sizeof undoing->campaign, "%.*s", (int)action->campaign.size,
                 action->campaign.data);
        snprintf(undoing->field, sizeof undoing->field, "%.*s", (int)action->field.size, action->field.data);
    }
    return MI_OK;
}

static enum mi_status take_budget(void *context, const struct mi_stored_campaign *campaign,
                                  struct mi_error *error) {
    (void)error;
    ((struct undoing *)context)->budget = campaign->daily_budget;
    return MI_OK;
}

/* MI_NO where the action cannot be undone. */
static enum mi_status check_undo(const struct undoing *undoing, struct mi_error *error) {
    const struct mi_action *action = &undoing->action;
    long long id = (long long)undoing->id;
    if (!undoing->found)
        return mi_error_set(error, MI_BAD_ARGUMENT, "no action %lld: 'mi-store log --of=actions' lists them",
                            id);
    if (action->undoes != 0)
        return mi_error_set(error, MI_NO, "action %lld undid action %lld itself", id,
                            (long long)action->undoes);
    if (action->undone_by != 0)
        return mi_error_set(error, MI_NO, "action %lld was undone already, by action %lld", id,
                            (long long)action->undone_by);
    if (undoing->budget != action->after)
        return mi_error_set(error, MI_NO,
                            "action %lld set %s of %s to %.15g, which is %.15g by now: left as it is", id,
                            undoing->field, undoing->campaign, action->after, undoing->budget);
    return MI_OK;
}

static enum mi_status undo_in(struct mi_store *store, int64_t id, int32_t day, struct mi_action *undo,
                              struct undoing *undoing, struct mi_error *error) {
    *undoing = (struct undoing){.id = id, .budget = NAN};
    enum mi_status status = mi_store_each_action(store, take_action, undoing, error);
    if (!status && undoing->found)
        status = mi_store_each_campaign(store, mi_text_of(undoing->campaign), take_budget, undoing, error);
    if (!status)
        status = check_undo(undoing, error);
    if (status)
        return status;
    *undo = (struct mi_action){.alert = undoing->action.alert,
                               .campaign = mi_text_of(undoing->campaign),
                               .kind = mi_text_of("undo"),
                               .field = mi_text_of(undoing->field),
                               .before = undoing->action.after,
                               .after = undoing->action.before,
                               .day = day,
                               .undoes = id};
    return mi_store_action_add(store, undo, error);
}

static enum mi_status write_undo(const struct mi_action *undo, struct mi_error *error) {
    static const char *const columns[] = {"action", "undoes", "campaign_id", "field", "before", "after"};
    struct stream stream = {0};
    size_t slots[6];
    enum mi_status status = stream_output(&stream, false, error);
    for (size_t i = 0; i < 6 && !status; i++)
        status = mi_writer_column(stream.writer, columns[i], &slots[i], error);
    if (!status) {
        mi_writer_number(stream.writer, slots[0], (double)undo->id);
        mi_writer_number(stream.writer, slots[1], (double)undo->undoes);
        mi_writer_text(stream.writer, slots[2], undo->campaign);
        mi_writer_text(stream.writer, slots[3], undo->field);
        mi_writer_number(stream.writer, slots[4], undo->before);
        mi_writer_number(stream.writer, slots[5], undo->after);
        status = mi_writer_row(stream.writer, NULL, 0, error);
    }
    return stream_close(&stream, status, error);
}

enum mi_status action_undo(const char *text, int32_t day, bool dry_run, struct mi_error *error) {
    struct mi_store *store = NULL;
    struct mi_action undo;
    struct undoing undoing;
    struct mi_notes notes = common_notes();
    double id;
    if (!text || !mi_number_parse(mi_text_of(text), &id) || id < 1 || id != floor(id) || id > 1e15)
        return mi_error_set(error, MI_BAD_ARGUMENT, "needs an action's number: \"%s\"", text ? text : "");
    enum mi_status status = store_open(MI_STORE_WRITE, &store, error);
    if (!status)
        status = mi_store_put_begin(store, "undo", NULL, &notes, error);
    if (!status)
        status = undo_in(store, (int64_t)id, day, &undo, &undoing, error);
    if (!status && !dry_run)
        status = mi_store_put_commit(store, error);
    if (!status)
        status = write_undo(&undo, error);
    mi_store_close(store);
    return status;
}

/* ---- an alert in words ---- */

static void json_date(struct json *json, const char *name, int32_t day) {
    char text[16];
    mi_date_format(day, text);
    json_text(json, name, day == MI_DATE_MISSING ? mi_text_of(NULL) : mi_text_of(text));
}

void alert_json(struct json *json, const struct mi_alert *alert) {
    json_open(json, NULL, '{');
    json_number(json, "alert", (double)alert->id);
    json_text(json, "campaign_id", alert->campaign);
    json_text(json, "severity", alert->severity);
    json_text(json, "metric", alert->metric);
    json_text(json, "message", alert->message);
    json_number(json, "actual", alert->actual);
    json_number(json, "predicted", alert->predicted);
    json_number(json, "variance", alert->variance);
    json_text(json, "action", alert->action);
    json_raw(json, "possible_causes", alert->causes);
    json_date(json, "since", alert->since);
    json_date(json, "opened", alert->opened);
    json_close(json, '}');
}
