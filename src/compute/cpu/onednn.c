#include "compute/cpu/onednn.h"

#include "base/cpu_level.h"

#include <pthread.h>

/* oneDNN's lowest level is SSE4.1, which has no fused multiply-add either. */
static dnnl_cpu_isa_t isa_of(ssfer_cpu_level level)
{
    switch (level) {
    case SSFER_CPU_LEVEL_GENERIC:
        return dnnl_cpu_isa_sse41;
    case SSFER_CPU_LEVEL_AVX2:
        return dnnl_cpu_isa_avx2;
    case SSFER_CPU_LEVEL_AVX512:
        return dnnl_cpu_isa_avx512_core;
    case SSFER_CPU_LEVEL_AVX512_BF16:
        return dnnl_cpu_isa_avx512_core_bf16;
    default:
        return dnnl_cpu_isa_all;
    }
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int held = -1; /* the level that oneDNN has been held to; -1: it has not started */

static ssfer_status hold_to(ssfer_cpu_level level, ssfer_error *err)
{
    ssfer_status st = SSFER_OK;
    pthread_mutex_lock(&lock);
    if (held == -1 && (level >= ssfer_cpu_level_best() || dnnl_set_max_cpu_isa(isa_of(level)) == dnnl_success))
        held = (int)level;
    if (held != (int)level)
        st = ssfer_fail(err, SSFER_ERR_UNSUPPORTED,
                        "oneDNN: it works at another level than '%s' already; choose the level before anything else",
                        ssfer_cpu_level_name(level));
    pthread_mutex_unlock(&lock);
    return st;
}

ssfer_status ssfer_onednn_engine_create(dnnl_engine_t *out, ssfer_error *err)
{
    *out = NULL;
    ssfer_status st = ssfer_cpu_level_check(err);
    if (st == SSFER_OK)
        st = hold_to(ssfer_cpu_level_in_use(), err);
    if (st != SSFER_OK)
        return st;
    const dnnl_status_t code = dnnl_engine_create(out, dnnl_cpu, 0);
    if (code == dnnl_success)
        return SSFER_OK;
    return ssfer_fail(err, code == dnnl_out_of_memory ? SSFER_ERR_MEMORY : SSFER_ERR_UNSUPPORTED,
                      "oneDNN: creating the engine failed with status %d", (int)code);
}
