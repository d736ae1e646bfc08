/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From spend to conversions by way of impressions and clicks. The true curve stays what it is: of its
 * bending, most is in the price of impressions, which rises with spend, and the rest in the conversion rate,
 * which falls with the frequency at which the same people are reached.
 */
#include <gsl/gsl_randist.h>
#include <math.h>

#include "simulate/simulate.h"

#define PRICE_SHARE   0.7 /* of the log of CPA that is in CPM */
#define FATIGUE       0.5 /* - elasticity of the conversion rate to frequency */
#define CPM_MEDIAN    8.0
#define CTR_MEDIAN    0.015
#define SPREAD        0.4 /* of the logs of both over campaigns */
#define CPM_NOISE     0.05
#define CTR_NOISE     0.05
#define FREQUENCY_LOW 2.5
#define MEMORY        0.95 /* of the market's prices, day to day */
#define PRICE_NOISE   0.04

void mi_simulate_prices(struct mi_simulator *simulator) {
    gsl_rng *random = simulator->random;
    mi_simulate_seed(random, simulator->options.seed, FOR_PRICES, 0);
    double price = 0, rival = 0;
    for (size_t i = 0; i < simulator->options.days; i++) {
        price = MEMORY * price + PRICE_NOISE * gsl_ran_ugaussian(random);
        rival = MEMORY * rival + PRICE_NOISE * gsl_ran_ugaussian(random);
        simulator->prices[i] = round(1e4 * exp(price)) / 100;
        simulator->rivals[i] = round(1e4 * exp(0.5 * price + rival)) / 100;
    }
}

void mi_simulate_funnel(struct mi_simulator *simulator, size_t number) {
    struct mi_simulated_campaign *campaign = &simulator->campaign;
    gsl_rng *random = simulator->random;
    mi_simulate_seed(random, simulator->options.seed, FOR_FUNNELS, number);
    double cpm = CPM_MEDIAN * exp(SPREAD * gsl_ran_ugaussian(random));
    double ctr = CTR_MEDIAN * exp(SPREAD * gsl_ran_ugaussian(random));
    double frequency = FREQUENCY_LOW + gsl_rng_uniform(random);
    double top = campaign->spend_max / mi_curve_users(&campaign->curve, campaign->spend_max);
    for (size_t i = 0; i < campaign->day_count; i++) {
        struct mi_simulated_day *day = &campaign->days[i];
        double users = mi_curve_users(&campaign->curve, day->spend);
        double cpa = users > 0 ? log(day->spend / users / top) : 0; /* over that at the highest spend */
        double price = cpm * exp(PRICE_SHARE * cpa + CPM_NOISE * gsl_ran_ugaussian(random)) *
                       pow(simulator->prices[i] / 100, simulator->options.market_effect);
        double often = frequency * exp((1 - PRICE_SHARE) * cpa / FATIGUE);
        double rate = ctr * exp(CTR_NOISE * gsl_ran_ugaussian(random));
        double shown = fmin(day->spend / price * 1000, 1e9);
        day->impressions = (double)gsl_ran_poisson(random, shown);
        double clicks = (double)gsl_ran_poisson(random, day->impressions * fmin(rate, 0.5));
        day->clicks = fmin(fmax(clicks, ceil(day->conversions)), day->impressions);
        day->reach =
            fmin(fmax(round(day->impressions / fmax(often, 1)), day->impressions > 0), day->impressions);
        day->cpm_index = simulator->prices[i];
        day->competition = simulator->rivals[i];
    }
}
