/* A stack of pre-norm transformer blocks with a last layer norm: the body of the ViT, and both halves of the masked
 * autoencoder. Block i, as in Dosovitskiy et al. 2021, eq. (2)-(3), with stochastic depth (Huang et al. 2016):
 *
 *     x' = x  + s1 * proj(attention(qkv(norm1(x))))
 *     x  = x' + s2 * fc2(gelu(fc1(norm2(x'))))
 *
 * The sum and the norm that follows it are one operation, so a block's output appears where the next norm reads it. */
#ifndef SSFER_NN_STACK_H
#define SSFER_NN_STACK_H

#include "base/arena.h"
#include "compute/ops.h"
#include "nn/params.h"

#include <stdbool.h>

typedef struct ssfer_stack_config {
    size_t width, depth, heads, hidden; /* C, number of blocks, H, width of the MLP (4 C) */
    float eps;                          /* of every layer norm: 1e-6 */
    float drop_path;                    /* rate of the last block; it grows linearly from 0 (timm) */
    bool checkpoint;                    /* training keeps each block's input only (ssfer_block_acts) */
} ssfer_stack_config;

/* Offsets into a parameter block. */
typedef struct ssfer_block_params {
    size_t norm1_w, norm1_b, qkv_w, qkv_b, proj_w, proj_b, norm2_w, norm2_b, fc1_w, fc1_b, fc2_w, fc2_b;
} ssfer_block_params;

typedef struct ssfer_stack {
    ssfer_stack_config config;
    ssfer_block_params *blocks; /* depth of them */
    size_t norm_w, norm_b;
} ssfer_stack;

/* Adds the parameters of the blocks, named "<blocks>.<i>.norm1.weight" and so on, to the table. */
ssfer_status ssfer_stack_init(ssfer_stack *stack, const ssfer_stack_config *config, ssfer_param_table *table,
                              const char *blocks, ssfer_error *err);
/* Adds the last norm, named "<norm>.weight". Apart from init because checkpoints keep parameters in between. */
void ssfer_stack_add_norm(ssfer_stack *stack, ssfer_param_table *table, const char *norm);
void ssfer_stack_deinit(ssfer_stack *stack);

/* What is kept of one block for the backward pass; M = B*N rows. In the last block of a stack that is asked for its
 * first tokens only (`first_only`), everything after the attention has B rows instead. The outputs of norms and GELU
 * are not kept: the backward pass makes them again, which costs little and saves 6 of 16 C floats a row.
 *
 * With config.checkpoint all blocks share what follows rstd1, and the backward pass runs the block again up to fc1,
 * from x: C instead of 10 C floats a row and block, for two thirds of the products of the forward pass once more. The
 * same operations on the same numbers, so results have the same bits. Chen et al. 2016, "Training deep nets with
 * sublinear memory cost". */
typedef struct ssfer_block_acts {
    float *x;             /* (M, C) input of the block */
    float *mean1, *rstd1; /* (M), of the first norm */
    ssfer_act *qkv;       /* (M, 3C) */
    float *lse;           /* (B, H, N) */
    ssfer_act *attention; /* (M, C) */
    float *middle;        /* (M, C) after the attention branch */
    float *mean2, *rstd2; /* (M), of the second norm */
    ssfer_act *fc1;       /* (M, hidden) before GELU; inference has no use for it */
} ssfer_block_acts;

typedef struct ssfer_stack_acts {
    const ssfer_stack *stack;
    size_t batch, tokens; /* the largest B, and N */
    size_t act_bytes;     /* of one ssfer_act */
    bool training;
    ssfer_block_acts *blocks;
    ssfer_act *norm;                          /* (M, C) output of the block's first norm, then of its second */
    ssfer_act *hidden;                        /* (M, hidden) after GELU */
    ssfer_act *branch;                        /* (M, C) what a branch adds */
    float *out, *mean, *rstd;                 /* (M, C) sum after the last block, and its norm's moments */
    ssfer_act *normed;                        /* (M, C) the stack's result; (B, C) with first_only */
    float *drop;                              /* (2 * depth, B) drop-path factors; NULL while drop_path is 0 */
    float *dx, *dfirst;                       /* backward: (M, C) and (B, C) gradients of the residual sum */
    ssfer_act *dn, *dhidden, *dqkv, *dbranch; /* backward: (M, C), (M, hidden), (M, 3C), (M, C) or NULL; dn is branch,
                                                 and dqkv and dhidden are one buffer */
    struct ssfer_stack_slot {
        void *pointer; /* the address of one of the pointers above */
        size_t offset;
    } * slots; /* what bind has to set */
    size_t slot_count;
} ssfer_stack_acts;

/* How many pictures of a training batch go through a model at a time: parts of the batch, as equal as can be. Gradients
 * add up, so activations need be kept for one part only; and no part is so small that matrix products would become
 * slow, which they do below about 1,500 rows. tokens: N, or the fewest that a half of the model has. */
size_t ssfer_stack_part(size_t batch, size_t tokens);

/* Plans the activations for batches of up to `batch`, in the precision of cx, into an arena; after the arena's commit,
 * bind sets the pointers. Without `training` all blocks share one set of buffers and nothing is kept for a backward
 * pass. */
ssfer_status ssfer_stack_acts_plan(ssfer_stack_acts *acts, const ssfer_compute *cx, const ssfer_stack *stack,
                                   size_t batch, size_t tokens, bool training, ssfer_arena *arena, ssfer_error *err);
void ssfer_stack_acts_bind(ssfer_stack_acts *acts, const ssfer_arena *arena);
void ssfer_stack_acts_deinit(ssfer_stack_acts *acts);

/* Draws the drop-path factors (0 or 1/(1-rate), per sample and branch) of this step, micro-batch and part of it: one
 * stream a step and micro-batch, its parts one after the other. Without a call, or in inference, nothing is dropped. */
void ssfer_stack_draw_drop_path(ssfer_stack_acts *acts, size_t batch, uint64_t seed, uint32_t stage, uint64_t step,
                                uint32_t micro_batch, uint32_t part);

/* Called after each block with its output, count = M*C floats, for tests and `ssfer forward --what blocks`. */
typedef void ssfer_stack_tap(void *user, size_t block, const float *x, size_t count);

/* How a pass is run; backward takes what forward was given. */
typedef struct ssfer_stack_call {
    size_t batch;
    bool drop;       /* apply the drawn drop-path factors */
    bool first_only; /* only token 0 of each sample is wanted: the last block leaves the others out. Same numbers */
    ssfer_stack_tap *tap;
    void *tap_user;
} ssfer_stack_call;

/* The input x0 (M, C) lies in acts->blocks[0].x; the result is acts->normed. */
ssfer_status ssfer_stack_forward(ssfer_compute *cx, const float *params, ssfer_stack_acts *acts,
                                 const ssfer_stack_call *call);

/* dnormed: gradient of the result, in its shape. grads +=. The gradient of x0 is left in acts->dx. */
ssfer_status ssfer_stack_backward(ssfer_compute *cx, const float *params, float *grads, ssfer_stack_acts *acts,
                                  const ssfer_act *dnormed, const ssfer_stack_call *call);

#endif
