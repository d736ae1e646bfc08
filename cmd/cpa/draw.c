/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-cpa fit --plot: the picture of one campaign, and its sparkline.
 */
#include "common/svg.h"
#include "cpa/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH     760.0
#define HEIGHT    484.0
#define LEFT      78.0
#define RIGHT     24.0
#define TOP       76.0
#define BOTTOM    92.0
#define STEPS     160 /* of the curve */
#define TITLE     62  /* characters */
#define FAR_POINT 2.5 /* times the top of curve and band, above which a day is shown at the edge */
#define EDGE      0.999

#define INK    "#222222"
#define FAINT  "#666666"
#define GRID   "#e3e3e3"
#define CURVE  "#1f5fa8"
#define POINT  "#555555"
#define NOW    "#b3541e"
#define BEST   "#1b7a3d"
#define BEYOND "#f4f4f4"

struct canvas {
    FILE *out;
    const struct picture *picture;
    struct svg_axis x, y;
    double above; /* days beyond the top */
};

/* ---- what the curve says ---- */

static double users_at(const struct picture *picture, double spend) {
    double users = mi_curve_users(&picture->row->curve, spend);
    return isfinite(users) ? users : 0;
}

/* The end of the 80 % band that side (-1, 1) names. */
static double band_at(const struct picture *picture, double spend, double side) {
    const struct mi_curve_fit_row *row = picture->row;
    double sd = mi_curve_log_users_sd(&row->curve, row->covariance, spend);
    return users_at(picture, spend) *
           exp(side * mi_curve_interval_z(MI_INTERVAL) * (isfinite(sd) ? fmin(sd, 50) : 0));
}

static double elasticity_at(const struct mi_curve *curve, double spend) {
    double users = mi_curve_users(curve, spend);
    return users > 0 ? spend * mi_curve_slope(curve, spend) / users : NAN;
}

/* The spend where 10 % more brings only 5 % more users; NaN where none is within the picture. */
static double half_return(const struct picture *picture) {
    const struct mi_curve *curve = &picture->row->curve;
    double low = 1e-6 * picture->reach, high = picture->reach;
    if (!(elasticity_at(curve, low) > 0.5) || !(elasticity_at(curve, high) < 0.5))
        return NAN;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (elasticity_at(curve, middle) > 0.5)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* ---- pieces ---- */

static void open_canvas(struct canvas *c) {
    const struct picture *picture = c->picture;
    double reach = picture->reach, top = fmin(band_at(picture, reach, 1), 1.6 * users_at(picture, reach));
    double most = 0;
    for (size_t i = 0; i < picture->day_count; i++)
        most = fmax(most, picture->days[i].users * picture->scale);
    top = fmax(top, most > FAR_POINT * top ? top : most);
    if (!(top > 1e-12))
        top = 1;
    c->x = svg_axis_of(reach, 7, false, LEFT, WIDTH - LEFT - RIGHT);
    c->y = svg_axis_of(top, 6, true, HEIGHT - BOTTOM, -(HEIGHT - TOP - BOTTOM));
    fprintf(
        c->out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
        "font-family=\"'DejaVu Sans', Helvetica, Arial, sans-serif\" font-size=\"12\" fill=\"" INK "\">\n",
        WIDTH, HEIGHT, WIDTH, HEIGHT);
}

static void print_title(struct canvas *c) {
    const struct mi_curve_fit_row *row = c->picture->row;
    FILE *out = c->out;
    fputs("<title>", out);
    svg_text(out, row->campaign_id, 10 * TITLE);
    fputs("</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n", out);
    fprintf(out, "<text x=\"%.0f\" y=\"24\" font-size=\"16\" font-weight=\"bold\">", LEFT);
    svg_text(out, row->campaign_id, TITLE);
    fprintf(out, "</text>\n<text x=\"%.0f\" y=\"42\" fill=\"" FAINT "\">%s curve", LEFT,
            mi_curve_family_name(row->curve.family));
    const char *unit = c->picture->dated ? "day" : "row";
    if (row->n > 0)
        fprintf(out, " of %zu %s%s", row->n, unit, row->n == 1 ? "" : "s");
    if (row->n_outliers > 0)
        fprintf(out, " (%zu taken for outliers)", row->n_outliers);
    if (row->asof != MI_DATE_MISSING) {
        char date[16];
        mi_date_format(row->asof, date);
        fprintf(out, " to %s", date);
    }
    fputs(row->status == MI_CURVE_FIT_OWN      ? ": mostly its own"
          : row->status == MI_CURVE_FIT_SHRUNK ? ": shape mostly the portfolio's"
                                               : ": the portfolio's shape",
          out);
    if (c->picture->late)
        fputs("; newest days are not complete", out);
    if (row->adstock > 0)
        fprintf(out, "; carry-over %.2f", row->adstock);
    if (row->note[0]) {
        fputs("; ", out);
        svg_text(out, mi_text_of(row->note), TITLE);
    }
    fputs("</text>\n", out);
}

/* What the marks mean, one after the other. */
static void print_legend(struct canvas *c) {
    double x = LEFT, y = 60, scale = c->picture->scale;
    FILE *out = c->out;
    char number[SVG_LABEL];
    if (c->picture->day_count > 0) {
        fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"" POINT "\" fill-opacity=\"0.55\"/>",
                x + 4, y - 4);
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\">observed %s", x + 13, y, c->picture->dated ? "day" : "row");
        if (scale != 1)
            fprintf(out, " \xC3\x97 %s", svg_number(scale, number));
        fputs("</text>\n", out);
        x += scale != 1 ? 176 : 122;
    }
    fprintf(out,
            "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"" CURVE
            "\" stroke-width=\"2.5\"/>"
            "<text x=\"%.1f\" y=\"%.1f\">curve%s</text>\n",
            x, y - 4, x + 22, y - 4, x + 28, y,
            !c->picture->dated    ? ""
            : c->picture->one_day ? ", of the day"
                                  : ", average weekday");
    x += c->picture->dated ? 196 : 84;
    fprintf(out,
            "<rect x=\"%.1f\" y=\"%.1f\" width=\"22\" height=\"11\" fill=\"" CURVE
            "\" fill-opacity=\"0.18\"/>"
            "<text x=\"%.1f\" y=\"%.1f\">80 %% band</text>\n",
            x, y - 10, x + 28, y);
    x += 118;
    if (c->picture->row->spend_max > 0)
        fprintf(out,
                "<rect x=\"%.1f\" y=\"%.1f\" width=\"22\" height=\"11\" fill=\"" BEYOND
                "\" stroke=\"#cccccc\"/><text x=\"%.1f\" y=\"%.1f\">beyond the data</text>\n",
                x, y - 10, x + 28, y);
}

