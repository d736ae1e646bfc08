/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * --draws: Monte Carlo over the models' own uncertainty, as columns.
 */
#include "scenario/scenarios.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum mi_status parse_quantiles(struct risk *risk, struct mi_error *error) {
    const char *list = scenario_options.quantiles;
    size_t n = 0;
    for (const char *item = list;; item++) {
        size_t size = strcspn(item, ",");
        double value;
        if (n == MI_QUANTILES_MOST || !mi_number_parse((struct mi_text){item, size}, &value) ||
            !(value >= 0 && value <= 1))
            return mi_error_set(error, MI_BAD_ARGUMENT,
                                "--quantiles: \"%s\" is no list of up to %d numbers of 0 to 1", list,
                                MI_QUANTILES_MOST);
        risk->quantiles[n++] = value;
        item += size;
        if (!*item)
            break;
    }
    risk->options.quantiles = risk->quantiles;
    risk->options.quantile_count = n;
    return MI_OK;
}

enum mi_status risk_check(struct risk *risk, struct mi_error *error) {
    risk->options = (struct mi_monte_carlo){.draws = scenario_options.draws,
                                            .seed = scenario_options.seed,
                                            .shock_all = scenario_options.shock_all,
                                            .shock_group = scenario_options.shock,
                                            .var_level = scenario_options.var_level,
                                            .threads = common.threads};
    if (scenario_options.draws == 0 && (scenario_options.shock > 0 || scenario_options.shock_all > 0))
        return mi_error_set(error, MI_BAD_ARGUMENT, "--shock and --shock-all need --draws");
    return parse_quantiles(risk, error);
}

/* Which campaigns share a shock. */
static enum mi_status find_groups(struct risk *risk, const struct campaigns *campaigns,
                                  struct mi_reader *reader, struct mi_error *error) {
    size_t column;
    if (!(scenario_options.shock > 0))
        return MI_OK;
    enum mi_status status = mi_reader_column(reader, scenario_options.shock_by, true, &column, error);
    if (!status)
        status = mi_index_new(&risk->groups, error);
    for (size_t i = 0; i < campaigns->count && !status; i++) {
        struct mi_text text;
        status = mi_batch_text(campaigns->batch, campaigns->items[i].row, column, &text, error);
        if (!status)
            status = mi_index_add(risk->groups, text, &risk->campaigns[i].group, NULL, error);
    }
    if (status)
        return status;
    size_t count = mi_index_size(risk->groups);
    risk->names = malloc((count + 1) * sizeof *risk->names);
    if (!risk->names)
        return no_memory(error);
    for (size_t g = 0; g < count; g++)
        risk->names[g] = mi_index_text(risk->groups, g).data;
    risk->options.groups = risk->names;
    risk->options.group_count = count;
    return MI_OK;
}

enum mi_status risk_compute(struct risk *risk, const struct campaigns *campaigns, struct mi_reader *reader,
                            const double *budgets, const struct mi_scenario *changes, size_t scenarios,
                            struct mi_error *error) {
    size_t count = campaigns->count;
    risk->campaigns = calloc(count + 1, sizeof *risk->campaigns);
    risk->totals = calloc(scenarios + 1, sizeof *risk->totals);
    if (!scenario_options.total)
        risk->figures = calloc(count * scenarios + 1, sizeof *risk->figures);
    if (!risk->campaigns || !risk->totals || (!scenario_options.total && !risk->figures))
        return no_memory(error);
    for (size_t i = 0; i < count; i++) {
        const struct campaign *c = &campaigns->items[i];
        risk->campaigns[i] = (struct mi_uncertain_campaign){.id = c->id,
                                                            .curve = &c->curve,
                                                            .covariance = c->covariance,
                                                            .ltv = c->predicted_ltv,
                                                            .ltv_se = c->ltv_se,
                                                            .costs = c->costs,
                                                            .budget = budgets[i],
                                                            .group = SIZE_MAX};
        risk->uncertain |= c->covariance || c->ltv_se > 0;
    }
    enum mi_status status = find_groups(risk, campaigns, reader, error);
    if (status)
        return status;
    if (!risk->uncertain && !(scenario_options.shock > 0 || scenario_options.shock_all > 0))
        note("no curve_cov, no ltv_se and no --shock: nothing is uncertain, all draws are the same");
    return mi_monte_carlo_run(&risk->options, risk->campaigns, count, changes, scenarios, risk->figures,
                              risk->totals, NULL, error);
}

void risk_free(struct risk *risk) {
    mi_index_free(risk->groups);
    free(risk->names);
    free(risk->campaigns);
    free(risk->figures);
    free(risk->totals);
}

enum mi_status risk_declare(const struct risk *risk, struct risk_columns *columns, struct mi_writer *writer,
                            struct mi_error *error) {
    enum mi_status status = mi_writer_column(writer, "profit_mean", &columns->mean, error);
    if (!status)
        status = mi_writer_column(writer, "profit_sd", &columns->sd, error);
    for (size_t q = 0; q < risk->options.quantile_count && !status; q++) {
        char name[MI_NUMBER_LENGTH + 16], number[MI_NUMBER_LENGTH];
        mi_number_format(round(risk->quantiles[q] * 1e8) / 1e6, number);
        snprintf(name, sizeof name, "profit_q%s", number);
        status = mi_writer_column(writer, name, &columns->quantile[q], error);
    }
    if (!status)
        status = mi_writer_column(writer, "chance_of_loss", &columns->loss, error);
    return status ? status : mi_writer_column(writer, "value_at_risk", &columns->var, error);
}

void risk_set(const struct risk *risk, const struct risk_columns *columns, struct mi_writer *writer,
              const struct mi_risk_figures *figures) {
    mi_writer_number(writer, columns->mean, figures->mean);
    mi_writer_number(writer, columns->sd, figures->sd);
    for (size_t q = 0; q < risk->options.quantile_count; q++)
        mi_writer_number(writer, columns->quantile[q], figures->quantile[q]);
    mi_writer_number(writer, columns->loss, figures->chance_of_loss);
    mi_writer_number(writer, columns->var, figures->value_at_risk);
}
