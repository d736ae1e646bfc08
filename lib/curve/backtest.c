/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which family extrapolates best: each is fitted to the days below the median of every campaign's
 * spend and predicts the users of the days above. Likelihood within the data does not decide: it says little
 * about what lies beyond them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "curve/fit.h"

#define CAMPAIGNS_MOST   100 /* taken evenly from the portfolio */
#define CAMPAIGNS_NEEDED 8
#define ROWS_NEEDED      8
#define PERCENTILE       0.5
#define REACH_NEEDED     1.1 /* mean spend above over highest below: else nothing is extrapolated */

#define SHIFT_STEPS     6
#define SCALE_LEAST     0.7 /* of the bands' standard deviations */
#define SCALE_MOST      3.0
#define SCALE_NOISE     1.25 /* a scale within this factor of 1 is chance */
#define SCALE_CAMPAIGNS 25.0 /* what is assumed (1) counts as so many campaigns */

/* Standard errors by which a family must beat the first, which holds the most curves. */
#define LEAD_NEEDED 1.5
/* Where the first beats those of one shape parameter by so many, what it says of the curve's bend beyond the
 * data is believed; by so few, not: then the misfit is nearly that of a family of one shape parameter. */
#define EARNED         2.2
#define NOT_EARNED     0.8
#define DOUBTED_MISFIT 0.11

static const enum mi_curve_family candidates[BACKTEST_FAMILIES] = {MI_CURVE_HILL, MI_CURVE_MM, MI_CURVE_EXP};

/* A campaign cut at its percentile: rows of the training portfolio, and those held out. */
struct cut {
    size_t campaign;
    double threshold;
};

static int compare_spends(const void *a, const void *b) {
    double x = ((const struct fit_day *)a)->spend, y = ((const struct fit_day *)b)->spend;
    return (x > y) - (x < y);
}

/* Whether a campaign can be cut, and where. room: for its rows. */
static bool find_cut(const struct portfolio *portfolio, const struct campaign *campaign, struct fit_day *room,
                     double *threshold) {
    if (campaign->obstacle != OBSTACLE_NONE || campaign->count < ROWS_NEEDED)
        return false;
    memcpy(room, portfolio->days + campaign->first, campaign->count * sizeof *room);
    qsort(room, campaign->count, sizeof *room, compare_spends);
    size_t below = (size_t)(PERCENTILE * (double)campaign->count);
    *threshold = room[below - 1].spend;
    double above = 0, users = 0, users_below = 0;
    size_t held = 0;
    for (size_t i = 0; i < campaign->count; i++) {
        if (room[i].spend > *threshold) {
            above += room[i].spend;
            users += room[i].users;
            held++;
        } else {
            users_below += room[i].users;
        }
    }
    return held > 0 && users > 0 && users_below > 0 && *threshold > 1.02 * room[0].spend &&
           above / (double)held > REACH_NEEDED * *threshold;
}

/* Copies the rows below the cuts into a portfolio of their own. */
static void fill_training(const struct portfolio *portfolio, const struct cut *cuts, size_t count,
                          struct portfolio *training) {
    training->day_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct campaign *from = &portfolio->campaigns[cuts[i].campaign];
        struct campaign *to = &training->campaigns[i];
        *to = (struct campaign){.first = training->day_count};
        for (size_t k = 0; k < from->count; k++) {
            struct fit_day day = portfolio->days[from->first + k];
            if (day.spend > cuts[i].threshold)
                continue;
            day.campaign = (uint32_t)i;
            training->days[training->day_count++] = day;
        }
        to->count = training->day_count - to->first;
    }
    training->campaign_count = count;
    fit_portfolio_summarise(training);
}

/* How a campaign's prediction came out. */
struct outcome {
    double shift;    /* log(actual / predicted) of the days above the cut, outliers down-weighted */
    double noise;    /* variance of that from the days' own noise */
    double variance; /* that the curve says of itself there */
};

