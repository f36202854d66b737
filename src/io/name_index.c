#include "io/name_index.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/size.h"

#include <string.h>

static struct ssfer_name_slot *slot_of(const ssfer_name_index *index, const char *name)
{
    size_t i = (size_t)ssfer_hash_keyed(name, strlen(name), index->key) & (index->capacity - 1);
    while (index->slots[i].name && strcmp(index->slots[i].name, name) != 0)
        i = (i + 1) & (index->capacity - 1);
    return &index->slots[i];
}

size_t ssfer_name_index_find(const ssfer_name_index *index, const char *name)
{
    if (!index->count)
        return (size_t)SSFER_NAME_ABSENT;
    const struct ssfer_name_slot *slot = slot_of(index, name);
    return slot->name ? slot->number : (size_t)SSFER_NAME_ABSENT;
}

static int grow(ssfer_name_index *index)
{
    ssfer_name_index larger = *index;
    if (!ssfer_mul_size(index->capacity ? index->capacity : 32, 2, &larger.capacity) ||
        !(larger.slots = ssfer_calloc(larger.capacity, sizeof *larger.slots)))
        return -1;
    if (!index->slots)
        ssfer_hash_key(larger.key);
    for (size_t i = 0; i < index->capacity; i++)
        if (index->slots[i].name)
            *slot_of(&larger, index->slots[i].name) = index->slots[i];
    ssfer_free(index->slots);
    *index = larger;
    return 0;
}

int ssfer_name_index_add(ssfer_name_index *index, const char *name, size_t number)
{
    if (2 * (index->count + 1) > index->capacity && grow(index))
        return -1;
    *slot_of(index, name) = (struct ssfer_name_slot){name, number};
    index->count++;
    return 0;
}

void ssfer_name_index_deinit(ssfer_name_index *index)
{
    ssfer_free(index->slots);
    *index = (ssfer_name_index){0};
}
