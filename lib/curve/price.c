/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The funnel behind a CPA: collects days, fits the stages and the curve of impressions, and puts them
 * together to a curve of conversions.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "curve/price.h"

#define RECENT_DAYS 7

enum mi_status mi_price_new(const struct mi_price_options *options, struct mi_price **made,
                            struct mi_error *error) {
    if (options->market_count > MI_PRICE_MARKETS)
        return mi_error_set(error, MI_BAD_ARGUMENT, "at most %d columns of the market", MI_PRICE_MARKETS);
    struct mi_price *price = calloc(1, sizeof *price);
    if (!price)
        return mi_no_memory(error);
    const struct mi_curve_fit_options how = {
        .any_family = true, .sum_duplicates = true, .threads = options->threads};
    price->options = *options;
    price->known_reach = true;
    enum mi_status status = mi_index_new(&price->ids, error);
    if (status == MI_OK)
        status = mi_curve_fit_new(&how, &price->impressions, error);
    if (status == MI_OK)
        status = mi_curve_fit_new(&how, &price->conversions, error);
    if (status != MI_OK) {
        mi_price_free(price);
        return status;
    }
    *made = price;
    return MI_OK;
}

void mi_price_free(struct mi_price *price) {
    if (!price)
        return;
    mi_index_free(price->ids);
    mi_curve_fit_free(price->impressions);
    mi_curve_fit_free(price->conversions);
    free(price->days);
    free(price->campaigns);
    free(price->shown.campaigns);
    free(price->clicked.campaigns);
    free(price->converted.campaigns);
    free(price);
}

/* ---- collecting ---- */

static bool is_amount(double value) {
    return value >= 0 && value <= MI_MONEY_LIMIT;
}

static enum mi_status check_day(const struct mi_price *price, struct mi_text id,
                                const struct mi_price_day *day, struct mi_error *error) {
    if (mi_text_equal(id, mi_text_of("*")))
        return mi_error_set(error, MI_BAD_RECORD, "\"*\" is kept for the portfolio");
    if (!is_amount(day->spend) || !is_amount(day->impressions) || !is_amount(day->clicks) ||
        !is_amount(day->conversions))
        return mi_error_set(error, MI_BAD_RECORD, "amounts must be 0 to 1e15");
    if (day->clicks > day->impressions)
        return mi_error_set(error, MI_BAD_RECORD, "%.10g clicks of %.10g impressions", day->clicks,
                            day->impressions);
    if (day->reach > day->impressions)
        return mi_error_set(error, MI_BAD_RECORD, "%.10g people reached by %.10g impressions", day->reach,
                            day->impressions);
    for (size_t m = 0; m < price->options.market_count; m++)
        if (!isfinite(day->market[m]))
            return mi_error_set(error, MI_BAD_RECORD, "column '%s' is empty", price->options.market_names[m]);
    if (price->day_count > 0 && price->dated != (day->date != MI_DATE_MISSING))
        return mi_error_set(error, MI_BAD_RECORD, "some rows have a date and some have none");
    return MI_OK;
}

enum mi_status mi_price_add(struct mi_price *price, struct mi_text campaign_id,
                            const struct mi_price_day *day, struct mi_error *error) {
    size_t number;
    bool added;
    enum mi_status status = check_day(price, campaign_id, day, error);
    if (status != MI_OK)
        return status;
    void *days = mi_array_room(price->days, price->day_count, &price->day_room, sizeof *price->days);
    price->days = days ? days : price->days;
    void *campaigns = mi_array_room(price->campaigns, price->campaign_count, &price->campaign_room,
                                    sizeof *price->campaigns);
    price->campaigns = campaigns ? campaigns : price->campaigns;
    if (!days || !campaigns)
        return mi_no_memory(error);
    status = mi_index_add(price->ids, campaign_id, &number, &added, error);
    /* both fits know the campaigns from the start, so that their numbers are the same */
    if (status == MI_OK && added)
        status = mi_curve_fit_campaign(price->impressions, campaign_id, error);
    if (status == MI_OK && added)
        status = mi_curve_fit_campaign(price->conversions, campaign_id, error);
    if (status != MI_OK)
        return status;
    if (added)
        price->campaigns[price->campaign_count++] = (struct price_campaign){0};
    price->dated = day->date != MI_DATE_MISSING;
    price->days[price->day_count++] = (struct price_day){.seen = *day, .campaign = (uint32_t)number};
    return MI_OK;
}

