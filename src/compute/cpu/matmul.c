/* Matrix products as cached primitives, which fuse bias and GELU; see matmul.h. */
#include "compute/cpu/matmul.h"

#include "base/memory.h"
#include "compute/cpu/device.h"
#include "compute/cpu/onednn.h"

#include <string.h>

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t memory_desc; /* a handle, dropped after use */
typedef const_dnnl_memory_desc_t desc_view;
#else
typedef dnnl_memory_desc_t memory_desc; /* a struct; hidden behind make_desc/drop_desc */
typedef const dnnl_memory_desc_t *desc_view;
#endif

typedef struct cached_product {
    ssfer_matmul key;
    bool own_layout;  /* b in the layout that the primitive asked for */
    bool moves_stack; /* onednn.h */
    dnnl_primitive_t primitive;
    dnnl_memory_t a, b, bias, y; /* handles are set to the caller's pointers at each call */
} cached_product;

/* A piece of memory whose weights do not change for a while. */
typedef struct held_range {
    const float *start;
    size_t count;
} held_range;

/* A weight that has been used while held, and the copies of it (usually one). */
typedef struct held_weight {
    const float *w;
    bool transposed;    /* as which the copy was made */
    dnnl_memory_t copy; /* NULL: used once, not copied yet */
    void *packed;       /* for products that are not oneDNN's; NULL: none */
} held_weight;

struct ssfer_cpu_products {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    cached_product *cache;
    size_t count, capacity;
    held_range *ranges;
    size_t range_count, range_capacity;
    held_weight *weights;
    size_t weight_count, weight_capacity;
    bool sgemm_generated[2][2]; /* oneDNN has its kernels for a transposed or not, b transposed or not */
};

static ssfer_status dnnl_fail(ssfer_error *err, const char *what, dnnl_status_t code)
{
    if (code == dnnl_out_of_memory)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "compute: no memory for %s", what);
    return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "oneDNN: %s failed with status %d", what, (int)code);
}

ssfer_status ssfer_cpu_products_create(ssfer_cpu_products **out, ssfer_error *err)
{
    *out = NULL;
    ssfer_cpu_products *p = ssfer_calloc(1, sizeof *p);
    if (!p)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "compute: out of memory");
    ssfer_status st = ssfer_onednn_engine_create(&p->engine, err);
    dnnl_status_t code = dnnl_success;
    if (st == SSFER_OK)
        code = dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags);
    if (st != SSFER_OK || code != dnnl_success) {
        ssfer_cpu_products_destroy(p);
        return st != SSFER_OK ? st : dnnl_fail(err, "creating the stream", code);
    }
    *out = p;
    return SSFER_OK;
}

static void cached_product_deinit(cached_product *f)
{
    if (f->primitive)
        dnnl_primitive_destroy(f->primitive);
    dnnl_memory_t memories[] = {f->a, f->b, f->bias, f->y};
    for (size_t i = 0; i < sizeof memories / sizeof *memories; i++)
        if (memories[i])
            dnnl_memory_destroy(memories[i]);
}

static void held_weight_deinit(held_weight *weight)
{
    if (weight->copy)
        dnnl_memory_destroy(weight->copy);
    ssfer_free(weight->packed);
}

void ssfer_cpu_products_destroy(ssfer_cpu_products *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++)
        cached_product_deinit(&p->cache[i]);
    for (size_t i = 0; i < p->weight_count; i++)
        held_weight_deinit(&p->weights[i]);
    ssfer_free(p->cache);
    ssfer_free(p->ranges);
    ssfer_free(p->weights);
    if (p->stream)
        dnnl_stream_destroy(p->stream);
    if (p->engine)
        dnnl_engine_destroy(p->engine);
    ssfer_free(p);
}

/* ---- oneDNN's descriptions, in both of its versions -------------------------------------------------------------- */

static dnnl_data_type_t data_type(ssfer_precision precision)
{
    return precision == SSFER_PRECISION_BF16 ? dnnl_bf16 : dnnl_f32;
}

static desc_view view(const memory_desc *desc)
{
#if DNNL_VERSION_MAJOR >= 3
    return *desc;
#else
    return desc;
#endif
}

