/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-optimize: allocates a total budget over campaigns.
 */
#include "common/costs.h"
#include "common/program.h"
#include "optimize/expect.h"
#include "optimize/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LOSS_RELATIVE  1e-6  /* a gain of spending less that is worth a word */
#define KEPT_LEAST     0.01  /* and the money */
#define BEYOND_SUPPORT 1e-6  /* relative */
#define NEXT           1000  /* of budget: what it would earn */
#define NEXT_MOST      20000 /* campaigns for which that is computed */

struct optimize_options optimize_options;

static const char weights_default[] = "roi=0.5,revenue=0.3,cac=0.2";

static const struct option_spec option_table[] = {
    {.name = "budget",
     .letter = 'b',
     .kind = OPTION_NUMBER,
     .target = &optimize_options.budget,
     .high = MI_MONEY_LIMIT,
     .argument = "AMOUNT",
     .help = "total to allocate, a day; spent whole (needed, but for --sweep and --for-users)"},
    {.name = "at-most",
     .kind = OPTION_FLAG,
     .target = &optimize_options.at_most,
     .help = "spend up to the budget: keep back what would lower the objective"},
    {.name = "objective",
     .kind = OPTION_CHOICE,
     .target = &optimize_options.objective,
     .choices = OBJECTIVES,
     .argument = "NAME",
     .help = "what to maximise",
     .otherwise = "profit"},
    {.name = "weights",
     .kind = OPTION_TEXT,
     .target = &optimize_options.weights,
     .argument = "LIST",
     .help = "of --objective=weighted: roi, revenue, cac; one not named is 0",
     .otherwise = weights_default},
    {.name = "floor",
     .kind = OPTION_NUMBER,
     .target = &optimize_options.floor,
     .low = 1e-6,
     .high = 1,
     .argument = "SHARE",
     .help = "of --objective=weighted: below this share of today's budget (else of the\n"
             "equal split) ROI and 1/CAC count in proportion to spend",
     .otherwise = "0.1"},
    {.name = "limit",
     .kind = OPTION_LIST,
     .target = &optimize_options.limits,
     .argument = "LIMIT",
     .help = "as 'geo=US: spend<=100000', 'roas>=1.5', 'each: cpa<=20',\n"
             "'per ad_network: share<=0.4'; may be given several times"},
    {.name = "limits",
     .kind = OPTION_TEXT,
     .target = &optimize_options.limits_file,
     .argument = "FILE",
     .help = "limits from a table: column limit"},
    {.name = "min-or-nothing",
     .kind = OPTION_FLAG,
     .target = &optimize_options.min_or_nothing,
     .help = "a campaign gets min_budget or more, or nothing"},
    {.name = "hold",
     .kind = OPTION_TEXT,
     .target = &optimize_options.hold,
     .argument = "ID,...",
     .help = "these campaigns keep daily_budget"},
    {.name = "step",
     .kind = OPTION_NUMBER,
     .target = &optimize_options.step,
     .low = 0.01,
     .high = MI_MONEY_LIMIT,
     .argument = "AMOUNT",
     .help = "budgets in multiples of this; what is left over goes to one of them"},
    {.name = "calm",
     .kind = OPTION_NUMBER,
     .target = &optimize_options.calm,
     .low = 0,
     .high = 100,
     .argument = "PERCENT",
     .help = "the smallest change from daily_budget that gets within so much of the best"},
    {.name = "for-users",
     .kind = OPTION_NUMBER,
     .target = &optimize_options.for_users,
     .low = 1e-6,
     .high = MI_MONEY_LIMIT,
     .argument = "N",
     .help = "the least spend that buys N users a day, in place of an objective"},
    {.name = "sweep",
     .kind = OPTION_TEXT,
     .target = &optimize_options.sweep,
     .argument = "FROM:TO:STEPS",
     .help = "what total budgets from FROM to TO would bring, a row each"},
    {.name = "days",
     .kind = OPTION_COUNT,
     .target = &optimize_options.days,
     .low = 1,
     .high = 366,
     .argument = "N",
     .help = "a plan for each of N days ahead, a row a campaign and day; --budget is their mean"},
    {.name = "season",
     .kind = OPTION_TEXT,
     .target = &optimize_options.season,
     .argument = "FILE",
     .help = "of --days: columns day (from 1), factor of users; campaign_id where for one"},
    {.name = "carry-over",
     .kind = OPTION_NUMBER,
     .target = &optimize_options.carry_over,
     .low = 0,
     .high = 0.95,
     .argument = "SHARE",
     .help = "of --days: share of a day's effective spend that counts the next day too\n"
             "(default the column curve_adstock, else 0)"},
    {.name = "pareto",
     .kind = OPTION_COUNT,
     .target = &optimize_options.pareto,
     .low = 1,
     .high = 1000,
     .argument = "N",
     .help = "N points of the front of ROI, revenue and CAC, a row a point and campaign"},
    {.name = "risk",
     .kind = OPTION_TEXT,
     .target = &optimize_options.risk,
     .argument = "MEASURE",
     .help = "over draws of curve_cov and ltv_se: mean, spread:K (mean less K standard\n"
             "deviations) or cvar:SHARE (mean of the worst such share)"},
    {.name = "explore",
     .kind = OPTION_NUMBER,
     .target = &optimize_options.explore,
     .low = 0,
     .high = 1,
     .argument = "SHARE",
     .help = "spend this share where knowing the curve is worth most"},
    {.name = "draws",
     .kind = OPTION_COUNT,
     .target = &optimize_options.draws,
     .low = 10,
     .high = 1e6,
     .argument = "N",
     .help = "of --risk, --explore and of the intervals in --summary",
     .otherwise = "400"},
    {.name = "seed",
     .kind = OPTION_COUNT,
     .target = &optimize_options.seed,
     .low = 0,
     .high = 4294967295.0,
     .argument = "N",
     .help = "of the draws",
     .otherwise = "1"},
    {.name = "solver",
     .kind = OPTION_CHOICE,
     .target = &optimize_options.solver,
     .choices = SOLVERS,
     .argument = "NAME",
     .help = "slsqp: the local solver alone, for comparison",
     .otherwise = "global"},
    {.name = "gap",
     .kind = OPTION_NUMBER,
     .target = &optimize_options.gap,
     .low = 0,
     .high = 100,
     .argument = "PERCENT",
     .help = "end when proved to be within this of the best (default 0.0001;\n"
             "0.01 with steps)"},
    {.name = "time",
     .kind = OPTION_NUMBER,
     .target = &optimize_options.time,
     .low = 0.001,
     .high = 1e6,
     .argument = "SECONDS",
     .help = "end after this with the best found and its gap"},
    {.name = "summary",
     .kind = OPTION_TEXT,
     .target = &optimize_options.summary,
     .argument = "FILE",
     .help = "write the portfolio's totals as JSON, today's against recommended"},
    {.name = "expect",
     .kind = OPTION_TEXT,
     .target = &optimize_options.expect,
     .argument = "FILE",
     .help = "refuse a set of campaigns other than that of FILE (column campaign_id)"},
    COST_OPTIONS,
    {.name = NULL},
};

