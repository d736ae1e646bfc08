/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sequential test: how often it alarms while all goes as predicted, how soon when it does not, and what
 * it takes for causes. Simulated with a generator of its own; the tolerances are three standard errors.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_randist.h>

#include "mi.h"

#define CAMPAIGNS 1000
#define DAYS      30

/* A day's conversions: Poisson, or with noise Poisson of a gamma mean. */
static double draw(const gsl_rng *random, double mean, double noise) {
    return gsl_ran_poisson(random, noise > 0 ? gsl_ran_gamma(random, 1 / noise, mean * noise) : mean);
}

struct outcome {
    double alarms;       /* per 100 campaign-days */
    double days, days_3; /* to notice: the test, and a 3-day mean of the CPA above +20 % */
    double alarms_3;
};

/* Campaigns over `days` days whose CPA is a quarter higher from day `change` on. */
static struct outcome simulate(double mean, double noise, int change, int days, enum mi_watch_kind kind) {
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    struct mi_watch_options options = {
        .kind = kind, .threshold = kind == MI_WATCH_COST ? 0.2 : -0.25, .noise = noise, .false_alarms = 0.01};
    struct outcome outcome = {0};
    double noticed = 0, noticed_3 = 0;
    gsl_rng_set(random, (unsigned long)(mean + 1000 * noise) + 1);
    for (int campaign = 0; campaign < CAMPAIGNS; campaign++) {
        struct mi_watch watch;
        double last[3] = {0};
        bool open_3 = false, seen = false, seen_3 = false;
        mi_watch_start(&watch, &options);
        for (int day = 0; day < days; day++) {
            double users = draw(random, day >= change ? mean / 1.25 : mean, noise);
            bool turned = mi_watch_day(&watch, mean, users);
            last[day % 3] = users;
            bool above = day >= 2 && 3 * mean / fmax(last[0] + last[1] + last[2], 1) > 1.2;
            outcome.alarms += day < change && turned && watch.open;
            outcome.alarms_3 += day < change && above && !open_3;
            open_3 = above;
            if (day >= change && watch.open && !seen) {
                seen = true;
                outcome.days += day - change + 1;
                noticed++;
            }
            if (day >= change && above && !seen_3) {
                seen_3 = true;
                outcome.days_3 += day - change + 1;
                noticed_3++;
            }
        }
    }
    double quiet = (double)CAMPAIGNS * (change < days ? change : days) / 100;
    outcome.alarms /= quiet;
    outcome.alarms_3 /= quiet;
    outcome.days /= noticed;
    outcome.days_3 /= noticed_3;
    gsl_rng_free(random);
    return outcome;
}

/* At most one false alarm per 100 campaign-days, whatever the volume and the noise. */
static void test_false_alarms(void **state) {
    (void)state;
    static const double means[] = {5, 20, 100, 500}, noises[] = {0, 0.01, 0.05};
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 3; j++) {
            for (int kind = 0; kind < 2; kind++) {
                struct outcome quiet = simulate(means[i], noises[j], DAYS, DAYS, (enum mi_watch_kind)kind);
                if (quiet.alarms > 1 + 3 * sqrt(1.0 / (CAMPAIGNS * DAYS / 100))) {
                    fail_msg("%g conversions, noise %g: %g false alarms in 100 days", means[i], noises[j],
                             quiet.alarms);
                }
            }
        }
    }
}

/* A CPA 25 % up is noticed sooner than by a 3-day mean above +20 % at 100 and 500 conversions a day. At 20 a
 * day the 3-day mean is sooner because it alarms five times as often while nothing is wrong. */
static void test_noticed(void **state) {
    (void)state;
    static const double means[] = {20, 100, 500}, most[] = {6.2, 2.8, 1.5};
    for (size_t i = 0; i < 3; i++) {
        struct outcome risen = simulate(means[i], 0, 10, 60, MI_WATCH_COST);
        print_message(
            "%g a day: noticed after %.2f days, 3-day mean %.2f; false alarms %.2f, 3-day mean %.2f\n",
            means[i], risen.days, risen.days_3, risen.alarms, risen.alarms_3);
        assert_true(risen.days < most[i]);
        assert_true(means[i] < 100 ? risen.alarms_3 > 4 * risen.alarms : risen.days < risen.days_3);
    }
}

