/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Unions of intervals; see domain.h.
 */
#include <math.h>
#include <stdlib.h>

#include "optimize/domain.h"

#define SAMPLES    400 /* of an interval, half of them geometric */
#define BISECTIONS 60
#define AFFORDABLE 1e-12 /* relative */
#define WHOLE      1e-6  /* of a unit */

struct domain domain_interval(double low, double high) {
    struct domain domain = {.count = low <= high};
    domain.interval[0].low = low;
    domain.interval[0].high = high;
    return domain;
}

double domain_low(const struct domain *domain) {
    return domain->interval[0].low;
}

double domain_high(const struct domain *domain) {
    return domain->interval[domain->count - 1].high;
}

static void add(struct domain *domain, double low, double high) {
    size_t n = domain->count;
    if (n > 0 && low <= domain->interval[n - 1].high) { /* one point in common */
        domain->interval[n - 1].high = fmax(domain->interval[n - 1].high, high);
        return;
    }
    if (n == DOMAIN_INTERVALS)
        return;
    domain->interval[n].low = low;
    domain->interval[n].high = high;
    domain->count++;
}

struct domain domain_within(const struct domain *domain, double low, double high) {
    struct domain part = {0};
    for (size_t i = 0; i < domain->count; i++) {
        double from = fmax(low, domain->interval[i].low), to = fmin(high, domain->interval[i].high);
        if (from <= to)
            add(&part, from, to);
    }
    return part;
}

static bool affordable(const struct mi_curve *curve, double money_per_user, double spend) {
    return spend == 0 || mi_curve_users(curve, spend) * money_per_user >= spend * (1 - AFFORDABLE);
}

/* Where it changes between a and b, on the affordable side. */
static double turn(const struct mi_curve *curve, double money_per_user, double a, double b) {
    bool at_a = affordable(curve, money_per_user, a);
    for (int i = 0; i < BISECTIONS; i++) {
        double middle = a + (b - a) / 2;
        if (affordable(curve, money_per_user, middle) == at_a)
            a = middle;
        else
            b = middle;
    }
    return at_a ? a : b;
}

/* The k-th sample: geometric towards the low end, then even. */
static double sample(double low, double high, int k) {
    int half = SAMPLES / 2;
    if (k <= half)
        return k == 0 ? low : low + (high - low) * exp2(-24.0 * (half - k) / half) / SAMPLES * 2;
    return low + (high - low) * (k - half + 1) / (half + 1);
}

struct domain domain_affordable(const struct domain *domain, const struct mi_curve *curve,
                                double money_per_user) {
    struct domain kept = {0};
    for (size_t i = 0; i < domain->count; i++) {
        double low = domain->interval[i].low, high = domain->interval[i].high;
        double before = low, start = low;
        bool inside = affordable(curve, money_per_user, low);
        if (inside && low == 0 && high > 0 && !affordable(curve, money_per_user, sample(low, high, 1))) {
            add(&kept, 0, 0); /* the lone 0 */
            inside = false;
        }
        for (int k = 1; k <= SAMPLES && high > low; k++) {
            double here = k == SAMPLES ? high : sample(low, high, k);
            bool now = affordable(curve, money_per_user, here);
            if (now != inside) {
                double at = before == 0 && now ? here : turn(curve, money_per_user, before, here);
                if (before == 0 && now)
                    at = turn(curve, money_per_user, here * 1e-9, here);
                if (now)
                    start = at;
                else
                    add(&kept, start, at);
                inside = now;
            }
            before = here;
        }
        if (inside)
            add(&kept, start, high);
    }
    return kept;
}

bool domain_holds(const struct domain *domain, double spend, double tolerance) {
    for (size_t i = 0; i < domain->count; i++)
        if (spend >= domain->interval[i].low - tolerance && spend <= domain->interval[i].high + tolerance)
            return true;
    return false;
}

/* Least and greatest multiple within an interval; its ends where there is none (least <= greatest). */
static void multiples(const struct domain *domain, size_t i, double unit, double *least, double *greatest) {
    double low = domain->interval[i].low, high = domain->interval[i].high;
    double first = ceil(low / unit - WHOLE), last = floor(high / unit + WHOLE);
    double per = round(1 / unit); /* cents: divide by 100, so that the number nearest to the cent comes out */
    bool exact = per >= 1 && fabs(per * unit - 1) < 1e-12;
    *least = first <= last ? (exact ? first / per : first * unit) : low;
    *greatest = first <= last ? (exact ? last / per : last * unit) : low;
}

static double multiple_near(double spend, double unit, int direction) {
    double per = round(1 / unit);
    bool exact = per >= 1 && fabs(per * unit - 1) < 1e-12;
    double count = direction > 0   ? floor(spend / unit + WHOLE) + 1
                   : direction < 0 ? ceil(spend / unit - WHOLE) - 1
                                   : floor(spend / unit + WHOLE);
    return exact ? count / per : count * unit;
}

double domain_next(const struct domain *domain, double spend, double unit, int direction) {
    double target = multiple_near(spend, unit, direction);
    double best = NAN;
    for (size_t i = 0; i < domain->count; i++) {
        double least, greatest;
        multiples(domain, i, unit, &least, &greatest);
        double here = fmax(least, fmin(target, greatest));
        bool beyond = direction > 0 ? here >= target - WHOLE * unit : here <= target + WHOLE * unit;
        if (beyond && (isnan(best) || fabs(here - spend) < fabs(best - spend)))
            best = here;
    }
    return best;
}

double domain_floor(const struct domain *domain, double spend, double unit) {
    double target = multiple_near(spend, unit, 0);
    double below = NAN, above = NAN;
    for (size_t i = 0; i < domain->count; i++) {
        double least, greatest;
        multiples(domain, i, unit, &least, &greatest);
        double here = fmax(least, fmin(target, greatest));
        if (here <= spend + WHOLE * unit)
            below = isnan(below) ? here : fmax(below, here);
        else
            above = isnan(above) ? here : fmin(above, here);
    }
    return isnan(below) ? above : below;
}

void domain_to_steps(struct domain *domain, double step) {
    for (size_t i = 0; i < domain->count; i++) {
        double least, greatest;
        multiples(domain, i, step, &least, &greatest);
        domain->interval[i].low = least;
        domain->interval[i].high = greatest;
    }
}
