/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-store get: what the store holds, as it was known at some moment.
 */
#include "store/parts.h"

#include <math.h>
#include <string.h>

const char *const campaign_attributes[MI_STORE_ATTRIBUTES] = {"ad_network", "targeting_strategy", "geo",
                                                              "creative_format", "os"};

static struct {
    struct text_list campaigns;
    const char *metric, *model, *from, *to, *as_of;
    bool outcomes, revisions;
} options;

#define CAMPAIGN_OPTION                                                                                      \
    {                                                                                                        \
        .name = "campaign", .kind = OPTION_LIST, .target = &options.campaigns, .argument = "ID",             \
        .help = "this campaign; may be given several times (else all)"                                       \
    }
#define METRIC_OPTION                                                                                        \
    {                                                                                                        \
        .name = "metric", .kind = OPTION_TEXT, .target = &options.metric, .argument = "NAME",                \
        .help = "this metric (else all)"                                                                     \
    }
#define DATE_OPTIONS(what)                                                                                   \
    {.name = "from",                                                                                         \
     .kind = OPTION_TEXT,                                                                                    \
     .target = &options.from,                                                                                \
     .argument = "DATE",                                                                                     \
     .help = what " on this day or later"},                                                                  \
        {.name = "to",                                                                                       \
         .kind = OPTION_TEXT,                                                                                \
         .target = &options.to,                                                                              \
         .argument = "DATE",                                                                                 \
         .help = what " on this day or before"},                                                             \
    {                                                                                                        \
        .name = "as-of", .kind = OPTION_TEXT, .target = &options.as_of, .argument = "TIME",                  \
        .help = "as it was known then: 2026-11-24 (its end) or 2026-11-24T07:00Z (else now)"                 \
    }

const struct option_spec get_prediction_options[] = {
    STORE_OPTION,
    WAIT_OPTION,
    CAMPAIGN_OPTION,
    METRIC_OPTION,
    {.name = "model",
     .kind = OPTION_TEXT,
     .target = &options.model,
     .argument = "NAME",
     .help = "of this model, as mi-ltv/3, or mi-ltv for any version (else all)"},
    DATE_OPTIONS("made"),
    {.name = "outcomes",
     .kind = OPTION_FLAG,
     .target = &options.outcomes,
     .help = "add the column actual: what came of it, as far as it is known"},
    {.name = NULL},
};

const struct option_spec get_actual_options[] = {
    STORE_OPTION,
    WAIT_OPTION,
    CAMPAIGN_OPTION,
    METRIC_OPTION,
    DATE_OPTIONS("of a period that begins"),
    {.name = "revisions",
     .kind = OPTION_FLAG,
     .target = &options.revisions,
     .help = "all that was known at some time, else the last"},
    {.name = NULL},
};

const struct option_spec get_campaign_options[] = {
    STORE_OPTION,
    WAIT_OPTION,
    CAMPAIGN_OPTION,
    {.name = NULL},
};

#define COLUMNS_MOST 16

struct get {
    struct stream stream;
    char time[TIME_TEXT]; /* of the row being made */
    struct mi_store *store;
    struct mi_store_query query;
    size_t slots[COLUMNS_MOST];
};

static enum mi_status read_date(const char *name, const char *text, int32_t *days, struct mi_error *error) {
    *days = MI_DATE_MISSING;
    if (text && !mi_date_parse(mi_text_of(text), days))
        return mi_error_set(error, MI_BAD_ARGUMENT, "--%s: not a date: \"%s\" (as 2026-11-24)", name, text);
    return MI_OK;
}

static enum mi_status make_query(struct mi_store_query *query, struct mi_error *error) {
    *query = (struct mi_store_query){
        .metric = mi_text_of(options.metric),
        .model = mi_text_of(options.model),
        .known = INT64_MAX,
        .outcomes = options.outcomes,
        .revisions = options.revisions,
    };
    enum mi_status status = read_date("from", options.from, &query->from, error);
    if (!status)
        status = read_date("to", options.to, &query->to, error);
    if (!status && options.as_of && !time_parse(options.as_of, &query->known))
        return mi_error_set(error, MI_BAD_ARGUMENT,
                            "--as-of: not a time: \"%s\" (as 2026-11-24 or 2026-11-24T07:00Z)",
                            options.as_of);
    return status;
}

/* Opens store and output, with these columns; NULL ends them. */
static enum mi_status start(struct get *get, const char *const *columns, struct mi_error *error) {
    enum mi_status status = make_query(&get->query, error);
    if (!status)
        status = store_open(MI_STORE_READ, &get->store, error);
    if (!status)
        status = stream_output(&get->stream, false, error);
    for (size_t i = 0; columns[i] && !status; i++)
        status = mi_writer_column(get->stream.writer, columns[i], &get->slots[i], error);
    return status;
}

