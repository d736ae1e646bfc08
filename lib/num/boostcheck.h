/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Trees of a model file before XGBoost sees them: it follows whatever node numbers stand there.
 */
#ifndef MI_NUM_BOOSTCHECK_H
#define MI_NUM_BOOSTCHECK_H

#include "mi.h"

/* Every node is reached once at most from its tree's root, parents, children and columns are there; else
 * MI_BAD_INPUT. What is not of the shape that XGBoost writes is left to its own reader. */
enum mi_status mi_boost_check(struct mi_text json, struct mi_error *error);

#endif
