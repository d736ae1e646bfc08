/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Development factors by age (chain ladder, Mack 1993), shrunk along a tree of groups: a group's factor is
 * formed of its own cohorts and of some that develop as its parent says (credibility; Bühlmann, Straub 1970).
 * At the top stands a curve: revenue per user and day falls as a power of age, as retention times value per
 * active user does; it is what is left for ages that no cohort has reached.
 */
#include "forecast/ladder.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Per fold, group and age, over the cohorts that have reached the age. */
enum { EXPOSURE, CUMULATED, BEFORE, SUMS }; /* BEFORE: cumulated to the age before */

#define TOP_STRENGTH 1   /* cohorts that the curve stands for at the top */
#define DECAY_LEAST  0.3 /* power by which revenue falls with age, where the data say less or more */
#define DECAY_MOST   3.0

static double *sums_at(const struct ladder *ladder, size_t fold, size_t group, size_t age) {
    return ladder->sums + ((fold * ladder->groups + group) * ladder->ages + age) * SUMS;
}

static void add_rung(const struct ladder *ladder, const struct rung *rung) {
    for (size_t group = rung->group;; group = ladder->parent[group]) {
        for (size_t age = 0; age <= rung->age && age < ladder->ages; age++) {
            double *sums = sums_at(ladder, rung->fold, group, age);
            sums[EXPOSURE] += rung->exposure;
            sums[CUMULATED] += rung->cumulated[age];
            sums[BEFORE] += age > 0 ? rung->cumulated[age - 1] : 0;
        }
        if (group == 0)
            break;
    }
}

enum mi_status ladder_make(struct ladder *ladder, const struct rung *rungs, size_t count,
                           const size_t *parent, size_t groups, size_t ages, struct mi_error *error) {
    *ladder =
        (struct ladder){.rungs = rungs, .count = count, .groups = groups, .ages = ages, .parent = parent};
    ladder->sums = calloc(FOLDS * groups * ages * SUMS, sizeof *ladder->sums);
    if (!ladder->sums)
        return mi_no_memory(error);
    for (size_t i = 0; i < count; i++) {
        add_rung(ladder, &rungs[i]);
        ladder->mean_exposure += rungs[i].exposure / (double)count;
    }
    return MI_OK;
}

void ladder_free(struct ladder *ladder) {
    free(ladder->sums);
    ladder->sums = NULL;
}

static void sum_folds(const struct ladder *ladder, size_t without, size_t group, size_t age, double *total) {
    memset(total, 0, SUMS * sizeof *total);
    for (size_t fold = 0; fold < FOLDS; fold++) {
        const double *sums = sums_at(ladder, fold, group, age);
        for (size_t i = 0; i < SUMS && fold != without; i++)
            total[i] += sums[i];
    }
}

/* ---- curve ---- */

/* Revenue per exposure of each day of age: that of day 0, then scale (age + 1)^-decay. */
struct curve {
    double first, scale, decay;
};

static double curve_at(const struct curve *curve, size_t age) {
    return age == 0 ? curve->first : curve->scale * pow((double)age + 1, -curve->decay);
}

/* Weighted least squares of logs over bins of age that double, weights by revenue. */
static struct curve fit_curve(const struct ladder *ladder, size_t without) {
    double total[SUMS], w = 0, wx = 0, wy = 0, wxx = 0, wxy = 0;
    sum_folds(ladder, without, 0, 0, total);
    struct curve curve = {total[EXPOSURE] > 0 ? total[CUMULATED] / total[EXPOSURE] : 0, 0, 1};
    for (size_t from = 1, to; from < ladder->ages; from = to) {
        double revenue = 0, exposure = 0, log_age = 0;
        to = 2 * from < ladder->ages ? 2 * from : ladder->ages;
        for (size_t age = from; age < to; age++) {
            sum_folds(ladder, without, 0, age, total);
            revenue += total[CUMULATED] - total[BEFORE];
            exposure += total[EXPOSURE];
            log_age += total[EXPOSURE] * log((double)age + 1);
        }
        if (!(revenue > 0) || !(exposure > 0))
            continue;
        double x = log_age / exposure, y = log(revenue / exposure), weight = sqrt(revenue);
        w += weight;
        wx += weight * x;
        wy += weight * y;
        wxx += weight * x * x;
        wxy += weight * x * y;
    }
    if (!(w > 0))
        return curve;
    double spread = wxx - wx * wx / w;
    if (spread > 1e-9 * wxx)
        curve.decay = fmin(DECAY_MOST, fmax(DECAY_LEAST, -(wxy - wx * wy / w) / spread));
    curve.scale = exp((wy + curve.decay * wx) / w);
    return curve;
}

/* ---- development ---- */

/* Shape and level of a group from its parent's; of the top, from the curve's, which stand there already. */
static void develop_group(const struct ladder *ladder, size_t without, size_t group, double strength,
                          const struct development *above, size_t parent, const struct development *d) {
    const double *parent_shape = above->log_shape + parent * d->ages,
                 *parent_level = above->level + parent * d->ages;
    double *shape = d->log_shape + group * d->ages, *level = d->level + group * d->ages;
    double total[SUMS], log_shape = 0;
    for (size_t age = 0; age < d->ages; age++) {
        sum_folds(ladder, without, group, age, total);
        double exposure = strength * ladder->mean_exposure;
        double before_of_parent = age > 0 ? exposure * parent_level[age - 1] : 0;
        double factor = age > 0 ? exp(parent_shape[age] - parent_shape[age - 1]) : 1;
        if (age > 0 && isfinite(strength) && total[BEFORE] + before_of_parent > 0)
            factor = (fmax(0, total[CUMULATED]) + before_of_parent * factor) /
                     (fmax(0, total[BEFORE]) + before_of_parent);
        log_shape += log(fmax(factor, 1e-6));
        double own = isfinite(strength) ? total[EXPOSURE] : 0;
        if (!isfinite(strength)) { /* the curve has a shape for all, levels are the groups' own */
            own = total[EXPOSURE];
            exposure = 20 * ladder->mean_exposure;
        }
        shape[age] = log_shape;
        level[age] = own + exposure > 0 ? ((own > 0 ? total[CUMULATED] : 0) + exposure * parent_level[age]) /
                                              (own + exposure)
                                        : parent_level[age];
    }
}

enum mi_status develop(const struct ladder *ladder, size_t without, double strength, struct development *d,
                       struct mi_error *error) {
    const size_t ages = ladder->ages;
    *d = (struct development){.ages = ages};
    d->log_shape = malloc((ladder->groups + 1) * ages * sizeof *d->log_shape);
    d->level = malloc((ladder->groups + 1) * ages * sizeof *d->level);
    if (!d->log_shape || !d->level) {
        development_free(d);
        return mi_no_memory(error);
    }
    /* the curve stands behind the last group, as the parent of the first */
    const struct curve curve = fit_curve(ladder, without);
    double cumulated = 0;
    for (size_t age = 0; age < ages; age++) {
        cumulated += curve_at(&curve, age);
        d->level[ladder->groups * ages + age] = cumulated;
        d->log_shape[ladder->groups * ages + age] = log(fmax(cumulated, 1e-300));
    }
    for (size_t group = 0; group < ladder->groups; group++)
        develop_group(ladder, without, group, group == 0 && isfinite(strength) ? TOP_STRENGTH : strength, d,
                      group == 0 ? ladder->groups : ladder->parent[group], d);
    return MI_OK;
}

void development_free(struct development *d) {
    free(d->log_shape);
    free(d->level);
    d->log_shape = d->level = NULL;
}
