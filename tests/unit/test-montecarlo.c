/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Monte Carlo against closed forms: a curve whose ceiling alone is uncertain has lognormal users, so that
 * profit's mean, spread, quantiles and chance of a loss are known; shocks shared by groups; threads and
 * order.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mi.h"

#define CAMPAIGNS 100
#define DRAWS     40000

static const double quantiles[] = {0.1, 0.5, 0.9};
static const struct mi_scenario same = {
    .name = {"baseline", 8}, .budget_multiplier = 1, .ltv_adjustment = 0, .cpa_adjustment = 0};
static const double ceiling_only[] = {0.09, 0, 0};

struct fixture {
    struct mi_curve curve;
    char ids[CAMPAIGNS][16];
    struct mi_uncertain_campaign campaigns[CAMPAIGNS];
    struct mi_scenario changes[CAMPAIGNS];
    struct mi_risk_figures figures[CAMPAIGNS];
    struct mi_risk_figures total;
    struct mi_monte_carlo options;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    if (!f || mi_curve_parse(mi_text_of("mm(ceiling=1000 half=1000)"), &f->curve, NULL))
        return -1;
    f->options = (struct mi_monte_carlo){.draws = DRAWS,
                                         .seed = 3,
                                         .quantiles = quantiles,
                                         .quantile_count = 3,
                                         .var_level = 0.95,
                                         .threads = 1};
    for (int i = 0; i < CAMPAIGNS; i++) {
        snprintf(f->ids[i], sizeof f->ids[i], "c%d", i);
        f->changes[i] = same;
        f->campaigns[i] = (struct mi_uncertain_campaign){.id = mi_text_of(f->ids[i]),
                                                         .curve = &f->curve,
                                                         .covariance = ceiling_only,
                                                         .ltv = 10,
                                                         .ltv_se = NAN,
                                                         .costs = {.rate = 4.5},
                                                         .budget = 1000,
                                                         .group = (size_t)i % 2};
    }
    return 0;
}

static int tear_down(void **state) {
    free(*state);
    return 0;
}

static void run(struct fixture *f, size_t count) {
    struct mi_error error = {0};
    if (mi_monte_carlo_run(&f->options, f->campaigns, count, f->changes, 1, f->figures, &f->total, NULL,
                           &error))
        fail_msg("%s", error.text);
}

static void assert_near(double value, double truth, double tolerance) {
    if (!(fabs(value - truth) <= tolerance))
        fail_msg("%.10g is not %.10g: off by %g", value, truth, value - truth);
}

/* Users 500 e^(0.3 z - 0.045), whose mean is the curve's 500; profit 10 times that less 4500. Four standard
 * errors of the mean are 32; of a quantile about 50. */
static void test_lognormal(void **state) {
    struct fixture *f = *state;
    run(f, 1);
    double median = 5000 * exp(-0.045);
    assert_near(f->total.mean, 500, 33);
    assert_near(f->total.sd, 5000 * sqrt(exp(0.09) - 1), 40);
    assert_near(f->total.quantile[1], median - 4500, 40);
    assert_near(f->total.quantile[0], median * exp(-0.3 * 1.2815516) - 4500, 50);
    assert_near(f->total.quantile[2], median * exp(0.3 * 1.2815516) - 4500, 80);
    assert_near(f->total.value_at_risk, 4500 - median * exp(-0.3 * 1.6448536), 50);
    assert_near(f->total.chance_of_loss, 0.5 * erfc(-log(4500 / median) / 0.3 / sqrt(2)), 0.01);
    assert_near(f->figures[0].mean, f->total.mean, 1e-9);
}

/* The LTV's mean is kept. */
static void test_ltv(void **state) {
    struct fixture *f = *state;
    f->campaigns[0].covariance = NULL;
    f->campaigns[0].ltv_se = 2;
    run(f, 1);
    assert_near(f->total.mean, 500, 21);
    assert_near(f->total.sd, 1000, 25);
}

/* Independent campaigns: variances add up. With a shock that all of a group share they do not. */
static void test_shocks(void **state) {
    struct fixture *f = *state;
    static const char *const names[] = {"facebook", "google"};
    f->options.draws = 10000;
    run(f, CAMPAIGNS);
    double one = 5000 * sqrt(exp(0.09) - 1);
    assert_near(f->total.sd, one * 10, one * 0.3);
    for (int i = 0; i < CAMPAIGNS; i++)
        f->campaigns[i].covariance = NULL;
    f->options.shock_group = 0.1;
    f->options.groups = names;
    f->options.group_count = 2;
    run(f, CAMPAIGNS);
    double group = 50 * 5000 * sqrt(exp(0.01) - 1);
    assert_near(f->total.sd, group * sqrt(2), group * 0.06);
    assert_near(f->total.mean, CAMPAIGNS * 500, group * 0.06);
}

/* Neither threads nor the order of campaigns nor what else is asked for change a campaign's draws. */
static void test_same_draws(void **state) {
    struct fixture *f = *state;
    f->options.draws = 500;
    run(f, CAMPAIGNS);
    struct mi_risk_figures first = f->total, third = f->figures[3];
    for (unsigned long threads = 2; threads < 9; threads += 3) {
        f->options.threads = threads;
        run(f, CAMPAIGNS);
        assert_memory_equal(&first, &f->total, sizeof first);
    }
    struct mi_uncertain_campaign moved = f->campaigns[3];
    f->campaigns[0] = moved;
    run(f, 1);
    assert_memory_equal(&third, &f->figures[0], sizeof third);
    f->options.seed = 4;
    run(f, 1);
    assert_true(f->figures[0].mean != third.mean);
}

