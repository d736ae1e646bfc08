/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From bytes to records: one scanner per format finds where a record and its fields lie. What the fast
 * scanners find hard (doubled quotes, escapes, nested values) is decoded or judged by libcsv and jansson.
 */
#ifndef MI_RECORD_SCAN_H
#define MI_RECORD_SCAN_H

#include "base/arena.h"
#include "base/buffer.h"

/* A field as it stands in the input, quotes included. */
struct mi_cell {
    uint32_t offset; /* from the start of the batch's bytes; MI_CELL_ABSENT: the row has no such field */
    uint32_t size : 31;
    uint32_t escaped : 1; /* its text differs from its bytes by more than the quotes around it */
};

#define MI_CELL_ABSENT UINT32_MAX

/* A growing row of cells. */
struct mi_cells {
    struct mi_cell *items;
    size_t count, capacity;
};

enum mi_scan_result {
    MI_SCAN_ROW,
    MI_SCAN_BLANK, /* an empty line */
    MI_SCAN_MORE,  /* the record does not end in these bytes */
    MI_SCAN_BAD,   /* see fault */
    MI_SCAN_NO_MEMORY
};

/* One record found. */
struct mi_scan {
    size_t size;  /* bytes of the record without its line end */
    size_t whole; /* with it: where the next record starts */
    size_t lines; /* physical lines that it takes */
    const char *fault;
    size_t fault_at;    /* offset of the offending text in the record */
    size_t fault_field; /* 0-based, SIZE_MAX: none */
    bool unfinished;    /* the input ends within this record, as a failed filter leaves it */
};

/* Each scans one record at `base + from`, bytes up to base + end; `last`: no more will come. Cells, with
 * offsets from base, are appended to `cells`, which must have been emptied. */
enum mi_scan_result mi_scan_csv(const char *base, size_t from, size_t end, bool last, struct mi_cells *cells,
                                struct mi_scan *scan);
enum mi_scan_result mi_scan_tsv(const char *base, size_t from, size_t end, bool last, struct mi_cells *cells,
                                struct mi_scan *scan);
/* Cells come in pairs: key, value. */
enum mi_scan_result mi_scan_ndjson(const char *base, size_t from, size_t end, bool last,
                                   struct mi_cells *cells, struct mi_scan *scan);

bool mi_cells_push_slow(struct mi_cells *cells, struct mi_cell cell);

static inline bool mi_cells_push(struct mi_cells *cells, size_t offset, size_t size, bool escaped) {
    struct mi_cell cell = {(uint32_t)offset, (uint32_t)size & 0x7fffffffu, escaped};
    if (cells->count == cells->capacity) {
        return mi_cells_push_slow(cells, cell);
    }
    cells->items[cells->count++] = cell;
    return true;
}

/* The text of a field from its bytes; memory from `arena` where it differs. Missing where the field is empty
 * (CSV and TSV: no bytes between the delimiters) or null. false: the bytes are no such field (or no memory).
 */
bool mi_decode_csv(const char *raw, size_t size, bool escaped, struct mi_arena *arena, struct mi_text *text);
bool mi_decode_tsv(const char *raw, size_t size, bool escaped, struct mi_arena *arena, struct mi_text *text);
bool mi_decode_json(const char *raw, size_t size, bool escaped, struct mi_arena *arena, struct mi_text *text);

/* Whether the bytes are one JSON object or array, on one line and with nothing around it. */
bool mi_json_nested(const char *raw, size_t size);

/* Whether the bytes are UTF-8 without NUL. */
bool mi_utf8_valid(const char *data, size_t size);

/* The text of a field as bytes of the format; missing text gives CSV and TSV an empty field, JSON a null. */
void mi_encode_csv(struct mi_buffer *out, struct mi_text text);
void mi_encode_tsv(struct mi_buffer *out, struct mi_text text);
/* As a JSON string. */
void mi_encode_json(struct mi_buffer *out, struct mi_text text);
/* As JSON from a format without types: a number where the text is canonical JSON of at most 15 digits, nested
 * where it is an object or array, else a string. */
void mi_encode_json_guess(struct mi_buffer *out, struct mi_text text);

#endif
