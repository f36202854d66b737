#include "models/yolov7/pickled.h"

#include "base/number.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    MAX_DEPTH = 16,        /* published networks nest modules five deep */
    MAX_MODULES = 1 << 15, /* published networks have about 600 */
    MAX_ENTRIES = 1 << 18, /* attributes and members of all of them: about 20 a module */
    PATH_SIZE = 256
};

typedef struct reader {
    ssfer_yolo_config *config;
    const char *name;
    size_t modules, entries; /* visited */
    ssfer_error *err;
} reader;

const ssfer_pickle_node *ssfer_yolo_pickled_module(const ssfer_pickle_node *root)
{
    const char *keys[2] = {"ema", "model"}; /* the reference prefers the averaged weights */
    if (ssfer_torch_is_module(root))
        return root;
    for (int i = 0; i < 2; i++) {
        const ssfer_pickle_node *found = ssfer_pickle_get(root, keys[i]);
        if (ssfer_torch_is_module(found))
            return found;
    }
    return NULL;
}

/* ---- attributes of modules as facts ---- */

/* A number, or the k-th of a pair; false where the attribute is something else. */
static bool pair_value(double *out, const ssfer_pickle_node *node, size_t k)
{
    if (ssfer_pickle_double(node, out))
        return true;
    size_t n = ssfer_pickle_count(node);
    return n >= 1 && n <= 2 && ssfer_pickle_double(ssfer_pickle_at(node, k < n ? k : 0), out);
}

static ssfer_status add_fact(reader *r, const char *path, const char *key, const char *value)
{
    ssfer_status st = ssfer_yolo_config_fact(r->config, path, key, value, r->err);
    return st == SSFER_OK ? st : ssfer_fail_prefix(r->err, st, "%s", r->name);
}

static ssfer_status number_fact(reader *r, const char *path, const char *key, const ssfer_pickle_node *node, size_t k)
{
    char text[40];
    double v;
    if (ssfer_pickle_kind_of(node) == SSFER_PICKLE_STRING)
        return ssfer_fail(r->err, SSFER_ERR_UNSUPPORTED, "%s: %s: %s is \"%.40s\"; only numbers are supported", r->name,
                          path, key, ssfer_pickle_text(node) ? ssfer_pickle_text(node) : "");
    if (!pair_value(&v, node, k))
        return SSFER_OK; /* absent in this version of PyTorch: the row's default holds */
    ssfer_snprintf(text, sizeof text, "%.17g", v);
    return add_fact(r, path, key, text);
}

/* A number that may be said for height and width; both must be the same. */
static ssfer_status square_fact(reader *r, const char *path, const char *key, const ssfer_pickle_node *node)
{
    double a, b;
    if (pair_value(&a, node, 0) && pair_value(&b, node, 1) && !(a == b))
        return ssfer_fail(r->err, SSFER_ERR_UNSUPPORTED, "%s: %s: %s is %g by %g; only equal ones are supported",
                          r->name, path, key, a, b);
    return number_fact(r, path, key, node, 0);
}

static ssfer_status must_be(reader *r, const char *path, const ssfer_pickle_node *module, const char *attribute,
                            double wanted)
{
    const ssfer_pickle_node *node = ssfer_pickle_attr(module, attribute);
    double v;
    for (size_t k = 0; k < 2; k++)
        if (pair_value(&v, node, k) && v != wanted)
            return ssfer_fail(r->err, SSFER_ERR_UNSUPPORTED, "%s: %s: %s is %g; only %g is supported", r->name, path,
                              attribute, v, wanted);
    return SSFER_OK;
}

static ssfer_status conv_facts(reader *r, const char *path, const ssfer_pickle_node *m)
{
    const char *mode = ssfer_pickle_text(ssfer_pickle_attr(m, "padding_mode"));
    if (mode && strcmp(mode, "zeros") != 0)
        return ssfer_fail(r->err, SSFER_ERR_UNSUPPORTED, "%s: %s: padding mode %.40s", r->name, path, mode);
    ssfer_status st = must_be(r, path, m, "dilation", 1);
    if (st == SSFER_OK)
        st = must_be(r, path, m, "transposed", 0);
    if (st == SSFER_OK)
        st = square_fact(r, path, "stride", ssfer_pickle_attr(m, "stride"));
    if (st == SSFER_OK)
        st = number_fact(r, path, "pad_h", ssfer_pickle_attr(m, "padding"), 0);
    if (st == SSFER_OK)
        st = number_fact(r, path, "pad_w", ssfer_pickle_attr(m, "padding"), 1);
    return st;
}

