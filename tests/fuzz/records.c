/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The reader's view of some bytes as one text, for the targets that compare it with a reference.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

static char path[64];

static void remove_file(void) {
    unlink(path);
}

const char *fuzz_file(const uint8_t *data, size_t size) {
    if (path[0] == '\0') {
        snprintf(path, sizeof path, "/tmp/mi-fuzz.%ld", (long)getpid());
        atexit(remove_file);
    }
    unlink(path); /* a file cut to nothing is written to disk when it is closed: slow */
    FILE *file = fopen(path, "w");
    if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        exit(2);
    }
    return path;
}

/* Numbers and nested values in jansson's compact form; NULL for other texts. */
static char *compact(const char *data, size_t size) {
    json_t *value = json_loadb(data, size, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
    char *text = json_is_object(value) || json_is_array(value) || json_is_number(value)
                     ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY)
                     : NULL;
    json_decref(value);
    return text;
}

void fuzz_cell(struct mi_buffer *found, size_t column, const char *data, size_t size) {
    if (data == NULL || size == 0) {
        return;
    }
    char *same_value = compact(data, size);
    if (same_value != NULL) {
        data = same_value;
        size = strlen(same_value);
    }
    mi_buffer_print(found, "%zu=%zu:", column, size);
    mi_buffer_append(found, data, size);
    mi_buffer_byte(found, ';');
    free(same_value);
}

static bool take_row(struct mi_reader *reader, const struct mi_batch *batch, size_t row,
                     struct mi_buffer *found) {
    for (size_t column = 0; column < mi_reader_column_count(reader); column++) {
        struct mi_text text;
        if (mi_batch_text(batch, row, column, &text, NULL) != MI_OK) {
            return false;
        }
        fuzz_cell(found, column, text.data, text.size);
    }
    mi_buffer_byte(found, '\n');
    return true;
}

void fuzz_read(const uint8_t *data, size_t size, enum mi_format format, size_t buffer_size,
               struct mi_buffer *found) {
    struct mi_reader_options options = {.format = format, .buffer_size = buffer_size};
    struct mi_reader *reader = NULL;
    struct mi_error error = {0};
    enum mi_status status = mi_reader_open(fuzz_file(data, size), &options, &reader, &error);
    while (status == MI_OK) {
        struct mi_batch *batch;
        status = mi_reader_next(reader, &batch, &error);
        for (size_t row = 0; status == MI_OK && row < mi_batch_rows(batch); row++) {
            if (!take_row(reader, batch, row, found)) {
                status = MI_BAD_RECORD;
            }
        }
    }
    if (status != MI_END) {
        if (error.text[0] == '\0') {
            fuzz_broken("a refusal says why");
        }
        mi_buffer_byte(found, '!');
    }
    mi_reader_close(reader);
}

static bool same(const struct mi_buffer *a, const struct mi_buffer *b) {
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

void fuzz_compare(const uint8_t *data, size_t size, enum mi_format format, struct mi_buffer *expected) {
    static const size_t buffer_sizes[] = {0, 1, 7, 64};
    for (size_t i = 0; i < sizeof buffer_sizes / sizeof *buffer_sizes; i++) {
        struct mi_buffer found = {0};
        fuzz_read(data, size, format, buffer_sizes[i], &found);
        if (!same(&found, expected)) {
            fprintf(stderr, "reference: %.*s\nreader, %zu bytes a read: %.*s\n", (int)expected->size,
                    expected->data, buffer_sizes[i], (int)found.size, found.data);
            fuzz_broken("the reader finds what the reference finds");
        }
        mi_buffer_free(&found);
    }
}

bool fuzz_is_text(const uint8_t *data, size_t size) {
    json_t *text = json_stringn((const char *)data, size);
    bool good = text != NULL && memchr(data, '\0', size) == NULL;
    json_decref(text);
    return good;
}
