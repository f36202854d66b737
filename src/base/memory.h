/* Every allocation of the library goes through these four, so that tests can make the n-th one fail. */
#ifndef SSFER_BASE_MEMORY_H
#define SSFER_BASE_MEMORY_H

#include <stddef.h>

void *ssfer_malloc(size_t size_bytes);                 /* NULL on failure; size 0 gives a valid pointer */
void *ssfer_calloc(size_t count, size_t size_bytes);   /* zeroed; overflow of the product gives NULL */
void *ssfer_realloc(void *pointer, size_t size_bytes); /* the old block stays valid on failure */
void *ssfer_aligned_alloc(size_t size_bytes);          /* 64-byte aligned, NOT zeroed; free with ssfer_free */
char *ssfer_strdup(const char *text);                  /* NULL in gives NULL out */
char *ssfer_format(const char *format, ...) __attribute__((format(printf, 1, 2))); /* a new string, or NULL */
void ssfer_free(void *pointer);

/* Grows *array (elements of `element_size_bytes`) so that it holds at least `wanted`; capacity doubles.
 * Returns 0, or -1 when memory runs out (the array then stays as it was). */
int ssfer_reserve(void **array, size_t *capacity, size_t wanted, size_t element_size_bytes);

#ifdef __clang_analyzer__ /* what static analysers cannot see from outside memory.c: room that was made is there */
static inline int ssfer_reserve_analysed(void **array, size_t *capacity, size_t wanted, size_t element_size_bytes)
{
    const int status = ssfer_reserve(array, capacity, wanted, element_size_bytes);
    if (status == 0 && wanted && !*array)
        __builtin_unreachable();
    return status;
}
#    define ssfer_reserve ssfer_reserve_analysed
#endif

/* Tests only: the n-th allocation of this thread from now on fails (1 = the next one); 0 switches it off.
 * Returns how many allocations this thread made since the last call. */
size_t ssfer_memory_fail_at(size_t n);

#endif
