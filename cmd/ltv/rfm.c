/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-ltv rfm: reads transactions, or with --merge the sums that --partial wrote of parts of a log.
 */
#include "ltv/rfm.h"
#include "ltv/log.h"

#include <math.h>
#include <stdio.h>

static struct {
    const char *until, *holdout;
    unsigned unit, refunds;
    bool partial, merge;
} options;

const struct option_spec rfm_options_table[] = {
    {.name = "until",
     .kind = OPTION_TEXT,
     .target = &options.until,
     .argument = "DATE",
     .help = "last day that counts; later rows are left out (else the newest date)"},
    {.name = "holdout",
     .kind = OPTION_TEXT,
     .target = &options.holdout,
     .argument = "DATE",
     .help = "T ends here, and what came after goes into columns of its own"},
    {.name = "unit",
     .kind = OPTION_CHOICE,
     .target = &options.unit,
     .choices = "day|week",
     .argument = "UNIT",
     .help = "of recency and T; weeks are fractions",
     .otherwise = "day"},
    {.name = "refunds",
     .kind = OPTION_CHOICE,
     .target = &options.refunds,
     .choices = "net|drop",
     .argument = "WHAT",
     .help = "negative amounts: taken off what was bought before, or left out",
     .otherwise = "net"},
    {.name = "partial",
     .kind = OPTION_FLAG,
     .target = &options.partial,
     .help = "write sums by customer that add up, for --merge"},
    {.name = "merge",
     .kind = OPTION_FLAG,
     .target = &options.merge,
     .help = "read sums of parts of a log, as --partial writes them"},
    {.name = NULL},
};

const char rfm_details[] =
    "Reads a transaction log in any order: customer_id, date and, where there, amount\n"
    "and currency. Writes customer_id, frequency (days with purchases after the first),\n"
    "recency (first purchase to last), T (first purchase to the end), monetary_value\n"
    "(mean of the days after the first, 0 where there is none), in the order of the\n"
    "ids' bytes; with --holdout also holdout_frequency, holdout_value (sum), holdout_T.\n"
    "Reads once; keeps 16 bytes a transaction and some 100 a customer.\n";

struct columns {
    size_t id;
    size_t first, last, days, value, first_value, holdout_days, holdout_value, until, holdout;
};

struct log {
    struct stream stream;
    struct mi_rfm *rfm;
    struct mi_rfm_options how;
    struct transaction_columns transactions;
    struct columns in;
    bool has_amount;
};

static enum mi_status find_log_columns(struct log *log, struct mi_error *error) {
    enum mi_status status =
        transaction_columns_find(log->stream.reader, log->how.until, false, &log->transactions, error);
    log->has_amount = log->transactions.has_amount;
    if (!status && !log->has_amount)
        note("no column 'amount': no monetary_value");
    return status;
}

static enum mi_status find_sum_columns(struct log *log, struct mi_error *error) {
    const struct {
        const char *name;
        size_t *column;
        bool required;
    } wanted[] = {{"customer_id", &log->in.id, true},
                  {"first_date", &log->in.first, true},
                  {"last_date", &log->in.last, true},
                  {"purchase_days", &log->in.days, true},
                  {"repeat_value", &log->in.value, false},
                  {"first_value", &log->in.first_value, log->has_amount},
                  {"holdout_days", &log->in.holdout_days, options.holdout != NULL},
                  {"holdout_value", &log->in.holdout_value, false},
                  {"until", &log->in.until, true},
                  {"holdout", &log->in.holdout, false}};
    enum mi_status status = MI_OK;
    log->has_amount = mi_reader_has(log->stream.reader, "repeat_value");
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && !status; i++)
        status =
            mi_reader_column(log->stream.reader, wanted[i].name, wanted[i].required, wanted[i].column, error);
    return status;
}

static enum mi_status add_transaction(void *context, struct stream *stream, const struct mi_batch *batch,
                                      size_t row, struct mi_error *error) {
    struct log *log = context;
    (void)stream;
    return transaction_add(log->rfm, &log->transactions, batch, row, error);
}

