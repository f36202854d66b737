/* The trained network on pictures: letterbox, raw rows, detections, coordinates of the original; and on face crops, one
 * by one and as a batch. */
#include "yolov7_fixture.h"

#include "image/letterbox.h"

static const char area[] = "yolov7";
static ssfer_yolo *net;
static fixture_tolerance tol;

/* The decoded rows of a picture in a letterbox. */
static ssfer_yolo_rows network_rows(const ssfer_image *image, const ssfer_letterbox *box, const char *name)
{
    ssfer_error err = {0};
    ssfer_conv_plan *plan;
    ssfer_conv_workspace *ws;
    ssfer_yolo_rows rows = {0};
    fixture_must(ssfer_yolo_plan(&plan, net, box->height, box->width, false, SIZE_MAX, &err), &err, name);
    fixture_must(ssfer_conv_workspace_create(&ws, plan, &err), &err, name);
    fixture_must(ssfer_letterbox_planes(ssfer_conv_workspace_input(ws), image, box, &err), &err, name);
    fixture_must(ssfer_conv_workspace_run(ws, &err), &err, name);
    fixture_must(ssfer_yolo_decode(&rows, net, plan, ws, -1, &err), &err, name);
    ssfer_conv_workspace_destroy(ws);
    ssfer_conv_plan_destroy(plan);
    return rows;
}

static void check_rows(const ssfer_yolo_rows *rows, const float *want, size_t count, const int64_t *index,
                       const char *name)
{
    for (size_t i = 0; i < count; i++) {
        size_t row = index ? (size_t)index[i] : i;
        fixture_check(row < rows->count, "row out of range");
        for (size_t c = 0; c < rows->values && row < rows->count; c++) {
            const double *t = fixture_column(&tol, c, 5 + net->classes);
            fixture_near((double)rows->data[row * rows->values + c], (double)want[i * rows->values + c], t[0], t[1],
                         name, row, c);
        }
    }
}

/* Detections in network pixels, and brought back to the picture with all boxes clipped. */
static void check_detections(const ssfer_yolo_rows *rows, const ssfer_tensor_set *set, const char *mode,
                             const ssfer_letterbox *box, const ssfer_image *image, const char *name)
{
    ssfer_error err = {0};
    ssfer_yolo_pick *picks;
    const ssfer_tensor *t, *st;
    size_t count, width = FIXTURE_CONF_VALUES + 3 * net->keypoints;
    char *key = ssfer_format("%s.detections", mode);
    char *scaled_key = ssfer_format("%s.detections_scaled_all_clipped", mode);
    float *want = fixture_floats(set, key, &t);
    fixture_must(
        ssfer_yolo_select(&picks, &count, rows->data, rows->count, rows->values, net->classes, 0.4f, 0.5, &err), &err,
        name);
    float *got = fixture_detections(picks, count, rows->data, rows->values, net->classes);
    fixture_compare_detections(got, count, want, fixture_rows(t), width, &tol, name);
    if (image && ssfer_tensor_set_find(set, scaled_key)) {
        float *scaled = fixture_floats(set, scaled_key, &st);
        fixture_tolerance wide = tol; /* pixels of the original are 1 / gain times larger */
        wide.box[0] /= box->gain;
        wide.point[0] /= box->gain;
        for (size_t i = 0; i < count; i++) {
            ssfer_letterbox_back(got + i * width, 2, 2, box, image->width, image->height, true);
            ssfer_letterbox_back(got + i * width + FIXTURE_CONF_VALUES, net->keypoints, 3, box, image->width,
                                 image->height, true);
        }
        fixture_compare_detections(got, count, scaled, fixture_rows(st), width, &wide, name);
        ssfer_free(scaled);
    }
    ssfer_free(picks);
    ssfer_free(got);
    ssfer_free(want);
    ssfer_free(key);
    ssfer_free(scaled_key);
}

static void check_box(const ssfer_letterbox *box, const fixture_value *mode, const char *name)
{
    const fixture_value *network = fixture_find(mode, "network_wh");
    const fixture_value *resized = fixture_find(mode, "resized_wh");
    const fixture_value *pad = fixture_find(mode, "pad_left_top_right_bottom");
    const fixture_value *back = fixture_find(mode, "pad_used_by_scale_coords");
    const double got[8] = {(double)box->width,
                           (double)box->height,
                           (double)box->resized_width,
                           (double)box->resized_height,
                           (double)box->left,
                           (double)box->top,
                           box->pad_x,
                           box->pad_y};
    const fixture_value *lists[4] = {network, resized, pad, back};
    for (int i = 0; i < 8; i++) {
        const fixture_value *want = fixture_at(lists[i / 2], i % 2);
        fixture_near(got[i], want ? want->number : (double)NAN, 1e-9, 0, name, 0, (size_t)i);
    }
    fixture_near(box->gain, fixture_number(mode, "gain", (double)NAN), 1e-12, 0, name, 0, 9);
}

