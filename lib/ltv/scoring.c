/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Prediction by the ensemble: rows of a stream, block by block.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ltv/ensemble.h"

#define DRIFTED 0.25 /* population stability index */
enum {
    DRIFT_ALL = 4096, /* rows that are looked at one by one for drift; */
    DRIFT_EVERY = 64, /* after these one in so many */
    NAMED_MOST = 5
};

const char *mi_ltv_ensemble_target(const struct mi_ltv_ensemble *ensemble) {
    return ensemble->target;
}

size_t mi_ltv_ensemble_feature_count(const struct mi_ltv_ensemble *ensemble) {
    return ensemble->features.count;
}

const char *mi_ltv_ensemble_feature(const struct mi_ltv_ensemble *ensemble, size_t feature) {
    return ensemble->features.items[feature].name;
}

size_t mi_ltv_ensemble_rows(const struct mi_ltv_ensemble *ensemble) {
    return ensemble->filled;
}

/* ---- opening ---- */

bool mi_ltv_ensemble_has_log(const struct mi_ltv_ensemble *ensemble) {
    return ensemble->log.customer != NULL;
}

void mi_ltv_ensemble_take_log(struct mi_ltv_ensemble *ensemble, const struct mi_rfm *transactions) {
    ensemble->transactions = transactions;
}

/* The log and the column that joins it. */
static enum mi_status find_customers(struct mi_ltv_ensemble *ensemble, struct mi_reader *reader,
                                     struct mi_error *error) {
    if (ensemble->log.customer == NULL) {
        return MI_OK;
    }
    if (ensemble->transactions == NULL) {
        return mi_error_set(error, MI_BAD_ARGUMENT,
                            "the model builds on a transaction log, and none is given");
    }
    return mi_reader_column(reader, ensemble->log.customer, true, &ensemble->customer, error);
}

static enum mi_status find_columns(struct mi_ltv_ensemble *ensemble, struct mi_reader *reader,
                                   const struct mi_notes *notes, struct mi_error *error) {
    size_t absent = 0, count = 0;
    const char *first = "";
    for (size_t i = 0; i < ensemble->features.count; i++) {
        const char *name = ensemble->features.items[i].name;
        ensemble->columns[i] = MI_NO_COLUMN;
        if (ensemble->features.items[i].of_log) {
            continue;
        }
        count++;
        enum mi_status status = mi_reader_column(reader, name, false, &ensemble->columns[i], error);
        if (status != MI_OK) {
            return status;
        }
        if (ensemble->columns[i] != MI_NO_COLUMN) {
            continue;
        }
        if (i == ensemble->learner.given) {
            return mi_error_set(error, MI_BAD_INPUT,
                                "no column '%s', the prediction that the model builds on", name);
        }
        first = absent++ == 0 ? name : first;
    }
    if (absent == count && count > 0) {
        return mi_error_set(error, MI_BAD_INPUT, "none of the model's %zu features is there, as '%s'", count,
                            first);
    }
    if (absent > 0) {
        mi_notes_say(notes, "%zu of the model's %zu features are not there, taken as missing: '%s'%s", absent,
                     count, first, absent > 1 ? " and others" : "");
    }
    return MI_OK;
}

enum mi_status mi_ltv_ensemble_open(struct mi_ltv_ensemble *ensemble, struct mi_reader *reader,
                                    const struct mi_notes *notes, struct mi_error *error) {
    size_t count = ensemble->features.count;
    free(ensemble->columns);
    free(ensemble->unseen);
    ltv_drift_clear(&ensemble->drift);
    ensemble->columns = malloc(count * sizeof *ensemble->columns);
    ensemble->unseen = calloc(count, sizeof *ensemble->unseen);
    ensemble->rows = ensemble->filled = ensemble->strangers = 0;
    if (ensemble->columns == NULL || ensemble->unseen == NULL) {
        return mi_no_memory(error);
    }
    enum mi_status status = ltv_drift_init(&ensemble->drift, count, error);
    if (status == MI_OK) {
        status = find_customers(ensemble, reader, error);
    }
    return status == MI_OK ? find_columns(ensemble, reader, notes, error) : status;
}

/* ---- rows ---- */

static enum mi_status make_room(struct mi_ltv_ensemble *ensemble, struct mi_error *error) {
    if (ensemble->filled < ensemble->room) {
        return MI_OK;
    }
    size_t room = ensemble->room == 0 ? 256 : ensemble->room * 2;
    float *codes = realloc(ensemble->codes, room * ensemble->features.count * sizeof *codes);
    if (codes == NULL) {
        return mi_no_memory(error);
    }
    ensemble->codes = codes;
    struct ltv_value *values = realloc(ensemble->values, room * LTV_MEMBERS * sizeof *values);
    if (values == NULL) {
        return mi_no_memory(error);
    }
    ensemble->values = values;
    ensemble->room = room;
    return MI_OK;
}