enum mi_status mi_price_group(struct mi_price *price, struct mi_text campaign_id,
                              const struct mi_text *attributes, size_t count, struct mi_error *error) {
    enum mi_status status = mi_curve_fit_group(price->impressions, campaign_id, attributes, count, error);
    return status ? status : mi_curve_fit_group(price->conversions, campaign_id, attributes, count, error);
}

/* ---- order ---- */

static int compare_days(const void *a, const void *b) {
    const struct price_day *x = a, *y = b;
    if (x->campaign != y->campaign)
        return x->campaign < y->campaign ? -1 : 1;
    if (x->seen.date != y->seen.date)
        return x->seen.date < y->seen.date ? -1 : 1;
    return (x->seen.line > y->seen.line) - (x->seen.line < y->seen.line);
}

static enum mi_status duplicate_found(const struct mi_price *price, const struct price_day *a,
                                      const struct price_day *b, struct mi_error *error) {
    char date[16];
    mi_date_format(a->seen.date, date);
    struct mi_text id = mi_index_text(price->ids, a->campaign);
    if (error)
        error->line = b->seen.line;
    return mi_error_set(error, MI_BAD_INPUT, "campaign '%.*s' has %s twice, first in line %llu",
                        id.size > 100 ? 100 : (int)id.size, id.data, date, (unsigned long long)a->seen.line);
}

/* Amounts of two rows of a day together; the market is that of both. */
static void add_up(struct mi_price_day *sum, const struct mi_price_day *day) {
    sum->spend += day->spend;
    sum->impressions += day->impressions;
    sum->clicks += day->clicks;
    sum->conversions += day->conversions;
    sum->reach += day->reach;
}

static enum mi_status order_days(struct mi_price *price, struct mi_error *error) {
    size_t kept = 0;
    if (price->day_count > 0)
        qsort(price->days, price->day_count, sizeof *price->days, compare_days);
    for (size_t i = 0; i < price->day_count; i++) {
        struct price_day *last = kept ? &price->days[kept - 1] : NULL, day = price->days[i];
        bool twice =
            price->dated && last && last->campaign == day.campaign && last->seen.date == day.seen.date;
        if (twice && !price->options.sum_duplicates)
            return duplicate_found(price, last, &day, error);
        if (twice) {
            add_up(&last->seen, &day.seen);
            price->summed++;
        } else {
            price->days[kept++] = day;
        }
    }
    price->day_count = kept;
    kept = 0;
    for (size_t i = 0; i < price->day_count; i++) {
        if (price->days[i].seen.spend > 0)
            price->days[kept++] = price->days[i];
        else
            price->unspent++;
    }
    price->day_count = kept;
    return MI_OK;
}

/* ---- campaigns ---- */

static double mean_recent_spend(const struct mi_price *price, const struct price_campaign *campaign) {
    double sum = 0, count = 0;
    for (size_t i = 0; i < campaign->rows; i++) {
        const struct mi_price_day *day = &price->days[campaign->first + i].seen;
        if (!price->dated || day->date > campaign->newest - RECENT_DAYS) {
            sum += day->spend;
            count++;
        }
    }
    return count > 0 ? sum / count : NAN;
}

