/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Limits as text: "WHERE: WHAT", "WHAT" for the whole portfolio. WHERE is COLUMN=VALUE (several by '&'),
 * `each` for every campaign alone, `each COLUMN=VALUE`, or `per COLUMN` for every group that the column
 * makes. WHAT is spend, share, roas, cpa or users, <= or >=, and a number.
 */
#include "optimize/plan.h"

#include "optimize/expect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum mi_limit_kind kind;
    unsigned signs; /* 1: at most, 2: at least */
} kinds[] = {
    {"spend", MI_LIMIT_SPEND, 3}, {"share", MI_LIMIT_SHARE, 3}, {"roas", MI_LIMIT_ROAS, 2},
    {"cpa", MI_LIMIT_CPA, 1},     {"users", MI_LIMIT_USERS, 2},
};

struct parsing {
    struct plan *plan;
    struct stream *stream;
    const char *text; /* the whole limit */
    struct mi_error *error;
};

static enum mi_status refuse(const struct parsing *p, const char *why) {
    return mi_error_set(p->error, MI_BAD_ARGUMENT, "limit \"%s\": %s", p->text, why);
}

static struct mi_text trim(const char *from, const char *to) {
    while (from < to && *from == ' ')
        from++;
    while (to > from && to[-1] == ' ')
        to--;
    return (struct mi_text){from, (size_t)(to - from)};
}

/* WHAT */
static enum mi_status parse_what(const struct parsing *p, const char *from, const char *to,
                                 struct mi_allocation_limit *limit) {
    const char *sign = from;
    while (sign < to && *sign != '<' && *sign != '>')
        sign++;
    if (to - sign < 2 || sign[1] != '=')
        return refuse(p, "needs <= or >=, as in 'geo=US: spend<=100000'");
    struct mi_text name = trim(from, sign), number = trim(sign + 2, to);
    limit->at_least = *sign == '>';
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!mi_text_equal(name, mi_text_of(kinds[i].name)))
            continue;
        limit->kind = kinds[i].kind;
        if (!(kinds[i].signs & (limit->at_least ? 2U : 1U)))
            return refuse(p, limit->at_least ? "takes <= only" : "takes >= only");
        bool percent = number.size > 0 && number.data[number.size - 1] == '%';
        if (percent && limit->kind != MI_LIMIT_SHARE)
            return refuse(p, "takes no %, which is for share");
        number.size -= percent;
        if (!mi_number_parse(number, &limit->value) || limit->value < 0 || limit->value > MI_MONEY_LIMIT)
            return refuse(p, "needs a number of 0 and more after the sign (C locale, as 12.5)");
        limit->value /= percent ? 100 : 1;
        if (limit->kind == MI_LIMIT_SHARE && limit->value > 1)
            return refuse(p, "a share is 0 to 1 (or with % up to 100)");
        if (limit->kind == MI_LIMIT_CPA && limit->value == 0)
            return refuse(p, "a CPA is above 0");
        return MI_OK;
    }
    return refuse(p, "must be on spend, share, roas, cpa or users");
}

/* ---- members ---- */

/* Text of a column for a campaign, which may not vary within it. */
static enum mi_status text_of(const struct parsing *p, size_t column, size_t campaign, struct mi_text *text) {
    const struct campaigns *all = &p->plan->campaigns;
    if (all->varies[column])
        return refuse(p, "the column differs within a campaign");
    return mi_batch_text(all->batch, all->items[campaign].row, column, text, p->error);
}

static enum mi_status find_column(const struct parsing *p, struct mi_text name, size_t *column) {
    char *copy = mi_text_copy(name);
    if (!copy)
        return no_memory(p->error);
    bool there = name.size > 0 && mi_reader_has(p->stream->reader, copy);
    enum mi_status status = MI_OK;
    if (there)
        status = mi_reader_column(p->stream->reader, copy, true, column, p->error);
    free(copy);
    return there ? status : refuse(p, "there is no such column");
}

/* Takes out of `chosen` the campaigns that COLUMN=VALUE does not name. */
static enum mi_status choose(const struct parsing *p, struct mi_text condition, bool *chosen) {
    const char *sign = memchr(condition.data, '=', condition.size);
    if (!sign)
        return refuse(p, "needs COLUMN=VALUE, each or per COLUMN before the ':'");
    struct mi_text name = trim(condition.data, sign);
    struct mi_text value = trim(sign + 1, condition.data + condition.size);
    size_t column;
    enum mi_status status = find_column(p, name, &column);
    for (size_t i = 0; i < p->plan->campaigns.count && !status; i++) {
        struct mi_text text;
        status = text_of(p, column, i, &text);
        if (!status && !text.data)
            text = mi_text_of("");
        if (!status)
            chosen[i] &= mi_text_equal(text, value);
    }
    return status;
}

