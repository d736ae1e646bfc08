/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The writer: fields that pass keep their bytes, formats convert and come back, computed columns stand where
 * they should, and the output appears whole, not at all, or unfinished. Conversions are judged by jansson and
 * by a plain CSV reader and writer here, on random tables.
 */
#define _DEFAULT_SOURCE /* mkfifo */

#include "records.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static struct passing to(enum mi_format format) {
    return (struct passing){.writing = {.format = format}};
}

/* There and back: the output of one conversion is the input of the next. */
static void assert_comes_back(const char *text, enum mi_format from, enum mi_format by,
                              const char *expected) {
    struct passing how = to(by);
    how.reading.format = from;
    struct passed there = pass_text(text, how);
    assert_int_equal(there.status, MI_OK);
    struct passing back = to(from);
    back.reading.format = by; /* a comma in the first line of TSV would make it CSV */
    assert_passes(there.output, back, expected);
    passed_clear(&there);
}

/* ---- conversion ---- */

static void csv_by_ndjson_and_tsv(void **unused) {
    (void)unused;
    static const char *const tables[] = {
        "id,n\n18446744073709551615,1.0\n9007199254740993,1e5\n007,-0\n,\n",
        "a,b\n\"x, y\",\"say \"\"hi\"\"\"\n\"two\nlines\",\\t\n é ,\xf0\x9f\x98\x80\n",
        "a,b\n\"[1, {\"\"k\"\": \"\"v, w\"\"}]\",{}\n\"[1,\n2]\",[] \ntrue,null\nnan,inf\n",
        "a,b\n12.5,0\n-3,0.000001\n123456789012345,1234567890123456\n1e-7,1e+21\n",
        "\"a,1\",\"b\"\"2\"\n1,2\n",
        ",x\n1,2\n",
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        assert_comes_back(tables[i], MI_FORMAT_CSV, MI_FORMAT_NDJSON, tables[i]);
        assert_comes_back(tables[i], MI_FORMAT_CSV, MI_FORMAT_TSV, tables[i]);
    }
    /* An empty text is not a missing one: NDJSON tells them apart, TSV cannot. */
    assert_comes_back("a,b\n\"\",\n", MI_FORMAT_CSV, MI_FORMAT_NDJSON, "a,b\n\"\",\n");
    assert_comes_back("a,b\n\"\",\n", MI_FORMAT_CSV, MI_FORMAT_TSV, "a,b\n,\n");
    /* Quotes that were not needed do not come back. */
    assert_comes_back("\"a\",b\n\"1\",\"x\"\n", MI_FORMAT_CSV, MI_FORMAT_NDJSON, "a,b\n1,x\n");
}

static void ndjson_by_csv(void **unused) {
    (void)unused;
    static const char text[] =
        "{\"id\":18446744073709551615,\"n\":1.50,\"t\":true,\"s\":\"a\\tb \\u00e9 \\\"q\\\"\",\"e\":\"\"}\n"
        "{\"s\":null,\"deep\":{\"a\":[1, 2.0,{}]},\"id\":\"12\",\"n\":12.5}\n";
    assert_comes_back(
        text, MI_FORMAT_NDJSON, MI_FORMAT_CSV,
        "{\"id\":\"18446744073709551615\",\"n\":\"1.50\",\"t\":\"true\","
        "\"s\":\"a\\tb é \\\"q\\\"\",\"e\":\"\",\"deep\":null}\n"
        "{\"id\":12,\"n\":12.5,\"t\":null,\"s\":null,\"e\":null,\"deep\":{\"a\":[1, 2.0,{}]}}\n");
    assert_comes_back("{\"a\":\"\\u0001\\u001f\\u007f\\/\",\"b\":1}\n", MI_FORMAT_NDJSON, MI_FORMAT_CSV,
                      "{\"a\":\"\\u0001\\u001f\x7f/\",\"b\":1}\n");
}

/* xorshift64*: the same tables everywhere. */
static uint64_t state = 7;

static size_t below(size_t limit) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (size_t)((state * 0x2545f4914f6cdd1du) >> 33) % limit;
}

enum { ROWS = 40, COLUMNS = 4, LONGEST = 64 };
static char table[ROWS][COLUMNS][LONGEST]; /* the header is its first row */

