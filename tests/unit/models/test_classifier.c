/* Model files: what a classifier's file says, what is refused and how, and that nothing is lost when memory runs out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "models/classifier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

/* A file in the folder; the names that follow are always the same, so that a path stays valid. */
static const char *at(const char *name)
{
    static char paths[3][128];
    char *path = paths[strcmp(name, "m.pth") == 0 ? 0 : strcmp(name, "names.txt") == 0 ? 1 : 2];
    snprintf(path, sizeof paths[0], "%.40s/%.40s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "classifier.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"m.safetensors", "m.pth", "names.txt"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(at(names[i]));
    return rmdir(folder);
}

/* A file to be written: a small model whose tensors and metadata a test may change. */
typedef struct model_file {
    ssfer_classifier model;
    ssfer_tensor_set *set;
} model_file;

static const char *const NAMES[] = {"glad", "s\"ad",
                                    "m\xc3\xbc"
                                    "de"};

static void open_file(model_file *f)
{
    const ssfer_vit_config config = {.image_size = 8,
                                     .patch_size = 4,
                                     .channels = 3,
                                     .embed_dim = 8,
                                     .depth = 1,
                                     .heads = 2,
                                     .hidden = 16,
                                     .classes = 3,
                                     .eps = 1e-6f};
    memset(f, 0, sizeof *f);
    assert_int_equal(ssfer_vit_init(&f->model.vit, &config, NULL), SSFER_OK);
    assert_int_equal(ssfer_params_alloc(&f->model.params, &f->model.vit.table, NULL), SSFER_OK);
    ssfer_params_init(f->model.params, &f->model.vit.table, 1);
    assert_int_equal(ssfer_names_copy(&f->model.classes, NAMES, 3, NULL), SSFER_OK);
    memcpy(f->model.mean, (float[]){0.1f, 1.0f / 3, 0.7f}, sizeof f->model.mean);
    memcpy(f->model.std, (float[]){0.2f, 0.3f, 1e-3f}, sizeof f->model.std);
    assert_int_equal(ssfer_tensor_set_create(&f->set, NULL), SSFER_OK);
    assert_int_equal(ssfer_classifier_store(&f->model, f->model.params, f->set, NULL), SSFER_OK);
}

/* The same set, but tensor `name` is left out or, with a shape, replaced by zeros of it. */
static void replace(model_file *f, const char *name, const size_t *shape, size_t ndim)
{
    ssfer_tensor_set *old = f->set;
    void *data;
    assert_int_equal(ssfer_tensor_set_create(&f->set, NULL), SSFER_OK);
    for (size_t i = 0; i < ssfer_tensor_set_count(old); i++) {
        const ssfer_tensor *t = ssfer_tensor_set_at(old, i);
        if (strcmp(t->name, name) != 0)
            assert_int_equal(ssfer_tensor_set_add(f->set, t->name, t->dtype, t->shape, t->ndim, t->data, NULL),
                             SSFER_OK);
        else if (ndim)
            assert_int_equal(ssfer_tensor_set_new(f->set, name, SSFER_DTYPE_F32, shape, ndim, &data, NULL), SSFER_OK);
    }
    for (size_t i = 0; i < ssfer_tensor_set_metadata_count(old); i++) {
        const ssfer_metadata_entry m = ssfer_tensor_set_metadata_at(old, i);
        assert_int_equal(ssfer_tensor_set_put(f->set, m.key, m.value, NULL), SSFER_OK);
    }
    ssfer_tensor_set_destroy(old);
}

static void put(model_file *f, const char *key, const char *value)
{
    assert_int_equal(ssfer_tensor_set_put(f->set, key, value, NULL), SSFER_OK);
}

static void write_file(model_file *f)
{
    assert_int_equal(ssfer_safetensors_write(f->set, at("m.safetensors"), NULL), SSFER_OK);
}

static void close_file(model_file *f)
{
    ssfer_tensor_set_destroy(f->set);
    ssfer_classifier_deinit(&f->model);
}

/* The file, as it is now, is refused with this message, which starts with its path. */
static void expect_refused(const char *name, const ssfer_classifier_load_options *options, ssfer_status status,
                           const char *message)
{
    ssfer_classifier model;
    ssfer_error err = {0};
    const char *path = at(name);
    char want[600];
    snprintf(want, sizeof want, "%s: %s", path, message);
    assert_int_equal(ssfer_classifier_load(&model, path, options, &err), status);
    assert_string_equal(err.message, want);
    assert_null(model.params);
    assert_null(model.classes);
    ssfer_classifier_deinit(&model); /* fine after a failure */
}

/* ---- there and back ---------------------------------------------------------------------------------------------- */

static void expect_same(const ssfer_classifier *a, const ssfer_classifier *b)
{
    assert_int_equal(a->vit.table.block_floats, b->vit.table.block_floats);
    assert_memory_equal(a->params, b->params, a->vit.table.block_floats * sizeof *a->params);
    assert_memory_equal(a->mean, b->mean, sizeof a->mean); /* all digits are kept */
    assert_memory_equal(a->std, b->std, sizeof a->std);
    assert_int_equal(a->vit.config.heads, b->vit.config.heads);
    for (size_t k = 0; k < 3; k++)
        assert_string_equal(a->classes[k], b->classes[k]);
}

static void test_store_and_load(void **state)
{
    (void)state;
    model_file f;
    ssfer_classifier again;
    open_file(&f);
    write_file(&f);
    assert_int_equal(ssfer_classifier_load(&again, at("m.safetensors"), NULL, NULL), SSFER_OK);
    expect_same(&again, &f.model);
    ssfer_classifier_deinit(&again);
    assert_int_equal(ssfer_torch_write(f.set, at("m.pth"), NULL), SSFER_OK);
    assert_int_equal(ssfer_classifier_load(&again, at("m.pth"), NULL, NULL), SSFER_OK);
    expect_same(&again, &f.model);
    ssfer_classifier_deinit(&again);
    close_file(&f);
}

/* A bare state dict, as PyTorch writes it: what it does not say is what the released code does. */
static void test_without_metadata(void **state)
{
    (void)state;
    model_file f;
    ssfer_classifier m;
    open_file(&f);
    ssfer_tensor_set *bare;
    assert_int_equal(ssfer_tensor_set_create(&bare, NULL), SSFER_OK);
    assert_int_equal(ssfer_params_store(f.model.params, &f.model.vit.table, bare, "", NULL), SSFER_OK);
    assert_int_equal(ssfer_safetensors_write(bare, at("m.safetensors"), NULL), SSFER_OK);
    ssfer_tensor_set_destroy(bare);
    const ssfer_classifier_load_options two_heads = {.heads = 2};
    assert_int_equal(ssfer_classifier_load(&m, at("m.safetensors"), &two_heads, NULL), SSFER_OK);
    assert_null(m.classes);
    assert_true(m.mean[0] == 0.588f && m.mean[1] == 0.459f && m.mean[2] == 0.402f);
    assert_true(m.std[0] == 0.228f && m.std[1] == 0.202f && m.std[2] == 0.190f);
    assert_int_equal(m.vit.config.heads, 2);
    ssfer_classifier_deinit(&m);
    close_file(&f);
}

/* ---- class names ------------------------------------------------------------------------------------------------- */

static void expect_names(const char *spec, size_t wanted, const char *first, const char *last)
{
    char **names;
    size_t count;
    ssfer_error err = {0};
    if (ssfer_class_names(&names, &count, spec, &err) != SSFER_OK)
        fail_msg("%s: %s", spec, err.message);
    assert_int_equal(count, wanted);
    assert_string_equal(names[0], first);
    assert_string_equal(names[count - 1], last);
    ssfer_names_free(names, count);
}

static void test_known_names(void **state)
{
    (void)state;
    expect_names("rafdb", 7, "anger", "surprise");
    expect_names("ferplus", 8, "neutral", "contempt");
    expect_names("affectnet7", 7, "neutral", "anger");
    expect_names("affectnet8", 8, "neutral", "contempt");
}

static void names_file(const char *text, size_t size)
{
    FILE *f = fopen(at("names.txt"), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, size, f), size);
    fclose(f);
}

