/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-store log: alerts, actions, accuracy, puts and changes of stage, oldest first.
 */
#include "store/parts.h"

#include <stdio.h>

#define COLUMNS_MOST 20

enum log_kind { LOG_ALERTS, LOG_ACTIONS, LOG_ACCURACY, LOG_PUTS, LOG_STAGES };

static struct { unsigned of; } options;

const struct option_spec log_options[] = {
    STORE_OPTION,
    WAIT_OPTION,
    {.name = "of",
     .kind = OPTION_CHOICE,
     .target = &options.of,
     .choices = "alerts|actions|accuracy|puts|stages",
     .argument = "WHAT",
     .help = "what to list",
     .otherwise = "alerts"},
    {.name = NULL},
};

struct log {
    struct stream stream;
    char time[TIME_TEXT]; /* of the row being made */
    struct mi_store *store;
    size_t slots[COLUMNS_MOST];
};

/* An id, missing where it is 0. */
static void write_id(struct mi_writer *writer, size_t slot, int64_t id) {
    if (id != 0)
        mi_writer_number(writer, slot, (double)id);
}

static enum mi_status write_alert(void *context, const struct mi_alert *alert, struct mi_error *error) {
    struct log *log = context;
    struct mi_writer *writer = log->stream.writer;
    const size_t *slot = log->slots;
    write_id(writer, *slot++, alert->id);
    mi_writer_text(writer, *slot++, alert->campaign);
    mi_writer_text(writer, *slot++, alert->severity);
    mi_writer_text(writer, *slot++, alert->metric);
    mi_writer_text(writer, *slot++, alert->message);
    mi_writer_number(writer, *slot++, alert->actual);
    mi_writer_number(writer, *slot++, alert->predicted);
    mi_writer_number(writer, *slot++, alert->variance);
    mi_writer_text(writer, *slot++, alert->action);
    mi_writer_json(writer, *slot++, alert->causes);
    mi_writer_date(writer, *slot++, alert->since);
    mi_writer_date(writer, *slot++, alert->opened);
    mi_writer_date(writer, *slot++, alert->seen);
    if (alert->closed != MI_DATE_MISSING)
        mi_writer_date(writer, *slot, alert->closed);
    return mi_writer_row(writer, NULL, 0, error);
}

static enum mi_status write_action(void *context, const struct mi_action *action, struct mi_error *error) {
    struct log *log = context;
    struct mi_writer *writer = log->stream.writer;
    const size_t *slot = log->slots;
    write_id(writer, *slot++, action->id);
    write_id(writer, *slot++, action->alert);
    mi_writer_text(writer, *slot++, action->campaign);
    mi_writer_text(writer, *slot++, action->kind);
    mi_writer_text(writer, *slot++, action->field);
    mi_writer_number(writer, *slot++, action->before);
    mi_writer_number(writer, *slot++, action->after);
    mi_writer_date(writer, *slot++, action->day);
    time_format(action->recorded, log->time);
    mi_writer_text(writer, *slot++, mi_text_of(log->time));
    write_id(writer, *slot++, action->undoes);
    write_id(writer, *slot, action->undone_by);
    return mi_writer_row(writer, NULL, 0, error);
}

static enum mi_status write_accuracy(void *context, const struct mi_stored_accuracy *accuracy,
                                     struct mi_error *error) {
    struct log *log = context;
    struct mi_writer *writer = log->stream.writer;
    const size_t *slot = log->slots;
    mi_writer_date(writer, *slot++, accuracy->as_of);
    mi_writer_text(writer, *slot++, accuracy->metric);
    mi_writer_text(writer, *slot++, accuracy->by);
    mi_writer_text(writer, *slot++, accuracy->value);
    mi_writer_number(writer, *slot++, (double)accuracy->n);
    for (unsigned i = 0; i < MI_FIGURE_COUNT; i++)
        mi_writer_number(writer, *slot++, accuracy->figure[i]);
    time_format(accuracy->recorded, log->time);
    mi_writer_text(writer, *slot, mi_text_of(log->time));
    return mi_writer_row(writer, NULL, 0, error);
}

static enum mi_status write_put(void *context, const struct mi_stored_put *put, struct mi_error *error) {
    struct log *log = context;
    write_id(log->stream.writer, log->slots[0], put->id);
    time_format(put->recorded, log->time);
    mi_writer_text(log->stream.writer, log->slots[1], mi_text_of(log->time));
    mi_writer_text(log->stream.writer, log->slots[2], put->what);
    mi_writer_text(log->stream.writer, log->slots[3], put->fingerprint);
    return mi_writer_row(log->stream.writer, NULL, 0, error);
}

static enum mi_status write_stage(void *context, const struct mi_stage_change *change,
                                  struct mi_error *error) {
    struct log *log = context;
    struct mi_writer *writer = log->stream.writer;
    char model[256];
    snprintf(model, sizeof model, "%.*s/%llu", (int)change->name.size, change->name.data,
             (unsigned long long)change->version);
    mi_writer_text(writer, log->slots[0], mi_text_of(model));
    mi_writer_text(writer, log->slots[1], change->before);
    mi_writer_text(writer, log->slots[2], change->after);
    mi_writer_text(writer, log->slots[3], mi_text_of(change->back ? "true" : "false"));
    time_format(change->recorded, log->time);
    mi_writer_text(writer, log->slots[4], mi_text_of(log->time));
    return mi_writer_row(writer, NULL, 0, error);
}

static const char *const columns[][COLUMNS_MOST] = {
    [LOG_ALERTS] = {"alert", "campaign_id", "severity", "metric", "message", "actual", "predicted",
                    "variance", "action", "possible_causes", "since", "opened", "seen", "closed"},
    [LOG_ACTIONS] = {"action", "alert", "campaign_id", "kind", "field", "before", "after", "day", "recorded",
                     "undoes", "undone_by"},
    [LOG_ACCURACY] = {"as_of", "metric", "by", "value", "n", "mae", "mape", "rmse", "wape", "smape", "mase",
                      "bias", "bias_pct", "directional_accuracy", "interval_coverage", "recorded"},
    [LOG_PUTS] = {"put", "recorded", "what", "fingerprint"},
    [LOG_STAGES] = {"model", "before", "after", "rollback", "recorded"},
};

static enum mi_status write_all(struct log *log, struct mi_error *error) {
    switch ((enum log_kind)options.of) {
    case LOG_ALERTS:
        return mi_store_each_alert(log->store, write_alert, log, error);
    case LOG_ACTIONS:
        return mi_store_each_action(log->store, write_action, log, error);
    case LOG_ACCURACY:
        return mi_store_each_accuracy(log->store, write_accuracy, log, error);
    case LOG_PUTS:
        return mi_store_each_put(log->store, write_put, log, error);
    case LOG_STAGES:
        return mi_store_each_stage(log->store, write_stage, log, error);
    }
    return MI_OK;
}

enum mi_status run_log(struct mi_error *error) {
    struct log log = {0};
    enum mi_status status = store_open(MI_STORE_READ, &log.store, error);
    if (!status)
        status = stream_output(&log.stream, false, error);
    for (size_t i = 0; i < COLUMNS_MOST && columns[options.of][i] && !status; i++)
        status = mi_writer_column(log.stream.writer, columns[options.of][i], &log.slots[i], error);
    if (!status)
        status = write_all(&log, error);
    status = stream_close(&log.stream, status, error);
    mi_store_close(log.store);
    return status;
}
