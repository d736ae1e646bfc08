/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Attributes of campaigns and users: their levels, how often each comes, and what they do to curves and LTV.
 */
#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

#include "simulate/simulate.h"

struct level {
    const char *name;
    double share;
};

struct attribute {
    size_t count;
    double weight; /* share of what the attributes explain; they sum to 1 */
    struct level levels[LEVEL_LIMIT];
};

static const struct attribute ATTRIBUTE[ATTRIBUTES] = {
    [NETWORK] =
        {5,
         0.4,
         {{"facebook", 0.30}, {"google", 0.28}, {"tiktok", 0.18}, {"apple_search", 0.14}, {"unity", 0.10}}},
    [TARGETING] = {5,
                   0.2,
                   {{"interest", 0.25},
                    {"lookalike_1pct", 0.25},
                    {"lookalike_5pct", 0.20},
                    {"broad", 0.20},
                    {"retargeting", 0.10}}},
    [GEO] = {6, 0.3, {{"US", 0.35}, {"GB", 0.15}, {"DE", 0.15}, {"BR", 0.15}, {"FR", 0.10}, {"JP", 0.10}}},
    [CREATIVE] = {3, 0.1, {{"video", 0.50}, {"image", 0.30}, {"carousel", 0.20}}},
};

#define LTV_MEDIAN      32.0
#define LTV_SPREAD      0.35 /* of log LTV, from the attributes one by one */
#define LTV_INTERACTION 0.15 /* of log LTV, from the segment as a whole */

/* One step of the splitmix64 sequence (Steele, Lea, Flood 2014): spreads neighbouring seeds. */
static uint64_t scramble(uint64_t x) {
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

void mi_simulate_seed(gsl_rng *random, uint64_t seed, enum purpose purpose, uint64_t number) {
    /* GSL's twister takes 32 bits. The number is added after the scrambling: no two objects of a purpose
     * share a seed. GSL takes 0 for 4357. */
    uint64_t start = scramble(scramble(seed) + (uint64_t)purpose) + number;
    unsigned long narrow = (unsigned long)(start & UINT32_MAX);
    gsl_rng_set(random, narrow != 0 ? narrow : 4357);
}

/* Centres and scales the effects of an attribute's levels over their shares. */
static void standardise(double *effect, const struct attribute *attribute) {
    double mean = 0, square = 0;
    for (size_t i = 0; i < attribute->count; i++) {
        mean += attribute->levels[i].share * effect[i];
    }
    for (size_t i = 0; i < attribute->count; i++) {
        effect[i] -= mean;
        square += attribute->levels[i].share * effect[i] * effect[i];
    }
    for (size_t i = 0; i < attribute->count; i++) {
        effect[i] /= sqrt(square);
    }
}

/* The profile's score for a quantity: mean 0, variance 1 over the profiles. */
static double score(const struct mi_simulator *simulator, const struct profile *profile,
                    enum quantity quantity) {
    double sum = 0;
    for (size_t a = 0; a < ATTRIBUTES; a++) {
        sum += sqrt(ATTRIBUTE[a].weight) * simulator->effect[quantity][a][profile->level[a]];
    }
    return sum;
}

static struct profile profile_of(size_t segment) {
    struct profile profile;
    for (size_t a = ATTRIBUTES; a-- > 0;) {
        profile.level[a] = segment % ATTRIBUTE[a].count;
        segment /= ATTRIBUTE[a].count;
    }
    return profile;
}

static size_t segment_of(const struct profile *profile) {
    size_t segment = 0;
    for (size_t a = 0; a < ATTRIBUTES; a++) {
        segment = segment * ATTRIBUTE[a].count + profile->level[a];
    }
    return segment;
}

void mi_simulate_attributes(struct mi_simulator *simulator) {
    gsl_rng *random = simulator->random;
    mi_simulate_seed(random, simulator->options.seed, FOR_EFFECTS, 0);
    for (size_t q = 0; q < QUANTITIES; q++) {
        for (size_t a = 0; a < ATTRIBUTES; a++) {
            for (size_t i = 0; i < ATTRIBUTE[a].count; i++) {
                simulator->effect[q][a][i] = gsl_ran_ugaussian(random);
            }
            standardise(simulator->effect[q][a], &ATTRIBUTE[a]);
        }
    }
    mi_simulate_seed(random, simulator->options.seed, FOR_SEGMENTS, 0);
    for (size_t i = 0; i < SEGMENT_COUNT; i++) {
        struct profile profile = profile_of(i);
        double ltv = LTV_MEDIAN * exp(LTV_SPREAD * score(simulator, &profile, LTV) +
                                      LTV_INTERACTION * gsl_ran_ugaussian(random));
        simulator->segment_ltv[i] = round(ltv * 100) / 100;
    }
}

struct profile mi_simulate_profile(gsl_rng *random) {
    struct profile profile;
    for (size_t a = 0; a < ATTRIBUTES; a++) {
        double u = gsl_rng_uniform(random);
        size_t i = 0;
        while (i + 1 < ATTRIBUTE[a].count && u >= ATTRIBUTE[a].levels[i].share) {
            u -= ATTRIBUTE[a].levels[i++].share;
        }
        profile.level[a] = i;
    }
    return profile;
}

struct mi_simulated_segment mi_simulate_segment(const struct mi_simulator *simulator,
                                                const struct profile *profile) {
    return (struct mi_simulated_segment){
        .ad_network = ATTRIBUTE[NETWORK].levels[profile->level[NETWORK]].name,
        .targeting_strategy = ATTRIBUTE[TARGETING].levels[profile->level[TARGETING]].name,
        .geo = ATTRIBUTE[GEO].levels[profile->level[GEO]].name,
        .creative_format = ATTRIBUTE[CREATIVE].levels[profile->level[CREATIVE]].name,
        .ltv = simulator->segment_ltv[segment_of(profile)],
    };
}

double mi_simulate_trait(struct mi_simulator *simulator, const struct profile *profile,
                         enum quantity quantity) {
    double explained = simulator->options.attributes;
    return sqrt(explained) * score(simulator, profile, quantity) +
           sqrt(1 - explained) * gsl_ran_ugaussian(simulator->random);
}

size_t mi_simulator_segment_count(const struct mi_simulator *simulator) {
    (void)simulator;
    return SEGMENT_COUNT;
}

struct mi_simulated_segment mi_simulator_segment(const struct mi_simulator *simulator, size_t number) {
    struct profile profile = profile_of(number);
    return mi_simulate_segment(simulator, &profile);
}
