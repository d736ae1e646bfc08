/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-roas cohort: revenue of cohorts by age, to what they will have brought at other ages.
 */
#include "roas/cohort.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MOST 8
#define TARGETS_MOST 16

static struct cohort_options {
    const char *value, *users, *cost, *by, *group, *horizons, *as_of;
    unsigned duplicates;
    double level;
    bool all;
} options;

enum { DUPLICATES_ERROR, DUPLICATES_SUM };

const struct option_spec cohort_table[] = {
    {.name = "value",
     .kind = OPTION_TEXT,
     .target = &options.value,
     .argument = "COLUMN",
     .help = "revenue of a cohort on a day of its age",
     .otherwise = "revenue"},
    {.name = "users",
     .kind = OPTION_TEXT,
     .target = &options.users,
     .argument = "COLUMN",
     .help = "users of the cohort (else cohorts of a source are taken as alike in size)"},
    {.name = "cost",
     .kind = OPTION_TEXT,
     .target = &options.cost,
     .argument = "COLUMN",
     .help = "what the cohort cost: adds ROAS and the payback day"},
    {.name = "by",
     .kind = OPTION_TEXT,
     .target = &options.by,
     .argument = "COLUMN,...",
     .help = "columns that make a source (else campaign_id, where it is there)"},
    {.name = "group",
     .kind = OPTION_TEXT,
     .target = &options.group,
     .argument = "COLUMN,...",
     .help = "columns within which sources are alike, widest first (else those there of\n"
             "ad_network, geo)"},
    {.name = "horizons",
     .kind = OPTION_TEXT,
     .target = &options.horizons,
     .argument = "DAYS,...",
     .help = "ages, rising, 1 to 730",
     .otherwise = "30,90,180"},
    {.name = "as-of",
     .kind = OPTION_TEXT,
     .target = &options.as_of,
     .argument = "DATE",
     .help = "last day that is whole (else the newest day of the input)"},
    {.name = "duplicates",
     .kind = OPTION_CHOICE,
     .target = &options.duplicates,
     .choices = "error|sum",
     .argument = "WHAT",
     .help = "what two rows of a cohort and age are",
     .otherwise = "error"},
    {.name = "level",
     .kind = OPTION_NUMBER,
     .target = &options.level,
     .low = 0.5,
     .high = 0.99,
     .argument = "SHARE",
     .help = "probability that an interval covers",
     .otherwise = "0.8"},
    {.name = "all",
     .kind = OPTION_FLAG,
     .target = &options.all,
     .help = "also cohorts that are as old as the last horizon"},
    {.name = NULL},
};

const char cohort_details[] =
    "Reads install_date, age (days; else date), the columns of --value, --users and\n"
    "--cost, and those of --by and --group. A cohort is a source's users of one\n"
    "install_date; an age without a row brought nothing. Writes one row a cohort and\n"
    "horizon: age (of which it is now), horizon, forecast_VALUE and VALUE_lo, VALUE_hi\n"
    "cumulated from day 0 to that age, with --cost forecast_roas, roas_lo, roas_hi,\n"
    "payback_day, payback_lo, payback_hi, then method (observed, ladder, curve).\n"
    "Holds its input in memory and reads it once.\n";

/* ---- reading ---- */

/* What one row says. */
struct day {
    size_t cohort, row;
    int64_t age;
    double value, users, cost;
};

struct source_cohort {
    size_t row, group;
    int32_t install;
    double users, cost;
    size_t age;
    double *revenue;
};

struct cohorts {
    struct stream stream;
    const struct mi_batch *batch;
    size_t install, age, date, value, users, cost;
    size_t by[COLUMNS_MOST], by_count, group[COLUMNS_MOST], group_count;
    struct mi_index *names, *groups;
    size_t *parent;
    struct day *days;
    size_t day_count, capacity;
    struct source_cohort *items;
    size_t count;
    int32_t end;
    size_t targets[TARGETS_MOST], target_count, later;
    struct mi_cohorts *learnt;
};

