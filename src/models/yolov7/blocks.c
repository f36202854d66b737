/* The modules of YOLOv7-face, each as it computes when its batch-norms are folded. Sources of the shapes: the layers
 * that pickled models list, and the published configurations. */
#include "models/yolov7/builder.h"

#include "base/memory.h"
#include "base/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const yolo_act no_activation = {SSFER_ACTIVATION_NONE, 0};

enum { MAX_POOLINGS = 31 }; /* with kernel 3, one after the other: a kernel of 63. Published networks have 6 */

static size_t single_input(yolo_builder *b, const yolo_row *row)
{
    if (row->in_count != 1)
        return yolo_fail(b, SSFER_ERR_FORMAT, row->path, "%s takes one input, not %zu", row->layer->module,
                         row->in_count);
    return row->in[0];
}

/* A whole number of a row's arguments, 1 to 64. */
static size_t whole_arg(yolo_builder *b, const yolo_row *row, size_t i, double fallback)
{
    double v = yolo_arg(b, row, i, fallback);
    if (b->st == SSFER_OK && (!(v >= 1 && v <= 64) || v != floor(v)))
        yolo_fail(b, SSFER_ERR_FORMAT, row->path, "argument %zu of %s is %g", i, row->layer->module, v);
    return b->st == SSFER_OK ? (size_t)v : 1;
}

static const char *usual_activation(const yolo_builder *b)
{
    return b->config->activation ? b->config->activation : "SiLU";
}

/* A member that is the module Conv with kernel of the weights, stride 1, SiLU. */
static size_t member(yolo_builder *b, size_t in, const char *path, const char *name)
{
    yolo_path p = yolo_join(b, path, "%s", name);
    return yolo_conv(b, in, p.text, 1, -1, "SiLU");
}

/* ---- convolutions ---- */

/* Conv [out, kernel = 1, stride = 1, pad, groups, activation] */
static size_t block_conv(yolo_builder *b, const yolo_row *row)
{
    size_t x = single_input(b, row);
    return yolo_conv(b, x, row->path, whole_arg(b, row, 2, 1), yolo_arg(b, row, 3, -1),
                     yolo_arg_text(row, 5, usual_activation(b)));
}

/* DWConv [out, kernel, stride, activation]: a Conv with as many groups as channels allow */
static size_t block_dwconv(yolo_builder *b, const yolo_row *row)
{
    size_t x = single_input(b, row);
    return yolo_conv(b, x, row->path, whole_arg(b, row, 2, 1), -1, yolo_arg_text(row, 3, usual_activation(b)));
}

/* DWConvblock [out, kernel, stride]: depthwise, then pointwise, each with batch-norm and SiLU */
static size_t block_separable(yolo_builder *b, const yolo_row *row)
{
    size_t x = single_input(b, row);
    yolo_path c1 = yolo_join(b, row->path, "conv1"), n1 = yolo_join(b, row->path, "bn1");
    yolo_path c2 = yolo_join(b, row->path, "conv2"), n2 = yolo_join(b, row->path, "bn2");
    yolo_path a1 = yolo_join(b, row->path, "act1"), a2 = yolo_join(b, row->path, "act2");
    x = yolo_conv_at(b, x, c1.text, n1.text, whole_arg(b, row, 2, 1), -1, yolo_activation(b, a1.text, "SiLU"));
    return yolo_conv_at(b, x, c2.text, n2.text, 1, 0, yolo_activation(b, a2.text, "SiLU"));
}

/* Adds g (smaller or equal kernel) to f, centred. */
static void add_kernel(yolo_folded *f, const yolo_folded *g)
{
    size_t dy = (f->kh - g->kh) / 2, dx = (f->kw - g->kw) / 2;
    for (size_t o = 0; o < f->out; o++) {
        f->bias[o] += g->bias[o];
        for (size_t i = 0; i < f->in; i++)
            for (size_t y = 0; y < g->kh; y++)
                for (size_t x = 0; x < g->kw; x++)
                    f->weights[((o * f->in + i) * f->kh + y + dy) * f->kw + x + dx] +=
                        g->weights[((o * g->in + i) * g->kh + y) * g->kw + x];
    }
}

