/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-simulate - campaigns, daily rows, users and a market with known truth: sample data, tests and
 * benchmarks.
 */
#include <stdio.h>
#include <stdlib.h>

#include "simulate/play.h"
#include "simulate/table.h"

/* The options of all sub-commands; each reads some. */
static struct {
    unsigned long seed, campaigns, days, users, history, behaviour, experiments;
    double attributes, outliers, incrementality, error, market_effect, drift, delay, adstock;
    bool funnel;
    unsigned condition, noise;
    const char *start, *truth;
} options;

/* Of campaigns and days, so that both can tell of the same portfolio. */
static const struct option_spec portfolio_options[] = {
    {"campaigns", 0, OPTION_COUNT, &options.campaigns, 0, 1e7, NULL, "N",
     "how many campaigns; those of a smaller number are the first of a larger one", "100"},
    {"days", 0, OPTION_COUNT, &options.days, 1, 36500, NULL, "N", "days that each campaign runs", "90"},
    {"start", 0, OPTION_TEXT, &options.start, 0, 0, NULL, "DATE", "first day", "2026-01-01"},
    {"condition", 0, OPTION_CHOICE, &options.condition, 0, 0, "standard|random-span|no-hill|low-spend",
     "NAME", "how spends lie to the curves, and their family", "standard"},
    {"noise", 0, OPTION_CHOICE, &options.noise, 0, 0, "counts|lognormal|none", "NAME",
     "how conversions vary around their mean", "counts"},
    {"outliers", 0, OPTION_NUMBER, &options.outliers, 0, 1, NULL, "SHARE",
     "days whose conversions are multiplied by 0 to 0.3 or 2.5 to 5", "0.02"},
    {"attributes", 0, OPTION_NUMBER, &options.attributes, 0, 1, NULL, "SHARE",
     "share of the curves' variance that network, targeting, geo and creative explain;\n"
     "above 0 the days carry these columns",
     "0"},
    {"funnel", 0, OPTION_FLAG, &options.funnel, 0, 0, NULL, NULL,
     "days have impressions, clicks, reach, cpm_index and competition too", NULL},
    {"market-effect", 0, OPTION_NUMBER, &options.market_effect, -10, 10, NULL, "ELASTICITY",
     "of CPM to cpm_index, with --funnel", "0"},
    {"drift", 0, OPTION_NUMBER, &options.drift, 0, 1, NULL, "SD",
     "standard deviation of a week's change of a campaign's log level; the truth is that\n"
     "of the last day",
     "0"},
    {"delay", 0, OPTION_NUMBER, &options.delay, 0, MI_SIMULATE_DELAY_MOST, NULL, "DAYS",
     "conversions come in late, by so many days on average: those of the newest days are\n"
     "not all known; columns conversions_d0, conversions_d1, ... say what was when",
     "0"},
    {"adstock", 0, OPTION_NUMBER, &options.adstock, 0, 0.99, NULL, "RATE",
     "share of the spend's work that goes on to the next day", "0"},
    {"truth", 0, OPTION_TEXT, &options.truth, 0, 0, NULL, "FILE",
     "write the true curve, weekday factors and LTV of each campaign there", NULL},
    {"seed", 0, OPTION_COUNT, &options.seed, 0, 1e15, NULL, "N", "same seed, same bytes", "1"},
    {.name = NULL}};

/* Of lift: those of the portfolio that say whose days they are, and its own. */
static const struct option_spec lift_options[] = {
    {"experiments", 0, OPTION_COUNT, &options.experiments, 0, 1e6, NULL, "N",
     "how many, spread evenly over the campaigns", "20"},
    {"incrementality", 0, OPTION_NUMBER, &options.incrementality, 0.01, 10, NULL, "SHARE",
     "mean share of attributed conversions that are incremental", "0.7"},
    {"error", 0, OPTION_NUMBER, &options.error, 0.001, 10, NULL, "SHARE",
     "standard error of an experiment, as a share of what is true", "0.2"},
    {"campaigns", 0, OPTION_COUNT, &options.campaigns, 0, 1e7, NULL, "N", "of how many campaigns", "100"},
    {"days", 0, OPTION_COUNT, &options.days, 1, 36500, NULL, "N", "days that each campaign runs", "90"},
    {"condition", 0, OPTION_CHOICE, &options.condition, 0, 0, "standard|random-span|no-hill|low-spend",
     "NAME", "how spends lie to the curves, and their family", "standard"},
    {"attributes", 0, OPTION_NUMBER, &options.attributes, 0, 1, NULL, "SHARE",
     "share of the curves' variance that attributes explain", "0"},
    {"truth", 0, OPTION_TEXT, &options.truth, 0, 0, NULL, "FILE",
     "write the true incrementality of each campaign there", NULL},
    {"seed", 0, OPTION_COUNT, &options.seed, 0, 1e15, NULL, "N", "that of the days", "1"},
    {.name = NULL}};

