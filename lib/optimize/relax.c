/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Primal-dual interior-point method (Wright 1997, Primal-Dual Interior-Point Methods) for
 *
 *     maximise sum f(x) - penalty * over   with   rows(x) - over + slack = b,   sum x = budget,
 *     0 <= x <= length, slack >= 0, over >= 0.
 *
 * The Hessian is diagonal: each step costs the columns times the square of the rows. Budget at most: a row
 * more.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "optimize/relax.h"

#define STEPS_MOST    120
#define CENTERING     0.15
#define NEAR_END      0.995 /* share of the way to the boundary that a step goes */
#define DONE          1e-10 /* scaled complementarity and residuals */
#define ENOUGH        1e-6  /* with which a stalled run is still good */
#define PENALTY       1e5   /* of exceeding a row, in scaled prices */
#define OVER_RELATIVE 1e-9  /* the budget's rounding */

struct column {
    uint32_t campaign, piece;
    double x, low_price, high_price; /* x and its multipliers, scaled */
    double length;
    double step;
    double best; /* x of the best iterate */
};

struct row_state {
    double slack, price, over, over_price; /* the last two: and the multiplier of over >= 0 */
    double scale;
    bool equal; /* the budget, spent whole: no slack, price of any sign, nothing over */
    double sum, residual, step;
    double best_price, best_over;
};

struct solver {
    const struct relax_problem *problem;
    size_t columns, rows; /* rows: those of the problem and the budget */
    struct column *column;
    struct row_state *row;
    double money, value;        /* scales */
    double *matrix, *right;     /* Schur complement */
    double *hessian, *gradient; /* per column */
    double *slopes;             /* d users / d spend per column */
    double off;                 /* how far the best iterate is from the conditions of an optimum */
};

static size_t budget_row(const struct solver *s) {
    return s->rows - 1;
}

/* Scaled entry of a column in a row: d row / d x. */
static double coefficient(const struct solver *s, const struct row_entry *e, double users_slope) {
    return (e->p - e->q * users_slope) * s->money / s->row[e->row].scale;
}

static void set_scales(struct solver *s) {
    const struct relax_problem *problem = s->problem;
    const struct rows *rows = problem->rows;
    double rise = 0, room = 0;
    for (size_t i = 0; i < problem->count; i++)
        for (size_t k = 0; k < problem->pieces[i]->count; k++)
            room += problem->pieces[i]->items[k].length;
    double spare = problem->budget;
    for (size_t i = 0; i < problem->count; i++)
        spare -= problem->pieces[i]->low;
    s->money = fmax(fmin(spare, room), 1e-12 * problem->budget) / (double)problem->count;
    if (!(s->money > 0))
        s->money = 1;
    double *weight = s->right;
    memset(weight, 0, s->rows * sizeof *weight);
    double *members = s->matrix;
    memset(members, 0, s->rows * sizeof *members);
    size_t n = 0;
    for (size_t i = 0; i < problem->count; i++) {
        const struct pieces *p = problem->pieces[i];
        if (p->count == 0)
            continue;
        const struct piece *last = &p->items[p->count - 1];
        struct piece_value end = piece_at(p, last, last->length);
        double width = last->start + last->length - p->low;
        rise += fabs(end.term - p->term_low) / width;
        n++;
        double users = (end.users - p->users_low) / width;
        for (size_t e = rows->start[i]; e < rows->start[i + 1]; e++) {
            weight[rows->entries[e].row] += fabs(rows->entries[e].p) + rows->entries[e].q * users;
            members[rows->entries[e].row]++;
        }
    }
    s->value = rise > 0 ? rise / (double)n * s->money : 1;
    for (size_t k = 0; k < rows->count; k++)
        s->row[k].scale = members[k] > 0 && weight[k] > 0 ? weight[k] / members[k] * s->money : 1;
    s->row[budget_row(s)].scale = s->money;
    s->row[budget_row(s)].equal = !problem->at_most;
}

