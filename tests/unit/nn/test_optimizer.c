/* AdamW over a block: which parameters get which rate and decay, clipping, EMA, what a bad gradient does, and that a
 * stored optimizer goes on as if it had never stopped. The arithmetic itself is compared with PyTorch in
 * tests/unit/compute/test_golden.c and tests/unit/models/test_vit_golden.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "nn/optimizer.h"
#include "nn/schedule.h"

#include <math.h>
#include <string.h>

/* A spared token and embeddings (layer 0), one block (1), norm and head (2), and a frozen table in between. */
enum { TOKEN, EMBED_W, EMBED_B, FIXED, BLOCK_W, BLOCK_B, NORM, HEAD_W, HEAD_B, COUNT };

typedef struct optimizer_case {
    ssfer_compute *cx;
    ssfer_param_table table;
    ssfer_optimizer optimizer;
    float *params, *grads, *before;
} optimizer_case;

static void make_table(ssfer_param_table *t)
{
    *t = (ssfer_param_table){.spared = true};
    ssfer_params_add(t, SSFER_INIT_NORMAL, 1, (size_t[]){1, 1, 4}, 3, "token");
    t->spared = false;
    ssfer_params_add(t, SSFER_INIT_NORMAL, 1, (size_t[]){4, 3, 2, 2}, 4, "embed.weight");
    ssfer_params_add(t, SSFER_INIT_NORMAL, 1, (size_t[]){4}, 1, "embed.bias");
    ssfer_params_add(t, SSFER_INIT_NORMAL, 1, (size_t[]){1, 5, 4}, 3, "fixed");
    t->items[FIXED].frozen = true;
    t->layer = 1;
    ssfer_params_add(t, SSFER_INIT_NORMAL, 1, (size_t[]){5, 4}, 2, "block.weight");
    ssfer_params_add(t, SSFER_INIT_NORMAL, 1, (size_t[]){5}, 1, "block.bias");
    t->layer = 2;
    ssfer_params_add(t, SSFER_INIT_NORMAL, 1, (size_t[]){4}, 1, "norm.weight");
    ssfer_params_add(t, SSFER_INIT_NORMAL, 1, (size_t[]){3, 4}, 2, "head.weight");
    ssfer_params_add(t, SSFER_INIT_NORMAL, 1, (size_t[]){3}, 1, "head.bias");
    assert_int_equal(t->count, COUNT);
    assert_int_equal(ssfer_params_finish(t, NULL), SSFER_OK);
}

static void fill_gradients(optimizer_case *c, uint64_t seed)
{
    for (size_t i = 0; i < c->table.count; i++) {
        const ssfer_param *p = &c->table.items[i];
        ssfer_rng rng = ssfer_rng_stream(seed, 0, 0, i, SSFER_RNG_TEST);
        for (size_t k = 0; k < p->count; k++) /* away from 0, where AdamW's ratio is steep */
            c->grads[p->offset + k] =
                p->frozen ? 0.0f : (float)(ssfer_rng_range(&rng, 0.5, 2.0) * (ssfer_rng_below(&rng, 2) ? 1 : -1));
    }
}

static void open_case(optimizer_case *c, const ssfer_optimizer_options *options)
{
    memset(c, 0, sizeof *c);
    assert_int_equal(ssfer_compute_create(&c->cx, SSFER_BACKEND_REF, SSFER_PRECISION_FP32, 1, NULL), SSFER_OK);
    make_table(&c->table);
    assert_int_equal(ssfer_params_alloc(&c->params, &c->table, NULL), SSFER_OK);
    assert_int_equal(ssfer_params_alloc(&c->grads, &c->table, NULL), SSFER_OK);
    assert_int_equal(ssfer_params_alloc(&c->before, &c->table, NULL), SSFER_OK);
    ssfer_params_init(c->params, &c->table, 3);
    memcpy(c->before, c->params, c->table.block_floats * sizeof *c->params);
    fill_gradients(c, 1);
    assert_int_equal(ssfer_optimizer_init(&c->optimizer, &c->table, options, c->params, NULL), SSFER_OK);
}

