/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Alerts, actions and accuracy.
 */
#include "store/store.h"

#include <math.h>
#include <stdio.h>

/* ---- alerts ---- */

#define ALERT_COLUMNS                                                                                        \
    "SELECT a.alert, c.campaign_id, a.metric, a.severity, a.message, a.action, a.actual, a.predicted,"       \
    " a.variance, a.causes, a.since, a.opened, a.seen, a.closed, a.told FROM alerts a"                       \
    " JOIN campaigns c USING(campaign) "

static struct mi_alert alert_of(sqlite3_stmt *row) {
    return (struct mi_alert){
        .id = sqlite3_column_int64(row, 0),
        .campaign = store_text(row, 1),
        .metric = store_text(row, 2),
        .severity = store_text(row, 3),
        .message = store_text(row, 4),
        .action = store_text(row, 5),
        .actual = store_real(row, 6),
        .predicted = store_real(row, 7),
        .variance = store_real(row, 8),
        .causes = store_text(row, 9),
        .since = store_date(row, 10),
        .opened = store_date(row, 11),
        .seen = store_date(row, 12),
        .closed = store_date(row, 13),
        .told = sqlite3_column_int(row, 14) != 0,
    };
}

enum mi_status mi_store_each_alert(struct mi_store *store, mi_store_alert_visitor *visit, void *context,
                                   struct mi_error *error) {
    sqlite3_stmt *row = NULL;
    bool found = true;
    enum mi_status status = store_prepare(store, ALERT_COLUMNS "ORDER BY a.alert", &row, error);
    while (status == MI_OK && (status = store_step(store, row, &found, error)) == MI_OK && found) {
        struct mi_alert alert = alert_of(row);
        status = visit(context, &alert, error);
    }
    sqlite3_finalize(row);
    return status;
}

/* The id of the open alert of a campaign and metric; 0: none. */
static enum mi_status find_open(struct mi_store *store, int64_t campaign, struct mi_text metric, int64_t *id,
                                struct mi_error *error) {
    sqlite3_stmt *row = NULL;
    bool found = false;
    enum mi_status status = store_prepare(
        store, "SELECT alert FROM alerts WHERE campaign = ?1 AND metric = ?2 AND closed IS NULL", &row,
        error);
    if (status == MI_OK) {
        sqlite3_bind_int64(row, 1, campaign);
        store_bind_text(row, 2, metric);
        status = store_step(store, row, &found, error);
    }
    *id = status == MI_OK && found ? sqlite3_column_int64(row, 0) : 0;
    sqlite3_finalize(row);
    return status;
}

static void bind_alert(sqlite3_stmt *statement, int64_t id, const struct mi_alert *alert) {
    sqlite3_bind_int64(statement, 1, id);
    store_bind_name(statement, 2, alert->metric);
    store_bind_name(statement, 3, alert->severity);
    store_bind_name(statement, 4, alert->message);
    store_bind_name(statement, 5, alert->action);
    sqlite3_bind_double(statement, 6, alert->actual);
    sqlite3_bind_double(statement, 7, alert->predicted);
    sqlite3_bind_double(statement, 8, alert->variance);
    store_bind_name(statement, 9, alert->causes);
    store_bind_date(statement, 10, alert->since);
    store_bind_date(statement, 11, alert->opened);
    store_bind_date(statement, 12, alert->seen);
}

enum mi_status mi_store_alert_raise(struct mi_store *store, struct mi_alert *alert, bool *raised,
                                    struct mi_error *error) {
    int64_t campaign = 0, id = 0;
    sqlite3_stmt *statement = NULL;
    enum mi_status status = store_needs_put(store, error);
    if (status == MI_OK) {
        status = store_campaign(store, alert->campaign, true, &campaign, error);
    }
    if (status == MI_OK) {
        status = find_open(store, campaign, alert->metric, &id, error);
    }
    if (status != MI_OK) {
        return status;
    }
    *raised = id == 0;
    status = store_prepare(
        store,
        *raised ? "INSERT INTO alerts(campaign, metric, severity, message, action, actual, predicted,"
                  " variance, causes, since, opened, seen) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
                  " ?11, ?12)"
                : "UPDATE alerts SET severity = ?3, message = ?4, action = ?5, actual = ?6, predicted = ?7,"
                  " variance = ?8, causes = ?9, seen = ?12 WHERE alert = ?1 AND seen <= ?12 AND"
                  " (seen <> ?12 OR message <> ?4 OR causes <> ?9)",
        &statement, error);
    if (status == MI_OK) {
        int before = sqlite3_total_changes(store->db);
        bind_alert(statement, *raised ? campaign : id, alert);
        status = store_do(store, statement, error);
        store->changed = store->changed || sqlite3_total_changes(store->db) != before;
        alert->id = *raised ? sqlite3_last_insert_rowid(store->db) : id;
    }
    sqlite3_finalize(statement);
    return status;
}

