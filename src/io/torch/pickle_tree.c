/* Looking at what a pickle holds: accessors, lookups, numbers (numpy's included). */
#include "io/half.h"
#include "io/torch/pickle_node.h"

#include <stdio.h>
#include <string.h>

ssfer_pickle_kind ssfer_pickle_kind_of(const ssfer_pickle_node *node)
{
    return node ? node->kind : SSFER_PICKLE_NONE;
}

static bool is_sequence(const ssfer_pickle_node *node)
{
    return node &&
           (node->kind == SSFER_PICKLE_LIST || node->kind == SSFER_PICKLE_TUPLE || node->kind == SSFER_PICKLE_SET);
}

/* The list or dict that a node is, or that an OBJECT of a derived class was filled as. */
static const ssfer_pickle_node *container_of(const ssfer_pickle_node *node)
{
    if (node && node->kind == SSFER_PICKLE_OBJECT)
        node = node->object.contents;
    return node && (is_sequence(node) || node->kind == SSFER_PICKLE_DICT) ? node : NULL;
}

const char *ssfer_pickle_describe(const ssfer_pickle_node *node, char *buffer, size_t size)
{
    static const char *const words[] = {
        [SSFER_PICKLE_NONE] = "None",     [SSFER_PICKLE_BOOL] = "a bool",
        [SSFER_PICKLE_INT] = "an int",    [SSFER_PICKLE_LONG] = "a big int",
        [SSFER_PICKLE_FLOAT] = "a float", [SSFER_PICKLE_STRING] = "a str",
        [SSFER_PICKLE_BYTES] = "bytes",   [SSFER_PICKLE_LIST] = "a list",
        [SSFER_PICKLE_TUPLE] = "a tuple", [SSFER_PICKLE_DICT] = "a dict",
        [SSFER_PICKLE_SET] = "a set",     [SSFER_PICKLE_GLOBAL] = "the name",
        [SSFER_PICKLE_OBJECT] = "object", [SSFER_PICKLE_PERSISTENT] = "a reference to a storage",
    };
    ssfer_pickle_kind kind = ssfer_pickle_kind_of(node);
    const char *name = ssfer_pickle_class(node);
    if (kind == SSFER_PICKLE_OBJECT)
        snprintf(buffer, size, "an object of class %.200s", name ? name : "(made by another object)");
    else if (kind == SSFER_PICKLE_GLOBAL)
        snprintf(buffer, size, "the name %.200s", name);
    else
        snprintf(buffer, size, "%s", words[kind]);
    return buffer;
}

const unsigned char *ssfer_pickle_bytes(const ssfer_pickle_node *node, size_t *size_bytes)
{
    ssfer_pickle_kind kind = ssfer_pickle_kind_of(node);
    bool has = kind == SSFER_PICKLE_STRING || kind == SSFER_PICKLE_BYTES || kind == SSFER_PICKLE_LONG;
    *size_bytes = has ? node->text.size : 0;
    return has ? (const unsigned char *)node->text.bytes : NULL;
}

const char *ssfer_pickle_text(const ssfer_pickle_node *node)
{
    if (ssfer_pickle_kind_of(node) != SSFER_PICKLE_STRING || memchr(node->text.bytes, 0, node->text.size))
        return NULL;
    return node->text.bytes;
}

size_t ssfer_pickle_count(const ssfer_pickle_node *node)
{
    const ssfer_pickle_node *c = container_of(node);
    if (!c)
        return 0;
    return c->kind == SSFER_PICKLE_DICT ? c->list.count / 2 : c->list.count;
}

const ssfer_pickle_node *ssfer_pickle_at(const ssfer_pickle_node *node, size_t i)
{
    const ssfer_pickle_node *c = container_of(node);
    return c && c->kind != SSFER_PICKLE_DICT && i < c->list.count ? c->list.items[i] : NULL;
}

static const ssfer_pickle_node *dict_slot(const ssfer_pickle_node *node, size_t i, size_t which)
{
    const ssfer_pickle_node *c = container_of(node);
    return c && c->kind == SSFER_PICKLE_DICT && i < c->list.count / 2 ? c->list.items[2 * i + which] : NULL;
}

