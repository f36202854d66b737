/* safetensors: the length of the header (uint64), the header (JSON, padded with blanks to a multiple of 8), the data.
 * Format: https://github.com/huggingface/safetensors#format. Every tensor lies within the data, none overlap and
 * nothing is left over, as the format demands: so a file that is cut or spliced never passes for a whole one. What we
 * write has a checksum in its metadata, too (checksum.h), which is verified as the file is read. */
#include "base/file.h"
#include "base/memory.h"
#include "base/size.h"
#include "base/text.h"
#include "io/checksum.h"
#include "io/json.h"
#include "io/tensor_set_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PRELUDE_BYTES = 8, MAX_HEADER_BYTES = 100000000 /* the format's own limit */, MAX_METADATA = 16384 };

/* ---- reading ------------------------------------------------------------------------------------------------- */

typedef struct range {
    size_t begin, end;
    const char *name;
} range;

typedef struct reader {
    const char *name; /* of the file */
    ssfer_error *err;
    ssfer_tensor_set *set;
    const unsigned char *data;
    size_t data_bytes;
    range *ranges;
    size_t range_count, range_capacity;
} reader;

static ssfer_status read_dtype(ssfer_dtype *out, const reader *r, const ssfer_json *entry, const char *tensor)
{
    const char *text = NULL;
    ssfer_status st = ssfer_json_get_string(&text, entry, "dtype", tensor, r->err);
    if (st != SSFER_OK)
        return ssfer_fail_prefix(r->err, st, "%s", r->name);
    for (int i = 0; i < SSFER_DTYPE_COUNT; i++)
        if (strcmp(text, ssfer_dtype_name((ssfer_dtype)i)) == 0) {
            *out = (ssfer_dtype)i;
            return SSFER_OK;
        }
    return ssfer_fail(r->err, SSFER_ERR_UNSUPPORTED, "%s: tensor %.100s: element type %.20s is not read here", r->name,
                      tensor, text);
}

/* An array of at most `most` sizes. */
static ssfer_status read_sizes(size_t *out, size_t *count, size_t most, const reader *r, const ssfer_json *entry,
                               const char *key, const char *tensor)
{
    const ssfer_json *array = NULL;
    ssfer_status st = ssfer_json_get_container(&array, entry, key, SSFER_JSON_ARRAY, tensor, r->err);
    size_t n = 0;
    for (ssfer_json_iter i = ssfer_json_each(array); st == SSFER_OK && ssfer_json_next(&i); n++) {
        if (n == most)
            st = ssfer_fail(r->err, SSFER_ERR_LIMIT, "tensor %.100s: %s has more than %zu entries", tensor, key, most);
        else if ((st = ssfer_json_to_size(&out[n], i.value, key, r->err)) != SSFER_OK)
            ssfer_fail_prefix(r->err, st, "tensor %.100s", tensor);
    }
    *count = n;
    return st == SSFER_OK ? st : ssfer_fail_prefix(r->err, st, "%s", r->name);
}

/* Data that is not aligned to its elements (headers may have any length) is copied: callers read it as arrays. */
static ssfer_status add(reader *r, const char *tensor, ssfer_dtype dtype, const size_t *shape, size_t ndim,
                        const unsigned char *data, size_t size_bytes)
{
    void *copy = NULL;
    ssfer_status st;
    if ((uintptr_t)data % ssfer_dtype_size(dtype) == 0) {
        st = ssfer_tensor_set_add(r->set, tensor, dtype, shape, ndim, data, r->err);
    } else {
        st = ssfer_tensor_set_new(r->set, tensor, dtype, shape, ndim, &copy, r->err);
        if (st == SSFER_OK && size_bytes)
            memcpy(copy, data, size_bytes);
    }
    return st == SSFER_OK ? st : ssfer_fail_prefix(r->err, st, "%s", r->name);
}

