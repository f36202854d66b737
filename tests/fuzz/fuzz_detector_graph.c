/* A pickled detector built from the fuzzer's bytes, so that what lies behind the pickle is reached: modules of every
 * kind with kernels, strides, paddings, factors, inputs, repeats, channel counts, shapes of the head's maps, anchors.
 * Every fact is one byte of the input: most bytes stand for what a real network has there, the others for numbers that
 * none has. What loads is planned for two picture sizes and run, if its work is little enough for a fuzzer. */
#include "base/memory.h"
#include "models/yolov7/select.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LAYERS = 12, MAX_ARENA = 1 << 22, STORAGE = 4096, PLENTY = 4096, LEAST_SIDE = 16, MAX_ROWS = 2000 };
static const double MAX_OPERATIONS = 1e7;

/* ---- facts ---- */

typedef struct draws {
    const uint8_t *at, *end;
} draws;

static unsigned draw(draws *d, unsigned below)
{
    return d->at < d->end ? *d->at++ % below : 0;
}

static const double ABSENT = -12345;

/* The usual value, or, for one byte in 16, something that no network has. */
static double fact(draws *d, double usual)
{
    static const double odd[] = {ABSENT,
                                 0,
                                 1,
                                 2,
                                 3,
                                 4,
                                 5,
                                 7,
                                 8,
                                 63,
                                 64,
                                 65,
                                 66,
                                 -1,
                                 -2,
                                 0.5,
                                 1.5,
                                 1e3,
                                 1e5,
                                 2e9,
                                 1e18,
                                 1e19,
                                 1e300,
                                 -1e9,
                                 1e-9,
                                 2048,
                                 4294967296.,
                                 1 << 20,
                                 13,
                                 (double)NAN,
                                 (double)INFINITY};
    if (draw(d, 16) != 15)
        return usual;
    return odd[draw(d, sizeof odd / sizeof *odd)];
}

static size_t count_fact(draws *d, size_t usual, size_t most)
{
    const double v = fact(d, (double)usual);
    return v >= 0 && v <= (double)most ? (size_t)v : usual;
}

/* ---- a pickle ---- */

typedef struct writer {
    uint8_t *bytes;
    size_t size, capacity;
} writer;

static void put(writer *w, const void *bytes, size_t size)
{
    if (ssfer_reserve((void **)&w->bytes, &w->capacity, w->size + size, 1) != 0)
        abort();
    if (size)
        memcpy(w->bytes + w->size, bytes, size);
    w->size += size;
}

static void op(writer *w, const char *opcodes)
{
    put(w, opcodes, strlen(opcodes));
}

static void put32(writer *w, uint32_t v)
{
    const uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    put(w, bytes, sizeof bytes);
}

static void text(writer *w, const char *s)
{
    op(w, "X");
    put32(w, (uint32_t)strlen(s));
    put(w, s, strlen(s));
}

static void numbered(writer *w, size_t i)
{
    char name[24];
    snprintf(name, sizeof name, "%zu", i);
    text(w, name);
}

/* An int where it is one that fits, else a float. */
static void number(writer *w, double v)
{
    uint64_t bits;
    if (v == floor(v) && fabs(v) < 2e9) {
        op(w, "J");
        put32(w, (uint32_t)(int32_t)v);
        return;
    }
    memcpy(&bits, &v, sizeof bits);
    op(w, "G");
    for (int i = 56; i >= 0; i -= 8)
        put(w, &(uint8_t){(uint8_t)(bits >> i)}, 1);
}

/* An attribute that is a number; like all of them it may be absent. */
static void attribute(writer *w, draws *d, const char *key, double usual)
{
    const double v = fact(d, usual);
    if (v == ABSENT)
        return;
    text(w, key);
    number(w, v);
}

/* Two numbers that are equal, as they are in every network. */
static void pair(writer *w, draws *d, const char *key, double usual)
{
    const double v = fact(d, usual);
    if (v == ABSENT)
        return;
    text(w, key);
    op(w, "(");
    number(w, v);
    number(w, fact(d, v));
    op(w, "t");
}

/* A float32 view of the file's one storage, whose second half is positive. Leading dimensions repeat what is too much
 * for it. */
