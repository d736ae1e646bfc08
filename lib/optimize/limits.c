/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Limits of an allocation: contradictions, feasibility, projection, rounding.
 */
#include <math.h>
#include <stdlib.h>

#include "optimize/limits.h"

#define BUDGET_RELATIVE   1e-12 /* rounding of sums of limits */
#define SPARE_MORE        0.01 /* beyond what can be spent: so that the budget has a price, not a range of them */
#define PROJECTION_ROUNDS 60
#define UNIT_MOST         0.01 /* of recommended budgets: a cent */
#define UNITS_EACH        1e4  /* at least so many units for a campaign's equal share */
#define EXACT_UNITS       9e15 /* integers up to here are exact in a double */
#define UNIT_SLACK        1e-3 /* of a unit: rounding of sums, not a part of one */

static enum mi_status check_campaign(const struct mi_allocation_campaign *c, struct mi_error *error) {
    int size = (int)c->id.size;
    if (!(c->min_budget >= 0 && c->min_budget <= MI_MONEY_LIMIT))
        return mi_error_set(error, MI_BAD_ARGUMENT, "campaign '%.*s': min_budget is negative or missing",
                            size, c->id.data);
    if (!(c->max_budget >= 0))
        return mi_error_set(error, MI_BAD_ARGUMENT, "campaign '%.*s': max_budget is negative or missing",
                            size, c->id.data);
    if (c->min_budget > c->max_budget)
        return mi_error_set(error, MI_NO, "campaign '%.*s': min_budget %.15g is above max_budget %.15g", size,
                            c->id.data, c->min_budget, c->max_budget);
    return MI_OK;
}

static enum mi_status check_sums(const struct mi_allocation_problem *problem, double low, double high,
                                 struct mi_error *error) {
    double budget = problem->budget;
    double rounding = BUDGET_RELATIVE * budget;
    if (low > budget + rounding)
        return mi_error_set(error, MI_NO,
                            "budget %.15g is below the sum of min_budget, %.15g: %.15g more would do", budget,
                            low, low - budget);
    if (!problem->at_most && high < budget - rounding)
        return mi_error_set(error, MI_NO,
                            "budget %.15g cannot be spent whole: it is above the sum of max_budget, %.15g",
                            budget, high);
    return MI_OK;
}

/* What it gets at least. */
static double limits_low(const struct mi_allocation_campaign *c) {
    return c->or_nothing ? 0 : c->min_budget;
}

