/* The auxiliary balanced classifier: masks against their chances, the model with two heads and without, and the loss of
 * both heads with its gradient through the whole network. */
#include "train/abc.h"
#include "train/semi_loss.h"

#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { K = 3, B = 4, DRAWS = 4000 };

static void close_to(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%.10g, wanted %.10g", got, want);
}

static ssfer_rng stream(uint64_t number)
{
    return ssfer_rng_stream(11, 3, 0, number, SSFER_RNG_TEST);
}

static const double PRIOR[K] = {0.5, 0.125, 0.375}; /* n_min / n_k: 1/4, 1, 1/3 */

typedef struct bench {
    ssfer_vit vit;
    float *params;
    ssfer_abc abc;
} bench;

static void make(bench *b, bool balanced)
{
    const ssfer_vit_config config = {.image_size = 8,
                                     .patch_size = 4,
                                     .channels = 3,
                                     .embed_dim = 8,
                                     .depth = 2,
                                     .heads = 2,
                                     .hidden = 16,
                                     .classes = K,
                                     .eps = 1e-6f};
    ssfer_rng rng = stream(1);
    assert_int_equal(ssfer_vit_init(&b->vit, &config, NULL), SSFER_OK);
    assert_int_equal(ssfer_params_alloc(&b->params, &b->vit.table, NULL), SSFER_OK);
    ssfer_vit_init_params(b->params, &b->vit, 5);
    for (size_t i = 0; i < K * config.embed_dim; i++) /* a head that has learned something */
        b->params[b->vit.head_w + i] = (float)ssfer_rng_range(&rng, -1, 1);
    for (size_t i = 0; i < 5 * config.embed_dim; i++) /* a class token of nearly nothing is all slope */
        b->params[b->vit.pos + i] = (float)ssfer_rng_range(&rng, -1, 1);
    for (size_t k = 0; k < K; k++)
        b->params[b->vit.head_b + k] = (float)ssfer_rng_range(&rng, -1, 1);
    assert_int_equal(ssfer_abc_init(&b->abc, &b->vit, b->params, PRIOR, balanced, B, B, NULL), SSFER_OK);
}

static void drop(bench *b)
{
    ssfer_abc_deinit(&b->abc);
    ssfer_free(b->params);
    ssfer_vit_deinit(&b->vit);
}

/* ---- masks ------------------------------------------------------------------------------------------------------- */

/* Shares of 4000 draws a class: their deviation is below 0.008, four of which are allowed. */
static void test_labeled_masks(void **state)
{
    (void)state;
    for (int balanced = 0; balanced < 2; balanced++) {
        bench b;
        make(&b, balanced);
        const int32_t labels[B] = {0, 1, 2, 0};
        double marks[B] = {0};
        ssfer_rng rng = stream(2);
        for (size_t i = 0; i < DRAWS; i++) {
            ssfer_abc_mark_labeled(&b.abc, labels, B, &rng);
            for (size_t j = 0; j < B; j++) {
                assert_true(b.abc.marks[j] == 0.0f || b.abc.marks[j] == 1.0f / B);
                marks[j] += (double)b.abc.marks[j] * B / DRAWS;
            }
        }
        const double want[B] = {0.25, 1, 1.0 / 3, 0.25};
        for (size_t j = 0; j < B; j++)
            close_to(marks[j], balanced ? 1.0 : want[j], 0.032);
        drop(&b);
    }
}

