/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Concave envelopes of terms. A term is sampled at nodes: geometrically towards the low end, at its kinks,
 * and between these by halving as long as it is far from straight or rises much. The upper hull of the nodes
 * says at which of them the maximum for a price lies; the root of slope - price beside that node makes it
 * exact.
 */
#include <math.h>
#include <stdlib.h>

#include "optimize/envelope.h"

#define OCTAVES       24   /* halvings of the interval towards its low end */
#define DEPTH_MOST    12   /* of halving between two of those */
#define STRAIGHT      4e-4 /* share of the term's range that a cell may be off a straight line */
#define RISE          0.1  /* share of the range that a term may change within a cell */
#define SLACK         1e-3 /* share of the range: generous for what a cell can hide */
#define ROOT_STEPS    100
#define ROOT_RELATIVE 1e-13

struct sampling {
    struct envelope *envelope;
    size_t capacity;
    double range;
    enum mi_status status;
};

static void append(struct sampling *sampling, double spend, double value) {
    struct envelope *e = sampling->envelope;
    if (e->count == sampling->capacity) {
        size_t capacity = sampling->capacity ? 2 * sampling->capacity : 128;
        double *spends = realloc(e->spend, capacity * sizeof *spends);
        if (spends)
            e->spend = spends;
        double *values = realloc(e->value, capacity * sizeof *values);
        if (values)
            e->value = values;
        if (!spends || !values) {
            sampling->status = MI_NO_MEMORY;
            return;
        }
        sampling->capacity = capacity;
    }
    if (!isfinite(value))
        sampling->status = MI_NUMERIC;
    e->spend[e->count] = spend;
    e->value[e->count++] = value;
}

/* Appends the nodes within (a, b], of which b is the last. */
static void sample_cell(struct sampling *sampling, double a, double value_a, double b, double value_b,
                        int depth) {
    double middle = a + (b - a) / 2;
    if (sampling->status || !(middle > a && middle < b)) {
        append(sampling, b, value_b);
        return;
    }
    double value = term_value(&sampling->envelope->term, middle);
    bool bends = fabs(value - (value_a + value_b) / 2) > STRAIGHT * sampling->range ||
                 fabs(value_b - value_a) > RISE * sampling->range;
    if (bends && depth > 0) {
        sample_cell(sampling, a, value_a, middle, value, depth - 1);
        sample_cell(sampling, middle, value, b, value_b, depth - 1);
    } else {
        append(sampling, middle, value);
        append(sampling, b, value_b);
    }
}

static size_t count_kinks(const struct mi_curve *curve) {
    size_t kinks = curve->family == MI_CURVE_POINTS ? curve->count : 0;
    for (size_t i = 0; curve->family == MI_CURVE_MIX && i < curve->count; i++)
        kinks += count_kinks(&curve->parts[i]);
    return kinks;
}

static size_t add_kinks(const struct mi_curve *curve, double *marks, size_t count) {
    for (size_t i = 0; curve->family == MI_CURVE_POINTS && i < curve->count; i++)
        marks[count++] = curve->points[i].spend;
    for (size_t i = 0; curve->family == MI_CURVE_MIX && i < curve->count; i++)
        count = add_kinks(&curve->parts[i], marks, count);
    return count;
}

static int compare_numbers(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The spends to start from, sorted, without those outside or twice; the caller frees them. */
static double *make_marks(const struct term *term, double low, double high, size_t *count) {
    double *marks = malloc((count_kinks(term->curve) + OCTAVES + 4) * sizeof *marks);
    if (!marks)
        return NULL;
    size_t all = add_kinks(term->curve, marks, 0);
    for (int k = 1; k <= OCTAVES; k++)
        marks[all++] = low + ldexp(high - low, -k);
    marks[all++] = term->floor;
    marks[all++] = term->today;
    marks[all++] = low;
    marks[all++] = high;
    qsort(marks, all, sizeof *marks, compare_numbers);
    size_t kept = 0;
    for (size_t i = 0; i < all; i++)
        if (marks[i] >= low && marks[i] <= high && (kept == 0 || marks[i] > marks[kept - 1]))
            marks[kept++] = marks[i];
    *count = kept;
    return marks;
}

/* Nodes of one interval. The first interval sets the range that the others are measured by too, unless
 * theirs is wider. */
static enum mi_status sample(struct sampling *sampling, double low, double high) {
    struct envelope *envelope = sampling->envelope;
    size_t count;
    double *marks = make_marks(&envelope->term, low, high, &count);
    double *values = malloc((marks ? count : 1) * sizeof *values);
    if (!marks || !values) {
        free(marks);
        free(values);
        return MI_NO_MEMORY;
    }
    double least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        values[i] = term_value(&envelope->term, marks[i]);
        least = fmin(least, values[i]);
        most = fmax(most, values[i]);
    }
    sampling->range = fmax(sampling->range, most - least);
    envelope->slack = SLACK * sampling->range;
    append(sampling, marks[0], values[0]);
    for (size_t i = 1; i < count && !sampling->status; i++)
        sample_cell(sampling, marks[i - 1], values[i - 1], marks[i], values[i], DEPTH_MOST);
    free(marks);
    free(values);
    return sampling->status;
}

