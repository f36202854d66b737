/* Configurations of the detector: text to structure and back, facts, the published networks. */
#include "test_support.h"

#include "models/yolov7/config.h"
#include "models/yolov7/yaml_json.h"

#include "comma_locale.h"

static const char example[] = "# a comment\n"
                              "classes 2\n"
                              "keypoints 5\n"
                              "depth 0.33\n"
                              "width 0.25   # and another\n"
                              "keypoint_blocks yes\n"
                              "activation nn.LeakyReLU(0.1)\n"
                              "\n"
                              "anchors 4,5 6.5,8\n"
                              "anchors 15,19\r\n"
                              "layer -1 1 Conv 32 3 2 None 1 nn.LeakyReLU(0.1)\n"
                              "layer -1,0,-2 3 models.common.Concat 1\n"
                              "set model.1.bn eps 1e-05\n"
                              "set model.0.act activation ReLU\n"
                              "layer 0,1 1 IKeypoint";

static void check_example(ssfer_yolo_config *c)
{
    assert_int_equal(c->classes, 2);
    assert_int_equal(c->keypoints, 5);
    assert_true(c->depth == 0.33 && c->width == 0.25 && c->keypoint_blocks);
    assert_string_equal(c->activation, "nn.LeakyReLU(0.1)");
    assert_int_equal(c->levels, 2);
    assert_int_equal(c->anchor_count[0], 2);
    assert_int_equal(c->anchor_count[1], 1);
    assert_true(c->anchors[0][1][0] == 6.5f && c->anchors[1][0][1] == 19.0f);
    assert_int_equal(c->layer_count, 3);
    assert_int_equal(c->layers[0].arg_count, 6);
    assert_string_equal(c->layers[0].args[5], "nn.LeakyReLU(0.1)");
    assert_int_equal(c->layers[1].from_count, 3);
    assert_int_equal(c->layers[1].from[1], 0);
    assert_int_equal(c->layers[1].from[2], -2);
    assert_int_equal(c->layers[1].repeat, 3);
    assert_string_equal(c->layers[1].module, "models.common.Concat");
    assert_int_equal(c->layers[2].arg_count, 0);
}

static void test_round_trip(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_yolo_config c, again;
    char *text;
    CHECK_OK(ssfer_yolo_config_parse(&c, example, "x", &err));
    check_example(&c);
    /* only what is needed is written: a value other than the one that holds without it */
    assert_string_equal(ssfer_yolo_config_find(&c, "model.1.bn", "eps", "0.00001"), "1e-05");
    assert_false(c.facts[1].needed);
    assert_string_equal(ssfer_yolo_config_find(&c, "model.1.bn", "eps", "0.001"), "1e-05");
    assert_true(c.facts[1].needed);
    assert_string_equal(ssfer_yolo_config_find(&c, "model.0.act", "activation", "ReLU"), "ReLU");
    assert_null(ssfer_yolo_config_find(&c, "model.0.act", "slope", "0"));
    assert_null(ssfer_yolo_config_find(&c, "model", "eps", "0"));
    CHECK_OK(ssfer_yolo_config_format(&text, &c, &err));
    assert_non_null(strstr(text, "set model.1.bn eps 1e-05\n"));
    assert_null(strstr(text, "set model.0.act"));
    CHECK_OK(ssfer_yolo_config_parse(&again, text, "y", &err));
    check_example(&again);
    assert_int_equal(again.fact_count, 1);
    ssfer_free(text);
    ssfer_yolo_config_deinit(&c);
    ssfer_yolo_config_deinit(&again);
}

static void test_locale(void **state)
{
    (void)state;
    char *before = strdup(setlocale(LC_ALL, NULL));
    if (!comma_locale_enter())
        skip();
    test_round_trip(NULL);
    setlocale(LC_ALL, before);
    free(before);
}

static void test_bad_text(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "without layers"},
        {"classes 1\n", "without layers"},
        {"colour blue\n", "line 1: unknown word"},
        {"\nclasses\n", "line 2: the value is missing"},
        {"classes -1\n", "out of range"},
        {"classes 1.5\n", "out of range"},
        {"width nan\n", "out of range"},
        {"keypoint_blocks maybe\n", "out of range"},
        {"anchors\n", "a level without anchors"},
        {"anchors 4 5\n", "WIDTH,HEIGHT"},
        {"anchors 4,x\n", "no pair of numbers"},
        {"anchors 1,1 1,1 1,1 1,1 1,1 1,1 1,1 1,1 1,1\n", "WIDTH,HEIGHT"},
        {"anchors 1,1\nanchors 1,1\nanchors 1,1\nanchors 1,1\nanchors 1,1\nanchors 1,1\nanchors 1,1\nanchors 1,1\n"
         "anchors 1,1\n",
         "too many levels"},
        {"layer\n", "a layer is written"},
        {"layer -1 1\n", "a layer is written"},
        {"layer -1 x Conv\n", "a layer is written"},
        {"layer -1 0 Conv\n", "malformed"},
        {"layer a 1 Conv\n", "whole numbers"},
        {"layer -1,,2 1 Conv\n", "whole numbers"},
        {"layer 99999999999999999999 1 Conv\n", "whole numbers"},
        {"layer -1 1 Conv 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n", "malformed"},
        {"set a b\n", "a setting is written"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ssfer_error err;
        ssfer_yolo_config c;
        CHECK_FAILS(ssfer_yolo_config_parse(&c, cases[i][0], "net.txt", &err), SSFER_ERR_FORMAT, cases[i][1]);
        assert_true(strncmp(err.message, "net.txt", 7) == 0 || strstr(err.message, "malformed"));
    }
}

