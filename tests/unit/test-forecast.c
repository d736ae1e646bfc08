/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Forecasts of series whose future is known: exact patterns, noise with a known spread, planned spend.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mi.h"

#define DAYS   400
#define AHEAD  90
#define MONDAY 20454 /* 2026-01-05 */

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

static struct mi_forecast *forecast(const double *value, size_t days) {
    const struct mi_series series = {MONDAY, days, value};
    const struct mi_forecast_options options = {.days = AHEAD, .level = 0.8};
    struct mi_forecast *made = NULL;
    struct mi_error error;
    assert_int_equal(mi_forecast_series(&series, &options, &made, &error), MI_OK);
    return made;
}

static void test_pattern(void **state) {
    (void)state;
    static const double week[7] = {100, 120, 90, 110, 150, 60, 0}; /* closed on Sundays */
    double value[DAYS];
    for (size_t t = 0; t < DAYS; t++)
        value[t] = week[t % 7];
    struct mi_forecast *made = forecast(value, DAYS);
    assert_int_equal(mi_forecast_kind(made), MI_FORECAST_REGULAR);
    for (size_t step = 1; step <= AHEAD; step++) {
        struct mi_forecast_range range;
        mi_forecast_day(made, step, &range);
        double truth = week[(DAYS - 1 + step) % 7];
        assert_true(fabs(range.predicted - truth) <= 0.01 * truth);
        assert_true(range.low <= range.predicted && range.predicted <= range.high);
        assert_true(truth > 0 || (range.low == 0 && range.high == 0));
    }
    mi_forecast_free(made);
}

static void test_kinds(void **state) {
    (void)state;
    double walk[DAYS], sales[DAYS], stopped[DAYS];
    state_of_random = 1;
    for (size_t t = 0; t < DAYS; t++) {
        walk[t] = (t > 0 ? walk[t - 1] : 1000) + normal();
        sales[t] = uniform() < 0.6 ? 0 : 10 * uniform();
        stopped[t] = t < DAYS - 12 ? 10 + uniform() : 0;
    }
    struct {
        const double *value;
        size_t days;
        enum mi_forecast_kind kind;
    } of[] = {{walk, DAYS, MI_FORECAST_WALK},
              {sales, DAYS, MI_FORECAST_INTERMITTENT},
              {stopped, DAYS, MI_FORECAST_STOPPED},
              {walk, 20, MI_FORECAST_SHORT}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct mi_forecast *made = forecast(of[i].value, of[i].days);
        assert_int_equal(mi_forecast_kind(made), of[i].kind);
        mi_forecast_free(made);
    }
}

/* The mean of an intermittent series, so that totals are right: 4 +- noise of 90 days. */
static void test_intermittent_total(void **state) {
    (void)state;
    double value[DAYS], sum = 0;
    state_of_random = 2;
    for (int series = 0; series < 40; series++) {
        struct mi_forecast_range range;
        for (size_t t = 0; t < DAYS; t++)
            value[t] = uniform() < 0.9 ? 0 : 80 * uniform();
        struct mi_forecast *made = forecast(value, DAYS);
        mi_forecast_total(made, AHEAD, &range);
        sum += range.predicted / AHEAD;
        mi_forecast_free(made);
    }
    assert_true(fabs(sum / 40 - 4) < 0.6); /* a series of 56 days has a standard error of about 1.1 */
}

/* Share of days ahead, and of totals, within the 80 % interval: on fresh noise around weekdays. The error of
 * a share is some .02 (days) and .06 (totals). */
static void test_coverage(void **state) {
    (void)state;
    static const size_t horizons[] = {7, 30, 90};
    double days = 0, inside = 0, totals = 0, total_inside = 0;
    state_of_random = 3;
    for (int series = 0; series < 50; series++) {
        double value[DAYS + AHEAD];
        for (size_t t = 0; t < DAYS + AHEAD; t++)
            value[t] = 1000 * (1 + 0.3 * sin((double)(t % 7))) * exp(0.2 * normal());
        struct mi_forecast *made = forecast(value, DAYS);
        struct mi_forecast_range range;
        double sum = 0;
        for (size_t step = 1, k = 0; step <= AHEAD; step++) {
            double actual = value[DAYS - 1 + step];
            mi_forecast_day(made, step, &range);
            inside += actual >= range.low && actual <= range.high ? 1 : 0;
            days++;
            sum += actual;
            if (step == horizons[k]) {
                mi_forecast_total(made, step, &range);
                total_inside += sum >= range.low && sum <= range.high ? 1 : 0;
                totals++;
                k++;
            }
        }
        mi_forecast_free(made);
    }
    assert_true(inside / days > 0.75 && inside / days < 0.88);
    assert_true(total_inside / totals > 0.7 && total_inside / totals < 0.97);
}

