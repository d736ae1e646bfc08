/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The rows and the summary of an allocation.
 */
#include "optimize/plan.h"

#include "common/levels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GAP_DIGITS 1e7 /* a gap of less is rounding */

struct output {
    size_t recommended, change, curve, binding, extra, information;
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
    if (!status)
        status = mi_writer_column(stream->writer, "binding", &output->binding, error);
    if (status || isnan(optimize_options.explore))
        return status;
    status = mi_writer_column(stream->writer, "explore", &output->extra, error);
    return status ? status
                  : mi_writer_column(stream->writer, "value_of_information", &output->information, error);
}

/* What keeps a campaign where it is. */
static struct mi_text binding_of(const struct plan *plan, size_t i) {
    static const char *const bindings[] = {NULL, "min", "max"};
    enum mi_binding binding = plan->allocation.binding[i];
    return binding == MI_BINDING_LIMIT ? plan->limits[plan->allocation.limit_binding[i]].name
                                       : mi_text_of(bindings[binding]);
}

static enum mi_status write_row(const struct plan *plan, struct stream *stream, const struct output *output,
                                size_t i, struct mi_error *error) {
    const struct campaign *campaign = &plan->campaigns.items[i];
    double spend = plan->allocation.spend[i];
    enum mi_status status =
        level_columns_set(&output->levels, stream, &plan->campaigns, campaign, &plan->recommended[i], error);
    if (status)
        return status;
    mi_writer_number(stream->writer, output->recommended, spend);
    mi_writer_number(stream->writer, output->change, (spend / campaign->daily_budget - 1) * 100);
    mi_writer_text(stream->writer, output->binding, binding_of(plan, i));
    if (!isnan(optimize_options.explore)) {
        mi_writer_number(stream->writer, output->extra, plan->exploration.extra[i]);
        mi_writer_number(stream->writer, output->information, plan->exploration.information[i]);
    }
    char *curve = NULL;
    if (output->curve != MI_NO_COLUMN) {
        curve = mi_curve_format(&campaign->curve);
        if (!curve)
            return no_memory(error);
        mi_writer_text(stream->writer, output->curve, mi_text_of(curve));
    }
    status = mi_writer_row(stream->writer, plan->campaigns.batch, campaign->row, error);
    free(curve);
    return status;
}

enum mi_status rows_write(struct plan *plan, struct stream *stream, struct mi_error *error) {
    struct output output;
    enum mi_status status = open_output(plan, stream, &output, error);
    for (size_t i = 0; i < plan->campaigns.count && !status; i++)
        status = write_row(plan, stream, &output, i, error);
    return status;
}

/* ---- summary ---- */

void put_outcome(struct json *json, const char *name, const struct mi_outcome *outcome) {
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

static void put_limits(const struct plan *plan, struct json *json) {
    json_open(json, "limits", '[');
    for (size_t l = 0; l < plan->limit_count && plan->allocation.limits; l++) {
        const struct mi_limit_result *result = &plan->allocation.limits[l];
        json_open(json, NULL, '{');
        json_text(json, "limit", plan->limits[l].name);
        json_number(json, "reached", result->reached);
        json_text(json, "binds", mi_text_of(result->binds ? "yes" : "no"));
        json_number(json, "shadow_price", result->price);
        json_close(json, '}');
    }
    json_close(json, ']');
}

double gap_percent(const struct mi_allocation *allocation) {
    return round(mi_allocation_gap(allocation) * 100 * GAP_DIGITS) / GAP_DIGITS;
}

static void put_certificate(const struct plan *plan, struct json *json) {
    const struct mi_allocation *a = &plan->allocation;
    bool least = plan->problem.objective == MI_OBJECTIVE_LEAST;
    const char *solver = optimize_options.solver == MI_SOLVER_GLOBAL ? "global" : "slsqp";
    json_text(json, "solver", mi_text_of(solver));
    json_number(json, "upper_bound", least ? NAN : a->upper_bound);
    json_number(json, "lower_bound", least ? -a->upper_bound : NAN);
    json_number(json, "gap_pct", gap_percent(a));
    json_number(json, "shadow_price", a->price);
    json_number(json, "next_1000", plan->next);
    put_limits(plan, json);
}

static void put_risk(struct json *json, const char *name, const struct mi_risk_figures *figures) {
    json_open(json, name, '{');
    json_number(json, "profit_mean", figures->mean);
    json_number(json, "profit_sd", figures->sd);
    json_number(json, "profit_lo", figures->quantile[0]);
    json_number(json, "profit_median", figures->quantile[1]);
    json_number(json, "profit_hi", figures->quantile[2]);
    json_number(json, "chance_of_loss", figures->chance_of_loss);
    json_close(json, '}');
}

/* What is uncertain, where anything is. */
static void put_uncertainty(const struct plan *plan, struct json *json) {
    const struct mi_exploration *e = &plan->exploration;
    if (plan->comparison.made) {
        json_number(json, "probability_better", plan->comparison.better);
        put_risk(json, "uncertainty_recommended", &plan->comparison.after);
        if (plan->today_known)
            put_risk(json, "uncertainty_today", &plan->comparison.before);
    }
    if (isnan(optimize_options.explore))
        return;
    json_open(json, "explore", '{');
    json_number(json, "spend", e->spent);
    json_number(json, "campaigns", (double)e->count);
    json_number(json, "cost", e->cost);
    json_number(json, "worth_at_most", e->worth);
    json_close(json, '}');
}

static void put_summary(const struct plan *plan, struct json *json) {
    struct mi_outcome recommended = mi_outcome_sum(plan->recommended, plan->campaigns.count);
    struct mi_outcome today = mi_outcome_sum(plan->today, plan->campaigns.count);
    bool least = plan->problem.objective == MI_OBJECTIVE_LEAST;
    recommended.spend = plan->allocation.total;
    json_open(json, NULL, '{');
    json_text(json, "objective", objective_text(plan));
    json_number(json, "objective_value", least ? -plan->allocation.objective : plan->allocation.objective);
    json_number(json, "campaigns", (double)plan->campaigns.count);
    json_number(json, "budget", optimize_options.budget);
    json_number(json, "spend", plan->allocation.total);
    put_certificate(plan, json);
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
    put_uncertainty(plan, json);
    json_close(json, '}');
}

enum mi_status summary_write(const struct plan *plan, struct mi_error *error) {
    struct json json = {.spread = true};
    if (!optimize_options.summary)
        return MI_OK;
    put_summary(plan, &json);
    return json_write(&json, optimize_options.summary, error);
}
