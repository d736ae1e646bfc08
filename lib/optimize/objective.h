/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The objective as a sum of one term per campaign, each a function of that campaign's spend alone. A
 * portfolio ratio is no such sum; for a given ratio t, numerator - t * denominator is (Dinkelbach).
 */
#ifndef OPTIMIZE_OBJECTIVE_H
#define OPTIMIZE_OBJECTIVE_H

#include "mi.h"

/* per_user * users(s) + per_spend * s + constant, and for the weighted objective above the floor
 * ratio * users / (rate * s + fixed) - ratio_less, below it floor_slope * s. */
struct term {
    const struct mi_curve *curve;
    double per_user, per_spend, constant;
    double ratio, ratio_less, rate, fixed;
    double floor, floor_slope; /* floor 0: there is no ratio */
    double today, move;        /* less move * |s - today|; move 0: nothing */
};

/* Whether the objective is a ratio of sums, for which `t` is asked below. */
bool objective_is_ratio(enum mi_objective objective);

/* The term of a campaign; for a ratio the one of numerator - t * denominator. */
struct term objective_term(const struct mi_allocation_problem *problem, size_t campaign, double t);

double term_value(const struct term *term, double spend);
/* d value / d spend, to the right at the floor; clamped to a finite number where a curve starts vertically.
 */
double term_slope(const struct term *term, double spend);

/* d slope / d spend above spend 0. */
double term_bend(const struct term *term, double spend);

/* Numerator and denominator of a ratio at given spends. */
void objective_ratio(const struct mi_allocation_problem *problem, const double *spend, double *numerator,
                     double *denominator);
/* The objective's value where the ratio is t: ROI is told in percent. */
double objective_of_ratio(enum mi_objective objective, double t);

/* MI_BAD_ARGUMENT where a weight, an ltv or a cost is impossible. */
enum mi_status objective_check(const struct mi_allocation_problem *problem, struct mi_error *error);

#endif
