/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The price of the budget by bracketing: the spend asked for falls with the price, smoothly or, where
 * envelopes are straight, in jumps. The bracket closes on the price; what lies between the answers at its two
 * ends is given to the campaigns in their order, so that at most one of them ends inside a jump.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "optimize/dual.h"

#define BUDGET_RELATIVE 1e-12 /* the budget's own rounding */
#define PRICE_RELATIVE  1e-14
#define SPEND_RELATIVE  1e-10 /* of the budget: near enough to end the search */
#define STEPS_MOST      200
#define GUESS_MARGIN    2e-4 /* relative, the first bracket around a guess */
#define HALVINGS        40   /* of the first estimate */
#define GEOMETRIC       20   /* of these at most */

enum mi_status dual_new(struct dual *dual, size_t count, double budget, bool at_most) {
    *dual = (struct dual){.count = count, .budget = budget, .at_most = at_most};
    size_t room = count ? count : 1;
    dual->envelopes = calloc(room, sizeof *dual->envelopes);
    dual->workspace = malloc(3 * room * sizeof *dual->workspace);
    dual->roots = gsl_root_fsolver_alloc(gsl_root_fsolver_brent);
    return dual->envelopes && dual->workspace && dual->roots ? MI_OK : MI_NO_MEMORY;
}

void dual_free(struct dual *dual) {
    free(dual->envelopes);
    free(dual->workspace);
    if (dual->roots)
        gsl_root_fsolver_free(dual->roots);
    *dual = (struct dual){0};
}

/* What the campaigns do at a price. */
struct response {
    double price;
    double spend; /* together */
    double bound; /* of the Lagrangian */
    double *spends;
};

static void respond(const struct dual *dual, double price, struct response *response) {
    response->price = price;
    response->spend = 0;
    response->bound = price * dual->budget;
    for (size_t i = 0; i < dual->count; i++) {
        struct best best = envelope_best(dual->envelopes[i], price, dual->roots);
        response->spends[i] = best.spend;
        response->spend += best.spend;
        response->bound += best.value - price * best.spend;
    }
}

/* A price near the one sought, by halving with answers from the nodes alone. */
static double estimate(const struct dual *dual) {
    double first = -INFINITY, last = INFINITY;
    for (size_t i = 0; i < dual->count; i++) {
        if (dual->envelopes[i]->hull_count < 2)
            continue;
        first = fmax(first, envelope_first_slope(dual->envelopes[i]));
        last = fmin(last, envelope_last_slope(dual->envelopes[i]));
    }
    if (!(first > last) || !isfinite(first) || !isfinite(last))
        return NAN;
    for (int i = 0; i < HALVINGS; i++) {
        double price = last + (first - last) / 2, spend = 0;
        if (i < GEOMETRIC && last > 0 && first > 4 * last) /* a vertical start is far away */
            price = sqrt(first * last);
        for (size_t k = 0; k < dual->count; k++)
            spend += envelope_near(dual->envelopes[k], price);
        if (spend > dual->budget)
            last = price;
        else
            first = price;
    }
    return last + (first - last) / 2;
}

static void exchange(struct response *a, struct response *b) {
    struct response old = *a;
    *a = *b;
    *b = old;
}

/* Moves the end of a bracket outwards until the campaigns ask for less (direction 1) or more (-1). */
static void widen(const struct dual *dual, struct response *end, double step, int direction) {
    for (int i = 0; i < STEPS_MOST; i++) {
        respond(dual, end->price, end);
        if (direction * (end->spend - dual->budget) <= 0)
            return;
        end->price += direction * step;
        step *= 2;
    }
}

/* A bracket: `dear` where they ask for the budget or less, `cheap` where for it or more. */
static void bracket(const struct dual *dual, double guess, struct response *cheap, struct response *dear) {
    double first = -INFINITY, last = INFINITY;
    for (size_t i = 0; i < dual->count; i++) {
        first = fmax(first, envelope_first_slope(dual->envelopes[i]));
        last = fmin(last, envelope_last_slope(dual->envelopes[i]));
    }
    double step = fmax(first - last, fmax(fabs(first), fabs(last)));
    if (!(step > 0))
        step = 1;
    if (isfinite(guess)) {
        step = fmin(step, fmax(fabs(guess) * GUESS_MARGIN, step * PRICE_RELATIVE));
        first = guess + step;
        last = guess - step;
    }
    dear->price = first;
    widen(dual, dear, step, 1);
    cheap->price = last;
    widen(dual, cheap, step, -1);
}

/* Closes the bracket: false position with the weight of an end that stays halved (Illinois), and every third
 * step a plain halving, since jumps mislead the former. */