static ssfer_status read_tensor(reader *r, const char *tensor, const ssfer_json *entry)
{
    size_t shape[SSFER_TENSOR_MAX_NDIM], offsets[2], ndim = 0, offset_count = 0, count = 0, size_bytes = 0;
    ssfer_dtype dtype = SSFER_DTYPE_F32;
    if (ssfer_json_kind_of(entry) != SSFER_JSON_OBJECT)
        return ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s: tensor %.100s is not described by an object", r->name, tensor);
    ssfer_status st = read_dtype(&dtype, r, entry, tensor);
    if (st == SSFER_OK)
        st = read_sizes(shape, &ndim, SSFER_TENSOR_MAX_NDIM, r, entry, "shape", tensor);
    if (st == SSFER_OK)
        st = read_sizes(offsets, &offset_count, 2, r, entry, "data_offsets", tensor);
    if (st != SSFER_OK)
        return st;
    st = ssfer_tensor_size(&count, &size_bytes, tensor, dtype, shape, ndim, r->err);
    if (st != SSFER_OK)
        return ssfer_fail_prefix(r->err, st, "%s", r->name);
    if (offset_count != 2 || offsets[0] > offsets[1] || offsets[1] > r->data_bytes)
        return ssfer_fail(r->err, SSFER_ERR_FORMAT,
                          "%s: tensor %.100s lies outside the %zu bytes of data; the file is cut, fetch it again",
                          r->name, tensor, r->data_bytes);
    if (offsets[1] - offsets[0] != size_bytes)
        return ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s: tensor %.100s: %zu bytes of data where its shape needs %zu",
                          r->name, tensor, offsets[1] - offsets[0], size_bytes);
    if (ssfer_reserve((void **)&r->ranges, &r->range_capacity, r->range_count + 1, sizeof *r->ranges))
        return ssfer_fail(r->err, SSFER_ERR_MEMORY, "%s: out of memory", r->name);
    r->ranges[r->range_count++] = (range){offsets[0], offsets[1], tensor};
    return add(r, tensor, dtype, shape, ndim, r->data + offsets[0], size_bytes);
}

static ssfer_status read_metadata(reader *r, const ssfer_json *object)
{
    ssfer_status st = SSFER_OK;
    size_t count = 0;
    if (ssfer_json_kind_of(object) != SSFER_JSON_OBJECT)
        return ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s: __metadata__ is not an object", r->name);
    for (ssfer_json_iter i = ssfer_json_each(object); st == SSFER_OK && ssfer_json_next(&i);) {
        const char *text = NULL;
        st = ssfer_json_to_string(&text, i.value, i.key, r->err);
        if (st == SSFER_OK && ++count > MAX_METADATA)
            st = ssfer_fail(r->err, SSFER_ERR_LIMIT, "__metadata__ has more than %d entries", MAX_METADATA);
        if (st == SSFER_OK)
            st = ssfer_tensor_set_put(r->set, i.key, text, r->err);
        if (st != SSFER_OK)
            ssfer_fail_prefix(r->err, st, "%s", r->name);
    }
    return st;
}

static int by_begin(const void *a, const void *b)
{
    const range *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end); /* an empty tensor before the one that starts at the same byte */
}

static ssfer_status check_ranges(reader *r)
{
    size_t covered = 0;
    if (r->range_count)
        qsort(r->ranges, r->range_count, sizeof *r->ranges, by_begin);
    for (size_t i = 0; i < r->range_count; i++) {
        if (r->ranges[i].begin != covered)
            return ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s: tensor %.100s %s; the header is damaged", r->name,
                              r->ranges[i].name,
                              r->ranges[i].begin < covered ? "overlaps another one" : "leaves a gap before it");
        covered = r->ranges[i].end;
    }
    if (covered != r->data_bytes)
        return ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s: %zu bytes behind the last tensor; the file is damaged",
                          r->name, r->data_bytes - covered);
    return SSFER_OK;
}

static ssfer_status read_header(reader *r, const unsigned char *bytes, size_t size_bytes, ssfer_json **header)
{
    uint64_t length = 0;
    if (size_bytes < PRELUDE_BYTES)
        return ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s: %zu bytes, too few for safetensors", r->name, size_bytes);
    memcpy(&length, bytes, sizeof length);
    if (length > size_bytes - PRELUDE_BYTES)
        return ssfer_fail(r->err, SSFER_ERR_FORMAT,
                          "%s: not safetensors, or cut: a header of %" PRIu64 " bytes in a file of %zu", r->name,
                          length, size_bytes);
    if (length > MAX_HEADER_BYTES)
        return ssfer_fail(r->err, SSFER_ERR_LIMIT, "%s: a header of %" PRIu64 " bytes, at most %d are read", r->name,
                          length, MAX_HEADER_BYTES);
    r->data = bytes + PRELUDE_BYTES + length;
    r->data_bytes = size_bytes - PRELUDE_BYTES - (size_t)length;
    ssfer_status st = ssfer_json_parse(header, (const char *)bytes + PRELUDE_BYTES, (size_t)length, r->name, r->err);
    if (st == SSFER_OK && ssfer_json_kind_of(*header) != SSFER_JSON_OBJECT)
        st = ssfer_fail(r->err, SSFER_ERR_FORMAT, "%s: its header is not a JSON object", r->name);
    return st;
}

