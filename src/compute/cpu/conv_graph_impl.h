/* Inside of compute/cpu/conv_graph.h: shared by conv_graph.c (building) and conv_plan.c (planning and running). */
#ifndef SSFER_COMPUTE_CPU_CONV_GRAPH_IMPL_H
#define SSFER_COMPUTE_CPU_CONV_GRAPH_IMPL_H

#include "compute/cpu/conv_graph.h"

#include "base/size.h"

#include <stdint.h>

enum { SSFER_CONV_NO_VALUE = -1 };

typedef enum ssfer_conv_op_kind {
    SSFER_CONV_OP_PACK, /* planar input -> blocks */
    SSFER_CONV_OP_CONV,
    SSFER_CONV_OP_POOL,
    SSFER_CONV_OP_UPSAMPLE,
    SSFER_CONV_OP_ADD,
    SSFER_CONV_OP_CONCAT,
    SSFER_CONV_OP_SLICE,
    SSFER_CONV_OP_INTERLEAVE,
    SSFER_CONV_OP_DEPTH
} ssfer_conv_op_kind;

typedef struct ssfer_conv_op {
    ssfer_conv_op_kind kind;
    size_t *in, in_count; /* values */
    size_t out;
    ssfer_conv_weights *weights; /* CONV */
    size_t kernel, stride, pad;  /* POOL */
    bool ceil;                   /* POOL */
    size_t factor;               /* UPSAMPLE */
    size_t first;                /* SLICE */
    float alpha;                 /* ADD */
} ssfer_conv_op;

typedef struct ssfer_conv_graph_value {
    size_t channels;
    bool keep;
} ssfer_conv_graph_value;

struct ssfer_conv_graph {
    ssfer_conv_engine *engine;
    ssfer_conv_graph_value *values;
    size_t value_count, value_capacity;
    ssfer_conv_op *ops; /* in order of execution */
    size_t op_count, op_capacity;
    size_t packed_input; /* the value of the PACK operation; 0: none yet */
    size_t weight_floats;
};

static inline size_t ssfer_conv_blocks(size_t channels)
{
    return (channels + SSFER_CONV_BLOCK - 1) / SSFER_CONV_BLOCK;
}

#endif
