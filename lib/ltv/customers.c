/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Customers row by row, and as a fit wants them.
 */
#include "ltv/customers.h"
#include "base/hash.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum mi_status mi_customers_new(const char *const *covariates, size_t covariate_count,
                                struct mi_customers **customers, struct mi_error *error) {
    struct mi_customers *new = calloc(1, sizeof *new);
    if (new == NULL) {
        return mi_no_memory(error);
    }
    new->covariate_count = covariate_count;
    new->covariates = calloc(covariate_count + 1, sizeof *new->covariates);
    new->levels = calloc(covariate_count + 1, sizeof(struct mi_index *));
    new->level_customers = calloc((covariate_count + 1) * BTYD_LEVELS_MOST, sizeof *new->level_customers);
    bool good = new->covariates != NULL &&new->levels != NULL &&new->level_customers !=
                NULL &&mi_index_new(&new->groups, error) == MI_OK;
    for (size_t i = 0; i < covariate_count && good; i++) {
        new->covariates[i] = mi_text_copy(mi_text_of(covariates[i]));
        good = new->covariates[i] != NULL &&mi_index_new(&new->levels[i], error) == MI_OK;
    }
    if (!good) {
        mi_customers_free(new);
        return mi_no_memory(error);
    }
    *customers = new;
    return MI_OK;
}

void mi_customers_free(struct mi_customers *customers) {
    if (customers == NULL) {
        return;
    }
    for (size_t i = 0; i < customers->covariate_count; i++) {
        if (customers->covariates != NULL) {
            free(customers->covariates[i]);
        }
        if (customers->levels != NULL) {
            mi_index_free(customers->levels[i]);
        }
    }
    free(customers->covariates);
    free(customers->levels);
    free(customers->level_customers);
    free(customers->group_levels);
    free(customers->rows);
    free(customers->slots);
    free(customers->spend);
    mi_index_free(customers->groups);
    free(customers);
}

/* ---- covariates ---- */

static enum mi_status add_levels(struct mi_customers *customers, const struct mi_text *values,
                                 uint32_t *levels, struct mi_error *error) {
    for (size_t i = 0; i < customers->covariate_count; i++) {
        size_t level;
        enum mi_status status = mi_index_add(customers->levels[i], values[i], &level, NULL, error);
        if (status == MI_OK && level >= BTYD_LEVELS_MOST) {
            status = mi_error_set(error, MI_BAD_INPUT, "covariate '%s' has more than %d values",
                                  customers->covariates[i], BTYD_LEVELS_MOST);
        }
        if (status != MI_OK) {
            return status;
        }
        levels[i] = (uint32_t)level;
        customers->level_customers[i * BTYD_LEVELS_MOST + level]++;
    }
    return MI_OK;
}

static enum mi_status find_group(struct mi_customers *customers, const struct mi_text *values,
                                 uint32_t *group, struct mi_error *error) {
    uint32_t levels[MI_LTV_COLUMNS_MOST];
    size_t number;
    bool added;
    enum mi_status status = add_levels(customers, values, levels, error);
    struct mi_text key = {(const char *)levels, customers->covariate_count * sizeof *levels};
    if (status == MI_OK) {
        status = mi_index_add(customers->groups, key, &number, &added, error);
    }
    if (status != MI_OK) {
        return status;
    }
    *group = (uint32_t)number;
    if (!added || customers->covariate_count == 0) {
        return MI_OK;
    }
    if (number >= customers->group_capacity) {
        size_t capacity = 2 * customers->group_capacity + 16;
        uint32_t *wider = realloc(customers->group_levels, capacity * key.size);
        if (wider == NULL) {
            return mi_no_memory(error);
        }
        customers->group_levels = wider;
        customers->group_capacity = capacity;
    }
    memcpy(customers->group_levels + number * customers->covariate_count, levels, key.size);
    return MI_OK;
}

/* ---- rows ---- */

static uint64_t hash_row(const struct customer_row *row) {
    uint64_t bits[2], hash = ((uint64_t)row->group << 32 | row->x) * 0x9e3779b97f4a7c15u;
    memcpy(&bits[0], &row->recency, 8);
    memcpy(&bits[1], &row->T, 8);
    for (int i = 0; i < 2; i++) {
        hash = (hash ^ hash >> 29 ^ bits[i]) * 0xbf58476d1ce4e5b9u;
    }
    return hash ^ hash >> 29;
}

static bool same_row(const struct customer_row *a, const struct customer_row *b) {
    return a->x == b->x && a->group == b->group && a->recency == b->recency && a->T == b->T;
}

