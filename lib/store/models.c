/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The registry of models: versions, stages, the file itself with its checksum.
 */
#include "store/store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"

static const char *const stage_names[] = {"staging", "production", "archived"};

const char *mi_stage_name(enum mi_stage stage) {
    return stage_names[stage];
}

static enum mi_stage stage_of(struct mi_text name) {
    for (unsigned i = 0; i < 3; i++) {
        if (mi_text_equal(name, mi_text_of(stage_names[i]))) {
            return (enum mi_stage)i;
        }
    }
    return MI_STAGE_ARCHIVED;
}

#define MODEL_COLUMNS                                                                                        \
    "SELECT model, name, version, stage, recorded, metrics, parameters, fingerprint, checksum, file"         \
    " FROM models "

static struct mi_stored_model model_of(sqlite3_stmt *row) {
    struct mi_stored_model model = {
        .name = store_text(row, 1),
        .version = (uint64_t)sqlite3_column_int64(row, 2),
        .stage = stage_of(store_text(row, 3)),
        .recorded = sqlite3_column_int64(row, 4),
        .metrics = store_text(row, 5),
        .parameters = store_text(row, 6),
        .fingerprint = store_text(row, 7),
        .checksum = store_text(row, 8),
    };
    model.file.data = sqlite3_column_blob(row, 9);
    model.file.size = (size_t)sqlite3_column_bytes(row, 9);
    model.file.data = model.file.data != NULL ? model.file.data : "";
    return model;
}

/* ---- finding ---- */

/* "NAME/VERSION", "NAME/STAGE", or "NAME" for production; an @ before it is passed over. */
struct reference {
    struct mi_text name, rest; /* rest: missing where there is none */
    double version;            /* NaN: a stage */
};

static enum mi_status parse_reference(const char *text, struct reference *reference, struct mi_error *error) {
    text += *text == '@';
    const char *slash = strrchr(text, '/');
    *reference = (struct reference){.name = mi_text_of(text), .version = NAN};
    if (slash != NULL) {
        reference->name.size = (size_t)(slash - text);
        reference->rest = mi_text_of(slash + 1);
        mi_number_parse(reference->rest, &reference->version);
    }
    bool known = slash == NULL || !isnan(reference->version);
    for (size_t i = 0; i < 3 && slash != NULL; i++) {
        known = known || strcmp(slash + 1, stage_names[i]) == 0;
    }
    if (reference->name.size == 0 || !known) {
        return mi_error_set(error, MI_BAD_ARGUMENT,
                            "\"%s\" names no model (as mi-ltv/production, mi-ltv/staging or mi-ltv/3)", text);
    }
    return MI_OK;
}

/* The row of a model; of several in one stage the newest. *found 0: there is none. */
static enum mi_status find_model(struct mi_store *store, const char *text, sqlite3_stmt **row, bool *found,
                                 struct mi_error *error) {
    struct reference reference;
    enum mi_status status = parse_reference(text, &reference, error);
    *row = NULL;
    if (status == MI_OK) {
        status = store_prepare(store,
                               isnan(reference.version) ? MODEL_COLUMNS
                                   "WHERE name = ?1 AND stage = ?2 ORDER BY version DESC LIMIT 1"
                                                        : MODEL_COLUMNS "WHERE name = ?1 AND version = ?2",
                               row, error);
    }
    if (status != MI_OK) {
        return status;
    }
    store_bind_text(*row, 1, reference.name);
    if (isnan(reference.version)) {
        store_bind_text(*row, 2, reference.rest.data != NULL ? reference.rest : mi_text_of("production"));
    } else {
        sqlite3_bind_double(*row, 2, reference.version);
    }
    return store_step(store, *row, found, error);
}

static enum mi_status no_model(const struct mi_store *store, const char *text, struct mi_error *error) {
    enum mi_status status = mi_error_set(error, MI_BAD_INPUT, "no model %s", text + (*text == '@'));
    if (error != NULL) {
        snprintf(error->file, sizeof error->file, "%s", store->path);
    }
    return status;
}

static enum mi_status check_sum(const struct mi_stored_model *model, struct mi_error *error) {
    char checksum[MI_SHA256_TEXT];
    mi_sha256(model->file.data, model->file.size, checksum);
    if (!mi_text_equal(mi_text_of(checksum), model->checksum)) {
        return mi_error_set(error, MI_BAD_INPUT, "model %.*s/%llu is damaged: its checksum is another",
                            (int)model->name.size, model->name.data, (unsigned long long)model->version);
    }
    return MI_OK;
}

