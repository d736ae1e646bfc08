/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-cpa fit: curves from daily rows.
 */
#include "cpa/cpa.h"
#include "cpa/groups.h"
#include "cpa/lift.h"
#include "cpa/plot.h"
#include "cpa/timing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- fit: options ---- */

static struct {
    unsigned family;
    const char *covariates, *new_campaigns, *lift, *plot, *as_of, *for_day, *delay, *adstock;
} fit_options;

enum {
    FAMILY_AUTO,
    FAMILY_HILL,
    FAMILY_MM,
    FAMILY_EXP,
    FAMILY_GOMPERTZ,
    FAMILY_LOGISTIC,
    FAMILY_POWER,
    FAMILY_LOG
};

const struct option_spec fit_table[] = {
    {.name = "family",
     .kind = OPTION_CHOICE,
     .target = &fit_options.family,
     .choices = "auto|hill|mm|exp|gompertz|logistic|power|log",
     .argument = "FAMILY",
     .help = "auto: the one that extrapolates best in the portfolio's own backtest",
     .otherwise = "auto"},
    POOL_BY_OPTION,
    ATTRIBUTES_OPTION,
    {.name = "covariates",
     .kind = OPTION_TEXT,
     .target = &fit_options.covariates,
     .argument = "LIST",
     .help = "up to 4 columns of the days, as impressions,clicks: their sums per spend are\n"
             "regressors of a campaign's prior"},
    {.name = "new",
     .kind = OPTION_TEXT,
     .target = &fit_options.new_campaigns,
     .argument = "FILE",
     .help = "campaigns without days: campaign_id and columns of --pool-by; their curves come\n"
             "from these"},
    DUPLICATES_OPTION,
    {.name = "as-of",
     .kind = OPTION_TEXT,
     .target = &fit_options.as_of,
     .argument = "DATE",
     .help = "as if it were this day: later rows are left out (default the newest date)"},
    {.name = "for",
     .kind = OPTION_TEXT,
     .target = &fit_options.for_day,
     .argument = "DATE|next",
     .help = "curves of that day, with its weekday (next: the day after the newest);\n"
             "without, of an average weekday"},
    {.name = "delay",
     .kind = OPTION_TEXT,
     .target = &fit_options.delay,
     .argument = "FILE|estimate",
     .help = "share of a day's conversions known by its age: table age,share with ages 0, 1,\n"
             "... in days; or estimated from columns conversions_d0, conversions_d1, ..."},
    {.name = "adstock",
     .kind = OPTION_TEXT,
     .target = &fit_options.adstock,
     .argument = "RATE|estimate",
     .help = "share of the spend's work that goes on to the next day, 0 to below 1; curves are\n"
             "those of a spend that does not change"},
    {.name = "lift",
     .kind = OPTION_TEXT,
     .target = &fit_options.lift,
     .argument = "FILE",
     .help = "experiments: campaign_id or group (as ad_network=x), spend_before, spend_after,\n"
             "incremental_conversions, standard_error, days; the curves become those of\n"
             "incremental users, with columns incrementality, incrementality_se"},
    {.name = "plot",
     .kind = OPTION_TEXT,
     .target = &fit_options.plot,
     .argument = "DIR",
     .help = "a picture of each campaign there (SVG: days, curve, band, current and best\n"
             "spend), and index.html with all of them"},
    {.name = NULL},
};

const char fit_details[] =
    "Reads campaign_id, date, spend, conversions; without a date column each row is one\n"
    "period. Writes one row a campaign and a last one, campaign_id *, with the pooled\n"
    "curve: campaign_id, curve, curve_cov, curve_spend_min, curve_spend_max,\n"
    "curve_dispersion, curve_asof, family, n, n_outliers, error, aicc, weight_level,\n"
    "weight_shape, status, note; with --for curve_for; with --adstock\n"
    "curve_adstock; with --lift incrementality, incrementality_se.\n"
    "Holds its input in memory (48 bytes a row), reads it once.\n";

/* ---- fit: reading ---- */

#define COVARIATES_MOST 4

struct fit {
    struct stream stream;
    struct mi_curve_fit *fit;
    struct groups groups;
    char *currency; /* of the first row */
    size_t id, date, spend, users, money, covariates[COVARIATES_MOST], covariate_count;
    struct plot plot;
    struct timing timing;
    struct lift lift;
    size_t ltv[2], rate[2]; /* columns of the stream and of the attributes */
};

