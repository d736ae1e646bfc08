/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-optimize: allocates a total budget over campaigns.
 */
#include "common/campaigns.h"
#include "common/costs.h"
#include "common/json.h"
#include "common/levels.h"
#include "common/program.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MOST     5    /* campaigns that a note names */
#define LOSS_RELATIVE  1e-6 /* a gain of spending less that is worth a word */
#define KEPT_LEAST     0.01 /* and the money */
#define BEYOND_SUPPORT 1e-6 /* relative */

static struct {
    double budget;
    bool at_most;
    unsigned objective; /* enum mi_objective */
    const char *weights;
    double floor;
    const char *summary;
    const char *expect;
} options;

static const char objective_names[] = "profit|weighted|revenue|users|roi|roas"; /* in the order of the enum */
static const char weights_default[] = "roi=0.5,revenue=0.3,cac=0.2";

static const struct option_spec option_table[] = {
    {.name = "budget",
     .letter = 'b',
     .kind = OPTION_NUMBER,
     .target = &options.budget,
     .high = MI_MONEY_LIMIT,
     .argument = "AMOUNT",
     .help = "total to allocate, a day; spent whole (needed)"},
    {.name = "at-most",
     .kind = OPTION_FLAG,
     .target = &options.at_most,
     .help = "spend up to the budget: keep back what would lower the objective"},
    {.name = "objective",
     .kind = OPTION_CHOICE,
     .target = &options.objective,
     .choices = objective_names,
     .argument = "NAME",
     .help = "what to maximise",
     .otherwise = "profit"},
    {.name = "weights",
     .kind = OPTION_TEXT,
     .target = &options.weights,
     .argument = "LIST",
     .help = "of --objective=weighted: roi, revenue, cac; one not named is 0",
     .otherwise = weights_default},
    {.name = "floor",
     .kind = OPTION_NUMBER,
     .target = &options.floor,
     .low = 1e-6,
     .high = 1,
     .argument = "SHARE",
     .help = "of --objective=weighted: below this share of today's budget (else of the\n"
             "equal split) ROI and 1/CAC count in proportion to spend",
     .otherwise = "0.1"},
    {.name = "summary",
     .kind = OPTION_TEXT,
     .target = &options.summary,
     .argument = "FILE",
     .help = "write the portfolio's totals as JSON, today's against recommended"},
    {.name = "expect",
     .kind = OPTION_TEXT,
     .target = &options.expect,
     .argument = "FILE",
     .help = "refuse a set of campaigns other than that of FILE (column campaign_id)"},
    COST_OPTIONS,
    {.name = NULL},
};

static const char details[] =
    "Reads campaign_id, predicted_ltv and curve (or, without that column, several\n"
    "rows of a campaign with spend and predicted_cpa); where there: min_budget,\n"
    "max_budget, daily_budget, cost_rate, cost_fixed. Writes one row a campaign:\n"
    "recommended_budget, change_pct, spend, num_users, predicted_cpa, marginal_cpa,\n"
    "revenue, predicted_roas, total_costs, profit, roi, binding.\n"
    "Holds its input in memory and reads it once. Limits that leave no allocation are\n"
    "named, with exit status 1.\n";

/* ---- options ---- */

/* One NAME=NUMBER of the weights. */
static enum mi_status parse_weight(const char *text, size_t size, struct mi_objective_weights *weights,
                                   unsigned *seen, struct mi_error *error) {
    const struct {
        const char *name;
        double *weight;
    } known[] = {{"roi", &weights->roi}, {"revenue", &weights->revenue}, {"cac", &weights->cac}};
    const char *sign = memchr(text, '=', size);
    size_t length = sign ? (size_t)(sign - text) : size;
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
        if (!mi_text_equal((struct mi_text){text, length}, mi_text_of(known[i].name)))
            continue;
        if (*seen & (1U << i))
            return mi_error_set(error, MI_BAD_ARGUMENT, "--weights: '%s' is given twice", known[i].name);
        *seen |= 1U << i;
        if (sign && mi_number_parse((struct mi_text){sign + 1, size - length - 1}, known[i].weight))
            return MI_OK;
    }
    return mi_error_set(error, MI_BAD_ARGUMENT,
                        "--weights: \"%.*s\" is none of roi=NUMBER, revenue=NUMBER, cac=NUMBER", (int)size,
                        text);
}

