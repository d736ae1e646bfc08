/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The members of the ensemble, learnt together from one set of users.
 */
#include "ltv/learner.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

#include "record/modelfile.h"

enum {
    STOP_SHARE = 8,    /* one row in so many is held out to stop by */
    FEW_ROWS = 20000,  /* smaller trees then, slower steps */
    FEW_PAYERS = 24,   /* held out or not: fewer cannot tell when to stop */
    ROUNDS = 600,      /* trees at most */
    ROUNDS_BLIND = 40, /* where nothing can tell when to stop */
    PATIENCE = 30
};

const char *const ltv_member_names[LTV_MEMBERS] = {"leaf", "depth", "net", "given", "btyd"};

static void clear_room(struct ltv_learner *learner) {
    free(learner->trees);
    free(learner->standard);
    free(learner->starts);
    for (size_t i = 0; i < 3; i++) {
        free(learner->margins[i]);
    }
}

void ltv_learner_clear(struct ltv_learner *learner) {
    if (learner->design.features != NULL) {
        ltv_design_clear(&learner->design);
    }
    ltv_linear_clear(&learner->linear);
    mi_boost_free(learner->leaf);
    mi_boost_free(learner->paying);
    mi_boost_free(learner->amount);
    ltv_net_free(learner->net);
    ltv_buyers_clear(&learner->buyers);
    clear_room(learner);
    *learner = (struct ltv_learner){0};
}

/* ---- a set of users, ready to learn from ---- */

struct part {
    size_t count;
    size_t *rows; /* places among all rows */
    float *trees, *standard;
    struct ltv_start *starts;
    double *target;
    float *labels, *margins;
};

static void part_clear(struct part *part) {
    free(part->rows);
    free(part->trees);
    free(part->standard);
    free(part->starts);
    free(part->target);
    free(part->labels);
    free(part->margins);
}

static enum mi_status part_alloc(struct part *part, size_t count, size_t features, size_t width,
                                 struct mi_error *error) {
    *part = (struct part){.count = count,
                          .rows = malloc(count * sizeof *part->rows),
                          .trees = malloc(count * features * sizeof *part->trees),
                          .standard = malloc(count * width * sizeof *part->standard),
                          .starts = malloc(count * sizeof *part->starts),
                          .target = malloc(count * sizeof *part->target),
                          .labels = malloc(count * sizeof *part->labels),
                          .margins = malloc(count * sizeof *part->margins)};
    bool good = part->rows != NULL && part->trees != NULL && part->standard != NULL && part->starts != NULL &&
                part->target != NULL && part->labels != NULL && part->margins != NULL;
    return good ? MI_OK : mi_no_memory(error);
}

struct learning {
    const struct ltv_features *features;
    const struct ltv_learning *how;
    struct ltv_learner *learner;
    struct part train, stop;
    const float *codes;
    double mean; /* of the target */
    const char **names;
};

/* Deals the rows: one in STOP_SHARE is held out. `order` is 0 ... count - 1, shuffled or in order of time. */
static enum mi_status deal(struct learning *l, const struct ltv_rows *rows, const float *trees,
                           const size_t *order, struct mi_error *error) {
    size_t features = l->features->count, width = l->learner->design.width;
    size_t held = rows->count / STOP_SHARE;
    enum mi_status status = part_alloc(&l->train, rows->count - held, features, width, error);
    if (status == MI_OK) {
        status = part_alloc(&l->stop, held, features, width, error);
    }
    for (size_t i = 0; i < rows->count && status == MI_OK; i++) {
        struct part *part = i < l->train.count ? &l->train : &l->stop;
        size_t to = i < l->train.count ? i : i - l->train.count;
        part->rows[to] = rows->rows[order[i]];
        part->target[to] = rows->target[part->rows[to]];
        memcpy(part->trees + to * features, trees + order[i] * features, features * sizeof *trees);
        ltv_design_standard(&l->learner->design, part->trees + to * features, part->standard + to * width);
        l->mean += part->target[to] / (double)rows->count;
    }
    return status;
}

