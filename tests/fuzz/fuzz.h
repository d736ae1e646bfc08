/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a fuzz target and its driver have to say to each other. A target states a property of any input; the
 * driver tries it on a corpus and on random inputs made of the target's words. LLVMFuzzerTestOneInput() is
 * the name that libFuzzer looks for: with clang -fsanitize=fuzzer a target runs without the driver.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* Words that random inputs are made of; NULL ends them. */
extern const char *const fuzz_words[];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Says which property does not hold, and aborts. */
_Noreturn void fuzz_broken(const char *property);

/* The bytes as a file, since the reader reads files; the same one each time. */
const char *fuzz_file(const uint8_t *data, size_t size);

/* All that the reader finds in the bytes as one comparable text: per row its filled cells as
 * "column-number=size:bytes;", a newline; "!" at the end where it refused. buffer_size as in
 * mi_reader_options. */
void fuzz_read(const uint8_t *data, size_t size, enum mi_format format, size_t buffer_size,
               struct mi_buffer *found);
/* Adds one cell in that form; nothing where it is empty. What reads as a JSON number, object or array is
 * written in one form, whatever its spaces and digits, since only its value matters. */
void fuzz_cell(struct mi_buffer *found, size_t column, const char *data, size_t size);
/* Compares the reader, whole and in small reads, with what the reference found. */
void fuzz_compare(const uint8_t *data, size_t size, enum mi_format format, struct mi_buffer *expected);

/* Whether the bytes are UTF-8 without NUL, by jansson. */
bool fuzz_is_text(const uint8_t *data, size_t size);

#endif