static void make_table(void) {
    static const char *const words[] = {"a",    "é",   ",",     "\"", "\n",   "\r\n", "\t", "\\",
                                        "\\n",  " ",   "1.5",   "0",  "-7",   "{",    "}",  "[1]",
                                        "null", "1e5", "12.50", "",   "\x01", "true"};
    for (size_t row = 0; row < ROWS; row++) {
        for (size_t column = 0; column < COLUMNS; column++) {
            char *cell = table[row][column];
            snprintf(cell, LONGEST, "%zu", column);
            cell[row == 0] = '\0';
            for (size_t left = below(5); left > 0; left--) {
                strcat(cell, words[below(sizeof words / sizeof *words)]);
            }
        }
    }
}

/* The table as CSV, quoted only where it must be. */
static char *table_as_csv(void) {
    char *text = malloc((size_t)ROWS * COLUMNS * LONGEST * 2), *at = text;
    assert_non_null(text);
    for (size_t row = 0; row < ROWS; row++) {
        for (size_t column = 0; column < COLUMNS; column++) {
            const char *cell = table[row][column];
            bool quoted = strpbrk(cell, ",\"\r\n") != NULL;
            if (quoted) {
                *at++ = '"';
            }
            for (; *cell != '\0'; cell++) {
                if (*cell == '"') {
                    *at++ = '"';
                }
                *at++ = *cell;
            }
            if (quoted) {
                *at++ = '"';
            }
            *at++ = column + 1 < COLUMNS ? ',' : '\n';
        }
    }
    *at = '\0';
    return text;
}

/* One cell of NDJSON is the table's text: as a string, as a bare number or nested value that prints so. */
static void assert_json_cell(const char *line, json_t *value, const char *cell) {
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    if (*cell == '\0') {
        assert_true(json_is_null(value));
    } else if (json_is_string(value)) {
        assert_string_equal(json_string_value(value), cell);
    } else {
        assert_true(json_is_number(value) || json_is_object(value) || json_is_array(value));
        assert_non_null(strstr(line, cell));
        assert_true(!json_is_number(value) || json_number_value(value) == strtod(cell, NULL));
    }
    free(text);
}

static void assert_json_table(char *text) {
    char *line = text;
    for (size_t row = 1; row < ROWS; row++) {
        char *end = strchr(line, '\n');
        json_t *object = json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(object);
        assert_int_equal(json_object_size(object), COLUMNS);
        *end = '\0';
        for (size_t column = 0; column < COLUMNS; column++) {
            assert_json_cell(line, json_object_get(object, table[0][column]), table[row][column]);
        }
        json_decref(object);
        line = end + 1;
    }
    assert_int_equal(*line, '\0');
}

static void random_tables(void **unused) {
    (void)unused;
    for (int i = 0; i < 40; i++) { /* each file is synced to disk */
        make_table();
        char *csv = table_as_csv();
        struct passing how = {.reading = {.format = MI_FORMAT_CSV}, .writing = {.format = MI_FORMAT_CSV}};
        assert_passes(csv, how, csv);
        assert_comes_back(csv, MI_FORMAT_CSV, MI_FORMAT_NDJSON, csv);
        assert_comes_back(csv, MI_FORMAT_CSV, MI_FORMAT_TSV, csv);
        how.writing.format = MI_FORMAT_NDJSON;
        struct passed passed = pass_text(csv, how);
        assert_json_table(passed.output);
        passed_clear(&passed);
        free(csv);
    }
}

/* ---- columns ---- */

