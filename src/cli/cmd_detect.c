#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/detector_args.h"
#include "image/draw.h"
#include "predict/output.h"
#include "predict/pictures.h"

#include <string.h>

typedef struct detect_args {
    const char *detector, *output;
    int format;
    int64_t batch_size;
    ssfer_detector_args options;
    ssfer_strings inputs;
} detect_args;

static const char *const FORMATS[] = {"table", "json", "jsonl", "csv", NULL};

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_STRING(detect_args, detector), .name = "detector", .letter = 'd', .value = "D", .required = true,
     .help = "face detector: a published .pt of YOLOv7-face, its bare weights, or what 'ssfer convert' made of them"},
    {SSFER_OPTION_CHOICE(detect_args, format), .name = "format", .letter = 'f', .choices = FORMATS, .initial = "table",
     .help = "how to print the faces"},
    {SSFER_OPTION_STRING(detect_args, output), .name = "output", .letter = 'o', .value = "DIR",
     .help = "also write each picture as PNG with its faces marked into this folder"},
    {SSFER_OPTION_INT(detect_args, batch_size), .name = "batch-size", .value = "N", .initial = "16", .min = 1,
     .max = 4096, .help = "pictures looked at together"},
    {0}};
static const ssfer_option OPERANDS[] = {{SSFER_OPTION_STRINGS(detect_args, inputs), .name = "INPUT", .required = true,
                                         .help = "pictures, folders or tars of pictures"},
                                        {0}};

typedef struct detection {
    const detect_args *args;
    ssfer_cli *cli;
    ssfer_detector *detector;
    ssfer_dataset *set;
    ssfer_pictures *pictures;
    ssfer_faces *faces; /* of a portion */
    ssfer_output output;
    size_t failed, found, without;
} detection;

static ssfer_status prepare(detection *d, ssfer_error *err)
{
    const detect_args *a = d->args;
    const ssfer_dataset_options set_options = {.unlabeled = true, .log = &d->cli->log};
    ssfer_status st = ssfer_detector_from_args(&d->detector, d->cli, a->detector, &a->options, err);
    if (st == SSFER_OK)
        st = ssfer_dataset_open_paths(&d->set, a->inputs.items, a->inputs.count, &set_options, err);
    if (st == SSFER_OK && a->output)
        st = ssfer_folder_create(a->output, err);
    if (st == SSFER_OK)
        st = ssfer_pictures_create(&d->pictures, d->set, (size_t)a->batch_size, (size_t)d->cli->common.threads, err);
    if (st != SSFER_OK)
        return st;
    d->faces = ssfer_calloc((size_t)a->batch_size, sizeof *d->faces);
    static const ssfer_output_format formats[] = {SSFER_OUTPUT_TABLE, SSFER_OUTPUT_JSON, SSFER_OUTPUT_JSONL,
                                                  SSFER_OUTPUT_CSV};
    d->output = (ssfer_output){.stream = d->cli->out,
                               .format = formats[a->format],
                               .bold = d->cli->style_out.bold,
                               .dim = d->cli->style_out.dim,
                               .reset = d->cli->style_out.reset};
    return d->faces ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "detect: out of memory");
}

static void release(detection *d)
{
    ssfer_free(d->faces);
    ssfer_pictures_destroy(d->pictures);
    ssfer_dataset_close(d->set);
    ssfer_detector_destroy(d->detector);
}

/* ---- annotated pictures ---- */

static ssfer_status draw(ssfer_image *picture, const ssfer_faces *faces, ssfer_error *err)
{
    enum { POINTS = 5, LABEL = 16 };
    ssfer_draw_face *marks = ssfer_calloc(faces->count, sizeof *marks);
    float(*points)[POINTS][2] = ssfer_calloc(faces->count, sizeof *points);
    char(*labels)[LABEL] = ssfer_calloc(faces->count, sizeof *labels);
    ssfer_status st = marks && points && labels ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "detect: out of memory");
    for (size_t i = 0; i < faces->count && st == SSFER_OK; i++) {
        const ssfer_face *face = &faces->faces[i];
        bool pointed = false;
        for (size_t k = 0; k < POINTS; k++) {
            memcpy(points[i][k], face->keypoints[k], sizeof points[i][k]);
            pointed = pointed || face->keypoints[k][2] > 0;
        }
        snprintf(labels[i], LABEL, "%.0f %%", 100 * (double)face->confidence);
        memcpy(marks[i].box, face->box, sizeof face->box);
        marks[i].points = pointed ? points[i][0] : NULL;
        marks[i].label = labels[i];
    }
    if (st == SSFER_OK)
        st = ssfer_draw_faces(picture, marks, faces->count, err);
    ssfer_free(marks);
    ssfer_free(points);
    ssfer_free(labels);
    return st;
}