enum mi_status mi_store_model_find(struct mi_store *store, const char *reference,
                                   mi_store_model_visitor *visit, void *context, struct mi_error *error) {
    sqlite3_stmt *row = NULL;
    bool found = false;
    enum mi_status status = find_model(store, reference, &row, &found, error);
    if (status == MI_OK && !found) {
        status = no_model(store, reference, error);
    }
    if (status == MI_OK) {
        struct mi_stored_model model = model_of(row);
        status = check_sum(&model, error);
        if (status == MI_OK) {
            status = visit(context, &model, error);
        }
    }
    sqlite3_finalize(row);
    return status;
}

enum mi_status mi_store_each_model(struct mi_store *store, mi_store_model_visitor *visit, void *context,
                                   struct mi_error *error) {
    sqlite3_stmt *row = NULL;
    bool found = true;
    enum mi_status status = store_prepare(store, MODEL_COLUMNS "ORDER BY name, version", &row, error);
    while (status == MI_OK && (status = store_step(store, row, &found, error)) == MI_OK && found) {
        struct mi_stored_model model = model_of(row);
        status = visit(context, &model, error);
    }
    sqlite3_finalize(row);
    return status;
}

enum mi_status mi_stored_model_verify(const struct mi_stored_model *model, struct mi_error *error) {
    return check_sum(model, error);
}

/* ---- adding ---- */

static enum mi_status newest(struct mi_store *store, struct mi_text name, uint64_t *version,
                             char checksum[MI_SHA256_TEXT], struct mi_error *error) {
    sqlite3_stmt *row = NULL;
    bool found = false;
    *version = 0;
    enum mi_status status = store_prepare(
        store, "SELECT version, checksum FROM models WHERE name = ?1 ORDER BY version DESC LIMIT 1", &row,
        error);
    if (status == MI_OK) {
        store_bind_text(row, 1, name);
        status = store_step(store, row, &found, error);
    }
    if (status == MI_OK && found) {
        *version = (uint64_t)sqlite3_column_int64(row, 0);
        snprintf(checksum, MI_SHA256_TEXT, "%s", (const char *)sqlite3_column_text(row, 1));
    }
    sqlite3_finalize(row);
    return status;
}

static enum mi_status log_stage(struct mi_store *store, int64_t model, const char *before, const char *after,
                                bool back, struct mi_error *error) {
    sqlite3_stmt *add = NULL;
    enum mi_status status = store_prepare(
        store, "INSERT INTO stages(model, before, after, recorded, back) VALUES(?1, ?2, ?3, ?4, ?5)", &add,
        error);
    if (status == MI_OK) {
        sqlite3_bind_int64(add, 1, model);
        store_bind_text(add, 2, mi_text_of(before));
        store_bind_text(add, 3, mi_text_of(after));
        sqlite3_bind_int64(add, 4, store_clock());
        sqlite3_bind_int(add, 5, back);
        status = store_do(store, add, error);
    }
    sqlite3_finalize(add);
    store->changed = true;
    return status;
}

enum mi_status mi_store_model_add(struct mi_store *store, const struct mi_stored_model *model,
                                  uint64_t *version, bool *added, struct mi_error *error) {
    char last[MI_SHA256_TEXT] = "", checksum[MI_SHA256_TEXT];
    sqlite3_stmt *add = NULL;
    enum mi_status status = store_needs_put(store, error);
    if (status == MI_OK && (model->name.size == 0 || memchr(model->name.data, '/', model->name.size))) {
        status = mi_error_set(error, MI_BAD_ARGUMENT, "a model's name is not empty and has no '/': \"%.*s\"",
                              (int)model->name.size, model->name.data);
    }
    mi_sha256(model->file.data, model->file.size, checksum);
    if (status == MI_OK) {
        status = newest(store, model->name, version, last, error);
    }
    if (status != MI_OK) {
        return status;
    }
    *added = strcmp(last, checksum) != 0;
    if (!*added) {
        return MI_OK;
    }
    ++*version;
    status = store_prepare(store,
                           "INSERT INTO models(name, version, stage, recorded, metrics, parameters,"
                           " fingerprint, checksum, file) VALUES(?1, ?2, 'staging', ?3, ?4, ?5, ?6, ?7, ?8)",
                           &add, error);
    if (status == MI_OK) {
        store_bind_text(add, 1, model->name);
        sqlite3_bind_int64(add, 2, (int64_t)*version);
        sqlite3_bind_int64(add, 3, store_clock());
        store_bind_text(add, 4, model->metrics);
        store_bind_text(add, 5, model->parameters);
        store_bind_text(add, 6, model->fingerprint);
        store_bind_text(add, 7, mi_text_of(checksum));
        sqlite3_bind_blob64(add, 8, model->file.data, model->file.size, SQLITE_TRANSIENT);
        status = store_do(store, add, error);
    }
    sqlite3_finalize(add);
    return status == MI_OK
               ? log_stage(store, sqlite3_last_insert_rowid(store->db), NULL, "staging", false, error)
               : status;
}

/* ---- stages ---- */

