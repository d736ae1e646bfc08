/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The distribution of a user's value around its prediction.
 */
#include "ltv/outlook.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "record/modelfile.h"

enum {
    BIN_USERS = 200, /* a bin has at least so many */
    BINS_MOST = 40,
    PLACES = 24, /* where the narrowest set of payers is looked for */
    HALVINGS = 12,
    JUDGED_MOST = 1500 /* users by whom the sets of a bin are judged */
};

const double ltv_levels[LTV_LEVELS] = {0.5, 0.6, 0.7, 0.8, 0.9, 0.95};

void ltv_outlook_clear(struct ltv_outlook *outlook) {
    free(outlook->bins);
    *outlook = (struct ltv_outlook){0};
}

/* ---- the distribution ---- */

static const struct ltv_outlook_bin *bin_of(const struct ltv_outlook *outlook, double mean) {
    size_t low = 0, high = outlook->count - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (mean <= outlook->bins[middle].top) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return &outlook->bins[low];
}

/* Of one user: zero with 1 - paying, else payer * exp(residual). */
struct law {
    const struct ltv_outlook_bin *bin;
    double paying, payer;
};

static struct law law_of(const struct ltv_outlook *outlook, double mean, double paying) {
    const struct ltv_outlook_bin *bin = bin_of(outlook, mean);
    double share = bin->paying;
    if (!isnan(paying)) {
        double odds = bin->lift * paying / fmax(1e-12, 1 - paying);
        share = odds / (1 + odds);
    }
    share = fmax(1e-6, share);
    return (struct law){bin, share, mean / share};
}

/* A quantile of payers' values. */
static double payer_quantile(const struct law *law, double share) {
    double at = fmax(0, fmin(1, share)) * (LTV_RESIDUALS - 1);
    size_t left = at >= LTV_RESIDUALS - 1 ? LTV_RESIDUALS - 2 : (size_t)at;
    double part = at - (double)left;
    const double *residuals = law->bin->residuals;
    return law->payer * exp(residuals[left] + part * (residuals[left + 1] - residuals[left]));
}

static double quantile(const struct law *law, double share) {
    double zero = 1 - law->paying;
    return share <= zero ? 0 : payer_quantile(law, (share - zero) / law->paying);
}

double ltv_outlook_quantile(const struct ltv_outlook *outlook, double mean, double paying, double share) {
    struct law law = law_of(outlook, mean, paying);
    return quantile(&law, share);
}

/* The narrowest set of the probability `nominal`. */
static void set_of(const struct law *law, double nominal, double *low, double *high) {
    double zero = 1 - law->paying;
    *low = 0;
    *high = payer_quantile(law, (fmax(nominal, zero) - zero) / law->paying);
    double within = nominal / law->paying; /* of payers, for a set without zero */
    for (int i = 0; i <= PLACES && within < 1; i++) {
        double from = (1 - within) * i / PLACES;
        double bottom = payer_quantile(law, from), top = payer_quantile(law, from + within);
        if (top - bottom < *high - *low) {
            *low = bottom;
            *high = top;
        }
    }
}

/* ---- fit ---- */

struct user {
    double mean, paying, actual;
};