/* The identity branch: a batch-norm alone, i.e. a pointwise convolution with ones on its diagonal. */
static void add_identity(yolo_builder *b, yolo_folded *f, const char *path, size_t channels)
{
    double *ones = ssfer_calloc(f->out * f->in, sizeof *ones), *zeros = ssfer_calloc(f->out, sizeof *zeros);
    yolo_folded g = {f->out, f->in, 1, 1, ones, zeros};
    if (!ones || !zeros)
        yolo_fail(b, SSFER_ERR_MEMORY, path, "out of memory");
    else if (f->out != channels)
        yolo_fail(b, SSFER_ERR_FORMAT, path, "an identity from %zu to %zu channels", channels, f->out);
    for (size_t o = 0; b->st == SSFER_OK && o < f->out; o++)
        // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): yolo_fail changes b->st
        ones[o * f->in + o % f->in] = 1; /* groups are consecutive channels */
    if (b->st == SSFER_OK && yolo_fold_norm(b, &g, path, true))
        add_kernel(f, &g);
    ssfer_free(ones);
    ssfer_free(zeros);
}

/* RepConv [out, kernel = 3, stride]: three branches that add up to one convolution, or that convolution already */
static size_t block_repconv(yolo_builder *b, const yolo_row *row)
{
    size_t x = single_input(b, row), value = 0;
    yolo_path done = yolo_join(b, row->path, "rbr_reparam"), act = yolo_join(b, row->path, "act");
    yolo_path c3 = yolo_join(b, row->path, "rbr_dense.0"), n3 = yolo_join(b, row->path, "rbr_dense.1");
    yolo_path c1 = yolo_join(b, row->path, "rbr_1x1.0"), n1 = yolo_join(b, row->path, "rbr_1x1.1");
    yolo_path same = yolo_join(b, row->path, "rbr_identity");
    size_t stride = whole_arg(b, row, 2, 1);
    yolo_act a = yolo_activation(b, act.text, "SiLU");
    if (yolo_find(b, done.text, "weight"))
        return yolo_conv_at(b, x, done.text, NULL, stride, -1, a);
    yolo_folded f = {0}, g = {0};
    if (yolo_fold_load(b, &f, c3.text) && yolo_fold_norm(b, &f, n3.text, true) && yolo_fold_load(b, &g, c1.text) &&
        yolo_fold_norm(b, &g, n1.text, true)) {
        if (g.out != f.out || g.in != f.in || g.kh > f.kh || g.kw > f.kw)
            yolo_fail(b, SSFER_ERR_FORMAT, row->path, "branches do not fit together");
        else
            add_kernel(&f, &g);
        if (yolo_find(b, same.text, "weight"))
            add_identity(b, &f, same.text, yolo_channels(b, x));
        value = yolo_fold_emit(b, x, &f, stride, f.kh / 2, f.kw / 2, a, row->path);
    }
    yolo_fold_free(&f);
    yolo_fold_free(&g);
    return value;
}

/* Focus [out, kernel, stride]: space to depth, then Conv */
static size_t block_focus(yolo_builder *b, const yolo_row *row)
{
    size_t x = single_input(b, row), value = 0;
    yolo_path conv = yolo_join(b, row->path, "conv");
    if (b->st != SSFER_OK)
        return 0;
    x = yolo_graph_value(b, ssfer_conv_graph_space_to_depth(b->graph, &value, x, b->err), &value, row->path);
    return yolo_conv(b, x, conv.text, whole_arg(b, row, 2, 1), -1, usual_activation(b));
}

static size_t block_reorg(yolo_builder *b, const yolo_row *row)
{
    size_t x = single_input(b, row), value = 0;
    if (b->st != SSFER_OK)
        return 0;
    return yolo_graph_value(b, ssfer_conv_graph_space_to_depth(b->graph, &value, x, b->err), &value, row->path);
}

