/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A library to preload. FAIL=malloc:7 makes the 7th allocation of the program return NULL; FAIL=read:7,
 * write:7, fsync:1 and rename:1 make that call end with EIO, ENOSPC for write; short-read, short-write and
 * interrupt (EINTR before every other call) disturb every call without being failures. FAIL_COUNT=FILE
 * receives the number of calls of each kind when the program ends, so that a test can go through all of them.
 *
 * Only calls of the program and libmi count, not those that the dynamic loader or stdio make by themselves.
 * Those by which jansson's lexer makes room for a longer string are left alone: jansson 2.14 does not look
 * whether they succeed, and crashes. They are told by their sizes, which are powers of two.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum kind { MALLOC, READ, WRITE, FSYNC, RENAME, KINDS };
static const char *const names[KINDS] = {"malloc", "read", "write", "fsync", "rename"};

static unsigned long calls[KINDS], fail_at[KINDS];
static bool short_reads, short_writes, interrupts, ready;

static uintptr_t jansson_start, jansson_end; /* its code */

static int find_jansson(struct dl_phdr_info *object, size_t size, void *unused) {
    (void)size;
    (void)unused;
    for (int i = 0; strstr(object->dlpi_name, "libjansson") != NULL && i < object->dlpi_phnum; i++) {
        if (object->dlpi_phdr[i].p_type == PT_LOAD && object->dlpi_phdr[i].p_flags & PF_X) {
            jansson_start = object->dlpi_addr + object->dlpi_phdr[i].p_vaddr;
            jansson_end = jansson_start + object->dlpi_phdr[i].p_memsz;
        }
    }
    return 0;
}

static bool is_lexer(const void *caller, size_t size) {
    uintptr_t address = (uintptr_t)caller;
    return size >= 32 && (size & (size - 1)) == 0 && address >= jansson_start && address < jansson_end;
}

__attribute__((constructor)) static void start(void) {
    dl_iterate_phdr(find_jansson, NULL);
    const char *fail = getenv("FAIL");
    fail = fail == NULL ? "" : fail;
    for (int kind = 0; kind < KINDS; kind++) {
        size_t length = strlen(names[kind]);
        if (strncmp(fail, names[kind], length) == 0 && fail[length] == ':') {
            fail_at[kind] = strtoul(fail + length + 1, NULL, 10);
        }
    }
    short_reads = strcmp(fail, "short-read") == 0;
    short_writes = strcmp(fail, "short-write") == 0;
    interrupts = strcmp(fail, "interrupt") == 0;
    ready = true;
}

__attribute__((destructor)) static void end(void) {
    ready = false;
    const char *path = getenv("FAIL_COUNT");
    FILE *file = path == NULL ? NULL : fopen(path, "w");
    if (file == NULL) {
        return;
    }
    for (int kind = 0; kind < KINDS; kind++) {
        fprintf(file, "%s %lu\n", names[kind], calls[kind]);
    }
    fclose(file);
}

/* Counts a call; true: it has to fail. */
static bool fails(enum kind kind) {
    if (!ready) {
        return false;
    }
    return __atomic_add_fetch(&calls[kind], 1, __ATOMIC_RELAXED) == fail_at[kind];
}

/* The next definition of a function, as any pointer to function. */
typedef void function(void);
static function *next(const char *name) {
    void *object = dlsym(RTLD_NEXT, name);
    function *result;
    memcpy(&result, &object, sizeof result);
    return result;
}

/* glibc's own names of its allocator: looking these up with dlsym() would allocate. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size) {
    if (!is_lexer(__builtin_return_address(0), size) && fails(MALLOC)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    if (fails(MALLOC)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    if (fails(MALLOC)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(old, size);
}

/* Every other call is interrupted. */
static bool interrupted(enum kind kind) {
    if (interrupts && calls[kind] % 2 == 1) {
        errno = EINTR;
        return true;
    }
    return false;
}

ssize_t read(int file, void *buffer, size_t size) {
    if (fails(READ)) {
        errno = EIO;
        return -1;
    }
    if (interrupted(READ)) {
        return -1;
    }
    ssize_t (*real)(int, void *, size_t) = (ssize_t(*)(int, void *, size_t))next("read");
    return real(file, buffer, short_reads && size > 7 ? 7 : size);
}

ssize_t write(int file, const void *buffer, size_t size) {
    if (file != STDERR_FILENO) {
        if (fails(WRITE)) {
            errno = ENOSPC;
            return -1;
        }
        if (interrupted(WRITE)) {
            return -1;
        }
    }
    ssize_t (*real)(int, const void *, size_t) = (ssize_t(*)(int, const void *, size_t))next("write");
    return real(file, buffer, short_writes && size > 7 ? 7 : size);
}

int fsync(int file) {
    if (fails(FSYNC)) {
        errno = EIO;
        return -1;
    }
    int (*real)(int) = (int (*)(int))next("fsync");
    return real(file);
}

int rename(const char *from, const char *to) {
    if (fails(RENAME)) {
        errno = EIO;
        return -1;
    }
    int (*real)(const char *, const char *) = (int (*)(const char *, const char *))next("rename");
    return real(from, to);
}