static const struct option_spec users_options[] = {
    {"count", 0, OPTION_COUNT, &options.users, 0, 1e8, NULL, "N", "how many users", "10000"},
    {"history", 0, OPTION_COUNT, &options.history, 1, 36500, NULL, "N", "days over which users install",
     "365"},
    {"start", 0, OPTION_TEXT, &options.start, 0, 0, NULL, "DATE", "first install date", "2025-01-01"},
    {"behaviour", 0, OPTION_COUNT, &options.behaviour, 0, MI_BEHAVIOUR_MOST, NULL, "N",
     "columns of early behaviour, of which some tell what a user will be worth", "0"},
    {"truth", 0, OPTION_TEXT, &options.truth, 0, 0, NULL, "FILE",
     "write the true mean LTV of each segment there", NULL},
    {"seed", 0, OPTION_COUNT, &options.seed, 0, 1e15, NULL, "N", "same seed, same bytes", "1"},
    {.name = NULL}};

/* The rows, the truth beside them, and where both come from. */
struct simulation {
    struct mi_simulator *simulator;
    struct stream stream;
    struct table rows, truth;
};

static enum mi_status open_simulation(struct simulation *simulation, struct mi_error *error) {
    struct mi_simulation what = {.seed = options.seed,
                                 .days = options.days,
                                 .history = options.history,
                                 .behaviour = options.behaviour,
                                 .attributes = options.attributes,
                                 .outliers = options.outliers,
                                 .funnel = options.funnel,
                                 .market_effect = options.market_effect,
                                 .drift = options.drift,
                                 .delay = options.delay,
                                 .adstock = options.adstock,
                                 .condition = (enum mi_simulation_condition)options.condition,
                                 .noise = (enum mi_simulation_noise)options.noise};
    if (!mi_date_parse(mi_text_of(options.start), &what.start)) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "--start: not a date: \"%s\" (YYYY-MM-DD)",
                            options.start);
    }
    enum mi_status status = mi_simulator_new(&what, &simulation->simulator, error);
    if (status == MI_OK) {
        status = stream_output(&simulation->stream, false, error);
        simulation->rows.writer = simulation->stream.writer;
    }
    return status == MI_OK ? table_file(&simulation->truth, options.truth, error) : status;
}

/* Commits the truth first: rows whose truth could not be written are no use. */
static enum mi_status close_simulation(struct simulation *simulation, enum mi_status status,
                                       struct mi_error *error) {
    status = table_close(&simulation->truth, status, error);
    mi_simulator_free(simulation->simulator);
    return stream_close(&simulation->stream, status, error);
}

/* ---- campaigns and days ---- */

static const char *const truth_columns[] = {
    "campaign_id", "curve",   "curve_spend_min", "curve_spend_max", "cpa_1x", "cpa_2x",   "cpa_3x",
    "monday",      "tuesday", "wednesday",       "thursday",        "friday", "saturday", "sunday",
    "ltv",         NULL};

static enum mi_status put_truth(struct table *table, const struct mi_simulated_campaign *campaign,
                                struct mi_error *error) {
    char *curve = mi_curve_format(&campaign->curve);
    if (curve == NULL) {
        return mi_error_set(error, MI_NO_MEMORY, "no memory for a curve");
    }
    put_text(table, campaign->campaign_id);
    put_text(table, curve);
    put_number(table, campaign->spend_min);
    put_number(table, campaign->spend_max);
    for (int times = 1; times <= 3; times++) {
        double spend = times * campaign->spend_max;
        put_number(table, spend / mi_curve_users(&campaign->curve, spend));
    }
    for (size_t i = 0; i < 7; i++) {
        put_number(table, campaign->weekday[i]);
    }
    put_number(table, campaign->segment.ltv);
    enum mi_status status = put_row(table, error);
    free(curve);
    return status;
}

