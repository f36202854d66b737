/* Named masked autoencoders, and reading and writing one's sizes. */
#include "base/memory.h"
#include "base/number.h"
#include "models/classifier.h"
#include "models/mae.h"
#include "nn/try.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    size_t embed_dim, depth, heads, patch_size, decoder_dim, decoder_depth, decoder_heads;
} KNOWN[] = {{"tiny", 192, 12, 12, 16, 96, 1, 3},
             {"small", 384, 12, 6, 16, 192, 1, 6},
             {"base", 768, 12, 12, 16, 512, 8, 16},
             {"large", 1024, 24, 16, 16, 512, 8, 16},
             {"huge", 1280, 32, 16, 14, 512, 8, 16}};
enum { KNOWN_COUNT = sizeof KNOWN / sizeof *KNOWN };

bool ssfer_mae_config_named(ssfer_mae_config *config, const char *arch)
{
    for (size_t i = 0; i < KNOWN_COUNT; i++)
        if (strcmp(arch, KNOWN[i].name) == 0) {
            *config = (ssfer_mae_config){.image_size = 224,
                                         .patch_size = KNOWN[i].patch_size,
                                         .channels = 3,
                                         .embed_dim = KNOWN[i].embed_dim,
                                         .depth = KNOWN[i].depth,
                                         .heads = KNOWN[i].heads,
                                         .hidden = 4 * KNOWN[i].embed_dim,
                                         .decoder_dim = KNOWN[i].decoder_dim,
                                         .decoder_depth = KNOWN[i].decoder_depth,
                                         .decoder_heads = KNOWN[i].decoder_heads,
                                         .decoder_hidden = 4 * KNOWN[i].decoder_dim,
                                         .eps = 1e-6f,
                                         .mask_ratio = 0.75};
            return true;
        }
    return false;
}

static ssfer_status check_ranges(const ssfer_mae_config *c, ssfer_error *err)
{
    const struct {
        const char *name;
        size_t value, most;
    } sizes[] = {{"image size", c->image_size, 4096},
                 {"patch size", c->patch_size, 4096},
                 {"channels", c->channels, 64},
                 {"embed dim", c->embed_dim, 16384},
                 {"depth", c->depth, 1024},
                 {"heads", c->heads, 1024},
                 {"MLP width", c->hidden, 65536},
                 {"decoder width", c->decoder_dim, 16384},
                 {"decoder depth", c->decoder_depth, 1024},
                 {"decoder heads", c->decoder_heads, 1024},
                 {"decoder MLP width", c->decoder_hidden, 65536}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].value < 1 || sizes[i].value > sizes[i].most)
            return ssfer_fail(err, SSFER_ERR_ARGUMENT, "model: %s %zu is out of range (1 to %zu)", sizes[i].name,
                              sizes[i].value, sizes[i].most);
    return SSFER_OK;
}

ssfer_status ssfer_mae_config_check(const ssfer_mae_config *c, ssfer_error *err)
{
    TRY(check_ranges(c, err));
    if (c->image_size % c->patch_size)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "model: image size %zu is no multiple of patch size %zu",
                          c->image_size, c->patch_size);
    if (c->embed_dim % c->heads || c->embed_dim % 4)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "model: embed dim %zu must be a multiple of 4 and of the %zu heads; choose --heads",
                          c->embed_dim, c->heads);
    if (c->decoder_dim % c->decoder_heads || c->decoder_dim % 4)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "model: decoder width %zu must be a multiple of 4 and of its %zu heads; choose "
                          "--decoder-heads",
                          c->decoder_dim, c->decoder_heads);
    const size_t L = ssfer_mae_patches(c);
    if (!(c->mask_ratio > 0.0 && c->mask_ratio < 1.0) || !ssfer_mae_kept(L, c->mask_ratio) ||
        ssfer_mae_kept(L, c->mask_ratio) == L)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "model: a mask ratio of %g of %zu patches must hide at least one and leave one",
                          c->mask_ratio, L);
    if (c->norm_pix && c->patch_size == 1 && c->channels == 1)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "model: a patch of one number cannot be normalised");
    return SSFER_OK;
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

static ssfer_status need(const ssfer_tensor **t, const ssfer_tensor_set *set, const char *name, size_t ndim,
                         ssfer_error *err)
{
    *t = ssfer_tensor_set_find(set, name);
    if (!*t || (*t)->ndim != ndim)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "not a masked autoencoder: no %zu-dimensional %s", ndim, name);
    return SSFER_OK;
}

static size_t count_blocks(const ssfer_tensor_set *set, const char *prefix)
{
    char name[64];
    for (size_t depth = 0;; depth++) {
        snprintf(name, sizeof name, "%s.%zu.norm1.weight", prefix, depth);
        if (!ssfer_tensor_set_find(set, name))
            return depth;
    }
}

size_t ssfer_mae_heads_for(size_t embed_dim)
{
    for (size_t i = 0; i < KNOWN_COUNT; i++)
        if (KNOWN[i].embed_dim == embed_dim)
            return KNOWN[i].heads;
    return embed_dim >= 64 ? embed_dim / 64 : 1;
}

size_t ssfer_mae_decoder_heads_for(size_t decoder_dim)
{
    return decoder_dim >= 32 ? decoder_dim / 32 : 1; /* as in every named size */
}

/* `wanted` if not 0, else the metadata's, else `usual`. */
static ssfer_status choose_heads(size_t *heads, const ssfer_tensor_set *set, const char *key, size_t wanted,
                                 size_t usual, ssfer_error *err)
{
    *heads = wanted ? wanted : usual;
    return wanted ? SSFER_OK : ssfer_tensor_set_get_size(heads, set, key, err);
}

