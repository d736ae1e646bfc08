/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads an earlier output of mi-accuracy; see baseline.h.
 */
#include "accuracy/baseline.h"
#include "accuracy/judge.h"

#include <stdio.h>

const char *figure_error_name(enum mi_figure figure, char out[64]) {
    snprintf(out, 64, "%s_se", mi_figure_name(figure));
    return out;
}

enum mi_status baseline_open(struct baseline *baseline, const char *path, const char *by,
                             struct mi_error *error) {
    char name[64];
    *baseline = (struct baseline){.by = MI_NO_COLUMN};
    enum mi_status status = table_open(path, &baseline->reader, &baseline->batch, error);
    if (!status)
        status = mi_reader_column(baseline->reader, "metric", true, &baseline->metric, error);
    if (!status && by)
        status = mi_reader_column(baseline->reader, by, true, &baseline->by, error);
    if (!status)
        status = mi_reader_column(baseline->reader, "n", true, &baseline->n, error);
    if (!status)
        status = mi_reader_column(baseline->reader, "n_campaigns", true, &baseline->n_campaigns, error);
    for (unsigned i = 0; i < MI_FIGURE_COUNT && !status; i++) {
        enum mi_figure figure = (enum mi_figure)i;
        status =
            mi_reader_column(baseline->reader, mi_figure_name(figure), true, &baseline->figures[i], error);
        if (!status)
            status = mi_reader_column(baseline->reader, figure_error_name(figure, name), true,
                                      &baseline->errors[i], error);
    }
    return status;
}

void baseline_close(struct baseline *baseline) {
    mi_reader_close(baseline->reader);
    baseline->reader = NULL;
}

/* Whether a row is about this metric and group. */
static enum mi_status is_about(const struct baseline *baseline, size_t row, struct mi_text metric,
                               struct mi_text group, bool *about, struct mi_error *error) {
    struct mi_text text, by = group;
    enum mi_status status = mi_batch_text(baseline->batch, row, baseline->metric, &text, error);
    if (!status && baseline->by != MI_NO_COLUMN)
        status = mi_batch_text(baseline->batch, row, baseline->by, &by, error);
    *about = !status && mi_text_equal(text, metric) &&
             (mi_text_equal(by, group) || (by.data == NULL && group.size == 0));
    return status;
}

bool baseline_is_total(const struct baseline *baseline, size_t row) {
    struct mi_text by;
    return baseline->by == MI_NO_COLUMN ||
           (mi_batch_text(baseline->batch, row, baseline->by, &by, NULL) == MI_OK &&
            mi_text_equal(by, mi_text_of(JUDGE_TOTAL)));
}

/* The row about this metric and group; the number of rows where there is none. */
static enum mi_status find_row(const struct baseline *baseline, const char *metric, struct mi_text group,
                               size_t *found, struct mi_error *error) {
    size_t rows = mi_batch_rows(baseline->batch);
    *found = rows;
    for (size_t row = 0; row < rows; row++) {
        bool about;
        enum mi_status status = is_about(baseline, row, mi_text_of(metric), group, &about, error);
        if (status)
            return status;
        if (about && *found < rows)
            return mi_batch_fault(baseline->batch, row, baseline->metric, error, "'%s' stands twice%s",
                                  metric, baseline->by == MI_NO_COLUMN ? ": was it written with --by?" : "");
        if (about)
            *found = row;
    }
    return MI_OK;
}

/* Degrees of freedom of standard errors: campaigns are the clusters where there are several. */
static double freedom_of(double rows, double campaigns) {
    return (campaigns > 1 ? campaigns : rows) - 1;
}

enum mi_status baseline_changes(const struct baseline *baseline, const char *metric, struct mi_text group,
                                const struct mi_accuracy_result *after,
                                struct mi_accuracy_change changes[MI_FIGURE_COUNT], bool *found,
                                struct mi_error *error) {
    size_t row;
    double n, campaigns;
    enum mi_status status = find_row(baseline, metric, group, &row, error);
    *found = !status && row < mi_batch_rows(baseline->batch);
    if (!*found)
        return status;
    status = mi_batch_number(baseline->batch, row, baseline->n, MI_FILLED | MI_MONEY, &n, error);
    if (!status)
        status = mi_batch_number(baseline->batch, row, baseline->n_campaigns, MI_MONEY, &campaigns, error);
    for (unsigned i = 0; i < MI_FIGURE_COUNT && !status; i++) {
        struct mi_accuracy_change *change = &changes[i];
        *change = (struct mi_accuracy_change){
            .figure = (enum mi_figure)i,
            .before_freedom = freedom_of(n, campaigns),
            .after = after->figure[i],
            .after_error = after->error[i],
            .after_freedom = freedom_of((double)after->n, (double)after->n_campaigns),
        };
        status = mi_batch_number(baseline->batch, row, baseline->figures[i], MI_ANY, &change->before, error);
        if (!status)
            status = mi_batch_number(baseline->batch, row, baseline->errors[i], MI_MONEY,
                                     &change->before_error, error);
    }
    return status;
}
