/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What attributes say of a campaign's prior only together: boosted trees on what groups and ridge leave of
 * level, shape and the log of the highest spend. They are believed where they foretell the campaigns of folds
 * that they were not grown on; else groups and ridge stay as they are.
 *
 * A campaign's posterior is drawn to the prior that it is to teach. What its own rows say is got back by
 * taking that prior out again; how sure that is, with the spread of campaigns, gives its weight.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "curve/fit.h"
#include "num/boost.h"

#define CAMPAIGNS_NEEDED 60
#define CAMPAIGNS_MOST   4000 /* taken evenly, to grow the trees on */
#define FOLDS            5
#define LEAD_NEEDED      1.5 /* standard errors by which the folds must be foretold better */
#define TELLS_LEAST      0.1 /* of the prior's variance that a campaign's own rows take away */
#define RESIDUAL_MOST    3.0 /* standard deviations */
#define BLOCK            2048

struct table {
    size_t columns, rows;
    float *values, *labels, *weights;
    float *own, *found; /* variance of a campaign's own rows, and what trees say */
};

static void fill_row(const struct portfolio *portfolio, const struct campaign *campaign, float *row) {
    const struct attributes *attributes = &portfolio->attributes;
    size_t columns = attributes->feature_count + attributes->covariate_count;
    for (size_t i = 0; i < columns; i++)
        row[i] = 0;
    for (size_t i = 0; i < campaign->feature_count; i++)
        row[campaign->features[i]] = 1;
    for (size_t i = 0; i < attributes->covariate_count; i++)
        row[attributes->feature_count + i] = (float)campaign->covariates[i];
}

/* What a campaign's rows say of an outcome beyond what groups and ridge do, and the weight of that; false:
 * nothing. */
static bool rest_of(const struct portfolio *portfolio, const struct campaign *campaign, size_t outcome,
                    double *rest, double *own, double *weight) {
    const struct prior *prior = &portfolio->prior;
    double centre[PARAMETERS];
    if (!fit_attributes_learn_from(campaign, outcome))
        return false;
    if (outcome == PARAMETERS) {
        *rest = log(campaign->spend_max) - portfolio->attributes.spend_mean - campaign->additive[outcome];
        *own = 0;
        *weight = 1;
        return true;
    }
    fit_prior_centre(portfolio, campaign, centre);
    double before = prior->sd[outcome] * prior->sd[outcome];
    double mean = outcome ? campaign->mean[outcome] : fit_prior_level(prior, campaign);
    double after =
        outcome ? campaign->covariance[outcome][outcome] : fit_prior_level_variance(prior, campaign);
    if (!(after < (1 - TELLS_LEAST) * before))
        return false;
    after = fmax(after, 1e-6 * before);
    *own = 1 / (1 / after - 1 / before);
    double most = RESIDUAL_MOST * sqrt(*own + before);
    *rest = fmin(fmax((mean - centre[outcome]) * *own / after, -most), most);
    *weight = 1 / (*own + before);
    return true;
}

static bool make_table(size_t columns, size_t rows, struct table *table) {
    *table = (struct table){.columns = columns};
    table->values = malloc(rows * columns * sizeof *table->values);
    table->labels = malloc(4 * rows * sizeof *table->labels);
    table->weights = table->labels + rows;
    table->own = table->labels + 2 * rows;
    table->found = table->labels + 3 * rows;
    return table->values && table->labels;
}

static void free_table(struct table *table) {
    free(table->values);
    free(table->labels);
}

static void fill_table(const struct portfolio *portfolio, size_t outcome, struct table *table) {
    size_t stride = portfolio->campaign_count / CAMPAIGNS_MOST + 1;
    double rest, own, weight, sum = 0;
    table->rows = 0;
    for (size_t i = 0; i < portfolio->campaign_count; i += stride) {
        const struct campaign *campaign = &portfolio->campaigns[i];
        if (!rest_of(portfolio, campaign, outcome, &rest, &own, &weight))
            continue;
        fill_row(portfolio, campaign, table->values + table->rows * table->columns);
        table->labels[table->rows] = (float)rest;
        table->own[table->rows] = (float)own;
        table->weights[table->rows++] = (float)weight;
        sum += weight;
    }
    for (size_t i = 0; i < table->rows; i++) /* their mean is 1, as the trees' penalties have it */
        table->weights[i] *= (float)((double)table->rows / sum);
}

static enum mi_status grow(const struct table *table, struct mi_boost **trees, struct mi_error *error) {
    const struct mi_boost_data data = {.values = table->values,
                                       .rows = table->rows,
                                       .columns = table->columns,
                                       .labels = table->labels,
                                       .weights = table->weights};
    struct mi_boost_options how = mi_boost_options_default();
    how.max_depth = 4;
    how.rounds = 80;
    how.learning_rate = 0.1;
    how.lambda = 1;
    how.min_child_weight = 5;
    return mi_boost_train(&data, NULL, &how, trees, error);
}

/* The rows outside a fold, or in it, to a table of their own. */
static void take_fold(const struct table *all, size_t fold, bool inside, struct table *part) {
    part->rows = 0;
    for (size_t i = 0; i < all->rows; i++) {
        if ((i % FOLDS == fold) != inside)
            continue;
        for (size_t k = 0; k < all->columns; k++)
            part->values[part->rows * all->columns + k] = all->values[i * all->columns + k];
        part->labels[part->rows] = all->labels[i];
        part->weights[part->rows++] = all->weights[i];
    }
}

