/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-ltv rfm: a transaction log to frequency, recency, T and monetary value.
 */
#ifndef LTV_RFM_H
#define LTV_RFM_H

#include "common/program.h"

extern const struct option_spec rfm_options_table[];
extern const char rfm_details[];

enum mi_status run_rfm(struct mi_error *error);

#endif