static void tensor(writer *w, bool positive, const size_t *shape, size_t ndim)
{
    size_t stride = 1, strides[8];
    for (size_t i = ndim; i-- > 0;) {
        strides[i] = stride * shape[i] <= STORAGE / 2 ? stride : 0;
        stride *= strides[i] ? shape[i] : 1;
    }
    op(w, "ctorch._utils\n_rebuild_tensor_v2\n((");
    text(w, "storage");
    op(w, "ctorch\nFloatStorage\n");
    text(w, "0");
    text(w, "cpu");
    number(w, STORAGE);
    op(w, "NtQ");
    number(w, positive ? STORAGE / 2 : 0);
    op(w, "(");
    for (size_t i = 0; i < ndim; i++)
        number(w, (double)shape[i]);
    op(w, "t(");
    for (size_t i = 0; i < ndim; i++)
        number(w, (double)strides[i]);
    op(w, "t\x89}tR");
}

static void vector(writer *w, const char *key, bool positive, size_t count)
{
    text(w, key);
    tensor(w, positive, &count, 1);
}

/* ---- modules: an object is opened, gets parameters, attributes and members, and is closed ---- */

static void open_object(writer *w, const char *class)
{
    op(w, "c");
    op(w, class);
    op(w, "\n)\x81}(");
}

static void no_parameters(writer *w)
{
    text(w, "_parameters");
    op(w, "}");
}

static void open_members(writer *w)
{
    no_parameters(w);
    text(w, "_modules");
    op(w, "}(");
}

static void close_object(writer *w)
{
    op(w, "ub");
}

static void close_members(writer *w)
{
    op(w, "u");
    close_object(w);
}

static void conv2d(writer *w, draws *d, size_t in, size_t out, size_t kernel, size_t stride, size_t pad, bool bias)
{
    const size_t k = count_fact(d, kernel, 66);
    const size_t shape[4] = {count_fact(d, out, PLENTY), count_fact(d, in, PLENTY), k, k};
    open_object(w, "torch.nn.modules.conv\nConv2d");
    text(w, "_parameters");
    op(w, "}(");
    text(w, "weight");
    tensor(w, false, shape, 4);
    if (bias)
        vector(w, "bias", false, shape[0]);
    op(w, "u");
    text(w, "_modules");
    op(w, "}");
    pair(w, d, "stride", (double)stride);
    pair(w, d, "padding", (double)pad);
    attribute(w, d, "dilation", 1);
    close_object(w);
}

static void batch_norm(writer *w, draws *d, size_t channels)
{
    open_object(w, "torch.nn.modules.batchnorm\nBatchNorm2d");
    text(w, "_parameters");
    op(w, "}(");
    vector(w, "weight", true, channels);
    vector(w, "bias", false, channels);
    op(w, "u");
    text(w, "_buffers");
    op(w, "}(");
    vector(w, "running_mean", false, channels);
    vector(w, "running_var", true, channels);
    op(w, "u");
    text(w, "_modules");
    op(w, "}");
    attribute(w, d, "eps", 1e-3);
    close_object(w);
}

static void activation(writer *w, draws *d)
{
    static const char *const names[] = {"SiLU", "LeakyReLU", "ReLU", "Hardswish"};
    const unsigned kind = draw(d, 64);
    char class[60];
    snprintf(class, sizeof class, "torch.nn.modules.activation\n%s", names[kind < 4 ? kind : 0]);
    open_object(w, class);
    open_members(w);
    op(w, "u");
    attribute(w, d, "negative_slope", 0.1);
    close_object(w);
}

static void max_pool(writer *w, draws *d, double kernel, double stride, double pad)
{
    open_object(w, "torch.nn.modules.pooling\nMaxPool2d");
    no_parameters(w);
    text(w, "_modules");
    op(w, "}");
    attribute(w, d, "kernel_size", kernel);
    attribute(w, d, "stride", stride);
    attribute(w, d, "padding", pad);
    attribute(w, d, "ceil_mode", 0);
    close_object(w);
}

static void poolings(writer *w, draws *d, size_t count)
{
    open_object(w, "torch.nn.modules.container\nSequential");
    open_members(w);
    for (size_t i = 0; i < count; i++) {
        numbered(w, i);
        max_pool(w, d, 3, 1, 1);
    }
    close_members(w);
}