/* DIR/00012-name.png: the number keeps names apart that several folders share, and the order. */
static ssfer_status write_picture(const detection *d, size_t i, const ssfer_image *image, const ssfer_faces *faces,
                                  ssfer_error *err)
{
    const char *path = ssfer_dataset_path(d->set, i), *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    ssfer_image copy = {0};
    char *out = ssfer_format("%s/%05zu-%.*s.png", d->args->output, i + 1, dot ? (int)(dot - name) : 255, name);
    ssfer_status st = out ? ssfer_image_crop(&copy, image, 0, 0, image->width, image->height, err)
                          : ssfer_fail(err, SSFER_ERR_MEMORY, "detect: out of memory");
    if (st == SSFER_OK && faces->count)
        st = draw(&copy, faces, err);
    if (st == SSFER_OK)
        st = ssfer_image_save(&copy, out, err);
    ssfer_image_deinit(&copy);
    ssfer_free(out);
    return st;
}

/* ---- rows ---- */

static void write_rows(detection *d, const char *file, const ssfer_faces *faces)
{
    if (!faces->count) {
        ssfer_output_row(&d->output, &(ssfer_face_row){.file = file, .status = SSFER_FACE_NONE});
        d->without++;
    }
    for (size_t k = 0; k < faces->count; k++) {
        const ssfer_face *face = &faces->faces[k];
        ssfer_face_row row = {.file = file, .detected = true, .confidence = face->confidence};
        memcpy(row.box, face->box, sizeof row.box);
        memcpy(row.keypoints, face->keypoints, sizeof row.keypoints);
        ssfer_output_row(&d->output, &row);
    }
    d->found += faces->count;
}

static ssfer_status one_portion(detection *d, const ssfer_portion *p, ssfer_error *err)
{
    ssfer_status st = ssfer_detector_run(d->detector, p->images, p->readable, d->faces, err);
    if (st != SSFER_OK)
        return st;
    for (size_t i = 0; i < p->count; i++) {
        char file[1024];
        ssfer_dataset_location(d->set, p->first + i, file, sizeof file);
        if (p->errors[i].status != SSFER_OK) {
            const char *message = ssfer_picture_message(&p->errors[i], file);
            ssfer_output_row(&d->output,
                             &(ssfer_face_row){.file = file, .status = SSFER_FACE_ERROR, .message = message});
            d->failed++;
            continue;
        }
        write_rows(d, file, &d->faces[p->place[i]]);
        if (d->args->output && st == SSFER_OK)
            st = write_picture(d, p->first + i, &p->images[p->place[i]], &d->faces[p->place[i]], err);
    }
    for (size_t i = 0; i < p->readable; i++)
        ssfer_faces_deinit(&d->faces[i]);
    return st;
}

static ssfer_status detect_all(detection *d, ssfer_error *err)
{
    const size_t total = ssfer_dataset_count(d->set);
    ssfer_portion portion = {0};
    ssfer_progress bar;
    ssfer_output_begin(&d->output);
    ssfer_progress_begin(&bar, d->args->format == 0 ? NULL : d->cli->progress, "detecting", "img", total);
    ssfer_status st = ssfer_pictures_next(d->pictures, &portion, err);
    while (st == SSFER_OK && portion.count) {
        st = one_portion(d, &portion, err);
        ssfer_progress_update(&bar, portion.first + portion.count, NULL);
        if (st == SSFER_OK)
            st = ssfer_pictures_next(d->pictures, &portion, err);
    }
    ssfer_progress_end(&bar);
    ssfer_output_end(&d->output);
    ssfer_detector_times t = ssfer_detector_get_times(d->detector);
    ssfer_debug(&d->cli->log,
                "%zu faces in %zu pictures, %zu without; letterbox %.2f s, network %.2f s, selection %.2f s", d->found,
                t.pictures, d->without, t.letterbox_s, t.network_s, t.select_s);
    if (st == SSFER_OK && d->failed == total)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "none of the %zu pictures could be read", total);
    else if (st == SSFER_OK && d->failed)
        ssfer_warn(&d->cli->log, "%zu of %zu pictures could not be read", d->failed, total);
    return st;
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    detection d = {.args = data, .cli = cli};
    ssfer_status st = prepare(&d, err);
    if (st == SSFER_OK)
        st = detect_all(&d, err);
    release(&d);
    return st;
}

const ssfer_command SSFER_COMMAND_DETECT = {
    .name = "detect",
    .group = SSFER_COMMAND_GROUP_USE,
    .summary = "find the faces in pictures",
    .description =
        "Prints a row for each face: its box, the detector's confidence and five keypoints (eyes, nose, corners of the "
        "mouth) in pixels of the picture, turned upright if its EXIF data say so. A picture without a face, or one "
        "that "
        "cannot be read, is a row with that status.",
    .groups = {{"Options", OPTIONS, 0}, {"Detector", SSFER_DETECTOR_OPTIONS, offsetof(detect_args, options)}},
    .operands = OPERANDS,
    .examples = {{"ssfer detect --detector yolov7s-face.pt photo.jpg", "One picture."},
                 {"ssfer detect --detector yolov7s-face.pt --format csv --output marked photos/ > faces.csv",
                  "A folder, with each picture and its faces."}},
    .args_size = sizeof(detect_args),
    .run = run,
};
