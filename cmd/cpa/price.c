/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-cpa price: the funnel behind a CPA, from daily rows with impressions and clicks.
 */
#include "cpa/cpa.h"
#include "cpa/groups.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    const char *market, *since;
    unsigned long before;
} price_options;

const struct option_spec price_table[] = {
    {.name = "since",
     .kind = OPTION_TEXT,
     .target = &price_options.since,
     .argument = "DATE",
     .help = "say which part drove the change of CPA from this day on"},
    {.name = "before",
     .kind = OPTION_COUNT,
     .target = &price_options.before,
     .low = 1,
     .high = 36500,
     .argument = "DAYS",
     .help = "against so many days before it",
     .otherwise = "28"},
    {.name = "market",
     .kind = OPTION_TEXT,
     .target = &price_options.market,
     .argument = "LIST",
     .help = "columns that CPM may depend on, as cpm_index,competition: 5 at most"},
    POOL_BY_OPTION,
    ATTRIBUTES_OPTION,
    DUPLICATES_OPTION,
    {.name = NULL},
};

const char price_details[] =
    "Reads campaign_id, date, spend, impressions, clicks, conversions, and where it is\n"
    "there reach; without a date column each row is one period. CPA = CPM / 1000 /\n"
    "(CTR x CVR). Writes the columns of fit, then spend, cpm, ctr, cvr, cpa,\n"
    "cpm_spend_elasticity, ctr_impressions_elasticity, cvr_frequency_elasticity,\n"
    "cpm_trend, ctr_trend, cvr_trend; of each column of --market NAME_elasticity and\n"
    "NAME_elasticity_se; with --since cpa_before, cpa_since, cpa_change, cpa_change_se,\n"
    "and cpm_spend, cpm_market, cpm_other, ctr, cvr_frequency, cvr_other each with\n"
    "_change and _change_se, driver, driver_share. Holds its input in memory, reads it\n"
    "once.\n";

struct price {
    struct stream stream;
    struct mi_price *price;
    size_t id, date, spend, impressions, clicks, conversions, reach, money;
    size_t market[MI_PRICE_MARKETS], market_count;
    char *market_names[MI_PRICE_MARKETS];
    struct groups groups;
    char *currency; /* of the first row */
    int32_t since, newest, oldest;
};

/* ---- reading ---- */

static enum mi_status add_market_column(struct price *p, const char *name, struct mi_error *error) {
    if (p->market_count == MI_PRICE_MARKETS)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--market takes at most %d columns", MI_PRICE_MARKETS);
    for (size_t i = 0; i < p->market_count; i++)
        if (strcmp(p->market_names[i], name) == 0)
            return mi_error_set(error, MI_BAD_ARGUMENT, "--market names '%s' twice", name);
    p->market_names[p->market_count] = mi_text_copy(mi_text_of(name));
    if (!p->market_names[p->market_count])
        return no_memory(error);
    return mi_reader_column(p->stream.reader, name, true, &p->market[p->market_count++], error);
}

static enum mi_status open_market(struct price *p, struct mi_error *error) {
    char *rest = NULL, *names = mi_text_copy(mi_text_of(price_options.market));
    if (!names)
        return no_memory(error);
    enum mi_status status = MI_OK;
    for (char *name = strtok_r(names, ",", &rest); name && !status; name = strtok_r(NULL, ",", &rest))
        status = add_market_column(p, name, error);
    free(names);
    return status;
}

static enum mi_status open_columns(struct price *p, struct mi_error *error) {
    const struct wanted wanted[] = {
        {"campaign_id", true, &p->id}, {"date", price_options.since != NULL, &p->date},
        {"spend", true, &p->spend},    {"impressions", true, &p->impressions},
        {"clicks", true, &p->clicks},  {"conversions", true, &p->conversions},
        {"reach", false, &p->reach},   {"currency", false, &p->money},
    };
    enum mi_status status = find_wanted(p->stream.reader, wanted, sizeof wanted / sizeof wanted[0], error);
    if (!status && price_options.market)
        status = open_market(p, error);
    if (!status)
        status = groups_open(&p->groups, p->stream.reader, error);
    return status;
}

