/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Maximum likelihood of the buy-till-you-die families and of Gamma-Gamma. Several starts on a sample of the
 * customers, then Newton steps on all; time and money are scaled by their means, parameters are logarithms.
 *
 * Covariates (as in Fader, Hardie 2007) are categories. A customer's alpha is alpha exp(-effect) of
 * purchases, its beta (Pareto/NBD) beta exp(-effect) of dropping out, its a and b (BG, MBG) a exp(effect), b
 * exp(effect).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_eigen.h>

#include "ltv/btydmodel.h"

#define SAMPLE         2000  /* rows that starts are tried on */
#define SECOND_SAMPLE  16000 /* and then the best of them, where there are far more */
#define BOUND          14.0  /* of the logarithm of a scaled parameter */
#define EFFECT_MOST    8.0   /* of a covariate, in logarithms */
#define ITERATIONS     200
#define SAMPLE_PROMISE 1e-3
#define PROMISE        1e-9 /* of log likelihood */
#define ERROR_MOST     3.0  /* a parameter whose log is no better known than that is not identified */
#define ALIKE          50.0 /* a or s: beyond it customers drop out alike */
#define REPEATS_LEAST  3    /* customers who bought again */

const char *const btyd_parameter_names[MI_BTYD_FAMILIES][BTYD_PARAMETERS] = {
    {"r", "alpha", "a", "b"}, {"r", "alpha", "a", "b"}, {"r", "alpha", "s", "beta"}};
const char *const btyd_spend_names[3] = {"p", "q", "v"};

struct problem {
    const struct btyd_layout *layout;
    enum mi_btyd_family family; /* MI_BTYD_FAMILIES: spend */
    size_t own;                 /* parameters without effects */
    size_t effects;             /* of each kind */
    const uint32_t *dummies;    /* of each group: its effects, UINT32_MAX for none */
    size_t covariates;
    double center; /* of spend with an effect of frequency; NaN: without */
};

/* ---- the likelihood of all groups ---- */

/* The group's parameters, and in `lift` how the logs of them change with the effects. */
static void group_parameters(const struct problem *problem, const double *u, uint32_t group, double *p) {
    double purchases = 0, drop_outs = 0;
    for (size_t i = 0; i < problem->covariates; i++) {
        uint32_t effect = problem->dummies[group * problem->covariates + i];
        if (effect != UINT32_MAX) {
            purchases += u[problem->own + effect];
            drop_outs += u[problem->own + problem->effects + effect];
        }
    }
    bool pareto = problem->family == MI_BTYD_PARETO_NBD;
    for (size_t i = 0; i < problem->own; i++) {
        double shift = i == 1 ? -purchases : i < 2 ? 0 : pareto ? (i == 3 ? -drop_outs : 0) : drop_outs;
        p[i] = exp(u[i] + (problem->covariates > 0 ? shift : 0));
    }
}

/* Row i of the Jacobian of the group's log parameters by u, times a sign, as places and values. */
struct link {
    size_t at[BTYD_PARAMETERS][MI_LTV_COLUMNS_MOST + 1];
    double sign[BTYD_PARAMETERS][MI_LTV_COLUMNS_MOST + 1];
    size_t count[BTYD_PARAMETERS];
};

static void make_link(const struct problem *problem, uint32_t group, struct link *link) {
    bool pareto = problem->family == MI_BTYD_PARETO_NBD;
    for (size_t i = 0; i < problem->own; i++) {
        link->at[i][0] = i;
        link->sign[i][0] = 1;
        link->count[i] = 1;
        bool moved = i == 1 || (i > 1 && (!pareto || i == 3));
        for (size_t c = 0; moved && c < problem->covariates; c++) {
            uint32_t effect = problem->dummies[group * problem->covariates + c];
            if (effect != UINT32_MAX) {
                size_t to = link->count[i]++;
                link->at[i][to] = problem->own + effect + (i == 1 ? 0 : problem->effects);
                link->sign[i][to] = i == 1 || pareto ? -1 : 1;
            }
        }
    }
}

