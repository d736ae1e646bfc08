/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The prior that campaigns share: centre and spread of level and shape, learnt by EM from the fitted
 * campaigns. Groups (network, then network and geo, ...) have centres of their own, each shrunk to the one
 * above.
 *
 * Where hardly any campaign varied its spend, no campaign tells the shape; then the differences between
 * campaigns stand in: the elasticity of users to spend across campaigns, by Poisson pseudo-maximum likelihood
 * (Santos Silva & Tenreyro 2006), gives the centre of half saturation.
 */
#include <math.h>

#include "curve/fit.h"

#define HYPER_CAMPAIGNS 2.0 /* what is assumed at the start counts as so many campaigns */
#define GROUP_CAMPAIGNS                                                                                      \
    5.0 /* a group's centre is shrunk to the one above as if that were so many of its own */
#define LEVEL_SD 0.7
#define SD_MOST  2.0

#define ANCHOR_START     1.0 /* users per spend at half saturation are what campaigns have in common */
#define ANCHOR_CAMPAIGNS 5.0 /* what is assumed counts as so many campaigns, of this variance */
#define ANCHOR_VARIANCE  0.1
#define ANCHOR_STEP      1e-4

#define RELAXATION 1.8 /* below 2, or it may not settle */

#define SHAPES_NEEDED        5 /* campaigns with a shape of their own; below, the cross-section helps */
#define CROSS_SECTION_NEEDED 20
#define CROSS_SECTION_SD     0.1 /* campaigns differ in more than spend: added to the standard error */
#define ASSUMED_ELASTICITY_SD                                                                                \
    0.25 /* of the elasticity that the family starts from: what its prior spread comes to */

static double square(double x) {
    return x * x;
}

double fit_prior_level(const struct prior *prior, const struct campaign *campaign) {
    return campaign->mean[0] - prior->anchor * campaign->anchor;
}

double fit_prior_level_variance(const struct prior *prior, const struct campaign *campaign) {
    return fmax(0, campaign->covariance[0][0] - 2 * prior->anchor * campaign->anchor_level +
                       square(prior->anchor) * campaign->anchor_variance);
}

void fit_prior_spread(const struct portfolio *portfolio, double centre[PARAMETERS],
                      double covariance[PARAMETERS][PARAMETERS]) {
    const struct prior *prior = &portfolio->prior;
    const struct fit_family *family = portfolio->family;
    double by[PARAMETERS] = {0};
    for (size_t k = 0; k < family->shapes; k++) {
        double up[SHAPES] = {centre[1], centre[2]}, down[SHAPES] = {centre[1], centre[2]};
        up[k] += ANCHOR_STEP;
        down[k] -= ANCHOR_STEP;
        by[1 + k] = prior->anchor * (fit_family_anchor(family, up) - fit_family_anchor(family, down)) /
                    (2 * ANCHOR_STEP);
    }
    centre[0] += prior->anchor * fit_family_anchor(family, centre + 1);
    by[0] = 1;
    for (size_t i = 0; i < PARAMETERS; i++)
        for (size_t j = 0; j < PARAMETERS; j++)
            covariance[i][j] = i == j ? square(prior->sd[i]) : 0;
    for (size_t k = 1; k < PARAMETERS; k++) {
        covariance[0][0] += square(by[k] * prior->sd[k]);
        covariance[0][k] = covariance[k][0] = by[k] * square(prior->sd[k]);
    }
}

double fit_prior_weight(const struct portfolio *portfolio, const struct campaign *campaign,
                        size_t parameter) {
    double centre[PARAMETERS], spread[PARAMETERS][PARAMETERS];
    fit_prior_centre(portfolio, campaign, centre);
    fit_prior_spread(portfolio, centre, spread);
    double left = campaign->covariance[parameter][parameter] / spread[parameter][parameter];
    return left < 0 ? 1 : left > 1 ? 0 : 1 - left;
}

/* ---- across campaigns ---- */

struct regression { /* log users = constant + elasticity (log spend - centre) + log rows */
    double centre, constant, elasticity;
    double variance; /* of the elasticity, robust */
};

/* Whether a campaign takes part in the cross-section. */
static bool counts_across(const struct campaign *campaign) {
    return campaign_counts(campaign);
}

