#include "base/memory.h"
#include "cli/commands.h"
#include "data/dataset.h"
#include "image/draw.h"
#include "predict/reconstruct.h"

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

enum { COLUMNS = 4, SMALLEST_CELL = 128, LARGEST_CELL = 256 };

/* The sheet under way: a row of four cells a picture. */
typedef struct sheet {
    ssfer_reconstruction *rows;
    ssfer_draw_cell *cells;
    char (*notes)[32];
    size_t count;
} sheet;

static void fill_row(sheet *s, size_t i, const char *caption)
{
    const ssfer_reconstruction *r = &s->rows[i];
    const ssfer_image *pictures[COLUMNS] = {&r->original, &r->masked, &r->painted, &r->pasted};
    snprintf(s->notes[i], sizeof s->notes[i], "loss %.4f", r->loss);
    for (size_t k = 0; k < COLUMNS; k++)
        s->cells[i * COLUMNS + k] = (ssfer_draw_cell){.image = pictures[k]};
    s->cells[i * COLUMNS].caption = caption;
    s->cells[i * COLUMNS].note = s->notes[i];
}

/* Every picture that can be read, up to the sheet's room; the others are reported. */
static ssfer_status fill_sheet(sheet *s, size_t room, ssfer_reconstructor *r, const ssfer_dataset *set,
                               const ssfer_cli *cli, ssfer_error *err)
{
    for (size_t i = 0; i < ssfer_dataset_count(set) && s->count < room; i++) {
        ssfer_image image = {0};
        ssfer_error why = {0};
        if (ssfer_dataset_image(set, i, &image, &why) != SSFER_OK) {
            ssfer_warn(&cli->log, "%s", why.message);
            continue;
        }
        ssfer_status st = ssfer_reconstruct(r, &s->rows[s->count], &image, s->count, err);
        ssfer_image_deinit(&image);
        if (st != SSFER_OK)
            return ssfer_fail_prefix(err, st, "%s", ssfer_dataset_path(set, i));
        fill_row(s, s->count, ssfer_dataset_path(set, i));
        fprintf(cli->out, "%s\t%.5f\n", ssfer_dataset_path(set, i), s->rows[s->count].loss);
        s->count++;
    }
    return s->count ? SSFER_OK : ssfer_fail(err, SSFER_ERR_FORMAT, "none of the pictures can be read");
}

static ssfer_status draw(const sheet *s, size_t size, const char *path, ssfer_error *err)
{
    static const char *const names[COLUMNS] = {"original", "masked", "reconstruction", "pasted"};
    ssfer_image picture = {0};
    const size_t cell = size < SMALLEST_CELL ? SMALLEST_CELL : size > LARGEST_CELL ? LARGEST_CELL : size;
    ssfer_status st =
        ssfer_draw_sheet(&picture, s->cells, s->count * COLUMNS,
                         &(ssfer_draw_sheet_options){.column_names = names, .columns = COLUMNS, .cell = cell}, err);
    if (st == SSFER_OK)
        st = ssfer_image_save(&picture, path, err);
    ssfer_image_deinit(&picture);
    return st;
}

static ssfer_status make_sheet(const reconstruct_args *a, const ssfer_cli *cli, ssfer_reconstructor *r,
                               const ssfer_dataset *set, ssfer_error *err)
{
    const size_t room = (size_t)a->count;
    sheet s = {.rows = ssfer_calloc(room, sizeof *s.rows),
               .cells = ssfer_calloc(room * COLUMNS, sizeof *s.cells),
               .notes = ssfer_calloc(room, sizeof *s.notes)};
    ssfer_status st = s.rows && s.cells && s.notes ? fill_sheet(&s, room, r, set, cli, err)
                                                   : ssfer_fail(err, SSFER_ERR_MEMORY, "reconstruct: out of memory");
    if (st == SSFER_OK)
        st = draw(&s, ssfer_reconstructor_image_size(r), a->output, err);
    if (st == SSFER_OK && s.count < ssfer_dataset_count(set))
        ssfer_info(&cli->log, "%zu of %zu pictures are shown; see --count", s.count, ssfer_dataset_count(set));
    for (size_t i = 0; i < s.count; i++)
        ssfer_reconstruction_deinit(&s.rows[i]);
    ssfer_free(s.rows);
    ssfer_free(s.cells);
    ssfer_free(s.notes);
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
                                      &(ssfer_dataset_options){.unlabeled = true, .log = &cli->log}, err);
    if (st == SSFER_OK)
        st = make_sheet(a, cli, r, set, err);
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
        "hidden patches. Equal seeds hide the same patches.\n\n"
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
