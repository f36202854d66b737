#include "io/tensor_set.h"

#include "base/memory.h"
#include "base/number.h"
#include "base/size.h"
#include "io/half.h"
#include "io/name_index.h"
#include "io/tensor_set_private.h"

#include <assert.h>
#include <string.h>

struct ssfer_tensor_set {
    ssfer_tensor *tensors;
    size_t count, capacity;
    ssfer_name_index index;
    ssfer_metadata_entry *metadata;
    size_t metadata_count, metadata_capacity;
    void **blocks; /* memory of tensors made by ssfer_tensor_set_new */
    size_t block_count, block_capacity;
    ssfer_file_map map;
};

static const struct {
    const char *name;
    size_t size;
} dtypes[SSFER_DTYPE_COUNT] = {
    [SSFER_DTYPE_F32] = {"F32", 4},   [SSFER_DTYPE_F64] = {"F64", 8}, [SSFER_DTYPE_F16] = {"F16", 2},
    [SSFER_DTYPE_BF16] = {"BF16", 2}, [SSFER_DTYPE_I64] = {"I64", 8}, [SSFER_DTYPE_I32] = {"I32", 4},
    [SSFER_DTYPE_I16] = {"I16", 2},   [SSFER_DTYPE_I8] = {"I8", 1},   [SSFER_DTYPE_U8] = {"U8", 1},
    [SSFER_DTYPE_BOOL] = {"BOOL", 1},
};

const char *ssfer_dtype_name(ssfer_dtype dtype)
{
    return (unsigned)dtype < SSFER_DTYPE_COUNT ? dtypes[dtype].name : "?";
}

size_t ssfer_dtype_size(ssfer_dtype dtype)
{
    return (unsigned)dtype < SSFER_DTYPE_COUNT ? dtypes[dtype].size : 0;
}

ssfer_status ssfer_tensor_set_create(ssfer_tensor_set **out, ssfer_error *err)
{
    *out = ssfer_calloc(1, sizeof **out);
    return *out ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "out of memory for a set of tensors");
}

void ssfer_tensor_set_destroy(ssfer_tensor_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++)
        ssfer_free(set->tensors[i].name);
    for (size_t i = 0; i < set->metadata_count; i++) {
        ssfer_free(set->metadata[i].key);
        ssfer_free(set->metadata[i].value);
    }
    for (size_t i = 0; i < set->block_count; i++)
        ssfer_free(set->blocks[i]);
    ssfer_free(set->tensors);
    ssfer_free(set->metadata);
    ssfer_free(set->blocks);
    ssfer_name_index_deinit(&set->index);
    if (set->map.data)
        ssfer_file_map_close(&set->map);
    ssfer_free(set);
}

size_t ssfer_tensor_set_count(const ssfer_tensor_set *set)
{
    return set->count;
}

const ssfer_tensor *ssfer_tensor_set_at(const ssfer_tensor_set *set, size_t i)
{
    return i < set->count ? &set->tensors[i] : NULL;
}

const ssfer_tensor *ssfer_tensor_set_find(const ssfer_tensor_set *set, const char *name)
{
    size_t i = ssfer_name_index_find(&set->index, name);
    return i == (size_t)SSFER_NAME_ABSENT ? NULL : &set->tensors[i];
}

ssfer_status ssfer_tensor_size(size_t *count, size_t *size_bytes, const char *name, ssfer_dtype dtype,
                               const size_t *shape, size_t ndim, ssfer_error *err)
{
    size_t n = 1, bytes;
    if (ndim > SSFER_TENSOR_MAX_NDIM)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "tensor %s: %zu dimensions, at most %d are read", name, ndim,
                          SSFER_TENSOR_MAX_NDIM);
    bool empty = false, fits = true;
    for (size_t d = 0; d < ndim; d++) {
        empty = empty || shape[d] == 0;
        fits = fits && ssfer_mul_size(n, shape[d] ? shape[d] : 1, &n);
    }
    if (!fits || !ssfer_mul_size(n, ssfer_dtype_size(dtype), &bytes) || bytes > PTRDIFF_MAX)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "tensor %s: its shape has more elements than memory can address", name);
    *count = empty ? 0 : n;
    *size_bytes = empty ? 0 : bytes;
    return SSFER_OK;
}

