/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Gradient-boosted trees by the XGBoost C API. The library takes 15 ms to load: that is done when trees are
 * first needed, so that programs start without it.
 */
#include "num/boost.h"
#include "base/memory.h"
#include "num/trees.h"

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xgboost/c_api.h>

#define LIBRARY "libxgboost.so.0"

#define FUNCTIONS(X)                                                                                         \
    X(XGBGetLastError)                                                                                       \
    X(XGBRegisterLogCallback)                                                                                \
    X(XGBoosterBoostOneIter)                                                                                 \
    X(XGBoosterBoostedRounds)                                                                                \
    X(XGBoosterCreate)                                                                                       \
    X(XGBoosterEvalOneIter)                                                                                  \
    X(XGBoosterFree)                                                                                         \
    X(XGBoosterLoadModelFromBuffer)                                                                          \
    X(XGBoosterPredictFromDMatrix)                                                                           \
    X(XGBoosterSaveModelToBuffer)                                                                            \
    X(XGBoosterSetParam)                                                                                     \
    X(XGBoosterSetStrFeatureInfo)                                                                            \
    X(XGBoosterSlice)                                                                                        \
    X(XGBoosterUpdateOneIter)                                                                                \
    X(XGDMatrixCreateFromMat_omp)                                                                            \
    X(XGDMatrixFree)                                                                                         \
    X(XGDMatrixSetFloatInfo)

/* The functions of the library under their own names. */
static struct {
#define X(name) __typeof__(&name) name;
    FUNCTIONS(X)
#undef X
} xgboost;
static bool loaded;

/* Trained, or read; what the other stands for is made when it is needed. */
struct mi_boost {
    BoosterHandle handle;
    struct mi_trees *trees; /* what predicts */
    json_t *json;           /* where it was read from */
    size_t columns;
    unsigned rounds;
};

/* ---- start and errors ---- */

static void drop_line(const char *text) {
    (void)text;
}

/* Copies an address: ISO C has no conversion between pointers to objects and to functions. */
static bool find(void *library, const char *name, void *function, size_t size) {
    void *address = dlsym(library, name);
    memcpy(function, &address, size);
    return address != NULL;
}

static void load(void) {
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return;
    }
    loaded = true;
#define X(name) loaded = find(library, #name, &xgboost.name, sizeof xgboost.name) && loaded;
    FUNCTIONS(X)
#undef X
    if (loaded) {
        xgboost.XGBRegisterLogCallback(drop_line); /* the log would go to stdout */
    }
}

/* Before all else; of a booster that has a handle it was called. */
static enum mi_status start(struct mi_error *error) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return loaded ? MI_OK
                  : mi_error_set(error, MI_NUMERIC, "boosted trees need " LIBRARY ", which cannot be loaded");
}

/* XGBoost's message: the first line without the time and place before it; the rest is a stack trace. */
static enum mi_status fault(enum mi_status code, struct mi_error *error) {
    const char *text = xgboost.XGBGetLastError();
    const char *message = strstr(text, ": ");
    while (message != NULL && strchr(text, '\n') != NULL && message > strchr(text, '\n')) {
        message = NULL;
    }
    message = text[0] == '[' && message != NULL ? message + 2 : text;
    if (strstr(text, "bad_alloc") != NULL) {
        return mi_no_memory(error);
    }
    return mi_error_set(error, code, "XGBoost: %.*s", (int)strcspn(message, "\n"), message);
}

/* ---- data ---- */

static enum mi_status check_values(const float *values, size_t count, struct mi_error *error) {
    for (size_t i = 0; i < count; i++) {
        if (isinf(values[i])) {
            return mi_error_set(error, MI_BAD_ARGUMENT, "boosted trees: an infinite value");
        }
    }
    return MI_OK;
}

static enum mi_status check_data(const struct mi_boost_data *data, struct mi_error *error) {
    if (data->rows == 0 || data->columns == 0) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "boosted trees: no rows or no columns");
    }
    for (size_t i = 0; i < data->rows; i++) {
        if (!isfinite(data->labels[i])) {
            return mi_error_set(error, MI_BAD_ARGUMENT, "boosted trees: a label that is no number");
        }
    }
    return check_values(data->values, data->rows * data->columns, error);
}

