/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The true curves of a market: of more families than any fit assumes. Each is drawn in units of a spend
 * ("half", at which the campaign is about half saturated) and scaled to the users that the campaign has
 * there.
 */
#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>

#include "simulate/market.h"

#define KNOTS     24 /* of a threshold curve */
#define LAST_KNOT 0.97

static double uniform(gsl_rng *random, double low, double high) {
    return low + (high - low) * gsl_rng_uniform(random);
}

static double shape_of(gsl_rng *random) {
    return gsl_rng_uniform(random) < 0.5 ? uniform(random, 0.7, 1) : uniform(random, 1, 3);
}

static struct mi_curve hill(double half, double shape) {
    return (struct mi_curve){.family = MI_CURVE_HILL, .parameter = {1, half, shape}};
}

static struct mi_curve exponential(double half) {
    return (struct mi_curve){.family = MI_CURVE_EXP, .parameter = {1, half}};
}

static bool mix(struct mi_curve *curve, double weight, struct mi_curve one, struct mi_curve other) {
    curve->parts = calloc(2, sizeof *curve->parts);
    curve->weights = calloc(2, sizeof *curve->weights);
    curve->family = MI_CURVE_MIX;
    curve->count = 2;
    if (curve->parts == NULL || curve->weights == NULL) {
        return false;
    }
    curve->parts[0] = one;
    curve->parts[1] = other;
    curve->weights[0] = weight;
    curve->weights[1] = 1 - weight;
    return true;
}

/* Next to nothing up to a threshold, then a Michaelis-Menten curve. */
static bool threshold(struct mi_curve *curve, double from, double half) {
    curve->points = calloc(KNOTS, sizeof *curve->points);
    curve->family = MI_CURVE_POINTS;
    curve->count = KNOTS;
    if (curve->points == NULL) {
        return false;
    }
    for (size_t i = 0; i < KNOTS; i++) {
        double share = i == 0 ? 1e-3 : LAST_KNOT * (double)i / (KNOTS - 1);
        double spend = from + half * share / (1 - share);
        curve->points[i] = (struct mi_curve_point){.spend = spend, .cpa = spend / share};
    }
    return true;
}

static bool draw(struct mi_curve *curve, gsl_rng *random, double half) {
    double u = gsl_rng_uniform(random);
    *curve = (struct mi_curve){.family = MI_CURVE_MM};
    if (u < 0.25) {
        *curve = hill(half, shape_of(random));
    } else if (u < 0.40) {
        *curve = exponential(half * uniform(random, 0.5, 1.2));
    } else if (u < 0.55) { /* two audiences, one after the other */
        return mix(curve, uniform(random, 0.35, 0.6),
                   hill(half * uniform(random, 0.3, 0.6), uniform(random, 1.5, 2.5)),
                   hill(half * uniform(random, 1.8, 3), uniform(random, 1.8, 3)));
    } else if (u < 0.65) {
        return threshold(curve, half * uniform(random, 0.1, 0.3), half * uniform(random, 0.6, 1.2));
    } else if (u < 0.75) {
        *curve = (struct mi_curve){.family = MI_CURVE_LOG, .parameter = {1, half / uniform(random, 1, 4)}};
    } else if (u < 0.85) {
        *curve = (struct mi_curve){.family = MI_CURVE_POWER, .parameter = {1, uniform(random, 0.4, 0.75)}};
    } else {
        return mix(curve, uniform(random, 0.3, 0.7), hill(half * uniform(random, 0.5, 2), shape_of(random)),
                   exponential(half * uniform(random, 0.3, 1)));
    }
    return true;
}

/* Multiplies the users that a curve gives. */
static void scale(struct mi_curve *curve, double factor) {
    switch (curve->family) {
    case MI_CURVE_POINTS:
        for (size_t i = 0; i < curve->count; i++) {
            curve->points[i].cpa /= factor;
        }
        return;
    case MI_CURVE_MIX:
        for (size_t i = 0; i < curve->count; i++) {
            scale(&curve->parts[i], factor);
        }
        return;
    default:
        curve->parameter[0] *= factor;
    }
}

enum mi_status mi_market_curve(struct mi_market *market, double half, double users, struct mi_curve *curve,
                               struct mi_error *error) {
    if (!draw(curve, market->random, half)) {
        return mi_error_set(error, MI_NO_MEMORY, "no memory for a curve");
    }
    scale(curve, users / mi_curve_users(curve, half));
    return MI_OK;
}
