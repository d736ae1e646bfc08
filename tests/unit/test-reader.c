/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The reader: what it finds in each format however the bytes come, what it refuses and where, what it answers
 * about columns and cells. That its fields are those that libcsv and jansson find is shown by fuzzing.
 */
#define _DEFAULT_SOURCE /* mkfifo */

#include "records.h"

#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes asked of read() at once: the smallest make every record split at every place. */
static const size_t buffer_sizes[] = {1, 2, 3, 5, 7, 16, 64, 0};
enum { BUFFER_SIZES = sizeof buffer_sizes / sizeof *buffer_sizes };

/* ---- bytes in pieces ---- */

static void assert_passes_in_pieces(const char *text, const char *expected) {
    for (size_t i = 0; i < BUFFER_SIZES; i++) {
        struct passing how = {.reading = {.buffer_size = buffer_sizes[i]}, .append = "x"};
        assert_passes(text, how, expected);
        how.reading.whole = true;
        assert_passes(text, how, expected);
    }
}

static void csv_in_pieces(void **unused) {
    (void)unused;
    assert_passes_in_pieces("a,b\n1,2\n", "a,b,x\n1,2,1.5\n");
    assert_passes_in_pieces("a,b\r\n1,2\n\n\r\n3,4", "a,b,x\n1,2,1.5\n3,4,1.5\n");
    assert_passes_in_pieces("\xef\xbb\xbf\n\r\na,b\n1,2", "a,b,x\n1,2,1.5\n");
    assert_passes_in_pieces("\"a\"\"q\",\"b\n\"\r\n\"1,\r\n\",\"\"\n,\n",
                            "\"a\"\"q\",\"b\n\",x\n\"1,\r\n\",\"\",1.5\n,,1.5\n");
    assert_passes_in_pieces("a\n\"\"\n1\r\n\"\r\n\"\n", "a,x\n\"\",1.5\n1,1.5\n\"\r\n\",1.5\n");
    assert_passes_in_pieces("a,b\n", "a,b,x\n");
    assert_passes_in_pieces("a,b", "a,b,x\n");
    assert_passes_in_pieces(" a , b \n 1 , 2 \n", " a , b ,x\n 1 , 2 ,1.5\n");
    assert_passes_in_pieces("é,ü\n日本,\xf0\x9f\x98\x80\n", "é,ü,x\n日本,\xf0\x9f\x98\x80,1.5\n");
}

static void tsv_in_pieces(void **unused) {
    (void)unused;
    assert_passes_in_pieces("a\tb\n1\t2\n", "a\tb\tx\n1\t2\t1.5\n");
    assert_passes_in_pieces("a\tb\r\n\\t\\n\t\\\\\r\n\n\"\t,\n", "a\tb\tx\n\\t\\n\t\\\\\t1.5\n\"\t,\t1.5\n");
    assert_passes_in_pieces("a\tb\n\t\n\t2", "a\tb\tx\n\t\t1.5\n\t2\t1.5\n");
}

static void ndjson_in_pieces(void **unused) {
    (void)unused;
    assert_passes_in_pieces("{\"a\":1,\"b\":\"\\n\"}\n{\"a\":[1,{\"}\":2}]}\r\n\n{ }\n{\"b\" : null }",
                            "{\"a\":1,\"b\":\"\\n\",\"x\":1.5}\n{\"a\":[1,{\"}\":2}],\"x\":1.5}\n"
                            "{\"x\":1.5}\n{\"b\" : null,\"x\":1.5}\n");
}

/* ---- whole batches, growth ---- */

