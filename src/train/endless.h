/* Batches without end: rounds over a set of pictures, each round in a new order and augmented anew. What a step reads
 * follows from the number of the batch alone, so a stopped run goes on with the right ones. */
#ifndef SSFER_TRAIN_ENDLESS_H
#define SSFER_TRAIN_ENDLESS_H

#include "data/loader.h"

typedef struct ssfer_endless {
    ssfer_loader *loader;
    size_t batches, next; /* of a round; the next in the round */
    uint32_t round;
} ssfer_endless;

/* As ssfer_loader_create, with the indices given. Fewer pictures than a batch come several times in it, each time
 * augmented in another way. Release with deinit, also after an error; {0} is fine. */
ssfer_status ssfer_endless_init(ssfer_endless *e, const ssfer_loader_options *options, ssfer_error *err);
void ssfer_endless_deinit(ssfer_endless *e);

/* Goes to batch `number`, counted from 0 over all rounds. */
ssfer_status ssfer_endless_seek(ssfer_endless *e, uint64_t number, ssfer_error *err);

/* The next batch, always full; borrowed until the next call. */
ssfer_status ssfer_endless_next(ssfer_endless *e, ssfer_batch *batch, ssfer_error *err);

#endif
