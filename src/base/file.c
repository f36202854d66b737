#include "base/file.h"

#include "base/hash.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static ssfer_status open_regular(int *fd, size_t *size_bytes, const char *path, ssfer_error *err)
{
    struct stat info;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block us before we can refuse it */
    if (*fd < 0)
        return ssfer_fail_errno(err, path, NULL, errno);
    if (fstat(*fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(*fd);
        return ssfer_fail(err, SSFER_ERR_IO, "%s: not a regular file; give a file", path);
    }
    *size_bytes = (size_t)info.st_size;
    return SSFER_OK;
}

ssfer_status ssfer_file_read(unsigned char **data, size_t *size_bytes, const char *path, size_t max_bytes,
                             ssfer_error *err)
{
    int fd;
    size_t size, have = 0;
    *data = NULL;
    *size_bytes = 0;
    ssfer_status st = open_regular(&fd, &size, path, err);
    if (st != SSFER_OK)
        return st;
    unsigned char *bytes = NULL;
    if (size > max_bytes)
        st = ssfer_fail(err, SSFER_ERR_LIMIT, "%s: %zu bytes, more than the %zu accepted here", path, size, max_bytes);
    else if (!(bytes = ssfer_malloc(size + 1)))
        st = ssfer_fail(err, SSFER_ERR_MEMORY, "%s: no memory for its %zu bytes", path, size);
    while (st == SSFER_OK && have < size) {
        ssize_t n = read(fd, bytes + have, size - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            st = n ? ssfer_fail_errno(err, path, "cannot read", errno)
                   : ssfer_fail(err, SSFER_ERR_IO, "%s: became shorter while being read; try again", path);
        else
            have += (size_t)n;
    }
    close(fd);
    if (st != SSFER_OK) {
        ssfer_free(bytes);
        return st;
    }
    bytes[size] = 0;
    *data = bytes;
    *size_bytes = size;
    return SSFER_OK;
}

ssfer_status ssfer_file_map_open(ssfer_file_map *map, const char *path, ssfer_error *err)
{
    int fd;
    size_t size;
    *map = (ssfer_file_map){0};
    ssfer_status st = open_regular(&fd, &size, path, err);
    if (st != SSFER_OK)
        return st;
    if (size == 0) {
        map->data = (const unsigned char *)"";
    } else {
        void *memory = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (memory == MAP_FAILED)
            st = ssfer_fail_errno(err, path, "cannot map", errno);
        else
            *map = (ssfer_file_map){memory, size};
    }
    close(fd);
    return st;
}

void ssfer_file_map_close(ssfer_file_map *map)
{
    if (map->size_bytes)
        munmap((void *)(uintptr_t)map->data, map->size_bytes);
    *map = (ssfer_file_map){0};
}

size_t ssfer_name_most(const char *folder)
{
    const long most = pathconf(folder, _PC_NAME_MAX);
    return most >= 32 ? (size_t)most : 255; /* unknown: that of all usual file systems */
}

char *ssfer_name_shorten(const char *name, size_t most_bytes)
{
    enum { HASH = 9 }; /* "-" and eight digits */
    const size_t length = strlen(name);
    if (length <= most_bytes)
        return ssfer_strdup(name);
    const uint32_t hash = (uint32_t)(ssfer_hash64(name, length, 0) >> 32);
    size_t kept = most_bytes - HASH;
    while (kept && ((unsigned char)name[kept] & 0xc0) == 0x80) /* not in the middle of a character */
        kept--;
    return ssfer_format("%.*s-%08" PRIx32, (int)kept, name, hash);
}

/* PATH.tmp.PID, or NULL when memory runs out. */
static char *temporary_of(const char *target)
{
    char suffix[32];
    const int suffix_length = snprintf(suffix, sizeof suffix, ".tmp.%ld", (long)getpid());
    const char *slash = strrchr(target, '/'), *name = slash ? slash + 1 : target;
    char *folder = slash ? ssfer_format("%.*s", (int)(name - target), target) : ssfer_strdup("./");
    char *kept = folder ? ssfer_name_shorten(name, ssfer_name_most(folder) - (size_t)suffix_length) : NULL;
    char *temporary = kept ? ssfer_format("%s%s%s", slash ? folder : "", kept, suffix) : NULL;
    ssfer_free(folder);
    ssfer_free(kept);
    return temporary;
}

/* The file that a path names in the end; the path itself while nothing is there. NULL when memory runs out. */
static char *follow_links(const char *path)
{
    char *real = realpath(path, NULL), *copy = ssfer_strdup(real ? real : path);
    free(real); /* realpath's own allocation */
    return copy;
}

static void release_names(ssfer_file_writer *writer)
{
    ssfer_free(writer->path);
    ssfer_free(writer->target);
    ssfer_free(writer->temporary);
    *writer = (ssfer_file_writer){0};
}

ssfer_status ssfer_file_writer_open(ssfer_file_writer *writer, const char *path, ssfer_error *err)
{
    struct stat info;
    const bool there = stat(path, &info) == 0, direct = there && !S_ISREG(info.st_mode);
    const int cause = there ? 0 : errno;
    *writer = (ssfer_file_writer){0};
    if (cause == ENAMETOOLONG) /* the temporary's name may be shorter */
        return ssfer_fail_errno(err, path, "cannot write", cause);
    if (!*path || (there && S_ISDIR(info.st_mode)))
        return ssfer_fail_errno(err, path, "cannot write", *path ? EISDIR : ENOENT);
    writer->path = ssfer_strdup(path);
    writer->target = direct ? NULL : follow_links(path);
    writer->temporary = writer->target ? temporary_of(writer->target) : NULL;
    ssfer_status st = SSFER_OK;
    if (!writer->path || (!direct && !writer->temporary))
        st = ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path);
    else if (!(writer->stream = fopen(direct ? path : writer->temporary, "wbe")))
        st = ssfer_fail_errno(err, path, "cannot write", errno);
    if (st != SSFER_OK)
        release_names(writer);
    return st;
}

/* A rename survives a power cut only when the folder that holds the name has been synced too. */
static void sync_folder_of(const char *path)
{
    char *copy = ssfer_strdup(path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)!fsync(fd);
        close(fd);
    }
    ssfer_free(copy);
}

