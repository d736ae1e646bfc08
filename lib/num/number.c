/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Decimal text to double and back, correctly rounded and shortest. Reading and printing numbers is two thirds
 * of a filter's time with strtod and printf, hence short exact paths for the numbers that occur; the rest
 * goes to the C library under the C locale.
 */
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mi.h"
#include "num/number.h"

__extension__ typedef unsigned __int128 uint128;

static const double exact_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                      1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

enum {
    EXACT_POWER = 22,       /* 10^22 is the last power of ten that a double holds exactly */
    DIVISOR_POWER = 27,     /* 5^27 is the last power of five in 64 bits */
    MANTISSA_DIGITS = 19,   /* decimal digits that fit 64 bits */
    SHORTEST_POWER = 54,    /* 5^54 is the last power of five below 2^126 */
    LONGEST_PLAIN_TEXT = 40 /* digits kept for the C library on the stack */
};

static uint64_t power_of_five(int exponent) {
    uint64_t power = 1;
    while (exponent-- > 0) {
        power *= 5;
    }
    return power;
}

/* ---- reading ---- */

/* What the text says: (-1)^negative * mantissa * 10^exponent, mantissa with `digits` significant digits. */
struct decimal {
    bool negative;
    uint64_t mantissa;
    int digits; /* more than MANTISSA_DIGITS: mantissa is not the whole of it */
    int64_t exponent;
};

static bool decimal_exponent(const char **at, const char *end, int64_t *exponent) {
    const char *p = *at;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) {
        p++;
    }
    if (p == end || *p < '0' || *p > '9') {
        return false;
    }
    int64_t sum = 0;
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        if (sum < 100000) {
            sum = sum * 10 + (*p - '0');
        }
    }
    *exponent += negative ? -sum : sum;
    *at = p;
    return true;
}

static const char *decimal_digits(const char *p, const char *end, struct decimal *decimal) {
    for (; p < end; p++) {
        unsigned digit = (unsigned)(*p - '0');
        if (digit > 9) {
            break;
        }
        if (decimal->digits < MANTISSA_DIGITS) {
            decimal->mantissa = decimal->mantissa * 10 + digit;
            decimal->digits += decimal->mantissa != 0;
        } else {
            decimal->digits++;
        }
    }
    return p;
}

static bool decimal_parse(struct mi_text text, struct decimal *decimal) {
    const char *p = text.data, *end = text.data + text.size;
    *decimal = (struct decimal){0};
    if (p < end && (*p == '-' || *p == '+')) {
        decimal->negative = *p++ == '-';
    }
    const char *whole = p;
    p = decimal_digits(p, end, decimal);
    size_t count = (size_t)(p - whole);
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        p = decimal_digits(p, end, decimal);
        count += (size_t)(p - fraction);
        decimal->exponent = fraction - p;
    }
    if (count == 0) {
        return false;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (!decimal_exponent(&p, end, &decimal->exponent)) {
            return false;
        }
    }
    return p == end;
}

/* mantissa / 10^power, correctly rounded: a 128-bit quotient with its remainder, rounded to even by hand. */
static double divide_exactly(uint64_t mantissa, int power) {
    uint64_t divisor = power_of_five(power);
    int lift = __builtin_clzll(mantissa), divisor_lift = __builtin_clzll(divisor);
    uint128 numerator = (uint128)(mantissa << lift) << 63;
    uint64_t by = divisor << divisor_lift;
    uint64_t quotient = (uint64_t)(numerator / by); /* in [2^62, 2^64) */
    bool rest = numerator % by != 0;
    int drop = quotient >> 63 ? 11 : 10; /* leaves 53 bits */
    uint64_t kept = quotient >> drop, dropped = quotient & ((UINT64_C(1) << drop) - 1);
    uint64_t half = UINT64_C(1) << (drop - 1);
    if (dropped > half || (dropped == half && (rest || (kept & 1)))) {
        kept++;
    }
    return ldexp((double)kept, drop - 63 - lift + divisor_lift - power);
}

/* Calls between these two see the C locale, whatever the thread's is. */
struct locale_change {
    locale_t c, before;
};

static bool locale_enter(struct locale_change *change) {
    change->c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (change->c == (locale_t)0) {
        return false;
    }
    change->before = uselocale(change->c);
    return true;
}

static void locale_leave(struct locale_change *change) {
    uselocale(change->before);
    freelocale(change->c);
}

