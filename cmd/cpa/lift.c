/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-cpa fit --lift: from the table of experiments to incremental curves.
 */
#include "cpa/lift.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum mi_status lift_open(struct lift *lift, const char *path, struct mi_error *error) {
    lift->path = path;
    enum mi_status status = mi_index_new(&lift->ids, error);
    return status ? status : mi_index_new(&lift->values, error);
}

void lift_free(struct lift *lift) {
    mi_index_free(lift->ids);
    mi_index_free(lift->values);
    free(lift->facts);
    free(lift->results);
}

/* ---- campaigns ---- */

static enum mi_status facts_of(struct lift *lift, struct mi_text id, struct lift_facts **facts,
                               struct mi_error *error) {
    size_t count = mi_index_size(lift->ids), number;
    bool added;
    struct lift_facts *all = mi_array_room(lift->facts, count, &lift->room, sizeof *all);
    if (!all)
        return no_memory(error);
    lift->facts = all;
    enum mi_status status = mi_index_add(lift->ids, id, &number, &added, error);
    if (status)
        return status;
    *facts = &lift->facts[number];
    if (added) {
        **facts = (struct lift_facts){0};
        for (size_t i = 0; i < GROUPS_MOST; i++)
            (*facts)->values[i] = SIZE_MAX;
    }
    return MI_OK;
}

enum mi_status lift_day(struct lift *lift, struct mi_text id, double spend, struct mi_error *error) {
    struct lift_facts *facts;
    enum mi_status status = facts_of(lift, id, &facts, error);
    if (!status && spend > 0) {
        facts->spend += spend;
        facts->days++;
    }
    return status;
}

enum mi_status lift_group(struct lift *lift, struct mi_text id, const struct mi_text *texts, size_t count,
                          struct mi_error *error) {
    struct lift_facts *facts;
    enum mi_status status = facts_of(lift, id, &facts, error);
    for (size_t i = 0; i < count && !status; i++) {
        facts->values[i] = SIZE_MAX;
        if (texts[i].data)
            status = mi_index_add(lift->values, texts[i], &facts->values[i], NULL, error);
    }
    return status;
}

/* ---- the portfolio as the library takes it ---- */

struct portfolio {
    struct mi_lift_campaign *campaigns;
    struct mi_curve_fit_row *rows;
    const struct lift_facts **facts; /* of each, NULL for the pooled row */
    size_t *groups;                  /* levels of each */
    struct mi_index *paths, *ids;    /* of groups; of campaigns */
    size_t count, levels;            /* campaigns and the pooled row; group columns */
};

static void portfolio_free(struct portfolio *p) {
    free(p->campaigns);
    free(p->rows);
    free(p->facts);
    free(p->groups);
    mi_index_free(p->paths);
    mi_index_free(p->ids);
}

/* Numbers a campaign's groups: a group is its value within the group above. */
static enum mi_status number_groups(struct portfolio *p, size_t campaign, struct mi_error *error) {
    size_t above = SIZE_MAX, *groups = p->groups + campaign * p->levels;
    enum mi_status status = MI_OK;
    for (size_t level = 0; level < p->levels && !status; level++) {
        char path[96];
        const struct lift_facts *facts = p->facts[campaign];
        snprintf(path, sizeof path, "%zu %zu %zu%s", level, above, facts ? facts->values[level] : 0,
                 facts ? "" : " *");
        status = mi_index_add(p->paths, mi_text_of(path), &groups[level], NULL, error);
        above = groups[level];
    }
    return status;
}

