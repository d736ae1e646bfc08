/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-roi: what is left when all costs are paid. `predict` adds costs, profit and ROI to the chain's rows;
 * `summary` makes one nested record a campaign: trajectories, the most profitable spend, and the risk.
 */
#include "common/campaigns.h"
#include "common/costs.h"
#include "common/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct option_spec predict_options[] = {COST_OPTIONS, {.name = NULL}};

static const char predict_details[] =
    "Reads spend and revenue, and has_agency, creative_production_cost,\n"
    "creative_lifetime_days where there. Adds cost_attribution_platform, cost_agency,\n"
    "cost_creative, cost_infrastructure, cost_team, total_costs, cost_rate (per unit of\n"
    "spend), cost_fixed (a day), overhead_pct, profit, roi (percent).\n"
    "A filter: reads its input once, in little memory.\n";

static const char summary_details[] =
    "Reads the rows of mi-roi, one a campaign and level: campaign_id, predicted_ltv,\n"
    "curve (else points are made of the levels), spend, predicted_cpa; where there\n"
    "ltv_confidence, ltv_sample_size, saturation_level, min_budget, max_budget,\n"
    "curve_spend_max, cost_rate and cost_fixed. Writes one record a campaign:\n"
    "predicted_ltv_per_user, cpa_trajectory, roas_trajectory, roi_trajectory,\n"
    "optimal_spend, risk_analysis, each nested (in CSV one field of JSON).\n"
    "Holds its input in memory and reads it once.\n";

/* ---- predict ---- */

enum {
    ATTRIBUTION_PLATFORM,
    AGENCY,
    CREATIVE,
    INFRASTRUCTURE,
    TEAM,
    TOTAL_COSTS,
    COST_RATE,
    COST_FIXED,
    OVERHEAD,
    PROFIT,
    ROI,
    SLOTS
};

static const char *const slot_names[SLOTS] = {
    "cost_attribution_platform",
    "cost_agency",
    "cost_creative",
    "cost_infrastructure",
    "cost_team",
    "total_costs",
    "cost_rate",
    "cost_fixed",
    "overhead_pct",
    "profit",
    "roi",
};

struct predict {
    struct stream stream;
    struct cost_columns costs;
    size_t spend, revenue, slots[SLOTS];
};

static enum mi_status predict_row(void *context, struct stream *stream, const struct mi_batch *batch,
                                  size_t row, struct mi_error *error) {
    const struct predict *p = context;
    const unsigned rules = MI_FILLED | MI_MONEY;
    double spend, revenue;
    struct cost_facts facts;
    struct mi_campaign_costs campaign;
    enum mi_status status = mi_batch_number(batch, row, p->spend, rules, &spend, error);
    if (!status)
        status = mi_batch_number(batch, row, p->revenue, rules, &revenue, error);
    if (!status)
        status = cost_columns_facts(&p->costs, batch, row, &facts, error);
    if (!status) /* costs that came with the stream must be those computed here */
        status = cost_columns_row(&p->costs, batch, row, &campaign, error);
    if (status)
        return status;
    const struct mi_costs costs =
        mi_costs_at(&p->costs.rates, facts.has_agency, facts.creative_cost, facts.lifetime_days, spend);
    const double profit = revenue - costs.total;
    const double values[SLOTS] = {
        [ATTRIBUTION_PLATFORM] = costs.attribution_platform,
        [AGENCY] = costs.agency,
        [CREATIVE] = costs.creative,
        [INFRASTRUCTURE] = costs.infrastructure,
        [TEAM] = costs.team,
        [TOTAL_COSTS] = costs.total,
        [COST_RATE] = campaign.rate,
        [COST_FIXED] = campaign.fixed,
        [OVERHEAD] = spend > 0 ? (costs.total / spend - 1) * 100 : NAN,
        [PROFIT] = profit,
        [ROI] = spend > 0 ? profit / costs.total * 100 : NAN,
    };
    for (size_t i = 0; i < SLOTS; i++)
        mi_writer_number(stream->writer, p->slots[i], values[i]);
    return mi_writer_row(stream->writer, batch, row, error);
}

static enum mi_status predict(struct predict *p, struct mi_error *error) {
    struct stream *stream = &p->stream;
    enum mi_status status = stream_open(stream, false, error);
    if (!status)
        status = mi_reader_column(stream->reader, "spend", true, &p->spend, error);
    if (!status)
        status = mi_reader_column(stream->reader, "revenue", true, &p->revenue, error);
    if (!status)
        status = cost_columns_open(&p->costs, stream->reader, error);
    p->costs.rates_given = true;
    if (!status)
        status = stream_output(stream, true, error);
    for (size_t i = 0; i < SLOTS && !status; i++)
        status = mi_writer_column(stream->writer, slot_names[i], &p->slots[i], error);
    return status ? status : stream_each_row(stream, predict_row, p, error);
}