static bool parse_slowly(struct mi_text text, double *value) {
    char stack[LONGEST_PLAIN_TEXT + 1];
    char *copy = text.size <= LONGEST_PLAIN_TEXT ? stack : malloc(text.size + 1);
    struct locale_change change;
    bool ready = copy != NULL && locale_enter(&change);
    double parsed = HUGE_VAL;
    if (ready) {
        memcpy(copy, text.data, text.size);
        copy[text.size] = '\0';
        parsed = strtod(copy, NULL);
        locale_leave(&change);
    }
    if (copy != stack) {
        free(copy);
    }
    if (!isfinite(parsed)) {
        return false;
    }
    *value = parsed;
    return true;
}

bool mi_number_parse(struct mi_text text, double *value) {
    struct decimal decimal;
    if (text.data == NULL || !decimal_parse(text, &decimal)) {
        return false;
    }
    double result;
    if (decimal.digits > MANTISSA_DIGITS) {
        return parse_slowly(text, value);
    } else if (decimal.mantissa == 0) {
        result = 0;
    } else if (decimal.mantissa <= UINT64_C(1) << 53 && decimal.exponent >= -EXACT_POWER &&
               decimal.exponent <= EXACT_POWER) {
        result = (double)decimal.mantissa;
        result = decimal.exponent < 0 ? result / exact_powers[-decimal.exponent]
                                      : result * exact_powers[decimal.exponent];
    } else if (decimal.exponent < 0 && decimal.exponent >= -DIVISOR_POWER) {
        result = divide_exactly(decimal.mantissa, (int)-decimal.exponent);
    } else {
        return parse_slowly(text, value);
    }
    *value = decimal.negative ? -result : result;
    return true;
}

/* ---- writing ---- */

/* Digits (no leading or trailing zero) of mantissa * 10^exponent. */
struct shortest {
    uint64_t mantissa;
    int exponent;
};

/* 192 bits, least significant word first. */
struct wide {
    uint64_t word[3];
};

static struct wide wide_product(uint64_t factor, uint128 by) {
    uint128 low = (uint128)factor * (uint64_t)by;
    uint128 high = (uint128)factor * (uint64_t)(by >> 64) + (low >> 64);
    return (struct wide){{(uint64_t)low, (uint64_t)high, (uint64_t)(high >> 64)}};
}

/* floor(number / 2^shift), which fits 64 bits, and whether anything was cut off. 0 < shift < 192. */
static uint64_t wide_shift(struct wide number, int shift, bool *rest) {
    int words = shift / 64, bits = shift % 64;
    *rest = false;
    for (int i = 0; i < words; i++) {
        *rest |= number.word[i] != 0;
    }
    uint64_t low = number.word[words];
    if (bits == 0) {
        return low;
    }
    *rest |= low << (64 - bits) != 0;
    uint64_t high = words < 2 ? number.word[words + 1] : 0;
    return low >> bits | high << (64 - bits);
}

static void drop_zeros(struct shortest *number) {
    while (number->mantissa != 0 && number->mantissa % 10 == 0) {
        number->mantissa /= 10;
        number->exponent++;
    }
}

/* Numbers that a person wrote have few decimals: the first k where round(value * 10^k) / 10^k gives the value
 * back. At most 15 digits, so that no other decimal as short does. */
static bool shortest_few_decimals(double value, struct shortest *number) {
    for (int decimals = 0; decimals <= 4; decimals++) {
        double scaled = nearbyint(value * exact_powers[decimals]);
        if (scaled >= 1e15) {
            return false;
        }
        if (scaled / exact_powers[decimals] == value) {
            *number = (struct shortest){(uint64_t)scaled, -decimals};
            return true;
        }
    }
    return false;
}

/* The multiple of the largest power of ten within [low, high] that is nearest to (twice + rest) / 2. */
static struct shortest nearest_round(uint64_t low, uint64_t high, uint64_t twice, bool rest) {
    uint64_t step = 1;
    int exponent = 0;
    while (high / (step * 10) * (step * 10) >= low) {
        step *= 10;
        exponent++;
    }
    uint64_t count = twice / (2 * step), over = twice % (2 * step);
    count += over > step || (over == step && (rest || (count & 1)));
    if (count * step < low) {
        count++;
    } else if (count * step > high) {
        count--;
    }
    return (struct shortest){count, exponent};
}

/* Scales the value and the borders of what rounds to it by a power of ten to 17 digits before the point,
 * exactly, in 192 bits, and takes the roundest integer between the borders. False: out of this method's
 * range. */
