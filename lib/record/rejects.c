/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Bad records on their way to the file that --rejects names. Those that the scanner refuses are found before
 * the rows of their batch are computed with: what a batch brings is held and goes out in order of line, so
 * that the file does not depend on how the input was cut into batches.
 */
#include <stdio.h>
#include <stdlib.h>

#include "record/fill.h"

static struct mi_reject *new_reject(struct mi_rejects *rejects) {
    if (rejects->count == rejects->capacity) {
        size_t capacity = rejects->capacity * 2 + 16;
        struct mi_reject *items = realloc(rejects->items, capacity * sizeof *items);
        if (items == NULL) {
            return NULL;
        }
        rejects->items = items;
        rejects->capacity = capacity;
    }
    return &rejects->items[rejects->count++];
}

enum mi_status mi_rejects_take(struct mi_reader *reader, const char *data, size_t size, uint64_t line,
                               struct mi_error *error) {
    struct mi_rejects *rejects = &reader->rejects;
    struct mi_buffer *held = &rejects->held;
    char reason[sizeof error->text + 4 * sizeof error->column + 64];
    struct mi_error shown = *error;
    shown.file[0] = '\0';
    shown.line = 0;
    mi_error_format(&shown, reason, sizeof reason);
    struct mi_reject *made = new_reject(rejects);
    if (made == NULL) {
        return mi_no_memory(error);
    }
    made->line = line;
    made->at = held->size;
    mi_buffer_print(held, "%llu,", (unsigned long long)line);
    mi_encode_csv(held, mi_text_of(reason));
    mi_buffer_byte(held, ',');
    mi_encode_csv(held, (struct mi_text){data, size});
    mi_buffer_byte(held, '\n');
    made->size = held->size - made->at;
    rejects->total++;
    return held->failed ? mi_no_memory(error) : MI_OK;
}

static int by_line(const void *a, const void *b) {
    const struct mi_reject *first = a, *second = b;
    return (first->line > second->line) - (first->line < second->line);
}

enum mi_status mi_rejects_settle(struct mi_reader *reader, struct mi_error *error) {
    struct mi_rejects *rejects = &reader->rejects;
    struct mi_buffer *out = &rejects->output.pending;
    if (rejects->count == 0) {
        return MI_OK;
    }
    if (!rejects->begun) {
        mi_buffer_string(out, "line,reason,record\n");
        rejects->begun = true;
    }
    qsort(rejects->items, rejects->count, sizeof *rejects->items, by_line);
    for (size_t i = 0; i < rejects->count; i++) {
        mi_buffer_append(out, rejects->held.data + rejects->items[i].at, rejects->items[i].size);
    }
    rejects->count = 0;
    rejects->held.size = 0;
    return out->size > MI_READ_SIZE || out->failed ? mi_output_flush(&rejects->output, error) : MI_OK;
}

enum mi_status mi_reader_reject(struct mi_reader *reader, const struct mi_batch *batch, size_t row,
                                struct mi_error *error) {
    if (!reader->rejecting || error == NULL || error->code != MI_BAD_RECORD) {
        return error != NULL ? error->code : MI_BAD_RECORD;
    }
    const struct mi_row *at = &batch->rows[row];
    return mi_rejects_take(reader, batch->base + at->offset, at->size, at->line, error);
}

enum mi_status mi_reader_finish(struct mi_reader *reader, struct mi_error *error) {
    if (!reader->rejecting) {
        return MI_OK;
    }
    enum mi_status status = mi_rejects_settle(reader, error);
    if (status != MI_OK) {
        return status;
    }
    reader->rejecting = false;
    status = mi_output_commit(&reader->rejects.output, error);
    uint64_t total = reader->rejects.total;
    if (status == MI_OK && total > 0) {
        mi_notes_say(&reader->notes, "%s: %llu record%s rejected to %s", reader->name,
                     (unsigned long long)total, total == 1 ? "" : "s", reader->options.rejects);
    }
    return status;
}

void mi_rejects_free(struct mi_reader *reader) {
    if (reader->rejecting) {
        mi_output_discard(&reader->rejects.output);
    }
    free(reader->rejects.items);
    mi_buffer_free(&reader->rejects.held);
}
