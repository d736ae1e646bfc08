/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Figures by metric and group, limits and baseline; see judge.h.
 */
#include "accuracy/judge.h"
#include "accuracy/baseline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum count { N_CAMPAIGNS, N_ZERO, N_NO_ACTUAL, N_NO_PREDICTION, N_NOT_DUE, COUNTS };

static const char *const count_names[COUNTS] = {"n_campaigns", "n_zero_actual", "n_missing_actual",
                                                "n_missing_prediction", "n_not_due"};

enum mi_status judge_check_by(const char *by_name, struct mi_error *error) {
    char name[64];
    struct mi_text by = mi_text_of(by_name);
    bool taken = mi_text_equal(by, mi_text_of("metric")) || mi_text_equal(by, mi_text_of("n"));
    for (unsigned i = 0; i < MI_FIGURE_COUNT; i++)
        taken |= mi_text_equal(by, mi_text_of(mi_figure_name((enum mi_figure)i))) ||
                 mi_text_equal(by, mi_text_of(figure_error_name((enum mi_figure)i, name)));
    for (unsigned i = 0; i < COUNTS; i++)
        taken |= mi_text_equal(by, mi_text_of(count_names[i]));
    return taken ? mi_error_set(error, MI_BAD_ARGUMENT, "--by: the output has a column '%s': --map OTHER=%s",
                                by_name, by_name)
                 : MI_OK;
}

/* ---- limits ---- */

static enum mi_status add_limit(struct judge *judge, const char *text, bool given, struct mi_error *error) {
    struct mi_accuracy_limit *limit = &judge->limits[judge->limit_count];
    enum mi_status status = mi_accuracy_limit_parse(text, limit, error);
    if (status)
        return status;
    for (size_t i = 0; i < judge->metric_count; i++) {
        if (mi_text_equal(limit->metric, mi_text_of(judge->metrics[i]))) {
            judge->limit_count++;
            return MI_OK;
        }
    }
    return given ? mi_error_set(error, MI_BAD_ARGUMENT, "--limit=%s: no metric '%.*s' is judged here", text,
                                (int)limit->metric.size, limit->metric.data)
                 : MI_OK;
}

static enum mi_status read_limits(struct judge *judge, struct mi_error *error) {
    bool none = judge->options.limits.count == 1 && strcmp(judge->options.limits.items[0], JUDGE_NONE) == 0;
    judge->limits = calloc(judge->options.limits.count + 1, sizeof *judge->limits);
    if (judge->limits == NULL)
        return no_memory(error);
    if (judge->options.limits.count == 0)
        return add_limit(judge, JUDGE_LIMIT, false, error);
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < judge->options.limits.count && !status && !none; i++)
        status = add_limit(judge, judge->options.limits.items[i], true, error);
    return status;
}

/* ---- groups ---- */

static enum mi_status add_group(struct judge *judge, struct mi_error *error) {
    struct judge_group *groups =
        mi_array_room(judge->groups, judge->group_count, &judge->group_capacity, sizeof *groups);
    if (groups == NULL)
        return no_memory(error);
    judge->groups = groups;
    struct judge_group *group = &judge->groups[judge->group_count++];
    *group = (struct judge_group){0};
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < judge->metric_count && !status; i++)
        status = mi_accuracy_new(&judge->how, &group->metrics[i], error);
    return status;
}

/* ---- results ---- */

static enum mi_status make_results(struct judge *judge, struct mi_error *error) {
    size_t count = judge->metric_count * judge->group_count;
    judge->results = calloc(count, sizeof *judge->results);
    if (judge->results == NULL)
        return no_memory(error);
    judge->result_count = count;
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < count && !status; i++) {
        size_t metric = i / judge->group_count, group = (i + 1) % judge->group_count;
        struct judge_result *result = &judge->results[i];
        *result = (struct judge_result){
            .metric = metric, .group = group, .not_due = judge->groups[group].not_due[metric]};
        status = mi_accuracy_finish(judge->groups[group].metrics[metric], &result->values, error);
    }
    return status;
}

struct mi_text judge_group_name(const struct judge *judge, size_t group) {
    return group > 0 ? mi_index_text(judge->group_names, group - 1) : mi_text_of(JUDGE_TOTAL);
}

/* "cpa.mape", or "cpa.mape of geo=US". */
static void name_result(const struct judge *judge, const struct judge_result *result, enum mi_figure figure,
                        char *out, size_t size) {
    struct mi_text group = judge_group_name(judge, result->group);
    if (result->group > 0) {
        snprintf(out, size, "%s.%s of %s=%.*s", judge->metrics[result->metric], mi_figure_name(figure),
                 judge->options.by, (int)group.size, group.data);
    } else {
        snprintf(out, size, "%s.%s", judge->metrics[result->metric], mi_figure_name(figure));
    }
}

struct output {
    size_t metric, by, n, figures[MI_FIGURE_COUNT], counts[COUNTS], errors[MI_FIGURE_COUNT];
};

