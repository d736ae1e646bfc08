/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sub-commands of mi-cpa.
 */
#ifndef CPA_CPA_H
#define CPA_CPA_H

#include "common/curves.h"
#include "common/program.h"

/* A column that a sub-command reads or writes. */
struct wanted {
    const char *name;
    bool required;
    size_t *column;
};

enum mi_status find_wanted(struct mi_reader *reader, const struct wanted *wanted, size_t count,
                           struct mi_error *error);

/* The columns of a fitted curve, as fit writes them. */
#define FITTED_COLUMNS 16
enum mi_status fitted_declare(struct mi_writer *writer, size_t slots[FITTED_COLUMNS], struct mi_error *error);
struct fitted_texts { /* live until the row is written; curve is to be freed then */
    char *curve, covariance[MI_CURVE_COVARIANCE_MOST * (MI_NUMBER_LENGTH + 1)];
};
enum mi_status fitted_set(struct mi_writer *writer, const size_t slots[FITTED_COLUMNS],
                          const struct mi_curve_fit_row *row, struct fitted_texts *texts,
                          struct mi_error *error);

/* Says with -v what a row's note means. */
void fitted_explain(const struct mi_curve_fit_row *row, bool pooled);

/* Money is in one currency: where a column names it, all rows must agree with the first, *currency. */
enum mi_status check_currency(const struct mi_batch *batch, size_t row, size_t column, char **currency,
                              struct mi_error *error);

/* What a fit found wrong with its rows, as the trouble of the input that they were read from. */
enum mi_status blame_rows(const struct mi_reader *reader, enum mi_status status,
                          const struct mi_error *reason, struct mi_error *error);

extern const struct option_spec predict_table[], fit_table[], price_table[];
extern const char predict_details[], fit_details[], price_details[];

enum mi_status run_predict(struct mi_error *error);
enum mi_status run_fit(struct mi_error *error);
enum mi_status run_price(struct mi_error *error);

#endif
