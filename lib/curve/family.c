/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The families that can be fitted, in log coordinates: shape[0] = log(half, middle or spread / highest
 * spend), or the log of power's exponent; shape[1] = log of Hill's exponent, or of rate * middle.
 */
#include <math.h>
#include <stdlib.h>

#include "curve/curve.h"
#include "curve/fit.h"
#include "num/sigmoid.h"

#define DIGITS 7 /* far more than the data hold, few enough to be read */
#define LN2    0.693147180559945309417232121458
#define STEP   1e-4 /* of numerical derivatives, in logs */

#define TAIL_MOST 2.5

const double fit_reach[REACHES] = {0.15, 0.4, 0.7, 1, 1.5, 2, 3};
const double fit_log_reach[REACHES] = {-1.8971199848858813, -0.916290731874155, -0.3566749439387324, 0,
                                       0.4054651081081644,  0.6931471805599453, 1.0986122886681098};

static void hill(const double *shape, const double *x, size_t n, double *log_share) {
    double k = exp(shape[1]);
    for (size_t i = 0; i < n; i++)
        log_share[i] = k * (x[i] - shape[0]);
    mi_log_sigmoid(log_share, n);
}

/* Hill's for exponents up to TAIL_MOST. One above has the sharp start alone, a power of a curve that comes
 * near its ceiling no faster than with that: a threshold is no early end. */
static void hill_believed(const double *shape, const double *x, size_t n, double *log_share) {
    double k = exp(shape[1]), tail = fmin(k, TAIL_MOST);
    for (size_t i = 0; i < n; i++)
        log_share[i] = tail * (x[i] - shape[0]);
    mi_log_sigmoid(log_share, n);
    for (size_t i = 0; i < n && k > tail; i++)
        log_share[i] *= k / tail;
}

static void mm(const double *shape, const double *x, size_t n, double *log_share) {
    for (size_t i = 0; i < n; i++)
        log_share[i] = x[i] - shape[0];
    mi_log_sigmoid(log_share, n);
}

static void exponential(const double *shape, const double *x, size_t n, double *log_share) {
    for (size_t i = 0; i < n; i++)
        log_share[i] = log(-expm1(-LN2 * exp(x[i] - shape[0])));
}

/* g(s) = exp(-e^(R (1 - u))), u = s / middle: see gompertz_users() in curve.c */
static void gompertz(const double *shape, const double *x, size_t n, double *log_share) {
    double steep = fmin(exp(shape[1]), 500), base = exp(steep);
    for (size_t i = 0; i < n; i++) {
        double u = exp(x[i] - shape[0]), rise = exp(steep + log(-expm1(-steep * u)));
        log_share[i] = -exp(steep * (1 - u)) + log(-expm1(-rise)) - log(-expm1(-base));
    }
}

static void logistic(const double *shape, const double *x, size_t n, double *log_share) {
    double steep = fmin(exp(shape[1]), 500);
    for (size_t i = 0; i < n; i++) {
        double u = exp(x[i] - shape[0]);
        log_share[i] = log(-expm1(-steep * u)) - log1p(exp(steep * (1 - u)));
    }
}

static void power(const double *shape, const double *x, size_t n, double *log_share) {
    for (size_t i = 0; i < n; i++)
        log_share[i] = exp(shape[0]) * x[i];
}

static void logarithm(const double *shape, const double *x, size_t n, double *log_share) {
    for (size_t i = 0; i < n; i++)
        log_share[i] = log(log1p(exp(x[i] - shape[0])));
}

/* Prior before anything is learnt: the highest spend is about half saturation, give or take a factor of 2.2,
 * and the exponent lies between 0.64 and 1.57. A family of one shape parameter is farther from the truth than
 * Hill, which bends as it must: its misfit is larger, and the backtest says which of them is the better
 * guess. */
