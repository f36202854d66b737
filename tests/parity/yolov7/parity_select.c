/* Suppression on random predictions, and coordinates brought back to a picture with boxes beyond its border. */
#include "yolov7_fixture.h"

#include "image/letterbox.h"

static const char area[] = "yolov7";

static void check_case(const ssfer_tensor_set *set, const fixture_value *c)
{
    ssfer_error err = {0};
    const ssfer_tensor *pt, *dt;
    const fixture_tolerance exact = {{1e-4, 1e-6}, {1e-7, 0}, {0, 0}, {0, 0}};
    char *key = ssfer_format("%s.pred", c->key);
    float *pred = fixture_floats(set, key, &pt);
    size_t rows = pt->shape[1], values = pt->shape[2], width = values;
    for (size_t b = 0; b < pt->shape[0]; b++) {
        char *name = ssfer_format("%s.detections_%zu", c->key, b);
        float *want = fixture_floats(set, name, &dt);
        ssfer_yolo_pick *picks;
        size_t count;
        const float *mine = pred + b * rows * values;
        fixture_must(ssfer_yolo_select(&picks, &count, mine, rows, values, 1,
                                       (float)fixture_number(c, "conf_thres", (double)NAN),
                                       fixture_number(c, "iou_thres", (double)NAN), &err),
                     &err, name);
        float *got = fixture_detections(picks, count, mine, values, 1);
        fixture_compare_detections(got, count, want, fixture_rows(dt), width, &exact, name);
        ssfer_free(picks);
        ssfer_free(got);
        ssfer_free(want);
        ssfer_free(name);
    }
    ssfer_free(pred);
    ssfer_free(key);
}

static void check_scale(const ssfer_tensor_set *set, const fixture_value *c)
{
    const ssfer_tensor *t;
    float *in = fixture_floats(set, "scale_coords.detections_in", &t);
    float *want = fixture_floats(set, "scale_coords.all_rows_clipped", &t);
    const fixture_value *network = fixture_find(c, "network_hw");
    const fixture_value *original = fixture_find(c, "original_hw");
    double nh = fixture_at(network, 0)->number, nw = fixture_at(network, 1)->number;
    double oh = fixture_at(original, 0)->number, ow = fixture_at(original, 1)->number;
    ssfer_letterbox box = {.gain = fmin(nh / oh, nw / ow)};
    size_t rows = t->shape[0], width = t->shape[1];
    box.pad_x = (nw - ow * box.gain) / 2;
    box.pad_y = (nh - oh * box.gain) / 2;
    for (size_t i = 0; i < rows; i++) {
        float *d = in + i * width;
        ssfer_letterbox_back(d, 2, 2, &box, (size_t)ow, (size_t)oh, true);
        ssfer_letterbox_back(d + FIXTURE_CONF_VALUES, (width - FIXTURE_CONF_VALUES) / 3, 3, &box, (size_t)ow,
                             (size_t)oh, true);
        for (size_t k = 0; k < width; k++)
            fixture_near((double)d[k], (double)want[i * width + k], 1e-3, 1e-6, "scale_coords", i, k);
    }
    ssfer_free(in);
    ssfer_free(want);
}

static void check_folder(void)
{
    fixture_value *expected = fixture_json(area, "expected.json");
    if (!expected)
        return;
    ssfer_tensor_set *set = fixture_tensors(area, "nms_synthetic.safetensors");
    const fixture_value *cases = fixture_find(expected, "nms_synthetic");
    for (const fixture_value *c = cases ? cases->child : NULL; c; c = c->next) {
        if (fixture_find(c, "conf_thres"))
            check_case(set, c);
        else if (strcmp(c->key, "scale_coords") == 0)
            check_scale(set, c);
    }
    ssfer_tensor_set_destroy(set);
    fixture_free(expected);
}

int main(void)
{
    return fixture_main(check_folder);
}
