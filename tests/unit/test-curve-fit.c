/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The fit of curves: one campaign's mode and posterior against scipy, the cross-section's elasticity against
 * scipy, recovery of a known truth, what falls back and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "curve/fit.h"
#include "curve/posterior.h"
#include "mi.h"

#define ROWS 24

/* Hill, ceiling 400, half 1200, shape 1.4; one day four times too high, one without users. */
static const double spends[ROWS] = {1915, 1928, 983,  579,  340, 725, 768,  333, 336,  2994, 1347, 515,
                                    817,  2827, 2370, 2096, 741, 934, 1425, 345, 1078, 560,  2274, 348};
static const double users[ROWS] = {278, 179, 146, 82, 55,  101, 100, 288, 82,  185, 180, 81,
                                   129, 376, 357, 0,  175, 292, 263, 60,  258, 108, 319, 62};

static double square(double x) {
    return x * x;
}

/* A portfolio of that campaign alone, under a prior that is given, not learnt. */
static struct portfolio one_campaign(struct fit_day *days, struct campaign *campaign, struct node *node) {
    for (size_t i = 0; i < ROWS; i++)
        days[i] =
            (struct fit_day){.spend = spends[i], .users = users[i], .line = i + 2, .date = MI_DATE_MISSING};
    *campaign = (struct campaign){.count = ROWS};
    *node = (struct node){.mean = {-2, 0, 0}};
    struct portfolio portfolio = {.family = fit_family_of(MI_CURVE_HILL),
                                  .days = days,
                                  .day_count = ROWS,
                                  .campaigns = campaign,
                                  .campaign_count = 1,
                                  .prior = {.nodes = node, .node_count = 1, .sd = {0.7, 1, 0.5}}};
    fit_portfolio_summarise(&portfolio);
    portfolio.noise = (struct noise){true, 1, 0.05, 0.1, 0.03};
    return portfolio;
}

/* Sums over a fine three-dimensional grid at the weights of the mode that scipy.optimize.root finds on the
 * score equations (Poisson-gamma variance, outlier weights, prior). Here log users of rows alike in spend are
 * taken for normal, at weights of the posterior's mean: good to a quarter of a standard deviation. */
static void posterior_matches_scipy(void **state) {
    (void)state;
    static const double mean[3] = {-2.19330890, -0.22012013, 0.13306597};
    static const double sd[3] = {0.10296933, 0.73337308, 0.19484345};
    struct fit_day days[ROWS];
    struct campaign campaign;
    struct node node;
    struct portfolio portfolio = one_campaign(days, &campaign, &node);
    struct solver *solver;
    struct mi_error error;
    assert_int_equal(fit_solver_new(ROWS, &solver, &error), MI_OK);
    assert_int_equal(fit_solver_solve(solver, &portfolio, &campaign, &error), MI_OK);
    assert_false(campaign.failed);
    assert_int_equal(campaign.n_outliers, 2);
    for (size_t k = 0; k < 3; k++) {
        assert_true(fabs(campaign.mean[k] - mean[k]) < 0.25 * sd[k]);
        assert_true(fabs(sqrt(campaign.covariance[k][k]) / sd[k] - 1) < 0.15);
    }
    /* the curve passes through the posterior's mean of log users at the highest spend; beyond, through the
     * log of expected users, which is more by half of the variance that comes on top */
    struct mi_curve curve;
    double triangle[MI_CURVE_COVARIANCE_MOST];
    fit_family_curve(portfolio.family, campaign.parameter, campaign.covariance, campaign.spend_max, &curve,
                     triangle);
    double at_most = mi_curve_users(&curve, 2994);
    static const double above[2] = {0.24865, 0.34723};
    for (size_t times = 2; times <= 3; times++) {
        double spend = (double)times * 2994, got = log(mi_curve_users(&curve, spend) / at_most);
        double on_top = square(mi_curve_log_users_sd(&curve, triangle, spend)) -
                        square(mi_curve_log_users_sd(&curve, triangle, 2994));
        assert_true(fabs(got - above[times - 2] - on_top / 2) < 0.02);
    }
    fit_solver_free(solver);
}

