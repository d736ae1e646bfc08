/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Cohorts: which strength of shrinkage and which belief in the revenue seen so far errs least, how much it
 * errs, and what that makes of each cohort.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "forecast/band.h"
#include "forecast/ladder.h"

/* How many cohorts of the parent stand beside a group's own; the last: the curve's shape for all. */
static const double strengths[] = {2, 10, 50, INFINITY};
#define STRENGTHS  (sizeof strengths / sizeof *strengths)
#define CURVE_ONLY (STRENGTHS - 1)

/* Belief in what was seen = expected / (expected + doubt * reference): 0 is the plain chain ladder, the last
 * believes nothing of it. The reference is what the mean cohort brings in its first week. */
static const double doubts[] = {0, 0.03, 0.1, 0.3, 1, 3, 1e9};
#define DOUBTS (sizeof doubts / sizeof *doubts)

/* Ages from which forecasts are tried; an age is as the last of these that it has reached. */
static const size_t tried[] = {0, 1, 2, 3, 5, 7, 10, 14, 20, 30, 45, 60, 90, 120, 180, 270, 365};
#define TRIED (sizeof tried / sizeof *tried)

#define REFERENCE_AGE  7
#define BLOCKS         40 /* that cohorts are taken for, since those of a time err alike */
#define USUAL_STRENGTH 1  /* place in the lists, where nothing can be tried */
#define USUAL_DOUBT    3
#define COHORTS_LEAST  20 /* of the right age, for a choice and an interval */
#define SCORES         (STRENGTHS * DOUBTS)

/* How a target is forecast from an age. */
struct choice {
    size_t strength, doubt;
    double constant,
        by_size;      /* squared relative error of the increase = constant + by_size * reference / size */
    double low, high; /* quantiles of the error in units of that */
    bool has_interval;
};

struct mi_cohorts {
    struct rung *rungs;
    double *revenue; /* behind the rungs' cumulated */
    size_t count;
    size_t *parent;
    size_t *targets, target_count;
    double level;
    struct ladder ladder;
    struct development all[STRENGTHS]; /* from all cohorts */
    double reference;
    struct choice *choices; /* targets x TRIED */
};

/* ---- the forecast ---- */

static size_t place_of_age(size_t age) {
    size_t place = TRIED - 1;
    while (tried[place] > age)
        place--;
    return place;
}

/* Expected revenue cumulated to an age, before the cohort is looked at. */
static double expected(const struct development *d, const struct rung *rung, size_t age) {
    return rung->exposure * d->level[rung->group * d->ages + age];
}

/* Bornhuetter-Ferguson with belief: what is to come grows from what was seen as far as that is believed, else
 * from what was expected. */
static double project(const struct mi_cohorts *m, const struct development *d, const struct rung *rung,
                      size_t from, size_t to, double doubt) {
    const double *shape = d->log_shape + rung->group * d->ages;
    double seen = rung->cumulated[from], prior = fmax(0, expected(d, rung, from));
    double belief = doubt == 0 ? 1 : prior / (prior + doubt * m->reference);
    double growth = exp(shape[to] - shape[from]) - 1;
    return seen + fmax(0, belief * seen + (1 - belief) * prior) * growth;
}

/* The unit of the error of a projection. */
static double unit_of(const struct mi_cohorts *m, const struct choice *choice, const struct development *d,
                      const struct rung *rung, size_t from, size_t to, double projected) {
    double size = fmax(1e-3 * m->reference, expected(d, rung, to));
    double increase = fmax(projected - rung->cumulated[from], 1e-6 * size);
    return increase * sqrt(choice->constant + choice->by_size * m->reference / size);
}

/* ---- cross-validation ---- */

/* Calls for every fold and strength, with what is learnt without the fold. */
typedef void trial(struct mi_cohorts *m, size_t fold, size_t strength, const struct development *d,
                   void *context);

static enum mi_status cross_validate(struct mi_cohorts *m, trial *visit, void *context,
                                     struct mi_error *error) {
    for (size_t fold = 0; fold < FOLDS; fold++)
        for (size_t s = 0; s < STRENGTHS; s++) {
            struct development d;
            enum mi_status status = develop(&m->ladder, fold, strengths[s], &d, error);
            if (status)
                return status;
            visit(m, fold, s, &d, context);
            development_free(&d);
        }
    return MI_OK;
}

struct scores {
    double *loss;  /* targets x TRIED x SCORES */
    size_t *count; /* targets x TRIED: cohorts */
};

