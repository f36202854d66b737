#include "base/memory.h"
#include "cli/commands.h"
#include "data/transform.h"
#include "models/classifier.h"

#include <string.h>

typedef struct forward_args {
    const char *model, *input, *output;
    int what;
    int64_t heads;
} forward_args;

enum { WHAT_LOGITS, WHAT_FEATURES, WHAT_BLOCKS };
static const char *const WHAT[] = {"logits", "features", "blocks", NULL};

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_STRING(forward_args, model), .name = "model", .letter = 'm', .value = "M", .required = true,
     .help = "model file"},
    {SSFER_OPTION_STRING(forward_args, input), .name = "input", .letter = 'i', .value = "T.safetensors",
     .required = true, .help = "a file with the tensor 'input' (B,3,S,S), normalised, or 'input_u8', raw bytes"},
    {SSFER_OPTION_STRING(forward_args, output), .name = "output", .letter = 'o', .value = "T.safetensors",
     .required = true, .help = "where the results go"},
    {SSFER_OPTION_CHOICE(forward_args, what), .name = "what", .choices = WHAT, .initial = "logits",
     .help = "logits; features: the normalised class token before the head; blocks: embed, block<i>, norm and logits"},
    {SSFER_OPTION_INT(forward_args, heads), .name = "heads", .value = "N", .initial_help = "that of the file", .min = 1,
     .max = 1024, .help = "attention heads, for PyTorch files of unusual models"},
    {0}};

/* The input pictures as (count, 3, S, S) floats, freed with ssfer_free. */
static ssfer_status read_input(float **images, size_t *count, const char *path, const ssfer_classifier *model,
                               ssfer_error *err)
{
    ssfer_tensor_set *set = NULL;
    const size_t S = model->vit.config.image_size, plane = S * S;
    ssfer_status st = ssfer_safetensors_read(&set, path, err);
    if (st != SSFER_OK)
        return st;
    const ssfer_tensor *t = ssfer_tensor_set_find(set, "input");
    const bool raw = !t;
    if (raw)
        t = ssfer_tensor_set_find(set, "input_u8");
    if (!t || t->ndim != 4 || !t->count || t->shape[1] != 3 || t->shape[2] != S || t->shape[3] != S)
        st = ssfer_fail(err, SSFER_ERR_SHAPE, "%s: needs a tensor 'input' or 'input_u8' of shape (B, 3, %zu, %zu)",
                        path, S, S);
    if (st == SSFER_OK && raw && t->dtype != SSFER_DTYPE_U8)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: 'input_u8' is not U8", path);
    if (st == SSFER_OK && !(*images = ssfer_aligned_alloc(t->count * sizeof **images)))
        st = ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path);
    if (st == SSFER_OK) {
        *count = t->shape[0];
        ssfer_tensor_to_f32(*images, t);
        float table[3][256];
        ssfer_normalize_table(table, model->mean, model->std);
        for (size_t i = 0; raw && i < t->count; i++)
            (*images)[i] = table[i / plane % 3][(int)(*images)[i]];
    }
    ssfer_tensor_set_destroy(set);
    return st;
}

static ssfer_status put(ssfer_tensor_set *set, const char *name, const float *data, size_t B, size_t N, size_t C,
                        ssfer_error *err)
{
    const size_t all[] = {B, N, C}, flat[] = {B, C};
    return N ? ssfer_tensor_set_add(set, name, SSFER_DTYPE_F32, all, 3, data, err)
             : ssfer_tensor_set_add(set, name, SSFER_DTYPE_F32, flat, 2, data, err);
}

/* Training activations keep every block's input apart, which is what `blocks` wants to see. */
static ssfer_status collect(ssfer_tensor_set *set, const ssfer_vit_acts *acts, size_t B, int what, ssfer_error *err)
{
    const ssfer_vit_config *c = &acts->vit->config;
    const size_t C = c->embed_dim, N = acts->stack.tokens;
    ssfer_status st = SSFER_OK;
    if (what == WHAT_FEATURES)
        return put(set, "features", acts->stack.normed, B, 0, C, err);
    if (what == WHAT_BLOCKS) {
        st = put(set, "embed", acts->stack.blocks[0].x, B, N, C, err);
        for (size_t i = 0; st == SSFER_OK && i < c->depth; i++) {
            char name[32];
            snprintf(name, sizeof name, "block%zu", i);
            st = put(set, name, i + 1 < c->depth ? acts->stack.blocks[i + 1].x : acts->stack.out, B, N, C, err);
        }
        if (st == SSFER_OK)
            st = put(set, "norm", acts->stack.normed, B, N, C, err);
    }
    return st == SSFER_OK ? put(set, "logits", acts->logits, B, 0, c->classes, err) : st;
}

static ssfer_status forward(const forward_args *a, const ssfer_cli *cli, const ssfer_classifier *model,
                            const float *images, size_t count, ssfer_error *err)
{
    ssfer_compute *cx = NULL;
    ssfer_vit_acts acts = {0};
    ssfer_tensor_set *set = NULL;
    const ssfer_stack_call call = {.batch = count, .first_only = a->what != WHAT_BLOCKS};
    ssfer_status st = ssfer_compute_create(&cx, SSFER_BACKEND_CPU, (size_t)cli->common.threads, err);
    if (st == SSFER_OK)
        st = ssfer_vit_acts_init(&acts, &model->vit, count, a->what == WHAT_BLOCKS, err);
    if (st == SSFER_OK) {
        st = ssfer_vit_forward(cx, model->params, &acts, images, &call);
        if (st != SSFER_OK)
            ssfer_fail(err, st, "%s", ssfer_compute_error(cx)->message);
    }
    if (st == SSFER_OK)
        st = ssfer_tensor_set_create(&set, err);
    if (st == SSFER_OK)
        st = collect(set, &acts, count, a->what, err);
    if (st == SSFER_OK)
        st = ssfer_safetensors_write(set, a->output, err);
    ssfer_tensor_set_destroy(set);
    ssfer_vit_acts_deinit(&acts);
    ssfer_compute_destroy(cx);
    return st;
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const forward_args *a = data;
    const ssfer_classifier_load_options load = {.heads = (size_t)a->heads};
    ssfer_classifier model;
    float *images = NULL;
    size_t count = 0;
    ssfer_status st = ssfer_classifier_load(&model, a->model, &load, err);
    if (st == SSFER_OK)
        st = read_input(&images, &count, a->input, &model, err);
    if (st == SSFER_OK)
        st = forward(a, cli, &model, images, count, err);
    ssfer_free(images);
    ssfer_classifier_deinit(&model);
    return st;
}

const ssfer_command SSFER_COMMAND_FORWARD = {
    .name = "forward",
    .group = SSFER_COMMAND_GROUP_FILES,
    .summary = "run a model on a tensor file, for comparing implementations",
    .description = "Reads pictures as a tensor, runs the model on them as one batch and writes what was asked for as "
                   "tensors. Nothing is resized or cropped on the way.",
    .groups = {{"Options", OPTIONS, 0}},
    .examples = {{"ssfer forward --model m.safetensors --input in.safetensors --output out.safetensors --what blocks",
                  "Every block's output."}},
    .args_size = sizeof(forward_args),
    .run = run,
};
