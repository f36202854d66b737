/* A pickled models.yolo.Model as a configuration: its modules are the truth (which layer is of which class and reads
 * what, strides, paddings, eps, activations), its `yaml` attribute adds the arguments of the rows. */
#ifndef SSFER_MODELS_YOLOV7_PICKLED_H
#define SSFER_MODELS_YOLOV7_PICKLED_H

#include "io/torch/torch_file.h"
#include "models/yolov7/config.h"

/* The module in a checkpoint: the root itself, or what stands below `ema` or `model`. NULL: none. */
const ssfer_pickle_node *ssfer_yolo_pickled_module(const ssfer_pickle_node *root);

/* Reads the configuration (init included; on failure nothing is left). Facts are named as the tensors of
 * ssfer_torch_module_add with an empty prefix: "model.0.conv". Depth and number of modules are bounded, so a pickle
 * that contains itself is refused. Errors: SSFER_ERR_FORMAT, SSFER_ERR_UNSUPPORTED (a model of another kind),
 * SSFER_ERR_LIMIT, SSFER_ERR_MEMORY. */
ssfer_status ssfer_yolo_pickled_config(ssfer_yolo_config *config, const ssfer_pickle_node *model, const char *name,
                                       ssfer_error *err);

#endif
