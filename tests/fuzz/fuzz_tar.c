/* Any bytes as a tar: its index, every byte of its members, and a data set made of it. */
#include "data/dataset.h"
#include "io/tar.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tar(const char *path)
{
    static volatile unsigned sum;
    ssfer_error err = {0};
    ssfer_tar *tar;
    if (ssfer_tar_open(&tar, path, 1 << 20, &err) != SSFER_OK) {
        if (tar || !err.message[0])
            abort();
        return;
    }
    for (size_t i = 0; i < ssfer_tar_count(tar); i++) {
        const ssfer_tar_member *m = ssfer_tar_at(tar, i);
        if (ssfer_tar_find(tar, m->path) != m)
            abort();
        for (size_t k = 0; k < m->size_bytes; k++)
            sum += m->data[k];
    }
    ssfer_tar_close(tar);
}

static void check_dataset(const char *path, bool unlabeled)
{
    ssfer_error err = {0};
    ssfer_dataset *set;
    ssfer_dataset_options options = {.unlabeled = unlabeled};
    if (ssfer_dataset_open(&set, path, &options, &err) != SSFER_OK) {
        if (set || !err.message[0])
            abort();
        return;
    }
    for (size_t i = 0; i < ssfer_dataset_count(set); i++) {
        int32_t label = ssfer_dataset_label(set, i);
        if (unlabeled ? label != SSFER_LABEL_NONE : label < 0 || (size_t)label >= ssfer_dataset_class_count(set))
            abort();
        if (!unlabeled && ssfer_dataset_find(set, ssfer_dataset_path(set, i)) != i)
            abort();
    }
    ssfer_dataset_close(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("fuzz", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    check_tar(path);
    check_dataset(path, false);
    check_dataset(path, true);
    close(fd);
    return 0;
}
