/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What came out of a fit: in words, and a row a campaign.
 */
#include "curve/fitted.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define FAR_HALF       3.0  /* half saturation over highest spend that is worth a remark */
#define UNIT_FAR       60.0 /* users per spend over the median's that are beyond belief */
#define UNIT_CAMPAIGNS 3    /* that a median needs */
#define LEFTOVER_MUCH  0.1  /* of a campaign's users, in rows with hardly any spend */

/* ---- in words ---- */

static const char *obstacle_name(enum obstacle obstacle, bool dated) {
    switch (obstacle) {
    case OBSTACLE_NO_SPEND:
        return "never spent";
    case OBSTACLE_NO_USERS:
        return "no conversions";
    case OBSTACLE_ONE_ROW:
        return dated ? "one day" : "one row";
    case OBSTACLE_CONSTANT_SPEND:
        return "constant spend";
    default:
        return "";
    }
}

static void say_fallbacks(const struct mi_curve_fit *fit, const struct mi_notes *notes) {
    const struct portfolio *portfolio = &fit->portfolio;
    size_t counts[OBSTACLE_COUNT] = {0}, failed = 0, all = 0;
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        const struct campaign *campaign = &portfolio->campaigns[i];
        if (campaign->is_new)
            continue;
        counts[campaign->obstacle] += campaign->obstacle != OBSTACLE_NONE;
        failed += campaign->obstacle == OBSTACLE_NONE && campaign->failed;
        all += !campaign_has_shape(campaign);
    }
    if (all == 0)
        return;
    char reasons[256] = "";
    size_t used = 0;
    for (int i = 1; i <= OBSTACLE_COUNT; i++) {
        size_t count = i < OBSTACLE_COUNT ? counts[i] : failed;
        const char *name =
            i < OBSTACLE_COUNT ? obstacle_name((enum obstacle)i, portfolio->dated) : "no convergence";
        if (count > 0)
            used += (size_t)snprintf(reasons + used, sizeof reasons - used, "%s%s %zu", used ? ", " : "",
                                     name, count);
    }
    mi_notes_say(notes, "%zu of %zu campaigns take the portfolio's shape: %s", all, portfolio->campaign_count,
                 reasons);
}

static const char *rows(size_t count) {
    return count == 1 ? "row" : "rows";
}

/* How many times the portfolio's median a campaign's users per spend are, where that is beyond belief: a
 * spend in another unit or currency. NaN else. */
static double unit_of(const struct mi_curve_fit *fit, const struct campaign *campaign) {
    double ratio = exp(campaign->mean[0] - fit->typical_level);
    bool judged =
        campaign->count > 0 && campaign->users > 0 && fit->portfolio.campaign_count >= UNIT_CAMPAIGNS;
    return judged && (ratio > UNIT_FAR || ratio < 1 / UNIT_FAR) ? ratio : NAN;
}

/* A campaign's name, for a message. */
static struct mi_text name_of(const struct mi_curve_fit *fit, size_t campaign) {
    struct mi_text id = mi_index_text(fit->ids, campaign);
    id.size = id.size > 100 ? 100 : id.size;
    return id;
}

static bool is_apart(const struct mi_curve_fit *fit, const struct campaign *campaign) {
    return !isnan(unit_of(fit, campaign));
}

static bool is_moved(const struct mi_curve_fit *fit, const struct campaign *campaign) {
    (void)fit;
    return campaign->moved;
}

static bool is_changed(const struct mi_curve_fit *fit, const struct campaign *campaign) {
    (void)fit;
    return campaign->changed;
}

/* The first campaign of which something is to be said, or NULL; its name, and a word where there are others.
 */
static const struct campaign *first_that(const struct mi_curve_fit *fit,
                                         bool (*is)(const struct mi_curve_fit *, const struct campaign *),
                                         struct mi_text *id, const char **others) {
    const struct campaign *first = NULL;
    *others = "";
    for (size_t i = 0; i < fit->portfolio.campaign_count; i++) {
        const struct campaign *campaign = &fit->portfolio.campaigns[i];
        if (!is(fit, campaign))
            continue;
        *others = first ? " (others too: see note)" : "";
        *id = first ? *id : name_of(fit, i);
        first = first ? first : campaign;
    }
    return first;
}

