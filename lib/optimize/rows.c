/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Limits become rows and domains; see rows.h.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "optimize/rows.h"

#define SUM_RELATIVE 1e-11 /* rounding of the sums of a row */

size_t limit_member(const struct mi_allocation_limit *limit, size_t number) {
    return limit->members ? limit->members[number] : number;
}

size_t limit_member_count(const struct mi_allocation_problem *problem,
                          const struct mi_allocation_limit *limit) {
    return limit->members ? limit->member_count : problem->count;
}

static const char *kind_names[] = {"spend", "share", "roas", "cpa", "users"};

static enum mi_status check(const struct mi_allocation_problem *problem,
                            const struct mi_allocation_limit *limit, struct mi_error *error) {
    int size = (int)limit->name.size;
    const char *name = limit->name.data;
    enum mi_limit_kind kind = limit->kind;
    if (!(limit->value >= 0 && limit->value <= MI_MONEY_LIMIT))
        return mi_error_set(error, MI_BAD_ARGUMENT, "limit '%.*s': must be 0 to %g", size, name,
                            MI_MONEY_LIMIT);
    if (kind == MI_LIMIT_CPA ? limit->at_least
                             : (kind == MI_LIMIT_ROAS || kind == MI_LIMIT_USERS) && !limit->at_least)
        return mi_error_set(error, MI_BAD_ARGUMENT, "limit '%.*s': %s takes %s only", size, name,
                            kind_names[kind], kind == MI_LIMIT_CPA ? "<=" : ">=");
    if (kind == MI_LIMIT_CPA && limit->value == 0)
        return mi_error_set(error, MI_BAD_ARGUMENT, "limit '%.*s': must be above 0", size, name);
    if (limit->each && (kind == MI_LIMIT_USERS || (limit->at_least && kind != MI_LIMIT_ROAS)))
        return mi_error_set(error, MI_BAD_ARGUMENT, "limit '%.*s': cannot be put on each campaign", size,
                            name);
    for (size_t k = 0; k < limit_member_count(problem, limit); k++)
        if (limit_member(limit, k) >= problem->count)
            return mi_error_set(error, MI_BAD_ARGUMENT, "limit '%.*s': a member that is not there", size,
                                name);
    return MI_OK;
}

/* The coefficients of a campaign. */
static struct row_entry entry_of(const struct mi_allocation_problem *problem,
                                 const struct mi_allocation_limit *limit, size_t row, size_t campaign) {
    struct row_entry entry = {.row = row};
    switch (limit->kind) {
    case MI_LIMIT_SPEND:
    case MI_LIMIT_SHARE:
        entry.p = limit->at_least ? -1 : 1;
        break;
    case MI_LIMIT_ROAS:
        entry.p = limit->value;
        entry.q = problem->campaigns[campaign].ltv;
        break;
    case MI_LIMIT_CPA:
        entry.p = 1;
        entry.q = limit->value;
        break;
    case MI_LIMIT_USERS:
        entry.q = 1;
        break;
    }
    return entry;
}

static double bound_of(const struct mi_allocation_problem *problem, const struct mi_allocation_limit *limit) {
    double value = limit->kind == MI_LIMIT_SHARE ? limit->value * problem->budget : limit->value;
    if (limit->kind == MI_LIMIT_ROAS || limit->kind == MI_LIMIT_CPA)
        return 0;
    return limit->at_least ? -value : value;
}

/* ---- each campaign alone ---- */

static enum mi_status narrow(struct rows *rows, const struct mi_allocation_problem *problem,
                             const struct mi_allocation_limit *limit, size_t i, struct mi_error *error) {
    struct domain *domain = &rows->domains[i];
    const struct mi_allocation_campaign *c = &problem->campaigns[i];
    double most = limit->kind == MI_LIMIT_SHARE ? limit->value * problem->budget : limit->value;
    struct domain before = *domain;
    if (limit->kind == MI_LIMIT_SPEND || limit->kind == MI_LIMIT_SHARE)
        *domain = domain_within(domain, 0, most);
    else if (limit->kind == MI_LIMIT_CPA)
        *domain = domain_affordable(domain, c->curve, limit->value);
    else if (limit->value > 0)
        *domain = domain_affordable(domain, c->curve, c->ltv / limit->value);
    if (domain->count > 0)
        return MI_OK;
    double low = domain_low(&before), best = limit->at_least ? 0 : INFINITY, at = low;
    for (int k = 0; k <= 1000; k++) { /* the nearest that its budgets come to */
        double spend = low + (domain_high(&before) - low) * k / 1000, users = mi_curve_users(c->curve, spend);
        double value = limit->kind == MI_LIMIT_ROAS ? users * c->ltv / spend
                       : limit->kind == MI_LIMIT_CPA
                           ? spend / users
                           : low / (limit->kind == MI_LIMIT_SHARE ? problem->budget : 1);
        if (limit->at_least ? value > best : value < best) {
            best = value;
            at = spend;
        }
    }
    return mi_error_set(error, MI_NO,
                        "campaign '%.*s': limit '%.*s' leaves it no budget of at least %.15g: %.6g would do, "
                        "at %.2f",
                        (int)c->id.size, c->id.data, (int)limit->name.size, limit->name.data, low, best, at);
}

/* ---- rows ---- */

static void count_entries(struct rows *rows, const struct mi_allocation_problem *problem) {
    for (size_t k = 0; k < rows->count; k++) {
        const struct mi_allocation_limit *limit = &problem->limits[rows->limit[k]];
        for (size_t m = 0; m < limit_member_count(problem, limit); m++)
            rows->start[limit_member(limit, m) + 1]++;
    }
    for (size_t i = 0; i < problem->count; i++)
        rows->start[i + 1] += rows->start[i];
}

