/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Features of users: which columns can be features, of what kind they are, cells as codes, and how what comes
 * later differs from what was there at the fit.
 */
#ifndef MI_LTV_FEATURES_H
#define MI_LTV_FEATURES_H

#include "base/buffer.h"
#include "mi.h"

enum ltv_feature_kind { LTV_FEATURE_NUMBER, LTV_FEATURE_DATE, LTV_FEATURE_CATEGORY, LTV_FEATURE_KINDS };

enum { LTV_DRIFT_BINS = 10 };

#define LTV_CODE_UNSEEN (-1.0f) /* of a category that the fit had not */

struct ltv_feature {
    char *name;
    enum ltv_feature_kind kind;
    bool of_log;                       /* of the transaction log, not of a column */
    double missing;                    /* share of the rows of the fit */
    double low, high, mean, sd;        /* of numbers and dates that are there */
    double edges[LTV_DRIFT_BINS - 1];  /* deciles of these */
    double shares[LTV_DRIFT_BINS + 1]; /* of the rows in each bin, the last: missing */
    struct mi_index *levels;           /* of a category; "" is missing */
    double *level_rows;                /* how often each came */
};

struct ltv_features {
    struct ltv_feature *items;
    size_t count;
};

void ltv_features_clear(struct ltv_features *features);

/* How the features are to be found. Names are by commas; NULL: none given. */
struct ltv_feature_choice {
    const char *features, *exclude;
    const char *target, *time, *segment; /* columns with another part; the segment may be a feature too */
    const char *customer;                /* column that joins the log: no feature */
    int32_t cut;                         /* MI_DATE_MISSING: none */
    bool allow_leak, log; /* log: there is one, whose features come after those of the columns */
};

/* What a log tells of a customer, in this order. */
enum ltv_log_feature { LTV_LOG_FREQUENCY, LTV_LOG_RECENCY, LTV_LOG_T, LTV_LOG_VALUE, LTV_LOG_FEATURES };
extern const char *const ltv_log_features[LTV_LOG_FEATURES];

/* A transaction log and the column that joins it to the rows. */
struct ltv_log {
    const struct mi_rfm *rfm; /* finished; NULL: none */
    const char *customer;
};

/* The codes of a customer's log features; false, and all missing, where it bought nothing in the log. */
bool ltv_log_codes(const struct mi_rfm *rfm, struct mi_text customer_id, float codes[LTV_LOG_FEATURES]);

/* Finds them in the columns of the table, and says which columns are left out and why. What is asked for by
 * name and cannot be one is MI_BAD_ARGUMENT, a column of numbers with a text among them MI_BAD_INPUT that
 * names the first. */
enum mi_status ltv_features_find(struct mi_reader *reader, const struct mi_batch *batch,
                                 const struct ltv_feature_choice *choice, const struct mi_notes *notes,
                                 struct ltv_features *features, struct mi_error *error);

/* Whether a name stands in a list by commas; list NULL: no. */
bool ltv_list_has(const char *list, struct mi_text name);

/* The code of a cell's text: the number, the day, the number of the category; NaN: missing, a category has
 * a code for that. false: no number, or no date. */
bool ltv_feature_code(const struct ltv_feature *feature, struct mi_text text, float *code);

/* All cells of the table as codes: rows x features; free() it. Fills what the features know of the fit. A
 * customer of the log that stands in two rows is MI_BAD_INPUT. */
enum mi_status ltv_features_codes(struct mi_reader *reader, const struct mi_batch *batch,
                                  const struct ltv_log *log, struct ltv_features *features, float **codes,
                                  struct mi_error *error);

/* Names the features that alone tell the target almost perfectly: MI_BAD_INPUT, or with `allow` a note. */
enum mi_status ltv_features_leaks(const struct ltv_features *features, const float *codes,
                                  const double *target, size_t rows, bool allow, const struct mi_notes *notes,
                                  struct mi_error *error);

/* Counts of what came, against the shares of the fit. */
struct ltv_drift {
    double (*bins)[LTV_DRIFT_BINS + 1]; /* one a feature */
    uint64_t rows;
};

enum mi_status ltv_drift_init(struct ltv_drift *drift, size_t features, struct mi_error *error);
void ltv_drift_clear(struct ltv_drift *drift);
void ltv_drift_add(struct ltv_drift *drift, const struct ltv_features *features, const float *codes);
/* Population stability index of a feature: below 0.1 no change, above 0.25 another population (a rule of
 * thumb of credit scoring; Siddiqi, Credit Risk Scorecards, 2006). NaN: too few rows to tell. */
double ltv_drift_index(const struct ltv_drift *drift, const struct ltv_features *features, size_t feature);

#endif
