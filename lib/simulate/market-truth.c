/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is true of a market's campaigns and days: curves, how their level moves, what happens to whole
 * networks and countries.
 */
#include <gsl/gsl_math.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "simulate/market.h"

#define HALF_LOW       600.0
#define HALF_HIGH      15000.0
#define CPA_MEDIAN     8.5
#define CPA_SPREAD     0.45  /* of its logarithm */
#define LTV_SPREAD     0.25  /* of a campaign's about its segment's, in logs */
#define USUAL_SHARE    0.45  /* of half saturation: what is spent at first */
#define USUAL_SPREAD   0.7   /* of its logarithm */
#define DRIFT          0.012 /* of the level, a day */
#define WEEKLY_SPREAD  0.06  /* of the level, from week to week */
#define SEASON         0.07  /* of a country: amplitude */
#define SHOCK_CHANCE   0.015 /* that a network's competition begins, a day */
#define NETWORK_SPREAD 0.14  /* of a network's day */
#define NETWORK_MEMORY 0.85
#define WEEKDAY_SPREAD 0.08 /* of a network's weekdays */
#define OWN_WEEKDAY    0.04 /* of a campaign's about its network's */

enum market_purpose { FOR_CAMPAIGN = 16, FOR_LEVEL, FOR_COUNTRY, FOR_NETWORK };

static void seed(struct mi_market *market, enum market_purpose purpose, size_t number) {
    mi_simulate_seed(market->random, market->options.seed, (enum purpose)purpose, number);
}

static double uniform(gsl_rng *random, double low, double high) {
    return low + (high - low) * gsl_rng_uniform(random);
}

static double cents(double money) {
    return round(money * 100) / 100;
}

/* Rounded to five significant digits, as people and tables have them. */
static double digits(double x) {
    char text[32];
    snprintf(text, sizeof text, "%.4e", x);
    return strtod(text, NULL);
}

static void draw_known(struct mi_market *market, struct market_campaign *campaign, size_t number) {
    static const double LIFETIMES[] = {14, 30, 45, 60, 90};
    struct mi_market_campaign *known = &campaign->known;
    gsl_rng *random = market->random;
    snprintf(known->campaign_id, sizeof known->campaign_id, "c%06zu", number + 1);
    known->ltv = digits(known->segment.ltv * exp(LTV_SPREAD * gsl_ran_ugaussian(random)));
    known->predicted_ltv = cents(known->ltv * exp(market->options.ltv_error * gsl_ran_ugaussian(random)));
    known->has_agency = gsl_rng_uniform(random) < 0.3;
    known->creative_production_cost = 100 * round(uniform(random, 2, 20));
    known->creative_lifetime_days = LIFETIMES[gsl_rng_uniform_int(random, 5)];
    struct mi_cost_rates rates = mi_cost_rates_default();
    campaign->costs = mi_campaign_costs_of(&rates, known->has_agency, known->creative_production_cost,
                                           known->creative_lifetime_days);
    campaign->usual =
        cents(fmax(10, USUAL_SHARE * campaign->half * exp(USUAL_SPREAD * gsl_ran_ugaussian(random))));
    known->daily_budget = campaign->usual;
}

static enum mi_status draw_campaign(struct mi_market *market, size_t number, struct mi_error *error) {
    struct market_campaign *campaign = &market->campaigns[number];
    seed(market, FOR_CAMPAIGN, number);
    mi_simulate_seed(market->simulator->random, market->options.seed, FOR_CAMPAIGNS, number);
    struct profile profile = mi_simulate_profile(market->simulator->random);
    double place = mi_simulate_trait(market->simulator, &profile, HALF_SATURATION);
    double cpa = CPA_MEDIAN * exp(CPA_SPREAD * mi_simulate_trait(market->simulator, &profile, HALF_CPA));
    campaign->network = profile.level[NETWORK];
    campaign->geo = profile.level[GEO];
    campaign->known.segment = mi_simulate_segment(market->simulator, &profile);
    campaign->half = HALF_LOW * pow(HALF_HIGH / HALF_LOW, (1 + erf(place / sqrt(2))) / 2);
    draw_known(market, campaign, number);
    return mi_market_curve(market, campaign->half, campaign->half / cpa, &campaign->known.curve, error);
}

