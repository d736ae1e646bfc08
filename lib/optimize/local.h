/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The local step: NLopt SLSQP from a given start.
 */
#ifndef OPTIMIZE_LOCAL_H
#define OPTIMIZE_LOCAL_H

#include "optimize/limits.h"

/* Improves an allocation that holds; what comes back holds too and is no worse. MI_NUMERIC: the objective
 * gave no number on the way, the best allocation until then is in `spend`. The time grows with the cube of
 * the number of campaigns. */
enum mi_status local_improve(const struct mi_allocation_problem *problem, const struct limits *limits,
                             double *spend, struct mi_error *error);

#endif
