/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Property: of any bytes, read as CSV, the reader finds the fields that libcsv (strict, nothing trimmed)
 * finds, and refuses what libcsv refuses, rows of another length than the header, and what is not UTF-8. A
 * lone carriage return ends a record for libcsv and is refused here: such inputs are only read.
 */
#include <csv.h>
#include <string.h>

#include "fuzz.h"

const char *const fuzz_words[] = {
    "a",     "b",       ",",        ",",          ",", ",",   "\n",       "\n",   "\r\n",  "\"", "\"", "\"\"",
    "\"x\"", "\"a,b\"", "\"c\nd\"", "\"e\"\"f\"", " ", "1.5", "\xc3\xa9", "\"\"", "7,8\n", "\t", NULL};

struct reference {
    struct mi_buffer *found;
    struct mi_buffer row;
    size_t fields, columns; /* of this row; of the header, 0 before it */
    bool bad;
};

static void take_field(void *data, size_t size, void *context) {
    struct reference *reference = context;
    fuzz_cell(&reference->row, reference->fields++, data, size);
}

static void take_row(int byte, void *context) {
    struct reference *reference = context;
    (void)byte;
    if (reference->columns == 0) {
        reference->columns = reference->fields;
    } else if (!reference->bad) {
        reference->bad = reference->fields != reference->columns;
        if (!reference->bad) {
            mi_buffer_append(reference->found, reference->row.data, reference->row.size);
            mi_buffer_byte(reference->found, '\n');
        }
    }
    reference->fields = 0;
    reference->row.size = 0;
}

static int never_space(unsigned char byte) {
    (void)byte;
    return 0;
}

static bool lone_return(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\r' && (i + 1 == size || data[i + 1] != '\n')) {
            return true;
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mi_buffer expected = {0};
    if (lone_return(data, size) || !fuzz_is_text(data, size)) {
        fuzz_read(data, size, MI_FORMAT_CSV, 0, &expected);
        if (!fuzz_is_text(data, size) && (expected.size == 0 || expected.data[expected.size - 1] != '!')) {
            fuzz_broken("what is not UTF-8 is refused");
        }
        mi_buffer_free(&expected);
        return 0;
    }
    struct reference reference = {.found = &expected};
    size_t mark = size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    struct csv_parser parser;
    csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI);
    csv_set_space_func(&parser, never_space);
    size_t done = csv_parse(&parser, data + mark, size - mark, take_field, take_row, &reference);
    bool good = done == size - mark && csv_fini(&parser, take_field, take_row, &reference) == 0;
    csv_free(&parser);
    if (!good || reference.bad || reference.columns == 0) {
        mi_buffer_byte(&expected, '!');
    }
    fuzz_compare(data, size, MI_FORMAT_CSV, &expected);
    mi_buffer_free(&reference.row);
    mi_buffer_free(&expected);
    return 0;
}
