/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fit of the ensemble: features, folds, out-of-fold predictions, the members learnt from all.
 */
#include "base/hash.h"
#include "base/memory.h"
#include "ltv/fitting.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

enum {
    FOLDS = 5,
    TIME_BLOCKS = 6, /* in order of time; the first half is only learnt from */
    USERS_LEAST = 50,
    PAYERS_LEAST = 10
};

enum mi_status ltv_ensemble_new(const char *target, struct mi_ltv_ensemble **ensemble,
                                struct mi_error *error) {
    struct mi_ltv_ensemble *made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->target = mi_text_copy(mi_text_of(target));
        made->segment = SIZE_MAX;
        made->learner.given = made->learner.log = SIZE_MAX;
        made->log.cut = MI_DATE_MISSING;
        made->training.first = made->training.last = MI_DATE_MISSING;
    }
    if (made == NULL || made->target == NULL) {
        free(made);
        return mi_no_memory(error);
    }
    *ensemble = made;
    return MI_OK;
}

void mi_ltv_ensemble_free(struct mi_ltv_ensemble *ensemble) {
    if (ensemble == NULL) {
        return;
    }
    ltv_learner_clear(&ensemble->learner);
    ltv_features_clear(&ensemble->features);
    ltv_outlook_clear(&ensemble->outlook);
    for (size_t i = 0; i < ensemble->segment_count; i++) {
        ltv_outlook_clear(&ensemble->segments[i].outlook);
    }
    free(ensemble->segments);
    ltv_drift_clear(&ensemble->drift);
    free(ensemble->columns);
    free(ensemble->unseen);
    free(ensemble->codes);
    free(ensemble->values);
    free(ensemble->target);
    free(ensemble->log.customer);
    free(ensemble);
}

/* ---- what is given ---- */

static enum mi_status read_target(struct ltv_fitting *f, struct mi_reader *reader,
                                  const struct mi_batch *batch, struct mi_error *error) {
    size_t column;
    double payers = 0, sum = 0;
    bool constant = true;
    enum mi_status status = mi_reader_column(reader, f->options->target, true, &column, error);
    for (size_t row = 0; row < f->rows && status == MI_OK; row++) {
        status = mi_batch_number(batch, row, column, MI_FILLED | MI_MONEY, &f->target[row], error);
        if (status == MI_OK) {
            payers += f->target[row] > 0;
            sum += f->target[row];
            constant = constant && f->target[row] == f->target[0];
        }
    }
    if (status != MI_OK) {
        return status == MI_BAD_RECORD ? MI_BAD_INPUT : status;
    }
    const char *target = f->options->target;
    if (f->rows < USERS_LEAST) {
        return mi_error_set(error, MI_BAD_INPUT, "too few users for an ensemble: %zu, at least %d are needed",
                            f->rows, USERS_LEAST);
    }
    if (payers == 0) {
        return mi_error_set(error, MI_BAD_INPUT, "the target '%s' is 0 in every row", target);
    }
    if (constant) {
        return mi_error_set(error, MI_BAD_INPUT, "the target '%s' is the same in every row", target);
    }
    if (payers < PAYERS_LEAST) {
        return mi_error_set(error, MI_BAD_INPUT,
                            "too few payers for an ensemble: %.0f with '%s' above 0, at least %d are needed",
                            payers, target, PAYERS_LEAST);
    }
    f->ensemble->training.rows = (double)f->rows;
    f->ensemble->training.payers = payers;
    f->ensemble->training.mean = sum / (double)f->rows;
    return MI_OK;
}