static enum mi_status portfolio_of(const struct lift *lift, const struct mi_curve_fit *fit, size_t levels,
                                   struct portfolio *p, struct mi_error *error) {
    p->count = mi_curve_fit_count(fit);
    p->levels = levels;
    p->campaigns = calloc(p->count + 1, sizeof *p->campaigns);
    p->rows = calloc(p->count + 1, sizeof *p->rows);
    p->facts = calloc(p->count + 1, sizeof *p->facts);
    p->groups = calloc(p->count * levels + 1, sizeof *p->groups);
    if (!p->campaigns || !p->rows || !p->facts || !p->groups)
        return no_memory(error);
    enum mi_status status = mi_index_new(&p->paths, error);
    if (!status)
        status = mi_index_new(&p->ids, error);
    for (size_t i = 0; i < p->count && !status; i++) {
        mi_curve_fit_row(fit, i, &p->rows[i]);
        size_t number = mi_index_find(lift->ids, p->rows[i].campaign_id);
        p->facts[i] = number == SIZE_MAX ? NULL : &lift->facts[number];
        status = mi_index_add(p->ids, p->rows[i].campaign_id, &number, NULL, error);
        if (!status)
            status = number_groups(p, i, error);
        const struct lift_facts *facts = p->facts[i];
        p->campaigns[i] =
            (struct mi_lift_campaign){.curve = &p->rows[i].curve,
                                      .covariance = p->rows[i].covariance,
                                      .spend = facts && facts->days > 0 ? facts->spend / facts->days : 0,
                                      .groups = p->groups + i * levels};
    }
    return status;
}

/* ---- experiments ---- */

struct experiments {
    struct mi_reader *reader;
    struct mi_batch *batch;
    size_t id, group, before, after, conversions, error, days; /* columns */
    struct mi_lift_experiment *items;
    size_t count;
    struct mi_index *targets;
    size_t **members; /* by target */
    size_t *member_count;
};

static void experiments_free(struct experiments *x) {
    for (size_t i = 0; x->members && x->targets && i < mi_index_size(x->targets); i++)
        free(x->members[i]);
    free(x->members);
    free(x->member_count);
    free(x->items);
    mi_index_free(x->targets);
    mi_reader_close(x->reader);
}

static enum mi_status open_experiments(struct experiments *x, const char *path, struct mi_error *error) {
    const struct {
        const char *name;
        bool required;
        size_t *column;
    } wanted[] = {
        {"campaign_id", false, &x->id},
        {"group", false, &x->group},
        {"spend_before", true, &x->before},
        {"spend_after", true, &x->after},
        {"incremental_conversions", true, &x->conversions},
        {"standard_error", true, &x->error},
        {"days", false, &x->days},
    };
    enum mi_status status = table_open(path, &x->reader, &x->batch, error);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0] && !status; i++)
        status = mi_reader_column(x->reader, wanted[i].name, wanted[i].required, wanted[i].column, error);
    if (!status && x->id == MI_NO_COLUMN && x->group == MI_NO_COLUMN)
        return mi_error_set(error, MI_BAD_INPUT, "%s has no column 'campaign_id', nor 'group'",
                            mi_reader_name(x->reader));
    if (status)
        return status;
    x->items = calloc(mi_batch_rows(x->batch) + 1, sizeof *x->items);
    x->members = calloc(mi_batch_rows(x->batch) + 1, sizeof *x->members);
    x->member_count = calloc(mi_batch_rows(x->batch) + 1, sizeof *x->member_count);
    if (!x->items || !x->members || !x->member_count)
        return no_memory(error);
    return mi_index_new(&x->targets, error);
}

static struct mi_text trim(struct mi_text text) {
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
        text.size--;
    return text;
}

/* What a group's text asks of campaigns: a value in some of the columns. */
struct wish {
    size_t column[GROUPS_MOST], value[GROUPS_MOST], count;
};

static enum mi_status parse_wish(const struct lift *lift, const struct experiments *x, size_t row,
                                 struct mi_text text, char *const *names, size_t levels, struct wish *wish,
                                 struct mi_error *error) {
    const char *at = text.data, *end = text.data + text.size;
    for (wish->count = 0; at <= end; wish->count++) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        stop = stop ? stop : end;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        if (!equals || wish->count == GROUPS_MOST)
            return mi_batch_fault(x->batch, row, x->group, error,
                                  "\"%.*s\" is not COLUMN=VALUE, or several joined by &",
                                  text.size > 100 ? 100 : (int)text.size, text.data);
        struct mi_text name = trim((struct mi_text){at, (size_t)(equals - at)});
        struct mi_text value = trim((struct mi_text){equals + 1, (size_t)(stop - equals - 1)});
        size_t column = 0;
        while (column < levels && !mi_text_equal(name, mi_text_of(names[column])))
            column++;
        if (column == levels)
            return mi_batch_fault(x->batch, row, x->group, error,
                                  "'%.*s' is no column that campaigns are pooled by (--pool-by)",
                                  name.size > 60 ? 60 : (int)name.size, name.data);
        wish->column[wish->count] = column;
        wish->value[wish->count] = mi_index_find(lift->values, value);
        at = stop + 1;
    }
    return MI_OK;
}