static enum mi_status add_limit(const struct parsing *p, const struct mi_allocation_limit *limit,
                                const bool *chosen, struct mi_text name) {
    struct plan *plan = p->plan;
    size_t count = plan->campaigns.count, n = 0;
    if (plan->limit_count == plan->limit_room) {
        size_t room = plan->limit_room ? 2 * plan->limit_room : 16;
        struct mi_allocation_limit *limits = realloc(plan->limits, room * sizeof *limits);
        if (limits)
            plan->limits = limits;
        size_t **members = realloc(plan->members, room * sizeof *members);
        if (members)
            plan->members = members;
        char **names = realloc(plan->limit_names, room * sizeof *names);
        if (names)
            plan->limit_names = names;
        if (!limits || !members || !names)
            return no_memory(p->error);
        plan->limit_room = room;
    }
    size_t *members = malloc((count + 1) * sizeof *members);
    char *copy = mi_text_copy(name);
    if (!members || !copy) {
        free(members);
        free(copy);
        return no_memory(p->error);
    }
    for (size_t i = 0; i < count; i++)
        if (chosen[i])
            members[n++] = i;
    struct mi_allocation_limit *made = &plan->limits[plan->limit_count];
    *made = *limit;
    made->members = members;
    made->member_count = n;
    plan->members[plan->limit_count] = members;
    plan->limit_names[plan->limit_count] = copy;
    made->name = mi_text_of(copy);
    plan->limit_count++;
    return MI_OK;
}

/* One limit for every text of a column. */
static enum mi_status add_groups(const struct parsing *p, struct mi_text column_name, const char *what,
                                 const struct mi_allocation_limit *limit, bool *chosen) {
    size_t column, count = p->plan->campaigns.count;
    struct mi_index *groups = NULL;
    size_t *group = calloc(count + 1, sizeof *group);
    enum mi_status status = find_column(p, column_name, &column);
    if (!status)
        status = mi_index_new(&groups, p->error);
    for (size_t i = 0; i < count && !status; i++) {
        struct mi_text text;
        status = text_of(p, column, i, &text);
        if (!status && group)
            status = mi_index_add(groups, text, &group[i], NULL, p->error);
    }
    for (size_t g = 0; !status && group && g < mi_index_size(groups); g++) {
        struct mi_text value = mi_index_text(groups, g);
        size_t size = column_name.size + value.size + strlen(what) + 8;
        char *name = malloc(size);
        if (!name)
            status = no_memory(p->error);
        if (status)
            break;
        snprintf(name, size, "%.*s=%.*s: %s", (int)column_name.size, column_name.data, (int)value.size,
                 value.data, what);
        for (size_t i = 0; i < count; i++)
            chosen[i] = group[i] == g;
        status = add_limit(p, limit, chosen, mi_text_of(name));
        free(name);
    }
    mi_index_free(groups);
    free(group);
    return status;
}

static bool starts_with(struct mi_text text, const char *word) {
    size_t size = strlen(word);
    return text.size >= size && memcmp(text.data, word, size) == 0 &&
           (text.size == size || text.data[size] == ' ');
}

static enum mi_status parse_where(const struct parsing *p, struct mi_text where, const char *what,
                                  struct mi_allocation_limit *limit, bool *chosen) {
    if (starts_with(where, "per"))
        return add_groups(p, trim(where.data + 3, where.data + where.size), what, limit, chosen);
    if (starts_with(where, "each")) {
        limit->each = true;
        if (limit->kind == MI_LIMIT_USERS || (limit->at_least && limit->kind != MI_LIMIT_ROAS))
            return refuse(p, "each takes spend<=, share<=, roas>= and cpa<=");
        where = trim(where.data + 4, where.data + where.size);
    }
    const char *end = where.data + where.size;
    enum mi_status status = MI_OK;
    for (const char *from = where.data; from < end && !status;) {
        const char *to = memchr(from, '&', (size_t)(end - from));
        status = choose(p, trim(from, to ? to : end), chosen);
        from = to ? to + 1 : end;
    }
    size_t n = 0;
    for (size_t i = 0; i < p->plan->campaigns.count; i++)
        n += chosen[i];
    if (!status && n == 0 && p->plan->campaigns.count > 0)
        status = refuse(p, "names no campaign");
    return status ? status : add_limit(p, limit, chosen, mi_text_of(p->text));
}

