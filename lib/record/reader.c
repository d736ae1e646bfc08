/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The one reader: finds the format, reads the header, answers for columns, hands out batches.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "record/fill.h"

/* ---- columns ---- */

enum mi_status mi_reader_add_column(struct mi_reader *reader, struct mi_text name, struct mi_text raw,
                                    struct mi_error *error) {
    if (reader->column_count == reader->column_capacity) {
        size_t capacity = reader->column_capacity < 16 ? 16 : reader->column_capacity * 2;
        struct mi_column *columns = realloc(reader->columns, capacity * sizeof *columns);
        if (columns == NULL) {
            return mi_no_memory(error);
        }
        reader->columns = columns;
        reader->column_capacity = capacity;
    }
    char *name_copy = mi_arena_copy(&reader->header, name.data, name.size);
    char *raw_copy = mi_arena_copy(&reader->header, raw.data, raw.size);
    if (name_copy == NULL || raw_copy == NULL) {
        return mi_no_memory(error);
    }
    size_t number;
    bool added;
    enum mi_status status = mi_index_add(reader->names, name, &number, &added, error);
    if (status != MI_OK) {
        return status;
    }
    /* Texts that stand twice leave no number of their own: a number is a column only until the first of
     * these. */
    for (size_t i = 0; !added && i < reader->column_count; i++) {
        if (mi_text_equal(reader->columns[i].name, (struct mi_text){name_copy, name.size})) {
            reader->columns[i].twice = true;
        }
    }
    reader->columns[reader->column_count++] =
        (struct mi_column){{name_copy, name.size}, {raw_copy, raw.size}, !added};
    return MI_OK;
}

size_t mi_reader_find_column(const struct mi_reader *reader, struct mi_text name) {
    if (mi_index_find(reader->names, name) == SIZE_MAX) {
        return MI_NO_COLUMN;
    }
    for (size_t column = 0; column < reader->column_count; column++) {
        if (mi_text_equal(reader->columns[column].name, name)) {
            return column;
        }
    }
    return MI_NO_COLUMN;
}

enum mi_status mi_reader_exclude(struct mi_reader *reader, struct mi_text name, struct mi_error *error) {
    size_t number;
    return mi_index_add(reader->absent, name, &number, NULL, error);
}

enum mi_status mi_reader_next(struct mi_reader *reader, struct mi_batch **batch, struct mi_error *error) {
    struct mi_error own = {0};
    struct mi_error *report = error != NULL ? error : &own;
    enum mi_status status = MI_OK;
    if (reader->primed) {
        reader->primed = false;
        status = reader->batch.count > 0 ? MI_OK : MI_END;
    } else if (reader->pending.code != MI_OK) {
        *report = reader->pending;
        return reader->pending.code;
    } else {
        status = mi_reader_fill(reader, report);
    }
    if (status == MI_OK || status == MI_END) {
        *batch = &reader->batch;
    }
    return status;
}

/* ---- opening ---- */

static enum mi_format find_format(const struct mi_reader *reader) {
    const char *start = reader->buffer + reader->start;
    size_t left = reader->end - reader->start;
    const char *newline = memchr(start, '\n', left);
    size_t line = newline != NULL ? (size_t)(newline - start) : left;
    if (*start == '{') {
        return MI_FORMAT_NDJSON;
    }
    bool tab = memchr(start, '\t', line) != NULL, comma = memchr(start, ',', line) != NULL;
    return tab && !comma ? MI_FORMAT_TSV : MI_FORMAT_CSV;
}

static void set_format(struct mi_reader *reader, enum mi_format format) {
    static mi_scan_function *const scans[] = {NULL, mi_scan_csv, mi_scan_tsv, mi_scan_ndjson};
    static mi_decode_function *const decodes[] = {NULL, mi_decode_csv, mi_decode_tsv, mi_decode_json};
    reader->format = format;
    reader->scan = scans[format];
    reader->decode = decodes[format];
}