static const char *const campaign_columns[] = {
    "daily_budget",           "min_budget",        "max_budget", "has_agency", "creative_production_cost",
    "creative_lifetime_days", "auto_optimization", NULL};

static enum mi_status declare_campaigns(struct table *table, struct mi_error *error) {
    static const char *const id[] = {"campaign_id", NULL}, *const os[] = {"os", NULL};
    const char *const *const parts[] = {id, segment_columns, os, campaign_columns};
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && status == MI_OK; i++) {
        status = declare(table, parts[i], error);
    }
    return status;
}

static enum mi_status put_campaign(struct table *table, const struct mi_simulated_campaign *campaign,
                                   struct mi_error *error) {
    put_text(table, campaign->campaign_id);
    put_segment(table, &campaign->segment);
    put_text(table, campaign->os);
    put_number(table, campaign->daily_budget);
    put_number(table, campaign->min_budget);
    put_number(table, campaign->max_budget);
    put_truth_value(table, campaign->has_agency);
    put_number(table, campaign->creative_production_cost);
    put_number(table, campaign->creative_lifetime_days);
    put_truth_value(table, campaign->auto_optimization);
    return put_row(table, error);
}

/* What was known of a day's conversions so many days later. */
static enum mi_status declare_ages(struct table *table, struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t age = 0; age < mi_simulation_ages(options.delay) && status == MI_OK; age++) {
        char name[48];
        snprintf(name, sizeof name, "conversions_d%zu", age);
        const char *const names[] = {name, NULL};
        status = declare(table, names, error);
    }
    return status;
}

static enum mi_status declare_days(struct table *table, struct mi_error *error) {
    static const char *const key[] = {"date", "campaign_id", NULL}, *const seen[] = {"spend", "conversions",
                                                                                     NULL};
    static const char *const funnel[] = {"impressions", "clicks", "reach", "cpm_index", "competition", NULL};
    enum mi_status status = declare(table, key, error);
    if (status == MI_OK && options.attributes > 0) {
        status = declare(table, segment_columns, error);
    }
    if (status == MI_OK) {
        status = declare(table, seen, error);
    }
    if (status == MI_OK && options.funnel) {
        status = declare(table, funnel, error);
    }
    return status == MI_OK ? declare_ages(table, error) : status;
}

static enum mi_status put_days(struct table *table, const struct mi_simulated_campaign *campaign,
                               struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < campaign->day_count && status == MI_OK; i++) {
        put_date(table, campaign->days[i].date);
        put_text(table, campaign->campaign_id);
        if (options.attributes > 0) {
            put_segment(table, &campaign->segment);
        }
        put_number(table, campaign->days[i].spend);
        put_number(table, campaign->days[i].conversions);
        if (options.funnel) {
            put_number(table, campaign->days[i].impressions);
            put_number(table, campaign->days[i].clicks);
            put_number(table, campaign->days[i].reach);
            put_number(table, campaign->days[i].cpm_index);
            put_number(table, campaign->days[i].competition);
        }
        for (size_t age = 0; age < campaign->ages; age++) {
            put_number(table, campaign->known[i * campaign->ages + age]);
        }
        status = put_row(table, error);
    }
    return status;
}

typedef enum mi_status declare_function(struct table *table, struct mi_error *error);
typedef enum mi_status put_function(struct table *table, const struct mi_simulated_campaign *campaign,
                                    struct mi_error *error);

static enum mi_status each_campaign(struct simulation *simulation, put_function *put,
                                    struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < options.campaigns && status == MI_OK; i++) {
        const struct mi_simulated_campaign *campaign;
        status = mi_simulator_campaign(simulation->simulator, i, &campaign, error);
        if (status == MI_OK) {
            status = put(&simulation->rows, campaign, error);
        }
        if (status == MI_OK && simulation->truth.writer != NULL) {
            status = put_truth(&simulation->truth, campaign, error);
        }
    }
    return status;
}

static enum mi_status run_portfolio(declare_function *declare_rows, put_function *put,
                                    struct mi_error *error) {
    struct simulation simulation = {.simulator = NULL};
    options.history = 1;
    enum mi_status status = open_simulation(&simulation, error);
    if (status == MI_OK) {
        status = declare_rows(&simulation.rows, error);
    }
    if (status == MI_OK && simulation.truth.writer != NULL) {
        status = declare(&simulation.truth, truth_columns, error);
    }
    if (status == MI_OK) {
        status = each_campaign(&simulation, put, error);
    }
    return close_simulation(&simulation, status, error);
}

