/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A market played day by day: what a day brings, what is seen of it and when, and what who knows the truth
 * does.
 */
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>

#include "simulate/market.h"

#define HISTORY_MEMORY 0.8  /* correlation of a day's spend with the day before, before anyone decides */
#define HISTORY_SPREAD 0.5  /* of its logarithm */
#define DISPERSION     20.0 /* of a day's conversions about their mean */
#define OUTLIERS       0.01 /* share of days that were recorded wrongly */
#define PAYER_SPREAD   3.0  /* standard deviation of one user's value over its mean */
#define MATURE_DAYS    90

enum market_purpose { FOR_HISTORY = 24, FOR_DAY };

struct mi_market_options mi_market_default(void) {
    return (struct mi_market_options){
        .seed = 1,
        .campaigns = 60,
        .history = 28,
        .days = 120,
        .start = 20454, /* 2026-01-01 */
        .attributes = 0.4,
        .ltv_error = 0.08,
    };
}

static double cents(double money) {
    return round(money * 100) / 100;
}

/* ---- a day ---- */

static double outlier(gsl_rng *random) {
    double u = gsl_rng_uniform(random), v = gsl_rng_uniform(random);
    if (u >= OUTLIERS) {
        return 1;
    }
    return v < 0.5 ? 0.3 * (2 * v) : 2.5 + 2.5 * (2 * v - 1);
}

/* What a campaign's day brings, and how it becomes known. The generator of the day is the campaign's own:
 * luck is the same whatever is spent elsewhere. */
static void play(struct mi_market *market, size_t number, double spend) {
    struct market_campaign *campaign = &market->campaigns[number];
    struct market_record *record = &campaign->record[market->today];
    gsl_rng *random = market->random;
    mi_simulate_seed(random, market->options.seed, (enum purpose)FOR_DAY,
                     number * market->day_count + market->today);
    double mean = mi_curve_users(&campaign->known.curve, spend) * campaign->truth[market->today].factor;
    double luck = gsl_ran_gamma(random, DISPERSION, 1 / DISPERSION), wrong = outlier(random),
           value = gsl_ran_ugaussian(random);
    unsigned rest = gsl_ran_poisson(random, mean * luck * wrong);
    const double *arrival = market->arrival[campaign->network];
    double known = 0, before = 0;
    record->spend = spend;
    record->value = campaign->known.ltv * fmax(0.2, 1 + PAYER_SPREAD / sqrt(fmax(1, rest)) * value);
    for (size_t a = 0; a < ARRIVALS; a++) {
        double share = a + 1 < ARRIVALS ? (arrival[a] - before) / (1 - before) : 1;
        unsigned now = gsl_ran_binomial(random, share, rest);
        rest -= now;
        known += now;
        before = arrival[a];
        record->arrived[a] = known;
    }
}

/* Days before anyone decides: spends walk around the usual. */
static void play_history(struct mi_market *market) {
    double step = HISTORY_SPREAD * sqrt(1 - HISTORY_MEMORY * HISTORY_MEMORY);
    for (market->today = 0; market->today < market->options.history; market->today++) {
        for (size_t i = 0; i < market->options.campaigns; i++) {
            struct market_campaign *campaign = &market->campaigns[i];
            mi_simulate_seed(market->random, market->options.seed, (enum purpose)FOR_HISTORY,
                             i * market->day_count + market->today);
            double *walk = &campaign->walk;
            *walk = market->today == 0 ? HISTORY_SPREAD * gsl_ran_ugaussian(market->random)
                                       : HISTORY_MEMORY * *walk + step * gsl_ran_ugaussian(market->random);
            play(market, i, cents(campaign->usual * exp(*walk)));
        }
    }
}

/* ---- life ---- */

static enum mi_status check(const struct mi_market_options *options, struct mi_error *error) {
    if (options->campaigns < 1 || options->campaigns > 100000 || options->days < 1 ||
        options->days + options->history > 3650) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "a market has 1 to 100000 campaigns and 1 to 3650 days");
    }
    if (!(options->ltv_error >= 0 && options->ltv_error <= 1)) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "error of the known LTV: 0 to 1");
    }
    return MI_OK;
}

static enum mi_status allocate_room(struct mi_market *market, struct mi_error *error) {
    size_t count = market->options.campaigns;
    market->random = gsl_rng_alloc(gsl_rng_taus2);
    market->campaigns = calloc(count, sizeof *market->campaigns);
    market->shares = calloc(count, sizeof *market->shares);
    bool room = market->random != NULL && market->campaigns != NULL && market->shares != NULL;
    for (size_t i = 0; i < count && room; i++) {
        struct market_campaign *campaign = &market->campaigns[i];
        campaign->truth = calloc(market->day_count, sizeof *campaign->truth);
        campaign->record = calloc(market->day_count, sizeof *campaign->record);
        room = campaign->truth != NULL && campaign->record != NULL;
    }
    return room ? MI_OK : mi_error_set(error, MI_NO_MEMORY, "no memory for the market");
}