static void test_ratio_and_elasticity(void **state) {
    (void)state;
    double spend[DAYS], revenue[DAYS], unrelated[DAYS];
    state_of_random = 4;
    for (size_t t = 0; t < DAYS; t++) {
        spend[t] = 1000 * exp(0.5 * normal());
        revenue[t] = 50 * pow(spend[t], 0.5) * exp(0.05 * normal());
        unrelated[t] = 1000 * exp(0.05 * normal());
    }
    const struct mi_series of_spend = {MONDAY, DAYS, spend}, of_revenue = {MONDAY, DAYS, revenue},
                           of_other = {MONDAY, DAYS, unrelated};
    struct mi_elasticity elasticity = mi_forecast_elasticity(&of_revenue, &of_spend);
    assert_true(fabs(elasticity.value - 0.5) < 0.02);
    assert_true(fabs(mi_forecast_elasticity(&of_other, &of_spend).value) < 0.05);
    /* of three weeks without a change of spend only what holds elsewhere is known */
    for (size_t t = 0; t < DAYS; t++)
        unrelated[t] = 7;
    elasticity = mi_forecast_elasticity(&of_revenue, &of_other);
    assert_true(elasticity.value == 0.7 && elasticity.error == 0.2);

    struct mi_forecast *top = forecast(revenue, DAYS), *bottom = forecast(spend, DAYS);
    struct mi_forecast_range ratio, above, below, planned;
    struct mi_error error;
    assert_int_equal(mi_forecast_ratio(top, bottom, 30, &ratio, &error), MI_OK);
    mi_forecast_total(top, 30, &above);
    mi_forecast_total(bottom, 30, &below);
    assert_true(fabs(ratio.predicted * below.predicted / above.predicted - 1) < 1e-12);
    assert_true(ratio.low <= ratio.predicted && ratio.predicted <= ratio.high);
    for (size_t step = 1; step <= 30; step++) {
        mi_forecast_follow(top, step, 2, 0.1);
        mi_forecast_fix(bottom, step, 500);
    }
    mi_forecast_total(top, 30, &planned);
    assert_true(fabs(planned.predicted / above.predicted - 2) < 1e-12);
    assert_true(planned.high - planned.low > 2 * (above.high - above.low));
    mi_forecast_total(bottom, 30, &below);
    assert_true(below.predicted == 15000 && below.low == 15000 && below.high == 15000);
    mi_forecast_free(top);
    mi_forecast_free(bottom);
}

static void test_arguments(void **state) {
    (void)state;
    const double nothing[] = {NAN, NAN}, one[] = {NAN, 3};
    struct mi_series series = {MONDAY, 2, nothing};
    struct mi_forecast_options options = mi_forecast_options_default();
    struct mi_forecast *made = NULL;
    struct mi_error error;
    assert_int_equal(mi_forecast_series(&series, &options, &made, &error), MI_BAD_ARGUMENT);
    series.value = one;
    options.days = MI_FORECAST_DAYS_MOST + 1;
    assert_int_equal(mi_forecast_series(&series, &options, &made, &error), MI_BAD_ARGUMENT);
    assert_null(made);
    for (options.days = 1; options.days <= MI_FORECAST_DAYS_MOST; options.days += 91) {
        struct mi_forecast_range range;
        assert_int_equal(mi_forecast_series(&series, &options, &made, &error), MI_OK);
        mi_forecast_total(made, options.days, &range);
        assert_true(range.predicted == 3 * (double)options.days && isnan(range.low) && isnan(range.high));
        mi_forecast_free(made);
    }
    mi_forecast_free(NULL);
}

/* Two weeks known, two not: no day has its weekday a week before and after, and still there is a forecast. */
static void test_gaps(void **state) {
    (void)state;
    double value[DAYS];
    for (size_t t = 0; t < DAYS; t++)
        value[t] = t / 14 % 2 == 0 ? 100 + (double)(t % 7) : NAN;
    struct mi_forecast *made = forecast(value, DAYS);
    for (size_t step = 1; step <= AHEAD; step++) {
        struct mi_forecast_range range;
        mi_forecast_day(made, step, &range);
        assert_true(fabs(range.predicted - 103) < 8);
    }
    mi_forecast_free(made);
}

#define SPENDS 24

/* Budgets that were changed of late, by up to twice: with its spend the revenue of the week to come is
 * forecast better than without, and what a series says does not depend on one that ends on another day. */
