/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The families of curves: values computed to 17 digits from the definitions in mi-records(5) with 60-digit
 * decimal arithmetic, derivatives against differences, text there and back, and the most profitable spend
 * against closed forms and against brute force.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mi.h"

static struct mi_curve curve_of(const char *text) {
    struct mi_curve curve;
    struct mi_error error = {0};
    if (mi_curve_parse(mi_text_of(text), &curve, &error) != MI_OK)
        fail_msg("%s", error.text);
    return curve;
}

static void assert_near(double value, double truth, double tolerance) {
    double off = truth != 0 ? fabs(value / truth - 1) : fabs(value);
    if (!(off <= tolerance))
        fail_msg("%.17g is not %.17g: off by %g", value, truth, off);
}

/* A few units in the last place; the exponent of exp() and pow() carries its own error where it is large. */
static void users_match_the_definition(void **state) {
    (void)state;
    static const struct {
        const char *curve;
        double spend, users, tolerance;
    } cases[] = {
        {"hill(ceiling=5321.4 half=18250 shape=1.31)", 20000, 2.82008843425376972e+03, 1e-15},
        {"hill(ceiling=5321.4 half=18250 shape=1.31)", 0.001, 1.63595572932032977e-06, 1e-14},
        {"hill(ceiling=1000 half=1 shape=60)", 1000, 1000, 1e-15},
        {"hill(ceiling=1000 half=500 shape=0.02)", 1e9, 5.72038523557661961e+02, 1e-15},
        {"hill(ceiling=1000 half=500 shape=3)", 1e-20, 8e-66, 1e-13},
        {"mm(ceiling=1000 half=5000)", 20000, 800, 1e-15},
        {"mm(ceiling=1000 half=5000)", 1e-20, 2e-21, 1e-15},
        {"exp(ceiling=1000 half=5000)", 20000, 937.5, 1e-15},
        {"exp(ceiling=1000 half=5000)", 1e-9, 1.38629436111979447e-10, 1e-15},
        {"exp(ceiling=1000 half=5000)", 1e15, 1000, 1e-15},
        {"gompertz(ceiling=1000 middle=5000 rate=0.0003)", 4000, 2.50800204953489697e+02, 1e-14},
        {"gompertz(ceiling=1000 middle=5000 rate=0.0003)", 1e-6, 1.53862181696221391e-08, 1e-14},
        {"gompertz(ceiling=1000 middle=5000 rate=0.05)", 5001, 3.86265846721645687e+02, 1e-13},
        {"gompertz(ceiling=1000 middle=5000 rate=1e-9)", 5000, 2.90987506693696349e-03, 1e-14},
        {"gompertz(ceiling=1000 middle=5000 rate=0.05)", 4900, 3.50738919646462324e-62, 1e-12},
        {"gompertz(ceiling=1000 middle=1e15 rate=1e15)", 1e14, 0, 0},
        {"logistic(ceiling=1000 middle=5000 rate=0.0003)", 4000, 2.97382032416088464e+02, 1e-15},
        {"logistic(ceiling=1000 middle=5000 rate=0.0003)", 1e-6, 5.47276571471209329e-08, 1e-15},
        {"logistic(ceiling=1000 middle=5000 rate=0.05)", 5001, 5.12497396484210299e+02, 1e-14},
        {"logistic(ceiling=1000 middle=5000 rate=1e-9)", 5000, 2.49999375001041645e-03, 1e-15},
        {"logistic(ceiling=1000 middle=5000 rate=0.2)", 4000, 1.38389652673673753e-84, 1e-13},
        {"power(scale=3.5 exponent=0.74)", 20000, 5.33126464033693264e+03, 1e-15},
        {"log(scale=100 spread=50)", 1e-12, 1.99999999999998017e-12, 1e-15},
        {"log(scale=100 spread=50)", 20000, 5.99396142730656948e+02, 1e-15},
        {"points(5000:8.2 10000:9.8 20000:12.4 50000:18.9)", 5000, 5000 / 8.2, 1e-15},
        {"points(5000:8.2 10000:9.8 20000:12.4 50000:18.9)", 50000, 50000 / 18.9, 1e-15},
        {"points(5000:8.2 10000:9.8 20000:12.4 50000:18.9)", 1e9, 50000 / 18.9, 1e-15},
        {"points(5000:8.2 10000:9.8 20000:12.4 50000:18.9)", 2500, 2500 / 8.2, 1e-15},
        {"points(5000:8.2 10000:9.8)", 7500, (5000 / 8.2 + 10000 / 9.8) / 2, 1e-15},
        {"mix(3*mm(ceiling=1000 half=5000) 1*exp(ceiling=1000 half=5000))", 20000, 834.375, 1e-15},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mi_curve curve = curve_of(cases[i].curve);
        assert_near(mi_curve_users(&curve, cases[i].spend), cases[i].users, cases[i].tolerance);
        assert_true(mi_curve_users(&curve, 0) == 0);
        assert_true(isnan(mi_curve_users(&curve, NAN)));
        mi_curve_clear(&curve);
    }
}

