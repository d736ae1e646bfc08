/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rates and columns of costs; see costs.h.
 */
#include "common/costs.h"

#include <math.h>
#include <stdio.h>

#define RATE_LIMIT 1e6
#define SAME_RATE  1e-9 /* relative: rates that differ by less are one rate */

struct cost_options cost_options;

/* ---- rates ---- */

/* A rate by its name in the rules file. */
static double *rate_named(struct mi_cost_rates *rates, struct mi_text name) {
    const struct {
        const char *name;
        double *rate;
    } known[] = {
        {"attribution_platform", &rates->attribution_platform},
        {"agency", &rates->agency},
        {"infrastructure", &rates->infrastructure},
        {"team", &rates->team},
        {"creative_lifetime_days", &rates->creative_lifetime_days},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (mi_text_equal(name, mi_text_of(known[i].name)))
            return known[i].rate;
    return NULL;
}

static enum mi_status read_rate(const struct mi_batch *batch, size_t row, size_t cost, size_t rate,
                                struct mi_cost_rates *rates, struct mi_error *error) {
    struct mi_text name;
    double value;
    enum mi_status status = mi_batch_id(batch, row, cost, &name, error);
    if (!status)
        status = mi_batch_number(batch, row, rate, MI_FILLED | MI_MONEY, &value, error);
    if (status)
        return status;
    double *target = rate_named(rates, name);
    if (!target)
        return mi_batch_fault(batch, row, cost, error,
                              "\"%.*s\" is none of attribution_platform, agency, infrastructure, team, "
                              "creative_lifetime_days",
                              name.size > 100 ? 100 : (int)name.size, name.data);
    if (value > RATE_LIMIT || (target == &rates->creative_lifetime_days && value == 0))
        return mi_batch_fault(batch, row, rate, error, "cannot be: %g", value);
    *target = value;
    return MI_OK;
}

static enum mi_status read_rates(struct mi_cost_rates *rates, struct mi_error *error) {
    struct mi_reader *reader = NULL;
    struct mi_batch *batch;
    struct mi_index *names = NULL;
    size_t cost, rate;
    enum mi_status status = table_open(cost_options.file, &reader, &batch, error);
    if (!status)
        status = mi_reader_column(reader, "cost", true, &cost, error);
    if (!status)
        status = mi_reader_column(reader, "rate", true, &rate, error);
    if (!status)
        status = mi_batch_index(batch, cost, &names, error); /* refuses a name that is there twice */
    for (size_t row = 0; !status && row < mi_batch_rows(batch); row++)
        status = read_rate(batch, row, cost, rate, rates, error);
    mi_index_free(names);
    mi_reader_close(reader);
    return status;
}

static bool override(double *rate, double given) {
    if (isnan(given))
        return false;
    *rate = given;
    return true;
}

static enum mi_status find_rates(struct cost_columns *columns, struct mi_error *error) {
    struct mi_cost_rates *rates = &columns->rates;
    *rates = mi_cost_rates_default();
    enum mi_status status = cost_options.file ? read_rates(rates, error) : MI_OK;
    columns->rates_given = cost_options.file != NULL;
    columns->rates_given |= override(&rates->attribution_platform, cost_options.attribution_platform);
    columns->rates_given |= override(&rates->agency, cost_options.agency);
    columns->rates_given |= override(&rates->infrastructure, cost_options.infrastructure);
    columns->rates_given |= override(&rates->team, cost_options.team);
    columns->rates_given |= override(&rates->creative_lifetime_days, cost_options.creative_lifetime_days);
    return status;
}

/* ---- columns ---- */

static void say_absent(const struct cost_columns *columns) {
    char names[128] = "", meaning[128] = "";
    size_t used = 0, said = 0;
    const struct {
        size_t column;
        const char *name, *meaning;
    } facts[] = {
        {columns->has_agency, "has_agency", "no agency"},
        {columns->creative_cost, "creative_production_cost", "no creative cost"},
        {columns->lifetime, "creative_lifetime_days", NULL},
    };
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        if (facts[i].column != MI_NO_COLUMN)
            continue;
        const char *comma = used ? ", " : "";
        used += (size_t)snprintf(names + used, sizeof names - used, "%s'%s'", comma, facts[i].name);
        said += facts[i].meaning
                    ? (size_t)snprintf(meaning + said, sizeof meaning - said, "%s%s", comma, facts[i].meaning)
                    : (size_t)snprintf(meaning + said, sizeof meaning - said, "%s%.15g days of life", comma,
                                       columns->rates.creative_lifetime_days);
    }
    if (used)
        note("no column %s: taken as %s", names, meaning);
}

