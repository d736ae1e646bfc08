/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From the buffer to batches: scans the records that are there, checks them, takes bad ones out, and hands on
 * what each read() brought.
 */
#include <stdio.h>
#include <stdlib.h>

#include "record/fill.h"

enum { CELL_LIMIT = 1024 * 1024 /* cells of a batch that is not the whole input */ };

/* ---- rows ---- */

static enum mi_status reserve_row(struct mi_batch *batch, struct mi_error *error) {
    if (batch->count == batch->capacity) {
        size_t capacity = batch->capacity < 256 ? 256 : batch->capacity * 2;
        struct mi_row *rows = realloc(batch->rows, capacity * sizeof *rows);
        if (rows == NULL) {
            return mi_no_memory(error);
        }
        batch->rows = rows;
        batch->capacity = capacity;
    }
    size_t wanted = (batch->count + 1) * batch->stride;
    if (wanted > batch->cell_capacity) {
        size_t capacity = batch->cell_capacity * 2 > wanted ? batch->cell_capacity * 2 : wanted + 1024;
        struct mi_cell *cells = realloc(batch->cells, capacity * sizeof *cells);
        if (cells == NULL) {
            return mi_no_memory(error);
        }
        batch->cells = cells;
        batch->cell_capacity = capacity;
    }
    return MI_OK;
}

static void push_row(struct mi_reader *reader, const struct mi_scan *scan) {
    struct mi_batch *batch = &reader->batch;
    batch->rows[batch->count++] =
        (struct mi_row){(uint32_t)reader->start, (uint32_t)scan->size, reader->line};
}

/* Rows of the batch get more columns, absent in those that are there. */
static enum mi_status widen(struct mi_batch *batch, size_t stride, struct mi_error *error) {
    if (batch->count == 0) {
        batch->stride = stride;
        return MI_OK;
    }
    size_t wanted = (batch->count + 1) * stride;
    struct mi_cell *cells = malloc(wanted * sizeof *cells);
    if (cells == NULL) {
        return mi_no_memory(error);
    }
    for (size_t row = 0; row < batch->count; row++) {
        for (size_t column = 0; column < stride; column++) {
            cells[row * stride + column] = column < batch->stride ? batch->cells[row * batch->stride + column]
                                                                  : (struct mi_cell){MI_CELL_ABSENT, 0, 0};
        }
    }
    free(batch->cells);
    batch->cells = cells;
    batch->cell_capacity = wanted;
    batch->stride = stride;
    return MI_OK;
}

static enum mi_status row_of_fields(struct mi_reader *reader, const struct mi_scan *scan,
                                    struct mi_error *error) {
    const struct mi_cells *found = &reader->scanned;
    if (found->count != reader->column_count) {
        char text[160];
        snprintf(text, sizeof text, "%zu field%s, the header has %zu", found->count,
                 found->count == 1 ? "" : "s", reader->column_count);
        return mi_input_fault(reader, reader->line, error, MI_BAD_RECORD, text);
    }
    struct mi_batch *batch = &reader->batch;
    batch->stride = reader->column_count;
    enum mi_status status = reserve_row(batch, error);
    if (status == MI_OK) {
        memcpy(batch->cells + batch->count * batch->stride, found->items,
               found->count * sizeof *found->items);
        push_row(reader, scan);
    }
    return status;
}

/* The column of an NDJSON key; the key at the same place of the row before is tried first. */
static enum mi_status key_column(struct mi_reader *reader, size_t place, const struct mi_cell *key,
                                 size_t *column, struct mi_error *error) {
    struct mi_text raw = {reader->buffer + key->offset, key->size};
    if (place < reader->column_count && mi_text_equal(reader->columns[place].raw, raw)) {
        *column = place;
        return MI_OK;
    }
    struct mi_text name;
    if (!mi_decode_json(raw.data, raw.size, key->escaped, &reader->batch.texts, &name)) {
        return mi_no_memory(error);
    }
    *column = mi_index_find(reader->names, name);
    if (*column != SIZE_MAX && reader->columns[*column].raw.size > 0) {
        return MI_OK;
    }
    /* Not seen so far; it may have a place that --columns gave it. */
    if (mi_index_find(reader->absent, name) != SIZE_MAX) {
        char text[160];
        snprintf(text, sizeof text,
                 "key \"%.*s\" appears here for the first time: it must be there from the start",
                 name.size < 80 ? (int)name.size : 80, name.data);
        return mi_input_fault(reader, reader->line, error, MI_BAD_INPUT, text);
    }
    if (*column != SIZE_MAX) {
        return MI_OK;
    }
    *column = reader->column_count;
    return mi_reader_add_column(reader, name, raw, error);
}