static bool fulfils(const struct lift_facts *facts, const struct wish *wish) {
    for (size_t i = 0; i < wish->count; i++)
        if (!facts || wish->value[i] == SIZE_MAX || facts->values[wish->column[i]] != wish->value[i])
            return false;
    return true;
}

/* The campaigns of a target: one by its id, all (*), or those of a group. */
static enum mi_status find_members(struct experiments *x, size_t target, const struct portfolio *p,
                                   struct mi_text id, const struct wish *wish, struct mi_error *error) {
    size_t *members = calloc(p->count + 1, sizeof *members), count = 0;
    if (!members)
        return no_memory(error);
    x->members[target] = members;
    bool all = mi_text_equal(id, mi_text_of("*"));
    size_t one = id.data && !all ? mi_index_find(p->ids, id) : SIZE_MAX;
    for (size_t i = 0; i < p->count; i++)
        if (all || i == one || (!id.data && fulfils(p->facts[i], wish)))
            members[count++] = i;
    x->member_count[target] = count;
    return MI_OK;
}

static enum mi_status find_target(const struct lift *lift, struct experiments *x, size_t row,
                                  const struct portfolio *p, char *const *names, struct mi_error *error) {
    struct mi_text id, group;
    struct wish wish = {.count = 0};
    size_t target;
    bool added;
    enum mi_status status = mi_batch_text(x->batch, row, x->id, &id, error);
    if (!status)
        status = mi_batch_text(x->batch, row, x->group, &group, error);
    if (status)
        return status;
    size_t column = id.data || x->group == MI_NO_COLUMN ? x->id : x->group;
    if (!id.data == !group.data)
        return mi_batch_fault(x->batch, row, column, error, "either a campaign_id or a group, %s",
                              id.data ? "not both" : "none is there");
    if (group.data)
        status = parse_wish(lift, x, row, group, names, p->levels, &wish, error);
    if (status)
        return status;
    /* ids and groups are kept apart: no text of a table begins with this byte twice */
    struct mi_text name = id.data ? id : group;
    char *key = malloc(name.size + 2);
    if (!key)
        return no_memory(error);
    key[0] = id.data ? 'i' : 'g';
    memcpy(key + 1, name.data, name.size);
    status = mi_index_add(x->targets, (struct mi_text){key, name.size + 1}, &target, &added, error);
    free(key);
    if (!status && added)
        status = find_members(x, target, p, id, &wish, error);
    if (!status && x->member_count[target] == 0)
        return mi_batch_fault(x->batch, row, column, error, "\"%.*s\": no campaign %s",
                              name.size > 100 ? 100 : (int)name.size, name.data,
                              id.data ? "of this id has days" : "is of this group");
    x->items[x->count].target = target;
    x->items[x->count].campaigns = x->members[target];
    x->items[x->count].campaign_count = x->member_count[target];
    return status;
}

