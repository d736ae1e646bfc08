/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Experiments and curves. The unknown are logs of shares (parts of the portfolio, of groups and of campaigns)
 * and the log parameters of the curves; all have a normal prior, the curves' being the posterior of their
 * days. There are few experiments and many campaigns, so everything is solved in the space of the
 * observations: their covariance is summed over what they have in common.
 */
#include <gsl/gsl_blas.h>
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "curve/curve.h"
#include "curve/fit.h"

#define LOGS 3 /* most parameters of a curve that can be fitted */

/* Before anything is learnt: the portfolio's share lies within 0.53 and 1.9 of one, a group's within 30 % of
 * it, a campaign's within 20 % of its group's, two times in three each (Gordon and others 2019 find observed
 * over true effects of platforms between one third and three). */
#define SPREAD_PORTFOLIO   0.64
#define SPREAD_GROUP       0.25
#define SPREAD_OWN         0.2
#define SPREAD_UNCERTAINTY 0.7 /* of the logs of these */
#define LEARN_LEAST        5   /* experiments from which spreads are learnt */

#define STEPS         60
#define STEP_MOST     0.7 /* of a log share */
#define STEP_ENOUGH   1e-9
#define LOG_SHARE     8.0  /* most of its absolute value */
#define CONTRADICTION 0.05 /* probability below which a disagreement is none of chance */

struct spreads {
    double portfolio, group, own;
};

/* A campaign in an experiment. */
struct pair {
    size_t campaign, experiment;
    double low, high;              /* its spends */
    double by_share, by_log[LOGS]; /* derivatives of the conversions by log share and log parameters */
};

/* A group in an experiment: the derivative by the log of its share. */
struct part {
    size_t group, experiment;
    double by_share;
};

struct lift {
    const struct mi_lift_campaign *campaigns;
    size_t campaign_count, levels, groups;
    const struct mi_lift_experiment *experiments;
    size_t count;          /* of experiments */
    struct pair *pairs;    /* by experiment */
    size_t *first_pair;    /* of each experiment, and the end */
    size_t *order, *first; /* numbers of pairs by campaign; where each campaign's begin */
    struct part *parts;    /* by group; group 0 of these is the portfolio */
    size_t *first_part;    /* of each group, and the end */
    double *scratch;       /* per group, 0 between uses */
    double *covariance;    /* of the observations, then its Cholesky factor: count x count */
    double *variance;      /* of the experiments' own errors */
    double *residual, *solved, *room;
    double *log_share, *logs; /* per campaign: where we stand */
    struct spreads spreads;
};

static void release(struct lift *l) {
    free(l->pairs);
    free(l->first_pair);
    free(l->order);
    free(l->first);
    free(l->parts);
    free(l->first_part);
    free(l->scratch);
    free(l->covariance);
    free(l->variance);
    free(l->residual);
    free(l->solved);
    free(l->room);
    free(l->log_share);
    free(l->logs);
}

/* ---- layout ---- */

static enum mi_status check(const struct mi_lift_experiment *experiments, size_t count,
                            struct mi_error *error) {
    if (count > MI_LIFT_EXPERIMENTS_MOST)
        return mi_error_set(error, MI_BAD_ARGUMENT, "%zu experiments: at most %d", count,
                            MI_LIFT_EXPERIMENTS_MOST);
    for (size_t i = 0; i < count; i++) {
        const struct mi_lift_experiment *e = &experiments[i];
        if (e->campaign_count == 0 || !(e->spend_before >= 0) || !(e->spend_after >= 0) ||
            e->spend_before == e->spend_after || !(e->standard_error > 0) || !isfinite(e->conversions) ||
            !isfinite(e->standard_error) || !isfinite(e->spend_before + e->spend_after))
            return mi_error_set(error, MI_BAD_ARGUMENT, "experiment %zu says nothing", i + 1);
    }
    return MI_OK;
}

