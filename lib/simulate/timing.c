/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What makes a campaign's days differ from its curve but is no noise: a level that drifts, spend that works
 * on later days too, and conversions that come in late. The truth stays what it is: it is the last day's
 * level, for a spend that does not change, once all conversions are in.
 */
#include <gsl/gsl_randist.h>
#include <math.h>

#include "simulate/simulate.h"

#define WEEK        7.0
#define LATE_ENOUGH 0.01 /* of a day's conversions: what is still to come then comes at once */

/* Backwards from the last day, whose level is 1. */
void mi_simulate_drift(struct mi_simulator *simulator, size_t number) {
    gsl_rng *random = simulator->timing;
    size_t days = simulator->campaign.day_count;
    double level = 0;
    mi_simulate_seed(random, simulator->options.seed, FOR_DRIFTS, number);
    for (size_t i = days; i-- > 0;) {
        simulator->level[i] = exp(level);
        level += simulator->options.drift / sqrt(WEEK) * gsl_ran_ugaussian(random);
    }
}

/* Before its first day a campaign spent as on one of its days, which nobody is told. */
void mi_simulate_carry(struct mi_simulator *simulator, size_t number) {
    const struct mi_simulated_campaign *campaign = &simulator->campaign;
    double rate = simulator->options.adstock;
    mi_simulate_seed(simulator->timing, simulator->options.seed, FOR_CARRIES, number);
    double carried = campaign->days[gsl_rng_uniform_int(simulator->timing, campaign->day_count)].spend;
    for (size_t i = 0; i < campaign->day_count; i++) {
        carried = rate * carried + (1 - rate) * campaign->days[i].spend;
        simulator->working[i] = carried;
    }
}

size_t mi_simulation_ages(double delay) {
    return delay > 0 ? 1 + (size_t)ceil(log(LATE_ENOUGH) / log(delay / (1 + delay)) - 1e-9) : 0;
}

/* Conversions that come in on one day, of those that are still to come. */
static double arrive(struct mi_simulator *simulator, double left) {
    double share = 1 / (1 + simulator->options.delay);
    return simulator->options.noise == MI_SIMULATE_COUNTS
               ? (double)gsl_ran_binomial(simulator->timing, share, (unsigned)left)
               : left * share;
}

void mi_simulate_delay(struct mi_simulator *simulator, size_t number) {
    struct mi_simulated_campaign *campaign = &simulator->campaign;
    size_t ages = campaign->ages;
    mi_simulate_seed(simulator->timing, simulator->options.seed, FOR_DELAYS, number);
    for (size_t i = 0; i < campaign->day_count; i++) {
        struct mi_simulated_day *day = &campaign->days[i];
        double all = day->conversions, known = 0, *row = &simulator->known[i * ages];
        size_t old = campaign->day_count - 1 - i; /* on the last day */
        for (size_t age = 0; age < ages; age++) {
            known = age + 1 < ages ? known + arrive(simulator, all - known) : all;
            row[age] = age <= old ? known : NAN;
        }
        day->conversions = row[old < ages ? old : ages - 1];
    }
}
