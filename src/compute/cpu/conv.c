#include "compute/cpu/conv.h"

#include "base/memory.h"
#include "base/size.h"
#include "compute/cpu/conv_winograd.h"
#include "compute/cpu/onednn.h"

#include <omp.h>
#include <stdint.h>
#include <string.h>

/* oneDNN 3 dropped operation descriptors and made memory descriptors opaque; the differences are confined to here. */
#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t layout;
typedef const_dnnl_memory_desc_t const_layout;
#else
typedef dnnl_memory_desc_t layout;
typedef const dnnl_memory_desc_t *const_layout;
#endif

struct ssfer_conv_engine {
    dnnl_engine_t engine;
    dnnl_stream_t stream; /* for reordering weights; every call has its own */
};

enum { MAX_LAYOUTS = 4 }; /* weight layouts kept; more sizes than that wanting different ones are refused */

struct ssfer_conv_weights {
    ssfer_conv_shape shape;
    size_t in, out;       /* channel counts of the weights, padded */
    float *values, *bias; /* padded with zeros: (out, in, kh, kw) or (out, kh, kw) */
    float *planar;        /* the same without padded input channels, for a planar input; made when first wanted */
    float *winograd;      /* transformed; made when first wanted */
    dnnl_memory_t bias_memory;
    dnnl_memory_t layouts[MAX_LAYOUTS];
    void *layout_data[MAX_LAYOUTS];
    size_t layout_count;
};

/* Computed by oneDNN, or, where that pays, by Winograd's algorithm; then everything of oneDNN's stays NULL. */
struct ssfer_conv {
    bool by_winograd;
    ssfer_winograd winograd; /* not yet bound to memory */
    dnnl_engine_t engine;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_memory_t weights, bias; /* of the ssfer_conv_weights */
    size_t scratch_bytes;
};

struct ssfer_conv_call {
    bool by_winograd;
    ssfer_winograd winograd;
    dnnl_primitive_t primitive; /* of the ssfer_conv */
    bool moves_stack;           /* onednn.h */
    dnnl_stream_t stream;
    dnnl_exec_arg_t args[5];
};

static ssfer_status dnnl_failed(dnnl_status_t code, const char *what, ssfer_error *err)
{
    if (code == dnnl_out_of_memory)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "convolution: no memory to %s", what);
    const ssfer_status st = code == dnnl_unimplemented ? SSFER_ERR_UNSUPPORTED : SSFER_ERR_ARGUMENT;
    return ssfer_fail(err, st, "convolution: oneDNN failed to %s (status %d)", what, (int)code);
}

ssfer_status ssfer_conv_engine_create(ssfer_conv_engine **out, ssfer_error *err)
{
    *out = NULL;
    ssfer_conv_engine *e = ssfer_calloc(1, sizeof *e);
    if (!e)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "convolution: out of memory");
    ssfer_status st = ssfer_onednn_engine_create(&e->engine, err);
    dnnl_status_t code = dnnl_success;
    if (st == SSFER_OK)
        code = dnnl_stream_create(&e->stream, e->engine, dnnl_stream_default_flags);
    if (st != SSFER_OK || code != dnnl_success) {
        ssfer_conv_engine_destroy(e);
        return st != SSFER_OK ? st : dnnl_failed(code, "create a stream", err);
    }
    *out = e;
    return SSFER_OK;
}

void ssfer_conv_engine_destroy(ssfer_conv_engine *engine)
{
    if (!engine)
        return;
    if (engine->stream)
        dnnl_stream_destroy(engine->stream);
    if (engine->engine)
        dnnl_engine_destroy(engine->engine);
    ssfer_free(engine);
}

/* ---- weights ---- */

static size_t padded(size_t channels)
{
    return ssfer_align_size(channels, SSFER_CONV_BLOCK);
}

static bool shape_ok(const ssfer_conv_shape *s)
{
    const size_t most = (size_t)1 << 20; /* any real network is far below; keeps every product in range */
    return s->in_channels && s->out_channels && s->kernel_h && s->kernel_w && s->stride && s->in_channels <= most &&
           s->out_channels <= most && s->kernel_h <= 64 && s->kernel_w <= 64 && s->stride <= 64 &&
           s->pad_h < s->kernel_h && s->pad_w < s->kernel_w && (!s->depthwise || s->in_channels == s->out_channels);
}

