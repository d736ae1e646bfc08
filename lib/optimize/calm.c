/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Near the best with little change: every unit of money moved is charged a price, and the highest price is
 * sought at which the objective is still near enough.
 */
#include <math.h>

#include "mi.h"
#include "optimize/objective.h"

#define STEPS       24
#define SAME_CHANGE 0.005 /* money: as little change; then the better objective counts */
#define NODE_GAP    1e-4  /* of the charged problems: what is kept of them is judged by the objective alone */

double mi_allocation_gap(const struct mi_allocation *allocation) {
    double gap = allocation->upper_bound - allocation->objective;
    if (allocation->objective == 0)
        return gap > 0 ? NAN : gap <= 0 ? 0 : NAN;
    return fmax(0, gap) / fabs(allocation->objective) + (isnan(gap) ? NAN : 0);
}

static double change_of(const struct mi_allocation_problem *problem, const double *spend) {
    double change = 0;
    for (size_t i = 0; i < problem->count; i++)
        change += fabs(spend[i] - problem->campaigns[i].today);
    return change;
}

/* One price: takes the allocation over if it is near enough and calmer. */
static enum mi_status try_price(const struct mi_allocation_problem *problem, double price, double least,
                                struct mi_allocation *best, bool *near, struct mi_error *error) {
    struct mi_allocation_problem charged = *problem;
    struct mi_allocation made;
    charged.calm = price;
    charged.gap = fmax(charged.gap, NODE_GAP);
    enum mi_status status = mi_allocate(&charged, &made, error);
    if (status)
        return status;
    double value = mi_objective_value(problem, made.spend);
    *near = value >= least;
    double less = change_of(problem, best->spend) - change_of(problem, made.spend);
    bool better = less > SAME_CHANGE || (less >= -SAME_CHANGE && value > best->objective);
    if (*near && better) {
        struct mi_allocation old = *best;
        *best = made;
        best->objective = value;
        best->upper_bound = old.upper_bound;
        best->price = old.price;
        made = old;
    }
    mi_allocation_clear(&made);
    return MI_OK;
}

enum mi_status mi_allocate_calm(const struct mi_allocation_problem *problem, double share,
                                struct mi_allocation *allocation, struct mi_error *error) {
    for (size_t i = 0; i < problem->count; i++)
        if (isnan(problem->campaigns[i].today))
            return mi_error_set(error, MI_BAD_ARGUMENT, "campaign '%.*s': today's budget is missing",
                                (int)problem->campaigns[i].id.size, problem->campaigns[i].id.data);
    if (objective_is_ratio(problem->objective) || problem->objective == MI_OBJECTIVE_LEAST)
        return mi_error_set(error, MI_BAD_ARGUMENT, "calm is for profit, weighted, revenue and users");
    struct mi_allocation best;
    enum mi_status status = mi_allocate(problem, &best, error);
    if (status)
        return status;
    double least = best.objective - share * fabs(best.objective);
    double low = 0, high = NAN;
    double price = fabs(best.objective) / fmax(problem->budget, 1e-9) / 16;
    for (int i = 0; i < STEPS && !status && price > 0 && problem->budget > 0; i++) {
        bool near = false;
        status = try_price(problem, price, least, &best, &near, error);
        if (near)
            low = price;
        else
            high = price;
        price = isnan(high) ? price * 4 : low > 0 ? sqrt(low * high) : high / 4;
        if (!isnan(high) && low > 0 && high / low < 1.01)
            break;
    }
    if (status)
        mi_allocation_clear(&best);
    else
        *allocation = best;
    return status;
}
