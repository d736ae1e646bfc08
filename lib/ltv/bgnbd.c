/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * BG/NBD (Fader, Hardie, Lee 2005, Marketing Science 24) and MBG/NBD (Batislam, Denizel, Filiztekin 2007,
 * International Journal of Research in Marketing 24): purchases at a gamma rate (r, alpha); after each a
 * customer drops out with a beta probability (a, b), in MBG after the first purchase too.
 *
 * Of a customer who is alive at T the rate is gamma (r + x, alpha + T) and the probability of dropping out
 * beta (a, b + k), k = x, in MBG x + 1. Without dropping out the purchases of a further time t would be
 * negative binomial; the n-th of them comes about with the probability that n - 1 drop-outs did not happen,
 * (b + k)_(n-1) / (a + b + k)_(n-1). All sums below are of positive terms: nothing cancels, and a = 1, a + b
 * < 1 or x in the thousands are no special cases.
 */
#include <math.h>

#include <gsl/gsl_sf_gamma.h>
#include <gsl/gsl_sf_psi.h>

#include "ltv/btyd.h"

/* x is whole, so that these are sums, which do not cancel where a is huge. */
#define SUM_MOST 10000

double btyd_log_rising(double a, double n) {
    return n > 0 ? gsl_sf_lnpoch(a, n) : 0;
}

double btyd_digamma_rise(double a, double n) {
    if (n > SUM_MOST) {
        return gsl_sf_psi(a + n) - gsl_sf_psi(a);
    }
    double sum = 0;
    for (double i = 0; i < n; i++) {
        sum += 1 / (a + i);
    }
    return sum;
}

double btyd_trigamma_rise(double a, double n) {
    if (n > SUM_MOST) {
        return gsl_sf_psi_1(a + n) - gsl_sf_psi_1(a);
    }
    double sum = 0;
    for (double i = 0; i < n; i++) {
        sum -= 1 / ((a + i) * (a + i));
    }
    return sum;
}

/* ln B(a, b + k) - ln B(a, b) and its derivatives: by a; by b; by a a and a b, which are the same; by b b. */
struct beta_rise {
    double value, by_a, by_b, second, by_bb;
};

static struct beta_rise beta_rise(double a, double b, double k) {
    struct beta_rise rise = {0};
    if (k > SUM_MOST) {
        rise.value = btyd_log_rising(b, k) - btyd_log_rising(a + b, k);
        rise.by_a = -btyd_digamma_rise(a + b, k);
        rise.by_b = btyd_digamma_rise(b, k) + rise.by_a;
        rise.second = -btyd_trigamma_rise(a + b, k);
        rise.by_bb = btyd_trigamma_rise(b, k) + rise.second;
        return rise;
    }
    for (double i = 0; i < k; i++) {
        double all = 1 / (a + b + i), own = 1 / (b + i);
        rise.value -= log1p(a * own);
        rise.by_a -= all;
        rise.by_b += a * all * own;
        rise.second += all * all;
        rise.by_bb -= a * all * own * (all + own);
    }
    return rise;
}

/* What all customers of a bucket have in common: the likelihood of x but for time and death. */
static void add_common(const double *p, double x, double k, double customers, struct btyd_sums *sums) {
    double r = p[0], alpha = p[1], a = p[2], b = p[3];
    struct beta_rise beta = beta_rise(a, b, k);
    sums->value += customers * (btyd_log_rising(r, x) - x * log(alpha) + beta.value);
    sums->gradient[0] += customers * btyd_digamma_rise(r, x);
    sums->gradient[1] -= customers * x / alpha;
    sums->gradient[2] += customers * beta.by_a;
    sums->gradient[3] += customers * beta.by_b;
    sums->hessian[0][0] += customers * btyd_trigamma_rise(r, x);
    sums->hessian[1][1] += customers * x / (alpha * alpha);
    sums->hessian[2][2] += customers * beta.second;
    sums->hessian[3][2] += customers * beta.second;
    sums->hessian[3][3] += customers * beta.by_bb;
}

