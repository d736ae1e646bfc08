/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sets of campaigns compared; see expect.h.
 */
#include "optimize/expect.h"

#include <stdio.h>
#include <string.h>

#define NAMES_MOST 5 /* campaigns that a message names */

void names_add(struct names *names, struct mi_text name) {
    names->count++;
    if (names->shown == NAMES_MOST || names->used + name.size + 32 > sizeof names->text)
        return;
    int written = snprintf(names->text + names->used, sizeof names->text - names->used, "%s'%.*s'",
                           names->shown ? ", " : "", (int)name.size, name.data);
    names->used += (size_t)written;
    names->shown++;
}

const char *names_finish(struct names *names) {
    if (names->count > names->shown)
        snprintf(names->text + names->used, sizeof names->text - names->used, "%s%zu more",
                 names->shown ? " and " : "", names->count - names->shown);
    return names->text;
}

static enum mi_status compare_sets(const struct campaigns *campaigns, struct mi_index *expected,
                                   struct mi_index *found, const char *path, struct mi_error *error) {
    struct names missing = {0}, extra = {0};
    for (size_t i = 0; i < campaigns->count; i++) {
        size_t number;
        enum mi_status status = mi_index_add(found, campaigns->items[i].id, &number, NULL, error);
        if (status)
            return status;
        if (mi_index_find(expected, campaigns->items[i].id) == SIZE_MAX)
            names_add(&extra, campaigns->items[i].id);
    }
    for (size_t i = 0; i < mi_index_size(expected); i++)
        if (mi_index_find(found, mi_index_text(expected, i)) == SIZE_MAX)
            names_add(&missing, mi_index_text(expected, i));
    if (missing.count + extra.count == 0)
        return MI_OK;
    names_finish(&missing);
    names_finish(&extra);
    return mi_error_set(error, MI_BAD_INPUT, "not the campaigns of --expect=%s:%s%s%s%s%s", path,
                        missing.count ? " missing " : "", missing.text,
                        missing.count && extra.count ? ";" : "", extra.count ? " not expected " : "",
                        extra.text);
}

static enum mi_status index_ids(struct mi_reader *reader, const struct mi_batch *batch,
                                struct mi_index *index, struct mi_error *error) {
    size_t column, number;
    struct mi_text id;
    enum mi_status status = mi_reader_column(reader, "campaign_id", true, &column, error);
    for (size_t row = 0; row < mi_batch_rows(batch) && !status; row++) {
        status = mi_batch_id(batch, row, column, &id, error);
        if (!status)
            status = mi_index_add(index, id, &number, NULL, error);
    }
    return status;
}

enum mi_status expect_check(const struct campaigns *campaigns, const char *path, struct mi_error *error) {
    struct mi_reader *reader = NULL;
    struct mi_batch *batch;
    struct mi_index *expected = NULL, *found = NULL;
    if (!path)
        return MI_OK;
    enum mi_status status = table_open(path, &reader, &batch, error);
    if (!status)
        status = mi_index_new(&expected, error);
    if (!status)
        status = mi_index_new(&found, error);
    if (!status)
        status = index_ids(reader, batch, expected, error);
    if (!status)
        status = compare_sets(campaigns, expected, found, path, error);
    mi_index_free(expected);
    mi_index_free(found);
    mi_reader_close(reader);
    return status;
}