/* Row sums, gradients and Hessians at the columns' x. */
static void evaluate(struct solver *s) {
    const struct relax_problem *problem = s->problem;
    const struct rows *rows = problem->rows;
    for (size_t k = 0; k < s->rows; k++)
        s->row[k].sum = -(k < rows->count ? problem->b[k] : problem->budget);
    for (size_t i = 0; i < problem->count; i++) {
        const struct pieces *p = problem->pieces[i];
        s->row[budget_row(s)].sum += p->low;
        for (size_t e = rows->start[i]; e < rows->start[i + 1]; e++)
            s->row[rows->entries[e].row].sum +=
                rows->entries[e].p * p->low - rows->entries[e].q * p->users_low;
    }
    for (size_t c = 0; c < s->columns; c++) {
        const struct column *column = &s->column[c];
        const struct pieces *p = problem->pieces[column->campaign];
        const struct piece *piece = &p->items[column->piece];
        double spend = column->x * s->money;
        struct piece_value v = piece_at(p, piece, spend);
        double users = v.users - piece->users_start;
        s->slopes[c] = v.users_slope;
        s->gradient[c] = -v.term_slope * s->money / s->value;
        s->hessian[c] = -v.term_bend * s->money * s->money / s->value;
        s->row[budget_row(s)].sum += spend;
        for (size_t e = rows->start[column->campaign]; e < rows->start[column->campaign + 1]; e++) {
            const struct row_entry *entry = &rows->entries[e];
            s->row[entry->row].sum += entry->p * spend - entry->q * users;
            s->hessian[c] -= s->row[entry->row].price * entry->q * v.users_bend * s->money * s->money /
                             s->row[entry->row].scale;
        }
    }
    for (size_t k = 0; k < s->rows; k++)
        s->row[k].sum /= s->row[k].scale;
}

/* Adds the prices of the rows to the gradient; residuals. Returns the largest residual. */
static double find_residuals(struct solver *s, double *dual) {
    const struct rows *rows = s->problem->rows;
    double primal = 0;
    *dual = 0;
    for (size_t k = 0; k < s->rows; k++) {
        struct row_state *row = &s->row[k];
        row->residual = row->equal ? row->sum : row->sum - row->over + row->slack;
        primal = fmax(primal, fabs(row->residual));
    }
    for (size_t c = 0; c < s->columns; c++) {
        const struct column *column = &s->column[c];
        double g = s->gradient[c] + s->row[budget_row(s)].price;
        double size = 1 + fabs(s->gradient[c]) + fabs(s->row[budget_row(s)].price);
        for (size_t e = rows->start[column->campaign]; e < rows->start[column->campaign + 1]; e++) {
            double part =
                s->row[rows->entries[e].row].price * coefficient(s, &rows->entries[e], s->slopes[c]);
            g += part;
            size += fabs(part);
        }
        s->gradient[c] = g;
        *dual = fmax(*dual, fabs(g - column->low_price + column->high_price) / size);
    }
    return primal;
}

static double complementarity(const struct solver *s, double *worst) {
    double sum = 0;
    size_t count = 0;
    *worst = 0;
    for (size_t c = 0; c < s->columns; c++) {
        const struct column *column = &s->column[c];
        double a = column->x * column->low_price, b = (column->length - column->x) * column->high_price;
        sum += a + b;
        *worst = fmax(*worst, fmax(a, b));
        count += 2;
    }
    for (size_t k = 0; k < s->rows; k++) {
        const struct row_state *row = &s->row[k];
        if (row->equal)
            continue;
        double a = row->slack * row->price, b = row->over * row->over_price;
        sum += a + b;
        *worst = fmax(*worst, fmax(a, b));
        count += 2;
    }
    return sum / (double)(count ? count : 1);
}

/* Solves the symmetric positive system in place (Cholesky); a pivot that vanishes belongs to a row that says
 * nothing more. */
