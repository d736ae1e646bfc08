/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The simulator against what its header promises: closed forms of the curves, moments of the draws.
 * Tolerances of random quantities are four standard errors of the sample at hand.
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

static struct mi_simulator *simulator_of(const struct mi_simulation *options) {
    struct mi_simulator *simulator;
    struct mi_error error = {.code = MI_OK};
    assert_int_equal(mi_simulator_new(options, &simulator, &error), MI_OK);
    return simulator;
}

static const struct mi_simulated_campaign *campaign_of(struct mi_simulator *simulator, size_t number) {
    const struct mi_simulated_campaign *campaign;
    struct mi_error error = {.code = MI_OK};
    assert_int_equal(mi_simulator_campaign(simulator, number, &campaign, &error), MI_OK);
    return campaign;
}

static void assert_near(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance)) {
        fail_msg("%.17g is not within %g of %.17g", value, tolerance, expected);
    }
}

/* Half of the campaigns has a shape below 1, log half saturation is uniform, CPA at half is lognormal. */
static void test_standard_truth(void **state) {
    (void)state;
    enum { N = 4000 };
    struct mi_simulation options = mi_simulation_default();
    options.days = 14;
    struct mi_simulator *simulator = simulator_of(&options);
    double concave = 0, log_half = 0, log_half_square = 0, log_cpa = 0, log_cpa_square = 0;
    for (size_t i = 0; i < N; i++) {
        const struct mi_curve *curve = &campaign_of(simulator, i)->curve;
        assert_int_equal(curve->family, MI_CURVE_HILL);
        double half = curve->parameter[1], shape = curve->parameter[2];
        double u = log(half / 500) / log(30000.0 / 500);
        double z = log(half / (curve->parameter[0] / 2) / 20) / 0.3;
        assert_true(half >= 500 && half <= 30000 && shape >= 0.7 && shape <= 3);
        concave += shape < 1;
        log_half += u / N;
        log_half_square += u * u / N;
        log_cpa += z / N;
        log_cpa_square += z * z / N;
    }
    assert_near(concave / N, 0.5, 4 * 0.5 / sqrt(N));
    assert_near(log_half, 0.5, 4 * sqrt(1.0 / 12 / N));
    assert_near(log_half_square, 1.0 / 3, 4 * sqrt((1.0 / 5 - 1.0 / 9) / N));
    assert_near(log_cpa, 0, 4 / sqrt(N));
    assert_near(log_cpa_square, 1, 4 * sqrt(2.0 / N));
    mi_simulator_free(simulator);
}

/* Lowest and highest spend over half saturation, which the Hill curve of three conditions tells. */
static void test_spans(void **state) {
    (void)state;
    struct mi_simulation options = mi_simulation_default();
    struct mi_simulator *standard = simulator_of(&options);
    options.condition = MI_SIMULATE_LOW_SPEND;
    struct mi_simulator *low = simulator_of(&options);
    options.condition = MI_SIMULATE_RANDOM_SPAN;
    struct mi_simulator *random = simulator_of(&options);
    for (size_t i = 0; i < 200; i++) {
        const struct mi_simulated_campaign *campaign = campaign_of(standard, i);
        assert_near(campaign->spend_min, 0.3 * campaign->curve.parameter[1], 0.006);
        assert_near(campaign->spend_max, 1.2 * campaign->curve.parameter[1], 0.006);
        campaign = campaign_of(low, i);
        assert_near(campaign->spend_min, 0.1 * campaign->curve.parameter[1], 0.006);
        assert_near(campaign->spend_max, 0.5 * campaign->curve.parameter[1], 0.006);
        campaign = campaign_of(random, i);
        double high = campaign->spend_max / campaign->curve.parameter[1];
        double share = campaign->spend_min / campaign->spend_max;
        assert_true(high > 0.2999 && high < 2.0001 && share > 0.1499 && share < 0.6001);
    }
    mi_simulator_free(standard);
    mi_simulator_free(low);
    mi_simulator_free(random);
}

/* The four curves that are no Hill, by their formulas. Half saturation is told by the span of the spend.
 * Tolerance: the threshold curve is linear between 64 knots; the others are exact but for rounding. */
