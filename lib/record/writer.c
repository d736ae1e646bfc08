/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The one writer: fields that pass go out as the bytes that came in, computed ones behind them or in their
 * place.
 */
#include <stdio.h>
#include <stdlib.h>

#include "num/number.h"
#include "record/fill.h"

enum { FLUSH_SIZE = 64 * 1024 };

struct value {
    enum { VALUE_UNSET, VALUE_NUMBER, VALUE_TEXT, VALUE_DATE, VALUE_JSON } kind;
    double number;
    int32_t days;
    struct mi_text text;
};

/* A computed column. */
struct slot {
    char *name;
    char *key;          /* "name": as JSON */
    size_t replaces;    /* the reader's column, or MI_NO_COLUMN: appended */
    struct value value; /* in the row being made */
};

/* A column of the reader on its way out. */
struct passed {
    size_t column; /* the reader's */
    size_t slot;   /* that replaces it, or SIZE_MAX */
    bool renamed;  /* --keep: under NAME_in */
    char *key;     /* "name": as JSON */
};

struct mi_writer {
    struct mi_output output;
    struct mi_reader *reader;
    enum mi_format format;
    bool keep;
    char *columns;
    struct mi_notes notes;

    struct slot *slots;
    size_t slot_count, slot_capacity;
    bool *dropped; /* by the reader's column */
    size_t dropped_count;

    bool started;  /* the header is decided */
    bool splicing; /* rows go out as they came, with computed fields put in */
    struct passed *passed;
    size_t passed_count;
    size_t known; /* columns that the reader had at the start */
};

static bool same_format(const struct mi_writer *writer) {
    return writer->reader != NULL && writer->reader->format == writer->format;
}

/* ---- opening ---- */

enum mi_status mi_writer_open(const char *path, struct mi_reader *reader,
                              const struct mi_writer_options *options, struct mi_writer **writer,
                              struct mi_error *error) {
    static const struct mi_writer_options none = {0};
    struct mi_writer *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return mi_no_memory(error);
    }
    options = options != NULL ? options : &none;
    made->reader = reader;
    made->keep = options->keep;
    made->notes = options->notes;
    enum mi_format own = reader != NULL ? reader->format : MI_FORMAT_CSV;
    made->format = options->format != MI_FORMAT_AUTO ? options->format : own;
    if (options->columns != NULL) {
        made->columns = mi_text_copy(mi_text_of(options->columns));
        if (made->columns == NULL) {
            free(made);
            return mi_no_memory(error);
        }
    }
    enum mi_status status = mi_output_open(&made->output, path, error);
    if (status != MI_OK) {
        free(made->columns);
        free(made);
        return status;
    }
    *writer = made;
    return MI_OK;
}

static void free_writer(struct mi_writer *writer) {
    for (size_t i = 0; i < writer->slot_count; i++) {
        free(writer->slots[i].name);
        free(writer->slots[i].key);
    }
    for (size_t i = 0; i < writer->passed_count; i++) {
        free(writer->passed[i].key);
    }
    free(writer->slots);
    free(writer->passed);
    free(writer->dropped);
    free(writer->columns);
    free(writer);
}

/* "name": as JSON, malloc'ed. */
static char *json_key(const char *name, size_t size, const char *suffix) {
    struct mi_buffer key = {0}, whole = {0};
    mi_buffer_append(&whole, name, size);
    mi_buffer_string(&whole, suffix);
    mi_encode_json(&key, (struct mi_text){whole.size > 0 ? whole.data : "", whole.size});
    mi_buffer_byte(&key, ':');
    mi_buffer_byte(&key, '\0');
    bool failed = key.failed || whole.failed;
    mi_buffer_free(&whole);
    if (failed) {
        mi_buffer_free(&key);
        return NULL;
    }
    return key.data;
}

static enum mi_status late(struct mi_error *error) {
    return mi_error_set(error, MI_BAD_ARGUMENT, "columns are declared before the first row");
}

