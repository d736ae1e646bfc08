/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Matrix products, whatever computes them, against three plain loops: shapes on both sides of the tiles'
 * edges, with and without transposes, rows that are wider than the matrix.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <gsl/gsl_rng.h>

#include "num/blas.h"

enum { MOST = 300, STRIDE = MOST + 3 };

static float a[MOST * STRIDE], b[MOST * STRIDE], c[MOST * STRIDE], before[MOST * STRIDE];

static double cell(const float *matrix, enum CBLAS_TRANSPOSE transpose, int row, int column) {
    return (double)(transpose == CblasNoTrans ? matrix[row * STRIDE + column]
                                              : matrix[column * STRIDE + row]);
}

static void try(enum CBLAS_TRANSPOSE of_a, enum CBLAS_TRANSPOSE of_b, int rows, int columns, int inner,
                float beta) {
    for (int i = 0; i < MOST * STRIDE; i++) {
        c[i] = before[i];
    }
    mi_blas_sgemm(of_a, of_b, rows, columns, inner, a, STRIDE, b, STRIDE, beta, c, STRIDE);
    for (int i = 0; i < MOST; i++) {
        for (int j = 0; j < STRIDE; j++) {
            double sum = (double)before[i * STRIDE + j];
            if (i < rows && j < columns) {
                sum *= (double)beta;
                for (int k = 0; k < inner; k++) {
                    sum += cell(a, of_a, i, k) * cell(b, of_b, k, j);
                }
            }
            double error = fabs((double)c[i * STRIDE + j] - sum);
            if (error > (i < rows && j < columns ? 1e-5 * (1 + inner) : 0)) {
                fail_msg("%d x %d x %d, row %d, column %d: off by %g", rows, inner, columns, i, j, error);
            }
        }
    }
}

static void test_products(void **state) {
    (void)state;
    static const int shapes[][3] = {{1, 1, 1},    {4, 16, 8},    {5, 17, 3},     {128, 48, 210},
                                    {3, 3, 24},   {128, 24, 48}, {210, 48, 128}, {7, 33, 257},
                                    {2, 16, 300}, {130, 210, 48}};
    static const enum CBLAS_TRANSPOSE ways[] = {CblasNoTrans, CblasTrans};
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    for (int i = 0; i < MOST * STRIDE; i++) {
        a[i] = (float)gsl_rng_uniform(random) - 0.5f;
        b[i] = (float)gsl_rng_uniform(random) - 0.5f;
        before[i] = (float)gsl_rng_uniform(random) - 0.5f;
    }
    gsl_rng_free(random);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (size_t way = 0; way < 4; way++) {
            for (int beta = 0; beta < 3; beta++) {
                try(ways[way / 2], ways[way % 2], shapes[i][0], shapes[i][1], shapes[i][2],
                    0.5f * (float)beta);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
