/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Buy till you die: customers buy at a rate of their own until they drop out unseen. What the three families
 * (BG/NBD, MBG/NBD, Pareto/NBD) and the Gamma-Gamma model of spend share inside the library.
 */
#ifndef LTV_BTYD_H
#define LTV_BTYD_H

#include <math.h>

#include "mi.h"

#define BTYD_PARAMETERS    4
#define BTYD_MOST          64   /* parameters of a model with covariates */
#define BTYD_SPEND_Q_LEAST 1.05 /* below 1 the mean spend of a customer has no expectation */

/* log(1 + ratio), with the slow function only where the fast one loses digits that are multiplied later. */
static inline double btyd_log_one(double ratio) {
    return ratio > 1e-3 ? log(1 + ratio) : log1p(ratio);
}

/* Log likelihood of some customers with its first and second derivatives by the logs of the parameters. */
struct btyd_sums {
    double value;
    double gradient[BTYD_PARAMETERS];
    double hessian[BTYD_PARAMETERS][BTYD_PARAMETERS];
};

/* Customers with the same number of repeat purchases x: when the last was, for how long they were watched,
 * and how many such customers there are. */
struct btyd_bucket {
    double x;
    const double *recency, *T;
    const double *count;
    size_t size;
};

/* Adds a bucket's log likelihood to the sums, with derivatives by the parameters themselves (btyd_to_logs()
 * turns these). */
void btyd_bg_add(const double *p, bool modified, const struct btyd_bucket *bucket, struct btyd_sums *sums);
void btyd_pareto_add(const double *p, const struct btyd_bucket *bucket, struct btyd_sums *sums);
/* Gamma-Gamma: recency holds the mean spend; three parameters p, q, v. */
void btyd_gamma_add(const double *p, const struct btyd_bucket *bucket, struct btyd_sums *sums);

/* From derivatives by the parameters to those by their logs. */
void btyd_to_logs(const double *p, size_t count, struct btyd_sums *sums);

/* ln Gamma(a + n) - ln Gamma(a) without cancellation. */
double btyd_log_rising(double a, double n);
/* Its derivatives by a. */
double btyd_digamma_rise(double a, double n);
double btyd_trigamma_rise(double a, double n);

/* One customer. */
double btyd_bg_log_likelihood(const double *p, bool modified, double x, double tx, double T);
double btyd_bg_alive(const double *p, bool modified, double x, double tx, double T);
double btyd_pareto_log_likelihood(const double *p, double x, double tx, double T);
double btyd_pareto_alive(const double *p, double x, double tx, double T);
/* Purchases within `horizon` of one who is alive at T. */
double btyd_bg_expected(const double *p, bool modified, double x, double T, double horizon);
double btyd_pareto_expected(const double *p, double x, double T, double horizon);

#define BTYD_PURCHASES_MOST 4096

/* Probabilities of 0, 1, ... of a negative binomial with mean R z and variance R z (1 + z). */
void btyd_negative_binomial(double R, double z, double *share, size_t count);

/* How many purchases a customer who is alive makes in `horizon`: the probabilities of 0, 1, ... `count` - 1
 * (at most BTYD_PURCHASES_MOST), the last of which holds all that is left. */
void btyd_bg_purchases(const double *p, bool modified, double x, double T, double horizon, double *share,
                       size_t count);
void btyd_pareto_purchases(const double *p, double x, double T, double horizon, double *share, size_t count);

/* The value at u with gradient and Hessian (row by row); NaN: not defined there. */
typedef double btyd_objective(void *context, const double *u, double *gradient, double *hessian);

struct btyd_optimum {
    size_t count;
    double u[BTYD_MOST];
    double low[BTYD_MOST], high[BTYD_MOST];
    double value;
    double gradient[BTYD_MOST];
    double hessian[BTYD_MOST * BTYD_MOST];
    double slope;   /* largest |gradient| among those not on a bound */
    double promise; /* what a further Newton step would gain */
    int iterations;
    bool converged;
};

/* Maximises from optimum->u within the bounds by Newton steps with an exact Hessian, whose negative curvature
 * is turned, and halved steps. tolerance: of `promise`. */
enum mi_status btyd_maximise(btyd_objective *objective, void *context, double tolerance, int most,
                             struct btyd_optimum *optimum, struct mi_error *error);

#endif
