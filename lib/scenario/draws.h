/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Generators of random numbers by name.
 */
#ifndef SCENARIO_DRAWS_H
#define SCENARIO_DRAWS_H

#include <gsl/gsl_rng.h>

#include "mi.h"

uint64_t draws_seed(uint64_t seed, struct mi_text name);
/* A generator for a name; NULL: no memory. */
gsl_rng *draws_generator(uint64_t seed, struct mi_text name);

#endif