static const char details[] =
    "Reads campaign_id, predicted_ltv and curve (or, without that column, several\n"
    "rows of a campaign with spend and predicted_cpa); where there: min_budget,\n"
    "max_budget, daily_budget, cost_rate, cost_fixed. Writes one row a campaign:\n"
    "recommended_budget, change_pct, spend, num_users, predicted_cpa, marginal_cpa,\n"
    "revenue, predicted_roas, total_costs, profit, roi, binding.\n"
    "Holds its input in memory and reads it once. Limits that leave no allocation are\n"
    "named, with exit status 1.\n";

/* ---- options ---- */

static bool is_ratio(unsigned objective) {
    return objective == MI_OBJECTIVE_ROI || objective == MI_OBJECTIVE_ROAS;
}

static enum mi_status refuse(const char *text, struct mi_error *error) {
    return mi_error_set(error, MI_BAD_ARGUMENT, "%s", text);
}

static enum mi_status check_options(struct mi_objective_weights *weights, struct mi_error *error) {
    struct optimize_options *o = &optimize_options;
    bool users = !isnan(o->for_users), calm = !isnan(o->calm), explore = !isnan(o->explore);
    enum mi_risk_measure measure;
    double amount;
    if (isnan(o->budget) && !o->sweep && !users)
        return refuse("--budget=AMOUNT is needed", error);
    if (o->sweep && !isnan(o->budget))
        return refuse("--sweep takes the place of --budget", error);
    if ((o->sweep != NULL) + (o->pareto > 0) + users + calm + explore + (o->risk != NULL) > 1)
        return refuse("--sweep, --pareto, --for-users, --calm, --risk and --explore exclude each other",
                      error);
    if (explore &&
        (o->objective != MI_OBJECTIVE_PROFIT || o->limits.count > 0 || o->limits_file || !isnan(o->step)))
        return refuse("--explore is for profit, without --limit and --step", error);
    if (o->risk && (is_ratio(o->objective) || o->objective == MI_OBJECTIVE_WEIGHTED))
        return refuse("--risk is for profit, revenue and users", error);
    if ((explore || o->risk) && o->solver != MI_SOLVER_GLOBAL)
        return refuse("--risk and --explore need the global solver", error);
    if (users && (o->objective != MI_OBJECTIVE_PROFIT || o->solver != MI_SOLVER_GLOBAL))
        return refuse("--for-users has the least spend as its objective, and the global solver", error);
    if (o->pareto > 0 && o->objective != MI_OBJECTIVE_WEIGHTED && o->objective != MI_OBJECTIVE_PROFIT)
        return refuse("--pareto is the front of --objective=weighted", error);
    if (o->pareto > 0 && strcmp(o->weights, weights_default) != 0)
        return refuse("--pareto chooses the weights itself", error);
    if (calm && is_ratio(o->objective))
        return refuse("--calm is for profit, weighted, revenue and users", error);
    if (o->objective != MI_OBJECTIVE_WEIGHTED && strcmp(o->weights, weights_default) != 0)
        return refuse("--weights is for --objective=weighted", error);
    bool limits = o->limits.count > 0 || o->limits_file;
    if (o->days == 0 && (o->season || o->carry_over > 0))
        return refuse("--season and --carry-over are for --days", error);
    if (o->days > 0 && (o->sweep || o->pareto > 0 || users || calm || explore || o->risk || limits ||
                        is_ratio(o->objective) || o->objective == MI_OBJECTIVE_WEIGHTED))
        return refuse(
            "--days is for profit, revenue and users, without --limit, --sweep, --pareto, --for-users, "
            "--calm, --risk and --explore",
            error);
    enum mi_status status = sweep_check(error);
    if (!status)
        status = risk_parse(&measure, &amount, error);
    return status ? status : weights_parse(o->weights, weights, error);
}

