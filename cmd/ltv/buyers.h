/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-ltv fit and predict with the buy-till-you-die family.
 */
#ifndef LTV_BUYERS_H
#define LTV_BUYERS_H

#include "ltv/models.h"

struct btyd_options {
    const char *family;
    const char *covariates;
    unsigned spend;
    double horizon, discount, period;
};
extern struct btyd_options btyd_options;

#define BTYD_FIT_OPTIONS                                                                                     \
    {.name = "model",                                                                                        \
     .kind = OPTION_TEXT,                                                                                    \
     .target = &btyd_options.family,                                                                         \
     .argument = "NAME",                                                                                     \
     .help = "of customers with frequency, recency, T: bg-nbd, mbg-nbd, pareto-nbd, or auto"},               \
        {.name = "spend",                                                                                    \
         .kind = OPTION_CHOICE,                                                                              \
         .target = &btyd_options.spend,                                                                      \
         .choices = "auto|gamma-gamma|none",                                                                 \
         .argument = "NAME",                                                                                 \
         .help = "what a purchase is worth; auto: gamma-gamma where there is a monetary_value",              \
         .otherwise = "auto"},                                                                               \
    {                                                                                                        \
        .name = "covariates", .kind = OPTION_TEXT, .target = &btyd_options.covariates,                       \
        .argument = "COLUMN,...",                                                                            \
        .help = "categories that shift how often customers buy and how soon they drop out"                   \
    }

#define BTYD_PREDICT_OPTIONS                                                                                 \
    {.name = "horizon",                                                                                      \
     .kind = OPTION_NUMBER,                                                                                  \
     .target = &btyd_options.horizon,                                                                        \
     .low = 1e-9,                                                                                            \
     .high = 1e9,                                                                                            \
     .argument = "TIME",                                                                                     \
     .help = "how far to look, in the unit of T (days or weeks)"},                                           \
        {.name = "discount",                                                                                 \
         .kind = OPTION_NUMBER,                                                                              \
         .target = &btyd_options.discount,                                                                   \
         .low = 0,                                                                                           \
         .high = 10,                                                                                         \
         .argument = "RATE",                                                                                 \
         .help = "a period: what comes in one is worth 1/(1+RATE)^number (default 0)"},                      \
    {                                                                                                        \
        .name = "period", .kind = OPTION_NUMBER, .target = &btyd_options.period, .low = 1e-6, .high = 1e9,   \
        .argument = "TIME", .help = "length of a period of --discount, in the unit of T (default 1)"         \
    }

#define BTYD_FIT_DETAILS                                                                                     \
    "With --model: reads customers (frequency, recency, T and, where there,\n"                               \
    "monetary_value), as mi-ltv rfm writes them. Maximum likelihood; what the data do\n"                     \
    "not identify is said; a fit that did not converge is status 2 and no file. Keeps\n"                     \
    "some 80 bytes for each customer that differs.\n"
#define BTYD_PREDICT_DETAILS                                                                                 \
    "A buy-till-you-die model reads frequency, recency, T, monetary_value and adds\n"                        \
    "p_alive, predicted_purchases, predicted_ltv, ltv_lo, ltv_hi for the time after T.\n"

enum mi_status btyd_fit(struct mi_error *error);
enum mi_status btyd_predict(const struct mi_model_file *file, struct mi_error *error);

#endif
