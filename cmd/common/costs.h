/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a campaign costs beside its spend: the rates (options, a rules file, the defaults) and the columns
 * that say what applies to a campaign (SPEC 1.4).
 */
#ifndef COSTS_H
#define COSTS_H

#include "common/program.h"

struct cost_options {
    const char *file;
    double attribution_platform, agency, infrastructure, team, creative_lifetime_days; /* NaN: not given */
};
extern struct cost_options cost_options;

#define COST_TEXT_OF(number) #number
#define COST_TEXT(number)    COST_TEXT_OF(number)

#define COST_RATE_OPTION(option, field, text, standard)                                                      \
    {                                                                                                        \
        .name = option, .kind = OPTION_NUMBER, .target = &cost_options.field, .high = 100,                   \
        .argument = "RATE", .help = text " (default " COST_TEXT(standard) ")"                                \
    }

/* The options of a tool that computes costs. */
#define COST_OPTIONS                                                                                         \
    {.name = "costs",                                                                                        \
     .kind = OPTION_TEXT,                                                                                    \
     .target = &cost_options.file,                                                                           \
     .argument = "FILE",                                                                                     \
     .help = "the rates below from a table: columns cost, rate; an option goes before"},                     \
        COST_RATE_OPTION("attribution-rate", attribution_platform,                                           \
                         "attribution platform, per unit of spend", MI_COST_ATTRIBUTION_PLATFORM),           \
        COST_RATE_OPTION("agency-rate", agency, "agency, where the campaign has one", MI_COST_AGENCY),       \
        COST_RATE_OPTION("infrastructure-rate", infrastructure, "infrastructure", MI_COST_INFRASTRUCTURE),   \
        COST_RATE_OPTION("team-rate", team, "team", MI_COST_TEAM), {                                         \
        .name = "creative-days", .kind = OPTION_NUMBER, .target = &cost_options.creative_lifetime_days,      \
        .low = 0.001, .high = 1e6, .argument = "DAYS",                                                       \
        .help = "life of a creative where the campaign does not say (default " COST_TEXT(                    \
            MI_COST_CREATIVE_LIFETIME_DAYS) ")"                                                              \
    }

/* What a campaign's own columns say. */
struct cost_facts {
    bool has_agency;
    double creative_cost, lifetime_days;
};

struct cost_columns {
    struct mi_cost_rates rates;
    bool rates_given; /* by an option or a file */
    size_t has_agency, creative_cost, lifetime, rate, fixed;
};

/* Finds the columns and the rates; says once what an absent column is taken for. */
enum mi_status cost_columns_open(struct cost_columns *columns, struct mi_reader *reader,
                                 struct mi_error *error);
enum mi_status cost_columns_facts(const struct cost_columns *columns, const struct mi_batch *batch,
                                  size_t row, struct cost_facts *facts, struct mi_error *error);
/* The row's costs: cost_rate and cost_fixed as they came, else by the rates. Rates that were given and
 * contradict the stream's are an error. */
enum mi_status cost_columns_row(const struct cost_columns *columns, const struct mi_batch *batch, size_t row,
                                struct mi_campaign_costs *costs, struct mi_error *error);

#endif
