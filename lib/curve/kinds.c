/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Two kinds of campaigns by their last shape parameter, the log of Hill's exponent: those that saturate from
 * the first cent and those that need some spend to start, S-shaped. A campaign belongs to each with a
 * probability; shares, offsets from the prior's centre and spreads of the kinds are learnt by EM (a mixture
 * of two normals, McLachlan & Peel 2000, section 3.2). Where all are alike the kinds come out alike.
 */
#include <math.h>

#include "curve/fit.h"

#define OFFSET        0.3 /* of either kind at the start; smaller than their spread: one hump */
#define HYPER         2.0 /* what is assumed at the start counts as so many campaigns of each kind */
#define SD_LEAST      0.15
#define DENSITY_LEAST 1e-30 /* far from both kinds */

static double square(double x) {
    return x * x;
}

static double start_variance(const struct fit_family *family) {
    return fmax(square(family->sd[SHAPES - 1]) - square(OFFSET), square(SD_LEAST));
}

void fit_kinds_start(struct portfolio *portfolio) {
    struct kind *kinds = portfolio->prior.kinds;
    bool used = portfolio->family->shapes == SHAPES;
    for (int k = 0; k < KINDS; k++)
        kinds[k] = (struct kind){.share = used ? 1.0 / KINDS : 0,
                                 .offset = k ? OFFSET : -OFFSET,
                                 .sd = used ? sqrt(start_variance(portfolio->family)) : 1};
}

bool fit_kinds_used(const struct prior *prior) {
    return prior->kinds[0].share > 0;
}

double fit_kinds_log_density(const struct prior *prior, double offset, double belongs[KINDS]) {
    double sum = 0;
    for (int k = 0; k < KINDS; k++) {
        const struct kind *kind = &prior->kinds[k];
        double z = (offset - kind->offset) / kind->sd;
        belongs[k] = kind->share / kind->sd * exp(-0.5 * z * z) + DENSITY_LEAST;
        sum += belongs[k];
    }
    for (int k = 0; k < KINDS; k++)
        belongs[k] /= sum;
    return log(sum);
}

/* A campaign's sums about its new centre, which lies `moved` above that they were taken about. */
static void add_sums(const struct kind_sums *from, double moved, struct kind_sums *to) {
    to->count += from->count;
    to->first += from->first - moved * from->count;
    to->second += from->second - 2 * moved * from->first + square(moved) * from->count;
}

/* The centre is that of all, so that the kinds' offsets come to 0, and the spread no less than a family's
 * least. */
static void settle(struct portfolio *portfolio) {
    struct kind *kinds = portfolio->prior.kinds;
    double mean = 0, variance = 0, least = square(portfolio->family->least_sd[SHAPES - 1]);
    for (int k = 0; k < KINDS; k++)
        mean += kinds[k].share * kinds[k].offset;
    for (int k = 0; k < KINDS; k++) {
        kinds[k].offset -= mean;
        variance += kinds[k].share * (square(kinds[k].offset) + square(kinds[k].sd));
    }
    for (int k = 0; k < KINDS && variance < least; k++)
        kinds[k].sd = sqrt(square(kinds[k].sd) + least - variance);
    portfolio->prior.sd[SHAPES] = sqrt(fmax(variance, least));
}

void fit_kinds_learn(struct portfolio *portfolio) {
    struct kind_sums sums[KINDS];
    struct kind *kinds = portfolio->prior.kinds;
    double all = 0;
    if (!fit_kinds_used(&portfolio->prior))
        return;
    for (int k = 0; k < KINDS; k++) {
        double offset = k ? OFFSET : -OFFSET;
        sums[k] = (struct kind_sums){HYPER, HYPER * offset,
                                     HYPER * (square(offset) + start_variance(portfolio->family))};
    }
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        const struct campaign *campaign = &portfolio->campaigns[i];
        double centre[PARAMETERS];
        if (!campaign_counts(campaign) || !campaign_has_shape(campaign))
            continue;
        fit_prior_centre(portfolio, campaign, centre);
        for (int k = 0; k < KINDS; k++)
            add_sums(&campaign->kinds[k], centre[SHAPES] - campaign->kinds_centre, &sums[k]);
    }
    for (int k = 0; k < KINDS; k++)
        all += sums[k].count;
    for (int k = 0; k < KINDS; k++) {
        double mean = sums[k].first / sums[k].count;
        double variance = sums[k].second / sums[k].count - square(mean);
        kinds[k] = (struct kind){sums[k].count / all, mean, sqrt(fmax(variance, square(SD_LEAST)))};
    }
    settle(portfolio);
}
