/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Day effects that campaigns share: a network has good and bad days, and its conversions come in late. Each
 * date of a widest group is a log factor drawn to 0, whose spread is learnt (EM); it is told from the curves
 * because not all campaigns of a group change their spend on the same day.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "curve/fit.h"

#define SD_START         0.1
#define SD_LEAST         0.002
#define SD_MOST          0.5
#define HYPER            1.0 /* what is assumed at the start counts as so many days */
#define WEEKDAY_SD_START 0.05
#define WEEKDAY_HYPER    2.0 /* and so many groups' weekdays */
#define CELLS_MOST       4000000
#define STEP_MOST        0.5

size_t fit_shared_group(const struct prior *prior, size_t node) {
    while (node > 0 && prior->nodes[node].parent > 0)
        node = prior->nodes[node].parent;
    return node;
}

void fit_shared_free(struct portfolio *portfolio) {
    free(portfolio->shared.cells);
    free(portfolio->shared.weekdays);
    portfolio->shared.cells = NULL;
    portfolio->shared.weekdays = NULL;
}

enum mi_status fit_shared_start(struct portfolio *portfolio, struct mi_error *error) {
    struct shared *shared = &portfolio->shared;
    int32_t oldest = INT32_MAX, newest = INT32_MIN;
    fit_shared_free(portfolio);
    *shared = (struct shared){.sd = SD_START, .weekday_sd = WEEKDAY_SD_START, .within_week_sd = SD_START};
    for (size_t i = 0; i < portfolio->day_count; i++) {
        portfolio->days[i].effect = 0;
        oldest = portfolio->days[i].date < oldest ? portfolio->days[i].date : oldest;
        newest = portfolio->days[i].date > newest ? portfolio->days[i].date : newest;
    }
    if (!portfolio->dated || portfolio->day_count == 0 ||
        (double)portfolio->prior.node_count * ((double)newest - oldest + 1) > CELLS_MOST)
        return MI_OK;
    shared->oldest = oldest;
    shared->span = (size_t)(newest - oldest) + 1;
    shared->count = portfolio->prior.node_count * shared->span;
    shared->cells = calloc(shared->count, sizeof *shared->cells);
    shared->weekdays = calloc(portfolio->prior.node_count, sizeof *shared->weekdays);
    return shared->cells && shared->weekdays ? MI_OK : mi_no_memory(error);
}

static struct shared_cell *cell_of(const struct portfolio *portfolio, const struct campaign *campaign,
                                   const struct fit_day *day) {
    const struct shared *shared = &portfolio->shared;
    return &shared->cells[fit_shared_group(&portfolio->prior, campaign->node) * shared->span +
                          (size_t)(day->date - shared->oldest)];
}

void fit_shared_sum(struct portfolio *portfolio) {
    struct shared *shared = &portfolio->shared;
    for (size_t i = 0; i < shared->count; i++)
        shared->cells[i] = (struct shared_cell){.effect = shared->cells[i].effect};
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        const struct campaign *campaign = &portfolio->campaigns[i];
        for (size_t j = 0; j < campaign->count; j++) {
            const struct fit_day *day = &portfolio->days[campaign->first + j];
            struct shared_cell *cell = cell_of(portfolio, campaign, day);
            cell->gradient += (double)day->weight * (double)day->residual;
            cell->information += (double)day->weight;
            cell->rows++;
        }
    }
}

size_t fit_shared_weekday(const struct shared *shared, size_t day) {
    return (size_t)mi_date_weekday(shared->oldest + (int32_t)day);
}

/* A day of a group without what the week around it has in common; false where there is no such week. */
static bool within_week(const struct shared_cell *cells, size_t span, size_t day, double *effect) {
    double sum = 0;
    if (day < WEEKDAYS / 2 || day + WEEKDAYS / 2 >= span)
        return false;
    for (size_t d = day - WEEKDAYS / 2; d <= day + WEEKDAYS / 2; d++) {
        if (cells[d].rows < SHARED_ROWS_LEAST)
            return false;
        sum += cells[d].effect;
    }
    *effect = cells[day].effect - sum / WEEKDAYS;
    return true;
}

/* The weekdays of each group from its days, drawn to 0 by a spread that is learnt (EM). */
static void learn_weekdays(struct shared *shared) {
    double prior = shared->weekday_sd * shared->weekday_sd,
           noise = shared->within_week_sd * shared->within_week_sd;
    double squares = WEEKDAY_HYPER * WEEKDAY_SD_START * WEEKDAY_SD_START, all = WEEKDAY_HYPER;
    double noises = squares, days = WEEKDAY_HYPER;
    for (size_t group = 0; (group + 1) * shared->span <= shared->count; group++) {
        const struct shared_cell *cells = &shared->cells[group * shared->span];
        double sum[WEEKDAYS] = {0}, count[WEEKDAYS] = {0}, effect;
        for (size_t day = 0; day < shared->span; day++)
            if (within_week(cells, shared->span, day, &effect)) {
                sum[fit_shared_weekday(shared, day)] += effect;
                count[fit_shared_weekday(shared, day)]++;
                noises += pow(effect - shared->weekdays[group][fit_shared_weekday(shared, day)], 2);
                days++;
            }
        for (int w = 0; w < WEEKDAYS; w++) {
            shared->weekdays[group][w] = count[w] > 0 ? sum[w] / (count[w] + noise / prior) : 0;
            if (count[w] > 0) {
                squares += pow(shared->weekdays[group][w], 2) + 1 / (count[w] / noise + 1 / prior);
                all++;
            }
        }
    }
    shared->weekday_sd = fmax(sqrt(squares / all), SD_LEAST);
    shared->within_week_sd = fmax(sqrt(noises / days), SD_LEAST);
}

void fit_shared_learn(struct portfolio *portfolio) {
    struct shared *shared = &portfolio->shared;
    if (!shared->cells)
        return;
    double prior = 1 / (shared->sd * shared->sd), squares = HYPER * SD_START * SD_START, all = HYPER;
    fit_shared_sum(portfolio);
    for (size_t i = 0; i < shared->count; i++) {
        struct shared_cell *cell = &shared->cells[i];
        if (cell->rows < SHARED_ROWS_LEAST) {
            cell->effect = 0;
            continue;
        }
        double off =
            cell->effect - shared->weekdays[i / shared->span][fit_shared_weekday(shared, i % shared->span)];
        double step = (cell->gradient - prior * off) / (cell->information + prior);
        step = fmin(fmax(step, -STEP_MOST), STEP_MOST);
        cell->effect += step;
        squares += (off + step) * (off + step) + 1 / (cell->information + prior);
        all++;
    }
    if (portfolio->weekdays.used)
        learn_weekdays(shared);
    shared->sd = fmin(fmax(sqrt(squares / all), SD_LEAST), SD_MOST);
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        const struct campaign *campaign = &portfolio->campaigns[i];
        for (size_t j = 0; j < campaign->count; j++) {
            struct fit_day *day = &portfolio->days[campaign->first + j];
            day->effect = (float)cell_of(portfolio, campaign, day)->effect;
        }
    }
}
