/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Branch and bound over convex relaxations; see limited.h. A node is its parent but for one campaign's
 * domain. An allocation is made of a relaxed one by settling the campaigns that lie in a jump of their
 * envelope, on its lower or upper side, and solving anew, until none is left.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "optimize/branch.h"
#include "optimize/lattice.h"
#include "optimize/limited.h"
#include "optimize/relax.h"

#define NODES_MOST     600
#define NODES_LEAST    12
#define CAMPAIGN_WORK  40000 /* nodes times campaigns that are worth the time */
#define DIVE_MOST      60
#define SAFETY_STEPS   6    /* widenings of a row's margin against rounding */
#define SPLIT_RELATIVE 1e-9 /* of the value: a loss that is none */
#define OVER_RELATIVE  1e-6 /* of a row's scale: it cannot be kept */
#define NEAREST_STEPS  30
#define LIMITS_NAMED   4 /* in a message */
#define NO_NODE        SIZE_MAX

struct node {
    size_t parent, campaign;
    struct pieces pieces; /* of that campaign */
    double bound;
    size_t split;
    double down, up; /* the split campaign's children: up to, and from */
    bool open, leaf; /* to be divided; its bound counts */
};

struct search {
    const struct rounding_problem *problem;
    size_t count;
    struct pieces *root;
    const struct pieces **at; /* a node's pieces */
    struct pieces **dived;    /* those that a dive made, NULL where none */
    gsl_root_fsolver *roots;
    struct relaxed relaxed;
    double *b, *trial, *prices;
    struct node *nodes;
    size_t node_count;
    double gap, deadline;
    struct limited_result *result;
    bool found;
    struct mi_error *error;
};

static bool out_of_time(const struct search *s) {
    return s->deadline > 0 && clock_now() > s->deadline;
}

static enum mi_status no_memory(struct search *s) {
    return mi_error_set(s->error, MI_NO_MEMORY, "out of memory");
}

static enum mi_status no_number(struct search *s, size_t campaign) {
    struct mi_text id = s->problem->problem->campaigns[campaign].id;
    return mi_error_set(s->error, MI_NUMERIC, "campaign '%.*s': its curve gives no number within its limits",
                        (int)id.size, id.data);
}

static enum mi_status make_pieces(struct search *s, struct pieces *pieces, size_t campaign,
                                  const struct domain *domain) {
    enum mi_status status = pieces_new(pieces, &s->problem->terms[campaign], domain);
    return status == MI_NUMERIC ? no_number(s, campaign) : status ? no_memory(s) : MI_OK;
}

/* ---- what a relaxed allocation splits ---- */

struct split {
    size_t campaign;
    double loss;     /* of the term and, at their prices, of the rows */
    double down, up; /* ends of the jump */
    double spend;
    bool gap; /* nothing is allowed between */
};

static struct split find_split(const struct search *s, size_t i) {
    const struct pieces *p = s->at[i];
    double spend = s->relaxed.spend[i];
    struct split split = {.campaign = i, .spend = spend};
    for (size_t k = 0; k < p->count; k++) {
        const struct piece *piece = &p->items[k];
        double x = spend - piece->start;
        if (!piece->jump || !(x > 1e-7 * piece->length && x < (1 - 1e-7) * piece->length))
            continue;
        struct piece_value v = piece_at(p, piece, x);
        double users = v.users - mi_curve_users(p->term.curve, spend);
        split.loss = v.term - term_value(&p->term, spend);
        const struct rows *rows = s->problem->rows;
        for (size_t e = rows->start[i]; e < rows->start[i + 1]; e++)
            split.loss += s->relaxed.price[rows->entries[e].row] * rows->entries[e].q * users;
        split.down = piece->start;
        split.up = piece->start + piece->length;
        split.gap = !domain_holds(&p->domain, spend, 0);
        if (split.gap)
            for (size_t g = 0; g + 1 < p->domain.count; g++)
                if (p->domain.interval[g].high < spend && p->domain.interval[g + 1].low > spend) {
                    split.down = p->domain.interval[g].high;
                    split.up = p->domain.interval[g + 1].low;
                }
    }
    return split;
}

static int compare_splits(const void *a, const void *b) {
    const struct split *x = a, *y = b;
    if (x->gap != y->gap)
        return x->gap ? -1 : 1;
    if (x->loss != y->loss)
        return x->loss < y->loss ? 1 : -1;
    return (x->campaign > y->campaign) - (x->campaign < y->campaign);
}

