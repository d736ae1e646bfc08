/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a simulated user did in the first days, as columns that tell something of what it will be worth.
 * Behind them stand two standard normal traits: engagement and willingness to spend. Columns come in five
 * kinds, each with its own loading and noise: counts, amounts of time, shares, early revenue that is mostly
 * 0, and noise of which some is missing; how much a column tells falls with its number.
 */
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdio.h>

#include "simulate/simulate.h"

#define PAYING_SHARE 0.25
#define KNOWN        0.65 /* correlation of the traits with what decides on paying */
#define KNOWN_AMOUNT 0.7  /* standard deviation of a payer's log value that the traits explain, of 1 */

static const char *const kinds[] = {"sessions", "minutes", "share", "early_revenue", "signal"};
enum { KINDS = 5 };

const char *mi_simulator_behaviour_name(size_t column, char out[32]) {
    snprintf(out, 32, "%s_%zu", kinds[column % KINDS], column / KINDS + 1);
    return out;
}

/* A column's value; engagement and spending are those of the user. */
static double behaviour_of(gsl_rng *random, size_t column, double engagement, double spending) {
    double strength = 1 / (1 + 0.25 * (double)(column / KINDS));
    double noise = gsl_ran_ugaussian(random);
    switch (column % KINDS) {
    case 0: { /* more sessions up to a point */
        double rate = exp(1.2 + strength * (0.7 * tanh(engagement) + 0.4 * spending) + 0.4 * noise);
        return gsl_ran_poisson(random, rate);
    }
    case 1:
        return round(exp(3 + strength * (0.8 * engagement + 0.3 * engagement * spending) + 0.5 * noise) *
                     10) /
               10;
    case 2: /* highest in the middle of one trait, rising with the other */
        return round(1e4 / (1 + exp(-strength * (spending - 0.5 * engagement * engagement) - noise))) / 1e4;
    case 3: {
        double threshold = gsl_ran_ugaussian(random);
        bool early = strength * spending + threshold > 1.4;
        return early ? round(100 * exp(1 + 0.7 * spending + 0.6 * noise)) / 100 : 0;
    }
    default:
        return gsl_rng_uniform(random) < 0.05 ? NAN
                                              : round(1e3 * (0.1 * strength * engagement + noise)) / 1e3;
    }
}

double mi_simulate_behaviour(gsl_rng *random, double *columns, size_t count, double mean) {
    double engagement = gsl_ran_ugaussian(random), spending = gsl_ran_ugaussian(random);
    double trait = 0.8 * spending + 0.6 * engagement;
    for (size_t i = 0; i < count; i++) {
        columns[i] = behaviour_of(random, i, engagement, spending);
    }
    double decides = KNOWN * trait + sqrt(1 - KNOWN * KNOWN) * gsl_ran_ugaussian(random);
    double amount = KNOWN_AMOUNT * trait + sqrt(1 - KNOWN_AMOUNT * KNOWN_AMOUNT) * gsl_ran_ugaussian(random);
    double threshold = gsl_cdf_ugaussian_Qinv(PAYING_SHARE);
    /* E[exp(amount); decides > threshold] = exp(1/2) Phi(correlation - threshold) */
    double scale = mean / (exp(0.5) * gsl_cdf_ugaussian_P(KNOWN * KNOWN_AMOUNT - threshold));
    return decides > threshold ? scale * exp(amount) : 0;
}
