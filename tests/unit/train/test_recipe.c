#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "point_number.h"
#include "scratch.h"
#include "train/run_recipe.h"

#include <float.h>
#include <math.h>

static ssfer_recipe make_recipe(double lr, size_t threads)
{
    static const char *const classes[] = {"anger", "no", "7", "joie \"vive\"\n"};
    static const double betas[] = {0.9, 0.999};
    ssfer_recipe r = {0};
    ssfer_recipe_section(&r, "data");
    ssfer_recipe_string(&r, "data", "faces/fer+.tar");
    ssfer_recipe_string(&r, "split", NULL);
    ssfer_recipe_strings(&r, "classes", classes, 4);
    ssfer_recipe_section(&r, "optimizer");
    ssfer_recipe_double(&r, "lr", lr);
    ssfer_recipe_doubles(&r, "betas", betas, 2);
    ssfer_recipe_size(&r, "epochs", 100);
    ssfer_recipe_bool(&r, "amsgrad", false);
    ssfer_recipe_section(&r, "machine");
    ssfer_recipe_free_choice(&r);
    ssfer_recipe_size(&r, "threads", threads);
    return r;
}

static void test_text(void **state)
{
    (void)state;
    ssfer_recipe r = make_recipe(1e-5, 2);
    const char *path = scratch_path("recipe.yaml");
    assert_int_equal(ssfer_recipe_write(&r, path, NULL), SSFER_OK);
    char *text = scratch_read(path);
    assert_non_null(text);
    assert_string_equal(strchr(text, '\n') + 1, "data:\n"
                                                "  data: faces/fer+.tar\n"
                                                "  split: null\n"
                                                "  classes: [anger, \"no\", \"7\", \"joie \\\"vive\\\"\\x0a\"]\n"
                                                "optimizer:\n"
                                                "  lr: 1.0e-05\n"
                                                "  betas: [0.9, 0.999]\n"
                                                "  epochs: 100\n"
                                                "  amsgrad: false\n"
                                                "machine:\n"
                                                "  threads: 2\n");
    assert_true(strncmp(text, "# ssfer ", 8) == 0);
    ssfer_free(text);
    ssfer_recipe_deinit(&r);
}

/* What YAML readers of either version would take for something else is quoted. */
static void test_quoting(void **state)
{
    (void)state;
    static const char *const quoted[] = {"",   "Yes",  "NULL", "~",  "1.5",  "-x",       "a: b", "a #b", "[x]",
                                         "{x", "*x",   "&x",   "!x", "%x",   "@x",       "`x",   "'x",   "x y",
                                         ".5", "0x1f", "1e3",  "on", "x\ty", "\xc3\xa9", "x\\y", ".inf", "?"};
    static const char *const plain[] = {"a", "faces/train", "/data/x.tar", "./x", "../x", "fer-plus_1", "vit-b16"};
    ssfer_recipe r = {0};
    ssfer_recipe_section(&r, "s");
    for (size_t i = 0; i < sizeof quoted / sizeof *quoted; i++) {
        ssfer_recipe_string(&r, "k", quoted[i]);
        if (r.entries[i].value[0] != '"')
            fail_msg("%s is not quoted", quoted[i]);
    }
    ssfer_recipe_deinit(&r);
    ssfer_recipe_section(&r, "s");
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        ssfer_recipe_string(&r, "k", plain[i]);
        assert_string_equal(r.entries[i].value, plain[i]);
    }
    ssfer_recipe_deinit(&r);
}

static void test_numbers(void **state)
{
    (void)state;
    static const double values[] = {
        0, 0.1, 1.0 / 3, 1e-5, 3.4e-4, -2.5, 1e300, 100., DBL_MIN, DBL_TRUE_MIN, 5e-324, DBL_MAX, 123456789012345680.0};
    ssfer_recipe r = {0};
    ssfer_recipe_section(&r, "s");
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        ssfer_recipe_double(&r, "k", values[i]);
        assert_true(point_number(r.entries[i].value) == values[i]);
        assert_non_null(strchr(r.entries[i].value, '.')); /* a float in YAML 1.1 too */
    }
    ssfer_recipe_double(&r, "nan", NAN);
    ssfer_recipe_double(&r, "inf", -INFINITY);
    ssfer_recipe_u64(&r, "seed", UINT64_MAX);
    assert_string_equal(ssfer_recipe_find(&r, "s", "nan"), ".nan");
    assert_string_equal(ssfer_recipe_find(&r, "s", "inf"), "-.inf");
    assert_string_equal(ssfer_recipe_find(&r, "s", "seed"), "18446744073709551615");
    assert_null(ssfer_recipe_find(&r, "t", "seed"));
    ssfer_recipe_deinit(&r);
}

static void check_difference(const ssfer_recipe *now, const ssfer_recipe *before, const char *want)
{
    ssfer_error err = {0};
    assert_int_equal(ssfer_recipe_compare(now, before, "RUN/recipe.yaml", &err), SSFER_ERR_ARGUMENT);
    if (!strstr(err.message, want))
        fail_msg("\"%s\" lacks \"%s\"", err.message, want);
}

