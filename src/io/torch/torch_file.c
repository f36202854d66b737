/* The two containers of torch.save.
 *
 * zip:     NAME/data.pkl, a pickle whose persistent ids name storages; NAME/data/KEY, their bytes; NAME/byteorder.
 * legacy:  five pickles (magic number, protocol 1001, a dict about the machine, the object, the list of storage keys),
 *          then for each key the number of elements (int64) and the elements, little-endian. */
#include "io/torch/torch_file.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/size.h"
#include "io/name_index.h"
#include "io/torch/checkpoint_private.h"
#include "io/torch/torch_file_private.h"

#include <string.h>
#include <zip.h>

enum {
    MAX_PICKLE_ENTRY_BYTES = 1 << 26,
    MAX_EXTRA_BYTES = 1 << 26,
    LEGACY_PROTOCOL = 1001,
    EXPANSION_LIMIT = 16,
    FREE_BYTES = 1 << 24
};

static const unsigned char magic_number[10] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

typedef struct loaded_storage {
    char *key;
    const unsigned char *data;
    size_t size_bytes;
    unsigned char *owned; /* NULL: data points into the file */
} loaded_storage;

struct ssfer_torch_file {
    char *name;
    ssfer_file_map map; /* if we opened it */
    const unsigned char *bytes;
    size_t size_bytes, charged_bytes;
    ssfer_pickle *pickle;
    bool big_endian;
    zip_t *archive; /* NULL: legacy */
    char *folder;   /* "NAME/" inside the archive */
    loaded_storage *storages;
    size_t storage_count, storage_capacity;
    ssfer_name_index index; /* of storages by key */
};

const ssfer_pickle_node *ssfer_torch_file_root(const ssfer_torch_file *file)
{
    return ssfer_pickle_root(file->pickle);
}

const char *ssfer_torch_file_name(const ssfer_torch_file *file)
{
    return file->name;
}

const char *ssfer_torch_file_container(const ssfer_torch_file *file)
{
    return file->archive ? "zip" : "legacy";
}

bool ssfer_torch_file_is_big_endian(const ssfer_torch_file *file)
{
    return file->big_endian;
}

static bool is_zip(const unsigned char *bytes, size_t size)
{
    return size >= 4 && memcmp(bytes, "PK\3\4", 4) == 0;
}

static bool is_legacy(const unsigned char *bytes, size_t size)
{
    return size >= 15 && bytes[0] == 0x80 && memmem(bytes, size < 32 ? size : 32, magic_number, sizeof magic_number);
}

bool ssfer_torch_file_recognise(const unsigned char *bytes, size_t size_bytes)
{
    return is_zip(bytes, size_bytes) || is_legacy(bytes, size_bytes);
}

ssfer_status ssfer_torch_file_charge(ssfer_torch_file *file, size_t size_bytes, ssfer_error *err)
{
    size_t limit, charged;
    if (!ssfer_mul_size(file->size_bytes, EXPANSION_LIMIT, &limit) || !ssfer_add_size(limit, FREE_BYTES, &limit))
        limit = SIZE_MAX;
    if (!ssfer_add_size(file->charged_bytes, size_bytes, &charged) || charged > limit)
        return ssfer_fail(
            err, SSFER_ERR_LIMIT,
            "%s: its tensors take more than %zu bytes, far more than the file has; save contiguous tensors", file->name,
            limit);
    file->charged_bytes = charged;
    return SSFER_OK;
}

static ssfer_status no_memory(const ssfer_torch_file *file, ssfer_error *err)
{
    return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", file->name);
}

/* ---- zip ----------------------------------------------------------------------------------------------------- */

static ssfer_status zip_failed(const ssfer_torch_file *file, const char *entry, zip_error_t *cause, ssfer_error *err)
{
    bool memory = zip_error_code_zip(cause) == ZIP_ER_MEMORY;
    bool checksum = zip_error_code_zip(cause) == ZIP_ER_CRC;
    return ssfer_fail(err, memory ? SSFER_ERR_MEMORY : SSFER_ERR_FORMAT, "%s: %s%s%s; %s", file->name, entry,
                      *entry ? ": " : "", checksum ? "its checksum does not match" : zip_error_strerror(cause),
                      "the archive is damaged or cut, fetch it again");
}

