/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Transactions in any order to sums by customer. Rows are kept as they come, 16 bytes each, then put together
 * by customer (a counting sort) and within one by day and amount, so that no sum depends on their order.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "mi.h"

struct transaction {
    uint32_t customer;
    int32_t day;
    double amount;
};

struct mi_rfm {
    struct mi_rfm_options options;
    struct mi_index *customers;
    struct transaction *log;
    size_t log_count, log_capacity;
    struct mi_rfm_sums *sums; /* by customer */
    size_t sums_capacity;
    size_t *order; /* customers by id */
    int32_t newest;
    struct mi_rfm_summary summary;
};

enum mi_status mi_rfm_new(const struct mi_rfm_options *options, struct mi_rfm **rfm, struct mi_error *error) {
    struct mi_rfm *new = calloc(1, sizeof *new);
    if (new == NULL) {
        return mi_no_memory(error);
    }
    new->options = *options;
    new->newest = MI_DATE_MISSING;
    enum mi_status status = mi_index_new(&new->customers, error);
    if (status != MI_OK) {
        free(new);
        return status;
    }
    *rfm = new;
    return MI_OK;
}

void mi_rfm_free(struct mi_rfm *rfm) {
    if (rfm != NULL) {
        mi_index_free(rfm->customers);
        free(rfm->log);
        free(rfm->sums);
        free(rfm->order);
        free(rfm);
    }
}

/* The customer's number; its sums have room. */
static enum mi_status find_customer(struct mi_rfm *rfm, struct mi_text id, size_t *customer,
                                    struct mi_error *error) {
    bool added;
    enum mi_status status = mi_index_add(rfm->customers, id, customer, &added, error);
    if (status != MI_OK || !added) {
        return status;
    }
    if (*customer >= UINT32_MAX) {
        return mi_error_set(error, MI_BAD_INPUT, "more than 4e9 customers");
    }
    if (*customer >= rfm->sums_capacity) {
        size_t capacity = rfm->sums_capacity + rfm->sums_capacity / 2 + 1024;
        struct mi_rfm_sums *wider = realloc(rfm->sums, capacity * sizeof *wider);
        if (wider == NULL) {
            return mi_no_memory(error);
        }
        rfm->sums = wider;
        rfm->sums_capacity = capacity;
    }
    rfm->sums[*customer] = (struct mi_rfm_sums){.first = MI_DATE_MISSING, .last = MI_DATE_MISSING};
    return MI_OK;
}

enum mi_status mi_rfm_add(struct mi_rfm *rfm, struct mi_text customer_id, int32_t day, double amount,
                          struct mi_error *error) {
    size_t customer;
    rfm->summary.rows++;
    if (rfm->options.until != MI_DATE_MISSING && day > rfm->options.until) {
        rfm->summary.late_rows++;
        return MI_OK;
    }
    enum mi_status status = find_customer(rfm, customer_id, &customer, error);
    if (status != MI_OK) {
        return status;
    }
    rfm->newest = day > rfm->newest ? day : rfm->newest;
    if (amount < 0) {
        rfm->summary.refunds++;
        if (rfm->options.drop_refunds) {
            return MI_OK;
        }
    }
    if (rfm->log_count == rfm->log_capacity) {
        size_t capacity = rfm->log_capacity + rfm->log_capacity / 2 + 4096;
        struct transaction *wider = realloc(rfm->log, capacity * sizeof *wider);
        if (wider == NULL) {
            return mi_no_memory(error);
        }
        rfm->log = wider;
        rfm->log_capacity = capacity;
    }
    rfm->log[rfm->log_count++] = (struct transaction){(uint32_t)customer, day, isnan(amount) ? 0 : amount};
    return MI_OK;
}

/* Adds sums of later days, or of earlier ones. */
static bool join_sums(struct mi_rfm_sums *sums, const struct mi_rfm_sums *other) {
    bool both = sums->first != MI_DATE_MISSING && other->first != MI_DATE_MISSING;
    if (both && sums->first <= other->last && other->first <= sums->last) {
        return false;
    }
    if (sums->first == MI_DATE_MISSING || (both && other->first < sums->first)) {
        sums->repeat_value += both ? sums->first_value : 0;
        sums->first = other->first;
        sums->first_value = other->first_value;
    } else {
        sums->repeat_value += other->first_value;
    }
    sums->last = other->last > sums->last ? other->last : sums->last;
    sums->days += other->days;
    sums->repeat_value += other->repeat_value;
    sums->holdout_days += other->holdout_days;
    sums->holdout_value += other->holdout_value;
    return true;
}

