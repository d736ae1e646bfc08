/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-simulate market: plays a market, a policy's decision a day, beside who knows the truth.
 */
#include "simulate/play.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "simulate/policy.h"
#include "simulate/table.h"

enum reference { NO_REFERENCE, UNCHANGED, LEVELS, YESTERDAY };

static struct {
    unsigned long seed, campaigns, days, history;
    double ltv_error;
    const char *start, *policy, *folder, *truth, *details;
    unsigned reference;
    bool total;
} options;

const struct option_spec market_options[] = {
    {"policy", 0, OPTION_TEXT, &options.policy, 0, 0, NULL, "COMMAND", "who decides, a command for sh", NULL},
    {"folder", 0, OPTION_TEXT, &options.folder, 0, 0, NULL, "FOLDER",
     "where the policy runs; made where it is not there, left as it is in the end", NULL},
    {"reference", 0, OPTION_CHOICE, &options.reference, 0, 0, "none|unchanged|levels|yesterday", "NAME",
     "instead of a policy: budgets as they are; best for the true curves without the\n"
     "day's effects; best for yesterday's true curves",
     "none"},
    {"campaigns", 0, OPTION_COUNT, &options.campaigns, 1, 1e5, NULL, "N", "how many campaigns", "60"},
    {"days", 0, OPTION_COUNT, &options.days, 1, 3000, NULL, "N", "days to decide", "120"},
    {"history", 0, OPTION_COUNT, &options.history, 1, 600, NULL, "N", "days known before the first decision",
     "28"},
    {"start", 0, OPTION_TEXT, &options.start, 0, 0, NULL, "DATE", "first day of the history", "2026-01-01"},
    {"ltv-error", 0, OPTION_NUMBER, &options.ltv_error, 0, 1, NULL, "SHARE",
     "by how much the LTV that is known is off", "0.08"},
    {"total", 0, OPTION_FLAG, &options.total, 0, 0, NULL, NULL, "write one row, for all days", NULL},
    {"truth", 0, OPTION_TEXT, &options.truth, 0, 0, NULL, "FILE",
     "write the true curve and LTV of each campaign there", NULL},
    {"details", 0, OPTION_TEXT, &options.details, 0, 0, NULL, "FILE",
     "write there, a campaign and day: budget, oracle_budget, level, factor, num_users", NULL},
    {"seed", 0, OPTION_COUNT, &options.seed, 0, 1e15, NULL, "N", "same seed, same bytes", "1"},
    {.name = NULL}};

struct game {
    struct mi_market *market;
    double *budgets;
    struct stream stream;
    struct table rows, details;
    struct mi_outcome sum; /* over the days */
    double oracle, budget;
};

/* ---- decisions ---- */

static enum mi_status decide_knowing(struct game *game, enum mi_market_knowledge knowledge,
                                     struct mi_error *error) {
    struct mi_allocation allocation = {.count = 0};
    enum mi_status status = mi_market_best(game->market, knowledge, &allocation, error);
    if (status == MI_OK) {
        memcpy(game->budgets, allocation.spend, options.campaigns * sizeof *game->budgets);
    }
    mi_allocation_clear(&allocation);
    return status;
}

static enum mi_status decide(struct game *game, struct mi_error *error) {
    switch ((enum reference)options.reference) {
    case UNCHANGED:
        for (size_t i = 0; i < options.campaigns; i++) {
            game->budgets[i] = mi_market_campaign(game->market, i)->daily_budget;
        }
        return MI_OK;
    case LEVELS:
        return decide_knowing(game, MI_MARKET_LEVELS, error);
    case YESTERDAY:
        return decide_knowing(game, MI_MARKET_YESTERDAY, error);
    default:
        return policy_ask(game->market, options.campaigns, options.policy, options.folder, game->budgets,
                          error);
    }
}

/* ---- what comes out ---- */

static const char *const outcome_columns[] = {"budget",        "spend",        "num_users",
                                              "revenue",       "total_costs",  "profit",
                                              "oracle_profit", "profit_share", NULL};

static void put_outcome(struct table *table, double budget, const struct mi_outcome *outcome, double oracle) {
    put_number(table, budget);
    put_number(table, outcome->spend);
    put_number(table, outcome->users);
    put_number(table, outcome->revenue);
    put_number(table, outcome->total_costs);
    put_number(table, outcome->profit);
    put_number(table, oracle);
    put_number(table, oracle > 0 ? outcome->profit / oracle : NAN);
}

static int32_t date_of(const struct game *game) {
    int32_t start = 0;
    mi_date_parse(mi_text_of(options.start), &start);
    return start + (int32_t)mi_market_days_played(game->market);
}

static enum mi_status put_details(struct game *game, const double *best, struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < options.campaigns && status == MI_OK; i++) {
        const struct mi_market_campaign *campaign = mi_market_campaign(game->market, i);
        double level, factor;
        mi_market_day_truth(game->market, i, &level, &factor);
        put_date(&game->details, date_of(game));
        put_text(&game->details, campaign->campaign_id);
        put_number(&game->details, game->budgets[i]);
        put_number(&game->details, best[i]);
        put_number(&game->details, level);
        put_number(&game->details, factor);
        put_number(&game->details, factor * mi_curve_users(&campaign->curve, game->budgets[i]));
        status = put_row(&game->details, error);
    }
    return status;
}

