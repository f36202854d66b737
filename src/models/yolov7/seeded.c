#include "models/yolov7/seeded.h"

#include "base/number.h"
#include "base/rng.h"
#include "nn/try.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct seeder {
    ssfer_tensor_set *set;
    const ssfer_yolo_config *config;
    ssfer_rng rng;
    double gain; /* what the layer's activation takes away */
    ssfer_error *err;
} seeder;

/* A layer: its path, its row, and the channels of what it reads. */
typedef struct row {
    char path[64];
    const ssfer_yolo_layer *layer;
    size_t in[SSFER_YOLO_MAX_FROM], in_count;
} row;

typedef enum conv_kind { FULL, DEPTHWISE, DEPTHWISE_LINEAR } conv_kind; /* linear: no activation behind it */

/* ---- tensors ---- */

static ssfer_status tensor(seeder *s, float **values, const char *path, const char *leaf, const size_t *shape,
                           size_t ndim)
{
    char name[256];
    void *data;
    snprintf(name, sizeof name, "%s.%s", path, leaf);
    TRY(ssfer_tensor_set_new(s->set, name, SSFER_DTYPE_F32, shape, ndim, &data, s->err));
    *values = data;
    return SSFER_OK;
}

/* A vector of `count` values around `mean`. */
static ssfer_status vector(seeder *s, const char *path, const char *leaf, size_t count, double mean, double deviation)
{
    float *v;
    TRY(tensor(s, &v, path, leaf, &count, 1));
    for (size_t i = 0; i < count; i++)
        v[i] = (float)(mean + deviation * ssfer_rng_normal(&s->rng));
    return SSFER_OK;
}

static ssfer_status weights(seeder *s, const char *path, size_t in, size_t out, size_t kernel, conv_kind kind,
                            double gain)
{
    const size_t shape[] = {out, kind == FULL ? in : 1, kernel, kernel};
    const size_t fan_in = shape[1] * kernel * kernel;
    float *w;
    TRY(tensor(s, &w, path, "weight", shape, 4));
    for (size_t i = 0; i < out * fan_in; i++)
        w[i] = (float)(gain / sqrt((double)fan_in) * ssfer_rng_normal(&s->rng));
    return SSFER_OK;
}

/* A convolution and its batch-norm, which passes on nearly what it gets. */
static ssfer_status conv_norm(seeder *s, const char *path, const char *conv, const char *norm, size_t in, size_t out,
                              size_t kernel, conv_kind kind)
{
    const double gain = kind == DEPTHWISE_LINEAR ? 1.0 : s->gain;
    char c[192], n[192];
    snprintf(c, sizeof c, "%s.%s", path, conv);
    snprintf(n, sizeof n, "%s.%s", path, norm);
    TRY(weights(s, c, in, out, kernel, kind, gain));
    TRY(vector(s, n, "weight", out, 1.0, 0.05));
    TRY(vector(s, n, "bias", out, 0.0, 0.05));
    TRY(vector(s, n, "running_mean", out, 0.0, 0.05));
    TRY(vector(s, n, "running_var", out, 1.0, 0.05));
    return SSFER_OK;
}

/* The member `name` that is the module Conv; "": the layer itself. */
static ssfer_status conv(seeder *s, const char *path, const char *name, size_t in, size_t out, size_t kernel,
                         conv_kind kind)
{
    char full[160];
    snprintf(full, sizeof full, "%s%s%s", path, *name ? "." : "", name);
    return conv_norm(s, full, "conv", "bn", in, out, kernel, kind);
}

/* ---- arguments ---- */

static size_t argument(const row *r, size_t i, size_t fallback)
{
    size_t value = fallback;
    if (i < r->layer->arg_count) /* of a built-in description: a whole number */
        (void)ssfer_parse_size(&value, r->layer->args[i], strlen(r->layer->args[i]));
    return value;
}

static size_t channels(const seeder *s, const row *r)
{
    const double wanted = (double)argument(r, 0, 0) * s->config->width;
    return s->config->width == 1.0 ? (size_t)wanted : 8 * (size_t)ceil(wanted / 8);
}