/* ---- the problem ---- */

struct mi_text objective_text(const struct plan *plan) {
    const char *name = OBJECTIVES;
    if (plan->problem.objective == MI_OBJECTIVE_LEAST)
        return mi_text_of("least_spend");
    for (unsigned i = 0; i < (unsigned)plan->problem.objective; i++)
        name = strchr(name, '|') + 1;
    return (struct mi_text){name, strcspn(name, "|")};
}

/* The highest spend on a campaign that can help to buy `users`: alone enough, or all but saturated. */
static double spend_enough(const struct campaign *c, double users) {
    double spend = 1;
    while (spend < MI_MONEY_LIMIT && mi_curve_users(&c->curve, spend) < users &&
           !(mi_curve_slope(&c->curve, spend) * spend < 1e-6 * mi_curve_users(&c->curve, spend) &&
             mi_curve_users(&c->curve, spend) > 0))
        spend *= 2;
    return fmin(spend, MI_MONEY_LIMIT);
}

/* --for-users: as much budget as could be needed, where none is given. */
static void set_for_users(struct plan *plan) {
    double sum = 0;
    for (size_t i = 0; i < plan->campaigns.count; i++) {
        struct mi_allocation_campaign *c = &plan->shares[i];
        double enough = spend_enough(&plan->campaigns.items[i], optimize_options.for_users);
        c->max_budget = fmin(c->max_budget, fmax(c->min_budget, enough));
        sum += c->max_budget;
    }
    plan->problem.objective = MI_OBJECTIVE_LEAST;
    plan->problem.at_most = true;
    if (isnan(plan->problem.budget))
        plan->problem.budget = fmin(sum, MI_MONEY_LIMIT);
}

