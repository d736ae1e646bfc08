/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The one error path, notes, and the start of the library.
 */
#include <gsl/gsl_errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Copies text, control bytes as \xNN, so that a message stays on its line and a terminal is left alone. */
static void copy_printable(const char *text, char *out, size_t size) {
    size_t used = 0;
    for (; *text != '\0' && used + 5 < size; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20 || byte == 0x7f) {
            used += (size_t)snprintf(out + used, size - used, "\\x%02x", byte);
        } else {
            out[used++] = *text;
        }
    }
    out[used] = '\0';
}

enum mi_status mi_error_set(struct mi_error *error, enum mi_status code, const char *format, ...) {
    if (error == NULL) {
        return code;
    }
    char text[sizeof error->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    error->code = code;
    copy_printable(text, error->text, sizeof error->text);
    return code;
}

enum mi_status mi_no_memory(struct mi_error *error) {
    return mi_error_set(error, MI_NO_MEMORY, "out of memory");
}

void *mi_array_room(void *array, size_t count, size_t *room, size_t size) {
    if (count < *room) {
        return array;
    }
    size_t wanted = *room < 16 ? 16 : *room + *room / 2;
    void *larger = realloc(array, wanted * size);
    if (larger != NULL) {
        *room = wanted;
    }
    return larger;
}

void mi_error_format(const struct mi_error *error, char *out, size_t size) {
    char line[32] = "";
    if (error->line > 0) {
        snprintf(line, sizeof line, ":%llu", (unsigned long long)error->line);
    }
    char file[4 * sizeof error->file], name[4 * sizeof error->column], column[sizeof name + 16] = "";
    copy_printable(error->file, file, sizeof file);
    copy_printable(error->column, name, sizeof name);
    if (name[0] != '\0') {
        snprintf(column, sizeof column, "column '%s': ", name);
    }
    snprintf(out, size, "%s%s%s%s%s", file, line, file[0] != '\0' ? ": " : "", column, error->text);
}

void mi_notes_say(const struct mi_notes *notes, const char *format, ...) {
    if (notes == NULL || notes->say == NULL) {
        return;
    }
    char raw[1024], text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(raw, sizeof raw, format, arguments);
    va_end(arguments);
    copy_printable(raw, text, sizeof text);
    notes->say(notes->user, text);
}

const char *mi_version(void) {
    return MI_VERSION;
}

enum mi_status mi_init(const char *version, struct mi_error *error) {
    if (version == NULL || strcmp(version, MI_VERSION) != 0) {
        return mi_error_set(error, MI_BAD_ARGUMENT, "compiled against libmi %s, running with libmi %s",
                            version != NULL ? version : "(none)", MI_VERSION);
    }
    gsl_set_error_handler_off();
    return MI_OK;
}