enum mi_status mi_store_alert_close(struct mi_store *store, struct mi_text campaign, struct mi_text metric,
                                    int32_t day, int64_t *closed, struct mi_error *error) {
    int64_t id = 0;
    sqlite3_stmt *statement = NULL;
    *closed = 0;
    enum mi_status status = store_needs_put(store, error);
    if (status == MI_OK) {
        status = store_campaign(store, campaign, false, &id, error);
    }
    if (status == MI_OK && id != 0) {
        status = find_open(store, id, metric, closed, error);
    }
    if (status != MI_OK || *closed == 0) {
        return status;
    }
    status = store_prepare(store, "UPDATE alerts SET closed = ?2 WHERE alert = ?1", &statement, error);
    if (status == MI_OK) {
        sqlite3_bind_int64(statement, 1, *closed);
        sqlite3_bind_int(statement, 2, day);
        store->changed = true;
        status = store_do(store, statement, error);
    }
    sqlite3_finalize(statement);
    return status;
}

enum mi_status mi_store_alert_told(struct mi_store *store, int64_t alert, struct mi_error *error) {
    sqlite3_stmt *statement = NULL;
    enum mi_status status = store_needs_put(store, error);
    if (status == MI_OK) {
        status = store_prepare(store, "UPDATE alerts SET told = 1 WHERE alert = ?1", &statement, error);
    }
    if (status == MI_OK) {
        sqlite3_bind_int64(statement, 1, alert);
        store->changed = true;
        status = store_do(store, statement, error);
    }
    sqlite3_finalize(statement);
    return status;
}

/* ---- actions ---- */

static struct mi_action action_of(sqlite3_stmt *row) {
    return (struct mi_action){
        .id = sqlite3_column_int64(row, 0),
        .alert = sqlite3_column_int64(row, 1),
        .campaign = store_text(row, 2),
        .kind = store_text(row, 3),
        .field = store_text(row, 4),
        .before = store_real(row, 5),
        .after = store_real(row, 6),
        .day = store_date(row, 7),
        .recorded = sqlite3_column_int64(row, 8),
        .undoes = sqlite3_column_int64(row, 9),
        .undone_by = sqlite3_column_int64(row, 10),
    };
}

enum mi_status mi_store_each_action(struct mi_store *store, mi_store_action_visitor *visit, void *context,
                                    struct mi_error *error) {
    sqlite3_stmt *row = NULL;
    bool found = true;
    enum mi_status status = store_prepare(
        store,
        "SELECT a.action, a.alert, c.campaign_id, a.kind, a.field, a.before, a.after, a.day, a.recorded,"
        " a.undoes, u.action FROM actions a JOIN campaigns c USING(campaign)"
        " LEFT JOIN actions u ON u.undoes = a.action ORDER BY a.action",
        &row, error);
    while (status == MI_OK && (status = store_step(store, row, &found, error)) == MI_OK && found) {
        struct mi_action action = action_of(row);
        status = visit(context, &action, error);
    }
    sqlite3_finalize(row);
    return status;
}

static enum mi_status set_budget(struct mi_store *store, int64_t campaign, double budget,
                                 struct mi_error *error) {
    sqlite3_stmt *set = NULL;
    enum mi_status status =
        store_prepare(store, "UPDATE campaigns SET daily_budget = ?2 WHERE campaign = ?1", &set, error);
    if (status == MI_OK) {
        sqlite3_bind_int64(set, 1, campaign);
        sqlite3_bind_double(set, 2, budget);
        status = store_do(store, set, error);
    }
    sqlite3_finalize(set);
    return status;
}

