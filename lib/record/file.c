/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whole files: read into memory, written at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "record/output.h"

enum mi_status mi_file_write(const char *path, struct mi_text content, struct mi_error *error) {
    struct mi_output output;
    enum mi_status status = mi_output_open(&output, path, error);
    if (status != MI_OK) {
        return status;
    }
    mi_buffer_append(&output.pending, content.data, content.size);
    return mi_output_commit(&output, error);
}

static enum mi_status read_all(int descriptor, size_t limit, struct mi_buffer *content,
                               struct mi_error *error) {
    for (;;) {
        if (!mi_buffer_reserve(content, 65536)) {
            return mi_error_set(error, MI_NO_MEMORY, "out of memory");
        }
        ssize_t got = read(descriptor, content->data + content->size, content->capacity - content->size - 1);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return mi_error_set(error, MI_SYSTEM, "cannot read: %s", strerror(errno));
        }
        if (got == 0) {
            content->data[content->size] = '\0';
            return MI_OK;
        }
        content->size += (size_t)got;
        if (content->size > limit) {
            return mi_error_set(error, MI_BAD_INPUT, "larger than %zu bytes", limit);
        }
    }
}

enum mi_status mi_file_read(const char *path, size_t limit, char **content, size_t *size,
                            struct mi_error *error) {
    struct mi_buffer buffer = {0};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    enum mi_status status = descriptor < 0
                                ? mi_error_set(error, MI_SYSTEM, "cannot open: %s", strerror(errno))
                                : read_all(descriptor, limit, &buffer, error);
    if (descriptor >= 0) {
        close(descriptor);
    }
    if (status != MI_OK) {
        if (error != NULL) {
            snprintf(error->file, sizeof error->file, "%s", path);
        }
        mi_buffer_free(&buffer);
        return status;
    }
    *content = buffer.data;
    *size = buffer.size;
    return MI_OK;
}
