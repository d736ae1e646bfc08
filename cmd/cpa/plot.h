/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Pictures of fitted curves: one SVG file a campaign and a page that shows all, and a sparkline for the
 * terminal.
 */
#ifndef CPA_PLOT_H
#define CPA_PLOT_H

#include <stdio.h>

#include "common/program.h"

/* A day as it was observed. */
struct observed {
    size_t campaign;
    int32_t date;
    double spend, users;
};

/* A campaign's days and what a user is worth there. */
struct plotted {
    size_t first, count; /* its days, once sorted */
    double ltv, rate;    /* NaN: not known; a rate then is the defaults' */
    double now;          /* mean spend of the last week (without dates: of all rows); NaN: none */
    char *file;          /* name of its picture within the folder */
};

struct plot {
    const char *folder;
    struct mi_index *ids, *files;
    struct observed *days;
    struct plotted *campaigns; /* by number of the id */
    size_t day_count, day_room, campaign_room;
    double typical; /* median of the campaigns' highest spends */
    bool dated;
    const char *currency; /* borrowed; NULL: not known */
    bool late;            /* conversions come in late */
    bool one_day;         /* curves are of one day, not of an average weekday */
};

/* Makes the folder where it is not there. */
enum mi_status plot_open(struct plot *plot, const char *folder, struct mi_error *error);
/* A day; ltv and rate (total costs per unit of spend) may be NaN. */
enum mi_status plot_add(struct plot *plot, struct mi_text id, int32_t date, double spend, double users,
                        double ltv, double rate, struct mi_error *error);
/* After the last day: sorts them. */
void plot_sort(struct plot *plot);
/* The picture of a fitted campaign; a campaign without days too. share: of the observed users that the curve
 * tells of. */
enum mi_status plot_campaign(struct plot *plot, const struct mi_curve_fit_row *row, double share,
                             struct mi_error *error);
/* index.html with all pictures. */
enum mi_status plot_index(struct plot *plot, struct mi_error *error);
void plot_free(struct plot *plot);

/* What a picture shows of a campaign, see draw.c. */
struct picture {
    const struct mi_curve_fit_row *row;
    const struct observed *days;
    size_t day_count;
    double ltv, rate, now;
    double scale; /* share of the observed users that the curve tells of */
    double reach; /* the spends shown end here */
    bool dated, late, one_day;
    const char *currency;
};
/* Prints the picture. */
void draw_picture(FILE *out, const struct picture *picture);

/* The curve as a line of text: up to the highest spend, a bar, and as far again. */
void spark_say(const struct mi_curve_fit_row *row);

#endif
