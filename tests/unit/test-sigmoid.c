/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * -log(1 + e^-x) by table against libm: a fine walk, both sides of the edges of the table's intervals, and
 * what is no number in the table.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "num/sigmoid.h"

static void try(double x) {
    long double exact = x, wanted = fminl(exact, 0) - log1pl(expl(-fabsl(exact)));
    double got = x;
    mi_log_sigmoid(&got, 1);
    if (!(fabsl(got - wanted) <= 1e-14L + 1e-15L * fabsl(exact)))
        fail_msg("of %.17g: %.17g, not %.17g", x, got, (double)wanted);
}

static void agrees_with_libm(void **unused) {
    (void)unused;
    for (double x = -60; x < 60; x += 0.00031)
        try(x);
    for (int edge = -320; edge <= 320; edge++) {
        double x = edge / 8.0;
        try(x);
        try(nextafter(x, -INFINITY));
        try(nextafter(x, INFINITY));
    }
    try(0.0);
    try(1e300);
    try(-1e300);
}

static void beyond_numbers(void **unused) {
    (void)unused;
    double x[] = {NAN, INFINITY, -INFINITY, 1};
    mi_log_sigmoid(x, 4);
    assert_true(isnan(x[0]));
    assert_true(x[1] == 0);
    assert_true(x[2] == -INFINITY);
    assert_true(fabs(x[3] + log1p(exp(-1))) < 1e-14);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_libm),
        cmocka_unit_test(beyond_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
