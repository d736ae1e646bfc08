/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-cpa fit --plot: which days and files a picture is made of.
 */
#include "cpa/plot.h"
#include "common/svg.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NAME_MOST    80 /* bytes of a file name that come from the id */
#define RECENT_DAYS  7
#define REACH        2.0 /* times the highest spend that a picture shows */
#define REACH_MOST   3.0 /* where the best spend lies beyond */
#define REACH_BEST   1.1 /* times the best spend */
#define TYPICAL_NONE 1000.0
#define INDEX_TITLE  200

enum mi_status plot_open(struct plot *plot, const char *folder, struct mi_error *error) {
    struct stat is;
    plot->folder = folder;
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return mi_error_set(error, MI_SYSTEM, "--plot %s: cannot make the folder: %s", folder,
                            strerror(errno));
    if (stat(folder, &is) != 0 || !S_ISDIR(is.st_mode))
        return mi_error_set(error, MI_SYSTEM, "--plot %s: is no folder", folder);
    enum mi_status status = mi_index_new(&plot->ids, error);
    return status ? status : mi_index_new(&plot->files, error);
}

void plot_free(struct plot *plot) {
    for (size_t i = 0; plot->ids && i < mi_index_size(plot->ids); i++)
        free(plot->campaigns ? plot->campaigns[i].file : NULL);
    mi_index_free(plot->ids);
    mi_index_free(plot->files);
    free(plot->days);
    free(plot->campaigns);
}

/* ---- days ---- */

/* The number of a campaign, which is made where it is new. */
static enum mi_status campaign_of(struct plot *plot, struct mi_text id, size_t *number,
                                  struct mi_error *error) {
    bool added;
    void *campaigns = mi_array_room(plot->campaigns, mi_index_size(plot->ids), &plot->campaign_room,
                                    sizeof *plot->campaigns);
    if (!campaigns)
        return no_memory(error);
    plot->campaigns = campaigns;
    enum mi_status status = mi_index_add(plot->ids, id, number, &added, error);
    if (!status && added)
        plot->campaigns[*number] = (struct plotted){.ltv = NAN, .rate = NAN, .now = NAN};
    return status;
}

enum mi_status plot_add(struct plot *plot, struct mi_text id, int32_t date, double spend, double users,
                        double ltv, double rate, struct mi_error *error) {
    size_t number;
    void *days = mi_array_room(plot->days, plot->day_count, &plot->day_room, sizeof *plot->days);
    if (!days)
        return no_memory(error);
    plot->days = days;
    enum mi_status status = campaign_of(plot, id, &number, error);
    if (status)
        return status;
    struct plotted *campaign = &plot->campaigns[number];
    campaign->ltv = isnan(ltv) ? campaign->ltv : ltv;
    campaign->rate = isnan(rate) ? campaign->rate : rate;
    plot->dated = date != MI_DATE_MISSING;
    plot->days[plot->day_count++] =
        (struct observed){.campaign = number, .date = date, .spend = spend, .users = users};
    return MI_OK;
}

static int compare_days(const void *a, const void *b) {
    const struct observed *x = a, *y = b;
    if (x->campaign != y->campaign)
        return x->campaign < y->campaign ? -1 : 1;
    if (x->date != y->date)
        return x->date < y->date ? -1 : 1;
    if (x->spend != y->spend)
        return x->spend < y->spend ? -1 : 1;
    return (x->users > y->users) - (x->users < y->users);
}

/* Rows of one campaign and date are one day. */
static void merge_days(struct plot *plot) {
    size_t kept = 0;
    for (size_t i = 0; i < plot->day_count; i++) {
        struct observed *last = kept ? &plot->days[kept - 1] : NULL, day = plot->days[i];
        if (!plot->dated || !last || last->campaign != day.campaign || last->date != day.date) {
            plot->days[kept++] = day;
            continue;
        }
        last->spend += day.spend;
        last->users += day.users;
    }
    plot->day_count = kept;
}

