/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See lattice.h: all multiples are looked at.
 */
#include <math.h>

#include "optimize/lattice.h"

#define POINTS_MOST 2e7

/* The best of term - price * spend over multiples moved by `shift`. */
static double best_of(const struct domain *domain, const struct term *term, double price, double step,
                      double shift) {
    double best = -INFINITY;
    for (size_t k = 0; k < domain->count; k++) {
        double low = domain->interval[k].low, high = domain->interval[k].high;
        double first = shift > 0 ? ceil((low - shift) / step - 1e-9) * step + shift : low;
        for (size_t n = 0; first + (double)n * step <= high * (1 + 1e-12); n++) {
            double spend = first + (double)n * step;
            best = fmax(best, term_value(term, spend) - price * spend);
        }
    }
    return best;
}

double lattice_bound(const struct rounding_problem *problem, double budget_price, const double *prices) {
    const struct rows *rows = problem->rows;
    double step = problem->unit, budget = problem->limits->budget, points = 0;
    double bound = budget_price * budget, held = 0, more = 0;
    for (size_t i = 0; i < rows->campaigns; i++) {
        const struct domain *domain = &rows->domains[i];
        points += (domain_high(domain) - domain_low(domain)) / step;
        if (domain->count == 1 && domain_low(domain) == domain_high(domain))
            held += domain_low(domain);
    }
    if (!(points <= POINTS_MOST) || isnan(budget_price))
        return INFINITY;
    double shift = fmod(budget - held, step);
    if (problem->limits->at_most || shift < 1e-6 || step - shift < 1e-6)
        shift = 0;
    for (size_t k = 0; k < rows->count; k++)
        bound += prices[k] * rows->b[k];
    for (size_t i = 0; i < rows->campaigns; i++) {
        struct term term = problem->terms[i];
        double price = budget_price;
        for (size_t e = rows->start[i]; e < rows->start[i + 1]; e++) {
            term.per_user += prices[rows->entries[e].row] * rows->entries[e].q;
            price += prices[rows->entries[e].row] * rows->entries[e].p;
        }
        double best = best_of(&rows->domains[i], &term, price, step, 0);
        bound += best;
        if (shift > 0)
            more = fmax(more, best_of(&rows->domains[i], &term, price, step, shift) - best);
    }
    return isfinite(bound) ? bound + more : INFINITY;
}
