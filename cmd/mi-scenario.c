/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-scenario: what if budgets, LTV or CPA were different, per campaign and for the portfolio.
 */
#include "common/costs.h"
#include "common/json.h"
#include "common/levels.h"
#include "common/program.h"
#include "scenario/scenarios.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPECTED "expected" /* the name of the row of expected values */

struct scenario_options scenario_options;

#define SCENARIOS_OPTION                                                                                     \
    {                                                                                                        \
        .name = "scenarios", .kind = OPTION_TEXT, .target = &scenario_options.scenarios, .argument = "FILE", \
        .help = "scenarios of your own: columns scenario, budget_multiplier, ltv_adjustment,\n"              \
                "cpa_adjustment, probability (else the five that come with it); a further\n"                 \
                "column, as geo, names the campaigns that a row is for"                                      \
    }

static const struct option_spec list_options[] = {
    SCENARIOS_OPTION,
    {.name = NULL},
};

static const struct option_spec option_table[] = {
    SCENARIOS_OPTION,
    {.name = "expected",
     .kind = OPTION_FLAG,
     .target = &scenario_options.expected,
     .help = "add a row with the expected value over the scenarios' probabilities"},
    {.name = "total",
     .kind = OPTION_FLAG,
     .target = &scenario_options.total,
     .help = "write the portfolio's totals only, one row a scenario"},
    {.name = "reoptimise",
     .kind = OPTION_FLAG,
     .target = &scenario_options.reoptimise,
     .help = "in each scenario share its total budget out anew, for the most profit"},
    {.name = "draws",
     .kind = OPTION_COUNT,
     .target = &scenario_options.draws,
     .low = 2,
     .high = 1e7,
     .argument = "N",
     .help = "Monte Carlo over curve_cov and ltv_se: profit's mean, spread, quantiles,\n"
             "chance of a loss, value at risk"},
    {.name = "quantiles",
     .kind = OPTION_TEXT,
     .target = &scenario_options.quantiles,
     .argument = "LIST",
     .help = "of --draws: quantiles of profit",
     .otherwise = "0.1,0.5,0.9"},
    {.name = "var-level",
     .kind = OPTION_NUMBER,
     .target = &scenario_options.var_level,
     .low = 0.5,
     .high = 0.9999,
     .argument = "SHARE",
     .help = "of --draws: confidence of value_at_risk",
     .otherwise = "0.95"},
    {.name = "shock",
     .kind = OPTION_NUMBER,
     .target = &scenario_options.shock,
     .low = 0,
     .high = 5,
     .argument = "SD",
     .help = "of --draws: what campaigns of a network share, standard deviation of log users",
     .otherwise = "0"},
    {.name = "shock-by",
     .kind = OPTION_TEXT,
     .target = &scenario_options.shock_by,
     .argument = "COLUMN",
     .help = "of --shock: the column that makes the groups",
     .otherwise = "ad_network"},
    {.name = "shock-all",
     .kind = OPTION_NUMBER,
     .target = &scenario_options.shock_all,
     .low = 0,
     .high = 5,
     .argument = "SD",
     .help = "of --draws: what all campaigns share",
     .otherwise = "0"},
    {.name = "seed",
     .kind = OPTION_COUNT,
     .target = &scenario_options.seed,
     .low = 0,
     .high = 4294967295.0,
     .argument = "N",
     .help = "of --draws",
     .otherwise = "1"},
    COST_OPTIONS,
    {.name = NULL},
};

static const struct option_spec sensitivity_options[] = {
    {.name = "change",
     .kind = OPTION_NUMBER,
     .target = &scenario_options.change,
     .low = 0.001,
     .high = 99,
     .argument = "PERCENT",
     .help = "how much lower and higher each input is taken",
     .otherwise = "10"},
    COST_OPTIONS,
    {.name = NULL},
};

static const char details[] =
    "Reads campaign_id, predicted_ltv and curve (or, without that column, several\n"
    "rows of a campaign with spend and predicted_cpa), and the budget to start from:\n"
    "recommended_budget, else daily_budget, else spend. Writes one row a campaign and\n"
    "scenario: scenario, budget, cpa, num_users, ltv, revenue, costs, profit, roi,\n"
    "budget_multiplier, ltv_adjustment, cpa_adjustment (NDJSON: in `assumptions`).\n"
    "Holds its input in memory and reads it once.\n";

