/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-cpa fit: days that are not complete yet, and spend that works on later days.
 */
#ifndef CPA_TIMING_H
#define CPA_TIMING_H

#include "common/program.h"

struct timing {
    const char *as_of, *for_day, *delay, *adstock; /* the options; NULL: not given */
    int32_t date, newest;                          /* of as_of, and of all rows */
    int32_t target;                                /* of for_day */
    size_t columns[MI_CURVE_DELAY_AGES], count;
    struct mi_curve_delay *ages; /* of --delay=estimate: of all rows, then of the widest groups */
    struct mi_index *groups;     /* these, but for rows beyond so many that are in none */
    size_t later;                /* rows after as_of */
};

/* Reads the options, and finds the columns that they need. */
enum mi_status timing_open(struct timing *timing, struct mi_reader *reader, struct mi_error *error);
/* Takes a row; *use: it is not after as_of. *users become what was known of them then, where the row tells.
 * group: the widest of its groups, or NULL. */
enum mi_status timing_row(struct timing *timing, const struct mi_batch *batch, size_t row, int32_t date,
                          const struct mi_text *group, double *users, bool *use, struct mi_error *error);
/* Tells the fit, after all rows. */
enum mi_status timing_apply(struct timing *timing, struct mi_curve_fit *fit, struct mi_error *error);
void timing_free(struct timing *timing);

#endif
