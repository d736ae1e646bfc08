/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Quasi-likelihood with normal coefficients (Breslow & Clayton 1993), by turns: Newton steps of every
 * campaign under the prior; the prior's centre by generalised least squares given its spread; the spread by
 * EM. Rows far off are down-weighted as under a t distribution of four degrees of freedom (Lange, Little &
 * Taylor 1989).
 */
#include "curve/stage.h"

#include <math.h>
#include <string.h>

#define PASSES        40
#define STEP_MOST     1.0
#define RESIDUAL_MOST 4.0 /* of count / mean - 1 */
#define FREEDOM       4.0
/* Expectation of (v + 1) z^2 / (v + z^2) for a standard normal z and v = 4. */
#define ROBUST_MEAN      0.7865
#define HYPER_CAMPAIGNS  2.0 /* the spread at the start counts as so many campaigns */
#define DISPERSION_LEAST 1e-6
#define DISPERSION_MOST  10.0
#define LEVEL_UNKNOWN    10.0 /* standard deviation of the portfolio's level */

typedef double matrix[STAGE_MOST][STAGE_MOST];

static double square(double x) {
    return x * x;
}

/* a := its inverse, for a symmetric positive definite matrix, by Gauss and Jordan. */
static void invert(matrix a, size_t n) {
    for (size_t k = 0; k < n; k++) {
        double pivot = a[k][k];
        if (!(fabs(pivot) > 1e-300))
            pivot = 1e-300;
        a[k][k] = 1;
        for (size_t j = 0; j < n; j++)
            a[k][j] /= pivot;
        for (size_t i = 0; i < n; i++) {
            double factor = a[i][k];
            if (i == k)
                continue;
            a[i][k] = 0;
            for (size_t j = 0; j < n; j++)
                a[i][j] -= factor * a[k][j];
        }
    }
}

double stage_log_rate(const struct stage *stage, const struct stage_campaign *campaign, const double *x) {
    double sum = 0;
    for (size_t k = 0; k < stage->coefficients; k++)
        sum += campaign->coefficient[k] * x[k];
    return fmin(fmax(sum, -60), 60);
}

bool stage_tells(const struct stage *stage, size_t coefficient) {
    return stage->mean_variance[coefficient] < 0.5 * square(stage->uncertainty[coefficient]);
}

static double mean_of(const struct stage *stage, const struct stage_campaign *campaign,
                      const struct stage_row *row) {
    return fmax(row->exposure * exp(stage_log_rate(stage, campaign, row->x)), 1e-12);
}

/* Information and score of a campaign's rows alone. */
static void sum_rows(const struct stage *stage, const struct stage_campaign *campaign, matrix information,
                     double score[STAGE_MOST]) {
    size_t n = stage->coefficients;
    memset(information, 0, sizeof(matrix));
    memset(score, 0, STAGE_MOST * sizeof *score);
    for (size_t i = 0; i < campaign->rows; i++) {
        const struct stage_row *row = &stage->rows[campaign->first + i];
        double mean = mean_of(stage, campaign, row), variance = mean + stage->dispersion * mean * mean;
        double weight =
            (FREEDOM + 1) / (FREEDOM + square(row->count - mean) / variance) * mean * mean / variance;
        double residual = fmin(row->count / mean - 1, RESIDUAL_MOST);
        for (size_t k = 0; k < n; k++) {
            score[k] += weight * residual * row->x[k];
            for (size_t l = 0; l < n; l++)
                information[k][l] += weight * row->x[k] * row->x[l];
        }
    }
}

/* A step of a campaign; adds its part to the normal equations of the prior's centre. */
static void step_campaign(const struct stage *stage, struct stage_campaign *campaign, matrix normal,
                          double right[STAGE_MOST]) {
    size_t n = stage->coefficients;
    matrix information;
    double score[STAGE_MOST], data[STAGE_MOST], drawn[STAGE_MOST];
    sum_rows(stage, campaign, information, score);
    memcpy(campaign->covariance, information, sizeof information);
    for (size_t k = 0; k < n; k++) {
        data[k] = score[k];
        for (size_t l = 0; l < n; l++)
            data[k] += information[k][l] * campaign->coefficient[l];
        campaign->covariance[k][k] += 1 / square(stage->spread[k]);
    }
    invert(campaign->covariance, n);
    for (size_t k = 0; k < n; k++) {
        double move = 0;
        drawn[k] = 0;
        for (size_t l = 0; l < n; l++) {
            double pull = (stage->mean[l] - campaign->coefficient[l]) / square(stage->spread[l]);
            move += campaign->covariance[k][l] * (score[l] + pull);
            drawn[k] += campaign->covariance[k][l] * data[l];
        }
        campaign->coefficient[k] += fmin(fmax(move, -STEP_MOST), STEP_MOST);
    }
    /* (spread^2 + information^-1)^-1 = information - information covariance information */
    for (size_t k = 0; k < n; k++) {
        right[k] += data[k];
        for (size_t l = 0; l < n; l++) {
            right[k] -= information[k][l] * drawn[l];
            normal[k][l] += information[k][l];
            for (size_t p = 0; p < n; p++)
                for (size_t q = 0; q < n; q++)
                    normal[k][l] -= information[k][p] * campaign->covariance[p][q] * information[q][l];
        }
    }
}