static void test_noise(void **state) {
    (void)state;
    static const double noises[] = {0, 0.02, 0.2};
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    double expected[2000], observed[2000];
    for (size_t i = 0; i < 3; i++) {
        for (size_t day = 0; day < 2000; day++) {
            expected[day] = 50 + (double)(day % 400);
            observed[day] = draw(random, expected[day], noises[i]);
            if (day % 50 == 0) {
                observed[day] *= 4; /* a day out of line in fifty does not count for much */
            }
            if (day >= 1000) {
                observed[day] *= 0.8; /* nor does a lasting change */
            }
        }
        double noise = mi_watch_noise(expected, observed, 2000);
        print_message("noise %g: found %g\n", noises[i], noise);
        assert_true(fabs(noise - noises[i]) < 0.003 + 0.3 * noises[i]);
    }
    assert_true(isnan(mi_watch_noise(expected, observed, 9)));
    gsl_rng_free(random);
}

/* Opens on a fall of a ratio, closes when it is back, and minds what is missing. */
static void test_ratio(void **state) {
    (void)state;
    struct mi_watch_options options = {
        .kind = MI_WATCH_RATIO, .threshold = -0.15, .noise = 0.1, .false_alarms = 0.01};
    struct mi_watch watch;
    mi_watch_start(&watch, &options);
    assert_true(isnan(mi_watch_variance(&watch)));
    for (int day = 0; day < 20; day++) {
        assert_false(mi_watch_day(&watch, 2, day % 2 == 0 ? 2.1 : 1.9));
        assert_false(mi_watch_day(&watch, 2, NAN));
        assert_false(mi_watch_day(&watch, 0, 2));
    }
    int days = 0;
    while (!mi_watch_day(&watch, 2, 1.5)) {
        days++;
        assert_true(days < 10);
    }
    assert_true(watch.open);
    assert_true(mi_watch_variance(&watch) < -0.15);
    for (days = 0; !mi_watch_day(&watch, 2, 2);) {
        assert_true(++days < 10);
    }
    assert_false(watch.open);
}

#define GROUP      30
#define GROUP_RUNS 60

struct group_outcome {
    double alarms; /* per 100 days of campaigns that go as predicted */
    double days;   /* to notice, of the others */
};

/* Groups of campaigns of which the first `changed` have a CPA a quarter higher from day 10 on; `common`:
 * spread of what a day does to all of them. */
static struct group_outcome simulate_group(size_t changed, double common) {
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    struct mi_watch_options options = {.threshold = 0.2, .noise = common * common, .false_alarms = 0.01};
    struct group_outcome outcome = {0};
    double quiet = 0, noticed = 0, expected[GROUP], observed[GROUP];
    for (int run = 0; run < GROUP_RUNS; run++) {
        struct mi_watch_group *group = NULL;
        bool was[GROUP] = {false}, seen[GROUP] = {false};
        assert_int_equal(mi_watch_group_new(&options, common * common, GROUP, &group, NULL), MI_OK);
        for (int day = 0; day < DAYS; day++) {
            double all = exp(gsl_ran_gaussian(random, common));
            for (size_t i = 0; i < GROUP; i++) {
                expected[i] = 20;
                observed[i] = draw(random, 20 * all / (day >= 10 && i < changed ? 1.25 : 1), 0);
            }
            mi_watch_group_day(group, expected, observed);
            for (size_t i = 0; i < GROUP; i++) {
                bool open = mi_watch_group_member(group, i)->open, bad = day >= 10 && i < changed;
                quiet += !bad;
                outcome.alarms += !bad && open && !was[i];
                if (bad && open && !was[i] && !seen[i]) {
                    seen[i] = true;
                    outcome.days += day - 9;
                    noticed++;
                }
                was[i] = open;
            }
        }
        mi_watch_group_free(group);
    }
    outcome.alarms *= 100 / quiet;
    outcome.days /= noticed;
    gsl_rng_free(random);
    return outcome;
}

/* What hits a whole network is noticed sooner than by campaigns one by one, and than by a 3-day mean (3.5
 * days at this volume); days that are good or bad for all alike are no alarm. */
