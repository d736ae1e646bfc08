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
#define BEYOND 0.92

#define CURVE_STEPS 6
#define CURVE_TIE   1e-3

/* How much each counts for the curve that is the answer. */
static const double reach_weight[REACHES] = {0.1, 0.5, 1, 10, 1, 2, 2};

struct kriging {
    size_t n;                    /* bins */
    double inverse[BINS * BINS]; /* of the targets' covariance given the shape */
    double row_sum[BINS];        /* of the inverse */
    double level, level_left;    /* the level's variance; what is left of it given the targets */
    double misfit;               /* the misfit's variance */
};

static double kernel(double a, double b) {
    double distance = (a - b) / MISFIT_LENGTH;
    return exp(-0.5 * distance * distance);
}

/* matrix := its inverse; it is symmetric and positive definite, or false is returned. */
static bool invert(double *matrix, size_t n) {
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

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* product = matrix a; the matrix is symmetric. */
static void multiply(const double *matrix, const double *a, size_t n, double *product) {
    memset(product, 0, n * sizeof *product);
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < n; i++)
            product[i] += matrix[j * n + i] * a[j];
}

static bool prepare(const struct prior *prior, const struct posterior_bins *bins, struct kriging *k) {
    double ones[BINS];
    size_t n = k->n = bins->n;
    k->level = prior->sd[0] * prior->sd[0];
    k->misfit = prior->misfit * prior->misfit;
    for (size_t i = 0; i < BINS; i++)
        ones[i] = 1;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++)
            k->inverse[i * n + j] = k->inverse[j * n + i] =
                k->level + k->misfit * kernel(bins->x[i], bins->x[j]);
        k->inverse[i * n + i] = k->level + k->misfit + bins->variance[i];
    }
    if (!invert(k->inverse, n))
        return false;
    multiply(k->inverse, ones, n, k->row_sum);
    k->level_left = k->level - k->level * k->level * dot(ones, k->row_sum, n);
    return true;
}

/* ---- the grid ---- */

struct point {
    double weight, shape[SHAPES];
    double top, anchor;            /* log share at the highest spend; see fit_family_anchor() */
    double before, level;          /* the level without the targets, and with them */
    double solved[BINS];           /* the inverse times the targets' residuals */
    double belongs[KINDS], offset; /* to the kinds, and the last shape parameter from the prior's centre */
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
                        struct point *point) {
    double sum = 0;
    bool kinds = fit_kinds_used(prior);
    point->offset = point->shape[SHAPES - 1] - centre[SHAPES];
    for (size_t s = 0; s < family->shapes - kinds; s++) {
        double off = (point->shape[s] - centre[1 + s]) / prior->sd[1 + s];
        sum -= 0.5 * off * off;
    }
    return kinds ? sum + fit_kinds_log_density(prior, point->offset, point->belongs) : sum;
}

/* Log weight of one shape, and what its level is. */
static void weigh(const struct fit_family *family, const struct prior *prior, const double *centre,
                  const struct posterior_bins *bins, const struct kriging *k, struct point *point) {
    double x[BINS + 2], share[BINS + 2], residual[BINS];
    size_t n = bins->n;
    memcpy(x, bins->x, n * sizeof *x);
    x[n] = 0;
    x[n + 1] = point->shape[0];
    family->log_shares(point->shape, x, n + 2, share);
    point->top = share[n];
    point->anchor = fit_family_anchor_at(family, point->shape, share + n);
    point->before = centre[0] + prior->anchor * point->anchor;
    for (size_t i = 0; i < n; i++)
        residual[i] = bins->target[i] - point->before - (share[i] - point->top);
    multiply(k->inverse, residual, n, point->solved);
    point->level = point->before + k->level * dot(k->row_sum, residual, n);
    point->weight = log_prior(family, prior, centre, point) - 0.5 * dot(point->solved, residual, n);
}

static void sum_kinds(const struct point *points, size_t count, struct kind_sums kinds[KINDS]) {
    memset(kinds, 0, KINDS * sizeof *kinds);
    for (size_t p = 0; p < count; p++)
        for (int k = 0; k < KINDS; k++) {
            double weight = points[p].weight * points[p].belongs[k], offset = points[p].offset;
            kinds[k].count += weight;
            kinds[k].first += weight * offset;
            kinds[k].second += weight * offset * offset;
        }
}

