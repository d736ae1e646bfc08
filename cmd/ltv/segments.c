/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * LTV by segment: a hierarchy fitted to users of the past, what it says of campaigns, and that against the
 * users of the same source.
 */
#include "ltv/segments.h"
#include "common/store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct segment_options segment_options;

/* ---- what makes a segment ---- */

struct segment_columns {
    const char *names[MI_LTV_COLUMNS_MOST];
    size_t count;
    char *text; /* of --by, cut at its commas */
};

static const char *const usual_columns[] = {"ad_network", "targeting_strategy", "geo", "creative_format"};

#define USUAL_COLUMNS (sizeof usual_columns / sizeof *usual_columns)

static enum mi_status add_column(struct segment_columns *columns, const char *name, struct mi_error *error) {
    if (name[0] == '\0')
        return mi_error_set(error, MI_BAD_ARGUMENT, "--by=%s: an empty name", segment_options.by);
    for (size_t i = 0; i < columns->count; i++) {
        if (strcmp(columns->names[i], name) == 0)
            return mi_error_set(error, MI_BAD_ARGUMENT, "--by=%s: '%s' stands twice", segment_options.by,
                                name);
    }
    if (columns->count == MI_LTV_COLUMNS_MOST)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--by=%s: more than %d columns", segment_options.by,
                            MI_LTV_COLUMNS_MOST);
    columns->names[columns->count++] = name;
    return MI_OK;
}

static enum mi_status columns_given(struct segment_columns *columns, struct mi_error *error) {
    columns->text = mi_text_copy(mi_text_of(segment_options.by));
    if (columns->text == NULL)
        return no_memory(error);
    enum mi_status status = MI_OK;
    for (char *at = columns->text; at != NULL && !status;) {
        char *comma = strchr(at, ',');
        if (comma != NULL)
            *comma++ = '\0';
        status = add_column(columns, at, error);
        at = comma;
    }
    return status;
}

/* A usual column that one file has and the other has not: no way to tell which users are alike. */
static enum mi_status one_sided(const struct mi_reader *history, const struct mi_reader *campaigns,
                                const char *name, struct mi_error *error) {
    bool in_history = mi_reader_has(history, name);
    const char *with = mi_reader_name(in_history ? history : campaigns);
    const char *without = mi_reader_name(in_history ? campaigns : history);
    return mi_error_set(error, MI_BAD_INPUT,
                        "%s has no column '%s', which %s has: name the columns to match by "
                        "with --by",
                        without, name, with);
}

/* Those of the usual columns that are there; campaigns is NULL where there is only a history. */
static enum mi_status columns_there(struct segment_columns *columns, const struct mi_reader *history,
                                    const struct mi_reader *campaigns, struct mi_error *error) {
    const char *absent[USUAL_COLUMNS];
    size_t absent_count = 0;
    for (size_t i = 0; i < USUAL_COLUMNS; i++) {
        const char *name = usual_columns[i];
        bool there = mi_reader_has(history, name);
        if (campaigns != NULL && mi_reader_has(campaigns, name) != there)
            return one_sided(history, campaigns, name, error);
        if (there) {
            columns->names[columns->count++] = name;
        } else {
            absent[absent_count++] = name;
        }
    }
    if (columns->count == 0)
        return mi_error_set(error, MI_BAD_INPUT,
                            "%s has none of ad_network, targeting_strategy, geo, creative_format: name the "
                            "columns that make a segment with --by",
                            mi_reader_name(history));
    for (size_t i = 0; i < absent_count; i++)
        note("no column '%s': users are pooled over it", absent[i]);
    return MI_OK;
}

/* ---- histories ---- */

/* Users are known by a hash of their id, 64 bits: 16 bytes a user, and one chance in 10^5 that of ten million
 * two that differ are taken for one. */
struct known_users {
    uint64_t *table; /* open addressing, 0: free */
    size_t count, size;
};

struct history_columns {
    size_t user; /* user_id, where there */
    struct known_users known;
    size_t segment[MI_LTV_COLUMNS_MOST];
    size_t count;
    size_t users, ltv, sd, installed;
    bool groups;
    uint64_t rows, without_sd;
};

