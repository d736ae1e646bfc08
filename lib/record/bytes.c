/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Bytes into the reader's buffer, and the errors that are about the input rather than about a cell.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "record/fill.h"

enum mi_status mi_input_fault(const struct mi_reader *reader, uint64_t line, struct mi_error *error,
                              enum mi_status code, const char *text) {
    if (error != NULL) {
        *error = (struct mi_error){.line = line};
        snprintf(error->file, sizeof error->file, "%s", reader->name);
    }
    return mi_error_set(error, code, "%s", text);
}

/* ---- bytes ---- */

static bool has_suspicious(const char *data, size_t size) {
    uint64_t all = 0;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t word;
        memcpy(&word, data + i, 8);
        all |= word;
    }
    for (; i < size; i++) {
        all |= (unsigned char)data[i];
    }
    return (all & UINT64_C(0x8080808080808080)) != 0 || memchr(data, '\0', size) != NULL;
}

/* Room for at least one more read() behind `end`; the bytes not scanned move to the front unless a whole
 * batch points into them. */
static enum mi_status make_room(struct mi_reader *reader, struct mi_error *error) {
    size_t wanted = reader->options.buffer_size;
    bool keep = reader->options.whole;
    if (!keep && reader->start > 0) {
        memmove(reader->buffer, reader->buffer + reader->start, reader->end - reader->start);
        reader->end -= reader->start;
        reader->start = 0;
    }
    if (reader->capacity - reader->end >= (keep || reader->end > 0 ? 1 : wanted)) {
        return MI_OK;
    }
    size_t capacity = reader->capacity == 0 ? wanted : reader->capacity * 2;
    capacity = capacity < UINT32_MAX ? capacity : UINT32_MAX - 1;
    if (capacity <= reader->capacity) {
        return mi_input_fault(reader, 0, error, MI_BAD_INPUT,
                              "larger than 4 GiB: too large to be held at once");
    }
    char *buffer = realloc(reader->buffer, capacity);
    if (buffer == NULL) {
        return mi_no_memory(error);
    }
    reader->buffer = buffer;
    reader->capacity = capacity;
    return MI_OK;
}

/* What read() says, of the file or of the content given in its place. */
static ssize_t get_bytes(struct mi_reader *reader, char *to, size_t room) {
    const struct mi_text content = reader->options.content;
    if (content.data != NULL) {
        size_t left = content.size - reader->taken, size = left < room ? left : room;
        memcpy(to, content.data + reader->taken, size);
        reader->taken += size;
        return (ssize_t)size;
    }
    ssize_t got;
    do {
        got = read(reader->descriptor, to, room);
    } while (got < 0 && errno == EINTR);
    return got;
}

enum mi_status mi_reader_read_more(struct mi_reader *reader, struct mi_error *error) {
    enum mi_status status = make_room(reader, error);
    if (status != MI_OK) {
        return status;
    }
    ssize_t got = get_bytes(reader, reader->buffer + reader->end, reader->capacity - reader->end);
    if (got < 0) {
        char text[160];
        snprintf(text, sizeof text, "cannot read: %s", strerror(errno));
        return mi_input_fault(reader, 0, error, MI_SYSTEM, text);
    }
    bool was_empty = reader->start == reader->end && !reader->options.whole;
    bool found = has_suspicious(reader->buffer + reader->end, (size_t)got);
    reader->suspicious = found || (reader->suspicious && !was_empty);
    reader->end += (size_t)got;
    reader->ended = got == 0;
    return MI_OK;
}