/* Mean and covariance of the parameters. */
static void average(const struct point *points, size_t count, const struct kriging *k,
                    struct posterior *posterior) {
    memset(posterior->mean, 0, sizeof posterior->mean);
    memset(posterior->covariance, 0, sizeof posterior->covariance);
    for (size_t p = 0; p < count; p++) {
        const double own[PARAMETERS] = {points[p].level, points[p].shape[0], points[p].shape[1]};
        for (size_t j = 0; j < PARAMETERS; j++)
            posterior->mean[j] += points[p].weight * own[j];
    }
    posterior->covariance[0][0] = k->level_left;
    for (size_t p = 0; p < count; p++) {
        const double own[PARAMETERS] = {points[p].level, points[p].shape[0], points[p].shape[1]};
        for (size_t i = 0; i < PARAMETERS; i++)
            for (size_t j = 0; j < PARAMETERS; j++)
                posterior->covariance[i][j] +=
                    points[p].weight * (own[i] - posterior->mean[i]) * (own[j] - posterior->mean[j]);
    }
}

static void average_anchor(const struct point *points, size_t count, struct posterior *posterior) {
    posterior->anchor = posterior->anchor_variance = posterior->anchor_level = 0;
    for (size_t p = 0; p < count; p++)
        posterior->anchor += points[p].weight * points[p].anchor;
    for (size_t p = 0; p < count; p++) {
        double off = points[p].anchor - posterior->anchor;
        posterior->anchor_variance += points[p].weight * off * off;
        posterior->anchor_level += points[p].weight * off * (points[p].level - posterior->mean[0]);
    }
}

/* What the bins' log users are: linear in what is solved. */
static void average_bins(const struct point *points, size_t count, const struct kriging *k,
                         struct posterior_bins *bins) {
    double mean[BINS] = {0}, variance[BINS] = {0};
    for (size_t p = 0; p < count; p++)
        for (size_t i = 0; i < bins->n; i++)
            mean[i] += points[p].weight * points[p].solved[i];
    for (size_t p = 0; p < count; p++)
        for (size_t i = 0; i < bins->n; i++) {
            double off = points[p].solved[i] - mean[i];
            variance[i] += points[p].weight * off * off;
        }
    for (size_t i = 0; i < bins->n; i++) {
        bins->fitted[i] = bins->target[i] - bins->variance[i] * mean[i];
        bins->fitted_variance[i] = bins->variance[i] + bins->variance[i] * bins->variance[i] *
                                                           (variance[i] - k->inverse[i * bins->n + i]);
    }
}

/* ---- log users at the reaches ---- */

/* To the covariance between the points: less weight of its tails, and what is left at each point. */
static void add_rest(const struct point *points, size_t count, double users[][REACHES],
                     const double left[REACHES][REACHES], struct posterior *posterior) {
    double ratio[REACHES];
    for (size_t r = 0; r < REACHES; r++) {
        double absolute = 0, variance = posterior->users_covariance[r][r];
        for (size_t p = 0; p < count; p++)
            absolute += points[p].weight * fabs(users[p][r] - posterior->log_users[r]);
        ratio[r] = variance > 0 ? fmin(ROOT_HALF_PI * absolute / sqrt(variance), 1) : 1;
        ratio[r] *= fit_reach[r] > 1 ? BEYOND : 1;
    }
    for (size_t r = 0; r < REACHES; r++)
        for (size_t q = 0; q < REACHES; q++)
            posterior->users_covariance[r][q] =
                ratio[r] * ratio[q] * posterior->users_covariance[r][q] + left[r][q];
}

/* Covariance of log users at the reaches with the targets, and what is left of their own given these. */
static void reach(const struct posterior_bins *bins, const struct kriging *k, double cross[REACHES][BINS],
                  double left[REACHES][REACHES]) {
    double solved[BINS];
    for (size_t r = 0; r < REACHES; r++)
        for (size_t i = 0; i < bins->n; i++)
            cross[r][i] = k->level + k->misfit * kernel(fit_log_reach[r] + bins->in_view, bins->x[i]);
    for (size_t r = 0; r < REACHES; r++) {
        multiply(k->inverse, cross[r], bins->n, solved);
        for (size_t q = 0; q <= r; q++)
            left[r][q] = left[q][r] = k->level + k->misfit * kernel(fit_log_reach[r], fit_log_reach[q]) -
                                      dot(solved, cross[q], bins->n);
    }
}

