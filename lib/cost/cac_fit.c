/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fits the CAC model: first the shape of the rates, then trees on what they leave, judged on days that come
 * after those that were learnt from.
 */
#include <gsl/gsl_sort.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "cost/cac.h"

#define TREES_ROWS_LEAST 200  /* rows from which trees are tried */
#define VALIDATION_SHARE 0.2  /* of the days, the last ones: where boosting stops */
#define FIRST_CUT        0.55 /* share of the days before the first fold */
#define WARM_SHARE       0.2  /* of the days: histories are too short to judge the shape by */
#define HORIZON          14   /* days that a prediction looks ahead at most, in training */
#define GAIN_LEAST       1e-3 /* relative gain in deviance without which trees are left out */

struct mi_cac_fit {
    struct mi_cac_model *model; /* being made */
    struct mi_cac_options options;
    struct cac_row *rows;
    size_t count, capacity;
    struct mi_arena texts;
    uint64_t fingerprint;
    size_t without_costs;
};

/* What is known of each row as of its day: the matrix, the expected customers of the first stage. */
struct prepared {
    const struct cac_row *rows;
    size_t count, columns;
    float *cells;
    double *expected;
    struct cac_history *histories; /* of the row's campaign, as of then */
};

/* ---- rows in ---- */

enum mi_status mi_cac_fit_new(const struct mi_cac_options *options, struct mi_cac_fit **fit,
                              struct mi_error *error) {
    struct mi_cac_fit *made = calloc(1, sizeof *made);
    struct mi_cac_model *model = calloc(1, sizeof *model);
    enum mi_status status = made != NULL && model != NULL ? MI_OK : mi_no_memory(error);
    if (status == MI_OK) {
        made->model = model;
        made->options = *options;
        model->level = options->level;
        model->features = calloc(options->feature_count + 1, sizeof *model->features);
        status = model->features != NULL ? mi_index_new(&model->campaigns, error) : mi_no_memory(error);
    }
    for (size_t i = 0; status == MI_OK && i < options->feature_count; i++) {
        model->features[i].name = mi_text_copy(mi_text_of(options->features[i]));
        status = model->features[i].name != NULL ? MI_OK : mi_no_memory(error);
        model->feature_count += status == MI_OK;
    }
    if (status != MI_OK) {
        mi_cac_model_free(model);
        free(made);
        return status;
    }
    *fit = made;
    return MI_OK;
}

void mi_cac_fit_free(struct mi_cac_fit *fit) {
    if (fit == NULL) {
        return;
    }
    mi_cac_model_free(fit->model);
    mi_arena_free(&fit->texts);
    free(fit->rows);
    free(fit);
}

static enum mi_status copy_values(struct mi_cac_fit *fit, const struct mi_text *values, struct cac_row *row,
                                  struct mi_error *error) {
    size_t count = fit->model->feature_count;
    struct mi_text *copies = mi_arena_alloc(&fit->texts, (count + 1) * sizeof *copies);
    if (copies == NULL) {
        return mi_no_memory(error);
    }
    for (size_t i = 0; i < count; i++) {
        copies[i] = values[i];
        if (values[i].data != NULL) {
            copies[i].data = mi_arena_copy(&fit->texts, values[i].data, values[i].size);
            if (copies[i].data == NULL) {
                return mi_no_memory(error);
            }
        }
    }
    row->values = copies;
    return MI_OK;
}

static void take_fingerprint(struct mi_cac_fit *fit, const struct mi_cac_row *row) {
    const double numbers[] = {row->date, row->costs, row->customers};
    uint64_t hash = fit->fingerprint != 0 ? fit->fingerprint : MI_HASH_START;
    hash = mi_hash(hash, numbers, sizeof numbers);
    fit->fingerprint = mi_hash(hash, row->campaign_id.data, row->campaign_id.size);
}

