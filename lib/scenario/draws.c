/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Draws of a campaign's curve and LTV. Each campaign has a generator of its own, seeded by the run's seed and
 * its id: its draws are the same whatever others are asked for, and in whichever order.
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
#define LOG_MOST          30   /* a factor of a parameter beyond e^30 says nothing */

struct mi_draws {
    const struct mi_uncertain_campaign *campaign;
    size_t parameters;
    double *root; /* Cholesky factor of the covariance, lower triangle; NULL: nothing is uncertain */
    double *normal, *shift;
    double ltv_sigma;
    double log_half;
    struct mi_curve curve; /* drawn; shares what it points to, but for the parts of a mix */
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
    d->curve = *campaign->curve;
    d->curve.parts = NULL;
    d->random = draws_generator(seed, campaign->id);
    d->normal = calloc(2 * n + 2, sizeof *d->normal);
    bool failed = !d->random || !d->normal;
    d->shift = d->normal ? d->normal + n : NULL;
    if (!failed && campaign->curve->family == MI_CURVE_MIX) {
        d->curve.parts = malloc((campaign->curve->count + 1) * sizeof *d->curve.parts);
        failed = !d->curve.parts;
        for (size_t i = 0; !failed && i < campaign->curve->count; i++)
            d->curve.parts[i] = campaign->curve->parts[i];
    }
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
    d->log_half = log(campaign->curve->parameter[1]);
    *made = d;
    return MI_OK;
}

void mi_draws_free(struct mi_draws *d) {
    if (!d)
        return;
    if (d->random)
        gsl_rng_free(d->random);
    free(d->curve.parts);
    free(d->root);
    free(d->normal);
    free(d);
}

static void draw_shifts(struct mi_draws *d) {
    for (size_t i = 0; i < d->parameters; i++)
        d->normal[i] = gsl_ran_gaussian_ziggurat(d->random, 1);
    for (size_t i = 0; i < d->parameters; i++) {
        double sum = 0;
        for (size_t j = 0; j <= i; j++)
            sum += d->root[i * (i + 1) / 2 + j] * d->normal[j];
        d->shift[i] = fmax(-LOG_MOST, fmin(sum, LOG_MOST));
    }
}

/* Hill's users from the logs, which spares most of the work; see curve.c for the same in full. */
static void hill_users(const struct mi_draws *d, const double *spends, size_t count, double *users) {
    const double *p = d->campaign->curve->parameter;
    double ceiling = p[0] * exp(d->shift[0]), shape = p[2] * exp(d->shift[2]);
    double log_half = d->log_half + d->shift[1];
    for (size_t i = 0; i < count; i++)
        users[i] = spends[i] > 0 ? ceiling / (1 + exp(-shape * (log(spends[i]) - log_half))) : 0;
}

static void set_parameters(struct mi_draws *d) {
    const struct mi_curve *base = d->campaign->curve;
    size_t used = 0;
    if (base->family != MI_CURVE_MIX) {
        for (size_t k = 0; k < d->parameters; k++)
            d->curve.parameter[k] = base->parameter[k] * exp(d->shift[k]);
        return;
    }
    for (size_t i = 0; i < base->count; i++) {
        size_t own = mi_curve_parameter_count(&base->parts[i]);
        for (size_t k = 0; k < own; k++)
            d->curve.parts[i].parameter[k] = base->parts[i].parameter[k] * exp(d->shift[used++]);
    }
}

/* One part of a mix, by its weight. */
static void mix_users(struct mi_draws *d, const double *spends, size_t count, double *users) {
    const struct mi_curve *base = d->campaign->curve;
    double sum = 0, at = gsl_rng_uniform(d->random);
    for (size_t i = 0; i < base->count; i++)
        sum += base->weights[i];
    size_t part = 0;
    for (at *= sum; part + 1 < base->count && at >= base->weights[part]; part++)
        at -= base->weights[part];
    for (size_t i = 0; i < count; i++)
        users[i] = mi_curve_users(&d->curve.parts[part], spends[i]);
}

void mi_draws_next(struct mi_draws *d, const double *spends, size_t count, double *users, double *ltv) {
    const struct mi_curve *base = d->campaign->curve;
    if (base->family == MI_CURVE_MIX) {
        draw_shifts(d);
        if (d->parameters > 0)
            set_parameters(d);
        mix_users(d, spends, count, users);
    } else if (d->parameters > 0) {
        draw_shifts(d);
        if (base->family == MI_CURVE_HILL) {
            hill_users(d, spends, count, users);
        } else {
            set_parameters(d);
            for (size_t i = 0; i < count; i++)
                users[i] = mi_curve_users(&d->curve, spends[i]);
        }
    } else {
        for (size_t i = 0; i < count; i++)
            users[i] = mi_curve_users(base, spends[i]);
    }
    *ltv = d->campaign->ltv;
    if (d->ltv_sigma > 0)
        *ltv *= exp(d->ltv_sigma * gsl_ran_gaussian_ziggurat(d->random, 1) - d->ltv_sigma * d->ltv_sigma / 2);
}
