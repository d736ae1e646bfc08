/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Predictions of the store, judged; see stored.h.
 */
#include "accuracy/stored.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MOST 64

/* ---- groups ---- */

static const char *const attributes[MI_STORE_ATTRIBUTES] = {"ad_network", "targeting_strategy", "geo",
                                                            "creative_format", "os"};

/* The group of a prediction by --by, into `out` where it is made here. */
static struct mi_text group_of(const char *by, const struct mi_stored_prediction *stored, char out[32]) {
    const struct mi_prediction *prediction = &stored->prediction;
    for (size_t i = 0; i < MI_STORE_ATTRIBUTES; i++)
        if (strcmp(by, attributes[i]) == 0)
            return stored->campaign->attributes[i];
    if (strcmp(by, "campaign_id") == 0)
        return prediction->campaign;
    if (strcmp(by, "model") == 0)
        return prediction->model;
    if (strcmp(by, "horizon_days") == 0) {
        mi_number_format(prediction->horizon, out);
        return mi_text_of(out);
    }
    int32_t day = prediction->made;
    if (strcmp(by, "week") == 0)
        day -= mi_date_weekday(day);
    mi_date_format(day, out);
    if (strcmp(by, "month") == 0)
        out[7] = '\0';
    return mi_text_of(out);
}

static enum mi_status check_by(const char *by, struct mi_error *error) {
    static const char *const others[] = {"campaign_id",     "model", "horizon_days",
                                         "prediction_date", "week",  "month"};
    bool known = !by;
    for (size_t i = 0; i < 6 && by; i++)
        known |= strcmp(by, others[i]) == 0;
    for (size_t i = 0; i < MI_STORE_ATTRIBUTES && by; i++)
        known |= strcmp(by, attributes[i]) == 0;
    return known ? MI_OK
                 : mi_error_set(error, MI_BAD_ARGUMENT,
                                "--by=%s: with a store one of campaign_id, ad_network, targeting_strategy, "
                                "geo, creative_format, os, model, horizon_days, prediction_date, week, month",
                                by);
}

/* ---- metrics ---- */

struct names {
    char text[JUDGE_METRICS][NAME_MOST];
    size_t count;
};

static enum mi_status stop_at_first(void *context, const struct mi_stored_prediction *stored,
                                    struct mi_error *error) {
    (void)context;
    (void)stored;
    (void)error;
    return MI_END;
}

static struct mi_store_query query_of(const struct stored_options *options, const char *metric,
                                      const char *model) {
    return (struct mi_store_query){
        .metric = mi_text_of(metric),
        .model = mi_text_of(model),
        .from = options->window > 0 ? options->as_of - (int32_t)options->window : MI_DATE_MISSING,
        .to = MI_DATE_MISSING,
        .known = INT64_MAX,
        .outcomes = true,
    };
}

/* Adds a metric where the store has a prediction of it. */
static enum mi_status add_name(struct mi_store *store, const struct stored_options *options, const char *name,
                               size_t size, bool given, struct names *names, struct mi_error *error) {
    if (names->count == JUDGE_METRICS || size >= NAME_MOST || size == 0)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--metric: an empty or long name, or more than %d",
                            JUDGE_METRICS);
    char *text = names->text[names->count];
    snprintf(text, NAME_MOST, "%.*s", (int)size, name);
    struct mi_store_query query = query_of(options, text, NULL);
    query.outcomes = false;
    enum mi_status status = mi_store_each_prediction(store, &query, stop_at_first, NULL, error);
    if (status == MI_END || (status == MI_OK && given)) {
        names->count++;
        return MI_OK;
    }
    return status;
}

static enum mi_status find_names(struct mi_store *store, const struct stored_options *options,
                                 struct names *names, struct mi_error *error) {
    const char *given = options->metrics;
    static const char *const usual[] = {
        "ltv", "cpa", "roas", "roi", "users", "cac", "forecast_revenue", "forecast_roas"};
    enum mi_status status = MI_OK;
    for (const char *at = given; at && !status;) {
        size_t size = strcspn(at, ",");
        status = add_name(store, options, at, size, true, names, error);
        at = at[size] ? at + size + 1 : NULL;
    }
    for (size_t i = 0; i < sizeof usual / sizeof *usual && !given && !status; i++)
        status = add_name(store, options, usual[i], strlen(usual[i]), false, names, error);
    return status;
}