static void close_bracket(const struct dual *dual, struct response *cheap, struct response *dear,
                          struct response *trial) {
    double weight_cheap = 1, weight_dear = 1;
    int side = 0;
    for (int i = 0; i < STEPS_MOST; i++) {
        double width = dear->price - cheap->price;
        if (cheap->spend - dear->spend <= SPEND_RELATIVE * dual->budget ||
            width <= PRICE_RELATIVE * fmax(fabs(dear->price), fabs(cheap->price)))
            return;
        double over = weight_cheap * (cheap->spend - dual->budget);
        double under = weight_dear * (dual->budget - dear->spend);
        double price = cheap->price + width * (over / (over + under));
        if (i % 3 == 2 || !(price > cheap->price && price < dear->price))
            price = cheap->price + width / 2;
        if (!(price > cheap->price && price < dear->price))
            return;
        respond(dual, price, trial);
        if (trial->spend > dual->budget) {
            exchange(cheap, trial);
            weight_cheap = 1;
            weight_dear = side < 0 ? weight_dear / 2 : 1;
            side = -1;
        } else {
            exchange(dear, trial);
            weight_dear = 1;
            weight_cheap = side > 0 ? weight_cheap / 2 : 1;
            side = 1;
        }
    }
}

/* The answers at the dear end, and what they leave of the budget in order to those that ask for more at the
 * cheap end; what rounding leaves goes where there is room. */
static void fill(const struct dual *dual, const struct response *cheap, const struct response *dear,
                 double *spend) {
    double rest = dual->budget - dear->spend;
    for (size_t i = 0; i < dual->count; i++) {
        double more = fmin(rest, fmax(0, cheap->spends[i] - dear->spends[i]));
        spend[i] = dear->spends[i] + more;
        rest -= more;
    }
    for (size_t i = 0; i < dual->count && rest != 0; i++) {
        const struct envelope *e = dual->envelopes[i];
        double moved = fmax(envelope_low(e), fmin(spend[i] + rest, envelope_high(e)));
        rest -= moved - spend[i];
        spend[i] = moved;
    }
}

/* Value, and the campaign that lies farthest below its envelope. */
static void judge(const struct dual *dual, const struct response *at, struct dual_answer *answer) {
    answer->value = 0;
    answer->split_loss = 0;
    answer->split = 0;
    for (size_t i = 0; i < dual->count; i++) {
        const struct term *term = &dual->envelopes[i]->term;
        double value = term_value(term, answer->spend[i]);
        double best = term_value(term, at->spends[i]);
        double loss = best + at->price * (answer->spend[i] - at->spends[i]) - value;
        answer->value += value;
        if (loss > answer->split_loss) {
            answer->split_loss = loss;
            answer->split = i;
        }
    }
}

/* An allocation without choice: every campaign at an end of its interval. */
static enum mi_status settle(const struct dual *dual, double (*end)(const struct envelope *), double price,
                             struct dual_answer *answer) {
    *answer = (struct dual_answer){.spend = answer->spend, .price = price};
    for (size_t i = 0; i < dual->count; i++) {
        answer->spend[i] = end(dual->envelopes[i]);
        answer->value += term_value(&dual->envelopes[i]->term, answer->spend[i]);
    }
    answer->bound = answer->value;
    return MI_OK;
}

enum mi_status dual_solve(struct dual *dual, double guess, struct dual_answer *answer) {
    double low = 0, high = 0;
    for (size_t i = 0; i < dual->count; i++) {
        low += envelope_low(dual->envelopes[i]);
        high += envelope_high(dual->envelopes[i]);
    }
    double rounding = BUDGET_RELATIVE * dual->budget;
    if (low > dual->budget + rounding || (!dual->at_most && high < dual->budget - rounding))
        return MI_NO;
    if (low >= dual->budget - rounding)
        return settle(dual, envelope_low, NAN, answer);
    if (!dual->at_most && high <= dual->budget + rounding)
        return settle(dual, envelope_high, NAN, answer);

    struct response cheap = {.spends = dual->workspace};
    struct response dear = {.spends = dual->workspace + dual->count};
    struct response trial = {.spends = dual->workspace + 2 * dual->count};
    if (dual->at_most) {
        respond(dual, 0, &trial);
        if (trial.spend <= dual->budget) {
            memcpy(answer->spend, trial.spends, dual->count * sizeof *answer->spend);
            answer->bound = trial.bound;
            answer->price = 0;
            judge(dual, &trial, answer);
            return MI_OK;
        }
    }
    bracket(dual, isnan(guess) ? estimate(dual) : guess, &cheap, &dear);
    close_bracket(dual, &cheap, &dear, &trial);
    fill(dual, &cheap, &dear, answer->spend);
    answer->bound = fmin(cheap.bound, dear.bound);
    answer->price = dear.price;
    judge(dual, &dear, answer);
    return MI_OK;
}
