/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Records into the store: predictions, outcomes, campaigns. One put a stream, all of it or nothing.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include "common/store.h"

#define LEDGER_METRICS 64

enum ledger_kind { LEDGER_PREDICTIONS, LEDGER_ACTUALS, LEDGER_CAMPAIGNS };

struct ledger_metric {
    char name[64];
    size_t value, low, high; /* columns */
};

struct ledger {
    enum ledger_kind kind;
    const char *metrics; /* --metric: names by commas, NULL: those that are there */
    const char *model;
    int32_t made;   /* where there is no prediction_date */
    double horizon; /* where there is no horizon_days; NaN: none */
    struct mi_store *store;
    struct ledger_metric list[LEDGER_METRICS];
    size_t count;
    size_t campaign, date, made_column, horizon_column, spend, model_column;
    size_t attributes[MI_STORE_ATTRIBUTES], daily_budget, min_budget, max_budget, auto_optimization;
    bool has_attributes;
    uint64_t outcomes[4];  /* by enum mi_put */
    uint64_t missing;      /* cells without a value */
    uint64_t budgets_kept; /* rows of predictions whose daily budget is not the store's */
    int32_t newest;        /* date of a row; MI_DATE_MISSING before the first */
};

/* Finds the columns; then each row goes into the put that is going on, ledger_row() being a row_function. */
enum mi_status ledger_find_columns(struct ledger *ledger, struct mi_reader *reader, struct mi_error *error);
enum mi_status ledger_row(void *ledger, struct stream *stream, const struct mi_batch *batch, size_t row,
                          struct mi_error *error);
/* Says what came of the rows. */
void ledger_say(const struct ledger *ledger);

#endif
