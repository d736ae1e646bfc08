/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Memory that is given back all at once.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 16384 };

struct mi_arena_block {
    struct mi_arena_block *next;
    size_t used, capacity;
    alignas(max_align_t) char data[];
};

static struct mi_arena_block *block_new(struct mi_arena *arena, size_t size) {
    size_t capacity = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    struct mi_arena_block *block = malloc(sizeof *block + capacity);
    if (block != NULL) {
        block->next = arena->blocks;
        block->used = 0;
        block->capacity = capacity;
        arena->blocks = block;
    }
    return block;
}

void *mi_arena_alloc(struct mi_arena *arena, size_t size) {
    const size_t alignment = alignof(max_align_t);
    size = (size + alignment - 1) / alignment * alignment;
    struct mi_arena_block *block = arena->blocks;
    if (block == NULL || size > block->capacity - block->used) {
        block = block_new(arena, size);
        if (block == NULL) {
            return NULL;
        }
    }
    void *memory = block->data + block->used;
    block->used += size;
    return memory;
}

char *mi_arena_copy(struct mi_arena *arena, const char *data, size_t size) {
    char *copy = mi_arena_alloc(arena, size + 1);
    if (copy != NULL) {
        if (size > 0) {
            memcpy(copy, data, size);
        }
        copy[size] = '\0';
    }
    return copy;
}

void mi_arena_reset(struct mi_arena *arena) {
    struct mi_arena_block *block = arena->blocks;
    if (block == NULL) {
        return;
    }
    while (block->next != NULL) {
        struct mi_arena_block *next = block->next;
        free(block);
        block = next;
    }
    block->used = 0;
    arena->blocks = block;
}

void mi_arena_free(struct mi_arena *arena) {
    while (arena->blocks != NULL) {
        struct mi_arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
}
