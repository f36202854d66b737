/* Small networks that PyTorch pickled (tools/make_golden_yolov7.py), with every module there is: each layer's mean and
 * RMS and all decoded rows, from the pickled model, from its state dict with a configuration, and converted. Then files
 * that are no detectors. */
#include "test_support.h"

#include "base/file.h"
#include "io/convert.h"
#include "models/yolov7/select.h"
#include "ssfer/detect.h"

#include <unistd.h>

#define GOLDEN SSFER_TEST_DIR "/golden/yolov7/"

static float *golden(const ssfer_tensor_set *set, const char *name, size_t *count)
{
    const ssfer_tensor *t = ssfer_tensor_set_find(set, name);
    assert_non_null(t);
    float *x = ssfer_malloc(t->count * sizeof *x);
    ssfer_tensor_to_f32(x, t);
    *count = t->count;
    return x;
}

static void check_layers(const ssfer_yolo *net, const ssfer_conv_plan *p, const ssfer_conv_workspace *ws,
                         const ssfer_tensor_set *set)
{
    size_t count;
    float *mean = golden(set, "layer_mean", &count), *rms = golden(set, "layer_rms", &count);
    assert_int_equal(count + 1, net->layer_count);
    for (size_t i = 0; i < count; i++) {
        size_t v = net->layers[i], c = ssfer_conv_graph_channels(net->graph, v);
        size_t pixels = ssfer_conv_plan_height(p, v) * ssfer_conv_plan_width(p, v), blocks = (c + 7) / 8;
        const float *x = ssfer_conv_workspace_value(ws, v);
        double sum = 0, squares = 0, n = (double)(c * pixels);
        for (size_t k = 0; k < blocks * pixels * 8; k++) { /* padding lanes hold zeros */
            sum += (double)x[k];
            squares += (double)x[k] * (double)x[k];
        }
        if (!(fabs(sum / n - (double)mean[i]) <= 1e-5 * (double)rms[i]) ||
            !(fabs(sqrt(squares / n) - (double)rms[i]) <= 1e-5 * (double)rms[i]))
            fail_msg("layer %zu: mean %g, RMS %g; wanted %g and %g", i, sum / n, sqrt(squares / n), (double)mean[i],
                     (double)rms[i]);
    }
    ssfer_free(mean);
    ssfer_free(rms);
}

static void check_network(const ssfer_yolo *net, const char *name)
{
    ssfer_error err = {0};
    ssfer_tensor_set *set;
    ssfer_conv_plan *p;
    ssfer_conv_workspace *ws;
    ssfer_yolo_rows rows = {0};
    size_t size, row_count;
    char *path = ssfer_format("%s%s.safetensors", GOLDEN, name);
    CHECK_OK(ssfer_safetensors_read(&set, path, &err));
    const ssfer_tensor *t = ssfer_tensor_set_find(set, "picture");
    assert_non_null(t);
    size_t h = t->shape[0], w = t->shape[1];
    float *picture = golden(set, "picture", &size), *want = golden(set, "rows", &row_count);
    for (int keep_all = 0; keep_all < 2; keep_all++) {
        CHECK_OK(ssfer_yolo_plan(&p, net, h, w, keep_all, SIZE_MAX, &err));
        CHECK_OK(ssfer_conv_workspace_create(&ws, p, &err));
        float *planes = ssfer_conv_workspace_input(ws);
        for (size_t i = 0; i < size; i++)
            planes[i % 3 * h * w + i / 3] = picture[i] / 255.0f;
        CHECK_OK(ssfer_conv_workspace_run(ws, &err));
        CHECK_OK(ssfer_yolo_decode(&rows, net, p, ws, -1, &err));
        assert_int_equal(rows.count * rows.values, row_count);
        check_close(rows.data, want, row_count, 5e-6, name); /* float32 against float64 differs by 5e-7 */
        if (keep_all)
            check_layers(net, p, ws, set);
        ssfer_conv_workspace_destroy(ws);
        ssfer_conv_plan_destroy(p);
    }
    ssfer_yolo_rows_deinit(&rows);
    ssfer_tensor_set_destroy(set);
    ssfer_free(picture);
    ssfer_free(want);
    ssfer_free(path);
}

