/* From names to numbers: a hash table with a random key, so that no file can hold names that make it slow. Nothing that
 * is seen outside depends on the key. */
#ifndef SSFER_IO_NAME_INDEX_H
#define SSFER_IO_NAME_INDEX_H

#include <stddef.h>
#include <stdint.h>

/* Zero-initialise ({0}). The names are borrowed: they must outlive the index. */
typedef struct ssfer_name_index {
    struct ssfer_name_slot {
        const char *name; /* NULL: free */
        size_t number;
    } * slots;
    size_t capacity, count; /* capacity is 0 or a power of two, at least twice the count */
    uint64_t key[2];
} ssfer_name_index;

enum { SSFER_NAME_ABSENT = -1 };

/* The number stored for a name, or (size_t)SSFER_NAME_ABSENT. */
size_t ssfer_name_index_find(const ssfer_name_index *index, const char *name);
/* Adds a name that is not there yet. Returns 0, or -1 when memory runs out. */
int ssfer_name_index_add(ssfer_name_index *index, const char *name, size_t number);
void ssfer_name_index_deinit(ssfer_name_index *index);

#endif
