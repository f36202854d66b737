/* Checked products of sizes: anything that comes from a file or a user goes through here before it is allocated. */
#ifndef SSFER_BASE_SIZE_H
#define SSFER_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>

/* *out = a * b; false (and *out untouched) on overflow. */
static inline bool ssfer_mul_size(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

/* *out = a + b; false (and *out untouched) on overflow. */
static inline bool ssfer_add_size(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_add_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

/* The smallest multiple of `step` (a power of two) that is >= n. */
static inline size_t ssfer_align_size(size_t n, size_t step)
{
    return (n + step - 1) & ~(step - 1);
}

static inline size_t ssfer_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t ssfer_max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

#endif
