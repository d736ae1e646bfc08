/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Planned spend; see plan.h. Revenue follows the campaign's curve where the plan has one, else by the
 * elasticity of the series.
 */
#include "roas/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct columns {
    size_t by[BY_MOST], spend, date, curve;
};

/* ---- read ---- */

static enum mi_status find_columns(struct mi_reader *reader, const struct series_set *set, const char *spend,
                                   struct columns *columns, struct mi_error *error) {
    enum mi_status status = mi_reader_column(reader, spend, true, &columns->spend, error);
    for (size_t i = 0; i < set->by_count && !status; i++) {
        char *name = mi_text_copy(mi_reader_column_name(set->reader, set->by[i]));
        status = name ? mi_reader_column(reader, name, true, &columns->by[i], error) : no_memory(error);
        free(name);
    }
    if (!status)
        status = mi_reader_column(reader, "date", false, &columns->date, error);
    return status ? status : mi_reader_column(reader, "curve", false, &columns->curve, error);
}

static enum mi_status read_curve(const struct mi_batch *batch, size_t row, size_t column, struct plan *plan,
                                 struct mi_error *error) {
    struct mi_text text;
    struct mi_error reason = {0};
    enum mi_status status = mi_batch_text(batch, row, column, &text, error);
    if (status || !text.data || plan->has_curve)
        return status;
    status = mi_curve_parse(text, &plan->curve, &reason);
    if (status == MI_BAD_RECORD)
        return mi_batch_fault(batch, row, column, error, "%s", reason.text);
    plan->has_curve = !status;
    return status ? mi_error_set(error, status, "%s", reason.text) : MI_OK;
}

static enum mi_status set_day(struct plans *plans, struct plan *plan, const struct mi_batch *batch,
                              size_t row, const struct columns *columns, int32_t step, double spend,
                              struct mi_error *error) {
    if (!plan->day) {
        plan->day = malloc(plans->days * sizeof *plan->day);
        if (!plan->day)
            return no_memory(error);
        for (size_t i = 0; i < plans->days; i++)
            plan->day[i] = NAN;
    }
    if (step < 1 || (size_t)step > plans->days)
        return MI_OK; /* past, or beyond the last horizon */
    if (!isnan(plan->day[step - 1]))
        return mi_batch_fault(batch, row, columns->date, error, "this day of the series stands twice");
    plan->day[step - 1] = spend;
    return MI_OK;
}

static enum mi_status read_row(struct plans *plans, const struct series_set *set,
                               const struct mi_batch *batch, size_t row, const struct columns *columns,
                               size_t *unknown, struct mi_error *error) {
    size_t number;
    double spend;
    int32_t date = MI_DATE_MISSING;
    enum mi_status status = series_find(set, batch, row, columns->by, &number, error);
    if (!status)
        status = mi_batch_number(batch, row, columns->spend, MI_FILLED | MI_MONEY, &spend, error);
    if (!status && columns->date != MI_NO_COLUMN)
        status = mi_batch_date(batch, row, columns->date, MI_FILLED, &date, error);
    if (status)
        return status;
    if (number == SIZE_MAX) {
        ++*unknown;
        return MI_OK;
    }
    struct plan *plan = &plans->items[number];
    status = read_curve(batch, row, columns->curve, plan, error);
    if (status)
        return status;
    if (columns->date != MI_NO_COLUMN)
        status = set_day(plans, plan, batch, row, columns, date - set->end, spend, error);
    else if (plan->given)
        status = mi_batch_fault(batch, row, MI_NO_COLUMN, error,
                                "a second row of the series; give 'date' for spend by day");
    else
        plan->every = spend;
    plan->given = true;
    return status;
}

enum mi_status plans_read(struct plans *plans, const char *path, const struct series_set *set,
                          const char *spend, size_t days, struct mi_error *error) {
    struct mi_reader *reader = NULL;
    struct mi_batch *batch;
    struct columns columns;
    size_t unknown = 0, without = 0;
    plans->days = days;
    plans->items = calloc(set->count + 1, sizeof *plans->items);
    if (!plans->items)
        return no_memory(error);
    plans->count = set->count;
    for (size_t i = 0; i < set->count; i++)
        plans->items[i].every = NAN;
    enum mi_status status = table_open(path, &reader, &batch, error);
    if (!status)
        status = find_columns(reader, set, spend, &columns, error);
    for (size_t row = 0; !status && row < mi_batch_rows(batch); row++)
        status = read_row(plans, set, batch, row, &columns, &unknown, error);
    mi_reader_close(reader);
    for (size_t i = 0; i < set->count; i++)
        without += plans->items[i].given ? 0 : 1;
    if (!status && unknown > 0)
        note("%s: rows of series that are not in the input, left out: %zu", path, unknown);
    if (!status && without > 0)
        note("%s has no plan for %zu of %zu series: these are forecast without one", path, without,
             set->count);
    return status;
}

void plans_free(struct plans *plans) {
    for (size_t i = 0; i < plans->count; i++) {
        free(plans->items[i].day);
        if (plans->items[i].has_curve)
            mi_curve_clear(&plans->items[i].curve);
    }
    free(plans->items);
}

/* ---- follow ---- */

static double ratio_of_revenue(const struct plan *plan, const struct mi_elasticity *elasticity,
                               double planned, double base) {
    if (plan->has_curve)
        return mi_curve_users(&plan->curve, planned) / mi_curve_users(&plan->curve, base);
    return pow(planned / base, elasticity->value);
}

bool plan_follow(const struct plan *plan, size_t days, const struct mi_series *revenue,
                 const struct mi_series *spend, struct mi_forecast *revenue_forecast,
                 struct mi_forecast *spend_forecast) {
    const struct mi_elasticity elasticity = mi_forecast_elasticity(revenue, spend);
    struct mi_forecast_range mean, range;
    bool known = true;
    mi_forecast_total(spend_forecast, days, &mean); /* before the plan */
    for (size_t step = 1; step <= days; step++) {
        mi_forecast_day(spend_forecast, step, &range);
        /* one spend for every day is compared with the mean day: weekdays keep their part */
        double base = plan->day ? range.predicted : mean.predicted / (double)days;
        double planned = plan->day ? plan->day[step - 1] : plan->every;
        if (isnan(planned))
            continue;
        mi_forecast_fix(spend_forecast, step, planned);
        if (base <= 0) {
            known &= planned == 0;
            continue;
        }
        double ratio = planned / base;
        mi_forecast_follow(revenue_forecast, step, ratio_of_revenue(plan, &elasticity, planned, base),
                           ratio > 0 ? fabs(log(ratio)) * elasticity.error : 0);
    }
    return known;
}
