/* Convolutional networks for inference as a graph of a few operations, executed on blocked activations.
 *
 *   graph      what is computed, for any picture size; owns the weights. Built once, then only read.
 *   plan       the graph for one picture size: convolutions prepared, every value given its place in one arena that is
 *              shared as lifetimes allow. Concatenations and splits are places inside other values wherever channel
 *              counts are multiples of 8 (as they are in every published network), so they cost nothing.
 *   workspace  the memory in which one picture at a time runs through a plan. Workspaces of one plan run concurrently,
 *              so a batch is shared among threads picture by picture.
 *
 * Operations are added in the order of execution; a value is named by its number. Value 0 is the input picture. */
#ifndef SSFER_COMPUTE_CPU_CONV_GRAPH_H
#define SSFER_COMPUTE_CPU_CONV_GRAPH_H

#include "compute/cpu/conv.h"

typedef struct ssfer_conv_graph ssfer_conv_graph;
typedef struct ssfer_conv_plan ssfer_conv_plan;
typedef struct ssfer_conv_workspace ssfer_conv_workspace;

/* ---- building; every function that adds sets *out to the new value ---- */

ssfer_status ssfer_conv_graph_create(ssfer_conv_graph **out, size_t input_channels, ssfer_error *err);
void ssfer_conv_graph_destroy(ssfer_conv_graph *graph); /* plans must be gone */

/* shape->in_channels must be the channels of `in`. weights, bias: see conv.h; copied. */
ssfer_status ssfer_conv_graph_conv(ssfer_conv_graph *graph, size_t *out, size_t in, const ssfer_conv_shape *shape,
                                   const float *weights, const float *bias, ssfer_error *err);
/* Out size floor((in + 2 pad - kernel) / stride) + 1; with ceil the division rounds up, but no window may start beyond
 * the padded picture (PyTorch's rule). pad <= kernel / 2. */
ssfer_status ssfer_conv_graph_max_pool(ssfer_conv_graph *graph, size_t *out, size_t in, size_t kernel, size_t stride,
                                       size_t pad, bool ceil, ssfer_error *err);
ssfer_status ssfer_conv_graph_upsample(ssfer_conv_graph *graph, size_t *out, size_t in, size_t factor,
                                       ssfer_error *err);
ssfer_status ssfer_conv_graph_add(ssfer_conv_graph *graph, size_t *out, size_t a, size_t b, float alpha,
                                  ssfer_error *err); /* a + alpha b */
ssfer_status ssfer_conv_graph_concat(ssfer_conv_graph *graph, size_t *out, const size_t *in, size_t count,
                                     ssfer_error *err);
ssfer_status ssfer_conv_graph_slice(ssfer_conv_graph *graph, size_t *out, size_t in, size_t first, size_t channels,
                                    ssfer_error *err);
/* Channels a0 b0 a1 b1 ...: a concatenation followed by a channel shuffle of two groups. */
ssfer_status ssfer_conv_graph_interleave(ssfer_conv_graph *graph, size_t *out, size_t a, size_t b, ssfer_error *err);
ssfer_status ssfer_conv_graph_space_to_depth(ssfer_conv_graph *graph, size_t *out, size_t in, ssfer_error *err);

/* Marks a value as a result: readable after a run. */
void ssfer_conv_graph_keep(ssfer_conv_graph *graph, size_t value);

size_t ssfer_conv_graph_value_count(const ssfer_conv_graph *graph);
size_t ssfer_conv_graph_channels(const ssfer_conv_graph *graph, size_t value);
size_t
ssfer_conv_graph_weight_floats(const ssfer_conv_graph *graph); /* of all convolutions (ssfer_conv_weight_floats) */

/* Sizes of all values for an input of height x width: 2 numbers a value, height first, into sizes[2 * value_count].
 * Errors: SSFER_ERR_SHAPE when something does not fit (pictures whose sides are not multiples of the largest stride).
 */
ssfer_status ssfer_conv_graph_sizes(const ssfer_conv_graph *graph, size_t *sizes, size_t height, size_t width,
                                    ssfer_error *err);

/* Operations (2 per multiply-add) of all convolutions for an input of height x width, biases left out. */
ssfer_status ssfer_conv_graph_flops(double *flops, const ssfer_conv_graph *graph, size_t height, size_t width,
                                    ssfer_error *err);

/* What a run costs, from the sizes of all values: operations of every step on padded channels (2 per multiply-add, 1
 * per number that a pooling compares or another step writes), and how many numbers the largest value holds. */
typedef struct ssfer_conv_cost {
    double operations, largest_value;
} ssfer_conv_cost;
ssfer_conv_cost ssfer_conv_graph_cost(const ssfer_conv_graph *graph, const size_t *sizes);

/* ---- planning and running ---- */

/* keep_all: no memory is shared and every value stays readable (for looking at a network's inside). max_bytes: refuse
 * (SSFER_ERR_LIMIT) a size whose activations need more; refused as well is a graph of which more than 256 values must
 * be kept at a time (published networks: 8), so that the time for a plan is in proportion to the steps. Not
 * thread-safe on one graph. */
ssfer_status ssfer_conv_plan_create(ssfer_conv_plan **out, ssfer_conv_graph *graph, size_t height, size_t width,
                                    bool keep_all, size_t max_bytes, ssfer_error *err);
void ssfer_conv_plan_destroy(ssfer_conv_plan *plan); /* workspaces must be gone */
size_t ssfer_conv_plan_height(const ssfer_conv_plan *plan, size_t value);
size_t ssfer_conv_plan_width(const ssfer_conv_plan *plan, size_t value);
size_t ssfer_conv_plan_bytes(const ssfer_conv_plan *plan); /* memory of a workspace */

/* For reports: how many operations move channels by copying; the oneDNN kernel of each convolution (NULL past the
 * last). */
size_t ssfer_conv_plan_copies(const ssfer_conv_plan *plan);
const char *ssfer_conv_plan_kernel(const ssfer_conv_plan *plan, size_t i);

ssfer_status ssfer_conv_workspace_create(ssfer_conv_workspace **out, const ssfer_conv_plan *plan, ssfer_error *err);
void ssfer_conv_workspace_destroy(ssfer_conv_workspace *workspace);
/* Where the picture goes: planes [C][H][W]. Must be filled before every run (its memory is reused). */
float *ssfer_conv_workspace_input(ssfer_conv_workspace *workspace);
ssfer_status ssfer_conv_workspace_run(ssfer_conv_workspace *workspace, ssfer_error *err);
/* A kept value after a run, blocked: [C/8][H][W][8]. */
const float *ssfer_conv_workspace_value(const ssfer_conv_workspace *workspace, size_t value);

#endif
