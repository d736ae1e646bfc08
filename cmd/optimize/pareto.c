/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * --pareto: the front of the weighted objective's three parts (the sums of ROI, of revenue and of 1/CAC).
 * Weights on a lattice give points of it; dominated ones go, and of the rest those that lie farthest apart
 * stay, the three parts each measured by their range.
 */
#include "optimize/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PARTS     3
#define PER_POINT 6    /* allocations tried for a point that is kept */
#define SAME      1e-9 /* relative: no better */

struct point {
    double weight[PARTS]; /* scaled to sum 1 */
    double part[PARTS];   /* sums of ROI %, revenue / 10000, 100 / CAC */
    double gap;
    double *spend;
    bool kept;
};

static struct mi_objective_weights weights_of(const double *weight) {
    return (struct mi_objective_weights){weight[0], weight[1], weight[2]};
}

static void measure(const struct mi_allocation_problem *problem, struct point *point) {
    static const double units[PARTS][PARTS] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    for (size_t k = 0; k < PARTS; k++) {
        struct mi_allocation_problem one = *problem;
        one.weights = weights_of(units[k]);
        point->part[k] = mi_objective_value(&one, point->spend);
    }
}

static enum mi_status solve(struct plan *plan, const double *scale, struct point *point,
                            struct mi_error *error) {
    struct mi_allocation allocation;
    double weight[PARTS];
    for (size_t k = 0; k < PARTS; k++)
        weight[k] = point->weight[k] / scale[k];
    plan->problem.weights = weights_of(weight);
    enum mi_status status = mi_allocate(&plan->problem, &allocation, error);
    if (status)
        return status;
    point->spend = malloc((plan->campaigns.count + 1) * sizeof *point->spend);
    if (point->spend)
        memcpy(point->spend, allocation.spend, plan->campaigns.count * sizeof *point->spend);
    point->gap = gap_percent(&allocation);
    mi_allocation_clear(&allocation);
    if (!point->spend)
        return no_memory(error);
    measure(&plan->problem, point);
    return MI_OK;
}

/* Whether b is at least as good in all parts, and better in one or the same but earlier. */
static bool dominated(const struct point *a, const struct point *b, bool earlier) {
    bool better = false;
    for (size_t k = 0; k < PARTS; k++) {
        double slack = SAME * fmax(fabs(a->part[k]), fabs(b->part[k]));
        if (b->part[k] < a->part[k] - slack)
            return false;
        better |= b->part[k] > a->part[k] + slack;
    }
    return better || earlier;
}

static double distance(const struct point *a, const struct point *b, const double *range) {
    double sum = 0;
    for (size_t k = 0; k < PARTS; k++) {
        double d = range[k] > 0 ? (a->part[k] - b->part[k]) / range[k] : 0;
        sum += d * d;
    }
    return sqrt(sum);
}

/* Keeps `wanted` of the points that are not dominated: the best of each part, then always the one farthest
 * from those kept. */