/* ---- modules: each adds its tensors and says how many channels it gives ---- */

static ssfer_status seed_conv(seeder *s, const row *r, size_t *out)
{
    *out = channels(s, r);
    return conv(s, r->path, "", r->in[0], *out, argument(r, 1, 1), FULL);
}

static ssfer_status seed_separable(seeder *s, const row *r, size_t *out)
{
    *out = channels(s, r);
    TRY(conv_norm(s, r->path, "conv1", "bn1", r->in[0], r->in[0], argument(r, 1, 3), DEPTHWISE));
    return conv_norm(s, r->path, "conv2", "bn2", r->in[0], *out, 1, FULL);
}

static ssfer_status seed_stem(seeder *s, const row *r, size_t *out)
{
    const size_t c = *out = channels(s, r);
    TRY(conv(s, r->path, "stem_1", r->in[0], c, argument(r, 1, 3), FULL));
    TRY(conv(s, r->path, "stem_2a", c, c / 2, 1, FULL));
    TRY(conv(s, r->path, "stem_2b", c / 2, c, 3, FULL));
    return conv(s, r->path, "stem_3", 2 * c, c, 1, FULL);
}

static ssfer_status seed_shuffle(seeder *s, const row *r, size_t *out)
{
    const size_t c = *out = channels(s, r), in = r->in[0];
    const bool halved = argument(r, 1, 1) == 1; /* half of the channels pass */
    if (!halved) {
        TRY(conv_norm(s, r->path, "branch1.0", "branch1.1", in, in, 3, DEPTHWISE_LINEAR));
        TRY(conv_norm(s, r->path, "branch1.2", "branch1.3", in, c / 2, 1, FULL));
    }
    TRY(conv_norm(s, r->path, "branch2.0", "branch2.1", halved ? in / 2 : in, c / 2, 1, FULL));
    TRY(conv_norm(s, r->path, "branch2.3", "branch2.4", c / 2, c / 2, 3, DEPTHWISE_LINEAR));
    return conv_norm(s, r->path, "branch2.5", "branch2.6", c / 2, c / 2, 1, FULL);
}

static ssfer_status seed_sppf(seeder *s, const row *r, size_t *out)
{
    const size_t half = r->in[0] / 2;
    *out = channels(s, r);
    TRY(conv(s, r->path, "cv1", r->in[0], half, 1, FULL));
    return conv(s, r->path, "cv2", 4 * half, *out, 1, FULL);
}

static ssfer_status seed_sppcspc(seeder *s, const row *r, size_t *out)
{
    const size_t c = *out = channels(s, r);
    const size_t in[] = {r->in[0], r->in[0], c, c, 4 * c, c, 2 * c}, kernels[] = {1, 1, 3, 1, 1, 3, 1};
    for (size_t i = 0; i < 7; i++) {
        char name[8];
        snprintf(name, sizeof name, "cv%zu", i + 1);
        TRY(conv(s, r->path, name, in[i], c, kernels[i], FULL));
    }
    return SSFER_OK;
}

static ssfer_status seed_nothing(seeder *s, const row *r, size_t *out)
{
    (void)s;
    *out = r->in[0];
    return SSFER_OK;
}

static ssfer_status seed_concat(seeder *s, const row *r, size_t *out)
{
    (void)s;
    *out = 0;
    for (size_t i = 0; i < r->in_count; i++)
        *out += r->in[i];
    return SSFER_OK;
}

static ssfer_status seed_reorg(seeder *s, const row *r, size_t *out)
{
    (void)s;
    *out = 4 * r->in[0];
    return SSFER_OK;
}

/* ---- the head ---- */

