/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Allocations against truth: exhaustive search over grids of two and three campaigns, the closed form of
 * logarithmic curves, the conditions of Karush, Kuhn and Tucker for concave ones; limits, rounding, ties.
 */
#include <float.h>
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
#include "optimize/limits.h"
#include "optimize/local.h"

#define CAMPAIGNS_MOST 1000
#define GRID           120 /* steps of an exhaustive search */

/* A problem with its curves. */
struct fixture {
    struct mi_curve curves[CAMPAIGNS_MOST];
    char ids[CAMPAIGNS_MOST][24];
    struct mi_allocation_campaign campaigns[CAMPAIGNS_MOST];
    struct mi_allocation_problem problem;
};

static void add(struct fixture *f, const char *curve, double ltv, double min, double max) {
    struct mi_error error = {0};
    size_t i = f->problem.count++;
    snprintf(f->ids[i], sizeof f->ids[i], "c%03zu", i);
    if (mi_curve_parse(mi_text_of(curve), &f->curves[i], &error))
        fail_msg("%s: %s", curve, error.text);
    f->campaigns[i] = (struct mi_allocation_campaign){
        .id = mi_text_of(f->ids[i]),
        .curve = &f->curves[i],
        .ltv = ltv,
        .costs = {.rate = 1.05, .fixed = 0},
        .min_budget = min,
        .max_budget = max,
        .today = NAN,
    };
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    if (!f)
        return -1;
    f->problem.campaigns = f->campaigns;
    f->problem.weights = (struct mi_objective_weights){.roi = 0.5, .revenue = 0.3, .cac = 0.2};
    f->problem.floor_share = 0.1;
    return 0;
}

static void clear(struct fixture *f) {
    for (size_t i = 0; i < f->problem.count; i++)
        mi_curve_clear(&f->curves[i]);
    f->problem.count = 0;
}

static int tear_down(void **state) {
    clear(*state);
    free(*state);
    return 0;
}

static void assert_near(double value, double truth, double tolerance) {
    if (!(fabs(value - truth) <= tolerance))
        fail_msg("%.17g is not %.17g: off by %g", value, truth, value - truth);
}

static struct mi_allocation solve(const struct fixture *f) {
    struct mi_allocation allocation = {0};
    struct mi_error error = {0};
    if (mi_allocate(&f->problem, &allocation, &error))
        fail_msg("%s", error.text);
    return allocation;
}

/* Within its interval each, and the budget met in whole cents. */
static void assert_holds(const struct fixture *f, const struct mi_allocation *allocation) {
    double cents = 0;
    for (size_t i = 0; i < f->problem.count; i++) {
        double spend = allocation->spend[i];
        assert_true(spend >= f->campaigns[i].min_budget && spend <= f->campaigns[i].max_budget);
        cents += spend * 100;
    }
    if (f->problem.at_most)
        assert_true(cents <= f->problem.budget * 100 + 1e-4);
    else
        assert_true(fabs(cents - f->problem.budget * 100) < 1e-4);
    assert_near(allocation->total * 100, cents, 1e-4);
}

/* The best of all points of a grid over the last campaigns but one; the last takes the rest. */
static void search_grid(const struct fixture *f, double *spend, size_t i, double rest, double *best) {
    const struct mi_allocation_campaign *c = &f->campaigns[i];
    if (i + 1 < f->problem.count) {
        for (int k = 0; k <= GRID; k++) {
            spend[i] = c->min_budget + (fmin(c->max_budget, f->problem.budget) - c->min_budget) * k / GRID;
            if (spend[i] <= rest)
                search_grid(f, spend, i + 1, rest - spend[i], best);
        }
        return;
    }
    spend[i] = f->problem.at_most ? fmin(rest, c->max_budget) : rest;
    int steps = f->problem.at_most ? GRID : 0;
    for (int k = 0; k <= steps; k++) {
        double at = spend[i];
        spend[i] = at * (steps ? (double)(steps - k) / steps : 1);
        if (spend[i] >= c->min_budget && spend[i] <= c->max_budget) {
            double value = mi_objective_value(&f->problem, spend);
            if (value > *best)
                *best = value;
        }
        spend[i] = at;
    }
}

static double next_random(uint64_t *seed) {
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (double)(*seed >> 11) / 9007199254740992.0;
}

