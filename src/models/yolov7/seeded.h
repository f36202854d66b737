/* Weights for a configuration that has none: as a file of the field names and shapes them, with values that a seed
 * gives, so that speed can be measured and networks can be tested without anybody's checkpoint. */
#ifndef SSFER_MODELS_YOLOV7_SEEDED_H
#define SSFER_MODELS_YOLOV7_SEEDED_H

#include "models/yolov7/network.h"

#include <stdint.h>

/* The tensors of `config` as a new set. Channels: the first argument of a row times the width multiple, rounded up to
 * a multiple of 8 unless the width is 1, as the reference does. Deviations keep activations of one size through the
 * depth; objectness is low nearly everywhere, as in a trained network. Errors: SSFER_ERR_UNSUPPORTED (a module that no
 * published network has), SSFER_ERR_FORMAT, SSFER_ERR_MEMORY. */
ssfer_status ssfer_yolo_seeded(ssfer_tensor_set **out, const ssfer_yolo_config *config, uint64_t seed,
                               ssfer_error *err);

/* A published network by its name, with such weights. file (NULL: none): where they are written as well, in the
 * self-describing form of ssfer_detector_convert. Errors: also SSFER_ERR_ARGUMENT (another name), SSFER_ERR_IO. */
ssfer_status ssfer_yolo_seeded_network(ssfer_yolo **out, const char *network, uint64_t seed, const char *file,
                                       ssfer_error *err);

#endif
