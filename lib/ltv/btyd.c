/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Buy-till-you-die models: one customer under given parameters, and the model with its members.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ltv/btydmodel.h"

#define CLEAR       2.0 /* standard errors */
#define WANDER_MOST 1.0 /* of a logarithm */

const char *mi_btyd_family_name(enum mi_btyd_family family) {
    static const char *const names[] = {"bg-nbd", "mbg-nbd", "pareto-nbd"};
    return names[family];
}

double mi_btyd_log_likelihood(enum mi_btyd_family family, const double parameters[4],
                              const struct mi_customer *c) {
    return family == MI_BTYD_PARETO_NBD
               ? btyd_pareto_log_likelihood(parameters, c->frequency, c->recency, c->T)
               : btyd_bg_log_likelihood(parameters, family == MI_BTYD_MBG_NBD, c->frequency, c->recency,
                                        c->T);
}

double mi_btyd_alive(enum mi_btyd_family family, const double parameters[4], const struct mi_customer *c) {
    return family == MI_BTYD_PARETO_NBD
               ? btyd_pareto_alive(parameters, c->frequency, c->recency, c->T)
               : btyd_bg_alive(parameters, family == MI_BTYD_MBG_NBD, c->frequency, c->recency, c->T);
}

double mi_btyd_expected(enum mi_btyd_family family, const double parameters[4], const struct mi_customer *c,
                        double horizon) {
    double alive = mi_btyd_alive(family, parameters, c);
    return alive *
           (family == MI_BTYD_PARETO_NBD
                ? btyd_pareto_expected(parameters, c->frequency, c->T, horizon)
                : btyd_bg_expected(parameters, family == MI_BTYD_MBG_NBD, c->frequency, c->T, horizon));
}

/* ---- the model ---- */

void mi_btyd_free(struct mi_btyd *model) {
    if (model == NULL) {
        return;
    }
    for (size_t i = 0; i < model->covariate_count; i++) {
        free(model->covariates != NULL ? model->covariates[i] : NULL);
        free(model->references != NULL ? model->references[i] : NULL);
    }
    for (size_t i = 0; i < model->level_count; i++) {
        free(model->levels[i].value);
    }
    free(model->covariates);
    free(model->references);
    free(model->levels);
    free(model);
}

/* The most frequent value of each covariate is the reference, the others have effects. */
static enum mi_status set_levels(const struct mi_customers *customers, struct mi_btyd *model,
                                 struct mi_error *error) {
    size_t count = customers->covariate_count;
    model->covariates = calloc(count + 1, sizeof *model->covariates);
    model->references = calloc(count + 1, sizeof *model->references);
    model->levels = calloc(count * BTYD_LEVELS_MOST + 1, sizeof *model->levels);
    if (model->covariates == NULL || model->references == NULL || model->levels == NULL) {
        return mi_no_memory(error);
    }
    model->covariate_count = count;
    for (size_t c = 0; c < count; c++) {
        const double *with = customers->level_customers + c * BTYD_LEVELS_MOST;
        size_t levels = mi_index_size(customers->levels[c]), reference = 0;
        for (size_t i = 1; i < levels; i++) {
            reference = with[i] > with[reference] ? i : reference;
        }
        model->covariates[c] = mi_text_copy(mi_text_of(customers->covariates[c]));
        for (size_t i = 0; i < levels; i++) {
            char *value = mi_text_copy(mi_index_text(customers->levels[c], i));
            if (value == NULL || model->covariates[c] == NULL) {
                free(value);
                return mi_no_memory(error);
            }
            if (i == reference) {
                model->references[c] = value;
            } else {
                model->levels[model->level_count++] = (struct btyd_level){c, value};
            }
        }
    }
    if (BTYD_PARAMETERS + 2 * model->level_count > BTYD_MOST) {
        return mi_error_set(error, MI_BAD_INPUT,
                            "the covariates have %zu values beside their most frequent ones: "
                            "at most %d",
                            model->level_count, (BTYD_MOST - BTYD_PARAMETERS) / 2);
    }
    return MI_OK;
}

