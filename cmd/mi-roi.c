/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-roi: what is left when all costs are paid. `predict` adds costs, profit and ROI to the chain's rows;
 * `summary` makes one nested record a campaign: trajectories, the most profitable spend, and the risk.
 */
#include "common/campaigns.h"
#include "common/costs.h"
#include "common/json.h"

#include <math.h>
#include <stdarg.h>
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

enum { PROFIT_LO, PROFIT_HI, ROI_LO, ROI_HI, BAND_SLOTS };

static const char *const band_names[BAND_SLOTS] = {"profit_lo", "profit_hi", "roi_lo", "roi_hi"};

struct predict {
    struct stream stream;
    struct cost_columns costs;
    size_t spend, revenue, slots[SLOTS];
    size_t roas[2], band_slots[BAND_SLOTS]; /* roas_lo, roas_hi; MI_NO_COLUMN: not there */
};

/* The 80 % bands: costs are known at a spend, so that the ends of ROAS give those of profit and ROI. */
static enum mi_status set_bands(const struct predict *p, struct stream *stream, const struct mi_batch *batch,
                                size_t row, double spend, double total, struct mi_error *error) {
    for (size_t i = 0; i < 2; i++) {
        double roas;
        enum mi_status status = mi_batch_number(batch, row, p->roas[i], MI_MONEY, &roas, error);
        if (status)
            return status;
        const double profit = roas * spend - total;
        mi_writer_number(stream->writer, p->band_slots[PROFIT_LO + i], profit);
        mi_writer_number(stream->writer, p->band_slots[ROI_LO + i], spend > 0 ? profit / total * 100 : NAN);
    }
    return MI_OK;
}

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
    if (!status)
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
        [OVERHEAD] = spend > 0 ? (costs.total - spend) / spend * 100 : NAN,
        [PROFIT] = profit,
        [ROI] = spend > 0 ? profit / costs.total * 100 : NAN,
    };
    for (size_t i = 0; i < SLOTS; i++)
        mi_writer_number(stream->writer, p->slots[i], values[i]);
    if (p->band_slots[0] != MI_NO_COLUMN)
        status = set_bands(p, stream, batch, row, spend, costs.total, error);
    return status ? status : mi_writer_row(stream->writer, batch, row, error);
}

