/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A campaign's posterior around its mode. Half saturation and exponent lie on a bent ridge: a curve that
 * bends early and sharply fits much as one that bends late and softly, so the mode is not the middle and
 * learning a prior from modes drifts away. A small grid, laid out by the covariance at the mode, gives means,
 * covariance and the middle of log users at several reaches; the level is integrated out at each point in
 * closed form.
 */
#include "curve/posterior.h"

#include <math.h>
#include <string.h>

/* Grid points in standard deviations of the mode's covariance. The ridge's far end is where half saturation
 * is large. A spacing of 1.2 is as good as exact for what is near to normal. */
#define SPACING     1.2
#define HALVES_DOWN 2
#define HALVES      7
#define SHAPES_DOWN 2
#define SHAPES_SIDE 5

#define RECENTRE_MOST 1.0

#define CURVE_STEPS 6
#define CURVE_TIE   1e-3

const double fit_posterior_reach[REACHES] = {0.4, 0.7, 1, 1.5, 2, 3};

struct point {
    double parameter[PARAMETERS];
    double level_variance, log_weight;
    double log_users[REACHES]; /* relative to the highest spend */
};

/* The root of the covariance of the shape: lower triangle L with L L' = covariance. */
static bool root_of(const double covariance[PARAMETERS][PARAMETERS], size_t shapes,
                    double root[SHAPES][SHAPES]) {
    memset(root, 0, SHAPES * sizeof root[0]);
    root[0][0] = sqrt(covariance[1][1]);
    if (shapes > 1) {
        root[1][0] = covariance[2][1] / root[0][0];
        root[1][1] = sqrt(covariance[2][2] - root[1][0] * root[1][0]);
    }
    return root[0][0] > 0 && isfinite(root[0][0]) &&
           (shapes == 1 || (root[1][1] > 0 && isfinite(root[1][0])));
}

/* One Gauss-Newton step of the second shape parameter with the first as it is and the level free: the ridge
 * bends. Returns its standard deviation there. */
static double recentre(const struct posterior_rows *rows, const struct prior *prior, const double *centre,
                       double *second) {
    double mm = 0, my = 0, md = 0, dy = 0, dd = 0;
    for (size_t i = 0; i < rows->n; i++) {
        double w = rows->root_weight[i] * rows->root_weight[i];
        double m = rows->share[i] * rows->factor[i], y = rows->y[i];
        double d = m * (rows->by[1][i] - rows->by[1][rows->n]);
        mm += w * m * m;
        my += w * m * y;
        md += w * m * d;
        dy += w * d * y;
        dd += w * d * d;
    }
    double precision = 1 / (prior->sd[2] * prior->sd[2]), scale = my / mm;
    double information = fmax(scale * scale * (dd - md * md / mm), 0) + precision;
    double gradient = scale * (dy - scale * md) + precision * (centre[2] - *second);
    double sd = 1 / sqrt(information), step = gradient / information;
    if (isfinite(sd) && isfinite(step))
        *second += fmin(fmax(step, -RECENTRE_MOST), RECENTRE_MOST);
    return sd;
}

/* Level and weight of the shape at hand, whose shares are in `rows`. */
static void weigh(const struct posterior_rows *rows, const struct prior *prior, const double *centre,
                  size_t shapes, double level_variance, struct point *point) {
    double mm = 0, my = 0, yy = 0, top = rows->share[rows->n];
    for (size_t i = 0; i < rows->n; i++) {
        double w = rows->root_weight[i] * rows->root_weight[i];
        double m = rows->share[i] * rows->factor[i], y = rows->y[i];
        mm += w * m * m;
        my += w * m * y;
        yy += w * y * y;
    }
    double precision = 1 / (prior->sd[0] * prior->sd[0]);
    double scale = fmax(my / mm, 1e-300);            /* users = scale * share * factor */
    double own = log(scale * top / rows->spend_max); /* the level that the rows say */
    double information = scale * scale * mm;
    double off = own - centre[0];
    if (!(my > 0)) { /* no users: the mode's level, whatever the shape */
        own = point->parameter[0];
        information = 0;
        off = 0;
    }
    point->parameter[0] =
        my > 0 ? (information * own + precision * centre[0]) / (information + precision) : own;
    point->level_variance = my > 0 ? 1 / (information + precision) : level_variance;
    point->log_weight = -0.5 * (my > 0 ? yy - my * my / mm : 0) + 0.5 * log(point->level_variance) -
                        0.5 * off * off * information * precision / (information + precision);
    for (size_t k = 0; k < shapes; k++) {
        double z = (point->parameter[1 + k] - centre[1 + k]) / prior->sd[1 + k];
        point->log_weight -= 0.5 * z * z;
    }
    for (size_t k = 0; k < REACHES; k++)
        point->log_users[k] = point->parameter[0] + log(rows->share[rows->n + 1 + k] / top);
}

