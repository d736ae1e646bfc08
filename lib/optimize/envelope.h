/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The concave envelope of one term over an interval of spend, and with it the exact answer to the dual's
 * one-dimensional question: at a price per unit of spend, which spend is best?
 */
#ifndef OPTIMIZE_ENVELOPE_H
#define OPTIMIZE_ENVELOPE_H

#include <gsl/gsl_roots.h>

#include "optimize/domain.h"
#include "optimize/objective.h"

struct envelope {
    struct term term;
    size_t count; /* nodes, by rising spend; the first and the last are the ends of the interval */
    double *spend, *value;
    size_t hull_count; /* those of them on the upper hull */
    uint32_t *hull;
    double slack; /* how far the term may rise above its nodes between them */
    size_t gap_count;
    uint32_t gaps[DOMAIN_INTERVALS]; /* nodes after which the domain has a gap */
};

/* Samples the term over a domain that is not empty, finer where it bends. MI_NUMERIC where it gives no
 * number. */
enum mi_status envelope_build(struct envelope *envelope, const struct term *term,
                              const struct domain *domain);
/* Whether the nodes `node` and `node` + 1 lie on two sides of a gap. */
bool envelope_gap(const struct envelope *envelope, size_t node);
void envelope_free(struct envelope *envelope);

double envelope_low(const struct envelope *envelope);
double envelope_high(const struct envelope *envelope);

/* Slope of the hull at its beginning and at its end; 0 for an interval that is one point. */
double envelope_first_slope(const struct envelope *envelope);
double envelope_last_slope(const struct envelope *envelope);

struct best {
    double spend, value; /* value of the term there */
};

/* About that spend, from the nodes alone, in little time. */
double envelope_near(const struct envelope *envelope, double price);

/* The spend where value - price * spend is largest; the smallest of several. */
struct best envelope_best(const struct envelope *envelope, double price, gsl_root_fsolver *roots);

#endif
