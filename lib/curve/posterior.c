/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Half saturation and exponent lie on a bent ridge: a curve that bends early and sharply fits much as one
 * that bends late and softly, so the mode is not the middle, and learning a prior from modes drifts away. A
 * grid along the principal axes of the shape's covariance gives means, covariance and the distribution of log
 * users.
 *
 * Given the shape, level and misfit are normal, and so are the bins' targets: kriging (Kennedy & O'Hagan 2001
 * for the misfit of a model as a Gaussian process; Rasmussen & Williams 2006, section 2.7 for the level).
 */
#include "curve/posterior.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIDE_LONG                                                                                            \
    11 /* grid points along the ridge and across it, and their spacing in standard deviations                \
        */
#define SIDE_SHORT 5
#define POINTS     (SIDE_LONG * SIDE_SHORT)
#define STEP_LONG  0.8
#define STEP_SHORT 1.1

#define ZOOMS       6    /* most grids until one fits the posterior */
#define ZOOM_ENOUGH 0.3  /* least variance along an axis over that of the grid's layout */
#define SHIFT_MOST  1.0  /* farthest mean from the grid's centre, in standard deviations of the layout */
#define BLUR        0.25 /* of the square of the grid's step, added to the covariance that lays out the next */

/* A normal's standard deviation over its mean absolute deviation. Log users have long tails: with a standard
 * deviation reckoned from the mean absolute deviation 80 % of them lie within 1.28 of it, as of a normal; of
 * a Laplace distribution 80.0 %, against 83.7 % with that from the variance. */
#define ROOT_HALF_PI 1.2533141373155003

#define EXPECTATION_MOST 0.15

/* Shapes are less spread than a normal prior has it; beyond the data, where little else tells, bands of like
 * campaigns would be too wide (tests/bench/bench-cpa accuracy). */
#define BEYOND 0.90

#define CURVE_STEPS 6
#define CURVE_TIE   1e-3

/* How much each counts for the curve that is the answer. */
static const double reach_weight[REACHES] = {0.1, 0.5, 1, 10, 1, 2, 2};

/* ---- rows of numbers, one a point of the grid ---- */

enum { BLOCK = 8, ROOM = (POINTS + BLOCK - 1) / BLOCK * BLOCK };

typedef double pair __attribute__((vector_size(2 * sizeof(double))));

/* What stands beyond the last point, up to a whole block, has no weight. */
union row {
    double at[ROOM];
    pair pairs[ROOM / 2];
};

/* Pairs in the blocks that hold so many numbers. */
static size_t pairs_of(size_t numbers) {
    return (numbers + BLOCK - 1) / BLOCK * (BLOCK / 2);
}

static double sum_products(const union row *a, const union row *b, size_t pairs) {
    pair even = {0}, odd = {0};
    for (size_t i = 0; i < pairs; i += 2) {
        even += a->pairs[i] * b->pairs[i];
        odd += a->pairs[i + 1] * b->pairs[i + 1];
    }
    even += odd;
    return even[0] + even[1];
}

static void multiply(const union row *a, const union row *b, size_t pairs, union row *product) {
    for (size_t i = 0; i < pairs; i++)
        product->pairs[i] = a->pairs[i] * b->pairs[i];
}

/* sum += factor[0] rows[0] + factor[step] rows[1] + ...: n rows, a block at a time, in registers. */
static void add_rows(const double *factor, size_t step, const union row *rows, size_t n, size_t pairs,
                     union row *sum) {
    for (size_t b = 0; b < pairs; b += BLOCK / 2) {
        pair *to = sum->pairs + b, sum_0 = to[0], sum_1 = to[1], sum_2 = to[2], sum_3 = to[3];
        for (size_t i = 0; i < n; i++) {
            const pair *row = rows[i].pairs + b, by = {factor[i * step], factor[i * step]};
            sum_0 += by * row[0];
            sum_1 += by * row[1];
            sum_2 += by * row[2];
            sum_3 += by * row[3];
        }
        to[0] = sum_0;
        to[1] = sum_1;
        to[2] = sum_2;
        to[3] = sum_3;
    }
}