static enum mi_status open_price(struct price *p, struct mi_error *error) {
    p->since = p->newest = MI_DATE_MISSING;
    p->oldest = INT32_MAX;
    if (price_options.since && !mi_date_parse(mi_text_of(price_options.since), &p->since))
        return mi_error_set(error, MI_BAD_ARGUMENT, "--since: not a date: \"%s\" (YYYY-MM-DD)",
                            price_options.since);
    enum mi_status status = stream_open(&p->stream, false, error);
    if (!status)
        status = open_columns(p, error);
    const struct mi_price_options options = {
        .market_count = p->market_count,
        .market_names = (const char *const *)p->market_names,
        .since = p->since,
        .before = (int32_t)price_options.before,
        .sum_duplicates = groups_options.duplicates == DUPLICATES_SUM,
        .threads = common.threads,
    };
    return status ? status : mi_price_new(&options, &p->price, error);
}

static enum mi_status read_day(struct price *p, const struct mi_batch *batch, size_t row,
                               struct mi_price_day *day, struct mi_error *error) {
    const struct {
        size_t column;
        unsigned rules;
        double *value;
    } numbers[] = {
        {p->spend, MI_FILLED | MI_MONEY, &day->spend},
        {p->impressions, MI_FILLED | MI_MONEY, &day->impressions},
        {p->clicks, MI_FILLED | MI_MONEY, &day->clicks},
        {p->conversions, MI_FILLED | MI_MONEY, &day->conversions},
        {p->reach, MI_MONEY, &day->reach},
    };
    *day = (struct mi_price_day){.date = MI_DATE_MISSING, .line = mi_batch_line(batch, row)};
    enum mi_status status = MI_OK;
    if (p->date != MI_NO_COLUMN)
        status = mi_batch_date(batch, row, p->date, MI_FILLED, &day->date, error);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && !status; i++)
        status = mi_batch_number(batch, row, numbers[i].column, numbers[i].rules, numbers[i].value, error);
    for (size_t m = 0; m < p->market_count && !status; m++)
        status = mi_batch_number(batch, row, p->market[m], MI_FILLED, &day->market[m], error);
    if (!status && day->clicks > day->impressions)
        return mi_batch_fault(batch, row, p->clicks, error, "%.10g clicks of %.10g impressions", day->clicks,
                              day->impressions);
    return status;
}

static enum mi_status add_row(struct price *p, const struct mi_batch *batch, size_t row,
                              struct mi_error *error) {
    struct mi_text id, texts[GROUPS_MOST];
    struct mi_price_day day;
    struct mi_error reason = {0};
    bool known = false;
    enum mi_status status = mi_batch_id(batch, row, p->id, &id, error);
    if (!status)
        status = read_day(p, batch, row, &day, error);
    if (!status)
        status = check_currency(batch, row, p->money, &p->currency, error);
    if (!status)
        status = groups_row(&p->groups, batch, row, id, texts, &known, error);
    if (status)
        return status;
    status = mi_price_add(p->price, id, &day, &reason);
    if (status == MI_BAD_RECORD)
        return mi_batch_fault(batch, row, p->id, error, "%s", reason.text);
    if (status)
        return mi_error_set(error, status, "%s", reason.text);
    p->newest = day.date > p->newest ? day.date : p->newest;
    p->oldest = day.date < p->oldest ? day.date : p->oldest;
    return known && p->groups.count > 0 ? mi_price_group(p->price, id, texts, p->groups.count, error) : MI_OK;
}

static enum mi_status take_row(void *context, struct stream *stream, const struct mi_batch *batch, size_t row,
                               struct mi_error *error) {
    (void)stream;
    return add_row(context, batch, row, error);
}