static void close_case(optimizer_case *c)
{
    ssfer_optimizer_deinit(&c->optimizer);
    ssfer_free(c->params);
    ssfer_free(c->grads);
    ssfer_free(c->before);
    ssfer_params_deinit(&c->table);
    ssfer_compute_destroy(c->cx);
}

static ssfer_status step(optimizer_case *c, double lr, float grad_scale, double *norm, ssfer_error *err)
{
    return ssfer_optimizer_step(c->cx, &c->optimizer, c->params, c->grads, lr, grad_scale, norm, err);
}

static size_t bytes(const optimizer_case *c)
{
    return c->table.block_floats * sizeof *c->params;
}

/* The first update from a gradient that is not small: the bias-corrected ratio is the sign, so
 * p = before * (1 - rate * decay) - rate * sign(gradient), but for eps/|g| = 2e-8 of the rate and a rounding of p. */
static void check_first_step(const optimizer_case *c, size_t index, double rate, double decay)
{
    const ssfer_param *p = &c->table.items[index];
    for (size_t k = p->offset; k < p->offset + p->count; k++) {
        const double want = (double)c->before[k] * (1.0 - rate * decay) - copysign(rate, (double)c->grads[k]);
        if (!(fabs((double)c->params[k] - want) <= 3e-7 + 1e-6 * rate))
            fail_msg("%s[%zu]: %.9g, not %.9g", p->name, k - p->offset, (double)c->params[k], want);
    }
}

static void check_unchanged(const optimizer_case *c, size_t index)
{
    const ssfer_param *p = &c->table.items[index];
    assert_memory_equal(c->params + p->offset, c->before + p->offset, p->count * sizeof *c->params);
}

/* ---- rates and decay --------------------------------------------------------------------------------------------- */

static void test_defaults(void **state)
{
    (void)state;
    const ssfer_optimizer_options o = ssfer_optimizer_defaults();
    assert_true(o.beta1 == 0.9f && o.beta2 == 0.95f && o.eps == 1e-8f && o.weight_decay == 0.05f && o.decay_all);
    assert_true(o.layer_decay == 1.0f && o.clip_grad == 0.0f && o.ema_decay == 0.999f && o.ema_warmup);
}

static void test_all_decay_alike(void **state)
{
    (void)state;
    ssfer_optimizer_options o = ssfer_optimizer_defaults();
    optimizer_case c;
    o.weight_decay = 0.5f;
    open_case(&c, &o);
    assert_int_equal(c.optimizer.range_count, 2); /* what lies on both sides of the frozen one */
    assert_int_equal(step(&c, 0.01, 1.0f, NULL, NULL), SSFER_OK);
    for (size_t i = 0; i < COUNT; i++)
        if (i == FIXED)
            check_unchanged(&c, i);
        else
            check_first_step(&c, i, 0.01, 0.5);
    close_case(&c);
}

/* Biases, norms and spared tokens do not decay; the convolution that embeds patches does. */
static void test_only_matrices_decay(void **state)
{
    (void)state;
    ssfer_optimizer_options o = ssfer_optimizer_defaults();
    optimizer_case c;
    o.weight_decay = 0.5f;
    o.decay_all = false;
    open_case(&c, &o);
    assert_int_equal(step(&c, 0.01, 1.0f, NULL, NULL), SSFER_OK);
    for (size_t i = 0; i < COUNT; i++)
        if (i != FIXED)
            check_first_step(&c, i, 0.01, i == EMBED_W || i == BLOCK_W || i == HEAD_W ? 0.5 : 0.0);
    check_unchanged(&c, FIXED);
    close_case(&c);
}

/* rate * decay^(deepest - layer), as timm's and BEiT's layer decay; weight decay goes with the rate. */
static void test_layer_decay(void **state)
{
    (void)state;
    static const double share[COUNT] = {0.25, 0.25, 0.25, 0, 0.5, 0.5, 1, 1, 1};
    ssfer_optimizer_options o = ssfer_optimizer_defaults();
    optimizer_case c;
    o.layer_decay = 0.5f;
    open_case(&c, &o);
    assert_int_equal(c.optimizer.range_count, 3);
    assert_int_equal(step(&c, 0.02, 1.0f, NULL, NULL), SSFER_OK);
    for (size_t i = 0; i < COUNT; i++)
        if (i != FIXED)
            check_first_step(&c, i, 0.02 * share[i], 0.05);
    check_unchanged(&c, FIXED);
    close_case(&c);
}

