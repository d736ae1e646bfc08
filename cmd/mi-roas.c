/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-roas: what comes back of the spend. `predict` adds revenue and ROAS to the chain's rows, `forecast` says
 * from daily series what the next weeks bring.
 */
#include "common/program.h"

#include <math.h>

#include "roas/cohort.h"
#include "roas/forecast.h"

static const char details[] = "Reads spend, num_users and predicted_ltv; adds revenue (users x LTV) and\n"
                              "predicted_roas (revenue / spend, empty where nothing is spent).\n"
                              "A filter: reads its input once, in little memory.\n";

struct roas {
    struct stream stream;
    size_t spend, users, ltv; /* columns read */
    size_t revenue, roas;     /* slots written */
};

static enum mi_status predict_row(void *context, struct stream *stream, const struct mi_batch *batch,
                                  size_t row, struct mi_error *error) {
    const struct roas *roas = context;
    const unsigned rules = MI_FILLED | MI_MONEY;
    double spend, users, ltv;
    enum mi_status status = mi_batch_number(batch, row, roas->spend, rules, &spend, error);
    if (!status)
        status = mi_batch_number(batch, row, roas->users, rules, &users, error);
    if (!status)
        status = mi_batch_number(batch, row, roas->ltv, rules, &ltv, error);
    if (status)
        return status;
    const double revenue = users * ltv;
    if (revenue > MI_MONEY_LIMIT)
        return mi_batch_fault(batch, row, roas->users, error,
                              "%.15g users with a predicted_ltv of %.15g make a revenue that cannot be",
                              users, ltv);
    mi_writer_number(stream->writer, roas->revenue, revenue);
    mi_writer_number(stream->writer, roas->roas, spend > 0 ? revenue / spend : NAN);
    return mi_writer_row(stream->writer, batch, row, error);
}

static enum mi_status predict(struct roas *roas, struct mi_error *error) {
    struct stream *stream = &roas->stream;
    enum mi_status status = stream_open(stream, false, error);
    if (!status)
        status = mi_reader_column(stream->reader, "spend", true, &roas->spend, error);
    if (!status)
        status = mi_reader_column(stream->reader, "num_users", true, &roas->users, error);
    if (!status)
        status = mi_reader_column(stream->reader, "predicted_ltv", true, &roas->ltv, error);
    if (!status)
        status = stream_output(stream, true, error);
    if (!status)
        status = mi_writer_column(stream->writer, "revenue", &roas->revenue, error);
    if (!status)
        status = mi_writer_column(stream->writer, "predicted_roas", &roas->roas, error);
    return status ? status : stream_each_row(stream, predict_row, roas, error);
}

static enum mi_status run_predict(struct mi_error *error) {
    struct roas roas = {0};
    enum mi_status status = predict(&roas, error);
    return stream_close(&roas.stream, status, error);
}

static const struct command commands[] = {
    {.name = "predict",
     .purpose = "revenue and ROAS of each campaign and level",
     .input = "[FILE]",
     .details = details,
     .example = "mi-cpa -c curves.csv campaigns.csv | mi-roas",
     .run = run_predict},
    {.name = "forecast",
     .purpose = "daily series to 7, 14, 30 and 90 days, with intervals",
     .input = "[FILE]",
     .details = forecast_details,
     .example = "mi-roas forecast --spend=spend --by=campaign_id days.csv",
     .options = forecast_table,
     .run = forecast_run},
    {.name = "cohort",
     .purpose = "revenue of young cohorts to D30, D90 and D180, and when they pay back",
     .input = "[FILE]",
     .details = cohort_details,
     .example = "mi-roas cohort --users=users --cost=spend cohorts.csv",
     .options = cohort_table,
     .run = cohort_run},
    {.name = NULL},
};

int main(int argc, char **argv) {
    static const struct program program = {
        .name = "mi-roas", .purpose = "what comes back of the spend", .commands = commands};
    return program_main(&program, argc, argv);
}
