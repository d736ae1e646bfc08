/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a holiday does to a day: its value over that of the same weekday of the weeks around it, the mean of
 * the holiday's past dates drawn to no effect as far as ordinary days differ so, too (normal prior and
 * likelihood; the prior's variance by moments over the series' holidays).
 */
#include "forecast/holiday.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WEEKS_AROUND 2    /* before and after, whose same weekday is the measure */
#define AROUND_LEAST 2    /* of them, that must be known */
#define SPREAD_LEAST 0.02 /* of ordinary days about that measure */
#define PRIOR_LEAST  0.1  /* standard deviation of effects */
#define NOTHING_LEFT 0.2  /* a factor below which the day says nothing of an ordinary one */
#define FACTOR_LEAST 0.01

/* A holiday's date within the series, or ahead. */
struct dated {
    size_t name;
    int32_t day;  /* from the start of the series */
    double ratio; /* to what an ordinary day would be; NaN: not known */
};

static int compare_dated(const void *left, const void *right) {
    const struct dated *a = left, *b = right;
    if (a->name != b->name)
        return (a->name > b->name) - (a->name < b->name);
    return (a->day > b->day) - (a->day < b->day);
}

static int compare_numbers(const void *left, const void *right) {
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* A day over the mean of the same weekdays around it that are no holidays; NaN where too few are known. */
static double ratio_at(const double *value, const bool *special, size_t days, size_t t) {
    double sum = 0;
    size_t n = 0;
    for (size_t k = 1; k <= WEEKS_AROUND; k++) {
        size_t back = k * WEEK;
        if (t >= back && !special[t - back] && !isnan(value[t - back])) {
            sum += value[t - back];
            n++;
        }
        if (t + back < days && !special[t + back] && !isnan(value[t + back])) {
            sum += value[t + back];
            n++;
        }
    }
    return n >= AROUND_LEAST && sum > 0 ? value[t] / (sum / (double)n) : NAN;
}

/* How far ordinary days lie from 1, robustly: median distance, as a normal's standard deviation. */
static double usual_spread(const double *value, const bool *special, size_t days, double *room) {
    size_t n = 0;
    for (size_t t = 0; t < days; t++) {
        double ratio = special[t] ? NAN : ratio_at(value, special, days, t);
        if (!isnan(ratio))
            room[n++] = fabs(ratio - 1);
    }
    if (n == 0)
        return INFINITY;
    qsort(room, n, sizeof *room, compare_numbers);
    return fmax(SPREAD_LEAST, 1.4826 * room[n / 2]);
}

/* One holiday's dates. */
struct learning {
    struct dated *dates;
    size_t count;
    double sum, n; /* of known ratios less 1 */
};

static struct learning next_holiday(struct dated *dates, size_t from, size_t count) {
    struct learning l = {.dates = dates + from};
    for (size_t i = from; i < count && dates[i].name == dates[from].name; i++) {
        l.count++;
        if (!isnan(dates[i].ratio)) {
            l.sum += dates[i].ratio - 1;
            l.n++;
        }
    }
    return l;
}

/* Variance of effects over the holidays, by moments. */
static double prior_variance(struct dated *dates, size_t count, double noise) {
    double sum = 0, n = 0;
    for (size_t from = 0; from < count;) {
        struct learning l = next_holiday(dates, from, count);
        if (l.n > 0) {
            sum += l.sum / l.n * (l.sum / l.n) - noise / l.n;
            n++;
        }
        from += l.count;
    }
    return fmax(PRIOR_LEAST * PRIOR_LEAST, n > 0 ? sum / n : 0);
}

static void apply(const struct learning *l, double noise, double prior, double *value, size_t days,
                  struct holiday_effect *ahead, size_t ahead_days) {
    if (!(l->n > 0) || isinf(noise))
        return;
    const double share = l->n * prior / (l->n * prior + noise);
    const double effect = 1 + share * l->sum / l->n;
    const double factor = fmax(FACTOR_LEAST, effect);
    /* the next one differs as the past ones do, which are few: at least a fifth of the effect */
    const double error = sqrt(share * noise / l->n + 0.04 * (factor - 1) * (factor - 1));
    for (size_t i = 0; i < l->count; i++) {
        int32_t day = l->dates[i].day;
        if (day >= 0 && (size_t)day < days)
            value[day] = effect < NOTHING_LEFT ? NAN : value[day] / factor;
        else if (day >= (int32_t)days && (size_t)day - days < ahead_days)
            ahead[(size_t)day - days] = (struct holiday_effect){factor, error};
    }
}

static void learn(double *value, size_t days, struct dated *dates, size_t count, bool *special, double *room,
                  struct holiday_effect *ahead, size_t ahead_days) {
    for (size_t i = 0; i < count; i++)
        if (dates[i].day >= 0 && (size_t)dates[i].day < days)
            special[dates[i].day] = true;
    for (size_t i = 0; i < count; i++)
        dates[i].ratio = dates[i].day >= 0 && (size_t)dates[i].day < days
                             ? ratio_at(value, special, days, (size_t)dates[i].day)
                             : NAN;
    const double spread = usual_spread(value, special, days, room), noise = spread * spread;
    qsort(dates, count, sizeof *dates, compare_dated);
    const double prior = prior_variance(dates, count, noise);
    for (size_t from = 0; from < count;) {
        struct learning l = next_holiday(dates, from, count);
        apply(&l, noise, prior, value, days, ahead, ahead_days);
        from += l.count;
    }
}

enum mi_status holidays_take_out(double *value, int32_t start, size_t days, const struct mi_holiday *holidays,
                                 size_t count, struct holiday_effect *ahead, size_t ahead_days,
                                 struct mi_error *error) {
    for (size_t h = 0; h < ahead_days; h++)
        ahead[h] = (struct holiday_effect){1, 0};
    if (count == 0)
        return MI_OK;
    struct dated *dates = malloc(count * sizeof *dates);
    bool *special = calloc(days, sizeof *special);
    double *room = malloc(days * sizeof *room);
    enum mi_status status = dates && special && room ? MI_OK : mi_no_memory(error);
    for (size_t i = 0; !status && i < count; i++)
        dates[i] = (struct dated){holidays[i].name, holidays[i].date - start, NAN};
    if (!status)
        learn(value, days, dates, count, special, room, ahead, ahead_days);
    free(dates);
    free(special);
    free(room);
    return status;
}
