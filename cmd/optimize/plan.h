/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the parts of mi-optimize share: the options, and the plan, which is the campaigns that were read, the
 * problem made of them and its answer.
 */
#ifndef OPTIMIZE_PLAN_H
#define OPTIMIZE_PLAN_H

#include "common/campaigns.h"
#include "common/json.h"

struct optimize_options {
    double budget;
    bool at_most;
    unsigned objective; /* enum mi_objective */
    const char *weights;
    double floor;
    struct text_list limits;
    const char *limits_file;
    const char *hold;
    bool min_or_nothing;
    double step;
    double calm; /* percent */
    double for_users;
    const char *sweep;
    unsigned long pareto;
    unsigned solver;
    const char *risk;
    double explore;
    unsigned long draws, seed;
    double gap; /* percent */
    double time;
    const char *summary;
    const char *expect;
};
extern struct optimize_options optimize_options;

#define OBJECTIVES "profit|weighted|revenue|users|roi|roas" /* in the order of enum mi_objective */
#define SOLVERS    "global|slsqp"                           /* in the order of enum mi_solver */

/* The plan's profit and today's over the same draws. */
struct comparison {
    bool made;
    double better; /* share of draws in which the plan has more; NaN: today's budgets are not known */
    struct mi_risk_figures after, before; /* quantiles: 0.1, 0.5, 0.9 */
};

struct plan {
    struct campaigns campaigns;
    struct mi_allocation_campaign *shares;
    struct mi_allocation_limit *limits;
    size_t limit_count, limit_room;
    char **limit_names; /* texts of the limits that are made of one (per COLUMN) */
    size_t limit_name_count;
    size_t **members; /* of all limits, to be freed */
    struct mi_allocation_problem problem;
    struct mi_allocation allocation;
    struct mi_outcome *recommended, *today; /* one per campaign */
    bool today_known;
    double kept_back, gain; /* what --at-most would keep back, and what that adds to the objective */
    double next; /* what a further 1000 would add to the objective; NaN: not asked for, or no room */
    struct mi_exploration exploration;
    struct comparison comparison;
};

/* roi=0.5,revenue=0.3,cac=0.2 */
enum mi_status weights_parse(const char *list, struct mi_objective_weights *weights, struct mi_error *error);

/* Reads --limit, --limits, --hold into the plan. */
enum mi_status limits_read(struct plan *plan, struct stream *stream, struct mi_error *error);
void limits_drop(struct plan *plan);

/* The objective's name, in words for a message. */
struct mi_text objective_text(const struct plan *plan);

/* Outcomes at the allocation and at today's budgets. */
void plan_outcomes(struct plan *plan);

/* One row a campaign. */
enum mi_status rows_write(struct plan *plan, struct stream *stream, struct mi_error *error);
/* --summary. */
enum mi_status summary_write(const struct plan *plan, struct mi_error *error);
void put_outcome(struct json *json, const char *name, const struct mi_outcome *outcome);

/* --risk and --explore. */
enum mi_status risk_parse(enum mi_risk_measure *measure, double *amount, struct mi_error *error);
bool plan_is_uncertain(const struct plan *plan);
enum mi_status plan_allocate_uncertain(struct plan *plan, struct mi_error *error);
/* How surely it is better than today, where that is asked for and known. */
enum mi_status plan_compare(struct plan *plan, struct mi_error *error);

/* The gap in percent, without what is rounding. */
double gap_percent(const struct mi_allocation *allocation);

/* --sweep, --pareto: rows of their own. */
enum mi_status sweep_check(struct mi_error *error);
enum mi_status sweep_run(struct plan *plan, struct stream *stream, struct mi_error *error);
enum mi_status pareto_run(struct plan *plan, struct stream *stream, struct mi_error *error);

#endif