static ssfer_status pool_facts(reader *r, const char *path, const ssfer_pickle_node *m)
{
    ssfer_status st = must_be(r, path, m, "dilation", 1);
    if (st == SSFER_OK)
        st = square_fact(r, path, "kernel", ssfer_pickle_attr(m, "kernel_size"));
    if (st == SSFER_OK)
        st = square_fact(r, path, "stride", ssfer_pickle_attr(m, "stride"));
    if (st == SSFER_OK)
        st = square_fact(r, path, "pad", ssfer_pickle_attr(m, "padding"));
    if (st == SSFER_OK)
        st = number_fact(r, path, "ceil", ssfer_pickle_attr(m, "ceil_mode"), 0);
    return st;
}

static ssfer_status activation_fact(reader *r, const char *path, const char *class, const ssfer_pickle_node *m)
{
    char text[80];
    double slope;
    if (strcmp(class, "LeakyReLU") == 0 && ssfer_pickle_double(ssfer_pickle_attr(m, "negative_slope"), &slope)) {
        ssfer_snprintf(text, sizeof text, "LeakyReLU(%.17g)", slope);
    } else
        snprintf(text, sizeof text, "%.60s", class);
    return add_fact(r, path, "activation", text);
}

static ssfer_status upsample_facts(reader *r, const char *path, const ssfer_pickle_node *m)
{
    const char *mode = ssfer_pickle_text(ssfer_pickle_attr(m, "mode"));
    if (ssfer_pickle_kind_of(ssfer_pickle_attr(m, "size")) != SSFER_PICKLE_NONE) /* None, or no such attribute */
        return ssfer_fail(r->err, SSFER_ERR_UNSUPPORTED, "%s: %s: upsampling to a size; only by a factor is supported",
                          r->name, path);
    ssfer_status st = mode ? add_fact(r, path, "mode", mode) : SSFER_OK;
    if (st == SSFER_OK)
        st = square_fact(r, path, "factor", ssfer_pickle_attr(m, "scale_factor"));
    return st;
}

/* The last part of a class name. */
static const char *short_class(const ssfer_pickle_node *m)
{
    const char *class = ssfer_pickle_class(m), *dot = class ? strrchr(class, '.') : NULL;
    return dot ? dot + 1 : class ? class : "";
}

static ssfer_status module_facts(reader *r, const char *path, const ssfer_pickle_node *m)
{
    const char *class = short_class(m), *full = ssfer_pickle_class(m);
    if (strcmp(class, "Conv2d") == 0)
        return conv_facts(r, path, m);
    if (strncmp(class, "BatchNorm", 9) == 0)
        return number_fact(r, path, "eps", ssfer_pickle_attr(m, "eps"), 0);
    if (strcmp(class, "MaxPool2d") == 0)
        return pool_facts(r, path, m);
    if (strcmp(class, "Upsample") == 0)
        return upsample_facts(r, path, m);
    if (strcmp(class, "ADD") == 0)
        return number_fact(r, path, "alpha", ssfer_pickle_attr(m, "a"), 0);
    if (strcmp(class, "Concat") == 0)
        return number_fact(r, path, "dim", ssfer_pickle_attr(m, "d"), 0);
    if (strcmp(class, "Shuffle_Block") == 0)
        return number_fact(r, path, "stride", ssfer_pickle_attr(m, "stride"), 0);
    if (strcmp(class, "Bottleneck") == 0)
        return number_fact(r, path, "add", ssfer_pickle_attr(m, "add"), 0);
    if (full && strncmp(full, "torch.nn.modules.activation.", 28) == 0)
        return activation_fact(r, path, class, m);
    if (strcmp(class, "Identity") == 0)
        return activation_fact(r, path, class, m);
    return SSFER_OK;
}