/* A portfolio of Hills without rows whose posteriors are as sure as they can be, `low` of them at a log
 * exponent 0.5 below the centre and the others 0.5 above. */
static void learn_kinds(struct portfolio *portfolio, size_t low, int rounds) {
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < portfolio->campaign_count; i++) {
            struct campaign *campaign = &portfolio->campaigns[i];
            double belongs[KINDS], offset = i < low ? -0.5 : 0.5;
            offset -= portfolio->prior.nodes[0].mean[SHAPES];
            fit_kinds_log_density(&portfolio->prior, offset, belongs);
            campaign->kinds_centre = portfolio->prior.nodes[0].mean[SHAPES];
            for (int k = 0; k < KINDS; k++)
                campaign->kinds[k] =
                    (struct kind_sums){belongs[k], belongs[k] * offset, belongs[k] * offset * offset};
        }
        portfolio->prior.nodes[0].mean[SHAPES] = 0.5 - (double)low / (double)portfolio->campaign_count;
        fit_kinds_learn(portfolio);
    }
}

/* Two heaps are told apart: shares, places and spreads; one heap stays one, as wide as a family's least. */
static void kinds_are_learnt(void **state) {
    (void)state;
    enum { MANY = 400 };
    struct campaign *campaigns = calloc(MANY, sizeof *campaigns);
    struct node node = {0};
    struct portfolio portfolio = {.family = fit_family_of(MI_CURVE_HILL),
                                  .campaigns = campaigns,
                                  .campaign_count = MANY,
                                  .prior = {.nodes = &node, .node_count = 1}};
    struct kind *kinds = portfolio.prior.kinds;
    for (size_t i = 0; i < MANY; i++)
        campaigns[i].count = 1;
    fit_kinds_start(&portfolio);
    double start = pow(kinds[0].offset, 2) + pow(kinds[0].sd, 2);
    assert_true(fabs(sqrt(start) - portfolio.family->sd[1]) < 1e-12); /* the normal's spread */
    assert_true(kinds[1].offset < kinds[1].sd);                       /* one hump */
    learn_kinds(&portfolio, 300, 40);
    assert_true(fabs(kinds[0].share - 0.75) < 0.01 && fabs(kinds[0].offset + 0.25) < 0.02);
    assert_true(fabs(kinds[1].share - 0.25) < 0.01 && fabs(kinds[1].offset - 0.75) < 0.02);
    assert_true(kinds[0].sd < 0.2 && kinds[1].sd < 0.2);
    assert_true(fabs(portfolio.prior.sd[SHAPES] - sqrt(0.1875 + 0.15 * 0.15)) < 0.01);

    node.mean[SHAPES] = 0;
    fit_kinds_start(&portfolio);
    learn_kinds(&portfolio, MANY, 40);
    assert_true(portfolio.prior.sd[SHAPES] >= portfolio.family->least_sd[1]);
    double lowest = INFINITY, mean = 0, inside = 0, ends = 0;
    for (int i = -300; i <= 300; i++) { /* its middle is higher than what lies a spread to either side */
        double belongs[KINDS], density = exp(fit_kinds_log_density(&portfolio.prior, i / 100.0, belongs));
        mean += density * i / 100.0;
        inside = i == 0 ? density : inside;
        ends = abs(i) == 30 ? fmax(ends, density) : ends;
        lowest = fmin(lowest, density);
    }
    assert_true(lowest >= 0 && fabs(mean / 100) < 0.05 * 2.51 && inside > ends);
    free(campaigns);
}

/* ---- trees on attributes ---- */

enum { TREE_CAMPAIGNS = 240, TREE_NEW = 4 };

/* Campaigns of two networks and two creatives, and five geos that mean nothing, whose level the pair moves by
 * 0.6 up or down; the last four are new, one a pair. `pair` 0: the level is chance alone. */