static void check_golden(const char *name)
{
    ssfer_error err = {0};
    ssfer_yolo *net;
    char *pt = ssfer_format("%s%s.pt", GOLDEN, name), *pth = ssfer_format("%s%s.pth", GOLDEN, name);
    char *text = ssfer_format("%s%s.txt", GOLDEN, name), *out = ssfer_format("net_%d.safetensors", (int)getpid());
    CHECK_OK(ssfer_yolo_load(&net, NULL, NULL, pt, NULL, &err));
    assert_int_equal(net->unused, 0);
    check_network(net, name);
    ssfer_yolo_destroy(net);
    CHECK_OK(ssfer_yolo_load(&net, NULL, NULL, pth, text, &err));
    assert_int_equal(net->unused, 0);
    check_network(net, name);
    ssfer_yolo_destroy(net);
    for (int from = 0; from < 2; from++) { /* self-describing from then on */
        CHECK_OK(ssfer_detector_convert(from ? pth : pt, out, from ? text : NULL, &err));
        CHECK_OK(ssfer_yolo_load(&net, NULL, NULL, out, NULL, &err));
        check_network(net, name);
        ssfer_yolo_destroy(net);
    }
    remove(out);
    ssfer_free(pt);
    ssfer_free(pth);
    ssfer_free(text);
    ssfer_free(out);
}

static void test_every_module(void **state)
{
    (void)state;
    check_golden("blocks");
}

static void test_lite_modules(void **state)
{
    (void)state;
    check_golden("lite");
}

/* The general converter keeps the yaml, which is enough where modules are as the reference makes them. */
static void test_general_conversion(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_yolo *net;
    char *out = ssfer_format("general_%d.safetensors", (int)getpid());
    CHECK_OK(ssfer_convert(GOLDEN "lite.pt", out, NULL, &err));
    CHECK_OK(ssfer_yolo_load(&net, NULL, NULL, out, NULL, &err));
    assert_int_equal(net->unused, 0);
    assert_int_equal(net->classes, 2);
    ssfer_yolo_destroy(net);
    remove(out);
    ssfer_free(out);
}

static void test_levels(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_yolo *net;
    CHECK_OK(ssfer_yolo_load(&net, NULL, NULL, GOLDEN "blocks.pt", NULL, &err));
    assert_int_equal(net->level_count, 2);
    assert_int_equal(net->values, 21);
    assert_int_equal(net->max_stride, 16);
    assert_int_equal(net->levels[0].stride, 8);
    assert_int_equal(net->levels[0].anchor_count, 2);
    assert_true(net->levels[0].anchors[1][1] == 8.0f && net->levels[1].anchors[0][0] == 15.0f);
    assert_int_not_equal(net->levels[0].box, net->levels[0].keypoints); /* the keypoints have blocks of their own */
    ssfer_yolo_destroy(net);
    CHECK_OK(ssfer_yolo_load(&net, NULL, NULL, GOLDEN "lite.pt", NULL, &err));
    assert_int_equal(net->values, 7);
    assert_int_equal(net->keypoints, 0);
    ssfer_yolo_destroy(net);
}

