/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Level rows (several per campaign) as campaigns: what mi-optimize, mi-scenario and mi-roi summary read. The
 * whole input is grouped by campaign_id, in order of first appearance. Of the passed columns those stay that
 * are constant within every campaign; those that the tool computes anew are replaced; any other is dropped
 * and named once.
 *
 *     struct campaigns campaigns;
 *     status = campaigns_read(&campaigns, &stream, error);         opens the stream, reads it whole
 *     status = campaigns_output(&campaigns, &stream, names, error); opens the output, drops what varies
 *     ... mi_writer_column(), then per campaign: set the slots, mi_writer_row(stream.writer,
 *         campaigns.batch, campaign->row, error)
 *     campaigns_free(&campaigns); stream_close(...)
 */
#ifndef CAMPAIGNS_H
#define CAMPAIGNS_H

#include "common/program.h"

/* One level row of a campaign. */
struct level {
    size_t row;        /* in the batch */
    double spend;      /* NaN: no such column, or missing */
    double cpa;        /* predicted_cpa; NaN as above */
    double saturation; /* saturation_level; NaN as above */
};

struct campaign {
    struct mi_text id;    /* borrowed from the batch */
    size_t row;           /* its first row */
    struct level *levels; /* its rows, in the order of the file */
    size_t level_count;
    struct mi_curve curve; /* of column `curve`, else the points of the levels */
    bool curve_of_levels;
    double *covariance; /* of the curve's log parameters, column `curve_cov`: lower triangle; NULL: none */
    double predicted_ltv;
    double ltv_se; /* NaN: not there */
    struct mi_campaign_costs costs;
    double min_budget;         /* 0 where absent */
    double max_budget;         /* INFINITY where absent */
    double daily_budget;       /* today's; NaN: not there */
    double recommended_budget; /* NaN: not there */
    double spend_supported;    /* how far the data go: curve_spend_max, else the last point, else the highest
                                  of several levels; NaN: not known */
    double adstock;            /* rate of carry-over that the curve is free of; NaN: not known */
};

struct campaigns {
    struct campaign *items;
    size_t count;
    const struct mi_batch *batch; /* all rows; lives until stream_close() */
    bool *varies;                 /* per column of the reader: differs within some campaign */
    size_t column_count;
    bool has_daily_budget, has_recommended_budget; /* columns that are there */
    bool curves_of_levels; /* some campaign's curve is made of its levels: the tool writes column `curve` */
};

/* Opens the stream (whole), reads all rows and makes campaigns of them; what is at fault in a row goes
 * through mi_reader_reject(), so that --rejects takes it. `curve` or two levels of every campaign, and
 * predicted_ltv, must be there. Costs are those of cost_columns_row(). No rows: count 0. */
enum mi_status campaigns_read(struct campaigns *campaigns, struct stream *stream, struct mi_error *error);

/* Opens the output with the reader's columns passing, but for those that vary within a campaign and are not
 * among `computed` (a list that ends with NULL), which are named in one note. The tool declares its computed
 * columns after this. */
enum mi_status campaigns_output(const struct campaigns *campaigns, struct stream *stream,
                                const char *const *computed, struct mi_error *error);

/* Share of the ceiling at a spend: the curve's own; for a curve without one in proportion to the users at the
 * levels that carry saturation_level, else missing. */
double campaign_saturation(const struct campaign *campaign, double spend);

void campaigns_free(struct campaigns *campaigns);

#endif
