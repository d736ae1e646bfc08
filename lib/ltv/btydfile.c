/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A buy-till-you-die model as a file: parameters and log likelihood by name, how well they are known, and how
 * the maximum was proved.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ltv/btydmodel.h"
#include "num/number.h"
#include "record/modelfile.h"

#define KIND "buy-till-you-die"

/* ---- writing ---- */

static void write_named(struct mi_buffer *out, const char *title, const char *const *names,
                        const double *values, size_t count) {
    mi_buffer_print(out, ", \"%s\": {", title);
    for (size_t i = 0; i < count; i++) {
        mi_buffer_print(out, "%s\"%s\": ", i > 0 ? ", " : "", names[i]);
        mi_model_file_number(out, "", values[i]);
    }
    mi_buffer_string(out, "}");
}

static void write_list(struct mi_buffer *out, const char *title, const double *values, size_t count) {
    mi_buffer_print(out, ", \"%s\": [", title);
    for (size_t i = 0; i < count; i++) {
        mi_model_file_number(out, i > 0 ? ", " : "", values[i]);
    }
    mi_buffer_string(out, "]");
}

/* The lower triangle. */
static void write_covariance(struct mi_buffer *out, const struct btyd_fit *fit) {
    double lower[BTYD_MOST * (BTYD_MOST + 1) / 2];
    size_t at = 0;
    for (size_t i = 0; i < fit->count; i++) {
        for (size_t j = 0; j <= i; j++) {
            lower[at++] = fit->covariance[i * fit->count + j];
        }
    }
    write_list(out, "covariance_of_logs", lower, at);
}

static void write_fit(struct mi_buffer *out, const struct btyd_fit *fit, const char *const *names,
                      size_t own) {
    double errors[BTYD_PARAMETERS];
    for (size_t i = 0; i < own; i++) {
        errors[i] = fit->parameters[i] * fit->error[i];
    }
    write_named(out, "parameters", names, fit->parameters, own);
    write_named(out, "standard_errors", names, errors, own);
    mi_model_file_number(out, ", \"log_likelihood\": ", fit->log_likelihood);
    mi_buffer_print(out, ", \"identified\": %s,\n  \"convergence\": {", fit->identified ? "true" : "false");
    mi_model_file_number(out, "\"gradient\": ", fit->slope);
    mi_buffer_print(out, ", \"iterations\": %d, \"starts\": %d}", fit->iterations, fit->starts);
    if (fit->count > own) {
        write_list(out, "effects", fit->effects, fit->count - own);
        write_list(out, "effect_errors", fit->error + own, fit->count - own);
    }
    write_covariance(out, fit);
}

static enum mi_status write_covariates(struct mi_buffer *out, const struct mi_btyd *model,
                                       struct mi_error *error) {
    enum mi_status status = MI_OK;
    mi_buffer_string(out, ",\n \"covariates\": [");
    for (size_t c = 0; c < model->covariate_count && status == MI_OK; c++) {
        mi_buffer_string(out, c > 0 ? ", {\"name\": " : "{\"name\": ");
        status = mi_model_file_string(out, mi_text_of(model->covariates[c]), error);
        mi_buffer_string(out, ", \"reference\": ");
        if (status == MI_OK) {
            status = mi_model_file_string(out, mi_text_of(model->references[c]), error);
        }
        mi_buffer_string(out, ", \"values\": [");
        const char *between = "";
        for (size_t i = 0; i < model->level_count && status == MI_OK; i++) {
            if (model->levels[i].covariate == c) {
                mi_buffer_string(out, between);
                between = ", ";
                status = mi_model_file_string(out, mi_text_of(model->levels[i].value), error);
            }
        }
        mi_buffer_string(out, "]}");
    }
    mi_buffer_string(out, "]");
    return status;
}

static void write_training(struct mi_buffer *out, const struct mi_btyd *model) {
    const struct mi_customers_summary *t = &model->training;
    mi_model_file_number(out, ",\n \"training\": {\"customers\": ", t->customers);
    mi_model_file_number(out, ", \"repeat_customers\": ", t->repeat_customers);
    mi_model_file_number(out, ", \"mean_T\": ", model->mean_T);
    mi_model_file_number(out, ", \"mean_frequency\": ", model->mean_x);
    mi_model_file_number(out, ", \"correlation\": ", t->correlation);
    mi_model_file_number(out, ", \"trend\": ", model->trend);
    mi_model_file_number(out, ", \"wander\": ", model->wander);
    mi_buffer_print(out, ", \"fingerprint\": \"%016llx\"}", (unsigned long long)model->fingerprint);
}

