/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Codes of features as numbers to learn from. For trees: categories by the mean of log(1 + target) of their
 * users, shrunk to that of all (Micci-Barreca 2001), for the rows of the fit without the fifth that a row is
 * in. For linear models and nets: these standardised, skewed ones after a logarithm, missing ones at the mean
 * with an indicator beside.
 */
#ifndef MI_LTV_DESIGN_H
#define MI_LTV_DESIGN_H

#include <jansson.h>

#include "ltv/features.h"

/* Users to learn from or to judge by. */
struct ltv_rows {
    const float *codes; /* all rows that there are, x features */
    const double *target;
    const size_t *rows; /* which of them */
    size_t count;
};

struct ltv_scale {
    double unit;      /* above 0: log(1 + |x| / unit) with x's sign; 0: x itself */
    double mean, sd;  /* of that */
    double floor;     /* after a logarithm: smaller ones count as this, in standard deviations */
    size_t indicator; /* column of its indicator of missing, SIZE_MAX: none */
};

struct ltv_design {
    const struct ltv_features *features; /* borrowed */
    double **levels;                     /* of a category: the value of each level; NULL: a number */
    double unseen;                       /* of a level that is new */
    struct ltv_scale *scales;
    size_t width; /* columns of the standardised: features and indicators */
};

/* Learns it from rows. */
enum mi_status ltv_design_fit(const struct ltv_features *features, const struct ltv_rows *rows,
                              struct ltv_design *design, struct mi_error *error);
void ltv_design_clear(struct ltv_design *design);

/* Values for trees of the rows that it was learnt from, count x features, each category without its own
 * fifth. */
enum mi_status ltv_design_trees_of_fit(const struct ltv_design *design, const struct ltv_rows *rows,
                                       float *values, struct mi_error *error);
/* The same of one row of codes that comes later; may be done in place. */
void ltv_design_trees(const struct ltv_design *design, const float *codes, float *values);
/* Standardised values, `width` of them, from values for trees. */
void ltv_design_standard(const struct ltv_design *design, const float *values, float *out);

void ltv_design_write(const struct ltv_design *design, struct mi_buffer *out);
enum mi_status ltv_design_read(const json_t *object, const struct ltv_features *features,
                               struct ltv_design *design, const char **fault, struct mi_error *error);

#endif
