/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads daily rows as series; see series.h.
 */
#include "roas/series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MEASURES_MOST 2

/* What one row says. */
struct day {
    size_t series, row;
    int32_t date;
    double value[MEASURES_MOST];
};

struct reading {
    struct series_set *set;
    const struct series_options *options;
    const struct measure *measures;
    size_t date, column[MEASURES_MOST];
    struct day *days;
    size_t count, capacity;
    size_t later; /* rows after the last day that counts */
};

/* ---- columns ---- */

static enum mi_status find_by(struct reading *r, struct mi_error *error) {
    struct series_set *set = r->set;
    if (!r->options->by) {
        enum mi_status status = mi_reader_column(set->reader, "campaign_id", false, &set->by[0], error);
        set->by_count = !status && set->by[0] != MI_NO_COLUMN;
        return status;
    }
    char *names = mi_text_copy(mi_text_of(r->options->by)), *rest = NULL;
    enum mi_status status = names ? MI_OK : no_memory(error);
    for (char *name = names ? strtok_r(names, ",", &rest) : NULL; name && !status;
         name = strtok_r(NULL, ",", &rest)) {
        if (set->by_count == BY_MOST)
            status = mi_error_set(error, MI_BAD_ARGUMENT, "option --by: %d columns at most", BY_MOST);
        else
            status = mi_reader_column(set->reader, name, true, &set->by[set->by_count++], error);
    }
    free(names);
    return status;
}

static enum mi_status find_columns(struct reading *r, struct mi_error *error) {
    enum mi_status status = find_by(r, error);
    if (!status)
        status = mi_reader_column(r->set->reader, "date", true, &r->date, error);
    for (size_t i = 0; i < r->set->measures && !status; i++)
        status = mi_reader_column(r->set->reader, r->measures[i].column, true, &r->column[i], error);
    return status;
}

/* ---- rows ---- */

/* The texts of the columns that tell series apart as one text; a unit separator cannot be in a record's text
 * without being meant. malloc'ed. */
static enum mi_status name_of(const struct series_set *set, const struct mi_batch *batch, size_t row,
                              const size_t *by, struct mi_text *name, struct mi_error *error) {
    char *text = NULL;
    size_t size = 0;
    for (size_t i = 0; i < set->by_count; i++) {
        struct mi_text part;
        enum mi_status status = mi_batch_id(batch, row, by[i], &part, error);
        char *grown = status ? NULL : realloc(text, size + part.size + 1);
        if (!grown) {
            free(text);
            return status ? status : no_memory(error);
        }
        text = grown;
        memcpy(text + size, part.data, part.size);
        size += part.size;
        text[size++] = '\x1f';
    }
    *name = (struct mi_text){text, size};
    return MI_OK;
}

static enum mi_status grow(struct reading *r, struct mi_error *error) {
    struct day *days = mi_array_room(r->days, r->count, &r->capacity, sizeof *days);
    if (!days)
        return no_memory(error);
    r->days = days;
    return MI_OK;
}

static enum mi_status read_row(struct reading *r, size_t row, struct mi_error *error) {
    const struct mi_batch *batch = r->set->batch;
    struct mi_text name = {0};
    enum mi_status status = grow(r, error);
    if (status)
        return status;
    struct day *day = &r->days[r->count];
    *day = (struct day){.row = row};
    status = mi_batch_date(batch, row, r->date, MI_FILLED, &day->date, error);
    for (size_t i = 0; i < r->set->measures && !status; i++)
        status = mi_batch_number(batch, row, r->column[i], r->measures[i].rules, &day->value[i], error);
    if (!status)
        status = name_of(r->set, batch, row, r->set->by, &name, error);
    if (!status)
        status = mi_index_add(r->set->names, name, &day->series, NULL, error);
    free((char *)name.data);
    r->count += status ? 0 : 1;
    return status;
}

static enum mi_status read_rows(struct reading *r, struct mi_error *error) {
    struct mi_batch *batch;
    enum mi_status status = mi_reader_next(r->set->reader, &batch, error);
    if (status)
        return status == MI_END ? MI_OK : status;
    r->set->batch = batch;
    for (size_t row = 0; row < mi_batch_rows(batch) && !status; row++) {
        status = read_row(r, row, error);
        if (status)
            status = mi_reader_reject(r->set->reader, batch, row, error);
    }
    return status;
}

/* ---- days ---- */