enum mi_status mi_cac_fit_add(struct mi_cac_fit *fit, const struct mi_cac_row *row, struct mi_error *error) {
    if (row->date == MI_DATE_MISSING) {
        return mi_error_set(error, MI_BAD_RECORD, "a date is needed");
    }
    take_fingerprint(fit, row);
    if (!(row->costs > 0)) { /* customers who cost nothing say nothing of what one costs */
        fit->without_costs += row->customers > 0;
        return MI_OK;
    }
    if (fit->count == fit->capacity) {
        size_t capacity = fit->capacity * 2 + 1024;
        struct cac_row *rows = realloc(fit->rows, capacity * sizeof *rows);
        if (rows == NULL) {
            return mi_no_memory(error);
        }
        fit->rows = rows;
        fit->capacity = capacity;
    }
    struct cac_row made = {.date = row->date, .costs = row->costs, .customers = row->customers};
    enum mi_status status =
        mi_index_add(fit->model->campaigns, row->campaign_id, &made.campaign, NULL, error);
    if (status == MI_OK) {
        status = copy_values(fit, row->values, &made, error);
    }
    if (status == MI_OK) {
        fit->rows[fit->count++] = made;
    }
    return status;
}

/* By date; rows of one date by campaign, then by costs. */
static int compare_rows(const void *a, const void *b) {
    const struct cac_row *x = a, *y = b;
    if (x->date != y->date) {
        return x->date < y->date ? -1 : 1;
    }
    if (x->campaign != y->campaign) {
        return x->campaign < y->campaign ? -1 : 1;
    }
    return (x->costs > y->costs) - (x->costs < y->costs);
}

/* ---- first stage ---- */

/* The first row whose date is at least this. */
static size_t first_at(const struct cac_row *rows, size_t count, int32_t date) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rows[middle].date < date) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The date before which this share of the days lies. */
static int32_t date_at(const struct mi_cac_fit *fit, double share) {
    int32_t first = fit->rows[0].date, last = fit->rows[fit->count - 1].date;
    return first + (int32_t)floor(share * (last - first + 1));
}

static void learn(struct mi_cac_model *model, const struct cac_row *rows, size_t from, size_t to,
                  struct cac_history *histories, struct cac_history *portfolio) {
    for (size_t i = from; i < to; i++) {
        struct cac_history *history = &histories[rows[i].campaign];
        cac_history_move(history, rows[i].date, model->shape.half_life);
        cac_history_add(history, rows[i].customers, rows[i].costs);
        cac_history_move(portfolio, rows[i].date, model->shape.half_life);
        cac_history_add(portfolio, rows[i].customers, rows[i].costs);
    }
}

/* Goes through the rows in order of date, a fortnight at a time: each is prepared from the histories as of
 * the fortnight's first day, as a model in use is some days old too. Rows from `frozen` on teach nothing. out
 * may lack cells: then only `expected` and `histories` are filled. */
static void walk(struct mi_cac_model *model, const struct cac_row *rows, size_t count, int32_t frozen,
                 struct cac_history *histories, size_t campaigns, struct prepared *out) {
    size_t known = first_at(rows, count, frozen), learnt = 0;
    double customers = 0.5, costs = 0;
    for (size_t i = 0; i < known; i++) {
        customers += rows[i].customers;
        costs += rows[i].costs;
    }
    /* a row's worth of the whole, so that the first days have a rate to compare with */
    struct cac_history portfolio = {customers / (double)known, costs / (double)known, 0, rows[0].date};
    int32_t next = rows[0].date + HORIZON;
    memset(histories, 0, campaigns * sizeof *histories);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].date >= next || i == known) {
            size_t until = first_at(rows, known, rows[i].date);
            learn(model, rows, learnt, until, histories, &portfolio);
            learnt = until;
            next = rows[i].date + HORIZON;
        }
        out->histories[i] = histories[rows[i].campaign];
        out->expected[i] = cac_fill(model, &rows[i], &portfolio, &histories[rows[i].campaign],
                                    out->cells != NULL ? out->cells + i * out->columns : model->cells);
    }
    learn(model, rows, learnt, known, histories, &portfolio);
    model->portfolio = portfolio;
}

/* Poisson deviance a row. */
static double deviance(double customers, double expected) {
    return 2 * (expected - customers + (customers > 0 ? customers * log(customers / expected) : 0));
}

