#include "cli/detector_args.h"

#include "models/yolov7/config.h"

const ssfer_option SSFER_DETECTOR_OPTIONS[] = {
    {SSFER_OPTION_INT(ssfer_detector_args, size), .name = "size", .value = "N", .initial = "640", .min = 32,
     .max = 8192,
     .help =
         "side in pixels to which pictures are scaled for the detector, a multiple of 32; larger finds smaller faces"},
    {SSFER_OPTION_FLOAT(ssfer_detector_args, conf), .name = "conf", .value = "P", .initial = "0.4", .min = 0, .max = 1,
     .above_min = true, .below_max = true, .help = "least confidence of a face"},
    {SSFER_OPTION_FLOAT(ssfer_detector_args, iou), .name = "iou", .value = "R", .initial = "0.5", .min = 0, .max = 1,
     .above_min = true, .help = "of two faces that overlap more than this, the less confident one is dropped"},
    {SSFER_OPTION_INT(ssfer_detector_args, max_faces), .name = "max-faces", .value = "N", .initial_help = "all",
     .min = 0, .max = 100000, .help = "the N most confident faces of a picture only"},
    {SSFER_OPTION_FLOAT(ssfer_detector_args, min_face), .name = "min-face", .value = "PX", .initial = "0", .min = 0,
     .max = 100000, .help = "least shorter side of a face in pixels of the picture"},
    {SSFER_OPTION_FLAG(ssfer_detector_args, rectangle), .name = "rectangle",
     .help = "do not pad pictures to squares: faster; boxes may differ slightly"},
    {SSFER_OPTION_STRING(ssfer_detector_args, network), .name = "network", .value = "NAME", .initial_help = "what fits",
     .help = "network of bare weights: " SSFER_YOLO_BUILTIN_NAMES ", or a file that describes one"},
    {0}};

ssfer_status ssfer_detector_from_args(ssfer_detector **out, const ssfer_cli *cli, const char *path,
                                      const ssfer_detector_args *args, ssfer_error *err)
{
    const ssfer_detector_options options = {.size = (size_t)args->size,
                                            .confidence = (float)args->conf,
                                            .iou = (float)args->iou,
                                            .max_faces = (size_t)args->max_faces,
                                            .min_face = (float)args->min_face,
                                            .rectangle = args->rectangle,
                                            .threads = (size_t)cli->common.threads,
                                            .network = args->network};
    ssfer_status st = ssfer_detector_create(out, path, &options, err);
    if (st == SSFER_OK) {
        ssfer_detector_info info = ssfer_detector_get_info(*out);
        ssfer_debug(&cli->log, "%s: %zu layers, %zu numbers, %zu keypoints, stride %zu", path, info.layers,
                    info.parameters, info.keypoints, info.stride);
    }
    return st;
}
