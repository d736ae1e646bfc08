/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-ltv fit --target and mi-ltv predict with the ensemble on users' behaviour.
 */
#ifndef LTV_BEHAVIOUR_H
#define LTV_BEHAVIOUR_H

#include "ltv/buyers.h"
#include "ltv/models.h"

struct behaviour_options {
    const char *target, *features, *exclude, *time, *segment, *prediction, *members, *cut, *transactions;
    bool allow_leak;
    double seed;
    unsigned long explain;
    const char *quantiles;
};
extern struct behaviour_options behaviour_options;

#define BEHAVIOUR_TEXT(option, field, word, text)                                                            \
    {                                                                                                        \
        .name = option, .kind = OPTION_TEXT, .target = &behaviour_options.field, .argument = word,           \
        .help = text                                                                                         \
    }

#define BEHAVIOUR_FIT_OPTIONS                                                                                \
    BEHAVIOUR_TEXT("target", target, "COLUMN",                                                               \
                   "fit the ensemble on users' behaviour to this column (money, 0 and above)"),              \
        BEHAVIOUR_TEXT("features", features, "COLUMN,...", "features (else all columns that can be)"),       \
        BEHAVIOUR_TEXT("exclude", exclude, "COLUMN,...", "columns that are no features"),                    \
        BEHAVIOUR_TEXT("prediction", prediction, "COLUMN",                                                   \
                       "a feature that predicts the target already, as a buy-till-you-die model does:\n"     \
                       "a member of its own"),                                                               \
        BEHAVIOUR_TEXT("transactions", transactions, "LOG",                                                  \
                       "customer_id, date, amount: buy till you die as a member; needs --cut"),              \
        {.name = "horizon",                                                                                  \
         .kind = OPTION_NUMBER,                                                                              \
         .target = &btyd_options.horizon,                                                                    \
         .low = 1e-9,                                                                                        \
         .high = 1e9,                                                                                        \
         .argument = "DAYS",                                                                                 \
         .help = "after --cut that the target is of (else those in its name, as ltv_90d)"},                  \
        BEHAVIOUR_TEXT("members", members, "LIST", "of leaf, depth, net, given, btyd (else all)"),           \
        BEHAVIOUR_TEXT("time", time, "COLUMN", "validate on the users latest by it (else on any fifth)"),    \
        BEHAVIOUR_TEXT("segment", segment, "COLUMN", "intervals of its own for each value of 1000 users"),   \
        BEHAVIOUR_TEXT("cut", cut, "DATE",                                                                   \
                       "last day that is known: later rows of the log are left\n"                            \
                       "out, features with later dates are refused"),                                        \
        {.name = "allow-leak",                                                                               \
         .kind = OPTION_FLAG,                                                                                \
         .target = &behaviour_options.allow_leak,                                                            \
         .help = "say which features tell of the target's time, take them nevertheless"},                    \
    {                                                                                                        \
        .name = "seed", .kind = OPTION_NUMBER, .target = &behaviour_options.seed, .low = 0, .high = 4e9,     \
        .argument = "NUMBER", .help = "of folds, trees and nets", .otherwise = "1"                           \
    }

#define BEHAVIOUR_PREDICT_OPTIONS                                                                            \
    {.name = "explain",                                                                                      \
     .kind = OPTION_COUNT,                                                                                   \
     .target = &behaviour_options.explain,                                                                   \
     .low = 1,                                                                                               \
     .high = 100,                                                                                            \
     .argument = "N",                                                                                        \
     .help = "ensemble: N features that move the prediction most, and by what factor"},                      \
        BEHAVIOUR_TEXT("transactions", transactions, "LOG",                                                  \
                       "ensemble: the log up to now, where it was fitted with one"),                         \
        BEHAVIOUR_TEXT("cut", cut, "DATE", "ensemble: last day of the log that counts (else its newest)"),   \
        BEHAVIOUR_TEXT("quantiles", quantiles, "SHARE,...", "ensemble: these quantiles too, as ltv_q0.9")

#define BEHAVIOUR_FIT_DETAILS                                                                                \
    "With --target: reads users, one a row, and fits the ensemble to whatever columns can\n"                 \
    "be features; -v says what was held out. Reads all rows into memory.\n"
#define BEHAVIOUR_PREDICT_DETAILS                                                                            \
    "An ensemble reads its features and adds predicted_ltv, ltv_lo, ltv_hi of each user,\n"                  \
    "and says what of the users is not as at the fit.\n"

/* Fits to the users and writes the model. */
enum mi_status behaviour_fit(struct mi_error *error);
enum mi_status behaviour_predict(const struct mi_model_file *file, struct mi_error *error);

#endif