static int by_mean(const void *a, const void *b) {
    const struct user *x = a, *y = b;
    if (x->mean != y->mean) {
        return (x->mean > y->mean) - (x->mean < y->mean);
    }
    return (x->actual > y->actual) - (x->actual < y->actual);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct fitting {
    struct user *users; /* in order of their mean */
    size_t count;
    struct ltv_outlook *outlook;
    double *room; /* count */
};

static size_t first_of(const struct fitting *f, size_t bin) {
    return bin * f->count / f->outlook->count;
}

/* The users of a bin and, where wide, of its neighbours. */
static void window(const struct fitting *f, size_t bin, bool wide, size_t *from, size_t *to) {
    size_t bins = f->outlook->count;
    *from = first_of(f, wide && bin > 0 ? bin - 1 : bin);
    *to = first_of(f, wide && bin + 2 <= bins ? bin + 2 : bin + 1);
    *to = *to > f->count ? f->count : *to;
}

static void fit_paying(const struct fitting *f, size_t bin) {
    struct ltv_outlook_bin *b = &f->outlook->bins[bin];
    size_t from, to;
    double payers = 0, said = 0;
    window(f, bin, true, &from, &to);
    for (size_t i = from; i < to; i++) {
        payers += f->users[i].actual > 0;
        said += f->users[i].paying;
    }
    double count = (double)(to - from), share = (payers + 0.5) / (count + 1);
    b->paying = share;
    double mean = fmax(1e-6, fmin(1 - 1e-6, said / count));
    b->lift = isnan(said) ? 1 : share / (1 - share) * (1 - mean) / mean;
}

static void fit_residuals(const struct fitting *f, size_t bin) {
    struct ltv_outlook_bin *b = &f->outlook->bins[bin];
    size_t from, to, payers = 0;
    window(f, bin, true, &from, &to);
    for (size_t i = from; i < to; i++) {
        const struct user *user = &f->users[i];
        struct law law = law_of(f->outlook, user->mean, user->paying);
        if (user->actual > 0) {
            f->room[payers++] = log(user->actual / fmax(law.payer, 1e-9));
        }
    }
    qsort(f->room, payers, sizeof *f->room, ascending);
    for (size_t i = 0; i < LTV_RESIDUALS; i++) {
        if (payers == 0) {
            b->residuals[i] = 0;
            continue;
        }
        double at = (double)i / (LTV_RESIDUALS - 1) * (double)(payers - 1);
        size_t left = (size_t)at + 1 < payers ? (size_t)at : payers - 1;
        size_t right = left + 1 < payers ? left + 1 : left;
        b->residuals[i] = f->room[left] + (at - floor(at)) * (f->room[right] - f->room[left]);
    }
}

/* Share of the users of the window, zero-only sets aside, whose set of this probability held what came; NaN
 * where there are none. */
static double held(const struct fitting *f, size_t from, size_t to, double level, double nominal,
                   size_t *count) {
    size_t inside = 0, every = (to - from) / JUDGED_MOST + 1;
    *count = 0;
    for (size_t i = from; i < to; i += every) {
        const struct user *user = &f->users[i];
        struct law law = law_of(f->outlook, user->mean, user->paying);
        if (1 - law.paying >= level) {
            continue;
        }
        double low, high;
        set_of(&law, nominal, &low, &high);
        inside += user->actual >= low && user->actual <= high;
        ++*count;
    }
    return *count > 0 ? (double)inside / (double)*count : NAN;
}

static void fit_nominal(const struct fitting *f, size_t bin) {
    struct ltv_outlook_bin *b = &f->outlook->bins[bin];
    size_t from, to, count;
    window(f, bin, true, &from, &to);
    for (size_t l = 0; l < LTV_LEVELS; l++) {
        double level = ltv_levels[l], low = 0.02, high = 0.999;
        b->nominal[l] = level;
        held(f, from, to, level, level, &count);
        if (count < 30) {
            continue;
        }
        double wanted = fmin(1, level * ((double)count + 1) / (double)count);
        for (size_t i = 0; i < HALVINGS; i++) {
            double middle = (low + high) / 2;
            if (held(f, from, to, level, middle, &count) < wanted) {
                low = middle;
            } else {
                high = middle;
            }
        }
        b->nominal[l] = high;
    }
    for (size_t l = 1; l < LTV_LEVELS; l++) {
        b->nominal[l] = fmax(b->nominal[l], b->nominal[l - 1]);
    }
}

static void fit_bins(const struct fitting *f) {
    size_t bins = f->outlook->count;
    for (size_t bin = 0; bin < bins; bin++) {
        size_t last = first_of(f, bin + 1) - 1;
        f->outlook->bins[bin].top = bin + 1 < bins ? f->users[last].mean : HUGE_VAL;
        fit_paying(f, bin);
    }
    for (size_t bin = 0; bin < bins; bin++) {
        fit_residuals(f, bin);
    }
    for (size_t bin = 0; bin < bins; bin++) {
        fit_nominal(f, bin);
    }
}

enum mi_status ltv_outlook_fit(const double *mean, const double *paying, const double *actual, size_t count,
                               struct ltv_outlook *outlook, struct mi_error *error) {
    struct fitting f = {.count = count, .outlook = outlook};
    size_t bins = count / BIN_USERS;
    outlook->count = bins < 1 ? 1 : bins > BINS_MOST ? BINS_MOST : bins;
    outlook->bins = calloc(outlook->count, sizeof *outlook->bins);
    f.users = malloc(count * sizeof *f.users);
    f.room = malloc(count * sizeof *f.room);
    bool good = outlook->bins != NULL && f.users != NULL && f.room != NULL;
    for (size_t i = 0; i < count && good; i++) {
        f.users[i] = (struct user){mean[i], paying[i], actual[i]};
    }
    if (good) {
        qsort(f.users, count, sizeof *f.users, by_mean);
        fit_bins(&f);
    } else {
        ltv_outlook_clear(outlook);
    }
    free(f.users);
    free(f.room);
    return good ? MI_OK : mi_no_memory(error);
}

/* The probability of a set that is to hold `level`, between those that were fitted. */
static double nominal_of(const struct ltv_outlook_bin *bin, double level) {
    double below = 0, below_value = 0;
    for (size_t l = 0; l < LTV_LEVELS; l++) {
        if (level <= ltv_levels[l]) {
            double part = (level - below) / (ltv_levels[l] - below);
            return below_value + part * (bin->nominal[l] - below_value);
        }
        below = ltv_levels[l];
        below_value = bin->nominal[l];
    }
    return below_value + (level - below) / (1 - below) * (1 - below_value);
}

void ltv_outlook_interval(const struct ltv_outlook *outlook, double mean, double paying, double level,
                          double *low, double *high) {
    struct law law = law_of(outlook, mean, paying);
    *low = *high = 0;
    if (1 - law.paying < level) {
        set_of(&law, nominal_of(law.bin, level), low, high);
    }
}

/* ---- files ---- */

static void write_numbers(struct mi_buffer *out, const char *before, const double *values, size_t count) {
    mi_buffer_string(out, before);
    for (size_t i = 0; i < count; i++) {
        mi_model_file_number(out, i > 0 ? ", " : "", values[i]);
    }
    mi_buffer_string(out, "]");
}

void ltv_outlook_write(const struct ltv_outlook *outlook, struct mi_buffer *out) {
    mi_buffer_string(out, "[");
    for (size_t i = 0; i < outlook->count; i++) {
        const struct ltv_outlook_bin *bin = &outlook->bins[i];
        mi_model_file_number(out, i > 0 ? ",\n  {\"top\": " : "\n  {\"top\": ", bin->top);
        mi_model_file_number(out, ", \"paying\": ", bin->paying);
        mi_model_file_number(out, ", \"lift\": ", bin->lift);
        write_numbers(out, ", \"nominal\": [", bin->nominal, LTV_LEVELS);
        write_numbers(out, ", \"residuals\": [", bin->residuals, LTV_RESIDUALS);
        mi_buffer_string(out, "}");
    }
    mi_buffer_string(out, "]");
}

/* Numbers that rise, within [low, high]. */
static bool read_rising(const json_t *array, size_t count, double low, double high, double *out) {
    if (json_array_size(array) != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(array, i);
        out[i] = json_number_value(value);
        if (!json_is_number(value) || !(out[i] >= low && out[i] <= high) || (i > 0 && out[i] < out[i - 1])) {
            return false;
        }
    }
    return true;
}

enum mi_status ltv_outlook_read(const json_t *array, struct ltv_outlook *outlook, const char **fault,
                                struct mi_error *error) {
    struct mi_model_reading reading = {0};
    size_t count = json_array_size(array);
    if (count < 1 || count > 10000) {
        *fault = *fault != NULL ? *fault : "outlook";
        return MI_OK;
    }
    outlook->count = count;
    outlook->bins = calloc(count, sizeof *outlook->bins);
    if (outlook->bins == NULL) {
        return mi_no_memory(error);
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *object = json_array_get(array, i);
        struct ltv_outlook_bin *bin = &outlook->bins[i];
        bool last = i + 1 == count;
        bin->top = mi_model_file_get_number(&reading, object, "top", 0, HUGE_VAL, last);
        bin->top = last ? HUGE_VAL : bin->top;
        bin->paying = mi_model_file_get_number(&reading, object, "paying", 0, 1, false);
        bin->lift = mi_model_file_get_number(&reading, object, "lift", 0, 1e12, false);
        if (!read_rising(json_object_get(object, "nominal"), LTV_LEVELS, 0, 1, bin->nominal) ||
            !read_rising(json_object_get(object, "residuals"), LTV_RESIDUALS, -700, 700, bin->residuals) ||
            (i > 0 && !(bin->top >= outlook->bins[i - 1].top))) {
            reading.fault = "outlook";
        }
    }
    *fault = *fault != NULL ? *fault : reading.fault;
    return MI_OK;
}
