/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sorts by id, and puts back; see ordered.h.
 */
#include "optimize/ordered.h"

#include <stdlib.h>
#include <string.h>

int ordered_compare(struct mi_text a, struct mi_text b) {
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size ? memcmp(a.data, b.data, size) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

struct named {
    struct mi_text id;
    size_t place;
};

static int compare(const void *a, const void *b) {
    const struct named *x = a, *y = b;
    int order = ordered_compare(x->id, y->id);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

static int compare_places(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static enum mi_status sort(struct ordered *ordered, const struct mi_allocation_problem *problem) {
    size_t count = problem->count;
    struct named *named = malloc((count + 1) * sizeof *named);
    ordered->place = malloc((count + 1) * sizeof *ordered->place);
    ordered->campaigns = malloc((count + 1) * sizeof *ordered->campaigns);
    bool room = named && ordered->place && ordered->campaigns;
    for (size_t i = 0; i < count && room; i++)
        named[i] = (struct named){problem->campaigns[i].id, i};
    if (room)
        qsort(named, count, sizeof *named, compare);
    for (size_t i = 0; i < count && room; i++) {
        ordered->place[i] = named[i].place;
        ordered->campaigns[i] = problem->campaigns[named[i].place];
    }
    free(named);
    return room ? MI_OK : MI_NO_MEMORY;
}

/* The limits' members by their new places. */
static enum mi_status follow(struct ordered *ordered, const struct mi_allocation_problem *problem) {
    size_t *now = malloc((problem->count + 1) * sizeof *now);
    ordered->limits = malloc((problem->limit_count + 1) * sizeof *ordered->limits);
    ordered->members = calloc(problem->limit_count + 1, sizeof *ordered->members);
    bool room = now && ordered->limits && ordered->members;
    for (size_t i = 0; i < problem->count && room; i++)
        now[ordered->place[i]] = i;
    for (size_t l = 0; l < problem->limit_count && room; l++) {
        struct mi_allocation_limit *limit = &ordered->limits[l];
        *limit = problem->limits[l];
        if (!limit->members)
            continue;
        size_t *members = ordered->members[l] = malloc((limit->member_count + 1) * sizeof *members);
        room = members;
        for (size_t m = 0; m < limit->member_count && room; m++)
            members[m] = now[limit->members[m]];
        if (room)
            qsort(members, limit->member_count, sizeof *members, compare_places);
        limit->members = members;
    }
    free(now);
    return room ? MI_OK : MI_NO_MEMORY;
}

enum mi_status ordered_new(struct ordered *ordered, const struct mi_allocation_problem *problem) {
    ordered->problem = *problem;
    enum mi_status status = sort(ordered, problem);
    if (status == MI_OK)
        status = follow(ordered, problem);
    ordered->problem.campaigns = ordered->campaigns;
    ordered->problem.limits = ordered->limits;
    return status;
}

enum mi_status ordered_restore(const struct ordered *ordered, struct mi_allocation *allocation) {
    size_t count = allocation->count;
    double *spend = malloc((count + 1) * sizeof *spend);
    enum mi_binding *binding = malloc((count + 1) * sizeof *binding);
    size_t *limit = malloc((count + 1) * sizeof *limit);
    bool room = spend && binding && limit;
    for (size_t i = 0; i < count && room; i++) {
        size_t place = ordered->place[i];
        spend[place] = allocation->spend[i];
        binding[place] = allocation->binding[i];
        limit[place] = allocation->limit_binding[i];
    }
    if (room) {
        memcpy(allocation->spend, spend, count * sizeof *spend);
        memcpy(allocation->binding, binding, count * sizeof *binding);
        memcpy(allocation->limit_binding, limit, count * sizeof *limit);
    }
    free(spend);
    free(binding);
    free(limit);
    return room ? MI_OK : MI_NO_MEMORY;
}

void ordered_free(struct ordered *ordered) {
    for (size_t l = 0; ordered->members && l < ordered->problem.limit_count; l++)
        free(ordered->members[l]);
    free(ordered->members);
    free(ordered->limits);
    free(ordered->campaigns);
    free(ordered->place);
}