static void test_no_hill(void **state) {
    (void)state;
    struct mi_simulation options = mi_simulation_default();
    options.condition = MI_SIMULATE_NO_HILL;
    struct mi_simulator *simulator = simulator_of(&options);
    for (size_t i = 0; i < 40; i++) {
        const struct mi_simulated_campaign *campaign = campaign_of(simulator, i);
        const struct mi_curve *curve = &campaign->curve;
        double half = campaign->spend_max / 1.2;
        for (double x = 0.3; x < 4; x += 0.1) {
            double users = mi_curve_users(curve, x * half), z = fmax(0, x - 0.25);
            double one = mi_curve_users(curve, half); /* the ceiling cancels */
            double expected[4] = {
                (0.45 / (1 + pow(0.4 / x, 2.2)) + 0.55 / (1 + pow(2.2 / x, 2.5))) /
                    (0.45 / (1 + pow(0.4, 2.2)) + 0.55 / (1 + pow(2.2, 2.5))),
                z / (z + 1) / (0.75 / 1.75),
                log(1 + 2.2 * x) / log(3.2),
                (1 - exp(-0.9 * x)) / (1 - exp(-0.9)),
            };
            assert_near(users / one / expected[i % 4], 1, i % 4 == 1 ? 1e-3 : 1e-4);
        }
    }
    mi_simulator_free(simulator);
}

/* Without noise the conversions are curve times weekday factor; the factors are as promised. */
static void test_days_exact(void **state) {
    (void)state;
    struct mi_simulation options = mi_simulation_default();
    options.noise = MI_SIMULATE_EXACT;
    options.outliers = 0;
    struct mi_simulator *simulator = simulator_of(&options);
    for (size_t i = 0; i < 50; i++) {
        const struct mi_simulated_campaign *campaign = campaign_of(simulator, i);
        double sum = 0;
        for (size_t w = 0; w < 7; w++) {
            assert_true(campaign->weekday[w] >= 0.8 && campaign->weekday[w] <= 1.25);
            sum += campaign->weekday[w];
        }
        assert_near(sum, 7, 1e-12);
        assert_int_equal(campaign->day_count, 90);
        for (size_t d = 0; d < 90; d++) {
            const struct mi_simulated_day *day = &campaign->days[d];
            /* 2026-01-01 is a Thursday */
            double mean = mi_curve_users(&campaign->curve, day->spend) * campaign->weekday[(3 + d) % 7];
            assert_int_equal(day->date, 20454 + (int32_t)d);
            assert_near(day->conversions, mean, 1e-12 * mean);
        }
    }
    mi_simulator_free(simulator);
}

/* Pearson residuals of the counts have variance 1 under a negative binomial of dispersion 20, those of the
 * lognormal 0.15; both have mean 0. */
static void test_noise(void **state) {
    (void)state;
    enum { N = 300 };
    struct mi_simulation options = mi_simulation_default();
    options.outliers = 0;
    for (int noise = MI_SIMULATE_COUNTS; noise <= MI_SIMULATE_LOGNORMAL; noise++) {
        options.noise = (enum mi_simulation_noise)noise;
        struct mi_simulator *simulator = simulator_of(&options);
        double sum = 0, square = 0, count = 0;
        for (size_t i = 0; i < N; i++) {
            const struct mi_simulated_campaign *campaign = campaign_of(simulator, i);
            for (size_t d = 0; d < campaign->day_count; d++) {
                const struct mi_simulated_day *day = &campaign->days[d];
                double mean = mi_curve_users(&campaign->curve, day->spend) * campaign->weekday[(3 + d) % 7];
                double spread = noise == MI_SIMULATE_COUNTS ? sqrt(mean + mean * mean / 20)
                                                            : mean * sqrt(exp(0.15 * 0.15) - 1);
                double residual = (day->conversions - mean) / spread;
                assert_true(noise != MI_SIMULATE_COUNTS || day->conversions == floor(day->conversions));
                sum += residual;
                square += residual * residual;
                count++;
            }
        }
        assert_near(sum / count, 0, 4 / sqrt(count));
        assert_near(square / count, 1, 4 * sqrt(2.6 / count)); /* kurtosis below 3.6 */
        mi_simulator_free(simulator);
    }
}