static void test_names_from_file(void **state)
{
    (void)state;
    /* With the byte order mark of some editors. */
    static const char text[] = "\xef\xbb\xbf\n  glad \r\n\t\nvery sad\t\n\nlast";
    names_file(text, sizeof text - 1);
    expect_names(at("names.txt"), 3, "glad", "last");
    char **names;
    size_t count;
    assert_int_equal(ssfer_class_names(&names, &count, at("names.txt"), NULL), SSFER_OK);
    assert_string_equal(names[1], "very sad");
    ssfer_names_free(names, count);
}

static void expect_no_names(const char *spec, ssfer_status status, const char *part)
{
    char **names = NULL;
    size_t count = 0;
    ssfer_error err = {0};
    assert_int_equal(ssfer_class_names(&names, &count, spec, &err), status);
    if (!strstr(err.message, part))
        fail_msg("%s: \"%s\" without \"%s\"", spec, err.message, part);
    assert_null(names);
}

static void test_refused_names(void **state)
{
    (void)state;
    char many[5001 * 2];
    expect_no_names("rafbd", SSFER_ERR_ARGUMENT,
                    "classes 'rafbd': give rafdb, ferplus, affectnet7, affectnet8 or a file with a name a line");
    expect_no_names(".", SSFER_ERR_ARGUMENT, "classes '.': give");
    expect_no_names("", SSFER_ERR_ARGUMENT, "classes '': give");
    names_file("", 0);
    expect_no_names(at("names.txt"), SSFER_ERR_FORMAT, "names.txt: no class names; put one on each line");
    names_file(" \n\t\r\n", 5);
    expect_no_names(at("names.txt"), SSFER_ERR_FORMAT, "no class names");
    names_file("glad\0sad\n", 9); /* a picture, an archive: no text */
    expect_no_names(at("names.txt"), SSFER_ERR_FORMAT,
                    "names.txt: not a text file in UTF-8; put a class name on each line");
    names_file("gl\xff"
               "d\nsad\n",
               9); /* a model's file could not hold it */
    expect_no_names(at("names.txt"), SSFER_ERR_FORMAT, "names.txt: not a text file in UTF-8");
    for (size_t i = 0; i < 5001; i++)
        memcpy(many + 2 * i, "a\n", 2);
    names_file(many, sizeof many);
    expect_no_names(at("names.txt"), SSFER_ERR_LIMIT, "names.txt: more than 4096 class names");
    names_file("glad\nsad\nglad\n", 14);
    expect_no_names(at("names.txt"), SSFER_ERR_FORMAT, "names.txt: the class name glad is there twice");
}

