/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Held-out metrics: each fold of a history's rows is predicted by the hierarchy fitted to the other folds.
 */
#include <math.h>

#include "ltv/model.h"

struct sums {
    double users, money;
    double squares, portfolio_squares, segment_squares, absolute;
    double means, covered;
};

/* Judges the prediction of one held-out segment mean. */
static void judge(const struct ltv_tree *tree, const struct ltv_spread *spread, size_t node,
                  const struct ltv_moments *seen, const struct ltv_moments *held, struct sums *sums) {
    double actual = ltv_moments_mean(held);
    double portfolio = tree->nodes[0].mean;
    double own = seen->users > 0 ? ltv_moments_mean(seen) : portfolio;
    struct mi_ltv_estimate estimate;
    ltv_node_estimate(tree, spread, node, MI_INTERVAL, &estimate);
    double error = estimate.ltv - actual;
    sums->users += held->users;
    sums->money += held->users * actual;
    sums->absolute += held->users * fabs(error);
    sums->squares += held->users * error * error;
    sums->portfolio_squares += held->users * (portfolio - actual) * (portfolio - actual);
    sums->segment_squares += held->users * (own - actual) * (own - actual);
    if (!isnan(estimate.se)) {
        double noise = ltv_variance(seen, spread->within, tree->nodes[node].scale) / held->users;
        sums->means++;
        sums->covered += fabs(error) <= 1.2815515655446004 * sqrt(estimate.se * estimate.se + noise);
    }
}

static enum mi_status hold_out_fold(const struct mi_ltv_history *history, size_t fold, struct sums *sums,
                                    struct mi_error *error) {
    struct ltv_tree tree;
    struct ltv_spread spread;
    enum mi_status status = ltv_tree_init(&tree, history->column_count, error);
    if (status != MI_OK) {
        return status;
    }
    struct mi_error nobody = {0};
    status = ltv_tree_of(history, fold, NULL, &tree, &spread, &nobody);
    bool empty = status == MI_BAD_INPUT; /* all are in this fold */
    if (status != MI_OK && !empty && error != NULL) {
        *error = nobody;
    }
    struct mi_text values[MI_LTV_COLUMNS_MOST];
    for (size_t segment = 0; segment < mi_index_size(history->segments) && status == MI_OK; segment++) {
        const struct ltv_moments *held = &history->mature[segment * history->folds + fold];
        if (held->users > 0) {
            size_t node;
            struct ltv_moments seen = ltv_history_users(history, segment, fold);
            ltv_history_values(history, segment, values);
            status = ltv_tree_find(&tree, values, &node, error);
            if (status == MI_OK) {
                judge(&tree, &spread, node, &seen, held, sums);
            }
        }
    }
    ltv_tree_clear(&tree);
    return empty ? MI_OK : status;
}

enum mi_status ltv_hold_out(const struct mi_ltv_history *history, struct mi_ltv_holdout *holdout,
                            struct mi_error *error) {
    struct sums sums = {0};
    for (size_t fold = 0; fold < history->folds; fold++) {
        enum mi_status status = hold_out_fold(history, fold, &sums, error);
        if (status != MI_OK) {
            return status;
        }
    }
    bool any = sums.users > 0;
    *holdout = (struct mi_ltv_holdout){
        .users = sums.users,
        .rmse = any ? sqrt(sums.squares / sums.users) : NAN,
        .rmse_portfolio = any ? sqrt(sums.portfolio_squares / sums.users) : NAN,
        .rmse_segment = any ? sqrt(sums.segment_squares / sums.users) : NAN,
        .wape = sums.money > 0 ? 100 * sums.absolute / sums.money : NAN,
        .coverage = sums.means > 0 ? sums.covered / sums.means : NAN,
    };
    return MI_OK;
}