static void say_first(const struct mi_curve_fit *fit, const struct mi_notes *notes) {
    struct mi_text id;
    const char *others;
    const struct campaign *first = first_that(fit, is_apart, &id, &others);
    if (first)
        mi_notes_say(
            notes, "campaign '%.*s' has %.3g times the portfolio's users per spend: another unit of spend?%s",
            (int)id.size, id.data, unit_of(fit, first), others);
    if (first_that(fit, is_changed, &id, &others))
        mi_notes_say(notes, "campaign '%.*s': users per spend changed: its newest days' level holds%s",
                     (int)id.size, id.data, others);
}

static void say_moved(const struct mi_curve_fit *fit, const struct mi_notes *notes) {
    struct mi_text id;
    const char *others;
    if (first_that(fit, is_moved, &id, &others))
        mi_notes_say(notes, "campaign '%.*s' changes its group (network, geo, ...): the last row's holds%s",
                     (int)id.size, id.data, others);
}

static void say_leftovers(const struct mi_curve_fit *fit, const struct mi_notes *notes) {
    const struct portfolio *portfolio = &fit->portfolio;
    size_t first = portfolio->campaign_count;
    if (portfolio->leftovers == 0)
        return;
    mi_notes_say(notes, "spend below a thousandth of the campaign's highest in %zu %s: left out",
                 portfolio->leftovers, rows(portfolio->leftovers));
    for (size_t i = portfolio->campaign_count; i-- > 0;)
        if (portfolio->campaigns[i].leftover_users > LEFTOVER_MUCH * portfolio->campaigns[i].users)
            first = i;
    struct mi_text id = first < portfolio->campaign_count ? name_of(fit, first) : mi_text_of("");
    if (id.size > 0)
        mi_notes_say(notes,
                     "campaign '%.*s' has %.6g conversions in such rows: does the unit of its spend change?",
                     (int)id.size, id.data, portfolio->campaigns[first].leftover_users);
}

static void say_bounds(const struct mi_curve_fit *fit, const struct mi_notes *notes) {
    size_t count = 0;
    for (size_t i = 0; i < fit->portfolio.campaign_count; i++)
        count += campaign_on_bound(&fit->portfolio.campaigns[i]);
    if (count > 0)
        mi_notes_say(notes, "%zu fit%s on a bound: see note", count, count == 1 ? " is" : "s are");
}

void fit_say(const struct mi_curve_fit *fit, const struct mi_notes *notes) {
    if (!fit->portfolio.dated)
        mi_notes_say(notes, "no dates: each row is one period, no weekday effects");
    if (fit->summed > 0)
        mi_notes_say(notes, "%zu %s added to another of the same campaign and date", fit->summed,
                     rows(fit->summed));
    if (fit->users_without_spend > 0)
        mi_notes_say(notes, "conversions without spend in %zu %s: left out", fit->users_without_spend,
                     rows(fit->users_without_spend));
    say_moved(fit, notes);
    say_leftovers(fit, notes);
    if (fit->too_young > 0)
        mi_notes_say(notes, "%zu %s of which hardly any conversions can be known yet: left out",
                     fit->too_young, rows(fit->too_young));
    if (fit->adstock_estimated)
        mi_notes_say(notes, "carry-over of spend to the next day: %.2f, estimated", fit->adstock);
    say_fallbacks(fit, notes);
    say_first(fit, notes);
    say_bounds(fit, notes);
}

/* ---- results ---- */

size_t mi_curve_fit_count(const struct mi_curve_fit *fit) {
    return fit->portfolio.campaign_count ? fit->portfolio.campaign_count + 1 : 0;
}

/* A campaign that nothing is known of but its attributes: the prior, at the highest spend that these lead to
 * expect. In the covariance the log parameters share what is not known of that spend. */
