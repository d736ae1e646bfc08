/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Profits of campaigns and of the portfolio over draws. Campaigns are taken in blocks; a block adds up its
 * campaigns' profits draw by draw, and the blocks' sums are added in their order, so that neither the number
 * of threads nor their luck shows in the last digit.
 */
#include <gsl/gsl_randist.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/draws.h"

#define BLOCK        32 /* campaigns */
#define THREADS_MOST 64

struct run {
    const struct mi_monte_carlo *options;
    const struct mi_uncertain_campaign *campaigns;
    size_t count, scenarios;
    const struct mi_scenario *changes;
    struct mi_risk_figures *figures;
    double *shocks; /* group by group, then all: factors of users */
};

/* A block on its way. */
struct block {
    const struct run *run;
    size_t first, last;
    double *sums;    /* scenario by scenario, draw by draw */
    double *profits; /* of one campaign */
    enum mi_status status;
    struct mi_error error;
};

struct mi_risk_figures mi_risk_figures_of(const struct mi_monte_carlo *options, double *profits,
                                          size_t count) {
    struct mi_risk_figures figures = {0};
    double sum = 0, squares = 0;
    size_t losses = 0;
    for (size_t i = 0; i < count; i++) {
        sum += profits[i];
        losses += profits[i] < 0;
    }
    figures.mean = sum / (double)count;
    for (size_t i = 0; i < count; i++)
        squares += (profits[i] - figures.mean) * (profits[i] - figures.mean);
    figures.sd = count > 1 ? sqrt(squares / (double)(count - 1)) : 0;
    figures.chance_of_loss = (double)losses / (double)count;
    for (size_t q = 0; q <= options->quantile_count && q <= MI_QUANTILES_MOST; q++) {
        bool var = q == options->quantile_count;
        double at = var ? 1 - options->var_level : options->quantiles[q];
        double place = at * (double)(count - 1);
        size_t k = (size_t)fmax(0, fmin(floor(place), (double)(count - 1)));
        double value = gsl_stats_select(profits, 1, count, k);
        if (k + 1 < count && place > (double)k) {
            double above = gsl_stats_select(profits, 1, count, k + 1);
            value += (place - (double)k) * (above - value);
        }
        if (var)
            figures.value_at_risk = -value;
        else
            figures.quantile[q] = value;
    }
    return figures;
}

static void add_campaign(struct block *b, size_t i, struct mi_draws *draws, double *spends, double *users) {
    const struct run *run = b->run;
    const struct mi_uncertain_campaign *c = &run->campaigns[i];
    size_t n = run->options->draws, scenarios = run->scenarios;
    const struct mi_scenario *changes = &run->changes[i * scenarios];
    const double *all = run->shocks + run->options->group_count * n;
    const double *own = c->group < run->options->group_count ? run->shocks + c->group * n : NULL;
    for (size_t s = 0; s < scenarios; s++)
        spends[s] = c->budget * changes[s].budget_multiplier;
    for (size_t d = 0; d < n; d++) {
        double ltv;
        mi_draws_next(draws, spends, scenarios, users, &ltv);
        double shock = all[d] * (own ? own[d] : 1);
        for (size_t s = 0; s < scenarios; s++) {
            double factor = shock * (1 + changes[s].ltv_adjustment) / (1 + changes[s].cpa_adjustment);
            double profit = users[s] * factor * ltv - c->costs.rate * spends[s] - c->costs.fixed;
            b->sums[s * n + d] += profit;
            if (b->profits)
                b->profits[s * n + d] = profit;
        }
    }
    for (size_t s = 0; b->profits && s < scenarios; s++)
        run->figures[i * scenarios + s] = mi_risk_figures_of(run->options, b->profits + s * n, n);
}

static void *run_block(void *argument) {
    struct block *b = argument;
    const struct run *run = b->run;
    double *room = malloc((2 * run->scenarios + 1) * sizeof *room);
    memset(b->sums, 0, run->scenarios * run->options->draws * sizeof *b->sums);
    b->status = room ? MI_OK : mi_error_set(&b->error, MI_NO_MEMORY, "out of memory");
    for (size_t i = b->first; i < b->last && !b->status; i++) {
        struct mi_draws *draws = NULL;
        b->status = mi_draws_new(&run->campaigns[i], run->options->seed, &draws, &b->error);
        if (!b->status)
            add_campaign(b, i, draws, room, room + run->scenarios);
        mi_draws_free(draws);
    }
    free(room);
    return NULL;
}