enum mi_status cost_columns_open(struct cost_columns *columns, struct mi_reader *reader,
                                 struct mi_error *error) {
    const struct {
        const char *name;
        size_t *column;
    } wanted[] = {
        {"has_agency", &columns->has_agency},
        {"creative_production_cost", &columns->creative_cost},
        {"creative_lifetime_days", &columns->lifetime},
        {"cost_rate", &columns->rate},
        {"cost_fixed", &columns->fixed},
    };
    enum mi_status status = find_rates(columns, error);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && !status; i++)
        status = mi_reader_column(reader, wanted[i].name, false, wanted[i].column, error);
    if (!status && (columns->rate == MI_NO_COLUMN || columns->fixed == MI_NO_COLUMN))
        say_absent(columns);
    return status;
}

enum mi_status cost_columns_facts(const struct cost_columns *columns, const struct mi_batch *batch,
                                  size_t row, struct cost_facts *facts, struct mi_error *error) {
    unsigned rules = MI_FILLED | MI_MONEY;
    *facts = (struct cost_facts){.lifetime_days = columns->rates.creative_lifetime_days};
    enum mi_status status = mi_batch_truth(batch, row, columns->has_agency, false, &facts->has_agency, error);
    if (!status && columns->creative_cost != MI_NO_COLUMN)
        status = mi_batch_number(batch, row, columns->creative_cost, rules, &facts->creative_cost, error);
    if (!status && columns->lifetime != MI_NO_COLUMN)
        status =
            mi_batch_number(batch, row, columns->lifetime, rules | MI_POSITIVE, &facts->lifetime_days, error);
    return status;
}

/* A cost of the stream in the place of the computed one. */
static enum mi_status take_given(const struct cost_columns *columns, const struct mi_batch *batch, size_t row,
                                 size_t column, double *cost, struct mi_error *error) {
    double given;
    if (column == MI_NO_COLUMN)
        return MI_OK;
    enum mi_status status = mi_batch_number(batch, row, column, MI_FILLED | MI_MONEY, &given, error);
    if (status)
        return status;
    if (columns->rates_given && fabs(given - *cost) > SAME_RATE * fmax(1, fabs(*cost)))
        return mi_batch_fault(batch, row, column, error,
                              "%.15g contradicts the rates in use, which make %.15g", given, *cost);
    *cost = given;
    return MI_OK;
}

enum mi_status cost_columns_row(const struct cost_columns *columns, const struct mi_batch *batch, size_t row,
                                struct mi_campaign_costs *costs, struct mi_error *error) {
    struct cost_facts facts;
    enum mi_status status = cost_columns_facts(columns, batch, row, &facts, error);
    if (status)
        return status;
    *costs =
        mi_campaign_costs_of(&columns->rates, facts.has_agency, facts.creative_cost, facts.lifetime_days);
    status = take_given(columns, batch, row, columns->rate, &costs->rate, error);
    if (!status && columns->rate != MI_NO_COLUMN && costs->rate < 1)
        status = mi_batch_fault(batch, row, columns->rate, error,
                                "%.15g: the spend itself counts, so that 1 is the least", costs->rate);
    return status ? status : take_given(columns, batch, row, columns->fixed, &costs->fixed, error);
}
