#include "compute/cpu/conv_graph_impl.h"

#include "base/memory.h"
#include "compute/cpu/neighbours.h"

#include <string.h>

enum {
    MAX_VALUES = 2048,     /* yolov7-face has 123, the largest networks of the family a few times as many */
    MAX_CHANNELS = 1 << 20 /* of one value */
};

static ssfer_status out_of_memory(ssfer_error *err)
{
    return ssfer_fail(err, SSFER_ERR_MEMORY, "network graph: out of memory");
}

ssfer_status ssfer_conv_graph_create(ssfer_conv_graph **out, size_t input_channels, ssfer_error *err)
{
    *out = NULL;
    if (!input_channels || input_channels > MAX_CHANNELS)
        return ssfer_fail(err, SSFER_ERR_SHAPE, "network graph: an input of %zu channels", input_channels);
    ssfer_conv_graph *g = ssfer_calloc(1, sizeof *g);
    if (!g)
        return out_of_memory(err);
    ssfer_neighbours_enter();
    ssfer_status st = ssfer_conv_engine_create(&g->engine, err);
    if (st == SSFER_OK && ssfer_reserve((void **)&g->values, &g->value_capacity, 1, sizeof *g->values) != 0)
        st = out_of_memory(err);
    if (st != SSFER_OK) {
        ssfer_conv_graph_destroy(g);
        return st;
    }
    g->values[0] = (ssfer_conv_graph_value){.channels = input_channels};
    g->value_count = 1;
    *out = g;
    return SSFER_OK;
}

void ssfer_conv_graph_destroy(ssfer_conv_graph *graph)
{
    if (!graph)
        return;
    for (size_t i = 0; i < graph->op_count; i++) {
        ssfer_conv_weights_destroy(graph->ops[i].weights);
        ssfer_free(graph->ops[i].in);
    }
    ssfer_free(graph->ops);
    ssfer_free(graph->values);
    ssfer_conv_engine_destroy(graph->engine);
    ssfer_free(graph);
    ssfer_neighbours_leave();
}

size_t ssfer_conv_graph_value_count(const ssfer_conv_graph *graph)
{
    return graph->value_count;
}

size_t ssfer_conv_graph_channels(const ssfer_conv_graph *graph, size_t value)
{
    return graph->values[value].channels;
}

size_t ssfer_conv_graph_weight_floats(const ssfer_conv_graph *graph)
{
    return graph->weight_floats;
}

void ssfer_conv_graph_keep(ssfer_conv_graph *graph, size_t value)
{
    graph->values[value].keep = true;
}

/* ---- adding ---- */

/* Appends an operation with `count` inputs; its output gets the given channels. *op stays valid until the next call. */
static ssfer_status append(ssfer_conv_graph *g, ssfer_conv_op **op, ssfer_conv_op_kind kind, const size_t *in,
                           size_t count, size_t channels, ssfer_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (in[i] >= g->value_count)
            return ssfer_fail(err, SSFER_ERR_ARGUMENT, "network graph: value %zu does not exist", in[i]);
    if (g->value_count >= MAX_VALUES)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "network graph: more than %d steps", MAX_VALUES);
    if (!channels || channels > MAX_CHANNELS)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "network graph: a value of %zu channels; 1 to %d are possible",
                          channels, MAX_CHANNELS);
    if (ssfer_reserve((void **)&g->values, &g->value_capacity, g->value_count + 1, sizeof *g->values) != 0 ||
        ssfer_reserve((void **)&g->ops, &g->op_capacity, g->op_count + 1, sizeof *g->ops) != 0)
        return out_of_memory(err);
    size_t *inputs = ssfer_malloc(count * sizeof *inputs);
    if (!inputs)
        return out_of_memory(err);
    memcpy(inputs, in, count * sizeof *in);
    g->values[g->value_count] = (ssfer_conv_graph_value){.channels = channels};
    *op = &g->ops[g->op_count++];
    **op = (ssfer_conv_op){.kind = kind, .in = inputs, .in_count = count, .out = g->value_count++};
    return SSFER_OK;
}