/* Both periods must have days. */
static enum mi_status check_since(const struct price *p, struct mi_error *error) {
    if (!price_options.since || mi_price_count(p->price) == 0)
        return MI_OK;
    if (p->since > p->newest || p->since <= p->oldest)
        return mi_error_set(error, MI_BAD_INPUT, "--since=%s: there are no days %s", price_options.since,
                            p->since > p->newest ? "from then on" : "before it");
    return MI_OK;
}

static enum mi_status run_funnel(struct price *p, struct mi_error *error) {
    struct mi_notes notes = common_notes();
    struct mi_error reason = {0};
    enum mi_status status = mi_price_run(p->price, &notes, &reason);
    return status ? blame_rows(p->stream.reader, status, &reason, error) : MI_OK;
}

/* ---- writing ---- */

enum {
    OUT_SPEND,
    OUT_CPM,
    OUT_CTR,
    OUT_CVR,
    OUT_CPA,
    OUT_CPM_SPEND,
    OUT_CTR_IMPRESSIONS,
    OUT_CVR_FREQUENCY,
    OUT_CPM_TREND,
    OUT_CTR_TREND,
    OUT_CVR_TREND,
    OUT_COUNT
};

static const char *const out_names[OUT_COUNT] = {
    "spend",
    "cpm",
    "ctr",
    "cvr",
    "cpa",
    "cpm_spend_elasticity",
    "ctr_impressions_elasticity",
    "cvr_frequency_elasticity",
    "cpm_trend",
    "ctr_trend",
    "cvr_trend",
};

enum { CHANGE_BEFORE, CHANGE_SINCE, CHANGE_TOTAL, CHANGE_TOTAL_SE, CHANGE_COUNT };

static const char *const change_names[CHANGE_COUNT] = {"cpa_before", "cpa_since", "cpa_change",
                                                       "cpa_change_se"};

struct slots {
    size_t fit[FITTED_COLUMNS], own[OUT_COUNT], market[MI_PRICE_MARKETS], market_se[MI_PRICE_MARKETS];
    size_t change[CHANGE_COUNT], part[MI_PRICE_PARTS], part_se[MI_PRICE_PARTS], driver, share;
};

static enum mi_status declare_named(struct mi_writer *writer, const char *name, const char *behind,
                                    size_t *slot, struct mi_error *error) {
    size_t size = strlen(name) + strlen(behind) + 1;
    char *whole = malloc(size);
    if (!whole)
        return no_memory(error);
    snprintf(whole, size, "%s%s", name, behind);
    enum mi_status status = mi_writer_column(writer, whole, slot, error);
    free(whole);
    return status;
}

static enum mi_status declare_change(struct mi_writer *writer, struct slots *slots, struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < CHANGE_COUNT && !status; i++)
        status = mi_writer_column(writer, change_names[i], &slots->change[i], error);
    for (int i = 0; i < MI_PRICE_PARTS && !status; i++) {
        const char *name = mi_price_part_name((enum mi_price_part)i);
        status = declare_named(writer, name, "_change", &slots->part[i], error);
        if (!status)
            status = declare_named(writer, name, "_change_se", &slots->part_se[i], error);
    }
    if (!status)
        status = mi_writer_column(writer, "driver", &slots->driver, error);
    return status ? status : mi_writer_column(writer, "driver_share", &slots->share, error);
}

static enum mi_status declare(const struct price *p, struct slots *slots, struct mi_error *error) {
    struct mi_writer *writer = p->stream.writer;
    enum mi_status status = fitted_declare(writer, slots->fit, error);
    for (size_t i = 0; i < OUT_COUNT && !status; i++)
        status = mi_writer_column(writer, out_names[i], &slots->own[i], error);
    for (size_t m = 0; m < p->market_count && !status; m++) {
        status = declare_named(writer, p->market_names[m], "_elasticity", &slots->market[m], error);
        if (!status)
            status = declare_named(writer, p->market_names[m], "_elasticity_se", &slots->market_se[m], error);
    }
    return !status && price_options.since ? declare_change(writer, slots, error) : status;
}

