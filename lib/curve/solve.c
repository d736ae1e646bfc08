/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One campaign, in rounds: rows get their weights (chance of being no outlier over variance, both at the
 * current fit), the weekday effects make a Newton step, rows of like spend are put together, and the
 * posterior of their log users (posterior.c) is the fit of the next round. It is iteratively reweighted least
 * squares of quasi-likelihood (McCullagh & Nelder 1989, section 9.2) with the campaign's uncertainty carried
 * along.
 */
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "curve/fit.h"
#include "curve/posterior.h"

#define ROUNDS_FIRST  8
#define ROUNDS_WARM   1
#define WIDE_ROUNDS   3     /* at first a row is an outlier only where it is far off */
#define STEP_ENOUGH   0.001 /* in log users: the fit stands */
#define OUTLIERS_MOST 0.3   /* a larger share of outliers says that the fit went astray: start again */
#define BIN_WIDTH     0.08  /* in log spend, where 16 bins reach */
#define BIN_STEP_DOWN (-1.0)
#define BIN_STEP_UP   1.5 /* largest move of a bin's target from the fit, in logs */

/* No campaign is of a family, least of all one with a threshold or two audiences: what its users were at
 * other spends, at other times, says less of those that are in view than the family would have it. */
#define VIEW_HALF_LIFE 30.0 /* days, by which a spend counts for half in what is in view */
#define OUT_OF_VIEW    0.9  /* standard deviation per unit of log spend from there, over that of a day */

struct solver {
    double *room; /* all arrays below */
    double *effect, *x, *y, *stable, *share, *fitted, *plain, *mean, *regular, *weight, *walk, *before;
    struct walk_rows walks; /* shares some of them */
    double *covariance;     /* of the bins' targets */
    size_t *bin;
    unsigned char *weekday;
    /* the campaign at hand */
    const struct portfolio *portfolio;
    double centre[PARAMETERS];
    size_t n;
    double width; /* residuals are forgiven by this factor while the fit is far from its end */
    struct posterior_bins bins;
};

