/* Named architectures, and reading a ViT's sizes from a checkpoint. */
#include "models/vit.h"
#include "nn/try.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool ssfer_vit_config_named(ssfer_vit_config *config, const char *arch)
{
    static const struct {
        const char *name;
        size_t embed_dim, depth, heads, patch_size;
    } known[] = {{"tiny", 192, 12, 3, 16},
                 {"small", 384, 12, 6, 16},
                 {"base", 768, 12, 12, 16},
                 {"large", 1024, 24, 16, 16},
                 {"huge", 1280, 32, 16, 14}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(arch, known[i].name) == 0) {
            *config = (ssfer_vit_config){.image_size = 224,
                                         .patch_size = known[i].patch_size,
                                         .channels = 3,
                                         .embed_dim = known[i].embed_dim,
                                         .depth = known[i].depth,
                                         .heads = known[i].heads,
                                         .hidden = 4 * known[i].embed_dim,
                                         .eps = 1e-6f};
            return true;
        }
    return false;
}

ssfer_status ssfer_vit_config_check(const ssfer_vit_config *c, ssfer_error *err)
{
    const struct {
        const char *name;
        size_t value, most;
    } sizes[] = {{"image size", c->image_size, 4096}, {"patch size", c->patch_size, 4096},
                 {"channels", c->channels, 64},       {"embed dim", c->embed_dim, 16384},
                 {"depth", c->depth, 1024},           {"heads", c->heads, 1024},
                 {"MLP width", c->hidden, 65536},     {"class count", c->classes, 65536}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].value < 1 || sizes[i].value > sizes[i].most)
            return ssfer_fail(err, SSFER_ERR_ARGUMENT, "model: %s %zu is out of range (1 to %zu)", sizes[i].name,
                              sizes[i].value, sizes[i].most);
    if (c->image_size % c->patch_size)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "model: image size %zu is no multiple of patch size %zu",
                          c->image_size, c->patch_size);
    if (c->embed_dim % c->heads)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "model: embed dim %zu is no multiple of %zu heads; choose --heads",
                          c->embed_dim, c->heads);
    if (!(c->drop_path >= 0.0f && c->drop_path < 1.0f))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "model: drop path %g is out of range (0 to below 1)",
                          (double)c->drop_path);
    return SSFER_OK;
}

static ssfer_status need(const ssfer_tensor **t, const ssfer_tensor_set *set, const char *name, size_t ndim,
                         ssfer_error *err)
{
    *t = ssfer_tensor_set_find(set, name);
    if (!*t || (*t)->ndim != ndim)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "not a ViT in timm's naming: no %zu-dimensional %s", ndim, name);
    return SSFER_OK;
}

static size_t count_blocks(const ssfer_tensor_set *set)
{
    char name[64];
    for (size_t depth = 0;; depth++) {
        snprintf(name, sizeof name, "blocks.%zu.norm1.weight", depth);
        if (!ssfer_tensor_set_find(set, name))
            return depth;
    }
}

/* `wanted` if not 0, else the metadata's, else what is usual. */
static ssfer_status choose_heads(size_t *heads, const ssfer_tensor_set *set, size_t embed_dim, size_t wanted,
                                 ssfer_error *err)
{
    *heads = wanted ? wanted : embed_dim >= 64 ? embed_dim / 64 : 1;
    return wanted ? SSFER_OK : ssfer_tensor_set_get_size(heads, set, "num_heads", err);
}

ssfer_status ssfer_vit_config_from_checkpoint(ssfer_vit_config *config, const ssfer_tensor_set *set, size_t heads,
                                              ssfer_error *err)
{
    const ssfer_tensor *patch, *pos, *fc1, *head = ssfer_tensor_set_find(set, "head.weight");
    TRY(need(&patch, set, "patch_embed.proj.weight", 4, err));
    TRY(need(&pos, set, "pos_embed", 3, err));
    TRY(need(&fc1, set, "blocks.0.mlp.fc1.weight", 2, err));
    ssfer_vit_config c = {.eps = 1e-6f,
                          .embed_dim = patch->shape[0],
                          .channels = patch->shape[1],
                          .patch_size = patch->shape[2],
                          .depth = count_blocks(set),
                          .hidden = fc1->shape[0],
                          .classes = head && head->ndim == 2 ? head->shape[0] : 1};
    const size_t positions = pos->shape[1], L = positions ? positions - 1 : 0;
    const size_t side = (size_t)lround(sqrt((double)L));
    if (!L || side > 4096 || side * side != L || c.patch_size > 4096)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "pos_embed has %zu positions: no square grid and a class token",
                          positions);
    c.image_size = side * c.patch_size;
    TRY(choose_heads(&c.heads, set, c.embed_dim, heads, err));
    TRY(ssfer_vit_config_check(&c, err));
    *config = c;
    return SSFER_OK;
}

ssfer_status ssfer_vit_config_to_metadata(const ssfer_vit_config *c, ssfer_tensor_set *set, ssfer_error *err)
{
    const struct {
        const char *key;
        size_t value;
    } entries[] = {{"image_size", c->image_size}, {"patch_size", c->patch_size}, {"embed_dim", c->embed_dim},
                   {"depth", c->depth},           {"num_heads", c->heads},       {"mlp_hidden", c->hidden},
                   {"num_classes", c->classes}};
    TRY(ssfer_tensor_set_put(set, "architecture", "vit", err));
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        char text[32];
        snprintf(text, sizeof text, "%zu", entries[i].value);
        TRY(ssfer_tensor_set_put(set, entries[i].key, text, err));
    }
    return SSFER_OK;
}
