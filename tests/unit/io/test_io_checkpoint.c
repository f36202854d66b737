/* Golden checkpoints (tools/make_golden_io.py) of every kind against what PyTorch put into them, byte for byte. */
#include "io_case.h"

#include "io/convert.h"

static size_t compared;

static void check_golden(const char *name)
{
    char path[512], expected[512];
    ssfer_error err = {0};
    ssfer_tensor_set *got = NULL, *want = NULL;
    if (strncmp(name, "bad_", 4) == 0)
        return;
    snprintf(path, sizeof path, GOLDEN "%s", name);
    snprintf(expected, sizeof expected, GOLDEN "%.*s.safetensors", (int)(strrchr(name, '.') - name), name);
    if (access(expected, R_OK) != 0)
        return;
    CHECK_OK(ssfer_checkpoint_read(&got, path, NULL, &err), err);
    CHECK_OK(ssfer_safetensors_read(&want, expected, &err), err);
    case_same_tensors(got, want, strcmp(name, "module.pt") != 0, name);
    case_has_metadata(got, want, name);
    ssfer_tensor_set_destroy(got);
    ssfer_tensor_set_destroy(want);
    compared++;
}

static void test_golden_files(void **state)
{
    (void)state;
    case_each("", ".pth", check_golden);
    case_each("", ".pt", check_golden);
    assert_true(compared >= 15); /* the folder is there and was looked at */
}

static void check_optimizer(const char *name)
{
    char path[512], expected[512];
    ssfer_error err = {0};
    ssfer_tensor_set *got = NULL, *want = NULL;
    snprintf(path, sizeof path, GOLDEN "%s", name);
    snprintf(expected, sizeof expected, GOLDEN "%.*s.optimizer.safetensors", (int)(strrchr(name, '.') - name), name);
    CHECK_OK(ssfer_checkpoint_read_optimizer(&got, path, &err), err);
    CHECK_OK(ssfer_safetensors_read(&want, expected, &err), err);
    case_same_tensors(got, want, false, name);
    case_has_metadata(got, want, name);
    assert_non_null(strstr(ssfer_tensor_set_get(got, "param_groups"), "\"betas\":[0.9,0.95]"));
    ssfer_tensor_set_destroy(got);
    ssfer_tensor_set_destroy(want);
}

static void test_optimizers(void **state)
{
    (void)state;
    assert_true(case_each("optimizer", ".pth", check_optimizer) >= 6);
}

static void test_optimizer_missing(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_tensor_set *set;
    assert_int_equal(ssfer_checkpoint_read_optimizer(&set, GOLDEN "zip.pth", &err), SSFER_ERR_FORMAT);
    CHECK_MESSAGE(err, "zip.pth: no optimizer state");
    assert_null(set);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *says;
        ssfer_status status;
    } cases[] = {
        {"bad_bounds.pth", "a.weight: a tensor reaches beyond the end of its storage", SSFER_ERR_FORMAT},
        {"bad_call.pth", "no tensors in it, only x", SSFER_ERR_FORMAT},
        {"bad_checksum.pth", "checksum", SSFER_ERR_FORMAT},
        {"bad_complex.pth", "ComplexFloatStorage", SSFER_ERR_UNSUPPORTED},
        {"bad_cycle.pth", "nested deeper", SSFER_ERR_LIMIT},
        {"bad_dimensions.pth", "9 dimensions", SSFER_ERR_LIMIT},
        {"bad_expanded.pth", "save contiguous tensors", SSFER_ERR_LIMIT},
        {"bad_float8.pth", "torch.float8_e4m3fn", SSFER_ERR_UNSUPPORTED},
        {"bad_laughs.pth", "nested deeper", SSFER_ERR_LIMIT},
        {"bad_legacy_key.pth", "storage key7", SSFER_ERR_FORMAT},
        {"bad_no_pickle.pth", "without data.pkl", SSFER_ERR_FORMAT},
        {"bad_no_tensors.pth", "only epoch, args", SSFER_ERR_FORMAT},
        {"bad_numpy.npz", "without data.pkl", SSFER_ERR_FORMAT},
        {"bad_object.pth", "an object of class argparse.Namespace where a state dict was expected; pass",
         SSFER_ERR_FORMAT},
        {"bad_overflow.pth", "more elements than memory", SSFER_ERR_LIMIT},
        {"bad_plain_pickle.pth", "a pickle, but not a checkpoint", SSFER_ERR_FORMAT},
        {"bad_script.pt", "TorchScript", SSFER_ERR_UNSUPPORTED},
        {"bad_sparse.pth", "_rebuild_sparse_tensor", SSFER_ERR_UNSUPPORTED},
        {"bad_storage_missing.pth", "data/1 is missing", SSFER_ERR_FORMAT},
        {"bad_storage_short.pth", "8 bytes where its tensors need 12", SSFER_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[512];
        ssfer_error err = {0};
        ssfer_tensor_set *set;
        snprintf(path, sizeof path, GOLDEN "%s", cases[i].name);
        if (ssfer_checkpoint_read(&set, path, NULL, &err) != cases[i].status)
            fail_msg("%s: status %s: %s", cases[i].name, ssfer_status_name(err.status), err.message);
        assert_null(set);
        CHECK_MESSAGE(err, cases[i].name); /* the file */
        CHECK_MESSAGE(err, cases[i].says);
    }
}