static enum mi_status find_columns(struct mi_reader *reader, const struct segment_columns *segment,
                                   struct history_columns *columns, struct mi_error *error) {
    *columns = (struct history_columns){
        .count = segment->count, .groups = mi_reader_has(reader, "users"), .user = MI_NO_COLUMN};
    enum mi_status status = mi_reader_column(reader, "ltv_90d", true, &columns->ltv, error);
    if (!status && !columns->groups)
        status = mi_reader_column(reader, "user_id", false, &columns->user, error);
    if (!status)
        status = mi_reader_column(reader, "install_date", !columns->groups, &columns->installed, error);
    if (!status)
        status = mi_reader_column(reader, "users", false, &columns->users, error);
    if (!status)
        status = mi_reader_column(reader, "ltv_sd", false, &columns->sd, error);
    for (size_t i = 0; i < segment->count && !status; i++)
        status = mi_reader_column(reader, segment->names[i], true, &columns->segment[i], error);
    return status;
}

static enum mi_status read_values(const struct mi_batch *batch, size_t row, const size_t *columns,
                                  size_t count, struct mi_text *values, struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = mi_batch_text(batch, row, columns[i], &values[i], error);
    return status;
}

static enum mi_status read_user(const struct mi_batch *batch, size_t row, struct history_columns *columns,
                                struct mi_text *values, struct mi_ltv_row *user, struct mi_error *error) {
    *user = (struct mi_ltv_row){.values = values, .users = 1, .sd = NAN};
    enum mi_status status = read_values(batch, row, columns->segment, columns->count, values, error);
    if (!status && columns->groups)
        status = mi_batch_number(batch, row, columns->users, MI_FILLED | MI_MONEY, &user->users, error);
    if (!status && columns->groups)
        status = mi_batch_number(batch, row, columns->sd, MI_MONEY, &user->sd, error);
    if (!status) {
        unsigned rules = user->users > 0 ? MI_FILLED | MI_MONEY : MI_MONEY;
        status = mi_batch_number(batch, row, columns->ltv, rules, &user->mean, error);
    }
    if (!status) {
        unsigned rules = columns->installed == MI_NO_COLUMN ? MI_ANY : MI_FILLED;
        status = mi_batch_date(batch, row, columns->installed, rules, &user->installed, error);
    }
    columns->rows++;
    columns->without_sd += status == MI_OK && isnan(user->sd) && user->users > 1;
    return status;
}

/* What an ensemble says of the history's users. */
struct prior {
    struct mi_ltv_ensemble *ensemble; /* NULL: there is none */
    struct mi_ltv_history *predictions;
    size_t *rows; /* of the batch, those in the ensemble's block */
    size_t room;
};

static void prior_clear(struct prior *prior) {
    mi_ltv_ensemble_free(prior->ensemble);
    mi_ltv_history_free(prior->predictions);
    free(prior->rows);
}

static enum mi_status prior_open(struct prior *prior, struct mi_reader *reader,
                                 const struct mi_ltv_history_options *how, struct mi_error *error) {
    struct mi_notes notes = common_notes();
    if (mi_reader_has(reader, "users"))
        return mi_error_set(error, MI_BAD_INPUT,
                            "%s is an ensemble and predicts single users: %s has groups of them ('users')",
                            ltv_model.path, mi_reader_name(reader));
    if (mi_ltv_ensemble_has_log(prior->ensemble))
        return mi_error_set(error, MI_BAD_ARGUMENT,
                            "%s was fitted with a transaction log: it is no prior here", ltv_model.path);
    if (strcmp(mi_ltv_ensemble_target(prior->ensemble), "ltv_90d") != 0)
        note("%s predicts '%s': taken for what the history calls ltv_90d", ltv_model.path,
             mi_ltv_ensemble_target(prior->ensemble));
    enum mi_status status = mi_ltv_ensemble_open(prior->ensemble, reader, &notes, error);
    return status ? status : mi_ltv_history_new(how, &prior->predictions, error);
}

static enum mi_status prior_start(struct prior *prior, size_t rows, struct mi_error *error) {
    mi_ltv_ensemble_clear(prior->ensemble);
    if (rows <= prior->room)
        return MI_OK;
    size_t *wider = realloc(prior->rows, rows * sizeof *wider);
    if (!wider)
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    prior->rows = wider;
    prior->room = rows;
    return MI_OK;
}

/* The block's predictions, of users of any age. */
static enum mi_status prior_end(struct prior *prior, const struct mi_batch *batch,
                                const struct history_columns *columns, struct mi_error *error) {
    struct mi_text values[MI_LTV_COLUMNS_MOST];
    enum mi_status status = mi_ltv_ensemble_predict(prior->ensemble, error);
    for (size_t i = 0; i < mi_ltv_ensemble_rows(prior->ensemble) && !status; i++) {
        struct mi_ltv_row user = {.values = values, .users = 1, .sd = NAN, .installed = MI_DATE_MISSING};
        user.mean = mi_ltv_ensemble_user(prior->ensemble, i, MI_INTERVAL).ltv;
        status = read_values(batch, prior->rows[i], columns->segment, columns->count, values, error);
        if (!status)
            status = mi_ltv_history_add(prior->predictions, &user, error);
    }
    return status;
}

