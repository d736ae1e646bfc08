/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What tests of records have in common: bytes to a file, through reader and writer, and back to bytes. Tests
 * run in a working folder of their own.
 */
#ifndef TEST_RECORDS_H
#define TEST_RECORDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mi.h"

/* Everything that a run can be told, and what came of it. Clear with passed_clear(). */
struct passing {
    struct mi_reader_options reading;
    struct mi_writer_options writing;
    const char *append; /* a computed column, set to 1.5 */
    const char *drop;
};

struct passed {
    enum mi_status status;
    struct mi_error error;
    char message[1600];
    char notes[1000];
    char *output; /* NUL-terminated */
    size_t size;
    size_t batches, rows;
};

static inline void put_bytes(const char *path, const char *data, size_t size) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline void put_file(const char *path, const char *text) {
    put_bytes(path, text, strlen(text));
}

/* The file's text, malloc'ed; "" where there is none. */
static inline char *get_file(const char *path, size_t *size) {
    char *text = NULL;
    size_t own;
    if (mi_file_read(path, SIZE_MAX, &text, size != NULL ? size : &own, NULL) != MI_OK) {
        text = calloc(1, 1);
        assert_non_null(text);
    }
    return text;
}

static inline void add_note(void *user, const char *text) {
    struct passed *passed = user;
    size_t used = strlen(passed->notes);
    snprintf(passed->notes + used, sizeof passed->notes - used, "%s\n", text);
}

static inline enum mi_status pass_rows(struct passed *passed, const struct passing *how,
                                       struct mi_reader *reader, struct mi_writer *writer) {
    size_t slot = SIZE_MAX, column;
    struct mi_batch *batch;
    enum mi_status status = MI_OK;
    if (how->append != NULL) {
        status = mi_writer_column(writer, how->append, &slot, &passed->error);
    }
    if (status == MI_OK && how->drop != NULL) {
        status = mi_reader_column(reader, how->drop, true, &column, &passed->error);
        status = status == MI_OK ? mi_writer_drop(writer, column, &passed->error) : status;
    }
    while (status == MI_OK && (status = mi_reader_next(reader, &batch, &passed->error)) == MI_OK) {
        passed->batches++;
        for (size_t row = 0; status == MI_OK && row < mi_batch_rows(batch); row++) {
            mi_writer_number(writer, slot, 1.5);
            status = mi_writer_row(writer, batch, row, &passed->error);
            passed->rows++;
        }
    }
    return status == MI_END ? mi_reader_finish(reader, &passed->error) : status;
}

/* Passes the file `in` to the file `out`. */
static inline struct passed pass_file(struct passing how) {
    struct passed passed = {0};
    struct mi_reader *reader = NULL;
    struct mi_writer *writer = NULL;
    how.reading.notes = how.writing.notes = (struct mi_notes){add_note, &passed};
    remove("out");
    passed.status = mi_reader_open("in", &how.reading, &reader, &passed.error);
    if (passed.status == MI_OK) {
        passed.status = mi_writer_open("out", reader, &how.writing, &writer, &passed.error);
    }
    if (passed.status == MI_OK) {
        passed.status = pass_rows(&passed, &how, reader, writer);
    }
    if (passed.status == MI_OK) {
        passed.status = mi_writer_close(writer, &passed.error);
    } else {
        mi_writer_abort(writer);
    }
    mi_reader_close(reader);
    if (passed.status != MI_OK) {
        mi_error_format(&passed.error, passed.message, sizeof passed.message);
        assert_int_equal(passed.error.code, passed.status);
        assert_true(passed.error.text[0] != '\0');
    }
    passed.output = get_file("out", &passed.size);
    return passed;
}

static inline struct passed pass_text(const char *text, struct passing how) {
    put_file("in", text);
    return pass_file(how);
}

static inline void passed_clear(struct passed *passed) {
    free(passed->output);
    *passed = (struct passed){0};
}

/* Passes and compares the output. */
static inline void assert_passes(const char *text, struct passing how, const char *expected) {
    struct passed passed = pass_text(text, how);
    if (passed.status != MI_OK) {
        fail_msg("refused: %s", passed.message);
    }
    assert_string_equal(passed.output, expected);
    passed_clear(&passed);
}

/* Passing fails with this status and message, and no output appears. */
static inline void assert_refuses(const char *text, struct passing how, enum mi_status status,
                                  const char *message) {
    struct passed passed = pass_text(text, how);
    assert_string_equal(passed.message, message);
    assert_int_equal(passed.status, status);
    assert_string_equal(passed.output, "");
    passed_clear(&passed);
}

#endif