static enum mi_status bad_cell(const struct mi_ltv_ensemble *ensemble, const struct mi_batch *batch,
                               size_t row, size_t feature, struct mi_text text, struct mi_error *error) {
    bool date = ensemble->features.items[feature].kind == LTV_FEATURE_DATE;
    return mi_batch_fault(batch, row, ensemble->columns[feature], error, "not a %s: \"%.*s\" (as at the fit)",
                          date ? "date" : "number", (int)(text.size < 80 ? text.size : 80), text.data);
}

enum mi_status mi_ltv_ensemble_row(struct mi_ltv_ensemble *ensemble, const struct mi_batch *batch, size_t row,
                                   struct mi_error *error) {
    size_t count = ensemble->features.count;
    enum mi_status status = make_room(ensemble, error);
    if (status != MI_OK) {
        return status;
    }
    float *codes = ensemble->codes + ensemble->filled * count;
    for (size_t i = 0; i < count; i++) {
        struct mi_text text;
        if (ensemble->features.items[i].of_log) {
            break; /* these come last */
        }
        if (ensemble->columns[i] == MI_NO_COLUMN) {
            text = (struct mi_text){0};
        } else if ((status = mi_batch_text(batch, row, ensemble->columns[i], &text, error)) != MI_OK) {
            return status;
        }
        if (!ltv_feature_code(&ensemble->features.items[i], text, &codes[i])) {
            return bad_cell(ensemble, batch, row, i, text, error);
        }
    }
    bool stranger = false;
    if (ensemble->log.customer != NULL) {
        struct mi_text id;
        status = mi_batch_id(batch, row, ensemble->customer, &id, error);
        if (status != MI_OK) {
            return status;
        }
        stranger = !ltv_log_codes(ensemble->transactions, id, codes + ensemble->learner.log);
    }
    size_t given = ensemble->learner.given;
    if (given != SIZE_MAX && isnan(codes[given])) {
        return mi_batch_fault(batch, row, ensemble->columns[given], error,
                              "empty (the prediction that the model builds on)");
    }
    for (size_t i = 0; i < count; i++) {
        ensemble->unseen[i] += ensemble->features.items[i].kind == LTV_FEATURE_CATEGORY &&
                               ensemble->columns[i] != MI_NO_COLUMN && codes[i] < 0;
    }
    if (ensemble->rows < DRIFT_ALL || ensemble->rows % DRIFT_EVERY == 0) {
        ltv_drift_add(&ensemble->drift, &ensemble->features, codes);
    }
    ensemble->strangers += stranger;
    ensemble->rows++;
    ensemble->filled++;
    return MI_OK;
}

enum mi_status mi_ltv_ensemble_predict(struct mi_ltv_ensemble *ensemble, struct mi_error *error) {
    enum { BLOCK = 1024 }; /* stays in the cache */
    enum mi_status status = MI_OK;
    for (size_t from = 0; from < ensemble->filled && status == MI_OK; from += BLOCK) {
        size_t left = ensemble->filled - from;
        status =
            ltv_learner_predict(&ensemble->learner, ensemble->codes + from * ensemble->features.count,
                                left < BLOCK ? left : BLOCK, ensemble->values + from * LTV_MEMBERS, error);
    }
    return status;
}

void mi_ltv_ensemble_clear(struct mi_ltv_ensemble *ensemble) {
    ensemble->filled = 0;
}

static const struct ltv_outlook *outlook_of(const struct mi_ltv_ensemble *ensemble, size_t row) {
    if (ensemble->segment != SIZE_MAX) {
        float code = ensemble->codes[row * ensemble->features.count + ensemble->segment];
        for (size_t i = 0; code >= 0 && i < ensemble->segment_count; i++) {
            if (ensemble->segments[i].level == (size_t)code) {
                return &ensemble->segments[i].outlook;
            }
        }
    }
    return &ensemble->outlook;
}

struct mi_ltv_user mi_ltv_ensemble_user(const struct mi_ltv_ensemble *ensemble, size_t row, double level) {
    const struct ltv_value *values = ensemble->values + row * LTV_MEMBERS;
    struct mi_ltv_user user = {.ltv = ltv_ensemble_mean(&ensemble->weights, values)};
    ltv_outlook_interval(outlook_of(ensemble, row), user.ltv,
                         ltv_paying_at(&ensemble->paying, values, user.ltv), level, &user.low, &user.high);
    user.high = fmin(user.high, MI_MONEY_LIMIT);
    return user;
}

