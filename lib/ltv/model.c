/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The hierarchy fitted to a history, and what it says of a segment.
 */
#include "ltv/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_cdf.h>

/* Skewness of LTV between users, in units of their relative standard deviation: 2 for a gamma distribution, 4
 * and more where few pay and what they pay is lognormal. */
#define SKEWNESS 3.0

enum mi_status ltv_model_new(const char *const *columns, size_t count, struct mi_ltv_model **model,
                             struct mi_error *error) {
    struct mi_ltv_model *new = calloc(1, sizeof *new);
    if (new == NULL) {
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    new->column_count = count;
    enum mi_status status = ltv_tree_init(&new->tree, count, error);
    for (size_t i = 0; i < count && status == MI_OK; i++) {
        new->columns[i] = mi_text_copy(mi_text_of(columns[i]));
        if (new->columns[i] == NULL) {
            status = mi_error_set(error, MI_NO_MEMORY, "out of memory");
        }
    }
    if (status != MI_OK) {
        mi_ltv_model_free(new);
        return status;
    }
    *model = new;
    return MI_OK;
}

void mi_ltv_model_free(struct mi_ltv_model *model) {
    if (model == NULL) {
        return;
    }
    for (size_t i = 0; i < model->column_count; i++) {
        free(model->columns[i]);
    }
    ltv_tree_clear(&model->tree);
    mi_ltv_model_free(model->prior);
    free(model);
}

size_t mi_ltv_model_column_count(const struct mi_ltv_model *model) {
    return model->column_count;
}

const char *mi_ltv_model_column(const struct mi_ltv_model *model, size_t column) {
    return model->columns[column];
}

struct mi_ltv_holdout mi_ltv_model_holdout(const struct mi_ltv_model *model) {
    return model->holdout;
}

/* ---- fit ---- */

/* Puts the users of every segment of the history into their leaves: beside those that are there, or in their
 * place. */
static enum mi_status fill_leaves(struct ltv_tree *tree, const struct mi_ltv_history *history, size_t except,
                                  bool beside, struct mi_error *error) {
    struct mi_text values[MI_LTV_COLUMNS_MOST];
    for (size_t segment = 0; segment < mi_index_size(history->segments); segment++) {
        struct ltv_moments users = ltv_history_users(history, segment, except);
        if (users.users <= 0) {
            continue;
        }
        size_t leaf;
        ltv_history_values(history, segment, values);
        enum mi_status status = ltv_tree_leaf(tree, values, &leaf, error);
        if (status != MI_OK) {
            return status;
        }
        if (!beside) {
            tree->nodes[leaf].users = (struct ltv_moments){0};
        }
        ltv_moments_add(&tree->nodes[leaf].users, &users);
    }
    return MI_OK;
}

/* What a model says of a segment, or of the deepest part of it that it knows. */
static enum mi_status node_of(struct mi_ltv_model *model, const struct mi_text *values,
                              const struct ltv_node **node, struct mi_error *error) {
    size_t at;
    enum mi_status status = ltv_tree_find(&model->tree, values, &at, error);
    *node = status == MI_OK ? &model->tree.nodes[at] : NULL;
    return status;
}

static enum mi_status divide_by_prior(struct ltv_tree *tree, struct mi_ltv_model *prior,
                                      const struct mi_ltv_history *history, struct mi_error *error) {
    struct mi_text values[MI_LTV_COLUMNS_MOST];
    enum mi_status status = MI_OK;
    for (size_t segment = 0; segment < mi_index_size(history->segments) && status == MI_OK; segment++) {
        struct ltv_moments users = ltv_history_users(history, segment, LTV_FOLDS);
        const struct ltv_node *node;
        size_t leaf;
        if (users.users <= 0) {
            continue;
        }
        ltv_history_values(history, segment, values);
        status = node_of(prior, values, &node, error);
        if (status == MI_OK && node->mean > 0 &&
            (status = ltv_tree_leaf(tree, values, &leaf, error)) == MI_OK) {
            tree->nodes[leaf].users = ltv_moments_times(&users, 1 / node->mean);
        }
    }
    return status;
}

enum mi_status mi_ltv_fit_about(const struct mi_ltv_history *history, struct mi_ltv_model *prior,
                                const struct mi_notes *notes, struct mi_ltv_model **model,
                                struct mi_error *error) {
    struct mi_ltv_model *new;
    enum mi_status status =
        ltv_model_new((const char *const *)history->columns, history->column_count, &new, error);
    if (status != MI_OK) {
        return status;
    }
    status = divide_by_prior(&new->tree, prior, history, error);
    if (status == MI_OK && new->tree.count > 1) {
        status = ltv_tree_fit(&new->tree, &new->spread, notes, error);
    }
    if (status != MI_OK || new->tree.count == 1) {
        mi_ltv_model_free(new);
        *model = status == MI_OK ? prior : *model;
        return status;
    }
    new->prior = prior;
    *model = new;
    return MI_OK;
}

enum mi_status ltv_tree_of(const struct mi_ltv_history *history, size_t except, const struct mi_notes *notes,
                           struct ltv_tree *tree, struct ltv_spread *spread, struct mi_error *error) {
    enum mi_status status = fill_leaves(tree, history, except, false, error);
    if (status == MI_OK && tree->count == 1) {
        return mi_error_set(error, MI_BAD_INPUT,
                            history->rows == 0 ? "the history is empty"
                                               : "no user of the history is old enough");
    }
    return status == MI_OK ? ltv_tree_fit(tree, spread, notes, error) : status;
}

enum mi_status mi_ltv_fit(const struct mi_ltv_history *history, const struct mi_notes *notes,
                          struct mi_ltv_model **model, struct mi_error *error) {
    struct mi_ltv_model *new;
    enum mi_status status =
        ltv_model_new((const char *const *)history->columns, history->column_count, &new, error);
    if (status != MI_OK) {
        return status;
    }
    status = ltv_tree_of(history, LTV_FOLDS, notes, &new->tree, &new->spread, error);
    if (status == MI_OK && history->folds > 1) {
        status = ltv_hold_out(history, &new->holdout, error);
    }
    if (status != MI_OK) {
        mi_ltv_model_free(new);
        return status;
    }
    struct ltv_moments all = {0};
    for (size_t node = 0; node < new->tree.count; node++) {
        ltv_moments_add(&all, &new->tree.nodes[node].users);
    }
    new->training = (struct ltv_training){.rows = (double)history->rows,
                                          .users = all.users,
                                          .mean = ltv_moments_mean(&all),
                                          .as_of = history->as_of,
                                          .first_install = history->first_install,
                                          .last_install = history->last_install,
                                          .min_age = history->min_age,
                                          .fingerprint = history->fingerprint};
    *model = new;
    return MI_OK;
}

static bool same_columns(const struct mi_ltv_model *model, const struct mi_ltv_history *history) {
    if (model->column_count != history->column_count) {
        return false;
    }
    for (size_t i = 0; i < model->column_count; i++) {
        if (strcmp(model->columns[i], history->columns[i]) != 0) {
            return false;
        }
    }
    return true;
}

enum mi_status mi_ltv_model_update(struct mi_ltv_model *model, const struct mi_ltv_history *history,
                                   bool independent, struct mi_error *error) {
    if (!same_columns(model, history)) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "the model and the history have other columns");
    }
    enum mi_status status = fill_leaves(&model->tree, history, LTV_FOLDS, independent, error);
    if (status == MI_OK) {
        ltv_tree_settle(&model->tree, &model->spread);
    }
    return status;
}

