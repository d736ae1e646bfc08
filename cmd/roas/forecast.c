/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-roas forecast: daily series to horizons, or to days. Series are independent of each other: threads take
 * them in turn, results are written in order.
 */
#include "roas/forecast.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "roas/holidays.h"
#include "roas/plan.h"
#include "roas/series.h"

#define HORIZONS_MOST 32
#define THREADS_MOST  64

static struct forecast_options {
    const char *value, *spend, *horizons, *plan, *holidays;
    struct series_options series;
    double level;
    bool daily;
} options;

const struct option_spec forecast_table[] = {
    {.name = "value",
     .kind = OPTION_TEXT,
     .target = &options.value,
     .argument = "COLUMN",
     .help = "what is forecast",
     .otherwise = "revenue"},
    {.name = "spend",
     .kind = OPTION_TEXT,
     .target = &options.spend,
     .argument = "COLUMN",
     .help = "forecast this too, and the ratio of the two: ROAS"},
    {.name = "by",
     .kind = OPTION_TEXT,
     .target = &options.series.by,
     .argument = "COLUMN,...",
     .help = "columns that tell series apart (else campaign_id, where it is there)"},
    {.name = "horizons",
     .kind = OPTION_TEXT,
     .target = &options.horizons,
     .argument = "DAYS,...",
     .help = "days ahead, 1 to 365 each",
     .otherwise = "7,14,30,90"},
    {.name = "daily",
     .kind = OPTION_FLAG,
     .target = &options.daily,
     .help = "one row a day up to the last horizon, instead of totals"},
    {.name = "plan",
     .kind = OPTION_TEXT,
     .target = &options.plan,
     .argument = "FILE",
     .help = "planned spend, by the columns of --by; with 'date' of each day, else a\n"
             "day; with 'curve' revenue follows that (needs --spend)"},
    {.name = "holidays",
     .kind = OPTION_TEXT,
     .target = &options.holidays,
     .argument = "FILE",
     .help = "their dates, past and to come, with 'holiday', its name, where a date alone does\n"
             "not tell: what they did is expected of them again"},
    {.name = "as-of",
     .kind = OPTION_TEXT,
     .target = &options.series.as_of,
     .argument = "DATE",
     .help = "last day that counts (else the newest date)"},
    {.name = "gaps",
     .kind = OPTION_CHOICE,
     .target = &options.series.gaps,
     .choices = "unknown|zero",
     .argument = "WHAT",
     .help = "what a day without a row is",
     .otherwise = "unknown"},
    {.name = "duplicates",
     .kind = OPTION_CHOICE,
     .target = &options.series.duplicates,
     .choices = "error|sum",
     .argument = "WHAT",
     .help = "what two rows of a series and day are",
     .otherwise = "error"},
    {.name = "level",
     .kind = OPTION_NUMBER,
     .target = &options.level,
     .low = 0.5,
     .high = 0.99,
     .argument = "SHARE",
     .help = "probability that an interval covers",
     .otherwise = "0.8"},
    {.name = NULL},
};

const char forecast_details[] =
    "Reads date and the columns of --value, --spend and --by. Writes one row a series\n"
    "and horizon: horizon, forecast_VALUE and VALUE_lo, VALUE_hi of the sum over those\n"
    "days, with --spend forecast_roas, roas_lo, roas_hi and forecast_SPEND, SPEND_lo,\n"
    "SPEND_hi, then kind and days (known, of the series). With --daily one row a\n"
    "series and day: date, step, predicted, lo, hi. Intervals hold 80 % (--level).\n"
    "All series end on the newest date of the input. Holds its input in memory and\n"
    "reads it once.\n";

/* ---- results ---- */

#define SAME_SPEND 1e-9 /* relative: totals of one spend differ by rounding */

struct horizon_result {
    struct mi_forecast_range value, spend, roas;
};

struct result {
    bool made;
    bool unknown; /* the plan spends where nothing is spent: revenue is not known */
    bool no_band;
    bool last_odd; /* the last day is far from all before */
    enum mi_forecast_kind kind;
    struct horizon_result horizons[HORIZONS_MOST];
    struct mi_forecast_range *days;
};

struct forecast {
    struct stream stream;
    struct series_set set;
    struct plans plans;
    struct holidays holidays;
    size_t horizons[HORIZONS_MOST], horizon_count, farthest;
    struct result *results;
};