/* A pooling with an odd kernel that keeps the size: itself, or as poolings with kernel 3. */
static void same_pool(writer *w, draws *d, size_t kernel)
{
    if (draw(d, 2))
        poolings(w, d, kernel / 2);
    else
        max_pool(w, d, (double)kernel, 1, (double)(kernel / 2));
}

/* Members of a module Conv. */
static void conv_members(writer *w, draws *d, size_t in, size_t out, size_t kernel, size_t stride, bool depthwise)
{
    text(w, "conv");
    conv2d(w, d, depthwise ? 1 : in, out, kernel, stride, kernel / 2, false);
    if (draw(d, 8) != 7) { /* else fused already */
        text(w, "bn");
        batch_norm(w, d, out);
    }
    text(w, "act");
    activation(w, d);
}

static void member(writer *w, draws *d, const char *name, size_t in, size_t out, size_t kernel, size_t stride)
{
    text(w, name);
    open_object(w, "models.common\nConv");
    open_members(w);
    conv_members(w, d, in, out, kernel, stride, false);
    close_members(w);
}

/* conv, bn and perhaps act as members i, i + 1, i + 2 of a Sequential */
static void step(writer *w, draws *d, size_t i, size_t in, size_t out, size_t kernel, size_t stride, bool act)
{
    numbered(w, i);
    conv2d(w, d, in, out, kernel, stride, kernel / 2, false);
    numbered(w, i + 1);
    batch_norm(w, d, out);
    if (act) {
        numbered(w, i + 2);
        activation(w, d);
    }
}

static void open_sequential(writer *w, const char *name)
{
    text(w, name);
    open_object(w, "torch.nn.modules.container\nSequential");
    open_members(w);
}

/* ---- layers ---- */

typedef struct layer {
    size_t channels, level; /* level: how often the picture was halved */
} layer;

typedef struct network {
    writer modules, rows; /* members of the model; rows of its yaml */
    draws *d;
    layer layers[MAX_LAYERS];
    size_t count, memo;
} network;

typedef struct kind {
    const char *name;
    size_t (*members)(network *n, size_t in); /* writes the members; returns the channels that come out */
    int level;                                /* what it adds to the level */
    bool pairs;                               /* reads two layers */
    bool same;                                /* may be repeated */
} kind;

static size_t width_of(draws *d)
{
    static const size_t widths[] = {8, 16, 4, 12, 24, 3, 1};
    return widths[draw(d, sizeof widths / sizeof *widths)];
}

static size_t k_conv(network *n, size_t in)
{
    const size_t out = width_of(n->d);
    conv_members(&n->modules, n->d, in, out, draw(n->d, 2) ? 1 : 3, 1, false);
    return out;
}

static size_t k_conv_stride(network *n, size_t in)
{
    const size_t out = width_of(n->d);
    conv_members(&n->modules, n->d, in, out, 3, 2, false);
    return out;
}

static size_t k_dwconv(network *n, size_t in)
{
    conv_members(&n->modules, n->d, in, in, 3, 1, true);
    return in;
}

static size_t k_none(network *n, size_t in)
{
    (void)n;
    return in;
}

static size_t k_mp(network *n, size_t in)
{
    text(&n->modules, "m");
    max_pool(&n->modules, n->d, 2, 2, 0);
    return in;
}

static size_t k_sp(network *n, size_t in)
{
    text(&n->modules, "m");
    max_pool(&n->modules, n->d, 5, 1, 2);
    return in;
}

static size_t k_spf(network *n, size_t in)
{
    text(&n->modules, "m");
    same_pool(&n->modules, n->d, 7);
    return in;
}

static void bottleneck_members(network *n, size_t in, size_t out)
{
    member(&n->modules, n->d, "cv1", in, out, 1, 1);
    member(&n->modules, n->d, "cv2", out, out, 3, 1);
}

static size_t k_bottleneck(network *n, size_t in)
{
    bottleneck_members(n, in, in);
    return in;
}

