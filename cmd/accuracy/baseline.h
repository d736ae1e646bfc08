/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The output of an earlier run of mi-accuracy, to compare a new one with.
 */
#ifndef BASELINE_H
#define BASELINE_H

#include "common/program.h"

struct baseline {
    struct mi_reader *reader;
    struct mi_batch *batch;
    size_t metric, by, n, n_campaigns, figures[MI_FIGURE_COUNT], errors[MI_FIGURE_COUNT];
};

/* The column of a figure's standard error. */
const char *figure_error_name(enum mi_figure figure, char out[64]);

/* Reads `path` whole; by: the column that tells groups apart, NULL for none. baseline_close() in any case. */
enum mi_status baseline_open(struct baseline *baseline, const char *path, const char *by,
                             struct mi_error *error);
void baseline_close(struct baseline *baseline);

/* Whether a row is a metric's total. */
bool baseline_is_total(const struct baseline *baseline, size_t row);

/* Fills `changes`, one per figure, with the row about this metric and group and with `after`; *found says
 * whether there is such a row. Two of them are an error. */
enum mi_status baseline_changes(const struct baseline *baseline, const char *metric, struct mi_text group,
                                const struct mi_accuracy_result *after,
                                struct mi_accuracy_change changes[MI_FIGURE_COUNT], bool *found,
                                struct mi_error *error);

#endif
