/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Experiments with simulated campaigns: what part of attributed conversions is incremental, and what a test
 * of it finds.
 */
#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

#include "simulate/simulate.h"

#define NETWORK_SPREAD 0.25 /* of log shares */
#define OWN_SPREAD     0.15
#define RAISE          1.5

/* A number for a network's name, so that its share is the same in every campaign. */
static uint64_t number_of(const char *name) {
    uint64_t number = 0;
    for (; *name; name++)
        number = number * 31 + (unsigned char)*name;
    return UINT64_C(0x80000000) + number % UINT64_C(0x40000000);
}

double mi_simulator_incrementality(const struct mi_simulator *simulator, size_t number, double mean,
                                   const struct mi_simulated_campaign *campaign) {
    gsl_rng *random = simulator->random;
    mi_simulate_seed(random, simulator->options.seed, FOR_SHARES, number_of(campaign->segment.ad_network));
    double log_share = NETWORK_SPREAD * gsl_ran_ugaussian(random);
    mi_simulate_seed(random, simulator->options.seed, FOR_SHARES, number);
    log_share += OWN_SPREAD * gsl_ran_ugaussian(random);
    double spread = NETWORK_SPREAD * NETWORK_SPREAD + OWN_SPREAD * OWN_SPREAD;
    return mean * exp(log_share - spread / 2);
}

struct mi_simulated_experiment mi_simulator_experiment(const struct mi_simulator *simulator, size_t number,
                                                       double incrementality, double error,
                                                       const struct mi_simulated_campaign *campaign) {
    gsl_rng *random = simulator->random;
    struct mi_simulated_experiment found;
    double budget = campaign->daily_budget;
    mi_simulate_seed(random, simulator->options.seed, FOR_EXPERIMENTS, number);
    bool holdout = gsl_rng_uniform(random) < 0.5;
    found.spend_before = holdout ? 0 : budget;
    found.spend_after = holdout ? budget : round(RAISE * budget);
    double truth = incrementality * (mi_curve_users(&campaign->curve, found.spend_after) -
                                     mi_curve_users(&campaign->curve, found.spend_before));
    found.standard_error = fmax(error * truth, 1e-6);
    found.conversions = truth + found.standard_error * gsl_ran_ugaussian(random);
    return found;
}