static enum mi_status parse_weights(const char *list, struct mi_objective_weights *weights,
                                    struct mi_error *error) {
    unsigned seen = 0;
    *weights = (struct mi_objective_weights){0};
    for (const char *item = list;; item++) {
        size_t size = strcspn(item, ",");
        enum mi_status status = parse_weight(item, size, weights, &seen, error);
        if (status)
            return status;
        item += size;
        if (!*item)
            return MI_OK;
    }
}

static enum mi_status check_options(struct mi_objective_weights *weights, struct mi_error *error) {
    if (isnan(options.budget))
        return mi_error_set(error, MI_BAD_ARGUMENT, "--budget=AMOUNT is needed");
    if (options.objective != MI_OBJECTIVE_WEIGHTED && strcmp(options.weights, weights_default) != 0)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--weights is for --objective=weighted");
    return parse_weights(options.weights, weights, error);
}

/* ---- the set of campaigns ---- */

/* A few names for a message: "'a', 'b' and 3 more". */
struct names {
    char text[256];
    size_t used, count, shown;
};

static void add_name(struct names *names, struct mi_text name) {
    names->count++;
    if (names->shown == NAMES_MOST || names->used + name.size + 32 > sizeof names->text)
        return;
    int written = snprintf(names->text + names->used, sizeof names->text - names->used, "%s'%.*s'",
                           names->shown ? ", " : "", (int)name.size, name.data);
    names->used += (size_t)written;
    names->shown++;
}

static const char *finish_names(struct names *names) {
    if (names->count > names->shown)
        snprintf(names->text + names->used, sizeof names->text - names->used, "%s%zu more",
                 names->shown ? " and " : "", names->count - names->shown);
    return names->text;
}

static enum mi_status compare_sets(const struct campaigns *campaigns, struct mi_index *expected,
                                   struct mi_index *found, struct mi_error *error) {
    struct names missing = {0}, extra = {0};
    for (size_t i = 0; i < campaigns->count; i++) {
        size_t number;
        enum mi_status status = mi_index_add(found, campaigns->items[i].id, &number, NULL, error);
        if (status)
            return status;
        if (mi_index_find(expected, campaigns->items[i].id) == SIZE_MAX)
            add_name(&extra, campaigns->items[i].id);
    }
    for (size_t i = 0; i < mi_index_size(expected); i++)
        if (mi_index_find(found, mi_index_text(expected, i)) == SIZE_MAX)
            add_name(&missing, mi_index_text(expected, i));
    if (missing.count + extra.count == 0)
        return MI_OK;
    finish_names(&missing);
    finish_names(&extra);
    return mi_error_set(error, MI_BAD_INPUT, "not the campaigns of --expect=%s:%s%s%s%s%s", options.expect,
                        missing.count ? " missing " : "", missing.text,
                        missing.count && extra.count ? ";" : "", extra.count ? " not expected " : "",
                        extra.text);
}

static enum mi_status index_ids(struct mi_reader *reader, const struct mi_batch *batch,
                                struct mi_index *index, struct mi_error *error) {
    size_t column, number;
    struct mi_text id;
    enum mi_status status = mi_reader_column(reader, "campaign_id", true, &column, error);
    for (size_t row = 0; row < mi_batch_rows(batch) && !status; row++) {
        status = mi_batch_id(batch, row, column, &id, error);
        if (!status)
            status = mi_index_add(index, id, &number, NULL, error);
    }
    return status;
}

