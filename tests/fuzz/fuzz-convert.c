/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Property: what is read as CSV and passed through as CSV or TSV or NDJSON, and back, keeps all values; CSV
 * that was written here comes back from NDJSON and from TSV with the same bytes. Passed through unchanged,
 * records keep their bytes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

const char *const fuzz_words[] = {"a",
                                  "b",
                                  ",",
                                  ",",
                                  ",",
                                  ",",
                                  "\n",
                                  "\n",
                                  "\n",
                                  "\"\"\"\"",
                                  "\"x\"",
                                  "\"a,b\"",
                                  "\"c\nd\"",
                                  "\"e\"\"f\"",
                                  " ",
                                  "1.5",
                                  "1.50",
                                  "007",
                                  "1e3",
                                  "-0",
                                  "0.1",
                                  "123456789012345",
                                  "1234567890123456",
                                  "true",
                                  "null",
                                  "nan",
                                  "\xc3\xa9",
                                  "\"\"",
                                  "7,8\n",
                                  "\t",
                                  "\\",
                                  "\\t",
                                  "\"[1,2]\"",
                                  "\"[1,\n2]\"",
                                  "\"[1] \"",
                                  "\"{\"\"k\"\":1}\"",
                                  "{}",
                                  "h1,h2\n",
                                  NULL};

static char path[64];
static int pipe_end = -1;

static void remove_pipe(void) {
    unlink(path);
}

/* The writer's output goes through a named pipe: a file would be synced to disk each time. */
static void open_pipe(void) {
    snprintf(path, sizeof path, "/tmp/mi-fuzz-pipe.%ld", (long)getpid());
    if (mkfifo(path, 0600) != 0 || (pipe_end = open(path, O_RDWR | O_NONBLOCK)) < 0) {
        perror(path);
        exit(2);
    }
    atexit(remove_pipe);
}

static void drain(struct mi_buffer *out) {
    char bytes[65536];
    ssize_t got;
    while ((got = read(pipe_end, bytes, sizeof bytes)) > 0) {
        mi_buffer_append(out, bytes, (size_t)got);
    }
}

/* Reads the bytes in one format and writes them in another; false: refused. */
static bool convert(const struct mi_buffer *in, enum mi_format from, enum mi_format to,
                    struct mi_buffer *out) {
    struct mi_reader_options reading = {.format = from};
    struct mi_writer_options writing = {.format = to};
    struct mi_reader *reader = NULL;
    struct mi_writer *writer = NULL;
    struct mi_batch *batch;
    const char *file = fuzz_file((const uint8_t *)in->data, in->size);
    enum mi_status status = mi_reader_open(file, &reading, &reader, NULL);
    if (status == MI_OK) {
        status = mi_writer_open(path, reader, &writing, &writer, NULL);
    }
    while (status == MI_OK && (status = mi_reader_next(reader, &batch, NULL)) == MI_OK) {
        for (size_t row = 0; status == MI_OK && row < mi_batch_rows(batch); row++) {
            status = mi_writer_row(writer, batch, row, NULL);
        }
    }
    if (status == MI_END) {
        status = mi_writer_close(writer, NULL);
    } else if (writer != NULL) {
        mi_writer_abort(writer);
    }
    mi_reader_close(reader);
    drain(out);
    return status == MI_OK;
}

static bool same(const struct mi_buffer *a, const struct mi_buffer *b) {
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

/* From CSV to another format and back. */
static void there_and_back(const struct mi_buffer *csv, enum mi_format format, struct mi_buffer *back) {
    struct mi_buffer there = {0};
    if (!convert(csv, MI_FORMAT_CSV, format, &there) || !convert(&there, format, MI_FORMAT_CSV, back)) {
        fprintf(stderr, "from: %.*s\nto: %.*s\n", (int)csv->size, csv->data, (int)there.size, there.data);
        fuzz_broken("what is written can be read");
    }
    mi_buffer_free(&there);
}

static void check_values(const struct mi_buffer *csv, const struct mi_buffer *back) {
    struct mi_buffer before = {0}, after = {0};
    fuzz_read((const uint8_t *)csv->data, csv->size, MI_FORMAT_CSV, 0, &before);
    fuzz_read((const uint8_t *)back->data, back->size, MI_FORMAT_CSV, 0, &after);
    if (!same(&before, &after)) {
        fprintf(stderr, "before: %.*s\nafter: %.*s\n", (int)before.size, before.data, (int)after.size,
                after.data);
        fuzz_broken("values are kept");
    }
    mi_buffer_free(&before);
    mi_buffer_free(&after);
}

static void check_format(const struct mi_buffer *csv, enum mi_format format) {
    struct mi_buffer back = {0}, again = {0};
    there_and_back(csv, format, &back);
    check_values(csv, &back);
    there_and_back(&back, format, &again);
    if (!same(&back, &again)) {
        fprintf(stderr, "first: %.*s\nthen: %.*s\n", (int)back.size, back.data, (int)again.size, again.data);
        fuzz_broken("CSV comes back with the same bytes");
    }
    mi_buffer_free(&back);
    mi_buffer_free(&again);
}

/* A row of a single empty field has no line in TSV; two columns of one name have no NDJSON, and without rows
 * there are no keys. */
static bool expressible(const struct mi_buffer *csv, enum mi_format format) {
    struct mi_reader_options options = {.format = MI_FORMAT_CSV};
    struct mi_reader *reader = NULL;
    struct mi_batch *batch;
    const char *file = fuzz_file((const uint8_t *)csv->data, csv->size);
    bool good = mi_reader_open(file, &options, &reader, NULL) == MI_OK &&
                mi_reader_next(reader, &batch, NULL) == MI_OK;
    size_t columns = good ? mi_reader_column_count(reader) : 0;
    for (size_t i = 0; format == MI_FORMAT_NDJSON && i < columns; i++) {
        for (size_t j = 0; j < i; j++) {
            good &= !mi_text_equal(mi_reader_column_name(reader, i), mi_reader_column_name(reader, j));
        }
    }
    mi_reader_close(reader);
    return good && columns > 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mi_buffer input = {0}, csv = {0}, again = {0};
    if (pipe_end < 0) {
        open_pipe();
    }
    mi_buffer_append(&input, (const char *)data, size);
    if (size > 0 && convert(&input, MI_FORMAT_CSV, MI_FORMAT_CSV, &csv)) {
        check_values(&input, &csv);
        if (!convert(&csv, MI_FORMAT_CSV, MI_FORMAT_CSV, &again) || !same(&csv, &again)) {
            fuzz_broken("records that pass through keep their bytes");
        }
        for (enum mi_format format = MI_FORMAT_TSV; format <= MI_FORMAT_NDJSON; format++) {
            if (expressible(&csv, format)) {
                check_format(&csv, format);
            }
        }
    }
    mi_buffer_free(&input);
    mi_buffer_free(&csv);
    mi_buffer_free(&again);
    return 0;
}
