/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The store as tools use it: -s --store and --wait, and models that an argument names.
 */
#ifndef STORE_H
#define STORE_H

#include "common/program.h"

struct store_options {
    const char *path;
    unsigned long wait; /* seconds */
};
extern struct store_options store_options;

#define STORE_OPTION                                                                                         \
    {                                                                                                        \
        .name = "store", .letter = 's', .kind = OPTION_TEXT, .target = &store_options.path,                  \
        .argument = "FILE", .help = "the store: one SQLite file"                                             \
    }
#define WAIT_OPTION                                                                                          \
    {                                                                                                        \
        .name = "wait", .kind = OPTION_COUNT, .target = &store_options.wait, .low = 0, .high = 86400,        \
        .argument = "SECONDS", .help = "time to wait for another writer of the store", .otherwise = "30"     \
    }

/* Opens the store that -s names; MI_BAD_ARGUMENT where there is no -s. */
enum mi_status store_open(enum mi_store_mode mode, struct mi_store **store, struct mi_error *error);

/* Reads a model of a tool: `argument` is a file, or "@NAME/STAGE" or "@NAME/VERSION" in the store that -s
 * names. */
enum mi_status model_read(const char *argument, const char *tool, struct mi_model_file **file,
                          struct mi_error *error);
/* The same as bytes with a NUL behind, malloc'ed, of any kind of file. */
enum mi_status model_bytes(const char *argument, char **content, size_t *size, struct mi_error *error);

/* Milliseconds since 1970 as 2026-11-24T07:00:00.123Z, and back; a date alone is its end, a time with or
 * without parts of a second. false: no such time. */
#define TIME_TEXT 32
void time_format(int64_t ms, char out[TIME_TEXT]);
bool time_parse(const char *text, int64_t *ms);
/* A date that an option gives, today (UTC) where text is NULL; false: no date. */
bool date_option(const char *text, int32_t *days);

#endif
