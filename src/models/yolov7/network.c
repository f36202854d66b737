#include "models/yolov7/network.h"

#include "base/memory.h"
#include "base/size.h"
#include "models/yolov7/builder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the head: Detect, IDetect, IKeypoint ---- */

/* ImplicitA (added to the features) and ImplicitM (times the outputs) of level i become bias and weights. */
static void fold_implicit(yolo_builder *b, yolo_folded *f, const char *path, size_t i)
{
    const ssfer_tensor *a = yolo_find(b, path, yolo_join(b, "", "ia.%zu.implicit", i).text);
    const ssfer_tensor *m = yolo_find(b, path, yolo_join(b, "", "im.%zu.implicit", i).text);
    if (b->st != SSFER_OK || (!a && !m))
        return;
    if (!a || !m || a->count != f->in || m->count != f->out) {
        yolo_fail(b, SSFER_ERR_FORMAT, path, "implicit values of level %zu do not fit %zu to %zu channels", i, f->in,
                  f->out);
        return;
    }
    float *va = ssfer_malloc(a->count * sizeof *va), *vm = ssfer_malloc(m->count * sizeof *vm);
    if (va && vm) {
        ssfer_tensor_to_f32(va, a);
        ssfer_tensor_to_f32(vm, m);
        for (size_t o = 0; o < f->out; o++) {
            double *w = f->weights + o * f->in, sum = f->bias[o];
            for (size_t c = 0; c < f->in; c++) {
                sum += w[c] * (double)va[c];
                w[c] *= (double)vm[o];
            }
            f->bias[o] = sum * (double)vm[o];
        }
    } else
        yolo_fail(b, SSFER_ERR_MEMORY, path, "out of memory");
    ssfer_free(va);
    ssfer_free(vm);
}

/* Appends g's output channels to f; both read the same features with 1x1 kernels. */
static bool stack(yolo_builder *b, yolo_folded *f, const yolo_folded *g)
{
    size_t old = f->out * f->in, more = g->out * g->in;
    double *w = ssfer_realloc(f->weights, (old + more) * sizeof *w);
    f->weights = w ? w : f->weights;
    double *bias = w ? ssfer_realloc(f->bias, (f->out + g->out) * sizeof *bias) : NULL;
    f->bias = bias ? bias : f->bias;
    if (!w || !bias) {
        yolo_fail(b, SSFER_ERR_MEMORY, "", "out of memory");
        return false;
    }
    memcpy(w + old, g->weights, more * sizeof *w);
    memcpy(bias + f->out, g->bias, g->out * sizeof *bias);
    f->out += g->out;
    return true;
}

/* The blocks before a keypoint convolution (members 0, 1, ... that are Conv modules), if there are any. *last is the
 * path of the convolution itself. */
static size_t keypoint_blocks(yolo_builder *b, size_t x, const char *path, yolo_path *last)
{
    *last = yolo_join(b, "", "%s", path);
    for (size_t k = 0; b->st == SSFER_OK && k < 64; k++) {
        yolo_path p = yolo_join(b, path, "%zu", k), inner = yolo_join(b, p.text, "conv");
        if (yolo_find(b, inner.text, "weight"))
            x = yolo_conv(b, x, p.text, 1, -1, "SiLU");
        else {
            if (yolo_find(b, p.text, "weight"))
                *last = p;
            break;
        }
    }
    return x;
}

