/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * LTV by behaviour: the ensemble fitted to users of the past, and what it says of users.
 */
#include "ltv/behaviour.h"
#include "ltv/log.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct behaviour_options behaviour_options;

#define QUANTILES_MOST 32
#define EXPLAIN_MOST   100

/* ---- fit ---- */

static void detail_line(void *user, const char *text) {
    (void)user;
    detail("%s", text);
}

/* The days in a name as "ltv_90d"; 0: none. */
static double days_in(const char *name) {
    const char *at = strrchr(name, '_');
    size_t digits = at ? strspn(at + 1, "0123456789") : 0;
    double days = 0;
    bool good = digits > 0 && digits < 6 && strcmp(at + 1 + digits, "d") == 0;
    return good && mi_number_parse((struct mi_text){at + 1, digits}, &days) ? days : 0;
}

/* How far the target looks beyond the log. */
static enum mi_status horizon_of_target(struct mi_ltv_ensemble_options *options, struct mi_error *error) {
    bool asked = !isnan(btyd_options.horizon);
    options->horizon = asked ? btyd_options.horizon : days_in(options->target);
    if (!behaviour_options.transactions)
        return asked ? mi_error_set(error, MI_BAD_ARGUMENT, "--horizon needs --transactions") : MI_OK;
    if (options->cut == MI_DATE_MISSING)
        return mi_error_set(error, MI_BAD_ARGUMENT,
                            "--transactions needs --cut=DATE, the last day before what '%s' is of",
                            options->target);
    if (!(options->horizon > 0))
        return mi_error_set(error, MI_BAD_ARGUMENT,
                            "--transactions needs --horizon=DAYS, of how many days after --cut '%s' is",
                            options->target);
    if (!asked)
        note("'%s' is taken to be of %g days after %s", options->target, options->horizon,
             behaviour_options.cut);
    return MI_OK;
}

static enum mi_status fit_options_of(struct mi_ltv_ensemble_options *options, struct mi_error *error) {
    *options = (struct mi_ltv_ensemble_options){.target = behaviour_options.target,
                                                .features = behaviour_options.features,
                                                .exclude = behaviour_options.exclude,
                                                .time = behaviour_options.time,
                                                .segment = behaviour_options.segment,
                                                .given = behaviour_options.prediction,
                                                .members = behaviour_options.members,
                                                .customer = "customer_id",
                                                .allow_leak = behaviour_options.allow_leak,
                                                .seed = (uint64_t)behaviour_options.seed,
                                                .threads = (unsigned)common.threads};
    enum mi_status status = parse_day("cut", behaviour_options.cut, &options->cut, error);
    return status ? status : horizon_of_target(options, error);
}

static enum mi_status fit_table(struct stream *stream, const struct mi_ltv_ensemble_options *options,
                                struct mi_ltv_ensemble **ensemble, struct mi_error *error) {
    struct mi_notes notes = common_notes();
    struct mi_batch *batch;
    enum mi_status status = mi_reader_next(stream->reader, &batch, error);
    if (status && status != MI_END)
        return status;
    return mi_ltv_ensemble_fit(stream->reader, batch, options, &notes, ensemble, error);
}

enum mi_status behaviour_fit(struct mi_error *error) {
    struct stream stream = {0};
    struct mi_ltv_ensemble *ensemble = NULL;
    struct mi_ltv_ensemble_options options;
    struct mi_rfm *log = NULL;
    struct mi_notes details = {.say = detail_line};
    enum mi_status status = fit_options_of(&options, error);
    if (!status && behaviour_options.transactions)
        status = log_read(behaviour_options.transactions, options.cut, &log, error);
    options.transactions = log;
    if (!status)
        status = stream_open(&stream, true, error);
    if (!status)
        status = fit_table(&stream, &options, &ensemble, error);
    status = stream_close(&stream, status, error);
    if (!status) {
        mi_ltv_ensemble_say(ensemble, &details);
        status = mi_ltv_ensemble_write(ensemble, common.output, error);
    }
    mi_ltv_ensemble_free(ensemble);
    mi_rfm_free(log);
    return status;
}