static ssfer_status head_anchors(seeder *s, const row *r)
{
    const ssfer_yolo_config *c = s->config;
    const size_t L = c->levels, A = c->anchor_count[0], cells[] = {L, A, 2}, grid[] = {L, 1, A, 1, 1, 2};
    float *in_cells, *in_pixels;
    TRY(tensor(s, &in_cells, r->path, "anchors", cells, 3));
    TRY(tensor(s, &in_pixels, r->path, "anchor_grid", grid, 6));
    for (size_t i = 0; i < L * A * 2; i++) {
        const size_t level = i / (2 * A);
        in_pixels[i] = c->anchors[level][i / 2 % A][i % 2];
        in_cells[i] = in_pixels[i] / (float)((size_t)8 << level);
    }
    return SSFER_OK;
}

/* One of the two convolutions of a level. Its channels are `first` and following of the level's outputs, of which every
 * value 4 of an anchor's group is an objectness. */
static ssfer_status head_conv(seeder *s, const char *path, size_t in, size_t first, size_t out, size_t group)
{
    float *bias;
    TRY(weights(s, path, in, out, 1, FULL, 1.0));
    TRY(tensor(s, &bias, path, "bias", &out, 1));
    for (size_t i = 0; i < out; i++)
        bias[i] = (first + i) % group == 4 ? -6.0f : 0.0f; /* sigmoid: 0.0025 */
    return SSFER_OK;
}

/* Blocks of a depthwise and a pointwise convolution before a keypoint convolution. */
static ssfer_status head_blocks(seeder *s, const char *path, size_t channels)
{
    enum { BLOCKS = 12, LAST = BLOCKS - 1 };
    for (size_t i = 0; i < LAST; i++) {
        char name[8];
        snprintf(name, sizeof name, "%zu", i);
        TRY(conv(s, path, name, channels, channels, i % 2 ? 1 : 3, i % 2 ? FULL : DEPTHWISE));
    }
    return SSFER_OK;
}

static ssfer_status head_level(seeder *s, const row *r, size_t i)
{
    const ssfer_yolo_config *c = s->config;
    const size_t A = c->anchor_count[0], box = A * (5 + c->classes), points = A * 3 * c->keypoints;
    const size_t implicit[][4] = {{1, r->in[i], 1, 1}, {1, box, 1, 1}}, group = (box + points) / A;
    char path[128];
    snprintf(path, sizeof path, "%s.m.%zu", r->path, i);
    TRY(head_conv(s, path, r->in[i], 0, box, group));
    for (size_t k = 0; k < 2; k++) { /* ImplicitA is added, ImplicitM multiplies */
        float *v;
        snprintf(path, sizeof path, "%s.%s.%zu", r->path, k ? "im" : "ia", i);
        TRY(tensor(s, &v, path, "implicit", implicit[k], 4));
        for (size_t n = 0; n < implicit[k][1]; n++)
            v[n] = (float)((double)k + 0.02 * ssfer_rng_normal(&s->rng));
    }
    snprintf(path, sizeof path, "%s.m_kpt.%zu", r->path, i);
    if (c->keypoint_blocks) {
        TRY(head_blocks(s, path, r->in[i]));
        snprintf(path, sizeof path, "%s.m_kpt.%zu.11", r->path, i);
    }
    return head_conv(s, path, r->in[i], box, points, group);
}

static ssfer_status seed_head(seeder *s, const row *r, size_t *out)
{
    *out = 0;
    if (r->in_count != s->config->levels)
        return ssfer_fail(s->err, SSFER_ERR_FORMAT, "%s: %zu levels with anchors for %zu", r->path, r->in_count,
                          s->config->levels);
    TRY(head_anchors(s, r));
    for (size_t i = 0; i < r->in_count; i++)
        TRY(head_level(s, r, i));
    return SSFER_OK;
}

/* ---- rows ---- */

static const struct {
    const char *module;
    ssfer_status (*seed)(seeder *s, const row *r, size_t *out);
} modules[] = {
    {"Conv", seed_conv},
    {"DWConvblock", seed_separable},
    {"StemBlock", seed_stem},
    {"SPPF", seed_sppf},
    {"Shuffle_Block", seed_shuffle},
    {"SPPCSPC", seed_sppcspc},
    {"Concat", seed_concat},
    {"SPPFCSPC", seed_sppcspc},
    {"ReOrg", seed_reorg},
    {"IKeypoint", seed_head},
    {"nn.Upsample", seed_nothing},
    {"ADD", seed_nothing},
    {"MP", seed_nothing},
    {"SP", seed_nothing},
    {"SPF", seed_nothing},
};

