/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Accuracy of predictions. The truth was computed with numpy from the formulas in their plain form (Hyndman
 * and Koehler 2006 for MASE, clustered standard errors of a ratio after Cochran) and scipy.stats for the
 * tests.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mi.h"

static void assert_near(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance * fmax(fabs(expected), 1))) {
        fail_msg("%.17g, expected %.17g", value, expected);
    }
}

struct sample {
    const char *campaign;
    int32_t date;
    double predicted, actual, low, high;
};

/* Out of date order on purpose; one actual is 0. */
static const struct sample samples[] = {
    {"a", 3, 12.5, 10, 9, 14},  {"b", 1, 5, 0, 0, 4},     {"a", 1, 8, 9, 7, 10},  {"c", 2, 20, 26, 18, 25},
    {"a", 2, 11, 12.5, 10, 12}, {"b", 2, 6, 4, 3, 8},     {"b", 3, 5.5, 5, 4, 7}, {"c", 1, 22, 21, 18, 25},
    {"a", 4, 9, 11, 8, 10},     {"c", 3, 24, 24, 22, 26},
};

static struct mi_accuracy_result judged(const struct sample *rows, size_t count, bool by_campaign,
                                        bool by_date) {
    struct mi_accuracy_options options = {.by_campaign = by_campaign, .by_date = by_date};
    struct mi_accuracy *accuracy;
    struct mi_accuracy_result result;
    assert_int_equal(mi_accuracy_new(&options, &accuracy, NULL), MI_OK);
    for (size_t i = 0; i < count; i++) {
        struct mi_accuracy_row row = {mi_text_of(rows[i].campaign),
                                      rows[i].date,
                                      rows[i].predicted,
                                      rows[i].actual,
                                      rows[i].low,
                                      rows[i].high,
                                      NAN};
        assert_int_equal(mi_accuracy_add(accuracy, &row, NULL), MI_OK);
    }
    assert_int_equal(mi_accuracy_finish(accuracy, &result, NULL), MI_OK);
    mi_accuracy_free(accuracy);
    return result;
}

static void assert_figures(bool by_campaign, bool by_date, const double expected[MI_FIGURE_COUNT][2]) {
    struct mi_accuracy_result result = judged(samples, 10, by_campaign, by_date);
    for (int figure = 0; figure < MI_FIGURE_COUNT; figure++) {
        assert_near(result.figure[figure], expected[figure][0], 1e-13);
        assert_near(result.error[figure], expected[figure][1], 1e-12);
    }
    assert_int_equal(result.n, 10);
    assert_int_equal(result.n_zero_actual, 1);
    assert_int_equal(result.n_campaigns, by_campaign ? 3 : 0);
}

static void test_by_campaign_and_date(void **state) {
    (void)state;
    static const double expected[MI_FIGURE_COUNT][2] = {
        {2.1499999999999999, 0.24387496796514396},   /* mae */
        {17.12575079241746, 4.7569189898962421},     /* mape */
        {2.8240042492885875, 0.50290905308413492},   /* rmse */
        {17.551020408163264, 8.0659746517269522},    /* wape */
        {34.701481438762997, 21.813201286556001},    /* smape */
        {0.80000000000000004, 0.091651513899116813}, /* mase */
        {0.050000000000000003, 1.1317133029173068},  /* bias */
        {0.40816326530612246, 9.4005009694177328},   /* bias_pct */
        {0.2857142857142857, 0.12744893874282445},   /* dir */
        {0.69999999999999996, 0.14798648586948743},  /* cov */
    };
    assert_figures(true, true, expected);
}

static void test_by_campaign_in_file_order(void **state) {
    (void)state;
    static const double expected[MI_FIGURE_COUNT][2] = {
        {2.1499999999999999, 0.24387496796514396},  /* mae */
        {17.12575079241746, 4.7569189898962421},    /* mape */
        {2.8240042492885875, 0.50290905308413492},  /* rmse */
        {17.551020408163264, 8.0659746517269522},   /* wape */
        {34.701481438762997, 21.813201286556001},   /* smape */
        {0.82499999999999996, 0.11233320969330488}, /* mase */
        {0.050000000000000003, 1.1317133029173068}, /* bias */
        {0.40816326530612246, 9.4005009694177328},  /* bias_pct */
        {0.7142857142857143, 0.18367346938775508},  /* dir */
        {0.69999999999999996, 0.14798648586948743}, /* cov */
    };
    assert_figures(true, false, expected);
}