static void whole_is_one_batch(void **unused) {
    (void)unused;
    FILE *file = fopen("in", "w");
    assert_non_null(file);
    fputs("n,text\n", file);
    for (int n = 0; n < 30000; n++) {
        fprintf(file, "%d,\"a \"\"%d\"\"\"\n", n, n);
    }
    fclose(file);
    for (size_t size = 0; size < 4096; size += 1024) {
        struct mi_reader_options options = {.whole = true, .buffer_size = size};
        struct mi_reader *reader;
        struct mi_batch *batch;
        size_t n, text;
        assert_int_equal(mi_reader_open("in", &options, &reader, NULL), MI_OK);
        assert_int_equal(mi_reader_column(reader, "n", true, &n, NULL), MI_OK);
        assert_int_equal(mi_reader_column(reader, "text", true, &text, NULL), MI_OK);
        assert_int_equal(mi_reader_next(reader, &batch, NULL), MI_OK);
        assert_int_equal(mi_batch_rows(batch), 30000);
        struct mi_text first;
        assert_int_equal(mi_batch_text(batch, 0, text, &first, NULL), MI_OK);
        for (size_t row = 0; row < 30000; row++) {
            double value;
            struct mi_text cell;
            char expected[32];
            assert_int_equal(mi_batch_number(batch, row, n, MI_FILLED, &value, NULL), MI_OK);
            assert_int_equal(mi_batch_text(batch, row, text, &cell, NULL), MI_OK);
            snprintf(expected, sizeof expected, "a \"%zu\"", row);
            assert_true(value == (double)row && mi_text_equal(cell, mi_text_of(expected)));
            assert_int_equal(mi_batch_line(batch, row), row + 2);
        }
        struct mi_batch *rest;
        assert_int_equal(mi_reader_next(reader, &rest, NULL), MI_END);
        assert_true(mi_text_equal(first, mi_text_of("a \"0\""))); /* lives until the reader is closed */
        mi_reader_close(reader);
    }
}

/* Bytes in place of a file are read as the file is. */
static void content_is_read(void **unused) {
    (void)unused;
    static const char text[] = "n,text\n1,\"a\nb\"\n2,c";
    for (int i = 0; i < BUFFER_SIZES; i++) {
        struct mi_reader_options options = {
            .whole = true, .buffer_size = buffer_sizes[i], .content = {text, sizeof text - 1}};
        struct mi_error error = {0};
        struct mi_reader *reader;
        struct mi_batch *batch;
        struct mi_text cell;
        size_t column;
        assert_int_equal(mi_reader_open("@name", &options, &reader, NULL), MI_OK);
        assert_int_equal(mi_reader_column(reader, "text", true, &column, NULL), MI_OK);
        assert_int_equal(mi_reader_next(reader, &batch, NULL), MI_OK);
        assert_int_equal(mi_batch_rows(batch), 2);
        assert_int_equal(mi_batch_text(batch, 1, column, &cell, NULL), MI_OK);
        assert_true(mi_text_equal(cell, mi_text_of("c")));
        assert_int_equal(mi_reader_column(reader, "none", true, &column, &error), MI_BAD_INPUT);
        assert_string_equal(error.file, "@name");
        mi_reader_close(reader);
    }
    struct mi_reader_options empty = {.content = {"", 0}};
    struct mi_reader *reader;
    assert_int_equal(mi_reader_open("@name", &empty, &reader, NULL), MI_BAD_INPUT);
}

/* Thousands of columns, and a field of some megabytes. */
static void wide_and_long_records(void **unused) {
    (void)unused;
    enum { COLUMNS = 5000, LONG = 3000000 };
    FILE *file = fopen("in", "w");
    assert_non_null(file);
    for (int line = 0; line < 3; line++) {
        for (int column = 0; column < COLUMNS; column++) {
            fprintf(file, "%s%c%d", column > 0 ? "," : "", "cxy"[line], column);
        }
        putc('\n', file);
    }
    fclose(file);
    struct passed passed = pass_file((struct passing){.reading = {.buffer_size = 100}});
    size_t size;
    char *input = get_file("in", &size);
    assert_int_equal(passed.status, MI_OK);
    assert_string_equal(passed.output, input);
    passed_clear(&passed);
    free(input);

    char *text = malloc(LONG + 100);
    assert_non_null(text);
    memcpy(text, "a,b\n\"", 5);
    memset(text + 5, 'z', LONG);
    memcpy(text + 5 + LONG, "\",1\n", 5);
    assert_passes(text, (struct passing){.reading = {.buffer_size = 0}}, text);
    free(text);
}

