/* The stack of blocks by itself: drop path, the tap, sizes that cannot be, memory that is not there. Its numbers are
 * checked as part of the ViT, in tests/unit/models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "nn/stack.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct stack_case {
    ssfer_compute *cx;
    ssfer_param_table table;
    ssfer_stack stack;
    ssfer_arena arena;
    ssfer_stack_acts acts;
    float *params, *input; /* input (B, N, C) */
} stack_case;

enum { B = 3, N = 4, C = 6 };

static const ssfer_stack_config CONFIG = {
    .width = C, .depth = 4, .heads = 2, .hidden = 10, .eps = 1e-6f, .drop_path = 0.6f};

static void open_case(stack_case *c, const ssfer_stack_config *config, size_t batch, bool training)
{
    ssfer_error err = {0};
    memset(c, 0, sizeof *c);
    assert_int_equal(ssfer_compute_create(&c->cx, SSFER_BACKEND_REF, SSFER_PRECISION_FP32, 1, &err), SSFER_OK);
    assert_int_equal(ssfer_stack_init(&c->stack, config, &c->table, "blocks", &err), SSFER_OK);
    ssfer_stack_add_norm(&c->stack, &c->table, "norm");
    assert_int_equal(ssfer_params_finish(&c->table, &err), SSFER_OK);
    assert_int_equal(ssfer_params_alloc(&c->params, &c->table, &err), SSFER_OK);
    for (size_t i = 0; i < c->table.count; i++) {
        const ssfer_param *p = &c->table.items[i];
        ssfer_rng rng = ssfer_rng_stream(1, 0, 0, i, SSFER_RNG_TEST);
        for (size_t k = 0; k < p->count; k++)
            c->params[p->offset + k] = (float)((p->init == SSFER_INIT_ONE) + 0.4 * ssfer_rng_normal(&rng));
    }
    assert_int_equal(ssfer_stack_acts_plan(&c->acts, c->cx, &c->stack, batch, N, training, &c->arena, &err), SSFER_OK);
    assert_int_equal(ssfer_arena_commit(&c->arena, &err), SSFER_OK);
    ssfer_stack_acts_bind(&c->acts, &c->arena);
    ssfer_rng rng = ssfer_rng_stream(2, 0, 0, 0, SSFER_RNG_TEST);
    c->input = ssfer_calloc(batch * N * C, sizeof *c->input);
    assert_non_null(c->input);
    for (size_t i = 0; i < batch * N * C; i++)
        c->input[i] = (float)ssfer_rng_normal(&rng);
}

static void close_case(stack_case *c)
{
    ssfer_stack_acts_deinit(&c->acts);
    ssfer_arena_deinit(&c->arena);
    ssfer_stack_deinit(&c->stack);
    ssfer_params_deinit(&c->table);
    ssfer_free(c->params);
    ssfer_free(c->input);
    ssfer_compute_destroy(c->cx);
}

static void forward(stack_case *c, const ssfer_stack_call *call)
{
    memcpy(c->acts.blocks[0].x, c->input, call->batch * N * C * sizeof *c->input);
    assert_int_equal(ssfer_stack_forward(c->cx, c->params, &c->acts, call), SSFER_OK);
}

static float *values(const stack_case *c, const char *name)
{
    const ssfer_param *p = ssfer_params_find(&c->table, name);
    assert_non_null(p);
    return c->params + p->offset;
}

/* ---- parameters -------------------------------------------------------------------------------------------------- */

