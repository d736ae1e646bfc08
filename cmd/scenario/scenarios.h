/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the parts of mi-scenario share: the scenarios, which may change groups of campaigns in their own ways.
 */
#ifndef SCENARIO_SCENARIOS_H
#define SCENARIO_SCENARIOS_H

#include "common/campaigns.h"

struct scenario_options {
    const char *scenarios;
    bool expected, total, reoptimise;
    unsigned long draws, seed;
    const char *quantiles;
    double var_level;
    double shock, shock_all;
    const char *shock_by;
    double change; /* percent */
};
extern struct scenario_options scenario_options;

enum { NAME, MULTIPLIER, LTV, CPA, PROBABILITY, FIELDS };
extern const char *const scenario_fields[FIELDS];

/* A row of the file: a change, and which campaigns it is for. */
struct change {
    struct mi_scenario scenario;
    size_t row;
    size_t scenario_number;
};

struct scenarios {
    struct mi_scenario *items; /* by name; the change is that of all campaigns, NaN where groups differ */
    size_t count;
    struct change *changes;
    size_t change_count;
    size_t *conditions; /* columns of the file that name groups */
    size_t condition_count;
    struct mi_reader *reader;
    struct mi_batch *batch;
};

/* From --scenarios, else those that come with the tools. */
enum mi_status scenarios_open(struct scenarios *scenarios, struct mi_error *error);
void scenarios_close(struct scenarios *scenarios);

/* What each scenario does to each campaign, campaign by campaign: the last row that names it (a row without
 * a value in a column names all); one that no row names is not changed. */
enum mi_status scenarios_apply(const struct scenarios *scenarios, const struct campaigns *campaigns,
                               struct mi_reader *reader, struct mi_scenario *changes, struct mi_error *error);

/* The budget to start from: recommended_budget, else daily_budget, else spend. */
enum mi_status budget_of(const struct campaigns *campaigns, const struct campaign *campaign, double *budget,
                         struct mi_error *error);

/* ---- Monte Carlo ---- */

struct risk_columns {
    size_t mean, sd, loss, var, quantile[MI_QUANTILES_MOST];
};

struct risk {
    struct mi_monte_carlo options;
    double quantiles[MI_QUANTILES_MOST];
    struct mi_index *groups;
    const char **names;
    struct mi_uncertain_campaign *campaigns;
    struct mi_risk_figures *figures, *totals; /* as changes; by scenario */
    bool uncertain;                           /* some curve or LTV has an error */
};

enum mi_status risk_check(struct risk *risk, struct mi_error *error);
enum mi_status risk_compute(struct risk *risk, const struct campaigns *campaigns, struct mi_reader *reader,
                            const double *budgets, const struct mi_scenario *changes, size_t scenarios,
                            struct mi_error *error);
void risk_free(struct risk *risk);
enum mi_status risk_declare(const struct risk *risk, struct risk_columns *columns, struct mi_writer *writer,
                            struct mi_error *error);
void risk_set(const struct risk *risk, const struct risk_columns *columns, struct mi_writer *writer,
              const struct mi_risk_figures *figures);

/* mi-scenario sensitivity */
enum mi_status run_sensitivity(struct mi_error *error);

#endif
