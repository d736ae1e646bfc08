/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The log of the logistic function of many numbers, for inner loops.
 */
#ifndef MI_NUM_SIGMOID_H
#define MI_NUM_SIGMOID_H

#include <stddef.h>

/* Replaces n numbers by -log(1 + e^-x), right to within 1e-14 and the rounding of x; NaN stays NaN. */
void mi_log_sigmoid(double *x, size_t n);

#endif