static void start_part(const struct ltv_linear *linear, struct part *part) {
    for (size_t i = 0; i < part->count; i++) {
        part->starts[i] = ltv_linear_at(linear, part->standard + i * linear->width);
    }
}

static enum mi_status prepare(struct learning *l, const struct ltv_rows *rows, struct mi_error *error) {
    size_t features = l->features->count;
    float *trees = malloc(rows->count * features * sizeof *trees);
    size_t *order = malloc(rows->count * sizeof *order);
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    enum mi_status status = trees != NULL && order != NULL && random != NULL ? MI_OK : mi_no_memory(error);
    if (status == MI_OK) {
        status = ltv_design_fit(l->features, rows, &l->learner->design, error);
    }
    if (status == MI_OK) {
        status = ltv_design_trees_of_fit(&l->learner->design, rows, trees, error);
    }
    if (status == MI_OK) {
        for (size_t i = 0; i < rows->count; i++) {
            order[i] = i;
        }
        if (!l->how->in_order) {
            gsl_rng_set(random, (unsigned long)(l->how->seed & 0xffffffffu) + 1);
            gsl_ran_shuffle(random, order, rows->count, sizeof *order);
        }
        status = deal(l, rows, trees, order, error);
    }
    free(trees);
    free(order);
    gsl_rng_free(random);
    if (status != MI_OK) {
        return status;
    }
    status = ltv_linear_fit(l->train.standard, l->train.target, l->train.count, l->learner->design.width,
                            &l->learner->linear, error);
    if (status == MI_OK) {
        start_part(&l->learner->linear, &l->train);
        start_part(&l->learner->linear, &l->stop);
    }
    return status;
}

/* ---- boosted trees ---- */

static struct mi_boost_data data_of(const struct learning *l, const struct part *part) {
    return (struct mi_boost_data){.values = part->trees,
                                  .rows = part->count,
                                  .columns = l->features->count,
                                  .labels = part->labels,
                                  .names = l->names,
                                  .margins = part->margins};
}

static struct mi_boost_options options_of(const struct learning *l) {
    struct mi_boost_options options = mi_boost_options_default();
    bool few = l->train.count < FEW_ROWS;
    options.rounds = ROUNDS;
    options.patience = PATIENCE;
    options.learning_rate = few ? 0.03 : 0.06;
    options.subsample = 0.8;
    options.colsample = 0.7;
    options.seed = l->how->seed;
    options.threads = l->how->threads;
    return options;
}

static enum mi_status train(const struct learning *l, const struct part *train_part,
                            const struct part *stop_part, struct mi_boost_options *options,
                            struct mi_boost **boost, struct mi_error *error) {
    struct mi_boost_data data = data_of(l, train_part), stop = data_of(l, stop_part);
    bool blind = stop_part->count == 0;
    if (blind) {
        options->rounds = ROUNDS_BLIND;
    }
    return mi_boost_train(&data, blind ? NULL : &stop, options, boost, error);
}

static enum mi_status fit_leaf(struct learning *l, struct mi_error *error) {
    static const struct mi_boost_parameter power[] = {{"tweedie_variance_power", "1.5"}};
    struct part *parts[] = {&l->train, &l->stop};
    for (size_t p = 0; p < 2; p++) {
        for (size_t i = 0; i < parts[p]->count; i++) {
            parts[p]->labels[i] = (float)(parts[p]->target[i] / l->mean);
            parts[p]->margins[i] = 0; /* the mean of all */
        }
    }
    l->learner->level = l->mean;
    struct mi_boost_options options = options_of(l);
    options.objective = "reg:tweedie";
    options.more = power;
    options.more_count = 1;
    options.base_score = 1;
    options.leafwise = true;
    options.max_depth = 0;
    options.max_leaves = l->train.count < FEW_ROWS ? 8 : 24;
    return train(l, &l->train, &l->stop, &options, &l->learner->leaf, error);
}