static enum mi_status make_matrix(const struct mi_boost_data *data, unsigned threads, DMatrixHandle *matrix,
                                  struct mi_error *error) {
    enum mi_status status = check_data(data, error);
    if (status != MI_OK) {
        return status;
    }
    if (xgboost.XGDMatrixCreateFromMat_omp(data->values, data->rows, data->columns, NAN, matrix,
                                           (int)threads) != 0) {
        *matrix = NULL;
        return fault(MI_NUMERIC, error);
    }
    bool good = xgboost.XGDMatrixSetFloatInfo(*matrix, "label", data->labels, data->rows) == 0;
    if (good && data->weights != NULL) {
        good = xgboost.XGDMatrixSetFloatInfo(*matrix, "weight", data->weights, data->rows) == 0;
    }
    if (good && data->margins != NULL) {
        good = xgboost.XGDMatrixSetFloatInfo(*matrix, "base_margin", data->margins, data->rows) == 0;
    }
    return good ? MI_OK : fault(MI_NUMERIC, error);
}

/* ---- training ---- */

struct mi_boost_options mi_boost_options_default(void) {
    return (struct mi_boost_options){.objective = "reg:squarederror",
                                     .max_leaves = 31,
                                     .max_depth = 6,
                                     .rounds = 300,
                                     .patience = 30,
                                     .learning_rate = 0.05,
                                     .lambda = 1,
                                     .min_child_weight = 1,
                                     .subsample = 1,
                                     .colsample = 1,
                                     .threads = 1};
}

struct training {
    const struct mi_boost_data *data, *validation;
    const struct mi_boost_options *options;
    DMatrixHandle matrices[2]; /* training, validation or NULL */
    BoosterHandle handle;
    float *first, *second; /* derivatives of a loss of one's own */
    double best;
    unsigned best_round, round; /* rounds done at the best, and now */
};

static bool set(BoosterHandle handle, const char *name, const char *value) {
    return xgboost.XGBoosterSetParam(handle, name, value) == 0;
}

static bool set_number(BoosterHandle handle, const char *name, double value) {
    char text[MI_NUMBER_LENGTH];
    mi_number_format(value, text);
    return set(handle, name, text);
}

static enum mi_status set_parameters(const struct training *training, struct mi_error *error) {
    const struct mi_boost_options *how = training->options;
    BoosterHandle handle = training->handle;
    bool leafwise = how->leafwise;
    bool good = set(handle, "verbosity", "0") && set(handle, "validate_parameters", "1") &&
                set(handle, "tree_method", "hist") &&
                set(handle, "objective", how->gradient != NULL ? "reg:squarederror" : how->objective) &&
                set(handle, "grow_policy", leafwise ? "lossguide" : "depthwise") &&
                set_number(handle, "max_depth", how->max_depth) &&
                set_number(handle, "max_leaves", leafwise ? how->max_leaves : 0) &&
                set_number(handle, "eta", how->learning_rate) && set_number(handle, "lambda", how->lambda) &&
                set_number(handle, "min_child_weight", how->min_child_weight) &&
                set_number(handle, "subsample", how->subsample) &&
                set_number(handle, "colsample_bytree", how->colsample) &&
                set_number(handle, "base_score", how->base_score) &&
                set_number(handle, "seed", (double)(how->seed & 0x7fffffff)) &&
                set_number(handle, "nthread", how->threads > 0 ? how->threads : 1);
    for (size_t i = 0; i < how->more_count && good; i++) {
        good = set(handle, how->more[i].name, how->more[i].value);
    }
    return good ? MI_OK : fault(MI_BAD_ARGUMENT, error);
}

static enum mi_status set_names(const struct training *training, struct mi_error *error) {
    const struct mi_boost_data *data = training->data;
    if (data->names == NULL) {
        return MI_OK;
    }
    const char **names = malloc(data->columns * sizeof *names);
    if (names == NULL) {
        return mi_no_memory(error);
    }
    memcpy(names, data->names, data->columns * sizeof *names);
    int failed = xgboost.XGBoosterSetStrFeatureInfo(training->handle, "feature_name", names, data->columns);
    free(names);
    return failed ? fault(MI_BAD_ARGUMENT, error) : MI_OK;
}

