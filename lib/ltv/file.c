/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A fitted hierarchy as one JSON file that a person can read. The checksum is taken over the values, not the
 * bytes: another layout or order of keys is the same model.
 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "ltv/hash.h"
#include "ltv/model.h"
#include "num/number.h"

#define FORMAT         "mi-model"
#define FORMAT_VERSION 1
#define TOOL           "mi-ltv"
#define KIND           "segments"
#define FILE_MOST      ((size_t)1 << 30)
#define JSON_RULES     (JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL)

static enum mi_status no_memory(struct mi_error *error) {
    return mi_error_set(error, MI_NO_MEMORY, "out of memory");
}

/* The checksum of everything but the member "checksum", as 16 hexadecimal digits. */
static bool checksum_of(json_t *root, char out[17]) {
    json_t *rest = json_copy(root);
    char *text = NULL;
    if (rest != NULL &&
        (json_object_get(rest, "checksum") == NULL || json_object_del(rest, "checksum") == 0)) {
        text = json_dumps(rest, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
    }
    json_decref(rest);
    if (text == NULL) {
        return false;
    }
    snprintf(out, 17, "%016llx", (unsigned long long)ltv_hash(LTV_HASH_START, text, strlen(text)));
    free(text);
    return true;
}

/* ---- writing ---- */

/* A string with its quotes; MI_BAD_INPUT where it is not UTF-8. */
static enum mi_status write_string(struct mi_buffer *out, struct mi_text text, struct mi_error *error) {
    json_t *string = json_stringn(text.data != NULL ? text.data : "", text.data != NULL ? text.size : 0);
    if (string == NULL) {
        return mi_error_set(error, MI_BAD_INPUT, "not UTF-8, so it cannot stand in a model: \"%.*s\"",
                            (int)(text.size < 200 ? text.size : 200), text.data);
    }
    char *quoted = json_dumps(string, JSON_ENCODE_ANY);
    json_decref(string);
    if (quoted == NULL) {
        return no_memory(error);
    }
    mi_buffer_string(out, quoted);
    free(quoted);
    return MI_OK;
}

static void write_number(struct mi_buffer *out, const char *before, double value) {
    mi_buffer_string(out, before);
    if (isfinite(value)) {
        mi_buffer_number(out, value);
    } else {
        mi_buffer_string(out, "null");
    }
}

static void write_date(struct mi_buffer *out, const char *before, int32_t days) {
    char text[16];
    mi_buffer_string(out, before);
    if (days == MI_DATE_MISSING) {
        mi_buffer_string(out, "null");
        return;
    }
    mi_date_format(days, text);
    mi_buffer_print(out, "\"%s\"", text);
}

static void write_training(struct mi_buffer *out, const struct mi_ltv_model *model) {
    const struct ltv_training *training = &model->training;
    write_number(out, ",\n \"training\": {\"rows\": ", training->rows);
    write_number(out, ", \"users\": ", training->users);
    write_number(out, ", \"mean\": ", training->mean);
    write_date(out, ", \"as_of\": ", training->as_of);
    write_number(out, ", \"min_age_days\": ", training->min_age);
    write_date(out, ", \"first_install\": ", training->first_install);
    write_date(out, ", \"last_install\": ", training->last_install);
    mi_buffer_print(out, ", \"fingerprint\": \"%016llx\"}", (unsigned long long)training->fingerprint);
    const struct mi_ltv_holdout *holdout = &model->holdout;
    write_number(out, ",\n \"holdout\": {\"folds\": ", LTV_FOLDS);
    write_number(out, ", \"users\": ", holdout->users);
    write_number(out, ", \"rmse\": ", holdout->rmse);
    write_number(out, ", \"rmse_portfolio\": ", holdout->rmse_portfolio);
    write_number(out, ", \"rmse_segment\": ", holdout->rmse_segment);
    write_number(out, ", \"wape\": ", holdout->wape);
    write_number(out, ", \"coverage\": ", holdout->coverage);
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
        status = write_string(out, ltv_tree_value(&model->tree, path[level]), error);
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
        write_number(out, "], \"users\": ", users->users);
        write_number(out, ", \"mean\": ", ltv_moments_mean(users));
        write_number(out, ", \"sd\": ", users->freedom > 0 ? sqrt(users->scatter / users->freedom) : NAN);
        write_number(out, ", \"freedom\": ", users->freedom);
        mi_buffer_string(out, "}");
    }
    mi_buffer_string(out, "\n ]");
    return status;
}

