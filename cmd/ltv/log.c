/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading of transaction logs.
 */
#include "ltv/log.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define STALE_DAYS 7 /* a log that ends so long before the day that counts most likely lacks rows */

enum mi_status parse_day(const char *option, const char *text, int32_t *day, struct mi_error *error) {
    *day = MI_DATE_MISSING;
    if (text != NULL && !mi_date_parse(mi_text_of(text), day))
        return mi_error_set(error, MI_BAD_ARGUMENT, "--%s: not a date: \"%s\" (as 2026-11-24)", option, text);
    return MI_OK;
}

enum mi_status transaction_columns_find(struct mi_reader *reader, int32_t until, bool amount,
                                        struct transaction_columns *columns, struct mi_error *error) {
    *columns = (struct transaction_columns){.today = (int32_t)(time(NULL) / 86400), .until = until};
    enum mi_status status = mi_reader_column(reader, "customer_id", true, &columns->id, error);
    if (!status)
        status = mi_reader_column(reader, "date", true, &columns->date, error);
    if (!status)
        status = mi_reader_column(reader, "amount", amount, &columns->amount, error);
    if (!status)
        status = mi_reader_column(reader, "currency", false, &columns->currency, error);
    columns->has_amount = columns->amount != MI_NO_COLUMN;
    return status;
}

/* One currency only: amounts of two do not add up. */
static enum mi_status check_currency(struct transaction_columns *columns, const struct mi_batch *batch,
                                     size_t row, struct mi_error *error) {
    struct mi_text text;
    char *first = columns->first_currency;
    enum mi_status status = mi_batch_id(batch, row, columns->currency, &text, error);
    if (status)
        return status;
    if (first[0] == '\0') {
        size_t most = sizeof columns->first_currency - 1, size = text.size < most ? text.size : most;
        memcpy(first, text.data, size);
        first[size] = '\0';
    }
    if (!mi_text_equal(text, mi_text_of(first)))
        return mi_batch_fault(batch, row, columns->currency, error,
                              "\"%.*s\", and before it \"%s\": amounts of two currencies do not add up",
                              (int)(text.size < 40 ? text.size : 40), text.data, first);
    return MI_OK;
}

enum mi_status transaction_add(struct mi_rfm *rfm, struct transaction_columns *columns,
                               const struct mi_batch *batch, size_t row, struct mi_error *error) {
    struct mi_text id;
    int32_t day;
    double amount = NAN;
    enum mi_status status = mi_batch_id(batch, row, columns->id, &id, error);
    if (!status)
        status = mi_batch_date(batch, row, columns->date, MI_FILLED, &day, error);
    if (!status && columns->has_amount)
        status =
            mi_batch_number(batch, row, columns->amount, MI_FILLED | MI_MONEY | MI_SIGNED, &amount, error);
    if (!status && columns->currency != MI_NO_COLUMN)
        status = check_currency(columns, batch, row, error);
    if (!status && day > columns->today && columns->until == MI_DATE_MISSING)
        return mi_batch_fault(batch, row, columns->date, error,
                              "in the future: T would end there (say --until to leave such rows out)");
    return status ? status : mi_rfm_add(rfm, id, day, amount, error);
}

void say_count(uint64_t number, const char *one, const char *many, const char *what) {
    if (number > 0)
        note("%llu %s %s", (unsigned long long)number, number == 1 ? one : many, what);
}

static void say_log(const struct mi_rfm_summary *s, int32_t newest) {
    char late[64], until[16] = "no date", last[16];
    if (s->until != MI_DATE_MISSING)
        mi_date_format(s->until, until);
    detail("log: %llu rows, %zu customers, until %s", (unsigned long long)s->rows, s->customers, until);
    say_count(s->refunds, "negative amount of the log", "negative amounts of the log",
              "taken off what was bought that day or before");
    snprintf(late, sizeof late, "after %s left out", until);
    say_count(s->late_rows, "row of the log", "rows of the log", late);
    if (newest != MI_DATE_MISSING && s->until - newest > STALE_DAYS) {
        mi_date_format(newest, last);
        note("the log ends on %s: taken as if nobody bought from then to %s", last, until);
    }
}

static enum mi_status add_rows(struct mi_reader *reader, struct mi_rfm *rfm,
                               struct transaction_columns *columns, int32_t *newest, struct mi_error *error) {
    struct mi_batch *batch;
    enum mi_status status;
    while ((status = mi_reader_next(reader, &batch, error)) == MI_OK) {
        for (size_t row = 0; row < mi_batch_rows(batch); row++) {
            int32_t day = MI_DATE_MISSING;
            status = transaction_add(rfm, columns, batch, row, error);
            if (!status && !(status = mi_batch_date(batch, row, columns->date, MI_FILLED, &day, error)))
                *newest = day > *newest ? day : *newest;
            if (status)
                return status == MI_BAD_RECORD ? MI_BAD_INPUT : status;
        }
    }
    return status == MI_END ? MI_OK : status;
}

enum mi_status log_read(const char *path, int32_t until, struct mi_rfm **rfm, struct mi_error *error) {
    const struct mi_rfm_options how = {.until = until, .holdout = MI_DATE_MISSING};
    struct mi_reader_options reading = common_reading();
    struct mi_reader *reader = NULL;
    struct transaction_columns columns;
    struct mi_rfm_summary summary = {0};
    int32_t newest = MI_DATE_MISSING;
    if (strcmp(path, "-") == 0 && (common.input == NULL || strcmp(common.input, "-") == 0))
        return mi_error_set(error, MI_BAD_ARGUMENT, "the log and the users cannot both be read from stdin");
    enum mi_status status = mi_rfm_new(&how, rfm, error);
    if (!status)
        status = mi_reader_open(path, &reading, &reader, error);
    if (!status)
        status = transaction_columns_find(reader, until, true, &columns, error);
    if (!status)
        status = add_rows(reader, *rfm, &columns, &newest, error);
    if (!status)
        status = mi_rfm_finish(*rfm, &summary, error);
    if (!status && summary.customers == 0)
        status = mi_error_set(error, MI_BAD_INPUT, "%s: nobody bought anything%s", path,
                              summary.late_rows > 0 ? " until the day that counts" : "");
    if (!status)
        say_log(&summary, newest);
    mi_reader_close(reader);
    return status;
}