/* All of them, largest first; returns how many. */
static size_t find_splits(const struct search *s, struct split *splits, double value) {
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct split split = find_split(s, i);
        if (split.gap || split.loss > SPLIT_RELATIVE * fabs(value) / (double)s->count)
            splits[n++] = split;
    }
    qsort(splits, n, sizeof *splits, compare_splits);
    return n;
}

/* ---- candidates ---- */

static double value_of(const struct search *s, const double *spend) {
    double value = 0;
    for (size_t i = 0; i < s->count; i++)
        value += term_value(&s->problem->terms[i], spend[i]);
    return value;
}

static enum mi_status relax(struct search *s, bool margin) {
    struct relax_problem problem = {.count = s->count,
                                    .pieces = s->at,
                                    .rows = s->problem->rows,
                                    .b = margin ? s->b : s->problem->rows->b,
                                    .budget = s->problem->limits->budget,
                                    .at_most = s->problem->limits->at_most};
    return relax_solve(&problem, s->roots, &s->relaxed);
}

static double row_size(const struct search *s, size_t k) {
    const struct rows *rows = s->problem->rows;
    return fmax(fabs(rows->b[k]), rows->tolerance[k] * 1e11);
}

static bool exceeded(const struct search *s) {
    for (size_t k = 0; k < s->problem->rows->count; k++)
        if (s->relaxed.over[k] > OVER_RELATIVE * row_size(s, k))
            return true;
    return false;
}

/* Takes an allocation that may be the best: rounds it, and where rows do not bear that, gives them a margin
 * and solves anew within the same pieces. */
static enum mi_status offer(struct search *s) {
    const struct rows *rows = s->problem->rows;
    struct rounding_problem rounding = *s->problem;
    rounding.prices = s->relaxed.price;
    for (int k = 0; k <= SAFETY_STEPS; k++) {
        memcpy(s->trial, s->relaxed.spend, s->count * sizeof *s->trial);
        enum mi_status status = rounding_settle(&rounding, s->trial);
        if (status == MI_NO_MEMORY)
            return no_memory(s);
        if (status == MI_OK) {
            double value = value_of(s, s->trial);
            if (!s->found || value > s->result->value) {
                s->result->value = value;
                memcpy(s->result->spend, s->trial, s->count * sizeof *s->trial);
                s->found = true;
            }
            return MI_OK;
        }
        if (rows->count == 0 || k == SAFETY_STEPS)
            return MI_OK;
        for (size_t row = 0; row < rows->count; row++) {
            const struct mi_allocation_limit *limit = &s->problem->problem->limits[rows->limit[row]];
            double ratio = limit->kind == MI_LIMIT_ROAS ? fmax(1, limit->value) : 1;
            double money =
                limit->kind == MI_LIMIT_USERS ? limit->value / fmax(1, s->problem->limits->budget) : ratio;
            s->b[row] =
                rows->b[row] - money * s->problem->unit * ldexp(1, 2 * k) * sqrt((double)s->count) / 4;
        }
        status = relax(s, true);
        if (status && status != MI_NUMERIC)
            return MI_OK;
    }
    return MI_OK;
}

/* Replaces the pieces of a campaign within a dive. */
static enum mi_status narrow(struct search *s, size_t i, double low, double high) {
    struct domain domain = domain_within(&s->at[i]->domain, low, high);
    if (domain.count == 0)
        return MI_NO;
    struct pieces *made = calloc(1, sizeof *made);
    if (!made)
        return no_memory(s);
    enum mi_status status = make_pieces(s, made, i, &domain);
    if (status) {
        free(made);
        return status;
    }
    if (s->dived[i]) {
        pieces_free(s->dived[i]);
        free(s->dived[i]);
    }
    s->dived[i] = made;
    s->at[i] = made;
    return MI_OK;
}

/* Settles splits by rounding that keeps the running total: all but a few where there are many. `middle`: the
 * share of the jump from which it goes up. */
static enum mi_status settle_splits(struct search *s, const struct split *splits, size_t n, double middle) {
    size_t fixed = n > s->problem->rows->count + 4 ? n - s->problem->rows->count - 2 : 1;
    double carried = 0; /* money that was taken from those before */
    for (size_t k = 0; k < fixed; k++) {
        const struct split *split = &splits[k];
        double target = split->spend + (fixed > 1 ? carried : 0);
        bool up = target >= split->down + middle * (split->up - split->down);
        carried += split->spend - (up ? split->up : split->down);
        enum mi_status status =
            up ? narrow(s, split->campaign, split->gap ? split->up : split->spend, INFINITY)
               : narrow(s, split->campaign, 0, split->down);
        if (status)
            return status;
    }
    return MI_OK;
}

