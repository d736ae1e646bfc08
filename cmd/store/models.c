/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-store model, check and backup.
 */
#include "store/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MOST ((size_t)1 << 30)

static struct {
    const char *name, *metrics, *parameters, *fingerprint;
    unsigned stage;
    bool file;
} options;

const struct option_spec plain_options[] = {STORE_OPTION, WAIT_OPTION, {.name = NULL}};

const struct option_spec model_add_options[] = {
    STORE_OPTION,
    WAIT_OPTION,
    {.name = "name",
     .kind = OPTION_TEXT,
     .target = &options.name,
     .argument = "NAME",
     .help = "of the model (else the tool that the file names)"},
    {.name = "metrics",
     .kind = OPTION_TEXT,
     .target = &options.metrics,
     .argument = "JSON",
     .help = "its held-out metrics (else those in the file)"},
    {.name = "parameters",
     .kind = OPTION_TEXT,
     .target = &options.parameters,
     .argument = "JSON",
     .help = "what it was fitted with (else what the file says)"},
    {.name = "fingerprint",
     .kind = OPTION_TEXT,
     .target = &options.fingerprint,
     .argument = "TEXT",
     .help = "of the training data (else the one in the file)"},
    {.name = NULL},
};

const struct option_spec model_promote_options[] = {
    STORE_OPTION,
    WAIT_OPTION,
    {.name = "to",
     .kind = OPTION_CHOICE,
     .target = &options.stage,
     .choices = "staging|production|archived",
     .argument = "STAGE",
     .help = "the stage; what was in production is archived then",
     .otherwise = "production"},
    {.name = NULL},
};

const struct option_spec model_show_options[] = {
    STORE_OPTION,
    WAIT_OPTION,
    {.name = "file", .kind = OPTION_FLAG, .target = &options.file, .help = "the model's file itself"},
    {.name = NULL},
};

static enum mi_status needs(const char *what, struct mi_error *error) {
    return common.input ? MI_OK : mi_error_set(error, MI_BAD_ARGUMENT, "needs %s", what);
}

/* ---- add ---- */

static struct mi_text either(const char *given, const char *found) {
    return mi_text_of(given ? given : found);
}

static enum mi_status add(struct mi_store *store, struct mi_text file, struct mi_error *error) {
    struct mi_model_description found;
    struct mi_notes notes = common_notes();
    uint64_t version = 0;
    bool added = false;
    mi_model_describe(file, &found);
    struct mi_stored_model model = {
        .name = either(options.name, found.tool),
        .metrics = either(options.metrics, found.metrics),
        .parameters = either(options.parameters, found.parameters),
        .fingerprint = either(options.fingerprint, found.fingerprint),
        .file = file,
    };
    enum mi_status status =
        model.name.data ? mi_store_put_begin(store, "model", NULL, &notes, error)
                        : mi_error_set(error, MI_BAD_ARGUMENT, "%s names no tool: --name=NAME", common.input);
    if (!status)
        status = mi_store_model_add(store, &model, &version, &added, error);
    if (!status)
        status = mi_store_put_commit(store, error);
    if (!status)
        printf("%.*s/%llu\n", (int)model.name.size, model.name.data, (unsigned long long)version);
    if (!status && !added)
        note("the same file is there already");
    mi_model_description_clear(&found);
    return status;
}

/* What printf() wrote reached its place. */
static enum mi_status flushed(enum mi_status status, struct mi_error *error) {
    if (!status && (fflush(stdout) != 0 || ferror(stdout)))
        return mi_error_set(error, MI_SYSTEM, "cannot write standard output");
    return status;
}

enum mi_status run_model_add(struct mi_error *error) {
    struct mi_store *store = NULL;
    char *content = NULL;
    size_t size = 0;
    enum mi_status status = needs("the model's FILE", error);
    if (!status)
        status = mi_file_read(common.input, FILE_MOST, &content, &size, error);
    if (!status && size == 0)
        status = mi_error_set(error, MI_BAD_INPUT, "%s: empty, no model", common.input);
    if (!status)
        status = store_open(MI_STORE_CREATE, &store, error);
    if (!status)
        status = add(store, (struct mi_text){content, size}, error);
    mi_store_close(store);
    free(content);
    return flushed(status, error);
}

/* ---- list and show ---- */

struct list {
    struct stream stream;
    size_t slots[8];
};

static enum mi_status write_model(void *context, const struct mi_stored_model *model,
                                  struct mi_error *error) {
    struct list *list = context;
    struct mi_writer *writer = list->stream.writer;
    char name[256], time[TIME_TEXT];
    snprintf(name, sizeof name, "%.*s/%llu", (int)model->name.size, model->name.data,
             (unsigned long long)model->version);
    time_format(model->recorded, time);
    mi_writer_text(writer, list->slots[0], mi_text_of(name));
    mi_writer_text(writer, list->slots[1], mi_text_of(mi_stage_name(model->stage)));
    mi_writer_text(writer, list->slots[2], mi_text_of(time));
    if (model->metrics.data)
        mi_writer_json(writer, list->slots[3], model->metrics);
    if (model->parameters.data)
        mi_writer_json(writer, list->slots[4], model->parameters);
    mi_writer_text(writer, list->slots[5], model->fingerprint);
    mi_writer_text(writer, list->slots[6], model->checksum);
    mi_writer_number(writer, list->slots[7], (double)model->file.size);
    return mi_writer_row(writer, NULL, 0, error);
}