/* The day's score, of the policy and of who knows all. */
static enum mi_status put_day(struct game *game, struct mi_error *error) {
    struct mi_allocation best = {.count = 0};
    struct mi_outcome day;
    enum mi_status status = mi_market_best(game->market, MI_MARKET_ALL, &best, error);
    if (status != MI_OK) {
        return status;
    }
    double oracle = mi_market_profit(game->market, best.spend, NULL), budget = mi_market_budget(game->market);
    mi_market_profit(game->market, game->budgets, &day);
    game->sum.spend += day.spend;
    game->sum.users += day.users;
    game->sum.revenue += day.revenue;
    game->sum.total_costs += day.total_costs;
    game->sum.profit += day.profit;
    game->oracle += oracle;
    game->budget += budget;
    if (game->details.writer != NULL) {
        status = put_details(game, best.spend, error);
    }
    if (!options.total && status == MI_OK) {
        put_date(&game->rows, date_of(game));
        put_outcome(&game->rows, budget, &day, oracle);
        status = put_row(&game->rows, error);
    }
    mi_allocation_clear(&best);
    return status;
}

static enum mi_status put_total(struct game *game, struct mi_error *error) {
    put_number(&game->rows, (double)options.days);
    put_outcome(&game->rows, game->budget, &game->sum, game->oracle);
    return put_row(&game->rows, error);
}

static enum mi_status write_truth(const struct game *game, struct mi_error *error) {
    static const char *const columns[] = {"campaign_id", "curve", "ltv", NULL};
    struct table truth = {.writer = NULL};
    enum mi_status status = table_file(&truth, options.truth, error);
    if (status == MI_OK) {
        status = declare(&truth, columns, error);
    }
    for (size_t i = 0; i < options.campaigns && status == MI_OK; i++) {
        const struct mi_market_campaign *campaign = mi_market_campaign(game->market, i);
        char *curve = mi_curve_format(&campaign->curve);
        if (curve == NULL) {
            status = mi_error_set(error, MI_NO_MEMORY, "no memory for a curve");
            break;
        }
        put_text(&truth, campaign->campaign_id);
        put_text(&truth, curve);
        put_number(&truth, campaign->ltv);
        status = put_row(&truth, error);
        free(curve);
    }
    return table_close(&truth, status, error);
}

/* ---- the game ---- */

static enum mi_status check(struct mi_market_options *market, struct mi_error *error) {
    *market = mi_market_default();
    market->seed = options.seed;
    market->campaigns = options.campaigns;
    market->days = options.days;
    market->history = options.history;
    market->ltv_error = options.ltv_error;
    if (!mi_date_parse(mi_text_of(options.start), &market->start)) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "--start: not a date: \"%s\" (YYYY-MM-DD)",
                            options.start);
    }
    if ((options.policy == NULL) == (options.reference == NO_REFERENCE)) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "one of --policy and --reference is needed");
    }
    if (options.policy != NULL && options.folder == NULL) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "--policy needs --folder, where it runs");
    }
    if (options.policy != NULL && mkdir(options.folder, 0777) != 0 && errno != EEXIST) {
        return mi_error_set(error, MI_SYSTEM, "%s: cannot make the folder: %s", options.folder,
                            strerror(errno));
    }
    return MI_OK;
}

static enum mi_status open_game(struct game *game, struct mi_error *error) {
    static const char *const date[] = {"date", NULL}, *const days[] = {"days", NULL};
    static const char *const details[] = {"date",  "campaign_id", "budget",    "oracle_budget",
                                          "level", "factor",      "num_users", NULL};
    enum mi_status status = stream_output(&game->stream, false, error);
    game->rows.writer = game->stream.writer;
    if (status == MI_OK) {
        status = declare(&game->rows, options.total ? days : date, error);
    }
    if (status == MI_OK) {
        status = declare(&game->rows, outcome_columns, error);
    }
    if (status == MI_OK) {
        status = table_file(&game->details, options.details, error);
    }
    if (status == MI_OK && game->details.writer != NULL) {
        status = declare(&game->details, details, error);
    }
    return status;
}

static enum mi_status play(struct game *game, struct mi_error *error) {
    enum mi_status status = MI_OK;
    while (mi_market_days_left(game->market) > 0 && status == MI_OK) {
        status = decide(game, error);
        if (status == MI_OK) {
            status = put_day(game, error);
        }
        if (status == MI_OK) {
            mi_market_play(game->market, game->budgets);
            status = mi_writer_flush(game->rows.writer, error);
        }
    }
    return status == MI_OK && options.total ? put_total(game, error) : status;
}

enum mi_status run_market(struct mi_error *error) {
    struct mi_market_options market;
    struct game game = {.market = NULL};
    enum mi_status status = check(&market, error);
    if (status != MI_OK) {
        return status;
    }
    game.budgets = calloc(options.campaigns, sizeof *game.budgets);
    if (game.budgets == NULL) {
        return mi_error_set(error, MI_NO_MEMORY, "no memory for the market");
    }
    status = mi_market_new(&market, &game.market, error);
    if (status == MI_OK) {
        status = open_game(&game, error);
    }
    if (status == MI_OK && options.truth != NULL) {
        status = write_truth(&game, error);
    }
    if (status == MI_OK) {
        status = play(&game, error);
    }
    status = table_close(&game.details, status, error);
    mi_market_free(game.market);
    free(game.budgets);
    return stream_close(&game.stream, status, error);
}
