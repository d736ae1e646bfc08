/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Cohorts whose development is known.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mi.h"

#define DATES 200
#define AGES  91

static uint64_t state_of_random;

/* splitmix64, as a number above 0 and below 1. */
static double uniform(void) {
    uint64_t z = (state_of_random += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void) {
    double radius = sqrt(-2 * log(uniform()));
    return radius * cos(2 * 3.14159265358979323846 * uniform());
}

static const size_t targets[] = {30, 90};
static const struct mi_cohort_options wanted = {targets, 2, 0.8};

/* Two groups below all, of other powers; noise of a day's revenue by its size. Without noise exact. */
static struct mi_cohort cohorts[2 * DATES];
static double revenue[2 * DATES][AGES];

static size_t make(double noise) {
    size_t count = 0;
    for (size_t group = 1; group <= 2; group++)
        for (size_t date = 0; date < DATES; date++) {
            double users = 20 + 180 * uniform();
            for (size_t age = 0; age < AGES; age++) {
                double mean = users * pow((double)age + 1, group == 1 ? -0.8 : -1.3);
                revenue[count][age] = mean * exp(noise / sqrt(mean) * normal() - noise * noise / mean / 2);
            }
            size_t age = DATES - 1 - date;
            cohorts[count] = (struct mi_cohort){.install_date = 20000 + (int32_t)date,
                                                .group = group,
                                                .users = users,
                                                .age = age < AGES ? age : AGES - 1,
                                                .revenue = revenue[count]};
            count++;
        }
    return count;
}

static double truth_at(size_t number, size_t age) {
    double sum = 0;
    for (size_t a = 0; a <= age; a++)
        sum += revenue[number][a];
    return sum;
}

static const size_t parent[] = {0, 0, 0};

static struct mi_cohorts *learn(size_t count) {
    struct mi_cohorts *learnt = NULL;
    struct mi_error error;
    assert_int_equal(mi_cohorts_learn(cohorts, count, parent, 3, &wanted, &learnt, &error), MI_OK);
    return learnt;
}

static void test_exact(void **state) {
    (void)state;
    state_of_random = 1;
    size_t count = make(0);
    struct mi_cohorts *learnt = learn(count);
    for (size_t i = 0; i < count; i++) {
        struct mi_forecast_range range;
        mi_cohort_revenue(learnt, i, 90, &range, NULL);
        /* the groups' factors are drawn to each other: a little is left of that */
        assert_true(fabs(range.predicted / truth_at(i, 90) - 1) < (cohorts[i].age < 7 ? 0.1 : 0.03));
        mi_cohort_revenue(learnt, i, 7, &range, NULL);
        if (cohorts[i].age >= 7)
            assert_true(range.predicted == truth_at(i, 7) && range.low == range.high);
        mi_cohort_payback(learnt, i, truth_at(i, 20), &range);
        assert_true(range.low <= range.predicted && !(range.predicted > range.high));
        assert_true(fabs(range.predicted - 20) <= (cohorts[i].age >= 20 ? 0 : 6));
    }
    mi_cohorts_free(learnt);
}

/* Share of young cohorts whose D90 lies within the interval, over ten portfolios: the error of the share is
 * .02 were they independent. */
static void test_coverage(void **state) {
    (void)state;
    double inside = 0, all = 0, error = 0, ratio_error = 0;
    for (int round = 0; round < 10; round++) {
        state_of_random = 100 + (uint64_t)round;
        size_t count = make(1.5);
        struct mi_cohorts *learnt = learn(count);
        double top = 0, bottom = 0;
        for (size_t i = 0; i < count; i++)
            if (cohorts[i].age >= 90) {
                top += truth_at(i, 90);
                bottom += truth_at(i, 7);
            }
        for (size_t i = 0; i < count; i++) {
            if (cohorts[i].age < 1 || cohorts[i].age > 20)
                continue;
            struct mi_forecast_range range;
            mi_cohort_revenue(learnt, i, 90, &range, NULL);
            double truth = truth_at(i, 90);
            inside += truth >= range.low && truth <= range.high ? 1 : 0;
            all++;
            error += fabs(range.predicted - truth);
            ratio_error += fabs(truth_at(i, 7) * top / bottom - truth);
            /* what has come stays: no age has less than the one before */
            struct mi_forecast_range before = {0, 0, 0};
            for (size_t age = 0; age <= 90; age++) {
                mi_cohort_revenue(learnt, i, age, &range, NULL);
                assert_true(range.predicted >= before.predicted);
                assert_true(age == 31 || (range.low <= range.predicted && range.predicted <= range.high));
                before = range;
            }
        }
        mi_cohorts_free(learnt);
    }
    assert_true(inside / all > 0.74 && inside / all < 0.87);
    assert_true(error < 0.8 * ratio_error);
}

static void test_arguments(void **state) {
    (void)state;
    struct mi_cohorts *learnt = NULL;
    struct mi_error error;
    static const double nothing[] = {0, 0}, some[] = {3, 1};
    struct mi_cohort one = {20000, 0, 1, 1, nothing};
    assert_int_equal(mi_cohorts_learn(&one, 0, parent, 1, &wanted, &learnt, &error), MI_BAD_ARGUMENT);
    assert_int_equal(mi_cohorts_learn(&one, 1, parent, 1, &wanted, &learnt, &error), MI_BAD_ARGUMENT);
    assert_null(learnt);
    one.revenue = some;
    assert_int_equal(mi_cohorts_learn(&one, 1, parent, 1, &wanted, &learnt, &error), MI_OK);
    struct mi_forecast_range range;
    bool ladder;
    mi_cohort_revenue(learnt, 0, 90, &range, &ladder);
    assert_true(range.predicted > 4 && isfinite(range.predicted) && isnan(range.low) && isnan(range.high));
    mi_cohort_payback(learnt, 0, 1e12, &range);
    assert_true(isnan(range.predicted) && isnan(range.low) && isnan(range.high));
    mi_cohorts_free(learnt);
    mi_cohorts_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exact), cmocka_unit_test(test_coverage),
                                       cmocka_unit_test(test_arguments)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
