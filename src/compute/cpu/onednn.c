#include "compute/cpu/onednn.h"

#include <omp.h>
#include <pthread.h>
#include <string.h>

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
