/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A simulated campaign: budgets, the walk of its spend, and the conversions of each day.
 */
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdio.h>

#include "simulate/simulate.h"

#define WALK_MEMORY      0.9 /* correlation of a day's spend with the day before */
#define WEEKDAY_LOW      0.8
#define WEEKDAY_HIGH     1.25
#define DISPERSION       20.0 /* of the gamma mean of counts: its variance is 1/20 */
#define LOGNORMAL_SPREAD 0.15

static double uniform(gsl_rng *random, double low, double high) {
    return low + (high - low) * gsl_rng_uniform(random);
}

static double log_uniform(gsl_rng *random, double low, double high) {
    return low * pow(high / low, gsl_rng_uniform(random));
}

static double cents(double money) {
    return round(money * 100) / 100;
}

/* Factors of mean 1 that all lie within the range: drawn until they do (about every second draw does). */
static void draw_weekdays(gsl_rng *random, double weekday[7]) {
    double low, high;
    do {
        double sum = 0;
        for (size_t i = 0; i < 7; i++) {
            weekday[i] = log_uniform(random, WEEKDAY_LOW, WEEKDAY_HIGH);
            sum += weekday[i];
        }
        low = WEEKDAY_HIGH;
        high = WEEKDAY_LOW;
        for (size_t i = 0; i < 7; i++) {
            weekday[i] *= 7 / sum;
            low = fmin(low, weekday[i]);
            high = fmax(high, weekday[i]);
        }
    } while (low < WEEKDAY_LOW || high > WEEKDAY_HIGH);
}

/* Lowest and highest spend as multiples of half saturation. */
static void draw_span(struct mi_simulator *simulator, double *low, double *high) {
    switch (simulator->options.condition) {
    case MI_SIMULATE_RANDOM_SPAN:
        *high = log_uniform(simulator->random, 0.3, 2);
        *low = *high * uniform(simulator->random, 0.15, 0.6);
        return;
    case MI_SIMULATE_LOW_SPEND:
        *low = 0.1;
        *high = 0.5;
        return;
    default:
        *low = 0.3;
        *high = 1.2;
    }
}

/* An AR(1) walk rescaled to touch both ends of the span; a walk of one day lies in the middle. */
static void walk_spend(struct mi_simulator *simulator, double low, double high) {
    struct mi_simulated_campaign *campaign = &simulator->campaign;
    double x = gsl_ran_gaussian(simulator->random, 1 / sqrt(1 - WALK_MEMORY * WALK_MEMORY));
    double least = x, most = x;
    for (size_t i = 0; i < campaign->day_count; i++) {
        campaign->days[i].spend = x;
        least = fmin(least, x);
        most = fmax(most, x);
        x = WALK_MEMORY * x + gsl_ran_ugaussian(simulator->random);
    }
    campaign->spend_min = HUGE_VAL;
    campaign->spend_max = 0;
    for (size_t i = 0; i < campaign->day_count; i++) {
        double share = most > least ? (campaign->days[i].spend - least) / (most - least) : 0.5;
        double spend = cents(low + (high - low) * share);
        campaign->days[i].spend = spend;
        campaign->spend_min = fmin(campaign->spend_min, spend);
        campaign->spend_max = fmax(campaign->spend_max, spend);
    }
}

/* What a day's mean is multiplied by; two draws whatever comes out, so that the share of outliers does not
 * change the other days. */
static double outlier(gsl_rng *random, double share) {
    double u = gsl_rng_uniform(random), v = gsl_rng_uniform(random);
    if (u >= share) {
        return 1;
    }
    return v < 0.5 ? 0.3 * (2 * v) : 2.5 + 2.5 * (2 * v - 1);
}

static double observe(gsl_rng *random, enum mi_simulation_noise noise, double mean) {
    switch (noise) {
    case MI_SIMULATE_COUNTS:
        return (double)gsl_ran_poisson(random, mean * gsl_ran_gamma(random, DISPERSION, 1 / DISPERSION));
    case MI_SIMULATE_LOGNORMAL:
        return cents(mean * exp(LOGNORMAL_SPREAD * gsl_ran_ugaussian(random) -
                                LOGNORMAL_SPREAD * LOGNORMAL_SPREAD / 2));
    default:
        return mean;
    }
}

