/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One campaign: maximum a posteriori by iteratively reweighted least squares. In each round the rows get
 * their weights (chance of being no outlier over variance, both at the current fit), the weekday effects make
 * a Newton step, and GSL's trust region solves the weighted least squares with the prior as further
 * residuals.
 */
#include <gsl/gsl_blas.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <math.h>
#include <stdlib.h>

#include "curve/fit.h"
#include "curve/posterior.h"

#define ROUNDS_FIRST  8
#define ROUNDS_WARM   4
#define ITERATIONS    10    /* of the trust region in one round */
#define WIDE_ROUNDS   2     /* of a first fit */
#define STEP_ENOUGH   0.02  /* posterior standard deviations between rounds */
#define STEP_ALLOWED  0.25  /* the same, beyond which the campaign counts as not converged */
#define LOG_MOST      60.0  /* parameters beyond exp(this) are held there while the solver looks around */
#define RCOND_LEAST   1e-14 /* of the normal matrix */
#define OUTLIERS_MOST 0.3   /* share of rows; more, and it is the fit that lies off: it starts anew */

struct solver {
    size_t capacity;
    double *room; /* all arrays below */
    double *x, *y, *stable, *factor, *share, *mean, *regular, *root_weight, *by[SHAPES];
    unsigned char *weekday;
    /* the campaign at hand */
    const struct portfolio *portfolio;
    const struct campaign *campaign;
    const double *prior;
    size_t n, parameters;
    double width;          /* residuals are forgiven by this factor while the fit is far from its end */
    double at[PARAMETERS]; /* where share and by were computed */
    bool known;
};