/* A range never reaches over a parameter that is not its own, and together they cover all that is trained. */
static void test_ranges(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        ssfer_optimizer_options o = ssfer_optimizer_defaults();
        optimizer_case c;
        o.decay_all = variant & 1;
        o.layer_decay = variant & 2 ? 0.75f : 1.0f;
        open_case(&c, &o);
        for (size_t i = 0; i < COUNT; i++) {
            const ssfer_param *p = &c.table.items[i];
            size_t times = 0;
            for (size_t r = 0; r < c.optimizer.range_count; r++) {
                const size_t start = c.optimizer.ranges[r].offset, end = start + c.optimizer.ranges[r].count;
                const bool inside = p->offset >= start && p->offset + p->count <= end;
                assert_true(inside || p->offset + p->count <= start || p->offset >= end);
                times += inside;
            }
            assert_int_equal(times, i != FIXED);
        }
        close_case(&c);
    }
}

/* ---- clipping ---------------------------------------------------------------------------------------------------- */

static double length(const optimizer_case *c)
{
    double sum = 0.0;
    for (size_t i = 0; i < c->table.block_floats; i++)
        sum += (double)c->grads[i] * (double)c->grads[i];
    return sqrt(sum);
}

/* What the moments received is the gradient times scale times the clipping factor: exp_avg = 0.1 of it after one step.
 */
static void check_received(const optimizer_case *c, double factor)
{
    for (size_t i = 0; i < c->table.block_floats; i++) {
        const double want = 0.1 * factor * (double)c->grads[i];
        assert_true(fabs((double)c->optimizer.exp_avg[i] - want) <= 1e-6 * fabs(want));
        const double square = 0.05 * factor * factor * (double)c->grads[i] * (double)c->grads[i];
        assert_true(fabs((double)c->optimizer.exp_avg_sq[i] - square) <= 1e-5 * square);
    }
}

static void test_clipping(void **state)
{
    (void)state;
    static const float limits[] = {0.0f, 1e9f, 0.5f}; /* off; not reached; reached */
    for (size_t i = 0; i < 3; i++) {
        ssfer_optimizer_options o = ssfer_optimizer_defaults();
        optimizer_case c;
        double norm = -1;
        o.clip_grad = limits[i];
        open_case(&c, &o);
        assert_int_equal(step(&c, 0.01, 0.25f, &norm, NULL), SSFER_OK);
        assert_true(fabs(norm / (0.25 * length(&c)) - 1) < 1e-6); /* as it was before clipping */
        check_received(&c, i == 2 ? 0.5 / length(&c) : 0.25);
        close_case(&c);
    }
}

/* ---- EMA --------------------------------------------------------------------------------------------------------- */

static void check_ema(bool warmup, float decay)
{
    ssfer_optimizer_options o = ssfer_optimizer_defaults();
    optimizer_case c;
    double *want;
    o.ema_decay = decay;
    o.ema_warmup = warmup;
    open_case(&c, &o);
    want = ssfer_calloc(c.table.block_floats, sizeof *want);
    assert_non_null(want);
    assert_memory_equal(c.optimizer.ema, c.params, bytes(&c)); /* starts as a copy */
    for (size_t i = 0; i < c.table.block_floats; i++)
        want[i] = (double)c.params[i];
    for (size_t t = 1; t <= 30; t++) {
        fill_gradients(&c, t);
        assert_int_equal(step(&c, 0.05, 1.0f, NULL, NULL), SSFER_OK);
        assert_int_equal(c.optimizer.updates, t);
        /* The decay of update t, the first being number 1: (1 + t) / (10 + t) until that reaches the decay. */
        const double d = warmup ? fmin((double)decay, (1.0 + (double)t) / (10.0 + (double)t)) : (double)decay;
        for (size_t i = 0; i < c.table.block_floats; i++)
            want[i] = d * want[i] + (1 - d) * (double)c.params[i];
        for (size_t i = 0; i < c.table.block_floats; i++)
            assert_true(fabs((double)c.optimizer.ema[i] - want[i]) <= 1e-6 * (1 + fabs(want[i])));
    }
    const ssfer_param *fixed = &c.table.items[FIXED]; /* an average of equals, rounded 30 times, need not be equal */
    assert_memory_equal(c.optimizer.ema + fixed->offset, c.before + fixed->offset, fixed->count * sizeof *c.before);
    ssfer_free(want);
    close_case(&c);
}

