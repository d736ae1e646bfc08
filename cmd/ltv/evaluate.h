/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-ltv evaluate: predictions of value against what came.
 */
#ifndef LTV_EVALUATE_H
#define LTV_EVALUATE_H

#include "common/program.h"

extern const struct option_spec evaluate_options_table[];
extern const char evaluate_details[];

enum mi_status run_evaluate(struct mi_error *error);

#endif