static void learn_mean(struct stage *stage, matrix normal, double right[STAGE_MOST]) {
    size_t n = stage->coefficients;
    for (size_t k = 0; k < n; k++) {
        double weight = 1 / square(k ? stage->uncertainty[k] : LEVEL_UNKNOWN);
        normal[k][k] += weight;
        right[k] += weight * stage->start[k];
    }
    invert(normal, n);
    for (size_t k = 0; k < n; k++) {
        stage->mean_variance[k] = normal[k][k];
        stage->mean[k] = 0;
        for (size_t l = 0; l < n; l++)
            stage->mean[k] += normal[k][l] * right[l];
    }
}

static void learn_spread(struct stage *stage, const double *first) {
    for (size_t k = 0; k < stage->coefficients; k++) {
        double sum = HYPER_CAMPAIGNS * square(first[k]), count = HYPER_CAMPAIGNS;
        for (size_t c = 0; c < stage->campaign_count; c++) {
            const struct stage_campaign *campaign = &stage->campaigns[c];
            if (campaign->rows == 0)
                continue;
            sum += square(campaign->coefficient[k] - stage->mean[k]) + campaign->covariance[k][k];
            count++;
        }
        stage->spread[k] = fmax(sqrt(sum / count), stage->least_spread[k]);
    }
}

/* Sum of the squared residuals, down-weighted, at a dispersion, less what is expected of it. */
static double excess(const struct stage *stage, double dispersion) {
    double sum = 0, n = 0;
    for (size_t c = 0; c < stage->campaign_count; c++) {
        const struct stage_campaign *campaign = &stage->campaigns[c];
        for (size_t i = 0; i < campaign->rows; i++) {
            const struct stage_row *row = &stage->rows[campaign->first + i];
            double mean = mean_of(stage, campaign, row);
            double z = square(row->count - mean) / (mean + dispersion * mean * mean);
            sum += (FREEDOM + 1) * z / (FREEDOM + z);
        }
        n += campaign->rows > stage->coefficients ? (double)(campaign->rows - stage->coefficients) : 0;
    }
    return sum - ROBUST_MEAN * n;
}

static void learn_dispersion(struct stage *stage) {
    double low = DISPERSION_LEAST, high = DISPERSION_MOST;
    for (int i = 0; i < 30; i++) {
        double middle = sqrt(low * high);
        if (excess(stage, middle) > 0)
            low = middle;
        else
            high = middle;
    }
    stage->dispersion = sqrt(low * high);
}

/* Whether some campaign has rows enough to tell noise from the coefficients. */
static bool tells_noise(const struct stage *stage) {
    for (size_t c = 0; c < stage->campaign_count; c++)
        if (stage->campaigns[c].rows > stage->coefficients + 2)
            return true;
    return false;
}

static void start(struct stage *stage) {
    double counts = 0, exposures = 0;
    for (size_t c = 0; c < stage->campaign_count; c++)
        for (size_t i = 0; i < stage->campaigns[c].rows; i++) {
            counts += stage->rows[stage->campaigns[c].first + i].count;
            exposures += stage->rows[stage->campaigns[c].first + i].exposure;
        }
    stage->start[0] = log((counts + 0.5) / (exposures + 0.5));
    memcpy(stage->mean, stage->start, sizeof stage->mean);
    stage->dispersion = 0.05;
    for (size_t c = 0; c < stage->campaign_count; c++) {
        struct stage_campaign *campaign = &stage->campaigns[c];
        double count = 0, exposure = 0, rate = exp(stage->start[0]);
        for (size_t i = 0; i < campaign->rows; i++) {
            count += stage->rows[campaign->first + i].count;
            exposure += stage->rows[campaign->first + i].exposure;
        }
        memcpy(campaign->coefficient, stage->start, sizeof campaign->coefficient);
        campaign->coefficient[0] = log((count + 0.5) / (exposure + 0.5 / rate));
    }
}

void stage_fit(struct stage *stage) {
    double first[STAGE_MOST];
    memcpy(first, stage->spread, sizeof first);
    bool noisy = tells_noise(stage);
    start(stage);
    for (int pass = 0; pass < PASSES; pass++) {
        matrix normal = {{0}};
        double right[STAGE_MOST] = {0};
        for (size_t c = 0; c < stage->campaign_count; c++)
            if (stage->campaigns[c].rows > 0)
                step_campaign(stage, &stage->campaigns[c], normal, right);
        learn_mean(stage, normal, right);
        learn_spread(stage, first);
        if (noisy && pass % 4 == 2)
            learn_dispersion(stage);
    }
    for (size_t c = 0; c < stage->campaign_count; c++) {
        struct stage_campaign *campaign = &stage->campaigns[c];
        if (campaign->rows > 0)
            continue;
        memcpy(campaign->coefficient, stage->mean, sizeof campaign->coefficient);
        memset(campaign->covariance, 0, sizeof campaign->covariance);
        for (size_t k = 0; k < stage->coefficients; k++)
            campaign->covariance[k][k] = square(stage->spread[k]) + stage->mean_variance[k];
    }
}
