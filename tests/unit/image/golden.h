/* What the image tests share: the golden folder, the hash of its tables, noise. */
#ifndef SSFER_TESTS_IMAGE_GOLDEN_H
#define SSFER_TESTS_IMAGE_GOLDEN_H

/* cmocka wants these four first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "image/codec.h"
#include "ssfer/image.h"

#define GOLDEN_FOLDER SSFER_TEST_DIR "/golden/image/"

static inline uint64_t fnv1a(const void *data, size_t size_bytes)
{
    const uint8_t *p = data;
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < size_bytes; i++)
        hash = (hash ^ p[i]) * 0x100000001B3u;
    return hash;
}

static inline uint64_t image_hash(const ssfer_image *image)
{
    return fnv1a(image->data, 3 * image->width * image->height);
}

/* The same picture as make_golden_image.py's noise(). */
static inline ssfer_image noise_image(size_t width, size_t height, bool gray)
{
    ssfer_image image;
    uint32_t state = 12345;
    assert_int_equal(ssfer_image_create(&image, width, height, NULL), SSFER_OK);
    for (size_t i = 0; i < 3 * width * height; i++) {
        if (!gray || i % 3 == 0)
            state = state * 1664525u + 1013904223u;
        image.data[i] = (uint8_t)(state >> 24);
    }
    return image;
}

/* A golden file's bytes; freed with ssfer_free. */
static inline uint8_t *golden_bytes(const char *name, size_t *size_bytes)
{
    char path[512];
    unsigned char *bytes;
    ssfer_error err = {0};
    snprintf(path, sizeof path, GOLDEN_FOLDER "%s", name);
    if (ssfer_file_read(&bytes, size_bytes, path, 1 << 20, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    return bytes;
}

static inline FILE *golden_table(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, GOLDEN_FOLDER "%s", name);
    FILE *table = fopen(path, "r");
    if (!table)
        fail_msg("no %s", path);
    return table;
}

/* Every refusal is one line that names the file. */
static inline void assert_refused(ssfer_status got, ssfer_status want, const ssfer_error *err, const char *name)
{
    if (got != want)
        fail_msg("%s: status %s, expected %s (%s)", name, ssfer_status_name(got), ssfer_status_name(want),
                 err->message);
    assert_int_equal(err->status, want);
    assert_non_null(strstr(err->message, name));
    assert_null(strchr(err->message, '\n'));
}

#endif