static enum mi_status check_expected(const struct campaigns *campaigns, struct mi_error *error) {
    struct mi_reader *reader = NULL;
    struct mi_batch *batch;
    struct mi_index *expected = NULL, *found = NULL;
    if (!options.expect)
        return MI_OK;
    enum mi_status status = table_open(options.expect, &reader, &batch, error);
    if (!status)
        status = mi_index_new(&expected, error);
    if (!status)
        status = mi_index_new(&found, error);
    if (!status)
        status = index_ids(reader, batch, expected, error);
    if (!status)
        status = compare_sets(campaigns, expected, found, error);
    mi_index_free(expected);
    mi_index_free(found);
    mi_reader_close(reader);
    return status;
}

/* ---- the allocation ---- */

struct plan {
    struct campaigns campaigns;
    struct mi_allocation_problem problem;
    struct mi_allocation allocation;
    struct mi_outcome *recommended, *today; /* one per campaign */
    bool today_known;
    double kept_back, gain; /* what --at-most would keep back, and what that adds to the objective */
};

static enum mi_status state_problem(struct plan *plan, const struct mi_objective_weights *weights,
                                    struct mi_error *error) {
    size_t count = plan->campaigns.count;
    struct mi_allocation_campaign *shares = malloc((count + 1) * sizeof *shares);
    plan->recommended = calloc(count + 1, sizeof *plan->recommended);
    plan->today = calloc(count + 1, sizeof *plan->today);
    plan->problem = (struct mi_allocation_problem){
        .campaigns = shares,
        .count = count,
        .budget = options.budget,
        .at_most = options.at_most,
        .objective = (enum mi_objective)options.objective,
        .weights = *weights,
        .floor_share = options.floor,
    };
    if (!shares || !plan->recommended || !plan->today)
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const struct campaign *c = &plan->campaigns.items[i];
        shares[i] = (struct mi_allocation_campaign){.id = c->id,
                                                    .curve = &c->curve,
                                                    .ltv = c->predicted_ltv,
                                                    .costs = c->costs,
                                                    .min_budget = c->min_budget,
                                                    .max_budget = c->max_budget,
                                                    .today = c->daily_budget};
    }
    return MI_OK;
}

/* What spending less than the whole budget would gain: nothing where one more unit of it gains. The best
 * ratio is at next to no spend, which is no advice. */
static enum mi_status compare_at_most(struct plan *plan, struct mi_error *error) {
    enum mi_objective objective = plan->problem.objective;
    if (options.at_most || plan->allocation.price >= 0 || objective == MI_OBJECTIVE_ROI ||
        objective == MI_OBJECTIVE_ROAS)
        return MI_OK;
    struct mi_allocation_problem problem = plan->problem;
    struct mi_allocation less;
    problem.at_most = true;
    enum mi_status status = mi_allocate(&problem, &less, error);
    if (status)
        return status;
    double gain = less.objective - plan->allocation.objective;
    double kept_back = options.budget - less.total;
    if (gain > LOSS_RELATIVE * fabs(less.objective) && kept_back >= KEPT_LEAST) {
        plan->gain = gain;
        plan->kept_back = round(kept_back * 100) / 100;
    }
    mi_allocation_clear(&less);
    return MI_OK;
}

static void compute_outcomes(struct plan *plan) {
    plan->today_known = plan->campaigns.has_daily_budget;
    for (size_t i = 0; i < plan->campaigns.count; i++) {
        const struct campaign *c = &plan->campaigns.items[i];
        plan->recommended[i] =
            mi_outcome_at(&c->curve, c->predicted_ltv, &c->costs, plan->allocation.spend[i]);
        plan->today[i] = mi_outcome_at(&c->curve, c->predicted_ltv, &c->costs, c->daily_budget);
        plan->today_known &= !isnan(c->daily_budget);
    }
}

