#include "base/memory.h"
#include "cli/commands.h"
#include "data/transform.h"
#include "models/classifier.h"
#include "models/mae.h"
#include "nn/try.h"

#include <string.h>

typedef struct forward_args {
    const char *model, *input, *output;
    int what;
    int64_t heads, decoder_heads;
} forward_args;

enum { WHAT_LOGITS, WHAT_FEATURES, WHAT_BLOCKS, WHAT_MAE };
static const char *const WHAT[] = {"logits", "features", "blocks", "mae", NULL};

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_STRING(forward_args, model), .name = "model", .letter = 'm', .value = "M", .required = true,
     .help = "model file"},
    {SSFER_OPTION_STRING(forward_args, input), .name = "input", .letter = 'i', .value = "T.safetensors",
     .required = true, .help = "a file with the tensor 'input' (B,3,S,S), normalised, or 'input_u8', raw bytes"},
    {SSFER_OPTION_STRING(forward_args, output), .name = "output", .letter = 'o', .value = "T.safetensors",
     .required = true, .help = "where the results go"},
    {SSFER_OPTION_CHOICE(forward_args, what), .name = "what", .choices = WHAT, .initial = "logits",
     .help = "logits; features: the normalised class token before the head; blocks: embed, block<i>, norm and logits; "
             "mae: mask, pred and loss of a masked autoencoder, whose mask sorts the input's tensor 'noise' (B,L), or "
             "noise of --seed"},
    {SSFER_OPTION_INT(forward_args, heads), .name = "heads", .value = "N", .initial_help = "that of the file", .min = 1,
     .max = 1024, .help = "attention heads, for PyTorch files of unusual models"},
    {SSFER_OPTION_INT(forward_args, decoder_heads), .name = "decoder-heads", .value = "N",
     .initial_help = "that of the file", .min = 1, .max = 1024, .help = "those of a masked autoencoder's decoder"},
    {0}};

/* The input pictures as (count, 3, S, S) floats, freed with ssfer_free. */
static ssfer_status read_input(float **images, size_t *count, const ssfer_tensor_set *set, const char *path, size_t S,
                               const float mean[3], const float std[3], ssfer_error *err)
{
    ssfer_status st = SSFER_OK;
    const size_t plane = S * S;
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
        ssfer_normalize_table(table, mean, std);
        for (size_t i = 0; raw && i < t->count; i++)
            (*images)[i] = table[i / plane % 3][(int)(*images)[i]];
    }
    return st;
}

static ssfer_status put(ssfer_tensor_set *set, const char *name, const float *data, size_t B, size_t N, size_t C,
                        ssfer_error *err)
{
    const size_t all[] = {B, N, C}, flat[] = {B, C};
    return N ? ssfer_tensor_set_add(set, name, SSFER_DTYPE_F32, all, 3, data, err)
             : ssfer_tensor_set_add(set, name, SSFER_DTYPE_F32, flat, 2, data, err);
}

/* The same from activations, which may have another type. */
static ssfer_status put_acts(ssfer_tensor_set *set, const char *name, ssfer_compute *cx, const ssfer_act *data,
                             size_t B, size_t N, size_t C, ssfer_error *err)
{
    const size_t all[] = {B, N, C}, flat[] = {B, C};
    void *floats;
    ssfer_status st = ssfer_tensor_set_new(set, name, SSFER_DTYPE_F32, N ? all : flat, N ? 3 : 2, &floats, err);
    return st == SSFER_OK ? ssfer_act_to_float(cx, floats, data, B * (N ? N : 1) * C) : st;
}

