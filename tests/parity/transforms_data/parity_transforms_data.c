/* RandomResizedCrop's geometry and the normalised values of the evaluation transform, against torchvision's. */
#include "data/transform.h"
#include "fixture.h"
#include "io/tensor_set.h"

#include <math.h>
#include <string.h>

static void expect(const char *what, size_t n, double value, double wanted, double tolerance)
{
    checked++;
    if (!(fabs(value - wanted) <= tolerance)) {
        printf("%s, item %zu: %.9g, expected %.9g\n", what, n, value, wanted);
        failed++;
    }
}

/* "[0, 169]": inclusive bounds of a position. */
static double upper_bound(const fixture_value *c, const char *key)
{
    const fixture_value *range = fixture_find(c, key);
    return fixture_is_array(range) ? fixture_at(range, 1)->number : -1.0;
}

static void check_crop(const fixture_value *c, size_t n)
{
    /* The fixture's rule fixes the ranges: area 0.2 .. 1, ratio 3/4 .. 4/3, the transform's defaults. */
    ssfer_transform t = ssfer_transform_train(224);
    double uniforms[2 * SSFER_CROP_ATTEMPTS];
    size_t width = (size_t)fixture_number(c, "image_w", 0), height = (size_t)fixture_number(c, "image_h", 0);
    for (size_t i = 0; i < 2 * SSFER_CROP_ATTEMPTS; i += 2) {
        uniforms[i] = fixture_number(c, "u_area", NAN);
        uniforms[i + 1] = fixture_number(c, "u_ratio", NAN);
    }
    ssfer_crop crop;
    bool accepted;
    size_t attempts = ssfer_crop_size(&t, width, height, uniforms, &crop, &accepted);
    expect("attempts", n, (double)attempts, fixture_number(c, "attempts", NAN), 0);
    expect("fallback", n, !accepted, fixture_is_true(fixture_find(c, "fallback_center_crop")), 0);
    expect("width", n, (double)crop.width, fixture_number(c, "w", NAN), 0);
    expect("height", n, (double)crop.height, fixture_number(c, "h", NAN), 0);
    if (accepted) {
        expect("range of left", n, (double)(width - crop.width), upper_bound(c, "inclusive_range_left"), 0);
        expect("range of top", n, (double)(height - crop.height), upper_bound(c, "inclusive_range_top"), 0);
    } else {
        expect("left", n, (double)crop.left, fixture_number(c, "left", NAN), 0);
        expect("top", n, (double)crop.top, fixture_number(c, "top", NAN), 0);
    }
}

/* The value of each byte per channel. */
static void check_bytes(const ssfer_tensor *wanted)
{
    float table[3][256], expected[3 * 256];
    if (wanted->count != 3 * 256) {
        printf("%s: %zu elements, expected 768\n", wanted->name, wanted->count);
        failed++;
        return;
    }
    ssfer_tensor_to_f32(expected, wanted);
    ssfer_normalize_table(table, SSFER_DEFAULT_MEAN, SSFER_DEFAULT_STD);
    for (size_t i = 0; i < 768; i++)
        expect(wanted->name, i, table[i / 256][i % 256], expected[i], 0); /* the same float32 operations */
}

/* The first key of the manifest that is resizeN: the folder of pictures whose shorter side was made N. NULL: none. */
static const char *resized_folder(const fixture_value *manifest)
{
    for (const fixture_value *c = manifest->child; c; c = c->next) {
        size_t side;
        if (sscanf(c->key, "resize%zu", &side) == 1)
            return c->key;
    }
    return NULL;
}

/* Finds FOLDER/NAME.png for "NAME.rows40_136_cols30_126" and compares that window of the normalised picture. The stored
 * results are those of Resize without the centre crop, which is applied here to a window around it. */
static void check_window(const char *folder, const ssfer_tensor *wanted, const char *window)
{
    size_t r0, r1, c0, c1;
    if (sscanf(window, ".rows%zu_%zu_cols%zu_%zu", &r0, &r1, &c0, &c1) != 4 || wanted->ndim != 3 ||
        wanted->shape[0] != 3 || wanted->shape[1] != r1 - r0 || wanted->shape[2] != c1 - c0) {
        printf("%s: shape and name do not fit\n", wanted->name);
        failed++;
        return;
    }
    char *name = ssfer_format("%s/%.*s.png", folder, (int)(window - wanted->name), wanted->name);
    char *path = fixture_path("transforms", name);
    ssfer_image image = {0};
    ssfer_error err = {0};
    float *expected = ssfer_malloc(wanted->size_bytes), *out = ssfer_malloc(wanted->size_bytes);
    if (ssfer_image_load(&image, path, NULL, &err) != SSFER_OK || r1 > image.height || c1 > image.width) {
        printf("%s: cannot use it: %s\n", path, err.message);
        failed++;
    } else {
        float table[3][256];
        ssfer_tensor_to_f32(expected, wanted);
        ssfer_normalize_table(table, SSFER_DEFAULT_MEAN, SSFER_DEFAULT_STD);
        ssfer_normalize_planes(out, image.data + 3 * (r0 * image.width + c0), c1 - c0, r1 - r0, 3 * image.width, false,
                               (const float(*)[256])table);
        for (size_t i = 0; i < wanted->count; i++)
            expect(wanted->name, i, out[i], expected[i], 0);
    }
    ssfer_image_deinit(&image);
    ssfer_free(expected);
    ssfer_free(out);
    ssfer_free(name);
    ssfer_free(path);
}

/* The whole evaluation transform from the decoded pictures: its centre S x S window of FOLDER/NAME.png, normalised.
 */
