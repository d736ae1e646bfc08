/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See table.h.
 */
#include <math.h>
#include <stdlib.h>

#include "optimize/table.h"

#define CLOSE  0.2  /* relative: half of the nodes lie so near an allocation that is refined */
#define LOWEST 1e-4 /* of the range: the first node above 0 */

enum mi_status table_new(struct table *t, size_t count, size_t draws, struct mi_error *error) {
    *t = (struct table){.count = count, .draws = draws};
    t->spend = calloc(count * TABLE_NODES + 1, sizeof *t->spend);
    t->worth = calloc(count * TABLE_NODES * draws + 1, sizeof *t->worth);
    t->curves = calloc(count + 1, sizeof *t->curves);
    t->points = calloc(count * TABLE_NODES + 1, sizeof *t->points);
    return t->spend && t->worth && t->curves && t->points
               ? MI_OK
               : mi_error_set(error, MI_NO_MEMORY, "out of memory");
}

void table_free(struct table *t) {
    free(t->spend);
    free(t->worth);
    free(t->curves);
    free(t->points);
    *t = (struct table){0};
}

static int compare_numbers(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nodes: geometric over the range, and half of them around a spend. The ends of the campaign's interval are
 * among them, so that what it may get is met exactly. */
static void place_nodes(double *spend, double low, double high, const double *around) {
    size_t wide = around ? TABLE_NODES / 2 : TABLE_NODES;
    double start = around ? fmax(*around * (1 - CLOSE), 0) : 0;
    double end = around ? fmin(high, fmax(*around * (1 + CLOSE), start + high * LOWEST)) : 0;
    spend[0] = 0;
    for (size_t k = 1; k < wide; k++) {
        double share = (double)(k - 1) / (double)(wide - 2);
        spend[k] = high * (share * share * (1 - LOWEST) + LOWEST);
    }
    for (size_t k = wide; k < TABLE_NODES; k++)
        spend[k] = start + (end - start) * (double)(k - wide) / (double)(TABLE_NODES - wide - 1);
    if (low > 0)
        spend[wide / 2] = low;
    qsort(spend, TABLE_NODES, sizeof *spend, compare_numbers);
    spend[TABLE_NODES - 1] = fmax(spend[TABLE_NODES - 1], high);
    for (size_t k = 1; k < TABLE_NODES; k++) /* apart */
        if (!(spend[k] > spend[k - 1]))
            spend[k] = nextafter(spend[k - 1], INFINITY) + high * 1e-12;
}

enum mi_status table_fill(struct table *t, const struct mi_allocation_problem *problem,
                          const struct mi_uncertainty *uncertainty, const double *high, const double *around,
                          struct mi_error *error) {
    double users[TABLE_NODES];
    for (size_t i = 0; i < t->count; i++) {
        const struct mi_allocation_campaign *c = &problem->campaigns[i];
        double *spend = &t->spend[i * TABLE_NODES];
        struct mi_uncertain_campaign campaign = {
            .id = c->id,
            .curve = c->curve,
            .covariance = uncertainty->covariance[i],
            .ltv = c->ltv,
            .ltv_se = problem->objective == MI_OBJECTIVE_USERS ? NAN : uncertainty->ltv_se[i]};
        struct mi_draws *draws;
        place_nodes(spend, c->min_budget, high[i], around ? &around[i] : NULL);
        enum mi_status status = mi_draws_new(&campaign, uncertainty->seed, &draws, error);
        if (status)
            return status;
        for (size_t d = 0; d < t->draws; d++) {
            double ltv;
            mi_draws_next(draws, spend, TABLE_NODES, users, &ltv);
            double factor = c->ltv > 0 ? ltv / c->ltv : 1;
            for (size_t k = 0; k < TABLE_NODES; k++)
                t->worth[(i * TABLE_NODES + k) * t->draws + d] = (float)(users[k] * factor);
        }
        mi_draws_free(draws);
    }
    return MI_OK;
}

void table_weigh(struct table *t, const double *weights) {
    for (size_t i = 0; i < t->count; i++) {
        struct mi_curve_point *points = &t->points[i * TABLE_NODES];
        for (size_t k = 1; k < TABLE_NODES; k++) {
            const float *worth = &t->worth[(i * TABLE_NODES + k) * t->draws];
            double sum = 0, spend = t->spend[i * TABLE_NODES + k];
            for (size_t d = 0; d < t->draws; d++)
                sum += weights[d] * (double)worth[d];
            points[k - 1] = (struct mi_curve_point){spend, sum != 0 ? spend / sum : INFINITY};
        }
        t->curves[i] =
            (struct mi_curve){.family = MI_CURVE_POINTS, .count = TABLE_NODES - 1, .points = points};
    }
}

double table_at(const struct table *t, size_t i, size_t draw, double spend) {
    const double *nodes = &t->spend[i * TABLE_NODES];
    size_t low = 0, high = TABLE_NODES - 1;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (nodes[middle] <= spend)
            low = middle;
        else
            high = middle;
    }
    double share = fmax(0, fmin((spend - nodes[low]) / (nodes[high] - nodes[low]), 1));
    double a = (double)t->worth[(i * TABLE_NODES + low) * t->draws + draw];
    double b = (double)t->worth[(i * TABLE_NODES + high) * t->draws + draw];
    return a + share * (b - a);
}
