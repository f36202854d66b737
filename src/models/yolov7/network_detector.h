/* A detector (ssfer/detect.h) around a network that is there already, instead of one that is read from a file. */
#ifndef SSFER_MODELS_YOLOV7_NETWORK_DETECTOR_H
#define SSFER_MODELS_YOLOV7_NETWORK_DETECTOR_H

#include "models/yolov7/network.h"
#include "ssfer/detect.h"

/* Takes the network, also on failure. options: as in ssfer_detector_create, may be NULL; `network` is of no use here.
 */
ssfer_status ssfer_detector_of_network(ssfer_detector **out, ssfer_yolo *net, const ssfer_detector_options *options,
                                       ssfer_error *err);

#endif