static void attribute_campaigns(struct portfolio *portfolio, double pair) {
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(random, 11);
    for (size_t i = 0; i < TREE_CAMPAIGNS + TREE_NEW; i++) {
        bool known = i < TREE_CAMPAIGNS;
        uint32_t network = known ? gsl_rng_uniform(random) < 0.5 : (uint32_t)i & 1;
        uint32_t creative = known ? gsl_rng_uniform(random) < 0.5 : (uint32_t)(i >> 1) & 1;
        double level = (network == creative ? pair : -pair) + gsl_ran_gaussian(random, 0.3);
        struct campaign *campaign = &portfolio->campaigns[i];
        *campaign = (struct campaign){.features = {network, 2 + creative, 4 + (uint32_t)i % 5},
                                      .feature_count = 3,
                                      .is_new = !known,
                                      .count = known,
                                      .spend_max = 100};
        /* what the rows say, with a variance of 0.04, drawn to a prior of 0 with one of 0.36 */
        campaign->mean[0] = level * 0.9;
        campaign->covariance[0][0] = 0.036;
        for (size_t k = 1; k < PARAMETERS; k++)
            campaign->covariance[k][k] = 1; /* as the prior: nothing */
    }
    gsl_rng_free(random);
}

static void trees_find_what_goes_together(void **state) {
    (void)state;
    struct campaign campaigns[TREE_CAMPAIGNS + TREE_NEW];
    struct node node = {0};
    struct portfolio portfolio = {.family = fit_family_of(MI_CURVE_HILL),
                                  .campaigns = campaigns,
                                  .campaign_count = TREE_CAMPAIGNS + TREE_NEW,
                                  .prior = {.nodes = &node, .node_count = 1, .sd = {0.6, 1, 1}},
                                  .attributes = {.feature_count = 9, .left = {1, 1, 1, 1}}};
    attribute_campaigns(&portfolio, 0.6);
    assert_int_equal(fit_trees_learn(&portfolio, NULL), MI_OK);
    for (size_t i = 0; i < TREE_NEW; i++) {
        double expected = i == 0 || i == 3 ? 0.6 : -0.6;
        double found = campaigns[TREE_CAMPAIGNS + i].additive[0];
        assert_true(fabs(found - expected) < 0.15);
        assert_true(campaigns[TREE_CAMPAIGNS + i].additive[1] == 0);
    }
    assert_true(fabs(portfolio.prior.sd[0] - 0.24) <
                0.05); /* 0.3 less the rows' own 0.2, as variances, about */
    assert_true(portfolio.prior.sd[1] == 1);
    portfolio.prior.sd[0] = 0.6;
    attribute_campaigns(&portfolio, 0);
    assert_int_equal(fit_trees_learn(&portfolio, NULL), MI_OK);
    for (size_t i = 0; i < TREE_CAMPAIGNS + TREE_NEW; i++)
        assert_true(campaigns[i].additive[0] == 0);
    assert_true(portfolio.prior.sd[0] == 0.6);
}

/* ---- through the public functions ---- */

static const struct mi_curve_fit_options any = {.any_family = true, .threads = 1};

static struct mi_curve_fit *new_fit(const struct mi_curve_fit_options *options) {
    struct mi_curve_fit *fit;
    assert_int_equal(mi_curve_fit_new(options, &fit, NULL), MI_OK);
    return fit;
}

static void add(struct mi_curve_fit *fit, const char *id, int32_t date, double spend, double count) {
    assert_int_equal(mi_curve_fit_add(fit, mi_text_of(id), date, spend, count, 1, NULL), MI_OK);
}

static struct mi_curve_fit_row row_of(const struct mi_curve_fit *fit, size_t number) {
    struct mi_curve_fit_row row;
    mi_curve_fit_row(fit, number, &row);
    return row;
}

struct truth {
    struct mi_curve curve;
    double most;
};

/* 60 campaigns of 70 days: Hill, highest spend 0.5 to 1.5 half saturations, weekday factors, overdispersed
 * counts, one day in fifty five times too high. */
enum { CAMPAIGNS = 60, DAYS = 70 };
static const double factors[7] = {0.9, 0.85, 0.95, 1, 1.1, 1.2, 1};

