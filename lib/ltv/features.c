/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which columns can be features, of what kind they are, and cells as codes.
 */
#include "ltv/features.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRAY_SHARE 0.1 /* of the filled cells: fewer texts than this among numbers are slips */

void ltv_features_clear(struct ltv_features *features) {
    for (size_t i = 0; i < features->count; i++) {
        free(features->items[i].name);
        mi_index_free(features->items[i].levels);
        free(features->items[i].level_rows);
    }
    free(features->items);
    *features = (struct ltv_features){0};
}

bool ltv_list_has(const char *list, struct mi_text name) {
    for (const char *at = list; at != NULL && *at != '\0';) {
        size_t size = strcspn(at, ",");
        if (size == name.size && memcmp(at, name.data, size) == 0) {
            return true;
        }
        at += size + (at[size] == ',');
    }
    return false;
}

/* ---- what a column holds ---- */

struct column_facts {
    size_t filled, numbers, dates, distinct;
    size_t stray;    /* first row whose cell is neither empty nor a number, SIZE_MAX: none */
    bool whole;      /* all numbers are whole */
    bool constant;   /* the same text in all rows */
    bool other_date; /* a date after the cut */
    struct mi_text other;
};

static enum mi_status look_at(const struct mi_batch *batch, size_t column, int32_t cut,
                              struct column_facts *facts, struct mi_error *error) {
    struct mi_index *texts;
    enum mi_status status = mi_index_new(&texts, error);
    *facts = (struct column_facts){.stray = SIZE_MAX, .whole = true};
    for (size_t row = 0; row < mi_batch_rows(batch) && status == MI_OK; row++) {
        struct mi_text text;
        size_t number;
        double value;
        int32_t date;
        status = mi_batch_text(batch, row, column, &text, error);
        if (status == MI_OK) {
            status = mi_index_add(texts, text, &number, NULL, error);
        }
        if (status != MI_OK || text.data == NULL) {
            continue;
        }
        facts->filled++;
        if (mi_number_parse(text, &value)) {
            facts->numbers++;
            facts->whole = facts->whole && value == floor(value);
        } else if (facts->stray == SIZE_MAX) {
            facts->stray = row;
        }
        if (facts->numbers == 0 && mi_date_parse(text, &date)) {
            facts->dates++;
            if (cut != MI_DATE_MISSING && date > cut && !facts->other_date) {
                facts->other_date = true;
                facts->other = text;
            }
        }
    }
    if (status == MI_OK) {
        facts->distinct = mi_index_size(texts);
        facts->constant = facts->distinct <= 1;
    }
    mi_index_free(texts);
    return status;
}

static bool names_an_id(struct mi_text name) {
    static const char *const ids[] = {"id", "user", "customer", "uid", "guid"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        if (mi_text_equal(name, mi_text_of(ids[i]))) {
            return true;
        }
    }
    return name.size > 3 && memcmp(name.data + name.size - 3, "_id", 3) == 0;
}

/* Why a column cannot be a feature, or NULL. */
static const char *refusal(struct mi_text name, const struct column_facts *facts, size_t rows) {
    bool unique = facts->distinct == rows && rows > 1;
    if (facts->filled == 0) {
        return "empty in every row";
    }
    if (facts->constant) {
        return "the same in every row";
    }
    if (unique && facts->dates < facts->filled && facts->numbers < facts->filled) {
        return "a text of its own in every row";
    }
    return unique && facts->whole && names_an_id(name) ? "an identifier" : NULL;
}

static enum mi_status stray_text(const struct mi_batch *batch, size_t column,
                                 const struct column_facts *facts, struct mi_error *error) {
    struct mi_text text;
    enum mi_status status = mi_batch_text(batch, facts->stray, column, &text, error);
    if (status != MI_OK) {
        return status;
    }
    mi_batch_fault(batch, facts->stray, column, error,
                   "a text among numbers: \"%.*s\" (an empty cell is a missing number; --exclude leaves the "
                   "column out)",
                   (int)(text.size < 80 ? text.size : 80), text.data);
    return mi_error_set(error, MI_BAD_INPUT, "%s", error != NULL ? error->text : "");
}

static enum mi_status add_feature(struct ltv_features *features, struct mi_text name,
                                  enum ltv_feature_kind kind, struct mi_error *error) {
    struct ltv_feature *items = realloc(features->items, (features->count + 1) * sizeof *items);
    if (items == NULL) {
        return mi_no_memory(error);
    }
    features->items = items;
    struct ltv_feature *feature = &items[features->count++];
    *feature = (struct ltv_feature){.name = mi_text_copy(name), .kind = kind};
    if (feature->name == NULL) {
        return mi_no_memory(error);
    }
    return kind == LTV_FEATURE_CATEGORY ? mi_index_new(&feature->levels, error) : MI_OK;
}

