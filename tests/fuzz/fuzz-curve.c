/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Property: of any bytes, a curve that is accepted is written in a form that reads back to the same bytes, is
 * 0 at 0, never falls, and stays finite; what is refused is refused with a message.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

const char *const fuzz_words[] = {"hill(",
                                  "mm(",
                                  "exp(",
                                  "gompertz(",
                                  "logistic(",
                                  "power(",
                                  "log(",
                                  "points(",
                                  "mix(",
                                  "0.6*",
                                  "ceiling=",
                                  "half=",
                                  "shape=",
                                  "middle=",
                                  "rate=",
                                  "scale=",
                                  "exponent=",
                                  "spread=",
                                  "5000:8.2",
                                  "10000:9.8",
                                  ")",
                                  ")",
                                  " ",
                                  ",",
                                  "1",
                                  "5000",
                                  "1e-5",
                                  "0.9",
                                  "-3",
                                  "1e300",
                                  "1e400",
                                  "=",
                                  ":",
                                  "hill(ceiling=5000 half=20000 shape=1.3)",
                                  "mm(ceiling=50 half=2000)",
                                  "exp(ceiling=7 half=3e4)",
                                  "gompertz(ceiling=500 middle=9000 rate=0.0003)",
                                  "logistic(ceiling=500 middle=9000 rate=0.0003)",
                                  "power(scale=3 exponent=0.8)",
                                  "log(scale=9 spread=1000)",
                                  "points(5000:8.2 10000:9.8)",
                                  "mix(0.6*mm(ceiling=50 half=2000) 0.4*exp(ceiling=7 half=3e4))",
                                  NULL};

static void check_values(const struct mi_curve *curve) {
    static const double spends[] = {0, 1e-6, 1, 100, 4999, 5000, 20000, 1e6, 1e12, 1e15};
    double before = 0;
    for (size_t i = 0; i < sizeof spends / sizeof *spends; i++) {
        double users = mi_curve_users(curve, spends[i]);
        if (!isfinite(users) || users < before * (1 - 1e-9)) {
            fuzz_broken("users are finite and do not fall");
        }
        if (i == 0 && users != 0) {
            fuzz_broken("no users at no spend");
        }
        if (isnan(mi_curve_slope(curve, spends[i])) || mi_curve_slope(curve, spends[i]) < 0) {
            fuzz_broken("a slope is a number and not negative");
        }
        before = users;
    }
    double best = mi_curve_best_spend(curve, 30, 1.05, 0, 50000);
    if (!(best >= 0 && best <= 50000)) {
        fuzz_broken("the best spend lies within its limits");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mi_curve curve = {0}, again = {0};
    struct mi_error error = {0};
    if (mi_curve_parse((struct mi_text){(const char *)data, size}, &curve, &error) != MI_OK) {
        if (error.text[0] == '\0') {
            fuzz_broken("a refusal says why");
        }
        return 0;
    }
    check_values(&curve);
    char *text = mi_curve_format(&curve);
    if (text == NULL || mi_curve_parse(mi_text_of(text), &again, &error) != MI_OK) {
        fuzz_broken("what is written reads back");
    }
    char *text_again = mi_curve_format(&again);
    if (text_again == NULL || strcmp(text, text_again) != 0) {
        fuzz_broken("what reads back is written the same");
    }
    free(text);
    free(text_again);
    mi_curve_clear(&curve);
    mi_curve_clear(&again);
    return 0;
}
