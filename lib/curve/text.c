/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A curve as text and back: the one place that reads and writes `hill(ceiling=5321.4 half=18250 shape=1.31)`.
 * Arguments are separated by spaces, commas or both and named ones may come in any order; what is written has
 * single spaces and text order, with the shortest numbers that read back to the same doubles.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "curve/curve.h"
#include "mi.h"

#define PARAMETERS_MOST 3

struct family {
    const char *name;
    bool has_ceiling;
    size_t count;
    const char *parameters[PARAMETERS_MOST];
    double most[PARAMETERS_MOST];
};

static const struct family families[] = {
    [MI_CURVE_HILL] =
        {"hill", true, 3, {"ceiling", "half", "shape"}, {PARAMETER_MOST, PARAMETER_MOST, SHAPE_MOST}},
    [MI_CURVE_MM] = {"mm", true, 2, {"ceiling", "half"}, {PARAMETER_MOST, PARAMETER_MOST}},
    [MI_CURVE_EXP] = {"exp", true, 2, {"ceiling", "half"}, {PARAMETER_MOST, PARAMETER_MOST}},
    [MI_CURVE_GOMPERTZ] = {"gompertz",
                           true,
                           3,
                           {"ceiling", "middle", "rate"},
                           {PARAMETER_MOST, PARAMETER_MOST, PARAMETER_MOST}},
    [MI_CURVE_LOGISTIC] = {"logistic",
                           true,
                           3,
                           {"ceiling", "middle", "rate"},
                           {PARAMETER_MOST, PARAMETER_MOST, PARAMETER_MOST}},
    [MI_CURVE_POWER] = {"power", false, 2, {"scale", "exponent"}, {PARAMETER_MOST, EXPONENT_MOST}},
    [MI_CURVE_LOG] = {"log", false, 2, {"scale", "spread"}, {PARAMETER_MOST, PARAMETER_MOST}},
    [MI_CURVE_POINTS] = {"points", false, 0, {NULL}, {0}},
    [MI_CURVE_MIX] = {"mix", false, 0, {NULL}, {0}},
};

#define FAMILY_COUNT (sizeof families / sizeof families[0])

size_t curve_parameter_count(enum mi_curve_family family) {
    return families[family].count;
}

double curve_parameter_most(enum mi_curve_family family, size_t parameter) {
    return families[family].most[parameter];
}

bool curve_has_ceiling(enum mi_curve_family family) {
    return families[family].has_ceiling;
}

const char *mi_curve_family_name(enum mi_curve_family family) {
    return families[family].name;
}

bool mi_curve_family_parse(struct mi_text text, enum mi_curve_family *family) {
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        if (mi_text_equal(text, mi_text_of(families[i].name))) {
            *family = (enum mi_curve_family)i;
            return true;
        }
    return false;
}

/* ---- reading ---- */

struct scanner {
    struct mi_text whole; /* for messages */
    const char *at, *end;
    struct mi_error *error;
};

static int text_size(struct mi_text text) {
    return text.size > 100 ? 100 : (int)text.size;
}

