/* An arena planned once: first every tensor is added to a plan (size only), then one allocation backs them all, and a
 * step never allocates. Used for parameters, gradients, optimiser state and activations alike.
 *
 *     ssfer_arena arena = {0};
 *     size_t x = ssfer_arena_plan(&arena, bytes_of_x), y = ssfer_arena_plan(&arena, bytes_of_y);
 *     if (ssfer_arena_commit(&arena, &err) == SSFER_OK)
 *         float *px = ssfer_arena_at(&arena, x);
 *     ssfer_arena_deinit(&arena);
 *
 * Every piece is 64-byte aligned. Under AddressSanitizer the gaps between pieces are poisoned, since one big block
 * would otherwise hide overruns. */
#ifndef SSFER_BASE_ARENA_H
#define SSFER_BASE_ARENA_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct ssfer_arena {
    unsigned char *memory;
    size_t size_bytes; /* planned so far */
    bool overflow;     /* a planned size did not fit in size_t; commit then fails */
    struct ssfer_arena_piece {
        size_t offset, size_bytes;
    } *pieces;
    size_t count, capacity;
} ssfer_arena;

/* Adds a piece and returns its offset. Errors are kept until the commit. */
size_t ssfer_arena_plan(ssfer_arena *arena, size_t size_bytes);

/* The same for count * element size, checked. */
size_t ssfer_arena_plan_array(ssfer_arena *arena, size_t count, size_t element_size_bytes);

/* Allocates, zeroed. Errors: SSFER_ERR_MEMORY (the message says how much was wanted). */
ssfer_status ssfer_arena_commit(ssfer_arena *arena, ssfer_error *err);

/* The piece at an offset that ssfer_arena_plan returned; valid until deinit. */
void *ssfer_arena_at(const ssfer_arena *arena, size_t offset);

void ssfer_arena_deinit(ssfer_arena *arena);

#endif
