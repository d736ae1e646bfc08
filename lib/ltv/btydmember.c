/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A buy-till-you-die model as a member of the ensemble.
 */
#include "ltv/btydmember.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

#include "ltv/btydmodel.h"
#include "record/modelfile.h"

#define STRANGERS_PRIOR 10.0 /* users at the mean of all */

void ltv_buyers_clear(struct ltv_buyers *buyers) {
    mi_btyd_predictor_free(buyers->predictor);
    mi_btyd_free(buyers->model);
    *buyers = (struct ltv_buyers){0};
}

static struct mi_customer customer_of(const float *codes) {
    return (struct mi_customer){(double)codes[LTV_LOG_FREQUENCY], (double)codes[LTV_LOG_RECENCY],
                                (double)codes[LTV_LOG_T], (double)codes[LTV_LOG_VALUE]};
}

static enum mi_status make_predictor(struct ltv_buyers *buyers, struct mi_error *error) {
    const struct mi_btyd_outlook outlook = {.horizon = buyers->horizon, .period = 1};
    return mi_btyd_predictor_new(buyers->model, &outlook, &buyers->predictor, error);
}

enum mi_status ltv_buyers_fit(const struct ltv_rows *rows, size_t features, size_t first, double horizon,
                              const struct mi_notes *notes, struct ltv_buyers *buyers,
                              struct mi_error *error) {
    const struct mi_btyd_options how = {.families = {true, true, true}, .spend = true, .automatic = true};
    struct mi_customers *customers;
    double strangers = 0, of_strangers = 0, of_all = 0;
    enum mi_status status = mi_customers_new(NULL, 0, &customers, error);
    if (status != MI_OK) {
        return status;
    }
    *buyers = (struct ltv_buyers){.horizon = horizon};
    for (size_t i = 0; i < rows->count && status == MI_OK; i++) {
        const float *codes = rows->codes + rows->rows[i] * features + first;
        double target = rows->target[rows->rows[i]];
        of_all += target / (double)rows->count;
        if (isnan(codes[LTV_LOG_FREQUENCY])) {
            strangers++;
            of_strangers += target;
            continue;
        }
        struct mi_customer customer = customer_of(codes);
        status = mi_customers_add(customers, &customer, NULL, error);
    }
    if (status == MI_OK) {
        status = mi_btyd_fit(customers, &how, notes, &buyers->model, error);
    }
    mi_customers_free(customers);
    if (status != MI_OK && error != NULL) {
        char reason[sizeof error->text];
        memcpy(reason, error->text, sizeof reason);
        mi_error_set(error, status, "buy till you die on the log: %.500s", reason);
    }
    buyers->strangers = (of_strangers + STRANGERS_PRIOR * of_all) / (strangers + STRANGERS_PRIOR);
    if (status == MI_OK) {
        status = make_predictor(buyers, error);
    }
    if (status != MI_OK) {
        ltv_buyers_clear(buyers);
    }
    return status;
}

enum mi_status ltv_buyers_predict(struct ltv_buyers *buyers, const float codes[LTV_LOG_FEATURES],
                                  double *value, struct mi_error *error) {
    struct mi_btyd_prediction prediction = {.ltv = buyers->strangers};
    bool known;
    if (!isnan(codes[LTV_LOG_FREQUENCY])) {
        struct mi_customer customer = customer_of(codes);
        enum mi_status status =
            mi_btyd_predict(buyers->predictor, &customer, NULL, &prediction, &known, error);
        if (status != MI_OK) {
            return status;
        }
    }
    *value = fmax(0, prediction.ltv);
    return isfinite(*value) ? MI_OK
                            : mi_error_set(error, MI_NUMERIC, "the buy-till-you-die model gives no number");
}

/* ---- files ---- */

enum mi_status ltv_buyers_write(const struct ltv_buyers *buyers, struct mi_buffer *out,
                                struct mi_error *error) {
    mi_model_file_number(out, "{\"horizon\": ", buyers->horizon);
    mi_model_file_number(out, ", \"strangers\": ", buyers->strangers);
    enum mi_status status = btyd_write_members(out, buyers->model, error);
    mi_buffer_string(out, "}");
    return status;
}

enum mi_status ltv_buyers_read(const json_t *object, struct ltv_buyers *buyers, const char **fault,
                               struct mi_error *error) {
    struct mi_model_reading reading = {0};
    buyers->horizon = mi_model_file_get_number(&reading, object, "horizon", 1e-9, 1e9, false);
    buyers->strangers = mi_model_file_get_number(&reading, object, "strangers", 0, MI_MONEY_LIMIT, false);
    if (reading.fault != NULL) {
        *fault = *fault != NULL ? *fault : reading.fault;
        return MI_OK;
    }
    enum mi_status status = btyd_read_members(object, &buyers->model, error);
    if (status == MI_OK && !mi_btyd_has_spend(buyers->model)) {
        *fault = *fault != NULL ? *fault : "spend";
        return MI_OK;
    }
    return status == MI_OK ? make_predictor(buyers, error) : status;
}