static void add_scores(struct mi_cohorts *m, size_t fold, size_t strength, const struct development *d,
                       void *context) {
    struct scores *scores = context;
    for (size_t i = 0; i < m->count; i++) {
        const struct rung *rung = &m->rungs[i];
        for (size_t t = 0; t < m->target_count && rung->fold == fold; t++)
            for (size_t p = 0; p < TRIED && tried[p] < m->targets[t] && m->targets[t] <= rung->age; p++) {
                size_t cell = t * TRIED + p;
                double actual = rung->cumulated[m->targets[t]];
                double size = fmax(1e-3 * m->reference, expected(d, rung, m->targets[t]));
                scores->count[cell] += strength == 0 ? 1 : 0;
                for (size_t k = 0; k < DOUBTS; k++)
                    scores->loss[cell * SCORES + strength * DOUBTS + k] +=
                        fabs(project(m, d, rung, tried[p], m->targets[t], doubts[k]) - actual) / sqrt(size);
            }
    }
}

/* The least loss of the age and of those beside it, whose choice ought to be much the same. */
static void choose(const struct mi_cohorts *m, const struct scores *scores, size_t target, size_t place,
                   struct choice *choice) {
    double best = INFINITY;
    *choice = (struct choice){.strength = USUAL_STRENGTH, .doubt = USUAL_DOUBT, .constant = 1};
    if (scores->count[target * TRIED + place] < COHORTS_LEAST)
        return;
    for (size_t k = 0; k < SCORES; k++) {
        double loss = 0;
        for (size_t p = place > 0 ? place - 1 : 0; p <= place + 1 && p < TRIED; p++)
            if (tried[p] < m->targets[target])
                loss += scores->loss[(target * TRIED + p) * SCORES + k] * (p == place ? 2 : 1);
        if (loss < best) {
            best = loss;
            choice->strength = k / DOUBTS;
            choice->doubt = k % DOUBTS;
        }
    }
}

/* ---- errors ---- */

/* What the chosen projections erred by in the cross-validation. */
struct trials {
    double *error, *size, *increase; /* targets x TRIED x cohorts; NaN: not tried */
};

static void add_trials(struct mi_cohorts *m, size_t fold, size_t strength, const struct development *d,
                       void *context) {
    struct trials *trials = context;
    for (size_t i = 0; i < m->count; i++) {
        const struct rung *rung = &m->rungs[i];
        for (size_t t = 0; t < m->target_count && rung->fold == fold; t++)
            for (size_t p = 0; p < TRIED && tried[p] < m->targets[t] && m->targets[t] <= rung->age; p++) {
                const struct choice *choice = &m->choices[t * TRIED + p];
                size_t at = (t * TRIED + p) * m->count + i;
                if (choice->strength != strength)
                    continue;
                double projected = project(m, d, rung, tried[p], m->targets[t], doubts[choice->doubt]);
                double size = fmax(1e-3 * m->reference, expected(d, rung, m->targets[t]));
                trials->error[at] = rung->cumulated[m->targets[t]] - projected;
                trials->size[at] = size;
                trials->increase[at] = fmax(projected - rung->cumulated[tried[p]], 1e-6 * size);
            }
    }
}

/* constant and by_size by least squares on squared relative errors, those beyond five times the mean cut to
 * that. */
static void fit_units(const struct mi_cohorts *m, const struct trials *trials, size_t cell,
                      struct choice *choice) {
    double mean = 0, n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
    for (size_t i = 0; i < m->count; i++) {
        size_t at = cell * m->count + i;
        if (!isnan(trials->error[at])) {
            mean += fabs(trials->error[at] / trials->increase[at]);
            n++;
        }
    }
    mean = n > 0 ? mean / n : 1;
    for (size_t i = 0; i < m->count; i++) {
        size_t at = cell * m->count + i;
        if (isnan(trials->error[at]))
            continue;
        double relative = fmin(5 * mean, fabs(trials->error[at] / trials->increase[at]));
        double x = m->reference / trials->size[at], y = relative * relative;
        sx += x;
        sy += y;
        sxx += x * x;
        sxy += x * y;
    }
    double spread = sxx - sx * sx / n, slope = spread > 0 ? (sxy - sx * sy / n) / spread : 0;
    choice->by_size = fmin(fmax(0, slope), sx > 0 ? sy / sx : 0);
    choice->constant = fmax(0, (sy - choice->by_size * sx) / n);
    if (!(choice->constant + choice->by_size > 0))
        choice->constant = 1;
}

static void find_interval(const struct mi_cohorts *m, const struct trials *trials, size_t target,
                          size_t place, struct errors *errors, struct choice *choice) {
    const size_t cell = target * TRIED + place;
    int32_t spread = 0;
    errors->count = 0;
    fit_units(m, trials, cell, choice);
    for (size_t i = 0; i < m->count; i++) {
        size_t at = cell * m->count + i;
        if (isnan(trials->error[at]))
            continue;
        double unit =
            trials->increase[at] * sqrt(choice->constant + choice->by_size * m->reference / trials->size[at]);
        errors->value[errors->count++] = trials->error[at] / unit;
        spread++;
    }

    choice->has_interval =
        spread >= COHORTS_LEAST && errors_interval(errors, m->level, BLOCKS, &choice->low, &choice->high);
}