/* Columns by commas; a list that was not given: those of `usual` that are there. */
static enum mi_status find_list(struct mi_reader *reader, const char *option, const char *given,
                                const char *usual, size_t *columns, size_t *count, struct mi_error *error) {
    char *names = mi_text_copy(mi_text_of(given ? given : usual)), *rest = NULL;
    enum mi_status status = names ? MI_OK : no_memory(error);
    for (char *name = names ? strtok_r(names, ",", &rest) : NULL; name && !status;
         name = strtok_r(NULL, ",", &rest)) {
        if (*count == COLUMNS_MOST)
            status =
                mi_error_set(error, MI_BAD_ARGUMENT, "option --%s: %d columns at most", option, COLUMNS_MOST);
        else
            status = mi_reader_column(reader, name, given != NULL, &columns[*count], error);
        *count += !status && columns[*count] != MI_NO_COLUMN ? 1 : 0;
    }
    free(names);
    return status;
}

static enum mi_status find_column(struct mi_reader *reader, const char *name, size_t *column,
                                  struct mi_error *error) {
    *column = MI_NO_COLUMN;
    return name ? mi_reader_column(reader, name, true, column, error) : MI_OK;
}

static enum mi_status find_columns(struct cohorts *c, struct mi_error *error) {
    struct mi_reader *reader = c->stream.reader;
    enum mi_status status = mi_reader_column(reader, "install_date", true, &c->install, error);
    if (!status)
        status = mi_reader_column(reader, "age", false, &c->age, error);
    c->date = MI_NO_COLUMN;
    if (!status && c->age == MI_NO_COLUMN)
        status = mi_reader_column(reader, "date", true, &c->date, error);
    if (!status)
        status = find_column(reader, options.value, &c->value, error);
    if (!status)
        status = find_column(reader, options.users, &c->users, error);
    if (!status)
        status = find_column(reader, options.cost, &c->cost, error);
    if (!status)
        status = find_list(reader, "by", options.by, "campaign_id", c->by, &c->by_count, error);
    return status ? status
                  : find_list(reader, "group", options.group, "ad_network,geo", c->group, &c->group_count,
                              error);
}

/* A text of the columns' texts so far, `before` it; malloc'ed. */
static enum mi_status append_text(const struct mi_batch *batch, size_t row, size_t column, char **text,
                                  size_t *size, struct mi_error *error) {
    struct mi_text part;
    enum mi_status status = mi_batch_id(batch, row, column, &part, error);
    char *grown = status ? NULL : realloc(*text, *size + part.size + 2);
    if (!grown)
        return status ? status : no_memory(error);
    *text = grown;
    memcpy(grown + *size, part.data, part.size);
    *size += part.size;
    grown[(*size)++] = '\x1f';
    return MI_OK;
}

/* The number of the cohort of a row: its source and install date. */
static enum mi_status name_cohort(struct cohorts *c, size_t row, int32_t install, size_t *number,
                                  struct mi_error *error) {
    char *text = NULL, date[11];
    size_t size = 0;
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < c->by_count && !status; i++)
        status = append_text(c->batch, row, c->by[i], &text, &size, error);
    char *grown = status ? NULL : realloc(text, size + sizeof date);
    if (!grown) {
        free(text);
        return status ? status : no_memory(error);
    }
    mi_date_format(install, date);
    memcpy(grown + size, date, sizeof date);
    status = mi_index_add(c->names, (struct mi_text){grown, size + sizeof date}, number, NULL, error);
    free(grown);
    return status;
}

static enum mi_status read_age(struct cohorts *c, size_t row, int32_t install, int64_t *age,
                               struct mi_error *error) {
    double number;
    int32_t date;
    if (c->age == MI_NO_COLUMN) {
        enum mi_status status = mi_batch_date(c->batch, row, c->date, MI_FILLED, &date, error);
        *age = status ? 0 : (int64_t)date - install;
        return status      ? status
               : *age >= 0 ? MI_OK
                           : mi_batch_fault(c->batch, row, c->date, error, "before install_date");
    }
    enum mi_status status = mi_batch_number(c->batch, row, c->age, MI_FILLED | MI_MONEY, &number, error);
    if (status)
        return status;
    if (number != floor(number) || number > 100000)
        return mi_batch_fault(c->batch, row, c->age, error, "not a number of whole days: %.15g", number);
    *age = (int64_t)number;
    return MI_OK;
}