size_t ssfer_conv_weight_floats(const ssfer_conv_shape *s)
{
    return shape_ok(s)
               ? padded(s->out_channels) * (s->depthwise ? 1 : padded(s->in_channels)) * s->kernel_h * s->kernel_w
               : 0;
}

/* Rows of `row` floats grouped in planes of `inputs` rows are copied into planes of `padded_inputs` rows. */
static void copy_weights(float *to, const float *from, size_t outputs, size_t inputs, size_t padded_inputs, size_t row)
{
    for (size_t o = 0; o < outputs; o++)
        memcpy(to + o * padded_inputs * row, from + o * inputs * row, inputs * row * sizeof *to);
}

ssfer_status ssfer_conv_weights_create(ssfer_conv_weights **out, const ssfer_conv_shape *shape, const float *weights,
                                       const float *bias, ssfer_error *err)
{
    *out = NULL;
    if (!shape_ok(shape))
        return ssfer_fail(
            err, SSFER_ERR_SHAPE,
            "convolution: %zu to %zu channels with kernel %zux%zu, stride %zu, padding %zux%zu; kernel and "
            "stride may be 1 to 64, padding less than the kernel",
            shape->in_channels, shape->out_channels, shape->kernel_h, shape->kernel_w, shape->stride, shape->pad_h,
            shape->pad_w);
    ssfer_conv_weights *w = ssfer_calloc(1, sizeof *w);
    if (!w)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "convolution: out of memory");
    w->shape = *shape;
    w->out = padded(shape->out_channels);
    w->in = shape->depthwise ? 1 : padded(shape->in_channels);
    size_t area = shape->kernel_h * shape->kernel_w, count = ssfer_conv_weight_floats(shape);
    w->values = ssfer_aligned_alloc(count * sizeof *w->values);
    w->bias = ssfer_aligned_alloc(w->out * sizeof *w->bias);
    if (!w->values || !w->bias) {
        ssfer_conv_weights_destroy(w);
        return ssfer_fail(err, SSFER_ERR_MEMORY, "convolution: out of memory for %zu weights", count);
    }
    memset(w->values, 0, count * sizeof *w->values);
    memset(w->bias, 0, w->out * sizeof *w->bias);
    copy_weights(w->values, weights, shape->out_channels, shape->depthwise ? 1 : shape->in_channels, w->in, area);
    memcpy(w->bias, bias, shape->out_channels * sizeof *bias);
    *out = w;
    return SSFER_OK;
}

void ssfer_conv_weights_destroy(ssfer_conv_weights *weights)
{
    if (!weights)
        return;
    for (size_t i = 0; i < weights->layout_count; i++) {
        dnnl_memory_destroy(weights->layouts[i]);
        ssfer_free(weights->layout_data[i]);
    }
    if (weights->bias_memory)
        dnnl_memory_destroy(weights->bias_memory);
    ssfer_free(weights->winograd);
    ssfer_free(weights->planar);
    ssfer_free(weights->values);
    ssfer_free(weights->bias);
    ssfer_free(weights);
}

const ssfer_conv_shape *ssfer_conv_weights_shape(const ssfer_conv_weights *weights)
{
    return &weights->shape;
}

/* ---- oneDNN descriptors ---- */

static dnnl_status_t layout_by_tag(layout *out, int ndims, const dnnl_dims_t dims, dnnl_format_tag_t tag)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_tag(out, ndims, dims, dnnl_f32, tag);
#else
    return dnnl_memory_desc_init_by_tag(out, ndims, dims, dnnl_f32, tag);
#endif
}

static void layout_free(layout *l)
{
#if DNNL_VERSION_MAJOR >= 3
    if (*l)
        dnnl_memory_desc_destroy(*l);
    *l = NULL;
#else
    (void)l;
#endif
}

static const_layout layout_ref(const layout *l)
{
#if DNNL_VERSION_MAJOR >= 3
    return *l;
#else
    return l;
#endif
}

