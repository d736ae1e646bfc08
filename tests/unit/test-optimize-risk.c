/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Risk measures where they are known: of campaigns whose levels alone are uncertain, one of them, the measure
 * of the portfolio is that campaign's mean level times a factor; so the allocation is that of a problem with
 * its ceiling times the factor. Exploration.
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

#define DRAWS 4000
#define SIGMA 0.4

static const double nothing[] = {0, 0, 0}, level[] = {SIGMA * SIGMA, 0, 0};

struct fixture {
    struct mi_curve curves[3];
    struct mi_allocation_campaign campaigns[3];
    const double *covariance[3];
    double ltv_se[3];
    struct mi_allocation_problem problem;
    struct mi_uncertainty uncertainty;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    static const char *const curves[] = {"mm(ceiling=400 half=1000)", "mm(ceiling=500 half=900)",
                                         "exp(ceiling=300 half=700)"};
    static const char *const ids[] = {"a", "b", "c"};
    *state = f;
    if (!f)
        return -1;
    for (int i = 0; i < 3; i++) {
        if (mi_curve_parse(mi_text_of(curves[i]), &f->curves[i], NULL))
            return -1;
        f->campaigns[i] = (struct mi_allocation_campaign){.id = mi_text_of(ids[i]),
                                                          .curve = &f->curves[i],
                                                          .ltv = 20,
                                                          .costs = {.rate = 1.05},
                                                          .max_budget = INFINITY,
                                                          .today = NAN};
        f->covariance[i] = i == 1 ? level : nothing;
        f->ltv_se[i] = NAN;
    }
    f->problem = (struct mi_allocation_problem){.campaigns = f->campaigns, .count = 3, .budget = 4000};
    f->uncertainty = (struct mi_uncertainty){f->covariance, f->ltv_se, DRAWS, 5};
    return 0;
}

static int tear_down(void **state) {
    free(*state);
    return 0;
}

/* Mean, spread and lower tail of exp(sigma z - sigma^2 / 2): (Rockafellar, Uryasev 2000) tail mean m Phi(z_a
 * - sigma) / a.
 */
static double factor_of(enum mi_risk_measure measure, double amount, double z) {
    if (measure == MI_RISK_MEAN)
        return 1;
    if (measure == MI_RISK_SPREAD)
        return 1 - amount * sqrt(exp(SIGMA * SIGMA) - 1);
    return 0.5 * erfc((SIGMA - z) / sqrt(2)) / amount;
}

/* Tolerances: the sample's own error of the factor (some 1 % at 4000 draws, 3 % in the tail). */
static void compare(struct fixture *f, enum mi_risk_measure measure, double amount, double z,
                    double tolerance) {
    struct mi_allocation risky, known;
    struct mi_error error = {0};
    if (mi_allocate_uncertain(&f->problem, &f->uncertainty, measure, amount, &risky, &error))
        fail_msg("%s", error.text);
    double before = f->curves[1].parameter[0];
    f->curves[1].parameter[0] *= factor_of(measure, amount, z);
    if (mi_allocate(&f->problem, &known, &error))
        fail_msg("%s", error.text);
    f->curves[1].parameter[0] = before;
    for (int i = 0; i < 3; i++)
        if (fabs(risky.spend[i] - known.spend[i]) > tolerance * 4000)
            fail_msg("measure %d, campaign %d: %g, known %g", (int)measure, i, risky.spend[i],
                     known.spend[i]);
    if (fabs(risky.objective - known.objective) > tolerance * known.objective)
        fail_msg("measure %d: %g, known %g", (int)measure, risky.objective, known.objective);
    if (!(risky.upper_bound >= risky.objective - 1e-9 * fabs(risky.objective)) ||
        !(risky.upper_bound <= risky.objective * 1.002))
        fail_msg("measure %d: %g, bound %g", (int)measure, risky.objective, risky.upper_bound);
    mi_allocation_clear(&risky);
    mi_allocation_clear(&known);
}

static void test_measures(void **state) {
    struct fixture *f = *state;
    compare(f, MI_RISK_MEAN, 0, 0, 0.01);
    compare(f, MI_RISK_SPREAD, 1, 0, 0.015);
    compare(f, MI_RISK_CVAR, 0.2, -0.8416212, 0.015);
}

/* The uncertain campaign gets less the more risk counts. */
static void test_order(void **state) {
    struct fixture *f = *state;
    double before = INFINITY;
    for (int k = 0; k < 4; k++) {
        struct mi_allocation made;
        assert_int_equal(
            mi_allocate_uncertain(&f->problem, &f->uncertainty, MI_RISK_SPREAD, 0.5 * k, &made, NULL), MI_OK);
        assert_true(made.spend[1] < before);
        before = made.spend[1];
        mi_allocation_clear(&made);
    }
}

static void test_explore(void **state) {
    struct fixture *f = *state;
    struct mi_allocation made;
    struct mi_exploration e;
    struct mi_error error = {0};
    static const double shape[] = {0.04, 0.02, 0.2};
    f->covariance[1] = shape;
    if (mi_explore(&f->problem, &f->uncertainty, 0.1, &made, &e, &error))
        fail_msg("%s", error.text);
    double sum = made.spend[0] + made.spend[1] + made.spend[2];
    assert_true(fabs(sum - 4000) < 1e-6);
    assert_true(e.extra[0] == 0 && e.extra[2] == 0 && e.extra[1] > 0 && e.extra[1] <= 400);
    assert_true(e.information[0] < 1e-6 && e.information[2] < 1e-6 && e.information[1] > 1);
    assert_true(e.cost >= -1e-6 && e.cost < 0.05 * made.objective && e.count == 1);
    assert_true(fabs(e.spent - e.extra[1]) < 1e-9);
    mi_allocation_clear(&made);
    mi_exploration_clear(&e);
}

static void test_refused(void **state) {
    struct fixture *f = *state;
    struct mi_allocation made;
    f->problem.objective = MI_OBJECTIVE_ROI;
    assert_int_equal(mi_allocate_uncertain(&f->problem, &f->uncertainty, MI_RISK_MEAN, 0, &made, NULL),
                     MI_BAD_ARGUMENT);
    f->problem.objective = MI_OBJECTIVE_PROFIT;
    assert_int_equal(mi_allocate_uncertain(&f->problem, &f->uncertainty, MI_RISK_CVAR, 0, &made, NULL),
                     MI_BAD_ARGUMENT);
    const struct mi_allocation_limit limit = {
        .name = mi_text_of("roas"), .kind = MI_LIMIT_ROAS, .at_least = true, .value = 1};
    f->problem.limits = &limit;
    f->problem.limit_count = 1;
    assert_int_equal(mi_allocate_uncertain(&f->problem, &f->uncertainty, MI_RISK_MEAN, 0, &made, NULL),
                     MI_BAD_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_measures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_explore, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
    };
    if (mi_init(MI_VERSION, NULL))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