/* Sums of weighted points to means and covariance. */
static void average(const struct point *points, size_t count, struct posterior *posterior) {
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < count; i++)
        most = fmax(most, points[i].log_weight);
    memset(posterior, 0, sizeof *posterior);
    for (size_t i = 0; i < count; i++) {
        double weight = exp(points[i].log_weight - most);
        sum += weight;
        for (size_t k = 0; k < PARAMETERS; k++)
            posterior->mean[k] += weight * points[i].parameter[k];
        for (size_t k = 0; k < REACHES; k++)
            posterior->log_users[k] += weight * points[i].log_users[k];
    }
    for (size_t k = 0; k < PARAMETERS; k++)
        posterior->mean[k] /= sum;
    for (size_t k = 0; k < REACHES; k++)
        posterior->log_users[k] /= sum;
    for (size_t i = 0; i < count; i++) {
        double weight = exp(points[i].log_weight - most) / sum;
        posterior->covariance[0][0] += weight * points[i].level_variance;
        for (size_t j = 0; j < PARAMETERS; j++)
            for (size_t k = 0; k < PARAMETERS; k++)
                posterior->covariance[j][k] += weight * (points[i].parameter[j] - posterior->mean[j]) *
                                               (points[i].parameter[k] - posterior->mean[k]);
    }
}

bool fit_posterior_of(const struct fit_family *family, const struct prior *prior, const double *centre,
                      const struct posterior_rows *rows, const double mode[PARAMETERS],
                      double covariance[PARAMETERS][PARAMETERS], struct posterior *posterior) {
    struct point points[HALVES * SHAPES_SIDE];
    double root[SHAPES][SHAPES];
    size_t count = 0, side = family->shapes > 1 ? SHAPES_SIDE : 1;
    if (!root_of((const double(*)[PARAMETERS])covariance, family->shapes, root))
        return false;
    for (size_t i = 0; i < HALVES; i++) {
        double u = ((double)i - HALVES_DOWN) * SPACING, spread = 1;
        double shape[SHAPES] = {mode[1] + root[0][0] * u, mode[2] + root[1][0] * u};
        if (side > 1) {
            family->shares(shape, rows->x, rows->n + 1, rows->share, rows->by);
            spread = recentre(rows, prior, centre, &shape[1]);
        }
        for (size_t j = 0; j < side; j++) {
            double v = side > 1 ? ((double)j - SHAPES_DOWN) * SPACING : 0;
            struct point *point = &points[count++];
            *point = (struct point){{mode[0], shape[0], shape[1] + spread * v}, 0, 0, {0}};
            family->shares(point->parameter + 1, rows->x, rows->n + 1 + REACHES, rows->share, rows->by);
            weigh(rows, prior, centre, family->shapes, covariance[0][0], point);
            point->log_weight += log(spread); /* a wider cell stands for more */
        }
    }
    average(points, count, posterior);
    return isfinite(posterior->mean[0]) && isfinite(posterior->covariance[0][0]);
}

/* g := h^-1 g for a positive definite h, by elimination. */
static void solve3(double h[PARAMETERS][PARAMETERS], double g[PARAMETERS]) {
    for (size_t i = 0; i < PARAMETERS; i++)
        for (size_t j = i + 1; j < PARAMETERS; j++) {
            double factor = h[j][i] / h[i][i];
            for (size_t k = i; k < PARAMETERS; k++)
                h[j][k] -= factor * h[i][k];
            g[j] -= factor * g[i];
        }
    for (size_t i = PARAMETERS; i-- > 0;) {
        for (size_t k = i + 1; k < PARAMETERS; k++)
            g[i] -= h[i][k] * g[k];
        g[i] /= h[i][i];
    }
}

/* Least squares in log users at the reaches by Gauss-Newton from the mean, drawn to it a little. */
void fit_posterior_curve(const struct fit_family *family, const struct posterior *posterior,
                         double parameter[PARAMETERS]) {
    double x[REACHES + 1], share[REACHES + 1], by0[REACHES + 1], by1[REACHES + 1], *by[SHAPES] = {by0, by1};
    for (size_t k = 0; k < REACHES; k++)
        x[k] = log(fit_posterior_reach[k]);
    x[REACHES] = 0;
    memcpy(parameter, posterior->mean, PARAMETERS * sizeof *parameter);
    for (int step = 0; step < CURVE_STEPS; step++) {
        family->shares(parameter + 1, x, REACHES + 1, share, by);
        double h[PARAMETERS][PARAMETERS] = {{0}}, g[PARAMETERS] = {0};
        for (size_t k = 0; k < PARAMETERS; k++) {
            h[k][k] = CURVE_TIE;
            g[k] = CURVE_TIE * (posterior->mean[k] - parameter[k]);
        }
        for (size_t r = 0; r < REACHES; r++) {
            double off = posterior->log_users[r] - parameter[0] - log(share[r] / share[REACHES]);
            double d[PARAMETERS] = {1, by0[r] - by0[REACHES], family->shapes > 1 ? by1[r] - by1[REACHES] : 0};
            for (size_t j = 0; j < PARAMETERS; j++) {
                g[j] += d[j] * off;
                for (size_t k = 0; k < PARAMETERS; k++)
                    h[j][k] += d[j] * d[k];
            }
        }
        solve3(h, g);
        for (size_t k = 0; k < PARAMETERS; k++)
            parameter[k] += fmin(fmax(g[k], -0.5), 0.5);
    }
}