static enum mi_status open_output(const struct judge *judge, struct stream *stream, struct output *output,
                                  struct mi_error *error) {
    char name[64];
    enum mi_status status = stream_output(stream, false, error);
    struct mi_writer *writer = stream->writer;
    if (!status)
        status = mi_writer_column(writer, "metric", &output->metric, error);
    if (!status && judge->options.by != NULL)
        status = mi_writer_column(writer, judge->options.by, &output->by, error);
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

static enum mi_status write_result(const struct judge *judge, struct mi_writer *writer,
                                   const struct output *output, const struct judge_result *result,
                                   struct mi_error *error) {
    const struct mi_accuracy_result *values = &result->values;
    const double counts[COUNTS] = {judge->how.by_campaign ? (double)values->n_campaigns : NAN,
                                   (double)values->n_zero_actual, (double)values->n_missing_actual,
                                   (double)values->n_missing_prediction, (double)result->not_due};
    mi_writer_text(writer, output->metric, mi_text_of(judge->metrics[result->metric]));
    if (judge->options.by != NULL)
        mi_writer_text(writer, output->by, judge_group_name(judge, result->group));
    mi_writer_number(writer, output->n, (double)values->n);
    for (unsigned i = 0; i < MI_FIGURE_COUNT; i++) {
        mi_writer_number(writer, output->figures[i], values->figure[i]);
        mi_writer_number(writer, output->errors[i], values->error[i]);
    }
    for (unsigned i = 0; i < COUNTS; i++)
        mi_writer_number(writer, output->counts[i], counts[i]);
    return mi_writer_row(writer, NULL, 0, error);
}

static enum mi_status write_results(const struct judge *judge, struct stream *stream,
                                    struct mi_error *error) {
    struct output output;
    enum mi_status status = open_output(judge, stream, &output, error);
    for (size_t i = 0; i < judge->result_count && judge->any_row && !status; i++)
        status = write_result(judge, stream->writer, &output, &judge->results[i], error);
    return status;
}

/* Says what was counted and not judged. */
static void say_not_judged(const struct judge *judge) {
    uint64_t not_due = 0;
    for (size_t i = 0; i < judge->metric_count; i++)
        not_due = judge->groups[0].not_due[i] > not_due ? judge->groups[0].not_due[i] : not_due;
    if (not_due > 0)
        note("%llu rows are not due yet and not judged", (unsigned long long)not_due);
    for (size_t i = 0; i < judge->result_count; i++) {
        const struct mi_accuracy_result *values = &judge->results[i].values;
        const char *name = judge->metrics[judge->results[i].metric];
        if (judge->results[i].group == 0 && values->n_missing_actual > 0)
            note("%llu rows have no actual_%s and are not judged",
                 (unsigned long long)values->n_missing_actual, name);
        if (judge->results[i].group == 0 && values->n_missing_prediction > 0)
            note("%llu rows have no prediction of %s and are not judged",
                 (unsigned long long)values->n_missing_prediction, name);
    }
}

/* ---- verdicts ---- */

static bool is_judged(const struct judge *judge, const struct judge_result *result) {
    return result->group == 0 || judge->options.every_group;
}

/* Says which limits are broken; returns their number. */
static size_t check_limits(const struct judge *judge) {
    size_t broken = 0;
    char name[512];
    for (size_t i = 0; i < judge->result_count * judge->limit_count; i++) {
        const struct judge_result *result = &judge->results[i / judge->limit_count];
        const struct mi_accuracy_limit *limit = &judge->limits[i % judge->limit_count];
        double value = result->values.figure[limit->figure];
        if (!is_judged(judge, result) ||
            !mi_text_equal(limit->metric, mi_text_of(judge->metrics[result->metric]))) {
            continue;
        }
        name_result(judge, result, limit->figure, name, sizeof name);
        if (isnan(value) && judge->any_row) {
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
static size_t say_changes(const struct judge *judge, const struct mi_accuracy_change *changes,
                          const size_t *owners, size_t count) {
    size_t broken = 0;
    char name[512];
    for (size_t i = 0; i < count; i++) {
        const struct mi_accuracy_change *change = &changes[i];
        if (change->broken) {
            name_result(judge, &judge->results[owners[i / MI_FIGURE_COUNT]], change->figure, name,
                        sizeof name);
            note("worse than the baseline: %s is %.6g, was %.6g (chance by noise alone %.2g)", name,
                 change->after, change->before, change->chance);
            broken++;
        }
    }
    return broken;
}

/* Names the figures that were or are there but have no chance of being worse: one of the two runs lacks the
 * figure, or its standard error. */
static void say_not_compared(const struct judge *judge, const struct mi_accuracy_change *changes,
                             const size_t *owners, size_t count) {
    for (size_t owner = 0; owner < count / MI_FIGURE_COUNT; owner++) {
        const struct judge_result *result = &judge->results[owners[owner]];
        char names[256] = "", first[512];
        size_t size = 0, missing = 0;
        for (unsigned i = 0; i < MI_FIGURE_COUNT; i++) {
            const struct mi_accuracy_change *change = &changes[owner * MI_FIGURE_COUNT + i];
            if (!isnan(change->chance) || (isnan(change->before) && isnan(change->after)))
                continue;
            if (missing++ == 0)
                name_result(judge, result, change->figure, first, sizeof first);
            else
                size += (size_t)snprintf(names + size, sizeof names - size, ", %s",
                                         mi_figure_name(change->figure));
        }
        if (missing > 0)
            note("not compared with the baseline, no value or standard error in one of the two: %s%s", first,
                 names);
    }
}

/* Says which metrics the baseline has that are not judged now. */
static enum mi_status say_gone(const struct judge *judge, const struct baseline *baseline,
                               struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t row = 0; row < mi_batch_rows(baseline->batch) && !status; row++) {
        struct mi_text metric;
        status = mi_batch_text(baseline->batch, row, baseline->metric, &metric, error);
        bool judged = !!status;
        for (size_t i = 0; i < judge->metric_count; i++)
            judged |= mi_text_equal(metric, mi_text_of(judge->metrics[i]));
        if (!judged && baseline_is_total(baseline, row))
            note("the baseline has %.*s, which is not judged now", (int)metric.size, metric.data);
    }
    return status;
}

static enum mi_status find_changes(const struct judge *judge, const struct baseline *baseline,
                                   struct mi_accuracy_change *changes, size_t *owners, size_t *broken,
                                   struct mi_error *error) {
    size_t compared = 0;
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < judge->result_count && !status; i++) {
        const struct judge_result *result = &judge->results[i];
        const char *metric = judge->metrics[result->metric];
        struct mi_text group = judge_group_name(judge, result->group);
        bool found = false;
        if (!is_judged(judge, result))
            continue;
        status = baseline_changes(baseline, metric, group, &result->values,
                                  changes + compared * MI_FIGURE_COUNT, &found, error);
        if (found)
            owners[compared++] = i;
        else if (!status)
            note("the baseline has no row for %s%s%.*s: not compared", metric,
                 result->group > 0 ? " of " : "", result->group > 0 ? (int)group.size : 0, group.data);
    }
    if (status)
        return status;
    mi_accuracy_compare(changes, compared * MI_FIGURE_COUNT, judge->options.level,
                        judge->options.significance);
    *broken += say_changes(judge, changes, owners, compared * MI_FIGURE_COUNT);
    say_not_compared(judge, changes, owners, compared * MI_FIGURE_COUNT);
    return say_gone(judge, baseline, error);
}

static enum mi_status check_baseline(const struct judge *judge, size_t *broken, struct mi_error *error) {
    struct baseline baseline;
    struct mi_accuracy_change *changes = calloc(judge->result_count * MI_FIGURE_COUNT, sizeof *changes);
    size_t *owners = calloc(judge->result_count, sizeof *owners);
    enum mi_status status = baseline_open(&baseline, judge->options.baseline, judge->options.by, error);
    if (!status)
        status = changes && owners ? find_changes(judge, &baseline, changes, owners, broken, error)
                                   : no_memory(error);
    baseline_close(&baseline);
    free(changes);
    free(owners);
    return status;
}

/* ---- start to end ---- */

enum mi_status judge_start(struct judge *judge, struct mi_error *error) {
    enum mi_status status = read_limits(judge, error);
    if (!status)
        status = mi_index_new(&judge->group_names, error);
    return status == MI_OK ? add_group(judge, error) : status;
}

enum mi_status judge_find_group(struct judge *judge, struct mi_text name, size_t *group,
                                struct mi_error *error) {
    size_t number;
    bool added;
    enum mi_status status = mi_index_add(judge->group_names, name, &number, &added, error);
    if (!status && added)
        status = add_group(judge, error);
    if (!status)
        *group = number + 1;
    return status;
}

enum mi_status judge_add(struct judge *judge, size_t group, size_t metric, const struct mi_accuracy_row *row,
                         bool due, struct mi_error *error) {
    if (due)
        return mi_accuracy_add(judge->groups[group].metrics[metric], row, error);
    judge->groups[group].not_due[metric]++;
    return MI_OK;
}

enum mi_status judge_finish(struct judge *judge, struct stream *stream, size_t *broken,
                            struct mi_error *error) {
    enum mi_status status = make_results(judge, error);
    if (!status && judge->options.baseline != NULL)
        status = check_baseline(judge, broken, error);
    if (!status)
        status = write_results(judge, stream, error);
    if (!status) {
        say_not_judged(judge);
        *broken += check_limits(judge);
    }
    return status;
}

void judge_free(struct judge *judge) {
    for (size_t i = 0; i < judge->group_count; i++) {
        for (size_t metric = 0; metric < judge->metric_count; metric++)
            mi_accuracy_free(judge->groups[i].metrics[metric]);
    }
    free(judge->groups);
    free(judge->results);
    free(judge->limits);
    mi_index_free(judge->group_names);
}
