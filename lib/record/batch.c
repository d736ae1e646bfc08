/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Cells of a batch as text, numbers, dates and truth values, with the place of what is wrong.
 */
#include "record/batch.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

size_t mi_batch_rows(const struct mi_batch *batch) {
    return batch->count;
}

uint64_t mi_batch_line(const struct mi_batch *batch, size_t row) {
    return batch->rows[row].line;
}

enum mi_status mi_batch_fault(const struct mi_batch *batch, size_t row, size_t column, struct mi_error *error,
                              const char *format, ...) {
    if (error == NULL) {
        return MI_BAD_RECORD;
    }
    char text[sizeof error->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    *error = (struct mi_error){.line = batch->rows[row].line};
    snprintf(error->file, sizeof error->file, "%s", batch->reader->name);
    if (column < batch->reader->column_count) {
        struct mi_text name = batch->reader->columns[column].name;
        snprintf(error->column, sizeof error->column, "%.*s", (int)name.size, name.data);
    }
    return mi_error_set(error, MI_BAD_RECORD, "%s", text);
}

enum mi_status mi_batch_text(const struct mi_batch *batch, size_t row, size_t column, struct mi_text *text,
                             struct mi_error *error) {
    struct mi_text raw = mi_batch_raw(batch, row, column);
    if (raw.data == NULL) {
        *text = raw;
        return MI_OK;
    }
    /* Decoding allocates in the batch's arena, which is the batch's own affair: it stays the same batch. */
    struct mi_arena *arena = &batch->reader->batch.texts;
    bool escaped = batch->cells[row * batch->stride + column].escaped;
    if (!batch->reader->decode(raw.data, raw.size, escaped, arena, text)) {
        return mi_batch_fault(batch, row, column, error, "cannot be decoded: %.*s",
                              raw.size < 200 ? (int)raw.size : 200, raw.data);
    }
    if (text->size == 0) {
        text->data = NULL; /* an empty text is missing for whoever computes with it */
    }
    return MI_OK;
}

/* The offending text for a message, shortened. */
static int shown(struct mi_text text) {
    return text.size < 80 ? (int)text.size : 80;
}

static enum mi_status missing_fault(const struct mi_batch *batch, size_t row, size_t column,
                                    const char *expected, struct mi_error *error) {
    return mi_batch_fault(batch, row, column, error, "empty (%s)", expected);
}

enum mi_status mi_batch_id(const struct mi_batch *batch, size_t row, size_t column, struct mi_text *text,
                           struct mi_error *error) {
    enum mi_status status = mi_batch_text(batch, row, column, text, error);
    if (status == MI_OK && text->data == NULL) {
        status = missing_fault(batch, row, column, "an identifier is needed", error);
    }
    return status;
}

static enum mi_status check_number(const struct mi_batch *batch, size_t row, size_t column, unsigned rules,
                                   double value, struct mi_text text, struct mi_error *error) {
    double low = rules & MI_SIGNED ? -MI_MONEY_LIMIT : 0;
    if ((rules & MI_MONEY) && value < low) {
        return mi_batch_fault(batch, row, column, error, "%s: \"%.*s\" (%s)",
                              rules & MI_SIGNED ? "impossibly small" : "negative", shown(text), text.data,
                              rules & MI_SIGNED ? "-1e15 to 1e15" : "0 to 1e15");
    }
    if ((rules & MI_MONEY) && value > MI_MONEY_LIMIT) {
        return mi_batch_fault(batch, row, column, error, "impossibly large: \"%.*s\" (at most 1e15)",
                              shown(text), text.data);
    }
    if ((rules & MI_POSITIVE) && value <= 0) {
        return mi_batch_fault(batch, row, column, error, "not above 0: \"%.*s\"", shown(text), text.data);
    }
    return MI_OK;
}

enum mi_status mi_batch_number(const struct mi_batch *batch, size_t row, size_t column, unsigned rules,
                               double *value, struct mi_error *error) {
    struct mi_text text;
    enum mi_status status = mi_batch_text(batch, row, column, &text, error);
    if (status != MI_OK) {
        return status;
    }
    if (text.data == NULL) {
        if (rules & MI_FILLED) {
            return missing_fault(batch, row, column, "a number is needed", error);
        }
        *value = NAN;
        return MI_OK;
    }
    double parsed;
    if (!mi_number_parse(text, &parsed)) {
        return mi_batch_fault(batch, row, column, error, "not a number: \"%.*s\" (C locale, as 12.5)",
                              shown(text), text.data);
    }
    status = check_number(batch, row, column, rules, parsed, text, error);
    if (status == MI_OK) {
        *value = parsed;
    }
    return status;
}

enum mi_status mi_batch_date(const struct mi_batch *batch, size_t row, size_t column, unsigned rules,
                             int32_t *days, struct mi_error *error) {
    struct mi_text text;
    enum mi_status status = mi_batch_text(batch, row, column, &text, error);
    if (status != MI_OK) {
        return status;
    }
    if (text.data == NULL) {
        if (rules & MI_FILLED) {
            return missing_fault(batch, row, column, "a date is needed", error);
        }
        *days = MI_DATE_MISSING;
        return MI_OK;
    }
    if (!mi_date_parse(text, days)) {
        return mi_batch_fault(batch, row, column, error, "not a date: \"%.*s\" (ISO 8601, as 2026-11-24)",
                              shown(text), text.data);
    }
    return MI_OK;
}

static bool is_word(struct mi_text text, const char *word) {
    return text.size == strlen(word) && strncasecmp(text.data, word, text.size) == 0;
}

enum mi_status mi_batch_truth(const struct mi_batch *batch, size_t row, size_t column, bool missing,
                              bool *value, struct mi_error *error) {
    struct mi_text text;
    if (column == MI_NO_COLUMN) {
        *value = missing;
        return MI_OK;
    }
    enum mi_status status = mi_batch_text(batch, row, column, &text, error);
    if (status != MI_OK) {
        return status;
    }
    if (text.data == NULL) {
        return missing_fault(batch, row, column, "true/false, 1/0 or yes/no is needed", error);
    }
    bool yes = is_word(text, "true") || is_word(text, "1") || is_word(text, "yes");
    if (!yes && !is_word(text, "false") && !is_word(text, "0") && !is_word(text, "no")) {
        return mi_batch_fault(batch, row, column, error,
                              "not a truth value: \"%.*s\" (true/false, 1/0, yes/no)", shown(text),
                              text.data);
    }
    *value = yes;
    return MI_OK;
}

enum mi_status mi_batch_index(const struct mi_batch *batch, size_t column, struct mi_index **index,
                              struct mi_error *error) {
    struct mi_index *made;
    enum mi_status status = mi_index_new(&made, error);
    if (status != MI_OK) {
        return status;
    }
    for (size_t row = 0; row < batch->count && status == MI_OK; row++) {
        struct mi_text text;
        size_t number;
        bool added = true;
        status = mi_batch_id(batch, row, column, &text, error);
        if (status == MI_OK) {
            status = mi_index_add(made, text, &number, &added, error);
        }
        if (status == MI_OK && !added) {
            status = mi_batch_fault(batch, row, column, error, "stands twice: \"%.*s\" (first in line %llu)",
                                    shown(text), text.data, (unsigned long long)batch->rows[number].line);
        }
    }
    if (status != MI_OK) {
        mi_index_free(made);
        return mi_bad_input(status, error);
    }
    *index = made;
    return MI_OK;
}
