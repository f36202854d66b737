/* Random weights of the published networks: every configuration asks for exactly the tensors that they have, faces are
 * rare, and a seed names its numbers. */
#include "test_support.h"

#include "models/yolov7/seeded.h"
#include "models/yolov7/select.h"

static ssfer_tensor_set *seeded(const char *text, uint64_t seed)
{
    ssfer_error err = {0};
    ssfer_yolo_config config;
    ssfer_tensor_set *set;
    CHECK_OK(ssfer_yolo_config_parse(&config, text, "test", &err));
    CHECK_OK(ssfer_yolo_seeded(&set, &config, seed, &err));
    ssfer_yolo_config_deinit(&config);
    return set;
}

/* Rows above a small objectness in a picture of noise: some networks find a few, none finds them everywhere. */
static void check_outputs(const ssfer_yolo *net, const char *name)
{
    enum { SIDE = 64 };
    ssfer_error err = {0};
    ssfer_conv_plan *plan;
    ssfer_conv_workspace *ws;
    ssfer_yolo_rows rows = {0};
    uint64_t noise = 1;
    CHECK_OK(ssfer_yolo_plan(&plan, net, SIDE, SIDE, false, SIZE_MAX, &err));
    CHECK_OK(ssfer_conv_workspace_create(&ws, plan, &err));
    float *planes = ssfer_conv_workspace_input(ws);
    for (size_t i = 0; i < (size_t)3 * SIDE * SIDE; i++)
        planes[i] = 0.5f + 0.5f * noise_float(&noise);
    CHECK_OK(ssfer_conv_workspace_run(ws, &err));
    CHECK_OK(ssfer_yolo_decode(&rows, net, plan, ws, -1, &err));
    size_t finite = 0, likely = 0;
    for (size_t i = 0; i < rows.count; i++) {
        finite += (bool)isfinite(rows.data[i * rows.values]);
        likely += rows.data[i * rows.values + 4] > 0.4f;
    }
    assert_int_equal(finite, rows.count);
    if (likely > rows.count / 10)
        fail_msg("%s: %zu of %zu rows are faces", name, likely, rows.count);
    ssfer_yolo_rows_deinit(&rows);
    ssfer_conv_workspace_destroy(ws);
    ssfer_conv_plan_destroy(plan);
}

static void test_every_published_network(void **state)
{
    (void)state;
    for (size_t i = 0; ssfer_yolo_builtin_name(i); i++) {
        const char *name = ssfer_yolo_builtin_name(i);
        ssfer_error err = {0};
        ssfer_yolo_config config;
        ssfer_yolo *net;
        ssfer_tensor_set *set = seeded(ssfer_yolo_builtin_text(i), 1);
        CHECK_OK(ssfer_yolo_config_parse(&config, ssfer_yolo_builtin_text(i), name, &err));
        CHECK_OK(ssfer_yolo_build(&net, &config, set, name, &err));
        assert_int_equal(net->unused, 0);
        check_outputs(net, name);
        ssfer_yolo_destroy(net);
        ssfer_yolo_config_deinit(&config);
        ssfer_tensor_set_destroy(set);
    }
}

static void test_seeds(void **state)
{
    (void)state;
    const char *text = ssfer_yolo_builtin_find("yolov7-lite-t");
    ssfer_tensor_set *sets[] = {seeded(text, 1), seeded(text, 1), seeded(text, 2)};
    const ssfer_tensor *t[3];
    for (size_t i = 0; i < 3; i++)
        assert_non_null(t[i] = ssfer_tensor_set_find(sets[i], "model.0.stem_1.conv.weight"));
    assert_memory_equal(t[0]->data, t[1]->data, t[0]->size_bytes);
    assert_memory_not_equal(t[0]->data, t[2]->data, t[0]->size_bytes);
    for (size_t i = 0; i < 3; i++)
        ssfer_tensor_set_destroy(sets[i]);
}

/* Counted by hand: 8 to 8 channels, 3x3, on 16x16, then depthwise 3x3 with stride 2. */
static void test_flops(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_conv_graph *graph;
    size_t a, b;
    double flops;
    float *w = noise_floats(8 * 8 * 9, 1), *bias = noise_floats(8, 2);
    const ssfer_conv_shape full = {
        .in_channels = 8, .out_channels = 8, .kernel_h = 3, .kernel_w = 3, .stride = 1, .pad_h = 1, .pad_w = 1};
    ssfer_conv_shape depthwise = full;
    depthwise.depthwise = true;
    depthwise.stride = 2;
    CHECK_OK(ssfer_conv_graph_create(&graph, 8, &err));
    CHECK_OK(ssfer_conv_graph_conv(graph, &a, 0, &full, w, bias, &err));
    CHECK_OK(ssfer_conv_graph_conv(graph, &b, a, &depthwise, w, bias, &err));
    CHECK_OK(ssfer_conv_graph_flops(&flops, graph, 16, 16, &err));
    assert_true(flops == 2.0 * 9 * 8 * 8 * 256 + 2.0 * 9 * 8 * 64);
    ssfer_conv_graph_destroy(graph);
    ssfer_free(w);
    ssfer_free(bias);
}

static void test_mistakes(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_yolo_config config;
    ssfer_tensor_set *set;
    ssfer_yolo *net;
    CHECK_FAILS(ssfer_yolo_seeded_network(&net, "yolov9", 1, NULL, &err), SSFER_ERR_ARGUMENT, "yolov9");
    CHECK_OK(ssfer_yolo_config_parse(&config, "classes 1\nlayer -1 1 Focus 8\n", "test", &err));
    CHECK_FAILS(ssfer_yolo_seeded(&set, &config, 1, &err), SSFER_ERR_UNSUPPORTED, "Focus");
    ssfer_yolo_config_deinit(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_published_network),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_flops),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