static void solve_system(double *matrix, double *right, size_t n) {
    for (size_t j = 0; j < n; j++) {
        double pivot = matrix[j * n + j];
        for (size_t k = 0; k < j; k++)
            pivot -= matrix[j * n + k] * matrix[j * n + k];
        pivot = pivot > 1e-14 * fabs(matrix[j * n + j]) && pivot > 1e-300 ? sqrt(pivot) : INFINITY;
        matrix[j * n + j] = pivot;
        for (size_t i = j + 1; i < n; i++) {
            double sum = matrix[i * n + j];
            for (size_t k = 0; k < j; k++)
                sum -= matrix[i * n + k] * matrix[j * n + k];
            matrix[i * n + j] = sum / pivot;
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++)
            right[i] -= matrix[i * n + k] * right[k];
        right[i] /= matrix[i * n + i];
    }
    for (size_t i = n; i-- > 0;) {
        for (size_t k = i + 1; k < n; k++)
            right[i] -= matrix[k * n + i] * right[k];
        right[i] /= matrix[i * n + i];
    }
}

/* Entries of a column in rows: those of its campaign and the budget's. */
static size_t gather(const struct solver *s, size_t c, size_t *place, double *entry) {
    const struct rows *rows = s->problem->rows;
    size_t n = 0, campaign = s->column[c].campaign;
    for (size_t e = rows->start[campaign]; e < rows->start[campaign + 1]; e++) {
        place[n] = rows->entries[e].row;
        entry[n++] = coefficient(s, &rows->entries[e], s->slopes[c]);
    }
    place[n] = budget_row(s);
    entry[n++] = 1;
    return n;
}

/* Newton's direction for complementarity mu. */
static void find_direction(struct solver *s, double mu, size_t *place, double *entry) {
    size_t n = s->rows;
    memset(s->matrix, 0, n * n * sizeof *s->matrix);
    memset(s->right, 0, n * sizeof *s->right);
    for (size_t c = 0; c < s->columns; c++) {
        struct column *column = &s->column[c];
        double rest = column->length - column->x;
        double h = s->hessian[c] + column->low_price / column->x + column->high_price / rest;
        double r = -s->gradient[c] + mu / column->x - mu / rest;
        size_t entries = gather(s, c, place, entry);
        column->step = r;
        for (size_t a = 0; a < entries; a++) {
            s->right[place[a]] += entry[a] * r / h;
            for (size_t b = 0; b < entries; b++)
                s->matrix[place[a] * n + place[b]] += entry[a] * entry[b] / h;
        }
    }
    for (size_t k = 0; k < n; k++) {
        struct row_state *row = &s->row[k];
        s->right[k] += row->residual;
        if (row->equal)
            continue;
        /* slack and over eliminated: their steps follow from that of the price */
        s->matrix[k * n + k] += row->slack / row->price + row->over / row->over_price;
        s->right[k] += mu / row->price - row->slack;
        s->right[k] -= (mu - row->over * (PENALTY - row->price)) / row->over_price;
    }
    solve_system(s->matrix, s->right, n);
    for (size_t k = 0; k < n; k++)
        s->row[k].step = s->right[k];
    for (size_t c = 0; c < s->columns; c++) {
        struct column *column = &s->column[c];
        double h =
            s->hessian[c] + column->low_price / column->x + column->high_price / (column->length - column->x);
        size_t entries = gather(s, c, place, entry);
        for (size_t a = 0; a < entries; a++)
            column->step -= entry[a] * s->row[place[a]].step;
        column->step /= h;
    }
}

/* How far `value` may go by `step` and stay above 0. */
static double reach(double most, double value, double step) {
    return step < 0 ? fmin(most, -NEAR_END * value / step) : most;
}

/* Steps of what was eliminated. */
static double low_step(const struct column *c, double mu) {
    return mu / c->x - c->low_price - c->low_price / c->x * c->step;
}
static double high_step(const struct column *c, double mu) {
    double rest = c->length - c->x;
    return mu / rest - c->high_price + c->high_price / rest * c->step;
}
static double slack_step(const struct row_state *r, double mu) {
    return mu / r->price - r->slack - r->slack / r->price * r->step;
}
/* over's multiplier is PENALTY - price once dual feasible; it is kept as that */
static double over_step(const struct row_state *r, double mu) {
    double multiplier_step = PENALTY - r->price - r->step - r->over_price;
    return (mu - r->over * r->over_price - r->over * multiplier_step) / r->over_price;
}
static double over_price_step(const struct row_state *r) {
    return PENALTY - r->price - r->step - r->over_price;
}

