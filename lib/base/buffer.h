/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A growing run of bytes. Running out of memory sets `failed`, which sticks: callers check once, at the end.
 */
#ifndef MI_BASE_BUFFER_H
#define MI_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "mi.h"

struct mi_buffer {
    char *data;
    size_t size, capacity;
    bool failed;
};

/* Makes room for `more` bytes after size; false: no memory. */
bool mi_buffer_reserve(struct mi_buffer *buffer, size_t more);
void mi_buffer_append_slow(struct mi_buffer *buffer, const char *data, size_t size);
void mi_buffer_print(struct mi_buffer *buffer, const char *format, ...) MI_PRINTF(2, 3);
void mi_buffer_free(struct mi_buffer *buffer);

static inline void mi_buffer_append(struct mi_buffer *buffer, const char *data, size_t size) {
    if (size > buffer->capacity - buffer->size) {
        mi_buffer_append_slow(buffer, data, size);
    } else if (size > 0) {
        memcpy(buffer->data + buffer->size, data, size);
        buffer->size += size;
    }
}

static inline void mi_buffer_byte(struct mi_buffer *buffer, char byte) {
    mi_buffer_append(buffer, &byte, 1);
}

static inline void mi_buffer_string(struct mi_buffer *buffer, const char *string) {
    mi_buffer_append(buffer, string, strlen(string));
}

#endif
