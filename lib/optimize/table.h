/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Draws of a campaign's worth (users times the LTV over its mean) tabulated at some spends: what allocations
 * under uncertainty are made of. Between the nodes it is straight.
 */
#ifndef OPTIMIZE_TABLE_H
#define OPTIMIZE_TABLE_H

#include "mi.h"

#define TABLE_NODES 97 /* the first at spend 0 */

struct table {
    size_t count, draws;
    double *spend;                 /* campaign by campaign, TABLE_NODES each */
    float *worth;                  /* campaign, node, draw */
    struct mi_curve *curves;       /* weighted means, as points that share `points` */
    struct mi_curve_point *points; /* TABLE_NODES - 1 each */
};

/* Room for a problem; table_free() in any case. */
enum mi_status table_new(struct table *table, size_t count, size_t draws, struct mi_error *error);
void table_free(struct table *table);

/* Tabulates over [0, high]; around: NULL, or an allocation that nodes lie close to. */
enum mi_status table_fill(struct table *table, const struct mi_allocation_problem *problem,
                          const struct mi_uncertainty *uncertainty, const double *high, const double *around,
                          struct mi_error *error);

/* Sets the curves to the draws' means with these weights. */
void table_weigh(struct table *table, const double *weights);

/* Worth of a draw at a spend. */
double table_at(const struct table *table, size_t campaign, size_t draw, double spend);

#endif