ssfer_status ssfer_mae_config_from_checkpoint(ssfer_mae_config *config, const ssfer_tensor_set *set, size_t heads,
                                              size_t decoder_heads, ssfer_error *err)
{
    const ssfer_tensor *patch, *pos, *fc1, *embed, *decoder_fc1;
    TRY(need(&patch, set, "patch_embed.proj.weight", 4, err));
    TRY(need(&pos, set, "pos_embed", 3, err));
    TRY(need(&fc1, set, "blocks.0.mlp.fc1.weight", 2, err));
    TRY(need(&embed, set, "decoder_embed.weight", 2, err));
    TRY(need(&decoder_fc1, set, "decoder_blocks.0.mlp.fc1.weight", 2, err));
    const char *norm = ssfer_tensor_set_get(set, "norm_pix");
    ssfer_mae_config c = {.eps = 1e-6f,
                          .embed_dim = patch->shape[0],
                          .channels = patch->shape[1],
                          .patch_size = patch->shape[2],
                          .depth = count_blocks(set, "blocks"),
                          .hidden = fc1->shape[0],
                          .decoder_dim = embed->shape[0],
                          .decoder_depth = count_blocks(set, "decoder_blocks"),
                          .decoder_hidden = decoder_fc1->shape[0],
                          .mask_ratio = 0.75,
                          .norm_pix = norm && strcmp(norm, "true") == 0};
    const size_t positions = pos->shape[1], L = positions ? positions - 1 : 0;
    const size_t side = (size_t)lround(sqrt((double)L));
    if (!L || side > 4096 || side * side != L || c.patch_size > 4096)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "pos_embed has %zu positions: no square grid and a class token",
                          positions);
    c.image_size = side * c.patch_size;
    TRY(ssfer_tensor_set_get_double(&c.mask_ratio, set, "mask_ratio", err));
    TRY(choose_heads(&c.heads, set, "num_heads", heads, ssfer_mae_heads_for(c.embed_dim), err));
    TRY(choose_heads(&c.decoder_heads, set, "decoder_num_heads", decoder_heads,
                     ssfer_mae_decoder_heads_for(c.decoder_dim), err));
    TRY(ssfer_mae_config_check(&c, err));
    *config = c;
    return SSFER_OK;
}

ssfer_status ssfer_mae_config_to_metadata(const ssfer_mae_config *c, ssfer_tensor_set *set, ssfer_error *err)
{
    const struct {
        const char *key;
        size_t value;
    } entries[] = {{"image_size", c->image_size},
                   {"patch_size", c->patch_size},
                   {"embed_dim", c->embed_dim},
                   {"depth", c->depth},
                   {"num_heads", c->heads},
                   {"mlp_hidden", c->hidden},
                   {"decoder_embed_dim", c->decoder_dim},
                   {"decoder_depth", c->decoder_depth},
                   {"decoder_num_heads", c->decoder_heads},
                   {"decoder_mlp_hidden", c->decoder_hidden}};
    char text[32];
    TRY(ssfer_tensor_set_put(set, "architecture", "mae", err));
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        snprintf(text, sizeof text, "%zu", entries[i].value);
        TRY(ssfer_tensor_set_put(set, entries[i].key, text, err));
    }
    ssfer_snprintf(text, sizeof text, "%.17g", c->mask_ratio);
    TRY(ssfer_tensor_set_put(set, "mask_ratio", text, err));
    return ssfer_tensor_set_put(set, "norm_pix", c->norm_pix ? "true" : "false", err);
}

ssfer_status ssfer_mae_model_load(ssfer_mae_model *out, const char *path, size_t heads, size_t decoder_heads,
                                  ssfer_error *err)
{
    ssfer_tensor_set *set = NULL;
    ssfer_mae_config config;
    *out = (ssfer_mae_model){0};
    TRY(ssfer_checkpoint_read(&set, path, NULL, err));
    ssfer_status st = ssfer_mae_config_from_checkpoint(&config, set, heads, decoder_heads, err);
    if (st == SSFER_OK)
        st = ssfer_mae_init(&out->mae, &config, err);
    if (st == SSFER_OK)
        st = ssfer_params_alloc(&out->params, &out->mae.table, err);
    if (st == SSFER_OK)
        st = ssfer_params_load(out->params, &out->mae.table, set, "", NULL, err);
    if (st == SSFER_OK)
        st = ssfer_normalization_read(out->mean, out->std, set, err);
    ssfer_tensor_set_destroy(set);
    if (st != SSFER_OK) {
        ssfer_mae_model_deinit(out);
        return ssfer_fail_prefix(err, st, "%s", path);
    }
    return SSFER_OK;
}

void ssfer_mae_model_deinit(ssfer_mae_model *m)
{
    ssfer_free(m->params);
    ssfer_mae_deinit(&m->mae);
    *m = (ssfer_mae_model){0};
}

ssfer_status ssfer_mae_model_store(const ssfer_mae_model *m, const float *params, ssfer_tensor_set *set,
                                   ssfer_error *err)
{
    TRY(ssfer_params_store(params, &m->mae.table, set, "", err));
    TRY(ssfer_mae_config_to_metadata(&m->mae.config, set, err));
    TRY(ssfer_normalization_store(m->mean, m->std, set, err));
    return ssfer_tensor_set_put(set, "program_version", ssfer_version(), err);
}