static void summarise(struct mi_price *price) {
    for (size_t i = 0; i < price->day_count; i++) {
        const struct mi_price_day *day = &price->days[i].seen;
        struct price_campaign *campaign = &price->campaigns[price->days[i].campaign];
        if (campaign->rows++ == 0)
            campaign->first = i;
        campaign->spend_max = fmax(campaign->spend_max, day->spend);
        campaign->spend += day->spend;
        campaign->impressions += day->impressions;
        campaign->clicks += day->clicks;
        campaign->conversions += day->conversions;
        campaign->newest = day->date; /* the days are in order */
        price->unshown += day->impressions == 0;
        price->unclicked += day->impressions > 0 && day->clicks == 0 && day->conversions > 0;
        price->known_reach = price->known_reach && (day->reach > 0 || day->impressions == 0);
    }
    for (size_t c = 0; c < price->campaign_count; c++) {
        struct price_campaign *campaign = &price->campaigns[c];
        double count = 0;
        for (size_t i = 0; i < campaign->rows; i++) {
            const struct mi_price_day *day = &price->days[campaign->first + i].seen;
            if (!(day->impressions > 0))
                continue;
            campaign->log_impressions += log(day->impressions);
            campaign->log_frequency += price->known_reach ? log(day->impressions / day->reach) : 0;
            count++;
        }
        campaign->log_impressions /= count > 0 ? count : 1;
        campaign->log_frequency /= count > 0 ? count : 1;
        campaign->spend_now = mean_recent_spend(price, campaign);
        campaign->funnel = campaign->impressions > 0 && campaign->clicks > 0;
    }
}

/* ---- stages ---- */

static double months(const struct mi_price *price, const struct price_day *day) {
    const struct price_campaign *campaign = &price->campaigns[day->campaign];
    return price->dated ? ((double)day->seen.date - campaign->newest) / TREND_DAYS : 0;
}

enum which { SHOWN, CLICKED, CONVERTED };

/* A day's row in a stage; false: it has no exposure. */
static bool stage_row_of(const struct mi_price *price, enum which which, const struct price_day *day,
                         struct stage_row *row) {
    const struct mi_price_day *seen = &day->seen;
    const struct price_campaign *campaign = &price->campaigns[day->campaign];
    double relative = seen->impressions > 0 ? log(seen->impressions) - campaign->log_impressions : 0;
    *row = (struct stage_row){.x = {1, 0, months(price, day)}};
    if (!campaign->funnel || !(seen->impressions > 0))
        return false;
    switch (which) {
    case SHOWN:
        row->count = seen->impressions;
        row->exposure = seen->spend;
        row->x[BY_SPEND] = log(seen->spend / campaign->spend_max);
        for (size_t m = 0; m < price->market_count; m++)
            row->x[BY_MARKET + m] = day->market[m];
        return true;
    case CLICKED:
        row->count = seen->clicks;
        row->exposure = seen->impressions;
        row->x[BY_SPEND] = relative;
        return true;
    default:
        row->count = seen->conversions;
        row->exposure = seen->conversions > 0 ? fmax(seen->clicks, 1) : seen->clicks;
        row->x[BY_SPEND] =
            price->known_reach ? log(seen->impressions / seen->reach) - campaign->log_frequency : relative;
        return row->exposure > 0;
    }
}

static enum mi_status fit_stage(struct mi_price *price, enum which which, struct stage *stage,
                                struct mi_error *error) {
    size_t used = 0;
    stage->rows = calloc(price->day_count + 1, sizeof *stage->rows);
    stage->campaigns = calloc(price->campaign_count + 1, sizeof *stage->campaigns);
    stage->campaign_count = price->campaign_count;
    if (!stage->rows || !stage->campaigns) {
        free(stage->rows);
        stage->rows = NULL;
        return mi_no_memory(error);
    }
    for (size_t c = 0; c < price->campaign_count; c++) {
        stage->campaigns[c].first = used;
        for (size_t i = 0; i < price->campaigns[c].rows; i++)
            used +=
                stage_row_of(price, which, &price->days[price->campaigns[c].first + i], &stage->rows[used]);
        stage->campaigns[c].rows = used - stage->campaigns[c].first;
    }
    stage_fit(stage);
    free(stage->rows);
    stage->rows = NULL;
    return MI_OK;
}

/* What is assumed of coefficients before the days: impressions rise with spend to the power 0.7 give or take
 * 0.3; rates fall a little, if at all, as more is shown; trends of 20 % a month are seen; a market's column
 * may do anything. */
