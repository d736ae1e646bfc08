/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Putting predictions and outcomes. A put is one transaction; the same again changes nothing, and a put that
 * changed nothing leaves no trace.
 */
#include "store/store.h"

#include <math.h>
#include <string.h>

#define NO_SPEND (-1.0)

enum mi_status store_needs_put(const struct mi_store *store, struct mi_error *error) {
    return store->put != 0 ? MI_OK : mi_error_set(error, MI_BAD_ARGUMENT, "no put is going on");
}

/* ---- begin and end ---- */

enum mi_status mi_store_put_begin(struct mi_store *store, const char *what, const char *fingerprint,
                                  const struct mi_notes *notes, struct mi_error *error) {
    sqlite3_stmt *statement = NULL;
    int64_t last = 0, now = store_clock();
    enum mi_status status = store_run(store, "BEGIN IMMEDIATE", error);
    if (status != MI_OK) {
        return status;
    }
    status = store_number(store, "SELECT recorded FROM puts ORDER BY put DESC LIMIT 1", 0, &last, error);
    if (status == MI_OK) {
        status = store_prepare(store, "INSERT INTO puts(recorded, what, fingerprint) VALUES(?1, ?2, ?3)",
                               &statement, error);
    }
    if (status == MI_OK) {
        if (now < last - 1000) {
            mi_notes_say(notes, "%s: the clock is %lld s behind the last put, whose time is taken",
                         store->path, (long long)((last - now) / 1000));
        }
        sqlite3_bind_int64(statement, 1, now > last ? now : last);
        store_bind_name(statement, 2, mi_text_of(what));
        store_bind_text(statement, 3, mi_text_of(fingerprint));
        status = store_do(store, statement, error);
    }
    sqlite3_finalize(statement);
    if (status != MI_OK) {
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        return status;
    }
    store->put = sqlite3_last_insert_rowid(store->db);
    store->changed = false;
    memset(store->recent, 0, sizeof store->recent);
    return MI_OK;
}

void mi_store_put_abort(struct mi_store *store) {
    if (store->put == 0) {
        return;
    }
    for (size_t i = 0; i < STORE_STATEMENTS; i++) {
        if (store->statements[i] != NULL) {
            sqlite3_reset(store->statements[i]);
        }
    }
    sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    store->put = 0;
    store_names_free(&store->campaigns);
    store_names_free(&store->metrics);
    store_names_free(&store->sources);
}

enum mi_status mi_store_put_commit(struct mi_store *store, struct mi_error *error) {
    enum mi_status status = store_needs_put(store, error);
    if (status != MI_OK) {
        return status;
    }
    if (store->changed) {
        status = store_run(store, "COMMIT", error);
    }
    if (!store->changed || status != MI_OK) {
        mi_store_put_abort(store);
    }
    store->put = 0;
    return status;
}

/* ---- rows ---- */

static bool same(double a, double b) {
    return a == b || (isnan(a) && isnan(b));
}

/* What comes of putting these values where `statement` has found a row or not. */
static enum mi_put outcome_of(const struct mi_store *store, sqlite3_stmt *statement, bool found,
                              const double *values, int count) {
    if (!found) {
        return MI_PUT_NEW;
    }
    bool equal = true;
    for (int i = 0; i < count; i++) {
        equal = equal && same(values[i], store_real(statement, i + 1));
    }
    if (equal) {
        return MI_PUT_SAME;
    }
    return sqlite3_column_int64(statement, 0) == store->put ? MI_PUT_CONTRADICTS : MI_PUT_REVISED;
}

/* Runs the statement that adds, where there is something to add. */
static enum mi_status add_row(struct mi_store *store, sqlite3_stmt *statement, enum mi_put outcome,
                              struct mi_error *error) {
    if (outcome == MI_PUT_SAME || outcome == MI_PUT_CONTRADICTS) {
        return MI_OK;
    }
    store->changed = true;
    return store_do(store, statement, error);
}

struct prediction_key {
    int64_t campaign, metric, source;
    double horizon, spend;
};

static void bind_prediction_key(sqlite3_stmt *statement, const struct prediction_key *key,
                                const struct mi_prediction *prediction) {
    sqlite3_bind_int64(statement, 1, key->campaign);
    sqlite3_bind_int64(statement, 2, key->metric);
    sqlite3_bind_int(statement, 3, prediction->made);
    sqlite3_bind_int(statement, 4, prediction->date);
    sqlite3_bind_double(statement, 5, key->horizon);
    sqlite3_bind_double(statement, 6, key->spend);
    sqlite3_bind_int64(statement, 7, key->source);
}