enum mi_status btyd_write_members(struct mi_buffer *out, const struct mi_btyd *model,
                                  struct mi_error *error) {
    mi_buffer_print(out, ",\n \"model\": \"%s\", \"automatic\": %s", mi_btyd_family_name(model->main),
                    model->automatic ? "true" : "false");
    write_fit(out, &model->families[model->main], btyd_parameter_names[model->main], BTYD_PARAMETERS);
    enum mi_status status = write_covariates(out, model, error);
    write_training(out, model);
    if (model->automatic) {
        const char *between = ",\n \"compared\": [";
        for (int i = 0; i < MI_BTYD_FAMILIES; i++) {
            if (model->has[i]) {
                mi_buffer_print(out, "%s{\"model\": \"%s\"", between,
                                mi_btyd_family_name((enum mi_btyd_family)i));
                between = ", ";
                mi_model_file_number(out, ", \"log_likelihood\": ", model->families[i].log_likelihood);
                mi_buffer_string(out, "}");
            }
        }
        mi_buffer_string(out, "]");
    }
    if (model->has_spend) {
        mi_buffer_string(out, ",\n \"spend\": {\"model\": \"gamma-gamma\"");
        write_fit(out, &model->spend, btyd_spend_names, 3);
        mi_model_file_number(out, ", \"center\": ", model->spend_center);
        mi_model_file_number(out, ", \"factor\": ", model->factor);
        mi_model_file_number(out, ", \"reference\": ", model->reference);
        mi_model_file_number(out, ", \"regression\": ", model->regression);
        mi_buffer_string(out, "}");
    }
    return status;
}

enum mi_status mi_btyd_write(const struct mi_btyd *model, const char *path, struct mi_error *error) {
    struct mi_buffer out = {0};
    mi_model_file_begin(&out, "mi-ltv", KIND);
    enum mi_status status = btyd_write_members(&out, model, error);
    if (status == MI_OK) {
        status = mi_model_file_end(&out, path, error);
    }
    mi_buffer_free(&out);
    return status;
}

/* ---- reading ---- */

static void read_list(struct mi_model_reading *reading, const json_t *object, const char *key, double *values,
                      size_t count, double most) {
    const json_t *list = json_object_get(object, key);
    bool good = json_array_size(list) == count;
    for (size_t i = 0; i < count && good; i++) {
        const json_t *item = json_array_get(list, i);
        values[i] = json_is_null(item) ? NAN : json_number_value(item);
        good = json_is_null(item) || (json_is_number(item) && fabs(values[i]) <= most);
    }
    if (!good && reading->fault == NULL) {
        reading->fault = key;
    }
}

static void read_fit(struct mi_model_reading *reading, const json_t *object, const char *const *names,
                     size_t own, size_t count, struct btyd_fit *fit) {
    const json_t *parameters = json_object_get(object, "parameters");
    const json_t *errors = json_object_get(object, "standard_errors");
    double lower[BTYD_MOST * (BTYD_MOST + 1) / 2];
    fit->count = count;
    for (size_t i = 0; i < own; i++) {
        fit->parameters[i] = mi_model_file_get_number(reading, parameters, names[i], 1e-300, 1e300, false);
        fit->error[i] =
            mi_model_file_get_number(reading, errors, names[i], 0, 1e300, true) / fit->parameters[i];
    }
    fit->log_likelihood = mi_model_file_get_number(reading, object, "log_likelihood", -1e300, 1e300, false);
    fit->identified = json_is_true(json_object_get(object, "identified"));
    const json_t *convergence = json_object_get(object, "convergence");
    fit->slope = mi_model_file_get_number(reading, convergence, "gradient", 0, 1e300, false);
    fit->iterations = (int)mi_model_file_get_number(reading, convergence, "iterations", 0, 1e6, false);
    fit->starts = (int)mi_model_file_get_number(reading, convergence, "starts", 0, 1e6, false);
    if (count > own) {
        read_list(reading, object, "effects", fit->effects, count - own, 100);
        read_list(reading, object, "effect_errors", fit->error + own, count - own, 1e6);
    }
    read_list(reading, object, "covariance_of_logs", lower, count * (count + 1) / 2, 1e6);
    for (size_t i = 0, at = 0; i < count && reading->fault == NULL; i++) {
        for (size_t j = 0; j <= i; j++, at++) {
            fit->covariance[i * count + j] = fit->covariance[j * count + i] = lower[at];
        }
    }
}

