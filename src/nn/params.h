/* A model's parameters: one table of names and shapes, one aligned block of floats.
 *
 * The table is the only list there is: sizes, pointers, checkpoint order, optimiser groups and test labels are read
 * from it. Gradients, AdamW moments and EMA weights are blocks of the same layout, so an optimiser step, an EMA update
 * and a checkpoint are each one pass over flat memory. Padding between parameters is zero in every block and stays so.
 */
#ifndef SSFER_NN_PARAMS_H
#define SSFER_NN_PARAMS_H

#include "base/rng.h"
#include "base/status.h"
#include "io/tensor_set.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum ssfer_init {
    SSFER_INIT_ZERO,
    SSFER_INIT_ONE,
    SSFER_INIT_NORMAL,  /* N(0, scale^2), cut at +-2 as timm's trunc_normal_ */
    SSFER_INIT_UNIFORM, /* U(-scale, scale) */
    SSFER_INIT_XAVIER,  /* U(-b, b), b = sqrt(6 / (in + out)), out the first dimension: Glorot and Bengio 2010, eq. (16)
                         */
    SSFER_INIT_GIVEN    /* filled by the model itself and frozen (fixed position tables) */
} ssfer_init;

enum { SSFER_PARAM_NAME_SIZE = 64, SSFER_PARAM_MAX_NDIM = 4 };

typedef struct ssfer_param {
    char name[SSFER_PARAM_NAME_SIZE]; /* timm's name */
    size_t shape[SSFER_PARAM_MAX_NDIM], ndim, count;
    size_t offset; /* floats from the start of the block; a multiple of 16 */
    ssfer_init init;
    float scale;
    bool frozen;  /* SSFER_INIT_GIVEN: has no gradient and is not updated */
    bool decays;  /* whether weight decay of matrices only (ssfer_optimizer_options) applies to it */
    size_t layer; /* depth for layer-wise decay: 0 embeddings, 1 .. depth blocks, depth + 1 norm and head */
} ssfer_param;

typedef struct ssfer_param_table {
    ssfer_param *items;
    size_t count, capacity;
    size_t block_floats; /* size of a block, padding included */
    size_t layer;        /* given to parameters added from now on */
    bool spared;         /* parameters added from now on are on timm's no_weight_decay list: `decays` is false */
    ssfer_status failed; /* why an addition failed; reported by ssfer_params_finish */
} ssfer_param_table;

/* Appends a parameter (name by printf format) and returns its offset. Errors are kept for ssfer_params_finish. */
size_t ssfer_params_add(ssfer_param_table *table, ssfer_init init, float scale, const size_t *shape, size_t ndim,
                        const char *name_format, ...) __attribute__((format(printf, 6, 7)));
/* Errors: SSFER_ERR_MEMORY or SSFER_ERR_LIMIT (a size overflows). */
ssfer_status ssfer_params_finish(const ssfer_param_table *table, ssfer_error *err);
void ssfer_params_deinit(ssfer_param_table *table);

const ssfer_param *ssfer_params_find(const ssfer_param_table *table, const char *name);
size_t ssfer_params_total(const ssfer_param_table *table); /* parameters, without padding */

/* A zeroed block; freed with ssfer_free. */
ssfer_status ssfer_params_alloc(float **block, const ssfer_param_table *table, ssfer_error *err);

/* Initial values: parameter i draws from the stream (seed, 0, 0, i, SSFER_RNG_INIT). GIVEN ones are left alone. */
void ssfer_params_init(float *block, const ssfer_param_table *table, uint64_t seed);

/* Whether the set has the tensors that load wants, in their shapes: to be asked before a block is allocated for a model
 * whose sizes come from a file. Errors as those of load. */
ssfer_status ssfer_params_check(const ssfer_param_table *table, const ssfer_tensor_set *set, const char *prefix,
                                bool *loaded, ssfer_error *err);

/* The block as it lies in a set, without a copy: every parameter as 32-bit floats, side by side as the table has them.
 * NULL: it does not, load it. Valid as long as the set; never to be written. The set must have passed
 * ssfer_params_check. Unlike other blocks it need not begin at a multiple of 64 bytes, which no operation relies on,
 * and what pads a block's end is not there. */
const float *ssfer_params_in_place(const ssfer_param_table *table, const ssfer_tensor_set *set);

/* Copies tensors named prefix + name into the block, converted to float32. `loaded` (table->count flags) may be NULL.
 * Errors: SSFER_ERR_SHAPE when a shape differs; the block is then untouched. A missing tensor is an error unless
 * `loaded` is given. */
ssfer_status ssfer_params_load(float *block, const ssfer_param_table *table, const ssfer_tensor_set *set,
                               const char *prefix, bool *loaded, ssfer_error *err);

/* Adds the table's names and shapes to a set, whose data must not be read: for what is asked before there are weights.
 */
ssfer_status ssfer_params_sketch(const ssfer_param_table *table, ssfer_tensor_set *set, ssfer_error *err);

/* Adds the block's parameters to a set under prefix + name; the data is borrowed from the block. */
ssfer_status ssfer_params_store(const float *block, const ssfer_param_table *table, ssfer_tensor_set *set,
                                const char *prefix, ssfer_error *err);

#endif
