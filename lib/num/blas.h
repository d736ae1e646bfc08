/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Matrix products by the cblas interface: OpenBLAS where it is installed, else GSL's own and, where that is
 * slow, one that stands here and gives the same bits on every processor. OpenBLAS is loaded at the first
 * product, not with the program: it takes some milliseconds, which most runs would pay for nothing. It is
 * held to one thread, so that sums do not depend on how many there are.
 */
#ifndef MI_NUM_BLAS_H
#define MI_NUM_BLAS_H

#include <gsl/gsl_cblas.h>

/* C = op(A) op(B) + beta C; all row by row. */
void mi_blas_sgemm(enum CBLAS_TRANSPOSE transpose_a, enum CBLAS_TRANSPOSE transpose_b, int rows, int columns,
                   int inner, const float *a, int stride_a, const float *b, int stride_b, float beta,
                   float *c, int stride_c);

/* As cblas_dsyrk(). */
void mi_blas_dsyrk(enum CBLAS_ORDER order, enum CBLAS_UPLO triangle, enum CBLAS_TRANSPOSE transpose, int size,
                   int inner, double alpha, const double *a, int stride_a, double beta, double *c,
                   int stride_c);

#endif