void btyd_bg_add(const double *p, bool modified, const struct btyd_bucket *bucket, struct btyd_sums *sums) {
    double r = p[0], alpha = p[1], a = p[2], b = p[3];
    double x = bucket->x, k = modified ? x + 1 : x, R = r + x, inverse = 1 / alpha;
    double extra = k > 0 ? log(a) - log(b + k - 1) : -INFINITY;
    double slope_a = k > 0 ? 1 / a : 0, slope_b = k > 0 ? -1 / (b + k - 1) : 0;
    double customers = 0, value = 0, dead = 0, mixed = 0;
    double g0 = 0, g1 = 0, h10 = 0, h11 = 0, d00 = 0, d10 = 0, d11 = 0, d0 = 0, d1 = 0;
    for (size_t i = 0; i < bucket->size; i++) {
        double count = bucket->count[i], T = bucket->T[i], tx = bucket->recency[i];
        double ratio_T = T * inverse, ratio_x = tx * inverse;
        double log_T = btyd_log_one(ratio_T), log_x = btyd_log_one(ratio_x);
        double apart = extra + R * (log_T - log_x); /* log odds of being dead */
        double small = exp(-fabs(apart));
        double share = 1 / (1 + small);
        double w = apart > 0 ? share : small * share;
        value += count * (-R * log_T + (apart > 0 ? apart : 0) + log(1 + small));
        customers += count;
        /* by alpha, over R: of log(1 + T / alpha), T / (alpha (alpha + T)) */
        double in_T = ratio_T / (alpha + T), in_x = ratio_x / (alpha + tx);
        double square_T = in_T * (2 * alpha + T) / (alpha * (alpha + T));
        double square_x = in_x * (2 * alpha + tx) / (alpha * (alpha + tx));
        double gap0 = log_T - log_x, gap1 = in_x - in_T;
        double wc = w * count, ww = wc * (1 - w);
        g0 += -count * log_T + wc * gap0;
        g1 += count * in_T + wc * gap1;
        h10 += count * in_T + wc * gap1;
        h11 -= count * square_T + wc * (square_x - square_T);
        dead += wc;
        mixed += ww;
        d0 += ww * gap0;
        d1 += ww * gap1;
        d00 += ww * gap0 * gap0;
        d10 += ww * gap0 * gap1;
        d11 += ww * gap1 * gap1;
    }
    add_common(p, x, k, customers, sums);
    sums->value += value;
    sums->gradient[0] += g0;
    sums->gradient[1] += R * g1;
    sums->gradient[2] += dead * slope_a;
    sums->gradient[3] += dead * slope_b;
    sums->hessian[0][0] += d00;
    sums->hessian[1][0] += h10 + R * d10;
    sums->hessian[1][1] += R * h11 + R * R * d11;
    sums->hessian[2][0] += slope_a * d0;
    sums->hessian[3][0] += slope_b * d0;
    sums->hessian[2][1] += slope_a * R * d1;
    sums->hessian[3][1] += slope_b * R * d1;
    sums->hessian[2][2] += slope_a * slope_a * (mixed - dead);
    sums->hessian[3][2] += slope_a * slope_b * mixed;
    sums->hessian[3][3] += slope_b * slope_b * (mixed + dead);
}

void btyd_to_logs(const double *p, size_t count, struct btyd_sums *sums) {
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j <= i; j++) {
            sums->hessian[i][j] *= p[i] * p[j];
            sums->hessian[j][i] = sums->hessian[i][j];
        }
        sums->gradient[i] *= p[i];
        sums->hessian[i][i] += sums->gradient[i];
    }
}

/* Log odds of being dead at T. */
static double odds_of_death(const double *p, double k, double x, double tx, double T) {
    if (k <= 0) {
        return -INFINITY;
    }
    return log(p[2]) - log(p[3] + k - 1) + (p[0] + x) * (log1p(T / p[1]) - log1p(tx / p[1]));
}

