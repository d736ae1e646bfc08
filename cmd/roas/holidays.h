/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Dates of holidays, past and to come.
 */
#ifndef ROAS_HOLIDAYS_H
#define ROAS_HOLIDAYS_H

#include "common/program.h"

struct holidays {
    struct mi_holiday *items;
    size_t count;
};

/* Reads the table: `date`, and where there `holiday`, which tells holidays apart; without it, or where it is
 * empty, the same day of the month is the same holiday. Zero-initialise before; holidays_free() in any case.
 */
enum mi_status holidays_read(struct holidays *holidays, const char *path, struct mi_error *error);
void holidays_free(struct holidays *holidays);

#endif
