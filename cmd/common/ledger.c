/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Columns of a stream to rows of the store; see ledger.h.
 */
#include "common/ledger.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const attribute_names[MI_STORE_ATTRIBUTES] = {"ad_network", "targeting_strategy", "geo",
                                                                 "creative_format", "os"};

/* ---- columns ---- */

static enum mi_status find(struct mi_reader *reader, const char *before, const char *name, const char *after,
                           size_t *column, struct mi_error *error) {
    char full[160];
    snprintf(full, sizeof full, "%s%s%s", before, name, after);
    return mi_reader_column(reader, full, false, column, error);
}

/* BEFORE NAME AFTER, else NAME AFTER. */
static enum mi_status find_either(struct mi_reader *reader, const char *before, const char *name,
                                  const char *after, size_t *column, struct mi_error *error) {
    enum mi_status status = find(reader, before, name, after, column, error);
    return !status && *column == MI_NO_COLUMN ? find(reader, "", name, after, column, error) : status;
}

/* Adds the metric `name`, whose column is BEFORE COLUMN or, with either, COLUMN; where it is there. */
static enum mi_status add_metric(struct ledger *ledger, struct mi_reader *reader, const char *name,
                                 const char *before, const char *column, bool either, bool *added,
                                 struct mi_error *error) {
    struct ledger_metric metric = {.low = MI_NO_COLUMN, .high = MI_NO_COLUMN};
    *added = false;
    if (ledger->count == LEDGER_METRICS || strlen(name) >= sizeof metric.name || !*name)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--metric: an empty or long name, or more than %d",
                            LEDGER_METRICS);
    snprintf(metric.name, sizeof metric.name, "%s", name);
    for (size_t i = 0; i < ledger->count; i++)
        if (strcmp(ledger->list[i].name, name) == 0)
            return MI_OK;
    enum mi_status status = either ? find_either(reader, before, column, "", &metric.value, error)
                                   : find(reader, before, column, "", &metric.value, error);
    if (!status && ledger->kind == LEDGER_PREDICTIONS)
        status = find_either(reader, "predicted_", name, "_lo", &metric.low, error);
    if (!status && ledger->kind == LEDGER_PREDICTIONS)
        status = find_either(reader, "predicted_", name, "_hi", &metric.high, error);
    *added = !status && metric.value != MI_NO_COLUMN;
    if (*added)
        ledger->list[ledger->count++] = metric;
    return status;
}

static enum mi_status add_given(struct ledger *ledger, struct mi_reader *reader, struct mi_error *error) {
    const char *before = ledger->kind == LEDGER_PREDICTIONS ? "predicted_" : "actual_";
    enum mi_status status = MI_OK;
    for (const char *at = ledger->metrics; at && !status;) {
        char name[128];
        bool added = false;
        size_t size = strcspn(at, ",");
        snprintf(name, sizeof name, "%.*s", (int)(size < 127 ? size : 127), at);
        status = add_metric(ledger, reader, name, before, name, true, &added, error);
        if (!status && !added)
            return mi_error_set(error, MI_BAD_INPUT, "%s: no column '%s%s' or '%s'", mi_reader_name(reader),
                                before, name, name);
        at = at[size] ? at + size + 1 : NULL;
    }
    return status;
}

/* What the tools of mi write, and what daily rows hold. */
static enum mi_status add_usual(struct ledger *ledger, struct mi_reader *reader, struct mi_error *error) {
    static const char *const predictions[][3] = {
        {"ltv", "predicted_", "ltv"},
        {"cpa", "predicted_", "cpa"},
        {"roas", "predicted_", "roas"},
        {"roi", "", "roi"},
        {"users", "", "num_users"},
        {"cac", "predicted_", "cac"},
        {"forecast_revenue", "", "forecast_revenue"},
        {"forecast_roas", "", "forecast_roas"},
    };
    static const char *const actuals[][3] = {
        {"spend", "", "spend"},
        {"users", "", "users"},
        {"users", "", "conversions"},
        {"revenue", "", "revenue"},
        {"impressions", "", "impressions"},
        {"clicks", "", "clicks"},
        {"frequency", "", "frequency"},
    };
    bool added;
    enum mi_status status = MI_OK;
    if (ledger->kind == LEDGER_PREDICTIONS) {
        for (size_t i = 0; i < sizeof predictions / sizeof *predictions && !status; i++)
            status = add_metric(ledger, reader, predictions[i][0], predictions[i][1], predictions[i][2],
                                false, &added, error);
        return status;
    }
    for (size_t i = 0; i < mi_reader_column_count(reader) && !status; i++) {
        char name[128];
        struct mi_text column = mi_reader_column_name(reader, i);
        if (column.size > 7 && column.size < 100 && memcmp(column.data, "actual_", 7) == 0) {
            snprintf(name, sizeof name, "%.*s", (int)(column.size - 7), column.data + 7);
            status = add_metric(ledger, reader, name, "actual_", name, false, &added, error);
        }
    }
    for (size_t i = 0; i < sizeof actuals / sizeof *actuals && !status; i++)
        status =
            add_metric(ledger, reader, actuals[i][0], actuals[i][1], actuals[i][2], false, &added, error);
    return status;
}