ssfer_status ssfer_tensor_set_add(ssfer_tensor_set *set, const char *name, ssfer_dtype dtype, const size_t *shape,
                                  size_t ndim, const void *data, ssfer_error *err)
{
    ssfer_tensor tensor = {.dtype = dtype, .ndim = ndim, .data = data};
    if ((unsigned)dtype >= SSFER_DTYPE_COUNT)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "tensor %s: unknown element type %d", name, (int)dtype);
    ssfer_status st = ssfer_tensor_size(&tensor.count, &tensor.size_bytes, name, dtype, shape, ndim, err);
    if (st != SSFER_OK)
        return st;
    if (ssfer_tensor_set_find(set, name))
        return ssfer_fail(err, SSFER_ERR_FORMAT, "two tensors are named %s", name);
    if (ndim)
        memcpy(tensor.shape, shape, ndim * sizeof *shape);
    tensor.name = ssfer_strdup(name);
    if (!tensor.name || ssfer_reserve((void **)&set->tensors, &set->capacity, set->count + 1, sizeof *set->tensors) ||
        ssfer_name_index_add(&set->index, tensor.name, set->count)) {
        ssfer_free(tensor.name);
        return ssfer_fail(err, SSFER_ERR_MEMORY, "tensor %s: out of memory", name);
    }
    set->tensors[set->count++] = tensor;
    return SSFER_OK;
}

ssfer_status ssfer_tensor_set_new(ssfer_tensor_set *set, const char *name, ssfer_dtype dtype, const size_t *shape,
                                  size_t ndim, void **data, ssfer_error *err)
{
    size_t count, size_bytes;
    ssfer_status st = ssfer_tensor_size(&count, &size_bytes, name, dtype, shape, ndim, err);
    *data = NULL;
    if (st != SSFER_OK)
        return st;
    void *block = ssfer_aligned_alloc(size_bytes);
    if (!block ||
        ssfer_reserve((void **)&set->blocks, &set->block_capacity, set->block_count + 1, sizeof *set->blocks)) {
        ssfer_free(block);
        return ssfer_fail(err, SSFER_ERR_MEMORY, "tensor %s: no memory for its %zu bytes", name, size_bytes);
    }
    memset(block, 0, size_bytes);
    st = ssfer_tensor_set_add(set, name, dtype, shape, ndim, block, err);
    if (st != SSFER_OK) {
        ssfer_free(block);
        return st;
    }
    set->blocks[set->block_count++] = block;
    *data = block;
    return SSFER_OK;
}

void ssfer_tensor_set_adopt_map(ssfer_tensor_set *set, ssfer_file_map map)
{
    assert(!set->map.data);
    set->map = map;
}

ssfer_status ssfer_tensor_set_strip_prefix(ssfer_tensor_set *set, size_t length, ssfer_error *err)
{
    /* The index refers to the names' memory, which stays: only its contents move. A table of the same size as before
     * is built anew, names without a common prefix being as distinct as with it. */
    ssfer_name_index index = {0};
    for (size_t i = 0; i < set->count; i++) {
        char *name = set->tensors[i].name;
        if (ssfer_name_index_add(&index, name + length, i)) {
            ssfer_name_index_deinit(&index);
            return ssfer_fail(err, SSFER_ERR_MEMORY, "out of memory for a set of tensors");
        }
    }
    for (size_t i = 0; i < index.capacity; i++)
        if (index.slots[i].name)
            index.slots[i].name -= length;
    for (size_t i = 0; i < set->count; i++) {
        char *name = set->tensors[i].name;
        memmove(name, name + length, strlen(name + length) + 1);
    }
    ssfer_name_index_deinit(&set->index);
    set->index = index;
    return SSFER_OK;
}

/* ---- metadata ------------------------------------------------------------------------------------------------ */

static ssfer_metadata_entry *metadata_find(const ssfer_tensor_set *set, const char *key)
{
    for (size_t i = 0; i < set->metadata_count; i++)
        if (strcmp(set->metadata[i].key, key) == 0)
            return &set->metadata[i];
    return NULL;
}

const char *ssfer_tensor_set_get(const ssfer_tensor_set *set, const char *key)
{
    const ssfer_metadata_entry *entry = metadata_find(set, key);
    return entry ? entry->value : NULL;
}

