/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-ltv fit, predict and by-source with the model of segment means.
 */
#ifndef LTV_SEGMENTS_H
#define LTV_SEGMENTS_H

#include "ltv/models.h"

struct segment_options {
    const char *history;
    const char *by;
    const char *as_of;
    unsigned long min_age;
    double high, medium;
    bool rule, independent;
};
extern struct segment_options segment_options;

#define HISTORY_OPTION                                                                                       \
    {                                                                                                        \
        .name = "history", .letter = 'H', .kind = OPTION_TEXT, .target = &segment_options.history,           \
        .argument = "FILE", .help = "users of the past with their ltv_90d"                                   \
    }
#define HISTORY_OPTIONS                                                                                      \
    {.name = "by",                                                                                           \
     .kind = OPTION_TEXT,                                                                                    \
     .target = &segment_options.by,                                                                          \
     .argument = "COLUMN,...",                                                                               \
     .help = "columns that make a segment, coarse to fine (else those there of ad_network,\n"                \
             "targeting_strategy, geo, creative_format)"},                                                   \
        {.name = "as-of",                                                                                    \
         .kind = OPTION_TEXT,                                                                                \
         .target = &segment_options.as_of,                                                                   \
         .argument = "DATE",                                                                                 \
         .help = "day at which users are of age (else the newest install_date)"},                            \
    {                                                                                                        \
        .name = "min-age", .kind = OPTION_COUNT, .target = &segment_options.min_age, .low = 0,               \
        .high = 36500, .argument = "DAYS", .help = "days since install_date that a user must have",          \
        .otherwise = "90"                                                                                    \
    }

/* Fits to the history and writes the model. */
enum mi_status segments_fit(struct mi_error *error);
enum mi_status segments_predict(const struct mi_model_file *file, struct mi_error *error);
enum mi_status segments_by_source(struct mi_error *error);

#endif
