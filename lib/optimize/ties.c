/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Equal campaigns are found by sorting; see ties.h.
 */
#include <math.h>
#include <stdlib.h>

#include "optimize/ordered.h"
#include "optimize/ties.h"

struct entry {
    const struct mi_allocation_campaign *campaign;
    size_t place; /* in the problem */
    size_t kind;  /* the same where the same limits count it */
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
    int order = a->or_nothing - b->or_nothing;
    for (size_t i = 0; i < sizeof x / sizeof *x && !order; i++)
        order = compare_numbers(x[i], y[i]);
    return order ? order : compare_curves(a->curve, b->curve);
}

/* 0 where the two can change places. */
static int compare_alike(const struct entry *a, const struct entry *b) {
    int order = (a->kind > b->kind) - (a->kind < b->kind);
    return order ? order : compare_campaigns(a->campaign, b->campaign);
}

static int compare_entries(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    int order = compare_alike(x, y);
    order = order ? order : ordered_compare(x->campaign->id, y->campaign->id);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

static int compare_falling(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* Numbers of the sets of limits that campaigns are of: each limit parts its members of a kind from the rest.
 */
static enum mi_status find_kinds(const struct mi_allocation_problem *problem, struct entry *entries) {
    size_t most = 1;
    for (size_t l = 0; l < problem->limit_count; l++)
        most += problem->limits[l].members ? problem->limits[l].member_count : 0;
    size_t kinds = 1;
    struct {
        size_t into, limit; /* the kind that this limit makes of it */
    } *parted = calloc(most, sizeof *parted);
    if (!parted)
        return MI_NO_MEMORY;
    for (size_t l = 0; l < problem->limit_count; l++) {
        const struct mi_allocation_limit *limit = &problem->limits[l];
        for (size_t m = 0; limit->members && m < limit->member_count; m++) {
            size_t *kind = &entries[limit->members[m]].kind;
            if (parted[*kind].limit != l + 1) {
                parted[*kind].limit = l + 1;
                parted[*kind].into = kinds++;
            }
            *kind = parted[*kind].into;
        }
    }
    free(parted);
    return MI_OK;
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
        entries[i] = (struct entry){&problem->campaigns[i], i, 0};
    if (find_kinds(problem, entries)) {
        free(entries);
        free(spends);
        return MI_NO_MEMORY;
    }
    qsort(entries, count, sizeof *entries, compare_entries);
    for (size_t first = 0; first < count; first = end) {
        for (end = first; end < count; end++) {
            if (compare_alike(&entries[first], &entries[end]) != 0)
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
