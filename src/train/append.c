#include "train/append.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

ssfer_status ssfer_append_open(ssfer_append *file, const char *path, uint64_t keep_bytes, ssfer_error *err)
{
    struct stat info;
    *file = (ssfer_append){.fd = -1, .path = ssfer_strdup(path)};
    if (!file->path)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    bool failed = fd < 0 || fstat(fd, &info) != 0;
    if (!failed && (uint64_t)info.st_size > keep_bytes) {
        failed = ftruncate(fd, (off_t)keep_bytes) != 0;
        info.st_size = (off_t)keep_bytes;
    }
    if (failed) {
        ssfer_status st = ssfer_fail_errno(err, path, "cannot write", errno);
        if (fd >= 0)
            close(fd);
        ssfer_append_close(file);
        return st;
    }
    file->fd = fd;
    file->size_bytes = (uint64_t)info.st_size;
    return SSFER_OK;
}

ssfer_status ssfer_append_write(ssfer_append *file, const void *data, size_t size_bytes, ssfer_error *err)
{
    const char *bytes = data;
    size_t done = 0;
    while (done < size_bytes) {
        ssize_t n = write(file->fd, bytes + done, size_bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int cause = n < 0 ? errno : ENOSPC;
            if (done)
                (void)!ftruncate(file->fd, (off_t)file->size_bytes);
            return ssfer_fail_errno(err, file->path, "cannot write", cause);
        }
        done += (size_t)n;
    }
    file->size_bytes += size_bytes;
    return SSFER_OK;
}

ssfer_status ssfer_append_sync(ssfer_append *file, ssfer_error *err)
{
    /* EINVAL: a special file (a pipe, /dev/null) that has nothing to sync */
    if (fdatasync(file->fd) != 0 && errno != EINVAL)
        return ssfer_fail_errno(err, file->path, "cannot write", errno);
    return SSFER_OK;
}

void ssfer_append_close(ssfer_append *file)
{
    if (file->path && file->fd >= 0)
        close(file->fd);
    ssfer_free(file->path);
    *file = (ssfer_append){.fd = -1};
}