static void test_which(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_tensor_set *set, *both;
    CHECK_OK(ssfer_checkpoint_read(&both, GOLDEN "two_models.pth", NULL, &err), err);
    CHECK_OK(ssfer_checkpoint_read(&set, GOLDEN "two_models.pth", "teacher", &err), err);
    for (size_t i = 0; i < ssfer_tensor_set_count(set); i++) {
        char name[128];
        const ssfer_tensor *tensor = ssfer_tensor_set_at(set, i);
        snprintf(name, sizeof name, "teacher.%s", tensor->name);
        const ssfer_tensor *same = ssfer_tensor_set_find(both, name);
        assert_non_null(same);
        assert_memory_equal(tensor->data, same->data, same->size_bytes);
    }
    assert_int_equal(ssfer_tensor_set_count(both), 2 * ssfer_tensor_set_count(set));
    ssfer_tensor_set_destroy(set);
    ssfer_tensor_set_destroy(both);
    assert_int_equal(ssfer_checkpoint_read(&set, GOLDEN "two_models.pth", "theacher", &err), SSFER_ERR_FORMAT);
    CHECK_MESSAGE(err, "no key theacher in it; there are student, teacher, step");
    assert_int_equal(ssfer_checkpoint_read(&set, GOLDEN "native.safetensors", "model", &err), SSFER_ERR_ARGUMENT);
}

static void test_not_checkpoints(void **state)
{
    (void)state;
    static const struct {
        const char *content, *says;
    } cases[] = {
        {"", "empty file"},
        {"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"},
        {"<!DOCTYPE html>", "web page"},
        {"\x89PNG\r\n", "not a checkpoint"},
        {"\x80", "not a checkpoint"},
    };
    ssfer_error err = {0};
    ssfer_tensor_set *set;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        case_write("not_a_checkpoint.pth", cases[i].content, strlen(cases[i].content));
        assert_int_equal(ssfer_checkpoint_read(&set, "not_a_checkpoint.pth", NULL, &err), SSFER_ERR_FORMAT);
        CHECK_MESSAGE(err, cases[i].says);
        CHECK_MESSAGE(err, "not_a_checkpoint.pth");
    }
    unlink("not_a_checkpoint.pth");
    assert_int_equal(ssfer_checkpoint_read(&set, GOLDEN, NULL, &err), SSFER_ERR_IO);
    CHECK_MESSAGE(err, "not a regular file");
    assert_int_equal(ssfer_checkpoint_read(&set, GOLDEN "none.pth", NULL, &err), SSFER_ERR_IO);
    CHECK_MESSAGE(err, "No such file");
    char tar[600] = "name";
    memcpy(tar + 257, "ustar", 5);
    assert_int_equal(ssfer_checkpoint_parse(&set, (const unsigned char *)tar, sizeof tar, "t.pth", NULL, &err),
                     SSFER_ERR_UNSUPPORTED);
}

/* Any golden file -> .pth -> .safetensors -> .pth: same tensors, metadata kept. Once more: the same bytes. */
static void check_conversion(const char *name)
{
    char path[512];
    ssfer_error err = {0};
    ssfer_tensor_set *want = NULL, *got = NULL;
    size_t first_size, second_size;
    snprintf(path, sizeof path, GOLDEN "%s", name);
    CHECK_OK(ssfer_checkpoint_read(&want, path, NULL, &err), err);
    CHECK_OK(ssfer_convert(path, "converted_1.pth", NULL, &err), err);
    CHECK_OK(ssfer_convert("converted_1.pth", "converted.safetensors", NULL, &err), err);
    CHECK_OK(ssfer_convert("converted.safetensors", "converted_2.pth", NULL, &err), err);
    CHECK_OK(ssfer_convert("converted_2.pth", "converted.safetensors", NULL, &err), err);
    CHECK_OK(ssfer_convert("converted.safetensors", "converted.safetensors", NULL, &err), err); /* onto itself */
    CHECK_OK(ssfer_convert("converted.safetensors", "converted_3.pth", NULL, &err), err);
    CHECK_OK(ssfer_checkpoint_read(&got, "converted_2.pth", NULL, &err), err);
    case_same_tensors(got, want, true, name);
    for (size_t i = 0; i < ssfer_tensor_set_metadata_count(want); i++) {
        ssfer_metadata_entry entry = ssfer_tensor_set_metadata_at(want, i);
        if (strcmp(entry.key, "format") != 0 && strcmp(entry.key, "container") != 0)
            assert_string_equal(ssfer_tensor_set_get(got, entry.key), entry.value);
    }
    unsigned char *first = case_bytes("converted_2.pth", &first_size);
    unsigned char *second = case_bytes("converted_3.pth", &second_size);
    assert_int_equal(first_size, second_size);
    assert_memory_equal(first, second, first_size);
    ssfer_free(first);
    ssfer_free(second);
    ssfer_tensor_set_destroy(want);
    ssfer_tensor_set_destroy(got);
}

