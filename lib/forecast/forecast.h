/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the parts of lib/forecast share: a prepared series, the experts, and a combination of them.
 */
#ifndef MI_FORECAST_FORECAST_H
#define MI_FORECAST_FORECAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEEK     7
#define FARTHEST 365 /* days ahead, at most */

struct combination;

/* A series as the experts see it. */
struct series {
    size_t days;
    int first_weekday;
    double *value;           /* by day; NaN: missing, or a weekday that is structurally zero */
    double *log;             /* log(value); NULL where the series has no logs */
    bool tamed;              /* the last day was far from all before and was moved to their edge */
    bool live[WEEK];         /* by weekday: false where it is structurally zero */
    bool closed;             /* some weekday is */
    double scale, log_scale; /* usual size of a day's surprise */
    double log_most;         /* no log is forecast above: exponential growth ends */
    double *spend;           /* log of each day's spend, NaN: none, or not known; NULL: no spend is given */
    const struct combination
        *spend_forecast; /* what spend was and is forecast to be; NULL: no spend is given */
};

static inline size_t weekday_of(const struct series *series, size_t day) {
    return ((size_t)series->first_weekday + day) % WEEK;
}

/* A forecaster with fixed parameters. */
enum expert_kind { EXPERT_SMOOTHING, EXPERT_WALK, EXPERT_WEEKDAY_MEAN, EXPERT_YEAR, EXPERT_REGRESSION };

struct expert {
    enum expert_kind kind;
    bool logs;
    double level, trend, damping, season; /* of smoothing */
    double profile;                       /* of a walk: share of the weekday profile that is taken */
    size_t span;                          /* of a walk: days over which the drift is measured; 0: none */
    size_t weeks;                         /* of a weekday mean, or around the day a year ago */
};

/* Parameters by which some are found again. */
#define LEVEL_SLOWEST 0.02
#define LEVEL_FASTEST 0.7
#define SEASON_SLOW   0.04
#define WEEKS_LONGEST 26

#define EXPERTS_MOST 80
size_t expert_list(struct expert *experts);

/* Receives what an expert says at the end of day `origin` of the days asked for. */
typedef void expert_receiver(void *context, size_t origin, const double *path);

/* When an expert is asked, at the end of days first, first + apart, ... and of the last day; and for what:
 * days step[0], step[1], ... after that. */
struct asking {
    size_t first, apart;
    const size_t *step;
    const unsigned char *phase; /* step[k] modulo 7 */
    size_t steps;
    expert_receiver *receive;
    void *context;
    bool *no_memory; /* is set where an expert has no room */
};

/* Runs an expert over a series; it may be silent at origins where it knows too little. */
void expert_run(const struct expert *expert, const struct series *series, const struct asking *asking);

void expert_run_regression(const struct expert *expert, const struct series *series,
                           const struct asking *asking);

/* Within an expert: whether it is asked at the end of a day; and its answer, as logs where it is one of logs.
 */
bool expert_asked(const struct asking *asking, const struct series *series, size_t day);
void expert_answer(const struct expert *expert, const struct series *series, const struct asking *asking,
                   size_t day, double *path);

#endif
