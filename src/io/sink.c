#include "io/sink.h"

#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_tar(const char *path)
{
    size_t length = strlen(path);
    return length >= 4 && strcmp(path + length - 4, ".tar") == 0;
}

static ssfer_status check_empty(const char *folder, ssfer_error *err)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return errno == ENOENT ? SSFER_OK : ssfer_fail_errno(err, folder, "cannot use it as a folder", errno);
    size_t entries = 0;
    for (const struct dirent *entry; (entry = readdir(dir));)
        entries += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    if (entries)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: exists and is not empty; remove it or choose another folder",
                          folder);
    return SSFER_OK;
}

/* The folder's own name: without slashes at the end, and where a link leads, as a link cannot be renamed over. */
static char *own_name(const char *path)
{
    char real[PATH_MAX];
    char *name = ssfer_strdup(realpath(path, real) ? real : path);
    for (size_t n = name ? strlen(name) : 0; n > 1 && name[n - 1] == '/'; n--)
        name[n - 1] = 0;
    return name;
}

static void sink_deinit(ssfer_sink *sink)
{
    ssfer_free(sink->target);
    ssfer_free(sink->building);
    ssfer_free(sink->last_folder);
    *sink = (ssfer_sink){0};
}

ssfer_status ssfer_sink_open(ssfer_sink *sink, const char *path, ssfer_error *err)
{
    *sink = (ssfer_sink){0};
    if (!*path)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "no name for the output; give a folder or a .tar file");
    if (is_tar(path))
        return ssfer_tar_writer_open(&sink->tar, path, err);
    ssfer_status st = check_empty(path, err);
    if (st != SSFER_OK)
        return st;
    sink->target = own_name(path);
    sink->building = sink->target ? ssfer_format("%s.tmp.%ld", sink->target, (long)getpid()) : NULL;
    st = sink->building ? ssfer_folder_create(sink->building, err)
                        : ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path);
    if (st != SSFER_OK)
        sink_deinit(sink);
    return st;
}

static ssfer_status need_folder(ssfer_sink *sink, const char *file, ssfer_error *err)
{
    size_t length = (size_t)(strrchr(file, '/') - file);
    if (sink->last_folder && strncmp(sink->last_folder, file, length) == 0 && !sink->last_folder[length])
        return SSFER_OK;
    ssfer_free(sink->last_folder);
    sink->last_folder = ssfer_format("%.*s", (int)length, file);
    if (!sink->last_folder)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", sink->target);
    return ssfer_folder_create(sink->last_folder, err);
}

/* No fsync for each of thousands of small files: the folder gets its name only when all are written, and a set that a
 * power cut takes is made again by the same command. */
static ssfer_status write_file(const char *path, const void *bytes, size_t size_bytes, ssfer_error *err)
{
    FILE *f = fopen(path, "wbe");
    if (!f)
        return ssfer_fail_errno(err, path, "cannot write", errno);
    bool good = fwrite(bytes, 1, size_bytes, f) == size_bytes && fflush(f) == 0;
    int cause = errno;
    if (fclose(f) != 0 && good) {
        good = false;
        cause = errno;
    }
    return good ? SSFER_OK : ssfer_fail_errno(err, path, "cannot write", cause);
}

ssfer_status ssfer_sink_add(ssfer_sink *sink, const char *name, const void *bytes, size_t size_bytes, ssfer_error *err)
{
    if (sink->tar)
        return ssfer_tar_writer_add(sink->tar, name, bytes, size_bytes, err);
    char *path = ssfer_format("%s/%s", sink->building, name);
    if (!path)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", sink->target);
    ssfer_status st = need_folder(sink, path, err);
    if (st == SSFER_OK)
        st = write_file(path, bytes, size_bytes, err);
    ssfer_free(path);
    return st;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    (void)remove(path); /* what cannot be removed stays; the error that brought us here is the one to report */
    return 0;
}

void ssfer_sink_abort(ssfer_sink *sink)
{
    ssfer_tar_writer_abort(sink->tar);
    if (sink->building)
        nftw(sink->building, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    sink_deinit(sink);
}

ssfer_status ssfer_sink_commit(ssfer_sink *sink, ssfer_error *err)
{
    ssfer_status st = SSFER_OK;
    if (sink->tar)
        st = ssfer_tar_writer_commit(sink->tar, err);
    else if (rename(sink->building, sink->target) != 0) /* replaces an empty folder */
        st = ssfer_fail_errno(err, sink->target, "cannot put the finished set there", errno);
    sink->tar = NULL;
    if (st != SSFER_OK)
        ssfer_sink_abort(sink);
    else
        sink_deinit(sink);
    return st;
}