enum mi_status fit_solver_new(size_t most_rows, struct solver **made, struct mi_error *error) {
    enum { ARRAYS = 14 };
    struct solver *solver = calloc(1, sizeof *solver);
    size_t n = most_rows + 1;
    if (solver) {
        solver->room = calloc(n * (ARRAYS + BINS + 1) + BINS * BINS, sizeof *solver->room);
        solver->bin = calloc(n, sizeof *solver->bin);
        solver->walks.gains = calloc(n, sizeof *solver->walks.gains);
        solver->weekday = calloc(n, 1);
    }
    if (!solver || !solver->room || !solver->bin || !solver->walks.gains || !solver->weekday) {
        fit_solver_free(solver);
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    double **arrays[ARRAYS] = {
        &solver->effect, &solver->x,      &solver->y,         &solver->stable,        &solver->share,
        &solver->fitted, &solver->plain,  &solver->mean,      &solver->regular,       &solver->weight,
        &solver->walk,   &solver->before, &solver->walks.gap, &solver->walks.residual};
    for (size_t i = 0; i < ARRAYS; i++)
        *arrays[i] = solver->room + i * n;
    solver->walks.room = solver->room + ARRAYS * n;
    solver->covariance = solver->walks.room + (BINS + 1) * n;
    solver->walks.weight = solver->weight;
    solver->walks.bin = solver->bin;
    *made = solver;
    return MI_OK;
}

void fit_solver_free(struct solver *solver) {
    if (!solver)
        return;
    free(solver->room);
    free(solver->bin);
    free(solver->walks.gains);
    free(solver->weekday);
    free(solver);
}

/* Bins of equal width in log spend, from the lowest spend to the highest. */
static void assign_bins(struct solver *s, const struct campaign *campaign) {
    double range = log(campaign->spend_max / campaign->spend_min);
    double width = fmax(BIN_WIDTH, range / (BINS - 1e-9));
    for (size_t i = 0; i < s->n; i++) {
        double place = (s->x[i] + range) / width;
        s->bin[i] = place <= 0 ? 0 : place >= BINS - 1 ? BINS - 1 : (size_t)place;
    }
}

/* Log of the highest spend, each of which counts for less the longer ago it was, over the highest of all:
 * about there the next spends will be. */
static double spend_in_view(const struct solver *s, const struct portfolio *portfolio,
                            const struct campaign *campaign) {
    double most = -INFINITY;
    for (size_t i = 0; i < s->n; i++) {
        double age = (double)(campaign->newest - portfolio->days[campaign->first + i].date);
        most = fmax(most, s->x[i] - M_LN2 * age / VIEW_HALF_LIFE);
    }
    return portfolio->dated ? most : 0;
}

/* Days to the next row, or to where the curve holds. */
static void load_gaps(struct solver *s, const struct portfolio *portfolio, const struct campaign *campaign) {
    const struct fit_day *days = &portfolio->days[campaign->first];
    s->walks.n = s->n;
    for (size_t i = 0; i < s->n; i++)
        s->walks.gap[i] =
            (i + 1 < s->n ? (double)days[i + 1].date : portfolio->walk.after) - (double)days[i].date;
}

static void load(struct solver *s, const struct portfolio *portfolio, const struct campaign *campaign) {
    s->portfolio = portfolio;
    fit_prior_centre(portfolio, campaign, s->centre);
    s->n = campaign->count;
    for (size_t i = 0; i < s->n; i++) {
        const struct fit_day *day = &portfolio->days[campaign->first + i];
        s->x[i] = log(day->spend / campaign->spend_max);
        s->y[i] = day->users;
        s->walk[i] = walk_moves(&portfolio->walk) ? (double)day->walk : 0;
        s->effect[i] = (double)day->effect + (double)day->known + s->walk[i];
        s->stable[i] = fit_noise_stabilise(&portfolio->noise, campaign->dispersion, day->users);
        s->weekday[i] = portfolio->weekdays.used ? (unsigned char)mi_date_weekday(day->date) : 0;
    }
    s->x[s->n] = 0;
    load_gaps(s, portfolio, campaign);
    s->bins.in_view = portfolio->aim == AIM_NOW ? spend_in_view(s, portfolio, campaign) : 0;
    assign_bins(s, campaign);
}

/* log(users / highest spend) at each row: the family's at these parameters, plus what the bins say beyond it,
 * piecewise linear. */
static void fit_rows(struct solver *s, const double parameter[PARAMETERS]) {
    const struct posterior_bins *bins = &s->bins;
    double off[BINS], at_bins[BINS];
    const struct fit_family *family = s->portfolio->family;
    family->log_shares(parameter + 1, s->x, s->n + 1, s->share);
    family->log_shares(parameter + 1, bins->x, bins->n, at_bins);
    double top = s->share[s->n];
    for (size_t j = 0; j < bins->n; j++)
        off[j] = bins->fitted[j] - (parameter[0] + at_bins[j] - top);
    for (size_t i = 0; i < s->n; i++) {
        double extra = 0, x = s->x[i];
        if (bins->n > 0) {
            size_t j = s->bin[i] < bins->n ? s->bin[i] : bins->n - 1; /* about there */
            while (j > 0 && !(bins->x[j] < x))
                j--;
            while (j + 1 < bins->n && bins->x[j + 1] < x)
                j++;
            size_t k = j + 1 < bins->n ? j + 1 : j;
            double gap = bins->x[k] - bins->x[j];
            double share = gap > 0 ? fmin(fmax((x - bins->x[j]) / gap, 0), 1) : 0;
            extra = off[j] + share * (off[k] - off[j]);
        }
        s->fitted[i] = parameter[0] + s->share[i] - top + extra;
    }
}

/* The plain means times the weekdays' factors. */
static void apply_weekdays(struct solver *s, const struct campaign *campaign) {
    double factor[WEEKDAYS];
    for (int day = 0; day < WEEKDAYS; day++)
        factor[day] = exp(campaign->weekday[day]);
    for (size_t i = 0; i < s->n; i++)
        s->mean[i] = s->plain[i] * factor[s->weekday[i]];
}

static void set_means(struct solver *s, const struct campaign *campaign) {
    for (size_t i = 0; i < s->n; i++) {
        double log_mean = s->fitted[i] + s->effect[i];
        log_mean = log_mean > -LOG_MOST ? log_mean : -LOG_MOST; /* or NaN */
        s->plain[i] = campaign->spend_max * exp(log_mean < LOG_MOST ? log_mean : LOG_MOST);
    }
    apply_weekdays(s, campaign);
}

/* The prior's shape at the level that the sums give. */
static void start(struct solver *s, struct campaign *campaign) {
    memcpy(campaign->mean, s->centre, sizeof campaign->mean);
    fit_prior_spread(s->portfolio, campaign->mean, campaign->covariance);
    memcpy(campaign->layout, campaign->covariance, sizeof campaign->layout);
    s->bins.n = 0;
    fit_rows(s, campaign->mean);
    set_means(s, campaign);
    double mean = 0;
    for (size_t i = 0; i < s->n; i++)
        mean += s->mean[i];
    double level = log((campaign->users + 1) / (mean + 1));
    for (size_t i = 0; i < s->n; i++)
        s->fitted[i] += level;
}

/* Weights at the current fit, and a step of the weekday effects. */
static void reweigh(struct solver *s, struct campaign *campaign) {
    const struct noise *noise = &s->portfolio->noise;
    double gradient[WEEKDAYS] = {0}, information[WEEKDAYS] = {0};
    set_means(s, campaign);
    for (size_t i = 0; i < s->n; i++) {
        double variance = fit_noise_variance(noise, campaign->dispersion, s->mean[i]);
        double residual = s->stable[i] - fit_noise_stabilise(noise, campaign->dispersion, s->mean[i]);
        s->regular[i] = fit_noise_regular(noise, residual / s->width);
        s->weight[i] = variance > 0 ? s->regular[i] * s->mean[i] * s->mean[i] / variance : 0;
        gradient[s->weekday[i]] += s->weight[i] * (s->y[i] / s->mean[i] - 1);
        information[s->weekday[i]] += s->weight[i];
    }
    if (s->portfolio->weekdays.used) {
        fit_weekdays_step(&s->portfolio->weekdays, campaign, gradient, information);
        apply_weekdays(s, campaign);
    }
}

/* Log users of the rows over the curve of now. */
static void set_residuals(struct solver *s) {
    for (size_t i = 0; i < s->n; i++)
        s->walks.residual[i] = fit_walk_response(s->walk[i], s->y[i] / s->mean[i] - 1);
}

/* Targets and their covariance with the walk integrated out. */
static void allow_for_walk(struct solver *s, const size_t place[BINS]) {
    struct posterior_bins *bins = &s->bins;
    double shift[BINS];
    set_residuals(s);
    if (!fit_walk_bins(&s->walks, &s->portfolio->walk, place, bins->n, shift, s->covariance))
        return;
    bins->covariance = s->covariance;
    for (size_t j = 0; j < bins->n; j++) {
        bins->target[j] = bins->fitted[j] + fmin(fmax(shift[j], BIN_STEP_DOWN), BIN_STEP_UP);
        bins->variance[j] = s->covariance[j * bins->n + j];
    }
}

/* The walk given the curve, which has moved since the residuals were taken. */
static void set_walk(struct solver *s, const double *before) {
    for (size_t i = 0; i < s->n; i++) {
        s->walks.residual[i] += before[i] - s->fitted[i];
        s->effect[i] -= s->walk[i];
    }
    fit_walk_smooth(&s->walks, &s->portfolio->walk, s->walk);
    for (size_t i = 0; i < s->n; i++)
        s->effect[i] += s->walk[i];
}

/* Adds to a bin's variance. */
static void doubt(struct solver *s, size_t j, double variance) {
    s->bins.variance[j] += variance;
    s->covariance[j * s->bins.n + j] += variance;
}

/* Rows to bins: mean log spend, and the fit plus the mean residual. */
static void fill_bins(struct solver *s, double dispersion) {
    double weight[BINS] = {0}, x[BINS] = {0}, fitted[BINS] = {0}, residual[BINS] = {0};
    for (size_t i = 0; i < s->n; i++) {
        size_t j = s->bin[i];
        weight[j] += s->weight[i];
        x[j] += s->weight[i] * s->x[i];
        fitted[j] += s->weight[i] * s->fitted[i];
        residual[j] += s->weight[i] * (s->y[i] / s->mean[i] - 1);
    }
    struct posterior_bins *bins = &s->bins;
    size_t place[BINS] = {0};
    bins->n = 0;
    for (size_t j = 0; j < BINS; j++) {
        if (!(weight[j] > 1e-12))
            continue;
        place[j] = bins->n;
        bins->x[bins->n] = x[j] / weight[j];
        bins->fitted[bins->n] = fitted[j] / weight[j];
        bins->target[bins->n] =
            fitted[j] / weight[j] + fmin(fmax(residual[j] / weight[j], BIN_STEP_DOWN), BIN_STEP_UP);
        bins->variance[bins->n] = 1 / weight[j];
        bins->n++;
    }
    bins->covariance = NULL;
    if (walk_moves(&s->portfolio->walk))
        allow_for_walk(s, place);
    for (size_t j = 0; j < bins->n && s->portfolio->aim == AIM_NOW; j++)
        doubt(s, j, pow(OUT_OF_VIEW * (bins->x[j] - bins->in_view), 2) * dispersion);
}

/* One round; false where it gave nothing usable. *step: the largest move of the fit. */
static bool solve_round(struct solver *s, struct campaign *campaign, struct posterior *posterior,
                        double *step) {
    double before[BINS];
    reweigh(s, campaign);
    fill_bins(s, campaign->dispersion);
    memcpy(before, s->bins.fitted, sizeof before);
    if (!fit_posterior_of(s->portfolio->family, &s->portfolio->prior, s->centre, &s->bins,
                          !s->portfolio->learning, posterior))
        return false;
    *step = 0;
    for (size_t j = 0; j < s->bins.n; j++)
        *step = fmax(*step, fabs(s->bins.fitted[j] - before[j]));
    memcpy(campaign->mean, posterior->mean, sizeof campaign->mean);
    memcpy(campaign->covariance, posterior->covariance, sizeof campaign->covariance);
    memcpy(campaign->kinds, posterior->kinds, sizeof campaign->kinds);
    campaign->kinds_centre = s->centre[SHAPES];
    campaign->anchor = posterior->anchor;
    campaign->anchor_variance = posterior->anchor_variance;
    campaign->anchor_level = posterior->anchor_level;
    if (walk_moves(&s->portfolio->walk))
        memcpy(s->before, s->fitted, s->n * sizeof *s->before);
    fit_rows(s, campaign->mean);
    if (walk_moves(&s->portfolio->walk))
        set_walk(s, s->before);
    return true;
}

/* Rounds until the fit stands; false where there is none. */
static bool find_posterior(struct solver *s, struct campaign *campaign, struct posterior *posterior) {
    bool warm = campaign->started; /* the last pass left a fit to start from */
    int rounds = warm ? ROUNDS_WARM : ROUNDS_FIRST;
    double step = INFINITY;
    if (warm) {
        double in_view = s->bins.in_view;
        s->bins = campaign->bins;
        s->bins.in_view = in_view;
        fit_rows(s, campaign->mean);
    } else {
        start(s, campaign);
    }
    memcpy(posterior->mean, campaign->mean, sizeof posterior->mean);
    memcpy(posterior->layout, campaign->layout, sizeof posterior->layout);
    for (int round = 0; round < rounds && (step > STEP_ENOUGH || s->width > 1); round++) {
        s->width = warm || round >= WIDE_ROUNDS ? 1 : WIDE_ROUNDS + 1 - round;
        if (!solve_round(s, campaign, posterior, &step))
            return false;
    }
    campaign->bins = s->bins;
    campaign->bins.covariance = NULL;
    memcpy(campaign->layout, posterior->layout, sizeof campaign->layout);
    campaign->started = true;
    return true;
}

/* ---- what is left to say about the fit ---- */

static double parameters_spent(const struct solver *s, const struct campaign *campaign) {
    double sum = 0;
    for (size_t j = 0; j < s->bins.n; j++)
        sum += s->bins.fitted_variance[j] / s->bins.variance[j];
    if (s->portfolio->weekdays.used) {
        double prior = 1 / (s->portfolio->weekdays.sd * s->portfolio->weekdays.sd);
        for (int day = 0; day < WEEKDAYS; day++)
            sum += campaign->weekday_information[day] / (campaign->weekday_information[day] + prior) * 6 / 7;
    }
    return walk_moves(&s->portfolio->walk) ? sum + fit_walk_spent(&s->walks, &s->portfolio->walk) : sum;
}

/* Sums over the rows from which the part of the noise is learnt that is no count's (noise.c). */
static void sum_noise(const struct solver *s, struct campaign *campaign, double spent) {
    const struct noise *noise = &s->portfolio->noise;
    double n = (double)s->n, correction = n > spent + 1 ? n / (n - spent) : 0;
    for (int k = 0; k < 5; k++)
        campaign->noise_sums[k] = 0;
    for (size_t i = 0; i < s->n && !noise->counts; i++) {
        double mean = s->mean[i], relative = (s->y[i] - mean) / mean;
        double weight =
            s->regular[i] * pow(mean * mean / fit_noise_variance(noise, campaign->dispersion, mean), 2);
        double u = 1 / mean, z = relative * relative * correction;
        if (correction > 0 && isfinite(weight) && isfinite(u) && isfinite(z)) {
            const double terms[5] = {1, u, u * u, z, u * z};
            for (int k = 0; k < 5; k++)
                campaign->noise_sums[k] += weight * terms[k];
        }
    }
}

/* How well the fit does: for its reader, nothing is learnt from that. */
static void sum_errors(const struct solver *s, struct campaign *campaign) {
    const struct noise *noise = &s->portfolio->noise;
    campaign->n_outliers = 0;
    campaign->absolute_error = 0;
    campaign->log_likelihood = 0;
    for (size_t i = 0; i < s->n; i++) {
        double residual = s->stable[i] - fit_noise_stabilise(noise, campaign->dispersion, s->mean[i]);
        campaign->n_outliers += s->regular[i] < 0.5;
        campaign->absolute_error += fabs(s->y[i] - s->mean[i]);
        campaign->log_likelihood +=
            fit_noise_log_density(noise, residual) -
            0.5 * log(fit_noise_variance(noise, campaign->dispersion, s->y[i] + 0.375));
    }
}

static void judge(struct solver *s, struct campaign *campaign) {
    const struct noise *noise = &s->portfolio->noise;
    reweigh(s, campaign);
    campaign->outliers = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct fit_day *day = &s->portfolio->days[campaign->first + i];
        campaign->outliers += 1 - s->regular[i];
        day->weight = (float)s->weight[i];
        day->residual = (float)((s->y[i] - s->mean[i]) / s->mean[i]);
        day->walk = (float)s->walk[i];
    }
    double spent = parameters_spent(s, campaign);
    sum_noise(s, campaign, spent);
    if (!s->portfolio->learning)
        sum_errors(s, campaign);
    campaign->dispersion_information =
        fit_noise_dispersion_information(noise, campaign->dispersion, s->mean, s->regular, s->n);
    campaign->dispersion_own = fit_noise_own_dispersion(noise, s->y, s->mean, s->regular, s->n, spent);
}