static void fill_unknown(const struct mi_curve_fit *fit, const struct campaign *campaign,
                         struct mi_curve_fit_row *row) {
    const struct portfolio *portfolio = &fit->portfolio;
    double covariance[PARAMETERS][PARAMETERS], centre[PARAMETERS];
    fit_prior_centre(portfolio, campaign, centre);
    fit_prior_spread(portfolio, centre, covariance);
    struct fit_day_level day = fit_level_of_day(portfolio, campaign);
    centre[0] += day.level;
    covariance[0][0] += day.variance;
    covariance[0][0] += fit->users > 0 ? 0 : 1 / 0.5;
    double spend = fit->typical_spend * exp(campaign->additive[PARAMETERS]);
    row->covariance_count =
        fit_family_curve(portfolio->family, centre, covariance, spend, &row->curve, row->covariance);
    double left = portfolio->attributes.left[PARAMETERS];
    if (portfolio->family->family != MI_CURVE_POWER) { /* scale and half go with the spend */
        row->covariance[0] = fit_round(row->covariance[0] + left);
        row->covariance[1] = fit_round(row->covariance[1] + left);
        row->covariance[2] = fit_round(row->covariance[2] + left);
    }
    row->spend_min = row->spend_max = NAN;
    row->dispersion = fit_round(portfolio->noise.dispersion);
    row->status = MI_CURVE_FIT_PORTFOLIO;
}

/* Appends to a note. */
static void note_levels(const struct walk *walk, char *note, size_t size) {
    size_t used = strlen(note);
    const char *between = used > 0 ? "; " : "";
    if (walk->variance > 0) {
        snprintf(note + used, size - used, "%slevels walk by %.1f %% a day", between,
                 100 * sqrt(walk->variance));
        used = strlen(note);
        between = "; ";
    }
    if (walk->spells > 0)
        snprintf(note + used, size - used, "%sspells of %.1f %%", between, 100 * sqrt(walk->spells));
}

static void fill_pooled(const struct mi_curve_fit *fit, struct mi_curve_fit_row *row) {
    const struct portfolio *portfolio = &fit->portfolio;
    const struct campaign nobody = {0};
    fill_unknown(fit, &nobody, row);
    double absolute = 0, users = 0;
    row->campaign_id = mi_text_of(POOLED);
    row->spend_min = fit_round(fit->typical_least); /* others' spends tell nothing of this campaign's */
    row->spend_max = fit_round(fit->typical_spend);
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        const struct campaign *campaign = &portfolio->campaigns[i];
        row->n += campaign->count;
        row->n_outliers += campaign->n_outliers;
        absolute += campaign->absolute_error;
        users += campaign->users;
        row->asof = campaign->newest > row->asof ? campaign->newest : row->asof;
    }
    row->error = users > 0 ? fit_round(absolute / users) : NAN;
    const struct backtest *backtest = &fit->backtest;
    if (backtest->done)
        snprintf(row->note, sizeof row->note, "backtest error: %s %.4f; %s %.4f; %s %.4f; bands times %.2f",
                 mi_curve_family_name(backtest->family[0]->family), backtest->error[0],
                 mi_curve_family_name(backtest->family[1]->family), backtest->error[1],
                 mi_curve_family_name(backtest->family[2]->family), backtest->error[2], backtest->scale);
    note_levels(&portfolio->walk, row->note, sizeof row->note);
}

static double aicc_of(const struct portfolio *portfolio, const struct campaign *campaign) {
    double n = (double)campaign->count;
    double k = 1 + (double)portfolio->family->shapes + (portfolio->weekdays.used ? WEEKDAYS - 1 : 0);
    if (!(n > k + 1) || !campaign_has_shape(campaign))
        return NAN;
    return fit_round(-2 * campaign->log_likelihood + 2 * k + 2 * k * (k + 1) / (n - k - 1));
}

