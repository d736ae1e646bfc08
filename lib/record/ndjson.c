/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * NDJSON: one object a line. The scanner finds the top-level keys and values; escapes are decoded, nested
 * values judged by jansson.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "record/scan.h"

struct cursor {
    const char *p, *end;
    const char *fault;
};

static void skip_space(struct cursor *at) {
    while (at->p < at->end && (*at->p == ' ' || *at->p == '\t' || *at->p == '\r')) {
        at->p++;
    }
}

static bool fail(struct cursor *at, const char *fault) {
    if (at->fault == NULL) {
        at->fault = fault;
    }
    return false;
}

static json_t *judge(const char *raw, size_t size) {
    return json_loadb(raw, size, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
}

static bool judged_good(const char *raw, size_t size) {
    json_t *value = judge(raw, size);
    json_decref(value);
    return value != NULL;
}

/* A string with its quotes. */
static bool scan_string(struct cursor *at, bool *escaped) {
    const char *start = at->p;
    if (at->p == at->end || *at->p != '"') {
        return fail(at, "not a string");
    }
    for (at->p++; at->p < at->end; at->p++) {
        unsigned char byte = (unsigned char)*at->p;
        if (byte == '"') {
            at->p++;
            if (*escaped && !judged_good(start, (size_t)(at->p - start))) {
                at->p = start;
                return fail(at, "a string with a bad escape");
            }
            return true;
        }
        if (byte == '\\') {
            *escaped = true;
            at->p++;
        } else if (byte < 0x20) {
            return fail(at, "a control byte within a string");
        }
    }
    at->p = start;
    return fail(at, "a string that does not end");
}

static void skip_digits(struct cursor *at) {
    while (at->p < at->end && *at->p >= '0' && *at->p <= '9') {
        at->p++;
    }
}

static bool some_digits(struct cursor *at) {
    const char *start = at->p;
    skip_digits(at);
    return at->p > start;
}

static bool scan_number(struct cursor *at) {
    const char *start = at->p;
    at->p += *at->p == '-';
    bool zero = at->p < at->end && *at->p == '0';
    const char *whole = at->p;
    bool good = some_digits(at) && (!zero || at->p == whole + 1);
    if (good && at->p < at->end && *at->p == '.') {
        at->p++;
        good = some_digits(at);
    }
    if (good && at->p < at->end && (*at->p == 'e' || *at->p == 'E')) {
        at->p++;
        if (at->p < at->end && (*at->p == '+' || *at->p == '-')) {
            at->p++;
        }
        good = some_digits(at);
    }
    if (!good) {
        at->p = start;
        return fail(at, "not a JSON number");
    }
    return true;
}

static bool scan_word(struct cursor *at, const char *word) {
    size_t size = strlen(word);
    if ((size_t)(at->end - at->p) < size || memcmp(at->p, word, size) != 0) {
        return fail(at, "not a JSON value");
    }
    at->p += size;
    return true;
}

/* An object or array: its end by counting brackets outside strings, its inside by jansson. */
static bool scan_nested(struct cursor *at) {
    const char *start = at->p;
    size_t depth = 0;
    bool within_string = false;
    for (; at->p < at->end; at->p++) {
        char byte = *at->p;
        if (within_string) {
            if (byte == '\\') {
                at->p++;
            } else if (byte == '"') {
                within_string = false;
            }
        } else if (byte == '"') {
            within_string = true;
        } else if (byte == '{' || byte == '[') {
            depth++;
        } else if ((byte == '}' || byte == ']') && --depth == 0) {
            at->p++;
            if (!judged_good(start, (size_t)(at->p - start))) {
                at->p = start;
                return fail(at, "not a JSON value");
            }
            return true;
        }
    }
    at->p = start;
    return fail(at, "an object or array that does not end");
}

static bool scan_value(struct cursor *at, bool *escaped) {
    if (at->p == at->end) {
        return fail(at, "a value is missing");
    }
    switch (*at->p) {
    case '"':
        return scan_string(at, escaped);
    case '{':
    case '[':
        return scan_nested(at);
    case 't':
        return scan_word(at, "true");
    case 'f':
        return scan_word(at, "false");
    case 'n':
        return scan_word(at, "null");
    default:
        return scan_number(at);
    }
}

/* One "key":value. */
static bool scan_pair(struct cursor *at, const char *base, struct mi_cells *cells, bool *memory) {
    bool key_escaped = false, escaped = false;
    const char *key = at->p;
    if (!scan_string(at, &key_escaped)) {
        return false;
    }
    size_t key_size = (size_t)(at->p - key);
    skip_space(at);
    if (at->p == at->end || *at->p != ':') {
        return fail(at, "no ':' behind a key");
    }
    at->p++;
    skip_space(at);
    const char *value = at->p;
    if (!scan_value(at, &escaped)) {
        return false;
    }
    *memory = mi_cells_push(cells, (size_t)(key - base), key_size, key_escaped) &&
              mi_cells_push(cells, (size_t)(value - base), (size_t)(at->p - value), escaped);
    return *memory;
}

static bool scan_object(struct cursor *at, const char *base, struct mi_cells *cells, bool *memory) {
    if (at->p == at->end || *at->p != '{') {
        return fail(at, "not a JSON object");
    }
    at->p++;
    skip_space(at);
    if (at->p < at->end && *at->p == '}') {
        at->p++;
    } else {
        for (bool more = true; more;) {
            skip_space(at);
            if (!scan_pair(at, base, cells, memory)) {
                return false;
            }
            skip_space(at);
            if (at->p == at->end || (*at->p != ',' && *at->p != '}')) {
                return fail(at, "no ',' or '}' behind a value");
            }
            more = *at->p++ == ',';
        }
    }
    skip_space(at);
    return at->p == at->end || fail(at, "text behind the object");
}

enum mi_scan_result mi_scan_ndjson(const char *base, size_t from, size_t end_offset, bool last,
                                   struct mi_cells *cells, struct mi_scan *scan) {
    const char *start = base + from, *end = base + end_offset;
    const char *newline = memchr(start, '\n', (size_t)(end - start));
    if (newline == NULL && !last) {
        return MI_SCAN_MORE;
    }
    struct cursor at = {start, newline != NULL ? newline : end, NULL};
    scan->lines = 1;
    scan->whole = (size_t)(at.end - start) + (newline != NULL);
    scan->unfinished = newline == NULL && at.end - start == 1 && *start == '{';
    while (at.end > start && (at.end[-1] == '\r' || at.end[-1] == ' ' || at.end[-1] == '\t')) {
        at.end--;
    }
    scan->size = (size_t)(at.end - start);
    skip_space(&at);
    if (at.p == at.end) {
        return MI_SCAN_BLANK;
    }
    bool memory = true;
    if (!scan_object(&at, base, cells, &memory)) {
        scan->fault = at.fault;
        scan->fault_at = (size_t)(at.p - start);
        scan->fault_field = SIZE_MAX;
        return memory ? MI_SCAN_BAD : MI_SCAN_NO_MEMORY;
    }
    return MI_SCAN_ROW;
}

bool mi_json_nested(const char *raw, size_t size) {
    bool brackets =
        size >= 2 && ((*raw == '{' && raw[size - 1] == '}') || (*raw == '[' && raw[size - 1] == ']'));
    return brackets && memchr(raw, '\n', size) == NULL && judged_good(raw, size);
}

bool mi_decode_json(const char *raw, size_t size, bool escaped, struct mi_arena *arena,
                    struct mi_text *text) {
    if (*raw != '"') {
        bool missing = *raw == 'n'; /* null */
        *text = missing ? (struct mi_text){0} : (struct mi_text){raw, size};
        return true;
    }
    if (!escaped) {
        *text = (struct mi_text){raw + 1, size - 2};
        return true;
    }
    json_t *value = judge(raw, size);
    const char *copy =
        value == NULL ? NULL : mi_arena_copy(arena, json_string_value(value), json_string_length(value));
    *text = (struct mi_text){copy, copy != NULL ? json_string_length(value) : 0};
    json_decref(value);
    return copy != NULL;
}

void mi_encode_json(struct mi_buffer *out, struct mi_text text) {
    if (text.data == NULL) {
        mi_buffer_string(out, "null");
        return;
    }
    mi_buffer_byte(out, '"');
    const char *p = text.data, *end = text.data + text.size, *plain = p;
    for (; p < end; p++) {
        unsigned char byte = (unsigned char)*p;
        if (byte >= 0x20 && byte != '"' && byte != '\\') {
            continue;
        }
        mi_buffer_append(out, plain, (size_t)(p - plain));
        plain = p + 1;
        const char *named = byte == '"'    ? "\\\""
                            : byte == '\\' ? "\\\\"
                            : byte == '\n' ? "\\n"
                            : byte == '\t' ? "\\t"
                            : byte == '\r' ? "\\r"
                                           : NULL;
        if (named != NULL) {
            mi_buffer_append(out, named, 2);
        } else {
            mi_buffer_print(out, "\\u%04x", byte);
        }
    }
    mi_buffer_append(out, plain, (size_t)(end - plain));
    mi_buffer_byte(out, '"');
}

/* The text is how canonical JSON (RFC 8785) writes the number, with at most 15 digits, so that all of them
 * are significant for a double. */
static bool canonical_number(struct mi_text text) {
    enum { MOST_DIGITS = 15, LONGEST = MOST_DIGITS + 8 /* 0.00000 and a sign, or e+300 */ };
    char printed[MI_NUMBER_LENGTH];
    double value;
    size_t digits = 0;
    if (text.size == 0 || text.size > LONGEST || text.data[0] > '9') {
        return false;
    }
    for (size_t i = 0; i < text.size && text.data[i] != 'e'; i++) {
        digits += text.data[i] >= '0' && text.data[i] <= '9';
    }
    return digits <= MOST_DIGITS && mi_number_parse(text, &value) &&
           mi_number_format(value, printed) == text.size && memcmp(printed, text.data, text.size) == 0;
}

void mi_encode_json_guess(struct mi_buffer *out, struct mi_text text) {
    bool as_it_stands = text.size > 0 && (canonical_number(text) || mi_json_nested(text.data, text.size));
    if (as_it_stands) {
        mi_buffer_append(out, text.data, text.size);
    } else {
        mi_encode_json(out, text);
    }
}
