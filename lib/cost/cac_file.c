/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The CAC model as a model file, and what it says of a row.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cost/cac.h"
#include "record/modelfile.h"

#define TOOL "mi-cac"
#define KIND "cac"

/* ---- writing ---- */

static enum mi_status write_features(struct mi_buffer *out, const struct mi_cac_model *model,
                                     struct mi_error *error) {
    enum mi_status status = MI_OK;
    mi_buffer_string(out, ",\n \"features\": [");
    for (size_t i = 0; i < model->feature_count && status == MI_OK; i++) {
        const struct cac_feature *feature = &model->features[i];
        mi_buffer_string(out, i > 0 ? ",\n  {\"name\": " : "\n  {\"name\": ");
        status = mi_model_file_string(out, mi_text_of(feature->name), error);
        mi_model_file_number(out, ", \"importance\": ", model->importance[CAC_DERIVED + i]);
        mi_buffer_string(out, feature->numeric ? ", \"numeric\": true}" : ", \"categories\": [");
        for (size_t c = 0; c < feature->category_count && status == MI_OK; c++) {
            mi_buffer_string(out, c > 0 ? ", " : "");
            status = mi_model_file_string(out, mi_text_of(feature->categories[c]), error);
        }
        mi_buffer_string(out, feature->numeric ? "" : "]}");
    }
    mi_buffer_string(out, "\n ]");
    for (size_t i = 0; i < CAC_DERIVED; i++) {
        mi_model_file_number(out, i > 0 ? ", " : ",\n \"derived_importance\": [", model->importance[i]);
    }
    mi_buffer_string(out, "]");
    return status;
}

static void write_history(struct mi_buffer *out, const struct cac_history *history) {
    mi_model_file_number(out, ", \"new_customers\": ", history->customers);
    mi_model_file_number(out, ", \"total_costs\": ", history->costs);
    mi_model_file_number(out, ", \"days\": ", history->days);
}

static enum mi_status write_histories(struct mi_buffer *out, const struct mi_cac_model *model,
                                      struct mi_error *error) {
    enum mi_status status = MI_OK;
    mi_model_file_number(out, ",\n \"half_life_days\": ", model->shape.half_life);
    mi_model_file_number(out, ",\n \"prior_customers\": ", model->shape.prior_customers);
    mi_buffer_string(out, ",\n \"portfolio\": {\"campaigns\": ");
    mi_model_file_number(out, "", (double)mi_index_size(model->campaigns));
    write_history(out, &model->portfolio);
    mi_buffer_string(out, "},\n \"campaigns\": [");
    for (size_t i = 0; i < mi_index_size(model->campaigns) && status == MI_OK; i++) {
        mi_buffer_string(out, i > 0 ? ",\n  {\"campaign_id\": " : "\n  {\"campaign_id\": ");
        status = mi_model_file_string(out, mi_index_text(model->campaigns, i), error);
        write_history(out, &model->histories[i]);
        mi_buffer_string(out, "}");
    }
    mi_buffer_string(out, "\n ]");
    return status;
}

static void write_training(struct mi_buffer *out, const struct mi_cac_model *model) {
    const struct mi_cac_holdout *holdout = &model->holdout;
    mi_model_file_number(out, ",\n \"training\": {\"rows\": ", model->rows);
    mi_model_file_number(out, ", \"total_costs\": ", model->total_costs);
    mi_model_file_number(out, ", \"new_customers\": ", model->total_customers);
    mi_model_file_date(out, ", \"first_date\": ", model->first_date);
    mi_model_file_date(out, ", \"last_date\": ", model->last_date);
    mi_buffer_print(out, ", \"fingerprint\": \"%016llx\"}", (unsigned long long)model->fingerprint);
    mi_model_file_number(out, ",\n \"holdout\": {\"rows\": ", holdout->rows);
    mi_model_file_number(out, ", \"wape\": ", holdout->wape);
    mi_model_file_number(out, ", \"wape_own_rate\": ", holdout->wape_rate);
    mi_model_file_number(out, ", \"wape_portfolio\": ", holdout->wape_portfolio);
    mi_model_file_number(out, ", \"coverage\": ", holdout->coverage);
    mi_buffer_string(out, "}");
    mi_model_file_number(out, ",\n \"level\": ", model->level);
    mi_model_file_number(out, ",\n \"dispersion\": ", model->dispersion);
    mi_model_file_number(out, ",\n \"residual_low\": ", model->low);
    mi_model_file_number(out, ",\n \"residual_high\": ", model->high);
}

