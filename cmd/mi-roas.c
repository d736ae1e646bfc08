/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-roas: what comes back of the spend. `predict` adds revenue and ROAS to the chain's rows, `forecast` says
 * from daily series what the next weeks bring.
 */
#include "common/program.h"

#include <math.h>

#include "roas/forecast.h"

static const char details[] =
    "Reads spend, num_users and predicted_ltv; adds revenue (users x LTV) and\n"
    "predicted_roas (revenue / spend, empty where nothing is spent); where users_lo,\n"
    "users_hi and ltv_se are there, the 80 % band roas_lo, roas_hi.\n"
    "A filter: reads its input once, in little memory.\n";

struct roas {
    struct stream stream;
    size_t spend, users, ltv;                  /* columns read */
    size_t low, high, ltv_se;                  /* of users and LTV: read where all three are there */
    size_t revenue, roas, roas_low, roas_high; /* slots written */
    bool banded;
    double z; /* standard deviations from the middle to the ends of an 80 % band */
};

/* Users and LTV are lognormal and tell nothing of one another: their relative variances add up. */
static enum mi_status set_band(const struct roas *roas, struct mi_writer *writer,
                               const struct mi_batch *batch, size_t row, double value, double ltv,
                               struct mi_error *error) {
    double low, high, se;
    enum mi_status status = mi_batch_number(batch, row, roas->low, MI_MONEY, &low, error);
    if (!status)
        status = mi_batch_number(batch, row, roas->high, MI_MONEY, &high, error);
    if (!status)
        status = mi_batch_number(batch, row, roas->ltv_se, MI_MONEY, &se, error);
    if (!status && high < low)
        status = mi_batch_fault(batch, row, roas->high, error, "%.15g is below users_lo, %.15g", high, low);
    if (status || !(low > 0) || !(ltv > 0) || isnan(se) || isnan(high) || isnan(value))
        return status;
    const double users = log(high / low) / (2 * roas->z), relative = se / ltv;
    const double reach = roas->z * sqrt(users * users + log1p(relative * relative));
    const double least = value * exp(-reach), most = value * exp(reach);
    mi_writer_number(writer, roas->roas_low, least);
    mi_writer_number(writer, roas->roas_high, isfinite(most) ? most : NAN);
    return MI_OK;
}

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
    const double value = spend > 0 ? revenue / spend : NAN;
    mi_writer_number(stream->writer, roas->roas, value);
    if (roas->banded)
        status = set_band(roas, stream->writer, batch, row, value, ltv, error);
    return status ? status : mi_writer_row(stream->writer, batch, row, error);
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
    roas->banded = mi_reader_has(stream->reader, "users_lo") && mi_reader_has(stream->reader, "users_hi") &&
                   mi_reader_has(stream->reader, "ltv_se");
    roas->z = mi_curve_interval_z(MI_INTERVAL);
    if (!status)
        status = mi_reader_column(stream->reader, "users_lo", false, &roas->low, error);
    if (!status)
        status = mi_reader_column(stream->reader, "users_hi", false, &roas->high, error);
    if (!status)
        status = mi_reader_column(stream->reader, "ltv_se", false, &roas->ltv_se, error);
    if (!status)
        status = stream_output(stream, true, error);
    if (!status)
        status = mi_writer_column(stream->writer, "revenue", &roas->revenue, error);
    if (!status)
        status = mi_writer_column(stream->writer, "predicted_roas", &roas->roas, error);
    if (!status && roas->banded)
        status = mi_writer_column(stream->writer, "roas_lo", &roas->roas_low, error);
    if (!status && roas->banded)
        status = mi_writer_column(stream->writer, "roas_hi", &roas->roas_high, error);
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
    {.name = NULL},
};

int main(int argc, char **argv) {
    static const struct program program = {
        .name = "mi-roas", .purpose = "what comes back of the spend", .commands = commands};
    return program_main(&program, argc, argv);
}
