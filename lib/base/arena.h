/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Memory that is given back all at once.
 */
#ifndef MI_BASE_ARENA_H
#define MI_BASE_ARENA_H

#include <stddef.h>

struct mi_arena_block;

struct mi_arena {
    struct mi_arena_block *blocks; /* newest first */
};

/* `size` bytes aligned for any type, or NULL. */
void *mi_arena_alloc(struct mi_arena *arena, size_t size);
/* A copy of the bytes with a NUL behind, or NULL. */
char *mi_arena_copy(struct mi_arena *arena, const char *data, size_t size);
/* Forgets everything, keeps one block for what comes. */
void mi_arena_reset(struct mi_arena *arena);
void mi_arena_free(struct mi_arena *arena);

#endif
