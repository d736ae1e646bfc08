/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-store join: puts what the store knows of a campaign into the rows about it.
 */
#include "store/parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct { const char *columns; } options;

const struct option_spec join_options[] = {
    STORE_OPTION,
    WAIT_OPTION,
    {.name = "column",
     .kind = OPTION_TEXT,
     .target = &options.columns,
     .argument = "NAME,...",
     .help = "what to put: of the columns of get campaigns, or NEW=NAME to call it NEW",
     .otherwise = "daily_budget"},
    {.name = NULL},
};

#define COLUMNS (MI_STORE_ATTRIBUTES + 4)
static const char *const numbers[] = {"daily_budget", "min_budget", "max_budget", "auto_optimization"};

struct join {
    struct stream *stream;
    struct mi_store *store;
    size_t campaign, count;
    struct {
        size_t which, in, slot; /* of what the store has; column of the input, of the output */
    } columns[COLUMNS];
    const struct mi_batch *batch; /* the row being joined */
    size_t row;
    bool found;
};

static const char *name_of(size_t which) {
    return which < MI_STORE_ATTRIBUTES ? campaign_attributes[which] : numbers[which - MI_STORE_ATTRIBUTES];
}

/* One word of --column: NAME or NEW=NAME. */
static enum mi_status add_column(struct join *join, const char *word, size_t size, struct mi_error *error) {
    char text[128];
    snprintf(text, sizeof text, "%.*s", (int)(size < sizeof text ? size : sizeof text - 1), word);
    char *equals = strchr(text, '=');
    const char *old = equals ? equals + 1 : text;
    size_t which = 0;
    while (which < COLUMNS && strcmp(old, name_of(which)) != 0)
        which++;
    if (which == COLUMNS || join->count == COLUMNS || equals == text)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--column: \"%s\": none of what get campaigns writes",
                            text);
    if (equals)
        *equals = '\0';
    size_t i = join->count++;
    join->columns[i].which = which;
    enum mi_status status = mi_reader_column(join->stream->reader, text, false, &join->columns[i].in, error);
    return status ? status : mi_writer_column(join->stream->writer, text, &join->columns[i].slot, error);
}

static enum mi_status open_columns(struct join *join, struct mi_error *error) {
    enum mi_status status =
        mi_reader_column(join->stream->reader, "campaign_id", true, &join->campaign, error);
    if (!status)
        status = stream_output(join->stream, true, error);
    for (const char *at = options.columns; at && !status;) {
        size_t size = strcspn(at, ",");
        status = add_column(join, at, size, error);
        at = at[size] ? at + size + 1 : NULL;
    }
    return status;
}

/* Sets a column to what the store knows; false: it knows nothing. */
static bool set_known(struct join *join, size_t i, const struct mi_stored_campaign *campaign) {
    size_t which = join->columns[i].which, slot = join->columns[i].slot;
    const double values[] = {campaign->daily_budget, campaign->min_budget, campaign->max_budget};
    if (which < MI_STORE_ATTRIBUTES) {
        mi_writer_text(join->stream->writer, slot, campaign->attributes[which]);
        return campaign->attributes[which].data != NULL;
    }
    if (which < COLUMNS - 1) {
        mi_writer_number(join->stream->writer, slot, values[which - MI_STORE_ATTRIBUTES]);
        return !isnan(values[which - MI_STORE_ATTRIBUTES]);
    }
    if (campaign->auto_optimization >= 0)
        mi_writer_text(join->stream->writer, slot,
                       mi_text_of(campaign->auto_optimization ? "true" : "false"));
    return campaign->auto_optimization >= 0;
}

static enum mi_status write_joined(void *context, const struct mi_stored_campaign *campaign,
                                   struct mi_error *error) {
    struct join *join = context;
    enum mi_status status = MI_OK;
    join->found = true;
    for (size_t i = 0; i < join->count && !status; i++) {
        struct mi_text text;
        if (set_known(join, i, campaign))
            continue;
        status = mi_batch_text(join->batch, join->row, join->columns[i].in, &text, error);
        if (!status)
            write_cell(join->stream->writer, join->columns[i].slot, text);
    }
    return status ? status : mi_writer_row(join->stream->writer, join->batch, join->row, error);
}

static enum mi_status join_row(void *context, struct stream *stream, const struct mi_batch *batch, size_t row,
                               struct mi_error *error) {
    struct join *join = context;
    struct mi_text id;
    (void)stream;
    enum mi_status status = mi_batch_id(batch, row, join->campaign, &id, error);
    join->batch = batch;
    join->row = row;
    join->found = false;
    if (!status)
        status = mi_store_each_campaign(join->store, id, write_joined, join, error);
    if (!status && !join->found)
        return mi_batch_fault(batch, row, join->campaign, error, "the store knows no such campaign");
    return status;
}

enum mi_status run_join(struct mi_error *error) {
    struct stream stream = {0};
    struct join join = {.stream = &stream};
    enum mi_status status = stream_open(&stream, false, error);
    if (!status)
        status = store_open(MI_STORE_READ, &join.store, error);
    if (!status)
        status = open_columns(&join, error);
    if (!status)
        status = stream_each_row(&stream, join_row, &join, error);
    status = stream_close(&stream, status, error);
    mi_store_close(join.store);
    return status;
}
