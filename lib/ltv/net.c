/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The neural net with the zero-inflated lognormal loss.
 */
#include "ltv/net.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

#include "num/blas.h"
#include "record/modelfile.h"

enum {
    FIRST = 48,      /* units of the first hidden layer */
    SECOND = 24,     /* of the second */
    OUTPUTS = 3,     /* log odds, location, log of the spread */
    BATCH = 128,     /* rows a step */
    EMBEDDING = 4,   /* columns a category is embedded in */
    LEVEL_ROWS = 20, /* a level with fewer users shares one embedding with the others like it */
    EPOCHS = 60,     /* at most */
    PATIENCE = 6,    /* epochs without gain */
    NETS_MOST = 4,   /* where there are few users */
    FEW_ROWS = 20000 /* then one net is enough */
};

#define RATE      2e-3f /* of Adam (Kingma, Ba 2015), with its usual decays */
#define DECAY_1   0.9f
#define DECAY_2   0.999f
#define SHRINKAGE 1e-4f /* of the weights, a step, in units of the rate (Loshchilov, Hutter 2019) */
#define FAR       5.0f  /* residuals count at most so many spreads */

/* Where a category's embeddings stand. */
struct embedding {
    size_t feature, input; /* column of the codes, first column of the input */
    size_t offset, count;  /* in the weights; rows of EMBEDDING */
    size_t levels;
    uint32_t *row_of; /* level -> row, 0: the shared one */
};

struct ltv_net {
    size_t features, width, inputs;
    struct embedding *embeddings;
    size_t embedding_count;
    size_t first, first_bias, second, second_bias, third, third_bias, size; /* offsets in the weights */
    double scale;     /* of the target's logarithm: the linear model's spread */
    size_t count;     /* nets */
    float *weights;   /* count x size */
    float *workspace; /* of a prediction */
};

void ltv_net_free(struct ltv_net *net) {
    if (net == NULL) {
        return;
    }
    for (size_t i = 0; i < net->embedding_count; i++) {
        free(net->embeddings[i].row_of);
    }
    free(net->embeddings);
    free(net->weights);
    free(net->workspace);
    free(net);
}

/* ---- shape ---- */

static bool add_embedding(struct ltv_net *net, const struct ltv_feature *feature, size_t number) {
    struct embedding *embedding = &net->embeddings[net->embedding_count];
    size_t levels = mi_index_size(feature->levels);
    *embedding = (struct embedding){.feature = number, .input = net->inputs, .levels = levels, .count = 1};
    embedding->row_of = calloc(levels, sizeof *embedding->row_of);
    if (embedding->row_of == NULL) {
        return false;
    }
    net->embedding_count++;
    for (size_t level = 0; level < levels; level++) {
        if (feature->level_rows[level] >= LEVEL_ROWS) {
            embedding->row_of[level] = (uint32_t)embedding->count++;
        }
    }
    embedding->offset = net->size;
    net->size += embedding->count * EMBEDDING;
    net->inputs += EMBEDDING;
    return true;
}

static size_t take(struct ltv_net *net, size_t count) {
    size_t offset = net->size;
    net->size += count;
    return offset;
}

/* The shape follows from the features, so that a file need not tell it. */
static enum mi_status shape(const struct ltv_design *design, struct ltv_net **net, struct mi_error *error) {
    const struct ltv_features *features = design->features;
    struct ltv_net *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return mi_no_memory(error);
    }
    made->features = features->count;
    made->width = made->inputs = design->width;
    made->embeddings = calloc(features->count, sizeof *made->embeddings);
    bool good = made->embeddings != NULL;
    for (size_t i = 0; i < features->count && good; i++) {
        if (features->items[i].kind == LTV_FEATURE_CATEGORY) {
            good = add_embedding(made, &features->items[i], i);
        }
    }
    made->first = take(made, made->inputs * FIRST);
    made->first_bias = take(made, FIRST);
    made->second = take(made, FIRST * SECOND);
    made->second_bias = take(made, SECOND);
    made->third = take(made, SECOND * OUTPUTS);
    made->third_bias = take(made, OUTPUTS);
    if (!good) {
        ltv_net_free(made);
        return mi_no_memory(error);
    }
    *net = made;
    return MI_OK;
}

/* ---- forward ---- */

/* What a batch goes through; all BATCH rows. */
struct pass {
    float *input, *first, *second, *output; /* activations */
    float *first_slope, *second_slope, *input_slope, *output_slope;
};