/* Factors of users, one a group and draw, then one a draw. */
static enum mi_status draw_shocks(struct run *run, struct mi_error *error) {
    const struct mi_monte_carlo *o = run->options;
    run->shocks = malloc((o->group_count + 1) * o->draws * sizeof *run->shocks);
    if (!run->shocks)
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    for (size_t g = 0; g <= o->group_count; g++) {
        double sd = g < o->group_count ? o->shock_group : o->shock_all;
        struct mi_text name = mi_text_of(g < o->group_count ? o->groups[g] : "");
        gsl_rng *random = draws_generator(o->seed + 1, name);
        if (!random)
            return mi_error_set(error, MI_NO_MEMORY, "out of memory");
        for (size_t d = 0; d < o->draws; d++)
            run->shocks[g * o->draws + d] =
                sd > 0 ? exp(sd * gsl_ran_gaussian_ziggurat(random, 1) - sd * sd / 2) : 1;
        gsl_rng_free(random);
    }
    return MI_OK;
}

/* Blocks `threads` at a time. */
static enum mi_status run_blocks(const struct run *run, struct block *blocks, size_t threads, double *totals,
                                 struct mi_error *error) {
    size_t size = run->scenarios * run->options->draws;
    pthread_t ids[THREADS_MOST];
    for (size_t next = 0; next < run->count;) {
        size_t used = 0;
        bool started[THREADS_MOST] = {false};
        for (; used < threads && next < run->count; used++, next += BLOCK) {
            blocks[used].first = next;
            blocks[used].last = next + BLOCK < run->count ? next + BLOCK : run->count;
            if (used > 0)
                started[used] = pthread_create(&ids[used], NULL, run_block, &blocks[used]) == 0;
        }
        for (size_t t = 0; t < used; t++)
            if (!started[t])
                run_block(&blocks[t]);
        for (size_t t = 0; t < used; t++)
            if (started[t])
                pthread_join(ids[t], NULL);
        for (size_t t = 0; t < used; t++) {
            if (blocks[t].status) {
                if (error)
                    *error = blocks[t].error;
                return blocks[t].status;
            }
            for (size_t i = 0; i < size; i++)
                totals[i] += blocks[t].sums[i];
        }
    }
    return MI_OK;
}

enum mi_status mi_monte_carlo_run(const struct mi_monte_carlo *options,
                                  const struct mi_uncertain_campaign *campaigns, size_t count,
                                  const struct mi_scenario *changes, size_t scenarios,
                                  struct mi_risk_figures *figures, struct mi_risk_figures *totals,
                                  double *profits, struct mi_error *error) {
    struct run run = {options, campaigns, count, scenarios, changes, figures, NULL};
    size_t threads = options->threads > THREADS_MOST ? THREADS_MOST : options->threads;
    threads = threads > 0 ? threads : 1;
    if (options->draws < 2 || options->quantile_count > MI_QUANTILES_MOST || scenarios == 0)
        return mi_error_set(error, MI_BAD_ARGUMENT, "Monte Carlo: 2 draws and more, at most %d quantiles",
                            MI_QUANTILES_MOST);
    size_t size = scenarios * options->draws;
    double *sums = calloc(size, sizeof *sums);
    struct block *blocks = calloc(threads, sizeof *blocks);
    enum mi_status status = sums && blocks ? MI_OK : mi_error_set(error, MI_NO_MEMORY, "out of memory");
    for (size_t t = 0; t < threads && !status; t++) {
        blocks[t].run = &run;
        blocks[t].sums = malloc(size * sizeof(double));
        blocks[t].profits = figures ? malloc(size * sizeof(double)) : NULL;
        if (!blocks[t].sums || (figures && !blocks[t].profits))
            status = mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    if (!status)
        status = draw_shocks(&run, error);
    if (!status)
        status = run_blocks(&run, blocks, threads, sums, error);
    if (!status && profits)
        memcpy(profits, sums, size * sizeof *profits);
    for (size_t s = 0; s < scenarios && !status && totals; s++)
        totals[s] = mi_risk_figures_of(options, sums + s * options->draws, options->draws);
    for (size_t t = 0; blocks && t < threads; t++) {
        free(blocks[t].sums);
        free(blocks[t].profits);
    }
    free(blocks);
    free(sums);
    free(run.shocks);
    return status;
}
