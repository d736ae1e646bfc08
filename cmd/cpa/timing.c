/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-cpa fit: days that are not complete yet, and spend that works on later days.
 */
#include "cpa/timing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ESTIMATE        "estimate"
#define NEXT            "next"
#define GROUPS_OF_DELAY 64 /* most that have a delay of their own */

static bool estimates(const char *option) {
    return option && strcmp(option, ESTIMATE) == 0;
}

/* Columns conversions_d0, conversions_d1, ... as far as they go. */
static enum mi_status find_ages(struct timing *timing, struct mi_reader *reader, struct mi_error *error) {
    enum mi_status status = MI_OK;
    while (timing->count < MI_CURVE_DELAY_AGES && !status) {
        char name[32];
        snprintf(name, sizeof name, "conversions_d%zu", timing->count);
        if (!mi_reader_has(reader, name))
            break;
        status = mi_reader_column(reader, name, true, &timing->columns[timing->count++], error);
    }
    if (!status && timing->count < 2)
        return mi_error_set(
            error, MI_BAD_INPUT,
            "--delay=estimate needs columns conversions_d0, conversions_d1, ...: what was known "
            "of a day's conversions on the day, a day later, ...");
    timing->ages = calloc(1 + GROUPS_OF_DELAY, sizeof *timing->ages);
    if (!status && !timing->ages)
        status = no_memory(error);
    return status ? status : mi_index_new(&timing->groups, error);
}

/* What was known by age goes to all, and to the group. */
static enum mi_status add_ages(struct timing *timing, const struct mi_text *group, const double *known,
                               struct mi_error *error) {
    size_t number = SIZE_MAX;
    enum mi_status status = MI_OK;
    if (group && mi_index_size(timing->groups) < GROUPS_OF_DELAY)
        status = mi_index_add(timing->groups, *group, &number, NULL, error);
    else if (group)
        number = mi_index_find(timing->groups, *group);
    mi_curve_delay_add(&timing->ages[0], known, timing->count);
    if (!status && number != SIZE_MAX)
        mi_curve_delay_add(&timing->ages[1 + number], known, timing->count);
    return status;
}

enum mi_status timing_open(struct timing *timing, struct mi_reader *reader, struct mi_error *error) {
    timing->date = timing->newest = timing->target = MI_DATE_MISSING;
    if (timing->as_of && !mi_date_parse(mi_text_of(timing->as_of), &timing->date))
        return mi_error_set(error, MI_BAD_ARGUMENT, "option --as-of: not a date: \"%s\" (as 2026-11-24)",
                            timing->as_of);
    if (timing->for_day && strcmp(timing->for_day, NEXT) != 0 &&
        !mi_date_parse(mi_text_of(timing->for_day), &timing->target))
        return mi_error_set(error, MI_BAD_ARGUMENT,
                            "option --for: a date (as 2026-11-24) or " NEXT ": \"%s\"", timing->for_day);
    if ((timing->as_of || timing->for_day || timing->delay || timing->adstock) &&
        !mi_reader_has(reader, "date"))
        return mi_error_set(error, MI_BAD_INPUT, "--as-of, --for, --delay and --adstock need a column date");
    return estimates(timing->delay) ? find_ages(timing, reader, error) : MI_OK;
}

enum mi_status timing_row(struct timing *timing, const struct mi_batch *batch, size_t row, int32_t date,
                          const struct mi_text *group, double *users, bool *use, struct mi_error *error) {
    *use = timing->date == MI_DATE_MISSING || date <= timing->date;
    timing->later += !*use;
    timing->newest = date > timing->newest ? date : timing->newest;
    if (!timing->ages || !*use)
        return MI_OK;
    double known[MI_CURVE_DELAY_AGES];
    int64_t old = timing->date != MI_DATE_MISSING ? (int64_t)timing->date - date : INT64_MAX;
    for (size_t age = 0; age < timing->count; age++) {
        enum mi_status status =
            mi_batch_number(batch, row, timing->columns[age], MI_MONEY, &known[age], error);
        if (status)
            return status;
        if (old < (int64_t)age)
            known[age] = NAN; /* was not known then */
        else if (old != INT64_MAX && !isnan(known[age]))
            *users = known[age]; /* and no more than this was */
    }
    return add_ages(timing, group, known, error);
}

