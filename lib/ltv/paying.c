/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The probability of paying: Newton's method on a handful of weights.
 */
#include "ltv/paying.h"

#include <math.h>
#include <string.h>

#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>

#define RIDGE     20.0 /* in users */
#define STEPS     20
#define TOLERANCE 1e-6
#define STEP_MOST 2.0  /* of a weight */
#define SURE      1e-6 /* probabilities are held off 0 and 1 by it, */
#define NOTHING   1e-3 /* means off 0, in units */

enum { WIDTH = LTV_MEMBERS + 2 }; /* constant, mean, members */

static double log_odds(double probability) {
    double held = fmax(SURE, fmin(1 - SURE, probability));
    return log(held / (1 - held));
}

static void fill(const struct ltv_paying *paying, const struct ltv_value *values, double mean,
                 const bool *says, double x[WIDTH]) {
    x[0] = 1;
    x[1] = log(fmax(mean / paying->unit, NOTHING));
    for (size_t m = 0; m < LTV_MEMBERS; m++) {
        x[m + 2] = says[m] ? log_odds(values[m].paying) : 0;
    }
}

static double chance(const double w[WIDTH], const double x[WIDTH]) {
    double sum = 0;
    for (size_t j = 0; j < WIDTH; j++) {
        sum += w[j] * x[j];
    }
    return 1 / (1 + exp(-sum));
}

double ltv_paying_at(const struct ltv_paying *paying, const struct ltv_value *values, double mean) {
    double w[WIDTH] = {paying->constant, paying->mean}, x[WIDTH];
    bool says[LTV_MEMBERS];
    for (size_t m = 0; m < LTV_MEMBERS; m++) {
        w[m + 2] = paying->members[m];
        says[m] = w[m + 2] != 0;
    }
    fill(paying, values, mean, says, x);
    return chance(w, x);
}

struct rows {
    const struct ltv_value *values;
    const size_t *rows;
    const double *mean, *actual;
    size_t count;
    bool says[LTV_MEMBERS];
};

/* One step from `w`; `start` is what the ridge draws to. Returns its size, NaN where there is none. */
static double newton(const struct rows *of, const struct ltv_paying *paying, const double *start, double *w) {
    double products[WIDTH * WIDTH] = {0}, right[WIDTH] = {0}, largest = 0;
    for (size_t i = 0; i < of->count; i++) {
        double x[WIDTH];
        fill(paying, of->values + of->rows[i] * LTV_MEMBERS, of->mean[i], of->says, x);
        double p = chance(w, x), rest = (of->actual[i] > 0) - p, weight = fmax(p * (1 - p), SURE);
        for (size_t j = 0; j < WIDTH; j++) {
            right[j] += rest * x[j];
            for (size_t k = 0; k <= j; k++) {
                products[j * WIDTH + k] += weight * x[j] * x[k];
            }
        }
    }
    for (size_t j = 0; j < WIDTH; j++) {
        double ridge = j > 0 ? RIDGE : SURE;
        right[j] -= ridge * (w[j] - start[j]);
        products[j * WIDTH + j] += ridge;
    }
    gsl_matrix_view matrix = gsl_matrix_view_array(products, WIDTH, WIDTH);
    gsl_vector_view step = gsl_vector_view_array(right, WIDTH);
    if (gsl_linalg_cholesky_decomp1(&matrix.matrix) != GSL_SUCCESS ||
        gsl_linalg_cholesky_svx(&matrix.matrix, &step.vector) != GSL_SUCCESS) {
        return NAN;
    }
    for (size_t j = 0; j < WIDTH; j++) {
        largest = fmax(largest, fabs(right[j]));
    }
    for (size_t j = 0; j < WIDTH; j++) {
        w[j] += right[j] * fmin(1, STEP_MOST / fmax(largest, TOLERANCE));
    }
    return largest;
}

enum mi_status ltv_paying_fit(const struct ltv_value *values, const double *weights, const size_t *rows,
                              const double *mean, const double *actual, size_t count,
                              struct ltv_paying *paying, struct mi_error *error) {
    struct rows of = {.values = values, .rows = rows, .mean = mean, .actual = actual, .count = count};
    double start[WIDTH] = {0}, w[WIDTH], whole = 0, size = HUGE_VAL;
    *paying = (struct ltv_paying){0};
    for (size_t i = 0; i < count; i++) {
        paying->unit += actual[i] / (double)count;
    }
    for (size_t m = 0; m < LTV_MEMBERS && count > 0; m++) {
        of.says[m] = weights[m] > 0 && !isnan(values[rows[0] * LTV_MEMBERS + m].paying);
        start[m + 2] = of.says[m] ? weights[m] : 0;
        whole += start[m + 2];
    }
    start[1] = whole > 0 ? 0 : 1;
    for (size_t j = 2; j < WIDTH && whole > 0; j++) {
        start[j] /= whole;
    }
    memcpy(w, start, sizeof w);
    for (size_t step = 0; step < STEPS && size > TOLERANCE; step++) {
        size = newton(&of, paying, start, w);
    }
    if (!(paying->unit > 0) || !isfinite(size)) { /* where all pay it goes on up: far is far enough */
        return mi_error_set(error, MI_NUMERIC, "the probability of paying cannot be fitted");
    }
    paying->constant = w[0];
    paying->mean = w[1];
    memcpy(paying->members, w + 2, sizeof paying->members);
    return MI_OK;
}
