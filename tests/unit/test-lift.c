/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Experiments in the fit of curves: limits that can be said by hand, a conjugate case, recovery of shares
 * that the simulator knows, contradictions, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mi.h"

static const struct mi_curve hill = {.family = MI_CURVE_HILL, .parameter = {1000, 2000, 1}};
static const double exact[6] = {0}, loose[6] = {0.04, 0, 0.01, 0, 0, 0.01};

/* Four campaigns in two groups of one level. */
static const size_t group_of[4] = {0, 0, 1, 1};

static void four(struct mi_lift_campaign campaigns[4], const double *covariance) {
    for (size_t i = 0; i < 4; i++)
        campaigns[i] = (struct mi_lift_campaign){.curve = &hill,
                                                 .covariance = covariance,
                                                 .spend = 1000 * (double)(i + 1),
                                                 .groups = &group_of[i]};
}

static struct mi_lift_summary estimate(struct mi_lift_campaign campaigns[4],
                                       struct mi_lift_experiment *experiments, size_t count,
                                       struct mi_lift_result results[4]) {
    struct mi_lift_summary summary;
    struct mi_error error = {0};
    assert_int_equal(mi_lift_estimate(campaigns, 4, 1, 2, experiments, count, results, &summary, &error),
                     MI_OK);
    return summary;
}

/* An exact experiment with an exact curve gives the ratio itself; its curve is the attributed one times that.
 */
static void an_exact_experiment_is_the_ratio(void **state) {
    (void)state;
    static const size_t first[1] = {0};
    struct mi_lift_campaign campaigns[4];
    struct mi_lift_result results[4];
    four(campaigns, exact);
    double found = 0.6 * (mi_curve_users(&hill, 3000) - mi_curve_users(&hill, 1000));
    for (int way = 0; way < 2; way++) { /* raised or cut: the same */
        struct mi_lift_experiment experiment = {.campaigns = first,
                                                .campaign_count = 1,
                                                .spend_before = way ? 3000 : 1000,
                                                .spend_after = way ? 1000 : 3000,
                                                .conversions = found,
                                                .standard_error = 1e-4};
        estimate(campaigns, &experiment, 1, results);
        assert_true(fabs(results[0].incrementality - 0.6) < 1e-5);
        assert_true(results[0].se < 1e-4);
        for (double spend = 500; spend < 8000; spend *= 2)
            assert_true(fabs(mi_curve_users(&results[0].curve, spend) / mi_curve_users(&hill, spend) - 0.6) <
                        1e-5);
    }
    /* the other of the group leans on it, more than those of no experiment, who stay as they are */
    assert_true(results[1].measured && results[1].incrementality > 0.6 && results[1].incrementality < 0.8);
    assert_true(results[1].se > 10 * results[0].se);
    for (size_t i = 2; i < 4; i++) {
        assert_false(results[i].measured);
        assert_true(results[i].incrementality == 1 && isnan(results[i].se));
        assert_true(results[i].curve.parameter[0] == hill.parameter[0]);
    }
}

/* An experiment that says next to nothing leaves 1, and the prior's uncertainty. */
static void a_vague_experiment_says_nothing(void **state) {
    (void)state;
    static const size_t first[1] = {0};
    struct mi_lift_campaign campaigns[4];
    struct mi_lift_result results[4];
    four(campaigns, exact);
    struct mi_lift_experiment experiment = {.campaigns = first,
                                            .campaign_count = 1,
                                            .spend_after = 1000,
                                            .conversions = -20,
                                            .standard_error = 1e7};
    estimate(campaigns, &experiment, 1, results);
    assert_true(fabs(results[0].incrementality - 1) < 0.01);
    assert_true(results[0].se > 0.5 && results[0].se < 1);
}

/* With small errors the posterior of the log share is that of the normal model: prior variance v = 0.64^2 +
 * 0.25^2 + 0.2^2, observation log ratio with relative error r: weights 1/v and 1/r^2. The curve's own
 * uncertainty adds to r^2. */
static void weights_are_those_of_the_normal_model(void **state) {
    (void)state;
    static const size_t first[1] = {0};
    struct mi_lift_campaign campaigns[4];
    struct mi_lift_result results[4];
    double users = mi_curve_users(&hill, 4000), prior = 0.64 * 0.64 + 0.25 * 0.25 + 0.2 * 0.2;
    for (int uncertain = 0; uncertain < 2; uncertain++) {
        four(campaigns, uncertain ? loose : exact);
        struct mi_lift_experiment experiment = {.campaigns = first,
                                                .campaign_count = 1,
                                                .spend_after = 4000,
                                                .conversions = users * 0.9,
                                                .standard_error = users * 0.9 * 0.05};
        estimate(campaigns, &experiment, 1, results);
        double own = uncertain ? mi_curve_log_users_sd(&hill, loose, 4000) : 0;
        double variance = 0.05 * 0.05 + own * own;
        double wanted = log(0.9) / variance / (1 / variance + 1 / prior);
        assert_true(fabs(log(results[0].incrementality) - wanted) < 0.005);
        assert_true(fabs(results[0].se / results[0].incrementality / sqrt(1 / (1 / variance + 1 / prior)) -
                         1) < 0.05);
        /* what the experiment measured is as sure as the experiment, whatever the days left open */
        double sd = mi_curve_log_users_sd(&results[0].curve, results[0].covariance, 4000);
        assert_true(fabs(sd / 0.05 - 1) < 0.1);
    }
}

