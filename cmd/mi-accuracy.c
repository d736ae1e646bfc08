/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-accuracy: predictions against what came of them.
 */
#include "common/baseline.h"
#include "common/program.h"

#include <errno.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#define METRICS_MOST  64
#define DEFAULT_LIMIT "cpa.mape>30"
#define NO_LIMIT      "none"
#define TOTAL         "*" /* stands for all groups */

static struct {
    const char *metrics;
    const char *by;
    const char *as_of;
    unsigned long min_age;
    struct text_list limits;
    bool every_group;
    const char *command;
    const char *baseline;
    double significance;
    double level;
} options;

static const struct option_spec option_table[] = {
    {.name = "metric",
     .kind = OPTION_TEXT,
     .target = &options.metrics,
     .argument = "NAME,...",
     .help = "what to judge (else those there of ltv, cpa, roas, roi)"},
    {.name = "by",
     .kind = OPTION_TEXT,
     .target = &options.by,
     .argument = "COLUMN",
     .help = "a row for each value of this column, besides the total '" TOTAL "'"},
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
    {.name = "limit",
     .kind = OPTION_LIST,
     .target = &options.limits,
     .argument = "LIMIT",
     .help = "status 1 where it holds for the total: METRIC.FIGURE, >, >=, < or <=, and a\n"
             "number (else " DEFAULT_LIMIT "); '" NO_LIMIT "' for none"},
    {.name = "every-group",
     .kind = OPTION_FLAG,
     .target = &options.every_group,
     .help = "limits and baseline hold for each group of --by, too"},
    {.name = "command",
     .kind = OPTION_TEXT,
     .target = &options.command,
     .argument = "COMMAND",
     .help = "run by sh -c where a limit or the baseline is broken"},
    {.name = "baseline",
     .kind = OPTION_TEXT,
     .target = &options.baseline,
     .argument = "FILE",
     .help = "output of an earlier run: status 1 where a figure got worse by more than noise"},
    {.name = "significance",
     .kind = OPTION_NUMBER,
     .target = &options.significance,
     .low = 1e-9,
     .high = 0.5,
     .argument = "SHARE",
     .help = "chance that --baseline finds anything worse where nothing is",
     .otherwise = "0.05"},
    {.name = "level",
     .kind = OPTION_NUMBER,
     .target = &options.level,
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
    "Reads once. Memory grows with the number of campaigns; where there is a date\n"
    "(date, else prediction_date) the steps of each campaign are taken in its order,\n"
    "which keeps 32 bytes a row and metric.\n";

/* ---- what is judged ---- */

struct metric {
    const char *name;
    size_t predicted, actual, low, high; /* columns */
    unsigned rules;
};

/* Rows of one group; group 0 is the total. */
struct group {
    struct mi_accuracy *metrics[METRICS_MOST];
    uint64_t not_due;
};

struct work {
    struct stream stream;
    struct metric metrics[METRICS_MOST];
    size_t metric_count;
    char *metric_text;                        /* of --metric, cut at its commas */
    size_t by, campaign, date, made, horizon; /* columns */
    int32_t as_of;
    struct mi_accuracy_options how;
    struct mi_index *group_names; /* number + 1 is the group */
    struct group *groups;
    size_t group_count, group_capacity;
    bool any_row; /* of input: else the output is its header alone */
    struct mi_accuracy_limit *limits;
    size_t limit_count;
    struct baseline baseline;
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
        return mi_error_set(error, MI_BAD_INPUT, "%s: no column '%s%s'", mi_reader_name(work->stream.reader),
                            metric.actual == MI_NO_COLUMN ? "actual_" : "predicted_", name);
    if (!there && metric.actual != MI_NO_COLUMN)
        note("actual_%s is there, but neither predicted_%s nor %s: not judged", name, name, name);
    bool money = strcmp(name, "ltv") == 0 || strcmp(name, "cpa") == 0 || strcmp(name, "roas") == 0;
    metric.rules = money ? MI_MONEY : MI_MONEY | MI_SIGNED;
    if (there)
        work->metrics[work->metric_count++] = metric;
    return MI_OK;
}

static enum mi_status metrics_given(struct work *work, struct mi_error *error) {
    work->metric_text = mi_text_copy(mi_text_of(options.metrics));
    if (work->metric_text == NULL)
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    enum mi_status status = MI_OK;
    for (char *at = work->metric_text; at != NULL && !status;) {
        char *comma = strchr(at, ',');
        if (comma != NULL)
            *comma++ = '\0';
        if (at[0] == '\0' || work->metric_count == METRICS_MOST)
            return mi_error_set(error, MI_BAD_ARGUMENT, "--metric=%s: an empty name, or more than %d",
                                options.metrics, METRICS_MOST);
        for (size_t i = 0; i < work->metric_count; i++) {
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
    if (!status && work->metric_count == 0)
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
    if (!status && options.by != NULL)
        status = mi_reader_column(reader, options.by, true, &work->by, error);
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
    work->how = (struct mi_accuracy_options){
        .by_campaign = work->campaign != MI_NO_COLUMN,
        .by_date = work->date != MI_NO_COLUMN || work->made != MI_NO_COLUMN,
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

/* ---- limits ---- */

static enum mi_status add_limit(struct work *work, const char *text, bool given, struct mi_error *error) {
    struct mi_accuracy_limit *limit = &work->limits[work->limit_count];
    enum mi_status status = mi_accuracy_limit_parse(text, limit, error);
    if (status)
        return status;
    for (size_t i = 0; i < work->metric_count; i++) {
        if (mi_text_equal(limit->metric, mi_text_of(work->metrics[i].name))) {
            work->limit_count++;
            return MI_OK;
        }
    }
    return given ? mi_error_set(error, MI_BAD_ARGUMENT, "--limit=%s: no metric '%.*s' is judged here", text,
                                (int)limit->metric.size, limit->metric.data)
                 : MI_OK;
}

static enum mi_status read_limits(struct work *work, struct mi_error *error) {
    bool none = options.limits.count == 1 && strcmp(options.limits.items[0], NO_LIMIT) == 0;
    work->limits = calloc(options.limits.count + 1, sizeof *work->limits);
    if (work->limits == NULL)
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    if (options.limits.count == 0)
        return add_limit(work, DEFAULT_LIMIT, false, error);
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < options.limits.count && !status && !none; i++)
        status = add_limit(work, options.limits.items[i], true, error);
    return status;
}

/* ---- rows ---- */

static enum mi_status add_group(struct work *work, struct mi_error *error) {
    if (work->group_count == work->group_capacity) {
        size_t capacity = work->group_capacity > 0 ? 2 * work->group_capacity : 16;
        struct group *groups = realloc(work->groups, capacity * sizeof *groups);
        if (groups == NULL)
            return mi_error_set(error, MI_NO_MEMORY, "out of memory");
        work->groups = groups;
        work->group_capacity = capacity;
    }
    struct group *group = &work->groups[work->group_count++];
    *group = (struct group){0};
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < work->metric_count && !status; i++)
        status = mi_accuracy_new(&work->how, &group->metrics[i], error);
    return status;
}

/* The group of a row, made where it is new. */
static enum mi_status find_group(struct work *work, const struct mi_batch *batch, size_t row, size_t *group,
                                 struct mi_error *error) {
    struct mi_text name;
    size_t number;
    bool added;
    enum mi_status status = mi_batch_text(batch, row, work->by, &name, error);
    if (!status && mi_text_equal(name, mi_text_of(TOTAL)))
        return mi_batch_fault(batch, row, work->by, error, "'" TOTAL "' is the name of the total");
    if (!status)
        status = mi_index_add(work->group_names, name, &number, &added, error);
    if (!status && added)
        status = add_group(work, error);
    if (!status)
        *group = number + 1;
    return status;
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
                               int32_t *made, struct mi_error *error) {
    double horizon = NAN;
    unsigned filled = work->made == MI_NO_COLUMN ? MI_ANY : MI_FILLED;
    enum mi_status status = mi_batch_date(batch, row, work->made, filled, made, error);
    if (!status)
        status = mi_batch_number(batch, row, work->horizon, MI_MONEY, &horizon, error);
    if (status)
        return status;
    double age = (double)work->as_of - *made;
    *due = *made == MI_DATE_MISSING || (age >= (double)options.min_age && (isnan(horizon) || age >= horizon));
    return MI_OK;
}

static enum mi_status read_row(struct work *work, const struct mi_batch *batch, size_t row,
                               struct mi_accuracy_row *values, bool *due, struct mi_error *error) {
    int32_t made = MI_DATE_MISSING, date = MI_DATE_MISSING;
    struct mi_text campaign = {NULL, 0};
    enum mi_status status = read_due(work, batch, row, due, &made, error);
    if (!status && work->date != MI_NO_COLUMN)
        status = mi_batch_date(batch, row, work->date, MI_FILLED, &date, error);
    if (!status && work->campaign != MI_NO_COLUMN)
        status = mi_batch_id(batch, row, work->campaign, &campaign, error);
    for (size_t i = 0; i < work->metric_count && !status; i++) {
        values[i].campaign = campaign;
        values[i].date = work->date != MI_NO_COLUMN ? date : made;
        status = read_metric(&work->metrics[i], batch, row, &values[i], error);
    }
    return status;
}

static enum mi_status add_to_group(struct work *work, size_t group, const struct mi_accuracy_row *values,
                                   bool due, struct mi_error *error) {
    enum mi_status status = MI_OK;
    if (!due) {
        work->groups[group].not_due++;
        return MI_OK;
    }
    for (size_t i = 0; i < work->metric_count && !status; i++)
        status = mi_accuracy_add(work->groups[group].metrics[i], &values[i], error);
    return status;
}

static enum mi_status add_row(void *context, struct stream *stream, const struct mi_batch *batch, size_t row,
                              struct mi_error *error) {
    (void)stream;
    struct work *work = context;
    struct mi_accuracy_row values[METRICS_MOST];
    bool due;
    size_t group = 0;
    work->any_row = true;
    enum mi_status status = read_row(work, batch, row, values, &due, error);
    if (!status && work->by != MI_NO_COLUMN)
        status = find_group(work, batch, row, &group, error);
    if (!status)
        status = add_to_group(work, 0, values, due, error);
    return status == MI_OK && group > 0 ? add_to_group(work, group, values, due, error) : status;
}

/* ---- results ---- */

/* The figures of one metric in one group. */
struct result {
    size_t metric, group;
    uint64_t not_due;
    struct mi_accuracy_result values;
};

/* Results in the order of the output: by metric, groups before their total. The caller frees them. */
static enum mi_status make_results(struct work *work, struct result **results, size_t *count,
                                   struct mi_error *error) {
    *count = work->metric_count * work->group_count;
    struct result *all = calloc(*count, sizeof *all);
    if (all == NULL)
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < *count && !status; i++) {
        size_t metric = i / work->group_count, group = (i + 1) % work->group_count;
        all[i] = (struct result){.metric = metric, .group = group, .not_due = work->groups[group].not_due};
        status = mi_accuracy_finish(work->groups[group].metrics[metric], &all[i].values, error);
    }
    *results = all;
    return status;
}

static struct mi_text group_name(const struct work *work, size_t group) {
    return group > 0 ? mi_index_text(work->group_names, group - 1) : mi_text_of(TOTAL);
}

/* "cpa.mape", or "cpa.mape of geo=US". */
static void name_result(const struct work *work, const struct result *result, enum mi_figure figure,
                        char *out, size_t size) {
    struct mi_text group = group_name(work, result->group);
    if (result->group > 0) {
        snprintf(out, size, "%s.%s of %s=%.*s", work->metrics[result->metric].name, mi_figure_name(figure),
                 options.by, (int)group.size, group.data);
    } else {
        snprintf(out, size, "%s.%s", work->metrics[result->metric].name, mi_figure_name(figure));
    }
}

enum count { N_CAMPAIGNS, N_ZERO, N_NO_ACTUAL, N_NO_PREDICTION, N_NOT_DUE, COUNTS };

static const char *const count_names[COUNTS] = {"n_campaigns", "n_zero_actual", "n_missing_actual",
                                                "n_missing_prediction", "n_not_due"};

struct output {
    size_t metric, by, n, figures[MI_FIGURE_COUNT], counts[COUNTS], errors[MI_FIGURE_COUNT];
};

static enum mi_status open_output(struct work *work, struct output *output, struct mi_error *error) {
    char name[64];
    enum mi_status status = stream_output(&work->stream, false, error);
    struct mi_writer *writer = work->stream.writer;
    if (!status)
        status = mi_writer_column(writer, "metric", &output->metric, error);
    if (!status && options.by != NULL)
        status = mi_writer_column(writer, options.by, &output->by, error);
    if (!status)
        status = mi_writer_column(writer, "n", &output->n, error);
    for (unsigned i = 0; i < MI_FIGURE_COUNT && !status; i++)
        status = mi_writer_column(writer, mi_figure_name((enum mi_figure)i), &output->figures[i], error);
    for (unsigned i = 0; i < COUNTS && !status; i++)
        status = mi_writer_column(writer, count_names[i], &output->counts[i], error);
    for (unsigned i = 0; i < MI_FIGURE_COUNT && !status; i++)
        status =
            mi_writer_column(writer, figure_error_name((enum mi_figure)i, name), &output->errors[i], error);
    return status;
}

static enum mi_status write_result(struct work *work, const struct output *output,
                                   const struct result *result, struct mi_error *error) {
    struct mi_writer *writer = work->stream.writer;
    const struct mi_accuracy_result *values = &result->values;
    const double counts[COUNTS] = {work->how.by_campaign ? (double)values->n_campaigns : NAN,
                                   (double)values->n_zero_actual, (double)values->n_missing_actual,
                                   (double)values->n_missing_prediction, (double)result->not_due};
    mi_writer_text(writer, output->metric, mi_text_of(work->metrics[result->metric].name));
    if (options.by != NULL)
        mi_writer_text(writer, output->by, group_name(work, result->group));
    mi_writer_number(writer, output->n, (double)values->n);
    for (unsigned i = 0; i < MI_FIGURE_COUNT; i++) {
        mi_writer_number(writer, output->figures[i], values->figure[i]);
        mi_writer_number(writer, output->errors[i], values->error[i]);
    }
    for (unsigned i = 0; i < COUNTS; i++)
        mi_writer_number(writer, output->counts[i], counts[i]);
    return mi_writer_row(writer, NULL, 0, error);
}

static enum mi_status write_results(struct work *work, const struct result *results, size_t count,
                                    struct mi_error *error) {
    struct output output;
    enum mi_status status = open_output(work, &output, error);
    for (size_t i = 0; i < count && work->any_row && !status; i++)
        status = write_result(work, &output, &results[i], error);
    return status;
}

/* Says what was counted and not judged. */
static void say_not_judged(const struct work *work, const struct result *results, size_t count) {
    if (work->groups[0].not_due > 0)
        note("%llu rows are not due yet and not judged", (unsigned long long)work->groups[0].not_due);
    for (size_t i = 0; i < count; i++) {
        const struct mi_accuracy_result *values = &results[i].values;
        const char *name = work->metrics[results[i].metric].name;
        if (results[i].group == 0 && values->n_missing_actual > 0)
            note("%llu rows have no actual_%s and are not judged",
                 (unsigned long long)values->n_missing_actual, name);
        if (results[i].group == 0 && values->n_missing_prediction > 0)
            note("%llu rows have no prediction of %s and are not judged",
                 (unsigned long long)values->n_missing_prediction, name);
    }
}

/* ---- verdicts ---- */

static bool is_judged(const struct result *result) {
    return result->group == 0 || options.every_group;
}

/* Says which limits are broken; returns their number. */
static size_t check_limits(const struct work *work, const struct result *results, size_t count) {
    size_t broken = 0;
    char name[512];
    for (size_t i = 0; i < count * work->limit_count; i++) {
        const struct result *result = &results[i / work->limit_count];
        const struct mi_accuracy_limit *limit = &work->limits[i % work->limit_count];
        double value = result->values.figure[limit->figure];
        if (!is_judged(result) ||
            !mi_text_equal(limit->metric, mi_text_of(work->metrics[result->metric].name))) {
            continue;
        }
        name_result(work, result, limit->figure, name, sizeof name);
        if (isnan(value)) {
            note("%s is not defined: its limit cannot be judged", name);
        } else if (mi_accuracy_limit_broken(limit, value)) {
            note("limit broken: %s is %.6g, which is %s %.15g", name, value, limit->comparison, limit->bound);
            broken++;
        }
    }
    return broken;
}

/* Says which changes are for the worse; returns their number. The changes of results[owners[i]] are the i-th
 * MI_FIGURE_COUNT ones. */
static size_t say_changes(const struct work *work, const struct result *results,
                          const struct mi_accuracy_change *changes, const size_t *owners, size_t count) {
    size_t broken = 0;
    char name[512];
    for (size_t i = 0; i < count; i++) {
        const struct mi_accuracy_change *change = &changes[i];
        if (change->broken) {
            name_result(work, &results[owners[i / MI_FIGURE_COUNT]], change->figure, name, sizeof name);
            note("worse than the baseline: %s is %.6g, was %.6g (chance by noise alone %.2g)", name,
                 change->after, change->before, change->chance);
            broken++;
        }
    }
    return broken;
}

static enum mi_status find_changes(struct work *work, const struct result *results, size_t count,
                                   struct mi_accuracy_change *changes, size_t *owners, size_t *broken,
                                   struct mi_error *error) {
    size_t compared = 0;
    enum mi_status status = baseline_open(&work->baseline, options.baseline, options.by, error);
    for (size_t i = 0; i < count && !status; i++) {
        const struct result *result = &results[i];
        const char *metric = work->metrics[result->metric].name;
        struct mi_text group = group_name(work, result->group);
        bool found = false;
        if (!is_judged(result))
            continue;
        status = baseline_changes(&work->baseline, metric, group, &result->values,
                                  changes + compared * MI_FIGURE_COUNT, &found, error);
        if (found)
            owners[compared++] = i;
        else if (!status)
            note("the baseline has no row for %s%s%.*s: not compared", metric,
                 result->group > 0 ? " of " : "", result->group > 0 ? (int)group.size : 0, group.data);
    }
    if (status)
        return status;
    mi_accuracy_compare(changes, compared * MI_FIGURE_COUNT, options.level, options.significance);
    *broken += say_changes(work, results, changes, owners, compared * MI_FIGURE_COUNT);
    return MI_OK;
}

static enum mi_status check_baseline(struct work *work, const struct result *results, size_t count,
                                     size_t *broken, struct mi_error *error) {
    struct mi_accuracy_change *changes = calloc(count * MI_FIGURE_COUNT, sizeof *changes);
    size_t *owners = calloc(count, sizeof *owners);
    enum mi_status status = changes && owners
                                ? find_changes(work, results, count, changes, owners, broken, error)
                                : mi_error_set(error, MI_NO_MEMORY, "out of memory");
    free(changes);
    free(owners);
    return status;
}

/* ---- run ---- */

static enum mi_status prepare(struct work *work, struct mi_error *error) {
    enum mi_status status = find_day(work, error);
    if (!status)
        status = stream_open(&work->stream, false, error);
    if (!status)
        status = find_columns(work, error);
    if (!status)
        status = read_limits(work, error);
    if (!status)
        status = mi_index_new(&work->group_names, error);
    return status == MI_OK ? add_group(work, error) : status;
}

static enum mi_status judge(struct work *work, size_t *broken, struct mi_error *error) {
    struct result *results = NULL;
    size_t count = 0;
    enum mi_status status = stream_each_row(&work->stream, add_row, work, error);
    if (!status)
        status = make_results(work, &results, &count, error);
    if (!status && options.baseline != NULL)
        status = check_baseline(work, results, count, broken, error);
    if (!status)
        status = write_results(work, results, count, error);
    if (!status) {
        say_not_judged(work, results, count);
        *broken += check_limits(work, results, count);
    }
    free(results);
    return status;
}

static void free_work(struct work *work) {
    for (size_t i = 0; i < work->group_count; i++) {
        for (size_t metric = 0; metric < work->metric_count; metric++)
            mi_accuracy_free(work->groups[i].metrics[metric]);
    }
    free(work->groups);
    mi_index_free(work->group_names);
    baseline_close(&work->baseline);
    free(work->limits);
    free(work->metric_text);
}

/* Runs the command that --command names. */
static enum mi_status run_command(struct mi_error *error) {
    extern char **environ;
    char shell[] = "/bin/sh", flag[] = "-c";
    char *command = mi_text_copy(mi_text_of(options.command));
    if (command == NULL)
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    char *arguments[] = {shell, flag, command, NULL};
    pid_t child;
    int state = 0;
    int failed = posix_spawn(&child, shell, NULL, NULL, arguments, environ);
    while (failed == 0 && waitpid(child, &state, 0) < 0)
        failed = errno == EINTR ? 0 : errno;
    free(command);
    if (failed != 0)
        return mi_error_set(error, MI_SYSTEM, "--command: %s", strerror(failed));
    if (state != 0)
        return mi_error_set(error, MI_SYSTEM, "--command failed: %s", options.command);
    return MI_NO;
}

static enum mi_status run(struct mi_error *error) {
    struct work work = {0};
    size_t broken = 0;
    enum mi_status status = prepare(&work, error);
    if (!status)
        status = judge(&work, &broken, error);
    status = stream_close(&work.stream, status == MI_OK && broken > 0 ? MI_NO : status, error);
    if (status == MI_NO && options.command != NULL)
        status = run_command(error);
    free_work(&work);
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
