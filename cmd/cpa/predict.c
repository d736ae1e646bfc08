/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-cpa predict: CPA, users and saturation at several spends.
 */
#include "common/store.h"
#include "cpa/cpa.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- predict: options ---- */

enum missing_curve { MISSING_ERROR, MISSING_POOLED };
enum band { BAND_MEAN, BAND_OUTCOME };

static struct {
    const char *curves;
    const char *levels;
    const char *at;
    unsigned missing_curve, band;
} predict_options;

static const char absolute_levels[] = "5000,10000,20000,50000,100000";
static const char relative_levels[] = "0.5x,1x,1.5x,2x,3x";

const struct option_spec predict_table[] = {
    {.name = "curves",
     .letter = 'c',
     .kind = OPTION_TEXT,
     .target = &predict_options.curves,
     .argument = "FILE",
     .help = "table of curves by campaign_id, as mi-cpa fit writes it, or @NAME in the store"},
    STORE_OPTION,
    WAIT_OPTION,
    {.name = "levels",
     .kind = OPTION_TEXT,
     .target = &predict_options.levels,
     .argument = "LIST",
     .help = "spends a day, by commas; 1.5x is a multiple of daily_budget (default\n"
             "0.5x,1x,1.5x,2x,3x with that column, else 5000,10000,20000,50000,100000)"},
    {.name = "at",
     .kind = OPTION_TEXT,
     .target = &predict_options.at,
     .argument = "COLUMN",
     .help = "one row a campaign, at the spend in this column"},
    {.name = "missing-curve",
     .kind = OPTION_CHOICE,
     .target = &predict_options.missing_curve,
     .choices = "error|pooled",
     .argument = "WHAT",
     .help = "a campaign without a curve is an error, or takes the pooled one (row *)",
     .otherwise = "error"},
    {.name = "band",
     .kind = OPTION_CHOICE,
     .target = &predict_options.band,
     .choices = "mean|outcome",
     .argument = "WHAT",
     .help = "the 80 % band is that of the mean, or of what will be counted: with a day's noise",
     .otherwise = "mean"},
    {.name = NULL},
};

const char predict_details[] =
    "Reads campaign_id, with levels that are multiples daily_budget, and the curve\n"
    "from -c FILE or the column curve; a curve in the stream stays as it came. Writes\n"
    "one row a campaign and level: curve and curve_cov with the further curve_ columns\n"
    "of FILE, spend, predicted_cpa, num_users, marginal_cpa, saturation_level; where\n"
    "curve_cov is there 80 % bands cpa_lo, cpa_hi, users_lo, users_hi, marginal_cpa_lo,\n"
    "marginal_cpa_hi; where curve_spend_max is there beyond_support: by what share of it\n"
    "the spend lies above it; where incrementality is there attributed_cpa and\n"
    "attributed_users: what attribution will count.\n"
    "A filter: holds FILE, reads its input once.\n";

/* ---- predict: levels ---- */

struct spend_level {
    double value;
    bool relative; /* to daily_budget */
};

struct levels {
    struct spend_level *items;
    size_t count;
    bool relative; /* any of them */
};

static enum mi_status parse_level(struct mi_text word, struct spend_level *level, struct mi_error *error) {
    struct mi_text number = word;
    level->relative = word.size > 0 && word.data[word.size - 1] == 'x';
    number.size -= level->relative;
    if (!mi_number_parse(number, &level->value) || !(level->value >= 0 && level->value <= MI_MONEY_LIMIT))
        return mi_error_set(error, MI_BAD_ARGUMENT,
                            "option --levels: not a spend or a multiple: \"%.*s\" (as 5000 or 1.5x)",
                            (int)word.size, word.data);
    return MI_OK;
}

static enum mi_status parse_levels(const char *list, struct levels *levels, struct mi_error *error) {
    size_t most = 1;
    for (const char *at = list; *at; at++)
        most += *at == ',';
    levels->items = calloc(most, sizeof *levels->items);
    if (!levels->items)
        return no_memory(error);
    for (const char *at = list;; at++) {
        size_t size = strcspn(at, ",");
        struct spend_level *level = &levels->items[levels->count++];
        enum mi_status status = parse_level((struct mi_text){at, size}, level, error);
        if (status)
            return status;
        levels->relative = levels->relative || level->relative;
        at += size;
        if (!*at)
            return MI_OK;
    }
}

/* ---- predict: columns ---- */

enum { CPA_LO, CPA_HI, USERS_LO, USERS_HI, MARGINAL_LO, MARGINAL_HI, BAND_SLOTS };

