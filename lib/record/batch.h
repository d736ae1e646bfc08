/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a reader and its batches consist of; shared by the reader, the batch accessors and the writer.
 */
#ifndef MI_RECORD_BATCH_H
#define MI_RECORD_BATCH_H

#include "record/output.h"
#include "record/scan.h"

typedef enum mi_scan_result mi_scan_function(const char *base, size_t from, size_t end, bool last,
                                             struct mi_cells *cells, struct mi_scan *scan);
typedef bool mi_decode_function(const char *raw, size_t size, bool escaped, struct mi_arena *arena,
                                struct mi_text *text);

struct mi_row {
    uint32_t offset, size; /* bytes of the record, without its line end */
    uint64_t line;
};

struct mi_batch {
    struct mi_reader *reader;
    const char *base; /* bytes that offsets count from */
    struct mi_row *rows;
    size_t count, capacity;
    struct mi_cell *cells; /* rows x stride, columns in the reader's order */
    size_t stride, cell_capacity;
    struct mi_arena texts; /* decoded fields */
};

struct mi_column {
    struct mi_text name;
    struct mi_text raw; /* header field or key as it stands in the input */
    bool twice;         /* the name stands twice in the header */
};

struct mi_reject {
    uint64_t line;
    size_t at, size; /* its line of the rejects file, in `held` */
};

struct mi_rejects {
    struct mi_output output;
    bool begun;            /* its header is written */
    struct mi_buffer held; /* of the batch at hand */
    struct mi_reject *items;
    size_t count, capacity;
    uint64_t total; /* ever */
};

struct mi_reader {
    char *name;
    int descriptor;
    size_t taken; /* of options.content */
    enum mi_format format;
    mi_scan_function *scan;
    mi_decode_function *decode;
    struct mi_reader_options options; /* maps point into the caller's memory until open returns */
    char **maps;                      /* own copies */
    struct mi_notes notes;

    char *buffer;
    size_t capacity, start, end; /* bytes not scanned yet lie in [start, end) */
    bool ended;                  /* read() said so */
    bool suspicious;             /* a NUL or a byte above 0x7f is in the buffer: rows are checked */
    uint64_t line;               /* physical line at start */
    uint64_t first_line;         /* of the header, or of the first record */

    struct mi_column *columns;
    size_t column_count, column_capacity;
    struct mi_index *names; /* name -> first column */
    struct mi_arena header; /* names */
    struct mi_index
        *absent; /* names that may not appear any more (NDJSON): asked for and not there, computed */

    struct mi_cells scanned; /* the record being scanned */
    struct mi_batch batch;
    bool primed;             /* the batch was read at open and not handed out yet */
    struct mi_error pending; /* found behind the rows of this batch; code MI_OK: none */

    bool rejecting;
    struct mi_rejects rejects;
};

/* A bad record where none can be left out is bad input. */
static inline enum mi_status mi_bad_input(enum mi_status status, struct mi_error *error) {
    if (status != MI_BAD_RECORD) {
        return status;
    }
    if (error != NULL) {
        error->code = MI_BAD_INPUT;
    }
    return MI_BAD_INPUT;
}

/* Raw bytes of a cell; data NULL where absent. */
static inline struct mi_text mi_batch_raw(const struct mi_batch *batch, size_t row, size_t column) {
    if (column >= batch->stride) {
        return (struct mi_text){0};
    }
    const struct mi_cell *cell = &batch->cells[row * batch->stride + column];
    if (cell->offset == MI_CELL_ABSENT) {
        return (struct mi_text){0};
    }
    return (struct mi_text){batch->base + cell->offset, cell->size};
}

#endif