/* A configuration that does not fit the weights: the message names the module. */
static void test_wrong_configurations(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"layer -1 1 ReOrg\nlayer -1 1 Conv 32 3 2", "no detection head", "U"},
        {"layer -1 1 ReOrg\nlayer -1 1 TransformerBlock\nlayer -1 1 Detect", "module TransformerBlock is not known",
         "U"},
        {"layer 5 1 ReOrg\nlayer -1 1 Detect", "reads layer 5", "F"},
        {"layer -2 1 ReOrg\nlayer -1 1 Detect", "reads layer -2", "F"},
        {"layer -1 1 ReOrg\nlayer -1 1 Conv 1 3 1 None 1 nn.Softplus()\nlayer -1 1 Detect", "activation nn.Softplus",
         "U"},
        {"layer -1 1 ReOrg\nlayer -1 1 Conv 1 3 x\nlayer -1 1 Detect", "is no number", "F"},
        {"layer -1 1 ReOrg\nlayer -1 1 Conv 1 3 1\nlayer -1,-1 1 MP\nlayer -1 1 Detect", "takes one input", "F"},
        {"layer -1 1 ReOrg\nlayer -1 1 Conv 1 3 1\nlayer -1 1 ADD\nlayer -1 1 Detect", "takes two inputs", "F"},
        {"layer -1 1 ReOrg\nlayer -1 1 Conv 1 3 1\nlayer -1 1 Concat 2\nlayer -1 1 Detect", "another dimension", "U"},
        {"layer -1 1 ReOrg\nlayer -1 1 Conv 1 3 1\nlayer -1 1 nn.Upsample None 2 bilinear\nlayer -1 1 Detect",
         "nearest", "U"},
        {"layer -1 1 ReOrg\nlayer -1 1 Conv 1 3 1\nlayer -1 1 nn.Upsample None 1.5 nearest\nlayer -1 1 Detect",
         "upsampling by 1.5", "U"},
        {"layer -1 1 ReOrg\nlayer -1 1 Conv 1 3 1\nlayer -1 1 MP 100\nlayer -1 1 Detect", "is 100", "F"},
        {"layer -1 1 ReOrg\nlayer -1 1 Conv 1 3 1\nlayer -1 1 SPF 3 2\nlayer -1 1 Detect", "with a stride", "U"},
        {"layer -1 1 ReOrg\nlayer -1 1 Conv 1 3 1\nlayer -1 1 Conv 1 1 1\nlayer -1 1 Detect", "weights are missing",
         "F"},
        {"layer -1 1 Conv 1 3 1\nlayer -1 1 Detect", "weights are missing", "F"},
        {"layer -1 1 MP\nlayer -1 1 Conv 1 3 1\nlayer -1 1 Detect", "cannot read 3", "F"},
        {"layer -1 1 Detect\nlayer -1 1 Detect", "not the last", "U"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ssfer_error err;
        ssfer_yolo *net;
        char *path = ssfer_format("wrong_%d.txt", (int)getpid());
        assert_int_equal(ssfer_file_write(path, cases[i][0], strlen(cases[i][0]), &err), SSFER_OK);
        CHECK_FAILS(ssfer_yolo_load(&net, NULL, NULL, GOLDEN "blocks.pth", path, &err),
                    *cases[i][2] == 'U' ? SSFER_ERR_UNSUPPORTED : SSFER_ERR_FORMAT, cases[i][1]);
        assert_null(net);
        remove(path);
        ssfer_free(path);
    }
}

