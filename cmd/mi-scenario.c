/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-scenario: what if budgets, LTV or CPA were different, per campaign and for the portfolio.
 */
#include "common/campaigns.h"
#include "common/costs.h"
#include "common/json.h"
#include "common/levels.h"
#include "common/program.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPECTED "expected" /* the name of the row of expected values */

static struct {
    const char *scenarios;
    bool expected;
    bool total;
} options;

#define SCENARIOS_OPTION                                                                                     \
    {                                                                                                        \
        .name = "scenarios", .kind = OPTION_TEXT, .target = &options.scenarios, .argument = "FILE",          \
        .help = "scenarios of your own: columns scenario, budget_multiplier, ltv_adjustment,\n"              \
                "cpa_adjustment, probability (else the five that come with it)"                              \
    }

static const struct option_spec list_options[] = {
    SCENARIOS_OPTION,
    {.name = NULL},
};

static const struct option_spec option_table[] = {
    SCENARIOS_OPTION,
    {.name = "expected",
     .kind = OPTION_FLAG,
     .target = &options.expected,
     .help = "add a row with the expected value over the scenarios' probabilities"},
    {.name = "total",
     .kind = OPTION_FLAG,
     .target = &options.total,
     .help = "write the portfolio's totals only, one row a scenario"},
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

/* ---- the scenarios ---- */

struct scenarios {
    const struct mi_scenario *items;
    size_t count;
    struct mi_scenario *own; /* items, where they come from a file */
    struct mi_reader *reader;
};

enum { NAME, MULTIPLIER, LTV, CPA, PROBABILITY, FIELDS };

static const char *const field_names[FIELDS] = {"scenario", "budget_multiplier", "ltv_adjustment",
                                                "cpa_adjustment", "probability"};

static enum mi_status read_scenario(const struct mi_batch *batch, size_t row, const size_t *columns,
                                    struct mi_scenario *scenario, struct mi_error *error) {
    struct mi_error reason = {0};
    double value[FIELDS] = {0};
    enum mi_status status = mi_batch_id(batch, row, columns[NAME], &scenario->name, error);
    for (size_t i = MULTIPLIER; i < FIELDS && !status; i++) {
        unsigned filled = columns[i] == MI_NO_COLUMN || i == PROBABILITY ? MI_ANY : MI_FILLED;
        status = mi_batch_number(batch, row, columns[i], filled, &value[i], error);
    }
    if (status)
        return status;
    scenario->budget_multiplier = columns[MULTIPLIER] == MI_NO_COLUMN ? 1 : value[MULTIPLIER];
    scenario->ltv_adjustment = columns[LTV] == MI_NO_COLUMN ? 0 : value[LTV];
    scenario->cpa_adjustment = columns[CPA] == MI_NO_COLUMN ? 0 : value[CPA];
    scenario->probability = value[PROBABILITY];
    if (mi_scenario_check(scenario, &reason))
        return mi_batch_fault(batch, row, MI_NO_COLUMN, error, "%s", reason.text);
    if (mi_text_equal(scenario->name, mi_text_of(EXPECTED)))
        return mi_batch_fault(batch, row, columns[NAME], error, "'" EXPECTED "' names the expected value");
    return MI_OK;
}

static enum mi_status read_scenarios(struct scenarios *scenarios, struct mi_error *error) {
    struct mi_batch *batch;
    struct mi_index *names = NULL;
    size_t columns[FIELDS];
    enum mi_status status = table_open(options.scenarios, &scenarios->reader, &batch, error);
    for (size_t i = 0; i < FIELDS && !status; i++)
        status = mi_reader_column(scenarios->reader, field_names[i], i == NAME, &columns[i], error);
    if (!status)
        status = mi_batch_index(batch, columns[NAME], &names, error); /* refuses a name that is there twice */
    mi_index_free(names);
    if (status)
        return status;
    scenarios->own = calloc(mi_batch_rows(batch) + 1, sizeof *scenarios->own);
    if (!scenarios->own)
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    scenarios->items = scenarios->own;
    for (; scenarios->count < mi_batch_rows(batch) && !status; scenarios->count++)
        status = read_scenario(batch, scenarios->count, columns, &scenarios->own[scenarios->count], error);
    if (!status && scenarios->count == 0)
        status = mi_error_set(error, MI_BAD_INPUT, "--scenarios=%s holds no scenario", options.scenarios);
    return status;
}

static enum mi_status open_scenarios(struct scenarios *scenarios, struct mi_error *error) {
    if (options.scenarios)
        return read_scenarios(scenarios, error);
    scenarios->items = mi_scenarios_default(&scenarios->count);
    return MI_OK;
}

static void close_scenarios(struct scenarios *scenarios) {
    free(scenarios->own);
    mi_reader_close(scenarios->reader);
}

/* ---- budgets to start from ---- */

static enum mi_status no_budget(const struct campaign *campaign, const char *why, struct mi_error *error) {
    return mi_error_set(error, MI_BAD_INPUT, "campaign '%.*s' %s", (int)campaign->id.size, campaign->id.data,
                        why);
}

static enum mi_status budget_of(const struct campaigns *campaigns, const struct campaign *campaign,
                                double *budget, struct mi_error *error) {
    if (campaigns->has_recommended_budget) {
        *budget = campaign->recommended_budget;
        return isnan(*budget) ? no_budget(campaign, "has no recommended_budget", error) : MI_OK;
    }
    if (campaigns->has_daily_budget) {
        *budget = campaign->daily_budget;
        return isnan(*budget) ? no_budget(campaign, "has no daily_budget", error) : MI_OK;
    }
    *budget = campaign->levels[0].spend;
    for (size_t i = 1; i < campaign->level_count; i++)
        if (campaign->levels[i].spend != *budget)
            return no_budget(campaign, "has several levels: needs recommended_budget or daily_budget", error);
    return isnan(*budget) ? no_budget(campaign, "has no recommended_budget, daily_budget or spend", error)
                          : MI_OK;
}

/* ---- output ---- */

struct output {
    struct stream stream;
    bool nested; /* the assumptions as one JSON object */
    size_t scenario, budget, cpa, ltv, costs, assumptions[3];
    struct json json;
    struct level_columns levels;
};

static bool writes_ndjson(const struct stream *stream) {
    unsigned format = common.output_format;
    return (format == MI_FORMAT_AUTO ? mi_reader_format(stream->reader) : (enum mi_format)format) ==
           MI_FORMAT_NDJSON;
}

static enum mi_status declare(struct output *output, struct mi_error *error) {
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
    output->nested = writes_ndjson(stream);
    if (!status && output->nested)
        return mi_writer_column(writer, "assumptions", &output->assumptions[0], error);
    for (size_t i = 0; i < 3 && !status; i++)
        status = mi_writer_column(writer, field_names[MULTIPLIER + i], &output->assumptions[i], error);
    return status;
}

static enum mi_status open_output(struct output *output, const struct campaigns *campaigns,
                                  struct mi_error *error) {
    enum mi_status status;
    if (options.total) {
        for (size_t i = 0; i < LEVEL_COLUMNS; i++)
            output->levels.slot[i] = MI_NO_COLUMN;
        status = stream_output(&output->stream, false, error);
    } else {
        status = campaigns_output(campaigns, &output->stream, level_names, error);
        if (!status)
            status = level_columns_open(&output->levels, &output->stream, error);
    }
    return status ? status : declare(output, error);
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
            json_number(json, field_names[MULTIPLIER + i], values[i]);
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
    struct mi_outcome *outcomes; /* campaign by campaign, the scenarios of each together */
    struct mi_outcome *row;      /* room for one outcome per campaign and one per scenario */
};

static enum mi_status compute(struct work *work, struct mi_error *error) {
    size_t scenarios = work->scenarios.count, count = work->campaigns.count;
    work->outcomes = calloc(count * scenarios + 1, sizeof *work->outcomes);
    work->row = calloc(count + scenarios + 1, sizeof *work->row);
    if (!work->outcomes || !work->row)
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const struct campaign *c = &work->campaigns.items[i];
        double budget;
        enum mi_status status = budget_of(&work->campaigns, c, &budget, error);
        if (status)
            return status;
        for (size_t s = 0; s < scenarios; s++)
            work->outcomes[i * scenarios + s] = mi_scenario_outcome(&work->scenarios.items[s], &c->curve,
                                                                    c->predicted_ltv, &c->costs, budget);
    }
    return MI_OK;
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

/* The rows of one campaign, or of the portfolio. */
static enum mi_status write_group(struct work *work, const struct campaign *campaign,
                                  const struct mi_outcome *outcomes, struct mi_error *error) {
    const struct scenarios *scenarios = &work->scenarios;
    enum mi_status status = MI_OK;
    for (size_t s = 0; s < scenarios->count && !status; s++)
        status =
            write_row(&work->output, &work->campaigns, campaign, &scenarios->items[s], &outcomes[s], error);
    if (status || !options.expected)
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
    return write_group(work, NULL, totals, error);
}

static enum mi_status write_campaigns(struct work *work, struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < work->campaigns.count && !status; i++)
        status =
            write_group(work, &work->campaigns.items[i], &work->outcomes[i * work->scenarios.count], error);
    return status;
}