static enum mi_status predict(struct predict *p, struct mi_error *error) {
    struct stream *stream = &p->stream;
    enum mi_status status = stream_open(stream, false, error);
    if (!status)
        status = mi_reader_column(stream->reader, "spend", true, &p->spend, error);
    if (!status)
        status = mi_reader_column(stream->reader, "revenue", true, &p->revenue, error);
    if (!status)
        status = mi_reader_column(stream->reader, "roas_lo", false, &p->roas[0], error);
    if (!status)
        status = mi_reader_column(stream->reader, "roas_hi", false, &p->roas[1], error);
    if (!status)
        status = cost_columns_open(&p->costs, stream->reader, error);
    p->costs.rates_given = true; /* the parts are computed here: costs that come must be their sum */
    if (!status)
        status = stream_output(stream, true, error);
    for (size_t i = 0; i < SLOTS && !status; i++)
        status = mi_writer_column(stream->writer, slot_names[i], &p->slots[i], error);
    p->band_slots[0] = MI_NO_COLUMN;
    const bool banded = p->roas[0] != MI_NO_COLUMN && p->roas[1] != MI_NO_COLUMN;
    for (size_t i = 0; i < BAND_SLOTS && banded && !status; i++)
        status = mi_writer_column(stream->writer, band_names[i], &p->band_slots[i], error);
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
#define RETURN_HALVINGS 60   /* of the search for the best return */

struct optimum {
    double low, high; /* what was searched; high may be infinite */
    bool supported;   /* high is where the data end, not max_budget */
    double spend;
    struct mi_outcome outcome;
    double marginal_before; /* profit of the last unit of spend there, and of one more: they differ at the */
    double marginal_after;  /* kinks of points */
};

static double marginal_profit(const struct campaign *campaign, double spend) {
    return campaign->predicted_ltv * mi_curve_slope(&campaign->curve, spend) - campaign->costs.rate;
}

/* Searches the budget's limits; where there is no upper one, up to where the data end, if that is known. */
static struct optimum find_optimum(const struct campaign *campaign) {
    struct optimum optimum = {.low = campaign->min_budget, .high = campaign->max_budget};
    if (isinf(optimum.high) && !isnan(campaign->spend_supported)) {
        optimum.high = fmax(optimum.low, campaign->spend_supported);
        optimum.supported = true;
    }
    optimum.spend = mi_curve_best_spend(&campaign->curve, campaign->predicted_ltv, campaign->costs.rate,
                                        optimum.low, optimum.high);
    optimum.outcome =
        mi_outcome_at(&campaign->curve, campaign->predicted_ltv, &campaign->costs, optimum.spend);
    optimum.marginal_before = marginal_profit(campaign, optimum.spend);
    optimum.marginal_after = marginal_profit(campaign, nextafter(optimum.spend, INFINITY));
    return optimum;
}

/* The most revenue that a unit of spend brings anywhere up to `high`: the costs per unit of spend at which
 * the best spend becomes 0. Asked where that is below the real costs. */
static double best_return(const struct campaign *campaign, double high) {
    double low = 0, top = campaign->costs.rate;
    for (int i = 0; i < RETURN_HALVINGS; i++) {
        double middle = low + (top - low) / 2;
        if (mi_curve_best_spend(&campaign->curve, campaign->predicted_ltv, middle, 0, high) > 0)
            low = middle;
        else
            top = middle;
    }
    return low;
}

/* ---- summary: why there ---- */

/* The text of the reasoning as it grows; what does not fit is cut off. */
struct words {
    char text[480];
    size_t size;
};

static void __attribute__((format(printf, 2, 3))) say(struct words *words, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(words->text + words->size, sizeof words->text - words->size, format, arguments);
    va_end(arguments);
    if (n > 0)
        words->size += (size_t)n;
    if (words->size >= sizeof words->text)
        words->size = sizeof words->text - 1;
}

static void say_money(struct words *words, const char *before, double money) {
    say(words, money == 0 || fabs(money) >= 1 ? "%s%.2f" : "%s%.4g", before, money);
}

/* "loses 0.3", with would: "would lose 0.3" */
static void say_marginal(struct words *words, double profit, bool would) {
    if (fabs(profit) <= MARGINAL_LITTLE)
        say(words, would ? "would earn nothing" : "earns nothing");
    else if (profit > 0)
        say(words, would ? "would still earn %.4g" : "earns %.4g", profit);
    else
        say(words, would ? "would lose %.4g" : "loses %.4g", -profit);
}

/* There is one spend only. */
static void explain_fixed(struct words *words, const struct campaign *campaign,
                          const struct optimum *optimum) {
    if (optimum->supported && optimum->low == 0) {
        say(words, "the data support no spend");
        return;
    }
    say_money(words, "", optimum->spend);
    if (optimum->supported)
        say_money(words, " is min_budget, and the data support no more than ", campaign->spend_supported);
    else
        say(words, " is both min_budget and max_budget");
    if (!isfinite(optimum->marginal_after)) /* at no spend some curves have no slope */
        return;
    say(words, ": one more unit of spend ");
    say_marginal(words, optimum->marginal_after, true);
}

static void explain_no_spend(struct words *words, const struct campaign *campaign,
                             const struct optimum *optimum) {
    say(words, "no spend is profitable: ");
    if (isinf(optimum->high))
        say(words, "at any spend");
    else
        say_money(words, "up to ", optimum->high);
    say(words, "%s a unit of spend brings back at most %.4g and costs %.4g",
        isinf(optimum->high) ? ""
        : optimum->supported ? " (the highest spend that the data support)"
                             : " (max_budget)",
        best_return(campaign, optimum->high), campaign->costs.rate);
}

static void explain_low(struct words *words, const struct optimum *optimum) {
    say_money(words, "", optimum->spend);
    say(words, " is min_budget: one more unit of spend ");
    say_marginal(words, optimum->marginal_after, true);
    if (isinf(optimum->high))
        say(words, ", and no higher spend is more profitable");
    else
        say_money(words, ", and no higher spend is more profitable, up to ", optimum->high);
}

static void explain_high(struct words *words, const struct optimum *optimum) {
    say_money(words, "", optimum->spend);
    say(words, " is %s: ", optimum->supported ? "the highest spend that the data support" : "max_budget");
    if (optimum->marginal_after <= MARGINAL_LITTLE && optimum->marginal_before > MARGINAL_LITTLE)
        say(words, "the last unit of spend earns %.4g, and one more ", optimum->marginal_before);
    else
        say(words, "one more unit of spend ");
    say_marginal(words, optimum->marginal_after, true);
}

static void explain_inner(struct words *words, const struct campaign *campaign,
                          const struct optimum *optimum) {
    if (optimum->marginal_before > MARGINAL_LITTLE) { /* a kink */
        say_money(words, "up to ", optimum->spend);
        say(words, " one more unit of spend earns %.4g, beyond it ", optimum->marginal_before);
        say_marginal(words, optimum->marginal_after, false);
        return;
    }
    say_money(words, "at ", optimum->spend);
    say(words, " one more unit of spend ");
    say_marginal(words, optimum->marginal_after, false);
    say(words, ": the next user costs %.6g with all costs, and is worth %.6g",
        campaign->costs.rate / mi_curve_slope(&campaign->curve, optimum->spend), campaign->predicted_ltv);
}

/* Why this spend: true words, from the marginal profit there. */
static void explain(struct words *words, const struct campaign *campaign, const struct optimum *optimum) {
    *words = (struct words){.size = 0};
    if (optimum->low >= optimum->high)
        explain_fixed(words, campaign, optimum);
    else if (optimum->spend == 0)
        explain_no_spend(words, campaign, optimum);
    else if (optimum->spend <= optimum->low)
        explain_low(words, optimum);
    else if (optimum->spend >= optimum->high)
        explain_high(words, optimum);
    else
        explain_inner(words, campaign, optimum);
    if (!optimum->supported && optimum->spend > campaign->spend_supported)
        say_money(words, "; the data support spends up to ", campaign->spend_supported);
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

/* What the trajectories of CPA and ROAS share. */
static void put_level(struct json *json, const struct mi_outcome *outcome, double saturation) {
    json_open(json, NULL, '{');
    json_number(json, "spend", outcome->spend);
    json_number(json, "predicted_cpa", outcome->cpa);
    json_number(json, "num_users", outcome->users);
    json_number(json, "saturation_level", saturation);
}

/* The members that roi_trajectory and optimal_spend share. */
static void put_outcome(struct json *json, const struct mi_outcome *outcome) {
    json_open(json, NULL, '{');
    json_number(json, "spend", outcome->spend);
    json_number(json, "revenue", outcome->revenue);
    json_number(json, "total_costs", outcome->total_costs);
    json_number(json, "roi", outcome->roi);
    json_number(json, "profit", outcome->profit);
}

static void put_trajectories(struct summary *s, const struct campaign *campaign) {
    struct json *cpa = &s->parts[CPA_TRAJECTORY], *roas = &s->parts[ROAS_TRAJECTORY],
                *roi = &s->parts[ROI_TRAJECTORY];
    json_open(cpa, NULL, '[');
    json_open(roas, NULL, '[');
    json_open(roi, NULL, '[');
    for (size_t i = 0; i < campaign->level_count; i++) {
        const struct level *level = &campaign->levels[i];
        if (isnan(level->spend))
            continue;
        const struct mi_outcome outcome = level_outcome(campaign, level);
        const double saturation =
            isnan(level->saturation) ? campaign_saturation(campaign, level->spend) : level->saturation;
        put_level(cpa, &outcome, saturation);
        json_close(cpa, '}');
        put_level(roas, &outcome, saturation);
        json_number(roas, "predicted_roas", outcome.roas);
        json_close(roas, '}');
        put_outcome(roi, &outcome);
        json_close(roi, '}');
    }
    json_close(cpa, ']');
    json_close(roas, ']');
    json_close(roi, ']');
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
    struct words reasoning;
    explain(&reasoning, campaign, optimum);
    put_outcome(json, &optimum->outcome);
    json_text(json, "reasoning", mi_text_of(reasoning.text));
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
                 floor(saturation * 1000) / 10); /* cut off: never the number of the next word */
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
