/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The families of curves: users, slope and second derivative at a spend, ceiling, saturation, and the
 * gradient that the delta method needs. Each family is written so that nothing cancels and nothing overflows
 * for parameters within PARAMETER_LEAST to PARAMETER_MOST and spends up to MI_MONEY_LIMIT.
 */
#include <float.h>
#include <math.h>

#include "curve/curve.h"
#include "mi.h"

#define LN2 0.693147180559945309417232121458

/* log(spend / half) where the quotient itself may leave the range of double. */
static double log_ratio(double spend, double half) {
    double ratio = spend / half;
    if (ratio > DBL_MIN && ratio < DBL_MAX)
        return log(ratio);
    return log(spend) - log(half);
}

/* 1 / (1 + exp(-t)) */
static double sigmoid(double t) {
    return 1 / (1 + exp(-t));
}

/* ---- hill: p = sigmoid(shape log(s / half)) ---- */

static double hill_users(const double *p, double s) {
    return p[0] * sigmoid(p[2] * log_ratio(s, p[1]));
}

static double hill_slope(const double *p, double s) {
    if (s <= 0)
        return p[2] < 1 ? INFINITY : p[2] > 1 ? 0 : p[0] / p[1];
    double t = p[2] * log_ratio(s, p[1]);
    return p[0] * p[2] / s * sigmoid(t) * sigmoid(-t);
}

static double hill_bend(const double *p, double s) {
    double t = p[2] * log_ratio(s, p[1]);
    /* d/ds of c k/s q(1-q), q' = k/s q(1-q): slope/s (k (1 - 2q) - 1), and 1 - 2q = -tanh(t/2) */
    return hill_slope(p, s) / s * (-p[2] * tanh(t / 2) - 1);
}

/* ---- exp ---- */

static double exp_users(const double *p, double s) {
    return -p[0] * expm1(-LN2 * (s / p[1]));
}

static double exp_slope(const double *p, double s) {
    return p[0] * LN2 / p[1] * exp(-LN2 * (s / p[1]));
}

static double exp_bend(const double *p, double s) {
    return -LN2 / p[1] * exp_slope(p, s);
}

/* ---- logistic: with x = rate (middle - s), (g(s) - g(0)) / (1 - g(0)) = (1 - e^(-rate s)) / (1 + e^x) ----
 */

static double logistic_users(const double *p, double s) {
    return -p[0] * expm1(-p[2] * s) * sigmoid(p[2] * (s - p[1]));
}

static double logistic_slope(const double *p, double s) {
    double q = sigmoid(p[2] * (s - p[1]));
    return p[0] * p[2] * q * (exp(-p[2] * s) * q + sigmoid(p[2] * (p[1] - s)));
}

static double logistic_bend(const double *p, double s) {
    return -p[2] * tanh(p[2] * (s - p[1]) / 2) * logistic_slope(p, s);
}

/* ---- gompertz: g(s) = exp(-e^x), x = rate (middle - s); g(0) = exp(-b), b = e^(rate middle) ---- */

static double gompertz_users(const double *p, double s) {
    double x = p[2] * (p[1] - s);
    double b = exp(p[2] * p[1]);
    double rise = exp(p[2] * p[1] + log(-expm1(-p[2] * s))); /* b - e^x */
    return p[0] * exp(-exp(x)) * expm1(-rise) / expm1(-b);
}

static double gompertz_slope(const double *p, double s) {
    double x = p[2] * (p[1] - s);
    return -p[0] * p[2] * exp(x - exp(x)) / expm1(-exp(p[2] * p[1]));
}

static double gompertz_bend(const double *p, double s) {
    double slope = gompertz_slope(p, s);
    return slope > 0 ? p[2] * expm1(p[2] * (p[1] - s)) * slope : 0;
}

/* ---- power and log ---- */

static double power_slope(const double *p, double s) {
    if (s <= 0)
        return p[1] < 1 ? INFINITY : p[1] > 1 ? 0 : p[0];
    return p[0] * p[1] * pow(s, p[1] - 1);
}

static double log_users(const double *p, double s) {
    return p[0] * log1p(s / p[1]);
}

static double log_slope(const double *p, double s) {
    return p[0] / (p[1] + s);
}

/* ---- points ---- */