static enum mi_status fit_columns(struct fit *f, struct mi_error *error) {
    const struct wanted wanted[] = {
        {"campaign_id", true, &f->id},    {"date", false, &f->date},      {"spend", true, &f->spend},
        {"conversions", true, &f->users}, {"currency", false, &f->money},
    };
    enum mi_status status = find_wanted(f->stream.reader, wanted, sizeof wanted / sizeof wanted[0], error);
    char *rest = NULL,
         *names = fit_options.covariates ? mi_text_copy(mi_text_of(fit_options.covariates)) : NULL;
    if (!status && fit_options.covariates && !names)
        status = no_memory(error);
    char *name = names ? strtok_r(names, ",", &rest) : NULL;
    for (; name && !status; name = strtok_r(NULL, ",", &rest)) {
        if (f->covariate_count == COVARIATES_MOST)
            status = mi_error_set(error, MI_BAD_ARGUMENT, "--covariates takes at most %d columns",
                                  COVARIATES_MOST);
        else
            status =
                mi_reader_column(f->stream.reader, name, true, &f->covariates[f->covariate_count++], error);
    }
    free(names);
    return status;
}

static enum mi_status add_covariates(struct fit *f, const struct mi_batch *batch, size_t row,
                                     struct mi_text id, struct mi_error *error) {
    double values[COVARIATES_MOST];
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < f->covariate_count && !status; i++)
        status = mi_batch_number(batch, row, f->covariates[i], MI_MONEY, &values[i], error);
    return status || f->covariate_count == 0
               ? status
               : mi_curve_fit_covariates(f->fit, id, values, f->covariate_count, error);
}

/* For the pictures: what a user is worth and what spend costs, where a table says it. */
static enum mi_status open_plot(struct fit *f, struct mi_error *error) {
    struct mi_reader *const readers[2] = {f->stream.reader, f->groups.attributes};
    enum mi_status status = plot_open(&f->plot, fit_options.plot, error);
    for (size_t i = 0; i < 2; i++) {
        f->ltv[i] = f->rate[i] = MI_NO_COLUMN;
        if (!status && readers[i])
            status = mi_reader_column(readers[i], "predicted_ltv", false, &f->ltv[i], error);
        if (!status && readers[i])
            status = mi_reader_column(readers[i], "cost_rate", false, &f->rate[i], error);
    }
    return status;
}

static enum mi_status plot_row(struct fit *f, const struct mi_batch *batch, size_t row, struct mi_text id,
                               int32_t date, double spend, double users, struct mi_error *error) {
    double ltv[2] = {NAN, NAN}, rate[2] = {NAN, NAN};
    size_t there = f->groups.ids ? mi_index_find(f->groups.ids, id) : SIZE_MAX;
    enum mi_status status = mi_batch_number(batch, row, f->ltv[0], MI_MONEY, &ltv[0], error);
    if (!status)
        status = mi_batch_number(batch, row, f->rate[0], MI_MONEY, &rate[0], error);
    if (!status && there != SIZE_MAX)
        status = mi_batch_number(f->groups.batch, there, f->ltv[1], MI_MONEY, &ltv[1], error);
    if (!status && there != SIZE_MAX)
        status = mi_batch_number(f->groups.batch, there, f->rate[1], MI_MONEY, &rate[1], error);
    return status ? status
                  : plot_add(&f->plot, id, date, spend, users, isnan(ltv[0]) ? ltv[1] : ltv[0],
                             isnan(rate[0]) ? rate[1] : rate[0], error);
}

