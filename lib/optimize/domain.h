/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The spends that a campaign may have: a few intervals. One where it has a minimum and a maximum; 0 and one
 * more where it may also be left out, or where a floor for its own ROAS leaves that.
 */
#ifndef OPTIMIZE_DOMAIN_H
#define OPTIMIZE_DOMAIN_H

#include "mi.h"

#define DOMAIN_INTERVALS 8

struct domain {
    size_t count; /* 0: no spend is allowed */
    struct {
        double low, high;
    } interval[DOMAIN_INTERVALS]; /* apart, rising */
};

struct domain domain_interval(double low, double high);
double domain_low(const struct domain *domain);
double domain_high(const struct domain *domain);
/* What of it lies within [low, high]. */
struct domain domain_within(const struct domain *domain, double low, double high);
/* Keeps the spends at which users * money_per_user >= spend (to 1e-12), and 0. */
struct domain domain_affordable(const struct domain *domain, const struct mi_curve *curve,
                                double money_per_user);
bool domain_holds(const struct domain *domain, double spend, double tolerance);
/* The next multiple of `unit` from `spend` in the direction (1 up, -1 down) that is allowed; an end of an
 * interval that holds no multiple counts as one. NaN: none. */
double domain_next(const struct domain *domain, double spend, double unit, int direction);
/* The largest allowed multiple (or lone end) that is not above spend, else the smallest above it; NaN: none.
 */
double domain_floor(const struct domain *domain, double spend, double unit);

/* Draws every interval in to the multiples of `step` that it holds; one that holds none becomes its low end.
 */
void domain_to_steps(struct domain *domain, double step);

#endif
