/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Property: of any bytes, read as NDJSON, the reader finds in each line the keys and values that jansson
 * finds and refuses what jansson refuses. Numbers and nested values come as they are written: they are
 * compared by value. A number beyond double and keys that stand twice inside a nested value, which the reader
 * carries as text, are refused by jansson: such inputs are only read.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { LOAD = JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL };

const char *const fuzz_words[] = {"{",
                                  "}",
                                  "}\n{",
                                  "\"a\":",
                                  "\"b\":",
                                  "\"\\u0061\":",
                                  ",",
                                  ",",
                                  "1",
                                  "-2.50",
                                  "1e3",
                                  "\"x\"",
                                  "\"\\n\"",
                                  "\"\\u00e9\"",
                                  "\"\\ud83d\\ude00\"",
                                  "\"\\uD83D\"",
                                  "\"\\ude00\"",
                                  "\"\\u0000\"",
                                  "\\ud83d",
                                  "\\uDE00",
                                  "\\u00",
                                  "\\/\\b\\f\\r",
                                  "null",
                                  "true",
                                  "[1,2]",
                                  "{\"c\":3}",
                                  "[",
                                  "]",
                                  " ",
                                  "\n",
                                  "\r\n",
                                  "01",
                                  "\"",
                                  "\\",
                                  "{\"a\":1,\"b\":\"t\"}\n",
                                  "{\"b\":[{}],\"a\":null}\n",
                                  "{}\n",
                                  NULL};

struct reference {
    json_t *columns; /* key -> number */
    struct mi_buffer found;
    bool bad, undecided;
};

static void take_value(struct mi_buffer *found, size_t column, json_t *value) {
    if (json_is_string(value)) {
        fuzz_cell(found, column, json_string_value(value), json_string_length(value));
    } else if (!json_is_null(value)) {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        fuzz_cell(found, column, text, text != NULL ? strlen(text) : 0);
        free(text);
    }
}

static void take_object(struct reference *reference, json_t *object) {
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        if (json_object_get(reference->columns, key) == NULL) {
            json_int_t number = (json_int_t)json_object_size(reference->columns);
            json_object_set_new(reference->columns, key, json_integer(number));
        }
    }
    size_t column = 0;
    json_object_foreach(reference->columns, key, value) {
        json_t *cell = json_object_get(object, key);
        if (cell != NULL) {
            take_value(&reference->found, column, cell);
        }
        column++;
    }
    mi_buffer_byte(&reference->found, '\n');
}

static void take_line(struct reference *reference, const char *line, size_t size) {
    json_error_t error;
    json_t *object = json_loadb(line, size, LOAD | JSON_REJECT_DUPLICATES, &error);
    if (object == NULL) {
        bool nested = memchr(line + 1, '{', size - 1) != NULL;
        reference->undecided |=
            strstr(error.text, "overflow") != NULL || (nested && strstr(error.text, "duplicate") != NULL);
    }
    reference->bad = !json_is_object(object);
    if (!reference->bad) {
        take_object(reference, object);
    }
    json_decref(object);
}

static void read_reference(struct reference *reference, const char *p, const char *end) {
    bool some = false;
    while (p < end && !reference->bad) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline != NULL ? newline : end;
        const char *start = p;
        while (start < stop && memchr(" \t\r", *start, 3) != NULL) {
            start++;
        }
        if (start < stop) {
            take_line(reference, start, (size_t)(stop - start));
            some = true;
        }
        p = newline != NULL ? newline + 1 : end;
    }
    reference->bad |= !some;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    struct reference reference = {.columns = json_object()};
    size_t mark = size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    reference.undecided = !fuzz_is_text(data, size);
    read_reference(&reference, text + mark, text + size);
    if (reference.undecided) {
        struct mi_buffer ignored = {0};
        fuzz_read(data, size, MI_FORMAT_NDJSON, 0, &ignored);
        mi_buffer_free(&ignored);
    } else {
        if (reference.bad) {
            mi_buffer_byte(&reference.found, '!');
        }
        fuzz_compare(data, size, MI_FORMAT_NDJSON, &reference.found);
    }
    json_decref(reference.columns);
    mi_buffer_free(&reference.found);
    return 0;
}