static void computed_columns(void **unused) {
    (void)unused;
    struct passing how = {.append = "b"};
    assert_passes("a,b,c\n\"1\",2,3\n", how, "a,b,c\n\"1\",1.5,3\n");
    assert_passes("a\tb\n1\t2\n", how, "a\tb\n1\t1.5\n");
    assert_passes("{\"a\":1, \"b\" : [2] }\n{\"a\":2}\n{}\n{\"b\":null}\n", how,
                  "{\"a\":1, \"b\" : 1.5}\n{\"a\":2,\"b\":1.5}\n{\"b\":1.5}\n{\"b\":1.5}\n");
    how.writing.format = MI_FORMAT_NDJSON;
    assert_passes("a,b,c\n1,2,3\n", how, "{\"a\":1,\"b\":1.5,\"c\":3}\n");
    how = (struct passing){.append = "b", .writing = {.keep = true}};
    assert_passes("a,b,c\n1,\"2\",3\n", how, "a,b_in,c,b\n1,\"2\",3,1.5\n");
    assert_passes("{\"a\":1, \"b\" : 2.0 }\n{\"a\":2}\n", how,
                  "{\"a\":1,\"b_in\":2.0,\"b\":1.5}\n{\"a\":2,\"b\":1.5}\n");
    assert_refuses("b,b_in\n1,2\n", how, MI_BAD_INPUT, "--keep: there is a column 'b_in' already");
    assert_refuses("b,b\n1,2\n", (struct passing){.append = "b"}, MI_BAD_INPUT,
                   "column 'b' stands twice and would be replaced");
    struct passed passed = pass_text("a,b\n1,2\n", (struct passing){.append = "b"});
    assert_string_equal(passed.notes, "column 'b' is replaced (--keep renames the old one b_in)\n");
    passed_clear(&passed);
}

static void dropped_columns(void **unused) {
    (void)unused;
    struct passing how = {.append = "x", .drop = "b"};
    assert_passes("a,b,c\n1,2,3\n", how, "a,c,x\n1,3,1.5\n");
    assert_passes("{\"b\":1,\"a\":2.0}\n", how, "{\"a\":2.0,\"x\":1.5}\n");
    how.writing = (struct mi_writer_options){.format = MI_FORMAT_CSV, .columns = "b,a"};
    assert_passes("{\"b\":1,\"a\":2.0}\n", how, "a,x\n2.0,1.5\n");
}

static void names_that_stand_twice(void **unused) {
    (void)unused;
    assert_passes("a,a,,\n1,2,3,4\n", (struct passing){.append = "x"}, "a,a,,,x\n1,2,3,4,1.5\n");
    assert_passes("a,a\n1,2\n", to(MI_FORMAT_TSV), "a\ta\n1\t2\n");
    assert_refuses("a,a\n1,2\n", to(MI_FORMAT_NDJSON), MI_BAD_INPUT,
                   "column 'a' stands twice in the header: no NDJSON can hold it");
}

/* ---- keys that come late ---- */

/* Records before and after: more than one read() brings. */
static struct passed pass_late(const char *before, const char *after, struct passing how) {
    FILE *file = fopen("in", "w");
    assert_non_null(file);
    for (int i = 0; i < 20000; i++) {
        fprintf(file, "%s\n", before);
    }
    fprintf(file, "%s\n", after);
    fclose(file);
    return pass_file(how);
}

static void late_keys(void **unused) {
    (void)unused;
    static const char before[] = "{\"a\":1,\"pad\":\"0123456789\"}", after[] = "{\"a\":2,\"late\":3}";
    struct passing how = to(MI_FORMAT_NDJSON);
    struct passed passed = pass_late(before, after, how);
    assert_int_equal(passed.status, MI_OK);
    assert_non_null(strstr(passed.output, after));
    passed_clear(&passed);

    how = to(MI_FORMAT_CSV);
    passed = pass_late(before, after, how);
    assert_int_equal(passed.status, MI_BAD_INPUT);
    assert_string_equal(
        passed.message,
        "in:20001: column 'late': not among the columns of the output (--columns names them all)");
    passed_clear(&passed);

    how.writing.columns = "late,a,pad";
    passed = pass_late(before, after, how);
    assert_int_equal(passed.status, MI_OK);
    assert_int_equal(memcmp(passed.output, "late,a,pad\n,1,0123456789\n", 25), 0);
    assert_string_equal(passed.output + passed.size - 5, "3,2,\n");
    passed_clear(&passed);

    /* One that is computed would stand twice, or be lost. */
    how = (struct passing){.append = "late"};
    passed = pass_late(before, after, how);
    assert_int_equal(passed.status, MI_BAD_INPUT);
    assert_string_equal(passed.message,
                        "in:20001: key \"late\" appears here for the first time: it must be there "
                        "from the start");
    passed_clear(&passed);
    how.writing = (struct mi_writer_options){.format = MI_FORMAT_CSV, .columns = "late,a,pad"};
    passed = pass_late(before, after, how);
    assert_int_equal(passed.status, MI_BAD_INPUT);
    passed_clear(&passed);
    passed = pass_late(before, "{\"a\":2}", how);
    assert_int_equal(passed.status, MI_OK);
    assert_int_equal(memcmp(passed.output, "late,a,pad\n1.5,1,0123456789\n", 28), 0);
    passed_clear(&passed);
}