/* As many outliers as asked for, and no other day changes. */
static void test_outliers(void **state) {
    (void)state;
    struct mi_simulation options = mi_simulation_default();
    options.noise = MI_SIMULATE_EXACT;
    options.outliers = 0;
    struct mi_simulator *clean = simulator_of(&options);
    options.outliers = 0.1;
    struct mi_simulator *dirty = simulator_of(&options);
    double low = 0, high = 0, days = 0;
    for (size_t i = 0; i < 100; i++) {
        const struct mi_simulated_campaign *a = campaign_of(clean, i), *b = campaign_of(dirty, i);
        for (size_t d = 0; d < a->day_count; d++) {
            double ratio = b->days[d].conversions / a->days[d].conversions;
            bool small = ratio <= 0.3 + 1e-9, large = ratio >= 2.5 - 1e-9 && ratio <= 5 + 1e-9;
            assert_true(small || large || fabs(ratio - 1) < 1e-12);
            low += small;
            high += large;
            days++;
        }
    }
    assert_near(low / days, 0.05, 4 * sqrt(0.05 * 0.95 / days));
    assert_near(high / days, 0.05, 4 * sqrt(0.05 * 0.95 / days));
    mi_simulator_free(clean);
    mi_simulator_free(dirty);
}

static struct mi_simulation exact(void) {
    struct mi_simulation options = mi_simulation_default();
    options.noise = MI_SIMULATE_EXACT;
    options.outliers = 0;
    return options;
}

/* Conversions over those of the curve and weekday. */
static double level_on(const struct mi_simulated_campaign *campaign, size_t day) {
    return campaign->days[day].conversions / campaign->weekday[(3 + day) % 7] /
           mi_curve_users(&campaign->curve, campaign->days[day].spend);
}

/* The level walks: weeks that do not overlap change by independent normal steps, and the last day has none.
 */
static void test_drift(void **state) {
    (void)state;
    struct mi_simulation options = exact();
    options.days = 92;
    options.drift = 0.05;
    struct mi_simulator *simulator = simulator_of(&options);
    double square = 0, product = 0, steps = 0;
    for (size_t i = 0; i < 300; i++) {
        const struct mi_simulated_campaign *campaign = campaign_of(simulator, i);
        assert_near(level_on(campaign, 91), 1, 1e-9);
        for (size_t d = 14; d < 92; d += 7) {
            double step = log(level_on(campaign, d) / level_on(campaign, d - 7));
            double last = log(level_on(campaign, d - 7) / level_on(campaign, d - 14));
            square += step * step;
            product += step * last;
            steps++;
        }
    }
    assert_near(square / steps / (0.05 * 0.05), 1, 4 * sqrt(2 / steps));
    assert_near(product / steps / (0.05 * 0.05), 0, 4 / sqrt(steps));
    mi_simulator_free(simulator);
}

/* The spend that works is told by the conversions. From the second day on it is the rate times that of the
 * day before and the rest times the day's; on the first, what went before is a spend of the campaign's own.
 */
static void test_carry(void **state) {
    (void)state;
    struct mi_simulation options = exact();
    options.adstock = 0.4;
    struct mi_simulator *simulator = simulator_of(&options);
    for (size_t i = 0; i < 20; i++) {
        const struct mi_simulated_campaign *campaign = campaign_of(simulator, i);
        double ceiling = campaign->curve.parameter[0], half = campaign->curve.parameter[1];
        double shape = campaign->curve.parameter[2], working = NAN;
        for (size_t d = 0; d < campaign->day_count; d++) {
            double share = campaign->days[d].conversions / campaign->weekday[(3 + d) % 7] / ceiling;
            double told = half * pow(share / (1 - share), 1 / shape);
            double before = (told - 0.6 * campaign->days[d].spend) / 0.4;
            assert_true(d > 0 ||
                        (before > 0.999 * campaign->spend_min && before < 1.001 * campaign->spend_max));
            assert_true(d == 0 || fabs(before / working - 1) < 1e-6);
            working = told;
        }
    }
    mi_simulator_free(simulator);
}

/* A geometric delay until hardly anything is left; conversions are those of the last day, and what was known
 * does not change the days themselves. */