/* What replacing a column of the reader needs: its name once, and with --keep a name that is free. */
static enum mi_status check_replaced(struct mi_writer *writer, const char *name, size_t column,
                                     struct mi_error *error) {
    if (writer->reader->columns[column].twice) {
        return mi_error_set(error, MI_BAD_INPUT, "column '%s' stands twice and would be replaced", name);
    }
    if (!writer->keep) {
        mi_notes_say(&writer->notes, "column '%s' is replaced (--keep renames the old one %s_in)", name,
                     name);
        return MI_OK;
    }
    struct mi_buffer kept = {0};
    mi_buffer_print(&kept, "%s_in", name);
    bool taken = !kept.failed && mi_reader_find_column(
                                     writer->reader, (struct mi_text){kept.data, kept.size}) != MI_NO_COLUMN;
    mi_buffer_free(&kept);
    return taken ? mi_error_set(error, MI_BAD_INPUT, "--keep: there is a column '%s_in' already", name)
                 : MI_OK;
}

enum mi_status mi_writer_column(struct mi_writer *writer, const char *name, size_t *slot,
                                struct mi_error *error) {
    if (writer->started) {
        return late(error);
    }
    if (writer->slot_count == writer->slot_capacity) {
        size_t capacity = writer->slot_capacity * 2 + 16;
        struct slot *slots = realloc(writer->slots, capacity * sizeof *slots);
        if (slots == NULL) {
            return mi_no_memory(error);
        }
        writer->slots = slots;
        writer->slot_capacity = capacity;
    }
    struct slot made = {.replaces = MI_NO_COLUMN};
    if (writer->reader != NULL) {
        size_t column = mi_reader_find_column(writer->reader, mi_text_of(name));
        bool dropped = column < writer->dropped_count && writer->dropped[column];
        if (column != MI_NO_COLUMN && !dropped) {
            enum mi_status status = check_replaced(writer, name, column, error);
            if (status != MI_OK) {
                return status;
            }
            made.replaces = column;
        } else {
            enum mi_status status = mi_reader_exclude(writer->reader, mi_text_of(name), error);
            if (status != MI_OK) {
                return status;
            }
        }
    }
    made.name = mi_text_copy(mi_text_of(name));
    made.key = json_key(name, strlen(name), "");
    if (made.name == NULL || made.key == NULL) {
        free(made.name);
        free(made.key);
        return mi_no_memory(error);
    }
    *slot = writer->slot_count;
    writer->slots[writer->slot_count++] = made;
    return MI_OK;
}

enum mi_status mi_writer_drop(struct mi_writer *writer, size_t column, struct mi_error *error) {
    if (writer->started || writer->reader == NULL || column >= writer->reader->column_count) {
        return late(error);
    }
    if (column >= writer->dropped_count) {
        bool *dropped = realloc(writer->dropped, writer->reader->column_count * sizeof *dropped);
        if (dropped == NULL) {
            return mi_no_memory(error);
        }
        for (size_t i = writer->dropped_count; i < writer->reader->column_count; i++) {
            dropped[i] = false;
        }
        writer->dropped = dropped;
        writer->dropped_count = writer->reader->column_count;
    }
    writer->dropped[column] = true;
    return MI_OK;
}

/* ---- values ---- */

static void set_value(struct mi_writer *writer, size_t slot, struct value value) {
    if (slot < writer->slot_count) {
        writer->slots[slot].value = value;
    }
}

void mi_writer_number(struct mi_writer *writer, size_t slot, double value) {
    set_value(writer, slot, (struct value){.kind = VALUE_NUMBER, .number = value});
}

void mi_writer_text(struct mi_writer *writer, size_t slot, struct mi_text text) {
    set_value(writer, slot, (struct value){.kind = VALUE_TEXT, .text = text});
}

void mi_writer_date(struct mi_writer *writer, size_t slot, int32_t days) {
    set_value(writer, slot, (struct value){.kind = VALUE_DATE, .days = days});
}

void mi_writer_json(struct mi_writer *writer, size_t slot, struct mi_text text) {
    set_value(writer, slot, (struct value){.kind = VALUE_JSON, .text = text});
}

static void encode_text(enum mi_format format, struct mi_buffer *out, struct mi_text text) {
    if (format == MI_FORMAT_CSV) {
        mi_encode_csv(out, text);
    } else if (format == MI_FORMAT_TSV) {
        mi_encode_tsv(out, text);
    } else {
        mi_encode_json(out, text);
    }
}