/* At the start all sure pictures count, at the end as many as of labeled ones; unsure ones never. Targets are soft. */
static void test_unlabeled_masks(void **state)
{
    (void)state;
    const double times[] = {0.0, 0.5, 1.0};
    for (size_t t = 0; t < 3; t++) {
        bench b;
        make(&b, true); /* which is about labeled pictures */
        const double q[B * K] = {0.8, 0.1, 0.1, 0.1, 0.8, 0.1, 0.1, 0.1, 0.8, 0.6, 0.3, 0.1};
        double kept[B] = {0};
        ssfer_rng rng = stream(3 + t);
        for (size_t i = 0; i < DRAWS; i++) {
            for (size_t j = 0; j < B * K; j++)
                b.abc.targets[j] = (float)log(q[j]);
            ssfer_abc_judge_unlabeled(&b.abc, 0.7, times[t], B, &rng);
            for (size_t j = 0; j < B; j++) {
                assert_true(b.abc.weights[j] == 0.0f || b.abc.weights[j] == 1.0f);
                kept[j] += (double)b.abc.weights[j] / DRAWS;
            }
        }
        for (size_t j = 0; j < B * K; j++)
            close_to((double)b.abc.targets[j], q[j], 1e-6); /* f32 logits */
        const double least[K] = {0.25, 1, 1.0 / 3};
        for (size_t k = 0; k < K; k++)
            close_to(kept[k], 1 - times[t] * (1 - least[k]), 0.032);
        close_to(kept[3], 0, 0);
        drop(&b);
    }
}

/* Blended pictures by the formulas, and a masked-out one (the second, the only one of class 1) teaches nothing. */
static void test_mix(void **state)
{
    (void)state;
    const float q[B * K] = {0.75f, 0, 0.25f, 0, 1, 0, 0.5f, 0, 0.5f, 0, 0, 1}, masks[B] = {1, 0, 1, 0},
                      confidence[B] = {0.9f, 0.8f, 0.6f, 0.5f};
    bench b;
    make(&b, true);
    for (uint64_t number = 0; number < 20; number++) {
        ssfer_pseudo_mixup m;
        ssfer_rng rng = stream(40 + number);
        assert_int_equal(ssfer_pseudo_mixup_init(&m, B, K, NULL), SSFER_OK);
        ssfer_pseudo_mixup_draw(&m, confidence, &rng);
        memcpy(b.abc.targets, q, sizeof q);
        memcpy(b.abc.weights, masks, sizeof masks);
        ssfer_abc_mix(&b.abc, &m);
        for (size_t i = 0; i < B; i++) {
            const size_t j = m.partner[i];
            const double own = (double)m.lambda[i] * (double)masks[i],
                         other = (1 - (double)m.lambda[i]) * (double)masks[j];
            close_to((double)b.abc.weights[i], own + other, 1e-6); /* f32 */
            for (size_t k = 0; k < K && own + other > 0; k++)
                close_to((double)b.abc.targets[i * K + k],
                         (own * (double)q[i * K + k] + other * (double)q[j * K + k]) / (own + other), 1e-6);
            assert_true(b.abc.weights[i] == 0.0f || b.abc.targets[i * K + 1] == 0.0f);
        }
        ssfer_pseudo_mixup_deinit(&m);
    }
    drop(&b);
}

/* ---- one model and the other ------------------------------------------------------------------------------------- */

/* Both heads start as Stage II's; what is made of them later has the second one and all else. */
static void test_two_heads(void **state)
{
    (void)state;
    bench b;
    make(&b, false);
    const size_t floats = b.vit.table.block_floats, C = b.vit.config.embed_dim;
    float *back;
    assert_int_equal(b.abc.vit.config.classes, 2 * K);
    assert_int_equal(ssfer_params_alloc(&back, &b.vit.table, NULL), SSFER_OK);
    ssfer_abc_narrow(&b.abc, back, b.abc.params);
    assert_memory_equal(back, b.params, floats * sizeof *back);
    for (size_t i = 0; i < K * C; i++)
        assert_true(b.abc.params[b.abc.vit.head_w + i] == b.params[b.vit.head_w + i]);
    for (size_t i = 0; i < K; i++)
        b.abc.params[b.abc.vit.head_b + i] = 50.0f; /* of the first: does not matter */
    b.abc.params[b.abc.vit.head_b + K + 1] = 60.0f;
    b.abc.params[b.abc.vit.head_w + (K + 2) * C] = 70.0f;
    b.abc.params[b.abc.vit.pos] = 80.0f;
    ssfer_abc_narrow(&b.abc, back, b.abc.params);
    assert_true(back[b.vit.head_b] == b.params[b.vit.head_b] && back[b.vit.head_b + 1] == 60.0f);
    assert_true(back[b.vit.head_w + 2 * C] == 70.0f && back[b.vit.pos] == 80.0f);
    ssfer_free(back);
    drop(&b);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    bench b;
    make(&b, false);
    for (size_t n = 1; n <= 5; n++) {
        ssfer_abc abc;
        ssfer_semi_loss loss;
        ssfer_memory_fail_at(n);
        assert_int_equal(ssfer_abc_init(&abc, &b.vit, b.params, PRIOR, false, B, B, NULL), SSFER_ERR_MEMORY);
        ssfer_memory_fail_at(n);
        assert_int_equal(ssfer_semi_loss_init(&loss, B, K, 2 * K, NULL), SSFER_ERR_MEMORY);
        ssfer_memory_fail_at(0);
        ssfer_abc_deinit(&abc);
        ssfer_semi_loss_deinit(&loss);
    }
    drop(&b);
}

