/* Expression recognition for programs: load a model file, hand over pictures of faces, get probabilities.
 *
 *     ssfer_error err = {0};
 *     ssfer_predictor *p;
 *     if (ssfer_predictor_create(&p, "model.safetensors", NULL, &err) != SSFER_OK)
 *         ...err.message...
 *     ssfer_image face = {0};
 *     ssfer_image_load(&face, "face.jpg", NULL, &err);
 *     float probabilities[16];
 *     ssfer_predictor_run(p, &face, 1, probabilities, NULL, &err);
 *     ...ssfer_predictor_class_name(p, k), probabilities[k]...
 *     ssfer_image_deinit(&face);
 *     ssfer_predictor_destroy(p);
 *
 * With a detector (ssfer/detect.h), pictures may show any number of faces:
 *
 *     ssfer_expressions found;
 *     ssfer_predictor_run_faces(p, detector, &photo, 1, NULL, &found, &err);
 *     ...found.items[i].face.box, found.items[i].probabilities[k]...
 *     ssfer_expressions_deinit(&found);
 *
 * Predictors may be used from several threads, also one predictor: calls on the same one wait for each other.
 * err may be NULL in every function; NULL for what is not said to be optional is SSFER_ERR_ARGUMENT (ssfer/status.h).
 */
#ifndef SSFER_PREDICT_H
#define SSFER_PREDICT_H

#include "ssfer/detect.h"
#include "ssfer/image.h"
#include "ssfer/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ssfer_predictor ssfer_predictor;

typedef struct ssfer_predictor_options {
    size_t threads;      /* 0: all processors of this process */
    int bf16;            /* 1: matrix products in bfloat16: twice as fast where the processor can (AVX512-BF16) */
    size_t batch;        /* pictures computed at once; 0: 32. Memory grows with it */
    const char *classes; /* for files without class names: rafdb, ferplus, affectnet7, affectnet8, or a file of names */
    size_t heads;        /* for PyTorch files of unusual models: attention heads; 0: embed_dim / 64 */
    const float *mean;   /* three numbers (R, G, B; a full colour is 1) that are taken off a picture's; NULL: the model
                          * file's, or, where it has none, 0.588 0.459 0.402 as for the published models */
    const float *std;    /* what they are divided by then, above 0; NULL: the file's, or 0.228 0.202 0.190 */
} ssfer_predictor_options;

/* Loads a model: ssfer's safetensors, or a PyTorch checkpoint in timm's naming. options may be NULL.
 *
 * A safetensors file may stay mapped while the predictor lives: to replace it, rename another over it, and never write
 * into it. Room for a batch is made when pictures come: a batch too large for memory fails in run, not here.
 *
 * Errors: SSFER_ERR_IO, SSFER_ERR_FORMAT (not a model), SSFER_ERR_SHAPE (another model), SSFER_ERR_ARGUMENT (no class
 * names in the file and none given, a mean or std that makes no sense), SSFER_ERR_MEMORY. */
ssfer_status ssfer_predictor_create(ssfer_predictor **out, const char *path, const ssfer_predictor_options *options,
                                    ssfer_error *err);
void ssfer_predictor_destroy(ssfer_predictor *predictor); /* NULL is fine */

size_t ssfer_predictor_class_count(const ssfer_predictor *predictor); /* K */
/* Valid until destroy; NULL for k >= K. */
const char *ssfer_predictor_class_name(const ssfer_predictor *predictor, size_t k);
size_t ssfer_predictor_image_size(const ssfer_predictor *predictor); /* side of the input in pixels */

/* What pictures are normalised with. *mean_stated, *std_stated: 1 if the model file says it, 0 if it is from the
 * options or the published models' for want of better. Each of the four may be NULL. */
void ssfer_predictor_normalization(const ssfer_predictor *predictor, float mean[3], int *mean_stated, float std[3],
                                   int *std_stated);

/* Classifies pictures that each show one face, cropped. A picture of any size is resized as for evaluation: shorter
 * side to the model's size (bilinear, antialiased), central square; of one too long and thin for that the central
 * square is cut out before.
 *
 *   probabilities  (count, K)  out (=), rows sum to 1; may be NULL
 *   logits         (count, K)  out (=); may be NULL
 *
 * The same pictures give the same numbers whatever the batch they come in, up to rounding of the matrix products.
 * Errors: SSFER_ERR_ARGUMENT (an empty picture), SSFER_ERR_NUMERIC (damaged weights), SSFER_ERR_MEMORY. */
ssfer_status ssfer_predictor_run(ssfer_predictor *predictor, const ssfer_image *images, size_t count,
                                 float *probabilities, float *logits, ssfer_error *err);

/* What becomes of the faces that a detector finds. Zero-initialised, every field has its default. */
typedef struct ssfer_expression_options {
    float margin; /* how much more than the square around the box is shown on each side, as a share of that square's
                   * side, -0.4 to 4; what lies beyond the picture repeats its border. 0: the square alone */
    int align;    /* 1: faces are turned upright by their five keypoints (a similarity; margin as above, around the face
                   * as the keypoints place it). Faces without usable keypoints are cut out as with 0 */
    int whole;    /* 1: a picture without a face is classified as a whole; 0: it has no result */
} ssfer_expression_options;

/* A face and what it expresses. */
typedef struct ssfer_expression {
    size_t picture;             /* index of the picture that it is in */
    int whole;                  /* 1: the picture as a whole was classified; face is all zero then */
    ssfer_face face;            /* box and keypoints in pixels of the picture */
    const float *probabilities; /* K, sum 1; owned by the ssfer_expressions, as are the logits */
    const float *logits;        /* K */
} ssfer_expression;

/* The faces of several pictures: picture by picture, in each the one found with most confidence first. Pictures without
 * a face do not occur. Release with ssfer_expressions_deinit. */
typedef struct ssfer_expressions {
    ssfer_expression *items;
    size_t count;
    float *numbers; /* what the items point into */
} ssfer_expressions;
void ssfer_expressions_deinit(ssfer_expressions *expressions); /* {0} and NULL are fine */

/* Finds the faces of `count` pictures of any sizes, cuts them out and classifies them, in batches that go across
 * pictures. detector may be NULL: every picture is classified as a whole, as by ssfer_predictor_run. options may be
 * NULL. out is set on success only ({0} otherwise). Beside the pictures, needs memory for the network's batch, for some
 * kilobytes a face, and in each thread for one face (at most 64 times the pixels of the model's input).
 * Errors: those of ssfer_detector_run and ssfer_predictor_run; SSFER_ERR_ARGUMENT for a margin out of range. */
ssfer_status ssfer_predictor_run_faces(ssfer_predictor *predictor, ssfer_detector *detector, const ssfer_image *images,
                                       size_t count, const ssfer_expression_options *options, ssfer_expressions *out,
                                       ssfer_error *err);

#ifdef __cplusplus
}
#endif
#endif