static size_t pass_size(const struct ltv_net *net) {
    return 2 * BATCH * (net->inputs + FIRST + SECOND + OUTPUTS);
}

static struct pass pass_in(const struct ltv_net *net, float *memory) {
    struct pass pass;
    float **parts[] = {&pass.input,       &pass.first,       &pass.second,       &pass.output,
                       &pass.input_slope, &pass.first_slope, &pass.second_slope, &pass.output_slope};
    const size_t sizes[] = {net->inputs, FIRST, SECOND, OUTPUTS};
    for (size_t i = 0; i < 8; i++) {
        *parts[i] = memory;
        memory += BATCH * sizes[i % 4];
    }
    return pass;
}

static const float *embedded(const struct embedding *embedding, const float *weights, const float *codes) {
    float code = codes[embedding->feature];
    size_t row = code < 0 || (size_t)code >= embedding->levels ? 0 : embedding->row_of[(size_t)code];
    return weights + embedding->offset + row * EMBEDDING;
}

static void put_input(const struct ltv_net *net, const float *weights, const float *values,
                      const float *codes, float *input) {
    memcpy(input, values, net->width * sizeof *input);
    for (size_t i = 0; i < net->embedding_count; i++) {
        const struct embedding *embedding = &net->embeddings[i];
        memcpy(input + embedding->input, embedded(embedding, weights, codes), EMBEDDING * sizeof *input);
    }
}

/* out = act(in * W + b), rows x units. */
static void layer(const float *in, size_t inputs, const float *weights, const float *bias, size_t units,
                  size_t rows, bool rectify, float *out) {
    for (size_t i = 0; i < rows; i++) {
        memcpy(out + i * units, bias, units * sizeof *out);
    }
    mi_blas_sgemm(CblasNoTrans, CblasNoTrans, (int)rows, (int)units, (int)inputs, in, (int)inputs, weights,
                  (int)units, 1, out, (int)units);
    for (size_t i = 0; rectify && i < rows * units; i++) {
        out[i] = out[i] > 0 ? out[i] : 0;
    }
}

static void forward(const struct ltv_net *net, const float *w, const struct pass *pass, size_t rows) {
    layer(pass->input, net->inputs, w + net->first, w + net->first_bias, FIRST, rows, true, pass->first);
    layer(pass->first, FIRST, w + net->second, w + net->second_bias, SECOND, rows, true, pass->second);
    layer(pass->second, SECOND, w + net->third, w + net->third_bias, OUTPUTS, rows, false, pass->output);
}

/* Log odds, location and spread of a row; the net's outputs are in units of the linear model's spread. */
struct outlook {
    double odds, location, spread, growth; /* growth: d log spread / d output */
};

static struct outlook outlook_of(const struct ltv_net *net, const struct ltv_start *start,
                                 const float *output) {
    double size = tanh((double)output[2]); /* a factor of e up or down at most */
    return (struct outlook){(double)start->paying + (double)output[0],
                            (double)start->location + net->scale * (double)output[1], net->scale * exp(size),
                            1 - size * size};
}

/* ---- loss ---- */

/* The loss of a row, and its derivatives by the outputs where `slope` is not NULL. */
static double loss_of(const struct ltv_net *net, const struct ltv_start *start, double target,
                      const float *output, float *slope) {
    struct outlook now = outlook_of(net, start, output);
    bool pays = target > 0;
    double paying = 1 / (1 + exp(-now.odds));
    double loss =
        (now.odds > 0 ? log1p(exp(-now.odds)) + now.odds : log1p(exp(now.odds))) - (pays ? now.odds : 0);
    double rest = pays ? (log(target) - now.location) / now.spread : 0;
    double kept = fmax(-(double)FAR, fmin((double)FAR, rest));
    if (pays) {
        loss += log(now.spread) + kept * kept / 2 + (double)FAR * (fabs(rest) - fabs(kept));
    }
    if (slope != NULL) {
        slope[0] = (float)(paying - (pays ? 1 : 0));
        slope[1] = pays ? (float)(-kept * net->scale / now.spread) : 0;
        slope[2] = pays ? (float)((1 - kept * rest) * now.growth) : 0;
        slope[2] = slope[2] < -FAR ? -FAR : slope[2];
    }
    return loss;
}

/* ---- backward ---- */

/* in' * slope into the gradient of weights, slope's sums into that of the bias, slope * W' into what came in.
 */