/* ---- kriging ---- */

/* The Cholesky root of the targets' covariance given the shape whitens what is said of the targets. */
struct kriging {
    size_t n;                 /* bins */
    double level, misfit;     /* variances */
    double level_left;        /* what is left of the level's given the targets */
    double root[BINS][BINS];  /* columns, below the diagonal with the other sign */
    double scale[BINS];       /* 1 / diagonal */
    double units[BINS][BINS]; /* the inverse of the root, by columns */
    double level_white[BINS]; /* covariance of the level with the targets, whitened */
};

static double kernel(double a, double b) {
    double distance = (a - b) / MISFIT_LENGTH;
    return exp(-0.5 * distance * distance);
}

/* false where the matrix is not positive definite. */
static bool find_root(struct kriging *k) {
    for (size_t j = 0; j < k->n; j++) {
        double *column = k->root[j];
        if (!(column[j] > 0))
            return false;
        k->scale[j] = 1 / sqrt(column[j]);
        for (size_t i = j + 1; i < k->n; i++)
            column[i] *= -k->scale[j];
        for (size_t l = j + 1; l < k->n; l++)
            for (size_t i = l; i < k->n; i++)
                k->root[l][i] -= column[l] * column[i];
    }
    return true;
}

/* Each column := the root's inverse times it. */
static void whiten(const struct kriging *k, union row rows[BINS], size_t pairs) {
    for (size_t i = 0; i < k->n; i++) {
        add_rows(&k->root[0][i], BINS, rows, i, pairs, &rows[i]);
        for (size_t b = 0; b < pairs; b++)
            rows[i].pairs[b] *= k->scale[i];
    }
}

/* Whitens the unit vectors, and the level's covariances. */
static void whiten_constants(struct kriging *k) {
    union row rows[BINS];
    size_t pairs = pairs_of(BINS + 1);
    for (size_t i = 0; i < k->n; i++) {
        memset(&rows[i], 0, pairs * sizeof *rows[i].pairs);
        rows[i].at[i] = 1;
        rows[i].at[BINS] = k->level;
    }
    whiten(k, rows, pairs);
    for (size_t i = 0; i < k->n; i++) {
        k->level_white[i] = rows[i].at[BINS];
        k->level_left -= k->level_white[i] * k->level_white[i];
        for (size_t j = 0; j <= i; j++)
            k->units[j][i] = rows[i].at[j];
    }
}

/* Covariance of two bins' targets about the curve. */
static double noise_of(const struct posterior_bins *bins, size_t i, size_t j) {
    if (bins->covariance)
        return bins->covariance[i * bins->n + j];
    return i == j ? bins->variance[i] : 0;
}

static bool prepare(const struct prior *prior, const struct posterior_bins *bins, struct kriging *k) {
    size_t n = k->n = bins->n;
    k->level = k->level_left = prior->sd[0] * prior->sd[0];
    k->misfit = prior->misfit * prior->misfit;
    for (size_t j = 0; j < n; j++) {
        k->root[j][j] = k->level + k->misfit + noise_of(bins, j, j);
        for (size_t i = j + 1; i < n; i++)
            k->root[j][i] = k->level + k->misfit * kernel(bins->x[i], bins->x[j]) + noise_of(bins, i, j);
    }
    if (!find_root(k))
        return false;
    whiten_constants(k);
    return true;
}

/* ---- the grid ---- */

/* What goes with the level: see average(). */
enum { ANCHOR = PARAMETERS, MOMENTS };

struct grid {
    size_t count, pairs;
    union row weight;
    union row moment[MOMENTS]; /* level given the targets, shape, and fit_family_anchor() */
    union row before;          /* the level without the targets, less the log share at the highest spend */
    union row white[BINS];     /* residuals of the targets */
    union row belongs[KINDS], offset; /* to the kinds, and the last shape parameter from the prior's centre */
};

