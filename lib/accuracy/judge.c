/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Verdicts on figures: limits, and whether they got worse since an earlier run.
 */
#include <math.h>
#include <string.h>

#include <gsl/gsl_cdf.h>

#include "mi.h"

/* ---- limits ---- */

static enum mi_status bad_limit(const char *text, const char *what, struct mi_error *error) {
    return mi_error_set(error, MI_BAD_ARGUMENT, "limit \"%s\": %s (as cpa.mape>30)", text, what);
}

enum mi_status mi_accuracy_limit_parse(const char *text, struct mi_accuracy_limit *limit,
                                       struct mi_error *error) {
    size_t name = strcspn(text, "<>");
    if (text[name] == '\0') {
        return bad_limit(text, "no comparison >, >=, < or <=", error);
    }
    const char *dot = NULL;
    for (size_t i = 0; i < name; i++) {
        dot = text[i] == '.' ? text + i : dot;
    }
    if (dot == NULL || dot == text) {
        return bad_limit(text, "no metric before a dot", error);
    }
    struct mi_accuracy_limit new = {.metric = {text, (size_t)(dot - text)}};
    struct mi_text figure = {dot + 1, (size_t)(text + name - dot - 1)};
    if (!mi_figure_find(figure, &new.figure)) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "limit \"%s\": no figure \"%.*s\"", text,
                            (int)figure.size, figure.data);
    }
    bool equal = text[name + 1] == '=';
    new.comparison[0] = text[name];
    new.comparison[1] = equal ? '=' : '\0';
    if (!mi_number_parse(mi_text_of(text + name + 1 + equal), &new.bound)) {
        return bad_limit(text, "no number behind the comparison", error);
    }
    *limit = new;
    return MI_OK;
}

bool mi_accuracy_limit_broken(const struct mi_accuracy_limit *limit, double value) {
    bool equal = limit->comparison[1] == '=' && value == limit->bound;
    return equal || (limit->comparison[0] == '>' ? value > limit->bound : value < limit->bound);
}

/* ---- two runs ---- */

/* How bad a value is: the larger the worse. */
static double badness(enum mi_figure figure, double value, double level) {
    switch (figure) {
    case MI_FIGURE_BIAS:
    case MI_FIGURE_BIAS_PCT:
        return fabs(value);
    case MI_FIGURE_DIRECTION:
        return -value;
    case MI_FIGURE_COVERAGE:
        return fabs(value - level);
    default:
        return value;
    }
}

/* Chance of a difference as large by noise alone, one-sided: Welch (1947). */
static double chance_of(const struct mi_accuracy_change *change) {
    double before = change->before_error * change->before_error;
    double after = change->after_error * change->after_error;
    double variance = before + after;
    if (isnan(change->worse) || isnan(variance)) {
        return NAN;
    }
    if (variance <= 0) {
        return change->worse > 1e-12 * fabs(change->before) ? 0 : 1;
    }
    double freedom = variance * variance /
                     (before * before / change->before_freedom + after * after / change->after_freedom);
    return freedom > 0 ? gsl_cdf_tdist_Q(change->worse / sqrt(variance), freedom) : NAN;
}

/* The change not yet broken whose chance is smallest, or count. */
static size_t least_likely(const struct mi_accuracy_change *changes, size_t count) {
    size_t least = count;
    for (size_t i = 0; i < count; i++) {
        if (!isnan(changes[i].chance) && !changes[i].broken &&
            (least == count || changes[i].chance < changes[least].chance)) {
            least = i;
        }
    }
    return least;
}

void mi_accuracy_compare(struct mi_accuracy_change *changes, size_t count, double level,
                         double significance) {
    size_t judged = 0;
    for (size_t i = 0; i < count; i++) {
        struct mi_accuracy_change *change = &changes[i];
        change->worse =
            badness(change->figure, change->after, level) - badness(change->figure, change->before, level);
        change->chance = chance_of(change);
        change->broken = false;
        bool known = !isnan(change->chance);
        judged += known;
    }
    /* Holm (1979): the smallest chance against significance / judged, the next against / (judged - 1), ... */
    for (; judged > 0; judged--) {
        size_t least = least_likely(changes, count);
        if (changes[least].chance > significance / (double)judged) {
            return;
        }
        changes[least].broken = true;
    }
}