struct finding {
    struct mi_reader *reader;
    const struct mi_batch *batch;
    const struct ltv_feature_choice *choice;
    const struct mi_notes *notes;
    struct ltv_features *features;
    size_t late; /* features dated after the cut */
};

/* Takes the column as a feature, or says why not. */
static enum mi_status judge(struct finding *finding, size_t column, struct mi_text name, bool asked,
                            struct mi_error *error) {
    struct column_facts facts;
    size_t same;
    char *copy = mi_text_copy(name);
    if (copy == NULL) {
        return mi_no_memory(error);
    }
    /* One that stands twice is refused by the reader. */
    enum mi_status status = mi_reader_column(finding->reader, copy, true, &same, error);
    free(copy);
    if (status == MI_OK) {
        status = look_at(finding->batch, column, finding->choice->cut, &facts, error);
    }
    if (status != MI_OK) {
        return status;
    }
    const char *why = refusal(name, &facts, mi_batch_rows(finding->batch));
    if (why != NULL && asked) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "--features: '%.*s' cannot be one: %s", (int)name.size,
                            name.data, why);
    }
    if (why != NULL) {
        mi_notes_say(finding->notes, "'%.*s' is no feature: %s", (int)name.size, name.data, why);
        return MI_OK;
    }
    bool number = facts.numbers == facts.filled, date = facts.dates == facts.filled;
    if (!number && !date && (double)(facts.filled - facts.numbers) < STRAY_SHARE * (double)facts.filled) {
        return stray_text(finding->batch, column, &facts, error);
    }
    if (date && facts.other_date) {
        finding->late++;
        if (!finding->choice->allow_leak) {
            return mi_error_set(error, MI_BAD_INPUT,
                                "'%.*s' has dates after the cut, as %.*s: it tells of the time that is to be "
                                "predicted (--exclude it, or --allow-leak)",
                                (int)name.size, name.data, (int)facts.other.size, facts.other.data);
        }
        mi_notes_say(finding->notes, "'%.*s' has dates after the cut, allowed by --allow-leak",
                     (int)name.size, name.data);
    }
    enum ltv_feature_kind kind = number ? LTV_FEATURE_NUMBER : date ? LTV_FEATURE_DATE : LTV_FEATURE_CATEGORY;
    return add_feature(finding->features, name, kind, error);
}

/* Every name that was asked for is a column. */
static enum mi_status check_list(const struct mi_reader *reader, const char *list, const char *option,
                                 struct mi_error *error) {
    for (const char *at = list; at != NULL && *at != '\0';) {
        size_t size = strcspn(at, ",");
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)size, at);
        if (size == 0 || size >= sizeof name || !mi_reader_has(reader, name)) {
            return mi_error_set(error, MI_BAD_ARGUMENT, "--%s: no column '%.*s'", option, (int)size, at);
        }
        at += size + (at[size] == ',');
    }
    return MI_OK;
}

static bool is_part(struct mi_text name, const char *column) {
    return column != NULL && mi_text_equal(name, mi_text_of(column));
}

const char *const ltv_log_features[LTV_LOG_FEATURES] = {"frequency", "recency", "T", "monetary_value"};

static enum mi_status add_log_features(struct ltv_features *features, struct mi_error *error) {
    size_t columns = features->count;
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < LTV_LOG_FEATURES && status == MI_OK; i++) {
        struct mi_text name = mi_text_of(ltv_log_features[i]);
        for (size_t k = 0; k < columns; k++) {
            if (mi_text_equal(name, mi_text_of(features->items[k].name))) {
                return mi_error_set(error, MI_BAD_ARGUMENT,
                                    "'%s' is a column, and a feature that --transactions makes: --exclude=%s",
                                    ltv_log_features[i], ltv_log_features[i]);
            }
        }
        status = add_feature(features, name, LTV_FEATURE_NUMBER, error);
        features->items[features->count - 1].of_log = true;
    }
    return status;
}

