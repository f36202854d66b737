/* Compute contexts: what they say about themselves, sizes that are refused, memory that runs out, two at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/threads.h"
#include "compute/cpu/cpu.h"

#include <omp.h>
#include <pthread.h>
#include <string.h>

static ssfer_compute *create(ssfer_backend_kind kind, size_t threads)
{
    ssfer_compute *cx = NULL;
    ssfer_error err = {0};
    if (ssfer_compute_create(&cx, kind, SSFER_PRECISION_FP32, threads, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    return cx;
}

static void test_properties(void **state)
{
    (void)state;
    ssfer_compute *cx = create(SSFER_BACKEND_CPU, 0), *ref = create(SSFER_BACKEND_REF, 3);
    assert_int_equal(ssfer_compute_threads(cx), ssfer_thread_default());
    assert_int_equal(ssfer_compute_threads(ref), 3);
    assert_string_equal(ssfer_compute_backend_name(ref), "ref");
    assert_string_equal(ssfer_compute_backend_name(cx), ssfer_cpu_backend_best(SSFER_PRECISION_FP32)->name);
    assert_int_equal(ssfer_compute_error(cx)->status, SSFER_OK);
    ssfer_compute_destroy(cx);
    ssfer_compute_destroy(ref);
    ssfer_compute_destroy(NULL);
    assert_non_null(ssfer_cpu_backend(SSFER_CPU_LEVEL_GENERIC, SSFER_PRECISION_FP32));
    assert_null(ssfer_cpu_backend(SSFER_CPU_LEVEL_GENERIC, SSFER_PRECISION_BF16));
    assert_null(ssfer_cpu_backend(SSFER_CPU_LEVEL_COUNT, SSFER_PRECISION_FP32));
    /* a context gets a table of the level in use, or the nearest below it */
    const ssfer_backend *const wanted[SSFER_CPU_LEVEL_COUNT] = {
        ssfer_cpu_backend(SSFER_CPU_LEVEL_GENERIC, SSFER_PRECISION_FP32),
        ssfer_cpu_backend(SSFER_CPU_LEVEL_AVX2, SSFER_PRECISION_FP32),
        ssfer_cpu_backend(SSFER_CPU_LEVEL_AVX512, SSFER_PRECISION_FP32),
        ssfer_cpu_backend(SSFER_CPU_LEVEL_AVX512, SSFER_PRECISION_FP32),
        ssfer_cpu_backend(SSFER_CPU_LEVEL_AMX, SSFER_PRECISION_FP32),
    };
    assert_ptr_equal(ssfer_cpu_backend_best(SSFER_PRECISION_FP32), wanted[ssfer_cpu_level_in_use()]);
    assert_int_equal(ssfer_compute_has(SSFER_PRECISION_BF16), ssfer_cpu_level_in_use() >= SSFER_CPU_LEVEL_AVX512_BF16);
}

static void test_too_many_threads(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_compute *cx = (ssfer_compute *)&err; /* anything but NULL */
    assert_int_equal(ssfer_compute_create(&cx, SSFER_BACKEND_CPU, SSFER_PRECISION_FP32, SIZE_MAX, &err),
                     SSFER_ERR_ARGUMENT);
    assert_null(cx);
    assert_non_null(strstr(err.message, "threads"));
}

/* Whoever embeds us may use OpenMP as well: its number of threads is not ours to change. */
static void test_leaves_openmp_alone(void **state)
{
    (void)state;
    ssfer_compute *cx = create(SSFER_BACKEND_CPU, 3);
    float x[6] = {1, 2, 3, 4, 5, 6}, w[6] = {1}, y[4] = {0};
    omp_set_num_threads(2);
    assert_int_equal(ssfer_linear_forward(cx, y, x, w, NULL, (ssfer_linear_dims){2, 3, 2, false}, SSFER_EPILOGUE_NONE),
                     0);
    assert_int_equal(ssfer_linear_backward_dx(cx, x, y, w, (ssfer_linear_dims){2, 3, 2, false}), SSFER_OK);
    assert_int_equal(ssfer_linear_backward_dw(cx, w, NULL, y, x, (ssfer_linear_dims){2, 3, 2, false}), SSFER_OK);
    assert_int_equal(omp_get_max_threads(), 2);
    ssfer_compute_destroy(cx);
}

