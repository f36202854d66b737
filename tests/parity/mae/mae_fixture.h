/* What the tests of the masked autoencoder's fixtures share: reading tensors, comparing, counting. */
#ifndef SSFER_TESTS_MAE_FIXTURE_H
#define SSFER_TESTS_MAE_FIXTURE_H

#include "data/transform.h"
#include "fixture.h"
#include "io/tensor_set.h"

#include <math.h>
#include <string.h>

/* Element by element, NaN fails. Names the worst place. */
static inline void check_close(const char *what, const float *got, const float *want, size_t count, double atol)
{
    double worst = 0.0;
    size_t at = 0, bad = 0;
    for (size_t i = 0; i < count; i++) {
        double error = fabs((double)got[i] - (double)want[i]);
        bad += !(error <= atol);
        if (!(error <= worst)) {
            worst = error;
            at = i;
        }
    }
    checked += count;
    failed += bad;
    if (bad || getenv("VERBOSE"))
        printf("%-44s worst %.3g at %zu (allowed %.3g): %zu of %zu wrong\n", what, worst, at, atol, bad, count);
}

static inline void check_equal(const char *what, size_t got, size_t want)
{
    checked++;
    if (got != want) {
        failed++;
        printf("%s: %zu, wanted %zu\n", what, got, want);
    }
}

/* The tolerance of a tensor, negative (nothing passes) where the fixture has none. */
static inline double atol_of(const fixture_value *group, const char *name)
{
    return fixture_number(fixture_find(group, name), "atol", -1.0);
}

static inline ssfer_tensor_set *read_set(const char *name)
{
    ssfer_tensor_set *set = NULL;
    ssfer_error err = {0};
    char *path = fixture_path("mae", name);
    if (ssfer_file_exists(path) && ssfer_safetensors_read(&set, path, &err) != SSFER_OK) {
        printf("%s\n", err.message);
        exit(1);
    }
    ssfer_free(path);
    return set;
}

/* A tensor as floats, freed with ssfer_free; ends the test when it is not there. */
static inline float *floats(const ssfer_tensor_set *set, const char *name, size_t *count)
{
    const ssfer_tensor *t = ssfer_tensor_set_find(set, name);
    float *values = t ? ssfer_aligned_alloc(t->count * sizeof *values + 64) : NULL;
    if (!values) {
        printf("the fixture has no tensor %s\n", name);
        exit(1);
    }
    ssfer_tensor_to_f32(values, t);
    if (count)
        *count = t->count;
    return values;
}

static inline void must(ssfer_status st, const char *message)
{
    if (st != SSFER_OK) {
        printf("%s: %s\n", ssfer_status_name(st), message);
        exit(1);
    }
}

static inline void check_tensor(const char *model, const char *name, const float *got, const ssfer_tensor_set *expected,
                                double atol)
{
    char what[160];
    size_t count;
    float *want = floats(expected, name, &count);
    snprintf(what, sizeof what, "%s: %s", model, name);
    check_close(what, got, want, count, atol);
    ssfer_free(want);
}

/* The pictures: `input` as it is, or `input_u8` normalised as the data layer does. */
static inline float *input_images(const ssfer_tensor_set *set, size_t *batch)
{
    const ssfer_tensor *raw = ssfer_tensor_set_find(set, "input_u8"), *ready = ssfer_tensor_set_find(set, "input");
    size_t count;
    float *images = floats(set, raw ? "input_u8" : "input", &count), table[3][256];
    *batch = (raw ? raw : ready)->shape[0];
    ssfer_normalize_table(table, SSFER_DEFAULT_MEAN, SSFER_DEFAULT_STD);
    for (size_t i = 0; raw && i < count; i++)
        images[i] = table[i / (raw->shape[2] * raw->shape[3]) % 3][(int)images[i]];
    return images;
}

#endif