/* Files that are no detectors, each with what is said of it. */
static void test_other_files(void **state)
{
    (void)state;
    static const struct {
        const char *path, *text;
        ssfer_status status;
    } cases[] = {
        {"/nowhere/x.pt", "x.pt", SSFER_ERR_IO},
        {SSFER_TEST_DIR, "golden", SSFER_ERR_IO},
        {GOLDEN "blocks.txt", "blocks.txt", SSFER_ERR_FORMAT},
        {GOLDEN "blocks.pth", "fit none of the known face detectors", SSFER_ERR_UNSUPPORTED},
        {SSFER_TEST_DIR "/golden/io/nested_model_state_dict.pth", "fit none", SSFER_ERR_UNSUPPORTED},
        {SSFER_TEST_DIR "/golden/io/module.pt", "module.pt", SSFER_ERR_UNSUPPORTED}, /* a module of another kind */
        {SSFER_TEST_DIR "/golden/io/native.safetensors", "fit none", SSFER_ERR_UNSUPPORTED},
        {SSFER_TEST_DIR "/golden/io/bad_cycle.pth", "bad_cycle.pth", SSFER_ERR_FORMAT},
        {SSFER_TEST_DIR "/golden/io/bad_script.pt", "bad_script.pt", SSFER_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ssfer_error err = {0};
        ssfer_yolo *net;
        ssfer_status st = ssfer_yolo_load(&net, NULL, NULL, cases[i].path, NULL, &err);
        printf("%s\n", err.message);
        assert_int_not_equal(st, SSFER_OK);
        assert_null(net);
        if (cases[i].status == SSFER_ERR_UNSUPPORTED)
            assert_int_equal(st, cases[i].status);
        if (strcmp(cases[i].path, SSFER_TEST_DIR) != 0 && !strstr(err.message, cases[i].text))
            fail_msg("%s: %s", cases[i].path, err.message);
    }
    ssfer_error err;
    ssfer_yolo *net;
    CHECK_FAILS(ssfer_yolo_load(&net, NULL, NULL, GOLDEN "blocks.pth", "no-such-network", &err), SSFER_ERR_ARGUMENT,
                "known are yolov7-lite-t");
}

/* Attributes of modules that would change the network unseen, if they were passed over. */
static void test_facts_of_pickles(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size, at; /* which of them becomes a 3 */
        const char *text;
    } cases[] = {
        {"strideq\x85K\x08K\x08", 12, 11, "stride is 8 by 3"},
        {"strideq\x85K\x08K\x08", 12, 11, NULL}, /* left as it is */
        {"dilationq\x89K\x01K\x01", 14, 13, "dilation is 3"},
    };
    ssfer_error err = {0};
    ssfer_yolo *net;
    unsigned char *bytes;
    size_t size;
    CHECK_OK(ssfer_file_read(&bytes, &size, SSFER_TEST_DIR "/fuzz/corpus/detector/tiny_legacy.pt", 1 << 20, &err));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char *found = memmem(bytes, size, cases[i].bytes, cases[i].size);
        assert_non_null(found);
        unsigned char before = found[cases[i].at];
        if (cases[i].text)
            found[cases[i].at] = 3;
        if (cases[i].text)
            CHECK_FAILS(ssfer_yolo_load_memory(&net, bytes, size, "x.pt", NULL, &err), SSFER_ERR_UNSUPPORTED,
                        cases[i].text);
        else
            CHECK_OK(ssfer_yolo_load_memory(&net, bytes, size, "x.pt", NULL, &err));
        ssfer_yolo_destroy(net);
        found[cases[i].at] = before;
    }
    ssfer_free(bytes);
}

/* The first bytes of a pickled network, as many as you like: never a network, never a crash. */
static void test_cut_files(void **state)
{
    (void)state;
    ssfer_error err = {0};
    unsigned char *bytes;
    size_t size;
    CHECK_OK(ssfer_file_read(&bytes, &size, GOLDEN "lite.pt", (size_t)1 << 24, &err));
    for (size_t n = 0; n < size; n += n < 2000 ? 97 : 4999) {
        unsigned char *exact = ssfer_malloc(n); /* no byte behind it */
        ssfer_yolo *net;
        memcpy(exact, bytes, n);
        assert_int_not_equal(ssfer_yolo_load_memory(&net, exact, n, "cut", NULL, &err), SSFER_OK);
        assert_null(net);
        ssfer_free(exact);
    }
    ssfer_free(bytes);
}

/* Whatever allocation fails while reading and building. The counter is this thread's. */
static void test_out_of_memory(void **state)
{
    (void)state;
    ssfer_error err = {0};
    unsigned char *bytes;
    size_t size, made;
    ssfer_yolo *net;
    CHECK_OK(ssfer_file_read(&bytes, &size, GOLDEN "lite.pt", (size_t)1 << 24, &err));
    ssfer_memory_fail_at(0);
    CHECK_OK(ssfer_yolo_load_memory(&net, bytes, size, "x", NULL, &err));
    made = ssfer_memory_fail_at(0);
    ssfer_yolo_destroy(net);
    assert_true(made > 500);
    for (size_t n = 1; n <= made; n += n < 200 ? 1 : 7) {
        memset(&err, 0, sizeof err);
        ssfer_memory_fail_at(n);
        ssfer_status st = ssfer_yolo_load_memory(&net, bytes, size, "x", NULL, &err);
        ssfer_memory_fail_at(0);
        if (st != SSFER_ERR_MEMORY || err.status != SSFER_ERR_MEMORY || net)
            fail_msg("allocation %zu of %zu: %s", n, made, err.message);
    }
    ssfer_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_module),         cmocka_unit_test(test_lite_modules),
        cmocka_unit_test(test_general_conversion),   cmocka_unit_test(test_levels),
        cmocka_unit_test(test_wrong_configurations), cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_facts_of_pickles),     cmocka_unit_test(test_cut_files),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
