/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Statements and their errors; see store.h.
 */
#include "store/store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const texts[STORE_STATEMENTS] = {
    [STORE_FIND_CAMPAIGN] = "SELECT campaign FROM campaigns WHERE campaign_id = ?1",
    [STORE_ADD_CAMPAIGN] = "INSERT INTO campaigns(campaign_id) VALUES(?1)",
    [STORE_FIND_METRIC] = "SELECT metric FROM metrics WHERE name = ?1",
    [STORE_ADD_METRIC] = "INSERT INTO metrics(name) VALUES(?1)",
    [STORE_FIND_SOURCE] = "SELECT source FROM sources WHERE model = ?1",
    [STORE_ADD_SOURCE] = "INSERT INTO sources(model) VALUES(?1)",
    [STORE_FIND_PREDICTION] =
        "SELECT put, value, lo, hi FROM predictions WHERE campaign = ?1 AND metric = ?2 AND made = ?3 AND "
        "date = ?4 AND horizon = ?5 AND spend = ?6 AND source = ?7 ORDER BY put DESC LIMIT 1",
    [STORE_ADD_PREDICTION] =
        "INSERT INTO predictions(campaign, metric, made, date, horizon, spend, source, put, value, lo, hi) "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [STORE_LAST_MADE] =
        "SELECT made FROM predictions WHERE campaign = ?1 AND metric = ?2 ORDER BY made DESC LIMIT 1",
    [STORE_FIND_ACTUAL] = "SELECT put, value FROM actuals WHERE campaign = ?1 AND metric = ?2 AND date = ?3 "
                          "AND horizon = ?4 ORDER BY put DESC LIMIT 1",
    [STORE_ADD_ACTUAL] =
        "INSERT INTO actuals(campaign, metric, date, horizon, put, value) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [STORE_ACTUAL_AT] = "SELECT value FROM actuals WHERE campaign = ?1 AND metric = ?2 AND date = ?3 AND "
                        "horizon = ?4 AND put <= ?5 ORDER BY put DESC LIMIT 1",
    [STORE_ACTUALS_BETWEEN] =
        "SELECT date, value FROM actuals WHERE campaign = ?1 AND metric = ?2 AND date BETWEEN ?3 AND ?4 AND "
        "horizon = 1 AND put <= ?5 ORDER BY date, put",
};

enum mi_status store_fail(const struct mi_store *store, int code, struct mi_error *error) {
    const char *message = store->db != NULL ? sqlite3_errmsg(store->db) : sqlite3_errstr(code);
    if (error != NULL) {
        *error = (struct mi_error){0};
        snprintf(error->file, sizeof error->file, "%s", store->path);
    }
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return mi_error_set(error, MI_SYSTEM, "locked by another program for more than %u s", store->wait);
    case SQLITE_FULL:
        return mi_error_set(error, MI_SYSTEM, "no space left: nothing was stored");
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return mi_error_set(error, MI_SYSTEM, "%s",
                            store->writable ? "read-only: nothing was stored"
                                            : "its folder is read-only, where readers, too, leave a lock: "
                                              "read a copy made by 'mi-store backup'");
    case SQLITE_CANTOPEN:
        return mi_error_set(error, MI_SYSTEM, "cannot open it, or the files beside it: %s", message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return mi_error_set(error, MI_SYSTEM, "damaged (%s): 'mi-store check' tells what, a backup is needed",
                            message);
    default:
        return mi_error_set(error, MI_SYSTEM, "%s (SQLite %d)", message, code);
    }
}

enum mi_status store_run(struct mi_store *store, const char *sql, struct mi_error *error) {
    int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? MI_OK : store_fail(store, code, error);
}

enum mi_status store_prepare(struct mi_store *store, const char *sql, sqlite3_stmt **statement,
                             struct mi_error *error) {
    int code = sqlite3_prepare_v2(store->db, sql, -1, statement, NULL);
    return code == SQLITE_OK ? MI_OK : store_fail(store, code, error);
}

enum mi_status store_statement(struct mi_store *store, enum store_statement which, sqlite3_stmt **statement,
                               struct mi_error *error) {
    sqlite3_stmt **kept = &store->statements[which];
    if (*kept != NULL) {
        sqlite3_reset(*kept);
        *statement = *kept;
        return MI_OK;
    }
    int code = sqlite3_prepare_v3(store->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, kept, NULL);
    *statement = *kept;
    return code == SQLITE_OK ? MI_OK : store_fail(store, code, error);
}

enum mi_status store_step(struct mi_store *store, sqlite3_stmt *statement, bool *row,
                          struct mi_error *error) {
    int code = sqlite3_step(statement);
    *row = code == SQLITE_ROW;
    if (code == SQLITE_ROW || code == SQLITE_DONE) {
        return MI_OK;
    }
    return store_fail(store, code, error);
}

enum mi_status store_do(struct mi_store *store, sqlite3_stmt *statement, struct mi_error *error) {
    bool row;
    enum mi_status status = store_step(store, statement, &row, error);
    sqlite3_reset(statement);
    return status;
}