static bool allocate(struct lift *l, size_t pairs) {
    l->pairs = calloc(pairs + 1, sizeof *l->pairs);
    l->order = calloc(pairs + 1, sizeof *l->order);
    l->first_pair = calloc(l->count + 1, sizeof *l->first_pair);
    l->first = calloc(l->campaign_count + 2, sizeof *l->first);
    l->parts = calloc(pairs * (l->levels + 1) + 1, sizeof *l->parts);
    l->first_part = calloc(l->groups + 3, sizeof *l->first_part);
    l->scratch = calloc(l->groups + 1, sizeof *l->scratch);
    l->covariance = calloc(l->count * l->count + 1, sizeof *l->covariance);
    l->variance = calloc(l->count + 1, sizeof *l->variance);
    l->residual = calloc(l->count + 1, sizeof *l->residual);
    l->solved = calloc(l->count + 1, sizeof *l->solved);
    l->room = calloc((1 + LOGS) * (l->count + 1), sizeof *l->room);
    l->log_share = calloc(l->campaign_count + 1, sizeof *l->log_share);
    l->logs = calloc(l->campaign_count * LOGS + 1, sizeof *l->logs);
    return l->pairs && l->order && l->first_pair && l->first && l->parts && l->first_part && l->scratch &&
           l->covariance && l->variance && l->residual && l->solved && l->room && l->log_share && l->logs;
}

/* Spends of the members: in proportion to what they spend; evenly where none does. */
static void fill_pairs(struct lift *l) {
    size_t used = 0;
    for (size_t e = 0; e < l->count; e++) {
        const struct mi_lift_experiment *experiment = &l->experiments[e];
        double sum = 0, even = 1 / (double)experiment->campaign_count;
        double low = fmin(experiment->spend_before, experiment->spend_after);
        double high = fmax(experiment->spend_before, experiment->spend_after);
        for (size_t i = 0; i < experiment->campaign_count; i++)
            sum += l->campaigns[experiment->campaigns[i]].spend;
        for (size_t i = 0; i < experiment->campaign_count; i++) {
            size_t campaign = experiment->campaigns[i];
            double share = sum > 0 ? l->campaigns[campaign].spend / sum : even;
            l->pairs[used++] = (struct pair){
                .campaign = campaign, .experiment = e, .low = share * low, .high = share * high};
            l->first[campaign + 1]++;
        }
        l->first_pair[e + 1] = used;
    }
    for (size_t c = 0; c < l->campaign_count; c++)
        l->first[c + 1] += l->first[c];
    for (size_t i = used; i-- > 0;) /* from the end: first[c + 1] moves to where campaign c begins */
        l->order[--l->first[l->pairs[i].campaign + 1]] = i;
    memmove(l->first, l->first + 1, l->campaign_count * sizeof *l->first);
    l->first[l->campaign_count] = used;
}

/* The groups of a campaign as parts count them: the portfolio is 0. */
static size_t group_at(const struct lift *l, size_t campaign, size_t level) {
    return level == 0 ? 0 : l->campaigns[campaign].groups[level - 1] + 1;
}

/* Sums the derivatives by log share over the groups of every experiment. */
static void fill_parts(struct lift *l) {
    size_t groups = l->groups + 1, used;
    memset(l->first_part, 0, (groups + 2) * sizeof *l->first_part);
    for (int filling = 0; filling < 2; filling++) {
        for (size_t e = 0; e < l->count; e++) {
            size_t begin = l->first_pair[e], end = l->first_pair[e + 1];
            for (size_t i = begin; i < end; i++)
                for (size_t level = 0; level <= l->levels; level++)
                    l->scratch[group_at(l, l->pairs[i].campaign, level)] += l->pairs[i].by_share;
            for (size_t i = begin; i < end; i++)
                for (size_t level = 0; level <= l->levels; level++) {
                    size_t group = group_at(l, l->pairs[i].campaign, level);
                    if (l->scratch[group] == 0)
                        continue;
                    if (filling)
                        l->parts[l->first_part[group + 1]] =
                            (struct part){.group = group, .experiment = e, .by_share = l->scratch[group]};
                    l->first_part[group + (filling ? 1 : 2)]++;
                    l->scratch[group] = 0;
                }
        }
        for (size_t group = 0; group < groups && !filling; group++)
            l->first_part[group + 2] += l->first_part[group + 1];
    }
    used = l->first_part[groups];
    l->first_part[groups + 1] = used;
}

/* ---- one step ---- */

static struct mi_curve curve_at(const struct lift *l, size_t campaign) {
    struct mi_curve curve = *l->campaigns[campaign].curve;
    for (size_t k = 0; k < mi_curve_parameter_count(&curve); k++) {
        double most = curve_parameter_most(curve.family, k);
        double value = curve.parameter[k] * exp(l->logs[campaign * LOGS + k]);
        curve.parameter[k] = fmin(fmax(value, PARAMETER_LEAST), most);
    }
    return curve;
}

