/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-ltv cohort: how the value of users is distributed, by any column.
 */
#ifndef LTV_COHORT_H
#define LTV_COHORT_H

#include "ltv/models.h"

extern const struct option_spec cohort_options_table[];
extern const char cohort_details[];

enum mi_status run_cohort(struct mi_error *error);

#endif
