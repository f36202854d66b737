/* Signal handlers of a program that embeds the library never run on a stack that is not one: some of oneDNN's kernels
 * point the stack pointer into the heap while they compute (compute/cpu/onednn.h). The handlers here stand on a stack
 * of their own and look where the stack pointer of the interrupted code was. */
#include "compute/compute.h"
#include "compute/cpu/conv.h"
#include "compute/ops.h"

#include <omp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 2, ROWS = 259, ROUNDS = 12 };

static volatile sig_atomic_t handled, astray;
static _Thread_local uintptr_t stack_low, stack_high;
static _Thread_local stack_t stack_before; /* for handlers */

static void look(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
#if defined(__x86_64__)
    const ucontext_t *interrupted = context;
    const uintptr_t sp = (uintptr_t)interrupted->uc_mcontext.gregs[REG_RSP];
    handled++;
    if (stack_low && (sp < stack_low || sp > stack_high))
        astray++;
#else
    (void)context;
#endif
}

/* Gives the calling thread a stack for handlers, and a timer of its own that fires every 50 microseconds. */
static void watch_thread(char *handler_stack, size_t size, timer_t *timer)
{
    pthread_attr_t attributes;
    void *low = NULL;
    size_t length = 0;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &low, &length);
    pthread_attr_destroy(&attributes);
    stack_low = (uintptr_t)low;
    stack_high = stack_low + length;
    const stack_t stack = {.ss_sp = handler_stack, .ss_size = size};
    assert_int_equal(sigaltstack(&stack, &stack_before), 0);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid); /* glibc has no name for it */
    const struct itimerspec often = {{0, 50000}, {0, 50000}};
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, timer), 0);
    assert_int_equal(timer_settime(*timer, 0, &often, NULL), 0);
}

static void *numbers(size_t count)
{
    float *x = aligned_alloc(64, (count * sizeof *x + 63) / 64 * 64);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(i % 13) - 6.0f;
    return x;
}

/* The three products of a linear layer; in bf16 the activations are read as bfloat16, whatever they mean. */
static void run_linear(ssfer_precision precision, size_t in, size_t out)
{
    ssfer_compute *cx = NULL;
    ssfer_error err = {0};
    if (!ssfer_compute_has(precision))
        return;
    assert_int_equal(ssfer_compute_create(&cx, SSFER_BACKEND_CPU, precision, THREADS, &err), SSFER_OK);
    float *x = numbers(ROWS * in), *y = numbers(ROWS * out), *w = numbers(in * out), *dw = numbers(in * out);
    const ssfer_linear_dims d = {.rows = ROWS, .in = in, .out = out};
    int rounds = ROUNDS;
    if (ssfer_linear_forward(cx, y, x, w, NULL, d, SSFER_EPILOGUE_NONE) == SSFER_ERR_UNSUPPORTED)
        rounds = 0; /* oneDNN is held to a level that lacks bfloat16 */
    for (int i = 0; i < rounds; i++) {
        assert_int_equal(ssfer_linear_forward(cx, y, x, w, NULL, d, SSFER_EPILOGUE_NONE), SSFER_OK);
        assert_int_equal(ssfer_linear_backward_dx(cx, x, y, w, d), SSFER_OK);
        assert_int_equal(ssfer_linear_backward_dw(cx, dw, NULL, y, x, d), SSFER_OK);
    }
    free(x);
    free(y);
    free(w);
    free(dw);
    ssfer_compute_destroy(cx);
}