static size_t check_eval(const char *folder, const char *input)
{
    char stem[256], *dot;
    snprintf(stem, sizeof stem, "%s", input);
    for (dot = stem; (dot = strchr(dot, '.')); *dot = '_')
        ;
    char *decoded_name = ssfer_format("decoded/%s.png", stem), *resized_name = ssfer_format("%s/%s.png", folder, stem);
    char *decoded_path = fixture_path("transforms", decoded_name), *path = fixture_path("transforms", resized_name);
    ssfer_image decoded = {0}, resized = {0};
    size_t done = 0;
    if (ssfer_image_load(&decoded, decoded_path, NULL, NULL) == SSFER_OK &&
        ssfer_image_load(&resized, path, NULL, NULL) == SSFER_OK) {
        size_t s = resized.width < resized.height ? resized.width : resized.height;
        /* Python's int(round(x / 2)): halves to even */
        size_t left = (size_t)nearbyint((double)(resized.width - s) / 2),
               top = (size_t)nearbyint((double)(resized.height - s) / 2);
        ssfer_transform t = ssfer_transform_eval(s);
        float *out = ssfer_malloc(3 * s * s * sizeof *out), table[3][256];
        ssfer_normalize_table(table, t.mean, t.std);
        if (ssfer_transform_apply(&t, &decoded, NULL, out, NULL) != SSFER_OK)
            failed++;
        else
            for (size_t i = 0; i < 3 * s * s; i++) {
                size_t c = i / (s * s), y = i / s % s + top, x = i % s + left;
                expect(stem, i, out[i], table[c][resized.data[3 * (y * resized.width + x) + c]], 0);
            }
        ssfer_free(out);
        done = 1;
    }
    ssfer_image_deinit(&decoded);
    ssfer_image_deinit(&resized);
    ssfer_free(decoded_name);
    ssfer_free(resized_name);
    ssfer_free(decoded_path);
    ssfer_free(path);
    return done;
}

static void expect_text(const char *what, const char *value, const fixture_value *wanted)
{
    if (!fixture_is_string(wanted) || strcmp(value, wanted->text) != 0) {
        printf("%s: %s, expected %s\n", what, value, fixture_is_string(wanted) ? wanted->text : "a text");
        failed++;
    }
}

/* The policy that the fixture's configuration text stands for. */
static void check_randaugment(const fixture_value *json)
{
    const fixture_value *ops = fixture_find(json, "ops_in_order");
    const fixture_value *config = fixture_find(json, "config");
    const fixture_value *fill = fixture_find(json, "fillcolor");
    const fixture_value *clamp = fixture_find(json, "magnitude_clamped_to");
    ssfer_randaugment p;
    if (!fixture_is_string(config) || ssfer_randaugment_parse(&p, config->text, NULL) != SSFER_OK ||
        fixture_count(ops) != SSFER_RANDAUGMENT_OPS || fixture_count(fill) != 3 || fixture_count(clamp) != 2) {
        printf("randaugment.json: a policy that is not understood\n");
        failed++;
        return;
    }
    for (size_t i = 0; i < SSFER_RANDAUGMENT_OPS; i++)
        expect_text("operation", ssfer_randaugment_op(&p, i)->name, fixture_at(ops, (int)i));
    expect("layers", 0, p.layers, fixture_number(json, "num_layers", NAN), 0);
    expect("probability", 0, p.probability, fixture_number(json, "probability_per_drawn_op", NAN), 0);
    expect("magnitude", 0, p.magnitude, fixture_number(json, "magnitude_mean", NAN), 0);
    expect("deviation", 0, p.magnitude_std, fixture_number(json, "magnitude_std", NAN), 0);
    expect("largest magnitude", 0, p.magnitude_max, fixture_at(clamp, 1)->number, 0);
    uint8_t colour[3];
    ssfer_fill_colour(colour, SSFER_DEFAULT_MEAN);
    for (int k = 0; k < 3; k++)
        expect("fill colour", (size_t)k, colour[k], fixture_at(fill, k)->number, 0);
}

static void check_folder(void)
{
    fixture_value *randaugment = fixture_json("transforms", "randaugment.json");
    fixture_value *params = fixture_json("transforms", "random_resized_crop_params.json");
    fixture_value *manifest = fixture_json("transforms", "manifest.json");
    size_t crops = 0, tensors = 0, pictures = 0;
    const char *folder = manifest ? resized_folder(manifest) : NULL;
    if (!params || !folder || !randaugment) {
        fixture_free(params);
        fixture_free(manifest);
        fixture_free(randaugment);
        return;
    }
    check_randaugment(randaugment);
    const fixture_value *item;
    for (item = fixture_first(fixture_find(params, "cases")); item; item = item->next)
        check_crop(item, crops++);
    for (item = fixture_first(fixture_find(manifest, "inputs")); item; item = item->next)
        pictures += check_eval(folder, item->key);
    char *path = fixture_path("transforms", "normalized.safetensors");
    ssfer_tensor_set *set = NULL;
    ssfer_error err = {0};
    if (ssfer_safetensors_read(&set, path, &err) != SSFER_OK) {
        printf("%s\n", err.message);
        failed++;
    }
    for (; set && tensors < ssfer_tensor_set_count(set); tensors++) {
        const ssfer_tensor *t = ssfer_tensor_set_at(set, tensors);
        const char *window = strstr(t->name, ".rows");
        if (window)
            check_window(folder, t, window);
        else
            check_bytes(t);
    }
    expect("crops, tensors, pictures: some of each", 0, crops && tensors && pictures, true, 0);
    ssfer_tensor_set_destroy(set);
    ssfer_free(path);
    fixture_free(params);
    fixture_free(manifest);
    fixture_free(randaugment);
}

int main(void)
{
    return fixture_main(check_folder);
}
