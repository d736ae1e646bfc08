/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of the reader share.
 */
#ifndef MI_RECORD_FILL_H
#define MI_RECORD_FILL_H

#include "base/memory.h"
#include "record/batch.h"

enum {
    MI_READ_SIZE = 256 * 1024,
    MI_RECORD_LIMIT = 16 * 1024 * 1024 /* a record beyond this is an open quote rather than data */
};

/* An error about the input at a physical line (0: none). */
enum mi_status mi_input_fault(const struct mi_reader *reader, uint64_t line, struct mi_error *error,
                              enum mi_status code, const char *text);

/* One read() into the buffer; sets `ended`. */
enum mi_status mi_reader_read_more(struct mi_reader *reader, struct mi_error *error);

enum mi_status mi_reader_add_column(struct mi_reader *reader, struct mi_text name, struct mi_text raw,
                                    struct mi_error *error);
/* The first column of this name, or MI_NO_COLUMN. */
size_t mi_reader_find_column(const struct mi_reader *reader, struct mi_text name);

/* A column of this name may not appear later: something relies on its not being there. */
enum mi_status mi_reader_exclude(struct mi_reader *reader, struct mi_text name, struct mi_error *error);

/* Takes a bad record out, with the error as its reason. */
enum mi_status mi_rejects_take(struct mi_reader *reader, const char *data, size_t size, uint64_t line,
                               struct mi_error *error);
/* Hands those of a batch on, once all its rows were looked at. */
enum mi_status mi_rejects_settle(struct mi_reader *reader, struct mi_error *error);
void mi_rejects_free(struct mi_reader *reader);

/* Fills the batch: at least one row, or MI_END. A fault behind rows that are good waits in `pending`. */
enum mi_status mi_reader_fill(struct mi_reader *reader, struct mi_error *error);

/* The error for a record at `start` that could not be scanned. */
enum mi_status mi_scan_report(const struct mi_reader *reader, const struct mi_scan *scan,
                              struct mi_error *error);
/* Refuses NUL and bytes that are not UTF-8 in the record at `start`. */
enum mi_status mi_scan_check_bytes(const struct mi_reader *reader, const struct mi_scan *scan,
                                   struct mi_error *error);

#endif
