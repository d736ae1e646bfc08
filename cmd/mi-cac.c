/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-cac: what a new customer costs with everything paid. `fit` learns it from daily rows, `predict` says it
 * of campaigns, with an interval; `importance` lists what it depends on.
 */
#include "common/costs.h"
#include "common/program.h"
#include "common/store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct {
    const char *model, *features, *exclude;
    double level;
    unsigned long seed;
} options;

#define MODEL_OPTION                                                                                         \
    {                                                                                                        \
        .name = "model", .letter = 'm', .kind = OPTION_TEXT, .target = &options.model, .argument = "FILE",   \
        .help = "model that mi-cac fit wrote, or @NAME in the store"                                         \
    }

static const struct option_spec predict_options[] = {
    MODEL_OPTION, STORE_OPTION, WAIT_OPTION, COST_OPTIONS, {.name = NULL}};

static const struct option_spec importance_options[] = {
    MODEL_OPTION, STORE_OPTION, WAIT_OPTION, {.name = NULL}};

static const struct option_spec fit_options[] = {
    {.name = "features",
     .kind = OPTION_TEXT,
     .target = &options.features,
     .argument = "LIST",
     .help = "columns that say something of a row before its day is over, by commas (else\n"
             "all but campaign_id, date, money, and what is only known afterwards)"},
    {.name = "exclude",
     .kind = OPTION_TEXT,
     .target = &options.exclude,
     .argument = "LIST",
     .help = "columns that are no features"},
    {.name = "level",
     .kind = OPTION_NUMBER,
     .target = &options.level,
     .low = 0.01,
     .high = 0.999,
     .argument = "SHARE",
     .help = "probability that cac_lo to cac_hi holds the day's own CAC",
     .otherwise = "0.8"},
    {.name = "seed",
     .kind = OPTION_COUNT,
     .target = &options.seed,
     .high = 1e9,
     .argument = "N",
     .help = "of the trees' samples",
     .otherwise = "1"},
    COST_OPTIONS,
    {.name = NULL},
};

static const char fit_details[] =
    "Reads date, campaign_id, spend and new_customers (where that is absent, customers\n"
    "less returning_customers), the cost columns of mi-roi or total_costs, and features:\n"
    "attributes of the campaign, of the market, numbers or words. Which columns were\n"
    "taken is said. Writes the model as JSON to -o FILE, with how well later days were\n"
    "predicted from earlier ones. Holds its input in memory and reads it once.\n";

static const char predict_details[] =
    "Reads campaign_id, spend, the cost columns, date where there, and the features of\n"
    "the model (one that is not there is missing). Adds predicted_cac (total costs per\n"
    "new customer), cac_lo, cac_hi (empty where a day without any is likely enough) and\n"
    "predicted_new_customers.\n"
    "A filter: holds the model, reads its input once.\n";

static const char importance_details[] =
    "Writes feature, importance: the mean size of its contribution to the logarithm of\n"
    "the CAC (SHAP), as share of all; largest first.\n";

/* ---- columns of a row ---- */

struct columns {
    struct cost_columns costs;
    size_t id, date, spend, total_costs;
    size_t customers, returning; /* new ones: the first less the second */
    size_t *features;
    struct mi_text *values; /* of the features, of the row at hand */
    size_t feature_count;
};

static enum mi_status open_columns(struct columns *columns, struct mi_reader *reader, bool dated,
                                   struct mi_error *error) {
    enum mi_status status = mi_reader_column(reader, "campaign_id", true, &columns->id, error);
    if (!status)
        status = mi_reader_column(reader, "date", dated, &columns->date, error);
    if (!status)
        status = mi_reader_column(reader, "spend", true, &columns->spend, error);
    if (!status)
        status = mi_reader_column(reader, "total_costs", false, &columns->total_costs, error);
    if (!status)
        status = cost_columns_open(&columns->costs, reader, error);
    return status;
}

static enum mi_status open_customers(struct columns *columns, struct mi_reader *reader,
                                     struct mi_error *error) {
    bool both = !mi_reader_has(reader, "new_customers") && mi_reader_has(reader, "customers");
    columns->returning = MI_NO_COLUMN;
    enum mi_status status =
        mi_reader_column(reader, both ? "customers" : "new_customers", true, &columns->customers, error);
    if (!status && both)
        status = mi_reader_column(reader, "returning_customers", true, &columns->returning, error);
    return status;
}

