/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Gamma-Gamma (Fader, Hardie, Lee 2005; Fader, Hardie 2013): a customer's purchases are gamma (p, nu), nu is
 * gamma (q, v) over customers, and neither depends on how often one buys.
 */
#include <math.h>

#include <gsl/gsl_sf_gamma.h>
#include <gsl/gsl_sf_psi.h>

#include "ltv/btyd.h"

void btyd_gamma_add(const double *parameters, const struct btyd_bucket *bucket, struct btyd_sums *sums) {
    double p = parameters[0], q = parameters[1], v = parameters[2], x = bucket->x, px = p * x;
    double customers = 0, log_m = 0, log_sum = 0, inverse = 0, inverse_square = 0;
    for (size_t i = 0; i < bucket->size; i++) {
        double count = bucket->count[i], m = bucket->recency[i], one = 1 / (x * m + v);
        customers += count;
        log_m += count * log(m);
        log_sum += count * log(x * m + v);
        inverse += count * one;
        inverse_square += count * one * one;
    }
    double psi_all = gsl_sf_psi(px + q), psi_x = gsl_sf_psi(px);
    double tri_all = gsl_sf_psi_1(px + q), log_v = log(v), log_x = log(x);
    sums->value += customers * (gsl_sf_lngamma(px + q) - gsl_sf_lngamma(px) - gsl_sf_lngamma(q) + q * log_v +
                                px * log_x) +
                   (px - 1) * log_m - (px + q) * log_sum;
    sums->gradient[0] += x * (customers * (psi_all - psi_x + log_x) + log_m - log_sum);
    sums->gradient[1] += customers * (psi_all - gsl_sf_psi(q) + log_v) - log_sum;
    sums->gradient[2] += customers * q / v - (px + q) * inverse;
    sums->hessian[0][0] += customers * x * x * (tri_all - gsl_sf_psi_1(px));
    sums->hessian[1][0] += customers * x * tri_all;
    sums->hessian[2][0] -= x * inverse;
    sums->hessian[1][1] += customers * (tri_all - gsl_sf_psi_1(q));
    sums->hessian[2][1] += customers / v - inverse;
    sums->hessian[2][2] += (px + q) * inverse_square - customers * q / (v * v);
}