static void assume(struct mi_price *price) {
    price->shown = (struct stage){.coefficients = BY_MARKET + price->market_count,
                                  .start = {0, -0.3, 0},
                                  .uncertainty = {0, 0.3, 0.2},
                                  .spread = {0.7, 0.2, 0.1},
                                  .least_spread = {0.05, 0.03, 0.01}};
    for (size_t m = BY_MARKET; m < STAGE_MOST; m++) {
        price->shown.uncertainty[m] = 1.5;
        price->shown.spread[m] = 0.2;
        price->shown.least_spread[m] = 0.02;
    }
    price->clicked = (struct stage){.coefficients = BY_MARKET,
                                    .uncertainty = {0, 0.2, 0.2},
                                    .spread = {0.7, 0.1, 0.1},
                                    .least_spread = {0.05, 0.02, 0.01}};
    price->converted = price->clicked;
    price->converted.start[BY_SPEND] = -0.1;
    price->converted.uncertainty[BY_SPEND] = 0.4;
    price->converted.spread[BY_SPEND] = 0.2;
}

/* ---- curves ---- */

static bool any_funnel(const struct mi_price *price) {
    for (size_t c = 0; c < price->campaign_count; c++)
        if (price->campaigns[c].funnel)
            return true;
    return false;
}

/* What the market takes from, or adds to, the logs of impressions and conversions of a day. */
static double market_effect(const struct mi_price *price, const struct price_day *day) {
    double off = 0;
    for (size_t m = 0; m < price->market_count; m++)
        off += price->shown.campaigns[day->campaign].coefficient[BY_MARKET + m] * day->market[m];
    return off;
}

/* A day's conversions had the market been today's, whole as they are counted: what rounding takes from one
 * day it gives to the next. */
static double conversions_today(const struct mi_price *price, const struct price_day *day, double *carried) {
    if (price->market_count == 0)
        return day->seen.conversions;
    double wanted = day->seen.conversions * exp(-market_effect(price, day));
    double rounded = fmin(fmax(round(wanted + *carried), 0), MI_MONEY_LIMIT);
    *carried += wanted - rounded;
    return day->seen.conversions == floor(day->seen.conversions) ? rounded : fmin(wanted, MI_MONEY_LIMIT);
}

static enum mi_status add_to_curves(struct mi_price *price, const struct price_day *day, double *carried,
                                    struct mi_error *error) {
    const double covariates[2] = {day->seen.impressions, day->seen.clicks};
    struct mi_text id = mi_index_text(price->ids, day->campaign);
    enum mi_status status = mi_curve_fit_add(price->conversions, id, day->seen.date, day->seen.spend,
                                             conversions_today(price, day, carried), day->seen.line, error);
    if (status == MI_OK && any_funnel(price))
        status = mi_curve_fit_covariates(price->conversions, id, covariates, 2, error);
    if (status == MI_OK && price->campaigns[day->campaign].funnel && day->seen.impressions > 0)
        status = mi_curve_fit_add(
            price->impressions, id, day->seen.date, day->seen.spend,
            fmin(round(day->seen.impressions * exp(-market_effect(price, day))), MI_MONEY_LIMIT),
            day->seen.line, error);
    return status;
}

static enum mi_status fit_curves(struct mi_price *price, const struct mi_notes *notes,
                                 struct mi_error *error) {
    enum mi_status status = MI_OK;
    double carried = 0;
    for (size_t i = 0; i < price->day_count && status == MI_OK; i++) {
        if (i > 0 && price->days[i].campaign != price->days[i - 1].campaign)
            carried = 0;
        status = add_to_curves(price, &price->days[i], &carried, error);
    }
    if (status == MI_OK && any_funnel(price))
        status = mi_curve_fit_run(price->impressions, NULL, error);
    return status == MI_OK ? mi_curve_fit_run(price->conversions, notes, error) : status;
}

