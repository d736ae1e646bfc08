/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From out-of-fold predictions to one: weights, the distribution, what was held out.
 */
#include "base/memory.h"
#include "ltv/fitting.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENT_USERS = 1000 /* a segment with so many held-out users has a distribution of its own */ };

double ltv_ensemble_mean(const struct ltv_weights *weights, const struct ltv_value *values) {
    double means[LTV_MEMBERS];
    for (size_t m = 0; m < LTV_MEMBERS; m++) {
        means[m] = values[m].mean;
    }
    return fmin(ltv_stack_at(weights, means, LTV_MEMBERS), MI_MONEY_LIMIT);
}

/* Some rows with what was said of them and what came. */
struct sample {
    size_t count;
    size_t *rows;
    double *means; /* count x members that are there */
    double *mean, *paying, *actual;
};

static void sample_clear(struct sample *sample) {
    free(sample->rows);
    free(sample->means);
    free(sample->mean);
    free(sample->paying);
    free(sample->actual);
}

/* The rows of a fold, or those of all others that were predicted; fold SIZE_MAX: all that were. */
static enum mi_status sample_of(const struct ltv_fitting *f, size_t fold, bool inside, struct sample *sample,
                                struct mi_error *error) {
    *sample = (struct sample){.rows = malloc(f->rows * sizeof *sample->rows),
                              .means = malloc(f->rows * LTV_MEMBERS * sizeof *sample->means),
                              .mean = malloc(f->rows * sizeof *sample->mean),
                              .paying = malloc(f->rows * sizeof *sample->paying),
                              .actual = malloc(f->rows * sizeof *sample->actual)};
    if (sample->rows == NULL || sample->means == NULL || sample->mean == NULL || sample->paying == NULL ||
        sample->actual == NULL) {
        return mi_no_memory(error);
    }
    for (size_t row = 0; row < f->rows; row++) {
        if (f->fold[row] != SIZE_MAX && (fold == SIZE_MAX || (f->fold[row] == fold) == inside)) {
            sample->actual[sample->count] = f->target[row];
            sample->rows[sample->count++] = row;
        }
    }
    return MI_OK;
}

/* `leaf` cannot go beyond the largest user it has seen, so that a few rows do not speak for it. */
static const struct ltv_stack_member stacking[LTV_MEMBERS] = {
    [LTV_LEAF] = {false, 0}, [LTV_DEPTH] = {false, 1}, [LTV_NET] = {false, 1},
    [LTV_GIVEN] = {true, 1}, [LTV_BTYD] = {true, 1},
};

/* Weights of the members that are there, fitted to a sample; only: of one member alone, LTV_MEMBERS: of all.
 */
static enum mi_status weigh(const struct ltv_fitting *f, struct sample *sample, size_t only,
                            struct ltv_weights *weights, struct mi_error *error) {
    size_t members[LTV_MEMBERS], count = 0;
    struct ltv_stack_member how[LTV_MEMBERS];
    struct ltv_weights found;
    for (size_t m = 0; m < LTV_MEMBERS; m++) {
        if (f->how.members[m] && (only == LTV_MEMBERS || only == m)) {
            how[count] = stacking[m];
            members[count++] = m;
        }
    }
    for (size_t i = 0; i < sample->count; i++) {
        for (size_t m = 0; m < count; m++) {
            sample->means[i * count + m] = f->values[sample->rows[i] * LTV_MEMBERS + members[m]].mean;
        }
    }
    enum mi_status status =
        ltv_stack_fit(sample->means, count, how, sample->actual, sample->count, &found, error);
    *weights = (struct ltv_weights){.scale = found.scale};
    for (size_t m = 0; m < count && status == MI_OK; m++) {
        weights->weight[members[m]] = found.weight[m];
        weights->bend[members[m]] = found.bend[m];
    }
    return status;
}

/* The means of a sample. */
static void find_means(const struct ltv_fitting *f, const struct ltv_weights *weights,
                       struct sample *sample) {
    for (size_t i = 0; i < sample->count; i++) {
        sample->mean[i] = ltv_ensemble_mean(weights, f->values + sample->rows[i] * LTV_MEMBERS);
    }
}

static void find_chances(const struct ltv_fitting *f, const struct ltv_paying *paying,
                         struct sample *sample) {
    for (size_t i = 0; i < sample->count; i++) {
        sample->paying[i] = ltv_paying_at(paying, f->values + sample->rows[i] * LTV_MEMBERS, sample->mean[i]);
    }
}

/* Weights, the probability of paying and the distribution, from a sample; only: of one member alone. */
static enum mi_status combine(const struct ltv_fitting *f, struct sample *sample, size_t only,
                              struct ltv_weights *weights, struct ltv_paying *paying,
                              struct ltv_outlook *outlook, struct mi_error *error) {
    enum mi_status status = weigh(f, sample, only, weights, error);
    if (status == MI_OK) {
        find_means(f, weights, sample);
        status = ltv_paying_fit(f->values, weights->weight, sample->rows, sample->mean, sample->actual,
                                sample->count, paying, error);
    }
    if (status == MI_OK) {
        find_chances(f, paying, sample);
        status = ltv_outlook_fit(sample->mean, sample->paying, sample->actual, sample->count, outlook, error);
    }
    return status;
}

static double pinball_of(double quantile, double actual, double share) {
    double error = actual - quantile;
    return error > 0 ? share * error : (share - 1) * error;
}

