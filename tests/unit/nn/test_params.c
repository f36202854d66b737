/* The parameter table: layout, initial values, and what a checkpoint must have to be taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "nn/params.h"

#include <math.h>
#include <string.h>

/* A convolution's weight, a vector, a norm's pair and a table that the model fills itself. */
static void make_table(ssfer_param_table *t)
{
    *t = (ssfer_param_table){0};
    ssfer_params_add(t, SSFER_INIT_UNIFORM, 0.5f, (size_t[]){3, 2, 5, 5}, 4, "patch.%s", "weight");
    ssfer_params_add(t, SSFER_INIT_NORMAL, 0.02f, (size_t[]){1, 1, 7}, 3, "token");
    t->layer = 4;
    ssfer_params_add(t, SSFER_INIT_ONE, 0.0f, (size_t[]){16}, 1, "norm.weight");
    ssfer_params_add(t, SSFER_INIT_ZERO, 0.0f, (size_t[]){16}, 1, "norm.bias");
    ssfer_params_add(t, SSFER_INIT_GIVEN, 0.0f, (size_t[]){33}, 1, "positions");
    assert_int_equal(ssfer_params_finish(t, NULL), SSFER_OK);
}

static void test_layout(void **state)
{
    (void)state;
    static const size_t counts[] = {150, 7, 16, 16, 33};
    ssfer_param_table t;
    size_t end = 0;
    make_table(&t);
    assert_int_equal(t.count, 5);
    for (size_t i = 0; i < t.count; i++) {
        assert_int_equal(t.items[i].count, counts[i]);
        assert_int_equal(t.items[i].offset % 16, 0); /* 64 bytes, for aligned kernels */
        assert_true(t.items[i].offset >= end && t.items[i].offset < end + 16);
        assert_int_equal(t.items[i].layer, i < 2 ? 0 : 4);
        end = t.items[i].offset + t.items[i].count;
    }
    assert_true(t.block_floats >= end && t.block_floats % 16 == 0);
    assert_int_equal(ssfer_params_total(&t), 222);
    assert_string_equal(ssfer_params_find(&t, "patch.weight")->name, "patch.weight");
    assert_ptr_equal(ssfer_params_find(&t, "norm.bias"), &t.items[3]);
    assert_null(ssfer_params_find(&t, "norm"));
    ssfer_params_deinit(&t);
    assert_int_equal(t.count, 0);
}

static void test_sizes_that_overflow(void **state)
{
    (void)state;
    const size_t huge = (size_t)1 << 40;
    ssfer_param_table t = {0};
    ssfer_error err = {0};
    ssfer_params_add(&t, SSFER_INIT_ZERO, 0, (size_t[]){huge, huge}, 2, "w");
    ssfer_params_add(&t, SSFER_INIT_ZERO, 0, (size_t[]){1}, 1, "b"); /* what follows does not undo the failure */
    assert_int_equal(ssfer_params_finish(&t, &err), SSFER_ERR_LIMIT);
    assert_string_equal(err.message, "model: too many parameters for this machine");
    ssfer_params_deinit(&t);

    /* Each fits, their sum or its bytes do not. */
    t = (ssfer_param_table){0};
    for (int i = 0; i < 4; i++)
        ssfer_params_add(&t, SSFER_INIT_ZERO, 0, (size_t[]){SIZE_MAX / 2}, 1, "w%d", i);
    assert_int_equal(ssfer_params_finish(&t, &err), SSFER_ERR_LIMIT);
    ssfer_params_deinit(&t);
    t = (ssfer_param_table){0};
    ssfer_params_add(&t, SSFER_INIT_ZERO, 0, (size_t[]){SIZE_MAX / 4 + 1000}, 1, "w");
    assert_int_equal(ssfer_params_finish(&t, &err), SSFER_ERR_LIMIT);
    ssfer_params_deinit(&t);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    ssfer_param_table t = {0};
    ssfer_error err = {0};
    float *block;
    ssfer_memory_fail_at(1);
    ssfer_params_add(&t, SSFER_INIT_ZERO, 0, (size_t[]){1}, 1, "w");
    ssfer_memory_fail_at(0);
    assert_int_equal(ssfer_params_finish(&t, &err), SSFER_ERR_MEMORY);
    assert_string_equal(err.message, "model: out of memory");
    ssfer_params_deinit(&t);
    make_table(&t);
    ssfer_memory_fail_at(1);
    assert_int_equal(ssfer_params_alloc(&block, &t, &err), SSFER_ERR_MEMORY);
    ssfer_memory_fail_at(0);
    assert_null(block);
    ssfer_params_deinit(&t);
}

