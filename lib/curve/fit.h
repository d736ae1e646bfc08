/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of the fit share. A portfolio's campaigns are fitted in passes: each pass solves every
 * campaign alone under the prior, noise and weekday effects learnt so far (solve.c), and then learns these
 * anew from all campaigns (pool.c, noise.c, weekday.c).
 *
 * Parameters of a campaign, all logs: level = log(users at the highest spend / highest spend), then the
 * family's shape with log(half / highest spend) first. The level is nearly independent of the shape, and what
 * is relative to the highest spend can be compared between campaigns of any size.
 */
#ifndef CURVE_FIT_H
#define CURVE_FIT_H

#include <math.h>

#include "mi.h"

#define SHAPES     2            /* most shape parameters of a family */
#define PARAMETERS (1 + SHAPES) /* level, then shape */
#define WEEKDAYS   7
#define LOG_MOST   30.0 /* of a parameter's absolute value */

#define REACHES   7 /* multiples of the spend in view at which a curve is to be right */
#define REACH_ONE 3 /* that spend itself */
extern const double fit_reach[REACHES], fit_log_reach[REACHES];

#define BINS 16 /* most groups of rows of like spend */

/* Rows of like spend together: log spend over the highest, log users over the highest spend, and the variance
 * of that. Then what the posterior says there. */
struct posterior_bins {
    size_t n;
    double x[BINS], target[BINS], variance[BINS];
    const double *covariance; /* n by n, of the targets; NULL: they are independent */
    double fitted[BINS], fitted_variance[BINS];
    double in_view; /* log of the spend in view over the highest */
};

struct fit_day {
    double spend, users;
    uint64_t line;
    int32_t date;
    uint32_t campaign;
    float effect;           /* log of what the date does to the campaign's group */
    float known;            /* log of the share of its users that is known by now */
    float walk;             /* log of the level over that of the day that the curve is of */
    float weight, residual; /* of the last fit: what the effect is learnt from */
};

enum obstacle { /* why the shape cannot be the campaign's own */
                OBSTACLE_NONE,
                OBSTACLE_NO_SPEND,
                OBSTACLE_NO_USERS,
                OBSTACLE_ONE_ROW,
                OBSTACLE_CONSTANT_SPEND,
                OBSTACLE_NOT_CONVERGED,
                OBSTACLE_COUNT
};

#define KINDS 2

/* What a campaign's posterior says of a kind: its probability, and with that as weight the sums of the last
 * shape parameter's distance from the prior's centre and of its square. */
struct kind_sums {
    double count, first, second;
};

#define FEATURES_MOST   8 /* attributes of a campaign */
#define COVARIATES_MOST 4

struct campaign {
    size_t first, count;                       /* its rows with spend in the portfolio's days */
    size_t node;                               /* of the prior */
    double spend_min, spend_max, spend, users; /* range and sums */
    double leftover_users;                     /* of rows with hardly any spend, left out */
    int32_t newest;
    enum obstacle obstacle;
    bool is_new;          /* without rows: asked for by its attributes alone */
    bool moved;           /* it was in more than one group */
    bool changed;         /* its newest days are far from those before: see level.c */
    bool apart;           /* its users per spend are beyond belief beside the others': see passes.c */
    bool started, failed; /* has parameters to start from; its fit did not converge */

    uint32_t features[FEATURES_MOST]; /* numbers of its attributes' values */
    size_t feature_count;
    double covariates[COVARIATES_MOST]; /* sums over its rows; then logs per spend, centred and scaled */
    double additive[PARAMETERS + 1];    /* what attributes add to the centre of the prior, and to log spend */

    struct posterior_bins bins;            /* where the solver stands */
    double layout[PARAMETERS][PARAMETERS]; /* and the posterior's grid */
    double mean[PARAMETERS]; /* of the posterior, with its covariance: what the portfolio learns from */
    double covariance[PARAMETERS][PARAMETERS];
    double anchor, anchor_variance, anchor_level; /* mean, variance, covariance with level: see pool.c */
    struct kind_sums kinds[KINDS];
    double kinds_centre;          /* the prior's, which these are about */
    double parameter[PARAMETERS]; /* of the curve that is the answer, with its covariance */
    double curve_covariance[PARAMETERS][PARAMETERS];
    double weekday[WEEKDAYS],
        weekday_information[WEEKDAYS]; /* log effects; 1 / variance from the data alone */
    double dispersion, dispersion_own; /* in use; from its own rows alone, or NaN */
    double dispersion_information;     /* 1 / variance of the log of the latter */
    double noise_sums[5];              /* see noise.c */
    double outliers;                   /* expected number */
    size_t n_outliers;
    double absolute_error, log_likelihood;
};

/* Whether the portfolio learns from a campaign. */
static inline bool campaign_counts(const struct campaign *campaign) {
    return campaign->count > 0 && !campaign->apart;
}

