/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Scenarios against figures made by hand: the curve mm(ceiling=1000 half=2000) has 500 users at 2000, 600 at
 * 3000.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mi.h"

static const struct mi_campaign_costs costs = {.rate = 1.05, .fixed = 100};

static struct mi_curve curve_of(const char *text) {
    struct mi_curve curve;
    if (mi_curve_parse(mi_text_of(text), &curve, NULL))
        fail_msg("%s", text);
    return curve;
}

static void assert_near(double value, double truth) {
    if (!(fabs(value - truth) <= 1e-12 * fabs(truth)))
        fail_msg("%.17g is not %.17g", value, truth);
}

static const struct mi_scenario *find(const char *name) {
    size_t count;
    const struct mi_scenario *scenarios = mi_scenarios_default(&count);
    for (size_t i = 0; i < count; i++)
        if (mi_text_equal(scenarios[i].name, mi_text_of(name)))
            return &scenarios[i];
    fail_msg("no scenario '%s'", name);
    return NULL;
}

/* The table of the specification: budget, LTV, CPA, probability. */
static void test_defaults(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double budget, ltv, cpa, probability;
    } table[] = {{"baseline", 1, 0, 0, 0.6},
                 {"optimistic", 1.5, 0.1, -0.1, 0.2},
                 {"pessimistic", 0.8, -0.15, 0.2, 0.2},
                 {"over-scaled", 3, 0, 0, NAN},
                 {"conservative", 0.5, 0, -0.05, NAN}};
    size_t count;
    const struct mi_scenario *scenarios = mi_scenarios_default(&count);
    assert_int_equal(count, 5);
    assert_int_equal(mi_scenarios_check_expected(scenarios, count, NULL), MI_OK);
    for (size_t i = 0; i < count; i++) {
        const struct mi_scenario *scenario = find(table[i].name);
        assert_int_equal(mi_scenario_check(scenario, NULL), MI_OK);
        assert_true(scenario->budget_multiplier == table[i].budget &&
                    scenario->ltv_adjustment == table[i].ltv && scenario->cpa_adjustment == table[i].cpa);
        assert_true(scenario->probability == table[i].probability ||
                    (isnan(scenario->probability) && isnan(table[i].probability)));
    }
}

/* Optimistic from 2000: spend 3000, curve's CPA 5, so 4.5; 666.67 users at 10 * 1.1. */
static void test_outcome(void **state) {
    (void)state;
    struct mi_curve curve = curve_of("mm(ceiling=1000 half=2000)");
    struct mi_outcome outcome = mi_scenario_outcome(find("optimistic"), &curve, 10, &costs, 2000);
    assert_near(outcome.spend, 3000);
    assert_near(outcome.cpa, 4.5);
    assert_near(outcome.users, 3000 / 4.5);
    assert_near(outcome.revenue, 3000 / 4.5 * 11);
    assert_near(outcome.total_costs, 3250);
    assert_near(outcome.profit, 3000 / 4.5 * 11 - 3250);
    assert_near(outcome.roi, (3000 / 4.5 * 11 / 3250 - 1) * 100);
    assert_near(outcome.roas, 11 / 4.5);
    assert_near(outcome.marginal_cpa, 12.5 * 0.9); /* slope 1000 * 2000 / 5000^2 */
    mi_curve_clear(&curve);
}

static void test_without_spend(void **state) {
    (void)state;
    struct mi_curve curve = curve_of("hill(ceiling=1000 half=2000 shape=2)");
    struct mi_outcome outcome = mi_scenario_outcome(find("baseline"), &curve, 10, &costs, 0);
    assert_true(outcome.users == 0 && outcome.revenue == 0 && outcome.profit == -100);
    assert_true(isnan(outcome.roi));
    assert_true(isnan(outcome.cpa) && isnan(outcome.roas) && isnan(outcome.marginal_cpa));
    mi_curve_clear(&curve);
}

static void test_expected(void **state) {
    (void)state;
    size_t count;
    const struct mi_scenario *scenarios = mi_scenarios_default(&count);
    struct mi_outcome outcomes[5];
    assert_int_equal(count, 5);
    for (size_t i = 0; i < count; i++) {
        double n = i == 0   ? 10
                   : i == 1 ? 20
                   : i == 2 ? 30
                            : 1e9; /* those without probability count nothing */
        outcomes[i] = (struct mi_outcome){
            .spend = n, .users = 2 * n, .revenue = 8 * n, .total_costs = 4 * n, .profit = 4 * n};
    }
    struct mi_outcome expected = mi_scenario_expected(scenarios, outcomes, count);
    assert_near(expected.spend, 16);
    assert_near(expected.users, 32);
    assert_near(expected.profit, 64);
    assert_near(expected.cpa, 0.5);
    assert_near(expected.roas, 8);
    assert_near(expected.roi, 100);
}

static void assert_refused(struct mi_scenario scenario, const char *words) {
    struct mi_error error = {0};
    assert_int_equal(mi_scenario_check(&scenario, &error), MI_BAD_ARGUMENT);
    assert_non_null(strstr(error.text, words));
}

static void test_impossible(void **state) {
    (void)state;
    struct mi_scenario good = *find("baseline"), bad;
    bad = good, bad.budget_multiplier = -0.1;
    assert_refused(bad, "scenario 'baseline': budget_multiplier");
    bad = good, bad.budget_multiplier = NAN;
    assert_refused(bad, "budget_multiplier");
    bad = good, bad.ltv_adjustment = -1;
    assert_refused(bad, "ltv_adjustment");
    bad = good, bad.cpa_adjustment = -1;
    assert_refused(bad, "cpa_adjustment");
    bad = good, bad.probability = 1.1;
    assert_refused(bad, "probability");
    bad = good, bad.name = (struct mi_text){0};
    assert_refused(bad, "without a name");
    struct mi_error error = {0};
    assert_int_equal(mi_scenarios_check_expected(&good, 1, &error), MI_BAD_ARGUMENT);
    assert_non_null(strstr(error.text, "sum to 0.6"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),      cmocka_unit_test(test_outcome),
        cmocka_unit_test(test_without_spend), cmocka_unit_test(test_expected),
        cmocka_unit_test(test_impossible),
    };
    if (mi_init(MI_VERSION, NULL))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
