/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-store: predictions, outcomes, models, alerts and actions in one file. The sub-commands.
 */
#include "store/parts.h"

static const char put_prediction_details[] =
    "Reads predicted_ltv, predicted_cpa, predicted_roas, roi, num_users, predicted_cac,\n"
    "forecast_revenue, forecast_roas, as far as they are there, with their intervals\n"
    "(predicted_X_lo and _hi, else X_lo and X_hi), campaign_id, and where they are there\n"
    "prediction_date, date (the first day that it is about, else the prediction_date),\n"
    "horizon_days, spend, model; also what is known of the campaign: ad_network,\n"
    "targeting_strategy, geo, creative_format, os, daily_budget, min_budget, max_budget,\n"
    "auto_optimization. All rows are kept, or none. The same again changes nothing;\n"
    "other values are kept as a revision. Streams.\n";

static const char put_actual_details[] =
    "Reads campaign_id, date, horizon_days (days of the period that begins at date, else\n"
    "1) and outcomes: actual_X for any X, or what daily rows hold: spend, users (or\n"
    "conversions), revenue, impressions, clicks, frequency. All rows are kept, or none.\n"
    "The same again changes nothing; other values are kept as a revision. Streams.\n";

static const char put_campaign_details[] =
    "Reads campaign_id, ad_network, targeting_strategy, geo, creative_format, os,\n"
    "daily_budget, min_budget, max_budget, auto_optimization. What is missing leaves what\n"
    "was known. Streams.\n";

static const char get_prediction_details[] =
    "Writes campaign_id, metric, prediction_date, date, horizon_days, spend, model,\n"
    "predicted, predicted_lo, predicted_hi, fingerprint, recorded.\n";

static const char get_actual_details[] =
    "Writes campaign_id, metric, date, horizon_days, actual, recorded.\n";

static const char get_campaign_details[] =
    "Writes campaign_id, ad_network, targeting_strategy, geo, creative_format, os,\n"
    "daily_budget, min_budget, max_budget, auto_optimization.\n";

static const char get_day_details[] =
    "Writes date, campaign_id, ad_network, targeting_strategy, geo, creative_format, os,\n"
    "spend, conversions, revenue, impressions, clicks, frequency: one row for each\n"
    "campaign and day of which spend and users are known, by campaign and day. Memory\n"
    "grows with the days of one campaign.\n";

static const char model_details[] =
    "A MODEL is NAME/VERSION or NAME/STAGE (its newest); NAME alone is NAME/production.\n"
    "Every tool that takes a model reads it by -s FILE -m @MODEL.\n";

static const struct command commands[] = {
    {.name = "put predictions",
     .purpose = "keep predictions",
     .input = "[FILE]",
     .details = put_prediction_details,
     .example = "mi-store put predictions -s mi.db --horizon=90 --model=mi-ltv/3 campaigns.csv",
     .options = put_prediction_options,
     .run = run_put_predictions},
    {.name = "put actuals",
     .purpose = "keep what came",
     .input = "[FILE]",
     .details = put_actual_details,
     .example = "mi-store put actuals -s mi.db days.csv",
     .options = put_actual_options,
     .run = run_put_actuals},
    {.name = "put campaigns",
     .purpose = "keep what is known of campaigns",
     .input = "[FILE]",
     .details = put_campaign_details,
     .example = "mi-store put campaigns -s mi.db campaigns.csv",
     .options = put_campaign_options,
     .run = run_put_campaigns},
    {.name = "get predictions",
     .purpose = "predictions, as known at some time",
     .details = get_prediction_details,
     .example = "mi-store get predictions -s mi.db --metric=cpa --as-of=2026-11-24T07:00Z",
     .options = get_prediction_options,
     .run = run_get_predictions},
    {.name = "get actuals",
     .purpose = "outcomes, as known at some time",
     .details = get_actual_details,
     .example = "mi-store get actuals -s mi.db --campaign=c01 --revisions",
     .options = get_actual_options,
     .run = run_get_actuals},
    {.name = "get campaigns",
     .purpose = "campaigns",
     .details = get_campaign_details,
     .example = "mi-store get campaigns -s mi.db",
     .options = get_campaign_options,
     .run = run_get_campaigns},
    {.name = "get days",
     .purpose = "days as mi-cpa fit reads them",
     .details = get_day_details,
     .example = "mi-store get days -s mi.db --before=2026-11-24 -o days.csv",
     .options = get_day_options,
     .run = run_get_days},
    {.name = "join",
     .purpose = "what is known of each row's campaign",
     .input = "[FILE]",
     .details = "Reads campaign_id and puts what the store knows of the campaign into the row. What it\n"
                "does not know stays as it came; a campaign that it does not know is an error. Streams.\n",
     .example = "mi-store join -s mi.db --column=recommended_budget=daily_budget plan.csv",
     .options = join_options,
     .run = run_join},
    {.name = "log",
     .purpose = "alerts, actions, accuracy, puts, changes of stage",
     .details = "Writes them oldest first.\n",
     .example = "mi-store log -s mi.db --of=actions",
     .options = log_options,
     .run = run_log},
    {.name = "model add",
     .purpose = "a model file as a new version, in staging",
     .operand = "FILE",
     .details = "Prints NAME/VERSION. A file that is the newest version already is not added again.\n",
     .example = "mi-store model add -s mi.db ltv.json",
     .options = model_add_options,
     .run = run_model_add},
    {.name = "model list",
     .purpose = "all models",
     .details = "Writes model, stage, recorded, metrics, parameters, fingerprint, checksum, bytes.\n",
     .example = "mi-store model list -s mi.db",
     .options = plain_options,
     .run = run_model_list},
    {.name = "model promote",
     .purpose = "a model to production, or another stage",
     .operand = "MODEL",
     .details = model_details,
     .example = "mi-store model promote -s mi.db mi-ltv/3",
     .options = model_promote_options,
     .run = run_model_promote},
    {.name = "model rollback",
     .purpose = "back to the model that was in production before",
     .operand = "NAME",
     .details = "Prints which that is.\n",
     .example = "mi-store model rollback -s mi.db mi-ltv",
     .options = plain_options,
     .run = run_model_rollback},
    {.name = "model show",
     .purpose = "one model, or its file",
     .operand = "MODEL",
     .details = model_details,
     .example = "mi-store model show -s mi.db --file mi-ltv/production > ltv.json",
     .options = model_show_options,
     .run = run_model_show},
    {.name = "model verify",
     .purpose = "whether models are what their checksums say",
     .operand = "[MODEL]",
     .details = "Ends with status 1 where one is damaged.\n",
     .example = "mi-store model verify -s mi.db",
     .options = plain_options,
     .run = run_model_verify},
    {.name = "check",
     .purpose = "whether the whole file is sound",
     .details = "Says what is wrong and ends with status 1 where anything is.\n",
     .example = "mi-store check -s mi.db",
     .options = plain_options,
     .run = run_check},
    {.name = "backup",
     .purpose = "a copy, while others use the store",
     .details = "The copy appears whole or not at all.\n",
     .example = "mi-store backup -s mi.db -o copy.db",
     .options = plain_options,
     .run = run_backup},
    {.name = NULL},
};

static const struct program program = {.name = "mi-store",
                                       .purpose =
                                           "predictions, outcomes, models, alerts and actions in one file",
                                       .commands = commands};

int main(int argc, char **argv) {
    return program_main(&program, argc, argv);
}