struct predict {
    struct stream stream;
    struct levels levels;
    struct curve_table table;
    char *stored; /* its text, where it is in the store */
    struct curve_columns carried;
    /* columns of the stream */
    size_t id, curve, budget, at, saturation;
    struct curve_facts facts;
    size_t spend_slot, cpa_slot, users_slot, marginal_slot, saturation_slot;
    size_t band_slot[BAND_SLOTS], beyond_slot, attributed_cpa_slot, attributed_users_slot;
    double z;       /* standard deviations from the middle to the ends of the band */
    double *spends; /* of the row at hand */
    size_t rows, beyond, pooled;
    double carried_most; /* highest rate of carry-over */
};

static enum mi_status find_columns(struct predict *p, struct mi_error *error) {
    struct mi_reader *reader = p->stream.reader;
    const struct wanted wanted[] = {
        {"campaign_id", true, &p->id},
        {"curve", false, &p->curve},
        {"saturation_level", false, &p->saturation},
        {predict_options.at ? predict_options.at : "spend", predict_options.at != NULL, &p->at},
        {"daily_budget", p->levels.relative, &p->budget},
    };
    enum mi_status status = find_wanted(reader, wanted, sizeof wanted / sizeof wanted[0], error);
    if (!status)
        status = curve_facts_find(reader, &p->facts, error);
    if (!status && !predict_options.curves && p->curve == MI_NO_COLUMN)
        return mi_error_set(error, MI_BAD_INPUT, "%s has no column 'curve': give -c FILE",
                            mi_reader_name(reader));
    return status;
}

static enum mi_status declare_columns(struct predict *p, struct mi_error *error) {
    const struct curve_facts *facts = &p->facts, *joined = p->table.ids ? &p->table.facts : facts;
    bool banded = facts->covariance != MI_NO_COLUMN || joined->covariance != MI_NO_COLUMN;
    bool supported = facts->spend_max != MI_NO_COLUMN || joined->spend_max != MI_NO_COLUMN;
    bool shared = facts->incrementality != MI_NO_COLUMN || joined->incrementality != MI_NO_COLUMN;
    const struct wanted columns[] = {
        {"spend", !(predict_options.at && strcmp(predict_options.at, "spend") == 0), &p->spend_slot},
        {"predicted_cpa", true, &p->cpa_slot},
        {"num_users", true, &p->users_slot},
        {"marginal_cpa", true, &p->marginal_slot},
        {"saturation_level", true, &p->saturation_slot},
        {"cpa_lo", banded, &p->band_slot[CPA_LO]},
        {"cpa_hi", banded, &p->band_slot[CPA_HI]},
        {"users_lo", banded, &p->band_slot[USERS_LO]},
        {"users_hi", banded, &p->band_slot[USERS_HI]},
        {"marginal_cpa_lo", banded, &p->band_slot[MARGINAL_LO]},
        {"marginal_cpa_hi", banded, &p->band_slot[MARGINAL_HI]},
        {"beyond_support", supported, &p->beyond_slot},
        {"attributed_cpa", shared, &p->attributed_cpa_slot},
        {"attributed_users", shared, &p->attributed_users_slot},
    };
    p->z = mi_curve_interval_z(MI_INTERVAL);
    enum mi_status status =
        predict_options.curves ? curve_columns_open(&p->carried, &p->table, &p->stream, error) : MI_OK;
    for (size_t i = 0; i < sizeof columns / sizeof columns[0] && !status; i++) {
        *columns[i].column = MI_NO_COLUMN;
        if (columns[i].required)
            status = mi_writer_column(p->stream.writer, columns[i].name, columns[i].column, error);
    }
    return status;
}

static enum mi_status open_levels(struct predict *p, struct mi_error *error) {
    if (predict_options.at && predict_options.levels)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--at and --levels exclude each other");
    const char *list = predict_options.levels;
    if (!list)
        list = mi_reader_has(p->stream.reader, "daily_budget") ? relative_levels : absolute_levels;
    enum mi_status status = MI_OK;
    if (!predict_options.at)
        status = parse_levels(list, &p->levels, error);
    p->spends = calloc(p->levels.count + 1, sizeof *p->spends);
    return status || p->spends ? status : no_memory(error);
}

/* ---- predict: rows ---- */

/* The curve of a row, and what goes with it. */
struct found {
    const struct mi_curve *curve;
    struct mi_curve own; /* of the stream: to be cleared */
    size_t table_row;    /* SIZE_MAX: the stream's */
    double spend_max;    /* how far the data go; NaN: not known */
    double dispersion;   /* NaN: not known */
    double share;        /* incremental users over attributed ones; NaN: not known */
    double adstock;      /* rate of carry-over; NaN: not known */
    double triangle[MI_CURVE_COVARIANCE_LIMIT];
    bool banded; /* it has a covariance */
};

