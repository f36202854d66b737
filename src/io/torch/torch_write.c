/* Writing a state dict as torch.load(..., weights_only=True) reads it: a zip archive with stored entries
 *   archive/data.pkl  archive/byteorder  archive/data/0 ...  archive/version
 * whose pickle (protocol 2, written out without a memo) is an OrderedDict of _rebuild_tensor_v2 calls. */
#include "base/file.h"
#include "base/memory.h"
#include "io/json.h"
#include "io/tensor_set.h"
#include "io/torch/checkpoint_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

/* ---- the pickle ---------------------------------------------------------------------------------------------- */

static void put_number(FILE *f, uint64_t value, int width)
{
    for (int i = 0; i < width; i++)
        fputc((int)(value >> (8 * i) & 0xff), f);
}

static void put_text(FILE *f, const char *text)
{
    size_t size = strlen(text);
    fputc('X', f); /* BINUNICODE */
    put_number(f, size, 4);
    fwrite(text, 1, size, f);
}

static void put_int(FILE *f, uint64_t value)
{
    if (value <= INT32_MAX) {
        fputc('J', f); /* BININT */
        put_number(f, value, 4);
    } else {
        fputs("\x8a\x09", f); /* LONG1 of nine bytes: the sign needs the ninth */
        put_number(f, value, 8);
        fputc(0, f);
    }
}

/* MARK, values, TUPLE */
static void put_sizes(FILE *f, const size_t *sizes, size_t count)
{
    fputc('(', f);
    for (size_t i = 0; i < count; i++)
        put_int(f, sizes[i]);
    fputc('t', f);
}

static void put_ordered_dict(FILE *f)
{
    fputs("ccollections\nOrderedDict\n)R", f);
}

static const char *storage_name(ssfer_dtype dtype)
{
    static const char *const names[SSFER_DTYPE_COUNT] = {
        [SSFER_DTYPE_F32] = "FloatStorage",     [SSFER_DTYPE_F64] = "DoubleStorage", [SSFER_DTYPE_F16] = "HalfStorage",
        [SSFER_DTYPE_BF16] = "BFloat16Storage", [SSFER_DTYPE_I64] = "LongStorage",   [SSFER_DTYPE_I32] = "IntStorage",
        [SSFER_DTYPE_I16] = "ShortStorage",     [SSFER_DTYPE_I8] = "CharStorage",    [SSFER_DTYPE_U8] = "ByteStorage",
        [SSFER_DTYPE_BOOL] = "BoolStorage",
    };
    return names[dtype];
}

/* _rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict()) */
static void put_tensor(FILE *f, const ssfer_tensor *tensor, size_t key)
{
    size_t strides[SSFER_TENSOR_MAX_NDIM], step = 1;
    char digits[32];
    for (size_t d = tensor->ndim; d-- > 0;) {
        strides[d] = step;
        step *= tensor->shape[d] ? tensor->shape[d] : 1; /* PyTorch's strides of an empty tensor */
    }
    snprintf(digits, sizeof digits, "%zu", key);
    fputs("ctorch._utils\n_rebuild_tensor_v2\n((", f);
    put_text(f, "storage");
    fprintf(f, "ctorch\n%s\n", storage_name(tensor->dtype));
    put_text(f, digits);
    put_text(f, "cpu");
    put_int(f, tensor->count);
    fputs("tQ", f); /* TUPLE, BINPERSID */
    put_int(f, 0);
    put_sizes(f, tensor->shape, tensor->ndim);
    put_sizes(f, strides, tensor->ndim);
    fputc(0x89, f); /* NEWFALSE */
    put_ordered_dict(f);
    fputs("tR", f); /* TUPLE, REDUCE */
}

static void put_state_dict(FILE *f, const ssfer_tensor_set *set)
{
    fputs("\x80\x02", f); /* PROTO 2 */
    put_ordered_dict(f);
    fputc('(', f);
    for (size_t i = 0; i < ssfer_tensor_set_count(set); i++) {
        put_text(f, ssfer_tensor_set_at(set, i)->name);
        put_tensor(f, ssfer_tensor_set_at(set, i), i);
    }
    fputs("u.", f); /* SETITEMS, STOP */
}

