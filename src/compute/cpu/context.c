/* Choosing the instruction-set level, and what a CPU context owns: its scratch memory. The matrix products keep their
 * primitives in matmul.c. */
#include "compute/cpu/cpu.h"

#include "base/memory.h"
#include "compute/cpu/device.h"
#include "compute/cpu/neighbours.h"

#ifdef SSFER_CPU_X86
#    include <cpuid.h>
#    ifdef __linux__
#        include <sys/syscall.h>
#        include <unistd.h>
#    endif

extern const ssfer_backend ssfer_backend_cpu_v3, ssfer_backend_cpu_v4, ssfer_backend_cpu_v4_split,
    ssfer_backend_cpu_v4_bf16, ssfer_backend_cpu_v4_amx;

/* Tiles are there when the processor has them and the kernel, which must save them, gives this process leave. */
static bool have_amx(void)
{
#    ifdef __linux__
    enum {
        ARCH_REQ_XCOMP_PERM_NUMBER = 0x1023,
        XTILEDATA = 18
    };                                                /* asm/prctl.h, which older systems lack, and the SDM */
    const unsigned tiles = 1u << 24, bf16 = 1u << 22; /* CPUID.7.0:EDX */
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & tiles) && (d & bf16) &&
           __builtin_cpu_supports("avx512bf16") && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM_NUMBER, XTILEDATA) == 0;
#    else
    return false;
#    endif
}
#endif
extern const ssfer_backend ssfer_backend_cpu_base;

ssfer_cpu_level ssfer_cpu_vector_level(void)
{
#ifdef SSFER_CPU_X86
    __builtin_cpu_init();
    bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    if (v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
        return SSFER_CPU_V4;
    if (v3)
        return SSFER_CPU_V3;
#endif
    return SSFER_CPU_BASE;
}

ssfer_cpu_level ssfer_cpu_best_level(void)
{
    const ssfer_cpu_level level = ssfer_cpu_vector_level();
#ifdef SSFER_CPU_X86
    if (level == SSFER_CPU_V4 && have_amx())
        return SSFER_CPU_V4_SPLIT;
#endif
    return level;
}

const ssfer_backend *ssfer_cpu_backend(ssfer_cpu_level level)
{
    switch (level) {
#ifdef SSFER_CPU_X86
    case SSFER_CPU_V4_SPLIT:
        return &ssfer_backend_cpu_v4_split;
    case SSFER_CPU_V3:
        return &ssfer_backend_cpu_v3;
    case SSFER_CPU_V4:
        return &ssfer_backend_cpu_v4;
#endif
    case SSFER_CPU_BASE:
        return &ssfer_backend_cpu_base;
    default:
        return NULL;
    }
}

const ssfer_backend *ssfer_cpu_backend_bf16(size_t rank)
{
#ifdef SSFER_CPU_X86
    if (ssfer_cpu_vector_level() == SSFER_CPU_V4 && __builtin_cpu_supports("avx512bf16")) {
        const bool amx = have_amx();
        if (rank == 0 && amx)
            return &ssfer_backend_cpu_v4_amx;
        if (rank == amx)
            return &ssfer_backend_cpu_v4_bf16;
    }
#else
    (void)rank;
#endif
    return NULL;
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
    ssfer_neighbours_forget();
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