static enum mi_status add_sums(void *context, struct stream *stream, const struct mi_batch *batch, size_t row,
                               struct mi_error *error) {
    struct log *log = context;
    struct mi_text id;
    struct mi_rfm_sums sums = {0};
    int32_t until = MI_DATE_MISSING, holdout = MI_DATE_MISSING;
    (void)stream;
    enum mi_status status = mi_batch_id(batch, row, log->in.id, &id, error);
    if (!status)
        status = mi_batch_date(batch, row, log->in.first, 0, &sums.first, error);
    if (!status)
        status = mi_batch_date(batch, row, log->in.last, sums.first != MI_DATE_MISSING ? MI_FILLED : 0,
                               &sums.last, error);
    if (!status)
        status = mi_batch_number(batch, row, log->in.days, MI_FILLED | MI_MONEY, &sums.days, error);
    const unsigned money = MI_MONEY | MI_SIGNED | MI_FILLED;
    if (!status && log->has_amount)
        status = mi_batch_number(batch, row, log->in.value, money, &sums.repeat_value, error);
    if (!status && log->has_amount)
        status = mi_batch_number(batch, row, log->in.first_value, money, &sums.first_value, error);
    if (!status && options.holdout != NULL)
        status = mi_batch_number(batch, row, log->in.holdout_days, MI_FILLED | MI_MONEY, &sums.holdout_days,
                                 error);
    if (!status && options.holdout != NULL && log->has_amount)
        status = mi_batch_number(batch, row, log->in.holdout_value, money, &sums.holdout_value, error);
    if (!status)
        status = mi_batch_date(batch, row, log->in.until, MI_FILLED, &until, error);
    if (!status)
        status = mi_batch_date(batch, row, log->in.holdout, 0, &holdout, error);
    if (!status && holdout != log->how.holdout)
        return mi_batch_fault(batch, row, log->in.holdout, error,
                              "the part was made with another --holdout than is given here");
    if (status)
        return status;
    struct mi_error reason = {0};
    status = mi_rfm_merge(log->rfm, id, &sums, until, &reason);
    if (status == MI_BAD_RECORD)
        return mi_batch_fault(batch, row, log->in.id, error, "%s", reason.text);
    if (status && error != NULL)
        *error = reason;
    return status;
}

/* ---- output ---- */

#define SLOTS_MOST 12

struct table {
    struct mi_writer *writer;
    size_t slots[SLOTS_MOST], count;
};

static enum mi_status declare(struct table *table, const char *name, struct mi_error *error) {
    return mi_writer_column(table->writer, name, &table->slots[table->count++], error);
}

static enum mi_status declare_columns(const struct log *log, struct table *table, struct mi_error *error) {
    const struct {
        const char *name;
        bool wanted;
    } result[] = {{"customer_id", true},
                  {"frequency", true},
                  {"recency", true},
                  {"T", true},
                  {"monetary_value", log->has_amount},
                  {"holdout_frequency", options.holdout != NULL},
                  {"holdout_value", options.holdout != NULL && log->has_amount},
                  {"holdout_T", options.holdout != NULL},
                  {NULL, false}},
      sums[] = {{"customer_id", true},
                {"first_date", true},
                {"last_date", true},
                {"purchase_days", true},
                {"first_value", log->has_amount},
                {"repeat_value", log->has_amount},
                {"holdout_days", options.holdout != NULL},
                {"holdout_value", options.holdout != NULL && log->has_amount},
                {"until", true},
                {"holdout", options.holdout != NULL},
                {NULL, false}};
    enum mi_status status = MI_OK;
    for (size_t i = 0; !status && (options.partial ? sums[i].name : result[i].name) != NULL; i++)
        if (options.partial ? sums[i].wanted : result[i].wanted)
            status = declare(table, options.partial ? sums[i].name : result[i].name, error);
    return status;
}

static void put_number(struct table *table, double value) {
    mi_writer_number(table->writer, table->slots[table->count++], value);
}

static void put_date(struct table *table, int32_t day) {
    if (day != MI_DATE_MISSING)
        mi_writer_date(table->writer, table->slots[table->count], day);
    table->count++;
}