static ssfer_status seed_module(seeder *s, const row *r, size_t *out)
{
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        if (strcmp(modules[i].module, r->layer->module) == 0)
            return modules[i].seed(s, r, out);
    return ssfer_fail(s->err, SSFER_ERR_UNSUPPORTED, "%s: no seeded weights for module %.60s", r->path,
                      r->layer->module);
}

/* The layer's inputs, looked up in `given`, the channels that each layer gives. */
static ssfer_status resolve(seeder *s, row *r, size_t index, const size_t *given)
{
    r->in_count = r->layer->from_count;
    for (size_t i = 0; i < r->in_count; i++) {
        const long from = r->layer->from[i], at = from < 0 ? (long)index + from : from;
        if (at >= (long)index || at < -1 || (at == -1 && index))
            return ssfer_fail(s->err, SSFER_ERR_FORMAT, "%s: reads layer %ld, which does not come before it", r->path,
                              from);
        // NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): that of each layer before
        r->in[i] = at < 0 ? 3 : given[at]; /* before the first layer: the picture */
    }
    return SSFER_OK;
}

/* 1 / sqrt(E[f(x)^2]) of standard normal x, for SiLU and for LeakyReLU(0.1). */
static double gain_of(const ssfer_yolo_layer *layer)
{
    for (size_t i = 0; i < layer->arg_count; i++)
        if (strstr(layer->args[i], "LeakyReLU"))
            return 1.41;
    return 1.35; /* a little below what keeps the size of unit numbers: larger ones would grow from layer to layer */
}

static ssfer_status seed_layer(seeder *s, size_t index, size_t *given)
{
    const ssfer_yolo_layer *layer = &s->config->layers[index];
    row r = {.layer = layer};
    snprintf(r.path, sizeof r.path, "model.%zu", index);
    s->gain = gain_of(layer);
    TRY(resolve(s, &r, index, given));
    for (size_t k = 0; k < layer->repeat; k++) {
        if (layer->repeat > 1)
            snprintf(r.path, sizeof r.path, "model.%zu.%zu", index, k);
        TRY(seed_module(s, &r, &given[index]));
        r.in[0] = given[index];
    }
    return SSFER_OK;
}

ssfer_status ssfer_yolo_seeded(ssfer_tensor_set **out, const ssfer_yolo_config *config, uint64_t seed, ssfer_error *err)
{
    size_t given[SSFER_YOLO_MAX_LAYERS];
    seeder s = {.config = config, .rng = ssfer_rng_stream(seed, 0, 0, 0, SSFER_RNG_INIT), .err = err};
    TRY(ssfer_tensor_set_create(&s.set, err));
    for (size_t i = 0; i < config->layer_count; i++) {
        const ssfer_status st = seed_layer(&s, i, given);
        if (st != SSFER_OK) {
            ssfer_tensor_set_destroy(s.set);
            return st;
        }
    }
    *out = s.set;
    return SSFER_OK;
}

ssfer_status ssfer_yolo_seeded_network(ssfer_yolo **out, const char *network, uint64_t seed, const char *file,
                                       ssfer_error *err)
{
    ssfer_yolo_config config;
    ssfer_tensor_set *set = NULL;
    const char *text = ssfer_yolo_builtin_find(network);
    if (!text)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: no known network; known are " SSFER_YOLO_BUILTIN_NAMES,
                          network);
    TRY(ssfer_yolo_config_parse(&config, text, network, err));
    ssfer_status st = ssfer_yolo_seeded(&set, &config, seed, err);
    if (st == SSFER_OK && file)
        st = ssfer_yolo_store(file, set, text, err);
    if (st == SSFER_OK)
        st = ssfer_yolo_build(out, &config, set, network, err);
    ssfer_tensor_set_destroy(set);
    ssfer_yolo_config_deinit(&config);
    return st;
}
