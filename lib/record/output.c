/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where bytes go. A file is written beside its target, synced and renamed, so that a reader sees the old one
 * or the new one and never a part.
 */
#define _XOPEN_SOURCE 700 /* realpath */

#include "record/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static enum mi_status output_fail(const struct mi_output *output, struct mi_error *error, const char *what) {
    int code = errno;
    if (error != NULL) {
        *error = (struct mi_error){0};
        snprintf(error->file, sizeof error->file, "%s", output->name);
    }
    if (code == ENOMEM) {
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    return mi_error_set(error, MI_SYSTEM, "%s: %s", what, strerror(code));
}

/* The folder of a path, malloc'ed. */
static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return mi_text_copy(mi_text_of("."));
    }
    return mi_text_copy((struct mi_text){path, slash == path ? 1 : (size_t)(slash - path)});
}

/* Opens a file beside the target that was not there before, with the mode that the umask gives. */
static int open_beside(struct mi_output *output) {
    char *folder = folder_of(output->target);
    const char *slash = strrchr(output->target, '/');
    const char *base = slash != NULL ? slash + 1 : output->target;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int descriptor = -1;
    struct mi_buffer name = {0};
    for (unsigned attempt = 0; folder != NULL && attempt < 100; attempt++) {
        name.size = 0;
        mi_buffer_print(&name, "%s/.%s.%ld.%ld.%u.tmp", folder, base, (long)getpid(), now.tv_nsec, attempt);
        mi_buffer_byte(&name, '\0');
        if (name.failed) {
            errno = ENOMEM;
            break;
        }
        descriptor = open(name.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor >= 0 || errno != EEXIST) {
            break;
        }
    }
    free(folder);
    if (descriptor < 0) {
        int code = errno;
        mi_buffer_free(&name);
        errno = code;
        return -1;
    }
    output->temporary = name.data;
    return descriptor;
}

static enum mi_status open_file(struct mi_output *output, const char *path, struct mi_error *error) {
    struct stat there;
    bool exists = stat(path, &there) == 0;
    if (*path == '\0') {
        return output_fail(output, error, "cannot write"); /* as stat() said */
    }
    if (exists && !S_ISREG(there.st_mode)) {
        output->descriptor = open(path, O_WRONLY | O_CLOEXEC);
        return output->descriptor < 0 ? output_fail(output, error, "cannot write") : MI_OK;
    }
    /* A symbolic link stays one: what it points to is replaced. */
    output->target = exists ? realpath(path, NULL) : mi_text_copy(mi_text_of(path));
    if (output->target == NULL) {
        return output_fail(output, error, "cannot write");
    }
    output->descriptor = open_beside(output);
    if (output->descriptor < 0) {
        return output_fail(output, error, "cannot write");
    }
    if (exists && fchmod(output->descriptor, there.st_mode & 07777) != 0) {
        return output_fail(output, error, "cannot set the mode");
    }
    return MI_OK;
}

enum mi_status mi_output_open(struct mi_output *output, const char *path, struct mi_error *error) {
    *output = (struct mi_output){.descriptor = STDOUT_FILENO};
    if (path == NULL || strcmp(path, "-") == 0) {
        snprintf(output->name, sizeof output->name, "standard output");
        return MI_OK;
    }
    snprintf(output->name, sizeof output->name, "%s", path);
    enum mi_status status = open_file(output, path, error);
    if (status != MI_OK) {
        mi_output_discard(output);
    }
    return status;
}

enum mi_status mi_output_flush(struct mi_output *output, struct mi_error *error) {
    if (output->pending.failed) {
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    for (size_t done = 0; done < output->pending.size;) {
        ssize_t wrote = write(output->descriptor, output->pending.data + done, output->pending.size - done);
        if (wrote < 0 && errno != EINTR) {
            bool closed = errno == EPIPE;
            output->pending.size = 0;
            return closed ? mi_error_set(error, MI_CLOSED, "nobody reads the output")
                          : output_fail(output, error, "cannot write");
        }
        if (wrote > 0) {
            output->wrote = true;
            done += (size_t)wrote;
        }
    }
    output->pending.size = 0;
    return MI_OK;
}

/* Makes the rename itself last. */
static void sync_folder(const char *path) {
    char *folder = folder_of(path);
    int descriptor = folder != NULL ? open(folder, O_RDONLY | O_CLOEXEC) : -1;
    if (descriptor >= 0) {
        fsync(descriptor); /* not every file system can: the rename stands all the same */
        close(descriptor);
    }
    free(folder);
}

static enum mi_status commit_file(struct mi_output *output, struct mi_error *error) {
    if (fsync(output->descriptor) != 0) {
        return output_fail(output, error, "cannot sync");
    }
    int closed = close(output->descriptor);
    output->descriptor = -1;
    if (closed != 0) {
        return output_fail(output, error, "cannot close");
    }
    if (rename(output->temporary, output->target) != 0) {
        return output_fail(output, error, "cannot rename");
    }
    free(output->temporary);
    output->temporary = NULL;
    sync_folder(output->target);
    return MI_OK;
}

enum mi_status mi_output_commit(struct mi_output *output, struct mi_error *error) {
    enum mi_status status = mi_output_flush(output, error);
    if (status == MI_OK && output->target != NULL) {
        status = commit_file(output, error);
    } else if (status == MI_OK) {
        /* Some file systems report a lost write only when a descriptor is closed. */
        int copy = dup(output->descriptor);
        if (copy < 0 || close(copy) != 0) {
            status = output_fail(output, error, "cannot write");
        }
    }
    mi_output_discard(output);
    return status;
}

void mi_output_discard(struct mi_output *output) {
    if (output->descriptor > STDERR_FILENO) {
        close(output->descriptor);
    }
    output->descriptor = -1;
    if (output->temporary != NULL) {
        unlink(output->temporary);
    }
    free(output->temporary);
    free(output->target);
    output->temporary = output->target = NULL;
    mi_buffer_free(&output->pending);
}