enum mi_status mi_store_action_add(struct mi_store *store, struct mi_action *action, struct mi_error *error) {
    int64_t campaign = 0;
    sqlite3_stmt *add = NULL;
    enum mi_status status = store_needs_put(store, error);
    if (status == MI_OK) {
        status = store_campaign(store, action->campaign, true, &campaign, error);
    }
    if (status == MI_OK) {
        status = store_prepare(store,
                               "INSERT INTO actions(alert, campaign, kind, field, before, after, day,"
                               " recorded, undoes) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                               &add, error);
    }
    if (status == MI_OK) {
        if (action->alert != 0) {
            sqlite3_bind_int64(add, 1, action->alert);
        }
        sqlite3_bind_int64(add, 2, campaign);
        store_bind_name(add, 3, action->kind);
        store_bind_name(add, 4, action->field);
        sqlite3_bind_double(add, 5, action->before);
        sqlite3_bind_double(add, 6, action->after);
        sqlite3_bind_int(add, 7, action->day);
        sqlite3_bind_int64(add, 8, action->recorded = store_clock());
        if (action->undoes != 0) {
            sqlite3_bind_int64(add, 9, action->undoes);
        }
        store->changed = true;
        status = store_do(store, add, error);
        action->id = sqlite3_last_insert_rowid(store->db);
    }
    sqlite3_finalize(add);
    return status == MI_OK ? set_budget(store, campaign, action->after, error) : status;
}

/* ---- accuracy ---- */

enum mi_status mi_store_put_accuracy(struct mi_store *store, const struct mi_stored_accuracy *accuracy,
                                     struct mi_error *error) {
    sqlite3_stmt *add = NULL;
    enum mi_status status = store_needs_put(store, error);
    if (status == MI_OK) {
        status = store_prepare(
            store,
            "INSERT INTO accuracy(as_of, by, metric, value, recorded, n, mae, mape, rmse, wape, smape, mase,"
            " bias, bias_pct, directional_accuracy, interval_coverage)"
            " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
            " ON CONFLICT DO UPDATE SET recorded = excluded.recorded, n = excluded.n, mae = excluded.mae,"
            " mape = excluded.mape, rmse = excluded.rmse, wape = excluded.wape, smape = excluded.smape,"
            " mase = excluded.mase, bias = excluded.bias, bias_pct = excluded.bias_pct,"
            " directional_accuracy = excluded.directional_accuracy,"
            " interval_coverage = excluded.interval_coverage"
            " WHERE (n, mae, mape, rmse, wape, smape, mase, bias, bias_pct, directional_accuracy,"
            " interval_coverage) IS NOT (excluded.n, excluded.mae, excluded.mape, excluded.rmse,"
            " excluded.wape, excluded.smape, excluded.mase, excluded.bias, excluded.bias_pct,"
            " excluded.directional_accuracy, excluded.interval_coverage)",
            &add, error);
    }
    if (status == MI_OK) {
        int before = sqlite3_total_changes(store->db);
        sqlite3_bind_int(add, 1, accuracy->as_of);
        store_bind_name(add, 2, accuracy->by);
        store_bind_name(add, 3, accuracy->metric);
        store_bind_name(add, 4, accuracy->value);
        sqlite3_bind_int64(add, 5, store_clock());
        sqlite3_bind_int64(add, 6, (int64_t)accuracy->n);
        for (int i = 0; i < MI_FIGURE_COUNT; i++) {
            sqlite3_bind_double(add, 7 + i, accuracy->figure[i]);
        }
        status = store_do(store, add, error);
        store->changed = store->changed || sqlite3_total_changes(store->db) != before;
    }
    sqlite3_finalize(add);
    return status;
}

enum mi_status mi_store_each_accuracy(struct mi_store *store, mi_store_accuracy_visitor *visit, void *context,
                                      struct mi_error *error) {
    sqlite3_stmt *row = NULL;
    bool found = true;
    enum mi_status status = store_prepare(
        store,
        "SELECT as_of, by, metric, value, recorded, n, mae, mape, rmse, wape, smape, mase, bias, bias_pct,"
        " directional_accuracy, interval_coverage FROM accuracy ORDER BY as_of, by, metric, value",
        &row, error);
    while (status == MI_OK && (status = store_step(store, row, &found, error)) == MI_OK && found) {
        struct mi_stored_accuracy accuracy = {.as_of = store_date(row, 0),
                                              .by = store_text(row, 1),
                                              .metric = store_text(row, 2),
                                              .value = store_text(row, 3),
                                              .recorded = sqlite3_column_int64(row, 4),
                                              .n = (uint64_t)sqlite3_column_int64(row, 5)};
        for (int i = 0; i < MI_FIGURE_COUNT; i++) {
            accuracy.figure[i] = store_real(row, 6 + i);
        }
        status = visit(context, &accuracy, error);
    }
    sqlite3_finalize(row);
    return status;
}

/* ---- the log ---- */

enum mi_status mi_store_each_put(struct mi_store *store, mi_store_put_visitor *visit, void *context,
                                 struct mi_error *error) {
    sqlite3_stmt *row = NULL;
    bool found = true;
    enum mi_status status =
        store_prepare(store, "SELECT put, recorded, what, fingerprint FROM puts ORDER BY put", &row, error);
    while (status == MI_OK && (status = store_step(store, row, &found, error)) == MI_OK && found) {
        struct mi_stored_put put = {.id = sqlite3_column_int64(row, 0),
                                    .recorded = sqlite3_column_int64(row, 1),
                                    .what = store_text(row, 2),
                                    .fingerprint = store_text(row, 3)};
        status = visit(context, &put, error);
    }
    sqlite3_finalize(row);
    return status;
}

enum mi_status mi_store_each_stage(struct mi_store *store, mi_store_stage_visitor *visit, void *context,
                                   struct mi_error *error) {
    sqlite3_stmt *row = NULL;
    bool found = true;
    enum mi_status status = store_prepare(
        store,
        "SELECT m.name, m.version, s.before, s.after, s.recorded, s.back FROM stages s JOIN models m"
        " USING(model) ORDER BY s.change",
        &row, error);
    while (status == MI_OK && (status = store_step(store, row, &found, error)) == MI_OK && found) {
        struct mi_stage_change change = {.name = store_text(row, 0),
                                         .version = (uint64_t)sqlite3_column_int64(row, 1),
                                         .before = store_text(row, 2),
                                         .after = store_text(row, 3),
                                         .recorded = sqlite3_column_int64(row, 4),
                                         .back = sqlite3_column_int(row, 5) != 0};
        status = visit(context, &change, error);
    }
    sqlite3_finalize(row);
    return status;
}