static void test_group(void **state) {
    (void)state;
    static const double commons[] = {0, 0.05, 0.1};
    for (size_t i = 0; i < 3; i++) {
        struct group_outcome quiet = simulate_group(0, commons[i]), all = simulate_group(GROUP, commons[i]),
                             third = simulate_group(GROUP / 3, commons[i]);
        print_message("common %g: false alarms %.2f, beside changed ones %.2f; noticed after %.2f days\n",
                      commons[i], quiet.alarms, third.alarms, all.days);
        assert_true(quiet.alarms <= 1);
        assert_true(third.alarms <= 1.5);
        assert_true(all.days < (i < 2 ? 3.5 : 5));
    }
    struct mi_watch_group *group = NULL;
    struct mi_watch_options options = {.kind = MI_WATCH_RATIO, .threshold = -0.15, .false_alarms = 0.01};
    const double expected[] = {2, 2, NAN}, observed[] = {1, 2, 1};
    assert_int_equal(mi_watch_group_new(&options, NAN, 3, &group, NULL), MI_OK);
    for (size_t i = 0; i < 3; i++) {
        mi_watch_group_noise(group, i, 0.1);
    }
    for (int day = 0; day < 5; day++) {
        mi_watch_group_day(group, expected, observed);
    }
    assert_true(mi_watch_group_member(group, 0)->open);
    assert_false(mi_watch_group_member(group, 1)->open);
    assert_int_equal(mi_watch_group_member(group, 2)->days, 0);
    assert_int_equal(mi_watch_group_sum(group)->days, 0);
    mi_watch_group_free(group);
    mi_watch_group_free(NULL);
}

static size_t causes_of(double cpm, double cvr, double frequency, double season, double others,
                        struct mi_cause *causes) {
    struct mi_monitored_day days[460];
    for (int day = 0; day < 460; day++) {
        double wave = 1 + 0.01 * (day * 7 % 5 - 2);
        bool now = day >= 455, then = day >= 455 - 364 && day < 460 - 364;
        double clicks = 1000 * wave / (now ? cpm : 1);
        days[day] = (struct mi_monitored_day){.date = day,
                                              .spend = 1000,
                                              .impressions = 50000 * wave / (now ? cpm : 1),
                                              .clicks = clicks,
                                              .users = clicks * 0.1 *
                                                       (now    ? cvr
                                                        : then ? season
                                                               : 1),
                                              .frequency = 1.5 * wave * (now ? frequency : 1),
                                              .revenue = NAN};
    }
    return mi_causes_find(days, 460, 455, cvr > 0 ? cpm / cvr - 1 : INFINITY, MI_WATCH_COST, others, 3,
                          causes);
}

static void test_causes(void **state) {
    (void)state;
    struct mi_cause causes[MI_CAUSES_MOST];
    assert_int_equal(causes_of(1.3, 1, 1, 1, NAN, causes), 1);
    assert_string_equal(causes[0].name, "competition");
    assert_true(causes[0].share > 0.9);
    assert_int_equal(causes_of(1.1, 0.8, 1, 1, 0.02, causes), 2);
    assert_string_equal(causes[0].name, "landing_page");
    assert_string_equal(causes[1].name, "competition");
    assert_int_equal(causes_of(1, 0.8, 1.1, 0.9, 0.15, causes), 4);
    assert_string_equal(causes[0].name, "landing_page");
    assert_string_equal(causes[1].name, "platform_change");
    assert_string_equal(causes[2].name, "season");
    assert_string_equal(causes[3].name, "audience_exhaustion");
    /* no user is left: only what took all of them is a cause */
    assert_int_equal(causes_of(1.3, 0, 1.2, 0.9, 0.3, causes), 1);
    assert_string_equal(causes[0].name, "landing_page");
    assert_true(causes[0].share == 1);
    assert_int_equal(causes_of(1, 0, 1, 1, INFINITY, causes), 2);
    assert_int_equal(mi_causes_find(NULL, 0, 0, 0.3, MI_WATCH_COST, NAN, 0, causes), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_false_alarms), cmocka_unit_test(test_noticed), cmocka_unit_test(test_noise),
        cmocka_unit_test(test_ratio),        cmocka_unit_test(test_group),   cmocka_unit_test(test_causes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