/* How many attributes an object has, in its dict or in its pair of dicts. */
static size_t attribute_count(const ssfer_pickle_node *module)
{
    const ssfer_pickle_node *state = ssfer_pickle_state(module);
    if (ssfer_pickle_kind_of(state) != SSFER_PICKLE_TUPLE)
        return ssfer_pickle_count(state);
    return ssfer_pickle_count(ssfer_pickle_at(state, 0)) + ssfer_pickle_count(ssfer_pickle_at(state, 1));
}

/* All modules below `module`, depth first. A pickle may contain itself, and one large dict may belong to many modules:
 * depth and counts end that. */
static ssfer_status walk(reader *r, const char *path, const ssfer_pickle_node *module, size_t depth)
{
    char inner[PATH_SIZE];
    r->entries += attribute_count(module);
    const ssfer_pickle_node *children = r->entries <= MAX_ENTRIES ? ssfer_pickle_attr(module, "_modules") : NULL;
    r->entries += ssfer_pickle_count(children);
    if (++r->modules > MAX_MODULES || depth > MAX_DEPTH || r->entries > MAX_ENTRIES)
        return ssfer_fail(r->err, SSFER_ERR_LIMIT,
                          "%s: %s: more than %d modules with %d attributes, or nested more than %d deep", r->name, path,
                          MAX_MODULES, MAX_ENTRIES, MAX_DEPTH);
    ssfer_status st = module_facts(r, path, module);
    for (size_t i = 0; st == SSFER_OK && i < ssfer_pickle_count(children); i++) {
        const char *key = ssfer_pickle_text(ssfer_pickle_key_at(children, i));
        const ssfer_pickle_node *child = ssfer_pickle_value_at(children, i);
        if (ssfer_pickle_kind_of(child) == SSFER_PICKLE_NONE) /* a member that was set to None */
            continue;
        int n = key ? snprintf(inner, sizeof inner, "%s%s%s", path, *path ? "." : "", key) : -1;
        if (n < 0 || n >= PATH_SIZE)
            return ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s: %s: a module's name is missing or too long", r->name,
                              path);
        st = walk(r, inner, child, depth + 1);
    }
    return st;
}

/* ---- rows ---- */

/* An argument of a yaml row as one word: 3, None, nearest, [5,9,13]. False: nothing that a row can hold. */
static bool argument_text(char *out, size_t size, const ssfer_pickle_node *node)
{
    int64_t whole;
    double v;
    bool flag;
    int n = -1;
    const char *text = ssfer_pickle_text(node);
    switch (ssfer_pickle_kind_of(node)) {
    case SSFER_PICKLE_NONE:
        n = snprintf(out, size, "None");
        break;
    case SSFER_PICKLE_BOOL:
        n = ssfer_pickle_bool(node, &flag) ? snprintf(out, size, flag ? "True" : "False") : -1;
        break;
    case SSFER_PICKLE_INT:
        n = ssfer_pickle_int(node, &whole) ? snprintf(out, size, "%" PRId64, whole) : -1;
        break;
    case SSFER_PICKLE_FLOAT:
        n = ssfer_pickle_double(node, &v) ? ssfer_snprintf(out, size, "%.17g", v) : -1;
        break;
    case SSFER_PICKLE_STRING:
        n = text ? snprintf(out, size, "%s", text) : -1;
        break;
    default:
        break;
    }
    return n > 0 && (size_t)n < size;
}

