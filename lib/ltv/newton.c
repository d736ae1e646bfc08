/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Newton's method within bounds: the Hessian's eigenvalues are turned negative where they are not, so that
 * every step leads up; a step is halved until it does.
 */
#include <math.h>
#include <string.h>

#include <gsl/gsl_eigen.h>

#include "ltv/btyd.h"

#define STEP_MOST     2.0   /* in a logarithm */
#define CURVATURE     1e-10 /* least, of the largest: flatter directions are walked by STEP_MOST at most */
#define HALVINGS_MOST 40
#define TOUCH         1e-9 /* so near a bound is on it */
/* Where no step gains, the top is reached to rounding: the gain promised, or the slope, of the value. */
#define ROUNDING 1e-12
#define FLAT     1e-8
#define GAIN     1e-6
#define NOTHING  1e-5 /* of log likelihood, for a whole unit of a logarithm */

struct search {
    btyd_objective *objective;
    void *context;
    struct btyd_optimum *at;
    gsl_eigen_symmv_workspace *space;
    gsl_matrix *hessian, *vectors;
    gsl_vector *values;
};

/* Those that lie on a bound and would go beyond it stay where they are. */
static bool leaves(const struct btyd_optimum *at, size_t i, double direction) {
    return (at->u[i] <= at->low[i] && direction < 0) || (at->u[i] >= at->high[i] && direction > 0);
}

/* The Newton step of those that are free; sets slope and promise. */
static void step_of(struct search *search, const bool *held, double *step) {
    struct btyd_optimum *at = search->at;
    size_t n = at->count;
    double largest = 0;
    at->slope = at->promise = 0;
    for (size_t i = 0; i < n; i++) {
        at->slope = held[i] ? at->slope : fmax(at->slope, fabs(at->gradient[i]));
        for (size_t j = 0; j < n; j++) {
            gsl_matrix_set(search->hessian, i, j, held[i] || held[j] ? i == j : -at->hessian[i * n + j]);
        }
    }
    gsl_eigen_symmv(search->hessian, search->values, search->vectors, search->space);
    memset(step, 0, n * sizeof *step);
    for (size_t k = 0; k < n; k++) {
        largest = fmax(largest, fabs(gsl_vector_get(search->values, k)));
    }
    for (size_t k = 0; k < n; k++) {
        double along = 0;
        for (size_t i = 0; i < n; i++) {
            along += held[i] ? 0 : gsl_matrix_get(search->vectors, i, k) * at->gradient[i];
        }
        double curvature = fmax(fabs(gsl_vector_get(search->values, k)), CURVATURE * largest);
        at->promise += along * along / curvature;
        for (size_t i = 0; i < n; i++) {
            step[i] += held[i] ? 0 : along / curvature * gsl_matrix_get(search->vectors, i, k);
        }
    }
}

static void find_step(struct search *search, double *step) {
    bool held[BTYD_MOST] = {false};
    for (bool again = true; again;) {
        step_of(search, held, step);
        again = false;
        for (size_t i = 0; i < search->at->count; i++) {
            if (!held[i] && leaves(search->at, i, step[i])) {
                held[i] = again = true;
            }
        }
    }
}

static double largest(const double *values, size_t count) {
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        most = fmax(most, fabs(values[i]));
    }
    return most;
}

/* Whether a point is better: higher, or where rounding hides that, flatter. */
static bool better(const struct btyd_optimum *at, double value, const double *gradient) {
    return value > at->value || (value > at->value - ROUNDING * fabs(at->value) &&
                                 largest(gradient, at->count) < 0.5 * largest(at->gradient, at->count));
}

/* Along the step as far as it leads up; false: nowhere. */
static bool advance(struct search *search, const double *step) {
    struct btyd_optimum *at = search->at;
    size_t n = at->count;
    double from[BTYD_MOST], gradient[BTYD_MOST], hessian[BTYD_MOST * BTYD_MOST];
    double longest = largest(step, n);
    memcpy(from, at->u, n * sizeof *from);
    double length = longest > STEP_MOST ? STEP_MOST / longest : 1;
    for (size_t i = 0; i < n; i++) {
        double room = step[i] > 0 ? at->high[i] - from[i] : from[i] - at->low[i];
        length = fmin(length, step[i] != 0 ? room / fabs(step[i]) : length);
    }
    for (int halving = 0; halving < HALVINGS_MOST; halving++, length *= 0.5) {
        double next[BTYD_MOST];
        bool moved = false;
        for (size_t i = 0; i < n; i++) {
            next[i] = from[i] + length * step[i];
            next[i] = next[i] > at->high[i] - TOUCH  ? at->high[i]
                      : next[i] < at->low[i] + TOUCH ? at->low[i]
                                                     : next[i];
            moved = moved || next[i] != from[i];
        }
        if (!moved) {
            return false;
        }
        double value = search->objective(search->context, next, gradient, hessian);
        if (better(at, value, gradient)) {
            memcpy(at->u, next, n * sizeof *next);
            memcpy(at->gradient, gradient, n * sizeof *gradient);
            memcpy(at->hessian, hessian, n * n * sizeof *hessian);
            at->value = value;
            return true;
        }
    }
    return false;
}

static void climb(struct search *search, double tolerance, int most) {
    struct btyd_optimum *at = search->at;
    double step[BTYD_MOST];
    at->converged = false;
    at->value = search->objective(search->context, at->u, at->gradient, at->hessian);
    for (at->iterations = 0; isfinite(at->value); at->iterations++) {
        find_step(search, step);
        at->converged = at->promise <= tolerance;
        if (at->converged || at->iterations == most) {
            return;
        }
        if (!advance(search, step)) {
            at->converged = at->promise <= fmax(ROUNDING * fabs(at->value), GAIN) ||
                            at->slope <= fmax(FLAT * fabs(at->value), NOTHING);
            return;
        }
    }
}

enum mi_status btyd_maximise(btyd_objective *objective, void *context, double tolerance, int most,
                             struct btyd_optimum *optimum, struct mi_error *error) {
    size_t n = optimum->count;
    struct search search = {.objective = objective, .context = context, .at = optimum};
    search.space = gsl_eigen_symmv_alloc(n);
    search.hessian = gsl_matrix_alloc(n, n);
    search.vectors = gsl_matrix_alloc(n, n);
    search.values = gsl_vector_alloc(n);
    bool room =
        search.space != NULL && search.hessian != NULL && search.vectors != NULL && search.values != NULL;
    if (room) {
        climb(&search, tolerance, most);
    }
    gsl_vector_free(search.values);
    gsl_matrix_free(search.vectors);
    gsl_matrix_free(search.hessian);
    gsl_eigen_symmv_free(search.space);
    return room ? MI_OK : mi_error_set(error, MI_NO_MEMORY, "out of memory");
}
