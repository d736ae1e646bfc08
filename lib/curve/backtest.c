/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which family extrapolates best: each is fitted to the days below the 70th percentile of every campaign's
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
#define PERCENTILE       0.7
#define REACH_NEEDED     1.1 /* mean spend above over highest below: else nothing is extrapolated */

#define LEAD_NEEDED                                                                                          \
    2.0 /* standard errors by which a family must beat the first, which holds the most curves */

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

/* |log(predicted / actual)| of the users on the days above the cut. */
static double held_out_error(const struct portfolio *portfolio, const struct cut *cut,
                             const struct portfolio *training, const struct campaign *fitted) {
    const struct campaign *campaign = &portfolio->campaigns[cut->campaign];
    struct mi_curve curve;
    double triangle[MI_CURVE_COVARIANCE_MOST], predicted = 0, actual = 0;
    double covariance[PARAMETERS][PARAMETERS] = {{0}};
    fit_family_curve(training->family, fitted->parameter, covariance, fitted->spend_max, &curve, triangle);
    for (size_t k = 0; k < campaign->count; k++) {
        const struct fit_day *day = &portfolio->days[campaign->first + k];
        if (!(day->spend > cut->threshold))
            continue;
        double factor = training->weekdays.used ? exp(fitted->weekday[mi_date_weekday(day->date)]) : 1;
        predicted += factor * mi_curve_users(&curve, day->spend);
        actual += day->users;
    }
    return fabs(log(predicted / actual));
}

/* Errors of one family for every cut. */
static enum mi_status try_family(const struct portfolio *portfolio, const struct cut *cuts, size_t count,
                                 struct portfolio *training, double *errors, struct mi_error *error) {
    fill_training(portfolio, cuts, count, training);
    enum mi_status status = fit_portfolio_fit(training, error);
    for (size_t i = 0; i < count && status == MI_OK; i++)
        errors[i] = held_out_error(portfolio, &cuts[i], training, &training->campaigns[i]);
    return status;
}

/* By how many of its standard errors the mean of `errors` lies below that of `reference`. */
static double lead(const double *reference, const double *errors, size_t count) {
    double sum = 0, squares = 0, n = (double)count;
    for (size_t i = 0; i < count; i++) {
        double difference = reference[i] - errors[i];
        sum += difference;
        squares += difference * difference;
    }
    double variance = (squares - sum * sum / n) / (n - 1);
    return variance > 0 ? sum / sqrt(n * variance) : 0;
}

static double mean_of(const double *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (double)count;
}

static enum mi_status run(const struct portfolio *portfolio, const struct cut *cuts, size_t count,
                          struct portfolio *training, struct backtest *backtest, struct mi_error *error) {
    double first[CAMPAIGNS_MOST], errors[CAMPAIGNS_MOST], furthest = LEAD_NEEDED;
    for (size_t k = 0; k < BACKTEST_FAMILIES; k++) {
        backtest->family[k] = fit_family_of(candidates[k]);
        training->family = backtest->family[k];
        enum mi_status status = try_family(portfolio, cuts, count, training, k ? errors : first, error);
        if (status != MI_OK)
            return status;
        backtest->error[k] = mean_of(k ? errors : first, count);
        if (k > 0 && lead(first, errors, count) > furthest) {
            furthest = lead(first, errors, count);
            backtest->best = k;
        }
    }
    backtest->done = true;
    return MI_OK;
}

enum mi_status fit_portfolio_backtest(const struct portfolio *portfolio, struct backtest *backtest,
                                      struct mi_error *error) {
    *backtest = (struct backtest){0};
    size_t stride = portfolio->campaign_count / CAMPAIGNS_MOST + 1, count = 0, rows = 0, most = 0;
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
