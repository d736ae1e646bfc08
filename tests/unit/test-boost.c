/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Boosted trees: they learn what is there, stop where validation says, give the same bytes whatever the
 * threads, survive being written and read, and every fault comes back as one line.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_randist.h>

#include "num/boost.h"

#include <xgboost/c_api.h>

enum { ROWS = 2000, COLUMNS = 4, CELLS = ROWS * COLUMNS };

static float train_x[CELLS], train_y[ROWS], valid_x[CELLS], valid_y[ROWS];
static const char *const names[] = {"sessions", "level", "noise", "days, \"odd\""};

static void draw(gsl_rng *random, float *x, float *y) {
    for (size_t i = 0; i < ROWS; i++) {
        float *row = x + i * COLUMNS;
        for (size_t j = 0; j < COLUMNS; j++) {
            row[j] = (float)gsl_ran_ugaussian(random);
        }
        if (i % 7 == 0) {
            row[1] = NAN;
        }
        double level = isnan(row[1]) ? -2 : row[1];
        y[i] = (float)(3 * (row[0] > 0) + level + 0.1 * gsl_ran_ugaussian(random));
    }
}

static int setup(void **state) {
    (void)state;
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(random, 7);
    draw(random, train_x, train_y);
    draw(random, valid_x, valid_y);
    gsl_rng_free(random);
    return mi_init(MI_VERSION, NULL) == MI_OK ? 0 : -1;
}

static const struct mi_boost_data train = {train_x, ROWS, COLUMNS, train_y, NULL, names, NULL};
static const struct mi_boost_data valid = {valid_x, ROWS, COLUMNS, valid_y, NULL, names, NULL};

static struct mi_boost_options how(void) {
    struct mi_boost_options options = mi_boost_options_default();
    options.rounds = 60;
    options.learning_rate = 0.2;
    return options;
}

static struct mi_boost *fit(const struct mi_boost_data *validation, const struct mi_boost_options *options) {
    struct mi_boost *boost = NULL;
    struct mi_error error = {0};
    enum mi_status status = mi_boost_train(&train, validation, options, &boost, &error);
    if (status != MI_OK) {
        fail_msg("%s", error.text);
    }
    return boost;
}

static double error_on(struct mi_boost *boost, const struct mi_boost_data *data) {
    static float out[ROWS];
    double sum = 0;
    assert_int_equal(mi_boost_predict(boost, data->values, ROWS, out, NULL), MI_OK);
    for (size_t i = 0; i < ROWS; i++) {
        double difference = out[i] - data->labels[i];
        sum += difference * difference;
    }
    return sqrt(sum / ROWS);
}

/* Noise is 0.1 and the spread of y is 2: both ways of growing come near the noise on rows not seen. */
static void test_learns(void **state) {
    (void)state;
    for (int leafwise = 0; leafwise < 2; leafwise++) {
        struct mi_boost_options options = how();
        options.leafwise = leafwise;
        options.max_depth = leafwise ? 0 : 5;
        struct mi_boost *boost = fit(NULL, &options);
        assert_int_equal(mi_boost_rounds(boost), 60);
        assert_int_equal(mi_boost_columns(boost), COLUMNS);
        assert_true(error_on(boost, &valid) < 0.22);
        mi_boost_free(boost);
    }
}

/* A learning rate of 0.2 and thousands of rounds overfit: it stops, and what is kept is the best. */
static void test_stops_early(void **state) {
    (void)state;
    struct mi_boost_options options = how();
    options.rounds = 2000;
    options.patience = 10;
    struct mi_boost *boost = fit(&valid, &options);
    unsigned best = mi_boost_rounds(boost);
    assert_in_range(best, 10, 500);
    double at_best = error_on(boost, &valid);
    mi_boost_free(boost);
    options.rounds = best + 10;
    boost = fit(NULL, &options);
    assert_true(at_best < error_on(boost, &valid));
    mi_boost_free(boost);
    options.rounds = best;
    boost = fit(NULL, &options);
    assert_true(at_best == error_on(boost, &valid));
    mi_boost_free(boost);
}