static void put_user(struct known_users *known, uint64_t id) {
    size_t at = (size_t)id & (known->size - 1);
    while (known->table[at] != 0 && known->table[at] != id)
        at = (at + 1) & (known->size - 1);
    known->count += known->table[at] == 0;
    known->table[at] = id;
}

/* A user who stands twice would count twice: a history that was loaded twice, most likely. */
static enum mi_status check_user(struct history_columns *columns, const struct mi_batch *batch, size_t row,
                                 struct mi_error *error) {
    struct known_users *known = &columns->known;
    struct mi_text id;
    enum mi_status status = mi_batch_id(batch, row, columns->user, &id, error);
    if (status)
        return status;
    if (2 * known->count >= known->size) {
        struct known_users wider = {.size = known->size ? 2 * known->size : 4096};
        wider.table = calloc(wider.size, sizeof *wider.table);
        if (!wider.table)
            return mi_error_set(error, MI_NO_MEMORY, "out of memory");
        for (size_t i = 0; i < known->size; i++)
            if (known->table[i] != 0)
                put_user(&wider, known->table[i]);
        free(known->table);
        *known = wider;
    }
    size_t before = known->count;
    put_user(known, mi_text_hash(id));
    return known->count > before ? MI_OK
                                 : mi_batch_fault(batch, row, columns->user, error, "stands twice: \"%.*s\"",
                                                  (int)(id.size < 80 ? id.size : 80), id.data);
}

static enum mi_status add_user(struct mi_ltv_history *history, struct prior *prior,
                               const struct mi_batch *batch, size_t row, struct history_columns *columns,
                               struct mi_error *error) {
    struct mi_text values[MI_LTV_COLUMNS_MOST];
    struct mi_ltv_row user;
    enum mi_status status = read_user(batch, row, columns, values, &user, error);
    if (!status && columns->user != MI_NO_COLUMN)
        status = check_user(columns, batch, row, error);
    if (!status && prior->ensemble) {
        prior->rows[mi_ltv_ensemble_rows(prior->ensemble)] = row;
        status = mi_ltv_ensemble_row(prior->ensemble, batch, row, error);
    }
    if (status)
        return status;
    struct mi_error reason = {0};
    status = mi_ltv_history_add(history, &user, &reason);
    if (status == MI_BAD_RECORD)
        return mi_batch_fault(batch, row, columns->users, error, "%s", reason.text);
    if (status != MI_OK && error != NULL)
        *error = reason;
    return status;
}

static enum mi_status add_users(struct mi_ltv_history *history, struct prior *prior, struct mi_reader *reader,
                                struct history_columns *columns, struct mi_error *error) {
    struct mi_batch *batch;
    enum mi_status status;
    while ((status = mi_reader_next(reader, &batch, error)) == MI_OK) {
        if (prior->ensemble && (status = prior_start(prior, mi_batch_rows(batch), error)))
            return status;
        for (size_t row = 0; row < mi_batch_rows(batch); row++) {
            status = add_user(history, prior, batch, row, columns, error);
            if (status == MI_BAD_RECORD)
                status = mi_reader_reject(reader, batch, row, error);
            if (status)
                return status;
        }
        if (prior->ensemble && (status = prior_end(prior, batch, columns, error)))
            return status;
    }
    return status == MI_END ? MI_OK : status;
}

/* Says what of the history is not as it might seem. */
static void say_history(const struct history_columns *columns, const struct mi_ltv_history_summary *summary) {
    char date[16] = "";
    if (summary->as_of != MI_DATE_MISSING)
        mi_date_format(summary->as_of, date);
    detail("history: %llu rows, %.0f users of age in %zu segments, %.0f too young at %s",
           (unsigned long long)summary->rows, summary->users, summary->segments, summary->young_users,
           date[0] != '\0' ? date : "no date");
    if (columns->without_sd > 0)
        note("%llu of %llu rows of the history have no ltv_sd: how much their users differ is taken from the "
             "other rows and from how rows of one segment differ",
             (unsigned long long)columns->without_sd, (unsigned long long)columns->rows);
    if (summary->users <= 0 && summary->young_users > 0)
        note("no user of the history is %lu days old at %s", segment_options.min_age, date);
}