static void add_linked(const struct link *link, const struct btyd_sums *sums, size_t own, size_t n,
                       double *gradient, double *hessian) {
    for (size_t i = 0; i < own; i++) {
        for (size_t k = 0; k < link->count[i]; k++) {
            gradient[link->at[i][k]] += link->sign[i][k] * sums->gradient[i];
            for (size_t j = 0; j < own; j++) {
                for (size_t l = 0; l < link->count[j]; l++) {
                    hessian[link->at[i][k] * n + link->at[j][l]] +=
                        link->sign[i][k] * link->sign[j][l] * sums->hessian[i][j];
                }
            }
        }
    }
}

static void add_span(const struct problem *problem, const double *p, const struct btyd_span *span,
                     struct btyd_sums *sums) {
    const struct btyd_layout *layout = problem->layout;
    struct btyd_bucket bucket = {span->x, layout->recency + span->from, layout->T + span->from,
                                 layout->count + span->from, span->to - span->from};
    switch (problem->family) {
    case MI_BTYD_BG_NBD:
    case MI_BTYD_MBG_NBD:
        btyd_bg_add(p, problem->family == MI_BTYD_MBG_NBD, &bucket, sums);
        break;
    case MI_BTYD_PARETO_NBD:
        btyd_pareto_add(p, &bucket, sums);
        break;
    case MI_BTYD_FAMILIES:
        btyd_gamma_add(p, &bucket, sums);
        break;
    }
}

static double evaluate(void *context, const double *u, double *gradient, double *hessian) {
    const struct problem *problem = context;
    const struct btyd_layout *layout = problem->layout;
    size_t n = problem->own + 2 * problem->effects;
    double value = 0;
    memset(gradient, 0, n * sizeof *gradient);
    memset(hessian, 0, n * n * sizeof *hessian);
    for (size_t i = 0; i < layout->span_count;) {
        uint32_t group = layout->spans[i].group;
        double p[BTYD_PARAMETERS] = {0};
        struct btyd_sums sums = {0};
        struct link link;
        group_parameters(problem, u, group, p);
        for (; i < layout->span_count && layout->spans[i].group == group; i++) {
            add_span(problem, p, &layout->spans[i], &sums);
        }
        btyd_to_logs(p, problem->own, &sums);
        make_link(problem, group, &link);
        add_linked(&link, &sums, problem->own, n, gradient, hessian);
        value += sums.value;
    }
    return value;
}

/* Spend: v may depend on the frequency, by a fourth parameter that is no logarithm. */
static double evaluate_spend(void *context, const double *u, double *gradient, double *hessian) {
    const struct problem *problem = context;
    bool moved = !isnan(problem->center);
    size_t n = moved ? 4 : 3;
    double value = 0;
    memset(gradient, 0, n * sizeof *gradient);
    memset(hessian, 0, n * n * sizeof *hessian);
    for (size_t i = 0; i < problem->layout->span_count; i++) {
        const struct btyd_span *span = &problem->layout->spans[i];
        double lift = moved ? log1p(span->x) - problem->center : 0;
        double p[3] = {exp(u[0]), exp(u[1]), exp(u[2] + (moved ? u[3] * lift : 0))};
        struct btyd_sums sums = {0};
        add_span(problem, p, span, &sums);
        btyd_to_logs(p, 3, &sums);
        value += sums.value;
        for (size_t j = 0; j < n; j++) {
            gradient[j] += j < 3 ? sums.gradient[j] : lift * sums.gradient[2];
            for (size_t k = 0; k < n; k++) {
                double second = sums.hessian[j < 3 ? j : 2][k < 3 ? k : 2];
                hessian[j * n + k] += second * (j < 3 ? 1 : lift) * (k < 3 ? 1 : lift);
            }
        }
    }
    return value;
}

static btyd_objective *objective_of(const struct problem *problem) {
    return problem->family == MI_BTYD_FAMILIES ? evaluate_spend : evaluate;
}

/* ---- starts ---- */

/* Logs of the parameters but for the rate, which the data give: shape of the rate, then the two of dropping
 * out. */
static const double starts[][3] = {
    {0.5, 0.8, 2.5}, {1.5, 0.2, 3}, {0.2, 0.5, 0.7}, {3, 2, 8}, {0.8, 0.05, 1}};
static const double spend_starts[][3] = {{6, 4, 1}, {1.5, 2, 1}, {20, 8, 1}, {3, 1.5, 0.5}};