static void test_number_of_names(void **state)
{
    (void)state;
    model_file f;
    open_file(&f);
    write_file(&f);
    close_file(&f);
    expect_refused("m.safetensors", &(ssfer_classifier_load_options){.classes = "rafdb"}, SSFER_ERR_SHAPE,
                   "the model has 3 outputs, --classes rafdb has 7 names");
    names_file("x\ny\nz\n", 6);
    ssfer_classifier m;
    const ssfer_classifier_load_options o = {.classes = at("names.txt")};
    assert_int_equal(ssfer_classifier_load(&m, at("m.safetensors"), &o, NULL), SSFER_OK);
    assert_string_equal(m.classes[2], "z"); /* what is asked for counts, not what the file has */
    ssfer_classifier_deinit(&m);
}

/* ---- metadata that make no sense --------------------------------------------------------------------------------- */

static void test_bad_metadata(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *message;
    } cases[] = {
        {"mean", "0.5", "metadata mean is not an array of three numbers: 0.5"},
        {"mean", "", "metadata mean is not an array of three numbers: "},
        {"std", "[1, 2, nan]", "metadata std is not an array of three numbers: [1, 2, nan]"},
        {"std", "[1, 2, 1e400]", "metadata std is not an array of three numbers: [1, 2, 1e400]"},
        {"std", "[1, 0, 1]", "metadata std has 0; it must be positive"},
        {"std", "[1, 1, -2]", "metadata std has -2; it must be positive"},
        {"classes", "[\"a\",\"b\"]", "2 class names for 3 outputs"},
        {"classes", "{}", "0 class names for 3 outputs"},
        {"classes", "[1,2,3]", "a class name: a string was expected, not a number"},
        {"classes", "[\"a\",\"b\",\"a\"]", "the class name a is there twice"},
        {"num_heads", "3", "model: embed dim 8 is no multiple of 3 heads; choose --heads"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model_file f;
        ssfer_classifier m;
        ssfer_error err = {0};
        open_file(&f);
        put(&f, cases[i].key, cases[i].value);
        write_file(&f);
        close_file(&f);
        assert_int_not_equal(ssfer_classifier_load(&m, at("m.safetensors"), NULL, &err), SSFER_OK);
        if (!strstr(err.message, cases[i].message) || strstr(err.message, folder) != err.message)
            fail_msg("\"%s\" instead of \"%s\"", err.message, cases[i].message);
    }
}