static enum mi_status run_campaigns(struct mi_error *error) {
    return run_portfolio(declare_campaigns, put_campaign, error);
}

static enum mi_status run_days(struct mi_error *error) {
    return run_portfolio(declare_days, put_days, error);
}

/* ---- lift ---- */

/* A campaign and its experiments: of n experiments and m campaigns campaign i has those from i n / m on. */
static enum mi_status put_lift(struct simulation *simulation, size_t i, struct mi_error *error) {
    const struct mi_simulated_campaign *campaign;
    enum mi_status status = mi_simulator_campaign(simulation->simulator, i, &campaign, error);
    if (status != MI_OK) {
        return status;
    }
    double share = mi_simulator_incrementality(simulation->simulator, i, options.incrementality, campaign);
    if (simulation->truth.writer != NULL) {
        put_text(&simulation->truth, campaign->campaign_id);
        put_text(&simulation->truth, campaign->segment.ad_network);
        put_number(&simulation->truth, share);
        status = put_row(&simulation->truth, error);
    }
    size_t end = (i + 1) * options.experiments / options.campaigns;
    for (size_t e = i * options.experiments / options.campaigns; e < end && status == MI_OK; e++) {
        struct mi_simulated_experiment found =
            mi_simulator_experiment(simulation->simulator, e, share, options.error, campaign);
        put_text(&simulation->rows, campaign->campaign_id);
        put_number(&simulation->rows, found.spend_before);
        put_number(&simulation->rows, found.spend_after);
        put_number(&simulation->rows, found.conversions);
        put_number(&simulation->rows, found.standard_error);
        status = put_row(&simulation->rows, error);
    }
    return status;
}

static enum mi_status run_lift(struct mi_error *error) {
    static const char *const found[] = {
        "campaign_id", "spend_before", "spend_after", "incremental_conversions", "standard_error", NULL};
    static const char *const truth[] = {"campaign_id", "ad_network", "incrementality", NULL};
    struct simulation simulation = {.simulator = NULL};
    options.history = 1;
    options.start = "2026-01-01";
    enum mi_status status = open_simulation(&simulation, error);
    if (status == MI_OK) {
        status = declare(&simulation.rows, found, error);
    }
    if (status == MI_OK && simulation.truth.writer != NULL) {
        status = declare(&simulation.truth, truth, error);
    }
    for (size_t i = 0; i < options.campaigns && status == MI_OK; i++) {
        status = put_lift(&simulation, i, error);
    }
    return close_simulation(&simulation, status, error);
}

/* ---- users ---- */

static enum mi_status each_user(struct simulation *simulation, struct mi_error *error) {
    struct table *table = &simulation->rows;
    enum mi_status status = MI_OK;
    for (unsigned long i = 0; i < options.users && status == MI_OK; i++) {
        struct mi_simulated_user user;
        mi_simulator_user(simulation->simulator, &user);
        put_text(table, user.user_id);
        put_segment(table, &user.segment);
        put_date(table, user.install_date);
        for (size_t column = 0; column < options.behaviour; column++) {
            put_number(table, user.behaviour[column]);
        }
        put_number(table, user.ltv_90d);
        status = put_row(table, error);
    }
    return status;
}

static enum mi_status put_segments(struct simulation *simulation, struct mi_error *error) {
    static const char *const ltv[] = {"ltv", NULL};
    struct table *table = &simulation->truth;
    enum mi_status status = declare(table, segment_columns, error);
    if (status == MI_OK) {
        status = declare(table, ltv, error);
    }
    for (size_t i = 0; i < mi_simulator_segment_count(simulation->simulator) && status == MI_OK; i++) {
        struct mi_simulated_segment segment = mi_simulator_segment(simulation->simulator, i);
        put_segment(table, &segment);
        put_number(table, segment.ltv);
        status = put_row(table, error);
    }
    return status;
}