static void test_names_and_layers(void **state)
{
    (void)state;
    static const char *const names[] = {"norm1.weight",     "norm1.bias",     "attn.qkv.weight", "attn.qkv.bias",
                                        "attn.proj.weight", "attn.proj.bias", "norm2.weight",    "norm2.bias",
                                        "mlp.fc1.weight",   "mlp.fc1.bias",   "mlp.fc2.weight",  "mlp.fc2.bias"};
    stack_case c;
    open_case(&c, &CONFIG, B, false);
    assert_int_equal(c.table.count, 4 * 12 + 2);
    for (size_t i = 0; i < c.table.count; i++) {
        char want[64];
        if (i < 48)
            snprintf(want, sizeof want, "blocks.%zu.%s", i / 12, names[i % 12]);
        else
            snprintf(want, sizeof want, "norm.%s", i == 48 ? "weight" : "bias");
        assert_string_equal(c.table.items[i].name, want);
        assert_int_equal(c.table.items[i].layer, i < 48 ? i / 12 + 1 : 5);
    }
    close_case(&c);
}

/* ---- drop path --------------------------------------------------------------------------------------------------- */

/* The rate grows linearly from 0 to drop_path over the blocks (timm), both branches of a block alike; what is kept is
 * made larger, so that the mean stays 1. 4000 draws: within 4 standard errors of the rate, 4 * 0.5 / sqrt(4000). */
static void test_drop_path_rates(void **state)
{
    (void)state;
    enum { MANY = 4000 };
    stack_case c;
    open_case(&c, &CONFIG, MANY, true);
    ssfer_stack_draw_drop_path(&c.acts, MANY, 1, 2, 3, 0, 0);
    for (size_t branch = 0; branch < 8; branch++) {
        const double rate = 0.6 * (double)(branch / 2) / 3;
        size_t dropped = 0;
        for (size_t b = 0; b < MANY; b++) {
            const float factor = c.acts.drop[branch * MANY + b];
            dropped += factor == 0.0f;
            assert_true(factor == 0.0f || fabs((double)factor - 1 / (1 - rate)) < 1e-6);
        }
        assert_true(branch < 2 ? dropped == 0 : fabs((double)dropped / MANY - rate) < 0.032);
    }
    assert_memory_not_equal(c.acts.drop + 6 * MANY, c.acts.drop + 7 * MANY, MANY * sizeof(float));
    close_case(&c);
}

/* A draw is named by (seed, stage, step, micro-batch, part), so a resumed run repeats it, and no two are the same. */
static void test_drop_path_streams(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed;
        uint32_t stage;
        uint64_t step;
        uint32_t micro_batch, part;
    } names[] = {{1, 2, 3, 0, 0},        {1, 2, 3, 1, 0},        {1, 2, 4, 0, 0},       {1, 3, 3, 0, 0},
                 {2, 2, 3, 0, 0},        {1, 2, 3, 0, 1},        {1, 2, 3, 0, 2},       {1, 2, 3, 1, 1},
                 {1, 2, 3, 1u << 16, 0}, {1, 2, 3, 2u << 16, 0}, {1, 2, 3, 1u << 31, 0}};
    enum { DRAWS = sizeof names / sizeof *names };
    static float drawn[DRAWS][8 * 64];
    stack_case c;
    open_case(&c, &CONFIG, 64, true);
    for (size_t i = 0; i < DRAWS; i++) {
        ssfer_stack_draw_drop_path(&c.acts, 64, names[i].seed, names[i].stage, names[i].step, names[i].micro_batch,
                                   names[i].part);
        memcpy(drawn[i], c.acts.drop, sizeof drawn[i]);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(drawn[i], drawn[k], sizeof drawn[i]);
    }
    ssfer_stack_draw_drop_path(&c.acts, 64, 1, 2, 3, 0, 0);
    assert_memory_equal(c.acts.drop, drawn[0], sizeof drawn[0]);
    close_case(&c);
}

