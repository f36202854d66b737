#include "io/tar.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/size.h"
#include "base/text_pool.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512, MAX_NAME = 4096 };
#define MAX_UNPACKED_DEFAULT ((size_t)2 << 30)

/* A member while the headers are being read, in file order. */
typedef struct record {
    ssfer_tar_member member;
    const char *link; /* the name that a hard link points at, or NULL */
    size_t position;
} record;

struct ssfer_tar {
    char *path;
    ssfer_file_map map;
    unsigned char *unpacked; /* of a compressed tar */
    const unsigned char *data;
    size_t size_bytes;
    ssfer_text_pool names;
    record *records; /* only while opening */
    size_t record_count, record_capacity;
    ssfer_tar_member *members;
    size_t count;
    ssfer_tar_info info;
};

/* ---- reading ---- */

/* Joins the components of a name without ".", empty ones and a leading "/". Returns the length, 0 for a name that is
 * nothing but these ("./" is the root folder), or SIZE_MAX for one with ".." or that is too long. */
static size_t clean_name(char out[MAX_NAME], const char *name)
{
    size_t length = 0;
    while (*name) {
        size_t n = strcspn(name, "/");
        if (n == 2 && name[0] == '.' && name[1] == '.')
            return SIZE_MAX;
        if (n && !(n == 1 && name[0] == '.')) {
            if (length + n + 2 > MAX_NAME)
                return SIZE_MAX;
            if (length)
                out[length++] = '/';
            memcpy(out + length, name, n);
            length += n;
        }
        name += n + (name[n] == '/');
    }
    out[length] = 0;
    return length;
}

static ssfer_status no_memory(const char *path, ssfer_error *err)
{
    return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory while reading the tar", path);
}

/* Finds the bytes of the member whose header was read last. With the whole file as one block of input libarchive hands
 * out pointers into it, so what it returns must lie in the map; a sparse member does not come as one piece. */
static ssfer_status locate_data(const ssfer_tar *tar, struct archive *a, struct archive_entry *entry,
                                ssfer_tar_member *m, ssfer_error *err)
{
    int64_t size = archive_entry_size(entry);
    if (size < 0 || (uint64_t)size > tar->size_bytes)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: cut or corrupt: %s claims %" PRId64 " bytes", tar->path, m->path,
                          size);
    m->size_bytes = (size_t)size;
    m->data = tar->data;
    if (size == 0)
        return SSFER_OK;
    const void *data = NULL;
    size_t have = 0;
    int64_t offset = 0;
    int result = archive_read_data_block(a, &data, &have, &offset);
    uintptr_t start = (uintptr_t)data, first = (uintptr_t)tar->data, end = first + tar->size_bytes;
    bool inside = result == ARCHIVE_OK && start >= first && start <= end && have <= end - start;
    if (!inside || offset != 0 || have < m->size_bytes) {
        if (archive_entry_sparse_count(entry) > 0)
            return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "%s: %s is stored sparsely; write the tar without --sparse",
                              tar->path, m->path);
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: ends inside %s; copy or download the tar again", tar->path,
                          m->path);
    }
    m->data = data;
    return SSFER_OK;
}

static ssfer_status add_member(ssfer_tar *tar, struct archive *a, struct archive_entry *entry, ssfer_error *err)
{
    char name[MAX_NAME], link[MAX_NAME];
    const char *given = archive_entry_pathname(entry), *target = archive_entry_hardlink(entry);
    unsigned type = archive_entry_filetype(entry);
    if (!given)
        given = archive_entry_pathname_utf8(entry);
    size_t length = given ? clean_name(name, given) : 0, link_length = 0;
    if (length == SIZE_MAX)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: the member name %.200s is unsafe or too long; the tar is refused",
                          tar->path, given);
    if (length == 0)
        return SSFER_OK; /* "./", the folder that was packed */
    if (target)
        link_length = clean_name(link, target);
    if ((type != AE_IFREG && type != AE_IFDIR && !target) || (target && (!link_length || link_length == SIZE_MAX))) {
        tar->info.ignored++;
        return SSFER_OK;
    }
    bool linked = target && archive_entry_size(entry) == 0;
    record r = {.member.folder = type == AE_IFDIR, .position = tar->record_count};
    r.member.path = ssfer_text_pool_add(&tar->names, name, length);
    if (linked)
        r.link = ssfer_text_pool_add(&tar->names, link, link_length);
    if (!r.member.path || (linked && !r.link) ||
        ssfer_reserve((void **)&tar->records, &tar->record_capacity, tar->record_count + 1, sizeof *tar->records))
        return no_memory(tar->path, err);
    ssfer_status st = SSFER_OK;
    if (!r.member.folder && !linked)
        st = locate_data(tar, a, entry, &r.member, err);
    if (st == SSFER_OK)
        tar->records[tar->record_count++] = r;
    return st;
}

