/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The market against what its header promises. Tolerances of random quantities are four standard errors of
 * the sample at hand.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mi.h"

static struct mi_market *market_of(size_t campaigns, size_t history, size_t days) {
    struct mi_market_options options = mi_market_default();
    struct mi_error error = {.code = MI_OK};
    struct mi_market *market;
    options.campaigns = campaigns;
    options.history = history;
    options.days = days;
    assert_int_equal(mi_market_new(&options, &market, &error), MI_OK);
    return market;
}

static void assert_near(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.17g is not within %g of %.17g", value, tolerance, expected);
}

/* Budgets as they are. */
static double *todays(const struct mi_market *market, size_t campaigns) {
    double *budgets = calloc(campaigns, sizeof *budgets);
    assert_non_null(budgets);
    for (size_t i = 0; i < campaigns; i++)
        budgets[i] = mi_market_campaign(market, i)->daily_budget;
    return budgets;
}

/* A quarter are Hill curves; the rest is of five more kinds, mixtures of two sorts among them. */
static void curves_are_of_many_families(void **state) {
    (void)state;
    enum { N = 2000 };
    struct mi_market *market = market_of(N, 1, 1);
    const struct {
        enum mi_curve_family family;
        double share;
    } expected[] = {{MI_CURVE_HILL, 0.25},  {MI_CURVE_EXP, 0.15}, {MI_CURVE_MIX, 0.3},
                    {MI_CURVE_POINTS, 0.1}, {MI_CURVE_LOG, 0.1},  {MI_CURVE_POWER, 0.1}};
    for (size_t f = 0; f < sizeof expected / sizeof *expected; f++) {
        double found = 0, share = expected[f].share;
        for (size_t i = 0; i < N; i++)
            found += mi_market_campaign(market, i)->curve.family == expected[f].family;
        assert_near(found / N, share, 4 * sqrt(share * (1 - share) / N));
    }
    mi_market_free(market);
}

/* LTV is known up to a lognormal error, and the market's budget is what is spent at first. */
static void what_is_known_is_near_the_truth(void **state) {
    (void)state;
    enum { N = 2000 };
    struct mi_market *market = market_of(N, 1, 1);
    double sum = 0, square = 0, budget = 0;
    for (size_t i = 0; i < N; i++) {
        const struct mi_market_campaign *campaign = mi_market_campaign(market, i);
        double off = log(campaign->predicted_ltv / campaign->ltv);
        sum += off / N;
        square += off * off / N;
        budget += campaign->daily_budget;
    }
    assert_near(sum, 0, 4 * 0.08 / sqrt(N));
    assert_near(square / (0.08 * 0.08), 1, 4 * sqrt(2.0 / N));
    assert_near(mi_market_budget(market), budget, 0.01);
    mi_market_free(market);
}

/* Conversions come in over eight days and never leave; what they are worth has come in after ninety, by the
 * square root of age / 90. */
static void what_is_seen_of_a_day_grows(void **state) {
    (void)state;
    enum { N = 5, HISTORY = 3, DAYS = 100 };
    struct mi_market *market = market_of(N, HISTORY, DAYS);
    double *budgets = todays(market, N);
    struct mi_market_observation last[N], first[N];
    for (size_t played = 1; played <= DAYS; played++) {
        assert_int_equal(mi_market_days_left(market), DAYS - played + 1);
        mi_market_play(market, budgets);
        assert_int_equal(mi_market_days_played(market), HISTORY + played);
        for (size_t i = 0; i < N; i++) {
            /* the first decided day, which is played - 1 days old */
            struct mi_market_observation seen = mi_market_observe(market, i, HISTORY);
            assert_int_equal(seen.date, mi_market_default().start + HISTORY);
            assert_true(seen.spend == budgets[i]);
            assert_true(played == 1 || seen.conversions >= last[i].conversions);
            assert_true(played <= 8 || seen.conversions == last[i].conversions);
            assert_true(played == 1 || seen.revenue >= last[i].revenue);
            assert_true(played <= 90 || seen.revenue == last[i].revenue);
            if (played == 8)
                first[i] = seen;
            if (played > 8 && played <= 90)
                assert_near(seen.revenue / sqrt((double)played), first[i].revenue / sqrt(8), 0.01);
            last[i] = seen;
        }
    }
    assert_int_equal(mi_market_days_left(market), 0);
    free(budgets);
    mi_market_free(market);
}

/* Two markets of one seed: what is spent on one campaign changes neither the truth nor the luck of another.
 */
