#include "models/yolov7/builder.h"

#include "base/memory.h"
#include "base/number.h"
#include "base/size.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names, errors, arguments ---- */

yolo_path yolo_join(yolo_builder *b, const char *path, const char *format, ...)
{
    yolo_path joined;
    va_list args;
    va_start(args, format);
    int n = snprintf(joined.text, sizeof joined.text, "%s%s", path, *path && *format ? "." : "");
    if (n >= 0 && (size_t)n < sizeof joined.text)
        n += ssfer_vsnprintf(joined.text + n, sizeof joined.text - (size_t)n, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof joined.text)
        yolo_fail(b, SSFER_ERR_LIMIT, "", "a module's name is too long");
    return joined;
}

size_t yolo_fail(yolo_builder *b, ssfer_status status, const char *path, const char *format, ...)
{
    char what[SSFER_ERROR_MESSAGE_SIZE];
    va_list args;
    if (b->st != SSFER_OK)
        return 0;
    va_start(args, format);
    ssfer_vsnprintf(what, sizeof what, format, args);
    va_end(args);
    b->st = ssfer_fail(b->err, status, "%s: %s%s%s", b->name, path, *path ? ": " : "", what);
    return 0;
}

size_t yolo_graph_value(yolo_builder *b, ssfer_status st, const size_t *value, const char *path)
{
    if (st == SSFER_OK)
        return *value;
    b->st = ssfer_fail_prefix(b->err, st, "%s: %s", b->name, path);
    return 0;
}

const ssfer_tensor *yolo_find(yolo_builder *b, const char *path, const char *leaf)
{
    yolo_path full = yolo_join(b, path, "%s", leaf);
    if (b->st != SSFER_OK)
        return NULL;
    const ssfer_tensor *t = ssfer_tensor_set_find(b->weights, full.text);
    if (t)
        b->used[t - ssfer_tensor_set_at(b->weights, 0)] = true;
    return t;
}

const char *yolo_arg_text(const yolo_row *row, size_t i, const char *fallback)
{
    return i < row->layer->arg_count && strcmp(row->layer->args[i], "None") != 0 ? row->layer->args[i] : fallback;
}

static bool number(double *out, const char *text)
{
    const bool is_true = strcmp(text, "True") == 0; /* Python's truth values count as numbers */
    double v = is_true ? 1 : 0;
    if (!is_true && strcmp(text, "False") != 0 && ssfer_parse_double(&v, text, strlen(text)) != SSFER_OK)
        return false;
    *out = v;
    return fabs(v) <= (double)FLT_MAX;
}

double yolo_arg(yolo_builder *b, const yolo_row *row, size_t i, double fallback)
{
    const char *text = yolo_arg_text(row, i, NULL);
    double v = fallback;
    if (text && !number(&v, text))
        yolo_fail(b, SSFER_ERR_FORMAT, row->path, "argument %zu of %s is no number: %.60s", i, row->layer->module,
                  text);
    return v;
}

double yolo_fact(yolo_builder *b, const char *path, const char *key, double fallback)
{
    char usual[40];
    double v = fallback;
    ssfer_snprintf(usual, sizeof usual, "%.17g", fallback);
    const char *text = ssfer_yolo_config_find(b->config, path, key, usual);
    if (text && !number(&v, text))
        yolo_fail(b, SSFER_ERR_FORMAT, path, "%s is no number: %.60s", key, text);
    return v;
}

size_t yolo_fact_count(yolo_builder *b, const char *path, const char *key, double fallback)
{
    double v = yolo_fact(b, path, key, fallback);
    if (b->st == SSFER_OK && (!(v >= 0 && v <= YOLO_MAX_EXTENT) || v != floor(v)))
        yolo_fail(b, SSFER_ERR_FORMAT, path, "%s is %g; a whole number up to %d is possible", key, v, YOLO_MAX_EXTENT);
    return b->st == SSFER_OK ? (size_t)v : 0;
}

/* ---- activations ---- */

