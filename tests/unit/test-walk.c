/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Levels that move: filter and smoother against dense matrices, and the variances of walk and spells from
 * residuals that were drawn with known ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "curve/fit.h"
#include "curve/posterior.h"

#define ROWS   12
#define PLACES 3
#define CLOSE  1e-9

/* Rows with gaps, one without weight, in three of the bins. */
static const double gaps[ROWS] = {1, 1, 3, 1, 1, 1, 10, 1, 2, 1, 1, 4};
static const double weights[ROWS] = {16, 9, 20, 0, 4, 18, 12, 15, 7, 30, 25, 11};
static const double residuals[ROWS] = {0.1, -0.2, 0.3, 1.5, -0.1, 0.2, 0.05, 0.4, 0.3, -0.3, 0.25, 0.1};
static const size_t bins[ROWS] = {0, 5, 9, 9, 5, 0, 0, 5, 9, 9, 5, 0};
static const size_t places[BINS] = {[5] = 1, [9] = 2};
static const struct walk moving = {.may = true, .variance = 0.003, .spells = 0.02};

/* The covariance of the rows' levels: K, and with their noise: R. */
static void dense(double k[ROWS * ROWS], double r[ROWS * ROWS]) {
    double age[ROWS], sum = 0;
    for (size_t i = ROWS; i-- > 0;)
        age[i] = sum += gaps[i];
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < ROWS; j++) {
            k[i * ROWS + j] =
                moving.variance * fmin(age[i], age[j]) + moving.spells * pow(0.8, fabs(age[i] - age[j]));
            r[i * ROWS + j] = k[i * ROWS + j] + (i == j ? 1 / fmax(weights[i], 1e-9) : 0);
        }
}

struct setting {
    double gap[ROWS], residual[ROWS], room[ROWS * (BINS + 1)];
    struct walk_gain gains[ROWS];
    struct walk_rows rows;
};

static void set(struct setting *s) {
    memcpy(s->gap, gaps, sizeof gaps);
    memcpy(s->residual, residuals, sizeof residuals);
    s->rows = (struct walk_rows){.n = ROWS,
                                 .weight = weights,
                                 .bin = bins,
                                 .gap = s->gap,
                                 .residual = s->residual,
                                 .gains = s->gains,
                                 .room = s->room};
}

static void levels_match_dense_matrices(void **state) {
    (void)state;
    struct setting s;
    double k[ROWS * ROWS], inverse[ROWS * ROWS], level[ROWS], spent = 0;
    set(&s);
    dense(k, inverse);
    assert_true(fit_posterior_invert(inverse, ROWS));
    fit_walk_smooth(&s.rows, &moving, level);
    for (size_t i = 0; i < ROWS; i++) {
        double expected = 0;
        for (size_t j = 0; j < ROWS; j++)
            for (size_t l = 0; l < ROWS; l++)
                expected += k[i * ROWS + j] * inverse[j * ROWS + l] * residuals[l];
        for (size_t j = 0; j < ROWS; j++)
            spent += k[i * ROWS + j] * inverse[j * ROWS + i];
        assert_true(fabs(level[i] - expected) < 1e-6);
    }
    assert_true(fabs(fit_walk_spent(&s.rows, &moving) - spent) < 1e-6);
}

static void bins_match_dense_matrices(void **state) {
    (void)state;
    struct setting s;
    double k[ROWS * ROWS], inverse[ROWS * ROWS], expected[PLACES * PLACES] = {0}, right[PLACES] = {0};
    double shift[BINS], covariance[BINS * BINS];
    set(&s);
    dense(k, inverse);
    assert_true(fit_posterior_invert(inverse, ROWS));
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < ROWS; j++) {
            expected[places[bins[i]] * PLACES + places[bins[j]]] += inverse[i * ROWS + j];
            right[places[bins[i]]] += inverse[i * ROWS + j] * residuals[j];
        }
    assert_true(fit_posterior_invert(expected, PLACES));
    assert_true(fit_walk_bins(&s.rows, &moving, places, PLACES, shift, covariance));
    for (size_t i = 0; i < PLACES; i++) {
        double sum = 0;
        for (size_t j = 0; j < PLACES; j++) {
            sum += expected[i * PLACES + j] * right[j];
            assert_true(fabs(covariance[i * PLACES + j] - expected[i * PLACES + j]) < CLOSE);
        }
        assert_true(fabs(shift[i] - sum) < CLOSE);
    }
}