static void write_value(const struct mi_writer *writer, const struct value *value, struct mi_buffer *out) {
    bool json = writer->format == MI_FORMAT_NDJSON;
    size_t before = out->size;
    if (value->kind == VALUE_NUMBER) {
        mi_buffer_number(out, value->number);
    } else if (value->kind == VALUE_JSON && json && value->text.data != NULL) {
        mi_buffer_append(out, value->text.data, value->text.size);
    } else if (value->kind == VALUE_TEXT || value->kind == VALUE_JSON) {
        encode_text(writer->format, out, value->text);
    } else if (value->kind == VALUE_DATE && value->days != MI_DATE_MISSING) {
        char date[11];
        mi_date_format(value->days, date);
        encode_text(writer->format, out, mi_text_of(date));
    }
    if (json && out->size == before) {
        mi_buffer_string(out, "null");
    }
}

/* ---- header ---- */

static size_t slot_for(const struct mi_writer *writer, size_t column) {
    for (size_t slot = 0; slot < writer->slot_count; slot++) {
        if (writer->slots[slot].replaces == column) {
            return slot;
        }
    }
    return SIZE_MAX;
}

static enum mi_status pass_column(struct mi_writer *writer, size_t column, struct mi_error *error) {
    size_t slot = slot_for(writer, column);
    struct mi_text name = writer->reader->columns[column].name;
    bool renamed = slot != SIZE_MAX && writer->keep;
    char *key = json_key(name.data, name.size, renamed ? "_in" : "");
    if (key == NULL) {
        return mi_no_memory(error);
    }
    writer->passed[writer->passed_count++] =
        (struct passed){column, writer->keep ? SIZE_MAX : slot, renamed, key};
    return MI_OK;
}

/* The reader's column for a name of --columns. One that no key had so far is kept a place, which is a
 * computed column's where there is one of this name. MI_NO_COLUMN: none is needed. */
static enum mi_status listed_column(struct mi_writer *writer, struct mi_text name, size_t *column,
                                    struct mi_error *error) {
    *column = mi_reader_find_column(writer->reader, name);
    if (*column != MI_NO_COLUMN) {
        bool dropped = *column < writer->dropped_count && writer->dropped[*column];
        *column = dropped ? MI_NO_COLUMN : *column;
        return MI_OK;
    }
    size_t slot = 0;
    while (slot < writer->slot_count && !mi_text_equal(mi_text_of(writer->slots[slot].name), name)) {
        slot++;
    }
    bool computed = slot < writer->slot_count;
    if (computed && writer->keep) {
        return MI_OK;
    }
    size_t made = writer->reader->column_count;
    enum mi_status status = mi_reader_add_column(writer->reader, name, mi_text_of(""), error);
    if (status == MI_OK) {
        *column = made;
    }
    if (status == MI_OK && computed) {
        writer->slots[slot].replaces = made;
    }
    return status;
}

/* --columns: the named ones in their order. */
static enum mi_status pass_listed(struct mi_writer *writer, struct mi_error *error) {
    for (const char *at = writer->columns; at != NULL;) {
        const char *comma = strchr(at, ',');
        struct mi_text name = {at, comma != NULL ? (size_t)(comma - at) : strlen(at)};
        size_t column;
        enum mi_status status = listed_column(writer, name, &column, error);
        for (size_t i = 0; status == MI_OK && i < writer->passed_count; i++) {
            if (writer->passed[i].column == column) {
                status = mi_error_set(error, MI_BAD_ARGUMENT, "--columns: '%.*s' stands twice",
                                      (int)name.size, at);
            }
        }
        if (status == MI_OK && column != MI_NO_COLUMN) {
            status = pass_column(writer, column, error);
        }
        if (status != MI_OK) {
            return status;
        }
        at = comma != NULL ? comma + 1 : NULL;
    }
    return MI_OK;
}

static size_t count_listed(const char *columns) {
    size_t count = 1;
    for (; columns != NULL && *columns != '\0'; columns++) {
        count += *columns == ',';
    }
    return count;
}

