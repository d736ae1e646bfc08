/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The columns that campaigns are pooled by.
 */
#include "cpa/groups.h"

#include <stdlib.h>
#include <string.h>

struct groups_options groups_options;
const char usual_groups[] = "ad_network,geo,targeting_strategy,creative_format";

static enum mi_status open_attributes(struct groups *groups, struct mi_error *error) {
    size_t id;
    enum mi_status status = table_open(groups->path, &groups->attributes, &groups->batch, error);
    if (!status)
        status = mi_reader_column(groups->attributes, "campaign_id", true, &id, error);
    return status ? status : mi_batch_index(groups->batch, id, &groups->ids, error);
}

/* The column in the days, else in the attributes; one that is nowhere is an error of the days. */
static enum mi_status add_column(struct groups *groups, struct mi_reader *days, const char *name,
                                 bool required, struct mi_error *error) {
    bool in_stream = mi_reader_has(days, name);
    bool in_attributes = !in_stream && groups->attributes && mi_reader_has(groups->attributes, name);
    if (!in_stream && !in_attributes && !required)
        return MI_OK;
    if (groups->count == GROUPS_MOST)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--pool-by takes at most %d columns", GROUPS_MOST);
    size_t i = groups->count++;
    groups->names[i] = mi_text_copy(mi_text_of(name));
    if (!groups->names[i])
        return no_memory(error);
    groups->columns[i].in_attributes = MI_NO_COLUMN;
    enum mi_status status =
        mi_reader_column(days, name, !in_attributes, &groups->columns[i].in_stream, error);
    if (!status && in_attributes)
        status = mi_reader_column(groups->attributes, name, true, &groups->columns[i].in_attributes, error);
    return status;
}

enum mi_status groups_open(struct groups *groups, struct mi_reader *days, struct mi_error *error) {
    const char *pool_by = groups_options.pool_by, *attributes = groups_options.attributes;
    groups->path = attributes;
    enum mi_status status = attributes ? open_attributes(groups, error) : MI_OK;
    char *rest = NULL, *names = mi_text_copy(mi_text_of(pool_by ? pool_by : usual_groups));
    if (!status && !names)
        status = no_memory(error);
    char *name = names ? strtok_r(names, ",", &rest) : NULL;
    for (; name && !status; name = strtok_r(NULL, ",", &rest))
        status = add_column(groups, days, name, pool_by != NULL, error);
    free(names);
    if (!status && attributes && groups->count == 0)
        status = mi_error_set(error, MI_BAD_INPUT, "%s has none of the columns to pool by (%s)", attributes,
                              usual_groups);
    return status;
}

enum mi_status groups_row(struct groups *groups, const struct mi_batch *batch, size_t row, struct mi_text id,
                          struct mi_text texts[GROUPS_MOST], bool *known, struct mi_error *error) {
    enum mi_status status = MI_OK;
    size_t there = groups->ids ? mi_index_find(groups->ids, id) : SIZE_MAX;
    *known = !groups->ids || there != SIZE_MAX;
    groups->rows_without += !*known;
    for (size_t i = 0; i < groups->count && *known && !status; i++)
        status =
            groups->columns[i].in_attributes == MI_NO_COLUMN
                ? mi_batch_text(batch, row, groups->columns[i].in_stream, &texts[i], error)
                : mi_batch_text(groups->batch, there, groups->columns[i].in_attributes, &texts[i], error);
    return status;
}

void groups_say(const struct groups *groups) {
    if (groups->rows_without > 0)
        note("not in %s, pooled with the portfolio: %zu row%s", groups->path, groups->rows_without,
             groups->rows_without == 1 ? "" : "s");
}

void groups_free(struct groups *groups) {
    for (size_t i = 0; i < groups->count; i++)
        free(groups->names[i]);
    mi_index_free(groups->ids);
    mi_reader_close(groups->attributes);
}
