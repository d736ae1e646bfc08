/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A fitted hierarchy as a model file.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ltv/model.h"
#include "num/number.h"
#include "record/modelfile.h"

#define KIND "segments"

/* ---- writing ---- */

static void write_training(struct mi_buffer *out, const struct mi_ltv_model *model) {
    const struct ltv_training *training = &model->training;
    mi_model_file_number(out, ",\n \"training\": {\"rows\": ", training->rows);
    mi_model_file_number(out, ", \"users\": ", training->users);
    mi_model_file_number(out, ", \"mean\": ", training->mean);
    mi_model_file_date(out, ", \"as_of\": ", training->as_of);
    mi_model_file_number(out, ", \"min_age_days\": ", training->min_age);
    mi_model_file_date(out, ", \"first_install\": ", training->first_install);
    mi_model_file_date(out, ", \"last_install\": ", training->last_install);
    mi_buffer_print(out, ", \"fingerprint\": \"%016llx\"}", (unsigned long long)training->fingerprint);
    const struct mi_ltv_holdout *holdout = &model->holdout;
    mi_model_file_number(out, ",\n \"holdout\": {\"folds\": ", LTV_FOLDS);
    mi_model_file_number(out, ", \"users\": ", holdout->users);
    mi_model_file_number(out, ", \"rmse\": ", holdout->rmse);
    mi_model_file_number(out, ", \"rmse_portfolio\": ", holdout->rmse_portfolio);
    mi_model_file_number(out, ", \"rmse_segment\": ", holdout->rmse_segment);
    mi_model_file_number(out, ", \"wape\": ", holdout->wape);
    mi_model_file_number(out, ", \"coverage\": ", holdout->coverage);
    mi_buffer_string(out, "}");
}

/* The values on the way to a leaf, from the first column. */
static enum mi_status write_values(struct mi_buffer *out, const struct mi_ltv_model *model, size_t leaf,
                                   struct mi_error *error) {
    size_t path[LTV_LEVELS_MOST];
    size_t node = leaf;
    for (size_t level = model->column_count; level > 0; level--) {
        path[level - 1] = node;
        node = model->tree.nodes[node].parent;
    }
    enum mi_status status = MI_OK;
    for (size_t level = 0; level < model->column_count && status == MI_OK; level++) {
        mi_buffer_string(out, level > 0 ? ", " : "");
        status = mi_model_file_string(out, ltv_tree_value(&model->tree, path[level]), error);
        if (status == MI_BAD_INPUT && error != NULL) {
            snprintf(error->column, sizeof error->column, "%s", model->columns[level]);
        }
    }
    return status;
}

static enum mi_status write_segments(struct mi_buffer *out, const struct mi_ltv_model *model,
                                     struct mi_error *error) {
    const char *between = "";
    enum mi_status status = MI_OK;
    mi_buffer_string(out, ",\n \"segments\": [");
    for (size_t i = 0; i < model->tree.count && status == MI_OK; i++) {
        const struct ltv_moments *users = &model->tree.nodes[i].users;
        if (users->users <= 0) {
            continue;
        }
        mi_buffer_print(out, "%s\n  {\"values\": [", between);
        between = ",";
        status = write_values(out, model, i, error);
        mi_model_file_number(out, "], \"users\": ", users->users);
        mi_model_file_number(out, ", \"mean\": ", ltv_moments_mean(users));
        mi_model_file_number(out,
                             ", \"sd\": ", users->freedom > 0 ? sqrt(users->scatter / users->freedom) : NAN);
        mi_model_file_number(out, ", \"freedom\": ", users->freedom);
        mi_buffer_string(out, "}");
    }
    mi_buffer_string(out, "\n ]");
    return status;
}