static void test_ema(void **state)
{
    (void)state;
    check_ema(false, 0.9f);
    check_ema(true, 0.999f);
    check_ema(true, 0.5f); /* the warm-up ends on the way */
}

static void test_without_ema(void **state)
{
    (void)state;
    ssfer_optimizer_options o = ssfer_optimizer_defaults();
    optimizer_case c;
    o.ema_decay = 0.0f;
    open_case(&c, &o);
    assert_null(c.optimizer.ema);
    assert_int_equal(step(&c, 0.01, 1.0f, NULL, NULL), SSFER_OK);
    close_case(&c);
}

/* ---- bad gradients ----------------------------------------------------------------------------------------------- */

static void test_bad_gradient_changes_nothing(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        const ssfer_optimizer_options o = ssfer_optimizer_defaults();
        optimizer_case c, good;
        ssfer_error err = {0};
        double norm = 12.0;
        open_case(&c, &o);
        open_case(&good, &o);
        assert_int_equal(step(&c, 0.01, 1.0f, NULL, NULL), SSFER_OK);
        assert_int_equal(step(&good, 0.01, 1.0f, NULL, NULL), SSFER_OK);
        c.grads[c.table.items[HEAD_B].offset + 2] = bad[i]; /* the last number of all */
        assert_int_equal(step(&c, 0.01, 1.0f, &norm, &err), SSFER_ERR_NUMERIC);
        assert_string_equal(err.message, "the gradient is not finite after 1 updates; try a lower --lr, a longer "
                                         "warm-up or --clip-grad 1");
        assert_true(norm == 12.0);
        assert_int_equal(c.optimizer.updates, 1);
        assert_memory_equal(c.params, good.params, bytes(&c));
        assert_memory_equal(c.optimizer.exp_avg, good.optimizer.exp_avg, bytes(&c));
        assert_memory_equal(c.optimizer.exp_avg_sq, good.optimizer.exp_avg_sq, bytes(&c));
        assert_memory_equal(c.optimizer.ema, good.optimizer.ema, bytes(&c));
        close_case(&c);
        close_case(&good);
    }
}

/* Numbers near the end of float32: their squares are summed in double, so the norm is what it is and clipping works. */
static void test_large_gradient(void **state)
{
    (void)state;
    ssfer_optimizer_options o = ssfer_optimizer_defaults();
    optimizer_case c;
    double norm = 0;
    o.clip_grad = 1.0f;
    open_case(&c, &o);
    for (size_t i = 0; i < c.table.items[EMBED_W].count; i++)
        c.grads[i] = 1e38f;
    assert_int_equal(step(&c, 0.01, 1.0f, &norm, NULL), SSFER_OK);
    assert_true(fabs(norm / (1e38 * sqrt(48)) - 1) < 1e-6);
    for (size_t i = 0; i < c.table.block_floats; i++)
        assert_true(isfinite(c.params[i]));
    close_case(&c);
}

