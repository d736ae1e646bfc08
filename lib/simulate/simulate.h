/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Inside of the simulator: who a campaign is (attributes), what is true of it (curve) and what is seen of it
 * (campaign, users).
 */
#ifndef MI_SIMULATE_SIMULATE_H
#define MI_SIMULATE_SIMULATE_H

#include <gsl/gsl_rng.h>

#include "mi.h"

/* The columns that make a segment. */
enum { NETWORK, TARGETING, GEO, CREATIVE, ATTRIBUTES };

#define LEVEL_LIMIT   6
#define SEGMENT_COUNT (5 * 5 * 6 * 3)

/* What attributes have an effect on. */
enum quantity { HALF_SATURATION, HALF_CPA, SHAPE, LTV, QUANTITIES };

/* Which levels the attributes have, in a campaign or a user. */
struct profile {
    size_t level[ATTRIBUTES];
};

/* Random numbers with a purpose of their own, so that none depends on how many others were drawn. */
enum purpose {
    FOR_EFFECTS,
    FOR_SEGMENTS,
    FOR_CAMPAIGNS,
    FOR_USERS,
    FOR_SHARES,
    FOR_EXPERIMENTS,
    FOR_FUNNELS,
    FOR_PRICES,
    FOR_DRIFTS,
    FOR_CARRIES,
    FOR_DELAYS
};

struct mi_simulator {
    struct mi_simulation options;
    gsl_rng *random; /* of the campaign at hand */
    gsl_rng *users;  /* of the users, in sequence */
    gsl_rng *timing; /* of drift, carry-over and delay of the campaign at hand */
    uint64_t user_count;
    double *behaviour;                                  /* of the user at hand */
    double effect[QUANTITIES][ATTRIBUTES][LEVEL_LIMIT]; /* mean 0 and variance 1 over the levels */
    double segment_ltv[SEGMENT_COUNT];
    struct mi_simulated_campaign campaign;
    double *prices, *rivals; /* of each day: index of CPM, and of competition; where there is a funnel */
    double *level, *working; /* of each day: factor of the curve, and the spend that works then */
    double *known;           /* conversions by day and age; where they come in late */
};

/* Starts the generator of object `number` of a purpose. */
void mi_simulate_seed(gsl_rng *random, uint64_t seed, enum purpose purpose, uint64_t number);

/* Fills `effect` and `segment_ltv`. */
void mi_simulate_attributes(struct mi_simulator *simulator);
struct profile mi_simulate_profile(gsl_rng *random);
struct mi_simulated_segment mi_simulate_segment(const struct mi_simulator *simulator,
                                                const struct profile *profile);
/* A standard normal number, of whose variance the share options.attributes comes from the profile. */
double mi_simulate_trait(struct mi_simulator *simulator, const struct profile *profile,
                         enum quantity quantity);

/* Fills the columns of a user's behaviour and gives its value, whose mean is `mean`. */
double mi_simulate_behaviour(gsl_rng *random, double *columns, size_t count, double mean);

/* Draws the market's prices of each day. */
void mi_simulate_prices(struct mi_simulator *simulator);
/* Impressions, clicks and reach of the campaign's days, whose conversions are drawn. */
void mi_simulate_funnel(struct mi_simulator *simulator, size_t number);

/* Fills `level`, the last day's being 1. */
void mi_simulate_drift(struct mi_simulator *simulator, size_t number);
/* Fills `working`, from the spend of the days. */
void mi_simulate_carry(struct mi_simulator *simulator, size_t number);
/* Fills `known` and takes from the days' conversions what has not come in on the last day. */
void mi_simulate_delay(struct mi_simulator *simulator, size_t number);

/* Draws the true curve of campaign `number` into campaign.curve and gives its half saturation. */
enum mi_status mi_simulate_truth(struct mi_simulator *simulator, const struct profile *profile, size_t number,
                                 double *half, struct mi_error *error);

#endif