/* Size of an entry of the archive. A header is not believed further than the file's own size can justify. */
static ssfer_status entry_find(const ssfer_torch_file *file, const char *entry, zip_stat_t *info, ssfer_error *err)
{
    zip_stat_init(info);
    if (zip_stat(file->archive, entry, ZIP_FL_ENC_RAW, info) != 0)
        return ssfer_fail(err, SSFER_ERR_FORMAT,
                          "%s: %s is missing in the archive; it is damaged or cut, fetch it again", file->name, entry);
    zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_INDEX;
    uint64_t most = info->comp_size; /* stored; deflate yields at most 1032 bytes for one */
    if ((info->valid & needed) == needed && info->comp_method != ZIP_CM_STORE)
        most = info->comp_size <= file->size_bytes ? info->comp_size * 1040 + 64 : 0;
    if ((info->valid & needed) != needed || info->comp_size > file->size_bytes || info->size > most)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: %s claims an impossible size; the archive is damaged", file->name,
                          entry);
    return SSFER_OK;
}

/* Reads the first `size` bytes of an entry; all of it when that is its size, and then checks its checksum, unless the
 * writer left checksums out (PyTorch can: they are 0 then). */
static ssfer_status entry_read(const ssfer_torch_file *file, const char *entry, const zip_stat_t *info, void *out,
                               size_t size, ssfer_error *err)
{
    zip_file_t *stream = zip_fopen_index(file->archive, info->index, 0);
    if (!stream)
        return zip_failed(file, entry, zip_get_error(file->archive), err);
    ssfer_status st = SSFER_OK;
    size_t have = 0;
    while (st == SSFER_OK && have < size) {
        zip_int64_t n = zip_fread(stream, (char *)out + have, size - have);
        if (n > 0)
            have += (size_t)n;
        else if (n < 0)
            st = zip_failed(file, entry, zip_file_get_error(stream), err);
        else
            st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: %s is cut; fetch it again", file->name, entry);
    }
    char beyond;
    if (st == SSFER_OK && size == info->size && (info->valid & ZIP_STAT_CRC) && info->crc != 0 &&
        zip_fread(stream, &beyond, 1) < 0)
        st = zip_failed(file, entry, zip_file_get_error(stream), err);
    zip_fclose(stream);
    return st;
}