/* A dense (rows, columns) matrix; transposed: stored as (columns, rows). */
static dnnl_status_t make_desc(memory_desc *desc, size_t rows, size_t columns, bool transposed,
                               ssfer_precision precision)
{
    dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)columns};
    dnnl_dims_t strides = {transposed ? 1 : (dnnl_dim_t)columns, transposed ? (dnnl_dim_t)rows : 1};
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_strides(desc, 2, dims, data_type(precision), strides);
#else
    return dnnl_memory_desc_init_by_strides(desc, 2, dims, data_type(precision), strides);
#endif
}

/* The layout is left to the primitive. */
static dnnl_status_t make_free_desc(memory_desc *desc, size_t rows, size_t columns, ssfer_precision precision)
{
    dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)columns};
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_tag(desc, 2, dims, data_type(precision), dnnl_format_tag_any);
#else
    return dnnl_memory_desc_init_by_tag(desc, 2, dims, data_type(precision), dnnl_format_tag_any);
#endif
}

static void drop_desc(memory_desc *desc)
{
#if DNNL_VERSION_MAJOR >= 3
    if (*desc)
        dnnl_memory_desc_destroy(*desc);
#else
    (void)desc;
#endif
}

static desc_view desc_of(dnnl_memory_t memory)
{
    desc_view desc = NULL;
#if DNNL_VERSION_MAJOR >= 3
    dnnl_memory_get_memory_desc(memory, &desc);
#else
    dnnl_memory_get_memory_desc(memory, &desc);
#endif
    return desc;
}

static dnnl_status_t make_attributes(dnnl_primitive_attr_t *attributes, const ssfer_matmul *key)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t code = dnnl_primitive_attr_create(attributes);
    if (code != dnnl_success || (key->epilogue == SSFER_EPILOGUE_NONE && !key->add))
        return code;
    code = dnnl_post_ops_create(&ops);
#if DNNL_VERSION_MAJOR >= 3
    if (code == dnnl_success && key->add)
        code = dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
    if (code == dnnl_success && key->epilogue == SSFER_EPILOGUE_GELU)
        code = dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_gelu_erf, 0.0f, 0.0f);
#else
    if (code == dnnl_success && key->add)
        code = dnnl_post_ops_append_sum(ops, 1.0f);
    if (code == dnnl_success && key->epilogue == SSFER_EPILOGUE_GELU)
        code = dnnl_post_ops_append_eltwise(ops, 1.0f, dnnl_eltwise_gelu_erf, 0.0f, 0.0f);
#endif
    if (code == dnnl_success)
        code = dnnl_primitive_attr_set_post_ops(*attributes, ops);
    if (ops)
        dnnl_post_ops_destroy(ops);
    return code;
}

/* Sets the primitive, and the memory object of b in the layout that it has in the primitive. */
static dnnl_status_t make_primitive(cached_product *f, dnnl_engine_t engine, const memory_desc *a, const memory_desc *b,
                                    const memory_desc *bias, const memory_desc *y, dnnl_primitive_attr_t attributes)
{
    dnnl_primitive_desc_t desc = NULL;
#if DNNL_VERSION_MAJOR >= 3
    dnnl_status_t code = dnnl_matmul_primitive_desc_create(&desc, engine, *a, *b, bias ? *bias : NULL, *y, attributes);
#else
    dnnl_matmul_desc_t product;
    dnnl_status_t code = dnnl_matmul_desc_init(&product, a, b, bias, y);
    if (code == dnnl_success)
        code = dnnl_primitive_desc_create(&desc, &product, attributes, engine, NULL);
#endif
    if (code == dnnl_success)
        code = dnnl_primitive_create(&f->primitive, desc);
    if (code == dnnl_success) {
        f->moves_stack = ssfer_onednn_moves_stack(desc);
        code = dnnl_memory_create(&f->b, dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0), engine,
                                  DNNL_MEMORY_NONE);
    }
    if (desc)
        dnnl_primitive_desc_destroy(desc);
    return code;
}