static enum mi_status repeated_key(const struct mi_reader *reader, size_t column, struct mi_error *error) {
    struct mi_text name = reader->columns[column].name;
    char text[160];
    snprintf(text, sizeof text, "key \"%.*s\" stands twice", name.size < 80 ? (int)name.size : 80, name.data);
    return mi_input_fault(reader, reader->line, error, MI_BAD_RECORD, text);
}

static enum mi_status row_of_pairs(struct mi_reader *reader, const struct mi_scan *scan,
                                   struct mi_error *error) {
    struct mi_batch *batch = &reader->batch;
    struct mi_cells *found = &reader->scanned;
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < found->count && status == MI_OK; i += 2) {
        size_t column = 0;
        status = key_column(reader, i / 2, &found->items[i], &column, error);
        found->items[i].offset = (uint32_t)column; /* a key's cell is its column from here on */
    }
    if (status == MI_OK && reader->column_count > batch->stride) {
        status = widen(batch, reader->column_count + 8, error);
    }
    if (status == MI_OK) {
        status = reserve_row(batch, error);
    }
    if (status != MI_OK) {
        return status;
    }
    struct mi_cell *row = batch->cells + batch->count * batch->stride;
    for (size_t column = 0; column < batch->stride; column++) {
        row[column] = (struct mi_cell){MI_CELL_ABSENT, 0, 0};
    }
    for (size_t i = 0; i < found->count; i += 2) {
        size_t column = found->items[i].offset;
        if (row[column].offset != MI_CELL_ABSENT) {
            return repeated_key(reader, column, error);
        }
        row[column] = found->items[i + 1];
    }
    push_row(reader, scan);
    return MI_OK;
}

/* ---- bad records ---- */

/* A record that could not be scanned: with --rejects its first physical line goes to the file and reading
 * goes on behind it. */
static enum mi_status skip_bad(struct mi_reader *reader, struct mi_error *error) {
    const char *start = reader->buffer + reader->start;
    size_t left = reader->end - reader->start;
    const char *newline = memchr(start, '\n', left);
    size_t size = newline != NULL ? (size_t)(newline - start) : left;
    enum mi_status status = mi_rejects_take(reader, start, size, reader->line, error);
    reader->start += size + (newline != NULL);
    reader->line++;
    return status;
}

enum mi_status mi_scan_report(const struct mi_reader *reader, const struct mi_scan *scan,
                              struct mi_error *error) {
    if (scan->unfinished) {
        return mi_input_fault(reader, reader->line, error, MI_BAD_INPUT,
                              "unfinished record: the program that wrote this input failed");
    }
    const char *start = reader->buffer + reader->start;
    size_t left = reader->end - reader->start;
    size_t at = scan->fault_at < left ? scan->fault_at : left;
    const char *newline = memchr(start + at, '\n', left - at);
    size_t size = newline != NULL ? (size_t)(newline - start) - at : left - at;
    char text[256];
    snprintf(text, sizeof text, "%s: \"%.*s\"", scan->fault, size < 60 ? (int)size : 60, start + at);
    mi_input_fault(reader, reader->line, error, MI_BAD_RECORD, text);
    if (error != NULL && scan->fault_field < reader->column_count) {
        struct mi_text name = reader->columns[scan->fault_field].name;
        snprintf(error->column, sizeof error->column, "%.*s", (int)name.size, name.data);
    }
    return MI_BAD_RECORD;
}

enum mi_status mi_scan_check_bytes(const struct mi_reader *reader, const struct mi_scan *scan,
                                   struct mi_error *error) {
    const char *start = reader->buffer + reader->start;
    if (!reader->suspicious || mi_utf8_valid(start, scan->size)) {
        return MI_OK;
    }
    bool nul = memchr(start, '\0', scan->size) != NULL;
    mi_input_fault(reader, reader->line, error, MI_BAD_RECORD,
                   nul ? "a NUL byte (text is needed)" : "not UTF-8 (iconv or mi-import converts)");
    for (size_t field = 0; error != NULL && reader->format != MI_FORMAT_NDJSON &&
                           field < reader->scanned.count && field < reader->column_count;
         field++) {
        const struct mi_cell *cell = &reader->scanned.items[field];
        if (!mi_utf8_valid(reader->buffer + cell->offset, cell->size)) {
            struct mi_text name = reader->columns[field].name;
            snprintf(error->column, sizeof error->column, "%.*s", (int)name.size, name.data);
            break;
        }
    }
    return MI_BAD_RECORD;
}

