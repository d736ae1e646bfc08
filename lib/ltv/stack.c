/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Scores of predictions, and stacking weights.
 */
#include "ltv/stack.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RMSE_SHARE    0.25
#define GOOD_LOSS     1.25 /* of the best member's */
#define TRUSTED_SHARE 0.5
#define BLUR          1.0  /* of the loss, times the root of the rows: what differs by less is as good */
#define CLEAR         1.5  /* standard errors by which a bend must do better */
#define KNEE          0.95 /* share of predictions below the knee */
#define TOTAL_SLIP    0.1  /* share by which the total may be off before it is scaled, */
#define SLIP_ERRORS   2.0  /* or so many of its standard errors */
#define WEIGHT_LEAST  0.05
#define CLEAR_RATHER  2.0 /* standard errors of evidence that halve what the prior counts for */
enum { STEPS = 10, ROWS_MOST = 20000, PRIOR_ROWS = 5000 };

struct pair {
    double key, value;
};

static int descending(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    return (x->key < y->key) - (x->key > y->key);
}

/* Area between the gain curve of the values in this order and the diagonal, in units of count^2 * total;
 * those with one key share their mean. */
static double gain(struct pair *pairs, size_t count) {
    double area = 0, before = 0;
    qsort(pairs, count, sizeof *pairs, descending);
    for (size_t from = 0, to; from < count; from = to) {
        double sum = 0;
        for (to = from; to < count && pairs[to].key == pairs[from].key; to++) {
            sum += pairs[to].value;
        }
        double n = (double)(to - from);
        area += before * n + sum * (n + 1) / 2;
        before += sum;
    }
    return before > 0 ? area / (before * (double)count) - 0.5 - 0.5 / (double)count : 0;
}

static double gini_of(const double *predicted, const double *actual, size_t count, struct pair *pairs,
                      double perfect) {
    for (size_t i = 0; i < count; i++) {
        pairs[i] = (struct pair){predicted[i], actual[i]};
    }
    return perfect > 0 ? gain(pairs, count) / perfect : NAN;
}

static double perfect_gain(const double *actual, size_t count, struct pair *pairs) {
    for (size_t i = 0; i < count; i++) {
        pairs[i] = (struct pair){actual[i], actual[i]};
    }
    return gain(pairs, count);
}

static struct ltv_score score_with(const double *predicted, const double *actual, size_t count,
                                   struct pair *pairs, double perfect) {
    double absolute = 0, squares = 0, total = 0, said = 0;
    for (size_t i = 0; i < count; i++) {
        double error = predicted[i] - actual[i];
        absolute += fabs(error);
        squares += error * error;
        total += actual[i];
        said += predicted[i];
    }
    double n = (double)count;
    return (struct ltv_score){absolute / n, sqrt(squares / n),
                              gini_of(predicted, actual, count, pairs, perfect),
                              total > 0 ? said / total : NAN};
}

enum mi_status ltv_score_of(const double *predicted, const double *actual, size_t count,
                            struct ltv_score *score, struct mi_error *error) {
    struct pair *pairs = malloc((count > 0 ? count : 1) * sizeof *pairs);
    if (pairs == NULL) {
        return mi_no_memory(error);
    }
    *score = score_with(predicted, actual, count, pairs, perfect_gain(actual, count, pairs));
    free(pairs);
    return MI_OK;
}

static double bent(const struct ltv_bend *bend, double value) {
    if (value > bend->knee && bend->power != 1) {
        value = bend->knee * pow(value / bend->knee, bend->power);
    }
    return bend->scale * value;
}

double ltv_stack_at(const struct ltv_weights *weights, const double *predictions, size_t members) {
    double sum = 0;
    for (size_t m = 0; m < members; m++) {
        sum += weights->weight[m] > 0 ? weights->weight[m] * bent(&weights->bend[m], predictions[m]) : 0;
    }
    return weights->scale * sum;
}

/* ---- search ---- */

