/* Tensors in a pickle: what torch._utils._rebuild_* would make of their arguments, copied out contiguously. */
#include "base/memory.h"
#include "base/size.h"
#include "io/tensor_set_private.h"
#include "io/torch/torch_file_private.h"

#include <string.h>

enum {
    MAX_WRAPPERS = 8,
    MAX_MODULE_DEPTH = 64,
    MAX_MODULES = 10000,
    MAX_NON_PERSISTENT = 1000,
    TENSOR_OVERHEAD = 256,
    ENTRY_COST = 16 /* of a dict */
};

/* A call that makes a tensor: its function and arguments, with wrappers (parameters, subclasses) taken off. */
typedef struct call {
    const char *function;
    const ssfer_pickle_node *args;
} call;

typedef struct view {
    ssfer_torch_tensor_info info;
    size_t strides[SSFER_TENSOR_MAX_NDIM], offset; /* in elements */
    ssfer_torch_storage storage;
} view;

static bool is_rebuild(const char *function)
{
    return function && (strncmp(function, "torch._utils._rebuild_", 22) == 0 ||
                        strcmp(function, "torch._tensor._rebuild_from_type_v2") == 0);
}

/* What the outermost call really rebuilds. false: not a tensor. */
static bool unwrap(call *out, const ssfer_pickle_node *node)
{
    const char *function = ssfer_pickle_kind_of(node) == SSFER_PICKLE_OBJECT ? ssfer_pickle_class(node) : NULL;
    call c = {function, ssfer_pickle_args(node)};
    for (int i = 0; i < MAX_WRAPPERS && is_rebuild(c.function); i++) {
        const ssfer_pickle_node *first = ssfer_pickle_at(c.args, 0);
        // NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): is_rebuild has looked
        if (strcmp(c.function, "torch._utils._rebuild_parameter") == 0 ||
            strcmp(c.function, "torch._utils._rebuild_parameter_with_state") == 0) {
            c = (call){ssfer_pickle_kind_of(first) == SSFER_PICKLE_OBJECT ? ssfer_pickle_class(first) : NULL,
                       ssfer_pickle_args(first)};
        } else if (strcmp(c.function, "torch._tensor._rebuild_from_type_v2") == 0) {
            c = (call){ssfer_pickle_class(first), ssfer_pickle_at(c.args, 2)}; /* (function, type, args, state) */
        } else {
            *out = c;
            return true;
        }
    }
    return false;
}

bool ssfer_torch_is_tensor(const ssfer_pickle_node *node)
{
    call c;
    return unwrap(&c, node);
}

/* torch.dtype by name, for storages that have none */
static bool dtype_by_name(ssfer_dtype *out, const ssfer_pickle_node *node)
{
    static const struct {
        const char *name;
        ssfer_dtype dtype;
    } names[] = {
        {"torch.float32", SSFER_DTYPE_F32}, {"torch.float64", SSFER_DTYPE_F64},   {"torch.float16", SSFER_DTYPE_F16},
        {"torch.int64", SSFER_DTYPE_I64},   {"torch.bfloat16", SSFER_DTYPE_BF16}, {"torch.int32", SSFER_DTYPE_I32},
        {"torch.int16", SSFER_DTYPE_I16},   {"torch.int8", SSFER_DTYPE_I8},       {"torch.uint8", SSFER_DTYPE_U8},
        {"torch.bool", SSFER_DTYPE_BOOL},
    };
    const char *name = ssfer_pickle_kind_of(node) == SSFER_PICKLE_GLOBAL ? ssfer_pickle_class(node) : NULL;
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i].name) == 0) {
            *out = names[i].dtype;
            return true;
        }
    return false;
}

static bool to_size(const ssfer_pickle_node *node, size_t *out)
{
    int64_t value;
    if (!ssfer_pickle_int(node, &value) || value < 0)
        return false;
    *out = (size_t)value;
    return true;
}

static ssfer_status malformed(const ssfer_torch_file *file, const char *what, ssfer_error *err)
{
    return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: a tensor %s", ssfer_torch_file_name(file), what);
}