/* The shift by iteratively reweighted steps: a day's noise is that which the fit learnt. */
static struct outcome compare(const struct portfolio *portfolio, const struct cut *cut,
                              const struct portfolio *training, const struct campaign *fitted) {
    const struct campaign *campaign = &portfolio->campaigns[cut->campaign];
    const struct noise *noise = &training->noise;
    struct mi_curve curve;
    struct outcome outcome = {0};
    double triangle[MI_CURVE_COVARIANCE_MOST], covariance[PARAMETERS][PARAMETERS];
    memcpy(covariance, fitted->curve_covariance, sizeof covariance);
    fit_family_curve(training->family, fitted->parameter, covariance, fitted->spend_max, &curve, triangle);
    for (int step = 0; step < SHIFT_STEPS; step++) {
        double information = 0, gradient = 0, spend = 0, width = fmax(1, SHIFT_STEPS / 2 - step);
        for (size_t k = 0; k < campaign->count; k++) {
            const struct fit_day *day = &portfolio->days[campaign->first + k];
            if (!(day->spend > cut->threshold))
                continue;
            double factor = training->weekdays.used ? exp(fitted->weekday[mi_date_weekday(day->date)]) : 1;
            double mean =
                factor * mi_curve_users(&curve, day->spend) * exp(outcome.shift + (double)day->known);
            double residual = fit_noise_stabilise(noise, fitted->dispersion, day->users) -
                              fit_noise_stabilise(noise, fitted->dispersion, mean);
            double weight = fit_noise_regular(noise, residual / width) * mean * mean /
                            fit_noise_variance(noise, fitted->dispersion, mean);
            information += weight;
            gradient += weight * (day->users / mean - 1);
            spend += weight * log(day->spend);
        }
        double move = gradient / (information + 1e-9);
        outcome.shift += fmin(fmax(move, -0.7), 0.7);
        outcome.noise = 1 / (information + 1e-9);
        outcome.variance = mi_curve_log_users_sd(&curve, triangle, exp(spend / (information + 1e-9)));
    }
    outcome.variance *= outcome.variance;
    return outcome;
}

/* Outcomes of one family for every cut. */
static enum mi_status try_family(const struct portfolio *portfolio, const struct cut *cuts, size_t count,
                                 struct portfolio *training, struct outcome *outcomes,
                                 struct mi_error *error) {
    fill_training(portfolio, cuts, count, training);
    enum mi_status status = fit_portfolio_fit(training, false, error);
    for (size_t i = 0; i < count && status == MI_OK; i++)
        outcomes[i] = compare(portfolio, &cuts[i], training, &training->campaigns[i]);
    return status;
}

/* Share of the outcomes that an 80 % band holds whose curve's standard deviations are scaled. */
static double share_within(const struct outcome *outcomes, size_t count, double scale) {
    double z = mi_curve_interval_z(MI_INTERVAL), inside = 0;
    for (size_t i = 0; i < count; i++)
        inside +=
            fabs(outcomes[i].shift) <= z * sqrt(scale * scale * outcomes[i].variance + outcomes[i].noise);
    return inside / (double)count;
}

/* The scale at which the bands would have covered 80 %, drawn to 1 by how few campaigns say so. */
static double calibrate(const struct outcome *outcomes, size_t count) {
    double low = SCALE_LEAST, high = SCALE_MOST;
    for (int i = 0; i < 30; i++) {
        double middle = sqrt(low * high);
        if (share_within(outcomes, count, middle) < MI_INTERVAL)
            low = middle;
        else
            high = middle;
    }
    double scale = pow(sqrt(low * high), (double)count / ((double)count + SCALE_CAMPAIGNS));
    return scale > 1 ? fmax(1, scale / SCALE_NOISE) : fmin(1, scale * SCALE_NOISE);
}