enum mi_status mi_market_new(const struct mi_market_options *options, struct mi_market **out,
                             struct mi_error *error) {
    struct mi_simulation simulation = mi_simulation_default();
    simulation.seed = options->seed;
    simulation.start = options->start;
    simulation.attributes = options->attributes;
    simulation.days = 1;
    enum mi_status status = check(options, error);
    struct mi_market *market = status == MI_OK ? calloc(1, sizeof *market) : NULL;
    if (market == NULL) {
        return status != MI_OK ? status : mi_error_set(error, MI_NO_MEMORY, "no memory for the market");
    }
    market->options = *options;
    market->day_count = options->history + options->days;
    status = mi_simulator_new(&simulation, &market->simulator, error);
    if (status == MI_OK) {
        status = allocate_room(market, error);
    }
    if (status == MI_OK) {
        status = mi_market_draw(market, error);
    }
    if (status != MI_OK) {
        mi_market_free(market);
        return status;
    }
    play_history(market);
    for (size_t i = 0; i < options->campaigns; i++) {
        market->budget += market->campaigns[i].usual;
    }
    market->budget = cents(market->budget);
    *out = market;
    return MI_OK;
}

void mi_market_free(struct mi_market *market) {
    if (market == NULL) {
        return;
    }
    for (size_t i = 0; market->campaigns != NULL && i < market->options.campaigns; i++) {
        mi_curve_clear(&market->campaigns[i].known.curve);
        free(market->campaigns[i].truth);
        free(market->campaigns[i].record);
    }
    free(market->campaigns);
    free(market->shares);
    gsl_rng_free(market->random);
    mi_simulator_free(market->simulator);
    free(market);
}

/* ---- what is known ---- */

const struct mi_market_campaign *mi_market_campaign(const struct mi_market *market, size_t number) {
    return &market->campaigns[number].known;
}

size_t mi_market_days_left(const struct mi_market *market) {
    return market->day_count - market->today;
}

size_t mi_market_days_played(const struct mi_market *market) {
    return market->today;
}

double mi_market_budget(const struct mi_market *market) {
    return market->budget;
}

static double accrued(size_t age) {
    return age >= MATURE_DAYS ? 1 : sqrt((double)age / MATURE_DAYS);
}

struct mi_market_observation mi_market_observe(const struct mi_market *market, size_t number, size_t day) {
    const struct market_record *record = &market->campaigns[number].record[day];
    size_t age = market->today - 1 - day;
    double conversions = record->arrived[age < ARRIVALS ? age : ARRIVALS - 1];
    return (struct mi_market_observation){
        .date = market->options.start + (int32_t)day,
        .spend = record->spend,
        .conversions = conversions,
        .revenue = cents(conversions * record->value * accrued(age + 1)),
    };
}

/* ---- what is done ---- */

static double truth_of(const struct mi_market *market, size_t number, enum mi_market_knowledge knowledge) {
    const struct market_truth *truth = market->campaigns[number].truth;
    switch (knowledge) {
    case MI_MARKET_LEVELS:
        return truth[market->today].level;
    case MI_MARKET_YESTERDAY:
        return truth[market->today > 0 ? market->today - 1 : 0].factor;
    default:
        return truth[market->today].factor;
    }
}

enum mi_status mi_market_best(const struct mi_market *market, enum mi_market_knowledge knowledge,
                              struct mi_allocation *allocation, struct mi_error *error) {
    size_t count = market->options.campaigns;
    for (size_t i = 0; i < count; i++) {
        const struct market_campaign *campaign = &market->campaigns[i];
        market->shares[i] = (struct mi_allocation_campaign){
            .id = mi_text_of(campaign->known.campaign_id),
            .curve = &campaign->known.curve,
            .ltv = campaign->known.ltv * truth_of(market, i, knowledge),
            .costs = campaign->costs,
            .max_budget = INFINITY,
            .today = NAN,
        };
    }
    struct mi_allocation_problem problem = {.campaigns = market->shares,
                                            .count = count,
                                            .budget = market->budget,
                                            .at_most = true,
                                            .objective = MI_OBJECTIVE_PROFIT};
    return mi_allocate(&problem, allocation, error);
}

double mi_market_profit(const struct mi_market *market, const double *budgets, struct mi_outcome *total) {
    double users = 0, revenue = 0, spend = 0, costs = 0;
    for (size_t i = 0; i < market->options.campaigns; i++) {
        const struct market_campaign *campaign = &market->campaigns[i];
        double mean =
            mi_curve_users(&campaign->known.curve, budgets[i]) * campaign->truth[market->today].factor;
        users += mean;
        revenue += mean * campaign->known.ltv;
        spend += budgets[i];
        costs += campaign->costs.rate * budgets[i] + campaign->costs.fixed;
    }
    if (total != NULL) {
        *total = (struct mi_outcome){.spend = spend,
                                     .users = users,
                                     .cpa = spend / users,
                                     .marginal_cpa = NAN,
                                     .revenue = revenue,
                                     .roas = revenue / spend,
                                     .total_costs = costs,
                                     .profit = revenue - costs,
                                     .roi = (revenue - costs) / costs * 100};
    }
    return revenue - costs;
}

void mi_market_day_truth(const struct mi_market *market, size_t number, double *level, double *factor) {
    *level = market->campaigns[number].truth[market->today].level;
    *factor = market->campaigns[number].truth[market->today].factor;
}

void mi_market_play(struct mi_market *market, const double *budgets) {
    for (size_t i = 0; i < market->options.campaigns; i++) {
        play(market, i, budgets[i]);
        market->campaigns[i].known.daily_budget = budgets[i];
    }
    market->today++;
}