ssfer_status ssfer_safetensors_parse(ssfer_tensor_set **out, const unsigned char *bytes, size_t size_bytes,
                                     const char *name, ssfer_error *err)
{
    reader r = {.name = name, .err = err};
    ssfer_json *header = NULL;
    *out = NULL;
    ssfer_status st = ssfer_tensor_set_create(&r.set, err);
    if (st == SSFER_OK)
        st = read_header(&r, bytes, size_bytes, &header);
    for (ssfer_json_iter i = ssfer_json_each(header); st == SSFER_OK && ssfer_json_next(&i);)
        st = strcmp(i.key, "__metadata__") == 0 ? read_metadata(&r, i.value) : read_tensor(&r, i.key, i.value);
    if (st == SSFER_OK)
        st = check_ranges(&r);
    if (st == SSFER_OK)
        st = ssfer_checksum_verify(r.set, name, err);
    ssfer_free(r.ranges);
    ssfer_json_destroy(header);
    if (st == SSFER_OK)
        *out = r.set;
    else
        ssfer_tensor_set_destroy(r.set);
    return st;
}

ssfer_status ssfer_safetensors_read(ssfer_tensor_set **out, const char *path, ssfer_error *err)
{
    ssfer_file_map map;
    *out = NULL;
    ssfer_status st = ssfer_file_map_open(&map, path, err);
    if (st != SSFER_OK)
        return st;
    st = ssfer_safetensors_parse(out, map.data, map.size_bytes, path, err);
    if (st == SSFER_OK)
        ssfer_tensor_set_adopt_map(*out, map);
    else
        ssfer_file_map_close(&map);
    return st;
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

static void write_entry(ssfer_json_writer *w, const ssfer_tensor *tensor, size_t offset)
{
    ssfer_json_key(w, tensor->name);
    ssfer_json_begin_object(w);
    ssfer_json_put_string(w, "dtype", ssfer_dtype_name(tensor->dtype));
    ssfer_json_key(w, "shape");
    ssfer_json_begin_array(w);
    for (size_t d = 0; d < tensor->ndim; d++)
        ssfer_json_uint(w, tensor->shape[d]);
    ssfer_json_end(w);
    ssfer_json_key(w, "data_offsets");
    ssfer_json_begin_array(w);
    ssfer_json_uint(w, offset);
    ssfer_json_uint(w, offset + tensor->size_bytes);
    ssfer_json_end(w);
    ssfer_json_end(w);
}

static void write_metadata(ssfer_json_writer *w, const ssfer_tensor_set *set, const char *checksum)
{
    ssfer_json_key(w, "__metadata__");
    ssfer_json_begin_object(w);
    for (size_t i = 0; i < ssfer_tensor_set_metadata_count(set); i++) {
        ssfer_metadata_entry entry = ssfer_tensor_set_metadata_at(set, i);
        if (strcmp(entry.key, SSFER_CHECKSUM_KEY) != 0) /* of the file that the set was once read from */
            ssfer_json_put_string(w, entry.key, entry.value);
    }
    ssfer_json_put_string(w, SSFER_CHECKSUM_KEY, checksum);
    ssfer_json_end(w);
}

/* The header's JSON, without padding. *text is freed with free: it is the stream's. */
static ssfer_status make_header(char **text, size_t *length, const ssfer_tensor_set *set, const char *checksum,
                                const char *path, ssfer_error *err)
{
    ssfer_json_writer w;
    FILE *stream = open_memstream(text, length);
    if (!stream)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path);
    ssfer_json_writer_init(&w, stream, 0);
    ssfer_json_begin_object(&w);
    write_metadata(&w, set, checksum);
    size_t offset = 0;
    for (size_t i = 0; i < ssfer_tensor_set_count(set); i++) {
        const ssfer_tensor *tensor = ssfer_tensor_set_at(set, i);
        write_entry(&w, tensor, offset);
        offset += tensor->size_bytes; /* the data exist in memory, so their sum fits */
    }
    ssfer_json_end(&w);
    bool failed = ferror(stream) != 0;
    failed = fclose(stream) != 0 || failed;
    if (failed) {
        free(*text);
        *text = NULL;
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path);
    }
    while (*length && (*text)[*length - 1] == '\n')
        --*length;
    if (*length > MAX_HEADER_BYTES) {
        free(*text);
        *text = NULL;
        return ssfer_fail(err, SSFER_ERR_LIMIT, "%s: names and metadata exceed the %d bytes of a header", path,
                          MAX_HEADER_BYTES);
    }
    return SSFER_OK;
}

