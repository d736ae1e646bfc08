/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Dates of holidays; see holidays.h.
 */
#include "roas/holidays.h"

#include <stdlib.h>

static int compare_dates(const void *left, const void *right) {
    const struct mi_holiday *a = left, *b = right;
    return (a->date > b->date) - (a->date < b->date);
}

static enum mi_status read_row(struct holidays *holidays, struct mi_index *names,
                               const struct mi_batch *batch, size_t row, size_t date_column,
                               size_t name_column, struct mi_error *error) {
    struct mi_holiday *holiday = &holidays->items[row];
    struct mi_text name = {NULL, 0};
    char date[16];
    bool added;
    enum mi_status status = mi_batch_date(batch, row, date_column, MI_FILLED, &holiday->date, error);
    if (!status && name_column != MI_NO_COLUMN)
        status = mi_batch_text(batch, row, name_column, &name, error);
    if (status)
        return status;
    mi_date_format(holiday->date, date);
    return mi_index_add(names, name.data ? name : mi_text_of(date + 5), &holiday->name, &added, error);
}

/* Each date once: of two holidays on one day there is one effect. */
static enum mi_status check_dates(struct holidays *holidays, const char *path, struct mi_error *error) {
    char date[16];
    if (holidays->count > 0)
        qsort(holidays->items, holidays->count, sizeof *holidays->items, compare_dates);
    for (size_t i = 1; i < holidays->count; i++)
        if (holidays->items[i].date == holidays->items[i - 1].date) {
            mi_date_format(holidays->items[i].date, date);
            return mi_error_set(error, MI_BAD_INPUT, "%s: %s stands twice (a day is one holiday)", path,
                                date);
        }
    return MI_OK;
}

enum mi_status holidays_read(struct holidays *holidays, const char *path, struct mi_error *error) {
    struct mi_reader *reader = NULL;
    struct mi_batch *batch = NULL;
    struct mi_index *names = NULL;
    size_t date, name;
    enum mi_status status = table_open(path, &reader, &batch, error);
    if (!status)
        status = mi_reader_column(reader, "date", true, &date, error);
    if (!status)
        status = mi_reader_column(reader, "holiday", false, &name, error);
    if (!status)
        status = mi_index_new(&names, error);
    if (!status) {
        holidays->items = calloc(mi_batch_rows(batch) + 1, sizeof *holidays->items);
        status = holidays->items ? MI_OK : no_memory(error);
    }
    for (size_t row = 0; !status && row < mi_batch_rows(batch); row++) {
        status = read_row(holidays, names, batch, row, date, name, error);
        holidays->count = row + 1;
    }
    mi_index_free(names);
    mi_reader_close(reader);
    return status ? status : check_dates(holidays, path, error);
}

void holidays_free(struct holidays *holidays) {
    free(holidays->items);
}