/* What goes with the curve in the same row. */
static enum mi_status find_rest(const struct mi_batch *batch, size_t row, const struct curve_facts *facts,
                                struct found *found, struct mi_error *error) {
    enum mi_status status = mi_batch_number(batch, row, facts->spend_max, MI_MONEY, &found->spend_max, error);
    if (!status)
        status = mi_batch_number(batch, row, facts->dispersion, MI_MONEY, &found->dispersion, error);
    if (!status)
        status =
            mi_batch_number(batch, row, facts->incrementality, MI_MONEY | MI_POSITIVE, &found->share, error);
    if (!status)
        status = curve_table_adstock(batch, row, facts->adstock, &found->adstock, error);
    return status ? status
                  : curve_table_covariance(batch, row, facts->covariance, found->curve, found->triangle,
                                           &found->banded, error);
}

static enum mi_status find_curve(struct predict *p, const struct mi_batch *batch, size_t row,
                                 struct found *found, struct mi_error *error) {
    struct mi_text id, text;
    found->table_row = SIZE_MAX;
    enum mi_status status = mi_batch_id(batch, row, p->id, &id, error);
    if (!status)
        status = mi_batch_text(batch, row, p->curve, &text, error);
    if (status)
        return status;
    if (text.data) {
        status = curve_table_parse(batch, row, p->curve, text, &found->own, error);
        found->curve = &found->own;
        return status ? status : find_rest(batch, row, &p->facts, found, error);
    }
    if (p->table.ids)
        found->table_row = mi_index_find(p->table.ids, id);
    if (found->table_row == SIZE_MAX && p->table.ids && predict_options.missing_curve == MISSING_POOLED) {
        found->table_row = p->table.pooled;
        p->pooled++;
    }
    if (found->table_row == SIZE_MAX)
        return mi_batch_fault(batch, row, p->id, error, "campaign '%.*s' has no curve%s%s",
                              id.size > 100 ? 100 : (int)id.size, id.data, p->table.ids ? " in " : "",
                              p->table.ids ? predict_options.curves : "");
    found->curve = &p->table.curves[found->table_row];
    return find_rest(p->table.batch, found->table_row, &p->table.facts, found, error);
}

/* The spends of a row into p->spends. */
static enum mi_status find_spends(struct predict *p, const struct mi_batch *batch, size_t row, size_t *count,
                                  struct mi_error *error) {
    double budget = NAN;
    *count = 1;
    if (predict_options.at)
        return mi_batch_number(batch, row, p->at, MI_FILLED | MI_MONEY, &p->spends[0], error);
    *count = p->levels.count;
    if (p->levels.relative) {
        enum mi_status status = mi_batch_number(batch, row, p->budget, MI_FILLED | MI_MONEY, &budget, error);
        if (status)
            return status;
    }
    for (size_t i = 0; i < *count; i++) {
        const struct spend_level *level = &p->levels.items[i];
        p->spends[i] = level->relative ? level->value * budget : level->value;
        if (p->spends[i] > MI_MONEY_LIMIT)
            return mi_batch_fault(batch, row, p->budget, error, "%gx of it is more than money can be",
                                  level->value);
    }
    return MI_OK;
}

/* The 80 % bands of a level with these users and slope. */
static void set_bands(struct predict *p, const struct found *found, double spend, double users,
                      double slope) {
    double values[BAND_SLOTS];
    double sd = mi_curve_log_users_sd(found->curve, found->triangle, spend);
    double slope_sd = mi_curve_log_slope_sd(found->curve, found->triangle, spend);
    values[USERS_LO] = users * exp(-p->z * sd);
    values[USERS_HI] = users * exp(p->z * sd);
    if (predict_options.band == BAND_OUTCOME)
        mi_curve_outcome(users, sd, found->dispersion, MI_INTERVAL, &values[USERS_LO], &values[USERS_HI]);
    values[CPA_LO] = values[USERS_HI] > 0 ? spend / values[USERS_HI] : NAN;
    values[CPA_HI] = values[USERS_LO] > 0 ? spend / values[USERS_LO] : NAN;
    values[MARGINAL_LO] = slope > 0 ? exp(-p->z * slope_sd) / slope : NAN;
    values[MARGINAL_HI] = slope > 0 ? exp(p->z * slope_sd) / slope : NAN;
    for (size_t i = 0; i < BAND_SLOTS; i++)
        mi_writer_number(p->stream.writer, p->band_slot[i], isfinite(values[i]) ? values[i] : NAN);
}