/* ---- output ---- */

struct output {
    struct stream stream;
    bool nested; /* the assumptions as one JSON object */
    size_t scenario, budget, cpa, ltv, costs, assumptions[3];
    struct json json;
    struct level_columns levels;
    struct risk_columns risk;
};

static bool writes_ndjson(const struct stream *stream) {
    unsigned format = common.output_format;
    return (format == MI_FORMAT_AUTO ? mi_reader_format(stream->reader) : (enum mi_format)format) ==
           MI_FORMAT_NDJSON;
}

static enum mi_status declare(struct output *output, const struct risk *risk, struct mi_error *error) {
    struct stream *stream = &output->stream;
    struct mi_writer *writer = stream->writer;
    enum mi_status status = mi_writer_column(writer, "scenario", &output->scenario, error);
    if (!status)
        status = mi_writer_column(writer, "budget", &output->budget, error);
    if (!status)
        status = mi_writer_column(writer, "cpa", &output->cpa, error);
    if (!status)
        status = level_columns_add(&output->levels, stream, LEVEL_USERS, error);
    if (!status)
        status = mi_writer_column(writer, "ltv", &output->ltv, error);
    if (!status)
        status = level_columns_add(&output->levels, stream, LEVEL_REVENUE, error);
    if (!status)
        status = mi_writer_column(writer, "costs", &output->costs, error);
    if (!status)
        status = level_columns_add(&output->levels, stream, LEVEL_PROFIT, error);
    if (!status)
        status = level_columns_add(&output->levels, stream, LEVEL_ROI, error);
    if (!status && scenario_options.draws > 0)
        status = risk_declare(risk, &output->risk, writer, error);
    output->nested = writes_ndjson(stream);
    if (!status && output->nested)
        return mi_writer_column(writer, "assumptions", &output->assumptions[0], error);
    for (size_t i = 0; i < 3 && !status; i++)
        status = mi_writer_column(writer, scenario_fields[MULTIPLIER + i], &output->assumptions[i], error);
    return status;
}

static enum mi_status open_output(struct output *output, const struct campaigns *campaigns,
                                  const struct risk *risk, struct mi_error *error) {
    enum mi_status status;
    if (scenario_options.total) {
        for (size_t i = 0; i < LEVEL_COLUMNS; i++)
            output->levels.slot[i] = MI_NO_COLUMN;
        status = stream_output(&output->stream, false, error);
    } else {
        status = campaigns_output(campaigns, &output->stream, level_names, error);
        if (!status)
            status = level_columns_open(&output->levels, &output->stream, error);
    }
    return status ? status : declare(output, risk, error);
}

static enum mi_status set_assumptions(struct output *output, const struct mi_scenario *scenario,
                                      struct mi_error *error) {
    const double values[3] = {scenario->budget_multiplier, scenario->ltv_adjustment,
                              scenario->cpa_adjustment};
    struct json *json = &output->json;
    json_reset(json);
    json_open(json, NULL, '{');
    for (size_t i = 0; i < 3; i++) {
        if (output->nested)
            json_number(json, scenario_fields[MULTIPLIER + i], values[i]);
        else
            mi_writer_number(output->stream.writer, output->assumptions[i], values[i]);
    }
    json_close(json, '}');
    if (output->nested)
        mi_writer_json(output->stream.writer, output->assumptions[0],
                       (struct mi_text){json->data, json->size});
    return json_finish(json, error);
}

