/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Property: of any text, read as TSV, the reader finds what splitting at newlines and tabs and undoing \t \n
 * \r \\ finds; a lone backslash as the last byte and rows of another length than the header are refused.
 */
#include <string.h>

#include "fuzz.h"

const char *const fuzz_words[] = {"a",    "b",   "\t",  "\t",  "\t",       "\n",     "\n",
                                  "\r\n", "\\t", "\\n", "\\r", "\\\\",     "\\",     "\\x",
                                  " ",    "1.5", "\"",  ",",   "\xc3\xa9", "7\t8\n", NULL};

static void take_field(struct mi_buffer *row, size_t column, const char *field, size_t size) {
    static const char letters[] = "tnr\\", bytes[] = "\t\n\r\\";
    char plain[4096];
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        const char *letter =
            field[i] == '\\' && i + 1 < size && field[i + 1] != '\0' ? strchr(letters, field[i + 1]) : NULL;
        plain[used++] = letter != NULL ? bytes[letter - letters] : field[i];
        i += letter != NULL;
    }
    fuzz_cell(row, column, plain, used);
}

/* Fields of a line. */
static size_t take_line(struct mi_buffer *row, const char *line, size_t size) {
    size_t column = 0;
    for (;;) {
        const char *tab = memchr(line, '\t', size);
        size_t length = tab != NULL ? (size_t)(tab - line) : size;
        take_field(row, column++, line, length);
        if (tab == NULL) {
            return column;
        }
        line += length + 1;
        size -= length + 1;
    }
}

/* A backslash at the end that is not the second of two. */
static bool ends_in_backslash(const char *p, const char *end) {
    bool lone = false;
    for (; p < end; p++) {
        lone = *p == '\\' && !lone;
    }
    return lone;
}

static bool reference(const char *p, const char *end, struct mi_buffer *expected) {
    size_t columns = 0;
    struct mi_buffer row = {0};
    bool good = true;
    while (p < end && good) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline != NULL ? newline : end;
        size_t size = (size_t)(stop - p);
        good = newline != NULL || !ends_in_backslash(p, stop);
        size -= size > 0 && p[size - 1] == '\r';
        row.size = 0;
        size_t fields = size > 0 && good ? take_line(&row, p, size) : 0;
        if (columns == 0) {
            columns = fields;
        } else if (fields > 0) {
            good = fields == columns;
            if (good) {
                mi_buffer_append(expected, row.data, row.size);
                mi_buffer_byte(expected, '\n');
            }
        }
        p = newline != NULL ? newline + 1 : end;
    }
    mi_buffer_free(&row);
    return good && columns > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    if (size > 4096 || !fuzz_is_text(data, size)) {
        return 0;
    }
    size_t mark = size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (mark < size && (text[mark] == '\n' || text[mark] == '\r')) {
        mark++;
    }
    struct mi_buffer expected = {0};
    if (!reference(text + mark, text + size, &expected)) {
        mi_buffer_byte(&expected, '!');
    }
    fuzz_compare(data, size, MI_FORMAT_TSV, &expected);
    mi_buffer_free(&expected);
    return 0;
}
