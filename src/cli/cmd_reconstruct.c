#include "base/number.h"
#include "base/text.h"
#include "cli/commands.h"
#include "data/dataset.h"
#include "predict/reconstruct_sheet.h"

typedef struct reconstruct_args {
    const char *model, *output, *mask;
    double mask_ratio;
    int64_t count, heads, decoder_heads;
    ssfer_strings inputs;
} reconstruct_args;

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_STRING(reconstruct_args, model), .name = "model", .letter = 'm', .value = "MAE", .required = true,
     .help = "a masked autoencoder: of 'ssfer pretrain', or a published one"},
    {SSFER_OPTION_STRING(reconstruct_args, output), .name = "output", .letter = 'o', .value = "PNG", .required = true,
     .help = "where the picture goes (.png, .jpg or .webp)"},
    {SSFER_OPTION_FLOAT(reconstruct_args, mask_ratio), .name = "mask-ratio", .value = "X",
     .initial_help = "that of the training", .max = 1, .below_max = true, .conflicts = "mask",
     .help = "share of the patches that is hidden"},
    {SSFER_OPTION_STRING(reconstruct_args, mask), .name = "mask", .value = "FILE", .initial_help = "drawn from --seed",
     .help = "a picture whose dark parts say which patches are hidden"},
    {SSFER_OPTION_INT(reconstruct_args, count), .name = "count", .value = "N", .initial = "12", .min = 1, .max = 100,
     .help = "show at most so many pictures, the first ones"},
    {SSFER_OPTION_INT(reconstruct_args, heads), .name = "heads", .value = "N", .initial_help = "that of the file",
     .min = 1, .max = 1024, .help = "attention heads, for PyTorch files of unusual models"},
    {SSFER_OPTION_INT(reconstruct_args, decoder_heads), .name = "decoder-heads", .value = "N",
     .initial_help = "that of the file", .min = 1, .max = 1024, .help = "attention heads of the decoder"},
    {0}};
static const ssfer_option OPERANDS[] = {{SSFER_OPTION_STRINGS(reconstruct_args, inputs), .name = "INPUT",
                                         .required = true, .help = "pictures, folders or tars"},
                                        {0}};

/* Every picture that can be read, up to the sheet's room; the others are reported and counted. Beyond the room only the
 * inputs that cannot be read are. */
static ssfer_status fill_sheet(ssfer_reconstruct_sheet *s, ssfer_reconstructor *r, const ssfer_dataset *set,
                               ssfer_cli *cli, size_t *failed, ssfer_error *err)
{
    for (size_t i = 0; i < ssfer_dataset_count(set); i++) {
        const char *path = ssfer_dataset_path(set, i);
        ssfer_image image = {0};
        ssfer_error why = {0};
        if (s->count == s->room && !ssfer_dataset_has_failed(set, i))
            continue;
        if (ssfer_dataset_image(set, i, &image, &why) != SSFER_OK) {
            ssfer_warn(&cli->log, "%s", why.message);
            *failed += 1;
            continue;
        }
        ssfer_status st = ssfer_reconstruct_sheet_add(s, r, &image, path, err);
        ssfer_image_deinit(&image);
        if (st != SSFER_OK)
            return ssfer_fail_prefix(err, st, "%s", path);
        ssfer_text_print(cli->out, path, 0, SSFER_TEXT_LEFT);
        ssfer_fprintf(cli->out, "\t%.5f\n", s->rows[s->count - 1].loss);
        st = ssfer_cli_flush(cli, err);
        if (st != SSFER_OK)
            return st;
    }
    return s->count ? SSFER_OK : ssfer_fail(err, SSFER_ERR_FORMAT, "none of the pictures can be read");
}

static ssfer_status make_sheet(const reconstruct_args *a, ssfer_cli *cli, ssfer_reconstructor *r,
                               const ssfer_dataset *set, ssfer_error *err)
{
    ssfer_reconstruct_sheet s;
    size_t failed = 0;
    ssfer_status st = ssfer_reconstruct_sheet_init(&s, (size_t)a->count, err);
    if (st == SSFER_OK)
        st = fill_sheet(&s, r, set, cli, &failed, err);
    if (st == SSFER_OK)
        st = ssfer_reconstruct_sheet_save(&s, a->output, err);
    if (st == SSFER_OK && s.count + failed < ssfer_dataset_count(set))
        ssfer_info(&cli->log, "%zu of %zu pictures are shown; see --count", s.count, ssfer_dataset_count(set));
    if (st == SSFER_OK && failed)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s is written, but %zu picture%s could not be read", a->output, failed,
                        failed == 1 ? "" : "s");
    ssfer_reconstruct_sheet_deinit(&s);
    return st;
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const reconstruct_args *a = data;
    const ssfer_reconstruct_options options = {.model = a->model,
                                               .heads = (size_t)a->heads,
                                               .decoder_heads = (size_t)a->decoder_heads,
                                               .mask_ratio = a->mask_ratio,
                                               .mask = a->mask,
                                               .seed = (uint64_t)cli->common.seed,
                                               .threads = (size_t)cli->common.threads,
                                               .precision = ssfer_cli_precision(cli)};
    ssfer_reconstructor *r = NULL;
    ssfer_dataset *set = NULL;
    ssfer_status st = ssfer_reconstructor_create(&r, &options, err);
    if (st == SSFER_OK)
        st = ssfer_dataset_open_paths(&set, a->inputs.items, a->inputs.count,
                                      &(ssfer_dataset_options){.unlabeled = true, .inputs = true, .log = &cli->log},
                                      err);
    if (st == SSFER_OK) {
        ssfer_cli_mention_left_out(cli, set);
        st = make_sheet(a, cli, r, set, err);
    }
    ssfer_dataset_close(set);
    ssfer_reconstructor_destroy(r);
    return st;
}

const ssfer_command SSFER_COMMAND_RECONSTRUCT = {
    .name = "reconstruct",
    .group = SSFER_COMMAND_GROUP_TRAIN,
    .summary = "show what a masked autoencoder paints where it sees nothing",
    .description =
        "Hides patches of each picture and draws, side by side, the original, what the model sees of it, what it "
        "paints, "
        "and its painting pasted into the hidden places. Prints a line for each picture: its path and the loss of the "
        "hidden patches. Equal seeds hide the same patches. A picture that cannot be read is named and left out; the "
        "exit "
        "code then is 1.\n\n"
        "A model that was trained with --norm-pix paints each patch relative to that patch's own mean and deviation, "
        "which are then taken from the original.",
    .groups = {{"Options", OPTIONS, 0}},
    .operands = OPERANDS,
    .examples = {{"ssfer reconstruct --model mae/model.safetensors --output faces.png faces/", "A sheet of twelve."},
                 {"ssfer reconstruct -m mae.pth --mask-ratio 0.5 --seed 3 -o face.png face.jpg",
                  "One face, half of it hidden."}},
    .args_size = sizeof(reconstruct_args),
    .run = run,
};