static enum mi_status parse_horizons(struct forecast *f, struct mi_error *error) {
    char *text = mi_text_copy(mi_text_of(options.horizons)), *rest = NULL;
    enum mi_status status = text ? MI_OK : no_memory(error);
    for (char *one = text ? strtok_r(text, ",", &rest) : NULL; one && !status;
         one = strtok_r(NULL, ",", &rest)) {
        double days;
        if (!mi_number_parse(mi_text_of(one), &days) || days < 1 || days > MI_FORECAST_DAYS_MOST ||
            days != floor(days))
            status = mi_error_set(error, MI_BAD_ARGUMENT,
                                  "option --horizons: not a number of days, 1 to %d: \"%s\"",
                                  MI_FORECAST_DAYS_MOST, one);
        else if (f->horizon_count == HORIZONS_MOST)
            status = mi_error_set(error, MI_BAD_ARGUMENT, "option --horizons: %d at most", HORIZONS_MOST);
        else
            f->horizons[f->horizon_count++] = (size_t)days;
    }
    free(text);
    for (size_t i = 0; i < f->horizon_count; i++)
        if (f->horizons[i] > f->farthest)
            f->farthest = f->horizons[i];
    if (!status && f->horizon_count == 0)
        status = mi_error_set(error, MI_BAD_ARGUMENT, "option --horizons: empty");
    return status;
}

/* ---- one series ---- */

struct pair {
    struct mi_series value, spend;
    struct mi_forecast *value_forecast, *spend_forecast;
};

static enum mi_status take_results(const struct forecast *f, const struct pair *pair, struct result *result,
                                   struct mi_error *error) {
    const struct mi_forecast_range missing = {NAN, NAN, NAN};
    enum mi_status status = MI_OK;
    result->kind = mi_forecast_kind(pair->value_forecast);
    for (size_t i = 0; i < f->horizon_count && !status; i++) {
        struct horizon_result *horizon = &result->horizons[i];
        mi_forecast_total(pair->value_forecast, f->horizons[i], &horizon->value);
        result->no_band |= isnan(horizon->value.low);
        horizon->spend = horizon->roas = missing;
        if (!pair->spend_forecast)
            continue;
        mi_forecast_total(pair->spend_forecast, f->horizons[i], &horizon->spend);
        status = mi_forecast_ratio(pair->value_forecast, pair->spend_forecast, f->horizons[i], &horizon->roas,
                                   error);
        if (result->unknown) {
            horizon->value = horizon->roas = missing;
        } else if (horizon->spend.low == horizon->spend.high && !isnan(horizon->roas.low)) {
            /* spend is planned: the revenue errs as the ratio does */
            horizon->value.low = horizon->roas.low * horizon->spend.predicted;
            horizon->value.high = horizon->roas.high * horizon->spend.predicted;
        } else if (horizon->spend.high - horizon->spend.low <= SAME_SPEND * horizon->spend.predicted &&
                   !isnan(horizon->roas.low)) {
            /* spend never differed: the ratio errs as the revenue does */
            horizon->roas.low = horizon->value.low / horizon->spend.predicted;
            horizon->roas.high = horizon->value.high / horizon->spend.predicted;
        }
    }
    for (size_t step = 1; step <= f->farthest && result->days; step++) {
        mi_forecast_day(pair->value_forecast, step, &result->days[step - 1]);
        if (result->unknown)
            result->days[step - 1] = missing;
    }
    return status;
}

