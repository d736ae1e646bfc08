/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A policy that is a command: what it finds in its folder, its run, its answer.
 */
#include "simulate/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "simulate/table.h"

#define ANSWER      "answer.csv"
#define PATH_LENGTH 4096
#define OVERSPENT   1e-6 /* of the budget: more is no rounding */

/* ---- what it finds ---- */

static enum mi_status open_file(struct table *table, const char *folder, const char *name,
                                struct mi_error *error) {
    char path[PATH_LENGTH];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "--folder: too long a path");
    }
    struct mi_writer_options writer = {.format = MI_FORMAT_CSV};
    return mi_writer_open(path, NULL, &writer, &table->writer, error);
}

static enum mi_status write_campaigns(const struct mi_market *market, size_t campaigns, const char *folder,
                                      struct mi_error *error) {
    static const char *const id[] = {"campaign_id", NULL}, *const rest[] = {"daily_budget",
                                                                            "has_agency",
                                                                            "creative_production_cost",
                                                                            "creative_lifetime_days",
                                                                            "predicted_ltv",
                                                                            NULL};
    struct table table = {.writer = NULL};
    enum mi_status status = open_file(&table, folder, "campaigns.csv", error);
    const char *const *const parts[] = {id, segment_columns, rest};
    for (size_t i = 0; i < 3 && status == MI_OK; i++) {
        status = declare(&table, parts[i], error);
    }
    for (size_t i = 0; i < campaigns && status == MI_OK; i++) {
        const struct mi_market_campaign *campaign = mi_market_campaign(market, i);
        put_text(&table, campaign->campaign_id);
        put_segment(&table, &campaign->segment);
        put_number(&table, campaign->daily_budget);
        put_truth_value(&table, campaign->has_agency);
        put_number(&table, campaign->creative_production_cost);
        put_number(&table, campaign->creative_lifetime_days);
        put_number(&table, campaign->predicted_ltv);
        status = put_row(&table, error);
    }
    return table_close(&table, status, error);
}

static enum mi_status write_days(const struct mi_market *market, size_t campaigns, const char *folder,
                                 struct mi_error *error) {
    static const char *const key[] = {"date", "campaign_id", NULL}, *const seen[] = {"spend", "conversions",
                                                                                     "revenue", NULL};
    struct table table = {.writer = NULL};
    enum mi_status status = open_file(&table, folder, "days.csv", error);
    const char *const *const parts[] = {key, segment_columns, seen};
    for (size_t i = 0; i < 3 && status == MI_OK; i++) {
        status = declare(&table, parts[i], error);
    }
    for (size_t day = 0; day < mi_market_days_played(market); day++) {
        for (size_t i = 0; i < campaigns && status == MI_OK; i++) {
            struct mi_market_observation seen_so_far = mi_market_observe(market, i, day);
            put_date(&table, seen_so_far.date);
            put_text(&table, mi_market_campaign(market, i)->campaign_id);
            put_segment(&table, &mi_market_campaign(market, i)->segment);
            put_number(&table, seen_so_far.spend);
            put_number(&table, seen_so_far.conversions);
            put_number(&table, seen_so_far.revenue);
            status = put_row(&table, error);
        }
    }
    return table_close(&table, status, error);
}

/* ---- its run ---- */

/* In the child: never returns. */
static void become(const char *command, const char *folder, double budget) {
    char text[MI_NUMBER_LENGTH];
    mi_number_format(budget, text);
    int answer = -1;
    if (chdir(folder) == 0 && setenv("BUDGET", text, 1) == 0) {
        answer = open(ANSWER, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    }
    if (answer >= 0 && dup2(answer, STDOUT_FILENO) >= 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    }
    _exit(127);
}

static enum mi_status run_command(const char *command, const char *folder, double budget,
                                  struct mi_error *error) {
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        become(command, folder, budget);
    }
    if (child < 0) {
        return mi_error_set(error, MI_SYSTEM, "cannot run the policy: %s", strerror(errno));
    }
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return mi_error_set(error, MI_SYSTEM, "cannot wait for the policy: %s", strerror(errno));
        }
    }
    if (WIFSIGNALED(status)) {
        return mi_error_set(error, MI_BAD_INPUT, "the policy was ended by signal %d", WTERMSIG(status));
    }
    if (WEXITSTATUS(status) != 0) {
        return mi_error_set(error, MI_BAD_INPUT, "the policy ended with status %d", WEXITSTATUS(status));
    }
    return MI_OK;
}

/* ---- its answer ---- */

struct answer {
    struct mi_reader *reader;
    struct mi_batch *batch;
    struct mi_index *ids;
    size_t id, budget;
};

static enum mi_status read_answer(struct answer *answer, const char *folder, struct mi_error *error) {
    char path[PATH_LENGTH];
    snprintf(path, sizeof path, "%s/" ANSWER, folder);
    struct mi_reader_options options = {.whole = true};
    enum mi_status status = mi_reader_open(path, &options, &answer->reader, error);
    if (status == MI_OK) {
        status = mi_reader_column(answer->reader, "campaign_id", true, &answer->id, error);
    }
    if (status == MI_OK) {
        status = mi_reader_column(answer->reader, "recommended_budget", true, &answer->budget, error);
    }
    if (status == MI_OK) {
        status = mi_reader_next(answer->reader, &answer->batch, error);
        status = status == MI_END ? MI_OK : status;
    }
    return status == MI_OK ? mi_batch_index(answer->batch, answer->id, &answer->ids, error) : status;
}

static enum mi_status take_answer(const struct mi_market *market, size_t campaigns,
                                  const struct answer *answer, double *budgets, struct mi_error *error) {
    double sum = 0, most = mi_market_budget(market);
    if (mi_batch_rows(answer->batch) != campaigns) {
        return mi_error_set(error, MI_BAD_INPUT, "the policy's answer has %zu rows for %zu campaigns",
                            mi_batch_rows(answer->batch), campaigns);
    }
    for (size_t i = 0; i < campaigns; i++) {
        const char *id = mi_market_campaign(market, i)->campaign_id;
        size_t row = mi_index_find(answer->ids, mi_text_of(id));
        if (row == SIZE_MAX) {
            return mi_error_set(error, MI_BAD_INPUT, "the policy's answer lacks the campaign %s", id);
        }
        enum mi_status status =
            mi_batch_number(answer->batch, row, answer->budget, MI_MONEY | MI_FILLED, &budgets[i], error);
        if (status != MI_OK) {
            return status;
        }
        sum += budgets[i];
    }
    if (sum > most * (1 + OVERSPENT)) {
        return mi_error_set(error, MI_BAD_INPUT, "the policy's budgets sum to %.2f, above the %.2f there are",
                            sum, most);
    }
    return MI_OK;
}

enum mi_status policy_ask(const struct mi_market *market, size_t campaigns, const char *command,
                          const char *folder, double *budgets, struct mi_error *error) {
    struct answer answer = {.reader = NULL};
    enum mi_status status = write_campaigns(market, campaigns, folder, error);
    if (status == MI_OK) {
        status = write_days(market, campaigns, folder, error);
    }
    if (status == MI_OK) {
        status = run_command(command, folder, mi_market_budget(market), error);
    }
    if (status == MI_OK) {
        status = read_answer(&answer, folder, error);
    }
    if (status == MI_OK) {
        status = take_answer(market, campaigns, &answer, budgets, error);
    }
    mi_index_free(answer.ids);
    mi_reader_close(answer.reader);
    return status;
}
