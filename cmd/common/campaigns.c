/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads level rows as campaigns; see campaigns.h.
 */
#include "common/campaigns.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/costs.h"
#include "common/curves.h"

#define COVARIANCE_MOST 2080 /* numbers: a mix of 64 curves of one parameter each; more are refused */

/* Numbers of a campaign, which may not differ between its rows. */
enum fact {
    PREDICTED_LTV,
    LTV_SE,
    MIN_BUDGET,
    MAX_BUDGET,
    DAILY_BUDGET,
    RECOMMENDED_BUDGET,
    CURVE_SPEND_MAX,
    CURVE_ADSTOCK,
    FACTS
};

static const struct {
    const char *name;
    unsigned rules;
} facts[FACTS] = {
    [PREDICTED_LTV] = {"predicted_ltv", MI_MONEY | MI_FILLED},
    [LTV_SE] = {"ltv_se", MI_MONEY},
    [MIN_BUDGET] = {"min_budget", MI_MONEY},
    [MAX_BUDGET] = {"max_budget", MI_MONEY},
    [DAILY_BUDGET] = {"daily_budget", MI_MONEY},
    [RECOMMENDED_BUDGET] = {"recommended_budget", MI_MONEY},
    [CURVE_SPEND_MAX] = {"curve_spend_max", MI_MONEY},
    [CURVE_ADSTOCK] = {"curve_adstock", MI_ANY},
};

/* Numbers of a level. */
enum figure { SPEND, PREDICTED_CPA, SATURATION_LEVEL, FIGURES };

static const struct {
    const char *name;
    unsigned rules;
} figures[FIGURES] = {
    [SPEND] = {"spend", MI_MONEY},
    [PREDICTED_CPA] = {"predicted_cpa", MI_MONEY | MI_POSITIVE},
    [SATURATION_LEVEL] = {"saturation_level", MI_MONEY},
};

struct reading {
    struct campaigns *campaigns;
    struct mi_reader *reader;
    const struct mi_batch *batch;
    struct cost_columns costs;
    size_t id, curve, covariance, fact[FACTS], figure[FIGURES];
    struct mi_index *index; /* of the ids: the number is the place in items */
    size_t capacity;
};

/* What one row says. */
struct row {
    struct mi_text id, curve, covariance;
    double fact[FACTS], figure[FIGURES];
    struct mi_campaign_costs costs;
};

static enum mi_status open_columns(struct reading *r, struct mi_error *error) {
    enum mi_status status = mi_reader_column(r->reader, "campaign_id", true, &r->id, error);
    for (size_t i = 0; i < FIGURES && !status; i++)
        status = mi_reader_column(r->reader, figures[i].name, false, &r->figure[i], error);
    bool levels = !status && r->figure[SPEND] != MI_NO_COLUMN && r->figure[PREDICTED_CPA] != MI_NO_COLUMN;
    if (!status)
        status = mi_reader_column(r->reader, "curve", !levels, &r->curve, error);
    if (!status)
        status = mi_reader_column(r->reader, "curve_cov", false, &r->covariance, error);
    for (size_t i = 0; i < FACTS && !status; i++)
        status = mi_reader_column(r->reader, facts[i].name, facts[i].rules & MI_FILLED, &r->fact[i], error);
    return status ? status : cost_columns_open(&r->costs, r->reader, error);
}

static enum mi_status read_cells(struct reading *r, size_t at, struct row *row, struct mi_error *error) {
    enum mi_status status = mi_batch_id(r->batch, at, r->id, &row->id, error);
    if (!status)
        status = mi_batch_text(r->batch, at, r->curve, &row->curve, error);
    if (!status)
        status = mi_batch_text(r->batch, at, r->covariance, &row->covariance, error);
    if (!status && r->curve != MI_NO_COLUMN && !row->curve.data)
        status = mi_batch_fault(r->batch, at, r->curve, error, "campaign '%.*s' has no curve",
                                (int)row->id.size, row->id.data);
    for (size_t i = 0; i < FACTS && !status; i++)
        status = mi_batch_number(r->batch, at, r->fact[i], facts[i].rules, &row->fact[i], error);
    for (size_t i = 0; i < FIGURES && !status; i++)
        status = mi_batch_number(r->batch, at, r->figure[i], figures[i].rules, &row->figure[i], error);
    return status ? status : cost_columns_row(&r->costs, r->batch, at, &row->costs, error);
}

