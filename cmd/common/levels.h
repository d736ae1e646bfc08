/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The columns that mi computes per level, written anew at another spend: what a tool that changes the spend
 * of a campaign must not leave as it came.
 */
#ifndef LEVELS_H
#define LEVELS_H

#include "common/campaigns.h"

enum level_column {
    LEVEL_SPEND,
    LEVEL_USERS,
    LEVEL_CPA,
    LEVEL_MARGINAL_CPA,
    LEVEL_REVENUE,
    LEVEL_ROAS,
    LEVEL_TOTAL_COSTS,
    LEVEL_PROFIT,
    LEVEL_ROI,
    LEVEL_MAIN, /* those before can be said of every spend; those after only where the stream has them */
    LEVEL_SATURATION = LEVEL_MAIN,
    LEVEL_OVERHEAD,
    LEVEL_COST_SHARES, /* cost parts in proportion to spend */
    LEVEL_COST_ATTRIBUTION_PLATFORM = LEVEL_COST_SHARES,
    LEVEL_COST_AGENCY,
    LEVEL_COST_INFRASTRUCTURE,
    LEVEL_COST_TEAM,
    LEVEL_COLUMNS
};

/* Their names, ending with NULL: for campaigns_output(). */
extern const char *const level_names[LEVEL_COLUMNS + 1];

struct level_columns {
    size_t input[LEVEL_COLUMNS]; /* column of the reader, MI_NO_COLUMN */
    size_t slot[LEVEL_COLUMNS];  /* of the writer, MI_NO_COLUMN: not written */
};

/* Declares those that the stream has. */
enum mi_status level_columns_open(struct level_columns *columns, struct stream *stream,
                                  struct mi_error *error);

/* Declares one that is to be written in any case, if it is not yet. */
enum mi_status level_columns_add(struct level_columns *columns, struct stream *stream,
                                 enum level_column which, struct mi_error *error);

/* Sets the main ones. */
void level_columns_set_main(const struct level_columns *columns, const struct stream *stream,
                            const struct mi_outcome *outcome);

/* Sets all for a campaign at the outcome of another spend. A cost part in proportion to spend keeps the
 * proportion of the campaign's levels; where these do not agree on one it is left empty. */
enum mi_status level_columns_set(const struct level_columns *columns, const struct stream *stream,
                                 const struct campaigns *campaigns, const struct campaign *campaign,
                                 const struct mi_outcome *outcome, struct mi_error *error);

#endif