static size_t find_feature(const struct ltv_features *features, const char *name) {
    for (size_t i = 0; name != NULL && i < features->count; i++) {
        if (strcmp(features->items[i].name, name) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* The members asked for, of those that there can be. */
static enum mi_status choose_members(struct ltv_fitting *f, struct mi_error *error) {
    const char *list = f->options->members;
    size_t known = 0;
    for (size_t m = 0; m < LTV_MEMBERS; m++) {
        bool asked = list == NULL || ltv_list_has(list, mi_text_of(ltv_member_names[m]));
        bool there = m == LTV_GIVEN ? f->how.given != SIZE_MAX : m != LTV_BTYD || f->how.log != SIZE_MAX;
        f->how.members[m] = f->ensemble->members[m] = asked && there;
        known += asked;
        if (list != NULL && asked && !there) {
            return mi_error_set(error, MI_BAD_ARGUMENT, "--members: '%s' needs %s", ltv_member_names[m],
                                m == LTV_GIVEN ? "--prediction=COLUMN" : "--transactions=LOG");
        }
    }
    size_t named = list != NULL ? 1 : known;
    for (const char *at = list; at != NULL && (at = strchr(at, ',')) != NULL; at++) {
        named++;
    }
    if (known == 0 || named != known) {
        return mi_error_set(error, MI_BAD_ARGUMENT,
                            "--members=%s: of leaf, depth, net, given, btyd, each once", list);
    }
    return MI_OK;
}

static enum mi_status find_parts(struct ltv_fitting *f, struct mi_error *error) {
    struct mi_ltv_ensemble *ensemble = f->ensemble;
    const struct mi_ltv_ensemble_options *options = f->options;
    ensemble->segment = find_feature(&ensemble->features, options->segment);
    f->how.given = find_feature(&ensemble->features, options->given);
    f->how.log = options->transactions != NULL ? ensemble->features.count - LTV_LOG_FEATURES : SIZE_MAX;
    f->how.horizon = options->horizon;
    if (options->segment != NULL &&
        (ensemble->segment == SIZE_MAX ||
         ensemble->features.items[ensemble->segment].kind != LTV_FEATURE_CATEGORY)) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "--segment=%s: not a feature of categories",
                            options->segment);
    }
    if (options->given != NULL &&
        (f->how.given == SIZE_MAX || ensemble->features.items[f->how.given].kind != LTV_FEATURE_NUMBER)) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "--prediction=%s: not a feature of numbers",
                            options->given);
    }
    if (f->how.given != SIZE_MAX && ensemble->features.items[f->how.given].missing > 0) {
        return mi_error_set(error, MI_BAD_INPUT, "--prediction=%s: some rows have none", options->given);
    }
    return choose_members(f, error);
}

/* ---- folds ---- */

static enum mi_status read_time(struct ltv_fitting *f, struct mi_reader *reader, const struct mi_batch *batch,
                                struct mi_error *error) {
    size_t column;
    int32_t days = 0;
    enum mi_status status = mi_reader_column(reader, f->options->time, true, &column, error);
    for (size_t row = 0; row < f->rows && status == MI_OK; row++) {
        struct mi_text text;
        status = mi_batch_text(batch, row, column, &text, error);
        if (status == MI_OK && mi_date_parse(text, &days)) {
            f->time[row] = days;
            struct mi_ltv_ensemble *e = f->ensemble;
            e->training.first =
                e->training.first == MI_DATE_MISSING || days < e->training.first ? days : e->training.first;
            e->training.last = days > e->training.last ? days : e->training.last;
        } else if (status == MI_OK) {
            status = mi_batch_number(batch, row, column, MI_FILLED, &f->time[row], error);
        }
    }
    return status == MI_BAD_RECORD ? MI_BAD_INPUT : status;
}

struct moment {
    double time;
    size_t row;
};

static int by_time(const void *a, const void *b) {
    const struct moment *x = a, *y = b;
    if (x->time != y->time) {
        return (x->time > y->time) - (x->time < y->time);
    }
    return (x->row > y->row) - (x->row < y->row);
}

static enum mi_status order_by_time(struct ltv_fitting *f, struct mi_error *error) {
    struct moment *moments = malloc(f->rows * sizeof *moments);
    if (moments == NULL) {
        return mi_no_memory(error);
    }
    for (size_t row = 0; row < f->rows; row++) {
        moments[row] = (struct moment){f->time[row], row};
    }
    qsort(moments, f->rows, sizeof *moments, by_time);
    for (size_t i = 0; i < f->rows; i++) {
        f->order[i] = moments[i].row;
    }
    bool constant = moments[0].time == moments[f->rows - 1].time;
    free(moments);
    return constant ? mi_error_set(error, MI_BAD_INPUT, "--time=%s: the same in every row", f->options->time)
                    : MI_OK;
}

/* Payers are dealt evenly: the folds go round among them, then among the others. */
static enum mi_status deal_folds(struct ltv_fitting *f, struct mi_error *error) {
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    if (random == NULL) {
        return mi_no_memory(error);
    }
    gsl_rng_set(random, (unsigned long)(f->options->seed & 0xffffffffu) + 17);
    gsl_ran_shuffle(random, f->order, f->rows, sizeof *f->order);
    gsl_rng_free(random);
    size_t dealt = 0;
    for (int paying = 1; paying >= 0; paying--) {
        for (size_t i = 0; i < f->rows; i++) {
            if ((f->target[f->order[i]] > 0) == paying) {
                f->fold[f->order[i]] = dealt++ % FOLDS;
            }
        }
    }
    f->folds = FOLDS;
    return MI_OK;
}