static void regress_once(const struct portfolio *portfolio, struct regression *fit) {
    double h00 = 0, h01 = 0, h11 = 0, g0 = 0, g1 = 0, m00 = 0, m01 = 0, m11 = 0;
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        const struct campaign *campaign = &portfolio->campaigns[i];
        if (!counts_across(campaign))
            continue;
        double rows = (double)campaign->count;
        double x = log(campaign->spend / rows) - fit->centre;
        double mean = rows * exp(fmin(fit->constant + fit->elasticity * x, 600));
        double residual = campaign->users - mean;
        h00 += mean, h01 += mean * x, h11 += mean * x * x;
        g0 += residual, g1 += residual * x;
        m00 += square(residual), m01 += square(residual) * x, m11 += square(residual * x);
    }
    double determinant = h00 * h11 - h01 * h01;
    if (!(determinant > 1e-12 * h00 * h11)) {
        fit->variance = INFINITY;
        return;
    }
    double step0 = (h11 * g0 - h01 * g1) / determinant, step1 = (h00 * g1 - h01 * g0) / determinant;
    fit->constant += fmax(-1, fmin(1, step0));
    fit->elasticity += fmax(-0.5, fmin(0.5, step1));
    /* sandwich: the second diagonal element of H^-1 M H^-1 */
    fit->variance = (square(h01) * m00 - 2 * h01 * h00 * m01 + square(h00) * m11) / square(determinant);
}

/* Elasticity across campaigns, drawn to `assumed` by its error; `assumed` where campaigns are too few. */
static double elasticity_across(const struct portfolio *portfolio, double assumed) {
    struct regression fit = {.elasticity = 1};
    double count = 0, spend = 0, users = 0, logs = 0;
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        const struct campaign *campaign = &portfolio->campaigns[i];
        if (!counts_across(campaign))
            continue;
        count++;
        spend += campaign->spend;
        users += campaign->users;
        logs += log(campaign->spend / (double)campaign->count);
    }
    if (count < CROSS_SECTION_NEEDED || !(users > 0))
        return assumed;
    fit.centre = logs / count;
    fit.constant = fit.centre + log(users / spend);
    for (int i = 0; i < 40; i++)
        regress_once(portfolio, &fit);
    double weight = 1 / (fit.variance + square(CROSS_SECTION_SD)), other = 1 / square(ASSUMED_ELASTICITY_SD);
    double elasticity = (weight * fit.elasticity + other * assumed) / (weight + other);
    return isfinite(elasticity) ? fmin(fmax(elasticity, 0.2), 0.95) : assumed;
}

/* ---- start ---- */

static size_t count_shapes(const struct portfolio *portfolio) {
    size_t count = 0;
    for (size_t i = 0; i < portfolio->campaign_count; i++)
        count += campaign_has_shape(&portfolio->campaigns[i]);
    return count;
}

void fit_prior_start(struct portfolio *portfolio) {
    struct prior *prior = &portfolio->prior;
    const struct fit_family *family = portfolio->family;
    double spend = 0, users = 0, *mean = prior->start;
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        if (!campaign_counts(&portfolio->campaigns[i]))
            continue;
        spend += portfolio->campaigns[i].spend;
        users += portfolio->campaigns[i].users;
    }
    mean[0] = log((users > 0 ? users : 0.5) / (spend > 0 ? spend : 1));
    prior->sd[0] = LEVEL_SD;
    bool shaped = count_shapes(portfolio) >= SHAPES_NEEDED;
    prior->anchor = shaped && family->family != MI_CURVE_POWER ? ANCHOR_START : 0;
    mean[0] -= prior->anchor * fit_family_anchor(family, family->mean);
    prior->misfit = portfolio->misfit;
    for (size_t k = 0; k < SHAPES; k++) {
        mean[1 + k] = family->mean[k];
        prior->sd[1 + k] = k < family->shapes ? family->sd[k] : 1;
    }
    if (!shaped) {
        double assumed = fit_family_elasticity(family, family->mean);
        mean[1] = fit_family_place(family, family->mean, elasticity_across(portfolio, assumed));
    }
    for (size_t i = 0; i < prior->node_count; i++)
        for (size_t k = 0; k < PARAMETERS; k++)
            prior->nodes[i].mean[k] = mean[k];
}

/* ---- learn ---- */

static void sum_nodes(struct portfolio *portfolio) {
    struct prior *prior = &portfolio->prior;
    for (size_t i = 0; i < prior->node_count; i++) {
        struct node *node = &prior->nodes[i];
        *node = (struct node){.parent = node->parent, .mean = {node->mean[0], node->mean[1], node->mean[2]}};
    }
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        const struct campaign *campaign = &portfolio->campaigns[i];
        struct node *node = &prior->nodes[campaign->node];
        if (!campaign_counts(campaign))
            continue;
        node->campaigns++;
        node->spend += 1;
        node->users += fit_prior_level(prior, campaign) - campaign->additive[0];
        if (!campaign_has_shape(campaign))
            continue;
        node->shapes++;
        for (size_t k = 0; k < SHAPES; k++)
            node->shape[k] += campaign->mean[1 + k] - campaign->additive[1 + k];
    }
    for (size_t i = prior->node_count; i-- > 1;) { /* a parent comes before its children */
        struct node *node = &prior->nodes[i], *parent = &prior->nodes[node->parent];
        parent->campaigns += node->campaigns;
        parent->spend += node->spend;
        parent->users += node->users;
        parent->shapes += node->shapes;
        for (size_t k = 0; k < SHAPES; k++)
            parent->shape[k] += node->shape[k];
    }
}

