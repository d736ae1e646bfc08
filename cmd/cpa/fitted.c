/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What fit and price have in common: the columns of a fitted curve, and one currency.
 */
#include "cpa/cpa.h"

#include <stdio.h>
#include <stdlib.h>

enum mi_status check_currency(const struct mi_batch *batch, size_t row, size_t column, char **currency,
                              struct mi_error *error) {
    struct mi_text text;
    enum mi_status status = mi_batch_text(batch, row, column, &text, error);
    if (status || column == MI_NO_COLUMN)
        return status;
    if (!text.data)
        text = mi_text_of("");
    if (!*currency)
        *currency = mi_text_copy(text);
    if (!*currency)
        return no_memory(error);
    if (!mi_text_equal(text, mi_text_of(*currency)))
        return mi_batch_fault(batch, row, column, error, "\"%.*s\" after \"%.20s\": one currency a portfolio",
                              text.size > 20 ? 20 : (int)text.size, text.data, *currency);
    return MI_OK;
}

enum {
    OUT_ID,
    OUT_CURVE,
    OUT_COV,
    OUT_SPEND_MIN,
    OUT_SPEND_MAX,
    OUT_DISPERSION,
    OUT_ASOF,
    OUT_FAMILY,
    OUT_N,
    OUT_OUTLIERS,
    OUT_ERROR,
    OUT_AICC,
    OUT_WEIGHT_LEVEL,
    OUT_WEIGHT_SHAPE,
    OUT_STATUS,
    OUT_NOTE
};

static const char *const out_names[FITTED_COLUMNS] = {
    "campaign_id",
    "curve",
    "curve_cov",
    "curve_spend_min",
    "curve_spend_max",
    "curve_dispersion",
    "curve_asof",
    "family",
    "n",
    "n_outliers",
    "error",
    "aicc",
    "weight_level",
    "weight_shape",
    "status",
    "note",
};

enum mi_status fitted_declare(struct mi_writer *writer, size_t slots[FITTED_COLUMNS],
                              struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < FITTED_COLUMNS && !status; i++)
        status = mi_writer_column(writer, out_names[i], &slots[i], error);
    return status;
}

static size_t format_covariance(const struct mi_curve_fit_row *row, char *text) {
    size_t used = 0;
    for (size_t i = 0; i < row->covariance_count; i++) {
        if (i > 0)
            text[used++] = ' ';
        used += mi_number_format(row->covariance[i], text + used);
    }
    return used;
}

enum mi_status fitted_set(struct mi_writer *writer, const size_t slots[FITTED_COLUMNS],
                          const struct mi_curve_fit_row *row, struct fitted_texts *texts,
                          struct mi_error *error) {
    texts->curve = mi_curve_format(&row->curve);
    if (!texts->curve)
        return no_memory(error);
    mi_writer_text(writer, slots[OUT_ID], row->campaign_id);
    mi_writer_text(writer, slots[OUT_CURVE], mi_text_of(texts->curve));
    mi_writer_text(writer, slots[OUT_COV],
                   (struct mi_text){texts->covariance, format_covariance(row, texts->covariance)});
    mi_writer_number(writer, slots[OUT_SPEND_MIN], row->spend_min);
    mi_writer_number(writer, slots[OUT_SPEND_MAX], row->spend_max);
    mi_writer_number(writer, slots[OUT_DISPERSION], row->dispersion);
    if (row->asof != MI_DATE_MISSING)
        mi_writer_date(writer, slots[OUT_ASOF], row->asof);
    mi_writer_text(writer, slots[OUT_FAMILY], mi_text_of(mi_curve_family_name(row->curve.family)));
    mi_writer_number(writer, slots[OUT_N], (double)row->n);
    mi_writer_number(writer, slots[OUT_OUTLIERS], (double)row->n_outliers);
    mi_writer_number(writer, slots[OUT_ERROR], row->error);
    mi_writer_number(writer, slots[OUT_AICC], row->aicc);
    mi_writer_number(writer, slots[OUT_WEIGHT_LEVEL], row->weight_level);
    mi_writer_number(writer, slots[OUT_WEIGHT_SHAPE], row->weight_shape);
    mi_writer_text(writer, slots[OUT_STATUS], mi_text_of(mi_curve_fit_status_name(row->status)));
    if (row->note[0])
        mi_writer_text(writer, slots[OUT_NOTE], mi_text_of(row->note));
    return MI_OK;
}

void fitted_explain(const struct mi_curve_fit_row *row, bool pooled) {
    if (!row->note[0])
        return;
    if (pooled)
        detail("%s: %s", mi_curve_family_name(row->curve.family), row->note);
    else if (row->status == MI_CURVE_FIT_PORTFOLIO && row->n > 0)
        detail("campaign '%s': %s: its rows do not identify a curve, so the shape is the portfolio's",
               row->campaign_id.data, row->note);
    else
        detail("campaign '%s': %s: %s", row->campaign_id.data, mi_curve_fit_status_name(row->status),
               row->note);
}

enum mi_status blame_rows(const struct mi_reader *reader, enum mi_status status,
                          const struct mi_error *reason, struct mi_error *error) {
    if (error) {
        *error = *reason;
        snprintf(error->file, sizeof error->file, "%s", mi_reader_name(reader));
        if (reason->line > 0)
            mi_error_set(error, status, "%s (--duplicates=sum adds them up)", reason->text);
    }
    return status;
}
