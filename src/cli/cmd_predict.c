#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "data/dataset.h"
#include "image/draw.h"
#include "predict/output.h"
#include "ssfer/predict.h"

#include <string.h>

typedef struct predict_args {
    const char *model, *classes, *output;
    int format;
    int64_t heads, batch_size;
    ssfer_strings inputs;
} predict_args;

static const char *const FORMATS[] = {"table", "json", "jsonl", "csv", NULL};

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_STRING(predict_args, model), .name = "model", .letter = 'm', .value = "M", .required = true,
     .help = "model file: .safetensors, or a PyTorch checkpoint with --classes"},
    {SSFER_OPTION_CHOICE(predict_args, format), .name = "format", .letter = 'f', .choices = FORMATS, .initial = "table",
     .help = "how to print the predictions"},
    {SSFER_OPTION_STRING(predict_args, output), .name = "output", .letter = 'o', .value = "DIR",
     .help = "also write a PNG of each picture beside its probabilities into this folder"},
    {SSFER_OPTION_STRING(predict_args, classes), .name = "classes", .value = "C",
     .help = "names of the model's outputs if the file has none: rafdb, ferplus, affectnet7, affectnet8 or a file"},
    {SSFER_OPTION_INT(predict_args, heads), .name = "heads", .value = "N", .initial_help = "that of the file", .min = 1,
     .max = 1024, .help = "attention heads, for PyTorch files of unusual models"},
    {SSFER_OPTION_INT(predict_args, batch_size), .name = "batch-size", .value = "N", .initial = "32", .min = 1,
     .max = 4096, .help = "pictures computed at once"},
    {0}};
static const ssfer_option OPERANDS[] = {{SSFER_OPTION_STRINGS(predict_args, inputs), .name = "INPUT", .required = true,
                                         .help = "pictures, folders or tars of pictures that each show one face"},
                                        {0}};

/* One batch on its way from the files to the rows. */
typedef struct prediction {
    const predict_args *args;
    ssfer_cli *cli;
    ssfer_predictor *predictor;
    ssfer_dataset *set;
    ssfer_output output;
    const char **classes;
    size_t batch, failed;
    ssfer_image *images;           /* batch; those that could be read, side by side */
    ssfer_error *errors;           /* batch; of those that could not */
    bool *readable;                /* batch */
    float *probabilities, *logits; /* (batch, K) */
} prediction;

static ssfer_status prepare(prediction *p, ssfer_error *err)
{
    const predict_args *a = p->args;
    const ssfer_predictor_options options = {.threads = (size_t)p->cli->common.threads,
                                             .batch = (size_t)a->batch_size,
                                             .classes = a->classes,
                                             .heads = (size_t)a->heads};
    ssfer_status st = ssfer_predictor_create(&p->predictor, a->model, &options, err);
    if (st == SSFER_OK)
        st = ssfer_dataset_open_paths(&p->set, a->inputs.items, a->inputs.count,
                                      &(ssfer_dataset_options){.unlabeled = true, .log = &p->cli->log}, err);
    if (st == SSFER_OK && a->output)
        st = ssfer_folder_create(a->output, err);
    if (st != SSFER_OK)
        return st;
    const size_t K = ssfer_predictor_class_count(p->predictor);
    p->batch = (size_t)a->batch_size;
    p->classes = ssfer_calloc(K, sizeof *p->classes);
    p->images = ssfer_calloc(p->batch, sizeof *p->images);
    p->errors = ssfer_calloc(p->batch, sizeof *p->errors);
    p->readable = ssfer_calloc(p->batch, sizeof *p->readable);
    p->probabilities = ssfer_calloc(p->batch * K, sizeof *p->probabilities);
    p->logits = ssfer_calloc(p->batch * K, sizeof *p->logits);
    if (!p->classes || !p->images || !p->errors || !p->readable || !p->probabilities || !p->logits)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "predict: out of memory");
    for (size_t k = 0; k < K; k++)
        p->classes[k] = ssfer_predictor_class_name(p->predictor, k);
    static const ssfer_output_format formats[] = {SSFER_OUTPUT_TABLE, SSFER_OUTPUT_JSON, SSFER_OUTPUT_JSONL,
                                                  SSFER_OUTPUT_CSV};
    p->output = (ssfer_output){.stream = p->cli->out,
                               .format = formats[a->format],
                               .classes = p->classes,
                               .class_count = K,
                               .bold = p->cli->style_out.bold,
                               .dim = p->cli->style_out.dim,
                               .reset = p->cli->style_out.reset};
    return SSFER_OK;
}

static void release(prediction *p)
{
    for (size_t i = 0; p->images && i < p->batch; i++)
        ssfer_image_deinit(&p->images[i]);
    ssfer_free(p->images);
    ssfer_free(p->errors);
    ssfer_free(p->readable);
    ssfer_free(p->probabilities);
    ssfer_free(p->logits);
    ssfer_free(p->classes);
    ssfer_dataset_close(p->set);
    ssfer_predictor_destroy(p->predictor);
}

