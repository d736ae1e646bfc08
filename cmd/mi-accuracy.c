/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-accuracy: predictions against what came of them.
 */
#include "accuracy/judge.h"
#include "accuracy/stored.h"
#include "common/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct {
    const char *metrics;
    const char *as_of;
    unsigned long min_age, window;
    const char *on_fail;
    unsigned long time_limit;
    const char *model, *champion, *challenger;
    double tolerance;
    struct judge_options judge;
} options;

static const struct option_spec option_table[] = {
    STORE_OPTION,
    WAIT_OPTION,
    {.name = "model",
     .kind = OPTION_TEXT,
     .target = &options.model,
     .argument = "NAME",
     .help = "with -s: predictions of this model, as mi-ltv/3, or mi-ltv for any version"},
    {.name = "spend-tolerance",
     .kind = OPTION_NUMBER,
     .target = &options.tolerance,
     .low = 0,
     .high = 1e6,
     .argument = "SHARE",
     .help = "with -s: by how much the spend that came may differ from the one that a\n"
             "prediction is for",
     .otherwise = "0.25"},
    {.name = "champion",
     .kind = OPTION_TEXT,
     .target = &options.champion,
     .argument = "NAME",
     .help = "with -s: compare this model with the challenger"},
    {.name = "challenger",
     .kind = OPTION_TEXT,
     .target = &options.challenger,
     .argument = "NAME",
     .help = "status 0 where it is better than the champion by more than noise, else 1"},
    {.name = "metric",
     .kind = OPTION_TEXT,
     .target = &options.metrics,
     .argument = "NAME,...",
     .help = "what to judge (else those there of ltv, cpa, roas, roi)"},
    {.name = "by",
     .kind = OPTION_TEXT,
     .target = &options.judge.by,
     .argument = "COLUMN",
     .help = "a row for each value of this column, besides the total '" JUDGE_TOTAL "'"},
    {.name = "as-of",
     .kind = OPTION_TEXT,
     .target = &options.as_of,
     .argument = "DATE",
     .help = "day by which outcomes are due (else today, UTC)"},
    {.name = "min-age",
     .kind = OPTION_COUNT,
     .target = &options.min_age,
     .low = 0,
     .high = 36500,
     .argument = "DAYS",
     .help = "age that a prediction with a prediction_date must have",
     .otherwise = "7"},
    {.name = "window",
     .kind = OPTION_COUNT,
     .target = &options.window,
     .low = 1,
     .high = 36500,
     .argument = "DAYS",
     .help = "with -s: predictions made in so many days before --as-of (else all)"},
    {.name = "limit",
     .kind = OPTION_LIST,
     .target = &options.judge.limits,
     .argument = "LIMIT",
     .help = "status 1 where it holds for the total: METRIC.FIGURE, >, >=, < or <=, and a\n"
             "number (else " JUDGE_LIMIT "); '" JUDGE_NONE "' for none"},
    {.name = "every-group",
     .kind = OPTION_FLAG,
     .target = &options.judge.every_group,
     .help = "limits and baseline hold for each group of --by, too"},
    {.name = "on-fail",
     .kind = OPTION_TEXT,
     .target = &options.on_fail,
     .argument = "COMMAND",
     .help = "run, without a shell, where a limit or the baseline is broken"},
    {.name = "time-limit",
     .kind = OPTION_COUNT,
     .target = &options.time_limit,
     .low = 0,
     .high = 1e6,
     .argument = "SECONDS",
     .help = "that COMMAND has before it is stopped; 0: none",
     .otherwise = "3600"},
    {.name = "baseline",
     .kind = OPTION_TEXT,
     .target = &options.judge.baseline,
     .argument = "FILE",
     .help = "output of an earlier run: status 1 where a figure got worse by more than noise"},
    {.name = "significance",
     .kind = OPTION_NUMBER,
     .target = &options.judge.significance,
     .low = 1e-9,
     .high = 0.5,
     .argument = "SHARE",
     .help = "chance that --baseline finds anything worse, or --challenger better, where\n"
             "nothing is",
     .otherwise = "0.05"},
    {.name = "level",
     .kind = OPTION_NUMBER,
     .target = &options.judge.level,
     .low = 0.01,
     .high = 0.999,
     .argument = "SHARE",
     .help = "what intervals should cover, for --baseline",
     .otherwise = "0.8"},
    {.name = NULL},
};