static double alive_of(double odds) {
    return odds > 0 ? exp(-odds) / (1 + exp(-odds)) : 1 / (1 + exp(odds));
}

double btyd_bg_alive(const double *p, bool modified, double x, double tx, double T) {
    return alive_of(odds_of_death(p, modified ? x + 1 : x, x, tx, T));
}

double btyd_bg_log_likelihood(const double *p, bool modified, double x, double tx, double T) {
    double k = modified ? x + 1 : x;
    double odds = odds_of_death(p, k, x, tx, T);
    return btyd_log_rising(p[0], x) - x * log(p[1]) + btyd_log_rising(p[3], k) -
           btyd_log_rising(p[2] + p[3], k) - (p[0] + x) * log1p(T / p[1]) +
           (odds > 0 ? odds + log1p(exp(-odds)) : log1p(exp(odds)));
}

#define TERMS_MOST 20000000

/* Purchases of one who is alive: the sum over n of P(would buy n times) * (purchases of these that come
 * about). The negative binomial is followed from its mode on both sides, as far as it matters. */
double btyd_bg_expected(const double *p, bool modified, double x, double T, double horizon) {
    double R = p[0] + x, z = horizon / (p[1] + T);
    double a = p[2], b = p[3] + (modified ? x + 1 : x);
    double log_share = -R * log1p(z), w = z / (1 + z);
    /* P(N >= n) summed with the survival of the n - 1 before: the upper tail by its own recursion is not
     * needed where terms are summed from n = 1 with the running sum of survivals. */
    double survival = 1, survivals = 0, sum = 0, scale = log_share;
    double term = 1; /* share / exp(scale) */
    double mode = R > 1 ? (R - 1) * z : 0;
    for (double n = 1; n < TERMS_MOST; n++) {
        survivals += survival;
        survival *= (b + n - 1) / (a + b + n - 1);
        term *= (R + n - 1) / n * w;
        sum += term * survivals;
        if (term > 1e200) {
            scale += log(term);
            sum /= term;
            term = 1;
        }
        double next = (R + n) / (n + 1) * w;
        if (n > mode && next < 1 && term * (survivals + 1 / (1 - next)) < 1e-17 * (1 - next) * sum) {
            break;
        }
    }
    return sum > 0 ? exp(scale + log(sum)) : 0;
}

void btyd_negative_binomial(double R, double z, double *share, size_t count) {
    double w = z / (1 + z), log_none = -R * log1p(z), mode = R > 1 ? floor((R - 1) * z) : 0;
    size_t start = log_none > -600 ? 0 : mode < (double)count ? (size_t)mode : count - 1;
    double n = (double)start;
    share[start] = start == 0 ? exp(log_none)
                              : exp(log_none + btyd_log_rising(R, n) - gsl_sf_lngamma(n + 1) + n * log(w));
    for (size_t i = start; i + 1 < count; i++) {
        share[i + 1] = share[i] * (R + (double)i) / ((double)i + 1) * w;
    }
    for (size_t i = start; i > 0; i--) {
        share[i - 1] = share[i] * (double)i / (R + (double)i - 1) / w;
    }
}

void btyd_bg_purchases(const double *p, bool modified, double x, double T, double horizon, double *share,
                       size_t count) {
    double a = p[2], b = p[3] + (modified ? x + 1 : x);
    btyd_negative_binomial(p[0] + x, horizon / (p[1] + T), share, count);
    double above = 1 - share[0], survival = 1;
    for (size_t n = 1; n < count; n++) {
        double k = (double)n;
        double before = fmax(above, 0) * survival; /* P(n or more) */
        above -= share[n];
        survival *= (b + k - 1) / (a + b + k - 1);
        share[n] = n + 1 < count ? fmax(before - fmax(above, 0) * survival, 0) : before;
    }
}
