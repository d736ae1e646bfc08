/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-cpa: what a user costs at a spend. `predict` adds spend, CPA, users and saturation from a campaign's
 * curve; `fit` makes the curves from daily rows.
 */
#include "common/curves.h"
#include "common/program.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A column that a sub-command reads or writes. */
struct wanted {
    const char *name;
    bool required;
    size_t *column;
};

static enum mi_status find_wanted(struct mi_reader *reader, const struct wanted *wanted, size_t count,
                                  struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = mi_reader_column(reader, wanted[i].name, wanted[i].required, wanted[i].column, error);
    return status;
}

/* ---- predict: options ---- */

enum missing_curve { MISSING_ERROR, MISSING_POOLED };

static struct {
    const char *curves;
    const char *levels;
    const char *at;
    unsigned missing_curve;
} predict_options;

static const char absolute_levels[] = "5000,10000,20000,50000,100000";
static const char relative_levels[] = "0.5x,1x,1.5x,2x,3x";

static const struct option_spec predict_table[] = {
    {.name = "curves",
     .letter = 'c',
     .kind = OPTION_TEXT,
     .target = &predict_options.curves,
     .argument = "FILE",
     .help = "table of curves by campaign_id, as mi-cpa fit writes it"},
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
    {.name = NULL},
};

static const char predict_details[] =
    "Reads campaign_id, with levels that are multiples daily_budget, and the curve\n"
    "from -c FILE or the column curve; a curve in the stream stays as it came. Writes\n"
    "one row a campaign and level: curve and curve_cov with the further curve_ columns\n"
    "of FILE, spend, predicted_cpa, num_users, marginal_cpa, saturation_level.\n"
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
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
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

struct predict {
    struct stream stream;
    struct levels levels;
    struct curve_table table;
    struct curve_columns carried;
    size_t id, curve, spend_max, budget, at, saturation; /* columns of the stream */
    size_t spend_slot, cpa_slot, users_slot, marginal_slot, saturation_slot;
    double *spends; /* of the row at hand */
    size_t rows, beyond, pooled;
};

static enum mi_status find_columns(struct predict *p, struct mi_error *error) {
    struct mi_reader *reader = p->stream.reader;
    const struct wanted wanted[] = {
        {"campaign_id", true, &p->id},
        {"curve", false, &p->curve},
        {"curve_spend_max", false, &p->spend_max},
        {"saturation_level", false, &p->saturation},
        {predict_options.at ? predict_options.at : "spend", predict_options.at != NULL, &p->at},
        {"daily_budget", p->levels.relative, &p->budget},
    };
    enum mi_status status = find_wanted(reader, wanted, sizeof wanted / sizeof wanted[0], error);
    if (!status && !predict_options.curves && p->curve == MI_NO_COLUMN)
        return mi_error_set(error, MI_BAD_INPUT, "%s has no column 'curve': give -c FILE",
                            mi_reader_name(reader));
    return status;
}

static enum mi_status declare_columns(struct predict *p, struct mi_error *error) {
    const struct wanted columns[] = {
        {"spend", !(predict_options.at && strcmp(predict_options.at, "spend") == 0), &p->spend_slot},
        {"predicted_cpa", true, &p->cpa_slot},
        {"num_users", true, &p->users_slot},
        {"marginal_cpa", true, &p->marginal_slot},
        {"saturation_level", true, &p->saturation_slot},
    };
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
    return status || p->spends ? status : mi_error_set(error, MI_NO_MEMORY, "out of memory");
}

/* ---- predict: rows ---- */

/* The curve of a row, and what goes with it. */
struct found {
    const struct mi_curve *curve;
    struct mi_curve own; /* of the stream: to be cleared */
    size_t table_row;    /* SIZE_MAX: the stream's */
    double spend_max;    /* how far the data go; NaN: not known */
};

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
        return status ? status
                      : mi_batch_number(batch, row, p->spend_max, MI_MONEY, &found->spend_max, error);
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
    return mi_batch_number(p->table.batch, found->table_row, p->table.spend_max, MI_MONEY, &found->spend_max,
                           error);
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
    for (size_t i = 0; i < count && !status; i++)
        status = write_level(p, batch, row, &found, p->spends[i], error);
    mi_curve_clear(&found.own);
    return status;
}

