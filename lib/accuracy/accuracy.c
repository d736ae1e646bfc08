/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Errors of predictions. Every figure is a ratio of two sums over rows; the sums are kept by campaign, and
 * the standard error of a ratio comes from how the campaigns' sums scatter about it (Taylor linearisation
 * with clusters: Cochran 1977, Sampling Techniques, 3rd ed., 9A), since rows of one campaign are not
 * independent. With one campaign it comes from the rows.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "mi.h"

#define PERCENT_MOST 1e15 /* an actual that the error is more percent of counts as 0 */

struct ratio {
    double over, under;
};

struct campaign {
    struct ratio sums[MI_FIGURE_COUNT];
    double steps, step_sum; /* between actuals that follow each other */
    double last_predicted, last_actual;
    bool started;
};

/* Second moments of the rows, for one campaign alone. */
struct moments {
    double count, over_over, over_under, under_under;
};

struct kept_row {
    uint32_t campaign;
    int32_t date;
    uint64_t order;
    double horizon; /* 0 where missing */
    double predicted, actual;
};

struct mi_accuracy {
    struct mi_accuracy_options options;
    struct mi_accuracy_result counts;
    struct mi_index *names;
    struct campaign *campaigns;
    size_t campaign_capacity;
    struct kept_row *rows;
    size_t row_count, row_capacity;
    struct moments moments[MI_FIGURE_COUNT];
};

static const char *const figure_names[MI_FIGURE_COUNT] = {
    [MI_FIGURE_MAE] = "mae",
    [MI_FIGURE_MAPE] = "mape",
    [MI_FIGURE_RMSE] = "rmse",
    [MI_FIGURE_WAPE] = "wape",
    [MI_FIGURE_SMAPE] = "smape",
    [MI_FIGURE_MASE] = "mase",
    [MI_FIGURE_BIAS] = "bias",
    [MI_FIGURE_BIAS_PCT] = "bias_pct",
    [MI_FIGURE_DIRECTION] = "directional_accuracy",
    [MI_FIGURE_COVERAGE] = "interval_coverage",
};

const char *mi_figure_name(enum mi_figure figure) {
    return figure_names[figure];
}

bool mi_figure_find(struct mi_text name, enum mi_figure *figure) {
    for (unsigned i = 0; i < MI_FIGURE_COUNT; i++) {
        if (mi_text_equal(name, mi_text_of(figure_names[i]))) {
            *figure = (enum mi_figure)i;
            return true;
        }
    }
    return false;
}

enum mi_status mi_accuracy_new(const struct mi_accuracy_options *options, struct mi_accuracy **accuracy,
                               struct mi_error *error) {
    struct mi_accuracy *new = calloc(1, sizeof *new);
    if (new == NULL) {
        return mi_no_memory(error);
    }
    new->options = *options;
    enum mi_status status = mi_index_new(&new->names, error);
    if (status != MI_OK) {
        mi_accuracy_free(new);
        return status;
    }
    *accuracy = new;
    return MI_OK;
}

void mi_accuracy_free(struct mi_accuracy *accuracy) {
    if (accuracy == NULL) {
        return;
    }
    mi_index_free(accuracy->names);
    free(accuracy->campaigns);
    free(accuracy->rows);
    free(accuracy);
}

/* ---- rows ---- */

static void count(struct mi_accuracy *accuracy, struct campaign *campaign, enum mi_figure figure, double over,
                  double under) {
    campaign->sums[figure].over += over;
    campaign->sums[figure].under += under;
    struct moments *moments = &accuracy->moments[figure];
    moments->count++;
    moments->over_over += over * over;
    moments->over_under += over * under;
    moments->under_under += under * under;
}

/* The figures that do not depend on the order of the rows. */
static void judge(struct mi_accuracy *accuracy, struct campaign *campaign,
                  const struct mi_accuracy_row *row) {
    double error = row->predicted - row->actual;
    double size = fabs(row->actual);
    double both = fabs(row->predicted) + size;
    count(accuracy, campaign, MI_FIGURE_MAE, fabs(error), 1);
    count(accuracy, campaign, MI_FIGURE_RMSE, error * error, 1);
    count(accuracy, campaign, MI_FIGURE_BIAS, error, 1);
    count(accuracy, campaign, MI_FIGURE_WAPE, 100 * fabs(error), size);
    count(accuracy, campaign, MI_FIGURE_BIAS_PCT, 100 * error, size);
    count(accuracy, campaign, MI_FIGURE_SMAPE, both > 0 ? 200 * fabs(error) / both : 0, 1);
    if (100 * fabs(error) <= PERCENT_MOST * size && size > 0) {
        count(accuracy, campaign, MI_FIGURE_MAPE, 100 * fabs(error) / size, 1);
    } else {
        accuracy->counts.n_zero_actual++;
    }
    if (!isnan(row->low) && !isnan(row->high)) {
        bool covered = row->low <= row->actual && row->actual <= row->high;
        count(accuracy, campaign, MI_FIGURE_COVERAGE, covered, 1);
    }
}

