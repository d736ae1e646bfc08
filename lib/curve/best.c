/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The most profitable spend on one curve: the global maximum of ltv users(s) - rate s over an interval.
 *
 * The interval is cut at marks: the knots, the inflections and, for a mix, a logarithmic grid. Between
 * neighbouring marks a single family is convex or concave, so that its only inner maximum is where the slope
 * comes down through rate / ltv. A mix of S-shapes may bend more often; its grid separates the maxima.
 */
#include <math.h>

#include "curve/curve.h"
#include "mi.h"

#define GRID_RATIO 1.05  /* of neighbouring spends on the grid of a mix */
#define GRID_START 1e-12 /* of the highest spend: where the grid begins */
#define BISECTIONS 200   /* more than a double has bits */

struct search {
    const struct mi_curve *curve;
    double ltv, rate;
    double low, high;
    double spend, profit; /* the best so far */
};

/* The spend where a single family turns from convex to concave: 0 where it is concave, infinite where convex.
 */
static double inflection(const struct mi_curve *curve) {
    const double *p = curve->parameter;
    switch (curve->family) {
    case MI_CURVE_HILL:
        return p[2] > 1 ? p[1] * pow((p[2] - 1) / (p[2] + 1), 1 / p[2]) : 0;
    case MI_CURVE_GOMPERTZ:
    case MI_CURVE_LOGISTIC:
        return p[1];
    case MI_CURVE_POWER:
        return p[1] > 1 ? INFINITY : 0;
    default:
        return 0;
    }
}

/* The first mark above `spend`, which high is if no other comes before it. */
static double next_mark(const struct search *search, double spend) {
    const struct mi_curve *curve = search->curve;
    double next = search->high;
    if (curve->family == MI_CURVE_MIX) {
        next = fmin(next, fmax(spend * GRID_RATIO, search->high * GRID_START));
        for (size_t i = 0; i < curve->count; i++) {
            struct search part = *search;
            part.curve = &curve->parts[i];
            next = fmin(next, next_mark(&part, spend));
        }
    } else if (curve->family == MI_CURVE_POINTS) {
        next = fmin(next, curve_next_knot(curve, spend));
    } else if (inflection(curve) > spend) {
        next = fmin(next, inflection(curve));
    }
    return next;
}

/* The spend beyond which the curve is concave. */
static double last_turn(const struct mi_curve *curve) {
    if (curve->family != MI_CURVE_MIX)
        return fmax(inflection(curve), mi_curve_last_point(curve));
    double turn = 0;
    for (size_t i = 0; i < curve->count; i++)
        turn = fmax(turn, last_turn(&curve->parts[i]));
    return turn;
}

static double marginal(const struct search *search, double spend) {
    return search->ltv * mi_curve_slope(search->curve, spend) - search->rate;
}

/* An end for the search where none is given: beyond it profit only falls. */
static double finite_end(const struct search *search) {
    double end = fmax(fmax(1, search->low), 2 * last_turn(search->curve));
    while (end < MI_MONEY_LIMIT && marginal(search, end) > 0)
        end *= 2;
    return fmax(search->low, fmin(end, MI_MONEY_LIMIT));
}

static void try_spend(struct search *search, double spend) {
    double profit = search->ltv * mi_curve_users(search->curve, spend) - search->rate * spend;
    /* at equal profit the smaller spend: money not spent is worth keeping */
    if (isnan(search->spend) || profit > search->profit ||
        (profit == search->profit && spend < search->spend)) {
        search->spend = spend;
        search->profit = profit;
    }
}

/* Where the marginal profit comes down through 0 between a (where it is above) and b (where it is not). */
static void bisect(struct search *search, double a, double b) {
    for (int i = 0; i < BISECTIONS; i++) {
        double middle = a > 0 && b / a > 4 ? sqrt(a) * sqrt(b) : a + (b - a) / 2;
        if (!(middle > a && middle < b))
            break;
        if (marginal(search, middle) > 0)
            a = middle;
        else
            b = middle;
    }
    try_spend(search, a);
    try_spend(search, b);
}

double mi_curve_best_spend(const struct mi_curve *curve, double ltv, double rate, double low, double high) {
    struct search search = {curve, ltv, rate, fmax(0, low), high, NAN, NAN};
    if (!(ltv >= 0) || !(rate >= 0) || !isfinite(ltv) || !isfinite(rate) || !(search.low <= high) ||
        isinf(search.low))
        return NAN;
    if (isinf(high))
        search.high = finite_end(&search);
    try_spend(&search, search.low);
    for (double a = search.low, b; a < search.high; a = b) {
        b = next_mark(&search, a);
        try_spend(&search, b);
        if (marginal(&search, nextafter(a, b)) > 0 && marginal(&search, b) <= 0)
            bisect(&search, a, b);
    }
    return search.spend;
}