static bool parse_activation(yolo_act *act, const char *text)
{
    char name[16] = "";
    double slope = 0.01; /* PyTorch's default */
    if (strncmp(text, "nn.", 3) == 0)
        text += 3;
    size_t n = strcspn(text, "(");
    if (n < sizeof name)
        memcpy(name, text, n);
    const char *arg = text[n] == '(' ? text + n + 1 : ")";
    if (strncmp(arg, "negative_slope=", 15) == 0)
        arg += 15;
    if (strcmp(name, "SiLU") == 0 || strcmp(name, "True") == 0)
        *act = (yolo_act){SSFER_ACTIVATION_SILU, 0};
    else if (strcmp(name, "ReLU") == 0)
        *act = (yolo_act){SSFER_ACTIVATION_LEAKY_RELU, 0};
    else if (strcmp(name, "Identity") == 0 || strcmp(name, "False") == 0)
        *act = (yolo_act){SSFER_ACTIVATION_NONE, 0};
    else if (strcmp(name, "LeakyReLU") == 0) {
        const size_t length = strcspn(arg, ",)");
        if (*arg != ')' && (!arg[length] || ssfer_parse_double(&slope, arg, length) != SSFER_OK))
            return false;
        *act = (yolo_act){SSFER_ACTIVATION_LEAKY_RELU, fabs(slope) <= (double)FLT_MAX ? (float)slope : INFINITY};
    } else
        return false;
    return isfinite(act->slope);
}

yolo_act yolo_activation(yolo_builder *b, const char *path, const char *fallback)
{
    yolo_act act = {SSFER_ACTIVATION_NONE, 0};
    const char *text = ssfer_yolo_config_find(b->config, path, "activation", fallback);
    if (!text)
        text = fallback;
    if (b->st == SSFER_OK && !parse_activation(&act, text))
        yolo_fail(b, SSFER_ERR_UNSUPPORTED, path, "activation %.60s is not known", text);
    return act;
}

/* ---- folding ---- */

static double *to_double(yolo_builder *b, const ssfer_tensor *t)
{
    enum { MOST = 1 << 28 }; /* numbers of one tensor; the largest published has 9 million */
    float *narrow = t->count <= MOST ? ssfer_malloc(t->count * sizeof *narrow) : NULL;
    double *wide = narrow ? ssfer_malloc(t->count * sizeof *wide) : NULL;
    if (!wide)
        yolo_fail(b, t->count <= MOST ? SSFER_ERR_MEMORY : SSFER_ERR_LIMIT, t->name, "too large for memory");
    else {
        ssfer_tensor_to_f32(narrow, t);
        for (size_t i = 0; i < t->count; i++)
            wide[i] = (double)narrow[i];
    }
    ssfer_free(narrow);
    return wide;
}

bool yolo_fold_load(yolo_builder *b, yolo_folded *f, const char *conv_path)
{
    *f = (yolo_folded){0};
    const ssfer_tensor *w = yolo_find(b, conv_path, "weight"), *bias = yolo_find(b, conv_path, "bias");
    if (b->st != SSFER_OK)
        return false;
    if (!w || w->ndim != 4 || !w->count) {
        yolo_fail(b, SSFER_ERR_FORMAT, conv_path, w ? "weights are not four-dimensional" : "weights are missing");
        return false;
    }
    f->out = w->shape[0];
    f->in = w->shape[1];
    f->kh = w->shape[2];
    f->kw = w->shape[3];
    if (bias && bias->count != f->out) {
        yolo_fail(b, SSFER_ERR_FORMAT, conv_path, "%zu bias values for %zu channels", bias->count, f->out);
        return false;
    }
    f->weights = to_double(b, w);
    f->bias = bias ? to_double(b, bias) : ssfer_calloc(f->out, sizeof *f->bias);
    if (!f->weights || !f->bias) {
        yolo_fail(b, SSFER_ERR_MEMORY, conv_path, "out of memory");
        yolo_fold_free(f);
        return false;
    }
    return true;
}

void yolo_fold_free(yolo_folded *f)
{
    ssfer_free(f->weights);
    ssfer_free(f->bias);
    *f = (yolo_folded){0};
}