static enum mi_status make_folds(struct ltv_fitting *f, struct mi_error *error) {
    for (size_t row = 0; row < f->rows; row++) {
        f->order[row] = row;
    }
    if (f->time == NULL) {
        return deal_folds(f, error);
    }
    enum mi_status status = order_by_time(f, error);
    for (size_t i = 0; i < f->rows; i++) {
        size_t block = i * TIME_BLOCKS / f->rows;
        f->fold[f->order[i]] = block < TIME_BLOCKS / 2 ? SIZE_MAX : block - TIME_BLOCKS / 2;
    }
    f->folds = TIME_BLOCKS - TIME_BLOCKS / 2;
    return status;
}

/* Whether a row may be learnt from to predict a fold. */
static bool learns(const struct ltv_fitting *f, size_t row, size_t fold) {
    if (f->time == NULL) {
        return f->fold[row] != fold;
    }
    return f->fold[row] == SIZE_MAX || f->fold[row] < fold;
}

/* ---- out of fold ---- */

static enum mi_status predict_fold(struct ltv_fitting *f, struct ltv_learner *learner, size_t fold,
                                   struct mi_error *error) {
    enum { BLOCK = 512 };
    size_t features = f->ensemble->features.count, rows[BLOCK], filled = 0;
    float *codes = malloc(BLOCK * features * sizeof *codes);
    struct ltv_value *values = malloc(BLOCK * LTV_MEMBERS * sizeof *values);
    enum mi_status status = codes != NULL && values != NULL ? MI_OK : mi_no_memory(error);
    for (size_t row = 0; row <= f->rows && status == MI_OK; row++) {
        if (row < f->rows && f->fold[row] == fold) {
            memcpy(codes + filled * features, f->codes + row * features, features * sizeof *codes);
            rows[filled++] = row;
        }
        if (filled == BLOCK || (row == f->rows && filled > 0)) {
            status = ltv_learner_predict(learner, codes, filled, values, error);
            for (size_t i = 0; i < filled; i++) {
                memcpy(f->values + rows[i] * LTV_MEMBERS, values + i * LTV_MEMBERS,
                       LTV_MEMBERS * sizeof *values);
            }
            filled = 0;
        }
    }
    free(codes);
    free(values);
    return status;
}

/* Learns from the rows that a fold may, or from all (fold SIZE_MAX). */
static enum mi_status learn(struct ltv_fitting *f, size_t fold, struct ltv_learner *learner,
                            struct mi_error *error) {
    struct ltv_rows rows = {.codes = f->codes, .target = f->target};
    size_t *which = malloc(f->rows * sizeof *which);
    if (which == NULL) {
        return mi_no_memory(error);
    }
    for (size_t i = 0; i < f->rows; i++) {
        if (fold == SIZE_MAX || learns(f, f->order[i], fold)) {
            which[rows.count++] = f->order[i];
        }
    }
    rows.rows = which;
    enum mi_status status = ltv_learner_fit(&f->ensemble->features, &rows, &f->how, learner, error);
    free(which);
    return status;
}

static enum mi_status predict_out_of_fold(struct ltv_fitting *f, struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t fold = 0; fold < f->folds && status == MI_OK; fold++) {
        struct ltv_learner learner;
        status = learn(f, fold, &learner, error);
        if (status == MI_OK) {
            status = predict_fold(f, &learner, fold, error);
            ltv_learner_clear(&learner);
        }
    }
    return status;
}

/* ---- the whole ---- */

static uint64_t fingerprint(const struct ltv_fitting *f) {
    uint64_t hash = MI_HASH_START;
    hash = mi_hash(hash, f->codes, f->rows * f->ensemble->features.count * sizeof *f->codes);
    return mi_hash(hash, f->target, f->rows * sizeof *f->target);
}

/* Says how many users bought nothing in the log. */
static void count_strangers(const struct ltv_fitting *f) {
    size_t features = f->ensemble->features.count, strangers = 0;
    for (size_t row = 0; row < f->rows && f->options->transactions != NULL; row++) {
        strangers += isnan(f->codes[row * features + features - LTV_LOG_FEATURES]) ? 1 : 0;
    }
    if (strangers > 0) {
        mi_notes_say(f->notes, "%zu of %zu users bought nothing in the log", strangers, f->rows);
    }
}

