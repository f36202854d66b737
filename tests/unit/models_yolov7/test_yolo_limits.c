/* Networks that no detector has: what a file may say of kernels, strides, paddings, groups, repeats, anchors and the
 * shapes of its maps, and that each such thing is one line when the file is loaded or a picture's size is planned. */
#include "test_support.h"

#include "models/yolov7/network_detector.h"
#include "models/yolov7/select.h"

/* A tensor NAME D0xD1x... per line; values are small and, for a batch-norm's variance, positive. */
static ssfer_tensor_set *make_weights(const char *lines)
{
    ssfer_error err = {0};
    ssfer_tensor_set *set;
    CHECK_OK(ssfer_tensor_set_create(&set, &err));
    for (const char *at = lines; *at;) {
        char name[64];
        size_t shape[4], ndim = 0, count = 1;
        int used = 0;
        void *data;
        assert_int_equal(sscanf(at, "%63s%n", name, &used), 1);
        for (at += used; *at == ' ' || *at == 'x'; at += used, ndim++) {
            assert_int_equal(sscanf(at + 1, "%zu%n", &shape[ndim], &used), 1);
            count *= shape[ndim];
            used++;
        }
        CHECK_OK(ssfer_tensor_set_new(set, name, SSFER_DTYPE_F32, shape, ndim, &data, &err));
        uint64_t seed = count;
        for (size_t i = 0; i < count; i++)
            ((float *)data)[i] = strstr(name, "grid") ? 8.0f : 0.1f * noise_float(&seed);
        at += *at == '\n';
    }
    return set;
}

static ssfer_status build(ssfer_yolo **out, const char *text, ssfer_tensor_set *weights, ssfer_error *err)
{
    ssfer_yolo_config config;
    *out = NULL;
    ssfer_status st = ssfer_yolo_config_parse(&config, text, "net.pt", err);
    if (st == SSFER_OK) {
        st = ssfer_yolo_build(out, &config, weights, "net.pt", err);
        ssfer_yolo_config_deinit(&config);
    }
    return st;
}

/* Layer 0 halves the picture (8 channels), layer 1 is a case's own, layer 2 the head: two anchors, one keypoint. */
#define TOP "keypoints 1\nanchors 4,5 6,8\nlayer -1 1 Conv 8 3 2\n"
#define HEAD "layer -1 1 IKeypoint\n"
#define FIRST "model.0.conv.weight 8x3x3x3\n"
#define MAPS(i) "model." #i ".m.0.weight 12x8x1x1\nmodel." #i ".m_kpt.0.weight 6x8x1x1\n"

