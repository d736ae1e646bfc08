/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Transaction logs: customer_id, date and, where there, amount and currency.
 */
#ifndef LTV_LOG_H
#define LTV_LOG_H

#include "common/program.h"

struct transaction_columns {
    size_t id, date, amount, currency;
    bool has_amount;
    int32_t today, until; /* until missing: a date after today is an error */
    char first_currency[32];
};

enum mi_status transaction_columns_find(struct mi_reader *reader, int32_t until, bool amount,
                                        struct transaction_columns *columns, struct mi_error *error);
/* Adds a row of the log. */
enum mi_status transaction_add(struct mi_rfm *rfm, struct transaction_columns *columns,
                               const struct mi_batch *batch, size_t row, struct mi_error *error);

/* Reads a whole log with amounts that is joined to the users by customer_id, negative amounts taken off, and
 * says what of it was left out. until missing: its newest date. */
enum mi_status log_read(const char *path, int32_t until, struct mi_rfm **rfm, struct mi_error *error);

/* A day that an option names; missing where text is NULL. */
enum mi_status parse_day(const char *option, const char *text, int32_t *day, struct mi_error *error);

/* "1 customer who", "2 customers who"; nothing where the number is 0. */
void say_count(uint64_t number, const char *one, const char *many, const char *what);

#endif