/* One row. scenario NULL: expected values; campaign NULL: the portfolio. */
static enum mi_status write_row(struct output *output, const struct campaigns *campaigns,
                                const struct campaign *campaign, const struct mi_scenario *scenario,
                                const struct mi_outcome *outcome, struct mi_error *error) {
    struct mi_writer *writer = output->stream.writer;
    enum mi_status status = MI_OK;
    if (campaign)
        status = level_columns_set(&output->levels, &output->stream, campaigns, campaign, outcome, error);
    else
        level_columns_set_main(&output->levels, &output->stream, outcome);
    if (status)
        return status;
    if (!scenario && output->levels.slot[LEVEL_SATURATION] != MI_NO_COLUMN)
        mi_writer_number(writer, output->levels.slot[LEVEL_SATURATION], NAN);
    mi_writer_text(writer, output->scenario, scenario ? scenario->name : mi_text_of(EXPECTED));
    mi_writer_number(writer, output->budget, outcome->spend);
    mi_writer_number(writer, output->cpa, outcome->cpa);
    mi_writer_number(writer, output->ltv,
                     campaign && scenario ? campaign->predicted_ltv * (1 + scenario->ltv_adjustment)
                                          : outcome->revenue / outcome->users);
    mi_writer_number(writer, output->costs, outcome->total_costs);
    if (scenario)
        status = set_assumptions(output, scenario, error);
    if (status)
        return status;
    return campaign ? mi_writer_row(writer, campaigns->batch, campaign->row, error)
                    : mi_writer_row(writer, NULL, 0, error);
}

/* ---- run ---- */

struct work {
    struct scenarios scenarios;
    struct campaigns campaigns;
    struct output output;
    struct risk risk;
    struct mi_scenario *changes; /* as the outcomes */
    double *budgets;             /* to start from */
    double *spends;              /* as the outcomes */
    struct mi_outcome *outcomes; /* campaign by campaign, the scenarios of each together */
    struct mi_outcome *row;      /* room for one outcome per campaign and one per scenario */
};

/* Shares the total budget of a scenario out anew. What campaigns may not take is kept back. */
static enum mi_status reoptimise(struct work *work, size_t scenario, struct mi_error *error) {
    size_t count = work->campaigns.count, scenarios = work->scenarios.count;
    struct mi_allocation_campaign *shares = calloc(count + 1, sizeof *shares);
    struct mi_allocation allocation;
    struct mi_allocation_problem problem = {.campaigns = shares, .count = count, .at_most = true};
    if (!shares)
        return no_memory(error);
    for (size_t i = 0; i < count; i++) {
        const struct campaign *c = &work->campaigns.items[i];
        const struct mi_scenario *change = &work->changes[i * scenarios + scenario];
        shares[i] = (struct mi_allocation_campaign){.id = c->id,
                                                    .curve = &c->curve,
                                                    .ltv = c->predicted_ltv * (1 + change->ltv_adjustment) /
                                                           (1 + change->cpa_adjustment),
                                                    .costs = c->costs,
                                                    .min_budget = c->min_budget,
                                                    .max_budget = c->max_budget,
                                                    .today = work->budgets[i]};
        problem.budget += work->spends[i * scenarios + scenario];
    }
    struct mi_error reason = {0};
    enum mi_status status = mi_allocate(&problem, &allocation, &reason);
    if (status)
        status =
            mi_error_set(error, status, "scenario '%.*s': %s", (int)work->scenarios.items[scenario].name.size,
                         work->scenarios.items[scenario].name.data, reason.text);
    for (size_t i = 0; i < count && !status; i++)
        work->spends[i * scenarios + scenario] = allocation.spend[i];
    if (!status)
        mi_allocation_clear(&allocation);
    free(shares);
    return status;
}

static struct mi_outcome outcome_of(const struct work *work, size_t i, size_t s) {
    const struct campaign *c = &work->campaigns.items[i];
    struct mi_scenario change = work->changes[i * work->scenarios.count + s];
    change.budget_multiplier = 1;
    return mi_scenario_outcome(&change, &c->curve, c->predicted_ltv, &c->costs,
                               work->spends[i * work->scenarios.count + s]);
}

/* Draws at the spends of the scenarios. */
static enum mi_status compute_risk(struct work *work, struct mi_error *error) {
    size_t scenarios = work->scenarios.count, count = work->campaigns.count;
    struct mi_scenario *changes = malloc((count * scenarios + 1) * sizeof *changes);
    double *ones = malloc((count + 1) * sizeof *ones);
    enum mi_status status = changes && ones ? MI_OK : no_memory(error);
    for (size_t i = 0; i < count && !status; i++)
        ones[i] = 1;
    for (size_t k = 0; k < count * scenarios && !status; k++) {
        changes[k] = work->changes[k];
        changes[k].budget_multiplier = work->spends[k];
    }
    if (!status)
        status = risk_compute(&work->risk, &work->campaigns, work->output.stream.reader, ones, changes,
                              scenarios, error);
    free(changes);
    free(ones);
    return status;
}

