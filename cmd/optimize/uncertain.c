/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the curves' and LTVs' errors say of a plan: --risk, --explore, and how surely the plan is better than
 * today's budgets.
 */
#include "optimize/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* mean, spread:AMOUNT or cvar:SHARE; a number alone is a spread's. */
enum mi_status risk_parse(enum mi_risk_measure *measure, double *amount, struct mi_error *error) {
    const char *text = optimize_options.risk;
    *measure = MI_RISK_MEAN;
    *amount = 0;
    if (!text || strcmp(text, "mean") == 0)
        return MI_OK;
    *measure = strncmp(text, "cvar:", 5) == 0 ? MI_RISK_CVAR : MI_RISK_SPREAD;
    const char *number = strncmp(text, "cvar:", 5) == 0     ? text + 5
                         : strncmp(text, "spread:", 7) == 0 ? text + 7
                                                            : text;
    bool good = mi_number_parse(mi_text_of(number), amount) &&
                (*measure == MI_RISK_CVAR ? *amount > 0 && *amount <= 1 : *amount >= 0 && *amount <= 100);
    return good
               ? MI_OK
               : mi_error_set(error, MI_BAD_ARGUMENT,
                              "--risk: \"%s\" is none of mean, spread:AMOUNT (0 to 100), cvar:SHARE (0 to 1)",
                              text);
}

bool plan_is_uncertain(const struct plan *plan) {
    for (size_t i = 0; i < plan->campaigns.count; i++) {
        const struct campaign *c = &plan->campaigns.items[i];
        if (c->covariance || c->ltv_se > 0 || c->curve.family == MI_CURVE_MIX)
            return true;
    }
    return false;
}

static enum mi_status state_uncertainty(const struct plan *plan, struct mi_uncertainty *u,
                                        struct mi_error *error) {
    size_t n = plan->campaigns.count;
    const double **covariance = calloc(n + 1, sizeof *covariance);
    double *ltv_se = calloc(n + 1, sizeof *ltv_se);
    if (!covariance || !ltv_se) {
        free(covariance);
        free(ltv_se);
        return no_memory(error);
    }
    for (size_t i = 0; i < n; i++) {
        covariance[i] = plan->campaigns.items[i].covariance;
        ltv_se[i] = plan->campaigns.items[i].ltv_se;
    }
    *u = (struct mi_uncertainty){covariance, ltv_se, optimize_options.draws, optimize_options.seed};
    return MI_OK;
}

static void drop_uncertainty(struct mi_uncertainty *u) {
    free((void *)u->covariance);
    free((void *)u->ltv_se);
}

enum mi_status plan_allocate_uncertain(struct plan *plan, struct mi_error *error) {
    enum mi_risk_measure measure;
    double amount;
    struct mi_uncertainty uncertainty;
    enum mi_status status = risk_parse(&measure, &amount, error);
    if (!status)
        status = state_uncertainty(plan, &uncertainty, error);
    if (status)
        return status;
    if (!plan_is_uncertain(plan))
        note("no curve_cov and no ltv_se: nothing is uncertain");
    if (!isnan(optimize_options.explore))
        status = mi_explore(&plan->problem, &uncertainty, optimize_options.explore, &plan->allocation,
                            &plan->exploration, error);
    else
        status =
            mi_allocate_uncertain(&plan->problem, &uncertainty, measure, amount, &plan->allocation, error);
    drop_uncertainty(&uncertainty);
    if (!status && !isnan(optimize_options.explore))
        note("exploring: %.2f a day on %zu campaigns costs %.2f of expected profit a day; knowing their "
             "curves "
             "would be worth up to %.2f a day",
             plan->exploration.spent, plan->exploration.count, plan->exploration.cost,
             plan->exploration.worth);
    return status;
}

/* Profits of the plan and of today's budgets over the same draws. */
enum mi_status plan_compare(struct plan *plan, struct mi_error *error) {
    static const double quantiles[] = {(1 - MI_INTERVAL) / 2, 0.5, (1 + MI_INTERVAL) / 2};
    size_t n = plan->campaigns.count, draws = optimize_options.draws;
    struct comparison *comparison = &plan->comparison;
    if (!(optimize_options.summary || common.verbose || optimize_options.risk) || !plan_is_uncertain(plan))
        return MI_OK;
    struct mi_monte_carlo options = {.draws = draws,
                                     .seed = optimize_options.seed,
                                     .quantiles = quantiles,
                                     .quantile_count = 3,
                                     .var_level = 0.95,
                                     .threads = common.threads};
    struct mi_uncertain_campaign *campaigns = calloc(n + 1, sizeof *campaigns);
    struct mi_scenario *changes = calloc(2 * n + 1, sizeof *changes);
    double *profits = calloc(2 * draws + 1, sizeof *profits);
    struct mi_risk_figures totals[2];
    enum mi_status status = campaigns && changes && profits ? MI_OK : no_memory(error);
    for (size_t i = 0; i < n && !status; i++) {
        const struct campaign *c = &plan->campaigns.items[i];
        campaigns[i] = (struct mi_uncertain_campaign){.id = c->id,
                                                      .curve = &c->curve,
                                                      .covariance = c->covariance,
                                                      .ltv = c->predicted_ltv,
                                                      .ltv_se = c->ltv_se,
                                                      .costs = c->costs,
                                                      .budget = 1,
                                                      .group = SIZE_MAX};
        changes[2 * i].budget_multiplier = plan->allocation.spend[i];
        changes[2 * i + 1].budget_multiplier = plan->today_known ? c->daily_budget : 0;
    }
    if (!status)
        status = mi_monte_carlo_run(&options, campaigns, n, changes, 2, NULL, totals, profits, error);
    size_t better = 0;
    for (size_t d = 0; d < draws && !status; d++)
        better += profits[d] > profits[draws + d];
    if (!status) {
        comparison->made = true;
        comparison->better = plan->today_known ? (double)better / (double)draws : NAN;
        comparison->after = totals[0];
        comparison->before = totals[1];
    }
    free(campaigns);
    free(changes);
    free(profits);
    return status;
}