/* What does not end within 16 MiB is an open quote, not a record; so is a first line. */
static void endless_records(void **unused) {
    (void)unused;
    size_t size = (size_t)17 << 20;
    char *text = malloc(size + 100);
    assert_non_null(text);
    memset(text, 'z', size);
    memcpy(text, "a,b\n1,2\n\"", 9);
    text[size] = '\0';
    assert_refuses(text, (struct passing){.append = "x"}, MI_BAD_INPUT,
                   "in:3: a record longer than 16 MiB (a quote that is not closed?)");
    text[1000] = '\n';
    assert_refuses(text, (struct passing){.append = "x"}, MI_BAD_RECORD,
                   "in:3: a record longer than 16 MiB (a quote that is not closed?)");
    memset(text, 'z', 1001);
    assert_refuses(text, (struct passing){.append = "x"}, MI_BAD_INPUT,
                   "in:1: the first line is longer than 16 MiB");
    free(text);
}

/* ---- streams ---- */

/* A batch ends where no more bytes are there: the next read would block for ever. */
static void batches_end_at_short_reads(void **unused) {
    (void)unused;
    static const char *const inputs[][3] = {{"a,b\n1,2\n", "3,4\n5,6\n7", ",8\n"},
                                            {"a\tb\n1\t2\n", "3\t4\n5\t6\n7", "\t8\n"},
                                            {"{\"a\":1}\n", "{\"a\":2}\n{\"a\":3}\n{\"a\"", ":4}\n"}};
    static const size_t expected[] = {1, 2, 1};
    alarm(60);
    for (size_t i = 0; i < 3; i++) {
        struct mi_reader *reader = NULL;
        struct mi_batch *batch;
        assert_int_equal(mkfifo("pipe", 0600), 0);
        int pipe = open("pipe", O_RDWR);
        assert_true(pipe >= 0);
        for (size_t part = 0; part < 3; part++) {
            size_t size = strlen(inputs[i][part]);
            assert_int_equal(write(pipe, inputs[i][part], size), size);
            if (part == 0) {
                assert_int_equal(mi_reader_open("pipe", NULL, &reader, NULL), MI_OK);
            }
            assert_int_equal(mi_reader_next(reader, &batch, NULL), MI_OK);
            assert_int_equal(mi_batch_rows(batch), expected[part]);
        }
        close(pipe);
        assert_int_equal(mi_reader_next(reader, &batch, NULL), MI_END);
        assert_int_equal(mi_batch_rows(batch), 0);
        mi_reader_close(reader);
        assert_int_equal(remove("pipe"), 0);
    }
    alarm(0);
}

/* Rows before a bad one are handed out first, in all formats; then it is said, again and again. */
static void good_rows_come_before_the_bad(void **unused) {
    (void)unused;
    static const char *const inputs[] = {"a,b\n1,2\n3,4\n5\n6,7\n", "a\tb\n1\t2\n3\t4\n5\n6\t7\n",
                                         "{\"a\":1}\n{\"a\":3}\n5\n{\"a\":6}\n"};
    static const uint64_t lines[] = {4, 4, 3};
    for (size_t i = 0; i < 3; i++) {
        struct mi_reader *reader;
        struct mi_batch *batch;
        struct mi_error error = {0};
        put_file("in", inputs[i]);
        assert_int_equal(mi_reader_open("in", NULL, &reader, &error), MI_OK);
        assert_int_equal(mi_reader_next(reader, &batch, &error), MI_OK);
        assert_int_equal(mi_batch_rows(batch), 2);
        for (int again = 0; again < 2; again++) {
            memset(&error, 0, sizeof error);
            assert_int_equal(mi_reader_next(reader, &batch, &error), MI_BAD_RECORD);
            assert_int_equal(error.line, lines[i]);
        }
        mi_reader_close(reader);
    }
}