static enum mi_status run_predict(struct mi_error *error) {
    struct predict p = {0};
    enum mi_status status = predict(&p, error);
    return stream_close(&p.stream, status, error);
}

/* ---- summary: the most profitable spend ---- */

#define LTV_CHANGE      0.1  /* of the downside and the upside */
#define RISK_MODERATE   0.5  /* saturation from which the risk is moderate */
#define RISK_HIGH       0.75 /* and high */
#define MARGINAL_LITTLE 1e-6 /* a marginal profit as small as this is 0 */

struct optimum {
    double spend;
    bool at_low, at_high; /* it stands at the lower or upper end of what was searched */
    bool supported;       /* that end is where the data end, not a budget limit */
    struct mi_outcome outcome;
    double marginal_profit; /* of one more unit of spend there; NaN: the curve has no slope there */
    double marginal_before; /* the same just below, at the kinks of points */
};

static double marginal_profit(const struct campaign *campaign, double spend) {
    return campaign->predicted_ltv * mi_curve_slope(&campaign->curve, spend) - campaign->costs.rate;
}

/* How far the search goes: the budget's limit, else the data's end, else no end. */
static struct optimum find_optimum(const struct campaign *campaign) {
    double low = campaign->min_budget, high = campaign->max_budget;
    struct optimum optimum = {0};
    if (isinf(high) && !isnan(campaign->spend_supported)) {
        high = fmax(low, campaign->spend_supported);
        optimum.supported = true;
    }
    optimum.spend =
        mi_curve_best_spend(&campaign->curve, campaign->predicted_ltv, campaign->costs.rate, low, high);
    optimum.at_low = optimum.spend <= low;
    optimum.at_high = !optimum.at_low && optimum.spend >= high;
    optimum.outcome =
        mi_outcome_at(&campaign->curve, campaign->predicted_ltv, &campaign->costs, optimum.spend);
    optimum.marginal_before = marginal_profit(campaign, optimum.spend);
    optimum.marginal_profit = marginal_profit(campaign, nextafter(optimum.spend, INFINITY));
    return optimum;
}

/* Why this spend, in words, from the marginal profit there. */
static void explain(const struct campaign *campaign, const struct optimum *optimum, char *out, size_t size) {
    const double next = optimum->marginal_profit, spend = optimum->spend;
    const char *limit = optimum->supported ? "the highest spend that the data support" : "max_budget";
    if (optimum->at_high && next > MARGINAL_LITTLE)
        snprintf(out, size, "%.2f is %s: one more unit of spend would still earn %.4g", spend, limit, next);
    else if (optimum->at_high)
        snprintf(out, size,
                 "%.2f is %s: up to there one more unit of spend earns %.4g, and the curve ends there", spend,
                 limit, optimum->marginal_before);
    else if (optimum->at_low && spend > 0)
        snprintf(out, size, "%.2f is min_budget: %s (one more unit of spend there %s %.4g)", spend,
                 "no higher spend within the limits is more profitable", next < 0 ? "loses" : "earns",
                 fabs(next));
    else if (optimum->at_low)
        snprintf(out, size,
                 "no spend is profitable: at %s the LTV of %.6g pays for no user at costs of %.6g "
                 "per unit of spend",
                 isinf(campaign->max_budget) ? "any level" : "any level up to max_budget",
                 campaign->predicted_ltv, campaign->costs.rate);
    else if (optimum->marginal_before > MARGINAL_LITTLE)
        snprintf(out, size, "up to %.2f one more unit of spend earns %.4g, beyond it %s %.4g", spend,
                 optimum->marginal_before, next < 0 ? "loses" : "earns", fabs(next));
    else
        snprintf(out, size,
                 "at %.2f one more unit of spend earns nothing (marginal profit %.2g): the next user costs "
                 "%.6g with all costs, and is worth %.6g",
                 spend, fabs(next) < MARGINAL_LITTLE ? 0 : next,
                 campaign->costs.rate / mi_curve_slope(&campaign->curve, spend), campaign->predicted_ltv);
}

/* ---- summary: the record ---- */

enum { LTV, CPA_TRAJECTORY, ROAS_TRAJECTORY, ROI_TRAJECTORY, OPTIMAL_SPEND, RISK_ANALYSIS, PARTS };

