/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Numbers as text. The truth is the C library's: strtod(), which glibc rounds correctly, and printf("%.17g").
 * What is shortest is found by trying printf() with ever more digits.
 */
#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mi.h"

enum { MANY = 300000 };

/* xorshift64*: the same numbers everywhere. */
static uint64_t state;

static uint64_t random_bits(void) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1du;
}

static double of_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* ---- writing ---- */

/* Significant digits of a decimal text. */
static size_t digits_of(const char *text) {
    size_t digits = 0, zeros = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text >= '0' && *text <= '9' && (digits > 0 || *text != '0')) {
            digits++;
            zeros = *text == '0' ? zeros + 1 : 0;
        }
    }
    return digits - zeros;
}

static size_t fewest_digits(double value) {
    char text[64];
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, value);
        if (strtod(text, NULL) == value) {
            return digits_of(text);
        }
    }
    return 17;
}

/* Reads back to the same bits, by strtod and by the library, and no shorter text does. */
static void assert_shortest(double value) {
    char text[MI_NUMBER_LENGTH];
    double back = 0;
    size_t size = mi_number_format(value, text);
    assert_int_equal(size, strlen(text));
    assert_true(size < MI_NUMBER_LENGTH);
    if (bits_of(strtod(text, NULL)) != bits_of(value) || digits_of(text) > fewest_digits(value)) {
        fail_msg("%.17g was written as %s", value, text);
    }
    assert_true(mi_number_parse(mi_text_of(text), &back));
    assert_true(bits_of(back) == bits_of(value));
}

static void writes_random_bits(void **unused) {
    (void)unused;
    state = 1;
    for (int i = 0; i < MANY / 4; i++) {
        double value = of_bits(random_bits());
        if (isfinite(value) && value != 0) {
            assert_shortest(value);
        }
    }
}

/* Amounts as they occur: few decimals, and quotients of such. */
static void writes_amounts(void **unused) {
    (void)unused;
    state = 2;
    for (int i = 0; i < MANY / 4; i++) {
        double cents = (double)(random_bits() % 1000000000);
        assert_shortest((cents + 1) / 100);
        assert_shortest((cents + 1) / (double)(1 + random_bits() % 100000));
    }
}

/* Powers of two, where the border below is nearer, of ten, and their neighbours; denormals; limits. */
static void writes_edges(void **unused) {
    (void)unused;
    for (int exponent = -1074; exponent <= 1023; exponent++) {
        double power = ldexp(1, exponent);
        assert_shortest(power);
        assert_shortest(nextafter(power, INFINITY));
        if (exponent > -1074) {
            assert_shortest(nextafter(power, 0));
        }
    }
    for (int exponent = -323; exponent <= 308; exponent++) {
        char text[16];
        snprintf(text, sizeof text, "1e%d", exponent);
        double power = strtod(text, NULL);
        assert_shortest(power);
        assert_shortest(nextafter(power, INFINITY));
        assert_shortest(-nextafter(power, 0) != 0 ? -nextafter(power, 0) : power);
    }
    assert_shortest(DBL_MAX);
    assert_shortest(DBL_MIN);
    assert_shortest(DBL_TRUE_MIN);
    assert_shortest(9007199254740991);
    assert_shortest(9007199254740992);
    assert_shortest(9007199254740994);
}