static const_layout layout_of_memory(const_dnnl_memory_t memory)
{
    const_layout l = NULL;
#if DNNL_VERSION_MAJOR >= 3
    dnnl_memory_get_memory_desc(memory, &l);
#else
    dnnl_memory_get_memory_desc(memory, &l);
#endif
    return l;
}

/* Attributes: the fused activation, and scratch memory that the caller brings (oneDNN's own would be shared by calls
 * that run at the same time). */
static dnnl_status_t make_attributes(dnnl_primitive_attr_t *out, const ssfer_conv_shape *shape)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t code = dnnl_primitive_attr_create(out);
    if (code == dnnl_success)
        code = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    if (code != dnnl_success || shape->activation == SSFER_ACTIVATION_NONE)
        return code;
    bool silu = shape->activation == SSFER_ACTIVATION_SILU;
    dnnl_alg_kind_t kind = silu ? dnnl_eltwise_swish : dnnl_eltwise_relu;
    float alpha = silu ? 1.0f : shape->slope;
    code = dnnl_post_ops_create(&ops);
    if (code == dnnl_success)
#if DNNL_VERSION_MAJOR >= 3
        code = dnnl_post_ops_append_eltwise(ops, kind, alpha, 0.0f);
#else
        code = dnnl_post_ops_append_eltwise(ops, 1.0f, kind, alpha, 0.0f);
#endif
    if (code == dnnl_success)
        code = dnnl_primitive_attr_set_post_ops(*out, ops);
    if (ops)
        dnnl_post_ops_destroy(ops);
    return code;
}

typedef struct conv_layouts {
    layout src, weights, bias, dst;
} conv_layouts;

static dnnl_status_t make_layouts(conv_layouts *l, const ssfer_conv_weights *w, size_t height, size_t width,
                                  size_t out_height, size_t out_width, bool planar)
{
    const ssfer_conv_shape *s = &w->shape;
    int64_t in = (int64_t)(planar ? s->in_channels : padded(s->in_channels)), out = (int64_t)w->out;
    const dnnl_dims_t src = {1, in, (int64_t)height, (int64_t)width};
    const dnnl_dims_t dst = {1, out, (int64_t)out_height, (int64_t)out_width};
    const dnnl_dims_t dense = {out, in, (int64_t)s->kernel_h, (int64_t)s->kernel_w};
    const dnnl_dims_t grouped = {out, 1, 1, (int64_t)s->kernel_h, (int64_t)s->kernel_w};
    const dnnl_dims_t bias = {out};
    dnnl_status_t code = layout_by_tag(&l->src, 4, src, planar ? dnnl_nchw : dnnl_nChw8c);
    if (code == dnnl_success)
        code = layout_by_tag(&l->weights, s->depthwise ? 5 : 4, s->depthwise ? grouped : dense, dnnl_format_tag_any);
    if (code == dnnl_success)
        code = layout_by_tag(&l->bias, 1, bias, dnnl_a);
    if (code == dnnl_success)
        code = layout_by_tag(&l->dst, 4, dst, dnnl_nChw8c);
    return code;
}

static dnnl_status_t make_descriptor(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const conv_layouts *l,
                                     const ssfer_conv_shape *s, const_dnnl_primitive_attr_t attributes)
{
    const dnnl_dims_t strides = {(int64_t)s->stride, (int64_t)s->stride}, pad = {(int64_t)s->pad_h, (int64_t)s->pad_w};
#if DNNL_VERSION_MAJOR >= 3
    const dnnl_dims_t dilation = {0, 0};
    return dnnl_convolution_forward_primitive_desc_create(out, engine, dnnl_forward_inference, dnnl_convolution_direct,
                                                          l->src, l->weights, l->bias, l->dst, strides, dilation, pad,
                                                          pad, attributes);
#else
    dnnl_convolution_desc_t desc;
    dnnl_status_t code = dnnl_convolution_forward_desc_init(&desc, dnnl_forward_inference, dnnl_convolution_direct,
                                                            &l->src, &l->weights, &l->bias, &l->dst, strides, pad, pad);
    return code == dnnl_success ? dnnl_primitive_desc_create(out, &desc, attributes, engine, NULL) : code;
#endif
}

/* ---- weights in the layout that a primitive wants ---- */

