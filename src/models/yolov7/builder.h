/* Building blocks of the network builder, shared by blocks.c (the modules) and network.c (the rows and the head).
 *
 * Functions that add something return the new value. The first error sticks in `st`; from then on nothing is added and
 * value 0 is returned, so that a block reads like the module that it stands for. Paths name modules as the file does:
 * "model.3.cv1". */
#ifndef SSFER_MODELS_YOLOV7_BUILDER_H
#define SSFER_MODELS_YOLOV7_BUILDER_H

#include "models/yolov7/network.h"

typedef struct yolo_builder {
    ssfer_conv_graph *graph;
    const ssfer_tensor_set *weights;
    ssfer_yolo_config *config;
    const char *name, *prefix; /* of the file; of tensor names: "model." or "" */
    bool *used;                /* a flag a tensor */
    size_t max_weights;        /* how many numbers the graph's convolutions may have, padded and dense */
    size_t blocks;             /* modules built so far, repeats counted */
    ssfer_status st;
    ssfer_error *err;
} yolo_builder;

/* One layer: its path, the values it reads and its row. */
typedef struct yolo_row {
    const char *path;
    const size_t *in;
    size_t in_count;
    const ssfer_yolo_layer *layer;
} yolo_row;

enum { YOLO_PATH_SIZE = 256 };
typedef struct yolo_path {
    char text[YOLO_PATH_SIZE];
} yolo_path;
yolo_path yolo_join(yolo_builder *b, const char *path, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Fails with "FILE: MODULE: what". */
size_t yolo_fail(yolo_builder *b, ssfer_status status, const char *path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

const ssfer_tensor *yolo_find(yolo_builder *b, const char *path, const char *leaf); /* marks it as used; NULL: absent */

/* What a function of the graph answered: *value, or on failure 0 with the path put in front of the message. */
size_t yolo_graph_value(yolo_builder *b, ssfer_status st, const size_t *value, const char *path);

/* Arguments of a row: fallback where absent or None. */
double yolo_arg(yolo_builder *b, const yolo_row *row, size_t i, double fallback);
const char *yolo_arg_text(const yolo_row *row, size_t i, const char *fallback);

/* A number that the file states about a module, or the fallback. One that float32 cannot hold is refused. */
double yolo_fact(yolo_builder *b, const char *path, const char *key, double fallback);

/* The same for kernels, strides, paddings and the like: a whole number. */
enum { YOLO_MAX_EXTENT = 64 };
size_t yolo_fact_count(yolo_builder *b, const char *path, const char *key, double fallback);

/* An activation by its text: "SiLU", "nn.LeakyReLU(0.1)", "ReLU", "Identity", "True", "False". */
typedef struct yolo_act {
    ssfer_activation kind;
    float slope;
} yolo_act;
yolo_act yolo_activation(yolo_builder *b, const char *path, const char *fallback);

/* A convolution's numbers in double, so that folding does not round twice. */
typedef struct yolo_folded {
    size_t out, in, kh, kw; /* in: of the weights, i.e. channels of a group */
    double *weights, *bias;
} yolo_folded;
bool yolo_fold_load(yolo_builder *b, yolo_folded *f, const char *conv_path);              /* weight and bias, if any */
bool yolo_fold_norm(yolo_builder *b, yolo_folded *f, const char *bn_path, bool required); /* batch-norm behind it */
void yolo_fold_free(yolo_folded *f);
size_t yolo_fold_emit(yolo_builder *b, size_t in, const yolo_folded *f, size_t stride, size_t pad_h, size_t pad_w,
                      yolo_act act, const char *path);

/* Convolution, batch-norm and activation at the given paths; bn_path NULL: none. pad -1: half the kernel. */
size_t yolo_conv_at(yolo_builder *b, size_t in, const char *conv_path, const char *bn_path, size_t stride, double pad,
                    yolo_act act);
/* The module Conv: PATH.conv, PATH.bn, PATH.act. act: what its arguments say. */
size_t yolo_conv(yolo_builder *b, size_t in, const char *path, size_t stride, double pad, const char *act);

/* Maximum pooling; the file's kernel, stride, padding and rounding win over those given. */
size_t yolo_pool(yolo_builder *b, size_t in, const char *path, size_t kernel, size_t stride, size_t pad, bool ceil);
size_t yolo_concat(yolo_builder *b, const size_t *in, size_t count);
size_t yolo_channels(yolo_builder *b, size_t value);

/* The module of a row by its name, without the head. */
size_t yolo_block(yolo_builder *b, const char *module, const yolo_row *row);

#endif