static void end_dive(struct search *s) {
    for (size_t i = 0; i < s->count; i++) {
        if (!s->dived[i])
            continue;
        pieces_free(s->dived[i]);
        free(s->dived[i]);
        s->dived[i] = NULL;
    }
}

/* From the node's relaxed allocation, which is in s->relaxed, to one that holds. Spoils s->at. */
static enum mi_status dive(struct search *s, double middle) {
    struct split *splits = malloc((s->count + 1) * sizeof *splits);
    if (!splits)
        return no_memory(s);
    enum mi_status status = MI_OK;
    for (int k = 0; k < DIVE_MOST && !status; k++) {
        size_t n = find_splits(s, splits, value_of(s, s->relaxed.spend));
        if (n == 0) {
            status = offer(s);
            break;
        }
        if (out_of_time(s) && s->found)
            break;
        status = settle_splits(s, splits, n, middle);
        if (!status) {
            status = relax(s, false);
            if (status == MI_NUMERIC)
                status = MI_OK; /* what it gave is looked at all the same */
        }
        if (!status && exceeded(s))
            status = MI_NO;
    }
    end_dive(s);
    free(splits);
    return status == MI_NO ? MI_OK : status;
}

/* ---- nodes ---- */

static void choose_pieces(struct search *s, size_t place) {
    for (size_t i = 0; i < s->count; i++)
        s->at[i] = &s->root[i];
    for (const struct node *node = &s->nodes[place]; node->parent != NO_NODE; node = &s->nodes[node->parent])
        if (s->at[node->campaign] == &s->root[node->campaign])
            s->at[node->campaign] = &node->pieces;
}

static double over_as_value(const struct search *s, const struct mi_allocation_limit *limit, double over) {
    const struct mi_allocation_problem *problem = s->problem->problem;
    double spend = 0, users = 0;
    for (size_t m = 0; m < limit_member_count(problem, limit); m++) {
        size_t i = limit_member(limit, m);
        spend += s->relaxed.spend[i];
        users += mi_curve_users(problem->campaigns[i].curve, s->relaxed.spend[i]);
    }
    return limit->kind == MI_LIMIT_SHARE  ? over / problem->budget
           : limit->kind == MI_LIMIT_ROAS ? over / spend
           : limit->kind == MI_LIMIT_CPA  ? over / users
                                          : over;
}

/* Changes the value of a ratio's row. */
static void set_ratio(struct rows *rows, size_t k, enum mi_limit_kind kind, double value) {
    for (size_t e = 0; e < rows->start[rows->campaigns]; e++)
        if (rows->entries[e].row == k)
            *(kind == MI_LIMIT_ROAS ? &rows->entries[e].p : &rows->entries[e].q) = value;
}

/* The value nearest to a ratio limit's own that can be kept, if it is the only one that cannot: `does` is one
 * that can. The least that is over is not the least change of a ratio. */
static double nearest_ratio(struct search *s, size_t k, double does) {
    struct rows *rows = (struct rows *)s->problem->rows; /* put back below */
    const struct mi_allocation_limit *limit = &s->problem->problem->limits[rows->limit[k]];
    double fails = limit->value;
    for (int i = 0; i < NEAREST_STEPS; i++) {
        double middle = (does + fails) / 2;
        set_ratio(rows, k, limit->kind, middle);
        if (relax(s, false) == MI_OK && !exceeded(s))
            does = middle;
        else
            fails = middle;
    }
    set_ratio(rows, k, limit->kind, limit->value);
    return does;
}

