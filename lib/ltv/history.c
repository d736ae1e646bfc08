/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads a history into sums by segment. The date that decides who is old enough may be known only at the end:
 * users younger than that at the newest date so far wait by segment and day, and join their segment once the
 * dates move on.
 */
#include "ltv/history.h"
#include "base/hash.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SWEEP_LEAST 4096

struct waiting_users {
    size_t segment, fold;
    int32_t day;
    struct ltv_moments users;
};

static bool copy_columns(struct mi_ltv_history *history, const struct mi_ltv_history_options *options) {
    history->columns = calloc(options->column_count, sizeof *history->columns);
    if (history->columns == NULL) {
        return false;
    }
    history->column_count = options->column_count;
    for (size_t i = 0; i < options->column_count; i++) {
        history->columns[i] = mi_text_copy(mi_text_of(options->columns[i]));
        if (history->columns[i] == NULL) {
            return false;
        }
    }
    return true;
}

enum mi_status mi_ltv_history_new(const struct mi_ltv_history_options *options,
                                  struct mi_ltv_history **history, struct mi_error *error) {
    if (options->column_count == 0 || options->column_count > MI_LTV_COLUMNS_MOST || options->min_age < 0) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "a history needs 1 to %d columns and an age of 0 or more",
                            MI_LTV_COLUMNS_MOST);
    }
    struct mi_ltv_history *new = calloc(1, sizeof *new);
    if (new == NULL) {
        return mi_no_memory(error);
    }
    new->min_age = options->min_age;
    new->as_of = options->as_of;
    new->folds = options->folds ? LTV_FOLDS : 1;
    new->newest = new->first_install = new->last_install = MI_DATE_MISSING;
    new->sweep_at = SWEEP_LEAST;
    enum mi_status status = copy_columns(new, options) ? MI_OK : mi_no_memory(error);
    if (status == MI_OK) {
        status = mi_index_new(&new->segments, error);
    }
    if (status == MI_OK) {
        status = mi_index_new(&new->waiting, error);
    }
    if (status != MI_OK) {
        mi_ltv_history_free(new);
        return status;
    }
    *history = new;
    return MI_OK;
}

void mi_ltv_history_free(struct mi_ltv_history *history) {
    if (history == NULL) {
        return;
    }
    for (size_t i = 0; i < history->column_count && history->columns != NULL; i++) {
        free(history->columns[i]);
    }
    free(history->columns);
    mi_index_free(history->segments);
    mi_index_free(history->waiting);
    free(history->mature);
    free(history->young);
    mi_buffer_free(&history->name);
    free(history);
}

/* ---- segments ---- */

/* The values in a row, each after its length. */
static bool name_segment(struct mi_ltv_history *history, const struct mi_text *values) {
    history->name.size = 0;
    for (size_t i = 0; i < history->column_count; i++) {
        size_t size = values[i].data != NULL ? values[i].size : 0;
        mi_buffer_append(&history->name, (const char *)&size, sizeof size);
        mi_buffer_append(&history->name, values[i].data, size);
    }
    return !history->name.failed;
}

void ltv_history_values(const struct mi_ltv_history *history, size_t segment, struct mi_text *values) {
    const char *at = mi_index_text(history->segments, segment).data;
    for (size_t i = 0; i < history->column_count; i++) {
        memcpy(&values[i].size, at, sizeof values[i].size);
        values[i].data = at + sizeof values[i].size;
        at = values[i].data + values[i].size;
    }
}

enum mi_status ltv_history_find(struct mi_ltv_history *history, const struct mi_text *values, size_t *segment,
                                struct mi_error *error) {
    if (!name_segment(history, values)) {
        return mi_no_memory(error);
    }
    *segment = mi_index_find(history->segments, (struct mi_text){history->name.data, history->name.size});
    return MI_OK;
}

static enum mi_status add_segment(struct mi_ltv_history *history, const struct mi_text *values,
                                  size_t *segment, struct mi_error *error) {
    if (!name_segment(history, values)) {
        return mi_no_memory(error);
    }
    bool added;
    enum mi_status status = mi_index_add(
        history->segments, (struct mi_text){history->name.data, history->name.size}, segment, &added, error);
    if (status != MI_OK || *segment < history->capacity) {
        return status;
    }
    size_t capacity = history->capacity > 0 ? 2 * history->capacity : 64;
    struct ltv_moments *mature = realloc(history->mature, capacity * history->folds * sizeof *mature);
    if (mature == NULL) {
        return mi_no_memory(error);
    }
    memset(mature + history->capacity * history->folds, 0,
           (capacity - history->capacity) * history->folds * sizeof *mature);
    history->mature = mature;
    history->capacity = capacity;
    return MI_OK;
}

struct ltv_moments ltv_history_users(const struct mi_ltv_history *history, size_t segment, size_t except) {
    struct ltv_moments users = {0};
    for (size_t fold = 0; fold < history->folds; fold++) {
        if (fold != except) {
            ltv_moments_add(&users, &history->mature[segment * history->folds + fold]);
        }
    }
    return users;
}

/* ---- who is old enough ---- */

static int32_t today(const struct mi_ltv_history *history) {
    return history->as_of != MI_DATE_MISSING ? history->as_of : history->newest;
}

static bool old_enough(const struct mi_ltv_history *history, int32_t day) {
    return (int64_t)today(history) - day >= history->min_age;
}

