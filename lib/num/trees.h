/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Boosted trees as XGBoost writes them, evaluated here: bit by bit what XGBoost says (one sum of floats, tree
 * after tree), in a third of its time. A file's trees are looked at before XGBoost sees them, which follows
 * whatever node numbers stand there.
 */
#ifndef MI_NUM_TREES_H
#define MI_NUM_TREES_H

#include <jansson.h>

#include "mi.h"

struct mi_trees;

/* From the JSON of a model of one output. MI_BAD_INPUT: not of the shape that XGBoost writes, a node that is
 * reached twice from its tree's root, a parent, child or column that is not there, an objective without a
 * link here. The caller frees. */
enum mi_status mi_trees_read(const json_t *json, struct mi_trees **trees, struct mi_error *error);
void mi_trees_free(struct mi_trees *trees);

size_t mi_trees_count(const struct mi_trees *trees);
size_t mi_trees_columns(const struct mi_trees *trees);

/* What the trees add up to for each of `rows` rows of a dense block, from the margin of base_score on. NaN is
 * a missing value, no value may be infinite. */
void mi_trees_margin(const struct mi_trees *trees, const float *values, size_t rows, float *out);

/* Margins to predictions, in place: the objective's link. */
void mi_trees_link(const struct mi_trees *trees, float *margins, size_t rows);

#endif