static enum mi_status write_model(struct mi_buffer *out, const struct mi_ltv_model *model,
                                  struct mi_error *error) {
    enum mi_status status = MI_OK;
    mi_buffer_print(out,
                    "{\"format\": \"%s\", \"format_version\": %d, \"tool\": \"%s\", \"kind\": \"%s\",\n"
                    " \"columns\": [",
                    FORMAT, FORMAT_VERSION, TOOL, KIND);
    for (size_t i = 0; i < model->column_count && status == MI_OK; i++) {
        mi_buffer_string(out, i > 0 ? ", " : "");
        status = write_string(out, mi_text_of(model->columns[i]), error);
    }
    mi_buffer_string(out, "]");
    write_training(out, model);
    write_number(out, ",\n \"within\": ", model->spread.within);
    for (size_t i = 0; i < model->column_count; i++) {
        write_number(out, i > 0 ? ", " : ",\n \"between\": [", model->spread.between[i]);
    }
    mi_buffer_string(out, "]");
    return status == MI_OK ? write_segments(out, model, error) : status;
}

/* Closes the text with its checksum. */
static enum mi_status seal(struct mi_buffer *out, struct mi_error *error) {
    char checksum[17];
    size_t size = out->size;
    mi_buffer_string(out, "}");
    if (out->failed) {
        return no_memory(error);
    }
    json_error_t problem;
    json_t *root = json_loadb(out->data, out->size, JSON_RULES, &problem);
    bool done = root != NULL && checksum_of(root, checksum);
    json_decref(root);
    if (!done) {
        return no_memory(error);
    }
    out->size = size;
    mi_buffer_print(out, ",\n \"checksum\": \"%s\"}\n", checksum);
    return out->failed ? no_memory(error) : MI_OK;
}

enum mi_status mi_ltv_model_write(const struct mi_ltv_model *model, const char *path,
                                  struct mi_error *error) {
    struct mi_buffer out = {0};
    enum mi_status status = write_model(&out, model, error);
    if (status == MI_OK) {
        status = seal(&out, error);
    }
    if (status == MI_OK) {
        status = mi_file_write(path, (struct mi_text){out.data, out.size}, error);
    }
    mi_buffer_free(&out);
    return status;
}

/* ---- reading ---- */

/* What is being read: the first fault found is kept. */
struct reading {
    const char *fault; /* NULL: none yet */
};

static double read_number(struct reading *reading, const json_t *object, const char *key, double low,
                          double high, bool nullable) {
    const json_t *value = json_object_get(object, key);
    if (nullable && json_is_null(value)) {
        return NAN;
    }
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= low && number <= high)) {
        reading->fault = reading->fault != NULL ? reading->fault : key;
        return NAN;
    }
    return number;
}

static int32_t read_date(struct reading *reading, const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    int32_t days = MI_DATE_MISSING;
    if (!json_is_null(value) && !mi_date_parse(mi_text_of(json_string_value(value)), &days)) {
        reading->fault = reading->fault != NULL ? reading->fault : key;
    }
    return days;
}

static void read_training(struct reading *reading, const json_t *root, struct mi_ltv_model *model) {
    const json_t *object = json_object_get(root, "training");
    const char *fingerprint = json_string_value(json_object_get(object, "fingerprint"));
    struct ltv_training *training = &model->training;
    char *end = NULL;
    training->rows = read_number(reading, object, "rows", 0, MI_MONEY_LIMIT, false);
    training->users = read_number(reading, object, "users", 0, MI_MONEY_LIMIT, false);
    training->mean = read_number(reading, object, "mean", 0, MI_MONEY_LIMIT, false);
    training->as_of = read_date(reading, object, "as_of");
    training->first_install = read_date(reading, object, "first_install");
    training->last_install = read_date(reading, object, "last_install");
    double age = read_number(reading, object, "min_age_days", 0, 1e6, false);
    training->min_age = isnan(age) ? 0 : (int)age;
    training->fingerprint = fingerprint != NULL ? strtoull(fingerprint, &end, 16) : 0;
    if (end == NULL || *end != '\0' || strlen(fingerprint) != 16) {
        reading->fault = reading->fault != NULL ? reading->fault : "fingerprint";
    }
}

