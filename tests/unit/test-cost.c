/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Costs of the worked example of SPEC 1, at its four levels and at zero spend; the two ways to the total
 * agree.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mi.h"

#define NEAR 1e-12 /* relative: sums of a few terms */

static void assert_near(double got, double want) {
    assert_true(fabs(got - want) <= NEAR * fmax(1, fabs(want)));
}

static void test_worked_example(void **state) {
    (void)state;
    const struct mi_cost_rates rates = mi_cost_rates_default();
    const double spends[] = {5000, 10000, 20000, 50000};
    for (size_t i = 0; i < 4; i++) {
        const struct mi_costs costs = mi_costs_at(&rates, true, 5000, 30, spends[i]);
        assert_near(costs.attribution_platform, spends[i] / 50);
        assert_near(costs.agency, spends[i] * 3 / 20);
        assert_near(costs.creative, 500.0 / 3);
        assert_near(costs.infrastructure, spends[i] / 100);
        assert_near(costs.team, spends[i] / 50);
        assert_near(costs.total, spends[i] * 6 / 5 + 500.0 / 3);
    }
}

static void test_rate_and_fixed_make_the_total(void **state) {
    (void)state;
    const struct mi_cost_rates rates = {0.03, 0.11, 0.005, 0.04, 30};
    for (int agency = 0; agency <= 1; agency++)
        for (double spend = 0; spend < 1e6; spend = 3 * spend + 17) {
            const struct mi_campaign_costs campaign = mi_campaign_costs_of(&rates, agency, 900, 45);
            const struct mi_costs costs = mi_costs_at(&rates, agency, 900, 45, spend);
            assert_near(campaign.fixed, 20);
            assert_near(campaign.rate * spend + campaign.fixed, costs.total);
        }
}

static void test_zero_spend(void **state) {
    (void)state;
    const struct mi_cost_rates rates = mi_cost_rates_default();
    assert_near(mi_costs_at(&rates, true, 600, 60, 0).total, 10);
    assert_true(mi_costs_at(&rates, false, 0, 30, 0).total == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worked_example),
        cmocka_unit_test(test_rate_and_fixed_make_the_total),
        cmocka_unit_test(test_zero_spend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