static void head_level(yolo_builder *b, ssfer_yolo *net, const yolo_row *row, size_t i)
{
    const yolo_act none = {SSFER_ACTIVATION_NONE, 0};
    ssfer_yolo_level *level = &net->levels[i];
    yolo_path box = yolo_join(b, row->path, "m.%zu", i), points = yolo_join(b, row->path, "m_kpt.%zu", i), last;
    yolo_folded f = {0}, g = {0};
    if (!yolo_fold_load(b, &f, box.text))
        return;
    fold_implicit(b, &f, row->path, i);
    size_t per_anchor = 5 + net->classes, x = row->in[i];
    level->anchor_count = f.out / per_anchor;
    level->keypoints_channel = f.out;
    if (f.out % per_anchor != 0 || !f.out || level->anchor_count > SSFER_YOLO_MAX_ANCHORS || f.kh != 1 || f.kw != 1)
        yolo_fail(b, SSFER_ERR_FORMAT, box.text, "%zu channels do not hold anchors of %zu values", f.out, per_anchor);
    else if (f.in != yolo_channels(b, x))
        yolo_fail(b, SSFER_ERR_FORMAT, box.text, "weights for %zu channels read %zu", f.in, yolo_channels(b, x));
    if (net->keypoints) {
        size_t y = keypoint_blocks(b, x, points.text, &last);
        if (yolo_fold_load(b, &g, last.text) &&
            (g.kh != 1 || g.kw != 1 || g.out != level->anchor_count * 3 * net->keypoints))
            yolo_fail(b, SSFER_ERR_FORMAT, last.text, "%zu channels for %zu anchors with %zu keypoints", g.out,
                      level->anchor_count, net->keypoints);
        else if (b->st == SSFER_OK && g.in != yolo_channels(b, y))
            yolo_fail(b, SSFER_ERR_FORMAT, last.text, "weights for %zu channels read %zu", g.in, yolo_channels(b, y));
        if (b->st == SSFER_OK && y == x)
            stack(b, &f, &g);
        else {
            level->keypoints = yolo_fold_emit(b, y, &g, 1, 0, 0, none, last.text);
            level->keypoints_channel = 0;
        }
    }
    level->box = yolo_fold_emit(b, x, &f, 1, 0, 0, none, box.text);
    if (level->keypoints == 0)
        level->keypoints = level->box;
    yolo_fold_free(&f);
    yolo_fold_free(&g);
    if (b->st == SSFER_OK) {
        ssfer_conv_graph_keep(b->graph, level->box);
        ssfer_conv_graph_keep(b->graph, level->keypoints);
    }
}

/* Anchors in pixels: those of the weights where they hold them, else the configuration's. */
static void read_anchors(yolo_builder *b, ssfer_yolo *net, const yolo_row *row)
{
    const ssfer_tensor *grid = yolo_find(b, row->path, "anchor_grid");
    size_t total = 0, at = 0;
    yolo_find(b, row->path, "anchors"); /* the same in cells */
    for (size_t i = 0; i < net->level_count; i++)
        total += 2 * net->levels[i].anchor_count;
    float values[SSFER_YOLO_MAX_LEVELS * SSFER_YOLO_MAX_ANCHORS * 2];
    if (grid && grid->count == total && b->st == SSFER_OK)
        ssfer_tensor_to_f32(values, grid);
    else
        grid = NULL;
    for (size_t i = 0; i < net->level_count && b->st == SSFER_OK; i++) {
        ssfer_yolo_level *level = &net->levels[i];
        if (!grid && (i >= b->config->levels || b->config->anchor_count[i] != level->anchor_count)) {
            yolo_fail(b, SSFER_ERR_FORMAT, row->path, "anchors of level %zu are missing", i);
            return;
        }
        for (size_t a = 0; a < level->anchor_count; a++)
            for (size_t k = 0; k < 2; k++) {
                float v = level->anchors[a][k] = grid ? values[at++] : b->config->anchors[i][a][k];
                if (!ssfer_yolo_anchor_ok((double)v))
                    yolo_fail(b, SSFER_ERR_FORMAT, row->path, "anchor %zu of level %zu is %g pixels wide or high", a, i,
                              (double)v);
            }
    }
}