struct search {
    const double *predictions, *actual; /* of the rows that are taken */
    size_t members, count;
    double *blend;
    struct pair *pairs;
    double perfect;
    struct ltv_bend bends[LTV_STACK_MOST];
    struct ltv_score least; /* the best single member's, of each */
    const struct ltv_stack_member *how;
    double losses[LTV_STACK_MOST]; /* of the members alone */
    bool trusts;                   /* there are trusted ones, and one is good enough */
    double slip;
    double best_loss;
    double sum[LTV_STACK_MOST], share; /* of the weights that were tried, the good ones counting most */
};

/* What brings a total to within the slip of the actual one. */
static double total_scale(const struct search *search, double said, double total) {
    double ratio = total > 0 ? said / total : 1;
    double kept = fmax(1 - search->slip, fmin(1 + search->slip, ratio));
    return ratio > 0 ? kept / ratio : 1;
}

static void blend(struct search *search, struct ltv_weights *weights) {
    double said = 0, total = 0;
    weights->scale = 1;
    for (size_t i = 0; i < search->count; i++) {
        search->blend[i] = ltv_stack_at(weights, search->predictions + i * search->members, search->members);
        said += search->blend[i];
        total += search->actual[i];
    }
    weights->scale = total_scale(search, said, total);
    for (size_t i = 0; i < search->count && weights->scale != 1; i++) {
        search->blend[i] *= weights->scale;
    }
}

static struct ltv_score try(struct search *search, struct ltv_weights *weights) {
    blend(search, weights);
    return score_with(search->blend, search->actual, search->count, search->pairs, search->perfect);
}

static double share(double value, double least) {
    return least > 0 ? value / least : 1;
}

static double loss_of(const struct search *search, const struct ltv_score *score) {
    return share(score->mae, search->least.mae) + share(1 - score->gini, 1 - search->least.gini) +
           RMSE_SHARE * share(score->rmse, search->least.rmse);
}

/* Adds weights to the mean of all; each counts exp(-loss / blur). */
static void consider(struct search *search, const int *parts) {
    struct ltv_weights weights = {.scale = 1};
    memcpy(weights.bend, search->bends, sizeof weights.bend);
    int in_trusted = 0;
    for (size_t m = 0; m < search->members; m++) {
        in_trusted += search->how[m].trusted ? parts[m] : 0;
        weights.weight[m] = (double)parts[m] / STEPS;
    }
    if (search->trusts && in_trusted < TRUSTED_SHARE * STEPS) {
        return;
    }
    struct ltv_score score = try(search, &weights);
    double loss = loss_of(search, &score), blur = BLUR / sqrt((double)search->count);
    if (!isfinite(loss)) {
        return;
    }
    double kept = loss < search->best_loss ? exp((loss - search->best_loss) / blur) : 1;
    search->best_loss = fmin(search->best_loss, loss);
    double share = exp((search->best_loss - loss) / blur);
    search->share = kept * search->share + share;
    for (size_t m = 0; m < search->members; m++) {
        search->sum[m] = kept * search->sum[m] + share * weights.weight[m];
    }
}

