/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Ensembles as model files.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ltv/ensemble.h"
#include "record/modelfile.h"

#define KIND "ensemble"

static const char *const kind_names[LTV_FEATURE_KINDS] = {"number", "date", "category"};

/* ---- features ---- */

static void write_numbers(struct mi_buffer *out, const char *before, const double *values, size_t count) {
    mi_buffer_string(out, before);
    for (size_t i = 0; i < count; i++) {
        mi_model_file_number(out, i > 0 ? ", " : "", values[i]);
    }
    mi_buffer_string(out, "]");
}

static enum mi_status write_levels(struct mi_buffer *out, const struct ltv_feature *feature,
                                   struct mi_error *error) {
    size_t levels = mi_index_size(feature->levels);
    enum mi_status status = MI_OK;
    mi_buffer_string(out, ", \"levels\": [");
    for (size_t i = 0; i < levels && status == MI_OK; i++) {
        mi_buffer_string(out, i > 0 ? ", " : "");
        status = mi_model_file_string(out, mi_index_text(feature->levels, i), error);
        if (status == MI_BAD_INPUT && error != NULL) {
            snprintf(error->column, sizeof error->column, "%s", feature->name);
        }
    }
    write_numbers(out, "], \"rows\": [", feature->level_rows, levels);
    return status;
}

static enum mi_status write_features(struct mi_buffer *out, const struct ltv_features *features,
                                     struct mi_error *error) {
    enum mi_status status = MI_OK;
    mi_buffer_string(out, ",\n \"features\": [");
    for (size_t i = 0; i < features->count && status == MI_OK; i++) {
        const struct ltv_feature *feature = &features->items[i];
        mi_buffer_string(out, i > 0 ? ",\n  {\"name\": " : "\n  {\"name\": ");
        status = mi_model_file_string(out, mi_text_of(feature->name), error);
        mi_buffer_print(out, ", \"kind\": \"%s\"", kind_names[feature->kind]);
        mi_model_file_number(out, ", \"missing\": ", feature->missing);
        if (feature->kind == LTV_FEATURE_CATEGORY) {
            status = status == MI_OK ? write_levels(out, feature, error) : status;
        } else {
            mi_model_file_number(out, ", \"low\": ", feature->low);
            mi_model_file_number(out, ", \"high\": ", feature->high);
            mi_model_file_number(out, ", \"mean\": ", feature->mean);
            mi_model_file_number(out, ", \"sd\": ", feature->sd);
            write_numbers(out, ", \"deciles\": [", feature->edges, LTV_DRIFT_BINS - 1);
            write_numbers(out, ", \"shares\": [", feature->shares, LTV_DRIFT_BINS + 1);
        }
        mi_buffer_string(out, "}");
    }
    mi_buffer_string(out, "\n ]");
    return status;
}

static bool read_numbers(const json_t *array, size_t count, double *out) {
    if (json_array_size(array) != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(array, i);
        out[i] = json_number_value(value);
        if (!json_is_number(value)) {
            return false;
        }
    }
    return true;
}