/* ---- weights of something else ----------------------------------------------------------------------------------- */

static void test_other_weights(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t shape[4], ndim;
        const char *message;
    } cases[] = {
        {"head.weight", {0}, 0, "an encoder without a classification head; train one with 'ssfer finetune --init'"},
        {"head.bias", {0}, 0, "no tensor head.bias; the checkpoint is of another model"},
        {"norm.bias", {9}, 1, "norm.bias has shape (9), the model needs (8)"},
        {"pos_embed", {1, 10, 8}, 3, NULL}, /* 9 patches of 4 px: another size of picture, but a model */
        {"patch_embed.proj.weight", {8, 4, 4, 4}, 4, "a model for pictures of 4 channels; only RGB is supported"},
        {"patch_embed.proj.weight", {8, 1, 4, 4}, 4, "a model for pictures of 1 channels; only RGB is supported"},
        {"patch_embed.proj.weight",
         {8, 3, 4, 2},
         4,
         "patch_embed.proj.weight has shape (8, 3, 4, 2), the model needs (8, 3, 4, 4)"},
        /* A file of a few bytes that claims a model of 60 GB: refused before anything is allocated for it. */
        {"blocks.0.mlp.fc1.weight",
         {65536, 0},
         2,
         "blocks.0.mlp.fc1.weight has shape (65536, 0), the model needs (65536, 8)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model_file f;
        ssfer_classifier m;
        open_file(&f);
        replace(&f, cases[i].name, cases[i].shape, cases[i].ndim);
        write_file(&f);
        close_file(&f);
        if (cases[i].message) {
            expect_refused("m.safetensors", NULL, SSFER_ERR_SHAPE, cases[i].message);
        } else {
            assert_int_equal(ssfer_classifier_load(&m, at("m.safetensors"), NULL, NULL), SSFER_OK);
            assert_int_equal(m.vit.config.image_size, 12);
            ssfer_classifier_deinit(&m);
        }
    }
}