static size_t k_c3(network *n, size_t in)
{
    writer *w = &n->modules;
    const size_t half = width_of(n->d), out = width_of(n->d), inner = draw(n->d, 3);
    member(w, n->d, "cv1", in, half, 1, 1);
    member(w, n->d, "cv2", in, half, 1, 1);
    member(w, n->d, "cv3", 2 * half, out, 1, 1);
    open_sequential(w, "m");
    for (size_t i = 0; i < inner; i++) {
        numbered(w, i);
        open_object(w, "models.common\nBottleneck");
        open_members(w);
        bottleneck_members(n, half, half);
        op(w, "u");
        attribute(w, n->d, "add", 1);
        close_object(w);
    }
    close_members(w);
    return out;
}

static size_t k_sppf(network *n, size_t in)
{
    const size_t half = width_of(n->d), out = width_of(n->d);
    member(&n->modules, n->d, "cv1", in, half, 1, 1);
    text(&n->modules, "m");
    same_pool(&n->modules, n->d, 5);
    member(&n->modules, n->d, "cv2", 4 * half, out, 1, 1);
    return out;
}

static void pyramid(network *n, size_t count)
{
    static const size_t kernels[3] = {5, 9, 13};
    open_sequential(&n->modules, "m");
    for (size_t i = 0; i < count; i++) {
        numbered(&n->modules, i);
        same_pool(&n->modules, n->d, kernels[i]);
    }
    close_members(&n->modules);
}

static size_t k_spp(network *n, size_t in)
{
    const size_t half = width_of(n->d), out = width_of(n->d);
    member(&n->modules, n->d, "cv1", in, half, 1, 1);
    pyramid(n, 3);
    member(&n->modules, n->d, "cv2", 4 * half, out, 1, 1);
    return out;
}

static size_t k_sppcspc(network *n, size_t in)
{
    const size_t half = width_of(n->d), out = width_of(n->d);
    const struct {
        const char *name;
        size_t in, out, kernel;
    } members[] = {{"cv1", in, half, 1},       {"cv2", in, half, 1},   {"cv3", half, half, 3},   {"cv4", half, half, 1},
                   {"cv5", 4 * half, half, 1}, {"cv6", half, half, 3}, {"cv7", 2 * half, out, 1}};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        member(&n->modules, n->d, members[i].name, members[i].in, members[i].out, members[i].kernel, 1);
    pyramid(n, 3);
    return out;
}

static void shuffle_branches(network *n, size_t in, size_t half, size_t stride)
{
    writer *w = &n->modules;
    open_sequential(w, "branch1");
    if (stride == 2) {
        step(w, n->d, 0, 1, in, 3, 2, false);
        step(w, n->d, 2, in, half, 1, 1, true);
    }
    close_members(w);
    open_sequential(w, "branch2");
    step(w, n->d, 0, stride == 2 ? in : half, half, 1, 1, true);
    step(w, n->d, 3, 1, half, 3, stride, false);
    step(w, n->d, 5, half, half, 1, 1, true);
    close_members(w);
}

static size_t k_shuffle(network *n, size_t in)
{
    shuffle_branches(n, in, in / 2 ? in / 2 : 1, 1);
    return in;
}

static size_t k_shuffle_stride(network *n, size_t in)
{
    const size_t half = width_of(n->d);
    shuffle_branches(n, in, half, 2);
    return 2 * half;
}

static size_t k_reorg(network *n, size_t in)
{
    (void)n;
    return 4 * in;
}

static size_t k_focus(network *n, size_t in)
{
    const size_t out = width_of(n->d);
    member(&n->modules, n->d, "conv", 4 * in, out, 1, 1);
    return out;
}

static size_t k_stem(network *n, size_t in)
{
    const size_t out = width_of(n->d);
    member(&n->modules, n->d, "stem_1", in, out, 3, 2);
    member(&n->modules, n->d, "stem_2a", out, out, 1, 1);
    member(&n->modules, n->d, "stem_2b", out, out, 3, 2);
    text(&n->modules, "stem_2p");
    max_pool(&n->modules, n->d, 2, 2, 0);
    member(&n->modules, n->d, "stem_3", 2 * out, out, 1, 1);
    return out;
}