/* ---- what is refused ---- */

static void unfinished_records(void **unused) {
    (void)unused;
    remove("rejected");
    static const struct {
        const char *text;
        uint64_t line;
    } inputs[] = {{"a,b\n1,2\n\"", 3}, {"a\tb\n1\t2\n\\", 3}, {"{\"a\":1}\n{", 2},
                  {"a,b\n\"", 2},      {"a\tb\n1\t2\\", 2},   {"a\tb\n1\t2\\\\\\", 2}};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        char message[100];
        snprintf(message, sizeof message,
                 "in:%d: unfinished record: the program that wrote this input failed", (int)inputs[i].line);
        for (size_t k = 0; k < BUFFER_SIZES; k++) {
            struct passing how = {.reading = {.buffer_size = buffer_sizes[k]}};
            assert_refuses(inputs[i].text, how, MI_BAD_INPUT, message);
            how.reading.rejects = "rejected"; /* which do not take it */
            assert_refuses(inputs[i].text, how, MI_BAD_INPUT, message);
            assert_int_not_equal(access("rejected", F_OK), 0);
        }
    }
    /* A backslash that is escaped is text. */
    assert_passes("a\tb\n1\t2\\\\", (struct passing){0}, "a\tb\n1\t2\\\\\n");
}

static void refused_inputs(void **unused) {
    (void)unused;
    static const struct {
        const char *text;
        enum mi_status status;
        const char *message;
    } inputs[] = {
        {"", MI_BAD_INPUT, "in: empty input (a header line is needed)"},
        {"\n\r\n", MI_BAD_INPUT, "in: empty input (a header line is needed)"},
        {"\xef\xbb\xbf", MI_BAD_INPUT, "in: empty input (a header line is needed)"},
        {"\xff\xfe"
         "a",
         MI_BAD_INPUT, "in:1: UTF-16 (iconv or mi-import converts)"},
        {"\xfe\xff", MI_BAD_INPUT, "in:1: UTF-16 (iconv or mi-import converts)"},
        {"a,b\n1\n", MI_BAD_RECORD, "in:2: 1 field, the header has 2"},
        {"a,b\n1,2\n\n1,2,3\n", MI_BAD_RECORD, "in:4: 3 fields, the header has 2"},
        {"a,b\n\"1\n\n\",2\n1,x\"\n", MI_BAD_RECORD,
         "in:5: column 'b': a quote within a field that is not quoted: \"x\"\""},
        {"a,b\n1,\"x\"y\n", MI_BAD_RECORD, "in:2: column 'b': text behind a closing quote: \"\"x\"y\""},
        {"a,b\n\"1,2\n", MI_BAD_RECORD, "in:2: column 'a': a quoted field that does not end: \"\"1,2\""},
        {"a,b\n1,x\ry\n", MI_BAD_RECORD,
         "in:2: column 'b': a carriage return within a field that is not quoted: \"x\\x0dy\""},
        {"a,b\n1,\xe9\n", MI_BAD_RECORD, "in:2: column 'b': not UTF-8 (iconv or mi-import converts)"},
        {"a,b\n1,\xed\xa0\x80\n", MI_BAD_RECORD, "in:2: column 'b': not UTF-8 (iconv or mi-import converts)"},
        {"a,b\n\xc0\x80,1\n", MI_BAD_RECORD, "in:2: column 'a': not UTF-8 (iconv or mi-import converts)"},
        {"a,\xf4\x90\x80\x80\n", MI_BAD_INPUT, "in:1: not UTF-8 (iconv or mi-import converts)"},
        {"{\"a\":1}\n[2]\n", MI_BAD_RECORD, "in:2: not a JSON object: \"[2]\""},
        {"{\"a\":1,\"a\":2}\n", MI_BAD_RECORD, "in:1: key \"a\" stands twice"},
        {"{\"a\":1,\"\\u0061\":2}\n", MI_BAD_RECORD, "in:1: key \"a\" stands twice"},
        {"{\"a\":1}{\"a\":2}\n", MI_BAD_RECORD, "in:1: text behind the object: \"{\"a\":2}\""},
        {"{\"a\":\"\\ud800\"}\n", MI_BAD_RECORD, "in:1: a string with a bad escape: \"\"\\ud800\"}\""},
        {"{\"a\":\"x\ty\"}\n", MI_BAD_RECORD, "in:1: a control byte within a string: \"\\x09y\"}\""},
        {"{\"a\":[1,]}\n", MI_BAD_RECORD, "in:1: not a JSON value: \"]}\""},
    };
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        assert_refuses(inputs[i].text, (struct passing){0}, inputs[i].status, inputs[i].message);
        assert_refuses(inputs[i].text, (struct passing){.reading = {.buffer_size = 1}}, inputs[i].status,
                       inputs[i].message);
    }
    put_bytes("in", "a,b\n1,2\n3,\0\n", 12);
    struct passed passed = pass_file((struct passing){0});
    assert_string_equal(passed.message, "in:3: column 'b': a NUL byte (text is needed)");
    passed_clear(&passed);
    struct mi_reader *reader;
    struct mi_error error = {0};
    assert_int_equal(mi_reader_open("not-there", NULL, &reader, &error), MI_SYSTEM);
    assert_string_equal(error.file, "not-there");
    assert_int_equal(mi_reader_open(".", NULL, &reader, &error), MI_SYSTEM);
    assert_int_equal(mi_reader_open("not-there", NULL, &reader, NULL), MI_SYSTEM);
}

