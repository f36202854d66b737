/* What the parity tests of the detector share: finding files of the fixture folder, comparing rows and detections. */
#ifndef SSFER_TESTS_YOLOV7_FIXTURE_H
#define SSFER_TESTS_YOLOV7_FIXTURE_H

#include "fixture.h"
#include "io/tensor_set.h"
#include "models/yolov7/select.h"
#include "ssfer/detect.h"
#include "ssfer/image.h"

#include <math.h>
#include <string.h>

enum { FIXTURE_CONF_VALUES = 6 }; /* a detection starts with x1, y1, x2, y2, confidence, class */

static inline void fixture_fail(const char *what)
{
    if (failed++ < 30)
        printf("FAIL %s\n", what);
}

static inline void fixture_must(ssfer_status st, const ssfer_error *err, const char *what)
{
    if (st != SSFER_OK) {
        printf("%s: %s\n", what, err->message);
        exit(1);
    }
}

static inline void fixture_check(bool good, const char *what)
{
    checked++;
    if (!good)
        fixture_fail(what);
}

static inline void fixture_near(double got, double want, double atol, double rtol, const char *what, size_t row,
                                size_t column)
{
    checked++;
    if (!(fabs(got - want) <= atol + rtol * fabs(want))) {
        char text[200];
        snprintf(text, sizeof text, "%s[%zu][%zu]: %.9g, the reference has %.9g", what, row, column, got, want);
        fixture_fail(text);
    }
}

/* ---- tolerances ---- */

typedef struct fixture_tolerance {
    double box[2], score[2], point[2], point_score[2]; /* atol, rtol */
} fixture_tolerance;

static inline fixture_tolerance fixture_tolerance_read(const fixture_value *object)
{
    const char *keys[4] = {"xywh_pixels", "obj_cls", "keypoint_xy_pixels", "keypoint_conf"};
    fixture_tolerance t = {{0}, {0}, {0}, {0}};
    double *to[4] = {t.box, t.score, t.point, t.point_score};
    for (int i = 0; i < 4; i++) {
        const fixture_value *entry = fixture_find(object, keys[i]);
        to[i][0] = fixture_number(entry, "atol", 0);
        to[i][1] = fixture_number(entry, "rtol", 0);
    }
    return t;
}

/* The tolerances of the random networks, or those of the trained one. */
static inline fixture_tolerance fixture_tolerances(const char *area, bool random)
{
    fixture_value *json = fixture_json(area, "tolerances.json");
    const fixture_value *found = NULL;
    for (const fixture_value *o = json ? json->child : NULL; o; o = o->next) {
        const char *end = o->key ? strstr(o->key, "_tolerance") : NULL;
        if (end && strcmp(end, "_tolerance") == 0 && (strstr(o->key, "random") != NULL) == random)
            found = o;
    }
    if (!found) {
        printf("no tolerances for %s networks\n", random ? "random" : "trained");
        exit(1);
    }
    fixture_tolerance t = fixture_tolerance_read(found);
    fixture_free(json);
    return t;
}

static inline const double *fixture_column(const fixture_tolerance *t, size_t column, size_t boxes)
{
    if (column < 4)
        return t->box;
    if (column < boxes)
        return t->score;
    return (column - boxes) % 3 == 2 ? t->point_score : t->point;
}

/* ---- tensors ---- */

static inline ssfer_tensor_set *fixture_tensors(const char *area, const char *name)
{
    ssfer_error err = {0};
    ssfer_tensor_set *set = NULL;
    char *path = fixture_path(area, name);
    fixture_must(ssfer_safetensors_read(&set, path, &err), &err, path);
    ssfer_free(path);
    return set;
}

/* A tensor as float32; exits if it is missing. Freed with ssfer_free. */
static inline float *fixture_floats(const ssfer_tensor_set *set, const char *name, const ssfer_tensor **tensor)
{
    const ssfer_tensor *t = ssfer_tensor_set_find(set, name);
    if (!t) {
        printf("no tensor %s in the fixture\n", name);
        exit(1);
    }
    float *values = ssfer_malloc((t->count ? t->count : 1) * sizeof *values);
    ssfer_tensor_to_f32(values, t);
    *tensor = t;
    return values;
}

static inline size_t fixture_rows(const ssfer_tensor *t)
{
    return t->ndim ? t->shape[0] : 0;
}

/* ---- detections ---- */

/* Rows x1, y1, x2, y2, confidence, class, keypoints..., as the reference has them, from picked rows. */
static inline float *fixture_detections(const ssfer_yolo_pick *picks, size_t count, const float *rows, size_t values,
                                        size_t classes)
{
    size_t points = values - 5 - classes, width = FIXTURE_CONF_VALUES + points;
    float *out = ssfer_malloc((count ? count : 1) * width * sizeof *out);
    for (size_t i = 0; i < count; i++) {
        float *d = out + i * width;
        memcpy(d, picks[i].box, 4 * sizeof *d);
        d[4] = picks[i].confidence;
        d[5] = (float)picks[i].class;
        memcpy(d + FIXTURE_CONF_VALUES, rows + picks[i].row * values + 5 + classes, points * sizeof *d);
    }
    return out;
}

