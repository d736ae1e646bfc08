/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * When money works and when its conversions are known: young days that are not complete yet, and spend that
 * still works on later days.
 *
 * Delay: of a day's conversions a share is known by its age, so that its mean is that much less; the counts
 * stay the counts they are. Shares are estimated by the chain ladder (Mack 1993), from what was known of the
 * same days at several ages. Carry-over: geometric adstock, (1 - rate) sum rate^k spend(t - k), which is the
 * spend itself where that does not change; the rate by likelihood over a part of the portfolio.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "curve/fit.h"

#define CAMPAIGNS_MOST   100 /* that the rate is estimated from */
#define ROWS_NEEDED      14
#define RATE_STEP        0.1
#define RATES            9
#define GAIN_NEEDED      2.0   /* in log likelihood, for any carry-over */
#define PART_CONVERSIONS 200.0 /* that a part is taken to have had as all of them */
#define SHARE_LEAST      0.02  /* a day of which less is known says nothing */

enum mi_status fit_delay_set(struct delays *delays, size_t node, const double *shares, size_t count,
                             struct mi_error *error) {
    if (count > MI_CURVE_DELAY_AGES)
        return mi_error_set(error, MI_BAD_ARGUMENT, "a delay of more than %d days", MI_CURVE_DELAY_AGES);
    for (size_t i = 0; i < count; i++)
        if (!(shares[i] >= 0 && shares[i] <= 1) || (i > 0 && shares[i] < shares[i - 1]))
            return mi_error_set(error, MI_BAD_ARGUMENT,
                                "the share known at age %zu must lie between that of the day before and 1",
                                i);
    struct delay *grown = mi_array_room(delays->of, delays->count, &delays->capacity, sizeof *grown);
    struct delay *own = grown ? &grown[delays->count] : NULL;
    delays->of = grown ? grown : delays->of;
    if (own)
        *own = (struct delay){.node = node, .count = count, .shares = malloc((count + 1) * sizeof *shares)};
    if (!own || !own->shares)
        return mi_no_memory(error);
    memcpy(own->shares, shares, count * sizeof *shares);
    delays->count++;
    return MI_OK;
}

void fit_delays_free(struct delays *delays) {
    for (size_t i = 0; i < delays->count; i++)
        free(delays->of[i].shares);
    free(delays->of);
}

/* The delay of each node of the prior. */
static const struct delay **delays_by_node(const struct portfolio *portfolio, const struct delays *delays) {
    const struct delay **of = calloc(portfolio->prior.node_count, sizeof *of);
    for (size_t i = 1; of && i < delays->count; i++)
        of[delays->of[i].node] = &delays->of[i];
    for (size_t node = 0; of && node < portfolio->prior.node_count; node++)
        if (!of[node])
            of[node] = node > 0 ? of[portfolio->prior.nodes[node].parent] : &delays->of[0];
    return of;
}

enum mi_status fit_delay_apply(struct portfolio *portfolio, int32_t asof, const struct delays *delays,
                               size_t *left_out, struct mi_error *error) {
    const struct delay **of = delays_by_node(portfolio, delays);
    size_t kept = 0;
    *left_out = 0;
    for (size_t i = 0; of && i < portfolio->day_count; i++) {
        struct fit_day day = portfolio->days[i];
        const struct delay *delay = of[portfolio->campaigns[day.campaign].node];
        int64_t age = (int64_t)asof - day.date;
        double share = age < 0 ? 0 : age < (int64_t)delay->count ? delay->shares[age] : 1;
        if (share < SHARE_LEAST) {
            ++*left_out;
            continue;
        }
        day.known = (float)log(share);
        portfolio->days[kept++] = day;
    }
    enum mi_status status = of ? MI_OK : mi_no_memory(error);
    portfolio->day_count = of ? kept : portfolio->day_count;
    free(of);
    return status;
}

void mi_curve_delay_add(struct mi_curve_delay *delay, const double *known, size_t count) {
    for (size_t age = 0; age + 1 < count && age + 1 < MI_CURVE_DELAY_AGES; age++)
        if (isfinite(known[age]) && isfinite(known[age + 1])) {
            delay->before[age] += known[age];
            delay->after[age] += known[age + 1];
        }
    if (count > delay->count)
        delay->count = count < MI_CURVE_DELAY_AGES ? count : MI_CURVE_DELAY_AGES;
}

enum mi_status mi_curve_delay_shares_of_part(const struct mi_curve_delay *part,
                                             const struct mi_curve_delay *all,
                                             double shares[MI_CURVE_DELAY_AGES], struct mi_error *error) {
    double share = 1;
    for (size_t age = all->count; age-- > 0;) {
        if (age + 1 < all->count) {
            if (!(all->after[age] > 0))
                return mi_error_set(error, MI_BAD_INPUT, "no conversions known at both ages %zu and %zu", age,
                                    age + 1);
            double ratio = all->before[age] / all->after[age];
            share *= fmin(
                (part->before[age] + PART_CONVERSIONS * ratio) / (part->after[age] + PART_CONVERSIONS), 1);
        }
        shares[age] = share;
    }
    return MI_OK;
}