static bool shortest_exactly(double value, struct shortest *number) {
    int exponent;
    uint64_t mantissa = (uint64_t)ldexp(frexp(value, &exponent), 53);
    int power = 16 - (int)floor((exponent - 1) * 0.30102999566398120);
    if (mantissa == UINT64_C(1) << 52 || power < 1 || power > SHORTEST_POWER) {
        return false; /* below a power of two the border is nearer */
    }
    uint128 fives =
        (uint128)power_of_five(power < 27 ? power : 27) * power_of_five(power < 27 ? 0 : power - 27);
    int shift =
        1 - (exponent - 53) - power; /* borders are at half units: all is doubled to make them whole */
    if (shift < 1 || shift > 191) {
        return false;
    }
    bool low_rest, high_rest, rest;
    uint64_t low = wide_shift(wide_product(2 * mantissa - 1, fives), shift, &low_rest);
    uint64_t high = wide_shift(wide_product(2 * mantissa + 1, fives), shift, &high_rest);
    uint64_t twice = wide_shift(wide_product(4 * mantissa, fives), shift, &rest);
    bool odd = mantissa & 1; /* ties go to the even mantissa: the borders belong to it */
    low += low_rest || odd;
    high -= !high_rest && odd;
    if (low > high) {
        return false;
    }
    *number = nearest_round(low, high, twice, rest);
    number->exponent -= power;
    drop_zeros(number);
    return true;
}

/* The C library: the fewest digits that read back. */
static bool shortest_slowly(double value, struct shortest *number) {
    struct locale_change change;
    if (!locale_enter(&change)) {
        return false;
    }
    char text[48];
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    locale_leave(&change);
    struct decimal decimal;
    decimal_parse(mi_text_of(text), &decimal);
    *number = (struct shortest){decimal.mantissa, (int)decimal.exponent};
    drop_zeros(number);
    return true;
}

static size_t write_digits(uint64_t mantissa, char *out) {
    char reversed[24];
    size_t count = 0;
    do {
        reversed[count++] = (char)('0' + mantissa % 10);
        mantissa /= 10;
    } while (mantissa != 0);
    for (size_t i = 0; i < count; i++) {
        out[i] = reversed[count - 1 - i];
    }
    return count;
}

static size_t write_exponent(int exponent, char *out) {
    size_t size = 0;
    out[size++] = 'e';
    out[size++] = exponent < 0 ? '-' : '+';
    return size + write_digits((uint64_t)abs(exponent), out + size);
}

/* Lays digits out as ECMAScript and with it canonical JSON (RFC 8785) do: plain where the value is in
 * [1e-6, 1e21), else d.ddde+x. */
static size_t write_number(struct shortest number, char *out) {
    char digits[24];
    int count = (int)write_digits(number.mantissa, digits);
    int point = count + number.exponent; /* digits before the decimal point */
    size_t size = 0;
    if (point < -5 || point > 21) {
        out[size++] = digits[0];
        if (count > 1) {
            out[size++] = '.';
            memcpy(out + size, digits + 1, (size_t)count - 1);
            size += (size_t)count - 1;
        }
        return size + write_exponent(point - 1, out + size);
    }
    if (point <= 0) {
        out[size++] = '0';
        out[size++] = '.';
        memset(out + size, '0', (size_t)-point);
        size += (size_t)-point;
        memcpy(out + size, digits, (size_t)count);
        return size + (size_t)count;
    }
    int whole = point < count ? point : count;
    memcpy(out, digits, (size_t)whole);
    memset(out + whole, '0', (size_t)(point - whole));
    size = (size_t)point;
    if (count > point) {
        out[size++] = '.';
        memcpy(out + size, digits + point, (size_t)(count - point));
        size += (size_t)(count - point);
    }
    return size;
}

size_t mi_number_format(double value, char *out) {
    size_t size = 0;
    if (value == 0) {
        out[size++] = '0';
    } else if (isfinite(value)) {
        if (value < 0) {
            out[size++] = '-';
            value = -value;
        }
        struct shortest number;
        bool found = shortest_few_decimals(value, &number) || shortest_exactly(value, &number) ||
                     shortest_slowly(value, &number);
        size = found ? size + write_number(number, out + size) : 0;
    }
    out[size] = '\0';
    return size;
}

void mi_buffer_number(struct mi_buffer *buffer, double value) {
    if (mi_buffer_reserve(buffer, MI_NUMBER_LENGTH)) {
        buffer->size += mi_number_format(value, buffer->data + buffer->size);
    }
}