/* The impressions that the fitted curve and the market lead to expect of every day. */
static void expect_impressions(struct mi_price *price) {
    struct mi_curve_fit_row row;
    uint32_t last = UINT32_MAX;
    for (size_t i = 0; i < price->day_count; i++) {
        struct price_day *day = &price->days[i];
        if (!price->campaigns[day->campaign].funnel)
            continue;
        if (day->campaign != last)
            mi_curve_fit_row(price->impressions, day->campaign, &row);
        last = day->campaign;
        day->expected = mi_curve_users(&row.curve, day->seen.spend) * exp(market_effect(price, day));
    }
}

/* ---- running ---- */

static const char *plural(size_t count) {
    return count == 1 ? "" : "s";
}

static void say(const struct mi_price *price, const struct mi_notes *notes) {
    size_t without = 0;
    for (size_t c = 0; c < price->campaign_count; c++)
        without += !price->campaigns[c].funnel;
    if (price->summed > 0)
        mi_notes_say(notes, "%zu row%s added to another of the same campaign and date", price->summed,
                     plural(price->summed));
    if (price->unspent > 0)
        mi_notes_say(notes, "%zu row%s without spend: left out", price->unspent, plural(price->unspent));
    if (price->unshown > 0)
        mi_notes_say(notes, "%zu row%s with spend but no impressions: left out of CPM, CTR and CVR",
                     price->unshown, plural(price->unshown));
    if (price->unclicked > 0)
        mi_notes_say(notes, "%zu row%s with conversions but no clicks: taken for one click", price->unclicked,
                     plural(price->unclicked));
    if (without > 0)
        mi_notes_say(notes,
                     "%zu of %zu campaigns have no impressions or no clicks: their CPA cannot be taken apart",
                     without, price->campaign_count);
}

enum mi_status mi_price_run(struct mi_price *price, const struct mi_notes *notes, struct mi_error *error) {
    if (price->campaign_count == 0)
        return MI_OK;
    enum mi_status status = order_days(price, error);
    if (status != MI_OK)
        return status;
    if (price->day_count == 0)
        return mi_error_set(error, MI_BAD_INPUT, "no campaign ever spent: nothing to fit");
    summarise(price);
    say(price, notes);
    status = price_market(price, notes, error);
    assume(price);
    if (status == MI_OK)
        status = fit_stage(price, SHOWN, &price->shown, error);
    if (status == MI_OK)
        status = fit_stage(price, CLICKED, &price->clicked, error);
    if (status == MI_OK)
        status = fit_stage(price, CONVERTED, &price->converted, error);
    if (status == MI_OK)
        status = fit_curves(price, notes, error);
    if (status == MI_OK)
        expect_impressions(price);
    return status;
}

/* ---- results ---- */

size_t mi_price_count(const struct mi_price *price) {
    return price->campaign_count ? price->campaign_count + 1 : 0;
}

/* What a stage says of a coefficient; NaN where its rows tell nothing of it. */
static double told(const struct stage *stage, const double *coefficients, size_t which) {
    return stage_tells(stage, which) ? coefficients[which] : NAN;
}

/* Change in 30 days, of a log's trend. */
static double monthly(const struct stage *stage, const double *coefficients, double sign) {
    return fit_round(expm1(sign * told(stage, coefficients, BY_TREND)));
}

static void fill_effects(const struct mi_price *price, const double *shown, const double *clicked,
                         const double *converted, struct mi_price_row *row) {
    row->ctr_impressions = fit_round(told(&price->clicked, clicked, BY_SPEND));
    row->cvr_frequency = fit_round(told(&price->converted, converted, BY_SPEND));
    row->cpm_trend = monthly(&price->shown, shown, -1);
    row->ctr_trend = monthly(&price->clicked, clicked, 1);
    row->cvr_trend = monthly(&price->converted, converted, 1);
}