static void build_head(yolo_builder *b, ssfer_yolo *net, const yolo_row *row)
{
    yolo_path probe = yolo_join(b, row->path, "m_kpt.0");
    bool keypoints = strstr(row->layer->module, "IKeypoint") != NULL;
    net->keypoints = keypoints ? b->config->keypoints : 0;
    net->values = 5 + net->classes + 3 * net->keypoints;
    net->level_count = row->in_count;
    if (row->in_count > SSFER_YOLO_MAX_LEVELS || !net->classes || (keypoints && !probe.text[0])) {
        yolo_fail(b, SSFER_ERR_LIMIT, row->path, "a head with %zu levels and %zu classes", row->in_count, net->classes);
        return;
    }
    for (size_t i = 0; i < net->level_count && b->st == SSFER_OK; i++)
        head_level(b, net, row, i);
    if (b->st == SSFER_OK)
        read_anchors(b, net, row);
}

/* ---- sizes ---- */

/* Of a face detector's work. The largest networks of the family are YOLOv7-E6E (843 GFLOPs at 1280x1280: 515,000
 * operations a pixel) and, for faces, yolov7-face (255,000 a pixel, 32 numbers a pixel in its first layer); custom ones
 * are smaller. What needs more than the following could keep a computer busy for minutes, whatever the file's size. */
static const double MAX_OPERATIONS_PER_PIXEL = 1 << 21, MAX_NUMBERS_PER_PIXEL = 1 << 10;
enum { REFERENCE_SIDE = 256 }; /* of the picture with which the reference finds the strides */

static ssfer_status check_cost(const ssfer_yolo *net, const size_t *sizes, size_t height, size_t width,
                               ssfer_error *err)
{
    const ssfer_conv_cost cost = ssfer_conv_graph_cost(net->graph, sizes);
    const double pixels = fmax((double)height * (double)width, REFERENCE_SIDE * REFERENCE_SIDE);
    if (cost.operations > MAX_OPERATIONS_PER_PIXEL * pixels)
        return ssfer_fail(err, SSFER_ERR_LIMIT,
                          "%s: a network of %.3g operations for each pixel of a picture; at most %.3g are accepted",
                          net->name, cost.operations / pixels, MAX_OPERATIONS_PER_PIXEL);
    if (cost.largest_value > MAX_NUMBERS_PER_PIXEL * pixels)
        return ssfer_fail(err, SSFER_ERR_LIMIT,
                          "%s: a layer of %.3g numbers for each pixel of a picture; at most %.3g are accepted",
                          net->name, cost.largest_value / pixels, MAX_NUMBERS_PER_PIXEL);
    return SSFER_OK;
}

/* The maps of boxes and of keypoints are read cell by cell: each must have the picture's size divided by the stride. */
static ssfer_status check_maps(const ssfer_yolo *net, const size_t *sizes, size_t height, size_t width,
                               ssfer_error *err)
{
    for (size_t i = 0; i < net->level_count; i++) {
        const ssfer_yolo_level *level = &net->levels[i];
        const size_t h = height / level->stride, w = width / level->stride;
        const size_t *box = sizes + 2 * level->box, *points = sizes + 2 * level->keypoints;
        if (box[0] != h || box[1] != w || points[0] != h || points[1] != w)
            return ssfer_fail(
                err, SSFER_ERR_FORMAT,
                "%s: level %zu of the head gives %zux%zu boxes and %zux%zu sets of keypoints for a picture "
                "of %zux%zu; stride %zu makes it %zux%zu of both",
                net->name, i, box[1], box[0], points[1], points[0], width, height, level->stride, w, h);
    }
    return SSFER_OK;
}

/* Strides as the reference finds them: from the sizes for one picture. */
static ssfer_status find_strides(ssfer_yolo *net, const size_t *sizes, ssfer_error *err)
{
    for (size_t i = 0; i < net->level_count; i++) {
        size_t h = sizes[2 * net->levels[i].box];
        if (!h || REFERENCE_SIDE % h != 0)
            return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: level %zu of the head does not divide the picture", net->name,
                              i);
        net->levels[i].stride = REFERENCE_SIDE / h;
        net->max_stride = ssfer_max_size(net->max_stride, net->levels[i].stride);
    }
    return SSFER_OK;
}

