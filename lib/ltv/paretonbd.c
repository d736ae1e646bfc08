/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Pareto/NBD (Schmittlein, Morrison, Colombo 1987, Management Science 33): purchases at a gamma rate
 * (r, alpha) until death at a gamma rate (s, beta).
 *
 * The published likelihood is a difference of two hypergeometric functions. Here it is kept as what it is the
 * value of, an integral over the moment of death tau between the last purchase and T:
 *   s / beta * integral (1 + tau/alpha)^-(r+x) (1 + tau/beta)^-(s+1) dtau.
 * The integrand is positive and falls; in v = log((m + tau) / (m + tx)), m = min(alpha, beta), it has no
 * singularity within pi of the real axis, so that Gauss-Legendre is exact to rounding with few nodes. The
 * derivatives are moments of the same integral.
 */
#include <math.h>

#include "ltv/btyd.h"
#include "ltv/legendre.h"

/* ---- the integral over the moment of death ---- */

#define WIDTH_MOST 2.5  /* of a panel, in v */
#define DROP_MOST  10.0 /* of the log of the integrand in a panel */
#define DROP_ENDS  42.0 /* beyond this nothing matters */

/* The integral with its log derivatives. */
struct death {
    double log_value; /* with s / beta; -INFINITY: tx = T */
    double first[4];
    double second[10]; /* lower triangle of first*first + derivative of first, in the mean */
};

/* Sums over the nodes, relative to the integrand at tx. */
struct moments {
    double weight, a, b, in_a, in_b, square_a, square_b;
    double aa, a_in_a, ab, a_in_b, in_a2, b_in_a, in_ab, bb, b_in_b, in_b2;
};

struct problem {
    double R, alpha, s, beta, m, other, tx;
    double log_a, log_b; /* log(1 + tx / alpha), log(1 + tx / beta) */
};

static void add_node(const struct problem *c, double v, double weight, struct moments *sum) {
    double at = (c->m + c->tx) * exp(v), tau = at - c->m;
    double over = log((c->other + tau) / (c->other + c->tx));
    bool alpha_least = c->m == c->alpha; /* then v is the log of alpha's ratio */
    double rise_a = alpha_least ? v : over, rise_b = alpha_least ? over : v;
    double w = weight * at * exp(-c->R * rise_a - (c->s + 1) * rise_b);
    double a = c->log_a + rise_a, b = c->log_b + rise_b;
    double scale_a = 1 / (c->alpha * (c->alpha + tau)), scale_b = 1 / (c->beta * (c->beta + tau));
    double in_a = tau * scale_a, in_b = tau * scale_b;
    double wa = w * a, wb = w * b, wia = w * in_a, wib = w * in_b;
    sum->weight += w;
    sum->a += wa;
    sum->b += wb;
    sum->in_a += wia;
    sum->in_b += wib;
    sum->square_a += wia * (2 * c->alpha + tau) * scale_a;
    sum->square_b += wib * (2 * c->beta + tau) * scale_b;
    sum->aa += wa * a;
    sum->a_in_a += wa * in_a;
    sum->ab += wa * b;
    sum->a_in_b += wa * in_b;
    sum->in_a2 += wia * in_a;
    sum->b_in_a += wb * in_a;
    sum->in_ab += wia * in_b;
    sum->bb += wb * b;
    sum->b_in_b += wb * in_b;
    sum->in_b2 += wib * in_b;
}

/* How far the log of the integrand (with the factor m + tau) falls from tx over a span v. */
static double drop(const struct problem *c, double v) {
    double other = log((c->other - c->m + (c->m + c->tx) * exp(v)) / (c->other + c->tx));
    return c->m == c->alpha ? (c->R - 1) * v + (c->s + 1) * other : c->s * v + c->R * other;
}

static const struct rule *rule_for(double fall) {
    return fall < 3 ? &legendre_8 : fall < 8 ? &legendre_12 : &legendre_16;
}

