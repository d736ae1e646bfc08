/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The columns that campaigns are pooled by: of the days, or of a table of attributes by campaign_id.
 */
#ifndef CPA_GROUPS_H
#define CPA_GROUPS_H

#include "common/program.h"

#define GROUPS_MOST 8 /* columns to pool by */

/* Of fit and price: which groups there are, and what two rows of a day are. */
struct groups_options {
    const char *pool_by, *attributes;
    unsigned duplicates;
};
extern struct groups_options groups_options;
enum { DUPLICATES_ERROR, DUPLICATES_SUM };

#define POOL_BY_OPTION                                                                                       \
    {                                                                                                        \
        .name = "pool-by", .kind = OPTION_TEXT, .target = &groups_options.pool_by, .argument = "LIST",       \
        .help = "columns, from the widest group to the narrowest, within which campaigns are\n"              \
                "more alike (default ad_network,geo,targeting_strategy,creative_format,\n"                   \
                "those that are there)"                                                                      \
    }
#define ATTRIBUTES_OPTION                                                                                    \
    {                                                                                                        \
        .name = "attributes", .kind = OPTION_TEXT, .target = &groups_options.attributes, .argument = "FILE", \
        .help = "table by campaign_id with columns for --pool-by that the days lack"                         \
    }
#define DUPLICATES_OPTION                                                                                    \
    {                                                                                                        \
        .name = "duplicates", .kind = OPTION_CHOICE, .target = &groups_options.duplicates,                   \
        .choices = "error|sum", .argument = "WHAT",                                                          \
        .help = "two rows of a campaign and date are an error, or are added up", .otherwise = "error"        \
    }

/* Those that are taken where they are there. */
extern const char usual_groups[];

struct groups {
    struct {
        size_t in_stream, in_attributes; /* one of them */
    } columns[GROUPS_MOST];
    char *names[GROUPS_MOST];
    size_t count;
    const char *path;             /* of the attributes, NULL: none */
    struct mi_reader *attributes; /* NULL: none */
    struct mi_batch *batch;
    struct mi_index *ids;
    size_t rows_without; /* rows whose campaign the attributes do not have */
};

/* Finds the columns that the options name, else the usual ones. */
enum mi_status groups_open(struct groups *groups, struct mi_reader *days, struct mi_error *error);
/* What a row of the days says; *known: false where the attributes do not have its campaign. */
enum mi_status groups_row(struct groups *groups, const struct mi_batch *batch, size_t row, struct mi_text id,
                          struct mi_text texts[GROUPS_MOST], bool *known, struct mi_error *error);
/* Says how many rows the attributes did not have. */
void groups_say(const struct groups *groups);
void groups_free(struct groups *groups);

#endif
