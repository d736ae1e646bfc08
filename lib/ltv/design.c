/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Codes of features as numbers to learn from.
 */
#include "ltv/design.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "num/number.h"
#include "record/modelfile.h"

#define SHRINKAGE 20.0 /* users of the whole that a level's mean is taken together with */
#define SKEWED    1.5  /* skewness beyond which a logarithm is taken */
#define FLOOR     0.05 /* share of the users below which a logarithm goes no further down */
#define FARTHEST  6.0f /* standard deviations to which what comes later is cut */
enum { FOLDS = 5 };

void ltv_design_clear(struct ltv_design *design) {
    for (size_t i = 0; design->levels != NULL && i < design->features->count; i++) {
        free(design->levels[i]);
    }
    free(design->levels);
    free(design->scales);
    *design = (struct ltv_design){0};
}

static enum mi_status init(const struct ltv_features *features, struct ltv_design *design,
                           struct mi_error *error) {
    *design = (struct ltv_design){.features = features, .width = features->count};
    design->levels = calloc(features->count, sizeof *design->levels);
    design->scales = calloc(features->count, sizeof *design->scales);
    if (design->levels == NULL || design->scales == NULL) {
        return mi_no_memory(error);
    }
    for (size_t i = 0; i < features->count; i++) {
        if (features->items[i].kind == LTV_FEATURE_CATEGORY) {
            design->levels[i] = calloc(mi_index_size(features->items[i].levels), sizeof **design->levels);
            if (design->levels[i] == NULL) {
                return mi_no_memory(error);
            }
        }
    }
    return MI_OK;
}

/* ---- categories ---- */

/* Sums over the users of each level. */
struct level_sums {
    double *sum, *count; /* levels x FOLDS */
};

static double outcome(const struct ltv_rows *rows, size_t i) {
    return log1p(fmax(0, rows->target[rows->rows[i]]));
}

static bool sum_levels(const struct ltv_rows *rows, size_t features, size_t feature, size_t levels,
                       struct level_sums *sums) {
    sums->sum = calloc(levels * FOLDS, sizeof *sums->sum);
    sums->count = calloc(levels * FOLDS, sizeof *sums->count);
    if (sums->sum == NULL || sums->count == NULL) {
        return false;
    }
    for (size_t i = 0; i < rows->count; i++) {
        size_t level = (size_t)rows->codes[rows->rows[i] * features + feature];
        sums->sum[level * FOLDS + i % FOLDS] += outcome(rows, i);
        sums->count[level * FOLDS + i % FOLDS]++;
    }
    return true;
}

/* The shrunk mean of a level without a fold (FOLDS: with all). */
static double level_mean(const struct level_sums *sums, size_t level, size_t without, double whole) {
    double sum = SHRINKAGE * whole, count = SHRINKAGE;
    for (size_t fold = 0; fold < FOLDS; fold++) {
        if (fold != without) {
            sum += sums->sum[level * FOLDS + fold];
            count += sums->count[level * FOLDS + fold];
        }
    }
    return sum / count;
}

static void free_sums(struct level_sums *sums) {
    free(sums->sum);
    free(sums->count);
}

static enum mi_status fit_levels(struct ltv_design *design, const struct ltv_rows *rows, size_t feature,
                                 struct mi_error *error) {
    size_t levels = mi_index_size(design->features->items[feature].levels);
    struct level_sums sums = {0};
    bool good = sum_levels(rows, design->features->count, feature, levels, &sums);
    for (size_t level = 0; level < levels && good; level++) {
        design->levels[feature][level] = level_mean(&sums, level, FOLDS, design->unseen);
    }
    free_sums(&sums);
    return good ? MI_OK : mi_no_memory(error);
}

static enum mi_status levels_of_fit(const struct ltv_design *design, const struct ltv_rows *rows,
                                    size_t feature, float *values, struct mi_error *error) {
    size_t stride = design->features->count;
    size_t levels = mi_index_size(design->features->items[feature].levels);
    struct level_sums sums = {0};
    bool good = sum_levels(rows, stride, feature, levels, &sums);
    for (size_t i = 0; i < rows->count && good; i++) {
        size_t level = (size_t)rows->codes[rows->rows[i] * stride + feature];
        values[i * stride + feature] = (float)level_mean(&sums, level, i % FOLDS, design->unseen);
    }
    free_sums(&sums);
    return good ? MI_OK : mi_no_memory(error);
}

