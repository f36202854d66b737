#include "base/text_pool.h"

#include "base/memory.h"
#include "base/size.h"

#include <string.h>

enum { BLOCK_BYTES = 1 << 16 };

struct ssfer_text_block {
    struct ssfer_text_block *next;
    size_t used, capacity;
    char text[];
};

char *ssfer_text_pool_add(ssfer_text_pool *pool, const char *text, size_t length)
{
    struct ssfer_text_block *block = pool->blocks;
    size_t wanted, bytes;
    if (!ssfer_add_size(length, 1, &wanted))
        return NULL;
    if (!block || block->capacity - block->used < wanted) {
        size_t capacity = ssfer_max_size(wanted, BLOCK_BYTES);
        if (!ssfer_add_size(sizeof *block, capacity, &bytes) || !(block = ssfer_malloc(bytes)))
            return NULL;
        *block = (struct ssfer_text_block){.next = pool->blocks, .capacity = capacity};
        pool->blocks = block;
    }
    char *copy = block->text + block->used;
    memcpy(copy, text, length);
    copy[length] = 0;
    block->used += wanted;
    return copy;
}

void ssfer_text_pool_deinit(ssfer_text_pool *pool)
{
    while (pool->blocks) {
        struct ssfer_text_block *next = pool->blocks->next;
        ssfer_free(pool->blocks);
        pool->blocks = next;
    }
}