static void test_nothing_drops_without_a_draw(void **state)
{
    (void)state;
    stack_case c, inference;
    float plain[B * N * C];
    open_case(&c, &CONFIG, B, true);
    open_case(&inference, &CONFIG, B, false);
    forward(&c, &(ssfer_stack_call){.batch = B});
    memcpy(plain, c.acts.normed, sizeof plain);
    forward(&c, &(ssfer_stack_call){.batch = B, .drop = true});
    assert_memory_equal(c.acts.normed, plain, sizeof plain);
    ssfer_stack_draw_drop_path(&c.acts, B, 1, 2, 3, 0, 0);
    forward(&c, &(ssfer_stack_call){.batch = B}); /* drawn, but not asked for */
    assert_memory_equal(c.acts.normed, plain, sizeof plain);
    assert_null(inference.acts.drop);
    ssfer_stack_draw_drop_path(&inference.acts, B, 1, 2, 3, 0, 0);
    forward(&inference, &(ssfer_stack_call){.batch = B, .drop = true});
    for (size_t i = 0; i < B * N * C; i++)
        assert_true(fabs((double)((const float *)inference.acts.normed)[i] - (double)plain[i]) < 3e-6);
    close_case(&c);
    close_case(&inference);
}

/* Each branch has its own factor, and it belongs to the sample: dropping one branch of block 1 in sample 2 alone is as
 * if that branch's last layer were zero, for that sample. */