/* What every experiment is expected to find, and how that changes with the unknown. */
static void linearise(struct lift *l) {
    for (size_t e = 0; e < l->count; e++) {
        const struct mi_lift_experiment *experiment = &l->experiments[e];
        l->residual[e] = experiment->conversions;
        for (size_t i = l->first_pair[e]; i < l->first_pair[e + 1]; i++) {
            struct pair *pair = &l->pairs[i];
            struct mi_curve curve = curve_at(l, pair->campaign);
            double high[LOGS] = {0}, low[LOGS] = {0}, share = exp(l->log_share[pair->campaign]);
            if (pair->high > 0)
                mi_curve_gradient(&curve, pair->high, high);
            if (pair->low > 0)
                mi_curve_gradient(&curve, pair->low, low);
            pair->by_share = share * (mi_curve_users(&curve, pair->high) - mi_curve_users(&curve, pair->low));
            l->residual[e] -= pair->by_share * (1 - l->log_share[pair->campaign]);
            for (size_t k = 0; k < LOGS; k++) {
                pair->by_log[k] = share * (high[k] - low[k]);
                l->residual[e] += pair->by_log[k] * l->logs[pair->campaign * LOGS + k];
            }
        }
    }
    fill_parts(l);
}

static double prior_covariance(const struct mi_lift_campaign *campaign, size_t i, size_t j) {
    size_t count = mi_curve_parameter_count(campaign->curve);
    if (i >= count || j >= count)
        return 0;
    return i >= j ? campaign->covariance[i * (i + 1) / 2 + j] : campaign->covariance[j * (j + 1) / 2 + i];
}

static double square(double x) {
    return x * x;
}

static double group_variance(const struct lift *l, size_t group) {
    return square(group == 0 ? l->spreads.portfolio : l->spreads.group);
}

/* The covariance of what experiments find, lower triangle. */
static void fill_covariance(struct lift *l) {
    size_t n = l->count;
    memset(l->covariance, 0, n * n * sizeof *l->covariance);
    for (size_t e = 0; e < n; e++)
        l->covariance[e * n + e] = l->variance[e];
    for (size_t group = 0; group <= l->groups; group++)
        for (size_t i = l->first_part[group]; i < l->first_part[group + 1]; i++)
            for (size_t j = l->first_part[group]; j <= i; j++)
                l->covariance[l->parts[i].experiment * n + l->parts[j].experiment] +=
                    group_variance(l, group) * l->parts[i].by_share * l->parts[j].by_share;
    for (size_t c = 0; c < l->campaign_count; c++)
        for (size_t i = l->first[c]; i < l->first[c + 1]; i++) {
            const struct pair *a = &l->pairs[l->order[i]];
            double product[LOGS] = {0};
            for (size_t k = 0; k < LOGS; k++)
                for (size_t m = 0; m < LOGS; m++)
                    product[k] += prior_covariance(&l->campaigns[c], k, m) * a->by_log[m];
            for (size_t j = l->first[c]; j <= i; j++) {
                const struct pair *b = &l->pairs[l->order[j]];
                double sum = square(l->spreads.own) * a->by_share * b->by_share;
                for (size_t k = 0; k < LOGS; k++)
                    sum += product[k] * b->by_log[k];
                l->covariance[a->experiment * n + b->experiment] += sum;
            }
        }
}

static bool factorise(struct lift *l) {
    if (l->count == 0)
        return true;
    gsl_matrix_view matrix = gsl_matrix_view_array(l->covariance, l->count, l->count);
    return gsl_linalg_cholesky_decomp1(&matrix.matrix) == GSL_SUCCESS;
}

/* solved := inverse covariance times residual. */
static void solve(struct lift *l) {
    if (l->count == 0)
        return;
    gsl_matrix_view matrix = gsl_matrix_view_array(l->covariance, l->count, l->count);
    gsl_vector_view right = gsl_vector_view_array(l->residual, l->count);
    gsl_vector_view left = gsl_vector_view_array(l->solved, l->count);
    gsl_linalg_cholesky_solve(&matrix.matrix, &right.vector, &left.vector);
}

