/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An ordered set of texts: open addressing with linear probing, texts in an arena.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "mi.h"

struct entry {
    const char *data;
    size_t size;
    uint64_t hash;
};

/* head: a text of at most 7 bytes and its size, else 7 bytes of it and 255. A table is far larger than the
 * cache: where the head is the whole text there is no further place to look at. */
struct slot {
    uint64_t head;
    uint32_t tag;    /* upper half of the hash */
    uint32_t number; /* + 1, 0: free */
};

struct mi_index {
    struct entry *entries; /* in order of appearance */
    size_t count, capacity;
    struct slot *table;
    size_t mask; /* slots - 1 */
    struct mi_arena texts;
};

/* FNV-1a over eight bytes at a time, then mixed: ids are short and alike. */
static uint64_t hash_of(const char *data, size_t size) {
    uint64_t hash = MI_HASH_START ^ size;
    for (; size >= 8; data += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    hash = mi_hash(hash, data, size);
    hash ^= hash >> 29;
    hash *= 0xbf58476d1ce4e5b9u;
    return hash ^ hash >> 32;
}

#define HEAD_BYTES 7

static uint64_t head_of(const char *data, size_t size) {
    uint64_t head = 0;
    if (size > 0) {
        memcpy(&head, data, size < HEAD_BYTES ? size : HEAD_BYTES);
    }
    unsigned char last = size <= HEAD_BYTES ? (unsigned char)size : 255;
    memcpy((char *)&head + HEAD_BYTES, &last, 1);
    return head;
}

static struct slot slot_for(const struct entry *entry, size_t number) {
    return (struct slot){head_of(entry->data, entry->size), (uint32_t)(entry->hash >> 32),
                         (uint32_t)(number + 1)};
}

static bool grow_table(struct mi_index *index, size_t slots) {
    struct slot *table = calloc(slots, sizeof *table);
    if (table == NULL) {
        return false;
    }
    for (size_t number = 0; number < index->count; number++) {
        size_t slot = index->entries[number].hash & (slots - 1);
        while (table[slot].number != 0) {
            slot = (slot + 1) & (slots - 1);
        }
        table[slot] = slot_for(&index->entries[number], number);
    }
    free(index->table);
    index->table = table;
    index->mask = slots - 1;
    return true;
}

static bool grow_entries(struct mi_index *index) {
    size_t capacity = index->capacity * 2;
    struct entry *entries = realloc(index->entries, capacity * sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    index->entries = entries;
    index->capacity = capacity;
    return true;
}

enum mi_status mi_index_new(struct mi_index **index, struct mi_error *error) {
    struct mi_index *made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->capacity = 32;
        made->entries = malloc(made->capacity * sizeof *made->entries);
    }
    if (made == NULL || made->entries == NULL || !grow_table(made, 64)) {
        mi_index_free(made);
        return mi_error_set(error, MI_NO_MEMORY, "out of memory");
    }
    *index = made;
    return MI_OK;
}

void mi_index_free(struct mi_index *index) {
    if (index != NULL) {
        mi_arena_free(&index->texts);
        free(index->entries);
        free(index->table);
        free(index);
    }
}

/* The slot where the text is or would be. */
static size_t slot_of(const struct mi_index *index, struct mi_text text, uint64_t hash) {
    uint64_t head = head_of(text.data, text.size);
    for (size_t slot = hash & index->mask;; slot = (slot + 1) & index->mask) {
        const struct slot *taken = &index->table[slot];
        if (taken->number == 0) {
            return slot;
        }
        if (taken->head != head || taken->tag != hash >> 32) {
            continue;
        }
        const struct entry *entry = &index->entries[taken->number - 1];
        if (text.size <= HEAD_BYTES ||
            (entry->size == text.size && memcmp(entry->data, text.data, text.size) == 0)) {
            return slot;
        }
    }
}

enum mi_status mi_index_add(struct mi_index *index, struct mi_text text, size_t *number, bool *added,
                            struct mi_error *error) {
    uint64_t hash = hash_of(text.data, text.size);
    size_t slot = slot_of(index, text, hash);
    bool is_new = index->table[slot].number == 0;
    if (is_new) {
        if (index->count >= UINT32_MAX - 1) {
            return mi_error_set(error, MI_BAD_INPUT, "more than %u different texts", UINT32_MAX - 1);
        }
        const char *copy = mi_arena_copy(&index->texts, text.data, text.size);
        if (copy == NULL || (index->count == index->capacity && !grow_entries(index)) ||
            (index->count * 2 > index->mask && !grow_table(index, (index->mask + 1) * 2))) {
            return mi_error_set(error, MI_NO_MEMORY, "out of memory");
        }
        slot = slot_of(index, text, hash);
        index->entries[index->count] = (struct entry){copy, text.size, hash};
        index->table[slot] = slot_for(&index->entries[index->count], index->count);
        index->count++;
    }
    *number = index->table[slot].number - 1;
    if (added != NULL) {
        *added = is_new;
    }
    return MI_OK;
}

size_t mi_index_find(const struct mi_index *index, struct mi_text text) {
    uint32_t number = index->table[slot_of(index, text, hash_of(text.data, text.size))].number;
    return number == 0 ? SIZE_MAX : number - 1;
}

size_t mi_index_size(const struct mi_index *index) {
    return index->count;
}

struct mi_text mi_index_text(const struct mi_index *index, size_t number) {
    return (struct mi_text){index->entries[number].data, index->entries[number].size};
}