/* ---- residual blocks ---- */

static size_t bottleneck(yolo_builder *b, size_t x, const char *path, bool shortcut)
{
    size_t value = 0, y = member(b, member(b, x, path, "cv1"), path, "cv2");
    if (b->st != SSFER_OK || !shortcut || yolo_channels(b, x) != yolo_channels(b, y))
        return y;
    return yolo_graph_value(b, ssfer_conv_graph_add(b->graph, &value, x, y, 1, b->err), &value, path);
}

/* Bottleneck [out, shortcut = True]; the layer's own state of `add` wins */
static size_t block_bottleneck(yolo_builder *b, const yolo_row *row)
{
    size_t x = single_input(b, row);
    return bottleneck(b, x, row->path, yolo_fact(b, row->path, "add", yolo_arg(b, row, 1, 1)) != 0);
}

/* C3 [out, shortcut = True]: a chain of bottlenecks beside a pointwise convolution */
static size_t block_c3(yolo_builder *b, const yolo_row *row)
{
    size_t x = single_input(b, row), both[2];
    both[0] = member(b, x, row->path, "cv1");
    for (size_t i = 0; b->st == SSFER_OK; i++) {
        yolo_path m = yolo_join(b, row->path, "m.%zu", i), first = yolo_join(b, m.text, "cv1.conv");
        if (!yolo_find(b, first.text, "weight"))
            break;
        both[0] = bottleneck(b, both[0], m.text, yolo_fact(b, m.text, "add", yolo_arg(b, row, 1, 1)) != 0);
    }
    both[1] = member(b, x, row->path, "cv2");
    return member(b, yolo_concat(b, both, 2), row->path, "cv3");
}

/* ADD [alpha = 0.5] */
static size_t block_add(yolo_builder *b, const yolo_row *row)
{
    size_t value = 0;
    if (row->in_count != 2)
        return yolo_fail(b, SSFER_ERR_FORMAT, row->path, "ADD takes two inputs, not %zu", row->in_count);
    float alpha = (float)yolo_fact(b, row->path, "alpha", yolo_arg(b, row, 0, 0.5));
    if (b->st != SSFER_OK)
        return 0;
    return yolo_graph_value(b, ssfer_conv_graph_add(b->graph, &value, row->in[0], row->in[1], alpha, b->err), &value,
                            row->path);
}

/* Concat [dimension = 1] */
static size_t block_concat(yolo_builder *b, const yolo_row *row)
{
    size_t value = 0;
    if (yolo_fact(b, row->path, "dim", yolo_arg(b, row, 0, 1)) != 1)
        return yolo_fail(b, SSFER_ERR_UNSUPPORTED, row->path, "Concat along another dimension than the channels");
    if (b->st != SSFER_OK)
        return 0;
    return yolo_graph_value(b, ssfer_conv_graph_concat(b->graph, &value, row->in, row->in_count, b->err), &value,
                            row->path);
}

/* Upsample [size = None, factor, mode = nearest] */
static size_t block_upsample(yolo_builder *b, const yolo_row *row)
{
    size_t x = single_input(b, row), value = 0;
    const char *mode = ssfer_yolo_config_find(b->config, row->path, "mode", "nearest");
    double factor = yolo_fact(b, row->path, "factor", yolo_arg(b, row, 1, 2));
    if (strcmp(mode ? mode : yolo_arg_text(row, 2, "nearest"), "nearest") != 0 || yolo_arg_text(row, 0, NULL))
        return yolo_fail(b, SSFER_ERR_UNSUPPORTED, row->path, "upsampling other than nearest by a factor");
    if (!(factor >= 1 && factor <= 16) || factor != floor(factor))
        return yolo_fail(b, SSFER_ERR_UNSUPPORTED, row->path, "upsampling by %g", factor);
    if (b->st != SSFER_OK)
        return 0;
    return yolo_graph_value(b, ssfer_conv_graph_upsample(b->graph, &value, x, (size_t)factor, b->err), &value,
                            row->path);
}

/* ---- pooling ---- */

