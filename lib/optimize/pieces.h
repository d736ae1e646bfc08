/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A campaign's concave envelope cut into pieces, each straight or as the term itself is: what the convex
 * relaxation is made of. Both the term and the users have an envelope; they are cut where either is.
 */
#ifndef OPTIMIZE_PIECES_H
#define OPTIMIZE_PIECES_H

#include "optimize/envelope.h"

struct piece {
    double start, length;
    bool term_straight, users_straight;
    bool jump; /* the campaign's own term or users lie below the envelope here, or nothing is allowed */
    double term_start, users_start; /* of the envelopes at the start */
    double term_slope, users_slope; /* where straight */
};

struct pieces {
    struct term term;
    struct domain domain;
    size_t count;
    struct piece *items; /* none where the domain is one point */
    double low, term_low, users_low;
    struct envelope users; /* per user 1 and nothing else */
    struct envelope own;   /* of the term, where it is more than users and spend (floor or move) */
    bool has_own;
};

/* MI_NUMERIC: the term gives no number. */
enum mi_status pieces_new(struct pieces *pieces, const struct term *term, const struct domain *domain);
void pieces_free(struct pieces *pieces);

/* Envelopes' values, slopes and bends at `x` into a piece. */
struct piece_value {
    double term, term_slope, term_bend;
    double users, users_slope, users_bend;
};
struct piece_value piece_at(const struct pieces *pieces, const struct piece *piece, double x);

/* The largest of term + per_user * users + per_spend * spend over the domain. */
double pieces_most(const struct pieces *pieces, double per_user, double per_spend, gsl_root_fsolver *roots,
                   enum mi_status *status);

#endif
