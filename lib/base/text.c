/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Borrowed runs of bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "mi.h"

struct mi_text mi_text_of(const char *string) {
    return (struct mi_text){string, string != NULL ? strlen(string) : 0};
}

bool mi_text_equal(struct mi_text a, struct mi_text b) {
    if ((a.data == NULL) != (b.data == NULL) || a.size != b.size) {
        return false;
    }
    return a.size == 0 || memcmp(a.data, b.data, a.size) == 0;
}

char *mi_text_copy(struct mi_text text) {
    char *copy = malloc(text.size + 1);
    if (copy != NULL) {
        if (text.size > 0) {
            memcpy(copy, text.data, text.size);
        }
        copy[text.size] = '\0';
    }
    return copy;
}

uint64_t mi_text_hash(struct mi_text text) {
    uint64_t hash = mi_hash(MI_HASH_START, text.data, text.size);
    hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ hash >> 27) * 0x94d049bb133111ebu;
    hash ^= hash >> 31;
    return hash != 0 ? hash : 1;
}