/* ---- judging ---- */

static bool is_due(const struct stored_options *options, const struct mi_prediction *prediction) {
    double age = (double)options->as_of - prediction->made;
    return age >= (double)options->min_age && age >= prediction->horizon;
}

/* Whether the spend that came is about the one that the prediction is for. */
static bool is_at_spend(const struct stored_options *options, const struct mi_stored_prediction *stored) {
    double predicted = stored->prediction.spend, actual = stored->actual_spend;
    return isnan(predicted) || isnan(actual) || fabs(actual - predicted) <= options->tolerance * predicted;
}

/* What came. A campaign that spent and won nobody has a CPA above what it spent: it counts with that, or as
 * predicted where more was predicted, so that money which bought nothing is never left out. */
static double outcome_of(const struct mi_stored_prediction *stored) {
    bool nobody = isnan(stored->actual) && !isnan(stored->actual_least);
    return nobody ? fmax(stored->actual_least, stored->prediction.value) : stored->actual;
}

struct judging {
    const struct stored_options *options;
    struct judge *judge;
    size_t metric;
    uint64_t elsewhere; /* predictions for another spend than came */
    uint64_t nobody;    /* of a CPA, where money was spent and nobody came */
};

static enum mi_status add_stored(void *context, const struct mi_stored_prediction *stored,
                                 struct mi_error *error) {
    struct judging *judging = context;
    struct judge *judge = judging->judge;
    const struct mi_prediction *prediction = &stored->prediction;
    char text[32];
    size_t group = 0;
    bool due = is_due(judging->options, prediction);
    if (due && !is_at_spend(judging->options, stored)) {
        judging->elsewhere++;
        return MI_OK;
    }
    struct mi_accuracy_row row = {.campaign = prediction->campaign,
                                  .date = prediction->made,
                                  .horizon = prediction->horizon,
                                  .predicted = prediction->value,
                                  .actual = outcome_of(stored),
                                  .low = prediction->low,
                                  .high = prediction->high};
    judging->nobody += due && isnan(stored->actual) && !isnan(row.actual);
    judge->any_row = true;
    enum mi_status status = judge_add(judge, 0, judging->metric, &row, due, error);
    if (!status && judge->options.by)
        status = judge_find_group(judge, group_of(judge->options.by, stored, text), &group, error);
    return !status && group > 0 ? judge_add(judge, group, judging->metric, &row, due, error) : status;
}

/* Keeps the figures in the store. */
static enum mi_status keep_results(struct mi_store *store, const struct judge *judge, int32_t as_of,
                                   struct mi_error *error) {
    struct mi_notes notes = common_notes();
    enum mi_status status = mi_store_put_begin(store, "accuracy", NULL, &notes, error);
    for (size_t i = 0; i < judge->result_count && !status; i++) {
        const struct judge_result *result = &judge->results[i];
        struct mi_stored_accuracy accuracy = {
            .as_of = as_of,
            .by = mi_text_of(judge->options.by ? judge->options.by : ""),
            .metric = mi_text_of(judge->metrics[result->metric]),
            .value = judge_group_name(judge, result->group),
            .n = result->values.n,
        };
        memcpy(accuracy.figure, result->values.figure, sizeof accuracy.figure);
        status = mi_store_put_accuracy(store, &accuracy, error);
    }
    return status ? status : mi_store_put_commit(store, error);
}