/* MP [kernel = 2] */
static size_t block_mp(yolo_builder *b, const yolo_row *row)
{
    size_t x = single_input(b, row), k = whole_arg(b, row, 0, 2);
    yolo_path m = yolo_join(b, row->path, "m");
    return yolo_pool(b, x, m.text, k, k, 0, false);
}

/* SP [kernel = 3, stride = 1] */
static size_t block_sp(yolo_builder *b, const yolo_row *row)
{
    size_t x = single_input(b, row), k = whole_arg(b, row, 0, 3);
    yolo_path m = yolo_join(b, row->path, "m");
    return yolo_pool(b, x, m.text, k, whole_arg(b, row, 1, 1), k / 2, false);
}

/* How many poolings with kernel 3 the file lists as PATH.0, PATH.1, ... */
static size_t listed_poolings(yolo_builder *b, const char *path, const char *usual)
{
    size_t listed = 0;
    while (b->st == SSFER_OK && listed <= MAX_POOLINGS &&
           ssfer_yolo_config_find(b->config, yolo_join(b, path, "%zu", listed).text, "kernel", usual))
        listed++;
    if (listed > MAX_POOLINGS)
        yolo_fail(b, SSFER_ERR_LIMIT, path, "more than %d poolings in one module", MAX_POOLINGS);
    return listed;
}

/* A pooling with an odd kernel k at stride 1 is (k - 1) / 2 poolings with kernel 3, which cost less and which is how
 * SPF and SPP spell it: the file then says something of PATH.0, PATH.1, ... instead of PATH. */
static size_t pool_same(yolo_builder *b, size_t x, const char *path, size_t kernel)
{
    size_t k = yolo_fact_count(b, path, "kernel", (double)kernel), listed = listed_poolings(b, path, "3");
    size_t count = listed ? listed : k / 2;
    if (listed && listed != k / 2) /* the row's argument says something else: the file's list is needed */
        listed_poolings(b, path, "");
    if (b->st == SSFER_OK && !listed && k % 2 == 0)
        return yolo_fail(b, SSFER_ERR_UNSUPPORTED, path, "a pooling with kernel %zu; an odd one up to %d is possible",
                         k, 2 * MAX_POOLINGS + 1);
    if (yolo_fact(b, path, "stride", 1) != 1 || yolo_fact(b, path, "pad", (double)count) != (double)count)
        return yolo_fail(b, SSFER_ERR_UNSUPPORTED, path, "a pooling that changes the picture's size");
    for (size_t i = 0; i < count; i++)
        x = yolo_pool(b, x, yolo_join(b, path, "%zu", i).text, 3, 1, 1, false);
    return x;
}

/* SPF [kernel = 3, stride = 1] */
static size_t block_spf(yolo_builder *b, const yolo_row *row)
{
    size_t x = single_input(b, row), k = whole_arg(b, row, 0, 3);
    yolo_path m = yolo_join(b, row->path, "m");
    if (whole_arg(b, row, 1, 1) != 1)
        return yolo_fail(b, SSFER_ERR_UNSUPPORTED, row->path, "SPF with a stride");
    return pool_same(b, x, m.text, k);
}

/* The kernels of a pyramid: "[5,9,13]", or what the file says of PATH.m.0, PATH.m.1, ...; at most 8. */
static size_t read_kernels(yolo_builder *b, const yolo_row *row, size_t arg, size_t kernels[8], const char *usual)
{
    const char *at = yolo_arg_text(row, arg, usual);
    size_t n = 0;
    if (*at == '[' || *at == '(')
        at++;
    while (*at && *at != ']' && *at != ')' && n < 8) {
        int64_t k;
        if (ssfer_scan_int(&k, &at) != SSFER_OK || k < 1 || k > 2 * MAX_POOLINGS + 1 || k % 2 == 0)
            return yolo_fail(b, SSFER_ERR_FORMAT, row->path, "pooling kernels %.60s", at);
        kernels[n++] = (size_t)k;
        at += *at == ',';
    }
    return n;
}

