/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-monitor: when reality leaves the prediction, and what is done about it.
 */
#include "common/json.h"
#include "common/ledger.h"
#include "common/run.h"
#include "monitor/parts.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    const char *as_of, *rules, *maturity, *exec;
    struct monitor_options monitor;
    struct acting_options acting;
    unsigned long time_limit;
    bool follow, dry_run, all;
} options;

static const struct option_spec watch_options[] = {
    STORE_OPTION,
    WAIT_OPTION,
    {.name = "as-of",
     .kind = OPTION_TEXT,
     .target = &options.as_of,
     .argument = "DATE",
     .help = "days before this one are judged (else today, UTC)"},
    {.name = "window",
     .kind = OPTION_COUNT,
     .target = &options.monitor.window,
     .low = 1,
     .high = 3650,
     .argument = "DAYS",
     .help = "days that are looked at",
     .otherwise = "60"},
    {.name = "rules",
     .kind = OPTION_TEXT,
     .target = &options.rules,
     .argument = "FILE",
     .help = "metric, threshold, severity, action, change (else those that 'rules' writes)"},
    {.name = "maturity",
     .kind = OPTION_TEXT,
     .target = &options.maturity,
     .argument = "FILE",
     .help = "metric, age_days, share: what is there by an age (else a ROAS is judged at its\n"
             "horizon, users as they are)"},
    {.name = "false-alarms",
     .kind = OPTION_NUMBER,
     .target = &options.monitor.false_alarms,
     .low = 1e-6,
     .high = 0.5,
     .argument = "RATE",
     .help = "a campaign and day, at most, where all goes as predicted",
     .otherwise = "0.01"},
    {.name = "interval",
     .kind = OPTION_FLAG,
     .target = &options.monitor.interval,
     .help = "only what is outside the prediction's own interval, too"},
    {.name = "plain",
     .kind = OPTION_FLAG,
     .target = &options.monitor.plain,
     .help = "the plain rule: the last day beyond the threshold, noise or not"},
    {.name = "follow",
     .kind = OPTION_FLAG,
     .target = &options.follow,
     .help = "judge whenever records have come (with no --as-of: up to the newest date)"},
    {.name = "exec",
     .kind = OPTION_TEXT,
     .target = &options.exec,
     .argument = "COMMAND",
     .help = "run, without a shell, for each new alert, which it reads as NDJSON"},
    {.name = "time-limit",
     .kind = OPTION_COUNT,
     .target = &options.time_limit,
     .low = 0,
     .high = 86400,
     .argument = "SECONDS",
     .help = "that COMMAND has before it is stopped; 0: none",
     .otherwise = "60"},
    {.name = "max-actions",
     .kind = OPTION_COUNT,
     .target = &options.acting.max_actions,
     .low = 0,
     .high = 1e6,
     .argument = "N",
     .help = "actions a day at most",
     .otherwise = "5"},
    {.name = "max-change",
     .kind = OPTION_NUMBER,
     .target = &options.acting.max_change,
     .low = 0,
     .high = 1,
     .argument = "SHARE",
     .help = "of all daily budgets that actions may move a day",
     .otherwise = "0.1"},
    {.name = "all", .kind = OPTION_FLAG, .target = &options.all, .help = "write alerts that stay open, too"},
    {.name = "dry-run",
     .kind = OPTION_FLAG,
     .target = &options.dry_run,
     .help = "keep nothing, change nothing, run no command"},
    {.name = NULL},
};

static const struct option_spec undo_options[] = {
    STORE_OPTION,
    WAIT_OPTION,
    {.name = "as-of",
     .kind = OPTION_TEXT,
     .target = &options.as_of,
     .argument = "DATE",
     .help = "the day that is logged (else today, UTC)"},
    {.name = "dry-run", .kind = OPTION_FLAG, .target = &options.dry_run, .help = "change nothing"},
    {.name = NULL},
};

static const struct option_spec rules_options[] = {{.name = NULL}};

static const char details[] =
    "Judges what the store has of each campaign's days against its predictions in force\n"
    "on them: users against spend / predicted_cpa, and against predicted users; a ROAS\n"
    "of a period at its horizon, revenue of a day against forecast_roas. FILE, or a\n"
    "pipe or file on standard input, holds outcomes, which are put into the store first\n"
    "(see mi-store put actuals); without them the store alone is judged. Writes one row\n"
    "for each alert that is raised or closed: alert, status, campaign_id, severity,\n"
    "metric, message, actual, predicted, variance, action, possible_causes, since,\n"
    "opened, acted, before, after. Status 1 where an alert was raised. Memory grows with\n"
    "the number of campaigns and days.\n";

