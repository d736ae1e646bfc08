/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A neural net with the zero-inflated lognormal loss: Wang, Liu, Miao, "A Deep Probabilistic Model for
 * Customer Lifetime Value Prediction" (2019), sections 3 and 4. It says how likely a user is to pay at all,
 * and the lognormal distribution of what a payer brings.
 *
 * Standardised columns and embedded categories go through two hidden layers; what comes out is added to the
 * linear model's log odds and location. Adam, early stopping on validation rows, the mean of several nets.
 */
#ifndef MI_LTV_NET_H
#define MI_LTV_NET_H

#include <jansson.h>

#include "ltv/linear.h"

struct ltv_net;

/* What a member says of a user. */
struct ltv_value {
    double paying; /* probability to pay at all */
    double mean;   /* of the value, zeros included */
};

/* Rows to learn from, all count long: standardised values (count x width), where the linear model puts them,
 * codes (for categories) and target. */
struct ltv_net_rows {
    const float *values;
    const struct ltv_start *starts;
    const float *codes; /* of all rows that there are; rows[i] is the place of the i-th */
    const size_t *rows;
    const double *target; /* count */
    size_t count;
};

enum mi_status ltv_net_fit(const struct ltv_design *design, const struct ltv_linear *linear,
                           const struct ltv_net_rows *train, const struct ltv_net_rows *validation,
                           uint64_t seed, struct ltv_net **net, struct mi_error *error);
void ltv_net_free(struct ltv_net *net);

/* `count` rows: standardised, their starts, their codes (count x features). */
enum mi_status ltv_net_predict(struct ltv_net *net, const float *values, const struct ltv_start *starts,
                               const float *codes, size_t count, struct ltv_value *out,
                               struct mi_error *error);

void ltv_net_write(const struct ltv_net *net, struct mi_buffer *out);
enum mi_status ltv_net_read(const json_t *object, const struct ltv_design *design, struct ltv_net **net,
                            const char **fault, struct mi_error *error);

#endif
