/* How oneDNN is used: at the instruction-set level of this process, with the context's number of threads, and with no
 * signal handler on a stack that is not one.
 *
 * Some of oneDNN's matrix products (sgemm, and the primitives named "gemm:jit", which call the same kernels) point the
 * stack pointer into a workspace on the heap while they compute (seen in 2.6 with AVX2 and AVX-512). A signal handler
 * that runs then writes its frame over neighbouring blocks of the heap: kilobytes with AVX-512 state. So every signal
 * is blocked in the calling thread while such a kernel runs, and for good in the OpenMP threads that help it. A program
 * that embeds the library may therefore have handlers of its own; a signal sent to the process meanwhile is taken by
 * another thread of its, or by the calling thread after the call. */
#ifndef SSFER_COMPUTE_CPU_ONEDNN_H
#define SSFER_COMPUTE_CPU_ONEDNN_H

#include "base/status.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include <oneapi/dnnl/dnnl.h>

/* The one place where an engine is made, since oneDNN takes a level before everything else, and once in a process. A
 * level lowered by SSFER_CPU or --cpu counts more than oneDNN's own DNNL_MAX_CPU_ISA; one that is not leaves oneDNN
 * alone. Errors: those of ssfer_cpu_level_check; SSFER_ERR_UNSUPPORTED if oneDNN works at another level already, or
 * does not start; SSFER_ERR_MEMORY. */
ssfer_status ssfer_onednn_engine_create(dnnl_engine_t *out, ssfer_error *err);

/* Whether there is address space for what oneDNN generates when it makes a primitive: it crashes where that is refused
 * (ulimit -v), so each place that makes one asks before. */
bool ssfer_onednn_has_room(void);

/* Whether kernels of this kind may move the stack pointer: all whose names do not begin with "brg" or "jit", which were
 * seen to keep it. */
bool ssfer_onednn_moves_stack(const_dnnl_primitive_desc_t desc);

typedef struct ssfer_onednn_call {
    int threads_before; /* OpenMP's setting of the calling thread */
    bool blocked;
    sigset_t signals_before;
} ssfer_onednn_call;

/* oneDNN takes its number of threads from OpenMP's setting of the calling thread. That setting is the caller's, who may
 * use OpenMP, too: `end` puts it back, and so the mask of signals. `threads` also counts when a primitive is built: it
 * is planned for that many. moves_stack: what is called between begin and end includes such a kernel. */
void ssfer_onednn_begin(ssfer_onednn_call *call, size_t threads, bool moves_stack);
void ssfer_onednn_end(const ssfer_onednn_call *call);

#endif