static const struct fit_family families[] = {
    {MI_CURVE_HILL, 2, {0, 0}, {0.8, 0.45}, {0.2, 0.3}, 0.02, hill, hill_believed},
    {MI_CURVE_MM, 1, {0}, {0.8}, {0.7}, 0.15, mm, mm},
    {MI_CURVE_EXP, 1, {0}, {0.8}, {0.7}, 0.15, exponential, exponential},
    {MI_CURVE_GOMPERTZ, 2, {-0.7, 0}, {0.8, 0.45}, {0.35, 0.45}, 0.05, gompertz, gompertz},
    {MI_CURVE_LOGISTIC, 2, {-0.7, 0.3}, {0.8, 0.45}, {0.35, 0.45}, 0.05, logistic, logistic},
    {MI_CURVE_POWER, 1, {-0.5}, {0.3}, {0.15}, 0.15, power, power},
    {MI_CURVE_LOG, 1, {-0.7}, {0.8}, {0.7}, 0.15, logarithm, logarithm},
};

const struct fit_family *fit_family_of(enum mi_curve_family family) {
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (families[i].family == family)
            return &families[i];
    return NULL;
}

void fit_family_derivative(const struct fit_family *family, const double *shape, size_t k, const double *x,
                           size_t n, double *by) {
    double up[SHAPES] = {shape[0], shape[1]}, down[SHAPES] = {shape[0], shape[1]}, low[2 * REACHES];
    up[k] += STEP;
    down[k] -= STEP;
    family->log_shares(up, x, n, by);
    family->log_shares(down, x, n, low);
    for (size_t i = 0; i < n; i++)
        by[i] = (by[i] - low[i]) / (2 * STEP);
}

double fit_family_elasticity(const struct fit_family *family, const double *shape) {
    static const double around[2] = {STEP, -STEP};
    double log_share[2];
    family->log_shares(shape, around, 2, log_share);
    return (log_share[0] - log_share[1]) / (2 * STEP);
}

double fit_family_anchor(const struct fit_family *family, const double *shape) {
    if (family->family == MI_CURVE_POWER) /* has no half saturation */
        return 0;
    double log_share[2];
    const double x[2] = {0, shape[0]};
    family->log_shares(shape, x, 2, log_share);
    return log_share[0] - log_share[1] + shape[0];
}

double fit_family_place(const struct fit_family *family, const double *shape, double elasticity) {
    double low = -10, high = 10; /* elasticity rises with the first shape parameter */
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

/* Logs of the curve's parameters, and their derivatives by level and shape. */
static void text_parameters(const struct fit_family *family, const double parameter[PARAMETERS], double spend,
                            double logs[PARAMETERS], double rows[PARAMETERS][PARAMETERS]) {
    static const double top = 0;
    double share, log_spend = log(spend);
    const double *shape = parameter + 1;
    family->log_shares(shape, &top, 1, &share);
    for (size_t i = 0; i < PARAMETERS; i++)
        for (size_t j = 0; j < PARAMETERS; j++)
            rows[i][j] = i == j;
    logs[0] = parameter[0] + log_spend - share; /* users at the highest spend = ceiling * share */
    logs[1] = shape[0] + log_spend;
    logs[2] = shape[1];
    for (size_t k = 0; k < family->shapes; k++) {
        fit_family_derivative(family, shape, k, &top, 1, &rows[0][1 + k]);
        rows[0][1 + k] = -rows[0][1 + k];
    }
    if (family->family == MI_CURVE_POWER) {
        logs[0] = parameter[0] + log_spend * (1 - exp(shape[0]));
        logs[1] = shape[0];
        rows[0][1] = -exp(shape[0]) * log_spend;
    } else if (family->family == MI_CURVE_GOMPERTZ || family->family == MI_CURVE_LOGISTIC) {
        logs[2] = shape[1] - logs[1]; /* rate = steepness / middle */
        rows[2][1] = -1;
    }
}

size_t fit_family_curve(const struct fit_family *family, const double parameter[PARAMETERS],
                        double covariance[PARAMETERS][PARAMETERS], double spend_max, struct mi_curve *curve,
                        double *triangle) {
    double logs[PARAMETERS], rows[PARAMETERS][PARAMETERS];
    size_t count = 1 + family->shapes, used = 0;
    text_parameters(family, parameter, spend_max, logs, rows);
    *curve = (struct mi_curve){.family = family->family};
    for (size_t k = 0; k < count; k++)
        curve->parameter[k] =
            within(fit_round(exp(logs[k])), PARAMETER_LEAST, curve_parameter_most(family->family, k));
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