static enum mi_status open_features(struct columns *columns, struct mi_reader *reader,
                                    const char *const *names, size_t count, bool required,
                                    struct mi_error *error) {
    enum mi_status status = MI_OK;
    size_t absent = 0;
    columns->features = calloc(count + 1, sizeof *columns->features);
    columns->values = calloc(count + 1, sizeof *columns->values);
    if (!columns->features || !columns->values)
        return no_memory(error);
    for (; columns->feature_count < count && !status; columns->feature_count++) {
        size_t *column = &columns->features[columns->feature_count];
        status = mi_reader_column(reader, names[columns->feature_count], required, column, error);
        if (!status && *column == MI_NO_COLUMN) {
            absent++;
            note("no column '%s', which the model knows: taken as missing", names[columns->feature_count]);
        }
    }
    if (!status && absent == count && count > 0)
        note("none of the model's %zu features is there: each campaign's own rate alone tells", count);
    return status;
}

static enum mi_status read_row(const struct columns *columns, const struct mi_batch *batch, size_t row,
                               struct mi_cac_row *out, struct mi_error *error) {
    const unsigned rules = MI_FILLED | MI_MONEY;
    struct mi_campaign_costs costs;
    double spend;
    *out = (struct mi_cac_row){.values = columns->values};
    enum mi_status status = mi_batch_id(batch, row, columns->id, &out->campaign_id, error);
    if (!status)
        status = mi_batch_date(batch, row, columns->date, columns->date == MI_NO_COLUMN ? MI_ANY : MI_FILLED,
                               &out->date, error);
    if (!status)
        status = mi_batch_number(batch, row, columns->spend, rules, &spend, error);
    if (!status && columns->total_costs != MI_NO_COLUMN)
        status = mi_batch_number(batch, row, columns->total_costs, rules, &out->costs, error);
    else if (!status) {
        status = cost_columns_row(&columns->costs, batch, row, &costs, error);
        out->costs = status ? 0 : costs.rate * spend + costs.fixed;
    }
    for (size_t i = 0; i < columns->feature_count && !status; i++)
        status = mi_batch_text(batch, row, columns->features[i], &columns->values[i], error);
    return status;
}

static void free_columns(struct columns *columns) {
    free(columns->features);
    free(columns->values);
}

/* ---- fit: which columns are features ---- */

/* What names the row, is money, or is known only when the day is over. */
static const char *const no_features[] = {"campaign_id",
                                          "date",
                                          "spend",
                                          "new_customers",
                                          "customers",
                                          "returning_customers",
                                          "conversions",
                                          "users",
                                          "num_users",
                                          "installs",
                                          "purchases",
                                          "orders",
                                          "revenue",
                                          "value",
                                          "clicks",
                                          "impressions",
                                          "total_costs",
                                          "cost_rate",
                                          "cost_fixed",
                                          "cost_attribution_platform",
                                          "cost_agency",
                                          "cost_creative",
                                          "cost_infrastructure",
                                          "cost_team",
                                          "overhead_pct",
                                          "profit",
                                          "roi",
                                          "roas",
                                          "cpa",
                                          "cac",
                                          "marginal_cpa",
                                          "saturation_level",
                                          NULL};

static bool is_among(const char *const *names, struct mi_text name) {
    for (; *names; names++)
        if (mi_text_equal(name, mi_text_of(*names)))
            return true;
    return false;
}

static bool begins(struct mi_text name, const char *start) {
    size_t size = strlen(start);
    return name.size >= size && memcmp(name.data, start, size) == 0;
}

static bool in_list(const char *list, struct mi_text name) {
    for (const char *at = list; at && *at;) {
        size_t size = strcspn(at, ",");
        if (mi_text_equal(name, (struct mi_text){at, size}))
            return true;
        at += size + (at[size] == ',');
    }
    return false;
}

struct names {
    const char **items;
    char *text; /* of them */
    size_t count;
};

static bool is_feature(struct mi_text name) {
    if (options.features)
        return in_list(options.features, name);
    return !is_among(no_features, name) && !begins(name, "predicted_") && !begins(name, "actual_") &&
           !begins(name, "curve") && !begins(name, "ltv_") && !in_list(options.exclude, name);
}