static enum mi_status find_metrics(struct ledger *ledger, struct mi_reader *reader, struct mi_error *error) {
    if (ledger->kind == LEDGER_CAMPAIGNS)
        return MI_OK;
    enum mi_status status =
        ledger->metrics ? add_given(ledger, reader, error) : add_usual(ledger, reader, error);
    if (!status && ledger->count == 0)
        return mi_error_set(error, MI_BAD_INPUT, "%s: no column of %s that is known: name them with --metric",
                            mi_reader_name(reader),
                            ledger->kind == LEDGER_PREDICTIONS ? "predictions" : "outcomes");
    return status;
}

static enum mi_status find_attributes(struct ledger *ledger, struct mi_reader *reader,
                                      struct mi_error *error) {
    const struct {
        const char *name;
        size_t *column;
    } others[] = {{"daily_budget", &ledger->daily_budget},
                  {"min_budget", &ledger->min_budget},
                  {"max_budget", &ledger->max_budget},
                  {"auto_optimization", &ledger->auto_optimization}};
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < MI_STORE_ATTRIBUTES && !status; i++) {
        status = mi_reader_column(reader, attribute_names[i], false, &ledger->attributes[i], error);
        ledger->has_attributes |= !status && ledger->attributes[i] != MI_NO_COLUMN;
    }
    for (size_t i = 0; i < 4 && !status; i++) {
        status = mi_reader_column(reader, others[i].name, false, others[i].column, error);
        ledger->has_attributes |= !status && *others[i].column != MI_NO_COLUMN;
    }
    return status;
}

enum mi_status ledger_find_columns(struct ledger *ledger, struct mi_reader *reader, struct mi_error *error) {
    bool predictions = ledger->kind == LEDGER_PREDICTIONS, actuals = ledger->kind == LEDGER_ACTUALS;
    enum mi_status status = find_metrics(ledger, reader, error);
    if (!status)
        status = mi_reader_column(reader, "campaign_id", true, &ledger->campaign, error);
    ledger->newest = MI_DATE_MISSING;
    ledger->date = ledger->made_column = ledger->horizon_column = MI_NO_COLUMN;
    ledger->spend = ledger->model_column = MI_NO_COLUMN;
    if (!status && (predictions || actuals))
        status = mi_reader_column(reader, "date", actuals, &ledger->date, error);
    if (!status && (predictions || actuals))
        status = mi_reader_column(reader, "horizon_days", false, &ledger->horizon_column, error);
    if (!status && predictions)
        status = mi_reader_column(reader, "prediction_date", false, &ledger->made_column, error);
    if (!status && predictions)
        status = mi_reader_column(reader, "spend", false, &ledger->spend, error);
    if (!status && predictions && !ledger->model)
        status = mi_reader_column(reader, "model", false, &ledger->model_column, error);
    if (!status && predictions && ledger->horizon_column == MI_NO_COLUMN && isnan(ledger->horizon))
        return mi_error_set(error, MI_BAD_ARGUMENT,
                            "%s: no column 'horizon_days': --horizon=DAYS says when predictions are due",
                            mi_reader_name(reader));
    return status ? status : find_attributes(ledger, reader, error);
}

/* ---- rows ---- */

static enum mi_status put_campaign(struct ledger *ledger, const struct mi_batch *batch, size_t row,
                                   struct mi_text id, struct mi_error *error) {
    struct mi_stored_campaign campaign = {.id = id, .auto_optimization = -1};
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < MI_STORE_ATTRIBUTES && !status; i++)
        status = mi_batch_text(batch, row, ledger->attributes[i], &campaign.attributes[i], error);
    if (!status)
        status = mi_batch_number(batch, row, ledger->daily_budget, MI_MONEY, &campaign.daily_budget, error);
    if (!status)
        status = mi_batch_number(batch, row, ledger->min_budget, MI_MONEY, &campaign.min_budget, error);
    if (!status)
        status = mi_batch_number(batch, row, ledger->max_budget, MI_MONEY, &campaign.max_budget, error);
    if (!status && ledger->auto_optimization != MI_NO_COLUMN) {
        bool allowed = false;
        status = mi_batch_truth(batch, row, ledger->auto_optimization, false, &allowed, error);
        campaign.auto_optimization = allowed;
    }
    bool kept = false, predicts = ledger->kind == LEDGER_PREDICTIONS;
    if (!status)
        status = mi_store_put_campaign(ledger->store, &campaign, predicts ? &kept : NULL, error);
    ledger->budgets_kept += kept;
    return status;
}

static bool may_be_negative(const char *metric) {
    return strcmp(metric, "roi") == 0 || strstr(metric, "revenue") || strstr(metric, "roas") ||
           strstr(metric, "profit") || strcmp(metric, "ltv") == 0;
}