static void simulate(struct mi_curve_fit *fit, struct truth *truths) {
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(random, 7);
    for (int i = 0; i < CAMPAIGNS; i++) {
        char id[16];
        snprintf(id, sizeof id, "c%d", i);
        double half = exp(gsl_ran_flat(random, log(1000), log(20000)));
        truths[i].curve = (struct mi_curve){.family = MI_CURVE_HILL,
                                            .parameter = {half / 8, half, gsl_ran_flat(random, 0.8, 1.8)}};
        truths[i].most = half * gsl_ran_flat(random, 0.5, 1.5);
        for (int day = 0; day < DAYS; day++) {
            double spend = truths[i].most * (day == 40 ? 1 : gsl_ran_flat(random, 0.2, 1));
            double mean = mi_curve_users(&truths[i].curve, spend) * factors[day % 7];
            double count = gsl_ran_poisson(random, mean * gsl_ran_gamma(random, 25, 1 / 25.0));
            add(fit, id, 20458 + day, spend,
                gsl_rng_uniform(random) < 0.02 ? 5 * count : count); /* a Monday */
        }
    }
    gsl_rng_free(random);
}

/* Mean |CPA / true CPA - 1| at a multiple of each campaign's highest spend. */
static double cpa_error(const struct mi_curve_fit *fit, const struct truth *truths, double multiple) {
    double sum = 0;
    for (size_t i = 0; i < CAMPAIGNS; i++) {
        struct mi_curve_fit_row row = row_of(fit, i);
        double spend = multiple * truths[i].most;
        sum += fabs(mi_curve_users(&truths[i].curve, spend) / mi_curve_users(&row.curve, spend) - 1);
    }
    return sum / CAMPAIGNS;
}

/* A robust Hill fit of each campaign alone (scipy least_squares, soft L1) is off by 6.5, 20 and 28 % on such
 * data. */
static void truth_is_recovered(void **state) {
    (void)state;
    struct truth truths[CAMPAIGNS];
    struct mi_curve_fit *fit = new_fit(&any);
    simulate(fit, truths);
    assert_int_equal(mi_curve_fit_run(fit, NULL, NULL), MI_OK);
    assert_int_equal(mi_curve_fit_count(fit), CAMPAIGNS + 1);
    assert_true(cpa_error(fit, truths, 1) < 0.05);
    assert_true(cpa_error(fit, truths, 2) < 0.12);
    assert_true(cpa_error(fit, truths, 3) < 0.18);
    size_t outliers = 0;
    for (size_t i = 0; i < CAMPAIGNS; i++) {
        struct mi_curve_fit_row row = row_of(fit, i);
        outliers += row.n_outliers;
        assert_int_equal(row.n, DAYS);
        assert_int_equal(row.asof, 20458 + DAYS - 1);
        assert_true(row.spend_max == truths[i].most);
        assert_true(row.dispersion > 0.01 && row.dispersion < 0.1); /* 0.04 */
        assert_true(row.weight_level > 0.9);
        assert_true(isfinite(row.aicc) && row.error < 0.5);
    }
    assert_in_range(outliers, 60, 130); /* 84 expected */
    struct mi_curve_fit_row pooled = row_of(fit, CAMPAIGNS);
    assert_string_equal(pooled.campaign_id.data, "*");
    assert_true(strncmp(pooled.note, "backtest error: hill ", 21) == 0);
    mi_curve_fit_free(fit);
}

/* The same rows in another order and with more threads: the same answer to the last bit. */
static void threads_and_order_change_nothing(void **state) {
    (void)state;
    struct truth truths[CAMPAIGNS];
    struct mi_curve_fit_options many = any;
    many.threads = 3;
    struct mi_curve_fit *one = new_fit(&any), *three = new_fit(&many);
    simulate(one, truths);
    simulate(three, truths);
    assert_int_equal(mi_curve_fit_run(one, NULL, NULL), MI_OK);
    assert_int_equal(mi_curve_fit_run(three, NULL, NULL), MI_OK);
    for (size_t i = 0; i <= CAMPAIGNS; i++) {
        struct mi_curve_fit_row a = row_of(one, i), b = row_of(three, i);
        assert_memory_equal(a.curve.parameter, b.curve.parameter, sizeof a.curve.parameter);
        assert_memory_equal(a.covariance, b.covariance, sizeof a.covariance);
    }
    mi_curve_fit_free(one);
    mi_curve_fit_free(three);

    struct mi_curve_fit *forward = new_fit(&any), *backward = new_fit(&any);
    for (int i = 0; i < ROWS; i++) {
        add(forward, "a", i, spends[i], users[i]);
        add(backward, "a", ROWS - 1 - i, spends[ROWS - 1 - i], users[ROWS - 1 - i]);
    }
    assert_int_equal(mi_curve_fit_run(forward, NULL, NULL), MI_OK);
    assert_int_equal(mi_curve_fit_run(backward, NULL, NULL), MI_OK);
    struct mi_curve_fit_row a = row_of(forward, 0), b = row_of(backward, 0);
    assert_memory_equal(a.curve.parameter, b.curve.parameter, sizeof a.curve.parameter);
    mi_curve_fit_free(forward);
    mi_curve_fit_free(backward);
}

