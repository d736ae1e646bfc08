/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whether trees are trees.
 */
#include "num/boostcheck.h"
#include "base/memory.h"

#include <stdlib.h>

#include <jansson.h>

/* Walks one tree from its root; `seen` and `stack` have room for all nodes. */
static bool is_tree(const json_t *left, const json_t *right, const json_t *split, size_t columns, bool *seen,
                    size_t *stack) {
    size_t nodes = json_array_size(left), depth = 0;
    stack[depth++] = 0;
    seen[0] = true;
    while (depth > 0) {
        size_t node = stack[--depth];
        json_int_t child[] = {json_integer_value(json_array_get(left, node)),
                              json_integer_value(json_array_get(right, node))};
        if (child[0] == -1 && child[1] == -1) {
            continue;
        }
        json_int_t column = json_integer_value(json_array_get(split, node));
        if (column < 0 || (size_t)column >= columns) {
            return false;
        }
        for (size_t i = 0; i < 2; i++) {
            if (child[i] <= 0 || (size_t)child[i] >= nodes || seen[child[i]]) {
                return false;
            }
            seen[child[i]] = true;
            stack[depth++] = (size_t)child[i];
        }
    }
    return true;
}

static bool integers(const json_t *array, size_t count) {
    bool good = json_array_size(array) == count;
    for (size_t i = 0; i < count && good; i++) {
        good = json_is_integer(json_array_get(array, i));
    }
    return good;
}

static enum mi_status check_tree(const json_t *tree, size_t columns, size_t number, struct mi_error *error) {
    const json_t *left = json_object_get(tree, "left_children");
    const json_t *right = json_object_get(tree, "right_children");
    const json_t *split = json_object_get(tree, "split_indices"), *parents = json_object_get(tree, "parents");
    size_t nodes = json_array_size(left);
    bool good = nodes > 0 && integers(left, nodes) && integers(right, nodes) && integers(split, nodes) &&
                integers(parents, nodes);
    for (size_t i = 1; i < nodes && good; i++) {
        json_int_t parent = json_integer_value(json_array_get(parents, i));
        good = parent >= 0 && (size_t)parent < nodes;
    }
    bool *seen = calloc(nodes + 1, sizeof *seen);
    size_t *stack = malloc((nodes + 1) * sizeof *stack);
    enum mi_status status = seen != NULL && stack != NULL ? MI_OK : mi_no_memory(error);
    if (status == MI_OK && !(good && is_tree(left, right, split, columns, seen, stack))) {
        status = mi_error_set(error, MI_BAD_INPUT, "the model is at fault: tree %zu is none", number + 1);
    }
    free(seen);
    free(stack);
    return status;
}

enum mi_status mi_boost_check(struct mi_text json, struct mi_error *error) {
    json_t *root = json_loadb(json.data, json.size, JSON_ALLOW_NUL, NULL);
    const json_t *learner = json_object_get(root, "learner");
    const json_t *booster = json_object_get(learner, "gradient_booster");
    const json_t *shape = json_object_get(learner, "learner_model_param");
    const char *features = json_string_value(json_object_get(shape, "num_feature"));
    size_t columns = features != NULL ? (size_t)strtoul(features, NULL, 10) : 0;
    const json_t *trees = json_object_get(json_object_get(booster, "model"), "trees");
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < json_array_size(trees) && status == MI_OK; i++) {
        status = check_tree(json_array_get(trees, i), columns, i, error);
    }
    json_decref(root);
    return status;
}