static enum mi_status compute(struct work *work, struct mi_error *error) {
    size_t scenarios = work->scenarios.count, count = work->campaigns.count;
    work->outcomes = calloc(count * scenarios + 1, sizeof *work->outcomes);
    work->changes = calloc(count * scenarios + 1, sizeof *work->changes);
    work->spends = calloc(count * scenarios + 1, sizeof *work->spends);
    work->budgets = calloc(count + 1, sizeof *work->budgets);
    work->row = calloc(count + scenarios + 1, sizeof *work->row);
    if (!work->outcomes || !work->changes || !work->spends || !work->budgets || !work->row)
        return no_memory(error);
    enum mi_status status =
        scenarios_apply(&work->scenarios, &work->campaigns, work->output.stream.reader, work->changes, error);
    for (size_t i = 0; i < count && !status; i++) {
        status = budget_of(&work->campaigns, &work->campaigns.items[i], &work->budgets[i], error);
        for (size_t s = 0; s < scenarios; s++)
            work->spends[i * scenarios + s] =
                work->budgets[i] * work->changes[i * scenarios + s].budget_multiplier;
    }
    for (size_t s = 0; s < scenarios && !status && scenario_options.reoptimise && count > 0; s++)
        status = reoptimise(work, s, error);
    for (size_t i = 0; i < count && !status; i++)
        for (size_t s = 0; s < scenarios; s++)
            work->outcomes[i * scenarios + s] = outcome_of(work, i, s);
    if (!status && scenario_options.draws > 0 && count > 0)
        status = compute_risk(work, error);
    return status;
}

/* Says of each scenario how many campaigns it takes beyond what their data support. */
static void say_beyond_support(const struct work *work) {
    size_t scenarios = work->scenarios.count, count = work->campaigns.count;
    for (size_t s = 0; s < scenarios; s++) {
        size_t beyond = 0;
        for (size_t i = 0; i < count; i++)
            beyond += work->outcomes[i * scenarios + s].spend > work->campaigns.items[i].spend_supported;
        if (beyond > 0)
            note("scenario '%.*s': %zu of %zu campaigns spend more than their data support",
                 (int)work->scenarios.items[s].name.size, work->scenarios.items[s].name.data, beyond, count);
    }
}

/* The rows of one campaign (number i), or of the portfolio. */
static enum mi_status write_group(struct work *work, const struct campaign *campaign, size_t i,
                                  const struct mi_outcome *outcomes, struct mi_error *error) {
    const struct scenarios *scenarios = &work->scenarios;
    enum mi_status status = MI_OK;
    for (size_t s = 0; s < scenarios->count && !status; s++) {
        size_t place = i * scenarios->count + s;
        if (scenario_options.draws > 0)
            risk_set(&work->risk, &work->output.risk, work->output.stream.writer,
                     campaign ? &work->risk.figures[place] : &work->risk.totals[s]);
        status = write_row(&work->output, &work->campaigns, campaign,
                           campaign ? &work->changes[place] : &scenarios->items[s], &outcomes[s], error);
    }
    if (status || !scenario_options.expected)
        return status;
    struct mi_outcome expected = mi_scenario_expected(scenarios->items, outcomes, scenarios->count);
    return write_row(&work->output, &work->campaigns, campaign, NULL, &expected, error);
}

static enum mi_status write_total(struct work *work, struct mi_error *error) {
    size_t scenarios = work->scenarios.count, count = work->campaigns.count;
    struct mi_outcome *totals = work->row + count;
    if (count == 0)
        return MI_OK;
    for (size_t s = 0; s < scenarios; s++) {
        for (size_t i = 0; i < count; i++)
            work->row[i] = work->outcomes[i * scenarios + s];
        totals[s] = mi_outcome_sum(work->row, count);
    }
    return write_group(work, NULL, 0, totals, error);
}

