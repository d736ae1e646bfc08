/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The hierarchy of segments: its nodes, and exact inference in two passes.
 */
#include "ltv/tree.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The variance seen in a segment counts as much as that of the portfolio when it has this many degrees of
 * freedom: in heavy tails the variance of a thousand users is mostly the luck of the largest. */
#define PORTFOLIO_FREEDOM 3000.0
/* Smallest scale, as a share of the portfolio's mean: a segment without revenue is not without variance. */
#define SCALE_LEAST 1e-3
/* Users at the parent's mean who stand beside a segment's own where these are worth next to nothing: of a few
 * users who paid nothing it is not known that none ever will. */
#define PARENT_USERS 20.0
#define NOTHING      0.1 /* of the parent's mean */
/* Stands for the variance between users where it is not known: no shrinkage to speak of. */
#define WITHIN_UNKNOWN   1e-6
#define SETTLE_MOST      100
#define SETTLE_TOLERANCE 1e-9

enum mi_status ltv_tree_init(struct ltv_tree *tree, size_t levels, struct mi_error *error) {
    *tree = (struct ltv_tree){.levels = levels, .capacity = 64};
    enum mi_status status = mi_index_new(&tree->names, error);
    if (status != MI_OK) {
        return status;
    }
    tree->nodes = calloc(tree->capacity, sizeof *tree->nodes);
    if (tree->nodes == NULL) {
        ltv_tree_clear(tree);
        return mi_no_memory(error);
    }
    tree->count = 1;
    return MI_OK;
}

void ltv_tree_clear(struct ltv_tree *tree) {
    mi_index_free(tree->names);
    mi_buffer_free(&tree->name);
    free(tree->nodes);
    *tree = (struct ltv_tree){0};
}

/* The name of a child: its parent's number and its value. */
static bool child_name(struct mi_buffer *name, size_t parent, struct mi_text value) {
    name->size = 0;
    mi_buffer_append(name, (const char *)&parent, sizeof parent);
    mi_buffer_append(name, value.data, value.data != NULL ? value.size : 0);
    return !name->failed;
}

static enum mi_status add_node(struct ltv_tree *tree, size_t parent, struct mi_error *error) {
    if (tree->count == tree->capacity) {
        struct ltv_node *nodes = realloc(tree->nodes, 2 * tree->capacity * sizeof *nodes);
        if (nodes == NULL) {
            return mi_no_memory(error);
        }
        tree->nodes = nodes;
        tree->capacity *= 2;
    }
    tree->nodes[tree->count++] = (struct ltv_node){.parent = parent, .level = tree->nodes[parent].level + 1};
    return MI_OK;
}

enum mi_status ltv_tree_leaf(struct ltv_tree *tree, const struct mi_text *values, size_t *node,
                             struct mi_error *error) {
    size_t at = 0;
    for (size_t level = 0; level < tree->levels; level++) {
        size_t number;
        bool added;
        if (!child_name(&tree->name, at, values[level])) {
            return mi_no_memory(error);
        }
        enum mi_status status = mi_index_add(tree->names, (struct mi_text){tree->name.data, tree->name.size},
                                             &number, &added, error);
        if (status == MI_OK && added) {
            status = add_node(tree, at, error);
        }
        if (status != MI_OK) {
            return status;
        }
        at = number + 1;
    }
    *node = at;
    return MI_OK;
}

enum mi_status ltv_tree_find(struct ltv_tree *tree, const struct mi_text *values, size_t *node,
                             struct mi_error *error) {
    size_t at = 0;
    for (size_t level = 0; level < tree->levels; level++) {
        if (!child_name(&tree->name, at, values[level])) {
            return mi_no_memory(error);
        }
        size_t number = mi_index_find(tree->names, (struct mi_text){tree->name.data, tree->name.size});
        if (number == SIZE_MAX) {
            break;
        }
        at = number + 1;
    }
    *node = at;
    return MI_OK;
}

struct mi_text ltv_tree_value(const struct ltv_tree *tree, size_t node) {
    struct mi_text name = mi_index_text(tree->names, node - 1);
    return (struct mi_text){name.data + sizeof(size_t), name.size - sizeof(size_t)};
}

double ltv_tree_level_scales(struct ltv_tree *tree) {
    struct ltv_moments all = {0};
    for (size_t i = 0; i < tree->count; i++) {
        ltv_moments_add(&all, &tree->nodes[i].users);
    }
    double mean = ltv_moments_mean(&all);
    for (size_t i = 0; i < tree->count; i++) {
        tree->nodes[i].scale = mean;
    }
    return mean;
}

double ltv_tree_update_scales(struct ltv_tree *tree) {
    double change = 0;
    double least = SCALE_LEAST * tree->nodes[0].mean;
    for (size_t i = 0; i < tree->count; i++) {
        struct ltv_node *node = &tree->nodes[i];
        double scale = fmax(node->mean, least);
        change = fmax(change, fabs(scale - node->scale) / scale);
        node->scale = scale;
    }
    return change;
}

double ltv_variance(const struct ltv_moments *users, double within, double scale) {
    double portfolio = within * scale * scale;
    return (PORTFOLIO_FREEDOM * portfolio + users->scatter) / (PORTFOLIO_FREEDOM + users->freedom);
}

/* The mean that the users' variance is proportional to. */
static double noise_scale(const struct ltv_tree *tree, const struct ltv_node *node) {
    double own = node->scale, parent = tree->nodes[node->parent].scale, users = node->users.users;
    if (ltv_moments_mean(&node->users) >= NOTHING * parent) {
        return own;
    }
    return sqrt((users * own * own + PARENT_USERS * parent * parent) / (users + PARENT_USERS));
}