static enum mi_status pass_columns(struct mi_writer *writer, struct mi_error *error) {
    struct mi_reader *reader = writer->reader;
    if (reader == NULL) {
        return MI_OK;
    }
    bool listed =
        writer->columns != NULL && reader->format == MI_FORMAT_NDJSON && writer->format != MI_FORMAT_NDJSON;
    writer->passed = calloc(reader->column_count + count_listed(writer->columns), sizeof *writer->passed);
    if (writer->passed == NULL) {
        return mi_no_memory(error);
    }
    if (listed) {
        enum mi_status status = pass_listed(writer, error);
        writer->known = 0;
        return status;
    }
    writer->known = reader->column_count;
    for (size_t column = 0; column < reader->column_count; column++) {
        if (column < writer->dropped_count && writer->dropped[column]) {
            continue;
        }
        enum mi_status status = pass_column(writer, column, error);
        if (status != MI_OK) {
            return status;
        }
    }
    return MI_OK;
}

static enum mi_status check_key_names(const struct mi_writer *writer, struct mi_error *error) {
    for (size_t i = 0; i < writer->passed_count; i++) {
        const struct mi_column *column = &writer->reader->columns[writer->passed[i].column];
        if (writer->format == MI_FORMAT_NDJSON && column->twice) {
            return mi_error_set(error, MI_BAD_INPUT,
                                "column '%.*s' stands twice in the header: no NDJSON can hold it",
                                (int)column->name.size, column->name.data);
        }
    }
    return MI_OK;
}

static void write_header(struct mi_writer *writer) {
    struct mi_buffer *out = &writer->output.pending;
    char delimiter = writer->format == MI_FORMAT_CSV ? ',' : '\t';
    bool first = true;
    for (size_t i = 0; i < writer->passed_count; i++) {
        const struct passed *passed = &writer->passed[i];
        const struct mi_column *column = &writer->reader->columns[passed->column];
        if (!first) {
            mi_buffer_byte(out, delimiter);
        }
        first = false;
        if (passed->renamed) {
            struct mi_buffer name = {0};
            mi_buffer_append(&name, column->name.data, column->name.size);
            mi_buffer_string(&name, "_in");
            encode_text(writer->format, out, (struct mi_text){name.data, name.size});
            out->failed |= name.failed;
            mi_buffer_free(&name);
        } else if (same_format(writer)) {
            mi_buffer_append(out, column->raw.data, column->raw.size);
        } else {
            encode_text(writer->format, out, column->name.size > 0 ? column->name : (struct mi_text){0});
        }
    }
    for (size_t slot = 0; slot < writer->slot_count; slot++) {
        if (writer->slots[slot].replaces == MI_NO_COLUMN || writer->keep) {
            if (!first) {
                mi_buffer_byte(out, delimiter);
            }
            first = false;
            encode_text(writer->format, out, mi_text_of(writer->slots[slot].name));
        }
    }
    mi_buffer_byte(out, '\n');
}

static enum mi_status begin_output(struct mi_writer *writer, struct mi_error *error) {
    if (writer->started) {
        return MI_OK;
    }
    enum mi_status status = pass_columns(writer, error);
    if (status == MI_OK && !same_format(writer)) {
        status = check_key_names(writer, error);
    }
    if (status != MI_OK) {
        return status;
    }
    writer->started = true;
    writer->splicing = same_format(writer) && writer->dropped_count == 0 &&
                       !(writer->keep && writer->format == MI_FORMAT_NDJSON);
    if (writer->format != MI_FORMAT_NDJSON) {
        write_header(writer);
    }
    return MI_OK;
}

/* ---- rows ---- */

struct splice {
    size_t at, size; /* bytes of the row that give way */
    size_t slot;
};

static void append_computed(const struct mi_writer *writer, const bool *done, bool first) {
    struct mi_buffer *out = (struct mi_buffer *)&writer->output.pending;
    bool json = writer->format == MI_FORMAT_NDJSON;
    char delimiter = writer->format == MI_FORMAT_TSV ? '\t' : ',';
    for (size_t slot = 0; slot < writer->slot_count; slot++) {
        if (done[slot]) {
            continue;
        }
        if (!first) {
            mi_buffer_byte(out, delimiter);
        }
        first = false;
        if (json) {
            mi_buffer_string(out, writer->slots[slot].key);
        }
        write_value(writer, &writer->slots[slot].value, out);
    }
}