/* Predictions for a matrix known to the booster (they are cached there); margin: before the link. */
static enum mi_status matrix_predictions(BoosterHandle handle, DMatrixHandle matrix, bool margin,
                                         bool training, const float **predictions, struct mi_error *error) {
    char config[160];
    snprintf(config, sizeof config,
             "{\"type\": %d, \"training\": %s, \"iteration_begin\": 0, \"iteration_end\": 0, "
             "\"strict_shape\": false}",
             margin ? 1 : 0, training ? "true" : "false");
    const bst_ulong *shape;
    bst_ulong dimensions;
    return xgboost.XGBoosterPredictFromDMatrix(handle, matrix, config, &shape, &dimensions, predictions) == 0
               ? MI_OK
               : fault(MI_NUMERIC, error);
}

static enum mi_status boost_once(struct training *training, struct mi_error *error) {
    const struct mi_boost_options *how = training->options;
    if (how->gradient == NULL) {
        int failed =
            xgboost.XGBoosterUpdateOneIter(training->handle, (int)training->round, training->matrices[0]);
        return failed ? fault(MI_BAD_ARGUMENT, error) : MI_OK;
    }
    const float *margin;
    enum mi_status status =
        matrix_predictions(training->handle, training->matrices[0], true, true, &margin, error);
    if (status != MI_OK) {
        return status;
    }
    how->gradient(how->context, training->data, margin, training->first, training->second);
    int failed = xgboost.XGBoosterBoostOneIter(training->handle, training->matrices[0], training->first,
                                               training->second, training->data->rows);
    return failed ? fault(MI_NUMERIC, error) : MI_OK;
}

/* The loss on the validation rows. */
static enum mi_status validate(const struct training *training, double *loss, struct mi_error *error) {
    const struct mi_boost_options *how = training->options;
    DMatrixHandle matrix = training->matrices[1];
    if (how->loss != NULL) {
        const float *predictions;
        bool margin = how->gradient != NULL;
        enum mi_status status =
            matrix_predictions(training->handle, matrix, margin, false, &predictions, error);
        if (status == MI_OK) {
            *loss = how->loss(how->context, training->validation, predictions);
        }
        return status;
    }
    const char *name = "v", *text;
    if (xgboost.XGBoosterEvalOneIter(training->handle, (int)training->round, &matrix, &name, 1, &text) != 0) {
        return fault(MI_NUMERIC, error);
    }
    const char *value = strrchr(text, ':'); /* "[12]\tv-rmse:0.123" */
    if (value == NULL || !mi_number_parse(mi_text_of(value + 1), loss)) {
        return mi_error_set(error, MI_NUMERIC, "XGBoost: no validation loss in \"%s\"", text);
    }
    return MI_OK;
}

static enum mi_status run_rounds(struct training *training, struct mi_error *error) {
    const struct mi_boost_options *how = training->options;
    enum mi_status status = MI_OK;
    training->best = HUGE_VAL;
    while (training->round < how->rounds && status == MI_OK) {
        status = boost_once(training, error);
        training->round++;
        if (status != MI_OK || training->validation == NULL) {
            continue;
        }
        double loss = HUGE_VAL;
        status = validate(training, &loss, error);
        if (loss < training->best) {
            training->best = loss;
            training->best_round = training->round;
        }
        if (training->round - training->best_round >= how->patience) {
            break;
        }
    }
    if (training->validation == NULL) {
        training->best_round = training->round;
    } else if (status == MI_OK && training->best_round == 0) {
        status = mi_error_set(error, MI_NUMERIC, "boosted trees: the validation loss is no number");
    }
    return status;
}

/* The rounds up to the best one as a booster of their own. */
static enum mi_status keep_best(struct training *training, struct mi_error *error) {
    if (training->best_round == training->round) {
        return MI_OK;
    }
    BoosterHandle best;
    if (xgboost.XGBoosterSlice(training->handle, 0, (int)training->best_round, 1, &best) != 0) {
        return fault(MI_NUMERIC, error);
    }
    xgboost.XGBoosterFree(training->handle);
    training->handle = best;
    return set_names(training, error);
}