/* The reader's columns that are features, in the order of the file. */
static enum mi_status find_features(struct mi_reader *reader, struct names *names, struct mi_error *error) {
    size_t count = mi_reader_column_count(reader), size = 1;
    for (size_t i = 0; i < count; i++)
        size += mi_reader_column_name(reader, i).size + 2;
    names->items = calloc(count + 1, sizeof *names->items);
    names->text = malloc(size);
    if (!names->items || !names->text)
        return no_memory(error);
    char *at = names->text;
    for (size_t i = 0; i < count; i++) {
        struct mi_text name = mi_reader_column_name(reader, i);
        if (!is_feature(name))
            continue;
        memcpy(at, name.data, name.size);
        at[name.size] = '\0';
        names->items[names->count++] = at;
        at += name.size + 1;
    }
    return MI_OK;
}

static enum mi_status check_features(const struct mi_reader *reader, const struct names *names,
                                     struct mi_error *error) {
    for (const char *at = options.features; at && *at;) {
        size_t size = strcspn(at, ",");
        bool found = false;
        for (size_t i = 0; i < names->count; i++)
            found |= mi_text_equal((struct mi_text){at, size}, mi_text_of(names->items[i]));
        if (!found)
            return mi_error_set(error, MI_BAD_INPUT, "%s has no column '%.*s' of --features",
                                mi_reader_name(reader), (int)size, at);
        at += size + (at[size] == ',');
    }
    return MI_OK;
}

static void say_features(const struct names *names) {
    char list[512] = "";
    size_t used = 0;
    for (size_t i = 0; i < names->count && used + 40 < sizeof list; i++) {
        size_t size = strlen(names->items[i]);
        if (used + size + 8 > sizeof list) {
            memcpy(list + used, ", ...", 6);
            break;
        }
        memcpy(list + used, used ? ", " : "", used ? 2 : 0);
        used += used ? 2 : 0;
        memcpy(list + used, names->items[i], size + 1);
        used += size;
    }
    note("features: %s", names->count ? list : "none but costs, the campaign's own rate and the calendar");
}

/* ---- fit ---- */

struct fit {
    struct stream stream;
    struct columns columns;
    struct names names;
    struct mi_cac_fit *fit;
    struct mi_cac_model *model;
};

static enum mi_status add_row(void *context, struct stream *stream, const struct mi_batch *batch, size_t row,
                              struct mi_error *error) {
    (void)stream;
    struct fit *f = context;
    struct mi_cac_row in;
    double returning = 0;
    enum mi_status status = read_row(&f->columns, batch, row, &in, error);
    if (!status)
        status =
            mi_batch_number(batch, row, f->columns.customers, MI_FILLED | MI_MONEY, &in.customers, error);
    if (!status && f->columns.returning != MI_NO_COLUMN)
        status = mi_batch_number(batch, row, f->columns.returning, MI_FILLED | MI_MONEY, &returning, error);
    if (!status && returning > in.customers)
        status = mi_batch_fault(batch, row, f->columns.returning, error, "more than all customers");
    in.customers -= status ? 0 : returning;
    return status ? status : mi_cac_fit_add(f->fit, &in, error);
}

static void say_holdout(const struct mi_cac_model *model) {
    struct mi_cac_holdout holdout = mi_cac_model_holdout(model);
    detail("later days from earlier ones, %.0f rows: WAPE of new customers %.1f %% (own rate alone %.1f %%, "
           "portfolio's rate %.1f %%), %.1f %% within the interval",
           holdout.rows, holdout.wape, holdout.wape_rate, holdout.wape_portfolio, holdout.coverage * 100);
}

static enum mi_status fit(struct fit *f, struct mi_error *error) {
    struct mi_notes notes = common_notes();
    if (!common.output)
        return mi_error_set(error, MI_BAD_ARGUMENT, "-o FILE is needed: where the model goes");
    enum mi_status status = stream_open(&f->stream, false, error);
    if (!status)
        status = open_columns(&f->columns, f->stream.reader, true, error);
    if (!status)
        status = open_customers(&f->columns, f->stream.reader, error);
    if (!status)
        status = find_features(f->stream.reader, &f->names, error);
    if (!status)
        status = check_features(f->stream.reader, &f->names, error);
    if (!status)
        status = open_features(&f->columns, f->stream.reader, f->names.items, f->names.count, true, error);
    if (status)
        return status;
    struct mi_cac_options how = {.features = f->names.items,
                                 .feature_count = f->names.count,
                                 .level = options.level,
                                 .seed = options.seed,
                                 .threads = common.threads};
    say_features(&f->names);
    status = mi_cac_fit_new(&how, &f->fit, error);
    if (!status)
        status = stream_each_row(&f->stream, add_row, f, error);
    if (!status)
        status = mi_cac_fit_run(f->fit, &notes, &f->model, error);
    if (status)
        return status;
    say_holdout(f->model);
    return mi_cac_model_write(f->model, common.output, error);
}

