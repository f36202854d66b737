/* Options of every command that finds faces. */
#ifndef SSFER_CLI_DETECTOR_ARGS_H
#define SSFER_CLI_DETECTOR_ARGS_H

#include "cli/cli.h"
#include "ssfer/detect.h"

typedef struct ssfer_detector_args {
    const char *network;
    int64_t size, max_faces;
    double conf, iou, min_face;
    bool rectangle;
} ssfer_detector_args;

/* {"Detector", SSFER_DETECTOR_OPTIONS, offsetof(my_args, detector)} in a command's groups. */
extern const ssfer_option SSFER_DETECTOR_OPTIONS[];

ssfer_status ssfer_detector_from_args(ssfer_detector **out, const ssfer_cli *cli, const char *path,
                                      const ssfer_detector_args *args, ssfer_error *err);

#endif