static enum mi_status find_key(struct mi_store *store, const struct mi_prediction *prediction,
                               struct prediction_key *key, struct mi_error *error) {
    *key = (struct prediction_key){
        .horizon = prediction->horizon,
        .spend = isnan(prediction->spend) ? NO_SPEND : prediction->spend,
    };
    enum mi_status status = store_needs_put(store, error);
    if (status == MI_OK && (prediction->made == MI_DATE_MISSING || prediction->date == MI_DATE_MISSING ||
                            !(prediction->horizon >= 0) || !isfinite(prediction->value))) {
        status = mi_error_set(error, MI_BAD_ARGUMENT, "a prediction without date, horizon or value");
    }
    if (status == MI_OK) {
        status = store_campaign(store, prediction->campaign, true, &key->campaign, error);
    }
    if (status == MI_OK) {
        status = store_metric(store, prediction->metric, true, &key->metric, error);
    }
    return status == MI_OK ? store_source(store, prediction->model, true, &key->source, error) : status;
}

/* Whether the prediction is made after all that an earlier put has of its campaign and metric. */
static enum mi_status is_later(struct mi_store *store, const struct prediction_key *key, int32_t made,
                               bool *later, struct mi_error *error) {
    struct store_recent *recent = &store->recent[key->metric % STORE_RECENT];
    if (recent->campaign != key->campaign || recent->metric != key->metric) {
        sqlite3_stmt *last;
        bool row;
        enum mi_status status = store_statement(store, STORE_LAST_MADE, &last, error);
        if (status != MI_OK) {
            return status;
        }
        sqlite3_bind_int64(last, 1, key->campaign);
        sqlite3_bind_int64(last, 2, key->metric);
        status = store_step(store, last, &row, error);
        if (status != MI_OK) {
            return status;
        }
        *recent = (struct store_recent){key->campaign, key->metric,
                                        row ? sqlite3_column_int(last, 0) : MI_DATE_MISSING};
        sqlite3_reset(last);
    }
    *later = made > recent->made;
    return MI_OK;
}

/* Adds the row; *there: this put has one of that key already. */
static enum mi_status insert_prediction(struct mi_store *store, const struct prediction_key *key,
                                        const struct mi_prediction *prediction, bool *there,
                                        struct mi_error *error) {
    sqlite3_stmt *add;
    enum mi_status status = store_statement(store, STORE_ADD_PREDICTION, &add, error);
    if (status != MI_OK) {
        return status;
    }
    bind_prediction_key(add, key, prediction);
    sqlite3_bind_int64(add, 8, store->put);
    sqlite3_bind_double(add, 9, prediction->value);
    sqlite3_bind_double(add, 10, prediction->low); /* NaN is NULL */
    sqlite3_bind_double(add, 11, prediction->high);
    int code = sqlite3_step(add);
    *there = code == SQLITE_CONSTRAINT_PRIMARYKEY;
    if (code != SQLITE_DONE && !*there) {
        status = store_fail(store, code, error);
    }
    store->changed = store->changed || code == SQLITE_DONE;
    sqlite3_reset(add);
    return status;
}

/* Looks the key up and adds the row where it is not known as it is. */
static enum mi_status compare_prediction(struct mi_store *store, const struct prediction_key *key,
                                         const struct mi_prediction *prediction, enum mi_put *outcome,
                                         struct mi_error *error) {
    sqlite3_stmt *find;
    bool found, there;
    enum mi_status status = store_statement(store, STORE_FIND_PREDICTION, &find, error);
    if (status != MI_OK) {
        return status;
    }
    bind_prediction_key(find, key, prediction);
    status = store_step(store, find, &found, error);
    if (status != MI_OK) {
        return status;
    }
    const double values[] = {prediction->value, prediction->low, prediction->high};
    *outcome = outcome_of(store, find, found, values, 3);
    sqlite3_reset(find);
    return *outcome == MI_PUT_NEW || *outcome == MI_PUT_REVISED
               ? insert_prediction(store, key, prediction, &there, error)
               : MI_OK;
}

enum mi_status mi_store_put_prediction(struct mi_store *store, const struct mi_prediction *prediction,
                                       enum mi_put *outcome, struct mi_error *error) {
    struct prediction_key key;
    bool later, there = true;
    enum mi_status status = find_key(store, prediction, &key, error);
    if (status == MI_OK) {
        status = is_later(store, &key, prediction->made, &later, error);
    }
    if (status == MI_OK && later) {
        *outcome = MI_PUT_NEW;
        status = insert_prediction(store, &key, prediction, &there, error);
    }
    return status == MI_OK && there ? compare_prediction(store, &key, prediction, outcome, error) : status;
}