static enum mi_status run_fit(struct mi_error *error) {
    struct fit f = {0};
    enum mi_status status = fit(&f, error);
    status = stream_close(&f.stream, status, error);
    mi_cac_fit_free(f.fit);
    mi_cac_model_free(f.model);
    free_columns(&f.columns);
    free(f.names.items);
    free(f.names.text);
    return status;
}

/* ---- predict ---- */

struct predict {
    struct stream stream;
    struct columns columns;
    struct mi_cac_model *model;
    size_t cac, low, high, customers; /* slots */
    size_t rows, unknown;
    /* of the batch at hand */
    struct mi_cac_row *in;
    struct mi_cac_estimate *out;
    size_t *from; /* row in the batch */
    struct mi_text *values;
    size_t capacity;
};

static void free_rows(struct predict *p) {
    free(p->in);
    free(p->out);
    free(p->from);
    free(p->values);
}

/* Room for the rows of a batch. */
static enum mi_status make_room(struct predict *p, size_t rows, struct mi_error *error) {
    size_t features = p->columns.feature_count + 1;
    if (rows <= p->capacity)
        return MI_OK;
    free_rows(p);
    p->in = calloc(rows, sizeof *p->in);
    p->out = calloc(rows, sizeof *p->out);
    p->from = calloc(rows, sizeof *p->from);
    p->values = calloc(rows * features, sizeof *p->values);
    p->capacity = rows;
    return p->in && p->out && p->from && p->values ? MI_OK : no_memory(error);
}

/* Reads the rows of a batch; rejected ones are left out. */
static enum mi_status read_batch(struct predict *p, const struct mi_batch *batch, size_t *count,
                                 struct mi_error *error) {
    size_t rows = mi_batch_rows(batch), width = p->columns.feature_count;
    enum mi_status status = make_room(p, rows, error);
    *count = 0;
    for (size_t row = 0; row < rows && !status; row++) {
        struct mi_cac_row *in = &p->in[*count];
        status = read_row(&p->columns, batch, row, in, error);
        if (status) {
            status = status == MI_BAD_RECORD ? mi_reader_reject(p->stream.reader, batch, row, error) : status;
            continue;
        }
        struct mi_text *values = p->values + *count * width;
        if (width > 0)
            memcpy(values, p->columns.values, width * sizeof *values);
        in->values = values;
        p->from[(*count)++] = row;
    }
    return status;
}

static enum mi_status write_estimate(struct predict *p, const struct mi_batch *batch, size_t i,
                                     struct mi_error *error) {
    struct mi_writer *writer = p->stream.writer;
    p->rows++;
    p->unknown += !p->out[i].known;
    mi_writer_number(writer, p->cac, p->out[i].cac);
    mi_writer_number(writer, p->low, p->out[i].low);
    mi_writer_number(writer, p->high, p->out[i].high);
    mi_writer_number(writer, p->customers, p->out[i].customers);
    return mi_writer_row(writer, batch, p->from[i], error);
}

/* Whole batches, since trees are fast on many rows at once. */
static enum mi_status predict_rows(struct predict *p, struct mi_error *error) {
    struct mi_batch *batch;
    enum mi_status status;
    while ((status = mi_reader_next(p->stream.reader, &batch, error)) == MI_OK) {
        size_t count;
        status = read_batch(p, batch, &count, error);
        if (!status)
            status = mi_cac_predict(p->model, p->in, count, p->out, error);
        for (size_t i = 0; i < count && !status; i++)
            status = write_estimate(p, batch, i, error);
        if (!status)
            status = mi_writer_flush(p->stream.writer, error);
        if (status)
            return status;
    }
    return status == MI_END ? MI_OK : status;
}

static enum mi_status read_model(struct mi_cac_model **model, struct mi_error *error) {
    if (!options.model)
        return mi_error_set(error, MI_BAD_ARGUMENT, "-m FILE is needed: the model that mi-cac fit wrote");
    struct mi_model_file *file;
    enum mi_status status = model_read(options.model, "mi-cac", &file, error);
    if (!status) {
        status = mi_cac_model_of(file, model, error);
        mi_model_file_free(file);
    }
    return status;
}