static enum mi_status write_model(struct mi_buffer *out, const struct mi_ltv_model *model,
                                  struct mi_error *error) {
    enum mi_status status = MI_OK;
    mi_model_file_begin(out, "mi-ltv", KIND);
    mi_buffer_string(out, ",\n \"columns\": [");
    for (size_t i = 0; i < model->column_count && status == MI_OK; i++) {
        mi_buffer_string(out, i > 0 ? ", " : "");
        status = mi_model_file_string(out, mi_text_of(model->columns[i]), error);
    }
    mi_buffer_string(out, "]");
    write_training(out, model);
    mi_model_file_number(out, ",\n \"within\": ", model->spread.within);
    for (size_t i = 0; i < model->column_count; i++) {
        mi_model_file_number(out, i > 0 ? ", " : ",\n \"between\": [", model->spread.between[i]);
    }
    mi_buffer_string(out, "]");
    return status == MI_OK ? write_segments(out, model, error) : status;
}

enum mi_status mi_ltv_model_write(const struct mi_ltv_model *model, const char *path,
                                  struct mi_error *error) {
    struct mi_buffer out = {0};
    enum mi_status status = write_model(&out, model, error);
    if (status == MI_OK) {
        status = mi_model_file_end(&out, path, error);
    }
    mi_buffer_free(&out);
    return status;
}

/* ---- reading ---- */

static void read_training(struct mi_model_reading *reading, const json_t *root, struct mi_ltv_model *model) {
    const json_t *object = json_object_get(root, "training");
    struct ltv_training *training = &model->training;
    training->rows = mi_model_file_get_number(reading, object, "rows", 0, MI_MONEY_LIMIT, false);
    training->users = mi_model_file_get_number(reading, object, "users", 0, MI_MONEY_LIMIT, false);
    training->mean = mi_model_file_get_number(reading, object, "mean", 0, MI_MONEY_LIMIT, false);
    training->as_of = mi_model_file_get_date(reading, object, "as_of");
    training->first_install = mi_model_file_get_date(reading, object, "first_install");
    training->last_install = mi_model_file_get_date(reading, object, "last_install");
    double age = mi_model_file_get_number(reading, object, "min_age_days", 0, 1e6, false);
    training->min_age = isnan(age) ? 0 : (int)age;
    training->fingerprint = mi_model_file_get_fingerprint(reading, object, "fingerprint");
}

static void read_holdout(struct mi_model_reading *reading, const json_t *root, struct mi_ltv_model *model) {
    const json_t *object = json_object_get(root, "holdout");
    model->holdout = (struct mi_ltv_holdout){
        .users = mi_model_file_get_number(reading, object, "users", 0, MI_MONEY_LIMIT, false),
        .rmse = mi_model_file_get_number(reading, object, "rmse", 0, HUGE_VAL, true),
        .rmse_portfolio = mi_model_file_get_number(reading, object, "rmse_portfolio", 0, HUGE_VAL, true),
        .rmse_segment = mi_model_file_get_number(reading, object, "rmse_segment", 0, HUGE_VAL, true),
        .wape = mi_model_file_get_number(reading, object, "wape", 0, HUGE_VAL, true),
        .coverage = mi_model_file_get_number(reading, object, "coverage", 0, 1, true),
    };
}

static void read_spread(struct mi_model_reading *reading, const json_t *root, struct mi_ltv_model *model) {
    const json_t *between = json_object_get(root, "between");
    model->spread.within = mi_model_file_get_number(reading, root, "within", 1e-300, 1e300, true);
    for (size_t i = 0; i < model->column_count; i++) {
        const json_t *value = json_array_get(between, i);
        model->spread.between[i] = json_number_value(value);
        if (!json_is_number(value) || !(model->spread.between[i] > 0 && model->spread.between[i] <= 1000)) {
            reading->fault = "between";
        }
    }
    if (json_array_size(between) != model->column_count) {
        reading->fault = "between";
    }
}

/* One segment; false: `values` are not one string per column. */
static bool read_values(const json_t *object, size_t count, struct mi_text *values) {
    const json_t *array = json_object_get(object, "values");
    if (json_array_size(array) != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(array, i);
        if (!json_is_string(value)) {
            return false;
        }
        values[i] = (struct mi_text){json_string_value(value), json_string_length(value)};
    }
    return true;
}

