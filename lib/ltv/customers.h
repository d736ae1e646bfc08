/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Customers as a fit reads them: those with the same figures counted once, ordered by covariates and by
 * number of repeat purchases.
 */
#ifndef LTV_CUSTOMERS_H
#define LTV_CUSTOMERS_H

#include "ltv/btyd.h"

struct customer_row {
    double recency, T;
    double count;
    uint32_t x, group;
};

struct spend_row {
    double mean;
    uint32_t x;
};

struct mi_customers {
    size_t covariate_count;
    char **covariates; /* names */
    struct customer_row *rows;
    size_t count, capacity;
    uint64_t *slots; /* hash table: half of the hash, then row + 1; 0 where free */
    size_t slot_count;
    struct spend_row *spend;
    size_t spend_count, spend_capacity;
    bool has_spend;
    struct mi_index *groups;  /* combinations of covariate values */
    struct mi_index **levels; /* values of each covariate */
    double *level_customers;  /* BTYD_LEVELS_MOST for each covariate */
    uint32_t *group_levels;   /* level of each covariate, by group */
    size_t group_capacity;
    struct mi_customers_summary summary;
    double total_T, total_x, correlation_sums[6];
    uint64_t fingerprint;
};

#define BTYD_LEVELS_MOST 32

/* Rows by group and x, column by column. */
struct btyd_layout {
    double *recency, *T, *count;
    struct btyd_span {
        uint32_t group, x;
        size_t from, to;
    } * spans;
    size_t span_count, size;
    double customers;
};

/* scale: of the time. */
enum mi_status btyd_layout_customers(const struct mi_customers *customers, double scale,
                                     struct btyd_layout *layout, struct mi_error *error);
/* Of the spends; recency holds the means. */
enum mi_status btyd_layout_spend(const struct mi_customers *customers, double scale,
                                 struct btyd_layout *layout, struct mi_error *error);
/* Every stride-th row of another. */
enum mi_status btyd_layout_sample(const struct btyd_layout *all, size_t stride, struct btyd_layout *layout,
                                  struct mi_error *error);
void btyd_layout_clear(struct btyd_layout *layout);

#endif
