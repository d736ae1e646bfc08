/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An ensemble that is being fitted.
 */
#ifndef MI_LTV_FITTING_H
#define MI_LTV_FITTING_H

#include "ltv/ensemble.h"

struct ltv_fitting {
    struct mi_ltv_ensemble *ensemble;
    const struct mi_ltv_ensemble_options *options;
    const struct mi_notes *notes;
    float *codes;
    double *target;
    size_t rows;
    size_t *order; /* of the rows: dealt at random, or by time */
    double *time;
    size_t *fold; /* of each row; SIZE_MAX: only learnt from */
    size_t folds;
    struct ltv_value *values; /* out of fold, rows x members */
    struct ltv_learning how;
};

/* From the out-of-fold predictions to weights, distributions and what was held out. */
enum mi_status ltv_fitting_combine(struct ltv_fitting *f, struct mi_error *error);

#endif
