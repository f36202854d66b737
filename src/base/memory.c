#include "base/memory.h"
#undef ssfer_reserve /* what the header tells static analysers */
#include "base/number.h"

#include "base/size.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static _Thread_local size_t allocations, fail_at; /* a test hook per thread, not state of the library */

static int must_fail(void)
{
    allocations++;
    return fail_at && allocations == fail_at;
}

size_t ssfer_memory_fail_at(size_t n)
{
    size_t made = allocations;
    allocations = 0;
    fail_at = n;
    return made;
}

void *ssfer_malloc(size_t size_bytes)
{
    return must_fail() ? NULL : malloc(size_bytes ? size_bytes : 1);
}

void *ssfer_calloc(size_t count, size_t size_bytes)
{
    return must_fail() ? NULL : calloc(count ? count : 1, size_bytes ? size_bytes : 1);
}

void *ssfer_realloc(void *pointer, size_t size_bytes)
{
    return must_fail() ? NULL : realloc(pointer, size_bytes ? size_bytes : 1);
}

enum { HUGE_PAGE = 2 << 20 };

void *ssfer_aligned_alloc(size_t size_bytes)
{
    size_t padded;
    const size_t alignment = size_bytes >= HUGE_PAGE ? HUGE_PAGE : 64;
    if (must_fail() || !ssfer_add_size(size_bytes ? size_bytes : 1, 63, &padded))
        return NULL;
    padded &= ~(size_t)63;
    void *memory = NULL;
    if (posix_memalign(&memory, alignment, padded))
        return NULL;
#ifdef MADV_HUGEPAGE
    if (alignment == HUGE_PAGE)
        madvise(memory, padded, MADV_HUGEPAGE);
#endif
    return memory;
}

char *ssfer_strdup(const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    char *copy = ssfer_malloc(size);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

char *ssfer_format(const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = ssfer_vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = length < 0 ? NULL : ssfer_malloc((size_t)length + 1);
    if (text)
        ssfer_vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

void ssfer_free(void *pointer)
{
    free(pointer);
}

int ssfer_reserve(void **array, size_t *capacity, size_t wanted, size_t element_size_bytes)
{
    if (wanted <= *capacity)
        return 0;
    size_t grown = *capacity ? *capacity : 8, bytes;
    while (grown < wanted)
        if (!ssfer_mul_size(grown, 2, &grown))
            return -1;
    if (!ssfer_mul_size(grown, element_size_bytes, &bytes))
        return -1;
    void *moved = ssfer_realloc(*array, bytes);
    if (!moved)
        return -1;
    *array = moved;
    *capacity = grown;
    return 0;
}
