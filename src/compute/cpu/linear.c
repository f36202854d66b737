/* Matrix products by oneDNN. The forward product is a cached matmul primitive, which fuses bias and GELU; the two
 * backward products are plain sgemm calls, which need no primitive and can add to what is there. */
#include "base/memory.h"
#include "compute/cpu/device.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>

typedef dnnl_memory_desc_t memory_desc; /* a struct in 2.x, a handle in 3.x; hidden behind make_desc/drop_desc */

typedef struct forward_key {
    ssfer_linear_dims dims;
    ssfer_epilogue epilogue;
    bool bias;
} forward_key;

typedef struct forward_product {
    forward_key key;
    dnnl_primitive_t primitive;
    dnnl_memory_t x, w, b, y; /* handles are set to the caller's pointers at each call */
} forward_product;

struct ssfer_cpu_products {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    forward_product *cache;
    size_t count, capacity;
};

static ssfer_status dnnl_fail(ssfer_error *err, const char *what, dnnl_status_t code)
{
    return ssfer_fail(err, code == dnnl_out_of_memory ? SSFER_ERR_MEMORY : SSFER_ERR_UNSUPPORTED,
                      "oneDNN: %s failed with status %d", what, (int)code);
}

ssfer_status ssfer_cpu_products_create(ssfer_cpu_products **out, ssfer_error *err)
{
    *out = NULL;
    ssfer_cpu_products *p = ssfer_calloc(1, sizeof *p);
    if (!p)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "compute: out of memory");
    dnnl_status_t code = dnnl_engine_create(&p->engine, dnnl_cpu, 0);
    if (code == dnnl_success)
        code = dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags);
    if (code != dnnl_success) {
        ssfer_cpu_products_destroy(p);
        return dnnl_fail(err, "creating the engine", code);
    }
    *out = p;
    return SSFER_OK;
}

static void forward_product_deinit(forward_product *f)
{
    if (f->primitive)
        dnnl_primitive_destroy(f->primitive);
    dnnl_memory_t memories[] = {f->x, f->w, f->b, f->y};
    for (size_t i = 0; i < sizeof memories / sizeof *memories; i++)
        if (memories[i])
            dnnl_memory_destroy(memories[i]);
}

void ssfer_cpu_products_destroy(ssfer_cpu_products *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++)
        forward_product_deinit(&p->cache[i]);
    ssfer_free(p->cache);
    if (p->stream)
        dnnl_stream_destroy(p->stream);
    if (p->engine)
        dnnl_engine_destroy(p->engine);
    ssfer_free(p);
}

/* A (rows, columns) matrix of floats with the given strides. */
static dnnl_status_t make_desc(memory_desc *desc, size_t rows, size_t columns, size_t row_stride, size_t column_stride)
{
    dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)columns};
    dnnl_dims_t strides = {(dnnl_dim_t)row_stride, (dnnl_dim_t)column_stride};
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_strides(desc, 2, dims, dnnl_f32, strides);
#else
    return dnnl_memory_desc_init_by_strides(desc, 2, dims, dnnl_f32, strides);
#endif
}

static void drop_desc(memory_desc *desc)
{
#if DNNL_VERSION_MAJOR >= 3
    dnnl_memory_desc_destroy(*desc);
#else
    (void)desc;
#endif
}

static dnnl_status_t make_memory(dnnl_memory_t *memory, const memory_desc *desc, dnnl_engine_t engine)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_create(memory, *desc, engine, DNNL_MEMORY_NONE);
#else
    return dnnl_memory_create(memory, desc, engine, DNNL_MEMORY_NONE);
#endif
}

static dnnl_status_t make_attributes(dnnl_primitive_attr_t *attributes, ssfer_epilogue epilogue)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t code = dnnl_primitive_attr_create(attributes);
    if (code != dnnl_success || epilogue == SSFER_EPILOGUE_NONE)
        return code;
    code = dnnl_post_ops_create(&ops);
    if (code == dnnl_success)
#if DNNL_VERSION_MAJOR >= 3
        code = dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_gelu_erf, 0.0f, 0.0f);
#else
        code = dnnl_post_ops_append_eltwise(ops, 1.0f, dnnl_eltwise_gelu_erf, 0.0f, 0.0f);
#endif
    if (code == dnnl_success)
        code = dnnl_primitive_attr_set_post_ops(*attributes, ops);
    if (ops)
        dnnl_post_ops_destroy(ops);
    return code;
}

static dnnl_status_t make_primitive(dnnl_primitive_t *primitive, dnnl_engine_t engine, const memory_desc *x,
                                    const memory_desc *w, const memory_desc *b, const memory_desc *y,
                                    dnnl_primitive_attr_t attributes)
{
    dnnl_primitive_desc_t desc = NULL;
#if DNNL_VERSION_MAJOR >= 3
    dnnl_status_t code = dnnl_matmul_primitive_desc_create(&desc, engine, *x, *w, b ? *b : NULL, *y, attributes);
#else
    dnnl_matmul_desc_t product;
    dnnl_status_t code = dnnl_matmul_desc_init(&product, x, w, b, y);
    if (code == dnnl_success)
        code = dnnl_primitive_desc_create(&desc, &product, attributes, engine, NULL);
#endif
    if (code == dnnl_success)
        code = dnnl_primitive_create(primitive, desc);
    if (desc)
        dnnl_primitive_desc_destroy(desc);
    return code;
}

