/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * LTV by segment: sums, exact inference on the hierarchy, its fit, who is old enough, by source, model files.
 * The truth for the hierarchy was computed with numpy and scipy from dense covariance matrices (restricted
 * likelihood and best linear prediction of a mixed model), which share nothing with the two passes here.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ltv/model.h"

static const char *const two_columns[] = {"ad_network", "geo"};

static void assert_near(double value, double expected, double relative) {
    if (!(fabs(value - expected) <= relative * fabs(expected))) {
        fail_msg("%.17g, expected %.17g", value, expected);
    }
}

/* ---- sums ---- */

/* numpy: mean() and var(ddof=1). */
static void test_moments_of_single_users(void **state) {
    (void)state;
    static const double ltv[] = {0, 0, 12.5, 3.25, 0.1, 100, 7, 7, 7, 0.3};
    struct ltv_moments moments = {0};
    for (size_t i = 0; i < 10; i++) {
        struct ltv_moments one = ltv_moments_of(1, ltv[i], NAN);
        ltv_moments_add(&moments, &one);
    }
    assert_near(ltv_moments_mean(&moments), 13.715, 1e-15);
    assert_near(moments.scatter / moments.freedom, 936.9889166666666, 1e-13);
    assert_true(moments.freedom == 9);
}

/* Groups of 10, 20, 5 with means 3, 4, 8 and standard deviations 1, 2, 3. */
static void test_moments_of_groups(void **state) {
    (void)state;
    struct ltv_moments moments = ltv_moments_of(10, 3, 1);
    struct ltv_moments second = ltv_moments_of(20, 4, 2), third = ltv_moments_of(5, 8, 3);
    ltv_moments_add(&moments, &second);
    ltv_moments_add(&moments, &third);
    assert_near(ltv_moments_mean(&moments), 150.0 / 35, 1e-15);
    assert_near(moments.scatter, 9 * 1 + 19 * 4 + 4 * 9 + 10 * 9 + 20 * 16 + 5 * 64 - 150.0 * 150 / 35,
                1e-13);
    assert_true(moments.freedom == 34);
}

/* 1247 users of 42.50 in any split give 42.50, and 0.1 in thirds 0.1: no rounding is added. */
static void test_mean_is_exact(void **state) {
    (void)state;
    struct ltv_moments group = ltv_moments_of(1247, 42.5, NAN), tenths = {0};
    assert_true(ltv_moments_mean(&group) == 42.5);
    for (int i = 0; i < 1000; i++) {
        struct ltv_moments one = ltv_moments_of(3, 0.1, NAN);
        ltv_moments_add(&tenths, &one);
    }
    assert_true(ltv_moments_mean(&tenths) == 0.1);
}

/* ---- the hierarchy ---- */

static const struct {
    const char *network, *geo;
    double users, mean, sd;
} segments[] = {{"a", "x", 40, 30, 45}, {"a", "y", 5, 55, 60}, {"a", "z", 200, 26, 50},
                {"b", "x", 12, 48, 70}, {"b", "w", 3, 10, 12}, {"c", "x", 60, 22, 40}};

static struct ltv_tree make_tree(void) {
    struct ltv_tree tree;
    assert_int_equal(ltv_tree_init(&tree, 2, NULL), MI_OK);
    for (size_t i = 0; i < 6; i++) {
        struct mi_text values[] = {mi_text_of(segments[i].network), mi_text_of(segments[i].geo)};
        size_t leaf;
        assert_int_equal(ltv_tree_leaf(&tree, values, &leaf, NULL), MI_OK);
        tree.nodes[leaf].users = ltv_moments_of(segments[i].users, segments[i].mean, segments[i].sd);
    }
    return tree;
}

static const struct ltv_node *node_of(struct ltv_tree *tree, const char *network, const char *geo) {
    struct mi_text values[] = {mi_text_of(network), mi_text_of(geo)};
    size_t node;
    assert_int_equal(ltv_tree_find(tree, values, &node, NULL), MI_OK);
    return &tree->nodes[node];
}

static void assert_node(struct ltv_tree *tree, const char *network, const char *geo, double mean,
                        double variance, double relative) {
    const struct ltv_node *node = node_of(tree, network, geo);
    assert_near(node->mean, mean, relative);
    assert_near(node->variance, variance, relative);
}

