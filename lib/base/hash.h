/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * FNV-1a, 64 bits: fingerprints of training data, checksums of model files, places in tables.
 */
#ifndef MI_BASE_HASH_H
#define MI_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define MI_HASH_START 0xcbf29ce484222325u

static inline uint64_t mi_hash(uint64_t hash, const void *data, size_t size) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    }
    return hash;
}

#endif