/* Our resize against the exact resized picture, byte for byte. */
static void check_resize(const ssfer_image *image, const char *picture, const ssfer_letterbox *box)
{
    ssfer_error err = {0};
    ssfer_image got;
    char *name = ssfer_format("resized/%s.png", picture), *path = fixture_path(area, name);
    if (ssfer_file_exists(path)) {
        ssfer_image want = fixture_image(area, name);
        fixture_must(ssfer_image_resize_opencv(&got, image, box->resized_width, box->resized_height, &err), &err, name);
        size_t different = 0;
        bool fits = want.width == got.width && want.height == got.height;
        for (size_t i = 0; fits && i < 3 * got.width * got.height; i++)
            different += got.data[i] != want.data[i];
        printf("%s: %zu bytes differ\n", name, different);
        fixture_check(fits && different == 0, name);
        ssfer_image_deinit(&got);
        ssfer_image_deinit(&want);
    }
    ssfer_free(name);
    ssfer_free(path);
}

static void check_mode(const ssfer_image *image, const char *picture, const ssfer_tensor_set *set,
                       const fixture_value *mode, size_t size)
{
    const ssfer_tensor *t, *it;
    ssfer_letterbox box =
        ssfer_letterbox_plan(image->width, image->height, size, net->max_stride, strcmp(mode->key, "auto") == 0);
    char *name = ssfer_format("%s %s", picture, mode->key);
    char *rows_key = ssfer_format("%s.pred_rows", mode->key);
    char *index_key = ssfer_format("%s.pred_row_index", mode->key);
    check_box(&box, mode, name);
    check_resize(image, picture, &box);
    ssfer_yolo_rows rows = network_rows(image, &box, name);
    float *want = fixture_floats(set, rows_key, &t), *unused = fixture_floats(set, index_key, &it);
    fixture_near((double)rows.count, fixture_number(mode, "rows", (double)NAN), 0, 0, name, 0, 0);
    check_rows(&rows, want, fixture_rows(t), it->data, name);
    double sum = 0;
    for (size_t i = 0; i < rows.count * rows.values; i++)
        sum += (double)rows.data[i];
    fixture_near(sum, fixture_number(mode, "sum_of_pred", (double)NAN), 0, 1e-6, name, 0, 0);
    check_detections(&rows, set, mode->key, &box, image, name);
    ssfer_yolo_rows_deinit(&rows);
    ssfer_free(want);
    ssfer_free(unused);
    ssfer_free(name);
    ssfer_free(rows_key);
    ssfer_free(index_key);
}

/* The public interface on the same picture. */
static void check_public(const char *path, const ssfer_image *image, const char *picture, const ssfer_tensor_set *set,
                         const char *mode, size_t size)
{
    ssfer_error err = {0};
    ssfer_detector *d;
    ssfer_faces faces;
    const ssfer_tensor *t;
    const ssfer_detector_options options = {.size = size, .rectangle = strcmp(mode, "auto") == 0, .threads = 2};
    char *key = ssfer_format("%s.detections_scaled_all_clipped", mode);
    float *want = fixture_floats(set, key, &t);
    fixture_must(ssfer_detector_create(&d, path, &options, &err), &err, path);
    fixture_must(ssfer_detector_run(d, image, 1, &faces, &err), &err, path);
    fixture_compare_faces(&faces, want, fixture_rows(t), FIXTURE_CONF_VALUES + 15, 0.5, 1e-3, picture);
    ssfer_faces_deinit(&faces);
    ssfer_detector_destroy(d);
    ssfer_free(want);
    ssfer_free(key);
}

static size_t network_size(const fixture_value *mode)
{
    const fixture_value *wh = fixture_find(mode, "network_wh");
    double w = wh ? fixture_at(wh, 0)->number : 640, h = wh ? fixture_at(wh, 1)->number : 640;
    return (size_t)fmax(w, h);
}

static void check_picture(const char *path, const fixture_value *picture)
{
    const char *suffixes[] = {"jpg", "png", "webp"}, *modes[] = {"square", "auto"};
    ssfer_image image = {0};
    for (size_t i = 0; i < 3 && !image.data; i++) {
        char *name = ssfer_format("pictures/%s.%s", picture->key, suffixes[i]), *full = fixture_path(area, name);
        if (ssfer_file_exists(full))
            image = fixture_image(area, name);
        ssfer_free(name);
        ssfer_free(full);
    }
    fixture_check(image.data != NULL, picture->key);
    char *name = ssfer_format("%s.safetensors", picture->key);
    ssfer_tensor_set *set = fixture_tensors(area, name);
    for (int i = 0; i < 2 && image.data; i++) {
        const fixture_value *mode = fixture_find(picture, modes[i]);
        if (!mode)
            continue;
        check_mode(&image, picture->key, set, mode, network_size(mode));
        check_public(path, &image, picture->key, set, modes[i], network_size(mode));
    }
    ssfer_tensor_set_destroy(set);
    ssfer_image_deinit(&image);
    ssfer_free(name);
}