static enum mi_status predict(struct predict *p, struct mi_error *error) {
    enum mi_status status = MI_OK;
    if (predict_options.missing_curve == MISSING_POOLED && !predict_options.curves)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--missing-curve=pooled needs -c FILE");
    if (predict_options.curves)
        status = curve_table_read(&p->table, predict_options.curves, error);
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
    if (p->beyond > 0)
        note("%zu of %zu rows spend more than their data support", p->beyond, p->rows);
    return MI_OK;
}

static enum mi_status run_predict(struct mi_error *error) {
    struct predict p = {0};
    enum mi_status status = predict(&p, error);
    status = stream_close(&p.stream, status, error);
    free(p.levels.items);
    free(p.spends);
    curve_table_free(&p.table);
    return status;
}

/* ---- fit: options ---- */

static struct {
    unsigned family, duplicates;
    const char *attributes, *pool_by;
} fit_options;

enum { FAMILY_AUTO, FAMILY_HILL, FAMILY_MM, FAMILY_EXP };
enum { DUPLICATES_ERROR, DUPLICATES_SUM };

static const struct option_spec fit_table[] = {
    {.name = "family",
     .kind = OPTION_CHOICE,
     .target = &fit_options.family,
     .choices = "auto|hill|mm|exp",
     .argument = "FAMILY",
     .help = "auto: the one that extrapolates best in the portfolio's own backtest",
     .otherwise = "auto"},
    {.name = "pool-by",
     .kind = OPTION_TEXT,
     .target = &fit_options.pool_by,
     .argument = "LIST",
     .help = "columns, from the widest group to the narrowest, within which campaigns are\n"
             "more alike (default ad_network,geo,targeting_strategy,creative_format,\n"
             "those that are there)"},
    {.name = "attributes",
     .kind = OPTION_TEXT,
     .target = &fit_options.attributes,
     .argument = "FILE",
     .help = "table by campaign_id with columns for --pool-by that the days lack"},
    {.name = "duplicates",
     .kind = OPTION_CHOICE,
     .target = &fit_options.duplicates,
     .choices = "error|sum",
     .argument = "WHAT",
     .help = "two rows of a campaign and date are an error, or are added up",
     .otherwise = "error"},
    {.name = NULL},
};

static const char fit_details[] =
    "Reads campaign_id, date, spend, conversions; without a date column each row is one\n"
    "period. Writes one row a campaign and a last one, campaign_id *, with the pooled\n"
    "curve: campaign_id, curve, curve_cov, curve_spend_min, curve_spend_max,\n"
    "curve_dispersion, curve_asof, family, n, n_outliers, error, aicc, weight_level,\n"
    "weight_shape, status, note. Holds its input in memory (32 bytes a row), reads it once.\n";

/* ---- fit: reading ---- */

#define GROUPS_MOST 8

static const char usual_groups[] = "ad_network,geo,targeting_strategy,creative_format";

struct group_column {
    size_t in_stream, in_attributes; /* one of them */
};

struct fit {
    struct stream stream;
    struct mi_curve_fit *fit;
    struct group_column groups[GROUPS_MOST];
    size_t group_count;
    struct mi_reader *attributes;
    struct mi_batch *attribute_batch;
    struct mi_index *attribute_ids;
    size_t id, date, spend, users;
    size_t rows_without_attributes;
};

static enum mi_status open_attributes(struct fit *f, struct mi_error *error) {
    size_t id;
    enum mi_status status = table_open(fit_options.attributes, &f->attributes, &f->attribute_batch, error);
    if (!status)
        status = mi_reader_column(f->attributes, "campaign_id", true, &id, error);
    return status ? status : mi_batch_index(f->attribute_batch, id, &f->attribute_ids, error);
}

