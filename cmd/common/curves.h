/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of curves that -c FILE names, as mi-cpa fit writes it: one row a campaign, read whole and
 * checked.
 */
#ifndef CURVES_H
#define CURVES_H

#include "common/program.h"

/* The columns that go with a curve; MI_NO_COLUMN where one is not there. */
struct curve_facts {
    size_t covariance, spend_max, dispersion, incrementality, adstock;
};
enum mi_status curve_facts_find(struct mi_reader *reader, struct curve_facts *facts, struct mi_error *error);

struct curve_table {
    struct mi_reader *reader;
    struct mi_batch *batch;
    struct mi_index *ids;    /* number = row */
    struct mi_curve *curves; /* by row */
    struct curve_facts facts;
    size_t pooled; /* row of the portfolio's curve, SIZE_MAX where there is none */
};

/* Reads campaign_id and curve of every row of a file, or of `content`, where it is not missing: then `path`
 * is for messages, and the content lives as long as the table. A campaign that is there twice, or a curve
 * that cannot be read, is an error. Zero-initialise before; curve_table_free() in any case. */
enum mi_status curve_table_read(struct curve_table *table, const char *path, struct mi_text content,
                                struct mi_error *error);
void curve_table_free(struct curve_table *table);

/* The curve that a cell's text says; what is wrong with it is the cell's fault. */
enum mi_status curve_table_parse(const struct mi_batch *batch, size_t row, size_t column, struct mi_text text,
                                 struct mi_curve *curve, struct mi_error *error);

/* What a cell of curve_cov says of this curve; *known: it is not empty. */
enum mi_status curve_table_covariance(const struct mi_batch *batch, size_t row, size_t column,
                                      const struct mi_curve *curve, double *triangle, bool *known,
                                      struct mi_error *error);

/* A cell of curve_adstock: 0 to below 1; NaN where it is empty. */
enum mi_status curve_table_adstock(const struct mi_batch *batch, size_t row, size_t column, double *rate,
                                   struct mi_error *error);

/* The columns of a curve (curve, curve_cov, then what else of the table begins with curve_ or incrementality)
 * as a stream gets them: from the table, or as they came where the row has a curve of its own. */
#define CURVE_COLUMNS_MOST 32

struct curve_columns {
    const struct curve_table *table;
    struct {
        size_t in_stream, in_table, slot;
    } items[CURVE_COLUMNS_MOST];
    size_t count;
};

/* Declares them; the output is open. */
enum mi_status curve_columns_open(struct curve_columns *columns, const struct curve_table *table,
                                  struct stream *stream, struct mi_error *error);
/* Sets them for a row; table_row SIZE_MAX: as they came. */
enum mi_status curve_columns_set(const struct curve_columns *columns, struct stream *stream,
                                 const struct mi_batch *batch, size_t row, size_t table_row,
                                 struct mi_error *error);

#endif
