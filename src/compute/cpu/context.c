/* The table of a level, and what a CPU context owns: its scratch memory. The matrix products keep their primitives in
 * matmul.c. */
#include "compute/cpu/cpu.h"

#include "base/memory.h"
#include "compute/cpu/device.h"
#include "compute/cpu/neighbours.h"

extern const ssfer_backend ssfer_backend_cpu_base;
#ifdef SSFER_CPU_X86
extern const ssfer_backend ssfer_backend_cpu_v3, ssfer_backend_cpu_v4, ssfer_backend_cpu_v4_split,
    ssfer_backend_cpu_v4_bf16, ssfer_backend_cpu_v4_amx;
#endif

const ssfer_backend *ssfer_cpu_backend(ssfer_cpu_level level, ssfer_precision precision)
{
    const bool bf16 = precision == SSFER_PRECISION_BF16;
    switch (level) {
    case SSFER_CPU_LEVEL_GENERIC:
        return bf16 ? NULL : &ssfer_backend_cpu_base;
#ifdef SSFER_CPU_X86
    case SSFER_CPU_LEVEL_AVX2:
        return bf16 ? NULL : &ssfer_backend_cpu_v3;
    case SSFER_CPU_LEVEL_AVX512:
        return bf16 ? NULL : &ssfer_backend_cpu_v4;
    case SSFER_CPU_LEVEL_AVX512_BF16:
        return bf16 ? &ssfer_backend_cpu_v4_bf16 : NULL;
    case SSFER_CPU_LEVEL_AMX:
        return bf16 ? &ssfer_backend_cpu_v4_amx : &ssfer_backend_cpu_v4_split;
#endif
    default:
        return NULL;
    }
}

const ssfer_backend *ssfer_cpu_backend_best(ssfer_precision precision)
{
    const ssfer_backend *backend = NULL;
    for (int level = (int)ssfer_cpu_level_in_use(); level >= 0 && !backend; level--)
        backend = ssfer_cpu_backend((ssfer_cpu_level)level, precision);
    return backend;
}

ssfer_status ssfer_cpu_create(ssfer_compute *cx, ssfer_error *err)
{
    ssfer_cpu_device *device = ssfer_calloc(1, sizeof *device);
    if (!device)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "compute: out of memory");
    ssfer_status st = ssfer_cpu_products_create(&device->products, err);
    if (st != SSFER_OK) {
        ssfer_free(device);
        return st;
    }
    ssfer_neighbours_enter();
    cx->device = device;
    return SSFER_OK;
}

void ssfer_cpu_destroy(ssfer_compute *cx)
{
    ssfer_cpu_device *device = cx->device;
    ssfer_cpu_products_destroy(device->products);
    for (size_t i = 0; i < SSFER_CPU_SLOTS; i++)
        ssfer_free(device->scratch[i]);
    ssfer_free(device);
    ssfer_neighbours_leave();
}

void *ssfer_cpu_scratch_slot(ssfer_compute *cx, ssfer_cpu_slot slot, size_t size_bytes)
{
    ssfer_cpu_device *device = cx->device;
    void **memory = &device->scratch[slot];
    if (size_bytes > device->scratch_bytes[slot]) {
        ssfer_free(*memory);
        *memory = ssfer_aligned_alloc(size_bytes);
        device->scratch_bytes[slot] = *memory ? size_bytes : 0;
        if (!*memory)
            ssfer_fail(&cx->error, SSFER_ERR_MEMORY, "compute: no memory for %zu bytes of scratch", size_bytes);
    }
    return *memory;
}
