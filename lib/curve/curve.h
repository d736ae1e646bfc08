/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of lib/curve share about the families of curves.
 */
#ifndef CURVE_CURVE_H
#define CURVE_CURVE_H

#include "mi.h"

/* Range of every parameter of a curve, and the largest shape and exponent, so that no value overflows. */
#define PARAMETER_LEAST 1e-30
#define PARAMETER_MOST  MI_MONEY_LIMIT
#define SHAPE_MOST      100.0
#define EXPONENT_MOST   10.0

#define CURVE_PARTS_MOST 64 /* curves in one mix */

/* Number of parameters of a family (0 for points and mix). */
size_t curve_parameter_count(enum mi_curve_family family);
/* Largest value that a parameter may have. */
double curve_parameter_most(enum mi_curve_family family, size_t parameter);
/* Whether parameter 0 is a ceiling. */
bool curve_has_ceiling(enum mi_curve_family family);
/* The first spend of points that lies above `spend`; infinite where there is none. */
double curve_next_knot(const struct mi_curve *curve, double spend);
/* Weight of a part of a mix, as a share of their sum. */
double curve_weight(const struct mi_curve *curve, size_t part);

#endif
