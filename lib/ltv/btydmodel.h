/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A fitted buy-till-you-die model: members, spend, covariates.
 */
#ifndef LTV_BTYDMODEL_H
#define LTV_BTYDMODEL_H

#include <jansson.h>

#include "base/buffer.h"
#include "ltv/btyd.h"
#include "ltv/customers.h"

/* One fit by maximum likelihood. u: logs of the parameters, then covariate effects. */
struct btyd_fit {
    size_t count;
    double parameters[BTYD_PARAMETERS];
    double effects[BTYD_MOST];                /* on the scale of purchases, then on that of dropping out */
    double covariance[BTYD_MOST * BTYD_MOST]; /* of u; 0 in directions that are not identified */
    double error[BTYD_MOST];                  /* standard errors of u; NaN: not identified */
    double log_likelihood, slope;
    int iterations, starts;
    bool identified;
};

/* A level of a covariate other than its reference. */
struct btyd_level {
    size_t covariate;
    char *value;
};

struct mi_btyd {
    bool has[MI_BTYD_FAMILIES];
    struct btyd_fit families[MI_BTYD_FAMILIES];
    enum mi_btyd_family main; /* the one that the file's parameters are of */
    bool automatic;
    bool has_spend;
    struct btyd_fit spend; /* p, q, v, and where automatic the effect of frequency on v */
    double spend_center;   /* mean log(1 + frequency), where that effect is 0 */
    /* automatic: predicted values are multiplied by factor (value / reference)^-regression, value and
     * reference at a horizon of mean_T, so that their total stays what it was */
    double factor, reference;
    double regression; /* that power */
    size_t covariate_count, level_count;
    char **covariates;
    char **references; /* most frequent value of each covariate */
    struct btyd_level *levels;
    struct mi_customers_summary training;
    uint64_t fingerprint;
    double mean_T, mean_x;
    /* Where no drop-out is seen: by how much rates are higher at the end of the log than over all of it, and
     * how much customers differ in that (standard deviation); logarithms, 0 where not clear of noise. */
    double trend, wander;
};

enum mi_status btyd_fit_family(const struct mi_customers *customers, enum mi_btyd_family family,
                               const struct mi_btyd *model, const struct mi_notes *notes,
                               struct btyd_fit *fit, struct mi_error *error);
/* center NaN: plain; else v = v exp(effect (log(1 + x) - center)) with the effect as a fourth parameter. */
enum mi_status btyd_fit_spend(const struct mi_customers *customers, double center,
                              const struct mi_notes *notes, struct btyd_fit *fit, struct mi_error *error);
/* Mean log(1 + frequency) of those who have a mean spend. */
double btyd_spend_center(const struct mi_customers *customers);
/* Sets factor and reference. */
enum mi_status btyd_keep_total(const struct mi_customers *customers, const struct btyd_fit *plain,
                               struct mi_btyd *model, struct mi_error *error);

/* How much of a deviation from the mean a customer loses, as a power, where customers are seen to drop out:
 * past rates do not last. */
#define BTYD_REGRESSION 0.05

/* v of a customer with x repeat purchases. */
double btyd_spend_scale(const struct mi_btyd *model, const double *spend, double x);
/* Mean value of a purchase of a customer with x repeat purchases of mean m. */
double btyd_spend_mean(const double *spend, double v, double x, double m);

/* The members of a model's JSON object after its head, each after a comma; and back. */
enum mi_status btyd_write_members(struct mi_buffer *out, const struct mi_btyd *model, struct mi_error *error);
enum mi_status btyd_read_members(const json_t *object, struct mi_btyd **model, struct mi_error *error);

extern const char *const btyd_parameter_names[MI_BTYD_FAMILIES][BTYD_PARAMETERS];
extern const char *const btyd_spend_names[3];

#endif