/* x beside its poolings with kernels m.0, m.1, ... */
static size_t pyramid(yolo_builder *b, size_t x, const yolo_row *row, const size_t *kernels, size_t count)
{
    size_t parts[9] = {x};
    for (size_t i = 0; i < count; i++) {
        yolo_path m = yolo_join(b, row->path, "m.%zu", i);
        // NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): `count` kernels have been read
        parts[i + 1] = pool_same(b, x, m.text, kernels[i]);
    }
    return yolo_concat(b, parts, count + 1);
}

/* x beside one pooling applied once, twice and three times */
static size_t chain(yolo_builder *b, size_t x, const yolo_row *row, size_t kernel)
{
    size_t parts[4] = {x};
    yolo_path m = yolo_join(b, row->path, "m");
    for (size_t i = 0; i < 3; i++)
        parts[i + 1] = pool_same(b, parts[i], m.text, kernel);
    return yolo_concat(b, parts, 4);
}

/* SPP [out, kernels = (3, 3, 3)] */
static size_t block_spp(yolo_builder *b, const yolo_row *row)
{
    size_t x = single_input(b, row), kernels[8], count = read_kernels(b, row, 1, kernels, "[3,3,3]");
    x = pyramid(b, member(b, x, row->path, "cv1"), row, kernels, count);
    return member(b, x, row->path, "cv2");
}

/* SPPF [out, kernel = 5] */
static size_t block_sppf(yolo_builder *b, const yolo_row *row)
{
    size_t x = single_input(b, row);
    x = chain(b, member(b, x, row->path, "cv1"), row, whole_arg(b, row, 1, 5));
    return member(b, x, row->path, "cv2");
}

/* Both forms: two branches from x; one goes through three convolutions, the poolings and two more convolutions. */
static size_t sppcspc(yolo_builder *b, const yolo_row *row, bool chained)
{
    size_t x = single_input(b, row), kernels[8], both[2];
    const char *path = row->path;
    size_t y = member(b, member(b, member(b, x, path, "cv1"), path, "cv3"), path, "cv4");
    if (chained)
        y = chain(b, y, row, whole_arg(b, row, 5, 5));
    else
        y = pyramid(b, y, row, kernels, read_kernels(b, row, 4, kernels, "[5,9,13]"));
    both[0] = member(b, member(b, y, path, "cv5"), path, "cv6");
    both[1] = member(b, x, path, "cv2");
    return member(b, yolo_concat(b, both, 2), path, "cv7");
}

/* SPPCSPC [out, shortcut, groups, expansion, kernels = (5, 9, 13)] */
static size_t block_sppcspc(yolo_builder *b, const yolo_row *row)
{
    return sppcspc(b, row, false);
}

/* SPPFCSPC [out, n, shortcut, groups, expansion, kernel = 5] */
static size_t block_sppfcspc(yolo_builder *b, const yolo_row *row)
{
    return sppcspc(b, row, true);
}

/* ---- the lite networks ---- */

/* StemBlock [out, kernel = 3, stride = 2]: a convolution and a pooling side by side, four times smaller than x */
static size_t block_stem(yolo_builder *b, const yolo_row *row)
{
    size_t x = single_input(b, row), both[2];
    yolo_path s1 = yolo_join(b, row->path, "stem_1"), s2a = yolo_join(b, row->path, "stem_2a");
    yolo_path s2b = yolo_join(b, row->path, "stem_2b"), s2p = yolo_join(b, row->path, "stem_2p");
    yolo_path s3 = yolo_join(b, row->path, "stem_3");
    x = yolo_conv(b, x, s1.text, whole_arg(b, row, 2, 2), -1, yolo_arg_text(row, 5, "SiLU"));
    both[0] = yolo_conv(b, yolo_conv(b, x, s2a.text, 1, 0, "SiLU"), s2b.text, 2, 1, "SiLU");
    both[1] = yolo_pool(b, x, s2p.text, 2, 2, 0, true);
    return yolo_conv(b, yolo_concat(b, both, 2), s3.text, 1, 0, "SiLU");
}