static const char *const part_names[PARTS] = {"predicted_ltv_per_user", "cpa_trajectory", "roas_trajectory",
                                              "roi_trajectory",         "optimal_spend",  "risk_analysis"};

struct summary {
    struct stream stream;
    struct campaigns campaigns;
    size_t confidence, sample_size; /* columns read */
    size_t slots[PARTS];
    struct json parts[PARTS];
};

static struct mi_outcome level_outcome(const struct campaign *campaign, const struct level *level) {
    double users = level->spend > 0 ? level->spend / level->cpa : 0;
    if (isnan(users))
        users = mi_curve_users(&campaign->curve, level->spend);
    return mi_outcome_of(level->spend, users, campaign->predicted_ltv, &campaign->costs);
}

static void put_trajectories(struct summary *s, const struct campaign *campaign) {
    struct json *cpa = &s->parts[CPA_TRAJECTORY], *roas = &s->parts[ROAS_TRAJECTORY],
                *roi = &s->parts[ROI_TRAJECTORY];
    for (size_t i = CPA_TRAJECTORY; i <= ROI_TRAJECTORY; i++)
        json_open(&s->parts[i], NULL, '[');
    for (size_t i = 0; i < campaign->level_count; i++) {
        const struct level *level = &campaign->levels[i];
        if (isnan(level->spend))
            continue;
        struct mi_outcome outcome = level_outcome(campaign, level);
        double saturation =
            isnan(level->saturation) ? campaign_saturation(campaign, level->spend) : level->saturation;
        for (struct json *json = cpa; json <= roas; json++) {
            json_open(json, NULL, '{');
            json_number(json, "spend", outcome.spend);
            json_number(json, "predicted_cpa", outcome.cpa);
            json_number(json, "num_users", outcome.users);
            json_number(json, "saturation_level", saturation);
        }
        json_number(roas, "revenue", outcome.revenue);
        json_number(roas, "predicted_roas", outcome.roas);
        json_close(cpa, '}');
        json_close(roas, '}');
        json_open(roi, NULL, '{');
        json_number(roi, "spend", outcome.spend);
        json_number(roi, "revenue", outcome.revenue);
        json_number(roi, "total_costs", outcome.total_costs);
        json_number(roi, "roi", outcome.roi);
        json_number(roi, "profit", outcome.profit);
        json_close(roi, '}');
    }
    for (size_t i = CPA_TRAJECTORY; i <= ROI_TRAJECTORY; i++)
        json_close(&s->parts[i], ']');
}

static enum mi_status put_ltv(struct summary *s, const struct campaign *campaign, struct mi_text confidence,
                              struct mi_error *error) {
    struct json *json = &s->parts[LTV];
    double sample_size;
    enum mi_status status =
        mi_batch_number(s->campaigns.batch, campaign->row, s->sample_size, MI_MONEY, &sample_size, error);
    json_open(json, NULL, '{');
    json_number(json, "ltv", campaign->predicted_ltv);
    json_text(json, "confidence", confidence);
    json_number(json, "sample_size", sample_size);
    json_close(json, '}');
    return status;
}

static void put_optimum(struct json *json, const struct campaign *campaign, const struct optimum *optimum) {
    char reasoning[320];
    explain(campaign, optimum, reasoning, sizeof reasoning);
    json_open(json, NULL, '{');
    json_number(json, "spend", optimum->spend);
    json_number(json, "revenue", optimum->outcome.revenue);
    json_number(json, "total_costs", optimum->outcome.total_costs);
    json_number(json, "roi", optimum->outcome.roi);
    json_number(json, "profit", optimum->outcome.profit);
    json_text(json, "reasoning", mi_text_of(reasoning));
    json_close(json, '}');
}

/* Profit and ROI at the optimum were the LTV another. */
static void put_ltv_scenario(struct json *json, const char *scenario, const char *name,
                             const struct campaign *campaign, const struct optimum *optimum, double factor) {
    struct mi_outcome outcome = mi_outcome_of(optimum->spend, optimum->outcome.users,
                                              campaign->predicted_ltv * factor, &campaign->costs);
    json_open(json, scenario, '{');
    json_open(json, name, '{');
    json_number(json, "profit", outcome.profit);
    json_number(json, "roi", outcome.roi);
    json_close(json, '}');
    json_close(json, '}');
}

