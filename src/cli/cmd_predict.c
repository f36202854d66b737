#include "base/memory.h"
#include "cli/commands.h"
#include "cli/detector_args.h"
#include "cli/foreign_args.h"
#include "cli/picture_walk.h"
#include "image/draw.h"
#include "predict/annotate.h"
#include "ssfer/predict.h"

#include <string.h>

typedef struct predict_args {
    const char *model, *detector, *output;
    int format, no_face, align;
    int64_t batch_size;
    double margin;
    ssfer_foreign_args foreign;
    ssfer_detector_args faces;
    ssfer_strings inputs;
} predict_args;

static const char *const NO_FACE[] = {"skip", "whole", NULL};
static const char *const ALIGN[] = {"off", "points", NULL};

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_STRING(predict_args, model), .name = "model", .letter = 'm', .value = "M", .required = true,
     .help = "model file: .safetensors, or a PyTorch checkpoint with --classes"},
    {SSFER_OPTION_STRING(predict_args, detector), .name = "detector", .letter = 'd', .value = "D|none",
     .initial = "none", .help = "face detector as for 'ssfer detect'; none: each picture shows one face, cropped"},
    {SSFER_OPTION_CHOICE(predict_args, format), .name = "format", .letter = 'f', .choices = SSFER_OUTPUT_FORMATS,
     .initial = "table", .help = "how to print the predictions"},
    {SSFER_OPTION_STRING(predict_args, output), .name = "output", .letter = 'o', .value = "DIR",
     .help =
         "also write a PNG of each picture with its faces and their probabilities into this folder: 00001-NAME.png, "
         "numbered as the inputs; long names are shortened"},
    {SSFER_OPTION_INT(predict_args, batch_size), .name = "batch-size", .value = "N", .initial = "32", .min = 1,
     .max = 4096, .help = "pictures or faces computed at once"},
    {0}};
static const ssfer_option FACE_OPTIONS[] = {
    {SSFER_OPTION_CHOICE(predict_args, no_face), .name = "no-face", .choices = NO_FACE, .initial = "skip",
     .help = "a picture in which no face is found: a row that says so, or the expression of the whole picture"},
    {SSFER_OPTION_FLOAT(predict_args, margin), .name = "margin", .value = "R", .initial = "0", .min = -0.4, .max = 4,
     .help = "how much more than the square around a face is cut out on each side, as a share of its side"},
    {SSFER_OPTION_CHOICE(predict_args, align), .name = "align", .choices = ALIGN, .initial = "off",
     .help = "turn faces upright by their five keypoints"},
    {0}};
static const ssfer_option OPERANDS[] = {{SSFER_OPTION_STRINGS(predict_args, inputs), .name = "INPUT", .required = true,
                                         .help = "pictures, folders or tars of pictures, CSV lists of paths"},
                                        {0}};

typedef struct prediction {
    const predict_args *args;
    ssfer_cli *cli;
    ssfer_predictor *predictor;
    ssfer_detector *detector; /* NULL: none */
    ssfer_picture_walk walk;
    const char **classes;
    ssfer_expressions found; /* in a portion */
    size_t shown;            /* of found */
    size_t faces, whole, without;
} prediction;

/* An option about faces that would be ignored is a mistake. */
static ssfer_status refuse_lonely(const prediction *p, const ssfer_option *options, ssfer_error *err)
{
    for (const ssfer_option *o = options; o->name; o++)
        if (ssfer_cli_given(p->cli, o->name))
            return ssfer_cli_usage(p->cli, err, "--%s needs --detector", o->name);
    return SSFER_OK;
}

static ssfer_status open_models(prediction *p, ssfer_error *err)
{
    const predict_args *a = p->args;
    float mean[3], std[3];
    int mean_stated, std_stated;
    const ssfer_predictor_options options = {.threads = (size_t)p->cli->common.threads,
                                             .bf16 = ssfer_cli_precision(p->cli) == SSFER_PRECISION_BF16,
                                             .batch = (size_t)a->batch_size,
                                             .classes = a->foreign.classes,
                                             .heads = (size_t)a->foreign.heads,
                                             .mean = ssfer_normalization_given(mean, a->foreign.mean),
                                             .std = ssfer_normalization_given(std, a->foreign.std)};
    const bool faces = strcmp(a->detector, "none") != 0;
    ssfer_status st = faces ? SSFER_OK : refuse_lonely(p, FACE_OPTIONS, err);
    if (st == SSFER_OK && !faces)
        st = refuse_lonely(p, SSFER_DETECTOR_OPTIONS, err);
    if (st == SSFER_OK)
        st = ssfer_predictor_create(&p->predictor, a->model, &options, err);
    if (st == SSFER_OK) {
        ssfer_predictor_normalization(p->predictor, mean, &mean_stated, std, &std_stated);
        ssfer_foreign_tell(p->cli, a->model, &a->foreign, mean, mean_stated, std, std_stated);
    }
    if (st == SSFER_OK && faces)
        st = ssfer_detector_from_args(&p->detector, p->cli, a->detector, &a->faces, err);
    return st;
}

static ssfer_status prepare(prediction *p, ssfer_error *err)
{
    const predict_args *a = p->args;
    ssfer_status st = open_models(p, err);
    if (st == SSFER_OK)
        st = ssfer_picture_walk_open(&p->walk, p->cli, &a->inputs, a->format, a->output, (size_t)a->batch_size, err);
    if (st != SSFER_OK)
        return st;
    const size_t K = ssfer_predictor_class_count(p->predictor);
    p->classes = ssfer_calloc(K, sizeof *p->classes);
    if (!p->classes)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "predict: out of memory");
    for (size_t k = 0; k < K; k++)
        p->classes[k] = ssfer_predictor_class_name(p->predictor, k);
    p->walk.output.classes = p->classes;
    p->walk.output.class_count = K;
    p->walk.output.regions = p->detector != NULL;
    return SSFER_OK;
}

