/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Boosted trees: read, looked at, evaluated.
 */
#include "num/trees.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 64, /* rows that all trees see before the next: they stay in the cache */
    ABREAST = 8 /* rows that go down a tree together: their steps do not wait for each other */
};

#define MISSING_LEFT 0x80000000u /* in a node's column: where a missing value goes */

/* The children of a node are neighbours. A leaf leads to itself, whatever the value, so that all rows take as
 * many steps as the tree is deep. */
struct node {
    float split; /* below it: to the left */
    uint32_t column, left;
};

struct tree {
    size_t root, depth;
};

struct mi_trees {
    size_t columns, count;
    struct tree *trees;
    struct node *nodes; /* of all trees */
    float *leaves;      /* of each node */
    size_t nodes_used;
    float base; /* margin of base_score */
    enum link { LINK_NONE, LINK_EXP, LINK_LOGISTIC } link;
};

void mi_trees_free(struct mi_trees *trees) {
    if (trees != NULL) {
        free(trees->trees);
        free(trees->nodes);
        free(trees->leaves);
        free(trees);
    }
}

size_t mi_trees_count(const struct mi_trees *trees) {
    return trees->count;
}

size_t mi_trees_columns(const struct mi_trees *trees) {
    return trees->columns;
}

/* ---- reading ---- */

static bool numbers(const json_t *array, size_t count) {
    bool good = json_array_size(array) == count;
    for (size_t i = 0; i < count && good; i++) {
        const json_t *value = json_array_get(array, i);
        good = json_is_number(value) || json_is_boolean(value);
    }
    return good;
}

static bool integers(const json_t *array, size_t count) {
    bool good = json_array_size(array) == count;
    for (size_t i = 0; i < count && good; i++) {
        good = json_is_integer(json_array_get(array, i));
    }
    return good;
}

/* One tree of the file. */
struct source {
    const json_t *left, *right, *column, *split, *missing_left;
    size_t nodes;
};

static bool open_tree(const json_t *tree, struct source *source) {
    *source = (struct source){.left = json_object_get(tree, "left_children"),
                              .right = json_object_get(tree, "right_children"),
                              .column = json_object_get(tree, "split_indices"),
                              .split = json_object_get(tree, "split_conditions"),
                              .missing_left = json_object_get(tree, "default_left")};
    const json_t *parents = json_object_get(tree, "parents");
    size_t nodes = source->nodes = json_array_size(source->left);
    bool good = nodes > 0 && integers(source->left, nodes) && integers(source->right, nodes) &&
                integers(source->column, nodes) && integers(parents, nodes) &&
                numbers(source->split, nodes) && numbers(source->missing_left, nodes) &&
                json_array_size(json_object_get(tree, "categories_nodes")) == 0;
    for (size_t i = 1; i < nodes && good; i++) {
        json_int_t parent = json_integer_value(json_array_get(parents, i));
        good = parent >= 0 && (size_t)parent < nodes;
    }
    return good;
}

/* A node of the file that is to be taken over, where to, and how far down it is. */
struct step {
    size_t from, to, depth;
};

static bool truth(const json_t *value) {
    return json_is_true(value) || json_number_value(value) != 0;
}

/* Takes a tree over, from its root; false: it is none. `stack` and `seen` have room for all its nodes. */
static bool take_tree(struct mi_trees *trees, struct tree *tree, const struct source *source,
                      struct step *stack, bool *seen) {
    size_t waiting = 0;
    *tree = (struct tree){.root = trees->nodes_used};
    stack[waiting++] = (struct step){0, trees->nodes_used++, 0};
    seen[0] = true;
    while (waiting > 0) {
        struct step at = stack[--waiting];
        json_int_t child[] = {json_integer_value(json_array_get(source->left, at.from)),
                              json_integer_value(json_array_get(source->right, at.from))};
        float split = (float)json_number_value(json_array_get(source->split, at.from));
        tree->depth = at.depth > tree->depth ? at.depth : tree->depth;
        if (child[0] == -1 && child[1] == -1) {
            trees->nodes[at.to] = (struct node){HUGE_VALF, MISSING_LEFT, (uint32_t)at.to};
            trees->leaves[at.to] = split;
            continue;
        }
        json_int_t column = json_integer_value(json_array_get(source->column, at.from));
        if (column < 0 || (size_t)column >= trees->columns) {
            return false;
        }
        uint32_t left = truth(json_array_get(source->missing_left, at.from)) ? MISSING_LEFT : 0;
        trees->nodes[at.to] = (struct node){split, (uint32_t)column | left, (uint32_t)trees->nodes_used};
        for (size_t i = 0; i < 2; i++) {
            if (child[i] <= 0 || (size_t)child[i] >= source->nodes || seen[child[i]]) {
                return false;
            }
            seen[child[i]] = true;
            stack[waiting++] = (struct step){(size_t)child[i], trees->nodes_used++, at.depth + 1};
        }
    }
    return true;
}

static enum mi_status read_tree(struct mi_trees *trees, const json_t *object, size_t number,
                                struct mi_error *error) {
    struct source source;
    bool good = open_tree(object, &source);
    bool *seen = calloc(source.nodes + 1, sizeof *seen);
    struct step *stack = malloc((source.nodes + 1) * sizeof *stack);
    enum mi_status status = seen != NULL && stack != NULL ? MI_OK : mi_no_memory(error);
    if (status == MI_OK && !(good && take_tree(trees, &trees->trees[number], &source, stack, seen))) {
        status = mi_error_set(error, MI_BAD_INPUT, "the model is at fault: tree %zu is none", number + 1);
    }
    free(seen);
    free(stack);
    return status;
}