static size_t k_repconv(network *n, size_t in)
{
    open_sequential(&n->modules, "rbr_dense");
    step(&n->modules, n->d, 0, in, in, 3, 1, false);
    close_members(&n->modules);
    open_sequential(&n->modules, "rbr_1x1");
    step(&n->modules, n->d, 0, in, in, 1, 1, false);
    close_members(&n->modules);
    if (draw(n->d, 2)) {
        text(&n->modules, "rbr_identity");
        batch_norm(&n->modules, n->d, in);
    }
    return in;
}

static size_t k_conv_pool(network *n, size_t in)
{
    const size_t out = width_of(n->d);
    open_sequential(&n->modules, "conv");
    step(&n->modules, n->d, 0, in, out, 3, 2, true);
    close_members(&n->modules);
    text(&n->modules, "maxpool");
    max_pool(&n->modules, n->d, 3, 2, 1);
    return out;
}

static const kind kinds[] = {
    {"models.common\nConv", k_conv_stride, 1, false, false},
    {"models.common\nConv", k_conv, 0, false, false},
    {"models.common\nConcat", k_none, 0, true, false},
    {"models.common\nMP", k_mp, 1, false, false},
    {"models.common\nSP", k_sp, 0, false, true},
    {"models.common\nSPF", k_spf, 0, false, true},
    {"torch.nn.modules.upsampling\nUpsample", k_none, -1, false, true},
    {"models.common\nADD", k_none, 0, true, false},
    {"models.common\nBottleneck", k_bottleneck, 0, false, true},
    {"models.common\nC3", k_c3, 0, false, false},
    {"models.common\nSPPF", k_sppf, 0, false, false},
    {"models.common\nSPPCSPC", k_sppcspc, 0, false, false},
    {"models.common\nSPP", k_spp, 0, false, false},
    {"models.common\nShuffle_Block", k_shuffle, 0, false, true},
    {"models.common\nShuffle_Block", k_shuffle_stride, 1, false, false},
    {"models.common\nReOrg", k_reorg, 1, false, false},
    {"models.common\nFocus", k_focus, 1, false, false},
    {"models.common\nStemBlock", k_stem, 2, false, false},
    {"models.common\nRepConv", k_repconv, 0, false, true},
    {"models.common\nconv_bn_relu_maxpool", k_conv_pool, 2, false, false},
    {"models.common\nDWConv", k_dwconv, 0, false, true},
};

/* Attributes of the layer itself, whatever it is: most classes have but one or two of them. */
static void layer_attributes(network *n, const kind *k, bool wide)
{
    writer *w = &n->modules;
    if (k->members == k_shuffle || k->members == k_shuffle_stride)
        attribute(w, n->d, "stride", wide ? 2 : 1);
    if (strstr(k->name, "Upsample"))
        attribute(w, n->d, "scale_factor", 2);
    if (strstr(k->name, "Concat"))
        attribute(w, n->d, "d", 1);
    if (strstr(k->name, "ADD"))
        attribute(w, n->d, "a", 0.5);
    if (strstr(k->name, "Bottleneck"))
        attribute(w, n->d, "add", 1);
}

/* The latest layer of the same level (and, for ADD, as many channels) before the last one; else the last one. */
static size_t partner_of(const network *n, bool channels)
{
    const layer *last = &n->layers[n->count - 1];
    for (size_t i = n->count - 1; i-- > 0;)
        if (n->layers[i].level == last->level && (!channels || n->layers[i].channels == last->channels))
            return i;
    return n->count - 1;
}

/* Row of the yaml: [from, number, module, [arguments]] with numbers as arguments. */
static void yaml_row(network *n, const char *name)
{
    writer *w = &n->rows;
    const size_t arguments = draw(n->d, 8) == 7 ? draw(n->d, 6) : 0;
    op(w, "](");
    number(w, -1);
    number(w, 1);
    text(w, name);
    op(w, "](");
    for (size_t i = 0; i < arguments; i++) {
        if (draw(n->d, 4) == 3)
            op(w, "N");
        else
            number(w, fact(n->d, 1));
    }
    op(w, "ee");
}