/* What is needed where there is a log. */
static enum mi_status take_log(struct ltv_fitting *f, struct mi_error *error) {
    struct mi_ltv_ensemble *ensemble = f->ensemble;
    if (f->options->transactions == NULL) {
        return MI_OK;
    }
    if (!(f->options->horizon > 0) || f->options->cut == MI_DATE_MISSING) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "a log needs its last day and the target's horizon");
    }
    ensemble->log.horizon = f->options->horizon;
    ensemble->log.cut = f->options->cut;
    ensemble->log.customer = mi_text_copy(mi_text_of(f->options->customer));
    return ensemble->log.customer != NULL ? MI_OK : mi_no_memory(error);
}

static enum mi_status fit(struct ltv_fitting *f, struct mi_reader *reader, const struct mi_batch *users,
                          struct mi_error *error) {
    struct mi_ltv_ensemble *ensemble = f->ensemble;
    const struct ltv_feature_choice choice = {.features = f->options->features,
                                              .exclude = f->options->exclude,
                                              .target = f->options->target,
                                              .time = f->options->time,
                                              .segment = f->options->segment,
                                              .customer = ensemble->log.customer,
                                              .cut = f->options->cut,
                                              .allow_leak = f->options->allow_leak,
                                              .log = f->options->transactions != NULL};
    const struct ltv_log log = {f->options->transactions, ensemble->log.customer};
    enum mi_status status = read_target(f, reader, users, error);
    if (status == MI_OK && f->time != NULL) {
        status = read_time(f, reader, users, error);
    }
    if (status == MI_OK) {
        status = ltv_features_find(reader, users, &choice, f->notes, &ensemble->features, error);
    }
    if (status == MI_OK) {
        status = ltv_features_codes(reader, users, &log, &ensemble->features, &f->codes, error);
    }
    if (status == MI_OK) {
        status = ltv_features_leaks(&ensemble->features, f->codes, f->target, f->rows, f->options->allow_leak,
                                    f->notes, error);
    }
    if (status == MI_OK) {
        count_strangers(f);
        status = find_parts(f, error);
    }
    if (status == MI_OK) {
        status = make_folds(f, error);
    }
    if (status == MI_OK) {
        status = predict_out_of_fold(f, error);
    }
    if (status == MI_OK) {
        status = ltv_fitting_combine(f, error);
    }
    if (status == MI_OK) {
        ensemble->training.fingerprint = fingerprint(f);
        f->how.notes = f->notes;
        for (size_t m = 0; m < LTV_MEMBERS; m++) {
            f->how.members[m] = ensemble->weights.weight[m] > 0;
        }
        status = learn(f, SIZE_MAX, &ensemble->learner, error);
    }
    return status;
}

enum mi_status mi_ltv_ensemble_fit(struct mi_reader *reader, const struct mi_batch *users,
                                   const struct mi_ltv_ensemble_options *options,
                                   const struct mi_notes *notes, struct mi_ltv_ensemble **ensemble,
                                   struct mi_error *error) {
    struct ltv_fitting f = {.options = options, .notes = notes, .rows = mi_batch_rows(users)};
    size_t rows = f.rows > 0 ? f.rows : 1;
    enum mi_status status = ltv_ensemble_new(options->target, &f.ensemble, error);
    f.how = (struct ltv_learning){
        .in_order = options->time != NULL, .seed = options->seed, .threads = options->threads};
    f.target = malloc(rows * sizeof *f.target);
    f.order = malloc(rows * sizeof *f.order);
    f.fold = malloc(rows * sizeof *f.fold);
    f.values = malloc(rows * LTV_MEMBERS * sizeof *f.values);
    f.time = options->time != NULL ? malloc(rows * sizeof *f.time) : NULL;
    if (status == MI_OK && (f.target == NULL || f.order == NULL || f.fold == NULL || f.values == NULL ||
                            (options->time != NULL && f.time == NULL))) {
        status = mi_no_memory(error);
    }
    if (status == MI_OK) {
        f.ensemble->training.seed = options->seed;
        f.ensemble->training.by_time = options->time != NULL;
        status = take_log(&f, error);
    }
    if (status == MI_OK) {
        status = fit(&f, reader, users, error);
    }
    free(f.codes);
    free(f.target);
    free(f.order);
    free(f.fold);
    free(f.values);
    free(f.time);
    if (status != MI_OK) {
        mi_ltv_ensemble_free(f.ensemble);
        return status;
    }
    *ensemble = f.ensemble;
    return MI_OK;
}
