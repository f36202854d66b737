/* The `yaml` attribute of a pickled model as JSON, the form in which the general converter keeps it in the metadata of
 * a safetensors file ("yaml"). Unlike a pickled module it says nothing of eps and activations of single modules: those
 * are the reference's. */
#ifndef SSFER_MODELS_YOLOV7_YAML_JSON_H
#define SSFER_MODELS_YOLOV7_YAML_JSON_H

#include "models/yolov7/config.h"

/* Init included; on failure nothing is left to deinit. Errors: SSFER_ERR_FORMAT, SSFER_ERR_LIMIT, SSFER_ERR_MEMORY. */
ssfer_status ssfer_yolo_yaml_json(ssfer_yolo_config *config, const char *text, const char *name, ssfer_error *err);

#endif
