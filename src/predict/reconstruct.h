/* What a masked autoencoder paints where it sees nothing. */
#ifndef SSFER_PREDICT_RECONSTRUCT_H
#define SSFER_PREDICT_RECONSTRUCT_H

#include "base/status.h"
#include "compute/compute.h"
#include "ssfer/image.h"

#include <stddef.h>
#include <stdint.h>

typedef struct ssfer_reconstructor ssfer_reconstructor;

typedef struct ssfer_reconstruct_options {
    const char *model;
    size_t heads, decoder_heads; /* 0: as the file says */
    double mask_ratio;           /* share of the patches that is hidden; 0: that of the training */
    const char *mask;            /* a picture whose dark parts say which patches are hidden; NULL: drawn at random */
    uint64_t seed;
    size_t threads; /* 0: as many as there are */
    ssfer_precision precision;
} ssfer_reconstruct_options;

/* Pictures of the model's size. */
typedef struct ssfer_reconstruction {
    ssfer_image original; /* as the model gets it: shorter side resized, centre cropped */
    ssfer_image masked;   /* hidden patches gray */
    ssfer_image painted;  /* every patch as predicted */
    ssfer_image pasted;   /* seen patches of the original, hidden ones as predicted */
    double loss;          /* of the hidden patches, as in training */
} ssfer_reconstruction;

/* Errors: those of the model file; SSFER_ERR_ARGUMENT for a mask that hides all patches or none. */
ssfer_status ssfer_reconstructor_create(ssfer_reconstructor **out, const ssfer_reconstruct_options *options,
                                        ssfer_error *err);
void ssfer_reconstructor_destroy(ssfer_reconstructor *r); /* NULL is fine */
size_t ssfer_reconstructor_image_size(const ssfer_reconstructor *r);

/* `number` names the random mask: equal numbers and seeds hide the same patches. A model of normalised patches paints
 * with the mean and deviation of the original's patches. out is released with ssfer_reconstruction_deinit. */
ssfer_status ssfer_reconstruct(ssfer_reconstructor *r, ssfer_reconstruction *out, const ssfer_image *image,
                               uint64_t number, ssfer_error *err);
void ssfer_reconstruction_deinit(ssfer_reconstruction *reconstruction);

#endif