static int compare_records(const void *a, const void *b)
{
    const record *x = a, *y = b;
    int order = strcmp(x->member.path, y->member.path);
    return order ? order : x->position < y->position ? -1 : 1;
}

static int compare_member(const void *key, const void *member)
{
    return strcmp(key, ((const ssfer_tar_member *)member)->path);
}

/* A hard link has the bytes of the member it names. Chains are not followed: packers link to the first copy. */
static void resolve_links(ssfer_tar *tar)
{
    size_t kept = 0;
    for (size_t i = 0; i < tar->count; i++) {
        const char *link = tar->records[i].link;
        const ssfer_tar_member *target = link ? ssfer_tar_find(tar, link) : NULL;
        if (target && !target->folder && target->data) {
            tar->members[i].data = target->data;
            tar->members[i].size_bytes = target->size_bytes;
        }
    }
    for (size_t i = 0; i < tar->count; i++) {
        if (tar->members[i].folder || tar->members[i].data)
            tar->members[kept++] = tar->members[i];
        else
            tar->info.ignored++; /* a link into nothing */
    }
    tar->count = kept;
}

/* From the records in file order to the sorted index without replaced members and unresolved links. */
static ssfer_status finish_index(ssfer_tar *tar, ssfer_error *err)
{
    record *records = tar->records;
    tar->members = ssfer_calloc(tar->record_count, sizeof *tar->members);
    if (!tar->members)
        return no_memory(tar->path, err);
    if (tar->record_count)
        qsort(records, tar->record_count, sizeof *records, compare_records);
    for (size_t i = 0; i < tar->record_count; i++) {
        if (i + 1 < tar->record_count && strcmp(records[i].member.path, records[i + 1].member.path) == 0) {
            if (!records[i].member.folder)
                tar->info.replaced++;
            continue;
        }
        records[tar->count] = records[i];
        tar->members[tar->count++] = records[i].member;
    }
    resolve_links(tar);
    return SSFER_OK;
}

static ssfer_status read_index(ssfer_tar *tar, ssfer_error *err)
{
    struct archive *a = archive_read_new();
    struct archive_entry *entry;
    if (!a)
        return no_memory(tar->path, err);
    archive_read_support_format_tar(a);
    ssfer_status st = SSFER_OK;
    int result = archive_read_open_memory(a, tar->data, tar->size_bytes);
    if (result != ARCHIVE_OK)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: not a tar file", tar->path);
    while (st == SSFER_OK) {
        result = archive_read_next_header(a, &entry);
        if (result == ARCHIVE_EOF)
            break;
        /* ARCHIVE_WARN: a name that this locale cannot represent; its bytes are what we want */
        if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
            const char *why = archive_error_string(a);
            st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: cut or corrupt tar: %s", tar->path, why ? why : "unreadable");
        } else {
            st = add_member(tar, a, entry, err);
        }
    }
    archive_read_free(a);
    return st == SSFER_OK ? finish_index(tar, err) : st;
}

static bool is_compressed(const unsigned char *data, size_t size_bytes)
{
    static const struct {
        size_t length;
        unsigned char bytes[6];
    } magic[] = {{2, {0x1f, 0x8b}},                  /* gzip */
                 {3, {'B', 'Z', 'h'}},               /* bzip2 */
                 {6, {0xfd, '7', 'z', 'X', 'Z', 0}}, /* xz */
                 {4, {0x28, 0xb5, 0x2f, 0xfd}},      /* zstd */
                 {4, {0x04, 0x22, 0x4d, 0x18}}};     /* lz4 */
    for (size_t i = 0; i < sizeof magic / sizeof *magic; i++)
        if (size_bytes >= magic[i].length && memcmp(data, magic[i].bytes, magic[i].length) == 0)
            return true;
    return false;
}