static inline double fixture_iou(const float *a, const float *b)
{
    double w = fmax(0, fmin((double)a[2], (double)b[2]) - fmax((double)a[0], (double)b[0]));
    double h = fmax(0, fmin((double)a[3], (double)b[3]) - fmax((double)a[1], (double)b[1]));
    double area = ((double)a[2] - (double)a[0]) * ((double)a[3] - (double)a[1]) +
                  ((double)b[2] - (double)b[0]) * ((double)b[3] - (double)b[1]) - w * h;
    return area > 0 ? w * h / area : 1;
}

/* Which expected row a detection stands for: the same place, or a neighbour whose score is within 1e-4. */
static inline size_t fixture_match(const float *got, size_t i, const float *want, size_t count, size_t width)
{
    for (size_t step = 0; step < count; step++)
        for (int side = 0; side < 2; side++) {
            size_t k = side ? i + step : i - step;
            if (k < count && fabs((double)want[k * width + 4] - (double)want[i * width + 4]) <= 1e-4 &&
                fixture_iou(got + i * width, want + k * width) >= 0.99)
                return k;
        }
    return i;
}

static inline void fixture_compare_detections(const float *got, size_t got_count, const float *want, size_t want_count,
                                              size_t width, const fixture_tolerance *t, const char *what)
{
    char text[200];
    snprintf(text, sizeof text, "%s: %zu detections, the reference has %zu", what, got_count, want_count);
    fixture_check(got_count == want_count, text);
    for (size_t i = 0; i < got_count && got_count == want_count; i++) {
        size_t k = fixture_match(got, i, want, want_count, width);
        const float *a = got + i * width, *b = want + k * width;
        for (size_t c = 0; c < width; c++) {
            const double *tol = c == 5 ? (const double[2]){0, 0} : fixture_column(t, c, FIXTURE_CONF_VALUES);
            fixture_near((double)a[c], (double)b[c], tol[0], tol[1], what, i, c);
        }
    }
}

/* The faces that the public interface gives: same number, IoU >= 0.99, confidence within 1e-3, keypoints close. */
static inline void fixture_compare_faces(const ssfer_faces *got, const float *want, size_t want_count, size_t width,
                                         double pixels, double confidence, const char *what)
{
    char text[200];
    snprintf(text, sizeof text, "%s: %zu faces, the reference has %zu", what, got->count, want_count);
    fixture_check(got->count == want_count, text);
    for (size_t i = 0; i < got->count && got->count == want_count; i++) {
        const float *w = want + i * width;
        const ssfer_face *f = &got->faces[i];
        snprintf(text, sizeof text, "%s: face %zu overlaps the reference's by %.4f", what, i, fixture_iou(f->box, w));
        fixture_check(fixture_iou(f->box, w) >= 0.99, text);
        fixture_near((double)f->confidence, (double)w[4], confidence, 0, what, i, 4);
        for (size_t k = 0; k < 5 && FIXTURE_CONF_VALUES + 3 * k + 2 < width; k++)
            for (size_t c = 0; c < 2; c++)
                fixture_near((double)f->keypoints[k][c], (double)w[FIXTURE_CONF_VALUES + 3 * k + c], pixels, 0, what, i,
                             FIXTURE_CONF_VALUES + 3 * k + c);
    }
}

/* ---- networks and files ---- */

static inline bool fixture_ends(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* The file of a random network? */
static inline bool fixture_is_random(const fixture_value *expected, const char *file)
{
    const fixture_value *random = fixture_find(expected, "random_networks");
    for (const fixture_value *n = random ? random->child : NULL; n; n = n->next) {
        const char *name = fixture_text(fixture_find(n, "file"));
        if (name && strcmp(name, file) == 0)
            return true;
    }
    return false;
}

/* The trained network: the checkpoint of the folder that is none of the random ones. Freed with ssfer_free. */
static inline char *fixture_trained_network(const char *area, const fixture_value *expected)
{
    char *folder = fixture_path(area, ""), *found = NULL;
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if ((fixture_ends(e->d_name, ".pt") || fixture_ends(e->d_name, ".pth")) &&
            !fixture_is_random(expected, e->d_name) && !found)
            found = fixture_path(area, e->d_name);
    if (dir)
        closedir(dir);
    ssfer_free(folder);
    return found;
}

static inline ssfer_image fixture_image(const char *area, const char *name)
{
    ssfer_error err = {0};
    ssfer_image image = {0};
    char *path = fixture_path(area, name);
    fixture_must(ssfer_image_load(&image, path, NULL, &err), &err, path);
    ssfer_free(path);
    return image;
}

#endif