static void test_delay(void **state) {
    (void)state;
    struct mi_simulation options = mi_simulation_default();
    options.delay = 3;
    size_t ages = mi_simulation_ages(options.delay);
    struct mi_simulator *late = simulator_of(&options);
    options.delay = 0;
    struct mi_simulator *whole = simulator_of(&options);
    double known[100] = {0}, all[100] = {0};
    assert_int_equal(mi_simulation_ages(0), 0);
    assert_int_equal(ages, 1 + (size_t)ceil(log(0.01) / log(0.75)));
    for (size_t i = 0; i < 100; i++) {
        const struct mi_simulated_campaign *a = campaign_of(late, i), *b = campaign_of(whole, i);
        assert_int_equal(a->ages, ages);
        assert_int_equal(b->ages, 0);
        for (size_t d = 0; d < a->day_count; d++) {
            size_t old = a->day_count - 1 - d;
            for (size_t age = 0; age < ages; age++) {
                double value = a->known[d * ages + age];
                assert_true(isnan(value) == (age > old));
                known[age] += age <= old ? value : 0;
                all[age] += age <= old ? b->days[d].conversions : 0;
            }
            assert_true(a->days[d].conversions == a->known[d * ages + (old < ages ? old : ages - 1)]);
            assert_true(old < ages - 1 || a->days[d].conversions == b->days[d].conversions);
        }
    }
    for (size_t age = 0; age + 1 < ages; age++) {
        double share = 1 - pow(0.75, (double)age + 1);
        assert_near(known[age] / all[age], share, 4 * sqrt(share * (1 - share) / all[age]));
    }
    assert_true(known[ages - 1] == all[ages - 1]);
    mi_simulator_free(late);
    mi_simulator_free(whole);
}

/* A campaign does not depend on which others are drawn, nor its truth on noise and days. */
static void test_independence(void **state) {
    (void)state;
    struct mi_simulation options = mi_simulation_default();
    struct mi_simulator *one = simulator_of(&options), *other = simulator_of(&options);
    struct mi_simulated_day days[90];
    const struct mi_simulated_campaign *first = campaign_of(one, 7);
    double shape = first->curve.parameter[2], budget = first->daily_budget;
    memcpy(days, first->days, sizeof days);
    for (size_t i = 0; i < 7; i++) {
        campaign_of(other, i);
    }
    const struct mi_simulated_campaign *again = campaign_of(other, 7);
    assert_string_equal(again->campaign_id, "c000008");
    assert_true(again->curve.parameter[2] == shape && again->daily_budget == budget);
    assert_memory_equal(again->days, days, sizeof days);
    options.noise = MI_SIMULATE_LOGNORMAL;
    options.days = 14;
    struct mi_simulator *third = simulator_of(&options);
    assert_true(campaign_of(third, 7)->curve.parameter[2] == shape);
    options.seed = 2;
    struct mi_simulator *fourth = simulator_of(&options);
    assert_false(campaign_of(fourth, 7)->curve.parameter[2] == shape);
    mi_simulator_free(one);
    mi_simulator_free(other);
    mi_simulator_free(third);
    mi_simulator_free(fourth);
}

/* Variance of log half saturation within and over segments, as a share: none without attributes, all with.
 * Segments of a campaign alone tell nothing and are left out by counting pairs. */
static double unexplained(double attributes) {
    enum { N = 3000 };
    static struct {
        const char *key[4];
        double value;
    } rows[N];
    struct mi_simulation options = mi_simulation_default();
    options.attributes = attributes;
    options.days = 1;
    struct mi_simulator *simulator = simulator_of(&options);
    double mean = 0, within = 0, total = 0, pairs = 0;
    for (size_t i = 0; i < N; i++) {
        const struct mi_simulated_campaign *c = campaign_of(simulator, i);
        rows[i].key[0] = c->segment.ad_network;
        rows[i].key[1] = c->segment.targeting_strategy;
        rows[i].key[2] = c->segment.geo;
        rows[i].key[3] = c->segment.creative_format;
        rows[i].value = log(c->curve.parameter[1]);
        mean += rows[i].value / N;
    }
    for (size_t i = 0; i < N; i++) {
        total += (rows[i].value - mean) * (rows[i].value - mean) / N;
        for (size_t j = 0; j < i; j++) {
            if (memcmp(rows[i].key, rows[j].key, sizeof rows[i].key) == 0) {
                within += (rows[i].value - rows[j].value) * (rows[i].value - rows[j].value) / 2;
                pairs++;
            }
        }
    }
    mi_simulator_free(simulator);
    return within / pairs / total;
}