#define STARTS       (sizeof starts / sizeof *starts)
#define SPEND_STARTS (sizeof spend_starts / sizeof *spend_starts)

static void set_start(const struct problem *problem, size_t number, double rate,
                      struct btyd_optimum *optimum) {
    memset(optimum->u, 0, sizeof optimum->u);
    if (problem->family == MI_BTYD_FAMILIES) {
        const double *start = spend_starts[number];
        optimum->u[0] = log(start[0]);
        optimum->u[1] = log(start[1]);
        optimum->u[2] = log(start[2] * (start[1] - 1) / start[0]);
        return;
    }
    const double *start = starts[number];
    optimum->u[0] = log(start[0]);
    optimum->u[1] = log(start[0] / rate);
    optimum->u[2] = log(start[1]);
    optimum->u[3] = log(start[2]);
}

static void set_bounds(const struct problem *problem, struct btyd_optimum *optimum) {
    optimum->count = problem->own + 2 * problem->effects;
    for (size_t i = 0; i < optimum->count; i++) {
        double most = i < problem->own ? BOUND : EFFECT_MOST;
        optimum->low[i] = -most;
        optimum->high[i] = most;
    }
    if (problem->family == MI_BTYD_FAMILIES) {
        optimum->count = isnan(problem->center) ? 3 : 4;
        optimum->low[1] = log(BTYD_SPEND_Q_LEAST);
        optimum->low[3] = -EFFECT_MOST;
        optimum->high[3] = EFFECT_MOST;
    }
}

/* The best of the starts on a sample, then all. */
static enum mi_status climb(struct problem *problem, double rate, struct btyd_optimum *best, int *tried,
                            struct mi_error *error) {
    const struct btyd_layout *all = problem->layout;
    struct btyd_layout sample = {0};
    struct btyd_optimum optimum;
    size_t count = problem->family == MI_BTYD_FAMILIES ? SPEND_STARTS : STARTS;
    size_t stride = all->size / SAMPLE;
    bool sampled = stride > 1 && problem->effects == 0;
    enum mi_status status = sampled ? btyd_layout_sample(all, stride, &sample, error) : MI_OK;
    problem->layout = sampled ? &sample : all;
    best->value = -INFINITY;
    for (size_t i = 0; i < count && status == MI_OK; i++) {
        set_bounds(problem, &optimum);
        set_start(problem, i, rate, &optimum);
        status = btyd_maximise(objective_of(problem), problem, SAMPLE_PROMISE, ITERATIONS, &optimum, error);
        if (status == MI_OK && optimum.value > best->value) {
            *best = optimum;
        }
    }
    btyd_layout_clear(&sample);
    if (status == MI_OK && sampled && all->size > 4 * SECOND_SAMPLE) {
        status = btyd_layout_sample(all, all->size / SECOND_SAMPLE, &sample, error);
        problem->layout = &sample;
        if (status == MI_OK) {
            status = btyd_maximise(objective_of(problem), problem, SAMPLE_PROMISE, ITERATIONS, best, error);
        }
    }
    problem->layout = all;
    if (status == MI_OK && isfinite(best->value)) {
        status = btyd_maximise(objective_of(problem), problem, PROMISE, ITERATIONS, best, error);
    }
    *tried = (int)count;
    btyd_layout_clear(&sample);
    return status;
}

/* ---- what the data know ---- */

/* The covariance of u: the inverse of minus the Hessian, but for directions in which the likelihood is flat,
 * which get none. Sets the standard errors. */
