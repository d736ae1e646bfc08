/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What-if: a campaign's outcome under another budget, LTV and CPA, and expected values over scenarios.
 */
#include <math.h>

#include "mi.h"

#define PROBABILITY_SLACK 1e-9

#define NAME(text)                                                                                           \
    { text, sizeof text - 1 }

static const struct mi_scenario defaults[] = {
    {NAME("baseline"), 1, 0, 0, 0.6},
    {NAME("optimistic"), 1.5, 0.1, -0.1, 0.2},
    {NAME("pessimistic"), 0.8, -0.15, 0.2, 0.2},
    {NAME("over-scaled"), 3, 0, 0, NAN},
    {NAME("conservative"), 0.5, 0, -0.05, NAN},
};

const struct mi_scenario *mi_scenarios_default(size_t *count) {
    *count = sizeof defaults / sizeof *defaults;
    return defaults;
}

enum mi_status mi_scenario_check(const struct mi_scenario *scenario, struct mi_error *error) {
    int size = (int)scenario->name.size;
    const char *name = scenario->name.data;
    if (size == 0)
        return mi_error_set(error, MI_BAD_ARGUMENT, "a scenario without a name");
    if (!(scenario->budget_multiplier >= 0 && scenario->budget_multiplier <= MI_MONEY_LIMIT))
        return mi_error_set(error, MI_BAD_ARGUMENT, "scenario '%.*s': budget_multiplier must be 0 or more",
                            size, name);
    if (!(scenario->ltv_adjustment > -1 && scenario->ltv_adjustment <= MI_MONEY_LIMIT))
        return mi_error_set(error, MI_BAD_ARGUMENT, "scenario '%.*s': ltv_adjustment must be above -1", size,
                            name);
    if (!(scenario->cpa_adjustment > -1 && scenario->cpa_adjustment <= MI_MONEY_LIMIT))
        return mi_error_set(error, MI_BAD_ARGUMENT, "scenario '%.*s': cpa_adjustment must be above -1", size,
                            name);
    if (scenario->probability < 0 || scenario->probability > 1)
        return mi_error_set(error, MI_BAD_ARGUMENT, "scenario '%.*s': probability must be within 0 and 1",
                            size, name);
    return MI_OK;
}

/* A missing probability is none. */
static double probability_of(const struct mi_scenario *scenario) {
    return isnan(scenario->probability) ? 0 : scenario->probability;
}

enum mi_status mi_scenarios_check_expected(const struct mi_scenario *scenarios, size_t count,
                                           struct mi_error *error) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += probability_of(&scenarios[i]);
    if (fabs(sum - 1) <= PROBABILITY_SLACK)
        return MI_OK;
    return mi_error_set(error, MI_BAD_ARGUMENT, "the probabilities of the scenarios sum to %.15g, not to 1",
                        sum);
}

struct mi_outcome mi_scenario_outcome(const struct mi_scenario *scenario, const struct mi_curve *curve,
                                      double ltv, const struct mi_campaign_costs *costs, double budget) {
    double spend = budget * scenario->budget_multiplier;
    double dearer = 1 + scenario->cpa_adjustment; /* CPA * dearer: as many times fewer users */
    struct mi_outcome outcome = mi_outcome_of(spend, mi_curve_users(curve, spend) / dearer,
                                              ltv * (1 + scenario->ltv_adjustment), costs);
    outcome.marginal_cpa = mi_outcome_at(curve, ltv, costs, spend).marginal_cpa * dearer;
    return outcome;
}

struct mi_outcome mi_scenario_expected(const struct mi_scenario *scenarios, const struct mi_outcome *outcomes,
                                       size_t count) {
    struct mi_outcome mean = {0};
    for (size_t i = 0; i < count; i++) {
        double p = probability_of(&scenarios[i]);
        mean.spend += p * outcomes[i].spend;
        mean.users += p * outcomes[i].users;
        mean.revenue += p * outcomes[i].revenue;
        mean.total_costs += p * outcomes[i].total_costs;
        mean.profit += p * outcomes[i].profit;
    }
    return mi_outcome_sum(&mean, 1);
}