const ssfer_pickle_node *ssfer_pickle_key_at(const ssfer_pickle_node *node, size_t i)
{
    return dict_slot(node, i, 0);
}

const ssfer_pickle_node *ssfer_pickle_value_at(const ssfer_pickle_node *node, size_t i)
{
    return dict_slot(node, i, 1);
}

const ssfer_pickle_node *ssfer_pickle_get(const ssfer_pickle_node *node, const char *key)
{
    const ssfer_pickle_node *c = container_of(node);
    size_t length = strlen(key);
    if (!c || c->kind != SSFER_PICKLE_DICT)
        return NULL;
    for (size_t i = c->list.count / 2; i-- > 0;) { /* from the end: a later assignment replaced an earlier one */
        const ssfer_pickle_node *k = c->list.items[2 * i];
        if (k->kind == SSFER_PICKLE_STRING && k->text.size == length && memcmp(k->text.bytes, key, length) == 0)
            return c->list.items[2 * i + 1];
    }
    return NULL;
}

const ssfer_pickle_node *ssfer_pickle_get_int(const ssfer_pickle_node *node, int64_t key)
{
    const ssfer_pickle_node *c = container_of(node);
    if (!c || c->kind != SSFER_PICKLE_DICT)
        return NULL;
    for (size_t i = c->list.count / 2; i-- > 0;) {
        const ssfer_pickle_node *k = c->list.items[2 * i];
        if ((k->kind == SSFER_PICKLE_INT || k->kind == SSFER_PICKLE_BOOL) && k->integer == key)
            return c->list.items[2 * i + 1];
    }
    return NULL;
}

const char *ssfer_pickle_class(const ssfer_pickle_node *node)
{
    if (ssfer_pickle_kind_of(node) == SSFER_PICKLE_OBJECT)
        node = node->object.callee;
    return ssfer_pickle_kind_of(node) == SSFER_PICKLE_GLOBAL ? node->text.bytes : NULL;
}

bool ssfer_pickle_is(const ssfer_pickle_node *node, const char *class_name)
{
    const char *name = ssfer_pickle_kind_of(node) == SSFER_PICKLE_OBJECT ? ssfer_pickle_class(node) : NULL;
    return name && strcmp(name, class_name) == 0;
}

const ssfer_pickle_node *ssfer_pickle_args(const ssfer_pickle_node *node)
{
    ssfer_pickle_kind kind = ssfer_pickle_kind_of(node);
    return kind == SSFER_PICKLE_OBJECT || kind == SSFER_PICKLE_PERSISTENT ? node->object.args : NULL;
}

const ssfer_pickle_node *ssfer_pickle_arg(const ssfer_pickle_node *node, size_t i)
{
    return ssfer_pickle_at(ssfer_pickle_args(node), i);
}

const ssfer_pickle_node *ssfer_pickle_state(const ssfer_pickle_node *node)
{
    ssfer_pickle_kind kind = ssfer_pickle_kind_of(node);
    if (kind == SSFER_PICKLE_DICT)
        return node->list.state;
    return kind == SSFER_PICKLE_OBJECT ? node->object.state : NULL;
}

const ssfer_pickle_node *ssfer_pickle_attr(const ssfer_pickle_node *node, const char *name)
{
    const ssfer_pickle_node *state = ssfer_pickle_state(node);
    if (ssfer_pickle_kind_of(state) != SSFER_PICKLE_TUPLE)
        return ssfer_pickle_get(state, name);
    const ssfer_pickle_node *found = ssfer_pickle_get(ssfer_pickle_at(state, 0), name);
    return found ? found : ssfer_pickle_get(ssfer_pickle_at(state, 1), name);
}

/* ---- numbers ------------------------------------------------------------------------------------------------- */

