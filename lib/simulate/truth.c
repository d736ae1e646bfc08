/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The true curve of a simulated campaign. Its numbers are rounded as the text of the curve shows them, so
 * that the text is the truth itself.
 */
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>

#include "simulate/simulate.h"

#define HALF_LOW   500.0
#define HALF_HIGH  30000.0
#define CPA_MEDIAN 20.0
#define CPA_SPREAD 0.3  /* of its logarithm */
#define KNOTS      64   /* of the threshold curve */
#define LAST_KNOT  0.94 /* of the ceiling */

/* x rounded to 1 / power, as the double nearest to that decimal. */
static double decimals(double x, double power) {
    return round(x * power) / power;
}

/* Half of the campaigns uniform 0.7 to 1, half 1 to 3, by a uniform number. */
static double shape_of(double u) {
    return u < 0.5 ? 0.7 + 0.3 * (2 * u) : 1 + 2 * (2 * u - 1);
}

static struct mi_curve hill(double ceiling, double half, double shape) {
    return (struct mi_curve){.family = MI_CURVE_HILL, .parameter = {ceiling, half, shape}};
}

static enum mi_status two_steps(struct mi_curve *curve, double ceiling, double half, struct mi_error *error) {
    struct mi_curve *parts = calloc(2, sizeof *parts);
    double *weights = calloc(2, sizeof *weights);
    if (parts == NULL || weights == NULL) {
        free(parts);
        free(weights);
        return mi_error_set(error, MI_NO_MEMORY, "no memory for a curve");
    }
    parts[0] = hill(ceiling, decimals(0.4 * half, 100), 2.2);
    parts[1] = hill(ceiling, decimals(2.2 * half, 100), 2.5);
    weights[0] = 0.45;
    weights[1] = 0.55;
    *curve = (struct mi_curve){.family = MI_CURVE_MIX, .count = 2, .parts = parts, .weights = weights};
    return MI_OK;
}

/* Nothing up to a quarter of half, then z / (z + half) of the ceiling at a spend of half / 4 + z: by points,
 * even in users, up to 94 % of the ceiling. */
static enum mi_status threshold(struct mi_curve *curve, double ceiling, double half, struct mi_error *error) {
    struct mi_curve_point *points = calloc(KNOTS, sizeof *points);
    if (points == NULL) {
        return mi_error_set(error, MI_NO_MEMORY, "no memory for a curve");
    }
    for (size_t i = 0; i < KNOTS; i++) {
        double share = i == 0 ? 2e-4 : LAST_KNOT * (double)i / (KNOTS - 1);
        double spend = decimals(half / 4 + half * share / (1 - share), 100);
        points[i] = (struct mi_curve_point){.spend = spend, .cpa = decimals(spend / (ceiling * share), 1e5)};
    }
    *curve = (struct mi_curve){.family = MI_CURVE_POINTS, .count = KNOTS, .points = points};
    return MI_OK;
}

/* One of four curves that are no Hill, in turn. */
static enum mi_status no_hill(struct mi_curve *curve, size_t number, double ceiling, double half,
                              struct mi_error *error) {
    switch (number % 4) {
    case 0:
        return two_steps(curve, ceiling, half, error);
    case 1:
        return threshold(curve, ceiling, half, error);
    case 2: /* 0.55 log(1 + 2.2 s / half) of the ceiling */
        *curve = (struct mi_curve){.family = MI_CURVE_LOG,
                                   .parameter = {decimals(0.55 * ceiling, 1e3), decimals(half / 2.2, 100)}};
        return MI_OK;
    default: /* 1 - exp(-0.9 s / half) of the ceiling: half of it at log 2 / 0.9 */
        *curve = (struct mi_curve){.family = MI_CURVE_EXP,
                                   .parameter = {ceiling, decimals(half * log(2) / 0.9, 100)}};
        return MI_OK;
    }
}

enum mi_status mi_simulate_truth(struct mi_simulator *simulator, const struct profile *profile, size_t number,
                                 double *half, struct mi_error *error) {
    double u = gsl_cdf_ugaussian_P(mi_simulate_trait(simulator, profile, HALF_SATURATION));
    double cpa = CPA_MEDIAN * exp(CPA_SPREAD * mi_simulate_trait(simulator, profile, HALF_CPA));
    double shape = shape_of(gsl_cdf_ugaussian_P(mi_simulate_trait(simulator, profile, SHAPE)));
    *half = decimals(HALF_LOW * pow(HALF_HIGH / HALF_LOW, u), 100);
    double ceiling = decimals(2 * *half / cpa, 1e3);
    if (simulator->options.condition == MI_SIMULATE_NO_HILL) {
        return no_hill(&simulator->campaign.curve, number, ceiling, *half, error);
    }
    simulator->campaign.curve = hill(ceiling, *half, decimals(shape, 1e4));
    return MI_OK;
}