/* A table age,share: ages 0, 1, ... in order. */
static enum mi_status read_shares(const char *path, double *shares, size_t *count, struct mi_error *error) {
    struct mi_reader *reader = NULL;
    struct mi_batch *batch;
    size_t age_column, share_column;
    enum mi_status status = table_open(path, &reader, &batch, error);
    if (!status)
        status = mi_reader_column(reader, "age", true, &age_column, error);
    if (!status)
        status = mi_reader_column(reader, "share", true, &share_column, error);
    *count = 0;
    for (size_t row = 0; !status && row < mi_batch_rows(batch); row++) {
        double age;
        status = mi_batch_number(batch, row, age_column, MI_FILLED, &age, error);
        if (!status && (age != (double)*count || *count == MI_CURVE_DELAY_AGES))
            status = mi_batch_fault(batch, row, age_column, error, "ages are 0, 1, 2, ... up to %d, in order",
                                    MI_CURVE_DELAY_AGES - 1);
        if (!status)
            status = mi_batch_number(batch, row, share_column, MI_FILLED, &shares[*count], error);
        if (!status && (!(shares[*count] >= 0 && shares[*count] <= 1) ||
                        (*count > 0 && shares[*count] < shares[*count - 1])))
            status = mi_batch_fault(batch, row, share_column, error,
                                    "shares of what is known by an age rise from 0 to at most 1");
        ++*count;
    }
    mi_reader_close(reader);
    return status;
}

static void say_shares(const char *whose, const double *shares, size_t count) {
    char text[200];
    size_t used = 0;
    for (size_t age = 0; age < count && age < 8; age++)
        used += (size_t)snprintf(text + used, sizeof text - used, " %.2f", shares[age]);
    note("share of a day's conversions that are known by age in days, estimated%s:%s%s", whose, text,
         count > 8 ? " ..." : "");
}

/* The shares of each group, where there are several. */
static enum mi_status apply_groups(struct timing *timing, struct mi_curve_fit *fit, struct mi_error *error) {
    double shares[MI_CURVE_DELAY_AGES];
    enum mi_status status = MI_OK;
    size_t count = timing->groups ? mi_index_size(timing->groups) : 0;
    for (size_t i = 0; i < count && count > 1 && !status; i++) {
        struct mi_text group = mi_index_text(timing->groups, i);
        char whose[100];
        status = mi_curve_delay_shares_of_part(&timing->ages[1 + i], &timing->ages[0], shares, error);
        if (!status)
            status = mi_curve_fit_group_delay(fit, group, shares, timing->count, error);
        snprintf(whose, sizeof whose, ", of '%.*s'", group.size > 80 ? 80 : (int)group.size, group.data);
        if (!status && common.verbose)
            say_shares(whose, shares, timing->count);
    }
    return status;
}

static enum mi_status apply_delay(struct timing *timing, struct mi_curve_fit *fit, struct mi_error *error) {
    double shares[MI_CURVE_DELAY_AGES];
    size_t count = timing->count;
    enum mi_status status = timing->ages ? mi_curve_delay_shares(timing->ages, shares, error)
                                         : read_shares(timing->delay, shares, &count, error);
    if (!status && timing->ages)
        say_shares("", shares, count);
    /* Conversions are those known at the end of the file, or with columns by age those known on the date. */
    int32_t seen = timing->ages && timing->date != MI_DATE_MISSING ? timing->date
                   : timing->newest > timing->date                 ? timing->newest
                                                                   : timing->date;
    if (!status)
        status = mi_curve_fit_delay(fit, seen, shares, count, error);
    return status ? status : apply_groups(timing, fit, error);
}

enum mi_status timing_apply(struct timing *timing, struct mi_curve_fit *fit, struct mi_error *error) {
    enum mi_status status = timing->delay ? apply_delay(timing, fit, error) : MI_OK;
    if (timing->later > 0)
        note("after --as-of=%s, left out: %zu row%s", timing->as_of, timing->later,
             timing->later == 1 ? "" : "s");
    if (timing->for_day && timing->target == MI_DATE_MISSING && timing->newest != MI_DATE_MISSING)
        timing->target = (timing->date == MI_DATE_MISSING ? timing->newest : timing->date) + 1;
    mi_curve_fit_for(fit, timing->target);
    double rate = NAN;
    if (status || !timing->adstock)
        return status;
    if (!estimates(timing->adstock) &&
        (!mi_number_parse(mi_text_of(timing->adstock), &rate) || !(rate >= 0 && rate < 1)))
        return mi_error_set(error, MI_BAD_ARGUMENT,
                            "option --adstock: a rate of 0 to below 1, or " ESTIMATE ": \"%s\"",
                            timing->adstock);
    return mi_curve_fit_adstock(fit, rate, error);
}

void timing_free(struct timing *timing) {
    free(timing->ages);
    mi_index_free(timing->groups);
}
