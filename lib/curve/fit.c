/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The fit as the public header has it: collects the rows of a portfolio and has them checked and fitted.
 */
#include "base/memory.h"
#include "curve/fitted.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

#define GROUP_SEPARATOR '\x1f'
#define TARGET_MOST     366 /* days from the newest to the day that curves are of */
#define FEATURES_ALL    128 /* values of attributes that have a coefficient */

const char *mi_curve_fit_status_name(enum mi_curve_fit_status status) {
    static const char *const names[] = {"own", "shrunk", "portfolio"};
    return names[status];
}

/* Room for one more node: before its text is numbered, so that numbers stay in step. */
static bool grow_nodes(struct mi_curve_fit *fit) {
    struct prior *prior = &fit->portfolio.prior;
    void *nodes = mi_array_room(prior->nodes, prior->node_count, &fit->node_capacity, sizeof *prior->nodes);
    prior->nodes = nodes ? nodes : prior->nodes;
    return nodes;
}

static void add_node(struct mi_curve_fit *fit, size_t parent) {
    struct prior *prior = &fit->portfolio.prior;
    prior->nodes[prior->node_count++] = (struct node){.parent = parent};
}

enum mi_status mi_curve_fit_new(const struct mi_curve_fit_options *options, struct mi_curve_fit **made,
                                struct mi_error *error) {
    if (!options->any_family && !fit_family_of(options->family))
        return mi_error_set(error, MI_BAD_ARGUMENT, "family %s cannot be fitted",
                            mi_curve_family_name(options->family));
    struct mi_curve_fit *fit = calloc(1, sizeof *fit);
    if (!fit)
        return mi_no_memory(error);
    fit->options = *options;
    fit->portfolio.target = MI_DATE_MISSING;
    enum mi_status status = mi_index_new(&fit->ids, error);
    if (status == MI_OK)
        status = mi_index_new(&fit->groups, error);
    if (status == MI_OK)
        status = mi_index_new(&fit->features, error);
    size_t root;
    if (status == MI_OK) /* group number = node number: the portfolio is the group without attributes */
        status = mi_index_add(fit->groups, mi_text_of(""), &root, NULL, error);
    if (status == MI_OK && !grow_nodes(fit))
        status = mi_no_memory(error);
    if (status != MI_OK) {
        mi_curve_fit_free(fit);
        return status;
    }
    add_node(fit, 0);
    *made = fit;
    return MI_OK;
}

void mi_curve_fit_free(struct mi_curve_fit *fit) {
    if (!fit)
        return;
    mi_index_free(fit->ids);
    mi_index_free(fit->groups);
    mi_index_free(fit->features);
    free(fit->portfolio.days);
    free(fit->portfolio.campaigns);
    free(fit->portfolio.prior.nodes);
    fit_delays_free(&fit->delays);
    free(fit->portfolio.room);
    free(fit);
}

/* ---- collecting ---- */

static enum mi_status check_row(const struct mi_curve_fit *fit, struct mi_text id, int32_t date, double spend,
                                double users, struct mi_error *error) {
    if (mi_text_equal(id, mi_text_of(POOLED)))
        return mi_error_set(error, MI_BAD_RECORD, "\"" POOLED "\" is kept for the pooled curve");
    if (!(spend >= 0 && spend <= MI_MONEY_LIMIT) || !(users >= 0 && users <= MI_MONEY_LIMIT))
        return mi_error_set(error, MI_BAD_RECORD, "spend and users must be 0 to 1e15");
    if (fit->portfolio.day_count > 0 && fit->portfolio.dated != (date != MI_DATE_MISSING))
        return mi_error_set(error, MI_BAD_RECORD, "some rows have a date and some have none");
    return MI_OK;
}

/* Room for one more day and one more campaign. */
static bool grow_rows(struct mi_curve_fit *fit) {
    struct portfolio *portfolio = &fit->portfolio;
    void *days =
        mi_array_room(portfolio->days, portfolio->day_count, &fit->day_capacity, sizeof *portfolio->days);
    portfolio->days = days ? days : portfolio->days;
    void *campaigns = mi_array_room(portfolio->campaigns, portfolio->campaign_count, &fit->campaign_capacity,
                                    sizeof *portfolio->campaigns);
    portfolio->campaigns = campaigns ? campaigns : portfolio->campaigns;
    return days && campaigns;
}

