#include "compute/cpu/onednn.h"

#include "base/cpu_level.h"

#include <omp.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

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

bool ssfer_onednn_has_room(void)
{
    const size_t bytes = (size_t)16 << 20; /* a primitive of 2.6 takes less than one */
    void *room = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return room != MAP_FAILED && munmap(room, bytes) == 0;
}

/* ---- calls ---- */

bool ssfer_onednn_moves_stack(const_dnnl_primitive_desc_t desc)
{
    const char *name = NULL;
    dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, (void *)&name);
    return !name || (strncmp(name, "brg", 3) != 0 && strncmp(name, "jit", 3) != 0);
}

static void block_signals(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

/* The threads of the next region of this size are the threads of this one: libgomp keeps a team for each thread that
 * starts regions. But what a caller's own region of another size ends and starts anew is not known here, so each call
 * asks again; a thread pays for the system call once. */
static void block_signals_of_team(size_t threads)
{
    static _Thread_local bool blocked;
    if (threads <= 1 || omp_in_parallel())
        return;
#pragma omp parallel num_threads((int)threads)
    if (omp_get_thread_num() != 0 && !blocked) {
        block_signals(NULL);
        blocked = true;
    }
}

void ssfer_onednn_begin(ssfer_onednn_call *call, size_t threads, bool moves_stack)
{
    *call = (ssfer_onednn_call){.threads_before = omp_get_max_threads(), .blocked = moves_stack};
    omp_set_num_threads((int)threads);
    if (moves_stack) {
        block_signals(&call->signals_before);
        block_signals_of_team(threads);
    }
}

void ssfer_onednn_end(const ssfer_onednn_call *call)
{
    if (call->blocked)
        pthread_sigmask(SIG_SETMASK, &call->signals_before, NULL);
    omp_set_num_threads(call->threads_before);
}