static int sign(double value) {
    return (value > 0) - (value < 0);
}

/* The step from the campaign's last row to this one. */
static void step(struct mi_accuracy *accuracy, struct campaign *campaign, double predicted, double actual) {
    if (campaign->started) {
        double moved = actual - campaign->last_actual;
        bool right = sign(predicted - campaign->last_predicted) == sign(moved);
        campaign->steps++;
        campaign->step_sum += fabs(moved);
        count(accuracy, campaign, MI_FIGURE_DIRECTION, right, 1);
    }
    campaign->started = true;
    campaign->last_predicted = predicted;
    campaign->last_actual = actual;
}

/* Room for campaign number `number`, new ones zeroed. */
static bool reserve_campaign(struct mi_accuracy *accuracy, size_t number) {
    if (number < accuracy->campaign_capacity) {
        return true;
    }
    size_t capacity = accuracy->campaign_capacity > 0 ? 2 * accuracy->campaign_capacity : 4;
    struct campaign *campaigns = realloc(accuracy->campaigns, capacity * sizeof *campaigns);
    if (campaigns == NULL) {
        return false;
    }
    for (size_t i = accuracy->campaign_capacity; i < capacity; i++) {
        campaigns[i] = (struct campaign){0};
    }
    accuracy->campaigns = campaigns;
    accuracy->campaign_capacity = capacity;
    return true;
}

static bool keep(struct mi_accuracy *accuracy, size_t campaign, const struct mi_accuracy_row *row) {
    if (accuracy->row_count == accuracy->row_capacity) {
        size_t capacity = accuracy->row_capacity > 0 ? 2 * accuracy->row_capacity : 64;
        struct kept_row *rows = realloc(accuracy->rows, capacity * sizeof *rows);
        if (rows == NULL) {
            return false;
        }
        accuracy->rows = rows;
        accuracy->row_capacity = capacity;
    }
    accuracy->rows[accuracy->row_count] = (struct kept_row){
        .campaign = (uint32_t)campaign,
        .date = row->date,
        .order = accuracy->row_count,
        .horizon = isnan(row->horizon) ? 0 : row->horizon,
        .predicted = row->predicted,
        .actual = row->actual,
    };
    accuracy->row_count++;
    return true;
}

enum mi_status mi_accuracy_add(struct mi_accuracy *accuracy, const struct mi_accuracy_row *row,
                               struct mi_error *error) {
    bool no_actual = isnan(row->actual), no_prediction = isnan(row->predicted);
    if (no_actual || no_prediction) {
        accuracy->counts.n_missing_actual += no_actual;
        accuracy->counts.n_missing_prediction += no_prediction;
        return MI_OK;
    }
    size_t number;
    struct mi_text name = accuracy->options.by_campaign ? row->campaign : mi_text_of("");
    enum mi_status status = mi_index_add(accuracy->names, name, &number, NULL, error);
    if (status != MI_OK) {
        return status;
    }
    if (!reserve_campaign(accuracy, number) || (accuracy->options.by_date && !keep(accuracy, number, row))) {
        return mi_no_memory(error);
    }
    accuracy->counts.n++;
    judge(accuracy, &accuracy->campaigns[number], row);
    if (!accuracy->options.by_date) {
        step(accuracy, &accuracy->campaigns[number], row->predicted, row->actual);
    }
    return MI_OK;
}

/* ---- results ---- */

static int compare_rows(const void *left, const void *right) {
    const struct kept_row *a = left, *b = right;
    if (a->campaign != b->campaign) {
        return a->campaign < b->campaign ? -1 : 1;
    }
    if (a->horizon != b->horizon) {
        return a->horizon < b->horizon ? -1 : 1;
    }
    if (a->date != b->date) {
        return a->date < b->date ? -1 : 1;
    }
    return (a->order > b->order) - (a->order < b->order);
}

