/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Campaigns that are equal in all that an allocation looks at may swap their spends: which of them gets more
 * is said here, so that neither the solver's way nor the order of the input decides it.
 */
#ifndef OPTIMIZE_TIES_H
#define OPTIMIZE_TIES_H

#include "mi.h"

/* Among equal campaigns gives the higher spend to the lower id (bytes compared; then to the one that comes
 * first). */
enum mi_status ties_settle(const struct mi_allocation_problem *problem, double *spend);

#endif