static bool same(double a, double b) {
    return a == b || (isnan(a) && isnan(b));
}

static enum mi_status differs(const struct reading *r, size_t at, size_t column, struct mi_text id,
                              struct mi_error *error) {
    return mi_batch_fault(r->batch, at, column, error, "differs from the first row of campaign '%.*s'",
                          (int)id.size, id.data);
}

/* A further row of a campaign says the same as its first. */
static enum mi_status check_same(struct reading *r, size_t first, size_t at, const struct row *row,
                                 struct mi_error *error) {
    struct row before;
    enum mi_status status = read_cells(r, first, &before, error);
    if (status)
        return status;
    if (!mi_text_equal(before.curve, row->curve))
        return differs(r, at, r->curve, row->id, error);
    if (!mi_text_equal(before.covariance, row->covariance))
        return differs(r, at, r->covariance, row->id, error);
    for (size_t i = 0; i < FACTS; i++)
        if (!same(before.fact[i], row->fact[i]))
            return differs(r, at, r->fact[i], row->id, error);
    if (before.costs.rate != row->costs.rate || before.costs.fixed != row->costs.fixed)
        return mi_batch_fault(r->batch, at, MI_NO_COLUMN, error,
                              "the costs differ from the first row of campaign '%.*s'", (int)row->id.size,
                              row->id.data);
    return MI_OK;
}

static enum mi_status add_level(struct campaign *campaign, size_t at, const struct row *row,
                                struct mi_error *error) {
    size_t n = campaign->level_count;
    if ((n & (n - 1)) == 0) { /* full at every power of two */
        struct level *levels = realloc(campaign->levels, (n ? 2 * n : 1) * sizeof *levels);
        if (!levels)
            return no_memory(error);
        campaign->levels = levels;
    }
    campaign->levels[campaign->level_count++] = (struct level){
        .row = at,
        .spend = row->figure[SPEND],
        .cpa = row->figure[PREDICTED_CPA],
        .saturation = row->figure[SATURATION_LEVEL],
    };
    return MI_OK;
}

/* curve_cov: numbers by spaces. */
static enum mi_status read_covariance(struct reading *r, size_t at, struct mi_text text,
                                      const struct mi_curve *curve, double **covariance,
                                      struct mi_error *error) {
    double numbers[COVARIANCE_MOST];
    size_t count = 0;
    const char *here = text.data, *end = text.data + text.size;
    *covariance = NULL;
    if (!text.data)
        return MI_OK;
    while (here < end) {
        const char *to = memchr(here, ' ', (size_t)(end - here));
        to = to ? to : end;
        if (to > here) {
            if (count == COVARIANCE_MOST)
                return mi_batch_fault(r->batch, at, r->covariance, error,
                                      "more numbers than a curve can have");
            if (!mi_number_parse((struct mi_text){here, (size_t)(to - here)}, &numbers[count++]))
                return mi_batch_fault(r->batch, at, r->covariance, error,
                                      "not numbers with spaces between: \"%.*s\"", (int)text.size, text.data);
        }
        here = to + 1;
    }
    struct mi_error reason = {0};
    if (mi_covariance_check(curve, numbers, count, &reason))
        return mi_batch_fault(r->batch, at, r->covariance, error, "%s", reason.text);
    *covariance = malloc((count + 1) * sizeof **covariance);
    if (!*covariance)
        return no_memory(error);
    memcpy(*covariance, numbers, count * sizeof *numbers);
    return MI_OK;
}