/* A group's spend is shared out by what its campaigns spend. */
static void groups_are_measured_together(void **state) {
    (void)state;
    static const size_t both[2] = {2, 3};
    struct mi_lift_campaign campaigns[4];
    struct mi_lift_result results[4];
    four(campaigns, exact);
    double found = 0.5 * (mi_curve_users(&hill, 3000) + mi_curve_users(&hill, 4000));
    struct mi_lift_experiment experiment = {.campaigns = both,
                                            .campaign_count = 2,
                                            .spend_after = 7000,
                                            .conversions = found,
                                            .standard_error = found * 1e-3};
    estimate(campaigns, &experiment, 1, results);
    double sum = results[2].incrementality * mi_curve_users(&hill, 3000) +
                 results[3].incrementality * mi_curve_users(&hill, 4000);
    assert_true(fabs(sum / found - 1) < 0.01);
    assert_true(results[2].se > 0.03 && results[2].se < 0.15); /* which of the two is which is left open */
    assert_false(results[0].measured);
}

static void contradictions_are_made_unsure(void **state) {
    (void)state;
    static const size_t first[1] = {0};
    struct mi_lift_campaign campaigns[4];
    struct mi_lift_result results[4];
    four(campaigns, exact);
    double users = mi_curve_users(&hill, 1000);
    struct mi_lift_experiment experiments[2];
    for (size_t i = 0; i < 2; i++)
        experiments[i] = (struct mi_lift_experiment){.campaigns = first,
                                                     .campaign_count = 1,
                                                     .spend_after = 1000,
                                                     .conversions = users * (i ? 0.9 : 0.3),
                                                     .standard_error = users * 0.02};
    struct mi_lift_summary summary = estimate(campaigns, experiments, 2, results);
    assert_true(experiments[0].contradicts && experiments[1].contradicts);
    assert_true(fabs(summary.misfit - 0.6 / 0.02 / sqrt(2)) < 0.01); /* Birge's ratio of two */
    assert_true(results[0].incrementality > 0.6 && results[0].incrementality < 0.8); /* drawn to 1 */
    assert_true(results[0].se > 0.2);
    experiments[1].conversions = users * 0.31;
    experiments[0].contradicts = experiments[1].contradicts = false;
    summary = estimate(campaigns, experiments, 2, results);
    assert_false(experiments[0].contradicts);
    assert_true(summary.misfit == 1 && fabs(results[0].incrementality - 0.305) < 0.02);
}

/* No conversions more, or fewer: a share near 0, never below, and finite. */
static void no_effect_is_a_small_share(void **state) {
    (void)state;
    static const size_t first[1] = {0};
    struct mi_lift_campaign campaigns[4];
    struct mi_lift_result results[4];
    four(campaigns, loose);
    double users = mi_curve_users(&hill, 1000);
    for (int sign = -1; sign <= 0; sign++) {
        struct mi_lift_experiment experiment = {.campaigns = first,
                                                .campaign_count = 1,
                                                .spend_after = 1000,
                                                .conversions = sign * users * 0.2,
                                                .standard_error = users * 0.03};
        estimate(campaigns, &experiment, 1, results);
        assert_true(results[0].incrementality > 0 && results[0].incrementality < 0.1);
        assert_true(isfinite(results[0].se) && results[0].curve.parameter[0] > 0);
        assert_true(isfinite(results[1].incrementality) && results[1].incrementality < 0.6);
    }
}

/* Sixty campaigns, thirty experiments of 20 % error, six seeds: against the shares that the simulator knows.
 * Taking all for 1 errs by 0.4 in logs; 80 % bands cover 72 to 93 % of 360 shares (five networks a seed, so
 * that misses come together). */