static enum mi_status write_level(struct predict *p, const struct mi_batch *batch, size_t row,
                                  const struct found *found, double spend, struct mi_error *error) {
    struct mi_writer *writer = p->stream.writer;
    const struct mi_curve *curve = found->curve;
    double users = mi_curve_users(curve, spend), slope = mi_curve_slope(curve, spend);
    double saturation = mi_curve_saturation(curve, spend);
    enum mi_status status = curve_columns_set(&p->carried, &p->stream, batch, row, found->table_row, error);
    if (!status && isnan(saturation))
        status = mi_batch_number(batch, row, p->saturation, MI_ANY, &saturation, error);
    if (status)
        return status;
    if (p->spend_slot != MI_NO_COLUMN)
        mi_writer_number(writer, p->spend_slot, spend);
    mi_writer_number(writer, p->cpa_slot, users > 0 ? spend / users : NAN);
    mi_writer_number(writer, p->users_slot, users);
    mi_writer_number(writer, p->marginal_slot, slope > 0 && isfinite(slope) ? 1 / slope : NAN);
    mi_writer_number(writer, p->saturation_slot, saturation);
    double last = isnan(found->spend_max) ? mi_curve_last_point(curve) : found->spend_max;
    p->beyond += spend > last;
    if (found->banded)
        set_bands(p, found, spend, users, slope);
    if (p->beyond_slot != MI_NO_COLUMN && last > 0)
        mi_writer_number(writer, p->beyond_slot, spend > last ? spend / last - 1 : 0);
    if (p->attributed_cpa_slot != MI_NO_COLUMN && found->share > 0) {
        mi_writer_number(writer, p->attributed_cpa_slot, users > 0 ? spend / users * found->share : NAN);
        mi_writer_number(writer, p->attributed_users_slot, users / found->share);
    }
    p->rows++;
    return mi_writer_row(writer, batch, row, error);
}

static enum mi_status predict_row(void *context, struct stream *stream, const struct mi_batch *batch,
                                  size_t row, struct mi_error *error) {
    (void)stream;
    struct predict *p = context;
    struct found found = {0};
    size_t count = 0;
    enum mi_status status = find_spends(p, batch, row, &count, error);
    if (!status)
        status = find_curve(p, batch, row, &found, error);
    p->carried_most = fmax(p->carried_most, found.adstock);
    for (size_t i = 0; i < count && !status; i++)
        status = write_level(p, batch, row, &found, p->spends[i], error);
    mi_curve_clear(&found.own);
    return status;
}

/* The table of -c: a file, or @NAME in the store. */
static enum mi_status read_curves(struct predict *p, struct mi_error *error) {
    const char *name = predict_options.curves;
    struct mi_text content = {NULL, 0};
    enum mi_status status = name[0] == '@' ? model_bytes(name, &p->stored, &content.size, error) : MI_OK;
    content.data = p->stored;
    return status ? status : curve_table_read(&p->table, name, content, error);
}

static enum mi_status predict(struct predict *p, struct mi_error *error) {
    enum mi_status status = MI_OK;
    if (predict_options.missing_curve == MISSING_POOLED && !predict_options.curves)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--missing-curve=pooled needs -c FILE");
    if (predict_options.curves)
        status = read_curves(p, error);
    if (!status && predict_options.missing_curve == MISSING_POOLED && p->table.pooled == SIZE_MAX)
        status = mi_error_set(error, MI_BAD_INPUT, "%s has no row '*' for --missing-curve=pooled",
                              predict_options.curves);
    if (!status)
        status = stream_open(&p->stream, false, error);
    if (!status)
        status = open_levels(p, error);
    if (!status)
        status = find_columns(p, error);
    if (!status)
        status = stream_output(&p->stream, true, error);
    if (!status)
        status = declare_columns(p, error);
    if (!status)
        status = stream_each_row(&p->stream, predict_row, p, error);
    if (status)
        return status;
    if (p->pooled > 0)
        note("%zu row%s without a curve take%s the pooled one", p->pooled, p->pooled == 1 ? "" : "s",
             p->pooled == 1 ? "s" : "");
    if (p->carried_most > 0)
        note("users are those of a spend that stays: with a carry-over of %.2f a change of spend has %.0f %% "
             "of "
             "its effect on its first day, 90 %% within %.0f days",
             p->carried_most, 100 * (1 - p->carried_most), ceil(log(0.1) / log(p->carried_most)));
    if (p->beyond > 0)
        note("%zu of %zu rows spend more than their data support", p->beyond, p->rows);
    return MI_OK;
}

enum mi_status run_predict(struct mi_error *error) {
    struct predict p = {0};
    enum mi_status status = predict(&p, error);
    status = stream_close(&p.stream, status, error);
    free(p.levels.items);
    free(p.spends);
    curve_table_free(&p.table);
    free(p.stored);
    return status;
}
