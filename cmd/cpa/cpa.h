/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sub-commands of mi-cpa.
 */
#ifndef CPA_CPA_H
#define CPA_CPA_H

#include "common/curves.h"
#include "common/program.h"

/* A column that a sub-command reads or writes. */
struct wanted {
    const char *name;
    bool required;
    size_t *column;
};

enum mi_status find_wanted(struct mi_reader *reader, const struct wanted *wanted, size_t count,
                           struct mi_error *error);

extern const struct option_spec predict_table[], fit_table[];
extern const char predict_details[], fit_details[];

enum mi_status run_predict(struct mi_error *error);
enum mi_status run_fit(struct mi_error *error);

#endif
