/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * NLopt SLSQP on an allocation. Variables are scaled to the equal share and the objective to its value at the
 * start, as SLSQP needs; its own verdict is not trusted: every point is put onto the limits and the best is
 * kept.
 */
#include <math.h>
#include <nlopt.h>
#include <stdlib.h>
#include <string.h>

#include "optimize/local.h"
#include "optimize/objective.h"

#define EVALUATIONS_MOST 300
#define PRECISION        1e-10 /* relative, of the objective */
#define GRADIENT_MOST    1e6   /* in scaled units: stands for a vertical start of a curve */
#define HOLDS            1e-9  /* of the budget: a point that needs no projection */

struct local {
    const struct mi_allocation_problem *problem;
    const struct limits *limits;
    nlopt_opt solver;
    double scale;       /* money per unit of a variable */
    double value_scale; /* objective per unit of the solver's */
    double *point;      /* room for a point in money */
    double *best;
    double value;
    bool undefined; /* the objective gave no number */
};

/* Keeps a point if it holds and is better. */
static void keep(struct local *local, const double *spend) {
    if (!limits_hold(local->limits, spend, HOLDS * local->limits->budget))
        return;
    double value = mi_objective_value(local->problem, spend);
    if (value > local->value) {
        local->value = value;
        memcpy(local->best, spend, local->limits->count * sizeof *spend);
    }
}

static void fill_gradient(const struct local *local, double *gradient) {
    const struct mi_allocation_problem *problem = local->problem;
    double t = 0, factor = 1;
    if (objective_is_ratio(problem->objective)) {
        double numerator, denominator;
        objective_ratio(problem, local->point, &numerator, &denominator);
        t = numerator / denominator;
        factor = (objective_of_ratio(problem->objective, 1) - objective_of_ratio(problem->objective, 0)) /
                 denominator;
    }
    for (size_t i = 0; i < problem->count; i++) {
        struct term term = objective_term(problem, i, t);
        double slope = factor * term_slope(&term, local->point[i]) * local->scale / local->value_scale;
        gradient[i] = fmax(-GRADIENT_MOST, fmin(slope, GRADIENT_MOST));
    }
}

static double objective(unsigned count, const double *x, double *gradient, void *user) {
    struct local *local = user;
    for (unsigned i = 0; i < count; i++)
        local->point[i] = fmax(local->limits->low[i], fmin(x[i] * local->scale, local->limits->high[i]));
    double value = mi_objective_value(local->problem, local->point);
    if (gradient)
        fill_gradient(local, gradient);
    for (unsigned i = 0; gradient && i < count; i++)
        local->undefined |= !isfinite(gradient[i]);
    local->undefined |= isnan(value);
    if (local->undefined) {
        nlopt_force_stop(local->solver);
        return 0;
    }
    keep(local, local->point);
    return value / local->value_scale;
}

static double over_budget(unsigned count, const double *x, double *gradient, void *user) {
    const struct local *local = user;
    double sum = 0;
    for (unsigned i = 0; i < count; i++) {
        sum += x[i];
        if (gradient)
            gradient[i] = 1;
    }
    return sum - local->limits->budget / local->scale;
}

/* Sets the solver up; a refusal would otherwise leave it running without a limit. */
static bool set_up(struct local *local, double *low, double *high) {
    nlopt_opt solver = local->solver;
    double tolerance = HOLDS * local->limits->budget / local->scale;
    for (size_t i = 0; i < local->limits->count; i++) {
        low[i] = local->limits->low[i] / local->scale;
        high[i] = local->limits->high[i] / local->scale;
    }
    nlopt_result limit = local->limits->at_most
                             ? nlopt_add_inequality_constraint(solver, over_budget, local, tolerance)
                             : nlopt_add_equality_constraint(solver, over_budget, local, tolerance);
    return nlopt_set_max_objective(solver, objective, local) == NLOPT_SUCCESS &&
           nlopt_set_lower_bounds(solver, low) == NLOPT_SUCCESS &&
           nlopt_set_upper_bounds(solver, high) == NLOPT_SUCCESS && limit == NLOPT_SUCCESS &&
           nlopt_set_ftol_rel(solver, PRECISION) == NLOPT_SUCCESS &&
           nlopt_set_maxeval(solver, EVALUATIONS_MOST) == NLOPT_SUCCESS;
}

static void run(struct local *local, double *x) {
    double value;
    size_t count = local->limits->count;
    for (size_t i = 0; i < count; i++)
        x[i] = local->best[i] / local->scale;
    nlopt_optimize(local->solver, x, &value);
    for (size_t i = 0; i < count; i++)
        local->point[i] = x[i] * local->scale;
    limits_project(local->limits, local->point);
    keep(local, local->point);
}

enum mi_status local_improve(const struct mi_allocation_problem *problem, const struct limits *limits,
                             double *spend, struct mi_error *error) {
    size_t count = limits->count;
    double value = mi_objective_value(problem, spend);
    if (count < 2 || !(limits->budget > 0))
        return MI_OK;
    if (isnan(value))
        return mi_error_set(error, MI_NUMERIC, "the objective is not defined at the start");
    struct local local = {.problem = problem, .limits = limits, .best = spend, .value = value};
    local.scale = limits->budget / (double)count;
    local.value_scale = fabs(value) > 0 ? fabs(value) : 1;
    double *room = malloc(4 * count * sizeof *room);
    local.solver = nlopt_create(NLOPT_LD_SLSQP, (unsigned)count);
    enum mi_status status = MI_OK;
    if (!room || !local.solver) {
        status = mi_error_set(error, MI_NO_MEMORY, "out of memory");
    } else if (local.point = room, set_up(&local, room + count, room + 2 * count)) {
        run(&local, room + 3 * count);
        if (local.undefined)
            status = mi_error_set(error, MI_NUMERIC, "the objective gave no number on the way");
    } else {
        status = mi_error_set(error, MI_NUMERIC, "the solver refuses the limits");
    }
    nlopt_destroy(local.solver);
    free(room);
    return status;
}
