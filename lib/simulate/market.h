/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Inside of the market: what is true of every campaign and day, drawn before the first day is played, so that
 * it does not depend on what a policy does; and what has been observed.
 */
#ifndef MI_SIMULATE_MARKET_H
#define MI_SIMULATE_MARKET_H

#include "simulate/simulate.h"

#define ARRIVALS 8 /* days over which the conversions of a day come in */

/* What is true of a campaign on a day. */
struct market_truth {
    double level;  /* the curve is multiplied by this: drift, weekly shocks, season, competition */
    double factor; /* the same with weekday and network's day */
};

/* What was played. */
struct market_record {
    double spend;
    double arrived[ARRIVALS]; /* conversions known after 0, 1, ... days */
    double value;             /* what a conversion of that day is worth in the end */
};

struct market_campaign {
    struct mi_market_campaign known; /* what the caller sees */
    size_t network, geo;             /* levels of its attributes */
    double half;
    double usual; /* spend around which its history varies */
    double walk;  /* where the history's spend stands, in logs */
    struct mi_campaign_costs costs;
    struct market_truth *truth;   /* per day, history first */
    struct market_record *record; /* the same */
};

struct mi_market {
    struct mi_market_options options;
    struct mi_simulator *simulator; /* attributes, segments */
    gsl_rng *random;
    struct market_campaign *campaigns;
    size_t day_count, today; /* history and days to decide; the next to be played */
    double budget;
    double arrival[LEVEL_LIMIT][ARRIVALS]; /* by network: share of the conversions known by age */
    struct mi_allocation_campaign *shares;
};

/* Draws curves, levels and days of all campaigns. */
enum mi_status mi_market_draw(struct mi_market *market, struct mi_error *error);
/* A curve of any of the market's families that gives `users` at a spend of `half`. */
enum mi_status mi_market_curve(struct mi_market *market, double half, double users, struct mi_curve *curve,
                               struct mi_error *error);

#endif
