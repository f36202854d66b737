/* The unlabeled pictures of Stage III: what is left of the labeled set, another set, or both, in two views each.
 *
 * Of two sources each batch holds the same share as all pictures have. */
#ifndef SSFER_TRAIN_UNLABELED_H
#define SSFER_TRAIN_UNLABELED_H

#include "train/endless.h"
#include "train/labeled.h"

typedef struct ssfer_unlabeled_options {
    const char *data; /* pictures at any depth, as ssfer_dataset_open takes them; NULL: none */
    bool rest;        /* those of the labeled set whose labels are not used (nor held out for validation) */
} ssfer_unlabeled_options;

typedef struct ssfer_unlabeled {
    const ssfer_unlabeled_options *options; /* borrowed until close */
    const ssfer_labeled *labeled;
    ssfer_dataset *extra;
    struct ssfer_unlabeled_source {
        const ssfer_dataset *set;
        size_t *indices, count, first; /* first: number of its first picture among all */
        size_t *number;                /* per sample of the set: its number in the source */
        size_t share;                  /* of a batch */
        ssfer_endless batches;
    } sources[2];
    size_t source_count, count; /* count: of all pictures */
    size_t batch, floats;       /* of a batch; of a picture */

    /* The batch, after next. */
    float *weak, *strong; /* (batch, 3, S, S) */
    int32_t *truth;       /* (batch): the label where it is known, to watch only; else SSFER_LABEL_NONE */
    size_t *pictures;     /* (batch): 0 .. count - 1 */
    double wait_s;        /* how long next waited for it */
} ssfer_unlabeled;

/* Finds the pictures. Errors: SSFER_ERR_ARGUMENT when there are none. Release with close, also after an error. */
ssfer_status ssfer_unlabeled_open(ssfer_unlabeled *u, const ssfer_unlabeled_options *options,
                                  const ssfer_labeled *labeled, const ssfer_log *log, ssfer_error *err);
void ssfer_unlabeled_close(ssfer_unlabeled *u); /* {0} is fine */

/* Whether batches of so many can be drawn from all sources: SSFER_ERR_ARGUMENT. */
ssfer_status ssfer_unlabeled_check_batch(const ssfer_unlabeled *u, size_t batch, ssfer_error *err);

/* Starts to load batches. `loader` says how: batch, threads, seed, stage, both views, log; the stage of a source is
 * loader->stage + 1 + its number, so that it shares no random stream with the labeled pictures. */
ssfer_status ssfer_unlabeled_start(ssfer_unlabeled *u, const ssfer_loader_options *loader, ssfer_error *err);
ssfer_status ssfer_unlabeled_seek(ssfer_unlabeled *u, uint64_t number, ssfer_error *err); /* to batch `number` */
ssfer_status ssfer_unlabeled_next(ssfer_unlabeled *u, ssfer_error *err);
size_t ssfer_unlabeled_bad(const ssfer_unlabeled *u); /* pictures that could not be read so far */

/* For the section "data" of recipe.yaml. */
void ssfer_unlabeled_describe(ssfer_recipe *r, const ssfer_unlabeled *u);

#endif