/* EM moves slowly where campaigns tell little: step farther (over-relaxed EM, Salakhutdinov & Roweis 2003).
 */
static double relax(const struct portfolio *portfolio, double before, double learnt) {
    /* with groups and attributes there are several steps in turn, which is no plain EM */
    double step = portfolio->attributes.feature_count || portfolio->prior.node_count > 1 ? 1 : RELAXATION;
    return before + step * (learnt - before);
}

static void learn_centres(struct portfolio *portfolio) {
    struct prior *prior = &portfolio->prior;
    for (size_t i = 0; i < prior->node_count; i++) {
        struct node *node = &prior->nodes[i];
        const double *above = i ? prior->nodes[node->parent].mean : prior->start;
        double weight = i ? GROUP_CAMPAIGNS : HYPER_CAMPAIGNS;
        for (size_t k = 0; k < SHAPES; k++)
            node->mean[1 + k] = relax(portfolio, node->mean[1 + k],
                                      (node->shape[k] + weight * above[1 + k]) / (node->shapes + weight));
        if (i == 0 && node->spend > 0)
            node->mean[0] = node->users / node->spend;
        else if (i > 0 && node->spend > 0)
            node->mean[0] = (node->users + weight * above[0]) / (node->campaigns + weight);
        else if (i > 0)
            node->mean[0] = above[0];
    }
}

static void learn_spreads(struct portfolio *portfolio) {
    struct prior *prior = &portfolio->prior;
    const struct fit_family *family = portfolio->family;
    double sum[PARAMETERS] = {0}, count[PARAMETERS] = {0};
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        const struct campaign *campaign = &portfolio->campaigns[i];
        for (size_t k = 0; k < 1 + family->shapes && campaign_counts(campaign); k++) {
            if (k > 0 && !campaign_has_shape(campaign))
                break;
            double mean = k ? campaign->mean[k] : fit_prior_level(prior, campaign);
            double off = mean - campaign->additive[k] - prior->nodes[campaign->node].mean[k];
            sum[k] +=
                square(off) + (k ? campaign->covariance[k][k] : fit_prior_level_variance(prior, campaign));
            count[k]++;
        }
    }
    for (size_t k = 0; k < 1 + family->shapes; k++) {
        double start = k ? family->sd[k - 1] : LEVEL_SD,
               least = k ? family->least_sd[k - 1] : FIT_LEVEL_SD_LEAST;
        double variance = (sum[k] + HYPER_CAMPAIGNS * square(start)) / (count[k] + HYPER_CAMPAIGNS);
        double sd = prior->sd[k] * exp(relax(portfolio, 0, log(sqrt(variance) / prior->sd[k])));
        prior->sd[k] = fmin(fmax(sd, least), SD_MOST);
    }
}

/* Users per spend fall towards saturation, so that campaigns seen at other parts of their curves are best
 * compared where all are half saturated; unless everybody spends up to the same CPA. The data say which: how
 * far the level at the highest spend goes with what the shape makes of it (a regression, EM). */
static void learn_anchor(struct portfolio *portfolio) {
    struct prior *prior = &portfolio->prior;
    double n = 0, x = 0, y = 0, xx = ANCHOR_CAMPAIGNS * ANCHOR_VARIANCE, xy = xx * ANCHOR_START;
    if (prior->anchor == 0)
        return;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < portfolio->campaign_count; i++) {
            const struct campaign *campaign = &portfolio->campaigns[i];
            if (!campaign_counts(campaign) || !campaign_has_shape(campaign))
                continue;
            double level = campaign->mean[0] - campaign->additive[0] - prior->nodes[campaign->node].mean[0];
            if (pass == 0) {
                n++, x += campaign->anchor, y += level;
                continue;
            }
            double off = campaign->anchor - x / n;
            xx += square(off) + campaign->anchor_variance;
            xy += off * (level - y / n) + campaign->anchor_level;
        }
    prior->anchor = fmin(fmax(xy / xx, 1e-3), 1.5);
}

void fit_prior_learn(struct portfolio *portfolio) {
    learn_anchor(portfolio);
    sum_nodes(portfolio);
    learn_centres(portfolio);
    learn_spreads(portfolio);
}