static void predict(const struct fit_family *family, const struct point *points, size_t count,
                    const struct posterior_bins *bins, const struct kriging *k, struct posterior *posterior) {
    double cross[REACHES][BINS], left[REACHES][REACHES], users[POINTS][REACHES], x[REACHES];
    memset(posterior->log_users, 0, sizeof posterior->log_users);
    memset(posterior->users_covariance, 0, sizeof posterior->users_covariance);
    reach(bins, k, cross, left);
    for (size_t r = 0; r < REACHES; r++)
        x[r] = fit_log_reach[r] + bins->in_view;
    for (size_t p = 0; p < count; p++) {
        family->log_shares(points[p].shape, x, REACHES, users[p]);
        for (size_t r = 0; r < REACHES; r++) {
            users[p][r] += points[p].before - points[p].top + dot(cross[r], points[p].solved, bins->n);
            posterior->log_users[r] += points[p].weight * users[p][r];
        }
    }
    for (size_t p = 0; p < count; p++)
        for (size_t r = 0; r < REACHES; r++)
            for (size_t q = 0; q < REACHES; q++)
                posterior->users_covariance[r][q] += points[p].weight *
                                                     (users[p][r] - posterior->log_users[r]) *
                                                     (users[p][q] - posterior->log_users[q]);
    add_rest(points, count, users, (const double(*)[REACHES])left, posterior);
}

/* ---- the posterior ---- */

/* Evaluates the grid with these axes around the posterior's mean; the number of its points. */
static size_t lay(const struct fit_family *family, const struct prior *prior, const double *centre,
                  const struct posterior_bins *bins, const struct kriging *kriging,
                  double axes[SHAPES][SHAPES], struct posterior *posterior, struct point *points) {
    double most = -INFINITY, sum = 0;
    size_t count = 0, side = family->shapes > 1 ? SIDE_SHORT : 1;
    for (size_t i = 0; i < SIDE_LONG; i++)
        for (size_t j = 0; j < side; j++) {
            double u = ((double)i - SIDE_LONG / 2) * STEP_LONG;
            double v = side > 1 ? ((double)j - SIDE_SHORT / 2) * STEP_SHORT : 0;
            struct point *point = &points[count++];
            for (size_t s = 0; s < SHAPES; s++)
                point->shape[s] = held(posterior->mean[1 + s] + axes[s][0] * u + axes[s][1] * v);
            weigh(family, prior, centre, bins, kriging, point);
            most = fmax(most, point->weight);
        }
    for (size_t p = 0; p < count; p++)
        sum += points[p].weight = exp(points[p].weight - most);
    for (size_t p = 0; p < count; p++)
        points[p].weight /= sum;
    average(points, count, kriging, posterior);
    return count;
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
    struct point points[POINTS];
    size_t count = 0;
    if (!prepare(prior, bins, &kriging))
        return false;
    bool settled = false;
    for (int zoom = 0; zoom < ZOOMS && !settled; zoom++) {
        double axes[SHAPES][SHAPES], before[PARAMETERS], layout[PARAMETERS][PARAMETERS];
        memcpy(before, posterior->mean, sizeof before);
        axes_of((const double(*)[PARAMETERS])posterior->layout, family->shapes, axes);
        count = lay(family, prior, centre, bins, &kriging, axes, posterior, points);
        settled = fits((const double(*)[SHAPES])axes, family->shapes, before, posterior);
        memcpy(layout, posterior->covariance, sizeof layout);
        for (size_t i = 0; i < SHAPES; i++)
            for (size_t j = 0; j < SHAPES; j++)
                layout[1 + i][1 + j] += BLUR * (STEP_LONG * STEP_LONG * axes[i][0] * axes[j][0] +
                                                STEP_SHORT * STEP_SHORT * axes[i][1] * axes[j][1]);
        memcpy(posterior->layout, layout, sizeof layout);
    }
    average_anchor(points, count, posterior);
    average_bins(points, count, &kriging, bins);
    if (fit_kinds_used(prior))
        sum_kinds(points, count, posterior->kinds);
    if (users)
        predict(family, points, count, bins, &kriging, posterior);
    return isfinite(posterior->mean[0]) && isfinite(posterior->mean[1]) && isfinite(posterior->mean[2]) &&
           (!users || isfinite(posterior->users_covariance[REACHES - 1][REACHES - 1]));
}

/* ---- the curve that is the answer ---- */

/* h := its inverse; h is symmetric and positive definite. */
static void invert3(double h[PARAMETERS][PARAMETERS]) {
    double flat[PARAMETERS * PARAMETERS];
    memcpy(flat, h, sizeof flat);
    if (!invert(flat, PARAMETERS))
        return;
    memcpy(h, flat, sizeof flat);
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
    invert3(h);
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
