/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The linear zero-inflated lognormal model, by Newton's method and normal equations.
 */
#include "ltv/linear.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_linalg.h>

#include "num/blas.h"
#include "record/modelfile.h"

#define RIDGE     10.0 /* on standardised columns, in users */
#define STEPS     30
#define TOLERANCE 1e-6
enum { BLOCK = 256 };

void ltv_linear_clear(struct ltv_linear *linear) {
    free(linear->paying);
    free(linear->location);
    *linear = (struct ltv_linear){0};
}

/* A least-squares problem in the making: the upper triangle of X'WX, and X'Wr. */
struct normal {
    size_t size; /* width + 1 */
    gsl_matrix *products;
    gsl_vector *right;
    double *block; /* BLOCK x size, rows scaled by the root of their weight */
    size_t filled;
};

static bool normal_init(struct normal *normal, size_t width) {
    normal->size = width + 1;
    normal->products = gsl_matrix_calloc(width + 1, width + 1);
    normal->right = gsl_vector_calloc(width + 1);
    normal->block = malloc(BLOCK * (width + 1) * sizeof *normal->block);
    return normal->products != NULL && normal->right != NULL && normal->block != NULL;
}

static void normal_clear(struct normal *normal) {
    gsl_matrix_free(normal->products);
    gsl_vector_free(normal->right);
    free(normal->block);
}

static void normal_start(struct normal *normal) {
    gsl_matrix_set_zero(normal->products);
    gsl_vector_set_zero(normal->right);
    normal->filled = 0;
}

static void normal_flush(struct normal *normal) {
    mi_blas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, (int)normal->size, (int)normal->filled, 1,
                  normal->block, (int)normal->size, 1, normal->products->data, (int)normal->products->tda);
    normal->filled = 0;
}

/* A row with its weight; `pull` is the weight times what is to be explained. */
static void normal_add(struct normal *normal, const float *row, double weight, double pull) {
    double root = sqrt(weight), *out = normal->block + normal->filled * normal->size;
    for (size_t j = 0; j + 1 < normal->size; j++) {
        out[j] = root * (double)row[j];
        normal->right->data[j * normal->right->stride] += pull * (double)row[j];
    }
    out[normal->size - 1] = root;
    normal->right->data[(normal->size - 1) * normal->right->stride] += pull;
    if (++normal->filled == BLOCK) {
        normal_flush(normal);
    }
}

/* Solves it with a ridge on all but the constant; `weights` are the present ones, to which the step is
 * added. Returns the size of the step, NaN where it cannot be solved. */
static double normal_step(struct normal *normal, double *weights) {
    normal_flush(normal);
    for (size_t j = 0; j < normal->size; j++) {
        double ridge = j + 1 < normal->size ? RIDGE : 1e-6;
        double *diagonal = gsl_matrix_ptr(normal->products, j, j);
        *diagonal += ridge;
        *gsl_vector_ptr(normal->right, j) -= j + 1 < normal->size ? ridge * weights[j] : 0;
    }
    if (gsl_linalg_cholesky_decomp1(normal->products) != 0 ||
        gsl_linalg_cholesky_svx(normal->products, normal->right) != 0) {
        return NAN;
    }
    double largest = 0;
    for (size_t j = 0; j < normal->size; j++) {
        double step = gsl_vector_get(normal->right, j);
        weights[j] += step;
        largest = fmax(largest, fabs(step));
    }
    return largest;
}

static double at(const double *weights, const float *row, size_t width) {
    double sum = weights[width];
    for (size_t j = 0; j < width; j++) {
        sum += weights[j] * (double)row[j];
    }
    return sum;
}

static bool fit_paying(struct normal *normal, const float *rows, const double *target, size_t count,
                       size_t width, double *weights) {
    double payers = 0, size = HUGE_VAL;
    for (size_t i = 0; i < count; i++) {
        payers += target[i] > 0;
    }
    weights[width] = log((payers + 0.5) / ((double)count - payers + 0.5));
    for (size_t step = 0; step < STEPS && size > TOLERANCE; step++) {
        normal_start(normal);
        for (size_t i = 0; i < count; i++) {
            double p = 1 / (1 + exp(-at(weights, rows + i * width, width)));
            normal_add(normal, rows + i * width, fmax(p * (1 - p), 1e-4), (target[i] > 0) - p);
        }
        size = normal_step(normal, weights);
    }
    return isfinite(size);
}