/* All ways to deal `left` steps to the members from `member` on. */
static void walk(struct search *search, int *parts, size_t member, int left) {
    bool last = member + 1 == search->members;
    for (int part = last ? left : 0; part <= left; part++) {
        parts[member] = part;
        if (last) {
            consider(search, parts);
        } else {
            walk(search, parts, member + 1, left - part);
        }
    }
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Scales a bend such that the member's total is within the slip. */
static void scale_bend(const struct search *search, size_t member, struct ltv_bend *bend) {
    double said = 0, total = 0;
    bend->scale = 1;
    for (size_t i = 0; i < search->count; i++) {
        said += bent(bend, search->predictions[i * search->members + member]);
        total += search->actual[i];
    }
    bend->scale = total_scale(search, said, total);
}

/* By how many standard errors the squared error is less with a bend than without. */
static double bend_gain(const struct search *search, size_t member, const struct ltv_bend *bend,
                        const struct ltv_bend *straight) {
    double sum = 0, squares = 0, count = (double)search->count;
    for (size_t i = 0; i < search->count; i++) {
        double said = search->predictions[i * search->members + member];
        double before = bent(straight, said) - search->actual[i],
               after = bent(bend, said) - search->actual[i];
        double gain = before * before - after * after;
        sum += gain;
        squares += gain * gain;
    }
    double variance = squares - sum * sum / count;
    return variance > 0 ? sum / sqrt(variance) : 0;
}

static void bend_member(struct search *search, size_t member) {
    struct ltv_bend straight = {HUGE_VAL, 1, 1}, *best = &search->bends[member];
    *best = straight;
    if (search->how[member].trusted) {
        return;
    }
    scale_bend(search, member, &straight);
    *best = straight;
    for (size_t i = 0; i < search->count; i++) {
        search->blend[i] = search->predictions[i * search->members + member];
    }
    qsort(search->blend, search->count, sizeof *search->blend, by_size);
    double knee = search->blend[(size_t)(KNEE * (double)(search->count - 1))], most = CLEAR;
    for (int step = 19; step >= 10; step--) {
        struct ltv_bend bend = {knee, step / 20.0, 1};
        scale_bend(search, member, &bend);
        double gain = bend_gain(search, member, &bend, &straight);
        if (gain > most) {
            most = gain;
            *best = bend;
        }
    }
}

/* The best of each figure that a single member reaches, and whether the trusted ones are to be trusted. */
static void score_singles(struct search *search) {
    struct ltv_score scores[LTV_STACK_MOST] = {{0}};
    double best = HUGE_VAL, best_trusted = HUGE_VAL;
    search->least = (struct ltv_score){HUGE_VAL, HUGE_VAL, -HUGE_VAL, NAN};
    for (size_t m = 0; m < search->members; m++) {
        struct ltv_weights alone = {.scale = 1};
        memcpy(alone.bend, search->bends, sizeof alone.bend);
        alone.weight[m] = 1;
        scores[m] = try(search, &alone);
        search->least.mae = fmin(search->least.mae, scores[m].mae);
        search->least.rmse = fmin(search->least.rmse, scores[m].rmse);
        search->least.gini = fmax(search->least.gini, scores[m].gini);
    }
    for (size_t m = 0; m < search->members; m++) {
        double loss = search->losses[m] = loss_of(search, &scores[m]);
        best = fmin(best, loss);
        best_trusted = search->how[m].trusted ? fmin(best_trusted, loss) : best_trusted;
    }
    search->trusts = best_trusted <= GOOD_LOSS * best;
}

/* The standard error of the total, as a share of it, as the members' mean leaves it. */
static double total_error(const struct search *search) {
    double squares = 0, total = 0;
    for (size_t i = 0; i < search->count; i++) {
        double said = 0;
        for (size_t m = 0; m < search->members; m++) {
            said += search->predictions[i * search->members + m] / (double)search->members;
        }
        squares += pow(search->actual[i] - said, 2);
        total += search->actual[i];
    }
    return total > 0 ? sqrt(squares) / total : 0;
}

/* The weights to be drawn to; false: there are none. */
static bool fill_prior(const struct search *search, double *prior) {
    double best = HUGE_VAL, whole[2] = {0, 0}; /* of those learnt, of those trusted */
    for (size_t m = 0; m < search->members; m++) {
        best = fmin(best, search->losses[m]);
    }
    for (size_t m = 0; m < search->members; m++) {
        bool trusted = search->how[m].trusted;
        bool good = search->losses[m] <= GOOD_LOSS * best && (!trusted || search->trusts);
        prior[m] = good ? search->how[m].prior : 0;
        whole[trusted] += prior[m];
    }
    for (size_t m = 0; m < search->members; m++) {
        bool trusted = search->how[m].trusted;
        double share = whole[!trusted] > 0 ? (trusted ? TRUSTED_SHARE : 1 - TRUSTED_SHARE) : 1;
        prior[m] *= whole[trusted] > 0 ? share / whole[trusted] : 0;
    }
    return whole[0] + whole[1] > 0;
}

/* Tweedie deviance of the power 1.5, without what the value alone gives. */
static double deviance(double actual, double said, double mean) {
    double root = sqrt(fmax(said, 1e-3 * mean));
    return 2 * actual / root + 2 * root;
}

/* By how many standard errors the deviance of the weights found is less than that of others. */
static double evidence(struct search *search, struct ltv_weights *found, struct ltv_weights *others) {
    double sum = 0, squares = 0, mean = 0, count = (double)search->count;
    blend(search, found);
    blend(search, others);
    for (size_t i = 0; i < search->count; i++) {
        mean += search->actual[i] / count;
    }
    for (size_t i = 0; i < search->count; i++) {
        double at = ltv_stack_at(found, search->predictions + i * search->members, search->members);
        double gain =
            deviance(search->actual[i], search->blend[i], mean) - deviance(search->actual[i], at, mean);
        sum += gain;
        squares += gain * gain;
    }
    double variance = squares - sum * sum / count;
    return variance > 0 ? sum / sqrt(variance) : 0;
}

static void draw_to_prior(struct search *search, struct ltv_weights *found) {
    struct ltv_weights prior = *found;
    double share = PRIOR_ROWS / (PRIOR_ROWS + (double)search->count), sum = 0, *weight = found->weight;
    if (fill_prior(search, prior.weight)) {
        double clear = fmax(0, evidence(search, found, &prior)) / CLEAR_RATHER;
        share /= 1 + clear * clear;
    } else {
        share = 0;
    }
    for (size_t m = 0; m < search->members; m++) {
        weight[m] = (1 - share) * weight[m] + share * prior.weight[m];
        weight[m] = weight[m] < WEIGHT_LEAST ? 0 : weight[m];
        sum += weight[m];
    }
    for (size_t m = 0; m < search->members; m++) {
        weight[m] /= sum;
    }
    blend(search, found);
}

static bool find(struct search *search, struct ltv_weights *found) {
    int parts[LTV_STACK_MOST] = {0};
    search->best_loss = HUGE_VAL;
    search->slip = fmax(TOTAL_SLIP, SLIP_ERRORS * total_error(search));
    search->perfect = perfect_gain(search->actual, search->count, search->pairs);
    for (size_t m = 0; m < search->members; m++) {
        bend_member(search, m);
    }
    score_singles(search);
    walk(search, parts, 0, STEPS);
    if (!(search->share > 0)) {
        return false;
    }
    *found = (struct ltv_weights){.scale = 1};
    memcpy(found->bend, search->bends, sizeof found->bend);
    for (size_t m = 0; m < search->members; m++) {
        found->weight[m] = search->sum[m] / search->share;
    }
    draw_to_prior(search, found);
    return true;
}

enum mi_status ltv_stack_fit(const double *predictions, size_t members, const struct ltv_stack_member *how,
                             const double *actual, size_t count, struct ltv_weights *weights,
                             struct mi_error *error) {
    size_t every = (count + ROWS_MOST - 1) / ROWS_MOST, kept = (count + every - 1) / every;
    double *sample = malloc(kept * (members + 2) * sizeof *sample);
    struct pair *pairs = malloc(kept * sizeof *pairs);
    if (sample == NULL || pairs == NULL) {
        free(sample);
        free(pairs);
        return mi_no_memory(error);
    }
    double *outcome = sample + kept * members;
    for (size_t i = 0; i < kept; i++) {
        memcpy(sample + i * members, predictions + i * every * members, members * sizeof *sample);
        outcome[i] = actual[i * every];
    }
    struct search search = {.predictions = sample,
                            .actual = outcome,
                            .members = members,
                            .how = how,
                            .count = kept,
                            .blend = outcome + kept,
                            .pairs = pairs};
    bool good = find(&search, weights);
    free(sample);
    free(pairs);
    return good ? MI_OK : mi_error_set(error, MI_NUMERIC, "no weights of the members can be judged");
}
