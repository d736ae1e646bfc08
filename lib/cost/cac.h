/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of the CAC model share.
 *
 * Two stages. The first is a rate of new customers per unit of cost, campaign by campaign: what the campaign
 * won up to some days before, older days counting less, drawn towards the portfolio's rate (gamma-Poisson,
 * empirical Bayes). The second is boosted trees on the campaign's attributes, the market and the calendar,
 * which say by how much a row differs from that. Both see only what lies before the row's date.
 */
#ifndef MI_COST_CAC_H
#define MI_COST_CAC_H

#include "base/arena.h"
#include "mi.h"
#include "num/boost.h"

enum {
    CAC_CATEGORIES_MOST = 16, /* of one column that get an indicator: the most frequent */
    CAC_FOLDS = 6,            /* of the point-in-time validation */
    CAC_BLOCK = 1024          /* rows predicted at once */
};

/* Columns that are made here, before those of the table. */
enum cac_derived {
    CAC_LOG_COSTS,      /* log of the row's costs */
    CAC_COSTS_CHANGE,   /* log of them over the campaign's daily mean so far */
    CAC_HISTORY_RATE,   /* log of the campaign's shrunk rate over the portfolio's */
    CAC_HISTORY_WEIGHT, /* share of it that is the campaign's own */
    CAC_WEEKDAY,
    CAC_DAY_OF_MONTH,
    CAC_DAY_OF_YEAR,
    CAC_DERIVED
};
extern const char *const cac_derived_names[CAC_DERIVED];

/* A column of the table that says something of a row. */
struct cac_feature {
    char *name;
    bool numeric; /* else categories */
    char *categories[CAC_CATEGORIES_MOST];
    size_t category_count;
    size_t first; /* its first column in the matrix; numeric takes one, else one a category */
};

/* Sums of a campaign (or of the portfolio), as of `date`: a day `half_life` days ago counts half. */
struct cac_history {
    double customers, costs, days;
    int32_t date;
};

void cac_history_move(struct cac_history *history, int32_t date, double half_life);
void cac_history_add(struct cac_history *history, double customers, double costs);

/* A row of the training data; `values` are the table's features as texts. */
struct cac_row {
    size_t campaign;
    int32_t date;
    double costs, customers;
    const struct mi_text *values;
};

struct cac_shape {          /* of the first stage */
    double half_life;       /* days */
    double prior_customers; /* the portfolio's rate counts as so many customers of the campaign's own */
};

struct mi_cac_model {
    struct cac_feature *features;
    size_t feature_count;
    size_t columns; /* of the matrix */
    char **names;   /* of these */
    struct cac_shape shape;
    struct cac_history portfolio;
    struct mi_index *campaigns;
    struct cac_history *histories; /* by the number in campaigns */
    double dispersion;             /* variance of a row's customers = mean + dispersion mean^2 */
    double low, high;              /* quantiles of the standardised residual at the level's ends */
    double level;
    struct mi_boost *boost; /* NULL: the trees did not help */
    double *importance;     /* per derived, then per feature; shares, sum 1 or all 0 */
    struct mi_cac_holdout holdout;
    double rows, total_costs, total_customers;
    int32_t first_date, last_date;
    uint64_t fingerprint;
    float *cells; /* room for CAC_BLOCK rows of the matrix */
};

/* The row's expected customers by the first stage, and the matrix row. history: of the campaign as of the
 * row's date; NULL: never seen. */
double cac_fill(const struct mi_cac_model *model, const struct cac_row *row,
                const struct cac_history *portfolio, const struct cac_history *history, float *cells);

/* Finds kinds and categories of the features from all rows and lays out the matrix. */
enum mi_status cac_features_find(struct mi_cac_model *model, const struct cac_row *rows, size_t count,
                                 struct mi_error *error);
/* Lays out the matrix of features that are known. */
enum mi_status cac_features_layout(struct mi_cac_model *model, struct mi_error *error);

/* Standard deviation of log((customers + 1/2) / (expected + 1/2)). own: share of the rate that is the
 * campaign's own, of `customers` in all. */
double cac_spread(const struct mi_cac_model *model, double expected, const struct cac_history *history);

/* log((customers + 1/2) / (expected + 1/2)) in these standard deviations. */
double cac_residual(const struct mi_cac_model *model, double customers, double expected,
                    const struct cac_history *history);

#endif
