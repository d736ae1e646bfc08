/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What attributes and covariates say of a campaign's prior: for level, shape and the log of the highest spend
 * a ridge regression over all campaigns, one coefficient for each value of each attribute and for each
 * covariate. The spread of the coefficients is learnt with them (EM; the normal model of Laird & Ware 1982,
 * one spread for all), so that attributes that explain nothing come out as nothing.
 */
#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "curve/fit.h"

#define SPREAD_START 0.3
#define SPREAD_LEAST 1e-3
#define SPREAD_PRIOR 2.0 /* what is assumed at the start counts as so many coefficients */
#define SPEND_ROUNDS 10  /* of EM for the highest spend, which needs no fit */

/* One outcome's regression: residual variance, and coefficients with their spread. */
struct ridge {
    size_t n;
    double *normal, *matrix, *right; /* X'X; room for its inverse; X'y, then the coefficients */
    double spread, variance;
};

static size_t design(const struct portfolio *portfolio, const struct campaign *campaign, size_t column[],
                     double value[]) {
    size_t count = 0;
    for (size_t i = 0; i < campaign->feature_count; i++) {
        column[count] = campaign->features[i];
        value[count++] = 1;
    }
    for (size_t i = 0; i < portfolio->attributes.covariate_count; i++) {
        column[count] = portfolio->attributes.feature_count + i;
        value[count++] = campaign->covariates[i];
    }
    return count;
}

static double predict(const struct portfolio *portfolio, const struct campaign *campaign,
                      const double *coefficients) {
    size_t column[FEATURES_MOST + COVARIATES_MOST];
    double value[FEATURES_MOST + COVARIATES_MOST], sum = 0;
    size_t count = design(portfolio, campaign, column, value);
    for (size_t i = 0; i < count; i++)
        sum += coefficients[column[i]] * value[i];
    return sum;
}

/* Adds a campaign with this residual. */
static void add(const struct portfolio *portfolio, const struct campaign *campaign, double y,
                struct ridge *ridge) {
    size_t column[FEATURES_MOST + COVARIATES_MOST];
    double value[FEATURES_MOST + COVARIATES_MOST];
    size_t count = design(portfolio, campaign, column, value);
    for (size_t i = 0; i < count; i++) {
        ridge->right[column[i]] += value[i] * y;
        for (size_t j = 0; j < count; j++)
            ridge->normal[column[i] * ridge->n + column[j]] += value[i] * value[j];
    }
}

/* Coefficients, and their spread as learnt from them. false: no solution; they are 0 then. */
static bool solve(struct ridge *ridge) {
    size_t n = ridge->n;
    double *matrix = ridge->matrix, sum = 0;
    memcpy(matrix, ridge->normal, n * n * sizeof *matrix);
    for (size_t i = 0; i < n; i++)
        matrix[i * n + i] += ridge->variance / (ridge->spread * ridge->spread);
    gsl_matrix_view view = gsl_matrix_view_array(matrix, n, n);
    gsl_vector_view right = gsl_vector_view_array(ridge->right, n);
    bool solved = gsl_linalg_cholesky_decomp1(&view.matrix) == GSL_SUCCESS &&
                  gsl_linalg_cholesky_svx(&view.matrix, &right.vector) == GSL_SUCCESS &&
                  gsl_linalg_cholesky_invert(&view.matrix) == GSL_SUCCESS;
    for (size_t i = 0; i < n && solved; i++)
        sum += ridge->right[i] * ridge->right[i] + ridge->variance * matrix[i * n + i];
    solved = solved && isfinite(sum);
    if (!solved)
        memset(ridge->right, 0, n * sizeof *ridge->right);
    else
        ridge->spread = fmax(SPREAD_LEAST, sqrt((sum + SPREAD_PRIOR * SPREAD_START * SPREAD_START) /
                                                ((double)n + SPREAD_PRIOR)));
    return solved;
}

bool fit_attributes_learn_from(const struct campaign *campaign, size_t outcome) {
    return campaign_counts(campaign) &&
           (outcome == 0 || outcome == PARAMETERS || campaign_has_shape(campaign));
}

/* The part of an outcome that the groups' centres leave. */
static double residual(const struct portfolio *portfolio, const struct campaign *campaign, size_t outcome) {
    if (outcome == PARAMETERS)
        return log(campaign->spend_max) - portfolio->attributes.spend_mean;
    double mean = outcome ? campaign->mean[outcome] : fit_prior_level(&portfolio->prior, campaign);
    return mean - portfolio->prior.nodes[campaign->node].mean[outcome];
}