static void test_one_series(void **state) {
    (void)state;
    static const double expected[MI_FIGURE_COUNT][2] = {
        {2.1499999999999999, 0.61032778078668515},   /* mae */
        {17.12575079241746, 4.9140294570522229},     /* mape */
        {2.8240042492885875, 0.68906502310058249},   /* rmse */
        {17.551020408163264, 6.3945345539673086},    /* wape */
        {34.701481438762997, 18.721984272149793},    /* smape */
        {0.19744897959183674, 0.056050510480409863}, /* mase */
        {0.050000000000000003, 0.94118719356636671}, /* bias */
        {0.40816326530612246, 7.7445871969690661},   /* bias_pct */
        {0.88888888888888884, 0.1111111111111111},   /* dir */
        {0.69999999999999996, 0.15275252316519466},  /* cov */
    };
    assert_figures(false, false, expected);
}

/* What cannot be said is missing, never a number. */
static void test_too_little(void **state) {
    (void)state;
    static const struct sample rows[] = {
        {"a", 1, 3, 0, NAN, NAN}, {"a", 2, NAN, 4, 1, 2}, {"b", 2, 3, NAN, 1, 2}};
    struct mi_accuracy_result result = judged(rows, 3, true, true);
    assert_int_equal(result.n, 1);
    assert_int_equal(result.n_missing_actual, 1);
    assert_int_equal(result.n_missing_prediction, 1);
    assert_int_equal(result.n_zero_actual, 1);
    assert_near(result.figure[MI_FIGURE_MAE], 3, 0);
    assert_near(result.figure[MI_FIGURE_SMAPE], 200, 0);
    static const enum mi_figure undefined[] = {MI_FIGURE_MAPE,     MI_FIGURE_WAPE,      MI_FIGURE_MASE,
                                               MI_FIGURE_BIAS_PCT, MI_FIGURE_DIRECTION, MI_FIGURE_COVERAGE};
    for (size_t i = 0; i < sizeof undefined / sizeof *undefined; i++) {
        assert_true(isnan(result.figure[undefined[i]]));
    }
    for (int figure = 0; figure < MI_FIGURE_COUNT; figure++) {
        assert_true(isnan(result.error[figure]));
    }
    /* An actual of next to nothing is as good as 0 for percentages: no figure is infinite. */
    static const struct sample tiny[] = {{"a", 1, 1e14, 1e-308, NAN, NAN}, {"b", 1, 1e10, 1e-310, NAN, NAN}};
    result = judged(tiny, 2, true, true);
    assert_int_equal(result.n_zero_actual, 2);
    for (int figure = 0; figure < MI_FIGURE_COUNT; figure++) {
        assert_false(isinf(result.figure[figure]) || isinf(result.error[figure]));
    }
    result = judged(rows, 0, true, true);
    assert_int_equal(result.n, 0);
    assert_true(isnan(result.figure[MI_FIGURE_MAE]));
}

/* A perfect prediction: no error, no standard error, all steps right. */
static void test_perfect(void **state) {
    (void)state;
    static const struct sample rows[] = {{"a", 1, 3, 3, 3, 3}, {"a", 2, 5, 5, 4, 6}, {"a", 3, 5, 5, 4, 6}};
    struct mi_accuracy_result result = judged(rows, 3, true, true);
    for (int figure = 0; figure < MI_FIGURE_DIRECTION; figure++) {
        assert_true(result.figure[figure] == 0 && result.error[figure] == 0);
    }
    assert_true(result.figure[MI_FIGURE_DIRECTION] == 1 && result.figure[MI_FIGURE_COVERAGE] == 1);
}

static void test_limits(void **state) {
    (void)state;
    struct mi_accuracy_limit limit;
    assert_int_equal(mi_accuracy_limit_parse("cpa.mape>30", &limit, NULL), MI_OK);
    assert_true(mi_text_equal(limit.metric, mi_text_of("cpa")) && limit.figure == MI_FIGURE_MAPE);
    assert_true(mi_accuracy_limit_broken(&limit, 30.001) && !mi_accuracy_limit_broken(&limit, 30));
    assert_false(mi_accuracy_limit_broken(&limit, NAN));
    assert_int_equal(mi_accuracy_limit_parse("ltv_90.d7.directional_accuracy<=0.5", &limit, NULL), MI_OK);
    assert_true(mi_text_equal(limit.metric, mi_text_of("ltv_90.d7")) && limit.figure == MI_FIGURE_DIRECTION);
    assert_true(mi_accuracy_limit_broken(&limit, 0.5) && !mi_accuracy_limit_broken(&limit, 0.51));
    static const char *const wrong[] = {
        "",          "cpa",        "cpa.mape",   "mape>30", "cpa.mape=30", ".mape>30",   "cpa.map>30",
        "cpa.mape>", "cpa.mape>x", "cpa.mape>=", "cpa.>30", "cpa.mape>>3", "cpa.mape 3", "cpa.mape >3"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(mi_accuracy_limit_parse(wrong[i], &limit, NULL), MI_BAD_ARGUMENT);
    }
}

