/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * usage: fuzz-TARGET SECONDS SEED [FILE...]
 *
 * Tries a target without a fuzzer: first the files, then for so many seconds random texts of the target's
 * words and mutations of the files. Prints how many inputs it tried. An input that breaks the property is
 * left in the file broken-input of the working folder.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"

enum { LONGEST = 4096 };

static uint8_t input[LONGEST];
static size_t input_size;

static void keep_input(void) {
    FILE *file = fopen("broken-input", "w");
    if (file != NULL) {
        fwrite(input, 1, input_size, file);
        fclose(file);
    }
}

static void on_crash(int number) {
    keep_input();
    signal(number, SIG_DFL);
    raise(number);
}

void fuzz_broken(const char *property) {
    fprintf(stderr, "does not hold: %s\n", property);
    abort();
}

static uint64_t state;

static size_t below(size_t limit) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)((state >> 11) % limit);
}

static void append(const char *word) {
    size_t length = strlen(word);
    if (input_size + length <= LONGEST) {
        memcpy(input + input_size, word, length);
        input_size += length;
    }
}

static void random_words(void) {
    size_t words = 0;
    while (fuzz_words[words] != NULL) {
        words++;
    }
    input_size = 0;
    for (size_t left = 1 + below(below(4) == 0 ? 300 : 30); left > 0; left--) {
        append(fuzz_words[below(words)]);
    }
}

/* A few bytes changed, removed or doubled. */
static void mutate(void) {
    for (size_t left = below(4); left > 0 && input_size > 0; left--) {
        size_t at = below(input_size);
        switch (below(4)) {
        case 0:
            input[at] = (uint8_t)below(256);
            break;
        case 1:
            memmove(input + at, input + at + 1, input_size - at - 1);
            input_size--;
            break;
        case 2:
            input[at] = (uint8_t) ",\"\n\r\t\\{}[]:;=() "[below(16)];
            break;
        default:
            if (input_size < LONGEST) {
                memmove(input + at + 1, input + at, input_size - at);
                input_size++;
            }
        }
    }
}

static void load(const char *path) {
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    input_size = fread(input, 1, LONGEST, file);
    fclose(file);
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fputs("usage: fuzz-TARGET SECONDS SEED [FILE...]\n", stderr);
        return 2;
    }
    struct mi_error error;
    if (mi_init(MI_VERSION, &error) != MI_OK) {
        return 2;
    }
    signal(SIGABRT, on_crash);
    signal(SIGSEGV, on_crash);
    state = strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15u + 1;
    time_t stop = time(NULL) + (time_t)strtoul(argv[1], NULL, 10);
    for (int i = 3; i < argc; i++) {
        load(argv[i]);
        LLVMFuzzerTestOneInput(input, input_size);
    }
    unsigned long tried = (unsigned long)argc - 3;
    for (; time(NULL) < stop; tried++) {
        if (argc > 3 && below(3) == 0) {
            load(argv[3 + below((size_t)argc - 3)]);
        } else {
            random_words();
        }
        mutate();
        LLVMFuzzerTestOneInput(input, input_size);
    }
    printf("%lu\n", tried);
    return 0;
}