/* Escapes and depth as strict as jansson is, within nested values too. */
static void strings_and_depth_of_json(void **unused) {
    (void)unused;
    static const char *const good[] = {"\\ud83d\\ude00", "\\uD83D\\uDE00x", "\\u0001",
                                       "\\\"\\\\\\/\\b\\f\\n\\r\\t", "\x7f"};
    static const char *const bad[] = {"\\ud83d",    "\\ude00", "\\ud83dx", "\\ud83d\\u0041",
                                      "\\ud83d\\n", "\\u0000", "\\u12g4",  "\\u12",
                                      "\\x",        "\\"};
    char text[200];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(text, sizeof text, "{\"a\":\"%s\",\"b\":[{\"%s\":\"%s\"}]}\n", good[i], good[i], good[i]);
        assert_passes(text, (struct passing){0}, text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        static const char *const places[][2] = {{"{\"a\":\"", "\"}\n"},
                                                {"{\"", "\":1}\n"},
                                                {"{\"a\":[{\"b\":\"", "\"}]}\n"},
                                                {"{\"a\":[{\"", "\":1}]}\n"}};
        for (size_t place = 0; place < 4; place++) {
            snprintf(text, sizeof text, "%s%s%s", places[place][0], bad[i], places[place][1]);
            put_file("in", text);
            struct passed passed = pass_file((struct passing){0});
            assert_int_equal(passed.status, MI_BAD_RECORD);
            passed_clear(&passed);
        }
    }
    for (int depth = 2046; depth < 2050; depth++) {
        char deep[5000] = "{\"a\":";
        memset(deep + 5, '[', (size_t)depth);
        memset(deep + 5 + depth, ']', (size_t)depth);
        memcpy(deep + 5 + 2 * depth, "}\n", 3);
        put_file("in", deep);
        struct passed passed = pass_file((struct passing){0});
        assert_int_equal(passed.status, depth <= 2047 ? MI_OK : MI_BAD_RECORD);
        passed_clear(&passed);
    }
}

/* ---- rejects ---- */