static enum mi_status read_row(struct cohorts *c, size_t row, struct mi_error *error) {
    int32_t install;
    struct day *days = mi_array_room(c->days, c->day_count, &c->capacity, sizeof *days);
    if (!days)
        return no_memory(error);
    c->days = days;
    struct day *day = &c->days[c->day_count];
    *day = (struct day){.row = row};
    enum mi_status status = mi_batch_date(c->batch, row, c->install, MI_FILLED, &install, error);
    if (!status)
        status = read_age(c, row, install, &day->age, error);
    if (!status)
        status =
            mi_batch_number(c->batch, row, c->value, MI_MONEY | MI_SIGNED | MI_FILLED, &day->value, error);
    if (!status)
        status = mi_batch_number(c->batch, row, c->users, MI_MONEY, &day->users, error);
    if (!status)
        status = mi_batch_number(c->batch, row, c->cost, MI_MONEY, &day->cost, error);
    if (!status)
        status = name_cohort(c, row, install, &day->cohort, error);
    if (status)
        return status;
    if ((int64_t)install + day->age > c->end && !options.as_of)
        c->end = (int32_t)(install + day->age);
    c->day_count++;
    return MI_OK;
}

static enum mi_status read_rows(struct cohorts *c, struct mi_error *error) {
    struct mi_batch *batch;
    enum mi_status status = mi_reader_next(c->stream.reader, &batch, error);
    if (status)
        return status == MI_END ? MI_OK : status;
    c->batch = batch;
    for (size_t row = 0; row < mi_batch_rows(batch) && !status; row++) {
        status = read_row(c, row, error);
        if (status)
            status = mi_reader_reject(c->stream.reader, batch, row, error);
    }
    return status;
}

/* ---- cohorts ---- */