static void layer_back(const float *in, size_t inputs, const float *weights, size_t units, size_t rows,
                       const float *slope, float *weight_slope, float *bias_slope, float *in_slope) {
    mi_blas_sgemm(CblasTrans, CblasNoTrans, (int)inputs, (int)units, (int)rows, in, (int)inputs, slope,
                  (int)units, 0, weight_slope, (int)units);
    memset(bias_slope, 0, units * sizeof *bias_slope);
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < units; j++) {
            bias_slope[j] += slope[i * units + j];
        }
    }
    if (in_slope != NULL) {
        mi_blas_sgemm(CblasNoTrans, CblasTrans, (int)rows, (int)inputs, (int)units, slope, (int)units,
                      weights, (int)units, 0, in_slope, (int)inputs);
    }
}

static void mask(const float *activation, size_t count, float *slope) {
    for (size_t i = 0; i < count; i++) {
        slope[i] = activation[i] > 0 ? slope[i] : 0;
    }
}

static void backward(const struct ltv_net *net, const float *w, const struct pass *pass, size_t rows,
                     float *gradient) {
    layer_back(pass->second, SECOND, w + net->third, OUTPUTS, rows, pass->output_slope, gradient + net->third,
               gradient + net->third_bias, pass->second_slope);
    mask(pass->second, rows * SECOND, pass->second_slope);
    layer_back(pass->first, FIRST, w + net->second, SECOND, rows, pass->second_slope, gradient + net->second,
               gradient + net->second_bias, pass->first_slope);
    mask(pass->first, rows * FIRST, pass->first_slope);
    layer_back(pass->input, net->inputs, w + net->first, FIRST, rows, pass->first_slope,
               gradient + net->first, gradient + net->first_bias,
               net->embedding_count > 0 ? pass->input_slope : NULL);
}

/* ---- training ---- */

struct training {
    struct ltv_net *net;
    const struct ltv_net_rows *train, *validation;
    float *w, *best, *gradient, *first, *second; /* size each */
    float *memory;
    struct pass pass;
    size_t *order;
    gsl_rng *random;
    double decay_1, decay_2; /* powers of Adam's decays so far */
};

static void start_weights(struct training *t) {
    const struct ltv_net *net = t->net;
    const struct {
        size_t offset, inputs, units;
    } layers[] = {{net->first, net->inputs, FIRST}, {net->second, FIRST, SECOND}};
    memset(t->w, 0, net->size * sizeof *t->w); /* the last layer too: it starts at the linear model */
    for (size_t l = 0; l < 2; l++) {
        double sd = sqrt(2.0 / (double)layers[l].inputs); /* He et al. 2015 */
        for (size_t i = 0; i < layers[l].inputs * layers[l].units; i++) {
            t->w[layers[l].offset + i] = (float)(sd * gsl_ran_ugaussian(t->random));
        }
    }
    for (size_t i = 0; i < net->embedding_count; i++) {
        const struct embedding *e = &net->embeddings[i];
        for (size_t j = 0; j < e->count * EMBEDDING; j++) {
            t->w[e->offset + j] = (float)(0.1 * gsl_ran_ugaussian(t->random));
        }
    }
}

static const float *codes_of(const struct ltv_net *net, const struct ltv_net_rows *rows, size_t i) {
    return rows->codes + rows->rows[i] * net->features;
}

static void load(const struct training *t, const struct ltv_net_rows *rows, const size_t *which,
                 size_t count) {
    for (size_t i = 0; i < count; i++) {
        put_input(t->net, t->w, rows->values + which[i] * t->net->width, codes_of(t->net, rows, which[i]),
                  t->pass.input + i * t->net->inputs);
    }
}

/* Adam with decoupled shrinkage. */
static void adam(struct training *t) {
    t->decay_1 *= (double)DECAY_1;
    t->decay_2 *= (double)DECAY_2;
    const float rate = RATE * (float)(sqrt(1 - t->decay_2) / (1 - t->decay_1));
    for (size_t i = 0; i < t->net->size; i++) {
        float g = t->gradient[i];
        t->first[i] = DECAY_1 * t->first[i] + (1 - DECAY_1) * g;
        t->second[i] = DECAY_2 * t->second[i] + (1 - DECAY_2) * g * g;
        t->w[i] -= rate * t->first[i] / (sqrtf(t->second[i]) + 1e-8f) + RATE * SHRINKAGE * t->w[i];
    }
}