/* w' = w g / sqrt(var + eps); bias' = (bias - mean) g / sqrt(var + eps) + beta */
static void fold_channel(yolo_folded *f, size_t c, double gain, double shift)
{
    size_t row = f->in * f->kh * f->kw;
    for (size_t i = 0; i < row; i++)
        f->weights[c * row + i] *= gain;
    f->bias[c] = f->bias[c] * gain + shift;
}

bool yolo_fold_norm(yolo_builder *b, yolo_folded *f, const char *bn_path, bool required)
{
    const char *names[4] = {"weight", "bias", "running_mean", "running_var"};
    double *v[4] = {0};
    if (!required && !yolo_find(b, bn_path, "running_var"))
        return b->st == SSFER_OK;
    for (int i = 0; i < 4 && b->st == SSFER_OK; i++) {
        const ssfer_tensor *t = yolo_find(b, bn_path, names[i]);
        if (!t || t->count != f->out)
            yolo_fail(b, SSFER_ERR_FORMAT, bn_path, t ? "%s has %zu values for %zu channels" : "%s is missing",
                      names[i], t ? t->count : 0, f->out);
        else
            v[i] = to_double(b, t);
    }
    yolo_find(b, bn_path, "num_batches_tracked");    /* known, of no use here */
    double eps = yolo_fact(b, bn_path, "eps", 1e-3); /* the reference sets it for every batch-norm; PyTorch's is 1e-5 */
    for (size_t c = 0; c < f->out && b->st == SSFER_OK; c++) {
        // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): yolo_fail changes b->st
        double gain = v[0][c] / sqrt(v[3][c] + eps);
        if (!isfinite(gain))
            yolo_fail(b, SSFER_ERR_NUMERIC, bn_path, "channel %zu has variance %g", c, v[3][c]);
        fold_channel(f, c, gain, v[1][c] - v[2][c] * gain);
    }
    for (int i = 0; i < 4; i++)
        ssfer_free(v[i]);
    return b->st == SSFER_OK;
}

/* The numbers as float32, or NULL. Grouped convolutions that are not depthwise become dense ones with zeros. */
static float *narrow_weights(yolo_builder *b, const yolo_folded *f, const ssfer_conv_shape *shape, const char *path)
{
    size_t area = f->kh * f->kw, row = f->in * area, groups = shape->in_channels / f->in;
    size_t inputs = shape->depthwise ? 1 : shape->in_channels, floats = ssfer_conv_weight_floats(shape);
    size_t used = ssfer_conv_graph_weight_floats(b->graph);
    if (floats > b->max_weights - ssfer_min_size(used, b->max_weights)) {
        yolo_fail(b, SSFER_ERR_LIMIT, path,
                  "%zu groups make too much of the file's weights: more than %zu numbers in the network", groups,
                  b->max_weights);
        return NULL;
    }
    float *narrow = ssfer_calloc(f->out * inputs, area * sizeof *narrow); /* no more than floats, which were bounded */
    if (!narrow)
        yolo_fail(b, SSFER_ERR_MEMORY, path, "out of memory");
    for (size_t o = 0; narrow && o < f->out; o++) {
        size_t group = shape->depthwise ? 0 : o / (f->out / groups);
        for (size_t i = 0; i < row; i++)
            narrow[o * inputs * area + group * row + i] = (float)f->weights[o * row + i];
    }
    return narrow;
}

static bool all_finite(const double *x, size_t count)
{
    bool finite = true;
    for (size_t i = 0; i < count; i++)
        finite = finite && fabs(x[i]) <= (double)FLT_MAX;
    return finite;
}