static void read_holdout(struct reading *reading, const json_t *root, struct mi_ltv_model *model) {
    const json_t *object = json_object_get(root, "holdout");
    model->holdout = (struct mi_ltv_holdout){
        .users = read_number(reading, object, "users", 0, MI_MONEY_LIMIT, false),
        .rmse = read_number(reading, object, "rmse", 0, HUGE_VAL, true),
        .rmse_portfolio = read_number(reading, object, "rmse_portfolio", 0, HUGE_VAL, true),
        .rmse_segment = read_number(reading, object, "rmse_segment", 0, HUGE_VAL, true),
        .wape = read_number(reading, object, "wape", 0, HUGE_VAL, true),
        .coverage = read_number(reading, object, "coverage", 0, 1, true),
    };
}

static void read_spread(struct reading *reading, const json_t *root, struct mi_ltv_model *model) {
    const json_t *between = json_object_get(root, "between");
    model->spread.within = read_number(reading, root, "within", 1e-300, 1e300, true);
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

static enum mi_status read_segments(struct reading *reading, const json_t *root, struct mi_ltv_model *model,
                                    struct mi_error *error) {
    const json_t *segments = json_object_get(root, "segments");
    struct mi_text values[LTV_LEVELS_MOST];
    if (json_array_size(segments) == 0) {
        reading->fault = "segments";
    }
    for (size_t i = 0; i < json_array_size(segments) && reading->fault == NULL; i++) {
        const json_t *object = json_array_get(segments, i);
        double users = read_number(reading, object, "users", 0, MI_MONEY_LIMIT, false);
        double mean = read_number(reading, object, "mean", 0, MI_MONEY_LIMIT, false);
        double sd = read_number(reading, object, "sd", 0, 1e150, true);
        double freedom = read_number(reading, object, "freedom", 0, MI_MONEY_LIMIT, false);
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

/* Whether a member is this string. */
static bool is(const json_t *root, const char *key, const char *expected) {
    const char *value = json_string_value(json_object_get(root, key));
    return value != NULL && strcmp(value, expected) == 0;
}

/* What it is, who wrote it, whether it came whole. */
static enum mi_status check_kind(json_t *root, struct mi_error *error) {
    if (!is(root, "format", FORMAT)) {
        return mi_error_set(error, MI_BAD_INPUT, "not a model of mi (no \"format\": \"%s\")", FORMAT);
    }
    json_int_t version = json_integer_value(json_object_get(root, "format_version"));
    if (version != FORMAT_VERSION) {
        return mi_error_set(error, MI_BAD_INPUT, "a model of format version %lld, this program reads %d",
                            (long long)version, FORMAT_VERSION);
    }
    if (!is(root, "tool", TOOL)) {
        const char *tool = json_string_value(json_object_get(root, "tool"));
        return mi_error_set(error, MI_BAD_INPUT, "a model of %s, not of %s", tool != NULL ? tool : "no tool",
                            TOOL);
    }
    if (!is(root, "kind", KIND)) {
        const char *kind = json_string_value(json_object_get(root, "kind"));
        return mi_error_set(error, MI_BAD_INPUT, "a model of the kind \"%s\", this program reads \"%s\"",
                            kind != NULL ? kind : "", KIND);
    }
    char checksum[17];
    if (!checksum_of(root, checksum)) {
        return no_memory(error);
    }
    if (!is(root, "checksum", checksum)) {
        return mi_error_set(error, MI_BAD_INPUT,
                            "the checksum does not fit: the model was changed or damaged");
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

static enum mi_status read_model(json_t *root, struct mi_ltv_model **model, struct mi_error *error) {
    enum mi_status status = check_kind(root, error);
    if (status == MI_OK) {
        status = read_columns(root, model, error);
    }
    if (status != MI_OK) {
        return status;
    }
    struct reading reading = {0};
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

enum mi_status mi_ltv_model_read(const char *path, struct mi_ltv_model **model, struct mi_error *error) {
    char *content;
    size_t size;
    json_error_t problem;
    struct mi_ltv_model *new = NULL;
    enum mi_status status = mi_file_read(path, FILE_MOST, &content, &size, error);
    if (status != MI_OK) {
        return status;
    }
    json_t *root = json_loadb(content, size, JSON_RULES, &problem);
    free(content);
    if (root == NULL && json_error_code(&problem) == json_error_out_of_memory) {
        status = no_memory(error);
    } else if (root == NULL) {
        status = mi_error_set(error, MI_BAD_INPUT, "not JSON: %s", problem.text);
    } else {
        status = read_model(root, &new, error);
    }
    if (status != MI_OK && error != NULL) {
        snprintf(error->file, sizeof error->file, "%s", path);
        error->line = root == NULL && problem.line > 0 ? (uint64_t)problem.line : 0;
    }
    json_decref(root);
    if (status == MI_OK) {
        *model = new;
    }
    return status;
}