/* The first point whose spend is not below `spend`; count where it lies beyond the last. */
static size_t points_find(const struct mi_curve *curve, double spend) {
    size_t low = 0, high = curve->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (curve->points[middle].spend < spend)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

double curve_next_knot(const struct mi_curve *curve, double spend) {
    size_t i = points_find(curve, nextafter(spend, INFINITY));
    return i < curve->count ? curve->points[i].spend : INFINITY;
}

static double point_users(const struct mi_curve *curve, size_t i) {
    return curve->points[i].spend / curve->points[i].cpa;
}

static double points_slope(const struct mi_curve *curve, double spend) {
    size_t i = points_find(curve, spend);
    if (i == curve->count)
        return 0;
    double spend_before = i ? curve->points[i - 1].spend : 0;
    double users_before = i ? point_users(curve, i - 1) : 0;
    return (point_users(curve, i) - users_before) / (curve->points[i].spend - spend_before);
}

static double points_users(const struct mi_curve *curve, double spend) {
    size_t i = points_find(curve, spend);
    if (i == curve->count)
        return point_users(curve, i - 1);
    if (curve->points[i].spend == spend)
        return point_users(curve, i);
    if (i == 0)
        return spend / curve->points[0].cpa;
    return point_users(curve, i - 1) + points_slope(curve, spend) * (spend - curve->points[i - 1].spend);
}

/* ---- all families ---- */

double curve_weight(const struct mi_curve *curve, size_t part) {
    double sum = 0;
    for (size_t i = 0; i < curve->count; i++)
        sum += curve->weights[i];
    return curve->weights[part] / sum;
}

/* Weighted mean of a function over the parts of a mix. */
static double mix_mean(const struct mi_curve *curve, double (*value)(const struct mi_curve *, double),
                       double spend) {
    double mean = 0;
    for (size_t i = 0; i < curve->count; i++)
        mean += curve_weight(curve, i) * value(&curve->parts[i], spend);
    return mean;
}

double mi_curve_users(const struct mi_curve *curve, double spend) {
    if (isnan(spend))
        return NAN;
    if (spend <= 0)
        return 0;
    const double *p = curve->parameter;
    switch (curve->family) {
    case MI_CURVE_HILL:
        return hill_users(p, spend);
    case MI_CURVE_MM:
        return p[0] * (spend / (p[1] + spend));
    case MI_CURVE_EXP:
        return exp_users(p, spend);
    case MI_CURVE_GOMPERTZ:
        return gompertz_users(p, spend);
    case MI_CURVE_LOGISTIC:
        return logistic_users(p, spend);
    case MI_CURVE_POWER:
        return p[0] * pow(spend, p[1]);
    case MI_CURVE_LOG:
        return log_users(p, spend);
    case MI_CURVE_POINTS:
        return points_users(curve, spend);
    case MI_CURVE_MIX:
        return mix_mean(curve, mi_curve_users, spend);
    }
    return NAN;
}

double mi_curve_slope(const struct mi_curve *curve, double spend) {
    if (isnan(spend))
        return NAN;
    if (spend < 0)
        spend = 0;
    const double *p = curve->parameter;
    switch (curve->family) {
    case MI_CURVE_HILL:
        return hill_slope(p, spend);
    case MI_CURVE_MM:
        return p[0] / (p[1] + spend) * (p[1] / (p[1] + spend));
    case MI_CURVE_EXP:
        return exp_slope(p, spend);
    case MI_CURVE_GOMPERTZ:
        return gompertz_slope(p, spend);
    case MI_CURVE_LOGISTIC:
        return logistic_slope(p, spend);
    case MI_CURVE_POWER:
        return power_slope(p, spend);
    case MI_CURVE_LOG:
        return log_slope(p, spend);
    case MI_CURVE_POINTS:
        return points_slope(curve, spend);
    case MI_CURVE_MIX:
        return mix_mean(curve, mi_curve_slope, spend);
    }
    return NAN;
}

double mi_curve_second_derivative(const struct mi_curve *curve, double spend) {
    if (isnan(spend) || spend <= 0)
        return NAN;
    const double *p = curve->parameter;
    switch (curve->family) {
    case MI_CURVE_HILL:
        return hill_bend(p, spend);
    case MI_CURVE_MM:
        return -2 / (p[1] + spend) * mi_curve_slope(curve, spend);
    case MI_CURVE_EXP:
        return exp_bend(p, spend);
    case MI_CURVE_GOMPERTZ:
        return gompertz_bend(p, spend);
    case MI_CURVE_LOGISTIC:
        return logistic_bend(p, spend);
    case MI_CURVE_POWER:
        return (p[1] - 1) / spend * power_slope(p, spend);
    case MI_CURVE_LOG:
        return -log_slope(p, spend) / (p[1] + spend);
    case MI_CURVE_POINTS:
        return 0;
    case MI_CURVE_MIX:
        return mix_mean(curve, mi_curve_second_derivative, spend);
    }
    return NAN;
}

double mi_curve_ceiling(const struct mi_curve *curve) {
    if (curve->family == MI_CURVE_MIX) {
        double mean = 0;
        for (size_t i = 0; i < curve->count; i++)
            mean += curve_weight(curve, i) * mi_curve_ceiling(&curve->parts[i]);
        return mean;
    }
    return curve_has_ceiling(curve->family) ? curve->parameter[0] : NAN;
}

double mi_curve_saturation(const struct mi_curve *curve, double spend) {
    double share = mi_curve_users(curve, spend) / mi_curve_ceiling(curve);
    return share > 1 ? 1 : share; /* a mix may round to a hair above */
}

double mi_curve_last_point(const struct mi_curve *curve) {
    if (curve->family == MI_CURVE_POINTS)
        return curve->points[curve->count - 1].spend;
    double last = NAN;
    if (curve->family == MI_CURVE_MIX)
        for (size_t i = 0; i < curve->count; i++)
            last = fmax(last, mi_curve_last_point(&curve->parts[i]));
    return last;
}

size_t mi_curve_parameter_count(const struct mi_curve *curve) {
    if (curve->family != MI_CURVE_MIX)
        return curve_parameter_count(curve->family);
    size_t count = 0;
    for (size_t i = 0; i < curve->count; i++)
        count += curve_parameter_count(curve->parts[i].family);
    return count;
}

/* d users / d log parameter of one family that is no mix. */
static void family_gradient(const struct mi_curve *curve, double s, double *gradient) {
    const double *p = curve->parameter;
    double users = mi_curve_users(curve, s);
    double elasticity = s * mi_curve_slope(curve, s); /* d users / d log spend */
    if (curve_parameter_count(curve->family) > 0)
        gradient[0] = users;
    switch (curve->family) {
    case MI_CURVE_HILL:
        gradient[1] = -elasticity;
        gradient[2] = elasticity * log_ratio(s, p[1]);
        break;
    case MI_CURVE_MM:
    case MI_CURVE_EXP:
    case MI_CURVE_LOG:
        gradient[1] = -elasticity; /* functions of s / parameter */
        break;
    case MI_CURVE_POWER:
        gradient[1] = users * p[1] * log(s);
        break;
    case MI_CURVE_GOMPERTZ: {
        /* d log(g - g0) - d log(1 - g0) with respect to rm = rate middle, s and rate scaling together */
        double b = exp(p[2] * p[1]);
        double x = p[2] * (p[1] - s);
        double ex = exp(x);
        double rise = exp(p[2] * p[1] + log(-expm1(-p[2] * s)));
        double rest = isfinite(rise) && rise > 0 ? rise / expm1(rise) : 0;
        double base = isfinite(b) ? b / expm1(b) : 0;
        double by_middle = users > 0 ? users * (-ex + rest - base) : 0; /* per unit of rate * middle */
        gradient[1] = p[2] * p[1] * by_middle;
        gradient[2] = gradient[1] + elasticity;
        break;
    }
    case MI_CURVE_LOGISTIC:
        gradient[1] = -p[2] * p[1] * users * sigmoid(p[2] * (p[1] - s));
        gradient[2] = gradient[1] + elasticity; /* a function of rate s and rate middle alone */
        break;
    case MI_CURVE_POINTS:
    case MI_CURVE_MIX:
        break;
    }
}

void mi_curve_gradient(const struct mi_curve *curve, double spend, double *gradient) {
    size_t count = mi_curve_parameter_count(curve);
    if (isnan(spend) || spend <= 0) {
        for (size_t i = 0; i < count; i++)
            gradient[i] = isnan(spend) ? NAN : 0;
        return;
    }
    if (curve->family != MI_CURVE_MIX) {
        family_gradient(curve, spend, gradient);
        return;
    }
    for (size_t i = 0; i < curve->count; i++) {
        size_t own = curve_parameter_count(curve->parts[i].family);
        family_gradient(&curve->parts[i], spend, gradient);
        for (size_t k = 0; k < own; k++)
            gradient[k] *= curve_weight(curve, i);
        gradient += own;
    }
}