/* Every family's drawn users, at a covariance of nothing, are the curve's own; a mix has its own draws. */
static void test_families(void **state) {
    struct fixture *f = *state;
    static const char *const curves[] = {"hill(ceiling=500 half=800 shape=1.7)",
                                         "mm(ceiling=500 half=800)",
                                         "exp(ceiling=500 half=800)",
                                         "gompertz(ceiling=500 middle=600 rate=0.003)",
                                         "power(scale=2 exponent=0.6)",
                                         "mix(1*hill(ceiling=500 half=800 shape=1.7))"};
    static const double nothing[15] = {0};
    for (size_t k = 0; k < sizeof curves / sizeof *curves; k++) {
        struct mi_curve curve;
        struct mi_draws *draws;
        double spends[] = {0, 10, 1000}, users[3], ltv;
        assert_int_equal(mi_curve_parse(mi_text_of(curves[k]), &curve, NULL), MI_OK);
        struct mi_uncertain_campaign campaign = f->campaigns[0];
        campaign.curve = &curve;
        campaign.covariance = nothing;
        assert_int_equal(mi_draws_new(&campaign, 1, &draws, NULL), MI_OK);
        mi_draws_next(draws, spends, 3, users, &ltv);
        for (int i = 0; i < 3; i++)
            assert_near(users[i], mi_curve_users(&curve, spends[i]), 1e-9);
        mi_draws_free(draws);
        mi_curve_clear(&curve);
    }
}

/* Of a mix each draw is one part: the mean over the draws is the mix, within four standard errors. */
static void test_mix(void **state) {
    struct fixture *f = *state;
    struct mi_curve curve;
    struct mi_draws *draws;
    double spend = 800, users, ltv, sum = 0;
    assert_int_equal(mi_curve_parse(mi_text_of("mix(3*mm(ceiling=400 half=800) 1*exp(ceiling=100 half=800))"),
                                    &curve, NULL),
                     MI_OK);
    f->campaigns[0].curve = &curve;
    f->campaigns[0].covariance = NULL;
    assert_int_equal(mi_draws_new(&f->campaigns[0], 1, &draws, NULL), MI_OK);
    for (int i = 0; i < 10000; i++) {
        mi_draws_next(draws, &spend, 1, &users, &ltv);
        assert_true(fabs(users - 200) < 1e-9 || fabs(users - 50) < 1e-9);
        sum += users;
    }
    assert_near(sum / 10000, mi_curve_users(&curve, spend), 4 * 150 * 0.433 / 100);
    mi_draws_free(draws);
    mi_curve_clear(&curve);
}

/* Wide shapes: at any spend the draws have the curve as their mean and the variance of log users that the
 * gradient gives (analytic, for Hill: 1, -k (1 - p), k (1 - p) log(s / half)). Within four standard errors.
 */
static void test_band(void **state) {
    struct fixture *f = *state;
    static const double wide[] = {0.5, 0.4, 0.7, -0.02, -0.05, 0.12};
    static const double spends[] = {200, 800, 3000};
    struct mi_curve curve;
    struct mi_draws *draws;
    double users[3], ltv, sum[3] = {0}, squares[3] = {0}, logs[3] = {0};
    assert_int_equal(mi_curve_parse(mi_text_of("hill(ceiling=500 half=800 shape=1.5)"), &curve, NULL), MI_OK);
    f->campaigns[0].curve = &curve;
    f->campaigns[0].covariance = wide;
    assert_int_equal(mi_draws_new(&f->campaigns[0], 1, &draws, NULL), MI_OK);
    for (int d = 0; d < DRAWS; d++) {
        mi_draws_next(draws, spends, 3, users, &ltv);
        for (int i = 0; i < 3; i++) {
            sum[i] += users[i];
            logs[i] += log(users[i]);
            squares[i] += log(users[i]) * log(users[i]);
        }
    }
    for (int i = 0; i < 3; i++) {
        double left = 1 / (1 + pow(spends[i] / 800, 1.5)), reach = 1.5 * log(spends[i] / 800);
        double g[3] = {1, -1.5 * left, left * reach};
        double variance = wide[0] + 2 * g[1] * wide[1] + g[1] * g[1] * wide[2] + 2 * g[2] * wide[3] +
                          2 * g[1] * g[2] * wide[4] + g[2] * g[2] * wide[5];
        double expected = mi_curve_users(&curve, spends[i]), mean_log = logs[i] / DRAWS;
        assert_near(sum[i] / DRAWS, expected, 4 * expected * sqrt(expm1(variance) / DRAWS));
        assert_near(squares[i] / DRAWS - mean_log * mean_log, variance, 4 * variance * sqrt(2.0 / DRAWS));
    }
    mi_draws_free(draws);
    mi_curve_clear(&curve);
}

static void test_covariance(void **state) {
    struct fixture *f = *state;
    struct mi_error error = {0};
    static const double negative[] = {0.1, 0.2, 0.1}, good[] = {0.1, 0.1, 0.1};
    assert_int_equal(mi_covariance_check(&f->curve, good, 3, &error), MI_OK);
    assert_int_equal(mi_covariance_check(&f->curve, good, 2, &error), MI_BAD_ARGUMENT);
    assert_int_equal(mi_covariance_check(&f->curve, negative, 3, &error), MI_BAD_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lognormal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ltv, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shocks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_same_draws, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_families, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_band, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_covariance, set_up, tear_down),
    };
    if (mi_init(MI_VERSION, NULL))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