static void listed_columns(void **unused) {
    (void)unused;
    static const char text[] = "{\"a\":1,\"b\":2}\n{\"c\":3}\n";
    struct passing how = to(MI_FORMAT_CSV);
    assert_passes(text, how, "a,b,c\n1,2,\n,,3\n");
    how.writing.columns = "c,b,none,a";
    assert_passes(text, how, "c,b,none,a\n,2,,1\n3,,,\n");
    how.writing.columns = "a,b";
    assert_refuses(text, how, MI_BAD_INPUT,
                   "in:2: column 'c': not among the columns of the output (--columns names them all)");
    how.writing.columns = "a,b,c,a";
    assert_refuses(text, how, MI_BAD_ARGUMENT, "--columns: 'a' stands twice");
    how = to(MI_FORMAT_NDJSON); /* has no header */
    how.writing.columns = "a";
    assert_passes(text, how, text);
}

/* ---- values ---- */

static void write_values(enum mi_format format, const char *expected) {
    struct mi_writer_options options = {.format = format};
    struct mi_writer *writer;
    size_t slots[5], late;
    static const char *const names[] = {"number", "text", "date", "json", "quo\"te"};
    remove("out");
    assert_int_equal(mi_writer_open("out", NULL, &options, &writer, NULL), MI_OK);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(mi_writer_column(writer, names[i], &slots[i], NULL), MI_OK);
    }
    mi_writer_number(writer, slots[0], 0.1);
    mi_writer_text(writer, slots[1], mi_text_of("a,\"b\"\t\\"));
    mi_writer_date(writer, slots[2], 20781);
    mi_writer_json(writer, slots[3], mi_text_of("{\"a\":[1,null]}"));
    mi_writer_text(writer, slots[4], mi_text_of(""));
    assert_int_equal(mi_writer_row(writer, NULL, 0, NULL), MI_OK);
    assert_int_equal(mi_writer_column(writer, "late", &late, NULL), MI_BAD_ARGUMENT);
    assert_int_equal(mi_writer_drop(writer, 0, NULL), MI_BAD_ARGUMENT);
    mi_writer_number(writer, slots[0], -INFINITY); /* no number */
    mi_writer_text(writer, slots[1], mi_text_of(NULL));
    mi_writer_date(writer, slots[2], MI_DATE_MISSING);
    mi_writer_json(writer, slots[3], mi_text_of(NULL));
    mi_writer_number(writer, 999, 1);                              /* no slot: ignored */
    assert_int_equal(mi_writer_row(writer, NULL, 0, NULL), MI_OK); /* slot 4 is unset by now */
    assert_int_equal(mi_writer_close(writer, NULL), MI_OK);
    char *out = get_file("out", NULL);
    assert_string_equal(out, expected);
    free(out);
}

static void values_by_format(void **unused) {
    (void)unused;
    write_values(MI_FORMAT_CSV, "number,text,date,json,\"quo\"\"te\"\n"
                                "0.1,\"a,\"\"b\"\"\t\\\",2026-11-24,\"{\"\"a\"\":[1,null]}\",\"\"\n,,,,\n");
    write_values(MI_FORMAT_TSV, "number\ttext\tdate\tjson\tquo\"te\n"
                                "0.1\ta,\"b\"\\t\\\\\t2026-11-24\t{\"a\":[1,null]}\t\n\t\t\t\t\n");
    write_values(MI_FORMAT_NDJSON,
                 "{\"number\":0.1,\"text\":\"a,\\\"b\\\"\\t\\\\\",\"date\":\"2026-11-24\","
                 "\"json\":{\"a\":[1,null]},\"quo\\\"te\":\"\"}\n"
                 "{\"number\":null,\"text\":null,\"date\":null,\"json\":null,\"quo\\\"te\":null}\n");
}