/* Whether a parameter is one that the fit was not let go beyond. */
static inline bool campaign_on_bound(const struct campaign *campaign) {
    bool held = false;
    for (size_t k = 0; k < PARAMETERS && campaign->count > 0; k++)
        held = held || fabs(campaign->parameter[k]) >= LOG_MOST;
    return held;
}

/* Whether a campaign's shape is, in part, its own. */
static inline bool campaign_has_shape(const struct campaign *campaign) {
    return campaign->obstacle == OBSTACLE_NONE && !campaign->failed;
}

/* ---- family.c: shapes in log coordinates ---- */

struct fit_family {
    enum mi_curve_family family;
    size_t shapes;
    double mean[SHAPES], sd[SHAPES]; /* prior before anything is learnt */
    double least_sd[SHAPES];         /* the prior's spread is never learnt to be smaller */
    double misfit;                   /* standard deviation of log users about a curve of the family */
    /* For x = log(spend / highest spend): log of users as a share of the ceiling. */
    void (*log_shares)(const double *shape, const double *x, size_t n, double *log_share);
    /* The same as the posterior believes it of a campaign; the answer is the family's curve nearest to that.
     */
    void (*believed_log_shares)(const double *shape, const double *x, size_t n, double *log_share);
};

/* NULL for a family that cannot be fitted. */
const struct fit_family *fit_family_of(enum mi_curve_family family);
/* d log share / d shape[k] for at most 2 REACHES of x. */
void fit_family_derivative(const struct fit_family *family, const double *shape, size_t k, const double *x,
                           size_t n, double *by);
/* d log users / d log spend at the highest spend. */
double fit_family_elasticity(const struct fit_family *family, const double *shape);
/* The first shape parameter that gives this elasticity with the others as they are. */
double fit_family_place(const struct fit_family *family, const double *shape, double elasticity);
/* Rounded to so many significant digits as the answers are written with. */
double fit_round(double value);
/* The curve of a campaign's parameters, and the lower triangle of the covariance of its log parameters. */
size_t fit_family_curve(const struct fit_family *family, const double parameter[PARAMETERS],
                        double covariance[PARAMETERS][PARAMETERS], double spend_max, struct mi_curve *curve,
                        double *triangle);

/* ---- noise.c ---- */

struct noise {
    bool counts;       /* all users are whole numbers */
    double poisson;    /* 1 for counts */
    double dispersion; /* the portfolio's, and the variance of the campaigns' logs about its */
    double dispersion_variance;
    double outliers; /* share of days */
};

struct noise fit_noise_default(void);
double fit_noise_variance(const struct noise *noise, double dispersion, double mean);
/* Transform of users under which the noise has variance 1 (about). */
double fit_noise_stabilise(const struct noise *noise, double dispersion, double users);
/* Chance that a row is no outlier, from its stabilised residual. */
double fit_noise_regular(const struct noise *noise, double residual);
/* Log density of a stabilised residual. */
double fit_noise_log_density(const struct noise *noise, double residual);

/* The dispersion at which the rows' chi-squared is its expectation; NaN where they are too few. */
double fit_noise_own_dispersion(const struct noise *noise, const double *users, const double *mean,
                                const double *regular, size_t n, double parameters);

/* ---- pool.c: the prior ---- */

struct node { /* a group of campaigns; node 0 is the portfolio */
    size_t parent;
    double mean[PARAMETERS];
    double campaigns, spend, users; /* sums while learning: number, highest spends, users there */
    double shapes, shape[SHAPES];   /* number with a shape of their own, and its sums */
    double day, day_variance;       /* log of what the day that the curves are of does to the group */
};

struct kind { /* of campaigns, by their last shape parameter: see kinds.c */
    double share, offset, sd;
};

struct prior {
    struct node *nodes;
    size_t node_count;
    double start[PARAMETERS]; /* the centre before anything is learnt */
    double sd[PARAMETERS];
    double anchor;            /* how much of the way to half saturation a campaign's level is compared at */
    double misfit;            /* the portfolio's */
    struct kind kinds[KINDS]; /* shares of 0: the last shape parameter is normal as the others are */
};

/* ---- weekday.c ---- */

struct weekdays {
    bool used;
    double mean[WEEKDAYS]; /* log effects */
    double sd;             /* of a campaign's own about them */
};

/* ---- attributes.c ---- */

struct attributes {
    size_t feature_count, covariate_count;
    double spread[PARAMETERS + 1]; /* of the coefficients */
    double left[PARAMETERS + 1];   /* variance that attributes leave */
    double spend_mean;             /* of the logs of the highest spends */
    bool scaled;                   /* the covariates are */
};

/* ---- shared.c: day effects of groups ---- */

#define SHARED_ROWS_LEAST 3 /* campaigns of a group and date; below, there is no telling it from noise */