/* Where the row's own fields are replaced, in order of place. */
static size_t find_splices(const struct mi_writer *writer, const struct mi_batch *batch, size_t row,
                           struct splice *splices, bool *done) {
    size_t count = 0;
    size_t start = batch->rows[row].offset;
    for (size_t slot = 0; slot < writer->slot_count; slot++) {
        done[slot] = false;
        size_t column = writer->slots[slot].replaces;
        if (column == MI_NO_COLUMN || writer->keep) {
            continue;
        }
        const struct mi_cell *cell = &batch->cells[row * batch->stride + column];
        if (column >= batch->stride || cell->offset == MI_CELL_ABSENT) {
            continue;
        }
        done[slot] = true;
        struct splice splice = {cell->offset - start, cell->size, slot};
        size_t at = count++;
        for (; at > 0 && splices[at - 1].at > splice.at; at--) {
            splices[at] = splices[at - 1];
        }
        splices[at] = splice;
    }
    return count;
}

static void write_spliced(struct mi_writer *writer, const struct mi_batch *batch, size_t row,
                          struct splice *splices, bool *done) {
    struct mi_buffer *out = &writer->output.pending;
    const char *raw = batch->base + batch->rows[row].offset;
    size_t size = batch->rows[row].size, from = 0;
    bool json = writer->format == MI_FORMAT_NDJSON, first = false;
    if (json) {
        size--; /* the closing brace */
        while (raw[size - 1] == ' ' || raw[size - 1] == '\t') {
            size--;
        }
        first = raw[size - 1] == '{'; /* a string's text may end so, but not an object's last byte */
    }
    size_t count = find_splices(writer, batch, row, splices, done);
    for (size_t i = 0; i < count; i++) {
        mi_buffer_append(out, raw + from, splices[i].at - from);
        write_value(writer, &writer->slots[splices[i].slot].value, out);
        from = splices[i].at + splices[i].size;
    }
    mi_buffer_append(out, raw + from, size - from);
    append_computed(writer, done, first);
    if (json) {
        mi_buffer_byte(out, '}');
    }
}

/* One passed field, converted where the formats differ. false: absent, nothing written. */
static enum mi_status write_passed(struct mi_writer *writer, const struct mi_batch *batch, size_t row,
                                   const struct passed *passed, struct mi_error *error) {
    struct mi_buffer *out = &writer->output.pending;
    struct mi_text raw = mi_batch_raw(batch, row, passed->column), text = {0};
    if (passed->slot != SIZE_MAX) {
        write_value(writer, &writer->slots[passed->slot].value, out);
        return MI_OK;
    }
    if (raw.data != NULL && same_format(writer)) {
        mi_buffer_append(out, raw.data, raw.size);
        return MI_OK;
    }
    if (raw.data != NULL) {
        bool escaped = batch->cells[row * batch->stride + passed->column].escaped;
        if (!batch->reader->decode(raw.data, raw.size, escaped, &batch->reader->batch.texts, &text)) {
            return mi_batch_fault(batch, row, passed->column, error, "cannot be decoded");
        }
    }
    if (writer->format == MI_FORMAT_NDJSON) {
        mi_encode_json_guess(out, text);
    } else {
        encode_text(writer->format, out, text);
    }
    return MI_OK;
}

static enum mi_status write_fields(struct mi_writer *writer, const struct mi_batch *batch, size_t row,
                                   bool *done, struct mi_error *error) {
    struct mi_buffer *out = &writer->output.pending;
    bool json = writer->format == MI_FORMAT_NDJSON, first = true;
    char delimiter = writer->format == MI_FORMAT_TSV ? '\t' : ',';
    if (json) {
        mi_buffer_byte(out, '{');
    }
    for (size_t slot = 0; slot < writer->slot_count; slot++) {
        done[slot] = writer->slots[slot].replaces != MI_NO_COLUMN && !writer->keep;
    }
    for (size_t i = 0; i < writer->passed_count; i++) {
        const struct passed *passed = &writer->passed[i];
        if (json && passed->slot == SIZE_MAX && mi_batch_raw(batch, row, passed->column).data == NULL) {
            continue; /* a key that is absent stays so */
        }
        if (!first) {
            mi_buffer_byte(out, delimiter);
        }
        first = false;
        if (json) {
            mi_buffer_string(out, passed->key);
        }
        enum mi_status status = write_passed(writer, batch, row, passed, error);
        if (status != MI_OK) {
            return status;
        }
    }
    append_computed(writer, done, first);
    if (json) {
        mi_buffer_byte(out, '}');
    }
    return MI_OK;
}

