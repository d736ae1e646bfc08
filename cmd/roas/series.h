/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Daily rows as series: read whole, told apart by columns, one value a day, all ending on one day.
 */
#ifndef ROAS_SERIES_H
#define ROAS_SERIES_H

#include "common/program.h"

#define SERIES_DAYS_MOST 1100 /* days before the last that are kept: no forecast looks further back */
#define BY_MOST          8    /* columns that tell series apart */

struct series_options {
    const char *by;    /* columns by commas; NULL: campaign_id where it is there */
    const char *as_of; /* last day that counts; NULL: the newest date */
    unsigned gaps;     /* GAPS_... */
    unsigned duplicates;
};
enum { GAPS_UNKNOWN, GAPS_ZERO };
enum { DUPLICATES_ERROR, DUPLICATES_SUM };

/* A measure that is read: a column, and what may be in it. */
struct measure {
    const char *column;
    unsigned rules;
};

struct one_series {
    size_t row;      /* of the input: what it is called stands there */
    size_t days;     /* from the first row to the last day of all */
    double **values; /* per measure, by day; NaN: not known */
    size_t known;    /* days with a first measure */
    int32_t last;    /* its own last date */
};

struct series_set {
    struct mi_reader *reader;
    const struct mi_batch *batch;
    size_t by[BY_MOST], by_count;
    struct mi_index *names;
    struct one_series *items;
    size_t count, measures;
    int32_t end; /* the last day of all */
};

/* Reads the stream's input whole. Zero-initialise before; series_free() in any case. */
enum mi_status series_read(struct series_set *set, struct stream *stream,
                           const struct series_options *options, const struct measure *measures,
                           size_t measure_count, struct mi_error *error);
void series_free(struct series_set *set);

/* Opens the output; of the columns read those pass that tell series apart. */
enum mi_status series_output(const struct series_set *set, struct stream *stream, struct mi_error *error);

/* The series that a row of another table names by the columns `by` of that table; SIZE_MAX: none. */
enum mi_status series_find(const struct series_set *set, const struct mi_batch *batch, size_t row,
                           const size_t *by, size_t *number, struct mi_error *error);

#endif
