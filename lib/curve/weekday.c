/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Weekday effects: each campaign's factors for Monday to Sunday, logs drawn to the portfolio's, their mean
 * over the week 1, so that a curve is users per average weekday.
 */
#include <math.h>

#include "curve/fit.h"

#define SD_START 0.1
#define SD_LEAST 0.02
#define SD_MOST  0.5
#define WEEKS    2   /* of dates needed */
#define HYPER    7.0 /* what is assumed at the start counts as so many campaign-weekdays */

/* Subtracts what makes the factors' mean 1. */
static void centre(double log_effect[WEEKDAYS]) {
    double sum = 0;
    for (int day = 0; day < WEEKDAYS; day++)
        sum += exp(log_effect[day]);
    for (int day = 0; day < WEEKDAYS; day++)
        log_effect[day] -= log(sum / WEEKDAYS);
}

void fit_weekdays_start(struct portfolio *portfolio) {
    portfolio->weekdays = (struct weekdays){.sd = SD_START};
    size_t seen[WEEKDAYS] = {0};
    int32_t oldest = INT32_MAX, newest = INT32_MIN;
    for (size_t i = 0; portfolio->dated && i < portfolio->day_count; i++) {
        int32_t date = portfolio->days[i].date;
        seen[mi_date_weekday(date)]++;
        oldest = date < oldest ? date : oldest;
        newest = date > newest ? date : newest;
    }
    bool used = portfolio->dated && (int64_t)newest - oldest >= WEEKS * WEEKDAYS - 1;
    for (int day = 0; day < WEEKDAYS; day++)
        used = used && seen[day] > 0;
    portfolio->weekdays.used = used;
}

void fit_weekdays_learn(struct portfolio *portfolio) {
    struct weekdays *weekdays = &portfolio->weekdays;
    if (!weekdays->used)
        return;
    double sum[WEEKDAYS] = {0}, count[WEEKDAYS] = {0}, squares = HYPER * SD_START * SD_START, all = HYPER;
    double prior = 1 / (weekdays->sd * weekdays->sd);
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        const struct campaign *campaign = &portfolio->campaigns[i];
        for (int day = 0; day < WEEKDAYS; day++) {
            double information = campaign->weekday_information[day];
            if (!(information > 0))
                continue;
            sum[day] += campaign->weekday[day];
            count[day]++;
            double off = campaign->weekday[day] - weekdays->mean[day];
            squares += off * off + 1 / (information + prior);
            all++;
        }
    }
    for (int day = 0; day < WEEKDAYS; day++)
        weekdays->mean[day] = sum[day] / (count[day] + 1); /* one campaign without effects */
    centre(weekdays->mean);
    weekdays->sd = fmin(fmax(sqrt(squares / all), SD_LEAST), SD_MOST);
}

void fit_weekdays_step(const struct weekdays *weekdays, struct campaign *campaign,
                       const double gradient[WEEKDAYS], const double information[WEEKDAYS]) {
    double prior = 1 / (weekdays->sd * weekdays->sd);
    for (int day = 0; day < WEEKDAYS; day++) {
        double pull = prior * (weekdays->mean[day] - campaign->weekday[day]);
        double step = (gradient[day] + pull) / (information[day] + prior);
        campaign->weekday[day] += fmin(fmax(step, -0.5), 0.5);
        campaign->weekday_information[day] = information[day];
    }
    centre(campaign->weekday);
}