static enum mi_status state_problem(struct plan *plan, const struct mi_objective_weights *weights,
                                    struct mi_error *error) {
    const struct optimize_options *o = &optimize_options;
    size_t count = plan->campaigns.count;
    plan->shares = malloc((count + 1) * sizeof *plan->shares);
    plan->recommended = calloc(count + 1, sizeof *plan->recommended);
    plan->today = calloc(count + 1, sizeof *plan->today);
    plan->problem = (struct mi_allocation_problem){
        .campaigns = plan->shares,
        .count = count,
        .budget = o->budget,
        .at_most = o->at_most,
        .objective = o->pareto > 0 ? MI_OBJECTIVE_WEIGHTED : (enum mi_objective)o->objective,
        .weights = *weights,
        .floor_share = o->floor,
        .step = isnan(o->step) ? 0 : o->step,
        .gap = isnan(o->gap) ? 0 : fmax(o->gap / 100, 1e-15),
        .seconds = isnan(o->time) ? 0 : o->time,
        .solver = (enum mi_solver)o->solver,
    };
    if (!plan->shares || !plan->recommended || !plan->today)
        return no_memory(error);
    for (size_t i = 0; i < count; i++) {
        const struct campaign *c = &plan->campaigns.items[i];
        plan->shares[i] = (struct mi_allocation_campaign){.id = c->id,
                                                          .curve = &c->curve,
                                                          .ltv = c->predicted_ltv,
                                                          .costs = c->costs,
                                                          .min_budget = c->min_budget,
                                                          .max_budget = c->max_budget,
                                                          .today = c->daily_budget,
                                                          .or_nothing = o->min_or_nothing};
    }
    if (!isnan(o->for_users))
        set_for_users(plan);
    return MI_OK;
}

/* ---- the allocation ---- */

/* What spending less than the whole budget would gain: nothing where one more unit of it gains. The best
 * ratio is at next to no spend, which is no advice. */
static enum mi_status compare_at_most(struct plan *plan, struct mi_error *error) {
    enum mi_objective objective = plan->problem.objective;
    if (plan->problem.at_most || plan->allocation.price >= 0 || is_ratio(objective) ||
        !isnan(optimize_options.calm) || optimize_options.risk || !isnan(optimize_options.explore))
        return MI_OK;
    struct mi_allocation_problem problem = plan->problem;
    struct mi_allocation less;
    problem.at_most = true;
    enum mi_status status = mi_allocate(&problem, &less, error);
    if (status)
        return status;
    double gain = less.objective - plan->allocation.objective;
    double kept_back = plan->problem.budget - less.total;
    if (gain > LOSS_RELATIVE * fabs(less.objective) && kept_back >= KEPT_LEAST) {
        plan->gain = gain;
        plan->kept_back = round(kept_back * 100) / 100;
    }
    mi_allocation_clear(&less);
    return MI_OK;
}

/* What a further 1000 of budget would add: the allocation anew with that. Where its room ends there is none.
 */
static void find_next(struct plan *plan) {
    struct mi_allocation_problem problem = plan->problem;
    struct mi_allocation more;
    plan->next = NAN;
    bool asked = optimize_options.summary || common.verbose;
    if (!asked || plan->campaigns.count > NEXT_MOST || problem.objective == MI_OBJECTIVE_LEAST ||
        !isnan(optimize_options.calm) || !isnan(optimize_options.time))
        return;
    problem.budget += NEXT;
    if (mi_allocate(&problem, &more, NULL))
        return;
    plan->next = more.objective - plan->allocation.objective;
    mi_allocation_clear(&more);
}

void plan_outcomes(struct plan *plan) {
    plan->today_known = plan->campaigns.has_daily_budget;
    for (size_t i = 0; i < plan->campaigns.count; i++) {
        const struct campaign *c = &plan->campaigns.items[i];
        plan->recommended[i] =
            mi_outcome_at(&c->curve, c->predicted_ltv, &c->costs, plan->allocation.spend[i]);
        plan->today[i] = mi_outcome_at(&c->curve, c->predicted_ltv, &c->costs, c->daily_budget);
        plan->today_known &= !isnan(c->daily_budget);
    }
}

static enum mi_status allocate(struct plan *plan, struct mi_error *error) {
    bool calm = !isnan(optimize_options.calm);
    bool uncertain = optimize_options.risk || !isnan(optimize_options.explore);
    enum mi_status status =
        uncertain ? plan_allocate_uncertain(plan, error)
        : calm    ? mi_allocate_calm(&plan->problem, optimize_options.calm / 100, &plan->allocation, error)
                  : mi_allocate(&plan->problem, &plan->allocation, error);
    if (!status)
        status = compare_at_most(plan, error);
    if (status)
        return status;
    if (!uncertain)
        find_next(plan);
    plan_outcomes(plan);
    return plan_compare(plan, error);
}

/* ---- what is said beside the rows ---- */

