/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A JSON text as it grows: what tools write nested, and their summaries.
 *
 *     json_open(&json, NULL, '{');  json_number(&json, "spend", 12.5);  json_close(&json, '}');
 *
 * Running out of memory sticks in `failed`; json_finish() says so.
 */
#ifndef JSON_H
#define JSON_H

#include "common/program.h"

struct json {
    char *data;
    size_t size, capacity;
    size_t depth;
    bool after;  /* a value stands before: a comma comes first */
    bool spread; /* one member of the outermost object a line, for people */
    bool failed;
};

/* name: within an object; NULL: within an array, or the outermost value. */
void json_open(struct json *json, const char *name, char bracket); /* { or [ */
void json_close(struct json *json, char bracket);                  /* } or ] */
/* A number, null where missing. */
void json_number(struct json *json, const char *name, double value);
/* A string, null where missing. */
void json_text(struct json *json, const char *name, struct mi_text text);

/* A value that is JSON already, null where missing. */
void json_raw(struct json *json, const char *name, struct mi_text value);

/* MI_NO_MEMORY where any of it failed. */
enum mi_status json_finish(const struct json *json, struct mi_error *error);
/* Finishes, writes the text into a file, which appears whole or not at all, and frees it in any case. */
enum mi_status json_write(struct json *json, const char *path, struct mi_error *error);
/* Forgets the text, keeps the memory. */
void json_reset(struct json *json);
void json_free(struct json *json);

#endif
