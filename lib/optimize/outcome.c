/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a spend brings: users, revenue, costs, profit and their ratios, for a campaign and for a portfolio.
 */
#include <math.h>

#include "mi.h"

/* a / b, missing where that is no number. */
static double ratio(double a, double b) {
    double quotient = a / b;
    return isfinite(quotient) ? quotient : NAN;
}

static void fill_ratios(struct mi_outcome *outcome) {
    outcome->cpa = ratio(outcome->spend, outcome->users);
    outcome->roas = ratio(outcome->revenue, outcome->spend);
    outcome->roi = outcome->spend > 0 ? ratio(outcome->profit, outcome->total_costs) * 100 : NAN;
}

struct mi_outcome mi_outcome_of(double spend, double users, double ltv,
                                const struct mi_campaign_costs *costs) {
    struct mi_outcome outcome = {.spend = spend,
                                 .users = users,
                                 .marginal_cpa = NAN,
                                 .revenue = users * ltv,
                                 .total_costs = costs->rate * spend + costs->fixed};
    outcome.profit = outcome.revenue - outcome.total_costs;
    fill_ratios(&outcome);
    return outcome;
}

struct mi_outcome mi_outcome_at(const struct mi_curve *curve, double ltv,
                                const struct mi_campaign_costs *costs, double spend) {
    struct mi_outcome outcome = mi_outcome_of(spend, mi_curve_users(curve, spend), ltv, costs);
    outcome.marginal_cpa = ratio(1, mi_curve_slope(curve, spend));
    return outcome;
}

struct mi_outcome mi_outcome_sum(const struct mi_outcome *outcomes, size_t count) {
    /* long double: the sum of amounts in cents comes out in cents */
    long double spend = 0, users = 0, revenue = 0, total_costs = 0, profit = 0;
    for (size_t i = 0; i < count; i++) {
        spend += outcomes[i].spend;
        users += outcomes[i].users;
        revenue += outcomes[i].revenue;
        total_costs += outcomes[i].total_costs;
        profit += outcomes[i].profit;
    }
    struct mi_outcome sum = {.spend = (double)spend,
                             .users = (double)users,
                             .marginal_cpa = NAN,
                             .revenue = (double)revenue,
                             .total_costs = (double)total_costs,
                             .profit = (double)profit};
    fill_ratios(&sum);
    return sum;
}
