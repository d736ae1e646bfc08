/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * --sweep: what every total budget would bring. On a terminal as a curve of bars.
 */
#define _POSIX_C_SOURCE 200809L
#include "optimize/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEPS_MOST 10000
#define BAR        40

struct sweep {
    double from, to;
    size_t steps;
};

static enum mi_status parse(struct sweep *sweep, struct mi_error *error) {
    const char *text = optimize_options.sweep;
    size_t first = strcspn(text, ":");
    const char *second = text[first] ? text + first + 1 : "";
    size_t size = strcspn(second, ":");
    const char *third = second[size] ? second + size + 1 : "";
    double steps;
    if (!mi_number_parse((struct mi_text){text, first}, &sweep->from) ||
        !mi_number_parse((struct mi_text){second, size}, &sweep->to) ||
        !mi_number_parse(mi_text_of(third), &steps) || !(sweep->from >= 0) || !(sweep->to >= sweep->from) ||
        sweep->to > MI_MONEY_LIMIT || steps != floor(steps) || !(steps >= 2 && steps <= STEPS_MOST))
        return mi_error_set(
            error, MI_BAD_ARGUMENT,
            "--sweep: \"%s\" is not FROM:TO:STEPS with budgets of 0 and more that rise, and 2 to "
            "%d steps",
            text, STEPS_MOST);
    sweep->steps = (size_t)steps;
    return MI_OK;
}

enum mi_status sweep_check(struct mi_error *error) {
    struct sweep sweep;
    return optimize_options.sweep ? parse(&sweep, error) : MI_OK;
}

struct point {
    double budget, objective, bound, gap, marginal;
    struct mi_outcome outcome;
};

enum {
    BUDGET,
    SPEND,
    OBJECTIVE,
    MARGINAL,
    BOUND,
    GAP,
    USERS,
    CPA,
    REVENUE,
    ROAS,
    COSTS,
    PROFIT,
    ROI,
    COLUMNS
};

static const char *const names[COLUMNS] = {
    "budget",        "spend",   "objective_value", "marginal_return", "upper_bound", "gap_pct", "num_users",
    "predicted_cpa", "revenue", "predicted_roas",  "total_costs",     "profit",      "roi"};

static enum mi_status solve(struct plan *plan, double budget, struct point *point, struct mi_error *error) {
    plan->problem.budget = budget;
    enum mi_status status = mi_allocate(&plan->problem, &plan->allocation, error);
    if (status)
        return status;
    plan_outcomes(plan);
    *point = (struct point){.budget = budget,
                            .objective = plan->allocation.objective,
                            .bound = plan->allocation.upper_bound,
                            .gap = gap_percent(&plan->allocation),
                            .marginal = plan->allocation.price,
                            .outcome = mi_outcome_sum(plan->recommended, plan->campaigns.count)};
    point->outcome.spend = plan->allocation.total;
    mi_allocation_clear(&plan->allocation);
    return MI_OK;
}

static enum mi_status write_point(struct stream *stream, const size_t *slots, const struct point *p,
                                  struct mi_error *error) {
    const double values[COLUMNS] = {
        p->budget,          p->outcome.spend, p->objective,           p->marginal,
        p->bound,           p->gap,           p->outcome.users,       p->outcome.cpa,
        p->outcome.revenue, p->outcome.roas,  p->outcome.total_costs, p->outcome.profit,
        p->outcome.roi};
    for (size_t i = 0; i < COLUMNS; i++)
        mi_writer_number(stream->writer, slots[i], values[i]);
    return mi_writer_row(stream->writer, NULL, 0, error);
}

static void draw(const struct point *points, size_t count) {
    double least = 0, most = 0;
    for (size_t i = 0; i < count; i++) {
        least = fmin(least, points[i].objective);
        most = fmax(most, points[i].objective);
    }
    printf("%14s %14s %10s\n", "budget", "objective", "marginal");
    for (size_t i = 0; i < count; i++) {
        int length = most > least ? (int)((points[i].objective - least) / (most - least) * BAR) : 0;
        printf("%14.2f %14.2f %10.4f ", points[i].budget, points[i].objective, points[i].marginal);
        for (int k = 0; k < length; k++)
            putchar('#');
        putchar('\n');
    }
}

enum mi_status sweep_run(struct plan *plan, struct stream *stream, struct mi_error *error) {
    struct sweep sweep;
    enum mi_status status = parse(&sweep, error);
    if (status)
        return status;
    struct point *points = calloc(sweep.steps, sizeof *points);
    size_t slots[COLUMNS];
    if (!points)
        return no_memory(error);
    for (size_t i = 0; i < sweep.steps && !status && plan->campaigns.count > 0; i++) {
        double share = (double)i / (double)(sweep.steps - 1);
        double budget = round((sweep.from + (sweep.to - sweep.from) * share) * 100) / 100;
        status = solve(plan, budget, &points[i], error);
    }
    if (!status && !common.output && common.output_format == MI_FORMAT_AUTO && isatty(STDOUT_FILENO)) {
        draw(points, plan->campaigns.count > 0 ? sweep.steps : 0);
        free(points);
        return MI_OK;
    }
    if (!status)
        status = stream_output(stream, false, error);
    for (size_t i = 0; i < COLUMNS && !status; i++)
        status = mi_writer_column(stream->writer, names[i], &slots[i], error);
    for (size_t i = 0; i < sweep.steps && !status && plan->campaigns.count > 0; i++)
        status = write_point(stream, slots, &points[i], error);
    free(points);
    return status;
}