bool envelope_gap(const struct envelope *envelope, size_t node) {
    for (size_t i = 0; i < envelope->gap_count; i++)
        if (envelope->gaps[i] == node)
            return true;
    return false;
}

static double slope_between(const struct envelope *e, size_t a, size_t b) {
    return (e->value[b] - e->value[a]) / (e->spend[b] - e->spend[a]);
}

static enum mi_status make_hull(struct envelope *e) {
    e->hull = malloc(e->count * sizeof *e->hull);
    if (!e->hull)
        return MI_NO_MEMORY;
    for (size_t i = 0; i < e->count; i++) {
        while (e->hull_count >= 2 &&
               slope_between(e, e->hull[e->hull_count - 2], e->hull[e->hull_count - 1]) <=
                   slope_between(e, e->hull[e->hull_count - 1], i))
            e->hull_count--;
        e->hull[e->hull_count++] = (uint32_t)i;
    }
    return MI_OK;
}

/* Forgets nodes below the hull but for the neighbours of those on it, between which roots are sought, and the
 * ends of intervals. Without memory all stay. */
static void thin_out(struct envelope *e) {
    bool *keep = calloc(e->count + 1, sizeof *keep);
    uint32_t *moved = malloc((e->count + 1) * sizeof *moved);
    if (keep && moved) {
        for (size_t h = 0; h < e->hull_count; h++) {
            size_t node = e->hull[h];
            keep[node] = keep[node + 1] = true;
            keep[node > 0 ? node - 1 : 0] = true;
        }
        for (size_t g = 0; g < e->gap_count; g++)
            keep[e->gaps[g]] = keep[e->gaps[g] + 1] = true;
        uint32_t kept = 0;
        for (size_t i = 0; i < e->count; i++) {
            moved[i] = kept;
            if (!keep[i])
                continue;
            e->spend[kept] = e->spend[i];
            e->value[kept++] = e->value[i];
        }
        for (size_t h = 0; h < e->hull_count; h++)
            e->hull[h] = moved[e->hull[h]];
        for (size_t g = 0; g < e->gap_count; g++)
            e->gaps[g] = moved[e->gaps[g]];
        e->count = kept;
    }
    free(keep);
    free(moved);
}

/* Gives back what growing took in reserve; there are as many envelopes as campaigns. */
static void shrink(struct envelope *e) {
    double *spend = realloc(e->spend, e->count * sizeof *spend);
    double *value = realloc(e->value, e->count * sizeof *value);
    uint32_t *hull = realloc(e->hull, e->hull_count * sizeof *hull);
    e->spend = spend ? spend : e->spend;
    e->value = value ? value : e->value;
    e->hull = hull ? hull : e->hull;
}

enum mi_status envelope_build(struct envelope *envelope, const struct term *term,
                              const struct domain *domain) {
    *envelope = (struct envelope){.term = *term};
    struct sampling sampling = {.envelope = envelope};
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < domain->count && !status; i++) {
        if (i > 0)
            envelope->gaps[envelope->gap_count++] = (uint32_t)(envelope->count - 1);
        status = sample(&sampling, domain->interval[i].low, domain->interval[i].high);
    }
    if (!status)
        status = make_hull(envelope);
    if (status)
        envelope_free(envelope);
    else {
        thin_out(envelope);
        shrink(envelope);
    }
    return status;
}

void envelope_free(struct envelope *envelope) {
    if (!envelope)
        return;
    free(envelope->spend);
    free(envelope->value);
    free(envelope->hull);
    *envelope = (struct envelope){0};
}

