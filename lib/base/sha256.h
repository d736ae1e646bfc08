/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SHA-256 (FIPS 180-4): checksums of what is kept, fingerprints of inputs.
 */
#ifndef MI_BASE_SHA256_H
#define MI_BASE_SHA256_H

#include "mi.h"

#define MI_SHA256_TEXT 65 /* 64 hexadecimal digits and a NUL */

void mi_sha256(const void *data, size_t size, char out[MI_SHA256_TEXT]);

#endif