static dnnl_status_t forward_product_init(forward_product *f, dnnl_engine_t engine, const forward_key *key)
{
    const ssfer_linear_dims d = key->dims;
    memory_desc x = {0}, w = {0}, b = {0}, y = {0}; /* all of them are dropped below, made or not */
    dnnl_primitive_attr_t attributes = NULL;
    *f = (forward_product){.key = *key};
    dnnl_status_t code = make_desc(&x, d.rows, d.in, d.in, 1);
    if (code == dnnl_success)
        code = make_desc(&w, d.in, d.out, 1, d.in); /* w is stored (out, in): its transpose by strides */
    if (code == dnnl_success)
        code = make_desc(&b, 1, d.out, d.out, 1);
    if (code == dnnl_success)
        code = make_desc(&y, d.rows, d.out, d.out, 1);
    if (code == dnnl_success)
        code = make_attributes(&attributes, key->epilogue);
    if (code == dnnl_success)
        code = make_primitive(&f->primitive, engine, &x, &w, key->bias ? &b : NULL, &y, attributes);
    if (code == dnnl_success)
        code = make_memory(&f->x, &x, engine);
    if (code == dnnl_success)
        code = make_memory(&f->w, &w, engine);
    if (code == dnnl_success && key->bias)
        code = make_memory(&f->b, &b, engine);
    if (code == dnnl_success)
        code = make_memory(&f->y, &y, engine);
    drop_desc(&x);
    drop_desc(&w);
    drop_desc(&b);
    drop_desc(&y);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    if (code != dnnl_success)
        forward_product_deinit(f);
    return code;
}

static bool same_key(const forward_key *a, const forward_key *b)
{
    return a->dims.rows == b->dims.rows && a->dims.in == b->dims.in && a->dims.out == b->dims.out &&
           a->epilogue == b->epilogue && a->bias == b->bias;
}

/* Finds or builds the product of this shape. A process meets few shapes (a model's layers times its batch sizes). */
static forward_product *find_product(ssfer_compute *cx, const forward_key *key)
{
    ssfer_cpu_products *p = ((ssfer_cpu_device *)cx->device)->products;
    for (size_t i = 0; i < p->count; i++)
        if (same_key(&p->cache[i].key, key))
            return &p->cache[i];
    if (ssfer_reserve((void **)&p->cache, &p->capacity, p->count + 1, sizeof *p->cache)) {
        ssfer_fail(&cx->error, SSFER_ERR_MEMORY, "compute: out of memory");
        return NULL;
    }
    dnnl_status_t code = forward_product_init(&p->cache[p->count], p->engine, key);
    if (code != dnnl_success) {
        dnnl_fail(&cx->error, "building a matrix product", code);
        return NULL;
    }
    return &p->cache[p->count++];
}

/* oneDNN takes its thread count from OpenMP's setting of the calling thread. That setting is the caller's, who may use
 * OpenMP too: whoever borrows it gives the value returned here back to omp_set_num_threads. */
static int borrow_threads(const ssfer_compute *cx)
{
    int before = omp_get_max_threads();
    omp_set_num_threads((int)cx->threads);
    return before;
}

ssfer_status ssfer_cpu_linear_forward(ssfer_compute *cx, float *y, const float *x, const float *w, const float *b,
                                      ssfer_linear_dims d, ssfer_epilogue epilogue)
{
    ssfer_cpu_products *p = ((ssfer_cpu_device *)cx->device)->products;
    int before = borrow_threads(cx); /* before the primitive is built: it is planned for that many */
    forward_product *f = find_product(cx, &(forward_key){d, epilogue, b != NULL});
    if (!f) {
        omp_set_num_threads(before);
        return cx->error.status;
    }
    dnnl_memory_set_data_handle(f->x, (void *)(uintptr_t)x);
    dnnl_memory_set_data_handle(f->w, (void *)(uintptr_t)w);
    dnnl_memory_set_data_handle(f->y, y);
    dnnl_exec_arg_t args[4] = {{DNNL_ARG_SRC, f->x}, {DNNL_ARG_WEIGHTS, f->w}, {DNNL_ARG_DST, f->y}};
    int count = 3;
    if (b) {
        dnnl_memory_set_data_handle(f->b, (void *)(uintptr_t)b);
        args[count++] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, f->b};
    }
    dnnl_status_t code = dnnl_primitive_execute(f->primitive, p->stream, count, args);
    if (code == dnnl_success)
        code = dnnl_stream_wait(p->stream);
    omp_set_num_threads(before);
    return code == dnnl_success ? SSFER_OK : dnnl_fail(&cx->error, "a matrix product", code);
}

ssfer_status ssfer_cpu_linear_backward_dx(ssfer_compute *cx, float *dx, const float *dy, const float *w,
                                          ssfer_linear_dims d)
{
    const dnnl_dim_t M = (dnnl_dim_t)d.rows, K = (dnnl_dim_t)d.in, J = (dnnl_dim_t)d.out;
    int before = borrow_threads(cx);
    dnnl_status_t code = dnnl_sgemm('N', 'N', M, K, J, 1.0f, dy, J, w, K, 0.0f, dx, K);
    omp_set_num_threads(before);
    return code == dnnl_success ? SSFER_OK : dnnl_fail(&cx->error, "a matrix product", code);
}

ssfer_status ssfer_cpu_linear_backward_dw(ssfer_compute *cx, float *dw, const float *dy, const float *x,
                                          ssfer_linear_dims d)
{
    const dnnl_dim_t M = (dnnl_dim_t)d.rows, K = (dnnl_dim_t)d.in, J = (dnnl_dim_t)d.out;
    int before = borrow_threads(cx);
    dnnl_status_t code = dnnl_sgemm('T', 'N', J, K, M, 1.0f, dy, J, x, K, 1.0f, dw, K);
    omp_set_num_threads(before);
    return code == dnnl_success ? SSFER_OK : dnnl_fail(&cx->error, "a matrix product", code);
}
