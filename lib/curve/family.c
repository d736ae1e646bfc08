/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The families that can be fitted, in log coordinates: shape[0] = log(half / highest spend), shape[1] = log
 * of Hill's exponent.
 */
#include <math.h>
#include <stdlib.h>

#include "curve/curve.h"
#include "curve/fit.h"

#define DIGITS 7 /* far more than the data hold, few enough to be read */
#define LN2    0.693147180559945309417232121458

static void hill_shares(const double *shape, const double *x, size_t n, double *share, double *by[SHAPES]) {
    double k = exp(shape[1]);
    for (size_t i = 0; i < n; i++) {
        double t = k * (x[i] - shape[0]);
        double p = 1 / (1 + exp(-t));
        share[i] = p;
        by[0][i] = -k * (1 - p);
        by[1][i] = t * (1 - p);
    }
}

static void mm_shares(const double *shape, const double *x, size_t n, double *share, double *by[SHAPES]) {
    for (size_t i = 0; i < n; i++) {
        double p = 1 / (1 + exp(shape[0] - x[i]));
        share[i] = p;
        by[0][i] = -(1 - p);
    }
}

static void exp_shares(const double *shape, const double *x, size_t n, double *share, double *by[SHAPES]) {
    for (size_t i = 0; i < n; i++) {
        double z = LN2 * exp(x[i] - shape[0]);
        double p = -expm1(-z);
        share[i] = p;
        by[0][i] = z > 700 ? 0 : -z / expm1(z);
    }
}

/* Prior before anything is learnt: the highest spend is about half saturation, give or take a factor of
 * 2.2, and the exponent lies between 0.64 and 1.57. */
static const struct fit_family families[] = {
    {MI_CURVE_HILL, 2, {0, 0}, {0.8, 0.45}, {0.7, 0.45}, hill_shares},
    {MI_CURVE_MM, 1, {0}, {0.8}, {0.7}, mm_shares},
    {MI_CURVE_EXP, 1, {0}, {0.8}, {0.7}, exp_shares},
};

const struct fit_family *fit_family_of(enum mi_curve_family family) {
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (families[i].family == family)
            return &families[i];
    return NULL;
}

double fit_family_elasticity(const struct fit_family *family, const double *shape) {
    static const double top = 0;
    double share, by[SHAPES];
    family->shares(shape, &top, 1, &share, (double *[SHAPES]){&by[0], &by[1]});
    return -by[0]; /* share is a function of x - shape[0] */
}

double fit_family_place(const struct fit_family *family, const double *shape, double elasticity) {
    double low = -10, high = 10; /* elasticity rises with half saturation */
    for (int i = 0; i < 60; i++) {
        double tried[SHAPES] = {(low + high) / 2, shape[1]};
        if (fit_family_elasticity(family, tried) < elasticity)
            low = tried[0];
        else
            high = tried[0];
    }
    return (low + high) / 2;
}

double fit_round(double value) {
    if (value == 0 || !isfinite(value))
        return value;
    int place = DIGITS - 1 - (int)floor(log10(fabs(value)));
    if (place < -300 || place > 300)
        return value;
    double unit = pow(10, abs(place)); /* exact where it matters: a whole number */
    return place < 0 ? round(value / unit) * unit : round(value * unit) / unit;
}

static double within(double value, double least, double most) {
    return value < least ? least : value > most ? most : value;
}

size_t fit_family_curve(const struct fit_family *family, const double parameter[PARAMETERS],
                        double covariance[PARAMETERS][PARAMETERS], double spend_max, struct mi_curve *curve,
                        double *triangle) {
    static const double top = 0;
    double share, by[SHAPES];
    family->shares(parameter + 1, &top, 1, &share, (double *[SHAPES]){&by[0], &by[1]});
    *curve = (struct mi_curve){.family = family->family};
    double logs[PARAMETERS] = {parameter[0] + log(spend_max) - log(share), parameter[1] + log(spend_max),
                               parameter[2]};
    size_t count = 1 + family->shapes;
    for (size_t k = 0; k < count; k++)
        curve->parameter[k] =
            within(fit_round(exp(logs[k])), PARAMETER_LEAST, curve_parameter_most(family->family, k));

    /* log ceiling = level - log share(top) + constant; the others are the shape itself */
    double rows[PARAMETERS][PARAMETERS] = {
        {1, -by[0], family->shapes > 1 ? -by[1] : 0}, {0, 1, 0}, {0, 0, 1}};
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t k = 0; k < count; k++)
                for (size_t l = 0; l < count; l++)
                    sum += rows[i][k] * covariance[k][l] * rows[j][l];
            triangle[used++] = fit_round(sum);
        }
    return used;
}
