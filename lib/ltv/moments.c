/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Number, sum and scatter of sets of users.
 */
#include "ltv/moments.h"

#include <math.h>

struct ltv_moments ltv_moments_of(double users, double mean, double sd) {
    struct ltv_moments moments = {.users = users, .sum = users * mean, .center = mean};
    moments.carry = fma(users, mean, -moments.sum);
    if (!isnan(sd) && users > 1) {
        moments.freedom = users - 1;
        moments.scatter = (users - 1) * sd * sd;
    }
    return moments;
}

/* Adds a number to sum + carry (Knuth's exact sum of two). */
static void add_exactly(struct ltv_moments *moments, double value) {
    double sum = moments->sum + value;
    double part = sum - moments->sum;
    moments->carry += (moments->sum - (sum - part)) + (value - part);
    moments->sum = sum;
}

void ltv_moments_add(struct ltv_moments *moments, const struct ltv_moments *other) {
    if (other->users <= 0) {
        return;
    }
    if (moments->users <= 0) {
        *moments = *other;
        return;
    }
    double users = moments->users + other->users;
    double apart = other->center - moments->center;
    moments->scatter += other->scatter + apart * apart * moments->users * (other->users / users);
    moments->freedom += other->freedom + 1;
    moments->center += apart * (other->users / users);
    moments->users = users;
    add_exactly(moments, other->sum);
    moments->carry += other->carry;
}

struct ltv_moments ltv_moments_times(const struct ltv_moments *moments, double factor) {
    struct ltv_moments out = *moments;
    out.sum *= factor;
    out.carry = fma(moments->sum, factor, -out.sum) + moments->carry * factor;
    out.center *= factor;
    out.scatter *= factor * factor;
    return out;
}

double ltv_moments_mean(const struct ltv_moments *moments) {
    if (moments->users <= 0) {
        return NAN;
    }
    double mean = (moments->sum + moments->carry) / moments->users;
    double rest = fma(-mean, moments->users, moments->sum) + moments->carry;
    return mean + rest / moments->users;
}
