/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * -log(1 + e^-x) = -log(1 + e^-|x|), plus x where that is below 0; for the former a table of Taylor series
 * stands, which takes less time than exp() and log1p() do.
 */
#include "num/sigmoid.h"

#include <math.h>
#include <pthread.h>

#define TERMS   8 /* of a series: a cache line */
#define PER_ONE 8 /* series */
#define MOST    37
#define SERIES  (MOST * PER_ONE)

/* Of -log(1 + e^-u) about the middles of SERIES intervals from u = 0. */
static double table[SERIES][TERMS] __attribute__((aligned(64)));

/* The derivatives are polynomials in p = 1 / (1 + e^u): the first is p, and p' = p^2 - p. */
static void fill_table(void) {
    double polynomial[TERMS + 1] = {0, 1}, factorial = 1;
    for (size_t i = 0; i < SERIES; i++)
        table[i][0] = -log1p(exp(-((double)i + 0.5) / PER_ONE));
    for (size_t term = 1; term < TERMS; term++) {
        factorial *= (double)term;
        for (size_t i = 0; i < SERIES; i++) {
            double p = 1 / (1 + exp(((double)i + 0.5) / PER_ONE)), sum = 0;
            for (size_t k = TERMS + 1; k-- > 0;)
                sum = sum * p + polynomial[k];
            table[i][term] = sum / factorial;
        }
        double next[TERMS + 1] = {0};
        for (size_t k = 1; k <= term; k++) {
            next[k] -= (double)k * polynomial[k];
            next[k + 1] += (double)k * polynomial[k];
        }
        for (size_t k = 0; k <= TERMS; k++)
            polynomial[k] = next[k];
    }
}

static double log_sigmoid(double x) {
    double size = fabs(x), below = x > 0 ? 0 : x;
    if (!(size < MOST)) /* or NaN */
        return below;
    unsigned place = (unsigned)(size * PER_ONE);
    const double *term = table[place];
    double off = size - ((double)place + 0.5) / PER_ONE, square = off * off, fourth = square * square;
    double low = (term[0] + term[1] * off) + (term[2] + term[3] * off) * square;
    double high = (term[4] + term[5] * off) + (term[6] + term[7] * off) * square;
    return below + low + high * fourth;
}

void mi_log_sigmoid(double *x, size_t n) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_table);
    for (size_t i = 0; i < n; i++)
        x[i] = log_sigmoid(x[i]);
}