/* Finds NAME/data.pkl and keeps "NAME/". */
static ssfer_status find_folder(ssfer_torch_file *file, ssfer_error *err)
{
    zip_int64_t count = zip_get_num_entries(file->archive, 0);
    for (zip_int64_t i = 0; i < count; i++) {
        const char *entry = zip_get_name(file->archive, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
        const char *slash = entry ? strchr(entry, '/') : NULL;
        const char *base = slash ? slash + 1 : entry;
        if (entry && strcmp(base, "data.pkl") == 0) {
            file->folder = ssfer_format("%.*s", (int)(base - entry), entry);
            return file->folder ? SSFER_OK : no_memory(file, err);
        }
    }
    return ssfer_fail(err, SSFER_ERR_FORMAT,
                      "%s: a zip archive without data.pkl, so not a checkpoint; pass a file that torch.save wrote",
                      file->name);
}

static ssfer_status read_byteorder(ssfer_torch_file *file, ssfer_error *err)
{
    char text[8] = {0};
    zip_stat_t info;
    ssfer_status st = SSFER_OK;
    char *entry = ssfer_format("%sbyteorder", file->folder);
    if (!entry)
        return no_memory(file, err);
    if (zip_name_locate(file->archive, entry, ZIP_FL_ENC_RAW) >= 0) { /* absent before PyTorch 2.1: little */
        st = entry_find(file, entry, &info, err);
        if (st == SSFER_OK)
            st = entry_read(file, entry, &info, text, ssfer_min_size((size_t)info.size, sizeof text - 1), err);
        file->big_endian = strcmp(text, "big") == 0;
        if (st == SSFER_OK && !file->big_endian && strcmp(text, "little") != 0)
            st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: %s is neither little nor big", file->name, entry);
    }
    ssfer_free(entry);
    return st;
}

ssfer_status ssfer_torch_file_extra(unsigned char **bytes, size_t *size_bytes, const ssfer_torch_file *file,
                                    const char *entry, ssfer_error *err)
{
    zip_stat_t info;
    ssfer_status st = SSFER_OK;
    *bytes = NULL;
    *size_bytes = 0;
    if (!file->archive)
        return SSFER_OK;
    char *path = ssfer_format("%s%s", file->folder, entry);
    if (!path)
        return no_memory(file, err);
    if (zip_name_locate(file->archive, path, ZIP_FL_ENC_RAW) >= 0) {
        st = entry_find(file, path, &info, err);
        if (st == SSFER_OK && info.size > MAX_EXTRA_BYTES)
            st = ssfer_fail(err, SSFER_ERR_LIMIT, "%s: %s has more than %d bytes", file->name, path, MAX_EXTRA_BYTES);
        if (st == SSFER_OK && !(*bytes = ssfer_malloc((size_t)info.size)))
            st = no_memory(file, err);
        if (st == SSFER_OK)
            st = entry_read(file, path, &info, *bytes, (size_t)info.size, err);
        if (st == SSFER_OK) {
            *size_bytes = (size_t)info.size;
        } else {
            ssfer_free(*bytes);
            *bytes = NULL;
        }
    }
    ssfer_free(path);
    return st;
}

static ssfer_status read_zip_pickle(ssfer_torch_file *file, ssfer_error *err)
{
    zip_stat_t info;
    unsigned char *bytes = NULL;
    char *entry = ssfer_format("%sdata.pkl", file->folder), *script = ssfer_format("%sconstants.pkl", file->folder);
    ssfer_status st = entry && script ? SSFER_OK : no_memory(file, err);
    if (st == SSFER_OK && zip_name_locate(file->archive, script, ZIP_FL_ENC_RAW) >= 0)
        st = ssfer_fail(err, SSFER_ERR_UNSUPPORTED,
                        "%s: a TorchScript program; pass a checkpoint saved with torch.save(model.state_dict())",
                        file->name);
    if (st == SSFER_OK)
        st = entry_find(file, entry, &info, err);
    if (st == SSFER_OK && info.size > MAX_PICKLE_ENTRY_BYTES)
        st = ssfer_fail(err, SSFER_ERR_LIMIT, "%s: its pickle has more than %d bytes", file->name,
                        MAX_PICKLE_ENTRY_BYTES);
    if (st == SSFER_OK && !(bytes = ssfer_malloc((size_t)info.size)))
        st = no_memory(file, err);
    if (st == SSFER_OK)
        st = entry_read(file, entry, &info, bytes, (size_t)info.size, err);
    if (st == SSFER_OK)
        st = ssfer_pickle_parse(&file->pickle, bytes, (size_t)info.size, NULL, file->name, err);
    ssfer_free(bytes);
    ssfer_free(entry);
    ssfer_free(script);
    return st;
}

static ssfer_status open_zip(ssfer_torch_file *file, ssfer_error *err)
{
    zip_error_t cause;
    zip_error_init(&cause);
    zip_source_t *source = zip_source_buffer_create(file->bytes, file->size_bytes, 0, &cause);
    if (source)
        file->archive = zip_open_from_source(source, ZIP_RDONLY, &cause);
    ssfer_status st = SSFER_OK;
    if (!file->archive) {
        st = zip_failed(file, "", &cause, err);
        zip_source_free(source); /* NULL is fine */
    }
    zip_error_fini(&cause);
    if (st == SSFER_OK)
        st = find_folder(file, err);
    if (st == SSFER_OK)
        st = read_zip_pickle(file, err);
    return st == SSFER_OK ? read_byteorder(file, err) : st;
}

/* ---- legacy -------------------------------------------------------------------------------------------------- */

/* One pickle at *at, which moves behind it. */
static ssfer_status next_pickle(ssfer_pickle **out, const ssfer_torch_file *file, size_t *at, ssfer_error *err)
{
    size_t used = 0;
    ssfer_status st = ssfer_pickle_parse(out, file->bytes + *at, file->size_bytes - *at, &used, file->name, err);
    *at += used;
    return st;
}

static ssfer_status check_prelude(ssfer_torch_file *file, size_t *at, ssfer_error *err)
{
    static const char *const what[3] = {"magic number", "protocol number", "description of the machine"};
    ssfer_status st = SSFER_OK;
    for (int i = 0; st == SSFER_OK && i < 3; i++) {
        ssfer_pickle *pickle = NULL;
        st = next_pickle(&pickle, file, at, err);
        if (st != SSFER_OK)
            break;
        const ssfer_pickle_node *root = ssfer_pickle_root(pickle);
        size_t size;
        int64_t number = 0;
        bool little = true;
        const unsigned char *bytes = ssfer_pickle_bytes(root, &size);
        bool good = i == 0   ? bytes && size == sizeof magic_number && memcmp(bytes, magic_number, size) == 0
                    : i == 1 ? ssfer_pickle_int(root, &number) && number == LEGACY_PROTOCOL
                             : ssfer_pickle_kind_of(root) == SSFER_PICKLE_DICT;
        if (good && i == 2 && ssfer_pickle_bool(ssfer_pickle_get(root, "little_endian"), &little))
            good = little; /* the storages would be little-endian, but no such writer is known to check against */
        if (!good)
            st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: not a checkpoint of torch.save: its %s is wrong", file->name,
                            what[i]);
        ssfer_pickle_destroy(pickle);
    }
    return st;
}