/* The log of a campaign's share that the solution says. */
static double share_of(const struct lift *l, size_t campaign) {
    double sum = 0;
    for (size_t level = 0; level <= l->levels; level++) {
        size_t group = group_at(l, campaign, level);
        for (size_t i = l->first_part[group]; i < l->first_part[group + 1]; i++)
            sum += group_variance(l, group) * l->parts[i].by_share * l->solved[l->parts[i].experiment];
    }
    for (size_t i = l->first[campaign]; i < l->first[campaign + 1]; i++) {
        const struct pair *pair = &l->pairs[l->order[i]];
        sum += square(l->spreads.own) * pair->by_share * l->solved[pair->experiment];
    }
    return fmin(fmax(sum, -LOG_SHARE), LOG_SHARE);
}

static double log_of(const struct lift *l, size_t campaign, size_t k) {
    double sum = 0;
    for (size_t i = l->first[campaign]; i < l->first[campaign + 1]; i++) {
        const struct pair *pair = &l->pairs[l->order[i]];
        for (size_t m = 0; m < LOGS; m++)
            sum += prior_covariance(&l->campaigns[campaign], k, m) * pair->by_log[m] *
                   l->solved[pair->experiment];
    }
    return sum;
}

static bool is_within(const struct lift *l, size_t campaign) {
    return l->first[campaign] < l->first[campaign + 1];
}

/* Moves those that take part towards the solution; returns the largest move of a log share. */
static double move(struct lift *l, double most) {
    double largest = 0;
    for (size_t c = 0; c < l->campaign_count; c++)
        if (is_within(l, c))
            largest = fmax(largest, fabs(share_of(l, c) - l->log_share[c]));
    double step = largest > most ? most / largest : 1;
    for (size_t c = 0; c < l->campaign_count; c++) {
        if (!is_within(l, c))
            continue;
        double wanted[LOGS];
        l->log_share[c] += step * (share_of(l, c) - l->log_share[c]);
        for (size_t k = 0; k < LOGS; k++)
            wanted[k] = log_of(l, c, k);
        for (size_t k = 0; k < LOGS; k++)
            l->logs[c * LOGS + k] += step * (fmin(fmax(wanted[k], -3), 3) - l->logs[c * LOGS + k]);
    }
    return largest * step;
}

/* Steps until the solution stands; later ones are shorter, should they go to and fro. */
static enum mi_status find(struct lift *l, struct mi_error *error) {
    double moved = INFINITY;
    for (int step = 0; step < STEPS && moved > STEP_ENOUGH; step++) {
        linearise(l);
        fill_covariance(l);
        if (!factorise(l))
            return mi_error_set(error, MI_NUMERIC, "the experiments cannot be told apart");
        solve(l);
        moved = move(l, STEP_MOST / (1 + step / 10));
    }
    linearise(l);
    fill_covariance(l);
    if (!factorise(l))
        return mi_error_set(error, MI_NUMERIC, "the experiments cannot be told apart");
    solve(l);
    return MI_OK;
}

/* ---- spreads ---- */

/* Log likelihood of what was found, where the solution stands, and of the spreads. */
static double log_evidence(struct lift *l) {
    double sum = 0, off = square(log(l->spreads.portfolio / SPREAD_PORTFOLIO)) +
                          square(log(l->spreads.group / SPREAD_GROUP)) +
                          square(log(l->spreads.own / SPREAD_OWN));
    fill_covariance(l);
    if (!factorise(l))
        return -INFINITY;
    solve(l);
    for (size_t e = 0; e < l->count; e++)
        sum += 0.5 * l->residual[e] * l->solved[e] + log(l->covariance[e * l->count + e]);
    return -sum - 0.5 * off / square(SPREAD_UNCERTAINTY);
}

/* The most likely of a grid of spreads. */
static void learn_spreads(struct lift *l) {
    static const double times[] = {0.35, 0.6, 1, 1.7, 2.8};
    enum { N = sizeof times / sizeof times[0] };
    const struct spreads start = l->spreads;
    struct spreads best = start;
    double most = -INFINITY;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < (l->levels ? N : 1); j++)
            for (size_t k = 0; k < N; k++) {
                l->spreads = (struct spreads){start.portfolio * times[i],
                                              start.group * (l->levels ? times[j] : 1), start.own * times[k]};
                double evidence = log_evidence(l);
                if (evidence > most) {
                    most = evidence;
                    best = l->spreads;
                }
            }
    l->spreads = best;
}

