/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-simulate market.
 */
#ifndef SIMULATE_PLAY_H
#define SIMULATE_PLAY_H

#include "common/program.h"

extern const struct option_spec market_options[];
enum mi_status run_market(struct mi_error *error);

#endif
