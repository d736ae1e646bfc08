/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of curves.
 */
#include "common/curves.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum mi_status curve_table_parse(const struct mi_batch *batch, size_t row, size_t column, struct mi_text text,
                                 struct mi_curve *curve, struct mi_error *error) {
    struct mi_error reason = {0};
    enum mi_status status = mi_curve_parse(text, curve, &reason);
    if (status == MI_BAD_RECORD)
        return mi_batch_fault(batch, row, column, error, "%s", reason.text);
    return status ? mi_error_set(error, status, "%s", reason.text) : MI_OK;
}

enum mi_status curve_table_covariance(const struct mi_batch *batch, size_t row, size_t column,
                                      const struct mi_curve *curve, double *triangle, bool *known,
                                      struct mi_error *error) {
    struct mi_text text;
    struct mi_error reason = {0};
    *known = false;
    enum mi_status status = mi_batch_text(batch, row, column, &text, error);
    if (status || !text.data || text.size == 0)
        return status;
    status = mi_curve_covariance_parse(text, curve, triangle, &reason);
    *known = status == MI_OK;
    return status ? mi_batch_fault(batch, row, column, error, "%s", reason.text) : MI_OK;
}

enum mi_status curve_table_adstock(const struct mi_batch *batch, size_t row, size_t column, double *rate,
                                   struct mi_error *error) {
    enum mi_status status = mi_batch_number(batch, row, column, MI_ANY, rate, error);
    if (!status && !isnan(*rate) && !(*rate >= 0 && *rate < 1))
        status = mi_batch_fault(batch, row, column, error, "a rate of carry-over is 0 to below 1");
    return status;
}

enum mi_status curve_facts_find(struct mi_reader *reader, struct curve_facts *facts, struct mi_error *error) {
    const struct {
        const char *name;
        size_t *column;
    } wanted[] = {
        {"curve_cov", &facts->covariance},        {"curve_spend_max", &facts->spend_max},
        {"curve_dispersion", &facts->dispersion}, {"incrementality", &facts->incrementality},
        {"curve_adstock", &facts->adstock},
    };
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0] && !status; i++)
        status = mi_reader_column(reader, wanted[i].name, false, wanted[i].column, error);
    return status;
}

static enum mi_status read_row(struct curve_table *table, size_t row, size_t column, struct mi_error *error) {
    struct mi_text text;
    double spend_max, triangle[MI_CURVE_COVARIANCE_LIMIT];
    bool known;
    enum mi_status status = mi_batch_id(table->batch, row, column, &text, error);
    if (!status)
        status = curve_table_parse(table->batch, row, column, text, &table->curves[row], error);
    if (!status)
        status = curve_table_covariance(table->batch, row, table->facts.covariance, &table->curves[row],
                                        triangle, &known, error);
    return status ? status
                  : mi_batch_number(table->batch, row, table->facts.spend_max, MI_MONEY, &spend_max, error);
}

enum mi_status curve_table_read(struct curve_table *table, const char *path, struct mi_text content,
                                struct mi_error *error) {
    size_t id, curve;
    enum mi_status status = table_open_content(path, content, &table->reader, &table->batch, error);
    if (!status)
        status = mi_reader_column(table->reader, "campaign_id", true, &id, error);
    if (!status)
        status = mi_reader_column(table->reader, "curve", true, &curve, error);
    if (!status)
        status = curve_facts_find(table->reader, &table->facts, error);
    if (!status)
        status = mi_batch_index(table->batch, id, &table->ids, error);
    if (status)
        return status;
    table->pooled = mi_index_find(table->ids, mi_text_of("*"));
    table->curves = calloc(mi_batch_rows(table->batch) + 1, sizeof *table->curves);
    if (!table->curves)
        return no_memory(error);
    for (size_t row = 0; row < mi_batch_rows(table->batch) && !status; row++)
        status = read_row(table, row, curve, error);
    return status;
}

void curve_table_free(struct curve_table *table) {
    for (size_t row = 0; table->curves && row < mi_batch_rows(table->batch); row++)
        mi_curve_clear(&table->curves[row]);
    free(table->curves);
    mi_index_free(table->ids);
    mi_reader_close(table->reader);
}

/* ---- its columns in a stream ---- */

static enum mi_status carry(struct curve_columns *columns, struct stream *stream, const char *name,
                            struct mi_error *error) {
    if (columns->count == CURVE_COLUMNS_MOST)
        return mi_error_set(error, MI_BAD_INPUT, "%s: more than %d columns that begin with 'curve'",
                            mi_reader_name(columns->table->reader), CURVE_COLUMNS_MOST);
    size_t i = columns->count++;
    enum mi_status status =
        mi_reader_column(stream->reader, name, false, &columns->items[i].in_stream, error);
    if (!status)
        status = mi_reader_column(columns->table->reader, name, false, &columns->items[i].in_table, error);
    return status ? status : mi_writer_column(stream->writer, name, &columns->items[i].slot, error);
}

static bool begins_with(struct mi_text name, const char *start) {
    return name.size >= strlen(start) && memcmp(name.data, start, strlen(start)) == 0;
}

enum mi_status curve_columns_open(struct curve_columns *columns, const struct curve_table *table,
                                  struct stream *stream, struct mi_error *error) {
    *columns = (struct curve_columns){.table = table};
    enum mi_status status = carry(columns, stream, "curve", error);
    if (!status)
        status = carry(columns, stream, "curve_cov", error);
    for (size_t i = 0; i < mi_reader_column_count(table->reader) && !status; i++) {
        struct mi_text name = mi_reader_column_name(table->reader, i);
        if (!begins_with(name, "curve_") && !begins_with(name, "incrementality"))
            continue;
        if (mi_text_equal(name, mi_text_of("curve_cov")))
            continue;
        char *copy = mi_text_copy(name);
        status = copy ? carry(columns, stream, copy, error) : no_memory(error);
        free(copy);
    }
    return status;
}

enum mi_status curve_columns_set(const struct curve_columns *columns, struct stream *stream,
                                 const struct mi_batch *batch, size_t row, size_t table_row,
                                 struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < columns->count && !status; i++) {
        struct mi_text text;
        status = table_row == SIZE_MAX ? mi_batch_text(batch, row, columns->items[i].in_stream, &text, error)
                                       : mi_batch_text(columns->table->batch, table_row,
                                                       columns->items[i].in_table, &text, error);
        if (!status)
            write_cell(stream->writer, columns->items[i].slot, text);
    }
    return status;
}