/* A curve of any family whose interesting spends lie around `scale`. */
static void random_curve(uint64_t *seed, char *text, size_t size) {
    double half = 500 * exp(2 * next_random(seed));
    double ceiling = half / 20 * (1 + next_random(seed));
    double shape = 0.5 + 3.5 * next_random(seed);
    switch ((int)(next_random(seed) * 9)) {
    case 0:
        snprintf(text, size, "mm(ceiling=%.3f half=%.3f)", ceiling, half);
        break;
    case 1:
        snprintf(text, size, "exp(ceiling=%.3f half=%.3f)", ceiling, half);
        break;
    case 2:
        snprintf(text, size, "gompertz(ceiling=%.3f middle=%.3f rate=%.6f)", ceiling, half, 3 / half);
        break;
    case 3:
        snprintf(text, size, "logistic(ceiling=%.3f middle=%.3f rate=%.6f)", ceiling, half, 2 * shape / half);
        break;
    case 4:
        snprintf(text, size, "power(scale=%.4f exponent=%.3f)", 0.5, 0.4 + 0.3 * shape / 4);
        break;
    case 5:
        snprintf(text, size, "points(%.2f:10 %.2f:12.5 %.2f:20)", half / 3, half, 2 * half);
        break;
    case 6:
        snprintf(text, size,
                 "mix(0.5*hill(ceiling=%.3f half=%.3f shape=4) 0.5*hill(ceiling=%.3f half=%.3f shape=6))",
                 ceiling, half / 3, ceiling, 2 * half);
        break;
    default:
        snprintf(text, size, "hill(ceiling=%.3f half=%.3f shape=%.3f)", ceiling, half, shape);
    }
}

/* A problem of two or three campaigns drawn at random; the budget fits its limits. */
static void random_problem(struct fixture *f, uint64_t *seed) {
    size_t count = 2 + (size_t)(next_random(seed) * 2);
    double low = 0, high = 0;
    clear(f);
    for (size_t i = 0; i < count; i++) {
        char curve[200];
        random_curve(seed, curve, sizeof curve);
        double min = next_random(seed) < 0.3 ? round(100 * next_random(seed)) : 0;
        double max = next_random(seed) < 0.5 ? round(1500 + 3000 * next_random(seed)) : INFINITY;
        add(f, curve, 10 + 50 * next_random(seed), min, max);
        f->campaigns[i].costs.rate = next_random(seed) < 0.5 ? 1.05 : 1.2;
        f->campaigns[i].costs.fixed = next_random(seed) < 0.5 ? 0 : round(100 * next_random(seed));
        f->campaigns[i].today = next_random(seed) < 0.5 ? NAN : round(1000 * next_random(seed));
        low += min;
        high += fmin(max, 5000);
    }
    f->problem.budget = round(100 * (low + (high - low) * (0.05 + 0.9 * next_random(seed)))) / 100;
    f->problem.at_most = next_random(seed) < 0.4;
}

/* No point of an exhaustive grid is better than the answer, nor than the bound that comes with it; the bound
 * is not far above. Rounding to cents may cost a step of 0.01 on the steepest curve: hence 1e-4 relative. */
static void test_beats_exhaustive_search(void **state) {
    struct fixture *f = *state;
    uint64_t seed = 2026;
    for (int k = 0; k < 240; k++) {
        random_problem(f, &seed);
        f->problem.objective = (enum mi_objective)(k % 6);
        if (f->problem.objective >= MI_OBJECTIVE_ROI)
            f->problem.at_most = false;
        struct mi_allocation allocation = solve(f);
        double spend[3], best = -INFINITY;
        search_grid(f, spend, 0, f->problem.budget, &best);
        double slack = 1e-4 * fabs(best);
        assert_holds(f, &allocation);
        if (!(allocation.objective >= best - slack) || !(allocation.upper_bound >= best - 1e-9 * fabs(best)))
            fail_msg("problem %d: %.10g, bound %.10g, but the grid has %.10g", k, allocation.objective,
                     allocation.upper_bound, best);
        if (!(allocation.upper_bound <= allocation.objective + 1e-3 * fabs(best) + 1e-4))
            fail_msg("problem %d: bound %.10g far above %.10g", k, allocation.upper_bound,
                     allocation.objective);
        mi_allocation_clear(&allocation);
    }
}