/* Amounts: what cannot be is refused. */
static enum mi_status read_amounts(struct experiments *x, size_t row, struct mi_error *error) {
    struct mi_lift_experiment *item = &x->items[x->count];
    double days;
    enum mi_status status =
        mi_batch_number(x->batch, row, x->before, MI_FILLED | MI_MONEY, &item->spend_before, error);
    if (!status)
        status = mi_batch_number(x->batch, row, x->after, MI_FILLED | MI_MONEY, &item->spend_after, error);
    if (!status)
        status = mi_batch_number(x->batch, row, x->conversions, MI_FILLED | MI_MONEY | MI_SIGNED,
                                 &item->conversions, error);
    if (!status)
        status = mi_batch_number(x->batch, row, x->error, MI_FILLED | MI_MONEY | MI_POSITIVE,
                                 &item->standard_error, error);
    if (!status)
        status = mi_batch_number(x->batch, row, x->days, MI_MONEY | MI_POSITIVE, &days, error);
    if (status)
        return status;
    if (item->spend_after == item->spend_before)
        return mi_batch_fault(x->batch, row, x->after, error, "the same as spend_before: nothing was tried");
    if (item->spend_after < item->spend_before && item->conversions < 0)
        return mi_batch_fault(x->batch, row, x->conversions, error,
                              "below 0 where spend was cut: it is what the higher spend brings more than the "
                              "lower, whichever came first");
    if (!isnan(days)) {
        item->conversions /= days;
        item->standard_error /= days;
    }
    if (item->conversions < -2 * item->standard_error)
        note("%s:%llu: more spend with fewer conversions, by more than two standard errors: taken for a "
             "share near 0",
             mi_reader_name(x->reader), (unsigned long long)mi_batch_line(x->batch, row));
    return MI_OK;
}

static enum mi_status read_experiments(const struct lift *lift, struct experiments *x,
                                       const struct portfolio *p, char *const *names,
                                       struct mi_error *error) {
    enum mi_status status = open_experiments(x, lift->path, error);
    for (size_t row = 0; !status && row < mi_batch_rows(x->batch); row++) {
        status = find_target(lift, x, row, p, names, error);
        if (!status)
            status = read_amounts(x, row, error);
        if (!status)
            x->count++;
    }
    return status;
}

/* ---- what came out ---- */

static void say_contradictions(const struct experiments *x, double misfit) {
    char lines[200] = "";
    size_t used = 0, count = 0;
    for (size_t i = 0; i < x->count; i++) {
        if (!x->items[i].contradicts)
            continue;
        if (used + 24 < sizeof lines)
            used += (size_t)snprintf(lines + used, sizeof lines - used, "%s%llu", used ? ", " : "",
                                     (unsigned long long)mi_batch_line(x->batch, i));
        count++;
    }
    if (count > 0)
        note("experiments of the same campaigns contradict each other (lines %s of %s): their errors are "
             "taken "
             "up to %.1f times as large",
             lines, mi_reader_name(x->reader), misfit);
}

static void say_results(const struct lift *lift, const struct experiments *x,
                        const struct mi_lift_summary *summary) {
    size_t without = 0, all = lift->count > 0 ? lift->count - 1 : 0;
    for (size_t i = 0; i < all; i++)
        without += !lift->results[i].measured;
    say_contradictions(x, summary->misfit);
    if (without == 0)
        return;
    if (x->count > 0)
        note("%zu of %zu campaigns were in no experiment, nor was a group of theirs: their incrementality is "
             "taken to be 1 (what experiments found elsewhere says %.2f, standard error %.2f)",
             without, all, summary->incrementality, summary->se);
    else
        note("%s has no experiments: the incrementality of all campaigns is taken to be 1", lift->path);
}

enum mi_status lift_apply(struct lift *lift, const struct mi_curve_fit *fit, char *const *group_names,
                          size_t group_count, struct mi_error *error) {
    struct portfolio portfolio = {0};
    struct experiments experiments = {0};
    struct mi_lift_summary summary;
    enum mi_status status = portfolio_of(lift, fit, group_count, &portfolio, error);
    if (!status)
        status = read_experiments(lift, &experiments, &portfolio, group_names, error);
    lift->count = portfolio.count;
    lift->results = calloc(portfolio.count + 1, sizeof *lift->results);
    if (!status && !lift->results)
        status = no_memory(error);
    if (!status)
        status = mi_lift_estimate(portfolio.campaigns, portfolio.count, group_count,
                                  mi_index_size(portfolio.paths), experiments.items, experiments.count,
                                  lift->results, &summary, error);
    if (!status)
        say_results(lift, &experiments, &summary);
    experiments_free(&experiments);
    portfolio_free(&portfolio);
    return status;
}