struct shared_cell { /* a group and date */
    double effect, gradient, information;
    size_t rows;
};

struct shared {
    struct shared_cell *cells;    /* of groups by date; NULL: none */
    double (*weekdays)[WEEKDAYS]; /* of groups: what the portfolio's dates of a weekday have in common */
    size_t count, span;
    int32_t oldest;
    double sd, weekday_sd, within_week_sd;
};

/* ---- walk.c: levels that move ---- */

struct walk {
    bool may;        /* the rows have dates, and the curve is to be that of now */
    double after;    /* the day that curves are of: --for, else the one after the newest date */
    double variance; /* of a day's step of the log level */
    double spells;   /* of the log level's better and worse spells */
};

static inline bool walk_moves(const struct walk *walk) {
    return walk->variance > 0 || walk->spells > 0;
}

#define FIT_LEVEL_SD_LEAST 0.2 /* the prior's spread of levels is never learnt to be smaller */

enum aim {              /* of a pass */
           AIM_AVERAGE, /* curves of all days, right about the highest spend */
           AIM_NOW,     /* right about the spends in view (solve.c), though no family were true */
           AIM_BANDS    /* the covariance of the curves, as it is if the family is true; nothing else */
};

struct portfolio {
    const struct fit_family *family;
    double misfit; /* about the family's curves: standard deviation of log users */
    struct fit_day *days;
    size_t day_count;
    struct campaign *campaigns;
    size_t campaign_count;
    struct prior prior;
    struct noise noise;
    struct weekdays weekdays;
    struct attributes attributes;
    struct shared shared;
    struct walk walk;
    double *room;     /* for campaign_count numbers, while learning */
    size_t leftovers; /* rows of hardly any spend, left out */
    bool dated;
    int32_t target; /* date that the curves are of; MI_DATE_MISSING: an average weekday */
    enum aim aim;
    bool learning; /* from this pass: its curves are not asked for, what the campaigns' parameters are is */
    unsigned long threads;
};

/* Starting values of prior and weekdays for the portfolio's family. */
void fit_prior_start(struct portfolio *portfolio);
void fit_weekdays_start(struct portfolio *portfolio);
enum mi_status fit_shared_start(struct portfolio *portfolio, struct mi_error *error);
void fit_shared_free(struct portfolio *portfolio);
/* The weekday of a day from the oldest. */
size_t fit_shared_weekday(const struct shared *shared, size_t day);
/* What the rows say of each group's day, at the effects as they are. */
void fit_shared_sum(struct portfolio *portfolio);
/* Learn from the campaigns as they were fitted last. */
void fit_shared_learn(struct portfolio *portfolio);
/* The group of a campaign, by its node of the prior. */
size_t fit_shared_group(const struct prior *prior, size_t node);
/* Takes the levels to what is expected of the day that the curves are of (level.c). */
enum mi_status fit_level_now(struct portfolio *portfolio, struct mi_error *error);
struct fit_day_level {
    double level, variance;
};
/* Log of what that day does to a campaign, as far as it can be foretold. */
struct fit_day_level fit_level_of_day(const struct portfolio *portfolio, const struct campaign *campaign);
void fit_prior_learn(struct portfolio *portfolio);
void fit_noise_learn(struct portfolio *portfolio);
void fit_weekdays_learn(struct portfolio *portfolio);
void fit_attributes_start(struct portfolio *portfolio);
/* spends: also what attributes say of the highest spend. */
enum mi_status fit_attributes_learn(struct portfolio *portfolio, bool spends, struct mi_error *error);
/* Whether a campaign tells of an outcome: level, shapes, and last the highest spend. */
bool fit_attributes_learn_from(const struct campaign *campaign, size_t outcome);
/* What attributes say together beyond groups and ridge, once these are learnt (trees.c). */
enum mi_status fit_trees_learn(struct portfolio *portfolio, struct mi_error *error);
/* log(users per spend at the highest spend / users per spend at half saturation). */
double fit_family_anchor(const struct fit_family *family, const double *shape);
/* A campaign's log users per spend where the prior compares it with others', and its variance. */
double fit_prior_level(const struct prior *prior, const struct campaign *campaign);
double fit_prior_level_variance(const struct prior *prior, const struct campaign *campaign);
/* Level and shape of a prior's centre to those of a campaign, and the prior's covariance of these. */
void fit_prior_spread(const struct portfolio *portfolio, double centre[PARAMETERS],
                      double covariance[PARAMETERS][PARAMETERS]);
/* The centre of a campaign's prior: log users per spend where campaigns are compared, then shape. */
void fit_prior_centre(const struct portfolio *portfolio, const struct campaign *campaign,
                      double centre[PARAMETERS]);