/* Users scale * log(1 + s / spread), profit: where no limit binds, s = ltv * scale / (price + rate) - spread.
 */
static void test_closed_form_of_log(void **state) {
    struct fixture *f = *state;
    add(f, "log(scale=100 spread=500)", 20, 0, INFINITY);
    add(f, "log(scale=300 spread=900)", 10, 0, INFINITY);
    add(f, "log(scale=50 spread=200)", 30, 0, INFINITY);
    f->problem.budget = 4000;
    struct mi_allocation allocation = solve(f);
    double weights = 20 * 100 + 10 * 300 + 30 * 50, price = weights / (4000 + 500 + 900 + 200);
    assert_near(allocation.spend[0], 2000 / price - 500, 0.01);
    assert_near(allocation.spend[1], 3000 / price - 900, 0.01);
    assert_near(allocation.spend[2], 1500 / price - 200, 0.01);
    assert_near(allocation.price, price - 1.05, 1e-9);
    assert_holds(f, &allocation);
    mi_allocation_clear(&allocation);
}

static double marginal_profit(const struct mi_allocation_campaign *c, double spend) {
    return c->ltv * mi_curve_slope(c->curve, spend) - c->costs.rate;
}

/* Concave curves: the marginal profit is the price where nothing binds, not above it at a minimum, not below
 * it at a maximum. A cent changes the marginal profit by less than 1e-3. */
static void test_kkt_of_concave_curves(void **state) {
    struct fixture *f = *state;
    uint64_t seed = 7;
    size_t bound = 0;
    for (int i = 0; i < 60; i++) {
        char curve[100];
        double half = 500 * exp(4 * next_random(&seed)), ceiling = half / 20;
        if (i % 3 == 0)
            snprintf(curve, sizeof curve, "hill(ceiling=%.3f half=%.3f shape=%.3f)", ceiling, half,
                     0.7 + 0.3 * next_random(&seed));
        else
            snprintf(curve, sizeof curve, "%s(ceiling=%.3f half=%.3f)", i % 3 == 1 ? "mm" : "exp", ceiling,
                     half);
        add(f, curve, 15 + 40 * next_random(&seed), i % 4 == 0 ? half / 2 : 0, half * (i % 5 == 0 ? 0.6 : 4));
        f->problem.budget += round(half / 2);
    }
    struct mi_allocation allocation = solve(f);
    assert_holds(f, &allocation);
    for (size_t i = 0; i < f->problem.count; i++) {
        double marginal = marginal_profit(&f->campaigns[i], allocation.spend[i]);
        bound += allocation.binding[i] != MI_BINDING_NONE;
        if (allocation.binding[i] == MI_BINDING_MIN)
            assert_true(marginal <= allocation.price + 1e-3);
        else if (allocation.binding[i] == MI_BINDING_MAX)
            assert_true(marginal >= allocation.price - 1e-3);
        else
            assert_near(marginal, allocation.price, 1e-3);
    }
    assert_true(bound > 3 && bound < 57);
    mi_allocation_clear(&allocation);
}

/* The local step alone finds the optimum of a concave problem from the equal split, and is never worse than
 * it. */
static void test_local_step(void **state) {
    struct fixture *f = *state;
    struct limits limits;
    add(f, "log(scale=100 spread=500)", 20, 0, INFINITY);
    add(f, "log(scale=300 spread=900)", 10, 0, INFINITY);
    add(f, "log(scale=50 spread=200)", 30, 0, INFINITY);
    f->problem.budget = 4000;
    double spend[3] = {4000. / 3, 4000. / 3, 4000. / 3}, price = 6500. / 5600;
    assert_int_equal(limits_new(&limits, &f->problem, NULL), MI_OK);
    assert_int_equal(local_improve(&f->problem, &limits, spend, NULL), MI_OK);
    assert_true(limits_hold(&limits, spend, 1e-5));
    assert_near(spend[0], 2000 / price - 500, 1); /* flat at the top: a unit of money costs 1e-4 */
    assert_near(spend[1], 3000 / price - 900, 1);
    limits_free(&limits);
}

