/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Champion against challenger: Diebold-Mariano by days, and the same difference by campaigns.
 */
#include <math.h>
#include <stdlib.h>

#include <gsl/gsl_cdf.h>

#include "mi.h"

struct pair {
    size_t campaign;
    int32_t date;
    double difference;
};

struct mi_duel {
    struct mi_index *campaigns;
    struct pair *pairs;
    size_t count, capacity;
    double champion, challenger; /* sums */
    double horizon;              /* the longest */
};

enum mi_status mi_duel_new(struct mi_duel **duel, struct mi_error *error) {
    struct mi_duel *new = calloc(1, sizeof *new);
    if (new == NULL) {
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    enum mi_status status = mi_index_new(&new->campaigns, error);
    if (status != MI_OK) {
        free(new);
        return status;
    }
    *duel = new;
    return MI_OK;
}

void mi_duel_free(struct mi_duel *duel) {
    if (duel != NULL) {
        mi_index_free(duel->campaigns);
        free(duel->pairs);
        free(duel);
    }
}

enum mi_status mi_duel_add(struct mi_duel *duel, struct mi_text campaign, int32_t date, double horizon,
                           double champion, double challenger, struct mi_error *error) {
    if (duel->count == duel->capacity) {
        size_t capacity = duel->capacity > 0 ? 2 * duel->capacity : 64;
        struct pair *pairs = realloc(duel->pairs, capacity * sizeof *pairs);
        if (pairs == NULL) {
            return mi_error_set(error, MI_NO_MEMORY, "out of memory");
        }
        duel->pairs = pairs;
        duel->capacity = capacity;
    }
    struct pair *pair = &duel->pairs[duel->count];
    enum mi_status status = mi_index_add(duel->campaigns, campaign, &pair->campaign, NULL, error);
    if (status == MI_OK) {
        pair->date = date;
        pair->difference = challenger - champion;
        duel->champion += champion;
        duel->challenger += challenger;
        duel->horizon = fmax(duel->horizon, horizon);
        duel->count++;
    }
    return status;
}

static int by_date(const void *left, const void *right) {
    const struct pair *a = left, *b = right;
    return (a->date > b->date) - (a->date < b->date);
}

static int by_campaign(const void *left, const void *right) {
    const struct pair *a = left, *b = right;
    return (a->campaign > b->campaign) - (a->campaign < b->campaign);
}

/* Sums of the differences about their mean, one per run of pairs that `compare` finds equal. */
static size_t sum_runs(struct mi_duel *duel, int (*compare)(const void *, const void *), double mean,
                       double *sums) {
    size_t runs = 0;
    if (duel->count > 0) {
        qsort(duel->pairs, duel->count, sizeof *duel->pairs, compare);
    }
    for (size_t i = 0; i < duel->count; i++) {
        if (i == 0 || compare(&duel->pairs[i - 1], &duel->pairs[i]) != 0) {
            sums[runs++] = 0;
        }
        sums[runs - 1] += duel->pairs[i].difference - mean;
    }
    return runs;
}

/* Variance of the sum of a series with autocovariances up to `lag` (Newey and West 1987). */
static double long_run(const double *sums, size_t count, size_t lag) {
    double variance = 0;
    for (size_t k = 0; k <= lag && k < count; k++) {
        double covariance = 0;
        for (size_t i = k; i < count; i++) {
            covariance += sums[i] * sums[i - k];
        }
        variance += (k == 0 ? 1 : 2 * (1 - (double)k / ((double)lag + 1))) * covariance;
    }
    return variance;
}

/* Takes this judgement where it is the more doubtful. */
static void judge(struct mi_duel_result *result, double error, double freedom) {
    if (!(error > 0) || freedom < 1) {
        return;
    }
    double chance = 2 * gsl_cdf_tdist_Q(fabs(result->difference) / error, freedom);
    if (isnan(result->chance) || chance > result->chance) {
        result->chance = chance;
        result->error = error;
    }
}

enum mi_status mi_duel_finish(struct mi_duel *duel, struct mi_duel_result *result, struct mi_error *error) {
    double n = (double)duel->count;
    double *sums = malloc((duel->count + 1) * sizeof *sums);
    if (sums == NULL) {
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    *result = (struct mi_duel_result){.n = duel->count,
                                      .champion = duel->champion / n,
                                      .challenger = duel->challenger / n,
                                      .difference = (duel->challenger - duel->champion) / n,
                                      .error = NAN,
                                      .chance = NAN};
    size_t campaigns = sum_runs(duel, by_campaign, result->difference, sums);
    double c = (double)campaigns;
    if (campaigns > 1) {
        judge(result, sqrt(long_run(sums, campaigns, 0) * c / (c - 1)) / n, c - 1);
    }
    size_t days = sum_runs(duel, by_date, result->difference, sums);
    double t = (double)days, h = fmax(1, fmin(duel->horizon, t / 4));
    double correction = (t + 1 - 2 * h + h * (h - 1) / t) / t;
    if (days > 1 && correction > 0) {
        judge(result, sqrt(long_run(sums, days, (size_t)h - 1) / correction) / n, t - 1);
    }
    result->n_campaigns = campaigns;
    result->n_days = days;
    free(sums);
    return MI_OK;
}