static bool has_suffix(const char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

/* numpy.core.multiarray.scalar(dtype, bytes), or an array whose state is (version, shape, dtype, fortran, bytes).
 * The module is numpy.core up to numpy 1 and numpy._core from numpy 2 on. */
static const ssfer_pickle_node *numpy_parts(const ssfer_pickle_node *node, const ssfer_pickle_node **data)
{
    const char *name = ssfer_pickle_kind_of(node) == SSFER_PICKLE_OBJECT ? ssfer_pickle_class(node) : NULL;
    if (!name || strncmp(name, "numpy.", 6) != 0)
        return NULL;
    if (has_suffix(name, ".multiarray.scalar")) {
        *data = ssfer_pickle_arg(node, 1);
        return ssfer_pickle_arg(node, 0);
    }
    if (has_suffix(name, ".multiarray._reconstruct")) {
        *data = ssfer_pickle_at(ssfer_pickle_state(node), 4);
        return ssfer_pickle_at(ssfer_pickle_state(node), 2);
    }
    return NULL;
}

/* The one element of a numpy object. Type codes: a letter and the size in bytes, "f8", "i4", "u1", "b1". */
static bool numpy_number(const ssfer_pickle_node *node, bool *is_integer, int64_t *integer, double *number)
{
    const ssfer_pickle_node *data = NULL, *dtype = numpy_parts(node, &data);
    const char *code = ssfer_pickle_is(dtype, "numpy.dtype") ? ssfer_pickle_text(ssfer_pickle_arg(dtype, 0)) : NULL;
    const char *order = ssfer_pickle_text(ssfer_pickle_at(ssfer_pickle_state(dtype), 1));
    size_t size;
    const unsigned char *bytes = ssfer_pickle_bytes(data, &size);
    if (!code || !strchr("fiub", code[0]) || code[1] < '1' || code[1] > '8' || code[2] || !bytes ||
        size != (size_t)(code[1] - '0'))
        return false;
    uint64_t bits = 0;
    for (size_t i = 0; i < size; i++)
        bits |= (uint64_t)bytes[order && order[0] == '>' ? size - 1 - i : i] << (8 * i);
    *is_integer = code[0] != 'f';
    if (code[0] == 'f' && size == 2) {
        *number = (double)ssfer_f16_to_f32((uint16_t)bits);
    } else if (code[0] == 'f' && size == 4) {
        float single;
        uint32_t low = (uint32_t)bits;
        memcpy(&single, &low, sizeof single);
        *number = (double)single;
    } else if (code[0] == 'f' && size == 8) {
        memcpy(number, &bits, sizeof *number);
    } else if (code[0] == 'f') {
        return false;
    } else {
        unsigned unused = (unsigned)(64 - 8 * size); /* two's complement of `size` bytes, sign extended */
        *integer = code[0] == 'i' ? (int64_t)(bits << unused) >> unused : (int64_t)bits;
        if (code[0] != 'i' && bits > INT64_MAX)
            return false;
    }
    return true;
}

bool ssfer_pickle_int(const ssfer_pickle_node *node, int64_t *out)
{
    ssfer_pickle_kind kind = ssfer_pickle_kind_of(node);
    if (kind == SSFER_PICKLE_INT || kind == SSFER_PICKLE_BOOL) {
        *out = node->integer;
        return true;
    }
    bool is_integer;
    int64_t integer = 0;
    double number;
    if (!numpy_number(node, &is_integer, &integer, &number) || !is_integer)
        return false;
    *out = integer;
    return true;
}

bool ssfer_pickle_double(const ssfer_pickle_node *node, double *out)
{
    ssfer_pickle_kind kind = ssfer_pickle_kind_of(node);
    if (kind == SSFER_PICKLE_FLOAT || kind == SSFER_PICKLE_INT || kind == SSFER_PICKLE_BOOL) {
        *out = kind == SSFER_PICKLE_FLOAT ? node->number : (double)node->integer;
        return true;
    }
    bool is_integer;
    int64_t integer = 0;
    double number = 0;
    if (!numpy_number(node, &is_integer, &integer, &number))
        return false;
    *out = is_integer ? (double)integer : number;
    return true;
}

bool ssfer_pickle_bool(const ssfer_pickle_node *node, bool *out)
{
    int64_t value;
    if (!ssfer_pickle_int(node, &value) || (value != 0 && value != 1))
        return false;
    *out = value == 1;
    return true;
}