static void go(struct solver *s, double mu) {
    double primal = 1, dual = 1;
    for (size_t c = 0; c < s->columns; c++) {
        const struct column *column = &s->column[c];
        primal = reach(primal, column->x, column->step);
        primal = reach(primal, column->length - column->x, -column->step);
        dual = reach(dual, column->low_price, low_step(column, mu));
        dual = reach(dual, column->high_price, high_step(column, mu));
    }
    for (size_t k = 0; k < s->rows; k++) {
        const struct row_state *row = &s->row[k];
        if (row->equal)
            continue;
        primal = reach(primal, row->slack, slack_step(row, mu));
        primal = reach(primal, row->over, over_step(row, mu));
        dual = reach(dual, row->price, row->step);
        dual = reach(dual, row->over_price, over_price_step(row));
    }
    for (size_t c = 0; c < s->columns; c++) {
        struct column *column = &s->column[c];
        double low = low_step(column, mu), high = high_step(column, mu);
        column->x += primal * column->step;
        column->low_price += dual * low;
        column->high_price += dual * high;
    }
    for (size_t k = 0; k < s->rows; k++) {
        struct row_state *row = &s->row[k];
        if (row->equal) {
            row->price += dual * row->step;
            continue;
        }
        double slack = slack_step(row, mu), over = over_step(row, mu), over_price = over_price_step(row);
        row->slack += primal * slack;
        row->over += primal * over;
        row->price += dual * row->step;
        row->over_price += dual * over_price;
    }
}

static void start(struct solver *s) {
    const struct relax_problem *problem = s->problem;
    double room = 0, rest = problem->budget;
    for (size_t c = 0; c < s->columns; c++)
        room += s->column[c].length * s->money;
    for (size_t i = 0; i < problem->count; i++)
        rest -= problem->pieces[i]->low;
    double share = room > 0 ? fmax(0.02, fmin(rest / room, 0.98)) : 0.5;
    for (size_t c = 0; c < s->columns; c++) {
        struct column *column = &s->column[c];
        column->x = share * column->length;
        column->low_price = 1;
        column->high_price = 1;
    }
    for (size_t k = 0; k < s->rows; k++) {
        s->row[k].price = s->row[k].equal ? 0 : 1;
        s->row[k].over = 1 / PENALTY;
        s->row[k].over_price = PENALTY - 1;
    }
    evaluate(s);
    for (size_t k = 0; k < s->rows; k++) {
        struct row_state *row = &s->row[k];
        row->slack = fmax(1, row->over - row->sum);
    }
}

static void keep_best(struct solver *s, double off) {
    s->off = off;
    for (size_t c = 0; c < s->columns; c++)
        s->column[c].best = s->column[c].x;
    for (size_t k = 0; k < s->rows; k++) {
        s->row[k].best_price = s->row[k].price;
        s->row[k].best_over = s->row[k].over;
    }
}

static enum mi_status iterate(struct solver *s) {
    size_t *place = calloc(s->rows + 1, sizeof *place);
    double *entry = calloc(s->rows + 1, sizeof *entry);
    enum mi_status status = place && entry ? MI_NUMERIC : MI_NO_MEMORY;
    double best = INFINITY;
    int stalled = 0;
    s->off = INFINITY;
    start(s);
    for (int i = 0; i < STEPS_MOST && status == MI_NUMERIC; i++) {
        double worst, dual, primal;
        evaluate(s);
        primal = find_residuals(s, &dual);
        double mu = complementarity(s, &worst);
        double off = fmax(fmax(primal / (double)(s->problem->count + 1), dual), worst);
        if (!isfinite(mu)) /* beyond what doubles hold: the best until now is the answer */
            break;
        if (off < s->off)
            keep_best(s, off);
        if (off <= DONE) {
            status = MI_OK;
            break;
        }
        stalled = off < best * 0.9 ? 0 : stalled + 1;
        best = fmin(best, off);
        if (stalled > 25)
            break;
        find_direction(s, CENTERING * mu, place, entry);
        go(s, CENTERING * mu);
    }
    if (status == MI_NUMERIC && s->off <= ENOUGH)
        status = MI_OK;
    free(place);
    free(entry);
    return status;
}