static size_t thin_out(struct point *points, size_t count, size_t wanted) {
    double range[PARTS], *near = malloc((count + 1) * sizeof *near);
    size_t kept = 0;
    bool *front = calloc(count + 1, sizeof *front);
    if (!near || !front) {
        free(near);
        free(front);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        front[i] = true;
        for (size_t j = 0; j < count && front[i]; j++)
            front[i] = i == j || !dominated(&points[i], &points[j], j < i);
        near[i] = INFINITY;
    }
    for (size_t k = 0; k < PARTS; k++) {
        double least = INFINITY, most = -INFINITY;
        for (size_t i = 0; i < count; i++)
            if (front[i]) {
                least = fmin(least, points[i].part[k]);
                most = fmax(most, points[i].part[k]);
            }
        range[k] = most - least;
    }
    while (kept < wanted) {
        size_t best = SIZE_MAX;
        for (size_t k = 0; k < PARTS && kept < PARTS && best == SIZE_MAX; k++) { /* ends first */
            size_t end = SIZE_MAX;
            for (size_t i = 0; i < count; i++)
                if (front[i] && (end == SIZE_MAX || points[i].part[k] > points[end].part[k]))
                    end = i;
            if (end != SIZE_MAX && !points[end].kept)
                best = end;
        }
        for (size_t i = 0; i < count && best == SIZE_MAX; i++)
            if (front[i] && !points[i].kept)
                best = i;
        for (size_t i = 0; i < count && kept >= 1; i++)
            if (front[i] && !points[i].kept && near[i] > near[best] && !points[best].kept &&
                near[best] < INFINITY)
                best = i;
        if (best == SIZE_MAX || (kept > 0 && near[best] <= 0))
            break;
        points[best].kept = true;
        kept++;
        for (size_t i = 0; i < count; i++)
            near[i] = fmin(near[i], distance(&points[i], &points[best], range));
    }
    free(near);
    free(front);
    return kept;
}

static int compare_revenue(const void *a, const void *b) {
    const struct point *x = *(const struct point *const *)a, *y = *(const struct point *const *)b;
    if (x->part[1] != y->part[1])
        return x->part[1] > y->part[1] ? 1 : -1;
    return (x->part[0] < y->part[0]) - (x->part[0] > y->part[0]);
}

/* ---- output ---- */

enum {
    POINT,
    WEIGHT_ROI,
    WEIGHT_REVENUE,
    WEIGHT_CAC,
    SUM_ROI,
    SUM_REVENUE,
    SUM_CAC,
    GAP,
    RECOMMENDED,
    COLUMNS
};

static const char *const names[COLUMNS] = {"point",       "weight_roi", "weight_revenue",
                                           "weight_cac",  "roi_sum",    "revenue_sum",
                                           "per_cac_sum", "gap_pct",    "recommended_budget"};

static void set_point(struct stream *stream, const size_t *slots, const struct point *point, size_t number,
                      const double *scale) {
    double weight[PARTS], sum = 0;
    for (size_t k = 0; k < PARTS; k++)
        sum += weight[k] = point->weight[k] / scale[k];
    mi_writer_number(stream->writer, slots[POINT], (double)number);
    for (size_t k = 0; k < PARTS; k++) {
        mi_writer_number(stream->writer, slots[WEIGHT_ROI + k], weight[k] / sum);
        mi_writer_number(stream->writer, slots[SUM_ROI + k],
                         point->part[k] * (k == 1   ? 10000
                                           : k == 2 ? 0.01
                                                    : 1));
    }
    mi_writer_number(stream->writer, slots[GAP], point->gap);
}

static enum mi_status write_points(struct plan *plan, struct stream *stream, struct point **points,
                                   size_t count, const double *scale, struct mi_error *error) {
    static const char *const none[] = {NULL};
    size_t slots[COLUMNS];
    enum mi_status status = campaigns_output(&plan->campaigns, stream, none, error);
    for (size_t i = 0; i < COLUMNS && !status; i++)
        status = mi_writer_column(stream->writer, names[i], &slots[i], error);
    for (size_t p = 0; p < count; p++)
        for (size_t i = 0; i < plan->campaigns.count && !status; i++) {
            set_point(stream, slots, points[p], p + 1, scale);
            mi_writer_number(stream->writer, slots[RECOMMENDED], points[p]->spend[i]);
            status =
                mi_writer_row(stream->writer, plan->campaigns.batch, plan->campaigns.items[i].row, error);
        }
    return status;
}

