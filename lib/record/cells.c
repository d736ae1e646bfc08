/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the scanners share: the growing row of cells, and whether bytes are text at all.
 */
#include <stdlib.h>
#include <string.h>

#include "record/scan.h"

bool mi_cells_push_slow(struct mi_cells *cells, struct mi_cell cell) {
    size_t capacity = cells->capacity < 64 ? 64 : cells->capacity * 2;
    struct mi_cell *items = realloc(cells->items, capacity * sizeof *items);
    if (items == NULL) {
        return false;
    }
    cells->items = items;
    cells->capacity = capacity;
    cells->items[cells->count++] = cell;
    return true;
}

/* Bytes of the UTF-8 sequence at p, 0 where there is none (overlong forms and surrogates are none). */
static size_t sequence_length(const unsigned char *p, size_t left) {
    size_t length = *p < 0x80                 ? 1
                    : *p >= 0xc2 && *p < 0xe0 ? 2
                    : (*p & 0xf0) == 0xe0     ? 3
                    : *p >= 0xf0 && *p < 0xf5 ? 4
                                              : 0;
    if (length == 0 || length > left) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool refused = (*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] >= 0xa0) ||
                   (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] >= 0x90);
    return refused ? 0 : length;
}

bool mi_utf8_valid(const char *data, size_t size) {
    const unsigned char *p = (const unsigned char *)data, *end = p + size;
    while (p < end) {
        size_t length = *p == 0 ? 0 : sequence_length(p, (size_t)(end - p));
        if (length == 0) {
            return false;
        }
        p += length;
    }
    return true;
}
