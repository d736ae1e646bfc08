/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * --days: a plan for each day ahead, a row a campaign and day.
 */
#include "optimize/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct days {
    struct plan *plan;
    size_t count;              /* of days */
    double *factor;            /* of users: campaign by campaign, day by day */
    double *effective, *spend; /* the same */
    struct mi_day_plan day_plan;
};

/* Factors of the season: day, factor and, where a row is for one campaign, campaign_id. */
static enum mi_status read_season(struct days *d, struct mi_error *error) {
    struct mi_reader *reader = NULL;
    struct mi_batch *batch;
    size_t day_column, factor_column, id_column;
    enum mi_status status = table_open(optimize_options.season, &reader, &batch, error);
    if (!status)
        status = mi_reader_column(reader, "day", true, &day_column, error);
    if (!status)
        status = mi_reader_column(reader, "factor", true, &factor_column, error);
    if (!status)
        status = mi_reader_column(reader, "campaign_id", false, &id_column, error);
    for (size_t row = 0; !status && row < mi_batch_rows(batch); row++) {
        double day, factor;
        struct mi_text id;
        status = mi_batch_number(batch, row, day_column, MI_FILLED | MI_MONEY, &day, error);
        if (!status)
            status = mi_batch_number(batch, row, factor_column, MI_FILLED | MI_MONEY, &factor, error);
        if (!status)
            status = mi_batch_text(batch, row, id_column, &id, error);
        if (status)
            break;
        if (day != floor(day) || day < 1)
            status = mi_batch_fault(batch, row, day_column, error, "is no day: 1 is the first one ahead");
        bool named = !id.data;
        for (size_t i = 0; i < d->plan->campaigns.count && !status && day <= (double)d->count; i++) {
            if (id.data && !mi_text_equal(id, d->plan->campaigns.items[i].id))
                continue;
            named = true;
            d->factor[i * d->count + (size_t)day - 1] = factor;
        }
        if (!status && !named && day <= (double)d->count)
            status = mi_batch_fault(batch, row, id_column, error, "there is no such campaign");
    }
    mi_reader_close(reader);
    return status;
}

/* ---- output ---- */

enum { DAY, RECOMMENDED, SPEND, EFFECTIVE, FACTOR, USERS, REVENUE, COSTS, PROFIT, COLUMNS };

static const char *const names[COLUMNS + 1] = {
    "day",     "recommended_budget", "spend", "effective_spend", "season_factor", "num_users",
    "revenue", "total_costs",        "profit"};

static enum mi_status write(struct days *d, struct stream *stream, double *totals, struct mi_error *error) {
    const struct campaigns *campaigns = &d->plan->campaigns;
    size_t slots[COLUMNS];
    enum mi_status status = campaigns_output(campaigns, stream, names, error);
    for (size_t i = 0; i < COLUMNS && !status; i++)
        status = mi_writer_column(stream->writer, names[i], &slots[i], error);
    for (size_t k = 0; k < campaigns->count * d->count && !status; k++) {
        const struct campaign *c = &campaigns->items[k / d->count];
        double users = d->factor[k] * mi_curve_users(&c->curve, d->effective[k]);
        struct mi_outcome outcome = mi_outcome_of(d->spend[k], users, c->predicted_ltv, &c->costs);
        const double values[COLUMNS] = {(double)(k % d->count + 1),
                                        d->spend[k],
                                        d->spend[k],
                                        d->effective[k],
                                        d->factor[k],
                                        users,
                                        outcome.revenue,
                                        outcome.total_costs,
                                        outcome.profit};
        for (size_t i = 0; i < COLUMNS; i++)
            mi_writer_number(stream->writer, slots[i], values[i]);
        totals[0] += d->spend[k];
        totals[1] += users;
        totals[2] += outcome.revenue;
        totals[3] += outcome.profit;
        status = mi_writer_row(stream->writer, campaigns->batch, c->row, error);
    }
    return status;
}

static enum mi_status write_summary(const struct days *d, const double *totals, struct mi_error *error) {
    struct json json = {.spread = true};
    if (!optimize_options.summary)
        return MI_OK;
    json_open(&json, NULL, '{');
    json_text(&json, "objective", objective_text(d->plan));
    json_number(&json, "days", (double)d->count);
    json_number(&json, "budget", optimize_options.budget);
    json_number(&json, "spend", round(totals[0] * 100) / 100);
    json_number(&json, "num_users", totals[1]);
    json_number(&json, "revenue", totals[2]);
    json_number(&json, "profit", totals[3]);
    json_number(&json, "objective_value", d->day_plan.objective);
    json_number(&json, "upper_bound", d->day_plan.upper_bound);
    json_close(&json, '}');
    return json_write(&json, optimize_options.summary, error);
}

static double adstock_or(const struct campaign *campaign, double otherwise) {
    return isnan(campaign->adstock) ? otherwise : campaign->adstock;
}

/* Carry-over, which is one for the whole plan: the option, or what the curves are free of. */
static enum mi_status find_carry(const struct plan *plan, double *carry, struct mi_error *error) {
    const struct optimize_options *o = &optimize_options;
    const struct campaign *all = plan->campaigns.items;
    bool given = !isnan(o->carry_over);
    *carry = given ? o->carry_over : plan->campaigns.count > 0 ? adstock_or(&all[0], 0) : 0;
    for (size_t i = 0; i < plan->campaigns.count; i++)
        if (adstock_or(&all[i], given ? *carry : 0) != *carry)
            return mi_error_set(error, MI_BAD_INPUT,
                                "campaign '%.*s': curve_adstock is not the carry-over of %g that %s",
                                (int)all[i].id.size, all[i].id.data, *carry,
                                given ? "--carry-over gives" : "the first campaign has");
    if (*carry > 0 && (o->at_most || !isnan(o->step) || o->min_or_nothing))
        return mi_error_set(error, MI_BAD_ARGUMENT,
                            "carry-over takes no --at-most, --step and --min-or-nothing");
    return MI_OK;
}

enum mi_status days_run(struct plan *plan, struct stream *stream, struct mi_error *error) {
    struct days d = {.plan = plan, .count = optimize_options.days};
    size_t n = plan->campaigns.count * d.count;
    double totals[4] = {0};
    d.factor = malloc((n + 1) * sizeof *d.factor);
    d.effective = malloc((n + 1) * sizeof *d.effective);
    d.spend = malloc((n + 1) * sizeof *d.spend);
    enum mi_status status = d.factor && d.effective && d.spend ? MI_OK : no_memory(error);
    for (size_t k = 0; k < n && !status; k++)
        d.factor[k] = 1;
    double carry = 0;
    if (!status && optimize_options.season)
        status = read_season(&d, error);
    if (!status)
        status = find_carry(plan, &carry, error);
    d.day_plan = (struct mi_day_plan){.problem = &plan->problem,
                                      .days = d.count,
                                      .carry = carry,
                                      .factor = d.factor,
                                      .spend = d.spend,
                                      .effective = d.effective};
    if (!status && n > 0)
        status = mi_allocate_days(&d.day_plan, error);
    if (!status)
        status = write(&d, stream, totals, error);
    if (!status)
        status = write_summary(&d, totals, error);
    free(d.factor);
    free(d.effective);
    free(d.spend);
    return status;
}