/* Without noise the curve is found. A family of one shape parameter is not quite believed beyond the data,
 * from 1,870 on, where the curve runs through the expected users; with one parameter it then gives way at the
 * lowest spends too. It is off by no more than part of the standard deviation that it states. */
static void exact_data_give_the_exact_curve(void **state) {
    (void)state;
    static const enum mi_curve_family families[] = {MI_CURVE_HILL, MI_CURVE_MM, MI_CURVE_EXP};
    for (size_t k = 0; k < 3; k++) {
        struct mi_curve truth = {.family = families[k], .parameter = {5000, 800, 1.3}};
        struct mi_curve_fit_options options = {.family = families[k]};
        struct mi_curve_fit *fit = new_fit(&options);
        for (int day = 0; day < 60; day++)
            add(fit, "a", day, 100 + 30 * day, mi_curve_users(&truth, 100 + 30 * day));
        assert_int_equal(mi_curve_fit_run(fit, NULL, NULL), MI_OK);
        struct mi_curve_fit_row row = row_of(fit, 0);
        for (double spend = 100; spend < 4000; spend *= 1.3) {
            double off = fabs(log(mi_curve_users(&row.curve, spend) / mi_curve_users(&truth, spend)));
            double sd = mi_curve_log_users_sd(&row.curve, row.covariance, spend);
            assert_true(off < (families[k] == MI_CURVE_HILL ? 0.03 : 0.7 * sd + 0.001));
        }
        mi_curve_fit_free(fit);
    }
}

/* One row a campaign: the elasticity across campaigns stands in for the shape. scipy's Poisson pseudo-maximum
 * likelihood on users = round(3 spend^0.7) has the elasticity 0.70; drawn to 0.5 it lies between. */
static void one_row_each_takes_the_cross_section(void **state) {
    (void)state;
    struct mi_curve_fit *fit = new_fit(&any);
    for (int i = 0; i < 50; i++) {
        char id[16];
        snprintf(id, sizeof id, "c%d", i);
        double spend = 50 * pow(1.12, i);
        add(fit, id, MI_DATE_MISSING, spend, round(3 * pow(spend, 0.7)));
    }
    assert_int_equal(mi_curve_fit_run(fit, NULL, NULL), MI_OK);
    struct mi_curve_fit_row row = row_of(fit, 25);
    assert_int_equal(row.status, MI_CURVE_FIT_PORTFOLIO);
    assert_string_equal(row.note, "one row");
    assert_int_equal(row.curve.family, MI_CURVE_MM);
    double spend = row.spend_max;
    double elasticity = spend * mi_curve_slope(&row.curve, spend) / mi_curve_users(&row.curve, spend);
    assert_true(elasticity > 0.6 && elasticity < 0.7);
    assert_true(fabs(mi_curve_users(&row.curve, spend) / (3 * pow(spend, 0.7)) - 1) < 0.05);
    /* The variance of log users per spend over the campaigns is that of their levels and of one row about its
     * level: the misfit of the family, a day's rate, a count. The weight is the levels' share of it. */
    double variance = square(0.3 * log(1.12)) * (50 * 50 - 1) / 12;
    double of_row = square(fit_family_of(MI_CURVE_MM)->misfit) + row.dispersion + 1 / (3 * pow(spend, 0.7));
    assert_true(fabs(row.weight_level - (1 - of_row / variance)) < 0.01);
    assert_true(row.weight_shape == 0);
    mi_curve_fit_free(fit);
}