static void test_attributes(void **state) {
    (void)state;
    assert_near(unexplained(0), 1, 0.1); /* 25,000 pairs of 3,000 campaigns */
    assert_near(unexplained(0.5), 0.5, 0.1);
    assert_near(unexplained(1), 0, 1e-9);
}

/* Three in four never pay; those of mature age have the mean of their segment; nobody is of the future. */
static void test_users(void **state) {
    (void)state;
    enum { N = 200000 };
    struct mi_simulation options = mi_simulation_default();
    struct mi_simulator *simulator = simulator_of(&options);
    double none = 0, ratio = 0, square = 0, mature = 0;
    for (size_t i = 0; i < N; i++) {
        struct mi_simulated_user user;
        mi_simulator_user(simulator, &user);
        int32_t age = options.start + 364 - user.install_date;
        assert_true(age >= 0 && age <= 364 && user.ltv_90d >= 0);
        none += user.ltv_90d == 0;
        if (age >= 90) {
            double relative = user.ltv_90d / user.segment.ltv;
            ratio += relative;
            square += relative * relative;
            mature++;
        }
    }
    ratio /= mature;
    /* a young payer's part can round to nothing, so the share is not exactly 0.75 */
    assert_near(none / N, 0.75, 4 * sqrt(0.75 * 0.25 / N) + 0.003);
    assert_near(ratio, 1, 4 * sqrt(square / mature / mature));
    mi_simulator_free(simulator);
}

static void test_segments(void **state) {
    (void)state;
    struct mi_simulation options = mi_simulation_default();
    struct mi_simulator *simulator = simulator_of(&options);
    size_t count = mi_simulator_segment_count(simulator), found = 0;
    const struct mi_simulated_campaign *campaign = campaign_of(simulator, 0);
    for (size_t i = 0; i < count; i++) {
        struct mi_simulated_segment segment = mi_simulator_segment(simulator, i);
        assert_true(segment.ltv > 0);
        if (strcmp(segment.ad_network, campaign->segment.ad_network) == 0 &&
            strcmp(segment.targeting_strategy, campaign->segment.targeting_strategy) == 0 &&
            strcmp(segment.geo, campaign->segment.geo) == 0 &&
            strcmp(segment.creative_format, campaign->segment.creative_format) == 0) {
            assert_true(segment.ltv == campaign->segment.ltv);
            found++;
        }
    }
    assert_int_equal(found, 1);
    mi_simulator_free(simulator);
}

static void test_refused(void **state) {
    (void)state;
    struct mi_simulator *simulator = NULL;
    struct mi_error error = {.code = MI_OK};
    struct mi_simulation options = mi_simulation_default();
    options.days = 0;
    assert_int_equal(mi_simulator_new(&options, &simulator, &error), MI_BAD_ARGUMENT);
    options = mi_simulation_default();
    options.attributes = 1.5;
    assert_int_equal(mi_simulator_new(&options, &simulator, &error), MI_BAD_ARGUMENT);
    options = mi_simulation_default();
    options.outliers = NAN;
    assert_int_equal(mi_simulator_new(&options, &simulator, &error), MI_BAD_ARGUMENT);
    options = mi_simulation_default();
    options.start = MI_DATE_MISSING;
    assert_int_equal(mi_simulator_new(&options, &simulator, &error), MI_BAD_ARGUMENT);
    options = mi_simulation_default();
    options.drift = 1.5;
    assert_int_equal(mi_simulator_new(&options, &simulator, &error), MI_BAD_ARGUMENT);
    options = mi_simulation_default();
    options.delay = -1;
    assert_int_equal(mi_simulator_new(&options, &simulator, &error), MI_BAD_ARGUMENT);
    options = mi_simulation_default();
    options.adstock = 1;
    assert_int_equal(mi_simulator_new(&options, &simulator, &error), MI_BAD_ARGUMENT);
    assert_null(simulator);
    mi_simulator_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standard_truth), cmocka_unit_test(test_spans),
        cmocka_unit_test(test_no_hill),        cmocka_unit_test(test_days_exact),
        cmocka_unit_test(test_noise),          cmocka_unit_test(test_outliers),
        cmocka_unit_test(test_independence),   cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_users),          cmocka_unit_test(test_segments),
        cmocka_unit_test(test_drift),          cmocka_unit_test(test_carry),
        cmocka_unit_test(test_delay),          cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
