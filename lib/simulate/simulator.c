/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A simulator's options and its life.
 */
#include <math.h>
#include <stdlib.h>

#include "simulate/simulate.h"

#define DAYS_LIMIT 36500
#define FIRST_DATE (-719528) /* 0000-01-01 */
#define LAST_DATE  2932896   /* 9999-12-31 */

struct mi_simulation mi_simulation_default(void) {
    return (struct mi_simulation){
        .seed = 1,
        .start = 20454, /* 2026-01-01 */
        .days = 90,
        .history = 365,
        .attributes = 0,
        .outliers = 0.02,
        .condition = MI_SIMULATE_STANDARD,
        .noise = MI_SIMULATE_COUNTS,
    };
}

static enum mi_status check(const struct mi_simulation *options, struct mi_error *error) {
    if (options->days < 1 || options->days > DAYS_LIMIT || options->history < 1 ||
        options->history > DAYS_LIMIT) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "days to simulate: 1 to %d", DAYS_LIMIT);
    }
    if (options->start < FIRST_DATE || options->start > LAST_DATE - DAYS_LIMIT) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "dates to simulate: years 0 to 9899");
    }
    if (!(options->attributes >= 0 && options->attributes <= 1)) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "share explained by attributes: 0 to 1");
    }
    if (!(fabs(options->market_effect) <= 10)) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "effect of the market: -10 to 10");
    }
    if (options->behaviour > MI_BEHAVIOUR_MOST) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "columns of behaviour: at most %d", MI_BEHAVIOUR_MOST);
    }
    if (!(options->drift >= 0 && options->drift <= 1)) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "drift of the level in a week: 0 to 1");
    }
    if (!(options->delay >= 0 && options->delay <= MI_SIMULATE_DELAY_MOST)) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "mean delay of conversions: 0 to %g days",
                            MI_SIMULATE_DELAY_MOST);
    }
    if (!(options->adstock >= 0 && options->adstock < 1)) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "rate of carry-over: 0 to below 1");
    }
    if (!(options->outliers >= 0 && options->outliers <= 1)) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "share of outliers: 0 to 1");
    }
    return MI_OK;
}

static bool allocate_room(struct mi_simulator *simulator) {
    struct mi_simulated_campaign *campaign = &simulator->campaign;
    size_t days = simulator->options.days;
    campaign->day_count = days;
    campaign->ages = mi_simulation_ages(simulator->options.delay);
    campaign->days = calloc(days, sizeof *campaign->days);
    simulator->prices = calloc(days, sizeof *simulator->prices);
    simulator->rivals = calloc(days, sizeof *simulator->rivals);
    simulator->level = calloc(days, sizeof *simulator->level);
    simulator->working = calloc(days, sizeof *simulator->working);
    simulator->known = calloc(days * campaign->ages + 1, sizeof *simulator->known);
    campaign->known = simulator->known;
    simulator->behaviour = calloc(simulator->options.behaviour + 1, sizeof *simulator->behaviour);
    return simulator->random != NULL && simulator->users != NULL && simulator->timing != NULL &&
           campaign->days != NULL && simulator->prices != NULL && simulator->rivals != NULL &&
           simulator->level != NULL && simulator->working != NULL && simulator->known != NULL &&
           simulator->behaviour != NULL;
}

enum mi_status mi_simulator_new(const struct mi_simulation *options, struct mi_simulator **out,
                                struct mi_error *error) {
    enum mi_status status = check(options, error);
    if (status != MI_OK) {
        return status;
    }
    struct mi_simulator *simulator = calloc(1, sizeof *simulator);
    if (simulator == NULL) {
        return mi_error_set(error, MI_NO_MEMORY, "no memory for the simulator");
    }
    simulator->options = *options;
    simulator->random = gsl_rng_alloc(gsl_rng_mt19937);
    simulator->users = gsl_rng_alloc(gsl_rng_mt19937);
    simulator->timing = gsl_rng_alloc(gsl_rng_mt19937);
    if (!allocate_room(simulator)) {
        mi_simulator_free(simulator);
        return mi_error_set(error, MI_NO_MEMORY, "no memory for the simulator");
    }
    mi_simulate_attributes(simulator);
    if (options->funnel) {
        mi_simulate_prices(simulator);
    }
    mi_simulate_seed(simulator->users, options->seed, FOR_USERS, 0);
    *out = simulator;
    return MI_OK;
}

void mi_simulator_free(struct mi_simulator *simulator) {
    if (simulator == NULL) {
        return;
    }
    mi_curve_clear(&simulator->campaign.curve);
    free(simulator->campaign.days);
    free(simulator->prices);
    free(simulator->rivals);
    free(simulator->behaviour);
    free(simulator->level);
    free(simulator->working);
    free(simulator->known);
    gsl_rng_free(simulator->timing);
    gsl_rng_free(simulator->random);
    gsl_rng_free(simulator->users);
    free(simulator);
}