/* The column in the days, else in the attributes; one that is nowhere is an error of the days. */
static enum mi_status add_group_column(struct fit *f, const char *name, bool required,
                                       struct mi_error *error) {
    bool in_stream = mi_reader_has(f->stream.reader, name);
    bool in_attributes = !in_stream && f->attributes && mi_reader_has(f->attributes, name);
    if (!in_stream && !in_attributes && !required)
        return MI_OK;
    if (f->group_count == GROUPS_MOST)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--pool-by takes at most %d columns", GROUPS_MOST);
    struct group_column *group = &f->groups[f->group_count++];
    group->in_attributes = MI_NO_COLUMN;
    enum mi_status status =
        mi_reader_column(f->stream.reader, name, !in_attributes, &group->in_stream, error);
    if (!status && in_attributes)
        status = mi_reader_column(f->attributes, name, true, &group->in_attributes, error);
    return status;
}

static enum mi_status open_groups(struct fit *f, struct mi_error *error) {
    enum mi_status status = fit_options.attributes ? open_attributes(f, error) : MI_OK;
    char *rest = NULL,
         *names = mi_text_copy(mi_text_of(fit_options.pool_by ? fit_options.pool_by : usual_groups));
    if (!status && !names)
        status = mi_error_set(error, MI_NO_MEMORY, "out of memory");
    char *name = names ? strtok_r(names, ",", &rest) : NULL;
    for (; name && !status; name = strtok_r(NULL, ",", &rest))
        status = add_group_column(f, name, fit_options.pool_by != NULL, error);
    free(names);
    if (!status && fit_options.attributes && f->group_count == 0)
        status = mi_error_set(error, MI_BAD_INPUT, "%s has none of the columns to pool by (%s)",
                              fit_options.attributes, usual_groups);
    return status;
}

static enum mi_status fit_columns(struct fit *f, struct mi_error *error) {
    const struct wanted wanted[] = {
        {"campaign_id", true, &f->id},
        {"date", false, &f->date},
        {"spend", true, &f->spend},
        {"conversions", true, &f->users},
    };
    return find_wanted(f->stream.reader, wanted, sizeof wanted / sizeof wanted[0], error);
}

static enum mi_status add_group(struct fit *f, const struct mi_batch *batch, size_t row, struct mi_text id,
                                struct mi_error *error) {
    struct mi_text texts[GROUPS_MOST];
    enum mi_status status = MI_OK;
    size_t there = f->attribute_ids ? mi_index_find(f->attribute_ids, id) : SIZE_MAX;
    if (f->attribute_ids && there == SIZE_MAX) {
        f->rows_without_attributes++;
        return MI_OK;
    }
    for (size_t i = 0; i < f->group_count && !status; i++)
        status = f->groups[i].in_attributes == MI_NO_COLUMN
                     ? mi_batch_text(batch, row, f->groups[i].in_stream, &texts[i], error)
                     : mi_batch_text(f->attribute_batch, there, f->groups[i].in_attributes, &texts[i], error);
    return status ? status : mi_curve_fit_group(f->fit, id, texts, f->group_count, error);
}

static enum mi_status add_row(struct fit *f, const struct mi_batch *batch, size_t row,
                              struct mi_error *error) {
    struct mi_text id;
    struct mi_error reason = {0};
    int32_t date = MI_DATE_MISSING;
    double spend, users;
    enum mi_status status = mi_batch_id(batch, row, f->id, &id, error);
    if (!status && f->date != MI_NO_COLUMN)
        status = mi_batch_date(batch, row, f->date, MI_FILLED, &date, error);
    if (!status)
        status = mi_batch_number(batch, row, f->spend, MI_FILLED | MI_MONEY, &spend, error);
    if (!status)
        status = mi_batch_number(batch, row, f->users, MI_FILLED | MI_MONEY, &users, error);
    if (status)
        return status;
    status = mi_curve_fit_add(f->fit, id, date, spend, users, mi_batch_line(batch, row), &reason);
    if (status == MI_BAD_RECORD)
        return mi_batch_fault(batch, row, f->id, error, "%s", reason.text);
    if (status)
        return mi_error_set(error, status, "%s", reason.text);
    return f->group_count > 0 ? add_group(f, batch, row, id, error) : MI_OK;
}