static void written(struct mi_boost *boost, struct mi_buffer *out) {
    *out = (struct mi_buffer){0};
    assert_int_equal(mi_boost_write(boost, out, NULL), MI_OK);
    mi_buffer_byte(out, '\0');
}

static void test_same_bytes_whatever_the_threads(void **state) {
    (void)state;
    struct mi_buffer text[2];
    for (unsigned i = 0; i < 2; i++) {
        struct mi_boost_options options = how();
        options.leafwise = true;
        options.max_depth = 0;
        options.subsample = options.colsample = 0.7;
        options.threads = i == 0 ? 1 : 3;
        struct mi_boost *boost = fit(&valid, &options);
        written(boost, &text[i]);
        mi_boost_free(boost);
    }
    assert_string_equal(text[0].data, text[1].data);
    mi_buffer_free(&text[0]);
    mi_buffer_free(&text[1]);
}

/* Squared error by hand is squared error by name. */
static void squared(void *context, const struct mi_boost_data *data, const float *margin, float *first,
                    float *second) {
    (void)context;
    for (size_t i = 0; i < data->rows; i++) {
        first[i] = margin[i] - data->labels[i];
        second[i] = 1;
    }
}

static double squared_loss(void *context, const struct mi_boost_data *data, const float *predictions) {
    double sum = 0;
    ++*(int *)context;
    for (size_t i = 0; i < data->rows; i++) {
        sum += pow((double)predictions[i] - data->labels[i], 2);
    }
    return sum / (double)data->rows;
}

static void test_own_gradient(void **state) {
    (void)state;
    struct mi_boost_options options = how();
    options.patience = 60;
    struct mi_boost *by_name = fit(&valid, &options);
    int calls = 0;
    options.gradient = squared;
    options.loss = squared_loss;
    options.context = &calls;
    struct mi_boost *by_hand = fit(&valid, &options);
    assert_int_equal(calls, 60);
    assert_int_equal(mi_boost_rounds(by_hand), mi_boost_rounds(by_name));
    assert_true(fabs(error_on(by_hand, &valid) - error_on(by_name, &valid)) < 1e-6);
    mi_boost_free(by_name);
    mi_boost_free(by_hand);
}

static enum mi_status read_text(struct mi_text text, const char *const *columns, size_t count,
                                struct mi_boost **boost, struct mi_error *error) {
    json_t *json = json_loadb(text.data, text.size, 0, NULL);
    enum mi_status status = mi_boost_read(json, columns, count, boost, error);
    json_decref(json);
    return status;
}

static void test_written_and_read(void **state) {
    (void)state;
    struct mi_boost_options options = how();
    options.patience = 3;
    struct mi_boost *boost = fit(&valid, &options), *read = NULL;
    struct mi_buffer text, again;
    written(boost, &text);
    struct mi_text json = {text.data, text.size - 1};
    assert_int_equal(read_text(json, names, COLUMNS, &read, NULL), MI_OK);
    written(read, &again);
    assert_string_equal(text.data, again.data);
    static float one[ROWS], two[ROWS];
    assert_int_equal(mi_boost_predict(boost, valid_x, ROWS, one, NULL), MI_OK);
    assert_int_equal(mi_boost_predict(read, valid_x, ROWS, two, NULL), MI_OK);
    assert_memory_equal(one, two, sizeof one);
    mi_boost_free(read);
    mi_boost_free(boost);
    mi_buffer_free(&text);
    mi_buffer_free(&again);
}

