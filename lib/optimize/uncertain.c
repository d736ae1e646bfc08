/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Allocations that look at draws of the curves: risk measures, and what is worth learning. See mi.h.
 */
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "optimize/limits.h"
#include "optimize/objective.h"
#include "optimize/table.h"

#define ROUNDS      16   /* of fictitious play in each pass */
#define ENOUGH      1e-4 /* relative: of measure and bound */
#define TARGET      0.8  /* quantile of the best spends that exploring goes to */
#define EXTRA_MOST  0.5  /* of a campaign's budget: no further in one go */
#define EXTRA_LEAST 0.25 /* of the equal share: for a campaign that has little */

struct work {
    const struct mi_allocation_problem *problem;
    const struct mi_uncertainty *uncertainty;
    enum mi_risk_measure measure;
    double amount;
    struct table table;
    struct mi_allocation_campaign *shares; /* with the tabulated curves */
    struct mi_allocation_problem tabulated;
    double *high, *weights, *worst, *values;
    struct mi_error *error;
};

static enum mi_status check(const struct mi_allocation_problem *problem,
                            const struct mi_uncertainty *uncertainty, enum mi_risk_measure measure,
                            double amount, struct mi_error *error) {
    enum mi_objective objective = problem->objective;
    if (objective != MI_OBJECTIVE_PROFIT && objective != MI_OBJECTIVE_REVENUE &&
        objective != MI_OBJECTIVE_USERS)
        return mi_error_set(error, MI_BAD_ARGUMENT, "risk is for profit, revenue and users");
    if (uncertainty->draws < 10)
        return mi_error_set(error, MI_BAD_ARGUMENT, "risk: 10 draws and more");
    if ((measure == MI_RISK_SPREAD && !(amount >= 0 && amount <= 100)) ||
        (measure == MI_RISK_CVAR && !(amount > 0 && amount <= 1)))
        return mi_error_set(error, MI_BAD_ARGUMENT, "risk: the amount is out of range");
    for (size_t l = 0; l < problem->limit_count; l++)
        if (problem->limits[l].kind != MI_LIMIT_SPEND && problem->limits[l].kind != MI_LIMIT_SHARE)
            return mi_error_set(error, MI_BAD_ARGUMENT,
                                "limit '%.*s': under risk limits are on spend and share only",
                                (int)problem->limits[l].name.size, problem->limits[l].name.data);
    return objective_check(problem, error);
}

static enum mi_status open_work(struct work *w, struct mi_error *error) {
    const struct mi_allocation_problem *problem = w->problem;
    size_t n = problem->count, draws = w->uncertainty->draws;
    struct limits limits;
    w->error = error;
    enum mi_status status = limits_new(&limits, problem, error);
    if (status)
        return status;
    status = table_new(&w->table, n, draws, error);
    w->shares = calloc(n + 1, sizeof *w->shares);
    w->high = calloc(n + 1, sizeof *w->high);
    w->weights = calloc(draws, sizeof *w->weights);
    w->worst = calloc(draws, sizeof *w->worst);
    w->values = calloc(2 * draws, sizeof *w->values);
    if (!status && (!w->shares || !w->high || !w->weights || !w->worst || !w->values))
        status = mi_no_memory(error);
    for (size_t i = 0; i < n && !status; i++) {
        w->high[i] = fmax(limits.high[i], 1e-6);
        w->shares[i] = problem->campaigns[i];
        w->shares[i].curve = &w->table.curves[i];
    }
    limits_free(&limits);
    w->tabulated = *problem;
    w->tabulated.campaigns = w->shares;
    return status;
}

static void close_work(struct work *w) {
    table_free(&w->table);
    free(w->shares);
    free(w->high);
    free(w->weights);
    free(w->worst);
    free(w->values);
}