#define WITHIN_AT_POOL 3.2597842840451907

static void test_inference_against_dense(void **state) {
    (void)state;
    struct ltv_tree tree = make_tree();
    assert_near(ltv_tree_level_scales(&tree), 26.878125, 1e-15);
    struct ltv_spread spread = {.between = {0.3, 0.2}, .within = WITHIN_AT_POOL};
    ltv_tree_set_noise(&tree, &spread);
    double likelihood = ltv_tree_infer(&tree, &spread, NULL);
    assert_node(&tree, "?", "?", 28.503649239095484, 44.23968855889521, 1e-11);
    assert_node(&tree, "a", "?", 28.663909183624948, 22.42297168507411, 1e-11);
    assert_node(&tree, "b", "?", 31.524629245163531, 71.186740430125397, 1e-11);
    assert_node(&tree, "c", "?", 25.322409288497958, 44.760439550055125, 1e-11);
    assert_node(&tree, "a", "x", 29.104325208239928, 29.448686919415611, 1e-11);
    assert_node(&tree, "a", "y", 30.185312386827086, 47.13508844117392, 1e-11);
    assert_node(&tree, "a", "z", 26.773316597820934, 10.278319033848698, 1e-11);
    assert_node(&tree, "b", "x", 33.63198514552252, 79.341598836334398, 1e-11);
    assert_node(&tree, "b", "w", 30.75993112527923, 94.089252591206076, 1e-11);
    assert_node(&tree, "c", "x", 23.908524866010172, 31.369900805053195, 1e-11);
    struct ltv_spread other = {.between = {0.5, 0.1}, .within = WITHIN_AT_POOL};
    assert_near(likelihood - ltv_tree_infer(&tree, &other, NULL), 0.26982168192631661, 1e-11);
    ltv_tree_clear(&tree);
}

/* The gradient against central differences of the likelihood. */
static void test_gradient(void **state) {
    (void)state;
    struct ltv_tree tree = make_tree();
    ltv_tree_level_scales(&tree);
    struct ltv_spread spread = {.between = {0.3, 0.2}, .within = WITHIN_AT_POOL};
    double gradient[3];
    ltv_tree_set_noise(&tree, &spread);
    ltv_tree_infer(&tree, &spread, gradient);
    const double h = 1e-5;
    for (size_t i = 0; i < 3; i++) {
        double side[2];
        for (int s = 0; s < 2; s++) {
            struct ltv_spread moved = spread;
            double *target = i < 2 ? &moved.between[i] : &moved.within;
            *target *= exp(s == 0 ? -h : h);
            ltv_tree_set_noise(&tree, &moved);
            side[s] = ltv_tree_infer(&tree, &moved, NULL);
        }
        assert_near(gradient[i], (side[1] - side[0]) / (2 * h), 1e-6);
    }
    ltv_tree_clear(&tree);
}

/* The whole fit against Nelder-Mead on the dense likelihood, rounds and priors alike. 1e-5: how flat the
 * likelihood is at its top. */
static void test_fit_against_dense(void **state) {
    (void)state;
    struct ltv_tree tree = make_tree();
    struct ltv_spread spread;
    assert_int_equal(ltv_tree_fit(&tree, &spread, NULL, NULL), MI_OK);
    assert_near(spread.between[0], 0.3284334070, 1e-5);
    assert_near(spread.between[1], 0.2860064625, 1e-5);
    assert_near(spread.within, 3.3351099396, 1e-5);
    assert_node(&tree, "?", "?", 27.920850581135863, 60.732789028445744, 1e-4);
    assert_node(&tree, "a", "z", 26.40887285260557, 10.790442578975924, 1e-5);
    assert_node(&tree, "b", "w", 28.575937451501623, 154.20809934148463, 1e-4);
    assert_node(&tree, "c", "x", 23.063636794709613, 26.169948572242866, 1e-5);
    ltv_tree_clear(&tree);
}

/* ---- histories ---- */

struct user {
    const char *network, *geo;
    double users, ltv, sd;
    int32_t installed;
};