/* A key that the header does not have would be lost in CSV: it is an error that names it. */
static enum mi_status check_new_keys(const struct mi_writer *writer, const struct mi_batch *batch, size_t row,
                                     struct mi_error *error) {
    if (writer->reader == NULL || writer->reader->format != MI_FORMAT_NDJSON ||
        writer->format == MI_FORMAT_NDJSON) {
        return MI_OK;
    }
    for (size_t column = writer->known; column < writer->reader->column_count; column++) {
        bool listed = column < writer->dropped_count && writer->dropped[column];
        for (size_t i = 0; writer->known == 0 && i < writer->passed_count; i++) {
            listed |= writer->passed[i].column == column;
        }
        if (!listed && mi_batch_raw(batch, row, column).data != NULL) {
            mi_batch_fault(batch, row, column, error,
                           "not among the columns of the output (--columns names them all)");
            return mi_error_set(error, MI_BAD_INPUT, "%s",
                                "not among the columns of the output (--columns names them all)");
        }
    }
    return MI_OK;
}

static enum mi_status write_row(struct mi_writer *writer, const struct mi_batch *batch, size_t row,
                                struct mi_error *error) {
    enum { FEW = 64 };
    struct mi_buffer *out = &writer->output.pending;
    size_t start = out->size;
    struct splice few_splices[FEW], *splices = few_splices;
    bool few_done[FEW], *done = few_done;
    enum mi_status status = check_new_keys(writer, batch, row, error);
    if (writer->slot_count > FEW) {
        splices = malloc(writer->slot_count * sizeof *splices);
        done = malloc(writer->slot_count * sizeof *done);
    }
    if (splices == NULL || done == NULL) {
        status = mi_no_memory(error);
    } else if (status == MI_OK && writer->splicing) {
        write_spliced(writer, batch, row, splices, done);
    } else if (status == MI_OK) {
        status = write_fields(writer, batch, row, done, error);
    }
    if (splices != few_splices) {
        free(splices);
        free(done);
    }
    if (status == MI_OK && out->size == start && writer->format == MI_FORMAT_CSV) {
        mi_buffer_string(out, "\"\""); /* a single empty field is not an empty line */
    }
    if (status == MI_OK) {
        mi_buffer_byte(out, '\n');
    }
    if (status == MI_OK && out->failed) {
        status = mi_no_memory(error);
    }
    if (status != MI_OK) {
        out->size = start; /* only whole rows leave */
    }
    return status;
}

enum mi_status mi_writer_row(struct mi_writer *writer, const struct mi_batch *batch, size_t row,
                             struct mi_error *error) {
    enum mi_status status = begin_output(writer, error);
    if (status == MI_OK) {
        status = write_row(writer, batch, row, error);
    }
    for (size_t slot = 0; slot < writer->slot_count; slot++) {
        writer->slots[slot].value.kind = VALUE_UNSET;
    }
    if (status == MI_OK && writer->output.pending.size > FLUSH_SIZE) {
        status = mi_output_flush(&writer->output, error);
    }
    return status;
}

/* ---- ends ---- */

enum mi_status mi_writer_flush(struct mi_writer *writer, struct mi_error *error) {
    enum mi_status status = begin_output(writer, error);
    return status == MI_OK ? mi_output_flush(&writer->output, error) : status;
}

enum mi_status mi_writer_close(struct mi_writer *writer, struct mi_error *error) {
    enum mi_status status = begin_output(writer, error);
    if (status != MI_OK) {
        mi_writer_abort(writer);
        return status;
    }
    status = mi_output_commit(&writer->output, error);
    free_writer(writer);
    return status;
}

void mi_writer_abort(struct mi_writer *writer) {
    if (writer == NULL) {
        return;
    }
    struct mi_output *output = &writer->output;
    if (output->target == NULL && output->wrote && !output->pending.failed) {
        static const char *const unfinished[] = {"", "\"", "\\", "{"};
        mi_buffer_string(&output->pending, unfinished[writer->format]);
        mi_output_flush(output, NULL);
    }
    mi_output_discard(output);
    free_writer(writer);
}
