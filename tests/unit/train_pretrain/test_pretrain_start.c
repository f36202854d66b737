/* Going on from a training checkpoint that PyTorch wrote (tools/make_golden_mae.py), optimizer included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scratch.h"
#include "train/pretrain_start.h"

#include <math.h>

static const char CHECKPOINT[] = SSFER_TEST_DIR "/golden/mae/checkpoint.pth";

static void must(ssfer_status st, const ssfer_error *err)
{
    if (st != SSFER_OK)
        fail_msg("%s: %s", ssfer_status_name(st), err->message);
}

typedef struct opened {
    ssfer_tensor_set *golden, *next;
    ssfer_mae mae;
    float *params;
    ssfer_optimizer optimizer;
} opened;

static void open_model(opened *o)
{
    ssfer_error err = {0};
    ssfer_mae_config config;
    ssfer_tensor_set *set;
    const ssfer_optimizer_options options = {
        .beta1 = 0.9f, .beta2 = 0.95f, .eps = 1e-8f, .weight_decay = 0.05f, .decay_all = true, .layer_decay = 1.0f};
    must(ssfer_safetensors_read(&o->golden, SSFER_TEST_DIR "/golden/mae/checkpoint.safetensors", &err), &err);
    must(ssfer_safetensors_read(&o->next, SSFER_TEST_DIR "/golden/mae/next.safetensors", &err), &err);
    must(ssfer_checkpoint_read(&set, CHECKPOINT, NULL, &err), &err);
    must(ssfer_mae_config_from_checkpoint(&config, set, 0, 0, &err), &err);
    must(ssfer_mae_init(&o->mae, &config, &err), &err);
    must(ssfer_params_alloc(&o->params, &o->mae.table, &err), &err);
    must(ssfer_pretrain_take_weights(o->params, &o->mae, set, true, NULL, &err), &err);
    must(ssfer_optimizer_init(&o->optimizer, &o->mae.table, &options, o->params, &err), &err);
    ssfer_tensor_set_destroy(set);
}

static void close_model(opened *o)
{
    ssfer_optimizer_deinit(&o->optimizer);
    ssfer_free(o->params);
    ssfer_mae_deinit(&o->mae);
    ssfer_tensor_set_destroy(o->golden);
    ssfer_tensor_set_destroy(o->next);
}

/* Every number of a block against the tensors prefix + name; absent ones (of fixed tables) must be zero. */
static void check_block(const ssfer_param_table *table, const float *block, const ssfer_tensor_set *golden,
                        const char *prefix, double tolerance)
{
    for (size_t i = 0; i < table->count; i++) {
        const ssfer_param *p = &table->items[i];
        char name[128];
        snprintf(name, sizeof name, "%s%s", prefix, p->name);
        const ssfer_tensor *t = ssfer_tensor_set_find(golden, name);
        const float *want = t ? t->data : NULL;
        assert_true(t || p->frozen);
        for (size_t j = 0; j < p->count; j++)
            if (!(fabs((double)block[p->offset + j] - (want ? (double)want[j] : 0.0)) <= tolerance))
                fail_msg("%s[%zu] is %g, wanted %g", name, j, (double)block[p->offset + j],
                         want ? (double)want[j] : 0.0);
    }
}

static void test_published_layout(void **state)
{
    (void)state;
    opened o;
    ssfer_error err = {0};
    ssfer_train_state at = {0};
    open_model(&o);
    check_block(&o.mae.table, o.params, o.golden, "", 0.0);
    must(ssfer_pretrain_take_optimizer(&o.optimizer, &at, CHECKPOINT, -1, &err), &err);
    check_block(&o.mae.table, o.optimizer.exp_avg, o.golden, "exp_avg.", 0.0);
    check_block(&o.mae.table, o.optimizer.exp_avg_sq, o.golden, "exp_avg_sq.", 0.0);
    assert_int_equal(at.epoch, strtoul(ssfer_tensor_set_get(o.golden, "epoch"), NULL, 10) + 1);
    assert_int_equal(at.step, strtoul(ssfer_tensor_set_get(o.golden, "step"), NULL, 10));
    assert_int_equal(o.optimizer.updates, at.step);
    must(ssfer_pretrain_take_optimizer(&o.optimizer, &at, CHECKPOINT, 7, &err), &err);
    assert_int_equal(at.epoch, 7);
    close_model(&o);
}

