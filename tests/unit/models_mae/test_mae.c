/* The masked autoencoder by itself; tests/parity/mae compares it with the reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "models/mae.h"
#include "nn/optimizer.h"
#include "scratch.h"

#include <math.h>

/* A net that is all different sizes: 12 patches of 3 x 4 would not be square, so 4 x 4 = 16 patches of 3 px. */
static ssfer_mae_config odd_config(void)
{
    return (ssfer_mae_config){.image_size = 12,
                              .patch_size = 3,
                              .channels = 3,
                              .embed_dim = 20,
                              .depth = 2,
                              .heads = 5,
                              .hidden = 28,
                              .decoder_dim = 12,
                              .decoder_depth = 1,
                              .decoder_heads = 3,
                              .decoder_hidden = 44,
                              .eps = 1e-6f,
                              .mask_ratio = 0.7};
}

enum { BATCH = 3, PATCHES = 16, KEPT = 4, PICTURE = 3 * 12 * 12 };

typedef struct net {
    ssfer_mae mae;
    ssfer_mae_acts acts;
    ssfer_mae_masks masks;
    ssfer_compute *cx;
    float *params, *grads, images[BATCH * PICTURE], losses[BATCH], weights[BATCH];
} net;

static void must(ssfer_status st, const ssfer_error *err)
{
    if (st != SSFER_OK)
        fail_msg("%s: %s", ssfer_status_name(st), err->message);
}

static void open_net(net *n, const ssfer_mae_config *config, ssfer_backend_kind backend, size_t threads)
{
    ssfer_error err = {0};
    *n = (net){.weights = {0.5f, 0.25f, 0.25f}};
    must(ssfer_mae_init(&n->mae, config, &err), &err);
    must(ssfer_compute_create(&n->cx, backend, SSFER_PRECISION_FP32, threads, &err), &err);
    must(ssfer_mae_acts_init(&n->acts, n->cx, &n->mae, BATCH, KEPT, true, &err), &err);
    must(ssfer_mae_masks_init(&n->masks, BATCH, PATCHES, KEPT, &err), &err);
    must(ssfer_params_alloc(&n->params, &n->mae.table, &err), &err);
    must(ssfer_params_alloc(&n->grads, &n->mae.table, &err), &err);
    ssfer_mae_init_params(n->params, &n->mae, 7);
    ssfer_rng rng = ssfer_rng_stream(3, 0, 0, 0, SSFER_RNG_TEST);
    for (size_t i = 0; i < BATCH * PICTURE; i++)
        n->images[i] = (float)ssfer_rng_normal(&rng);
    for (size_t b = 0; b < BATCH; b++)
        ssfer_mae_masks_draw(&n->masks, b, 1, 1, 0, b);
}

static void close_net(net *n)
{
    ssfer_free(n->params);
    ssfer_free(n->grads);
    ssfer_mae_masks_deinit(&n->masks);
    ssfer_mae_acts_deinit(&n->acts);
    ssfer_mae_deinit(&n->mae);
    ssfer_compute_destroy(n->cx);
}

static double loss_of(net *n)
{
    double sum = 0.0;
    const ssfer_mask mask = ssfer_mae_mask(&n->masks, 0);
    must(ssfer_mae_forward(n->cx, n->params, &n->acts, n->images, mask, BATCH), ssfer_compute_error(n->cx));
    must(ssfer_mae_loss(n->cx, &n->acts, n->losses, n->images, NULL, mask, BATCH), ssfer_compute_error(n->cx));
    for (size_t b = 0; b < BATCH; b++)
        sum += (double)n->weights[b] * (double)n->losses[b];
    return sum;
}

static void gradients(net *n)
{
    const ssfer_mask mask = ssfer_mae_mask(&n->masks, 0);
    memset(n->grads, 0, n->mae.table.block_floats * sizeof *n->grads);
    loss_of(n);
    must(ssfer_mae_loss(n->cx, &n->acts, n->losses, n->images, n->weights, mask, BATCH), ssfer_compute_error(n->cx));
    must(ssfer_mae_backward(n->cx, n->params, n->grads, &n->acts, mask, BATCH), ssfer_compute_error(n->cx));
}

