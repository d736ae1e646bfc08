/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Buy till you die: customers' frequency, recency, T and monetary value to a model, and to predictions.
 */
#include "ltv/buyers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct btyd_options btyd_options;

struct columns {
    size_t frequency, recency, T, value;
    size_t covariates[MI_LTV_COLUMNS_MOST];
    const char *names[MI_LTV_COLUMNS_MOST];
    size_t covariate_count;
    char *text; /* of --covariates, cut at its commas */
};

static enum mi_status find_columns(struct mi_reader *reader, bool value, struct columns *columns,
                                   struct mi_error *error) {
    enum mi_status status = mi_reader_column(reader, "frequency", true, &columns->frequency, error);
    if (!status)
        status = mi_reader_column(reader, "recency", true, &columns->recency, error);
    if (!status)
        status = mi_reader_column(reader, "T", true, &columns->T, error);
    if (!status)
        status = mi_reader_column(reader, "monetary_value", value, &columns->value, error);
    for (size_t i = 0; i < columns->covariate_count && !status; i++)
        status = mi_reader_column(reader, columns->names[i], true, &columns->covariates[i], error);
    return status;
}

static enum mi_status read_customer(const struct mi_batch *batch, size_t row, const struct columns *columns,
                                    struct mi_customer *customer, struct mi_text *covariates,
                                    struct mi_error *error) {
    const unsigned money = MI_MONEY | MI_SIGNED;
    enum mi_status status =
        mi_batch_number(batch, row, columns->frequency, MI_FILLED | MI_MONEY, &customer->frequency, error);
    if (!status)
        status =
            mi_batch_number(batch, row, columns->recency, MI_FILLED | MI_MONEY, &customer->recency, error);
    if (!status)
        status = mi_batch_number(batch, row, columns->T, MI_FILLED | MI_MONEY, &customer->T, error);
    if (!status)
        status = mi_batch_number(batch, row, columns->value, money, &customer->monetary_value, error);
    for (size_t i = 0; i < columns->covariate_count && !status; i++)
        status = mi_batch_text(batch, row, columns->covariates[i], &covariates[i], error);
    if (status)
        return status;
    enum mi_customer_field field;
    struct mi_error reason = {0};
    if (mi_customer_check(customer, &field, &reason) != MI_OK) {
        size_t column = field == MI_CUSTOMER_FREQUENCY ? columns->frequency
                        : field == MI_CUSTOMER_RECENCY ? columns->recency
                                                       : columns->T;
        return mi_batch_fault(batch, row, column, error, "%s", reason.text);
    }
    return MI_OK;
}

/* ---- fit ---- */

struct fitting {
    struct stream stream;
    struct columns columns;
    struct mi_customers *customers;
    struct mi_btyd_options how;
};

static enum mi_status choose_family(struct mi_btyd_options *how, struct mi_error *error) {
    const char *name = btyd_options.family;
    how->automatic = strcmp(name, "auto") == 0;
    bool any = false;
    for (int i = 0; i < MI_BTYD_FAMILIES; i++) {
        how->families[i] = how->automatic || strcmp(name, mi_btyd_family_name((enum mi_btyd_family)i)) == 0;
        any = any || how->families[i];
    }
    return any ? MI_OK
               : mi_error_set(error, MI_BAD_ARGUMENT,
                              "option --model: none of bg-nbd, mbg-nbd, pareto-nbd, auto: \"%s\"", name);
}

static enum mi_status split_covariates(struct columns *columns, struct mi_error *error) {
    if (btyd_options.covariates == NULL)
        return MI_OK;
    columns->text = mi_text_copy(mi_text_of(btyd_options.covariates));
    if (columns->text == NULL)
        return no_memory(error);
    for (char *at = columns->text; at != NULL;) {
        char *comma = strchr(at, ',');
        if (comma != NULL)
            *comma++ = '\0';
        bool twice = false;
        for (size_t i = 0; i < columns->covariate_count; i++)
            twice = twice || strcmp(columns->names[i], at) == 0;
        if (at[0] == '\0' || twice || columns->covariate_count == MI_LTV_COLUMNS_MOST)
            return mi_error_set(error, MI_BAD_ARGUMENT, "--covariates=%s: %s", btyd_options.covariates,
                                at[0] == '\0' ? "an empty name"
                                : twice       ? "a name stands twice"
                                              : "too many");
        columns->names[columns->covariate_count++] = at;
        at = comma;
    }
    return MI_OK;
}