/* The family that predicts. Where the likelihoods are close it is Pareto/NBD: it alone lets one who bought
 * once be gone, and on held-out data it ranked customers best (CDNOW at four dates, Online Retail, apparel).
 */
#define CLOSE 0.01 /* of log likelihood, a customer */

static void choose_main(const struct mi_customers *customers, bool automatic, struct mi_btyd *model) {
    double best = -INFINITY;
    for (int family = 0; family < MI_BTYD_FAMILIES; family++) {
        if (model->has[family] && model->families[family].log_likelihood > best) {
            best = model->families[family].log_likelihood;
            model->main = (enum mi_btyd_family)family;
        }
    }
    const struct btyd_fit *pareto = &model->families[MI_BTYD_PARETO_NBD];
    if (automatic && model->has[MI_BTYD_PARETO_NBD] &&
        pareto->log_likelihood > best - CLOSE * customers->summary.customers) {
        model->main = MI_BTYD_PARETO_NBD;
    }
}

static enum mi_status fit_families(const struct mi_customers *customers,
                                   const struct mi_btyd_options *options, const struct mi_notes *notes,
                                   struct mi_btyd *model, struct mi_error *error) {
    enum mi_status status = MI_OK;
    bool any = false;
    for (int family = 0; family < MI_BTYD_FAMILIES; family++) {
        if (!options->families[family] || (status != MI_OK && status != MI_NUMERIC)) {
            continue;
        }
        struct mi_error reason = {0};
        status = btyd_fit_family(customers, (enum mi_btyd_family)family, model, notes,
                                 &model->families[family], &reason);
        model->has[family] = status == MI_OK;
        any = any || status == MI_OK;
        if (status == MI_NUMERIC && options->automatic) {
            mi_notes_say(notes, "left out: %s", reason.text);
        } else if (status != MI_OK && error != NULL) {
            *error = reason;
        }
    }
    if (any && options->automatic && status == MI_NUMERIC) {
        status = MI_OK;
    }
    if (status == MI_NUMERIC && options->automatic) {
        return mi_error_set(error, MI_NUMERIC, "no family converged");
    }
    return status;
}

/* An effect that is hardly larger than its error is drawn to 0, as James and Stein would have it. */
static void shrink_effect(struct btyd_fit *spend) {
    double square = pow(spend->effects[0] / spend->error[3], 2);
    spend->effects[0] *= isfinite(square) && square > 1 ? 1 - 1 / square : 0;
}

static enum mi_status fit_spend(const struct mi_customers *customers, const struct mi_btyd_options *options,
                                const struct mi_notes *notes, struct mi_btyd *model, struct mi_error *error) {
    struct btyd_fit plain = {0};
    enum mi_status status = btyd_fit_spend(customers, NAN, notes, &plain, error);
    model->spend = plain;
    model->factor = 1;
    if (status == MI_OK && options->automatic) {
        model->spend_center = btyd_spend_center(customers);
        status = btyd_fit_spend(customers, model->spend_center, NULL, &model->spend, error);
        if (status == MI_NUMERIC || (status == MI_OK && model->spend.log_likelihood < plain.log_likelihood)) {
            model->spend = plain;
            status = MI_OK;
        }
        if (status == MI_OK) {
            shrink_effect(&model->spend);
            const double *errors = model->families[model->main].error;
            model->regression = isnan(errors[2]) ? 0 : BTYD_REGRESSION;
            status = btyd_keep_total(customers, &plain, model, error);
        }
    }
    model->has_spend = status == MI_OK;
    struct mi_customers_summary summary = mi_customers_summary(customers);
    if (status == MI_OK && !options->automatic && fabs(summary.correlation) > 0.1) {
        mi_notes_say(notes,
                     "gamma-gamma takes frequency and value for independent; among repeat buyers their "
                     "correlation is %.2f",
                     summary.correlation);
    }
    return status;
}