static enum mi_status read_value(const struct ledger_metric *metric, const struct mi_batch *batch, size_t row,
                                 double *value, double *low, double *high, struct mi_error *error) {
    unsigned rules = may_be_negative(metric->name) ? MI_MONEY | MI_SIGNED : MI_MONEY;
    enum mi_status status = mi_batch_number(batch, row, metric->value, rules, value, error);
    if (!status)
        status = mi_batch_number(batch, row, metric->low, rules, low, error);
    if (!status)
        status = mi_batch_number(batch, row, metric->high, rules, high, error);
    if (!status && *low > *high)
        return mi_batch_fault(batch, row, metric->low, error, "above the interval's other end");
    return status;
}

static enum mi_status read_key(const struct ledger *ledger, const struct mi_batch *batch, size_t row,
                               struct mi_prediction *key, struct mi_error *error) {
    bool predictions = ledger->kind == LEDGER_PREDICTIONS;
    double horizon = NAN;
    *key = (struct mi_prediction){
        .made = ledger->made, .spend = NAN, .model = mi_text_of(ledger->model), .horizon = ledger->horizon};
    enum mi_status status = mi_batch_id(batch, row, ledger->campaign, &key->campaign, error);
    if (!status && ledger->made_column != MI_NO_COLUMN)
        status = mi_batch_date(batch, row, ledger->made_column, MI_FILLED, &key->made, error);
    key->date = key->made;
    if (!status && ledger->date != MI_NO_COLUMN)
        status = mi_batch_date(batch, row, ledger->date, MI_FILLED, &key->date, error);
    if (!status)
        status = mi_batch_number(batch, row, ledger->horizon_column,
                                 ledger->horizon_column == MI_NO_COLUMN ? MI_ANY
                                 : predictions                          ? MI_FILLED | MI_MONEY
                                                                        : MI_FILLED | MI_MONEY | MI_POSITIVE,
                                 &horizon, error);
    key->horizon = isnan(horizon) ? ledger->horizon : horizon;
    if (!status)
        status = mi_batch_number(batch, row, ledger->spend, MI_MONEY, &key->spend, error);
    if (!status && ledger->model_column != MI_NO_COLUMN)
        status = mi_batch_text(batch, row, ledger->model_column, &key->model, error);
    return status;
}

enum mi_status ledger_row(void *context, struct stream *stream, const struct mi_batch *batch, size_t row,
                          struct mi_error *error) {
    (void)stream;
    struct ledger *ledger = context;
    struct mi_prediction key;
    enum mi_status status = read_key(ledger, batch, row, &key, error);
    if (!status && key.date > ledger->newest)
        ledger->newest = key.date;
    double values[LEDGER_METRICS], lows[LEDGER_METRICS], highs[LEDGER_METRICS];
    for (size_t i = 0; i < ledger->count && !status; i++)
        status = read_value(&ledger->list[i], batch, row, &values[i], &lows[i], &highs[i], error);
    if (!status && ledger->has_attributes)
        status = put_campaign(ledger, batch, row, key.campaign, error);
    for (size_t i = 0; i < ledger->count && !status; i++) {
        enum mi_put outcome = MI_PUT_SAME;
        if (isnan(values[i])) {
            ledger->missing++;
            continue;
        }
        key.metric = mi_text_of(ledger->list[i].name);
        key.value = values[i];
        key.low = lows[i];
        key.high = highs[i];
        struct mi_actual actual = {key.campaign, key.metric, key.date, key.horizon, key.value};
        status = ledger->kind == LEDGER_PREDICTIONS
                     ? mi_store_put_prediction(ledger->store, &key, &outcome, error)
                     : mi_store_put_actual(ledger->store, &actual, &outcome, error);
        if (!status && outcome == MI_PUT_CONTRADICTS)
            return mi_batch_fault(batch, row, ledger->list[i].value, error,
                                  "another value for the same %s than an earlier row has",
                                  ledger->kind == LEDGER_PREDICTIONS ? "prediction" : "campaign and date");
        ledger->outcomes[outcome]++;
    }
    return status;
}

void ledger_say(const struct ledger *ledger) {
    if (ledger->kind == LEDGER_CAMPAIGNS)
        return;
    note("%llu values new, %llu revised, %llu known already",
         (unsigned long long)ledger->outcomes[MI_PUT_NEW],
         (unsigned long long)ledger->outcomes[MI_PUT_REVISED],
         (unsigned long long)ledger->outcomes[MI_PUT_SAME]);
    if (ledger->budgets_kept > 0)
        note("%llu row%s another daily_budget than the store, which keeps its own (put campaigns changes it)",
             (unsigned long long)ledger->budgets_kept, ledger->budgets_kept == 1 ? " has" : "s have");
    if (ledger->missing > 0)
        note("%llu cells are empty and not put", (unsigned long long)ledger->missing);
}
