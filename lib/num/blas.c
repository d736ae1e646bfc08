/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Matrix products by OpenBLAS, loaded when first needed, else by GSL and what stands here.
 */
#include "num/blas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

typedef void sgemm_function(enum CBLAS_ORDER, enum CBLAS_TRANSPOSE, enum CBLAS_TRANSPOSE, int, int, int,
                            float, const float *, int, const float *, int, float, float *, int);
typedef void dsyrk_function(enum CBLAS_ORDER, enum CBLAS_UPLO, enum CBLAS_TRANSPOSE, int, int, double,
                            const double *, int, double, double *, int);
typedef void threads_function(int);

static sgemm_function *fast_sgemm;
static dsyrk_function *fast_dsyrk;

/* Copies the address: ISO C has no conversion between pointers to objects and to functions. */
static void find(void *library, const char *name, void *function, size_t size) {
    void *address = dlsym(library, name);
    memcpy(function, &address, size);
}

/* ---- products without OpenBLAS ---- */

enum { ROWS = 4, DEEP = 256, WIDE = 16 };

typedef float floats __attribute__((vector_size(WIDE * sizeof(float))));
typedef void tile_function(size_t inner, const float *const a[ROWS], size_t step, const floats *strip,
                           floats sums[ROWS]);

/* Adds ROWS rows of A, whose columns are `step` apart, times a strip of B to a tile of the product, whose
 * sums stay in registers. Each product and each sum is rounded for itself, and they come in one order: the
 * bits are the same whatever the processor that it is compiled for. */
#define DEFINE_TILE(name, processor)                                                                         \
    processor static void name(size_t inner, const float *const a[ROWS], size_t step, const floats *strip,   \
                               floats sums[ROWS]) {                                                          \
        floats sum_0 = sums[0], sum_1 = sums[1], sum_2 = sums[2], sum_3 = sums[3];                           \
        for (size_t k = 0; k < inner; k++) {                                                                 \
            sum_0 += a[0][k * step] * strip[k];                                                              \
            sum_1 += a[1][k * step] * strip[k];                                                              \
            sum_2 += a[2][k * step] * strip[k];                                                              \
            sum_3 += a[3][k * step] * strip[k];                                                              \
        }                                                                                                    \
        sums[0] = sum_0;                                                                                     \
        sums[1] = sum_1;                                                                                     \
        sums[2] = sum_2;                                                                                     \
        sums[3] = sum_3;                                                                                     \
    }

DEFINE_TILE(plain_tile, )
static tile_function *add_tile = plain_tile;

#ifdef __x86_64__
DEFINE_TILE(avx2_tile, __attribute__((target("avx2"))))
DEFINE_TILE(avx512_tile, __attribute__((target("avx512f"))))
#endif

static void choose_tile(void) {
#ifdef __x86_64__
    __builtin_cpu_init();
    add_tile = __builtin_cpu_supports("avx512f") ? avx512_tile
               : __builtin_cpu_supports("avx2")  ? avx2_tile
                                                 : plain_tile;
#endif
}

/* A matrix that is read: the distance of neighbours in a column and in a row. */
struct matrix {
    const float *at;
    size_t down, right;
};

static struct matrix matrix_of(const float *at, enum CBLAS_TRANSPOSE transpose, int stride) {
    bool plain = transpose == CblasNoTrans;
    return (struct matrix){at, plain ? (size_t)stride : 1, plain ? 1 : (size_t)stride};
}

static void take_strip(const struct matrix *b, size_t from, size_t deep, size_t left, size_t wide,
                       floats *strip) {
    float values[WIDE] = {0};
    for (size_t k = 0; k < deep; k++) {
        for (size_t j = 0; j < wide; j++) {
            values[j] = b->at[(from + k) * b->down + (left + j) * b->right];
        }
        memcpy(&strip[k], values, sizeof values);
    }
}

/* Adds the products of `deep` columns of A with a strip of B to the strip of C. Where rows run out the last
 * one stands in. */
static void add_strip(const struct matrix *a, size_t rows, size_t from, size_t deep, const floats *strip,
                      size_t wide, float *c, size_t c_down) {
    for (size_t top = 0; top < rows; top += ROWS) {
        size_t high = rows - top < ROWS ? rows - top : ROWS;
        const float *lines[ROWS];
        floats sums[ROWS] = {{0}};
        for (size_t i = 0; i < ROWS; i++) {
            size_t row = top + (i < high ? i : high - 1);
            lines[i] = a->at + row * a->down + from * a->right;
            memcpy(&sums[i], c + row * c_down, wide * sizeof *c);
        }
        add_tile(deep, lines, a->right, strip, sums);
        for (size_t i = 0; i < high; i++) {
            memcpy(c + (top + i) * c_down, &sums[i], wide * sizeof *c);
        }
    }
}

/* C += A B. */
static void add_product(const struct matrix *a, const struct matrix *b, size_t rows, size_t columns,
                        size_t inner, float *c, size_t c_down) {
    floats strip[DEEP];
    for (size_t left = 0; left < columns; left += WIDE) {
        size_t wide = columns - left < WIDE ? columns - left : WIDE;
        for (size_t from = 0; from < inner; from += DEEP) {
            size_t deep = inner - from < DEEP ? inner - from : DEEP;
            take_strip(b, from, deep, left, wide, strip);
            add_strip(a, rows, from, deep, strip, wide, c + left, c_down);
        }
    }
}

/* ---- the best there is ---- */

static void load(void) {
    threads_function *set_threads;
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        choose_tile();
        return;
    }
    find(library, "openblas_set_num_threads", &set_threads, sizeof set_threads);
    if (set_threads != NULL) {
        set_threads(1);
        find(library, "cblas_sgemm", &fast_sgemm, sizeof fast_sgemm);
        find(library, "cblas_dsyrk", &fast_dsyrk, sizeof fast_dsyrk);
    }
}

static void start(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
}

void mi_blas_sgemm(enum CBLAS_TRANSPOSE transpose_a, enum CBLAS_TRANSPOSE transpose_b, int rows, int columns,
                   int inner, const float *a, int stride_a, const float *b, int stride_b, float beta,
                   float *c, int stride_c) {
    start();
    if (fast_sgemm != NULL) {
        fast_sgemm(CblasRowMajor, transpose_a, transpose_b, rows, columns, inner, 1, a, stride_a, b, stride_b,
                   beta, c, stride_c);
        return;
    }
    for (int i = 0; i < rows && beta != 1; i++) {
        for (int j = 0; j < columns; j++) {
            float *cell = &c[(size_t)i * (size_t)stride_c + (size_t)j];
            *cell = beta == 0 ? 0 : beta * *cell;
        }
    }
    struct matrix from_a = matrix_of(a, transpose_a, stride_a), from_b = matrix_of(b, transpose_b, stride_b);
    add_product(&from_a, &from_b, (size_t)rows, (size_t)columns, (size_t)inner, c, (size_t)stride_c);
}

void mi_blas_dsyrk(enum CBLAS_ORDER order, enum CBLAS_UPLO triangle, enum CBLAS_TRANSPOSE transpose, int size,
                   int inner, double alpha, const double *a, int stride_a, double beta, double *c,
                   int stride_c) {
    start();
    dsyrk_function *dsyrk = fast_dsyrk != NULL ? fast_dsyrk : cblas_dsyrk;
    dsyrk(order, triangle, transpose, size, inner, alpha, a, stride_a, beta, c, stride_c);
}
