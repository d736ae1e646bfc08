/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What an allocation must keep to: each campaign's interval and the budget. Solvers propose, this file says
 * whether a proposal holds and makes whole cents of it.
 */
#ifndef OPTIMIZE_LIMITS_H
#define OPTIMIZE_LIMITS_H

#include "mi.h"

struct limits {
    size_t count;
    double *low, *high; /* of each campaign; high is finite: about what the others' minima leave */
    double budget;
    bool at_most;
};

/* MI_NO where limits contradict, MI_BAD_ARGUMENT where one is no number; both name them. */
enum mi_status limits_new(struct limits *limits, const struct mi_allocation_problem *problem,
                          struct mi_error *error);
void limits_free(struct limits *limits);

/* Whether spends keep to all limits, but for `tolerance` in money. */
bool limits_hold(const struct limits *limits, const double *spend, double tolerance);

/* Moves spends onto the limits: into their intervals, then the sum onto the budget in proportion to the room
 * that each has (at_most: only where it is above). */
void limits_project(const struct limits *limits, double *spend);

/* The unit of recommended budgets: a cent, or a smaller power of ten where the budget is small for so many
 * campaigns. */
double limits_unit(const struct limits *limits);

/* What `step` more (or less) money on a campaign at `spend` adds to the objective. */
typedef double gain_function(const void *user, size_t campaign, double spend, double step);

/* Rounds spends that hold to whole units. Units left over go where they gain most. Returns the sum, which is
 * the budget exactly (at_most: not above it). MI_NO_MEMORY: nothing was rounded. */
enum mi_status limits_round(const struct limits *limits, double *spend, gain_function *gain, const void *user,
                            double *total);

#endif