static void print_axes(struct canvas *c) {
    FILE *out = c->out;
    char label[SVG_LABEL];
    double left = LEFT, right = WIDTH - RIGHT, bottom = HEIGHT - BOTTOM;
    double spend_max = c->picture->row->spend_max;
    if (spend_max > 0)
        fprintf(out, "<rect x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"%.0f\" fill=\"" BEYOND "\"/>\n",
                svg_place(&c->x, spend_max), TOP, right - svg_place(&c->x, spend_max), bottom - TOP);
    for (double tick = 0; tick <= c->y.high * (1 + 1e-9); tick += c->y.step) {
        double y = svg_place(&c->y, tick);
        fprintf(out,
                "<line x1=\"%.0f\" y1=\"%.2f\" x2=\"%.0f\" y2=\"%.2f\" stroke=\"" GRID
                "\"/><text x=\"%.0f\" y=\"%.2f\" text-anchor=\"end\">%s</text>\n",
                left, y, right, y, left - 7, y + 4, svg_label(&c->y, tick, label));
    }
    for (double tick = 0; tick <= c->x.high * (1 + 1e-9); tick += c->x.step) {
        double x = svg_place(&c->x, tick);
        fprintf(out,
                "<line x1=\"%.2f\" y1=\"%.0f\" x2=\"%.2f\" y2=\"%.0f\" stroke=\"" INK
                "\"/><text x=\"%.2f\" y=\"%.0f\" text-anchor=\"middle\">%s</text>\n",
                x, bottom, x, bottom + 5, x, bottom + 19, svg_label(&c->x, tick, label));
    }
    fprintf(out,
            "<path d=\"M%.0f %.0f V%.0f H%.0f\" fill=\"none\" stroke=\"" INK "\"/>\n"
            "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\">spend a %s",
            left, TOP, bottom, right, (left + right) / 2, bottom + 37, c->picture->dated ? "day" : "period");
    if (c->picture->currency) {
        fputs(", ", out);
        svg_text(out, mi_text_of(c->picture->currency), 12);
    }
    fprintf(
        out,
        "</text>\n<text transform=\"translate(18 %.0f) rotate(-90)\" text-anchor=\"middle\">%sconversions a "
        "%s</text>\n",
        (TOP + bottom) / 2, c->picture->scale != 1 ? "incremental " : "",
        c->picture->dated ? "day" : "period");
}

