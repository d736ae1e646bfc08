/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An output of mi-simulate: columns are declared and filled in the same order.
 */
#ifndef SIMULATE_TABLE_H
#define SIMULATE_TABLE_H

#include "common/program.h"

#define COLUMN_LIMIT (24 + MI_BEHAVIOUR_MOST)

struct table {
    struct mi_writer *writer; /* NULL: not asked for */
    size_t slots[COLUMN_LIMIT];
    size_t count, next;
};

extern const char *const segment_columns[];

/* Declares columns; names ends with NULL. */
enum mi_status declare(struct table *table, const char *const *names, struct mi_error *error);
void put_text(struct table *table, const char *text);
void put_number(struct table *table, double number);
void put_date(struct table *table, int32_t date);
void put_truth_value(struct table *table, bool value);
void put_segment(struct table *table, const struct mi_simulated_segment *segment);
enum mi_status put_row(struct table *table, struct mi_error *error);

/* A file beside the output; path NULL: none. */
enum mi_status table_file(struct table *table, const char *path, struct mi_error *error);
/* Commits a file, or with a status that is not MI_OK takes it back; returns the final status. */
enum mi_status table_close(struct table *table, enum mi_status status, struct mi_error *error);

#endif