static enum mi_status write_models(const char *only, struct mi_error *error) {
    static const char *const columns[] = {"model",      "stage",       "recorded", "metrics",
                                          "parameters", "fingerprint", "checksum", "bytes"};
    struct list list = {0};
    struct mi_store *store = NULL;
    enum mi_status status = store_open(MI_STORE_READ, &store, error);
    if (!status)
        status = stream_output(&list.stream, false, error);
    for (size_t i = 0; i < 8 && !status; i++)
        status = mi_writer_column(list.stream.writer, columns[i], &list.slots[i], error);
    if (!status)
        status = only ? mi_store_model_find(store, only, write_model, &list, error)
                      : mi_store_each_model(store, write_model, &list, error);
    status = stream_close(&list.stream, status, error);
    mi_store_close(store);
    return status;
}

enum mi_status run_model_list(struct mi_error *error) {
    return write_models(NULL, error);
}

static enum mi_status write_file(void *context, const struct mi_stored_model *model, struct mi_error *error) {
    (void)context;
    return mi_file_write(common.output, model->file, error);
}

enum mi_status run_model_show(struct mi_error *error) {
    struct mi_store *store = NULL;
    enum mi_status status = needs("a MODEL, as mi-ltv/production or mi-ltv/3", error);
    if (status || !options.file)
        return status ? status : write_models(common.input, error);
    status = store_open(MI_STORE_READ, &store, error);
    if (!status)
        status = mi_store_model_find(store, common.input, write_file, NULL, error);
    mi_store_close(store);
    return status;
}

/* ---- stages ---- */

static enum mi_status say_model(void *context, const struct mi_stored_model *model, struct mi_error *error) {
    (void)context;
    (void)error;
    printf("%.*s/%llu %s\n", (int)model->name.size, model->name.data, (unsigned long long)model->version,
           mi_stage_name(model->stage));
    return MI_OK;
}

static enum mi_status change_stage(bool back, struct mi_error *error) {
    struct mi_store *store = NULL;
    struct mi_notes notes = common_notes();
    enum mi_status status = needs(back ? "a model's NAME" : "a MODEL, as mi-ltv/3", error);
    if (!status)
        status = store_open(MI_STORE_WRITE, &store, error);
    if (!status)
        status = mi_store_put_begin(store, back ? "rollback" : "promote", NULL, &notes, error);
    if (!status)
        status = back ? mi_store_model_rollback(store, common.input, error)
                      : mi_store_model_promote(store, common.input, (enum mi_stage)options.stage, error);
    if (!status && back)
        status = mi_store_model_find(store, common.input, say_model, NULL, error);
    if (!status)
        status = mi_store_put_commit(store, error);
    mi_store_close(store);
    return flushed(status, error);
}

enum mi_status run_model_promote(struct mi_error *error) {
    return change_stage(false, error);
}

enum mi_status run_model_rollback(struct mi_error *error) {
    return change_stage(true, error);
}

static enum mi_status verify(void *context, const struct mi_stored_model *model, struct mi_error *error) {
    size_t *damaged = context;
    struct mi_error fault = {0};
    (void)error;
    bool well = mi_stored_model_verify(model, &fault) == MI_OK;
    *damaged += !well;
    printf("%.*s/%llu %s\n", (int)model->name.size, model->name.data, (unsigned long long)model->version,
           well ? "ok" : "damaged");
    return MI_OK;
}

enum mi_status run_model_verify(struct mi_error *error) {
    struct mi_store *store = NULL;
    size_t damaged = 0;
    enum mi_status status = store_open(MI_STORE_READ, &store, error);
    if (!status)
        status = common.input ? mi_store_model_find(store, common.input, verify, &damaged, error)
                              : mi_store_each_model(store, verify, &damaged, error);
    mi_store_close(store);
    return flushed(status == MI_OK && damaged > 0 ? MI_NO : status, error);
}

/* ---- check and backup ---- */

static void say_fault(void *context, struct mi_text text) {
    (void)context;
    printf("%.*s\n", (int)text.size, text.data);
}

enum mi_status run_check(struct mi_error *error) {
    struct mi_store *store = NULL;
    size_t damaged = 0;
    enum mi_status status = store_open(MI_STORE_READ, &store, error);
    enum mi_status well = MI_OK;
    if (!status)
        status = well = mi_store_check(store, say_fault, NULL, error);
    if (status == MI_OK || status == MI_NO)
        status = mi_store_each_model(store, verify, &damaged, error);
    mi_store_close(store);
    if (!status && (well == MI_NO || damaged > 0))
        status = MI_NO;
    if (!status)
        printf("ok\n");
    return status == MI_NO ? flushed(MI_OK, error) == MI_OK ? MI_NO : MI_SYSTEM : flushed(status, error);
}

enum mi_status run_backup(struct mi_error *error) {
    struct mi_store *store = NULL;
    enum mi_status status =
        common.output ? MI_OK : mi_error_set(error, MI_BAD_ARGUMENT, "needs the copy's name: -o FILE");
    if (!status)
        status = store_open(MI_STORE_READ, &store, error);
    if (!status)
        status = mi_store_backup(store, common.output, error);
    mi_store_close(store);
    return status;
}