static enum mi_status add_customer(void *context, struct stream *stream, const struct mi_batch *batch,
                                   size_t row, struct mi_error *error) {
    struct fitting *fitting = context;
    struct mi_customer customer;
    struct mi_text covariates[MI_LTV_COLUMNS_MOST];
    (void)stream;
    enum mi_status status = read_customer(batch, row, &fitting->columns, &customer, covariates, error);
    return status ? status : mi_customers_add(fitting->customers, &customer, covariates, error);
}

static void say_customers(const struct mi_customers_summary *s, bool spend) {
    detail("%.0f customers, %.0f of them with repeat purchases, %.0f that differ", s->customers,
           s->repeat_customers, s->different);
    if (spend && s->spend_not_positive > 0)
        note("%.0f of those who bought again with a monetary_value of 0 or less: no part of the spend model",
             s->spend_not_positive);
    if (spend && s->without_spend > 0)
        note("%.0f of those who bought again without a monetary_value: no part of the spend model",
             s->without_spend);
}

static void say_fit(const struct mi_btyd *model) {
    double p[4], log_likelihood;
    for (int i = 0; i < MI_BTYD_FAMILIES; i++)
        if (mi_btyd_parameters(model, (enum mi_btyd_family)i, p, &log_likelihood))
            detail("%s: log likelihood %.4f, parameters %.6g %.6g %.6g %.6g%s",
                   mi_btyd_family_name((enum mi_btyd_family)i), log_likelihood, p[0], p[1], p[2], p[3],
                   (int)mi_btyd_main(model) == i ? "" : " (not used)");
    if (mi_btyd_spend_parameters(model, p, &log_likelihood))
        detail("gamma-gamma: log likelihood %.4f, parameters %.6g %.6g %.6g", log_likelihood, p[0], p[1],
               p[2]);
}

static enum mi_status fit_customers(struct fitting *fitting, struct mi_btyd **model, struct mi_error *error) {
    struct mi_notes notes = common_notes();
    enum mi_status status = choose_family(&fitting->how, error);
    if (!status)
        status = split_covariates(&fitting->columns, error);
    if (!status)
        status = stream_open(&fitting->stream, false, error);
    if (!status)
        status = find_columns(fitting->stream.reader, btyd_options.spend == 1, &fitting->columns, error);
    fitting->how.spend = btyd_options.spend == 1 ||
                         (btyd_options.spend == 0 && !status && fitting->columns.value != MI_NO_COLUMN);
    if (!status)
        status = mi_customers_new(fitting->columns.names, fitting->columns.covariate_count,
                                  &fitting->customers, error);
    if (!status)
        status = stream_each_row(&fitting->stream, add_customer, fitting, error);
    if (status)
        return status;
    struct mi_customers_summary summary = mi_customers_summary(fitting->customers);
    say_customers(&summary, fitting->how.spend);
    return mi_btyd_fit(fitting->customers, &fitting->how, &notes, model, error);
}

enum mi_status btyd_fit(struct mi_error *error) {
    struct fitting fitting = {0};
    struct mi_btyd *model = NULL;
    enum mi_status status = fit_customers(&fitting, &model, error);
    status = stream_close(&fitting.stream, status, error);
    if (!status) {
        say_fit(model);
        status = mi_btyd_write(model, common.output, error);
    }
    mi_btyd_free(model);
    mi_customers_free(fitting.customers);
    free(fitting.columns.text);
    return status;
}

/* ---- predict ---- */

struct predicting {
    struct stream stream;
    struct columns columns;
    struct mi_btyd *model;
    struct mi_btyd_predictor *predictor;
    size_t alive, purchases, ltv, low, high;
    uint64_t rows, unknown, without_value;
};

