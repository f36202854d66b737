/* The configuration of a YOLOv7-face network: which layers read what, as rows of (from, repeat, module, arguments),
 * with the anchors and multiples. It comes from a pickled model (its `yaml` attribute and its modules), from the table
 * of published networks, or from the metadata of a safetensors file, where it stands as text:
 *
 *     classes 1
 *     keypoints 5
 *     depth 1
 *     width 0.4
 *     keypoint_blocks no                        extra depthwise blocks before the keypoint convolution
 *     anchors 4,5 6,8 10,12                     a line a level, finest first: width,height in pixels
 *     layer -1 1 Conv 32 3 2                    from, repeat, module, arguments
 *     layer -1,-3 1 Concat 1
 *     set model.1.bn eps 1e-05                  a module that differs from what its row implies
 *
 * `#` starts a comment. Channel counts are those of the weights, so the width is information only. */
#ifndef SSFER_MODELS_YOLOV7_CONFIG_H
#define SSFER_MODELS_YOLOV7_CONFIG_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    SSFER_YOLO_MAX_LEVELS = 8,
    SSFER_YOLO_MAX_ANCHORS = 8, /* of a level */
    SSFER_YOLO_MAX_LAYERS = 2048,
    SSFER_YOLO_MAX_CLASSES = 10000,
    SSFER_YOLO_MAX_KEYPOINTS = 1000,
    SSFER_YOLO_MAX_FROM = 32,
    SSFER_YOLO_MAX_ARGS = 16
};

typedef struct ssfer_yolo_layer {
    long *from; /* -1: the layer before, other negative: counted back, otherwise a layer's number */
    size_t from_count;
    size_t repeat; /* before the depth multiple */
    char *module;  /* as the file says it: "Conv", "models.common.Conv", "nn.Upsample" */
    char **args;
    size_t arg_count;
} ssfer_yolo_layer;

/* What a module of the file says about itself. `needed`: the network would be built differently without it. */
typedef struct ssfer_yolo_fact {
    char *path, *key, *value;
    bool needed;
} ssfer_yolo_fact;

typedef struct ssfer_yolo_config {
    size_t classes, keypoints;
    double depth, width;
    bool keypoint_blocks;
    char *activation; /* of modules that name none; NULL: SiLU */
    float anchors[SSFER_YOLO_MAX_LEVELS][SSFER_YOLO_MAX_ANCHORS][2];
    size_t levels, anchor_count[SSFER_YOLO_MAX_LEVELS];
    ssfer_yolo_layer *layers;
    size_t layer_count, layer_capacity;
    ssfer_yolo_fact *facts; /* sorted by path, then key, once ssfer_yolo_config_sort ran */
    size_t fact_count, fact_capacity;
} ssfer_yolo_config;

/* Whether an anchor may be so many pixels wide or high; false for NaN. Published ones: 4 to 1056. */
static inline bool ssfer_yolo_anchor_ok(double pixels)
{
    return pixels > 0 && pixels <= 1e6;
}

void ssfer_yolo_config_init(ssfer_yolo_config *config); /* one class, five keypoints, no layers */
void ssfer_yolo_config_deinit(ssfer_yolo_config *config);

/* Adding; all strings are copied. */
ssfer_status ssfer_yolo_config_layer(ssfer_yolo_config *config, const long *from, size_t from_count, size_t repeat,
                                     const char *module, ssfer_error *err);
ssfer_status ssfer_yolo_config_arg(ssfer_yolo_config *config, const char *arg,
                                   ssfer_error *err); /* of the last layer */
ssfer_status ssfer_yolo_config_fact(ssfer_yolo_config *config, const char *path, const char *key, const char *value,
                                    ssfer_error *err);

/* The value of a fact, or NULL. needed_if_not: the value that holds without the fact; the fact is marked as needed if
 * it differs (compared as numbers where both are, as text otherwise). Facts must be sorted. */
void ssfer_yolo_config_sort(ssfer_yolo_config *config);
const char *ssfer_yolo_config_find(ssfer_yolo_config *config, const char *path, const char *key,
                                   const char *needed_if_not);

/* From text, init included; on failure nothing is left to deinit. `name` is for messages. Errors: SSFER_ERR_FORMAT with
 * the line, SSFER_ERR_LIMIT. */
ssfer_status ssfer_yolo_config_parse(ssfer_yolo_config *config, const char *text, const char *name, ssfer_error *err);
/* To text, with the needed facts only. *text is freed with ssfer_free. Errors: SSFER_ERR_LIMIT (longer than what parse
 * reads), SSFER_ERR_MEMORY. */
ssfer_status ssfer_yolo_config_format(char **text, const ssfer_yolo_config *config, ssfer_error *err);

/* The published networks: name (NULL past the last) and text. find takes a name that starts with one of them, so that
 * "yolov7-tiny-face-w0.25" is yolov7-tiny-face; the longest match counts. NULL: none. */
#define SSFER_YOLO_BUILTIN_NAMES "yolov7-lite-t, yolov7-lite-s, yolov7-tiny-face, yolov7s-face, yolov7-face"
const char *ssfer_yolo_builtin_name(size_t i);
const char *ssfer_yolo_builtin_text(size_t i);
const char *ssfer_yolo_builtin_find(const char *name);

#endif