static dnnl_status_t reorder(dnnl_memory_t to, dnnl_memory_t from, const ssfer_conv_engine *engine)
{
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_status_t code = dnnl_reorder_primitive_desc_create(&desc, layout_of_memory(from), engine->engine,
                                                            layout_of_memory(to), engine->engine, NULL);
    if (code == dnnl_success)
        code = dnnl_primitive_create(&primitive, desc);
    const dnnl_exec_arg_t args[2] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    if (code == dnnl_success)
        code = dnnl_primitive_execute(primitive, engine->stream, 2, args);
    if (code == dnnl_success)
        code = dnnl_stream_wait(engine->stream);
    if (primitive)
        dnnl_primitive_destroy(primitive);
    if (desc)
        dnnl_primitive_desc_destroy(desc);
    return code;
}

/* The values without the padded input channels, as a planar input wants them. */
static const float *source_values(ssfer_conv_weights *w, bool planar)
{
    const ssfer_conv_shape *s = &w->shape;
    if (!planar || s->depthwise || s->in_channels == w->in)
        return w->values;
    if (!w->planar) {
        size_t area = s->kernel_h * s->kernel_w, row = s->in_channels * area;
        w->planar = ssfer_aligned_alloc(w->out * row * sizeof *w->planar);
        for (size_t o = 0; w->planar && o < w->out; o++)
            memcpy(w->planar + o * row, w->values + o * w->in * area, row * sizeof *w->planar);
    }
    return w->planar;
}

static dnnl_status_t add_layout(ssfer_conv_weights *w, const_layout wanted, bool planar,
                                const ssfer_conv_engine *engine)
{
    const ssfer_conv_shape *s = &w->shape;
    float *values = (float *)(uintptr_t)source_values(w, planar); /* oneDNN takes no pointer to const; it only reads */
    if (!values)
        return dnnl_out_of_memory;
    const int64_t in = (int64_t)(planar ? s->in_channels : w->in);
    const dnnl_dims_t dense = {(int64_t)w->out, in, (int64_t)s->kernel_h, (int64_t)s->kernel_w};
    const dnnl_dims_t grouped = {(int64_t)w->out, 1, 1, (int64_t)s->kernel_h, (int64_t)s->kernel_w};
    layout plain = {0};
    dnnl_memory_t from = NULL, to = NULL;
    void *data = NULL;
    dnnl_status_t code =
        s->depthwise ? layout_by_tag(&plain, 5, grouped, dnnl_goihw) : layout_by_tag(&plain, 4, dense, dnnl_oihw);
    if (code == dnnl_success)
        code = dnnl_memory_create(&from, layout_ref(&plain), engine->engine, values);
    if (code == dnnl_success) {
        data = ssfer_aligned_alloc(dnnl_memory_desc_get_size(wanted));
        code = data ? dnnl_memory_create(&to, wanted, engine->engine, data) : dnnl_out_of_memory;
    }
    if (code == dnnl_success)
        code = reorder(to, from, engine);
    if (from)
        dnnl_memory_destroy(from);
    layout_free(&plain);
    if (code == dnnl_success) {
        w->layout_data[w->layout_count] = data;
        w->layouts[w->layout_count++] = to;
        return code;
    }
    if (to)
        dnnl_memory_destroy(to);
    ssfer_free(data);
    return code;
}

static dnnl_status_t find_layout(dnnl_memory_t *out, ssfer_conv_weights *w, const_layout wanted, bool planar,
                                 const ssfer_conv_engine *engine)
{
    for (size_t i = 0; i < w->layout_count; i++)
        if (dnnl_memory_desc_equal(layout_of_memory(w->layouts[i]), wanted)) {
            *out = w->layouts[i];
            return dnnl_success;
        }
    if (w->layout_count == MAX_LAYOUTS)
        return dnnl_unimplemented;
    dnnl_status_t code = add_layout(w, wanted, planar, engine);
    if (code == dnnl_success)
        *out = w->layouts[w->layout_count - 1];
    return code;
}

static dnnl_status_t find_bias(dnnl_memory_t *out, ssfer_conv_weights *w, const_layout wanted, dnnl_engine_t engine)
{
    dnnl_status_t code = dnnl_success;
    if (!w->bias_memory)
        code = dnnl_memory_create(&w->bias_memory, wanted, engine, w->bias);
    *out = w->bias_memory;
    return code;
}

