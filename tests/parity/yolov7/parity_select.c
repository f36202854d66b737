/* Suppression on random predictions, and coordinates brought back to a picture with boxes beyond its border. */
#include "yolov7_fixture.h"

#include "image/letterbox.h"

static const char area[] = "yolov7";

static void check_case(const ssfer_tensor_set *set, const cJSON *c)
{
    ssfer_error err = {0};
    const ssfer_tensor *pt, *dt;
    const fixture_tolerance exact = {{1e-4, 1e-6}, {1e-7, 0}, {0, 0}, {0, 0}};
    char *key = ssfer_format("%s.pred", c->string);
    float *pred = fixture_floats(set, key, &pt);
    size_t rows = pt->shape[1], values = pt->shape[2], width = values;
    for (size_t b = 0; b < pt->shape[0]; b++) {
        char *name = ssfer_format("%s.detections_%zu", c->string, b);
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

static void check_scale(const ssfer_tensor_set *set, const cJSON *c)
{
    const ssfer_tensor *t;
    float *in = fixture_floats(set, "scale_coords.detections_in", &t);
    float *want = fixture_floats(set, "scale_coords.all_rows_clipped", &t);
    const cJSON *network = cJSON_GetObjectItemCaseSensitive(c, "network_hw");
    const cJSON *original = cJSON_GetObjectItemCaseSensitive(c, "original_hw");
    double nh = cJSON_GetArrayItem(network, 0)->valuedouble, nw = cJSON_GetArrayItem(network, 1)->valuedouble;
    double oh = cJSON_GetArrayItem(original, 0)->valuedouble, ow = cJSON_GetArrayItem(original, 1)->valuedouble;
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
    cJSON *expected = fixture_json(area, "expected.json");
    if (!expected)
        return;
    ssfer_tensor_set *set = fixture_tensors(area, "nms_synthetic.safetensors");
    const cJSON *cases = cJSON_GetObjectItemCaseSensitive(expected, "nms_synthetic");
    for (const cJSON *c = cases ? cases->child : NULL; c; c = c->next) {
        if (cJSON_GetObjectItemCaseSensitive(c, "conf_thres"))
            check_case(set, c);
        else if (strcmp(c->string, "scale_coords") == 0)
            check_scale(set, c);
    }
    ssfer_tensor_set_destroy(set);
    cJSON_Delete(expected);
}

int main(void)
{
    return fixture_main(check_folder);
}
