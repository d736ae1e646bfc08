/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-ltv cohort: mean, median, the top tenth and the histogram of users' value, for each group and for all.
 */
#include "ltv/cohort.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    const char *by, *value;
    unsigned long bins;
    bool draw;
} options;

const struct option_spec cohort_options_table[] = {
    {.name = "by",
     .kind = OPTION_TEXT,
     .target = &options.by,
     .argument = "COLUMN",
     .help = "a row for each value of it, and one for all (else only that)"},
    {.name = "value",
     .kind = OPTION_TEXT,
     .target = &options.value,
     .argument = "COLUMN",
     .help = "the users' value",
     .otherwise = "predicted_ltv"},
    {.name = "bins",
     .kind = OPTION_COUNT,
     .target = &options.bins,
     .low = 1,
     .high = 100,
     .argument = "N",
     .help = "bins of the histogram above 0, the same for all groups",
     .otherwise = "8"},
    {.name = "draw",
     .kind = OPTION_FLAG,
     .target = &options.draw,
     .help = "draw the histograms on standard error (on a terminal: always)"},
    {.name = NULL},
};

const char cohort_details[] =
    "Reads one user a row; the value must be 0 or more, an empty one is counted and left\n"
    "out. Writes users, mean, median, the share of users (at most a tenth) and of the value\n"
    "that the top tenth makes, its lowest value, the share that is 0, and the histogram: the\n"
    "users in each bin, whose edges double from column to column. Reads once; keeps 8 bytes\n"
    "a user.\n";

/* ---- groups ---- */

struct group {
    double *values;
    size_t count, room, missing;
};

struct cohorts {
    struct stream stream;
    size_t by, value;
    struct mi_index *names;
    struct group *groups; /* the last: all */
    size_t room;
    double first_edge; /* bin b holds values up to first_edge * 2^b */
};

static enum mi_status group_add(struct group *group, double value, struct mi_error *error) {
    if (isnan(value)) {
        group->missing++;
        return MI_OK;
    }
    if (group->count == group->room) {
        size_t room = group->room == 0 ? 64 : group->room * 2;
        double *values = realloc(group->values, room * sizeof *values);
        if (!values)
            return no_memory(error);
        group->values = values;
        group->room = room;
    }
    group->values[group->count++] = value;
    return MI_OK;
}

static enum mi_status group_of(struct cohorts *c, struct mi_text name, size_t *number,
                               struct mi_error *error) {
    enum mi_status status = mi_index_add(c->names, name, number, NULL, error);
    if (status || *number < c->room)
        return status;
    size_t room = c->room == 0 ? 16 : c->room * 2;
    struct group *groups = realloc(c->groups, room * sizeof *groups);
    if (!groups)
        return no_memory(error);
    memset(groups + c->room, 0, (room - c->room) * sizeof *groups);
    c->groups = groups;
    c->room = room;
    return MI_OK;
}