static enum mi_status write_campaigns(struct work *work, struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < work->campaigns.count && !status; i++)
        status = write_group(work, &work->campaigns.items[i], i, &work->outcomes[i * work->scenarios.count],
                             error);
    return status;
}

static enum mi_status predict(struct work *work, struct mi_error *error) {
    enum mi_status status = risk_check(&work->risk, error);
    if (!status)
        status = scenarios_open(&work->scenarios, error);
    if (!status && scenario_options.expected)
        status = mi_scenarios_check_expected(work->scenarios.items, work->scenarios.count, error);
    if (!status)
        status = campaigns_read(&work->campaigns, &work->output.stream, error);
    if (!status)
        status = compute(work, error);
    if (status)
        return status;
    say_beyond_support(work);
    status = open_output(&work->output, &work->campaigns, &work->risk, error);
    if (status)
        return status;
    return scenario_options.total ? write_total(work, error) : write_campaigns(work, error);
}

static enum mi_status run_predict(struct mi_error *error) {
    struct work work = {0};
    enum mi_status status = predict(&work, error);
    status = stream_close(&work.output.stream, status, error);
    free(work.outcomes);
    free(work.row);
    free(work.changes);
    free(work.spends);
    free(work.budgets);
    risk_free(&work.risk);
    json_free(&work.output.json);
    campaigns_free(&work.campaigns);
    scenarios_close(&work.scenarios);
    return status;
}

static enum mi_status write_list(const struct scenarios *scenarios, struct stream *stream,
                                 struct mi_error *error) {
    size_t slots[FIELDS];
    enum mi_status status = stream_output(stream, false, error);
    for (size_t i = 0; i < FIELDS && !status; i++)
        status = mi_writer_column(stream->writer, scenario_fields[i], &slots[i], error);
    for (size_t s = 0; s < scenarios->count && !status; s++) {
        const struct mi_scenario *scenario = &scenarios->items[s];
        mi_writer_text(stream->writer, slots[NAME], scenario->name);
        mi_writer_number(stream->writer, slots[MULTIPLIER], scenario->budget_multiplier);
        mi_writer_number(stream->writer, slots[LTV], scenario->ltv_adjustment);
        mi_writer_number(stream->writer, slots[CPA], scenario->cpa_adjustment);
        mi_writer_number(stream->writer, slots[PROBABILITY], scenario->probability);
        status = mi_writer_row(stream->writer, NULL, 0, error);
    }
    return status;
}

static enum mi_status run_list(struct mi_error *error) {
    struct scenarios scenarios = {0};
    struct stream stream = {0};
    enum mi_status status = scenarios_open(&scenarios, error);
    if (!status)
        status = write_list(&scenarios, &stream, error);
    status = stream_close(&stream, status, error);
    scenarios_close(&scenarios);
    return status;
}

static const struct command commands[] = {
    {.name = "predict",
     .purpose = "what each scenario would bring",
     .input = "[FILE]",
     .details = details,
     .example = "mi-scenario --total --expected allocation.csv",
     .options = option_table,
     .run = run_predict},
    {.name = "sensitivity",
     .purpose = "the profit with one input at a time lower and higher",
     .input = "[FILE]",
     .details = "Reads what predict reads. Writes one row an input, the widest swing of the\n"
                "portfolio's profit first: input, change_low_pct, change_high_pct, profit,\n"
                "profit_low, profit_high, swing, swing_pct.\n",
     .example = "mi-scenario sensitivity --change=20 allocation.csv",
     .options = sensitivity_options,
     .run = run_sensitivity},
    {.name = "list",
     .purpose = "the scenarios themselves, as a file to edit",
     .details = "Writes scenario, budget_multiplier, ltv_adjustment, cpa_adjustment, probability.\n",
     .example = "mi-scenario list -o scenarios.csv",
     .options = list_options,
     .run = run_list},
    {.name = NULL},
};

int main(int argc, char **argv) {
    static const struct program program = {
        .name = "mi-scenario", .purpose = "what if budgets, LTV or CPA were different", .commands = commands};
    return program_main(&program, argc, argv);
}