/* A hundred computed columns, half of which replace. */
static void many_columns(void **unused) {
    (void)unused;
    struct mi_reader *reader;
    struct mi_writer *writer;
    struct mi_batch *batch;
    size_t slots[100];
    FILE *file = fopen("in", "w");
    assert_non_null(file);
    for (int i = 98; i >= 0; i -= 2) {
        fprintf(file, "c%d%c", i, i > 0 ? ',' : '\n');
    }
    for (int i = 98; i >= 0; i -= 2) {
        fprintf(file, "old%c", i > 0 ? ',' : '\n');
    }
    fclose(file);
    assert_int_equal(mi_reader_open("in", NULL, &reader, NULL), MI_OK);
    assert_int_equal(mi_writer_open("out", reader, NULL, &writer, NULL), MI_OK);
    for (size_t i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%zu", i);
        assert_int_equal(mi_writer_column(writer, name, &slots[i], NULL), MI_OK);
        mi_writer_number(writer, slots[i], (double)i);
    }
    assert_int_equal(mi_reader_next(reader, &batch, NULL), MI_OK);
    assert_int_equal(mi_writer_row(writer, batch, 0, NULL), MI_OK);
    assert_int_equal(mi_writer_close(writer, NULL), MI_OK);
    mi_reader_close(reader);
    struct passed passed = {.output = get_file("out", &passed.size)};
    assert_non_null(strstr(passed.output, "\n98,96,94,"));
    assert_non_null(strstr(passed.output, ",2,0,1,3,5,"));
    assert_string_equal(passed.output + passed.size - 7, ",97,99\n");
    passed_clear(&passed);
}

/* ---- how it ends ---- */

