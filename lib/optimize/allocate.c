/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The allocation: checks, the global search and its bound, local steps where something is left to gain, whole
 * cents, and what binds.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "optimize/branch.h"
#include "optimize/limited.h"
#include "optimize/limits.h"
#include "optimize/local.h"
#include "optimize/objective.h"
#include "optimize/ordered.h"
#include "optimize/ties.h"

#define GAP              1e-6 /* relative: nothing left to gain */
#define GAP_STEPS        1e-4 /* and in steps: what rounding costs is more */
#define LOCAL_MOST       200  /* campaigns that SLSQP is tried on: its time grows with the cube */
#define RATIO_STEPS      50   /* of Dinkelbach's iteration, which converges faster than linearly */
#define RATIO_PRECISION  1e-13
#define BINDING_RELATIVE 1e-9
#define LIMIT_PRICED     1e-7 /* of the objective: a price of a limit's whole value that is none */
#define LIMIT_REACHED    1e-4 /* relative: a campaign's own limit, but for cents */

struct run {
    const struct mi_allocation_problem *problem;
    struct limits limits;
    struct rows rows;
    bool limited; /* rows, gaps or calm: the relaxation searches, and gives whole units */
    double *row_prices;
    double gap, deadline;
    struct term *terms;
    double *trial;
    struct mi_allocation *allocation;
    struct mi_error *error;
};

/* The unit that budgets are rounded to. */
static double unit_of(const struct run *run) {
    return run->problem->step > 0 ? run->problem->step : limits_unit(&run->limits);
}

static struct rounding_problem rounding_of(const struct run *run) {
    return (struct rounding_problem){.problem = run->problem,
                                     .limits = &run->limits,
                                     .rows = &run->rows,
                                     .terms = run->terms,
                                     .unit = unit_of(run)};
}

static enum mi_status maximise_limited(struct run *run, double *spend, double *bound, double *price) {
    struct rounding_problem rounding = rounding_of(run);
    struct limited_result result = {.spend = spend, .prices = run->row_prices};
    enum mi_status status = limited_maximise(&rounding, run->gap, run->deadline, &result, run->error);
    *bound = result.bound;
    *price = result.budget_price;
    return status;
}

/* Maximises the sum of the terms for a given ratio t. */
static enum mi_status maximise_terms(struct run *run, double t, double *spend, double *bound, double *price) {
    size_t culprit = 0;
    for (size_t i = 0; i < run->problem->count; i++)
        run->terms[i] = objective_term(run->problem, i, t);
    if (run->limited)
        return maximise_limited(run, spend, bound, price);
    enum mi_status status =
        branch_maximise(run->terms, &run->limits, run->gap, run->deadline, spend, bound, price, &culprit);
    if (status == MI_NUMERIC) {
        struct mi_text id = run->problem->campaigns[culprit].id;
        return mi_error_set(run->error, MI_NUMERIC,
                            "campaign '%.*s': its curve gives no number within its limits", (int)id.size,
                            id.data);
    }
    if (status == MI_NO)
        return mi_error_set(run->error, MI_NO, "the limits leave no allocation");
    return status ? mi_no_memory(run->error) : MI_OK;
}

/* The least that the denominator of a ratio can be. */
static double least_denominator(const struct run *run) {
    const struct mi_allocation_problem *problem = run->problem;
    double least = 0, low = 0, rate_least = INFINITY;
    bool roi = problem->objective == MI_OBJECTIVE_ROI;
    for (size_t i = 0; i < problem->count; i++) {
        double rate = roi ? problem->campaigns[i].costs.rate : 1;
        least += rate * run->limits.low[i] + (roi ? problem->campaigns[i].costs.fixed : 0);
        low += run->limits.low[i];
        rate_least = fmin(rate_least, rate);
    }
    return problem->at_most || problem->count == 0 ? least
                                                   : least + rate_least * fmax(0, problem->budget - low);
}

/* Dinkelbach: the ratio is best where the best of numerator - t * denominator is 0; each such maximum gives a
 * better ratio to go on with. */