/* ---- estimates ---- */

static double quantile_of(double level) {
    return gsl_cdf_ugaussian_Pinv(0.5 + level / 2);
}

/* The interval of a mean that is estimated with standard error se from data of this skewness (of the
 * estimate, not of single users): lognormal, moved up by the second term of Hall's expansion for studentised
 * means. */
static void fill_interval(struct mi_ltv_estimate *estimate, double skewness, double level) {
    if (isnan(estimate->se)) {
        estimate->low = estimate->high = NAN;
        return;
    }
    double quantile = quantile_of(level);
    if (estimate->ltv <= 0) {
        estimate->low = 0;
        estimate->high = quantile * estimate->se;
        return;
    }
    double ratio = estimate->se / estimate->ltv;
    double spread = sqrt(log1p(ratio * ratio));
    double shift = fmin(skewness * (2 * quantile * quantile + 1) / 6, 0.5 * quantile);
    estimate->low = estimate->ltv * exp(spread * (shift - quantile));
    estimate->high = estimate->ltv * exp(spread * (shift + quantile));
}

void ltv_node_estimate(const struct ltv_tree *tree, const struct ltv_spread *spread, size_t node,
                       double level, struct mi_ltv_estimate *estimate) {
    const struct ltv_node *from = &tree->nodes[node];
    *estimate = (struct mi_ltv_estimate){.ltv = from->mean, .se = NAN, .depth = from->level};
    double skewness = 0;
    if (!isnan(spread->within)) {
        double variance = from->variance;
        for (size_t below = from->level; below < tree->levels; below++) {
            variance += pow(spread->between[below] * from->scale, 2);
        }
        estimate->se = sqrt(variance);
    }
    if (!isnan(spread->within) && from->users.users > 0 && ltv_moments_mean(&from->users) <= 0) {
        estimate->low = 0; /* nobody paid yet */
        estimate->high = from->mean + quantile_of(level) * estimate->se;
        return;
    }
    if (!isnan(spread->within) && from->users.users > 0) {
        double share = from->variance / from->noise; /* of the users' own mean in the estimate */
        skewness = pow(share, 1.5) * SKEWNESS * sqrt(from->noise) / from->scale;
    }
    fill_interval(estimate, skewness, level);
}