/* Principal axes of the shape's covariance: columns, longest first. */
static void axes_of(const double covariance[PARAMETERS][PARAMETERS], size_t shapes,
                    double axes[SHAPES][SHAPES]) {
    double a = covariance[1][1], b = covariance[1][2], c = covariance[2][2];
    memset(axes, 0, SHAPES * sizeof axes[0]);
    if (shapes == 1) {
        axes[0][0] = sqrt(a);
        return;
    }
    double angle = 0.5 * atan2(2 * b, a - c), middle = (a + c) / 2, half = hypot((a - c) / 2, b);
    double longest = sqrt(middle + half), shortest = sqrt(fmax(middle - half, 1e-8));
    axes[0][0] = longest * cos(angle);
    axes[1][0] = longest * sin(angle);
    axes[0][1] = -shortest * sin(angle);
    axes[1][1] = shortest * cos(angle);
}

static double held(double value) {
    return fmin(fmax(value, -LOG_MOST), LOG_MOST);
}

/* Log of the prior's density of a shape, up to a constant. */
static double log_prior(const struct fit_family *family, const struct prior *prior, const double *centre,
                        const double *shape, double belongs[KINDS]) {
    double sum = 0;
    bool kinds = fit_kinds_used(prior);
    for (size_t s = 0; s < family->shapes - kinds; s++) {
        double off = (shape[s] - centre[1 + s]) / prior->sd[1 + s];
        sum -= 0.5 * off * off;
    }
    return kinds ? sum + fit_kinds_log_density(prior, shape[SHAPES - 1] - centre[SHAPES], belongs) : sum;
}

/* One shape: its log prior, and how far the targets are from it. */
static void place(const struct fit_family *family, const struct prior *prior, const double *centre,
                  const struct posterior_bins *bins, const double *shape, size_t p, struct grid *grid) {
    double x[BINS + 1], share[BINS + 1], belongs[KINDS] = {0};
    size_t n = bins->n;
    memcpy(x, bins->x, n * sizeof *x);
    x[n] = 0;
    family->believed_log_shares(shape, x, n + 1, share);
    double anchor = fit_family_anchor(family, shape), level = centre[0] + prior->anchor * anchor;
    grid->weight.at[p] = log_prior(family, prior, centre, shape, belongs);
    grid->moment[0].at[p] = level;
    for (size_t s = 0; s < SHAPES; s++)
        grid->moment[1 + s].at[p] = shape[s];
    grid->moment[ANCHOR].at[p] = anchor;
    grid->before.at[p] = level - share[n];
    for (size_t i = 0; i < n; i++)
        grid->white[i].at[p] = bins->target[i] - grid->before.at[p] - share[i];
    for (int k = 0; k < KINDS; k++)
        grid->belongs[k].at[p] = belongs[k];
    grid->offset.at[p] = shape[SHAPES - 1] - centre[SHAPES];
}

/* Whitens the residuals; weights from log priors and likelihoods, and the level given the targets. */
static void weigh(const struct kriging *k, struct grid *grid) {
    double most = -INFINITY, sum = 0;
    whiten(k, grid->white, grid->pairs);
    add_rows(k->level_white, 1, grid->white, k->n, grid->pairs, &grid->moment[0]);
    for (size_t b = 0; b < grid->pairs; b++) {
        pair chi = {0};
        for (size_t i = 0; i < k->n; i++)
            chi += grid->white[i].pairs[b] * grid->white[i].pairs[b];
        grid->weight.pairs[b] -= 0.5 * chi;
    }
    for (size_t p = 0; p < grid->count; p++)
        most = fmax(most, grid->weight.at[p]);
    for (size_t p = 0; p < grid->count; p++)
        sum += grid->weight.at[p] = exp(grid->weight.at[p] - most);
    for (size_t p = 0; p < grid->count; p++)
        grid->weight.at[p] /= sum;
}

