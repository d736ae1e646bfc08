/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-scenario sensitivity: the portfolio's profit with one input at a time lower and higher, the widest swing
 * first (a tornado).
 */
#include "scenario/scenarios.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Inputs: those that every campaign has, then the parameters of curves by name. */
enum input { INPUT_LTV, INPUT_CPA, INPUT_BUDGET, INPUT_COST_RATE, INPUT_COST_FIXED, INPUT_FIRST_PARAMETER };

static const char *const input_names[] = {"predicted_ltv", "cpa",           "budget",     "cost_rate",
                                          "cost_fixed",    "curve_ceiling", "curve_half", "curve_shape"};
#define INPUTS (sizeof input_names / sizeof *input_names)

struct swing {
    enum input input;
    double low, high; /* profits */
};

/* Profit of a campaign with one input times `factor`; a parameter that its curve does not have changes
 * nothing. The overheads of cost_rate are what lies above 1. */
static double profit_with(const struct campaign *c, double budget, enum input input, double factor) {
    double ltv = c->predicted_ltv, users_factor = 1;
    struct mi_campaign_costs costs = c->costs;
    struct mi_curve curve = c->curve;
    if (input == INPUT_LTV)
        ltv *= factor;
    else if (input == INPUT_CPA)
        users_factor = 1 / factor;
    else if (input == INPUT_BUDGET)
        budget *= factor;
    else if (input == INPUT_COST_RATE)
        costs.rate = 1 + (costs.rate - 1) * factor;
    else if (input == INPUT_COST_FIXED)
        costs.fixed *= factor;
    else if (curve.family == MI_CURVE_HILL ||
             ((curve.family == MI_CURVE_MM || curve.family == MI_CURVE_EXP) &&
              input < INPUT_FIRST_PARAMETER + 2))
        curve.parameter[input - INPUT_FIRST_PARAMETER] *= factor;
    double users = mi_curve_users(&curve, budget) * users_factor;
    return mi_outcome_of(budget, users, ltv, &costs).profit;
}

static int compare_swings(const void *a, const void *b) {
    const struct swing *x = a, *y = b;
    double wide_x = fabs(x->high - x->low), wide_y = fabs(y->high - y->low);
    if (wide_x != wide_y)
        return wide_x < wide_y ? 1 : -1;
    return (x->input > y->input) - (x->input < y->input);
}

static enum mi_status compute(const struct campaigns *campaigns, struct swing *swings, double *base,
                              struct mi_error *error) {
    double change = scenario_options.change / 100;
    long double low[INPUTS] = {0}, high[INPUTS] = {0}, sum = 0;
    for (size_t i = 0; i < campaigns->count; i++) {
        const struct campaign *c = &campaigns->items[i];
        double budget;
        enum mi_status status = budget_of(campaigns, c, &budget, error);
        if (status)
            return status;
        sum += profit_with(c, budget, INPUT_LTV, 1);
        for (size_t k = 0; k < INPUTS; k++) {
            low[k] += profit_with(c, budget, (enum input)k, 1 - change);
            high[k] += profit_with(c, budget, (enum input)k, 1 + change);
        }
    }
    *base = (double)sum;
    for (size_t k = 0; k < INPUTS; k++)
        swings[k] = (struct swing){(enum input)k, (double)low[k], (double)high[k]};
    qsort(swings, INPUTS, sizeof *swings, compare_swings);
    return MI_OK;
}

static enum mi_status write(const struct swing *swings, double base, struct stream *stream, bool any,
                            struct mi_error *error) {
    static const char *const names[] = {"input",      "change_low_pct", "change_high_pct", "profit",
                                        "profit_low", "profit_high",    "swing",           "swing_pct"};
    size_t slots[8];
    enum mi_status status = stream_output(stream, false, error);
    for (size_t i = 0; i < 8 && !status; i++)
        status = mi_writer_column(stream->writer, names[i], &slots[i], error);
    for (size_t k = 0; k < INPUTS && !status && any; k++) {
        double swing = fabs(swings[k].high - swings[k].low);
        if (swing == 0)
            continue; /* an input that no campaign has */
        const double values[] = {
            -scenario_options.change, scenario_options.change, base, swings[k].low, swings[k].high, swing,
            swing / fabs(base) * 100};
        mi_writer_text(stream->writer, slots[0], mi_text_of(input_names[swings[k].input]));
        for (size_t i = 0; i < 7; i++)
            mi_writer_number(stream->writer, slots[i + 1], values[i]);
        status = mi_writer_row(stream->writer, NULL, 0, error);
    }
    return status;
}

enum mi_status run_sensitivity(struct mi_error *error) {
    struct campaigns campaigns = {0};
    struct stream stream = {0};
    struct swing swings[INPUTS];
    double base = 0;
    enum mi_status status = campaigns_read(&campaigns, &stream, error);
    if (!status)
        status = compute(&campaigns, swings, &base, error);
    if (!status)
        status = write(swings, base, &stream, campaigns.count > 0, error);
    status = stream_close(&stream, status, error);
    campaigns_free(&campaigns);
    return status;
}