static enum mi_status train(struct training *training, struct mi_error *error) {
    const struct mi_boost_options *how = training->options;
    unsigned threads = how->threads > 0 ? how->threads : 1;
    enum mi_status status = make_matrix(training->data, threads, &training->matrices[0], error);
    if (status == MI_OK && training->validation != NULL) {
        status = make_matrix(training->validation, threads, &training->matrices[1], error);
    }
    if (status != MI_OK) {
        return status;
    }
    if (how->gradient != NULL) {
        training->first = malloc(training->data->rows * sizeof *training->first);
        training->second = malloc(training->data->rows * sizeof *training->second);
        if (training->first == NULL || training->second == NULL) {
            return mi_no_memory(error);
        }
    }
    size_t count = training->validation != NULL ? 2 : 1;
    if (xgboost.XGBoosterCreate(training->matrices, count, &training->handle) != 0) {
        training->handle = NULL;
        return fault(MI_NUMERIC, error);
    }
    status = set_parameters(training, error);
    if (status == MI_OK) {
        status = set_names(training, error);
    }
    if (status == MI_OK) {
        status = run_rounds(training, error);
    }
    return status == MI_OK ? keep_best(training, error) : status;
}

static void free_matrices(struct training *training) {
    for (size_t i = 0; i < 2; i++) {
        if (training->matrices[i] != NULL) {
            xgboost.XGDMatrixFree(training->matrices[i]);
        }
    }
    free(training->first);
    free(training->second);
}

static enum mi_status wrap(BoosterHandle handle, size_t columns, struct mi_boost **boost,
                           struct mi_error *error) {
    int rounds;
    if (xgboost.XGBoosterBoostedRounds(handle, &rounds) != 0) {
        return fault(MI_NUMERIC, error);
    }
    *boost = malloc(sizeof **boost);
    if (*boost == NULL) {
        return mi_no_memory(error);
    }
    **boost = (struct mi_boost){.handle = handle, .columns = columns, .rounds = (unsigned)rounds};
    return MI_OK;
}

enum mi_status mi_boost_train(const struct mi_boost_data *data, const struct mi_boost_data *validation,
                              const struct mi_boost_options *options, struct mi_boost **boost,
                              struct mi_error *error) {
    struct training training = {.data = data, .validation = validation, .options = options};
    enum mi_status status = start(error);
    if (status == MI_OK) {
        status = train(&training, error);
    }
    free_matrices(&training);
    if (status == MI_OK) {
        status = wrap(training.handle, data->columns, boost, error);
    }
    if (status != MI_OK && training.handle != NULL) {
        xgboost.XGBoosterFree(training.handle);
    }
    return status;
}

void mi_boost_free(struct mi_boost *boost) {
    if (boost != NULL) {
        if (boost->handle != NULL) {
            xgboost.XGBoosterFree(boost->handle);
        }
        mi_trees_free(boost->trees);
        json_decref(boost->json);
        free(boost);
    }
}

unsigned mi_boost_rounds(const struct mi_boost *boost) {
    return boost->rounds;
}

size_t mi_boost_columns(const struct mi_boost *boost) {
    return boost->columns;
}

/* ---- prediction ---- */

static enum mi_status need_trees(struct mi_boost *boost, struct mi_error *error) {
    if (boost->trees != NULL) {
        return MI_OK;
    }
    struct mi_buffer text = {0};
    enum mi_status status = mi_boost_write(boost, &text, error);
    if (status == MI_OK) {
        json_t *json = json_loadb(text.data, text.size, JSON_ALLOW_NUL, NULL);
        status = mi_trees_read(json, &boost->trees, error);
        json_decref(json);
    }
    mi_buffer_free(&text);
    return status;
}

static enum mi_status need_handle(struct mi_boost *boost, struct mi_error *error) {
    if (boost->handle != NULL) {
        return MI_OK;
    }
    enum mi_status status = start(error);
    if (status != MI_OK) {
        return status;
    }
    char *text = json_dumps(boost->json, JSON_COMPACT | JSON_REAL_PRECISION(9)); /* all numbers are floats */
    if (text == NULL) {
        return mi_no_memory(error);
    }
    BoosterHandle handle;
    if (xgboost.XGBoosterCreate(NULL, 0, &handle) != 0) {
        status = fault(MI_NUMERIC, error);
    } else if (!set(handle, "verbosity", "0") || !set(handle, "nthread", "1") ||
               xgboost.XGBoosterLoadModelFromBuffer(handle, text, strlen(text)) != 0 ||
               !set(handle, "nthread", "1")) {
        status = fault(MI_BAD_INPUT, error);
        xgboost.XGBoosterFree(handle);
    } else {
        boost->handle = handle;
    }
    free(text);
    return status;
}

