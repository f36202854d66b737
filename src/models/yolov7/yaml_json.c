#include "models/yolov7/yaml_json.h"

#include "base/number.h"
#include "io/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct reader {
    ssfer_yolo_config *config;
    const char *name;
    ssfer_error *err;
} reader;

static ssfer_status bad_row(const reader *r)
{
    return ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s: row %zu of the network's yaml cannot be read", r->name,
                      r->config->layer_count);
}

static bool read_whole(long *out, const ssfer_json *value)
{
    int64_t v;
    if (ssfer_json_to_int(&v, value, "", NULL) != SSFER_OK || v < -SSFER_YOLO_MAX_LAYERS || v >= SSFER_YOLO_MAX_LAYERS)
        return false;
    *out = (long)v;
    return true;
}

/* A scalar as one word. */
static bool scalar_text(char *out, size_t size, const ssfer_json *value)
{
    const char *text;
    int64_t whole;
    double number;
    bool flag;
    int n = -1;
    switch (ssfer_json_kind_of(value)) {
    case SSFER_JSON_NULL:
        n = snprintf(out, size, "None");
        break;
    case SSFER_JSON_BOOL:
        n = ssfer_json_to_bool(&flag, value, "", NULL) == SSFER_OK ? snprintf(out, size, flag ? "True" : "False") : -1;
        break;
    case SSFER_JSON_STRING:
        n = ssfer_json_to_string(&text, value, "", NULL) == SSFER_OK ? snprintf(out, size, "%s", text) : -1;
        break;
    case SSFER_JSON_NUMBER:
        if (ssfer_json_to_int(&whole, value, "", NULL) == SSFER_OK)
            n = snprintf(out, size, "%lld", (long long)whole);
        else if (ssfer_json_to_double(&number, value, "", NULL) == SSFER_OK)
            n = ssfer_snprintf(out, size, "%.17g", number);
        break;
    default:
        break;
    }
    return n > 0 && (size_t)n < size;
}

static ssfer_status add_word(reader *r, const char *text)
{
    ssfer_status st = ssfer_yolo_config_arg(r->config, text, r->err);
    return st == SSFER_OK ? st : ssfer_fail_prefix(r->err, st, "%s", r->name);
}

static ssfer_status add_argument(reader *r, const ssfer_json *value)
{
    char text[200], part[60];
    size_t used = 1;
    if (ssfer_json_kind_of(value) != SSFER_JSON_ARRAY)
        return scalar_text(text, sizeof text, value) ? add_word(r, text) : bad_row(r);
    text[0] = '[';
    for (size_t i = 0; i < ssfer_json_count(value); i++) {
        int n = scalar_text(part, sizeof part, ssfer_json_at(value, i))
                    ? snprintf(text + used, sizeof text - used, "%s%s", i ? "," : "", part)
                    : -1;
        if (n < 0 || used + (size_t)n + 2 > sizeof text)
            return bad_row(r);
        used += (size_t)n;
    }
    memcpy(text + used, "]", 2);
    return add_word(r, text);
}

/* [from, number, module, args] */
static ssfer_status read_row(reader *r, const ssfer_json *row)
{
    const ssfer_json *from_value = ssfer_json_at(row, 0), *args = ssfer_json_at(row, 3);
    long from[SSFER_YOLO_MAX_FROM], repeat;
    size_t count = 0;
    const char *module;
    if (ssfer_json_kind_of(from_value) == SSFER_JSON_ARRAY) {
        for (ssfer_json_iter i = ssfer_json_each(from_value); ssfer_json_next(&i);)
            if (count == SSFER_YOLO_MAX_FROM || !read_whole(&from[count++], i.value))
                return bad_row(r);
    } else if (!read_whole(&from[count++], from_value))
        return bad_row(r);
    if (!read_whole(&repeat, ssfer_json_at(row, 1)) || repeat < 1 ||
        ssfer_json_to_string(&module, ssfer_json_at(row, 2), "", NULL) != SSFER_OK)
        return bad_row(r);
    ssfer_status st = ssfer_yolo_config_layer(r->config, from, count, (size_t)repeat, module, r->err);
    if (st != SSFER_OK)
        return ssfer_fail_prefix(r->err, st, "%s", r->name);
    for (ssfer_json_iter i = ssfer_json_each(args); st == SSFER_OK && ssfer_json_next(&i);)
        st = add_argument(r, i.value);
    return st;
}