static void add_embedding_slopes(struct training *t, const struct ltv_net_rows *rows, const size_t *which,
                                 size_t count) {
    const struct ltv_net *net = t->net;
    for (size_t e = 0; e < net->embedding_count; e++) {
        const struct embedding *embedding = &net->embeddings[e];
        memset(t->gradient + embedding->offset, 0, embedding->count * EMBEDDING * sizeof *t->gradient);
        for (size_t i = 0; i < count; i++) {
            ptrdiff_t at = embedded(embedding, t->w, codes_of(net, rows, which[i])) - t->w;
            for (size_t j = 0; j < EMBEDDING; j++) {
                t->gradient[at + (ptrdiff_t)j] += t->pass.input_slope[i * net->inputs + embedding->input + j];
            }
        }
    }
}

static void learn(struct training *t, const size_t *which, size_t count) {
    const struct ltv_net_rows *rows = t->train;
    load(t, rows, which, count);
    forward(t->net, t->w, &t->pass, count);
    for (size_t i = 0; i < count; i++) {
        float *slope = t->pass.output_slope + i * OUTPUTS;
        loss_of(t->net, &rows->starts[which[i]], rows->target[which[i]], t->pass.output + i * OUTPUTS, slope);
        for (size_t j = 0; j < OUTPUTS; j++) {
            slope[j] /= (float)count;
        }
    }
    backward(t->net, t->w, &t->pass, count, t->gradient);
    add_embedding_slopes(t, rows, which, count);
    adam(t);
}

static double validation_loss(struct training *t) {
    const struct ltv_net_rows *rows = t->validation;
    double sum = 0;
    for (size_t from = 0; from < rows->count; from += BATCH) {
        size_t which[BATCH], count = rows->count - from < BATCH ? rows->count - from : BATCH;
        for (size_t i = 0; i < count; i++) {
            which[i] = from + i;
        }
        load(t, rows, which, count);
        forward(t->net, t->w, &t->pass, count);
        for (size_t i = 0; i < count; i++) {
            sum += loss_of(t->net, &rows->starts[from + i], rows->target[from + i],
                           t->pass.output + i * OUTPUTS, NULL);
        }
    }
    return sum / (double)rows->count;
}

static void train_one(struct training *t) {
    size_t bytes = t->net->size * sizeof *t->w;
    start_weights(t);
    memset(t->first, 0, bytes);
    memset(t->second, 0, bytes);
    t->decay_1 = t->decay_2 = 1;
    memcpy(t->best, t->w, bytes);
    double best = validation_loss(t);
    for (size_t epoch = 0, since = 0; epoch < EPOCHS && since < PATIENCE; epoch++) {
        gsl_ran_shuffle(t->random, t->order, t->train->count, sizeof *t->order);
        for (size_t from = 0; from < t->train->count; from += BATCH) {
            size_t left = t->train->count - from;
            learn(t, t->order + from, left < BATCH ? left : BATCH);
        }
        double loss = validation_loss(t);
        since++;
        if (loss < best) {
            best = loss;
            since = 0;
            memcpy(t->best, t->w, bytes);
        }
    }
}

static enum mi_status training_init(struct training *t, uint64_t seed, struct mi_error *error) {
    size_t size = t->net->size;
    t->w = malloc(size * sizeof *t->w);
    t->best = malloc(size * sizeof *t->best);
    t->gradient = calloc(size, sizeof *t->gradient);
    t->first = malloc(size * sizeof *t->first);
    t->second = malloc(size * sizeof *t->second);
    t->memory = malloc(pass_size(t->net) * sizeof *t->memory);
    t->order = malloc(t->train->count * sizeof *t->order);
    t->random = gsl_rng_alloc(gsl_rng_mt19937);
    if (t->w == NULL || t->best == NULL || t->gradient == NULL || t->first == NULL || t->second == NULL ||
        t->memory == NULL || t->order == NULL || t->random == NULL) {
        return mi_no_memory(error);
    }
    gsl_rng_set(t->random, (unsigned long)(seed & 0xffffffffu) ^ 0x9e37u);
    t->pass = pass_in(t->net, t->memory);
    for (size_t i = 0; i < t->train->count; i++) {
        t->order[i] = i;
    }
    return MI_OK;
}

static void training_clear(struct training *t) {
    free(t->w);
    free(t->best);
    free(t->gradient);
    free(t->first);
    free(t->second);
    free(t->memory);
    free(t->order);
    gsl_rng_free(t->random);
}

static enum mi_status make_room(struct ltv_net *net, size_t count, struct mi_error *error) {
    net->count = count;
    net->weights = malloc(count * net->size * sizeof *net->weights);
    net->workspace = malloc(pass_size(net) * sizeof *net->workspace);
    return net->weights != NULL && net->workspace != NULL ? MI_OK : mi_no_memory(error);
}