static const char details[] =
    "Reads predicted_X, else X, as the prediction of each metric X and actual_X as its\n"
    "outcome, and where they are there predicted_X_lo and predicted_X_hi (else X_lo and\n"
    "X_hi), campaign_id, date, prediction_date and horizon_days. Writes one row a metric\n"
    "(and group): the figures mae, mape, rmse, wape, smape, mase, bias, bias_pct,\n"
    "directional_accuracy, interval_coverage, counts, and the figures' standard errors.\n"
    "A row without outcome or prediction, or not yet due, is counted, not judged.\n"
    "With -s what is judged are the store's predictions, and the figures are kept there.\n"
    "Reads once. Memory grows with the number of campaigns; where there is a date\n"
    "(date, else prediction_date) the steps of each campaign and horizon are in its order,\n"
    "which keeps 40 bytes a row and metric, twice that with --by.\n";

/* ---- what is judged ---- */

struct metric {
    const char *name;
    size_t predicted, actual, low, high; /* columns */
    unsigned rules;
};

struct work {
    struct stream stream;
    struct judge judge;
    struct metric metrics[JUDGE_METRICS];
    char *metric_text;                        /* of --metric, cut at its commas */
    size_t by, campaign, date, made, horizon; /* columns */
    int32_t as_of;
};

/* The column PREFIX NAME SUFFIX; MI_NO_COLUMN where it is not there. */
static enum mi_status find_column(struct work *work, const char *prefix, const char *name, const char *suffix,
                                  size_t *column, struct mi_error *error) {
    char full[256];
    int size = snprintf(full, sizeof full, "%s%s%s", prefix, name, suffix);
    if (size < 0 || (size_t)size >= sizeof full)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--metric: a name of more than %zu bytes",
                            sizeof full - 20);
    return mi_reader_column(work->stream.reader, full, false, column, error);
}

/* predicted_NAME SUFFIX, else NAME SUFFIX. */
static enum mi_status find_predicted(struct work *work, const char *name, const char *suffix, size_t *column,
                                     struct mi_error *error) {
    enum mi_status status = find_column(work, "predicted_", name, suffix, column, error);
    if (!status && *column == MI_NO_COLUMN)
        status = find_column(work, "", name, suffix, column, error);
    return status;
}

/* Adds a metric; one that is not required is left out where a column is not there. */
static enum mi_status add_metric(struct work *work, const char *name, bool required, struct mi_error *error) {
    struct metric metric = {.name = name};
    enum mi_status status = find_predicted(work, name, "", &metric.predicted, error);
    if (!status)
        status = find_column(work, "actual_", name, "", &metric.actual, error);
    if (!status)
        status = find_predicted(work, name, "_lo", &metric.low, error);
    if (!status)
        status = find_predicted(work, name, "_hi", &metric.high, error);
    if (status)
        return status;
    bool there = metric.predicted != MI_NO_COLUMN && metric.actual != MI_NO_COLUMN;
    if (!there && required)
        return mi_error_set(error, MI_BAD_INPUT,
                            "%s: --metric=%s needs 'actual_%s' and 'predicted_%s' (or '%s')",
                            mi_reader_name(work->stream.reader), name, name, name, name);
    if (!there && metric.actual != MI_NO_COLUMN)
        note("actual_%s is there, but neither predicted_%s nor %s: not judged", name, name, name);
    bool money = strcmp(name, "ltv") == 0 || strcmp(name, "cpa") == 0 || strcmp(name, "roas") == 0;
    metric.rules = money ? MI_MONEY : MI_MONEY | MI_SIGNED;
    if (there) {
        work->judge.metrics[work->judge.metric_count] = name;
        work->metrics[work->judge.metric_count++] = metric;
    }
    return MI_OK;
}

static enum mi_status metrics_given(struct work *work, struct mi_error *error) {
    work->metric_text = mi_text_copy(mi_text_of(options.metrics));
    if (work->metric_text == NULL)
        return no_memory(error);
    enum mi_status status = MI_OK;
    for (char *at = work->metric_text; at != NULL && !status;) {
        char *comma = strchr(at, ',');
        if (comma != NULL)
            *comma++ = '\0';
        if (at[0] == '\0' || work->judge.metric_count == JUDGE_METRICS)
            return mi_error_set(error, MI_BAD_ARGUMENT, "--metric=%s: an empty name, or more than %d",
                                options.metrics, JUDGE_METRICS);
        for (size_t i = 0; i < work->judge.metric_count; i++) {
            if (strcmp(work->metrics[i].name, at) == 0)
                return mi_error_set(error, MI_BAD_ARGUMENT, "--metric=%s: '%s' stands twice", options.metrics,
                                    at);
        }
        status = add_metric(work, at, true, error);
        at = comma;
    }
    return status;
}

