/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Objectives of an allocation: values, slopes, and whether they are defined.
 */
#include <math.h>

#include "optimize/objective.h"

#define SLOPE_LIMIT   1e100 /* stands for a vertical start */
#define REVENUE_SCALE 1e4   /* of the weighted objective's revenue term */
#define PERCENT       100.0

bool objective_is_ratio(enum mi_objective objective) {
    return objective == MI_OBJECTIVE_ROI || objective == MI_OBJECTIVE_ROAS;
}

/* The spend below which the ratio terms are linear. */
static double floor_spend(const struct mi_allocation_problem *problem, size_t campaign) {
    double today = problem->campaigns[campaign].today;
    return problem->floor_share * (today > 0 ? today : problem->budget / (double)problem->count);
}

static double costs_at(const struct term *term, double spend) {
    return term->rate * spend + term->fixed;
}

static void add_weighted(const struct mi_allocation_problem *problem, size_t campaign, struct term *term) {
    const struct mi_allocation_campaign *c = &problem->campaigns[campaign];
    const struct mi_objective_weights *weights = &problem->weights;
    term->per_user = weights->revenue * c->ltv / REVENUE_SCALE;
    term->ratio = PERCENT * (weights->roi * c->ltv + weights->cac);
    term->ratio_less = PERCENT * weights->roi;
    term->rate = c->costs.rate;
    term->fixed = c->costs.fixed;
    term->floor = floor_spend(problem, campaign);
    if (term->floor > 0) {
        double users = mi_curve_users(c->curve, term->floor);
        double at_floor = term->ratio * users / costs_at(term, term->floor) - term->ratio_less;
        term->floor_slope = at_floor / term->floor;
    }
}

struct term objective_term(const struct mi_allocation_problem *problem, size_t campaign, double t) {
    const struct mi_allocation_campaign *c = &problem->campaigns[campaign];
    struct term term = {.curve = c->curve};
    switch (problem->objective) {
    case MI_OBJECTIVE_PROFIT:
        term.per_user = c->ltv;
        term.per_spend = -c->costs.rate;
        term.constant = -c->costs.fixed;
        break;
    case MI_OBJECTIVE_WEIGHTED:
        add_weighted(problem, campaign, &term);
        break;
    case MI_OBJECTIVE_REVENUE:
        term.per_user = c->ltv;
        break;
    case MI_OBJECTIVE_USERS:
        term.per_user = 1;
        break;
    case MI_OBJECTIVE_ROI:
        term.per_user = c->ltv;
        term.per_spend = -t * c->costs.rate;
        term.constant = -t * c->costs.fixed;
        break;
    case MI_OBJECTIVE_ROAS:
        term.per_user = c->ltv;
        term.per_spend = -t;
        break;
    case MI_OBJECTIVE_LEAST:
        term.per_spend = -1;
        break;
    }
    if (problem->calm > 0) {
        term.today = fmax(0, c->today);
        term.move = problem->calm;
    }
    return term;
}

double term_value(const struct term *term, double spend) {
    double users = mi_curve_users(term->curve, spend);
    double value = term->per_user * users + term->per_spend * spend + term->constant;
    if (term->move > 0)
        value -= term->move * fabs(spend - term->today);
    if (term->floor <= 0)
        return value;
    if (spend < term->floor)
        return value + term->floor_slope * spend;
    return value + term->ratio * users / costs_at(term, spend) - term->ratio_less;
}

double term_slope(const struct term *term, double spend) {
    double users_slope = fmin(mi_curve_slope(term->curve, spend), SLOPE_LIMIT);
    double slope = term->per_user * users_slope + term->per_spend;
    if (term->move > 0)
        slope -= spend >= term->today ? term->move : -term->move;
    if (term->floor > 0) {
        if (spend < term->floor) {
            slope += term->floor_slope;
        } else {
            double costs = costs_at(term, spend);
            double users = mi_curve_users(term->curve, spend);
            slope += term->ratio * (users_slope - users * term->rate / costs) / costs;
        }
    }
    return fmax(-SLOPE_LIMIT, fmin(slope, SLOPE_LIMIT));
}

