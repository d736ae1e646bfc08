/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is kept of a set of users: their number, the sum of their LTV, the scatter about its mean. Sets are
 * merged as Chan, Golub, LeVeque (1979) merge variances; the sum is carried in two doubles, so that a mean
 * does not depend on the order of the users.
 */
#ifndef LTV_MOMENTS_H
#define LTV_MOMENTS_H

struct ltv_moments {
    double users;
    double sum, carry; /* sum of LTV = sum + carry */
    double center;     /* running mean, for the scatter */
    double scatter;    /* sum of squares about the mean; scatter / freedom estimates the variance */
    double freedom;    /* degrees of freedom of scatter */
};

/* One row of a history: `users` with this mean and this standard deviation between them (NaN: not known, so
 * that the row says nothing of the scatter but by its distance from others). */
struct ltv_moments ltv_moments_of(double users, double mean, double sd);

/* Adds the users of `other`. */
void ltv_moments_add(struct ltv_moments *moments, const struct ltv_moments *other);

/* The same users, each worth so many times as much. */
struct ltv_moments ltv_moments_times(const struct ltv_moments *moments, double factor);

/* Mean LTV; NaN where there are no users. */
double ltv_moments_mean(const struct ltv_moments *moments);

#endif
