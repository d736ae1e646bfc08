/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Day effects that campaigns share: a network has good and bad days, and its conversions come in late. Each
 * date of a widest group is a log factor drawn to 0, whose spread is learnt (EM); it is told from the curves
 * because not all campaigns of a group change their spend on the same day.
 */
#include <math.h>
#include <stdlib.h>

#include "curve/fit.h"

#define SD_START          0.1
#define SD_LEAST          0.002
#define SD_MOST           0.5
#define HYPER             1.0 /* what is assumed at the start counts as so many days */
#define SHARED_ROWS_LEAST 3   /* campaigns of a day; below, there is no telling it from noise */
#define CELLS_MOST        4000000
#define STEP_MOST         0.5

size_t fit_shared_group(const struct prior *prior, size_t node) {
    while (node > 0 && prior->nodes[node].parent > 0)
        node = prior->nodes[node].parent;
    return node;
}

void fit_shared_free(struct portfolio *portfolio) {
    free(portfolio->shared.cells);
    portfolio->shared.cells = NULL;
}

enum mi_status fit_shared_start(struct portfolio *portfolio, struct mi_error *error) {
    struct shared *shared = &portfolio->shared;
    int32_t oldest = INT32_MAX, newest = INT32_MIN;
    fit_shared_free(portfolio);
    *shared = (struct shared){.sd = SD_START};
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
    return shared->cells ? MI_OK : mi_error_set(error, MI_NO_MEMORY, "out of memory");
}

static struct shared_cell *cell_of(const struct portfolio *portfolio, const struct campaign *campaign,
                                   const struct fit_day *day) {
    const struct shared *shared = &portfolio->shared;
    return &shared->cells[fit_shared_group(&portfolio->prior, campaign->node) * shared->span +
                          (size_t)(day->date - shared->oldest)];
}

void fit_shared_learn(struct portfolio *portfolio) {
    struct shared *shared = &portfolio->shared;
    if (!shared->cells)
        return;
    double prior = 1 / (shared->sd * shared->sd), squares = HYPER * SD_START * SD_START, all = HYPER;
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
    for (size_t i = 0; i < shared->count; i++) {
        struct shared_cell *cell = &shared->cells[i];
        if (cell->rows < SHARED_ROWS_LEAST) {
            cell->effect = 0;
            continue;
        }
        double step = (cell->gradient - prior * cell->effect) / (cell->information + prior);
        cell->effect += fmin(fmax(step, -STEP_MOST), STEP_MOST);
        squares += cell->effect * cell->effect + 1 / (cell->information + prior);
        all++;
    }
    shared->sd = fmin(fmax(sqrt(squares / all), SD_LEAST), SD_MOST);
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        const struct campaign *campaign = &portfolio->campaigns[i];
        for (size_t j = 0; j < campaign->count; j++) {
            struct fit_day *day = &portfolio->days[campaign->first + j];
            day->effect = (float)cell_of(portfolio, campaign, day)->effect;
        }
    }
}
