/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rules of mi-monitor: thresholds, and shares by age.
 */
#include "monitor/parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[WATCH_METRICS] = {"cpa", "roas", "users"};

/* share/rules/monitor.csv holds the same. */
static const struct rule defaults[WATCH_METRICS] = {
    {WATCH_CPA, 0.2, "high", "reduce_budget", -0.15},
    {WATCH_ROAS, -0.15, "high", "investigate_or_pause", NAN},
    {WATCH_USERS, -0.25, "medium", "expand_targeting", NAN},
};

const char *watched_name(enum watched_metric metric) {
    return names[metric];
}

static enum mi_status find_metric(const struct mi_batch *batch, size_t row, size_t column,
                                  enum watched_metric *metric, struct mi_error *error) {
    struct mi_text text;
    enum mi_status status = mi_batch_id(batch, row, column, &text, error);
    for (unsigned i = 0; i < WATCH_METRICS && !status; i++) {
        if (mi_text_equal(text, mi_text_of(names[i]))) {
            *metric = (enum watched_metric)i;
            return MI_OK;
        }
    }
    return status ? status
                  : mi_batch_fault(batch, row, column, error, "none of cpa, roas, users: \"%.*s\"",
                                   (int)text.size, text.data);
}

static enum mi_status read_text(const struct mi_batch *batch, size_t row, size_t column, char *out,
                                size_t size, struct mi_error *error) {
    struct mi_text text;
    enum mi_status status = mi_batch_id(batch, row, column, &text, error);
    if (!status && text.size >= size)
        return mi_batch_fault(batch, row, column, error, "longer than %zu bytes", size - 1);
    if (!status)
        snprintf(out, size, "%.*s", (int)text.size, text.data);
    return status;
}

struct rule_columns {
    size_t metric, threshold, severity, action, change;
};

static enum mi_status read_rule(struct rules *rules, const struct mi_batch *batch, size_t row,
                                const struct rule_columns *columns, struct mi_error *error) {
    struct rule rule;
    enum mi_status status = find_metric(batch, row, columns->metric, &rule.metric, error);
    for (size_t i = 0; i < rules->count && !status; i++)
        if (rules->rules[i].metric == rule.metric)
            return mi_batch_fault(batch, row, columns->metric, error, "stands twice");
    if (!status)
        status = mi_batch_number(batch, row, columns->threshold, MI_FILLED, &rule.threshold, error);
    if (!status && ((rule.metric == WATCH_CPA) != (rule.threshold > 0) || rule.threshold == 0 ||
                    rule.threshold <= -0.8 || rule.threshold > 100))
        return mi_batch_fault(batch, row, columns->threshold, error,
                              "%.15g cannot be: a cpa's is above 0, others' are between -0.8 and 0",
                              rule.threshold);
    if (!status)
        status = read_text(batch, row, columns->severity, rule.severity, sizeof rule.severity, error);
    if (!status)
        status = read_text(batch, row, columns->action, rule.action, sizeof rule.action, error);
    if (!status)
        status = mi_batch_number(batch, row, columns->change, MI_ANY, &rule.change, error);
    if (!status && (rule.change <= -1 || rule.change > 0))
        return mi_batch_fault(batch, row, columns->change, error, "%.15g is no reduction (as -0.15)",
                              rule.change);
    if (!status)
        rules->rules[rules->count++] = rule;
    return status;
}

static enum mi_status read_rules(struct rules *rules, const char *path, struct mi_error *error) {
    struct mi_reader *reader = NULL;
    struct mi_batch *batch = NULL;
    struct rule_columns columns;
    const struct {
        const char *name;
        size_t *column;
    } wanted[] = {{"metric", &columns.metric},
                  {"threshold", &columns.threshold},
                  {"severity", &columns.severity},
                  {"action", &columns.action},
                  {"change", &columns.change}};
    enum mi_status status = table_open(path, &reader, &batch, error);
    for (size_t i = 0; i < 5 && !status; i++)
        status = mi_reader_column(reader, wanted[i].name, true, wanted[i].column, error);
    for (size_t row = 0; !status && row < mi_batch_rows(batch); row++)
        status = read_rule(rules, batch, row, &columns, error);
    if (!status && rules->count == 0)
        status = mi_error_set(error, MI_BAD_INPUT, "%s: no rule", path);
    mi_reader_close(reader);
    return status;
}

/* ---- shares by age ---- */

