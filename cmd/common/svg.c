/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Pieces of an SVG picture.
 */
#include "common/svg.h"

#include <math.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* Length of the character that begins here, 0 where it is none of UTF-8 and XML 1.0. */
static size_t character(const unsigned char *at, size_t left) {
    size_t size = at[0] < 0x80 ? 1 : at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
    unsigned long code = size == 1 ? at[0] : at[0] & (0xFFu >> (size + 1));
    static const unsigned long least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (at[0] >= 0xF8 || (at[0] >= 0x80 && at[0] < 0xC0) || size > left)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3F);
    }
    bool control = code < 0x20 || (code >= 0x7F && code < 0xA0);
    bool none = (code >= 0xD800 && code < 0xE000) || code == 0xFFFE || code == 0xFFFF || code > 0x10FFFF;
    return control || none || code < least[size] ? 0 : size;
}

static const char *entity(unsigned char byte) {
    switch (byte) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void svg_text(FILE *out, struct mi_text text, size_t most) {
    const unsigned char *at = (const unsigned char *)text.data;
    for (size_t i = 0, count = 0; i < text.size; count++) {
        if (count == most) {
            fputs("\xE2\x80\xA6", out);
            return;
        }
        size_t size = character(at + i, text.size - i);
        if (size == 0)
            fputs(REPLACEMENT, out);
        else if (entity(at[i]))
            fputs(entity(at[i]), out);
        else
            fwrite(at + i, 1, size, out);
        i += size ? size : 1;
    }
}

/* ---- axes ---- */

struct svg_axis svg_axis_of(double high, double ticks, bool whole, double start, double pixels) {
    static const char *const times[] = {"", "M", "G", "T", "P"};
    struct svg_axis axis = {.high = high, .start = start, .pixels = pixels, .unit = 1, .times = ""};
    double power = pow(10, floor(log10(high / ticks))), rest = high / ticks / power;
    axis.step = power * (rest <= 1.5 ? 1 : rest <= 3.5 ? 2 : rest <= 7.5 ? 5 : 10);
    if (whole)
        axis.high = axis.step * ceil(high / axis.step - 1e-9);
    for (size_t i = 1;
         i < sizeof times / sizeof times[0] && axis.high >= 10 * 1e3 * axis.unit * (i > 1 ? 1 : 1e3); i++) {
        axis.unit *= i > 1 ? 1e3 : 1e6;
        axis.times = times[i];
    }
    double place = floor(log10(axis.step / axis.unit) + 1e-9);
    axis.decimals = place < 0 ? (int)-place : 0;
    return axis;
}

double svg_place(const struct svg_axis *axis, double value) {
    return axis->start + axis->pixels * value / axis->high;
}

/* Commas between the thousands of a number that was printed with %f. */
static const char *with_commas(const char *digits, const char *behind, char out[SVG_LABEL]) {
    size_t whole = strcspn(digits, "."), used = 0;
    for (size_t i = 0; digits[i] && used + 2 < SVG_LABEL; i++) {
        if (i > 0 && i < whole && (whole - i) % 3 == 0 && digits[i - 1] != '-')
            out[used++] = ',';
        out[used++] = digits[i];
    }
    snprintf(out + used, SVG_LABEL - used, "%s", behind);
    return out;
}

const char *svg_label(const struct svg_axis *axis, double value, char out[SVG_LABEL]) {
    char digits[SVG_LABEL];
    double shown = value / axis->unit;
    if (axis->decimals > 6) {
        snprintf(out, SVG_LABEL, "%.3g", value);
        return out;
    }
    snprintf(digits, sizeof digits, "%.*f", axis->decimals, shown);
    return with_commas(digits, axis->times, out);
}

const char *svg_number(double value, char out[SVG_LABEL]) {
    char digits[SVG_LABEL];
    if (!isfinite(value) || fabs(value) >= 1e15 || (value != 0 && fabs(value) < 1e-3)) {
        snprintf(out, SVG_LABEL, isfinite(value) ? "%.3g" : "?", value);
        return out;
    }
    int decimals = fabs(value) >= 1000 ? 0 : fabs(value) >= 100 ? 1 : fabs(value) >= 1 ? 2 : 3;
    snprintf(digits, sizeof digits, "%.*f", decimals, value);
    char *point = strchr(digits, '.');
    if (point && strspn(point + 1, "0") == strlen(point + 1))
        *point = '\0';
    return with_commas(digits, "", out);
}