static enum mi_status read_history(struct mi_reader *reader, const struct segment_columns *segment,
                                   struct prior *prior, bool folds, struct mi_ltv_history **history,
                                   struct mi_error *error) {
    struct mi_ltv_history_options how = {.columns = segment->names,
                                         .column_count = segment->count,
                                         .as_of = MI_DATE_MISSING,
                                         .min_age = (int)segment_options.min_age,
                                         .folds = folds};
    struct history_columns columns;
    struct mi_ltv_history_summary summary;
    if (segment_options.as_of != NULL && !mi_date_parse(mi_text_of(segment_options.as_of), &how.as_of))
        return mi_error_set(error, MI_BAD_ARGUMENT, "--as-of: not a date: \"%s\" (as 2026-11-24)",
                            segment_options.as_of);
    enum mi_status status = find_columns(reader, segment, &columns, error);
    if (!status)
        status = mi_ltv_history_new(&how, history, error);
    if (!status && prior->ensemble)
        status = prior_open(prior, reader, &how, error);
    if (!status)
        status = add_users(*history, prior, reader, &columns, error);
    free(columns.known.table);
    if (!status)
        status = mi_ltv_history_finish(*history, &summary, error);
    if (!status)
        say_history(&columns, &summary);
    if (!status && prior->ensemble) {
        struct mi_notes notes = common_notes();
        mi_ltv_ensemble_close(prior->ensemble, &notes);
        status = mi_ltv_history_finish(prior->predictions, NULL, error);
    }
    return status;
}

/* ---- fit ---- */

static void say_fit(const struct mi_ltv_model *model) {
    struct mi_ltv_holdout holdout = mi_ltv_model_holdout(model);
    detail("held out in five folds: RMSE of segment means %.4g (own mean %.4g, portfolio's mean %.4g), WAPE "
           "%.3g %%, %.0f %% within their 80 %% interval",
           holdout.rmse, holdout.rmse_segment, holdout.rmse_portfolio, holdout.wape, 100 * holdout.coverage);
}

static enum mi_status fit_to(struct stream *stream, struct segment_columns *columns,
                             struct mi_ltv_history **history, struct mi_ltv_model **model,
                             struct mi_error *error) {
    struct mi_notes notes = common_notes();
    struct prior none = {0};
    if (segment_options.history && common.input)
        return mi_error_set(error, MI_BAD_ARGUMENT, "the history is given twice: -H %s and %s",
                            segment_options.history, common.input);
    if (segment_options.history)
        common.input = segment_options.history;
    enum mi_status status = stream_open(stream, false, error);
    if (!status)
        status = segment_options.by != NULL ? columns_given(columns, error)
                                            : columns_there(columns, stream->reader, NULL, error);
    if (!status)
        status = read_history(stream->reader, columns, &none, true, history, error);
    if (!status)
        status = mi_ltv_fit(*history, &notes, model, error);
    return status;
}

enum mi_status segments_fit(struct mi_error *error) {
    struct stream stream = {0};
    struct segment_columns columns = {0};
    struct mi_ltv_history *history = NULL;
    struct mi_ltv_model *model = NULL;
    enum mi_status status = fit_to(&stream, &columns, &history, &model, error);
    status = stream_close(&stream, status, error);
    if (!status) {
        say_fit(model);
        status = mi_ltv_model_write(model, common.output, error);
    }
    mi_ltv_model_free(model);
    mi_ltv_history_free(history);
    free(columns.text);
    return status;
}

/* ---- predict and by-source ---- */

struct prediction {
    struct stream stream;
    struct segment_columns columns;
    struct mi_reader *history_reader;
    struct mi_ltv_history *history; /* NULL: predict */
    struct mi_ltv_model *model;
    struct prior prior;
    struct mi_ltv_rule rule;
    size_t segment[MI_LTV_COLUMNS_MOST]; /* columns of the campaigns */
    size_t ltv, se, low, high, confidence, sample_size;
    uint64_t rows, below_high, by_depth[MI_LTV_COLUMNS_MOST + 1];
};

