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
 * A predictor is used by one thread at a time; several may live in one process. */
#ifndef SSFER_PREDICT_H
#define SSFER_PREDICT_H

#include "ssfer/image.h"
#include "ssfer/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ssfer_predictor ssfer_predictor;

typedef struct ssfer_predictor_options {
    size_t threads;      /* 0: all processors of this process */
    size_t batch;        /* pictures computed at once; 0: 32. Memory grows with it */
    const char *classes; /* for files without class names: rafdb, ferplus, affectnet7, affectnet8, or a file of names */
    size_t heads;        /* for PyTorch files of unusual models: attention heads; 0: embed_dim / 64 */
} ssfer_predictor_options;

/* Loads a model: ssfer's safetensors, or a PyTorch checkpoint in timm's naming. options may be NULL.
 * Errors: SSFER_ERR_IO, SSFER_ERR_FORMAT (not a model), SSFER_ERR_SHAPE (another model), SSFER_ERR_ARGUMENT (no class
 * names in the file and none given), SSFER_ERR_MEMORY. */
ssfer_status ssfer_predictor_create(ssfer_predictor **out, const char *path, const ssfer_predictor_options *options,
                                    ssfer_error *err);
void ssfer_predictor_destroy(ssfer_predictor *predictor); /* NULL is fine */

size_t ssfer_predictor_class_count(const ssfer_predictor *predictor);               /* K */
const char *ssfer_predictor_class_name(const ssfer_predictor *predictor, size_t k); /* valid until destroy */
size_t ssfer_predictor_image_size(const ssfer_predictor *predictor);                /* side of the input in pixels */

/* Classifies pictures that each show one face, cropped. A picture of any size is resized as for evaluation: shorter
 * side to the model's size (bilinear, antialiased), central square. probabilities  (count, K) out (=), rows sum to 1;
 * may be NULL logits         (count, K) out (=); may be NULL The same pictures give the same numbers whatever the batch
 * they come in, up to rounding of the matrix products. */
ssfer_status ssfer_predictor_run(ssfer_predictor *predictor, const ssfer_image *images, size_t count,
                                 float *probabilities, float *logits, ssfer_error *err);

#ifdef __cplusplus
}
#endif
#endif
