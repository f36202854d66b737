#include "models/transfer.h"

#include "base/memory.h"
#include "models/mae.h"
#include "nn/try.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

static ssfer_status encoder_config(ssfer_vit_config *out, const ssfer_tensor_set *set, ssfer_error *err)
{
    ssfer_mae_config mae;
    if (!ssfer_tensor_set_find(set, "decoder_embed.weight"))
        return ssfer_vit_config_from_checkpoint(out, set, 0, err);
    TRY(ssfer_mae_config_from_checkpoint(&mae, set, 0, 0, err));
    *out = (ssfer_vit_config){.image_size = mae.image_size,
                              .patch_size = mae.patch_size,
                              .channels = mae.channels,
                              .embed_dim = mae.embed_dim,
                              .depth = mae.depth,
                              .heads = mae.heads,
                              .hidden = mae.hidden,
                              .eps = mae.eps};
    return SSFER_OK;
}

ssfer_status ssfer_transfer_config(ssfer_vit_config *config, const ssfer_tensor_set *set, ssfer_error *err)
{
    ssfer_vit_config from;
    TRY(encoder_config(&from, set, err));
    const struct {
        size_t *to, value;
    } sizes[] = {{&config->image_size, from.image_size}, {&config->patch_size, from.patch_size},
                 {&config->embed_dim, from.embed_dim},   {&config->depth, from.depth},
                 {&config->heads, from.heads},           {&config->hidden, from.hidden}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (!*sizes[i].to)
            *sizes[i].to = sizes[i].value;
    config->channels = from.channels;
    config->eps = from.eps;
    return SSFER_OK;
}

/* ---- positions --------------------------------------------------------------------------------------------------- */

/* Weights of the four neighbours at distances 1 + t, t, 1 - t and 2 - t. */
static void cubic_weights(double weights[4], double t)
{
    const double a = -0.75; /* PyTorch's */
    for (int k = 0; k < 4; k++) {
        const double x = fabs(t + 1.0 - k);
        weights[k] = x <= 1.0 ? ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0 : ((x - 5.0) * x + 8.0) * x * a - 4.0 * a;
    }
}

/* The four places around output place `at` (edges repeated) and their weights. */
static void cubic_taps(size_t places[4], double weights[4], size_t at, size_t in_side, size_t out_side)
{
    const double center = ((double)at + 0.5) * (double)in_side / (double)out_side - 0.5, first = floor(center);
    cubic_weights(weights, center - first);
    for (int k = 0; k < 4; k++)
        places[k] = (size_t)fmin(fmax(first - 1.0 + k, 0.0), (double)(in_side - 1));
}

void ssfer_positions_resample(float *out, size_t out_side, const float *in, size_t in_side, size_t width)
{
    memcpy(out, in, width * sizeof *out);
    for (size_t row = 0; row < out_side; row++)
        for (size_t column = 0; column < out_side; column++) {
            size_t rows[4], columns[4];
            double down[4], across[4];
            cubic_taps(rows, down, row, in_side, out_side);
            cubic_taps(columns, across, column, in_side, out_side);
            for (size_t c = 0; c < width; c++) {
                double sum = 0.0;
                for (int i = 0; i < 4; i++)
                    for (int j = 0; j < 4; j++)
                        sum += down[i] * across[j] * (double)in[(1 + rows[i] * in_side + columns[j]) * width + c];
                out[(1 + row * out_side + column) * width + c] = (float)sum;
            }
        }
}

static size_t grid_side(size_t positions)
{
    const size_t side = positions ? (size_t)lround(sqrt((double)(positions - 1))) : 0;
    return side * side + 1 == positions ? side : 0;
}

static ssfer_status resample_positions(float *out, size_t out_side, const ssfer_tensor *t, size_t in_side, size_t width,
                                       ssfer_error *err)
{
    float *table = ssfer_calloc(t->count, sizeof *table);
    if (!table)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "positions: out of memory");
    ssfer_tensor_to_f32(table, t);
    ssfer_positions_resample(out, out_side, table, in_side, width);
    ssfer_free(table);
    return SSFER_OK;
}