static enum mi_status read_user(void *context, struct stream *stream, const struct mi_batch *batch,
                                size_t row, struct mi_error *error) {
    struct cohorts *c = context;
    struct mi_text name = {0};
    double value;
    size_t number = 0;
    (void)stream;
    enum mi_status status = mi_batch_number(batch, row, c->value, MI_MONEY, &value, error);
    if (!status)
        status = mi_batch_text(batch, row, c->by, &name, error);
    if (!status)
        status = group_of(c, name, &number, error);
    return status ? status : group_add(&c->groups[number], value, error);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- figures ---- */

struct figures {
    double mean, median, top_share, top_value_share, top_from, zero_share;
};

/* Of values in ascending order. The top tenth is a tenth of the users rounded down, at least one; of users
 * who are worth nothing none is at the top. */
static struct figures figures_of(const struct group *group) {
    const double *values = group->values;
    size_t count = group->count, zeros = 0;
    struct figures f = {NAN, NAN, NAN, NAN, NAN, NAN};
    double sum = 0, top_sum = 0;
    if (count == 0)
        return f;
    while (zeros < count && values[zeros] == 0)
        zeros++;
    size_t top = count / 10 > 0 ? count / 10 : 1;
    top = top < count - zeros ? top : count - zeros;
    for (size_t i = 0; i < count; i++) {
        sum += values[i];
        top_sum += i >= count - top ? values[i] : 0;
    }
    f.mean = sum / (double)count;
    f.median = count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
    f.top_share = (double)top / (double)count;
    f.top_value_share = sum > 0 ? top_sum / sum : NAN;
    f.top_from = top > 0 ? values[count - top] : NAN;
    f.zero_share = (double)zeros / (double)count;
    return f;
}

static double edge(const struct cohorts *c, size_t bin) {
    return ldexp(c->first_edge, (int)bin);
}

/* Users above the edge before `bin` and up to its own; the last bin has no upper edge. */
static size_t in_bin(const struct cohorts *c, const struct group *group, size_t bin) {
    size_t count = 0;
    double low = bin > 0 ? edge(c, bin - 1) : 0;
    bool last = bin + 1 == options.bins;
    for (size_t i = 0; i < group->count; i++)
        count += group->values[i] > low && (last || group->values[i] <= edge(c, bin));
    return count;
}

/* The first edge is a power of 2 in cents such that the last bin begins near the top hundredth. */
static void choose_edges(struct cohorts *c, const struct group *all) {
    double high = all->count > 0 ? all->values[(size_t)(0.99 * (double)(all->count - 1))] : 0;
    if (!(high > 0) && all->count > 0)
        high = all->values[all->count - 1];
    int power = high > 0 ? (int)ceil(log2(high)) - (int)options.bins + 1 : 0;
    c->first_edge = ldexp(1, power);
}

/* ---- output ---- */

struct columns {
    size_t group, users, missing, mean, median, top_share, top_value_share, top_from, zero_share;
    size_t zero, bins[100];
};

static enum mi_status declare(struct cohorts *c, struct columns *columns, struct mi_error *error) {
    struct mi_writer *writer = c->stream.writer;
    const struct {
        const char *name;
        size_t *slot;
    } fixed[] = {{options.by, &columns->group},
                 {"users", &columns->users},
                 {"missing", &columns->missing},
                 {"mean_ltv", &columns->mean},
                 {"median_ltv", &columns->median},
                 {"high_value_users_share", &columns->top_share},
                 {"high_value_value_share", &columns->top_value_share},
                 {"high_value_from", &columns->top_from},
                 {"zero_share", &columns->zero_share},
                 {"users_0", &columns->zero}};
    enum mi_status status = MI_OK;
    for (size_t i = options.by ? 0 : 1; i < sizeof fixed / sizeof *fixed && !status; i++)
        status = mi_writer_column(writer, fixed[i].name, fixed[i].slot, error);
    for (size_t bin = 0; bin < options.bins && !status; bin++) {
        char name[64], text[MI_NUMBER_LENGTH];
        bool last = bin + 1 == options.bins;
        mi_number_format(last && bin > 0 ? edge(c, bin - 1) : edge(c, bin), text);
        snprintf(name, sizeof name, last ? "users_above_%s" : "users_to_%s", text);
        if (last && bin == 0)
            snprintf(name, sizeof name, "users_above_0");
        status = mi_writer_column(writer, name, &columns->bins[bin], error);
    }
    return status;
}

static enum mi_status put(struct cohorts *c, const struct columns *columns, struct mi_text name,
                          const struct group *group, struct mi_error *error) {
    struct mi_writer *writer = c->stream.writer;
    struct figures f = figures_of(group);
    if (options.by)
        mi_writer_text(writer, columns->group, name);
    mi_writer_number(writer, columns->users, (double)group->count);
    mi_writer_number(writer, columns->missing, (double)group->missing);
    mi_writer_number(writer, columns->mean, f.mean);
    mi_writer_number(writer, columns->median, f.median);
    mi_writer_number(writer, columns->top_share, f.top_share);
    mi_writer_number(writer, columns->top_value_share, f.top_value_share);
    mi_writer_number(writer, columns->top_from, f.top_from);
    mi_writer_number(writer, columns->zero_share, f.zero_share);
    mi_writer_number(writer, columns->zero, round(f.zero_share * (double)group->count));
    for (size_t bin = 0; bin < options.bins; bin++)
        mi_writer_number(writer, columns->bins[bin], (double)in_bin(c, group, bin));
    return mi_writer_row(writer, NULL, 0, error);
}

/* A line a bin, its bar in proportion to the fullest bin. */
static void draw(const struct cohorts *c, struct mi_text name, const struct group *group) {
    enum { WIDTH = 50 };
    size_t most = 1, zeros = 0;
    for (size_t i = 0; i < group->count; i++)
        zeros += group->values[i] == 0;
    for (size_t bin = 0; bin < options.bins; bin++) {
        size_t count = in_bin(c, group, bin);
        most = count > most ? count : most;
    }
    most = zeros > most ? zeros : most;
    fprintf(stderr, "%.*s (%zu users)\n", (int)name.size, name.data, group->count);
    for (size_t bin = 0; bin <= options.bins; bin++) {
        size_t count = bin == 0 ? zeros : in_bin(c, group, bin - 1);
        char label[MI_NUMBER_LENGTH + 8] = "0", text[MI_NUMBER_LENGTH];
        if (bin > 0) {
            bool last = bin == options.bins;
            mi_number_format(bin == 1 && last ? 0 : edge(c, last ? bin - 2 : bin - 1), text);
            snprintf(label, sizeof label, "%s%s", last ? "> " : "<= ", text);
        }
        fprintf(stderr, "%12s %9zu ", label, count);
        for (size_t mark = 0; mark < count * WIDTH / most; mark++)
            fputc('#', stderr);
        fputc('\n', stderr);
    }
}

static enum mi_status put_all(struct cohorts *c, struct mi_error *error) {
    struct columns columns;
    struct mi_text all = mi_text_of("*");
    size_t count = mi_index_size(c->names);
    struct group whole = {0};
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < count && !status; i++) {
        if (c->groups[i].count > 0)
            qsort(c->groups[i].values, c->groups[i].count, sizeof(double), ascending);
        whole.missing += c->groups[i].missing;
        for (size_t j = 0; j < c->groups[i].count && !status; j++)
            status = group_add(&whole, c->groups[i].values[j], error);
    }
    if (!status) {
        if (whole.count > 0)
            qsort(whole.values, whole.count, sizeof *whole.values, ascending);
        choose_edges(c, &whole);
        status = stream_output(&c->stream, false, error);
    }
    if (!status)
        status = declare(c, &columns, error);
    bool drawing = options.draw || (!common.quiet && isatty(STDERR_FILENO));
    for (size_t i = 0; options.by && i < count && !status; i++) {
        status = put(c, &columns, mi_index_text(c->names, i), &c->groups[i], error);
        if (!status && drawing)
            draw(c, mi_index_text(c->names, i), &c->groups[i]);
    }
    if (!status && whole.count + whole.missing > 0) {
        status = put(c, &columns, all, &whole, error);
        if (!status && drawing)
            draw(c, mi_text_of("all"), &whole);
    }
    if (!status && whole.missing > 0)
        note("%zu of %zu users have no '%s' and are left out", whole.missing, whole.count + whole.missing,
             options.value);
    free(whole.values);
    return status;
}

enum mi_status run_cohort(struct mi_error *error) {
    struct cohorts c = {.by = MI_NO_COLUMN};
    enum mi_status status = mi_index_new(&c.names, error);
    if (!status)
        status = stream_open(&c.stream, false, error);
    if (!status)
        status = mi_reader_column(c.stream.reader, options.value, true, &c.value, error);
    if (!status && options.by)
        status = mi_reader_column(c.stream.reader, options.by, true, &c.by, error);
    if (!status)
        status = stream_each_row(&c.stream, read_user, &c, error);
    if (!status)
        status = put_all(&c, error);
    status = stream_close(&c.stream, status, error);
    for (size_t i = 0; i < c.room; i++)
        free(c.groups[i].values);
    free(c.groups);
    mi_index_free(c.names);
    return status;
}