/* The layer's own object, with the inputs if it is not repeated. */
static size_t write_layer(network *n, const kind *k, size_t in, size_t partner, bool alone)
{
    writer *w = &n->modules;
    open_object(w, k->name);
    no_parameters(w);
    if (alone) {
        text(w, "f");
        op(w, "](");
        number(w, fact(n->d, -1));
        if (k->pairs)
            number(w, fact(n->d, (double)partner));
        op(w, "e");
    }
    layer_attributes(n, k, k->level > 0);
    text(w, "_modules");
    op(w, "}(");
    const size_t out = k->members(n, in);
    close_members(w);
    return out;
}

static void add_layer(network *n)
{
    static const double repeats[] = {2, 3, 20, 300, 1000, 1001};
    writer *w = &n->modules;
    const kind *k = &kinds[draw(n->d, sizeof kinds / sizeof *kinds)];
    const layer last = n->count ? n->layers[n->count - 1] : (layer){3, 0};
    if (k->pairs && !n->count)
        k = &kinds[0];
    const size_t partner = n->count ? partner_of(n, strstr(k->name, "ADD") != NULL) : 0;
    const bool repeated = k->same && draw(n->d, 32) == 31;
    size_t out;
    numbered(w, n->count);
    yaml_row(n, strchr(k->name, '\n') + 1);
    if (repeated) {
        const size_t times = (size_t)repeats[draw(n->d, sizeof repeats / sizeof *repeats)];
        open_object(w, "torch.nn.modules.container\nSequential");
        attribute(w, n->d, "f", -1);
        open_members(w);
        numbered(w, 0);
        out = write_layer(n, k, last.channels, partner, false);
        op(w, "r");
        put32(w, (uint32_t)++n->memo);
        for (size_t i = 1; i < times; i++) {
            numbered(w, i);
            op(w, "j");
            put32(w, (uint32_t)n->memo);
        }
        close_members(w);
    } else
        out = write_layer(n, k, last.channels, partner, true);
    if (strstr(k->name, "Concat"))
        out += n->layers[partner].channels;
    const size_t level = k->level < 0 && !last.level ? 0 : last.level + (size_t)k->level;
    n->layers[n->count++] = (layer){out, level};
}

/* ---- the head ---- */

typedef struct head {
    size_t levels, anchors, classes, points;
    size_t from[3];
} head;

static void implicit(network *n, const head *h, const char *name, bool outputs)
{
    writer *w = &n->modules;
    text(w, name);
    open_object(w, "torch.nn.modules.container\nModuleList");
    open_members(w);
    for (size_t i = 0; i < h->levels; i++) {
        const size_t usual = outputs ? h->anchors * (5 + h->classes) : n->layers[h->from[i]].channels;
        numbered(w, i);
        open_object(w, "models.common\nImplicit");
        text(w, "_parameters");
        op(w, "}(");
        vector(w, "implicit", true, count_fact(n->d, usual, PLENTY));
        op(w, "u");
        text(w, "_modules");
        op(w, "}");
        close_object(w);
    }
    close_members(w);
}

static void box_maps(network *n, const head *h)
{
    writer *w = &n->modules;
    text(w, "m");
    open_object(w, "torch.nn.modules.container\nModuleList");
    open_members(w);
    for (size_t i = 0; i < h->levels; i++) {
        numbered(w, i);
        conv2d(w, n->d, n->layers[h->from[i]].channels, h->anchors * (5 + h->classes), 1, 1, 0, true);
    }
    close_members(w);
}

static void keypoint_maps(network *n, const head *h)
{
    writer *w = &n->modules;
    text(w, "m_kpt");
    open_object(w, "torch.nn.modules.container\nModuleList");
    open_members(w);
    for (size_t i = 0; i < h->levels; i++) {
        const size_t in = n->layers[h->from[i]].channels, blocks = draw(n->d, 3);
        numbered(w, i);
        if (blocks) {
            open_object(w, "torch.nn.modules.container\nSequential");
            open_members(w);
            for (size_t k = 0; k < blocks; k++) {
                numbered(w, k);
                open_object(w, "models.common\nConv");
                open_members(w);
                conv_members(w, n->d, in, in, 3, 1, true);
                close_members(w);
            }
            numbered(w, blocks);
        }
        conv2d(w, n->d, in, h->anchors * 3 * h->points, 1, 1, 0, true);
        if (blocks)
            close_members(w);
    }
    close_members(w);
}