/* Fills found with what trees grown on the other folds say of each row. */
static enum mi_status cross_validate(struct table *all, struct table *part, struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t fold = 0; fold < FOLDS && status == MI_OK; fold++) {
        struct mi_boost *trees = NULL;
        take_fold(all, fold, false, part);
        status = grow(part, &trees, error);
        take_fold(all, fold, true, part);
        if (status == MI_OK)
            status = mi_boost_predict(trees, part->values, part->rows, part->found, error);
        for (size_t i = 0; i < part->rows && status == MI_OK; i++)
            all->found[fold + i * FOLDS] = part->found[i];
        mi_boost_free(trees);
    }
    return status;
}

/* Share of the rest's weighted squares that the trees took away; 0 where that may be chance. */
static double gain_of(const struct table *table) {
    double sum = 0, squares = 0, all = 0, n = (double)table->rows;
    for (size_t i = 0; i < table->rows; i++) {
        double rest = (double)table->labels[i], left = rest - (double)table->found[i];
        double gain = (double)table->weights[i] * (rest * rest - left * left);
        sum += gain;
        squares += gain * gain;
        all += (double)table->weights[i] * rest * rest;
    }
    double error = sqrt(fmax(squares - sum * sum / n, 0));
    return sum > LEAD_NEEDED * error && all > 0 ? sum / all : 0;
}

/* Puts the trees' part, instead of an earlier one, into the prior of every campaign, those without rows too.
 */
static enum mi_status apply(struct portfolio *portfolio, size_t outcome, struct mi_boost *trees,
                            struct mi_error *error) {
    size_t columns = mi_boost_columns(trees);
    float *values = malloc(BLOCK * columns * sizeof *values), found[BLOCK];
    enum mi_status status = values ? MI_OK : mi_no_memory(error);
    for (size_t i = 0; i < portfolio->campaign_count && status == MI_OK; i += BLOCK) {
        size_t rows = portfolio->campaign_count - i < BLOCK ? portfolio->campaign_count - i : BLOCK;
        for (size_t k = 0; k < rows; k++)
            fill_row(portfolio, &portfolio->campaigns[i + k], values + k * columns);
        status = mi_boost_predict(trees, values, rows, found, error);
        for (size_t k = 0; k < rows && status == MI_OK; k++)
            if (portfolio->campaigns[i + k].feature_count > 0)
                portfolio->campaigns[i + k].additive[outcome] += (double)found[k];
    }
    free(values);
    return status;
}

/* The prior's variance is what trees leave of campaigns that they were not grown on, without the noise of
 * these campaigns' own rows. */
static void narrow(struct portfolio *portfolio, size_t outcome, const struct table *table) {
    double squares = 0, sum = 0;
    for (size_t i = 0; i < table->rows; i++) {
        double left = (double)table->labels[i] - (double)table->found[i];
        squares += (double)table->weights[i] * (left * left - (double)table->own[i]);
        sum += (double)table->weights[i];
    }
    if (outcome == PARAMETERS)
        portfolio->attributes.left[PARAMETERS] = squares / sum;
    if (outcome == PARAMETERS || (outcome == SHAPES && fit_kinds_used(&portfolio->prior)))
        return; /* of the last shape it is for the kinds to say */
    double *sd = &portfolio->prior.sd[outcome];
    double least = outcome ? portfolio->family->least_sd[outcome - 1] : FIT_LEVEL_SD_LEAST;
    *sd = fmin(fmax(sqrt(fmax(squares / sum, 0)), least), fmax(*sd, least));
}

static enum mi_status believe(struct portfolio *portfolio, size_t outcome, const struct table *table,
                              struct mi_error *error) {
    struct mi_boost *trees = NULL;
    enum mi_status status = grow(table, &trees, error);
    if (status == MI_OK)
        status = apply(portfolio, outcome, trees, error);
    if (status == MI_OK)
        narrow(portfolio, outcome, table);
    mi_boost_free(trees);
    return status;
}

enum mi_status fit_trees_learn(struct portfolio *portfolio, struct mi_error *error) {
    size_t columns = portfolio->attributes.feature_count + portfolio->attributes.covariate_count;
    struct table all = {0}, part = {0};
    if (portfolio->attributes.feature_count < 2 || portfolio->campaign_count < CAMPAIGNS_NEEDED)
        return MI_OK;
    size_t rows =
        portfolio->campaign_count / (portfolio->campaign_count / CAMPAIGNS_MOST + 1) + 1; /* of fill_table */
    enum mi_status status =
        make_table(columns, rows, &all) && make_table(columns, rows, &part) ? MI_OK : mi_no_memory(error);
    for (size_t k = 0; k <= PARAMETERS && status == MI_OK; k++) {
        if (k > portfolio->family->shapes && k < PARAMETERS)
            continue;
        fill_table(portfolio, k, &all);
        if (all.rows < CAMPAIGNS_NEEDED)
            continue;
        status = cross_validate(&all, &part, error);
        double gain = status == MI_OK ? gain_of(&all) : 0;
        if (gain > 0 && status == MI_OK)
            status = believe(portfolio, k, &all, error);
    }
    free_table(&all);
    free_table(&part);
    return status;
}