/* Every refused call, on memory that it must not touch: the pointers lead to four floats. */
static void check_refusals(ssfer_compute *cx)
{
    float a[4] = {1, 2, 3, 4}, b[4] = {1, 2, 3, 4}, scale[4] = {1, 1, 1, 1};
    const float kept[4] = {1, 2, 3, 4};
    const ssfer_linear_dims linear[] = {{0, 1, 1, false}, {1, 0, 1, false}, {1, 1, 0, false}};
    const ssfer_norm_dims norm[] = {{.rows = 0, .width = 1, .rows_per_sample = 1},
                                    {.rows = 1, .width = 0, .rows_per_sample = 1},
                                    {.rows = 1, .width = 1, .rows_per_sample = 0},
                                    {.rows = 2, .width = 2, .rows_per_sample = 1, .x_stride = 1}};
    const ssfer_attention_dims attention[] = {
        {0, 1, 1, 1, 0}, {1, 0, 1, 1, 0}, {1, 1, 0, 1, 0}, {1, 1, 1, 0, 0}, {1, 1, 1, 1, 2}};
    const ssfer_patch_dims patches[] = {{0, 1, 1, 1, 1}, {1, 0, 1, 1, 1}, {1, 1, 0, 1, 1}, {1, 1, 1, 0, 1},
                                        {1, 1, 1, 1, 0}, {1, 1, 3, 2, 2}, {1, 1, 2, 3, 2}};
    const ssfer_token_dims tokens[] = {{0, 1, 1}, {1, 0, 1}, {1, 1, 0}};
#define REFUSED(call) assert_int_equal((call), SSFER_ERR_SHAPE)
    for (size_t i = 0; i < 3; i++) {
        REFUSED(ssfer_linear_forward(cx, a, b, b, b, linear[i], SSFER_EPILOGUE_NONE));
        REFUSED(ssfer_linear_backward_dx(cx, a, b, b, linear[i]));
        REFUSED(ssfer_linear_backward_dw(cx, a, a, b, b, linear[i]));
        REFUSED(ssfer_tokens_assemble(cx, a, b, b, b, tokens[i]));
        REFUSED(ssfer_tokens_assemble_backward(cx, a, a, a, b, tokens[i]));
        REFUSED(ssfer_first_token_backward(cx, a, b, tokens[i].batch, tokens[i].patches, tokens[i].width));
    }
    for (size_t i = 0; i < 4; i++) {
        REFUSED(ssfer_residual_norm_forward(cx, a, a, a, a, b, b, scale, b, b, norm[i]));
        REFUSED(ssfer_scale_rows(cx, a, b, scale, norm[i]));
    }
    REFUSED(ssfer_norm_backward(cx, a, a, a, b, b, b, b, b, norm[0]));
    REFUSED(ssfer_norm_backward(cx, a, a, a, b, b, b, b, b, norm[1]));
    /* a sum in place of rows with a stride would overwrite rows that are still to be read */
    REFUSED(ssfer_residual_norm_forward(cx, NULL, a, NULL, NULL, a, b, NULL, b, b,
                                        (ssfer_norm_dims){.rows = 2, .width = 1, .x_stride = 2}));
    for (size_t i = 0; i < 5; i++) {
        REFUSED(ssfer_attention_forward(cx, a, a, b, attention[i]));
        REFUSED(ssfer_attention_backward(cx, a, b, b, b, b, attention[i]));
    }
    for (size_t i = 0; i < 7; i++)
        REFUSED(ssfer_patches_gather(cx, a, b, patches[i]));
    REFUSED(ssfer_cross_entropy(cx, a, a, b, b, b, 0, 1));
    REFUSED(ssfer_cross_entropy(cx, a, a, b, b, b, 1, 0));
#undef REFUSED
    assert_memory_equal(a, kept, sizeof a);
    assert_memory_equal(b, kept, sizeof b);
    assert_int_equal(ssfer_compute_error(cx)->status, SSFER_ERR_SHAPE);
    assert_non_null(strstr(ssfer_compute_error(cx)->message, "cross entropy"));
}

static void test_refusals(void **state)
{
    (void)state;
    const ssfer_backend_kind kinds[] = {SSFER_BACKEND_CPU, SSFER_BACKEND_REF};
    for (size_t i = 0; i < 2; i++) {
        ssfer_compute *cx = create(kinds[i], 2);
        check_refusals(cx);
        ssfer_compute_destroy(cx);
    }
}

/* ---- memory that runs out ---------------------------------------------------------------------------------------- */

static void test_create_without_memory(void **state)
{
    (void)state;
    const ssfer_backend_kind kinds[] = {SSFER_BACKEND_CPU, SSFER_BACKEND_REF};
    for (size_t i = 0; i < 2; i++)
        for (size_t n = 1;; n++) {
            ssfer_compute *cx = NULL;
            ssfer_error err = {0};
            ssfer_memory_fail_at(n);
            ssfer_status st = ssfer_compute_create(&cx, kinds[i], SSFER_PRECISION_FP32, 1, &err);
            ssfer_memory_fail_at(0);
            if (st == SSFER_OK) {
                ssfer_compute_destroy(cx);
                assert_true(n > 1);
                break;
            }
            assert_int_equal(st, SSFER_ERR_MEMORY);
            assert_int_equal(err.status, SSFER_ERR_MEMORY);
            assert_null(cx);
        }
}

