/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The hierarchy of segments and the Gaussian model on it: a node's mean lies about its parent's with a
 * standard deviation that is a share of the parent's mean, one share per level; the mean observed in a leaf
 * lies about the leaf's with the variance of LTV between users / users. Two passes over the tree (up, down)
 * give every node's posterior mean and variance and the restricted likelihood with its gradient, exactly.
 */
#ifndef LTV_TREE_H
#define LTV_TREE_H

#include "base/buffer.h"
#include "ltv/moments.h"
#include "mi.h"

#define LTV_LEVELS_MOST 16

/* A mean with its precision (1 / variance); precision 0: nothing is known. */
struct ltv_belief {
    double mean, precision;
};

struct ltv_node {
    size_t parent;
    size_t level; /* 0: the portfolio; the number of levels: a leaf */
    struct ltv_moments users;
    double scale;             /* mean that the variances are proportional to */
    double noise;             /* leaf: variance of the observed mean */
    double edge;              /* variance about the parent */
    struct ltv_belief below;  /* what the users below say */
    double message;           /* precision of that as seen from the parent */
    struct ltv_belief beside; /* what all others say about the parent */
    double mean, variance;    /* posterior */
};

/* Parents come before their children; node 0 is the portfolio. */
struct ltv_tree {
    size_t levels;
    struct ltv_node *nodes;
    size_t count, capacity;
    struct mi_index *names; /* parent and value, to node - 1 */
    struct mi_buffer name;  /* the name being looked up */
};

/* How much means differ and users within a segment do, as shares of the mean. */
struct ltv_spread {
    double between[LTV_LEVELS_MOST]; /* standard deviation about the parent, by level from 1 */
    double within;                   /* variance between users / mean^2; NaN: not known */
};

enum mi_status ltv_tree_init(struct ltv_tree *tree, size_t levels, struct mi_error *error);
void ltv_tree_clear(struct ltv_tree *tree);

/* The leaf with these values, one per level, made where it is new. */
enum mi_status ltv_tree_leaf(struct ltv_tree *tree, const struct mi_text *values, size_t *node,
                             struct mi_error *error);
/* The deepest node on the way to these values. */
enum mi_status ltv_tree_find(struct ltv_tree *tree, const struct mi_text *values, size_t *node,
                             struct mi_error *error);
/* The value that tells a node from its siblings. */
struct mi_text ltv_tree_value(const struct ltv_tree *tree, size_t node);

/* Sets every scale to the mean of all users, which is returned (NaN: no users). */
double ltv_tree_level_scales(struct ltv_tree *tree);
/* Sets every scale to the node's posterior mean; returns the largest relative change. */
double ltv_tree_update_scales(struct ltv_tree *tree);
/* Sets the noise of every leaf from the spread and its own scatter. */
void ltv_tree_set_noise(struct ltv_tree *tree, const struct ltv_spread *spread);
/* The variance between the users of a leaf: its own scatter, drawn towards that of the portfolio. */
double ltv_variance(const struct ltv_moments *users, double within, double scale);

/* Posterior of every node; returns the log of the restricted likelihood (less a constant). gradient (may be
 * NULL) receives its derivatives by the log of between[] and, last, of within. */
double ltv_tree_infer(struct ltv_tree *tree, const struct ltv_spread *spread, double *gradient);

/* Posterior for a given spread: infers and updates scales until they agree. Where within is not known each
 * segment keeps its own mean. */
void ltv_tree_settle(struct ltv_tree *tree, const struct ltv_spread *spread);

/* Estimates the spread by restricted maximum likelihood under a weak prior, and settles the tree. */
enum mi_status ltv_tree_fit(struct ltv_tree *tree, struct ltv_spread *spread, const struct mi_notes *notes,
                            struct mi_error *error);

#endif
