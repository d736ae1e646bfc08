/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What drove a change of CPA. Each period's CPM, CTR and CVR are ratios of its sums, so that the logs of
 * their changes sum to that of CPA exactly; spend, market and frequency then take of CPM and CVR what the
 * fitted stages say of them. Errors are those of ratio estimators from the days (Cochran 1977, section 2.11).
 */
#include <math.h>

#include "curve/price.h"

#define SURE 2.0 /* standard errors */

const char *mi_price_part_name(enum mi_price_part part) {
    static const char *const names[MI_PRICE_PARTS] = {"cpm_spend", "cpm_market",    "cpm_other",
                                                      "ctr",       "cvr_frequency", "cvr_other"};
    return names[part];
}

enum amount {
    SPEND,
    IMPRESSIONS,
    CLICKS,
    CONVERSIONS,
    AMOUNTS,
    SHOWN = AMOUNTS, /* impressions that curve and market lead to expect of the spend */
    AMOUNTS_ALL
};

static double amount_of(const struct price_day *day, enum amount which) {
    const double amounts[AMOUNTS_ALL] = {day->seen.spend, day->seen.impressions, day->seen.clicks,
                                         day->seen.conversions, day->expected};
    return amounts[which];
}

/* A period of a campaign: sums, and means weighted by spend of what moves CPM and CVR. */
struct period {
    int32_t first, last;
    double days, sum[AMOUNTS_ALL];
    double log_price; /* of spend over impressions, as the curve has it */
    double log_spend, market[MI_PRICE_MARKETS], log_often;
};

static bool is_in(const struct price_day *day, const struct period *period) {
    return day->seen.date >= period->first && day->seen.date <= period->last;
}

/* Log of frequency, or of impressions, relative to the campaign's mean. */
static double often_of(const struct mi_price *price, const struct price_campaign *campaign,
                       const struct price_day *day) {
    if (!(day->seen.impressions > 0))
        return 0;
    return price->known_reach && day->seen.reach > 0
               ? log(day->seen.impressions / day->seen.reach) - campaign->log_frequency
               : log(day->seen.impressions) - campaign->log_impressions;
}

static void sum_period(const struct mi_price *price, size_t number, const struct mi_curve *curve,
                       struct period *period) {
    const struct price_campaign *campaign = &price->campaigns[number];
    for (size_t i = 0; i < campaign->rows; i++) {
        const struct price_day *day = &price->days[campaign->first + i];
        if (!is_in(day, period))
            continue;
        double spend = day->seen.spend;
        period->days++;
        for (int a = 0; a < AMOUNTS_ALL; a++)
            period->sum[a] += amount_of(day, (enum amount)a);
        period->log_price += spend * log(spend / mi_curve_users(curve, spend));
        period->log_spend += spend * log(spend);
        period->log_often += spend * often_of(price, campaign, day);
        for (size_t m = 0; m < price->market_count; m++)
            period->market[m] += spend * day->market[m];
    }
    if (!(period->sum[SPEND] > 0))
        return;
    period->log_price /= period->sum[SPEND];
    period->log_spend /= period->sum[SPEND];
    period->log_often /= period->sum[SPEND];
    for (size_t m = 0; m < price->market_count; m++)
        period->market[m] /= period->sum[SPEND];
}

/* Variance of the log of sum(over) / sum(under) of a period: of its days about the ratio (to what is expected
 * of the spend, where that is `under`), not less than that of counting and, for a day or two, the portfolio's
 * dispersion. */
static double ratio_variance(const struct mi_price *price, size_t number, const struct period *period,
                             enum amount over, enum amount under, double dispersion) {
    under = under == SPEND ? SHOWN : under;
    const struct price_campaign *campaign = &price->campaigns[number];
    double ratio = period->sum[over] / period->sum[under], squares = 0, n = period->days;
    for (size_t i = 0; i < campaign->rows; i++) {
        const struct price_day *day = &price->days[campaign->first + i];
        if (is_in(day, period))
            squares += pow(amount_of(day, over) - ratio * amount_of(day, under), 2);
    }
    double found = n > 1 ? squares / (period->sum[over] * period->sum[over]) * n / (n - 1) : 0;
    double assumed = 1 / period->sum[over] + dispersion / n;
    return n < 4 ? fmax(found, assumed) : fmax(found, 1 / period->sum[over]);
}

/* Log of the change of a ratio from before to since, and the variance of that; NaN where it is not defined.
 */
