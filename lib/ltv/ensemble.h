/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The ensemble: features, members, their weights, the distribution around their mean, and what was held out.
 */
#ifndef MI_LTV_ENSEMBLE_H
#define MI_LTV_ENSEMBLE_H

#include "ltv/learner.h"
#include "ltv/outlook.h"
#include "ltv/paying.h"
#include "ltv/stack.h"

/* On rows that had no part in what predicted them. */
struct ltv_heldout {
    struct ltv_score score;
    double pinball;  /* mean of those of the quantiles 0.1, 0.5 and 0.9; NaN: not known */
    double coverage; /* of the 80 % set, over users whose set has more than 0; NaN: none */
};

struct ltv_segment {
    size_t level; /* of the feature `segment` */
    struct ltv_outlook outlook;
};

struct mi_ltv_ensemble {
    char *target;
    struct ltv_features features;
    struct ltv_learner learner;
    bool members[LTV_MEMBERS];  /* that were tried */
    struct ltv_weights weights; /* by member */
    struct ltv_paying paying;
    struct ltv_outlook outlook;
    struct {
        char *customer; /* column that joins it, NULL: fitted without a log */
        double horizon; /* days of the target */
        int32_t cut;    /* its last day at the fit */
    } log;
    size_t segment; /* feature with outlooks of its own, SIZE_MAX: none */
    struct ltv_segment *segments;
    size_t segment_count;

    struct {
        double rows, payers, mean;
        uint64_t seed, fingerprint;
        bool by_time;
        int32_t first, last; /* of the time column */
    } training;
    double heldout_rows;
    struct ltv_heldout heldout, alone[LTV_MEMBERS];

    /* what is being predicted */
    size_t *columns;                   /* of the features in the reader, MI_NO_COLUMN: not there */
    const struct mi_rfm *transactions; /* borrowed */
    size_t customer;                   /* column */
    uint64_t strangers;                /* rows without a purchase in it */
    struct ltv_drift drift;
    uint64_t *unseen; /* cells of each feature with a new category */
    uint64_t rows, sampled;
    float *codes; /* of the block */
    struct ltv_value *values;
    size_t room, filled;
};

/* The weighted mean of the members, as they are bent. */
double ltv_ensemble_mean(const struct ltv_weights *weights, const struct ltv_value *values);

enum mi_status ltv_ensemble_new(const char *target, struct mi_ltv_ensemble **ensemble,
                                struct mi_error *error);

#endif