static void rejects_in_pieces(void **unused) {
    (void)unused;
    const char *text = "a,b\n1,2\n3\n\"4\n\",\"5\"\"\"\nx\"y,6\n7,\xff\n8,9\n\"10,11\n";
    for (size_t i = 0; i < BUFFER_SIZES; i++) {
        struct passing how = {.reading = {.buffer_size = buffer_sizes[i], .rejects = "rejected"}};
        struct passed passed = pass_text(text, how);
        char *rejected = get_file("rejected", NULL);
        assert_int_equal(passed.status, MI_OK);
        assert_string_equal(passed.output, "a,b\n1,2\n\"4\n\",\"5\"\"\"\n8,9\n");
        assert_string_equal(rejected,
                            "line,reason,record\n"
                            "3,\"1 field, the header has 2\",3\n"
                            "6,\"column 'a': a quote within a field that is not quoted: \"\"x\"\"y,6\"\"\","
                            "\"x\"\"y,6\"\n"
                            "7,column 'b': not UTF-8 (iconv or mi-import converts),\"7,\xff\"\n"
                            "9,\"column 'a': a quoted field that does not end: \"\"\"\"10,11\"\"\","
                            "\"\"\"10,11\"\n");
        assert_string_equal(passed.notes, "in: 4 records rejected to rejected\n");
        free(rejected);
        passed_clear(&passed);
        remove("rejected");
    }
    assert_refuses(text, (struct passing){.reading = {.rejects = "-"}}, MI_BAD_ARGUMENT,
                   "--rejects: a file is needed, not standard output");
}

/* ---- columns ---- */