static enum mi_status set_stage(struct mi_store *store, int64_t model, const char *before, const char *after,
                                bool back, struct mi_error *error) {
    sqlite3_stmt *set = NULL;
    enum mi_status status =
        store_prepare(store, "UPDATE models SET stage = ?2 WHERE model = ?1", &set, error);
    if (status == MI_OK) {
        sqlite3_bind_int64(set, 1, model);
        store_bind_text(set, 2, mi_text_of(after));
        status = store_do(store, set, error);
    }
    sqlite3_finalize(set);
    return status == MI_OK ? log_stage(store, model, before, after, back, error) : status;
}

/* The id that a query about a name gives; 0: none. */
static enum mi_status id_by_name(struct mi_store *store, const char *sql, struct mi_text name, int64_t *id,
                                 struct mi_error *error) {
    sqlite3_stmt *row = NULL;
    bool found = false;
    *id = 0;
    enum mi_status status = store_prepare(store, sql, &row, error);
    if (status == MI_OK) {
        store_bind_text(row, 1, name);
        status = store_step(store, row, &found, error);
    }
    *id = status == MI_OK && found ? sqlite3_column_int64(row, 0) : 0;
    sqlite3_finalize(row);
    return status;
}

/* Archives what is in production under this name, if any. */
static enum mi_status leave_production(struct mi_store *store, struct mi_text name, struct mi_error *error) {
    int64_t before;
    enum mi_status status = id_by_name(
        store, "SELECT model FROM models WHERE name = ?1 AND stage = 'production'", name, &before, error);
    return status == MI_OK && before != 0 ? set_stage(store, before, "production", "archived", false, error)
                                          : status;
}

enum mi_status mi_store_model_promote(struct mi_store *store, const char *reference, enum mi_stage stage,
                                      struct mi_error *error) {
    sqlite3_stmt *row = NULL;
    bool found = false;
    enum mi_status status = store_needs_put(store, error);
    if (status == MI_OK) {
        status = find_model(store, reference, &row, &found, error);
    }
    if (status == MI_OK && !found) {
        status = no_model(store, reference, error);
    }
    if (status == MI_OK) {
        struct mi_stored_model model = model_of(row);
        int64_t id = sqlite3_column_int64(row, 0);
        status = check_sum(&model, error);
        if (status == MI_OK && model.stage != stage) {
            status = stage == MI_STAGE_PRODUCTION ? leave_production(store, model.name, error) : MI_OK;
            if (status == MI_OK) {
                status = set_stage(store, id, stage_names[model.stage], stage_names[stage], false, error);
            }
        }
    }
    sqlite3_finalize(row);
    return status;
}

/* The models that were in production one after the other, the last one on top: a promotion puts one on, a
 * rollback takes one off. */
struct history {
    int64_t *models;
    size_t count, capacity;
};

static enum mi_status push(struct history *history, int64_t model, struct mi_error *error) {
    if (history->count == history->capacity) {
        size_t capacity = history->capacity > 0 ? 2 * history->capacity : 16;
        int64_t *models = realloc(history->models, capacity * sizeof *models);
        if (models == NULL) {
            return mi_error_set(error, MI_NO_MEMORY, "out of memory");
        }
        history->models = models;
        history->capacity = capacity;
    }
    history->models[history->count++] = model;
    return MI_OK;
}

static enum mi_status read_history(struct mi_store *store, struct mi_text name, struct history *history,
                                   struct mi_error *error) {
    sqlite3_stmt *row = NULL;
    bool found = true;
    enum mi_status status =
        store_prepare(store,
                      "SELECT s.model, s.back FROM stages s JOIN models m USING(model) WHERE m.name = ?1 AND"
                      " s.after = 'production' ORDER BY s.change",
                      &row, error);
    if (status == MI_OK) {
        store_bind_text(row, 1, name);
    }
    while (status == MI_OK && (status = store_step(store, row, &found, error)) == MI_OK && found) {
        if (sqlite3_column_int(row, 1) == 0) {
            status = push(history, sqlite3_column_int64(row, 0), error);
        } else if (history->count > 1) {
            history->count--;
        }
    }
    sqlite3_finalize(row);
    return status;
}

enum mi_status mi_store_model_rollback(struct mi_store *store, const char *name, struct mi_error *error) {
    struct history history = {0};
    name += *name == '@';
    struct mi_text text = mi_text_of(name);
    enum mi_status status = store_needs_put(store, error);
    if (status == MI_OK) {
        status = read_history(store, text, &history, error);
    }
    if (status == MI_OK && history.count < 2) {
        status = mi_error_set(error, MI_BAD_INPUT, "no model %s was in production before this one", name);
    }
    if (status == MI_OK) {
        status = leave_production(store, text, error);
    }
    if (status == MI_OK) {
        status = set_stage(store, history.models[history.count - 2], "archived", "production", true, error);
    }
    free(history.models);
    return status;
}