static enum mi_status read_covariates(struct mi_model_reading *reading, const json_t *root,
                                      struct mi_btyd *model, struct mi_error *error) {
    const json_t *list = json_object_get(root, "covariates");
    size_t count = json_array_size(list), levels = 0;
    for (size_t c = 0; c < count; c++) {
        levels += json_array_size(json_object_get(json_array_get(list, c), "values"));
    }
    if (!json_is_array(list) || count > MI_LTV_COLUMNS_MOST || BTYD_PARAMETERS + 2 * levels > BTYD_MOST) {
        reading->fault = "covariates";
        return MI_OK;
    }
    model->covariates = calloc(count + 1, sizeof *model->covariates);
    model->references = calloc(count + 1, sizeof *model->references);
    model->levels = calloc(levels + 1, sizeof *model->levels);
    bool room = model->covariates != NULL && model->references != NULL && model->levels != NULL;
    model->covariate_count = room ? count : 0;
    for (size_t c = 0; c < count && room; c++) {
        const json_t *item = json_array_get(list, c), *values = json_object_get(item, "values");
        const char *name = json_string_value(json_object_get(item, "name"));
        const char *reference = json_string_value(json_object_get(item, "reference"));
        if (name == NULL || reference == NULL) {
            reading->fault = "covariates";
            return MI_OK;
        }
        model->covariates[c] = mi_text_copy(mi_text_of(name));
        model->references[c] = mi_text_copy(mi_text_of(reference));
        room = model->covariates[c] != NULL && model->references[c] != NULL;
        for (size_t i = 0; i < json_array_size(values) && room; i++) {
            const char *value = json_string_value(json_array_get(values, i));
            if (value == NULL) {
                reading->fault = "covariates";
                return MI_OK;
            }
            struct btyd_level level = {c, mi_text_copy(mi_text_of(value))};
            room = level.value != NULL;
            model->levels[model->level_count] = level;
            model->level_count += room;
        }
    }
    return room ? MI_OK : mi_error_set(error, MI_NO_MEMORY, "out of memory");
}

static void read_spend(struct mi_model_reading *reading, const json_t *root, struct mi_btyd *model) {
    const json_t *spend = json_object_get(root, "spend");
    model->has_spend = spend != NULL;
    if (spend == NULL) {
        return;
    }
    size_t count = json_object_get(spend, "effects") != NULL ? 4 : 3;
    read_fit(reading, spend, btyd_spend_names, 3, count, &model->spend);
    if (!(model->spend.parameters[1] > 1)) {
        reading->fault = "q";
    }
    model->spend_center = mi_model_file_get_number(reading, spend, "center", 0, 100, false);
    model->factor = mi_model_file_get_number(reading, spend, "factor", 1e-6, 1e6, false);
    model->reference = mi_model_file_get_number(reading, spend, "reference", 0, 1e300, false);
    model->regression = mi_model_file_get_number(reading, spend, "regression", 0, 1, false);
}

static void read_training(struct mi_model_reading *reading, const json_t *root, struct mi_btyd *model) {
    const json_t *training = json_object_get(root, "training");
    struct mi_customers_summary *t = &model->training;
    t->customers = mi_model_file_get_number(reading, training, "customers", 0, MI_MONEY_LIMIT, false);
    t->repeat_customers =
        mi_model_file_get_number(reading, training, "repeat_customers", 0, MI_MONEY_LIMIT, false);
    t->correlation = mi_model_file_get_number(reading, training, "correlation", -1, 1, true);
    model->trend = mi_model_file_get_number(reading, training, "trend", 0, 10, false);
    model->wander = mi_model_file_get_number(reading, training, "wander", 0, 10, false);
    model->mean_T = mi_model_file_get_number(reading, training, "mean_T", 0, 1e9, false);
    model->mean_x = mi_model_file_get_number(reading, training, "mean_frequency", 0, 1e9, false);
    model->fingerprint = mi_model_file_get_fingerprint(reading, training, "fingerprint");
}

static enum mi_status read_model(const json_t *root, struct mi_btyd *model, struct mi_error *error) {
    struct mi_model_reading reading = {0};
    const char *name = json_string_value(json_object_get(root, "model"));
    model->main = MI_BTYD_FAMILIES;
    for (int i = 0; i < MI_BTYD_FAMILIES; i++) {
        if (name != NULL && strcmp(name, mi_btyd_family_name((enum mi_btyd_family)i)) == 0) {
            model->main = (enum mi_btyd_family)i;
            model->has[i] = true;
        }
    }
    if (model->main == MI_BTYD_FAMILIES) {
        return mi_error_set(error, MI_BAD_INPUT, "the model is at fault: model");
    }
    model->automatic = json_is_true(json_object_get(root, "automatic"));
    enum mi_status status = read_covariates(&reading, root, model, error);
    if (status == MI_OK && reading.fault == NULL) {
        read_fit(&reading, root, btyd_parameter_names[model->main], BTYD_PARAMETERS,
                 BTYD_PARAMETERS + 2 * model->level_count, &model->families[model->main]);
        read_training(&reading, root, model);
        read_spend(&reading, root, model);
    }
    if (status == MI_OK && reading.fault != NULL) {
        status = mi_error_set(error, MI_BAD_INPUT, "the model is at fault: %s", reading.fault);
    }
    return status;
}

enum mi_status mi_btyd_of(const struct mi_model_file *file, struct mi_btyd **model, struct mi_error *error) {
    enum mi_status status = mi_model_file_expect(file, KIND, error);
    if (status != MI_OK) {
        return status;
    }
    return mi_model_file_blame(file, btyd_read_members(file->root, model, error), error);
}

enum mi_status btyd_read_members(const json_t *object, struct mi_btyd **model, struct mi_error *error) {
    struct mi_btyd *new = calloc(1, sizeof *new);
    if (new == NULL) {
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    enum mi_status status = read_model(object, new, error);
    if (status != MI_OK) {
        mi_btyd_free(new);
        return status;
    }
    *model = new;
    return MI_OK;
}