static void run_convolution(size_t kernel, size_t stride, size_t in, size_t out, bool planar)
{
    enum { SIDE = 40 };
    const ssfer_conv_shape shape = {.in_channels = in,
                                    .out_channels = out,
                                    .kernel_h = kernel,
                                    .kernel_w = kernel,
                                    .stride = stride,
                                    .pad_h = kernel / 2,
                                    .pad_w = kernel / 2};
    ssfer_conv_engine *engine = NULL;
    ssfer_conv_weights *weights = NULL;
    ssfer_conv *conv = NULL;
    ssfer_conv_call *call = NULL;
    ssfer_error err = {0};
    float *values = numbers(in * out * kernel * kernel), *bias = numbers(out);
    float *x = numbers((in + 8) * SIDE * SIDE), *y = numbers((out + 8) * SIDE * SIDE);
    assert_int_equal(ssfer_conv_engine_create(&engine, &err), SSFER_OK);
    assert_int_equal(ssfer_conv_weights_create(&weights, &shape, values, bias, &err), SSFER_OK);
    if (ssfer_conv_create(&conv, engine, weights, SIDE, SIDE, planar, &err) == SSFER_OK) {
        void *scratch = aligned_alloc(64, (ssfer_conv_scratch_bytes(conv) + 64) / 64 * 64);
        assert_int_equal(ssfer_conv_call_create(&call, conv, x, y, scratch, &err), SSFER_OK);
        for (int i = 0; i < ROUNDS; i++)
            assert_int_equal(ssfer_conv_call_run(call, &err), SSFER_OK);
        ssfer_conv_call_destroy(call);
        free(scratch);
    }
    ssfer_conv_destroy(conv);
    ssfer_conv_weights_destroy(weights);
    ssfer_conv_engine_destroy(engine);
    free(values);
    free(bias);
    free(x);
    free(y);
}

static void test_handlers_stand_on_real_stacks(void **state)
{
    (void)state;
    enum { STACK = 1 << 18 };
    static char stacks[THREADS][STACK];
    timer_t timers[THREADS];
    struct sigaction action = {.sa_sigaction = look, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    omp_set_num_threads(THREADS);
#pragma omp parallel num_threads(THREADS) /* the program has used OpenMP before us, with signals let through */
    watch_thread(stacks[omp_get_thread_num()], STACK, &timers[omp_get_thread_num()]);
    const size_t widths[] = {64, 192, 384};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        for (int precision = SSFER_PRECISION_FP32; precision <= SSFER_PRECISION_BF16; precision++) {
            run_linear((ssfer_precision)precision, widths[i], 4 * widths[i]);
            run_linear((ssfer_precision)precision, 4 * widths[i], widths[i]);
            run_linear((ssfer_precision)precision, widths[i] + 3, widths[i] - 5);
        }
    run_convolution(6, 2, 3, 16, true);
    run_convolution(3, 2, 16, 32, false);
    run_convolution(1, 1, 40, 24, false);
    for (int i = 0; i < THREADS; i++)
        timer_delete(timers[i]);
#pragma omp parallel num_threads(THREADS) /* AddressSanitizer frees what it finds there when a thread ends */
    if (stack_low)
        sigaltstack(&stack_before, NULL);
    assert_true(handled > 100); /* otherwise nothing was tried */
    assert_int_equal(astray, 0);
}

/* The caller's own mask comes back, and OpenMP's threads are out of the way of signals: also those that a region of the
 * caller's has started anew since. */
static void test_masks(void **state)
{
    (void)state;
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    for (int round = 0; round < 2; round++) {
#pragma omp parallel num_threads(1 + 3 * round)
        (void)omp_get_thread_num();
        run_linear(SSFER_PRECISION_FP32, 61, 259);
        pthread_sigmask(SIG_SETMASK, NULL, &after);
        for (int number = 1; number < SIGRTMAX; number++)
            assert_int_equal(sigismember(&before, number), sigismember(&after, number));
    }
    int open = 0;
#pragma omp parallel num_threads(THREADS) reduction(+ : open)
    {
        sigset_t mine;
        pthread_sigmask(SIG_SETMASK, NULL, &mine);
        open = omp_get_thread_num() != 0 && !sigismember(&mine, SIGALRM);
    }
    assert_int_equal(open, 0);
}

int main(void)
{
#if !defined(__x86_64__)
    return 77;
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handlers_stand_on_real_stacks),
        cmocka_unit_test(test_masks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
