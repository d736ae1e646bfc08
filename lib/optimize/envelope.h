/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The concave envelope of one term over an interval of spend, and with it the exact answer to the dual's
 * one-dimensional question: at a price per unit of spend, which spend is best?
 */
#ifndef OPTIMIZE_ENVELOPE_H
#define OPTIMIZE_ENVELOPE_H

#include <gsl/gsl_roots.h>

#include "optimize/objective.h"

struct envelope {
    struct term term;
    size_t count; /* nodes, by rising spend; the first and the last are the ends of the interval */
    double *spend, *value;
    size_t hull_count; /* those of them on the upper hull */
    uint32_t *hull;
    double slack; /* how far the term may rise above its nodes between them */
};

/* Samples the term over [low, high], finer where it bends. MI_NUMERIC where it gives no number. */
enum mi_status envelope_build(struct envelope *envelope, const struct term *term, double low, double high);
void envelope_free(struct envelope *envelope);

double envelope_low(const struct envelope *envelope);
double envelope_high(const struct envelope *envelope);

/* Slope of the hull at its beginning and at its end; 0 for an interval that is one point. */
double envelope_first_slope(const struct envelope *envelope);
double envelope_last_slope(const struct envelope *envelope);

struct best {
    double spend, value; /* value of the term there */
};

/* The spend where value - price * spend is largest; the smallest of several. */
struct best envelope_best(const struct envelope *envelope, double price, gsl_root_fsolver *roots);

#endif
