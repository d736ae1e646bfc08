/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Opening, making, checking and copying a store. What is no store is never written to; a new one appears
 * whole, by a link, so that a program that is killed leaves none that is half made.
 */
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"

#define HEADER      100 /* bytes of an SQLite file's header */
#define BACKUP_STEP 1024

static enum mi_status fault(const char *path, enum mi_status status, struct mi_error *error, const char *text,
                            const char *more) {
    if (error != NULL) {
        *error = (struct mi_error){0};
        snprintf(error->file, sizeof error->file, "%s", path);
    }
    return mi_error_set(error, status, "%s%s", text, more);
}

/* ---- the file ---- */

static uint32_t big_endian(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Whether a write-ahead log with something in it lies beside: then the file's size says nothing. */
static bool has_log(const char *path) {
    struct mi_buffer name = {0};
    struct stat there;
    mi_buffer_print(&name, "%s-wal", path);
    mi_buffer_byte(&name, '\0');
    bool has = name.failed || (stat(name.data, &there) == 0 && there.st_size > 0);
    mi_buffer_free(&name);
    return has;
}

/* Looks at the first bytes of a file that is there. */
static enum mi_status check_file(const char *path, struct mi_error *error) {
    unsigned char header[HEADER] = {0};
    struct stat there;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return fault(path, MI_SYSTEM, error, "cannot open: ", strerror(errno));
    }
    size_t got = fread(header, 1, sizeof header, file);
    bool read_well = ferror(file) == 0 && fstat(fileno(file), &there) == 0;
    fclose(file);
    if (!read_well) {
        return fault(path, MI_SYSTEM, error, "cannot read", "");
    }
    if (got < 16 || memcmp(header, "SQLite format 3", 16) != 0) {
        return fault(path, MI_BAD_INPUT, error, "not a store, and left as it is", "");
    }
    uint64_t page = big_endian(header + 16) >> 16, pages = big_endian(header + 28);
    page = page == 1 ? 65536 : page;
    bool says_size = big_endian(header + 24) == big_endian(header + 92);
    if (got < HEADER || (says_size && (uint64_t)there.st_size < page * pages && !has_log(path))) {
        return fault(path, MI_SYSTEM, error, "truncated: a backup is needed, and it is left as it is", "");
    }
    return MI_OK;
}

/* ---- connection ---- */

