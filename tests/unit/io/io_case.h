/* Shared by the tests of src/io: golden files, temporary files, sets compared element by element. */
#ifndef SSFER_TESTS_IO_CASE_H
#define SSFER_TESTS_IO_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "io/tensor_set.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GOLDEN SSFER_TEST_DIR "/golden/io/"

/* The message must hold `part`; it must be one line. */
#define CHECK_MESSAGE(err, part)                                                                                       \
    do {                                                                                                               \
        if (!strstr((err).message, (part)) || strchr((err).message, '\n'))                                             \
            fail_msg("%s:%d: message \"%s\" does not say \"%s\"", __FILE__, __LINE__, (err).message, (part));          \
    } while (0)

/* The call must succeed; its message is shown otherwise. */
#define CHECK_OK(call, err)                                                                                            \
    do {                                                                                                               \
        if ((call) != SSFER_OK)                                                                                        \
            fail_msg("%s:%d: %s", __FILE__, __LINE__, (err).message);                                                  \
    } while (0)

static inline unsigned char *case_bytes(const char *path, size_t *size)
{
    unsigned char *bytes = NULL;
    ssfer_error err = {0};
    CHECK_OK(ssfer_file_read(&bytes, size, path, (size_t)1 << 24, &err), err);
    return bytes;
}

/* Calls `visit` with every golden file whose name starts with `prefix` and ends with `suffix`; returns how many. */
static inline size_t case_each(const char *prefix, const char *suffix, void (*visit)(const char *name))
{
    size_t count = 0;
    DIR *folder = opendir(GOLDEN);
    assert_non_null(folder);
    for (struct dirent *e; (e = readdir(folder));) {
        size_t n = strlen(e->d_name), m = strlen(suffix);
        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0 && n > m && strcmp(e->d_name + n - m, suffix) == 0) {
            visit(e->d_name);
            count++;
        }
    }
    closedir(folder);
    return count;
}

/* Same tensors: names in order if `ordered`, types, shapes, bytes. */
static inline void case_same_tensors(const ssfer_tensor_set *got, const ssfer_tensor_set *want, bool ordered,
                                     const char *what)
{
    if (ssfer_tensor_set_count(got) != ssfer_tensor_set_count(want))
        fail_msg("%s: %zu tensors, %zu expected", what, ssfer_tensor_set_count(got), ssfer_tensor_set_count(want));
    for (size_t i = 0; i < ssfer_tensor_set_count(want); i++) {
        const ssfer_tensor *w = ssfer_tensor_set_at(want, i);
        const ssfer_tensor *g = ordered ? ssfer_tensor_set_at(got, i) : ssfer_tensor_set_find(got, w->name);
        if (!g || strcmp(g->name, w->name) != 0 || g->dtype != w->dtype || g->ndim != w->ndim ||
            memcmp(g->shape, w->shape, w->ndim * sizeof *w->shape) != 0 || g->size_bytes != w->size_bytes ||
            g->count != w->count || (w->size_bytes && memcmp(g->data, w->data, w->size_bytes) != 0))
            fail_msg("%s: tensor %s differs", what, w->name);
        if ((uintptr_t)g->data % ssfer_dtype_size(g->dtype))
            fail_msg("%s: tensor %s is not aligned", what, w->name);
    }
}

/* Every metadata entry of `want` is in `got`. */
static inline void case_has_metadata(const ssfer_tensor_set *got, const ssfer_tensor_set *want, const char *what)
{
    for (size_t i = 0; i < ssfer_tensor_set_metadata_count(want); i++) {
        ssfer_metadata_entry entry = ssfer_tensor_set_metadata_at(want, i);
        const char *value = ssfer_tensor_set_get(got, entry.key);
        if (!value || strcmp(value, entry.value) != 0)
            fail_msg("%s: metadata %s is %s, not %s", what, entry.key, value ? value : "missing", entry.value);
    }
}

static inline void case_write(const char *path, const void *bytes, size_t size)
{
    ssfer_error err = {0};
    CHECK_OK(ssfer_file_write(path, bytes, size, &err), err);
}

#endif