static void step_by_date(struct mi_accuracy *accuracy) {
    if (accuracy->row_count > 0) {
        qsort(accuracy->rows, accuracy->row_count, sizeof *accuracy->rows, compare_rows);
    }
    for (size_t i = 0; i < accuracy->row_count; i++) {
        const struct kept_row *row = &accuracy->rows[i];
        bool other_series = i > 0 && row->horizon != row[-1].horizon;
        accuracy->campaigns[row->campaign].started &= !other_series;
        step(accuracy, &accuracy->campaigns[row->campaign], row->predicted, row->actual);
    }
}

/* Each campaign's errors in units of its own steps; one that never moved has no such unit. */
static void scale_errors(struct mi_accuracy *accuracy, size_t campaigns) {
    for (size_t i = 0; i < campaigns; i++) {
        struct campaign *campaign = &accuracy->campaigns[i];
        const struct ratio *errors = &campaign->sums[MI_FIGURE_MAE];
        if (campaign->step_sum > 0) {
            double unit = campaign->step_sum / campaign->steps;
            campaign->sums[MI_FIGURE_MASE] = (struct ratio){errors->over / unit, errors->under};
        }
    }
}

static struct ratio total_of(const struct mi_accuracy *accuracy, size_t campaigns, enum mi_figure figure) {
    struct ratio total = {0};
    for (size_t i = 0; i < campaigns; i++) {
        total.over += accuracy->campaigns[i].sums[figure].over;
        total.under += accuracy->campaigns[i].sums[figure].under;
    }
    return total;
}

/* Standard error of a ratio, from the scatter of campaigns about it; NaN for fewer than two. */
static double error_by_campaign(const struct mi_accuracy *accuracy, size_t campaigns, enum mi_figure figure,
                                struct ratio total) {
    double squares = 0, clusters = 0;
    for (size_t i = 0; i < campaigns; i++) {
        const struct ratio *part = &accuracy->campaigns[i].sums[figure];
        double rest = part->over - total.over / total.under * part->under;
        squares += rest * rest;
        clusters += part->under > 0;
    }
    return clusters > 1 ? sqrt(clusters / (clusters - 1) * squares) / total.under : NAN;
}

/* The same from the scatter of rows. */
static double error_by_row(const struct moments *moments, struct ratio total) {
    double value = total.over / total.under;
    double squares = moments->over_over + value * (value * moments->under_under - 2 * moments->over_under);
    double n = moments->count;
    return n > 1 ? sqrt(n / (n - 1) * fmax(squares, 0)) / total.under : NAN;
}

static void fill_figure(const struct mi_accuracy *accuracy, size_t campaigns, enum mi_figure figure,
                        struct mi_accuracy_result *result) {
    struct ratio total = total_of(accuracy, campaigns, figure);
    result->figure[figure] = result->error[figure] = NAN;
    if (total.under <= 0) {
        return;
    }
    double value = total.over / total.under;
    double error = campaigns > 1 ? error_by_campaign(accuracy, campaigns, figure, total)
                                 : error_by_row(&accuracy->moments[figure], total);
    if (figure == MI_FIGURE_MASE && campaigns == 1) {
        error = result->error[MI_FIGURE_MAE] * value / result->figure[MI_FIGURE_MAE];
        error = value > 0 ? error : 0;
    }
    if (figure == MI_FIGURE_RMSE) {
        value = sqrt(value);
        error = value > 0 ? error / (2 * value) : error;
    }
    if (isfinite(value)) {
        result->figure[figure] = value;
        result->error[figure] = isfinite(error) ? error : NAN;
    }
}

enum mi_status mi_accuracy_finish(struct mi_accuracy *accuracy, struct mi_accuracy_result *result,
                                  struct mi_error *error) {
    (void)error;
    size_t campaigns = mi_index_size(accuracy->names);
    step_by_date(accuracy);
    scale_errors(accuracy, campaigns);
    *result = accuracy->counts;
    result->n_campaigns = accuracy->options.by_campaign ? campaigns : 0;
    for (unsigned figure = 0; figure < MI_FIGURE_COUNT; figure++) {
        fill_figure(accuracy, campaigns, (enum mi_figure)figure, result);
    }
    return MI_OK;
}