static enum mi_status run_users(struct mi_error *error) {
    static const char *const id[] = {"user_id", NULL}, *const installed[] = {"install_date", NULL},
                             *const seen[] = {"ltv_90d", NULL};
    struct simulation simulation = {.simulator = NULL};
    options.days = 1;
    enum mi_status status = open_simulation(&simulation, error);
    if (status == MI_OK) {
        status = declare(&simulation.rows, id, error);
    }
    if (status == MI_OK) {
        status = declare(&simulation.rows, segment_columns, error);
    }
    if (status == MI_OK) {
        status = declare(&simulation.rows, installed, error);
    }
    for (size_t column = 0; column < options.behaviour && status == MI_OK; column++) {
        char name[32];
        const char *const names[] = {mi_simulator_behaviour_name(column, name), NULL};
        status = declare(&simulation.rows, names, error);
    }
    if (status == MI_OK) {
        status = declare(&simulation.rows, seen, error);
    }
    if (status == MI_OK && simulation.truth.writer != NULL) {
        status = put_segments(&simulation, error);
    }
    if (status == MI_OK) {
        status = each_user(&simulation, error);
    }
    return close_simulation(&simulation, status, error);
}

#define PORTFOLIO_DETAILS                                                                                    \
    "With the same options campaigns and days tell of the same campaigns, and --truth writes the same "      \
    "file:\n"                                                                                                \
    "campaign_id, curve (users of an average weekday; -c of the other tools takes the file), the lowest "    \
    "and\n"                                                                                                  \
    "highest spend seen, the true CPA at once, twice and three times the highest, the factors of the\n"      \
    "weekdays, and the true LTV of the campaign's segment.\n"                                                \
    "Memory does not grow with the number of campaigns."

static const struct command commands[] = {
    {.name = "campaigns",
     .purpose = "one row per campaign, as the prediction chain reads it",
     .details = PORTFOLIO_DETAILS,
     .example = "mi-simulate campaigns --campaigns=3",
     .options = portfolio_options,
     .run = run_campaigns},
    {.name = "days",
     .purpose = "one row per campaign and day: date, campaign_id, spend, conversions",
     .details = PORTFOLIO_DETAILS,
     .example = "mi-simulate days --campaigns=100 --truth=truth.csv -o days.csv",
     .options = portfolio_options,
     .run = run_days},
    {.name = "lift",
     .purpose = "results of experiments with the campaigns of the same seed",
     .details = "Columns: campaign_id, spend_before, spend_after, incremental_conversions, standard_error, a "
                "day. Half of the\n"
                "experiments are holdouts, half raise the budget by half. Of the conversions that days tells "
                "of a share\n"
                "is incremental, which differs between networks and campaigns: --truth writes campaign_id, "
                "ad_network,\n"
                "incrementality. Give the same campaigns, days, condition, attributes and seed as to days.",
     .example = "mi-simulate lift --experiments=10 --truth=shares.csv -o lift.csv",
     .options = lift_options,
     .run = run_lift},
    {.name = "users",
     .purpose = "one row per user: segment, install date, 90-day value",
     .details =
         "Columns: user_id, ad_network, targeting_strategy, geo, creative_format, install_date, ltv_90d.\n"
         "Three in four never pay, payers are lognormal. A user younger than 90 days at the end of the\n"
         "history has a part of the value yet. The segments and their LTV are those of the campaigns of\n"
         "the same seed. Memory does not grow with the number of users.",
     .example = "mi-simulate users --count=10000 -o users.csv",
     .options = users_options,
     .run = run_users},
    {.name = "market",
     .purpose = "a portfolio played day by day by a policy, against who knows the truth",
     .details =
         "Every day the policy is run by sh in FOLDER, which holds campaigns.csv (campaign_id, segment, "
         "daily_budget,\n"
         "predicted_ltv, costs) and days.csv (date, campaign_id, segment, spend, conversions, revenue: all "
         "that is\n"
         "known so far), with the day's budget in the environment as BUDGET. It prints campaign_id and\n"
         "recommended_budget of every campaign. Writes a row a day: date, budget, spend, num_users, "
         "revenue,\n"
         "total_costs, profit, oracle_profit, profit_share.",
     .example = "mi-simulate market --policy=/usr/local/share/mi/examples/allocate --folder=market --days=10",
     .options = market_options,
     .run = run_market},
    {.name = NULL}};

int main(int argc, char **argv) {
    static const struct program program = {
        "mi-simulate", "campaigns, daily rows, users and a market with known truth", commands};
    return program_main(&program, argc, argv);
}
