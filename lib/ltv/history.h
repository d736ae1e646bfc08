/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A history as sums by segment.
 */
#ifndef LTV_HISTORY_H
#define LTV_HISTORY_H

#include "base/buffer.h"
#include "ltv/moments.h"
#include "mi.h"

#define LTV_FOLDS 5

struct mi_ltv_history {
    char **columns;
    size_t column_count;
    int min_age;
    int32_t as_of; /* MI_DATE_MISSING until finished, where it is the newest */
    size_t folds;  /* 1 or LTV_FOLDS */
    struct mi_index *segments;
    struct ltv_moments *mature; /* by segment and fold */
    size_t capacity;            /* segments that mature has room for */
    struct mi_index *waiting;   /* segment, fold and day: users who are not yet old enough */
    struct waiting_users *young;
    size_t young_capacity, sweep_at;
    int32_t newest;
    struct mi_buffer name;
    uint64_t rows, fingerprint;
    double total, young_users;
    int32_t first_install, last_install;
};

/* The users of a segment who are old enough, over all folds but `except` (LTV_FOLDS: none). */
struct ltv_moments ltv_history_users(const struct mi_ltv_history *history, size_t segment, size_t except);
/* The segment with these values, or SIZE_MAX. */
enum mi_status ltv_history_find(struct mi_ltv_history *history, const struct mi_text *values, size_t *segment,
                                struct mi_error *error);
/* The values of a segment, one per column. */
void ltv_history_values(const struct mi_ltv_history *history, size_t segment, struct mi_text *values);

#endif