static void columns_by_name(void **unused) {
    (void)unused;
    static const char *const maps[] = {"spend=cost", "b=a"};
    unsigned use[2] = {0, 0};
    struct mi_reader_options options = {.maps = maps, .map_count = 2, .map_use = use};
    struct mi_reader *reader;
    struct mi_error error = {0};
    size_t column;
    put_file("in", "cost,twice,\"q\"\"q\",twice,spend\n1,2,3,4,5\n");
    assert_int_equal(mi_reader_open("in", &options, &reader, &error), MI_OK);
    assert_int_equal(mi_reader_format(reader), MI_FORMAT_CSV);
    assert_string_equal(mi_reader_name(reader), "in");
    assert_int_equal(mi_reader_column_count(reader), 5);
    assert_true(mi_text_equal(mi_reader_column_name(reader, 2), mi_text_of("q\"q")));
    assert_int_equal(use[0] | use[1], 0);
    assert_int_equal(mi_reader_column(reader, "spend", true, &column, &error), MI_OK);
    assert_int_equal(column, 0);
    assert_int_equal(use[0], MI_MAP_ASKED | MI_MAP_THERE);
    assert_false(mi_reader_has(reader, "b"));
    assert_int_equal(use[1], MI_MAP_ASKED);
    assert_true(mi_reader_has(reader, "twice"));
    assert_int_equal(mi_reader_column(reader, "q\"q", true, &column, &error), MI_OK);
    assert_int_equal(column, 2);
    assert_int_equal(mi_reader_column(reader, "twice", false, &column, &error), MI_BAD_INPUT);
    assert_string_equal(error.column, "twice");
    assert_int_equal(mi_reader_column(reader, "b", true, &column, &error), MI_BAD_INPUT);
    assert_string_equal(error.column, "a"); /* the name that was looked for */
    assert_int_equal(mi_reader_column(reader, "none", false, &column, &error), MI_OK);
    assert_int_equal(column, MI_NO_COLUMN);
    mi_reader_close(reader);
    static const char *const wrong[][2] = {
        {"spend", "x=y"}, {"spend=", "x=y"}, {"=cost", "x=y"}, {"x=y", "x=z"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        options.maps = wrong[i];
        assert_int_equal(mi_reader_open("in", &options, &reader, &error), MI_BAD_ARGUMENT);
    }
}

/* ---- cells ---- */

struct cells {
    struct mi_reader *reader;
    struct mi_batch *batch;
    size_t column;
    struct mi_error error;
};

/* The cells of column "v" in the file in. */
static struct cells open_cells(const char *text) {
    struct cells cells = {0};
    put_file("in", text);
    assert_int_equal(mi_reader_open("in", NULL, &cells.reader, &cells.error), MI_OK);
    assert_int_equal(mi_reader_column(cells.reader, "v", true, &cells.column, &cells.error), MI_OK);
    assert_int_equal(mi_reader_next(cells.reader, &cells.batch, &cells.error), MI_OK);
    return cells;
}

static void numbers_by_rule(void **unused) {
    (void)unused;
    struct cells cells = open_cells("v,w\n12.5,\n,\n-1,\n0,\n1e15,\n1.1e15,\n-1e16,\n12x,\n\"7\",\n");
    static const struct {
        size_t row;
        unsigned rules;
        const char *text; /* NULL: fine */
    } checks[] = {
        {0, MI_FILLED | MI_MONEY | MI_POSITIVE, NULL},
        {1, MI_ANY, NULL},
        {1, MI_FILLED, "empty (a number is needed)"},
        {2, MI_ANY, NULL},
        {2, MI_MONEY, "negative: \"-1\" (0 to 1e15)"},
        {2, MI_MONEY | MI_SIGNED, NULL},
        {2, MI_POSITIVE, "not above 0: \"-1\""},
        {3, MI_MONEY, NULL},
        {3, MI_MONEY | MI_POSITIVE, "not above 0: \"0\""},
        {4, MI_MONEY, NULL},
        {5, MI_ANY, NULL},
        {5, MI_MONEY, "impossibly large: \"1.1e15\" (at most 1e15)"},
        {6, MI_MONEY | MI_SIGNED, "impossibly small: \"-1e16\" (-1e15 to 1e15)"},
        {7, MI_ANY, "not a number: \"12x\" (C locale, as 12.5)"},
        {8, MI_FILLED, NULL},
    };
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        double value = 99;
        enum mi_status status =
            mi_batch_number(cells.batch, checks[i].row, cells.column, checks[i].rules, &value, &cells.error);
        if (checks[i].text == NULL) {
            assert_int_equal(status, MI_OK);
            assert_true(value != 99);
        } else {
            assert_int_equal(status, MI_BAD_RECORD);
            assert_string_equal(cells.error.text, checks[i].text);
            assert_string_equal(cells.error.column, "v");
            assert_int_equal(cells.error.line, checks[i].row + 2);
            assert_true(value == 99); /* untouched */
        }
    }
    double value = 99;
    assert_int_equal(mi_batch_number(cells.batch, 0, MI_NO_COLUMN, MI_ANY, &value, NULL), MI_OK);
    assert_true(isnan(value));
    mi_reader_close(cells.reader);
}