/* The points without their campaigns. */
static enum mi_status write_summary(const struct plan *plan, struct point **points, size_t count,
                                    const double *scale, struct mi_error *error) {
    struct json json = {.spread = true};
    if (!optimize_options.summary)
        return MI_OK;
    json_open(&json, NULL, '{');
    json_number(&json, "budget", optimize_options.budget);
    json_open(&json, "points", '[');
    for (size_t p = 0; p < count; p++) {
        struct mi_outcome *outcomes = plan->recommended;
        for (size_t i = 0; i < plan->campaigns.count; i++) {
            const struct campaign *c = &plan->campaigns.items[i];
            outcomes[i] = mi_outcome_at(&c->curve, c->predicted_ltv, &c->costs, points[p]->spend[i]);
        }
        struct mi_outcome sum = mi_outcome_sum(outcomes, plan->campaigns.count);
        double weight[PARTS], all = 0;
        for (size_t k = 0; k < PARTS; k++)
            all += weight[k] = points[p]->weight[k] / scale[k];
        json_open(&json, NULL, '{');
        json_number(&json, "point", (double)(p + 1));
        for (size_t k = 0; k < PARTS; k++)
            json_number(&json, names[WEIGHT_ROI + k], weight[k] / all);
        json_number(&json, names[SUM_ROI], points[p]->part[0]);
        json_number(&json, names[SUM_REVENUE], points[p]->part[1] * 10000);
        json_number(&json, names[SUM_CAC], points[p]->part[2] / 100);
        json_number(&json, "gap_pct", points[p]->gap);
        put_outcome(&json, "portfolio", &sum);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_close(&json, '}');
    return json_write(&json, optimize_options.summary, error);
}

/* Weights over a triangle: `side` steps along each edge, corners (a part almost alone) among them. */
static size_t lattice(struct point *points, size_t side) {
    size_t n = 0;
    for (size_t a = 0; a <= side; a++)
        for (size_t b = 0; a + b <= side; b++) {
            double weight[PARTS] = {(double)a, (double)b, (double)(side - a - b)};
            for (size_t k = 0; k < PARTS; k++)
                points[n].weight[k] = fmax(weight[k] / (double)side, 1e-6);
            n++;
        }
    return n;
}

/* Scales of the parts: each at its own best. */
static enum mi_status find_scales(struct plan *plan, double *scale, struct mi_error *error) {
    static const double one[PARTS] = {1, 1, 1};
    for (size_t k = 0; k < PARTS; k++) {
        struct point point = {.weight = {1e-9, 1e-9, 1e-9}};
        point.weight[k] = 1;
        enum mi_status status = solve(plan, one, &point, error);
        free(point.spend);
        if (status)
            return status;
        scale[k] = fabs(point.part[k]) > 0 ? fabs(point.part[k]) : 1;
    }
    return MI_OK;
}

enum mi_status pareto_run(struct plan *plan, struct stream *stream, struct mi_error *error) {
    size_t wanted = optimize_options.pareto, side = 2, count = 0, kept = 0;
    double scale[PARTS];
    while ((side + 1) * (side + 2) / 2 < PER_POINT * wanted)
        side++;
    struct point *points = calloc((side + 1) * (side + 2) / 2 + 1, sizeof *points);
    struct point **order = calloc(wanted + 1, sizeof *order);
    enum mi_status status = points && order ? MI_OK : no_memory(error);
    if (!status && plan->campaigns.count > 0) {
        status = find_scales(plan, scale, error);
        size_t all = lattice(points, side);
        for (; count < all && !status; count++)
            status = solve(plan, scale, &points[count], error);
    }
    if (!status) {
        thin_out(points, count, wanted);
        for (size_t i = 0; i < count; i++)
            if (points[i].kept)
                order[kept++] = &points[i];
        qsort(order, kept, sizeof *order, compare_revenue);
        if (kept < wanted && plan->campaigns.count > 0)
            note("the front has %zu different points", kept);
        status = write_points(plan, stream, order, kept, scale, error);
    }
    if (!status)
        status = write_summary(plan, order, kept, scale, error);
    for (size_t i = 0; points && i < count; i++)
        free(points[i].spend);
    free(points);
    free(order);
    return status;
}