/* ---- contradictions ---- */

/* Experiments of one target by the shares that each says: their errors are raised until the chi-squared of
 * these about their mean is what it is expected to be. */
static void judge_target(struct lift *l, struct mi_lift_experiment *experiments, size_t target,
                         double *misfit) {
    double weights = 0, sum = 0, chi = 0, count = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t e = 0; e < l->count; e++) {
            double expected = 0;
            if (experiments[e].target != target)
                continue;
            for (size_t i = l->first_pair[e]; i < l->first_pair[e + 1]; i++)
                expected += l->pairs[i].by_share;
            double weight = square(expected / experiments[e].standard_error);
            if (!(expected > 0) || !isfinite(weight))
                continue;
            double share = experiments[e].conversions / expected;
            if (pass == 0) {
                weights += weight;
                sum += weight * share;
                count++;
            } else {
                chi += weight * square(share - sum / weights);
            }
        }
    if (count < 2 || gsl_cdf_chisq_Q(chi, count - 1) > CONTRADICTION)
        return;
    *misfit = fmax(*misfit, sqrt(chi / (count - 1)));
    for (size_t e = 0; e < l->count; e++)
        if (experiments[e].target == target) {
            l->variance[e] *= chi / (count - 1);
            experiments[e].contradicts = true;
        }
}

static void judge_targets(struct lift *l, struct mi_lift_experiment *experiments, double *misfit) {
    *misfit = 1;
    linearise(l);
    for (size_t e = 0; e < l->count; e++) {
        bool before = false;
        for (size_t i = 0; i < e && !before; i++)
            before = experiments[i].target == experiments[e].target;
        if (!before)
            judge_target(l, experiments, experiments[e].target, misfit);
    }
}

/* ---- results ---- */

/* Covariances of a log share (k = 0) or a log parameter with what the experiments find. */
static void cross(const struct lift *l, size_t campaign, size_t k, double *row) {
    memset(row, 0, l->count * sizeof *row);
    for (size_t level = 0; level <= l->levels && k == 0; level++) {
        size_t group = group_at(l, campaign, level);
        for (size_t i = l->first_part[group]; i < l->first_part[group + 1]; i++)
            row[l->parts[i].experiment] += group_variance(l, group) * l->parts[i].by_share;
    }
    for (size_t i = l->first[campaign]; i < l->first[campaign + 1]; i++) {
        const struct pair *pair = &l->pairs[l->order[i]];
        if (k == 0)
            row[pair->experiment] += square(l->spreads.own) * pair->by_share;
        for (size_t m = 0; m < LOGS && k > 0; m++)
            row[pair->experiment] += prior_covariance(&l->campaigns[campaign], k - 1, m) * pair->by_log[m];
    }
    if (l->count > 0) { /* times the inverse of the factor: what is left is a sum of squares */
        gsl_matrix_const_view factor = gsl_matrix_const_view_array(l->covariance, l->count, l->count);
        gsl_vector_view view = gsl_vector_view_array(row, l->count);
        gsl_blas_dtrsv(CblasLower, CblasNoTrans, CblasNonUnit, &factor.matrix, &view.vector);
    }
}

/* Covariance of log share and log parameters given the experiments. */
static void posterior(const struct lift *l, size_t campaign, double left[1 + LOGS][1 + LOGS]) {
    double share =
        square(l->spreads.portfolio) + square(l->spreads.own) + (double)l->levels * square(l->spreads.group);
    for (size_t i = 0; i <= LOGS; i++)
        cross(l, campaign, i, l->room + i * (l->count + 1));
    for (size_t i = 0; i <= LOGS; i++)
        for (size_t j = 0; j <= LOGS; j++) {
            left[i][j] = i == 0 && j == 0 ? share
                         : i && j         ? prior_covariance(&l->campaigns[campaign], i - 1, j - 1)
                                          : 0;
            for (size_t e = 0; e < l->count; e++)
                left[i][j] -= l->room[i * (l->count + 1) + e] * l->room[j * (l->count + 1) + e];
        }
}

/* Whether the campaign or a group of it (not the portfolio as such) was part of an experiment. */
static bool is_measured(const struct lift *l, size_t campaign) {
    bool measured = is_within(l, campaign);
    for (size_t level = 1; level <= l->levels && !measured; level++) {
        size_t group = group_at(l, campaign, level);
        measured = l->first_part[group] < l->first_part[group + 1];
    }
    return measured;
}