static struct mi_ltv_history *history_of(const struct user *rows, size_t count, int32_t as_of, bool folds) {
    struct mi_ltv_history_options options = {
        .columns = two_columns, .column_count = 2, .as_of = as_of, .min_age = 90, .folds = folds};
    struct mi_ltv_history *history;
    assert_int_equal(mi_ltv_history_new(&options, &history, NULL), MI_OK);
    for (size_t i = 0; i < count; i++) {
        struct mi_text values[] = {mi_text_of(rows[i].network), mi_text_of(rows[i].geo)};
        struct mi_ltv_row row = {values, rows[i].users, rows[i].ltv, rows[i].sd, rows[i].installed};
        assert_int_equal(mi_ltv_history_add(history, &row, NULL), MI_OK);
    }
    return history;
}

/* 90 days and more count, 89 do not, whatever the order and whether the date is given or the newest. */
static void test_who_is_old_enough(void **state) {
    (void)state;
    static const struct user rows[] = {{"a", "x", 1, 5, NAN, 1000}, {"a", "x", 1, 7, NAN, 910},
                                       {"a", "x", 1, 9, NAN, 911},  {"b", "y", 1, 1, NAN, 0},
                                       {"a", "x", 1, 11, NAN, 909}, {"b", "y", 0, NAN, NAN, 5}};
    for (int given = 0; given < 2; given++) {
        struct mi_ltv_history *history = history_of(rows, 6, given ? 1000 : MI_DATE_MISSING, false);
        struct mi_ltv_history_summary summary;
        assert_int_equal(mi_ltv_history_finish(history, &summary, NULL), MI_OK);
        assert_int_equal(summary.rows, 6);
        assert_true(summary.users == 3 && summary.young_users == 2);
        assert_int_equal(summary.segments, 2);
        assert_int_equal(summary.as_of, 1000);
        assert_int_equal(summary.first_install, 0);
        assert_int_equal(summary.last_install, 910);
        struct ltv_moments users = ltv_history_users(history, 0, LTV_FOLDS);
        assert_true(users.users == 2 && ltv_moments_mean(&users) == 9);
        mi_ltv_history_free(history);
    }
}

/* Many days in ascending order: those waiting are swept, none is lost. */
static void test_long_history(void **state) {
    (void)state;
    struct mi_ltv_history_options options = {
        .columns = two_columns, .column_count = 2, .as_of = MI_DATE_MISSING, .min_age = 90};
    struct mi_ltv_history *history;
    assert_int_equal(mi_ltv_history_new(&options, &history, NULL), MI_OK);
    double sum = 0;
    for (int i = 0; i < 100000; i++) {
        char geo[8];
        snprintf(geo, sizeof geo, "g%d", i % 50);
        struct mi_text values[] = {mi_text_of("a"), mi_text_of(geo)};
        struct mi_ltv_row row = {values, 1, i % 7, NAN, i / 100};
        assert_int_equal(mi_ltv_history_add(history, &row, NULL), MI_OK);
        sum += i / 100 <= 999 - 90 ? i % 7 : 0;
    }
    struct mi_ltv_history_summary summary;
    assert_int_equal(mi_ltv_history_finish(history, &summary, NULL), MI_OK);
    assert_true(summary.users == 91000 && summary.young_users == 9000);
    double total = 0;
    for (size_t segment = 0; segment < 50; segment++) {
        struct ltv_moments users = ltv_history_users(history, segment, LTV_FOLDS);
        total += users.sum + users.carry;
    }
    assert_true(total == sum);
    mi_ltv_history_free(history);
}

/* ---- by source ---- */

static struct mi_ltv_source source_of(struct mi_ltv_model *model, struct mi_ltv_history *history, bool plain,
                                      const char *network, const char *geo) {
    struct mi_text values[] = {mi_text_of(network), mi_text_of(geo)};
    struct mi_ltv_rule rule = {.high = 100, .medium = 20, .plain = plain, .level = 0.8};
    struct mi_ltv_source source;
    assert_int_equal(mi_ltv_by_source(model, history, &rule, values, &source, NULL), MI_OK);
    return source;
}