static int compare_days(const void *a, const void *b) {
    const struct day *x = a, *y = b;
    if (x->series != y->series)
        return x->series < y->series ? -1 : 1;
    if (x->date != y->date)
        return x->date < y->date ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* A second row of a day: added, or an error. */
static enum mi_status second_row(struct reading *r, struct day *first, const struct day *second,
                                 struct mi_error *error) {
    char date[11];
    if (r->options->duplicates == DUPLICATES_SUM) {
        for (size_t i = 0; i < r->set->measures; i++)
            first->value[i] = isnan(first->value[i])    ? second->value[i]
                              : isnan(second->value[i]) ? first->value[i]
                                                        : first->value[i] + second->value[i];
        return MI_OK;
    }
    mi_date_format(first->date, date);
    mi_batch_fault(r->set->batch, second->row, r->date, error,
                   "%s stands twice in one series, first in line %llu (--duplicates=sum adds them up)", date,
                   (unsigned long long)mi_batch_line(r->set->batch, first->row));
    return mi_reader_reject(r->set->reader, r->set->batch, second->row, error);
}

static enum mi_status merge_days(struct reading *r, struct mi_error *error) {
    size_t kept = 0;
    enum mi_status status = MI_OK;
    if (r->count > 0)
        qsort(r->days, r->count, sizeof *r->days, compare_days);
    for (size_t i = 0; i < r->count && !status; i++) {
        struct day *before = kept > 0 ? &r->days[kept - 1] : NULL;
        if (before && before->series == r->days[i].series && before->date == r->days[i].date)
            status = second_row(r, before, &r->days[i], error);
        else
            r->days[kept++] = r->days[i];
    }
    r->count = kept;
    return status;
}

static enum mi_status find_end(struct reading *r, struct mi_error *error) {
    struct series_set *set = r->set;
    set->end = MI_DATE_MISSING;
    if (r->options->as_of && !mi_date_parse(mi_text_of(r->options->as_of), &set->end))
        return mi_error_set(error, MI_BAD_ARGUMENT, "option --as-of: not a date: \"%s\"", r->options->as_of);
    for (size_t i = 0; i < r->count; i++)
        if (!r->options->as_of && r->days[i].date > set->end)
            set->end = r->days[i].date;
    return MI_OK;
}

/* ---- series ---- */

static enum mi_status fill(struct reading *r, struct one_series *series, const struct day *days, size_t count,
                           struct mi_error *error) {
    struct series_set *set = r->set;
    int32_t first = days[0].date;
    if (set->end - first >= SERIES_DAYS_MOST)
        first = set->end - SERIES_DAYS_MOST + 1;
    series->days = (size_t)(set->end - first) + 1;
    series->values = calloc(set->measures, sizeof *series->values);
    if (!series->values)
        return no_memory(error);
    for (size_t m = 0; m < set->measures; m++) {
        double *values = series->values[m] = malloc(series->days * sizeof *values);
        if (!values)
            return no_memory(error);
        for (size_t t = 0; t < series->days; t++)
            values[t] = r->options->gaps == GAPS_ZERO ? 0 : NAN;
        for (size_t i = 0; i < count; i++)
            if (days[i].date >= first)
                values[days[i].date - first] = days[i].value[m];
    }
    for (size_t t = 0; t < series->days; t++)
        series->known += isnan(series->values[0][t]) ? 0 : 1;
    series->last = days[count - 1].date;
    return MI_OK;
}

/* The series in order of first appearance; one whose rows all come after the last day is left out. */
static enum mi_status make_series(struct reading *r, struct mi_error *error) {
    struct series_set *set = r->set;
    enum mi_status status = MI_OK;
    set->items = calloc(mi_index_size(set->names) + 1, sizeof *set->items);
    if (!set->items)
        return no_memory(error);
    set->count = mi_index_size(set->names);
    for (size_t from = 0, to; from < r->count && !status; from = to) {
        size_t count = 0, row = r->days[from].row;
        for (to = from; to < r->count && r->days[to].series == r->days[from].series; to++) {
            if (r->days[to].row < row)
                row = r->days[to].row;
            count += r->days[to].date <= set->end ? 1 : 0;
        }
        r->later += to - from - count;
        struct one_series *series = &set->items[r->days[from].series];
        *series = (struct one_series){.row = row, .last = MI_DATE_MISSING};
        if (count > 0)
            status = fill(r, series, r->days + from, count, error);
    }
    return status;
}

enum mi_status series_read(struct series_set *set, struct stream *stream,
                           const struct series_options *options, const struct measure *measures,
                           size_t measure_count, struct mi_error *error) {
    struct reading r = {.set = set, .options = options, .measures = measures};
    set->measures = measure_count;
    enum mi_status status = stream_open(stream, true, error);
    set->reader = stream->reader;
    if (!status)
        status = find_columns(&r, error);
    if (!status)
        status = mi_index_new(&set->names, error);
    if (!status)
        status = read_rows(&r, error);
    if (!status)
        status = merge_days(&r, error);
    if (!status)
        status = find_end(&r, error);
    if (!status)
        status = make_series(&r, error);
    free(r.days);
    if (!status && r.later > 0)
        note("rows after %s, left out: %zu", options->as_of, r.later);
    return status;
}

void series_free(struct series_set *set) {
    for (size_t i = 0; i < set->count; i++) {
        for (size_t m = 0; set->items[i].values && m < set->measures; m++)
            free(set->items[i].values[m]);
        free(set->items[i].values);
    }
    free(set->items);
    mi_index_free(set->names);
}

/* ---- output ---- */

enum mi_status series_output(const struct series_set *set, struct stream *stream, struct mi_error *error) {
    enum mi_status status = stream_output(stream, true, error);
    for (size_t c = 0; c < mi_reader_column_count(stream->reader) && !status; c++) {
        bool passes = false;
        for (size_t i = 0; i < set->by_count; i++)
            passes |= set->by[i] == c;
        if (!passes)
            status = mi_writer_drop(stream->writer, c, error);
    }
    return status;
}

enum mi_status series_find(const struct series_set *set, const struct mi_batch *batch, size_t row,
                           const size_t *by, size_t *number, struct mi_error *error) {
    struct mi_text name = {0};
    enum mi_status status = name_of(set, batch, row, by, &name, error);
    *number = status ? SIZE_MAX : mi_index_find(set->names, name);
    free((char *)name.data);
    return status;
}