/* ---- masks ------------------------------------------------------------------------------------------------------- */

static void test_kept(void **state)
{
    (void)state;
    const struct {
        size_t patches;
        double ratio;
        size_t kept;
    } cases[] = {{196, 0.75, 49}, {196, 0.6, 78}, {16, 0.9, 1}, {49, 0.75, 12},
                 {36, 0.75, 9},   {10, 0.0, 10},  {4, 1.0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(ssfer_mae_kept(cases[i].patches, cases[i].ratio), cases[i].kept);
}

/* keep and restore say the same, and every patch has one place. */
static void check_consistent(const ssfer_mae_masks *m)
{
    for (size_t b = 0; b < m->batch; b++) {
        bool taken[PATCHES] = {false};
        for (size_t l = 0; l < m->patches; l++) {
            const size_t place = (size_t)m->restore[b * m->patches + l];
            assert_true(place < m->patches && !taken[place]);
            taken[place] = true;
            if (place < m->kept)
                assert_int_equal(m->keep[b * m->kept + place], l);
        }
    }
}

static void test_masks(void **state)
{
    (void)state;
    ssfer_mae_masks m, same;
    must(ssfer_mae_masks_init(&m, BATCH, PATCHES, KEPT, NULL), NULL);
    must(ssfer_mae_masks_init(&same, BATCH, PATCHES, KEPT, NULL), NULL);
    size_t seen[PATCHES] = {0};
    for (uint32_t epoch = 0; epoch < 400; epoch++) {
        for (size_t b = 0; b < BATCH; b++) {
            ssfer_mae_masks_draw(&m, b, 5, 1, epoch, b);
            ssfer_mae_masks_draw(&same, BATCH - 1 - b, 5, 1, epoch, BATCH - 1 - b); /* the order does not matter */
        }
        check_consistent(&m);
        for (size_t i = 0; i < BATCH * KEPT; i++)
            seen[m.keep[i]]++;
    }
    assert_memory_equal(m.keep, same.keep, BATCH * KEPT * sizeof *m.keep);
    assert_memory_equal(m.restore, same.restore, BATCH * PATCHES * sizeof *m.restore);
    assert_memory_not_equal(m.keep, m.keep + KEPT, KEPT * sizeof *m.keep);
    for (size_t l = 0; l < PATCHES; l++) /* 300 expected, deviation 15 */
        assert_in_range(seen[l], 225, 375);
    ssfer_mae_masks_deinit(&m);
    ssfer_mae_masks_deinit(&same);
}

/* Negative numbers, equal ones, both zeros, infinities and NaN: an order all the same. */
static void test_mask_noise(void **state)
{
    (void)state;
    const float noise[PATCHES] = {3, -1, 0.0f, -0.0f, -2, 3, INFINITY, -INFINITY, 0.5f, 0.5f, 0.5f, 9, 8, 7, 6, NAN};
    const int32_t want[8] = {7, 4, 1, 2, 3, 8, 9, 10};
    ssfer_mae_masks m;
    must(ssfer_mae_masks_init(&m, 1, PATCHES, 8, NULL), NULL);
    ssfer_mae_masks_sort(&m, 0, noise);
    check_consistent(&m);
    assert_memory_equal(m.keep, want, sizeof want);
    ssfer_mae_masks_deinit(&m);
}

static void test_mask_refused(void **state)
{
    (void)state;
    ssfer_mae_masks m;
    ssfer_error err = {0};
    assert_int_equal(ssfer_mae_masks_init(&m, 1, 4, 0, &err), SSFER_ERR_ARGUMENT);
    assert_int_equal(ssfer_mae_masks_init(&m, 1, 4, 4, &err), SSFER_ERR_ARGUMENT);
    assert_int_equal(ssfer_mae_masks_init(&m, SIZE_MAX / 2, 4, 2, &err), SSFER_ERR_LIMIT);
}

/* ---- configurations ---------------------------------------------------------------------------------------------- */

static void test_named(void **state)
{
    (void)state;
    static const char *const names[] = {"tiny", "small", "base", "large", "huge"};
    const size_t millions[] = {5, 22, 112, 330, 658}; /* with the decoder; He et al. count the encoders alone */
    for (size_t i = 0; i < 5; i++) {
        ssfer_mae_config c;
        ssfer_mae mae;
        ssfer_error err = {0};
        assert_true(ssfer_mae_config_named(&c, names[i]));
        must(ssfer_mae_init(&mae, &c, &err), &err);
        assert_in_range(ssfer_params_total(&mae.table) / 1000000, millions[i] - millions[i] / 20 - 1,
                        millions[i] + millions[i] / 20 + 1);
        ssfer_mae_deinit(&mae);
    }
    assert_false(ssfer_mae_config_named(&(ssfer_mae_config){0}, "gigantic"));
}

static void test_config_refused(void **state)
{
    (void)state;
    ssfer_mae_config good = odd_config();
    must(ssfer_mae_config_check(&good, NULL), NULL);
    ssfer_mae_config bad[12];
    for (size_t i = 0; i < 12; i++)
        bad[i] = good;
    bad[0].image_size = 13;
    bad[1].image_size = 0;
    bad[2].embed_dim = 22; /* of 5 heads */
    bad[3].embed_dim = 25; /* of 5 heads, but not of 4 */
    bad[4].decoder_heads = 5;
    bad[5].decoder_dim = 0;
    bad[6].mask_ratio = 0.0;
    bad[7].mask_ratio = 1.0;
    bad[8].mask_ratio = 0.99; /* leaves no patch of 16 */
    bad[9].mask_ratio = NAN;
    bad[10].depth = 1 << 20;
    bad[11].image_size = bad[11].patch_size; /* one patch cannot be seen and hidden */
    for (size_t i = 0; i < 12; i++) {
        ssfer_error err = {0};
        ssfer_mae mae;
        if (ssfer_mae_init(&mae, &bad[i], &err) != SSFER_ERR_ARGUMENT || !*err.message)
            fail_msg("case %zu is not refused", i);
    }
}

/* ---- passes ------------------------------------------------------------------------------------------------------ */

/* Along the gradient the loss rises by its squared length: central difference in float, hence 1 %. */
static void check_direction(bool norm_pix)
{
    net n;
    ssfer_mae_config config = odd_config();
    config.norm_pix = norm_pix;
    open_net(&n, &config, SSFER_BACKEND_REF, 1);
    gradients(&n);
    const size_t count = n.mae.table.block_floats;
    double squares = 0.0, values[2];
    for (size_t i = 0; i < count; i++)
        squares += (double)n.grads[i] * (double)n.grads[i];
    const double step = 2e-2 / sqrt(squares);
    for (int sign = 0; sign < 2; sign++) {
        for (size_t i = 0; i < count; i++)
            n.params[i] += (float)((sign ? -2.0 : 1.0) * step * (double)n.grads[i]);
        values[sign] = loss_of(&n);
    }
    const double slope = (values[0] - values[1]) / (2.0 * step);
    if (!(fabs(slope - squares) <= 1e-2 * squares))
        fail_msg("slope %g, squared gradient %g", slope, squares);
    close_net(&n);
}

static void test_gradient(void **state)
{
    (void)state;
    check_direction(false);
    check_direction(true);
}

/* The CPU backend and the oracle give the same loss and gradients; the CPU's bits repeat. */
static void test_backends(void **state)
{
    (void)state;
    const ssfer_mae_config config = odd_config();
    net ref, cpu, again;
    open_net(&ref, &config, SSFER_BACKEND_REF, 1);
    open_net(&cpu, &config, SSFER_BACKEND_CPU, 2);
    open_net(&again, &config, SSFER_BACKEND_CPU, 2);
    gradients(&ref);
    gradients(&cpu);
    gradients(&again);
    for (size_t i = 0; i < ref.mae.table.block_floats; i++)
        assert_true(fabs((double)ref.grads[i] - (double)cpu.grads[i]) <= 1e-6 + 1e-4 * fabs((double)ref.grads[i]));
    assert_memory_equal(cpu.grads, again.grads, cpu.mae.table.block_floats * sizeof(float));
    close_net(&ref);
    close_net(&cpu);
    close_net(&again);
}

/* What lies below hidden patches is not seen: the latent does not depend on it. */
static void test_hidden_is_hidden(void **state)
{
    (void)state;
    const ssfer_mae_config config = odd_config();
    net n;
    open_net(&n, &config, SSFER_BACKEND_CPU, 1);
    loss_of(&n);
    const size_t count = BATCH * (KEPT + 1) * config.embed_dim;
    float *latent = ssfer_malloc(count * sizeof *latent);
    memcpy(latent, n.acts.encoder.normed, count * sizeof *latent);
    float patches[PATCHES * 27];
    for (size_t b = 0; b < BATCH; b++) {
        ssfer_mae_patchify(patches, n.images + b * PICTURE, &config);
        for (size_t l = 0; l < PATCHES; l++)
            for (size_t i = 0; n.masks.restore[b * PATCHES + l] >= KEPT && i < 27; i++)
                patches[l * 27 + i] = 1000.0f;
        ssfer_mae_unpatchify(n.images + b * PICTURE, patches, &config);
    }
    const double loss = loss_of(&n);
    assert_memory_equal(latent, n.acts.encoder.normed, count * sizeof *latent);
    assert_true(loss > 9e5); /* the loss does */
    ssfer_free(latent);
    close_net(&n);
}

/* AdamW with weight decay on everything leaves the position tables alone. */
static void test_fixed_tables(void **state)
{
    (void)state;
    const ssfer_mae_config config = odd_config();
    net n;
    ssfer_optimizer optimizer;
    ssfer_optimizer_options options = ssfer_optimizer_defaults();
    open_net(&n, &config, SSFER_BACKEND_CPU, 1);
    must(ssfer_optimizer_init(&optimizer, &n.mae.table, &options, n.params, NULL), NULL);
    const size_t all = (PATCHES + 1) * config.embed_dim;
    float *before = ssfer_malloc(all * sizeof *before);
    memcpy(before, n.params + n.mae.pos, all * sizeof *before);
    const double first = loss_of(&n);
    for (int step = 0; step < 30; step++) {
        gradients(&n);
        must(ssfer_optimizer_step(n.cx, &optimizer, n.params, n.grads, 3e-3, 1.0f, NULL, NULL), NULL);
    }
    assert_memory_equal(before, n.params + n.mae.pos, all * sizeof *before);
    assert_true(loss_of(&n) < 0.9 * first); /* and the rest learns */
    ssfer_free(before);
    ssfer_optimizer_deinit(&optimizer);
    close_net(&n);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static ssfer_status save_model(const ssfer_mae_model *m, const char *path)
{
    ssfer_tensor_set *set = NULL;
    must(ssfer_tensor_set_create(&set, NULL), NULL);
    must(ssfer_mae_model_store(m, m->params, set, NULL), NULL);
    ssfer_status st = ssfer_safetensors_write(set, path, NULL);
    ssfer_tensor_set_destroy(set);
    return st;
}

/* What decays with --decay matrices: all that has more dimensions than one and is trained, tokens too, as MAE has it.
 */
static void test_decay(void **state)
{
    (void)state;
    ssfer_mae mae;
    const ssfer_mae_config config = odd_config();
    size_t tokens = 0;
    assert_int_equal(ssfer_mae_init(&mae, &config, NULL), SSFER_OK);
    for (size_t i = 0; i < mae.table.count; i++) {
        const ssfer_param *p = &mae.table.items[i];
        assert_true(p->frozen || p->decays == (p->ndim > 1));
        tokens += p->decays && strstr(p->name, "_token");
    }
    assert_int_equal(tokens, 2);
    ssfer_mae_deinit(&mae);
}

static void test_file(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_mae_model m = {.mean = {0.1f, 0.2f, 0.3f}, .std = {1, 2, 3}}, back;
    ssfer_mae_config config = odd_config();
    config.norm_pix = true;
    must(ssfer_mae_init(&m.mae, &config, &err), &err);
    must(ssfer_params_alloc(&m.params, &m.mae.table, &err), &err);
    ssfer_mae_init_params(m.params, &m.mae, 1);
    const char *path = scratch_path("mae.safetensors");
    must(save_model(&m, path), &err);
    must(ssfer_mae_model_load(&back, path, 0, 0, &err), &err);
    assert_memory_equal(&back.mae.config, &config, sizeof config);
    assert_memory_equal(back.params, m.params, m.mae.table.block_floats * sizeof *m.params);
    assert_memory_equal(back.mean, m.mean, sizeof m.mean);
    assert_memory_equal(back.std, m.std, sizeof m.std);
    ssfer_mae_model_deinit(&back);

    assert_int_equal(ssfer_mae_model_load(&back, path, 3, 0, &err), SSFER_ERR_ARGUMENT); /* 20 / 3 heads */
    assert_non_null(strstr(err.message, "mae.safetensors"));
    for (size_t n = 1;; n++) { /* the n-th allocation fails */
        ssfer_memory_fail_at(n);
        ssfer_status st = ssfer_mae_model_load(&back, path, 0, 0, &err);
        ssfer_memory_fail_at(0);
        if (st == SSFER_OK)
            break;
        assert_true(st == SSFER_ERR_MEMORY || st == SSFER_ERR_LIMIT); /* a table that cannot grow is the latter */
    }
    ssfer_mae_model_deinit(&back);
    ssfer_mae_model_deinit(&m);
}

/* Files that are something else, or torn. */
static void test_bad_files(void **state)
{
    (void)state;
    static const char *const missing[] = {
        "pos_embed",  "decoder_embed.weight", "blocks.0.mlp.fc1.weight", "decoder_blocks.0.mlp.fc1.weight",
        "mask_token", "decoder_pred.bias"};
    ssfer_error err = {0};
    ssfer_mae mae;
    float *params;
    const ssfer_mae_config config = odd_config();
    must(ssfer_mae_init(&mae, &config, &err), &err);
    must(ssfer_params_alloc(&params, &mae.table, &err), &err);
    for (size_t k = 0; k < sizeof missing / sizeof *missing; k++) {
        ssfer_tensor_set *set = NULL;
        ssfer_mae_model model;
        must(ssfer_tensor_set_create(&set, &err), &err);
        for (size_t i = 0; i < mae.table.count; i++) {
            const ssfer_param *p = &mae.table.items[i];
            if (strcmp(p->name, missing[k]) != 0)
                must(ssfer_tensor_set_add(set, p->name, SSFER_DTYPE_F32, p->shape, p->ndim, params + p->offset, &err),
                     &err);
        }
        must(ssfer_mae_config_to_metadata(&config, set, &err), &err);
        must(ssfer_safetensors_write(set, scratch_path("torn.safetensors"), &err), &err);
        ssfer_tensor_set_destroy(set);
        assert_int_not_equal(ssfer_mae_model_load(&model, scratch_path("torn.safetensors"), 0, 0, &err), SSFER_OK);
        assert_non_null(strstr(err.message, missing[k]));
    }
    ssfer_free(params);
    ssfer_mae_deinit(&mae);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),         cmocka_unit_test(test_masks),    cmocka_unit_test(test_mask_noise),
        cmocka_unit_test(test_mask_refused), cmocka_unit_test(test_named),    cmocka_unit_test(test_config_refused),
        cmocka_unit_test(test_gradient),     cmocka_unit_test(test_backends), cmocka_unit_test(test_hidden_is_hidden),
        cmocka_unit_test(test_fixed_tables), cmocka_unit_test(test_file),     cmocka_unit_test(test_decay),
        cmocka_unit_test(test_bad_files),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
