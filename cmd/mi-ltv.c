/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-ltv: what a user will be worth. The sub-commands and, for fit and predict, the kinds of models.
 */
#include <math.h>
#include <string.h>

#include "common/store.h"
#include "ltv/behaviour.h"
#include "ltv/buyers.h"
#include "ltv/cohort.h"
#include "ltv/evaluate.h"
#include "ltv/rfm.h"
#include "ltv/segments.h"

struct ltv_model_options ltv_model;

#define LEVEL_TEXT "probability that ltv_lo to ltv_hi holds what is predicted"

static const struct option_spec predict_options[] = {
    MODEL_OPTION("model that mi-ltv fit wrote, or @NAME in the store"),
    STORE_OPTION,
    WAIT_OPTION,
    BTYD_PREDICT_OPTIONS,
    LEVEL_OPTION(LEVEL_TEXT),
    BEHAVIOUR_PREDICT_OPTIONS,
    {.name = NULL},
};

static const struct option_spec fit_options[] = {
    BTYD_FIT_OPTIONS, HISTORY_OPTION, HISTORY_OPTIONS, BEHAVIOUR_FIT_OPTIONS, {.name = NULL},
};

static const struct option_spec source_options[] = {
    HISTORY_OPTION,
    MODEL_OPTION("model for segments of few users, of segments or an ensemble whose features the\n"
                 "history has, or @NAME in the store (else one is fitted to the history)"),
    STORE_OPTION,
    WAIT_OPTION,
    {.name = "independent",
     .kind = OPTION_FLAG,
     .target = &segment_options.independent,
     .help = "the model has seen none of the history's users: add these to its own, where\n"
             "else the history's users of a segment take their place"},
    HISTORY_OPTIONS,
    {.name = "rule",
     .kind = OPTION_FLAG,
     .target = &segment_options.rule,
     .help = "plain rule: the users' mean where confidence is high, else the model"},
    {.name = "high",
     .kind = OPTION_NUMBER,
     .target = &segment_options.high,
     .low = 0,
     .high = MI_MONEY_LIMIT,
     .argument = "USERS",
     .help = "confidence is high above so many users",
     .otherwise = "100"},
    {.name = "medium",
     .kind = OPTION_NUMBER,
     .target = &segment_options.medium,
     .low = 0,
     .high = MI_MONEY_LIMIT,
     .argument = "USERS",
     .help = "confidence is medium above so many users, else low",
     .otherwise = "20"},
    LEVEL_OPTION(LEVEL_TEXT),
    {.name = NULL},
};

static const char predict_details[] =
    "A model of segments reads the columns that it names and adds predicted_ltv, ltv_se,\n"
    "ltv_lo, ltv_hi: the mean LTV of a user of the row's segment, its standard error and\n"
    "its interval. A value that the model has not seen takes the mean one column up; such\n"
    "rows are counted on stderr.\n" BTYD_PREDICT_DETAILS BEHAVIOUR_PREDICT_DETAILS
    "Streams; memory grows with the model only.\n";

static const char fit_details[] =
    "Without --model: reads users (install_date, ltv_90d and the columns of --by), or\n"
    "groups of users (users, ltv_90d, and where known ltv_sd and install_date): a model\n"
    "of segments with held-out metrics. Memory grows with the number of segments, and by\n"
    "16 bytes a user where there is a user_id: one that stands twice is an error.\n" BTYD_FIT_DETAILS
        BEHAVIOUR_FIT_DETAILS "Writes the model as JSON to -o FILE. Reads once.\n";

static const char source_details[] =
    "Reads campaigns with the columns of --by and adds predicted_ltv, ltv_se, ltv_lo,\n"
    "ltv_hi, ltv_confidence, ltv_sample_size. The history holds users (install_date,\n"
    "ltv_90d and the same columns), or groups of users (users, ltv_90d, and where known\n"
    "ltv_sd and install_date). It is read once, before the campaigns, which stream;\n"
    "memory grows with the number of segments, and by 16 bytes a user where there is a\n"
    "user_id: one that stands twice is an error.\n";

/* ---- kinds of models ---- */

static const struct model_kind {
    const char *name; /* as the file's "kind" has it */
    enum mi_status (*predict)(const struct mi_model_file *file, struct mi_error *error);
} kinds[] = {
    {"segments", segments_predict},
    {"buy-till-you-die", btyd_predict},
    {"ensemble", behaviour_predict},
};

