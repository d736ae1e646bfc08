/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * NDJSON: one object a line. The scanner finds the top-level keys and values and judges what is nested
 * without making a tree of it, as strictly as jansson (the differential fuzzer holds both to one answer),
 * which decodes the strings with escapes.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "record/scan.h"

enum { NESTED_MOST = 2047 /* levels within a record, which jansson counts as one of its 2048 */ };

struct cursor {
    const char *p, *end;
    const char *fault;
    int depth;
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

static int hex_digit(char byte) {
    return byte >= '0' && byte <= '9'   ? byte - '0'
           : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
           : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                        : -1;
}

/* The four digits of \uXXXX; -1: not such. */
static int code_unit(const char *p, const char *end) {
    int unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = p + i < end ? hex_digit(p[i]) : -1;
        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
    }
    return unit;
}

/* From behind a backslash to behind the escape; NULL: a bad one, half a surrogate pair, or a NUL. */
static const char *escape_end(const char *p, const char *end) {
    if (p == end) {
        return NULL;
    }
    if (*p != 'u') {
        return memchr("\"\\/bfnrt", *p, 8) != NULL ? p + 1 : NULL;
    }
    int unit = code_unit(p + 1, end);
    if (unit <= 0 || (unit >= 0xdc00 && unit < 0xe000)) {
        return NULL;
    }
    if (unit < 0xd800 || unit >= 0xe000) {
        return p + 5;
    }
    int low = end - p >= 7 && p[5] == '\\' && p[6] == 'u' ? code_unit(p + 7, end) : -1;
    return low >= 0xdc00 && low < 0xe000 ? p + 11 : NULL;
}

/* A string with its quotes. */
static bool scan_string(struct cursor *at, bool *escaped) {
    const char *start = at->p;
    if (at->p == at->end || *at->p != '"') {
        return fail(at, "not a string");
    }
    for (at->p++; at->p < at->end;) {
        unsigned char byte = (unsigned char)*at->p;
        if (byte == '"') {
            at->p++;
            return true;
        }
        if (byte < 0x20) {
            return fail(at, "a control byte within a string");
        }
        at->p++;
        if (byte == '\\') {
            const char *behind = escape_end(at->p, at->end);
            *escaped = true;
            if (behind == NULL) {
                at->p = start;
                return fail(at, "a string with a bad escape");
            }
            at->p = behind;
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

static bool scan_value(struct cursor *at, bool *escaped);

static bool scan_colon(struct cursor *at) {
    skip_space(at);
    if (at->p == at->end || *at->p != ':') {
        return fail(at, "no ':' behind a key");
    }
    at->p++;
    skip_space(at);
    return true;
}

/* An object or array within a value. */
static bool scan_nested(struct cursor *at) {
    char close = *at->p++ == '{' ? '}' : ']';
    bool escaped;
    if (++at->depth > NESTED_MOST) {
        return fail(at, "nested too deeply");
    }
    skip_space(at);
    if (at->p < at->end && *at->p == close) {
        at->p++;
        at->depth--;
        return true;
    }
    for (;;) {
        skip_space(at);
        if ((close == '}' && (!scan_string(at, &escaped) || !scan_colon(at))) || !scan_value(at, &escaped)) {
            return false;
        }
        skip_space(at);
        if (at->p == at->end || (*at->p != ',' && *at->p != close)) {
            return fail(at, close == '}' ? "no ',' or '}' behind a value" : "no ',' or ']' behind a value");
        }
        if (*at->p++ == close) {
            at->depth--;
            return true;
        }
    }
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
        return *at->p == '-' || (*at->p >= '0' && *at->p <= '9') ? scan_number(at)
                                                                 : fail(at, "not a JSON value");
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
    if (!scan_colon(at)) {
        return false;
    }
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
    struct cursor at = {start, newline != NULL ? newline : end, NULL, 0};
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
    struct cursor at = {raw, raw + size, NULL, 0};
    return size >= 2 && (*raw == '{' || *raw == '[') && scan_nested(&at) && at.p == at.end;
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
    json_t *value = json_loadb(raw, size, JSON_DECODE_ANY, NULL);
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