/* The input picture is planar; whatever is not a first convolution reads a blocked copy of it. */
static ssfer_status blocked(ssfer_conv_graph *g, size_t *value, ssfer_error *err)
{
    if (*value != 0)
        return SSFER_OK;
    if (!g->packed_input) {
        ssfer_conv_op *op;
        size_t input = 0;
        ssfer_status st = append(g, &op, SSFER_CONV_OP_PACK, &input, 1, g->values[0].channels, err);
        if (st != SSFER_OK)
            return st;
        g->packed_input = op->out;
    }
    *value = g->packed_input;
    return SSFER_OK;
}

/* An operation with one blocked input. */
static ssfer_status append_unary(ssfer_conv_graph *g, ssfer_conv_op **op, ssfer_conv_op_kind kind, size_t in,
                                 size_t channels, ssfer_error *err)
{
    ssfer_status st = in < g->value_count ? blocked(g, &in, err) : SSFER_OK;
    return st == SSFER_OK ? append(g, op, kind, &in, 1, channels, err) : st;
}

ssfer_status ssfer_conv_graph_conv(ssfer_conv_graph *graph, size_t *out, size_t in, const ssfer_conv_shape *shape,
                                   const float *weights, const float *bias, ssfer_error *err)
{
    ssfer_conv_weights *w;
    ssfer_conv_op *op;
    if (in < graph->value_count && graph->values[in].channels != shape->in_channels)
        return ssfer_fail(err, SSFER_ERR_SHAPE, "network graph: a convolution of %zu channels gets %zu",
                          shape->in_channels, graph->values[in].channels);
    ssfer_status st = ssfer_conv_weights_create(&w, shape, weights, bias, err);
    if (st != SSFER_OK)
        return st;
    /* oneDNN has kernels that read up to three planes; everything else reads blocks */
    if (in == 0 && shape->in_channels <= 3 && !shape->depthwise)
        st = append(graph, &op, SSFER_CONV_OP_CONV, &in, 1, shape->out_channels, err);
    else
        st = append_unary(graph, &op, SSFER_CONV_OP_CONV, in, shape->out_channels, err);
    if (st != SSFER_OK) {
        ssfer_conv_weights_destroy(w);
        return st;
    }
    op->weights = w;
    graph->weight_floats += ssfer_conv_weight_floats(shape);
    *out = op->out;
    return SSFER_OK;
}

ssfer_status ssfer_conv_graph_max_pool(ssfer_conv_graph *graph, size_t *out, size_t in, size_t kernel, size_t stride,
                                       size_t pad, bool ceil, ssfer_error *err)
{
    ssfer_conv_op *op;
    if (!kernel || kernel > 64 || !stride || stride > 64 || pad > kernel / 2)
        return ssfer_fail(err, SSFER_ERR_SHAPE, "network graph: pooling with kernel %zu, stride %zu, padding %zu",
                          kernel, stride, pad);
    ssfer_status st =
        append_unary(graph, &op, SSFER_CONV_OP_POOL, in, in < graph->value_count ? graph->values[in].channels : 1, err);
    if (st != SSFER_OK)
        return st;
    op->kernel = kernel;
    op->stride = stride;
    op->pad = pad;
    op->ceil = ceil;
    *out = op->out;
    return SSFER_OK;
}

ssfer_status ssfer_conv_graph_upsample(ssfer_conv_graph *graph, size_t *out, size_t in, size_t factor, ssfer_error *err)
{
    ssfer_conv_op *op;
    if (!factor || factor > 16)
        return ssfer_fail(err, SSFER_ERR_SHAPE, "network graph: upsampling by %zu", factor);
    ssfer_status st = append_unary(graph, &op, SSFER_CONV_OP_UPSAMPLE, in,
                                   in < graph->value_count ? graph->values[in].channels : 1, err);
    if (st != SSFER_OK)
        return st;
    op->factor = factor;
    *out = op->out;
    return SSFER_OK;
}

/* Two blocked inputs with the same number of channels. */
static ssfer_status append_binary(ssfer_conv_graph *g, ssfer_conv_op **op, ssfer_conv_op_kind kind, size_t a, size_t b,
                                  size_t widen, ssfer_error *err)
{
    if (a >= g->value_count || b >= g->value_count)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "network graph: value %zu or %zu does not exist", a, b);
    if (g->values[a].channels != g->values[b].channels)
        return ssfer_fail(err, SSFER_ERR_SHAPE, "network graph: %zu and %zu channels do not fit together",
                          g->values[a].channels, g->values[b].channels);
    size_t in[2] = {a, b};
    ssfer_status st = blocked(g, &in[0], err);
    if (st == SSFER_OK)
        st = blocked(g, &in[1], err);
    return st == SSFER_OK ? append(g, op, kind, in, 2, g->values[a].channels * widen, err) : st;
}