double term_bend(const struct term *term, double spend) {
    double users_bend = mi_curve_second_derivative(term->curve, spend);
    double bend = term->per_user * users_bend;
    if (term->floor > 0 && spend >= term->floor) {
        double costs = costs_at(term, spend);
        double share = term->rate / costs;
        bend += term->ratio / costs *
                (users_bend - 2 * share * mi_curve_slope(term->curve, spend) +
                 2 * share * share * mi_curve_users(term->curve, spend));
    }
    return fmax(-SLOPE_LIMIT, fmin(bend, SLOPE_LIMIT));
}

void objective_ratio(const struct mi_allocation_problem *problem, const double *spend, double *numerator,
                     double *denominator) {
    double revenue = 0, cost = 0;
    for (size_t i = 0; i < problem->count; i++) {
        const struct mi_allocation_campaign *c = &problem->campaigns[i];
        revenue += c->ltv * mi_curve_users(c->curve, spend[i]);
        cost += problem->objective == MI_OBJECTIVE_ROI ? c->costs.rate * spend[i] + c->costs.fixed : spend[i];
    }
    *numerator = revenue;
    *denominator = cost;
}

double objective_of_ratio(enum mi_objective objective, double t) {
    return objective == MI_OBJECTIVE_ROI ? (t - 1) * PERCENT : t;
}

double mi_objective_value(const struct mi_allocation_problem *problem, const double *spend) {
    double value = 0;
    if (objective_is_ratio(problem->objective)) {
        double numerator, denominator;
        objective_ratio(problem, spend, &numerator, &denominator);
        value = denominator > 0 ? objective_of_ratio(problem->objective, numerator / denominator) : NAN;
    } else {
        for (size_t i = 0; i < problem->count; i++) {
            struct term term = objective_term(problem, i, 0);
            value += term_value(&term, spend[i]);
        }
    }
    return isfinite(value) ? value : NAN;
}

static enum mi_status check_weights(const struct mi_allocation_problem *problem, struct mi_error *error) {
    const double weights[] = {problem->weights.roi, problem->weights.revenue, problem->weights.cac};
    static const char *const names[] = {"roi", "revenue", "cac"};
    double sum = 0;
    for (size_t i = 0; i < 3; i++) {
        if (!(weights[i] >= 0 && weights[i] <= MI_MONEY_LIMIT))
            return mi_error_set(error, MI_BAD_ARGUMENT, "weight '%s': may not be negative or missing",
                                names[i]);
        sum += weights[i];
    }
    if (!(sum > 0))
        return mi_error_set(error, MI_BAD_ARGUMENT, "weights: all are 0, so that no allocation is better");
    if (!(problem->floor_share > 0 && problem->floor_share <= MI_MONEY_LIMIT))
        return mi_error_set(error, MI_BAD_ARGUMENT, "floor: must be above 0");
    return MI_OK;
}

enum mi_status objective_check(const struct mi_allocation_problem *problem, struct mi_error *error) {
    for (size_t i = 0; i < problem->count; i++) {
        const struct mi_allocation_campaign *c = &problem->campaigns[i];
        if (!(c->ltv >= 0 && c->ltv <= MI_MONEY_LIMIT))
            return mi_error_set(error, MI_BAD_ARGUMENT, "campaign '%.*s': ltv is missing or negative",
                                (int)c->id.size, c->id.data);
        if (!(c->costs.rate > 0 && c->costs.rate <= MI_MONEY_LIMIT && c->costs.fixed >= 0 &&
              c->costs.fixed <= MI_MONEY_LIMIT))
            return mi_error_set(error, MI_BAD_ARGUMENT, "campaign '%.*s': costs are missing or negative",
                                (int)c->id.size, c->id.data);
    }
    return problem->objective == MI_OBJECTIVE_WEIGHTED ? check_weights(problem, error) : MI_OK;
}