/* Campaigns without days: their attributes are in the file. */
static enum mi_status add_new(struct fit *f, struct mi_error *error) {
    struct mi_reader *reader = NULL;
    struct mi_batch *batch;
    size_t id_column, columns[GROUPS_MOST];
    enum mi_status status = table_open(fit_options.new_campaigns, &reader, &batch, error);
    if (!status)
        status = mi_reader_column(reader, "campaign_id", true, &id_column, error);
    for (size_t i = 0; i < f->groups.count && !status; i++)
        status = mi_reader_column(reader, f->groups.names[i], true, &columns[i], error);
    if (!status && f->groups.count == 0)
        status =
            mi_error_set(error, MI_BAD_INPUT,
                         "--new needs columns to pool by (%s) in the days or --attributes", usual_groups);
    for (size_t row = 0; !status && row < mi_batch_rows(batch); row++) {
        struct mi_text id, texts[GROUPS_MOST];
        struct mi_error reason = {0};
        status = mi_batch_id(batch, row, id_column, &id, error);
        for (size_t i = 0; i < f->groups.count && !status; i++)
            status = mi_batch_text(batch, row, columns[i], &texts[i], error);
        if (status)
            break;
        status = mi_curve_fit_campaign(f->fit, id, &reason);
        if (status == MI_BAD_RECORD)
            status = mi_batch_fault(batch, row, id_column, error, "%s", reason.text);
        if (!status)
            status = mi_curve_fit_group(f->fit, id, texts, f->groups.count, error);
        if (!status && f->lift.path)
            status = lift_group(&f->lift, id, texts, f->groups.count, error);
    }
    mi_reader_close(reader);
    return status;
}

