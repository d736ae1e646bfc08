/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The members of the ensemble, learnt together from one set of users. `depth` and `net` start from the linear
 * model; `leaf` does not, so that it errs elsewhere.
 *   leaf    boosted trees grown leaf by leaf, Tweedie loss (a compound Poisson of gammas: many zeros, a tail)
 *   depth   boosted trees grown by depth, in two parts: paying at all, and the logarithm of what payers bring
 *   net     the neural net with the zero-inflated lognormal loss
 *   given   a prediction that came with the data: not learnt here
 *   btyd    buy till you die, from the transaction log
 */
#ifndef MI_LTV_LEARNER_H
#define MI_LTV_LEARNER_H

#include <jansson.h>

#include "ltv/btydmember.h"
#include "ltv/net.h"
#include "num/boost.h"

enum ltv_member { LTV_LEAF, LTV_DEPTH, LTV_NET, LTV_GIVEN, LTV_BTYD, LTV_MEMBERS };

extern const char *const ltv_member_names[LTV_MEMBERS];

struct ltv_learner {
    struct ltv_design design;
    struct ltv_linear linear;
    struct mi_boost *leaf, *paying, *amount; /* NULL: not a member */
    double level;                            /* where `leaf` starts: the mean of all */
    double amount_spread;                    /* of the logarithm around what `amount` says */
    struct ltv_net *net;
    struct ltv_buyers buyers;
    size_t given; /* feature that is a prediction already, SIZE_MAX: none */
    size_t log;   /* first of the features of the transaction log, SIZE_MAX: none */
    /* of predictions of up to `room` rows */
    size_t room;
    float *trees, *standard, *margins[3];
    struct ltv_start *starts;
};

struct ltv_learning {
    bool members[LTV_MEMBERS]; /* which are wanted */
    size_t given, log;
    double horizon;               /* days of the target, for btyd */
    const struct mi_notes *notes; /* on what the data do not tell; may be NULL */
    bool in_order; /* rows are in order of time: the latest are held out to stop by, else any */
    uint64_t seed;
    unsigned threads;
};

enum mi_status ltv_learner_fit(const struct ltv_features *features, const struct ltv_rows *rows,
                               const struct ltv_learning *how, struct ltv_learner *learner,
                               struct mi_error *error);
void ltv_learner_clear(struct ltv_learner *learner);

/* What the members say of `count` consecutive rows of codes; values: LTV_MEMBERS a row. A member that is not
 * there says NaN, as `leaf`, `given` and `btyd` do of paying. */
enum mi_status ltv_learner_predict(struct ltv_learner *learner, const float *codes, size_t count,
                                   struct ltv_value *values, struct mi_error *error);

/* Contributions of the features to the logarithm of the prediction, from the trees of `leaf` and `depth`
 * (SHAP) and the linear model that they start from; `leaf_share` is the weight of the former. features a
 * row. */
enum mi_status ltv_learner_explain(struct ltv_learner *learner, const float *codes, size_t count,
                                   double leaf_share, float *out, struct mi_error *error);

enum mi_status ltv_learner_write(const struct ltv_learner *learner, struct mi_buffer *out,
                                 struct mi_error *error);
enum mi_status ltv_learner_read(const json_t *object, const struct ltv_features *features,
                                struct ltv_learner *learner, const char **fault, struct mi_error *error);

#endif