static enum mi_status forecast_one(const struct forecast *f, size_t number, struct result *result,
                                   struct mi_error *error) {
    const struct one_series *series = &f->set.items[number];
    struct mi_forecast_options wanted = {.days = f->farthest,
                                         .level = options.level,
                                         .holidays = f->holidays.items,
                                         .holiday_count = f->holidays.count};
    const int32_t start = f->set.end - (int32_t)series->days + 1;
    struct pair pair = {.value = {start, series->days, NULL}};
    if (series->known == 0)
        return MI_OK;
    pair.value.value = series->values[0];
    if (options.daily) {
        result->days = malloc(f->farthest * sizeof *result->days);
        if (!result->days)
            return no_memory(error);
    }
    enum mi_status status = MI_OK;
    if (options.spend) {
        pair.spend = (struct mi_series){start, series->days, series->values[1]};
        status = mi_forecast_series(&pair.spend, &wanted, &pair.spend_forecast, error);
        if (status == MI_BAD_ARGUMENT) /* no day of spend is known */
            status = MI_OK;
    }
    wanted.spend = pair.spend_forecast;
    if (!status)
        status = mi_forecast_series(&pair.value, &wanted, &pair.value_forecast, error);
    if (!status && pair.spend_forecast && f->plans.items && f->plans.items[number].given)
        result->unknown = !plan_follow(&f->plans.items[number], f->farthest, &pair.value, &pair.spend,
                                       pair.value_forecast, pair.spend_forecast);
    if (!status) {
        result->last_odd = mi_forecast_last_odd(pair.value_forecast);
        status = take_results(f, &pair, result, error);
    }
    result->made = !status;
    mi_forecast_free(pair.value_forecast);
    mi_forecast_free(pair.spend_forecast);
    return status;
}

/* ---- all series ---- */

struct worker {
    const struct forecast *forecast;
    size_t first, apart;
    enum mi_status status;
    struct mi_error error;
};

static void *work(void *context) {
    struct worker *worker = context;
    const struct forecast *f = worker->forecast;
    for (size_t i = worker->first; i < f->set.count && !worker->status; i += worker->apart)
        worker->status = forecast_one(f, i, &f->results[i], &worker->error);
    return NULL;
}

static enum mi_status forecast_all(struct forecast *f, struct mi_error *error) {
    struct worker workers[THREADS_MOST];
    pthread_t threads[THREADS_MOST];
    bool running[THREADS_MOST] = {false};
    size_t count = common.threads > 0 ? common.threads : 1;
    count = count > THREADS_MOST ? THREADS_MOST : count;
    f->results = calloc(f->set.count + 1, sizeof *f->results);
    if (!f->results)
        return no_memory(error);
    for (size_t i = 0; i < count; i++) {
        workers[i] = (struct worker){.forecast = f, .first = i, .apart = count};
        running[i] = i > 0 && pthread_create(&threads[i], NULL, work, &workers[i]) == 0;
    }
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < count; i++) {
        if (running[i])
            pthread_join(threads[i], NULL);
        else
            work(&workers[i]);
        if (workers[i].status && !status) {
            status = workers[i].status;
            if (error)
                *error = workers[i].error;
        }
    }
    return status;
}

/* ---- output ---- */

/* Slots of a range, named forecast_NAME, NAME_lo, NAME_hi. */
static enum mi_status range_columns(struct mi_writer *writer, const char *name, size_t *slots,
                                    struct mi_error *error) {
    static const char *const formats[] = {"forecast_%s", "%s_lo", "%s_hi"};
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < 3 && !status; i++) {
        char column[256];
        int size = i == 0   ? snprintf(column, sizeof column, formats[0], name)
                   : i == 1 ? snprintf(column, sizeof column, "%s_lo", name)
                            : snprintf(column, sizeof column, "%s_hi", name);
        status = size >= (int)sizeof column
                     ? mi_error_set(error, MI_BAD_ARGUMENT, "a column's name is too long")
                     : mi_writer_column(writer, column, &slots[i], error);
    }
    return status;
}

static void set_range(struct mi_writer *writer, const size_t *slots, const struct mi_forecast_range *range) {
    mi_writer_number(writer, slots[0], range->predicted);
    mi_writer_number(writer, slots[1], range->low);
    mi_writer_number(writer, slots[2], range->high);
}

static enum mi_status write_horizons(struct forecast *f, struct mi_error *error) {
    struct mi_writer *writer = f->stream.writer;
    size_t horizon, value[3], roas[3], spend[3], kind, days;
    enum mi_status status = mi_writer_column(writer, "horizon", &horizon, error);
    if (!status)
        status = range_columns(writer, options.value, value, error);
    if (!status && options.spend)
        status = range_columns(writer, "roas", roas, error);
    if (!status && options.spend)
        status = range_columns(writer, options.spend, spend, error);
    if (!status)
        status = mi_writer_column(writer, "kind", &kind, error);
    if (!status)
        status = mi_writer_column(writer, "days", &days, error);
    for (size_t i = 0; i < f->set.count && !status; i++)
        for (size_t k = 0; k < f->horizon_count && !status && f->results[i].made; k++) {
            const struct result *result = &f->results[i];
            mi_writer_number(writer, horizon, (double)f->horizons[k]);
            set_range(writer, value, &result->horizons[k].value);
            if (options.spend) {
                set_range(writer, roas, &result->horizons[k].roas);
                set_range(writer, spend, &result->horizons[k].spend);
            }
            mi_writer_text(writer, kind, mi_text_of(mi_forecast_kind_name(result->kind)));
            mi_writer_number(writer, days, (double)f->set.items[i].known);
            status = mi_writer_row(writer, f->set.batch, f->set.items[i].row, error);
        }
    return status;
}

