/* A classifier as it lies in a file: ViT, weights, class names and what the pictures are normalised with. */
#ifndef SSFER_MODELS_CLASSIFIER_H
#define SSFER_MODELS_CLASSIFIER_H

#include "base/log.h"
#include "models/vit.h"

typedef struct ssfer_classifier {
    ssfer_vit vit;
    float *params;          /* a block of vit.table */
    ssfer_tensor_set *file; /* not NULL: params lies in this mapped file and must not be written */
    char **classes;         /* vit.config.classes names, or NULL when the file does not say */
    float mean[3], std[3];
    bool mean_stated, std_stated; /* they are the file's own, neither given by options nor the published models' */
} ssfer_classifier;

typedef struct ssfer_classifier_load_options {
    const char
        *classes;      /* rafdb, ferplus, affectnet7, affectnet8, or a file with a name a line; NULL: as in the file */
    size_t heads;      /* 0: as in the file, or embed_dim / 64 */
    const char *which; /* top-level key of a PyTorch file; NULL: the usual ones */
    const float *mean, *std; /* three numbers each; NULL: as in the file, or the published models' */
} ssfer_classifier_load_options;

/* Reads any checkpoint (io/tensor_set.h). options may be NULL. Messages name the file.
 *
 * Weights that lie in the file as the table has them, as in every model.safetensors of ours whose tensors fill whole
 * cache lines (all named sizes), are used where they are: what a pass does not read is never loaded, and processes
 * share it. So the file must not be cut or written over in place while the model lives; replacing it by a rename is
 * fine. */
ssfer_status ssfer_classifier_load(ssfer_classifier *out, const char *path,
                                   const ssfer_classifier_load_options *options, ssfer_error *err);
void ssfer_classifier_deinit(ssfer_classifier *classifier);

/* Class names for `spec` (see above); an array of *count names, freed with ssfer_names_free. */
ssfer_status ssfer_class_names(char ***names, size_t *count, const char *spec, ssfer_error *err);
void ssfer_names_free(char **names, size_t count);
ssfer_status ssfer_names_copy(char ***names, const char *const *from, size_t count, ssfer_error *err);

/* What pictures are normalised with, as metadata "mean" and "std"; without these, the released code's. */
ssfer_status ssfer_normalization_read(float mean[3], float std[3], const ssfer_tensor_set *set, ssfer_error *err);
ssfer_status ssfer_normalization_store(const float mean[3], const float std[3], ssfer_tensor_set *set,
                                       ssfer_error *err);
/* Three finite numbers "0.5,0.5,0.5", all above 0 if `positive`. Errors: SSFER_ERR_ARGUMENT. */
ssfer_status ssfer_normalization_parse(float out[3], const char *text, bool positive, ssfer_error *err);

/* Adds what a checkpoint of another program does not say, as metadata, over what it may say already. NULL: left alone.
 * classes: as ssfer_class_names takes them. Errors: SSFER_ERR_SHAPE (the checkpoint has no head, or another number of
 * outputs than there are names), those of ssfer_class_names. */
ssfer_status ssfer_classifier_annotate(ssfer_tensor_set *set, const char *classes, const float *mean, const float *std,
                                       ssfer_error *err);

/* For a classifier that has just taken its head from a checkpoint (models/transfer.h) and has classes of its own: puts
 * the outputs in their order, by the names that the checkpoint gives its outputs. Warns where it gives none or others,
 * so that they were taken in the order in which they come. A head that was not taken is left alone. */
ssfer_status ssfer_classifier_sort_head(ssfer_classifier *classifier, const ssfer_tensor_set *set, const ssfer_log *log,
                                        ssfer_error *err);

/* Adds weights (any block of the table, borrowed) and all metadata to a set. */
ssfer_status ssfer_classifier_store(const ssfer_classifier *classifier, const float *params, ssfer_tensor_set *set,
                                    ssfer_error *err);

#endif