/* The estimate was a multiple of what the prior says. */
static enum mi_status times_prior(struct mi_ltv_model *model, const struct mi_text *values, double level,
                                  struct mi_ltv_estimate *estimate, struct mi_error *error) {
    struct mi_ltv_estimate prior;
    enum mi_status status = mi_ltv_predict(model->prior, values, level, &prior, error);
    if (status != MI_OK) {
        return status;
    }
    double se = isnan(estimate->se)
                    ? NAN
                    : hypot(estimate->se * prior.ltv,
                            isnan(prior.se) ? 0 : prior.se * fmax(estimate->ltv, estimate->se));
    double wider = estimate->se > 0 && prior.ltv > 0 ? se / (estimate->se * prior.ltv) : 1;
    double low = estimate->ltv - wider * (estimate->ltv - estimate->low);
    double high = estimate->ltv + wider * (estimate->high - estimate->ltv);
    estimate->low = fmax(0, low) * prior.ltv;
    estimate->high = high * prior.ltv;
    estimate->ltv *= prior.ltv;
    estimate->se = se;
    estimate->depth = prior.depth > estimate->depth ? prior.depth : estimate->depth;
    return MI_OK;
}

enum mi_status mi_ltv_predict(struct mi_ltv_model *model, const struct mi_text *values, double level,
                              struct mi_ltv_estimate *estimate, struct mi_error *error) {
    size_t node;
    enum mi_status status = ltv_tree_find(&model->tree, values, &node, error);
    if (status == MI_OK) {
        ltv_node_estimate(&model->tree, &model->spread, node, level, estimate);
    }
    return status == MI_OK && model->prior != NULL ? times_prior(model, values, level, estimate, error)
                                                   : status;
}

/* ---- by source ---- */

const char *mi_ltv_confidence_name(enum mi_ltv_confidence confidence) {
    static const char *const names[] = {"low", "medium", "high"};
    return names[confidence];
}

/* The users' own mean, with the standard error that they show themselves; where they show no difference, the
 * model's variance stands in. */
static void own_estimate(const struct ltv_moments *users, const struct ltv_spread *spread, double level,
                         struct mi_ltv_estimate *estimate) {
    double mean = ltv_moments_mean(users);
    double scale = mean > 0 ? mean : estimate->ltv;
    double variance =
        users->scatter > 0 ? users->scatter / users->freedom : ltv_variance(users, spread->within, scale);
    estimate->ltv = mean;
    estimate->se = sqrt(variance / users->users);
    fill_interval(estimate, mean > 0 ? SKEWNESS * estimate->se / mean : 0, level);
}

enum mi_status mi_ltv_by_source(struct mi_ltv_model *model, struct mi_ltv_history *history,
                                const struct mi_ltv_rule *rule, const struct mi_text *values,
                                struct mi_ltv_source *source, struct mi_error *error) {
    size_t segment;
    struct ltv_moments users = {0};
    enum mi_status status = ltv_history_find(history, values, &segment, error);
    if (status == MI_OK && segment != SIZE_MAX) {
        users = ltv_history_users(history, segment, LTV_FOLDS);
    }
    if (status == MI_OK) {
        status = mi_ltv_predict(model, values, rule->level, &source->estimate, error);
    }
    if (status != MI_OK) {
        return status;
    }
    source->users = users.users;
    source->confidence = users.users > rule->high     ? MI_LTV_HIGH
                         : users.users > rule->medium ? MI_LTV_MEDIUM
                                                      : MI_LTV_LOW;
    if (rule->plain && source->confidence == MI_LTV_HIGH) {
        own_estimate(&users, &model->spread, rule->level, &source->estimate);
    }
    return MI_OK;
}
