/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The peer of mi-ltv predict: reads a CSV file of numbers line by line, calls the XGBoost C API in blocks and
 * prints one number a row.
 *
 * usage: ltv-score FILE FIRST_COLUMN COLUMNS TREES.json...
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xgboost/c_api.h>

enum { BLOCK = 4096, MODELS = 8 };

static void check(int failed) {
    if (failed) {
        fprintf(stderr, "%s\n", XGBGetLastError());
        exit(2);
    }
}

static void score(BoosterHandle *models, int count, const float *values, unsigned long rows, long columns) {
    static double sum[BLOCK];
    char block[160];
    memset(sum, 0, sizeof sum);
    snprintf(block, sizeof block,
             "{\"data\": [%llu, true], \"shape\": [%lu, %ld], \"typestr\": \"<f4\", \"version\": 3}",
             (unsigned long long)(uintptr_t)values, rows, columns);
    for (int m = 0; m < count; m++) {
        bst_ulong const *shape;
        bst_ulong dimensions;
        const float *result;
        check(XGBoosterPredictFromDense(
            models[m], block,
            "{\"type\": 0, \"training\": false, \"iteration_begin\": 0, \"iteration_end\": "
            "0, \"strict_shape\": false, \"missing\": NaN, \"cache_id\": 0}",
            NULL, &shape, &dimensions, &result));
        for (unsigned long i = 0; i < rows; i++) {
            sum[i] += (double)result[i];
        }
    }
    for (unsigned long i = 0; i < rows; i++) {
        printf("%.9g\n", sum[i]);
    }
}

int main(int argc, char **argv) {
    if (argc < 5 || argc - 4 > MODELS) {
        return 2;
    }
    BoosterHandle models[MODELS];
    int count = argc - 4;
    long first = strtol(argv[2], NULL, 10), columns = strtol(argv[3], NULL, 10);
    for (int m = 0; m < count; m++) {
        check(XGBoosterCreate(NULL, 0, &models[m]));
        check(XGBoosterLoadModel(models[m], argv[4 + m]));
        check(XGBoosterSetParam(models[m], "nthread", "1"));
    }
    FILE *file = fopen(argv[1], "r");
    float *values = malloc((size_t)(BLOCK * columns) * sizeof *values);
    char *line = NULL;
    size_t room = 0;
    unsigned long rows = 0;
    if (file == NULL || values == NULL || getline(&line, &room, file) < 0) {
        return 2;
    }
    while (getline(&line, &room, file) > 0) {
        char *at = line;
        for (long i = 0; i < first; i++) {
            at = strchr(at, ',') + 1;
        }
        for (long i = 0; i < columns; i++) {
            char *end;
            float value = strtof(at, &end);
            values[(long)rows * columns + i] = end == at ? NAN : value;
            at = end + (*end == ',');
        }
        if (++rows == BLOCK) {
            score(models, count, values, rows, columns);
            rows = 0;
        }
    }
    score(models, count, values, rows, columns);
    free(values);
    free(line);
    return fclose(file) != 0;
}