static int compare_days(const void *a, const void *b) {
    const struct day *x = a, *y = b;
    if (x->cohort != y->cohort)
        return x->cohort < y->cohort ? -1 : 1;
    if (x->age != y->age)
        return x->age < y->age ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The group of a row, made with all around it: all, then one for each column, then the source. */
static enum mi_status find_group(struct cohorts *c, size_t row, size_t *group, struct mi_error *error) {
    char *text = NULL;
    size_t size = 0;
    enum mi_status status = MI_OK;
    *group = 0;
    for (size_t i = 0; i < c->group_count + c->by_count && !status; i++) {
        size_t around = *group;
        bool added;
        status = append_text(c->batch, row, i < c->group_count ? c->group[i] : c->by[i - c->group_count],
                             &text, &size, error);
        if (status || (i >= c->group_count && i + 1 < c->group_count + c->by_count))
            continue; /* the columns of the source make one group together */
        status = mi_index_add(c->groups, (struct mi_text){text, size}, group, &added, error);
        if (!status && added)
            c->parent[*group] = around;
    }
    free(text);
    return status;
}

/* A fact of the cohort that stands in each of its rows. */
static enum mi_status set_fact(struct cohorts *c, const struct day *day, size_t column, double value,
                               double *fact, struct mi_error *error) {
    if (isnan(value) || value == *fact)
        return MI_OK;
    if (!isnan(*fact))
        return mi_batch_fault(c->batch, day->row, column, error, "differs from an earlier row of the cohort");
    *fact = value;
    return MI_OK;
}

static enum mi_status second_row(struct cohorts *c, const struct day *first, const struct day *second,
                                 struct mi_error *error) {
    mi_batch_fault(c->batch, second->row, c->age == MI_NO_COLUMN ? c->date : c->age, error,
                   "age %lld of the cohort stands twice, first in line %llu (--duplicates=sum adds them up)",
                   (long long)second->age, (unsigned long long)mi_batch_line(c->batch, first->row));
    return mi_reader_reject(c->stream.reader, c->batch, second->row, error);
}

static enum mi_status fill(struct cohorts *c, struct source_cohort *cohort, const struct day *days,
                           size_t count, struct mi_error *error) {
    enum mi_status status =
        mi_batch_date(c->batch, days[0].row, c->install, MI_FILLED, &cohort->install, error);
    if (status || cohort->install > c->end) {
        c->later += count;
        return status;
    }
    int32_t age = c->end - cohort->install;
    cohort->age = age < MI_COHORT_AGE_MOST ? (size_t)age : MI_COHORT_AGE_MOST;
    cohort->revenue = calloc(cohort->age + 1, sizeof *cohort->revenue);
    if (!cohort->revenue)
        return no_memory(error);
    for (size_t i = 0; i < count && !status; i++) {
        cohort->row = days[i].row < cohort->row ? days[i].row : cohort->row;
        status = set_fact(c, &days[i], c->users, days[i].users, &cohort->users, error);
        if (!status)
            status = set_fact(c, &days[i], c->cost, days[i].cost, &cohort->cost, error);
        if (!status && i > 0 && days[i].age == days[i - 1].age && options.duplicates == DUPLICATES_ERROR) {
            status = second_row(c, &days[i - 1], &days[i], error);
            continue;
        }
        if (days[i].age > age)
            c->later++;
        else if (days[i].age <= (int64_t)cohort->age)
            cohort->revenue[days[i].age] += days[i].value;
    }
    return status ? status : find_group(c, cohort->row, &cohort->group, error);
}

static enum mi_status make_cohorts(struct cohorts *c, struct mi_error *error) {
    enum mi_status status = MI_OK;
    c->count = mi_index_size(c->names);
    c->items = calloc(c->count + 1, sizeof *c->items);
    c->parent = calloc(c->count * (COLUMNS_MOST + 1) + 2, sizeof *c->parent);
    if (!c->items || !c->parent)
        return no_memory(error);
    size_t all;
    status = mi_index_add(c->groups, mi_text_of(""), &all, NULL, error); /* number 0 */
    if (c->day_count > 0)
        qsort(c->days, c->day_count, sizeof *c->days, compare_days);
    for (size_t from = 0, to; from < c->day_count && !status; from = to) {
        for (to = from; to < c->day_count && c->days[to].cohort == c->days[from].cohort;)
            to++;
        struct source_cohort *cohort = &c->items[c->days[from].cohort];
        *cohort = (struct source_cohort){.row = SIZE_MAX, .users = NAN, .cost = NAN};
        status = fill(c, cohort, c->days + from, to - from, error);
    }
    return status;
}

/* ---- learning ---- */

static enum mi_status parse_targets(struct cohorts *c, struct mi_error *error) {
    char *text = mi_text_copy(mi_text_of(options.horizons)), *rest = NULL;
    enum mi_status status = text ? MI_OK : no_memory(error);
    for (char *one = text ? strtok_r(text, ",", &rest) : NULL; one && !status;
         one = strtok_r(NULL, ",", &rest)) {
        double age, before = c->target_count > 0 ? (double)c->targets[c->target_count - 1] : 0;
        if (!mi_number_parse(mi_text_of(one), &age) || age <= before || age > MI_COHORT_AGE_MOST ||
            age != floor(age))
            status = mi_error_set(error, MI_BAD_ARGUMENT,
                                  "option --horizons: not rising ages of 1 to %d days: \"%s\"",
                                  MI_COHORT_AGE_MOST, one);
        else if (c->target_count == TARGETS_MOST)
            status = mi_error_set(error, MI_BAD_ARGUMENT, "option --horizons: %d at most", TARGETS_MOST);
        else
            c->targets[c->target_count++] = (size_t)age;
    }
    free(text);
    if (!status && c->target_count == 0)
        status = mi_error_set(error, MI_BAD_ARGUMENT, "option --horizons: empty");
    return status;
}

/* Cohorts whose users are not known are left out; without the option all have one. */
static bool is_used(const struct cohorts *c, const struct source_cohort *cohort) {
    return cohort->revenue && (c->users == MI_NO_COLUMN || cohort->users > 0);
}

static enum mi_status learn(struct cohorts *c, struct mi_error *error) {
    const struct mi_cohort_options wanted = {c->targets, c->target_count, options.level};
    struct mi_cohort *cohorts = malloc((c->count + 1) * sizeof *cohorts);
    size_t used = 0;
    if (!cohorts)
        return no_memory(error);
    for (size_t i = 0; i < c->count; i++)
        if (is_used(c, &c->items[i]))
            cohorts[used++] = (struct mi_cohort){.install_date = c->items[i].install,
                                                 .group = c->items[i].group,
                                                 .users = c->users == MI_NO_COLUMN ? 1 : c->items[i].users,
                                                 .age = c->items[i].age,
                                                 .revenue = c->items[i].revenue};
    enum mi_status status = MI_OK;
    if (used > 0)
        status =
            mi_cohorts_learn(cohorts, used, c->parent, mi_index_size(c->groups), &wanted, &c->learnt, error);
    if (status == MI_BAD_ARGUMENT && error)
        snprintf(error->file, sizeof error->file, "%s", mi_reader_name(c->stream.reader));
    free(cohorts);
    return status;
}

/* ---- output ---- */

enum {
    AGE,
    HORIZON,
    FORECAST,
    LOW,
    HIGH,
    METHOD,
    ROAS,
    ROAS_LOW,
    ROAS_HIGH,
    PAYBACK,
    PAYBACK_LOW,
    PAYBACK_HIGH,
    SLOTS
};

static enum mi_status open_output(struct cohorts *c, size_t *slots, struct mi_error *error) {
    static const size_t order[] = {AGE,      HORIZON,   FORECAST, LOW,         HIGH,         ROAS,
                                   ROAS_LOW, ROAS_HIGH, PAYBACK,  PAYBACK_LOW, PAYBACK_HIGH, METHOD};
    const char *names[SLOTS] = {[AGE] = "age",
                                [HORIZON] = "horizon",
                                [METHOD] = "method",
                                [ROAS] = "forecast_roas",
                                [ROAS_LOW] = "roas_lo",
                                [ROAS_HIGH] = "roas_hi",
                                [PAYBACK] = "payback_day",
                                [PAYBACK_LOW] = "payback_lo",
                                [PAYBACK_HIGH] = "payback_hi"};
    char value[3][256];
    int size = snprintf(value[0], sizeof value[0], "forecast_%s", options.value);
    snprintf(value[1], sizeof value[1], "%s_lo", options.value);
    snprintf(value[2], sizeof value[2], "%s_hi", options.value);
    for (size_t i = 0; i < 3; i++)
        names[FORECAST + i] = value[i];
    enum mi_status status = size < (int)sizeof value[0]
                                ? stream_output(&c->stream, true, error)
                                : mi_error_set(error, MI_BAD_ARGUMENT, "a column's name is too long");
    for (size_t column = 0; !status && column < mi_reader_column_count(c->stream.reader); column++) {
        bool passes = column == c->install;
        for (size_t i = 0; i < c->by_count; i++)
            passes |= column == c->by[i];
        for (size_t i = 0; i < c->group_count; i++)
            passes |= column == c->group[i];
        if (!passes)
            status = mi_writer_drop(c->stream.writer, column, error);
    }
    for (size_t i = 0; i < SLOTS && !status; i++)
        if (c->cost != MI_NO_COLUMN || order[i] < ROAS)
            status = mi_writer_column(c->stream.writer, names[order[i]], &slots[order[i]], error);
    return status;
}

static void set_cost(struct cohorts *c, const struct source_cohort *cohort, size_t number,
                     const size_t *slots, const struct mi_forecast_range *revenue) {
    struct mi_writer *writer = c->stream.writer;
    struct mi_forecast_range day;
    if (!(cohort->cost > 0))
        return;
    mi_cohort_payback(c->learnt, number, cohort->cost, &day);
    mi_writer_number(writer, slots[ROAS], revenue->predicted / cohort->cost);
    mi_writer_number(writer, slots[ROAS_LOW], revenue->low / cohort->cost);
    mi_writer_number(writer, slots[ROAS_HIGH], revenue->high / cohort->cost);
    mi_writer_number(writer, slots[PAYBACK], day.predicted);
    mi_writer_number(writer, slots[PAYBACK_LOW], day.low);
    mi_writer_number(writer, slots[PAYBACK_HIGH], day.high);
}

static enum mi_status write_cohort(struct cohorts *c, const struct source_cohort *cohort, size_t number,
                                   const size_t *slots, struct mi_error *error) {
    struct mi_writer *writer = c->stream.writer;
    enum mi_status status = MI_OK;
    for (size_t k = 0; k < c->target_count && !status; k++) {
        struct mi_forecast_range revenue;
        bool ladder;
        mi_cohort_revenue(c->learnt, number, c->targets[k], &revenue, &ladder);
        mi_writer_number(writer, slots[AGE], (double)cohort->age);
        mi_writer_number(writer, slots[HORIZON], (double)c->targets[k]);
        mi_writer_number(writer, slots[FORECAST], revenue.predicted);
        mi_writer_number(writer, slots[LOW], revenue.low);
        mi_writer_number(writer, slots[HIGH], revenue.high);
        mi_writer_text(writer, slots[METHOD],
                       mi_text_of(c->targets[k] <= cohort->age ? "observed"
                                  : ladder                     ? "ladder"
                                                               : "curve"));
        if (c->cost != MI_NO_COLUMN)
            set_cost(c, cohort, number, slots, &revenue);
        status = mi_writer_row(writer, c->batch, cohort->row, error);
    }
    return status;
}

static enum mi_status write_all(struct cohorts *c, struct mi_error *error) {
    size_t slots[SLOTS], number = 0, left = 0, old = 0;
    enum mi_status status = open_output(c, slots, error);
    for (size_t i = 0; i < c->count && !status; i++) {
        const struct source_cohort *cohort = &c->items[i];
        if (!is_used(c, cohort)) {
            left += cohort->revenue ? 1 : 0;
            continue;
        }
        if (options.all || cohort->age < c->targets[c->target_count - 1])
            status = write_cohort(c, cohort, number, slots, error);
        else
            old++;
        number++;
    }
    if (old > 0 && old == number)
        note("all cohorts are as old as the last horizon: nothing is to be forecast (--all writes them)");
    if (left > 0)
        note("cohorts without users in column '%s', left out: %zu", options.users, left);
    if (c->later > 0)
        note("rows after %s, left out: %zu", options.as_of ? options.as_of : "the last day", c->later);
    return status;
}

/* ---- run ---- */

static enum mi_status cohort(struct cohorts *c, struct mi_error *error) {
    c->end = MI_DATE_MISSING;
    if (options.as_of && !mi_date_parse(mi_text_of(options.as_of), &c->end))
        return mi_error_set(error, MI_BAD_ARGUMENT, "option --as-of: not a date: \"%s\"", options.as_of);
    enum mi_status status = parse_targets(c, error);
    if (!status)
        status = stream_open(&c->stream, true, error);
    if (!status)
        status = find_columns(c, error);
    if (!status)
        status = mi_index_new(&c->names, error);
    if (!status)
        status = mi_index_new(&c->groups, error);
    if (!status)
        status = read_rows(c, error);
    if (!status)
        status = make_cohorts(c, error);
    if (!status)
        status = learn(c, error);
    return status ? status : write_all(c, error);
}

enum mi_status cohort_run(struct mi_error *error) {
    struct cohorts c = {0};
    enum mi_status status = cohort(&c, error);
    status = stream_close(&c.stream, status, error);
    for (size_t i = 0; c.items && i < c.count; i++)
        free(c.items[i].revenue);
    free(c.items);
    free(c.days);
    free(c.parent);
    mi_index_free(c.names);
    mi_index_free(c.groups);
    mi_cohorts_free(c.learnt);
    return status;
}