static bool fit_location(struct normal *normal, const float *rows, const double *target, size_t count,
                         size_t width, double *weights, double *spread) {
    double squares = 0, payers = 0;
    normal_start(normal);
    for (size_t i = 0; i < count; i++) {
        if (target[i] > 0) {
            normal_add(normal, rows + i * width, 1, log(target[i]));
        }
    }
    if (!isfinite(normal_step(normal, weights))) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (target[i] > 0) {
            double rest = log(target[i]) - at(weights, rows + i * width, width);
            squares += rest * rest;
            payers++;
        }
    }
    *spread = sqrt(squares / fmax(1, payers));
    return true;
}

enum mi_status ltv_linear_fit(const float *rows, const double *target, size_t count, size_t width,
                              struct ltv_linear *linear, struct mi_error *error) {
    struct normal normal = {0};
    double *weights = calloc(2 * (width + 1), sizeof *weights);
    *linear = (struct ltv_linear){.width = width,
                                  .paying = malloc((width + 1) * sizeof *linear->paying),
                                  .location = malloc((width + 1) * sizeof *linear->location)};
    enum mi_status status = MI_OK;
    if (weights == NULL || linear->paying == NULL || linear->location == NULL ||
        !normal_init(&normal, width)) {
        status = mi_no_memory(error);
    } else if (!fit_paying(&normal, rows, target, count, width, weights) ||
               !fit_location(&normal, rows, target, count, width, weights + width + 1, &linear->spread)) {
        status = mi_error_set(error, MI_NUMERIC, "the linear model of the target cannot be solved");
    }
    for (size_t j = 0; j <= width && status == MI_OK; j++) {
        linear->paying[j] = (float)weights[j];
        linear->location[j] = (float)weights[width + 1 + j];
    }
    normal_clear(&normal);
    free(weights);
    if (status != MI_OK) {
        ltv_linear_clear(linear);
    }
    return status;
}

struct ltv_start ltv_linear_at(const struct ltv_linear *linear, const float *row) {
    float paying = linear->paying[linear->width], location = linear->location[linear->width];
    for (size_t j = 0; j < linear->width; j++) {
        paying += linear->paying[j] * row[j];
        location += linear->location[j] * row[j];
    }
    paying = paying > 15 ? 15 : paying < -15 ? -15 : paying;
    double spread = linear->spread;
    return (struct ltv_start){paying, location,
                              (float)((double)location + spread * spread / 2 - log1p(exp(-(double)paying)))};
}

/* ---- files ---- */

void ltv_write_floats(struct mi_buffer *out, const char *before, const float *values, size_t count) {
    mi_buffer_string(out, before);
    for (size_t i = 0; i < count; i++) {
        mi_model_file_number(out, i > 0 ? ", " : "", (double)values[i]);
    }
    mi_buffer_string(out, "]");
}

bool ltv_read_floats(const json_t *array, size_t count, float *out) {
    if (json_array_size(array) != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(array, i);
        double number = json_number_value(value);
        if (!json_is_number(value) || !(fabs(number) <= 1e30)) {
            return false;
        }
        out[i] = (float)number;
    }
    return true;
}

void ltv_linear_write(const struct ltv_linear *linear, struct mi_buffer *out) {
    mi_model_file_number(out, "{\"spread\": ", linear->spread);
    ltv_write_floats(out, ",\n   \"paying\": [", linear->paying, linear->width + 1);
    ltv_write_floats(out, ",\n   \"location\": [", linear->location, linear->width + 1);
    mi_buffer_string(out, "}");
}

enum mi_status ltv_linear_read(const json_t *object, size_t width, struct ltv_linear *linear,
                               const char **fault, struct mi_error *error) {
    struct mi_model_reading reading = {0};
    *linear = (struct ltv_linear){.width = width,
                                  .paying = calloc(width + 1, sizeof *linear->paying),
                                  .location = calloc(width + 1, sizeof *linear->location)};
    if (linear->paying == NULL || linear->location == NULL) {
        ltv_linear_clear(linear);
        return mi_no_memory(error);
    }
    linear->spread = mi_model_file_get_number(&reading, object, "spread", 0, 1e3, false);
    if (!ltv_read_floats(json_object_get(object, "paying"), width + 1, linear->paying) ||
        !ltv_read_floats(json_object_get(object, "location"), width + 1, linear->location)) {
        reading.fault = "linear";
    }
    *fault = *fault != NULL ? *fault : reading.fault;
    return MI_OK;
}