ssfer_status ssfer_conv_graph_add(ssfer_conv_graph *graph, size_t *out, size_t a, size_t b, float alpha,
                                  ssfer_error *err)
{
    ssfer_conv_op *op;
    ssfer_status st = append_binary(graph, &op, SSFER_CONV_OP_ADD, a, b, 1, err);
    if (st == SSFER_OK) {
        op->alpha = alpha;
        *out = op->out;
    }
    return st;
}

ssfer_status ssfer_conv_graph_interleave(ssfer_conv_graph *graph, size_t *out, size_t a, size_t b, ssfer_error *err)
{
    ssfer_conv_op *op;
    ssfer_status st = append_binary(graph, &op, SSFER_CONV_OP_INTERLEAVE, a, b, 2, err);
    if (st == SSFER_OK)
        *out = op->out;
    return st;
}

ssfer_status ssfer_conv_graph_concat(ssfer_conv_graph *graph, size_t *out, const size_t *in, size_t count,
                                     ssfer_error *err)
{
    enum { MAX_INPUTS = 64 };
    size_t values[MAX_INPUTS], channels = 0;
    ssfer_conv_op *op;
    if (!count || count > MAX_INPUTS)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "network graph: a concatenation of %zu values; at most %d", count,
                          MAX_INPUTS);
    for (size_t i = 0; i < count; i++) {
        values[i] = in[i];
        ssfer_status st = in[i] < graph->value_count ? blocked(graph, &values[i], err) : SSFER_OK;
        if (st != SSFER_OK)
            return st;
        channels += in[i] < graph->value_count ? graph->values[in[i]].channels : 0; /* at most 64 * 2^20 */
    }
    ssfer_status st = append(graph, &op, SSFER_CONV_OP_CONCAT, values, count, channels, err);
    if (st == SSFER_OK)
        *out = op->out;
    return st;
}

ssfer_status ssfer_conv_graph_slice(ssfer_conv_graph *graph, size_t *out, size_t in, size_t first, size_t channels,
                                    ssfer_error *err)
{
    ssfer_conv_op *op;
    if (in < graph->value_count &&
        (first > graph->values[in].channels || channels > graph->values[in].channels - first))
        return ssfer_fail(err, SSFER_ERR_SHAPE, "network graph: channels %zu to %zu of %zu", first, first + channels,
                          graph->values[in].channels);
    ssfer_status st = append_unary(graph, &op, SSFER_CONV_OP_SLICE, in, channels, err);
    if (st != SSFER_OK)
        return st;
    op->first = first;
    *out = op->out;
    return SSFER_OK;
}

ssfer_status ssfer_conv_graph_space_to_depth(ssfer_conv_graph *graph, size_t *out, size_t in, ssfer_error *err)
{
    ssfer_conv_op *op;
    ssfer_status st = append_unary(graph, &op, SSFER_CONV_OP_DEPTH, in,
                                   in < graph->value_count ? 4 * graph->values[in].channels : 1, err);
    if (st == SSFER_OK)
        *out = op->out;
    return st;
}

/* ---- sizes ---- */

static bool windows(size_t *out, size_t in, size_t kernel, size_t stride, size_t pad, bool ceil)
{
    if (in + 2 * pad < kernel)
        return false;
    size_t span = in + 2 * pad - kernel, count = (ceil ? span + stride - 1 : span) / stride + 1;
    if (ceil && (count - 1) * stride >= in + pad) /* PyTorch: the last window must start inside */
        count--;
    *out = count;
    return true;
}

