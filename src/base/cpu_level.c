#include "base/cpu_level.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __x86_64__
#    include <cpuid.h>
#    ifdef __linux__
#        include <sys/syscall.h>
#        include <unistd.h>
#    endif
#endif

const char *const SSFER_CPU_LEVEL_CHOICES[] = {"auto", "generic", "avx2", "avx512", "avx512-bf16", "amx", NULL};

const char *ssfer_cpu_level_name(ssfer_cpu_level level)
{
    return SSFER_CPU_LEVEL_CHOICES[1 + (int)level];
}

/* ---- what the machine has ---------------------------------------------------------------------------------------- */

#ifdef __x86_64__
static bool have_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}

static bool have_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512cd");
}

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
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM_NUMBER, XTILEDATA) == 0;
#    else
    return false;
#    endif
}
#endif

ssfer_cpu_level ssfer_cpu_level_best(void)
{
    int level = SSFER_CPU_LEVEL_GENERIC;
#ifdef __x86_64__
    __builtin_cpu_init();
    const bool has[SSFER_CPU_LEVEL_COUNT] = {
        true, have_avx2(), have_avx512(), __builtin_cpu_supports("avx512bf16") != 0, have_amx(),
    };
    while (level + 1 < SSFER_CPU_LEVEL_COUNT && has[level + 1])
        level++;
#endif
    return (ssfer_cpu_level)level;
}

/* ---- what is asked for ------------------------------------------------------------------------------------------- */

/* What SSFER_CPU, or `choice` if it is not NULL and not "auto", asks for. */
typedef struct wish {
    const char *from, *text;
    ssfer_cpu_level most; /* SSFER_CPU_LEVEL_COUNT: there is no such choice */
    bool any;             /* no level was named: the best is wanted */
} wish;

static wish wish_of(const char *choice)
{
    wish w = {"--cpu", choice, SSFER_CPU_LEVEL_COUNT, false};
    if (!choice || strcmp(choice, "auto") == 0) {
        w.from = "SSFER_CPU";
        w.text = getenv("SSFER_CPU");
        w.any = !w.text || w.text[0] == '\0' || strcmp(w.text, "auto") == 0;
    }
    if (w.any)
        return (wish){w.from, w.text, SSFER_CPU_LEVEL_AMX, true};
    for (int level = 0; level < SSFER_CPU_LEVEL_COUNT; level++)
        if (strcmp(w.text, ssfer_cpu_level_name((ssfer_cpu_level)level)) == 0)
            w.most = (ssfer_cpu_level)level;
    return w;
}

/* Sets *level, also where it fails: to the best one below the wish. */
static ssfer_status follow(ssfer_cpu_level *level, const wish *w, ssfer_error *err)
{
    const ssfer_cpu_level best = ssfer_cpu_level_best();
    *level = best < w->most ? best : w->most;
    if (w->most == SSFER_CPU_LEVEL_COUNT) {
        char list[96] = "";
        for (size_t i = 0; SSFER_CPU_LEVEL_CHOICES[i]; i++)
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? "|" : "", SSFER_CPU_LEVEL_CHOICES[i]);
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: there is no '%s'; give one of %s", w->from, w->text, list);
    }
    if (!w->any && *level != w->most)
        return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "%s: this machine does not have '%s'; give %s%s", w->from,
                          w->text, ssfer_cpu_level_name(*level), *level > SSFER_CPU_LEVEL_GENERIC ? " or less" : "");
    return SSFER_OK;
}

/* ---- the level in use -------------------------------------------------------------------------------------------- */

static atomic_int in_use;   /* 1 more than the level; 0: nobody has asked yet */
static atomic_bool was_set; /* by ssfer_cpu_level_set, so that SSFER_CPU does not matter any more */

ssfer_cpu_level ssfer_cpu_level_in_use(void)
{
    const int known = atomic_load_explicit(&in_use, memory_order_relaxed);
    if (known)
        return (ssfer_cpu_level)(known - 1);
    ssfer_cpu_level level;
    const wish w = wish_of(NULL);
    (void)follow(&level, &w, NULL); /* two threads that come here at once find the same */
    atomic_store_explicit(&in_use, 1 + (int)level, memory_order_relaxed);
    return level;
}

ssfer_status ssfer_cpu_level_check(ssfer_error *err)
{
    ssfer_cpu_level level;
    const wish w = wish_of(NULL);
    return atomic_load_explicit(&was_set, memory_order_relaxed) ? SSFER_OK : follow(&level, &w, err);
}

ssfer_status ssfer_cpu_level_set(const char *choice, ssfer_error *err)
{
    ssfer_cpu_level level;
    const wish w = wish_of(choice);
    const ssfer_status st = follow(&level, &w, err);
    if (st != SSFER_OK)
        return st;
    atomic_store_explicit(&in_use, 1 + (int)level, memory_order_relaxed);
    atomic_store_explicit(&was_set, true, memory_order_relaxed);
    return SSFER_OK;
}