static enum mi_status fit_paying(struct learning *l, struct mi_error *error) {
    struct part *parts[] = {&l->train, &l->stop};
    for (size_t p = 0; p < 2; p++) {
        for (size_t i = 0; i < parts[p]->count; i++) {
            parts[p]->labels[i] = parts[p]->target[i] > 0 ? 1 : 0;
            parts[p]->margins[i] = parts[p]->starts[i].paying;
        }
    }
    struct mi_boost_options options = options_of(l);
    options.objective = "binary:logistic";
    options.base_score = 0.5;
    options.max_depth = l->train.count < FEW_ROWS ? 4 : 5;
    options.min_child_weight = 5;
    return train(l, &l->train, &l->stop, &options, &l->learner->paying, error);
}

/* Puts the payers to the front of the part, with the rest of the logarithm as label; how many they are. */
static size_t keep_payers(const struct learning *l, struct part *part) {
    size_t payers = 0, features = l->features->count;
    for (size_t i = 0; i < part->count; i++) {
        if (part->target[i] > 0) {
            memmove(part->trees + payers * features, part->trees + i * features,
                    features * sizeof *part->trees);
            part->labels[payers] = (float)(log(part->target[i]) - (double)part->starts[i].location);
            part->margins[payers++] = 0;
        }
    }
    return payers;
}

static double rest_of(const float *labels, const float *said, size_t count) {
    double squares = 0;
    for (size_t i = 0; i < count; i++) {
        squares += pow((double)labels[i] - (double)said[i], 2);
    }
    return sqrt(squares / (double)count);
}

/* The last of the trees: the parts are not what they were after it. */
static enum mi_status fit_amount(struct learning *l, struct mi_error *error) {
    struct ltv_learner *learner = l->learner;
    l->train.count = keep_payers(l, &l->train);
    l->stop.count = keep_payers(l, &l->stop);
    bool blind = l->stop.count < FEW_PAYERS;
    l->stop.count = blind ? 0 : l->stop.count;
    struct mi_boost_options options = options_of(l);
    options.base_score = 0;
    options.max_depth = l->train.count < FEW_ROWS ? 4 : 5;
    options.min_child_weight = 10;
    enum mi_status status = train(l, &l->train, &l->stop, &options, &learner->amount, error);
    struct part *judged = blind ? &l->train : &l->stop;
    if (status == MI_OK) {
        status = mi_boost_margin(learner->amount, judged->trees, judged->count, judged->margins, error);
    }
    if (status == MI_OK) {
        learner->amount_spread = rest_of(judged->labels, judged->margins, judged->count);
    }
    return status;
}

static enum mi_status fit_net(struct learning *l, struct mi_error *error) {
    struct ltv_net_rows sets[2];
    const struct part *parts[] = {&l->train, &l->stop};
    for (size_t p = 0; p < 2; p++) {
        sets[p] = (struct ltv_net_rows){.values = parts[p]->standard,
                                        .starts = parts[p]->starts,
                                        .codes = l->codes,
                                        .rows = parts[p]->rows,
                                        .target = parts[p]->target,
                                        .count = parts[p]->count};
    }
    return ltv_net_fit(&l->learner->design, &l->learner->linear, &sets[0], &sets[1], l->how->seed,
                       &l->learner->net, error);
}

static enum mi_status learn(struct learning *l, const struct ltv_rows *rows, struct mi_error *error) {
    const bool *members = l->how->members;
    l->names = malloc(l->features->count * sizeof *l->names);
    if (l->names == NULL) {
        return mi_no_memory(error);
    }
    for (size_t i = 0; i < l->features->count; i++) {
        l->names[i] = l->features->items[i].name;
    }
    enum mi_status status = MI_OK;
    if (members[LTV_BTYD]) {
        status = ltv_buyers_fit(rows, l->features->count, l->how->log, l->how->horizon, l->how->notes,
                                &l->learner->buyers, error);
    }
    if (status == MI_OK) {
        status = prepare(l, rows, error);
    }
    if (status == MI_OK && members[LTV_NET]) {
        status = fit_net(l, error);
    }
    if (status == MI_OK && members[LTV_LEAF]) {
        status = fit_leaf(l, error);
    }
    if (status == MI_OK && members[LTV_DEPTH]) {
        status = fit_paying(l, error);
    }
    if (status == MI_OK && members[LTV_DEPTH]) {
        status = fit_amount(l, error);
    }
    return status;
}