/* (storage, offset, shape, strides, ...) -> offset, shape, strides */
static ssfer_status shape_of(view *v, const ssfer_torch_file *file, const ssfer_pickle_node *args, ssfer_error *err)
{
    const ssfer_pickle_node *shape = ssfer_pickle_at(args, 2), *strides = ssfer_pickle_at(args, 3);
    size_t ndim = ssfer_pickle_count(shape);
    if (ssfer_pickle_kind_of(shape) != SSFER_PICKLE_TUPLE || ssfer_pickle_kind_of(strides) != SSFER_PICKLE_TUPLE ||
        ssfer_pickle_count(strides) != ndim || !to_size(ssfer_pickle_at(args, 1), &v->offset))
        return malformed(file, "has no shape and strides", err);
    if (ndim > SSFER_TENSOR_MAX_NDIM)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "%s: a tensor of %zu dimensions, at most %d are read",
                          ssfer_torch_file_name(file), ndim, SSFER_TENSOR_MAX_NDIM);
    v->info.ndim = ndim;
    for (size_t d = 0; d < ndim; d++)
        if (!to_size(ssfer_pickle_at(shape, d), &v->info.shape[d]) ||
            !to_size(ssfer_pickle_at(strides, d), &v->strides[d]))
            return malformed(file, "has a negative size or stride", err);
    return SSFER_OK;
}

/* The last element that the strides reach must lie in the storage. */
static ssfer_status check_bounds(const view *v, const ssfer_torch_file *file, ssfer_error *err)
{
    size_t last = v->offset, step;
    bool good = true;
    if (v->info.count == 0)
        return SSFER_OK;
    for (size_t d = 0; d < v->info.ndim; d++)
        good = good && ssfer_mul_size(v->info.shape[d] - 1, v->strides[d], &step) && ssfer_add_size(last, step, &last);
    if (good && last < v->storage.size_bytes / ssfer_dtype_size(v->info.dtype))
        return SSFER_OK;
    return malformed(file, "reaches beyond the end of its storage", err);
}

static ssfer_status view_of(view *v, const ssfer_torch_file *file, const ssfer_pickle_node *node, ssfer_error *err)
{
    call c;
    char text[256];
    size_t unused;
    *v = (view){0};
    if (!unwrap(&c, node))
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: %s where a tensor was expected", ssfer_torch_file_name(file),
                          ssfer_pickle_describe(node, text, sizeof text));
    bool named_type = strcmp(c.function, "torch._utils._rebuild_tensor_v3") == 0;
    if (!named_type && strcmp(c.function, "torch._utils._rebuild_tensor_v2") != 0 &&
        strcmp(c.function, "torch._utils._rebuild_tensor") != 0)
        return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "%s: tensors made by %s are not read here; save dense ones",
                          ssfer_torch_file_name(file), c.function);
    ssfer_status st = ssfer_torch_storage_get(&v->storage, file, ssfer_pickle_at(c.args, 0), err);
    if (st == SSFER_OK)
        st = shape_of(v, file, c.args, err);
    if (st != SSFER_OK)
        return st;
    v->info.dtype = v->storage.dtype;
    if (named_type || v->storage.untyped) {
        const ssfer_pickle_node *dtype = ssfer_pickle_at(c.args, 6);
        if (!dtype_by_name(&v->info.dtype, dtype))
            return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "%s: tensors of this type are not read here: %s",
                              ssfer_torch_file_name(file), ssfer_pickle_describe(dtype, text, sizeof text));
    }
    if (ssfer_tensor_size(&v->info.count, &unused, "", v->info.dtype, v->info.shape, v->info.ndim, NULL) != SSFER_OK)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "%s: a tensor of more elements than memory can address",
                          ssfer_torch_file_name(file));
    return check_bounds(v, file, err);
}

ssfer_status ssfer_torch_tensor_info_get(ssfer_torch_tensor_info *out, const ssfer_torch_file *file,
                                         const ssfer_pickle_node *node, ssfer_error *err)
{
    view v;
    ssfer_status st = view_of(&v, file, node, err);
    if (st == SSFER_OK)
        *out = v.info;
    return st;
}

/* ---- copying ------------------------------------------------------------------------------------------------- */

static bool is_contiguous(const view *v)
{
    size_t expected = 1;
    for (size_t d = v->info.ndim; d-- > 0;) {
        if (v->info.shape[d] != 1 && v->strides[d] != expected)
            return false;
        expected *= v->info.shape[d]; /* the product was checked */
    }
    return true;
}

