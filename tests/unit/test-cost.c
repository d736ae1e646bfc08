/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Costs of a campaign. The truth: the worked example of the specification (a video campaign with an agency
 * and a creative of 5000 over 30 days), at 5000 a day 6166.67 in all, and its formulas by hand elsewhere.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mi.h"

static void assert_near(double value, double expected) {
    if (!(fabs(value - expected) <= 1e-12 * fmax(fabs(expected), 1))) {
        fail_msg("%.17g, expected %.17g", value, expected);
    }
}

static void worked_example(void **unused) {
    (void)unused;
    struct mi_cost_rates rates = mi_cost_rates_default();
    struct mi_costs costs = mi_costs_at(&rates, true, 5000, 30, 5000);
    assert_near(costs.attribution_platform, 100);
    assert_near(costs.agency, 750);
    assert_near(costs.creative, 5000.0 / 30);
    assert_near(costs.infrastructure, 50);
    assert_near(costs.team, 100);
    assert_near(costs.total, 6000 + 5000.0 / 30);
    /* users, revenue, profit and ROI of the example follow: 609.76, 25914.63, 19747.97, 320.2 % */
    double revenue = 5000 / 8.20 * 42.50;
    assert_true(fabs(revenue - 25914.63) < 0.005);
    assert_true(fabs(costs.total - 6166.67) < 0.005);
    assert_true(fabs(revenue - costs.total - 19747.97) < 0.005);
    assert_true(fabs((revenue / costs.total - 1) * 100 - 320.2) < 0.05);
}

/* The same as a rate and a fixed part, at any spend; the fixed part is due at 0 too. */
static void rate_and_fixed_part(void **unused) {
    (void)unused;
    static const double spends[] = {0, 0.01, 5000, 10000, 20000, 50000, 1e12};
    struct mi_cost_rates rates = mi_cost_rates_default();
    struct mi_campaign_costs line = mi_campaign_costs_of(&rates, true, 5000, 30);
    assert_near(line.rate, 1.20);
    assert_near(line.fixed, 5000.0 / 30);
    for (size_t i = 0; i < sizeof spends / sizeof *spends; i++) {
        struct mi_costs costs = mi_costs_at(&rates, true, 5000, 30, spends[i]);
        assert_near(costs.total, line.rate * spends[i] + line.fixed);
        assert_near(costs.total, spends[i] + costs.attribution_platform + costs.agency + costs.creative +
                                     costs.infrastructure + costs.team);
    }
}

static void without_agency_and_creative(void **unused) {
    (void)unused;
    struct mi_cost_rates rates = mi_cost_rates_default();
    struct mi_campaign_costs line = mi_campaign_costs_of(&rates, false, 0, 30);
    assert_near(line.rate, 1.05);
    assert_near(line.fixed, 0);
    struct mi_costs costs = mi_costs_at(&rates, false, 0, 30, 1000);
    assert_near(costs.agency, 0);
    assert_near(costs.creative, 0);
    assert_near(costs.total, 1050);
}

static void other_rates(void **unused) {
    (void)unused;
    struct mi_cost_rates rates = {.attribution_platform = 0,
                                  .agency = 0.1,
                                  .infrastructure = 0.005,
                                  .team = 0.25,
                                  .creative_lifetime_days = 10};
    struct mi_costs costs = mi_costs_at(&rates, true, 700, 14, 200);
    assert_near(costs.attribution_platform, 0);
    assert_near(costs.agency, 20);
    assert_near(costs.creative, 50);
    assert_near(costs.infrastructure, 1);
    assert_near(costs.team, 50);
    assert_near(costs.total, 321);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worked_example),
        cmocka_unit_test(rate_and_fixed_part),
        cmocka_unit_test(without_agency_and_creative),
        cmocka_unit_test(other_rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
