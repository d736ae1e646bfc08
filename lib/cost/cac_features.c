/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From a row to the matrix of the CAC model: the first stage's rate, the calendar, and the table's own
 * columns.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cost/cac.h"

const char *const cac_derived_names[CAC_DERIVED] = {
    "costs",   "costs against usual", "campaign's own rate", "weight of own rate",
    "weekday", "day of month",        "day of year"};

#define YEAR 365.2425

void cac_history_move(struct cac_history *history, int32_t date, double half_life) {
    if (date == MI_DATE_MISSING || date <= history->date) {
        return;
    }
    double factor = exp2(-(double)(date - history->date) / half_life);
    history->customers *= factor;
    history->costs *= factor;
    history->days *= factor;
    history->date = date;
}

void cac_history_add(struct cac_history *history, double customers, double costs) {
    history->customers += customers;
    history->costs += costs;
    history->days += 1;
}

/* ---- kinds and categories ---- */

static void find_kind(struct cac_feature *feature, size_t number, const struct cac_row *rows, size_t count) {
    size_t filled = 0;
    double value;
    feature->numeric = true;
    for (size_t i = 0; i < count && feature->numeric; i++) {
        struct mi_text text = rows[i].values[number];
        feature->numeric = text.data == NULL || mi_number_parse(text, &value);
        filled += text.data != NULL;
    }
    feature->numeric = feature->numeric && filled > 0;
}

struct counted {
    size_t number, rows;
};

/* The most frequent first; of equal ones that which came first. */
static int compare_counted(const void *a, const void *b) {
    const struct counted *x = a, *y = b;
    if (x->rows != y->rows) {
        return x->rows < y->rows ? 1 : -1;
    }
    return (x->number > y->number) - (x->number < y->number);
}

/* Counts the rows of each text of the feature; counted has room for one a row. */
static enum mi_status count_texts(struct mi_index *texts, size_t number, const struct cac_row *rows,
                                  size_t count, struct counted *counted, struct mi_error *error) {
    for (size_t i = 0; i < count; i++) {
        size_t place;
        bool added;
        if (rows[i].values[number].data == NULL) {
            continue;
        }
        enum mi_status status = mi_index_add(texts, rows[i].values[number], &place, &added, error);
        if (status != MI_OK) {
            return status;
        }
        counted[place] =
            added ? (struct counted){place, 1} : (struct counted){place, counted[place].rows + 1};
    }
    return MI_OK;
}

static enum mi_status find_categories(struct cac_feature *feature, size_t number, const struct cac_row *rows,
                                      size_t count, struct mi_error *error) {
    struct mi_index *texts = NULL;
    struct counted *counted = calloc(count + 1, sizeof *counted);
    enum mi_status status = counted != NULL ? mi_index_new(&texts, error) : mi_no_memory(error);
    if (status == MI_OK) {
        status = count_texts(texts, number, rows, count, counted, error);
    }
    size_t all = status == MI_OK ? mi_index_size(texts) : 0;
    qsort(counted, all, sizeof *counted, compare_counted);
    for (size_t i = 0; i < all && i < CAC_CATEGORIES_MOST && status == MI_OK; i++) {
        feature->categories[i] = mi_text_copy(mi_index_text(texts, counted[i].number));
        status = feature->categories[i] != NULL ? MI_OK : mi_no_memory(error);
        feature->category_count += status == MI_OK;
    }
    mi_index_free(texts);
    free(counted);
    return status;
}

enum mi_status cac_features_find(struct mi_cac_model *model, const struct cac_row *rows, size_t count,
                                 struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < model->feature_count && status == MI_OK; i++) {
        find_kind(&model->features[i], i, rows, count);
        if (!model->features[i].numeric) {
            status = find_categories(&model->features[i], i, rows, count, error);
        }
    }
    return status == MI_OK ? cac_features_layout(model, error) : status;
}