static enum mi_status write_days(struct forecast *f, struct mi_error *error) {
    static const char *const names[] = {"date", "step", "predicted", "lo", "hi"};
    struct mi_writer *writer = f->stream.writer;
    size_t slots[5];
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < 5 && !status; i++)
        status = mi_writer_column(writer, names[i], &slots[i], error);
    for (size_t i = 0; i < f->set.count && !status; i++)
        for (size_t step = 1; step <= f->farthest && !status && f->results[i].made; step++) {
            mi_writer_date(writer, slots[0], f->set.end + (int32_t)step);
            mi_writer_number(writer, slots[1], (double)step);
            set_range(writer, slots + 2, &f->results[i].days[step - 1]);
            status = mi_writer_row(writer, f->set.batch, f->set.items[i].row, error);
        }
    return status;
}

/* ---- run ---- */

/* What a reader of the output should know. */
static void say(const struct forecast *f) {
    size_t early = 0, empty = 0, no_band = 0, unknown = 0, stopped = 0, odd = 0;
    char end[11] = "";
    for (size_t i = 0; i < f->set.count; i++) {
        const struct one_series *series = &f->set.items[i];
        empty += !f->results[i].made;
        early += f->results[i].made && series->last < f->set.end;
        no_band += f->results[i].made && f->results[i].no_band;
        unknown += f->results[i].unknown;
        odd += f->results[i].last_odd;
        stopped += f->results[i].made && f->results[i].kind == MI_FORECAST_STOPPED;
    }
    if (f->set.end != MI_DATE_MISSING)
        mi_date_format(f->set.end, end);
    if (early > 0)
        note("series that end before %s: %zu; what is missing there is taken as %s", end, early,
             options.series.gaps == GAPS_ZERO ? "zero" : "unknown");
    if (odd > 0)
        note("series whose last day is far from the two months before it and counts only in part (is it "
             "whole?): "
             "%zu",
             odd);
    if (stopped > 0)
        note("series that are zero of late and seem to have stopped, forecast as zero: %zu", stopped);
    if (empty > 0)
        note("series without a known day, left out: %zu", empty);
    if (no_band > 0)
        note("series too short for an interval (it takes about three weeks): %zu", no_band);
    if (unknown > 0)
        note("series whose plan spends where nothing is spent now, revenue left empty: %zu", unknown);
}

static enum mi_status forecast(struct forecast *f, struct mi_error *error) {
    const struct measure measures[] = {{options.value, MI_MONEY | MI_SIGNED}, {options.spend, MI_MONEY}};
    enum mi_status status = parse_horizons(f, error);
    if (!status && options.plan && !options.spend)
        status = mi_error_set(error, MI_BAD_ARGUMENT, "option --plan needs --spend");
    if (!status)
        status = series_read(&f->set, &f->stream, &options.series, measures, options.spend ? 2 : 1, error);
    if (!status && options.plan)
        status = plans_read(&f->plans, options.plan, &f->set, options.spend, f->farthest, error);
    if (!status && options.holidays)
        status = holidays_read(&f->holidays, options.holidays, error);
    if (!status)
        status = forecast_all(f, error);
    if (status)
        return status;
    say(f);
    status = series_output(&f->set, &f->stream, error);
    if (!status)
        status = options.daily ? write_days(f, error) : write_horizons(f, error);
    return status;
}

enum mi_status forecast_run(struct mi_error *error) {
    struct forecast f = {0};
    enum mi_status status = forecast(&f, error);
    status = stream_close(&f.stream, status, error);
    for (size_t i = 0; f.results && i < f.set.count; i++)
        free(f.results[i].days);
    free(f.results);
    plans_free(&f.plans);
    holidays_free(&f.holidays);
    series_free(&f.set);
    return status;
}