/* A row of the last dimension. `from` is its first element. */
static void copy_row(unsigned char *to, const unsigned char *from, size_t count, size_t stride, size_t width)
{
    if (stride == 1) {
        memcpy(to, from, count * width);
        return;
    }
    for (size_t i = 0; i < count; i++)
        memcpy(to + i * width, from + i * stride * width, width);
}

/* All elements in row-major order: an odometer over all dimensions but the last. There is at least one element. */
static void gather(unsigned char *out, const unsigned char *storage, const view *v)
{
    size_t width = ssfer_dtype_size(v->info.dtype), ndim = v->info.ndim;
    size_t row = ndim ? v->info.shape[ndim - 1] : 1, stride = ndim ? v->strides[ndim - 1] : 1;
    size_t at[SSFER_TENSOR_MAX_NDIM] = {0}, from = v->offset;
    for (size_t done = 0; done < v->info.count; done += row) {
        copy_row(out + done * width, storage + from * width, row, stride, width);
        for (size_t d = ndim ? ndim - 1 : 0; d-- > 0;) {
            from += v->strides[d];
            if (++at[d] < v->info.shape[d])
                break;
            from -= at[d] * v->strides[d];
            at[d] = 0;
        }
    }
}

static void swap_bytes(unsigned char *bytes, size_t count, size_t width)
{
    for (size_t i = 0; i < count; i++, bytes += width)
        for (size_t a = 0, b = width - 1; a < b; a++, b--) {
            unsigned char t = bytes[a];
            bytes[a] = bytes[b];
            bytes[b] = t;
        }
}

static ssfer_status copy_out(void *out, ssfer_torch_file *file, const view *v, ssfer_error *err)
{
    const unsigned char *bytes = NULL;
    size_t width = ssfer_dtype_size(v->info.dtype);
    bool whole = v->offset == 0 && v->info.count == v->storage.size_bytes / width && is_contiguous(v) &&
                 v->storage.size_bytes % width == 0;
    ssfer_status st = SSFER_OK;
    if (whole) {
        st = ssfer_torch_storage_copy(out, file, &v->storage, err);
    } else {
        st = ssfer_torch_storage_map(&bytes, file, &v->storage, err);
        if (st == SSFER_OK)
            gather(out, bytes, v);
    }
    if (st == SSFER_OK && ssfer_torch_file_is_big_endian(file))
        swap_bytes(out, v->info.count, width);
    return st;
}

ssfer_status ssfer_torch_tensor_add(ssfer_tensor_set *set, const char *name, ssfer_torch_file *file,
                                    const ssfer_pickle_node *node, ssfer_error *err)
{
    view v;
    void *data;
    ssfer_status st = view_of(&v, file, node, err);
    if (st == SSFER_OK)
        st = ssfer_torch_file_charge(file, v.info.count * ssfer_dtype_size(v.info.dtype) + TENSOR_OVERHEAD, err);
    if (st == SSFER_OK) {
        st = ssfer_tensor_set_new(set, name, v.info.dtype, v.info.shape, v.info.ndim, &data, err);
        if (st != SSFER_OK)
            return ssfer_fail_prefix(err, st, "%s", ssfer_torch_file_name(file));
    }
    if (st == SSFER_OK && v.info.count)
        st = copy_out(data, file, &v, err);
    if (st != SSFER_OK && err) { /* say which tensor, behind the file's name that the message starts with */
        const char *file_name = ssfer_torch_file_name(file);
        size_t length = strlen(file_name);
        const char *rest = strncmp(err->message, file_name, length) == 0 && strncmp(err->message + length, ": ", 2) == 0
                               ? err->message + length + 2
                               : err->message;
        ssfer_fail(err, st, "%s: %.100s: %s", file_name, name, rest);
    }
    return st;
}

/* ---- state dicts and modules --------------------------------------------------------------------------------- */

/* "prefix.name", or "name" */
static char *join(const char *prefix, const char *name)
{
    return prefix && *prefix ? ssfer_format("%s.%s", prefix, name) : ssfer_strdup(name);
}

static ssfer_status no_memory(const ssfer_torch_file *file, ssfer_error *err)
{
    return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", ssfer_torch_file_name(file));
}

static bool contains_text(const ssfer_pickle_node *set, const char *text)
{
    for (size_t i = 0; i < ssfer_pickle_count(set) && i < MAX_NON_PERSISTENT; i++) {
        const char *item = ssfer_pickle_text(ssfer_pickle_at(set, i));
        if (item && strcmp(item, text) == 0)
            return true;
    }
    return false;
}