static dnnl_status_t cached_product_init(cached_product *f, dnnl_engine_t engine, const ssfer_matmul *key,
                                         bool own_layout)
{
    memory_desc a = {0}, b = {0}, bias = {0}, y = {0}; /* all of them are dropped below, made or not */
    dnnl_primitive_attr_t attributes = NULL;
    *f = (cached_product){.key = *key, .own_layout = own_layout};
    dnnl_status_t code = make_desc(&a, key->m, key->k, key->a_transposed, key->operands);
    if (code == dnnl_success)
        code = own_layout ? make_free_desc(&b, key->k, key->n, key->operands)
                          : make_desc(&b, key->k, key->n, key->b_transposed, key->operands);
    if (code == dnnl_success)
        code = make_desc(&bias, 1, key->n, false, SSFER_PRECISION_FP32);
    if (code == dnnl_success)
        code = make_desc(&y, key->m, key->n, false, key->result);
    if (code == dnnl_success)
        code = make_attributes(&attributes, key);
    if (code == dnnl_success)
        code = make_primitive(f, engine, &a, &b, key->bias ? &bias : NULL, &y, attributes);
    if (code == dnnl_success)
        code = dnnl_memory_create(&f->a, view(&a), engine, DNNL_MEMORY_NONE);
    if (code == dnnl_success && key->bias)
        code = dnnl_memory_create(&f->bias, view(&bias), engine, DNNL_MEMORY_NONE);
    if (code == dnnl_success)
        code = dnnl_memory_create(&f->y, view(&y), engine, DNNL_MEMORY_NONE);
    drop_desc(&a);
    drop_desc(&b);
    drop_desc(&bias);
    drop_desc(&y);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    if (code != dnnl_success)
        cached_product_deinit(f);
    return code;
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

static bool same_key(const ssfer_matmul *a, const ssfer_matmul *b)
{
    return a->m == b->m && a->k == b->k && a->n == b->n && a->a_transposed == b->a_transposed &&
           a->b_transposed == b->b_transposed && a->operands == b->operands && a->result == b->result &&
           a->bias == b->bias && a->add == b->add && a->epilogue == b->epilogue;
}

static ssfer_cpu_products *products_of(const ssfer_compute *cx)
{
    return ((ssfer_cpu_device *)cx->device)->products;
}

/* Finds or builds the product of this shape. A process meets few shapes (a model's layers times its batch sizes). */
static cached_product *find_product(ssfer_compute *cx, const ssfer_matmul *key, bool own_layout)
{
    ssfer_cpu_products *p = products_of(cx);
    for (size_t i = 0; i < p->count; i++)
        if (p->cache[i].own_layout == own_layout && same_key(&p->cache[i].key, key))
            return &p->cache[i];
    if (ssfer_reserve((void **)&p->cache, &p->capacity, p->count + 1, sizeof *p->cache)) {
        ssfer_fail(&cx->error, SSFER_ERR_MEMORY, "compute: out of memory");
        return NULL;
    }
    ssfer_onednn_call call;
    ssfer_onednn_begin(&call, cx->threads, false);
    dnnl_status_t code = ssfer_onednn_has_room() ? cached_product_init(&p->cache[p->count], p->engine, key, own_layout)
                                                 : dnnl_out_of_memory;
    ssfer_onednn_end(&call);
    if (code != dnnl_success) {
        dnnl_fail(&cx->error, "building a matrix product", code);
        return NULL;
    }
    return &p->cache[p->count++];
}

/* Runs it with b where the product's memory object points. */
static ssfer_status run_product(ssfer_compute *cx, cached_product *f, dnnl_memory_t b, void *y, const void *a,
                                const float *bias)
{
    ssfer_cpu_products *p = products_of(cx);
    dnnl_memory_set_data_handle(f->a, (void *)(uintptr_t)a);
    dnnl_memory_set_data_handle(f->y, y);
    dnnl_exec_arg_t args[4] = {{DNNL_ARG_SRC, f->a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, f->y}};
    int count = 3;
    if (f->bias) {
        dnnl_memory_set_data_handle(f->bias, (void *)(uintptr_t)bias);
        args[count++] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, f->bias};
    }
    ssfer_onednn_call call;
    ssfer_onednn_begin(&call, cx->threads, f->moves_stack);
    dnnl_status_t code = dnnl_primitive_execute(f->primitive, p->stream, count, args);
    if (code == dnnl_success)
        code = dnnl_stream_wait(p->stream);
    ssfer_onednn_end(&call);
    return code == dnnl_success ? SSFER_OK : dnnl_fail(&cx->error, "a matrix product", code);
}

