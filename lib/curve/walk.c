/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Levels that move: the log level of a campaign walks, by a normal step each day, and has better and worse
 * spells of some days (an autoregression of first order). The curve is that of the walk's level on the day
 * that it is of, about which days say less the longer ago they are; spells pass, and are to it a noise
 * that neighbours share. Variances of both are the portfolio's and learnt, 0 where nothing tells of them.
 *
 * Rows are normal about the curve, with covariance R = 1 / weights + that of walk and spells. Its inverse
 * times any column takes a Kalman filter from the newest row to the oldest, and a smoother back (de Jong
 * 1989): O(rows), so that curve and level are estimated together, not one after the other. The variances are
 * those of the restricted likelihood (Patterson & Thompson 1971): what a quadratic in log spend could explain
 * says nothing of them, for the curve is not known either.
 */
#include <math.h>
#include <string.h>

#include "curve/fit.h"
#include "curve/posterior.h"

#define SPELL_MEMORY 0.8 /* of a spell, from one day to the next: half of it is gone after three */

#define WEIGHT_LEAST  1e-9 /* of a row that says something */
#define RESIDUAL_MOST 1.5

#define TELLING       3.0  /* log likelihood that each of walk and spells must gain to be believed */
#define LEARN_FROM    200  /* campaigns, taken evenly from the portfolio */
#define COLUMN_LEAST  1e-9 /* sum of squares of a column that says something */
#define FREEDOM_LEAST 4.0  /* rows beyond the columns, for a campaign to tell of its level */
#define SCALE_LEAST   0.5  /* of the noise's variance: data without noise do not tell of levels */
#define LOGS_EVERY    16   /* rows */

void fit_walk_start(struct portfolio *portfolio, bool as_of_now) {
    int32_t newest = INT32_MIN;
    for (size_t i = 0; i < portfolio->day_count; i++) {
        portfolio->days[i].walk = 0;
        newest = portfolio->days[i].date > newest ? portfolio->days[i].date : newest;
    }
    bool may = portfolio->dated && as_of_now && portfolio->day_count > 0;
    double after = portfolio->target != MI_DATE_MISSING ? portfolio->target : (double)newest + 1;
    portfolio->walk = (struct walk){.may = may, .after = after};
}

static double memory_over(double days) {
    return days == 1 ? SPELL_MEMORY : pow(SPELL_MEMORY, days);
}

double fit_walk_response(double walk, double relative) {
    return walk + fmin(relative, RESIDUAL_MOST);
}

/* ---- the level given the curve, and the curve's data with the level integrated out ---- */

/* The filter's gains, from the newest row to the oldest. At the start, where the curve holds, the walk is 0.
 */
static void filter(const struct walk_rows *rows, const struct walk *walk) {
    double spells = walk->spells, own = 0, cross = 0, spell = spells;
    for (size_t i = rows->n; i-- > 0;) {
        struct walk_gain *gain = &rows->gains[i];
        double memory = gain->memory = memory_over(rows->gap[i]);
        own += walk->variance * rows->gap[i];
        cross *= memory;
        spell = spells + memory * memory * (spell - spells);
        double with_own = own + cross, with_spell = cross + spell;
        gain->inverse = 1 / (with_own + with_spell + 1 / fmax(rows->weight[i], WEIGHT_LEAST));
        gain->own = with_own * gain->inverse;
        gain->spell = with_spell * gain->inverse;
        own -= with_own * gain->own;
        cross -= with_own * gain->spell;
        spell -= with_spell * gain->spell;
    }
}

