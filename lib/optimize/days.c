/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Plans for several days; see mi_allocate_days() in mi.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mi.h"
#include "optimize/objective.h"

#define TRIES      30
#define CENT       0.01
#define UNIT_EXACT 1e-6
#define STEPS      400  /* of the gradient */
#define HALVINGS   60   /* of the shift that puts a step onto the budget */
#define STEP_FIRST 0.1  /* of the mean spend */
#define GAIN_LEAST 1e-9 /* relative: of a step that is worth going on from */

struct work {
    struct mi_day_plan *plan;
    const struct mi_allocation_problem *problem;
    struct mi_allocation_campaign *shares; /* campaign by campaign, day by day */
    size_t count;
    double *gradient, *trial, *before;
};

static double round_cent(double money) {
    return round(money * 100) / 100;
}

static size_t campaign_of(const struct work *w, size_t k) {
    return k / w->plan->days;
}

/* Every campaign's day as a campaign; users as revenue at an LTV of 1. */
static enum mi_status state(struct work *w, struct mi_error *error) {
    const struct mi_day_plan *plan = w->plan;
    for (size_t k = 0; k < w->count; k++) {
        const struct mi_allocation_campaign *c = &w->problem->campaigns[campaign_of(w, k)];
        if (plan->carry > 0 && isnan(c->today))
            return mi_error_set(error, MI_BAD_ARGUMENT, "campaign '%.*s': today's budget is missing",
                                (int)c->id.size, c->id.data);
        if (!(plan->factor[k] >= 0 && plan->factor[k] <= MI_MONEY_LIMIT))
            return mi_error_set(error, MI_BAD_ARGUMENT,
                                "campaign '%.*s': a day's factor is missing or negative", (int)c->id.size,
                                c->id.data);
        w->shares[k] = *c;
        w->shares[k].ltv = (w->problem->objective == MI_OBJECTIVE_USERS ? 1 : c->ltv) * plan->factor[k];
    }
    return MI_OK;
}

/* Allocates a total over all days; effective spends come out. */
static enum mi_status allocate(struct work *w, double total, struct mi_error *error) {
    struct mi_allocation_problem problem = *w->problem;
    struct mi_allocation made;
    problem.campaigns = w->shares;
    problem.count = w->count;
    problem.budget = total;
    if (problem.objective == MI_OBJECTIVE_USERS)
        problem.objective = MI_OBJECTIVE_REVENUE;
    enum mi_status status = mi_allocate(&problem, &made, error);
    if (status)
        return status;
    memcpy(w->plan->effective, made.spend, w->count * sizeof *made.spend);
    w->plan->upper_bound = made.upper_bound;
    w->plan->objective = made.objective;
    mi_allocation_clear(&made);
    return MI_OK;
}

/* The effective spends of the spends. */
static void fold(const struct work *w, const double *spend, double *effective) {
    double carry = w->plan->carry, before = 0;
    for (size_t k = 0; k < w->count; k++) {
        if (k % w->plan->days == 0)
            before = carry > 0 ? w->shares[k].today : 0;
        before = effective[k] = (1 - carry) * spend[k] + carry * before;
    }
}

/* The spends that make the effective ones, as far as each campaign's limits let them; the effective ones
 * become what these really make. Returns the sum of spends. */
static double unfold(const struct work *w) {
    double carry = w->plan->carry, before = 0;
    long double sum = 0;
    for (size_t k = 0; k < w->count; k++) {
        const struct mi_allocation_campaign *c = &w->shares[k];
        if (k % w->plan->days == 0)
            before = c->today;
        double wanted = (w->plan->effective[k] - carry * before) / (1 - carry);
        wanted = fmax(c->min_budget, fmin(wanted, c->max_budget));
        w->plan->spend[k] = wanted;
        before = w->plan->effective[k] = (1 - carry) * wanted + carry * before;
        sum += wanted;
    }
    return (double)sum;
}