static const struct {
    const char *layers, *weights;
    ssfer_status status;
    const char *text;
} cases[] = {
    /* kernels of poolings, which are otherwise as many poolings with kernel 3 */
    {TOP "layer -1 1 SPF 5\n" HEAD "set model.1.m kernel 1e18\n", FIRST MAPS(2), SSFER_ERR_FORMAT, "kernel is 1e+18"},
    {TOP "layer -1 1 SPF 5\n" HEAD "set model.1.m kernel -3\n", FIRST MAPS(2), SSFER_ERR_FORMAT, "kernel is -3"},
    {TOP "layer -1 1 SPF 5\n" HEAD "set model.1.m kernel nan\n", FIRST MAPS(2), SSFER_ERR_FORMAT, "is no number: nan"},
    {TOP "layer -1 1 SPF 5\n" HEAD "set model.1.m kernel 3.5\n", FIRST MAPS(2), SSFER_ERR_FORMAT, "kernel is 3.5"},
    {TOP "layer -1 1 SPF 4\n" HEAD, FIRST MAPS(2), SSFER_ERR_UNSUPPORTED, "kernel 4; an odd one"},
    {TOP "layer -1 1 SP 5\n" HEAD "set model.1.m kernel 65\n", FIRST MAPS(2), SSFER_ERR_FORMAT, "kernel is 65"},
    {TOP "layer -1 1 SP 5\n" HEAD "set model.1.m pad 3\n", FIRST MAPS(2), SSFER_ERR_SHAPE, "padding 3"},
    /* strides and paddings */
    {TOP "layer -1 1 Shuffle_Block 8 1\n" HEAD "set model.1 stride 1e300\n", FIRST MAPS(2), SSFER_ERR_FORMAT,
     "is no number: 1e300"},
    {TOP "layer -1 1 Shuffle_Block 8 1\n" HEAD "set model.1 stride 1e30\n", FIRST MAPS(2), SSFER_ERR_FORMAT,
     "stride is 1e+30"},
    {TOP "layer -1 1 Conv 8 1\n" HEAD "set model.1.conv stride 0\n", FIRST MAPS(2) "model.1.conv.weight 8x8x1x1\n",
     SSFER_ERR_SHAPE, "stride 0"},
    {TOP "layer -1 1 Conv 8 1\n" HEAD "set model.1.conv pad_h 1\n", FIRST MAPS(2) "model.1.conv.weight 8x8x1x1\n",
     SSFER_ERR_SHAPE, "padding less than the kernel"},
    /* other facts */
    {TOP "layer -1 1 MP\nlayer -1,-1 1 ADD\n" HEAD "set model.2 alpha 1e39\n", FIRST MAPS(3), SSFER_ERR_FORMAT,
     "alpha is no number"},
    {TOP "layer -1 1 Conv 8 1 1 None 1 nn.LeakyReLU(x)\n" HEAD, FIRST MAPS(2) "model.1.conv.weight 8x8x1x1\n",
     SSFER_ERR_UNSUPPORTED, "LeakyReLU(x) is not known"},
    {TOP "layer -1 1 Conv 8 1 1 None 1 nn.LeakyReLU(1e99)\n" HEAD, FIRST MAPS(2) "model.1.conv.weight 8x8x1x1\n",
     SSFER_ERR_UNSUPPORTED, "is not known"},
    /* repeats */
    {TOP "layer -1 1000 SPF 1\nlayer -1 1000 SPF 1\nlayer -1 1000 SPF 1\n" HEAD, FIRST MAPS(4), SSFER_ERR_LIMIT,
     "more than 2048 layers"},
    {TOP "layer -1 1000 SPF 15\n" HEAD, FIRST MAPS(2), SSFER_ERR_LIMIT, "more than 2048 steps"},
    /* the head: maps of keypoints with their own stride, grouped maps, anchors that are none */
    {TOP HEAD "set model.1.m_kpt.0.0.conv stride 2\n",
     FIRST "model.1.m.0.weight 12x8x1x1\nmodel.1.m_kpt.0.0.conv.weight 8x8x3x3\nmodel.1.m_kpt.0.1.weight 6x8x1x1\n",
     SSFER_ERR_FORMAT, "128x128 boxes and 64x64 sets of keypoints"},
    {TOP HEAD, FIRST "model.1.m.0.weight 12x4x1x1\nmodel.1.m_kpt.0.weight 6x8x1x1\n", SSFER_ERR_FORMAT,
     "weights for 4 channels read 8"},
    {TOP HEAD, FIRST "model.1.m.0.weight 12x8x1x1\nmodel.1.m_kpt.0.weight 6x2x1x1\n", SSFER_ERR_FORMAT,
     "weights for 2 channels read 8"},
    {"keypoints 1\nanchors 4,5 0,8\nlayer -1 1 Conv 8 3 2\n" HEAD, FIRST MAPS(1), SSFER_ERR_FORMAT, "above 0"},
    {"keypoints 1\nlayer -1 1 Conv 8 3 2\n" HEAD, FIRST MAPS(1) "model.1.anchor_grid 3\n", SSFER_ERR_FORMAT,
     "anchors of level 0 are missing"},
    /* what would take a computer's time or memory */
    {TOP "layer -1 1 nn.Upsample None 16\nlayer -1 1 nn.Upsample None 16\nlayer -1 1 MP 16\nlayer -1 1 MP 16\n" HEAD,
     FIRST MAPS(5), SSFER_ERR_LIMIT, "numbers for each pixel"},
    {TOP "layer -1 400 SP 63\n" HEAD, FIRST MAPS(2), SSFER_ERR_LIMIT, "operations for each pixel"},
    {TOP "layer -1 1 Conv 8192 1 1\nlayer -1 1 Conv 4096 3 1\nlayer -1 1 Conv 8 1\n" HEAD,
     FIRST "model.1.conv.weight 8192x8x1x1\nmodel.2.conv.weight 16384x1x3x3\nmodel.3.conv.weight 8x16384x1x1\n" MAPS(4),
     SSFER_ERR_LIMIT, "8192 groups make too much"},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ssfer_error err = {0};
        ssfer_yolo *net;
        ssfer_tensor_set *weights = make_weights(cases[i].weights);
        CHECK_FAILS(build(&net, cases[i].layers, weights, &err), cases[i].status, cases[i].text);
        assert_null(net);
        assert_true(strncmp(err.message, "net.pt: ", 8) == 0);
        ssfer_tensor_set_destroy(weights);
    }
}