static enum mi_status no_header(const struct mi_reader *reader, struct mi_error *error) {
    return mi_input_fault(reader, 0, error, MI_BAD_INPUT, "empty input (a header line is needed)");
}

/* Drops a byte order mark; true where the bytes are UTF-16. */
static bool skip_mark(struct mi_reader *reader) {
    const unsigned char *bytes = (const unsigned char *)reader->buffer;
    if (reader->end >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        reader->start = 3;
    }
    return reader->end >= 2 &&
           ((bytes[0] == 0xff && bytes[1] == 0xfe) || (bytes[0] == 0xfe && bytes[1] == 0xff));
}

static void skip_blank_lines(struct mi_reader *reader) {
    while (reader->start < reader->end &&
           (reader->buffer[reader->start] == '\n' || reader->buffer[reader->start] == '\r')) {
        reader->line += reader->buffer[reader->start++] == '\n';
    }
}

/* Reads until the first line that is not blank is there, and finds the format. */
static enum mi_status begin(struct mi_reader *reader, struct mi_error *error) {
    enum mi_status status = MI_OK;
    while (status == MI_OK && !reader->ended && reader->end < 3) {
        status = mi_reader_read_more(reader, error);
    }
    if (status == MI_OK && skip_mark(reader)) {
        return mi_input_fault(reader, 1, error, MI_BAD_INPUT, "UTF-16 (iconv or mi-import converts)");
    }
    for (;;) {
        skip_blank_lines(reader);
        size_t left = reader->end - reader->start;
        if (status != MI_OK) {
            return status;
        }
        if (reader->ended || (left > 0 && memchr(reader->buffer + reader->start, '\n', left) != NULL)) {
            break;
        }
        if (left > MI_RECORD_LIMIT) {
            return mi_input_fault(reader, reader->line, error, MI_BAD_INPUT,
                                  "the first line is longer than 16 MiB");
        }
        status = mi_reader_read_more(reader, error);
    }
    if (reader->start == reader->end) {
        return no_header(reader, error);
    }
    reader->first_line = reader->line;
    set_format(reader,
               reader->options.format != MI_FORMAT_AUTO ? reader->options.format : find_format(reader));
    return MI_OK;
}

static enum mi_status read_header(struct mi_reader *reader, struct mi_error *error) {
    struct mi_scan scan;
    enum mi_scan_result result;
    enum mi_status status = MI_OK;
    for (;;) {
        reader->scanned.count = 0;
        result =
            reader->scan(reader->buffer, reader->start, reader->end, reader->ended, &reader->scanned, &scan);
        if (result != MI_SCAN_MORE || reader->end - reader->start > MI_RECORD_LIMIT) {
            break;
        }
        status = mi_reader_read_more(reader, error);
        if (status != MI_OK) {
            return status;
        }
    }
    if (result == MI_SCAN_NO_MEMORY) {
        return mi_no_memory(error);
    }
    if (result != MI_SCAN_ROW) {
        status = result == MI_SCAN_BAD ? mi_scan_report(reader, &scan, error)
                                       : mi_input_fault(reader, 1, error, MI_BAD_INPUT, "no header line");
        return mi_bad_input(status, error);
    }
    status = mi_scan_check_bytes(reader, &scan, error);
    for (size_t i = 0; status == MI_OK && i < reader->scanned.count; i++) {
        const struct mi_cell *cell = &reader->scanned.items[i];
        struct mi_text raw = {reader->buffer + cell->offset, cell->size}, name;
        if (!reader->decode(raw.data, raw.size, cell->escaped, &reader->header, &name)) {
            return mi_no_memory(error);
        }
        status = mi_reader_add_column(reader, name.data != NULL ? name : mi_text_of(""), raw, error);
    }
    reader->start += scan.whole;
    reader->line += scan.lines;
    return mi_bad_input(status, error);
}

