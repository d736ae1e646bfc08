/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The Lagrangian bound where budgets are multiples of a step: each campaign's best multiple at the prices.
 */
#ifndef OPTIMIZE_LATTICE_H
#define OPTIMIZE_LATTICE_H

#include "optimize/rounding.h"

/* A bound of all allocations in steps, but for one campaign that may take what is left over; INFINITY where
 * that would take too long. prices: of the rows. */
double lattice_bound(const struct rounding_problem *problem, double budget_price, const double *prices);

#endif