enum mi_status mi_curve_fit_add(struct mi_curve_fit *fit, struct mi_text campaign_id, int32_t date,
                                double spend, double users, uint64_t line, struct mi_error *error) {
    struct portfolio *portfolio = &fit->portfolio;
    enum mi_status status = check_row(fit, campaign_id, date, spend, users, error);
    size_t number;
    bool added;
    if (status == MI_OK && !grow_rows(fit))
        status = mi_no_memory(error);
    if (status == MI_OK)
        status = mi_index_add(fit->ids, campaign_id, &number, &added, error);
    if (status != MI_OK)
        return status;
    if (added)
        portfolio->campaigns[portfolio->campaign_count++] = (struct campaign){0};
    portfolio->campaigns[number].is_new = false;
    portfolio->dated = date != MI_DATE_MISSING;
    fit->users_without_spend += spend == 0 && users > 0;
    portfolio->days[portfolio->day_count++] = (struct fit_day){
        .spend = spend, .users = users, .line = line, .date = date, .campaign = (uint32_t)number};
    return MI_OK;
}

/* One feature for each value of each attribute; beyond FEATURES_ALL none is added. */
static enum mi_status set_features(struct mi_curve_fit *fit, struct campaign *campaign,
                                   const struct mi_text *attributes, size_t count, struct mi_error *error) {
    enum mi_status status = MI_OK;
    campaign->feature_count = 0;
    for (size_t i = 0; i < count && i < FEATURES_MOST && status == MI_OK; i++) {
        struct mi_buffer name = {0};
        mi_buffer_byte(&name, (char)('a' + i));
        mi_buffer_append(&name, attributes[i].data, attributes[i].data ? attributes[i].size : 0);
        struct mi_text text = {name.data, name.size};
        size_t number = name.failed ? SIZE_MAX : mi_index_find(fit->features, text);
        if (name.failed)
            status = mi_no_memory(error);
        else if (number == SIZE_MAX && mi_index_size(fit->features) < FEATURES_ALL)
            status = mi_index_add(fit->features, text, &number, NULL, error);
        if (status == MI_OK && number != SIZE_MAX)
            campaign->features[campaign->feature_count++] = (uint32_t)number;
        mi_buffer_free(&name);
    }
    fit->portfolio.attributes.feature_count = mi_index_size(fit->features);
    return status;
}

enum mi_status mi_curve_fit_group(struct mi_curve_fit *fit, struct mi_text campaign_id,
                                  const struct mi_text *attributes, size_t count, struct mi_error *error) {
    size_t campaign = mi_index_find(fit->ids, campaign_id);
    if (campaign == SIZE_MAX)
        return MI_OK;
    struct mi_buffer path = {0};
    size_t node = 0;
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < count && status == MI_OK; i++) {
        mi_buffer_byte(&path, GROUP_SEPARATOR);
        mi_buffer_append(&path, attributes[i].data, attributes[i].data ? attributes[i].size : 0);
        size_t parent = node;
        bool added = false;
        status =
            path.failed || !grow_nodes(fit)
                ? mi_no_memory(error)
                : mi_index_add(fit->groups, (struct mi_text){path.data, path.size}, &node, &added, error);
        if (status == MI_OK && added)
            add_node(fit, parent);
    }
    mi_buffer_free(&path);
    if (status == MI_OK) {
        struct campaign *own = &fit->portfolio.campaigns[campaign];
        own->moved = own->moved || (own->node != 0 && own->node != node);
        own->node = node;
    }
    return status ? status : set_features(fit, &fit->portfolio.campaigns[campaign], attributes, count, error);
}

enum mi_status mi_curve_fit_campaign(struct mi_curve_fit *fit, struct mi_text campaign_id,
                                     struct mi_error *error) {
    size_t number;
    bool added;
    if (mi_text_equal(campaign_id, mi_text_of(POOLED)))
        return mi_error_set(error, MI_BAD_RECORD, "\"" POOLED "\" is kept for the pooled curve");
    if (!grow_rows(fit))
        return mi_no_memory(error);
    enum mi_status status = mi_index_add(fit->ids, campaign_id, &number, &added, error);
    if (status == MI_OK && added)
        fit->portfolio.campaigns[fit->portfolio.campaign_count++] = (struct campaign){.is_new = true};
    return status;
}

enum mi_status mi_curve_fit_covariates(struct mi_curve_fit *fit, struct mi_text campaign_id,
                                       const double *values, size_t count, struct mi_error *error) {
    size_t campaign = mi_index_find(fit->ids, campaign_id);
    if (count > COVARIATES_MOST)
        return mi_error_set(error, MI_BAD_ARGUMENT, "at most %d covariates", COVARIATES_MOST);
    fit->portfolio.attributes.covariate_count = count;
    for (size_t i = 0; i < count && campaign != SIZE_MAX; i++)
        if (isfinite(values[i]))
            fit->portfolio.campaigns[campaign].covariates[i] += values[i];
    return MI_OK;
}

enum mi_status mi_curve_fit_delay(struct mi_curve_fit *fit, int32_t asof, const double *shares, size_t count,
                                  struct mi_error *error) {
    fit->asof = asof;
    return fit_delay_set(&fit->delays, 0, shares, count, error);
}

