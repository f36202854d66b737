/* Every checkpoint flavour of the fixtures: names, shapes and values against safetensors that hold the same, exactly.
 *
 * The folder `vit` is listed. For X.pth (or X_legacy.pth) the expected tensors are in the first of these that exists:
 * X_expected.safetensors beside X_expected.json (all converted to float32 or int64), X_model.safetensors (with
 * X_optimizer.safetensors and X_expected.json for the optimizer), and MODEL_state_dict.safetensors, MODEL being X up to
 * its first underscore. A checkpoint stored in a smaller type than its reference must hold the nearest value of that
 * type. Checkpoints without any reference, there and in `mae` and `yolov7`, must at least be readable. */
#include "fixture.h"
#include "io/tensor_set.h"
#include "io/torch/pickle_json.h"
#include "io/torch/torch_file.h"

#include <math.h>
#include <string.h>

static size_t files, exact_files;

static void report(bool good, const char *file, const char *what)
{
    checked++;
    if (!good) {
        failed++;
        printf("%s: %s\n", file, what);
    }
}

/* `value` rounded to nearest even with `bits` bits of fraction and the smallest exponent `least`. */
static float rounded(float value, int bits, int least)
{
    int exponent;
    if (!isfinite(value) || value == 0)
        return value;
    (void)frexpf(value, &exponent);
    exponent = exponent - 1 < least ? least : exponent - 1;
    return ldexpf(rintf(ldexpf(value, bits - exponent)), exponent - bits);
}

static float expected_in(ssfer_dtype dtype, float value)
{
    if (dtype == SSFER_DTYPE_F16)
        return rounded(value, 10, -14);
    return dtype == SSFER_DTYPE_BF16 ? rounded(value, 7, -126) : value;
}

static bool same_shape(const ssfer_tensor *a, const ssfer_tensor *b)
{
    return a->ndim == b->ndim && memcmp(a->shape, b->shape, a->ndim * sizeof *a->shape) == 0;
}

static bool same_integers(const ssfer_tensor *got, const ssfer_tensor *want)
{
    const unsigned char *bytes = got->data;
    size_t width = ssfer_dtype_size(got->dtype);
    for (size_t i = 0; i < got->count; i++) {
        int64_t value = 0, wanted;
        memcpy(&value, bytes + i * width, width);
        if (got->dtype != SSFER_DTYPE_U8 && got->dtype != SSFER_DTYPE_BOOL && width < 8)
            value = (int64_t)((uint64_t)value << (64 - 8 * width)) >> (64 - 8 * width);
        memcpy(&wanted, (const unsigned char *)want->data + i * sizeof wanted, sizeof wanted);
        if (value != wanted)
            return false;
    }
    return true;
}

static bool same_floats(const ssfer_tensor *got, const ssfer_tensor *want)
{
    float *a = ssfer_malloc(got->count * sizeof *a), *b = ssfer_malloc(got->count * sizeof *b);
    bool same = true;
    ssfer_tensor_to_f32(a, got);
    ssfer_tensor_to_f32(b, want);
    for (size_t i = 0; i < got->count; i++) {
        float wanted = expected_in(got->dtype, b[i]);
        same = same && a[i] == wanted && signbit(a[i]) == signbit(wanted); /* -0 is not 0 */
    }
    ssfer_free(a);
    ssfer_free(b);
    return same;
}

static void compare(const ssfer_tensor_set *got, const ssfer_tensor_set *want, const char *file)
{
    report(ssfer_tensor_set_count(got) == ssfer_tensor_set_count(want), file, "another number of tensors");
    for (size_t i = 0; i < ssfer_tensor_set_count(want); i++) {
        const ssfer_tensor *w = ssfer_tensor_set_at(want, i), *g = ssfer_tensor_set_find(got, w->name);
        bool good = g && same_shape(g, w);
        if (good)
            good = w->dtype == SSFER_DTYPE_I64 ? same_integers(g, w) : same_floats(g, w);
        report(good, file, w->name);
    }
}