/* What of the rows cannot be kept, in words. */
static enum mi_status contradiction(struct search *s) {
    const struct mi_allocation_problem *problem = s->problem->problem;
    const struct rows *rows = s->problem->rows;
    char text[480];
    size_t used = 0, number = 0;
    double enough[LIMITS_NAMED];
    size_t row[LIMITS_NAMED];
    for (size_t k = 0; k < rows->count && number < LIMITS_NAMED; k++) {
        const struct mi_allocation_limit *limit = &problem->limits[rows->limit[k]];
        if (!(s->relaxed.over[k] > OVER_RELATIVE * row_size(s, k)))
            continue;
        double change = over_as_value(s, limit, s->relaxed.over[k]);
        row[number] = k;
        enough[number++] = limit->at_least ? limit->value - change : limit->value + change;
    }
    enum mi_limit_kind kind = number == 1 ? problem->limits[rows->limit[row[0]]].kind : MI_LIMIT_SPEND;
    if (kind == MI_LIMIT_ROAS || kind == MI_LIMIT_CPA)
        enough[0] = nearest_ratio(s, row[0], enough[0]);
    for (size_t k = 0; k < number; k++) {
        struct mi_text name = problem->limits[rows->limit[row[k]]].name;
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%s'%.*s' (%.6g would do)", used ? ", " : "",
                             (int)(name.size < 80 ? name.size : 80), name.data, enough[k]);
    }
    return mi_error_set(s->error, MI_NO, "limits that contradict each other or the budget: %s",
                        used ? text : "those given");
}

/* The campaigns' own intervals do not add up to the budget. */
static enum mi_status leaves_none(struct search *s) {
    const struct mi_allocation_problem *problem = s->problem->problem;
    double low = 0, high = 0;
    for (size_t i = 0; i < s->count; i++) {
        low += domain_low(&s->problem->rows->domains[i]);
        high += domain_high(&s->problem->rows->domains[i]);
    }
    bool below = problem->budget < low;
    if (problem->step > 0)
        return mi_error_set(s->error, MI_NO,
                            "no allocation in steps of %.15g keeps to min_budget, max_budget and the budget",
                            problem->step);
    return mi_error_set(s->error, MI_NO, "budget %.15g is %s the sum of the campaigns' %s%s, %.15g",
                        problem->budget, below ? "below" : "above",
                        below ? "least budgets" : "highest budgets", " within the limits",
                        below ? low : high);
}

/* Solves a node; dives where its bound leaves something to gain. */
static enum mi_status solve_node(struct search *s, size_t place) {
    struct node *node = &s->nodes[place];
    choose_pieces(s, place);
    node->open = false;
    enum mi_status status = relax(s, false);
    if (status == MI_NO)
        return place == 0 ? leaves_none(s) : MI_OK;
    if (status && status != MI_NUMERIC)
        return no_memory(s);
    if (exceeded(s) && (place == 0 || status == MI_OK))
        return place == 0 ? contradiction(s) : MI_OK;
    node->leaf = true;
    node->bound = s->relaxed.bound;
    if (place == 0 && s->problem->problem->step > 0)
        node->bound = fmin(node->bound, lattice_bound(s->problem, s->relaxed.budget_price, s->relaxed.price));
    if (node->parent != NO_NODE)
        node->bound = fmin(node->bound, s->nodes[node->parent].bound);
    if (exceeded(s)) /* not solved, and nothing to go on from */
        return MI_OK;
    if (place == 0) {
        s->result->budget_price = s->relaxed.budget_price;
        memcpy(s->result->prices, s->relaxed.price, s->problem->rows->count * sizeof *s->relaxed.price);
    }
    if (s->found && node->bound - s->result->value <= s->gap * fabs(s->result->value))
        return MI_OK;
    struct split best = {.campaign = NO_NODE};
    for (size_t i = 0; i < s->count; i++) {
        struct split split = find_split(s, i);
        if ((split.gap || split.loss > 0) && (best.campaign == NO_NODE || compare_splits(&split, &best) < 0))
            best = split;
    }
    if (best.campaign != NO_NODE) {
        node->open = true;
        node->split = best.campaign;
        node->down = best.gap ? best.down : best.spend;
        node->up = best.gap ? best.up : best.spend;
    }
    memcpy(s->prices, s->relaxed.spend, s->count * sizeof *s->prices);
    status = dive(s, 0.5);
    for (int variant = 0; place == 0 && variant < 2 && !status && best.campaign != NO_NODE; variant++) {
        choose_pieces(s, place);
        memcpy(s->relaxed.spend, s->prices, s->count * sizeof *s->prices);
        status = dive(s, variant ? 1.5 : 0.1);
    }
    return status;
}

static size_t highest(const struct search *s) {
    size_t best = NO_NODE;
    for (size_t i = 0; i < s->node_count; i++)
        if (s->nodes[i].open && (best == NO_NODE || s->nodes[i].bound > s->nodes[best].bound))
            best = i;
    return best;
}