static void add_head(network *n, const head *h)
{
    writer *w = &n->modules;
    numbered(w, n->count);
    yaml_row(n, h->points ? "IKeypoint" : "Detect");
    open_object(w, h->points ? "models.yolo\nIKeypoint" : "models.yolo\nDetect");
    no_parameters(w);
    if (draw(n->d, 2)) {
        const size_t shape[6] = {h->levels, 1, count_fact(n->d, h->anchors, PLENTY), 1, 1, 2};
        text(w, "_buffers");
        op(w, "}(");
        text(w, "anchor_grid");
        tensor(w, draw(n->d, 16) != 15, shape, 6);
        op(w, "u");
    }
    text(w, "f");
    op(w, "](");
    for (size_t i = 0; i < h->levels; i++)
        number(w, fact(n->d, (double)h->from[i]));
    op(w, "e");
    attribute(w, n->d, "nc", (double)h->classes);
    attribute(w, n->d, "nkpt", (double)h->points);
    text(w, "_modules");
    op(w, "}(");
    if (draw(n->d, 2)) {
        implicit(n, h, "ia", false);
        implicit(n, h, "im", true);
    }
    box_maps(n, h);
    if (h->points)
        keypoint_maps(n, h);
    close_members(w);
}

/* The last layer and up to two earlier ones, finest first. */
static head draw_head(network *n)
{
    head h = {1 + draw(n->d, 3), 1 + draw(n->d, 3), 1 + draw(n->d, 2), 5 * (1 - draw(n->d, 2)), {0}};
    if (h.levels > n->count)
        h.levels = n->count;
    for (size_t i = 0; i < h.levels; i++)
        h.from[i] = n->count - h.levels + i;
    return h;
}

/* ---- the file ---- */

static void write_yaml(writer *w, network *n, const head *h)
{
    text(w, "yaml");
    op(w, "}(");
    attribute(w, n->d, "width_multiple", 1);
    text(w, "anchors");
    op(w, "](");
    for (size_t i = 0; i < h->levels; i++) {
        op(w, "](");
        for (size_t k = 0; k < 2 * h->anchors; k++)
            number(w, fact(n->d, 4 + (double)(8 * i + k)));
        op(w, "e");
    }
    op(w, "e");
    text(w, "backbone");
    op(w, "](");
    put(w, n->rows.bytes, n->rows.size);
    op(w, "eu");
}

