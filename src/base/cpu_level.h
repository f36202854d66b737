/* The instruction-set level at which this process computes: the one answer for every kernel that exists more than once.
 *
 * It is the best level that processor and operating system offer, unless the environment variable SSFER_CPU or
 * ssfer_cpu_level_set names a lower one: to test on one machine what others run, and to compare their speed. */
#ifndef SSFER_BASE_CPU_LEVEL_H
#define SSFER_BASE_CPU_LEVEL_H

#include "base/status.h"

/* Each has what those before it have. On other architectures than x86-64 there is SSFER_CPU_LEVEL_GENERIC alone. */
typedef enum ssfer_cpu_level {
    SSFER_CPU_LEVEL_GENERIC,     /* what every processor has: on x86-64 SSE2, without fused multiply-add */
    SSFER_CPU_LEVEL_AVX2,        /* AVX2, FMA, BMI2 (x86-64-v3) */
    SSFER_CPU_LEVEL_AVX512,      /* AVX-512 F, BW, CD, DQ, VL (x86-64-v4) */
    SSFER_CPU_LEVEL_AVX512_BF16, /* AVX512-BF16 */
    SSFER_CPU_LEVEL_AMX,         /* AMX-TILE and AMX-BF16 */
    SSFER_CPU_LEVEL_COUNT
} ssfer_cpu_level;

/* "auto", then the names of the levels in their order; NULL at the end. */
extern const char *const SSFER_CPU_LEVEL_CHOICES[];
const char *ssfer_cpu_level_name(ssfer_cpu_level level); /* "generic", "avx2", "avx512", "avx512-bf16", "amx" */

ssfer_cpu_level ssfer_cpu_level_best(void); /* of this machine, whatever was asked for */
/* The level to compute at. Cheap enough for every call of a kernel. If SSFER_CPU cannot be followed, the best level
 * that lies below what it asks for: ssfer_cpu_level_check has the error. */
ssfer_cpu_level ssfer_cpu_level_in_use(void);

/* Whether SSFER_CPU can be followed. SSFER_ERR_ARGUMENT: it is none of the choices; SSFER_ERR_UNSUPPORTED: this machine
 * does not have that level. */
ssfer_status ssfer_cpu_level_check(ssfer_error *err);

/* From now on one of the choices instead of what SSFER_CPU says; "auto": what it says. Not to be called while something
 * computes. Errors: as ssfer_cpu_level_check, which never fails after this succeeded; nothing is changed then. */
ssfer_status ssfer_cpu_level_set(const char *choice, ssfer_error *err);

#endif