/* The worked example, and the labels on both sides of their thresholds. */
static void test_rule_and_labels(void **state) {
    (void)state;
    static const struct user rows[] = {{"facebook", "US", 1247, 42.5, 60, MI_DATE_MISSING},
                                       {"facebook", "DE", 100, 30, 50, MI_DATE_MISSING},
                                       {"google", "US", 101, 20, 30, MI_DATE_MISSING},
                                       {"google", "DE", 20, 70, 80, MI_DATE_MISSING},
                                       {"google", "FR", 21, 10, 30, MI_DATE_MISSING}};
    struct mi_ltv_history *history = history_of(rows, 5, MI_DATE_MISSING, false);
    struct mi_ltv_model *model;
    assert_int_equal(mi_ltv_history_finish(history, NULL, NULL), MI_OK);
    assert_int_equal(mi_ltv_fit(history, NULL, &model, NULL), MI_OK);
    struct mi_ltv_source source = source_of(model, history, true, "facebook", "US");
    assert_true(source.estimate.ltv == 42.5 && source.users == 1247);
    assert_int_equal(source.confidence, MI_LTV_HIGH);
    assert_near(source.estimate.se, 60 / sqrt(1247), 1e-13);
    assert_true(source.estimate.low < 42.5 && source.estimate.high > 42.5);
    assert_true(source_of(model, history, true, "google", "US").estimate.ltv == 20);
    static const struct {
        const char *network, *geo;
        enum mi_ltv_confidence confidence;
    } others[] = {{"facebook", "DE", MI_LTV_MEDIUM},
                  {"google", "FR", MI_LTV_MEDIUM},
                  {"google", "DE", MI_LTV_LOW},
                  {"tiktok", "US", MI_LTV_LOW}};
    for (size_t i = 0; i < 4; i++) {
        struct mi_ltv_source rule = source_of(model, history, true, others[i].network, others[i].geo);
        struct mi_ltv_source pooled = source_of(model, history, false, others[i].network, others[i].geo);
        assert_int_equal(rule.confidence, others[i].confidence);
        assert_true(rule.estimate.ltv == pooled.estimate.ltv);
    }
    source = source_of(model, history, false, "facebook", "US");
    assert_true(source.estimate.ltv < 42.5 && source.estimate.ltv > 35);
    source = source_of(model, history, false, "tiktok", "US");
    assert_int_equal(source.estimate.depth, 0);
    assert_true(source.users == 0 && source.estimate.ltv == model->tree.nodes[0].mean);
    mi_ltv_model_free(model);
    mi_ltv_history_free(history);
}

/* The estimate moves from the portfolio's mean to the observed one, one way, as users come. */
static void test_moves_smoothly(void **state) {
    (void)state;
    double last = 0;
    for (double users = 1; users < 1e7; users *= 2) {
        const struct user rows[] = {{"a", "x", 500, 10, 20, MI_DATE_MISSING},
                                    {"a", "y", 400, 12, 25, MI_DATE_MISSING},
                                    {"b", "x", 300, 11, 20, MI_DATE_MISSING},
                                    {"b", "y", users, 30, 60, MI_DATE_MISSING}};
        struct mi_ltv_history *history = history_of(rows, 4, MI_DATE_MISSING, false);
        struct mi_ltv_model *model;
        assert_int_equal(mi_ltv_history_finish(history, NULL, NULL), MI_OK);
        assert_int_equal(mi_ltv_fit(history, NULL, &model, NULL), MI_OK);
        double ltv = source_of(model, history, false, "b", "y").estimate.ltv;
        assert_true(ltv > last && ltv < 30.0);
        assert_true(users > 1 || ltv < 13);
        last = ltv;
        mi_ltv_model_free(model);
        mi_ltv_history_free(history);
    }
    assert_near(last, 30, 1e-3);
}

/* scipy.stats.norm: mean 30, standard error 6, 30 * exp(-+ z * sqrt(log1p(.04))). */
static void test_interval(void **state) {
    (void)state;
    struct ltv_node root = {.mean = 30, .variance = 36, .scale = 30};
    struct ltv_tree tree = {.levels = 0, .nodes = &root, .count = 1};
    struct ltv_spread spread = {.within = 4};
    struct mi_ltv_estimate estimate;
    ltv_node_estimate(&tree, &spread, 0, 0.8, &estimate);
    assert_near(estimate.low, 23.275378605568513, 1e-12);
    assert_near(estimate.high, 38.66746982945659, 1e-12);
    ltv_node_estimate(&tree, &spread, 0, 0.95, &estimate);
    assert_near(estimate.low, 20.34920411691267, 1e-12);
    assert_near(estimate.high, 44.22777396252025, 1e-12);
}

