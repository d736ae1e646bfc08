/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The funnel behind a CPA: a stage against a weighted regression done by hand, recovery of what the simulator
 * knows (elasticities, the market, the curve), what drove a change, exact sums, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "curve/stage.h"
#include "mi.h"

/* One campaign of many counts and a loose prior: the log-linear fit itself. count = 2 exposure x^0.5. */
static void a_stage_is_the_regression(void **state) {
    (void)state;
    struct stage_row rows[20];
    struct stage_campaign campaigns[2] = {{.rows = 20}, {.rows = 0}};
    struct stage stage = {.coefficients = 2,
                          .rows = rows,
                          .campaigns = campaigns,
                          .campaign_count = 2,
                          .uncertainty = {0, 10},
                          .spread = {10, 0.5},
                          .least_spread = {10, 0.5}};
    for (int i = 0; i < 20; i++) {
        double x = log(1 + i % 5), noise = i % 2 ? 0.99 : 1.01;
        rows[i] = (struct stage_row){.count = 2 * 1e5 * exp(0.5 * x) * noise, .exposure = 1e5, .x = {1, x}};
    }
    stage_fit(&stage);
    assert_true(fabs(campaigns[0].coefficient[0] - log(2)) < 0.01);
    assert_true(fabs(campaigns[0].coefficient[1] - 0.5) < 0.01);
    assert_true(stage_tells(&stage, 1));
    assert_true(stage.dispersion < 3e-4 && stage.dispersion > 1e-5);
    /* a campaign without rows has the portfolio's, with its uncertainty */
    assert_true(campaigns[1].coefficient[1] == stage.mean[1]);
    assert_true(campaigns[1].covariance[0][0] >= 100);
}

/* No change of a regressor: what was assumed of its coefficient stays, and is said to be untold. */
static void what_does_not_vary_is_not_told(void **state) {
    (void)state;
    struct stage_row rows[10];
    struct stage_campaign campaign = {.rows = 10};
    struct stage stage = {.coefficients = 2,
                          .rows = rows,
                          .campaigns = &campaign,
                          .campaign_count = 1,
                          .start = {0, -0.3},
                          .uncertainty = {0, 0.3},
                          .spread = {0.7, 0.2},
                          .least_spread = {0.05, 0.03}};
    for (int i = 0; i < 10; i++)
        rows[i] = (struct stage_row){.count = 50 + i, .exposure = 1000, .x = {1, 0}};
    stage_fit(&stage);
    assert_false(stage_tells(&stage, 1));
    assert_true(fabs(stage.mean[1] + 0.3) < 1e-6);
    assert_true(fabs(campaign.coefficient[0] - log(0.0545)) < 0.02);
}

struct portfolio {
    struct mi_price *price;
    double log_market; /* of the newest week */
    size_t count;
};

#define SINCE 20527 /* 2026-03-15 */

/* A simulated portfolio; from SINCE on clicks are times `clicks`, with conversions, and `rate` times these.
 */
static struct portfolio make(uint64_t seed, double effect, size_t campaigns, double clicks, double rate) {
    static const char *const names[] = {"cpm_index", "competition"};
    struct mi_simulation options = mi_simulation_default();
    struct mi_simulator *simulator;
    struct portfolio made = {.count = campaigns};
    const struct mi_price_options how = {
        .market_count = 2, .market_names = names, .since = SINCE, .before = 28, .threads = 1};
    options.seed = seed;
    options.funnel = true;
    options.market_effect = effect;
    assert_int_equal(mi_simulator_new(&options, &simulator, NULL), MI_OK);
    assert_int_equal(mi_price_new(&how, &made.price, NULL), MI_OK);
    for (size_t i = 0; i < campaigns; i++) {
        const struct mi_simulated_campaign *campaign;
        assert_int_equal(mi_simulator_campaign(simulator, i, &campaign, NULL), MI_OK);
        for (size_t d = 0; d < campaign->day_count; d++) {
            const struct mi_simulated_day *day = &campaign->days[d];
            bool after = day->date >= SINCE;
            struct mi_price_day row = {.date = day->date,
                                       .spend = day->spend,
                                       .impressions = day->impressions,
                                       .clicks = round(day->clicks * (after ? clicks : 1)),
                                       .conversions = round(day->conversions * (after ? clicks * rate : 1)),
                                       .reach = day->reach,
                                       .market = {day->cpm_index, day->competition},
                                       .line = d};
            assert_int_equal(mi_price_add(made.price, mi_text_of(campaign->campaign_id), &row, NULL), MI_OK);
            if (i == 0 && d + 7 >= campaign->day_count)
                made.log_market += log(day->cpm_index / 100) / 7;
        }
    }
    mi_simulator_free(simulator);
    assert_int_equal(mi_price_run(made.price, NULL, NULL), MI_OK);
    assert_int_equal(mi_price_count(made.price), campaigns + 1);
    return made;
}

