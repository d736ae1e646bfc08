/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A growing run of bytes.
 */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool mi_buffer_reserve(struct mi_buffer *buffer, size_t more) {
    if (buffer->failed) {
        return false;
    }
    if (more <= buffer->capacity - buffer->size) {
        return true;
    }
    size_t wanted = buffer->size + more;
    size_t capacity = buffer->capacity < 256 ? 256 : buffer->capacity;
    while (capacity < wanted) {
        capacity += capacity / 2;
    }
    char *data = realloc(buffer->data, capacity);
    if (data == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

void mi_buffer_append_slow(struct mi_buffer *buffer, const char *data, size_t size) {
    if (mi_buffer_reserve(buffer, size)) {
        memcpy(buffer->data + buffer->size, data, size);
        buffer->size += size;
    }
}

void mi_buffer_print(struct mi_buffer *buffer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 || !mi_buffer_reserve(buffer, (size_t)length + 1)) {
        buffer->failed = true;
        return;
    }
    va_start(arguments, format);
    vsnprintf(buffer->data + buffer->size, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer->size += (size_t)length;
}

void mi_buffer_free(struct mi_buffer *buffer) {
    free(buffer->data);
    *buffer = (struct mi_buffer){0};
}
