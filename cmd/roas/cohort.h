/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-roas cohort: options, help, run.
 */
#ifndef ROAS_COHORT_H
#define ROAS_COHORT_H

#include "common/program.h"

extern const struct option_spec cohort_table[];
extern const char cohort_details[];
enum mi_status cohort_run(struct mi_error *error);

#endif