static size_t files_here(void) {
    size_t count = 0;
    DIR *folder = opendir(".");
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

static struct mi_writer *begin_file(const char *path) {
    struct mi_writer *writer;
    size_t slot;
    assert_int_equal(mi_writer_open(path, NULL, NULL, &writer, NULL), MI_OK);
    assert_int_equal(mi_writer_column(writer, "a", &slot, NULL), MI_OK);
    assert_int_equal(mi_writer_row(writer, NULL, 0, NULL), MI_OK);
    return writer;
}

static void files_appear_whole_or_not_at_all(void **unused) {
    (void)unused;
    struct stat status;
    char *text;
    put_file("kept", "old");
    assert_int_equal(chmod("kept", 0640), 0);
    remove("link");
    assert_int_equal(symlink("kept", "link"), 0);
    size_t before = files_here();
    struct mi_writer *writer = begin_file("link");
    assert_int_equal(mi_writer_flush(writer, NULL), MI_OK);
    text = get_file("kept", NULL);
    assert_string_equal(text, "old");
    free(text);
    mi_writer_abort(writer);
    text = get_file("kept", NULL);
    assert_string_equal(text, "old");
    free(text);
    assert_int_equal(files_here(), before);
    assert_int_equal(mi_writer_close(begin_file("link"), NULL), MI_OK);
    text = get_file("kept", NULL);
    assert_string_equal(text, "a\n\"\"\n"); /* one column, missing: not an empty line */
    free(text);
    assert_int_equal(lstat("link", &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_int_equal(stat("kept", &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    assert_int_equal(files_here(), before);
    mi_writer_abort(NULL);
    struct mi_error error = {0};
    assert_int_equal(mi_writer_open(".", NULL, NULL, &writer, &error), MI_SYSTEM);
    assert_int_equal(mi_writer_open("no/where", NULL, NULL, &writer, &error), MI_SYSTEM);
    assert_string_equal(error.file, "no/where");
    assert_int_equal(mi_writer_open("", NULL, NULL, &writer, &error), MI_SYSTEM);
}

/* What a pipe got before the failure ends with a record that no reader takes; nothing where nothing went out.
 */
static void aborted_streams_are_unfinished(void **unused) {
    (void)unused;
    static const char *const ends[] = {"", "a\n\"\"\n\"", "a\n\n\\", "{\"a\":null}\n{"};
    for (enum mi_format format = MI_FORMAT_CSV; format <= MI_FORMAT_NDJSON; format++) {
        for (int flushed = 0; flushed < 2; flushed++) {
            struct mi_writer_options options = {.format = format};
            struct mi_writer *writer;
            size_t slot;
            char got[64] = "";
            assert_int_equal(mkfifo("pipe", 0600), 0);
            int pipe = open("pipe", O_RDONLY | O_NONBLOCK);
            assert_true(pipe >= 0);
            assert_int_equal(mi_writer_open("pipe", NULL, &options, &writer, NULL), MI_OK);
            assert_int_equal(mi_writer_column(writer, "a", &slot, NULL), MI_OK);
            assert_int_equal(mi_writer_row(writer, NULL, 0, NULL), MI_OK);
            if (flushed) {
                assert_int_equal(mi_writer_flush(writer, NULL), MI_OK);
            }
            mi_writer_abort(writer);
            assert_true(read(pipe, got, sizeof got - 1) >= 0);
            assert_string_equal(got, flushed ? ends[format] : "");
            close(pipe);
            assert_int_equal(remove("pipe"), 0);
        }
    }
}

static void closed_pipes_are_a_status(void **unused) {
    (void)unused;
    struct mi_writer *writer;
    struct mi_error error = {0};
    signal(SIGPIPE, SIG_IGN);
    for (int rows = 0; rows < 2; rows++) {
        assert_int_equal(mkfifo("pipe", 0600), 0);
        int pipe = open("pipe", O_RDONLY | O_NONBLOCK);
        writer = begin_file("pipe");
        close(pipe);
        enum mi_status status = MI_OK;
        for (int i = 0; rows && status == MI_OK && i < 100000; i++) {
            status = mi_writer_row(writer, NULL, 0, &error);
        }
        if (rows) {
            assert_int_equal(status, MI_CLOSED);
            mi_writer_abort(writer);
        } else {
            assert_int_equal(mi_writer_close(writer, &error), MI_CLOSED);
        }
        assert_int_equal(remove("pipe"), 0);
    }
    writer = begin_file("/dev/full");
    assert_int_equal(mi_writer_close(writer, &error), MI_SYSTEM);
    assert_string_equal(error.text, "cannot write: No space left on device");
    assert_string_equal(error.file, "/dev/full");
}

static void whole_files(void **unused) {
    (void)unused;
    char *text = NULL;
    size_t size = 0;
    struct mi_error error = {0};
    size_t before = files_here();
    assert_int_equal(mi_file_write("whole", (struct mi_text){"a\0b", 3}, &error), MI_OK);
    assert_int_equal(mi_file_read("whole", 3, &text, &size, &error), MI_OK);
    assert_int_equal(size, 3);
    assert_memory_equal(text, "a\0b", 4);
    free(text);
    assert_int_equal(mi_file_read("whole", 2, &text, &size, &error), MI_BAD_INPUT);
    assert_string_equal(error.file, "whole");
    assert_int_equal(mi_file_write("whole", (struct mi_text){NULL, 0}, NULL), MI_OK);
    assert_int_equal(mi_file_read("whole", 0, &text, &size, NULL), MI_OK);
    assert_int_equal(size, 0);
    free(text);
    assert_int_equal(mi_file_read("not-there", 2, &text, &size, &error), MI_SYSTEM);
    assert_int_equal(mi_file_read(".", 2, &text, &size, &error), MI_SYSTEM);
    assert_int_equal(mi_file_write("no/where", mi_text_of("x"), &error), MI_SYSTEM);
    remove("whole");
    assert_int_equal(files_here(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_by_ndjson_and_tsv),
        cmocka_unit_test(ndjson_by_csv),
        cmocka_unit_test(random_tables),
        cmocka_unit_test(computed_columns),
        cmocka_unit_test(dropped_columns),
        cmocka_unit_test(names_that_stand_twice),
        cmocka_unit_test(late_keys),
        cmocka_unit_test(listed_columns),
        cmocka_unit_test(values_by_format),
        cmocka_unit_test(many_columns),
        cmocka_unit_test(files_appear_whole_or_not_at_all),
        cmocka_unit_test(aborted_streams_are_unfinished),
        cmocka_unit_test(closed_pipes_are_a_status),
        cmocka_unit_test(whole_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