/* Training activations keep every block's input apart, which is what `blocks` wants to see. */
static ssfer_status collect(ssfer_tensor_set *set, ssfer_compute *cx, const ssfer_vit_acts *acts, size_t B, int what,
                            ssfer_error *err)
{
    const ssfer_vit_config *c = &acts->vit->config;
    const size_t C = c->embed_dim, N = acts->stack.tokens;
    ssfer_status st = SSFER_OK;
    if (what == WHAT_FEATURES)
        return put_acts(set, "features", cx, acts->stack.normed, B, 0, C, err);
    if (what == WHAT_BLOCKS) {
        st = put(set, "embed", acts->stack.blocks[0].x, B, N, C, err);
        for (size_t i = 0; st == SSFER_OK && i < c->depth; i++) {
            char name[32];
            snprintf(name, sizeof name, "block%zu", i);
            st = put(set, name, i + 1 < c->depth ? acts->stack.blocks[i + 1].x : acts->stack.out, B, N, C, err);
        }
        if (st == SSFER_OK)
            st = put_acts(set, "norm", cx, acts->stack.normed, B, N, C, err);
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
    ssfer_status st =
        ssfer_compute_create(&cx, SSFER_BACKEND_CPU, ssfer_cli_precision(cli), (size_t)cli->common.threads, err);
    if (st == SSFER_OK)
        st = ssfer_vit_acts_init(&acts, cx, &model->vit, count, a->what == WHAT_BLOCKS, err);
    if (st == SSFER_OK) {
        st = ssfer_vit_forward(cx, model->params, &acts, images, &call);
        if (st != SSFER_OK)
            ssfer_fail(err, st, "%s", ssfer_compute_error(cx)->message);
    }
    if (st == SSFER_OK)
        st = ssfer_tensor_set_create(&set, err);
    if (st == SSFER_OK)
        st = collect(set, cx, &acts, count, a->what, err);
    if (st == SSFER_OK)
        st = ssfer_safetensors_write(set, a->output, err);
    ssfer_tensor_set_destroy(set);
    ssfer_vit_acts_deinit(&acts);
    ssfer_compute_destroy(cx);
    return st;
}

static ssfer_status run_classifier(ssfer_cli *cli, const forward_args *a, const ssfer_tensor_set *input,
                                   ssfer_error *err)
{
    const ssfer_classifier_load_options load = {.heads = (size_t)a->heads};
    ssfer_classifier model;
    float *images = NULL;
    size_t count = 0;
    ssfer_status st = ssfer_classifier_load(&model, a->model, &load, err);
    if (st == SSFER_OK)
        st = read_input(&images, &count, input, a->input, model.vit.config.image_size, model.mean, model.std, err);
    if (st == SSFER_OK)
        st = forward(a, cli, &model, images, count, err);
    ssfer_free(images);
    ssfer_classifier_deinit(&model);
    return st;
}

/* ---- masked autoencoders ---- */

typedef struct autoencoder {
    ssfer_compute *cx;
    ssfer_mae_model model;
    ssfer_mae_masks masks;
    ssfer_mae_acts acts;
    ssfer_tensor_set *out;
    float *images, *losses;
    size_t count;
} autoencoder;

/* The mask of each picture: the order of the input's noise, or of the seed's. */
static ssfer_status draw_masks(autoencoder *m, const ssfer_tensor_set *input, const forward_args *a, uint64_t seed,
                               ssfer_error *err)
{
    const size_t L = m->masks.patches;
    const ssfer_tensor *noise = ssfer_tensor_set_find(input, "noise");
    if (noise &&
        (noise->ndim != 2 || noise->dtype != SSFER_DTYPE_F32 || noise->shape[0] != m->count || noise->shape[1] != L))
        return ssfer_fail(err, SSFER_ERR_SHAPE, "%s: 'noise' must be F32 of shape (%zu, %zu)", a->input, m->count, L);
    float *values = noise ? ssfer_aligned_alloc(noise->count * sizeof *values) : NULL;
    if (noise && !values)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", a->input);
    if (noise)
        ssfer_tensor_to_f32(values, noise);
    for (size_t b = 0; b < m->count; b++)
        if (noise)
            ssfer_mae_masks_sort(&m->masks, b, values + b * L);
        else
            ssfer_mae_masks_draw(&m->masks, b, seed, 1, 0, b);
    ssfer_free(values);
    return SSFER_OK;
}

/* mask (B, L): 1 hidden; pred (B, L, 3 P P); loss: the mean over the pictures. */
static ssfer_status collect_mae(autoencoder *m, ssfer_error *err)
{
    const ssfer_mae_config *c = &m->model.mae.config;
    const size_t L = m->masks.patches, D = c->channels * c->patch_size * c->patch_size;
    const size_t mask_shape[] = {m->count, L}, pred_shape[] = {m->count, L, D};
    void *mask, *pred, *loss;
    TRY(ssfer_tensor_set_new(m->out, "mask", SSFER_DTYPE_F32, mask_shape, 2, &mask, err));
    TRY(ssfer_tensor_set_new(m->out, "pred", SSFER_DTYPE_F32, pred_shape, 3, &pred, err));
    TRY(ssfer_tensor_set_new(m->out, "loss", SSFER_DTYPE_F32, mask_shape, 0, &loss, err));
    double sum = 0.0;
    for (size_t b = 0; b < m->count; b++) {
        for (size_t i = 0; i < L; i++)
            ((float *)mask)[b * L + i] = 1.0f;
        for (size_t k = 0; k < m->masks.kept; k++)
            ((float *)mask)[b * L + (size_t)m->masks.keep[b * m->masks.kept + k]] = 0.0f;
        memcpy((float *)pred + b * L * D, m->acts.pred + (b * (L + 1) + 1) * D, L * D * sizeof(float));
        sum += (double)m->losses[b];
    }
    *(float *)loss = (float)(sum / (double)m->count);
    return SSFER_OK;
}

static ssfer_status forward_mae(autoencoder *m, const ssfer_cli *cli, const forward_args *a,
                                const ssfer_tensor_set *input, ssfer_error *err)
{
    TRY(ssfer_mae_model_load(&m->model, a->model, (size_t)a->heads, (size_t)a->decoder_heads, err));
    const ssfer_mae_config *c = &m->model.mae.config;
    const size_t L = ssfer_mae_patches(c), K = ssfer_mae_kept(L, c->mask_ratio);
    TRY(read_input(&m->images, &m->count, input, a->input, c->image_size, m->model.mean, m->model.std, err));
    TRY(ssfer_mae_masks_init(&m->masks, m->count, L, K, err));
    TRY(draw_masks(m, input, a, (uint64_t)cli->common.seed, err));
    TRY(ssfer_compute_create(&m->cx, SSFER_BACKEND_CPU, ssfer_cli_precision(cli), (size_t)cli->common.threads, err));
    TRY(ssfer_mae_acts_init(&m->acts, m->cx, &m->model.mae, m->count, K, false, err));
    if (!(m->losses = ssfer_calloc(m->count, sizeof *m->losses)))
        return ssfer_fail(err, SSFER_ERR_MEMORY, "forward: out of memory");
    const ssfer_mask mask = ssfer_mae_mask(&m->masks, 0);
    ssfer_status st = ssfer_mae_forward(m->cx, m->model.params, &m->acts, m->images, mask, m->count);
    if (st == SSFER_OK)
        st = ssfer_mae_loss(m->cx, &m->acts, m->losses, m->images, NULL, mask, m->count);
    if (st != SSFER_OK)
        return ssfer_fail(err, st, "%s", ssfer_compute_error(m->cx)->message);
    TRY(ssfer_tensor_set_create(&m->out, err));
    TRY(collect_mae(m, err));
    return ssfer_safetensors_write(m->out, a->output, err);
}

static ssfer_status run_autoencoder(ssfer_cli *cli, const forward_args *a, const ssfer_tensor_set *input,
                                    ssfer_error *err)
{
    autoencoder m = {0};
    const ssfer_status st = forward_mae(&m, cli, a, input, err);
    ssfer_tensor_set_destroy(m.out);
    ssfer_free(m.images);
    ssfer_free(m.losses);
    ssfer_mae_acts_deinit(&m.acts);
    ssfer_mae_masks_deinit(&m.masks);
    ssfer_mae_model_deinit(&m.model);
    ssfer_compute_destroy(m.cx);
    return st;
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const forward_args *a = data;
    ssfer_tensor_set *input = NULL;
    if (a->what != WHAT_MAE && a->decoder_heads)
        return ssfer_cli_usage(cli, err, "--decoder-heads: only for --what mae");
    ssfer_status st = ssfer_safetensors_read(&input, a->input, err);
    if (st == SSFER_OK)
        st = a->what == WHAT_MAE ? run_autoencoder(cli, a, input, err) : run_classifier(cli, a, input, err);
    ssfer_tensor_set_destroy(input);
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