/* Reads pictures first .. first+count-1; returns how many could be read. */
static size_t read_images(prediction *p, size_t first, size_t count)
{
    size_t good = 0;
    for (size_t i = 0; i < count; i++) {
        ssfer_image_deinit(&p->images[good]);
        p->readable[i] = ssfer_dataset_image(p->set, first + i, &p->images[good], &p->errors[i]) == SSFER_OK;
        good += p->readable[i];
    }
    return good;
}

/* DIR/00012-name.png: the number keeps names apart that several folders share, and the order. */
static ssfer_status write_card(const prediction *p, size_t i, const ssfer_image *image, const float *probabilities,
                               ssfer_error *err)
{
    const char *path = ssfer_dataset_path(p->set, i), *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const ssfer_draw_classes classes = {p->classes, probabilities, p->output.class_count};
    ssfer_image card = {0};
    const char *dot = strrchr(name, '.');
    char *out = ssfer_format("%s/%05zu-%.*s.png", p->args->output, i + 1, dot ? (int)(dot - name) : 255, name);
    ssfer_status st = out ? ssfer_draw_card(&card, image, name, NULL, classes, 0, err)
                          : ssfer_fail(err, SSFER_ERR_MEMORY, "predict: out of memory");
    if (st == SSFER_OK)
        st = ssfer_image_save(&card, out, err);
    ssfer_image_deinit(&card);
    ssfer_free(out);
    return st;
}

/* The message without the file's name in front, which has a place of its own in a row. */
static const char *without_file(const char *message, const char *file)
{
    size_t length = strlen(file);
    return strncmp(message, file, length) == 0 && strncmp(message + length, ": ", 2) == 0 ? message + length + 2
                                                                                          : message;
}

static ssfer_status one_batch(prediction *p, size_t first, size_t count, ssfer_error *err)
{
    const size_t K = p->output.class_count;
    const size_t good = read_images(p, first, count);
    ssfer_status st = ssfer_predictor_run(p->predictor, p->images, good, p->probabilities, p->logits, err);
    for (size_t i = 0, g = 0; st == SSFER_OK && i < count; i++) {
        char file[1024];
        ssfer_dataset_location(p->set, first + i, file, sizeof file);
        ssfer_face_row row = {
            .file = file, .status = SSFER_FACE_ERROR, .message = without_file(p->errors[i].message, file)};
        if (p->readable[i]) {
            row =
                (ssfer_face_row){.file = file, .probabilities = p->probabilities + g * K, .logits = p->logits + g * K};
            if (p->args->output)
                st = write_card(p, first + i, &p->images[g], row.probabilities, err);
            g++;
        } else {
            p->failed++;
        }
        ssfer_output_row(&p->output, &row);
    }
    return st;
}

static ssfer_status predict_all(prediction *p, ssfer_error *err)
{
    const size_t total = ssfer_dataset_count(p->set);
    ssfer_progress bar;
    ssfer_status st = SSFER_OK;
    ssfer_output_begin(&p->output);
    ssfer_progress_begin(&bar, p->args->format == 0 ? NULL : p->cli->progress, "predicting", "img", total);
    for (size_t first = 0; st == SSFER_OK && first < total; first += p->batch) {
        const size_t count = total - first < p->batch ? total - first : p->batch;
        st = one_batch(p, first, count, err);
        ssfer_progress_update(&bar, first + count, NULL);
    }
    ssfer_progress_end(&bar);
    ssfer_output_end(&p->output);
    if (st == SSFER_OK && p->failed == total)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "none of the %zu pictures could be read", total);
    else if (st == SSFER_OK && p->failed)
        ssfer_warn(&p->cli->log, "%zu of %zu pictures could not be read", p->failed, total);
    return st;
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    prediction p = {.args = data, .cli = cli};
    ssfer_status st = prepare(&p, err);
    if (st == SSFER_OK)
        st = predict_all(&p, err);
    release(&p);
    return st;
}

const ssfer_command SSFER_COMMAND_PREDICT = {
    .name = "predict",
    .group = SSFER_COMMAND_GROUP_USE,
    .summary = "recognise the expression in pictures of faces",
    .description =
        "Classifies each picture as a whole: it should show one face, cropped. A picture that cannot be read "
        "is a row with that status, and does not stop the others.",
    .groups = {{"Options", OPTIONS, 0}},
    .operands = OPERANDS,
    .examples = {{"ssfer predict --model run/model.safetensors face.jpg", "One picture."},
                 {"ssfer predict --model run/model.safetensors --format csv --output cards faces/ > faces.csv",
                  "A folder, with a picture of each result."}},
    .args_size = sizeof(predict_args),
    .run = run,
};
