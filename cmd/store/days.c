/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-store get days: outcomes of single days, one row a campaign and day, as mi-cpa fit reads them.
 */
#include "store/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct {
    const char *before, *as_of;
    unsigned long last;
} options;

const struct option_spec get_day_options[] = {
    STORE_OPTION,
    WAIT_OPTION,
    {.name = "before",
     .kind = OPTION_TEXT,
     .target = &options.before,
     .argument = "DATE",
     .help = "days before this one (else all)"},
    {.name = "last",
     .kind = OPTION_COUNT,
     .target = &options.last,
     .low = 1,
     .high = 36500,
     .argument = "DAYS",
     .help = "with --before: so many days, the last ones"},
    {.name = "as-of",
     .kind = OPTION_TEXT,
     .target = &options.as_of,
     .argument = "TIME",
     .help = "as it was known then: 2026-11-24 (its end) or 2026-11-24T07:00Z (else now)"},
    {.name = NULL},
};

/* Metrics of the store and the columns that they become. */
static const struct {
    const char *metric, *column;
} fields[] = {{"spend", "spend"},     {"users", "conversions"},
              {"revenue", "revenue"}, {"impressions", "impressions"},
              {"clicks", "clicks"},   {"frequency", "frequency"}};
#define FIELDS (sizeof fields / sizeof *fields)

struct day {
    int32_t date;
    double values[FIELDS];
};

struct days {
    struct stream stream;
    struct mi_store *store;
    struct mi_store_query query;
    size_t slots[2 + MI_STORE_ATTRIBUTES + FIELDS];
    struct day *items; /* of one campaign, by date */
    size_t count, capacity;
    uint64_t partial; /* days without spend or users */
};

/* The day of this date; one metric's days come in order, but metrics come one after the other. */
static struct day *day_of(struct days *days, int32_t date) {
    size_t low = 0, high = days->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (days->items[middle].date < date)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < days->count && days->items[low].date == date)
        return &days->items[low];
    struct day *items = mi_array_room(days->items, days->count, &days->capacity, sizeof *items);
    if (!items)
        return NULL;
    days->items = items;
    memmove(days->items + low + 1, days->items + low, (days->count++ - low) * sizeof *days->items);
    days->items[low].date = date;
    for (size_t i = 0; i < FIELDS; i++)
        days->items[low].values[i] = NAN;
    return &days->items[low];
}

static enum mi_status take_actual(void *context, const struct mi_stored_campaign *campaign,
                                  const struct mi_actual *actual, int64_t recorded, struct mi_error *error) {
    struct days *days = context;
    (void)campaign;
    (void)recorded;
    if (actual->horizon != 1)
        return MI_OK;
    for (size_t i = 0; i < FIELDS; i++) {
        if (!mi_text_equal(actual->metric, mi_text_of(fields[i].metric)))
            continue;
        struct day *day = day_of(days, actual->date);
        if (!day)
            return no_memory(error);
        day->values[i] = actual->value;
    }
    return MI_OK;
}

static enum mi_status write_day(struct days *days, const struct mi_stored_campaign *campaign,
                                const struct day *day, struct mi_error *error) {
    struct mi_writer *writer = days->stream.writer;
    const size_t *slot = days->slots;
    if (isnan(day->values[0]) || isnan(day->values[1])) {
        days->partial++;
        return MI_OK;
    }
    mi_writer_date(writer, *slot++, day->date);
    mi_writer_text(writer, *slot++, campaign->id);
    for (size_t i = 0; i < MI_STORE_ATTRIBUTES; i++)
        mi_writer_text(writer, *slot++, campaign->attributes[i]);
    for (size_t i = 0; i < FIELDS; i++)
        mi_writer_number(writer, *slot++, day->values[i]);
    return mi_writer_row(writer, NULL, 0, error);
}

static enum mi_status write_campaign(void *context, const struct mi_stored_campaign *campaign,
                                     struct mi_error *error) {
    struct days *days = context;
    days->count = 0;
    days->query.campaign = campaign->id;
    enum mi_status status = mi_store_each_actual(days->store, &days->query, take_actual, days, error);
    for (size_t i = 0; i < days->count && !status; i++)
        status = write_day(days, campaign, &days->items[i], error);
    return status;
}

static enum mi_status make_query(struct mi_store_query *query, struct mi_error *error) {
    int32_t before;
    *query = (struct mi_store_query){.from = MI_DATE_MISSING, .to = MI_DATE_MISSING, .known = INT64_MAX};
    if (options.before && !mi_date_parse(mi_text_of(options.before), &before))
        return mi_error_set(error, MI_BAD_ARGUMENT, "--before: not a date: \"%s\" (as 2026-11-24)",
                            options.before);
    if (options.last > 0 && !options.before)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--last=DAYS needs --before=DATE");
    if (options.as_of && !time_parse(options.as_of, &query->known))
        return mi_error_set(error, MI_BAD_ARGUMENT,
                            "--as-of: not a time: \"%s\" (as 2026-11-24 or 2026-11-24T07:00Z)",
                            options.as_of);
    if (options.before)
        query->to = before - 1;
    if (options.last > 0)
        query->from = before - (int32_t)options.last;
    return MI_OK;
}

static enum mi_status open_columns(struct days *days, struct mi_error *error) {
    size_t *slot = days->slots;
    struct mi_writer *writer = days->stream.writer;
    enum mi_status status = mi_writer_column(writer, "date", slot++, error);
    if (!status)
        status = mi_writer_column(writer, "campaign_id", slot++, error);
    for (size_t i = 0; i < MI_STORE_ATTRIBUTES && !status; i++)
        status = mi_writer_column(writer, campaign_attributes[i], slot++, error);
    for (size_t i = 0; i < FIELDS && !status; i++)
        status = mi_writer_column(writer, fields[i].column, slot++, error);
    return status;
}

enum mi_status run_get_days(struct mi_error *error) {
    struct days days = {0};
    struct mi_text all = {NULL, 0};
    enum mi_status status = make_query(&days.query, error);
    if (!status)
        status = store_open(MI_STORE_READ, &days.store, error);
    if (!status)
        status = stream_output(&days.stream, false, error);
    if (!status)
        status = open_columns(&days, error);
    if (!status)
        status = mi_store_each_campaign(days.store, all, write_campaign, &days, error);
    if (!status && days.partial > 0)
        note("%llu days are left out: spend or users are not known", (unsigned long long)days.partial);
    status = stream_close(&days.stream, status, error);
    mi_store_close(days.store);
    free(days.items);
    return status;
}