enum mi_status ltv_features_find(struct mi_reader *reader, const struct mi_batch *batch,
                                 const struct ltv_feature_choice *choice, const struct mi_notes *notes,
                                 struct ltv_features *features, struct mi_error *error) {
    struct finding finding = {reader, batch, choice, notes, features, 0};
    enum mi_status status = check_list(reader, choice->features, "features", error);
    if (status == MI_OK) {
        status = check_list(reader, choice->exclude, "exclude", error);
    }
    for (size_t column = 0; column < mi_reader_column_count(reader) && status == MI_OK; column++) {
        struct mi_text name = mi_reader_column_name(reader, column);
        bool asked = ltv_list_has(choice->features, name);
        if (ltv_list_has(choice->exclude, name) || is_part(name, choice->time) ||
            is_part(name, choice->target) || is_part(name, choice->customer)) {
            if (asked && is_part(name, choice->target)) {
                status =
                    mi_error_set(error, MI_BAD_ARGUMENT, "--features: '%s' is the target", choice->target);
            }
            continue;
        }
        if (choice->features == NULL || asked) {
            status = judge(&finding, column, name, asked, error);
        }
    }
    if (status == MI_OK && features->count == 0 && !choice->log) {
        status = mi_error_set(error, MI_BAD_INPUT, "no column can be a feature");
    }
    if (status == MI_OK && choice->log) {
        status = add_log_features(features, error);
    }
    return status;
}

/* ---- codes ---- */

bool ltv_feature_code(const struct ltv_feature *feature, struct mi_text text, float *code) {
    if (feature->kind == LTV_FEATURE_CATEGORY) {
        size_t level = mi_index_find(feature->levels, text);
        *code = level == SIZE_MAX ? LTV_CODE_UNSEEN : (float)level;
        return true;
    }
    if (text.data == NULL) {
        *code = NAN;
        return true;
    }
    if (feature->kind == LTV_FEATURE_DATE) {
        int32_t days;
        bool good = mi_date_parse(text, &days);
        *code = good ? (float)days : NAN;
        return good;
    }
    double value;
    if (!mi_number_parse(text, &value) || fabs(value) > 1e37) {
        return false;
    }
    *code = (float)value;
    return true;
}

/* Reads a column of the fit; categories get their numbers here. */
static enum mi_status code_column(const struct mi_batch *batch, size_t column, struct ltv_feature *feature,
                                  float *codes, size_t stride, struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t row = 0; row < mi_batch_rows(batch) && status == MI_OK; row++) {
        struct mi_text text;
        size_t level;
        status = mi_batch_text(batch, row, column, &text, error);
        if (status == MI_OK && feature->levels != NULL) {
            status = mi_index_add(feature->levels, text, &level, NULL, error);
        }
        if (status == MI_OK && !ltv_feature_code(feature, text, &codes[row * stride])) {
            mi_batch_fault(batch, row, column, error, "not a number: \"%.*s\"",
                           (int)(text.size < 80 ? text.size : 80), text.data);
            status = MI_BAD_INPUT;
        }
    }
    return status;
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static size_t bin_of(const struct ltv_feature *feature, float code) {
    if (isnan(code)) {
        return LTV_DRIFT_BINS;
    }
    size_t bin = 0;
    while (bin < LTV_DRIFT_BINS - 1 && (double)code > feature->edges[bin]) {
        bin++;
    }
    return bin;
}

/* What is known of numbers: `sorted` holds those that are there. */
static void describe_numbers(struct ltv_feature *feature, float *sorted, size_t count) {
    double sum = 0, squares = 0;
    qsort(sorted, count, sizeof *sorted, ascending);
    for (size_t i = 0; i < count; i++) {
        sum += (double)sorted[i];
    }
    feature->mean = sum / (double)count;
    for (size_t i = 0; i < count; i++) {
        squares += pow((double)sorted[i] - feature->mean, 2);
    }
    feature->sd = sqrt(squares / (double)count);
    feature->low = (double)sorted[0];
    feature->high = (double)sorted[count - 1];
    for (size_t i = 0; i < LTV_DRIFT_BINS - 1; i++) {
        feature->edges[i] = (double)sorted[(i + 1) * count / LTV_DRIFT_BINS];
    }
}

static enum mi_status describe(struct ltv_feature *feature, const float *codes, size_t rows, size_t stride,
                               struct mi_error *error) {
    float *sorted = malloc((rows > 0 ? rows : 1) * sizeof *sorted);
    size_t count = 0;
    if (sorted == NULL) {
        return mi_no_memory(error);
    }
    for (size_t row = 0; row < rows; row++) {
        if (!isnan(codes[row * stride])) {
            sorted[count++] = codes[row * stride];
        }
    }
    feature->missing = 1 - (double)count / (double)rows;
    if (feature->kind == LTV_FEATURE_CATEGORY) {
        feature->level_rows = calloc(mi_index_size(feature->levels), sizeof *feature->level_rows);
        for (size_t row = 0; row < rows && feature->level_rows != NULL; row++) {
            feature->level_rows[(size_t)codes[row * stride]]++;
        }
    } else if (count > 0) {
        describe_numbers(feature, sorted, count);
        for (size_t row = 0; row < rows; row++) {
            feature->shares[bin_of(feature, codes[row * stride])] += 1.0 / (double)rows;
        }
    }
    free(sorted);
    return feature->kind == LTV_FEATURE_CATEGORY && feature->level_rows == NULL ? mi_no_memory(error) : MI_OK;
}