static const char *const smooth[] = {
    "hill(ceiling=5321.4 half=18250 shape=1.31)",
    "hill(ceiling=5321.4 half=18250 shape=0.7)",
    "hill(ceiling=5321.4 half=18250 shape=4)",
    "mm(ceiling=1000 half=5000)",
    "exp(ceiling=1000 half=5000)",
    "gompertz(ceiling=1000 middle=5000 rate=0.0003)",
    "gompertz(ceiling=1000 middle=50 rate=0.0003)",
    "logistic(ceiling=1000 middle=5000 rate=0.0003)",
    "power(scale=3.5 exponent=0.74)",
    "power(scale=0.001 exponent=1.4)",
    "log(scale=100 spread=50)",
    "mix(0.6*hill(ceiling=5321.4 half=18250 shape=1.31) 0.4*gompertz(ceiling=1000 middle=5000 rate=0.0003))",
};

#define SMOOTH_COUNT (sizeof smooth / sizeof smooth[0])

/* Central differences of step h = 1e-5 s are off by about h^2 and rounding / h: 1e-9 of the value. */
static void derivatives_match_differences(void **state) {
    (void)state;
    static const double spends[] = {30, 900, 5000, 18250, 40000};
    for (size_t i = 0; i < SMOOTH_COUNT; i++) {
        struct mi_curve curve = curve_of(smooth[i]);
        for (size_t k = 0; k < sizeof spends / sizeof spends[0]; k++) {
            double s = spends[k], h = 1e-5 * s;
            double difference = (mi_curve_users(&curve, s + h) - mi_curve_users(&curve, s - h)) / (2 * h);
            assert_near(mi_curve_slope(&curve, s), difference, 1e-7);
            double second = (mi_curve_slope(&curve, s + h) - mi_curve_slope(&curve, s - h)) / (2 * h);
            double scale = fabs(mi_curve_slope(&curve, s) / s);
            assert_true(fabs(mi_curve_second_derivative(&curve, s) - second) < 1e-7 * scale);
        }
        mi_curve_clear(&curve);
    }
}

/* Pointers to the parameters in text order. */
static size_t parameters_of(struct mi_curve *curve, double **parameters) {
    size_t count = 0;
    for (size_t i = 0; i < (curve->family == MI_CURVE_MIX ? curve->count : 1); i++) {
        struct mi_curve *part = curve->family == MI_CURVE_MIX ? &curve->parts[i] : curve;
        size_t own = mi_curve_parameter_count(part);
        for (size_t k = 0; k < own; k++)
            parameters[count++] = &part->parameter[k];
    }
    return count;
}

static void gradients_match_differences(void **state) {
    (void)state;
    static const double spends[] = {30, 900, 5000, 40000};
    for (size_t i = 0; i < SMOOTH_COUNT; i++) {
        struct mi_curve curve = curve_of(smooth[i]);
        double *parameters[8], gradient[8];
        size_t count = parameters_of(&curve, parameters);
        assert_int_equal(count, mi_curve_parameter_count(&curve));
        for (size_t k = 0; k < sizeof spends / sizeof spends[0]; k++) {
            mi_curve_gradient(&curve, spends[k], gradient);
            for (size_t p = 0; p < count; p++) {
                double value = *parameters[p], h = 1e-5;
                *parameters[p] = value * exp(h);
                double up = mi_curve_users(&curve, spends[k]);
                *parameters[p] = value * exp(-h);
                double down = mi_curve_users(&curve, spends[k]);
                *parameters[p] = value;
                double tolerance =
                    1e-6 * mi_curve_users(&curve, spends[k]); /* h^2 times the third derivative */
                if (!(fabs(gradient[p] - (up - down) / (2 * h)) < tolerance))
                    fail_msg("%s: parameter %zu at %g: %g is not %g", smooth[i], p, spends[k], gradient[p],
                             (up - down) / (2 * h));
            }
        }
        mi_curve_clear(&curve);
    }
}