enum mi_status mi_rfm_merge(struct mi_rfm *rfm, struct mi_text customer_id, const struct mi_rfm_sums *sums,
                            int32_t until, struct mi_error *error) {
    size_t customer;
    enum mi_status status = find_customer(rfm, customer_id, &customer, error);
    if (status != MI_OK) {
        return status;
    }
    rfm->summary.rows++;
    rfm->newest = until > rfm->newest ? until : rfm->newest;
    if (!join_sums(&rfm->sums[customer], sums)) {
        return mi_error_set(
            error, MI_BAD_RECORD,
            "purchases in two parts whose days overlap: split the log by customer or at a date");
    }
    return MI_OK;
}

/* ---- from transactions to sums ---- */

static int by_day(const void *a, const void *b) {
    const struct transaction *x = a, *y = b;
    if (x->day != y->day) {
        return x->day < y->day ? -1 : 1;
    }
    return (x->amount > y->amount) - (x->amount < y->amount);
}

/* By insertion where they are few. */
static void sort_transactions(struct transaction *items, size_t count) {
    if (count > 24) {
        qsort(items, count, sizeof *items, by_day);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct transaction item = items[i];
        size_t j = i;
        for (; j > 0 && by_day(&items[j - 1], &item) > 0; j--) {
            items[j] = items[j - 1];
        }
        items[j] = item;
    }
}

/* One day: its value, and whether anything was bought. */
static size_t take_day(const struct transaction *items, size_t count, double *value, bool *bought) {
    size_t n = 0;
    *value = 0;
    *bought = false;
    for (; n < count && items[n].day == items[0].day; n++) {
        *value += items[n].amount;
        *bought = *bought || items[n].amount >= 0;
    }
    return n;
}

/* A day with refunds only takes them off the purchases before, but not off those before the holdout once that
 * has begun: what is known then must not change. */
static void add_day(struct mi_rfm *rfm, struct mi_rfm_sums *sums, int32_t day, double value, bool bought) {
    bool held_out = rfm->options.holdout != MI_DATE_MISSING && day > rfm->options.holdout;
    if (held_out) {
        sums->holdout_days += bought;
        sums->holdout_value += value;
        return;
    }
    if (!bought && sums->first == MI_DATE_MISSING) {
        rfm->summary.refunds_before_purchases++;
        return;
    }
    if (bought) {
        sums->first = sums->first == MI_DATE_MISSING ? day : sums->first;
        sums->last = day;
        sums->days++;
    }
    *(sums->days == 1 ? &sums->first_value : &sums->repeat_value) += value;
}

static void sum_customer(struct mi_rfm *rfm, struct transaction *items, size_t count,
                         struct mi_rfm_sums *sums) {
    sort_transactions(items, count);
    for (size_t i = 0; i < count;) {
        double value;
        bool bought;
        int32_t day = items[i].day;
        i += take_day(items + i, count - i, &value, &bought);
        add_day(rfm, sums, day, value, bought);
    }
}

/* Puts the transactions of each customer together. */
static struct transaction *collect(const struct mi_rfm *rfm, size_t *starts) {
    size_t customers = mi_index_size(rfm->customers);
    struct transaction *sorted = malloc((rfm->log_count + 1) * sizeof *sorted);
    if (sorted == NULL) {
        return NULL;
    }
    memset(starts, 0, (customers + 2) * sizeof *starts);
    for (size_t i = 0; i < rfm->log_count; i++) {
        starts[rfm->log[i].customer + 2]++;
    }
    for (size_t i = 2; i <= customers + 1; i++) {
        starts[i] += starts[i - 1];
    }
    for (size_t i = 0; i < rfm->log_count; i++) {
        sorted[starts[rfm->log[i].customer + 1]++] = rfm->log[i];
    }
    return sorted;
}

static enum mi_status sum_log(struct mi_rfm *rfm, struct mi_error *error) {
    size_t customers = mi_index_size(rfm->customers);
    size_t *starts = malloc((customers + 2) * sizeof *starts);
    struct transaction *sorted = starts != NULL ? collect(rfm, starts) : NULL;
    free(rfm->log);
    rfm->log = NULL;
    enum mi_status status = sorted != NULL ? MI_OK : mi_no_memory(error);
    for (size_t i = 0; i < customers && status == MI_OK; i++) {
        struct mi_rfm_sums sums = {.first = MI_DATE_MISSING, .last = MI_DATE_MISSING};
        sum_customer(rfm, sorted + starts[i], starts[i + 1] - starts[i], &sums);
        if (!join_sums(&rfm->sums[i], &sums)) {
            status = mi_error_set(error, MI_BAD_INPUT, "sums and transactions of one customer overlap");
        }
    }
    free(sorted);
    free(starts);
    return status;
}