static enum mi_status add_campaign(struct reading *r, size_t at, const struct row *row,
                                   struct mi_error *error) {
    struct campaigns *all = r->campaigns;
    struct campaign campaign = {
        .id = row->id,
        .row = at,
        .curve_of_levels = r->curve == MI_NO_COLUMN,
        .predicted_ltv = row->fact[PREDICTED_LTV],
        .ltv_se = row->fact[LTV_SE],
        .costs = row->costs,
        .min_budget = isnan(row->fact[MIN_BUDGET]) ? 0 : row->fact[MIN_BUDGET],
        .max_budget = isnan(row->fact[MAX_BUDGET]) ? INFINITY : row->fact[MAX_BUDGET],
        .daily_budget = row->fact[DAILY_BUDGET],
        .recommended_budget = row->fact[RECOMMENDED_BUDGET],
        .spend_supported = row->fact[CURVE_SPEND_MAX],
    };
    enum mi_status status =
        curve_table_adstock(r->batch, at, r->fact[CURVE_ADSTOCK], &campaign.adstock, error);
    if (!status && !campaign.curve_of_levels)
        status = curve_table_parse(r->batch, at, r->curve, row->curve, &campaign.curve, error);
    if (!status && !campaign.curve_of_levels)
        status = read_covariance(r, at, row->covariance, &campaign.curve, &campaign.covariance, error);
    if (status) {
        mi_curve_clear(&campaign.curve);
        return status;
    }
    struct campaign *items = mi_array_room(all->items, all->count, &r->capacity, sizeof *items);
    if (!items) {
        free(campaign.covariance);
        mi_curve_clear(&campaign.curve);
        return no_memory(error);
    }
    all->items = items;
    all->items[all->count++] = campaign;
    size_t number;
    return mi_index_add(r->index, row->id, &number, NULL, error);
}

static enum mi_status read_row(struct reading *r, size_t at, struct mi_error *error) {
    struct row row;
    enum mi_status status = read_cells(r, at, &row, error);
    if (status)
        return status;
    size_t place = mi_index_find(r->index, row.id);
    if (place == SIZE_MAX) {
        place = r->campaigns->count;
        status = add_campaign(r, at, &row, error);
    } else {
        status = check_same(r, r->campaigns->items[place].row, at, &row, error);
    }
    return status ? status : add_level(&r->campaigns->items[place], at, &row, error);
}

static int compare_points(const void *a, const void *b) {
    const struct mi_curve_point *x = a, *y = b;
    return (x->spend > y->spend) - (x->spend < y->spend);
}

static enum mi_status no_curve(const struct campaign *campaign, struct mi_error *error, const char *why) {
    return mi_error_set(error, MI_BAD_INPUT, "campaign '%.*s' has no curve: %s", (int)campaign->id.size,
                        campaign->id.data, why);
}

/* The text of points through the levels, so that one reader of curves says what such a curve may be. */
static enum mi_status points_curve(struct campaign *campaign, struct mi_curve_point *points, size_t count,
                                   struct mi_error *error) {
    size_t size = 16 + count * 2 * (MI_NUMBER_LENGTH + 1), used = 7;
    char *text = malloc(size);
    if (!text)
        return no_memory(error);
    memcpy(text, "points(", used);
    for (size_t i = 0; i < count; i++) {
        used += mi_number_format(points[i].spend, text + used);
        text[used++] = ':';
        used += mi_number_format(points[i].cpa, text + used);
        text[used++] = i + 1 < count ? ' ' : ')';
    }
    struct mi_error reason = {0};
    enum mi_status status = mi_curve_parse((struct mi_text){text, used}, &campaign->curve, &reason);
    free(text);
    if (status == MI_BAD_RECORD)
        return no_curve(campaign, error, reason.text);
    return status ? mi_error_set(error, status, "%s", reason.text) : MI_OK;
}