static enum mi_status maximise_ratio(struct run *run) {
    struct mi_allocation *allocation = run->allocation;
    double least = least_denominator(run);
    double numerator, denominator, price = NAN, t = 0;
    objective_ratio(run->problem, allocation->spend, &numerator, &denominator);
    if (!(least > 0)) /* all spends and costs are 0: there is no ratio and nothing to choose */
        return MI_OK;
    if (denominator > 0 && !run->limited) /* the equal split keeps to no limits on groups */
        t = numerator / denominator;
    bool first = true;
    for (int step = 0; step < RATIO_STEPS; step++) {
        double bound;
        enum mi_status status = maximise_terms(run, t, run->trial, &bound, &price);
        if (status)
            return status;
        allocation->upper_bound = fmin(
            allocation->upper_bound, objective_of_ratio(run->problem->objective, t + fmax(0, bound) / least));
        allocation->price =
            price / least *
            (objective_of_ratio(run->problem->objective, 1) - objective_of_ratio(run->problem->objective, 0));
        objective_ratio(run->problem, run->trial, &numerator, &denominator);
        double better = numerator / denominator;
        if (!(better > t * (1 + RATIO_PRECISION)) && step > 0)
            break;
        if (better > t || (first && run->limited))
            memcpy(allocation->spend, run->trial, run->problem->count * sizeof *run->trial);
        first = false;
        t = fmax(t, better);
    }
    return MI_OK;
}

static enum mi_status search_globally(struct run *run) {
    struct mi_allocation *allocation = run->allocation;
    if (objective_is_ratio(run->problem->objective)) {
        allocation->upper_bound = INFINITY;
        enum mi_status status = maximise_ratio(run);
        if (!isfinite(allocation->upper_bound))
            allocation->upper_bound = NAN;
        return status;
    }
    return maximise_terms(run, 0, allocation->spend, &allocation->upper_bound, &allocation->price);
}

/* Starts for the local step. */
static void start_equal(const struct run *run, double *spend) {
    for (size_t i = 0; i < run->problem->count; i++)
        spend[i] = run->problem->budget / (double)run->problem->count;
    limits_project(&run->limits, spend);
}

static void start_today(const struct run *run, double *spend) {
    double today = 0;
    for (size_t i = 0; i < run->problem->count; i++)
        today += fmax(0, run->problem->campaigns[i].today);
    for (size_t i = 0; i < run->problem->count; i++)
        spend[i] = today > 0 ? run->problem->budget * (fmax(0, run->problem->campaigns[i].today) / today) : 0;
    limits_project(&run->limits, spend);
}

static void start_found(const struct run *run, double *spend) {
    memcpy(spend, run->allocation->spend, run->problem->count * sizeof *spend);
    limits_project(&run->limits, spend);
}

static bool something_to_gain(const struct run *run) {
    double value = mi_objective_value(run->problem, run->allocation->spend);
    double bound = run->allocation->upper_bound;
    return isnan(value) || isnan(bound) || bound - value > run->gap * fabs(value);
}

/* SLSQP from each start in turn, as long as the bound leaves something to gain. */
static enum mi_status search_locally(struct run *run) {
    void (*const starts[])(const struct run *, double *) = {start_found, start_equal, start_today};
    size_t count = run->problem->count;
    for (size_t k = 0; k < sizeof starts / sizeof *starts; k++) {
        bool late = run->deadline > 0 && clock_now() > run->deadline;
        if ((count > LOCAL_MOST && run->problem->solver != MI_SOLVER_SLSQP) || late ||
            !something_to_gain(run))
            return MI_OK;
        starts[k](run, run->trial);
        enum mi_status status = local_improve(run->problem, &run->limits, run->trial, run->error);
        if (status && status != MI_NUMERIC)
            return status;
        double value = mi_objective_value(run->problem, run->trial);
        double before = mi_objective_value(run->problem, run->allocation->spend);
        if (limits_hold(&run->limits, run->trial, BINDING_RELATIVE * run->problem->budget) &&
            (isnan(before) || value > before))
            memcpy(run->allocation->spend, run->trial, count * sizeof *run->trial);
    }
    return MI_OK;
}

/* For the rounding: the gain of a step, for a ratio at the one reached. */
struct gain_context {
    const struct mi_allocation_problem *problem;
    double t;
};

static double gain_of(const void *user, size_t campaign, double spend, double step) {
    const struct gain_context *context = user;
    struct term term = objective_term(context->problem, campaign, context->t);
    return term_value(&term, spend + step) - term_value(&term, spend);
}

static double ratio_reached(const struct run *run) {
    double numerator, denominator;
    if (!objective_is_ratio(run->problem->objective))
        return 0;
    objective_ratio(run->problem, run->allocation->spend, &numerator, &denominator);
    return denominator > 0 ? numerator / denominator : 0;
}

static double sum_of(const double *spend, size_t count) {
    long double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += spend[i];
    return (double)sum;
}