/* Own drift and weekly shocks, a random walk that begins at 0. */
static void draw_levels(struct mi_market *market, size_t number) {
    struct market_campaign *campaign = &market->campaigns[number];
    seed(market, FOR_LEVEL, number);
    double own[7], walk = 0, week = 0;
    for (size_t w = 0; w < 7; w++) {
        own[w] = OWN_WEEKDAY * gsl_ran_ugaussian(market->random);
    }
    size_t phase = gsl_rng_uniform_int(market->random, 7);
    for (size_t t = 0; t < market->day_count; t++) {
        walk += DRIFT * gsl_ran_ugaussian(market->random);
        if (t == 0 || (t + phase) % 7 == 0) {
            week = WEEKLY_SPREAD * gsl_ran_ugaussian(market->random);
        }
        campaign->truth[t].level = walk + week;
        campaign->truth[t].factor = own[mi_date_weekday(market->options.start + (int32_t)t)];
    }
}

/* A wave of some weeks, of a country. */
static void draw_country(struct mi_market *market, size_t geo) {
    seed(market, FOR_COUNTRY, geo);
    double amplitude = SEASON * uniform(market->random, 0.5, 1.5), period = uniform(market->random, 50, 150),
           phase = uniform(market->random, 0, 1);
    for (size_t i = 0; i < market->options.campaigns; i++) {
        struct market_campaign *campaign = &market->campaigns[i];
        for (size_t t = 0; t < market->day_count && campaign->geo == geo; t++) {
            campaign->truth[t].level += amplitude * sin(2 * M_PI * ((double)t / period + phase));
        }
    }
}

/* Delay of conversions: a share on the day itself, the rest geometric. */
static void draw_arrival(struct mi_market *market, double arrival[ARRIVALS]) {
    double first = uniform(market->random, 0.6, 0.9), ratio = uniform(market->random, 0.3, 0.55), rest = 0;
    for (size_t a = 1; a < ARRIVALS; a++) {
        rest += pow(ratio, (double)a);
    }
    arrival[0] = first;
    for (size_t a = 1; a < ARRIVALS; a++) {
        arrival[a] = arrival[a - 1] + (1 - first) * pow(ratio, (double)a) / rest;
    }
    arrival[ARRIVALS - 1] = 1;
}

/* Weekdays, good and bad days, and competition that comes at once and goes after some days, of a network. */
static void draw_network(struct mi_market *market, size_t network) {
    seed(market, FOR_NETWORK, network);
    gsl_rng *random = market->random;
    double weekday[7], day = 0, shock = 0, left = 0;
    draw_arrival(market, market->arrival[network]);
    for (size_t w = 0; w < 7; w++) {
        weekday[w] = WEEKDAY_SPREAD * gsl_ran_ugaussian(random);
    }
    for (size_t t = 0; t < market->day_count; t++) {
        day = NETWORK_MEMORY * day +
              NETWORK_SPREAD * sqrt(1 - NETWORK_MEMORY * NETWORK_MEMORY) * gsl_ran_ugaussian(random);
        double begins = gsl_rng_uniform(random), depth = uniform(random, 0.15, 0.5),
               length = uniform(random, 5, 20);
        if (left <= 0 && begins < SHOCK_CHANCE) {
            shock = depth;
            left = length;
        }
        left -= 1;
        for (size_t i = 0; i < market->options.campaigns; i++) {
            struct market_campaign *campaign = &market->campaigns[i];
            if (campaign->network == network) {
                campaign->truth[t].level -= left > 0 ? shock : 0;
                campaign->truth[t].factor +=
                    day + weekday[mi_date_weekday(market->options.start + (int32_t)t)];
            }
        }
    }
}

enum mi_status mi_market_draw(struct mi_market *market, struct mi_error *error) {
    for (size_t i = 0; i < market->options.campaigns; i++) {
        enum mi_status status = draw_campaign(market, i, error);
        if (status != MI_OK) {
            return status;
        }
        draw_levels(market, i);
    }
    for (size_t level = 0; level < LEVEL_LIMIT; level++) {
        draw_country(market, level);
        draw_network(market, level);
    }
    for (size_t i = 0; i < market->options.campaigns; i++) {
        struct market_truth *truth = market->campaigns[i].truth;
        for (size_t t = 0; t < market->day_count; t++) {
            truth[t].level = exp(truth[t].level);
            truth[t].factor = truth[t].level * exp(truth[t].factor);
        }
    }
    return MI_OK;
}