static void every_curve_rises_from_zero(void **state) {
    (void)state;
    for (size_t i = 0; i < SMOOTH_COUNT; i++) {
        struct mi_curve curve = curve_of(smooth[i]);
        double before = 0;
        for (double s = 1e-6; s < 1e15; s *= 1.5) {
            double users = mi_curve_users(&curve, s);
            assert_true(isfinite(users) && users >= before);
            double share = mi_curve_saturation(&curve, s);
            assert_true(isnan(mi_curve_ceiling(&curve)) ? isnan(share) : share >= 0 && share <= 1);
            before = users;
        }
        if (!isnan(mi_curve_ceiling(&curve)))
            assert_near(before, mi_curve_ceiling(&curve), 1e-7);
        mi_curve_clear(&curve);
    }
}

static void slopes_at_the_ends(void **state) {
    (void)state;
    struct mi_curve curve = curve_of("hill(ceiling=10 half=5 shape=0.9)");
    assert_true(isinf(mi_curve_slope(&curve, 0)));
    curve = curve_of("hill(ceiling=10 half=5 shape=1)");
    assert_near(mi_curve_slope(&curve, 0), 2, 1e-15);
    curve = curve_of("hill(ceiling=10 half=5 shape=1.1)");
    assert_true(mi_curve_slope(&curve, 0) == 0);
    curve = curve_of("points(100:2 300:4)");
    assert_near(mi_curve_slope(&curve, 0), 0.5, 1e-15);
    assert_near(mi_curve_slope(&curve, 100), 0.5, 1e-15); /* to the left of the knot */
    assert_near(mi_curve_slope(&curve, 101), 0.125, 1e-15);
    assert_true(mi_curve_slope(&curve, 301) == 0);
    assert_true(mi_curve_last_point(&curve) == 300);
    assert_true(isnan(mi_curve_ceiling(&curve)));
    mi_curve_clear(&curve);
}

static void text_comes_back_the_same(void **state) {
    (void)state;
    static const char *const canonical[] = {
        "hill(ceiling=5321.4 half=18250 shape=1.31)",
        "mm(ceiling=0.1 half=1e-10)",
        "exp(ceiling=123456789.12345679 half=1)",
        "gompertz(ceiling=1 middle=2 rate=3)",
        "logistic(ceiling=1 middle=2 rate=3e-7)",
        "power(scale=1 exponent=10)",
        "log(scale=1000000000000000 spread=2)",
        "points(5000:8.2 10000:9.8 20000:12.4)",
        "points(5000:8.2)",
        "mix(0.6*hill(ceiling=1 half=2 shape=3) 0.4*exp(ceiling=5 half=6) 1*points(1:2 3:4))",
    };
    for (size_t i = 0; i < sizeof canonical / sizeof canonical[0]; i++) {
        struct mi_curve curve = curve_of(canonical[i]);
        char *text = mi_curve_format(&curve);
        assert_string_equal(text, canonical[i]);
        free(text);
        mi_curve_clear(&curve);
    }
    static const char *const loose[][2] = {
        {" hill( shape=1.31, ceiling=5321.4 ,half=18250 ) ", "hill(ceiling=5321.4 half=18250 shape=1.31)"},
        {"points(5000:8.2,10000:9.8)", "points(5000:8.2 10000:9.8)"},
        {"points( 5000 : 8.2 , 10000:9.80 )", "points(5000:8.2 10000:9.8)"},
        {"mix(0.6*mm(ceiling=1,half=2),0.4*exp(half=6,ceiling=5))",
         "mix(0.6*mm(ceiling=1 half=2) 0.4*exp(ceiling=5 half=6))"},
    };
    for (size_t i = 0; i < sizeof loose / sizeof loose[0]; i++) {
        struct mi_curve curve = curve_of(loose[i][0]);
        char *text = mi_curve_format(&curve);
        assert_string_equal(text, loose[i][1]);
        free(text);
        mi_curve_clear(&curve);
    }
}