/* FOLDER/vit/STEM SUFFIX, or NULL if there is no such file. */
static char *beside(const char *stem, size_t length, const char *suffix)
{
    char name[512];
    snprintf(name, sizeof name, "%.*s%s", (int)length, stem, suffix);
    char *path = fixture_path("vit", name);
    if (ssfer_file_exists(path))
        return path;
    ssfer_free(path);
    return NULL;
}

static ssfer_tensor_set *expected(const char *path)
{
    ssfer_tensor_set *set = NULL;
    ssfer_error err = {0};
    report(ssfer_safetensors_read(&set, path, &err) == SSFER_OK, path, err.message);
    return set;
}

/* Values kept as JSON text against the fixture's JSON. */
static void compare_json(const char *text, const fixture_value *want, const char *file, const char *what)
{
    fixture_value *got = text ? fixture_parse(text, strlen(text), what) : NULL;
    report(fixture_equal(got, want), file, what);
    fixture_free(got);
}

static void check_optimizer(const char *path, const char *stem, size_t length)
{
    ssfer_tensor_set *got = NULL;
    ssfer_error err = {0};
    char name[512], *want_path = beside(stem, length, "_optimizer.safetensors");
    if (!want_path)
        return;
    if (ssfer_checkpoint_read_optimizer(&got, path, &err) != SSFER_OK) {
        report(false, path, err.message);
    } else {
        ssfer_tensor_set *want = expected(want_path);
        if (want)
            compare(got, want, want_path);
        ssfer_tensor_set_destroy(want);
        snprintf(name, sizeof name, "%.*s_expected.json", (int)length, stem);
        fixture_value *json = fixture_json("vit", name);
        static const char *const keys[] = {"param_groups", "lr_scheduler_state_dict", "epoch"};
        for (size_t i = 0; i < 3 && json; i++) {
            const fixture_value *value = fixture_find(json, keys[i]);
            if (value)
                compare_json(ssfer_tensor_set_get(got, keys[i]), value, path, keys[i]);
        }
        fixture_free(json);
    }
    ssfer_tensor_set_destroy(got);
    ssfer_free(want_path);
}

static bool is_key(const ssfer_tensor_set *set, const char *name)
{
    return ssfer_tensor_set_find(set, name) != NULL;
}

/* The plain objects beside the tensors, and the types that the tensors had. */
static void check_objects(const char *path, const char *stem, size_t length, const ssfer_tensor_set *got)
{
    static const struct {
        const char *torch, *ours;
    } types[] = {{"torch.float32", "F32"}, {"torch.float64", "F64"},  {"torch.float16", "F16"}, {"torch.int64", "I64"},
                 {"torch.int32", "I32"},   {"torch.int16", "I16"},    {"torch.int8", "I8"},     {"torch.uint8", "U8"},
                 {"torch.bool", "BOOL"},   {"torch.bfloat16", "BF16"}};
    char name[512], *text = NULL;
    ssfer_error err = {0};
    ssfer_torch_file *file = NULL;
    snprintf(name, sizeof name, "%.*s_expected.json", (int)length, stem);
    fixture_value *json = fixture_json("vit", name);
    if (!json)
        return;
    if (ssfer_torch_file_open(&file, path, &err) == SSFER_OK &&
        ssfer_pickle_json_text(&text, ssfer_pickle_get(ssfer_torch_file_root(file), "meta"), &err) == SSFER_OK)
        compare_json(text, fixture_find(json, "meta"), path, "meta");
    else
        report(false, path, err.message);
    ssfer_free(text);
    ssfer_torch_file_close(file);
    const fixture_value *dtypes = fixture_find(json, "dtypes");
    for (const fixture_value *d = dtypes ? dtypes->child : NULL; d; d = d->next) {
        snprintf(name, sizeof name, "state.%s", d->key);
        const ssfer_tensor *tensor = ssfer_tensor_set_find(got, is_key(got, name) ? name : d->key);
        bool good = false;
        for (size_t i = 0; tensor && i < sizeof types / sizeof *types; i++)
            good = good || (strcmp(types[i].torch, fixture_text(d)) == 0 &&
                            strcmp(types[i].ours, ssfer_dtype_name(tensor->dtype)) == 0);
        report(good, path, d->key);
    }
    fixture_free(json);
}