static void luck_is_the_same_for_every_policy(void **state) {
    (void)state;
    enum { N = 4, HISTORY = 2, DAYS = 20 };
    struct mi_market *one = market_of(N, HISTORY, DAYS), *other = market_of(N, HISTORY, DAYS);
    double *budgets = todays(one, N);
    for (size_t day = 0; day < DAYS; day++) {
        for (size_t i = 0; i < N; i++) {
            double level[2], factor[2];
            mi_market_day_truth(one, i, &level[0], &factor[0]);
            mi_market_day_truth(other, i, &level[1], &factor[1]);
            assert_true(level[0] == level[1] && factor[0] == factor[1]);
        }
        mi_market_play(one, budgets);
        double kept = budgets[0];
        budgets[0] = 0;
        mi_market_play(other, budgets);
        budgets[0] = kept;
        struct mi_market_observation nothing = mi_market_observe(other, 0, HISTORY + day);
        assert_true(nothing.spend == 0 && nothing.conversions == 0 && nothing.revenue == 0);
        for (size_t i = 1; i < N; i++) {
            struct mi_market_observation a = mi_market_observe(one, i, HISTORY + day);
            struct mi_market_observation b = mi_market_observe(other, i, HISTORY + day);
            assert_true(a.spend == b.spend && a.conversions == b.conversions && a.revenue == b.revenue);
        }
    }
    free(budgets);
    mi_market_free(one);
    mi_market_free(other);
}

/* The profit that is to be expected is the sum of what curve, day and costs say. */
static void profit_is_that_of_the_curves(void **state) {
    (void)state;
    enum { N = 30 };
    struct mi_market *market = market_of(N, 10, 3);
    double *budgets = todays(market, N), spend = 0, users = 0, revenue = 0, costs = 0;
    struct mi_cost_rates rates = mi_cost_rates_default();
    for (size_t i = 0; i < N; i++) {
        const struct mi_market_campaign *campaign = mi_market_campaign(market, i);
        double level, factor;
        struct mi_campaign_costs own =
            mi_campaign_costs_of(&rates, campaign->has_agency, campaign->creative_production_cost,
                                 campaign->creative_lifetime_days);
        mi_market_day_truth(market, i, &level, &factor);
        double mean = factor * mi_curve_users(&campaign->curve, budgets[i]);
        spend += budgets[i];
        users += mean;
        revenue += mean * campaign->ltv;
        costs += own.rate * budgets[i] + own.fixed;
    }
    struct mi_outcome total;
    double profit = mi_market_profit(market, budgets, &total);
    assert_near(profit, revenue - costs, 1e-9 * revenue);
    assert_true(mi_market_profit(market, budgets, NULL) == profit && total.profit == profit);
    assert_near(total.spend, spend, 1e-9 * spend);
    assert_near(total.users, users, 1e-9 * users);
    assert_near(total.roas, revenue / spend, 1e-9);
    assert_near(total.roi, 100 * (revenue / costs - 1), 1e-9);
    free(budgets);
    mi_market_free(market);
}

/* Who knows more of the day earns more on it, never beyond the budget; nobody more than who knows all. */
static void knowledge_is_worth_money(void **state) {
    (void)state;
    enum { N = 40, DAYS = 10 };
    struct mi_market *market = market_of(N, 10, DAYS);
    double *budgets = todays(market, N), all = 0, levels = 0, yesterday = 0, unchanged = 0;
    for (size_t day = 0; day < DAYS; day++) {
        double earned[3];
        for (int knowledge = MI_MARKET_ALL; knowledge <= MI_MARKET_YESTERDAY; knowledge++) {
            struct mi_allocation best;
            struct mi_error error = {.code = MI_OK};
            assert_int_equal(mi_market_best(market, (enum mi_market_knowledge)knowledge, &best, &error),
                             MI_OK);
            assert_true(best.total <= mi_market_budget(market) + 0.005);
            earned[knowledge] = mi_market_profit(market, best.spend, NULL);
            mi_allocation_clear(&best);
        }
        double as_is = mi_market_profit(market, budgets, NULL), least = 1e-6 * earned[MI_MARKET_ALL];
        assert_true(earned[MI_MARKET_LEVELS] <= earned[MI_MARKET_ALL] + least);
        assert_true(earned[MI_MARKET_YESTERDAY] <= earned[MI_MARKET_ALL] + least);
        assert_true(as_is <= earned[MI_MARKET_ALL] + least);
        all += earned[MI_MARKET_ALL];
        levels += earned[MI_MARKET_LEVELS];
        yesterday += earned[MI_MARKET_YESTERDAY];
        unchanged += as_is;
        mi_market_play(market, budgets);
    }
    assert_true(unchanged < levels && unchanged < yesterday && levels < all && yesterday < all);
    free(budgets);
    mi_market_free(market);
}

