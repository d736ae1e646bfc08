/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Predictions judged by metric and group, whatever they were read from: figures, limits, an earlier run.
 */
#ifndef JUDGE_H
#define JUDGE_H

#include "common/program.h"

#define JUDGE_METRICS 64
#define JUDGE_TOTAL   "*" /* stands for all groups */
#define JUDGE_LIMIT   "cpa.mape>30"
#define JUDGE_NONE    "none" /* no limit */

/* What the options say. */
struct judge_options {
    const char *by; /* the column that tells groups apart, NULL: none */
    struct text_list limits;
    bool every_group; /* limits and baseline hold for each */
    const char *baseline;
    double significance, level;
};

/* Rows of one group; group 0 is the total. */
struct judge_group {
    struct mi_accuracy *metrics[JUDGE_METRICS];
    uint64_t not_due[JUDGE_METRICS];
};

/* The figures of one metric in one group. */
struct judge_result {
    size_t metric, group;
    uint64_t not_due;
    struct mi_accuracy_result values;
};

struct judge {
    struct judge_options options;
    struct mi_accuracy_options how;
    const char *metrics[JUDGE_METRICS]; /* names */
    size_t metric_count;
    struct mi_index *group_names; /* number + 1 is the group */
    struct judge_group *groups;
    size_t group_count, group_capacity;
    bool any_row; /* of input: else the output is its header alone */
    struct mi_accuracy_limit *limits;
    size_t limit_count;
    struct judge_result *results; /* by metric, groups before their total */
    size_t result_count;
};

/* Whether --by can be a column of the output. */
enum mi_status judge_check_by(const char *by, struct mi_error *error);
/* Starts, once options, how and metrics are filled: reads the limits, makes the total. */
enum mi_status judge_start(struct judge *judge, struct mi_error *error);
void judge_free(struct judge *judge);

/* The group of this name, made where it is new. */
enum mi_status judge_find_group(struct judge *judge, struct mi_text name, size_t *group,
                                struct mi_error *error);
/* Adds a row of one metric to a group; one that is not due is counted. */
enum mi_status judge_add(struct judge *judge, size_t group, size_t metric, const struct mi_accuracy_row *row,
                         bool due, struct mi_error *error);

/* Makes the results, compares with the baseline, writes them to the stream, says what was not judged and what
 * is broken. *broken: the number of limits broken and figures that got worse. */
enum mi_status judge_finish(struct judge *judge, struct stream *stream, size_t *broken,
                            struct mi_error *error);

/* The name of a group; JUDGE_TOTAL for 0. */
struct mi_text judge_group_name(const struct judge *judge, size_t group);

#endif
