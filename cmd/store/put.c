/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-store put: records into the store.
 */
#include "common/ledger.h"
#include "store/parts.h"

#include <math.h>
#include <stdlib.h>

static struct {
    const char *made, *model, *metrics, *inputs;
    double horizon;
} options;

#define METRIC_OPTION(text)                                                                                  \
    {                                                                                                        \
        .name = "metric", .kind = OPTION_TEXT, .target = &options.metrics, .argument = "NAME,...",           \
        .help = text                                                                                         \
    }
#define INPUTS_OPTION                                                                                        \
    {                                                                                                        \
        .name = "inputs", .kind = OPTION_TEXT, .target = &options.inputs, .argument = "FILE",                \
        .help = "file that it was made from: its SHA-256 is kept as the fingerprint"                         \
    }

const struct option_spec put_prediction_options[] = {
    STORE_OPTION,
    WAIT_OPTION,
    {.name = "made",
     .kind = OPTION_TEXT,
     .target = &options.made,
     .argument = "DATE",
     .help = "when the predictions were made, where there is no prediction_date (else today,\n"
             "UTC)"},
    {.name = "horizon",
     .kind = OPTION_NUMBER,
     .target = &options.horizon,
     .low = 0,
     .high = 36500,
     .argument = "DAYS",
     .help = "days that they are about, where there is no horizon_days"},
    {.name = "model",
     .kind = OPTION_TEXT,
     .target = &options.model,
     .argument = "NAME",
     .help = "model that made them, as mi-ltv/3 (else the column model)"},
    METRIC_OPTION("what to put (else those there of ltv, cpa, roas, roi, users, cac,\n"
                  "forecast_revenue, forecast_roas)"),
    INPUTS_OPTION,
    {.name = NULL},
};

const struct option_spec put_actual_options[] = {
    STORE_OPTION,
    WAIT_OPTION,
    METRIC_OPTION("what to put (else actual_X for any X, spend, users or conversions, revenue,\n"
                  "impressions, clicks, frequency)"),
    INPUTS_OPTION,
    {.name = NULL},
};

const struct option_spec put_campaign_options[] = {
    STORE_OPTION,
    WAIT_OPTION,
    {.name = NULL},
};

/* The fingerprint of --inputs; empty where there is none. */
static enum mi_status fingerprint_of(char out[65], struct mi_error *error) {
    char *content;
    size_t size;
    out[0] = '\0';
    if (!options.inputs)
        return MI_OK;
    enum mi_status status = mi_file_read(options.inputs, SIZE_MAX / 2, &content, &size, error);
    if (!status) {
        mi_checksum((struct mi_text){content, size}, out);
        free(content);
    }
    return status;
}

/* Reads the stream into a put. */
static enum mi_status put_rows(struct ledger *ledger, struct stream *stream, struct mi_error *error) {
    static const char *const words[] = {"predictions", "actuals", "campaigns"};
    char fingerprint[65];
    struct mi_notes notes = common_notes();
    enum mi_status status = fingerprint_of(fingerprint, error);
    if (!status)
        status = stream_open(stream, false, error);
    if (!status)
        status = ledger_find_columns(ledger, stream->reader, error);
    if (!status)
        status = store_open(MI_STORE_CREATE, &ledger->store, error);
    if (!status)
        status = mi_store_put_begin(ledger->store, words[ledger->kind], *fingerprint ? fingerprint : NULL,
                                    &notes, error);
    return status ? status : stream_each_row(stream, ledger_row, ledger, error);
}

static enum mi_status put(enum ledger_kind kind, struct mi_error *error) {
    struct ledger ledger = {
        .kind = kind, .metrics = options.metrics, .model = options.model, .horizon = options.horizon};
    struct stream stream = {0};
    if (kind == LEDGER_ACTUALS)
        ledger.horizon = 1;
    if (!date_option(options.made, &ledger.made))
        return mi_error_set(error, MI_BAD_ARGUMENT, "--made: not a date: \"%s\" (as 2026-11-24)",
                            options.made);
    enum mi_status status = put_rows(&ledger, &stream, error);
    status = stream_close(&stream, status, error);
    if (!status)
        status = mi_store_put_commit(ledger.store, error);
    if (!status)
        ledger_say(&ledger);
    mi_store_close(ledger.store);
    return status;
}

enum mi_status run_put_predictions(struct mi_error *error) {
    return put(LEDGER_PREDICTIONS, error);
}

enum mi_status run_put_actuals(struct mi_error *error) {
    return put(LEDGER_ACTUALS, error);
}

enum mi_status run_put_campaigns(struct mi_error *error) {
    return put(LEDGER_CAMPAIGNS, error);
}