static void integrate(const struct problem *c, double T, struct moments *sum) {
    double from = 0, end = log((c->m + T) / (c->m + c->tx)), fallen = 0;
    while (from < end) {
        double width = fmin(end - from, WIDTH_MOST);
        double fall = drop(c, from + width) - fallen;
        for (int halving = 0; fall > DROP_MOST && halving < 60; halving++) {
            width *= fmax(0.5 * DROP_MOST / fall, 0.01);
            fall = drop(c, from + width) - fallen;
        }
        const struct rule *rule = rule_for(fmax(fall, 4 * width));
        for (size_t i = 0; i < rule->count; i++) {
            add_node(c, from + width * rule->node[i], width * rule->weight[i], sum);
        }
        fallen += fall;
        from += width;
        if (fallen > DROP_ENDS) {
            break;
        }
    }
}

static void fill_death(const struct problem *c, const struct moments *sum, struct death *death) {
    double one = 1 / sum->weight, R = c->R, s1 = c->s + 1;
    double in_s = 1 / c->s, in_beta = 1 / c->beta;
    double a = sum->a * one, b = sum->b * one, ia = sum->in_a * one, ib = sum->in_b * one;
    death->log_value = log(c->s * in_beta * sum->weight) - R * c->log_a - s1 * c->log_b;
    /* first: E[-a], E[R ia], E[1/s - b], E[s1 ib - 1/beta] */
    death->first[0] = -a;
    death->first[1] = R * ia;
    death->first[2] = in_s - b;
    death->first[3] = s1 * ib - in_beta;
    death->second[0] = sum->aa * one;
    death->second[1] = ia - R * sum->a_in_a * one;
    death->second[2] = R * R * sum->in_a2 * one - R * sum->square_a * one;
    death->second[3] = sum->ab * one - a * in_s;
    death->second[4] = R * (ia * in_s - sum->b_in_a * one);
    death->second[5] = sum->bb * one - 2 * b * in_s; /* + 1/s^2 - 1/s^2 */
    death->second[6] = a * in_beta - s1 * sum->a_in_b * one;
    death->second[7] = R * (s1 * sum->in_ab * one - ia * in_beta);
    death->second[8] = ib + (in_s * s1 * ib - in_s * in_beta) - s1 * sum->b_in_b * one + b * in_beta;
    death->second[9] =
        s1 * s1 * sum->in_b2 * one - 2 * s1 * ib * in_beta + 2 * in_beta * in_beta - s1 * sum->square_b * one;
}

static void find_death(const double *p, double x, double tx, double T, struct death *death) {
    struct problem c = {.R = p[0] + x, .alpha = p[1], .s = p[2], .beta = p[3], .tx = tx};
    c.m = fmin(c.alpha, c.beta);
    c.other = fmax(c.alpha, c.beta);
    c.log_a = btyd_log_one(tx / c.alpha);
    c.log_b = btyd_log_one(tx / c.beta);
    struct moments sum = {0};
    integrate(&c, T, &sum);
    if (sum.weight > 0) {
        fill_death(&c, &sum, death);
    } else {
        *death = (struct death){.log_value = -INFINITY};
    }
}

/* ---- likelihood ---- */

static void add_row(const double *p, double x, double tx, double T, double count, struct btyd_sums *sums) {
    double R = p[0] + x, alpha = p[1], s = p[2], beta = p[3];
    double log_a = btyd_log_one(T / alpha), log_b = btyd_log_one(T / beta);
    double in_a = T / (alpha * (alpha + T)), in_b = T / (beta * (beta + T));
    double alive = -R * log_a - s * log_b;
    struct death death;
    find_death(p, x, tx, T, &death);
    double apart = death.log_value - alive, small = exp(-fabs(apart));
    double w = apart > 0 ? 1 / (1 + small) : small / (1 + small);
    double g[4] = {-log_a, R * in_a, -log_b, s * in_b};
    double h[10] = {0, in_a, -R * in_a * (2 * alpha + T) / (alpha * (alpha + T)), 0, 0, 0, 0,
                    0, in_b, -s * in_b * (2 * beta + T) / (beta * (beta + T))};
    sums->value += count * (alive + (apart > 0 ? apart : 0) + log(1 + small));
    double mean[4];
    for (size_t i = 0; i < 4; i++) {
        mean[i] = g[i] + w * (death.first[i] - g[i]);
        sums->gradient[i] += count * mean[i];
    }
    /* of a log of a sum: the mean of (second + first first') less the square of the mean of first */
    for (size_t i = 0, at = 0; i < 4; i++) {
        for (size_t j = 0; j <= i; j++, at++) {
            double living = h[at] + g[i] * g[j];
            sums->hessian[i][j] += count * (living + w * (death.second[at] - living) - mean[i] * mean[j]);
        }
    }
}

