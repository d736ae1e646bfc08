/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Features that alone tell the target almost perfectly: they are most likely the target in another dress, or
 * were written after it was known.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ltv/features.h"

#define ALMOST       0.98 /* share of the variance of log(1 + target) that neighbours by the feature explain */
#define ALMOST_ORDER 0.9995 /* chance that a payer stands before one who does not pay */
enum { LEAST_USERS = 20, NEIGHBOURS = 2, NAMED_MOST = 5 };

struct pair {
    float code;
    double value; /* log(1 + target) */
    size_t row;
};

static int by_code(const void *a, const void *b) {
    const struct pair *x = a, *y = b;
    if (x->code != y->code) {
        return (x->code > y->code) - (x->code < y->code);
    }
    return (x->row > y->row) - (x->row < y->row);
}

/* Share of the variance that is explained when each user is predicted by the others of the same code, or,
 * where it has the code alone, by its neighbours in the feature's order. */
static double explained(const struct pair *pairs, size_t count, bool ordered) {
    double mean = 0, whole = 0, rest = 0;
    for (size_t i = 0; i < count; i++) {
        mean += pairs[i].value / (double)count;
    }
    for (size_t from = 0, to; from < count; from = to) {
        double sum = 0;
        for (to = from; to < count && pairs[to].code == pairs[from].code; to++) {
            sum += pairs[to].value;
        }
        double others = (double)(to - from) - 1;
        for (size_t i = from; i < to; i++) {
            double said = others > 0 ? (sum - pairs[i].value) / others : mean;
            if (others == 0 && ordered) {
                double near = 0, neighbours = 0;
                size_t first = i >= NEIGHBOURS ? i - NEIGHBOURS : 0;
                for (size_t j = first; j <= i + NEIGHBOURS && j < count; j++) {
                    near += j != i ? pairs[j].value : 0;
                    neighbours += j != i;
                }
                said = near / neighbours;
            }
            rest += pow(pairs[i].value - said, 2);
            whole += pow(pairs[i].value - mean, 2);
        }
    }
    return whole > 0 ? 1 - rest / whole : 0;
}

/* How well the order of the feature parts those who pay from those who do not, either way round: 0.5 to 1. */
static double order(const struct pair *pairs, size_t count) {
    double payers = 0, wins = 0, others = 0;
    for (size_t from = 0, to; from < count; from = to) {
        double paying = 0, not = 0;
        for (to = from; to < count && pairs[to].code == pairs[from].code; to++) {
            paying += pairs[to].value > 0;
            not += pairs[to].value <= 0;
        }
        wins += paying * (others + not / 2);
        payers += paying;
        others += not ;
    }
    if (payers < LEAST_USERS || others < LEAST_USERS) {
        return 0.5;
    }
    double share = wins / (payers * others);
    return fmax(share, 1 - share);
}

static bool leaks(const struct ltv_feature *feature, struct pair *pairs, size_t count, size_t rows) {
    bool ordered = feature->kind != LTV_FEATURE_CATEGORY;
    if (count < LEAST_USERS || count * 2 < rows) {
        return false;
    }
    qsort(pairs, count, sizeof *pairs, by_code);
    return explained(pairs, count, ordered) > ALMOST || (ordered && order(pairs, count) > ALMOST_ORDER);
}

enum mi_status ltv_features_leaks(const struct ltv_features *features, const float *codes,
                                  const double *target, size_t rows, bool allow, const struct mi_notes *notes,
                                  struct mi_error *error) {
    struct pair *pairs = malloc(rows * sizeof *pairs);
    struct mi_buffer names = {0};
    size_t found = 0;
    if (pairs == NULL) {
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < features->count; i++) {
        size_t count = 0;
        for (size_t row = 0; row < rows; row++) {
            float code = codes[row * features->count + i];
            if (!isnan(code)) {
                pairs[count++] = (struct pair){code, log1p(target[row]), row};
            }
        }
        if (leaks(&features->items[i], pairs, count, rows) && found++ < NAMED_MOST) {
            mi_buffer_print(&names, "%s'%s'", names.size > 0 ? ", " : "", features->items[i].name);
        }
    }
    free(pairs);
    mi_buffer_byte(&names, '\0');
    enum mi_status status = MI_OK;
    if (names.failed) {
        status = mi_error_set(error, MI_NO_MEMORY, "out of memory");
    } else if (found > 0 && !allow) {
        status =
            mi_error_set(error, MI_BAD_INPUT,
                         "%s%s alone tell%s the target almost perfectly: most likely known only after it "
                         "(--exclude, or --allow-leak)",
                         names.data, found > NAMED_MOST ? " and others" : "", found == 1 ? "s" : "");
    } else if (found > 0) {
        mi_notes_say(notes, "%s%s alone tell%s the target almost perfectly, allowed by --allow-leak",
                     names.data, found > NAMED_MOST ? " and others" : "", found == 1 ? "s" : "");
    }
    mi_buffer_free(&names);
    return status;
}
