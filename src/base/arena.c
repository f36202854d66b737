#include "base/arena.h"

#include "base/memory.h"
#include "base/size.h"

#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define SSFER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SSFER_ASAN 1
#endif
#endif

#ifdef SSFER_ASAN
#include <sanitizer/asan_interface.h>
enum { GAP_BYTES = 64 };
#else
enum { GAP_BYTES = 0 };
#endif

size_t ssfer_arena_plan(ssfer_arena *arena, size_t size_bytes)
{
    size_t offset = arena->size_bytes, padded;
    if (!ssfer_add_size(size_bytes, 63 + GAP_BYTES, &padded) ||
        !ssfer_add_size(offset, padded & ~(size_t)63, &arena->size_bytes) ||
        ssfer_reserve((void **)&arena->pieces, &arena->capacity, arena->count + 1, sizeof *arena->pieces)) {
        arena->overflow = true;
        return 0;
    }
    arena->pieces[arena->count++] = (struct ssfer_arena_piece){offset, size_bytes};
    return offset;
}

size_t ssfer_arena_plan_array(ssfer_arena *arena, size_t count, size_t element_size_bytes)
{
    size_t bytes;
    if (!ssfer_mul_size(count, element_size_bytes, &bytes)) {
        arena->overflow = true;
        return 0;
    }
    return ssfer_arena_plan(arena, bytes);
}

ssfer_status ssfer_arena_commit(ssfer_arena *arena, ssfer_error *err)
{
    if (!arena->overflow)
        arena->memory = ssfer_aligned_alloc(arena->size_bytes);
    if (!arena->memory)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "cannot allocate %.1f MiB; use a smaller batch or model",
                          (double)arena->size_bytes / 1048576.0);
    memset(arena->memory, 0, arena->size_bytes);
#ifdef SSFER_ASAN
    for (size_t i = 0; i < arena->count; i++) {
        size_t end = arena->pieces[i].offset + arena->pieces[i].size_bytes;
        size_t next = i + 1 < arena->count ? arena->pieces[i + 1].offset : arena->size_bytes;
        ASAN_POISON_MEMORY_REGION(arena->memory + end, next - end);
    }
#endif
    return SSFER_OK;
}

void *ssfer_arena_at(const ssfer_arena *arena, size_t offset)
{
    return arena->memory + offset;
}

void ssfer_arena_deinit(ssfer_arena *arena)
{
#ifdef SSFER_ASAN
    if (arena->memory)
        ASAN_UNPOISON_MEMORY_REGION(arena->memory, arena->size_bytes);
#endif
    ssfer_free(arena->memory);
    ssfer_free(arena->pieces);
    *arena = (ssfer_arena){0};
}