static double total_deviance(const struct prepared *data, size_t from, size_t to) {
    double sum = 0;
    for (size_t i = from; i < to; i++) {
        sum += deviance(data->rows[i].customers, data->expected[i]);
    }
    return sum;
}

/* The half life and prior that predict the next fortnights best, among rows from `warm` on. */
static void choose_shape(struct mi_cac_model *model, const struct cac_row *rows, size_t count, int32_t warm,
                         struct cac_history *histories, size_t campaigns, struct prepared *data) {
    static const double half_lives[] = {7, 21, 60, 180}, priors[] = {2, 6, 20, 60, 200};
    struct cac_shape best = {60, 20};
    double least = INFINITY;
    float *cells = data->cells;
    data->cells = NULL;
    for (size_t h = 0; h < sizeof half_lives / sizeof *half_lives; h++) {
        for (size_t p = 0; p < sizeof priors / sizeof *priors; p++) {
            model->shape = (struct cac_shape){half_lives[h], priors[p]};
            walk(model, rows, count, INT32_MAX, histories, campaigns, data);
            double sum = total_deviance(data, first_at(rows, count, warm), count);
            if (sum < least) {
                least = sum;
                best = model->shape;
            }
        }
    }
    data->cells = cells;
    model->shape = best;
}

/* ---- second stage ---- */

/* Excess of the variance over a Poisson's, as a share of the squared mean (method of moments). */
static double dispersion_of(const struct prepared *data, size_t from, size_t to) {
    double excess = 0, squares = 0;
    for (size_t i = from; i < to; i++) {
        double off = data->rows[i].customers - data->expected[i];
        excess += off * off - data->expected[i];
        squares += data->expected[i] * data->expected[i];
    }
    return squares > 0 ? fmax(0, excess / squares) : 0;
}

/* A part of the rows as training data: the label is customers over expected ones, the weight what such a
 * ratio tells. */
static struct mi_boost_data part_of(const struct mi_cac_model *model, const struct prepared *data,
                                    size_t from, size_t to, float *labels, float *weights) {
    for (size_t i = from; i < to; i++) {
        double expected = data->expected[i];
        labels[i] = (float)(data->rows[i].customers / expected);
        weights[i] = (float)(expected / (1 + model->dispersion * expected));
    }
    return (struct mi_boost_data){.values = data->cells + from * data->columns,
                                  .rows = to - from,
                                  .columns = data->columns,
                                  .labels = labels + from,
                                  .weights = weights + from,
                                  .names = (const char *const *)model->names};
}

static double weighted_deviance(const struct mi_boost_data *data, const float *ratios) {
    double sum = 0;
    for (size_t i = 0; i < data->rows; i++) {
        sum += data->weights[i] * deviance(data->labels[i], ratios != NULL ? fmax(ratios[i], 1e-6) : 1);
    }
    return sum;
}