/* ---- predict ---- */

struct scoring {
    struct stream stream;
    struct mi_ltv_ensemble *ensemble;
    struct mi_rfm *log;
    size_t ltv, low, high;
    double quantiles[QUANTILES_MOST];
    size_t quantile_slots[QUANTILES_MOST], quantile_count;
    size_t reason_slots[EXPLAIN_MOST][2];
    struct mi_ltv_reason *reasons; /* of a block */
    size_t *rows;                  /* of the batch, those in the block */
    size_t room;
};

static enum mi_status read_quantiles(struct scoring *s, struct mi_error *error) {
    for (const char *at = behaviour_options.quantiles; at && *at;) {
        size_t size = strcspn(at, ",");
        double share;
        struct mi_text text = {at, size};
        if (!mi_number_parse(text, &share) || !(share > 0 && share < 1))
            return mi_error_set(error, MI_BAD_ARGUMENT, "--quantiles: not between 0 and 1: \"%.*s\"",
                                (int)size, at);
        if (s->quantile_count == QUANTILES_MOST)
            return mi_error_set(error, MI_BAD_ARGUMENT, "--quantiles: more than %d", QUANTILES_MOST);
        s->quantiles[s->quantile_count++] = share;
        at += size + (at[size] == ',');
    }
    return MI_OK;
}

static enum mi_status add_outputs(struct scoring *s, struct mi_error *error) {
    char name[64], share[MI_NUMBER_LENGTH];
    struct mi_writer *writer = s->stream.writer;
    enum mi_status status = mi_writer_column(writer, "predicted_ltv", &s->ltv, error);
    if (!status)
        status = mi_writer_column(writer, "ltv_lo", &s->low, error);
    if (!status)
        status = mi_writer_column(writer, "ltv_hi", &s->high, error);
    for (size_t i = 0; i < s->quantile_count && !status; i++) {
        mi_number_format(s->quantiles[i], share);
        snprintf(name, sizeof name, "ltv_q%s", share);
        status = mi_writer_column(writer, name, &s->quantile_slots[i], error);
    }
    for (size_t i = 0; i < behaviour_options.explain && !status; i++) {
        snprintf(name, sizeof name, "reason_%zu", i + 1);
        status = mi_writer_column(writer, name, &s->reason_slots[i][0], error);
        snprintf(name, sizeof name, "reason_%zu_factor", i + 1);
        if (!status)
            status = mi_writer_column(writer, name, &s->reason_slots[i][1], error);
    }
    return status;
}

static enum mi_status make_room(struct scoring *s, size_t rows, struct mi_error *error) {
    if (rows <= s->room)
        return MI_OK;
    size_t *kept = realloc(s->rows, rows * sizeof *kept);
    if (!kept)
        return no_memory(error);
    s->rows = kept;
    if (behaviour_options.explain > 0) {
        struct mi_ltv_reason *reasons =
            realloc(s->reasons, rows * behaviour_options.explain * sizeof *reasons);
        if (!reasons)
            return no_memory(error);
        s->reasons = reasons;
    }
    s->room = rows;
    return MI_OK;
}

static void set_row(struct scoring *s, size_t i) {
    struct mi_writer *writer = s->stream.writer;
    struct mi_ltv_user user = mi_ltv_ensemble_user(s->ensemble, i, ltv_model.level);
    mi_writer_number(writer, s->ltv, user.ltv);
    mi_writer_number(writer, s->low, user.low);
    mi_writer_number(writer, s->high, user.high);
    for (size_t q = 0; q < s->quantile_count; q++)
        mi_writer_number(writer, s->quantile_slots[q],
                         mi_ltv_ensemble_quantile(s->ensemble, i, s->quantiles[q]));
    for (size_t r = 0; r < behaviour_options.explain; r++) {
        const struct mi_ltv_reason *reason = &s->reasons[i * behaviour_options.explain + r];
        if (reason->feature == SIZE_MAX)
            continue;
        mi_writer_text(writer, s->reason_slots[r][0],
                       mi_text_of(mi_ltv_ensemble_feature(s->ensemble, reason->feature)));
        mi_writer_number(writer, s->reason_slots[r][1], reason->factor);
    }
}