static double ratio_change(const struct mi_price *price, size_t number, const struct period periods[2],
                           enum amount over, enum amount under, double dispersion, double *variance) {
    *variance = 0;
    for (int k = 0; k < 2; k++) {
        if (!(periods[k].sum[over] > 0) || !(periods[k].sum[under] > 0)) {
            *variance = NAN;
            return NAN;
        }
        *variance += ratio_variance(price, number, &periods[k], over, under, dispersion);
    }
    return log(periods[1].sum[over] / periods[1].sum[under]) -
           log(periods[0].sum[over] / periods[0].sum[under]);
}

static void find_driver(struct mi_price_change *change) {
    change->driven = false;
    if (!(fabs(change->total) > SURE * change->total_se))
        return;
    double sign = change->total > 0 ? 1 : -1, most = 0;
    for (int k = 0; k < MI_PRICE_PARTS; k++)
        if (sign * change->part[k] > most) {
            most = sign * change->part[k];
            change->driver = (enum mi_price_part)k;
        }
    change->driven = most > SURE * change->se[change->driver];
}

static void nothing(struct mi_price_change *change) {
    *change = (struct mi_price_change){.cpa_before = NAN, .cpa_since = NAN, .total = NAN, .total_se = NAN};
    for (int k = 0; k < MI_PRICE_PARTS; k++)
        change->part[k] = change->se[k] = NAN;
}

static double cpa_of(const struct period *period) {
    return period->sum[CONVERSIONS] > 0 ? period->sum[SPEND] / period->sum[CONVERSIONS] : NAN;
}

static void campaign_change(const struct mi_price *price, size_t number, struct period periods[2],
                            struct mi_price_change *change) {
    struct mi_curve_fit_row row;
    double *part = change->part, *se = change->se, shown, clicked, converted, bought;
    nothing(change);
    mi_curve_fit_row(price->impressions, number, &row);
    for (int k = 0; k < 2; k++)
        sum_period(price, number, &row.curve, &periods[k]);
    change->cpa_before = cpa_of(&periods[0]);
    change->cpa_since = cpa_of(&periods[1]);
    double cpm = -ratio_change(price, number, periods, IMPRESSIONS, SPEND, price->shown.dispersion, &shown);
    double ctr =
        ratio_change(price, number, periods, CLICKS, IMPRESSIONS, price->clicked.dispersion, &clicked);
    double cvr =
        ratio_change(price, number, periods, CONVERSIONS, CLICKS, price->converted.dispersion, &converted);
    double all = ratio_change(
        price, number, periods, CONVERSIONS, SPEND,
        price->shown.dispersion + price->clicked.dispersion + price->converted.dispersion, &bought);
    change->total = -all;
    change->total_se = sqrt(bought);
    const struct stage_campaign *by_spend = &price->shown.campaigns[number];
    const struct stage_campaign *by_often = &price->converted.campaigns[number];
    double often = stage_tells(&price->converted, BY_SPEND) ? periods[1].log_often - periods[0].log_often : 0;
    double market_variance = 0, moved = periods[1].log_spend - periods[0].log_spend;
    part[MI_PRICE_CPM_SPEND] = periods[1].log_price - periods[0].log_price;
    se[MI_PRICE_CPM_SPEND] = fabs(moved) * sqrt(by_spend->covariance[BY_SPEND][BY_SPEND]);
    part[MI_PRICE_CPM_MARKET] = 0;
    for (size_t m = 0; m < price->market_count; m++) {
        double by = periods[1].market[m] - periods[0].market[m];
        part[MI_PRICE_CPM_MARKET] -= by * by_spend->coefficient[BY_MARKET + m];
        for (size_t n = 0; n < price->market_count; n++)
            market_variance += by * (periods[1].market[n] - periods[0].market[n]) *
                               by_spend->covariance[BY_MARKET + m][BY_MARKET + n];
    }
    se[MI_PRICE_CPM_MARKET] = sqrt(fmax(market_variance, 0));
    part[MI_PRICE_CPM_OTHER] = cpm - part[MI_PRICE_CPM_SPEND] - part[MI_PRICE_CPM_MARKET];
    se[MI_PRICE_CPM_OTHER] = sqrt(shown + pow(se[MI_PRICE_CPM_SPEND], 2) + market_variance);
    part[MI_PRICE_CTR] = -ctr;
    se[MI_PRICE_CTR] = sqrt(clicked);
    part[MI_PRICE_CVR_FREQUENCY] = -often * by_often->coefficient[BY_SPEND];
    se[MI_PRICE_CVR_FREQUENCY] = fabs(often) * sqrt(by_often->covariance[BY_SPEND][BY_SPEND]);
    part[MI_PRICE_CVR_OTHER] = -cvr - part[MI_PRICE_CVR_FREQUENCY];
    se[MI_PRICE_CVR_OTHER] = sqrt(converted + pow(se[MI_PRICE_CVR_FREQUENCY], 2));
    if (isnan(cpm))
        part[MI_PRICE_CPM_SPEND] = part[MI_PRICE_CPM_MARKET] = NAN;
    if (isnan(cvr))
        part[MI_PRICE_CVR_FREQUENCY] = NAN;
    for (int k = 0; k < MI_PRICE_PARTS; k++)
        se[k] = isnan(part[k]) ? NAN : se[k];
    find_driver(change);
}