/* ---- one input size ---- */

static bool out_size(size_t *out, size_t in, size_t kernel, size_t stride, size_t pad)
{
    if (!in || in > (size_t)1 << 20 || in + 2 * pad < kernel)
        return false;
    *out = (in + 2 * pad - kernel) / stride + 1;
    return true;
}

static dnnl_status_t build(ssfer_conv *conv, const ssfer_conv_engine *engine, ssfer_conv_weights *w,
                           const conv_layouts *l, bool planar)
{
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_status_t code = ssfer_onednn_has_room() ? make_attributes(&attributes, &w->shape) : dnnl_out_of_memory;
    if (code == dnnl_success)
        code = make_descriptor(&conv->desc, engine->engine, l, &w->shape, attributes);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    if (code == dnnl_success)
        code = dnnl_primitive_create(&conv->primitive, conv->desc);
    if (code == dnnl_success)
        code = find_layout(&conv->weights, w, dnnl_primitive_desc_query_md(conv->desc, dnnl_query_weights_md, 0),
                           planar, engine);
    if (code == dnnl_success)
        code = find_bias(&conv->bias, w, dnnl_primitive_desc_query_md(conv->desc, dnnl_query_weights_md, 1),
                         engine->engine);
    if (code == dnnl_success)
        conv->scratch_bytes =
            dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(conv->desc, dnnl_query_scratchpad_md, 0));
    return code;
}

static ssfer_status build_winograd(ssfer_conv *conv, ssfer_conv_weights *w, size_t height, size_t width,
                                   ssfer_error *err)
{
    if (!w->winograd) {
        w->winograd = ssfer_aligned_alloc(ssfer_winograd_weight_floats(w->in, w->out) * sizeof *w->winograd);
        if (!w->winograd)
            return ssfer_fail(err, SSFER_ERR_MEMORY, "convolution: out of memory for transformed weights");
        ssfer_winograd_transform(w->winograd, w->values, w->in, w->out);
    }
    conv->by_winograd = true;
    conv->winograd = (ssfer_winograd){.height = height,
                                      .width = width,
                                      .in_channels = w->in,
                                      .out_channels = w->out,
                                      .activation = w->shape.activation,
                                      .slope = w->shape.slope,
                                      .weights = w->winograd,
                                      .bias = w->bias,
                                      .threads = (size_t)omp_get_max_threads()};
    conv->scratch_bytes = ssfer_winograd_scratch_bytes(w->in, height, width, conv->winograd.threads);
    return SSFER_OK;
}

static ssfer_status build_direct(ssfer_conv *conv, ssfer_conv_engine *engine, ssfer_conv_weights *weights,
                                 size_t height, size_t width, size_t out_height, size_t out_width, bool planar,
                                 ssfer_error *err)
{
    conv_layouts l = {0};
    conv->engine = engine->engine;
    dnnl_status_t code = make_layouts(&l, weights, height, width, out_height, out_width, planar);
    if (code == dnnl_success)
        code = build(conv, engine, weights, &l, planar);
    layout_free(&l.src);
    layout_free(&l.weights);
    layout_free(&l.bias);
    layout_free(&l.dst);
    return code == dnnl_success ? SSFER_OK : dnnl_failed(code, "prepare a layer", err);
}

ssfer_status ssfer_conv_create(ssfer_conv **out, ssfer_conv_engine *engine, ssfer_conv_weights *weights, size_t height,
                               size_t width, bool planar, ssfer_error *err)
{
    const ssfer_conv_shape *s = &weights->shape;
    size_t out_height = 0, out_width = 0;
    *out = NULL;
    if (!out_size(&out_height, height, s->kernel_h, s->stride, s->pad_h) ||
        !out_size(&out_width, width, s->kernel_w, s->stride, s->pad_w))
        return ssfer_fail(err, SSFER_ERR_SHAPE, "convolution: kernel %zux%zu does not fit an input of %zux%zu",
                          s->kernel_w, s->kernel_h, width, height);
    ssfer_conv *conv = ssfer_calloc(1, sizeof *conv);
    if (!conv)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "convolution: out of memory");
    ssfer_status st = !planar && ssfer_winograd_pays(s, height, width)
                          ? build_winograd(conv, weights, height, width, err)
                          : build_direct(conv, engine, weights, height, width, out_height, out_width, planar, err);
    if (st != SSFER_OK) {
        ssfer_conv_destroy(conv);
        return st;
    }
    *out = conv;
    return SSFER_OK;
}