static ssfer_status remember(ssfer_torch_file *file, const char *key, const unsigned char *data, size_t size_bytes,
                             unsigned char *owned, ssfer_error *err)
{
    char *copy = ssfer_strdup(key);
    if (!copy ||
        ssfer_reserve((void **)&file->storages, &file->storage_capacity, file->storage_count + 1,
                      sizeof *file->storages) ||
        ssfer_name_index_add(&file->index, copy, file->storage_count)) {
        ssfer_free(copy);
        return no_memory(file, err);
    }
    file->storages[file->storage_count++] = (loaded_storage){copy, data, size_bytes, owned};
    return SSFER_OK;
}

static const loaded_storage *recall(const ssfer_torch_file *file, const char *key)
{
    size_t i = ssfer_name_index_find(&file->index, key);
    return i == (size_t)SSFER_NAME_ABSENT ? NULL : &file->storages[i];
}

/* Bytes of an element of the storage that a persistent id names; 0: not such an id. */
static size_t element_size(const ssfer_torch_file *file, const ssfer_pickle_node *persistent)
{
    ssfer_torch_storage storage;
    if (ssfer_torch_storage_get(&storage, file, persistent, NULL) != SSFER_OK)
        return 0;
    return storage.untyped ? 1 : ssfer_dtype_size(storage.dtype);
}

/* The block of one key at *at: a count and as many elements, whose size only the pickle knows. */
static ssfer_status read_block(ssfer_torch_file *file, const char *key, size_t width, size_t *at, ssfer_error *err)
{
    uint64_t count = 0;
    size_t size_bytes;
    size_t left = file->size_bytes - *at;
    if (recall(file, key))
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: storage %s appears twice", file->name, key);
    if (!width)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: storage %s is in the file but nothing says its type", file->name,
                          key);
    if (left >= 8)
        memcpy(&count, file->bytes + *at, 8);
    if (left < 8 || count > SIZE_MAX || !ssfer_mul_size((size_t)count, width, &size_bytes) || size_bytes > left - 8)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: it is cut within the data of storage %s; fetch it again",
                          file->name, key);
    ssfer_status st = remember(file, key, file->bytes + *at + 8, size_bytes, NULL, err);
    *at += 8 + size_bytes;
    return st;
}