static enum mi_status allocate(struct plan *plan, struct mi_error *error) {
    enum mi_status status = mi_allocate(&plan->problem, &plan->allocation, error);
    if (!status)
        status = compare_at_most(plan, error);
    if (!status)
        compute_outcomes(plan);
    return status;
}

/* ---- what is said beside the rows ---- */

/* The objective's name, up to the next '|'. */
static const char *objective_name(void) {
    const char *name = objective_names;
    for (unsigned i = 0; i < options.objective; i++)
        name = strchr(name, '|') + 1;
    return name;
}

static void say_beyond_support(const struct plan *plan) {
    struct names names = {0};
    for (size_t i = 0; i < plan->campaigns.count; i++)
        if (plan->allocation.spend[i] > plan->campaigns.items[i].spend_supported * (1 + BEYOND_SUPPORT))
            add_name(&names, plan->campaigns.items[i].id);
    if (names.count > 0)
        note("%zu of %zu campaigns get more than their data support: %s", names.count, plan->campaigns.count,
             finish_names(&names));
}

static void say_findings(const struct plan *plan) {
    const struct mi_allocation *allocation = &plan->allocation;
    say_beyond_support(plan);
    if (plan->kept_back > 0)
        note("the budget cannot be spent whole without loss: --at-most would keep back %.2f and gain %.6g "
             "%.*s",
             plan->kept_back, plan->gain, (int)strcspn(objective_name(), "|"), objective_name());
    if (!isnan(allocation->upper_bound))
        detail("objective %.10g, no allocation has more than %.10g", allocation->objective,
               allocation->upper_bound);
}

/* ---- output ---- */

struct output {
    size_t recommended, change, curve, binding;
    struct level_columns levels;
};

static enum mi_status open_output(struct plan *plan, struct stream *stream, struct output *output,
                                  struct mi_error *error) {
    enum mi_status status = campaigns_output(&plan->campaigns, stream, level_names, error);
    output->curve = MI_NO_COLUMN;
    if (!status && plan->campaigns.curves_of_levels)
        status = mi_writer_column(stream->writer, "curve", &output->curve, error);
    if (!status)
        status = mi_writer_column(stream->writer, "recommended_budget", &output->recommended, error);
    if (!status)
        status = mi_writer_column(stream->writer, "change_pct", &output->change, error);
    if (!status)
        status = level_columns_open(&output->levels, stream, error);
    for (enum level_column i = 0; i < LEVEL_MAIN && !status; i++)
        status = level_columns_add(&output->levels, stream, i, error);
    return status ? status : mi_writer_column(stream->writer, "binding", &output->binding, error);
}

static enum mi_status write_row(const struct plan *plan, struct stream *stream, const struct output *output,
                                size_t i, struct mi_error *error) {
    static const char *const bindings[] = {NULL, "min", "max"};
    const struct campaign *campaign = &plan->campaigns.items[i];
    double spend = plan->allocation.spend[i];
    enum mi_status status =
        level_columns_set(&output->levels, stream, &plan->campaigns, campaign, &plan->recommended[i], error);
    if (status)
        return status;
    mi_writer_number(stream->writer, output->recommended, spend);
    mi_writer_number(stream->writer, output->change, (spend / campaign->daily_budget - 1) * 100);
    mi_writer_text(stream->writer, output->binding, mi_text_of(bindings[plan->allocation.binding[i]]));
    char *curve = NULL;
    if (output->curve != MI_NO_COLUMN) {
        curve = mi_curve_format(&campaign->curve);
        if (!curve)
            return mi_error_set(error, MI_NO_MEMORY, "out of memory");
        mi_writer_text(stream->writer, output->curve, mi_text_of(curve));
    }
    status = mi_writer_row(stream->writer, plan->campaigns.batch, campaign->row, error);
    free(curve);
    return status;
}

static enum mi_status write_rows(const struct plan *plan, struct stream *stream, const struct output *output,
                                 struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < plan->campaigns.count && !status; i++)
        status = write_row(plan, stream, output, i, error);
    return status;
}