/* Reads the single "raw" member of a compressed file into tar->unpacked. */
static ssfer_status unpack_stream(ssfer_tar *tar, struct archive *a, size_t max_bytes, ssfer_error *err)
{
    struct archive_entry *entry;
    size_t capacity = 0, size = 0;
    if (archive_read_open_memory(a, tar->map.data, tar->map.size_bytes) != ARCHIVE_OK ||
        archive_read_next_header(a, &entry) != ARCHIVE_OK)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: corrupt compressed file", tar->path);
    for (;;) {
        if (ssfer_reserve((void **)&tar->unpacked, &capacity, size + ((size_t)1 << 20), 1))
            return no_memory(tar->path, err);
        la_ssize_t n = archive_read_data(a, tar->unpacked + size, capacity - size);
        if (n < 0)
            return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: corrupt or cut compressed file: %s", tar->path,
                              archive_error_string(a));
        size += (size_t)n;
        if (size > max_bytes)
            return ssfer_fail(err, SSFER_ERR_LIMIT,
                              "%s: unpacks to more than %zu MiB; decompress it on disk, a plain tar is read in place",
                              tar->path, max_bytes >> 20);
        if (n == 0)
            break;
    }
    tar->data = tar->unpacked;
    tar->size_bytes = size;
    return SSFER_OK;
}

static ssfer_status unpack(ssfer_tar *tar, size_t max_bytes, ssfer_error *err)
{
    struct archive *a = archive_read_new();
    if (!a)
        return no_memory(tar->path, err);
    /* One by one: "filter_all" would also start external programs. */
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_filter_lz4(a);
    archive_read_support_format_raw(a);
    ssfer_status st = unpack_stream(tar, a, max_bytes, err);
    archive_read_free(a);
    ssfer_file_map_close(&tar->map);
    return st;
}

static bool ends_with_zero_block(const unsigned char *data, size_t size_bytes)
{
    if (size_bytes < BLOCK)
        return false;
    for (size_t i = size_bytes - BLOCK; i < size_bytes; i++)
        if (data[i])
            return false;
    return true;
}

ssfer_status ssfer_tar_open(ssfer_tar **out, const char *path, size_t max_unpacked_bytes, ssfer_error *err)
{
    *out = NULL;
    ssfer_tar *tar = ssfer_calloc(1, sizeof *tar);
    if (tar)
        tar->path = ssfer_strdup(path);
    if (!tar || !tar->path) {
        ssfer_tar_close(tar);
        return no_memory(path, err);
    }
    ssfer_status st = ssfer_file_map_open(&tar->map, path, err);
    if (st == SSFER_OK) {
        tar->data = tar->map.data;
        tar->size_bytes = tar->map.size_bytes;
        if (is_compressed(tar->data, tar->size_bytes))
            st = unpack(tar, max_unpacked_bytes ? max_unpacked_bytes : MAX_UNPACKED_DEFAULT, err);
    }
    if (st == SSFER_OK && tar->size_bytes == 0)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: empty file, not a tar", path);
    if (st == SSFER_OK)
        st = read_index(tar, err);
    if (st != SSFER_OK) {
        ssfer_tar_close(tar);
        return st;
    }
    ssfer_free(tar->records);
    tar->records = NULL;
    tar->info.complete = ends_with_zero_block(tar->data, tar->size_bytes);
    *out = tar;
    return SSFER_OK;
}

void ssfer_tar_close(ssfer_tar *tar)
{
    if (!tar)
        return;
    ssfer_file_map_close(&tar->map);
    ssfer_free(tar->unpacked);
    ssfer_text_pool_deinit(&tar->names);
    ssfer_free(tar->records);
    ssfer_free(tar->members);
    ssfer_free(tar->path);
    ssfer_free(tar);
}

size_t ssfer_tar_count(const ssfer_tar *tar)
{
    return tar->count;
}

const ssfer_tar_member *ssfer_tar_at(const ssfer_tar *tar, size_t i)
{
    return &tar->members[i];
}

const ssfer_tar_member *ssfer_tar_find(const ssfer_tar *tar, const char *path)
{
    return tar->count ? bsearch(path, tar->members, tar->count, sizeof *tar->members, compare_member) : NULL;
}

ssfer_tar_info ssfer_tar_get_info(const ssfer_tar *tar)
{
    return tar->info;
}

/* ---- writing ---- */

struct ssfer_tar_writer {
    ssfer_file_writer file;
};

ssfer_status ssfer_tar_writer_open(ssfer_tar_writer **out, const char *path, ssfer_error *err)
{
    *out = NULL;
    ssfer_tar_writer *writer = ssfer_calloc(1, sizeof *writer);
    if (!writer)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path);
    ssfer_status st = ssfer_file_writer_open(&writer->file, path, err);
    if (st == SSFER_OK)
        *out = writer;
    else
        ssfer_free(writer);
    return st;
}