static ssfer_status read_blocks(ssfer_torch_file *file, const ssfer_pickle_node *keys, size_t at, ssfer_error *err)
{
    ssfer_name_index owners = {0}; /* key -> a persistent id that names it */
    ssfer_status st = SSFER_OK;
    for (size_t i = 0; st == SSFER_OK && i < ssfer_pickle_persistent_count(file->pickle); i++) {
        const ssfer_pickle_node *id = ssfer_pickle_args(ssfer_pickle_persistent_at(file->pickle, i));
        const char *key = ssfer_pickle_text(ssfer_pickle_at(id, 2));
        if (key && ssfer_name_index_find(&owners, key) == (size_t)SSFER_NAME_ABSENT &&
            ssfer_name_index_add(&owners, key, i))
            st = no_memory(file, err);
    }
    if (st == SSFER_OK && ssfer_pickle_kind_of(keys) != SSFER_PICKLE_LIST)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: its list of storages is not a list", file->name);
    for (size_t i = 0; st == SSFER_OK && i < ssfer_pickle_count(keys); i++) {
        const char *key = ssfer_pickle_text(ssfer_pickle_at(keys, i));
        size_t owner = key ? ssfer_name_index_find(&owners, key) : (size_t)SSFER_NAME_ABSENT;
        size_t width = owner == (size_t)SSFER_NAME_ABSENT
                           ? 0
                           : element_size(file, ssfer_pickle_persistent_at(file->pickle, owner));
        st = key ? read_block(file, key, width, &at, err)
                 : ssfer_fail(err, SSFER_ERR_FORMAT, "%s: the key of a storage is not text", file->name);
    }
    ssfer_name_index_deinit(&owners);
    return st;
}

static ssfer_status open_legacy(ssfer_torch_file *file, ssfer_error *err)
{
    size_t at = 0;
    ssfer_pickle *keys = NULL;
    ssfer_status st = check_prelude(file, &at, err);
    if (st == SSFER_OK)
        st = next_pickle(&file->pickle, file, &at, err);
    if (st == SSFER_OK)
        st = next_pickle(&keys, file, &at, err);
    if (st == SSFER_OK)
        st = read_blocks(file, ssfer_pickle_root(keys), at, err);
    ssfer_pickle_destroy(keys);
    return st;
}

/* ---- storages ------------------------------------------------------------------------------------------------ */

/* By the last part of the class: torch.FloatStorage, torch.cuda.FloatStorage... */
static const struct {
    const char *name;
    ssfer_dtype dtype;
} storage_types[] = {
    {"FloatStorage", SSFER_DTYPE_F32},     {"DoubleStorage", SSFER_DTYPE_F64}, {"HalfStorage", SSFER_DTYPE_F16},
    {"BFloat16Storage", SSFER_DTYPE_BF16}, {"LongStorage", SSFER_DTYPE_I64},   {"IntStorage", SSFER_DTYPE_I32},
    {"ShortStorage", SSFER_DTYPE_I16},     {"CharStorage", SSFER_DTYPE_I8},    {"ByteStorage", SSFER_DTYPE_U8},
    {"BoolStorage", SSFER_DTYPE_BOOL},
};

static ssfer_status storage_type(ssfer_torch_storage *out, const ssfer_torch_file *file, const char *class_name,
                                 ssfer_error *err)
{
    const char *dot = class_name ? strrchr(class_name, '.') : NULL;
    if (!dot || strncmp(class_name, "torch.", 6) != 0)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: a storage of no known type", file->name);
    out->untyped = strcmp(dot, ".UntypedStorage") == 0 || strcmp(dot, "._UntypedStorage") == 0;
    for (size_t i = 0; i < sizeof storage_types / sizeof *storage_types; i++)
        if (strcmp(dot + 1, storage_types[i].name) == 0) {
            out->dtype = storage_types[i].dtype;
            return SSFER_OK;
        }
    if (out->untyped)
        return SSFER_OK;
    return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "%s: tensors of type %s are not read here; save them as float32",
                      file->name, class_name);
}

static bool to_size(const ssfer_pickle_node *node, size_t *out)
{
    int64_t value;
    if (!ssfer_pickle_int(node, &value) || value < 0)
        return false;
    *out = (size_t)value;
    return true;
}