/* ---- batches ---- */

/* Takes one scanned record into the batch. */
static enum mi_status take_record(struct mi_reader *reader, const struct mi_scan *scan,
                                  struct mi_error *error) {
    enum mi_status status = mi_scan_check_bytes(reader, scan, error);
    if (status == MI_OK) {
        status = reader->format == MI_FORMAT_NDJSON ? row_of_pairs(reader, scan, error)
                                                    : row_of_fields(reader, scan, error);
    }
    if (status == MI_BAD_RECORD && reader->rejecting) {
        status = mi_rejects_take(reader, reader->buffer + reader->start, scan->size, reader->line, error);
    }
    if (status == MI_OK) {
        reader->start += scan->whole;
        reader->line += scan->lines;
    }
    return status;
}

static bool batch_full(const struct mi_reader *reader) {
    return !reader->options.whole && reader->batch.count * reader->batch.stride > CELL_LIMIT;
}

/* Whether the first physical line of the record at `start` is in the buffer. */
static bool line_is_whole(const struct mi_reader *reader) {
    size_t left = reader->end - reader->start;
    return reader->ended || memchr(reader->buffer + reader->start, '\n', left) != NULL;
}

static bool too_long(const struct mi_reader *reader) {
    return reader->end - reader->start > MI_RECORD_LIMIT;
}

/* A record that does not end: its first line can be taken out, but not a line that itself does not end. */
static enum mi_status report_too_long(const struct mi_reader *reader, struct mi_error *error) {
    return mi_input_fault(reader, reader->line, error, line_is_whole(reader) ? MI_BAD_RECORD : MI_BAD_INPUT,
                          "a record longer than 16 MiB (a quote that is not closed?)");
}

/* Scans the records that are whole in the buffer. */
static enum mi_status scan_buffer(struct mi_reader *reader, struct mi_error *error) {
    while (reader->start < reader->end && !batch_full(reader)) {
        struct mi_scan scan;
        reader->scanned.count = 0;
        enum mi_status status = MI_OK;
        enum mi_scan_result result =
            reader->scan(reader->buffer, reader->start, reader->end, reader->ended, &reader->scanned, &scan);
        switch (result) {
        case MI_SCAN_ROW:
            status = take_record(reader, &scan, error);
            break;
        case MI_SCAN_BLANK:
            reader->start += scan.whole;
            reader->line += scan.lines;
            break;
        case MI_SCAN_BAD:
        case MI_SCAN_MORE:
            if (result == MI_SCAN_BAD && line_is_whole(reader)) {
                status = mi_scan_report(reader, &scan, error);
            } else if (!too_long(reader)) {
                return MI_OK; /* of a bad line too the rest is needed: it would pass for a record */
            } else {
                status = report_too_long(reader, error);
            }
            if (status == MI_BAD_RECORD && reader->rejecting) {
                status = skip_bad(reader, error);
            }
            break;
        case MI_SCAN_NO_MEMORY:
            return mi_no_memory(error);
        }
        if (status != MI_OK) {
            return status;
        }
    }
    return MI_OK;
}

/* Fills the batch: at least one row, or MI_END. A fault behind rows that are good waits for the next call. */
enum mi_status mi_reader_fill(struct mi_reader *reader, struct mi_error *error) {
    struct mi_batch *batch = &reader->batch;
    batch->count = 0;
    if (!reader->options.whole) {
        mi_arena_reset(&batch->texts);
    }
    enum mi_status status = mi_rejects_settle(reader, error);
    while (status == MI_OK) {
        status = scan_buffer(reader, error);
        bool enough = batch->count > 0 && !reader->options.whole;
        bool exhausted = reader->ended && reader->start == reader->end;
        if (status != MI_OK || enough || exhausted) {
            break;
        }
        if (reader->ended && reader->start < reader->end) {
            continue;
        }
        status = mi_reader_read_more(reader, error);
        if (status != MI_OK) {
            break;
        }
    }
    batch->base = reader->buffer;
    if (status == MI_OK) {
        return batch->count > 0 ? MI_OK : MI_END;
    }
    if (batch->count > 0 && !reader->options.whole && error != NULL) {
        reader->pending = *error;
        reader->pending.code = status;
        return MI_OK;
    }
    return status;
}