enum mi_status store_number(struct mi_store *store, const char *sql, int64_t otherwise, int64_t *number,
                            struct mi_error *error) {
    sqlite3_stmt *statement = NULL;
    bool row = false;
    *number = otherwise;
    enum mi_status status = store_prepare(store, sql, &statement, error);
    if (status == MI_OK) {
        status = store_step(store, statement, &row, error);
    }
    if (status == MI_OK && row && sqlite3_column_type(statement, 0) != SQLITE_NULL) {
        *number = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return status;
}

/* ---- values ---- */

void store_bind_text(sqlite3_stmt *statement, int place, struct mi_text text) {
    if (text.data == NULL) {
        sqlite3_bind_null(statement, place);
    } else {
        sqlite3_bind_text64(statement, place, text.data, text.size, SQLITE_TRANSIENT, SQLITE_UTF8);
    }
}

void store_bind_name(sqlite3_stmt *statement, int place, struct mi_text text) {
    store_bind_text(statement, place, text.data != NULL ? text : mi_text_of(""));
}

void store_bind_date(sqlite3_stmt *statement, int place, int32_t days) {
    if (days == MI_DATE_MISSING) {
        sqlite3_bind_null(statement, place);
    } else {
        sqlite3_bind_int(statement, place, days);
    }
}

struct mi_text store_text(sqlite3_stmt *statement, int column) {
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return (struct mi_text){text, text != NULL ? (size_t)sqlite3_column_bytes(statement, column) : 0};
}

double store_real(sqlite3_stmt *statement, int column) {
    return sqlite3_column_type(statement, column) == SQLITE_NULL ? NAN
                                                                 : sqlite3_column_double(statement, column);
}

int32_t store_date(sqlite3_stmt *statement, int column) {
    return sqlite3_column_type(statement, column) == SQLITE_NULL ? MI_DATE_MISSING
                                                                 : sqlite3_column_int(statement, column);
}

int64_t store_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- names ---- */

void store_names_free(struct store_names *names) {
    mi_index_free(names->index);
    free(names->ids);
    *names = (struct store_names){0};
}

/* The id of a name as the table has it; 0: not there. */
static enum mi_status look_up(struct mi_store *store, enum store_statement find, struct mi_text name,
                              int64_t *id, struct mi_error *error) {
    sqlite3_stmt *statement;
    bool row = false;
    enum mi_status status = store_statement(store, find, &statement, error);
    if (status == MI_OK) {
        store_bind_name(statement, 1, name);
        status = store_step(store, statement, &row, error);
        *id = row ? sqlite3_column_int64(statement, 0) : 0;
        sqlite3_reset(statement);
    }
    return status;
}

static enum mi_status remember(struct store_names *names, size_t number, int64_t id, struct mi_error *error) {
    if (number >= names->capacity) {
        size_t capacity = names->capacity > 0 ? 2 * names->capacity : 64;
        int64_t *ids = realloc(names->ids, capacity * sizeof *ids);
        if (ids == NULL) {
            return mi_error_set(error, MI_NO_MEMORY, "out of memory");
        }
        names->ids = ids;
        names->capacity = capacity;
    }
    names->ids[number] = id;
    return MI_OK;
}

static enum mi_status find_name(struct mi_store *store, struct store_names *names, enum store_statement find,
                                enum store_statement add, struct mi_text name, bool make, int64_t *id,
                                struct mi_error *error) {
    enum mi_status status = names->index == NULL ? mi_index_new(&names->index, error) : MI_OK;
    size_t number = status == MI_OK ? mi_index_find(names->index, name) : SIZE_MAX;
    if (number != SIZE_MAX) {
        *id = names->ids[number];
        return MI_OK;
    }
    if (status == MI_OK) {
        status = look_up(store, find, name, id, error);
    }
    if (status == MI_OK && *id == 0 && make) {
        sqlite3_stmt *statement;
        status = store_statement(store, add, &statement, error);
        if (status == MI_OK) {
            store_bind_name(statement, 1, name);
            status = store_do(store, statement, error);
            *id = sqlite3_last_insert_rowid(store->db);
        }
    }
    if (status != MI_OK || *id == 0) {
        return status;
    }
    status = mi_index_add(names->index, name, &number, NULL, error);
    return status == MI_OK ? remember(names, number, *id, error) : status;
}

enum mi_status store_campaign(struct mi_store *store, struct mi_text name, bool add, int64_t *id,
                              struct mi_error *error) {
    return find_name(store, &store->campaigns, STORE_FIND_CAMPAIGN, STORE_ADD_CAMPAIGN, name, add, id, error);
}

enum mi_status store_metric(struct mi_store *store, struct mi_text name, bool add, int64_t *id,
                            struct mi_error *error) {
    return find_name(store, &store->metrics, STORE_FIND_METRIC, STORE_ADD_METRIC, name, add, id, error);
}

enum mi_status store_source(struct mi_store *store, struct mi_text name, bool add, int64_t *id,
                            struct mi_error *error) {
    return find_name(store, &store->sources, STORE_FIND_SOURCE, STORE_ADD_SOURCE, name, add, id, error);
}
