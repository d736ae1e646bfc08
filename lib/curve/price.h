/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of mi_price share: price.c collects and fits, market.c prepares the market's columns,
 * change.c tells what drove a change.
 */
#ifndef CURVE_PRICE_H
#define CURVE_PRICE_H

#include "curve/fit.h"
#include "curve/stage.h"

#define TREND_DAYS 30.0 /* a trend is said for so many */

/* Coefficients of the three stages: the level, then these. */
enum { BY_SPEND = 1, BY_TREND = 2, BY_MARKET = 3 };

struct price_day {
    struct mi_price_day seen;
    uint32_t campaign;
    double market[MI_PRICE_MARKETS]; /* as regressors: logs, or in standard deviations; 0: today's */
    double expected;                 /* impressions, once all is fitted */
};

struct price_campaign {
    size_t first, rows; /* with spend above 0 */
    double spend_max, spend_now;
    double spend, impressions, clicks, conversions; /* sums */
    int32_t newest;
    double log_impressions; /* mean over the rows with some: what the rates are relative to */
    double log_frequency;   /* the same */
    bool funnel;
};

struct mi_price {
    struct mi_price_options options;
    struct mi_index *ids;
    struct price_day *days;
    size_t day_count, day_room;
    struct price_campaign *campaigns;
    size_t campaign_count, campaign_room;
    bool dated, known_reach;
    size_t unshown, unclicked, summed, unspent; /* rows with spend but no impressions, ... */
    struct stage shown, clicked, converted;
    size_t market[MI_PRICE_MARKETS], market_count;  /* columns that take part */
    struct mi_curve_fit *impressions, *conversions; /* in today's market */
};

/* Which columns of the market can be told, and their regressors. */
enum mi_status price_market(struct mi_price *price, const struct mi_notes *notes, struct mi_error *error);
/* The change of a campaign, or of the portfolio where number is campaign_count. curves: of impressions. */
void price_change(const struct mi_price *price, size_t number, struct mi_price_change *change);

#endif