enum mi_status fit_solver_new(size_t most_rows, struct solver **made, struct mi_error *error) {
    enum { ARRAYS = 8 + SHAPES };
    struct solver *solver = calloc(1, sizeof *solver);
    size_t n = most_rows + 1 + REACHES;
    if (solver) {
        solver->room = calloc(n * ARRAYS, sizeof *solver->room);
        solver->weekday = calloc(n, 1);
    }
    if (!solver || !solver->room || !solver->weekday) {
        fit_solver_free(solver);
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    double **arrays[ARRAYS] = {&solver->x,     &solver->y,    &solver->stable,  &solver->factor,
                               &solver->share, &solver->mean, &solver->regular, &solver->root_weight,
                               &solver->by[0], &solver->by[1]};
    for (size_t i = 0; i < ARRAYS; i++)
        *arrays[i] = solver->room + i * n;
    *made = solver;
    return MI_OK;
}

void fit_solver_free(struct solver *solver) {
    if (!solver)
        return;
    free(solver->room);
    free(solver->weekday);
    free(solver);
}

/* ---- the model at given parameters ---- */

static double held(double value) {
    return fmin(fmax(value, -LOG_MOST), LOG_MOST);
}

/* Computes share, by and mean (users, weekday included) at the parameters. */
static void evaluate(struct solver *s, const double parameter[PARAMETERS]) {
    const struct fit_family *family = s->portfolio->family;
    if (!s->known || parameter[1] != s->at[1] || parameter[2] != s->at[2]) {
        double shape[SHAPES] = {held(parameter[1]), held(parameter[2])};
        family->shares(shape, s->x, s->n + 1, s->share, s->by);
    }
    for (size_t k = 0; k < PARAMETERS; k++)
        s->at[k] = parameter[k];
    s->known = true;
    /* x[n] is the highest spend itself */
    double scale = exp(held(parameter[0])) * s->campaign->spend_max / s->share[s->n];
    for (size_t i = 0; i < s->n; i++)
        s->mean[i] = scale * s->share[i] * s->factor[i];
}

static void evaluate_vector(struct solver *s, const gsl_vector *vector) {
    double parameter[PARAMETERS] = {0};
    for (size_t k = 0; k < s->parameters; k++)
        parameter[k] = gsl_vector_get(vector, k);
    evaluate(s, parameter);
}

static int residuals(const gsl_vector *vector, void *data, gsl_vector *out) {
    struct solver *s = data;
    evaluate_vector(s, vector);
    for (size_t i = 0; i < s->n; i++)
        gsl_vector_set(out, i, s->root_weight[i] * (s->mean[i] - s->y[i]));
    for (size_t k = 0; k < s->parameters; k++)
        gsl_vector_set(out, s->n + k, (s->at[k] - s->prior[k]) / s->portfolio->prior.sd[k]);
    return GSL_SUCCESS;
}

static int jacobian(const gsl_vector *vector, void *data, gsl_matrix *out) {
    struct solver *s = data;
    evaluate_vector(s, vector);
    for (size_t i = 0; i < s->n; i++) {
        double size = s->root_weight[i] * s->mean[i];
        double *row = gsl_matrix_ptr(out, i, 0);
        row[0] = size;
        for (size_t k = 1; k < s->parameters; k++)
            row[k] = size * (s->by[k - 1][i] - s->by[k - 1][s->n]);
    }
    for (size_t j = 0; j < s->parameters; j++)
        for (size_t k = 0; k < s->parameters; k++)
            gsl_matrix_set(out, s->n + j, k, j == k ? 1 / s->portfolio->prior.sd[k] : 0);
    return GSL_SUCCESS;
}

/* ---- rounds ---- */

static void set_factors(struct solver *s) {
    double factor[WEEKDAYS];
    for (int day = 0; day < WEEKDAYS; day++)
        factor[day] = exp(s->campaign->weekday[day]);
    for (size_t i = 0; i < s->n; i++)
        s->factor[i] = factor[s->weekday[i]];
}

static void load(struct solver *s, const struct portfolio *portfolio, const struct campaign *campaign) {
    s->portfolio = portfolio;
    s->campaign = campaign;
    s->prior = portfolio->prior.nodes[campaign->node].mean;
    s->n = campaign->count;
    s->parameters = 1 + portfolio->family->shapes;
    s->known = false;
    for (size_t i = 0; i < s->n; i++) {
        const struct fit_day *day = &portfolio->days[campaign->first + i];
        s->x[i] = log(day->spend / campaign->spend_max);
        s->y[i] = day->users;
        s->stable[i] = fit_noise_stabilise(&portfolio->noise, campaign->dispersion, day->users);
        s->weekday[i] = portfolio->weekdays.used ? (unsigned char)mi_date_weekday(day->date) : 0;
    }
    s->x[s->n] = 0;
    for (size_t k = 0; k < REACHES; k++)
        s->x[s->n + 1 + k] = log(fit_posterior_reach[k]);
    set_factors(s);
}

/* The prior's shape at the level that the sums give. */
static void start(struct solver *s, struct campaign *campaign) {
    for (size_t k = 0; k < PARAMETERS; k++)
        campaign->mode[k] = s->prior[k];
    evaluate(s, campaign->mode);
    double mean = 0;
    for (size_t i = 0; i < s->n; i++)
        mean += s->mean[i];
    campaign->mode[0] += log((campaign->users + 1) / (mean + 1));
    campaign->started = true;
}

/* Weights at the current fit, and a step of the weekday effects. */
static void reweigh(struct solver *s, struct campaign *campaign) {
    const struct noise *noise = &s->portfolio->noise;
    double gradient[WEEKDAYS] = {0}, information[WEEKDAYS] = {0};
    evaluate(s, campaign->mode);
    for (size_t i = 0; i < s->n; i++) {
        double variance = fit_noise_variance(noise, campaign->dispersion, s->mean[i]);
        double residual = s->stable[i] - fit_noise_stabilise(noise, campaign->dispersion, s->mean[i]);
        s->regular[i] = fit_noise_regular(noise, residual / s->width);
        double weight = variance > 0 ? s->regular[i] / variance : 0;
        s->root_weight[i] = sqrt(weight);
        gradient[s->weekday[i]] += weight * s->mean[i] * (s->y[i] - s->mean[i]);
        information[s->weekday[i]] += weight * s->mean[i] * s->mean[i];
    }
    if (s->portfolio->weekdays.used) {
        fit_weekdays_step(&s->portfolio->weekdays, campaign, gradient, information);
        set_factors(s);
    }
}

/* The largest move of a parameter, in posterior standard deviations. */
static double step_size(const struct solver *s, const struct campaign *campaign,
                        const double before[PARAMETERS]) {
    double most = 0;
    for (size_t k = 0; k < s->parameters; k++) {
        double step = fabs(campaign->mode[k] - before[k]) / sqrt(campaign->covariance[k][k]);
        if (!(step <= most)) /* NaN counts as large */
            most = step;
    }
    return most;
}

/* The covariance at the solver's position; false where the data and the prior do not determine one. (GSL's
 * own function for it does not survive a failing malloc.) */
static bool take_covariance(const struct solver *s, struct campaign *campaign,
                            gsl_multifit_nlinear_workspace *work) {
    double rcond, matrix[PARAMETERS * PARAMETERS], room[3 * PARAMETERS];
    gsl_matrix_view normal = gsl_matrix_view_array(matrix, s->parameters, s->parameters);
    gsl_vector_view three = gsl_vector_view_array(room, 3 * s->parameters);
    if (gsl_blas_dsyrk(CblasLower, CblasTrans, 1, gsl_multifit_nlinear_jac(work), 0, &normal.matrix) ||
        gsl_linalg_cholesky_decomp1(&normal.matrix) ||
        gsl_linalg_cholesky_rcond(&normal.matrix, &rcond, &three.vector) || !(rcond > RCOND_LEAST) ||
        gsl_linalg_cholesky_invert(&normal.matrix))
        return false;
    for (size_t j = 0; j < s->parameters; j++)
        for (size_t k = 0; k < s->parameters; k++) {
            campaign->covariance[j][k] = gsl_matrix_get(&normal.matrix, j, k);
            if (!isfinite(campaign->covariance[j][k]))
                return false;
        }
    return true;
}

/* One weighted least squares; false where the solver gave nothing usable. */
static bool solve_round(struct solver *s, struct campaign *campaign, gsl_multifit_nlinear_workspace *work) {
    gsl_multifit_nlinear_fdf fdf = {residuals, jacobian, NULL, s->n + s->parameters, s->parameters, s,
                                    0,         0,        0};
    gsl_vector_view at = gsl_vector_view_array(campaign->mode, s->parameters);
    if (gsl_multifit_nlinear_init(&at.vector, &fdf, work) != GSL_SUCCESS)
        return false;
    int info;
    int status = gsl_multifit_nlinear_driver(ITERATIONS, 1e-4, 1e-6, 0, NULL, NULL, &info, work);
    if (status != GSL_SUCCESS && status != GSL_EMAXITER && status != GSL_ENOPROG)
        return false;
    for (size_t j = 0; j < s->parameters; j++) {
        campaign->mode[j] = gsl_vector_get(gsl_multifit_nlinear_position(work), j);
        if (!isfinite(campaign->mode[j]) || fabs(campaign->mode[j]) >= LOG_MOST)
            return false;
    }
    return true;
}

/* Rounds until the mode stands; false where it does not. */
static bool find_mode(struct solver *s, struct campaign *campaign, gsl_multifit_nlinear_workspace *work) {
    bool warm = campaign->started; /* the last pass left a covariance to measure steps by */
    int rounds = warm ? ROUNDS_WARM : ROUNDS_FIRST;
    double step = INFINITY;
    if (!warm)
        start(s, campaign);
    for (int round = 0; round < rounds && (step > STEP_ENOUGH || s->width > 1); round++) {
        double before[PARAMETERS];
        for (size_t k = 0; k < PARAMETERS; k++)
            before[k] = campaign->mode[k];
        s->width = warm || round >= WIDE_ROUNDS ? 1 : WIDE_ROUNDS + 1 - round;
        reweigh(s, campaign);
        if (!solve_round(s, campaign, work) || (round == 0 && !warm && !take_covariance(s, campaign, work)))
            return false;
        step = step_size(s, campaign, before);
    }
    return step < STEP_ALLOWED && take_covariance(s, campaign, work);
}

/* ---- what is left to say about the fit ---- */

static double parameters_spent(const struct solver *s, const struct campaign *campaign) {
    double sum = 0;
    for (size_t k = 0; k < s->parameters; k++)
        sum += fit_prior_weight(&s->portfolio->prior, campaign, k);
    if (s->portfolio->weekdays.used) {
        double prior = 1 / (s->portfolio->weekdays.sd * s->portfolio->weekdays.sd);
        for (int day = 0; day < WEEKDAYS; day++)
            sum += campaign->weekday_information[day] / (campaign->weekday_information[day] + prior) * 6 / 7;
    }
    return sum;
}

static void judge(struct solver *s, struct campaign *campaign) {
    const struct noise *noise = &s->portfolio->noise;
    reweigh(s, campaign);
    evaluate(s, campaign->parameter);
    campaign->outliers = 0;
    campaign->n_outliers = 0;
    campaign->absolute_error = 0;
    campaign->log_likelihood = 0;
    for (int k = 0; k < 5; k++)
        campaign->noise_sums[k] = 0;
    double spent = parameters_spent(s, campaign), n = (double)s->n;
    double correction = n > spent + 1 ? n / (n - spent) : 0;
    for (size_t i = 0; i < s->n; i++) {
        double residual = s->stable[i] - fit_noise_stabilise(noise, campaign->dispersion, s->mean[i]);
        double mean = s->mean[i], relative = (s->y[i] - mean) / mean;
        campaign->outliers += 1 - s->regular[i];
        campaign->n_outliers += s->regular[i] < 0.5;
        campaign->absolute_error += fabs(s->y[i] - mean);
        campaign->log_likelihood +=
            fit_noise_log_density(noise, residual) -
            0.5 * log(fit_noise_variance(noise, campaign->dispersion, s->y[i] + 0.375));
        double weight =
            s->regular[i] * pow(mean * mean / fit_noise_variance(noise, campaign->dispersion, mean), 2);
        double u = 1 / mean, z = relative * relative * correction;
        if (correction > 0 && isfinite(weight) && isfinite(u) && isfinite(z)) {
            const double terms[5] = {1, u, u * u, z, u * z};
            for (int k = 0; k < 5; k++)
                campaign->noise_sums[k] += weight * terms[k];
        }
    }
    campaign->dispersion_own = fit_noise_own_dispersion(noise, s->y, s->mean, s->regular, s->n, spent);
}

/* Mean, covariance and the curve to answer with, from the posterior around the mode. */
static bool summarise(struct solver *s, struct campaign *campaign) {
    struct posterior posterior;
    struct posterior_rows rows = {s->n,      campaign->spend_max, s->x,     s->y,
                                  s->factor, s->root_weight,      s->share, s->by};
    s->known = false;
    if (!fit_posterior_of(s->portfolio->family, &s->portfolio->prior, s->prior, &rows, campaign->mode,
                          campaign->covariance, &posterior))
        return false;
    fit_posterior_curve(s->portfolio->family, &posterior, campaign->parameter);
    for (size_t j = 0; j < PARAMETERS; j++) {
        campaign->mean[j] = posterior.mean[j];
        for (size_t k = 0; k < PARAMETERS; k++)
            campaign->covariance[j][k] = posterior.covariance[j][k];
    }
    return true;
}

/* The portfolio's shape at the level of the campaign's sums, with the prior's uncertainty. */
static void fall_back(struct solver *s, struct campaign *campaign) {
    start(s, campaign);
    campaign->started = false;
    for (size_t k = 0; k < PARAMETERS; k++)
        campaign->mean[k] = campaign->parameter[k] = campaign->mode[k];
    for (size_t j = 0; j < PARAMETERS; j++)
        for (size_t k = 0; k < PARAMETERS; k++)
            campaign->covariance[j][k] = j == k ? s->portfolio->prior.sd[j] * s->portfolio->prior.sd[j] : 0;
    campaign->failed = true;
}

enum mi_status fit_solver_solve(struct solver *s, const struct portfolio *portfolio,
                                struct campaign *campaign, struct mi_error *error) {
    bool astray = campaign->outliers > OUTLIERS_MOST * (double)campaign->count;
    if (astray)
        campaign->dispersion_own = NAN;
    if (astray || campaign->failed)
        campaign->started = false;
    campaign->failed = false;
    campaign->dispersion = fit_noise_campaign_dispersion(&portfolio->noise, campaign);
    load(s, portfolio, campaign);
    gsl_multifit_nlinear_parameters parameters = gsl_multifit_nlinear_default_parameters();
    parameters.solver = gsl_multifit_nlinear_solver_cholesky;
    parameters.scale = gsl_multifit_nlinear_scale_levenberg; /* all parameters are logs */
    gsl_multifit_nlinear_workspace *work = gsl_multifit_nlinear_alloc(gsl_multifit_nlinear_trust, &parameters,
                                                                      s->n + s->parameters, s->parameters);
    if (!work)
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    bool warm = campaign->started, found = find_mode(s, campaign, work);
    if (!found && warm) {
        campaign->started = false;
        found = find_mode(s, campaign, work);
    }
    gsl_multifit_nlinear_free(work);
    s->width = 1;
    if (!found || !summarise(s, campaign))
        fall_back(s, campaign);
    judge(s, campaign);
    return MI_OK;
}
