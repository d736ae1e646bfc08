/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The member of the ensemble that knows customers by what they bought: a buy-till-you-die model with spend,
 * fitted to the customers that are learnt from and to nothing that came after the log's end.
 */
#ifndef MI_LTV_BTYDMEMBER_H
#define MI_LTV_BTYDMEMBER_H

#include <jansson.h>

#include "ltv/design.h"

struct ltv_buyers {
    struct mi_btyd *model; /* NULL: no such member */
    struct mi_btyd_predictor *predictor;
    double horizon;   /* days of the target */
    double strangers; /* mean of those who bought nothing in the log */
};

/* `first` is the first of the log's features. MI_BAD_INPUT where too few bought again, MI_NUMERIC where the
 * model does not converge. */
enum mi_status ltv_buyers_fit(const struct ltv_rows *rows, size_t features, size_t first, double horizon,
                              const struct mi_notes *notes, struct ltv_buyers *buyers,
                              struct mi_error *error);
void ltv_buyers_clear(struct ltv_buyers *buyers);

/* Predicted value within the horizon of one with these codes of the log's features. */
enum mi_status ltv_buyers_predict(struct ltv_buyers *buyers, const float codes[LTV_LOG_FEATURES],
                                  double *value, struct mi_error *error);

enum mi_status ltv_buyers_write(const struct ltv_buyers *buyers, struct mi_buffer *out,
                                struct mi_error *error);
enum mi_status ltv_buyers_read(const json_t *object, struct ltv_buyers *buyers, const char **fault,
                               struct mi_error *error);

#endif