static ssfer_status add_argument(reader *r, const ssfer_pickle_node *node)
{
    char text[200], part[60];
    size_t count = ssfer_pickle_count(node), used = 1;
    bool list = ssfer_pickle_kind_of(node) == SSFER_PICKLE_LIST || ssfer_pickle_kind_of(node) == SSFER_PICKLE_TUPLE;
    bool good = list ? count <= 8 : argument_text(text, sizeof text, node);
    if (list) {
        text[0] = '[';
        for (size_t i = 0; good && i < count; i++) {
            good = argument_text(part, sizeof part, ssfer_pickle_at(node, i));
            int n = good ? snprintf(text + used, sizeof text - used, "%s%s", i ? "," : "", part) : -1;
            good = n > 0 && used + (size_t)n + 2 < sizeof text;
            used += good ? (size_t)n : 0;
        }
        memcpy(text + used, "]", 2);
    }
    if (!good)
        return ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s: an argument of layer %zu cannot be read", r->name,
                          r->config->layer_count - 1);
    ssfer_status st = ssfer_yolo_config_arg(r->config, text, r->err);
    return st == SSFER_OK ? st : ssfer_fail_prefix(r->err, st, "%s", r->name);
}

/* Row i of yaml's backbone and head, one after the other. */
static const ssfer_pickle_node *yaml_row(const ssfer_pickle_node *backbone, const ssfer_pickle_node *head, size_t i)
{
    size_t n = ssfer_pickle_count(backbone);
    return i < n ? ssfer_pickle_at(backbone, i) : ssfer_pickle_at(head, i - n);
}

static bool read_from(long from[SSFER_YOLO_MAX_FROM], size_t *count, const ssfer_pickle_node *node)
{
    int64_t v;
    if (ssfer_pickle_int(node, &v) && v >= -SSFER_YOLO_MAX_LAYERS && v < SSFER_YOLO_MAX_LAYERS) {
        from[0] = (long)v;
        *count = 1;
        return true;
    }
    *count = ssfer_pickle_count(node);
    if (!*count || *count > SSFER_YOLO_MAX_FROM)
        return false;
    for (size_t i = 0; i < *count; i++) {
        if (!ssfer_pickle_int(ssfer_pickle_at(node, i), &v) || v < -SSFER_YOLO_MAX_LAYERS || v >= SSFER_YOLO_MAX_LAYERS)
            return false;
        from[i] = (long)v;
    }
    return true;
}

static const char *after_dot(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

/* One layer: class and inputs of the module, arguments of the yaml row if that is of the same class. */
static ssfer_status read_layer(reader *r, const ssfer_pickle_node *module, const ssfer_pickle_node *row)
{
    long from[SSFER_YOLO_MAX_FROM];
    size_t from_count, index = r->config->layer_count, repeat = 1;
    const char *class = ssfer_pickle_class(module), *type = ssfer_pickle_text(ssfer_pickle_attr(module, "type"));
    if (class && strcmp(after_dot(class), "Sequential") == 0) { /* a layer that is repeated */
        const ssfer_pickle_node *inner = ssfer_pickle_attr(module, "_modules");
        repeat = ssfer_pickle_count(inner);
        class = type ? type : ssfer_pickle_class(ssfer_pickle_value_at(inner, 0));
    }
    if (!class || !read_from(from, &from_count, ssfer_pickle_attr(module, "f")))
        return ssfer_fail(r->err, SSFER_ERR_UNSUPPORTED, "%s: layer %zu has no inputs; this is no YOLO network",
                          r->name, index);
    ssfer_status st = ssfer_yolo_config_layer(r->config, from, from_count, repeat, class, r->err);
    if (st != SSFER_OK)
        return ssfer_fail_prefix(r->err, st, "%s", r->name);
    const char *named = ssfer_pickle_text(ssfer_pickle_at(row, 2));
    const ssfer_pickle_node *args = ssfer_pickle_at(row, 3);
    if (!named || strcmp(after_dot(named), after_dot(class)) != 0)
        return st;
    for (size_t i = 0; st == SSFER_OK && i < ssfer_pickle_count(args); i++)
        st = add_argument(r, ssfer_pickle_at(args, i));
    return st;
}

/* ---- anchors and scalars ---- */

static ssfer_status read_anchors(reader *r, const ssfer_pickle_node *anchors)
{
    ssfer_yolo_config *c = r->config;
    size_t levels = ssfer_pickle_count(anchors);
    if (levels > SSFER_YOLO_MAX_LEVELS)
        return ssfer_fail(r->err, SSFER_ERR_LIMIT, "%s: anchors for %zu levels", r->name, levels);
    for (size_t i = 0; i < levels; i++) {
        const ssfer_pickle_node *level = ssfer_pickle_at(anchors, i);
        size_t count = ssfer_pickle_count(level) / 2;
        double v;
        for (size_t k = 0; k < 2 * count; k++) {
            if (count > SSFER_YOLO_MAX_ANCHORS || !ssfer_pickle_double(ssfer_pickle_at(level, k), &v) ||
                !ssfer_yolo_anchor_ok(v))
                return ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s: anchors of level %zu cannot be read", r->name, i);
            c->anchors[i][k / 2][k % 2] = (float)v;
        }
        if (!count)
            return SSFER_OK; /* a number of anchors instead of a list: the weights hold them */
        c->anchor_count[c->levels++] = count;
    }
    return SSFER_OK;
}

static ssfer_status read_count(reader *r, size_t *out, const ssfer_pickle_node *object, const char *key, size_t most)
{
    int64_t v;
    const ssfer_pickle_node *node = ssfer_pickle_attr(object, key); /* of a module; an entry of the yaml's dict */
    if (!ssfer_pickle_int(node ? node : ssfer_pickle_get(object, key), &v))
        return SSFER_OK;
    if (v < 0 || (uint64_t)v > most)
        return ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s: %s is %" PRId64 "; 0 to %zu is possible", r->name, key, v,
                          most);
    *out = (size_t)v;
    return SSFER_OK;
}

