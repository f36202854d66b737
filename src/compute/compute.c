#include "compute/compute.h"

#include "base/memory.h"
#include "base/threads.h"
#include "compute/backend.h"
#include "compute/cpu/cpu.h"

ssfer_status ssfer_compute_create(ssfer_compute **out, ssfer_backend_kind kind, ssfer_precision precision,
                                  size_t threads, ssfer_error *err)
{
    const ssfer_backend *backend = &ssfer_backend_ref;
    *out = NULL;
    if (kind == SSFER_BACKEND_CPU)
        backend = ssfer_cpu_backend_best(precision);
    if (!backend || backend->precision != precision)
        return ssfer_fail(err, SSFER_ERR_UNSUPPORTED,
                          "compute: bfloat16 products need AVX512-BF16, and this process computes at the level '%s'; "
                          "use fp32",
                          ssfer_cpu_level_name(ssfer_cpu_level_in_use()));
    return ssfer_compute_create_with(out, backend, threads, err);
}

ssfer_status ssfer_compute_create_with(ssfer_compute **out, const ssfer_backend *backend, size_t threads,
                                       ssfer_error *err)
{
    *out = NULL;
    if (threads > SSFER_COMPUTE_MAX_THREADS)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "compute: %zu threads; at most %d are possible", threads,
                          SSFER_COMPUTE_MAX_THREADS);
    ssfer_compute *cx = ssfer_calloc(1, sizeof *cx);
    if (!cx)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "compute: out of memory");
    cx->backend = backend;
    cx->threads = threads ? threads : ssfer_thread_default();
    ssfer_status st = ssfer_threads_check(cx->threads, err);
    if (st == SSFER_OK && cx->backend->create)
        st = cx->backend->create(cx, err);
    if (st != SSFER_OK) {
        ssfer_free(cx);
        return st;
    }
    *out = cx;
    return SSFER_OK;
}

void ssfer_compute_destroy(ssfer_compute *cx)
{
    if (!cx)
        return;
    if (cx->backend->destroy)
        cx->backend->destroy(cx);
    ssfer_free(cx);
}

size_t ssfer_compute_threads(const ssfer_compute *cx)
{
    return cx->threads;
}

ssfer_precision ssfer_compute_precision(const ssfer_compute *cx)
{
    return cx->backend->precision;
}

bool ssfer_compute_has(ssfer_precision precision)
{
    return ssfer_cpu_backend_best(precision) != NULL;
}

size_t ssfer_compute_act_bytes(const ssfer_compute *cx)
{
    return cx->backend->precision == SSFER_PRECISION_BF16 ? sizeof(uint16_t) : sizeof(float);
}

const char *ssfer_precision_name(ssfer_precision precision)
{
    return precision == SSFER_PRECISION_BF16 ? "bf16" : "fp32";
}

const char *ssfer_compute_backend_name(const ssfer_compute *cx)
{
    return cx->backend->name;
}

const ssfer_error *ssfer_compute_error(const ssfer_compute *cx)
{
    return &cx->error;
}