/* The columns in the room := the inverse of the rows' covariance times them. */
static void solve(const struct walk_rows *rows, size_t columns) {
    double own[BINS + 1] = {0}, spell[BINS + 1] = {0};
    for (size_t i = rows->n; i-- > 0;) {
        struct walk_gain gain = rows->gains[i];
        double *at = &rows->room[i * columns];
        for (size_t k = 0; k < columns; k++) {
            double off = at[k] - own[k] - gain.memory * spell[k];
            own[k] += gain.own * off;
            spell[k] = gain.memory * spell[k] + gain.spell * off;
            at[k] = off * gain.inverse;
        }
    }
    memset(own, 0, sizeof own);
    memset(spell, 0, sizeof spell);
    for (size_t i = 0; i < rows->n; i++) {
        struct walk_gain gain = rows->gains[i];
        double *at = &rows->room[i * columns];
        for (size_t k = 0; k < columns; k++) {
            at[k] -= gain.own * own[k] + gain.spell * spell[k];
            own[k] += at[k];
            spell[k] = gain.memory * (spell[k] + at[k]);
        }
    }
}

void fit_walk_smooth(const struct walk_rows *rows, const struct walk *walk, double *level) {
    filter(rows, walk);
    memcpy(rows->room, rows->residual, rows->n * sizeof *rows->room);
    solve(rows, 1);
    for (size_t i = 0; i < rows->n; i++)
        level[i] = rows->residual[i] - rows->room[i] / fmax(rows->weight[i], WEIGHT_LEAST);
}

double fit_walk_spent(const struct walk_rows *rows, const struct walk *walk) {
    double own = 0, cross = 0, spell = 0, spent = 0; /* of the smoother's variance */
    filter(rows, walk);
    for (size_t i = 0; i < rows->n; i++) {
        struct walk_gain gain = rows->gains[i];
        double by_own = own * gain.own + cross * gain.spell, by_spell = cross * gain.own + spell * gain.spell;
        double inverse = gain.inverse + gain.own * by_own + gain.spell * by_spell;
        spent += 1 - inverse / fmax(rows->weight[i], WEIGHT_LEAST);
        own += inverse - 2 * by_own;
        cross = gain.memory * (cross + inverse - by_own - by_spell);
        spell = gain.memory * gain.memory * (spell + inverse - 2 * by_spell);
    }
    return spent;
}

bool fit_walk_bins(const struct walk_rows *rows, const struct walk *walk, const size_t place[BINS],
                   size_t bins, double shift[BINS], double *covariance) {
    size_t columns = bins + 1; /* one for each bin, and last the residuals */
    double right[BINS] = {0};
    filter(rows, walk);
    memset(rows->room, 0, rows->n * columns * sizeof *rows->room);
    for (size_t i = 0; i < rows->n; i++) {
        rows->room[i * columns + place[rows->bin[i]]] = 1;
        rows->room[i * columns + bins] = rows->residual[i];
    }
    solve(rows, columns);
    memset(covariance, 0, bins * bins * sizeof *covariance);
    for (size_t i = 0; i < rows->n; i++) {
        size_t j = place[rows->bin[i]];
        for (size_t k = 0; k < bins; k++)
            covariance[j * bins + k] += rows->room[i * columns + k];
        right[j] += rows->room[i * columns + bins];
    }
    if (!fit_posterior_invert(covariance, bins))
        return false;
    for (size_t j = 0; j < bins; j++) {
        shift[j] = 0;
        for (size_t k = 0; k < bins; k++)
            shift[j] += covariance[j * bins + k] * right[k];
    }
    return true;
}

/* ---- how far levels move ---- */

/* Standard deviations that are tried: of a day's step, and of spells; from the second on a geometric series.
 */
#define RATIO  1.6
#define WALKS  8
#define SPELLS 6
#define TRIED  (SPELLS * WALKS)
static const double walk_tried[WALKS] = {0, 0.0039, 0.00625, 0.01, 0.016, 0.0256, 0.04096, 0.0655};
static const double spell_tried[SPELLS] = {0, 0.03125, 0.05, 0.08, 0.128, 0.2048};

/* A filter for each pair, over these columns: the residual, log spend, its square. Of the level none of them
 * knows anything at first. */
#define COLUMNS  3
#define PRODUCTS 6 /* of two columns */

typedef double each[TRIED];