/* The weighted objective by hand: mm(100, 1000) at 1000 has 50 users, costs 1050, revenue 1000, so ROI
 * -4.7619 % and CAC 21. Below the floor (0.1 of today's 20000) both ratio terms are half of those at 2000. */
static void test_weighted_objective(void **state) {
    struct fixture *f = *state;
    double spend[1] = {1000};
    add(f, "mm(ceiling=100 half=1000)", 20, 0, INFINITY);
    f->problem.objective = MI_OBJECTIVE_WEIGHTED;
    f->problem.budget = 1000;
    f->campaigns[0].today = 10000;
    double roi = (1000. / 1050 - 1) * 100, per_cac = 100 / 21.;
    assert_near(mi_objective_value(&f->problem, spend), 0.5 * roi + 0.3 * 0.1 + 0.2 * per_cac, 1e-12);
    f->campaigns[0].today = 20000;
    double users = 100 * 2 / 3., costs = 2100;
    double at_floor = 0.5 * (users * 20 / costs - 1) * 100 + 0.2 * 100 * users / costs;
    assert_near(mi_objective_value(&f->problem, spend), at_floor / 2 + 0.3 * 0.1, 1e-12);
}

/* Losses are kept back: one mm campaign is most profitable at sqrt(ceiling half ltv / rate) - half. */
static void test_at_most(void **state) {
    struct fixture *f = *state;
    add(f, "mm(ceiling=1000 half=2000)", 20, 0, INFINITY);
    f->problem.budget = 50000;
    f->problem.at_most = true;
    struct mi_allocation allocation = solve(f);
    assert_near(allocation.total, sqrt(1000. * 2000 * 20 / 1.05) - 2000, 0.01);
    assert_near(allocation.price, 0, 0);
    mi_allocation_clear(&allocation);
    f->problem.at_most = false;
    allocation = solve(f);
    assert_near(allocation.total, 50000, 0);
    mi_allocation_clear(&allocation);
}

static void assert_refused(const struct fixture *f, enum mi_status status, const char *words) {
    struct mi_allocation allocation = {.count = 77};
    struct mi_error error = {0};
    assert_int_equal(mi_allocate(&f->problem, &allocation, &error), status);
    if (!strstr(error.text, words))
        fail_msg("\"%s\" says nothing of \"%s\"", error.text, words);
    assert_int_equal(allocation.count, 77);
}

static void test_contradictions(void **state) {
    struct fixture *f = *state;
    add(f, "mm(ceiling=100 half=1000)", 20, 50, 100);
    add(f, "mm(ceiling=100 half=1000)", 20, 30, 200);
    f->problem.budget = 70;
    assert_refused(f, MI_NO, "budget 70 is below the sum of min_budget, 80: 10 more");
    f->problem.budget = 301;
    assert_refused(f, MI_NO, "above the sum of max_budget, 300");
    f->problem.at_most = true;
    struct mi_allocation allocation = solve(f);
    assert_holds(f, &allocation);
    mi_allocation_clear(&allocation);
    f->campaigns[1].max_budget = 29;
    assert_refused(f, MI_NO, "campaign 'c001': min_budget 30 is above max_budget 29");
    f->campaigns[1].max_budget = 200;
    f->campaigns[0].ltv = NAN;
    assert_refused(f, MI_BAD_ARGUMENT, "campaign 'c000': ltv");
    f->campaigns[0].ltv = -1;
    assert_refused(f, MI_BAD_ARGUMENT, "campaign 'c000': ltv");
    f->campaigns[0].ltv = 20;
    f->curves[1].parameter[0] = NAN;
    assert_refused(f, MI_NUMERIC, "campaign 'c001': its curve gives no number");
    f->curves[1].parameter[0] = 100;
    f->problem.budget = NAN;
    assert_refused(f, MI_BAD_ARGUMENT, "budget");
}

static void test_weights(void **state) {
    struct fixture *f = *state;
    add(f, "mm(ceiling=100 half=1000)", 20, 0, INFINITY);
    f->problem.budget = 100;
    f->problem.objective = MI_OBJECTIVE_WEIGHTED;
    f->problem.weights.cac = -0.1;
    assert_refused(f, MI_BAD_ARGUMENT, "'cac'");
    f->problem.weights = (struct mi_objective_weights){0};
    assert_refused(f, MI_BAD_ARGUMENT, "all are 0");
}

