/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whole units within limits. Every campaign goes down to a whole number of units; units left over go where
 * they gain most among those that no row forbids, rows that are broken first. Steps are improved by
 * exchanging one between two campaigns as long as that gains.
 */
#include <math.h>
#include <stdlib.h>

#include "optimize/rounding.h"

#define MONEY_RELATIVE 1e-12 /* rounding of sums */
#define PASSES_MOST    1000
#define SWAPS_EACH     3    /* exchanges per campaign */
#define RANKED         24   /* moves of each direction that are tried as pairs */
#define EXCHANGE_MOST  5000 /* campaigns */
#define COARSE         0.5  /* units from here on are steps */
#define MONEY_LEAST    1e-9

struct state {
    const struct rounding_problem *r;
    double *spend, *users;
    double *sums;
    double total;
    struct offer *offers;
};

struct offer {
    size_t campaign;
    double gain;
};

static int compare_offers(const void *a, const void *b) {
    const struct offer *x = a, *y = b;
    if (x->gain != y->gain)
        return x->gain < y->gain ? 1 : -1;
    return (x->campaign > y->campaign) - (x->campaign < y->campaign);
}

static bool broken(const struct state *s, size_t row) {
    return s->sums[row] > s->r->rows->b[row] + s->r->rows->tolerance[row];
}

static bool any_broken(const struct state *s) {
    for (size_t k = 0; k < s->r->rows->count; k++)
        if (broken(s, k))
            return true;
    return false;
}

/* Whether a move leaves no row broken worse than it was; *mends: it mends one. */
static bool allowed(const struct state *s, size_t i, double next, bool *mends) {
    const struct rows *rows = s->r->rows;
    *mends = false;
    if (rows->start[i] == rows->start[i + 1])
        return true;
    double users = mi_curve_users(s->r->problem->campaigns[i].curve, next) - s->users[i];
    for (size_t e = rows->start[i]; e < rows->start[i + 1]; e++) {
        const struct row_entry *entry = &rows->entries[e];
        double change = entry->p * (next - s->spend[i]) - entry->q * users;
        if (change > 0 && s->sums[entry->row] + change > rows->b[entry->row] + rows->tolerance[entry->row])
            return false;
        *mends |= change < 0 && broken(s, entry->row);
    }
    return true;
}

static void move(struct state *s, size_t i, double next) {
    const struct rows *rows = s->r->rows;
    double users = mi_curve_users(s->r->problem->campaigns[i].curve, next);
    for (size_t e = rows->start[i]; e < rows->start[i + 1]; e++)
        s->sums[rows->entries[e].row] +=
            rows->entries[e].p * (next - s->spend[i]) - rows->entries[e].q * (users - s->users[i]);
    s->total += next - s->spend[i];
    s->spend[i] = next;
    s->users[i] = users;
}

static double gain_of(const struct state *s, size_t i, double next) {
    return term_value(&s->r->terms[i], next) - term_value(&s->r->terms[i], s->spend[i]);
}

/* One round of moves by one unit up or down, at most one a campaign; returns whether any was made. */
static bool hand_out(struct state *s, int direction) {
    const struct rounding_problem *r = s->r;
    bool mending = any_broken(s), made = false, mends;
    bool willing = r->limits->at_most && direction > 0 && !mending;
    double slack = MONEY_RELATIVE * r->limits->budget + MONEY_LEAST;
    size_t n = 0;
    for (size_t i = 0; i < r->rows->campaigns; i++) {
        double next = domain_next(&r->rows->domains[i], s->spend[i], r->unit, direction);
        if (isnan(next) || next == s->spend[i] || !allowed(s, i, next, &mends) || (mending && !mends))
            continue;
        double gain = gain_of(s, i, next);
        if (!willing || gain > 0)
            s->offers[n++] = (struct offer){i, gain / fabs(next - s->spend[i])};
    }
    qsort(s->offers, n, sizeof *s->offers, compare_offers);
    for (size_t k = 0; k < n; k++) {
        size_t i = s->offers[k].campaign;
        double rest = r->limits->budget - s->total;
        double next = domain_next(&r->rows->domains[i], s->spend[i], r->unit, direction);
        if (direction > 0 ? next - s->spend[i] > rest + slack : rest >= -slack)
            continue;
        if (direction > 0 && rest < slack)
            break;
        if (!allowed(s, i, next, &mends) || (mending && any_broken(s) && !mends))
            continue;
        move(s, i, next);
        made = true;
    }
    return made;
}

/* What is left of less than a unit, or did not fit, goes to the campaign that gains most by it. */
static bool settle_rest(struct state *s) {
    const struct rounding_problem *r = s->r;
    double rest = r->limits->budget - s->total;
    double best_gain = -INFINITY;
    size_t best = SIZE_MAX;
    bool mends;
    if (fabs(rest) <= MONEY_RELATIVE * r->limits->budget + MONEY_LEAST)
        return true;
    if (r->limits->at_most && rest > 0)
        return true;
    for (size_t i = 0; i < r->rows->campaigns; i++) {
        double next = s->spend[i] + rest;
        if (!domain_holds(&r->rows->domains[i], next, 0) || !allowed(s, i, next, &mends))
            continue;
        double gain = gain_of(s, i, next);
        if (gain > best_gain) {
            best_gain = gain;
            best = i;
        }
    }
    if (best == SIZE_MAX)
        return false;
    double cents = round((s->spend[best] + rest) * 100) / 100; /* where that is what it is */
    double next = s->spend[best] + rest;
    move(s, best, fabs(cents - next) < 1e-7 ? cents : next);
    return true;
}

