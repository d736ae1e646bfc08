/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Columns of the market as regressors of CPM: logs where all are above 0, else standard deviations. What does
 * not move within campaigns, or moves as other columns do, tells nothing and is left out.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "curve/price.h"

#define MOVES       1e-6 /* least variance within campaigns */
#define COLLINEAR   1e-3 /* least share of a column's variance that the ones before leave */
#define RECENT_DAYS 7

/* Values of a column to regressors; false: it does not move within campaigns. */
static bool transform(struct mi_price *price, size_t column, size_t place) {
    bool positive = true;
    double sum = 0, squares = 0, n = (double)price->day_count, within = 0;
    for (size_t i = 0; i < price->day_count; i++)
        positive = positive && price->days[i].seen.market[column] > 0;
    for (size_t i = 0; i < price->day_count; i++) {
        double value = price->days[i].seen.market[column];
        price->days[i].market[place] = positive ? log(value) : value;
        sum += price->days[i].market[place];
        squares += price->days[i].market[place] * price->days[i].market[place];
    }
    double spread = sqrt(fmax(squares / n - sum * sum / n / n, 0));
    for (size_t i = 0; i < price->day_count && !positive; i++)
        price->days[i].market[place] /= spread > 0 ? spread : 1;
    for (size_t c = 0; c < price->campaign_count; c++) {
        const struct price_campaign *campaign = &price->campaigns[c];
        double own = 0;
        for (size_t i = 0; i < campaign->rows; i++)
            own += price->days[campaign->first + i].market[place] / (double)campaign->rows;
        for (size_t i = 0; i < campaign->rows; i++)
            within += pow(price->days[campaign->first + i].market[place] - own, 2);
    }
    return within / n > MOVES;
}

/* What is left of a column, centred by campaign, once the first `count` of `basis` are taken out; it becomes
 * the next of them. Returns the share of its variance. */
static double orthogonalise(const struct mi_price *price, size_t place, double *basis, size_t count) {
    size_t n = price->day_count;
    double *own = basis + count * n, before = 0, after = 0;
    for (size_t c = 0; c < price->campaign_count; c++) {
        const struct price_campaign *campaign = &price->campaigns[c];
        double mean = 0;
        for (size_t i = 0; i < campaign->rows; i++)
            mean += price->days[campaign->first + i].market[place] / (double)campaign->rows;
        for (size_t i = 0; i < campaign->rows; i++)
            own[campaign->first + i] = price->days[campaign->first + i].market[place] - mean;
    }
    for (size_t i = 0; i < n; i++)
        before += own[i] * own[i];
    for (size_t k = 0; k < count; k++) {
        double product = 0, square = 0;
        for (size_t i = 0; i < n; i++) {
            product += own[i] * basis[k * n + i];
            square += basis[k * n + i] * basis[k * n + i];
        }
        for (size_t i = 0; i < n && square > 0; i++)
            own[i] -= product / square * basis[k * n + i];
    }
    for (size_t i = 0; i < n; i++)
        after += own[i] * own[i];
    return before > 0 ? after / before : 0;
}

/* Regressors are 0 in the market of the newest week. */
static void centre(struct mi_price *price, size_t place) {
    int32_t newest = MI_DATE_MISSING;
    double sum = 0, count = 0;
    for (size_t i = 0; i < price->day_count; i++)
        newest = price->days[i].seen.date > newest ? price->days[i].seen.date : newest;
    for (size_t i = 0; i < price->day_count; i++)
        if (!price->dated || price->days[i].seen.date > newest - RECENT_DAYS) {
            sum += price->days[i].market[place];
            count++;
        }
    for (size_t i = 0; i < price->day_count; i++)
        price->days[i].market[place] -= sum / count;
}

enum mi_status price_market(struct mi_price *price, const struct mi_notes *notes, struct mi_error *error) {
    double *basis = calloc((price->options.market_count + 1) * (price->day_count + 1), sizeof *basis);
    if (!basis)
        return mi_no_memory(error);
    price->market_count = 0;
    for (size_t column = 0; column < price->options.market_count && price->day_count > 0; column++) {
        size_t place = price->market_count;
        const char *name = price->options.market_names[column];
        if (!transform(price, column, place)) {
            mi_notes_say(notes, "column '%s' does not change within campaigns: it tells nothing of CPM",
                         name);
            continue;
        }
        if (orthogonalise(price, place, basis, place) < COLLINEAR) {
            mi_notes_say(notes, "column '%s' changes as the market's columns before it do: it is left out",
                         name);
            continue;
        }
        centre(price, place);
        price->market[price->market_count++] = column;
    }
    free(basis);
    return MI_OK;
}