static void print_points(struct canvas *c) {
    FILE *out = c->out;
    fputs("<g fill=\"" POINT "\" fill-opacity=\"0.55\">\n", out);
    for (size_t i = 0; i < c->picture->day_count; i++) {
        const struct observed *day = &c->picture->days[i];
        double x = svg_place(&c->x, day->spend), users = day->users * c->picture->scale;
        if (users > c->y.high) {
            fprintf(out, "<path d=\"M%.2f %.2f l4 7 h-8 z\"/>\n", x, TOP + 1);
            c->above++;
        } else {
            fprintf(out, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"3\"/>\n", x, svg_place(&c->y, users));
        }
    }
    fputs("</g>\n", out);
}

static void print_curve(struct canvas *c) {
    FILE *out = c->out;
    fprintf(out,
            "<clipPath id=\"area\"><rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\"/></clipPath>\n"
            "<g clip-path=\"url(#area)\">\n<path fill=\"" CURVE "\" fill-opacity=\"0.18\" d=\"",
            LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    double limit = 3 * c->y.high;
    for (int i = 0; i <= 2 * STEPS + 1; i++) {
        int step = i <= STEPS ? i : 2 * STEPS + 1 - i;
        double spend = c->picture->reach * step / STEPS;
        fprintf(out, "%c%.2f %.2f ", i ? 'L' : 'M', svg_place(&c->x, spend),
                svg_place(&c->y, fmin(band_at(c->picture, spend, i <= STEPS ? 1 : -1), limit)));
    }
    fputs("Z\"/>\n<path fill=\"none\" stroke=\"" CURVE "\" stroke-width=\"2.5\" d=\"", out);
    for (int i = 0; i <= STEPS; i++) {
        double spend = c->picture->reach * i / STEPS;
        fprintf(out, "%c%.2f %.2f ", i ? 'L' : 'M', svg_place(&c->x, spend),
                svg_place(&c->y, fmin(users_at(c->picture, spend), limit)));
    }
    fputs("\"/>\n</g>\n", out);
}

/* A vertical line with a dot on the curve and a label in that row of the picture's top. */
static void print_mark(struct canvas *c, double spend, const char *color, int row, const char *what) {
    char number[SVG_LABEL];
    double x = svg_place(&c->x, spend), users = users_at(c->picture, spend);
    bool left = spend > 0.66 * c->picture->reach;
    fprintf(c->out,
            "<line x1=\"%.2f\" y1=\"%.0f\" x2=\"%.2f\" y2=\"%.0f\" stroke=\"%s\" stroke-width=\"1.5\" "
            "stroke-dasharray=\"5 4\"/>\n",
            x, TOP, x, HEIGHT - BOTTOM, color);
    if (users <= c->y.high)
        fprintf(c->out, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"5\" fill=\"%s\" stroke=\"white\"/>\n", x,
                svg_place(&c->y, users), color);
    fprintf(c->out,
            "<text x=\"%.2f\" y=\"%.0f\" text-anchor=\"%s\" fill=\"%s\" stroke=\"white\" stroke-width=\"4\" "
            "paint-order=\"stroke\">%s: %s</text>\n",
            x + (left ? -7 : 7), TOP + 15 + 17 * row, left ? "end" : "start", color, what,
            svg_number(spend, number));
}

/* ---- the spend that is best ---- */

/* Where the profit is largest with an LTV; says it in words below the picture. */
static void print_best(struct canvas *c, char *words, size_t size) {
    const struct picture *p = c->picture;
    char spend[SVG_LABEL], ltv[SVG_LABEL], profit[SVG_LABEL], rate[SVG_LABEL];
    double best = mi_curve_best_spend(&p->row->curve, p->ltv, p->rate, 0, p->reach);
    svg_number(p->ltv, ltv);
    svg_number(p->rate, rate);
    if (!(best > 0)) {
        snprintf(words, size, "No spend pays: LTV %s, costs %s times spend.", ltv, rate);
        return;
    }
    if (best >= EDGE * p->reach) {
        fprintf(c->out,
                "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\" fill=\"" BEST
                "\">best: more than this \xE2\x86\x92</text>\n",
                WIDTH - RIGHT - 4, TOP + 32);
        snprintf(
            words, size,
            "Best is more than is shown: profit still rises there, with LTV %s and costs %s times spend.",
            ltv, rate);
        return;
    }
    print_mark(c, best, BEST, 1, "best");
    snprintf(words, size, "Best: %s%s. Profit there %s a %s, with LTV %s and costs %s times spend.",
             svg_number(best, spend),
             p->row->spend_max > 0 && best > p->row->spend_max ? ", beyond the data" : "",
             svg_number(p->ltv * users_at(p, best) - p->rate * best, profit), p->dated ? "day" : "period",
             ltv, rate);
}

/* Without an LTV: where returns have halved. */
static void print_half_return(struct canvas *c, char *words, size_t size) {
    char spend[SVG_LABEL];
    double half = half_return(c->picture);
    snprintf(words, size, "No LTV is known, so no spend is best.");
    if (!(half > 0))
        return;
    print_mark(c, half, BEST, 1, "half return");
    snprintf(
        words, size,
        "No LTV is known, so no spend is best. At %s returns have halved: 10 %% more spend, 5 %% more users.",
        svg_number(half, spend));
}

/* What the next user costs, and which days are not shown. */
static void print_last_line(struct canvas *c) {
    const struct picture *p = c->picture;
    char cost[SVG_LABEL];
    double slope = p->now > 0 ? mi_curve_slope(&p->row->curve, p->now) : 0;
    fprintf(c->out, "<text x=\"%.0f\" y=\"%.0f\" fill=\"" FAINT "\">", LEFT, HEIGHT - 10);
    if (slope > 0 && isfinite(slope))
        fprintf(c->out, "At %s one user more costs %s. ", p->dated ? "today's spend" : "the mean spend",
                svg_number(1 / slope, cost));
    if (c->above > 0)
        fprintf(c->out, "\xE2\x96\xB2 %.0f %s above the picture.", c->above,
                c->above > 1 ? "outliers are" : "outlier is");
    fputs("</text>\n", c->out);
}

void draw_picture(FILE *out, const struct picture *picture) {
    struct canvas canvas = {.out = out, .picture = picture};
    char words[400] = "";
    open_canvas(&canvas);
    print_title(&canvas);
    print_legend(&canvas);
    print_axes(&canvas);
    print_curve(&canvas);
    print_points(&canvas);
    if (picture->now > 0)
        print_mark(&canvas, picture->now, NOW, 0, picture->dated ? "now (mean of the last week)" : "mean");
    if (picture->ltv >= 0)
        print_best(&canvas, words, sizeof words);
    else
        print_half_return(&canvas, words, sizeof words);
    fprintf(out, "<text x=\"%.0f\" y=\"%.0f\" fill=\"" FAINT "\">%s</text>\n", LEFT, HEIGHT - 27, words);
    print_last_line(&canvas);
    fputs("</svg>\n", out);
}

/* ---- on the terminal ---- */

#define SPARKS 12 /* to either side of the highest spend */

static bool knows_utf8(void) {
    const char *locale = getenv("LC_ALL");
    if (!locale || !*locale)
        locale = getenv("LC_CTYPE");
    if (!locale || !*locale)
        locale = getenv("LANG");
    return locale && (strstr(locale, "UTF-8") || strstr(locale, "utf8"));
}

void spark_say(const struct mi_curve_fit_row *row) {
    static const char *const bars[] = {"\xE2\x96\x81", "\xE2\x96\x82", "\xE2\x96\x83", "\xE2\x96\x84",
                                       "\xE2\x96\x85", "\xE2\x96\x86", "\xE2\x96\x87", "\xE2\x96\x88"};
    static const char *const letters[] = {"_", ".", ":", "-", "=", "+", "*", "#"};
    size_t used = 0;
    const char *const *marks = knows_utf8() ? bars : letters;
    double top = mi_curve_users(&row->curve, 2 * row->spend_max);
    char line[8 * SPARKS + 8], spend[SVG_LABEL], users[SVG_LABEL], cpa[SVG_LABEL];
    if (!(row->spend_max > 0) || !(top > 0))
        return;
    for (int i = 1; i <= 2 * SPARKS; i++) {
        double share = mi_curve_users(&row->curve, row->spend_max * i / SPARKS) / top;
        int level = (int)(share * 8);
        used += (size_t)snprintf(line + used, sizeof line - used, "%s%s",
                                 marks[level < 0   ? 0
                                       : level > 7 ? 7
                                                   : level],
                                 i == SPARKS ? "|" : "");
    }
    double at = mi_curve_users(&row->curve, row->spend_max);
    detail("%s campaign '%s': at %s, the highest spend (|): %s users, CPA %s", line, row->campaign_id.data,
           svg_number(row->spend_max, spend), svg_number(at, users),
           at > 0 ? svg_number(row->spend_max / at, cpa) : "?");
}