/* Wide and without data: 16384 channels a token, 1024 blocks. */
static void test_huge_claims(void **state)
{
    (void)state;
    static const size_t wide[] = {16384, 3, 1, 0}, positions[] = {1, 5, 0}, hidden[] = {65536, 0}, norm[] = {0};
    ssfer_tensor_set *set;
    void *data;
    assert_int_equal(ssfer_tensor_set_create(&set, NULL), SSFER_OK);
    assert_int_equal(ssfer_tensor_set_new(set, "patch_embed.proj.weight", SSFER_DTYPE_F32, wide, 4, &data, NULL), 0);
    assert_int_equal(ssfer_tensor_set_new(set, "pos_embed", SSFER_DTYPE_F32, positions, 3, &data, NULL), 0);
    assert_int_equal(ssfer_tensor_set_new(set, "head.weight", SSFER_DTYPE_F32, hidden, 2, &data, NULL), 0);
    assert_int_equal(ssfer_tensor_set_new(set, "blocks.0.mlp.fc1.weight", SSFER_DTYPE_F32, hidden, 2, &data, NULL), 0);
    for (size_t i = 0; i < 1000; i++) {
        char name[64];
        snprintf(name, sizeof name, "blocks.%zu.norm1.weight", i);
        assert_int_equal(ssfer_tensor_set_new(set, name, SSFER_DTYPE_F32, norm, 1, &data, NULL), 0);
    }
    assert_int_equal(ssfer_safetensors_write(set, at("m.safetensors"), NULL), SSFER_OK);
    ssfer_tensor_set_destroy(set);
    expect_refused("m.safetensors", NULL, SSFER_ERR_SHAPE, "no tensor cls_token; the checkpoint is of another model");
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void test_out_of_memory(void **state)
{
    (void)state;
    for (int torch = 0; torch < 2; torch++) {
        model_file f;
        const char *path = at(torch ? "m.pth" : "m.safetensors");
        ssfer_status st = SSFER_ERR_MEMORY;
        size_t n = 0;
        open_file(&f);
        assert_int_equal((torch ? ssfer_torch_write : ssfer_safetensors_write)(f.set, path, NULL), SSFER_OK);
        while (st != SSFER_OK) {
            ssfer_classifier m;
            ssfer_error err = {0};
            ssfer_memory_fail_at(++n);
            st = ssfer_classifier_load(&m, path, NULL, &err);
            ssfer_memory_fail_at(0);
            if (st != SSFER_OK && (st != SSFER_ERR_MEMORY || !strstr(err.message, "memory")))
                fail_msg("allocation %zu: %s: %s", n, ssfer_status_name(st), err.message);
            if (st == SSFER_OK)
                expect_same(&m, &f.model);
            ssfer_classifier_deinit(&m);
        }
        assert_true(n > 20);

        ssfer_tensor_set *set;
        assert_int_equal(ssfer_tensor_set_create(&set, NULL), SSFER_OK);
        st = SSFER_ERR_MEMORY;
        for (n = 0; st != SSFER_OK;) {
            ssfer_error err = {0};
            ssfer_tensor_set_destroy(set);
            assert_int_equal(ssfer_tensor_set_create(&set, NULL), SSFER_OK);
            ssfer_memory_fail_at(++n);
            st = ssfer_classifier_store(&f.model, f.model.params, set, &err);
            ssfer_memory_fail_at(0);
            assert_true(st == SSFER_OK || (st == SSFER_ERR_MEMORY && *err.message));
        }
        ssfer_tensor_set_destroy(set);
        close_file(&f);
    }
}

/* Weights that fill whole cache lines are used where they lie in the file; of other sizes, and of the same ones in
 * another order, there is a copy. Either way they are the weights that were stored. */
static void test_in_place(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        ssfer_vit_config config = {.image_size = 8,
                                   .patch_size = 4,
                                   .channels = 3,
                                   .embed_dim = i == 1 ? 8 : 16,
                                   .depth = 2,
                                   .heads = 2,
                                   .hidden = 32,
                                   .classes = 3,
                                   .eps = 1e-6f};
        ssfer_classifier stored = {0}, read = {0};
        ssfer_tensor_set *set = NULL;
        assert_int_equal(ssfer_vit_init(&stored.vit, &config, NULL), SSFER_OK);
        assert_int_equal(ssfer_params_alloc(&stored.params, &stored.vit.table, NULL), SSFER_OK);
        ssfer_params_init(stored.params, &stored.vit.table, 1);
        memcpy(stored.std, (float[]){1, 1, 1}, sizeof stored.std);
        assert_int_equal(ssfer_tensor_set_create(&set, NULL), SSFER_OK);
        const ssfer_param *last = &stored.vit.table.items[stored.vit.table.count - 1];
        if (i == 2) /* another order: the last one comes first */
            assert_int_equal(ssfer_tensor_set_add(set, last->name, SSFER_DTYPE_F32, last->shape, last->ndim,
                                                  stored.params + last->offset, NULL),
                             SSFER_OK);
        for (size_t k = 0; k + (i == 2) < stored.vit.table.count; k++) {
            const ssfer_param *p = &stored.vit.table.items[k];
            assert_int_equal(
                ssfer_tensor_set_add(set, p->name, SSFER_DTYPE_F32, p->shape, p->ndim, stored.params + p->offset, NULL),
                SSFER_OK);
        }
        assert_int_equal(ssfer_vit_config_to_metadata(&config, set, NULL), SSFER_OK);
        assert_int_equal(ssfer_safetensors_write(set, at("m.safetensors"), NULL), SSFER_OK);
        assert_int_equal(ssfer_classifier_load(&read, at("m.safetensors"), NULL, NULL), SSFER_OK);
        assert_int_equal(read.file != NULL, i == 0);
        for (size_t k = 0; k < read.vit.table.count; k++) {
            const ssfer_param *p = &read.vit.table.items[k];
            assert_memory_equal(read.params + p->offset, stored.params + p->offset, p->count * sizeof(float));
        }
        ssfer_classifier_deinit(&read);
        ssfer_classifier_deinit(&stored);
        ssfer_tensor_set_destroy(set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_and_load),   cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_without_metadata), cmocka_unit_test(test_known_names),
        cmocka_unit_test(test_names_from_file),  cmocka_unit_test(test_refused_names),
        cmocka_unit_test(test_number_of_names),  cmocka_unit_test(test_bad_metadata),
        cmocka_unit_test(test_other_weights),    cmocka_unit_test(test_huge_claims),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