enum mi_status ltv_learner_fit(const struct ltv_features *features, const struct ltv_rows *rows,
                               const struct ltv_learning *how, struct ltv_learner *learner,
                               struct mi_error *error) {
    *learner = (struct ltv_learner){.given = how->given, .log = how->log};
    struct learning l = {.features = features, .how = how, .learner = learner, .codes = rows->codes};
    enum mi_status status = learn(&l, rows, error);
    part_clear(&l.train);
    part_clear(&l.stop);
    free(l.names);
    if (status != MI_OK) {
        ltv_learner_clear(learner);
    }
    return status;
}

/* ---- prediction ---- */

static enum mi_status make_room(struct ltv_learner *learner, size_t count, struct mi_error *error) {
    if (count <= learner->room) {
        return MI_OK;
    }
    clear_room(learner);
    learner->trees = malloc(count * learner->design.features->count * sizeof *learner->trees);
    learner->standard = malloc(count * learner->design.width * sizeof *learner->standard);
    learner->starts = malloc(count * sizeof *learner->starts);
    bool good = learner->trees != NULL && learner->standard != NULL && learner->starts != NULL;
    for (size_t i = 0; i < 3; i++) {
        learner->margins[i] = malloc(count * sizeof *learner->margins[i]);
        good = good && learner->margins[i] != NULL;
    }
    learner->room = good ? count : 0;
    return good ? MI_OK : mi_no_memory(error);
}

static enum mi_status margins_of(struct ltv_learner *learner, size_t count, struct mi_error *error) {
    struct mi_boost *boosts[] = {learner->leaf, learner->paying, learner->amount};
    enum mi_status status = MI_OK;
    for (size_t i = 0; i < 3 && status == MI_OK; i++) {
        if (boosts[i] != NULL) {
            status = mi_boost_margin(boosts[i], learner->trees, count, learner->margins[i], error);
        }
    }
    return status;
}

static void combine(const struct ltv_learner *learner, size_t i, const float *codes,
                    struct ltv_value *values) {
    struct ltv_start start = learner->starts[i];
    if (learner->leaf != NULL) {
        values[LTV_LEAF].mean = learner->level * exp((double)learner->margins[0][i]);
    }
    if (learner->paying != NULL) {
        double paying = 1 / (1 + exp(-(double)start.paying - (double)learner->margins[1][i]));
        double location = (double)start.location + (double)learner->margins[2][i];
        double spread = learner->amount_spread;
        values[LTV_DEPTH] = (struct ltv_value){paying, paying * exp(location + spread * spread / 2)};
    }
    if (learner->given != SIZE_MAX && !isnan(codes[learner->given])) {
        values[LTV_GIVEN].mean = fmax(0, (double)codes[learner->given]);
    }
}