enum column {
    C_ALERT,
    C_STATUS,
    C_CAMPAIGN,
    C_SEVERITY,
    C_METRIC,
    C_MESSAGE,
    C_ACTUAL,
    C_PREDICTED,
    C_VARIANCE,
    C_ACTION,
    C_CAUSES,
    C_SINCE,
    C_OPENED,
    C_ACTED,
    C_BEFORE,
    C_AFTER,
    COLUMNS
};

static const char *const columns[COLUMNS] = {
    "alert",    "status", "campaign_id",     "severity", "metric", "message", "actual", "predicted",
    "variance", "action", "possible_causes", "since",    "opened", "acted",   "before", "after"};

struct work {
    struct stream stream;
    size_t slots[COLUMNS];
    struct rules rules;
    struct mi_store *store;
    struct ledger ledger;
    struct monitor_options how;
    struct watchlist list;
    struct noises noises;
    struct verdicts verdicts;
    size_t raised, not_told;
};

/* ---- output ---- */

static enum mi_status write_verdict(struct work *work, const struct verdict *verdict,
                                    struct mi_error *error) {
    struct mi_writer *writer = work->stream.writer;
    const struct mi_alert *alert = &verdict->alert;
    mi_writer_number(writer, work->slots[C_ALERT], (double)alert->id);
    mi_writer_text(writer, work->slots[C_STATUS], mi_text_of(verdict->status));
    mi_writer_text(writer, work->slots[C_CAMPAIGN], alert->campaign);
    mi_writer_text(writer, work->slots[C_SEVERITY], alert->severity);
    mi_writer_text(writer, work->slots[C_METRIC], alert->metric);
    mi_writer_text(writer, work->slots[C_MESSAGE], alert->message);
    mi_writer_number(writer, work->slots[C_ACTUAL], alert->actual);
    mi_writer_number(writer, work->slots[C_PREDICTED], alert->predicted);
    mi_writer_number(writer, work->slots[C_VARIANCE], alert->variance);
    mi_writer_text(writer, work->slots[C_ACTION], alert->action);
    if (alert->causes.data)
        mi_writer_json(writer, work->slots[C_CAUSES], alert->causes);
    mi_writer_date(writer, work->slots[C_SINCE], alert->since);
    mi_writer_date(writer, work->slots[C_OPENED], alert->opened);
    if (verdict->acted) {
        mi_writer_number(writer, work->slots[C_ACTED], (double)verdict->action.id);
        mi_writer_number(writer, work->slots[C_BEFORE], verdict->action.before);
        mi_writer_number(writer, work->slots[C_AFTER], verdict->action.after);
    }
    return mi_writer_row(writer, NULL, 0, error);
}

static void say_finding(const struct rule *rule, const struct finding *finding, char *out, size_t size) {
    static const char *const names[WATCH_METRICS] = {"CPA", "ROAS", "users a day"};
    const char *days = finding->days == 1 ? "day" : "days";
    char since[16];
    mi_date_format(finding->since, since);
    if (isinf(finding->actual))
        snprintf(out, size, "no users for %.4g spent since %.10s (%zu %s); expected %.3g", finding->spend,
                 since, finding->days, days, finding->expected);
    else
        snprintf(out, size, "%s %.4g: %.0f %% %s the predicted %.4g since %.10s (%zu %s)",
                 names[rule->metric], finding->actual, fabs(finding->variance) * 100,
                 finding->variance > 0 ? "above" : "below", finding->predicted, since, finding->days, days);
}

/* ---- one campaign and rule ---- */