static void draw_conversions(struct mi_simulator *simulator) {
    struct mi_simulated_campaign *campaign = &simulator->campaign;
    const struct mi_simulation *options = &simulator->options;
    for (size_t i = 0; i < campaign->day_count; i++) {
        struct mi_simulated_day *day = &campaign->days[i];
        day->date = options->start + (int32_t)i;
        double mean = mi_curve_users(&campaign->curve, simulator->working[i]) * simulator->level[i] *
                      campaign->weekday[mi_date_weekday(day->date)] *
                      (options->funnel ? pow(simulator->prices[i] / 100, -options->market_effect) : 1) *
                      outlier(simulator->random, options->outliers);
        day->conversions = observe(simulator->random, options->noise, mean);
    }
}

/* Budgets around what was spent of late: nothing in them tells the curve. */
static void draw_budgets(struct mi_simulator *simulator) {
    struct mi_simulated_campaign *campaign = &simulator->campaign;
    gsl_rng *random = simulator->random;
    size_t week = campaign->day_count < 7 ? campaign->day_count : 7;
    double sum = 0;
    for (size_t i = campaign->day_count - week; i < campaign->day_count; i++) {
        sum += campaign->days[i].spend;
    }
    campaign->daily_budget = fmax(1, round(sum / (double)week));
    double least = uniform(random, 0.1, 0.4) * campaign->daily_budget;
    campaign->min_budget = gsl_rng_uniform(random) < 1.0 / 3 ? round(least) : 0;
    campaign->max_budget = ceil(uniform(random, 1.5, 4) * campaign->daily_budget);
}

static void draw_production(struct mi_simulator *simulator) {
    static const double LIFETIMES[] = {14, 30, 45, 60, 90};
    struct mi_simulated_campaign *campaign = &simulator->campaign;
    gsl_rng *random = simulator->random;
    campaign->has_agency = gsl_rng_uniform(random) < 0.3;
    campaign->auto_optimization = gsl_rng_uniform(random) < 0.7;
    campaign->creative_production_cost = 100 * round(uniform(random, 5, 80));
    campaign->creative_lifetime_days = LIFETIMES[gsl_rng_uniform_int(random, 5)];
    bool ios = gsl_rng_uniform(random) < 0.45;
    campaign->os = ios ? "ios" : "android";
}

enum mi_status mi_simulator_campaign(struct mi_simulator *simulator, size_t number,
                                     const struct mi_simulated_campaign **out, struct mi_error *error) {
    struct mi_simulated_campaign *campaign = &simulator->campaign;
    double half, low, high;
    mi_simulate_seed(simulator->random, simulator->options.seed, FOR_CAMPAIGNS, number);
    snprintf(campaign->campaign_id, sizeof campaign->campaign_id, "c%06zu", number + 1);
    struct profile profile = mi_simulate_profile(simulator->random);
    campaign->segment = mi_simulate_segment(simulator, &profile);
    mi_curve_clear(&campaign->curve);
    campaign->curve = (struct mi_curve){.family = MI_CURVE_MM};
    enum mi_status status = mi_simulate_truth(simulator, &profile, number, &half, error);
    if (status != MI_OK) {
        return status;
    }
    draw_weekdays(simulator->random, campaign->weekday);
    draw_production(simulator);
    draw_span(simulator, &low, &high);
    walk_spend(simulator, low * half, high * half);
    draw_budgets(simulator);
    mi_simulate_drift(simulator, number);
    mi_simulate_carry(simulator, number);
    draw_conversions(simulator);
    if (simulator->options.funnel) {
        mi_simulate_funnel(simulator, number);
    }
    if (campaign->ages > 0) {
        mi_simulate_delay(simulator, number);
    }
    *out = campaign;
    return MI_OK;
}