/* CPM goes with the index to the power that was asked for, and not with what goes with it; the conversion
 * rate falls as the square root of frequency. Four standard errors, and 0.15. */
static void elasticities_are_recovered(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct portfolio made = make(seed, 0.8, 60, 1, 1);
        struct mi_price_row row;
        mi_price_row(made.price, made.count, &row);
        assert_true(fabs(row.market[0] - 0.8) < 4 * row.market_se[0] + 0.02);
        assert_true(fabs(row.market[1]) < 4 * row.market_se[1] + 0.02);
        assert_true(row.market_se[0] < 0.06);
        assert_true(fabs(row.cvr_frequency + 0.5) < 0.15);
        assert_true(fabs(row.ctr_impressions) < 0.05);
        assert_true(fabs(row.ctr_trend) < 0.03 && fabs(row.cpm_trend) < 0.03);
        mi_price_free(made.price);
    }
}

/* CPA at today's spend in today's market: the curve's and the product of the parts are one; within 12 % of
 * the truth in the mean (a campaign's level of 90 days of counts is known to 4 %, weekdays and drift add to
 * it). */
static void curves_are_those_of_todays_market(void **state) {
    (void)state;
    struct portfolio made = make(4, 1, 60, 1, 1);
    struct mi_simulation options = mi_simulation_default();
    struct mi_simulator *simulator;
    double off = 0, inside = 0;
    options.seed = 4;
    options.funnel = true;
    options.market_effect = 1;
    assert_int_equal(mi_simulator_new(&options, &simulator, NULL), MI_OK);
    for (size_t i = 0; i < made.count; i++) {
        const struct mi_simulated_campaign *campaign;
        struct mi_price_row row;
        assert_int_equal(mi_simulator_campaign(simulator, i, &campaign, NULL), MI_OK);
        mi_price_row(made.price, i, &row);
        assert_true(row.funnel);
        assert_true(fabs(row.cpm / 1000 / (row.ctr * row.cvr) / row.cpa - 1) < 1e-5);
        assert_true(fabs(row.spend / mi_curve_users(&row.fit.curve, row.spend) / row.cpa - 1) < 1e-5);
        double truth = mi_curve_users(&campaign->curve, row.spend) * exp(-made.log_market);
        double error = log(mi_curve_users(&row.fit.curve, row.spend) / truth);
        double sd = mi_curve_log_users_sd(&row.fit.curve, row.fit.covariance, row.spend);
        off += fabs(error);
        inside += fabs(error) < 1.2816 * sd;
    }
    assert_true(off / (double)made.count < 0.12);
    assert_true(inside / (double)made.count > 0.55);
    mi_simulator_free(simulator);
    mi_price_free(made.price);
}

static size_t drivers(const struct portfolio *made, enum mi_price_part part) {
    size_t count = 0;
    for (size_t i = 0; i <= made->count; i++) {
        struct mi_price_row row;
        double sum = 0;
        mi_price_row(made->price, i, &row);
        for (int k = 0; k < MI_PRICE_PARTS; k++)
            sum += row.change.part[k];
        assert_true(fabs(sum - row.change.total) < 1e-9);
        assert_true(fabs(row.change.total - log(row.change.cpa_since / row.change.cpa_before)) < 1e-9);
        count += row.change.driven && row.change.driver == part;
    }
    return count;
}

/* The part that was changed is named, in most campaigns and for the portfolio; where nothing was, in few. The
 * parts sum to the change. */