ssfer_status ssfer_cpu_matmul(ssfer_compute *cx, const ssfer_matmul *product, void *y, const void *a, const void *b,
                              const float *bias)
{
    cached_product *f = find_product(cx, product, false);
    if (!f)
        return cx->error.status;
    dnnl_memory_set_data_handle(f->b, (void *)(uintptr_t)b);
    return run_product(cx, f, f->b, y, a, bias);
}

ssfer_status ssfer_cpu_sgemm(ssfer_compute *cx, const ssfer_matmul *product, float *y, const float *a, const float *b)
{
    const dnnl_dim_t m = (dnnl_dim_t)product->m, k = (dnnl_dim_t)product->k, n = (dnnl_dim_t)product->n;
    bool *generated = &products_of(cx)->sgemm_generated[product->a_transposed][product->b_transposed];
    if (!*generated && !ssfer_onednn_has_room())
        return dnnl_fail(&cx->error, "a matrix product", dnnl_out_of_memory);
    *generated = true;
    ssfer_onednn_call call;
    ssfer_onednn_begin(&call, cx->threads, true);
    dnnl_status_t code =
        dnnl_sgemm(product->a_transposed ? 'T' : 'N', product->b_transposed ? 'T' : 'N', m, n, k, 1.0f, a,
                   product->a_transposed ? m : k, b, product->b_transposed ? k : n, product->add ? 1.0f : 0.0f, y, n);
    ssfer_onednn_end(&call);
    return code == dnnl_success ? SSFER_OK : dnnl_fail(&cx->error, "a matrix product", code);
}

/* ---- held weights ------------------------------------------------------------------------------------------------ */

ssfer_status ssfer_cpu_weights_hold(ssfer_compute *cx, const float *params, size_t n)
{
    ssfer_cpu_products *p = products_of(cx);
    if (ssfer_reserve((void **)&p->ranges, &p->range_capacity, p->range_count + 1, sizeof *p->ranges))
        return ssfer_fail(&cx->error, SSFER_ERR_MEMORY, "compute: out of memory");
    p->ranges[p->range_count++] = (held_range){params, n};
    return SSFER_OK;
}

static bool inside(const held_range *range, const float *w)
{
    return w >= range->start && w < range->start + range->count;
}

void ssfer_cpu_weights_release(ssfer_compute *cx, const float *params)
{
    ssfer_cpu_products *p = products_of(cx);
    for (size_t r = 0; r < p->range_count; r++) {
        if (p->ranges[r].start != params)
            continue;
        size_t kept = 0;
        for (size_t i = 0; i < p->weight_count; i++) {
            if (!inside(&p->ranges[r], p->weights[i].w))
                p->weights[kept++] = p->weights[i];
            else
                held_weight_deinit(&p->weights[i]);
        }
        p->weight_count = kept;
        p->ranges[r] = p->ranges[--p->range_count];
        return;
    }
}

static held_weight *add_weight(ssfer_compute *cx, const float *w)
{
    ssfer_cpu_products *p = products_of(cx);
    if (ssfer_reserve((void **)&p->weights, &p->weight_capacity, p->weight_count + 1, sizeof *p->weights)) {
        ssfer_fail(&cx->error, SSFER_ERR_MEMORY, "compute: out of memory");
        return NULL;
    }
    p->weights[p->weight_count] = (held_weight){.w = w};
    return &p->weights[p->weight_count++];
}

bool ssfer_cpu_weights_copied(ssfer_compute *cx, const float *w, bool at_once)
{
    const ssfer_cpu_products *p = products_of(cx);
    bool held = false;
    for (size_t r = 0; r < p->range_count; r++)
        held = held || inside(&p->ranges[r], w);
    if (!held || at_once)
        return held;
    for (size_t i = 0; i < p->weight_count; i++)
        if (p->weights[i].w == w)
            return true;
    add_weight(cx, w); /* out of memory: it just counts as new once more */
    return false;
}

