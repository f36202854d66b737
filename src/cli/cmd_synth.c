#include "base/progress.h"
#include "base/text.h"
#include "cli/commands.h"
#include "synth/synth.h"

#include <string.h>

typedef struct synth_args {
    const char *output;
    int64_t count, test, unlabeled, size, classes;
    double variation, margin;
    int balance;
    bool sheet;
} synth_args;

static const char *const BALANCE_CHOICES[] = {"equal", "ferplus", NULL}; /* as ssfer_synth_balance */

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_STRING(synth_args, output), .name = "output", .letter = 'o', .value = "DIR|TAR", .required = true,
     .help = "folder or, ending in .tar, tar file to make"},
    {SSFER_OPTION_INT(synth_args, count), .name = "count", .value = "N", .initial = "4000", .min = 0, .max = 10000000,
     .help = "pictures for training"},
    {SSFER_OPTION_INT(synth_args, test), .name = "test", .value = "N", .initial_help = "a quarter of --count", .min = 0,
     .max = 10000000, .help = "pictures for testing"},
    {SSFER_OPTION_INT(synth_args, unlabeled), .name = "unlabeled", .value = "N", .initial = "0", .min = 0,
     .max = 10000000, .help = "further pictures without a class folder"},
    {SSFER_OPTION_FLAG(synth_args, sheet), .name = "sheet", .conflicts = "test",
     .help = "instead of a set, a PNG picture of --count faces, one row each, with every expression"},
    {0}};

static const ssfer_option FACE_OPTIONS[] = {
    {SSFER_OPTION_INT(synth_args, size), .name = "size", .value = "N", .initial = "96", .min = SSFER_SYNTH_MIN_SIZE,
     .max = SSFER_SYNTH_MAX_SIZE, .help = "side of a picture in pixels"},
    {SSFER_OPTION_INT(synth_args, classes), .name = "classes", .value = "N", .initial = "8", .min = 7, .max = 8,
     .help = "expressions; 7 leaves out contempt"},
    {SSFER_OPTION_CHOICE(synth_args, balance), .name = "balance", .choices = BALANCE_CHOICES, .initial = "equal",
     .help = "how often each expression occurs: equally, or as in FER+"},
    {SSFER_OPTION_FLOAT(synth_args, variation), .name = "variation", .value = "X", .initial = "1", .max = 1.5,
     .help = "how much pose, framing, noise and stray muscle actions vary"},
    {SSFER_OPTION_FLOAT(synth_args, margin), .name = "margin", .value = "X", .initial = "0.04", .max = 0.3,
     .help = "least distance of the face from the border, as a share of the side"},
    {0}};

static int show_progress(void *user, size_t done, size_t total)
{
    (void)total;
    ssfer_progress_update(user, done, NULL);
    return 0;
}

static ssfer_status write_sheet(const synth_args *args, const ssfer_synth_options *face, ssfer_error *err)
{
    ssfer_image image = {0};
    ssfer_status st = ssfer_synth_sheet(&image, face, 0, (size_t)args->count, err);
    if (st == SSFER_OK)
        st = ssfer_image_save(&image, args->output, err);
    ssfer_image_deinit(&image);
    return st;
}

static ssfer_status write_set(ssfer_cli *cli, const synth_args *args, const ssfer_synth_options *face, ssfer_error *err)
{
    ssfer_progress bar;
    ssfer_synth_dataset_options options = ssfer_synth_dataset_options_default();
    options.face = *face;
    options.train = (size_t)args->count;
    options.test = (size_t)(ssfer_cli_given(cli, "test") ? args->test : args->count / 4);
    options.unlabeled = (size_t)args->unlabeled;
    options.threads = (size_t)cli->common.threads;
    options.progress = show_progress;
    options.user = &bar;
    ssfer_progress_begin(&bar, cli->progress, "drawing", "img", options.train + options.test + options.unlabeled);
    ssfer_status st = ssfer_synth_dataset(args->output, &options, err);
    ssfer_progress_end(&bar);
    if (st != SSFER_OK)
        return st;
    ssfer_text_print(cli->out, args->output, 0, SSFER_TEXT_LEFT);
    fprintf(cli->out, ": %zu pictures for training, %zu for testing, %zu unlabeled\n", options.train, options.test,
            options.unlabeled);
    return SSFER_OK;
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const synth_args *args = data;
    ssfer_synth_options face = ssfer_synth_options_default();
    face.size = (size_t)args->size;
    face.seed = (uint64_t)cli->common.seed;
    face.class_count = (size_t)args->classes;
    face.variation = args->variation;
    face.margin = args->margin;
    face.balance = args->balance == 1 ? SSFER_SYNTH_FERPLUS : SSFER_SYNTH_BALANCED;
    if (args->count + args->test + args->unlabeled == 0)
        return ssfer_cli_usage(cli, err, "--count: 0 pictures in all; give a number");
    return args->sheet ? write_sheet(args, &face, err) : write_set(cli, args, &face, err);
}

const ssfer_command SSFER_COMMAND_SYNTH = {
    .name = "synth",
    .group = SSFER_COMMAND_GROUP_DATA,
    .summary = "draw faces with expressions, boxes and keypoints",
    .description =
        "Draws faces from parameters: who it is (shape, skin, hair, beard, glasses, age), pose, light, background, and "
        "the expression as facial action units in the usual combination of each emotion. Every picture's label, box "
        "and keypoints are known exactly. The set serves for trying things out and for tests; a model trained on it "
        "is not meant for photos.\n"
        "\n"
        "The result holds train/CLASS/NAME.png, test/CLASS/NAME.png, unlabeled/NAME.png, and annotations.csv with a "
        "line for every picture. The same options and --seed give the same pictures.",
    .groups = {{"Options", OPTIONS, 0}, {"Faces", FACE_OPTIONS, 0}},
    .examples = {{"ssfer synth --count 4000 --output faces.tar", "4000 faces for training and 1000 for testing."},
                 {"ssfer synth --sheet --count 4 --seed 7 --output sheet.png",
                  "Four people, each with all eight expressions, in one picture."}},
    .args_size = sizeof(synth_args),
    .run = run,
};