/* Without drop-out and at a constant rate the last of x purchases until T is at T u^(1/x) with u uniform, so
 * that -log u has the mean 1 and the variance 1. Where a customer's rate is w times as high at the end, it is
 * 1 / w times that; w is taken for lognormal. */
static void find_wander(const struct mi_customers *customers, struct mi_btyd *model) {
    double count = 0, sum = 0, squares = 0;
    for (size_t i = 0; i < customers->count; i++) {
        const struct customer_row *row = &customers->rows[i];
        if (row->x > 0 && row->recency > 0) {
            double gap = -(double)row->x * log(row->recency / row->T);
            count += row->count;
            sum += row->count * gap;
            squares += row->count * gap * gap;
        }
    }
    if (!isnan(model->families[model->main].error[2]) || !(sum > 0)) {
        return;
    }
    double mean = sum / count, relative = squares / count / (mean * mean) - 1; /* variance, by the mean^2 */
    if (mean < 1 - CLEAR * sqrt(relative / count)) {
        model->trend = fmin(-log(mean), WANDER_MOST);
    }
    if (relative > 1 + CLEAR * sqrt(8 / count)) { /* 8 / count: its variance, of exponential ones */
        model->wander = fmin(sqrt(log((relative + 1) / 2)), WANDER_MOST);
    }
}

static enum mi_status fit_members(const struct mi_customers *customers, const struct mi_btyd_options *options,
                                  const struct mi_notes *notes, struct mi_btyd *model,
                                  struct mi_error *error) {
    model->automatic = options->automatic;
    model->mean_T = customers->total_T / customers->summary.customers;
    model->mean_x = customers->total_x / customers->summary.customers;
    enum mi_status status = set_levels(customers, model, error);
    if (status == MI_OK) {
        status = fit_families(customers, options, notes, model, error);
    }
    if (status != MI_OK) {
        return status;
    }
    choose_main(customers, options->automatic, model);
    find_wander(customers, model);
    return options->spend ? fit_spend(customers, options, notes, model, error) : MI_OK;
}

enum mi_status mi_btyd_fit(const struct mi_customers *customers, const struct mi_btyd_options *options,
                           const struct mi_notes *notes, struct mi_btyd **model, struct mi_error *error) {
    struct mi_btyd *new = calloc(1, sizeof *new);
    if (new == NULL) {
        return mi_no_memory(error);
    }
    enum mi_status status = fit_members(customers, options, notes, new, error);
    new->training = mi_customers_summary(customers);
    new->fingerprint = customers->fingerprint;
    if (status != MI_OK) {
        mi_btyd_free(new);
        return status;
    }
    *model = new;
    return MI_OK;
}

size_t mi_btyd_covariate_count(const struct mi_btyd *model) {
    return model->covariate_count;
}

const char *mi_btyd_covariate(const struct mi_btyd *model, size_t number) {
    return model->covariates[number];
}

enum mi_btyd_family mi_btyd_main(const struct mi_btyd *model) {
    return model->main;
}

bool mi_btyd_has_spend(const struct mi_btyd *model) {
    return model->has_spend;
}

bool mi_btyd_parameters(const struct mi_btyd *model, enum mi_btyd_family family, double parameters[4],
                        double *log_likelihood) {
    if (model->has[family]) {
        memcpy(parameters, model->families[family].parameters, 4 * sizeof *parameters);
        if (log_likelihood != NULL) {
            *log_likelihood = model->families[family].log_likelihood;
        }
    }
    return model->has[family];
}

bool mi_btyd_spend_parameters(const struct mi_btyd *model, double parameters[3], double *log_likelihood) {
    if (model->has_spend) {
        memcpy(parameters, model->spend.parameters, 3 * sizeof *parameters);
        if (log_likelihood != NULL) {
            *log_likelihood = model->spend.log_likelihood;
        }
    }
    return model->has_spend;
}
