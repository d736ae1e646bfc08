/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-cpa fit --lift: results of experiments, and the campaigns and groups that they are of.
 */
#ifndef CPA_LIFT_H
#define CPA_LIFT_H

#include "cpa/groups.h"

/* What experiments need to know of a campaign. */
struct lift_facts {
    double spend, days;         /* sum over the days with spend, and their number */
    size_t values[GROUPS_MOST]; /* numbers of what its group columns say; SIZE_MAX: nothing */
};

struct lift {
    const char *path;
    struct mi_index *ids, *values;
    struct lift_facts *facts; /* by number of the id */
    size_t room;
    /* after lift_apply(): by row of the fit, the pooled one last */
    struct mi_lift_result *results;
    size_t count;
};

enum mi_status lift_open(struct lift *lift, const char *path, struct mi_error *error);
/* A day of a campaign, and what its group columns say. */
enum mi_status lift_day(struct lift *lift, struct mi_text id, double spend, struct mi_error *error);
enum mi_status lift_group(struct lift *lift, struct mi_text id, const struct mi_text *texts, size_t count,
                          struct mi_error *error);
/* Reads the experiments and applies them to the fitted curves; says what is taken for granted. */
enum mi_status lift_apply(struct lift *lift, const struct mi_curve_fit *fit, char *const *group_names,
                          size_t group_count, struct mi_error *error);
void lift_free(struct lift *lift);

#endif