/* Adds up the header's entries as a reader will have them (text that is not UTF-8 has been replaced by then) and the
 * hashes of the data. The tensors stand in the header in the order of the set. */
static ssfer_status sum_header(uint64_t *sum, const char *text, size_t length, const ssfer_tensor_set *set,
                               const uint64_t *hashes, const char *path, ssfer_error *err)
{
    ssfer_json *header = NULL;
    ssfer_status st = ssfer_json_parse(&header, text, length, path, err);
    size_t i = 0;
    *sum = 0;
    for (ssfer_json_iter v = ssfer_json_each(header); st == SSFER_OK && ssfer_json_next(&v);) {
        const char *value = NULL;
        if (strcmp(v.key, "__metadata__") != 0) {
            *sum += ssfer_checksum_tensor(v.key, ssfer_tensor_set_at(set, i), hashes[i]);
            i++;
            continue;
        }
        for (ssfer_json_iter e = ssfer_json_each(v.value); st == SSFER_OK && ssfer_json_next(&e);)
            if (strcmp(e.key, SSFER_CHECKSUM_KEY) != 0 &&
                (st = ssfer_json_to_string(&value, e.value, path, err)) == SSFER_OK)
                *sum += ssfer_checksum_metadata(e.key, value);
    }
    ssfer_json_destroy(header);
    return st;
}

/* The header with the checksum of its content in it: of a first one, whose own is empty. */
static ssfer_status make_checked_header(char **text, size_t *length, const ssfer_tensor_set *set, const char *path,
                                        ssfer_error *err)
{
    char checksum[SSFER_CHECKSUM_SIZE], *first = NULL;
    uint64_t sum = 0, *hashes = ssfer_calloc(ssfer_max_size(1, ssfer_tensor_set_count(set)), sizeof *hashes);
    *text = NULL;
    if (!hashes)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path);
    ssfer_checksum_data(hashes, set);
    ssfer_status st = make_header(&first, length, set, "", path, err);
    if (st == SSFER_OK)
        st = sum_header(&sum, first, *length, set, hashes, path, err);
    ssfer_checksum_format(checksum, sum);
    if (st == SSFER_OK)
        st = make_header(text, length, set, checksum, path, err);
    free(first); /* the stream's */
    ssfer_free(hashes);
    return st;
}

/* The names of tensors and metadata are members of JSON objects. JSON cannot hold bytes that are not UTF-8: each would
 * be written as U+FFFD, so that two names might become one, and a reader must refuse a file with a name twice. */
static ssfer_status check_names(const ssfer_tensor_set *set, const char *path, ssfer_error *err)
{
    if (ssfer_tensor_set_find(set, "__metadata__"))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: a tensor must not be named __metadata__", path);
    for (size_t i = 0; i < ssfer_tensor_set_count(set); i++) {
        const char *name = ssfer_tensor_set_at(set, i)->name;
        if (!ssfer_utf8_is_valid(name))
            return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                              "%s: the tensor name %s is not UTF-8, which safetensors cannot hold; rename the tensor",
                              path, name);
    }
    for (size_t i = 0; i < ssfer_tensor_set_metadata_count(set); i++) {
        const char *key = ssfer_tensor_set_metadata_at(set, i).key;
        if (!ssfer_utf8_is_valid(key))
            return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                              "%s: the metadata key %s is not UTF-8, which safetensors cannot hold; rename the entry",
                              path, key);
    }
    return SSFER_OK;
}

ssfer_status ssfer_safetensors_write(const ssfer_tensor_set *set, const char *path, ssfer_error *err)
{
    ssfer_file_writer writer;
    char *header = NULL;
    size_t length = 0;
    ssfer_status st = check_names(set, path, err);
    if (st == SSFER_OK)
        st = make_checked_header(&header, &length, set, path, err);
    if (st == SSFER_OK)
        st = ssfer_file_writer_open(&writer, path, err);
    if (st == SSFER_OK) {
        uint64_t padded = ssfer_align_size(length, 8);
        fwrite(&padded, sizeof padded, 1, writer.stream);
        fwrite(header, 1, length, writer.stream);
        fprintf(writer.stream, "%*s", (int)(padded - length), "");
        for (size_t i = 0; i < ssfer_tensor_set_count(set); i++) {
            const ssfer_tensor *tensor = ssfer_tensor_set_at(set, i);
            if (tensor->size_bytes)
                fwrite(tensor->data, 1, tensor->size_bytes, writer.stream);
        }
        st = ssfer_file_writer_commit(&writer, err);
    }
    free(header);
    return st;
}