double envelope_low(const struct envelope *envelope) {
    return envelope->spend[0];
}

double envelope_high(const struct envelope *envelope) {
    return envelope->spend[envelope->count - 1];
}

static double hull_slope(const struct envelope *e, size_t edge) {
    return slope_between(e, e->hull[edge], e->hull[edge + 1]);
}

double envelope_first_slope(const struct envelope *envelope) {
    return envelope->hull_count < 2 ? 0 : hull_slope(envelope, 0);
}

double envelope_last_slope(const struct envelope *envelope) {
    return envelope->hull_count < 2 ? 0 : hull_slope(envelope, envelope->hull_count - 2);
}

/* The vertex of the hull where price lies between the slopes to its left and right. */
static size_t find_vertex(const struct envelope *e, double price) {
    size_t low = 0, high = e->hull_count - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (hull_slope(e, middle) > price)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_bridge(const struct envelope *e, size_t edge) {
    return e->hull[edge + 1] - e->hull[edge] > 1 || envelope_gap(e, e->hull[edge]);
}

double envelope_near(const struct envelope *e, double price) {
    size_t v = find_vertex(e, price);
    double here = e->spend[e->hull[v]];
    if (v == 0 || v + 1 >= e->hull_count || is_bridge(e, v - 1) || is_bridge(e, v))
        return here;
    double before = hull_slope(e, v - 1),
           after = hull_slope(e, v); /* about the slopes at the edges' middles */
    double left = (e->spend[e->hull[v - 1]] + here) / 2, right = (here + e->spend[e->hull[v + 1]]) / 2;
    return before > after ? left + (right - left) * (before - price) / (before - after) : here;
}

struct question {
    const struct term *term;
    double price;
};

static double slope_less_price(double spend, void *user) {
    const struct question *question = user;
    return term_slope(question->term, spend) - question->price;
}

/* The root of slope - price within [a, b], at whose ends it is positive and negative. */
static double find_root(struct question *question, double a, double b, gsl_root_fsolver *roots) {
    gsl_function function = {.function = slope_less_price, .params = question};
    if (gsl_root_fsolver_set(roots, &function, a, b))
        return a;
    for (int i = 0; i < ROOT_STEPS; i++) {
        if (gsl_root_fsolver_iterate(roots))
            break;
        a = gsl_root_fsolver_x_lower(roots);
        b = gsl_root_fsolver_x_upper(roots);
        if (b - a <= ROOT_RELATIVE * b)
            break;
    }
    return gsl_root_fsolver_root(roots);
}

/* The best spend at a node or in the cells beside it. */
static struct best refine(const struct envelope *e, size_t node, double price, gsl_root_fsolver *roots) {
    struct question question = {.term = &e->term, .price = price};
    struct best best = {.spend = e->spend[node], .value = e->value[node]};
    double here = slope_less_price(best.spend, &question);
    double spend;
    if (here > 0 && node + 1 < e->count && !envelope_gap(e, node) &&
        slope_less_price(e->spend[node + 1], &question) < 0)
        spend = find_root(&question, best.spend, e->spend[node + 1], roots);
    else if (here < 0 && node > 0 && !envelope_gap(e, node - 1) &&
             slope_less_price(e->spend[node - 1], &question) > 0)
        spend = find_root(&question, e->spend[node - 1], best.spend, roots);
    else
        return best;
    double value = term_value(&e->term, spend);
    if (value - price * spend > best.value - price * best.spend)
        best = (struct best){.spend = spend, .value = value};
    return best;
}

struct best envelope_best(const struct envelope *e, double price, gsl_root_fsolver *roots) {
    size_t vertex = find_vertex(e, price);
    struct best best = refine(e, e->hull[vertex], price, roots);
    size_t first = vertex > 0 ? vertex - 1 : 0;
    size_t last = vertex + 1 < e->hull_count ? vertex + 1 : vertex;
    for (size_t v = first; v <= last; v++) {
        size_t node = e->hull[v];
        double bound = e->value[node] - price * e->spend[node] + e->slack;
        if (v == vertex || bound <= best.value - price * best.spend)
            continue;
        struct best other = refine(e, node, price, roots);
        double gain = (other.value - price * other.spend) - (best.value - price * best.spend);
        if (gain > 0 || (gain == 0 && other.spend < best.spend))
            best = other;
    }
    return best;
}
