/* RandAugment's operations against the reference's own outputs, byte for byte, and their arguments by magnitude. */
#include "fixture.h"
#include "image/ops.h"
#include "io/tensor_set.h"

#include <math.h>
#include <string.h>

static const char *const area = "transforms";
static void report(bool good, const char *what, const char *why)
{
    checked++;
    if (!good) {
        failed++;
        printf("%s: %s\n", what, why);
    }
}

static void read_fill(uint8_t fill[3], const fixture_value *json)
{
    const fixture_value *colour = fixture_find(json, "fillcolor");
    for (int c = 0; c < 3; c++) {
        const fixture_value *item = fixture_at(colour, c);
        fill[c] = (uint8_t)(fixture_is_number(item) ? (int)item->number : 0);
    }
}

/* Arguments of the operation for many magnitudes: [name, magnitude, "pos"|"neg", argument]. */
static void check_levels(const fixture_value *json)
{
    const fixture_value *row;
    for (row = fixture_first(fixture_find(json, "level_table_name_magnitude_sign_argument")); row; row = row->next) {
        const char *name = fixture_text(fixture_at(row, 0));
        const char *sign = fixture_text(fixture_at(row, 2));
        double magnitude = fixture_at(row, 1)->number;
        double want = fixture_at(row, 3)->number;
        const ssfer_op *op = name ? ssfer_op_find(name) : NULL;
        char why[128] = "unknown";
        double got = op && sign ? ssfer_op_argument(op, magnitude, strcmp(sign, "neg") == 0) : (double)NAN;
        snprintf(why, sizeof why, "magnitude %g %s gives %.17g, expected %.17g", magnitude, sign ? sign : "", got,
                 want);
        report(got == want, name ? name : "?", why);
    }
}

/* NAME of tensor "NAME.m9.pos"; its argument stands in the JSON under "SET.NAME.m9.pos". */
static void check_output(const ssfer_tensor *base, const ssfer_tensor *want, const char *set,
                         const fixture_value *arguments, const uint8_t fill[3])
{
    char name[64], key[256], why[128] = "unknown operation or shape";
    snprintf(name, sizeof name, "%.*s", (int)strcspn(want->name, "."), want->name);
    snprintf(key, sizeof key, "%s.%s", set, want->name);
    const ssfer_op *op = ssfer_op_find(name);
    const fixture_value *list = fixture_find(arguments, key);
    if (!op || !fixture_is_array(list) || want->dtype != SSFER_DTYPE_U8 || want->size_bytes != base->size_bytes) {
        report(false, key, why);
        return;
    }
    ssfer_image image;
    const fixture_value *argument = fixture_at(list, 0);
    if (ssfer_image_create(&image, base->shape[1], base->shape[0], NULL) != SSFER_OK)
        exit(1);
    uint8_t *scratch = ssfer_malloc(base->size_bytes);
    const uint8_t *expected = want->data;
    memcpy(image.data, base->data, base->size_bytes);
    ssfer_op_apply(op, &image, scratch, argument ? argument->number : 0.0, fill);
    size_t different = 0;
    for (size_t i = 0; i < base->size_bytes; i++)
        different += image.data[i] != expected[i];
    snprintf(why, sizeof why, "%zu of %zu bytes differ", different, base->size_bytes);
    report(different == 0, key, why);
    ssfer_image_deinit(&image);
    ssfer_free(scratch);
}

static void check_set(const char *path, const char *set, const fixture_value *arguments, const uint8_t fill[3])
{
    ssfer_tensor_set *tensors;
    ssfer_error err = {0};
    if (ssfer_safetensors_read(&tensors, path, &err) != SSFER_OK) {
        report(false, path, err.message);
        return;
    }
    const ssfer_tensor *base = ssfer_tensor_set_find(tensors, "base");
    bool usable = base && base->dtype == SSFER_DTYPE_U8 && base->ndim == 3 && base->shape[2] == 3;
    if (!usable)
        report(false, path, "no base picture of three channels");
    for (size_t i = 0; usable && i < ssfer_tensor_set_count(tensors); i++)
        if (ssfer_tensor_set_at(tensors, i) != base)
            check_output(base, ssfer_tensor_set_at(tensors, i), set, arguments, fill);
    ssfer_tensor_set_destroy(tensors);
}

/* Every randaugment_SET.safetensors of the folder. */
static void check_sets(const fixture_value *json)
{
    static const char prefix[] = "randaugment_", suffix[] = ".safetensors";
    const fixture_value *arguments = fixture_find(json, "level_arguments_of_stored_outputs");
    uint8_t fill[3];
    read_fill(fill, json);
    char *folder = fixture_path(area, "");
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        size_t length = strlen(e->d_name);
        if (length <= sizeof prefix + sizeof suffix || strncmp(e->d_name, prefix, sizeof prefix - 1) != 0 ||
            strcmp(e->d_name + length - (sizeof suffix - 1), suffix) != 0)
            continue;
        char *path = fixture_path(area, e->d_name), set[128];
        snprintf(set, sizeof set, "%.*s", (int)(length - (sizeof prefix - 1) - (sizeof suffix - 1)),
                 e->d_name + sizeof prefix - 1);
        check_set(path, set, arguments, fill);
        ssfer_free(path);
    }
    if (dir)
        closedir(dir);
    ssfer_free(folder);
}

static void check_folder(void)
{
    fixture_value *json = fixture_json(area, "randaugment.json");
    if (!json)
        return;
    check_levels(json);
    size_t levels = checked;
    check_sets(json);
    report(levels && checked > levels, area, "no arguments, or no pictures");
    fixture_free(json);
}

int main(void)
{
    return fixture_main(check_folder);
}