ssfer_status ssfer_tensor_set_put(ssfer_tensor_set *set, const char *key, const char *value, ssfer_error *err)
{
    ssfer_metadata_entry *entry = metadata_find(set, key);
    char *value_copy = ssfer_strdup(value);
    if (entry && value_copy) {
        ssfer_free(entry->value);
        entry->value = value_copy;
        return SSFER_OK;
    }
    char *key_copy = entry ? NULL : ssfer_strdup(key);
    if (!key_copy || !value_copy ||
        ssfer_reserve((void **)&set->metadata, &set->metadata_capacity, set->metadata_count + 1,
                      sizeof *set->metadata)) {
        ssfer_free(key_copy);
        ssfer_free(value_copy);
        return ssfer_fail(err, SSFER_ERR_MEMORY, "metadata %s: out of memory", key);
    }
    set->metadata[set->metadata_count++] = (ssfer_metadata_entry){key_copy, value_copy};
    return SSFER_OK;
}

static ssfer_status no_number(const char *key, const char *text, const char *wanted, ssfer_error *err)
{
    return ssfer_fail(err, SSFER_ERR_FORMAT, "metadata %s is '%.40s'; %s was expected", key, text, wanted);
}

ssfer_status ssfer_tensor_set_get_size(size_t *out, const ssfer_tensor_set *set, const char *key, ssfer_error *err)
{
    const char *text = ssfer_tensor_set_get(set, key);
    if (!text || ssfer_parse_size(out, text, strlen(text)) == SSFER_OK)
        return SSFER_OK;
    return no_number(key, text, "a whole number", err);
}

ssfer_status ssfer_tensor_set_get_double(double *out, const ssfer_tensor_set *set, const char *key, ssfer_error *err)
{
    const char *text = ssfer_tensor_set_get(set, key);
    if (!text || ssfer_parse_double(out, text, strlen(text)) == SSFER_OK)
        return SSFER_OK;
    return no_number(key, text, "a number", err);
}

void ssfer_tensor_set_remove(ssfer_tensor_set *set, const char *key)
{
    ssfer_metadata_entry *entry = metadata_find(set, key);
    if (!entry)
        return;
    const size_t behind = set->metadata_count - (size_t)(entry - set->metadata) - 1;
    ssfer_free(entry->key);
    ssfer_free(entry->value);
    memmove(entry, entry + 1, behind * sizeof *entry);
    set->metadata_count--;
}

size_t ssfer_tensor_set_metadata_count(const ssfer_tensor_set *set)
{
    return set->metadata_count;
}

ssfer_metadata_entry ssfer_tensor_set_metadata_at(const ssfer_tensor_set *set, size_t i)
{
    return i < set->metadata_count ? set->metadata[i] : (ssfer_metadata_entry){0};
}

/* ---- conversion ---------------------------------------------------------------------------------------------- */

/* The data may lie anywhere in a file, so elements are copied out instead of being read through a typed pointer. */
#define CONVERT(type, expression)                                                                                      \
    for (size_t i = 0; i < tensor->count; i++) {                                                                       \
        type v;                                                                                                        \
        memcpy(&v, bytes + i * sizeof v, sizeof v);                                                                    \
        out[i] = (expression);                                                                                         \
    }                                                                                                                  \
    break

void ssfer_tensor_to_f32(float *out, const ssfer_tensor *tensor)
{
    const unsigned char *bytes = tensor->data;
    switch (tensor->dtype) {
    case SSFER_DTYPE_F32:
        if (tensor->size_bytes)
            memcpy(out, bytes, tensor->size_bytes);
        break;
    case SSFER_DTYPE_F64:
        CONVERT(double, (float)v);
    case SSFER_DTYPE_F16:
        CONVERT(uint16_t, ssfer_f16_to_f32(v));
    case SSFER_DTYPE_BF16:
        CONVERT(uint16_t, ssfer_bf16_to_f32(v));
    case SSFER_DTYPE_I64:
        CONVERT(int64_t, (float)v);
    case SSFER_DTYPE_I32:
        CONVERT(int32_t, (float)v);
    case SSFER_DTYPE_I16:
        CONVERT(int16_t, (float)v);
    case SSFER_DTYPE_I8:
        CONVERT(int8_t, (float)v);
    case SSFER_DTYPE_U8:
        CONVERT(uint8_t, (float)v);
    case SSFER_DTYPE_BOOL:
        CONVERT(uint8_t, v ? 1.0f : 0.0f);
    case SSFER_DTYPE_COUNT:
        break;
    }
}