/* What XGBoost itself says by a model of these bytes; margin: before the link. */
static void by_xgboost(const struct mi_buffer *json, const float *values, bool margin, float *out) {
    BoosterHandle handle;
    DMatrixHandle matrix;
    const bst_ulong *shape;
    bst_ulong dimensions;
    const float *result;
    char config[128];
    snprintf(config, sizeof config,
             "{\"type\": %d, \"training\": false, \"iteration_begin\": 0, \"iteration_end\": 0, "
             "\"strict_shape\": false}",
             margin);
    assert_int_equal(XGBoosterCreate(NULL, 0, &handle), 0);
    assert_int_equal(XGBoosterLoadModelFromBuffer(handle, json->data, json->size - 1), 0);
    assert_int_equal(XGDMatrixCreateFromMat(values, ROWS, COLUMNS, NAN, &matrix), 0);
    assert_int_equal(XGBoosterPredictFromDMatrix(handle, matrix, config, &shape, &dimensions, &result), 0);
    memcpy(out, result, ROWS * sizeof *out);
    XGDMatrixFree(matrix);
    XGBoosterFree(handle);
}

/* The own evaluator gives XGBoost's bits: each objective, both ways to grow, deep trees and stumps, missing
 * values, and values that lie on the splits. */
static void test_bits_of_xgboost(void **state) {
    (void)state;
    static const char *const objectives[] = {"reg:squarederror", "reg:tweedie", "count:poisson",
                                             "binary:logistic"};
    static float label[ROWS], grid[CELLS], own[2][ROWS], their[2][ROWS];
    for (size_t i = 0; i < CELLS; i++) {
        grid[i] = roundf(4 * train_x[i]) / 4;
    }
    for (size_t i = 0; i < 16; i++) {
        struct mi_boost_options options = how();
        options.objective = objectives[i % 4];
        options.leafwise = i / 4 % 2 == 1;
        options.max_depth = options.leafwise ? 0 : i < 8 ? 1 : 9;
        options.max_leaves = i < 8 ? 2 : 60;
        options.base_score = i < 8 ? 0.5 : 0.3;
        options.subsample = options.colsample = 0.7;
        for (size_t j = 0; j < ROWS; j++) {
            label[j] = i % 4 == 0 ? train_y[j] : i % 4 == 3 ? train_y[j] > 0 : fmaxf(0, train_y[j]);
        }
        struct mi_boost_data data = {grid, ROWS, COLUMNS, label, NULL, names, NULL};
        struct mi_boost *boost = NULL, *read = NULL;
        struct mi_buffer json;
        assert_int_equal(mi_boost_train(&data, NULL, &options, &boost, NULL), MI_OK);
        written(boost, &json);
        assert_int_equal(read_text((struct mi_text){json.data, json.size - 1}, names, COLUMNS, &read, NULL),
                         MI_OK);
        for (int margin = 0; margin < 2; margin++) {
            const float *x = margin ? grid : valid_x;
            by_xgboost(&json, x, margin, their[margin]);
            for (size_t k = 0; k < 2; k++) {
                struct mi_boost *one = k == 0 ? boost : read;
                assert_int_equal(
                    (margin ? mi_boost_margin : mi_boost_predict)(one, x, ROWS, own[margin], NULL), MI_OK);
                assert_memory_equal(own[margin], their[margin], sizeof own[margin]);
            }
            /* what a row gets does not hang on where it stands in the block */
            assert_int_equal(mi_boost_margin(read, x + 13 * COLUMNS, 5, own[0], NULL), MI_OK);
            assert_int_equal(mi_boost_margin(boost, x, ROWS, own[1], NULL), MI_OK);
            assert_memory_equal(own[0], own[1] + 13, 5 * sizeof *own[0]);
        }
        mi_boost_free(boost);
        mi_boost_free(read);
        mi_buffer_free(&json);
    }
}