enum mi_status mi_store_put_actual(struct mi_store *store, const struct mi_actual *actual,
                                   enum mi_put *outcome, struct mi_error *error) {
    int64_t campaign = 0, metric = 0;
    sqlite3_stmt *find = NULL, *add = NULL;
    bool found;
    enum mi_status status = store_needs_put(store, error);
    if (status == MI_OK &&
        (actual->date == MI_DATE_MISSING || !(actual->horizon > 0) || !isfinite(actual->value))) {
        status = mi_error_set(error, MI_BAD_ARGUMENT, "an outcome without date, horizon or value");
    }
    if (status == MI_OK) {
        status = store_campaign(store, actual->campaign, true, &campaign, error);
    }
    if (status == MI_OK) {
        status = store_metric(store, actual->metric, true, &metric, error);
    }
    if (status == MI_OK) {
        status = store_statement(store, STORE_FIND_ACTUAL, &find, error);
    }
    if (status == MI_OK) {
        status = store_statement(store, STORE_ADD_ACTUAL, &add, error);
    }
    for (int i = 0; i < 2 && status == MI_OK; i++) {
        sqlite3_stmt *statement = i == 0 ? find : add;
        sqlite3_bind_int64(statement, 1, campaign);
        sqlite3_bind_int64(statement, 2, metric);
        sqlite3_bind_int(statement, 3, actual->date);
        sqlite3_bind_double(statement, 4, actual->horizon);
    }
    if (status == MI_OK) {
        status = store_step(store, find, &found, error);
    }
    if (status != MI_OK) {
        return status;
    }
    *outcome = outcome_of(store, find, found, &actual->value, 1);
    sqlite3_reset(find);
    sqlite3_bind_int64(add, 5, store->put);
    sqlite3_bind_double(add, 6, actual->value);
    return add_row(store, add, *outcome, error);
}

/* ---- campaigns ---- */

/* Whether the store has another daily budget of a campaign. */
static enum mi_status has_another_budget(struct mi_store *store, int64_t campaign, double budget,
                                         bool *another, struct mi_error *error) {
    sqlite3_stmt *statement = NULL;
    *another = false;
    if (isnan(budget)) {
        return MI_OK;
    }
    enum mi_status status = store_prepare(
        store, "SELECT 1 FROM campaigns WHERE campaign = ?1 AND daily_budget <> ?2", &statement, error);
    if (status == MI_OK) {
        sqlite3_bind_int64(statement, 1, campaign);
        sqlite3_bind_double(statement, 2, budget);
        status = store_step(store, statement, another, error);
    }
    sqlite3_finalize(statement);
    return status;
}

enum mi_status mi_store_put_campaign(struct mi_store *store, const struct mi_stored_campaign *campaign,
                                     bool *kept, struct mi_error *error) {
    static const char update[] =
        "UPDATE campaigns SET ad_network = coalesce(?2, ad_network),"
        " targeting_strategy = coalesce(?3, targeting_strategy), geo = coalesce(?4, geo),"
        " creative_format = coalesce(?5, creative_format), os = coalesce(?6, os),"
        " daily_budget = coalesce(?7, daily_budget), min_budget = coalesce(?8, min_budget),"
        " max_budget = coalesce(?9, max_budget), auto_optimization = coalesce(?10, auto_optimization)"
        " WHERE campaign = ?1 AND (coalesce(?2, ad_network) IS NOT ad_network"
        " OR coalesce(?3, targeting_strategy) IS NOT targeting_strategy OR coalesce(?4, geo) IS NOT geo"
        " OR coalesce(?5, creative_format) IS NOT creative_format OR coalesce(?6, os) IS NOT os"
        " OR coalesce(?7, daily_budget) IS NOT daily_budget OR coalesce(?8, min_budget) IS NOT min_budget"
        " OR coalesce(?9, max_budget) IS NOT max_budget"
        " OR coalesce(?10, auto_optimization) IS NOT auto_optimization)";
    int64_t id = 0, before = 0;
    sqlite3_stmt *statement = NULL;
    enum mi_status status = store_needs_put(store, error);
    before = sqlite3_total_changes64(store->db);
    if (status == MI_OK) {
        status = store_campaign(store, campaign->id, true, &id, error);
    }
    if (status == MI_OK && kept != NULL) {
        status = has_another_budget(store, id, campaign->daily_budget, kept, error);
    }
    if (status == MI_OK) {
        status = store_prepare(store, update, &statement, error);
    }
    if (status == MI_OK) {
        sqlite3_bind_int64(statement, 1, id);
        for (int i = 0; i < MI_STORE_ATTRIBUTES; i++) {
            store_bind_text(statement, 2 + i, campaign->attributes[i]);
        }
        sqlite3_bind_double(statement, 7, kept != NULL && *kept ? NAN : campaign->daily_budget);
        sqlite3_bind_double(statement, 8, campaign->min_budget);
        sqlite3_bind_double(statement, 9, campaign->max_budget);
        if (campaign->auto_optimization >= 0) {
            sqlite3_bind_int(statement, 10, campaign->auto_optimization > 0);
        }
        status = store_do(store, statement, error);
    }
    sqlite3_finalize(statement);
    store->changed = store->changed || sqlite3_total_changes64(store->db) > before;
    return status;
}