enum mi_status ltv_learner_predict(struct ltv_learner *learner, const float *codes, size_t count,
                                   struct ltv_value *values, struct mi_error *error) {
    const struct ltv_value nothing = {NAN, NAN};
    size_t features = learner->design.features->count, width = learner->design.width;
    struct ltv_value *net = malloc((count > 0 ? count : 1) * sizeof *net);
    enum mi_status status = net != NULL ? make_room(learner, count, error) : mi_no_memory(error);
    for (size_t i = 0; i < count && status == MI_OK; i++) {
        ltv_design_trees(&learner->design, codes + i * features, learner->trees + i * features);
        ltv_design_standard(&learner->design, learner->trees + i * features, learner->standard + i * width);
        learner->starts[i] = ltv_linear_at(&learner->linear, learner->standard + i * width);
    }
    if (status == MI_OK) {
        status = margins_of(learner, count, error);
    }
    if (status == MI_OK && learner->net != NULL) {
        status = ltv_net_predict(learner->net, learner->standard, learner->starts, codes, count, net, error);
    }
    for (size_t i = 0; i < count && status == MI_OK; i++) {
        struct ltv_value *row = values + i * LTV_MEMBERS;
        for (size_t m = 0; m < LTV_MEMBERS; m++) {
            row[m] = nothing;
        }
        combine(learner, i, codes + i * features, row);
        if (learner->net != NULL) {
            row[LTV_NET] = net[i];
        }
        if (learner->buyers.model != NULL) {
            status = ltv_buyers_predict(&learner->buyers, codes + i * features + learner->log,
                                        &row[LTV_BTYD].mean, error);
        }
    }
    free(net);
    return status;
}

/* ---- explanation ---- */

/* Adds share * factor * contributions of one booster; per row factors may be NULL. */
static enum mi_status add_contributions(struct mi_boost *boost, const float *trees, size_t count,
                                        size_t features, double share, const float *factors, float *out,
                                        struct mi_error *error) {
    if (boost == NULL || share == 0) {
        return MI_OK;
    }
    float *parts = malloc(count * (features + 1) * sizeof *parts);
    enum mi_status status =
        parts != NULL ? mi_boost_contributions(boost, trees, count, parts, error) : mi_no_memory(error);
    for (size_t i = 0; i < count && status == MI_OK; i++) {
        double factor = share * (factors != NULL ? (double)factors[i] : 1);
        for (size_t j = 0; j < features; j++) {
            out[i * features + j] += (float)(factor * (double)parts[i * (features + 1) + j]);
        }
    }
    free(parts);
    return status;
}

/* The linear part: its columns are centred, so a weight times the column is the contribution. */
static void linear_contributions(const struct ltv_learner *learner, size_t i, float *out) {
    const struct ltv_linear *linear = &learner->linear;
    size_t features = learner->design.features->count;
    const float *row = learner->standard + i * linear->width;
    float not_paying = 1 / (1 + expf(learner->starts[i].paying));
    for (size_t j = 0; j < features; j++) {
        size_t indicator = learner->design.scales[j].indicator;
        out[j] = (not_paying * linear->paying[j] + linear->location[j]) * row[j];
        if (indicator != SIZE_MAX) {
            out[j] += (not_paying * linear->paying[indicator] + linear->location[indicator]) * row[indicator];
        }
    }
}

enum mi_status ltv_learner_explain(struct ltv_learner *learner, const float *codes, size_t count,
                                   double leaf_share, float *out, struct mi_error *error) {
    size_t features = learner->design.features->count, width = learner->design.width;
    enum mi_status status = make_room(learner, count, error);
    for (size_t i = 0; i < count && status == MI_OK; i++) {
        ltv_design_trees(&learner->design, codes + i * features, learner->trees + i * features);
        ltv_design_standard(&learner->design, learner->trees + i * features, learner->standard + i * width);
        learner->starts[i] = ltv_linear_at(&learner->linear, learner->standard + i * width);
        linear_contributions(learner, i, out + i * features);
        learner->margins[0][i] = 1 / (1 + expf(learner->starts[i].paying)); /* d log p / d log odds */
    }
    if (status == MI_OK) {
        status =
            add_contributions(learner->leaf, learner->trees, count, features, leaf_share, NULL, out, error);
    }
    if (status == MI_OK) {
        status = add_contributions(learner->paying, learner->trees, count, features, 1 - leaf_share,
                                   learner->margins[0], out, error);
    }
    if (status == MI_OK) {
        status = add_contributions(learner->amount, learner->trees, count, features, 1 - leaf_share, NULL,
                                   out, error);
    }
    return status;
}

/* ---- files ---- */