/* One regression and its part in every campaign's prior. */
static void learn(struct portfolio *portfolio, size_t outcome, struct ridge *ridge) {
    size_t n = ridge->n;
    memset(ridge->normal, 0, n * n * sizeof *ridge->normal);
    memset(ridge->right, 0, n * sizeof *ridge->right);
    ridge->spread = portfolio->attributes.spread[outcome];
    for (size_t i = 0; i < portfolio->campaign_count; i++)
        if (fit_attributes_learn_from(&portfolio->campaigns[i], outcome))
            add(portfolio, &portfolio->campaigns[i], residual(portfolio, &portfolio->campaigns[i], outcome),
                ridge);
    if (solve(ridge))
        portfolio->attributes.spread[outcome] = ridge->spread;
    double sum = 0, count = 0;
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        struct campaign *campaign = &portfolio->campaigns[i];
        campaign->additive[outcome] = predict(portfolio, campaign, ridge->right);
        if (!fit_attributes_learn_from(campaign, outcome))
            continue;
        double off = residual(portfolio, campaign, outcome) - campaign->additive[outcome];
        sum += off * off;
        count++;
    }
    portfolio->attributes.left[outcome] = count > 0 ? sum / count : 1;
}

static void centre_spends(struct portfolio *portfolio) {
    double sum = 0, squares = 0, count = 0;
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        if (!campaign_counts(&portfolio->campaigns[i]))
            continue;
        double x = log(portfolio->campaigns[i].spend_max);
        sum += x;
        squares += x * x;
        count++;
    }
    portfolio->attributes.spend_mean = count > 0 ? sum / count : 0;
    portfolio->attributes.left[PARAMETERS] =
        count > 1 ? fmax(1e-6, squares / count - sum * sum / count / count) : 1;
}

/* Logs of the sums per spend, centred and scaled. */
static void scale_covariates(struct portfolio *portfolio) {
    for (size_t k = 0; k < portfolio->attributes.covariate_count; k++) {
        double sum = 0, squares = 0, count = 0;
        for (int pass = 0; pass < 2; pass++)
            for (size_t i = 0; i < portfolio->campaign_count; i++) {
                struct campaign *campaign = &portfolio->campaigns[i];
                if (campaign->count == 0 || !(campaign->spend > 0)) {
                    campaign->covariates[k] = 0;
                    continue;
                }
                if (pass == 0) {
                    double x = log((campaign->covariates[k] + 0.5) / campaign->spend);
                    campaign->covariates[k] = x;
                    sum += x;
                    squares += x * x;
                    count++;
                } else {
                    double variance = squares / count - sum * sum / count / count;
                    campaign->covariates[k] =
                        variance > 1e-9 ? (campaign->covariates[k] - sum / count) / sqrt(variance) : 0;
                }
            }
    }
}

void fit_attributes_start(struct portfolio *portfolio) {
    for (size_t i = 0; i < portfolio->campaign_count; i++)
        memset(portfolio->campaigns[i].additive, 0, sizeof portfolio->campaigns[i].additive);
    for (size_t k = 0; k <= PARAMETERS; k++)
        portfolio->attributes.spread[k] = SPREAD_START;
    centre_spends(portfolio);
    if (!portfolio->attributes.scaled)
        scale_covariates(portfolio);
    portfolio->attributes.scaled = true;
}

enum mi_status fit_attributes_learn(struct portfolio *portfolio, bool spends, struct mi_error *error) {
    struct ridge ridge = {.n = portfolio->attributes.feature_count + portfolio->attributes.covariate_count};
    if (ridge.n == 0)
        return MI_OK;
    ridge.normal = calloc(ridge.n * ridge.n, sizeof *ridge.normal);
    ridge.matrix = calloc(ridge.n * ridge.n, sizeof *ridge.matrix);
    ridge.right = calloc(ridge.n, sizeof *ridge.right);
    enum mi_status status = MI_OK;
    if (!ridge.normal || !ridge.matrix || !ridge.right)
        status = mi_no_memory(error);
    for (size_t k = 0; k < 1 + portfolio->family->shapes && status == MI_OK; k++) {
        ridge.variance = portfolio->prior.sd[k] * portfolio->prior.sd[k];
        learn(portfolio, k, &ridge);
    }
    for (size_t round = 0; round < SPEND_ROUNDS && spends && status == MI_OK; round++) {
        ridge.variance = fmax(portfolio->attributes.left[PARAMETERS], 1e-4);
        learn(portfolio, PARAMETERS, &ridge);
    }
    free(ridge.normal);
    free(ridge.matrix);
    free(ridge.right);
    return status;
}

void fit_prior_centre(const struct portfolio *portfolio, const struct campaign *campaign,
                      double centre[PARAMETERS]) {
    for (size_t k = 0; k < PARAMETERS; k++)
        centre[k] = portfolio->prior.nodes[campaign->node].mean[k] + campaign->additive[k];
    if (campaign->apart) /* the others' users per spend tell nothing of its own */
        centre[0] = log((campaign->users + 0.5) / campaign->spend);
}