enum { M = 40, K = 24, J = 33, B = 2, N = 17, H = 3, D = 8 };

typedef struct call_memory {
    float x[M * K], w[J * K], b[J], y[M * J], dw[J * K], db[J], stats[M];
    float qkv[B * N * 3 * H * D], att[B * N * H * D], lse[B * H * N], dqkv[B * N * 3 * H * D];
} call_memory;

static void fill(call_memory *m)
{
    float *all = (float *)m;
    for (size_t i = 0; i < sizeof *m / sizeof(float); i++)
        all[i] = (float)(i * 7919 % 1013) / 1013.0f - 0.5f;
}

/* One of each operation that keeps something in the context: primitives or scratch memory. */
static ssfer_status call_all(ssfer_compute *cx, call_memory *m)
{
    const ssfer_linear_dims linear = {M, K, J, false};
    const ssfer_norm_dims norm = {.rows = M, .width = K, .rows_per_sample = M, .eps = 1e-6f};
    const ssfer_attention_dims attention = {.batch = B, .tokens = N, .heads = H, .head_dim = D};
    double sum;
    ssfer_status st = ssfer_linear_forward(cx, m->y, m->x, m->w, m->b, linear, SSFER_EPILOGUE_GELU);
    if (st == SSFER_OK)
        st = ssfer_linear_backward_dw(cx, m->dw, m->db, m->y, m->x, linear);
    if (st == SSFER_OK)
        st = ssfer_norm_backward(cx, m->y, m->dw, m->db, m->x, m->x, m->stats, m->stats, m->b, norm);
    if (st == SSFER_OK)
        st = ssfer_attention_forward(cx, m->att, m->lse, m->qkv, attention);
    if (st == SSFER_OK)
        st = ssfer_attention_backward(cx, m->dqkv, m->att, m->qkv, m->att, m->lse, attention);
    if (st == SSFER_OK)
        st = ssfer_sum_squares(cx, &sum, m->dqkv, B * N * 3 * H * D);
    return st;
}

/* After a failure the context still works: the same call again gives what it would have given. */
static void test_calls_without_memory(void **state)
{
    (void)state;
    static call_memory want, got;
    ssfer_compute *cx = create(SSFER_BACKEND_CPU, 2);
    fill(&want);
    assert_int_equal(call_all(cx, &want), SSFER_OK);
    ssfer_compute_destroy(cx);
    for (size_t n = 1;; n++) {
        cx = create(SSFER_BACKEND_CPU, 2);
        fill(&got);
        ssfer_memory_fail_at(n);
        ssfer_status st = call_all(cx, &got);
        ssfer_memory_fail_at(0);
        if (st == SSFER_OK) {
            ssfer_compute_destroy(cx);
            assert_true(n > 3); /* the cache, and scratch that grows at least twice */
            break;
        }
        assert_int_equal(st, SSFER_ERR_MEMORY);
        assert_int_equal(ssfer_compute_error(cx)->status, SSFER_ERR_MEMORY);
        fill(&got);
        assert_int_equal(call_all(cx, &got), SSFER_OK);
        assert_memory_equal(&got, &want, sizeof got);
        ssfer_compute_destroy(cx);
    }
}

/* ---- two contexts in two threads --------------------------------------------------------------------------------- */

static void *work(void *user)
{
    call_memory *m = user;
    ssfer_compute *cx = NULL;
    if (ssfer_compute_create(&cx, SSFER_BACKEND_CPU, SSFER_PRECISION_FP32, 2, NULL) != SSFER_OK)
        return NULL;
    ssfer_status st = SSFER_OK;
    for (int round = 0; round < 50 && st == SSFER_OK; round++) {
        fill(m);
        st = call_all(cx, m);
    }
    ssfer_compute_destroy(cx);
    return st == SSFER_OK ? m : NULL;
}

static void test_two_at_once(void **state)
{
    (void)state;
    static call_memory want, got[2];
    pthread_t threads[2];
    assert_non_null(work(&want));
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &got[i]), 0);
    for (size_t i = 0; i < 2; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, &got[i]);
        assert_memory_equal(&got[i], &want, sizeof want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_properties),
        cmocka_unit_test(test_too_many_threads),
        cmocka_unit_test(test_leaves_openmp_alone),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_create_without_memory),
        cmocka_unit_test(test_calls_without_memory),
        cmocka_unit_test(test_two_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
