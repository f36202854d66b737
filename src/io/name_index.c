#include "io/name_index.h"

#include "base/memory.h"
#include "base/size.h"

#include <string.h>

/* FNV-1a. A file made to collide costs its reader time in proportion to its size squared; names are at most as many
 * as a header of bounded length holds. */
static size_t hash(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return (size_t)(h ^ h >> 32);
}

static struct ssfer_name_slot *slot_of(struct ssfer_name_slot *slots, size_t capacity, const char *name)
{
    size_t i = hash(name) & (capacity - 1);
    while (slots[i].name && strcmp(slots[i].name, name) != 0)
        i = (i + 1) & (capacity - 1);
    return &slots[i];
}

size_t ssfer_name_index_find(const ssfer_name_index *index, const char *name)
{
    if (!index->count)
        return (size_t)SSFER_NAME_ABSENT;
    const struct ssfer_name_slot *slot = slot_of(index->slots, index->capacity, name);
    return slot->name ? slot->number : (size_t)SSFER_NAME_ABSENT;
}

static int grow(ssfer_name_index *index)
{
    size_t capacity;
    if (!ssfer_mul_size(index->capacity ? index->capacity : 32, 2, &capacity))
        return -1;
    struct ssfer_name_slot *slots = ssfer_calloc(capacity, sizeof *slots);
    if (!slots)
        return -1;
    for (size_t i = 0; i < index->capacity; i++)
        if (index->slots[i].name)
            *slot_of(slots, capacity, index->slots[i].name) = index->slots[i];
    ssfer_free(index->slots);
    index->slots = slots;
    index->capacity = capacity;
    return 0;
}

int ssfer_name_index_add(ssfer_name_index *index, const char *name, size_t number)
{
    if (2 * (index->count + 1) > index->capacity && grow(index))
        return -1;
    *slot_of(index->slots, index->capacity, name) = (struct ssfer_name_slot){name, number};
    index->count++;
    return 0;
}

void ssfer_name_index_deinit(ssfer_name_index *index)
{
    ssfer_free(index->slots);
    *index = (ssfer_name_index){0};
}