enum mi_status mi_curve_fit_group_delay(struct mi_curve_fit *fit, struct mi_text group, const double *shares,
                                        size_t count, struct mi_error *error) {
    struct mi_buffer path = {0};
    mi_buffer_byte(&path, GROUP_SEPARATOR);
    mi_buffer_append(&path, group.data, group.size);
    size_t node = path.failed ? 0 : mi_index_find(fit->groups, (struct mi_text){path.data, path.size});
    enum mi_status status = path.failed ? mi_no_memory(error) : MI_OK;
    mi_buffer_free(&path);
    return status || node == SIZE_MAX ? status : fit_delay_set(&fit->delays, node, shares, count, error);
}

enum mi_status mi_curve_fit_adstock(struct mi_curve_fit *fit, double rate, struct mi_error *error) {
    if (!isnan(rate) && !(rate >= 0 && rate < 1))
        return mi_error_set(error, MI_BAD_ARGUMENT, "a rate of carry-over is 0 to below 1");
    fit->adstock = rate;
    return MI_OK;
}

void mi_curve_fit_for(struct mi_curve_fit *fit, int32_t date) {
    fit->portfolio.target = date;
}

/* ---- running ---- */

/* Sorts the rows by campaign, then date, then line. */
static int compare_days(const void *a, const void *b) {
    const struct fit_day *x = a, *y = b;
    if (x->campaign != y->campaign)
        return x->campaign < y->campaign ? -1 : 1;
    if (x->date != y->date)
        return x->date < y->date ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

static void sort_days(struct portfolio *portfolio) {
    bool sorted = true;
    for (size_t i = 1; i < portfolio->day_count && sorted; i++)
        sorted = compare_days(&portfolio->days[i - 1], &portfolio->days[i]) <= 0;
    if (!sorted)
        qsort(portfolio->days, portfolio->day_count, sizeof *portfolio->days, compare_days);
}

static enum mi_status duplicate_found(const struct mi_curve_fit *fit, const struct fit_day *a,
                                      const struct fit_day *b, struct mi_error *error) {
    char date[16];
    mi_date_format(a->date, date);
    struct mi_text id = mi_index_text(fit->ids, a->campaign);
    if (error)
        error->line = b->line;
    return mi_error_set(error, MI_BAD_INPUT, "campaign '%.*s' has %s twice, first in line %llu",
                        id.size > 100 ? 100 : (int)id.size, id.data, date, (unsigned long long)a->line);
}

/* Rows of one campaign and date become one, or are refused. */
static enum mi_status merge_duplicates(struct mi_curve_fit *fit, struct mi_error *error) {
    struct portfolio *portfolio = &fit->portfolio;
    size_t kept = 0;
    for (size_t i = 0; i < portfolio->day_count; i++) {
        const struct fit_day *day = &portfolio->days[i];
        struct fit_day *last = kept ? &portfolio->days[kept - 1] : NULL;
        if (!portfolio->dated || !last || last->campaign != day->campaign || last->date != day->date) {
            portfolio->days[kept++] = *day;
            continue;
        }
        if (!fit->options.sum_duplicates)
            return duplicate_found(fit, last, day, error);
        last->spend += day->spend;
        last->users += day->users;
        fit->summed++;
    }
    portfolio->day_count = kept;
    return MI_OK;
}

static void assign_rows(struct portfolio *portfolio) {
    for (size_t i = 0; i < portfolio->day_count; i++) {
        struct campaign *campaign = &portfolio->campaigns[portfolio->days[i].campaign];
        if (campaign->count++ == 0)
            campaign->first = i;
    }
}

static int32_t newest_date(const struct portfolio *portfolio) {
    int32_t newest = MI_DATE_MISSING;
    for (size_t i = 0; i < portfolio->day_count; i++)
        newest = portfolio->days[i].date > newest ? portfolio->days[i].date : newest;
    return newest;
}

static enum mi_status check_target(const struct portfolio *portfolio, struct mi_error *error) {
    char target[16], newest[16];
    if (portfolio->target == MI_DATE_MISSING)
        return MI_OK;
    if (!portfolio->dated)
        return mi_error_set(error, MI_BAD_INPUT, "curves of a day need dates");
    int32_t last = newest_date(portfolio);
    mi_date_format(portfolio->target, target);
    mi_date_format(last, newest);
    if (portfolio->target <= last || portfolio->target - last > TARGET_MOST)
        return mi_error_set(error, MI_BAD_ARGUMENT,
                            "curves of %s: the day must be 1 to %d days after the newest, %s", target,
                            TARGET_MOST, newest);
    return MI_OK;
}

/* Delay and carry-over, on rows in order. */
static enum mi_status apply_timing(struct mi_curve_fit *fit, struct mi_error *error) {
    struct portfolio *portfolio = &fit->portfolio;
    bool carries = fit->adstock != 0;
    enum mi_status status = MI_OK;
    if ((fit->delays.count > 0 || carries) && !portfolio->dated)
        return mi_error_set(error, MI_BAD_INPUT, "a delay or carry-over needs dates");
    if (fit->delays.count > 0)
        status = fit_delay_apply(portfolio, fit->asof != MI_DATE_MISSING ? fit->asof : newest_date(portfolio),
                                 &fit->delays, &fit->too_young, error);
    if (status == MI_OK)
        assign_rows(portfolio);
    fit->adstock_estimated = isnan(fit->adstock);
    if (status == MI_OK && fit->adstock_estimated)
        status = fit_adstock_estimate(portfolio, &fit->adstock, error);
    if (status == MI_OK && fit->adstock > 0)
        fit_adstock_apply(portfolio, fit->adstock);
    return status;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of the campaigns' highest or lowest spends: the geometric mean of the middle two, where they are
 * even in number. */
static double typical_spend(const struct portfolio *portfolio, bool highest) {
    size_t count = 0;
    for (size_t i = 0; i < portfolio->campaign_count; i++)
        if (portfolio->campaigns[i].count > 0)
            portfolio->room[count++] =
                highest ? portfolio->campaigns[i].spend_max : portfolio->campaigns[i].spend_min;
    if (count == 0)
        return NAN;
    qsort(portfolio->room, count, sizeof *portfolio->room, compare_doubles);
    return sqrt(portfolio->room[(count - 1) / 2]) * sqrt(portfolio->room[count / 2]);
}

/* Median of log users per spend. */
static double typical_level(const struct portfolio *portfolio) {
    size_t count = 0;
    for (size_t i = 0; i < portfolio->campaign_count; i++)
        if (portfolio->campaigns[i].count > 0)
            portfolio->room[count++] = portfolio->campaigns[i].mean[0];
    if (count == 0)
        return 0;
    qsort(portfolio->room, count, sizeof *portfolio->room, compare_doubles);
    return portfolio->room[count / 2];
}

static bool any_shape(const struct portfolio *portfolio) {
    for (size_t i = 0; i < portfolio->campaign_count; i++)
        if (campaign_has_shape(&portfolio->campaigns[i]))
            return true;
    return false;
}

/* The family asked for, else the one that the backtest found best; without one Hill, and where no campaign
 * varied its spend Michaelis-Menten, which has no shape to learn. */
static enum mi_status choose_family(struct mi_curve_fit *fit, struct mi_error *error) {
    struct portfolio *portfolio = &fit->portfolio;
    if (!fit->options.any_family) {
        portfolio->family = fit_family_of(fit->options.family);
        portfolio->misfit = portfolio->family->misfit;
        return MI_OK;
    }
    enum mi_status status = fit_portfolio_backtest(portfolio, &fit->backtest, error);
    if (fit->backtest.done)
        portfolio->family = fit->backtest.family[fit->backtest.best];
    else
        portfolio->family = fit_family_of(any_shape(portfolio) ? MI_CURVE_HILL : MI_CURVE_MM);
    portfolio->misfit = fit->backtest.done ? fit->backtest.misfit : portfolio->family->misfit;
    return status;
}

enum mi_status mi_curve_fit_run(struct mi_curve_fit *fit, const struct mi_notes *notes,
                                struct mi_error *error) {
    struct portfolio *portfolio = &fit->portfolio;
    if (portfolio->campaign_count == 0)
        return MI_OK;
    portfolio->threads = fit->options.threads;
    free(portfolio->room);
    portfolio->room = calloc(portfolio->campaign_count, sizeof *portfolio->room);
    if (!portfolio->room)
        return mi_no_memory(error);
    sort_days(portfolio);
    enum mi_status status = merge_duplicates(fit, error);
    if (status == MI_OK)
        status = check_target(portfolio, error);
    if (status != MI_OK)
        return status;
    status = apply_timing(fit, error);
    if (status != MI_OK)
        return status;
    fit_portfolio_summarise(portfolio);
    status = choose_family(fit, error);
    if (status == MI_OK)
        status = fit_portfolio_fit(portfolio, true, error);
    if (status != MI_OK)
        return status;
    fit->typical_spend = typical_spend(portfolio, true);
    fit->typical_least = typical_spend(portfolio, false);
    if (!isfinite(fit->typical_spend))
        return mi_error_set(error, MI_BAD_INPUT, "no campaign ever spent: nothing to fit");
    fit->typical_level = typical_level(portfolio);
    fit->users = 0;
    for (size_t i = 0; i < portfolio->campaign_count; i++)
        fit->users += portfolio->campaigns[i].users;
    fit_say(fit, notes);
    return MI_OK;
}