static void shares_are_recovered(void **state) {
    (void)state;
    enum { N = 60, SEEDS = 6 };
    double error_sum = 0, as_one = 0, bias = 0, inside = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct mi_simulation options = mi_simulation_default();
        struct mi_simulator *simulator;
        struct mi_curve_fit *fit;
        struct mi_curve_fit_options how = {.family = MI_CURVE_HILL};
        static struct mi_curve_fit_row rows[N + 1];
        static struct mi_lift_campaign campaigns[N];
        static struct mi_lift_experiment experiments[N / 2];
        static struct mi_lift_result results[N];
        static size_t number[N], network[N];
        double truth[N];
        struct mi_index *networks;
        struct mi_lift_summary summary;
        options.seed = seed;
        options.condition = MI_SIMULATE_RANDOM_SPAN;
        assert_int_equal(mi_simulator_new(&options, &simulator, NULL), MI_OK);
        assert_int_equal(mi_curve_fit_new(&how, &fit, NULL), MI_OK);
        assert_int_equal(mi_index_new(&networks, NULL), MI_OK);
        for (size_t i = 0; i < N; i++) {
            const struct mi_simulated_campaign *campaign;
            assert_int_equal(mi_simulator_campaign(simulator, i, &campaign, NULL), MI_OK);
            for (size_t d = 0; d < campaign->day_count; d++)
                mi_curve_fit_add(fit, mi_text_of(campaign->campaign_id), campaign->days[d].date,
                                 campaign->days[d].spend, campaign->days[d].conversions, d, NULL);
            truth[i] = mi_simulator_incrementality(simulator, i, 0.7, campaign);
            mi_index_add(networks, mi_text_of(campaign->segment.ad_network), &network[i], NULL, NULL);
            number[i] = i;
            campaigns[i] = (struct mi_lift_campaign){.spend = campaign->daily_budget, .groups = &network[i]};
            if (i % 2)
                continue;
            struct mi_simulated_experiment found =
                mi_simulator_experiment(simulator, i, truth[i], 0.2, campaign);
            experiments[i / 2] = (struct mi_lift_experiment){.campaigns = &number[i],
                                                             .campaign_count = 1,
                                                             .spend_before = found.spend_before,
                                                             .spend_after = found.spend_after,
                                                             .conversions = found.conversions,
                                                             .standard_error = found.standard_error,
                                                             .target = i};
        }
        assert_int_equal(mi_curve_fit_run(fit, NULL, NULL), MI_OK);
        for (size_t i = 0; i < N; i++) {
            mi_curve_fit_row(fit, i, &rows[i]);
            campaigns[i].curve = &rows[i].curve;
            campaigns[i].covariance = rows[i].covariance;
        }
        assert_int_equal(mi_lift_estimate(campaigns, N, 1, mi_index_size(networks), experiments, N / 2,
                                          results, &summary, NULL),
                         MI_OK);
        for (size_t i = 0; i < N; i++) {
            double off = log(results[i].incrementality / truth[i]);
            error_sum += fabs(off);
            bias += off;
            as_one += fabs(log(truth[i]));
            inside += fabs(off) < 1.2816 * results[i].se / results[i].incrementality;
        }
        mi_index_free(networks);
        mi_curve_fit_free(fit);
        mi_simulator_free(simulator);
    }
    assert_true(error_sum / (N * SEEDS) < 0.18);
    assert_true(error_sum < 0.45 * as_one);
    assert_true(fabs(bias / (N * SEEDS)) < 0.08);
    assert_in_range((int)(inside * 100 / (N * SEEDS)), 72, 93);
}

static void what_says_nothing_is_refused(void **state) {
    (void)state;
    static const size_t first[1] = {0};
    struct mi_lift_campaign campaigns[4];
    struct mi_lift_result results[4];
    struct mi_lift_summary summary;
    four(campaigns, exact);
    const struct mi_lift_experiment good = {
        .campaigns = first, .campaign_count = 1, .spend_after = 1000, .conversions = 10, .standard_error = 1};
    struct mi_lift_experiment bad[6] = {good, good, good, good, good, good};
    bad[0].spend_before = 1000;
    bad[1].standard_error = 0;
    bad[2].standard_error = -1;
    bad[3].conversions = NAN;
    bad[4].campaign_count = 0;
    bad[5].spend_before = -1;
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(mi_lift_estimate(campaigns, 4, 1, 2, &bad[i], 1, results, &summary, NULL),
                         MI_BAD_ARGUMENT);
    assert_int_equal(
        mi_lift_estimate(campaigns, 4, 1, 2, bad, MI_LIFT_EXPERIMENTS_MOST + 1, results, &summary, NULL),
        MI_BAD_ARGUMENT);
    assert_int_equal(mi_lift_estimate(campaigns, 4, 1, 2, NULL, 0, results, &summary, NULL), MI_OK);
    assert_true(results[3].incrementality == 1 && !results[3].measured);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exact_experiment_is_the_ratio),
        cmocka_unit_test(a_vague_experiment_says_nothing),
        cmocka_unit_test(weights_are_those_of_the_normal_model),
        cmocka_unit_test(groups_are_measured_together),
        cmocka_unit_test(contradictions_are_made_unsure),
        cmocka_unit_test(no_effect_is_a_small_share),
        cmocka_unit_test(shares_are_recovered),
        cmocka_unit_test(what_says_nothing_is_refused),
    };
    struct mi_error error;
    if (mi_init(MI_VERSION, &error) != MI_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