/* Crops: rows and detections of each, then all of one size as one batch of pixels and as one of planes. */
static void check_crops(const char *path, const fixture_value *crops, const char *folder, const char *file)
{
    enum { MAX_CROPS = 64 };
    ssfer_error err = {0};
    ssfer_image images[MAX_CROPS];
    ssfer_faces faces[2][MAX_CROPS];
    ssfer_tensor_set *set = fixture_tensors(area, file);
    size_t count = 0;
    for (const fixture_value *c = crops->child; c && count < MAX_CROPS; c = c->next, count++) {
        char *name = ssfer_format("%s/%s.png", folder, c->key), *key = ssfer_format("%s.pred", c->key);
        const ssfer_tensor *t;
        images[count] = fixture_image(area, name);
        float *want = fixture_floats(set, key, &t);
        const ssfer_image *im = &images[count];
        ssfer_letterbox box = {
            .width = im->width, .height = im->height, .resized_width = im->width, .resized_height = im->height};
        ssfer_yolo_rows rows = network_rows(im, &box, c->key);
        fixture_check(rows.count == fixture_rows(t), "number of rows of a crop");
        check_rows(&rows, want, fixture_rows(t), NULL, c->key);
        check_detections(&rows, set, c->key, &box, NULL, c->key);
        ssfer_yolo_rows_deinit(&rows);
        ssfer_free(want);
        ssfer_free(name);
        ssfer_free(key);
    }
    ssfer_detector *d;
    fixture_must(ssfer_detector_create(&d, path, NULL, &err), &err, path);
    size_t w = images[0].width, h = images[0].height, size = 3 * w * h;
    uint8_t *pixels = ssfer_malloc(count * size);
    float *planes = ssfer_malloc(count * size * sizeof *planes);
    for (size_t i = 0; i < count; i++) {
        fixture_check(images[i].width == w && images[i].height == h, "crops have one size");
        memcpy(pixels + i * size, images[i].data, size);
        for (size_t k = 0; k < size; k++)
            planes[i * size + k] = (float)images[i].data[k % (w * h) * 3 + k / (w * h)] / 255.0f;
    }
    fixture_must(ssfer_detector_run_pixels(d, pixels, count, w, h, faces[0], &err), &err, "batch of pixels");
    fixture_must(ssfer_detector_run_planes(d, planes, count, w, h, NULL, NULL, faces[1], &err), &err, "of planes");
    size_t i = 0;
    for (const fixture_value *c = crops->child; i < count; c = c->next, i++) {
        char *key = ssfer_format("%s.detections", c->key);
        const ssfer_tensor *t;
        float *want = fixture_floats(set, key, &t);
        for (int k = 0; k < 2; k++) {
            fixture_compare_faces(&faces[k][i], want, fixture_rows(t), FIXTURE_CONF_VALUES + 15, 0.05, 1e-4, c->key);
            ssfer_faces_deinit(&faces[k][i]);
        }
        ssfer_free(want);
        ssfer_free(key);
        ssfer_image_deinit(&images[i]);
    }
    ssfer_free(pixels);
    ssfer_free(planes);
    ssfer_detector_destroy(d);
    ssfer_tensor_set_destroy(set);
}

static void check_folder(void)
{
    ssfer_error err = {0};
    fixture_value *expected = fixture_json(area, "expected.json");
    char *path = expected ? fixture_trained_network(area, expected) : NULL;
    if (!path) {
        printf("not compared: no network for pictures in %s/%s\n", fixture_folder, area);
        fixture_free(expected);
        return;
    }
    tol = fixture_tolerances(area, false);
    fixture_must(ssfer_yolo_load(&net, NULL, NULL, path, NULL, &err), &err, path);
    printf("%s: %zu layers, %zu numbers, %zu tensors unused\n", path, net->layer_count, net->parameters, net->unused);
    for (const fixture_value *p = expected->child; p; p = p->next) {
        if (strncmp(p->key, "picture", 7) == 0)
            check_picture(path, p);
        if (strncmp(p->key, "crops", 5) == 0) {
            char *file = ssfer_format("%s.safetensors", p->key);
            check_crops(path, p, p->key, file);
            ssfer_free(file);
        }
    }
    ssfer_yolo_destroy(net);
    ssfer_free(path);
    fixture_free(expected);
}

int main(void)
{
    return fixture_main(check_folder);
}