/* The portfolio's: sums over campaigns; what spend, market and frequency do is the mean of the campaigns',
 * weighted by spend, and the rest of CPM and CVR holds the shift between campaigns too. */
static void portfolio_change(const struct mi_price *price, const struct period empty[2],
                             struct mi_price_change *change) {
    static const enum mi_price_part modelled[] = {MI_PRICE_CPM_SPEND, MI_PRICE_CPM_MARKET,
                                                  MI_PRICE_CVR_FREQUENCY};
    struct period all[2] = {empty[0], empty[1]};
    double sum[MI_PRICE_PARTS] = {0}, variance[MI_PRICE_PARTS] = {0}, total_variance = 0, weights = 0;
    nothing(change);
    for (size_t c = 0; c < price->campaign_count; c++) {
        struct period periods[2] = {empty[0], empty[1]};
        struct mi_price_change own;
        if (price->campaigns[c].rows == 0)
            continue;
        campaign_change(price, c, periods, &own);
        double weight = periods[0].sum[SPEND] + periods[1].sum[SPEND];
        for (int k = 0; k < 2; k++)
            for (int a = 0; a < AMOUNTS; a++)
                all[k].sum[a] += periods[k].sum[a];
        if (isnan(own.total))
            continue;
        weights += weight;
        total_variance += weight * weight * own.total_se * own.total_se;
        for (int k = 0; k < MI_PRICE_PARTS; k++) {
            sum[k] += weight * own.part[k];
            variance[k] += weight * weight * own.se[k] * own.se[k];
        }
    }
    change->cpa_before = cpa_of(&all[0]);
    change->cpa_since = cpa_of(&all[1]);
    if (!(weights > 0) || isnan(change->cpa_before + change->cpa_since))
        return;
    double logs[AMOUNTS];
    for (int a = 0; a < AMOUNTS; a++)
        logs[a] = log(all[1].sum[a] / all[0].sum[a]);
    change->total = logs[SPEND] - logs[CONVERSIONS];
    change->total_se = sqrt(total_variance) / weights;
    for (size_t k = 0; k < sizeof modelled / sizeof modelled[0]; k++)
        change->part[modelled[k]] = sum[modelled[k]] / weights;
    change->part[MI_PRICE_CPM_OTHER] = logs[SPEND] - logs[IMPRESSIONS] - change->part[MI_PRICE_CPM_SPEND] -
                                       change->part[MI_PRICE_CPM_MARKET];
    change->part[MI_PRICE_CTR] = logs[IMPRESSIONS] - logs[CLICKS];
    change->part[MI_PRICE_CVR_OTHER] =
        logs[CLICKS] - logs[CONVERSIONS] - change->part[MI_PRICE_CVR_FREQUENCY];
    for (int k = 0; k < MI_PRICE_PARTS; k++)
        change->se[k] = sqrt(variance[k]) / weights;
    find_driver(change);
}

void price_change(const struct mi_price *price, size_t number, struct mi_price_change *change) {
    int32_t since = price->options.since;
    nothing(change);
    if (since == MI_DATE_MISSING || !price->dated)
        return;
    struct period periods[2] = {{.first = since - price->options.before, .last = since - 1},
                                {.first = since, .last = INT32_MAX}};
    if (number == price->campaign_count)
        portfolio_change(price, periods, change);
    else if (price->campaigns[number].funnel)
        campaign_change(price, number, periods, change);
}
