/* What a training batch becomes before the model sees it: rows of pictures, each with soft targets and a share.
 *
 *     loss of the batch = 1/B sum over rows r of share[r] CE(logits[r], targets[r])
 *
 * One formula for every mode. Without mixing a row is a picture with its smoothed label and share 1. Mixed pictures
 * have mixed targets and share 1. FaceMix adds the origins, i.e. the unmixed pictures with hard labels: the paper's
 *
 *     1/B sum_i [CE(mixed_i) + (1 - IoU_i) (CE(origin_i) + CE(origin_{B-1-i}))],  IoU_i = IoU_{B-1-i},
 *
 * holds each origin twice, so its share is 2 (1 - IoU); an origin whose faces overlap fully has none and costs nothing.
 * As released, the origins are the mixed pictures themselves: their terms join the targets of the mixed rows, since the
 * cross entropy is linear in the targets. */
#ifndef SSFER_TRAIN_MIXER_H
#define SSFER_TRAIN_MIXER_H

#include "data/loader.h"
#include "data/mixing.h"
#include "train/face_boxes.h"

typedef struct ssfer_mix_options {
    ssfer_mix_mode mode;
    double alpha;         /* lambda is drawn from Beta(alpha, alpha) */
    const char *detector; /* of faces, for FaceMix; NULL: every face has the default box */
    ssfer_detector_options find;
    /* Without a detector: a CSV file of boxes (ssfer_face_boxes_read_csv). With one: the file that keeps what it found.
     * NULL: face-boxes.json of the run. */
    const char *boxes;
} ssfer_mix_options;

typedef struct ssfer_mixer ssfer_mixer;

/* What finding faces has cost and brought so far in this process. */
typedef struct ssfer_mixer_stats {
    double detect_s;      /* before the first batch (on), or for batches (released) */
    size_t looked, found; /* released: mixed pictures that were looked at; with exactly one face */
} ssfer_mixer_stats;

typedef struct ssfer_mixed {
    size_t rows;         /* B, or up to 2 B with origins; row i < B belongs to picture i */
    const float *images; /* (rows, 3, S, S) */
    float *targets;      /* (rows, K); may be changed */
    const float *share;
} ssfer_mixed;

/* For batches of up to `batch` pictures of `size` pixels; loads the detector. Errors: SSFER_ERR_ARGUMENT for batches
 * that cannot be mixed (fewer than two pictures; as released an odd number); those of the detector. */
ssfer_status ssfer_mixer_create(ssfer_mixer **out, const ssfer_mix_options *options, size_t batch, size_t size,
                                size_t classes, double smoothing, ssfer_error *err);
void ssfer_mixer_destroy(ssfer_mixer *mixer); /* NULL is fine */

size_t ssfer_mixer_most_rows(const ssfer_mixer *mixer);

/* With a CSV of boxes and no detector: reads it. With a detector and a file to keep what it finds: refuses one that is
 * of another detector. Else does nothing. */
ssfer_status ssfer_mixer_read_boxes(ssfer_mixer *mixer, const ssfer_dataset *set, const size_t *indices,
                                    size_t index_count, const ssfer_log *log, ssfer_error *err);

/* Tells that file's content; "" without one. */
const char *ssfer_mixer_boxes_hash(const ssfer_mixer *mixer);

/* Before the first batch: finds the faces of the samples (mode `on`). Of `where` its file, log, progress and stop
 * count. Without a detector one warning says what follows. */
ssfer_status ssfer_mixer_prepare(ssfer_mixer *mixer, const ssfer_dataset *set, const size_t *indices,
                                 size_t index_count, const ssfer_face_boxes_options *where, ssfer_error *err);

ssfer_mixer_stats ssfer_mixer_get_stats(const ssfer_mixer *mixer);

/* The rows of a batch, borrowed until the next call; lambda is drawn by the caller, from `rng` or not; CutMix draws its
 * place from it. Labels must be known. */
ssfer_status ssfer_mixer_mix(ssfer_mixer *mixer, ssfer_mixed *out, const ssfer_batch *batch, double lambda,
                             ssfer_rng *rng, ssfer_error *err);

/* Last step of mix, for tests: shares, targets and images of the origins, by the overlaps of the pairs. */
void ssfer_mixer_add_origins(ssfer_mixer *mixer, ssfer_mixed *out, const ssfer_batch *batch, const float *iou);

#endif