static enum mi_status parse_limit(struct plan *plan, struct stream *stream, const char *text,
                                  struct mi_error *error) {
    struct parsing p = {plan, stream, text, error};
    const char *colon = strrchr(text, ':');
    const char *what = colon ? colon + 1 : text, *end = text + strlen(text);
    struct mi_allocation_limit limit = {0};
    enum mi_status status = parse_what(&p, what, end, &limit);
    if (status)
        return status;
    bool *chosen = malloc((plan->campaigns.count + 1) * sizeof *chosen);
    if (!chosen)
        return no_memory(error);
    for (size_t i = 0; i < plan->campaigns.count; i++)
        chosen[i] = true;
    status = colon ? parse_where(&p, trim(text, colon), trim(what, end).data, &limit, chosen)
                   : add_limit(&p, &limit, chosen, mi_text_of(text));
    free(chosen);
    return status;
}

static enum mi_status read_file(struct plan *plan, struct stream *stream, struct mi_error *error) {
    struct mi_reader *reader = NULL;
    struct mi_batch *batch;
    size_t column;
    enum mi_status status = table_open(optimize_options.limits_file, &reader, &batch, error);
    if (!status)
        status = mi_reader_column(reader, "limit", true, &column, error);
    for (size_t row = 0; !status && row < mi_batch_rows(batch); row++) {
        struct mi_text text;
        struct mi_error reason = {0};
        status = mi_batch_id(batch, row, column, &text, error);
        char *copy = status ? NULL : mi_text_copy(text);
        if (!status && !copy)
            status = no_memory(error);
        if (!status && parse_limit(plan, stream, copy, &reason))
            status = mi_batch_fault(batch, row, column, error, "%s", reason.text);
        free(copy);
    }
    mi_reader_close(reader);
    return status;
}

/* --hold: a campaign keeps today's budget. */
static enum mi_status hold(struct plan *plan, struct mi_error *error) {
    const char *list = optimize_options.hold;
    for (const char *item = list; item; item = *item ? item + 1 : NULL) {
        size_t size = strcspn(item, ","), found = SIZE_MAX;
        for (size_t i = 0; i < plan->campaigns.count; i++)
            if (mi_text_equal(plan->campaigns.items[i].id, (struct mi_text){item, size}))
                found = i;
        if (found == SIZE_MAX)
            return mi_error_set(error, MI_BAD_ARGUMENT, "--hold: there is no campaign \"%.*s\"", (int)size,
                                item);
        struct mi_allocation_campaign *c = &plan->shares[found];
        if (isnan(c->today))
            return mi_error_set(error, MI_BAD_INPUT, "--hold: campaign '%.*s' has no daily_budget", (int)size,
                                item);
        if (c->today < c->min_budget || c->today > c->max_budget)
            note("--hold: campaign '%.*s' keeps %.2f, outside its own limits %.2f to %.2f", (int)size, item,
                 c->today, c->min_budget, c->max_budget);
        c->min_budget = c->max_budget = c->today;
        c->or_nothing = false;
        item += size;
        if (!*item)
            break;
    }
    return MI_OK;
}

enum mi_status limits_read(struct plan *plan, struct stream *stream, struct mi_error *error) {
    enum mi_status status = optimize_options.hold && plan->campaigns.count > 0 ? hold(plan, error) : MI_OK;
    for (size_t i = 0; i < optimize_options.limits.count && !status; i++)
        status = parse_limit(plan, stream, optimize_options.limits.items[i], error);
    if (!status && optimize_options.limits_file)
        status = read_file(plan, stream, error);
    if (!status && optimize_options.for_users > 0) {
        struct parsing p = {plan, stream, "--for-users", error};
        bool *all = malloc((plan->campaigns.count + 1) * sizeof *all);
        struct mi_allocation_limit limit = {
            .kind = MI_LIMIT_USERS, .at_least = true, .value = optimize_options.for_users};
        for (size_t i = 0; all && i < plan->campaigns.count; i++)
            all[i] = true;
        status = all ? add_limit(&p, &limit, all, mi_text_of("--for-users")) : no_memory(error);
        free(all);
    }
    plan->problem.limits = plan->limits;
    plan->problem.limit_count = plan->limit_count;
    return status;
}

void limits_drop(struct plan *plan) {
    for (size_t i = 0; i < plan->limit_count; i++) {
        free(plan->members[i]);
        free(plan->limit_names[i]);
    }
    free(plan->members);
    free(plan->limit_names);
    free(plan->limits);
}