/* Half of the hash stands beside the row's number, so that a row that differs is hardly ever looked at. */
static uint64_t *find_slot(struct mi_customers *customers, const struct customer_row *row, uint64_t hash) {
    size_t mask = customers->slot_count - 1;
    for (size_t at = (size_t)hash & mask;; at = (at + 1) & mask) {
        uint64_t taken = customers->slots[at];
        bool same = taken >> 32 == hash >> 32 && taken != 0;
        if (taken == 0 || (same && same_row(&customers->rows[(taken & UINT32_MAX) - 1], row))) {
            return &customers->slots[at];
        }
    }
}

/* Where the time is continuous hardly any two customers are alike, and there is no use in looking for them.
 */
#define LOOK_LEAST  65536
#define ALIKE_LEAST 0.02

static void give_up_looking(struct mi_customers *customers) {
    double rows = (double)customers->count;
    if (customers->count >= LOOK_LEAST && customers->slots != NULL &&
        customers->summary.customers - rows < ALIKE_LEAST * rows) {
        free(customers->slots);
        customers->slots = NULL;
        customers->slot_count = SIZE_MAX;
    }
}

/* Makes room for one more row. */
static bool grow(struct mi_customers *customers) {
    if (customers->count < customers->capacity) {
        return true;
    }
    size_t capacity = customers->capacity > 0 ? customers->capacity + customers->capacity / 2 : 1024;
    struct customer_row *rows = realloc(customers->rows, capacity * sizeof *rows);
    if (rows == NULL) {
        return false;
    }
    customers->rows = rows;
    customers->capacity = capacity;
    give_up_looking(customers);
    if (2 * capacity <= customers->slot_count) {
        return true;
    }
    size_t slot_count = 2048;
    while (slot_count < 2 * capacity) {
        slot_count *= 2;
    }
    uint64_t *slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    free(customers->slots);
    customers->slots = slots;
    customers->slot_count = slot_count;
    for (size_t i = 0; i < customers->count; i++) {
        uint64_t hash = hash_row(&rows[i]);
        *find_slot(customers, &rows[i], hash) = (hash >> 32 << 32) | (i + 1);
    }
    return true;
}

static enum mi_status add_row(struct mi_customers *customers, const struct customer_row *row,
                              struct mi_error *error) {
    if (!grow(customers)) {
        return mi_no_memory(error);
    }
    uint64_t hash = hash_row(row), none = 0;
    uint64_t *slot = customers->slots != NULL ? find_slot(customers, row, hash) : &none;
    if (*slot != 0) {
        customers->rows[(*slot & UINT32_MAX) - 1].count++;
        return MI_OK;
    }
    if (customers->count >= UINT32_MAX - 1) {
        return mi_error_set(error, MI_BAD_INPUT, "more than 4e9 customers that differ");
    }
    customers->rows[customers->count++] = *row;
    *slot = (hash >> 32 << 32) | customers->count;
    return MI_OK;
}

/* The sums of a correlation between frequency and mean spend, about the first pair. */
static void correlate(struct mi_customers *customers, double x, double mean) {
    double *s = customers->correlation_sums;
    if (s[0] == 0) {
        s[4] = x;
        s[5] = mean;
    }
    s[0]++;
    x -= s[4];
    mean -= s[5];
    s[1] += x;
    s[2] += mean;
    double *squares = customers->summary.squares;
    squares[0] += x * x;
    squares[1] += mean * mean;
    squares[2] += x * mean;
}

static enum mi_status add_spend(struct mi_customers *customers, uint32_t x, double mean,
                                struct mi_error *error) {
    if (isnan(mean)) {
        customers->summary.without_spend += x > 0;
        return MI_OK;
    }
    customers->has_spend = true;
    if (x == 0) {
        return MI_OK;
    }
    if (mean <= 0) {
        customers->summary.spend_not_positive++;
        return MI_OK;
    }
    if (customers->spend_count == customers->spend_capacity) {
        size_t capacity = customers->spend_capacity + customers->spend_capacity / 2 + 1024;
        struct spend_row *wider = realloc(customers->spend, capacity * sizeof *wider);
        if (wider == NULL) {
            return mi_no_memory(error);
        }
        customers->spend = wider;
        customers->spend_capacity = capacity;
    }
    customers->spend[customers->spend_count++] = (struct spend_row){.mean = mean, .x = x};
    correlate(customers, x, mean);
    return MI_OK;
}