/* Many modules may share one large dict, so that a short file would take long to walk through: what is looked at counts
 * like memory. */
static ssfer_status charge_visit(ssfer_torch_file *file, size_t entries, size_t compared, ssfer_error *err)
{
    const size_t each = ENTRY_COST * (1 + (compared < MAX_NON_PERSISTENT ? compared : MAX_NON_PERSISTENT));
    return ssfer_torch_file_charge(file, entries * each, err); /* entries are bounded by the pickle's size */
}

/* The tensors of a dict, but those whose names are in `without` (a set, or NULL). */
static ssfer_status add_dict(ssfer_tensor_set *set, const char *prefix, ssfer_torch_file *file,
                             const ssfer_pickle_node *dict, const ssfer_pickle_node *without, ssfer_error *err)
{
    const size_t count = ssfer_pickle_count(dict);
    ssfer_status st = charge_visit(file, count, ssfer_pickle_count(without), err);
    for (size_t i = 0; st == SSFER_OK && i < count; i++) {
        const char *key = ssfer_pickle_text(ssfer_pickle_key_at(dict, i));
        const ssfer_pickle_node *value = ssfer_pickle_value_at(dict, i);
        if (!key || !ssfer_torch_is_tensor(value) || contains_text(without, key))
            continue;
        char *name = join(prefix, key);
        st = name ? ssfer_torch_tensor_add(set, name, file, value, err) : no_memory(file, err);
        ssfer_free(name);
    }
    return st;
}

ssfer_status ssfer_torch_state_dict_add(ssfer_tensor_set *set, const char *prefix, ssfer_torch_file *file,
                                        const ssfer_pickle_node *dict, ssfer_error *err)
{
    return add_dict(set, prefix, file, dict, NULL, err);
}

bool ssfer_torch_is_module(const ssfer_pickle_node *node)
{
    return ssfer_pickle_kind_of(node) == SSFER_PICKLE_OBJECT &&
           ssfer_pickle_kind_of(ssfer_pickle_attr(node, "_parameters")) == SSFER_PICKLE_DICT &&
           ssfer_pickle_kind_of(ssfer_pickle_attr(node, "_modules")) == SSFER_PICKLE_DICT;
}

static ssfer_status add_module(ssfer_tensor_set *set, const char *prefix, ssfer_torch_file *file,
                               const ssfer_pickle_node *module, unsigned depth, size_t *visited, ssfer_error *err)
{
    if (depth > MAX_MODULE_DEPTH || ++*visited > MAX_MODULES) /* modules that contain themselves, or each other often */
        return ssfer_fail(err, SSFER_ERR_LIMIT, "%s: modules nested deeper than %d or more than %d of them",
                          ssfer_torch_file_name(file), MAX_MODULE_DEPTH, MAX_MODULES);
    ssfer_status st = add_dict(set, prefix, file, ssfer_pickle_attr(module, "_parameters"), NULL, err);
    if (st == SSFER_OK)
        st = add_dict(set, prefix, file, ssfer_pickle_attr(module, "_buffers"),
                      ssfer_pickle_attr(module, "_non_persistent_buffers_set"), err);
    const ssfer_pickle_node *children = ssfer_pickle_attr(module, "_modules");
    if (st == SSFER_OK)
        st = charge_visit(file, ssfer_pickle_count(children), 0, err);
    for (size_t i = 0; st == SSFER_OK && i < ssfer_pickle_count(children); i++) {
        const char *key = ssfer_pickle_text(ssfer_pickle_key_at(children, i));
        const ssfer_pickle_node *child = ssfer_pickle_value_at(children, i);
        if (!key || !ssfer_torch_is_module(child))
            continue;
        char *name = join(prefix, key);
        st = name ? add_module(set, name, file, child, depth + 1, visited, err) : no_memory(file, err);
        ssfer_free(name);
    }
    return st;
}

ssfer_status ssfer_torch_module_add(ssfer_tensor_set *set, const char *prefix, ssfer_torch_file *file,
                                    const ssfer_pickle_node *module, ssfer_error *err)
{
    size_t visited = 0;
    return add_module(set, prefix, file, module, 0, &visited, err);
}
