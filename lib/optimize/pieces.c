/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Pieces of envelopes; see pieces.h.
 */
#include <math.h>
#include <stdlib.h>

#include "optimize/pieces.h"

#define LOSS_RELATIVE 1e-12 /* of the term's range: a straight piece that is the term itself */

/* The edge of the hull that holds a spend, from the left. */
static size_t find_edge(const struct envelope *e, double spend) {
    size_t low = 0, high = e->hull_count - 1;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (e->spend[e->hull[middle]] <= spend)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Whether an edge jumps over nodes or a gap. */
static bool is_bridge(const struct envelope *e, size_t edge) {
    return e->hull[edge + 1] - e->hull[edge] > 1 || envelope_gap(e, e->hull[edge]);
}

static double edge_slope(const struct envelope *e, size_t edge) {
    size_t a = e->hull[edge], b = e->hull[edge + 1];
    return (e->value[b] - e->value[a]) / (e->spend[b] - e->spend[a]);
}

static double value_at(const struct envelope *e, size_t edge, double spend) {
    size_t a = e->hull[edge];
    if (is_bridge(e, edge))
        return e->value[a] + edge_slope(e, edge) * (spend - e->spend[a]);
    return term_value(&e->term, spend);
}

/* Whether the curve is straight by itself between two neighbouring knots. */
static bool is_points(const struct term *term) {
    return term->curve->family == MI_CURVE_POINTS && term->floor <= 0;
}

static int compare_numbers(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Ends of the bridges of an envelope, and the knots of a curve of points, where the slope jumps. */
static size_t add_cuts(const struct envelope *e, double *cuts, size_t count) {
    bool straight = is_points(&e->term);
    for (size_t edge = 0; edge + 1 < e->hull_count; edge++) {
        bool cut = is_bridge(e, edge) || straight;
        if (cut) {
            cuts[count++] = e->spend[e->hull[edge]];
            cuts[count++] = e->spend[e->hull[edge + 1]];
        }
    }
    return count;
}

static size_t add_knots(const struct mi_curve *curve, double *cuts, size_t count) {
    for (size_t i = 0; curve->family == MI_CURVE_POINTS && i < curve->count; i++)
        cuts[count++] = curve->points[i].spend;
    for (size_t i = 0; curve->family == MI_CURVE_MIX && i < curve->count; i++)
        count = add_knots(&curve->parts[i], cuts, count);
    return count;
}

static size_t count_knots(const struct mi_curve *curve) {
    size_t knots = curve->family == MI_CURVE_POINTS ? curve->count : 0;
    for (size_t i = 0; curve->family == MI_CURVE_MIX && i < curve->count; i++)
        knots += count_knots(&curve->parts[i]);
    return knots;
}

/* The part of an envelope over one piece. */
static void describe(const struct envelope *e, const struct piece *piece, bool *straight, double *start,
                     double *slope, bool *jump) {
    double middle = piece->start + piece->length / 2;
    size_t edge = find_edge(e, middle);
    *straight = is_bridge(e, edge) || is_points(&e->term);
    *start = value_at(e, edge, piece->start);
    *slope = edge_slope(e, edge);
    if (is_bridge(e, edge)) {
        double range = fabs(e->value[e->hull[edge + 1]] - e->value[e->hull[edge]]);
        double below = value_at(e, edge, middle) - term_value(&e->term, middle);
        *jump |= envelope_gap(e, e->hull[edge]) || !(below <= LOSS_RELATIVE * range) ||
                 e->hull[edge + 1] - e->hull[edge] > 2;
    }
}

static enum mi_status cut(struct pieces *p) {
    const struct envelope *own = p->has_own ? &p->own : &p->users;
    size_t room = 2 * (p->users.hull_count + own->hull_count) + count_knots(p->term.curve) + 4;
    double *cuts = malloc(room * sizeof *cuts);
    p->items = malloc(room * sizeof *p->items);
    if (!cuts || !p->items) {
        free(cuts);
        return MI_NO_MEMORY;
    }
    double low = domain_low(&p->domain), high = domain_high(&p->domain);
    size_t count = add_cuts(&p->users, cuts, 0);
    if (p->has_own)
        count = add_cuts(&p->own, cuts, count);
    count = add_knots(p->term.curve, cuts, count);
    cuts[count++] = low;
    cuts[count++] = high;
    if (p->term.floor > 0)
        cuts[count++] = p->term.floor;
    if (p->term.move > 0)
        cuts[count++] = p->term.today;
    qsort(cuts, count, sizeof *cuts, compare_numbers);
    double smallest = 1e-9 * (high - low);
    double before = low;
    for (size_t i = 0; i < count; i++) {
        bool last = cuts[i] >= high;
        if (cuts[i] > high || cuts[i] - before <= (last ? 0 : smallest))
            continue;
        struct piece *piece = &p->items[p->count++];
        *piece = (struct piece){.start = before, .length = cuts[i] - before};
        describe(&p->users, piece, &piece->users_straight, &piece->users_start, &piece->users_slope,
                 &piece->jump);
        if (p->has_own) {
            describe(&p->own, piece, &piece->term_straight, &piece->term_start, &piece->term_slope,
                     &piece->jump);
        } else {
            const struct term *t = &p->term;
            piece->term_straight = piece->users_straight || t->per_user == 0;
            piece->term_start = t->per_user * piece->users_start + t->per_spend * piece->start + t->constant;
            piece->term_slope = t->per_user * piece->users_slope + t->per_spend;
        }
        before = cuts[i];
    }
    free(cuts);
    return MI_OK;
}

enum mi_status pieces_new(struct pieces *p, const struct term *term, const struct domain *domain) {
    *p = (struct pieces){.term = *term, .domain = *domain, .has_own = term->floor > 0 || term->move > 0};
    struct term users = {.curve = term->curve, .per_user = 1};
    enum mi_status status = envelope_build(&p->users, &users, domain);
    if (!status && p->has_own)
        status = envelope_build(&p->own, term, domain);
    p->low = domain_low(domain);
    if (!status) {
        p->users_low = p->users.value[0];
        p->term_low = term_value(term, p->low);
        if (!isfinite(p->term_low))
            status = MI_NUMERIC;
    }
    if (!status && domain_high(domain) > p->low)
        status = cut(p);
    if (status)
        pieces_free(p);
    return status;
}

void pieces_free(struct pieces *p) {
    free(p->items);
    envelope_free(&p->users);
    envelope_free(&p->own);
    *p = (struct pieces){0};
}

struct piece_value piece_at(const struct pieces *p, const struct piece *piece, double x) {
    struct piece_value v = {0};
    double spend = piece->start + x;
    const struct term *t = &p->term;
    if (piece->users_straight) {
        v.users = piece->users_start + piece->users_slope * x;
        v.users_slope = piece->users_slope;
    } else {
        v.users = mi_curve_users(t->curve, spend);
        v.users_slope = mi_curve_slope(t->curve, spend);
        v.users_bend = fmin(0, mi_curve_second_derivative(t->curve, spend));
    }
    if (piece->term_straight) {
        v.term = piece->term_start + piece->term_slope * x;
        v.term_slope = piece->term_slope;
    } else if (p->has_own) {
        v.term = term_value(t, spend);
        v.term_slope = term_slope(t, spend);
        v.term_bend = fmin(0, term_bend(t, spend));
    } else {
        v.term = t->per_user * v.users + t->per_spend * spend + t->constant;
        v.term_slope = t->per_user * v.users_slope + t->per_spend;
        v.term_bend = t->per_user * v.users_bend;
    }
    return v;
}

double pieces_most(const struct pieces *p, double per_user, double per_spend, gsl_root_fsolver *roots,
                   enum mi_status *status) {
    struct term term = p->term;
    term.per_user += per_user;
    term.per_spend += per_spend;
    if (!p->has_own && term.per_user > 0) {
        struct best best = envelope_best(&p->users, -term.per_spend / term.per_user, roots);
        return term.per_user * best.value + term.per_spend * best.spend + term.constant;
    }
    if (!p->has_own) {
        double spend = term.per_spend > 0 ? domain_high(&p->domain) : domain_low(&p->domain);
        return term.per_spend * spend + term.constant;
    }
    if (per_user == 0) {
        struct best best = envelope_best(&p->own, -per_spend, roots);
        return best.value + per_spend * best.spend;
    }
    struct envelope envelope;
    *status = envelope_build(&envelope, &term, &p->domain);
    if (*status)
        return NAN;
    struct best best = envelope_best(&envelope, 0, roots);
    double most = best.value;
    envelope_free(&envelope);
    return most;
}