static enum mi_status add_outputs(struct predicting *p, struct mi_error *error) {
    const struct {
        const char *name;
        size_t *slot;
    } outputs[] = {{"p_alive", &p->alive},
                   {"predicted_purchases", &p->purchases},
                   {"predicted_ltv", &p->ltv},
                   {"ltv_lo", &p->low},
                   {"ltv_hi", &p->high}};
    enum mi_status status = stream_output(&p->stream, true, error);
    for (size_t i = 0; i < (mi_btyd_has_spend(p->model) ? 5 : 2) && !status; i++)
        status = mi_writer_column(p->stream.writer, outputs[i].name, outputs[i].slot, error);
    return status;
}

static enum mi_status predict_row(void *context, struct stream *stream, const struct mi_batch *batch,
                                  size_t row, struct mi_error *error) {
    struct predicting *p = context;
    struct mi_customer customer;
    struct mi_text covariates[MI_LTV_COLUMNS_MOST];
    struct mi_btyd_prediction prediction;
    bool known = true;
    enum mi_status status = read_customer(batch, row, &p->columns, &customer, covariates, error);
    if (!status)
        status = mi_btyd_predict(p->predictor, &customer, covariates, &prediction, &known, error);
    if (status)
        return status;
    p->rows++;
    p->unknown += !known;
    p->without_value += customer.frequency > 0 && isnan(customer.monetary_value);
    mi_writer_number(stream->writer, p->alive, prediction.alive);
    mi_writer_number(stream->writer, p->purchases, prediction.purchases);
    if (mi_btyd_has_spend(p->model)) {
        mi_writer_number(stream->writer, p->ltv, prediction.ltv);
        mi_writer_number(stream->writer, p->low, prediction.low);
        mi_writer_number(stream->writer, p->high, prediction.high);
    }
    return mi_writer_row(stream->writer, batch, row, error);
}

static void say_predicted(const struct predicting *p) {
    if (p->unknown > 0)
        note("%llu of %llu rows have a covariate's value that the model has not seen: taken for its most "
             "frequent "
             "one",
             (unsigned long long)p->unknown, (unsigned long long)p->rows);
    if (p->without_value > 0 && mi_btyd_has_spend(p->model))
        note("%llu of %llu rows have repeat purchases but no monetary_value: taken at the mean of customers "
             "like "
             "them",
             (unsigned long long)p->without_value, (unsigned long long)p->rows);
}

static enum mi_status open_prediction(struct predicting *p, const struct mi_model_file *file,
                                      struct mi_error *error) {
    if (isnan(btyd_options.horizon))
        return mi_error_set(error, MI_BAD_ARGUMENT,
                            "needs --horizon: how far to predict, in the unit of T (days or weeks)");
    struct mi_btyd_outlook outlook = {.horizon = btyd_options.horizon,
                                      .discount = isnan(btyd_options.discount) ? 0 : btyd_options.discount,
                                      .period = isnan(btyd_options.period) ? 1 : btyd_options.period,
                                      .level = ltv_model.level};
    if (outlook.discount > 0 && outlook.horizon / outlook.period > 1e5)
        return mi_error_set(error, MI_BAD_ARGUMENT, "--period: more than 100000 periods in the horizon");
    enum mi_status status = mi_btyd_of(file, &p->model, error);
    if (!status)
        status = mi_btyd_predictor_new(p->model, &outlook, &p->predictor, error);
    if (!status)
        status = stream_open(&p->stream, false, error);
    if (status)
        return status;
    p->columns.covariate_count = mi_btyd_covariate_count(p->model);
    for (size_t i = 0; i < p->columns.covariate_count; i++)
        p->columns.names[i] = mi_btyd_covariate(p->model, i);
    return find_columns(p->stream.reader, mi_btyd_has_spend(p->model), &p->columns, error);
}

enum mi_status btyd_predict(const struct mi_model_file *file, struct mi_error *error) {
    struct predicting p = {0};
    enum mi_status status = open_prediction(&p, file, error);
    if (!status)
        status = add_outputs(&p, error);
    if (!status)
        status = stream_each_row(&p.stream, predict_row, &p, error);
    if (!status)
        say_predicted(&p);
    status = stream_close(&p.stream, status, error);
    mi_btyd_predictor_free(p.predictor);
    mi_btyd_free(p.model);
    return status;
}
