/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Simulated users: most never pay, the others' value is lognormal, and young ones have not spent it all yet.
 */
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdio.h>

#include "simulate/simulate.h"

#define PAYING_SHARE 0.25
#define PAYER_SPREAD 1.0 /* of the logarithm of a payer's value */
#define MATURE_DAYS  90

/* Share of the 90-day value that has come in by an age: fast at first. */
static double accrued(int32_t age) {
    return age >= MATURE_DAYS ? 1 : sqrt((double)age / MATURE_DAYS);
}

void mi_simulator_user(struct mi_simulator *simulator, struct mi_simulated_user *user) {
    gsl_rng *random = simulator->users;
    const struct mi_simulation *options = &simulator->options;
    struct profile profile = mi_simulate_profile(random);
    snprintf(user->user_id, sizeof user->user_id, "u%08llu", (unsigned long long)++simulator->user_count);
    user->segment = mi_simulate_segment(simulator, &profile);
    int32_t day = (int32_t)gsl_rng_uniform_int(random, options->history);
    user->install_date = options->start + day;
    user->behaviour = simulator->behaviour;
    int32_t age = (int32_t)options->history - 1 - day;
    if (options->behaviour > 0) {
        double worth =
            mi_simulate_behaviour(random, simulator->behaviour, options->behaviour, user->segment.ltv);
        user->ltv_90d = round(worth * accrued(age) * 100) / 100;
        return;
    }
    bool pays = gsl_rng_uniform(random) < PAYING_SHARE;
    double payer_mean = user->segment.ltv / PAYING_SHARE;
    double value =
        payer_mean * exp(PAYER_SPREAD * gsl_ran_ugaussian(random) - PAYER_SPREAD * PAYER_SPREAD / 2);
    user->ltv_90d = pays ? round(value * accrued(age) * 100) / 100 : 0;
}
