/* The networks with random weights: outputs of every layer (mean and RMS, to locate a deviation), the decoded rows and
 * the detections, for state dicts and pickled modules alike, and again after conversion to safetensors. */
#include "yolov7_fixture.h"

#include "image/letterbox.h"

#include <unistd.h>

static const char area[] = "yolov7";

/* Mean and RMS over a layer's output, against the fixture: relative to the RMS, since a mean may be near zero. */
static void check_layers(const ssfer_yolo *net, const ssfer_conv_plan *plan, const ssfer_conv_workspace *ws,
                         const ssfer_tensor_set *expected, const char *name)
{
    const ssfer_tensor *t;
    float *mean = fixture_floats(expected, "layer_mean", &t), *rms = fixture_floats(expected, "layer_rms", &t);
    fixture_check(t->count == net->layer_count, "number of layers");
    for (size_t i = 0; i + 1 < net->layer_count && i < t->count; i++) {
        size_t value = net->layers[i], channels = ssfer_conv_graph_channels(net->graph, value);
        size_t pixels = ssfer_conv_plan_height(plan, value) * ssfer_conv_plan_width(plan, value);
        const float *x = ssfer_conv_workspace_value(ws, value);
        double sum = 0, squares = 0, count = (double)(channels * pixels);
        for (size_t c = 0; c < channels; c++)
            for (size_t p = 0; p < pixels; p++) {
                double v = (double)x[(c / SSFER_CONV_BLOCK * pixels + p) * SSFER_CONV_BLOCK + c % SSFER_CONV_BLOCK];
                sum += v;
                squares += v * v;
            }
        /* measured: 2e-6 of the RMS in the deepest layers */
        fixture_near(sum / count, (double)mean[i], 2e-5 * (double)rms[i], 0, name, i, 0);
        fixture_near(sqrt(squares / count), (double)rms[i], 2e-5 * (double)rms[i], 0, name, i, 1);
    }
    ssfer_free(mean);
    ssfer_free(rms);
}

static void check_outputs(const ssfer_yolo *net, const ssfer_yolo_rows *rows, const ssfer_tensor_set *expected,
                          const fixture_tolerance *tol, float conf, double iou, const char *name)
{
    const ssfer_tensor *pt, *dt;
    float *pred = fixture_floats(expected, "pred", &pt), *want = fixture_floats(expected, "detections", &dt);
    ssfer_error err = {0};
    ssfer_yolo_pick *picks;
    size_t count;
    fixture_check(rows->count == fixture_rows(pt) && rows->count * rows->values == pt->count, "number of rows");
    for (size_t i = 0; i < rows->count * rows->values && i < pt->count; i++) {
        const double *t = fixture_column(tol, i % rows->values, 5 + net->classes);
        fixture_near((double)rows->data[i], (double)pred[i], t[0], t[1], name, i / rows->values, i % rows->values);
    }
    fixture_must(
        ssfer_yolo_select(&picks, &count, rows->data, rows->count, rows->values, net->classes, conf, iou, &err), &err,
        name);
    float *got = fixture_detections(picks, count, rows->data, rows->values, net->classes);
    fixture_compare_detections(got, count, want, fixture_rows(dt), FIXTURE_CONF_VALUES + 3 * net->keypoints, tol, name);
    ssfer_free(picks);
    ssfer_free(got);
    ssfer_free(pred);
    ssfer_free(want);
}

static void check_network(const ssfer_yolo *net, const ssfer_image *image, const ssfer_tensor_set *expected,
                          const fixture_tolerance *tol, bool layers, const char *name)
{
    ssfer_error err = {0};
    ssfer_conv_plan *plan;
    ssfer_conv_workspace *ws;
    ssfer_yolo_rows rows = {0};
    ssfer_letterbox box = {
        .width = image->width, .height = image->height, .resized_width = image->width, .resized_height = image->height};
    fixture_must(ssfer_yolo_plan(&plan, net, image->height, image->width, layers, SIZE_MAX, &err), &err, name);
    fixture_must(ssfer_conv_workspace_create(&ws, plan, &err), &err, name);
    fixture_must(ssfer_letterbox_planes(ssfer_conv_workspace_input(ws), image, &box, &err), &err, name);
    fixture_must(ssfer_conv_workspace_run(ws, &err), &err, name);
    if (layers)
        check_layers(net, plan, ws, expected, name);
    fixture_must(ssfer_yolo_decode(&rows, net, plan, ws, -1, &err), &err, name);
    check_outputs(net, &rows, expected, tol, 0.4f, 0.5, name);
    printf("%s: %zu layers, %zu values in a workspace of %zu KB, %zu copies\n", name, net->layer_count, net->parameters,
           ssfer_conv_plan_bytes(plan) >> 10, ssfer_conv_plan_copies(plan));
    ssfer_yolo_rows_deinit(&rows);
    ssfer_conv_workspace_destroy(ws);
    ssfer_conv_plan_destroy(plan);
}

/* A file: as the loader finds its configuration by itself, by the network's name, and converted. */
static void check_file(const char *path, const char *net_name, const ssfer_image *image,
                       const ssfer_tensor_set *expected, const fixture_tolerance *tol)
{
    ssfer_error err = {0};
    ssfer_yolo *net;
    const char *names[2] = {NULL, net_name};
    for (int i = 0; i < 2; i++) {
        fixture_must(ssfer_yolo_load(&net, NULL, NULL, path, names[i], &err), &err, path);
        check_network(net, image, expected, tol, true, net_name);
        check_network(net, image, expected, tol, false, net_name); /* with memory shared */
        ssfer_yolo_destroy(net);
    }
    char *converted = ssfer_format("parity_%d.safetensors", (int)getpid());
    fixture_must(ssfer_detector_convert(path, converted, NULL, &err), &err, path);
    fixture_must(ssfer_yolo_load(&net, NULL, NULL, converted, NULL, &err), &err, converted);
    check_network(net, image, expected, tol, true, "converted");
    ssfer_yolo_destroy(net);
    remove(converted);
    ssfer_free(converted);
}

static void check_folder(void)
{
    fixture_value *expected = fixture_json(area, "expected.json");
    if (!expected)
        return;
    fixture_tolerance tol = fixture_tolerances(area, true);
    const fixture_value *random = fixture_find(expected, "random_networks");
    for (const fixture_value *n = random ? random->child : NULL; n; n = n->next) {
        const char *file = fixture_text(fixture_find(n, "file"));
        const char *input = fixture_text(fixture_find(n, "input"));
        char *input_name = ssfer_strdup(input ? input : "input_320.png"); /* "input_320.png /255, RGB, ..." */
        input_name[strcspn(input_name, " ,")] = '\0';
        char *tensors_name = ssfer_format("%s-random.safetensors", n->key);
        ssfer_tensor_set *tensors = fixture_tensors(area, tensors_name);
        ssfer_image image = fixture_image(area, input_name);
        char *path = fixture_path(area, file ? file : "");
        check_file(path, n->key, &image, tensors, &tol);
        ssfer_free(path);
        ssfer_free(input_name);
        ssfer_free(tensors_name);
        ssfer_image_deinit(&image);
        ssfer_tensor_set_destroy(tensors);
    }
    fixture_free(expected);
}

int main(void)
{
    return fixture_main(check_folder);
}