static enum mi_status run_predict(struct mi_error *error) {
    struct mi_model_file *file = NULL;
    if (ltv_model.path == NULL)
        return mi_error_set(error, MI_BAD_ARGUMENT, "needs a model: -m FILE, as mi-ltv fit writes it");
    enum mi_status status = model_read(ltv_model.path, "mi-ltv", &file, error);
    if (status)
        return status;
    const struct model_kind *kind = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, mi_model_file_kind(file)) == 0)
            kind = &kinds[i];
    if (kind == NULL)
        status = mi_error_set(error, MI_BAD_INPUT, "%s: a model of a kind that is not known here: \"%s\"",
                              ltv_model.path, mi_model_file_kind(file));
    else if (kind->predict == segments_predict && !isnan(btyd_options.horizon))
        status = mi_error_set(error, MI_BAD_ARGUMENT,
                              "--horizon: %s is a model of segments, whose LTV has its own", ltv_model.path);
    else if (kind->predict != behaviour_predict && (behaviour_options.transactions || behaviour_options.cut))
        status = mi_error_set(error, MI_BAD_ARGUMENT, "--%s: %s is no ensemble",
                              behaviour_options.transactions ? "transactions" : "cut", ltv_model.path);
    else
        status = kind->predict(file, error);
    mi_model_file_free(file);
    return status;
}

static enum mi_status run_fit(struct mi_error *error) {
    if (behaviour_options.target && btyd_options.family)
        return mi_error_set(error, MI_BAD_ARGUMENT,
                            "--model and --target are two kinds of models: one of them");
    if (behaviour_options.target)
        return behaviour_fit(error);
    if (behaviour_options.transactions || !isnan(btyd_options.horizon))
        return mi_error_set(error, MI_BAD_ARGUMENT, "--%s needs --target",
                            behaviour_options.transactions ? "transactions" : "horizon");
    bool segments =
        segment_options.history != NULL || segment_options.by != NULL || segment_options.as_of != NULL;
    if (btyd_options.family == NULL && btyd_options.covariates != NULL)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--covariates needs --model");
    if (btyd_options.family != NULL && segments)
        return mi_error_set(
            error, MI_BAD_ARGUMENT,
            "--model=%s reads customers with frequency, recency, T: not with -H, --by or --as-of",
            btyd_options.family);
    return btyd_options.family != NULL ? btyd_fit(error) : segments_fit(error);
}

static const struct command commands[] = {
    {.name = "predict",
     .purpose = "LTV of each row's segment, from a model",
     .input = "[FILE]",
     .details = predict_details,
     .example = "mi-ltv predict -m ltv.json campaigns.csv",
     .options = predict_options,
     .run = run_predict},
    {.name = "fit",
     .purpose = "a model from users of the past",
     .input = "[FILE]",
     .details = fit_details,
     .example = "mi-ltv fit -o ltv.json users.csv",
     .options = fit_options,
     .run = run_fit},
    {.name = "by-source",
     .purpose = "LTV of each campaign, from users of the same source",
     .input = "[FILE]",
     .details = source_details,
     .example = "mi-ltv by-source -H users.csv campaigns.csv",
     .options = source_options,
     .run = segments_by_source},
    {.name = "evaluate",
     .purpose = "how well values were predicted",
     .input = "[FILE]",
     .details = evaluate_details,
     .example = "mi-ltv evaluate --predicted=predicted_ltv --actual=holdout_value predicted.csv",
     .options = evaluate_options_table,
     .run = run_evaluate},
    {.name = "cohort",
     .purpose = "how the value of users is distributed, by any column",
     .input = "[FILE]",
     .details = cohort_details,
     .example = "mi-ltv cohort --by=ad_network predicted.csv",
     .options = cohort_options_table,
     .run = run_cohort},
    {.name = "rfm",
     .purpose = "frequency, recency, T and monetary value of a transaction log",
     .input = "[FILE]",
     .details = rfm_details,
     .example = "mi-ltv rfm --unit=week --holdout=2026-06-30 -o rfm.csv orders.csv",
     .options = rfm_options_table,
     .run = run_rfm},
    {.name = NULL},
};

static const struct program program = {
    .name = "mi-ltv", .purpose = "what a user of a campaign will be worth", .commands = commands};

int main(int argc, char **argv) {
    return program_main(&program, argc, argv);
}