/* The objective of each draw. */
static void evaluate(const struct work *w, const double *spend, double *values) {
    const struct mi_allocation_problem *problem = w->problem;
    for (size_t d = 0; d < w->table.draws; d++) {
        double sum = 0;
        for (size_t i = 0; i < problem->count; i++) {
            const struct mi_allocation_campaign *c = &problem->campaigns[i];
            double worth = table_at(&w->table, i, d, spend[i]);
            sum += problem->objective == MI_OBJECTIVE_USERS ? worth : worth * c->ltv;
            if (problem->objective == MI_OBJECTIVE_PROFIT)
                sum -= c->costs.rate * spend[i] + c->costs.fixed;
        }
        values[d] = sum;
    }
}

static int compare_numbers(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The measure of values, and the weights whose mean of the values it is. */
static double judge(const struct work *w, const double *values, double *weights) {
    size_t n = w->table.draws;
    double mean = gsl_stats_mean(values, 1, n);
    for (size_t d = 0; d < n; d++)
        weights[d] = 1 / (double)n;
    if (w->measure == MI_RISK_SPREAD) {
        double sd = gsl_stats_sd_with_fixed_mean(values, 1, n, mean);
        for (size_t d = 0; sd > 0 && d < n; d++)
            weights[d] = (1 - w->amount * (values[d] - mean) / sd) / (double)n;
        return mean - w->amount * sd;
    }
    if (w->measure == MI_RISK_CVAR) {
        double *sorted = w->values + n, tail = w->amount * (double)n, sum = 0, used = 0;
        memcpy(sorted, values, n * sizeof *sorted);
        qsort(sorted, n, sizeof *sorted, compare_numbers);
        size_t whole = (size_t)fmin(floor(tail), (double)(n - 1));
        double edge = sorted[whole];
        for (size_t d = 0; d < n; d++) {
            bool below = values[d] < edge;
            weights[d] = below ? 1 / tail : 0;
            used += weights[d];
            sum += below ? values[d] / tail : 0;
        }
        size_t ties = 0;
        for (size_t d = 0; d < n; d++)
            ties += values[d] == edge;
        for (size_t d = 0; d < n; d++)
            if (values[d] == edge)
                weights[d] = fmax(0, 1 - used) / (double)ties;
        return sum + fmax(0, 1 - used) * edge;
    }
    return mean;
}

/* Rounds of play on the table as it is. *best is replaced where a round is better; *bound falls. */
static enum mi_status play(struct work *w, struct mi_allocation *best, double *value, double *bound) {
    size_t n = w->table.draws;
    for (size_t d = 0; d < n; d++)
        w->weights[d] = 1 / (double)n;
    if (best->spend && w->measure != MI_RISK_MEAN) { /* go on from what was found */
        evaluate(w, best->spend, w->values);
        *value = judge(w, w->values, w->weights);
    }
    int rounds = w->measure == MI_RISK_MEAN ? 1 : ROUNDS;
    for (int k = 0; k < rounds; k++) {
        struct mi_allocation made;
        table_weigh(&w->table, w->weights);
        enum mi_status status = mi_allocate(&w->tabulated, &made, w->error);
        if (status)
            return status;
        evaluate(w, made.spend, w->values);
        double here = judge(w, w->values, w->worst);
        *bound = fmin(*bound, made.upper_bound);
        bool better = !best->spend || here > *value;
        if (better) {
            *value = here;
            mi_allocation_clear(best);
            *best = made;
        } else {
            mi_allocation_clear(&made);
        }
        if (*bound - *value <= ENOUGH * fabs(*value))
            break;
        double step = 2 / (double)(k + 3);
        for (size_t d = 0; d < n; d++)
            w->weights[d] += step * (w->worst[d] - w->weights[d]);
    }
    return MI_OK;
}

/* Two passes: over the whole range, then with the nodes around the answer, whose bound counts. */
static enum mi_status solve(struct work *w, struct mi_allocation *best) {
    double value = -INFINITY, bound = INFINITY;
    enum mi_status status = table_fill(&w->table, w->problem, w->uncertainty, w->high, NULL, w->error);
    if (!status)
        status = play(w, best, &value, &bound);
    if (!status)
        status = table_fill(&w->table, w->problem, w->uncertainty, w->high, best->spend, w->error);
    if (!status) {
        evaluate(w, best->spend, w->values);
        value = judge(w, w->values, w->worst);
        bound = INFINITY;
        status = play(w, best, &value, &bound);
    }
    best->objective = value;
    best->upper_bound = fmax(bound, value);
    return status;
}

enum mi_status mi_allocate_uncertain(const struct mi_allocation_problem *problem,
                                     const struct mi_uncertainty *uncertainty, enum mi_risk_measure measure,
                                     double amount, struct mi_allocation *allocation,
                                     struct mi_error *error) {
    struct work w = {.problem = problem, .uncertainty = uncertainty, .measure = measure, .amount = amount};
    struct mi_allocation best = {0};
    enum mi_status status = check(problem, uncertainty, measure, amount, error);
    if (status)
        return status;
    status = open_work(&w, error);
    if (!status)
        status = solve(&w, &best);
    close_work(&w);
    if (status)
        mi_allocation_clear(&best);
    else
        *allocation = best;
    return status;
}

/* ---- exploration ---- */

struct candidate {
    size_t campaign;
    double extra, information;
};

static int compare_candidates(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    double rate_x = x->information / x->extra, rate_y = y->information / y->extra;
    if (rate_x != rate_y)
        return rate_x < rate_y ? 1 : -1;
    return (x->campaign > y->campaign) - (x->campaign < y->campaign);
}

/* Of one campaign at a price: the expected value of perfect information, and where its best spend may be. */
static double inform(struct work *w, size_t i, double price, double *target) {
    const struct mi_allocation_campaign *c = &w->problem->campaigns[i];
    const struct table *t = &w->table;
    double most_of_mean = -INFINITY, mean_of_most = 0, means[TABLE_NODES] = {0};
    for (size_t d = 0; d < t->draws; d++) {
        double most = -INFINITY;
        for (size_t k = 0; k < TABLE_NODES; k++) {
            double spend = t->spend[i * TABLE_NODES + k];
            if ((spend < c->min_budget && !(c->or_nothing && k == 0)) || spend > w->high[i] * (1 + 1e-9))
                continue;
            double value = c->ltv * (double)t->worth[(i * TABLE_NODES + k) * t->draws + d] -
                           (c->costs.rate + price) * spend;
            means[k] += value / (double)t->draws;
            if (value > most) {
                most = value;
                w->values[d] = spend;
            }
        }
        mean_of_most += most / (double)t->draws;
    }
    for (size_t k = 0; k < TABLE_NODES; k++) {
        double spend = t->spend[i * TABLE_NODES + k];
        if ((spend >= c->min_budget || (c->or_nothing && k == 0)) && spend <= w->high[i] * (1 + 1e-9))
            most_of_mean = fmax(most_of_mean, means[k]);
    }
    qsort(w->values, t->draws, sizeof *w->values, compare_numbers);
    *target = gsl_stats_quantile_from_sorted_data(w->values, 1, t->draws, TARGET);
    return fmax(0, mean_of_most - most_of_mean);
}

/* Extra money in order of what knowing is worth for it. */
static enum mi_status choose(struct work *w, const struct mi_allocation *rest, double money,
                             struct mi_exploration *e) {
    size_t n = w->problem->count, count = 0;
    struct candidate *candidates = calloc(n + 1, sizeof *candidates);
    if (!candidates)
        return mi_no_memory(w->error);
    double equal = w->problem->budget / (double)(n ? n : 1);
    for (size_t i = 0; i < n; i++) {
        double target, spend = rest->spend[i];
        e->information[i] = inform(w, i, fmax(0, rest->price), &target);
        double most = fmax(EXTRA_MOST * spend, EXTRA_LEAST * equal);
        double extra = fmin(fmin(target - spend, most), w->problem->campaigns[i].max_budget - spend);
        if (spend < w->problem->campaigns[i].min_budget) /* left out: not without its minimum */
            extra = 0;
        extra = floor(extra * 100) / 100;
        if (extra > 0 && e->information[i] > 0)
            candidates[count++] = (struct candidate){i, extra, e->information[i]};
    }
    qsort(candidates, count, sizeof *candidates, compare_candidates);
    for (size_t k = 0; k < count && money - e->spent >= 0.01; k++) {
        double extra = fmin(candidates[k].extra, round((money - e->spent) * 100) / 100);
        e->extra[candidates[k].campaign] = extra;
        e->spent = round((e->spent + extra) * 100) / 100;
        e->worth += candidates[k].information;
        e->count++;
    }
    free(candidates);
    return MI_OK;
}

static double mean_value(struct work *w, const double *spend) {
    evaluate(w, spend, w->values);
    return gsl_stats_mean(w->values, 1, w->table.draws);
}

/* The rest for most profit, what is worth learning, and the rest again with what that leaves. */
static enum mi_status explore(struct work *w, double share, struct mi_allocation *made,
                              struct mi_exploration *e) {
    double whole = w->problem->budget, money = floor(share * whole * 100) / 100;
    struct mi_allocation all = {0};
    enum mi_status status = solve(w, &all);
    if (!status) {
        w->tabulated.budget = whole - money;
        status = mi_allocate(&w->tabulated, made, w->error);
    }
    if (!status)
        status = choose(w, made, money, e);
    if (!status && e->spent < money) {
        struct mi_allocation_campaign *shares = w->shares;
        for (size_t i = 0; i < w->problem->count; i++)
            shares[i].max_budget = fmax(shares[i].min_budget, shares[i].max_budget - e->extra[i]);
        mi_allocation_clear(made);
        w->tabulated.budget = round((whole - e->spent) * 100) / 100;
        status = mi_allocate(&w->tabulated, made, w->error);
    }
    if (!status) {
        for (size_t i = 0; i < w->problem->count; i++)
            made->spend[i] = round((made->spend[i] + e->extra[i]) * 1e6) / 1e6;
        made->total = w->problem->at_most ? made->total + e->spent : whole;
        made->objective = mean_value(w, made->spend);
        made->upper_bound = all.upper_bound;
        e->cost = mean_value(w, all.spend) - made->objective;
    }
    mi_allocation_clear(&all);
    return status;
}

void mi_exploration_clear(struct mi_exploration *e) {
    free(e->extra);
    free(e->information);
    *e = (struct mi_exploration){0};
}

enum mi_status mi_explore(const struct mi_allocation_problem *problem,
                          const struct mi_uncertainty *uncertainty, double share,
                          struct mi_allocation *allocation, struct mi_exploration *exploration,
                          struct mi_error *error) {
    struct work w = {.problem = problem, .uncertainty = uncertainty, .measure = MI_RISK_MEAN};
    struct mi_allocation made = {0};
    struct mi_exploration e = {0};
    enum mi_status status = check(problem, uncertainty, MI_RISK_MEAN, 0, error);
    if (!status && (problem->objective != MI_OBJECTIVE_PROFIT || problem->limit_count > 0 ||
                    problem->step > 0 || !(share >= 0 && share <= 1)))
        status = mi_error_set(
            error, MI_BAD_ARGUMENT,
            "exploring is for profit, without limits on groups and steps, with a share of 0 to 1");
    if (!status)
        status = open_work(&w, error);
    if (status) {
        close_work(&w);
        return status;
    }
    e.extra = calloc(problem->count + 1, sizeof *e.extra);
    e.information = calloc(problem->count + 1, sizeof *e.information);
    status = e.extra && e.information ? explore(&w, share, &made, &e) : mi_no_memory(error);
    close_work(&w);
    if (status) {
        mi_allocation_clear(&made);
        mi_exploration_clear(&e);
        return status;
    }
    *allocation = made;
    *exploration = e;
    return MI_OK;
}