void ssfer_conv_destroy(ssfer_conv *conv)
{
    if (!conv)
        return;
    if (conv->primitive)
        dnnl_primitive_destroy(conv->primitive);
    if (conv->desc)
        dnnl_primitive_desc_destroy(conv->desc);
    ssfer_free(conv);
}

size_t ssfer_conv_scratch_bytes(const ssfer_conv *conv)
{
    return conv->scratch_bytes;
}

const char *ssfer_conv_kernel_name(const ssfer_conv *conv)
{
    const char *name = "";
    if (conv->by_winograd)
        return "winograd 4x4";
    dnnl_primitive_desc_query(conv->desc, dnnl_query_impl_info_str, 0, (void *)&name);
    return name;
}

/* ---- bound to memory ---- */

static dnnl_status_t bind(ssfer_conv_call *call, const ssfer_conv *conv, int slot, int arg, dnnl_query_t what,
                          void *data)
{
    const_layout l = dnnl_primitive_desc_query_md(conv->desc, what, 0);
    call->args[slot].arg = arg;
    return dnnl_memory_create(&call->args[slot].memory, l, conv->engine, data);
}

ssfer_status ssfer_conv_call_create(ssfer_conv_call **out, const ssfer_conv *conv, float *in, float *dst, void *scratch,
                                    ssfer_error *err)
{
    *out = NULL;
    ssfer_conv_call *call = ssfer_calloc(1, sizeof *call);
    if (!call)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "convolution: out of memory");
    if (conv->by_winograd) {
        call->by_winograd = true;
        call->winograd = conv->winograd;
        call->winograd.in = in;
        call->winograd.out = dst;
        call->winograd.scratch = scratch;
        *out = call;
        return SSFER_OK;
    }
    call->primitive = conv->primitive;
    call->moves_stack = ssfer_onednn_moves_stack(conv->desc);
    call->args[3] = (dnnl_exec_arg_t){DNNL_ARG_WEIGHTS, conv->weights};
    call->args[4] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, conv->bias};
    dnnl_status_t code = dnnl_stream_create(&call->stream, conv->engine, dnnl_stream_default_flags);
    if (code == dnnl_success)
        code = bind(call, conv, 0, DNNL_ARG_SRC, dnnl_query_src_md, in);
    if (code == dnnl_success)
        code = bind(call, conv, 1, DNNL_ARG_DST, dnnl_query_dst_md, dst);
    if (code == dnnl_success)
        code = bind(call, conv, 2, DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md, scratch);
    if (code != dnnl_success) {
        ssfer_conv_call_destroy(call);
        return dnnl_failed(code, "bind memory", err);
    }
    *out = call;
    return SSFER_OK;
}

void ssfer_conv_call_destroy(ssfer_conv_call *call)
{
    if (!call)
        return;
    for (int i = 0; i < 3; i++)
        if (call->args[i].memory)
            dnnl_memory_destroy(call->args[i].memory);
    if (call->stream)
        dnnl_stream_destroy(call->stream);
    ssfer_free(call);
}

ssfer_status ssfer_conv_call_run(ssfer_conv_call *call, ssfer_error *err)
{
    if (call->by_winograd) {
        ssfer_winograd_run(&call->winograd);
        return SSFER_OK;
    }
    ssfer_onednn_call onednn;
    ssfer_onednn_begin(&onednn, (size_t)omp_get_max_threads(), call->moves_stack);
    dnnl_status_t code = dnnl_primitive_execute(call->primitive, call->stream, 5, call->args);
    if (code == dnnl_success)
        code = dnnl_stream_wait(call->stream);
    ssfer_onednn_end(&onednn);
    return code == dnnl_success ? SSFER_OK : dnnl_failed(code, "run a layer", err);
}