static enum mi_status write_prediction(void *context, const struct mi_stored_prediction *stored,
                                       struct mi_error *error) {
    struct get *get = context;
    struct mi_writer *writer = get->stream.writer;
    const struct mi_prediction *prediction = &stored->prediction;
    const size_t *slot = get->slots;
    mi_writer_text(writer, *slot++, prediction->campaign);
    mi_writer_text(writer, *slot++, prediction->metric);
    mi_writer_date(writer, *slot++, prediction->made);
    mi_writer_date(writer, *slot++, prediction->date);
    mi_writer_number(writer, *slot++, prediction->horizon);
    mi_writer_number(writer, *slot++, prediction->spend);
    mi_writer_text(writer, *slot++, prediction->model);
    mi_writer_number(writer, *slot++, prediction->value);
    mi_writer_number(writer, *slot++, prediction->low);
    mi_writer_number(writer, *slot++, prediction->high);
    mi_writer_text(writer, *slot++, stored->fingerprint);
    time_format(stored->recorded, get->time);
    mi_writer_text(writer, *slot++, mi_text_of(get->time));
    if (options.outcomes)
        mi_writer_number(writer, *slot, stored->actual);
    return mi_writer_row(writer, NULL, 0, error);
}

static enum mi_status write_actual(void *context, const struct mi_stored_campaign *campaign,
                                   const struct mi_actual *actual, int64_t recorded, struct mi_error *error) {
    struct get *get = context;
    struct mi_writer *writer = get->stream.writer;
    mi_writer_text(writer, get->slots[0], campaign->id);
    mi_writer_text(writer, get->slots[1], actual->metric);
    mi_writer_date(writer, get->slots[2], actual->date);
    mi_writer_number(writer, get->slots[3], actual->horizon);
    mi_writer_number(writer, get->slots[4], actual->value);
    time_format(recorded, get->time);
    mi_writer_text(writer, get->slots[5], mi_text_of(get->time));
    return mi_writer_row(writer, NULL, 0, error);
}

static enum mi_status write_campaign(void *context, const struct mi_stored_campaign *campaign,
                                     struct mi_error *error) {
    struct get *get = context;
    struct mi_writer *writer = get->stream.writer;
    const size_t *slot = get->slots;
    mi_writer_text(writer, *slot++, campaign->id);
    for (size_t i = 0; i < MI_STORE_ATTRIBUTES; i++)
        mi_writer_text(writer, *slot++, campaign->attributes[i]);
    mi_writer_number(writer, *slot++, campaign->daily_budget);
    mi_writer_number(writer, *slot++, campaign->min_budget);
    mi_writer_number(writer, *slot++, campaign->max_budget);
    if (campaign->auto_optimization >= 0)
        mi_writer_text(writer, *slot, mi_text_of(campaign->auto_optimization ? "true" : "false"));
    return mi_writer_row(writer, NULL, 0, error);
}

/* One campaign, or all. */
typedef enum mi_status getter(struct get *get, struct mi_error *error);

static enum mi_status get_predictions(struct get *get, struct mi_error *error) {
    return mi_store_each_prediction(get->store, &get->query, write_prediction, get, error);
}

static enum mi_status get_actuals(struct get *get, struct mi_error *error) {
    return mi_store_each_actual(get->store, &get->query, write_actual, get, error);
}

static enum mi_status get_campaigns(struct get *get, struct mi_error *error) {
    return mi_store_each_campaign(get->store, get->query.campaign, write_campaign, get, error);
}

static enum mi_status run_get(const char *const *columns, getter *work, struct mi_error *error) {
    struct get get = {0};
    enum mi_status status = start(&get, columns, error);
    if (!status && options.campaigns.count == 0)
        status = work(&get, error);
    for (size_t i = 0; i < options.campaigns.count && !status; i++) {
        get.query.campaign = mi_text_of(options.campaigns.items[i]);
        status = work(&get, error);
    }
    status = stream_close(&get.stream, status, error);
    mi_store_close(get.store);
    return status;
}

enum mi_status run_get_predictions(struct mi_error *error) {
    const char *columns[] = {"campaign_id",
                             "metric",
                             "prediction_date",
                             "date",
                             "horizon_days",
                             "spend",
                             "model",
                             "predicted",
                             "predicted_lo",
                             "predicted_hi",
                             "fingerprint",
                             "recorded",
                             options.outcomes ? "actual" : NULL,
                             NULL};
    return run_get(columns, get_predictions, error);
}

enum mi_status run_get_actuals(struct mi_error *error) {
    static const char *const columns[] = {"campaign_id", "metric",   "date", "horizon_days",
                                          "actual",      "recorded", NULL};
    return run_get(columns, get_actuals, error);
}

enum mi_status run_get_campaigns(struct mi_error *error) {
    static const char *const columns[] = {
        "campaign_id", "ad_network", "targeting_strategy", "geo", "creative_format", "os", "daily_budget",
        "min_budget",  "max_budget", "auto_optimization",  NULL};
    return run_get(columns, get_campaigns, error);
}
