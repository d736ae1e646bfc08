/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The parts of mi-store.
 */
#ifndef STORE_PARTS_H
#define STORE_PARTS_H

#include "common/store.h"

extern const struct option_spec put_prediction_options[], put_actual_options[], put_campaign_options[];
enum mi_status run_put_predictions(struct mi_error *error);
enum mi_status run_put_actuals(struct mi_error *error);
enum mi_status run_put_campaigns(struct mi_error *error);

extern const struct option_spec get_prediction_options[], get_actual_options[], get_campaign_options[];
enum mi_status run_get_predictions(struct mi_error *error);
enum mi_status run_get_actuals(struct mi_error *error);
enum mi_status run_get_campaigns(struct mi_error *error);

/* Names of a campaign's attributes, as the library orders them. */
extern const char *const campaign_attributes[MI_STORE_ATTRIBUTES];

extern const struct option_spec get_day_options[];
enum mi_status run_get_days(struct mi_error *error);

extern const struct option_spec join_options[];
enum mi_status run_join(struct mi_error *error);

extern const struct option_spec log_options[];
enum mi_status run_log(struct mi_error *error);

extern const struct option_spec model_add_options[], model_promote_options[], model_show_options[],
    plain_options[];
enum mi_status run_model_add(struct mi_error *error);
enum mi_status run_model_list(struct mi_error *error);
enum mi_status run_model_promote(struct mi_error *error);
enum mi_status run_model_rollback(struct mi_error *error);
enum mi_status run_model_show(struct mi_error *error);
enum mi_status run_model_verify(struct mi_error *error);
enum mi_status run_check(struct mi_error *error);
enum mi_status run_backup(struct mi_error *error);

#endif