static void dates_truths_and_ids(void **unused) {
    (void)unused;
    struct cells cells = open_cells("v,w\n2026-11-24,\n,\n\"\",\nYes,\n");
    int32_t days = 7;
    bool truth = false;
    struct mi_text id = mi_text_of("before");
    assert_int_equal(mi_batch_date(cells.batch, 0, cells.column, MI_FILLED, &days, NULL), MI_OK);
    assert_int_equal(days, 20781);
    assert_int_equal(mi_batch_date(cells.batch, 1, cells.column, MI_FILLED, &days, &cells.error),
                     MI_BAD_RECORD);
    assert_string_equal(cells.error.text, "empty (a date is needed)");
    assert_int_equal(mi_batch_date(cells.batch, 1, cells.column, MI_ANY, &days, NULL), MI_OK);
    assert_int_equal(days, MI_DATE_MISSING);
    assert_int_equal(mi_batch_date(cells.batch, 3, cells.column, MI_ANY, &days, &cells.error), MI_BAD_RECORD);
    assert_string_equal(cells.error.text, "not a date: \"Yes\" (ISO 8601, as 2026-11-24)");
    assert_int_equal(mi_batch_truth(cells.batch, 3, cells.column, false, &truth, NULL), MI_OK);
    assert_true(truth);
    assert_int_equal(mi_batch_truth(cells.batch, 0, MI_NO_COLUMN, true, &truth, NULL), MI_OK);
    assert_true(truth);
    assert_int_equal(mi_batch_truth(cells.batch, 1, cells.column, true, &truth, NULL), MI_BAD_RECORD);
    assert_int_equal(mi_batch_truth(cells.batch, 2, cells.column, true, &truth, NULL), MI_BAD_RECORD);
    assert_int_equal(mi_batch_truth(cells.batch, 0, cells.column, true, &truth, NULL), MI_BAD_RECORD);
    assert_int_equal(mi_batch_id(cells.batch, 3, cells.column, &id, NULL), MI_OK);
    assert_true(mi_text_equal(id, mi_text_of("Yes")));
    assert_int_equal(mi_batch_id(cells.batch, 1, cells.column, &id, NULL), MI_BAD_RECORD);
    assert_int_equal(mi_batch_id(cells.batch, 2, cells.column, &id, NULL), MI_BAD_RECORD);
    mi_reader_close(cells.reader);
    /* In NDJSON a null, and a key that is not in this row, are empty cells too. */
    cells = open_cells("{\"v\":true}\n{\"v\":null}\n{\"w\":1}\n{\"v\":\"\\u0059es\"}\n");
    for (size_t row = 0; row < 4; row++) {
        assert_int_equal(mi_batch_truth(cells.batch, row, cells.column, true, &truth, NULL),
                         row % 3 == 0 ? MI_OK : MI_BAD_RECORD);
    }
    mi_reader_close(cells.reader);
}

static void joined_tables(void **unused) {
    (void)unused;
    struct cells cells = open_cells("v\n18446744073709551615\n007\n7\n");
    struct mi_index *index = NULL;
    assert_int_equal(mi_batch_index(cells.batch, cells.column, &index, &cells.error), MI_OK);
    assert_int_equal(mi_index_find(index, mi_text_of("7")), 2);
    assert_int_equal(mi_index_find(index, mi_text_of("18446744073709551615")), 0);
    assert_int_equal(mi_index_find(index, mi_text_of("18446744073709551616")), SIZE_MAX);
    mi_index_free(index);
    mi_reader_close(cells.reader);
    cells = open_cells("v\na\n\"b\"\na\n");
    assert_int_equal(mi_batch_index(cells.batch, cells.column, &index, &cells.error), MI_BAD_INPUT);
    assert_string_equal(cells.error.text, "stands twice: \"a\" (first in line 2)");
    assert_int_equal(cells.error.line, 4);
    mi_reader_close(cells.reader);
    cells = open_cells("v,w\na,1\n,2\n");
    assert_int_equal(mi_batch_index(cells.batch, cells.column, &index, &cells.error), MI_BAD_INPUT);
    mi_reader_close(cells.reader);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_in_pieces),
        cmocka_unit_test(tsv_in_pieces),
        cmocka_unit_test(ndjson_in_pieces),
        cmocka_unit_test(whole_is_one_batch),
        cmocka_unit_test(content_is_read),
        cmocka_unit_test(wide_and_long_records),
        cmocka_unit_test(endless_records),
        cmocka_unit_test(batches_end_at_short_reads),
        cmocka_unit_test(good_rows_come_before_the_bad),
        cmocka_unit_test(unfinished_records),
        cmocka_unit_test(refused_inputs),
        cmocka_unit_test(strings_and_depth_of_json),
        cmocka_unit_test(rejects_in_pieces),
        cmocka_unit_test(columns_by_name),
        cmocka_unit_test(numbers_by_rule),
        cmocka_unit_test(dates_truths_and_ids),
        cmocka_unit_test(joined_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