static void read_result(const struct solver *s, struct relaxed *relaxed) {
    const struct relax_problem *problem = s->problem;
    for (size_t i = 0; i < problem->count; i++)
        relaxed->spend[i] = problem->pieces[i]->low;
    for (size_t c = 0; c < s->columns; c++)
        relaxed->spend[s->column[c].campaign] += s->column[c].best * s->money;
    for (size_t k = 0; k < problem->rows->count; k++) {
        relaxed->price[k] = fmax(0, s->row[k].best_price) * s->value / s->row[k].scale;
        relaxed->over[k] = fmax(0, s->row[k].best_over * s->row[k].scale);
    }
    relaxed->budget_price = s->row[budget_row(s)].best_price * s->value / s->money;
    if (problem->at_most)
        relaxed->budget_price = fmax(0, relaxed->budget_price);
}

/* The Lagrangian at the prices found: a bound whatever they are. */
static enum mi_status find_bound(const struct relax_problem *problem, gsl_root_fsolver *roots,
                                 struct relaxed *relaxed) {
    const struct rows *rows = problem->rows;
    enum mi_status status = MI_OK;
    double bound = relaxed->budget_price * problem->budget;
    for (size_t k = 0; k < rows->count; k++)
        bound += relaxed->price[k] * problem->b[k];
    for (size_t i = 0; i < problem->count && !status; i++) {
        double per_user = 0, per_spend = -relaxed->budget_price;
        for (size_t e = rows->start[i]; e < rows->start[i + 1]; e++) {
            per_user += relaxed->price[rows->entries[e].row] * rows->entries[e].q;
            per_spend -= relaxed->price[rows->entries[e].row] * rows->entries[e].p;
        }
        bound += pieces_most(problem->pieces[i], per_user, per_spend, roots, &status);
    }
    relaxed->bound = isfinite(bound) ? bound : INFINITY;
    return status;
}

enum mi_status relax_solve(const struct relax_problem *problem, gsl_root_fsolver *roots,
                           struct relaxed *relaxed) {
    struct solver s = {.problem = problem, .rows = problem->rows->count + 1};
    double low = 0, high = 0;
    for (size_t i = 0; i < problem->count; i++) {
        s.columns += problem->pieces[i]->count;
        low += domain_low(&problem->pieces[i]->domain);
        high += domain_high(&problem->pieces[i]->domain);
    }
    double rounding = OVER_RELATIVE * problem->budget;
    if (low > problem->budget + rounding || (!problem->at_most && high < problem->budget - rounding))
        return MI_NO;
    size_t n = s.rows > 3 ? s.rows : 3;
    s.column = calloc(s.columns + 1, sizeof *s.column);
    s.row = calloc(n, sizeof *s.row);
    s.matrix = calloc(n * n, sizeof *s.matrix);
    s.right = calloc(n, sizeof *s.right);
    s.hessian = calloc(3 * (s.columns + 1), sizeof *s.hessian);
    enum mi_status status = MI_NO_MEMORY;
    if (s.column && s.row && s.matrix && s.right && s.hessian) {
        s.gradient = s.hessian + s.columns + 1;
        s.slopes = s.gradient + s.columns + 1;
        set_scales(&s);
        size_t c = 0;
        for (size_t i = 0; i < problem->count; i++)
            for (size_t k = 0; k < problem->pieces[i]->count; k++)
                s.column[c++] = (struct column){.campaign = (uint32_t)i,
                                                .piece = (uint32_t)k,
                                                .length = problem->pieces[i]->items[k].length / s.money};
        status = iterate(&s);
        if (status == MI_OK || status == MI_NUMERIC) {
            read_result(&s, relaxed);
            enum mi_status bounded = find_bound(problem, roots, relaxed);
            status = bounded ? bounded : status;
        }
    }
    free(s.column);
    free(s.row);
    free(s.matrix);
    free(s.right);
    free(s.hessian);
    return status;
}
