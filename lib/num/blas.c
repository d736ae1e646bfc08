/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Matrix products by OpenBLAS, loaded when first needed, else by GSL.
 */
#include "num/blas.h"

#include <dlfcn.h>
#include <pthread.h>
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

static void load(void) {
    threads_function *set_threads;
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
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

void mi_blas_sgemm(enum CBLAS_ORDER order, enum CBLAS_TRANSPOSE transpose_a, enum CBLAS_TRANSPOSE transpose_b,
                   int rows, int columns, int inner, float alpha, const float *a, int stride_a,
                   const float *b, int stride_b, float beta, float *c, int stride_c) {
    start();
    sgemm_function *sgemm = fast_sgemm != NULL ? fast_sgemm : cblas_sgemm;
    sgemm(order, transpose_a, transpose_b, rows, columns, inner, alpha, a, stride_a, b, stride_b, beta, c,
          stride_c);
}

void mi_blas_dsyrk(enum CBLAS_ORDER order, enum CBLAS_UPLO triangle, enum CBLAS_TRANSPOSE transpose, int size,
                   int inner, double alpha, const double *a, int stride_a, double beta, double *c,
                   int stride_c) {
    start();
    dsyrk_function *dsyrk = fast_dsyrk != NULL ? fast_dsyrk : cblas_dsyrk;
    dsyrk(order, triangle, transpose, size, inner, alpha, a, stride_a, beta, c, stride_c);
}