static void put_risk(struct json *json, const struct campaign *campaign, const struct optimum *optimum,
                     struct mi_text confidence) {
    double saturation = campaign_saturation(campaign, optimum->spend);
    char risk[64];
    if (isnan(saturation))
        snprintf(risk, sizeof risk, "not known: the curve has no ceiling");
    else
        snprintf(risk, sizeof risk, "%s (%.1f%% of the ceiling)",
                 saturation < RISK_MODERATE ? "low"
                 : saturation < RISK_HIGH   ? "moderate"
                                            : "high",
                 saturation * 100);
    json_open(json, NULL, '{');
    json_text(json, "ltv_confidence", confidence);
    json_text(json, "saturation_risk", mi_text_of(risk));
    put_ltv_scenario(json, "downside_scenario", "if_ltv_10pct_lower", campaign, optimum, 1 - LTV_CHANGE);
    put_ltv_scenario(json, "upside_scenario", "if_ltv_10pct_higher", campaign, optimum, 1 + LTV_CHANGE);
    json_close(json, '}');
}

static enum mi_status write_record(struct summary *s, const struct campaign *campaign,
                                   struct mi_error *error) {
    struct mi_text confidence;
    const struct optimum optimum = find_optimum(campaign);
    for (size_t i = 0; i < PARTS; i++)
        json_reset(&s->parts[i]);
    if (isnan(optimum.spend))
        return mi_batch_fault(s->campaigns.batch, campaign->row, MI_NO_COLUMN, error,
                              "campaign '%.*s': min_budget is above max_budget", (int)campaign->id.size,
                              campaign->id.data);
    enum mi_status status =
        mi_batch_text(s->campaigns.batch, campaign->row, s->confidence, &confidence, error);
    if (!status)
        status = put_ltv(s, campaign, confidence, error);
    if (status)
        return status;
    put_trajectories(s, campaign);
    put_optimum(&s->parts[OPTIMAL_SPEND], campaign, &optimum);
    put_risk(&s->parts[RISK_ANALYSIS], campaign, &optimum, confidence);
    for (size_t i = 0; i < PARTS; i++) {
        if (json_finish(&s->parts[i], error))
            return MI_NO_MEMORY;
        mi_writer_json(s->stream.writer, s->slots[i], (struct mi_text){s->parts[i].data, s->parts[i].size});
    }
    return mi_writer_row(s->stream.writer, s->campaigns.batch, campaign->row, error);
}

/* Opens the output; of the columns read only the id passes, as it came. */
static enum mi_status output_id_alone(struct stream *stream, struct mi_error *error) {
    size_t id;
    enum mi_status status = mi_reader_column(stream->reader, "campaign_id", true, &id, error);
    if (!status)
        status = stream_output(stream, true, error);
    for (size_t i = 0; i < mi_reader_column_count(stream->reader) && !status; i++)
        if (i != id)
            status = mi_writer_drop(stream->writer, i, error);
    return status;
}

static enum mi_status summarise(struct summary *s, struct mi_error *error) {
    enum mi_status status = campaigns_read(&s->campaigns, &s->stream, error);
    if (!status)
        status = mi_reader_column(s->stream.reader, "ltv_confidence", false, &s->confidence, error);
    if (!status)
        status = mi_reader_column(s->stream.reader, "ltv_sample_size", false, &s->sample_size, error);
    if (!status)
        status = output_id_alone(&s->stream, error);
    for (size_t i = 0; i < PARTS && !status; i++)
        status = mi_writer_column(s->stream.writer, part_names[i], &s->slots[i], error);
    for (size_t i = 0; i < s->campaigns.count && !status; i++)
        status = write_record(s, &s->campaigns.items[i], error);
    return status;
}

static enum mi_status run_summary(struct mi_error *error) {
    struct summary s = {0};
    enum mi_status status = summarise(&s, error);
    status = stream_close(&s.stream, status, error);
    for (size_t i = 0; i < PARTS; i++)
        json_free(&s.parts[i]);
    campaigns_free(&s.campaigns);
    return status;
}

static const struct command commands[] = {
    {.name = "predict",
     .purpose = "costs, profit and ROI of each campaign and level",
     .input = "[FILE]",
     .details = predict_details,
     .example = "mi-cpa -c curves.csv campaigns.csv | mi-roas | mi-roi",
     .options = predict_options,
     .run = run_predict},
    {.name = "summary",
     .purpose = "one nested record a campaign: trajectories, optimal spend, risk",
     .input = "[FILE]",
     .details = summary_details,
     .example = "mi-roi levels.csv | mi-roi summary -O ndjson",
     .options = predict_options,
     .run = run_summary},
    {.name = NULL},
};

int main(int argc, char **argv) {
    static const struct program program = {
        .name = "mi-roi", .purpose = "what is left when all costs are paid", .commands = commands};
    return program_main(&program, argc, argv);
}