double mi_ltv_ensemble_quantile(const struct mi_ltv_ensemble *ensemble, size_t row, double share) {
    const struct ltv_value *values = ensemble->values + row * LTV_MEMBERS;
    double mean = ltv_ensemble_mean(&ensemble->weights, values);
    double paying = ltv_paying_at(&ensemble->paying, values, mean);
    return fmin(MI_MONEY_LIMIT, ltv_outlook_quantile(outlook_of(ensemble, row), mean, paying, share));
}

/* ---- reasons ---- */

/* The `most` features of largest contribution, largest first. */
static void pick(const float *contributions, size_t count, size_t most, struct mi_ltv_reason *reasons) {
    size_t picked = 0;
    for (size_t i = 0; i < count; i++) {
        double size = fabs((double)contributions[i]);
        size_t at = picked < most ? picked++ : most;
        while (at > 0 && fabs((double)contributions[reasons[at - 1].feature]) < size) {
            if (at < most) {
                reasons[at] = reasons[at - 1];
            }
            at--;
        }
        if (at < most) {
            reasons[at].feature = i;
        }
    }
    for (size_t i = 0; i < most; i++) {
        if (i >= picked) {
            reasons[i] = (struct mi_ltv_reason){SIZE_MAX, NAN};
            continue;
        }
        reasons[i].factor = exp((double)contributions[reasons[i].feature]);
    }
}

enum mi_status mi_ltv_ensemble_explain(struct mi_ltv_ensemble *ensemble, size_t most,
                                       struct mi_ltv_reason *reasons, struct mi_error *error) {
    size_t count = ensemble->features.count;
    const double *weight = ensemble->weights.weight;
    double trees = weight[LTV_LEAF] + weight[LTV_DEPTH];
    double share = trees > 0 ? weight[LTV_LEAF] / trees : 0;
    float *contributions =
        malloc((ensemble->filled > 0 ? ensemble->filled : 1) * count * sizeof *contributions);
    if (contributions == NULL) {
        return mi_no_memory(error);
    }
    enum mi_status status = ltv_learner_explain(&ensemble->learner, ensemble->codes, ensemble->filled, share,
                                                contributions, error);
    for (size_t row = 0; row < ensemble->filled && status == MI_OK; row++) {
        pick(contributions + row * count, count, most, reasons + row * most);
    }
    free(contributions);
    return status;
}

/* ---- what was not as at the fit ---- */

static void say_unseen(const struct mi_ltv_ensemble *ensemble, const struct mi_notes *notes) {
    for (size_t i = 0; i < ensemble->features.count; i++) {
        if (ensemble->unseen[i] > 0) {
            mi_notes_say(notes, "%llu of %llu rows: a value of '%s' that the model had not, taken as any",
                         (unsigned long long)ensemble->unseen[i], (unsigned long long)ensemble->rows,
                         ensemble->features.items[i].name);
        }
    }
}

static void say_drift(const struct mi_ltv_ensemble *ensemble, const struct mi_notes *notes) {
    size_t drifted = 0;
    for (size_t i = 0; i < ensemble->features.count; i++) {
        bool there = ensemble->columns[i] != MI_NO_COLUMN || ensemble->features.items[i].of_log;
        double index = there ? ltv_drift_index(&ensemble->drift, &ensemble->features, i) : NAN;
        if (!(index > DRIFTED)) {
            continue;
        }
        if (++drifted <= NAMED_MOST) {
            mi_notes_say(notes,
                         "'%s' is distributed otherwise than at the fit (population stability index %.2f, "
                         "above %.2f)",
                         ensemble->features.items[i].name, index, DRIFTED);
        }
    }
    if (drifted > NAMED_MOST) {
        mi_notes_say(notes, "and %zu more features", drifted - NAMED_MOST);
    }
}

void mi_ltv_ensemble_close(struct mi_ltv_ensemble *ensemble, const struct mi_notes *notes) {
    if (ensemble->strangers > 0) {
        mi_notes_say(notes, "%llu of %llu users bought nothing in the log",
                     (unsigned long long)ensemble->strangers, (unsigned long long)ensemble->rows);
    }
    if (ensemble->rows > 0) {
        say_unseen(ensemble, notes);
        say_drift(ensemble, notes);
    }
}