/* Members of a Sequential by index: a convolution, the batch-norm behind it, and an activation (-1: none). */
static size_t step(yolo_builder *b, size_t x, const char *branch, int conv, size_t stride, int act)
{
    yolo_path c = yolo_join(b, branch, "%d", conv), n = yolo_join(b, branch, "%d", conv + 1);
    yolo_path a = yolo_join(b, branch, "%d", act);
    return yolo_conv_at(b, x, c.text, n.text, stride, -1, act < 0 ? no_activation : yolo_activation(b, a.text, "SiLU"));
}

/* Shuffle_Block [out, stride]: at stride 1 half of the channels pass, at stride 2 both branches compute; then the
 * channels of the two halves alternate. */
static size_t block_shuffle(yolo_builder *b, const yolo_row *row)
{
    size_t x = single_input(b, row), left = 0, right = 0, value = 0;
    size_t half = yolo_channels(b, x) / 2;
    size_t stride = yolo_fact_count(b, row->path, "stride", (double)whole_arg(b, row, 1, 1));
    yolo_path one = yolo_join(b, row->path, "branch1"), two = yolo_join(b, row->path, "branch2");
    if (b->st != SSFER_OK)
        return 0;
    if (stride == 1) {
        if (yolo_channels(b, x) % 2 != 0)
            return yolo_fail(b, SSFER_ERR_FORMAT, row->path, "%zu channels cannot be halved", yolo_channels(b, x));
        left = yolo_graph_value(b, ssfer_conv_graph_slice(b->graph, &left, x, 0, half, b->err), &left, row->path);
        right = b->st == SSFER_OK ? yolo_graph_value(b, ssfer_conv_graph_slice(b->graph, &right, x, half, half, b->err),
                                                     &right, row->path)
                                  : 0;
    } else {
        left = step(b, step(b, x, one.text, 0, stride, -1), one.text, 2, 1, 4);
        right = x;
    }
    right = step(b, step(b, step(b, right, two.text, 0, 1, 2), two.text, 3, stride, -1), two.text, 5, 1, 7);
    if (b->st != SSFER_OK)
        return 0;
    return yolo_graph_value(b, ssfer_conv_graph_interleave(b->graph, &value, left, right, b->err), &value, row->path);
}

/* conv_bn_relu_maxpool [out] */
static size_t block_conv_pool(yolo_builder *b, const yolo_row *row)
{
    size_t x = single_input(b, row);
    yolo_path conv = yolo_join(b, row->path, "conv"), pool = yolo_join(b, row->path, "maxpool");
    return yolo_pool(b, step(b, x, conv.text, 0, 2, 2), pool.text, 3, 2, 1, false);
}

/* ---- by name ---- */

static const struct {
    const char *name;
    size_t (*build)(yolo_builder *b, const yolo_row *row);
} modules[] = {
    {"Conv", block_conv},
    {"DWConv", block_dwconv},
    {"DWConvblock", block_separable},
    {"RepConv", block_repconv},
    {"Focus", block_focus},
    {"ReOrg", block_reorg},
    {"Bottleneck", block_bottleneck},
    {"C3", block_c3},
    {"ADD", block_add},
    {"Concat", block_concat},
    {"Upsample", block_upsample},
    {"MP", block_mp},
    {"SP", block_sp},
    {"SPF", block_spf},
    {"SPP", block_spp},
    {"SPPF", block_sppf},
    {"SPPCSPC", block_sppcspc},
    {"SPPFCSPC", block_sppfcspc},
    {"StemBlock", block_stem},
    {"Shuffle_Block", block_shuffle},
    {"conv_bn_relu_maxpool", block_conv_pool},
};

size_t yolo_block(yolo_builder *b, const char *module, const yolo_row *row)
{
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        if (strcmp(modules[i].name, module) == 0)
            return modules[i].build(b, row);
    return yolo_fail(b, SSFER_ERR_UNSUPPORTED, row->path, "module %.60s is not known; is this a YOLOv7-face network?",
                     module);
}
