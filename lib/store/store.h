/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Inside the store: the connection, its statements, and errors in words.
 */
#ifndef MI_STORE_STORE_H
#define MI_STORE_STORE_H

#include <sqlite3.h>

#include "mi.h"

#define STORE_APPLICATION 0x6d695374 /* "miSt" */

/* Statements that are prepared once. */
enum store_statement {
    STORE_FIND_CAMPAIGN,
    STORE_ADD_CAMPAIGN,
    STORE_FIND_METRIC,
    STORE_ADD_METRIC,
    STORE_FIND_SOURCE,
    STORE_ADD_SOURCE,
    STORE_FIND_PREDICTION,
    STORE_ADD_PREDICTION,
    STORE_LAST_MADE,
    STORE_FIND_ACTUAL,
    STORE_ADD_ACTUAL,
    STORE_ACTUAL_AT,
    STORE_ACTUALS_BETWEEN,
    STORE_STATEMENTS
};

/* Names of one table by their row id: read once, then found without a query. */
struct store_names {
    struct mi_index *index;
    int64_t *ids; /* by number in the index */
    size_t capacity;
};

/* The last prediction of a campaign and metric: what is made later is new, and need not be looked for. */
struct store_recent {
    int64_t campaign, metric;
    int32_t made;
};
#define STORE_RECENT 64

struct mi_store {
    sqlite3 *db;
    char path[256]; /* for messages */
    unsigned wait;  /* seconds */
    bool writable;
    int64_t put; /* id of the put that is going on, 0: none */
    bool changed;
    sqlite3_stmt *statements[STORE_STATEMENTS];
    struct store_names campaigns, metrics, sources;
    struct store_recent recent[STORE_RECENT]; /* of the put that is going on, by metric */
};

/* Turns a result code of SQLite into a status with a text that says what to do. */
enum mi_status store_fail(const struct mi_store *store, int code, struct mi_error *error);
/* Runs statements that give no rows. */
enum mi_status store_run(struct mi_store *store, const char *sql, struct mi_error *error);
/* A statement of one's own; sqlite3_finalize() it. */
enum mi_status store_prepare(struct mi_store *store, const char *sql, sqlite3_stmt **statement,
                             struct mi_error *error);
/* One of those that are kept, reset. */
enum mi_status store_statement(struct mi_store *store, enum store_statement which, sqlite3_stmt **statement,
                               struct mi_error *error);
/* The next row; *row false: there is none. */
enum mi_status store_step(struct mi_store *store, sqlite3_stmt *statement, bool *row, struct mi_error *error);
/* A statement that gives no rows, to its end. */
enum mi_status store_do(struct mi_store *store, sqlite3_stmt *statement, struct mi_error *error);
/* The number that a query gives, `otherwise` where it gives none. */
enum mi_status store_number(struct mi_store *store, const char *sql, int64_t otherwise, int64_t *number,
                            struct mi_error *error);

void store_bind_text(sqlite3_stmt *statement, int place, struct mi_text text); /* missing: NULL */
void store_bind_name(sqlite3_stmt *statement, int place, struct mi_text text); /* missing: "" */
void store_bind_date(sqlite3_stmt *statement, int place, int32_t days);        /* missing: NULL */
struct mi_text store_text(sqlite3_stmt *statement, int column);                /* NULL: missing */
double store_real(sqlite3_stmt *statement, int column);                        /* NULL: NaN */
int32_t store_date(sqlite3_stmt *statement, int column);                       /* NULL: missing */

/* Row ids of names, added where `add`; *id is 0 where the name is not there. */
enum mi_status store_campaign(struct mi_store *store, struct mi_text name, bool add, int64_t *id,
                              struct mi_error *error);
enum mi_status store_metric(struct mi_store *store, struct mi_text name, bool add, int64_t *id,
                            struct mi_error *error);
enum mi_status store_source(struct mi_store *store, struct mi_text name, bool add, int64_t *id,
                            struct mi_error *error);
void store_names_free(struct store_names *names);

/* MI_BAD_ARGUMENT where no put is going on. */
enum mi_status store_needs_put(const struct mi_store *store, struct mi_error *error);

/* Tables made, or brought up to this version (lib/store/schema.c). */
enum mi_status store_migrate(struct mi_store *store, struct mi_error *error);
/* Whether the file is a store that this version can read. */
enum mi_status store_check_version(struct mi_store *store, int64_t *version, struct mi_error *error);
int store_version(void);

/* Milliseconds since 1970. */
int64_t store_clock(void);

#endif
