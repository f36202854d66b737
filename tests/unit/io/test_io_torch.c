/* The file interface that model readers use: objects, modules, tensors without their data. */
#include "io_case.h"

#include "io/torch/torch_file.h"

static ssfer_torch_file *open_golden(const char *name)
{
    char path[512];
    ssfer_torch_file *file = NULL;
    ssfer_error err = {0};
    snprintf(path, sizeof path, GOLDEN "%s", name);
    CHECK_OK(ssfer_torch_file_open(&file, path, &err), err);
    assert_string_equal(ssfer_torch_file_name(file), path);
    return file;
}

static void test_module(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_tensor_set *set = NULL, *want = NULL;
    ssfer_torch_file *file = open_golden("module.pt");
    const ssfer_pickle_node *root = ssfer_torch_file_root(file), *model = ssfer_pickle_get(root, "model");
    assert_false(ssfer_torch_is_module(root));
    assert_true(ssfer_torch_is_module(model));
    assert_true(ssfer_pickle_is(model, "torch.nn.modules.container.Sequential"));
    int64_t nc = 0;
    double anchor = 0;
    const ssfer_pickle_node *yaml = ssfer_pickle_attr(model, "yaml");
    assert_true(ssfer_pickle_int(ssfer_pickle_get(yaml, "nc"), &nc) && nc == 1);
    assert_true(
        ssfer_pickle_double(ssfer_pickle_at(ssfer_pickle_at(ssfer_pickle_get(yaml, "anchors"), 0), 1), &anchor));
    assert_true(anchor == 2.5);
    const ssfer_pickle_node *conv = ssfer_pickle_get(ssfer_pickle_attr(model, "_modules"), "conv");
    assert_true(ssfer_pickle_is(conv, "torch.nn.modules.conv.Conv2d"));
    assert_int_equal(ssfer_pickle_count(ssfer_pickle_attr(conv, "kernel_size")), 2);
    CHECK_OK(ssfer_tensor_set_create(&set, &err), err);
    CHECK_OK(ssfer_torch_module_add(set, NULL, file, model, &err), err);
    CHECK_OK(ssfer_torch_module_add(set, "copy", file, model, &err), err);
    CHECK_OK(ssfer_safetensors_read(&want, GOLDEN "module.safetensors", &err), err);
    assert_int_equal(ssfer_tensor_set_count(set), 2 * ssfer_tensor_set_count(want));
    assert_null(ssfer_tensor_set_find(set, "dropped")); /* not persistent */
    for (size_t i = 0; i < ssfer_tensor_set_count(want); i++) {
        char name[128];
        const ssfer_tensor *w = ssfer_tensor_set_at(want, i);
        snprintf(name, sizeof name, "copy.%s", w->name);
        const ssfer_tensor *a = ssfer_tensor_set_find(set, w->name), *b = ssfer_tensor_set_find(set, name);
        assert_true(a && b);
        assert_memory_equal(a->data, w->data, w->size_bytes);
        assert_memory_equal(b->data, w->data, w->size_bytes);
    }
    ssfer_tensor_set_destroy(set);
    ssfer_tensor_set_destroy(want);
    ssfer_torch_file_close(file);
}

static void test_tensor_info(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_torch_tensor_info info;
    ssfer_torch_file *file = open_golden("types.pth");
    const ssfer_pickle_node *root = ssfer_torch_file_root(file);
    CHECK_OK(ssfer_torch_tensor_info_get(&info, file, ssfer_pickle_get(root, "transposed"), &err), err);
    assert_int_equal(info.dtype, SSFER_DTYPE_F32);
    assert_int_equal(info.ndim, 2);
    assert_int_equal(info.shape[0], 4);
    assert_int_equal(info.shape[1], 3);
    assert_int_equal(info.count, 12);
    assert_true(ssfer_torch_is_tensor(ssfer_pickle_get(root, "parameter_with_state")));
    assert_true(ssfer_torch_is_tensor(ssfer_pickle_get(root, "buffer")));
    assert_false(ssfer_torch_is_tensor(root));
    assert_false(ssfer_torch_is_tensor(NULL));
    assert_int_equal(ssfer_torch_tensor_info_get(&info, file, root, &err), SSFER_ERR_FORMAT);
    CHECK_MESSAGE(err, "a dict where a tensor was expected");
    assert_int_equal(ssfer_torch_tensor_info_get(&info, file, NULL, &err), SSFER_ERR_FORMAT);
    ssfer_torch_file_close(file);
}

static void test_containers(void **state)
{
    (void)state;
    static const struct {
        const char *name, *container;
    } cases[] = {
        {"zip.pth", "zip"}, {"zip_deflated.pth", "zip"}, {"legacy.pth", "legacy"}, {"legacy_protocol4.pth", "legacy"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ssfer_torch_file *file = open_golden(cases[i].name);
        assert_string_equal(ssfer_torch_file_container(file), cases[i].container);
        ssfer_torch_file_close(file);
    }
    ssfer_torch_file_close(NULL);
    assert_true(ssfer_torch_file_recognise((const unsigned char *)"PK\3\4", 4));
    assert_false(ssfer_torch_file_recognise((const unsigned char *)"PK\3\4", 3));
}

/* A file is read from memory of exactly its size, which may be read only. */
static void test_memory(void **state)
{
    (void)state;
    size_t size;
    ssfer_error err = {0};
    ssfer_torch_file *file;
    ssfer_tensor_set *set;
    unsigned char *bytes = case_bytes(GOLDEN "legacy.pth", &size);
    CHECK_OK(ssfer_torch_file_open_memory(&file, bytes, size, "memory", &err), err);
    CHECK_OK(ssfer_tensor_set_create(&set, &err), err);
    CHECK_OK(ssfer_torch_state_dict_add(set, "p", file, ssfer_torch_file_root(file), &err), err);
    ssfer_torch_file_close(file);
    ssfer_free(bytes); /* the set has copies */
    assert_int_equal(ssfer_tensor_set_find(set, "p.a.weight")->count, 6);
    ssfer_tensor_set_destroy(set);
}

static void test_nothing_is_executed(void **state)
{
    (void)state;
    ssfer_torch_file *file = open_golden("bad_call.pth");
    const ssfer_pickle_node *x = ssfer_pickle_get(ssfer_torch_file_root(file), "x");
    assert_true(ssfer_pickle_is(x, "posix.system"));
    assert_string_equal(ssfer_pickle_text(ssfer_pickle_arg(x, 0)), "touch pickle_was_executed");
    assert_false(ssfer_file_exists("pickle_was_executed"));
    ssfer_torch_file_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_module), cmocka_unit_test(test_tensor_info),         cmocka_unit_test(test_containers),
        cmocka_unit_test(test_memory), cmocka_unit_test(test_nothing_is_executed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