static char said[1000];

static void say(void *user, const char *text) {
    (void)user;
    size_t used = strlen(said);
    snprintf(said + used, sizeof said - used, "%s\n", text);
}

static void what_cannot_be_fitted_says_why(void **state) {
    (void)state;
    struct truth truths[CAMPAIGNS];
    struct mi_curve_fit *fit = new_fit(&any);
    simulate(fit, truths);
    for (int day = 0; day < 30; day++) {
        add(fit, "constant", 20458 + day, 500, 40 + day % 3);
        add(fit, "nothing", 20458 + day, 500 + 10 * day, 0);
        add(fit, "unspent", 20458 + day, 0, day == 3 ? 5 : 0);
    }
    add(fit, "new", 20458, 800, 90);
    said[0] = '\0';
    const struct mi_notes notes = {say, NULL};
    assert_int_equal(mi_curve_fit_run(fit, &notes, NULL), MI_OK);
    assert_non_null(strstr(said, "conversions without spend in 1 row: left out\n"));
    assert_non_null(strstr(said,
                           "4 of 64 campaigns take the portfolio's shape: never spent 1, no conversions 1, "
                           "one day 1, constant spend 1\n"));
    static const char *const why[] = {"constant spend", "no conversions", "never spent", "one day"};
    for (size_t i = 0; i < 4; i++) {
        struct mi_curve_fit_row row = row_of(fit, CAMPAIGNS + i);
        assert_int_equal(row.status, MI_CURVE_FIT_PORTFOLIO);
        assert_string_equal(row.note, why[i]);
        assert_true(row.weight_shape == 0);
        assert_true(mi_curve_users(&row.curve, 500) > 0);
    }
    struct mi_curve_fit_row constant = row_of(fit, CAMPAIGNS), nothing = row_of(fit, CAMPAIGNS + 1);
    assert_true(fabs(mi_curve_users(&constant.curve, 500) / 41 - 1) < 0.05);
    assert_true(mi_curve_users(&nothing.curve, 800) < 10); /* the portfolio's is near 100 */
    mi_curve_fit_free(fit);
}

static void outliers_move_little(void **state) {
    (void)state;
    struct mi_curve_fit_options options = {.family = MI_CURVE_HILL};
    struct mi_curve_fit *clean = new_fit(&options), *dirty = new_fit(&options);
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    struct mi_curve truth = {.family = MI_CURVE_HILL, .parameter = {900, 1200, 1.2}};
    for (int day = 0; day < 60; day++) {
        double spend = 300 + 25 * ((day * 37) % 60);
        double count = gsl_ran_poisson(random, mi_curve_users(&truth, spend));
        add(clean, "a", day, spend, count);
        add(dirty, "a", day, spend, day % 20 == 7 ? 10 * count : count);
    }
    gsl_rng_free(random);
    assert_int_equal(mi_curve_fit_run(clean, NULL, NULL), MI_OK);
    assert_int_equal(mi_curve_fit_run(dirty, NULL, NULL), MI_OK);
    struct mi_curve_fit_row a = row_of(clean, 0), b = row_of(dirty, 0);
    assert_int_equal(b.n_outliers, 3);
    for (double spend = 300; spend < 3500; spend *= 1.5)
        assert_true(fabs(mi_curve_users(&a.curve, spend) / mi_curve_users(&b.curve, spend) - 1) < 0.03);
    mi_curve_fit_free(clean);
    mi_curve_fit_free(dirty);
}

