/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Draws of a campaign's curve and LTV. Each campaign has a generator of its own, seeded by the run's seed and
 * its id: its draws are the same whatever others are asked for, and in whichever order.
 *
 * The covariance is of the logs of a curve's parameters. A draw moves log users at each spend by its
 * gradient, as the bands of the curve do, and takes half the variance off: the mean of the draws is the
 * curve, wherever it is looked at. (Curves of drawn parameters would bend away from it: of a campaign known
 * well at what it spends and at nothing else, they have fewer users at that very spend.)
 */
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "mi.h"
#include "scenario/draws.h"

#define NEGATIVE_RELATIVE 1e-9 /* of a variance: a pivot below 0 that rounding explains */
#define LOG_MOST          30   /* a factor beyond e^30 says nothing */

struct mi_draws {
    const struct mi_uncertain_campaign *campaign;
    size_t parameters;
    double *root; /* Cholesky factor of the covariance, lower triangle; NULL: nothing is uncertain */
    double *normal, *slope;
    double ltv_sigma;
    gsl_rng *random;
};

/* The factor in place; false: no covariance. */
static bool factor(double *a, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = a[i * (i + 1) / 2 + j], whole = sum;
            for (size_t k = 0; k < j; k++)
                sum -= a[i * (i + 1) / 2 + k] * a[j * (j + 1) / 2 + k];
            if (i > j) {
                double pivot = a[j * (j + 1) / 2 + j];
                if (pivot == 0 && fabs(sum) > NEGATIVE_RELATIVE * fmax(1, fabs(whole)))
                    return false;
                a[i * (i + 1) / 2 + j] = pivot > 0 ? sum / pivot : 0;
            } else {
                if (!(sum >= -NEGATIVE_RELATIVE * fmax(whole, 1e-300)))
                    return false;
                a[i * (i + 1) / 2 + j] = sum > NEGATIVE_RELATIVE * whole ? sqrt(sum) : 0;
            }
        }
    return true;
}

enum mi_status mi_covariance_check(const struct mi_curve *curve, const double *triangle, size_t count,
                                   struct mi_error *error) {
    size_t n = mi_curve_parameter_count(curve);
    if (count != n * (n + 1) / 2)
        return mi_error_set(error, MI_BAD_ARGUMENT,
                            "holds %zu numbers: the curve's %zu parameters need %zu (a lower triangle)",
                            count, n, n * (n + 1) / 2);
    double *copy = malloc((count + 1) * sizeof *copy);
    if (!copy)
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++)
        copy[i] = triangle[i];
    bool good = factor(copy, n);
    free(copy);
    return good ? MI_OK
                : mi_error_set(error, MI_BAD_ARGUMENT, "is no covariance: it has a negative variance in it");
}

uint64_t draws_seed(uint64_t seed, struct mi_text name) {
    uint64_t hash = mi_hash(MI_HASH_START ^ (seed * 0x9E3779B97F4A7C15U), name.data, name.size);
    hash ^= hash >> 31;
    hash *= 0xBF58476D1CE4E5B9U;
    hash ^= hash >> 29;
    return hash;
}

/* gsl_rng_set() takes 0 for a fixed seed of its own. */
gsl_rng *draws_generator(uint64_t seed, struct mi_text name) {
    gsl_rng *random = gsl_rng_alloc(gsl_rng_taus2);
    if (random)
        gsl_rng_set(random, (unsigned long)(draws_seed(seed, name) | 1) & 0xffffffffUL);
    return random;
}