enum mi_status cac_features_layout(struct mi_cac_model *model, struct mi_error *error) {
    model->columns = CAC_DERIVED;
    for (size_t i = 0; i < model->feature_count; i++) {
        struct cac_feature *feature = &model->features[i];
        feature->first = model->columns;
        model->columns += feature->numeric ? 1 : feature->category_count;
    }
    model->names = calloc(model->columns, sizeof *model->names);
    model->cells = calloc(model->columns * CAC_BLOCK, sizeof *model->cells);
    model->importance = calloc(CAC_DERIVED + model->feature_count, sizeof *model->importance);
    if (model->names == NULL || model->cells == NULL || model->importance == NULL) {
        return mi_no_memory(error);
    }
    for (size_t i = 0; i < model->columns; i++) { /* XGBoost refuses some bytes in names: numbers do */
        char name[24];
        size_t size = mi_number_format((double)i, name + 1) + 1;
        name[0] = 'f';
        model->names[i] = mi_text_copy((struct mi_text){name, size});
        if (model->names[i] == NULL) {
            return mi_no_memory(error);
        }
    }
    return MI_OK;
}

/* ---- a row ---- */

static void fill_calendar(const struct mi_cac_model *model, int32_t date, float *cells) {
    if (date == MI_DATE_MISSING) {
        cells[CAC_WEEKDAY] = cells[CAC_DAY_OF_MONTH] = cells[CAC_DAY_OF_YEAR] = NAN;
        return;
    }
    char text[16];
    mi_date_format(date, text);
    cells[CAC_WEEKDAY] = (float)mi_date_weekday(date);
    cells[CAC_DAY_OF_MONTH] = (float)(10 * (text[8] - '0') + text[9] - '0');
    /* less than a year tells days apart, not seasons */
    bool seasons = model->last_date - model->first_date > YEAR;
    cells[CAC_DAY_OF_YEAR] = seasons ? (float)floor(fmod(date, YEAR)) : NAN;
}

static void fill_feature(const struct cac_feature *feature, struct mi_text text, float *cells) {
    double value;
    if (feature->numeric) {
        bool number = text.data != NULL && mi_number_parse(text, &value) && fabs(value) <= MI_MONEY_LIMIT;
        cells[feature->first] = number ? (float)value : NAN;
        return;
    }
    for (size_t i = 0; i < feature->category_count; i++) {
        cells[feature->first + i] = mi_text_equal(text, mi_text_of(feature->categories[i]));
    }
}

double cac_fill(const struct mi_cac_model *model, const struct cac_row *row,
                const struct cac_history *portfolio, const struct cac_history *history, float *cells) {
    static const struct cac_history nothing = {0};
    double pooled = portfolio->customers / portfolio->costs, prior = model->shape.prior_customers;
    history = history != NULL ? history : &nothing;
    double rate = (history->customers + prior) / (history->costs + prior / pooled);
    bool spends = row->costs > 0, usual = history->days > 0 && history->costs > 0;
    cells[CAC_LOG_COSTS] = spends ? (float)log(row->costs) : NAN;
    cells[CAC_COSTS_CHANGE] = spends && usual ? (float)log(row->costs * history->days / history->costs) : NAN;
    cells[CAC_HISTORY_RATE] = (float)log(rate / pooled);
    cells[CAC_HISTORY_WEIGHT] = (float)(history->costs / (history->costs + prior / pooled));
    fill_calendar(model, row->date, cells);
    for (size_t i = 0; i < model->feature_count; i++) {
        fill_feature(&model->features[i], row->values[i], cells);
    }
    return row->costs * rate;
}

double cac_spread(const struct mi_cac_model *model, double expected, const struct cac_history *history) {
    double known = (history != NULL ? history->customers : 0) + model->shape.prior_customers;
    return sqrt(1 / (expected + 0.5) + model->dispersion + 1 / known);
}

double cac_residual(const struct mi_cac_model *model, double customers, double expected,
                    const struct cac_history *history) {
    return log((customers + 0.5) / (expected + 0.5)) / cac_spread(model, expected, history);
}
