#include "io_case.h"

#include "io/inspect.h"
#include "io/json.h"

/* A set of empty-valued tensors from "name d0 d1 ..." lines: only names and shapes matter to the guess. */
static ssfer_tensor_set *set_of(const char *const *lines)
{
    ssfer_error err = {0};
    ssfer_tensor_set *set;
    CHECK_OK(ssfer_tensor_set_create(&set, &err), err);
    for (; *lines; lines++) {
        char name[64];
        size_t shape[4], ndim = 0;
        void *data;
        int used = 0;
        assert_int_equal(sscanf(*lines, "%63s%n", name, &used), 1);
        const char *rest = *lines + used;
        while (ndim < 4 && sscanf(rest, "%zu%n", &shape[ndim], &used) == 1) {
            rest += used;
            ndim++;
        }
        CHECK_OK(ssfer_tensor_set_new(set, name, SSFER_DTYPE_F32, shape, ndim, &data, &err), err);
    }
    return set;
}

static void check_guess(const char *const *lines, const char *kind, const char *description)
{
    ssfer_checkpoint_guess guess;
    ssfer_tensor_set *set = set_of(lines);
    ssfer_checkpoint_guess_kind(&guess, set);
    assert_string_equal(guess.kind, kind);
    assert_string_equal(guess.description, description);
    ssfer_tensor_set_destroy(set);
}

static void test_guesses(void **state)
{
    (void)state;
    static const char *const classifier[] = {"cls_token 1 1 8",
                                             "pos_embed 1 197 8",
                                             "patch_embed.proj.weight 8 3 16 16",
                                             "blocks.0.norm1.weight 8",
                                             "blocks.11.norm1.weight 8",
                                             "head.weight 7 8",
                                             NULL};
    static const char *const encoder[] = {"pos_embed 1 9 8", "patch_embed.proj.weight 8 3 4 4", NULL};
    static const char *const mae[] = {"cls_token 1 1 8",
                                      "pos_embed 1 17 8",
                                      "patch_embed.proj.weight 8 3 16 16",
                                      "blocks.1.norm1.weight 8",
                                      "decoder_embed.weight 4 8",
                                      "decoder_blocks.2.norm1.weight 4",
                                      NULL};
    static const char *const odd_grid[] = {"pos_embed 1 10 8", "patch_embed.proj.weight 8 3 4 4", NULL};
    static const char *const yolo[] = {"model.0.conv.weight 8 3 3 3", "model.22.m_kpt.0.0.conv.weight 2 2 1 1", NULL};
    static const char *const other[] = {"weight 2 2", "patch_embed.proj.bias 2", NULL};
    check_guess(classifier, "vit-classifier", "ViT classifier: 224 px, patch 16, 8x12, 7 classes");
    check_guess(encoder, "vit-encoder", "ViT encoder without a head: 12 px, patch 4, 8x0");
    check_guess(mae, "mae", "masked autoencoder (MAE): 64 px, patch 16, 8x2, decoder 4x3");
    check_guess(odd_grid, "vit-encoder", "ViT encoder without a head: patch 4, 8x0");
    check_guess(yolo, "yolov7-face", "YOLOv7-face detector: 23 layers");
    check_guess(other, "unknown", "not a model that ssfer knows");
}

/* Sizes of any number of digits (of tensors without elements) must fit the description. */
static void test_absurd_sizes(void **state)
{
    (void)state;
    static const char *const lines[] = {"patch_embed.proj.weight 1 0 1152921504606846975 1",
                                        "pos_embed 0 1152921504606846975 1",
                                        "decoder_embed.weight 1152921504606846975 0",
                                        "blocks.99999.norm1.weight 1",
                                        "decoder_blocks.99999.norm1.weight 1",
                                        NULL};
    ssfer_checkpoint_guess guess;
    ssfer_error err = {0};
    ssfer_tensor_set *set = set_of(lines);
    CHECK_OK(ssfer_tensor_set_put(set, "num_heads", "18446744073709551615", &err), err);
    ssfer_checkpoint_guess_kind(&guess, set);
    assert_true(strlen(guess.description) < sizeof guess.description);
    assert_int_equal(guess.depth, 100000);
    assert_int_equal(guess.image_size, 0);
    CHECK_OK(ssfer_tensor_set_put(set, "num_heads", "12", &err), err);
    ssfer_checkpoint_guess_kind(&guess, set);
    assert_int_equal(guess.heads, 12);
    assert_non_null(strstr(guess.description, ", 12 heads, decoder"));
    ssfer_tensor_set_destroy(set);
}