/* Sums over all folds of what was held out. */
struct tally {
    double *mean, *actual;
    size_t count;
    double pinball, inside, judged;
};

static void judge(const struct ltv_outlook *outlook, const struct sample *sample, struct tally *tally) {
    static const double shares[] = {0.1, 0.5, 0.9};
    for (size_t i = 0; i < sample->count; i++) {
        double low, high, mean = sample->mean[i], paying = sample->paying[i], actual = sample->actual[i];
        for (size_t s = 0; s < 3; s++) {
            tally->pinball +=
                pinball_of(ltv_outlook_quantile(outlook, mean, paying, shares[s]), actual, shares[s]) / 3;
        }
        ltv_outlook_interval(outlook, mean, paying, MI_INTERVAL, &low, &high);
        tally->judged += high > 0;
        tally->inside += high > 0 && actual >= low && actual <= high;
        tally->mean[tally->count] = mean;
        tally->actual[tally->count++] = actual;
    }
}

/* Weights and distribution from the other folds, judged on this one. */
static enum mi_status judge_fold(const struct ltv_fitting *f, size_t fold, size_t only, struct tally *tally,
                                 struct mi_error *error) {
    struct sample others = {0}, own = {0};
    struct ltv_weights weights;
    struct ltv_paying paying;
    struct ltv_outlook outlook = {0};
    enum mi_status status = sample_of(f, fold, false, &others, error);
    if (status == MI_OK) {
        status = sample_of(f, fold, true, &own, error);
    }
    if (status == MI_OK) {
        status = combine(f, &others, only, &weights, &paying, &outlook, error);
    }
    if (status == MI_OK) {
        find_means(f, &weights, &own);
        find_chances(f, &paying, &own);
        judge(&outlook, &own, tally);
    }
    ltv_outlook_clear(&outlook);
    sample_clear(&others);
    sample_clear(&own);
    return status;
}

/* What is held out is judged by weights and distributions of the other folds. */
static enum mi_status hold_out(const struct ltv_fitting *f, size_t only, struct ltv_heldout *heldout,
                               struct mi_error *error) {
    struct tally tally = {.mean = malloc(f->rows * sizeof *tally.mean),
                          .actual = malloc(f->rows * sizeof *tally.actual)};
    enum mi_status status = tally.mean != NULL && tally.actual != NULL ? MI_OK : mi_no_memory(error);
    for (size_t fold = 0; fold < f->folds && status == MI_OK; fold++) {
        status = judge_fold(f, fold, only, &tally, error);
    }
    if (status == MI_OK) {
        status = ltv_score_of(tally.mean, tally.actual, tally.count, &heldout->score, error);
        heldout->pinball = tally.pinball / (double)tally.count;
        heldout->coverage = tally.judged > 0 ? tally.inside / tally.judged : NAN;
        f->ensemble->heldout_rows = (double)tally.count;
    }
    free(tally.mean);
    free(tally.actual);
    return status;
}

/* A distribution for each segment with enough users. */
static enum mi_status fit_segments(struct ltv_fitting *f, const struct sample *all, struct mi_error *error) {
    struct mi_ltv_ensemble *ensemble = f->ensemble;
    enum mi_status status = MI_OK;
    if (ensemble->segment == SIZE_MAX) {
        return MI_OK;
    }
    size_t levels = mi_index_size(ensemble->features.items[ensemble->segment].levels);
    double *mean = malloc(3 * all->count * sizeof *mean);
    ensemble->segments = calloc(levels, sizeof *ensemble->segments);
    if (mean == NULL || ensemble->segments == NULL) {
        free(mean);
        return mi_no_memory(error);
    }
    double *paying = mean + all->count, *actual = paying + all->count;
    for (size_t level = 0; level < levels && status == MI_OK; level++) {
        size_t count = 0;
        for (size_t i = 0; i < all->count; i++) {
            if ((size_t)f->codes[all->rows[i] * ensemble->features.count + ensemble->segment] == level) {
                mean[count] = all->mean[i];
                paying[count] = all->paying[i];
                actual[count++] = all->actual[i];
            }
        }
        if (count >= SEGMENT_USERS) {
            struct ltv_segment *segment = &ensemble->segments[ensemble->segment_count];
            segment->level = level;
            status = ltv_outlook_fit(mean, paying, actual, count, &segment->outlook, error);
            ensemble->segment_count += status == MI_OK;
        }
    }
    free(mean);
    return status;
}

enum mi_status ltv_fitting_combine(struct ltv_fitting *f, struct mi_error *error) {
    struct mi_ltv_ensemble *ensemble = f->ensemble;
    struct sample all = {0};
    enum mi_status status = sample_of(f, SIZE_MAX, true, &all, error);
    if (status == MI_OK) {
        status =
            combine(f, &all, LTV_MEMBERS, &ensemble->weights, &ensemble->paying, &ensemble->outlook, error);
    }
    if (status == MI_OK) {
        status = fit_segments(f, &all, error);
    }
    sample_clear(&all);
    if (status == MI_OK) {
        status = hold_out(f, LTV_MEMBERS, &ensemble->heldout, error);
    }
    for (size_t m = 0; m < LTV_MEMBERS && status == MI_OK; m++) {
        if (f->how.members[m]) {
            status = hold_out(f, m, &ensemble->alone[m], error);
        }
    }
    return status;
}