ssfer_status ssfer_torch_storage_get(ssfer_torch_storage *out, const ssfer_torch_file *file,
                                     const ssfer_pickle_node *persistent, ssfer_error *err)
{
    const ssfer_pickle_node *id =
        ssfer_pickle_kind_of(persistent) == SSFER_PICKLE_PERSISTENT ? ssfer_pickle_args(persistent) : NULL;
    const ssfer_pickle_node *view = ssfer_pickle_at(id, 5);
    const char *tag = ssfer_pickle_text(ssfer_pickle_at(id, 0));
    size_t elements, view_begin = 0, view_count;
    *out = (ssfer_torch_storage){.key = ssfer_pickle_text(ssfer_pickle_at(id, 2))};
    if (!tag || strcmp(tag, "storage") != 0 || !out->key || !to_size(ssfer_pickle_at(id, 4), &elements))
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: a tensor does not name its storage as torch.save does",
                          file->name);
    ssfer_status st = storage_type(out, file, ssfer_pickle_class(ssfer_pickle_at(id, 1)), err);
    if (st != SSFER_OK)
        return st;
    view_count = elements;
    bool is_view = ssfer_pickle_kind_of(view) != SSFER_PICKLE_NONE; /* (key, first element, elements) */
    if (is_view && (!to_size(ssfer_pickle_at(view, 1), &view_begin) || !to_size(ssfer_pickle_at(view, 2), &view_count)))
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: a view of storage %s is not described", file->name, out->key);
    size_t width = out->untyped ? 1 : ssfer_dtype_size(out->dtype);
    if (view_begin > elements || view_count > elements - view_begin ||
        !ssfer_mul_size(elements, width, &out->whole_bytes))
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: storage %s claims an impossible size", file->name, out->key);
    out->begin_bytes = view_begin * width;
    out->size_bytes = view_count * width;
    return SSFER_OK;
}

static ssfer_status check_size(const ssfer_torch_file *file, const ssfer_torch_storage *storage, uint64_t stored,
                               ssfer_error *err)
{
    if (stored >= storage->whole_bytes)
        return SSFER_OK;
    return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: storage %s has %zu bytes where its tensors need %zu; fetch it again",
                      file->name, storage->key, (size_t)stored, storage->whole_bytes);
}

/* Finds the entry of a storage that is not loaded yet. *entry is freed by the caller, also after an error. */
static ssfer_status locate(char **entry, zip_stat_t *info, const ssfer_torch_file *file,
                           const ssfer_torch_storage *storage, ssfer_error *err)
{
    *entry = NULL;
    if (!file->archive)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: it is cut before the data of storage %s; fetch it again",
                          file->name, storage->key);
    *entry = ssfer_format("%sdata/%s", file->folder, storage->key);
    if (!*entry)
        return no_memory(file, err);
    ssfer_status st = entry_find(file, *entry, info, err);
    return st == SSFER_OK ? check_size(file, storage, info->size, err) : st;
}

ssfer_status ssfer_torch_storage_map(const unsigned char **out, ssfer_torch_file *file,
                                     const ssfer_torch_storage *storage, ssfer_error *err)
{
    const loaded_storage *loaded = recall(file, storage->key);
    char *entry = NULL;
    unsigned char *block = NULL;
    zip_stat_t info;
    ssfer_status st = SSFER_OK;
    *out = NULL;
    if (loaded) {
        st = check_size(file, storage, loaded->size_bytes, err);
    } else {
        st = locate(&entry, &info, file, storage, err);
        if (st == SSFER_OK)
            st = ssfer_torch_file_charge(file, (size_t)info.size, err);
        if (st == SSFER_OK && !(block = ssfer_malloc((size_t)info.size)))
            st = no_memory(file, err);
        if (st == SSFER_OK)
            st = entry_read(file, entry, &info, block, (size_t)info.size, err);
        if (st == SSFER_OK)
            st = remember(file, storage->key, block, (size_t)info.size, block, err);
        ssfer_free(entry);
        if (st != SSFER_OK)
            ssfer_free(block);
        else
            loaded = &file->storages[file->storage_count - 1];
    }
    if (st == SSFER_OK)
        *out = loaded->data + storage->begin_bytes;
    return st;
}