static void test_conversions(void **state)
{
    (void)state;
    check_conversion("native.safetensors");
    check_conversion("types_legacy.pth");
    check_conversion("nested_protocol2.pth");
    check_conversion("module.pt");
}

static void test_convert_to_f32(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_tensor_set *want = NULL, *got = NULL;
    ssfer_convert_options options = {.to_f32 = true};
    CHECK_OK(ssfer_convert(GOLDEN "types.pth", "f32.safetensors", &options, &err), err);
    CHECK_OK(ssfer_checkpoint_read(&got, "f32.safetensors", NULL, &err), err);
    CHECK_OK(ssfer_checkpoint_read(&want, GOLDEN "types.pth", NULL, &err), err);
    assert_string_equal(ssfer_tensor_set_get(got, "format"), "pt");
    assert_null(ssfer_tensor_set_get(got, "container"));
    for (size_t i = 0; i < ssfer_tensor_set_count(want); i++) {
        const ssfer_tensor *w = ssfer_tensor_set_at(want, i), *g = ssfer_tensor_set_at(got, i);
        bool is_float = w->dtype <= SSFER_DTYPE_BF16;
        assert_int_equal(g->dtype, is_float ? SSFER_DTYPE_F32 : w->dtype);
        float *a = ssfer_calloc(w->count, sizeof *a), *b = ssfer_calloc(w->count, sizeof *b);
        ssfer_tensor_to_f32(a, w);
        ssfer_tensor_to_f32(b, g);
        assert_memory_equal(a, b, w->count * sizeof *a); /* bits, so also -0 and infinities */
        ssfer_free(a);
        ssfer_free(b);
    }
    ssfer_tensor_set_destroy(want);
    ssfer_tensor_set_destroy(got);
}

/* The same numbers in every type: 0.75 i - 1.5 for i = 0..4 (integers truncated, bool "> 0"). */
static void test_to_f32_values(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_tensor_set *set = NULL;
    CHECK_OK(ssfer_checkpoint_read(&set, GOLDEN "types.pth", NULL, &err), err);
    for (int d = 0; d < SSFER_DTYPE_COUNT; d++) {
        char name[32];
        float values[5];
        snprintf(name, sizeof name, "type.%s", ssfer_dtype_name((ssfer_dtype)d));
        const ssfer_tensor *tensor = ssfer_tensor_set_find(set, name);
        assert_non_null(tensor);
        assert_int_equal(tensor->dtype, d);
        ssfer_tensor_to_f32(values, tensor);
        for (int i = 0; i < 5; i++) {
            float exact = 0.75f * (float)i - 1.5f, want = exact;
            if (d == SSFER_DTYPE_BOOL)
                want = exact > 0 ? 1.0f : 0.0f;
            else if (d == SSFER_DTYPE_U8)
                want = (float)(uint8_t)(int)exact;
            else if (d > SSFER_DTYPE_BF16)
                want = (float)(int)exact;
            if (!(values[i] == want))
                fail_msg("%s[%d] = %g, not %g", name, i, (double)values[i], (double)want);
        }
    }
    float special[5];
    static const float want[5] = {0x1p-24f, __builtin_inff(), -0.0f, 65504.0f, 168 * 0x1p-24f}; /* subnormals, -0 */
    ssfer_tensor_to_f32(special, ssfer_tensor_set_find(set, "f16_special"));
    assert_memory_equal(special, want, sizeof want);
    ssfer_tensor_set_destroy(set);
}

static void test_unwritable(void **state)
{
    (void)state;
    ssfer_error err = {0};
    static const char *const paths[] = {"/nowhere/x.pth", "/nowhere/x.safetensors", "/proc/x.pth",
                                        "/proc/x.safetensors"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_int_equal(ssfer_convert(GOLDEN "zip.pth", paths[i], NULL, &err), SSFER_ERR_IO);
        CHECK_MESSAGE(err, paths[i]);
    }
    assert_int_equal(ssfer_convert(GOLDEN "zip.pth", "x.bin", NULL, &err), SSFER_ERR_ARGUMENT);
    CHECK_MESSAGE(err, "x.bin: the suffix says no format");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_files),
        cmocka_unit_test(test_optimizers),
        cmocka_unit_test(test_optimizer_missing),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_which),
        cmocka_unit_test(test_not_checkpoints),
        cmocka_unit_test(test_conversions),
        cmocka_unit_test(test_convert_to_f32),
        cmocka_unit_test(test_to_f32_values),
        cmocka_unit_test(test_unwritable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
