/* The gradients of the whole network, through every layer and the loss, on the reference backend against differences
 * of its own forward pass, and on the CPU backend against the reference. (test_gradients.c of the operations does the
 * same in double precision, operation by operation; here it is how they are put together that is tested.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vit_case.h"

#include <stdio.h>
#include <stdlib.h>

/* Every parameter is moved along random directions u of length 1 (all its elements take part), and the five-point
 * difference (L(-2h) - 8 L(-h) + 8 L(h) - L(2h)) / 12h is compared with <gradient, u>.
 *
 * h: activations of size 1 to 5 in float32 leave about 2e-7 of noise in L, hence 3e-7 / h in the difference; the
 * truncation error is h^4 / 30 of the fifth derivative. They meet near h = 0.03, at about 1e-5; measured: 7e-6 at
 * most. What an error of a gradient changes here is the error's length / sqrt(count), about; the gradients themselves
 * would give 7e-3 to 1e-1, so one that is off by 1 % is seen. */
#define STEP 0.03
#define TOLERANCE 3e-5
enum { DIRECTIONS = 3 };

static double worst;

static double difference(vit_case *c, const ssfer_param *p, const float *direction, const ssfer_stack_call *call)
{
    static const double offsets[4] = {-2.0, -1.0, 1.0, 2.0}, weights[4] = {1.0, -8.0, 8.0, -1.0};
    float *x = c->params + p->offset, *kept = ssfer_calloc(p->count, sizeof *kept);
    double sum = 0.0;
    assert_non_null(kept);
    memcpy(kept, x, p->count * sizeof *x);
    for (size_t k = 0; k < 4; k++) {
        for (size_t i = 0; i < p->count; i++)
            x[i] = kept[i] + (float)(offsets[k] * STEP) * direction[i];
        sum += weights[k] * vit_case_loss(c, 0, call);
    }
    memcpy(x, kept, p->count * sizeof *x);
    ssfer_free(kept);
    return sum / (12.0 * STEP);
}

/* The direction as the parameter can really move, in float32: x + h u is rounded to x's own grid. At h = 0.03 that
 * costs 1e-6 of the step, below the tolerance. */
static void check_parameter(vit_case *c, size_t index, const ssfer_stack_call *call)
{
    const ssfer_param *p = &c->vit.table.items[index];
    const float *gradient = c->grads + p->offset;
    for (size_t k = 0; k < DIRECTIONS; k++) {
        float *u = vit_case_normal(p->count, 1.0f, 100 * index + k);
        const double length = vit_case_norm(u, p->count);
        double got = 0.0;
        for (size_t i = 0; i < p->count; i++) {
            u[i] = (float)((double)u[i] / length);
            got += (double)gradient[i] * (double)u[i];
        }
        const double want = difference(c, p, u, call);
        ssfer_free(u);
        worst = fabs(got - want) > worst ? fabs(got - want) : worst;
        if (!(fabs(got - want) <= TOLERANCE))
            fail_msg("%s along direction %zu: %.9g, by differences %.9g", p->name, k, got, want);
    }
}

static void check_by_differences(float drop_path, bool first_only)
{
    const ssfer_vit_config config = vit_case_config(drop_path);
    vit_case c;
    vit_case_open(&c, SSFER_BACKEND_REF, 1, &config, 5);
    const ssfer_stack_call call = {.batch = 5, .drop = drop_path > 0.0f, .first_only = first_only};
    ssfer_stack_draw_drop_path(&c.acts.stack, 5, 7, 2, 3, 0, 0);
    vit_case_gradients(&c, 0, &call);
    worst = 0.0;
    for (size_t i = 0; i < c.vit.table.count; i++)
        check_parameter(&c, i, &call);
    if (getenv("VERBOSE"))
        printf("drop path %g, first only %d: worst %.2e\n", (double)drop_path, first_only, worst);
    vit_case_close(&c);
}

static void test_differences(void **state)
{
    (void)state;
    check_by_differences(0.0f, false);
}

static void test_differences_with_drop_path(void **state)
{
    (void)state;
    check_by_differences(0.6f, true);
}

/* Some branch of every later block is dropped for one sample and kept for another, or the test above shows nothing. */
static void test_drop_path_drops(void **state)
{
    (void)state;
    const ssfer_vit_config config = vit_case_config(0.6f);
    vit_case c;
    vit_case_open(&c, SSFER_BACKEND_REF, 1, &config, 5);
    ssfer_stack_draw_drop_path(&c.acts.stack, 5, 7, 2, 3, 0, 0);
    for (size_t branch = 0; branch < 2 * config.depth; branch++) {
        size_t dropped = 0;
        for (size_t b = 0; b < 5; b++)
            dropped += c.acts.stack.drop[branch * 5 + b] == 0.0f;
        assert_true(branch < 2 ? dropped == 0 : dropped > 0 && dropped < 5);
    }
    vit_case_close(&c);
}