ssfer_status ssfer_torch_storage_copy(void *out, ssfer_torch_file *file, const ssfer_torch_storage *storage,
                                      ssfer_error *err)
{
    const unsigned char *bytes = NULL;
    char *entry = NULL;
    zip_stat_t info;
    bool direct = file->archive && !recall(file, storage->key) && storage->size_bytes == storage->whole_bytes;
    ssfer_status st = SSFER_OK;
    if (direct) { /* the usual case: straight into place, nothing kept */
        st = locate(&entry, &info, file, storage, err);
        if (st == SSFER_OK)
            st = entry_read(file, entry, &info, out, storage->size_bytes, err);
        ssfer_free(entry);
    } else {
        st = ssfer_torch_storage_map(&bytes, file, storage, err);
        if (st == SSFER_OK && storage->size_bytes)
            memcpy(out, bytes, storage->size_bytes);
    }
    return st;
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

static ssfer_status not_recognised(const ssfer_torch_file *file, ssfer_error *err)
{
    if (file->size_bytes && file->bytes[0] == 0x80)
        return ssfer_fail(err, SSFER_ERR_FORMAT,
                          "%s: a pickle, but not a checkpoint; pass a file that torch.save wrote", file->name);
    if (file->size_bytes > 262 && memcmp(file->bytes + 257, "ustar", 5) == 0)
        return ssfer_fail(
            err, SSFER_ERR_UNSUPPORTED,
            "%s: a tar archive; checkpoints of PyTorch before 0.1.10 are not read, save it anew with a later one",
            file->name);
    return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: not a PyTorch checkpoint; pass a file that torch.save wrote",
                      file->name);
}

/* Takes over the map in any case. */
static ssfer_status open_bytes(ssfer_torch_file **out, ssfer_file_map map, const unsigned char *bytes,
                               size_t size_bytes, const char *name, ssfer_error *err)
{
    ssfer_torch_file *file = ssfer_calloc(1, sizeof *file);
    char *name_copy = ssfer_strdup(name);
    *out = NULL;
    if (!file || !name_copy) {
        ssfer_free(file);
        ssfer_free(name_copy);
        if (map.data)
            ssfer_file_map_close(&map);
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", name);
    }
    *file = (ssfer_torch_file){.name = name_copy, .map = map, .bytes = bytes, .size_bytes = size_bytes};
    ssfer_status st = is_zip(bytes, size_bytes)      ? open_zip(file, err)
                      : is_legacy(bytes, size_bytes) ? open_legacy(file, err)
                                                     : not_recognised(file, err);
    if (st == SSFER_OK)
        *out = file;
    else
        ssfer_torch_file_close(file);
    return st;
}

ssfer_status ssfer_torch_file_open_memory(ssfer_torch_file **out, const unsigned char *bytes, size_t size_bytes,
                                          const char *name, ssfer_error *err)
{
    return open_bytes(out, (ssfer_file_map){0}, bytes, size_bytes, name, err);
}

ssfer_status ssfer_torch_file_open(ssfer_torch_file **out, const char *path, ssfer_error *err)
{
    ssfer_file_map map;
    *out = NULL;
    ssfer_status st = ssfer_file_map_open(&map, path, err);
    return st == SSFER_OK ? open_bytes(out, map, map.data, map.size_bytes, path, err) : st;
}

void ssfer_torch_file_close(ssfer_torch_file *file)
{
    if (!file)
        return;
    if (file->archive)
        zip_discard(file->archive);
    ssfer_pickle_destroy(file->pickle);
    for (size_t i = 0; i < file->storage_count; i++) {
        ssfer_free(file->storages[i].key);
        ssfer_free(file->storages[i].owned);
    }
    ssfer_free(file->storages);
    ssfer_name_index_deinit(&file->index);
    ssfer_free(file->folder);
    if (file->map.data)
        ssfer_file_map_close(&file->map);
    ssfer_free(file->name);
    ssfer_free(file);
}