static enum mi_status read_days(struct fit *f, struct mi_error *error) {
    struct mi_batch *batch;
    enum mi_status status;
    while ((status = mi_reader_next(f->stream.reader, &batch, error)) == MI_OK) {
        for (size_t row = 0; row < mi_batch_rows(batch); row++) {
            status = add_row(f, batch, row, error);
            if (status)
                status = mi_reader_reject(f->stream.reader, batch, row, error);
            if (status)
                return status;
        }
    }
    return status == MI_END ? MI_OK : status;
}

/* ---- fit: writing ---- */

enum {
    OUT_ID,
    OUT_CURVE,
    OUT_COV,
    OUT_SPEND_MIN,
    OUT_SPEND_MAX,
    OUT_DISPERSION,
    OUT_ASOF,
    OUT_FAMILY,
    OUT_N,
    OUT_OUTLIERS,
    OUT_ERROR,
    OUT_AICC,
    OUT_WEIGHT_LEVEL,
    OUT_WEIGHT_SHAPE,
    OUT_STATUS,
    OUT_NOTE,
    OUT_COLUMNS
};

static const char *const out_names[OUT_COLUMNS] = {
    "campaign_id",
    "curve",
    "curve_cov",
    "curve_spend_min",
    "curve_spend_max",
    "curve_dispersion",
    "curve_asof",
    "family",
    "n",
    "n_outliers",
    "error",
    "aicc",
    "weight_level",
    "weight_shape",
    "status",
    "note",
};

static size_t format_covariance(const struct mi_curve_fit_row *row, char *text) {
    size_t used = 0;
    for (size_t i = 0; i < row->covariance_count; i++) {
        if (i > 0)
            text[used++] = ' ';
        used += mi_number_format(row->covariance[i], text + used);
    }
    return used;
}

static enum mi_status write_fitted(const struct mi_curve_fit_row *row, struct mi_writer *writer,
                                   const size_t *slots, struct mi_error *error) {
    char covariance[MI_CURVE_COVARIANCE_MOST * (MI_NUMBER_LENGTH + 1)];
    char *curve = mi_curve_format(&row->curve);
    if (!curve)
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    mi_writer_text(writer, slots[OUT_ID], row->campaign_id);
    mi_writer_text(writer, slots[OUT_CURVE], mi_text_of(curve));
    mi_writer_text(writer, slots[OUT_COV], (struct mi_text){covariance, format_covariance(row, covariance)});
    mi_writer_number(writer, slots[OUT_SPEND_MIN], row->spend_min);
    mi_writer_number(writer, slots[OUT_SPEND_MAX], row->spend_max);
    mi_writer_number(writer, slots[OUT_DISPERSION], row->dispersion);
    if (row->asof != MI_DATE_MISSING)
        mi_writer_date(writer, slots[OUT_ASOF], row->asof);
    mi_writer_text(writer, slots[OUT_FAMILY], mi_text_of(mi_curve_family_name(row->curve.family)));
    mi_writer_number(writer, slots[OUT_N], (double)row->n);
    mi_writer_number(writer, slots[OUT_OUTLIERS], (double)row->n_outliers);
    mi_writer_number(writer, slots[OUT_ERROR], row->error);
    mi_writer_number(writer, slots[OUT_AICC], row->aicc);
    mi_writer_number(writer, slots[OUT_WEIGHT_LEVEL], row->weight_level);
    mi_writer_number(writer, slots[OUT_WEIGHT_SHAPE], row->weight_shape);
    mi_writer_text(writer, slots[OUT_STATUS], mi_text_of(mi_curve_fit_status_name(row->status)));
    if (row->note[0])
        mi_writer_text(writer, slots[OUT_NOTE], mi_text_of(row->note));
    enum mi_status status = mi_writer_row(writer, NULL, 0, error);
    free(curve);
    return status;
}