static double recent_spend(const struct plot *plot, const struct plotted *campaign) {
    const struct observed *days = plot->days + campaign->first;
    double sum = 0, count = 0;
    for (size_t i = 0; i < campaign->count; i++)
        if (!plot->dated || days[i].date > days[campaign->count - 1].date - RECENT_DAYS) {
            sum += days[i].spend;
            count++;
        }
    return count > 0 ? sum / count : NAN;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median of the campaigns' highest spends. */
static double typical_spend(const struct plot *plot) {
    size_t campaigns = mi_index_size(plot->ids), count = 0;
    double *most = calloc(campaigns + 1, sizeof *most), typical = NAN;
    for (size_t i = 0; most && i < plot->day_count; i++)
        most[plot->days[i].campaign] = fmax(most[plot->days[i].campaign], plot->days[i].spend);
    for (size_t i = 0; most && i < campaigns; i++)
        if (most[i] > 0)
            most[count++] = most[i];
    if (count > 0) {
        qsort(most, count, sizeof *most, compare_doubles);
        typical = most[count / 2];
    }
    free(most);
    return typical > 0 ? typical : TYPICAL_NONE;
}

void plot_sort(struct plot *plot) {
    if (plot->day_count > 0)
        qsort(plot->days, plot->day_count, sizeof *plot->days, compare_days);
    merge_days(plot);
    for (size_t i = 0; i < plot->day_count; i++) {
        struct plotted *campaign = &plot->campaigns[plot->days[i].campaign];
        if (campaign->count++ == 0)
            campaign->first = i;
    }
    for (size_t i = 0; i < mi_index_size(plot->ids); i++)
        plot->campaigns[i].now = recent_spend(plot, &plot->campaigns[i]);
    plot->typical = typical_spend(plot);
}

/* ---- files ---- */

static bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* FNV-1a, 32 bits: tells apart ids that look alike once they are cleaned. */
static unsigned long hash_of(struct mi_text text) {
    unsigned long hash = 2166136261u;
    for (size_t i = 0; i < text.size; i++)
        hash = ((hash ^ (unsigned char)text.data[i]) * 16777619u) & 0xFFFFFFFFu;
    return hash;
}

/* Takes a name where no picture has it yet, whatever the case of its letters. */
static enum mi_status take_name(struct plot *plot, const char *name, bool *taken, struct mi_error *error) {
    char lower[NAME_MOST + 64];
    size_t size = 0, number;
    for (; name[size] && size + 1 < sizeof lower; size++)
        lower[size] = (char)tolower((unsigned char)name[size]);
    return mi_index_add(plot->files, (struct mi_text){lower, size}, &number, taken, error);
}

/* The id as a file name: letters, digits, -, _ and . of ASCII, all else an underscore; where that is not the
 * id itself, or is taken, with the id's hash behind. */
static enum mi_status name_file(struct plot *plot, struct mi_text id, char **file, struct mi_error *error) {
    char base[NAME_MOST + 1], name[NAME_MOST + 64];
    size_t used = 0;
    bool same = id.size <= NAME_MOST && id.size > 0, taken = false;
    for (size_t i = 0; i < id.size && used < NAME_MOST; i++) {
        bool plain = is_plain(id.data[i]) && !(i == 0 && (id.data[i] == '.' || id.data[i] == '-'));
        same = same && plain;
        if (plain || used == 0 || base[used - 1] != '_')
            base[used++] = plain ? id.data[i] : '_';
    }
    base[used] = '\0';
    snprintf(name, sizeof name, "%s.svg", base);
    enum mi_status status = same ? take_name(plot, name, &taken, error) : MI_OK;
    for (unsigned long again = 1; !status && !taken; again++) {
        char number[32] = "";
        if (again > 1)
            snprintf(number, sizeof number, "-%lu", again);
        snprintf(name, sizeof name, "%s-%08lx%s.svg", base, hash_of(id), number);
        status = take_name(plot, name, &taken, error);
    }
    if (status)
        return status;
    *file = mi_text_copy(mi_text_of(name));
    return *file ? MI_OK : no_memory(error);
}

/* Writes what was printed, whole. */
static enum mi_status write_printed(const struct plot *plot, const char *file, FILE *out, char **text,
                                    size_t *size, struct mi_error *error) {
    bool failed = ferror(out) != 0;
    failed = fclose(out) != 0 || failed || !*text;
    size_t length = strlen(plot->folder) + strlen(file) + 2;
    char *path = failed ? NULL : malloc(length);
    enum mi_status status = path ? MI_OK : no_memory(error);
    if (path)
        snprintf(path, length, "%s/%s", plot->folder, file);
    if (!status)
        status = mi_file_write(path, (struct mi_text){*text, *size}, error);
    free(path);
    free(*text);
    return status;
}

enum mi_status plot_campaign(struct plot *plot, const struct mi_curve_fit_row *row, double share,
                             struct mi_error *error) {
    size_t number, size;
    char *text = NULL;
    enum mi_status status = campaign_of(plot, row->campaign_id, &number, error);
    if (!status && !plot->campaigns[number].file)
        status = name_file(plot, row->campaign_id, &plot->campaigns[number].file, error);
    if (status)
        return status;
    const struct plotted *campaign = &plot->campaigns[number];
    struct mi_cost_rates rates = mi_cost_rates_default();
    struct mi_campaign_costs costs = mi_campaign_costs_of(&rates, false, 0, rates.creative_lifetime_days);
    double highest = row->spend_max > 0 ? row->spend_max : plot->typical;
    struct picture picture = {.row = row,
                              .days = plot->days + campaign->first,
                              .day_count = campaign->count,
                              .ltv = campaign->ltv,
                              .rate = isnan(campaign->rate) ? costs.rate : campaign->rate,
                              .now = campaign->now,
                              .scale = share,
                              .reach = REACH * highest,
                              .dated = plot->dated,
                              .late = plot->late,
                              .one_day = plot->one_day,
                              .currency = plot->currency};
    double best = mi_curve_best_spend(&row->curve, picture.ltv, picture.rate, 0, REACH_MOST * highest);
    if (REACH_BEST * best > picture.reach)
        picture.reach = fmin(REACH_BEST * best, REACH_MOST * highest);
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return no_memory(error);
    draw_picture(out, &picture);
    return write_printed(plot, campaign->file, out, &text, &size, error);
}

enum mi_status plot_index(struct plot *plot, struct mi_error *error) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return no_memory(error);
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Curves</title>\n"
          "<style>body { font-family: sans-serif; margin: 1em } img { width: 36em; max-width: 100%; "
          "border: 1px solid #ddd; margin: .3em }</style>\n</head>\n<body>\n",
          out);
    fprintf(out, "<h1>Curves of %zu campaigns</h1>\n", mi_index_size(plot->ids));
    for (size_t i = 0; i < mi_index_size(plot->ids); i++) {
        if (!plot->campaigns[i].file)
            continue;
        fprintf(out, "<a href=\"%s\"><img loading=\"lazy\" src=\"%s\" alt=\"", plot->campaigns[i].file,
                plot->campaigns[i].file);
        svg_text(out, mi_index_text(plot->ids, i), INDEX_TITLE);
        fputs("\"></a>\n", out);
    }
    fputs("</body>\n</html>\n", out);
    return write_printed(plot, "index.html", out, &text, &size, error);
}