/* Whether all that was written so far has left the program; if not, errno says why. A write that failed earlier has
 * left no errno by now: what the system says to one more byte is the reason. */
static bool flush_all(FILE *stream)
{
    errno = 0;
    if (fflush(stream) != 0)
        return false;
    if (!ferror(stream))
        return true;
    clearerr(stream);
    errno = 0;
    if (fputc(0, stream) != EOF)
        (void)!fflush(stream);
    return false;
}

ssfer_status ssfer_file_writer_commit(ssfer_file_writer *writer, ssfer_error *err)
{
    bool good = flush_all(writer->stream);
    if (good && writer->temporary) /* a device or a pipe has nothing to sync */
        good = fsync(fileno(writer->stream)) == 0;
    int cause = errno;
    if (fclose(writer->stream) != 0 && good) {
        good = false;
        cause = errno;
    }
    writer->stream = NULL;
    if (good && writer->temporary && rename(writer->temporary, writer->target) != 0) {
        good = false;
        cause = errno;
    }
    ssfer_status st = SSFER_OK;
    if (good && writer->temporary)
        sync_folder_of(writer->target);
    else if (!good)
        st = ssfer_fail_errno(err, writer->path, "cannot write", cause);
    ssfer_file_writer_abort(writer);
    return st;
}

void ssfer_file_writer_abort(ssfer_file_writer *writer)
{
    if (writer->stream)
        fclose(writer->stream);
    if (writer->temporary)
        unlink(writer->temporary); /* already gone after a rename */
    release_names(writer);
}

ssfer_status ssfer_file_write(const char *path, const void *data, size_t size_bytes, ssfer_error *err)
{
    ssfer_file_writer writer;
    ssfer_status st = ssfer_file_writer_open(&writer, path, err);
    if (st != SSFER_OK)
        return st;
    if (size_bytes) /* data may be NULL then */
        fwrite(data, 1, size_bytes, writer.stream);
    return ssfer_file_writer_commit(&writer, err);
}

ssfer_status ssfer_folder_create(const char *path, ssfer_error *err)
{
    char *copy = ssfer_strdup(path);
    if (!copy)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path);
    int failed = 0;
    for (char *slash = copy + (*copy == '/'); !failed; slash++) {
        char kept = *slash;
        if (kept == '/' || kept == 0) {
            *slash = 0;
            failed = mkdir(copy, 0777) != 0 && errno != EEXIST;
            *slash = kept;
        }
        if (kept == 0)
            break;
    }
    int cause = errno;
    ssfer_free(copy);
    if (failed)
        return ssfer_fail_errno(err, path, "cannot create the folder", cause);
    if (!ssfer_folder_exists(path))
        return ssfer_fail(err, SSFER_ERR_IO, "%s: exists and is not a folder; choose another name", path);
    return SSFER_OK;
}

bool ssfer_file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

bool ssfer_folder_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}