/* Nothing to estimate a spread from: own means, no standard errors, never a wrong one. */
static void test_spread_not_seen(void **state) {
    (void)state;
    static const struct user rows[2][3] = {
        {{"a", "x", 50, 10, NAN, MI_DATE_MISSING}, {"b", "y", 70, 20, NAN, MI_DATE_MISSING}},
        {{"a", "x", 1, 0, NAN, MI_DATE_MISSING}, {"a", "x", 1, 0, NAN, MI_DATE_MISSING}}};
    for (int i = 0; i < 2; i++) {
        struct mi_ltv_history *history = history_of(rows[i], 2, MI_DATE_MISSING, false);
        struct mi_ltv_model *model;
        assert_int_equal(mi_ltv_history_finish(history, NULL, NULL), MI_OK);
        assert_int_equal(mi_ltv_fit(history, NULL, &model, NULL), MI_OK);
        struct mi_ltv_source source = source_of(model, history, false, "a", "x");
        assert_true(fabs(source.estimate.ltv - (i == 0 ? 10 : 0)) < 1e-4);
        assert_true(isnan(source.estimate.se) && isnan(source.estimate.low) && isnan(source.estimate.high));
        mi_ltv_model_free(model);
        mi_ltv_history_free(history);
    }
}

static void test_nobody_old_enough(void **state) {
    (void)state;
    static const struct user rows[] = {{"a", "x", 1, 5, NAN, 1000}};
    struct mi_ltv_history *history = history_of(rows, 1, 1000, false);
    struct mi_ltv_model *model = NULL;
    struct mi_error error = {0};
    assert_int_equal(mi_ltv_history_finish(history, NULL, NULL), MI_OK);
    assert_int_equal(mi_ltv_fit(history, NULL, &model, &error), MI_BAD_INPUT);
    assert_null(model);
    mi_ltv_history_free(history);
}

/* ---- model files ---- */

static struct mi_ltv_model *fitted(void) {
    struct user rows[6];
    for (size_t i = 0; i < 6; i++) {
        rows[i] = (struct user){segments[i].network, segments[i].geo, segments[i].users,
                                segments[i].mean,    segments[i].sd,  MI_DATE_MISSING};
    }
    struct mi_ltv_history *history = history_of(rows, 6, MI_DATE_MISSING, true);
    struct mi_ltv_model *model;
    assert_int_equal(mi_ltv_history_finish(history, NULL, NULL), MI_OK);
    assert_int_equal(mi_ltv_fit(history, NULL, &model, NULL), MI_OK);
    mi_ltv_history_free(history);
    return model;
}

static char *temporary_path(void) {
    static char path[64];
    snprintf(path, sizeof path, "/tmp/mi-test-ltv-XXXXXX");
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    return path;
}

static void test_model_file_keeps_predictions(void **state) {
    (void)state;
    struct mi_ltv_model *model = fitted(), *again;
    const char *path = temporary_path();
    assert_int_equal(mi_ltv_model_write(model, path, NULL), MI_OK);
    assert_int_equal(mi_ltv_model_read(path, &again, NULL), MI_OK);
    assert_int_equal(mi_ltv_model_column_count(again), 2);
    assert_string_equal(mi_ltv_model_column(again, 1), "geo");
    for (size_t i = 0; i < 6; i++) {
        struct mi_text values[] = {mi_text_of(segments[i].network), mi_text_of(segments[i].geo)};
        struct mi_ltv_estimate before, after;
        assert_int_equal(mi_ltv_predict(model, values, 0.8, &before, NULL), MI_OK);
        assert_int_equal(mi_ltv_predict(again, values, 0.8, &after, NULL), MI_OK);
        assert_near(after.ltv, before.ltv, 1e-13);
        assert_near(after.se, before.se, 1e-13);
        assert_near(after.high, before.high, 1e-13);
    }
    unlink(path);
    mi_ltv_model_free(model);
    mi_ltv_model_free(again);
}

/* Every cut and every changed digit is noticed. The last digit of a number is left out: beyond the sixteenth
 * it may not change the value, and then it is the same model. */
