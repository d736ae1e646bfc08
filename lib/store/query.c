/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading predictions and outcomes as they were known at some moment.
 */
#include "store/store.h"

#include <math.h>
#include <string.h>

#define PERIOD_MOST 3660 /* days over which outcomes of days are added up */

/* The last put that was recorded by then. */
static enum mi_status last_put(struct mi_store *store, int64_t known, int64_t *put, struct mi_error *error) {
    sqlite3_stmt *statement = NULL;
    bool row;
    if (known == INT64_MAX) {
        *put = INT64_MAX;
        return MI_OK;
    }
    enum mi_status status = store_prepare(
        store, "SELECT coalesce(max(put), 0) FROM puts WHERE recorded <= ?1", &statement, error);
    if (status == MI_OK) {
        sqlite3_bind_int64(statement, 1, known);
        status = store_step(store, statement, &row, error);
        *put = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return status;
}

/* ---- campaigns ---- */

#define CAMPAIGN_COLUMNS                                                                                     \
    "campaign, campaign_id, ad_network, targeting_strategy, geo, creative_format, os, daily_budget, "        \
    "min_budget, max_budget, auto_optimization"

static struct mi_stored_campaign campaign_of(sqlite3_stmt *statement) {
    struct mi_stored_campaign campaign = {.id = store_text(statement, 1)};
    for (int i = 0; i < MI_STORE_ATTRIBUTES; i++) {
        campaign.attributes[i] = store_text(statement, 2 + i);
    }
    campaign.daily_budget = store_real(statement, 7);
    campaign.min_budget = store_real(statement, 8);
    campaign.max_budget = store_real(statement, 9);
    campaign.auto_optimization =
        sqlite3_column_type(statement, 10) == SQLITE_NULL ? -1 : sqlite3_column_int(statement, 10) != 0;
    return campaign;
}

typedef enum mi_status campaign_walker(void *context, int64_t id, const struct mi_stored_campaign *campaign,
                                       struct mi_error *error);

/* Calls `walk` for each campaign, or the one of that name, in order of campaign_id. */
static enum mi_status walk_campaigns(struct mi_store *store, struct mi_text only, campaign_walker *walk,
                                     void *context, struct mi_error *error) {
    sqlite3_stmt *statement = NULL;
    bool row = true;
    enum mi_status status =
        store_prepare(store,
                      only.data != NULL ? "SELECT " CAMPAIGN_COLUMNS " FROM campaigns WHERE campaign_id = ?1"
                                        : "SELECT " CAMPAIGN_COLUMNS " FROM campaigns ORDER BY campaign_id",
                      &statement, error);
    if (status == MI_OK && only.data != NULL) {
        store_bind_text(statement, 1, only);
    }
    while (status == MI_OK && (status = store_step(store, statement, &row, error)) == MI_OK && row) {
        struct mi_stored_campaign campaign = campaign_of(statement);
        status = walk(context, sqlite3_column_int64(statement, 0), &campaign, error);
    }
    sqlite3_finalize(statement);
    return status;
}

struct campaign_walk {
    mi_store_campaign_visitor *visit;
    void *context;
};

static enum mi_status hand_campaign(void *context, int64_t id, const struct mi_stored_campaign *campaign,
                                    struct mi_error *error) {
    (void)id;
    struct campaign_walk *walk = context;
    return walk->visit(walk->context, campaign, error);
}

enum mi_status mi_store_each_campaign(struct mi_store *store, struct mi_text only,
                                      mi_store_campaign_visitor *visit, void *context,
                                      struct mi_error *error) {
    struct campaign_walk walk = {visit, context};
    return walk_campaigns(store, only, hand_campaign, &walk, error);
}

/* ---- predictions ---- */

struct walk {
    struct mi_store *store;
    const struct mi_store_query *query;
    int64_t put; /* the last one that counts */
    bool outcomes;
    mi_store_prediction_visitor *visit;
    mi_store_actual_visitor *visit_actual;
    void *context;
    sqlite3_stmt *metrics, *rows;
};

static enum mi_status find_actual(struct mi_store *store, int64_t campaign,
                                  const struct mi_prediction *prediction, int64_t put, double *value,
                                  double *least, struct mi_error *error);

static bool is_wanted_model(const struct mi_store_query *query, struct mi_text model) {
    struct mi_text wanted = query->model;
    return wanted.data == NULL || mi_text_equal(model, wanted) ||
           (model.size > wanted.size && memcmp(model.data, wanted.data, wanted.size) == 0 &&
            model.data[wanted.size] == '/');
}

static enum mi_status hand_prediction(struct walk *walk, int64_t campaign_id,
                                      struct mi_stored_prediction *stored, struct mi_error *error) {
    if (!is_wanted_model(walk->query, stored->prediction.model)) {
        return MI_OK;
    }
    stored->actual = stored->actual_spend = stored->actual_least = NAN;
    if (walk->outcomes) {
        double none;
        enum mi_status status = find_actual(walk->store, campaign_id, &stored->prediction, walk->put,
                                            &stored->actual, &stored->actual_least, error);
        if (status == MI_OK && !isnan(stored->prediction.spend)) {
            struct mi_prediction spend = stored->prediction;
            spend.metric = mi_text_of("spend");
            status =
                find_actual(walk->store, campaign_id, &spend, walk->put, &stored->actual_spend, &none, error);
        }
        if (status != MI_OK) {
            return status;
        }
    }
    return walk->visit(walk->context, stored, error);
}

/* The last revision of each key: rows come in the order of the key, then of the puts, so that a row whose
 * following one has the same key is passed over. */
static enum mi_status walk_predictions(struct walk *walk, int64_t campaign_id,
                                       const struct mi_stored_campaign *campaign, struct mi_text metric,
                                       struct mi_error *error) {
    sqlite3_stmt *rows = walk->rows;
    bool row = true;
    enum mi_status status = MI_OK;
    while (status == MI_OK && (status = store_step(walk->store, rows, &row, error)) == MI_OK && row) {
        if (sqlite3_column_int(rows, 10) == 0) {
            continue;
        }
        double spend = sqlite3_column_double(rows, 3);
        struct mi_stored_prediction stored = {
            .campaign = campaign,
            .prediction = {.campaign = campaign->id,
                           .metric = metric,
                           .model = store_text(rows, 4),
                           .made = sqlite3_column_int(rows, 0),
                           .date = sqlite3_column_int(rows, 1),
                           .horizon = sqlite3_column_double(rows, 2),
                           .spend = spend < 0 ? NAN : spend,
                           .value = store_real(rows, 5),
                           .low = store_real(rows, 6),
                           .high = store_real(rows, 7)},
            .recorded = sqlite3_column_int64(rows, 8),
            .fingerprint = store_text(rows, 9),
        };
        status = hand_prediction(walk, campaign_id, &stored, error);
    }
    return status;
}

static enum mi_status walk_actuals(struct walk *walk, const struct mi_stored_campaign *campaign,
                                   struct mi_text metric, struct mi_error *error) {
    sqlite3_stmt *rows = walk->rows;
    bool row = true;
    enum mi_status status = MI_OK;
    while (status == MI_OK && (status = store_step(walk->store, rows, &row, error)) == MI_OK && row) {
        if (sqlite3_column_int(rows, 4) == 0 && !walk->query->revisions) {
            continue;
        }
        struct mi_actual actual = {.campaign = campaign->id,
                                   .metric = metric,
                                   .date = sqlite3_column_int(rows, 0),
                                   .horizon = sqlite3_column_double(rows, 1),
                                   .value = sqlite3_column_double(rows, 2)};
        status = walk->visit_actual(walk->context, campaign, &actual, sqlite3_column_int64(rows, 3), error);
    }
    return status;
}

static enum mi_status walk_metrics(void *context, int64_t id, const struct mi_stored_campaign *campaign,
                                   struct mi_error *error) {
    struct walk *walk = context;
    bool row = true;
    enum mi_status status = MI_OK;
    sqlite3_reset(walk->metrics);
    while (status == MI_OK && (status = store_step(walk->store, walk->metrics, &row, error)) == MI_OK &&
           row) {
        sqlite3_reset(walk->rows);
        sqlite3_bind_int64(walk->rows, 1, id);
        sqlite3_bind_int64(walk->rows, 2, sqlite3_column_int64(walk->metrics, 0));
        sqlite3_bind_int(walk->rows, 3, walk->query->from == MI_DATE_MISSING ? INT32_MIN : walk->query->from);
        sqlite3_bind_int(walk->rows, 4, walk->query->to == MI_DATE_MISSING ? INT32_MAX : walk->query->to);
        sqlite3_bind_int64(walk->rows, 5, walk->put);
        struct mi_text metric = store_text(walk->metrics, 1);
        status = walk->visit != NULL ? walk_predictions(walk, id, campaign, metric, error)
                                     : walk_actuals(walk, campaign, metric, error);
    }
    return status;
}

static const char prediction_rows[] =
    "SELECT p.made, p.date, p.horizon, p.spend, s.model, p.value, p.lo, p.hi, u.recorded, u.fingerprint,"
    " NOT EXISTS (SELECT 1 FROM predictions q WHERE q.campaign = p.campaign AND q.metric = p.metric AND"
    " q.made = p.made AND q.date = p.date AND q.horizon = p.horizon AND q.spend = p.spend AND"
    " q.source = p.source AND q.put > p.put AND q.put <= ?5)"
    " FROM predictions p CROSS JOIN sources s ON s.source = p.source CROSS JOIN puts u ON u.put = p.put"
    " WHERE p.campaign = ?1 AND p.metric = ?2 AND p.made BETWEEN ?3 AND ?4 AND p.put <= ?5"
    " ORDER BY p.made, p.date, p.horizon, p.spend, p.source, p.put";

static const char actual_rows[] =
    "SELECT p.date, p.horizon, p.value, u.recorded,"
    " NOT EXISTS (SELECT 1 FROM actuals q WHERE q.campaign = p.campaign AND q.metric = p.metric AND"
    " q.date = p.date AND q.horizon = p.horizon AND q.put > p.put AND q.put <= ?5)"
    " FROM actuals p CROSS JOIN puts u ON u.put = p.put"
    " WHERE p.campaign = ?1 AND p.metric = ?2 AND p.date BETWEEN ?3 AND ?4 AND p.put <= ?5"
    " ORDER BY p.date, p.horizon, p.put";

/* In one transaction, so that all is of one moment. */
static enum mi_status walk_all(struct walk *walk, struct mi_error *error) {
    struct mi_store *store = walk->store;
    const struct mi_store_query *query = walk->query;
    enum mi_status status = store_run(store, store->put == 0 ? "BEGIN" : "SELECT 1", error);
    if (status != MI_OK) {
        return status;
    }
    status = last_put(store, query->known, &walk->put, error);
    if (status == MI_OK) {
        status = store_prepare(store,
                               query->metric.data != NULL ? "SELECT metric, name FROM metrics WHERE name = ?1"
                                                          : "SELECT metric, name FROM metrics ORDER BY name",
                               &walk->metrics, error);
    }
    if (status == MI_OK && query->metric.data != NULL) {
        store_bind_text(walk->metrics, 1, query->metric);
    }
    if (status == MI_OK) {
        status =
            store_prepare(store, walk->visit != NULL ? prediction_rows : actual_rows, &walk->rows, error);
    }
    if (status == MI_OK) {
        status = walk_campaigns(store, query->campaign, walk_metrics, walk, error);
    }
    sqlite3_finalize(walk->metrics);
    sqlite3_finalize(walk->rows);
    if (store->put == 0) {
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return status;
}

enum mi_status mi_store_each_prediction(struct mi_store *store, const struct mi_store_query *query,
                                        mi_store_prediction_visitor *visit, void *context,
                                        struct mi_error *error) {
    struct walk walk = {
        .store = store, .query = query, .visit = visit, .context = context, .outcomes = query->outcomes};
    return walk_all(&walk, error);
}

enum mi_status mi_store_each_actual(struct mi_store *store, const struct mi_store_query *query,
                                    mi_store_actual_visitor *visit, void *context, struct mi_error *error) {
    struct walk walk = {.store = store, .query = query, .visit_actual = visit, .context = context};
    return walk_all(&walk, error);
}

/* ---- outcomes ---- */

/* The sum of a metric of days over a period; *days: on how many of them it is known. */
static enum mi_status sum_days(struct mi_store *store, int64_t campaign, const char *name, int32_t first,
                               int32_t last, int64_t put, double *sum, int32_t *days,
                               struct mi_error *error) {
    int64_t metric = 0;
    sqlite3_stmt *statement = NULL;
    bool row = true;
    int32_t at = MI_DATE_MISSING;
    double value = 0;
    *sum = 0;
    *days = 0;
    enum mi_status status = store_metric(store, mi_text_of(name), false, &metric, error);
    if (status == MI_OK) {
        status = store_statement(store, STORE_ACTUALS_BETWEEN, &statement, error);
    }
    if (status != MI_OK || metric == 0) {
        return status;
    }
    sqlite3_bind_int64(statement, 1, campaign);
    sqlite3_bind_int64(statement, 2, metric);
    sqlite3_bind_int(statement, 3, first);
    sqlite3_bind_int(statement, 4, last);
    sqlite3_bind_int64(statement, 5, put);
    while ((status = store_step(store, statement, &row, error)) == MI_OK && row) {
        int32_t date = sqlite3_column_int(statement, 0);
        *sum += date == at ? -value : 0; /* a revision takes the place of what was before */
        *days += date != at;
        value = sqlite3_column_double(statement, 1);
        *sum += value;
        at = date;
    }
    sqlite3_reset(statement);
    return status;
}

/* How an outcome follows from those of single days: over / under, or over a day where there is no under. */
static const struct derived {
    const char *metric, *over, *under;
    bool mean;
} derived[] = {
    {"cpa", "spend", "users", false},
    {"users", "users", NULL, true},
    {"spend", "spend", NULL, true},
    {"forecast_revenue", "revenue", NULL, false},
    {"forecast_roas", "revenue", "spend", false},
};

/* *least: where money was spent and nobody came, the CPA that one user would have made. */
static enum mi_status derive(struct mi_store *store, int64_t campaign, const struct derived *how,
                             const struct mi_prediction *prediction, int64_t put, double *value,
                             double *least, struct mi_error *error) {
    double over, under = 1;
    int32_t over_days, under_days;
    int32_t days = (int32_t)prediction->horizon, last = prediction->date + days - 1;
    enum mi_status status =
        sum_days(store, campaign, how->over, prediction->date, last, put, &over, &over_days, error);
    under_days = over_days;
    if (status == MI_OK && how->under != NULL) {
        status =
            sum_days(store, campaign, how->under, prediction->date, last, put, &under, &under_days, error);
    }
    bool whole = status == MI_OK && over_days == days && under_days == days;
    if (whole && under > 0) {
        *value = how->mean ? over / days : over / under;
    } else if (whole && over > 0 && how->under != NULL && strcmp(how->under, "users") == 0) {
        *least = over;
    }
    return status;
}

static enum mi_status find_actual(struct mi_store *store, int64_t campaign,
                                  const struct mi_prediction *prediction, int64_t put, double *value,
                                  double *least, struct mi_error *error) {
    int64_t metric = 0;
    sqlite3_stmt *statement = NULL;
    bool row = false;
    *value = *least = NAN;
    enum mi_status status = store_metric(store, prediction->metric, false, &metric, error);
    if (status == MI_OK) {
        status = store_statement(store, STORE_ACTUAL_AT, &statement, error);
    }
    if (status != MI_OK) {
        return status;
    }
    sqlite3_bind_int64(statement, 1, campaign);
    sqlite3_bind_int64(statement, 2, metric);
    sqlite3_bind_int(statement, 3, prediction->date);
    sqlite3_bind_double(statement, 4, prediction->horizon);
    sqlite3_bind_int64(statement, 5, put);
    status = store_step(store, statement, &row, error);
    if (status == MI_OK && row) {
        *value = sqlite3_column_double(statement, 0);
    }
    sqlite3_reset(statement);
    bool whole = prediction->horizon >= 1 && prediction->horizon <= PERIOD_MOST &&
                 prediction->horizon == floor(prediction->horizon);
    for (size_t i = 0; i < sizeof derived / sizeof *derived && status == MI_OK && !row && whole; i++) {
        if (mi_text_equal(prediction->metric, mi_text_of(derived[i].metric))) {
            status = derive(store, campaign, &derived[i], prediction, put, value, least, error);
        }
    }
    return status;
}