/* The size of an operation's output from those of its inputs; false if it cannot be. */
static bool output_size(size_t size[2], const ssfer_conv_op *op, const size_t *sizes)
{
    const size_t *a = sizes + 2 * op->in[0];
    const ssfer_conv_shape *s;
    for (size_t i = 1; i < op->in_count; i++) /* all inputs of one operation have one size */
        if (memcmp(a, sizes + 2 * op->in[i], 2 * sizeof *a) != 0)
            return false;
    switch (op->kind) {
    case SSFER_CONV_OP_CONV:
        s = ssfer_conv_weights_shape(op->weights);
        return windows(&size[0], a[0], s->kernel_h, s->stride, s->pad_h, false) &&
               windows(&size[1], a[1], s->kernel_w, s->stride, s->pad_w, false);
    case SSFER_CONV_OP_POOL:
        return windows(&size[0], a[0], op->kernel, op->stride, op->pad, op->ceil) &&
               windows(&size[1], a[1], op->kernel, op->stride, op->pad, op->ceil);
    case SSFER_CONV_OP_UPSAMPLE:
        size[0] = a[0] * op->factor;
        size[1] = a[1] * op->factor;
        return size[0] <= MAX_CHANNELS && size[1] <= MAX_CHANNELS;
    case SSFER_CONV_OP_DEPTH:
        size[0] = a[0] / 2;
        size[1] = a[1] / 2;
        return a[0] % 2 == 0 && a[1] % 2 == 0 && size[0] && size[1];
    default:
        size[0] = a[0];
        size[1] = a[1];
        return true;
    }
}

ssfer_status ssfer_conv_graph_sizes(const ssfer_conv_graph *graph, size_t *sizes, size_t height, size_t width,
                                    ssfer_error *err)
{
    if (!height || !width || height > MAX_CHANNELS || width > MAX_CHANNELS)
        return ssfer_fail(err, SSFER_ERR_SHAPE, "network graph: an input of %zux%zu pixels", width, height);
    sizes[0] = height;
    sizes[1] = width;
    for (size_t i = 0; i < graph->op_count; i++) {
        const ssfer_conv_op *op = &graph->ops[i];
        if (!output_size(sizes + 2 * op->out, op, sizes))
            return ssfer_fail(err, SSFER_ERR_SHAPE,
                              "network graph: sizes do not fit at step %zu for an input of %zux%zu pixels", i, width,
                              height);
    }
    return SSFER_OK;
}

static double conv_operations(const ssfer_conv_shape *s, size_t in_channels, size_t out_channels, const size_t size[2])
{
    const double inputs = (double)(s->depthwise ? 1 : in_channels) * (double)(s->kernel_h * s->kernel_w);
    return 2.0 * inputs * (double)out_channels * (double)size[0] * (double)size[1];
}

ssfer_status ssfer_conv_graph_flops(double *flops, const ssfer_conv_graph *graph, size_t height, size_t width,
                                    ssfer_error *err)
{
    size_t *sizes = ssfer_malloc(2 * graph->value_count * sizeof *sizes);
    if (!sizes)
        return out_of_memory(err);
    ssfer_status st = ssfer_conv_graph_sizes(graph, sizes, height, width, err);
    double sum = 0.0;
    for (size_t i = 0; st == SSFER_OK && i < graph->op_count; i++) {
        const ssfer_conv_op *op = &graph->ops[i];
        if (op->kind != SSFER_CONV_OP_CONV)
            continue;
        const ssfer_conv_shape *s = ssfer_conv_weights_shape(op->weights);
        sum += conv_operations(s, s->in_channels, s->out_channels, sizes + 2 * op->out);
    }
    if (st == SSFER_OK)
        *flops = sum;
    ssfer_free(sizes);
    return st;
}

ssfer_conv_cost ssfer_conv_graph_cost(const ssfer_conv_graph *graph, const size_t *sizes)
{
    ssfer_conv_cost cost = {0};
    for (size_t i = 0; i < graph->op_count; i++) {
        const ssfer_conv_op *op = &graph->ops[i];
        const size_t *size = sizes + 2 * op->out, channels = ssfer_conv_blocks(graph->values[op->out].channels);
        const double numbers = (double)(channels * SSFER_CONV_BLOCK) * (double)size[0] * (double)size[1];
        cost.largest_value = numbers > cost.largest_value ? numbers : cost.largest_value;
        if (op->kind == SSFER_CONV_OP_CONV) {
            const ssfer_conv_shape *s = ssfer_conv_weights_shape(op->weights);
            cost.operations += conv_operations(s, ssfer_conv_blocks(s->in_channels) * SSFER_CONV_BLOCK,
                                               channels * SSFER_CONV_BLOCK, size);
        } else
            cost.operations += numbers * (op->kind == SSFER_CONV_OP_POOL ? (double)(op->kernel * op->kernel) : 1.0);
    }
    return cost;
}