/* ---- the loss ---------------------------------------------------------------------------------------------------- */

static const float TARGETS[B * K] = {1, 0, 0, 0, 0.75f, 0.25f, 0, 0, 1, 0.5f, 0.5f, 0},
                               AUX_TARGETS[B * K] = {0.6f, 0.2f, 0.2f, 0, 1, 0, 0.1f, 0.1f, 0.8f, 0, 0, 1},
                               WEIGHTS[B] = {0.5f, 0, 0.25f, 1}, AUX_WEIGHTS[B] = {0, 0.75f, 0.25f, 0};
static const ssfer_lesson LESSON = {TARGETS, WEIGHTS, AUX_TARGETS, AUX_WEIGHTS, B};

static double cross_entropy(const float *z, const float *adjustment, const float *target)
{
    double sum = 0, loss = 0;
    for (size_t k = 0; k < K; k++)
        sum += exp((double)z[k] + (double)adjustment[k]);
    for (size_t k = 0; k < K; k++)
        loss -= (double)target[k] * ((double)z[k] + (double)adjustment[k] - log(sum));
    return loss;
}

/* FreeMatch's term sees the pictures that count for the first head, without the adjustment. */
static void test_loss(void **state)
{
    (void)state;
    ssfer_compute *cx;
    ssfer_semi_loss l;
    ssfer_select select;
    const float none[K] = {0};
    float z[B * 2 * K], chosen[3 * K], term[3 * K] = {0};
    double values[2], want[2] = {0};
    ssfer_rng rng = stream(9);
    for (size_t i = 0; i < B * 2 * K; i++)
        z[i] = (float)ssfer_rng_range(&rng, -2, 2);
    assert_int_equal(ssfer_compute_create(&cx, SSFER_BACKEND_CPU, SSFER_PRECISION_FP32, 1, NULL), SSFER_OK);
    assert_int_equal(ssfer_semi_loss_init(&l, B, K, 2 * K, NULL), SSFER_OK);
    assert_int_equal(
        ssfer_select_init(&select, &SSFER_SELECT_FREEMATCH, &(ssfer_select_options){.momentum = 0.9}, K, B, NULL),
        SSFER_OK);
    for (size_t k = 0; k < K; k++)
        l.adjustment[k] = (float)log(PRIOR[k]);
    for (size_t b = 0; b < B; b++) {
        want[0] += (double)WEIGHTS[b] * cross_entropy(z + b * 2 * K, l.adjustment, TARGETS + b * K);
        want[1] += (double)AUX_WEIGHTS[b] * cross_entropy(z + b * 2 * K + K, none, AUX_TARGETS + b * K);
    }
    assert_int_equal(ssfer_semi_loss_compute(cx, &l, values, z, &LESSON, NULL, 0.0), SSFER_OK);
    close_to(values[0], want[0], 1e-6); /* f32 losses */
    close_to(values[1], want[1], 1e-6);
    float without[B * 2 * K];
    memcpy(without, l.dlogits, sizeof without);
    for (size_t i = 0, row = 0; i < B; i++)
        if (WEIGHTS[i] > 0.0f)
            memcpy(chosen + K * row++, z + i * 2 * K, K * sizeof *z);
    select.method->extra_loss(&select, term, chosen, 3, 3 * 0.5);
    assert_int_equal(ssfer_semi_loss_compute(cx, &l, values, z, &LESSON, &select, 0.5), SSFER_OK);
    close_to(values[0], want[0], 1e-6);
    for (size_t i = 0, row = 0; i < B; i++) {
        const float *extra = WEIGHTS[i] > 0.0f ? term + K * row++ : none;
        for (size_t k = 0; k < 2 * K; k++)
            close_to((double)l.dlogits[i * 2 * K + k],
                     (double)without[i * 2 * K + k] + (k < K ? (double)extra[k] : 0.0), 1e-7);
    }
    ssfer_select_deinit(&select);
    ssfer_semi_loss_deinit(&l);
    ssfer_compute_destroy(cx);
}