static enum mi_status judge_opened(struct mi_store *store, const struct stored_options *options,
                                   struct judge *judge, struct stream *stream, size_t *broken,
                                   struct mi_error *error) {
    struct judging judging = {.options = options, .judge = judge};
    struct names names = {0};
    enum mi_status status = find_names(store, options, &names, error);
    judge->how = (struct mi_accuracy_options){.by_campaign = true, .by_date = true};
    judge->metric_count = names.count;
    for (size_t i = 0; i < names.count; i++)
        judge->metrics[i] = names.text[i];
    if (!status && names.count == 0)
        return mi_error_set(error, MI_BAD_INPUT, "%s: no predictions", store_options.path);
    if (!status)
        status = judge_start(judge, error);
    for (size_t i = 0; i < names.count && !status; i++) {
        struct mi_store_query query = query_of(options, names.text[i], options->model);
        judging.metric = i;
        status = mi_store_each_prediction(store, &query, add_stored, &judging, error);
    }
    if (!status)
        status = judge_finish(judge, stream, broken, error);
    if (!status && judging.elsewhere > 0)
        note("%llu predictions are for another spend than came and not judged",
             (unsigned long long)judging.elsewhere);
    if (!status && judging.nobody > 0)
        note(
            "%llu predictions of cpa are of campaigns that spent and won nobody: judged at a CPA of all that "
            "was spent, or as predicted where that is more",
            (unsigned long long)judging.nobody);
    return status ? status : keep_results(store, judge, options->as_of, error);
}

enum mi_status judge_store(const struct stored_options *options, struct judge *judge, struct stream *stream,
                           size_t *broken, struct mi_error *error) {
    struct mi_store *store = NULL;
    enum mi_status status = check_by(judge->options.by, error);
    if (!status)
        status = store_open(MI_STORE_WRITE, &store, error);
    if (!status)
        status = judge_opened(store, options, judge, stream, broken, error);
    mi_store_close(store);
    return status;
}

/* ---- champion and challenger ---- */

/* What the champion predicted, by key. */
struct duelling {
    const struct stored_options *options;
    struct mi_index *keys;
    double *losses;
    size_t capacity;
    struct mi_duel *duel;
};

/* What both predict: campaign, first day, horizon, spend. */
static int key_of(const struct mi_prediction *prediction, char *out, size_t size) {
    return snprintf(out, size, "%d %.17g %.17g %.*s", (int)prediction->date, prediction->horizon,
                    prediction->spend, (int)prediction->campaign.size, prediction->campaign.data);
}

static bool is_judged(const struct stored_options *options, const struct mi_stored_prediction *stored) {
    return is_due(options, &stored->prediction) && !isnan(outcome_of(stored)) && is_at_spend(options, stored);
}

static enum mi_status take_champion(void *context, const struct mi_stored_prediction *stored,
                                    struct mi_error *error) {
    struct duelling *duelling = context;
    char key[512];
    size_t number;
    if (!is_judged(duelling->options, stored))
        return MI_OK;
    key_of(&stored->prediction, key, sizeof key);
    enum mi_status status = mi_index_add(duelling->keys, mi_text_of(key), &number, NULL, error);
    if (!status && number >= duelling->capacity) {
        size_t capacity = 2 * number + 64;
        double *losses = realloc(duelling->losses, capacity * sizeof *losses);
        if (!losses)
            return no_memory(error);
        duelling->losses = losses;
        duelling->capacity = capacity;
    }
    if (!status)
        duelling->losses[number] = fabs(stored->prediction.value - outcome_of(stored));
    return status;
}

static enum mi_status take_challenger(void *context, const struct mi_stored_prediction *stored,
                                      struct mi_error *error) {
    struct duelling *duelling = context;
    const struct mi_prediction *prediction = &stored->prediction;
    char key[512];
    if (!is_judged(duelling->options, stored))
        return MI_OK;
    key_of(prediction, key, sizeof key);
    size_t number = mi_index_find(duelling->keys, mi_text_of(key));
    if (number == SIZE_MAX)
        return MI_OK;
    return mi_duel_add(duelling->duel, prediction->campaign, prediction->date, prediction->horizon,
                       duelling->losses[number], fabs(prediction->value - outcome_of(stored)), error);
}

