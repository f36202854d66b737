/* How exact products in float32 are, beside a sum in double: no level may be worse than plain sums in float32. This is
 * what the level that multiplies bfloat16 parts (compute/cpu/split_tiles.h) has to prove: five products of parts
 * instead of six, or three, would fail here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/rng.h"
#include "compute/cpu/cpu.h"

#include <math.h>

enum { ROWS = 48, OUT = 32 };

/* What a case makes of normal numbers. */
typedef enum numbers { PLAIN, WIDE_RANGE, POSITIVE, CASES } numbers;

static void fill(float *to, size_t count, numbers kind, uint32_t stream)
{
    ssfer_rng rng = ssfer_rng_stream(7, stream, 0, 0, SSFER_RNG_INIT);
    for (size_t i = 0; i < count; i++) {
        const double z = ssfer_rng_normal(&rng);
        to[i] = (float)(kind == WIDE_RANGE ? z * exp(4.0 * ssfer_rng_normal(&rng)) : kind == POSITIVE ? fabs(z) : z);
    }
}

/* Root mean square of the error over the sum of |a b|: what y has, or plain sums where y is NULL. */
static double error_of(const float *y, const float *x, const float *w, size_t K)
{
    double squares = 0.0;
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < OUT; j++) {
            double sum = 0.0, magnitude = 0.0;
            float plain = 0.0f;
            for (size_t k = 0; k < K; k++) {
                const double product = (double)x[i * K + k] * (double)w[j * K + k];
                sum += product;
                magnitude += fabs(product);
                plain += x[i * K + k] * w[j * K + k];
            }
            const double error = ((double)(y ? y[i * OUT + j] : plain) - sum) / magnitude;
            squares += error * error;
        }
    return sqrt(squares / (ROWS * OUT));
}

static void check_width(size_t K, numbers kind)
{
    static const char *const names[CASES] = {"normal", "wide range", "positive"};
    float *x = ssfer_calloc(ROWS * K, sizeof *x), *w = ssfer_calloc(OUT * K, sizeof *w),
          *y = ssfer_calloc(ROWS * OUT, sizeof *y);
    assert_true(x && w && y);
    fill(x, ROWS * K, kind, 1);
    fill(w, OUT * K, kind, 2);
    const double plain = error_of(NULL, x, w, K);
    for (int level = 0; level <= (int)ssfer_cpu_level_in_use(); level++) {
        const ssfer_backend *backend = ssfer_cpu_backend((ssfer_cpu_level)level, SSFER_PRECISION_FP32);
        if (!backend)
            continue;
        ssfer_compute *cx = NULL;
        ssfer_error err = {0};
        assert_int_equal(ssfer_compute_create_with(&cx, backend, 2, &err), SSFER_OK);
        const ssfer_linear_dims d = {ROWS, K, OUT, false};
        assert_int_equal(ssfer_linear_forward(cx, y, x, w, NULL, d, SSFER_EPILOGUE_NONE), SSFER_OK);
        const double error = error_of(y, x, w, K);
        print_message("%s, %zu: %s %.3g, plain sums %.3g\n", names[kind], K, ssfer_compute_backend_name(cx), error,
                      plain);
        assert_true(error <= 1.05 * plain); /* an FMA chain may differ a little from rounded products */
        ssfer_compute_destroy(cx);
    }
    ssfer_free(x);
    ssfer_free(w);
    ssfer_free(y);
}

static void test_errors(void **state)
{
    (void)state;
    static const size_t widths[] = {64, 192, 768, 3072};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        for (int kind = 0; kind < CASES; kind++)
            check_width(widths[i], (numbers)kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
