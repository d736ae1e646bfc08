/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Best-first branch and bound. A node is a set of intervals: its parent's, but for one campaign's, which is
 * one half of the parent's. Its dual gives an allocation and a bound; the campaign that lies farthest below
 * its envelope is cut at its spend, where both halves' envelopes touch the term.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "optimize/branch.h"
#include "optimize/dual.h"

#define NODES_MOST    400
#define NODES_LEAST   8
#define CAMPAIGN_WORK 20000 /* nodes times campaigns that are worth the time */
#define NO_PARENT     SIZE_MAX

struct node {
    size_t parent;
    size_t campaign;          /* whose interval it narrows; none at the root */
    struct envelope envelope; /* of that campaign on that interval */
    double bound, price;
    size_t split; /* the campaign to cut, and where */
    double cut;
    bool open;
};

struct search {
    const struct term *terms;
    size_t count;
    struct envelope *envelopes; /* of the root */
    struct dual dual;
    struct node *nodes;
    size_t node_count;
    double *trial; /* room for an allocation */
    double *best;  /* the best allocation, and its value */
    double value;
};

/* Points the dual at the intervals of a node: the root's, but for those narrowed on the way to it. The
 * narrowest is met first. */
static void choose_envelopes(struct search *search, const struct node *node) {
    for (size_t i = 0; i < search->count; i++)
        search->dual.envelopes[i] = &search->envelopes[i];
    for (; node->parent != NO_PARENT; node = &search->nodes[node->parent])
        if (search->dual.envelopes[node->campaign] == &search->envelopes[node->campaign])
            search->dual.envelopes[node->campaign] = &node->envelope;
}

/* Solves a node and keeps its allocation if it is the best. */
static enum mi_status solve_node(struct search *search, struct node *node, double guess) {
    struct dual_answer answer = {.spend = search->trial};
    choose_envelopes(search, node);
    enum mi_status status = dual_solve(&search->dual, guess, &answer);
    if (status)
        return status;
    node->bound = answer.bound;
    node->price = answer.price;
    node->split = answer.split;
    node->cut = answer.spend[answer.split];
    const struct envelope *e = search->dual.envelopes[node->split];
    node->open = answer.split_loss > 0 && node->cut > envelope_low(e) && node->cut < envelope_high(e);
    if (answer.value > search->value) {
        search->value = answer.value;
        memcpy(search->best, answer.spend, search->count * sizeof *search->best);
    }
    return MI_OK;
}

/* Adds one half of a node. */
static enum mi_status add_half(struct search *search, size_t parent, double low, double high) {
    size_t split = search->nodes[parent].split;
    struct node *node = &search->nodes[search->node_count];
    *node = (struct node){.parent = parent, .campaign = split};
    struct domain half = domain_interval(low, high);
    enum mi_status status = envelope_build(&node->envelope, &search->terms[split], &half);
    if (status)
        return status;
    search->node_count++;
    status = solve_node(search, node, search->nodes[parent].price);
    node->bound = fmin(node->bound, search->nodes[parent].bound);
    return status == MI_NO ? MI_OK : status; /* no allocation: the node stays closed */
}

/* The open node with the highest bound; NO_PARENT: none. */
static size_t highest(const struct search *search) {
    size_t best = NO_PARENT;
    for (size_t i = 0; i < search->node_count; i++)
        if (search->nodes[i].open &&
            (best == NO_PARENT || search->nodes[i].bound > search->nodes[best].bound))
            best = i;
    return best;
}

static enum mi_status divide(struct search *search, size_t place) {
    struct node *node = &search->nodes[place];
    choose_envelopes(search, node);
    const struct envelope *e = search->dual.envelopes[node->split];
    double low = envelope_low(e), high = envelope_high(e);
    node->open = false;
    enum mi_status status = add_half(search, place, low, node->cut);
    return status ? status : add_half(search, place, node->cut, high);
}

double clock_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static enum mi_status run(struct search *search, size_t nodes_most, double gap, double deadline,
                          double *bound) {
    struct node *root = &search->nodes[0];
    *root = (struct node){.parent = NO_PARENT};
    search->node_count = 1;
    enum mi_status status = solve_node(search, root, NAN);
    size_t place = status ? NO_PARENT : highest(search);
    while (!status && place != NO_PARENT && search->node_count + 2 <= nodes_most &&
           !(deadline > 0 && clock_now() > deadline) &&
           search->nodes[place].bound - search->value > gap * fabs(search->value)) {
        status = divide(search, place);
        place = highest(search);
    }
    if (!status)
        *bound = fmax(search->value, place == NO_PARENT ? -INFINITY : search->nodes[place].bound);
    return status;
}

static enum mi_status build_envelopes(struct search *search, const struct limits *limits, size_t *culprit) {
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < search->count && !status; i++) {
        struct domain domain = domain_interval(limits->low[i], limits->high[i]);
        status = envelope_build(&search->envelopes[i], &search->terms[i], &domain);
        *culprit = i;
    }
    return status;
}

enum mi_status branch_maximise(const struct term *terms, const struct limits *limits, double gap,
                               double deadline, double *spend, double *bound, double *price,
                               size_t *culprit) {
    size_t count = limits->count;
    size_t nodes_most = CAMPAIGN_WORK / (count ? count : 1);
    nodes_most = nodes_most > NODES_MOST ? NODES_MOST : nodes_most < NODES_LEAST ? NODES_LEAST : nodes_most;
    struct search search = {.terms = terms, .count = count, .best = spend, .value = -INFINITY};
    search.envelopes = calloc(count + 1, sizeof *search.envelopes);
    search.nodes = calloc(nodes_most, sizeof *search.nodes);
    search.trial = malloc((count + 1) * sizeof *search.trial);
    enum mi_status status = dual_new(&search.dual, count, limits->budget, limits->at_most);
    if (!search.envelopes || !search.nodes || !search.trial)
        status = MI_NO_MEMORY;
    if (!status)
        status = build_envelopes(&search, limits, culprit);
    if (!status)
        status = run(&search, nodes_most, gap, deadline, bound);
    if (!status)
        *price = search.nodes[0].price;
    for (size_t i = 0; search.envelopes && i < count; i++)
        envelope_free(&search.envelopes[i]);
    for (size_t i = 1; search.nodes && i < search.node_count; i++)
        envelope_free(&search.nodes[i].envelope);
    free(search.envelopes);
    free(search.nodes);
    free(search.trial);
    dual_free(&search.dual);
    return status;
}
