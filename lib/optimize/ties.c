/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Equal campaigns are found by sorting; see ties.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "optimize/ties.h"

struct entry {
    const struct mi_allocation_campaign *campaign;
    size_t place; /* in the problem */
};

/* Missing comes before all numbers. */
static int compare_numbers(double a, double b) {
    if (isnan(a) || isnan(b))
        return isnan(b) - isnan(a);
    return (a > b) - (a < b);
}

static int compare_curves(const struct mi_curve *a, const struct mi_curve *b) {
    int order = (a->family > b->family) - (a->family < b->family);
    for (size_t i = 0; i < 3 && !order; i++)
        order = compare_numbers(a->parameter[i], b->parameter[i]);
    if (!order)
        order = (a->count > b->count) - (a->count < b->count);
    for (size_t i = 0; i < a->count && !order && a->family == MI_CURVE_POINTS; i++) {
        order = compare_numbers(a->points[i].spend, b->points[i].spend);
        order = order ? order : compare_numbers(a->points[i].cpa, b->points[i].cpa);
    }
    for (size_t i = 0; i < a->count && !order && a->family == MI_CURVE_MIX; i++) {
        order = compare_numbers(a->weights[i], b->weights[i]);
        order = order ? order : compare_curves(&a->parts[i], &b->parts[i]);
    }
    return order;
}

/* 0 where nothing that an allocation looks at differs. */
static int compare_campaigns(const struct mi_allocation_campaign *a, const struct mi_allocation_campaign *b) {
    const double x[] = {a->ltv, a->costs.rate, a->costs.fixed, a->min_budget, a->max_budget, a->today};
    const double y[] = {b->ltv, b->costs.rate, b->costs.fixed, b->min_budget, b->max_budget, b->today};
    int order = 0;
    for (size_t i = 0; i < sizeof x / sizeof *x && !order; i++)
        order = compare_numbers(x[i], y[i]);
    return order ? order : compare_curves(a->curve, b->curve);
}

static int compare_ids(struct mi_text a, struct mi_text b) {
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size ? memcmp(a.data, b.data, size) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_entries(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    int order = compare_campaigns(x->campaign, y->campaign);
    order = order ? order : compare_ids(x->campaign->id, y->campaign->id);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

static int compare_falling(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

enum mi_status ties_settle(const struct mi_allocation_problem *problem, double *spend) {
    size_t count = problem->count, end;
    struct entry *entries = malloc((count + 1) * sizeof *entries);
    double *spends = malloc((count + 1) * sizeof *spends);
    if (!entries || !spends) {
        free(entries);
        free(spends);
        return MI_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct entry){&problem->campaigns[i], i};
    qsort(entries, count, sizeof *entries, compare_entries);
    for (size_t first = 0; first < count; first = end) {
        for (end = first; end < count; end++) {
            if (compare_campaigns(entries[first].campaign, entries[end].campaign) != 0)
                break;
            spends[end] = spend[entries[end].place];
        }
        qsort(spends + first, end - first, sizeof *spends, compare_falling);
        for (size_t i = first; i < end; i++)
            spend[entries[i].place] = spends[i];
    }
    free(entries);
    free(spends);
    return MI_OK;
}