static void remark(const struct mi_curve_fit *fit, const struct campaign *campaign,
                   struct mi_curve_fit_row *row) {
    const struct portfolio *portfolio = &fit->portfolio;
    double half = exp(campaign->parameter[1]);
    if (campaign->is_new)
        snprintf(row->note, sizeof row->note, "new: from its attributes");
    else if (campaign->obstacle != OBSTACLE_NONE)
        snprintf(row->note, sizeof row->note, "%s", obstacle_name(campaign->obstacle, portfolio->dated));
    else if (campaign->failed)
        snprintf(row->note, sizeof row->note, "no convergence");
    else if (campaign_on_bound(campaign))
        snprintf(row->note, sizeof row->note,
                 "on a bound: users per spend or a shape beyond what can be fitted");
    else if (!isnan(unit_of(fit, campaign)))
        snprintf(row->note, sizeof row->note,
                 "%.3g times the portfolio's users per spend: another unit of spend?",
                 unit_of(fit, campaign));
    else if (half > FAR_HALF && portfolio->family->family != MI_CURVE_POWER)
        snprintf(row->note, sizeof row->note, "half saturation is %.1f times the highest spend", half);
    else if (campaign->changed)
        snprintf(row->note, sizeof row->note,
                 "its level changed: that of the newest days holds, which are far from those before");
    else if (campaign->moved)
        snprintf(row->note, sizeof row->note, "its group changes: the last row's holds");
}

/* Variance of a log level that has nothing to lean on but its own counts: of a campaign that stands apart, or
 * where nobody had a user. Half a user is assumed, and of a Poisson count the log has variance 1 / count. */
static double counting_variance(const struct mi_curve_fit *fit, const struct campaign *campaign) {
    bool alone = campaign->apart || !(fit->users > 0);
    return alone ? 1 / (campaign->users + 0.5) : 0;
}

/* As wide as the backtest says. */
static void scaled_covariance(const struct mi_curve_fit *fit, const struct campaign *campaign,
                              double covariance[PARAMETERS][PARAMETERS]) {
    double scale = fit->backtest.done ? fit->backtest.scale : 1;
    for (size_t i = 0; i < PARAMETERS; i++)
        for (size_t j = 0; j < PARAMETERS; j++)
            covariance[i][j] = scale * scale * campaign->curve_covariance[i][j];
    covariance[0][0] += counting_variance(fit, campaign);
}

void mi_curve_fit_row(const struct mi_curve_fit *fit, size_t number, struct mi_curve_fit_row *row) {
    const struct portfolio *portfolio = &fit->portfolio;
    *row = (struct mi_curve_fit_row){
        .asof = MI_DATE_MISSING, .error = NAN, .aicc = NAN, .adstock = fit_round(fit->adstock)};
    if (number == portfolio->campaign_count) {
        fill_pooled(fit, row);
        return;
    }
    const struct campaign *campaign = &portfolio->campaigns[number];
    row->campaign_id = mi_index_text(fit->ids, number);
    row->n = campaign->count;
    if (campaign->count == 0) {
        fill_unknown(fit, campaign, row);
        remark(fit, campaign, row);
        return;
    }
    double covariance[PARAMETERS][PARAMETERS];
    scaled_covariance(fit, campaign, covariance);
    row->covariance_count = fit_family_curve(portfolio->family, campaign->parameter, covariance,
                                             campaign->spend_max, &row->curve, row->covariance);
    row->spend_min = campaign->spend_min;
    row->spend_max = campaign->spend_max;
    row->dispersion = fit_round(campaign->dispersion);
    row->asof = campaign->newest;
    row->n_outliers = campaign->n_outliers;
    row->error = campaign->users > 0 ? fit_round(campaign->absolute_error / campaign->users) : NAN;
    row->aicc = aicc_of(portfolio, campaign);
    row->weight_level = fit_round(fit_prior_weight(portfolio, campaign, 0));
    row->weight_shape =
        campaign_has_shape(campaign) ? fit_round(fit_prior_weight(portfolio, campaign, 1)) : 0;
    row->status = !campaign_has_shape(campaign) ? MI_CURVE_FIT_PORTFOLIO
                  : row->weight_shape < 0.5     ? MI_CURVE_FIT_SHRUNK
                                                : MI_CURVE_FIT_OWN;
    remark(fit, campaign, row);
}