/* Mean and covariance of the parameters, and those of the anchor. */
static void average(const struct grid *grid, const struct kriging *k, struct posterior *posterior) {
    double mean[MOMENTS], covariance[MOMENTS][MOMENTS];
    union row off[MOMENTS], weighted;
    for (size_t i = 0; i < MOMENTS; i++) {
        mean[i] = sum_products(&grid->weight, &grid->moment[i], grid->pairs);
        for (size_t b = 0; b < grid->pairs; b++)
            off[i].pairs[b] = grid->moment[i].pairs[b] - mean[i];
        multiply(&grid->weight, &off[i], grid->pairs, &weighted);
        for (size_t j = 0; j <= i; j++)
            covariance[i][j] = covariance[j][i] = sum_products(&weighted, &off[j], grid->pairs);
    }
    for (size_t i = 0; i < PARAMETERS; i++) {
        posterior->mean[i] = mean[i];
        memcpy(posterior->covariance[i], covariance[i], sizeof posterior->covariance[i]);
    }
    posterior->covariance[0][0] += k->level_left;
    posterior->anchor = mean[ANCHOR];
    posterior->anchor_variance = covariance[ANCHOR][ANCHOR];
    posterior->anchor_level = covariance[ANCHOR][0];
}

static void sum_kinds(const struct grid *grid, struct kind_sums kinds[KINDS]) {
    union row weight, first;
    for (int k = 0; k < KINDS; k++) {
        multiply(&grid->weight, &grid->belongs[k], grid->pairs, &weight);
        multiply(&weight, &grid->offset, grid->pairs, &first);
        kinds[k].count = sum_products(&grid->weight, &grid->belongs[k], grid->pairs);
        kinds[k].first = sum_products(&weight, &grid->offset, grid->pairs);
        kinds[k].second = sum_products(&first, &grid->offset, grid->pairs);
    }
}

/* Row j of the noise's covariance times the inverse of the root, transposed; *from: the first that is not 0.
 */
static void gains_of(const struct posterior_bins *bins, const struct kriging *k, size_t j, double gain[BINS],
                     size_t *from) {
    *from = bins->covariance ? 0 : j;
    for (size_t i = *from; i < k->n; i++) {
        gain[i] = 0;
        for (size_t l = *from; l <= (bins->covariance ? i : j); l++)
            gain[i] += noise_of(bins, j, l) * k->units[l][i];
    }
}

/* What the bins' log users are: linear in the inverse of their covariance times the residuals. */
static void average_bins(const struct grid *grid, const struct kriging *k, struct posterior_bins *bins) {
    double mean[BINS];
    for (size_t i = 0; i < k->n; i++)
        mean[i] = sum_products(&grid->weight, &grid->white[i], grid->pairs);
    for (size_t j = 0; j < k->n; j++) {
        union row off;
        double gain[BINS], solved = 0, left = 0;
        size_t from;
        gains_of(bins, k, j, gain, &from);
        for (size_t i = from; i < k->n; i++)
            solved += gain[i] * mean[i];
        for (size_t i = j; i < k->n; i++)
            left += gain[i] * k->units[j][i];
        for (size_t b = 0; b < grid->pairs; b++)
            off.pairs[b] = (pair){-solved, -solved};
        add_rows(gain + from, 1, grid->white + from, k->n - from, grid->pairs, &off);
        multiply(&off, &off, grid->pairs, &off);
        double variance = bins->variance[j], spread = sum_products(&grid->weight, &off, grid->pairs);
        bins->fitted[j] = bins->target[j] - solved;
        bins->fitted_variance[j] = variance + spread - variance * left;
    }
}

/* ---- log users at the reaches ---- */

/* Whitens their covariances with the targets, one column each; what is left of their own given the targets.
 */
static void reach(const struct posterior_bins *bins, const struct kriging *k, union row white[BINS],
                  double left[REACHES][REACHES]) {
    size_t pairs = pairs_of(REACHES);
    for (size_t i = 0; i < k->n; i++) {
        memset(&white[i], 0, pairs * sizeof *white[i].pairs);
        for (size_t r = 0; r < REACHES; r++)
            white[i].at[r] = k->level + k->misfit * kernel(fit_log_reach[r] + bins->in_view, bins->x[i]);
    }
    whiten(k, white, pairs);
    for (size_t r = 0; r < REACHES; r++)
        for (size_t q = 0; q <= r; q++) {
            left[r][q] = k->level + k->misfit * kernel(fit_log_reach[r], fit_log_reach[q]);
            for (size_t i = 0; i < k->n; i++)
                left[r][q] -= white[i].at[r] * white[i].at[q];
            left[q][r] = left[r][q];
        }
}

