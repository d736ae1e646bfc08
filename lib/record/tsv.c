/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TSV: fields between tabs, with \t \n \r \\ for the bytes that would end them. Any other backslash stands
 * for itself.
 */
#include <string.h>

#include "record/scan.h"

/* A backslash at the very end that no other one escapes. */
static bool ends_in_backslash(const char *start, const char *end) {
    size_t count = 0;
    for (; end > start && end[-1] == '\\'; end--) {
        count++;
    }
    return count % 2 == 1;
}

enum mi_scan_result mi_scan_tsv(const char *base, size_t from, size_t end_offset, bool last,
                                struct mi_cells *cells, struct mi_scan *scan) {
    const char *start = base + from, *end = base + end_offset;
    const char *newline = memchr(start, '\n', (size_t)(end - start));
    if (newline == NULL && !last) {
        return MI_SCAN_MORE;
    }
    scan->lines = 1;
    const char *stop = newline != NULL ? newline : end;
    scan->unfinished = newline == NULL && ends_in_backslash(start, end);
    scan->whole = (size_t)(stop - start) + (newline != NULL);
    if (stop > start && stop[-1] == '\r') {
        stop--;
    }
    scan->size = (size_t)(stop - start);
    if (scan->unfinished) {
        scan->fault = "a lone backslash";
        scan->fault_at = scan->size - 1;
        scan->fault_field = SIZE_MAX;
        return MI_SCAN_BAD;
    }
    if (stop == start) {
        return MI_SCAN_BLANK;
    }
    for (const char *field = start;;) {
        const char *tab = memchr(field, '\t', (size_t)(stop - field));
        const char *field_end = tab != NULL ? tab : stop;
        size_t size = (size_t)(field_end - field);
        bool escaped = size > 0 && memchr(field, '\\', size) != NULL;
        if (!mi_cells_push(cells, (size_t)(field - base), size, escaped)) {
            return MI_SCAN_NO_MEMORY;
        }
        if (tab == NULL) {
            return MI_SCAN_ROW;
        }
        field = tab + 1;
    }
}

static char unescaped(char letter) {
    switch (letter) {
    case 't':
        return '\t';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case '\\':
        return '\\';
    default:
        return '\0';
    }
}

bool mi_decode_tsv(const char *raw, size_t size, bool escaped, struct mi_arena *arena, struct mi_text *text) {
    if (size == 0) {
        *text = (struct mi_text){0};
        return true;
    }
    if (!escaped) {
        *text = (struct mi_text){raw, size};
        return true;
    }
    char *out = mi_arena_alloc(arena, size);
    if (out == NULL) {
        return false;
    }
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        char plain = raw[i] == '\\' && i + 1 < size ? unescaped(raw[i + 1]) : '\0';
        out[used++] = plain != '\0' ? plain : raw[i];
        i += plain != '\0';
    }
    *text = (struct mi_text){out, used};
    return true;
}

void mi_encode_tsv(struct mi_buffer *out, struct mi_text text) {
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];
        const char *escape = byte == '\t' ? "\\t" : byte == '\n' ? "\\n" : byte == '\r' ? "\\r" : "\\\\";
        if (byte == '\t' || byte == '\n' || byte == '\r' || byte == '\\') {
            mi_buffer_append(out, escape, 2);
        } else {
            mi_buffer_byte(out, byte);
        }
    }
}
