/* What a CPU context owns. */
#ifndef SSFER_COMPUTE_CPU_DEVICE_H
#define SSFER_COMPUTE_CPU_DEVICE_H

#include "compute/cpu/cpu.h"

typedef struct ssfer_cpu_products ssfer_cpu_products; /* oneDNN engine, stream and cached primitives: matmul.c */

struct ssfer_cpu_device {
    ssfer_cpu_products *products;
    void *scratch[SSFER_CPU_SLOTS];
    size_t scratch_bytes[SSFER_CPU_SLOTS];
};

ssfer_status ssfer_cpu_products_create(ssfer_cpu_products **out, ssfer_error *err);
void ssfer_cpu_products_destroy(ssfer_cpu_products *products);

#endif
