/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * log(1 + e^x) of many numbers, for inner loops.
 */
#ifndef MI_NUM_SOFTPLUS_H
#define MI_NUM_SOFTPLUS_H

#include <stddef.h>

/* Replaces n numbers by log(1 + e^x), right to within 1e-14 and the rounding of x; NaN stays NaN. */
void mi_softplus(double *x, size_t n);

#endif