enum mi_status mi_customer_check(const struct mi_customer *customer, enum mi_customer_field *field,
                                 struct mi_error *error) {
    const struct mi_customer *c = customer;
    if (!(c->frequency >= 0 && c->frequency <= 1e9 && c->frequency == floor(c->frequency))) {
        *field = MI_CUSTOMER_FREQUENCY;
        return mi_error_set(error, MI_BAD_RECORD, "not a number of repeat purchases: %.15g (0, 1, 2, ...)",
                            c->frequency);
    }
    *field = MI_CUSTOMER_RECENCY;
    if (!(c->recency >= 0 && c->recency <= 1e9)) {
        return mi_error_set(error, MI_BAD_RECORD, "not a time: %.15g", c->recency);
    }
    if (c->recency > c->T) {
        return mi_error_set(error, MI_BAD_RECORD, "the last purchase, at %.15g, is after the end, T = %.15g",
                            c->recency, c->T);
    }
    if (c->frequency == 0 && c->recency > 0) {
        return mi_error_set(error, MI_BAD_RECORD, "%.15g, but frequency is 0: the last purchase is the first",
                            c->recency);
    }
    *field = MI_CUSTOMER_T;
    if (!(c->T >= 0 && c->T <= 1e9)) {
        return mi_error_set(error, MI_BAD_RECORD, "not a time: %.15g", c->T);
    }
    return MI_OK;
}

enum mi_status mi_customers_add(struct mi_customers *customers, const struct mi_customer *customer,
                                const struct mi_text *covariates, struct mi_error *error) {
    enum mi_customer_field field;
    enum mi_status status = mi_customer_check(customer, &field, error);
    struct customer_row row = {
        .recency = customer->recency, .T = customer->T, .count = 1, .x = (uint32_t)customer->frequency};
    if (status == MI_OK) {
        status = find_group(customers, covariates, &row.group, error);
    }
    if (status == MI_OK) {
        status = add_row(customers, &row, error);
    }
    if (status == MI_OK) {
        status = add_spend(customers, row.x, customer->monetary_value, error);
    }
    if (status != MI_OK) {
        return status;
    }
    customers->summary.customers++;
    customers->summary.repeat_customers += row.x > 0;
    customers->total_T += row.T;
    customers->total_x += row.x;
    row.group = row.x;
    double cells[4] = {customer->frequency, customer->recency, customer->T,
                       isnan(customer->monetary_value) ? -1 : customer->monetary_value};
    customers->fingerprint += mi_hash(MI_HASH_START, cells, sizeof cells);
    return MI_OK;
}

struct mi_customers_summary mi_customers_summary(const struct mi_customers *customers) {
    struct mi_customers_summary summary = customers->summary;
    const double *s = customers->correlation_sums, *squares = customers->summary.squares;
    double n = s[0];
    double xx = squares[0] - s[1] * s[1] / n, yy = squares[1] - s[2] * s[2] / n;
    double xy = squares[2] - s[1] * s[2] / n;
    summary.correlation = n > 2 && xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
    summary.different = (double)customers->count;
    summary.has_spend = customers->has_spend;
    return summary;
}

/* ---- layouts ---- */

static bool layout_room(struct btyd_layout *layout, size_t size, size_t spans) {
    *layout = (struct btyd_layout){.size = size};
    layout->recency = calloc(size + 1, sizeof(double));
    layout->T = calloc(size + 1, sizeof(double));
    layout->count = calloc(size + 1, sizeof(double));
    layout->spans = calloc(spans + 1, sizeof *layout->spans);
    return layout->recency != NULL && layout->T != NULL && layout->count != NULL && layout->spans != NULL;
}

void btyd_layout_clear(struct btyd_layout *layout) {
    free(layout->recency);
    free(layout->T);
    free(layout->count);
    free(layout->spans);
    *layout = (struct btyd_layout){0};
}

struct key {
    uint64_t value; /* group, x */
    size_t count, at;
};

static int by_value(const void *a, const void *b) {
    uint64_t x = ((const struct key *)a)->value, y = ((const struct key *)b)->value;
    return x < y ? -1 : x > y;
}

/* The different keys, in order, with how many rows have each. key_of(context, row). */
struct keys {
    struct mi_index *index;
    struct key *items;
    size_t count, capacity;
};