static void groups_differ(void **state) {
    (void)state;
    struct mi_curve_fit *fit = new_fit(&any);
    for (int i = 0; i < 40; i++) { /* users cost 5 in one network, 50 in the other */
        char id[16];
        snprintf(id, sizeof id, "c%d", i);
        add(fit, id, MI_DATE_MISSING, 1000 + 10 * i, i % 2 ? 200 : 20);
        struct mi_text network = mi_text_of(i % 2 ? "a" : "b");
        assert_int_equal(mi_curve_fit_group(fit, mi_text_of(id), &network, 1, NULL), MI_OK);
    }
    for (int i = 0; i < 2; i++) {
        struct mi_text network = mi_text_of(i ? "a" : "b");
        add(fit, i ? "thin-a" : "thin-b", MI_DATE_MISSING, 10, 0);
        assert_int_equal(mi_curve_fit_group(fit, mi_text_of(i ? "thin-a" : "thin-b"), &network, 1, NULL),
                         MI_OK);
    }
    assert_int_equal(mi_curve_fit_run(fit, NULL, NULL), MI_OK);
    struct mi_curve_fit_row b = row_of(fit, 40), a = row_of(fit, 41);
    assert_true(mi_curve_users(&a.curve, 10) > 3 * mi_curve_users(&b.curve, 10));
    mi_curve_fit_free(fit);
}

static void wrong_rows_are_refused(void **state) {
    (void)state;
    struct mi_curve_fit *fit = new_fit(&any);
    struct mi_error error = {0};
    const struct mi_text id = mi_text_of("a");
    assert_int_equal(mi_curve_fit_run(fit, NULL, NULL), MI_OK); /* nothing in, nothing out */
    assert_int_equal(mi_curve_fit_count(fit), 0);
    assert_int_equal(mi_curve_fit_add(fit, id, 1, -1, 1, 2, &error), MI_BAD_RECORD);
    assert_int_equal(mi_curve_fit_add(fit, id, 1, 1, 2e15, 2, &error), MI_BAD_RECORD);
    assert_int_equal(mi_curve_fit_add(fit, id, 1, NAN, 1, 2, &error), MI_BAD_RECORD);
    assert_int_equal(mi_curve_fit_add(fit, mi_text_of("*"), 1, 1, 1, 2, &error), MI_BAD_RECORD);
    add(fit, "a", 20458, 10, 1);
    assert_int_equal(mi_curve_fit_add(fit, id, MI_DATE_MISSING, 1, 1, 2, &error), MI_BAD_RECORD);
    add(fit, "a", 20459, 20, 1);
    assert_int_equal(mi_curve_fit_add(fit, id, 20458, 10, 1, 9, &error), MI_OK);
    assert_int_equal(mi_curve_fit_run(fit, NULL, &error), MI_BAD_INPUT);
    assert_string_equal(error.text, "campaign 'a' has 2026-01-05 twice, first in line 1");
    assert_int_equal(error.line, 9);
    mi_curve_fit_free(fit);

    struct mi_curve_fit_options sum = {.any_family = true, .sum_duplicates = true};
    fit = new_fit(&sum);
    add(fit, "a", 20458, 10, 1);
    add(fit, "a", 20459, 20, 1);
    add(fit, "a", 20458, 15, 3);
    assert_int_equal(mi_curve_fit_run(fit, NULL, NULL), MI_OK);
    struct mi_curve_fit_row row = row_of(fit, 0);
    assert_int_equal(row.n, 2);
    assert_true(row.spend_max == 25);
    mi_curve_fit_free(fit);

    struct mi_curve_fit_options points = {.family = MI_CURVE_POINTS};
    assert_int_equal(mi_curve_fit_new(&points, &fit, &error), MI_BAD_ARGUMENT);
    fit = new_fit(&any);
    add(fit, "a", 1, 0, 0);
    assert_int_equal(mi_curve_fit_run(fit, NULL, &error), MI_BAD_INPUT);
    mi_curve_fit_free(fit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posterior_matches_scipy),
        cmocka_unit_test(kinds_are_learnt),
        cmocka_unit_test(trees_find_what_goes_together),
        cmocka_unit_test(truth_is_recovered),
        cmocka_unit_test(threads_and_order_change_nothing),
        cmocka_unit_test(exact_data_give_the_exact_curve),
        cmocka_unit_test(one_row_each_takes_the_cross_section),
        cmocka_unit_test(what_cannot_be_fitted_says_why),
        cmocka_unit_test(outliers_move_little),
        cmocka_unit_test(groups_differ),
        cmocka_unit_test(wrong_rows_are_refused),
    };
    if (mi_init(MI_VERSION, NULL) != MI_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