enum mi_status mi_curve_delay_shares(const struct mi_curve_delay *delay, double shares[MI_CURVE_DELAY_AGES],
                                     struct mi_error *error) {
    return mi_curve_delay_shares_of_part(delay, delay, shares, error);
}

/* ---- carry-over ---- */

static void carry_campaign(const struct fit_day *from, struct fit_day *to, size_t count, double rate) {
    double carried = count > 0 ? from[0].spend : 0; /* as if it had always been so */
    for (size_t i = 0; i < count; i++) {
        int32_t gap = i > 0 ? from[i].date - from[i - 1].date : 1;
        carried = carried * pow(rate, gap) + (1 - rate) * from[i].spend;
        to[i] = from[i];
        to[i].spend = carried;
    }
}

void fit_adstock_apply(struct portfolio *portfolio, double rate) {
    for (size_t i = 0; i < portfolio->campaign_count; i++) {
        const struct campaign *campaign = &portfolio->campaigns[i];
        struct fit_day *days = portfolio->days + campaign->first;
        carry_campaign(days, days, campaign->count, rate);
    }
}

/* A part of the portfolio: its rows, and where they are in the whole. */
static void choose(const struct portfolio *portfolio, struct portfolio *part, size_t *first) {
    size_t stride = (portfolio->campaign_count + CAMPAIGNS_MOST - 1) / CAMPAIGNS_MOST;
    for (size_t i = 0; i < portfolio->campaign_count; i += stride) {
        const struct campaign *campaign = &portfolio->campaigns[i];
        if (campaign->count < ROWS_NEEDED)
            continue;
        first[part->campaign_count] = campaign->first;
        part->campaigns[part->campaign_count++] =
            (struct campaign){.first = part->day_count, .count = campaign->count};
        part->day_count += campaign->count;
    }
}

static enum mi_status likelihood(const struct portfolio *portfolio, const size_t *first, double rate,
                                 struct portfolio *part, double *sum, struct mi_error *error) {
    size_t used = 0;
    for (size_t i = 0; i < part->campaign_count; i++) {
        size_t count = part->room[i] > 0 ? (size_t)part->room[i] : 0;
        part->campaigns[i] = (struct campaign){.first = used, .count = count};
        carry_campaign(portfolio->days + first[i], part->days + used, count, rate);
        for (size_t k = 0; k < count; k++)
            part->days[used + k].campaign = (uint32_t)i;
        used += count;
    }
    double *room = part->room;
    part->room = room + part->campaign_count;
    fit_portfolio_summarise(part);
    enum mi_status status = fit_portfolio_fit(part, false, error);
    part->room = room;
    *sum = 0;
    for (size_t i = 0; i < part->campaign_count; i++)
        *sum += part->campaigns[i].log_likelihood;
    return status;
}

/* The best rate of a row of them, between its neighbours by a parabola. */
static double top_of(const double *values, size_t count) {
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        best = values[i] > values[best] ? i : best;
    if (best == 0 || !(values[best] > values[0] + GAIN_NEEDED))
        return 0;
    if (best + 1 == count)
        return (double)best * RATE_STEP;
    double bend = values[best - 1] - 2 * values[best] + values[best + 1];
    double shift = bend < 0 ? 0.5 * (values[best - 1] - values[best + 1]) / bend : 0;
    return ((double)best + fmin(fmax(shift, -0.5), 0.5)) * RATE_STEP;
}

enum mi_status fit_adstock_estimate(const struct portfolio *portfolio, double *rate, struct mi_error *error) {
    struct node root = {0};
    struct portfolio part = {.prior = {.nodes = &root, .node_count = 1},
                             .family = fit_family_of(MI_CURVE_HILL),
                             .dated = portfolio->dated,
                             .threads = portfolio->threads};
    size_t *first = calloc(CAMPAIGNS_MOST + 1, sizeof *first);
    double values[RATES];
    part.misfit = part.family->misfit;
    part.campaigns = calloc(CAMPAIGNS_MOST + 1, sizeof *part.campaigns);
    part.room = calloc(2 * CAMPAIGNS_MOST + 2, sizeof *part.room);
    enum mi_status status = first && part.campaigns && part.room ? MI_OK : mi_no_memory(error);
    if (status == MI_OK) {
        choose(portfolio, &part, first);
        part.days = calloc(part.day_count + 1, sizeof *part.days);
        status = part.days ? MI_OK : mi_no_memory(error);
    }
    for (size_t i = 0; i < part.campaign_count && status == MI_OK; i++)
        part.room[i] = (double)part.campaigns[i].count;
    *rate = 0;
    for (size_t i = 0; i < RATES && part.campaign_count > 0 && status == MI_OK; i++)
        status = likelihood(portfolio, first, (double)i * RATE_STEP, &part, &values[i], error);
    if (status == MI_OK && part.campaign_count > 0)
        *rate = top_of(values, RATES);
    free(part.days);
    free(part.room);
    free(part.campaigns);
    free(first);
    return status;
}