static bool add_key(struct keys *keys, uint64_t value) {
    size_t number;
    bool added;
    if (keys->count > 0 && keys->items[keys->count - 1].value == value) {
        keys->items[keys->count - 1].count++;
        return true;
    }
    if (mi_index_add(keys->index, (struct mi_text){(const char *)&value, sizeof value}, &number, &added,
                     NULL) != MI_OK) {
        return false;
    }
    if (number >= keys->capacity) {
        size_t capacity = 2 * keys->capacity + 256;
        struct key *wider = realloc(keys->items, capacity * sizeof *wider);
        if (wider == NULL) {
            return false;
        }
        keys->items = wider;
        keys->capacity = capacity;
    }
    if (added) {
        keys->items[number] = (struct key){.value = value};
        keys->count = number + 1;
    }
    keys->items[number].count++;
    return true;
}

static uint64_t key_of(const struct mi_customers *customers, bool spend, size_t row) {
    return spend ? customers->spend[row].x
                 : (uint64_t)customers->rows[row].group << 32 | customers->rows[row].x;
}

/* Puts the rows into the places of their keys. */
static void place(const struct mi_customers *customers, bool spend, double scale, struct keys *keys,
                  const size_t *order, struct btyd_layout *layout) {
    for (size_t row = 0; row < layout->size; row++) {
        uint64_t value = key_of(customers, spend, row);
        size_t number = mi_index_find(keys->index, (struct mi_text){(const char *)&value, sizeof value});
        size_t at = keys->items[order[number]].at++;
        layout->recency[at] = (spend ? customers->spend[row].mean : customers->rows[row].recency) / scale;
        layout->T[at] = spend ? 0 : customers->rows[row].T / scale;
        layout->count[at] = spend ? 1 : customers->rows[row].count;
        layout->customers += layout->count[at];
    }
}

/* Sorts the keys; order[number of a key] is its place. */
static bool sort_keys(struct keys *keys, size_t **order) {
    *order = malloc((keys->count + 1) * sizeof **order);
    if (*order == NULL) {
        return false;
    }
    qsort(keys->items, keys->count, sizeof *keys->items, by_value);
    size_t at = 0;
    for (size_t i = 0; i < keys->count; i++) {
        struct key *key = &keys->items[i];
        key->at = at;
        at += key->count;
        (*order)[mi_index_find(keys->index, (struct mi_text){(const char *)&key->value, sizeof key->value})] =
            i;
    }
    return true;
}

static enum mi_status lay_out(const struct mi_customers *customers, bool spend, double scale,
                              struct btyd_layout *layout, struct mi_error *error) {
    struct keys keys = {0};
    size_t *order = NULL;
    size_t size = spend ? customers->spend_count : customers->count;
    bool good = mi_index_new(&keys.index, error) == MI_OK;
    for (size_t row = 0; row < size && good; row++) {
        good = add_key(&keys, key_of(customers, spend, row));
    }
    *layout = (struct btyd_layout){0};
    good = good && layout_room(layout, size, keys.count) && sort_keys(&keys, &order);
    if (good) {
        place(customers, spend, scale, &keys, order, layout);
        for (size_t i = 0; i < keys.count; i++) {
            const struct key *key = &keys.items[i];
            layout->spans[i] = (struct btyd_span){(uint32_t)(key->value >> 32), (uint32_t)key->value,
                                                  key->at - key->count, key->at};
        }
        layout->span_count = keys.count;
    } else {
        btyd_layout_clear(layout);
    }
    free(order);
    free(keys.items);
    mi_index_free(keys.index);
    return good ? MI_OK : mi_no_memory(error);
}

enum mi_status btyd_layout_customers(const struct mi_customers *customers, double scale,
                                     struct btyd_layout *layout, struct mi_error *error) {
    return lay_out(customers, false, scale, layout, error);
}

enum mi_status btyd_layout_spend(const struct mi_customers *customers, double scale,
                                 struct btyd_layout *layout, struct mi_error *error) {
    return lay_out(customers, true, scale, layout, error);
}

enum mi_status btyd_layout_sample(const struct btyd_layout *all, size_t stride, struct btyd_layout *layout,
                                  struct mi_error *error) {
    if (!layout_room(layout, all->size / stride + 1, all->span_count)) {
        btyd_layout_clear(layout);
        return mi_no_memory(error);
    }
    size_t size = 0;
    for (size_t i = 0; i < all->span_count; i++) {
        struct btyd_span span = all->spans[i];
        size_t from = size;
        for (size_t row = (span.from + stride - 1) / stride * stride; row < span.to; row += stride, size++) {
            layout->recency[size] = all->recency[row];
            layout->T[size] = all->T[row];
            layout->count[size] = all->count[row];
            layout->customers += all->count[row];
        }
        if (size > from) {
            layout->spans[layout->span_count++] = (struct btyd_span){span.group, span.x, from, size};
        }
    }
    layout->size = size;
    return MI_OK;
}
