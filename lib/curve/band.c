/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How sure a curve is: its covariance as text, the spread of log users and of the log slope by the delta
 * method, and the interval of a day's users.
 */
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <math.h>
#include <string.h>

#include "curve/curve.h"
#include "mi.h"

#define STEP           1e-4 /* of numerical derivatives, in logs */
#define PARAMETERS_ALL 12   /* parameters of a curve whose covariance is read */
#define SEARCH_STEPS   200

size_t mi_curve_covariance_size(const struct mi_curve *curve) {
    size_t count = mi_curve_parameter_count(curve);
    return count > PARAMETERS_ALL ? 0 : count * (count + 1) / 2;
}

enum mi_status mi_curve_covariance_parse(struct mi_text text, const struct mi_curve *curve,
                                         double triangle[MI_CURVE_COVARIANCE_LIMIT], struct mi_error *error) {
    size_t wanted = mi_curve_covariance_size(curve), found = 0;
    int shown = text.size > 100 ? 100 : (int)text.size;
    const char *at = text.data, *end = text.data ? text.data + text.size : NULL;
    double values[MI_CURVE_COVARIANCE_LIMIT];
    while (at < end) {
        const char *start = at;
        while (at < end && *at != ' ')
            at++;
        struct mi_text word = {start, (size_t)(at - start)};
        at += at < end;
        if (word.size == 0)
            continue;
        if (found == wanted)
            return mi_error_set(error, MI_BAD_RECORD,
                                "more than the %zu numbers of the curve's covariance: \"%.*s\"", wanted,
                                shown, text.data);
        if (!mi_number_parse(word, &values[found++]))
            return mi_error_set(error, MI_BAD_RECORD, "not a covariance: \"%.*s\": not a number: \"%.*s\"",
                                shown, text.data, word.size > 40 ? 40 : (int)word.size, word.data);
    }
    if (found < wanted)
        return mi_error_set(error, MI_BAD_RECORD,
                            "%zu of the %zu numbers of the curve's covariance: \"%.*s\"", found, wanted,
                            shown, text.data ? text.data : "");
    for (size_t i = 0, diagonal = 0; diagonal < found; i++, diagonal += i + 1)
        if (!(values[diagonal] >= 0))
            return mi_error_set(error, MI_BAD_RECORD, "a variance below 0 in a curve's covariance: \"%.*s\"",
                                shown, text.data);
    memcpy(triangle, values, found * sizeof *values);
    return MI_OK;
}

/* Square root of gradient' covariance gradient. */
static double spread_of(const double *gradient, const double *triangle, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j <= i; j++)
            sum += gradient[i] * *triangle++ * gradient[j] * (i == j ? 1 : 2);
    return sum > 0 ? sqrt(sum) : 0;
}

double mi_curve_log_users_sd(const struct mi_curve *curve, const double *triangle, double spend) {
    double gradient[PARAMETERS_ALL];
    size_t count = mi_curve_parameter_count(curve);
    double users = mi_curve_users(curve, spend);
    if (count == 0 || count > PARAMETERS_ALL || !(users > 0))
        return NAN;
    mi_curve_gradient(curve, spend, gradient);
    for (size_t i = 0; i < count; i++)
        gradient[i] /= users;
    return spread_of(gradient, triangle, count);
}

/* The parameter with this number, those of a mix's parts one after the other. */
static double *parameter_of(struct mi_curve *curve, size_t number) {
    if (curve->family != MI_CURVE_MIX)
        return &curve->parameter[number];
    for (size_t i = 0; i < curve->count; i++) {
        size_t own = curve_parameter_count(curve->parts[i].family);
        if (number < own)
            return &curve->parts[i].parameter[number];
        number -= own;
    }
    return NULL;
}

/* Log slope with one parameter moved. */
static double moved_slope(const struct mi_curve *curve, size_t number, double step, double spend) {
    struct mi_curve moved = *curve, parts[CURVE_PARTS_MOST];
    if (curve->family == MI_CURVE_MIX) {
        memcpy(parts, curve->parts, curve->count * sizeof *parts);
        moved.parts = parts;
    }
    *parameter_of(&moved, number) *= exp(step);
    return log(mi_curve_slope(&moved, spend));
}

double mi_curve_log_slope_sd(const struct mi_curve *curve, const double *triangle, double spend) {
    double gradient[PARAMETERS_ALL];
    size_t count = mi_curve_parameter_count(curve);
    if (count == 0 || count > PARAMETERS_ALL || !(spend > 0))
        return NAN;
    for (size_t i = 0; i < count; i++)
        gradient[i] = (moved_slope(curve, i, STEP, spend) - moved_slope(curve, i, -STEP, spend)) / (2 * STEP);
    double sd = spread_of(gradient, triangle, count);
    return isfinite(sd) ? sd : NAN;
}

double mi_curve_interval_z(double probability) {
    return gsl_cdf_ugaussian_Pinv(0.5 + probability / 2);
}

/* Smallest whole number of users that a negative binomial count exceeds with at most probability 1 - p. */
static double count_quantile(double mean, double size, double p) {
    double low = -1, high = ceil(mean) + 1; /* P(low) < p <= P(high) */
    double q = size / (size + mean);
    while (gsl_cdf_negative_binomial_P((unsigned)high, q, size) < p && high < 1e9)
        high *= 2;
    for (int i = 0; i < SEARCH_STEPS && high - low > 1; i++) {
        double middle = floor((low + high) / 2);
        if (gsl_cdf_negative_binomial_P((unsigned)middle, q, size) < p)
            low = middle;
        else
            high = middle;
    }
    return high;
}

void mi_curve_outcome(double mean, double log_sd, double dispersion, double probability, double *low,
                      double *high) {
    *low = *high = NAN;
    if (!(mean > 0) || !(log_sd >= 0))
        return;
    /* a gamma mean stands for both the day's rate and what is not known of the curve */
    double relative = expm1(log_sd * log_sd) + (dispersion > 0 ? dispersion : 0);
    if (mean > 1e4) {
        double sd = sqrt(log1p(relative + 1 / mean)), z = mi_curve_interval_z(probability);
        *low = mean * exp(-z * sd);
        *high = mean * exp(z * sd);
        return;
    }
    double size = 1 / fmax(relative, 1e-9);
    *low = count_quantile(mean, size, (1 - probability) / 2);
    *high = count_quantile(mean, size, (1 + probability) / 2);
}