static void test_limits(void **state)
{
    (void)state;
    ssfer_error err;
    ssfer_yolo_config c;
    size_t size = (size_t)1 << 21;
    char *long_text = ssfer_malloc(size);
    memset(long_text, '\n', size - 1);
    long_text[size - 1] = '\0';
    CHECK_FAILS(ssfer_yolo_config_parse(&c, long_text, "x", &err), SSFER_ERR_LIMIT, "bytes");
    size_t used = 0;
    for (int i = 0; i <= SSFER_YOLO_MAX_LAYERS; i++)
        used += (size_t)snprintf(long_text + used, size - used, "layer -1 1 MP\n");
    CHECK_FAILS(ssfer_yolo_config_parse(&c, long_text, "x", &err), SSFER_ERR_LIMIT, "layers");
    ssfer_free(long_text);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    ssfer_status st = SSFER_ERR_MEMORY;
    size_t n = 0;
    for (; st != SSFER_OK; n++) {
        ssfer_error err = {0};
        ssfer_yolo_config c = {0};
        char *text = NULL;
        assert_true(n < 500);
        ssfer_memory_fail_at(n + 1);
        st = ssfer_yolo_config_parse(&c, example, "x", &err);
        if (st == SSFER_OK)
            st = ssfer_yolo_config_format(&text, &c, &err);
        ssfer_memory_fail_at(0);
        assert_true(st == SSFER_OK || st == SSFER_ERR_MEMORY);
        ssfer_free(text);
        ssfer_yolo_config_deinit(&c);
    }
    assert_true(n > 20);
}

static void test_builtins(void **state)
{
    (void)state;
    ssfer_error err = {0};
    size_t count = 0;
    for (; ssfer_yolo_builtin_name(count); count++) {
        ssfer_yolo_config c;
        CHECK_OK(ssfer_yolo_config_parse(&c, ssfer_yolo_builtin_text(count), ssfer_yolo_builtin_name(count), &err));
        const ssfer_yolo_layer *head = &c.layers[c.layer_count - 1];
        assert_string_equal(head->module, "IKeypoint");
        assert_int_equal(head->from_count, c.levels);
        for (size_t i = 0; i < c.layer_count; i++)
            for (size_t k = 0; k < c.layers[i].from_count; k++) /* everything reads what is there */
                assert_true(c.layers[i].from[k] < (long)i && c.layers[i].from[k] >= -(long)i - (i == 0));
        ssfer_yolo_config_deinit(&c);
    }
    assert_true(count >= 5);
    assert_null(ssfer_yolo_builtin_text(count));
    assert_null(ssfer_yolo_builtin_find("resnet50"));
    assert_ptr_equal(ssfer_yolo_builtin_find("yolov7-tiny-face-w0.25"), ssfer_yolo_builtin_find("yolov7-tiny-face"));
    assert_ptr_not_equal(ssfer_yolo_builtin_find("yolov7-lite-t-released"), ssfer_yolo_builtin_find("yolov7-lite-t"));
}

static void test_yaml_json(void **state)
{
    (void)state;
    static const char good[] =
        "{\"nc\":2,\"nkpt\":5,\"depth_multiple\":0.33,\"width_multiple\":0.25,\"dw_conv_kpt\":true,"
        "\"anchors\":[[4,5,6.5,8],[15,19]],"
        "\"backbone\":[[-1,1,\"Conv\",[32,3,2,null,1,\"nn.LeakyReLU(0.1)\"]],[[-1,0],3,\"SPP\",[16,[5,9],0.5,true]]],"
        "\"head\":[[[0,1],1,\"IKeypoint\",[\"nc\",\"anchors\",\"nkpt\"]]],\"ch\":3}";
    static const char *const bad[] = {"[]",
                                      "{}",
                                      "{\"backbone\":[[]]}",
                                      "{\"backbone\":[[-1,1]]}",
                                      "{\"backbone\":[[-1,0,\"Conv\",[]]]}",
                                      "{\"backbone\":[[\"x\",1,\"Conv\",[]]]}",
                                      "{\"backbone\":[[-1,1,\"Co nv\",[]]]}",
                                      "{\"backbone\":[[-1,1,\"Conv\",[{}]]]}",
                                      "{\"backbone\":[[-1,1,\"Conv\",[\"a b\"]]]}",
                                      "{\"backbone\":[[1e9,1,\"Conv\",[]]]}",
                                      "{\"anchors\":[[4,\"x\"]],\"backbone\":[[-1,1,\"MP\",[]]]}",
                                      "{\"backbone\":"};
    ssfer_error err = {0};
    ssfer_yolo_config c;
    CHECK_OK(ssfer_yolo_yaml_json(&c, good, "x", &err));
    assert_int_equal(c.classes, 2);
    assert_true(c.keypoint_blocks && c.depth == 0.33 && c.levels == 2 && c.anchors[0][1][0] == 6.5f);
    assert_int_equal(c.layer_count, 3);
    assert_string_equal(c.layers[0].args[3], "None");
    assert_string_equal(c.layers[1].args[1], "[5,9]");
    assert_string_equal(c.layers[1].args[2], "0.5");
    assert_string_equal(c.layers[1].args[3], "True");
    assert_int_equal(c.layers[1].from_count, 2);
    assert_int_equal(c.layers[1].repeat, 3);
    ssfer_yolo_config_deinit(&c);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ssfer_yolo_yaml_json(&c, bad[i], "x", &err), SSFER_ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_locale),   cmocka_unit_test(test_bad_text),
        cmocka_unit_test(test_limits),        cmocka_unit_test(test_builtins), cmocka_unit_test(test_yaml_json),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