/* Counts about the mean: Poisson with a gamma mean of dispersion 20, one day in a hundred times 0 to 0.3
 * or 2.5 to 5. */
static void days_are_as_expected_on_average(void **state) {
    (void)state;
    enum { N = 100, DAYS = 60, HISTORY = 1 };
    const double factor_mean = 1 + 0.01 * (0.5 * (0.15 - 1) + 0.5 * (3.75 - 1));
    const double factor_square = 0.99 + 0.01 * 0.5 * (0.3 * 0.3 / 3 + (125 - 15.625) / 3 / 2.5);
    struct mi_market *market = market_of(N, HISTORY, DAYS);
    double *budgets = todays(market, N), *means = calloc(N * DAYS, sizeof *means), sum = 0, n = 0,
           variance = 0;
    assert_non_null(means);
    for (size_t day = 0; day < DAYS; day++) {
        for (size_t i = 0; i < N; i++) {
            double level, factor;
            mi_market_day_truth(market, i, &level, &factor);
            means[day * N + i] = factor * mi_curve_users(&mi_market_campaign(market, i)->curve, budgets[i]);
        }
        mi_market_play(market, budgets);
    }
    for (size_t day = 0; day + 8 < DAYS; day++)
        for (size_t i = 0; i < N; i++) {
            double mean = means[day * N + i];
            struct mi_market_observation seen = mi_market_observe(market, i, HISTORY + day);
            assert_true(seen.conversions == floor(seen.conversions));
            if (mean < 5)
                continue;
            sum += seen.conversions / mean;
            variance += factor_mean / mean + 1.05 * factor_square - factor_mean * factor_mean;
            n++;
        }
    assert_true(n > 1000);
    assert_near(sum / n, factor_mean, 4 * sqrt(variance) / n);
    free(means);
    free(budgets);
    mi_market_free(market);
}

/* What a day does to a network it does to all its campaigns, but for their own weekdays. */
static void networks_have_days(void **state) {
    (void)state;
    enum { N = 60, DAYS = 28 };
    struct mi_market *market = market_of(N, 1, DAYS);
    double *budgets = todays(market, N), own = 0, between = 0, pairs = 0, others = 0;
    for (size_t day = 0; day < DAYS; day++) {
        double effect[N];
        for (size_t i = 0; i < N; i++) {
            double level, factor;
            mi_market_day_truth(market, i, &level, &factor);
            effect[i] = log(factor / level);
        }
        for (size_t i = 0; i < N; i++)
            for (size_t j = 0; j < i; j++) {
                bool same = strcmp(mi_market_campaign(market, i)->segment.ad_network,
                                   mi_market_campaign(market, j)->segment.ad_network) == 0;
                double square = (effect[i] - effect[j]) * (effect[i] - effect[j]) / 2;
                own += same ? square : 0;
                pairs += same;
                between += same ? 0 : square;
                others += !same;
            }
        mi_market_play(market, budgets);
    }
    /* own weekdays: 60 campaigns of 7 each */
    assert_near(own / pairs / (0.04 * 0.04), 1, 4 * sqrt(2.0 / (60 * 7)));
    assert_true(between / others > 4 * own / pairs);
    free(budgets);
    mi_market_free(market);
}

static void impossible_markets_are_refused(void **state) {
    (void)state;
    struct mi_market *market = NULL;
    struct mi_error error = {.code = MI_OK};
    struct mi_market_options options = mi_market_default();
    options.campaigns = 0;
    assert_int_equal(mi_market_new(&options, &market, &error), MI_BAD_ARGUMENT);
    options = mi_market_default();
    options.days = 0;
    assert_int_equal(mi_market_new(&options, &market, &error), MI_BAD_ARGUMENT);
    options = mi_market_default();
    options.history = 4000;
    assert_int_equal(mi_market_new(&options, &market, &error), MI_BAD_ARGUMENT);
    options = mi_market_default();
    options.ltv_error = NAN;
    assert_int_equal(mi_market_new(&options, &market, &error), MI_BAD_ARGUMENT);
    options = mi_market_default();
    options.attributes = 2;
    assert_int_equal(mi_market_new(&options, &market, &error), MI_BAD_ARGUMENT);
    assert_null(market);
    mi_market_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(curves_are_of_many_families),
        cmocka_unit_test(what_is_known_is_near_the_truth),
        cmocka_unit_test(what_is_seen_of_a_day_grows),
        cmocka_unit_test(luck_is_the_same_for_every_policy),
        cmocka_unit_test(profit_is_that_of_the_curves),
        cmocka_unit_test(knowledge_is_worth_money),
        cmocka_unit_test(days_are_as_expected_on_average),
        cmocka_unit_test(networks_have_days),
        cmocka_unit_test(impossible_markets_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
