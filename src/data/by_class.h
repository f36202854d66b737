/* The samples of each class, found in one pass over the set however many classes there are. */
#ifndef SSFER_DATA_BY_CLASS_H
#define SSFER_DATA_BY_CLASS_H

#include "data/dataset.h"

/* The members of class k are positions[starts[k]] .. positions[starts[k + 1] - 1], ascending. */
typedef struct ssfer_by_class {
    size_t *positions; /* count */
    size_t *starts;    /* class_count + 1 */
    size_t class_count, count;
} ssfer_by_class;

/* Sorts samples by class. indices: `count` samples of the set, whose positions in that list are sorted; NULL: all
 * samples (count is ignored), whose positions are their own numbers. The set must have labels. Release with deinit.
 * Errors: SSFER_ERR_MEMORY. */
ssfer_status ssfer_by_class_init(ssfer_by_class *out, const ssfer_dataset *set, const size_t *indices, size_t count,
                                 ssfer_error *err);
void ssfer_by_class_deinit(ssfer_by_class *by_class); /* {0} is fine */

static inline size_t ssfer_by_class_size(const ssfer_by_class *by_class, size_t k)
{
    return by_class->starts[k + 1] - by_class->starts[k];
}

#endif