static enum mi_status write_curves(struct fit *f, struct mi_error *error) {
    struct mi_writer *writer = f->stream.writer;
    size_t slots[OUT_COLUMNS];
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < OUT_COLUMNS && !status; i++)
        status = mi_writer_column(writer, out_names[i], &slots[i], error);
    for (size_t i = 0; i < mi_curve_fit_count(f->fit) && !status; i++) {
        struct mi_curve_fit_row row;
        mi_curve_fit_row(f->fit, i, &row);
        if (row.note[0] && i + 1 == mi_curve_fit_count(f->fit))
            detail("%s: %s", mi_curve_family_name(row.curve.family), row.note);
        else if (row.note[0])
            detail("campaign '%s': %s: %s", row.campaign_id.data, mi_curve_fit_status_name(row.status),
                   row.note);
        status = write_fitted(&row, writer, slots, error);
    }
    return status;
}

/* ---- fit: run ---- */

static enum mi_status open_fit(struct fit *f, struct mi_error *error) {
    static const enum mi_curve_family families[] = {
        [FAMILY_AUTO] = MI_CURVE_HILL,
        [FAMILY_HILL] = MI_CURVE_HILL,
        [FAMILY_MM] = MI_CURVE_MM,
        [FAMILY_EXP] = MI_CURVE_EXP,
    };
    struct mi_curve_fit_options options = {
        .any_family = fit_options.family == FAMILY_AUTO,
        .family = families[fit_options.family],
        .sum_duplicates = fit_options.duplicates == DUPLICATES_SUM,
        .threads = common.threads,
    };
    return mi_curve_fit_new(&options, &f->fit, error);
}

static enum mi_status run_portfolio(struct fit *f, struct mi_error *error) {
    struct mi_notes notes = common_notes();
    struct mi_error reason = {0};
    enum mi_status status = mi_curve_fit_run(f->fit, &notes, &reason);
    if (!status)
        return MI_OK;
    if (error) {
        *error = reason;
        snprintf(error->file, sizeof error->file, "%s", mi_reader_name(f->stream.reader));
        if (reason.line > 0)
            mi_error_set(error, status, "%s (--duplicates=sum adds them up)", reason.text);
    }
    return status;
}

static enum mi_status fit(struct fit *f, struct mi_error *error) {
    enum mi_status status = stream_open(&f->stream, false, error);
    if (!status)
        status = fit_columns(f, error);
    if (!status)
        status = open_groups(f, error);
    if (!status)
        status = open_fit(f, error);
    if (!status)
        status = read_days(f, error);
    if (!status)
        status = run_portfolio(f, error);
    if (status)
        return status;
    if (f->rows_without_attributes > 0)
        note("not in %s, pooled with the portfolio: %zu row%s", fit_options.attributes,
             f->rows_without_attributes, f->rows_without_attributes == 1 ? "" : "s");
    status = stream_output(&f->stream, false, error);
    return status ? status : write_curves(f, error);
}

static enum mi_status run_fit(struct mi_error *error) {
    struct fit f = {0};
    enum mi_status status = fit(&f, error);
    status = stream_close(&f.stream, status, error);
    mi_curve_fit_free(f.fit);
    mi_index_free(f.attribute_ids);
    mi_reader_close(f.attributes);
    return status;
}

static const struct command commands[] = {
    {.name = "predict",
     .purpose = "CPA, users and saturation at several spends, from each campaign's curve",
     .input = "[FILE]",
     .details = predict_details,
     .example = "mi-cpa -c curves.csv --levels=0.5x,1x,2x campaigns.csv",
     .options = predict_table,
     .run = run_predict},
    {.name = "fit",
     .purpose = "curves from daily rows, one a campaign",
     .input = "[FILE]",
     .details = fit_details,
     .example = "mi-cpa fit -o curves.csv days.csv",
     .options = fit_table,
     .run = run_fit},
    {.name = NULL},
};

int main(int argc, char **argv) {
    static const struct program program = {
        .name = "mi-cpa", .purpose = "what a user costs at a spend", .commands = commands};
    return program_main(&program, argc, argv);
}