/* ---- initial values ---------------------------------------------------------------------------------------------- */

static void test_initial_values(void **state)
{
    (void)state;
    ssfer_param_table t;
    float *a, *b, *c;
    make_table(&t);
    assert_int_equal(ssfer_params_alloc(&a, &t, NULL), SSFER_OK);
    assert_int_equal(ssfer_params_alloc(&b, &t, NULL), SSFER_OK);
    assert_int_equal(ssfer_params_alloc(&c, &t, NULL), SSFER_OK);
    for (size_t i = 0; i < 33; i++) /* the model's own, which init must leave alone */
        a[t.items[4].offset + i] = b[t.items[4].offset + i] = c[t.items[4].offset + i] = 3.0f;
    ssfer_params_init(a, &t, 1);
    ssfer_params_init(b, &t, 1);
    ssfer_params_init(c, &t, 2);
    assert_memory_equal(a, b, t.block_floats * sizeof *a);
    assert_memory_not_equal(a, c, 150 * sizeof *a);
    assert_memory_not_equal(a + t.items[1].offset, c + t.items[1].offset, 7 * sizeof *a);
    for (size_t i = 0; i < 150; i++)
        assert_true(a[i] >= -0.5f && a[i] <= 0.5f);
    for (size_t i = 0; i < 16; i++) {
        assert_true(a[t.items[2].offset + i] == 1.0f);
        assert_true(a[t.items[3].offset + i] == 0.0f);
    }
    for (size_t i = 0; i < 33; i++)
        assert_true(a[t.items[4].offset + i] == 3.0f);
    for (size_t i = 150; i < t.items[1].offset; i++)
        assert_true(a[i] == 0.0f); /* padding */
    ssfer_free(a);
    ssfer_free(b);
    ssfer_free(c);
    ssfer_params_deinit(&t);
}