enum mi_status mi_cac_model_write(const struct mi_cac_model *model, const char *path,
                                  struct mi_error *error) {
    struct mi_buffer out = {0};
    mi_model_file_begin(&out, TOOL, KIND);
    enum mi_status status = write_features(&out, model, error);
    write_training(&out, model);
    if (status == MI_OK) {
        status = write_histories(&out, model, error);
    }
    mi_buffer_string(&out, ",\n \"trees\": ");
    if (status == MI_OK && model->boost != NULL) {
        status = mi_boost_write(model->boost, &out, error);
    } else {
        mi_buffer_string(&out, "null");
    }
    if (status == MI_OK) {
        status = mi_model_file_end(&out, path, error);
    }
    mi_buffer_free(&out);
    return status;
}

/* ---- reading ---- */

static char *copy_string(struct mi_model_reading *reading, const json_t *value) {
    if (!json_is_string(value)) {
        reading->fault = "a name that is no string";
        return NULL;
    }
    char *copy = mi_text_copy((struct mi_text){json_string_value(value), json_string_length(value)});
    if (copy == NULL) {
        reading->fault = "out of memory";
    }
    return copy;
}

static void read_feature(struct mi_model_reading *reading, const json_t *object,
                         struct cac_feature *feature) {
    const json_t *categories = json_object_get(object, "categories");
    feature->name = copy_string(reading, json_object_get(object, "name"));
    feature->numeric = json_is_true(json_object_get(object, "numeric"));
    if (!feature->numeric &&
        (!json_is_array(categories) || json_array_size(categories) > CAC_CATEGORIES_MOST)) {
        reading->fault = "a feature that is neither numeric nor has categories";
        return;
    }
    for (size_t i = 0; !feature->numeric && i < json_array_size(categories); i++) {
        feature->categories[i] = copy_string(reading, json_array_get(categories, i));
        feature->category_count += feature->categories[i] != NULL;
    }
}

static enum mi_status read_features(struct mi_model_reading *reading, const json_t *root,
                                    struct mi_cac_model *model, struct mi_error *error) {
    const json_t *features = json_object_get(root, "features");
    const json_t *derived = json_object_get(root, "derived_importance");
    size_t count = json_array_size(features);
    model->features = calloc(count + 1, sizeof *model->features);
    if (model->features == NULL) {
        return mi_no_memory(error);
    }
    for (size_t i = 0; i < count && reading->fault == NULL; i++) {
        read_feature(reading, json_array_get(features, i), &model->features[i]);
        model->feature_count++;
    }
    if (reading->fault != NULL) {
        return MI_OK;
    }
    enum mi_status status = cac_features_layout(model, error);
    for (size_t i = 0; i < CAC_DERIVED && status == MI_OK; i++) {
        model->importance[i] = json_number_value(json_array_get(derived, i));
    }
    for (size_t i = 0; i < count && status == MI_OK; i++) {
        model->importance[CAC_DERIVED + i] =
            mi_model_file_get_number(reading, json_array_get(features, i), "importance", 0, 1, false);
    }
    return status;
}

static struct cac_history read_history(struct mi_model_reading *reading, const json_t *object) {
    return (struct cac_history){
        .customers = mi_model_file_get_number(reading, object, "new_customers", 0, HUGE_VAL, false),
        .costs = mi_model_file_get_number(reading, object, "total_costs", 0, HUGE_VAL, false),
        .days = mi_model_file_get_number(reading, object, "days", 0, HUGE_VAL, false),
    };
}

static enum mi_status read_histories(struct mi_model_reading *reading, const json_t *root,
                                     struct mi_cac_model *model, struct mi_error *error) {
    const json_t *campaigns = json_object_get(root, "campaigns");
    size_t count = json_array_size(campaigns);
    model->shape.half_life = mi_model_file_get_number(reading, root, "half_life_days", 1e-3, 1e6, false);
    model->shape.prior_customers =
        mi_model_file_get_number(reading, root, "prior_customers", 1e-9, 1e9, false);
    model->portfolio = read_history(reading, json_object_get(root, "portfolio"));
    if (!(model->portfolio.customers > 0) || !(model->portfolio.costs > 0)) {
        reading->fault = "a portfolio without customers or costs";
    }
    model->histories = calloc(count + 1, sizeof *model->histories);
    enum mi_status status =
        model->histories != NULL ? mi_index_new(&model->campaigns, error) : mi_no_memory(error);
    for (size_t i = 0; i < count && status == MI_OK && reading->fault == NULL; i++) {
        const json_t *object = json_array_get(campaigns, i), *id = json_object_get(object, "campaign_id");
        size_t number;
        bool added;
        status =
            mi_index_add(model->campaigns, (struct mi_text){json_string_value(id), json_string_length(id)},
                         &number, &added, error);
        if (status == MI_OK && !added) {
            reading->fault = "a campaign that stands twice";
        }
        model->histories[i] = read_history(reading, object);
    }
    return status;
}

