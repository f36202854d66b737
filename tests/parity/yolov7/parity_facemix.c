/* FaceMix: which box a picture gets, the overlaps of the pairs, and the detector on a training batch: as it is, and
 * mixed and normalised as the released code feeds it. */
#include "yolov7_fixture.h"

#include "data/facemix_iou.h"

static const char area[] = "losses";

static size_t read_boxes(float *boxes, size_t most, const fixture_value *list)
{
    size_t count = 0;
    for (const fixture_value *b = list->child; b && count < most; b = b->next, count++)
        for (int k = 0; k < 4; k++)
            boxes[4 * count + (size_t)k] = (float)fixture_at(b, k)->number;
    return count;
}

static void check_pairing_case(const fixture_value *c, ssfer_facemix_box otherwise)
{
    enum { MOST = 256, FACES = 64 };
    ssfer_facemix_box boxes[MOST] = {0};
    float found[4 * FACES], iou[MOST];
    const char *name = fixture_text(fixture_find(c, "name"));
    const fixture_value *detections = fixture_find(c, "detections_xyxy");
    const fixture_value *used = fixture_find(c, "boxes_used");
    const fixture_value *list = fixture_find(c, "iou_list");
    size_t batch = 0;
    for (const fixture_value *d = detections->child, *u = used->child; d && u && batch < MOST;
         d = d->next, u = u->next) {
        boxes[batch] = ssfer_facemix_box_of(found, read_boxes(found, FACES, d), otherwise);
        for (int k = 0; k < 4; k++)
            fixture_near((double)boxes[batch].v[k], fixture_at(u, k)->number, 0, 0, name, batch, (size_t)k);
        batch++;
    }
    ssfer_facemix_overlaps(iou, boxes, batch);
    /* the reference's list lacks the middle of an odd batch */
    size_t i = 0;
    for (const fixture_value *v = list->child; v; v = v->next, i++) {
        if (batch % 2 == 1 && i == batch / 2)
            i++;
        fixture_near(i < batch ? (double)iou[i] : (double)NAN, v->number, 1e-6, 0, name, i, 0);
    }
    if (batch % 2 == 1)
        fixture_near((double)iou[batch / 2], 1, 0, 0, name, batch / 2, 0);
}

static void check_pairing(void)
{
    fixture_value *json = fixture_json(area, "iou_pairing.json");
    if (!json)
        return;
    ssfer_facemix_box otherwise;
    const fixture_value *box = fixture_find(json, "default_box");
    for (int k = 0; k < 4; k++) {
        otherwise.v[k] = (int32_t)fixture_at(box, k)->number;
        fixture_check(otherwise.v[k] == SSFER_FACEMIX_DEFAULT_BOX.v[k], "default box");
    }
    const fixture_value *cases = fixture_find(json, "cases");
    for (const fixture_value *c = cases ? cases->child : NULL; c; c = c->next)
        check_pairing_case(c, otherwise);
    fixture_free(json);
}

/* Detections as the JSON lists them (four decimals), and the overlaps that follow. */
static void check_batch(ssfer_detector *d, const float *planes, const ssfer_tensor *shape, const fixture_value *want,
                        const ssfer_tensor_set *set, const char *iou_name)
{
    ssfer_error err = {0};
    size_t batch = shape->shape[0], h = shape->shape[2], w = shape->shape[3];
    ssfer_faces *faces = ssfer_calloc(batch, sizeof *faces);
    ssfer_facemix_box *boxes = ssfer_malloc(batch * sizeof *boxes);
    float *iou = ssfer_malloc(batch * sizeof *iou);
    const ssfer_tensor *t;
    fixture_must(ssfer_detector_run_planes(d, planes, batch, w, h, NULL, NULL, faces, &err), &err, iou_name);
    const fixture_value *list = want ? want->child : NULL;
    for (size_t i = 0; i < batch; i++, list = list ? list->next : NULL) {
        fixture_near((double)faces[i].count, (double)fixture_count(list), 0, 0, iou_name, i, 0);
        const fixture_value *face = list ? list->child : NULL;
        for (size_t k = 0; face && k < faces[i].count; k++, face = face->next) {
            for (int c = 0; c < 4; c++)
                fixture_near((double)faces[i].faces[k].box[c], fixture_at(face, c)->number, 0.02, 0, iou_name, i,
                             (size_t)c);
            fixture_near((double)faces[i].faces[k].confidence, fixture_at(face, 4)->number, 1e-4, 0, iou_name, i, 4);
        }
        boxes[i] = ssfer_facemix_box_of(faces[i].count ? faces[i].faces[0].box : NULL, faces[i].count,
                                        SSFER_FACEMIX_DEFAULT_BOX);
    }
    ssfer_facemix_overlaps(iou, boxes, batch);
    float *expected = fixture_floats(set, iou_name, &t);
    for (size_t i = 0; i < batch && i < t->count; i++)
        fixture_near((double)iou[i], (double)expected[i], 1e-6, 0, iou_name, i, 9);
    for (size_t i = 0; i < batch; i++)
        ssfer_faces_deinit(&faces[i]);
    ssfer_free(faces);
    ssfer_free(boxes);
    ssfer_free(iou);
    ssfer_free(expected);
}

static void check_end_to_end(void)
{
    static const float mean[3] = {0.588f, 0.459f, 0.402f}, deviation[3] = {0.228f, 0.202f, 0.190f};
    ssfer_error err = {0};
    fixture_value *json = fixture_json(area, "facemix_end_to_end.json");
    if (!json)
        return;
    char *file = ssfer_strdup(fixture_text(fixture_find(json, "detector")));
    file[strcspn(file, " ")] = '\0'; /* "../yolov7/x.pt (conf 0.40, ...)" */
    char *path = fixture_path(area, file);
    if (ssfer_file_exists(path)) {
        ssfer_detector *d;
        const ssfer_tensor *t;
        ssfer_tensor_set *set = fixture_tensors(area, "facemix_end_to_end.safetensors");
        float *x = fixture_floats(set, "images_u8", &t), lam = (float)fixture_number(json, "lam", (double)NAN);
        size_t plane = t->shape[2] * t->shape[3], picture = 3 * plane, batch = t->shape[0];
        float *normal = ssfer_malloc(t->count * sizeof *normal), *mixed = ssfer_malloc(t->count * sizeof *mixed);
        for (size_t i = 0; i < t->count; i++) {
            size_t c = i / plane % 3;
            x[i] /= 255.0f;
            normal[i] = (x[i] - mean[c]) / deviation[c];
        }
        for (size_t i = 0; i < t->count; i++)
            mixed[i] = normal[i] * lam + normal[(batch - 1 - i / picture) * picture + i % picture] * (1 - lam);
        fixture_must(ssfer_detector_create(&d, path, NULL, &err), &err, path);
        const fixture_value *found = fixture_find(json, "detections");
        check_batch(d, x, t, fixture_find(found, "unmixed_01"), set, "described.iou_from_unmixed_01_images");
        check_batch(d, normal, t, fixture_find(found, "unmixed_normalised"), set,
                    "described.iou_from_unmixed_normalised_images");
        check_batch(d, mixed, t, fixture_find(found, "mixed_normalised"), set, "released.iou");
        ssfer_detector_destroy(d);
        ssfer_tensor_set_destroy(set);
        ssfer_free(x);
        ssfer_free(normal);
        ssfer_free(mixed);
    } else
        printf("not compared: no %s\n", path);
    ssfer_free(path);
    ssfer_free(file);
    fixture_free(json);
}

static void check_folder(void)
{
    check_pairing();
    check_end_to_end();
}

int main(void)
{
    return fixture_main(check_folder);
}
