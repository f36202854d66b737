/* Many short strings with one lifetime: they are copied into large blocks, keep their addresses, and go together. */
#ifndef SSFER_BASE_TEXT_POOL_H
#define SSFER_BASE_TEXT_POOL_H

#include <stddef.h>

/* Zero-initialise ({0}). */
typedef struct ssfer_text_pool {
    struct ssfer_text_block *blocks; /* the newest first */
} ssfer_text_pool;

/* A terminated copy of `length` bytes, valid until deinit, or NULL when memory runs out. */
char *ssfer_text_pool_add(ssfer_text_pool *pool, const char *text, size_t length);
void ssfer_text_pool_deinit(ssfer_text_pool *pool);

#endif