static enum mi_status add_knot(struct maturity *maturity, const struct mi_batch *batch, size_t row,
                               size_t column, double age, double share, struct mi_error *error) {
    size_t n = maturity->count;
    if (!(share > 0 && share <= 1) ||
        (n > 0 && (age <= maturity->ages[n - 1] || share < maturity->shares[n - 1])))
        return mi_batch_fault(batch, row, column, error,
                              "shares are above 0, at most 1, and do not fall with age, which rises");
    double *ages = realloc(maturity->ages, (n + 1) * sizeof *ages);
    if (ages)
        maturity->ages = ages;
    double *shares = realloc(maturity->shares, (n + 1) * sizeof *shares);
    if (shares)
        maturity->shares = shares;
    if (!ages || !shares)
        return no_memory(error);
    maturity->ages[n] = age;
    maturity->shares[n] = share;
    maturity->count++;
    return MI_OK;
}

static enum mi_status read_maturity(struct rules *rules, const char *path, struct mi_error *error) {
    struct mi_reader *reader = NULL;
    struct mi_batch *batch = NULL;
    size_t metric_column = 0, age_column = 0, share_column = 0;
    enum mi_status status = table_open(path, &reader, &batch, error);
    if (!status)
        status = mi_reader_column(reader, "metric", true, &metric_column, error);
    if (!status)
        status = mi_reader_column(reader, "age_days", true, &age_column, error);
    if (!status)
        status = mi_reader_column(reader, "share", true, &share_column, error);
    for (size_t row = 0; !status && row < mi_batch_rows(batch); row++) {
        enum watched_metric metric;
        double age, share;
        status = find_metric(batch, row, metric_column, &metric, error);
        if (!status)
            status = mi_batch_number(batch, row, age_column, MI_FILLED | MI_MONEY, &age, error);
        if (!status)
            status = mi_batch_number(batch, row, share_column, MI_FILLED | MI_MONEY, &share, error);
        if (!status)
            status = add_knot(&rules->maturity[metric], batch, row, share_column, age, share, error);
    }
    mi_reader_close(reader);
    return status;
}

enum mi_status rules_read(struct rules *rules, const char *path, const char *maturity,
                          struct mi_error *error) {
    *rules = (struct rules){0};
    enum mi_status status = MI_OK;
    if (path) {
        status = read_rules(rules, path, error);
    } else {
        memcpy(rules->rules, defaults, sizeof defaults);
        rules->count = WATCH_METRICS;
    }
    return !status && maturity ? read_maturity(rules, maturity, error) : status;
}

void rules_free(struct rules *rules) {
    for (size_t i = 0; i < WATCH_METRICS; i++) {
        free(rules->maturity[i].ages);
        free(rules->maturity[i].shares);
    }
}

double rules_share(const struct rules *rules, enum watched_metric metric, double age, double otherwise) {
    const struct maturity *maturity = &rules->maturity[metric];
    if (maturity->count == 0)
        return otherwise;
    double age_before = 0, share_before = 0;
    for (size_t i = 0; i < maturity->count; i++) {
        if (age <= maturity->ages[i]) {
            double width = maturity->ages[i] - age_before;
            double part = width > 0 ? (age - age_before) / width : 1;
            return share_before + part * (maturity->shares[i] - share_before);
        }
        age_before = maturity->ages[i];
        share_before = maturity->shares[i];
    }
    return share_before;
}

enum mi_status rules_write(struct mi_error *error) {
    static const char *const columns[] = {"metric", "threshold", "severity", "action", "change"};
    struct stream stream = {0};
    size_t slots[5];
    enum mi_status status = stream_output(&stream, false, error);
    for (size_t i = 0; i < 5 && !status; i++)
        status = mi_writer_column(stream.writer, columns[i], &slots[i], error);
    for (size_t i = 0; i < WATCH_METRICS && !status; i++) {
        mi_writer_text(stream.writer, slots[0], mi_text_of(names[defaults[i].metric]));
        mi_writer_number(stream.writer, slots[1], defaults[i].threshold);
        mi_writer_text(stream.writer, slots[2], mi_text_of(defaults[i].severity));
        mi_writer_text(stream.writer, slots[3], mi_text_of(defaults[i].action));
        mi_writer_number(stream.writer, slots[4], defaults[i].change);
        status = mi_writer_row(stream.writer, NULL, 0, error);
    }
    return stream_close(&stream, status, error);
}