static void test_contributions_add_up(void **state) {
    (void)state;
    struct mi_boost_options options = how();
    struct mi_boost *boost = fit(NULL, &options);
    static float parts[10 * (COLUMNS + 1)], out[10];
    assert_int_equal(mi_boost_contributions(boost, valid_x, 10, parts, NULL), MI_OK);
    assert_int_equal(mi_boost_predict(boost, valid_x, 10, out, NULL), MI_OK);
    for (size_t i = 0; i < 10; i++) {
        double sum = 0;
        for (size_t j = 0; j <= COLUMNS; j++) {
            sum += parts[i * (COLUMNS + 1) + j];
        }
        assert_true(fabs(sum - out[i]) < 1e-4);
        assert_true(fabs(parts[i * (COLUMNS + 1)]) > fabs(parts[i * (COLUMNS + 1) + 2])); /* not noise */
    }
    mi_boost_free(boost);
}

static void assert_refused(enum mi_status status, const struct mi_error *error, enum mi_status expected,
                           const char *part) {
    assert_int_equal(status, expected);
    assert_null(strchr(error->text, '\n'));
    assert_null(strstr(error->text, "\\x0a"));
    if (strstr(error->text, part) == NULL) {
        fail_msg("\"%s\" has no \"%s\"", error->text, part);
    }
}

static void test_faults(void **state) {
    (void)state;
    struct mi_boost *boost = NULL;
    struct mi_error error = {0};
    struct mi_boost_options options = how();
    static float few[] = {1, 2, INFINITY, 4}, label[] = {1};
    struct mi_boost_data infinite = {few, 1, 4, label, NULL, NULL, NULL},
                         empty = {few, 0, 4, label, NULL, NULL, NULL};
    assert_refused(mi_boost_train(&infinite, NULL, &options, &boost, &error), &error, MI_BAD_ARGUMENT,
                   "infinite");
    assert_refused(mi_boost_train(&empty, NULL, &options, &boost, &error), &error, MI_BAD_ARGUMENT,
                   "no rows");
    options.objective = "reg:no-such";
    assert_refused(mi_boost_train(&train, NULL, &options, &boost, &error), &error, MI_BAD_ARGUMENT,
                   "no-such");
    options.objective = "reg:tweedie"; /* labels below 0 */
    assert_int_not_equal(mi_boost_train(&train, NULL, &options, &boost, &error), MI_OK);
    options = how();
    boost = fit(NULL, &options);
    struct mi_buffer text;
    written(boost, &text);
    mi_boost_free(boost);
    boost = NULL;
    static const char *const other[] = {"sessions", "noise", "level", "days, \"odd\""};
    struct mi_text json = {text.data, text.size - 1};
    assert_refused(read_text(json, other, COLUMNS, &boost, &error), &error, MI_BAD_INPUT, "other columns");
    assert_refused(read_text(json, NULL, 3, &boost, &error), &error, MI_BAD_INPUT, "4 columns, not 3");
    static const char *const altered[][2] = {{"\"left_children\":[1", "\"left_children\":[0"},
                                             {"\"left_children\":[1", "\"left_children\":[9999"},
                                             {"\"split_indices\":[", "\"split_indices\":[9"}};
    for (size_t i = 0; i < 3; i++) {
        const char *at = strstr(text.data, altered[i][0]);
        struct mi_buffer changed = {0};
        assert_non_null(at);
        mi_buffer_append(&changed, text.data, (size_t)(at - text.data));
        mi_buffer_string(&changed, altered[i][1]);
        mi_buffer_string(&changed, at + strlen(altered[i][0]));
        assert_refused(
            read_text((struct mi_text){changed.data, changed.size}, names, COLUMNS, &boost, &error), &error,
            MI_BAD_INPUT, "tree 1 is none");
        mi_buffer_free(&changed);
    }
    json.size /= 2;
    assert_refused(read_text(json, names, COLUMNS, &boost, &error), &error, MI_BAD_INPUT, "XGBoost");
    mi_buffer_free(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_stops_early),
        cmocka_unit_test(test_same_bytes_whatever_the_threads),
        cmocka_unit_test(test_own_gradient),
        cmocka_unit_test(test_written_and_read),
        cmocka_unit_test(test_bits_of_xgboost),
        cmocka_unit_test(test_contributions_add_up),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