struct filters {
    each step, spells;              /* the variances that are tried */
    each own, cross, spell;         /* of the state */
    each by_own, by_spell, inverse; /* gains, and 1 / variance of what comes next */
    each mean_own[COLUMNS], mean_spell[COLUMNS], off[COLUMNS], sum[PRODUCTS];
    each product, determinant; /* log determinant of the rows' covariance, over that of their noise */
};

static void begin(struct filters *f, double weight, const double column[COLUMNS]) {
    for (size_t g = 0; g < TRIED; g++) {
        f->own[g] = 1 / weight + f->spells[g];
        f->cross[g] = -f->spells[g];
        f->spell[g] = f->spells[g];
        f->product[g] = 1;
    }
    for (size_t k = 0; k < COLUMNS; k++)
        for (size_t g = 0; g < TRIED; g++)
            f->mean_own[k][g] = column[k];
}

static void wait_days(struct filters *f, double days) {
    double memory = memory_over(days);
    for (size_t g = 0; g < TRIED; g++) {
        f->own[g] += f->step[g] * days;
        f->cross[g] *= memory;
        f->spell[g] = f->spells[g] + memory * memory * (f->spell[g] - f->spells[g]);
    }
    for (size_t k = 0; k < COLUMNS; k++)
        for (size_t g = 0; g < TRIED; g++)
            f->mean_spell[k][g] *= memory;
}

static void next_row(struct filters *f, double weight, const double column[COLUMNS]) {
    for (size_t g = 0; g < TRIED; g++) {
        double with_own = f->own[g] + f->cross[g], with_spell = f->cross[g] + f->spell[g];
        double whole = with_own + with_spell + 1 / weight;
        f->product[g] *= whole * weight;
        f->inverse[g] = 1 / whole;
        f->by_own[g] = with_own * f->inverse[g];
        f->by_spell[g] = with_spell * f->inverse[g];
        f->own[g] -= with_own * f->by_own[g];
        f->cross[g] -= with_own * f->by_spell[g];
        f->spell[g] -= with_spell * f->by_spell[g];
    }
    for (size_t k = 0, pair = 0; k < COLUMNS; k++) {
        for (size_t g = 0; g < TRIED; g++) {
            f->off[k][g] = column[k] - f->mean_own[k][g] - f->mean_spell[k][g];
            f->mean_own[k][g] += f->by_own[g] * f->off[k][g];
            f->mean_spell[k][g] += f->by_spell[g] * f->off[k][g];
        }
        for (size_t j = 0; j <= k; j++, pair++)
            for (size_t g = 0; g < TRIED; g++)
                f->sum[pair][g] += f->off[k][g] * f->off[j][g] * f->inverse[g];
    }
}

/* To a logarithm, before it overflows. */
static void take_logs(struct filters *f) {
    for (size_t g = 0; g < TRIED; g++) {
        f->determinant[g] += log(f->product[g]);
        f->product[g] = 1;
    }
}

/* Sum of squares of the residual that the other columns do not explain, and the log determinant of theirs. */
static double unexplained(const struct filters *f, size_t g, double *log_determinant) {
    double m[COLUMNS][COLUMNS];
    *log_determinant = 0;
    for (size_t k = 0, pair = 0; k < COLUMNS; k++)
        for (size_t j = 0; j <= k; j++)
            m[k][j] = f->sum[pair++][g];
    for (size_t k = COLUMNS - 1; k > 0; k--) {
        if (!(m[k][k] > COLUMN_LEAST))
            continue;
        *log_determinant += log(m[k][k]);
        for (size_t i = 0; i < k; i++)
            for (size_t j = 0; j <= i; j++)
                m[i][j] -= m[k][i] * m[k][j] / m[k][k];
    }
    return m[0][0];
}

static void run_filters(struct filters *f, const struct fit_day *days, const struct campaign *campaign) {
    bool begun = false;
    for (size_t i = 0; i < campaign->count; i++) {
        double weight = (double)days[i].weight, x = log(days[i].spend / campaign->spend_max);
        const double column[COLUMNS] = {fit_walk_response((double)days[i].walk, (double)days[i].residual), x,
                                        x * x};
        if (begun)
            wait_days(f, (double)days[i].date - (double)days[i - 1].date);
        if (weight > WEIGHT_LEAST) {
            (begun ? next_row : begin)(f, weight, column);
            begun = true;
        }
        if (begun && i % LOGS_EVERY == 0)
            take_logs(f);
    }
    if (begun)
        take_logs(f);
}