/* By how many of its standard errors the mean of `errors` lies below that of `reference`. */
static double lead(const struct outcome *reference, const struct outcome *outcomes, size_t count) {
    double sum = 0, squares = 0, n = (double)count;
    for (size_t i = 0; i < count; i++) {
        double difference = fabs(reference[i].shift) - fabs(outcomes[i].shift);
        sum += difference;
        squares += difference * difference;
    }
    double variance = (squares - sum * sum / n) / (n - 1);
    return variance > 0 ? sum / sqrt(n * variance) : 0;
}

static double error_of(const struct outcome *outcomes, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += fabs(outcomes[i].shift);
    return sum / (double)count;
}

/* nearest: of the others' leads over the first. */
static double misfit_of(const struct backtest *backtest, double nearest) {
    double own = backtest->family[backtest->best]->misfit;
    if (backtest->best > 0)
        return own;
    double doubt = fmin(fmax((nearest + EARNED) / (EARNED - NOT_EARNED), 0), 1);
    return own + doubt * (DOUBTED_MISFIT - own);
}

static enum mi_status run(const struct portfolio *portfolio, const struct cut *cuts, size_t count,
                          struct portfolio *training, struct backtest *backtest, struct mi_error *error) {
    struct outcome first[CAMPAIGNS_MOST], outcomes[CAMPAIGNS_MOST];
    double furthest = LEAD_NEEDED, nearest = -INFINITY;
    for (size_t k = 0; k < BACKTEST_FAMILIES; k++) {
        struct outcome *these = k ? outcomes : first;
        backtest->family[k] = fit_family_of(candidates[k]);
        training->family = backtest->family[k];
        training->misfit = training->family->misfit;
        enum mi_status status = try_family(portfolio, cuts, count, training, these, error);
        if (status != MI_OK)
            return status;
        backtest->error[k] = error_of(these, count);
        double ahead = k ? lead(first, these, count) : 0;
        nearest = k ? fmax(nearest, ahead) : nearest;
        if (k > 0 && !(ahead > furthest))
            continue;
        backtest->best = k;
        backtest->scale = calibrate(these, count);
        furthest = k ? ahead : furthest;
    }
    backtest->misfit = misfit_of(backtest, nearest);
    backtest->done = true;
    return MI_OK;
}

enum mi_status fit_portfolio_backtest(const struct portfolio *portfolio, struct backtest *backtest,
                                      struct mi_error *error) {
    *backtest = (struct backtest){.scale = 1};
    size_t stride = (portfolio->campaign_count + CAMPAIGNS_MOST - 1) / CAMPAIGNS_MOST, count = 0, rows = 0,
           most = 0;
    for (size_t i = 0; i < portfolio->campaign_count; i++)
        most = portfolio->campaigns[i].count > most ? portfolio->campaigns[i].count : most;
    struct cut *cuts = calloc(CAMPAIGNS_MOST, sizeof *cuts);
    struct fit_day *room = calloc(most + 1, sizeof *room);
    enum mi_status status = cuts && room ? MI_OK : mi_error_set(error, MI_NO_MEMORY, "out of memory");
    for (size_t i = 0; status == MI_OK && i < portfolio->campaign_count && count < CAMPAIGNS_MOST;
         i += stride) {
        if (!find_cut(portfolio, &portfolio->campaigns[i], room, &cuts[count].threshold))
            continue;
        cuts[count++].campaign = i;
        rows += portfolio->campaigns[i].count;
    }
    struct node root = {0};
    struct portfolio training = {
        .prior = {.nodes = &root, .node_count = 1}, .dated = portfolio->dated, .threads = portfolio->threads};
    if (status == MI_OK && count >= CAMPAIGNS_NEEDED) {
        training.days = calloc(rows + 1, sizeof *training.days);
        training.campaigns = calloc(count, sizeof *training.campaigns);
        training.room = calloc(count, sizeof *training.room);
        status = training.days && training.campaigns && training.room
                     ? run(portfolio, cuts, count, &training, backtest, error)
                     : mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    free(training.room);
    free(training.campaigns);
    free(training.days);
    free(room);
    free(cuts);
    return status;
}