static enum mi_status raise_alert(struct work *work, struct watched *watched, const struct rule *rule,
                                  const struct finding *finding, struct mi_error *error) {
    struct verdict *verdict = verdicts_add(&work->verdicts);
    bool raised = false;
    if (verdict)
        verdict->causes = judge_causes(&work->list, watched, &work->rules, rule, &work->how, finding);
    if (!verdict || !verdict->causes)
        return no_memory(error);
    say_finding(rule, finding, verdict->message, sizeof verdict->message);
    verdict->watched = watched;
    verdict->rule = rule;
    verdict->lost = finding->variance > 0 ? 1 - finding->predicted / finding->actual : -finding->variance;
    verdict->alert = (struct mi_alert){
        .campaign = mi_text_of(watched->id),
        .metric = mi_text_of(watched_name(rule->metric)),
        .severity = mi_text_of(rule->severity),
        .message = mi_text_of(verdict->message),
        .action = mi_text_of(rule->action),
        .actual = finding->actual,
        .predicted = finding->predicted,
        .variance = finding->variance,
        .causes = mi_text_of(verdict->causes),
        .since = finding->since,
        .opened = work->how.as_of,
        .seen = work->how.as_of,
        .closed = MI_DATE_MISSING,
    };
    enum mi_status status = mi_store_alert_raise(work->store, &verdict->alert, &raised, error);
    verdict->status = raised ? "raised" : "open";
    work->raised += !status && raised;
    return status;
}

static enum mi_status close_alert(struct work *work, struct watched *watched, const struct rule *rule,
                                  struct mi_error *error) {
    int64_t id = 0;
    struct mi_text campaign = mi_text_of(watched->id), metric = mi_text_of(watched_name(rule->metric));
    enum mi_status status = mi_store_alert_close(work->store, campaign, metric, work->how.as_of, &id, error);
    if (status || id == 0)
        return status;
    struct verdict *verdict = verdicts_add(&work->verdicts);
    if (!verdict)
        return no_memory(error);
    *verdict = (struct verdict){.watched = watched, .rule = rule, .status = "closed"};
    verdict->alert = (struct mi_alert){.id = id,
                                       .campaign = campaign,
                                       .metric = metric,
                                       .severity = mi_text_of(rule->severity),
                                       .message = mi_text_of("as predicted again"),
                                       .actual = NAN,
                                       .predicted = NAN,
                                       .variance = NAN,
                                       .since = MI_DATE_MISSING,
                                       .opened = MI_DATE_MISSING};
    return MI_OK;
}

static enum mi_status predict_again(struct work *work, const struct watched *watched, int32_t since,
                                    struct mi_error *error) {
    struct mi_prediction next;
    enum mi_put outcome;
    if (!judge_next(watched, &work->rules, &work->how, &work->noises, since, &next))
        return MI_OK;
    return mi_store_put_prediction(work->store, &next, &outcome, error);
}

/* Raises, closes, and predicts again, from the findings of each rule and campaign. */
static enum mi_status conclude(struct work *work, struct finding *const *findings, struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < work->list.count && !status; i++) {
        struct watched *watched = &work->list.items[i];
        int32_t since = MI_DATE_MISSING;
        for (size_t k = 0; k < work->rules.count && !status; k++) {
            const struct rule *rule = &work->rules.rules[k];
            const struct finding *finding = &findings[k][i];
            if (finding->alert && rule->metric == WATCH_CPA)
                since = finding->since;
            if (finding->alert)
                status = raise_alert(work, watched, rule, finding, error);
            else if (finding->judged)
                status = close_alert(work, watched, rule, error);
        }
        if (!status)
            status = predict_again(work, watched, since, error);
    }
    return status;
}

static enum mi_status judge_all(struct work *work, struct mi_error *error) {
    struct finding *findings[WATCH_METRICS] = {NULL};
    enum mi_status status = MI_OK;
    for (size_t k = 0; k < work->rules.count && !status; k++) {
        findings[k] = calloc(work->list.count + 1, sizeof *findings[k]);
        status = findings[k] ? judge_rule(&work->list, &work->rules, &work->rules.rules[k], &work->how,
                                          &work->noises, findings[k], error)
                             : no_memory(error);
    }
    if (!status)
        status = conclude(work, findings, error);
    for (size_t k = 0; k < WATCH_METRICS; k++)
        free(findings[k]);
    return status;
}

static enum mi_status write_verdicts(struct work *work, struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < work->verdicts.count && !status; i++) {
        struct verdict *verdict = &work->verdicts.items[i];
        /* verdicts moved as they became more */
        if (verdict->causes)
            verdict->alert.message = mi_text_of(verdict->message);
        if (options.all || verdict->acted || strcmp(verdict->status, "open") != 0)
            status = write_verdict(work, verdict, error);
    }
    return status;
}

/* Within a put: judges all campaigns as the store has them. */
static enum mi_status watch_all(struct work *work, struct mi_error *error) {
    enum mi_status status =
        watchlist_load(&work->list, work->store, work->how.as_of, work->how.window, error);
    if (!status)
        status = judge_noises(&work->list, &work->rules, &work->how, &work->noises, error);
    if (!status)
        status = judge_all(work, error);
    if (!status)
        status =
            actions_take(work->store, &work->list, &work->verdicts, work->how.as_of, &options.acting, error);
    if (!status)
        status = write_verdicts(work, error);
    verdicts_free(&work->verdicts);
    watchlist_free(&work->list);
    return status;
}