static enum mi_status fill_errors(const struct btyd_optimum *optimum, struct btyd_fit *fit,
                                  struct mi_error *error) {
    size_t n = optimum->count;
    gsl_matrix *hessian = gsl_matrix_alloc(n, n), *vectors = gsl_matrix_alloc(n, n);
    gsl_vector *values = gsl_vector_alloc(n);
    gsl_eigen_symmv_workspace *space = gsl_eigen_symmv_alloc(n);
    bool room = hessian != NULL && vectors != NULL && values != NULL && space != NULL;
    double flat[BTYD_MOST] = {0};
    memset(fit->covariance, 0, sizeof fit->covariance);
    for (size_t i = 0; room && i < n * n; i++) {
        gsl_matrix_set(hessian, i / n, i % n, -optimum->hessian[i]);
    }
    if (room) {
        gsl_eigen_symmv(hessian, values, vectors, space);
    }
    for (size_t k = 0; room && k < n; k++) {
        double precision = gsl_vector_get(values, k);
        bool known = precision > 1 / (ERROR_MOST * ERROR_MOST);
        for (size_t i = 0; i < n; i++) {
            double of_i = gsl_matrix_get(vectors, i, k);
            flat[i] += known ? 0 : of_i * of_i;
            for (size_t j = 0; known && j < n; j++) {
                fit->covariance[i * n + j] += of_i * gsl_matrix_get(vectors, j, k) / precision;
            }
        }
    }
    fit->identified = true;
    for (size_t i = 0; i < n; i++) {
        bool at_bound = optimum->u[i] <= optimum->low[i] || optimum->u[i] >= optimum->high[i];
        bool known = flat[i] < 1e-4 && !at_bound;
        fit->error[i] = known ? sqrt(fit->covariance[i * n + i]) : NAN;
        fit->identified = fit->identified && known;
    }
    gsl_eigen_symmv_free(space);
    gsl_vector_free(values);
    gsl_matrix_free(vectors);
    gsl_matrix_free(hessian);
    return room ? MI_OK : mi_error_set(error, MI_NO_MEMORY, "out of memory");
}

static void say_identified(const struct btyd_fit *fit, enum mi_btyd_family family,
                           const struct mi_notes *notes) {
    const char *name = mi_btyd_family_name(family);
    const double *p = fit->parameters;
    if (isnan(fit->error[2]) || isnan(fit->error[3])) {
        bool pareto = family == MI_BTYD_PARETO_NBD;
        double share = pareto ? p[2] / p[3] : p[2] / (p[2] + p[3]);
        mi_notes_say(
            notes,
            "%s: %s not identified: the data are as likely with other %s and %s (mean %s of dropping out "
            "%.3g)",
            name, p[2] > ALIKE ? "how customers differ in dropping out is" : "drop-out is",
            btyd_parameter_names[family][2], btyd_parameter_names[family][3], pareto ? "rate" : "probability",
            share);
    }
    if (isnan(fit->error[0]) || isnan(fit->error[1])) {
        mi_notes_say(notes,
                     "%s: how customers differ in their rate is not identified: the data are as likely with "
                     "other r and alpha (mean rate %.3g)",
                     name, p[0] / p[1]);
    }
}

static enum mi_status finish(const struct btyd_optimum *optimum, size_t own, const char *what,
                             struct btyd_fit *fit, struct mi_error *error) {
    if (!isfinite(optimum->value) || !optimum->converged) {
        return mi_error_set(
            error, MI_NUMERIC,
            "%s did not converge: after %d steps the largest derivative by the log of a parameter "
            "is %.3g; no model is written",
            what, optimum->iterations, optimum->slope);
    }
    fit->count = optimum->count;
    fit->log_likelihood = optimum->value;
    fit->slope = optimum->slope;
    fit->iterations = optimum->iterations;
    for (size_t i = 0; i < optimum->count; i++) {
        if (i < own) {
            fit->parameters[i] = exp(optimum->u[i]);
        } else {
            fit->effects[i - own] = optimum->u[i];
        }
    }
    return fill_errors(optimum, fit, error);
}

/* ---- fits ---- */

/* The effects of each group's covariate values. */
static enum mi_status make_dummies(const struct mi_customers *customers, const struct mi_btyd *model,
                                   uint32_t **dummies, struct mi_error *error) {
    size_t groups = mi_index_size(customers->groups), covariates = customers->covariate_count;
    *dummies = malloc((groups * covariates + 1) * sizeof **dummies);
    if (*dummies == NULL) {
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < groups * covariates; i++) {
        size_t covariate = i % covariates;
        const char *value = mi_index_text(customers->levels[covariate], customers->group_levels[i]).data;
        (*dummies)[i] = UINT32_MAX;
        for (size_t level = 0; level < model->level_count; level++) {
            if (model->levels[level].covariate == covariate &&
                strcmp(model->levels[level].value, value) == 0) {
                (*dummies)[i] = (uint32_t)level;
            }
        }
    }
    return MI_OK;
}

