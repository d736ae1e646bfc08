/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Builds JSON texts; see json.h. Numbers are the shortest that read back, as in every other output.
 */
#include "common/json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void append(struct json *json, const char *data, size_t size) {
    if (json->capacity - json->size < size) {
        size_t capacity = 2 * json->capacity + size + 256;
        char *grown = realloc(json->data, capacity);
        if (!grown) {
            json->failed = true;
            return;
        }
        json->data = grown;
        json->capacity = capacity;
    }
    memcpy(json->data + json->size, data, size);
    json->size += size;
}

static void append_string(struct json *json, struct mi_text text) {
    json_t *string = json_stringn(text.data, text.size);
    char *quoted = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
    if (quoted)
        append(json, quoted, strlen(quoted));
    else
        json->failed = true;
    free(quoted);
    json_decref(string);
}

static void begin(struct json *json, const char *name) {
    if (json->after)
        append(json, ",", 1);
    if (json->spread && json->depth == 1)
        append(json, "\n  ", 3);
    else if (json->spread && json->after)
        append(json, " ", 1);
    json->after = true;
    if (name) {
        append_string(json, mi_text_of(name));
        append(json, ": ", json->spread ? 2 : 1);
    }
}

void json_open(struct json *json, const char *name, char bracket) {
    begin(json, name);
    append(json, &bracket, 1);
    json->after = false;
    json->depth++;
}

void json_close(struct json *json, char bracket) {
    json->depth--;
    if (json->spread && json->depth == 0)
        append(json, "\n", 1);
    append(json, &bracket, 1);
    if (json->spread && json->depth == 0)
        append(json, "\n", 1);
    json->after = true;
}

void json_number(struct json *json, const char *name, double value) {
    char number[MI_NUMBER_LENGTH];
    size_t size = mi_number_format(value, number);
    begin(json, name);
    append(json, size ? number : "null", size ? size : 4);
}

void json_text(struct json *json, const char *name, struct mi_text text) {
    begin(json, name);
    if (text.data)
        append_string(json, text);
    else
        append(json, "null", 4);
}

void json_raw(struct json *json, const char *name, struct mi_text value) {
    begin(json, name);
    append(json, value.data ? value.data : "null", value.data ? value.size : 4);
}

enum mi_status json_finish(const struct json *json, struct mi_error *error) {
    return json->failed ? no_memory(error) : MI_OK;
}

void json_reset(struct json *json) {
    json->size = 0;
    json->after = json->failed = false;
    json->depth = 0;
}

void json_free(struct json *json) {
    free(json->data);
}

enum mi_status json_write(struct json *json, const char *path, struct mi_error *error) {
    enum mi_status status = json_finish(json, error);
    if (!status)
        status = mi_file_write(path, (struct mi_text){json->data, json->size}, error);
    json_free(json);
    return status;
}
