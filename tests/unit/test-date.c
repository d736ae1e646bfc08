/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Dates as days since 1970-01-01. The truth is glibc's timegm() and strftime(), day by day, and a few dates
 * that everybody knows.
 */
#define _DEFAULT_SOURCE /* timegm */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "mi.h"

enum { FIRST_DAY = -719528 /* 0000-01-01 */, LAST_DAY = 2932896 /* 9999-12-31 */ };

static int32_t parsed(const char *text) {
    int32_t days = MI_DATE_MISSING;
    return mi_date_parse(mi_text_of(text), &days) ? days : MI_DATE_MISSING;
}

static void every_day_there_and_back(void **unused) {
    (void)unused;
    char text[11], before[11] = "";
    for (int32_t day = FIRST_DAY; day <= LAST_DAY; day++) {
        mi_date_format(day, text);
        if (parsed(text) != day) {
            fail_msg("day %d was written as %s and read as %d", day, text, parsed(text));
        }
        for (size_t i = 0; i < sizeof text; i++) { /* texts are in order as days are */
            if (text[i] != before[i]) {
                assert_true(text[i] > before[i]);
                break;
            }
        }
        for (size_t i = 0; i < sizeof text; i++) {
            before[i] = text[i];
        }
    }
}

static void agrees_with_glibc(void **unused) {
    (void)unused;
    for (int32_t day = FIRST_DAY; day <= LAST_DAY; day += 37) {
        time_t seconds = (time_t)day * 86400;
        struct tm parts;
        char text[11], expected[40];
        gmtime_r(&seconds, &parts);
        snprintf(expected, sizeof expected, "%04d-%02d-%02d", parts.tm_year + 1900, parts.tm_mon + 1,
                 parts.tm_mday);
        mi_date_format(day, text);
        assert_string_equal(text, expected);
        assert_int_equal(mi_date_weekday(day), (parts.tm_wday + 6) % 7);
    }
}

static void known_dates(void **unused) {
    (void)unused;
    assert_int_equal(parsed("1970-01-01"), 0);
    assert_int_equal(parsed("1969-12-31"), -1);
    assert_int_equal(parsed("2000-02-29"), 11016);
    assert_int_equal(parsed("2026-11-24"), 20781);
    assert_int_equal(mi_date_weekday(parsed("2026-11-24")), 1); /* a Tuesday */
    assert_int_equal(mi_date_weekday(parsed("1969-07-20")), 6); /* a Sunday */
    assert_int_equal(parsed("0000-01-01"), FIRST_DAY);
    assert_int_equal(parsed("9999-12-31"), LAST_DAY);
}

static void times_of_day(void **unused) {
    (void)unused;
    const int32_t day = parsed("2026-11-24");
    static const struct {
        const char *text;
        int32_t shift;
    } times[] = {
        {"2026-11-24T07:00Z", 0},          {"2026-11-24T07:00:00", 0},         {"2026-11-24 07:00:00", 0},
        {"2026-11-24 07:00:00.123456", 0}, {"2026-11-24T00:00+00:00", 0},      {"2026-11-24T00:30+01:00", -1},
        {"2026-11-24T23:30-01:00", 1},     {"2026-11-24T23:30-0100", 1},       {"2026-11-24T23:30-01", 1},
        {"2026-11-24T13:59:59+14:00", -1}, {"2026-11-24T14:00:00+14:00", 0},   {"2026-11-24T24:00", 1},
        {"2026-11-24T23:59:60Z", 1},       {"2026-11-24T00:00:00.5-14:00", 0},
    };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        if (parsed(times[i].text) != day + times[i].shift) {
            fail_msg("%s was read as %d days from 2026-11-24", times[i].text, parsed(times[i].text) - day);
        }
    }
}

static void refuses(void **unused) {
    (void)unused;
    static const char *const texts[] = {"",
                                        "2026",
                                        "2026-11",
                                        "2026-1-4",
                                        "2026-13-01",
                                        "2026-00-01",
                                        "2026-11-00",
                                        "2026-11-31",
                                        "2026-02-29",
                                        "1900-02-29",
                                        "2026/11/24",
                                        "24.11.2026",
                                        "11/24/2026",
                                        "20261124",
                                        "2026-11-24 ",
                                        " 2026-11-24",
                                        "2026-11-24T",
                                        "2026-11-24T7:00",
                                        "2026-11-24T07",
                                        "2026-11-24T07:60",
                                        "2026-11-24T25:00",
                                        "2026-11-24T24:01",
                                        "2026-11-24T24:00:01",
                                        "2026-11-24T07:00:61",
                                        "2026-11-24T07:00:00.",
                                        "2026-11-24T07:00Zx",
                                        "2026-11-24T07:00+",
                                        "2026-11-24T07:00+15:00",
                                        "2026-11-24T07:00+01:60",
                                        "2026-11-24x07:00",
                                        "-026-11-24",
                                        "12026-11-24",
                                        "1732406400",
                                        "9999-12-31T23:00-02:00",
                                        "0000-01-01T01:00+02:00"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (parsed(texts[i]) != MI_DATE_MISSING) {
            fail_msg("\"%s\" was read as %d", texts[i], parsed(texts[i]));
        }
    }
    int32_t days = 7;
    assert_false(mi_date_parse((struct mi_text){NULL, 0}, &days));
    assert_int_equal(days, 7);
}

/* Out of the years that can be written, a text of the right length comes all the same. */
static void formats_anything(void **unused) {
    (void)unused;
    static const int32_t days[] = {INT32_MIN + 1, FIRST_DAY - 1, LAST_DAY + 1, INT32_MAX};
    for (size_t i = 0; i < sizeof days / sizeof *days; i++) {
        char text[12] = "###########";
        mi_date_format(days[i], text);
        assert_int_equal(text[10], '\0');
        assert_int_equal(text[11], '\0');
        assert_in_range(mi_date_weekday(days[i]), 0, 6);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_there_and_back),
        cmocka_unit_test(agrees_with_glibc),
        cmocka_unit_test(known_dates),
        cmocka_unit_test(times_of_day),
        cmocka_unit_test(refuses),
        cmocka_unit_test(formats_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