/* Adds a campaign's log likelihoods over that of a level that stands still, whatever the scale of its noise.
 */
static void add_likelihoods(const struct portfolio *portfolio, const struct campaign *campaign, each sum) {
    struct filters f;
    double freedom = (double)campaign->count - campaign->outliers - COLUMNS, stands = 0;
    if (campaign->failed || !(freedom >= FREEDOM_LEAST))
        return;
    memset(&f, 0, sizeof f);
    for (size_t g = 0; g < TRIED; g++) {
        f.step[g] = walk_tried[g % WALKS] * walk_tried[g % WALKS];
        f.spells[g] = spell_tried[g / WALKS] * spell_tried[g / WALKS];
    }
    run_filters(&f, &portfolio->days[campaign->first], campaign);
    for (size_t g = 0; g < TRIED; g++) {
        double explained, squares = unexplained(&f, g, &explained);
        double scale = fmax(squares / freedom, SCALE_LEAST);
        double likelihood = -0.5 * (f.determinant[g] + explained + freedom * log(scale) + squares / scale);
        if (!isfinite(likelihood))
            return;
        stands = g ? stands : likelihood;
        sum[g] += likelihood - stands;
    }
}

/* The top of a parabola through equally spaced values, the highest in the middle: its height, and how far it
 * is from the middle, in spaces. */
static double top_of(double before, double middle, double after, double *off) {
    double left = middle - before, right = middle - after, bend = left + right;
    *off = bend > 0 ? 0.5 * (left - right) / bend : 0;
    return middle + (bend > 0 ? (left - right) * (left - right) / (8 * bend) : 0);
}

/* The highest of `count` values at standard deviations, 0 and then a geometric series. */
static double highest(const double *tried, const double *at, size_t count, double *sd) {
    size_t best = 0;
    double off = 0, height;
    for (size_t i = 1; i < count; i++)
        best = at[i] > at[best] ? i : best;
    height = at[best];
    if (best > 1 && best + 1 < count)
        height = top_of(at[best - 1], at[best], at[best + 1], &off);
    *sd = tried[best] * pow(RATIO, off);
    return height;
}

/* The walk's at each spread of spells, then the spells'. */
static void learn_from(const each sum, struct walk *walk) {
    double height[SPELLS], walk_sd[SPELLS], spell_sd;
    for (size_t s = 0; s < SPELLS; s++)
        height[s] = highest(walk_tried, &sum[s * WALKS], WALKS, &walk_sd[s]);
    highest(spell_tried, height, SPELLS, &spell_sd);
    size_t below = 0;
    while (below + 2 < SPELLS && spell_tried[below + 1] <= spell_sd)
        below++;
    double share = (spell_sd - spell_tried[below]) / (spell_tried[below + 1] - spell_tried[below]);
    bool moves = walk_sd[below + (share > 0.5)] > 0;
    walk->variance = moves ? pow(walk_sd[below] + share * (walk_sd[below + 1] - walk_sd[below]), 2) : 0;
    walk->spells = spell_sd * spell_sd;
}

void fit_walk_learn(struct portfolio *portfolio) {
    each sum = {0};
    size_t stride = (portfolio->campaign_count + LEARN_FROM - 1) / LEARN_FROM;
    if (!portfolio->walk.may)
        return;
    for (size_t i = 0; i < portfolio->campaign_count; i += stride)
        if (campaign_counts(&portfolio->campaigns[i]))
            add_likelihoods(portfolio, &portfolio->campaigns[i], sum);
    for (size_t g = 0; g < TRIED; g++)
        sum[g] -= TELLING * ((g % WALKS > 0) + (g / WALKS > 0));
    learn_from(sum, &portfolio->walk);
}
