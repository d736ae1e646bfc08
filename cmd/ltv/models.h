/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the kinds of models of mi-ltv share on the command line.
 */
#ifndef LTV_MODELS_H
#define LTV_MODELS_H

#include "common/program.h"

struct ltv_model_options {
    const char *path;
    double level; /* of intervals */
};
extern struct ltv_model_options ltv_model;

#define MODEL_OPTION(text)                                                                                   \
    {                                                                                                        \
        .name = "model", .letter = 'm', .kind = OPTION_TEXT, .target = &ltv_model.path, .argument = "FILE",  \
        .help = text                                                                                         \
    }
#define LEVEL_OPTION(text)                                                                                   \
    {                                                                                                        \
        .name = "level", .kind = OPTION_NUMBER, .target = &ltv_model.level, .low = 0.01, .high = 0.999,      \
        .argument = "SHARE", .help = text, .otherwise = "0.8"                                                \
    }

#endif