static enum mi_status metrics_there(struct work *work, struct mi_error *error) {
    static const char *const usual[] = {"ltv", "cpa", "roas", "roi"};
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < 4 && !status; i++)
        status = add_metric(work, usual[i], false, error);
    if (!status && work->judge.metric_count == 0)
        return mi_error_set(
            error, MI_BAD_INPUT,
            "%s: no pair of columns predicted_X (or X) and actual_X, X one of ltv, cpa, roas, roi: "
            "name others with --metric",
            mi_reader_name(work->stream.reader));
    return status;
}

static enum mi_status find_columns(struct work *work, struct mi_error *error) {
    struct mi_reader *reader = work->stream.reader;
    enum mi_status status = options.metrics != NULL ? metrics_given(work, error) : metrics_there(work, error);
    work->by = MI_NO_COLUMN;
    if (!status && options.judge.by != NULL)
        status = judge_check_by(options.judge.by, error);
    if (!status && options.judge.by != NULL)
        status = mi_reader_column(reader, options.judge.by, true, &work->by, error);
    const struct {
        const char *name;
        size_t *column;
    } others[] = {{"campaign_id", &work->campaign},
                  {"date", &work->date},
                  {"prediction_date", &work->made},
                  {"horizon_days", &work->horizon}};
    for (size_t i = 0; i < 4 && !status; i++)
        status = mi_reader_column(reader, others[i].name, false, others[i].column, error);
    if (!status && work->horizon != MI_NO_COLUMN && work->made == MI_NO_COLUMN)
        note("horizon_days without prediction_date: every outcome counts as due");
    work->judge.how = (struct mi_accuracy_options){
        .by_campaign = work->campaign != MI_NO_COLUMN,
        .by_date = work->date != MI_NO_COLUMN || work->made != MI_NO_COLUMN || work->horizon != MI_NO_COLUMN,
    };
    return status;
}

static enum mi_status find_day(struct work *work, struct mi_error *error) {
    work->as_of = (int32_t)(time(NULL) / 86400);
    if (options.as_of != NULL && !mi_date_parse(mi_text_of(options.as_of), &work->as_of))
        return mi_error_set(error, MI_BAD_ARGUMENT, "--as-of: not a date: \"%s\" (as 2026-11-24)",
                            options.as_of);
    return MI_OK;
}

/* ---- rows ---- */

/* The group of a row; 0, the total, where rows are not told apart. */
static enum mi_status find_group(struct work *work, const struct mi_batch *batch, size_t row, size_t *group,
                                 struct mi_error *error) {
    struct mi_text name;
    *group = 0;
    if (work->by == MI_NO_COLUMN)
        return MI_OK;
    enum mi_status status = mi_batch_text(batch, row, work->by, &name, error);
    if (!status && mi_text_equal(name, mi_text_of(JUDGE_TOTAL)))
        return mi_batch_fault(batch, row, work->by, error, "'" JUDGE_TOTAL "' is the name of the total");
    return status ? status : judge_find_group(&work->judge, name, group, error);
}

static enum mi_status read_metric(const struct metric *metric, const struct mi_batch *batch, size_t row,
                                  struct mi_accuracy_row *values, struct mi_error *error) {
    const struct {
        size_t column;
        double *value;
    } cells[] = {{metric->predicted, &values->predicted},
                 {metric->actual, &values->actual},
                 {metric->low, &values->low},
                 {metric->high, &values->high}};
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < 4 && !status; i++)
        status = mi_batch_number(batch, row, cells[i].column, metric->rules, cells[i].value, error);
    if (!status && values->low > values->high)
        return mi_batch_fault(batch, row, metric->low, error, "above the interval's other end");
    return status;
}

/* Whether a prediction is old enough and its horizon over. */
static enum mi_status read_due(const struct work *work, const struct mi_batch *batch, size_t row, bool *due,
                               int32_t *made, double *days, struct mi_error *error) {
    double horizon = NAN;
    unsigned filled = work->made == MI_NO_COLUMN ? MI_ANY : MI_FILLED;
    enum mi_status status = mi_batch_date(batch, row, work->made, filled, made, error);
    if (!status)
        status = mi_batch_number(batch, row, work->horizon, MI_MONEY, &horizon, error);
    if (status)
        return status;
    double age = (double)work->as_of - *made;
    *days = horizon;
    *due = *made == MI_DATE_MISSING || (age >= (double)options.min_age && (isnan(horizon) || age >= horizon));
    return MI_OK;
}

