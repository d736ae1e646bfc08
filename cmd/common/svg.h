/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Pieces of an SVG picture: text that is valid XML whatever it holds, and axes with round ticks. A picture
 * is printed into a FILE of open_memstream(3); whether all of it fitted into memory its end says.
 */
#ifndef SVG_H
#define SVG_H

#include <stdio.h>

#include "mi.h"

/* Text as XML shows it: <, >, & and quotes as entities, what is no character of XML as U+FFFD. After `most`
 * characters it ends with an ellipsis. */
void svg_text(FILE *out, struct mi_text text, size_t most);

/* An axis from 0 to `high` on `pixels` from `start` (downwards or leftwards where pixels are negative). */
struct svg_axis {
    double high, start, pixels;
    double step;       /* between ticks: 1, 2 or 5 times a power of ten */
    double unit;       /* labels are divided by this: 1, a thousand, a million, ... */
    const char *times; /* and followed by this: "", "k", "M", "G" */
    int decimals;
};

/* high: what must fit, above 0; about `ticks` of them. The axis ends there, or at a tick above (whole). */
struct svg_axis svg_axis_of(double high, double ticks, bool whole, double start, double pixels);
double svg_place(const struct svg_axis *axis, double value);
/* A number as the axis labels it, with commas between thousands; out: SVG_LABEL bytes. */
#define SVG_LABEL 64
const char *svg_label(const struct svg_axis *axis, double value, char out[SVG_LABEL]);
/* A number for people: three significant digits at least, commas between thousands. */
const char *svg_number(double value, char out[SVG_LABEL]);

#endif