static enum mi_status open_model_features(struct predict *p, struct mi_error *error) {
    size_t count = mi_cac_feature_count(p->model);
    const char **names = calloc(count + 1, sizeof *names);
    if (!names)
        return no_memory(error);
    for (size_t i = 0; i < count; i++)
        names[i] = mi_cac_feature(p->model, i);
    enum mi_status status = open_features(&p->columns, p->stream.reader, names, count, false, error);
    free(names);
    return status;
}

static enum mi_status predict(struct predict *p, struct mi_error *error) {
    const struct {
        const char *name;
        size_t *slot;
    } slots[] = {{"predicted_cac", &p->cac},
                 {"cac_lo", &p->low},
                 {"cac_hi", &p->high},
                 {"predicted_new_customers", &p->customers}};
    enum mi_status status = read_model(&p->model, error);
    if (!status)
        status = stream_open(&p->stream, false, error);
    if (!status)
        status = open_columns(&p->columns, p->stream.reader, false, error);
    if (!status)
        status = open_model_features(p, error);
    if (!status)
        status = stream_output(&p->stream, true, error);
    for (size_t i = 0; i < sizeof slots / sizeof *slots && !status; i++)
        status = mi_writer_column(p->stream.writer, slots[i].name, slots[i].slot, error);
    if (!status)
        status = predict_rows(p, error);
    if (!status && p->unknown > 0)
        note("%zu of %zu rows are of campaigns that the model has not seen: the portfolio's rate", p->unknown,
             p->rows);
    return status;
}

static enum mi_status run_predict(struct mi_error *error) {
    struct predict p = {0};
    enum mi_status status = predict(&p, error);
    status = stream_close(&p.stream, status, error);
    free_rows(&p);
    free_columns(&p.columns);
    mi_cac_model_free(p.model);
    return status;
}

/* ---- importance ---- */

struct share {
    const char *name;
    double share;
    size_t number;
};

static int compare_shares(const void *a, const void *b) {
    const struct share *x = a, *y = b;
    if (x->share != y->share)
        return x->share < y->share ? 1 : -1;
    return (x->number > y->number) - (x->number < y->number);
}

static enum mi_status write_importance(const struct mi_cac_model *model, struct stream *stream,
                                       struct mi_error *error) {
    size_t count = mi_cac_importance_count(model), name, share;
    struct share *shares = calloc(count + 1, sizeof *shares);
    if (!shares)
        return no_memory(error);
    for (size_t i = 0; i < count; i++) {
        shares[i].name = mi_cac_importance(model, i, &shares[i].share);
        shares[i].number = i;
    }
    qsort(shares, count, sizeof *shares, compare_shares);
    enum mi_status status = stream_output(stream, false, error);
    if (!status)
        status = mi_writer_column(stream->writer, "feature", &name, error);
    if (!status)
        status = mi_writer_column(stream->writer, "importance", &share, error);
    for (size_t i = 0; i < count && !status; i++) {
        mi_writer_text(stream->writer, name, mi_text_of(shares[i].name));
        mi_writer_number(stream->writer, share, shares[i].share);
        status = mi_writer_row(stream->writer, NULL, 0, error);
    }
    free(shares);
    return status;
}

static enum mi_status run_importance(struct mi_error *error) {
    struct mi_cac_model *model = NULL;
    struct stream stream = {0};
    enum mi_status status = read_model(&model, error);
    if (!status)
        status = write_importance(model, &stream, error);
    status = stream_close(&stream, status, error);
    mi_cac_model_free(model);
    return status;
}

static const struct command commands[] = {
    {.name = "predict",
     .purpose = "cost per new customer of each campaign, with an interval",
     .input = "[FILE]",
     .details = predict_details,
     .example = "mi-cac -m cac.json campaigns.csv",
     .options = predict_options,
     .run = run_predict},
    {.name = "fit",
     .purpose = "a model from daily rows",
     .input = "[FILE]",
     .details = fit_details,
     .example = "mi-cac fit -v -o cac.json days.csv",
     .options = fit_options,
     .run = run_fit},
    {.name = "importance",
     .purpose = "what a model's predictions depend on",
     .details = importance_details,
     .example = "mi-cac importance -m cac.json",
     .options = importance_options,
     .run = run_importance},
    {.name = NULL},
};

int main(int argc, char **argv) {
    static const struct program program = {
        .name = "mi-cac", .purpose = "what a new customer costs with everything paid", .commands = commands};
    return program_main(&program, argc, argv);
}