/* Whole cents or steps, where the search gave none yet. */
static enum mi_status round_off(struct run *run) {
    struct mi_allocation *allocation = run->allocation;
    struct gain_context context = {run->problem, ratio_reached(run)};
    limits_project(&run->limits, allocation->spend);
    if (run->problem->step > 0) {
        for (size_t i = 0; i < allocation->count; i++)
            run->terms[i] = objective_term(run->problem, i, context.t);
        struct rounding_problem rounding = rounding_of(run);
        enum mi_status status = rounding_settle(&rounding, allocation->spend);
        return status == MI_NO ? mi_error_set(run->error, MI_NO,
                                              "no allocation in steps of %.15g keeps to min_budget, "
                                              "max_budget and the budget",
                                              run->problem->step)
               : status        ? mi_no_memory(run->error)
                               : MI_OK;
    }
    return limits_round(&run->limits, allocation->spend, gain_of, &context, &allocation->total)
               ? mi_no_memory(run->error)
               : MI_OK;
}

/* The sum, which is the budget where rounding is all that lies between. */
static double total_of(const struct run *run) {
    double total = sum_of(run->allocation->spend, run->allocation->count);
    double budget = run->problem->budget;
    if (fabs(total - budget) <= 1e-6 * fmin(1, budget))
        return budget;
    double cents = round(total * 100) / 100;
    return fabs(cents - total) < 1e-6 ? cents : total;
}

static bool is_member(const struct mi_allocation_limit *limit, size_t campaign) {
    if (!limit->members)
        return true;
    for (size_t k = 0; k < limit->member_count; k++)
        if (limit->members[k] == campaign)
            return true;
    return false;
}

/* Figures and prices of the limits. `scale`: of a ratio's prices. */
static void judge_limits(struct run *run, double scale) {
    const struct mi_allocation_problem *problem = run->problem;
    struct mi_allocation *allocation = run->allocation;
    for (size_t l = 0; l < problem->limit_count; l++)
        allocation->limits[l] = (struct mi_limit_result){.reached = NAN, .price = NAN};
    for (size_t k = 0; k < run->rows.count; k++) {
        const struct mi_allocation_limit *limit = &problem->limits[run->rows.limit[k]];
        struct mi_limit_result *result = &allocation->limits[run->rows.limit[k]];
        double money = 0, users = 0;
        for (size_t m = 0; m < limit_member_count(problem, limit); m++) {
            size_t i = limit_member(limit, m);
            money += allocation->spend[i];
            users += mi_curve_users(problem->campaigns[i].curve, allocation->spend[i]);
        }
        double per = limit->kind == MI_LIMIT_SHARE  ? problem->budget
                     : limit->kind == MI_LIMIT_ROAS ? money
                     : limit->kind == MI_LIMIT_CPA  ? users
                                                    : 1;
        result->reached = limit_reached(problem, limit, allocation->spend);
        result->price = run->row_prices[k] * per * scale;
        double typical = LIMIT_PRICED * fabs(allocation->objective) / fmax(fabs(limit->value), 1e-300);
        result->binds = result->price > typical;
        if (!result->binds)
            result->price = 0;
    }
}

/* The limit that keeps a campaign where it is: on a group that it is of and that binds, or on itself. */
static size_t find_limit(const struct run *run, size_t i) {
    const struct mi_allocation_problem *problem = run->problem;
    size_t found = SIZE_MAX;
    for (size_t l = 0; l < problem->limit_count; l++) {
        const struct mi_allocation_limit *limit = &problem->limits[l];
        if (!is_member(limit, i))
            continue;
        if (!limit->each && run->allocation->limits[l].binds)
            found = l;
        if (!limit->each)
            continue;
        struct mi_allocation_limit alone = *limit;
        alone.members = &i;
        alone.member_count = 1;
        double reached = limit_reached(problem, &alone, run->allocation->spend);
        if (fabs(reached - limit->value) <= LIMIT_REACHED * limit->value)
            return l;
    }
    return found;
}

/* Whole cents, totals, what binds. */
static enum mi_status finish(struct run *run) {
    struct mi_allocation *allocation = run->allocation;
    const struct limits *limits = &run->limits;
    enum mi_status status = run->limited ? MI_OK : round_off(run);
    if (status)
        return status;
    if (ties_settle(run->problem, allocation->spend))
        return mi_no_memory(run->error);
    if (run->limited || run->problem->step > 0)
        allocation->total = total_of(run);
    double tolerance = BINDING_RELATIVE * fmax(1, limits->budget);
    if (!limits_hold(limits, allocation->spend, tolerance))
        return mi_error_set(run->error, MI_NUMERIC, "the allocation found does not keep to the limits");
    allocation->objective = mi_objective_value(run->problem, allocation->spend);
    double numerator, denominator = 1, percent = 1;
    if (objective_is_ratio(run->problem->objective)) {
        objective_ratio(run->problem, allocation->spend, &numerator, &denominator);
        percent =
            objective_of_ratio(run->problem->objective, 1) - objective_of_ratio(run->problem->objective, 0);
    }
    judge_limits(run, denominator > 0 ? percent / denominator : 0);
    double unit = limits_unit(limits);
    for (size_t i = 0; i < allocation->count; i++) {
        const struct mi_allocation_campaign *c = &run->problem->campaigns[i];
        allocation->limit_binding[i] = SIZE_MAX;
        if (allocation->spend[i] < (c->or_nothing && allocation->spend[i] == 0 ? 0 : c->min_budget) + unit)
            allocation->binding[i] = MI_BINDING_MIN;
        else if (allocation->spend[i] > c->max_budget - unit)
            allocation->binding[i] = MI_BINDING_MAX;
        else if ((allocation->limit_binding[i] = find_limit(run, i)) != SIZE_MAX)
            allocation->binding[i] = MI_BINDING_LIMIT;
    }
    return MI_OK;
}