static enum mi_status read_row(struct work *work, const struct mi_batch *batch, size_t row,
                               struct mi_accuracy_row *values, bool *due, struct mi_error *error) {
    int32_t made = MI_DATE_MISSING, date = MI_DATE_MISSING;
    struct mi_text campaign = {NULL, 0};
    double horizon;
    enum mi_status status = read_due(work, batch, row, due, &made, &horizon, error);
    if (!status && work->date != MI_NO_COLUMN)
        status = mi_batch_date(batch, row, work->date, MI_FILLED, &date, error);
    if (!status && work->campaign != MI_NO_COLUMN)
        status = mi_batch_id(batch, row, work->campaign, &campaign, error);
    for (size_t i = 0; i < work->judge.metric_count && !status; i++) {
        values[i].campaign = campaign;
        values[i].horizon = horizon;
        values[i].date = work->date != MI_NO_COLUMN ? date : made;
        status = read_metric(&work->metrics[i], batch, row, &values[i], error);
    }
    return status;
}

static enum mi_status add_row(void *context, struct stream *stream, const struct mi_batch *batch, size_t row,
                              struct mi_error *error) {
    (void)stream;
    struct work *work = context;
    struct mi_accuracy_row values[JUDGE_METRICS];
    bool due;
    size_t group;
    work->judge.any_row = true;
    enum mi_status status = read_row(work, batch, row, values, &due, error);
    if (!status)
        status = find_group(work, batch, row, &group, error);
    for (size_t i = 0; i < work->judge.metric_count && !status; i++) {
        status = judge_add(&work->judge, 0, i, &values[i], due, error);
        if (!status && group > 0)
            status = judge_add(&work->judge, group, i, &values[i], due, error);
    }
    return status;
}

/* ---- run ---- */

static enum mi_status judge_stream(struct work *work, size_t *broken, struct mi_error *error) {
    enum mi_status status = stream_open(&work->stream, false, error);
    if (!status)
        status = find_columns(work, error);
    if (!status)
        status = judge_start(&work->judge, error);
    if (!status)
        status = stream_each_row(&work->stream, add_row, work, error);
    return status ? status : judge_finish(&work->judge, &work->stream, broken, error);
}

/* What is judged comes from the store. */
static enum mi_status judge_stored(struct work *work, size_t *broken, struct mi_error *error) {
    const struct stored_options stored = {
        .metrics = options.metrics,
        .model = options.model,
        .champion = options.champion,
        .challenger = options.challenger,
        .as_of = work->as_of,
        .min_age = options.min_age,
        .window = options.window,
        .tolerance = options.tolerance,
        .significance = options.judge.significance,
    };
    if (common.input != NULL)
        return mi_error_set(error, MI_BAD_ARGUMENT, "either a store or a file: \"%s\"", common.input);
    return options.champion != NULL || options.challenger != NULL
               ? duel_in_store(&stored, &work->stream, broken, error)
               : judge_store(&stored, &work->judge, &work->stream, broken, error);
}

static enum mi_status run(struct mi_error *error) {
    struct work work = {.judge.options = options.judge};
    size_t broken = 0;
    enum mi_status status = find_day(&work, error);
    if (!status && options.window > 0 && store_options.path == NULL)
        status = mi_error_set(error, MI_BAD_ARGUMENT, "--window needs a store: -s FILE");
    if (!status && (options.champion != NULL || options.challenger != NULL) && store_options.path == NULL)
        status = mi_error_set(error, MI_BAD_ARGUMENT, "--champion and --challenger need a store: -s FILE");
    if (!status)
        status = store_options.path != NULL ? judge_stored(&work, &broken, error)
                                            : judge_stream(&work, &broken, error);
    status = stream_close(&work.stream, status == MI_OK && broken > 0 ? MI_NO : status, error);
    if (status == MI_NO && options.on_fail != NULL) {
        status = command_run("on-fail", options.on_fail, mi_text_of(""), options.time_limit, error);
        status = status == MI_OK ? MI_NO : status;
    }
    judge_free(&work.judge);
    free(work.metric_text);
    return status;
}

static const struct command commands[] = {
    {.name = "judge",
     .purpose = "how right predictions were",
     .input = "[FILE]",
     .details = details,
     .example = "mi-accuracy --limit='cpa.mape>30' judged.csv",
     .options = option_table,
     .run = run},
    {.name = NULL},
};

static const struct program program = {
    .name = "mi-accuracy", .purpose = "predictions against what came of them", .commands = commands};

int main(int argc, char **argv) {
    return program_main(&program, argc, argv);
}