enum mi_status ltv_design_trees_of_fit(const struct ltv_design *design, const struct ltv_rows *rows,
                                       float *values, struct mi_error *error) {
    size_t stride = design->features->count;
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < rows->count; i++) {
        memcpy(values + i * stride, rows->codes + rows->rows[i] * stride, stride * sizeof *values);
    }
    for (size_t feature = 0; feature < stride && status == MI_OK; feature++) {
        if (design->levels[feature] != NULL) {
            status = levels_of_fit(design, rows, feature, values, error);
        }
    }
    return status;
}

void ltv_design_trees(const struct ltv_design *design, const float *codes, float *values) {
    for (size_t i = 0; i < design->features->count; i++) {
        const double *levels = design->levels[i];
        if (levels == NULL) {
            values[i] = codes[i];
        } else {
            values[i] = codes[i] < 0 ? (float)design->unseen : (float)levels[(size_t)codes[i]];
        }
    }
}

/* ---- scales ---- */

static double transformed(const struct ltv_scale *scale, double x) {
    return scale->unit > 0 ? copysign(log1p(fabs(x) / scale->unit), x) : x;
}

static void moments_of(const struct ltv_scale *scale, const double *x, size_t count, double out[3]) {
    double sum = 0, second = 0, third = 0;
    for (size_t i = 0; i < count; i++) {
        sum += transformed(scale, x[i]);
    }
    out[0] = sum / (double)count;
    for (size_t i = 0; i < count; i++) {
        double d = transformed(scale, x[i]) - out[0];
        second += d * d;
        third += d * d * d;
    }
    out[1] = sqrt(second / (double)count);
    out[2] = out[1] > 0 ? third / (double)count / (out[1] * out[1] * out[1]) : 0;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The unit of the logarithm: the tenth percentile of the sizes that are not 0, so that the smallest are not
 * taken for something out of all order. `sizes` is overwritten. */
static double unit_of(double *sizes, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (sizes[i] != 0) {
            sizes[kept++] = fabs(sizes[i]);
        }
    }
    if (kept == 0) {
        return 1;
    }
    qsort(sizes, kept, sizeof *sizes, ascending);
    return sizes[kept / 10];
}

static void fit_scale(struct ltv_design *design, size_t feature, double *there, size_t count,
                      size_t missing) {
    struct ltv_scale *scale = &design->scales[feature];
    double moments[3] = {0};
    *scale = (struct ltv_scale){.sd = 1, .floor = -(double)FARTHEST, .indicator = SIZE_MAX};
    if (missing > 0) {
        scale->indicator = design->width++;
    }
    if (count == 0) {
        return;
    }
    moments_of(scale, there, count, moments);
    if (fabs(moments[2]) > SKEWED) {
        struct ltv_scale logarithm = {.unit = 1};
        double *sizes = malloc(count * sizeof *sizes);
        if (sizes != NULL) {
            memcpy(sizes, there, count * sizeof *sizes);
            logarithm.unit = unit_of(sizes, count);
            free(sizes);
        }
        double after[3];
        moments_of(&logarithm, there, count, after);
        if (fabs(after[2]) < fabs(moments[2])) {
            scale->unit = logarithm.unit;
            memcpy(moments, after, sizeof moments);
        }
    }
    scale->mean = moments[0];
    scale->sd = moments[1] > 0 ? moments[1] : 1;
    if (scale->unit > 0) {
        qsort(there, count, sizeof *there, ascending);
        scale->floor = (transformed(scale, there[(size_t)(FLOOR * (double)count)]) - scale->mean) / scale->sd;
    }
}

static enum mi_status fit_scales(struct ltv_design *design, const struct ltv_rows *rows,
                                 struct mi_error *error) {
    size_t stride = design->features->count;
    float *values = malloc(rows->count * stride * sizeof *values);
    double *there = malloc(rows->count * sizeof *there);
    enum mi_status status = values != NULL && there != NULL ? MI_OK : mi_no_memory(error);
    if (status == MI_OK) {
        status = ltv_design_trees_of_fit(design, rows, values, error);
    }
    for (size_t feature = 0; feature < stride && status == MI_OK; feature++) {
        size_t count = 0;
        for (size_t i = 0; i < rows->count; i++) {
            float value = values[i * stride + feature];
            if (!isnan(value)) {
                there[count++] = (double)value;
            }
        }
        fit_scale(design, feature, there, count, rows->count - count);
    }
    free(values);
    free(there);
    return status;
}