static enum mi_status learn_errors(struct mi_cohorts *m, struct mi_error *error) {
    const size_t cells = m->target_count * TRIED * m->count;
    double *room = malloc((3 * cells + m->count) * sizeof *room);
    struct trials trials = {room, room + cells, room + 2 * cells};
    struct errors errors = {room + 3 * cells, 0};
    if (!room)
        return mi_no_memory(error);
    for (size_t i = 0; i < cells; i++)
        trials.error[i] = NAN;
    enum mi_status status = cross_validate(m, add_trials, &trials, error);
    for (size_t t = 0; t < m->target_count && !status; t++)
        for (size_t p = 0; p < TRIED; p++)
            find_interval(m, &trials, t, p, &errors, &m->choices[t * TRIED + p]);
    free(room);
    return status;
}

static enum mi_status learn_choices(struct mi_cohorts *m, struct mi_error *error) {
    const size_t cells = m->target_count * TRIED;
    struct scores scores = {calloc(cells * SCORES, sizeof *scores.loss), calloc(cells, sizeof *scores.count)};
    m->choices = calloc(cells, sizeof *m->choices);
    enum mi_status status = scores.loss && scores.count && m->choices
                                ? cross_validate(m, add_scores, &scores, error)
                                : mi_no_memory(error);
    for (size_t t = 0; t < m->target_count && !status; t++)
        for (size_t p = 0; p < TRIED; p++)
            choose(m, &scores, t, p, &m->choices[t * TRIED + p]);
    free(scores.loss);
    free(scores.count);
    return status;
}

/* ---- learn ---- */

static enum mi_status take_cohorts(struct mi_cohorts *m, const struct mi_cohort *cohorts, size_t count,
                                   struct mi_error *error) {
    const size_t last = m->targets[m->target_count - 1];
    size_t cells = 0, used = 0;
    int32_t first = INT32_MAX, until = INT32_MIN;
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        size_t age = cohorts[i].age < last ? cohorts[i].age : last;
        cells += age + 1;
        first = cohorts[i].install_date < first ? cohorts[i].install_date : first;
        if (cohorts[i].age >= m->targets[0] && cohorts[i].install_date > until)
            until = cohorts[i].install_date;
    }
    m->rungs = calloc(count, sizeof *m->rungs);
    m->revenue = malloc(cells * sizeof *m->revenue);
    if (!m->rungs || !m->revenue)
        return mi_no_memory(error);
    m->count = count;
    for (size_t i = 0; i < count; i++) {
        struct rung *rung = &m->rungs[i];
        double cumulated = 0;
        *rung = (struct rung){.group = cohorts[i].group,
                              .age = cohorts[i].age < last ? cohorts[i].age : last,
                              .exposure = cohorts[i].users,
                              .cumulated = m->revenue + used};
        used += rung->age + 1;
        for (size_t age = 0; age <= rung->age; age++)
            rung->cumulated[age] = cumulated += cohorts[i].revenue[age];
        sum += fabs(cumulated);
        int64_t since = (int64_t)cohorts[i].install_date - first, span = (int64_t)until - first + 1;
        rung->fold = since >= span || span < FOLDS ? FOLDS - 1 : (size_t)(since * FOLDS / span);
    }
    return sum > 0 ? MI_OK
                   : mi_error_set(error, MI_BAD_ARGUMENT, "no cohort has revenue: nothing can be learnt");
}

static enum mi_status learn(struct mi_cohorts *m, const struct mi_cohort *cohorts, size_t count,
                            const size_t *parent, size_t groups, const struct mi_cohort_options *options,
                            struct mi_error *error) {
    m->level = options->level;
    m->parent = malloc(groups * sizeof *m->parent);
    m->targets = malloc(options->target_count * sizeof *m->targets);
    if (!m->parent || !m->targets)
        return mi_no_memory(error);
    memcpy(m->parent, parent, groups * sizeof *m->parent);
    memcpy(m->targets, options->targets, options->target_count * sizeof *m->targets);
    m->target_count = options->target_count;
    const size_t ages = m->targets[m->target_count - 1] + 1;
    enum mi_status status = take_cohorts(m, cohorts, count, error);
    if (!status)
        status = ladder_make(&m->ladder, m->rungs, count, m->parent, groups, ages, error);
    for (size_t s = 0; s < STRENGTHS && !status; s++)
        status = develop(&m->ladder, FOLDS, strengths[s], &m->all[s], error);
    if (status)
        return status;
    m->reference = m->ladder.mean_exposure *
                   fmax(m->all[USUAL_STRENGTH].level[REFERENCE_AGE < ages ? REFERENCE_AGE : ages - 1], 1e-9);
    status = learn_choices(m, error);
    return status ? status : learn_errors(m, error);
}