static void set_change(struct mi_writer *writer, const struct slots *slots,
                       const struct mi_price_change *change) {
    const double values[CHANGE_COUNT] = {change->cpa_before, change->cpa_since, change->total,
                                         change->total_se};
    for (size_t i = 0; i < CHANGE_COUNT; i++)
        mi_writer_number(writer, slots->change[i], values[i]);
    for (int i = 0; i < MI_PRICE_PARTS; i++) {
        mi_writer_number(writer, slots->part[i], change->part[i]);
        mi_writer_number(writer, slots->part_se[i], change->se[i]);
    }
    if (isnan(change->total))
        return;
    mi_writer_text(writer, slots->driver,
                   mi_text_of(change->driven ? mi_price_part_name(change->driver) : "none"));
    if (change->driven)
        mi_writer_number(writer, slots->share, change->part[change->driver] / change->total);
}

static enum mi_status write_row(const struct price *p, const struct mi_price_row *row,
                                const struct slots *slots, struct mi_error *error) {
    struct mi_writer *writer = p->stream.writer;
    const double values[OUT_COUNT] = {row->spend,
                                      row->cpm,
                                      row->ctr,
                                      row->cvr,
                                      row->cpa,
                                      row->cpm_spend,
                                      row->ctr_impressions,
                                      row->cvr_frequency,
                                      row->cpm_trend,
                                      row->ctr_trend,
                                      row->cvr_trend};
    struct fitted_texts texts = {.curve = NULL};
    enum mi_status status = fitted_set(writer, slots->fit, &row->fit, &texts, error);
    if (status)
        return status;
    for (size_t i = 0; i < OUT_COUNT; i++)
        mi_writer_number(writer, slots->own[i], values[i]);
    for (size_t m = 0; m < p->market_count; m++) {
        mi_writer_number(writer, slots->market[m], row->market[m]);
        mi_writer_number(writer, slots->market_se[m], row->market_se[m]);
    }
    if (price_options.since)
        set_change(writer, slots, &row->change);
    status = mi_writer_row(writer, NULL, 0, error);
    free(texts.curve);
    return status;
}

static void say_driver(const struct mi_price_change *change) {
    if (isnan(change->total))
        return;
    const char *why = change->driven                               ? mi_price_part_name(change->driver)
                      : fabs(change->total) > 2 * change->total_se ? "no single part beyond noise"
                                                                   : "no more than noise";
    note("since %s the portfolio's CPA is %.4g, before %.4g: %s%s", price_options.since, change->cpa_since,
         change->cpa_before, change->driven ? "driven by " : "", why);
}

static enum mi_status price(struct price *p, struct mi_error *error) {
    struct slots slots;
    enum mi_status status = open_price(p, error);
    if (!status)
        status = stream_each_row(&p->stream, take_row, p, error);
    if (!status)
        status = check_since(p, error);
    if (!status)
        status = run_funnel(p, error);
    if (!status)
        groups_say(&p->groups);
    if (!status)
        status = stream_output(&p->stream, false, error);
    if (!status)
        status = declare(p, &slots, error);
    for (size_t i = 0; !status && i < mi_price_count(p->price); i++) {
        struct mi_price_row row;
        mi_price_row(p->price, i, &row);
        fitted_explain(&row.fit, i + 1 == mi_price_count(p->price));
        status = write_row(p, &row, &slots, error);
        if (!status && price_options.since && i + 1 == mi_price_count(p->price))
            say_driver(&row.change);
    }
    return status;
}

enum mi_status run_price(struct mi_error *error) {
    struct price p = {0};
    enum mi_status status = price(&p, error);
    status = stream_close(&p.stream, status, error);
    for (size_t i = 0; i < MI_PRICE_MARKETS; i++)
        free(p.market_names[i]);
    free(p.currency);
    groups_free(&p.groups);
    mi_price_free(p.price);
    return status;
}