static enum mi_status copy_maps(struct mi_reader *reader, const struct mi_reader_options *options,
                                struct mi_error *error) {
    if (options->map_count == 0) {
        return MI_OK;
    }
    reader->maps = calloc(options->map_count, sizeof *reader->maps);
    for (size_t i = 0; reader->maps != NULL && i < options->map_count; i++) {
        const char *equals = strchr(options->maps[i], '=');
        if (equals == NULL || equals == options->maps[i] || equals[1] == '\0') {
            return mi_error_set(error, MI_BAD_ARGUMENT, "--map: not NEW=OLD: \"%s\"", options->maps[i]);
        }
        for (size_t j = 0; j < i; j++) {
            if (strncmp(options->maps[i], options->maps[j], (size_t)(equals - options->maps[i]) + 1) == 0) {
                return mi_error_set(error, MI_BAD_ARGUMENT, "--map: given twice: \"%s\" and \"%s\"",
                                    options->maps[j], options->maps[i]);
            }
        }
        reader->maps[i] = mi_text_copy(mi_text_of(options->maps[i]));
        if (reader->maps[i] == NULL) {
            return mi_no_memory(error);
        }
    }
    return reader->maps != NULL ? MI_OK : mi_no_memory(error);
}

static enum mi_status open_input(struct mi_reader *reader, const char *path, struct mi_error *error) {
    bool standard = path == NULL || strcmp(path, "-") == 0;
    reader->name = mi_text_copy(mi_text_of(standard ? "-" : path));
    if (reader->name == NULL) {
        return mi_no_memory(error);
    }
    if (reader->options.content.data != NULL) {
        return MI_OK;
    }
    reader->descriptor = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (reader->descriptor < 0) {
        char text[160];
        snprintf(text, sizeof text, "cannot open: %s", strerror(errno));
        return mi_input_fault(reader, 0, error, MI_SYSTEM, text);
    }
    return MI_OK;
}

static enum mi_status start(struct mi_reader *reader, const char *path,
                            const struct mi_reader_options *options, struct mi_error *error) {
    enum mi_status status = copy_maps(reader, options, error);
    if (status == MI_OK) {
        status = open_input(reader, path, error);
    }
    if (status == MI_OK && options->rejects != NULL && strcmp(options->rejects, "-") == 0) {
        status = mi_error_set(error, MI_BAD_ARGUMENT, "--rejects: a file is needed, not standard output");
    } else if (status == MI_OK && options->rejects != NULL) {
        status = mi_output_open(&reader->rejects.output, options->rejects, error);
        reader->rejecting = status == MI_OK;
    }
    if (status == MI_OK) {
        status = mi_index_new(&reader->names, error);
    }
    if (status == MI_OK) {
        status = mi_index_new(&reader->absent, error);
    }
    if (status == MI_OK) {
        status = begin(reader, error);
    }
    if (status == MI_OK && reader->format != MI_FORMAT_NDJSON) {
        return read_header(reader, error);
    }
    if (status == MI_OK) { /* its columns are the keys of the first batch */
        status = mi_reader_fill(reader, error);
        reader->primed = true;
    }
    if (status == MI_END) {
        status = reader->rejects.total > 0 ? MI_OK : no_header(reader, error); /* blanks only */
    }
    return status;
}

enum mi_status mi_reader_open(const char *path, const struct mi_reader_options *options,
                              struct mi_reader **reader, struct mi_error *error) {
    static const struct mi_reader_options none = {0};
    struct mi_error own = {0};
    struct mi_reader *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return mi_no_memory(error);
    }
    options = options != NULL ? options : &none;
    made->options = *options;
    made->options.buffer_size = options->buffer_size > 0 ? options->buffer_size : MI_READ_SIZE;
    made->notes = options->notes;
    made->descriptor = -1;
    made->line = 1;
    made->batch.reader = made;
    enum mi_status status = start(made, path, options, error != NULL ? error : &own);
    if (status != MI_OK) {
        mi_reader_close(made);
        return status;
    }
    *reader = made;
    return MI_OK;
}

