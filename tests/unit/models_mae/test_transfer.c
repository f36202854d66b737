/* Encoders become classifiers; tests/parity/mae compares the numbers with the reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "models/classifier.h"
#include "models/mae.h"
#include "models/transfer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static char told[2048];

static void keep_line(void *user, ssfer_log_level level, const char *line)
{
    (void)user, (void)level;
    snprintf(told + strlen(told), sizeof told - strlen(told), "%s\n", line);
}

static const ssfer_log LOG = {.write = keep_line, .most = SSFER_LOG_INFO};

static void must(ssfer_status st, const ssfer_error *err)
{
    if (st != SSFER_OK)
        fail_msg("%s: %s", ssfer_status_name(st), err->message);
}

typedef struct source {
    ssfer_mae_model model;
    ssfer_tensor_set *set;
} source;

static int open_source(void **state)
{
    static source s;
    ssfer_error err = {0};
    const ssfer_mae_config config = {.image_size = 16,
                                     .patch_size = 4,
                                     .channels = 3,
                                     .embed_dim = 12,
                                     .depth = 2,
                                     .heads = 3,
                                     .hidden = 20,
                                     .decoder_dim = 8,
                                     .decoder_depth = 1,
                                     .decoder_heads = 2,
                                     .decoder_hidden = 16,
                                     .eps = 1e-6f,
                                     .mask_ratio = 0.75};
    s = (source){.model = {.std = {1, 1, 1}}};
    *told = 0;
    must(ssfer_mae_init(&s.model.mae, &config, &err), &err);
    must(ssfer_params_alloc(&s.model.params, &s.model.mae.table, &err), &err);
    ssfer_mae_init_params(s.model.params, &s.model.mae, 1);
    must(ssfer_tensor_set_create(&s.set, &err), &err);
    must(ssfer_mae_model_store(&s.model, s.model.params, s.set, &err), &err);
    *state = &s;
    return 0;
}

static int close_source(void **state)
{
    source *s = *state;
    ssfer_tensor_set_destroy(s->set);
    ssfer_mae_model_deinit(&s->model);
    return 0;
}

/* The transfer, after a check of names, shapes and metadata alone, which must tell the same. */
static ssfer_status transfer_and_check(float *params, const ssfer_vit *vit, const ssfer_tensor_set *set,
                                       ssfer_error *err)
{
    char told_before[sizeof told];
    ssfer_error checked = {0};
    ssfer_tensor_set *sketch;
    must(ssfer_tensor_set_create(&sketch, err), err);
    for (size_t i = 0; i < ssfer_tensor_set_count(set); i++) {
        const ssfer_tensor *t = ssfer_tensor_set_at(set, i);
        must(ssfer_tensor_set_add(sketch, t->name, t->dtype, t->shape, t->ndim, NULL, err), err);
    }
    for (size_t i = 0; i < ssfer_tensor_set_metadata_count(set); i++) {
        const ssfer_metadata_entry e = ssfer_tensor_set_metadata_at(set, i);
        must(ssfer_tensor_set_put(sketch, e.key, e.value, err), err);
    }
    *told = 0;
    const ssfer_status st = ssfer_transfer_check(vit, sketch, &LOG, &checked);
    ssfer_tensor_set_destroy(sketch);
    memcpy(told_before, told, sizeof told);
    *told = 0;
    assert_int_equal(ssfer_transfer_encoder(params, vit, set, &LOG, err), st);
    if (st != SSFER_OK)
        assert_string_equal(checked.message, err->message);
    else
        assert_string_equal(told, told_before);
    return st;
}

/* A new classifier of the source's sizes, but for those in `config`, with the source's weights. */
static ssfer_status transfer(ssfer_vit *vit, float **params, ssfer_vit_config config, const ssfer_tensor_set *set,
                             ssfer_error *err)
{
    *params = NULL;
    config.classes = config.classes ? config.classes : 7;
    ssfer_status st = ssfer_transfer_config(&config, set, err);
    if (st == SSFER_OK)
        st = ssfer_vit_init(vit, &config, err);
    if (st != SSFER_OK)
        return st;
    must(ssfer_params_alloc(params, &vit->table, err), err);
    ssfer_vit_init_params(*params, vit, 5);
    return transfer_and_check(*params, vit, set, err);
}

static void release(ssfer_vit *vit, float *params)
{
    ssfer_vit_deinit(vit);
    ssfer_free(params);
}