static enum mi_status fault(struct scanner *scan, const char *what, struct mi_text offender) {
    return mi_error_set(scan->error, MI_BAD_RECORD, "not a curve: \"%.*s\": %s \"%.*s\"",
                        text_size(scan->whole), scan->whole.data ? scan->whole.data : "", what,
                        text_size(offender), offender.data ? offender.data : "");
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_spaces(struct scanner *scan) {
    while (scan->at < scan->end && is_space(*scan->at))
        scan->at++;
}

/* Spaces and at most one comma. */
static void skip_separator(struct scanner *scan) {
    skip_spaces(scan);
    if (scan->at < scan->end && *scan->at == ',')
        scan->at++;
    skip_spaces(scan);
}

static bool take(struct scanner *scan, char c) {
    skip_spaces(scan);
    if (scan->at == scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

/* The text up to the next space or punctuation of the curve language. */
static struct mi_text take_word(struct scanner *scan) {
    skip_spaces(scan);
    const char *start = scan->at;
    while (scan->at < scan->end && !is_space(*scan->at) && !strchr("(),:=*", *scan->at))
        scan->at++;
    return (struct mi_text){start, (size_t)(scan->at - start)};
}

static struct mi_text rest_of(const struct scanner *scan) {
    return (struct mi_text){scan->at, (size_t)(scan->end - scan->at)};
}

/* A number of the curve, which lies within [least, most]. */
static enum mi_status take_number(struct scanner *scan, double least, double most, double *value) {
    struct mi_text word = take_word(scan);
    if (!mi_number_parse(word, value))
        return fault(scan, "not a number:", word);
    if (*value <= 0)
        return fault(scan, "must be above 0:", word);
    if (*value < least)
        return fault(scan, "too small:", word);
    if (*value > most)
        return fault(scan, "too large:", word);
    return MI_OK;
}

static enum mi_status scan_parameters(struct scanner *scan, struct mi_curve *curve) {
    const struct family *family = &families[curve->family];
    bool seen[PARAMETERS_MOST] = {false};
    while (!take(scan, ')')) {
        struct mi_text name = take_word(scan);
        size_t k = 0;
        while (k < family->count && !mi_text_equal(name, mi_text_of(family->parameters[k])))
            k++;
        if (name.size == 0)
            return fault(scan, "expected a parameter or ')' at", rest_of(scan));
        if (k == family->count)
            return fault(scan, "unknown parameter", name);
        if (seen[k])
            return fault(scan, "given twice:", name);
        if (!take(scan, '='))
            return fault(scan, "expected '=' after", name);
        enum mi_status status = take_number(scan, PARAMETER_LEAST, family->most[k], &curve->parameter[k]);
        if (status != MI_OK)
            return status;
        seen[k] = true;
        skip_separator(scan);
    }
    for (size_t k = 0; k < family->count; k++)
        if (!seen[k])
            return fault(scan, "missing parameter", mi_text_of(family->parameters[k]));
    return MI_OK;
}

/* Makes room for element `count` of an array that doubles. */
static void *grow(void *array, size_t count, size_t size) {
    if (count & (count - 1) || (count > 0 && count < 4))
        return array;
    return realloc(array, (count ? 2 * count : 4) * size);
}

static enum mi_status append_point(struct scanner *scan, struct mi_curve *curve, struct mi_text word,
                                   double spend, double cpa) {
    if (curve->count > 0) {
        struct mi_curve_point last = curve->points[curve->count - 1];
        if (spend <= last.spend)
            return fault(scan, "spends must increase:", word);
        if (spend / cpa < last.spend / last.cpa)
            return fault(scan, "users (spend / CPA) fall at", word);
    }
    struct mi_curve_point *points = grow(curve->points, curve->count, sizeof *points);
    if (!points)
        return mi_error_set(scan->error, MI_NO_MEMORY, "out of memory");
    curve->points = points;
    points[curve->count++] = (struct mi_curve_point){spend, cpa};
    return MI_OK;
}

static enum mi_status scan_points(struct scanner *scan, struct mi_curve *curve) {
    while (!take(scan, ')')) {
        if (scan->at == scan->end)
            return fault(scan, "expected spend:CPA or ')' at", rest_of(scan));
        double spend, cpa;
        const char *start = scan->at;
        enum mi_status status = take_number(scan, PARAMETER_LEAST, MI_MONEY_LIMIT, &spend);
        if (status == MI_OK && !take(scan, ':'))
            status = fault(scan, "expected ':' after a spend, at", rest_of(scan));
        if (status == MI_OK)
            status = take_number(scan, PARAMETER_LEAST, MI_MONEY_LIMIT, &cpa);
        if (status == MI_OK)
            status =
                append_point(scan, curve, (struct mi_text){start, (size_t)(scan->at - start)}, spend, cpa);
        if (status != MI_OK)
            return status;
        skip_separator(scan);
    }
    return curve->count ? MI_OK : fault(scan, "no points", mi_text_of(""));
}

static enum mi_status scan_curve(struct scanner *scan, struct mi_curve *curve, bool within_mix);

static enum mi_status scan_parts(struct scanner *scan, struct mi_curve *curve) {
    curve->parts = calloc(CURVE_PARTS_MOST, sizeof *curve->parts);
    curve->weights = calloc(CURVE_PARTS_MOST, sizeof *curve->weights);
    if (!curve->parts || !curve->weights)
        return mi_error_set(scan->error, MI_NO_MEMORY, "out of memory");
    while (!take(scan, ')')) {
        if (curve->count == CURVE_PARTS_MOST)
            return fault(scan, "too many curves in a mix, at", rest_of(scan));
        enum mi_status status =
            take_number(scan, PARAMETER_LEAST, PARAMETER_MOST, &curve->weights[curve->count]);
        if (status == MI_OK && !take(scan, '*'))
            status = fault(scan, "expected '*' after a weight, at", rest_of(scan));
        if (status == MI_OK)
            status = scan_curve(scan, &curve->parts[curve->count++], true);
        if (status != MI_OK)
            return status;
        skip_separator(scan);
    }
    return curve->count ? MI_OK : fault(scan, "a mix of nothing", mi_text_of(""));
}

static enum mi_status scan_curve(struct scanner *scan, struct mi_curve *curve, bool within_mix) {
    struct mi_text name = take_word(scan);
    if (!mi_curve_family_parse(name, &curve->family))
        return fault(scan, "unknown family", name);
    if (!take(scan, '('))
        return fault(scan, "expected '(' after", name);
    if (curve->family == MI_CURVE_POINTS)
        return scan_points(scan, curve);
    if (curve->family != MI_CURVE_MIX)
        return scan_parameters(scan, curve);
    if (within_mix)
        return fault(scan, "a mix within a mix", rest_of(scan));
    return scan_parts(scan, curve);
}

enum mi_status mi_curve_parse(struct mi_text text, struct mi_curve *curve, struct mi_error *error) {
    struct mi_curve made = {0};
    struct scanner scan = {text, text.data, text.data ? text.data + text.size : NULL, error};
    enum mi_status status = scan_curve(&scan, &made, false);
    skip_spaces(&scan);
    if (status == MI_OK && scan.at != scan.end)
        status = fault(&scan, "unexpected", rest_of(&scan));
    if (status != MI_OK) {
        mi_curve_clear(&made);
        return status;
    }
    *curve = made;
    return MI_OK;
}

void mi_curve_clear(struct mi_curve *curve) {
    if (!curve)
        return;
    for (size_t i = 0; curve->parts && i < curve->count; i++)
        mi_curve_clear(&curve->parts[i]);
    free(curve->parts);
    free(curve->weights);
    free(curve->points);
    *curve = (struct mi_curve){0};
}

/* ---- writing ---- */

static void put_number(struct mi_buffer *out, double value) {
    char text[MI_NUMBER_LENGTH];
    mi_buffer_append(out, text, mi_number_format(value, text));
}

static void put_curve(struct mi_buffer *out, const struct mi_curve *curve) {
    const struct family *family = &families[curve->family];
    mi_buffer_string(out, family->name);
    mi_buffer_byte(out, '(');
    for (size_t k = 0; k < family->count; k++) {
        mi_buffer_string(out, k ? " " : "");
        mi_buffer_string(out, family->parameters[k]);
        mi_buffer_byte(out, '=');
        put_number(out, curve->parameter[k]);
    }
    for (size_t i = 0; i < curve->count; i++) {
        mi_buffer_string(out, i ? " " : "");
        if (curve->family == MI_CURVE_POINTS) {
            put_number(out, curve->points[i].spend);
            mi_buffer_byte(out, ':');
            put_number(out, curve->points[i].cpa);
        } else {
            put_number(out, curve->weights[i]);
            mi_buffer_byte(out, '*');
            put_curve(out, &curve->parts[i]);
        }
    }
    mi_buffer_byte(out, ')');
}

char *mi_curve_format(const struct mi_curve *curve) {
    struct mi_buffer out = {0};
    put_curve(&out, curve);
    mi_buffer_byte(&out, '\0');
    if (out.failed) {
        mi_buffer_free(&out);
        return NULL;
    }
    return out.data;
}