/* The total of effective spends whose spends add up, by false position. */
static enum mi_status find_total(struct work *w, double wanted, struct mi_error *error) {
    double least = 0, most = 0, total = wanted, carry = w->plan->carry;
    for (size_t k = 0; k < w->count; k++) {
        least += w->shares[k].min_budget;
        most += w->shares[k].max_budget;
    }
    double low = least, low_sum = NAN, high = INFINITY, high_sum = NAN;
    for (int i = 0; i < TRIES; i++) {
        enum mi_status status = allocate(w, round_cent(fmax(least, fmin(total, most))), error);
        if (status)
            return status;
        double sum = unfold(w);
        if (fabs(sum - wanted) < CENT * (double)w->count || (isfinite(high) && high - low < CENT))
            break;
        if (sum < wanted) {
            low = total;
            low_sum = sum;
        } else {
            high = total;
            high_sum = sum;
        }
        double guess = total + (wanted - sum) * (1 - carry);
        if (!isnan(low_sum) && !isnan(high_sum))
            guess = i % 3 == 2 ? (low + high) / 2
                               : low + (high - low) * (wanted - low_sum) / (high_sum - low_sum);
        if (!(guess > low))
            guess = low + (isfinite(high) ? (high - low) / 2 : 0.01 * wanted);
        if (!(guess < high))
            guess = low + (high - low) / 2;
        total = guess;
    }
    return MI_OK;
}

/* ---- gradient steps on the spends ---- */

static struct term term_of(const struct work *w, size_t k) {
    struct mi_allocation_problem problem = *w->problem;
    problem.campaigns = w->shares;
    problem.count = w->count;
    if (problem.objective == MI_OBJECTIVE_USERS)
        problem.objective = MI_OBJECTIVE_REVENUE;
    return objective_term(&problem, k, 0);
}

static double value_of(const struct work *w, const double *spend, double *effective) {
    double value = 0;
    fold(w, spend, effective);
    for (size_t k = 0; k < w->count; k++) {
        struct term t = term_of(w, k);
        value += t.per_user * mi_curve_users(t.curve, effective[k]) + t.per_spend * spend[k] + t.constant;
    }
    return value;
}

/* d value / d spend: what a day's spend adds on that day and, fading, on those after it. */
static void find_gradient(const struct work *w, const double *effective, double *gradient) {
    double carry = w->plan->carry, after = 0;
    for (size_t k = w->count; k-- > 0;) {
        struct term t = term_of(w, k);
        if ((k + 1) % w->plan->days == 0)
            after = 0;
        double slope = fmin(mi_curve_slope(t.curve, fmax(effective[k], 1e-9)), 1e9);
        after = t.per_user * slope * (1 - carry) + carry * after;
        gradient[k] = after + t.per_spend;
    }
}

static double clamp(const struct work *w, size_t k, double spend) {
    return fmax(w->shares[k].min_budget, fmin(spend, w->shares[k].max_budget));
}

/* Shifts all by one amount until they, within their limits, add up to `wanted`. */
static void put_onto_budget(const struct work *w, double wanted, double *spend) {
    double low = -INFINITY, high = INFINITY, shift = 0, width = wanted / (double)w->count + 1;
    for (int i = 0; i < HALVINGS; i++) {
        long double sum = 0;
        for (size_t k = 0; k < w->count; k++)
            sum += clamp(w, k, spend[k] + shift);
        if ((double)sum > wanted)
            high = shift;
        else
            low = shift;
        shift = isinf(low) ? high - width : isinf(high) ? low + width : low + (high - low) / 2;
        width *= 2;
    }
    for (size_t k = 0; k < w->count; k++)
        spend[k] = clamp(w, k, spend[k] + shift);
}

