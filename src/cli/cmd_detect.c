#include "base/memory.h"
#include "cli/commands.h"
#include "cli/detector_args.h"
#include "cli/picture_walk.h"
#include "predict/annotate.h"

#include <string.h>

typedef struct detect_args {
    const char *detector, *output;
    int format;
    int64_t batch_size;
    ssfer_detector_args options;
    ssfer_strings inputs;
} detect_args;

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_STRING(detect_args, detector), .name = "detector", .letter = 'd', .value = "D", .required = true,
     .help = "face detector: a published .pt of YOLOv7-face, its bare weights, or what 'ssfer convert' made of them"},
    {SSFER_OPTION_CHOICE(detect_args, format), .name = "format", .letter = 'f', .choices = SSFER_OUTPUT_FORMATS,
     .initial = "table", .help = "how to print the faces"},
    {SSFER_OPTION_STRING(detect_args, output), .name = "output", .letter = 'o', .value = "DIR",
     .help = "also write each picture as PNG with its faces marked into this folder: 00001-NAME.png, numbered as the "
             "inputs; long names are shortened"},
    {SSFER_OPTION_INT(detect_args, batch_size), .name = "batch-size", .value = "N", .initial = "16", .min = 1,
     .max = 4096, .help = "pictures looked at together"},
    {0}};
static const ssfer_option OPERANDS[] = {{SSFER_OPTION_STRINGS(detect_args, inputs), .name = "INPUT", .required = true,
                                         .help = "pictures, folders or tars of pictures, CSV lists of paths"},
                                        {0}};

typedef struct detection {
    const detect_args *args;
    ssfer_cli *cli;
    ssfer_detector *detector;
    ssfer_picture_walk walk;
    ssfer_faces *faces; /* of a portion: batch_size */
    size_t found, without;
} detection;

static ssfer_status prepare(detection *d, ssfer_error *err)
{
    const detect_args *a = d->args;
    ssfer_status st = ssfer_detector_from_args(&d->detector, d->cli, a->detector, &a->options, err);
    if (st == SSFER_OK)
        st = ssfer_picture_walk_open(&d->walk, d->cli, &a->inputs, a->format, a->output, (size_t)a->batch_size, err);
    if (st != SSFER_OK)
        return st;
    d->faces = ssfer_calloc((size_t)a->batch_size, sizeof *d->faces);
    return d->faces ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "detect: out of memory");
}

static void release(detection *d)
{
    ssfer_free(d->faces);
    ssfer_picture_walk_close(&d->walk);
    ssfer_detector_destroy(d->detector);
}

static ssfer_status find_faces(void *context, const ssfer_portion *p, ssfer_error *err)
{
    detection *d = context;
    return ssfer_detector_run(d->detector, p->images, p->readable, d->faces, err);
}

static void forget_faces(void *context)
{
    detection *d = context;
    for (size_t i = 0; i < (size_t)d->args->batch_size; i++)
        ssfer_faces_deinit(&d->faces[i]);
}

static void write_rows(detection *d, const char *file, const char *png, const ssfer_faces *faces)
{
    if (!faces->count) {
        ssfer_output_row(&d->walk.output, &(ssfer_face_row){.file = file, .picture = png, .status = SSFER_FACE_NONE});
        d->without++;
    }
    for (size_t k = 0; k < faces->count; k++)
        ssfer_output_row(&d->walk.output, &(ssfer_face_row){.file = file, .picture = png, .face = &faces->faces[k]});
    d->found += faces->count;
}

static ssfer_status mark(ssfer_image *image, const ssfer_faces *faces, ssfer_error *err)
{
    ssfer_mark *marks = ssfer_calloc(faces->count, sizeof *marks);
    if (!marks)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "detect: out of memory");
    for (size_t i = 0; i < faces->count; i++)
        marks[i].face = &faces->faces[i];
    ssfer_status st = ssfer_annotate(image, marks, faces->count, NULL, 0, err);
    ssfer_free(marks);
    return st;
}

static ssfer_status show_faces(void *context, size_t k, const char *file, ssfer_image *image, const char *png,
                               ssfer_error *err)
{
    detection *d = context;
    ssfer_status st = SSFER_OK;
    write_rows(d, file, png, &d->faces[k]);
    if (png && d->faces[k].count)
        st = mark(image, &d->faces[k], err);
    if (png && st == SSFER_OK)
        st = ssfer_image_save(image, png, err);
    return st;
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    detection d = {.args = data, .cli = cli};
    const ssfer_picture_visitor visitor = {&d, "detecting", find_faces, show_faces, forget_faces};
    ssfer_status st = prepare(&d, err);
    if (st == SSFER_OK) {
        st = ssfer_picture_walk_run(&d.walk, &visitor, err);
        ssfer_detector_times t = ssfer_detector_get_times(d.detector);
        ssfer_debug(&cli->log,
                    "%zu faces in %zu pictures, %zu without; letterbox %.2f s, network %.2f s, selection %.2f s",
                    d.found, t.pictures, d.without, t.letterbox_s, t.network_s, t.select_s);
    }
    release(&d);
    return st;
}

const ssfer_command SSFER_COMMAND_DETECT = {
    .name = "detect",
    .group = SSFER_COMMAND_GROUP_USE,
    .summary = "find the faces in pictures",
    .description =
        "Prints a row for each face: its box, the detector's confidence and five keypoints (eyes, nose, corners of the "
        "mouth) in pixels of the picture, turned upright if its EXIF data say so. A picture without a face is a row "
        "that "
        "says so.\n\n" SSFER_INPUTS_TEXT,
    .groups = {{"Options", OPTIONS, 0}, {"Detector", SSFER_DETECTOR_OPTIONS, offsetof(detect_args, options)}},
    .operands = OPERANDS,
    .examples = {{"ssfer detect --detector yolov7s-face.pt photo.jpg", "One picture."},
                 {"ssfer detect --detector yolov7s-face.pt --format csv --output marked photos/ > faces.csv",
                  "A folder, with each picture and its faces."}},
    .args_size = sizeof(detect_args),
    .run = run,
};