/* Doubles would lose bits on the way to the float32 of the expected file; the JSON has them in full. */
static void check_doubles(const char *stem, size_t length, const ssfer_tensor_set *got)
{
    char name[512];
    snprintf(name, sizeof name, "%.*s_expected.json", (int)length, stem);
    fixture_value *json = fixture_json("vit", name);
    const fixture_value *values = fixture_find(json, "f64_exact_values");
    const ssfer_tensor *tensor = ssfer_tensor_set_find(got, "state.f64");
    for (int i = 0; values && tensor && i < fixture_count(values); i++) {
        double value = 0;
        memcpy(&value, (const unsigned char *)tensor->data + (size_t)i * sizeof value, sizeof value);
        report((size_t)i < tensor->count && value == fixture_at(values, i)->number, stem, "f64");
    }
    fixture_free(json);
}

static void check_file(const char *area, const char *name)
{
    static const char legacy[] = "_legacy";
    ssfer_tensor_set *got = NULL;
    ssfer_error err = {0};
    char *path = fixture_path(area, name), *want_path = NULL;
    size_t length = (size_t)(strrchr(name, '.') - name), first = strcspn(name, "_");
    bool vit = strcmp(area, "vit") == 0;
    files++;
    if (ssfer_checkpoint_read(&got, path, NULL, &err) != SSFER_OK) {
        report(false, path, err.message);
        ssfer_free(path);
        return;
    }
    report(ssfer_tensor_set_count(got) > 0, path, "no tensors");
    for (int shorter = 0; vit && !want_path && shorter < 2; shorter++) {
        if (shorter && length > sizeof legacy && strncmp(name + length - (sizeof legacy - 1), legacy, 7) == 0)
            length -= sizeof legacy - 1;
        char *objects = beside(name, length, "_expected.json"); /* without it, `expected` are a network's outputs */
        if (objects && (want_path = beside(name, length, "_expected.safetensors"))) {
            check_objects(path, name, length, got);
            check_doubles(name, length, got);
        } else if ((want_path = beside(name, length, "_model.safetensors"))) {
            check_optimizer(path, name, length);
        }
        ssfer_free(objects);
    }
    if (vit && !want_path)
        want_path = beside(name, first, "_state_dict.safetensors");
    ssfer_tensor_set *want = want_path ? expected(want_path) : NULL;
    if (want) {
        compare(got, want, path);
        exact_files++;
    }
    ssfer_tensor_set_destroy(want);
    ssfer_tensor_set_destroy(got);
    ssfer_free(want_path);
    ssfer_free(path);
}

static void check_area(const char *area)
{
    char *path = fixture_path(area, ".");
    DIR *folder = opendir(path);
    for (struct dirent *e; folder && (e = readdir(folder));) {
        const char *suffix = strrchr(e->d_name, '.');
        if (suffix && (strcmp(suffix, ".pth") == 0 || strcmp(suffix, ".pt") == 0))
            check_file(area, e->d_name);
    }
    if (folder)
        closedir(folder);
    ssfer_free(path);
}

static void check_folder(void)
{
    files = exact_files = 0;
    check_area("vit");
    if (files)
        report(exact_files > 0, "vit", "no checkpoint beside which its tensors are");
    check_area("mae");
    check_area("yolov7");
    printf("%zu checkpoints, %zu of them compared exactly\n", files, exact_files);
}

int main(void)
{
    return fixture_main(check_folder);
}