static void test_zero_gradient(void **state)
{
    (void)state;
    ssfer_optimizer_options o = ssfer_optimizer_defaults();
    optimizer_case c;
    double norm = -1;
    o.clip_grad = 1.0f;
    o.weight_decay = 0.0f;
    open_case(&c, &o);
    memset(c.grads, 0, bytes(&c));
    assert_int_equal(step(&c, 0.01, 1.0f, &norm, NULL), SSFER_OK);
    assert_true(norm == 0.0);
    assert_memory_equal(c.params, c.before, bytes(&c));
    close_case(&c);
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

/* Three steps, stored, loaded into a new optimizer, two more: the bits of five steps in a row. */
static void test_store_and_load(void **state)
{
    (void)state;
    const ssfer_optimizer_options o = ssfer_optimizer_defaults();
    optimizer_case whole, first, second;
    ssfer_tensor_set *set;
    open_case(&whole, &o);
    open_case(&first, &o);
    open_case(&second, &o);
    for (size_t t = 0; t < 5; t++) {
        fill_gradients(&whole, t);
        assert_int_equal(step(&whole, 0.01, 1.0f, NULL, NULL), SSFER_OK);
    }
    for (size_t t = 0; t < 3; t++) {
        fill_gradients(&first, t);
        assert_int_equal(step(&first, 0.01, 1.0f, NULL, NULL), SSFER_OK);
    }
    assert_int_equal(ssfer_tensor_set_create(&set, NULL), SSFER_OK);
    assert_int_equal(ssfer_optimizer_store(&first.optimizer, set, NULL), SSFER_OK);
    assert_int_equal(ssfer_tensor_set_count(set), 3 * COUNT);
    assert_non_null(ssfer_tensor_set_find(set, "optimizer.exp_avg.head.bias"));
    assert_non_null(ssfer_tensor_set_find(set, "optimizer.exp_avg_sq.head.bias"));
    assert_non_null(ssfer_tensor_set_find(set, "ema.head.bias"));
    assert_int_equal(ssfer_optimizer_load(&second.optimizer, set, 3, NULL), SSFER_OK);
    memcpy(second.params, first.params, bytes(&first));
    ssfer_tensor_set_destroy(set);
    for (size_t t = 3; t < 5; t++) {
        fill_gradients(&second, t);
        assert_int_equal(step(&second, 0.01, 1.0f, NULL, NULL), SSFER_OK);
    }
    assert_int_equal(second.optimizer.updates, 5);
    assert_memory_equal(second.params, whole.params, bytes(&whole));
    assert_memory_equal(second.optimizer.ema, whole.optimizer.ema, bytes(&whole));
    assert_memory_equal(second.optimizer.exp_avg, whole.optimizer.exp_avg, bytes(&whole));
    close_case(&whole);
    close_case(&first);
    close_case(&second);
}

static void test_load_without_ema(void **state)
{
    (void)state;
    ssfer_optimizer_options o = ssfer_optimizer_defaults();
    optimizer_case with, without;
    ssfer_tensor_set *set;
    ssfer_error err = {0};
    open_case(&with, &o);
    o.ema_decay = 0.0f;
    open_case(&without, &o);
    assert_int_equal(ssfer_tensor_set_create(&set, NULL), SSFER_OK);
    assert_int_equal(ssfer_optimizer_store(&without.optimizer, set, NULL), SSFER_OK);
    assert_int_equal(ssfer_optimizer_load(&with.optimizer, set, 3, &err), SSFER_ERR_SHAPE);
    assert_string_equal(err.message, "no tensor ema.token; the checkpoint is of another model");
    assert_int_equal(with.optimizer.updates, 0);
    ssfer_tensor_set_destroy(set);
    close_case(&with);
    close_case(&without);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void test_out_of_memory(void **state)
{
    (void)state;
    const ssfer_optimizer_options o = ssfer_optimizer_defaults();
    optimizer_case c;
    open_case(&c, &o);
    ssfer_status st = SSFER_ERR_MEMORY;
    size_t n = 0;
    while (st != SSFER_OK) {
        ssfer_optimizer other;
        ssfer_error err = {0};
        ssfer_memory_fail_at(++n);
        st = ssfer_optimizer_init(&other, &c.table, &o, c.params, &err);
        ssfer_memory_fail_at(0);
        assert_true(st == SSFER_OK || (st == SSFER_ERR_MEMORY && *err.message));
        ssfer_optimizer_deinit(&other); /* also of one that failed */
    }
    assert_int_equal(n, 5); /* two moments, EMA, ranges; then it works */
    close_case(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_all_decay_alike),
        cmocka_unit_test(test_only_matrices_decay),
        cmocka_unit_test(test_layer_decay),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_clipping),
        cmocka_unit_test(test_ema),
        cmocka_unit_test(test_without_ema),
        cmocka_unit_test(test_bad_gradient_changes_nothing),
        cmocka_unit_test(test_large_gradient),
        cmocka_unit_test(test_zero_gradient),
        cmocka_unit_test(test_store_and_load),
        cmocka_unit_test(test_load_without_ema),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
