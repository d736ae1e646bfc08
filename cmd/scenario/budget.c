/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The budget of a campaign that scenarios start from.
 */
#include "scenario/scenarios.h"

#include <math.h>

static enum mi_status no_budget(const struct campaign *campaign, const char *why, struct mi_error *error) {
    return mi_error_set(error, MI_BAD_INPUT, "campaign '%.*s' %s", (int)campaign->id.size, campaign->id.data,
                        why);
}

enum mi_status budget_of(const struct campaigns *campaigns, const struct campaign *campaign, double *budget,
                         struct mi_error *error) {
    if (campaigns->has_recommended_budget) {
        *budget = campaign->recommended_budget;
        return isnan(*budget) ? no_budget(campaign, "has no recommended_budget", error) : MI_OK;
    }
    if (campaigns->has_daily_budget) {
        *budget = campaign->daily_budget;
        return isnan(*budget) ? no_budget(campaign, "has no daily_budget", error) : MI_OK;
    }
    *budget = campaign->levels[0].spend;
    for (size_t i = 1; i < campaign->level_count; i++)
        if (campaign->levels[i].spend != *budget)
            return no_budget(campaign, "has several levels: needs recommended_budget or daily_budget", error);
    return isnan(*budget) ? no_budget(campaign, "has no recommended_budget, daily_budget or spend", error)
                          : MI_OK;
}