/* The portfolio's shape at the level of the campaign's sums, with the prior's uncertainty. */
static void fall_back(struct solver *s, struct campaign *campaign) {
    start(s, campaign);
    campaign->started = false;
    memcpy(campaign->parameter, campaign->mean, sizeof campaign->parameter);
    memcpy(campaign->curve_covariance, campaign->covariance, sizeof campaign->curve_covariance);
    campaign->failed = true;
}

/* The covariance as if the family were true everywhere; all else stays. */
static void solve_bands(struct solver *s, struct campaign *campaign) {
    struct campaign other = *campaign;
    struct posterior posterior;
    if (campaign->failed)
        return;
    load(s, s->portfolio, &other);
    if (find_posterior(s, &other, &posterior))
        fit_posterior_curve(s->portfolio->family, &posterior, s->bins.in_view, other.parameter,
                            campaign->curve_covariance);
}

enum mi_status fit_solver_solve(struct solver *s, const struct portfolio *portfolio,
                                struct campaign *campaign, struct mi_error *error) {
    (void)error;
    s->portfolio = portfolio;
    s->width = 1;
    if (portfolio->aim == AIM_BANDS) {
        solve_bands(s, campaign);
        return MI_OK;
    }
    bool astray = campaign->outliers > OUTLIERS_MOST * (double)campaign->count;
    struct posterior posterior;
    if (astray)
        campaign->dispersion_own = NAN;
    if (astray || campaign->failed)
        campaign->started = false;
    campaign->failed = false;
    campaign->dispersion = fit_noise_campaign_dispersion(&portfolio->noise, campaign);
    load(s, portfolio, campaign);
    bool found = find_posterior(s, campaign, &posterior);
    s->width = 1;
    if (!found)
        fall_back(s, campaign);
    else if (!portfolio->learning)
        fit_posterior_curve(portfolio->family, &posterior, s->bins.in_view, campaign->parameter,
                            campaign->curve_covariance);
    judge(s, campaign);
    return MI_OK;
}
