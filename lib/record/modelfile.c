/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Model files: format, version, tool, kind and checksum.
 */
#include "record/modelfile.h"
#include "base/hash.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "num/number.h"

#define FORMAT         "mi-model"
#define FORMAT_VERSION 1
#define FILE_MOST      ((size_t)1 << 30)
#define JSON_RULES     (JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL)

/* The checksum of everything but the member "checksum", as 16 hexadecimal digits. */
static bool checksum_of(json_t *root, char out[17]) {
    json_t *rest = json_copy(root);
    char *text = NULL;
    if (rest != NULL &&
        (json_object_get(rest, "checksum") == NULL || json_object_del(rest, "checksum") == 0)) {
        text = json_dumps(rest, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
    }
    json_decref(rest);
    if (text == NULL) {
        return false;
    }
    snprintf(out, 17, "%016llx", (unsigned long long)mi_hash(MI_HASH_START, text, strlen(text)));
    free(text);
    return true;
}

/* ---- writing ---- */

void mi_model_file_begin(struct mi_buffer *out, const char *tool, const char *kind) {
    mi_buffer_print(out, "{\"format\": \"%s\", \"format_version\": %d, \"tool\": \"%s\", \"kind\": \"%s\"",
                    FORMAT, FORMAT_VERSION, tool, kind);
}

enum mi_status mi_model_file_string(struct mi_buffer *out, struct mi_text text, struct mi_error *error) {
    json_t *string = json_stringn(text.data != NULL ? text.data : "", text.data != NULL ? text.size : 0);
    if (string == NULL) {
        return mi_error_set(error, MI_BAD_INPUT, "not UTF-8, so it cannot stand in a model: \"%.*s\"",
                            (int)(text.size < 200 ? text.size : 200), text.data);
    }
    char *quoted = json_dumps(string, JSON_ENCODE_ANY);
    json_decref(string);
    if (quoted == NULL) {
        return mi_no_memory(error);
    }
    mi_buffer_string(out, quoted);
    free(quoted);
    return MI_OK;
}

void mi_model_file_number(struct mi_buffer *out, const char *before, double value) {
    mi_buffer_string(out, before);
    if (isfinite(value)) {
        mi_buffer_number(out, value);
    } else {
        mi_buffer_string(out, "null");
    }
}

void mi_model_file_date(struct mi_buffer *out, const char *before, int32_t days) {
    char text[16];
    mi_buffer_string(out, before);
    if (days == MI_DATE_MISSING) {
        mi_buffer_string(out, "null");
        return;
    }
    mi_date_format(days, text);
    mi_buffer_print(out, "\"%s\"", text);
}

/* Closes the text with its checksum. */
static enum mi_status seal(struct mi_buffer *out, struct mi_error *error) {
    char checksum[17];
    size_t size = out->size;
    mi_buffer_string(out, "}");
    if (out->failed) {
        return mi_no_memory(error);
    }
    json_error_t problem;
    json_t *root = json_loadb(out->data, out->size, JSON_RULES, &problem);
    bool done = root != NULL && checksum_of(root, checksum);
    json_decref(root);
    if (!done) {
        return mi_no_memory(error);
    }
    out->size = size;
    mi_buffer_print(out, ",\n \"checksum\": \"%s\"}\n", checksum);
    return out->failed ? mi_no_memory(error) : MI_OK;
}

enum mi_status mi_model_file_end(struct mi_buffer *out, const char *path, struct mi_error *error) {
    enum mi_status status = seal(out, error);
    return status == MI_OK ? mi_file_write(path, (struct mi_text){out->data, out->size}, error) : status;
}

/* ---- reading ---- */

double mi_model_file_get_number(struct mi_model_reading *reading, const json_t *object, const char *key,
                                double low, double high, bool nullable) {
    const json_t *value = json_object_get(object, key);
    if (nullable && json_is_null(value)) {
        return NAN;
    }
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= low && number <= high)) {
        reading->fault = reading->fault != NULL ? reading->fault : key;
        return NAN;
    }
    return number;
}

int32_t mi_model_file_get_date(struct mi_model_reading *reading, const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    int32_t days = MI_DATE_MISSING;
    if (!json_is_null(value) && !mi_date_parse(mi_text_of(json_string_value(value)), &days)) {
        reading->fault = reading->fault != NULL ? reading->fault : key;
    }
    return days;
}

