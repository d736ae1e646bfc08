/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The linear zero-inflated lognormal model: a logistic regression of paying at all, and a linear one of the
 * logarithm of what payers bring, both with a ridge. Boosted trees and the net start from it: trees alone
 * cannot go beyond the largest leaf they have seen, and it is the few largest users that matter most.
 */
#ifndef MI_LTV_LINEAR_H
#define MI_LTV_LINEAR_H

#include <jansson.h>

#include "ltv/design.h"

struct ltv_linear {
    size_t width;
    float *paying, *location; /* width + 1 weights each, the last is the constant */
    double spread;            /* standard deviation of the logarithm around its mean */
};

/* What it says of a user. */
struct ltv_start {
    float paying;   /* log odds of paying */
    float location; /* mean logarithm of a payer's value */
    float log_mean; /* logarithm of the mean value, zeros included */
};

/* From standardised rows (count x width) and their target. */
enum mi_status ltv_linear_fit(const float *rows, const double *target, size_t count, size_t width,
                              struct ltv_linear *linear, struct mi_error *error);
void ltv_linear_clear(struct ltv_linear *linear);
struct ltv_start ltv_linear_at(const struct ltv_linear *linear, const float *row);

void ltv_linear_write(const struct ltv_linear *linear, struct mi_buffer *out);
enum mi_status ltv_linear_read(const json_t *object, size_t width, struct ltv_linear *linear,
                               const char **fault, struct mi_error *error);

/* An array of so many finite numbers. */
bool ltv_read_floats(const json_t *array, size_t count, float *out);
void ltv_write_floats(struct mi_buffer *out, const char *before, const float *values, size_t count);

#endif