/* Moves of one unit that look best in a direction, rows counted at their prices. */
struct ranking {
    struct offer best[RANKED];
    size_t count;
};

static void rank(struct ranking *ranking, size_t i, double gain) {
    if (ranking->count == RANKED && gain <= ranking->best[RANKED - 1].gain)
        return;
    size_t at = ranking->count < RANKED ? ranking->count++ : RANKED - 1;
    for (; at > 0 && ranking->best[at - 1].gain < gain; at--)
        ranking->best[at] = ranking->best[at - 1];
    ranking->best[at] = (struct offer){i, gain};
}

/* One unit up or down; NaN where that is no plain unit. */
static double unit_from(const struct state *s, size_t i, int direction) {
    double next = domain_next(&s->r->rows->domains[i], s->spend[i], s->r->unit, direction);
    return fabs(fabs(next - s->spend[i]) - s->r->unit) < MONEY_LEAST ? next : NAN;
}

static double priced_gain(const struct state *s, size_t i, double next) {
    const struct rows *rows = s->r->rows;
    double gain = gain_of(s, i, next);
    if (!s->r->prices || rows->start[i] == rows->start[i + 1])
        return gain;
    double users = mi_curve_users(s->r->problem->campaigns[i].curve, next) - s->users[i];
    for (size_t e = rows->start[i]; e < rows->start[i + 1]; e++)
        gain -= s->r->prices[rows->entries[e].row] *
                (rows->entries[e].p * (next - s->spend[i]) - rows->entries[e].q * users);
    return gain;
}

/* Tries a pair: done where it gains and breaks no row. */
static bool try_pair(struct state *s, size_t down, size_t up) {
    double before_up = s->spend[up], before_down = s->spend[down];
    double lower = unit_from(s, down, -1), higher = unit_from(s, up, 1);
    if (up == down || isnan(lower) || isnan(higher))
        return false;
    double gain = gain_of(s, down, lower) + gain_of(s, up, higher);
    if (!(gain > 1e-9 * fabs(gain_of(s, up, higher)) + 1e-12))
        return false;
    move(s, down, lower);
    move(s, up, higher);
    if (!any_broken(s))
        return true;
    move(s, up, before_up);
    move(s, down, before_down);
    return false;
}

/* Exchanges steps between two campaigns while that gains. */
static void exchange(struct state *s) {
    size_t count = s->r->rows->campaigns;
    if (count > EXCHANGE_MOST)
        return;
    for (size_t k = 0; k < SWAPS_EACH * count; k++) {
        struct ranking ups = {0}, downs = {0};
        for (size_t i = 0; i < count; i++) {
            double next = unit_from(s, i, 1);
            if (!isnan(next))
                rank(&ups, i, priced_gain(s, i, next));
            next = unit_from(s, i, -1);
            if (!isnan(next))
                rank(&downs, i, priced_gain(s, i, next));
        }
        bool made = false;
        for (size_t sum = 0; sum + 1 < ups.count + downs.count && !made; sum++)
            for (size_t a = 0; a <= sum && a < ups.count && !made; a++)
                if (sum - a < downs.count)
                    made = try_pair(s, downs.best[sum - a].campaign, ups.best[a].campaign);
        if (!made)
            return;
    }
}

static enum mi_status settle(struct state *s) {
    const struct rounding_problem *r = s->r;
    size_t count = r->rows->campaigns;
    s->total = 0;
    for (size_t i = 0; i < count; i++) {
        double whole = domain_floor(&r->rows->domains[i], s->spend[i], r->unit);
        if (isnan(whole))
            return MI_NO;
        s->spend[i] = whole;
        s->users[i] = mi_curve_users(r->problem->campaigns[i].curve, whole);
        s->total += whole;
    }
    rows_sums(r->rows, r->problem, s->spend, s->sums);
    for (int pass = 0; pass < PASSES_MOST; pass++) {
        double rest = r->limits->budget - s->total;
        if (!(rest < 0 ? hand_out(s, -1) : hand_out(s, 1)))
            break;
    }
    if (r->unit >= COARSE)
        exchange(s);
    if (!settle_rest(s))
        return MI_NO;
    rows_sums(r->rows, r->problem, s->spend, s->sums); /* without what rounding added up */
    for (size_t i = 0; i < count; i++)
        if (!domain_holds(&r->rows->domains[i], s->spend[i], MONEY_LEAST))
            return MI_NO;
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += s->spend[i];
    double over = sum - r->limits->budget, slack = 1e-10 * fmax(1, r->limits->budget);
    if (over > slack || (!r->limits->at_most && over < -slack))
        return MI_NO;
    return any_broken(s) ? MI_NO : MI_OK;
}

enum mi_status rounding_settle(const struct rounding_problem *rounding, double *spend) {
    size_t count = rounding->rows->campaigns;
    struct state s = {.r = rounding, .spend = spend};
    s.users = malloc((count + 1) * sizeof *s.users);
    s.sums = malloc((rounding->rows->count + 1) * sizeof *s.sums);
    s.offers = malloc((count + 1) * sizeof *s.offers);
    enum mi_status status = s.users && s.sums && s.offers ? settle(&s) : MI_NO_MEMORY;
    free(s.users);
    free(s.sums);
    free(s.offers);
    return status;
}
