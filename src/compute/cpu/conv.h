/* 2-D convolutions for inference, one image at a time, by oneDNN or, where that is faster, by Winograd's algorithm
 * (conv_winograd.h). The only file that knows oneDNN's convolution API.
 *
 * Activations lie in the blocked layout [C/8][H][W][8] ("nChw8c" with N = 1), where a range of channels that starts at
 * a multiple of 8 is a contiguous piece of memory: concatenations and splits cost nothing. Channel counts are padded to
 * a multiple of 8 and the padding lanes always hold zeros. The network's input may also be planar, [C][H][W].
 *
 * Batch-norm is folded into the weights by the caller, the activation is fused. Weights are reordered once per layout
 * that a plan asks for, and shared by all plans of all input sizes. */
#ifndef SSFER_COMPUTE_CPU_CONV_H
#define SSFER_COMPUTE_CPU_CONV_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { SSFER_CONV_BLOCK = 8 }; /* channels of a block: one AVX2 register of float32 */

typedef enum ssfer_activation {
    SSFER_ACTIVATION_NONE,
    SSFER_ACTIVATION_SILU,      /* x * sigmoid(x) */
    SSFER_ACTIVATION_LEAKY_RELU /* x < 0 ? slope * x : x; slope 0 is ReLU */
} ssfer_activation;

/* What a convolution is, whatever the picture's size. Zero padding; out = floor((in + 2 pad - kernel) / stride) + 1. */
typedef struct ssfer_conv_shape {
    size_t in_channels, out_channels; /* logical counts */
    size_t kernel_h, kernel_w, stride, pad_h, pad_w;
    bool depthwise; /* in_channels == out_channels groups of one channel */
    ssfer_activation activation;
    float slope;
} ssfer_conv_shape;

typedef struct ssfer_conv_engine ssfer_conv_engine;   /* oneDNN's engine, shared by the convolutions of a network */
typedef struct ssfer_conv_weights ssfer_conv_weights; /* one convolution of a network */
typedef struct ssfer_conv ssfer_conv;                 /* that convolution for one input size */
typedef struct ssfer_conv_call ssfer_conv_call;       /* that, bound to memory: what is run */

ssfer_status ssfer_conv_engine_create(ssfer_conv_engine **out, ssfer_error *err);
void ssfer_conv_engine_destroy(ssfer_conv_engine *engine);

/* How many numbers the weights take, with channels padded; 0 if create would refuse the shape: channels 1 to 2^20,
 * kernel and stride 1 to 64, padding less than the kernel. */
size_t ssfer_conv_weight_floats(const ssfer_conv_shape *shape);

/* weights: (out, in, kh, kw), depthwise (out, kh, kw); bias: out values. Both are copied.
 * Errors: SSFER_ERR_SHAPE (a size is 0 or a product overflows), SSFER_ERR_MEMORY. */
ssfer_status ssfer_conv_weights_create(ssfer_conv_weights **out, const ssfer_conv_shape *shape, const float *weights,
                                       const float *bias, ssfer_error *err);
void ssfer_conv_weights_destroy(ssfer_conv_weights *weights);
const ssfer_conv_shape *ssfer_conv_weights_shape(const ssfer_conv_weights *weights);

/* Prepares the convolution for inputs of height x width. planar: the input is [C][H][W]. Not thread-safe on the same
 * weights (it may add a layout of them); the weights must outlive it. */
ssfer_status ssfer_conv_create(ssfer_conv **out, ssfer_conv_engine *engine, ssfer_conv_weights *weights, size_t height,
                               size_t width, bool planar, ssfer_error *err);
void ssfer_conv_destroy(ssfer_conv *conv);
size_t ssfer_conv_scratch_bytes(const ssfer_conv *conv);
const char *ssfer_conv_kernel_name(const ssfer_conv *conv); /* of the implementation, for reports */

/* Binds to memory (64-byte aligned, valid as long as the call): several calls of one conv may run at the same time. */
ssfer_status ssfer_conv_call_create(ssfer_conv_call **out, const ssfer_conv *conv, float *in, float *dst, void *scratch,
                                    ssfer_error *err);
void ssfer_conv_call_destroy(ssfer_conv_call *call);

/* Runs it. Uses the calling thread's OpenMP threads; inside a parallel region just that thread. */
ssfer_status ssfer_conv_call_run(ssfer_conv_call *call, ssfer_error *err);

#endif