void ltv_tree_set_noise(struct ltv_tree *tree, const struct ltv_spread *spread) {
    for (size_t i = 0; i < tree->count; i++) {
        struct ltv_node *node = &tree->nodes[i];
        if (node->users.users > 0) {
            node->noise =
                ltv_variance(&node->users, spread->within, noise_scale(tree, node)) / node->users.users;
        }
    }
}

/* Joins two independent beliefs about one mean; returns the log of how well they agree. */
static double join(struct ltv_belief *belief, struct ltv_belief other) {
    if (other.precision <= 0) {
        return 0;
    }
    if (belief->precision <= 0) {
        *belief = other;
        return 0;
    }
    double total = belief->precision + other.precision;
    double common = belief->precision * (other.precision / total);
    double apart = other.mean - belief->mean;
    belief->mean += apart * (other.precision / total);
    belief->precision = total;
    return 0.5 * (log(common) - common * apart * apart);
}

/* From the leaves to the portfolio: what the users below each node say of it. */
static double pass_up(struct ltv_tree *tree, const struct ltv_spread *spread) {
    double likelihood = 0;
    for (size_t i = 0; i < tree->count; i++) {
        struct ltv_node *node = &tree->nodes[i];
        node->below = (struct ltv_belief){0};
        if (node->users.users > 0) {
            node->below = (struct ltv_belief){ltv_moments_mean(&node->users), 1 / node->noise};
        }
    }
    for (size_t i = tree->count; i-- > 1;) {
        struct ltv_node *node = &tree->nodes[i];
        struct ltv_node *parent = &tree->nodes[node->parent];
        double share = spread->between[node->level - 1];
        node->edge = share * share * parent->scale * parent->scale;
        node->message = node->below.precision > 0 ? 1 / (1 / node->below.precision + node->edge) : 0;
        likelihood += join(&parent->below, (struct ltv_belief){node->below.mean, node->message});
    }
    return likelihood;
}

/* What all but the users below `node` say about its parent. */
static struct ltv_belief beside(const struct ltv_node *node, const struct ltv_node *parent) {
    double total = 1 / parent->variance;
    double rest = total - node->message;
    if (rest <= 1e-12 * total) {
        return (struct ltv_belief){0};
    }
    return (struct ltv_belief){(parent->mean * total - node->below.mean * node->message) / rest, rest};
}

/* From the portfolio to the leaves: posterior of each node. */
static void pass_down(struct ltv_tree *tree) {
    tree->nodes[0].mean = tree->nodes[0].below.mean;
    tree->nodes[0].variance = 1 / tree->nodes[0].below.precision;
    for (size_t i = 1; i < tree->count; i++) {
        struct ltv_node *node = &tree->nodes[i];
        node->beside = beside(node, &tree->nodes[node->parent]);
        struct ltv_belief belief = node->below;
        if (node->beside.precision > 0) {
            double precision = 1 / (1 / node->beside.precision + node->edge);
            join(&belief, (struct ltv_belief){node->beside.mean, precision});
        }
        node->mean = belief.mean;
        node->variance = 1 / belief.precision;
    }
}

/* Derivative of the log density of `apart` ~ N(0, variance) by the log of a part of the variance. */
static double slope_of(double apart, double variance, double part) {
    return 0.5 * part * (apart * apart / variance - 1) / variance;
}

static void fill_gradient(const struct ltv_tree *tree, const struct ltv_spread *spread, double *gradient) {
    for (size_t level = 0; level <= tree->levels; level++) {
        gradient[level] = 0;
    }
    for (size_t i = 1; i < tree->count; i++) {
        const struct ltv_node *node = &tree->nodes[i];
        if (node->below.precision <= 0 || node->beside.precision <= 0) {
            continue;
        }
        double apart = node->below.mean - node->beside.mean;
        double variance = 1 / node->below.precision + 1 / node->beside.precision + node->edge;
        gradient[node->level - 1] += 2 * slope_of(apart, variance, node->edge);
        if (node->users.users > 0) {
            double pooled = PORTFOLIO_FREEDOM / (PORTFOLIO_FREEDOM + node->users.freedom);
            double scale = noise_scale(tree, node);
            double part = pooled * spread->within * scale * scale / node->users.users;
            gradient[tree->levels] += slope_of(apart, variance, part);
        }
    }
}

double ltv_tree_infer(struct ltv_tree *tree, const struct ltv_spread *spread, double *gradient) {
    double likelihood = pass_up(tree, spread);
    pass_down(tree);
    if (gradient != NULL) {
        fill_gradient(tree, spread, gradient);
    }
    return likelihood;
}

void ltv_tree_settle(struct ltv_tree *tree, const struct ltv_spread *spread) {
    if (!(ltv_tree_level_scales(tree) > 0)) {
        for (size_t i = 0; i < tree->count; i++) {
            tree->nodes[i].mean = tree->nodes[i].variance = 0;
        }
        return;
    }
    struct ltv_spread known = *spread;
    if (isnan(known.within)) {
        known.within = WITHIN_UNKNOWN;
    }
    for (int round = 0; round < SETTLE_MOST; round++) {
        ltv_tree_set_noise(tree, &known);
        ltv_tree_infer(tree, &known, NULL);
        if (ltv_tree_update_scales(tree) < SETTLE_TOLERANCE) {
            break;
        }
    }
}