enum mi_status mi_draws_new(const struct mi_uncertain_campaign *campaign, uint64_t seed,
                            struct mi_draws **made, struct mi_error *error) {
    size_t n = mi_curve_parameter_count(campaign->curve);
    struct mi_draws *d = calloc(1, sizeof *d);
    if (!d)
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    d->campaign = campaign;
    d->random = draws_generator(seed, campaign->id);
    d->normal = calloc(2 * n + 2, sizeof *d->normal);
    bool failed = !d->random || !d->normal;
    d->slope = d->normal ? d->normal + n : NULL;
    if (!failed && campaign->covariance && n > 0) {
        size_t entries = n * (n + 1) / 2;
        d->root = malloc(entries * sizeof *d->root);
        failed = !d->root;
        for (size_t i = 0; !failed && i < entries; i++)
            d->root[i] = campaign->covariance[i];
        d->parameters = n;
        if (!failed && !factor(d->root, n)) {
            mi_draws_free(d);
            return mi_error_set(error, MI_BAD_ARGUMENT, "campaign '%.*s': curve_cov is no covariance",
                                (int)campaign->id.size, campaign->id.data);
        }
    }
    if (failed) {
        mi_draws_free(d);
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    if (campaign->ltv > 0 && campaign->ltv_se > 0) {
        double relative = campaign->ltv_se / campaign->ltv;
        d->ltv_sigma = sqrt(log1p(relative * relative));
    }
    *made = d;
    return MI_OK;
}

void mi_draws_free(struct mi_draws *d) {
    if (!d)
        return;
    if (d->random)
        gsl_rng_free(d->random);
    free(d->root);
    free(d->normal);
    free(d);
}

/* The part of a mix that this draw takes, by its weight, and where its parameters begin; else the curve. */
static const struct mi_curve *draw_part(struct mi_draws *d, size_t *first) {
    const struct mi_curve *curve = d->campaign->curve;
    *first = 0;
    if (curve->family != MI_CURVE_MIX)
        return curve;
    double sum = 0, at = gsl_rng_uniform(d->random);
    for (size_t i = 0; i < curve->count; i++)
        sum += curve->weights[i];
    size_t part = 0;
    for (at *= sum; part + 1 < curve->count && at >= curve->weights[part]; part++) {
        at -= curve->weights[part];
        *first += mi_curve_parameter_count(&curve->parts[part]);
    }
    return &curve->parts[part];
}

/* Users of a curve at a spend, by Hill's own formula where it can: it is most of the work. */
static double users_and_slope(const struct mi_curve *curve, double spend, double *slope) {
    if (curve->family == MI_CURVE_HILL) {
        double shape = curve->parameter[2], reach = shape * log(spend / curve->parameter[1]);
        double left = 1 / (1 + exp(reach)); /* 1 - saturation */
        slope[0] = 1;
        slope[1] = -shape * left;
        slope[2] = reach * left;
        return curve->parameter[0] * (1 - left);
    }
    double users = mi_curve_users(curve, spend);
    mi_curve_gradient(curve, spend, slope);
    for (size_t k = 0; k < mi_curve_parameter_count(curve); k++)
        slope[k] /= users;
    return users;
}

/* By how much the draw moves log users, of a gradient over the parameters from `first` on. */
static double movement(const struct mi_draws *d, size_t first, size_t count) {
    double moved = 0, variance = 0;
    for (size_t j = 0; j < first + count; j++) {
        double sum = 0;
        for (size_t i = j > first ? j : first; i < first + count; i++)
            sum += d->root[i * (i + 1) / 2 + j] * d->slope[i - first];
        moved += sum * d->normal[j];
        variance += sum * sum;
    }
    return fmin(moved - variance / 2, LOG_MOST);
}

void mi_draws_next(struct mi_draws *d, const double *spends, size_t count, double *users, double *ltv) {
    for (size_t i = 0; i < d->parameters; i++)
        d->normal[i] = gsl_ran_gaussian_ziggurat(d->random, 1);
    size_t first;
    const struct mi_curve *curve = draw_part(d, &first);
    for (size_t i = 0; i < count; i++) {
        if (d->parameters == 0 || !(spends[i] > 0)) {
            users[i] = mi_curve_users(curve, spends[i]);
            continue;
        }
        users[i] = users_and_slope(curve, spends[i], d->slope);
        if (users[i] > 0)
            users[i] *= exp(movement(d, first, mi_curve_parameter_count(curve)));
    }
    *ltv = d->campaign->ltv;
    if (d->ltv_sigma > 0)
        *ltv *= exp(d->ltv_sigma * gsl_ran_gaussian_ziggurat(d->random, 1) - d->ltv_sigma * d->ltv_sigma / 2);
}
