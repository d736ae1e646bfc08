/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * --weights.
 */
#include "optimize/plan.h"

#include <string.h>

/* One NAME=NUMBER of the weights. */
static enum mi_status parse_weight(const char *text, size_t size, struct mi_objective_weights *weights,
                                   unsigned *seen, struct mi_error *error) {
    const struct {
        const char *name;
        double *weight;
    } known[] = {{"roi", &weights->roi}, {"revenue", &weights->revenue}, {"cac", &weights->cac}};
    const char *sign = memchr(text, '=', size);
    size_t length = sign ? (size_t)(sign - text) : size;
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
        if (!mi_text_equal((struct mi_text){text, length}, mi_text_of(known[i].name)))
            continue;
        if (*seen & (1U << i))
            return mi_error_set(error, MI_BAD_ARGUMENT, "--weights: '%s' is given twice", known[i].name);
        *seen |= 1U << i;
        if (sign && mi_number_parse((struct mi_text){sign + 1, size - length - 1}, known[i].weight))
            return MI_OK;
    }
    return mi_error_set(error, MI_BAD_ARGUMENT,
                        "--weights: \"%.*s\" is none of roi=NUMBER, revenue=NUMBER, cac=NUMBER", (int)size,
                        text);
}

enum mi_status weights_parse(const char *list, struct mi_objective_weights *weights, struct mi_error *error) {
    unsigned seen = 0;
    *weights = (struct mi_objective_weights){0};
    for (const char *item = list;; item++) {
        size_t size = strcspn(item, ",");
        enum mi_status status = parse_weight(item, size, weights, &seen, error);
        if (status)
            return status;
        item += size;
        if (!*item)
            return MI_OK;
    }
}
