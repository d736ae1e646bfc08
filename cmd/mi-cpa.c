/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-cpa: what a user costs at a spend. `predict` adds spend, CPA, users and saturation from a campaign's
 * curve; `fit` makes the curves from daily rows, `price` by way of impressions and clicks.
 */
#include "cpa/cpa.h"

enum mi_status find_wanted(struct mi_reader *reader, const struct wanted *wanted, size_t count,
                           struct mi_error *error) {
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = mi_reader_column(reader, wanted[i].name, wanted[i].required, wanted[i].column, error);
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
    {.name = "price",
     .purpose = "CPA from CPM, click rate and conversion rate; curves, and what drove a change",
     .input = "[FILE]",
     .details = price_details,
     .example = "mi-cpa price --since=2026-03-15 --market=cpm_index days.csv",
     .options = price_table,
     .run = run_price},
    {.name = NULL},
};

int main(int argc, char **argv) {
    static const struct program program = {
        .name = "mi-cpa", .purpose = "what a user costs at a spend", .commands = commands};
    return program_main(&program, argc, argv);
}