bool ltv_log_codes(const struct mi_rfm *rfm, struct mi_text customer_id, float codes[LTV_LOG_FEATURES]) {
    struct mi_rfm_row row;
    bool there = mi_rfm_find(rfm, customer_id, &row);
    const struct mi_customer *c = &row.customer;
    codes[LTV_LOG_FREQUENCY] = there ? (float)c->frequency : NAN;
    codes[LTV_LOG_RECENCY] = there ? (float)c->recency : NAN;
    codes[LTV_LOG_T] = there ? (float)c->T : NAN;
    codes[LTV_LOG_VALUE] = there ? (float)c->monetary_value : NAN;
    return there;
}

/* The first of the log's features stands at `codes`. */
static enum mi_status code_log(struct mi_reader *reader, const struct mi_batch *batch,
                               const struct ltv_log *log, float *codes, size_t stride,
                               struct mi_error *error) {
    size_t column;
    struct mi_index *once = NULL;
    enum mi_status status = mi_reader_column(reader, log->customer, true, &column, error);
    if (status == MI_OK) {
        status = mi_batch_index(batch, column, &once, error);
    }
    mi_index_free(once);
    for (size_t row = 0; row < mi_batch_rows(batch) && status == MI_OK; row++) {
        struct mi_text id;
        status = mi_batch_id(batch, row, column, &id, error);
        if (status == MI_OK) {
            ltv_log_codes(log->rfm, id, codes + row * stride);
        }
    }
    return status == MI_BAD_RECORD ? MI_BAD_INPUT : status;
}

enum mi_status ltv_features_codes(struct mi_reader *reader, const struct mi_batch *batch,
                                  const struct ltv_log *log, struct ltv_features *features, float **codes,
                                  struct mi_error *error) {
    size_t rows = mi_batch_rows(batch), stride = features->count;
    float *made = malloc(rows * stride * sizeof *made);
    enum mi_status status = made != NULL ? MI_OK : mi_no_memory(error);
    for (size_t i = 0; i < stride && status == MI_OK; i++) {
        size_t column;
        bool of_log = features->items[i].of_log;
        if (of_log && (i == 0 || !features->items[i - 1].of_log)) {
            status = code_log(reader, batch, log, made + i, stride, error);
        } else if (!of_log) {
            status = mi_reader_column(reader, features->items[i].name, true, &column, error);
        }
        if (status == MI_OK && !of_log) {
            status = code_column(batch, column, &features->items[i], made + i, stride, error);
        }
        if (status == MI_OK) {
            status = describe(&features->items[i], made + i, rows, stride, error);
        }
    }
    if (status != MI_OK) {
        free(made);
        return status;
    }
    *codes = made;
    return MI_OK;
}

/* ---- drift ---- */

enum mi_status ltv_drift_init(struct ltv_drift *drift, size_t features, struct mi_error *error) {
    drift->rows = 0;
    drift->bins = calloc(features, sizeof *drift->bins);
    return drift->bins != NULL ? MI_OK : mi_no_memory(error);
}

void ltv_drift_clear(struct ltv_drift *drift) {
    free(drift->bins);
    *drift = (struct ltv_drift){0};
}

void ltv_drift_add(struct ltv_drift *drift, const struct ltv_features *features, const float *codes) {
    drift->rows++;
    for (size_t i = 0; i < features->count; i++) {
        if (features->items[i].kind != LTV_FEATURE_CATEGORY) {
            drift->bins[i][bin_of(&features->items[i], codes[i])]++;
        }
    }
}

double ltv_drift_index(const struct ltv_drift *drift, const struct ltv_features *features, size_t feature) {
    const struct ltv_feature *what = &features->items[feature];
    const double rows = (double)drift->rows, least = 0.5;
    double index = 0;
    if (drift->rows < 200 || what->kind == LTV_FEATURE_CATEGORY) {
        return NAN;
    }
    for (size_t bin = 0; bin <= LTV_DRIFT_BINS; bin++) {
        double expected = what->shares[bin], found = drift->bins[feature][bin] / rows;
        if (expected <= 0 && found <= 0) {
            continue;
        }
        expected = fmax(expected, least / rows);
        found = fmax(found, least / rows);
        index += (found - expected) * log(found / expected);
    }
    return index;
}