/* |got - want| <= relative * (largest |want| of the parameter), element by element. */
static void check_same_gradients(const ssfer_param_table *table, const float *got, const float *want, double relative,
                                 const char *what)
{
    for (size_t i = 0; i < table->count; i++) {
        const ssfer_param *p = &table->items[i];
        double largest = 0.0;
        for (size_t k = 0; k < p->count; k++)
            largest = fmax(largest, fabs((double)want[p->offset + k]));
        for (size_t k = 0; k < p->count; k++) {
            const double error = fabs((double)got[p->offset + k] - (double)want[p->offset + k]);
            worst = fmax(worst, largest > 0 ? error / largest : 0);
            if (!(error <= relative * largest))
                fail_msg("%s: %s[%zu]: %.9g instead of %.9g", what, p->name, k, (double)got[p->offset + k],
                         (double)want[p->offset + k]);
        }
    }
    for (size_t i = 0; i < table->count; i++) { /* padding stays zero in every block */
        const ssfer_param *p = &table->items[i];
        const size_t end = i + 1 < table->count ? p[1].offset : table->block_floats;
        for (size_t k = p->offset + p->count; k < end; k++)
            assert_true(got[k] == 0.0f && want[k] == 0.0f);
    }
}

/* The key part of a qkv bias has no gradient in exact arithmetic (a softmax does not see it), so what is left there is
 * rounding; its size is compared with that of the whole bias, which check_same_gradients does. 3e-6: some 20 roundings
 * of 2^-24 on the way down and up again. Measured below 1e-6. */
#define ROUNDING 3e-6

static void test_first_only_changes_nothing(void **state)
{
    (void)state;
    for (int drop = 0; drop < 2; drop++) {
        const ssfer_vit_config config = vit_case_config(drop ? 0.6f : 0.0f);
        vit_case all, first;
        vit_case_open(&all, SSFER_BACKEND_REF, 1, &config, 4);
        vit_case_open(&first, SSFER_BACKEND_REF, 1, &config, 4);
        ssfer_stack_draw_drop_path(&all.acts.stack, 4, 7, 2, 3, 0, 0);
        ssfer_stack_draw_drop_path(&first.acts.stack, 4, 7, 2, 3, 0, 0);
        vit_case_gradients(&all, 0, &(ssfer_stack_call){.batch = 4, .drop = drop});
        vit_case_gradients(&first, 0, &(ssfer_stack_call){.batch = 4, .drop = drop, .first_only = true});
        worst = 0.0;
        check_same_gradients(&all.vit.table, first.grads, all.grads, ROUNDING, "first tokens only");
        if (getenv("VERBOSE"))
            printf("first only: worst %.2e\n", worst);
        vit_case_close(&all);
        vit_case_close(&first);
    }
}

/* Micro-batches, each with the mean of its own losses, averaged as the training loop does: the gradient of one large
 * batch. The activations are planned for more pictures than the last micro-batch has. */
static void test_accumulation_is_a_larger_batch(void **state)
{
    (void)state;
    const ssfer_vit_config config = vit_case_config(0.0f);
    vit_case whole, parts;
    vit_case_open(&whole, SSFER_BACKEND_REF, 1, &config, 6);
    vit_case_open(&parts, SSFER_BACKEND_REF, 1, &config, 6);
    const ssfer_stack_call six = {.batch = 6, .first_only = true}, two = {.batch = 2, .first_only = true};
    vit_case_gradients(&whole, 0, &six);
    for (size_t b = 0; b < 6; b++)
        parts.weights[b] = 0.5f; /* of a micro-batch of two */
    for (size_t first = 0; first < 6; first += 2)
        vit_case_gradients(&parts, first, &two);
    for (size_t i = 0; i < parts.vit.table.block_floats; i++)
        parts.grads[i] /= 3.0f;
    check_same_gradients(&whole.vit.table, parts.grads, whole.grads, ROUNDING, "accumulated");
    vit_case_close(&whole);
    vit_case_close(&parts);
}

/* A second backward pass adds. */
static void test_gradients_are_added(void **state)
{
    (void)state;
    const ssfer_vit_config config = vit_case_config(0.0f);
    const ssfer_stack_call call = {.batch = 3, .first_only = true};
    vit_case once, twice;
    vit_case_open(&once, SSFER_BACKEND_REF, 1, &config, 3);
    vit_case_open(&twice, SSFER_BACKEND_REF, 1, &config, 3);
    vit_case_gradients(&once, 0, &call);
    vit_case_gradients(&twice, 0, &call);
    vit_case_gradients(&twice, 0, &call);
    for (size_t i = 0; i < once.vit.table.block_floats; i++)
        once.grads[i] *= 2.0f;
    check_same_gradients(&once.vit.table, twice.grads, once.grads, ROUNDING, "added");
    vit_case_close(&once);
    vit_case_close(&twice);
}