static enum mi_status read_trees(struct mi_trees *trees, const json_t *array, struct mi_error *error) {
    size_t nodes = 0;
    trees->count = json_array_size(array);
    for (size_t i = 0; i < trees->count; i++) {
        nodes += json_array_size(json_object_get(json_array_get(array, i), "left_children"));
    }
    trees->trees = calloc(trees->count + 1, sizeof *trees->trees);
    trees->nodes = malloc((nodes + 1) * sizeof *trees->nodes);
    trees->leaves = calloc(nodes + 1, sizeof *trees->leaves);
    enum mi_status status =
        trees->trees != NULL && trees->nodes != NULL && trees->leaves != NULL ? MI_OK : mi_no_memory(error);
    for (size_t i = 0; i < trees->count && status == MI_OK; i++) {
        status = read_tree(trees, json_array_get(array, i), i, error);
    }
    return status;
}

/* A number that XGBoost writes as text; NaN: none. */
static double number_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    double value;
    return text != NULL && mi_number_parse(mi_text_of(text), &value) ? value : NAN;
}

static bool find_link(struct mi_trees *trees, const char *objective, double base_score) {
    static const struct {
        const char *objective;
        enum link link;
    } known[] = {{"reg:squarederror", LINK_NONE},
                 {"reg:tweedie", LINK_EXP},
                 {"count:poisson", LINK_EXP},
                 {"binary:logistic", LINK_LOGISTIC}};
    float base = (float)base_score;
    for (size_t i = 0; objective != NULL && i < sizeof known / sizeof *known; i++) {
        if (strcmp(objective, known[i].objective) == 0) {
            trees->link = known[i].link;
            trees->base = trees->link == LINK_NONE  ? base
                          : trees->link == LINK_EXP ? logf(base)
                                                    : -logf(1 / base - 1);
            return isfinite(trees->base);
        }
    }
    return false;
}

/* What stands around the trees; NULL where it is not of the shape that is known. */
static const json_t *find_trees(struct mi_trees *trees, const json_t *root) {
    const json_t *learner = json_object_get(root, "learner");
    const json_t *booster = json_object_get(learner, "gradient_booster");
    const json_t *shape = json_object_get(learner, "learner_model_param");
    const char *objective = json_string_value(json_object_get(json_object_get(learner, "objective"), "name"));
    const char *kind = json_string_value(json_object_get(booster, "name"));
    const json_t *array = json_object_get(json_object_get(booster, "model"), "trees");
    double columns = number_of(shape, "num_feature");
    if (!json_is_array(array) || kind == NULL || strcmp(kind, "gbtree") != 0 ||
        !(columns >= 0 && columns < MISSING_LEFT) || !(number_of(shape, "num_class") <= 1) ||
        !find_link(trees, objective, number_of(shape, "base_score"))) {
        return NULL;
    }
    trees->columns = (size_t)columns;
    return array;
}

enum mi_status mi_trees_read(const json_t *json, struct mi_trees **trees, struct mi_error *error) {
    struct mi_trees *made = calloc(1, sizeof *made);
    enum mi_status status = made != NULL ? MI_OK : mi_no_memory(error);
    const json_t *array = made != NULL ? find_trees(made, json) : NULL;
    if (status == MI_OK && array == NULL) {
        status =
            mi_error_set(error, MI_BAD_INPUT, "the model is at fault: these are no trees that XGBoost wrote");
    }
    if (status == MI_OK) {
        status = read_trees(made, array, error);
    }
    if (status != MI_OK) {
        mi_trees_free(made);
        return status;
    }
    *trees = made;
    return MI_OK;
}

/* ---- evaluation ---- */

/* One step down: where the value is missing both comparisons are false. */
static size_t next(const struct node *node, const float *row) {
    float value = row[node->column & ~MISSING_LEFT];
    bool known_right = value >= node->split, missing = value != value;
    return node->left + (known_right | (missing & !(node->column & MISSING_LEFT)));
}

static void add_tree(const struct mi_trees *trees, const struct tree *tree, const float *values, size_t rows,
                     float *out) {
    const struct node *nodes = trees->nodes;
    size_t columns = trees->columns, row = 0;
    for (; row + ABREAST <= rows; row += ABREAST) {
        size_t at[ABREAST];
        for (size_t i = 0; i < ABREAST; i++) {
            at[i] = tree->root;
        }
        for (size_t step = 0; step < tree->depth; step++) {
            for (size_t i = 0; i < ABREAST; i++) {
                at[i] = next(&nodes[at[i]], values + (row + i) * columns);
            }
        }
        for (size_t i = 0; i < ABREAST; i++) {
            out[row + i] += trees->leaves[at[i]];
        }
    }
    for (; row < rows; row++) {
        size_t at = tree->root;
        for (size_t step = 0; step < tree->depth; step++) {
            at = next(&nodes[at], values + row * columns);
        }
        out[row] += trees->leaves[at];
    }
}

void mi_trees_margin(const struct mi_trees *trees, const float *values, size_t rows, float *out) {
    for (size_t from = 0; from < rows; from += BLOCK) {
        size_t count = rows - from < BLOCK ? rows - from : BLOCK;
        for (size_t i = 0; i < count; i++) {
            out[from + i] = trees->base;
        }
        for (size_t i = 0; i < trees->count; i++) {
            add_tree(trees, &trees->trees[i], values + from * trees->columns, count, out + from);
        }
    }
}

void mi_trees_link(const struct mi_trees *trees, float *margins, size_t rows) {
    for (size_t i = 0; i < rows && trees->link != LINK_NONE; i++) {
        margins[i] = trees->link == LINK_EXP ? expf(margins[i]) : 1 / (1 + expf(-margins[i]));
    }
}