static ssfer_status read_anchors(reader *r, const ssfer_json *anchors)
{
    ssfer_yolo_config *c = r->config;
    for (ssfer_json_iter level = ssfer_json_each(anchors); ssfer_json_next(&level);) {
        size_t k = 0;
        double number;
        for (ssfer_json_iter i = ssfer_json_each(level.value); ssfer_json_next(&i); k++) {
            if (c->levels == SSFER_YOLO_MAX_LEVELS || k == 2 * SSFER_YOLO_MAX_ANCHORS ||
                ssfer_json_to_double(&number, i.value, "", NULL) != SSFER_OK || !ssfer_yolo_anchor_ok(number))
                return ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s: anchors of the network's yaml cannot be read",
                                  r->name);
            c->anchors[c->levels][k / 2][k % 2] = (float)number;
        }
        if (k < 2)
            break; /* a number of anchors instead of lists: the weights hold them */
        c->anchor_count[c->levels++] = k / 2;
    }
    return SSFER_OK;
}

/* A number of the document; absent, or not a number, leaves *out as it is. */
static ssfer_status read_number(reader *r, double *out, const ssfer_json *object, const char *key, double high)
{
    double v;
    if (ssfer_json_to_double(&v, ssfer_json_find(object, key), "", NULL) != SSFER_OK)
        return SSFER_OK;
    if (!(v >= 0 && v <= high))
        return ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s: %s of the network's yaml is %g; 0 to %g is possible", r->name,
                          key, v, high);
    *out = v;
    return SSFER_OK;
}

static ssfer_status read_count(reader *r, size_t *out, const ssfer_json *object, const char *key, double high)
{
    double v = (double)*out;
    ssfer_status st = read_number(r, &v, object, key, high);
    if (st == SSFER_OK && v != floor(v))
        st = ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s: %s of the network's yaml is %g, no whole number", r->name, key,
                        v);
    if (st == SSFER_OK)
        *out = (size_t)v;
    return st;
}

static ssfer_status read_document(reader *r, const ssfer_json *document)
{
    ssfer_yolo_config *c = r->config;
    const char *parts[2] = {"backbone", "head"};
    ssfer_status st = read_anchors(r, ssfer_json_find(document, "anchors"));
    if (st == SSFER_OK)
        st = read_count(r, &c->classes, document, "nc", SSFER_YOLO_MAX_CLASSES);
    if (st == SSFER_OK)
        st = read_count(r, &c->keypoints, document, "nkpt", SSFER_YOLO_MAX_KEYPOINTS);
    if (st == SSFER_OK)
        st = read_number(r, &c->depth, document, "depth_multiple", 100);
    if (st == SSFER_OK)
        st = read_number(r, &c->width, document, "width_multiple", 100);
    if (ssfer_json_to_bool(&c->keypoint_blocks, ssfer_json_find(document, "dw_conv_kpt"), "", NULL) != SSFER_OK)
        c->keypoint_blocks = false;
    for (size_t i = 0; i < 2; i++)
        for (ssfer_json_iter row = ssfer_json_each(ssfer_json_find(document, parts[i]));
             st == SSFER_OK && ssfer_json_next(&row);)
            st = read_row(r, row.value);
    if (st == SSFER_OK && !c->layer_count)
        st = ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s: the network's yaml has no rows", r->name);
    return st;
}

ssfer_status ssfer_yolo_yaml_json(ssfer_yolo_config *config, const char *text, const char *name, ssfer_error *err)
{
    ssfer_json *document;
    reader r = {config, name, err};
    ssfer_yolo_config_init(config);
    ssfer_status st = ssfer_json_parse(&document, text, strlen(text), name, err);
    if (st == SSFER_OK) {
        st = read_document(&r, document);
        ssfer_json_destroy(document);
    }
    if (st != SSFER_OK)
        ssfer_yolo_config_deinit(config);
    return st;
}