static ssfer_status read_scalars(reader *r, const ssfer_pickle_node *yaml, const ssfer_pickle_node *head)
{
    ssfer_yolo_config *c = r->config;
    const ssfer_pickle_node *from[2] = {yaml, head}; /* the module is right where they differ */
    double v;
    bool flag;
    for (size_t i = 0; i < 2; i++) {
        ssfer_status st = read_count(r, &c->classes, from[i], "nc", SSFER_YOLO_MAX_CLASSES);
        if (st == SSFER_OK)
            st = read_count(r, &c->keypoints, from[i], "nkpt", SSFER_YOLO_MAX_KEYPOINTS);
        if (st != SSFER_OK)
            return st;
    }
    if (ssfer_pickle_double(ssfer_pickle_get(yaml, "width_multiple"), &v) && v > 0 && v < 100)
        c->width = v;
    if (ssfer_pickle_bool(ssfer_pickle_get(yaml, "dw_conv_kpt"), &flag))
        c->keypoint_blocks = flag;
    /* repeat counts are those of the modules, to which the depth multiple was applied already: depth stays 1 */
    return read_anchors(r, ssfer_pickle_get(yaml, "anchors"));
}

ssfer_status ssfer_yolo_pickled_config(ssfer_yolo_config *config, const ssfer_pickle_node *model, const char *name,
                                       ssfer_error *err)
{
    reader r = {.config = config, .name = name, .err = err};
    const ssfer_pickle_node *yaml = ssfer_pickle_attr(model, "yaml");
    const ssfer_pickle_node *layers =
        ssfer_pickle_attr(ssfer_pickle_get(ssfer_pickle_attr(model, "_modules"), "model"), "_modules");
    size_t count = ssfer_pickle_count(layers);
    char what[120];
    ssfer_yolo_config_init(config);
    if (!count)
        return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "%s: holds %s, not a YOLO network", name,
                          ssfer_pickle_describe(model, what, sizeof what));
    const ssfer_pickle_node *backbone = ssfer_pickle_get(yaml, "backbone"), *head = ssfer_pickle_get(yaml, "head");
    ssfer_status st = walk(&r, "", model, 0); /* first: it bounds what is looked at below */
    if (st == SSFER_OK)
        st = read_scalars(&r, yaml, ssfer_pickle_value_at(layers, count - 1));
    for (size_t i = 0; st == SSFER_OK && i < count; i++)
        st = read_layer(&r, ssfer_pickle_value_at(layers, i), yaml_row(backbone, head, i));
    if (st == SSFER_OK)
        ssfer_yolo_config_sort(config);
    else
        ssfer_yolo_config_deinit(config);
    return st;
}
