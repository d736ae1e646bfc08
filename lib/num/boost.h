/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Gradient-boosted trees: what libmi needs of the XGBoost C API (1.7), with its traps closed.
 *
 *     struct mi_boost_data data = {.values = x, .rows = n, .columns = k, .labels = y};
 *     struct mi_boost_options how = mi_boost_options_default();
 *     how.objective = "reg:tweedie";
 *     status = mi_boost_train(&data, NULL, &how, &boost, error);
 *     status = mi_boost_predict(boost, x, n, out, error);
 *
 * Matrices are dense, row by row, NaN is a missing value; an infinite one is refused. The same data, options
 * and seed give the same trees whatever the number of threads. Predictions are evaluated by num/trees.h, with
 * the bits of XGBoost's. XGBoost's log is silenced, the first line of its error message becomes the error's
 * text. It is loaded at first use: MI_NUMERIC where that fails.
 */
#ifndef MI_NUM_BOOST_H
#define MI_NUM_BOOST_H

#include <jansson.h>

#include "base/buffer.h"
#include "mi.h"

struct mi_boost;

struct mi_boost_data {
    const float *values; /* rows x columns */
    size_t rows, columns;
    const float *labels;
    const float *weights;     /* NULL: all 1 */
    const char *const *names; /* of the columns, kept in the model; NULL: f0, f1, ... */
    const float *margins;     /* where boosting starts in each row, before the link; NULL: base_score.
                                 mi_boost_predict() knows nothing of it: with base_score at the link's zero
                                 what it says is to be combined with the row's own margin */
};

/* First and second derivative of the loss by the margin, one each a row; second above 0. */
typedef void mi_boost_gradient(void *context, const struct mi_boost_data *data, const float *margin,
                               float *first, float *second);
/* The mean loss on validation rows, less is better; predictions are margins with a gradient of one's own. */
typedef double mi_boost_loss(void *context, const struct mi_boost_data *data, const float *predictions);

struct mi_boost_parameter {
    const char *name, *value;
};

struct mi_boost_options {
    const char *objective; /* XGBoost's name: "reg:squarederror", "reg:tweedie", "binary:logistic" ... */
    mi_boost_gradient *gradient; /* or a loss of one's own: the margin is the prediction */
    mi_boost_loss *loss;         /* for early stopping; NULL: the objective's own metric */
    void *context;               /* of these two */
    double base_score;           /* where boosting starts, as a prediction (with a gradient: as a margin) */
    bool leafwise;               /* the leaf of most gain is split next; else by depth */
    unsigned max_leaves;         /* leaf-wise: 2 and more */
    unsigned max_depth;          /* by depth: 1 and more; leaf-wise: 0 is no limit */
    unsigned rounds;             /* trees at most */
    unsigned patience;           /* rounds without gain on the validation rows after which it stops */
    double learning_rate, lambda, min_child_weight, subsample, colsample;
    const struct mi_boost_parameter *more; /* further XGBoost parameters; an unknown one is refused */
    size_t more_count;
    uint64_t seed;
    unsigned threads;
};

/* 300 rounds, patience 30, learning rate 0.05, depth 6 or 31 leaves, lambda 1, child weight 1, all rows and
 * columns, squared error, one thread. */
struct mi_boost_options mi_boost_options_default(void);

/* Trains on `data`. With `validation` rows it stops early and keeps the best round; without, all rounds.
 * MI_BAD_ARGUMENT: no rows or columns, an infinite value, labels that the objective cannot take. */
enum mi_status mi_boost_train(const struct mi_boost_data *data, const struct mi_boost_data *validation,
                              const struct mi_boost_options *options, struct mi_boost **boost,
                              struct mi_error *error);
void mi_boost_free(struct mi_boost *boost);

/* Rounds kept, and columns that it was trained on. */
unsigned mi_boost_rounds(const struct mi_boost *boost);
size_t mi_boost_columns(const struct mi_boost *boost);

/* One prediction a row of a dense block; nothing is copied. The block has the columns of the
 * training data in their order. */
enum mi_status mi_boost_predict(struct mi_boost *boost, const float *values, size_t rows, float *out,
                                struct mi_error *error);

/* The same before the objective's link: what the trees add up to, and the margin of base_score. */
enum mi_status mi_boost_margin(struct mi_boost *boost, const float *values, size_t rows, float *out,
                               struct mi_error *error);

/* Contributions (SHAP, Lundberg et al. 2018) to the margin: columns + 1 a row, the last is the base. */
enum mi_status mi_boost_contributions(struct mi_boost *boost, const float *values, size_t rows, float *out,
                                      struct mi_error *error);

/* Appends XGBoost's own JSON, without a line end. */
enum mi_status mi_boost_write(struct mi_boost *boost, struct mi_buffer *out, struct mi_error *error);

/* Reads XGBoost's JSON, of which a reference is kept; MI_BAD_INPUT where it is damaged, or its columns are
 * not these (names NULL: only the number is compared). XGBoost itself sees it only where it is to explain. */
enum mi_status mi_boost_read(json_t *json, const char *const *names, size_t columns, struct mi_boost **boost,
                             struct mi_error *error);

#endif