/* ---- summary ---- */

static void put_outcome(struct json *json, const char *name, const struct mi_outcome *outcome) {
    json_open(json, name, '{');
    json_number(json, "spend", outcome->spend);
    json_number(json, "num_users", outcome->users);
    json_number(json, "predicted_cpa", outcome->cpa);
    json_number(json, "revenue", outcome->revenue);
    json_number(json, "predicted_roas", outcome->roas);
    json_number(json, "total_costs", outcome->total_costs);
    json_number(json, "profit", outcome->profit);
    json_number(json, "roi", outcome->roi);
    json_close(json, '}');
}

static void put_summary(const struct plan *plan, struct json *json) {
    struct mi_outcome recommended = mi_outcome_sum(plan->recommended, plan->campaigns.count);
    struct mi_outcome today = mi_outcome_sum(plan->today, plan->campaigns.count);
    recommended.spend = plan->allocation.total;
    json_open(json, NULL, '{');
    json_text(json, "objective", (struct mi_text){objective_name(), strcspn(objective_name(), "|")});
    json_number(json, "objective_value", plan->allocation.objective);
    json_number(json, "campaigns", (double)plan->campaigns.count);
    json_number(json, "budget", options.budget);
    json_number(json, "spend", plan->allocation.total);
    put_outcome(json, "recommended", &recommended);
    if (plan->today_known)
        put_outcome(json, "today", &today);
    else
        json_text(json, "today", (struct mi_text){0});
    if (plan->kept_back > 0) {
        json_open(json, "at_most", '{');
        json_number(json, "keeps_back", plan->kept_back);
        json_number(json, "gain", plan->gain);
        json_close(json, '}');
    } else {
        json_text(json, "at_most", (struct mi_text){0});
    }
    json_close(json, '}');
}

static enum mi_status write_summary(const struct plan *plan, struct mi_error *error) {
    struct json json = {.spread = true};
    if (!options.summary)
        return MI_OK;
    put_summary(plan, &json);
    enum mi_status status = json_finish(&json, error);
    if (!status)
        status = mi_file_write(options.summary, (struct mi_text){json.data, json.size}, error);
    json_free(&json);
    return status;
}

/* ---- run ---- */

static enum mi_status optimize(struct plan *plan, struct stream *stream, struct mi_error *error) {
    struct mi_objective_weights weights;
    struct output output;
    enum mi_status status = check_options(&weights, error);
    if (!status)
        status = campaigns_read(&plan->campaigns, stream, error);
    if (!status)
        status = check_expected(&plan->campaigns, error);
    if (!status)
        status = state_problem(plan, &weights, error);
    if (!status && plan->campaigns.count > 0)
        status = allocate(plan, error);
    if (status)
        return status;
    say_findings(plan);
    status = open_output(plan, stream, &output, error);
    if (!status)
        status = write_rows(plan, stream, &output, error);
    return status ? status : write_summary(plan, error);
}

static enum mi_status run(struct mi_error *error) {
    struct plan plan = {.allocation = {.upper_bound = NAN}};
    struct stream stream = {0};
    enum mi_status status = optimize(&plan, &stream, error);
    status = stream_close(&stream, status, error);
    mi_allocation_clear(&plan.allocation);
    free((void *)plan.problem.campaigns);
    free(plan.recommended);
    free(plan.today);
    campaigns_free(&plan.campaigns);
    return status;
}

static const struct command commands[] = {
    {.name = "allocate",
     .purpose = "allocate a total budget over campaigns",
     .input = "[FILE]",
     .details = details,
     .example = "mi-optimize --budget=20000 -o allocation.csv campaigns.csv",
     .options = option_table,
     .run = run},
    {.name = NULL},
};

int main(int argc, char **argv) {
    static const struct program program = {
        .name = "mi-optimize", .purpose = "allocate a total budget over campaigns", .commands = commands};
    return program_main(&program, argc, argv);
}