/* Trees on rows [0, count), judged on their last days; NULL where they do not help. */
static enum mi_status train(const struct mi_cac_fit *fit, struct mi_cac_model *model,
                            const struct prepared *data, size_t count, struct mi_boost **boost,
                            struct mi_error *error) {
    *boost = NULL;
    if (count < TREES_ROWS_LEAST) {
        return MI_OK;
    }
    int32_t first = data->rows[0].date, last = data->rows[count - 1].date;
    size_t split = first_at(data->rows, count, last - (int32_t)(VALIDATION_SHARE * (last - first)));
    if (split < TREES_ROWS_LEAST / 2 || split == count) {
        return MI_OK;
    }
    float *labels = malloc(count * sizeof *labels), *weights = malloc(count * sizeof *weights);
    float *ratios = malloc(count * sizeof *ratios);
    enum mi_status status = labels && weights && ratios ? MI_OK : mi_no_memory(error);
    struct mi_boost_options how = mi_boost_options_default();
    how.objective = "count:poisson";
    how.base_score = 1;
    how.max_depth = 4;
    how.rounds = 400;
    how.learning_rate = 0.04;
    how.lambda = 5;
    how.subsample = 0.8;
    how.colsample = 0.7;
    how.min_child_weight = 10;
    how.seed = fit->options.seed;
    how.threads = (unsigned)fit->options.threads;
    if (status == MI_OK) {
        struct mi_boost_data learn = part_of(model, data, 0, split, labels, weights);
        struct mi_boost_data judge = part_of(model, data, split, count, labels, weights);
        status = mi_boost_train(&learn, &judge, &how, boost, error);
        if (status == MI_OK) {
            status = mi_boost_predict(*boost, judge.values, judge.rows, ratios, error);
        }
        bool helps = status == MI_OK &&
                     weighted_deviance(&judge, ratios) < (1 - GAIN_LEAST) * weighted_deviance(&judge, NULL);
        how.rounds = helps ? mi_boost_rounds(*boost) : 0;
        mi_boost_free(*boost);
        *boost = NULL;
    }
    if (status == MI_OK && how.rounds > 0) { /* once more, with the last days */
        struct mi_boost_data all = part_of(model, data, 0, count, labels, weights);
        status = mi_boost_train(&all, NULL, &how, boost, error);
    }
    free(labels);
    free(weights);
    free(ratios);
    return status;
}

/* Multiplies `expected` of rows [from, to) by what the trees say. */
static enum mi_status apply_trees(struct mi_boost *boost, struct prepared *data, size_t from, size_t to,
                                  struct mi_error *error) {
    if (boost == NULL || from == to) {
        return MI_OK;
    }
    float *ratios = malloc((to - from) * sizeof *ratios);
    enum mi_status status =
        ratios != NULL ? mi_boost_predict(boost, data->cells + from * data->columns, to - from, ratios, error)
                       : mi_no_memory(error);
    for (size_t i = from; i < to && status == MI_OK; i++) {
        data->expected[i] *= fmax(ratios[i - from], 1e-6);
    }
    free(ratios);
    return status;
}

/* ---- validation ---- */

/* What was predicted of rows that came after those learnt from. */
struct validation {
    double *residuals;
    size_t count, ends[CAC_FOLDS]; /* fold f: residuals up to ends[f] */
    double customers, error, error_rate, error_pooled;
};

/* The level's ends among residuals other than [from, to), by the (n + 1) rule of split conformal prediction.
 */
static void residual_quantiles(const struct validation *v, size_t from, size_t to, double level, double *low,
                               double *high, double *room) {
    size_t n = 0;
    for (size_t i = 0; i < v->count; i++) {
        if (i < from || i >= to) {
            room[n++] = v->residuals[i];
        }
    }
    gsl_sort(room, 1, n);
    double tail = (1 - level) / 2;
    double below = floor((double)(n + 1) * tail), above = ceil((double)(n + 1) * (1 - tail));
    *low = below >= 1 ? room[(size_t)below - 1] : -INFINITY;
    *high = above <= (double)n ? room[(size_t)above - 1] : INFINITY;
}

static enum mi_status validate_fold(const struct mi_cac_fit *fit, struct mi_cac_model *model,
                                    struct prepared *data, struct cac_history *histories, int32_t cut,
                                    int32_t end, struct validation *v, struct mi_error *error) {
    size_t known = first_at(fit->rows, fit->count, cut), to = first_at(fit->rows, fit->count, end);
    if (known < 2 || known == to) {
        return MI_OK;
    }
    walk(model, fit->rows, to, cut, histories, mi_index_size(model->campaigns), data);
    model->dispersion = dispersion_of(data, known / 2, known);
    struct mi_boost *boost = NULL;
    enum mi_status status = train(fit, model, data, known, &boost, error);
    double pooled = model->portfolio.customers / model->portfolio.costs;
    for (size_t i = known; i < to && status == MI_OK; i++) {
        const struct cac_row *row = &fit->rows[i];
        v->error_rate += fabs(data->expected[i] - row->customers);
        v->error_pooled += fabs(pooled * row->costs - row->customers);
        v->customers += row->customers;
    }
    if (status == MI_OK) {
        status = apply_trees(boost, data, known, to, error);
    }
    for (size_t i = known; i < to && status == MI_OK; i++) {
        const struct cac_row *row = &fit->rows[i];
        v->error += fabs(data->expected[i] - row->customers);
        v->residuals[v->count++] =
            cac_residual(model, row->customers, data->expected[i], &data->histories[i]);
    }
    mi_boost_free(boost);
    return status;
}