static void fill_result(const struct lift *l, size_t campaign, struct mi_lift_result *result) {
    const struct mi_lift_campaign *from = &l->campaigns[campaign];
    size_t count = mi_curve_parameter_count(from->curve), used = 0;
    double left[1 + LOGS][1 + LOGS];
    *result = (struct mi_lift_result){
        .measured = is_measured(l, campaign), .incrementality = 1, .se = NAN, .curve = *from->curve};
    memcpy(result->covariance, from->covariance, count * (count + 1) / 2 * sizeof *result->covariance);
    if (!result->measured)
        return;
    posterior(l, campaign, left);
    result->incrementality = fit_round(exp(share_of(l, campaign)));
    result->se = fit_round(result->incrementality * sqrt(fmax(left[0][0], 0)));
    result->curve = curve_at(l, campaign);
    double most = curve_parameter_most(result->curve.family, 0);
    result->curve.parameter[0] =
        fmin(fmax(result->curve.parameter[0] * result->incrementality, PARAMETER_LEAST), most);
    for (size_t k = 0; k < count; k++)
        result->curve.parameter[k] = fit_round(result->curve.parameter[k]);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = left[1 + i][1 + j];
            sum += i == 0 ? left[0][1 + j] : 0;
            sum += j == 0 ? left[1 + i][0] : 0;
            sum += i == 0 && j == 0 ? left[0][0] : 0;
            result->covariance[used++] = fit_round(i == j ? fmax(sum, 0) : sum);
        }
}

/* A campaign of no group that was measured knows the portfolio's part alone. */
static void summarise(const struct lift *l, struct mi_lift_summary *summary) {
    double mean = 0, variance = square(l->spreads.portfolio), *row = l->room;
    memset(row, 0, (l->count + 1) * sizeof *row);
    for (size_t i = l->first_part[0]; i < l->first_part[1]; i++) {
        row[l->parts[i].experiment] += variance * l->parts[i].by_share;
        mean += variance * l->parts[i].by_share * l->solved[l->parts[i].experiment];
    }
    if (l->count > 0) {
        gsl_matrix_const_view factor = gsl_matrix_const_view_array(l->covariance, l->count, l->count);
        gsl_vector_view view = gsl_vector_view_array(row, l->count);
        gsl_blas_dtrsv(CblasLower, CblasNoTrans, CblasNonUnit, &factor.matrix, &view.vector);
    }
    for (size_t e = 0; e < l->count; e++)
        variance -= square(row[e]);
    summary->incrementality = exp(mean);
    summary->se = exp(mean) * sqrt(fmax(variance, 0));
}

enum mi_status mi_lift_estimate(const struct mi_lift_campaign *campaigns, size_t campaign_count,
                                size_t level_count, size_t group_count,
                                struct mi_lift_experiment *experiments, size_t experiment_count,
                                struct mi_lift_result *results, struct mi_lift_summary *summary,
                                struct mi_error *error) {
    size_t pairs = 0;
    enum mi_status status = check(experiments, experiment_count, error);
    if (status != MI_OK)
        return status;
    for (size_t e = 0; e < experiment_count; e++)
        pairs += experiments[e].campaign_count;
    struct lift lift = {.campaigns = campaigns,
                        .campaign_count = campaign_count,
                        .levels = level_count,
                        .groups = group_count,
                        .experiments = experiments,
                        .count = experiment_count,
                        .spreads = {SPREAD_PORTFOLIO, SPREAD_GROUP, SPREAD_OWN}};
    if (!allocate(&lift, pairs))
        status = mi_no_memory(error);
    if (status == MI_OK) {
        fill_pairs(&lift);
        for (size_t e = 0; e < experiment_count; e++)
            lift.variance[e] = square(experiments[e].standard_error);
        judge_targets(&lift, experiments, &summary->misfit);
        status = find(&lift, error);
    }
    if (status == MI_OK && experiment_count >= LEARN_LEAST) {
        learn_spreads(&lift);
        status = find(&lift, error);
    }
    for (size_t c = 0; c < campaign_count && status == MI_OK; c++)
        fill_result(&lift, c, &results[c]);
    if (status == MI_OK)
        summarise(&lift, summary);
    release(&lift);
    return status;
}