static void test_compare(void **state)
{
    (void)state;
    const char *path = scratch_path("recipe.yaml");
    ssfer_recipe first = make_recipe(1e-5, 2), same = make_recipe(1e-5, 16), other = make_recipe(2e-5, 2), read;
    assert_int_equal(ssfer_recipe_write(&first, path, NULL), SSFER_OK);
    assert_int_equal(ssfer_recipe_read(&read, path, NULL), SSFER_OK);
    assert_int_equal(read.count, first.count);
    for (size_t i = 0; i < read.count; i++) {
        assert_string_equal(read.entries[i].section, first.entries[i].section);
        assert_string_equal(read.entries[i].key, first.entries[i].key);
        assert_string_equal(read.entries[i].value, first.entries[i].value);
    }
    assert_int_equal(ssfer_recipe_compare(&same, &read, path, NULL), SSFER_OK); /* threads may change */
    check_difference(&other, &read, "started with optimizer.lr 1.0e-05, not 2.0e-05");
    ssfer_recipe_size(&same, "ranks", 4); /* still a free choice, so it may be new */
    assert_int_equal(ssfer_recipe_compare(&same, &read, path, NULL), SSFER_OK);
    ssfer_recipe given = {0}; /* how the options were given may differ, and older runs do not say it */
    ssfer_recipe_section(&given, SSFER_RECIPE_OPTIONS);
    ssfer_recipe_string(&given, "lr", "1e-5");
    ssfer_recipe_append(&same, &given);
    assert_string_equal(ssfer_recipe_find(&same, SSFER_RECIPE_OPTIONS, "lr"), "\"1e-5\"");
    assert_int_equal(ssfer_recipe_compare(&same, &read, path, NULL), SSFER_OK);
    assert_int_equal(ssfer_recipe_compare(&read, &given, path, NULL), SSFER_ERR_ARGUMENT);
    ssfer_recipe_append(&given, &read);
    assert_int_equal(ssfer_recipe_compare(&read, &given, path, NULL), SSFER_OK);
    ssfer_recipe_deinit(&given);
    ssfer_recipe_section(&same, "model");
    ssfer_recipe_size(&same, "depth", 6);
    check_difference(&same, &read, "model.depth unset, not 6");
    check_difference(&first, &same, "unset");
    ssfer_recipe_deinit(&first);
    ssfer_recipe_deinit(&same);
    ssfer_recipe_deinit(&other);
    ssfer_recipe_deinit(&read);
}

static void check_bad(const char *text, const char *want)
{
    ssfer_recipe r;
    ssfer_error err = {0};
    const char *path = scratch_path("bad.yaml");
    assert_int_equal(ssfer_file_write(path, text, strlen(text), NULL), SSFER_OK);
    assert_int_equal(ssfer_recipe_read(&r, path, &err), SSFER_ERR_FORMAT);
    if (!strstr(err.message, want))
        fail_msg("\"%s\" lacks \"%s\"", err.message, want);
}

static void test_bad_files(void **state)
{
    (void)state;
    ssfer_recipe r;
    ssfer_error err = {0};
    check_bad("data:\n  lr 1\n", "bad.yaml:2:");
    check_bad("  lr: 1\n", "bad.yaml:1:");
    check_bad("# fine\n\ndata: 3\n", "bad.yaml:3:");
    check_bad(":\n", "bad.yaml:1:");
    check_bad("data:\n  : x\n", "bad.yaml:2:");
    assert_int_equal(ssfer_recipe_read(&r, "/nonexistent", &err), SSFER_ERR_IO);
    r = make_recipe(1, 1);
    assert_int_equal(ssfer_recipe_write(&r, "/nonexistent/recipe.yaml", &err), SSFER_ERR_IO);
    ssfer_recipe_deinit(&r);
}

/* A recipe cut at any length is refused; so is one that has lost lines, and what an older version wrote is read. */
static void test_cut_files(void **state)
{
    (void)state;
    const char *path = scratch_path("cut.yaml");
    ssfer_recipe r = make_recipe(1e-5, 2), read;
    ssfer_error err = {0};
    assert_int_equal(ssfer_recipe_write(&r, path, NULL), SSFER_OK);
    char *text = scratch_read(path);
    const size_t size = strlen(text);
    for (size_t n = 0; n < size; n++) {
        assert_int_equal(ssfer_file_write(path, text, n, NULL), SSFER_OK);
        if (ssfer_recipe_read(&read, path, &err) != SSFER_ERR_FORMAT)
            fail_msg("a recipe cut to %zu of %zu bytes was read", n, size);
    }
    assert_non_null(strstr(err.message, "start the run anew"));
    const char *rest = strchr(text, '\n') + 1;
    assert_int_equal(ssfer_file_write(path, rest, strlen(rest), NULL), SSFER_OK);
    assert_int_equal(ssfer_recipe_read(&read, path, &err), SSFER_OK);
    assert_int_equal(read.count, r.count);
    ssfer_recipe_deinit(&read);
    ssfer_recipe_deinit(&r);
    ssfer_free(text);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    const char *path = scratch_path("memory.yaml");
    ssfer_recipe whole = make_recipe(1, 1);
    assert_int_equal(ssfer_recipe_write(&whole, path, NULL), SSFER_OK);
    ssfer_recipe_deinit(&whole);
    for (size_t n = 1;; n++) {
        ssfer_memory_fail_at(n);
        ssfer_recipe r = make_recipe(1, 1), read = {0};
        ssfer_status st = ssfer_recipe_read(&read, path, NULL);
        if (st == SSFER_OK)
            st = ssfer_recipe_compare(&r, &read, path, NULL);
        size_t made = ssfer_memory_fail_at(0);
        ssfer_recipe_deinit(&r);
        ssfer_recipe_deinit(&read);
        if (st == SSFER_OK) {
            assert_true(made < n);
            break;
        }
        assert_int_equal(st, SSFER_ERR_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),          cmocka_unit_test(test_quoting),   cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_compare),       cmocka_unit_test(test_bad_files), cmocka_unit_test(test_cut_files),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
