/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The tables, and how older stores become this one: step n takes a store of version n to version n + 1.
 */
#include "store/store.h"

#include <stdio.h>

static const char *const steps[] = {
    /* What was predicted, and what came. A revision is a further row with a later put; a prediction that is
     * not at a given spend has the spend -1. Dates are days since 1970-01-01. */
    "CREATE TABLE puts(put INTEGER PRIMARY KEY, recorded INTEGER NOT NULL, what TEXT NOT NULL,"
    "  fingerprint TEXT) STRICT;"
    "CREATE TABLE campaigns(campaign INTEGER PRIMARY KEY, campaign_id TEXT NOT NULL UNIQUE, ad_network TEXT,"
    "  targeting_strategy TEXT, geo TEXT, creative_format TEXT, os TEXT, daily_budget REAL,"
    "  min_budget REAL, max_budget REAL, auto_optimization INTEGER) STRICT;"
    "CREATE TABLE metrics(metric INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE sources(source INTEGER PRIMARY KEY, model TEXT NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE predictions("
    "  campaign INTEGER NOT NULL REFERENCES campaigns, metric INTEGER NOT NULL REFERENCES metrics,"
    "  made INTEGER NOT NULL, date INTEGER NOT NULL, horizon REAL NOT NULL, spend REAL NOT NULL,"
    "  source INTEGER NOT NULL REFERENCES sources, put INTEGER NOT NULL REFERENCES puts,"
    "  value REAL NOT NULL, lo REAL, hi REAL,"
    "  PRIMARY KEY(campaign, metric, made, date, horizon, spend, source, put)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE actuals("
    "  campaign INTEGER NOT NULL REFERENCES campaigns, metric INTEGER NOT NULL REFERENCES metrics,"
    "  date INTEGER NOT NULL, horizon REAL NOT NULL, put INTEGER NOT NULL REFERENCES puts,"
    "  value REAL NOT NULL,"
    "  PRIMARY KEY(campaign, metric, date, horizon, put)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE models(model INTEGER PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL,"
    "  stage TEXT NOT NULL CHECK(stage IN ('staging', 'production', 'archived')), recorded INTEGER NOT NULL,"
    "  metrics TEXT, parameters TEXT, fingerprint TEXT, checksum TEXT NOT NULL, file BLOB NOT NULL,"
    "  UNIQUE(name, version)) STRICT;"
    "CREATE UNIQUE INDEX models_in_production ON models(name) WHERE stage = 'production';"
    "CREATE TABLE stages(change INTEGER PRIMARY KEY, model INTEGER NOT NULL REFERENCES models,"
    "  before TEXT, after TEXT NOT NULL, back INTEGER NOT NULL, recorded INTEGER NOT NULL) STRICT;",
    /* What was noticed and done, and how right predictions were. */
    "CREATE TABLE alerts(alert INTEGER PRIMARY KEY,"
    "  campaign INTEGER NOT NULL REFERENCES campaigns, metric TEXT NOT NULL, severity TEXT NOT NULL,"
    "  message TEXT NOT NULL, action TEXT NOT NULL, actual REAL NOT NULL, predicted REAL NOT NULL,"
    "  variance REAL NOT NULL, causes TEXT NOT NULL, since INTEGER NOT NULL, opened INTEGER NOT NULL,"
    "  seen INTEGER NOT NULL, closed INTEGER, told INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE UNIQUE INDEX alerts_open ON alerts(campaign, metric) WHERE closed IS NULL;"
    "CREATE TABLE actions(action INTEGER PRIMARY KEY, alert INTEGER REFERENCES alerts,"
    "  campaign INTEGER NOT NULL REFERENCES campaigns, kind TEXT NOT NULL, field TEXT NOT NULL,"
    "  before REAL NOT NULL, after REAL NOT NULL, day INTEGER NOT NULL, recorded INTEGER NOT NULL,"
    "  undoes INTEGER UNIQUE REFERENCES actions) STRICT;"
    "CREATE INDEX actions_by_day ON actions(day);"
    "CREATE TABLE accuracy(as_of INTEGER NOT NULL, by TEXT NOT NULL, metric TEXT NOT NULL,"
    "  value TEXT NOT NULL, recorded INTEGER NOT NULL, n INTEGER NOT NULL, mae REAL, mape REAL, rmse REAL,"
    "  wape REAL, smape REAL, mase REAL, bias REAL, bias_pct REAL, directional_accuracy REAL,"
    "  interval_coverage REAL, PRIMARY KEY(as_of, by, metric, value)) STRICT, WITHOUT ROWID;",
};

#define VERSION ((int)(sizeof steps / sizeof *steps))

int store_version(void) {
    return VERSION;
}

enum mi_status store_check_version(struct mi_store *store, int64_t *version, struct mi_error *error) {
    int64_t application;
    enum mi_status status = store_number(store, "PRAGMA application_id", 0, &application, error);
    if (status == MI_OK) {
        status = store_number(store, "PRAGMA user_version", 0, version, error);
    }
    if (status != MI_OK) {
        return status;
    }
    if (application != STORE_APPLICATION) {
        return mi_error_set(error, MI_BAD_INPUT, "an SQLite file, but no store of mi: left as it is");
    }
    if (*version > VERSION || *version < 1) {
        return mi_error_set(error, MI_BAD_INPUT,
                            "a store of version %lld, this program knows those up to %d: left as it is",
                            (long long)*version, VERSION);
    }
    return MI_OK;
}

/* The steps from the version that the file has, in one transaction. */
static enum mi_status take_steps(struct mi_store *store, struct mi_error *error) {
    char text[96];
    int64_t version;
    enum mi_status status = store_number(store, "PRAGMA user_version", 0, &version, error);
    for (int64_t i = version; i < VERSION && status == MI_OK; i++) {
        status = store_run(store, steps[i], error);
    }
    snprintf(text, sizeof text, "PRAGMA application_id = %d; PRAGMA user_version = %d", STORE_APPLICATION,
             VERSION);
    return status == MI_OK ? store_run(store, text, error) : status;
}

enum mi_status store_migrate(struct mi_store *store, struct mi_error *error) {
    enum mi_status status = store_run(store, "BEGIN IMMEDIATE", error);
    if (status == MI_OK) {
        status = take_steps(store, error);
        if (status == MI_OK) {
            status = store_run(store, "COMMIT", error);
        }
        if (status != MI_OK) {
            sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        }
    }
    return status;
}
