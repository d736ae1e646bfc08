/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Spend to total costs: the parts, and what downstream tools need of them (SPEC 1.4).
 */
#include "mi.h"

struct mi_cost_rates mi_cost_rates_default(void) {
    return (struct mi_cost_rates){
        .attribution_platform = MI_COST_ATTRIBUTION_PLATFORM,
        .agency = MI_COST_AGENCY,
        .infrastructure = MI_COST_INFRASTRUCTURE,
        .team = MI_COST_TEAM,
        .creative_lifetime_days = MI_COST_CREATIVE_LIFETIME_DAYS,
    };
}

struct mi_campaign_costs mi_campaign_costs_of(const struct mi_cost_rates *rates, bool has_agency,
                                              double creative_cost, double lifetime_days) {
    return (struct mi_campaign_costs){
        .rate = 1 + rates->attribution_platform + (has_agency ? rates->agency : 0) + rates->infrastructure +
                rates->team,
        .fixed = creative_cost > 0 ? creative_cost / lifetime_days : 0,
    };
}

struct mi_costs mi_costs_at(const struct mi_cost_rates *rates, bool has_agency, double creative_cost,
                            double lifetime_days, double spend) {
    struct mi_costs costs = {
        .attribution_platform = rates->attribution_platform * spend,
        .agency = has_agency ? rates->agency * spend : 0,
        .creative = creative_cost > 0 ? creative_cost / lifetime_days : 0,
        .infrastructure = rates->infrastructure * spend,
        .team = rates->team * spend,
    };
    costs.total = spend + costs.attribution_platform + costs.agency + costs.creative + costs.infrastructure +
                  costs.team;
    return costs;
}