static enum mi_status check_customers(const struct mi_customers *customers, struct mi_error *error) {
    double repeats = customers->summary.repeat_customers;
    if (customers->summary.customers <= 0) {
        return mi_error_set(error, MI_BAD_INPUT, "no customers to fit to");
    }
    if (repeats <= 0) {
        return mi_error_set(error, MI_BAD_INPUT,
                            "no customer bought again: nothing is known of how often one does");
    }
    if (repeats < REPEATS_LEAST) {
        return mi_error_set(error, MI_BAD_INPUT,
                            "customers who bought again: %.0f of %.0f, at least %d are needed", repeats,
                            customers->summary.customers, REPEATS_LEAST);
    }
    return MI_OK;
}

enum mi_status btyd_fit_family(const struct mi_customers *customers, enum mi_btyd_family family,
                               const struct mi_btyd *model, const struct mi_notes *notes,
                               struct btyd_fit *fit, struct mi_error *error) {
    struct btyd_layout layout = {0};
    struct btyd_optimum optimum;
    uint32_t *dummies = NULL;
    double scale = customers->total_T / customers->summary.customers;
    enum mi_status status = check_customers(customers, error);
    if (status == MI_OK) {
        status = btyd_layout_customers(customers, scale, &layout, error);
    }
    if (status == MI_OK) {
        status = make_dummies(customers, model, &dummies, error);
    }
    struct problem problem = {.layout = &layout,
                              .family = family,
                              .own = BTYD_PARAMETERS,
                              .effects = model->level_count,
                              .dummies = dummies,
                              .covariates = customers->covariate_count};
    if (status == MI_OK) {
        status =
            climb(&problem, customers->total_x / customers->summary.customers, &optimum, &fit->starts, error);
    }
    if (status == MI_OK) {
        status = finish(&optimum, problem.own, mi_btyd_family_name(family), fit, error);
    }
    if (status == MI_OK) {
        fit->parameters[1] *= scale;
        fit->parameters[3] *= family == MI_BTYD_PARETO_NBD ? scale : 1;
        fit->log_likelihood -= customers->total_x * log(scale);
        say_identified(fit, family, notes);
    }
    free(dummies);
    btyd_layout_clear(&layout);
    return status;
}

double btyd_spend_center(const struct mi_customers *customers) {
    double sum = 0;
    for (size_t i = 0; i < customers->spend_count; i++) {
        sum += log1p(customers->spend[i].x);
    }
    return sum / (double)customers->spend_count;
}

enum mi_status btyd_fit_spend(const struct mi_customers *customers, double center,
                              const struct mi_notes *notes, struct btyd_fit *fit, struct mi_error *error) {
    struct btyd_layout layout = {0};
    struct btyd_optimum optimum;
    double scale = 0, count = (double)customers->spend_count;
    for (size_t i = 0; i < customers->spend_count; i++) {
        scale += customers->spend[i].mean / count;
    }
    if (customers->spend_count < REPEATS_LEAST) {
        return mi_error_set(
            error, MI_BAD_INPUT,
            "customers who bought again and have a value above 0: %zu, at least %d are needed for a spend "
            "model",
            customers->spend_count, REPEATS_LEAST);
    }
    enum mi_status status = btyd_layout_spend(customers, scale, &layout, error);
    struct problem problem = {.layout = &layout, .family = MI_BTYD_FAMILIES, .own = 3, .center = center};
    if (status == MI_OK) {
        status = climb(&problem, 1, &optimum, &fit->starts, error);
    }
    if (status == MI_OK) {
        status = finish(&optimum, problem.own, "gamma-gamma", fit, error);
    }
    if (status == MI_OK) {
        fit->parameters[2] *= scale;
        fit->log_likelihood -= layout.customers * log(scale);
        if (!fit->identified) {
            mi_notes_say(notes,
                         "gamma-gamma: how customers differ in what they spend is not identified (p %.3g, q "
                         "%.3g, v %.3g)",
                         fit->parameters[0], fit->parameters[1], fit->parameters[2]);
        }
    }
    btyd_layout_clear(&layout);
    return status;
}
