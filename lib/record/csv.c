/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * CSV (RFC 4180). The scanner finds fields and tells well-formed quoting from broken; a field with doubled
 * quotes is decoded by libcsv.
 */
#include <csv.h>
#include <stdlib.h>
#include <string.h>

#include "record/scan.h"

static enum mi_scan_result bad(struct mi_scan *scan, const struct mi_cells *cells, const char *fault,
                               size_t at) {
    scan->fault = fault;
    scan->fault_at = at;
    scan->fault_field = cells->count;
    return MI_SCAN_BAD;
}

/* The bytes behind a record: its line end, or the end of the input. */
static enum mi_scan_result end_row(struct mi_scan *scan, size_t size, size_t line_end) {
    scan->size = size;
    scan->whole = size + line_end;
    return size == 0 ? MI_SCAN_BLANK : MI_SCAN_ROW;
}

static size_t count_newlines(const char *p, const char *end) {
    size_t count = 0;
    while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        count++;
        p++;
    }
    return count;
}

/* From behind an opening quote to behind the closing one; NULL: no closing quote. */
static const char *quoted_end(const char *p, const char *end, bool *escaped) {
    for (;;) {
        p = memchr(p, '"', (size_t)(end - p));
        if (p == NULL) {
            return NULL;
        }
        p++;
        if (p == end || *p != '"') {
            return p;
        }
        *escaped = true;
        p++;
    }
}

/* The first byte that is a comma, quote, CR or LF. */
static const char *plain_end(const char *p, const char *end) {
    static const char special[256] = {[','] = 1, ['"'] = 1, ['\n'] = 1, ['\r'] = 1};
    while (p < end && !special[(unsigned char)*p]) {
        p++;
    }
    return p;
}

enum mi_scan_result mi_scan_csv(const char *base, size_t from, size_t end_offset, bool last,
                                struct mi_cells *cells, struct mi_scan *scan) {
    const char *start = base + from, *end = base + end_offset, *p = start;
    scan->lines = 1;
    scan->unfinished = false;
    for (;;) {
        const char *field = p;
        bool escaped = false;
        if (p < end && *p == '"') {
            p = quoted_end(p + 1, end, &escaped);
            if (p == NULL) {
                scan->unfinished = last && end - start == 1;
                return last ? bad(scan, cells, "a quoted field that does not end", (size_t)(field - start))
                            : MI_SCAN_MORE;
            }
            scan->lines += count_newlines(field, p);
        } else {
            p = plain_end(p, end);
        }
        if (p == end && !last) {
            return MI_SCAN_MORE;
        }
        if (!mi_cells_push(cells, (size_t)(field - base), (size_t)(p - field), escaped)) {
            return MI_SCAN_NO_MEMORY;
        }
        if (p == end) {
            return end_row(scan, (size_t)(p - start), 0);
        }
        if (*p == ',') {
            p++;
        } else if (*p == '\n') {
            return end_row(scan, (size_t)(p - start), 1);
        } else if (*p == '\r' && (p + 1 < end ? p[1] == '\n' : last)) {
            return end_row(scan, (size_t)(p - start), p + 1 < end ? 2 : 1);
        } else if (*p == '\r' && p + 1 == end) {
            return MI_SCAN_MORE;
        } else {
            cells->count--;
            const char *fault = *field == '"' && p > field ? "text behind a closing quote"
                                : *p == '"'                ? "a quote within a field that is not quoted"
                                            : "a carriage return within a field that is not quoted";
            return bad(scan, cells, fault, (size_t)(field - start));
        }
    }
}

struct decoded {
    char *out;
    size_t size, fields;
};

static void take_field(void *data, size_t size, void *context) {
    struct decoded *decoded = context;
    if (size > 0) {
        memcpy(decoded->out, data, size);
    }
    decoded->size = size;
    decoded->fields++;
}

static int never_space(unsigned char byte) {
    (void)byte;
    return 0;
}

static bool decode_by_libcsv(const char *raw, size_t size, struct decoded *decoded) {
    struct csv_parser parser;
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0) {
        return false;
    }
    csv_set_space_func(&parser, never_space);
    csv_set_blk_size(&parser, size + 1);
    bool good = csv_parse(&parser, raw, size, take_field, NULL, decoded) == size &&
                csv_fini(&parser, take_field, NULL, decoded) == 0 && decoded->fields == 1;
    csv_free(&parser);
    return good;
}

bool mi_decode_csv(const char *raw, size_t size, bool escaped, struct mi_arena *arena, struct mi_text *text) {
    if (size == 0) {
        *text = (struct mi_text){0};
        return true;
    }
    if (*raw != '"') {
        *text = (struct mi_text){raw, size};
        return true;
    }
    if (!escaped) {
        *text = (struct mi_text){raw + 1, size - 2};
        return true;
    }
    struct decoded decoded = {.out = mi_arena_alloc(arena, size)};
    if (decoded.out == NULL || !decode_by_libcsv(raw, size, &decoded)) {
        return false;
    }
    *text = (struct mi_text){decoded.out, decoded.size};
    return true;
}

/* Quotes where RFC 4180 needs it; an empty text (not a missing one) is quoted, so that it stays different. */
void mi_encode_csv(struct mi_buffer *out, struct mi_text text) {
    if (text.data == NULL) {
        return;
    }
    if (text.size > 0 && plain_end(text.data, text.data + text.size) == text.data + text.size) {
        mi_buffer_append(out, text.data, text.size);
        return;
    }
    mi_buffer_byte(out, '"');
    const char *p = text.data, *end = text.data + text.size;
    for (const char *quote; p < end && (quote = memchr(p, '"', (size_t)(end - p))) != NULL; p = quote + 1) {
        mi_buffer_append(out, p, (size_t)(quote + 1 - p));
        mi_buffer_byte(out, '"');
    }
    mi_buffer_append(out, p, (size_t)(end - p));
    mi_buffer_byte(out, '"');
}