/* Log users at each reach and point. */
static void predict_points(const struct fit_family *family, const struct grid *grid,
                           const struct posterior_bins *bins, const struct kriging *k,
                           const union row white[BINS], union row users[REACHES]) {
    double x[REACHES], share[REACHES];
    memset(users, 0, REACHES * sizeof *users);
    for (size_t r = 0; r < REACHES; r++)
        x[r] = fit_log_reach[r] + bins->in_view;
    for (size_t p = 0; p < grid->count; p++) {
        const double shape[SHAPES] = {grid->moment[1].at[p], grid->moment[2].at[p]};
        family->believed_log_shares(shape, x, REACHES, share);
        for (size_t r = 0; r < REACHES; r++)
            users[r].at[p] = grid->before.at[p] + share[r];
    }
    for (size_t r = 0; r < REACHES; r++)
        add_rows(&white[0].at[r], ROOM, grid->white, k->n, grid->pairs, &users[r]);
}

/* Of a reach's log users about their mean: less weight of their tails. */
static double tail_ratio(const struct grid *grid, const union row *off, double variance, size_t r) {
    double absolute = 0;
    for (size_t p = 0; p < grid->count; p++)
        absolute += grid->weight.at[p] * fabs(off->at[p]);
    double ratio = variance > 0 ? fmin(ROOT_HALF_PI * absolute / sqrt(variance), 1) : 1;
    return fit_reach[r] > 1 ? BEYOND * ratio : ratio;
}

static void predict(const struct fit_family *family, const struct grid *grid,
                    const struct posterior_bins *bins, const struct kriging *k, struct posterior *posterior) {
    union row white[BINS], users[REACHES], weighted;
    double left[REACHES][REACHES], ratio[REACHES];
    reach(bins, k, white, left);
    predict_points(family, grid, bins, k, white, users);
    for (size_t r = 0; r < REACHES; r++) {
        double mean = posterior->log_users[r] = sum_products(&grid->weight, &users[r], grid->pairs);
        for (size_t b = 0; b < grid->pairs; b++)
            users[r].pairs[b] -= mean;
        multiply(&grid->weight, &users[r], grid->pairs, &weighted);
        ratio[r] = tail_ratio(grid, &users[r], sum_products(&weighted, &users[r], grid->pairs), r);
        for (size_t q = 0; q <= r; q++)
            posterior->users_covariance[r][q] = posterior->users_covariance[q][r] =
                ratio[r] * ratio[q] * sum_products(&weighted, &users[q], grid->pairs) + left[r][q];
    }
}

/* ---- the posterior ---- */

/* Nothing of no weight, that a block may be whole. */
static void clear(struct grid *grid, size_t p) {
    grid->weight.at[p] = grid->before.at[p] = grid->offset.at[p] = 0;
    for (int i = 0; i < MOMENTS; i++)
        grid->moment[i].at[p] = 0;
    for (int i = 0; i < BINS; i++)
        grid->white[i].at[p] = 0;
    for (int k = 0; k < KINDS; k++)
        grid->belongs[k].at[p] = 0;
}

/* Evaluates the grid with these axes around the posterior's mean. */
static void lay(const struct fit_family *family, const struct prior *prior, const double *centre,
                const struct posterior_bins *bins, const struct kriging *kriging, double axes[SHAPES][SHAPES],
                struct posterior *posterior, struct grid *grid) {
    size_t side = family->shapes > 1 ? SIDE_SHORT : 1;
    grid->count = SIDE_LONG * side;
    grid->pairs = pairs_of(grid->count);
    for (size_t p = 0; p < grid->count; p++) {
        double u = ((double)(p / side) - SIDE_LONG / 2) * STEP_LONG, shape[SHAPES];
        double v = side > 1 ? ((double)(p % side) - SIDE_SHORT / 2) * STEP_SHORT : 0;
        for (size_t s = 0; s < SHAPES; s++)
            shape[s] = held(posterior->mean[1 + s] + axes[s][0] * u + axes[s][1] * v);
        place(family, prior, centre, bins, shape, p, grid);
    }
    for (size_t p = grid->count; p < 2 * grid->pairs; p++)
        clear(grid, p);
    weigh(kriging, grid);
    average(grid, kriging, posterior);
}