/* The fast kernels against the reference, over the whole network: 3 blocks of some ten operations each, whose own
 * differences are some 2^-24 each (test_backends.c). Measured below 2e-6. */
static void test_cpu_is_the_reference(void **state)
{
    (void)state;
    const ssfer_vit_config config = vit_case_config(0.4f);
    vit_case ref;
    vit_case_open(&ref, SSFER_BACKEND_REF, 1, &config, 5);
    for (size_t threads = 1; threads <= 2; threads++)
        for (int first_only = 0; first_only < 2; first_only++) {
            const ssfer_stack_call call = {.batch = 5, .drop = true, .first_only = first_only};
            vit_case cpu;
            vit_case_open(&cpu, SSFER_BACKEND_CPU, threads, &config, 5);
            ssfer_stack_draw_drop_path(&ref.acts.stack, 5, 7, 2, 3, 0, 0);
            ssfer_stack_draw_drop_path(&cpu.acts.stack, 5, 7, 2, 3, 0, 0);
            vit_case_clear(&ref);
            vit_case_gradients(&ref, 0, &call);
            vit_case_gradients(&cpu, 0, &call);
            worst = 0.0;
            check_same_gradients(&ref.vit.table, cpu.grads, ref.grads, 1e-5, "CPU");
            if (getenv("VERBOSE"))
                printf("cpu, %zu threads: worst %.2e\n", threads, worst);
            for (size_t b = 0; b < 5; b++)
                assert_true(fabs((double)cpu.losses[b] - (double)ref.losses[b]) <= 3e-6);
            vit_case_close(&cpu);
        }
    vit_case_close(&ref);
}

/* Gradients do not depend on what the buffers held: a pass over other pictures in between changes no bit. */
static void test_no_memory_of_earlier_steps(void **state)
{
    (void)state;
    const ssfer_vit_config config = vit_case_config(0.4f);
    const ssfer_stack_call call = {.batch = 3, .drop = true, .first_only = true};
    vit_case fresh, used;
    vit_case_open(&fresh, SSFER_BACKEND_CPU, 2, &config, 6);
    vit_case_open(&used, SSFER_BACKEND_CPU, 2, &config, 6);
    ssfer_stack_draw_drop_path(&used.acts.stack, 6, 1, 2, 3, 0, 0);
    vit_case_gradients(&used, 0, &(ssfer_stack_call){.batch = 6, .drop = true});
    vit_case_clear(&used);
    ssfer_stack_draw_drop_path(&used.acts.stack, 3, 7, 2, 3, 0, 0);
    ssfer_stack_draw_drop_path(&fresh.acts.stack, 3, 7, 2, 3, 0, 0);
    vit_case_gradients(&used, 2, &call);
    vit_case_gradients(&fresh, 2, &call);
    assert_memory_equal(used.grads, fresh.grads, fresh.vit.table.block_floats * sizeof *fresh.grads);
    vit_case_close(&fresh);
    vit_case_close(&used);
}

/* Inference, which keeps nothing, and every way to ask for the logits give the same ones. */
static void test_forward_modes_agree(void **state)
{
    (void)state;
    const ssfer_vit_config config = vit_case_config(0.4f);
    vit_case c;
    ssfer_vit_acts lean;
    vit_case_open(&c, SSFER_BACKEND_REF, 1, &config, 3);
    CALL(ssfer_vit_acts_init(&lean, c.cx, &c.vit, 3, false, err));
    CALL(ssfer_vit_forward(c.cx, c.params, &c.acts, c.images, &(ssfer_stack_call){.batch = 3}));
    for (int first_only = 0; first_only < 2; first_only++)
        for (int drop = 0; drop < 2; drop++) { /* inference drops nothing, whatever the call says */
            const ssfer_stack_call call = {.batch = 3, .drop = drop, .first_only = first_only};
            CALL(ssfer_vit_forward(c.cx, c.params, &lean, c.images, &call));
            for (size_t i = 0; i < 3 * config.classes; i++)
                assert_true(fabs((double)lean.logits[i] - (double)c.acts.logits[i]) <= 2e-6);
        }
    ssfer_vit_acts_deinit(&lean);
    vit_case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_differences_with_drop_path),
        cmocka_unit_test(test_drop_path_drops),
        cmocka_unit_test(test_first_only_changes_nothing),
        cmocka_unit_test(test_accumulation_is_a_larger_batch),
        cmocka_unit_test(test_gradients_are_added),
        cmocka_unit_test(test_cpu_is_the_reference),
        cmocka_unit_test(test_no_memory_of_earlier_steps),
        cmocka_unit_test(test_forward_modes_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