static enum mi_status connect_to(struct mi_store *store, const char *path, int flags,
                                 struct mi_error *error) {
    int code = sqlite3_open_v2(path, &store->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (code != SQLITE_OK) {
        return store_fail(store, code, error);
    }
    sqlite3_busy_timeout(store->db, (int)(store->wait * 1000));
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return store_run(store,
                     "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON;"
                     "PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY",
                     error);
}

static struct mi_store *store_new(const char *path, unsigned wait, bool writable) {
    struct mi_store *store = calloc(1, sizeof *store);
    if (store != NULL) {
        store->wait = wait;
        store->writable = writable;
        snprintf(store->path, sizeof store->path, "%s", path);
    }
    return store;
}

void mi_store_close(struct mi_store *store) {
    if (store == NULL) {
        return;
    }
    if (store->put != 0) {
        mi_store_put_abort(store);
    }
    for (size_t i = 0; i < STORE_STATEMENTS; i++) {
        sqlite3_finalize(store->statements[i]);
    }
    sqlite3_close(store->db);
    store_names_free(&store->campaigns);
    store_names_free(&store->metrics);
    store_names_free(&store->sources);
    free(store);
}

/* ---- making one ---- */

/* Makes an empty store under this name, closed again. */
static enum mi_status make_at(const char *name, const char *path, struct mi_error *error) {
    struct mi_store *store = store_new(path, 1, true);
    if (store == NULL) {
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    enum mi_status status = connect_to(store, name, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, error);
    if (status == MI_OK) {
        status = store_run(store, "PRAGMA journal_mode = WAL", error);
    }
    if (status == MI_OK) {
        status = store_migrate(store, error);
    }
    mi_store_close(store);
    return status;
}

static void remove_made(const char *name) {
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        struct mi_buffer full = {0};
        mi_buffer_print(&full, "%s%s", name, suffixes[i]);
        mi_buffer_byte(&full, '\0');
        if (!full.failed) {
            unlink(full.data);
        }
        mi_buffer_free(&full);
    }
}

static enum mi_status name_beside(const char *path, struct mi_buffer *name, struct mi_error *error) {
    const char *slash = strrchr(path, '/');
    int folder = slash != NULL ? (int)(slash - path + 1) : 0;
    mi_buffer_print(name, "%.*s.%s.%ld.tmp", folder, path, path + folder, (long)getpid());
    mi_buffer_byte(name, '\0');
    return name->failed ? mi_error_set(error, MI_NO_MEMORY, "out of memory") : MI_OK;
}

/* A store appears at `path` whole, unless another program was first. */
static enum mi_status make(const char *path, struct mi_error *error) {
    struct mi_buffer name = {0};
    enum mi_status status = name_beside(path, &name, error);
    if (status == MI_OK) {
        remove_made(name.data);
        status = make_at(name.data, path, error);
        if (status == MI_OK && link(name.data, path) != 0 && errno != EEXIST) {
            status = fault(path, MI_SYSTEM, error, "cannot be made: ", strerror(errno));
        }
        remove_made(name.data);
    }
    mi_buffer_free(&name);
    return status;
}

/* ---- opening ---- */

static enum mi_status open_checked(struct mi_store *store, const char *path, struct mi_error *error) {
    int64_t version = 0;
    enum mi_status status =
        connect_to(store, path, SQLITE_OPEN_READWRITE, error); /* read-only where the file is */
    if (status == MI_OK && !store->writable) {
        status = store_run(store, "PRAGMA query_only = ON", error);
    }
    if (status == MI_OK && store->writable && sqlite3_db_readonly(store->db, "main") == 1) {
        status = store_fail(store, SQLITE_READONLY, error);
    }
    if (status == MI_OK) {
        status = store_check_version(store, &version, error);
    }
    if (status != MI_OK || version == store_version()) {
        return status;
    }
    return store->writable ? store_migrate(store, error)
                           : mi_error_set(error, MI_BAD_INPUT,
                                          "a store of the older version %lld: the next put brings it up",
                                          (long long)version);
}

enum mi_status mi_store_open(const char *path, const struct mi_store_options *options,
                             struct mi_store **store, struct mi_error *error) {
    struct stat there;
    bool exists = stat(path, &there) == 0;
    if (exists && !S_ISREG(there.st_mode)) {
        return fault(path, MI_BAD_INPUT, error, "not a store: not a regular file", "");
    }
    if (!exists && options->mode != MI_STORE_CREATE) {
        return fault(path, MI_SYSTEM, error, "no such store", "");
    }
    enum mi_status status = exists ? MI_OK : make(path, error);
    if (status == MI_OK) {
        status = check_file(path, error);
    }
    if (status != MI_OK) {
        return status;
    }
    struct mi_store *new = store_new(path, options->wait, options->mode != MI_STORE_READ);
    if (new == NULL) {
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    status = open_checked(new, path, error);
    if (status != MI_OK) {
        if (error != NULL && error->file[0] == '\0') {
            snprintf(error->file, sizeof error->file, "%s", path);
        }
        mi_store_close(new);
        return status;
    }
    *store = new;
    return MI_OK;
}

/* ---- check and copy ---- */

enum mi_status mi_store_check(struct mi_store *store, mi_store_fault_visitor *visit, void *context,
                              struct mi_error *error) {
    static const char *const queries[] = {
        "PRAGMA integrity_check(100)",
        "SELECT 'row ' || coalesce(rowid, '?') || ' of ' || \"table\" || ' refers to no row of ' || parent"
        " FROM pragma_foreign_key_check",
    };
    bool well = true;
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < 2 && status == MI_OK; i++) {
        sqlite3_stmt *statement = NULL;
        bool row = true;
        status = store_prepare(store, queries[i], &statement, error);
        while (status == MI_OK && (status = store_step(store, statement, &row, error)) == MI_OK && row) {
            struct mi_text text = store_text(statement, 0);
            if (!mi_text_equal(text, mi_text_of("ok"))) {
                well = false;
                visit(context, text);
            }
        }
        sqlite3_finalize(statement);
    }
    return status == MI_OK && !well ? MI_NO : status;
}

static enum mi_status copy_pages(struct mi_store *store, sqlite3 *to, struct mi_error *error) {
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", store->db, "main");
    if (backup == NULL) {
        return store_fail(store, sqlite3_errcode(to), error);
    }
    int code;
    unsigned tries = 0;
    do {
        code = sqlite3_backup_step(backup, BACKUP_STEP);
        if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
            sqlite3_sleep(50);
        }
    } while (code == SQLITE_OK ||
             ((code == SQLITE_BUSY || code == SQLITE_LOCKED) && ++tries < 20 * store->wait));
    sqlite3_backup_finish(backup);
    return code == SQLITE_DONE ? MI_OK : store_fail(store, code, error);
}

enum mi_status mi_store_backup(struct mi_store *store, const char *path, struct mi_error *error) {
    struct mi_buffer name = {0};
    struct stat there;
    sqlite3 *to = NULL;
    if (stat(path, &there) == 0) {
        enum mi_status status = check_file(path, error);
        if (status != MI_OK) {
            return status;
        }
    }
    enum mi_status status = name_beside(path, &name, error);
    if (status == MI_OK) {
        remove_made(name.data);
        int code = sqlite3_open_v2(name.data, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
        status = code == SQLITE_OK ? copy_pages(store, to, error)
                                   : fault(path, MI_SYSTEM, error, "cannot be made: ", sqlite3_errstr(code));
        sqlite3_close(to);
        if (status == MI_OK && rename(name.data, path) != 0) {
            status = fault(path, MI_SYSTEM, error, "cannot rename: ", strerror(errno));
        }
        remove_made(name.data);
    }
    mi_buffer_free(&name);
    return status;
}