static void read_training(struct mi_model_reading *reading, const json_t *root, struct mi_cac_model *model) {
    const json_t *training = json_object_get(root, "training"), *holdout = json_object_get(root, "holdout");
    model->rows = mi_model_file_get_number(reading, training, "rows", 1, MI_MONEY_LIMIT, false);
    model->total_costs = mi_model_file_get_number(reading, training, "total_costs", 0, HUGE_VAL, false);
    model->total_customers = mi_model_file_get_number(reading, training, "new_customers", 0, HUGE_VAL, false);
    model->first_date = mi_model_file_get_date(reading, training, "first_date");
    model->last_date = mi_model_file_get_date(reading, training, "last_date");
    model->fingerprint = mi_model_file_get_fingerprint(reading, training, "fingerprint");
    model->holdout = (struct mi_cac_holdout){
        .rows = mi_model_file_get_number(reading, holdout, "rows", 0, MI_MONEY_LIMIT, false),
        .wape = mi_model_file_get_number(reading, holdout, "wape", 0, HUGE_VAL, true),
        .wape_rate = mi_model_file_get_number(reading, holdout, "wape_own_rate", 0, HUGE_VAL, true),
        .wape_portfolio = mi_model_file_get_number(reading, holdout, "wape_portfolio", 0, HUGE_VAL, true),
        .coverage = mi_model_file_get_number(reading, holdout, "coverage", 0, 1, true),
    };
    model->level = mi_model_file_get_number(reading, root, "level", 0, 1, false);
    model->dispersion = mi_model_file_get_number(reading, root, "dispersion", 0, HUGE_VAL, false);
    model->low = mi_model_file_get_number(reading, root, "residual_low", -HUGE_VAL, HUGE_VAL, true);
    model->high = mi_model_file_get_number(reading, root, "residual_high", -HUGE_VAL, HUGE_VAL, true);
}

static enum mi_status read_trees(const json_t *root, struct mi_cac_model *model, struct mi_error *error) {
    json_t *trees = json_object_get(root, "trees");
    if (json_is_null(trees)) {
        return MI_OK;
    }
    if (trees == NULL) {
        return mi_error_set(error, MI_BAD_INPUT, "not a whole model: no trees");
    }
    return mi_boost_read(trees, (const char *const *)model->names, model->columns, &model->boost, error);
}

static enum mi_status read_model(const json_t *root, struct mi_cac_model *model, struct mi_error *error) {
    struct mi_model_reading reading = {0};
    enum mi_status status = read_features(&reading, root, model, error);
    if (status == MI_OK && reading.fault == NULL) {
        read_training(&reading, root, model);
        status = read_histories(&reading, root, model, error);
    }
    for (size_t i = 0; model->campaigns != NULL && i < mi_index_size(model->campaigns); i++) {
        model->histories[i].date = model->last_date;
    }
    model->portfolio.date = model->last_date;
    if (status == MI_OK && reading.fault != NULL) {
        return mi_error_set(error, MI_BAD_INPUT, "not a whole model: %s", reading.fault);
    }
    return status == MI_OK ? read_trees(root, model, error) : status;
}

enum mi_status mi_cac_model_of(const struct mi_model_file *file, struct mi_cac_model **model,
                               struct mi_error *error) {
    struct mi_error own = {0};
    struct mi_error *report = error != NULL ? error : &own;
    struct mi_cac_model *made = calloc(1, sizeof *made);
    enum mi_status status = made != NULL ? mi_model_file_expect(file, KIND, report) : mi_no_memory(report);
    if (status == MI_OK) {
        status = read_model(file->root, made, report);
    }
    if (status != MI_OK) {
        mi_model_file_blame(file, status, report);
        mi_cac_model_free(made);
    } else {
        *model = made;
    }
    return status;
}