static enum mi_status read_levels(struct mi_model_reading *reading, const json_t *object,
                                  struct ltv_feature *feature, struct mi_error *error) {
    const json_t *levels = json_object_get(object, "levels");
    size_t count = json_array_size(levels);
    enum mi_status status = mi_index_new(&feature->levels, error);
    feature->level_rows = calloc(count > 0 ? count : 1, sizeof *feature->level_rows);
    if (status == MI_OK && feature->level_rows == NULL) {
        status = mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    bool good = status == MI_OK && count > 0 &&
                read_numbers(json_object_get(object, "rows"), count, feature->level_rows);
    for (size_t i = 0; i < count && status == MI_OK && good; i++) {
        const json_t *level = json_array_get(levels, i);
        size_t number = 0;
        good = json_is_string(level);
        if (good) {
            struct mi_text text = {json_string_value(level), json_string_length(level)};
            status = mi_index_add(feature->levels, text, &number, NULL, error);
        }
        good = good && number == i;
    }
    reading->fault = good ? reading->fault : "levels";
    return status;
}

static enum mi_status read_feature(struct mi_model_reading *reading, const json_t *object,
                                   struct ltv_feature *feature, struct mi_error *error) {
    const json_t *name = json_object_get(object, "name");
    const char *kind = json_string_value(json_object_get(object, "kind"));
    size_t found = LTV_FEATURE_KINDS;
    for (size_t i = 0; kind != NULL && i < LTV_FEATURE_KINDS; i++) {
        found = strcmp(kind, kind_names[i]) == 0 ? i : found;
    }
    if (!json_is_string(name) || found == LTV_FEATURE_KINDS) {
        reading->fault = "features";
        return MI_OK;
    }
    feature->kind = (enum ltv_feature_kind)found;
    feature->name = mi_text_copy((struct mi_text){json_string_value(name), json_string_length(name)});
    if (feature->name == NULL) {
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    feature->missing = mi_model_file_get_number(reading, object, "missing", 0, 1, false);
    if (feature->kind == LTV_FEATURE_CATEGORY) {
        return read_levels(reading, object, feature, error);
    }
    feature->low = mi_model_file_get_number(reading, object, "low", -1e300, 1e300, false);
    feature->high = mi_model_file_get_number(reading, object, "high", -1e300, 1e300, false);
    feature->mean = mi_model_file_get_number(reading, object, "mean", -1e300, 1e300, false);
    feature->sd = mi_model_file_get_number(reading, object, "sd", 0, 1e300, false);
    if (!read_numbers(json_object_get(object, "deciles"), LTV_DRIFT_BINS - 1, feature->edges) ||
        !read_numbers(json_object_get(object, "shares"), LTV_DRIFT_BINS + 1, feature->shares)) {
        reading->fault = "features";
    }
    return MI_OK;
}

static enum mi_status read_features(struct mi_model_reading *reading, const json_t *array,
                                    struct ltv_features *features, struct mi_error *error) {
    size_t count = json_array_size(array);
    enum mi_status status = MI_OK;
    if (count == 0) {
        reading->fault = "features";
        return MI_OK;
    }
    features->items = calloc(count, sizeof *features->items);
    if (features->items == NULL) {
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    features->count = count;
    for (size_t i = 0; i < count && status == MI_OK && reading->fault == NULL; i++) {
        status = read_feature(reading, json_array_get(array, i), &features->items[i], error);
    }
    return status;
}

/* ---- what was held out ---- */

static void write_heldout(struct mi_buffer *out, const struct ltv_heldout *heldout) {
    mi_model_file_number(out, "\"mae\": ", heldout->score.mae);
    mi_model_file_number(out, ", \"rmse\": ", heldout->score.rmse);
    mi_model_file_number(out, ", \"gini\": ", heldout->score.gini);
    mi_model_file_number(out, ", \"total_ratio\": ", heldout->score.ratio);
    mi_model_file_number(out, ", \"pinball\": ", heldout->pinball);
    mi_model_file_number(out, ", \"coverage\": ", heldout->coverage);
}

static void read_heldout(struct mi_model_reading *reading, const json_t *object,
                         struct ltv_heldout *heldout) {
    heldout->score.mae = mi_model_file_get_number(reading, object, "mae", 0, HUGE_VAL, false);
    heldout->score.rmse = mi_model_file_get_number(reading, object, "rmse", 0, HUGE_VAL, false);
    heldout->score.gini = mi_model_file_get_number(reading, object, "gini", -2, 2, true);
    heldout->score.ratio = mi_model_file_get_number(reading, object, "total_ratio", 0, HUGE_VAL, true);
    heldout->pinball = mi_model_file_get_number(reading, object, "pinball", 0, HUGE_VAL, true);
    heldout->coverage = mi_model_file_get_number(reading, object, "coverage", 0, 1, true);
}

/* ---- writing ---- */

static void write_training(struct mi_buffer *out, const struct mi_ltv_ensemble *ensemble) {
    mi_model_file_number(out, ",\n \"training\": {\"rows\": ", ensemble->training.rows);
    mi_model_file_number(out, ", \"payers\": ", ensemble->training.payers);
    mi_model_file_number(out, ", \"mean\": ", ensemble->training.mean);
    mi_model_file_number(out, ", \"seed\": ", (double)ensemble->training.seed);
    mi_buffer_print(out, ", \"validation\": \"%s\"", ensemble->training.by_time ? "latest" : "folds");
    mi_model_file_date(out, ", \"first\": ", ensemble->training.first);
    mi_model_file_date(out, ", \"last\": ", ensemble->training.last);
    mi_buffer_print(out, ", \"fingerprint\": \"%016llx\"}",
                    (unsigned long long)ensemble->training.fingerprint);
}

static void write_members(struct mi_buffer *out, const struct mi_ltv_ensemble *ensemble) {
    const char *between = "\n  ";
    mi_model_file_number(out, ",\n \"heldout\": {\"rows\": ", ensemble->heldout_rows);
    mi_buffer_string(out, ", ");
    write_heldout(out, &ensemble->heldout);
    mi_model_file_number(out, "},\n \"scale\": ", ensemble->weights.scale);
    mi_model_file_number(out, ",\n \"paying\": {\"unit\": ", ensemble->paying.unit);
    mi_model_file_number(out, ", \"constant\": ", ensemble->paying.constant);
    mi_model_file_number(out, ", \"mean\": ", ensemble->paying.mean);
    mi_buffer_string(out, "},\n \"members\": [");
    for (size_t m = 0; m < LTV_MEMBERS; m++) {
        if (!ensemble->members[m]) {
            continue;
        }
        mi_buffer_print(out, "%s{\"name\": \"%s\"", between, ltv_member_names[m]);
        mi_model_file_number(out, ", \"weight\": ", ensemble->weights.weight[m]);
        const struct ltv_bend *bend = &ensemble->weights.bend[m];
        mi_model_file_number(out, ", \"knee\": ", bend->knee);
        mi_model_file_number(out, ", \"power\": ", bend->power);
        mi_model_file_number(out, ", \"scale\": ", bend->scale);
        mi_model_file_number(out, ", \"paying\": ", ensemble->paying.members[m]);
        mi_buffer_string(out, ensemble->weights.weight[m] > 0
                                  ? ", \"heldout\": {"
                                  : ", \"note\": \"does not help the others\", \"heldout\": {");
        write_heldout(out, &ensemble->alone[m]);
        mi_buffer_string(out, "}}");
        between = ",\n  ";
    }
    mi_buffer_string(out, "\n ]");
}

static void write_outlooks(struct mi_buffer *out, const struct mi_ltv_ensemble *ensemble) {
    mi_buffer_string(out, ",\n \"outlook\": ");
    ltv_outlook_write(&ensemble->outlook, out);
    if (ensemble->segment == SIZE_MAX) {
        return;
    }
    mi_buffer_print(out, ",\n \"segment\": %zu,\n \"segments\": [", ensemble->segment);
    for (size_t i = 0; i < ensemble->segment_count; i++) {
        mi_buffer_print(out, "%s\n {\"level\": %zu, \"outlook\": ", i > 0 ? "," : "",
                        ensemble->segments[i].level);
        ltv_outlook_write(&ensemble->segments[i].outlook, out);
        mi_buffer_string(out, "}");
    }
    mi_buffer_string(out, "]");
}

/* Its features are the last ones. */
static enum mi_status write_log(struct mi_buffer *out, const struct mi_ltv_ensemble *ensemble,
                                struct mi_error *error) {
    mi_buffer_string(out, ",\n \"log\": {\"customer\": ");
    enum mi_status status = mi_model_file_string(out, mi_text_of(ensemble->log.customer), error);
    mi_model_file_number(out, ", \"horizon\": ", ensemble->log.horizon);
    mi_model_file_date(out, ", \"cut\": ", ensemble->log.cut);
    mi_buffer_string(out, "}");
    return status;
}

enum mi_status mi_ltv_ensemble_write(const struct mi_ltv_ensemble *ensemble, const char *path,
                                     struct mi_error *error) {
    struct mi_buffer out = {0};
    mi_model_file_begin(&out, "mi-ltv", KIND);
    mi_buffer_string(&out, ",\n \"target\": ");
    enum mi_status status = mi_model_file_string(&out, mi_text_of(ensemble->target), error);
    write_training(&out, ensemble);
    write_members(&out, ensemble);
    if (ensemble->learner.given != SIZE_MAX) {
        mi_buffer_print(&out, ",\n \"given\": %zu", ensemble->learner.given);
    }
    if (status == MI_OK && ensemble->log.customer != NULL) {
        status = write_log(&out, ensemble, error);
    }
    if (status == MI_OK) {
        status = write_features(&out, &ensemble->features, error);
    }
    write_outlooks(&out, ensemble);
    mi_buffer_string(&out, ",\n \"learner\": ");
    if (status == MI_OK) {
        status = ltv_learner_write(&ensemble->learner, &out, error);
    }
    if (status == MI_OK) {
        status = mi_model_file_end(&out, path, error);
    }
    mi_buffer_free(&out);
    return status;
}

/* ---- reading ---- */

static void read_training(struct mi_model_reading *reading, const json_t *root,
                          struct mi_ltv_ensemble *ensemble) {
    const json_t *object = json_object_get(root, "training");
    const char *validation = json_string_value(json_object_get(object, "validation"));
    ensemble->training.rows = mi_model_file_get_number(reading, object, "rows", 1, MI_MONEY_LIMIT, false);
    ensemble->training.payers = mi_model_file_get_number(reading, object, "payers", 1, MI_MONEY_LIMIT, false);
    ensemble->training.mean = mi_model_file_get_number(reading, object, "mean", 0, MI_MONEY_LIMIT, false);
    double seed = mi_model_file_get_number(reading, object, "seed", 0, 1.8e19, false);
    ensemble->training.seed = isnan(seed) ? 0 : (uint64_t)seed;
    ensemble->training.by_time = validation != NULL && strcmp(validation, "latest") == 0;
    ensemble->training.first = mi_model_file_get_date(reading, object, "first");
    ensemble->training.last = mi_model_file_get_date(reading, object, "last");
    ensemble->training.fingerprint = mi_model_file_get_fingerprint(reading, object, "fingerprint");
}

static void read_paying(struct mi_model_reading *reading, const json_t *object, struct ltv_paying *paying) {
    paying->unit = mi_model_file_get_number(reading, object, "unit", 1e-12, MI_MONEY_LIMIT, false);
    paying->constant = mi_model_file_get_number(reading, object, "constant", -1e6, 1e6, false);
    paying->mean = mi_model_file_get_number(reading, object, "mean", -1e6, 1e6, false);
}

static void read_members(struct mi_model_reading *reading, const json_t *root,
                         struct mi_ltv_ensemble *ensemble) {
    const json_t *heldout = json_object_get(root, "heldout"), *members = json_object_get(root, "members");
    double sum = 0;
    ensemble->heldout_rows = mi_model_file_get_number(reading, heldout, "rows", 1, MI_MONEY_LIMIT, false);
    read_heldout(reading, heldout, &ensemble->heldout);
    ensemble->weights.scale = mi_model_file_get_number(reading, root, "scale", 0, 1e6, false);
    read_paying(reading, json_object_get(root, "paying"), &ensemble->paying);
    for (size_t i = 0; i < json_array_size(members); i++) {
        const json_t *object = json_array_get(members, i);
        const char *name = json_string_value(json_object_get(object, "name"));
        size_t m = 0;
        while (m < LTV_MEMBERS && (name == NULL || strcmp(name, ltv_member_names[m]) != 0)) {
            m++;
        }
        if (m == LTV_MEMBERS || ensemble->members[m]) {
            reading->fault = "members";
            return;
        }
        ensemble->members[m] = true;
        ensemble->weights.weight[m] = mi_model_file_get_number(reading, object, "weight", 0, 1, false);
        sum += ensemble->weights.weight[m];
        struct ltv_bend *bend = &ensemble->weights.bend[m];
        bend->knee = mi_model_file_get_number(reading, object, "knee", 0, HUGE_VAL, true);
        bend->knee = isnan(bend->knee) ? HUGE_VAL : bend->knee;
        bend->power = mi_model_file_get_number(reading, object, "power", 0.1, 1, false);
        bend->scale = mi_model_file_get_number(reading, object, "scale", 0, 1e6, false);
        ensemble->paying.members[m] = mi_model_file_get_number(reading, object, "paying", -1e6, 1e6, false);
        read_heldout(reading, json_object_get(object, "heldout"), &ensemble->alone[m]);
    }
    if (!(fabs(sum - 1) < 1e-9)) {
        reading->fault = reading->fault != NULL ? reading->fault : "members";
    }
}

/* A feature's number; SIZE_MAX where the member is not there. */
static size_t read_place(struct mi_model_reading *reading, const json_t *root, const char *key,
                         const struct ltv_features *features, enum ltv_feature_kind kind) {
    const json_t *value = json_object_get(root, key);
    if (value == NULL) {
        return SIZE_MAX;
    }
    json_int_t place = json_integer_value(value);
    if (!json_is_integer(value) || place < 0 || (size_t)place >= features->count ||
        features->items[place].kind != kind) {
        reading->fault = key;
        return SIZE_MAX;
    }
    return (size_t)place;
}

static enum mi_status read_outlooks(struct mi_model_reading *reading, const json_t *root,
                                    struct mi_ltv_ensemble *ensemble, struct mi_error *error) {
    const json_t *segments = json_object_get(root, "segments");
    size_t count = json_array_size(segments);
    enum mi_status status =
        ltv_outlook_read(json_object_get(root, "outlook"), &ensemble->outlook, &reading->fault, error);
    if (status != MI_OK || count == 0) {
        return status;
    }
    ensemble->segments = calloc(count, sizeof *ensemble->segments);
    if (ensemble->segments == NULL) {
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < count && status == MI_OK; i++) {
        const json_t *object = json_array_get(segments, i);
        double level = mi_model_file_get_number(reading, object, "level", 0, 1e9, false);
        ensemble->segments[i].level = isnan(level) ? 0 : (size_t)level;
        ensemble->segment_count = i + 1;
        status = ltv_outlook_read(json_object_get(object, "outlook"), &ensemble->segments[i].outlook,
                                  &reading->fault, error);
    }
    return status;
}

static enum mi_status read_log(struct mi_model_reading *reading, const json_t *root,
                               struct mi_ltv_ensemble *ensemble, struct mi_error *error) {
    const json_t *object = json_object_get(root, "log");
    struct ltv_features *features = &ensemble->features;
    if (object == NULL) {
        return MI_OK;
    }
    const char *customer = json_string_value(json_object_get(object, "customer"));
    ensemble->log.horizon = mi_model_file_get_number(reading, object, "horizon", 1e-9, 1e9, false);
    ensemble->log.cut = mi_model_file_get_date(reading, object, "cut");
    bool good = customer != NULL && features->count >= LTV_LOG_FEATURES;
    for (size_t i = 0; i < LTV_LOG_FEATURES && good; i++) {
        struct ltv_feature *feature = &features->items[features->count - LTV_LOG_FEATURES + i];
        feature->of_log = true;
        good = feature->kind == LTV_FEATURE_NUMBER && strcmp(feature->name, ltv_log_features[i]) == 0;
    }
    if (!good) {
        reading->fault = reading->fault != NULL ? reading->fault : "log";
        return MI_OK;
    }
    ensemble->log.customer = mi_text_copy(mi_text_of(customer));
    return ensemble->log.customer != NULL ? MI_OK : mi_error_set(error, MI_NO_MEMORY, "out of memory");
}

/* The members that have a weight are in the learner. */
static bool complete(const struct mi_ltv_ensemble *ensemble) {
    const double *weight = ensemble->weights.weight;
    const struct ltv_learner *learner = &ensemble->learner;
    return (weight[LTV_LEAF] == 0 || learner->leaf != NULL) &&
           (weight[LTV_DEPTH] == 0 || learner->paying != NULL) &&
           (weight[LTV_NET] == 0 || learner->net != NULL) &&
           (weight[LTV_GIVEN] == 0 || learner->given != SIZE_MAX) &&
           (weight[LTV_BTYD] == 0 || (learner->buyers.model != NULL && ensemble->log.customer != NULL));
}

static enum mi_status read_parts(struct mi_model_reading *reading, const json_t *root,
                                 struct mi_ltv_ensemble *ensemble, struct mi_error *error) {
    read_training(reading, root, ensemble);
    read_members(reading, root, ensemble);
    enum mi_status status =
        read_features(reading, json_object_get(root, "features"), &ensemble->features, error);
    if (status == MI_OK && reading->fault == NULL) {
        status = read_outlooks(reading, root, ensemble, error);
    }
    if (status != MI_OK || reading->fault != NULL) {
        return status;
    }
    status = read_log(reading, root, ensemble, error);
    if (status != MI_OK || reading->fault != NULL) {
        return status;
    }
    size_t given = read_place(reading, root, "given", &ensemble->features, LTV_FEATURE_NUMBER);
    ensemble->segment = read_place(reading, root, "segment", &ensemble->features, LTV_FEATURE_CATEGORY);
    status = ltv_learner_read(json_object_get(root, "learner"), &ensemble->features, &ensemble->learner,
                              &reading->fault, error);
    if (status == MI_OK) {
        ensemble->learner.given = given;
        ensemble->learner.log =
            ensemble->log.customer != NULL ? ensemble->features.count - LTV_LOG_FEATURES : SIZE_MAX;
    }
    if (status == MI_OK && reading->fault == NULL && !complete(ensemble)) {
        reading->fault = "members (one with a weight is not there)";
    }
    return status;
}

static enum mi_status read_ensemble(const json_t *root, struct mi_ltv_ensemble **ensemble,
                                    struct mi_error *error) {
    struct mi_model_reading reading = {0};
    const char *target = json_string_value(json_object_get(root, "target"));
    struct mi_ltv_ensemble *made;
    enum mi_status status = ltv_ensemble_new(target != NULL ? target : "", &made, error);
    if (status != MI_OK) {
        return status;
    }
    reading.fault = target != NULL ? NULL : "target";
    status = read_parts(&reading, root, made, error);
    if (status == MI_OK && reading.fault != NULL) {
        status = mi_error_set(error, MI_BAD_INPUT, "the model is at fault: %s", reading.fault);
    }
    if (status != MI_OK) {
        mi_ltv_ensemble_free(made);
        return status;
    }
    *ensemble = made;
    return MI_OK;
}

enum mi_status mi_ltv_ensemble_of(const struct mi_model_file *file, struct mi_ltv_ensemble **ensemble,
                                  struct mi_error *error) {
    enum mi_status status = mi_model_file_expect(file, KIND, error);
    return status == MI_OK ? mi_model_file_blame(file, read_ensemble(file->root, ensemble, error), error)
                           : status;
}

/* ---- saying ---- */

void mi_ltv_ensemble_say(const struct mi_ltv_ensemble *ensemble, const struct mi_notes *notes) {
    for (size_t m = 0; m < LTV_MEMBERS; m++) {
        const struct ltv_score *score = &ensemble->alone[m].score;
        if (ensemble->members[m]) {
            mi_notes_say(notes, "%-5s weight %.3g, held out alone: MAE %.4g, RMSE %.4g, Gini %.3f%s",
                         ltv_member_names[m], ensemble->weights.weight[m], score->mae, score->rmse,
                         score->gini, ensemble->weights.weight[m] > 0 ? "" : " (does not help the others)");
        }
    }
    const struct ltv_score *score = &ensemble->heldout.score;
    mi_notes_say(
        notes,
        "together, held out: %.0f users, MAE %.4g, RMSE %.4g, Gini %.3f, total predicted/actual %.3f, "
        "80 %% sets hold %.1f %%",
        ensemble->heldout_rows, score->mae, score->rmse, score->gini, score->ratio,
        100 * ensemble->heldout.coverage);
}