size_t yolo_fold_emit(yolo_builder *b, size_t in, const yolo_folded *f, size_t stride, size_t pad_h, size_t pad_w,
                      yolo_act act, const char *path)
{
    if (b->st != SSFER_OK)
        return 0;
    size_t channels = ssfer_conv_graph_channels(b->graph, in), value = 0;
    if (channels % f->in != 0 || f->out % (channels / f->in) != 0)
        return yolo_fail(b, SSFER_ERR_FORMAT, path, "weights for %zu channels cannot read %zu", f->in, channels);
    const ssfer_conv_shape shape = {.in_channels = channels,
                                    .out_channels = f->out,
                                    .kernel_h = f->kh,
                                    .kernel_w = f->kw,
                                    .stride = stride,
                                    .pad_h = pad_h,
                                    .pad_w = pad_w,
                                    .depthwise = f->in == 1 && f->out == channels && channels > 1,
                                    .activation = act.kind,
                                    .slope = act.slope};
    if (!all_finite(f->weights, f->out * f->in * f->kh * f->kw) || !all_finite(f->bias, f->out))
        return yolo_fail(b, SSFER_ERR_NUMERIC, path, "weights are not finite; the file is damaged");
    float *weights = ssfer_conv_weight_floats(&shape) ? narrow_weights(b, f, &shape, path) : NULL;
    float *bias = ssfer_malloc(f->out * sizeof *bias);
    for (size_t i = 0; bias && i < f->out; i++)
        bias[i] = (float)f->bias[i];
    if (b->st == SSFER_OK && !bias)
        yolo_fail(b, SSFER_ERR_MEMORY, path, "out of memory");
    if (b->st == SSFER_OK) /* which refuses the shapes that have no weights here */
        value = yolo_graph_value(b, ssfer_conv_graph_conv(b->graph, &value, in, &shape, weights, bias, b->err), &value,
                                 path);
    ssfer_free(weights);
    ssfer_free(bias);
    return value;
}

size_t yolo_conv_at(yolo_builder *b, size_t in, const char *conv_path, const char *bn_path, size_t stride, double pad,
                    yolo_act act)
{
    yolo_folded f;
    size_t value = 0;
    if (b->st != SSFER_OK || !yolo_fold_load(b, &f, conv_path))
        return 0;
    double usual_h = pad < 0 ? (double)(f.kh / 2) : pad, usual_w = pad < 0 ? (double)(f.kw / 2) : pad;
    size_t s = yolo_fact_count(b, conv_path, "stride", (double)stride);
    size_t pad_h = yolo_fact_count(b, conv_path, "pad_h", usual_h);
    size_t pad_w = yolo_fact_count(b, conv_path, "pad_w", usual_w);
    if (!bn_path || yolo_fold_norm(b, &f, bn_path, false)) /* absent in files that were fused before saving */
        value = yolo_fold_emit(b, in, &f, s, pad_h, pad_w, act, conv_path);
    yolo_fold_free(&f);
    return value;
}

size_t yolo_conv(yolo_builder *b, size_t in, const char *path, size_t stride, double pad, const char *act)
{
    yolo_path conv = yolo_join(b, path, "conv"), bn = yolo_join(b, path, "bn"), a = yolo_join(b, path, "act");
    if (b->st != SSFER_OK)
        return 0;
    return yolo_conv_at(b, in, conv.text, bn.text, stride, pad, yolo_activation(b, a.text, act));
}

/* ---- the rest ---- */

size_t yolo_pool(yolo_builder *b, size_t in, const char *path, size_t kernel, size_t stride, size_t pad, bool ceil)
{
    if (b->st != SSFER_OK)
        return 0;
    size_t value = 0, k = yolo_fact_count(b, path, "kernel", (double)kernel);
    size_t s = yolo_fact_count(b, path, "stride", (double)stride);
    size_t p = yolo_fact_count(b, path, "pad", (double)pad);
    bool up = yolo_fact(b, path, "ceil", ceil) != 0;
    if (b->st != SSFER_OK)
        return 0;
    return yolo_graph_value(b, ssfer_conv_graph_max_pool(b->graph, &value, in, k, s, p, up, b->err), &value, path);
}

size_t yolo_concat(yolo_builder *b, const size_t *in, size_t count)
{
    size_t value = 0;
    if (b->st != SSFER_OK)
        return 0;
    return yolo_graph_value(b, ssfer_conv_graph_concat(b->graph, &value, in, count, b->err), &value, "");
}

size_t yolo_channels(yolo_builder *b, size_t value)
{
    return b->st == SSFER_OK ? ssfer_conv_graph_channels(b->graph, value) : 1;
}