void ltv_design_standard(const struct ltv_design *design, const float *values, float *out) {
    for (size_t i = 0; i < design->features->count; i++) {
        const struct ltv_scale *scale = &design->scales[i];
        bool missing = isnan(values[i]);
        float z = missing ? 0 : (float)((transformed(scale, (double)values[i]) - scale->mean) / scale->sd);
        float low = (float)scale->floor;
        out[i] = missing ? 0 : z > FARTHEST ? FARTHEST : z < low ? low : z;
        if (scale->indicator != SIZE_MAX) {
            out[scale->indicator] = missing ? 1 : 0;
        }
    }
}

enum mi_status ltv_design_fit(const struct ltv_features *features, const struct ltv_rows *rows,
                              struct ltv_design *design, struct mi_error *error) {
    enum mi_status status = init(features, design, error);
    double sum = 0;
    for (size_t i = 0; i < rows->count; i++) {
        sum += outcome(rows, i);
    }
    design->unseen = sum / (double)rows->count;
    for (size_t i = 0; i < features->count && status == MI_OK; i++) {
        if (design->levels[i] != NULL) {
            status = fit_levels(design, rows, i, error);
        }
    }
    if (status == MI_OK) {
        status = fit_scales(design, rows, error);
    }
    if (status != MI_OK) {
        ltv_design_clear(design);
    }
    return status;
}

/* ---- files ---- */

void ltv_design_write(const struct ltv_design *design, struct mi_buffer *out) {
    mi_model_file_number(out, "{\"unseen\": ", design->unseen);
    mi_buffer_string(out, ", \"columns\": [");
    for (size_t i = 0; i < design->features->count; i++) {
        const struct ltv_scale *scale = &design->scales[i];
        mi_model_file_number(out, i > 0 ? ",\n   {\"unit\": " : "\n   {\"unit\": ", scale->unit);
        mi_model_file_number(out, ", \"mean\": ", scale->mean);
        mi_model_file_number(out, ", \"sd\": ", scale->sd);
        mi_model_file_number(out, ", \"floor\": ", scale->floor);
        mi_buffer_string(out, scale->indicator != SIZE_MAX ? ", \"indicator\": true" : "");
        if (design->levels[i] != NULL) {
            size_t levels = mi_index_size(design->features->items[i].levels);
            mi_buffer_string(out, ", \"levels\": [");
            for (size_t level = 0; level < levels; level++) {
                mi_model_file_number(out, level > 0 ? ", " : "", design->levels[i][level]);
            }
            mi_buffer_string(out, "]");
        }
        mi_buffer_string(out, "}");
    }
    mi_buffer_string(out, "]}");
}

static void read_levels(struct mi_model_reading *reading, const json_t *array, size_t count, double *levels) {
    if (json_array_size(array) != count) {
        reading->fault = "levels";
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(array, i);
        levels[i] = json_number_value(value);
        if (!json_is_number(value)) {
            reading->fault = "levels";
        }
    }
}

enum mi_status ltv_design_read(const json_t *object, const struct ltv_features *features,
                               struct ltv_design *design, const char **fault, struct mi_error *error) {
    struct mi_model_reading reading = {0};
    const json_t *columns = json_object_get(object, "columns");
    enum mi_status status = init(features, design, error);
    if (status != MI_OK) {
        ltv_design_clear(design);
        return status;
    }
    design->unseen = mi_model_file_get_number(&reading, object, "unseen", -1e300, 1e300, false);
    for (size_t i = 0; i < features->count; i++) {
        const json_t *column = json_array_get(columns, i);
        struct ltv_scale *scale = &design->scales[i];
        scale->unit = mi_model_file_get_number(&reading, column, "unit", 0, 1e300, false);
        scale->mean = mi_model_file_get_number(&reading, column, "mean", -1e300, 1e300, false);
        scale->sd = mi_model_file_get_number(&reading, column, "sd", 1e-300, 1e300, false);
        scale->floor = mi_model_file_get_number(&reading, column, "floor", -1e3, 1e3, false);
        scale->indicator = json_is_true(json_object_get(column, "indicator")) ? design->width++ : SIZE_MAX;
        if (design->levels[i] != NULL) {
            read_levels(&reading, json_object_get(column, "levels"), mi_index_size(features->items[i].levels),
                        design->levels[i]);
        }
    }
    if (json_array_size(columns) != features->count) {
        reading.fault = "columns";
    }
    *fault = *fault != NULL ? *fault : reading.fault;
    return MI_OK;
}