static enum mi_status add_outputs(struct prediction *p, struct mi_error *error) {
    const struct {
        const char *name;
        size_t *slot;
    } outputs[] = {{"predicted_ltv", &p->ltv},
                   {"ltv_se", &p->se},
                   {"ltv_lo", &p->low},
                   {"ltv_hi", &p->high},
                   {"ltv_confidence", &p->confidence},
                   {"ltv_sample_size", &p->sample_size}};
    size_t count = p->history != NULL ? 6 : 4;
    enum mi_status status = stream_output(&p->stream, true, error);
    for (size_t i = 0; i < count && !status; i++)
        status = mi_writer_column(p->stream.writer, outputs[i].name, outputs[i].slot, error);
    return status;
}

static enum mi_status predict_row(void *context, struct stream *stream, const struct mi_batch *batch,
                                  size_t row, struct mi_error *error) {
    struct prediction *p = context;
    struct mi_text values[MI_LTV_COLUMNS_MOST];
    struct mi_ltv_source source = {0};
    enum mi_status status = read_values(batch, row, p->segment, p->columns.count, values, error);
    if (!status)
        status = p->history != NULL
                     ? mi_ltv_by_source(p->model, p->history, &p->rule, values, &source, error)
                     : mi_ltv_predict(p->model, values, p->rule.level, &source.estimate, error);
    if (status)
        return status;
    p->rows++;
    p->below_high += source.confidence != MI_LTV_HIGH;
    p->by_depth[source.estimate.depth]++;
    mi_writer_number(stream->writer, p->ltv, source.estimate.ltv);
    mi_writer_number(stream->writer, p->se, source.estimate.se);
    mi_writer_number(stream->writer, p->low, source.estimate.low);
    mi_writer_number(stream->writer, p->high, source.estimate.high);
    if (p->history != NULL) {
        mi_writer_text(stream->writer, p->confidence, mi_text_of(mi_ltv_confidence_name(source.confidence)));
        mi_writer_number(stream->writer, p->sample_size, source.users);
    }
    return mi_writer_row(stream->writer, batch, row, error);
}

/* Counts the rows whose values are not all known, by the column whose mean they took; and where there is no
 * model, those that needed one. */
static void say_predicted(const struct prediction *p) {
    if (segment_options.rule && ltv_model.path == NULL && p->below_high > 0)
        note("%llu of %llu rows have too few users for a mean of their own: predicted by the hierarchy "
             "fitted to "
             "the history, as no model is given",
             (unsigned long long)p->below_high, (unsigned long long)p->rows);
    const char *of = p->history != NULL ? "the users of the past" : "the model";
    for (size_t depth = 0; depth < p->columns.count; depth++) {
        if (p->by_depth[depth] > 0)
            note("%llu of %llu rows: a value of '%s' that %s did not have, taken at the mean of %s%s%s",
                 (unsigned long long)p->by_depth[depth], (unsigned long long)p->rows, p->columns.names[depth],
                 of, depth > 0 ? "their '" : "the portfolio", depth > 0 ? p->columns.names[depth - 1] : "",
                 depth > 0 ? "'" : "");
    }
}

/* Streams the campaigns once the model is there. */
static enum mi_status predict_rows(struct prediction *p, struct mi_error *error) {
    enum mi_status status = MI_OK;
    p->rule = (struct mi_ltv_rule){.high = segment_options.high,
                                   .medium = segment_options.medium,
                                   .plain = segment_options.rule,
                                   .level = ltv_model.level};
    for (size_t i = 0; i < p->columns.count && !status; i++)
        status = mi_reader_column(p->stream.reader, p->columns.names[i], true, &p->segment[i], error);
    if (!status)
        status = add_outputs(p, error);
    if (!status)
        status = stream_each_row(&p->stream, predict_row, p, error);
    if (!status)
        say_predicted(p);
    return status;
}

static enum mi_status end_prediction(struct prediction *p, enum mi_status status, struct mi_error *error) {
    status = stream_close(&p->stream, status, error);
    mi_reader_close(p->history_reader);
    mi_ltv_history_free(p->history);
    mi_ltv_model_free(p->model);
    prior_clear(&p->prior);
    free(p->columns.text);
    return status;
}

/* Columns as the model has them. */
static void columns_of_model(struct segment_columns *columns, const struct mi_ltv_model *model) {
    columns->count = mi_ltv_model_column_count(model);
    for (size_t i = 0; i < columns->count; i++)
        columns->names[i] = mi_ltv_model_column(model, i);
}

enum mi_status segments_predict(const struct mi_model_file *file, struct mi_error *error) {
    struct prediction p = {0};
    enum mi_status status = mi_ltv_model_of(file, &p.model, error);
    if (!status) {
        columns_of_model(&p.columns, p.model);
        status = stream_open(&p.stream, false, error);
    }
    if (!status)
        status = predict_rows(&p, error);
    return end_prediction(&p, status, error);
}