static void test_same_grid(void **state)
{
    const source *s = *state;
    ssfer_error err = {0};
    ssfer_vit vit;
    float *params;
    must(transfer(&vit, &params, (ssfer_vit_config){0}, s->set, &err), &err);
    assert_int_equal(vit.config.heads, 3);
    assert_int_equal(vit.config.hidden, 20);
    for (size_t i = 0; i < vit.table.count; i++) {
        const ssfer_param *p = &vit.table.items[i];
        const ssfer_param *from = ssfer_params_find(&s->model.mae.table, p->name);
        if (from)
            assert_memory_equal(params + p->offset, s->model.params + from->offset, p->count * sizeof(float));
    }
    double squares = 0.0; /* the head: deviation 0.02 (84 numbers, so within a quarter), bias 0 */
    for (size_t i = 0; i < 7 * 12; i++)
        squares += (double)params[vit.head_w + i] * (double)params[vit.head_w + i] / (7 * 12);
    assert_true(sqrt(squares) > 0.015 && sqrt(squares) < 0.025);
    for (size_t k = 0; k < 7; k++)
        assert_true(params[vit.head_b + k] == 0.0f);
    assert_non_null(strstr(told, "20 tensors of the checkpoint"));
    assert_non_null(strstr(told, "mask_token"));
    assert_non_null(strstr(told, "head starts random"));
    release(&vit, params);
}

static void test_other_grid(void **state)
{
    const source *s = *state;
    ssfer_error err = {0};
    ssfer_vit vit;
    float *params;
    must(transfer(&vit, &params, (ssfer_vit_config){.image_size = 24}, s->set, &err), &err);
    assert_non_null(strstr(told, "resampled from 4x4 to 6x6"));
    for (size_t c = 0; c < 12; c++)
        assert_true(params[vit.pos + c] == s->model.params[s->model.mae.pos + c]); /* the class token's row */
    release(&vit, params);
}

/* A constant table stays constant; the identity is exact; a straight ramp stays straight away from the edges. */
static void test_resampling(void **state)
{
    (void)state;
    enum { IN = 6, OUT = 12 };
    float in[IN * IN + 1], out[OUT * OUT + 1];
    for (size_t i = 0; i <= IN * IN; i++)
        in[i] = 0.25f;
    ssfer_positions_resample(out, OUT, in, IN, 1);
    for (size_t i = 0; i <= OUT * OUT; i++)
        assert_true(fabs((double)out[i] - 0.25) <= 1e-7);
    for (size_t i = 1; i <= IN * IN; i++)
        in[i] = (float)((i - 1) % IN);
    ssfer_positions_resample(out, IN, in, IN, 1);
    assert_memory_equal(in, out, sizeof in);
    ssfer_positions_resample(out, OUT, in, IN, 1);
    for (size_t column = 4; column < OUT - 4; column++) /* a = -0.75 reproduces a ramp up to a ripple of 1/16 */
        assert_true(fabs((double)out[1 + OUT * 5 + column] - (((double)column + 0.5) / 2.0 - 0.5)) <= 0.07);
    in[0] = 9.0f;
    ssfer_positions_resample(out, 1, in, IN, 1);
    assert_true(out[0] == 9.0f);
}

static void test_refused(void **state)
{
    const source *s = *state;
    ssfer_error err = {0};
    ssfer_vit vit;
    float *params;
    assert_int_equal(transfer(&vit, &params, (ssfer_vit_config){.heads = 4}, s->set, &err), SSFER_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "--heads 3"));
    release(&vit, params);
    assert_int_equal(transfer(&vit, &params, (ssfer_vit_config){.embed_dim = 24}, s->set, &err), SSFER_ERR_SHAPE);
    release(&vit, params);
    assert_int_equal(transfer(&vit, &params, (ssfer_vit_config){.patch_size = 8}, s->set, &err), SSFER_ERR_SHAPE);
    release(&vit, params);
    ssfer_tensor_set *empty;
    must(ssfer_tensor_set_create(&empty, &err), &err);
    assert_int_equal(ssfer_transfer_config(&(ssfer_vit_config){0}, empty, &err), SSFER_ERR_FORMAT);
    ssfer_tensor_set_destroy(empty);
}

/* A classifier's head is taken if it has as many classes. */
static void test_classifier(void **state)
{
    const source *s = *state;
    ssfer_error err = {0};
    ssfer_vit vit, again;
    float *params, *copy;
    ssfer_tensor_set *set;
    must(transfer(&vit, &params, (ssfer_vit_config){0}, s->set, &err), &err);
    params[vit.head_b] = 3.0f;
    must(ssfer_tensor_set_create(&set, &err), &err);
    must(ssfer_params_store(params, &vit.table, set, "", &err), &err);
    must(ssfer_vit_config_to_metadata(&vit.config, set, &err), &err);
    must(transfer(&again, &copy, (ssfer_vit_config){0}, set, &err), &err);
    assert_memory_equal(copy, params, vit.table.block_floats * sizeof *copy);
    release(&again, copy);
    must(transfer(&again, &copy, (ssfer_vit_config){.classes = 8}, set, &err), &err);
    assert_true(copy[again.head_b] == 0.0f);
    release(&again, copy);
    release(&vit, params);
    ssfer_tensor_set_destroy(set);
}

#define WITH_SOURCE(test) cmocka_unit_test_setup_teardown(test, open_source, close_source)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SOURCE(test_same_grid),       WITH_SOURCE(test_other_grid), WITH_SOURCE(test_refused),
        cmocka_unit_test(test_resampling), WITH_SOURCE(test_classifier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