/* Sixty campaigns of ninety days whose residuals are a walk, spells and noise; what is learnt of them. */
static struct walk learnt(double walk_sd, double spell_sd) {
    enum { CAMPAIGNS = 60, DAYS = 90 };
    struct fit_day *days = calloc((size_t)CAMPAIGNS * DAYS, sizeof *days);
    struct campaign *campaigns = calloc(CAMPAIGNS, sizeof *campaigns);
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    assert_true(days && campaigns && random);
    for (size_t i = 0; i < CAMPAIGNS; i++) {
        double walk = 0, spell = gsl_ran_gaussian(random, spell_sd),
               noise = 0.1 + 0.3 * gsl_rng_uniform(random);
        campaigns[i] = (struct campaign){.first = i * DAYS, .count = DAYS, .spend_max = 200};
        for (size_t d = 0; d < DAYS; d++) {
            double residual = walk + spell + gsl_ran_gaussian(random, noise);
            days[i * DAYS + d] = (struct fit_day){.spend = 50 + 150 * gsl_rng_uniform(random),
                                                  .date = 20000 + (int32_t)d,
                                                  .weight = (float)(1 / (noise * noise)),
                                                  .residual = (float)residual};
            walk += gsl_ran_gaussian(random, walk_sd);
            spell = 0.8 * spell + gsl_ran_gaussian(random, spell_sd * sqrt(1 - 0.8 * 0.8));
        }
    }
    struct portfolio portfolio = {.days = days,
                                  .day_count = (size_t)CAMPAIGNS * DAYS,
                                  .campaigns = campaigns,
                                  .campaign_count = CAMPAIGNS,
                                  .target = MI_DATE_MISSING,
                                  .dated = true};
    fit_walk_start(&portfolio, true);
    assert_true(portfolio.walk.may && portfolio.walk.after == 20000 + DAYS);
    fit_walk_learn(&portfolio);
    gsl_rng_free(random);
    free(campaigns);
    free(days);
    return portfolio.walk;
}

static void variances_are_learnt(void **state) {
    (void)state;
    struct walk none = learnt(0, 0), walk = learnt(0.02, 0), spells = learnt(0, 0.1),
                both = learnt(0.02, 0.1);
    assert_true(none.variance == 0 && none.spells == 0); /* exactly: nothing moves */
    assert_true(walk.spells == 0 && fabs(sqrt(walk.variance) / 0.02 - 1) < 0.2);
    assert_true(spells.variance == 0 && fabs(sqrt(spells.spells) / 0.1 - 1) < 0.2);
    assert_true(fabs(sqrt(both.variance) / 0.02 - 1) < 0.3 && fabs(sqrt(both.spells) / 0.1 - 1) < 0.3);
}

static void without_dates_nothing_is_learnt(void **state) {
    (void)state;
    struct fit_day day = {.spend = 1, .users = 1, .date = MI_DATE_MISSING, .walk = 1};
    struct campaign campaign = {.count = 1, .spend_max = 1};
    struct portfolio portfolio = {
        .days = &day, .day_count = 1, .campaigns = &campaign, .campaign_count = 1, .dated = false};
    fit_walk_start(&portfolio, true);
    fit_walk_learn(&portfolio);
    assert_false(portfolio.walk.may || walk_moves(&portfolio.walk));
    assert_true(day.walk == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_match_dense_matrices),
        cmocka_unit_test(bins_match_dense_matrices),
        cmocka_unit_test(variances_are_learnt),
        cmocka_unit_test(without_dates_nothing_is_learnt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
