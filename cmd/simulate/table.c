/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Columns and rows of an output, see table.h.
 */
#include "simulate/table.h"

const char *const segment_columns[] = {"ad_network", "targeting_strategy", "geo", "creative_format", NULL};

enum mi_status declare(struct table *table, const char *const *names, struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t i = 0; names[i] != NULL && status == MI_OK; i++) {
        status = mi_writer_column(table->writer, names[i], &table->slots[table->count++], error);
    }
    return status;
}

void put_text(struct table *table, const char *text) {
    mi_writer_text(table->writer, table->slots[table->next++], mi_text_of(text));
}

void put_number(struct table *table, double number) {
    mi_writer_number(table->writer, table->slots[table->next++], number);
}

void put_date(struct table *table, int32_t date) {
    mi_writer_date(table->writer, table->slots[table->next++], date);
}

void put_truth_value(struct table *table, bool value) {
    put_text(table, value ? "true" : "false");
}

void put_segment(struct table *table, const struct mi_simulated_segment *segment) {
    put_text(table, segment->ad_network);
    put_text(table, segment->targeting_strategy);
    put_text(table, segment->geo);
    put_text(table, segment->creative_format);
}

enum mi_status put_row(struct table *table, struct mi_error *error) {
    table->next = 0;
    return mi_writer_row(table->writer, NULL, 0, error);
}

enum mi_status table_file(struct table *table, const char *path, struct mi_error *error) {
    if (path == NULL) {
        return MI_OK;
    }
    struct mi_writer_options writer = {.format = (enum mi_format)common.output_format};
    return mi_writer_open(path, NULL, &writer, &table->writer, error);
}

enum mi_status table_close(struct table *table, enum mi_status status, struct mi_error *error) {
    if (table->writer != NULL && status == MI_OK) {
        status = mi_writer_close(table->writer, error);
    } else if (table->writer != NULL) {
        mi_writer_abort(table->writer);
    }
    table->writer = NULL;
    return status;
}