static char *listing(const char *name, bool json, bool summary_only)
{
    char path[512], *text = NULL;
    size_t size = 0;
    ssfer_error err = {0};
    ssfer_inspect_options options = {.json = json, .summary_only = summary_only};
    FILE *out = open_memstream(&text, &size);
    snprintf(path, sizeof path, GOLDEN "%s", name);
    CHECK_OK(ssfer_inspect(path, &options, out, &err), err);
    fclose(out);
    return text;
}

static void test_text(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "\n  container   PyTorch zip\n", "\n  tensors     3\n", "\n  parameters  17\n",
        "\n  bytes       68\n",          "epoch = 7\n",         "args: an object of class argparse.Namespace",
        "\na.weight  F32   [2, 3]\n"};
    char *text = listing("nested_protocol2.pth", false, false);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(text, parts[i]))
            fail_msg("\"%s\" is not in\n%s", parts[i], text);
    free(text);
    text = listing("nested_protocol2.pth", false, true);
    assert_null(strstr(text, "a.weight"));
    free(text);
}

static void test_control_characters(void **state)
{
    (void)state;
    char *text = listing("native.safetensors", false, false);
    assert_null(strchr(text, '\t')); /* one is in a name */
    assert_non_null(strstr(text, "quote\" \\ tab? caf\xc3\xa9"));
    assert_non_null(strstr(text, "k\xc3\xa9y = line?break\n"));
    free(text);
}

static void test_json(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_json *d = NULL;
    const ssfer_json *part = NULL, *first;
    const char *value = NULL;
    size_t count = 0;
    char *text = listing("module.pt", true, false);
    CHECK_OK(ssfer_json_parse(&d, text, strlen(text), "listing", &err), err);
    free(text);
    CHECK_OK(ssfer_json_get_string(&value, d, "container", "listing", &err), err);
    assert_string_equal(value, "PyTorch zip");
    CHECK_OK(ssfer_json_get_size(&count, d, "tensors", "listing", &err), err);
    CHECK_OK(ssfer_json_get_container(&part, d, "list", SSFER_JSON_ARRAY, "listing", &err), err);
    assert_int_equal(ssfer_json_count(part), count);
    first = ssfer_json_at(part, 0);
    CHECK_OK(ssfer_json_get_string(&value, first, "dtype", "listing", &err), err);
    assert_string_equal(value, "F32");
    CHECK_OK(ssfer_json_get_container(&part, d, "metadata", SSFER_JSON_OBJECT, "listing", &err), err);
    CHECK_OK(ssfer_json_get_string(&value, part, "yaml", "listing", &err), err);
    assert_string_equal(value, "{\"nc\":1,\"anchors\":[[1,2.5],[3,4]],\"name\":\"t\"}");
    CHECK_OK(ssfer_json_get_container(&part, d, "contents", SSFER_JSON_OBJECT, "listing", &err), err);
    CHECK_OK(ssfer_json_get_string(&value, part, "epoch", "listing", &err), err);
    assert_string_equal(value, "an int");
    ssfer_json_destroy(d);
}

static void test_errors(void **state)
{
    (void)state;
    ssfer_error err = {0};
    assert_int_equal(ssfer_inspect(GOLDEN "bad_object.pth", NULL, stdout, &err), SSFER_ERR_FORMAT);
    assert_int_equal(ssfer_inspect(GOLDEN "none.pth", NULL, stdout, &err), SSFER_ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guesses), cmocka_unit_test(test_absurd_sizes),
        cmocka_unit_test(test_text),    cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_json),    cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
