/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Do the intervals hold, and does pooling help? Portfolios of 4 networks x 4 targetings x 5 countries x 2
 * creatives whose true means are known; 3 to 2000 users each, most of whom never pay, the others lognormal.
 * The bounds are on means over some thousand segments (standard error of a coverage about 0.01, portfolios
 * correlate their segments).
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>

#include "mi.h"

#define SEGMENTS 160

static const char *const columns[] = {"ad_network", "targeting_strategy", "geo", "creative_format"};

struct world {
    double payers;    /* share of users who pay */
    double log_sd;    /* of what they pay */
    double variation; /* of these two between segments, log sd */
};

struct score {
    double segments, covered, below, above;
    double high_segments, high_covered;
    double pooled, rule, high_pooled, high_rule; /* sums of squared relative errors */
};

static double lognormal(gsl_rng *random, double sd) {
    return exp(gsl_ran_gaussian(random, sd));
}

/* The true mean of every segment, from the portfolio's 30 down the hierarchy. */
static void draw_means(gsl_rng *random, double *means) {
    for (int network = 0, i = 0; network < 4; network++) {
        double of_network = 30 * lognormal(random, 0.3);
        for (int targeting = 0; targeting < 4; targeting++) {
            double of_targeting = of_network * lognormal(random, 0.2);
            for (int geo = 0; geo < 5; geo++) {
                double of_geo = of_targeting * lognormal(random, 0.3);
                for (int creative = 0; creative < 2; creative++) {
                    means[i++] = of_geo * lognormal(random, 0.1);
                }
            }
        }
    }
}

static void name_values(int segment, char names[4][8], struct mi_text *values) {
    const int places[] = {segment / 40, segment / 10 % 4, segment / 2 % 5, segment % 2};
    for (int i = 0; i < 4; i++) {
        snprintf(names[i], sizeof names[i], "v%d", places[i]);
        values[i] = mi_text_of(names[i]);
    }
}

static void add_users(gsl_rng *random, const struct world *world, struct mi_ltv_history *history, int segment,
                      double mean) {
    char names[4][8];
    struct mi_text values[4];
    name_values(segment, names, values);
    int users = (int)exp(gsl_ran_flat(random, log(3), log(2000)));
    double log_sd = world->log_sd * lognormal(random, world->variation);
    double payers = fmin(world->payers * lognormal(random, world->variation), 1);
    double scale = mean / payers * exp(-log_sd * log_sd / 2);
    for (int i = 0; i < users; i++) {
        bool pays = gsl_rng_uniform(random) < payers;
        struct mi_ltv_row row = {values, 1, pays ? scale * lognormal(random, log_sd) : 0, NAN,
                                 MI_DATE_MISSING};
        assert_int_equal(mi_ltv_history_add(history, &row, NULL), MI_OK);
    }
}

static void judge(struct mi_ltv_model *model, struct mi_ltv_history *history, int segment, double mean,
                  struct score *score) {
    char names[4][8];
    struct mi_text values[4];
    name_values(segment, names, values);
    struct mi_ltv_rule rule = {.high = 100, .medium = 20, .level = 0.8};
    struct mi_ltv_source pooled, plain;
    assert_int_equal(mi_ltv_by_source(model, history, &rule, values, &pooled, NULL), MI_OK);
    rule.plain = true;
    assert_int_equal(mi_ltv_by_source(model, history, &rule, values, &plain, NULL), MI_OK);
    bool covered = pooled.estimate.low <= mean && mean <= pooled.estimate.high;
    double pooled_error = pow(pooled.estimate.ltv / mean - 1, 2);
    double rule_error = pow(plain.estimate.ltv / mean - 1, 2);
    score->segments++;
    score->covered += covered;
    score->below += mean < pooled.estimate.low;
    score->above += mean > pooled.estimate.high;
    score->pooled += pooled_error;
    score->rule += rule_error;
    if (pooled.confidence == MI_LTV_HIGH) {
        score->high_segments++;
        score->high_covered += covered;
        score->high_pooled += pooled_error;
        score->high_rule += rule_error;
    }
}

static struct score play(const struct world *world, int portfolios) {
    struct score score = {0};
    double means[SEGMENTS];
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    assert_non_null(random);
    gsl_rng_set(random, 20261124);
    for (int portfolio = 0; portfolio < portfolios; portfolio++) {
        struct mi_ltv_history_options options = {
            .columns = columns, .column_count = 4, .as_of = MI_DATE_MISSING, .min_age = 90};
        struct mi_ltv_history *history;
        struct mi_ltv_model *model;
        assert_int_equal(mi_ltv_history_new(&options, &history, NULL), MI_OK);
        draw_means(random, means);
        for (int segment = 0; segment < SEGMENTS; segment++) {
            add_users(random, world, history, segment, means[segment]);
        }
        assert_int_equal(mi_ltv_history_finish(history, NULL, NULL), MI_OK);
        assert_int_equal(mi_ltv_fit(history, NULL, &model, NULL), MI_OK);
        for (int segment = 0; segment < SEGMENTS; segment++) {
            judge(model, history, segment, means[segment], &score);
        }
        mi_ltv_model_free(model);
        mi_ltv_history_free(history);
    }
    gsl_rng_free(random);
    print_message(
        "payers %.2f, log sd %.1f, variation %.1f: covered %.3f (below %.3f, above %.3f), with high "
        "confidence %.3f; relative RMSE pooled %.3f, rule %.3f; with high confidence %.3f, %.3f\n",
        world->payers, world->log_sd, world->variation, score.covered / score.segments,
        score.below / score.segments, score.above / score.segments, score.high_covered / score.high_segments,
        sqrt(score.pooled / score.segments), sqrt(score.rule / score.segments),
        sqrt(score.high_pooled / score.high_segments), sqrt(score.high_rule / score.high_segments));
    return score;
}

static void assert_holds(const struct score *score, double least, double most) {
    assert_true(score->covered / score->segments >= least && score->covered / score->segments <= most);
    double high = score->high_covered / score->high_segments;
    assert_true(high >= least && high <= most);
    assert_true(score->pooled < score->rule);
    assert_true(score->high_pooled < score->high_rule);
}

static void test_users_alike(void **state) {
    (void)state;
    struct score light = play(&(struct world){0.3, 0.8, 0}, 25);
    assert_holds(&light, 0.75, 0.85);
    struct score usual = play(&(struct world){0.25, 1.2, 0}, 25);
    assert_holds(&usual, 0.75, 0.85);
}

/* Segments differ in how their users differ, too. */
static void test_users_differ(void **state) {
    (void)state;
    struct score light = play(&(struct world){0.3, 0.8, 0.3}, 25);
    assert_holds(&light, 0.75, 0.85);
    struct score usual = play(&(struct world){0.25, 1.2, 0.15}, 25);
    assert_holds(&usual, 0.75, 0.85);
}

/* Tails so heavy (kurtosis of payers over 10^4) that a few hundred users do not show them: the interval falls
 * short, as the manual says, and pooling helps most. */
static void test_heaviest_tails(void **state) {
    (void)state;
    struct score heavy = play(&(struct world){0.25, 1.6, 0}, 25);
    assert_holds(&heavy, 0.7, 0.85);
    assert_true(heavy.high_pooled < 0.5 * heavy.high_rule);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_users_alike),
        cmocka_unit_test(test_users_differ),
        cmocka_unit_test(test_heaviest_tails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