/* scipy.stats.t.sf with Welch's degrees of freedom. */
static void test_chance_of_a_change(void **state) {
    (void)state;
    struct mi_accuracy_change changes[] = {
        {.figure = MI_FIGURE_MAPE,
         .before = 20,
         .before_error = 2,
         .before_freedom = 9,
         .after = 27,
         .after_error = 2.5,
         .after_freedom = 14},
        {.figure = MI_FIGURE_MAPE,
         .before = 20,
         .before_error = 2,
         .before_freedom = 9,
         .after = 21,
         .after_error = 2.5,
         .after_freedom = 14},
        {.figure = MI_FIGURE_MAPE,
         .before = 20,
         .before_error = NAN,
         .before_freedom = 9,
         .after = 90,
         .after_error = 2.5,
         .after_freedom = 14},
    };
    mi_accuracy_compare(changes, 3, 0.8, 0.04);
    assert_near(changes[0].chance, 0.01960874002888616, 1e-10);
    assert_near(changes[1].chance, 0.3787953454737127, 1e-10);
    assert_true(isnan(changes[2].chance) && !changes[2].broken);
    assert_true(changes[0].broken && !changes[1].broken); /* 0.0196 <= 0.04 / 2 */
    mi_accuracy_compare(changes, 3, 0.8, 0.039);
    assert_false(changes[0].broken);
}

/* Which way is worse. */
static void test_worse(void **state) {
    (void)state;
    static const struct {
        enum mi_figure figure;
        double before, after, worse;
    } cases[] = {{MI_FIGURE_MAE, 1, 2, 1},
                 {MI_FIGURE_BIAS, -3, 2, -1},
                 {MI_FIGURE_BIAS_PCT, 1, -3, 2},
                 {MI_FIGURE_DIRECTION, 0.9, 0.7, 0.2},
                 {MI_FIGURE_COVERAGE, 0.8, 0.9, 0.1},
                 {MI_FIGURE_COVERAGE, 0.6, 0.75, -0.15}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mi_accuracy_change change = {.figure = cases[i].figure,
                                            .before = cases[i].before,
                                            .after = cases[i].after,
                                            .before_freedom = 5,
                                            .after_freedom = 5};
        mi_accuracy_compare(&change, 1, 0.8, 0.05);
        assert_near(change.worse, cases[i].worse, 1e-15);
        assert_true(change.broken == (cases[i].worse > 0)); /* no standard error: any change counts */
    }
}

/* Reference: the statistics by their formulas in Python, with the t distribution of scipy. */
static void assert_duel(double horizon, double error, double chance) {
    static const double differences[] = {-1.2, 0.4, -0.9, -2.1, 0.3, -1.0, -0.2, -1.7, 0.6, -0.8, -1.1, -0.5};
    struct mi_duel *duel;
    struct mi_duel_result result;
    assert_int_equal(mi_duel_new(&duel, NULL), MI_OK);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(mi_duel_add(duel, mi_text_of("a"), i, horizon, 3, 3 + differences[i], NULL), MI_OK);
    }
    assert_int_equal(mi_duel_finish(duel, &result, NULL), MI_OK);
    mi_duel_free(duel);
    assert_near(result.difference, -0.6833333333333335, 1e-12);
    assert_near(result.error, error, 1e-12);
    assert_near(result.chance, chance, 1e-9);
    assert_int_equal(result.n_days, 12);
    assert_int_equal(result.n_campaigns, 1);
}

static void test_duel(void **state) {
    (void)state;
    assert_duel(1, 0.2414706624169504, 0.016375629208106878);
    assert_duel(3, 0.14143590501120082, 0.000526185425658674);
    struct mi_duel *duel;
    struct mi_duel_result result;
    assert_int_equal(mi_duel_new(&duel, NULL), MI_OK);
    assert_int_equal(mi_duel_finish(duel, &result, NULL), MI_OK);
    assert_true(result.n == 0 && isnan(result.chance));
    mi_duel_free(duel);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_campaign_and_date),
        cmocka_unit_test(test_by_campaign_in_file_order),
        cmocka_unit_test(test_one_series),
        cmocka_unit_test(test_too_little),
        cmocka_unit_test(test_perfect),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_chance_of_a_change),
        cmocka_unit_test(test_worse),
        cmocka_unit_test(test_duel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