static void long_points_are_read(void **state) {
    (void)state;
    char text[40000] = "points(";
    size_t used = strlen(text);
    for (int i = 1; i <= 2000; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%d:%d", i > 1 ? " " : "", i * 100, 7);
    snprintf(text + used, sizeof text - used, ")");
    struct mi_curve curve = curve_of(text);
    assert_int_equal(curve.count, 2000);
    assert_near(mi_curve_users(&curve, 123450), 123450 / 7.0, 1e-14);
    char *again = mi_curve_format(&curve);
    assert_string_equal(again, text);
    free(again);
    mi_curve_clear(&curve);
}

static void wrong_texts_are_refused(void **state) {
    (void)state;
    static const char *const wrong[][2] = {
        {"", "unknown family \"\""},
        {"hil(ceiling=1)", "unknown family \"hil\""},
        {"hill", "expected '(' after \"hill\""},
        {"hill(ceiling=1 half=2)", "missing parameter \"shape\""},
        {"hill(ceiling=1 half=2 shape=3 ceiling=1)", "given twice: \"ceiling\""},
        {"hill(ceiling=1 half=2 slope=3)", "unknown parameter \"slope\""},
        {"hill(ceiling=0 half=2 shape=3)", "must be above 0: \"0\""},
        {"hill(ceiling=-1 half=2 shape=3)", "must be above 0: \"-1\""},
        {"hill(ceiling=nan half=2 shape=3)", "not a number: \"nan\""},
        {"hill(ceiling=inf half=2 shape=3)", "not a number: \"inf\""},
        {"hill(ceiling=1e400 half=2 shape=3)", "not a number: \"1e400\""},
        {"hill(ceiling=2e15 half=2 shape=3)", "too large: \"2e15\""},
        {"hill(ceiling=1e-40 half=2 shape=3)", "too small: \"1e-40\""},
        {"hill(ceiling=1 half=2 shape=101)", "too large: \"101\""},
        {"hill(ceiling=1 half=2 shape=)", "not a number: \"\""},
        {"hill(ceiling 1 half=2 shape=3)", "expected '=' after \"ceiling\""},
        {"hill(ceiling=1 half=2 shape=3", "expected a parameter or ')' at \"\""},
        {"hill(ceiling=1 half=2 shape=3))", "unexpected \")\""},
        {"hill(ceiling=1,,half=2 shape=3)", "expected a parameter or ')' at \",half=2 shape=3)\""},
        {"power(scale=1 exponent=11)", "too large: \"11\""},
        {"points()", "no points \"\""},
        {"points(100:0)", "must be above 0: \"0\""},
        {"points(100:2 50:2)", "spends must increase: \"50:2\""},
        {"points(100:2 100:2)", "spends must increase: \"100:2\""},
        {"points(100:2 200:8)", "users (spend / CPA) fall at \"200:8\""},
        {"points(100)", "expected ':' after a spend, at \")\""},
        {"points(100:2", "expected spend:CPA or ')' at \"\""},
        {"mix()", "a mix of nothing \"\""},
        {"mix(0.5*mix(1*mm(ceiling=1 half=2)))", "a mix within a mix"},
        {"mix(mm(ceiling=1 half=2))", "not a number: \"mm\""},
        {"mix(0*mm(ceiling=1 half=2))", "must be above 0: \"0\""},
        {"mix(1*mm(ceiling=1 half=2)", "not a number: \"\""},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct mi_curve curve;
        struct mi_error error = {0};
        assert_int_equal(mi_curve_parse(mi_text_of(wrong[i][0]), &curve, &error), MI_BAD_RECORD);
        if (!strstr(error.text, wrong[i][1]))
            fail_msg("%s: %s", wrong[i][0], error.text);
    }
}

static void best_spend_matches_closed_forms(void **state) {
    (void)state;
    /* mm: (half + s)^2 = ltv ceiling half / rate; exp: s = half / ln 2 * ln(ltv ceiling ln 2 / (rate half))
     */
    struct mi_curve curve = curve_of("mm(ceiling=1000 half=5000)");
    assert_near(mi_curve_best_spend(&curve, 42.5, 1.2, 0, 1e6), 8.30726618555942696e+03, 1e-12);
    assert_near(mi_curve_best_spend(&curve, 42.5, 1.2, 0, INFINITY), 8.30726618555942696e+03, 1e-12);
    assert_true(mi_curve_best_spend(&curve, 42.5, 1.2, 10000, 1e6) == 10000);
    assert_true(mi_curve_best_spend(&curve, 42.5, 1.2, 0, 7000) == 7000);
    assert_true(mi_curve_best_spend(&curve, 42.5, 1.2, 7000, 7000) == 7000);
    assert_true(mi_curve_best_spend(&curve, 0, 1.2, 0, 7000) == 0);
    assert_true(mi_curve_best_spend(&curve, 1, 1.2, 0, 7000) == 0); /* CPA at 0 is 5 */
    assert_true(isnan(mi_curve_best_spend(&curve, 1, 1.2, 10, 5)));
    assert_true(isnan(mi_curve_best_spend(&curve, NAN, 1.2, 0, 5)));
    curve = curve_of("exp(ceiling=1000 half=5000)");
    assert_near(mi_curve_best_spend(&curve, 42.5, 1.2, 0, 1e6), 1.14783103123582405e+04, 1e-12);
    curve = curve_of("hill(ceiling=1000 half=5000 shape=2)");
    assert_near(mi_curve_best_spend(&curve, 40, 1, 0, INFINITY), 1.11505988922577344e+04, 1e-12);
    /* S-shape that never pays: best at half saturation is ltv 500 - 5000 < 0 for ltv below 10 */
    assert_true(mi_curve_best_spend(&curve, 9.99, 1, 0, 1e6) == 0);
    assert_near(mi_curve_best_spend(&curve, 10.01, 1, 0, 1e6), 5005, 1e-3);
    curve = curve_of("power(scale=3 exponent=0.5)"); /* s = (ltv scale exponent / rate)^2 */
    assert_near(mi_curve_best_spend(&curve, 40, 1.2, 0, INFINITY), 2500, 1e-12);
    curve = curve_of("power(scale=0.001 exponent=1.5)"); /* convex: an end */
    assert_true(mi_curve_best_spend(&curve, 1, 1, 0, 999e3) == 0);
    assert_true(mi_curve_best_spend(&curve, 1, 1, 0, 1001e3) == 1001e3);
    curve = curve_of("log(scale=100 spread=50)"); /* s = ltv scale / rate - spread */
    assert_near(mi_curve_best_spend(&curve, 42.5, 1.25, 0, INFINITY), 3350, 1e-12);
}

static void best_spend_of_points_is_a_knot(void **state) {
    (void)state;
    /* SPEC 1: the most profitable of the four levels is 50000 (costs 1.2 of spend with the agency's 15 %) */
    struct mi_curve curve = curve_of("points(5000:8.2 10000:9.8 20000:12.4 50000:18.9)");
    assert_true(mi_curve_best_spend(&curve, 42.5, 1.2, 0, 100000) == 50000);
    assert_true(mi_curve_best_spend(&curve, 42.5, 1.2, 0, INFINITY) == 50000);
    assert_true(mi_curve_best_spend(&curve, 42.5, 1.2, 0, 30000) == 30000);
    assert_true(mi_curve_best_spend(&curve, 18, 1.2, 0, 100000) == 10000);
    assert_true(mi_curve_best_spend(&curve, 5, 1.2, 0, 100000) == 0);
    mi_curve_clear(&curve);
}

/* Against a scan of 200,000 spends: never below the best of them. */
static void best_spend_of_mixes_beats_brute_force(void **state) {
    (void)state;
    static const char *const mixes[] = {
        "mix(0.5*logistic(ceiling=1e3 middle=2e3 rate=0.01) 0.5*logistic(ceiling=3e3 middle=3e4 rate=0.002))",
        "mix(0.45*hill(ceiling=1000 half=400 shape=2.2) 0.55*hill(ceiling=1000 half=22000 shape=8))",
        "mix(0.5*points(5000:8.2 10000:9.8 20000:12.4) 0.5*gompertz(ceiling=2000 middle=9000 rate=0.01))",
        "mix(1*logistic(ceiling=1000 middle=31234.5 rate=5) 1*power(scale=1 exponent=0.5))",
        "mix(2*mm(ceiling=1000 half=5000) 1*exp(ceiling=100 half=50000))",
    };
    for (size_t i = 0; i < sizeof mixes / sizeof mixes[0]; i++) {
        struct mi_curve curve = curve_of(mixes[i]);
        for (double ltv = 1; ltv < 300; ltv *= 1.7) {
            double best = mi_curve_best_spend(&curve, ltv, 1.2, 0, 60000);
            assert_true(best >= 0 && best <= 60000);
            double profit = ltv * mi_curve_users(&curve, best) - 1.2 * best;
            for (double s = 0; s <= 60000; s += 0.3)
                assert_true(ltv * mi_curve_users(&curve, s) - 1.2 * s <= profit + 1e-9 * fabs(profit));
            double open = mi_curve_best_spend(&curve, ltv, 1.2, 0, INFINITY);
            assert_true(ltv * mi_curve_users(&curve, open) - 1.2 * open >= profit - 1e-9 * fabs(profit));
        }
        mi_curve_clear(&curve);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_match_the_definition),
        cmocka_unit_test(derivatives_match_differences),
        cmocka_unit_test(gradients_match_differences),
        cmocka_unit_test(every_curve_rises_from_zero),
        cmocka_unit_test(slopes_at_the_ends),
        cmocka_unit_test(text_comes_back_the_same),
        cmocka_unit_test(long_points_are_read),
        cmocka_unit_test(wrong_texts_are_refused),
        cmocka_unit_test(best_spend_matches_closed_forms),
        cmocka_unit_test(best_spend_of_points_is_a_knot),
        cmocka_unit_test(best_spend_of_mixes_beats_brute_force),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