static enum mi_status add_child(struct search *s, size_t parent, double low, double high) {
    size_t i = s->nodes[parent].split;
    choose_pieces(s, parent);
    struct domain domain = domain_within(&s->at[i]->domain, low, high);
    if (domain.count == 0)
        return MI_OK;
    struct node *node = &s->nodes[s->node_count];
    *node = (struct node){.parent = parent, .campaign = i};
    enum mi_status status = make_pieces(s, &node->pieces, i, &domain);
    if (status)
        return status;
    s->node_count++;
    return solve_node(s, s->node_count - 1);
}

static enum mi_status run(struct search *s, size_t nodes_most) {
    s->nodes[0] = (struct node){.parent = NO_NODE};
    s->node_count = 1;
    enum mi_status status = solve_node(s, 0);
    size_t place = status ? NO_NODE : highest(s);
    while (!status && place != NO_NODE && s->node_count + 2 <= nodes_most && !out_of_time(s) &&
           (!s->found || s->nodes[place].bound - s->result->value > s->gap * fabs(s->result->value))) {
        struct node node = s->nodes[place];
        s->nodes[place].open = s->nodes[place].leaf = false;
        status = add_child(s, place, 0, node.down);
        if (!status)
            status = add_child(s, place, node.up, INFINITY);
        place = highest(s);
    }
    if (status)
        return status;
    if (!s->found)
        return mi_error_set(s->error, MI_NO, "no allocation in whole %s that keeps to all limits was found",
                            s->problem->unit >= 1 ? "steps" : "cents");
    double bound = s->result->value;
    for (size_t i = 0; i < s->node_count; i++)
        if (s->nodes[i].leaf)
            bound = fmax(bound, s->nodes[i].bound);
    s->result->bound = bound;
    return MI_OK;
}

static enum mi_status build(struct search *s, size_t nodes_most) {
    size_t n = s->count + 1, rows = s->problem->rows->count + 1;
    s->root = calloc(n, sizeof *s->root);
    s->at = calloc(n, sizeof *s->at);
    s->dived = calloc(n, sizeof *s->dived);
    s->relaxed.spend = calloc(n, sizeof(double));
    s->relaxed.price = calloc(rows, sizeof(double));
    s->relaxed.over = calloc(rows, sizeof(double));
    s->b = calloc(rows, sizeof(double));
    s->trial = calloc(n, sizeof(double));
    s->prices = calloc(n, sizeof(double));
    s->nodes = calloc(nodes_most, sizeof *s->nodes);
    s->roots = gsl_root_fsolver_alloc(gsl_root_fsolver_brent);
    if (!s->root || !s->at || !s->dived || !s->relaxed.spend || !s->relaxed.price || !s->relaxed.over ||
        !s->b || !s->trial || !s->prices || !s->nodes || !s->roots)
        return no_memory(s);
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < s->count && !status; i++)
        status = make_pieces(s, &s->root[i], i, &s->problem->rows->domains[i]);
    return status;
}

static void clean_up(struct search *s) {
    for (size_t i = 0; s->root && i < s->count; i++)
        pieces_free(&s->root[i]);
    for (size_t i = 1; s->nodes && i < s->node_count; i++)
        pieces_free(&s->nodes[i].pieces);
    free(s->root);
    free(s->at);
    free(s->dived);
    free(s->relaxed.spend);
    free(s->relaxed.price);
    free(s->relaxed.over);
    free(s->b);
    free(s->trial);
    free(s->prices);
    free(s->nodes);
    if (s->roots)
        gsl_root_fsolver_free(s->roots);
}

enum mi_status limited_maximise(const struct rounding_problem *problem, double gap, double deadline,
                                struct limited_result *result, struct mi_error *error) {
    struct search s = {.problem = problem,
                       .count = problem->rows->campaigns,
                       .gap = gap,
                       .deadline = deadline,
                       .result = result,
                       .error = error};
    size_t nodes_most = CAMPAIGN_WORK / (s.count ? s.count : 1);
    nodes_most = nodes_most > NODES_MOST ? NODES_MOST : nodes_most < NODES_LEAST ? NODES_LEAST : nodes_most;
    if (problem->problem->step > 0) /* what rounding costs is no matter of branches */
        nodes_most = NODES_LEAST;
    result->value = -INFINITY;
    enum mi_status status = build(&s, nodes_most);
    if (!status)
        status = run(&s, nodes_most);
    clean_up(&s);
    return status;
}