/* The layout is that of canonical JSON: the examples of RFC 8785, appendix B, and those of this project. */
static void writes_layout(void **unused) {
    (void)unused;
    static const struct {
        uint64_t bits;
        const char *text;
    } rfc[] = {
        {0x0000000000000000, "0"},
        {0x8000000000000000, "0"},
        {0x0000000000000001, "5e-324"},
        {0x8000000000000001, "-5e-324"},
        {0x7fefffffffffffff, "1.7976931348623157e+308"},
        {0xffefffffffffffff, "-1.7976931348623157e+308"},
        {0x4340000000000000, "9007199254740992"},
        {0xc340000000000000, "-9007199254740992"},
        {0x4430000000000000, "295147905179352830000"},
        {0x44b52d02c7e14af5, "9.999999999999997e+22"},
        {0x44b52d02c7e14af6, "1e+23"},
        {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
        {0x444b1ae4d6e2ef4e, "999999999999999700000"},
        {0x444b1ae4d6e2ef4f, "999999999999999900000"},
        {0x444b1ae4d6e2ef50, "1e+21"},
        {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
        {0x3eb0c6f7a0b5ed8d, "0.000001"},
        {0x41b3de4355555553, "333333333.3333332"},
        {0x41b3de4355555554, "333333333.33333325"},
        {0x41b3de4355555555, "333333333.3333333"},
        {0x41b3de4355555556, "333333333.3333334"},
        {0x41b3de4355555557, "333333333.33333343"},
        {0xbecbf647612f3696, "-0.0000033333333333333333"},
        {0x43143ff3c1cb0959, "1424953923781206.2"},
        {0x7fffffffffffffff, ""},
        {0x7ff0000000000000, ""},
        {0xfff0000000000000, ""},
    };
    char text[MI_NUMBER_LENGTH];
    for (size_t i = 0; i < sizeof rfc / sizeof *rfc; i++) {
        mi_number_format(of_bits(rfc[i].bits), text);
        assert_string_equal(text, rfc[i].text);
    }
    static const struct {
        double value;
        const char *text;
    } plain[] = {{12.5, "12.5"},
                 {1e15, "1000000000000000"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {1e-7, "1e-7"},
                 {100, "100"},
                 {1.0 / 3, "0.3333333333333333"},
                 {-487000, "-487000"},
                 {1e20, "100000000000000000000"}};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        mi_number_format(plain[i].value, text);
        assert_string_equal(text, plain[i].text);
    }
}

/* ---- reading ---- */

static void assert_parsed(const char *text) {
    double value = 12345, truth = strtod(text, NULL);
    bool good = mi_number_parse(mi_text_of(text), &value);
    if (good != (bool)isfinite(truth) || (good && bits_of(value) != bits_of(truth))) {
        fail_msg("%s was read as %s%.17g, strtod says %.17g", text, good ? "" : "none, ", value, truth);
    }
}

static size_t append_digits(char *out, size_t count) {
    for (size_t i = 0; i < count; i++) {
        out[i] = (char)('0' + random_bits() % 10);
    }
    return count;
}

/* Decimals of 1 to 40 digits with the point anywhere, half of them with an exponent. */
static void reads_random_decimals(void **unused) {
    (void)unused;
    state = 3;
    for (int i = 0; i < MANY; i++) {
        char text[80];
        size_t size = 0, most = i % 4 == 0 ? 20 : 9;
        if (random_bits() % 4 == 0) {
            text[size++] = random_bits() % 2 ? '-' : '+';
        }
        size += append_digits(text + size, 1 + random_bits() % most);
        if (random_bits() % 4 != 0) {
            text[size++] = '.';
            size += append_digits(text + size, random_bits() % most);
        }
        text[size] = '\0';
        if (random_bits() % 2 == 0) {
            uint64_t range = random_bits() % 2 ? 40 : 340;
            snprintf(text + size, sizeof text - size, "e%d", (int)(random_bits() % (2 * range)) - (int)range);
        }
        assert_parsed(text);
    }
}

/* The middle between two doubles, exactly (up to 770 digits), and a hair to each side: ties go to even. */
static void reads_halfway_cases(void **unused) {
    (void)unused;
    state = 4;
    for (int i = 0; i < 20000; i++) {
        /* The middle of two neighbours below 2^53 has one bit more: an integer and a half, or a dyadic
         * fraction that printf writes out. */
        uint64_t mantissa = UINT64_C(1) << 52 | (random_bits() >> 12);
        int exponent = (int)(random_bits() % 120) - 100;
        long double middle = ldexpl((long double)mantissa + 0.5L, exponent);
        char text[400];
        int size = snprintf(text, sizeof text - 8, "%.*Lf", exponent < 1 ? 1 - exponent : 0, middle);
        assert_true(size > 0 && (size_t)size < sizeof text - 8);
        assert_parsed(text);
        bool fraction = strchr(text, '.') != NULL;
        snprintf(text + size, sizeof text - (size_t)size, "%s1", fraction ? "" : ".");
        assert_parsed(text);
        text[size - 1] = (char)(text[size - 1] - 1); /* the last digit is never 0: it is a 5 or even part */
        if (text[size - 1] >= '0') {
            assert_parsed(text);
        }
    }
}

/* What short paths must not round twice: 16 to 19 digits over a power of ten. */
static void reads_long_mantissas(void **unused) {
    (void)unused;
    state = 5;
    for (int i = 0; i < MANY / 2; i++) {
        char text[64];
        uint64_t mantissa = random_bits() >> random_bits() % 12;
        snprintf(text, sizeof text, "%llue-%d", (unsigned long long)mantissa, (int)(random_bits() % 32));
        assert_parsed(text);
        /* next to a power of two, where a double changes its step */
        snprintf(text, sizeof text, "%llue-%d",
                 (unsigned long long)((UINT64_C(1) << (53 + random_bits() % 11)) + random_bits() % 3 - 1),
                 (int)(random_bits() % 28));
        assert_parsed(text);
    }
}

static void reads_edges(void **unused) {
    (void)unused;
    static const char *const texts[] = {"1.7976931348623157e308",
                                        "1.7976931348623158e308",
                                        "1.7976931348623159e308",
                                        "1e308",
                                        "1e309",
                                        "-1e400",
                                        "1e99999999999999999999",
                                        "1e-99999999999999999999",
                                        "0e99999999999999999999",
                                        "4.9406564584124654e-324",
                                        "2.4703282292062328e-324",
                                        "2.4703282292062327e-324",
                                        "2.2250738585072011e-308",
                                        "2.2250738585072014e-308",
                                        "9007199254740993",
                                        "9007199254740992.5",
                                        "9007199254740993.00000000000000000001",
                                        "0.000000000000000000000000000000000000000000000000000000000000001",
                                        "1000000000000000000000000000000000000000000000000000000000000000",
                                        "00000000000000000000000000000000000000000000000000000000000012.5",
                                        "-0",
                                        "-0.0e5",
                                        "18446744073709551615",
                                        "18446744073709551616",
                                        ".5",
                                        "5.",
                                        "+5",
                                        "1E5",
                                        "1e+05"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_parsed(texts[i]);
    }
}

static void refuses(void **unused) {
    (void)unused;
    static const char *const texts[] = {"",    " ",     " 1",   "1 ",  "1,5",  "1.5.",     "1e",
                                        "1e+", "e5",    ".",    "+",   "-",    "--1",      "+-1",
                                        "0x1", "1x",    "nan",  "inf", "-inf", "infinity", "1e5e",
                                        "1_0", "1'000", "1\t2", "١",   "1e.5", "1.797e309"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double value = 7;
        if (mi_number_parse(mi_text_of(texts[i]), &value) || value != 7) {
            fail_msg("\"%s\" was read as %g", texts[i], value);
        }
    }
    double value = 7;
    assert_false(mi_number_parse((struct mi_text){"1\0", 2}, &value));
    assert_false(mi_number_parse((struct mi_text){NULL, 0}, &value));
    /* The text is what size says, whatever stands behind. */
    assert_true(mi_number_parse((struct mi_text){"12345", 2}, &value));
    assert_true(value == 12);
}

/* A locale with decimal commas changes nothing; skipped where there is none on the machine. */
static void ignores_the_locale(void **unused) {
    (void)unused;
    char text[MI_NUMBER_LENGTH];
    double value = 0;
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL && setlocale(LC_ALL, "fr_FR.UTF-8") == NULL) {
        skip();
    }
    static const char *const texts[] = {"1234.5", "1.7976931348623157e+308", "5e-324",
                                        "0.3333333333333333333333333333333"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_true(mi_number_parse(mi_text_of(texts[i]), &value));
        assert_true(mi_number_format(value, text) > 0);
        assert_null(strchr(text, ','));
    }
    setlocale(LC_ALL, "C");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_random_bits),
        cmocka_unit_test(writes_amounts),
        cmocka_unit_test(writes_edges),
        cmocka_unit_test(writes_layout),
        cmocka_unit_test(reads_random_decimals),
        cmocka_unit_test(reads_halfway_cases),
        cmocka_unit_test(reads_long_mantissas),
        cmocka_unit_test(reads_edges),
        cmocka_unit_test(refuses),
        cmocka_unit_test(ignores_the_locale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
