/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Noise of a day's users: variance poisson * mean + dispersion * mean^2 (for counts the negative binomial's),
 * and a small share of days that have nothing to do with the curve.
 *
 * Residuals are judged after a transform that makes the variance about 1: asinh for the negative binomial
 * (Anscombe 1948), which is the square root for small dispersion and the log for large.
 */
#include <math.h>
#include <stdlib.h>

#include "curve/fit.h"

#define OUTLIER_DENSITY  0.05
#define OUTLIERS_START   0.03
#define OUTLIERS_LEAST   0.002
#define OUTLIERS_MOST    0.15
#define DISPERSION_START 0.015 /* a day's rate varies by 10 %, where nothing tells */
#define DISPERSION_LEAST 1e-4
#define DISPERSION_MOST  4.0
#define ROWS_NEEDED      4   /* for a dispersion of one's own */
#define VARIANCE_START   0.1 /* of the log dispersions of campaigns */
#define VARIANCE_LEAST   0.01
#define VARIANCE_MOST    1.0
#define VARIANCE_HYPER   10.0 /* what is assumed counts as so many campaigns */
#define POISSON_LEAST    1e-9

static const double root_two_pi = 2.5066282746310005;

struct noise fit_noise_default(void) {
    return (struct noise){true, 1, DISPERSION_START, VARIANCE_START, OUTLIERS_START};
}

double fit_noise_variance(const struct noise *noise, double dispersion, double mean) {
    return noise->poisson * mean + dispersion * mean * mean;
}

double fit_noise_stabilise(const struct noise *noise, double dispersion, double users) {
    double square = dispersion * (users / noise->poisson + 0.375);
    return 2 / sqrt(dispersion) * log(sqrt(square) + sqrt(1 + square)); /* asinh */
}

double fit_noise_regular(const struct noise *noise, double residual) {
    double odds = noise->outliers / (1 - noise->outliers) * OUTLIER_DENSITY * root_two_pi;
    return 1 / (1 + odds * exp(residual * residual < 1400 ? 0.5 * residual * residual : 700));
}

double fit_noise_log_density(const struct noise *noise, double residual) {
    double regular = (1 - noise->outliers) * exp(-0.5 * residual * residual) / root_two_pi;
    return log(regular + noise->outliers * OUTLIER_DENSITY);
}

double fit_noise_campaign_dispersion(const struct noise *noise, const struct campaign *campaign) {
    if (!isfinite(campaign->dispersion_own))
        return noise->dispersion;
    double own = campaign->dispersion_information, pool = 1 / noise->dispersion_variance;
    return exp((own * log(campaign->dispersion_own) + pool * log(noise->dispersion)) / (own + pool));
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Where users are no counts: squared residuals over the squared mean on 1 / mean, all campaigns together; the
 * slope is the poisson part. noise_sums: sums of w, w u, w u u, w z, w u z. */
static double poisson_part(const struct portfolio *portfolio) {
    double s[5] = {0};
    for (size_t i = 0; i < portfolio->campaign_count; i++)
        for (int k = 0; k < 5; k++)
            s[k] += portfolio->campaigns[i].noise_sums[k];
    double spread = s[0] * s[2] - s[1] * s[1];
    if (!(s[0] > ROWS_NEEDED) || !(spread > 1e-6 * s[0] * s[2]))
        return portfolio->noise.poisson;
    double slope = (s[0] * s[4] - s[1] * s[3]) / spread;
    double mean = s[0] / s[1]; /* of the users, harmonic */
    return fmax(slope, fmax(POISSON_LEAST, 1e-6 * mean));
}

/* How much campaigns differ in their log dispersion, beyond what chance makes of it (moments; one that is far
 * off counts no more than one at three standard deviations). */
static double dispersion_variance(const struct portfolio *portfolio) {
    const struct noise *noise = &portfolio->noise;
    double sum = VARIANCE_HYPER * VARIANCE_START, all = VARIANCE_HYPER;
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        const struct campaign *campaign = &portfolio->campaigns[i];
        double information = campaign->dispersion_information;
        if (campaign->count < ROWS_NEEDED || !isfinite(campaign->dispersion_own) || !(information > 0))
            continue;
        double off = log(campaign->dispersion_own / noise->dispersion);
        double chance = 1 / information, now = chance + noise->dispersion_variance;
        double weight = noise->dispersion_variance / now; /* EM of a normal mean */
        double square = fmin(off * off, 9 * now);
        sum += weight * weight * square + noise->dispersion_variance * (1 - weight);
        all++;
    }
    return fmin(fmax(sum / all, VARIANCE_LEAST), VARIANCE_MOST);
}

void fit_noise_learn(struct portfolio *portfolio) {
    struct noise *noise = &portfolio->noise;
    double outliers = 0, rows = 0;
    size_t known = 0;
    double *own = portfolio->room;
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        const struct campaign *campaign = &portfolio->campaigns[i];
        rows += (double)campaign->count;
        outliers += campaign->outliers;
        if (campaign->count >= ROWS_NEEDED && isfinite(campaign->dispersion_own))
            own[known++] = campaign->dispersion_own;
    }
    if (known > 0) {
        qsort(own, known, sizeof *own, compare_doubles);
        noise->dispersion = sqrt(own[(known - 1) / 2] * own[known / 2]);
    }
    noise->dispersion_variance = dispersion_variance(portfolio);
    if (rows > 0)
        noise->outliers = fmin(fmax(outliers / rows, OUTLIERS_LEAST), OUTLIERS_MOST);
    if (!noise->counts)
        noise->poisson = poisson_part(portfolio);
}

double fit_noise_dispersion_information(const struct noise *noise, double dispersion, const double *mean,
                                        const double *regular, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double share = dispersion * mean[i] * mean[i] / fit_noise_variance(noise, dispersion, mean[i]);
        sum += isfinite(share) ? 0.5 * regular[i] * share * share : 0;
    }
    return sum;
}

double fit_noise_own_dispersion(const struct noise *noise, const double *users, const double *mean,
                                const double *regular, size_t n, double parameters) {
    double freedom = -parameters;
    for (size_t i = 0; i < n; i++)
        freedom += regular[i];
    if (n < ROWS_NEEDED || freedom < 1)
        return NAN;
    double low = log(DISPERSION_LEAST), high = log(DISPERSION_MOST);
    for (int step = 0; step < 14; step++) {
        double tried = exp((low + high) / 2), chi_squared = 0;
        for (size_t i = 0; i < n; i++) {
            double residual = users[i] - mean[i];
            chi_squared += regular[i] * residual * residual / fit_noise_variance(noise, tried, mean[i]);
        }
        if (chi_squared > freedom)
            low = log(tried);
        else
            high = log(tried);
    }
    return exp((low + high) / 2);
}