/* The same network with what a detector has there: loads, so that the cases above fail for their own reason. */
static void test_sound_network(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_yolo *net;
    ssfer_conv_plan *plan;
    ssfer_tensor_set *weights = make_weights(FIRST MAPS(2));
    CHECK_OK(
        build(&net, TOP "layer -1 1 SPF 5\n" HEAD "set model.1.m kernel 63\nset model.1.m pad 31\n", weights, &err));
    assert_int_equal(ssfer_conv_graph_value_count(net->graph), 1 + 1 + 31 + 1); /* picture, Conv, poolings, head */
    CHECK_OK(ssfer_yolo_plan(&plan, net, 32, 64, false, SIZE_MAX, &err));
    ssfer_conv_plan_destroy(plan);
    CHECK_FAILS(ssfer_yolo_plan(&plan, net, 32, 63, false, SIZE_MAX, &err), SSFER_ERR_FORMAT, "net.pt: level 0");
    CHECK_FAILS(ssfer_yolo_plan(&plan, net, 32, 64, false, 1000, &err), SSFER_ERR_LIMIT, "net.pt: network plan");
    ssfer_yolo_destroy(net);
    ssfer_tensor_set_destroy(weights);
}

/* 256 pixels a cell: with one cell the keypoints' own stride does not show, with four it does. */
static void test_maps_that_differ_later(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_yolo *net;
    ssfer_conv_plan *plan;
    ssfer_detector *detector;
    ssfer_faces faces;
    ssfer_image image;
    ssfer_tensor_set *weights =
        make_weights("model.0.conv.weight 8x3x1x1\nmodel.3.m.0.weight 12x8x1x1\nmodel.3.m_kpt.0.0.conv.weight 8x8x3x3\n"
                     "model.3.m_kpt.0.1.weight 6x8x1x1\n");
    CHECK_OK(build(&net,
                   "keypoints 1\nanchors 4,5 6,8\nlayer -1 1 Conv 8 1 1\nlayer -1 1 MP 16\nlayer -1 1 MP 16\n" HEAD
                   "set model.3.m_kpt.0.0.conv stride 2\n",
                   weights, &err));
    assert_int_equal(net->max_stride, 256);
    CHECK_OK(ssfer_yolo_plan(&plan, net, 256, 256, false, SIZE_MAX, &err));
    ssfer_conv_plan_destroy(plan);
    CHECK_FAILS(ssfer_yolo_plan(&plan, net, 512, 256, false, SIZE_MAX, &err), SSFER_ERR_FORMAT,
                "net.pt: level 0 of the head gives 1x2 boxes and 1x1 sets of keypoints");
    assert_null(plan);
    CHECK_OK(ssfer_detector_of_network(&detector, net, &(ssfer_detector_options){.size = 512, .threads = 1}, &err));
    CHECK_OK(ssfer_image_create(&image, 40, 30, &err));
    memset(image.data, 100, 3 * 40 * 30);
    CHECK_FAILS(ssfer_detector_run(detector, &image, 1, &faces, &err), SSFER_ERR_FORMAT, "2x2 boxes and 1x1 sets");
    assert_int_equal(faces.count, 0);
    ssfer_image_deinit(&image);
    ssfer_detector_destroy(detector);
    ssfer_tensor_set_destroy(weights);
}

/* A weight that is no number is said, not turned into pictures without faces. */
static void test_damaged_weights(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_yolo *net;
    ssfer_tensor_set *weights = make_weights(FIRST MAPS(1));
    const ssfer_tensor *t = ssfer_tensor_set_find(weights, "model.0.conv.weight");
    ((float *)(uintptr_t)t->data)[7] = NAN;
    CHECK_FAILS(build(&net, TOP HEAD, weights, &err), SSFER_ERR_NUMERIC, "model.0.conv: weights are not finite");
    ssfer_tensor_set_destroy(weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_sound_network),
        cmocka_unit_test(test_maps_that_differ_later),
        cmocka_unit_test(test_damaged_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