static void test_each_branch_has_its_factor(void **state)
{
    (void)state;
    static const char *const last[2][2] = {{"blocks.1.attn.proj.weight", "blocks.1.attn.proj.bias"},
                                           {"blocks.1.mlp.fc2.weight", "blocks.1.mlp.fc2.bias"}};
    for (size_t branch = 0; branch < 2; branch++) {
        stack_case c;
        float kept[B * N * C], without[B * N * C];
        open_case(&c, &CONFIG, B, true);
        forward(&c, &(ssfer_stack_call){.batch = B, .drop = true});
        memcpy(kept, c.acts.normed, sizeof kept);
        c.acts.drop[(2 + branch) * B + 2] = 0.0f;
        forward(&c, &(ssfer_stack_call){.batch = B, .drop = true});
        memcpy(without, c.acts.normed, sizeof without);
        c.acts.drop[(2 + branch) * B + 2] = 1.0f;
        for (size_t i = 0; i < 2; i++)
            memset(values(&c, last[branch][i]), 0, ssfer_params_find(&c.table, last[branch][i])->count * sizeof(float));
        forward(&c, &(ssfer_stack_call){.batch = B, .drop = true});
        const size_t half = 2 * N * C;
        assert_memory_equal(without, kept, half * sizeof(float));
        assert_memory_not_equal(without + half, kept + half, N * C * sizeof(float));
        assert_memory_equal(without + half, (const float *)c.acts.normed + half, N * C * sizeof(float));
        close_case(&c);
    }
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* Keeping inputs only changes no bit of the gradients, drop path and first tokens included, and takes less memory. */
static void test_checkpoint(void **state)
{
    (void)state;
    float grads[2][4096], dx[2][B * N * C];
    size_t bytes[2];
    for (int first_only = 0; first_only < 2; first_only++) {
        for (int i = 0; i < 2; i++) {
            ssfer_stack_config config = CONFIG;
            const ssfer_stack_call call = {.batch = B, .drop = true, .first_only = first_only};
            stack_case c;
            config.checkpoint = i;
            open_case(&c, &config, B, true);
            assert_true(c.table.block_floats <= 4096);
            memset(grads[i], 0, sizeof grads[i]);
            for (uint64_t step = 0; step < 2; step++) { /* the second one meets buffers that are not fresh */
                ssfer_stack_draw_drop_path(&c.acts, B, 1, 2, step, 0, 0);
                forward(&c, &call);
                assert_int_equal(ssfer_stack_backward(c.cx, c.params, grads[i], &c.acts, c.input, &call), SSFER_OK);
            }
            memcpy(dx[i], c.acts.dx, sizeof dx[i]);
            bytes[i] = c.arena.size_bytes;
            close_case(&c);
        }
        assert_memory_equal(grads[0], grads[1], sizeof grads[0]);
        assert_memory_equal(dx[0], dx[1], sizeof dx[0]);
        assert_true(grads[0][0] != 0.0f);
        assert_true(bytes[1] < bytes[0]);
    }
}

/* One block has no linear ramp: timm's is 0 there. */
static void test_drop_path_of_one_block(void **state)
{
    (void)state;
    ssfer_stack_config config = CONFIG;
    stack_case c;
    config.depth = 1;
    open_case(&c, &config, 64, true);
    ssfer_stack_draw_drop_path(&c.acts, 64, 1, 2, 3, 0, 0);
    for (size_t i = 0; i < 2 * 64; i++)
        assert_true(c.acts.drop[i] == 1.0f);
    close_case(&c);
}

/* ---- the tap ----------------------------------------------------------------------------------------------------- */

typedef struct taps {
    size_t count, floats[4];
    float first[4];
} taps;

static void tap(void *user, size_t block, const float *output, size_t count)
{
    taps *t = user;
    assert_int_equal(block, t->count);
    t->floats[t->count] = count;
    t->first[t->count++] = output[0];
}

static void test_tap(void **state)
{
    (void)state;
    for (int training = 0; training < 2; training++)
        for (int first_only = 0; first_only < 2; first_only++) {
            stack_case c;
            taps t = {0};
            open_case(&c, &CONFIG, B, training);
            forward(&c, &(ssfer_stack_call){.batch = 2, .first_only = first_only, .tap = tap, .tap_user = &t});
            assert_int_equal(t.count, 4);
            for (size_t i = 0; i < 4; i++)
                assert_int_equal(t.floats[i], i == 3 && first_only ? 2 * C : 2 * N * C);
            for (size_t i = 0; training && i < 3; i++) /* a block's output is the next one's input */
                assert_true(t.first[i] == c.acts.blocks[i + 1].x[0]);
            assert_true(t.first[3] == c.acts.out[0]);
            close_case(&c);
        }
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

static void test_batches_that_overflow(void **state)
{
    (void)state;
    static const size_t batches[] = {SIZE_MAX / 2, SIZE_MAX / (N * C), SIZE_MAX / 4000};
    stack_case c;
    open_case(&c, &CONFIG, B, false);
    for (size_t i = 0; i < 3; i++) {
        ssfer_stack_acts acts;
        ssfer_arena arena = {0};
        ssfer_error err = {0};
        ssfer_status st = ssfer_stack_acts_plan(&acts, c.cx, &c.stack, batches[i], N, true, &arena, &err);
        if (st == SSFER_OK)
            st = ssfer_arena_commit(&arena, &err);
        assert_int_equal(st, i == 0 ? SSFER_ERR_LIMIT : SSFER_ERR_MEMORY);
        assert_true(*err.message);
        ssfer_stack_acts_deinit(&acts);
        ssfer_arena_deinit(&arena);
    }
    close_case(&c);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        ssfer_param_table table = {0};
        ssfer_stack stack;
        ssfer_error err = {0};
        ssfer_memory_fail_at(n);
        ssfer_status st = ssfer_stack_init(&stack, &CONFIG, &table, "blocks", &err);
        if (st == SSFER_OK)
            st = ssfer_params_finish(&table, &err);
        ssfer_memory_fail_at(0);
        ssfer_stack_deinit(&stack);
        ssfer_params_deinit(&table);
        if (st == SSFER_OK) {
            assert_true(n > 2);
            break;
        }
        assert_int_equal(st, SSFER_ERR_MEMORY);
        assert_string_equal(err.message, "model: out of memory");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_layers),
        cmocka_unit_test(test_drop_path_rates),
        cmocka_unit_test(test_drop_path_streams),
        cmocka_unit_test(test_nothing_drops_without_a_draw),
        cmocka_unit_test(test_each_branch_has_its_factor),
        cmocka_unit_test(test_drop_path_of_one_block),
        cmocka_unit_test(test_checkpoint),
        cmocka_unit_test(test_tap),
        cmocka_unit_test(test_batches_that_overflow),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