static void put_customer(const struct log *log, struct table *table, const struct mi_rfm_row *row) {
    double unit = options.unit == 0 ? 1 : 7;
    put_number(table, row->customer.frequency);
    put_number(table, row->customer.recency / unit);
    put_number(table, row->customer.T / unit);
    if (log->has_amount)
        put_number(table, row->customer.monetary_value);
    if (options.holdout != NULL) {
        put_number(table, row->holdout_frequency);
        if (log->has_amount)
            put_number(table, row->holdout_value);
        put_number(table, row->holdout_T / unit);
    }
}

static void put_sums(const struct log *log, struct table *table, const struct mi_rfm_sums *sums,
                     int32_t until) {
    put_date(table, sums->first);
    put_date(table, sums->last);
    put_number(table, sums->days);
    if (log->has_amount) {
        put_number(table, sums->first_value);
        put_number(table, sums->repeat_value);
    }
    if (options.holdout != NULL)
        put_number(table, sums->holdout_days);
    if (options.holdout != NULL && log->has_amount)
        put_number(table, sums->holdout_value);
    put_date(table, until);
    if (options.holdout != NULL)
        put_date(table, log->how.holdout);
}

static enum mi_status write_rows(struct log *log, const struct mi_rfm_summary *summary,
                                 struct mi_error *error) {
    enum mi_status status = stream_output(&log->stream, false, error);
    struct table table = {.writer = log->stream.writer};
    if (!status)
        status = declare_columns(log, &table, error);
    for (size_t i = 0; i < mi_rfm_count(log->rfm) && !status; i++) {
        struct mi_rfm_row row;
        if (!mi_rfm_row(log->rfm, i, &row) && !options.partial)
            continue;
        table.count = 0;
        mi_writer_text(table.writer, table.slots[table.count++], row.customer_id);
        if (options.partial)
            put_sums(log, &table, &row.sums, summary->until);
        else
            put_customer(log, &table, &row);
        status = mi_writer_row(table.writer, NULL, 0, error);
    }
    return status;
}

static void say(const struct mi_rfm_summary *s) {
    char late[48];
    char until[16] = "no date";
    if (s->until != MI_DATE_MISSING)
        mi_date_format(s->until, until);
    detail("%llu rows, %zu customers, until %s", (unsigned long long)s->rows, s->customers, until);
    say_count(s->refunds, "negative amount", "negative amounts",
              options.refunds == 0 ? "taken off what was bought that day or before" : "left out");
    say_count(s->refunds_before_purchases, "day", "days",
              "with negative amounts only, before anything was bought: left out");
    snprintf(late, sizeof late, "after %s left out", until);
    say_count(s->late_rows, "row", "rows", late);
    if (options.partial)
        return;
    say_count(s->new_customers, "customer", "customers", "first seen in the holdout left out");
    say_count(s->without_purchases, "customer", "customers", "without a purchase left out");
}

static enum mi_status open_log(struct log *log, struct mi_error *error) {
    log->how.drop_refunds = options.refunds == 1;
    enum mi_status status = parse_day("until", options.until, &log->how.until, error);
    if (!status)
        status = parse_day("holdout", options.holdout, &log->how.holdout, error);
    if (!status)
        status = stream_open(&log->stream, false, error);
    if (!status)
        status = options.merge ? find_sum_columns(log, error) : find_log_columns(log, error);
    return status ? status : mi_rfm_new(&log->how, &log->rfm, error);
}

enum mi_status run_rfm(struct mi_error *error) {
    struct log log = {0};
    struct mi_rfm_summary summary = {0};
    enum mi_status status = open_log(&log, error);
    if (!status)
        status = stream_each_row(&log.stream, options.merge ? add_sums : add_transaction, &log, error);
    if (!status)
        status = mi_rfm_finish(log.rfm, &summary, error);
    /* A part may end before the holdout begins. */
    if (!status && !options.partial && summary.rows > 0 && options.holdout != NULL &&
        summary.until <= log.how.holdout)
        status = mi_error_set(error, MI_BAD_INPUT, "--holdout=%s: nothing comes after it", options.holdout);
    if (!status)
        status = write_rows(&log, &summary, error);
    if (!status)
        say(&summary);
    mi_rfm_free(log.rfm);
    return stream_close(&log.stream, status, error);
}