static void release(prediction *p)
{
    ssfer_free(p->classes);
    ssfer_picture_walk_close(&p->walk);
    ssfer_detector_destroy(p->detector);
    ssfer_predictor_destroy(p->predictor);
}

static ssfer_status classify(void *context, const ssfer_portion *portion, ssfer_error *err)
{
    prediction *p = context;
    const ssfer_expression_options options = {
        .margin = (float)p->args->margin, .align = p->args->align, .whole = p->args->no_face};
    p->shown = 0;
    return ssfer_predictor_run_faces(p->predictor, p->detector, portion->images, portion->readable, &options, &p->found,
                                     err);
}

static void forget(void *context)
{
    prediction *p = context;
    ssfer_expressions_deinit(&p->found);
}

static void write_rows(prediction *p, const char *file, const char *png, const ssfer_expression *items, size_t count)
{
    if (!count) {
        ssfer_output_row(&p->walk.output, &(ssfer_face_row){.file = file, .picture = png, .status = SSFER_FACE_NONE});
        p->without++;
    }
    for (size_t i = 0; i < count; i++) {
        ssfer_output_row(&p->walk.output, &(ssfer_face_row){.file = file,
                                                            .picture = png,
                                                            .face = items[i].whole ? NULL : &items[i].face,
                                                            .probabilities = items[i].probabilities,
                                                            .logits = items[i].logits});
        *(items[i].whole ? &p->whole : &p->faces) += 1;
    }
}

/* A card of a picture that was classified as a whole; else its faces are marked in it. */
static ssfer_status draw(const prediction *p, ssfer_image *image, const char *file, const ssfer_expression *items,
                         size_t count, ssfer_error *err)
{
    const size_t K = p->walk.output.class_count;
    if (count && items[0].whole) {
        const char *slash = strrchr(file, '/');
        ssfer_image card;
        ssfer_status st = ssfer_draw_card(&card, image, slash ? slash + 1 : file, NULL,
                                          (ssfer_draw_classes){p->classes, items[0].probabilities, K}, 0, err);
        if (st == SSFER_OK) {
            ssfer_image_deinit(image);
            *image = card;
        }
        return st;
    }
    ssfer_mark *marks = ssfer_calloc(count, sizeof *marks);
    if (!marks)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "predict: out of memory");
    for (size_t i = 0; i < count; i++)
        marks[i] = (ssfer_mark){&items[i].face, items[i].probabilities};
    ssfer_status st = count ? ssfer_annotate(image, marks, count, p->classes, K, err) : SSFER_OK;
    ssfer_free(marks);
    return st;
}

static ssfer_status show(void *context, size_t k, const char *file, ssfer_image *image, const char *png,
                         ssfer_error *err)
{
    prediction *p = context;
    const ssfer_expression *items = p->found.items + p->shown;
    size_t count = 0;
    while (p->shown + count < p->found.count && items[count].picture == k)
        count++;
    p->shown += count;
    write_rows(p, file, png, items, count);
    ssfer_status st = png ? draw(p, image, file, items, count, err) : SSFER_OK;
    if (png && st == SSFER_OK)
        st = ssfer_image_save(image, png, err);
    return st;
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    prediction p = {.args = data, .cli = cli};
    const ssfer_picture_visitor visitor = {&p, "predicting", classify, show, forget};
    ssfer_status st = prepare(&p, err);
    if (st == SSFER_OK)
        st = ssfer_picture_walk_run(&p.walk, &visitor, err);
    if (st == SSFER_OK && p.detector)
        ssfer_debug(&cli->log, "%zu faces; %zu pictures without one, %zu of them classified as a whole", p.faces,
                    p.without + p.whole, p.whole);
    release(&p);
    return st;
}

const ssfer_command SSFER_COMMAND_PREDICT = {
    .name = "predict",
    .group = SSFER_COMMAND_GROUP_USE,
    .summary = "recognise the expression in pictures of faces",
    .description =
        "With a detector, finds the faces in each picture, cuts them out and classifies them: a row for each face. A "
        "picture without a face is a row that says so; --no-face whole classifies it as a whole instead, so that "
        "pictures of cropped faces are not lost. Without a detector, every picture should show one face, cropped.\n\n"
        "Pictures are turned upright as their EXIF data say, and coordinates are those of the upright "
        "picture.\n\n" SSFER_INPUTS_TEXT,
    .groups = {{"Options", OPTIONS, 0},
               {"Models of other programs", SSFER_FOREIGN_OPTIONS, offsetof(predict_args, foreign)},
               {"Faces", FACE_OPTIONS, 0},
               {"Detector", SSFER_DETECTOR_OPTIONS, offsetof(predict_args, faces)}},
    .operands = OPERANDS,
    .examples = {{"ssfer predict --model run/model.safetensors face.jpg", "One cropped face."},
                 {"ssfer predict --model run/model.safetensors --detector yolov7s-face.pt --output marked photo.jpg",
                  "The faces of a photo."},
                 {"ssfer predict --model run/model.safetensors --format csv --output cards faces/ > faces.csv",
                  "A folder, with a picture of each result."}},
    .args_size = sizeof(predict_args),
    .run = run,
};