static void the_driver_is_found(void **state) {
    (void)state;
    struct mi_price_row row;
    struct portfolio none = make(5, 0, 40, 1, 1);
    assert_true(drivers(&none, MI_PRICE_CTR) <= 2);
    assert_true(drivers(&none, MI_PRICE_CVR_OTHER) <= 6);
    mi_price_free(none.price);
    struct portfolio clicks = make(5, 0, 40, 0.6, 1);
    assert_true(drivers(&clicks, MI_PRICE_CTR) >= 30);
    mi_price_row(clicks.price, clicks.count, &row);
    assert_true(row.change.driven && row.change.driver == MI_PRICE_CTR);
    assert_true(fabs(row.change.part[MI_PRICE_CTR] + log(0.6)) < 0.06);
    mi_price_free(clicks.price);
    struct portfolio rate = make(5, 0, 40, 1, 0.6);
    assert_true(drivers(&rate, MI_PRICE_CVR_OTHER) >= 30);
    mi_price_free(rate.price);
    struct portfolio market = make(1, 3, 40, 1, 1);
    mi_price_row(market.price, market.count, &row);
    assert_true(row.change.driven && row.change.driver == MI_PRICE_CPM_MARKET);
    mi_price_free(market.price);
}

/* What has drifted from noise: among 300 campaigns without any change, parts beyond two of their errors are
 * as rare as they should be (5 %; up to 10 allowed). */
static void errors_of_parts_are_true(void **state) {
    (void)state;
    static const enum mi_price_part parts[] = {MI_PRICE_CPM_OTHER, MI_PRICE_CTR, MI_PRICE_CVR_OTHER};
    double beyond[3] = {0}, squares[3] = {0};
    for (uint64_t seed = 11; seed <= 13; seed++) {
        struct portfolio made = make(seed, 1, 100, 1, 1);
        for (size_t i = 0; i < made.count; i++) {
            struct mi_price_row row;
            mi_price_row(made.price, i, &row);
            for (int k = 0; k < 3; k++) {
                double z = row.change.part[parts[k]] / row.change.se[parts[k]];
                beyond[k] += fabs(z) > 2;
                squares[k] += z * z;
            }
        }
        mi_price_free(made.price);
    }
    for (int k = 0; k < 3; k++) {
        assert_true(beyond[k] < 30);
        assert_true(squares[k] / 300 > 0.6 && squares[k] / 300 < 1.5);
    }
}

static void impossible_days_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {"index"};
    const struct mi_price_options how = {
        .market_count = 1, .market_names = names, .since = MI_DATE_MISSING, .before = 28};
    const struct mi_price_day good = {.date = 20000,
                                      .spend = 10,
                                      .impressions = 1000,
                                      .clicks = 20,
                                      .conversions = 1,
                                      .reach = NAN,
                                      .market = {1}};
    struct mi_price_day bad[6] = {good, good, good, good, good, good};
    struct mi_price *price;
    bad[0].clicks = 1001;
    bad[1].spend = -1;
    bad[2].impressions = NAN;
    bad[3].reach = 2000;
    bad[4].market[0] = NAN;
    bad[5].date = MI_DATE_MISSING;
    assert_int_equal(mi_price_new(&how, &price, NULL), MI_OK);
    assert_int_equal(mi_price_add(price, mi_text_of("a"), &good, NULL), MI_OK);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(mi_price_add(price, mi_text_of("a"), &bad[i], NULL), MI_BAD_RECORD);
    assert_int_equal(mi_price_add(price, mi_text_of("*"), &good, NULL), MI_BAD_RECORD);
    assert_int_equal(mi_price_run(price, NULL, NULL), MI_OK); /* one day of one campaign */
    struct mi_price_row row;
    mi_price_row(price, 0, &row);
    assert_true(row.fit.n == 1 && isnan(row.market[0]) && isnan(row.cvr_frequency) && row.cpa > 0);
    assert_true(fabs(row.cpm - 10) < 1 && isnan(row.change.total));
    mi_price_free(price);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stage_is_the_regression),   cmocka_unit_test(what_does_not_vary_is_not_told),
        cmocka_unit_test(elasticities_are_recovered),  cmocka_unit_test(curves_are_those_of_todays_market),
        cmocka_unit_test(the_driver_is_found),         cmocka_unit_test(errors_of_parts_are_true),
        cmocka_unit_test(impossible_days_are_refused),
    };
    struct mi_error error;
    if (mi_init(MI_VERSION, &error) != MI_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