enum mi_status mi_boost_margin(struct mi_boost *boost, const float *values, size_t rows, float *out,
                               struct mi_error *error) {
    enum mi_status status = check_values(values, rows * boost->columns, error);
    if (status == MI_OK) {
        status = need_trees(boost, error);
    }
    if (status == MI_OK) {
        mi_trees_margin(boost->trees, values, rows, out);
    }
    return status;
}

enum mi_status mi_boost_predict(struct mi_boost *boost, const float *values, size_t rows, float *out,
                                struct mi_error *error) {
    enum mi_status status = mi_boost_margin(boost, values, rows, out, error);
    if (status == MI_OK) {
        mi_trees_link(boost->trees, out, rows);
    }
    return status;
}

enum mi_status mi_boost_contributions(struct mi_boost *boost, const float *values, size_t rows, float *out,
                                      struct mi_error *error) {
    static const char config[] = "{\"type\": 2, \"training\": false, \"iteration_begin\": 0, "
                                 "\"iteration_end\": 0, \"strict_shape\": false}";
    DMatrixHandle matrix;
    const bst_ulong *shape;
    bst_ulong dimensions;
    const float *result;
    if (rows == 0) {
        return MI_OK;
    }
    enum mi_status status = check_values(values, rows * boost->columns, error);
    if (status == MI_OK) {
        status = need_handle(boost, error);
    }
    if (status != MI_OK) {
        return status;
    }
    if (xgboost.XGDMatrixCreateFromMat_omp(values, rows, boost->columns, NAN, &matrix, 1) != 0) {
        return fault(MI_NUMERIC, error);
    }
    if (xgboost.XGBoosterPredictFromDMatrix(boost->handle, matrix, config, &shape, &dimensions, &result) !=
        0) {
        status = fault(MI_NUMERIC, error);
    } else if (dimensions != 2 || shape[0] != rows || shape[1] != boost->columns + 1) {
        status = mi_error_set(error, MI_NUMERIC, "XGBoost: contributions of another shape");
    } else {
        memcpy(out, result, rows * (boost->columns + 1) * sizeof *out);
    }
    xgboost.XGDMatrixFree(matrix);
    return status;
}

/* ---- models ---- */

enum mi_status mi_boost_write(struct mi_boost *boost, struct mi_buffer *out, struct mi_error *error) {
    bst_ulong size;
    const char *text;
    enum mi_status status = need_handle(boost, error);
    if (status != MI_OK) {
        return status;
    }
    if (xgboost.XGBoosterSaveModelToBuffer(boost->handle, "{\"format\": \"json\"}", &size, &text) != 0) {
        return fault(MI_NUMERIC, error);
    }
    while (size > 0 && (text[size - 1] == '\0' || text[size - 1] == '\n')) {
        size--;
    }
    mi_buffer_append(out, text, size);
    return out->failed ? mi_no_memory(error) : MI_OK;
}

static enum mi_status check_names(const json_t *json, const struct mi_trees *trees, const char *const *names,
                                  size_t columns, struct mi_error *error) {
    const json_t *stored = json_object_get(json_object_get(json, "learner"), "feature_names");
    if (mi_trees_columns(trees) != columns) {
        return mi_error_set(error, MI_BAD_INPUT, "the trees take %zu columns, not %zu",
                            mi_trees_columns(trees), columns);
    }
    for (size_t i = 0; names != NULL && i < columns; i++) {
        const char *name = json_string_value(json_array_get(stored, i));
        if (json_array_size(stored) != columns || name == NULL || strcmp(name, names[i]) != 0) {
            return mi_error_set(error, MI_BAD_INPUT, "the trees were trained on other columns (\"%.100s\")",
                                names[i]);
        }
    }
    return MI_OK;
}

enum mi_status mi_boost_read(json_t *json, const char *const *names, size_t columns, struct mi_boost **boost,
                             struct mi_error *error) {
    struct mi_trees *trees;
    enum mi_status status = mi_trees_read(json, &trees, error);
    if (status != MI_OK) {
        return status;
    }
    status = check_names(json, trees, names, columns, error);
    *boost = status == MI_OK ? malloc(sizeof **boost) : NULL;
    if (*boost == NULL) {
        mi_trees_free(trees);
        return status == MI_OK ? mi_no_memory(error) : status;
    }
    **boost = (struct mi_boost){.trees = trees,
                                .json = json_incref(json),
                                .columns = columns,
                                .rounds = (unsigned)mi_trees_count(trees)};
    return MI_OK;
}
