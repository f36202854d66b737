/* Small data sets on disk for the tests of this folder: a temporary folder, pictures of noise in it, tars and lists
 * made of them. */
#ifndef SSFER_TESTS_DATA_SCENE_H
#define SSFER_TESTS_DATA_SCENE_H

#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "data/dataset.h"
#include "io/tar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <ftw.h>
#include <sys/stat.h>

typedef struct scene {
    char folder[64];
} scene;

static inline scene scene_create(void)
{
    scene s = {"scene.XXXXXX"};
    if (access("/dev/shm", W_OK) == 0) /* in memory: hundreds of small files take a disk seconds */
        strcpy(s.folder, "/dev/shm/ssfer-test.XXXXXX");
    assert_non_null(mkdtemp(s.folder));
    return s;
}

static inline int scene_remove(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info, (void)type, (void)at;
    return remove(path);
}

static inline void scene_destroy(scene *s)
{
    nftw(s->folder, scene_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* FOLDER/name in a buffer of the scene's caller. */
typedef struct scene_path {
    char text[512];
} scene_path;

static inline scene_path scene_at(const scene *s, const char *name)
{
    scene_path p;
    snprintf(p.text, sizeof p.text, "%s/%s", s->folder, name);
    return p;
}

static inline void scene_make_parent(const char *path)
{
    char *copy = ssfer_strdup(path), *slash = strrchr(copy, '/');
    *slash = 0;
    assert_int_equal(ssfer_folder_create(copy, NULL), SSFER_OK);
    ssfer_free(copy);
}

static inline void scene_folder(const scene *s, const char *name)
{
    assert_int_equal(ssfer_folder_create(scene_at(s, name).text, NULL), SSFER_OK);
}

static inline void scene_file(const scene *s, const char *name, const void *data, size_t size_bytes)
{
    scene_path p = scene_at(s, name);
    scene_make_parent(p.text);
    FILE *f = fopen(p.text, "wb"); /* without the fsync of ssfer_file_write, which would take most of a test's time */
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size_bytes, f), size_bytes);
    fclose(f);
}

static inline void scene_text(const scene *s, const char *name, const char *text)
{
    scene_file(s, name, text, strlen(text));
}

static inline void scene_image(ssfer_image *image, size_t width, size_t height, uint64_t seed)
{
    ssfer_rng rng = ssfer_rng_stream(seed, 0, 0, 0, SSFER_RNG_TEST);
    assert_int_equal(ssfer_image_create(image, width, height, NULL), SSFER_OK);
    for (size_t i = 0; i < 3 * width * height; i++)
        image->data[i] = (uint8_t)ssfer_rng_u32(&rng);
}

static inline void scene_picture(const scene *s, const char *name, size_t width, size_t height, uint64_t seed)
{
    scene_path p = scene_at(s, name);
    ssfer_image image = {0};
    ssfer_error err = {0};
    scene_make_parent(p.text);
    scene_image(&image, width, height, seed);
    if (ssfer_image_save(&image, p.text, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    ssfer_image_deinit(&image);
}

/* Packs all pictures below a folder of the scene into a tar, with `top` in front of their paths, last one first. */
static inline void scene_pack(const scene *s, const char *folder, const char *tar, const char *top)
{
    scene_path from = scene_at(s, folder), to = scene_at(s, tar);
    ssfer_dataset *set = NULL;
    ssfer_tar_writer *writer = NULL;
    ssfer_error err = {0};
    assert_int_equal(ssfer_dataset_open(&set, from.text, &(ssfer_dataset_options){.unlabeled = true}, &err), SSFER_OK);
    assert_int_equal(ssfer_tar_writer_open(&writer, to.text, &err), SSFER_OK);
    for (size_t i = ssfer_dataset_count(set); i-- > 0;) {
        const unsigned char *bytes;
        unsigned char *owned;
        size_t size;
        char name[512];
        snprintf(name, sizeof name, "%s%s", top, ssfer_dataset_path(set, i));
        assert_int_equal(ssfer_dataset_bytes(set, i, &bytes, &size, &owned, &err), SSFER_OK);
        assert_int_equal(ssfer_tar_writer_add(writer, name, bytes, size, &err), SSFER_OK);
        ssfer_free(owned);
    }
    assert_int_equal(ssfer_tar_writer_commit(writer, &err), SSFER_OK);
    ssfer_dataset_close(set);
}

/* A log that keeps its last line and counts. */
typedef struct scene_log {
    size_t count;
    char last[1024];
} scene_log;

static inline void scene_log_write(void *user, ssfer_log_level level, const char *line)
{
    scene_log *log = user;
    (void)level;
    log->count++;
    snprintf(log->last, sizeof log->last, "%s", line);
}

#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        ssfer_error assert_ok_error = {0}, *err = &assert_ok_error;                                                    \
        if ((call) != SSFER_OK)                                                                                        \
            fail_msg("%s: %s", #call, assert_ok_error.message);                                                        \
    } while (0)

/* The call fails with this status and a message that holds `part`; `err` stands for the error inside the call. */
#define assert_fails(call, wanted, part)                                                                               \
    do {                                                                                                               \
        ssfer_error assert_fails_error = {0}, *err = &assert_fails_error;                                              \
        ssfer_status assert_fails_status = (call);                                                                     \
        if (assert_fails_status != (wanted) || !strstr(err->message, part))                                            \
            fail_msg("%s: status %s, message \"%s\"; wanted \"%s\"", #call, ssfer_status_name(assert_fails_status),    \
                     err->message, part);                                                                              \
    } while (0)

#endif