/* Which columns make a segment: --by, else the model's, else the usual ones. */
static enum mi_status choose_columns(struct prediction *p, struct mi_error *error) {
    if (segment_options.by == NULL && p->model == NULL)
        return columns_there(&p->columns, p->history_reader, p->stream.reader, error);
    enum mi_status status = segment_options.by != NULL ? columns_given(&p->columns, error) : MI_OK;
    if (status != MI_OK || p->model == NULL)
        return status;
    struct segment_columns of_model;
    columns_of_model(&of_model, p->model);
    bool same = segment_options.by == NULL || of_model.count == p->columns.count;
    for (size_t i = 0; i < p->columns.count && same; i++)
        same = strcmp(of_model.names[i], p->columns.names[i]) == 0;
    if (!same)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--by=%s: %s was fitted by other columns",
                            segment_options.by, ltv_model.path);
    memcpy(p->columns.names, of_model.names, sizeof of_model.names);
    p->columns.count = of_model.count;
    return MI_OK;
}

static enum mi_status open_history(struct prediction *p, struct mi_error *error) {
    struct mi_reader_options how = common_reading();
    if (segment_options.history == NULL)
        return mi_error_set(error, MI_BAD_ARGUMENT, "needs users of the past: -H FILE");
    if (strcmp(segment_options.history, "-") == 0 && (common.input == NULL || strcmp(common.input, "-") == 0))
        return mi_error_set(error, MI_BAD_ARGUMENT, "history and campaigns cannot both be read from stdin");
    return mi_reader_open(segment_options.history, &how, &p->history_reader, error);
}

/* The history's users, about what the ensemble says of them. */
static enum mi_status fit_about_prior(struct prediction *p, struct mi_error *error) {
    struct mi_notes notes = common_notes();
    struct mi_ltv_model *prior = NULL;
    enum mi_status status = mi_ltv_fit(p->prior.predictions, &notes, &prior, error);
    if (!status)
        status = mi_ltv_fit_about(p->history, prior, &notes, &p->model, error);
    if (status)
        mi_ltv_model_free(prior);
    else if (p->model == prior)
        note("no user is old enough: the ensemble's predictions stand alone");
    return status;
}

/* The model that by-source predicts with: the one given, or the history's own. */
static enum mi_status make_model(struct prediction *p, struct mi_error *error) {
    struct mi_notes notes = common_notes();
    if (p->prior.ensemble)
        return fit_about_prior(p, error);
    if (p->model == NULL) {
        detail("no model given: it is fitted to the history");
        return mi_ltv_fit(p->history, &notes, &p->model, error);
    }
    return segment_options.rule
               ? MI_OK
               : mi_ltv_model_update(p->model, p->history, segment_options.independent, error);
}

static enum mi_status read_model(struct prediction *p, struct mi_error *error) {
    struct mi_model_file *file;
    enum mi_status status = model_read(ltv_model.path, "mi-ltv", &file, error);
    if (status == MI_OK) {
        bool ensemble = strcmp(mi_model_file_kind(file), "ensemble") == 0;
        status = ensemble ? mi_ltv_ensemble_of(file, &p->prior.ensemble, error)
                          : mi_ltv_model_of(file, &p->model, error);
        mi_model_file_free(file);
    }
    if (!status && p->prior.ensemble && segment_options.independent)
        status = mi_error_set(error, MI_BAD_ARGUMENT,
                              "--independent: %s is an ensemble, which keeps no users", ltv_model.path);
    return status;
}

static enum mi_status prepare_source(struct prediction *p, struct mi_error *error) {
    enum mi_status status = open_history(p, error);
    if (!status && segment_options.medium > segment_options.high)
        status = mi_error_set(error, MI_BAD_ARGUMENT, "--medium is above --high");
    if (!status && ltv_model.path != NULL)
        status = read_model(p, error);
    if (!status)
        status = stream_open(&p->stream, false, error);
    if (!status)
        status = choose_columns(p, error);
    if (!status)
        status = read_history(p->history_reader, &p->columns, &p->prior, false, &p->history, error);
    return status == MI_OK ? make_model(p, error) : status;
}

enum mi_status segments_by_source(struct mi_error *error) {
    struct prediction p = {0};
    enum mi_status status = prepare_source(&p, error);
    if (!status)
        status = predict_rows(&p, error);
    return end_prediction(&p, status, error);
}
