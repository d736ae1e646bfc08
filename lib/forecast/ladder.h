/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How the revenue of cohorts develops by age: sums per group, and the shrunk shapes and levels made of them.
 */
#ifndef MI_FORECAST_LADDER_H
#define MI_FORECAST_LADDER_H

#include <stdbool.h>
#include <stddef.h>

#include "mi.h"

#define FOLDS 5 /* of the cross-validation: blocks of install dates */

/* A cohort within the ladder. */
struct rung {
    size_t group; /* its narrowest group */
    size_t fold;
    size_t age;        /* observed whole: ages 0 to this */
    double exposure;   /* users, or 1 */
    double *cumulated; /* revenue to each age, age + 1 of them */
};

/* Groups form a tree; number 0 is all, a parent comes before its children. */
struct ladder {
    const struct rung *rungs;
    size_t count, groups, ages; /* ages 0 to ages - 1 are in the tables */
    const size_t *parent;
    double *sums; /* see ladder.c */
    double mean_exposure;
};

/* Development with one strength of shrinkage, from the cohorts outside one fold (FOLDS: from all). */
struct development {
    size_t ages;
    double *log_shape; /* groups x ages: log of revenue cumulated to an age, up to a constant */
    double *level;     /* groups x ages: revenue per exposure cumulated to an age */
};

enum mi_status ladder_make(struct ladder *ladder, const struct rung *rungs, size_t count,
                           const size_t *parent, size_t groups, size_t ages, struct mi_error *error);
void ladder_free(struct ladder *ladder);

/* strength: so many cohorts of the parent's kind stand beside a group's own; infinite: the curve alone. */
enum mi_status develop(const struct ladder *ladder, size_t without_fold, double strength,
                       struct development *development, struct mi_error *error);
void development_free(struct development *development);

#endif
