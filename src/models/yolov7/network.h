/* A YOLOv7-face network: configuration + named weights -> a graph of convolutions (compute/cpu/conv_graph.h).
 *
 * Batch-norms are folded into their convolutions in double precision (eps 1e-3 unless the file says otherwise), as are
 * ImplicitA and ImplicitM into the detection convolution, which is then computed together with the keypoint
 * convolution where both read the same features. Channel counts, kernels and groups are those of the weights. */
#ifndef SSFER_MODELS_YOLOV7_NETWORK_H
#define SSFER_MODELS_YOLOV7_NETWORK_H

#include "compute/cpu/conv_graph.h"
#include "io/tensor_set.h"
#include "models/yolov7/config.h"

/* One scale of the head. Per anchor there are 5 + classes box values and 3 * keypoints keypoint values; the reference
 * concatenates the channels of all box values and all keypoint values and then cuts the whole into one group of
 * values per anchor, so value v of anchor a is channel values * a + v of the concatenation. */
typedef struct ssfer_yolo_level {
    size_t box, keypoints;    /* graph values with these channels; may be the same value */
    size_t keypoints_channel; /* where the keypoint channels start in theirs */
    size_t stride;            /* network pixels a cell */
    size_t anchor_count;
    float anchors[SSFER_YOLO_MAX_ANCHORS][2]; /* width, height in network pixels */
} ssfer_yolo_level;

typedef struct ssfer_yolo {
    char *name; /* of the file, for messages */
    ssfer_conv_graph *graph;
    size_t classes, keypoints; /* keypoints: points a face, 0 for a plain detector */
    size_t values;             /* a row: 5 + classes + 3 * keypoints */
    size_t max_stride;         /* sides of the input must be multiples of it */
    ssfer_yolo_level levels[SSFER_YOLO_MAX_LEVELS];
    size_t level_count;
    size_t layer_count;
    size_t *layers;            /* the graph value that each layer of the configuration gives; 0 for the head */
    size_t parameters, unused; /* numbers in the weights; tensors that no layer asked for */
} ssfer_yolo;

/* Builds the network. config is not const: what differs from its rows is marked (ssfer_yolo_config_find). `name` is for
 * messages. Errors: SSFER_ERR_FORMAT (a weight is missing or has another shape than the layer can have),
 * SSFER_ERR_UNSUPPORTED (a module that is not known), SSFER_ERR_SHAPE, SSFER_ERR_NUMERIC (weights that are not finite),
 * SSFER_ERR_LIMIT, SSFER_ERR_MEMORY.
 *
 * Whatever the file says, time and memory are bounded: layers (2048, repeats counted) and steps of the graph (2048);
 * weights by eight times the file's numbers; operations and the largest layer by the picture's pixels. */
ssfer_status ssfer_yolo_build(ssfer_yolo **out, ssfer_yolo_config *config, const ssfer_tensor_set *weights,
                              const char *name, ssfer_error *err);
void ssfer_yolo_destroy(ssfer_yolo *net); /* NULL is fine */

/* The network for pictures of height x width, multiples of max_stride; see ssfer_conv_plan_create. Errors: its own, and
 * SSFER_ERR_FORMAT if a map of a level has not height / stride x width / stride cells, SSFER_ERR_LIMIT (too costly). */
ssfer_status ssfer_yolo_plan(ssfer_conv_plan **out, const ssfer_yolo *net, size_t height, size_t width, bool keep_all,
                             size_t max_bytes, ssfer_error *err);

/* Reads a detector file by content. A pickled model brings its own configuration, and so does a safetensors file that
 * ssfer wrote; bare state dicts are built with `config_name` (a published network's name, or a file with a
 * configuration as text), or, if that is NULL, with the published network that fits all of their tensors. config_text
 * (may be NULL): the configuration used, freed with ssfer_free; weights (may be NULL): the named tensors. */
ssfer_status ssfer_yolo_load(ssfer_yolo **out, char **config_text, ssfer_tensor_set **weights, const char *path,
                             const char *config_name, ssfer_error *err);
/* Writes weights as a safetensors file that describes itself: metadata is added to the set. */
ssfer_status ssfer_yolo_store(const char *path, ssfer_tensor_set *weights, const char *config_text, ssfer_error *err);
/* Reading from a file's bytes; `name` stands for the path in messages. */
ssfer_status ssfer_yolo_load_memory(ssfer_yolo **out, const unsigned char *bytes, size_t size_bytes, const char *name,
                                    const char *config_name, ssfer_error *err);

#endif
