/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A problem with its campaigns in the order of their ids, so that no step of a solver depends on the order of
 * the input.
 */
#ifndef OPTIMIZE_ORDERED_H
#define OPTIMIZE_ORDERED_H

#include "mi.h"

struct ordered {
    struct mi_allocation_problem problem;
    size_t *place; /* of its campaigns in the problem that it was made of */
    struct mi_allocation_campaign *campaigns;
    struct mi_allocation_limit *limits;
    size_t **members; /* of the limits */
};

/* Bytes compared; a text that another one begins with comes first. */
int ordered_compare(struct mi_text a, struct mi_text b);
/* Zero-initialise before; ordered_free() in any case. */
enum mi_status ordered_new(struct ordered *ordered, const struct mi_allocation_problem *problem);
/* The allocation in the order of the problem it was made of. */
enum mi_status ordered_restore(const struct ordered *ordered, struct mi_allocation *allocation);
void ordered_free(struct ordered *ordered);

#endif