/* A ratio has no best allocation where it can be had at no cost. */
static enum mi_status check_ratio(const struct run *run) {
    if (!objective_is_ratio(run->problem->objective) || !run->problem->at_most || run->problem->count == 0 ||
        run->problem->budget == 0 || least_denominator(run) > 0)
        return MI_OK;
    return mi_error_set(
        run->error, MI_BAD_ARGUMENT,
        "a ratio is best at next to no spend: the budget must be spent whole, or campaigns need a "
        "min_budget");
}

static enum mi_status allocate(struct run *run) {
    const struct mi_allocation_problem *problem = run->problem;
    size_t room = problem->count ? problem->count : 1;
    run->terms = malloc(room * sizeof *run->terms);
    run->trial = malloc(room * sizeof *run->trial);
    run->allocation->spend = malloc(room * sizeof *run->allocation->spend);
    run->allocation->binding = calloc(room, sizeof *run->allocation->binding);
    run->allocation->limit_binding = calloc(room, sizeof *run->allocation->limit_binding);
    run->allocation->limits = calloc(problem->limit_count + 1, sizeof *run->allocation->limits);
    run->row_prices = calloc(problem->limit_count + 1, sizeof *run->row_prices);
    if (!run->terms || !run->trial || !run->allocation->spend || !run->allocation->binding ||
        !run->allocation->limit_binding || !run->allocation->limits || !run->row_prices)
        return mi_no_memory(run->error);
    start_equal(run, run->allocation->spend);
    enum mi_status status = rows_new(&run->rows, problem, &run->limits, run->error);
    run->limited = run->rows.count > 0 || run->rows.gaps || problem->calm > 0 || problem->limit_count > 0 ||
                   problem->step > 0;
    run->gap = problem->gap > 0 ? problem->gap : problem->step > 0 ? GAP_STEPS : GAP;
    run->deadline = problem->seconds > 0 ? clock_now() + problem->seconds : 0;
    if (!status && run->limited && problem->solver != MI_SOLVER_GLOBAL)
        status = mi_error_set(run->error, MI_BAD_ARGUMENT,
                              "solver slsqp takes no limits on groups, minimum or nothing, or calm");
    if (!status)
        status = check_ratio(run);
    if (!status)
        status = search_globally(run);
    if (!status && problem->solver == MI_SOLVER_SLSQP)
        start_equal(run, run->allocation->spend);
    if (!status && !run->limited)
        status = search_locally(run);
    return status ? status : finish(run);
}

enum mi_status mi_allocate(const struct mi_allocation_problem *problem, struct mi_allocation *allocation,
                           struct mi_error *error) {
    struct mi_allocation made = {.count = problem->count, .upper_bound = NAN, .price = NAN};
    struct ordered ordered = {.place = NULL};
    struct run run = {.problem = &ordered.problem, .allocation = &made, .error = error};
    enum mi_status status = objective_check(problem, error);
    if (!status && ordered_new(&ordered, problem))
        status = mi_no_memory(error);
    if (!status)
        status = limits_new(&run.limits, run.problem, error);
    if (!status)
        status = allocate(&run);
    if (!status && ordered_restore(&ordered, &made))
        status = mi_no_memory(error);
    free(run.terms);
    free(run.trial);
    free(run.row_prices);
    rows_free(&run.rows);
    limits_free(&run.limits);
    ordered_free(&ordered);
    if (status)
        mi_allocation_clear(&made);
    else
        *allocation = made;
    return status;
}

void mi_allocation_clear(struct mi_allocation *allocation) {
    free(allocation->spend);
    free(allocation->binding);
    free(allocation->limit_binding);
    free(allocation->limits);
    *allocation = (struct mi_allocation){0};
}