/* Whether a grid with these axes resolves the posterior and holds it. */
static bool fits(const double axes[SHAPES][SHAPES], size_t shapes, const double before[PARAMETERS],
                 const struct posterior *posterior) {
    for (size_t k = 0; k < shapes; k++) {
        double size = 0, along = 0, shift = 0;
        for (size_t i = 0; i < shapes; i++) {
            size += axes[i][k] * axes[i][k];
            shift += axes[i][k] * (posterior->mean[1 + i] - before[1 + i]);
            for (size_t j = 0; j < shapes; j++)
                along += axes[i][k] * posterior->covariance[1 + i][1 + j] * axes[j][k];
        }
        if (!(along > ZOOM_ENOUGH * size * size) || !(fabs(shift) < SHIFT_MOST * size))
            return false;
    }
    return true;
}

bool fit_posterior_of(const struct fit_family *family, const struct prior *prior, const double *centre,
                      struct posterior_bins *bins, bool users, struct posterior *posterior) {
    struct kriging kriging;
    struct grid grid;
    if (!prepare(prior, bins, &kriging))
        return false;
    bool settled = false;
    for (int zoom = 0; zoom < ZOOMS && !settled; zoom++) {
        double axes[SHAPES][SHAPES], before[PARAMETERS], layout[PARAMETERS][PARAMETERS];
        memcpy(before, posterior->mean, sizeof before);
        axes_of((const double(*)[PARAMETERS])posterior->layout, family->shapes, axes);
        lay(family, prior, centre, bins, &kriging, axes, posterior, &grid);
        settled = fits((const double(*)[SHAPES])axes, family->shapes, before, posterior);
        memcpy(layout, posterior->covariance, sizeof layout);
        for (size_t i = 0; i < SHAPES; i++)
            for (size_t j = 0; j < SHAPES; j++)
                layout[1 + i][1 + j] += BLUR * (STEP_LONG * STEP_LONG * axes[i][0] * axes[j][0] +
                                                STEP_SHORT * STEP_SHORT * axes[i][1] * axes[j][1]);
        memcpy(posterior->layout, layout, sizeof layout);
    }
    average_bins(&grid, &kriging, bins);
    if (fit_kinds_used(prior))
        sum_kinds(&grid, posterior->kinds);
    if (users)
        predict(family, &grid, bins, &kriging, posterior);
    return isfinite(posterior->mean[0]) && isfinite(posterior->mean[1]) && isfinite(posterior->mean[2]) &&
           (!users || isfinite(posterior->users_covariance[REACHES - 1][REACHES - 1]));
}

/* ---- the curve that is the answer ---- */

/* By Gauss and Jordan. */
bool fit_posterior_invert(double *matrix, size_t n) {
    for (size_t k = 0; k < n; k++) {
        double *pivot = matrix + k * n, scale = 1 / pivot[k];
        if (!(pivot[k] > 0))
            return false;
        pivot[k] = 1;
        for (size_t j = 0; j < n; j++)
            pivot[j] *= scale;
        for (size_t i = 0; i < n; i++) {
            double *row = matrix + i * n, factor = row[k];
            if (i == k)
                continue;
            row[k] = 0;
            for (size_t j = 0; j < n; j++)
                row[j] -= factor * pivot[j];
        }
    }
    return true;
}