static enum mi_status add_group(struct fit *f, struct mi_text id, const struct mi_text *texts,
                                struct mi_error *error) {
    enum mi_status status = MI_OK;
    if (f->lift.path)
        status = lift_group(&f->lift, id, texts, f->groups.count, error);
    return status ? status : mi_curve_fit_group(f->fit, id, texts, f->groups.count, error);
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
    if (!status)
        status = check_currency(batch, row, f->money, &f->currency, error);
    bool use = true, grouped = false;
    struct mi_text texts[GROUPS_MOST];
    if (!status && f->groups.count > 0)
        status = groups_row(&f->groups, batch, row, id, texts, &grouped, error);
    if (!status)
        status = timing_row(&f->timing, batch, row, date, grouped ? texts : NULL, &users, &use, error);
    if (status || !use)
        return status;
    status = mi_curve_fit_add(f->fit, id, date, spend, users, mi_batch_line(batch, row), &reason);
    if (status == MI_BAD_RECORD)
        return mi_batch_fault(batch, row, f->id, error, "%s", reason.text);
    if (status)
        return mi_error_set(error, status, "%s", reason.text);
    if (f->plot.folder)
        status = plot_row(f, batch, row, id, date, spend, users, error);
    if (!status && f->lift.path)
        status = lift_day(&f->lift, id, spend, error);
    if (!status)
        status = add_covariates(f, batch, row, id, error);
    return !status && grouped ? add_group(f, id, texts, error) : status;
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

/* Of --lift. */
enum { LIFT_SHARE, LIFT_SE, LIFT_COLUMNS };
static const char *const lift_names[LIFT_COLUMNS] = {"incrementality", "incrementality_se"};

/* A row's curve becomes that of incremental users. Its dispersion stays: a share of counts varies about its
 * own mean with the same one. */
static void apply_lift(const struct mi_lift_result *lift, struct mi_curve_fit_row *row) {
    row->curve = lift->curve;
    memcpy(row->covariance, lift->covariance, sizeof row->covariance);
}

static enum mi_status write_curves(struct fit *f, struct mi_error *error) {
    struct mi_writer *writer = f->stream.writer;
    size_t slots[FITTED_COLUMNS], lift_slots[LIFT_COLUMNS];
    size_t for_slot = MI_NO_COLUMN, adstock_slot = MI_NO_COLUMN;
    enum mi_status status = fitted_declare(writer, slots, error);
    if (fit_options.for_day && !status)
        status = mi_writer_column(writer, "curve_for", &for_slot, error);
    if (fit_options.adstock && !status)
        status = mi_writer_column(writer, "curve_adstock", &adstock_slot, error);
    for (size_t i = 0; i < LIFT_COLUMNS && f->lift.path && !status; i++)
        status = mi_writer_column(writer, lift_names[i], &lift_slots[i], error);
    if (f->plot.folder)
        plot_sort(&f->plot);
    f->plot.currency = f->currency;
    f->plot.late = fit_options.delay != NULL;
    f->plot.one_day = fit_options.for_day != NULL;
    for (size_t i = 0; i < mi_curve_fit_count(f->fit) && !status; i++) {
        struct mi_curve_fit_row row;
        struct fitted_texts texts = {.curve = NULL};
        bool pooled = i + 1 == mi_curve_fit_count(f->fit);
        const struct mi_lift_result *lift = f->lift.path ? &f->lift.results[i] : NULL;
        mi_curve_fit_row(f->fit, i, &row);
        if (lift)
            apply_lift(lift, &row);
        if (common.verbose && !pooled)
            spark_say(&row);
        if (f->plot.folder && !pooled)
            status = plot_campaign(&f->plot, &row, lift ? lift->incrementality : 1, error);
        if (status)
            break;
        fitted_explain(&row, pooled);
        status = fitted_set(writer, slots, &row, &texts, error);
        if (!status && for_slot != MI_NO_COLUMN)
            mi_writer_date(writer, for_slot, f->timing.target);
        if (!status && adstock_slot != MI_NO_COLUMN)
            mi_writer_number(writer, adstock_slot, row.adstock);
        if (!status && lift) {
            mi_writer_number(writer, lift_slots[LIFT_SHARE], lift->incrementality);
            mi_writer_number(writer, lift_slots[LIFT_SE], lift->se);
        }
        if (!status)
            status = mi_writer_row(writer, NULL, 0, error);
        free(texts.curve);
    }
    return !status && f->plot.folder ? plot_index(&f->plot, error) : status;
}

/* ---- fit: run ---- */

static enum mi_status open_fit(struct fit *f, struct mi_error *error) {
    static const enum mi_curve_family families[] = {
        [FAMILY_AUTO] = MI_CURVE_HILL,
        [FAMILY_HILL] = MI_CURVE_HILL,
        [FAMILY_MM] = MI_CURVE_MM,
        [FAMILY_EXP] = MI_CURVE_EXP,
        [FAMILY_GOMPERTZ] = MI_CURVE_GOMPERTZ,
        [FAMILY_LOGISTIC] = MI_CURVE_LOGISTIC,
        [FAMILY_POWER] = MI_CURVE_POWER,
        [FAMILY_LOG] = MI_CURVE_LOG,
    };
    struct mi_curve_fit_options options = {
        .any_family = fit_options.family == FAMILY_AUTO,
        .family = families[fit_options.family],
        .sum_duplicates = groups_options.duplicates == DUPLICATES_SUM,
        .threads = common.threads,
    };
    return mi_curve_fit_new(&options, &f->fit, error);
}

static enum mi_status run_portfolio(struct fit *f, struct mi_error *error) {
    struct mi_notes notes = common_notes();
    struct mi_error reason = {0};
    enum mi_status status = mi_curve_fit_run(f->fit, &notes, &reason);
    return status ? blame_rows(f->stream.reader, status, &reason, error) : MI_OK;
}

static enum mi_status fit(struct fit *f, struct mi_error *error) {
    enum mi_status status = stream_open(&f->stream, false, error);
    if (!status)
        status = fit_columns(f, error);
    if (!status)
        status = groups_open(&f->groups, f->stream.reader, error);
    f->timing.as_of = fit_options.as_of;
    f->timing.for_day = fit_options.for_day;
    f->timing.delay = fit_options.delay;
    f->timing.adstock = fit_options.adstock;
    if (!status)
        status = timing_open(&f->timing, f->stream.reader, error);
    if (!status && fit_options.plot)
        status = open_plot(f, error);
    if (!status && fit_options.lift)
        status = lift_open(&f->lift, fit_options.lift, error);
    if (!status)
        status = open_fit(f, error);
    if (!status)
        status = read_days(f, error);
    if (!status && fit_options.new_campaigns)
        status = add_new(f, error);
    if (!status)
        status = timing_apply(&f->timing, f->fit, error);
    if (!status)
        status = run_portfolio(f, error);
    if (!status && fit_options.lift)
        status = lift_apply(&f->lift, f->fit, f->groups.names, f->groups.count, error);
    if (status)
        return status;
    groups_say(&f->groups);
    status = stream_output(&f->stream, false, error);
    return status ? status : write_curves(f, error);
}

enum mi_status run_fit(struct mi_error *error) {
    struct fit f = {0};
    enum mi_status status = fit(&f, error);
    status = stream_close(&f.stream, status, error);
    plot_free(&f.plot);
    lift_free(&f.lift);
    timing_free(&f.timing);
    free(f.currency);
    mi_curve_fit_free(f.fit);
    groups_free(&f.groups);
    return status;
}
