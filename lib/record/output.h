/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where bytes go: standard output, a device, or a file that appears whole or not at all.
 */
#ifndef MI_RECORD_OUTPUT_H
#define MI_RECORD_OUTPUT_H

#include "base/buffer.h"

struct mi_output {
    struct mi_buffer pending; /* not handed to the system yet */
    int descriptor;
    bool wrote;      /* bytes have left the process */
    char *target;    /* file to appear at commit, NULL: written directly */
    char *temporary; /* its name until then */
    char name[256];  /* as messages call it */
};

/* path NULL or "-": stdout. */
enum mi_status mi_output_open(struct mi_output *output, const char *path, struct mi_error *error);
/* Hands pending bytes to the system. MI_CLOSED where nobody reads them. */
enum mi_status mi_output_flush(struct mi_output *output, struct mi_error *error);
/* Flushes, syncs, renames; the output is closed and freed in any case. */
enum mi_status mi_output_commit(struct mi_output *output, struct mi_error *error);
/* Closes and frees; a file that was to appear does not. */
void mi_output_discard(struct mi_output *output);

#endif