static void write_file(writer *w, draws *d)
{
    network n = {.d = d};
    const size_t layers = 1 + draw(d, MAX_LAYERS);
    for (size_t i = 0; i < layers; i++)
        add_layer(&n);
    const head h = draw_head(&n);
    add_head(&n, &h);
    /* the prelude of torch.save before the zip files: magic number, protocol 1001, the machine */
    put(w, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02", 27);
    open_object(w, "models.yolo\nModel");
    open_members(w);
    open_sequential(w, "model");
    put(w, n.modules.bytes, n.modules.size);
    close_members(w);
    op(w, "u");
    write_yaml(w, &n, &h);
    close_object(w);
    op(w, ".\x80\x02]");
    text(w, "0");
    op(w, "a.");
    put(w, &(uint64_t){STORAGE}, 8);
    for (size_t i = 0; i < STORAGE; i++) {
        const float x = (float)(i * 2654435761u % 1024) / 1024.0f;
        put(w, &(float){i < STORAGE / 2 ? 0.5f - x : 0.5f + x}, sizeof x);
    }
    ssfer_free(n.modules.bytes);
    ssfer_free(n.rows.bytes);
}

/* ---- running it ---- */

/* Runs a plan; *rows are the head's cells as decoded. */
static void run_plan(ssfer_yolo_rows *rows, const ssfer_yolo *net, const ssfer_conv_plan *plan)
{
    ssfer_conv_workspace *ws;
    ssfer_yolo_pick *picks = NULL;
    size_t count = 0;
    ssfer_error err = {0};
    if (ssfer_conv_workspace_create(&ws, plan, &err) != SSFER_OK)
        abort();
    float *input = ssfer_conv_workspace_input(ws);
    for (size_t i = 0; i < 3 * ssfer_conv_plan_height(plan, 0) * ssfer_conv_plan_width(plan, 0); i++)
        input[i] = (float)(i % 255) / 255.0f;
    if (ssfer_conv_workspace_run(ws, &err) != SSFER_OK || ssfer_yolo_decode(rows, net, plan, ws, -1, &err) != SSFER_OK)
        abort();
    const size_t some = rows->count < MAX_ROWS ? rows->count : MAX_ROWS; /* the work is quadratic */
    if (ssfer_yolo_select(&picks, &count, rows->data, some, rows->values, net->classes, 0.1f, 0.5, &err) != SSFER_OK ||
        count > some)
        abort();
    ssfer_free(picks);
    ssfer_conv_workspace_destroy(ws);
}

/* What a plan promises beyond its memory: whoever reads one map cell by cell may read the other at the same places. */
static void check_maps(const ssfer_yolo *net, const ssfer_conv_plan *plan)
{
    for (size_t i = 0; i < net->level_count; i++) {
        const ssfer_yolo_level *l = &net->levels[i];
        if (ssfer_conv_plan_height(plan, l->box) != ssfer_conv_plan_height(plan, l->keypoints) ||
            ssfer_conv_plan_width(plan, l->box) != ssfer_conv_plan_width(plan, l->keypoints) ||
            ssfer_conv_plan_height(plan, l->box) * l->stride != ssfer_conv_plan_height(plan, 0) ||
            ssfer_conv_plan_width(plan, l->box) * l->stride != ssfer_conv_plan_width(plan, 0))
            abort();
    }
}

static bool is_little_work(const ssfer_yolo *net, size_t height, size_t width)
{
    size_t *sizes = ssfer_malloc(2 * ssfer_conv_graph_value_count(net->graph) * sizeof *sizes);
    const bool fit = ssfer_conv_graph_sizes(net->graph, sizes, height, width, NULL) == SSFER_OK;
    const bool little = !fit || ssfer_conv_graph_cost(net->graph, sizes).operations < MAX_OPERATIONS;
    ssfer_free(sizes);
    return little;
}

/* A picture through the network, with memory shared among its values and without: the same numbers. */
static void run_network(const ssfer_yolo *net, size_t across, size_t down)
{
    const size_t side = net->max_stride < LEAST_SIDE ? LEAST_SIDE : net->max_stride; /* strides divide 256 */
    ssfer_yolo_rows rows[2] = {{0}, {0}};
    ssfer_error err = {0};
    if (ssfer_conv_graph_value_count(net->graph) > PLENTY)
        abort(); /* far more steps than any network has */
    if (!is_little_work(net, down * side, across * side))
        return;
    for (int apart = 0; apart < 2; apart++) {
        ssfer_conv_plan *plan;
        if (ssfer_yolo_plan(&plan, net, down * side, across * side, apart, MAX_ARENA, &err) == SSFER_OK) {
            check_maps(net, plan);
            run_plan(&rows[apart], net, plan);
            ssfer_conv_plan_destroy(plan);
        } else if (!err.message[0] || strchr(err.message, '\n'))
            abort(); /* an error without its line */
    }
    if (rows[0].count && rows[1].count &&
        (rows[0].count != rows[1].count ||
         memcmp(rows[0].data, rows[1].data, rows[0].count * rows[0].values * sizeof(float)) != 0))
        abort();
    ssfer_yolo_rows_deinit(&rows[0]);
    ssfer_yolo_rows_deinit(&rows[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    draws d = {data, data + size};
    ssfer_error err = {0};
    ssfer_yolo *net;
    writer file = {0};
    write_file(&file, &d);
    if (ssfer_yolo_load_memory(&net, file.bytes, file.size, "file", NULL, &err) == SSFER_OK) {
        run_network(net, 1, 1);
        run_network(net, 1 + draw(&d, 3), 1 + draw(&d, 3));
        ssfer_yolo_destroy(net);
    } else if (!err.message[0] || strchr(err.message, '\n'))
        abort();
    if (getenv("SSFER_FUZZ_SHOW"))
        fprintf(stderr, "%s\n", err.message[0] ? err.message : "runs");
    ssfer_free(file.bytes);
    return 0;
}