/* Every parameter of the network with both heads against central differences of the sum of both losses. A step of 0.01
 * leaves rounding (f32 losses of about 1) and truncation, measured as 1e-4 at most; 1e-3 leaves room. */
static void test_gradients(void **state)
{
    (void)state;
    bench b;
    make(&b, false);
    const ssfer_vit *vit = &b.abc.vit;
    const ssfer_stack_call call = {.batch = B, .first_only = true};
    ssfer_compute *cx;
    ssfer_semi_loss l;
    ssfer_vit_acts acts;
    float images[B * 3 * 8 * 8], *grads, *p = b.abc.params;
    double values[2], largest[2] = {0};
    ssfer_rng rng = stream(21);
    for (size_t i = 0; i < sizeof images / sizeof *images; i++)
        images[i] = (float)ssfer_rng_normal(&rng);
    assert_int_equal(ssfer_compute_create(&cx, SSFER_BACKEND_CPU, SSFER_PRECISION_FP32, 1, NULL), SSFER_OK);
    assert_int_equal(ssfer_semi_loss_init(&l, B, K, 2 * K, NULL), SSFER_OK);
    assert_int_equal(ssfer_vit_acts_init(&acts, cx, vit, B, true, NULL), SSFER_OK);
    assert_int_equal(ssfer_params_alloc(&grads, &vit->table, NULL), SSFER_OK);
    assert_int_equal(ssfer_vit_forward(cx, p, &acts, images, &call), SSFER_OK);
    assert_int_equal(ssfer_semi_loss_compute(cx, &l, values, acts.logits, &LESSON, NULL, 0.0), SSFER_OK);
    assert_int_equal(ssfer_vit_backward(cx, p, grads, &acts, l.dlogits, &call), SSFER_OK);
    for (size_t i = 0; i < vit->table.count; i++)
        for (size_t j = 0; j < vit->table.items[i].count; j++) {
            const size_t at = vit->table.items[i].offset + j;
            const float middle = p[at], step = 0.01f;
            double losses[2];
            for (int side = 0; side < 2; side++) {
                p[at] = side ? middle + step : middle - step;
                assert_int_equal(ssfer_vit_forward(cx, p, &acts, images, &call), SSFER_OK);
                assert_int_equal(ssfer_semi_loss_compute(cx, &l, values, acts.logits, &LESSON, NULL, 0.0), SSFER_OK);
                losses[side] = values[0] + values[1];
            }
            p[at] = middle;
            close_to((double)grads[at], (losses[1] - losses[0]) / (2 * (double)step), 1e-3);
            const int encoder = at < vit->head_w;
            largest[encoder] = fmax(largest[encoder], fabs((double)grads[at]));
        }
    assert_true(largest[0] > 0.05 && largest[1] > 0.05); /* else the comparison would say nothing */
    ssfer_free(grads);
    ssfer_vit_acts_deinit(&acts);
    ssfer_semi_loss_deinit(&l);
    ssfer_compute_destroy(cx);
    drop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_labeled_masks), cmocka_unit_test(test_unlabeled_masks),
                                       cmocka_unit_test(test_mix),           cmocka_unit_test(test_two_heads),
                                       cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_loss),
                                       cmocka_unit_test(test_gradients)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