static void put_metadata(FILE *f, const ssfer_tensor_set *set)
{
    ssfer_json_writer w;
    ssfer_json_writer_init(&w, f, 2);
    ssfer_json_begin_object(&w);
    for (size_t i = 0; i < ssfer_tensor_set_metadata_count(set); i++) {
        ssfer_metadata_entry entry = ssfer_tensor_set_metadata_at(set, i);
        ssfer_json_put_string(&w, entry.key, entry.value);
    }
    ssfer_json_end(&w);
}

/* What `put` writes, in memory; *text is freed with free. */
static ssfer_status in_memory(char **text, size_t *size, void (*put)(FILE *, const ssfer_tensor_set *),
                              const ssfer_tensor_set *set, const char *path, ssfer_error *err)
{
    FILE *f = open_memstream(text, size);
    bool failed = !f;
    if (f) {
        put(f, set);
        failed = ferror(f) != 0;
        failed = fclose(f) != 0 || failed;
    }
    return failed ? ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path) : SSFER_OK;
}

/* ---- the archive --------------------------------------------------------------------------------------------- */

/* libzip writes through this source into our atomic file. */
typedef struct sink {
    ssfer_file_writer writer;
    const char *path;
    ssfer_error *err;
    ssfer_status status;
    bool open;
} sink;

static zip_int64_t sink_begin(sink *s)
{
    s->status = ssfer_file_writer_open(&s->writer, s->path, s->err);
    s->open = s->status == SSFER_OK;
    return s->open ? 0 : -1;
}

static zip_int64_t sink_commit(sink *s)
{
    s->status = ssfer_file_writer_commit(&s->writer, s->err);
    s->open = false;
    return s->status == SSFER_OK ? 0 : -1;
}

static void sink_abort(sink *s)
{
    if (s->open)
        ssfer_file_writer_abort(&s->writer);
    s->open = false;
}

static zip_int64_t sink_fail(sink *s)
{
    if (s->status == SSFER_OK)
        s->status = ssfer_fail_errno(s->err, s->path, "cannot write", errno);
    return -1;
}

static zip_int64_t sink_seek(sink *s, void *data, zip_uint64_t length)
{
    zip_source_args_seek_t *to = ZIP_SOURCE_GET_ARGS(zip_source_args_seek_t, data, length, NULL);
    /* Seeking writes out what is buffered, so a full disk may show here first. */
    return to && fseeko(s->writer.stream, (off_t)to->offset, to->whence) == 0 ? 0 : sink_fail(s);
}

static zip_int64_t sink_tell(sink *s)
{
    off_t at = ftello(s->writer.stream);
    return at >= 0 ? (zip_int64_t)at : sink_fail(s);
}

static zip_int64_t sink_write(sink *s, const void *data, zip_uint64_t length)
{
    return fwrite(data, 1, (size_t)length, s->writer.stream) == length ? (zip_int64_t)length : sink_fail(s);
}

static zip_int64_t sink_stat(void *data, zip_uint64_t length)
{
    if (length < sizeof(zip_stat_t))
        return -1;
    zip_stat_init(data); /* there is nothing to read: the archive is new */
    return (zip_int64_t)sizeof(zip_stat_t);
}

static zip_int64_t sink_call(void *user, void *data, zip_uint64_t length, zip_source_cmd_t command)
{
    sink *s = user;
    int error[2] = {ZIP_ER_WRITE, 0};
    switch (command) {
    case ZIP_SOURCE_BEGIN_WRITE:
        return sink_begin(s);
    case ZIP_SOURCE_WRITE:
        return sink_write(s, data, length);
    case ZIP_SOURCE_SEEK_WRITE:
        return sink_seek(s, data, length);
    case ZIP_SOURCE_TELL_WRITE:
        return sink_tell(s);
    case ZIP_SOURCE_COMMIT_WRITE:
        return sink_commit(s);
    case ZIP_SOURCE_ROLLBACK_WRITE:
        sink_abort(s);
        return 0;
    case ZIP_SOURCE_STAT:
        return sink_stat(data, length);
    case ZIP_SOURCE_ERROR:
        if (length < sizeof error)
            return -1;
        memcpy(data, error, sizeof error);
        return (zip_int64_t)sizeof error;
    case ZIP_SOURCE_OPEN:
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE:
        return 0;
    case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(
            ZIP_SOURCE_BEGIN_WRITE, ZIP_SOURCE_WRITE, ZIP_SOURCE_SEEK_WRITE, ZIP_SOURCE_TELL_WRITE,
            ZIP_SOURCE_COMMIT_WRITE, ZIP_SOURCE_ROLLBACK_WRITE, ZIP_SOURCE_REMOVE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
            ZIP_SOURCE_FREE, ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, -1);
    default: /* reading, of what does not exist yet, and REMOVE, which only an archive without entries would ask */
        return -1;
    }
}