/* Share of each fold's residuals within the quantiles of the others. */
static double coverage(const struct validation *v, double level, double *room) {
    size_t within = 0, from = 0;
    for (size_t fold = 0; fold < CAC_FOLDS; fold++) {
        double low, high;
        residual_quantiles(v, from, v->ends[fold], level, &low, &high, room);
        for (size_t i = from; i < v->ends[fold]; i++) {
            within += v->residuals[i] >= low && v->residuals[i] <= high;
        }
        from = v->ends[fold];
    }
    return v->count > 0 ? (double)within / (double)v->count : NAN;
}

static double percent(double part, double whole) {
    return whole > 0 ? 100 * part / whole : NAN;
}

static enum mi_status validate(const struct mi_cac_fit *fit, struct mi_cac_model *model,
                               struct prepared *data, struct cac_history *histories, struct mi_error *error) {
    struct validation v = {.residuals = malloc(2 * fit->count * sizeof *v.residuals)};
    enum mi_status status = v.residuals != NULL ? MI_OK : mi_no_memory(error);
    double step = (1 - FIRST_CUT) / CAC_FOLDS;
    for (size_t fold = 0; fold < CAC_FOLDS && status == MI_OK; fold++) {
        int32_t cut = date_at(fit, FIRST_CUT + step * (double)fold);
        int32_t end = fold + 1 < CAC_FOLDS ? date_at(fit, FIRST_CUT + step * (double)(fold + 1)) : INT32_MAX;
        status = validate_fold(fit, model, data, histories, cut, end, &v, error);
        v.ends[fold] = v.count;
    }
    if (status == MI_OK) {
        double *room = v.residuals + fit->count;
        model->holdout = (struct mi_cac_holdout){
            .rows = (double)v.count,
            .wape = percent(v.error, v.customers),
            .wape_rate = percent(v.error_rate, v.customers),
            .wape_portfolio = percent(v.error_pooled, v.customers),
            .coverage = coverage(&v, model->level, room),
        };
        residual_quantiles(&v, v.count, v.count, model->level, &model->low, &model->high, room);
    }
    free(v.residuals);
    return status;
}

/* ---- importance ---- */

/* Mean size of the contributions to the log of the ratio, as shares. */
static enum mi_status find_importance(struct mi_cac_model *model, const struct prepared *data,
                                      struct mi_error *error) {
    const size_t block = 1024, width = model->columns + 1;
    float *parts = model->boost != NULL ? malloc(block * width * sizeof *parts) : NULL;
    double sum = 0;
    if (model->boost == NULL) {
        return MI_OK;
    }
    enum mi_status status = parts != NULL ? MI_OK : mi_no_memory(error);
    for (size_t from = 0; from < data->count && status == MI_OK; from += block) {
        size_t rows = data->count - from < block ? data->count - from : block;
        status = mi_boost_contributions(model->boost, data->cells + from * data->columns, rows, parts, error);
        for (size_t r = 0; r < rows && status == MI_OK; r++) {
            for (size_t c = 0; c < CAC_DERIVED; c++) {
                model->importance[c] += fabs(parts[r * width + c]);
            }
            for (size_t f = 0; f < model->feature_count; f++) {
                const struct cac_feature *feature = &model->features[f];
                double together = 0;
                for (size_t c = 0; c < (feature->numeric ? 1 : feature->category_count); c++) {
                    together += parts[r * width + feature->first + c];
                }
                model->importance[CAC_DERIVED + f] += fabs(together);
            }
        }
    }
    free(parts);
    for (size_t i = 0; i < CAC_DERIVED + model->feature_count; i++) {
        sum += model->importance[i];
    }
    for (size_t i = 0; i < CAC_DERIVED + model->feature_count && sum > 0; i++) {
        model->importance[i] /= sum;
    }
    return status;
}