static enum mi_status predict(struct work *work, struct mi_error *error) {
    enum mi_status status = open_scenarios(&work->scenarios, error);
    if (!status && options.expected)
        status = mi_scenarios_check_expected(work->scenarios.items, work->scenarios.count, error);
    if (!status)
        status = campaigns_read(&work->campaigns, &work->output.stream, error);
    if (!status)
        status = compute(work, error);
    if (status)
        return status;
    say_beyond_support(work);
    status = open_output(&work->output, &work->campaigns, error);
    if (status)
        return status;
    return options.total ? write_total(work, error) : write_campaigns(work, error);
}

static enum mi_status run_predict(struct mi_error *error) {
    struct work work = {0};
    enum mi_status status = predict(&work, error);
    status = stream_close(&work.output.stream, status, error);
    free(work.outcomes);
    free(work.row);
    json_free(&work.output.json);
    campaigns_free(&work.campaigns);
    close_scenarios(&work.scenarios);
    return status;
}

static enum mi_status write_list(const struct scenarios *scenarios, struct stream *stream,
                                 struct mi_error *error) {
    size_t slots[FIELDS];
    enum mi_status status = stream_output(stream, false, error);
    for (size_t i = 0; i < FIELDS && !status; i++)
        status = mi_writer_column(stream->writer, field_names[i], &slots[i], error);
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
    enum mi_status status = open_scenarios(&scenarios, error);
    if (!status)
        status = write_list(&scenarios, &stream, error);
    status = stream_close(&stream, status, error);
    close_scenarios(&scenarios);
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