/* ---- the order of the ids ---- */

/* The first bytes of an id as a number, so that most comparisons need no look at the text. */
struct named {
    uint64_t prefix;
    const char *id;
    size_t size, customer;
};

static int by_id(const void *a, const void *b) {
    const struct named *x = a, *y = b;
    if (x->prefix != y->prefix) {
        return x->prefix < y->prefix ? -1 : 1;
    }
    int order = memcmp(x->id, y->id, x->size < y->size ? x->size : y->size);
    return order != 0 ? order : (x->size > y->size) - (x->size < y->size);
}

static enum mi_status sort_ids(struct mi_rfm *rfm, struct mi_error *error) {
    size_t count = mi_index_size(rfm->customers);
    struct named *names = malloc((count + 1) * sizeof *names);
    rfm->order = malloc((count + 1) * sizeof *rfm->order);
    if (names == NULL || rfm->order == NULL) {
        free(names);
        return mi_no_memory(error);
    }
    for (size_t i = 0; i < count; i++) {
        struct mi_text id = mi_index_text(rfm->customers, i);
        names[i] = (struct named){.id = id.data, .size = id.size, .customer = i};
        for (size_t k = 0; k < 8; k++) {
            names[i].prefix = names[i].prefix << 8 | (k < id.size ? (unsigned char)id.data[k] : 0);
        }
    }
    qsort(names, count, sizeof *names, by_id);
    for (size_t i = 0; i < count; i++) {
        rfm->order[i] = names[i].customer;
    }
    free(names);
    return MI_OK;
}

/* ---- the result ---- */

static int32_t end_of(const struct mi_rfm *rfm) {
    return rfm->options.until != MI_DATE_MISSING ? rfm->options.until : rfm->newest;
}

enum mi_status mi_rfm_finish(struct mi_rfm *rfm, struct mi_rfm_summary *summary, struct mi_error *error) {
    enum mi_status status = sum_log(rfm, error);
    if (status == MI_OK) {
        status = sort_ids(rfm, error);
    }
    for (size_t i = 0; i < mi_rfm_count(rfm) && status == MI_OK; i++) {
        struct mi_rfm_row row;
        bool there = mi_rfm_row(rfm, i, &row);
        rfm->summary.customers += there;
        rfm->summary.new_customers += !there && row.sums.holdout_days > 0;
        rfm->summary.without_purchases += !there && row.sums.holdout_days <= 0;
    }
    rfm->summary.until = end_of(rfm);
    *summary = rfm->summary;
    return status;
}

size_t mi_rfm_count(const struct mi_rfm *rfm) {
    return mi_index_size(rfm->customers);
}

static bool fill_row(const struct mi_rfm *rfm, size_t customer, struct mi_rfm_row *row) {
    int32_t until = end_of(rfm), holdout = rfm->options.holdout;
    const struct mi_rfm_sums *sums = &rfm->sums[customer];
    *row = (struct mi_rfm_row){.customer_id = mi_index_text(rfm->customers, customer), .sums = *sums};
    if (sums->first == MI_DATE_MISSING) {
        return false;
    }
    int32_t end = holdout != MI_DATE_MISSING ? holdout : until;
    struct mi_customer *c = &row->customer;
    c->frequency = sums->days - 1;
    c->recency = (double)sums->last - sums->first;
    c->T = (double)end - sums->first;
    c->monetary_value = c->frequency > 0 ? sums->repeat_value / c->frequency : 0;
    row->holdout_frequency = sums->holdout_days;
    row->holdout_value = sums->holdout_value;
    row->holdout_T = (double)until - end;
    return true;
}

bool mi_rfm_row(const struct mi_rfm *rfm, size_t number, struct mi_rfm_row *row) {
    return fill_row(rfm, rfm->order[number], row);
}

bool mi_rfm_find(const struct mi_rfm *rfm, struct mi_text customer_id, struct mi_rfm_row *row) {
    size_t customer = mi_index_find(rfm->customers, customer_id);
    return customer != SIZE_MAX && fill_row(rfm, customer, row);
}