/* ---- run ---- */

static enum mi_status check_rows(const struct mi_cac_fit *fit, struct mi_error *error) {
    double customers = 0;
    for (size_t i = 0; i < fit->count; i++) {
        customers += fit->rows[i].customers;
    }
    if (fit->count == 0) {
        return mi_error_set(error, MI_BAD_INPUT, "no row has costs: nothing to fit");
    }
    if (!(customers > 0)) {
        return mi_error_set(error, MI_BAD_INPUT, "no new customer in %zu rows: nothing to fit", fit->count);
    }
    return MI_OK;
}

static void say(const struct mi_cac_fit *fit, const struct mi_cac_model *model,
                const struct mi_notes *notes) {
    if (fit->without_costs > 0) {
        mi_notes_say(notes, "%zu rows have new customers without costs: left out", fit->without_costs);
    }
    if (model->boost == NULL) {
        mi_notes_say(notes,
                     fit->count < TREES_ROWS_LEAST
                         ? "%zu rows are too few for trees: each campaign's own rate, drawn towards the "
                           "portfolio's"
                         : "on later days of these %zu rows trees predict no better than each campaign's own "
                           "rate: left out",
                     fit->count);
    }
    if (isinf(model->low) || isinf(model->high)) {
        mi_notes_say(notes, "too few rows to say how far off predictions are: no intervals");
    }
}

static enum mi_status fit_model(struct mi_cac_fit *fit, struct mi_cac_model *model, struct prepared *data,
                                struct mi_error *error) {
    size_t campaigns = mi_index_size(model->campaigns);
    choose_shape(model, fit->rows, fit->count, date_at(fit, WARM_SHARE), model->histories, campaigns, data);
    enum mi_status status = validate(fit, model, data, model->histories, error);
    if (status == MI_OK) {
        walk(model, fit->rows, fit->count, INT32_MAX, model->histories, campaigns, data);
        model->dispersion = dispersion_of(data, fit->count / 4, fit->count);
        status = train(fit, model, data, fit->count, &model->boost, error);
    }
    for (size_t i = 0; i < campaigns; i++) { /* all as of one day */
        cac_history_move(&model->histories[i], model->last_date, model->shape.half_life);
    }
    return status == MI_OK ? find_importance(model, data, error) : status;
}

enum mi_status mi_cac_fit_run(struct mi_cac_fit *fit, const struct mi_notes *notes,
                              struct mi_cac_model **model, struct mi_error *error) {
    struct mi_cac_model *made = fit->model;
    struct prepared data = {.count = fit->count};
    enum mi_status status = check_rows(fit, error);
    if (status != MI_OK) {
        return status;
    }
    qsort(fit->rows, fit->count, sizeof *fit->rows, compare_rows);
    made->rows = (double)fit->count;
    made->first_date = fit->rows[0].date;
    made->last_date = fit->rows[fit->count - 1].date;
    made->fingerprint = fit->fingerprint;
    for (size_t i = 0; i < fit->count; i++) {
        made->total_costs += fit->rows[i].costs;
        made->total_customers += fit->rows[i].customers;
    }
    status = cac_features_find(made, fit->rows, fit->count, error);
    data.rows = fit->rows;
    data.columns = made->columns;
    data.cells = malloc(fit->count * made->columns * sizeof *data.cells);
    data.expected = malloc(fit->count * sizeof *data.expected);
    data.histories = malloc(fit->count * sizeof *data.histories);
    made->histories = calloc(mi_index_size(made->campaigns) + 1, sizeof *made->histories);
    if (status == MI_OK && (!data.cells || !data.expected || !data.histories || !made->histories)) {
        status = mi_no_memory(error);
    }
    if (status == MI_OK) {
        status = fit_model(fit, made, &data, error);
    }
    free(data.cells);
    free(data.expected);
    free(data.histories);
    if (status == MI_OK) {
        say(fit, made, notes);
        *model = made;
        fit->model = NULL;
    }
    return status;
}