static enum mi_status read_segments(struct mi_model_reading *reading, const json_t *root,
                                    struct mi_ltv_model *model, struct mi_error *error) {
    const json_t *segments = json_object_get(root, "segments");
    struct mi_text values[LTV_LEVELS_MOST];
    if (json_array_size(segments) == 0) {
        reading->fault = "segments";
    }
    for (size_t i = 0; i < json_array_size(segments) && reading->fault == NULL; i++) {
        const json_t *object = json_array_get(segments, i);
        double users = mi_model_file_get_number(reading, object, "users", 0, MI_MONEY_LIMIT, false);
        double mean = mi_model_file_get_number(reading, object, "mean", 0, MI_MONEY_LIMIT, false);
        double sd = mi_model_file_get_number(reading, object, "sd", 0, 1e150, true);
        double freedom = mi_model_file_get_number(reading, object, "freedom", 0, MI_MONEY_LIMIT, false);
        if (!read_values(object, model->column_count, values) || users <= 0) {
            reading->fault = "segments";
        }
        if (reading->fault != NULL) {
            break;
        }
        size_t leaf;
        enum mi_status status = ltv_tree_leaf(&model->tree, values, &leaf, error);
        if (status != MI_OK) {
            return status;
        }
        if (model->tree.nodes[leaf].users.users > 0) {
            reading->fault = "segments (one stands twice)";
        }
        struct ltv_moments moments = ltv_moments_of(users, mean, NAN);
        moments.freedom = freedom;
        moments.scatter = isnan(sd) ? 0 : sd * sd * freedom;
        model->tree.nodes[leaf].users = moments;
    }
    return MI_OK;
}

static enum mi_status read_columns(const json_t *root, struct mi_ltv_model **model, struct mi_error *error) {
    const char *columns[MI_LTV_COLUMNS_MOST];
    const json_t *array = json_object_get(root, "columns");
    size_t count = json_array_size(array);
    bool good = count >= 1 && count <= MI_LTV_COLUMNS_MOST;
    for (size_t i = 0; i < count && good; i++) {
        columns[i] = json_string_value(json_array_get(array, i));
        good = columns[i] != NULL && columns[i][0] != '\0';
        for (size_t j = 0; j < i && good; j++) {
            good = strcmp(columns[i], columns[j]) != 0;
        }
    }
    if (!good) {
        return mi_error_set(error, MI_BAD_INPUT, "the model is at fault: columns");
    }
    return ltv_model_new(columns, count, model, error);
}

static enum mi_status read_model(const json_t *root, struct mi_ltv_model **model, struct mi_error *error) {
    enum mi_status status = read_columns(root, model, error);
    if (status != MI_OK) {
        return status;
    }
    struct mi_model_reading reading = {0};
    read_training(&reading, root, *model);
    read_holdout(&reading, root, *model);
    read_spread(&reading, root, *model);
    status = read_segments(&reading, root, *model, error);
    if (status == MI_OK && reading.fault != NULL) {
        status = mi_error_set(error, MI_BAD_INPUT, "the model is at fault: %s", reading.fault);
    }
    if (status != MI_OK) {
        mi_ltv_model_free(*model);
        return status;
    }
    ltv_tree_settle(&(*model)->tree, &(*model)->spread);
    return MI_OK;
}

enum mi_status mi_ltv_model_of(const struct mi_model_file *file, struct mi_ltv_model **model,
                               struct mi_error *error) {
    struct mi_ltv_model *new = NULL;
    enum mi_status status = mi_model_file_expect(file, KIND, error);
    if (status == MI_OK) {
        status = mi_model_file_blame(file, read_model(file->root, &new, error), error);
    }
    if (status == MI_OK) {
        *model = new;
    }
    return status;
}

enum mi_status mi_ltv_model_read(const char *path, struct mi_ltv_model **model, struct mi_error *error) {
    struct mi_model_file *file = NULL;
    enum mi_status status = mi_model_file_read(path, "mi-ltv", &file, error);
    if (status == MI_OK) {
        status = mi_ltv_model_of(file, model, error);
    }
    mi_model_file_free(file);
    return status;
}