/* Of n = 4000 draws: the mean lies within 4 standard errors, the deviation within 4 / sqrt(2 n) = 4.5 %. */
static void test_distributions(void **state)
{
    (void)state;
    enum { N = 4000 };
    static const struct {
        ssfer_init init;
        float scale;
        double deviation, most;
    } cases[] = {{SSFER_INIT_NORMAL, 0.02f, 0.02, 0.1},
                 {SSFER_INIT_NORMAL, 1.0f, 0.88, 2.0}, /* cut at 2, as timm's trunc_normal_ */
                 {SSFER_INIT_UNIFORM, 0.3f, 0.3 / 1.7320508, 0.3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ssfer_param_table t = {0};
        float *x;
        double sum = 0.0, squares = 0.0;
        ssfer_params_add(&t, cases[i].init, cases[i].scale, (size_t[]){N}, 1, "x");
        assert_int_equal(ssfer_params_alloc(&x, &t, NULL), SSFER_OK);
        ssfer_params_init(x, &t, 5);
        for (size_t k = 0; k < N; k++) {
            sum += (double)x[k];
            squares += (double)x[k] * (double)x[k];
            assert_true(fabs((double)x[k]) <= cases[i].most * (1 + 1e-6));
        }
        const double deviation = sqrt(squares / N);
        assert_true(fabs(sum / N) < 4 * cases[i].deviation / sqrt(N));
        if (i != 1)
            assert_true(fabs(deviation / cases[i].deviation - 1) < 0.045);
        else
            assert_true(deviation > 0.88 && deviation < 1.0);
        ssfer_free(x);
        ssfer_params_deinit(&t);
    }
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

typedef struct checkpoint {
    ssfer_param_table table;
    float *block, *other;
    ssfer_tensor_set *set;
} checkpoint;

static void open_checkpoint(checkpoint *c)
{
    make_table(&c->table);
    assert_int_equal(ssfer_params_alloc(&c->block, &c->table, NULL), SSFER_OK);
    assert_int_equal(ssfer_params_alloc(&c->other, &c->table, NULL), SSFER_OK);
    assert_int_equal(ssfer_tensor_set_create(&c->set, NULL), SSFER_OK);
    for (size_t i = 0; i < c->table.count; i++)
        for (size_t k = 0; k < c->table.items[i].count; k++)
            c->block[c->table.items[i].offset + k] = (float)(i + 1) + (float)k / 1024.0f;
    for (size_t i = 0; i < c->table.block_floats; i++)
        c->other[i] = -7.0f;
}

static void close_checkpoint(checkpoint *c)
{
    ssfer_tensor_set_destroy(c->set);
    ssfer_free(c->block);
    ssfer_free(c->other);
    ssfer_params_deinit(&c->table);
}

static void test_store_and_load(void **state)
{
    (void)state;
    checkpoint c;
    open_checkpoint(&c);
    assert_int_equal(ssfer_params_store(c.block, &c.table, c.set, "ema.", NULL), SSFER_OK);
    assert_int_equal(ssfer_tensor_set_count(c.set), c.table.count);
    const ssfer_tensor *t = ssfer_tensor_set_find(c.set, "ema.patch.weight");
    assert_non_null(t);
    assert_int_equal(t->dtype, SSFER_DTYPE_F32);
    assert_int_equal(t->ndim, 4);
    assert_memory_equal(t->shape, ((size_t[]){3, 2, 5, 5}), 4 * sizeof(size_t));
    assert_ptr_equal(t->data, c.block); /* borrowed */
    assert_int_equal(ssfer_params_load(c.other, &c.table, c.set, "ema.", NULL, NULL), SSFER_OK);
    for (size_t i = 0; i < c.table.count; i++)
        assert_memory_equal(c.other + c.table.items[i].offset, c.block + c.table.items[i].offset,
                            c.table.items[i].count * sizeof(float));
    assert_true(c.other[150] == -7.0f); /* padding is not written */
    close_checkpoint(&c);
}

static void expect_untouched(const checkpoint *c)
{
    for (size_t i = 0; i < c->table.block_floats; i++)
        assert_true(c->other[i] == -7.0f);
}

static void test_missing(void **state)
{
    (void)state;
    checkpoint c;
    ssfer_error err = {0};
    bool loaded[5] = {0};
    open_checkpoint(&c);
    for (size_t i = 0; i < c.table.count; i++)
        if (i != 3)
            assert_int_equal(ssfer_tensor_set_add(c.set, c.table.items[i].name, SSFER_DTYPE_F32, c.table.items[i].shape,
                                                  c.table.items[i].ndim, c.block + c.table.items[i].offset, NULL),
                             SSFER_OK);
    assert_int_equal(ssfer_params_load(c.other, &c.table, c.set, "", NULL, &err), SSFER_ERR_SHAPE);
    assert_string_equal(err.message, "no tensor norm.bias; the checkpoint is of another model");
    expect_untouched(&c);
    /* Without a prefix that is there, nothing is. */
    assert_int_equal(ssfer_params_load(c.other, &c.table, c.set, "ema.", NULL, &err), SSFER_ERR_SHAPE);
    assert_string_equal(err.message, "no tensor ema.patch.weight; the checkpoint is of another model");
    /* With flags, what is there is taken and the rest stays. */
    assert_int_equal(ssfer_params_load(c.other, &c.table, c.set, "", loaded, &err), SSFER_OK);
    for (size_t i = 0; i < 5; i++) {
        const float first = c.other[c.table.items[i].offset];
        assert_int_equal(loaded[i], i != 3);
        assert_true(i == 3 ? first == -7.0f : first == (float)(i + 1));
    }
    close_checkpoint(&c);
}

static void test_wrong_shapes(void **state)
{
    (void)state;
    static const struct {
        size_t shape[4], ndim;
        const char *message;
    } cases[] = {
        {{8}, 1, "token has shape (8), the model needs (1, 1, 7)"},
        {{1, 7}, 2, "token has shape (1, 7), the model needs (1, 1, 7)"},
        {{7, 1, 1}, 3, "token has shape (7, 1, 1), the model needs (1, 1, 7)"},
        {{0}, 0, "token has shape (), the model needs (1, 1, 7)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static const float zeros[8];
        checkpoint c;
        ssfer_error err = {0};
        bool loaded[5];
        open_checkpoint(&c);
        assert_int_equal(
            ssfer_tensor_set_add(c.set, "patch.weight", SSFER_DTYPE_F32, c.table.items[0].shape, 4, c.block, NULL),
            SSFER_OK);
        assert_int_equal(
            ssfer_tensor_set_add(c.set, "token", SSFER_DTYPE_F32, cases[i].shape, cases[i].ndim, zeros, NULL),
            SSFER_OK);
        assert_int_equal(ssfer_params_load(c.other, &c.table, c.set, "", loaded, &err), SSFER_ERR_SHAPE);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(ssfer_params_check(&c.table, c.set, "", loaded, &err), SSFER_ERR_SHAPE);
        expect_untouched(&c); /* not even by the tensor before it, which fits */
        close_checkpoint(&c);
    }
}

/* Half and bfloat16 values are float32 values; double is rounded; whole numbers are taken by value. */
static void test_other_types(void **state)
{
    (void)state;
    static const uint16_t half[7] = {0x3c00, 0xc000, 0x3555, 0x0001, 0x7bff, 0x8000, 0x0000};
    static const float want_half[7] = {1.0f, -2.0f, 0.333251953125f, 5.9604644775390625e-8f, 65504.0f, -0.0f, 0.0f};
    static const uint16_t brain[7] = {0x3f80, 0xc049, 0, 0x0080, 0x7f7f, 0x8000, 0x4000};
    static const float want_brain[7] = {1.0f, -3.140625f, 0.0f, 1.17549435e-38f, 3.38953139e38f, -0.0f, 2.0f};
    static const double wide[7] = {1.0 / 3, 1e-50, -2, 0, 1e30, 5, 6};
    static const float want_wide[7] = {1.0f / 3, 0.0f, -2, 0, 1e30f, 5, 6};
    static const int64_t whole[7] = {1, -2, 3, 0, 100000, 5, 6};
    static const float want_whole[7] = {1, -2, 3, 0, 100000, 5, 6};
    static const struct {
        ssfer_dtype dtype;
        const void *data;
        const float *want;
    } cases[] = {{SSFER_DTYPE_F16, half, want_half},
                 {SSFER_DTYPE_BF16, brain, want_brain},
                 {SSFER_DTYPE_F64, wide, want_wide},
                 {SSFER_DTYPE_I64, whole, want_whole}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        checkpoint c;
        bool loaded[5];
        open_checkpoint(&c);
        assert_int_equal(
            ssfer_tensor_set_add(c.set, "token", cases[i].dtype, c.table.items[1].shape, 3, cases[i].data, NULL),
            SSFER_OK);
        assert_int_equal(ssfer_params_load(c.other, &c.table, c.set, "", loaded, NULL), SSFER_OK);
        assert_memory_equal(c.other + c.table.items[1].offset, cases[i].want, 7 * sizeof(float));
        close_checkpoint(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),        cmocka_unit_test(test_sizes_that_overflow),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_initial_values),
        cmocka_unit_test(test_distributions), cmocka_unit_test(test_store_and_load),
        cmocka_unit_test(test_missing),       cmocka_unit_test(test_wrong_shapes),
        cmocka_unit_test(test_other_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