enum mi_status mi_cac_model_read(const char *path, struct mi_cac_model **model, struct mi_error *error) {
    struct mi_model_file *file = NULL;
    enum mi_status status = mi_model_file_read(path, TOOL, &file, error);
    if (status == MI_OK) {
        status = mi_cac_model_of(file, model, error);
        mi_model_file_free(file);
    }
    return status;
}

void mi_cac_model_free(struct mi_cac_model *model) {
    if (model == NULL) {
        return;
    }
    for (size_t i = 0; i < model->feature_count; i++) {
        free(model->features[i].name);
        for (size_t c = 0; c < model->features[i].category_count; c++) {
            free(model->features[i].categories[c]);
        }
    }
    for (size_t i = 0; model->names != NULL && i < model->columns; i++) {
        free(model->names[i]);
    }
    free(model->features);
    free(model->names);
    free(model->cells);
    free(model->importance);
    free(model->histories);
    mi_index_free(model->campaigns);
    mi_boost_free(model->boost);
    free(model);
}

/* ---- what it says ---- */

size_t mi_cac_feature_count(const struct mi_cac_model *model) {
    return model->feature_count;
}

const char *mi_cac_feature(const struct mi_cac_model *model, size_t number) {
    return model->features[number].name;
}

struct mi_cac_holdout mi_cac_model_holdout(const struct mi_cac_model *model) {
    return model->holdout;
}

size_t mi_cac_importance_count(const struct mi_cac_model *model) {
    return CAC_DERIVED + model->feature_count;
}

const char *mi_cac_importance(const struct mi_cac_model *model, size_t number, double *share) {
    *share = model->importance[number];
    return number < CAC_DERIVED ? cac_derived_names[number] : model->features[number - CAC_DERIVED].name;
}

/* The CAC at which the campaign would win so many customers; missing where that is none. */
static double cac_of(double costs, double customers) {
    return customers > 0 ? costs / customers : NAN;
}

static struct mi_cac_estimate estimate_of(const struct mi_cac_model *model, double costs, double expected,
                                          const struct cac_history *history) {
    struct mi_cac_estimate estimate = {.low = NAN, .high = NAN, .known = history != NULL};
    double spread = cac_spread(model, expected, history);
    estimate.customers = expected;
    estimate.cac = cac_of(costs, expected);
    if (isfinite(model->low) && isfinite(model->high)) {
        estimate.low = cac_of(costs, (expected + 0.5) * exp(model->high * spread) - 0.5);
        estimate.high = cac_of(costs, (expected + 0.5) * exp(model->low * spread) - 0.5);
    }
    return estimate;
}

static const struct cac_history *history_of(const struct mi_cac_model *model, struct mi_text campaign_id) {
    size_t number = mi_index_find(model->campaigns, campaign_id);
    return number != SIZE_MAX ? &model->histories[number] : NULL;
}

/* At most CAC_BLOCK rows. */
static enum mi_status predict_block(struct mi_cac_model *model, const struct mi_cac_row *rows, size_t count,
                                    struct mi_cac_estimate *estimates, struct mi_error *error) {
    float ratios[CAC_BLOCK];
    for (size_t i = 0; i < count; i++) {
        const struct cac_row in = {.date = rows[i].date, .costs = rows[i].costs, .values = rows[i].values};
        estimates[i].customers =
            cac_fill(model, &in, &model->portfolio, history_of(model, rows[i].campaign_id),
                     model->cells + i * model->columns);
        ratios[i] = 1;
    }
    enum mi_status status =
        model->boost != NULL ? mi_boost_predict(model->boost, model->cells, count, ratios, error) : MI_OK;
    for (size_t i = 0; i < count && status == MI_OK; i++) {
        const struct cac_history *history = history_of(model, rows[i].campaign_id);
        double expected = estimates[i].customers * fmax(ratios[i], 1e-6);
        estimates[i] = rows[i].costs > 0 ? estimate_of(model, rows[i].costs, expected, history)
                                         : (struct mi_cac_estimate){NAN, NAN, NAN, 0, history != NULL};
    }
    return status;
}

enum mi_status mi_cac_predict(struct mi_cac_model *model, const struct mi_cac_row *rows, size_t count,
                              struct mi_cac_estimate *estimates, struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t from = 0; from < count && status == MI_OK; from += CAC_BLOCK) {
        size_t block = count - from < CAC_BLOCK ? count - from : CAC_BLOCK;
        status = predict_block(model, rows + from, block, estimates + from, error);
    }
    return status;
}