/* ROAS of a concave curve rises without end as spend falls to 0. */
static void test_ratio_without_best(void **state) {
    struct fixture *f = *state;
    add(f, "hill(ceiling=100 half=1000 shape=0.8)", 20, 0, INFINITY);
    f->problem.budget = 100;
    f->problem.at_most = true;
    f->problem.objective = MI_OBJECTIVE_ROAS;
    assert_refused(f, MI_BAD_ARGUMENT, "next to no spend");
    f->campaigns[0].min_budget = 10;
    struct mi_allocation allocation = solve(f);
    assert_near(allocation.spend[0], 10, 0);
    mi_allocation_clear(&allocation);
}

static void test_zero_budget(void **state) {
    struct fixture *f = *state;
    for (int objective = 0; objective < 6; objective++) {
        clear(f);
        add(f, "hill(ceiling=100 half=1000 shape=0.8)", 20, 0, INFINITY);
        add(f, "hill(ceiling=100 half=1000 shape=2)", 20, 0, 500);
        f->problem.objective = (enum mi_objective)objective;
        struct mi_allocation allocation = solve(f);
        assert_near(allocation.spend[0], 0, 0);
        assert_near(allocation.spend[1], 0, 0);
        assert_int_equal(allocation.binding[0], MI_BINDING_MIN);
        mi_allocation_clear(&allocation);
    }
}

/* Equal campaigns: concave ones share equally but for a cent; of S-shaped ones those that come first are fed.
 */
static void test_equal_campaigns(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 1000; i++)
        add(f, "mm(ceiling=100 half=1000)", 20, 0, INFINITY);
    f->problem.budget = 100003.33;
    struct mi_allocation allocation = solve(f);
    assert_holds(f, &allocation);
    for (size_t i = 0; i < 1000; i++)
        assert_near(allocation.spend[i], 100.003, 0.0101);
    for (size_t i = 1; i < 1000; i++)
        assert_true(allocation.spend[i] <= allocation.spend[i - 1]);
    mi_allocation_clear(&allocation);
    clear(f);
    for (int i = 0; i < 6; i++)
        add(f, "hill(ceiling=100 half=1000 shape=3)", 20, 0, INFINITY);
    f->problem.budget = 2600;
    allocation = solve(f);
    assert_near(allocation.spend[0], 1300, 0.01);
    assert_near(allocation.spend[1], 1300, 0.01);
    for (size_t i = 2; i < 6; i++)
        assert_near(allocation.spend[i], 0, 0);
    mi_allocation_clear(&allocation);
}

/* Limits and budgets that are no whole cents, and budgets too small for cents, are met all the same. */
static void test_rounding(void **state) {
    struct fixture *f = *state;
    add(f, "mm(ceiling=100 half=1000)", 20, 10.005, 10.005);
    add(f, "mm(ceiling=100 half=1000)", 20, 0, INFINITY);
    add(f, "mm(ceiling=300 half=1000)", 20, 0.001, INFINITY);
    f->problem.budget = 100.0125;
    struct mi_allocation allocation = solve(f);
    assert_near(allocation.spend[0], 10.005, 1e-12);
    assert_near(allocation.spend[0] + allocation.spend[1] + allocation.spend[2], 100.0125, 1e-9);
    mi_allocation_clear(&allocation);
    clear(f);
    for (int i = 0; i < 100; i++)
        add(f, i % 2 ? "mm(ceiling=0.1 half=0.01)" : "mm(ceiling=0.2 half=0.01)", 20, 0, INFINITY);
    f->problem.budget = 1; /* a cent for each */
    allocation = solve(f);
    double ratio = allocation.spend[0] / allocation.spend[1];
    double share =
        (0.02 + 2 * 0.01) / (1 + sqrt(0.5)) - 0.01; /* (half + s) goes with the root of the ceiling */
    assert_near(ratio, share / (0.02 - share), 1e-3);
    mi_allocation_clear(&allocation);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_beats_exhaustive_search, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_closed_form_of_log, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kkt_of_concave_curves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_local_step, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_weighted_objective, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_at_most, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_contradictions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_weights, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ratio_without_best, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_zero_budget, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_equal_campaigns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rounding, set_up, tear_down),
    };
    if (mi_init(MI_VERSION, NULL))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