/* d log users / d parameter at the reaches, and their log users. */
static void linearise(const struct fit_family *family, const double parameter[PARAMETERS], double in_view,
                      double users[REACHES], double by[REACHES][PARAMETERS]) {
    double x[REACHES + 1], share[REACHES + 1], derivative[REACHES + 1];
    for (size_t r = 0; r < REACHES; r++)
        x[r] = fit_log_reach[r] + in_view;
    x[REACHES] = 0;
    family->log_shares(parameter + 1, x, REACHES + 1, share);
    for (size_t r = 0; r < REACHES; r++) {
        users[r] = parameter[0] + share[r] - share[REACHES];
        by[r][0] = 1;
        by[r][2] = 0;
    }
    for (size_t k = 0; k < family->shapes; k++) {
        fit_family_derivative(family, parameter + 1, k, x, REACHES + 1, derivative);
        for (size_t r = 0; r < REACHES; r++)
            by[r][1 + k] = derivative[r] - derivative[REACHES];
    }
}

/* Normal matrix of the weighted least squares, drawn to the mean a little. */
static void normal_matrix(double by[REACHES][PARAMETERS], double h[PARAMETERS][PARAMETERS]) {
    for (size_t i = 0; i < PARAMETERS; i++)
        for (size_t j = 0; j < PARAMETERS; j++) {
            h[i][j] = i == j ? CURVE_TIE : 0;
            for (size_t r = 0; r < REACHES; r++)
                h[i][j] += reach_weight[r] * by[r][i] * by[r][j];
        }
    fit_posterior_invert(h[0], PARAMETERS);
}

/* What the log of expected users is above the expected log, for a plan's profit is linear in users. Only of
 * what is not known beyond the highest spend: of counts the log at the mode is that of the mean as it is. */
static double expectation(const struct posterior *posterior, size_t r) {
    double beyond = posterior->users_covariance[r][r] - posterior->users_covariance[REACH_ONE][REACH_ONE];
    return fit_reach[r] > 1 ? fmin(fmax(0.5 * beyond, 0), EXPECTATION_MOST) : 0;
}

void fit_posterior_curve(const struct fit_family *family, const struct posterior *posterior, double in_view,
                         double parameter[PARAMETERS], double covariance[PARAMETERS][PARAMETERS]) {
    double users[REACHES], by[REACHES][PARAMETERS], h[PARAMETERS][PARAMETERS], root[PARAMETERS][REACHES];
    memcpy(parameter, posterior->mean, PARAMETERS * sizeof *parameter);
    for (int step = 0; step < CURVE_STEPS; step++) {
        linearise(family, parameter, in_view, users, by);
        normal_matrix(by, h);
        double g[PARAMETERS] = {0};
        for (size_t j = 0; j < PARAMETERS; j++) {
            g[j] = CURVE_TIE * (posterior->mean[j] - parameter[j]);
            for (size_t r = 0; r < REACHES; r++)
                g[j] += reach_weight[r] * by[r][j] *
                        (posterior->log_users[r] + expectation(posterior, r) - users[r]);
        }
        for (size_t i = 0; i < PARAMETERS; i++) {
            double move = 0;
            for (size_t j = 0; j < PARAMETERS; j++)
                move += h[i][j] * g[j];
            parameter[i] = held(parameter[i] + fmin(fmax(move, -0.5), 0.5));
        }
    }
    /* the least squares estimate is linear in log users: so is its covariance in theirs */
    linearise(family, parameter, in_view, users, by);
    normal_matrix(by, h);
    for (size_t i = 0; i < PARAMETERS; i++)
        for (size_t r = 0; r < REACHES; r++) {
            root[i][r] = 0;
            for (size_t j = 0; j < PARAMETERS; j++)
                root[i][r] += h[i][j] * by[r][j] * reach_weight[r];
        }
    for (size_t i = 0; i < PARAMETERS; i++)
        for (size_t j = 0; j < PARAMETERS; j++) {
            covariance[i][j] = 0;
            for (size_t r = 0; r < REACHES; r++)
                for (size_t q = 0; q < REACHES; q++)
                    covariance[i][j] += root[i][r] * posterior->users_covariance[r][q] * root[j][q];
        }
}