static void fill_entries(struct rows *rows, const struct mi_allocation_problem *problem, size_t *next) {
    for (size_t i = 0; i < problem->count; i++)
        next[i] = rows->start[i];
    for (size_t k = 0; k < rows->count; k++) {
        const struct mi_allocation_limit *limit = &problem->limits[rows->limit[k]];
        rows->b[k] = bound_of(problem, limit);
        double per = limit->kind == MI_LIMIT_ROAS    ? fmax(1, limit->value)
                     : limit->kind == MI_LIMIT_USERS ? 0
                                                     : 1;
        rows->tolerance[k] = SUM_RELATIVE * fmax(fabs(rows->b[k]), problem->budget * per);
        for (size_t m = 0; m < limit_member_count(problem, limit); m++) {
            size_t i = limit_member(limit, m);
            rows->entries[next[i]++] = entry_of(problem, limit, k, i);
        }
    }
}

static enum mi_status make_rows(struct rows *rows, const struct mi_allocation_problem *problem,
                                struct mi_error *error) {
    count_entries(rows, problem);
    size_t *next = calloc(problem->count + 1, sizeof *next);
    rows->entries = calloc(rows->start[problem->count] + 1, sizeof *rows->entries);
    if (next && rows->entries)
        fill_entries(rows, problem, next);
    bool made = next && rows->entries;
    free(next);
    return made ? MI_OK : mi_no_memory(error);
}

enum mi_status rows_new(struct rows *rows, const struct mi_allocation_problem *problem,
                        const struct limits *limits, struct mi_error *error) {
    size_t count = problem->count;
    *rows = (struct rows){.campaigns = count};
    rows->limit = calloc(problem->limit_count + 1, sizeof *rows->limit);
    rows->b = calloc(problem->limit_count + 1, sizeof *rows->b);
    rows->tolerance = calloc(problem->limit_count + 1, sizeof *rows->tolerance);
    rows->start = calloc(count + 2, sizeof *rows->start);
    rows->domains = calloc(count + 1, sizeof *rows->domains);
    if (!rows->limit || !rows->b || !rows->tolerance || !rows->start || !rows->domains)
        return mi_no_memory(error);
    for (size_t i = 0; i < count; i++) {
        double low = problem->campaigns[i].or_nothing ? problem->campaigns[i].min_budget : limits->low[i];
        struct domain all = domain_interval(0, limits->high[i]);
        rows->domains[i] = domain_within(&all, low, limits->high[i]);
        if (problem->campaigns[i].or_nothing && low > 0) {
            struct domain active = rows->domains[i];
            rows->domains[i] = domain_interval(0, 0);
            if (active.count > 0)
                rows->domains[i].interval[rows->domains[i].count++] = active.interval[0];
        }
    }
    if (problem->step > 0)
        for (size_t i = 0; i < count; i++)
            domain_to_steps(&rows->domains[i], problem->step);
    enum mi_status status = MI_OK;
    for (size_t l = 0; l < problem->limit_count && !status; l++) {
        const struct mi_allocation_limit *limit = &problem->limits[l];
        status = check(problem, limit, error);
        if (!status && !limit->each)
            rows->limit[rows->count++] = l;
        for (size_t m = 0; limit->each && m < limit_member_count(problem, limit) && !status; m++)
            status = narrow(rows, problem, limit, limit_member(limit, m), error);
    }
    for (size_t i = 0; i < count && !status; i++)
        rows->gaps |= rows->domains[i].count > 1;
    return status ? status : make_rows(rows, problem, error);
}

void rows_free(struct rows *rows) {
    free(rows->limit);
    free(rows->b);
    free(rows->tolerance);
    free(rows->start);
    free(rows->entries);
    free(rows->domains);
    *rows = (struct rows){0};
}

void rows_sums(const struct rows *rows, const struct mi_allocation_problem *problem, const double *spend,
               double *sums) {
    for (size_t k = 0; k < rows->count; k++)
        sums[k] = 0;
    for (size_t i = 0; i < rows->campaigns; i++) {
        if (rows->start[i] == rows->start[i + 1])
            continue;
        double users = mi_curve_users(problem->campaigns[i].curve, spend[i]);
        for (size_t e = rows->start[i]; e < rows->start[i + 1]; e++)
            sums[rows->entries[e].row] += rows->entries[e].p * spend[i] - rows->entries[e].q * users;
    }
}

bool rows_hold(const struct rows *rows, const struct mi_allocation_problem *problem, const double *spend,
               double *sums) {
    rows_sums(rows, problem, spend, sums);
    for (size_t k = 0; k < rows->count; k++)
        if (!(sums[k] <= rows->b[k] + rows->tolerance[k]))
            return false;
    return true;
}

double limit_reached(const struct mi_allocation_problem *problem, const struct mi_allocation_limit *limit,
                     const double *spend) {
    double money = 0, users = 0, revenue = 0;
    for (size_t m = 0; m < limit_member_count(problem, limit); m++) {
        size_t i = limit_member(limit, m);
        double here = mi_curve_users(problem->campaigns[i].curve, spend[i]);
        money += spend[i];
        users += here;
        revenue += here * problem->campaigns[i].ltv;
    }
    double value = limit->kind == MI_LIMIT_SPEND   ? money
                   : limit->kind == MI_LIMIT_SHARE ? money / problem->budget
                   : limit->kind == MI_LIMIT_ROAS  ? revenue / money
                   : limit->kind == MI_LIMIT_CPA   ? money / users
                                                   : users;
    return isfinite(value) ? value : NAN;
}