/* Makes a curve of a campaign's levels: those with spend, by rising spend, one that is there twice once. */
static enum mi_status curve_of_levels(struct campaign *campaign, struct mi_error *error) {
    struct mi_curve_point *points = malloc(campaign->level_count * sizeof *points);
    size_t all = 0, kept = 0;
    enum mi_status status = MI_OK;
    if (!points)
        return no_memory(error);
    for (size_t i = 0; i < campaign->level_count; i++) {
        const struct level *level = &campaign->levels[i];
        if (level->spend > 0 && level->cpa > 0)
            points[all++] = (struct mi_curve_point){level->spend, level->cpa};
    }
    qsort(points, all, sizeof *points, compare_points);
    for (size_t i = 0; i < all && !status; i++) {
        if (kept == 0 || points[i].spend > points[kept - 1].spend)
            points[kept++] = points[i];
        else if (points[i].cpa != points[kept - 1].cpa)
            status = no_curve(campaign, error, "two levels of one spend have another predicted_cpa");
    }
    if (!status && kept < 2)
        status = no_curve(campaign, error, "give column 'curve', or two levels with spend and predicted_cpa");
    if (!status)
        status = points_curve(campaign, points, kept, error);
    free(points);
    return status;
}

/* How far the data go, where no column says. */
static double supported(const struct campaign *campaign) {
    double last = mi_curve_last_point(&campaign->curve);
    if (!isnan(campaign->spend_supported) || campaign->level_count < 2)
        return isnan(campaign->spend_supported) ? last : campaign->spend_supported;
    for (size_t i = 0; i < campaign->level_count && campaign->curve.family != MI_CURVE_POINTS; i++)
        last = fmax(last, campaign->levels[i].spend);
    return last;
}

static enum mi_status finish_campaigns(struct reading *r, struct mi_error *error) {
    struct campaigns *all = r->campaigns;
    all->has_daily_budget = r->fact[DAILY_BUDGET] != MI_NO_COLUMN;
    all->has_recommended_budget = r->fact[RECOMMENDED_BUDGET] != MI_NO_COLUMN;
    all->curves_of_levels = r->curve == MI_NO_COLUMN;
    for (size_t i = 0; i < all->count; i++) {
        if (all->items[i].curve_of_levels) {
            enum mi_status status = curve_of_levels(&all->items[i], error);
            if (status)
                return status;
        }
        all->items[i].spend_supported = supported(&all->items[i]);
    }
    return MI_OK;
}

/* Which columns differ within some campaign. */
static enum mi_status find_varying(struct campaigns *all, const struct mi_reader *reader,
                                   struct mi_error *error) {
    all->column_count = mi_reader_column_count(reader);
    all->varies = calloc(all->column_count + 1, sizeof *all->varies);
    if (!all->varies)
        return no_memory(error);
    for (size_t c = 0; c < all->column_count; c++) {
        for (size_t i = 0; i < all->count && !all->varies[c]; i++) {
            const struct campaign *campaign = &all->items[i];
            for (size_t k = 1; k < campaign->level_count && !all->varies[c]; k++) {
                struct mi_text first, here;
                enum mi_status status = mi_batch_text(all->batch, campaign->row, c, &first, error);
                if (!status)
                    status = mi_batch_text(all->batch, campaign->levels[k].row, c, &here, error);
                if (status)
                    return status;
                all->varies[c] = !mi_text_equal(first, here);
            }
        }
    }
    return MI_OK;
}

static enum mi_status read_rows(struct reading *r, struct mi_error *error) {
    struct mi_batch *batch;
    enum mi_status status = mi_reader_next(r->reader, &batch, error);
    if (status)
        return status == MI_END ? MI_OK : status;
    r->batch = r->campaigns->batch = batch;
    for (size_t i = 0; i < mi_batch_rows(batch) && !status; i++) {
        status = read_row(r, i, error);
        if (status)
            status = mi_reader_reject(r->reader, batch, i, error);
    }
    return status;
}

enum mi_status campaigns_read(struct campaigns *campaigns, struct stream *stream, struct mi_error *error) {
    *campaigns = (struct campaigns){0};
    enum mi_status status = stream_open(stream, true, error);
    if (status)
        return status;
    struct reading reading = {.campaigns = campaigns, .reader = stream->reader};
    status = open_columns(&reading, error);
    if (!status)
        status = mi_index_new(&reading.index, error);
    if (!status)
        status = read_rows(&reading, error);
    if (!status)
        status = finish_campaigns(&reading, error);
    if (!status)
        status = find_varying(campaigns, stream->reader, error);
    mi_index_free(reading.index);
    return status;
}