void mi_reader_close(struct mi_reader *reader) {
    if (reader == NULL) {
        return;
    }
    if (reader->descriptor > STDERR_FILENO) {
        close(reader->descriptor);
    }
    mi_rejects_free(reader);
    for (size_t i = 0; reader->maps != NULL && i < reader->options.map_count; i++) {
        free(reader->maps[i]);
    }
    free(reader->maps);
    free(reader->name);
    free(reader->buffer);
    free(reader->columns);
    mi_index_free(reader->names);
    mi_index_free(reader->absent);
    mi_arena_free(&reader->header);
    free(reader->scanned.items);
    free(reader->batch.rows);
    free(reader->batch.cells);
    mi_arena_free(&reader->batch.texts);
    free(reader);
}

/* ---- what a tool asks ---- */

enum mi_format mi_reader_format(const struct mi_reader *reader) {
    return reader->format;
}

const char *mi_reader_name(const struct mi_reader *reader) {
    return reader->name;
}

size_t mi_reader_column_count(const struct mi_reader *reader) {
    return reader->column_count;
}

struct mi_text mi_reader_column_name(const struct mi_reader *reader, size_t column) {
    return reader->columns[column].name;
}

/* The column of what a tool calls `name`, or MI_NO_COLUMN; *own: the name under which the input has it. */
static size_t find_asked(const struct mi_reader *reader, const char *name, struct mi_text *own) {
    size_t size = strlen(name), map = 0;
    while (map < reader->options.map_count &&
           !(strncmp(reader->maps[map], name, size) == 0 && reader->maps[map][size] == '=')) {
        map++;
    }
    bool mapped = map < reader->options.map_count;
    *own = mi_text_of(mapped ? reader->maps[map] + size + 1 : name);
    size_t column = mi_reader_find_column(reader, *own);
    if (mapped && reader->options.map_use != NULL) {
        reader->options.map_use[map] |= MI_MAP_ASKED | (column != MI_NO_COLUMN ? MI_MAP_THERE : 0);
    }
    return column;
}

bool mi_reader_has(const struct mi_reader *reader, const char *name) {
    struct mi_text own;
    return find_asked(reader, name, &own) != MI_NO_COLUMN;
}

/* The names that are there, for a message about one that is not. */
static void list_columns(const struct mi_reader *reader, char *out, size_t size) {
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < reader->column_count; i++) {
        struct mi_text name = reader->columns[i].name;
        if (used + name.size + 8 > size) {
            snprintf(out + used, size - used, ", ...");
            return;
        }
        used +=
            (size_t)snprintf(out + used, size - used, "%s%.*s", i > 0 ? ", " : "", (int)name.size, name.data);
    }
}

enum mi_status mi_reader_column(struct mi_reader *reader, const char *name, bool required, size_t *column,
                                struct mi_error *error) {
    struct mi_text wanted;
    size_t found = find_asked(reader, name, &wanted);
    if (found == MI_NO_COLUMN && !required) {
        *column = MI_NO_COLUMN;
        return mi_reader_exclude(reader, wanted, error);
    }
    if (found != MI_NO_COLUMN && !reader->columns[found].twice) {
        *column = found;
        return MI_OK;
    }
    char columns[320], text[512];
    list_columns(reader, columns, sizeof columns);
    snprintf(text, sizeof text,
             found == MI_NO_COLUMN ? "not there (%s has: %s)" : "stands twice (%s has: %s)",
             reader->format == MI_FORMAT_NDJSON ? "the first batch" : "the header", columns);
    mi_input_fault(reader, reader->first_line, error, MI_BAD_INPUT, text);
    if (error != NULL) {
        snprintf(error->column, sizeof error->column, "%.*s", (int)wanted.size, wanted.data);
    }
    return MI_BAD_INPUT;
}