static void test_model_file_damaged(void **state) {
    (void)state;
    struct mi_ltv_model *model = fitted(), *again = NULL;
    const char *path = temporary_path();
    char *content;
    size_t size;
    assert_int_equal(mi_ltv_model_write(model, path, NULL), MI_OK);
    assert_int_equal(mi_file_read(path, 1 << 20, &content, &size, NULL), MI_OK);
    for (size_t i = 0; i + 2 < size; i += 7) {
        assert_int_equal(mi_file_write(path, (struct mi_text){content, i}, NULL), MI_OK);
        assert_int_equal(mi_ltv_model_read(path, &again, NULL), MI_BAD_INPUT);
    }
    for (size_t i = 0; i < size; i++) {
        if (content[i] >= '1' && content[i] <= '8' && content[i + 1] >= '0' && content[i + 1] <= '9') {
            content[i]++;
            assert_int_equal(mi_file_write(path, (struct mi_text){content, size}, NULL), MI_OK);
            assert_int_equal(mi_ltv_model_read(path, &again, NULL), MI_BAD_INPUT);
            content[i]--;
        }
    }
    free(content);
    unlink(path);
    mi_ltv_model_free(model);
}

/* Updating with the very history that the model was fitted to changes nothing; with independent users it
 * does. */
static void test_update(void **state) {
    (void)state;
    struct user rows[6];
    for (size_t i = 0; i < 6; i++) {
        rows[i] = (struct user){segments[i].network, segments[i].geo, segments[i].users,
                                segments[i].mean,    segments[i].sd,  MI_DATE_MISSING};
    }
    struct mi_ltv_history *history = history_of(rows, 6, MI_DATE_MISSING, false);
    assert_int_equal(mi_ltv_history_finish(history, NULL, NULL), MI_OK);
    struct mi_text values[] = {mi_text_of("c"), mi_text_of("x")};
    double se[3];
    for (int i = 0; i < 3; i++) {
        struct mi_ltv_model *model = fitted();
        if (i > 0) {
            assert_int_equal(mi_ltv_model_update(model, history, i == 2, NULL), MI_OK);
        }
        struct mi_ltv_estimate estimate;
        assert_int_equal(mi_ltv_predict(model, values, 0.8, &estimate, NULL), MI_OK);
        se[i] = estimate.se;
        mi_ltv_model_free(model);
    }
    assert_near(se[1], se[0], 1e-13);
    assert_true(se[2] < 0.9 * se[0]);
    mi_ltv_history_free(history);
}

/* Held out by rows: rows of one segment that agree are predicted better than by the portfolio. */
static void test_holdout(void **state) {
    (void)state;
    struct user rows[200];
    for (size_t i = 0; i < 200; i++) {
        rows[i] = (struct user){
            i % 2 ? "a" : "b", i % 4 < 2 ? "x" : "y", 10, i % 2 ? 10 + (double)(i % 3) : 40, NAN,
            MI_DATE_MISSING};
    }
    struct mi_ltv_history *history = history_of(rows, 200, MI_DATE_MISSING, true);
    struct mi_ltv_model *model;
    assert_int_equal(mi_ltv_history_finish(history, NULL, NULL), MI_OK);
    assert_int_equal(mi_ltv_fit(history, NULL, &model, NULL), MI_OK);
    struct mi_ltv_holdout holdout = mi_ltv_model_holdout(model);
    assert_true(holdout.users == 2000);
    assert_true(holdout.rmse < 1 && holdout.rmse_portfolio > 14);
    assert_true(holdout.wape < 5);
    mi_ltv_model_free(model);
    mi_ltv_history_free(history);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments_of_single_users),
        cmocka_unit_test(test_moments_of_groups),
        cmocka_unit_test(test_mean_is_exact),
        cmocka_unit_test(test_inference_against_dense),
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_fit_against_dense),
        cmocka_unit_test(test_who_is_old_enough),
        cmocka_unit_test(test_long_history),
        cmocka_unit_test(test_rule_and_labels),
        cmocka_unit_test(test_moves_smoothly),
        cmocka_unit_test(test_interval),
        cmocka_unit_test(test_spread_not_seen),
        cmocka_unit_test(test_nobody_old_enough),
        cmocka_unit_test(test_model_file_keeps_predictions),
        cmocka_unit_test(test_model_file_damaged),
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_holdout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