void btyd_pareto_add(const double *p, const struct btyd_bucket *bucket, struct btyd_sums *sums) {
    double customers = 0, x = bucket->x, r = p[0], alpha = p[1];
    for (size_t i = 0; i < bucket->size; i++) {
        add_row(p, x, bucket->recency[i], bucket->T[i], bucket->count[i], sums);
        customers += bucket->count[i];
    }
    sums->value += customers * (btyd_log_rising(r, x) - x * log(alpha));
    sums->gradient[0] += customers * btyd_digamma_rise(r, x);
    sums->gradient[1] -= customers * x / alpha;
    sums->hessian[0][0] += customers * btyd_trigamma_rise(r, x);
    sums->hessian[1][1] += customers * x / (alpha * alpha);
}

double btyd_pareto_log_likelihood(const double *p, double x, double tx, double T) {
    struct death death;
    find_death(p, x, tx, T, &death);
    double alive = -(p[0] + x) * log1p(T / p[1]) - p[2] * log1p(T / p[3]);
    double apart = death.log_value - alive;
    return btyd_log_rising(p[0], x) - x * log(p[1]) + alive +
           (apart > 0 ? apart + log1p(exp(-apart)) : log1p(exp(apart)));
}

double btyd_pareto_alive(const double *p, double x, double tx, double T) {
    struct death death;
    find_death(p, x, tx, T, &death);
    double odds = death.log_value + (p[0] + x) * log1p(T / p[1]) + p[2] * log1p(T / p[3]);
    return odds > 0 ? exp(-odds) / (1 + exp(-odds)) : 1 / (1 + exp(odds));
}

/* Purchases of one who is alive. */
double btyd_pareto_expected(const double *p, double x, double T, double horizon) {
    double rate = (p[0] + x) / (p[1] + T), beta = p[3] + T, power = p[2] - 1;
    double log_ratio = log1p(horizon / beta); /* -log(beta / (beta + t)) */
    double span = fabs(power * log_ratio) < 1e-12 ? log_ratio : -expm1(-power * log_ratio) / power;
    return rate * beta * span;
}

/* The mean over the moment of death of a negative binomial that runs until then, or for all of the horizon.
 */
void btyd_pareto_purchases(const double *p, double x, double T, double horizon, double *share, size_t count) {
    double R = p[0] + x, alpha = p[1] + T, s = p[2], beta = p[3] + T;
    double end = log1p(horizon / beta);
    const struct rule *rule = &legendre_16;
    double given[BTYD_PURCHASES_MOST];
    for (size_t n = 0; n < count; n++) {
        share[n] = 0;
    }
    for (size_t i = 0; i <= rule->count; i++) {
        bool lives = i == rule->count;
        double v = lives ? end : end * rule->node[i];
        double weight = lives ? exp(-s * end) : end * rule->weight[i] * s * exp(-s * v);
        double left = 1;
        btyd_negative_binomial(R, beta * expm1(v) / alpha, given, count);
        for (size_t n = 0; n + 1 < count; n++) {
            share[n] += weight * given[n];
            left -= given[n];
        }
        share[count - 1] += weight * fmax(left, 0);
    }
}