/* Copies float32 weights, (k, n) or transposed, into the layout and type of `to`. */
static dnnl_status_t reorder(ssfer_cpu_products *p, dnnl_memory_t to, const float *w, const ssfer_matmul *key)
{
    memory_desc desc = {0};
    dnnl_memory_t from = NULL;
    dnnl_primitive_desc_t plan = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_status_t code = make_desc(&desc, key->k, key->n, key->b_transposed, SSFER_PRECISION_FP32);
    if (code == dnnl_success)
        code = dnnl_memory_create(&from, view(&desc), p->engine, (void *)(uintptr_t)w);
    if (code == dnnl_success)
        code = dnnl_reorder_primitive_desc_create(&plan, view(&desc), p->engine, desc_of(to), p->engine, NULL);
    if (code == dnnl_success)
        code = dnnl_primitive_create(&primitive, plan);
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    if (code == dnnl_success)
        code = dnnl_primitive_execute(primitive, p->stream, 2, args);
    if (code == dnnl_success)
        code = dnnl_stream_wait(p->stream);
    if (primitive)
        dnnl_primitive_destroy(primitive);
    if (plan)
        dnnl_primitive_desc_destroy(plan);
    if (from)
        dnnl_memory_destroy(from);
    drop_desc(&desc);
    return code;
}

/* The copy of w that product f can use, made if it is not there yet. */
static dnnl_memory_t find_copy(ssfer_compute *cx, const cached_product *f, const float *w)
{
    ssfer_cpu_products *p = products_of(cx);
    held_weight *entry = NULL;
    for (size_t i = 0; i < p->weight_count; i++) {
        if (p->weights[i].w != w)
            continue;
        if (!p->weights[i].copy && !p->weights[i].packed)
            entry = &p->weights[i];
        else if (p->weights[i].copy && p->weights[i].transposed == f->key.b_transposed &&
                 dnnl_memory_desc_equal(desc_of(p->weights[i].copy), desc_of(f->b)))
            return p->weights[i].copy;
    }
    entry = entry ? entry : add_weight(cx, w);
    if (!entry)
        return NULL;
    entry->transposed = f->key.b_transposed;
    dnnl_status_t code = dnnl_memory_create(&entry->copy, desc_of(f->b), p->engine, DNNL_MEMORY_ALLOCATE);
    if (code == dnnl_success) {
        ssfer_onednn_call call;
        ssfer_onednn_begin(&call, cx->threads, false);
        code = reorder(p, entry->copy, w, &f->key);
        ssfer_onednn_end(&call);
    }
    if (code == dnnl_success)
        return entry->copy;
    if (entry->copy)
        dnnl_memory_destroy(entry->copy);
    entry->copy = NULL;
    dnnl_fail(&cx->error, "copying weights", code);
    return NULL;
}

ssfer_status ssfer_cpu_matmul_copied(ssfer_compute *cx, const ssfer_matmul *product, void *y, const void *a,
                                     const float *w, const float *bias)
{
    cached_product *f = find_product(cx, product, true);
    dnnl_memory_t copy = f ? find_copy(cx, f, w) : NULL;
    return copy ? run_product(cx, f, copy, y, a, bias) : cx->error.status;
}

void *ssfer_cpu_weights_packed(ssfer_compute *cx, const float *w, size_t size_bytes, bool *is_new)
{
    ssfer_cpu_products *p = products_of(cx);
    held_weight *entry = NULL;
    for (size_t i = 0; i < p->weight_count && !entry; i++)
        if (p->weights[i].w == w && !p->weights[i].copy)
            entry = &p->weights[i];
    entry = entry ? entry : add_weight(cx, w);
    *is_new = entry && !entry->packed;
    if (*is_new && !(entry->packed = ssfer_aligned_alloc(size_bytes)))
        ssfer_fail(&cx->error, SSFER_ERR_MEMORY, "compute: no memory for %zu bytes of weights", size_bytes);
    return entry ? entry->packed : NULL;
}