static void join_segment(struct mi_ltv_history *history, const struct waiting_users *entry) {
    ltv_moments_add(&history->mature[entry->segment * history->folds + entry->fold], &entry->users);
    if (entry->day == MI_DATE_MISSING) {
        return;
    }
    if (history->first_install == MI_DATE_MISSING || entry->day < history->first_install) {
        history->first_install = entry->day;
    }
    if (entry->day > history->last_install) {
        history->last_install = entry->day;
    }
}

static enum mi_status await(struct mi_ltv_history *history, const struct waiting_users *entry,
                            struct mi_error *error) {
    struct {
        size_t segment, fold;
        int64_t day;
    } key = {entry->segment, entry->fold, entry->day};
    size_t number;
    bool added;
    enum mi_status status = mi_index_add(history->waiting, (struct mi_text){(const char *)&key, sizeof key},
                                         &number, &added, error);
    if (status != MI_OK) {
        return status;
    }
    if (number >= history->young_capacity) {
        size_t capacity = history->young_capacity > 0 ? 2 * history->young_capacity : 64;
        struct waiting_users *young = realloc(history->young, capacity * sizeof *young);
        if (young == NULL) {
            return mi_no_memory(error);
        }
        history->young = young;
        history->young_capacity = capacity;
    }
    if (added) {
        history->young[number] = *entry;
    } else {
        ltv_moments_add(&history->young[number].users, &entry->users);
    }
    return MI_OK;
}

/* Lets those who have become old enough join their segments; the others wait on. */
static enum mi_status sweep(struct mi_ltv_history *history, struct mi_error *error) {
    size_t count = mi_index_size(history->waiting);
    mi_index_free(history->waiting);
    history->waiting = NULL;
    enum mi_status status = mi_index_new(&history->waiting, error);
    for (size_t i = 0; i < count && status == MI_OK; i++) {
        struct waiting_users entry = history->young[i];
        if (old_enough(history, entry.day)) {
            join_segment(history, &entry);
        } else {
            status = await(history, &entry, error); /* its place is at or before i */
        }
    }
    if (status == MI_OK) {
        size_t left = mi_index_size(history->waiting);
        history->sweep_at = 2 * left > SWEEP_LEAST ? 2 * left : SWEEP_LEAST;
    }
    return status;
}

/* ---- rows ---- */

/* A hash of the row; their sum does not depend on the order of the rows. */
static uint64_t hash_row(const struct mi_ltv_history *history, const struct mi_ltv_row *row) {
    struct {
        double users, mean, sd;
        int64_t day;
    } cells = {row->users, row->mean, isnan(row->sd) ? -1 : row->sd, row->installed};
    uint64_t hash = mi_hash(MI_HASH_START, history->name.data, history->name.size);
    return mi_hash(hash, &cells, sizeof cells);
}

/* Which fold the row is in: SplitMix64 (Steele, Lea, Flood 2014) of its number. */
static size_t fold_of(uint64_t row, size_t folds) {
    uint64_t mixed = (row + 1) * 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return (size_t)((mixed ^ mixed >> 31) % folds);
}

enum mi_status mi_ltv_history_add(struct mi_ltv_history *history, const struct mi_ltv_row *row,
                                  struct mi_error *error) {
    if (!(history->total + row->users <= MI_MONEY_LIMIT)) {
        return mi_error_set(error, MI_BAD_RECORD, "more than 1e15 users in all");
    }
    struct waiting_users entry = {.day = row->installed};
    enum mi_status status = add_segment(history, row->values, &entry.segment, error);
    if (status != MI_OK) {
        return status;
    }
    if (history->folds > 1) {
        history->fingerprint += hash_row(history, row);
        entry.fold = fold_of(history->rows, history->folds);
    }
    history->rows++;
    history->total += row->users;
    if (entry.day > history->newest) {
        history->newest = entry.day;
    }
    if (row->users <= 0) {
        return MI_OK;
    }
    entry.users = ltv_moments_of(row->users, row->mean, row->sd);
    if (entry.day == MI_DATE_MISSING || old_enough(history, entry.day)) {
        join_segment(history, &entry);
        return MI_OK;
    }
    if (mi_index_size(history->waiting) >= history->sweep_at) {
        status = sweep(history, error);
    }
    return status == MI_OK ? await(history, &entry, error) : status;
}

enum mi_status mi_ltv_history_finish(struct mi_ltv_history *history, struct mi_ltv_history_summary *summary,
                                     struct mi_error *error) {
    enum mi_status status = sweep(history, error);
    if (status != MI_OK) {
        return status;
    }
    history->young_users = 0;
    for (size_t i = 0; i < mi_index_size(history->waiting); i++) {
        history->young_users += history->young[i].users.users;
    }
    history->as_of = today(history);
    if (summary == NULL) {
        return MI_OK;
    }
    *summary = (struct mi_ltv_history_summary){.rows = history->rows,
                                               .young_users = history->young_users,
                                               .as_of = history->as_of,
                                               .first_install = history->first_install,
                                               .last_install = history->last_install};
    for (size_t segment = 0; segment < mi_index_size(history->segments); segment++) {
        double users = ltv_history_users(history, segment, LTV_FOLDS).users;
        summary->users += users;
        summary->segments += users > 0;
    }
    return MI_OK;
}
