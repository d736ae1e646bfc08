/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-ltv evaluate: any two columns, so that other programs' predictions can be judged too.
 */
#include "ltv/evaluate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
    const char *predicted, *actual, *low, *high;
    double level;
} options;

const struct option_spec evaluate_options_table[] = {
    {.name = "predicted",
     .kind = OPTION_TEXT,
     .target = &options.predicted,
     .argument = "COLUMN",
     .help = "the prediction",
     .otherwise = "predicted_ltv"},
    {.name = "actual",
     .kind = OPTION_TEXT,
     .target = &options.actual,
     .argument = "COLUMN",
     .help = "what came (else the first there of holdout_value, ltv_90d)"},
    {.name = "low",
     .kind = OPTION_TEXT,
     .target = &options.low,
     .argument = "COLUMN",
     .help = "lower end of the interval",
     .otherwise = "ltv_lo"},
    {.name = "high",
     .kind = OPTION_TEXT,
     .target = &options.high,
     .argument = "COLUMN",
     .help = "upper end of the interval",
     .otherwise = "ltv_hi"},
    {.name = "level",
     .kind = OPTION_NUMBER,
     .target = &options.level,
     .low = 0.01,
     .high = 0.999,
     .argument = "SHARE",
     .help = "probability that the interval should hold",
     .otherwise = "0.8"},
    {.name = NULL},
};

const char evaluate_details[] =
    "Writes a row for all and one for each tenth from the lowest predictions to the\n"
    "highest: n, mean_predicted, mean_actual, mae, rmse, wape (percent), ratio (sum of\n"
    "predicted / sum of actual), gini (normalised), spearman, pinball, intervals (those\n"
    "whose upper end is above 0), coverage, width. Rows without a prediction or an\n"
    "actual are counted, not judged. Reads once; keeps 32 bytes a row.\n";

struct pairs {
    struct stream stream;
    size_t predicted, actual, low, high;
    struct mi_ltv_pair *items;
    size_t count, capacity;
    uint64_t rows;
};

static enum mi_status find_columns(struct pairs *pairs, struct mi_error *error) {
    struct mi_reader *reader = pairs->stream.reader;
    const char *actual = options.actual;
    if (actual == NULL)
        actual = mi_reader_has(reader, "holdout_value") || !mi_reader_has(reader, "ltv_90d") ? "holdout_value"
                                                                                             : "ltv_90d";
    enum mi_status status = mi_reader_column(reader, options.predicted, true, &pairs->predicted, error);
    if (!status)
        status = mi_reader_column(reader, actual, true, &pairs->actual, error);
    if (!status)
        status = mi_reader_column(reader, options.low, false, &pairs->low, error);
    if (!status)
        status = mi_reader_column(reader, options.high, false, &pairs->high, error);
    return status;
}

static enum mi_status add_pair(void *context, struct stream *stream, const struct mi_batch *batch, size_t row,
                               struct mi_error *error) {
    struct pairs *pairs = context;
    struct mi_ltv_pair pair;
    const unsigned rules = MI_MONEY | MI_SIGNED;
    (void)stream;
    enum mi_status status = mi_batch_number(batch, row, pairs->predicted, rules, &pair.predicted, error);
    if (!status)
        status = mi_batch_number(batch, row, pairs->actual, rules, &pair.actual, error);
    if (!status)
        status = mi_batch_number(batch, row, pairs->low, rules, &pair.low, error);
    if (!status)
        status = mi_batch_number(batch, row, pairs->high, rules, &pair.high, error);
    if (status)
        return status;
    if (pair.low > pair.high)
        return mi_batch_fault(batch, row, pairs->low, error, "%.15g is above the upper end, %.15g", pair.low,
                              pair.high);
    pairs->rows++;
    if (isnan(pair.predicted) || isnan(pair.actual))
        return MI_OK;
    if (pairs->count == pairs->capacity) {
        size_t capacity = pairs->capacity + pairs->capacity / 2 + 1024;
        struct mi_ltv_pair *wider = realloc(pairs->items, capacity * sizeof *wider);
        if (wider == NULL)
            return no_memory(error);
        pairs->items = wider;
        pairs->capacity = capacity;
    }
    pairs->items[pairs->count++] = pair;
    return MI_OK;
}

static const char *const names[] = {"scope",   "n",         "mean_predicted", "mean_actual", "mae",
                                    "rmse",    "wape",      "ratio",          "gini",        "spearman",
                                    "pinball", "intervals", "coverage",       "width"};

#define COLUMNS (sizeof names / sizeof *names)

static enum mi_status write_row(struct mi_writer *writer, const size_t *slots, const char *scope,
                                const struct mi_ltv_scores *s, struct mi_error *error) {
    const double values[COLUMNS] = {0,          s->n,         s->mean_predicted, s->mean_actual, s->mae,
                                    s->rmse,    s->wape,      s->ratio,          s->gini,        s->spearman,
                                    s->pinball, s->intervals, s->coverage,       s->width};
    mi_writer_text(writer, slots[0], mi_text_of(scope));
    for (size_t i = 1; i < COLUMNS; i++)
        mi_writer_number(writer, slots[i], values[i]);
    return mi_writer_row(writer, NULL, 0, error);
}

static enum mi_status write_scores(struct pairs *pairs, struct mi_error *error) {
    struct mi_ltv_scores all, deciles[10];
    size_t slots[COLUMNS];
    enum mi_status status = MI_OK;
    if (pairs->rows > 0)
        status = mi_ltv_evaluate(pairs->items, pairs->count, options.level, &all, deciles, error);
    if (!status)
        status = stream_output(&pairs->stream, false, error);
    for (size_t i = 0; i < COLUMNS && !status; i++)
        status = mi_writer_column(pairs->stream.writer, names[i], &slots[i], error);
    if (!status && pairs->rows > 0)
        status = write_row(pairs->stream.writer, slots, "all", &all, error);
    for (size_t i = 0; i < 10 && !status && pairs->count >= 10; i++) {
        char scope[24];
        snprintf(scope, sizeof scope, "%zu", i + 1);
        status = write_row(pairs->stream.writer, slots, scope, &deciles[i], error);
    }
    if (!status && pairs->count < pairs->rows)
        note("%llu of %llu rows have no prediction or no actual: not judged",
             (unsigned long long)(pairs->rows - pairs->count), (unsigned long long)pairs->rows);
    return status;
}

enum mi_status run_evaluate(struct mi_error *error) {
    struct pairs pairs = {0};
    enum mi_status status = stream_open(&pairs.stream, false, error);
    if (!status)
        status = find_columns(&pairs, error);
    if (!status)
        status = stream_each_row(&pairs.stream, add_pair, &pairs, error);
    if (!status)
        status = write_scores(&pairs, error);
    free(pairs.items);
    return stream_close(&pairs.stream, status, error);
}
