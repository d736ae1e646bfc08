/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How well values were predicted: errors, order, totals, intervals.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mi.h"

struct place {
    double key;
    size_t pair;
};

static int by_key(const void *a, const void *b) {
    const struct place *x = a, *y = b;
    if (x->key != y->key) {
        return x->key < y->key ? -1 : 1;
    }
    return (x->pair > y->pair) - (x->pair < y->pair);
}

static void add_error(struct mi_ltv_scores *scores, const struct mi_ltv_pair *pair) {
    double error = pair->predicted - pair->actual;
    scores->n++;
    scores->mean_predicted += pair->predicted;
    scores->mean_actual += pair->actual;
    scores->mae += fabs(error);
    scores->rmse += error * error;
    scores->wape += fabs(pair->actual);
}

static void finish_errors(struct mi_ltv_scores *scores) {
    double n = scores->n;
    scores->ratio = scores->mean_actual != 0 ? scores->mean_predicted / scores->mean_actual : NAN;
    scores->wape = scores->wape > 0 ? 100 * scores->mae / scores->wape : NAN;
    scores->mean_predicted /= n;
    scores->mean_actual /= n;
    scores->mae /= n;
    scores->rmse = sqrt(scores->rmse / n);
}

static double pinball(double actual, double quantile, double share) {
    return actual >= quantile ? share * (actual - quantile) : (1 - share) * (quantile - actual);
}

static bool has_interval(const struct mi_ltv_pair *pair) {
    return !isnan(pair->low) && !isnan(pair->high);
}

static void add_interval(struct mi_ltv_scores *scores, const struct mi_ltv_pair *pair) {
    scores->intervals++;
    scores->coverage += pair->actual >= pair->low && pair->actual <= pair->high;
    scores->width += pair->high - pair->low;
}

static void finish_intervals(struct mi_ltv_scores *scores) {
    scores->coverage = scores->intervals > 0 ? scores->coverage / scores->intervals : NAN;
    scores->width = scores->intervals > 0 ? scores->width / scores->intervals : NAN;
}

/* Sorts the pairs by predicted (or actual) value. */
static void sort_pairs(const struct mi_ltv_pair *pairs, size_t count, bool actual, struct place *places) {
    for (size_t i = 0; i < count; i++) {
        places[i] = (struct place){actual ? pairs[i].actual : pairs[i].predicted, i};
    }
    qsort(places, count, sizeof *places, by_key);
}

/* Area between the gain curve of this order, highest first, and the diagonal; those of one key count alike.
 */
static double gain_area(const struct mi_ltv_pair *pairs, size_t count, const struct place *places,
                        double total) {
    double below = 0, area = 0, n = (double)count;
    for (size_t end = count; end > 0;) {
        size_t from = end - 1;
        double sum = pairs[places[from].pair].actual;
        while (from > 0 && places[from - 1].key == places[end - 1].key) {
            sum += pairs[places[--from].pair].actual;
        }
        area += (double)(end - from) / n * (below + sum / 2) / total;
        below += sum;
        end = from;
    }
    return area - 0.5;
}

/* Ranks from 1, the mean of them where keys are equal. */
static void fill_ranks(const struct place *places, size_t count, double *ranks) {
    for (size_t from = 0, end; from < count; from = end) {
        for (end = from + 1; end < count && places[end].key == places[from].key;) {
            end++;
        }
        for (size_t i = from; i < end; i++) {
            ranks[places[i].pair] = 0.5 * (double)(from + 1 + end);
        }
    }
}

static double correlation(const double *a, const double *b, size_t count) {
    double mean = 0.5 * ((double)count + 1), aa = 0, bb = 0, ab = 0;
    for (size_t i = 0; i < count; i++) {
        aa += (a[i] - mean) * (a[i] - mean);
        bb += (b[i] - mean) * (b[i] - mean);
        ab += (a[i] - mean) * (b[i] - mean);
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : NAN;
}

/* Gini and Spearman; by_predicted is sorted. */
static bool score_order(const struct mi_ltv_pair *pairs, size_t count, const struct place *by_predicted,
                        struct mi_ltv_scores *all) {
    struct place *by_actual = malloc(count * sizeof *by_actual);
    double *ranks = malloc(2 * count * sizeof *ranks), total = 0;
    if (by_actual == NULL || ranks == NULL) {
        free(by_actual);
        free(ranks);
        return false;
    }
    sort_pairs(pairs, count, true, by_actual);
    for (size_t i = 0; i < count; i++) {
        total += pairs[i].actual;
    }
    double best = total > 0 ? gain_area(pairs, count, by_actual, total) : 0;
    all->gini = best > 0 ? gain_area(pairs, count, by_predicted, total) / best : NAN;
    fill_ranks(by_predicted, count, ranks);
    fill_ranks(by_actual, count, ranks + count);
    all->spearman = correlation(ranks, ranks + count, count);
    free(by_actual);
    free(ranks);
    return true;
}

static void score_all(const struct mi_ltv_pair *pairs, size_t count, double level,
                      struct mi_ltv_scores *all) {
    double losses = 0, judged = 0;
    *all = (struct mi_ltv_scores){0};
    for (size_t i = 0; i < count; i++) {
        const struct mi_ltv_pair *pair = &pairs[i];
        add_error(all, pair);
        if (!has_interval(pair)) {
            continue;
        }
        judged++;
        losses += 0.5 * (pinball(pair->actual, pair->low, (1 - level) / 2) +
                         pinball(pair->actual, pair->high, (1 + level) / 2));
        if (pair->high > 0) {
            add_interval(all, pair);
        }
    }
    finish_errors(all);
    finish_intervals(all);
    all->pinball = judged > 0 ? losses / judged : NAN;
}

static void score_deciles(const struct mi_ltv_pair *pairs, size_t count, const struct place *by_predicted,
                          double intervals, struct mi_ltv_scores deciles[10]) {
    size_t seen = 0;
    for (size_t i = 0; i < 10; i++) {
        deciles[i] = (struct mi_ltv_scores){.gini = NAN, .spearman = NAN, .pinball = NAN};
    }
    for (size_t i = 0; i < count; i++) {
        const struct mi_ltv_pair *pair = &pairs[by_predicted[i].pair];
        add_error(&deciles[i * 10 / count], pair);
        if (has_interval(pair) && pair->high > 0) {
            add_interval(&deciles[seen++ * 10 / (size_t)intervals], pair);
        }
    }
    for (size_t i = 0; i < 10; i++) {
        finish_errors(&deciles[i]);
        finish_intervals(&deciles[i]);
    }
}

enum mi_status mi_ltv_evaluate(const struct mi_ltv_pair *pairs, size_t count, double level,
                               struct mi_ltv_scores *all, struct mi_ltv_scores deciles[10],
                               struct mi_error *error) {
    if (count == 0) {
        return mi_error_set(error, MI_BAD_INPUT,
                            "nothing to evaluate: no row has both a prediction and an actual");
    }
    struct place *places = malloc(count * sizeof *places);
    bool room = places != NULL;
    if (room) {
        sort_pairs(pairs, count, false, places);
        score_all(pairs, count, level, all);
        room = score_order(pairs, count, places, all);
    }
    if (room && deciles != NULL) {
        score_deciles(pairs, count, places, all->intervals, deciles);
    }
    free(places);
    return room ? MI_OK : mi_error_set(error, MI_NO_MEMORY, "out of memory");
}
