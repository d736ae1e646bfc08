/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The columns that campaigns are pooled by: of the days, or of a table of attributes by campaign_id.
 */
#ifndef CPA_GROUPS_H
#define CPA_GROUPS_H

#include "common/program.h"

#define GROUPS_MOST 8 /* columns to pool by */

/* Those that are taken where they are there. */
extern const char usual_groups[];

struct groups {
    struct {
        size_t in_stream, in_attributes; /* one of them */
    } columns[GROUPS_MOST];
    char *names[GROUPS_MOST];
    size_t count;
    const char *path;             /* of the attributes, NULL: none */
    struct mi_reader *attributes; /* NULL: none */
    struct mi_batch *batch;
    struct mi_index *ids;
    size_t rows_without; /* rows whose campaign the attributes do not have */
};

/* Finds the columns; pool_by NULL: the usual ones; attributes NULL: none. */
enum mi_status groups_open(struct groups *groups, struct mi_reader *days, const char *pool_by,
                           const char *attributes, struct mi_error *error);
/* What a row of the days says; *known: false where the attributes do not have its campaign. */
enum mi_status groups_row(struct groups *groups, const struct mi_batch *batch, size_t row, struct mi_text id,
                          struct mi_text texts[GROUPS_MOST], bool *known, struct mi_error *error);
/* Says how many rows the attributes did not have. */
void groups_say(const struct groups *groups);
void groups_free(struct groups *groups);

#endif