/* ---- telling ---- */

struct telling {
    char **lines;
    int64_t *ids;
    size_t count;
};

static enum mi_status collect(void *context, const struct mi_alert *alert, struct mi_error *error) {
    struct telling *telling = context;
    struct json json = {0};
    if (alert->told || alert->closed != MI_DATE_MISSING)
        return MI_OK;
    char **lines = realloc(telling->lines, (telling->count + 1) * sizeof *lines);
    telling->lines = lines ? lines : telling->lines;
    int64_t *ids = realloc(telling->ids, (telling->count + 1) * sizeof *ids);
    telling->ids = ids ? ids : telling->ids;
    alert_json(&json, alert);
    char *line = lines && ids && !json.failed ? malloc(json.size + 2) : NULL;
    if (line) {
        memcpy(line, json.data, json.size);
        memcpy(line + json.size, "\n", 2);
        telling->lines[telling->count] = line;
        telling->ids[telling->count++] = alert->id;
    }
    json_free(&json);
    return line ? MI_OK : no_memory(error);
}

/* Hands one alert to --exec, and keeps that it was taken. */
static enum mi_status tell(struct work *work, const char *line, int64_t id, struct mi_error *error) {
    struct mi_notes notes = common_notes();
    struct mi_error why = {0};
    char text[sizeof why];
    if (command_run("exec", options.exec, mi_text_of(line), options.time_limit, &why) != MI_OK) {
        mi_error_format(&why, text, sizeof text);
        note("alert %lld was not taken: %s", (long long)id, text);
        work->not_told++;
        return MI_OK;
    }
    enum mi_status status = mi_store_put_begin(work->store, "told", NULL, &notes, error);
    if (!status)
        status = mi_store_alert_told(work->store, id, error);
    return status ? status : mi_store_put_commit(work->store, error);
}

static enum mi_status tell_all(struct work *work, struct mi_error *error) {
    struct telling telling = {0};
    work->not_told = 0;
    if (!options.exec || options.dry_run)
        return MI_OK;
    enum mi_status status = mi_store_each_alert(work->store, collect, &telling, error);
    for (size_t i = 0; i < telling.count && !status; i++)
        status = tell(work, telling.lines[i], telling.ids[i], error);
    for (size_t i = 0; i < telling.count; i++)
        free(telling.lines[i]);
    free(telling.lines);
    free(telling.ids);
    return status;
}

/* ---- run ---- */

static enum mi_status begin(struct work *work, struct mi_error *error) {
    struct mi_notes notes = common_notes();
    return mi_store_put_begin(work->store, "monitor", NULL, &notes, error);
}

/* Ends the put after judging, tells, and lets the output go. */
static enum mi_status end(struct work *work, struct mi_error *error) {
    enum mi_status status = watch_all(work, error);
    if (!status && options.dry_run)
        mi_store_put_abort(work->store);
    else if (!status)
        status = mi_store_put_commit(work->store, error);
    if (!status)
        status = tell_all(work, error);
    return status ? status : mi_writer_flush(work->stream.writer, error);
}

/* Up to the newest date that has come, but never a day that is not over. */
static void move_day(struct work *work) {
    int32_t today;
    date_option(NULL, &today);
    if (options.as_of == NULL && work->ledger.newest != MI_DATE_MISSING)
        work->how.as_of = work->ledger.newest + 1 < today ? work->ledger.newest + 1 : today;
}

static enum mi_status put_batch(struct work *work, const struct mi_batch *batch, struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < mi_batch_rows(batch) && !status; i++) {
        status = ledger_row(&work->ledger, &work->stream, batch, i, error);
        if (status == MI_BAD_RECORD)
            status = mi_reader_reject(work->stream.reader, batch, i, error);
    }
    return status;
}

static enum mi_status follow(struct work *work, struct mi_error *error) {
    struct mi_batch *batch;
    enum mi_status status;
    while ((status = mi_reader_next(work->stream.reader, &batch, error)) == MI_OK) {
        status = begin(work, error);
        if (!status)
            status = put_batch(work, batch, error);
        move_day(work);
        if (!status)
            status = end(work, error);
        if (status)
            return status;
    }
    return status == MI_END ? MI_OK : status;
}

