/* Decoding, resizing, resized crops and flips against the reference's own pictures, byte for byte. */
#include "fixture.h"
#include "image/codec.h"
#include "sha256.h"

#include <math.h>
#include <string.h>

static const char *const area = "transforms";
static void report(bool good, const char *what, const char *name, const char *why)
{
    checked++;
    if (!good) {
        failed++;
        printf("%s of %s: %s\n", what, name, why);
    }
}

/* area/FOLDER/NAME with every dot as '_', then SUFFIX. */
static bool load(ssfer_image *image, const char *folder, const char *name, bool mangle, const char *suffix)
{
    char file[512];
    size_t start = (size_t)snprintf(file, sizeof file, "%s/", folder);
    snprintf(file + start, sizeof file - start, "%s", name);
    for (char *p = file + start; mangle && *p; p++)
        *p = *p == '.' ? '_' : *p;
    size_t length = strlen(file);
    snprintf(file + length, sizeof file - length, "%s", suffix);
    char *path = fixture_path(area, file);
    ssfer_error err = {0};
    bool good = ssfer_image_load(image, path, NULL, &err) == SSFER_OK;
    if (!good)
        report(false, "loading", file, err.message);
    ssfer_free(path);
    return good;
}

static bool equal(const ssfer_image *a, const ssfer_image *b, char why[256])
{
    if (a->width != b->width || a->height != b->height) {
        snprintf(why, 256, "%zu x %zu, expected %zu x %zu", a->width, a->height, b->width, b->height);
        return false;
    }
    size_t different = 0, bytes = 3 * a->width * a->height;
    int most = 0;
    for (size_t i = 0; i < bytes; i++) {
        int d = abs(a->data[i] - b->data[i]);
        different += d != 0;
        most = d > most ? d : most;
    }
    snprintf(why, 256, "%zu of %zu bytes differ, by at most %d", different, bytes, most);
    return different == 0;
}

static size_t number_at(const fixture_value *array, int i)
{
    const fixture_value *item = fixture_at(array, i);
    return fixture_is_number(item) && item->number >= 0 ? (size_t)item->number : 0;
}

/* The stored PNG, and also size, hash and means from the manifest, which do not come through our PNG decoder. */
static void check_decoding(const fixture_value *entry)
{
    ssfer_image got, want;
    char why[256], hash[65];
    if (!load(&got, "inputs", entry->key, false, ""))
        return;
    if (load(&want, "decoded", entry->key, true, ".png")) {
        report(equal(&got, &want, why), "decoding", entry->key, why);
        ssfer_image_deinit(&want);
    }
    sha256_hex(hash, got.data, 3 * got.width * got.height);
    const char *expected = fixture_text(fixture_find(entry, "sha256_of_decoded_rgb_bytes"));
    report(expected && strcmp(hash, expected) == 0, "hash", entry->key, hash);
    report((double)got.width == fixture_number(entry, "width", 0) &&
               (double)got.height == fixture_number(entry, "height", 0),
           "size", entry->key, "another one");
    ssfer_image_deinit(&got);
}

/* `folder` is resizeN: the shorter side becomes N. */
static void check_resize(const char *folder, const fixture_value *entry)
{
    const fixture_value *size = fixture_find(entry, "out_wh");
    ssfer_image in, got, want;
    char why[256] = "failed";
    if (!load(&in, "decoded", entry->key, true, ".png"))
        return;
    if (load(&want, folder, entry->key, true, ".png")) {
        bool good = ssfer_image_resize(&got, &in, number_at(size, 0), number_at(size, 1), SSFER_FILTER_BILINEAR,
                                       NULL) == SSFER_OK &&
                    equal(&got, &want, why);
        report(good, "resize", entry->key, why);
        ssfer_image_deinit(&got);
        ssfer_image_deinit(&want);
    }
    ssfer_image_deinit(&in);
}

/* Not every box is stored with every filter: those whose picture exists are checked. */
static void check_crop(const char *name, const fixture_value *box, int k, const fixture_value *out, ssfer_filter filter)
{
    char suffix[64], file[512], why[256] = "failed";
    snprintf(suffix, sizeof suffix, "_%d_%s.png", k, filter == SSFER_FILTER_BICUBIC ? "bicubic" : "bilinear");
    int length = snprintf(file, sizeof file, "resized_crop/%s", name);
    for (char *p = file + strlen("resized_crop/"); *p; p++)
        *p = *p == '.' ? '_' : *p;
    snprintf(file + length, sizeof file - (size_t)length, "%s", suffix);
    char *path = fixture_path(area, file);
    ssfer_image in, want, got;
    if (ssfer_file_exists(path) && load(&in, "decoded", name, true, ".png")) {
        if (load(&want, "resized_crop", name, true, suffix)) {
            bool good = ssfer_image_resized_crop(&got, &in, number_at(box, 1), number_at(box, 0), number_at(box, 3),
                                                 number_at(box, 2), number_at(out, 1), number_at(out, 0), filter,
                                                 NULL) == SSFER_OK &&
                        equal(&got, &want, why);
            report(good, "resized crop", file, why);
            ssfer_image_deinit(&got);
            ssfer_image_deinit(&want);
        }
        ssfer_image_deinit(&in);
    }
    ssfer_free(path);
}

/* Files hflip_of_resizeN_NAME.png, NAME being a picture of the folder resizeN. */
static void check_flips(void)
{
    char *folder = fixture_path(area, "");
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char source[32];
        int end = 0;
        if (sscanf(e->d_name, "hflip_of_%31[a-z0-9]_%n", source, &end) != 1 || !end)
            continue;
        ssfer_image in, want;
        char why[256];
        if (load(&in, source, e->d_name + end, false, "") && load(&want, ".", e->d_name, false, "")) {
            ssfer_image_flip_horizontal(&in);
            report(equal(&in, &want, why), "flip", e->d_name, why);
            ssfer_image_deinit(&want);
        }
        ssfer_image_deinit(&in);
    }
    if (dir)
        closedir(dir);
    ssfer_free(folder);
}

static void check_folder(void)
{
    fixture_value *manifest = fixture_json(area, "manifest.json");
    if (!manifest)
        return;
    const fixture_value *entry, *box, *out = fixture_find(manifest, "resized_crop_output");
    for (entry = fixture_first(fixture_find(manifest, "inputs")); entry; entry = entry->next)
        check_decoding(entry);
    size_t decoded = checked;
    for (const fixture_value *folder = manifest->child; folder; folder = folder->next)
        if (strncmp(folder->key, "resize", 6) == 0 && folder->key[6] != 'd')
            for (entry = fixture_first(folder); entry; entry = entry->next)
                check_resize(folder->key, entry);
    size_t resized = checked - decoded;
    for (entry = fixture_first(fixture_find(manifest, "resized_crop_boxes_top_left_h_w")); entry; entry = entry->next) {
        int k = 0;
        for (box = fixture_first(entry); box; box = box->next) {
            check_crop(entry->key, box, k, out, SSFER_FILTER_BILINEAR);
            check_crop(entry->key, box, k++, out, SSFER_FILTER_BICUBIC);
        }
    }
    size_t cropped = checked - decoded - resized;
    check_flips();
    report(decoded && resized && cropped, "pictures", area, "not of every kind");
    fixture_free(manifest);
}

int main(void)
{
    return fixture_main(check_folder);
}