/* Reads the rows of a batch into the block. */
static enum mi_status read_batch(struct scoring *s, const struct mi_batch *batch, struct mi_error *error) {
    size_t filled = 0;
    enum mi_status status = make_room(s, mi_batch_rows(batch), error);
    mi_ltv_ensemble_clear(s->ensemble);
    for (size_t row = 0; row < mi_batch_rows(batch) && !status; row++) {
        status = mi_ltv_ensemble_row(s->ensemble, batch, row, error);
        if (!status)
            s->rows[filled++] = row;
        else if (status == MI_BAD_RECORD)
            status = mi_reader_reject(s->stream.reader, batch, row, error);
    }
    return status;
}

static enum mi_status predict_batch(struct scoring *s, const struct mi_batch *batch, struct mi_error *error) {
    enum mi_status status = read_batch(s, batch, error);
    if (!status)
        status = mi_ltv_ensemble_predict(s->ensemble, error);
    if (!status && behaviour_options.explain > 0)
        status = mi_ltv_ensemble_explain(s->ensemble, behaviour_options.explain, s->reasons, error);
    for (size_t i = 0; !status && i < mi_ltv_ensemble_rows(s->ensemble); i++) {
        set_row(s, i);
        status = mi_writer_row(s->stream.writer, batch, s->rows[i], error);
    }
    return status ? status : mi_writer_flush(s->stream.writer, error);
}

/* The log that the model needs. */
static enum mi_status open_log(struct scoring *s, struct mi_error *error) {
    bool needed = mi_ltv_ensemble_has_log(s->ensemble);
    const char *path = behaviour_options.transactions;
    int32_t until;
    enum mi_status status = parse_day("cut", behaviour_options.cut, &until, error);
    if (status)
        return status;
    if (!isnan(btyd_options.horizon))
        return mi_error_set(error, MI_BAD_ARGUMENT, "--horizon: %s predicts '%s', which has its own",
                            ltv_model.path, mi_ltv_ensemble_target(s->ensemble));
    if (!path && needed)
        return mi_error_set(error, MI_BAD_ARGUMENT,
                            "%s was fitted with a transaction log: needs --transactions=LOG", ltv_model.path);
    if (path && !needed)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--transactions: %s was fitted without a log",
                            ltv_model.path);
    if (!path)
        return behaviour_options.cut
                   ? mi_error_set(error, MI_BAD_ARGUMENT, "--cut is of --transactions, which is not given")
                   : MI_OK;
    status = log_read(path, until, &s->log, error);
    mi_ltv_ensemble_take_log(s->ensemble, s->log);
    return status;
}

static enum mi_status predict_stream(struct scoring *s, struct mi_error *error) {
    struct mi_notes notes = common_notes();
    struct mi_batch *batch;
    enum mi_status status = read_quantiles(s, error);
    if (!status)
        status = open_log(s, error);
    if (!status)
        status = stream_open(&s->stream, false, error);
    if (!status)
        status = mi_ltv_ensemble_open(s->ensemble, s->stream.reader, &notes, error);
    if (!status)
        status = stream_output(&s->stream, true, error);
    if (!status)
        status = add_outputs(s, error);
    while (!status && !(status = mi_reader_next(s->stream.reader, &batch, error)))
        status = predict_batch(s, batch, error);
    if (status == MI_END) {
        status = MI_OK;
        mi_ltv_ensemble_close(s->ensemble, &notes);
    }
    return status;
}

enum mi_status behaviour_predict(const struct mi_model_file *file, struct mi_error *error) {
    struct scoring *s = calloc(1, sizeof *s);
    if (!s)
        return no_memory(error);
    enum mi_status status = mi_ltv_ensemble_of(file, &s->ensemble, error);
    if (!status)
        status = predict_stream(s, error);
    status = stream_close(&s->stream, status, error);
    mi_ltv_ensemble_free(s->ensemble);
    mi_rfm_free(s->log);
    free(s->reasons);
    free(s->rows);
    free(s);
    return status;
}
