/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A fitted hierarchy.
 */
#ifndef LTV_MODEL_H
#define LTV_MODEL_H

#include "ltv/history.h"
#include "ltv/tree.h"
#include "mi.h"

/* What the model was made from. */
struct ltv_training {
    double rows, users, mean;
    int32_t as_of, first_install, last_install; /* MI_DATE_MISSING: no dates */
    int min_age;
    uint64_t fingerprint;
};

struct mi_ltv_model {
    size_t column_count;
    char *columns[MI_LTV_COLUMNS_MOST];
    struct ltv_tree tree;
    struct ltv_spread spread;
    struct ltv_training training;
    struct mi_ltv_holdout holdout;
    struct mi_ltv_model *prior; /* what the means are a multiple of; NULL: they are means themselves */
};

enum mi_status ltv_model_new(const char *const *columns, size_t count, struct mi_ltv_model **model,
                             struct mi_error *error);
/* Fits a tree to the history's users but those of one fold (LTV_FOLDS: all). */
enum mi_status ltv_tree_of(const struct mi_ltv_history *history, size_t except, const struct mi_notes *notes,
                           struct ltv_tree *tree, struct ltv_spread *spread, struct mi_error *error);
/* Mean and standard error of a node, or of what may lie below it at the leaves. */
void ltv_node_estimate(const struct ltv_tree *tree, const struct ltv_spread *spread, size_t node,
                       double level, struct mi_ltv_estimate *estimate);
/* The held-out metrics of a history with folds. */
enum mi_status ltv_hold_out(const struct mi_ltv_history *history, struct mi_ltv_holdout *holdout,
                            struct mi_error *error);

#endif