/* One Newton step of a campaign's weekday effects, from the log likelihood's gradient and information. */
void fit_weekdays_step(const struct weekdays *weekdays, struct campaign *campaign,
                       const double gradient[WEEKDAYS], const double information[WEEKDAYS]);
/* 1 / variance of the log of a dispersion that these rows tell. */
double fit_noise_dispersion_information(const struct noise *noise, double dispersion, const double *mean,
                                        const double *regular, size_t n);
/* A campaign's own dispersion shrunk to the portfolio's. */
double fit_noise_campaign_dispersion(const struct noise *noise, const struct campaign *campaign);
/* Share of a parameter that is the campaign's own. */
double fit_prior_weight(const struct portfolio *portfolio, const struct campaign *campaign, size_t parameter);

/* ---- kinds.c ---- */

void fit_kinds_start(struct portfolio *portfolio);
/* From the campaigns as they were fitted last; after the centres of the prior are learnt. */
void fit_kinds_learn(struct portfolio *portfolio);
bool fit_kinds_used(const struct prior *prior);
/* Log density, up to a constant, of the last shape parameter at this offset from the prior's centre, and the
 * probability of each kind there. */
double fit_kinds_log_density(const struct prior *prior, double offset, double belongs[KINDS]);

/* ---- walk.c ---- */

struct walk_gain { /* of the filter */
    double memory, own, spell, inverse;
};

/* A campaign's rows, and room to work in. */
struct walk_rows {
    size_t n;
    const double *weight; /* 1 / variance of log users */
    const size_t *bin;    /* of like spends */
    double *gap;          /* days to the next row, or to where the curve holds */
    double *residual;     /* log users over the curve's */
    struct walk_gain *gains;
    double *room; /* n * (BINS + 1) */
};

void fit_walk_start(struct portfolio *portfolio, bool as_of_now);
/* From the campaigns as they were fitted last. */
void fit_walk_learn(struct portfolio *portfolio);
/* Log users over the curve's, from the level there and users relative to what curve and level say. */
double fit_walk_response(double walk, double relative);
/* Mean of the log level at each row, over that of now, given the curve. */
void fit_walk_smooth(const struct walk_rows *rows, const struct walk *walk, double *level);
/* How many parameters these levels are worth. */
double fit_walk_spent(const struct walk_rows *rows, const struct walk *walk);
/* Generalised least squares of the residuals on the bins, with their covariance: what the rows say of the
 * curve of now, whatever the levels. place: each bin's number among those that have weight. */
bool fit_walk_bins(const struct walk_rows *rows, const struct walk *walk, const size_t place[BINS],
                   size_t bins, double shift[BINS], double *covariance);

/* ---- solve.c: one campaign ---- */

struct solver;
enum mi_status fit_solver_new(size_t most_rows, struct solver **solver, struct mi_error *error);
void fit_solver_free(struct solver *solver);
enum mi_status fit_solver_solve(struct solver *solver, const struct portfolio *portfolio,
                                struct campaign *campaign, struct mi_error *error);

/* ---- timing.c ---- */

struct delay { /* shares of a day's conversions that are known by its age */
    size_t node, count;
    double *shares;
};
struct delays { /* the first is that of all groups without their own */
    struct delay *of;
    size_t count, capacity;
};

enum mi_status fit_delay_set(struct delays *delays, size_t node, const double *shares, size_t count,
                             struct mi_error *error);
void fit_delays_free(struct delays *delays);
/* What is known of each day as of a date; drops days of which hardly anything is. */
enum mi_status fit_delay_apply(struct portfolio *portfolio, int32_t asof, const struct delays *delays,
                               size_t *left_out, struct mi_error *error);
/* Spends, by campaign and date, to what works on the day. */
void fit_adstock_apply(struct portfolio *portfolio, double rate);
enum mi_status fit_adstock_estimate(const struct portfolio *portfolio, double *rate, struct mi_error *error);

/* ---- passes.c, backtest.c ---- */

/* Fits all campaigns: their average over the days, or as of the newest date. */
enum mi_status fit_portfolio_fit(struct portfolio *portfolio, bool as_of_now, struct mi_error *error);
/* Ranges, sums and obstacles of the campaigns, from their rows; drops rows without spend, or with hardly any.
 */
void fit_portfolio_summarise(struct portfolio *portfolio);

#define BACKTEST_FAMILIES 3

struct backtest {
    bool done; /* enough campaigns with enough spends */
    const struct fit_family *family[BACKTEST_FAMILIES];
    double error[BACKTEST_FAMILIES];
    size_t best;
    double scale;  /* of the best's bands, so that they would have covered what they say */
    double misfit; /* of the best */
};

/* Fits each family below the median of each campaign's spend and predicts the users above. */
enum mi_status fit_portfolio_backtest(const struct portfolio *portfolio, struct backtest *backtest,
                                      struct mi_error *error);

#endif