static void climb(struct work *w, double wanted) {
    struct mi_day_plan *plan = w->plan;
    double *effective = w->before; /* room */
    put_onto_budget(w, wanted, plan->spend);
    double value = value_of(w, plan->spend, plan->effective);
    double most = 0;
    find_gradient(w, plan->effective, w->gradient);
    for (size_t k = 0; k < w->count; k++)
        most = fmax(most, fabs(w->gradient[k]));
    double step = STEP_FIRST * wanted / (double)w->count / fmax(most, 1e-300);
    int small = 0;
    for (int i = 0; i < STEPS && small < 12; i++) {
        double better = -INFINITY;
        for (int halving = 0; halving < 30; halving++, step /= 2) {
            for (size_t k = 0; k < w->count; k++)
                w->trial[k] = plan->spend[k] + step * w->gradient[k];
            put_onto_budget(w, wanted, w->trial);
            better = value_of(w, w->trial, effective);
            if (better > value)
                break;
        }
        if (!(better > value))
            return;
        /* the next step: as the gradient changed on this one */
        double moved = 0, turned = 0;
        memcpy(plan->effective, effective, w->count * sizeof *effective);
        for (size_t k = 0; k < w->count; k++)
            effective[k] = w->gradient[k];
        find_gradient(w, plan->effective, w->gradient);
        for (size_t k = 0; k < w->count; k++) {
            double d = w->trial[k] - plan->spend[k];
            moved += d * d;
            turned -= d * (w->gradient[k] - effective[k]);
            plan->spend[k] = w->trial[k];
        }
        small = better - value < GAIN_LEAST * fabs(value) ? small + 1 : 0;
        value = better;
        step = turned > 0 ? moved / turned : step * 4;
    }
}

/* Whole cents; what is off goes where there is room, from the last days on. */
static enum mi_status settle(const struct work *w, double wanted, struct mi_error *error) {
    double *spend = w->plan->spend, sum = 0;
    for (size_t k = 0; k < w->count; k++) {
        spend[k] = clamp(w, k, round_cent(spend[k]));
        sum += spend[k];
    }
    double rest = round_cent(wanted - sum);
    for (size_t t = w->plan->days; t-- > 0 && fabs(rest) > UNIT_EXACT;)
        for (size_t k = t; k < w->count && fabs(rest) > UNIT_EXACT; k += w->plan->days) {
            double next = clamp(w, k, round_cent(spend[k] + rest));
            rest = round_cent(rest - (next - spend[k]));
            spend[k] = next;
        }
    return fabs(rest) <= UNIT_EXACT
               ? MI_OK
               : mi_error_set(error, MI_NO, "no plan within min_budget and max_budget spends %.15g", wanted);
}

static enum mi_status solve(struct work *w, struct mi_error *error) {
    struct mi_day_plan *plan = w->plan;
    double wanted = round_cent(w->problem->budget * (double)plan->days);
    if (plan->carry == 0) {
        enum mi_status status = allocate(w, wanted, error);
        if (!status)
            memcpy(plan->spend, plan->effective, w->count * sizeof *plan->spend);
        return status;
    }
    enum mi_status status = find_total(w, wanted, error);
    if (status)
        return status;
    climb(w, wanted);
    status = settle(w, wanted, error);
    plan->objective = value_of(w, plan->spend, plan->effective);
    plan->upper_bound = NAN;
    return status;
}

enum mi_status mi_allocate_days(struct mi_day_plan *plan, struct mi_error *error) {
    const struct mi_allocation_problem *problem = plan->problem;
    struct work w = {.plan = plan, .problem = problem, .count = problem->count * plan->days};
    if (problem->objective != MI_OBJECTIVE_PROFIT && problem->objective != MI_OBJECTIVE_REVENUE &&
        problem->objective != MI_OBJECTIVE_USERS)
        return mi_error_set(error, MI_BAD_ARGUMENT, "days: for profit, revenue and users");
    if (plan->days == 0 || !(plan->carry >= 0 && plan->carry < 1) || problem->limit_count > 0 ||
        (plan->carry > 0 && (problem->at_most || problem->step > 0)))
        return mi_error_set(
            error, MI_BAD_ARGUMENT,
            "days: 1 and more, no limits on groups, carry-over from 0 to below 1 and with the "
            "budget spent whole in cents");
    w.shares = calloc(w.count + 1, sizeof *w.shares);
    w.gradient = calloc(3 * (w.count + 1), sizeof *w.gradient);
    enum mi_status status =
        w.shares && w.gradient ? MI_OK : mi_error_set(error, MI_NO_MEMORY, "out of memory");
    if (!status) {
        w.trial = w.gradient + w.count + 1;
        w.before = w.trial + w.count + 1;
        status = state(&w, error);
    }
    if (!status)
        status = solve(&w, error);
    free(w.shares);
    free(w.gradient);
    return status;
}