/* Where a name splits into ustar's prefix (155 bytes) and name (100 bytes); SIZE_MAX if it does not. 0: no prefix. */
static size_t split_ustar(const char *name, size_t length)
{
    if (length <= 100)
        return 0;
    for (size_t i = ssfer_min_size(length - 1, 155); i > 0; i--)
        if (name[i] == '/' && length - i - 1 <= 100)
            return i;
    return SIZE_MAX;
}

/* A ustar header (POSIX.1-1988): octal numbers in text, the checksum over the header with eight blanks in its place. */
static void write_header(FILE *stream, const char *name, size_t length, size_t prefix, size_t size_bytes, char type)
{
    char h[BLOCK] = {0};
    size_t start = prefix ? prefix + 1 : 0;
    unsigned sum = 0;
    memcpy(h, name + start, ssfer_min_size(length - start, 100));
    memcpy(h + 100, "0000644", 8);
    memcpy(h + 108, "0000000", 8);
    memcpy(h + 116, "0000000", 8);
    snprintf(h + 124, 12, "%011zo", size_bytes);
    memcpy(h + 136, "00000000000", 12);
    memset(h + 148, ' ', 8);
    h[156] = type;
    memcpy(h + 257, // NOLINT(bugprone-not-null-terminated-result): "ustar", its zero, and a version without one
           "ustar\0"
           "00",
           8);
    memcpy(h + 345, name, prefix);
    for (size_t i = 0; i < BLOCK; i++)
        sum += (unsigned char)h[i];
    snprintf(h + 148, 8, "%06o", sum & 0777777u);
    fwrite(h, 1, BLOCK, stream);
}

static void write_data(FILE *stream, const void *data, size_t size_bytes)
{
    static const char zeros[BLOCK];
    if (size_bytes)
        fwrite(data, 1, size_bytes, stream);
    fwrite(zeros, 1, ssfer_align_size(size_bytes, BLOCK) - size_bytes, stream);
}

/* A pax header gives a name of any length: a record "LENGTH path=NAME\n" whose length counts itself. */
static void write_long_name(FILE *stream, const char *name, size_t length)
{
    char text[MAX_NAME + 32];
    size_t plain = length + sizeof " path=\n" - 1, total = plain + 1;
    for (;;) {
        size_t digits = (size_t)snprintf(NULL, 0, "%zu", total);
        if (plain + digits == total)
            break;
        total = plain + digits;
    }
    snprintf(text, sizeof text, "%zu path=%s\n", total, name);
    static const char label[] = "PaxHeaders/name";
    write_header(stream, label, sizeof label - 1, 0, total, 'x');
    write_data(stream, text, total);
}

ssfer_status ssfer_tar_writer_add(ssfer_tar_writer *writer, const char *name, const void *data, size_t size_bytes,
                                  ssfer_error *err)
{
    char clean[MAX_NAME];
    FILE *stream = writer->file.stream;
    size_t length = clean_name(clean, name);
    if (length == 0 || length == SIZE_MAX || strcmp(clean, name) != 0)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: %.200s cannot be the name of a member", writer->file.path,
                          name);
    if (size_bytes > 077777777777u)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "%s: %.200s is larger than a tar member can be (8 GiB)",
                          writer->file.path, name);
    size_t prefix = split_ustar(name, length);
    errno = 0;
    if (prefix == SIZE_MAX) {
        write_long_name(stream, name, length);
        prefix = 0;
    }
    write_header(stream, name, length, prefix, size_bytes, '0');
    write_data(stream, data, size_bytes);
    if (ferror(stream))
        return ssfer_fail_errno(err, writer->file.path, "cannot write", errno);
    return SSFER_OK;
}

ssfer_status ssfer_tar_writer_commit(ssfer_tar_writer *writer, ssfer_error *err)
{
    static const char end[2 * BLOCK];
    fwrite(end, 1, sizeof end, writer->file.stream);
    ssfer_status st = ssfer_file_writer_commit(&writer->file, err);
    ssfer_free(writer);
    return st;
}

void ssfer_tar_writer_abort(ssfer_tar_writer *writer)
{
    if (!writer)
        return;
    ssfer_file_writer_abort(&writer->file);
    ssfer_free(writer);
}