/* CPM, CTR and CVR at a spend, and what they change with. */
static void fill_parts(const struct mi_price *price, size_t number, struct mi_price_row *row) {
    const struct stage_campaign *shown = &price->shown.campaigns[number];
    const struct stage_campaign *clicked = &price->clicked.campaigns[number];
    const struct stage_campaign *converted = &price->converted.campaigns[number];
    struct mi_curve_fit_row impressions;
    mi_curve_fit_row(price->impressions, number, &impressions);
    double spend = row->spend, users = mi_curve_users(&row->fit.curve, spend);
    double views = mi_curve_users(&impressions.curve, spend);
    double x[STAGE_MOST] = {1, log(views) - price->campaigns[number].log_impressions, 0};
    row->cpa = fit_round(spend / users);
    row->cpm = fit_round(1000 * spend / views);
    row->ctr = fit_round(exp(stage_log_rate(&price->clicked, clicked, x)));
    row->cvr = fit_round(users / views / row->ctr); /* so that CPA is their product exactly */
    row->cpm_spend = fit_round(1 - spend * mi_curve_slope(&impressions.curve, spend) / views);
    fill_effects(price, shown->coefficient, clicked->coefficient, converted->coefficient, row);
    for (size_t m = 0; m < price->market_count; m++) {
        row->market[price->market[m]] = fit_round(-shown->coefficient[BY_MARKET + m]);
        row->market_se[price->market[m]] =
            fit_round(sqrt(fmax(shown->covariance[BY_MARKET + m][BY_MARKET + m], 0)));
    }
}

/* The portfolio's: what stands in for every campaign. */
static void fill_pooled_parts(const struct mi_price *price, struct mi_price_row *row) {
    double spend = 0, views = 0, clicks = 0, conversions = 0;
    for (size_t c = 0; c < price->campaign_count; c++) {
        if (!price->campaigns[c].funnel)
            continue;
        spend += price->campaigns[c].spend;
        views += price->campaigns[c].impressions;
        clicks += price->campaigns[c].clicks;
        conversions += price->campaigns[c].conversions;
    }
    row->cpm = fit_round(1000 * spend / views);
    row->ctr = fit_round(clicks / views);
    row->cvr = fit_round(conversions / clicks);
    row->cpa = conversions > 0 ? fit_round(spend / conversions) : NAN;
    row->cpm_spend = fit_round(-told(&price->shown, price->shown.mean, BY_SPEND));
    fill_effects(price, price->shown.mean, price->clicked.mean, price->converted.mean, row);
    for (size_t m = 0; m < price->market_count; m++) {
        row->market[price->market[m]] = fit_round(-price->shown.mean[BY_MARKET + m]);
        row->market_se[price->market[m]] = fit_round(sqrt(price->shown.mean_variance[BY_MARKET + m]));
    }
}

static const char *missing_part(const struct price_campaign *campaign) {
    return campaign->impressions > 0 ? "no clicks" : "no impressions";
}

void mi_price_row(const struct mi_price *price, size_t number, struct mi_price_row *row) {
    bool pooled = number == price->campaign_count;
    *row = (struct mi_price_row){.spend = NAN, .cpm = NAN, .ctr = NAN, .cvr = NAN, .cpa = NAN};
    row->cpm_spend = row->ctr_impressions = row->cvr_frequency = NAN;
    row->cpm_trend = row->ctr_trend = row->cvr_trend = NAN;
    for (size_t m = 0; m < MI_PRICE_MARKETS; m++)
        row->market[m] = row->market_se[m] = NAN;
    row->funnel = pooled ? any_funnel(price) : price->campaigns[number].funnel;
    mi_curve_fit_row(price->conversions, number, &row->fit);
    if (!pooled)
        row->spend = fit_round(price->campaigns[number].spend_now);
    if (row->funnel && pooled)
        fill_pooled_parts(price, row);
    else if (row->funnel)
        fill_parts(price, number, row);
    else if (!pooled && price->campaigns[number].rows == 0)
        snprintf(row->fit.note, sizeof row->fit.note, "never spent");
    else if (!pooled && row->fit.note[0] == '\0')
        snprintf(row->fit.note, sizeof row->fit.note, "%s", missing_part(&price->campaigns[number]));
    price_change(price, number, &row->change);
}
