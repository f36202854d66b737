/* The linear layer in terms of matrix products: converts what is not yet in the type of their operands. */
#include "compute/cpu/kernels.h"
#include "compute/cpu/matmul.h"
#include "compute/cpu/neighbours.h"

#ifdef CPU_BF16
static const ssfer_precision ACT = SSFER_PRECISION_BF16;
#else
static const ssfer_precision ACT = SSFER_PRECISION_FP32;
#endif

ssfer_status CPU(act_to_float)(ssfer_compute *cx, float *y, const ssfer_act *x, size_t n)
{
    const act *from = x;
#pragma omp parallel for simd num_threads((int)cx->threads) schedule(static)
    for (size_t i = 0; i < n; i++)
        y[i] = act_get(from[i]);
    return SSFER_OK;
}

/* `count` floats as operands: themselves, or converted into the operand memory of this slot. NULL: out of memory. */
static const void *operand(ssfer_compute *cx, ssfer_cpu_slot slot, const float *from, size_t count)
{
    if (sizeof(act) == sizeof(float))
        return from;
    act *to = ssfer_cpu_scratch_slot(cx, slot, count * sizeof *to);
    if (!to)
        return NULL;
#pragma omp parallel for simd num_threads((int)cx->threads) schedule(static)
    for (size_t i = 0; i < count; i++)
        to[i] = act_put(from[i]);
    return to;
}

#ifdef CPU_PRODUCT
/* w in the form of CPU(product): the copy of weights that are held, or packed for this once. NULL: out of memory. */
static const void *packed(ssfer_compute *cx, const float *w, size_t K, size_t J, bool transposed, bool copied)
{
    const size_t bytes = CPU(product_bytes)(K, J);
    bool is_new = true;
    void *to =
        copied ? ssfer_cpu_weights_packed(cx, w, bytes, &is_new) : ssfer_cpu_scratch_slot(cx, SSFER_CPU_WEIGHTS, bytes);
    if (to && is_new)
        CPU(product_pack)(cx, to, w, K, J, transposed);
    return to;
}
#endif

ssfer_status CPU(linear_forward)(ssfer_compute *cx, ssfer_act *y, const ssfer_act *x, const float *w, const float *b,
                                 ssfer_linear_dims d, ssfer_epilogue epilogue)
{
    ssfer_neighbours_look(cx->threads);
#ifdef CPU_PRODUCT
    if (CPU(product_fits)(d.in, d.out)) {
        const void *weights = packed(cx, w, d.in, d.out, true, ssfer_cpu_weights_copied(cx, w, false));
        return weights ? CPU(product)(cx, y, x, weights, b, d, epilogue) : cx->error.status;
    }
    const bool copied = false; /* oneDNN's copies sum in another order: here holding weights changes no bits */
#else
    const bool converted = ACT != SSFER_PRECISION_FP32; /* then a copy costs no more than the conversion */
    const bool copied = ssfer_cpu_weights_copied(cx, w, converted);
#endif
    const ssfer_matmul product = {.m = d.rows,
                                  .k = d.in,
                                  .n = d.out,
                                  .b_transposed = true, /* w is stored (out, in) */
                                  .operands = ACT,
                                  .result = d.wide ? SSFER_PRECISION_FP32 : ACT,
                                  .bias = b != NULL,
                                  .epilogue = epilogue};
    if (copied)
        return ssfer_cpu_matmul_copied(cx, &product, y, x, w, b);
    const void *weights = operand(cx, SSFER_CPU_WEIGHTS, w, d.in * d.out);
    return weights ? ssfer_cpu_matmul(cx, &product, y, x, weights, b) : cx->error.status;
}

/* dy as operands: a wide one is float32 in any precision. */
static const void *gradient(ssfer_compute *cx, const ssfer_act *dy, ssfer_linear_dims d)
{
    return d.wide ? operand(cx, SSFER_CPU_GRADIENT, dy, d.rows * d.out) : dy;
}

/* A backward product: in float32 sgemm is as fast as a primitive for large shapes, and faster for small ones. */
static ssfer_status product_backward(ssfer_compute *cx, const ssfer_matmul *product, void *y, const void *a,
                                     const void *b)
{
    if (!a || !b)
        return cx->error.status;
    return product->operands == SSFER_PRECISION_FP32 ? ssfer_cpu_sgemm(cx, product, y, a, b)
                                                     : ssfer_cpu_matmul(cx, product, y, a, b, NULL);
}

ssfer_status CPU(linear_backward_dx)(ssfer_compute *cx, ssfer_act *dx, const ssfer_act *dy, const float *w,
                                     ssfer_linear_dims d)
{
#ifdef CPU_TILES
    if (CPU(product_fits)(d.out, d.in)) {
        const void *weights = packed(cx, w, d.out, d.in, false, false), *operand_dy = gradient(cx, dy, d);
        const ssfer_linear_dims back = {.rows = d.rows, .in = d.out, .out = d.in};
        return weights && operand_dy ? CPU(product)(cx, dx, operand_dy, weights, NULL, back, SSFER_EPILOGUE_NONE)
                                     : cx->error.status;
    }
#endif
    const ssfer_matmul product = {.m = d.rows, .k = d.out, .n = d.in, .operands = ACT, .result = ACT};
    return product_backward(cx, &product, dx, gradient(cx, dy, d), operand(cx, SSFER_CPU_WEIGHTS, w, d.in * d.out));
}

/* db (J) += column sums of dy, in fixed chunks. */
static ssfer_status add_column_sums(ssfer_compute *cx, float *db, const act *dy, ssfer_linear_dims d)
{
    const size_t rows = ssfer_cpu_chunk_rows(d.rows), chunks = (d.rows + rows - 1) / rows, J = d.out;
    float *partial = ssfer_cpu_scratch(cx, chunks * J * sizeof *partial);
    if (!partial)
        return cx->error.status;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static)
    for (size_t k = 0; k < chunks; k++) {
        size_t end = (k + 1) * rows < d.rows ? (k + 1) * rows : d.rows;
        float *sum = partial + k * J;
        memset(sum, 0, J * sizeof *sum);
        for (size_t r = k * rows; r < end; r++)
#pragma omp simd
            for (size_t j = 0; j < J; j++)
                sum[j] += act_get(dy[r * J + j]);
    }
    for (size_t k = 0; k < chunks; k++)
#pragma omp simd
        for (size_t j = 0; j < J; j++)
            db[j] += partial[k * J + j];
    return SSFER_OK;
}

ssfer_status CPU(linear_backward_dw)(ssfer_compute *cx, float *dw, float *db, const ssfer_act *dy, const ssfer_act *x,
                                     ssfer_linear_dims d)
{
    const ssfer_matmul product = {.m = d.out,
                                  .k = d.rows,
                                  .n = d.in,
                                  .a_transposed = true,
                                  .operands = ACT,
                                  .result = SSFER_PRECISION_FP32,
                                  .add = true};
    const void *dy_operand = gradient(cx, dy, d);
#ifdef CPU_TILES
    if (dy_operand && CPU(weight_gradient_fits)(d))
        return CPU(weight_gradient)(cx, dw, db, dy_operand, x, d);
#endif
    ssfer_status st = dy_operand && db ? add_column_sums(cx, db, dy_operand, d) : SSFER_OK;
    return st == SSFER_OK ? product_backward(cx, &product, dw, dy_operand, x) : st;
}
