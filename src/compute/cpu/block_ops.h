/* What lies between the convolutions of a detector, on the blocked layout of compute/cpu/conv.h: [C/8][H][W][8].
 *
 * "blocks" is the number of 8-channel blocks. Outputs never overlap inputs. Padding lanes of the inputs hold zeros and
 * so do those of the outputs. Work is shared among OpenMP threads, except inside a parallel region; the results do not
 * depend on the number of threads. */
#ifndef SSFER_COMPUTE_CPU_BLOCK_OPS_H
#define SSFER_COMPUTE_CPU_BLOCK_OPS_H

#include <stddef.h>

/* Maximum over k x k windows at the given stride; positions outside the picture do not count. */
typedef struct ssfer_block_pool {
    size_t kernel, stride, pad, height, width, out_height, out_width;
} ssfer_block_pool;
void ssfer_block_max_pool(float *out, const float *in, size_t blocks, const ssfer_block_pool *pool);

/* Nearest neighbour by a whole factor. height and width are those of the input. */
void ssfer_block_upsample(float *out, const float *in, size_t blocks, size_t height, size_t width, size_t factor);

/* out = a + alpha * b over count floats (a multiple of 8). */
void ssfer_block_add(float *out, const float *a, const float *b, float alpha, size_t count);

/* Channel shuffle of two groups: out[2c] = a[c], out[2c + 1] = b[c] for c < channels; out has 2 * channels. */
void ssfer_block_interleave(float *out, const float *a, const float *b, size_t channels, size_t pixels);

/* Copies `channels` channels from channel in_first of `in` to channel out_first of `out`; no other lane is written.
 * Fast where both firsts are multiples of 8. */
void ssfer_block_copy(float *out, size_t out_first, const float *in, size_t in_first, size_t channels, size_t pixels);

/* Space to depth: channel q * channels + c of output pixel (y, x) is channel c of input pixel (2y + dy[q], 2x + dx[q])
 * with q = 0..3 and (dy, dx) = (0,0), (1,0), (0,1), (1,1), the order of YOLO's Focus and ReOrg. Even sizes. */
void ssfer_block_space_to_depth(float *out, const float *in, size_t channels, size_t height, size_t width);

/* Between planes [C][H][W] and blocks. */
void ssfer_block_from_planes(float *out, const float *in, size_t channels, size_t pixels);
void ssfer_block_to_planes(float *out, const float *in, size_t channels, size_t pixels);

#endif
