/* Winograd's F(4x4, 3x3): convolutions with kernel 3x3, stride 1 and padding 1 on the blocked layout of conv.h.
 *
 * The picture is cut into tiles of 4x4 outputs, each from 6x6 inputs. A tile is transformed (d -> B' d B), which turns
 * the convolution into 36 products over the input channels, and what they give is transformed back (m -> A' m A): 36
 * multiplications for 16 outputs instead of 144.
 *
 * Source: Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", with the interpolation points 0,
 * +-5/8, +-3/2, infinity instead of 0, +-1, +-2, infinity: all constants of the input and output transforms are still
 * exact in float32, and they lie closer together, so less is lost by rounding. */
#ifndef SSFER_COMPUTE_CPU_CONV_WINOGRAD_H
#define SSFER_COMPUTE_CPU_CONV_WINOGRAD_H

#include "compute/cpu/conv.h"

enum {
    SSFER_WINOGRAD_OUT = 4,          /* outputs of a tile along one side */
    SSFER_WINOGRAD_IN = 6,           /* inputs */
    SSFER_WINOGRAD_PRODUCTS = 6 * 6, /* matrix products, one for each place of a transformed tile */
    SSFER_WINOGRAD_PANEL = 64,       /* output channels whose products are alive at a time */
    SSFER_WINOGRAD_GAP = 16          /* floats between matrices, so that they do not meet in the same cache sets */
};

/* +-A and +-B are the interpolation points. */
#define SSFER_WINOGRAD_A 0.625f
#define SSFER_WINOGRAD_B 1.5f

/* One convolution bound to memory. Channel counts are padded to multiples of 8. */
typedef struct ssfer_winograd {
    size_t height, width, in_channels, out_channels;
    ssfer_activation activation;
    float slope;
    const float *weights; /* as ssfer_winograd_transform leaves them */
    const float *bias;    /* out_channels values */
    const float *in;
    float *out;     /* must not overlap `in` */
    float *scratch; /* of ssfer_winograd_scratch_bytes for `threads` */
    size_t threads; /* the most that may work on it */
} ssfer_winograd;

/* Whether it can compute this convolution, and faster than the direct algorithm. height, width: the picture's. */
bool ssfer_winograd_pays(const ssfer_conv_shape *shape, size_t height, size_t width);

/* weights: (out, in, 3, 3), both counts padded -> panels [36][out / 64][in][64]; the last panel is narrower, a multiple
 * of 16. Computed in double. */
size_t ssfer_winograd_weight_floats(size_t in_channels, size_t out_channels);
void ssfer_winograd_transform(float *transformed, const float *weights, size_t in_channels, size_t out_channels);

/* Tiles that are computed together: as many as keep their transforms in the second-level cache. */
size_t ssfer_winograd_block_tiles(size_t in_channels, size_t tiles);
/* Scratch for `threads` threads; memory of threads that take no part is never touched. */
size_t ssfer_winograd_scratch_bytes(size_t in_channels, size_t height, size_t width, size_t threads);

/* Runs it at the instruction-set level in use. Uses the calling thread's OpenMP threads, at most `threads`; inside a
 * parallel region just that thread. Same bits for any thread count. */
void ssfer_winograd_run(const ssfer_winograd *w);

#endif
