/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A fitted model as one JSON file that a person can read: what all models have in common. The checksum is
 * taken over the values, not the bytes: another layout or order of keys is the same model.
 *
 *     mi_model_file_begin(&out, "mi-ltv", "segments");   {"format": ..., "kind": "segments"
 *     mi_buffer_string(&out, ",\n \"columns\": [");  ...  members, each after a comma
 *     status = mi_model_file_end(&out, path, error);      the checksum, the brace, the file
 */
#ifndef MI_RECORD_MODELFILE_H
#define MI_RECORD_MODELFILE_H

#include <jansson.h>

#include "base/buffer.h"
#include "mi.h"

struct mi_model_file {
    json_t *root;
    char *path;
};

void mi_model_file_begin(struct mi_buffer *out, const char *tool, const char *kind);
/* Closes the text with its checksum and writes the file; the buffer stays the caller's. */
enum mi_status mi_model_file_end(struct mi_buffer *out, const char *path, struct mi_error *error);

/* A string with its quotes; MI_BAD_INPUT where it is not UTF-8. */
enum mi_status mi_model_file_string(struct mi_buffer *out, struct mi_text text, struct mi_error *error);
/* `before`, then a number; null where it is not finite. */
void mi_model_file_number(struct mi_buffer *out, const char *before, double value);
/* `before`, then a date in quotes; null where it is missing. */
void mi_model_file_date(struct mi_buffer *out, const char *before, int32_t days);

/* What is being read: the first fault found is kept. */
struct mi_model_reading {
    const char *fault; /* NULL: none yet */
};
/* A member within [low, high]; NaN for null where that may be, and for a fault. */
double mi_model_file_get_number(struct mi_model_reading *reading, const json_t *object, const char *key,
                                double low, double high, bool nullable);
/* A member that is a date or null. */
int32_t mi_model_file_get_date(struct mi_model_reading *reading, const json_t *object, const char *key);
/* A member of 16 hexadecimal digits. */
uint64_t mi_model_file_get_fingerprint(struct mi_model_reading *reading, const json_t *object,
                                       const char *key);

/* Whether the file is of this kind; MI_BAD_INPUT says of which it is. */
enum mi_status mi_model_file_expect(const struct mi_model_file *file, const char *kind,
                                    struct mi_error *error);
/* Puts the file's name into the error. */
enum mi_status mi_model_file_blame(const struct mi_model_file *file, enum mi_status status,
                                   struct mi_error *error);

#endif