static enum mi_status write_trees(struct mi_buffer *out, const char *name, struct mi_boost *boost,
                                  struct mi_error *error) {
    if (boost == NULL) {
        return MI_OK;
    }
    mi_buffer_print(out, ",\n  \"%s\": ", name);
    return mi_boost_write(boost, out, error);
}

enum mi_status ltv_learner_write(const struct ltv_learner *learner, struct mi_buffer *out,
                                 struct mi_error *error) {
    mi_buffer_string(out, "{\"design\": ");
    ltv_design_write(&learner->design, out);
    mi_buffer_string(out, ",\n  \"linear\": ");
    ltv_linear_write(&learner->linear, out);
    if (learner->net != NULL) {
        mi_buffer_string(out, ",\n  \"net\": ");
        ltv_net_write(learner->net, out);
    }
    mi_model_file_number(out, ",\n  \"level\": ", learner->level);
    mi_model_file_number(out, ",\n  \"amount_spread\": ", learner->amount_spread);
    enum mi_status status = MI_OK;
    if (learner->buyers.model != NULL) {
        mi_buffer_string(out, ",\n  \"btyd\": ");
        status = ltv_buyers_write(&learner->buyers, out, error);
    }
    if (status == MI_OK) {
        status = write_trees(out, "leaf", learner->leaf, error);
    }
    if (status == MI_OK) {
        status = write_trees(out, "paying", learner->paying, error);
    }
    if (status == MI_OK) {
        status = write_trees(out, "amount", learner->amount, error);
    }
    mi_buffer_string(out, "}");
    return status;
}

static enum mi_status read_trees(const json_t *object, const char *name, const struct ltv_features *features,
                                 struct mi_boost **boost, struct mi_error *error) {
    json_t *trees = json_object_get(object, name);
    if (trees == NULL) {
        return MI_OK;
    }
    const char **names = malloc(features->count * sizeof *names);
    if (names == NULL) {
        return mi_no_memory(error);
    }
    for (size_t i = 0; i < features->count; i++) {
        names[i] = features->items[i].name;
    }
    enum mi_status status = mi_boost_read(trees, names, features->count, boost, error);
    free(names);
    return status;
}

enum mi_status ltv_learner_read(const json_t *object, const struct ltv_features *features,
                                struct ltv_learner *learner, const char **fault, struct mi_error *error) {
    struct mi_model_reading reading = {0};
    const json_t *net = json_object_get(object, "net"), *buyers = json_object_get(object, "btyd");
    *learner = (struct ltv_learner){.given = SIZE_MAX, .log = SIZE_MAX};
    learner->level = mi_model_file_get_number(&reading, object, "level", 0, MI_MONEY_LIMIT, false);
    learner->amount_spread = mi_model_file_get_number(&reading, object, "amount_spread", 0, 1e3, false);
    *fault = *fault != NULL ? *fault : reading.fault;
    enum mi_status status =
        ltv_design_read(json_object_get(object, "design"), features, &learner->design, fault, error);
    if (status == MI_OK) {
        status = ltv_linear_read(json_object_get(object, "linear"), learner->design.width, &learner->linear,
                                 fault, error);
    }
    if (status == MI_OK && net != NULL) {
        status = ltv_net_read(net, &learner->design, &learner->net, fault, error);
    }
    if (status == MI_OK && buyers != NULL) {
        status = ltv_buyers_read(buyers, &learner->buyers, fault, error);
    }
    if (status == MI_OK) {
        status = read_trees(object, "leaf", features, &learner->leaf, error);
    }
    if (status == MI_OK) {
        status = read_trees(object, "paying", features, &learner->paying, error);
    }
    if (status == MI_OK) {
        status = read_trees(object, "amount", features, &learner->amount, error);
    }
    if (status == MI_OK && (learner->paying == NULL) != (learner->amount == NULL) && *fault == NULL) {
        *fault = "paying and amount";
    }
    if (status != MI_OK) {
        ltv_learner_clear(learner);
    }
    return status;
}
