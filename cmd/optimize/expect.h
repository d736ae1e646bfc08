/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * --expect: the set of campaigns that must have come; and a few names for a message.
 */
#ifndef OPTIMIZE_EXPECT_H
#define OPTIMIZE_EXPECT_H

#include "common/campaigns.h"

/* A few names for a message: "'a', 'b' and 3 more". */
struct names {
    char text[256];
    size_t used, count, shown;
};

void names_add(struct names *names, struct mi_text name);
const char *names_finish(struct names *names);

/* MI_BAD_INPUT where the campaigns are not those of column campaign_id of the file; path NULL: any are. */
enum mi_status expect_check(const struct campaigns *campaigns, const char *path, struct mi_error *error);

#endif
