/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rewrites the per-level columns; see levels.h.
 */
#include "common/levels.h"

#include <math.h>

#define PROPORTION_RELATIVE 1e-9 /* rounding that two levels' proportions may differ by */

const char *const level_names[LEVEL_COLUMNS + 1] = {
    [LEVEL_SPEND] = "spend",
    [LEVEL_USERS] = "num_users",
    [LEVEL_CPA] = "predicted_cpa",
    [LEVEL_MARGINAL_CPA] = "marginal_cpa",
    [LEVEL_REVENUE] = "revenue",
    [LEVEL_ROAS] = "predicted_roas",
    [LEVEL_TOTAL_COSTS] = "total_costs",
    [LEVEL_PROFIT] = "profit",
    [LEVEL_ROI] = "roi",
    [LEVEL_SATURATION] = "saturation_level",
    [LEVEL_OVERHEAD] = "overhead_pct",
    [LEVEL_COST_ATTRIBUTION_PLATFORM] = "cost_attribution_platform",
    [LEVEL_COST_AGENCY] = "cost_agency",
    [LEVEL_COST_INFRASTRUCTURE] = "cost_infrastructure",
    [LEVEL_COST_TEAM] = "cost_team",
};

enum mi_status level_columns_add(struct level_columns *columns, struct stream *stream,
                                 enum level_column which, struct mi_error *error) {
    if (columns->slot[which] != MI_NO_COLUMN)
        return MI_OK;
    return mi_writer_column(stream->writer, level_names[which], &columns->slot[which], error);
}

enum mi_status level_columns_open(struct level_columns *columns, struct stream *stream,
                                  struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (enum level_column i = 0; i < LEVEL_COLUMNS && !status; i++) {
        columns->slot[i] = MI_NO_COLUMN;
        status = mi_reader_column(stream->reader, level_names[i], false, &columns->input[i], error);
        if (!status && columns->input[i] != MI_NO_COLUMN)
            status = level_columns_add(columns, stream, i, error);
    }
    return status;
}

/* The proportion of a column to spend that all levels of a campaign agree on; NaN where there is none. */
static enum mi_status proportion(const struct campaigns *campaigns, const struct campaign *campaign,
                                 const char *name, size_t column, double *share, struct mi_error *error) {
    *share = NAN;
    for (size_t i = 0; i < campaign->level_count; i++) {
        const struct level *level = &campaign->levels[i];
        double value;
        enum mi_status status =
            mi_batch_number(campaigns->batch, level->row, column, MI_MONEY, &value, error);
        if (status)
            return status;
        if (!(level->spend > 0) || isnan(value))
            continue;
        double here = value / level->spend;
        if (!isnan(*share) && fabs(here - *share) > PROPORTION_RELATIVE * fmax(here, *share)) {
            note("column '%s' is left empty for campaign '%.*s': its levels are not in proportion to spend",
                 name, (int)campaign->id.size, campaign->id.data);
            *share = NAN;
            return MI_OK;
        }
        *share = here;
    }
    return MI_OK;
}

static void set(const struct level_columns *columns, const struct stream *stream, enum level_column which,
                double value) {
    if (columns->slot[which] != MI_NO_COLUMN)
        mi_writer_number(stream->writer, columns->slot[which], value);
}

void level_columns_set_main(const struct level_columns *columns, const struct stream *stream,
                            const struct mi_outcome *outcome) {
    set(columns, stream, LEVEL_SPEND, outcome->spend);
    set(columns, stream, LEVEL_USERS, outcome->users);
    set(columns, stream, LEVEL_CPA, outcome->cpa);
    set(columns, stream, LEVEL_MARGINAL_CPA, outcome->marginal_cpa);
    set(columns, stream, LEVEL_REVENUE, outcome->revenue);
    set(columns, stream, LEVEL_ROAS, outcome->roas);
    set(columns, stream, LEVEL_TOTAL_COSTS, outcome->total_costs);
    set(columns, stream, LEVEL_PROFIT, outcome->profit);
    set(columns, stream, LEVEL_ROI, outcome->roi);
}

enum mi_status level_columns_set(const struct level_columns *columns, const struct stream *stream,
                                 const struct campaigns *campaigns, const struct campaign *campaign,
                                 const struct mi_outcome *outcome, struct mi_error *error) {
    level_columns_set_main(columns, stream, outcome);
    set(columns, stream, LEVEL_SATURATION, campaign_saturation(campaign, outcome->spend));
    set(columns, stream, LEVEL_OVERHEAD, (outcome->total_costs / outcome->spend - 1) * 100);
    for (enum level_column i = LEVEL_COST_SHARES; i < LEVEL_COLUMNS; i++) {
        if (columns->slot[i] == MI_NO_COLUMN)
            continue;
        double share;
        enum mi_status status =
            proportion(campaigns, campaign, level_names[i], columns->input[i], &share, error);
        if (status)
            return status;
        set(columns, stream, i, share * outcome->spend);
    }
    return MI_OK;
}