uint64_t mi_model_file_get_fingerprint(struct mi_model_reading *reading, const json_t *object,
                                       const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    char *end = NULL;
    uint64_t fingerprint = text != NULL ? strtoull(text, &end, 16) : 0;
    if (end == NULL || *end != '\0' || strlen(text) != 16) {
        reading->fault = reading->fault != NULL ? reading->fault : key;
    }
    return fingerprint;
}

/* Whether a member is this string. */
static bool is(const json_t *root, const char *key, const char *expected) {
    const char *value = json_string_value(json_object_get(root, key));
    return value != NULL && strcmp(value, expected) == 0;
}

/* What it is, who wrote it, whether it came whole. */
static enum mi_status check_file(json_t *root, const char *tool, struct mi_error *error) {
    if (!is(root, "format", FORMAT)) {
        return mi_error_set(error, MI_BAD_INPUT, "not a model of mi (no \"format\": \"%s\")", FORMAT);
    }
    json_int_t version = json_integer_value(json_object_get(root, "format_version"));
    if (version != FORMAT_VERSION) {
        return mi_error_set(error, MI_BAD_INPUT, "a model of format version %lld, this program reads %d",
                            (long long)version, FORMAT_VERSION);
    }
    if (!is(root, "tool", tool)) {
        const char *other = json_string_value(json_object_get(root, "tool"));
        return mi_error_set(error, MI_BAD_INPUT, "a model of %s, not of %s",
                            other != NULL ? other : "no tool", tool);
    }
    char checksum[17];
    if (!checksum_of(root, checksum)) {
        return mi_no_memory(error);
    }
    if (!is(root, "checksum", checksum)) {
        return mi_error_set(error, MI_BAD_INPUT,
                            "the checksum does not fit: the model was changed or damaged");
    }
    if (!json_is_string(json_object_get(root, "kind"))) {
        return mi_error_set(error, MI_BAD_INPUT, "the model is at fault: kind");
    }
    return MI_OK;
}

static enum mi_status load(struct mi_text content, const char *tool, json_t **root, struct mi_error *error) {
    json_error_t problem;
    *root = json_loadb(content.data, content.size, JSON_RULES, &problem);
    if (*root != NULL) {
        return check_file(*root, tool, error);
    }
    if (json_error_code(&problem) == json_error_out_of_memory) {
        return mi_no_memory(error);
    }
    mi_error_set(error, MI_BAD_INPUT, "not JSON: %s", problem.text);
    if (error != NULL) {
        error->line = problem.line > 0 ? (uint64_t)problem.line : 0;
    }
    return MI_BAD_INPUT;
}

enum mi_status mi_model_file_blame(const struct mi_model_file *file, enum mi_status status,
                                   struct mi_error *error) {
    if (status != MI_OK && error != NULL) {
        snprintf(error->file, sizeof error->file, "%s", file->path);
    }
    return status;
}

enum mi_status mi_model_file_parse(struct mi_text content, const char *name, const char *tool,
                                   struct mi_model_file **file, struct mi_error *error) {
    struct mi_model_file *new = calloc(1, sizeof *new);
    if (new == NULL || (new->path = mi_text_copy(mi_text_of(name))) == NULL) {
        mi_model_file_free(new);
        return mi_no_memory(error);
    }
    enum mi_status status = mi_model_file_blame(new, load(content, tool, &new->root, error), error);
    if (status != MI_OK) {
        mi_model_file_free(new);
        return status;
    }
    *file = new;
    return MI_OK;
}

enum mi_status mi_model_file_read(const char *path, const char *tool, struct mi_model_file **file,
                                  struct mi_error *error) {
    char *content;
    size_t size;
    enum mi_status status = mi_file_read(path, FILE_MOST, &content, &size, error);
    if (status == MI_OK) {
        status = mi_model_file_parse((struct mi_text){content, size}, path, tool, file, error);
        free(content);
    }
    return status;
}

void mi_model_file_free(struct mi_model_file *file) {
    if (file != NULL) {
        json_decref(file->root);
        free(file->path);
        free(file);
    }
}

const char *mi_model_file_kind(const struct mi_model_file *file) {
    return json_string_value(json_object_get(file->root, "kind"));
}

enum mi_status mi_model_file_expect(const struct mi_model_file *file, const char *kind,
                                    struct mi_error *error) {
    if (strcmp(mi_model_file_kind(file), kind) == 0) {
        return MI_OK;
    }
    mi_error_set(error, MI_BAD_INPUT, "a model of the kind \"%s\", where one of \"%s\" is needed",
                 mi_model_file_kind(file), kind);
    return mi_model_file_blame(file, MI_BAD_INPUT, error);
}
