/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The fit of a portfolio: passes of solving every campaign and learning from all. Campaigns are spread over
 * threads within a pass; what is learnt is summed afterwards in their order, so that threads change nothing.
 */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "curve/fit.h"

#define PASSES          8
#define THREADS_MOST    256
#define LEFTOVER        1e-3 /* of the highest spend: what is below is a rest of an allocation, no spend */
#define APART           60.0 /* times the median of users per spend */
#define APART_CAMPAIGNS 3    /* that a median needs */
#define SPEND_VARIES    1.02 /* highest over lowest spend, below which it is constant */

static enum obstacle obstacle_of(const struct campaign *campaign) {
    if (campaign->count == 0)
        return OBSTACLE_NO_SPEND;
    if (!(campaign->users > 0))
        return OBSTACLE_NO_USERS;
    if (campaign->count == 1)
        return OBSTACLE_ONE_ROW;
    return campaign->spend_max < SPEND_VARIES * campaign->spend_min ? OBSTACLE_CONSTANT_SPEND : OBSTACLE_NONE;
}

static size_t summarise_campaign(struct campaign *campaign, struct fit_day *days) {
    size_t kept = 0, leftovers = 0;
    double most = 0;
    for (size_t i = 0; i < campaign->count; i++)
        most = fmax(most, days[campaign->first + i].spend);
    campaign->spend_min = INFINITY;
    campaign->spend_max = campaign->spend = campaign->users = campaign->leftover_users = 0;
    campaign->newest = MI_DATE_MISSING;
    for (size_t i = 0; i < campaign->count; i++) {
        struct fit_day day = days[campaign->first + i];
        if (!(day.spend > LEFTOVER * most)) {
            leftovers += day.spend > 0;
            campaign->leftover_users += day.spend > 0 ? day.users : 0;
            continue;
        }
        days[campaign->first + kept++] = day;
        campaign->spend_min = fmin(campaign->spend_min, day.spend);
        campaign->spend_max = fmax(campaign->spend_max, day.spend);
        campaign->spend += day.spend;
        campaign->users += day.users;
        campaign->newest = day.date > campaign->newest ? day.date : campaign->newest;
    }
    campaign->count = kept;
    campaign->dispersion_own = NAN;
    campaign->started = campaign->failed = campaign->changed = false;
    campaign->obstacle = obstacle_of(campaign);
    return leftovers;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A spend in another unit (thousands, cents, micros) would move the portfolio's users per spend, which are
 * those of its spend, for all others: such campaigns stand apart. One without users does so where so many
 * were to be expected. */
static void find_apart(struct portfolio *portfolio) {
    size_t count = 0;
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        struct campaign *campaign = &portfolio->campaigns[i];
        campaign->apart = false;
        if (campaign->count > 0 && campaign->users > 0)
            portfolio->room[count++] = campaign->users / campaign->spend;
    }
    if (count < APART_CAMPAIGNS)
        return;
    qsort(portfolio->room, count, sizeof *portfolio->room, compare_doubles);
    double median = portfolio->room[count / 2];
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        struct campaign *campaign = &portfolio->campaigns[i];
        if (campaign->count > 0)
            campaign->apart = campaign->users / campaign->spend > APART * median ||
                              (campaign->users + 0.5) / campaign->spend < median / APART;
    }
}

void fit_portfolio_summarise(struct portfolio *portfolio) {
    portfolio->leftovers = 0;
    for (size_t i = 0; i < portfolio->campaign_count; i++)
        portfolio->leftovers += summarise_campaign(&portfolio->campaigns[i], portfolio->days);
    if (portfolio->room)
        find_apart(portfolio);
    portfolio->noise = fit_noise_default();
    for (size_t i = 0; i < portfolio->day_count; i++)
        if (portfolio->days[i].users != floor(portfolio->days[i].users))
            portfolio->noise.counts = false;
}

struct worker {
    struct portfolio *portfolio;
    size_t first, step; /* which campaigns */
    enum mi_status status;
    struct mi_error error;
};

static size_t most_rows(const struct portfolio *portfolio) {
    size_t most = 0;
    for (size_t i = 0; i < portfolio->campaign_count; i++)
        if (portfolio->campaigns[i].count > most)
            most = portfolio->campaigns[i].count;
    return most;
}

static void *work(void *argument) {
    struct worker *worker = argument;
    struct portfolio *portfolio = worker->portfolio;
    struct solver *solver = NULL;
    worker->status = fit_solver_new(most_rows(portfolio), &solver, &worker->error);
    for (size_t i = worker->first; i < portfolio->campaign_count && worker->status == MI_OK;
         i += worker->step)
        if (portfolio->campaigns[i].count > 0)
            worker->status = fit_solver_solve(solver, portfolio, &portfolio->campaigns[i], &worker->error);
    fit_solver_free(solver);
    return NULL;
}

/* Solves every campaign once. */
static enum mi_status pass(struct portfolio *portfolio, struct mi_error *error) {
    struct worker workers[THREADS_MOST];
    pthread_t threads[THREADS_MOST];
    bool running[THREADS_MOST];
    size_t count = portfolio->threads < 1              ? 1
                   : portfolio->threads < THREADS_MOST ? portfolio->threads
                                                       : THREADS_MOST;
    if (count > portfolio->campaign_count)
        count = portfolio->campaign_count;
    for (size_t i = 0; i < count; i++) {
        workers[i] = (struct worker){.portfolio = portfolio, .first = i, .step = count};
        running[i] = i > 0 && pthread_create(&threads[i], NULL, work, &workers[i]) == 0;
    }
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < count; i++) {
        if (running[i])
            pthread_join(threads[i], NULL);
        else
            work(&workers[i]); /* the first, and what the system would not start */
        if (status == MI_OK && workers[i].status != MI_OK) {
            status = workers[i].status;
            mi_error_set(error, status, "%s", workers[i].error.text);
        }
    }
    return status;
}

enum mi_status fit_portfolio_fit(struct portfolio *portfolio, bool as_of_now, struct mi_error *error) {
    portfolio->aim = as_of_now ? AIM_NOW : AIM_AVERAGE;
    fit_prior_start(portfolio);
    fit_kinds_start(portfolio);
    fit_weekdays_start(portfolio);
    fit_attributes_start(portfolio);
    fit_walk_start(portfolio, as_of_now);
    enum mi_status status = fit_shared_start(portfolio, error);
    for (int i = 0; i < PASSES && status == MI_OK; i++) {
        portfolio->learning = i + 1 < PASSES;
        status = pass(portfolio, error);
        if (status != MI_OK || i + 1 == PASSES)
            break;
        fit_shared_learn(portfolio);
        fit_noise_learn(portfolio);
        fit_walk_learn(portfolio);
        fit_weekdays_learn(portfolio);
        fit_prior_learn(portfolio);
        status = fit_attributes_learn(portfolio, i == 0, error);
        if (status == MI_OK && i + 2 == PASSES)
            status = fit_trees_learn(portfolio, error);
        fit_kinds_learn(portfolio);
    }
    if (status == MI_OK && as_of_now) {
        portfolio->aim = AIM_BANDS;
        status = pass(portfolio, error);
        if (status == MI_OK)
            status = fit_level_now(portfolio, error);
    }
    fit_shared_free(portfolio);
    return status;
}