static enum mi_status duel_metric(struct mi_store *store, const struct stored_options *options,
                                  const char *metric, struct mi_duel_result *result, struct mi_error *error) {
    struct duelling duelling = {.options = options};
    struct mi_store_query query = query_of(options, metric, options->champion);
    enum mi_status status = mi_index_new(&duelling.keys, error);
    if (!status)
        status = mi_duel_new(&duelling.duel, error);
    if (!status)
        status = mi_store_each_prediction(store, &query, take_champion, &duelling, error);
    query.model = mi_text_of(options->challenger);
    if (!status)
        status = mi_store_each_prediction(store, &query, take_challenger, &duelling, error);
    if (!status)
        status = mi_duel_finish(duelling.duel, result, error);
    mi_duel_free(duelling.duel);
    mi_index_free(duelling.keys);
    free(duelling.losses);
    return status;
}

enum duel_column {
    D_METRIC,
    D_N,
    D_DAYS,
    D_CAMPAIGNS,
    D_CHAMPION,
    D_CHALLENGER,
    D_DIFFERENCE,
    D_ERROR,
    D_CHANCE,
    D_VERDICT,
    D_COLUMNS
};

static enum mi_status write_duel(struct mi_writer *writer, const size_t *slots, const char *metric,
                                 const struct mi_duel_result *result, const char *verdict,
                                 struct mi_error *error) {
    mi_writer_text(writer, slots[D_METRIC], mi_text_of(metric));
    mi_writer_number(writer, slots[D_N], (double)result->n);
    mi_writer_number(writer, slots[D_DAYS], (double)result->n_days);
    mi_writer_number(writer, slots[D_CAMPAIGNS], (double)result->n_campaigns);
    mi_writer_number(writer, slots[D_CHAMPION], result->champion);
    mi_writer_number(writer, slots[D_CHALLENGER], result->challenger);
    mi_writer_number(writer, slots[D_DIFFERENCE], result->difference);
    mi_writer_number(writer, slots[D_ERROR], result->error);
    mi_writer_number(writer, slots[D_CHANCE], result->chance);
    mi_writer_text(writer, slots[D_VERDICT], mi_text_of(verdict));
    return mi_writer_row(writer, NULL, 0, error);
}

static enum mi_status duel_metrics(struct mi_store *store, const struct stored_options *options,
                                   const struct names *names, struct stream *stream, size_t *broken,
                                   struct mi_error *error) {
    static const char *const columns[D_COLUMNS] = {
        "metric",         "n",          "n_days",        "n_campaigns", "mae_champion",
        "mae_challenger", "difference", "difference_se", "chance",      "verdict"};
    size_t slots[D_COLUMNS], better = 0, worse = 0;
    enum mi_status status = stream_output(stream, false, error);
    for (size_t i = 0; i < D_COLUMNS && !status; i++)
        status = mi_writer_column(stream->writer, columns[i], &slots[i], error);
    for (size_t i = 0; i < names->count && !status; i++) {
        struct mi_duel_result result;
        status = duel_metric(store, options, names->text[i], &result, error);
        if (status || result.n == 0)
            continue;
        bool sure = result.chance <= options->significance / (double)names->count;
        better += sure && result.difference < 0;
        worse += sure && result.difference > 0;
        status = write_duel(stream->writer, slots, names->text[i], &result,
                            !sure                   ? "no difference beyond noise"
                            : result.difference < 0 ? "challenger better"
                                                    : "challenger worse",
                            error);
    }
    *broken = better > 0 && worse == 0 ? 0 : 1;
    if (!status && *broken > 0)
        note("%s is not better than %s by more than noise", options->challenger, options->champion);
    return status;
}

enum mi_status duel_in_store(const struct stored_options *options, struct stream *stream, size_t *broken,
                             struct mi_error *error) {
    struct mi_store *store = NULL;
    struct names names = {0};
    if (!options->champion || !options->challenger)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--champion=MODEL and --challenger=MODEL go together");
    enum mi_status status = store_open(MI_STORE_READ, &store, error);
    if (!status)
        status = find_names(store, options, &names, error);
    if (!status)
        status = duel_metrics(store, options, &names, stream, broken, error);
    mi_store_close(store);
    return status;
}
