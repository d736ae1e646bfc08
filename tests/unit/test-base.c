/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Errors, notes, texts and the index of texts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mi.h"

static void start_compares_versions(void **unused) {
    (void)unused;
    struct mi_error error = {0};
    assert_int_equal(mi_init(MI_VERSION, &error), MI_OK);
    assert_string_equal(mi_version(), MI_VERSION);
    assert_int_equal(mi_init("0.0.0", &error), MI_BAD_ARGUMENT);
    assert_non_null(strstr(error.text, "0.0.0"));
    assert_int_equal(mi_init(NULL, NULL), MI_BAD_ARGUMENT);
}

static void errors_say_the_place(void **unused) {
    (void)unused;
    char out[2000];
    struct mi_error error = {0};
    assert_int_equal(mi_error_set(&error, MI_BAD_RECORD, "not a number: \"%s\"", "12x"), MI_BAD_RECORD);
    mi_error_format(&error, out, sizeof out);
    assert_string_equal(out, "not a number: \"12x\"");
    snprintf(error.file, sizeof error.file, "days.csv");
    mi_error_format(&error, out, sizeof out);
    assert_string_equal(out, "days.csv: not a number: \"12x\"");
    error.line = 17;
    snprintf(error.column, sizeof error.column, "spend");
    mi_error_format(&error, out, sizeof out);
    assert_string_equal(out, "days.csv:17: column 'spend': not a number: \"12x\"");
    assert_int_equal(mi_error_set(NULL, MI_SYSTEM, "nobody listens"), MI_SYSTEM);
    mi_error_format(&error, out, 10);
    assert_string_equal(out, "days.csv:");
}

/* Nothing that a file holds can steer the terminal, and long texts are cut. */
static void errors_are_printable(void **unused) {
    (void)unused;
    char out[4000], text[3000];
    struct mi_error error = {0};
    mi_error_set(&error, MI_BAD_RECORD, "%s", "a\033[31m\r\nb\x7f é");
    snprintf(error.file, sizeof error.file, "x\ny");
    snprintf(error.column, sizeof error.column, "c\td");
    mi_error_format(&error, out, sizeof out);
    assert_string_equal(out, "x\\x0ay: column 'c\\x09d': a\\x1b[31m\\x0d\\x0ab\\x7f é");
    memset(text, '\033', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    mi_error_set(&error, MI_BAD_RECORD, "%s", text);
    assert_true(strlen(error.text) < sizeof error.text);
    memset(error.file, '\001', sizeof error.file - 1);
    memset(error.column, '\002', sizeof error.column - 1);
    mi_error_format(&error, out, sizeof out);
    assert_true(strlen(out) > 1000);
    for (const char *at = out; *at != '\0'; at++) {
        assert_true((unsigned char)*at >= ' ');
    }
}

static char said[1100];

static void hear(void *user, const char *text) {
    snprintf(said, sizeof said, "%s%s", (const char *)user, text);
}

static void notes_reach_who_listens(void **unused) {
    (void)unused;
    const struct mi_notes notes = {hear, "heard: "}, deaf = {0};
    mi_notes_say(&notes, "%d rows\n", 5);
    assert_string_equal(said, "heard: 5 rows\\x0a");
    mi_notes_say(&deaf, "nothing");
    mi_notes_say(NULL, "nothing");
}

static void texts(void **unused) {
    (void)unused;
    struct mi_text missing = mi_text_of(NULL), empty = mi_text_of(""), a = mi_text_of("a");
    assert_null(missing.data);
    assert_true(mi_text_equal(missing, missing));
    assert_true(mi_text_equal(empty, empty));
    assert_false(mi_text_equal(missing, empty));
    assert_false(mi_text_equal(a, empty));
    assert_true(mi_text_equal(a, (struct mi_text){"abc", 1}));
    assert_false(mi_text_equal(a, mi_text_of("b")));
    char *copy = mi_text_copy((struct mi_text){"abc", 2});
    assert_string_equal(copy, "ab");
    free(copy);
    copy = mi_text_copy(missing);
    assert_string_equal(copy, "");
    free(copy);
}

/* Enough texts for many growths; each found under its number, in order, and no other. */
static void index_numbers_texts(void **unused) {
    (void)unused;
    enum { COUNT = 200000 };
    struct mi_index *index;
    char text[32];
    size_t number;
    bool added;
    assert_int_equal(mi_index_new(&index, NULL), MI_OK);
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "campaign-%zu", i * 7919 % COUNT);
        assert_int_equal(mi_index_find(index, mi_text_of(text)), SIZE_MAX);
        assert_int_equal(mi_index_add(index, mi_text_of(text), &number, &added, NULL), MI_OK);
        assert_true(added && number == i);
    }
    memset(text, 'x', sizeof text); /* its copies are its own */
    assert_int_equal(mi_index_size(index), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "campaign-%zu", i * 7919 % COUNT);
        assert_int_equal(mi_index_find(index, mi_text_of(text)), i);
        assert_string_equal(mi_index_text(index, i).data, text);
        assert_int_equal(mi_index_add(index, mi_text_of(text), &number, &added, NULL), MI_OK);
        assert_true(!added && number == i);
    }
    assert_int_equal(mi_index_size(index), COUNT);
    mi_index_free(index);
    mi_index_free(NULL);
}

static void index_takes_any_bytes(void **unused) {
    (void)unused;
    struct mi_index *index;
    size_t missing, empty, zero, longer;
    assert_int_equal(mi_index_new(&index, NULL), MI_OK);
    assert_int_equal(mi_index_add(index, mi_text_of(NULL), &missing, NULL, NULL), MI_OK);
    assert_int_equal(mi_index_add(index, mi_text_of(""), &empty, NULL, NULL), MI_OK);
    assert_int_equal(missing, empty);
    assert_int_equal(mi_index_add(index, (struct mi_text){"\0", 1}, &zero, NULL, NULL), MI_OK);
    assert_int_equal(mi_index_add(index, (struct mi_text){"\0\0", 2}, &longer, NULL, NULL), MI_OK);
    assert_int_equal(zero, 1);
    assert_int_equal(longer, 2);
    size_t size = 100000;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, 'a', size);
    assert_int_equal(mi_index_add(index, (struct mi_text){text, size}, &longer, NULL, NULL), MI_OK);
    assert_int_equal(mi_index_find(index, (struct mi_text){text, size}), 3);
    assert_int_equal(mi_index_find(index, (struct mi_text){text, size - 1}), SIZE_MAX);
    free(text);
    mi_index_free(index);
}

/* What is in an array stays as it grows, and what has room is not moved. */
static void arrays_grow(void **state) {
    (void)state;
    size_t *numbers = NULL, room = 0, moved = 0;
    for (size_t count = 0; count < 1000; count++) {
        size_t before = room;
        size_t *larger = mi_array_room(numbers, count, &room, sizeof *larger);
        assert_non_null(larger);
        assert_true(room > count);
        assert_true(count >= before || (larger == numbers && room == before));
        moved += room != before;
        numbers = larger;
        numbers[count] = count;
    }
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(numbers[i], i);
    assert_true(moved < 20); /* so that n elements cost n moves, not n squared */
    free(numbers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_compares_versions),
        cmocka_unit_test(errors_say_the_place),
        cmocka_unit_test(arrays_grow),
        cmocka_unit_test(errors_are_printable),
        cmocka_unit_test(notes_reach_who_listens),
        cmocka_unit_test(texts),
        cmocka_unit_test(index_numbers_texts),
        cmocka_unit_test(index_takes_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