static enum mi_status once(struct work *work, struct mi_error *error) {
    enum mi_status status = begin(work, error);
    if (!status && work->stream.reader)
        status = stream_each_row(&work->stream, ledger_row, &work->ledger, error);
    return status ? status : end(work, error);
}

#define PIPE_PATIENCE 1000 /* milliseconds that a pipe nobody named has to bring its first row */

/* Whether rows wait on a standard input that nobody named: a pipe with something in it, or a file. */
static bool rows_wait(void) {
    struct stat input;
    struct pollfd poll_input = {.fd = STDIN_FILENO, .events = POLLIN};
    if (fstat(STDIN_FILENO, &input) != 0)
        return false;
    if (S_ISREG(input.st_mode))
        return input.st_size > 0;
    return S_ISFIFO(input.st_mode) && poll(&poll_input, 1, PIPE_PATIENCE) == 1 &&
           (poll_input.revents & POLLIN);
}

static enum mi_status open_all(struct work *work, struct mi_error *error) {
    bool reads = common.input || options.follow || rows_wait();
    enum mi_status status = MI_OK;
    if (!date_option(options.as_of, &work->how.as_of))
        return mi_error_set(error, MI_BAD_ARGUMENT, "--as-of: not a date: \"%s\" (as 2026-11-24)",
                            options.as_of);
    status = rules_read(&work->rules, options.rules, options.maturity, error);
    if (!status && reads)
        status = stream_open(&work->stream, false, error);
    if (!status && reads)
        status = ledger_find_columns(&work->ledger, work->stream.reader, error);
    if (!status)
        status = store_open(MI_STORE_WRITE, &work->store, error);
    work->ledger.store = work->store;
    if (!status)
        status = stream_output(&work->stream, false, error);
    for (size_t i = 0; i < COLUMNS && !status; i++)
        status = mi_writer_column(work->stream.writer, columns[i], &work->slots[i], error);
    return status;
}

static enum mi_status run_watch(struct mi_error *error) {
    struct work work = {.how = options.monitor, .ledger = {.kind = LEDGER_ACTUALS, .horizon = 1}};
    enum mi_status status = open_all(&work, error);
    if (!status)
        status = options.follow ? follow(&work, error) : once(&work, error);
    if (!status && work.not_told > 0)
        status = mi_error_set(error, MI_SYSTEM, "%zu alerts were not taken: they are handed on the next time",
                              work.not_told);
    /* What was judged and kept is written, whether a command took it or not. */
    bool kept = status == MI_SYSTEM && work.not_told > 0;
    struct mi_error other = {0};
    enum mi_status closed = stream_close(&work.stream,
                                         kept                                 ? MI_OK
                                         : status == MI_OK && work.raised > 0 ? MI_NO
                                                                              : status,
                                         kept ? &other : error);
    watchlist_free(&work.list);
    rules_free(&work.rules);
    mi_store_close(work.store);
    return kept ? status : closed;
}

static enum mi_status run_undo(struct mi_error *error) {
    int32_t day;
    if (!date_option(options.as_of, &day))
        return mi_error_set(error, MI_BAD_ARGUMENT, "--as-of: not a date: \"%s\" (as 2026-11-24)",
                            options.as_of);
    return action_undo(common.input, day, options.dry_run, error);
}

static const struct command commands[] = {
    {.name = "watch",
     .purpose = "alerts where campaigns leave what was predicted",
     .input = "[FILE]",
     .details = details,
     .example = "mi-monitor -s mi.db --exec=./page-me days.csv",
     .options = watch_options,
     .run = run_watch},
    {.name = "undo",
     .purpose = "take an action back",
     .operand = "ACTION",
     .details = "Sets the budget to what it was before the action, if nobody changed it since, and\n"
                "logs that. mi-store log --of=actions lists actions.\n",
     .example = "mi-monitor undo -s mi.db 3",
     .options = undo_options,
     .run = run_undo},
    {.name = "rules",
     .purpose = "the built-in rules, to be edited",
     .details = "Writes metric, threshold, severity, action, change.\n",
     .example = "mi-monitor rules > rules.csv",
     .options = rules_options,
     .run = rules_write},
    {.name = NULL},
};

static const struct program program = {
    .name = "mi-monitor", .purpose = "when reality leaves the prediction", .commands = commands};

int main(int argc, char **argv) {
    return program_main(&program, argc, argv);
}