/* The step that PyTorch makes next, from the same gradients: weights of size 1, so a few roundings. */
static void test_next_step(void **state)
{
    (void)state;
    opened o;
    ssfer_error err = {0};
    ssfer_train_state at = {0};
    ssfer_compute *cx;
    float *grads;
    open_model(&o);
    must(ssfer_compute_create(&cx, SSFER_BACKEND_CPU, SSFER_PRECISION_FP32, 1, &err), &err);
    must(ssfer_pretrain_take_optimizer(&o.optimizer, &at, CHECKPOINT, -1, &err), &err);
    must(ssfer_params_alloc(&grads, &o.mae.table, &err), &err);
    bool loaded[256];
    must(ssfer_params_load(grads, &o.mae.table, o.next, "grad.", loaded, &err), &err);
    must(ssfer_optimizer_step(cx, &o.optimizer, o.params, grads, 1e-3, 1.0f, NULL, &err), &err);
    check_block(&o.mae.table, o.params, o.next, "", 1e-6);
    ssfer_free(grads);
    ssfer_compute_destroy(cx);
    close_model(&o);
}

/* Files without an optimizer, or with half of one. */
static void test_refused(void **state)
{
    (void)state;
    opened o;
    ssfer_error err = {0};
    ssfer_train_state at = {0};
    open_model(&o);
    assert_int_not_equal(
        ssfer_pretrain_take_optimizer(&o.optimizer, &at, SSFER_TEST_DIR "/golden/mae/checkpoint.safetensors", -1, &err),
        SSFER_OK);
    assert_non_null(strstr(err.message, "checkpoint.safetensors"));
    assert_int_not_equal(
        ssfer_pretrain_take_optimizer(&o.optimizer, &at, SSFER_TEST_DIR "/golden/io/optimizer.pth", -1, &err),
        SSFER_OK);
    assert_int_not_equal(ssfer_pretrain_take_optimizer(&o.optimizer, &at, scratch_path("nothing"), -1, &err), SSFER_OK);
    close_model(&o);
}

static char warned[600];

static void keep_warning(void *user, ssfer_log_level level, const char *line)
{
    (void)user, (void)level;
    snprintf(warned, sizeof warned, "%s", line);
}

/* Weights alone may be incomplete, and of another grid. */
static void test_part(void **state)
{
    (void)state;
    opened o;
    ssfer_error err = {0};
    ssfer_tensor_set *part;
    ssfer_mae larger;
    float *params;
    const ssfer_log log = {.write = keep_warning, .most = SSFER_LOG_WARNING};
    open_model(&o);
    must(ssfer_tensor_set_create(&part, &err), &err);
    for (size_t i = 0; i < o.mae.table.count; i++) {
        const ssfer_param *p = &o.mae.table.items[i];
        if (strncmp(p->name, "decoder", 7) != 0 && strcmp(p->name, "mask_token") != 0)
            must(ssfer_tensor_set_add(part, p->name, SSFER_DTYPE_F32, p->shape, p->ndim, o.params + p->offset, &err),
                 &err);
    }
    ssfer_mae_config config = o.mae.config;
    config.image_size *= 2;
    must(ssfer_mae_init(&larger, &config, &err), &err);
    must(ssfer_params_alloc(&params, &larger.table, &err), &err);
    ssfer_mae_init_params(params, &larger, 1);
    must(ssfer_pretrain_take_weights(params, &larger, part, false, &log, &err), &err);
    assert_non_null(strstr(warned, "mask_token"));
    const ssfer_param *qkv = ssfer_params_find(&larger.table, "blocks.1.attn.qkv.weight");
    const ssfer_tensor *want = ssfer_tensor_set_find(o.golden, "blocks.1.attn.qkv.weight");
    assert_memory_equal(params + qkv->offset, want->data, want->size_bytes);
    assert_true(params[larger.pos + config.embed_dim] == 0.0f); /* sin 0 of the own table's first patch */
    assert_int_equal(ssfer_pretrain_take_weights(params, &larger, part, true, &log, &err), SSFER_ERR_SHAPE);

    ssfer_tensor_set *other;
    must(ssfer_safetensors_read(&other, SSFER_TEST_DIR "/golden/io/native.safetensors", &err), &err);
    assert_int_equal(ssfer_pretrain_take_weights(params, &larger, other, false, &log, &err), SSFER_ERR_FORMAT);
    ssfer_tensor_set_destroy(other);
    ssfer_free(params);
    ssfer_mae_deinit(&larger);
    ssfer_tensor_set_destroy(part);
    close_model(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_layout),
        cmocka_unit_test(test_next_step),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_part),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
