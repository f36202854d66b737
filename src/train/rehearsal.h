/* A training that ends before it begins: it refuses all that it would refuse, in the same functions, and writes
 * nothing.
 *
 * It may be one of several stages of which those before it have not run yet. Then what they will leave behind stands
 * here instead of the files: the model to start from as names and shapes, and the labels as a split in memory. */
#ifndef SSFER_TRAIN_REHEARSAL_H
#define SSFER_TRAIN_REHEARSAL_H

#include "data/split.h"
#include "io/tensor_set.h"

typedef struct ssfer_rehearsal {
    /* Borrowed. init_later: the file of `init` will be there when its turn comes; `init` is what it will hold, names,
     * shapes and metadata without data, or NULL where that is not known either: then what depends on it is not checked.
     * The same of the labels. */
    bool init_later, labels_later;
    const ssfer_tensor_set *init;
    const ssfer_split *labels; /* of labels_set; NULL: not known */
    const ssfer_dataset *labels_set;
    /* Out: the model that the training would make, like init; the caller's. NULL: it makes none, or what it depends on
     * is not known. */
    ssfer_tensor_set *model;
} ssfer_rehearsal;

/* Where a rehearsal has to stop. NULL is fine: no rehearsal lacks nothing. */
static inline bool ssfer_rehearsal_lacks_labels(const ssfer_rehearsal *r)
{
    return r && r->labels_later && !r->labels;
}

static inline bool ssfer_rehearsal_lacks_init(const ssfer_rehearsal *r)
{
    return r && r->init_later && !r->init;
}

#endif
