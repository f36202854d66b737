/* The table of one instruction-set level and precision. */
#include "compute/cpu/kernels.h"

#define TABLE_JOIN2(level) ssfer_backend_cpu_##level
#define TABLE_JOIN(level) TABLE_JOIN2(level)
#define LEVEL_NAME2(level) "cpu-" #level
#define LEVEL_NAME(level) LEVEL_NAME2(level)

extern const ssfer_backend TABLE_JOIN(CPU_LEVEL);
const ssfer_backend TABLE_JOIN(CPU_LEVEL) = {
    .name = LEVEL_NAME(CPU_LEVEL),
#ifdef CPU_BF16
    .precision = SSFER_PRECISION_BF16,
#endif
    .create = ssfer_cpu_create,
    .destroy = ssfer_cpu_destroy,
    .act_to_float = CPU(act_to_float),
    .weights_hold = ssfer_cpu_weights_hold,
    .weights_release = ssfer_cpu_weights_release,
#ifdef CPU_PRODUCT
    .held_exactly = true,
#endif
    .linear_forward = CPU(linear_forward),
    .linear_backward_dx = CPU(linear_backward_dx),
    .linear_backward_dw = CPU(linear_backward_dw),
    .residual_norm_forward = CPU(residual_norm_forward),
    .norm_backward = CPU(norm_backward),
    .scale_rows = CPU(scale_rows),
    .gelu_forward = CPU(gelu_forward),
    .gelu_backward = CPU(gelu_backward),
    .attention_forward = CPU(attention_forward),
    .attention_backward = CPU(attention_backward),
    .patches_gather = CPU(patches_gather),
    .tokens_assemble = CPU(tokens_assemble),
    .tokens_assemble_backward = CPU(tokens_assemble_backward),
    .first_token_backward = CPU(first_token_backward),
    .patches_pick = CPU(patches_pick),
    .tokens_assemble_seen = CPU(tokens_assemble_seen),
    .tokens_restore = CPU(tokens_restore),
    .tokens_restore_backward = CPU(tokens_restore_backward),
    .reconstruction_loss = CPU(reconstruction_loss),
    .cross_entropy = CPU(cross_entropy),
    .adamw_step = CPU(adamw_step),
    .sum_squares = CPU(sum_squares),
    .zero = CPU(zero),
};