enum mi_status ltv_net_fit(const struct ltv_design *design, const struct ltv_linear *linear,
                           const struct ltv_net_rows *train, const struct ltv_net_rows *validation,
                           uint64_t seed, struct ltv_net **net, struct mi_error *error) {
    struct training t = {.train = train, .validation = validation};
    enum mi_status status = shape(design, &t.net, error);
    if (status == MI_OK) {
        t.net->scale = fmax(linear->spread, 0.05);
        status = make_room(t.net, train->count < FEW_ROWS ? NETS_MOST : 1, error);
    }
    if (status == MI_OK) {
        status = training_init(&t, seed, error);
    }
    for (size_t i = 0; status == MI_OK && i < t.net->count; i++) {
        train_one(&t);
        memcpy(t.net->weights + i * t.net->size, t.best, t.net->size * sizeof *t.best);
    }
    training_clear(&t);
    if (status != MI_OK) {
        ltv_net_free(t.net);
        return status;
    }
    *net = t.net;
    return MI_OK;
}

/* ---- prediction ---- */

static void predict_batch(const struct ltv_net *net, const float *w, const float *values,
                          const struct ltv_start *starts, const float *codes, size_t count,
                          struct ltv_value *out) {
    struct pass pass = pass_in(net, net->workspace);
    for (size_t i = 0; i < count; i++) {
        put_input(net, w, values + i * net->width, codes + i * net->features, pass.input + i * net->inputs);
    }
    /* Always a whole batch: the last digits of a product depend on how many rows it has, and those of a user
     * must not depend on how many came with it. */
    memset(pass.input + count * net->inputs, 0, (BATCH - count) * net->inputs * sizeof *pass.input);
    forward(net, w, &pass, BATCH);
    for (size_t i = 0; i < count; i++) {
        struct outlook now = outlook_of(net, &starts[i], pass.output + i * OUTPUTS);
        double paying = 1 / (1 + exp(-now.odds));
        out[i].paying += paying / (double)net->count;
        out[i].mean += paying * exp(now.location + now.spread * now.spread / 2) / (double)net->count;
    }
}

enum mi_status ltv_net_predict(struct ltv_net *net, const float *values, const struct ltv_start *starts,
                               const float *codes, size_t count, struct ltv_value *out,
                               struct mi_error *error) {
    memset(out, 0, count * sizeof *out);
    for (size_t from = 0; from < count; from += BATCH) {
        size_t left = count - from;
        for (size_t i = 0; i < net->count; i++) {
            predict_batch(net, net->weights + i * net->size, values + from * net->width, starts + from,
                          codes + from * net->features, left < BATCH ? left : BATCH, out + from);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(out[i].mean)) {
            return mi_error_set(error, MI_NUMERIC, "the net gives no number");
        }
    }
    return MI_OK;
}

/* ---- files ---- */

void ltv_net_write(const struct ltv_net *net, struct mi_buffer *out) {
    mi_model_file_number(out, "{\"scale\": ", net->scale);
    mi_buffer_string(out, ",\n   \"nets\": [");
    for (size_t i = 0; i < net->count; i++) {
        ltv_write_floats(out, i > 0 ? ",\n    [" : "\n    [", net->weights + i * net->size, net->size);
    }
    mi_buffer_string(out, "]}");
}

enum mi_status ltv_net_read(const json_t *object, const struct ltv_design *design, struct ltv_net **net,
                            const char **fault, struct mi_error *error) {
    struct mi_model_reading reading = {0};
    const json_t *nets = json_object_get(object, "nets");
    size_t count = json_array_size(nets);
    struct ltv_net *made;
    enum mi_status status = shape(design, &made, error);
    if (status != MI_OK) {
        return status;
    }
    made->scale = mi_model_file_get_number(&reading, object, "scale", 1e-3, 1e3, false);
    if (count < 1 || count > 100) {
        reading.fault = "nets";
    } else {
        status = make_room(made, count, error);
    }
    for (size_t i = 0; status == MI_OK && reading.fault == NULL && i < count; i++) {
        if (!ltv_read_floats(json_array_get(nets, i), made->size, made->weights + i * made->size)) {
            reading.fault = "nets";
        }
    }
    *fault = *fault != NULL ? *fault : reading.fault;
    if (status != MI_OK) {
        ltv_net_free(made);
        return status;
    }
    *net = made;
    return MI_OK;
}