enum mi_status mi_cohorts_learn(const struct mi_cohort *cohorts, size_t count, const size_t *parent,
                                size_t groups, const struct mi_cohort_options *options,
                                struct mi_cohorts **learnt, struct mi_error *error) {
    if (count == 0 || groups == 0 || options->target_count == 0)
        return mi_error_set(error, MI_BAD_ARGUMENT, "no cohorts, groups or target ages");
    struct mi_cohorts *m = calloc(1, sizeof *m);
    enum mi_status status =
        m ? learn(m, cohorts, count, parent, groups, options, error) : mi_no_memory(error);
    if (status)
        mi_cohorts_free(m);
    else
        *learnt = m;
    return status;
}

void mi_cohorts_free(struct mi_cohorts *m) {
    if (!m)
        return;
    for (size_t s = 0; s < STRENGTHS; s++)
        development_free(&m->all[s]);
    ladder_free(&m->ladder);
    free(m->rungs);
    free(m->revenue);
    free(m->parent);
    free(m->targets);
    free(m->choices);
    free(m);
}

/* ---- say ---- */

/* As the choice for a target has it, at an age up to that. */
static void project_for(const struct mi_cohorts *m, const struct rung *rung, size_t target, size_t age,
                        struct mi_forecast_range *range) {
    const struct choice *choice = &m->choices[target * TRIED + place_of_age(rung->age)];
    const struct development *d = &m->all[choice->strength];
    double projected = project(m, d, rung, rung->age, age, doubts[choice->doubt]);
    *range = (struct mi_forecast_range){projected, NAN, NAN};
    if (choice->has_interval) {
        double unit = unit_of(m, choice, d, rung, rung->age, age, projected);
        range->low = fmin(projected,
                          fmax(fmin(projected, rung->cumulated[rung->age]), projected + choice->low * unit));
        range->high = fmax(projected, projected + choice->high * unit);
    }
}

/* Whether revenue of the cohort's group does not fall between two ages, as refunds make it. */
static bool grows(const struct mi_cohorts *m, const struct rung *rung, size_t target, size_t from,
                  size_t to) {
    const struct choice *choice = &m->choices[target * TRIED + place_of_age(rung->age)];
    const struct development *d = &m->all[choice->strength];
    const double *shape = d->log_shape + rung->group * d->ages;
    return shape[to] >= shape[from];
}

void mi_cohort_revenue(const struct mi_cohorts *m, size_t number, size_t age, struct mi_forecast_range *range,
                       bool *ladder) {
    const struct rung *rung = &m->rungs[number];
    size_t target = 0;
    if (ladder)
        *ladder = true;
    if (age <= rung->age) {
        range->predicted = range->low = range->high = rung->cumulated[age];
        return;
    }
    while (target + 1 < m->target_count && m->targets[target] < age)
        target++;
    project_for(m, rung, target, age, range);
    /* each target has a choice of its own: what has come by an earlier one is there at a later */
    for (size_t t = 0; t < target; t++) {
        struct mi_forecast_range earlier;
        if (m->targets[t] <= rung->age || !grows(m, rung, target, m->targets[t], age))
            continue;
        project_for(m, rung, t, m->targets[t], &earlier);
        range->predicted = fmax(range->predicted, earlier.predicted);
        range->low = isnan(range->low) ? NAN : fmax(range->low, earlier.low);
        range->high = isnan(range->high) ? NAN : fmax(range->high, earlier.high);
    }
    if (ladder)
        *ladder = m->choices[target * TRIED + place_of_age(rung->age)].strength != CURVE_ONLY;
}

void mi_cohort_payback(const struct mi_cohorts *m, size_t number, double cost,
                       struct mi_forecast_range *range) {
    *range = (struct mi_forecast_range){NAN, NAN, NAN};
    for (size_t age = 0; age <= m->targets[m->target_count - 1]; age++) {
        struct mi_forecast_range revenue;
        mi_cohort_revenue(m, number, age, &revenue, NULL);
        /* the upper end of revenue pays back first */
        if (isnan(range->low) && revenue.high >= cost)
            range->low = (double)age;
        if (isnan(range->predicted) && revenue.predicted >= cost)
            range->predicted = (double)age;
        if (isnan(range->high) && revenue.low >= cost)
            range->high = (double)age;
    }
}