static bool is_among(const char *const *names, struct mi_text name) {
    for (; *names; names++)
        if (mi_text_equal(mi_text_of(*names), name))
            return true;
    return false;
}

/* What holds at the levels' spends alone, and no tool downstream computes anew. */
static const char *const of_levels[] = {
    "cpa_lo",         "cpa_hi",         "users_lo",         "users_hi", "marginal_cpa_lo", "marginal_cpa_hi",
    "beyond_support", "attributed_cpa", "attributed_users", "roas_lo",  "roas_hi",         "profit_lo",
    "profit_hi",      "roi_lo",         "roi_hi",           NULL};

/* Names the columns of `drop` in one note. */
static enum mi_status say_dropped(const struct campaigns *campaigns, const struct mi_reader *reader,
                                  const bool *drop, struct mi_error *error) {
    size_t size = 1;
    for (size_t c = 0; c < campaigns->column_count; c++)
        size += drop[c] ? mi_reader_column_name(reader, c).size + 2 : 0;
    if (size == 1)
        return MI_OK;
    char *names = malloc(size);
    if (!names)
        return no_memory(error);
    size_t used = 0;
    for (size_t c = 0; c < campaigns->column_count; c++) {
        struct mi_text name = mi_reader_column_name(reader, c);
        if (!drop[c])
            continue;
        memcpy(names + used, ", ", used ? 2 : 0);
        used += used ? 2 : 0;
        memcpy(names + used, name.data, name.size);
        used += name.size;
    }
    names[used] = '\0';
    note("left out, since they differ within a campaign: %s", names);
    free(names);
    return MI_OK;
}

enum mi_status campaigns_output(const struct campaigns *campaigns, struct stream *stream,
                                const char *const *computed, struct mi_error *error) {
    bool *drop = calloc(campaigns->column_count + 1, sizeof *drop);
    if (!drop)
        return no_memory(error);
    enum mi_status status = stream_output(stream, true, error);
    for (size_t c = 0; c < campaigns->column_count && !status; c++) {
        struct mi_text name = mi_reader_column_name(stream->reader, c);
        bool stale = is_among(of_levels, name);
        drop[c] = !stale && campaigns->varies[c] && !is_among(computed, name);
        if (drop[c] || stale)
            status = mi_writer_drop(stream->writer, c, error);
    }
    if (!status)
        status = say_dropped(campaigns, stream->reader, drop, error);
    free(drop);
    return status;
}

double campaign_saturation(const struct campaign *campaign, double spend) {
    double users = mi_curve_users(&campaign->curve, spend);
    if (!isnan(mi_curve_ceiling(&campaign->curve)))
        return mi_curve_saturation(&campaign->curve, spend);
    /* saturation per user at the levels around, in between by interpolation */
    double below = -INFINITY, above = INFINITY, per_below = NAN, per_above = NAN;
    for (size_t i = 0; i < campaign->level_count; i++) {
        const struct level *level = &campaign->levels[i];
        double per_user = level->saturation / mi_curve_users(&campaign->curve, level->spend);
        if (!isfinite(per_user))
            continue;
        if (level->spend <= spend && level->spend > below) {
            below = level->spend;
            per_below = per_user;
        }
        if (level->spend >= spend && level->spend < above) {
            above = level->spend;
            per_above = per_user;
        }
    }
    if (isnan(per_below))
        per_below = per_above;
    if (isnan(per_above))
        per_above = per_below;
    if (isnan(per_below))
        return NAN;
    double share =
        isfinite(below) && above > below && isfinite(above) ? (spend - below) / (above - below) : 0;
    return fmin(1, users * (per_below + share * (per_above - per_below)));
}

void campaigns_free(struct campaigns *campaigns) {
    for (size_t i = 0; i < campaigns->count; i++) {
        free(campaigns->items[i].levels);
        free(campaigns->items[i].covariance);
        mi_curve_clear(&campaigns->items[i].curve);
    }
    free(campaigns->items);
    free(campaigns->varies);
    *campaigns = (struct campaigns){0};
}