/* Adds an entry whose bytes stay where they are until the archive is closed. Same time for all: same set, same bytes.
 */
static ssfer_status add_entry(zip_t *archive, const char *entry, const void *bytes, size_t size, const char *path,
                              ssfer_error *err)
{
    enum { FIRST_OF_1980 = 1 << 5 | 1 };
    char name[64];
    snprintf(name, sizeof name, "archive/%s", entry);
    zip_source_t *source = zip_source_buffer(archive, bytes, size, 0);
    zip_int64_t index = source ? zip_file_add(archive, name, source, ZIP_FL_ENC_UTF_8) : -1;
    if (index < 0) {
        if (source)
            zip_source_free(source);
    } else if (zip_set_file_compression(archive, (zip_uint64_t)index, ZIP_CM_STORE, 0) == 0 &&
               zip_file_set_dostime(archive, (zip_uint64_t)index, 0, FIRST_OF_1980, 0) == 0) {
        return SSFER_OK;
    }
    return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: %s: %s", path, name, zip_strerror(archive));
}

static ssfer_status add_entries(zip_t *archive, const ssfer_tensor_set *set, const char *pickle, size_t pickle_size,
                                const char *metadata, size_t metadata_size, const char *path, ssfer_error *err)
{
    char entry[48];
    ssfer_status st = add_entry(archive, "data.pkl", pickle, pickle_size, path, err);
    if (st == SSFER_OK)
        st = add_entry(archive, "byteorder", "little", 6, path, err);
    if (st == SSFER_OK && metadata_size)
        st = add_entry(archive, SSFER_TORCH_METADATA_ENTRY, metadata, metadata_size, path, err);
    for (size_t i = 0; st == SSFER_OK && i < ssfer_tensor_set_count(set); i++) {
        const ssfer_tensor *tensor = ssfer_tensor_set_at(set, i);
        snprintf(entry, sizeof entry, "data/%zu", i);
        st = add_entry(archive, entry, tensor->data ? tensor->data : "", tensor->size_bytes, path, err);
    }
    return st == SSFER_OK ? add_entry(archive, "version", "3\n", 2, path, err) : st;
}

ssfer_status ssfer_torch_write(const ssfer_tensor_set *set, const char *path, ssfer_error *err)
{
    sink s = {.path = path, .err = err};
    char *pickle = NULL, *metadata = NULL;
    size_t pickle_size = 0, metadata_size = 0;
    zip_t *archive = NULL;
    ssfer_status st = in_memory(&pickle, &pickle_size, put_state_dict, set, path, err);
    if (st == SSFER_OK && ssfer_tensor_set_metadata_count(set))
        st = in_memory(&metadata, &metadata_size, put_metadata, set, path, err);
    if (st == SSFER_OK) {
        zip_source_t *target = zip_source_function_create(sink_call, &s, NULL);
        archive = target ? zip_open_from_source(target, ZIP_CREATE | ZIP_TRUNCATE, NULL) : NULL;
        if (!archive) {
            zip_source_free(target);
            st = ssfer_fail(err, SSFER_ERR_MEMORY, "%s: cannot begin an archive: out of memory", path);
        }
    }
    if (st == SSFER_OK)
        st = add_entries(archive, set, pickle, pickle_size, metadata, metadata_size, path, err);
    if (st == SSFER_OK && zip_close(archive) == 0)
        archive = NULL;
    else if (st == SSFER_OK)
        st = s.status != SSFER_OK ? s.status
                                  : ssfer_fail(err, SSFER_ERR_IO, "%s: cannot write: %s", path, zip_strerror(archive));
    if (archive)
        zip_discard(archive);
    sink_abort(&s); /* no effect after a commit */
    free(pickle);
    free(metadata);
    return st;
}