static void test_spend(void **state) {
    (void)state;
    double with_error = 0, without_error = 0;
    state_of_random = 11;
    for (int number = 0; number < SPENDS; number++) {
        double spend[DAYS + 7], value[DAYS + 7], level = 1000, truth = 0;
        for (int t = 0; t < DAYS + 7; t++) {
            if (t % 50 == 30 || t == DAYS - 1 - number % 6)
                level = 1000 * exp(0.7 * normal());
            spend[t] = level * exp(0.05 * normal());
            value[t] = 20 * pow(spend[t], 0.7) * (t % 7 < 5 ? 1 : 0.8) * exp(0.1 * normal());
            truth += t >= DAYS ? value[t] : 0;
        }
        struct mi_series of_value = {MONDAY, DAYS, value}, of_spend = {MONDAY, DAYS, spend};
        struct mi_forecast_options options = {.days = 7, .level = 0.8};
        struct mi_forecast *budget = NULL, *with = NULL, *without = NULL;
        struct mi_forecast_range range;
        assert_int_equal(mi_forecast_series(&of_spend, &options, &budget, NULL), MI_OK);
        assert_int_equal(mi_forecast_series(&of_value, &options, &without, NULL), MI_OK);
        options.spend = budget;
        assert_int_equal(mi_forecast_series(&of_value, &options, &with, NULL), MI_OK);
        mi_forecast_total(with, 7, &range);
        with_error += fabs(range.predicted - truth) / truth;
        mi_forecast_total(without, 7, &range);
        without_error += fabs(range.predicted - truth) / truth;
        double alone = range.predicted;
        mi_forecast_free(with);
        mi_forecast_free(budget);
        of_spend.start++;
        options.spend = NULL;
        assert_int_equal(mi_forecast_series(&of_spend, &options, &budget, NULL), MI_OK);
        options.spend = budget;
        assert_int_equal(mi_forecast_series(&of_value, &options, &with, NULL), MI_OK);
        mi_forecast_total(with, 7, &range);
        assert_true(range.predicted == alone);
        mi_forecast_free(with);
        mi_forecast_free(budget);
        mi_forecast_free(without);
    }
    print_message("error of a week with spend %.3f, without %.3f\n", with_error / SPENDS,
                  without_error / SPENDS);
    assert_true(with_error < 1.1 * without_error && with_error != without_error);
}

#define YEARS_DAYS 800

/* What holidays did is expected of them again: one that doubles, one that closes, and one on other dates each
 * year; a date at which nothing ever happened leaves the forecast as it is. */
static void test_holidays(void **state) {
    (void)state;
    enum { DOUBLES, CLOSES, MOVES, NOTHING };
    static const struct {
        int day;
        size_t name;
        double factor;
    } dates[] = {{60, DOUBLES, 2},  {425, DOUBLES, 2}, {100, CLOSES, 0},  {465, CLOSES, 0},
                 {200, MOVES, 1.6}, {540, MOVES, 1.6}, {300, NOTHING, 1}, {665, NOTHING, 1},
                 {805, DOUBLES, 2}, {810, CLOSES, 0},  {820, MOVES, 1.6}, {830, NOTHING, 1}};
    double value[YEARS_DAYS], plain_error = 0, error_with = 0, ordinary = 0;
    struct mi_holiday holidays[12];
    state_of_random = 7;
    for (size_t t = 0; t < YEARS_DAYS; t++)
        value[t] = 1000 * (t % 7 < 5 ? 1 : 0.6) * exp(0.1 * normal());
    for (size_t i = 0; i < 12; i++) {
        holidays[i] = (struct mi_holiday){MONDAY + dates[i].day, dates[i].name};
        if (dates[i].day < YEARS_DAYS)
            value[dates[i].day] *= dates[i].factor;
    }
    struct mi_series series = {MONDAY, YEARS_DAYS, value};
    struct mi_forecast_options options = {.days = AHEAD, .level = 0.8};
    struct mi_forecast *plain = NULL, *made = NULL;
    assert_int_equal(mi_forecast_series(&series, &options, &plain, NULL), MI_OK);
    options.holidays = holidays;
    options.holiday_count = 12;
    assert_int_equal(mi_forecast_series(&series, &options, &made, NULL), MI_OK);
    for (size_t step = 1; step <= AHEAD; step++) {
        struct mi_forecast_range with, without;
        double truth = 1000 * ((YEARS_DAYS - 1 + step) % 7 < 5 ? 1 : 0.6), factor = 1;
        for (size_t i = 8; i < 12; i++)
            factor = (size_t)dates[i].day == YEARS_DAYS - 1 + step ? dates[i].factor : factor;
        mi_forecast_day(made, step, &with);
        mi_forecast_day(plain, step, &without);
        assert_true(with.low <= with.predicted && with.predicted <= with.high);
        if (factor == 1) {
            ordinary = fmax(ordinary, fabs(with.predicted / truth - 1));
        } else {
            plain_error += fabs(without.predicted - factor * truth);
            error_with += fabs(with.predicted - factor * truth);
            assert_true(with.low <= factor * truth * 1.05 + 10 && factor * truth <= with.high * 1.05);
        }
    }
    assert_true(ordinary < 0.12);
    assert_true(error_with < 0.2 * plain_error);
    mi_forecast_free(plain);
    mi_forecast_free(made);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pattern),   cmocka_unit_test(test_holidays),
        cmocka_unit_test(test_gaps),      cmocka_unit_test(test_spend),
        cmocka_unit_test(test_kinds),     cmocka_unit_test(test_intermittent_total),
        cmocka_unit_test(test_coverage),  cmocka_unit_test(test_ratio_and_elasticity),
        cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
