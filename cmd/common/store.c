/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Store and models by their options; see store.h.
 */
#include "common/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MODEL_MOST  ((size_t)1 << 30)
#define DAY_SECONDS 86400

struct store_options store_options = {.wait = MI_STORE_WAIT};

enum mi_status store_open(enum mi_store_mode mode, struct mi_store **store, struct mi_error *error) {
    struct mi_store_options options = {.mode = mode, .wait = (unsigned)store_options.wait};
    if (!store_options.path)
        return mi_error_set(error, MI_BAD_ARGUMENT, "needs a store: -s FILE");
    return mi_store_open(store_options.path, &options, store, error);
}

struct bytes {
    char *data;
    size_t size;
};

static enum mi_status take_bytes(void *context, const struct mi_stored_model *model, struct mi_error *error) {
    struct bytes *bytes = context;
    bytes->size = model->file.size;
    bytes->data = mi_text_copy(model->file);
    return bytes->data ? MI_OK : no_memory(error);
}

enum mi_status model_bytes(const char *argument, char **content, size_t *size, struct mi_error *error) {
    struct mi_store *store;
    struct bytes bytes = {0};
    if (argument[0] != '@')
        return mi_file_read(argument, MODEL_MOST, content, size, error);
    if (!store_options.path)
        return mi_error_set(error, MI_BAD_ARGUMENT, "%s is in a store: -s FILE", argument);
    enum mi_status status = store_open(MI_STORE_READ, &store, error);
    if (status)
        return status;
    status = mi_store_model_find(store, argument, take_bytes, &bytes, error);
    mi_store_close(store);
    *content = bytes.data;
    *size = bytes.size;
    return status;
}

enum mi_status model_read(const char *argument, const char *tool, struct mi_model_file **file,
                          struct mi_error *error) {
    char *content;
    size_t size;
    enum mi_status status = model_bytes(argument, &content, &size, error);
    if (status)
        return status;
    status = mi_model_file_parse((struct mi_text){content, size}, argument, tool, file, error);
    free(content);
    return status;
}

/* ---- times ---- */

void time_format(int64_t ms, char out[TIME_TEXT]) {
    int64_t seconds = ms / 1000;
    unsigned second = (unsigned)(seconds % DAY_SECONDS);
    char date[16];
    mi_date_format((int32_t)(seconds / DAY_SECONDS), date);
    snprintf(out, TIME_TEXT, "%.10sT%02u:%02u:%02u.%03uZ", date, second / 3600 % 24, second / 60 % 60,
             second % 60, (unsigned)(ms % 1000));
}

/* The time of day after a date: T07:00, T07:00:30, T07:00:30.5, each with a Z or without. */
static bool parse_clock(const char *text, int64_t *ms) {
    unsigned hour, minute;
    int used = 0;
    double second = 0;
    if (sscanf(text, "%*1[T ]%2u:%2u%n", &hour, &minute, &used) != 2)
        return false;
    text += used;
    if (*text == ':') {
        size_t digits = strspn(text + 1, "0123456789.");
        if (!mi_number_parse((struct mi_text){text + 1, digits}, &second))
            return false;
        text += 1 + digits;
    }
    *ms = ((int64_t)hour * 3600 + minute * 60) * 1000 + (int64_t)(second * 1000 + 0.5);
    return hour < 24 && minute < 60 && second < 60 && (!*text || strcmp(text, "Z") == 0);
}

bool time_parse(const char *text, int64_t *ms) {
    int32_t days;
    int64_t clock = (int64_t)DAY_SECONDS * 1000 - 1;
    if (strlen(text) < 10 || !mi_date_parse((struct mi_text){text, 10}, &days))
        return false;
    if (text[10] && !parse_clock(text + 10, &clock))
        return false;
    *ms = (int64_t)days * DAY_SECONDS * 1000 + clock;
    return true;
}

bool date_option(const char *text, int32_t *days) {
    *days = (int32_t)(time(NULL) / DAY_SECONDS);
    return !text || mi_date_parse(mi_text_of(text), days);
}