enum mi_status limits_new(struct limits *limits, const struct mi_allocation_problem *problem,
                          struct mi_error *error) {
    size_t count = problem->count;
    double low = 0, high = 0;
    enum mi_status status = MI_OK;
    if (!(problem->budget >= 0 && problem->budget <= MI_MONEY_LIMIT))
        return mi_error_set(error, MI_BAD_ARGUMENT, "budget: must be 0 to %g", MI_MONEY_LIMIT);
    for (size_t i = 0; i < count && !status; i++) {
        status = check_campaign(&problem->campaigns[i], error);
        low += limits_low(&problem->campaigns[i]);
        high += problem->campaigns[i].max_budget;
    }
    if (!status)
        status = check_sums(problem, low, high, error);
    if (status)
        return status;
    *limits = (struct limits){.count = count, .budget = problem->budget, .at_most = problem->at_most};
    limits->low = malloc((count ? count : 1) * sizeof *limits->low);
    limits->high = malloc((count ? count : 1) * sizeof *limits->high);
    if (!limits->low || !limits->high) {
        limits_free(limits);
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    double spare = fmax(0, problem->budget - low);
    for (size_t i = 0; i < count; i++) {
        limits->low[i] = limits_low(&problem->campaigns[i]);
        limits->high[i] = fmin(problem->campaigns[i].max_budget, limits->low[i] + spare * (1 + SPARE_MORE));
    }
    return MI_OK;
}

void limits_free(struct limits *limits) {
    free(limits->low);
    free(limits->high);
    *limits = (struct limits){0};
}

static double sum_of(const double *spend, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += spend[i];
    return sum;
}

bool limits_hold(const struct limits *limits, const double *spend, double tolerance) {
    for (size_t i = 0; i < limits->count; i++)
        if (!(spend[i] >= limits->low[i] - tolerance && spend[i] <= limits->high[i] + tolerance))
            return false;
    double over = sum_of(spend, limits->count) - limits->budget;
    return limits->at_most ? over <= tolerance : fabs(over) <= tolerance;
}

static double clamp(const struct limits *limits, size_t i, double spend) {
    return fmax(limits->low[i], fmin(spend, limits->high[i]));
}

/* How far campaign i can move in the direction of `rest`. */
static double room(const struct limits *limits, size_t i, double spend, double rest) {
    return rest > 0 ? limits->high[i] - spend : spend - limits->low[i];
}

void limits_project(const struct limits *limits, double *spend) {
    for (size_t i = 0; i < limits->count; i++)
        spend[i] = isnan(spend[i]) ? limits->low[i] : clamp(limits, i, spend[i]);
    for (int k = 0; k < PROJECTION_ROUNDS; k++) {
        double rest = limits->budget - sum_of(spend, limits->count);
        double all = 0;
        if (limits->at_most && rest >= 0)
            return;
        for (size_t i = 0; i < limits->count; i++)
            all += room(limits, i, spend[i], rest);
        if (rest == 0 || all <= 0)
            return;
        double share = fmin(1, fabs(rest) / all);
        for (size_t i = 0; i < limits->count; i++)
            spend[i] = clamp(limits, i, spend[i] + copysign(share * room(limits, i, spend[i], rest), rest));
    }
}

/* Units per unit of money: 100 for cents. */
static double units_of(const struct limits *limits) {
    double units = 1 / UNIT_MOST;
    double share = limits->budget / (double)limits->count;
    while (share > 0 && share * units < UNITS_EACH && limits->budget * units * 10 < EXACT_UNITS &&
           units < 1e12)
        units *= 10;
    return units;
}

double limits_unit(const struct limits *limits) {
    return 1 / units_of(limits);
}

struct rounding {
    const struct limits *limits;
    double units;
    double *spend;
    gain_function *gain;
    const void *user;
};

struct offer {
    size_t campaign;
    double gain; /* of the next unit in the direction asked for */
};

static int compare_offers(const void *a, const void *b) {
    const struct offer *x = a, *y = b;
    if (x->gain != y->gain)
        return x->gain < y->gain ? 1 : -1;
    return (x->campaign > y->campaign) - (x->campaign < y->campaign);
}

/* Takes a campaign down to whole units, within its interval; one whose interval holds none stays as it is. */
static void round_down(const struct rounding *r, size_t i) {
    double least = ceil(r->limits->low[i] * r->units - UNIT_SLACK);
    double most = floor(r->limits->high[i] * r->units + UNIT_SLACK);
    if (least <= most)
        r->spend[i] = fmax(least, fmin(floor(r->spend[i] * r->units + UNIT_SLACK), most)) / r->units;
}

/* The spend one unit up (direction 1) or down (-1); false: not whole, or beyond the interval. */
static bool next_unit(const struct rounding *r, size_t i, int direction, double *next) {
    double whole = round(r->spend[i] * r->units);
    if (fabs(r->spend[i] * r->units - whole) > UNIT_SLACK)
        return false;
    whole += direction;
    *next = whole / r->units;
    return whole >= r->limits->low[i] * r->units - UNIT_SLACK &&
           whole <= r->limits->high[i] * r->units + UNIT_SLACK;
}

/* Hands out (or takes back) `count` units, one a campaign in the order of what they gain, as often as needed;
 * `willing`: only where they gain. */
static void settle_units(const struct rounding *r, double count, int direction, bool willing,
                         struct offer *offers) {
    while (count >= 1) {
        size_t n = 0;
        double next;
        for (size_t i = 0; i < r->limits->count; i++) {
            if (!next_unit(r, i, direction, &next))
                continue;
            double gain = r->gain(r->user, i, r->spend[i], next - r->spend[i]);
            if (!willing || gain > 0)
                offers[n++] = (struct offer){.campaign = i, .gain = gain};
        }
        if (n == 0)
            return;
        qsort(offers, n, sizeof *offers, compare_offers);
        for (size_t k = 0; k < n && count >= 1; k++, count--)
            if (next_unit(r, offers[k].campaign, direction, &next))
                r->spend[offers[k].campaign] = next;
    }
}

/* Limits or a budget that are no whole units: the remainder of less than a unit goes where there is room. */
static void settle_remainder(const struct rounding *r, double rest) {
    for (size_t i = 0; i < r->limits->count; i++) {
        if (room(r->limits, i, r->spend[i], rest) >= fabs(rest)) {
            r->spend[i] += rest;
            return;
        }
    }
}

static double sum_of_units(const struct rounding *r) {
    double sum = 0;
    for (size_t i = 0; i < r->limits->count; i++)
        sum += r->spend[i] * r->units;
    return sum;
}

enum mi_status limits_round(const struct limits *limits, double *spend, gain_function *gain, const void *user,
                            double *total) {
    struct rounding r = {limits, units_of(limits), spend, gain, user};
    *total = sum_of(spend, limits->count);
    if (limits->count == 0 || limits->budget * r.units >= EXACT_UNITS)
        return MI_OK;
    struct offer *offers = malloc(limits->count * sizeof *offers);
    if (!offers)
        return MI_NO_MEMORY;
    for (size_t i = 0; i < limits->count; i++)
        round_down(&r, i);
    double rest = limits->budget * r.units - sum_of_units(&r);
    settle_units(&r, floor(fabs(rest) + UNIT_SLACK), rest < 0 ? -1 : 1, limits->at_most && rest > 0, offers);
    free(offers);
    rest = limits->budget * r.units - sum_of_units(&r);
    if (fabs(rest) > UNIT_SLACK && !(limits->at_most && rest > 0))
        settle_remainder(&r, rest / r.units);
    double sum = sum_of_units(&r);
    bool whole = fabs(sum - round(sum)) <= UNIT_SLACK;
    *total = limits->at_most ? (whole ? round(sum) : sum) / r.units : limits->budget;
    return MI_OK;
}