static void say_beyond_support(const struct plan *plan) {
    struct names names = {0};
    for (size_t i = 0; i < plan->campaigns.count; i++)
        if (plan->allocation.spend[i] > plan->campaigns.items[i].spend_supported * (1 + BEYOND_SUPPORT))
            names_add(&names, plan->campaigns.items[i].id);
    if (names.count > 0)
        note("%zu of %zu campaigns get more than their data support: %s", names.count, plan->campaigns.count,
             names_finish(&names));
}

static void say_certificate(const struct plan *plan) {
    const struct mi_allocation *allocation = &plan->allocation;
    bool least = plan->problem.objective == MI_OBJECTIVE_LEAST;
    struct mi_text objective = objective_text(plan);
    if (isnan(allocation->upper_bound))
        return;
    if (least)
        detail("spend %.10g, no allocation needs less than %.10g: gap %.6f %%", -allocation->objective,
               -allocation->upper_bound, mi_allocation_gap(allocation) * 100);
    else
        detail("objective %.10g, no allocation has more than %.10g: gap %.6f %%", allocation->objective,
               allocation->upper_bound, mi_allocation_gap(allocation) * 100);
    if (!isnan(plan->next))
        detail("the next %d of budget would earn %.6g %.*s", NEXT, plan->next, (int)objective.size,
               objective.data);
    if (plan->comparison.made)
        detail("profit %.6g, 80 %% within %.6g to %.6g; better than today's budgets in %.1f %% of the draws",
               plan->comparison.after.mean, plan->comparison.after.quantile[0],
               plan->comparison.after.quantile[2], plan->comparison.better * 100);
    for (size_t l = 0; l < plan->limit_count; l++)
        if (allocation->limits[l].binds)
            detail("limit '%s' binds at %.10g; relaxed by 1 it would earn %.6g at the margin",
                   plan->limits[l].name.data, allocation->limits[l].reached, allocation->limits[l].price);
}

static void say_findings(const struct plan *plan) {
    struct mi_text objective = objective_text(plan);
    say_beyond_support(plan);
    if (plan->kept_back > 0)
        note("the budget cannot be spent whole without loss: --at-most would keep back %.2f and gain %.6g "
             "%.*s",
             plan->kept_back, plan->gain, (int)objective.size, objective.data);
    say_certificate(plan);
}

/* ---- run ---- */

static enum mi_status optimize(struct plan *plan, struct stream *stream, struct mi_error *error) {
    struct mi_objective_weights weights;
    enum mi_status status = check_options(&weights, error);
    if (!status)
        status = campaigns_read(&plan->campaigns, stream, error);
    if (!status)
        status = expect_check(&plan->campaigns, optimize_options.expect, error);
    if (!status)
        status = state_problem(plan, &weights, error);
    if (!status && plan->campaigns.count > 0)
        status = limits_read(plan, stream, error);
    if (status)
        return status;
    if (optimize_options.sweep)
        return sweep_run(plan, stream, error);
    if (optimize_options.days > 0)
        return days_run(plan, stream, error);
    if (optimize_options.pareto > 0)
        return pareto_run(plan, stream, error);
    if (plan->campaigns.count > 0)
        status = allocate(plan, error);
    if (status)
        return status;
    if (plan->campaigns.count > 0)
        say_findings(plan);
    status = rows_write(plan, stream, error);
    return status ? status : summary_write(plan, error);
}

static enum mi_status run(struct mi_error *error) {
    struct plan plan = {.allocation = {.upper_bound = NAN}, .next = NAN};
    struct stream stream = {0};
    enum mi_status status = optimize(&plan, &stream, error);
    status = stream_close(&stream, status, error);
    mi_allocation_clear(&plan.allocation);
    mi_exploration_clear(&plan.exploration);
    limits_drop(&plan);
    free(plan.shares);
    free(plan.recommended);
    free(plan.today);
    campaigns_free(&plan.campaigns);
    return status;
}

static const struct command commands[] = {
    {.name = "allocate",
     .purpose = "allocate a total budget over campaigns",
     .input = "[FILE]",
     .details = details,
     .example = "mi-optimize --budget=20000 -o allocation.csv campaigns.csv",
     .options = option_table,
     .run = run},
    {.name = NULL},
};

int main(int argc, char **argv) {
    static const struct program program = {
        .name = "mi-optimize", .purpose = "allocate a total budget over campaigns", .commands = commands};
    return program_main(&program, argc, argv);
}