static ssfer_status check_sizes(const ssfer_yolo *net, size_t height, size_t width, ssfer_yolo *strides,
                                ssfer_error *err)
{
    size_t *sizes = ssfer_calloc(ssfer_conv_graph_value_count(net->graph), 2 * sizeof *sizes);
    if (!sizes)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", net->name);
    ssfer_status st = ssfer_conv_graph_sizes(net->graph, sizes, height, width, err);
    if (st != SSFER_OK)
        ssfer_fail_prefix(err, st, "%s", net->name);
    if (st == SSFER_OK)
        st = check_cost(net, sizes, height, width, err);
    if (st == SSFER_OK && strides)
        st = find_strides(strides, sizes, err);
    if (st == SSFER_OK)
        st = check_maps(net, sizes, height, width, err);
    ssfer_free(sizes);
    return st;
}

ssfer_status ssfer_yolo_plan(ssfer_conv_plan **out, const ssfer_yolo *net, size_t height, size_t width, bool keep_all,
                             size_t max_bytes, ssfer_error *err)
{
    *out = NULL;
    ssfer_status st = check_sizes(net, height, width, NULL, err);
    if (st != SSFER_OK)
        return st;
    st = ssfer_conv_plan_create(out, net->graph, height, width, keep_all, max_bytes, err);
    return st == SSFER_OK ? st : ssfer_fail_prefix(err, st, "%s", net->name);
}

/* ---- the rows ---- */

/* The last part of a module's name: "models.common.Conv" and "nn.Upsample" are Conv and Upsample. */
static const char *short_name(const char *module)
{
    const char *dot = strrchr(module, '.');
    return dot ? dot + 1 : module;
}

static bool is_head(const char *module)
{
    return strcmp(module, "IKeypoint") == 0 || strcmp(module, "IDetect") == 0 || strcmp(module, "Detect") == 0;
}

/* Modules that take the repeat count as an argument instead of being repeated. */
static bool repeats_inside(const char *module)
{
    return strcmp(module, "C3") == 0 || strcmp(module, "SPPCSPC") == 0;
}

static bool resolve_inputs(yolo_builder *b, const ssfer_yolo *net, const ssfer_yolo_layer *l, size_t index,
                           size_t in[SSFER_YOLO_MAX_FROM], const char *path)
{
    for (size_t i = 0; i < l->from_count; i++) {
        long from = l->from[i], at = from < 0 ? (long)index + from : from;
        if (index == 0 && from == -1)
            in[i] = 0; /* the picture */
        else if (at < 0 || at >= (long)index) {
            yolo_fail(b, SSFER_ERR_FORMAT, path, "reads layer %ld, which does not come before it", from);
            return false;
        } else
            in[i] = net->layers[at];
    }
    return true;
}

static void build_layer(yolo_builder *b, ssfer_yolo *net, size_t index)
{
    const ssfer_yolo_layer *l = &b->config->layers[index];
    const char *module = short_name(l->module);
    size_t in[SSFER_YOLO_MAX_FROM];
    yolo_path path = yolo_join(b, "", "%s%zu", b->prefix, index);
    yolo_row row = {path.text, in, l->from_count, l};
    if (!resolve_inputs(b, net, l, index, in, path.text))
        return;
    if (is_head(module)) {
        if (index + 1 != b->config->layer_count)
            yolo_fail(b, SSFER_ERR_UNSUPPORTED, path.text, "a head that is not the last layer");
        else
            build_head(b, net, &row);
        return;
    }
    double scaled = nearbyint((double)l->repeat * b->config->depth); /* Python's round: half to even */
    size_t repeat = l->repeat > 1 ? (size_t)fmin(fmax(scaled, 1), 1000) : 1;
    b->blocks += repeat;
    if (b->blocks > SSFER_YOLO_MAX_LAYERS) {
        yolo_fail(b, SSFER_ERR_LIMIT, path.text, "more than %d layers, each counted as often as it is repeated",
                  SSFER_YOLO_MAX_LAYERS);
        return;
    }
    if (repeat == 1 || repeats_inside(module)) {
        net->layers[index] = yolo_block(b, module, &row);
        return;
    }
    for (size_t r = 0; r < repeat && b->st == SSFER_OK; r++) {
        yolo_path inner = yolo_join(b, path.text, "%zu", r);
        row.path = inner.text;
        in[0] = net->layers[index] = yolo_block(b, module, &row);
        row.in_count = 1;
    }
}

