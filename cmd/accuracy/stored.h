/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mi-accuracy -s: predictions of the store against what came of them.
 */
#ifndef ACCURACY_STORED_H
#define ACCURACY_STORED_H

#include "accuracy/judge.h"
#include "common/store.h"

struct stored_options {
    const char *metrics; /* --metric, NULL: those there are */
    const char *model;
    const char *champion, *challenger;
    int32_t as_of;
    unsigned long min_age;
    unsigned long window; /* days before as_of in which it was made; 0: any */
    double tolerance;     /* share by which the spend may differ from the one predicted for */
    double significance;
};

/* Judges all that is due, writes the figures, keeps them in the store. */
enum mi_status judge_store(const struct stored_options *options, struct judge *judge, struct stream *stream,
                           size_t *broken, struct mi_error *error);

/* Compares two models; *broken is 1 where the challenger is not better by more than noise. */
enum mi_status duel_in_store(const struct stored_options *options, struct stream *stream, size_t *broken,
                             struct mi_error *error);

#endif