/* params NULL: only looks. */
static ssfer_status load_positions(float *params, const ssfer_vit *vit, const ssfer_tensor *t, const ssfer_log *log,
                                   ssfer_error *err)
{
    const ssfer_vit_config *c = &vit->config;
    const size_t width = c->embed_dim, out_side = c->image_size / c->patch_size;
    const size_t in_side = t->ndim == 3 && t->shape[0] == 1 && t->shape[2] == width ? grid_side(t->shape[1]) : 0;
    if (!in_side)
        return ssfer_fail(err, SSFER_ERR_SHAPE, "pos_embed is no table of a square grid with %zu channels", width);
    if (params && in_side == out_side)
        ssfer_tensor_to_f32(params + vit->pos, t);
    else if (params)
        TRY(resample_positions(params + vit->pos, out_side, t, in_side, width, err));
    if (in_side != out_side)
        ssfer_info(log, "positions resampled from %zux%zu to %zux%zu patches", in_side, in_side, out_side, out_side);
    return SSFER_OK;
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

static bool is_head(const char *name)
{
    return strncmp(name, "head.", 5) == 0;
}

/* One line about what the classifier has no place for. */
static void report_dropped(const ssfer_vit *vit, const ssfer_tensor_set *set, const ssfer_log *log)
{
    const char *first = NULL;
    size_t dropped = 0;
    for (size_t i = 0; i < ssfer_tensor_set_count(set); i++) {
        const char *name = ssfer_tensor_set_at(set, i)->name;
        if (ssfer_params_find(&vit->table, name))
            continue;
        first = first ? first : name;
        dropped++;
    }
    if (dropped)
        ssfer_info(log, "%zu tensors of the checkpoint are not part of the classifier and were dropped (%s%s)", dropped,
                   first, dropped > 1 ? ", ..." : "");
}

static ssfer_status check_heads(const ssfer_vit *vit, const ssfer_tensor_set *set, ssfer_error *err)
{
    size_t heads = vit->config.heads;
    TRY(ssfer_tensor_set_get_size(&heads, set, "num_heads", err));
    if (heads != vit->config.heads) /* it would load, and compute something else */
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "the encoder has %zu attention heads, the model %zu; give --heads %zu", heads,
                          vit->config.heads, heads);
    return SSFER_OK;
}

/* params NULL: only looks. */
static ssfer_status transfer(float *params, const ssfer_vit *vit, const ssfer_tensor_set *set, const ssfer_log *log,
                             ssfer_error *err)
{
    const ssfer_tensor *head = ssfer_tensor_set_find(set, "head.weight");
    const bool same_head = head && head->ndim == 2 && head->shape[0] == vit->config.classes;
    const char *first_missing = NULL;
    size_t taken = 0, missing = 0;
    TRY(check_heads(vit, set, err));
    for (size_t i = 0; i < vit->table.count; i++) {
        const ssfer_param *p = &vit->table.items[i];
        const ssfer_param_table one = {.items = &vit->table.items[i], .count = 1};
        const ssfer_tensor *t = ssfer_tensor_set_find(set, p->name);
        bool loaded = false;
        if (is_head(p->name) && !same_head)
            continue;
        if (t && p->offset == vit->pos) {
            TRY(load_positions(params, vit, t, log, err));
            loaded = true;
        } else {
            TRY(params ? ssfer_params_load(params, &one, set, "", &loaded, err)
                       : ssfer_params_check(&one, set, "", &loaded, err));
        }
        first_missing = loaded || first_missing ? first_missing : p->name;
        missing += !loaded;
        taken += loaded;
    }
    if (!taken)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "holds none of the model's parameters");
    if (missing)
        ssfer_warn(log, "%zu parameters are not in the checkpoint and start random (%s%s)", missing, first_missing,
                   missing > 1 ? ", ..." : "");
    report_dropped(vit, set, log);
    if (!same_head)
        ssfer_info(log, "the head starts random (%zu classes)", vit->config.classes);
    return SSFER_OK;
}

ssfer_status ssfer_transfer_encoder(float *params, const ssfer_vit *vit, const ssfer_tensor_set *set,
                                    const ssfer_log *log, ssfer_error *err)
{
    return transfer(params, vit, set, log, err);
}

ssfer_status ssfer_transfer_check(const ssfer_vit *vit, const ssfer_tensor_set *set, const ssfer_log *log,
                                  ssfer_error *err)
{
    return transfer(NULL, vit, set, log, err);
}