static void count_tensors(const yolo_builder *b, ssfer_yolo *net)
{
    for (size_t i = 0; i < ssfer_tensor_set_count(b->weights); i++) {
        net->parameters += b->used[i] ? ssfer_tensor_set_at(b->weights, i)->count : 0;
        net->unused += !b->used[i];
    }
}

/* Convolutions keep their weights with channels padded to blocks and groups filled with zeros. That may be eight times
 * what the file has (one channel in a block of eight), and for small files a little more; grouped convolutions, which
 * no published network has, could otherwise make thousands of numbers of one. */
static size_t weight_limit(const ssfer_tensor_set *weights)
{
    const size_t factor = 8, always = (size_t)1 << 22;
    size_t total = 0, limit;
    for (size_t i = 0; i < ssfer_tensor_set_count(weights); i++)
        if (!ssfer_add_size(total, ssfer_tensor_set_at(weights, i)->count, &total))
            return SIZE_MAX;
    return ssfer_mul_size(total, factor, &limit) && ssfer_add_size(limit, always, &limit) ? limit : SIZE_MAX;
}

ssfer_status ssfer_yolo_build(ssfer_yolo **out, ssfer_yolo_config *config, const ssfer_tensor_set *weights,
                              const char *name, ssfer_error *err)
{
    *out = NULL;
    if (!config->layer_count || !is_head(short_name(config->layers[config->layer_count - 1].module)))
        return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "%s: the last layer is no detection head; is this a detector?",
                          name);
    ssfer_yolo *net = ssfer_calloc(1, sizeof *net);
    yolo_builder b = {
        .weights = weights, .config = config, .name = name, .max_weights = weight_limit(weights), .err = err};
    if (!net)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", name);
    net->classes = config->classes;
    net->layer_count = config->layer_count;
    net->layers = ssfer_calloc(config->layer_count, sizeof *net->layers);
    net->name = ssfer_strdup(name);
    b.used = ssfer_calloc(ssfer_tensor_set_count(weights), sizeof *b.used);
    if (!net->layers || !net->name || !b.used)
        yolo_fail(&b, SSFER_ERR_MEMORY, "", "out of memory");
    else
        b.st = ssfer_conv_graph_create(&net->graph, 3, err);
    b.graph = net->graph;
    b.prefix = "";
    for (size_t i = 0; b.st == SSFER_OK && i < ssfer_tensor_set_count(weights); i++)
        if (strncmp(ssfer_tensor_set_at(weights, i)->name, "model.", 6) == 0)
            b.prefix = "model.";
    for (size_t i = 0; i < config->layer_count && b.st == SSFER_OK; i++)
        build_layer(&b, net, i);
    if (b.st == SSFER_OK)
        b.st = check_sizes(net, REFERENCE_SIDE, REFERENCE_SIDE, net, err);
    if (b.st == SSFER_OK) {
        count_tensors(&b, net);
        *out = net;
    } else
        ssfer_yolo_destroy(net);
    ssfer_free(b.used);
    return b.st;
}

void ssfer_yolo_destroy(ssfer_yolo *net)
{
    if (!net)
        return;
    ssfer_conv_graph_destroy(net->graph);
    ssfer_free(net->layers);
    ssfer_free(net->name);
    ssfer_free(net);
}
