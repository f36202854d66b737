/* Sizes of a ViT: the named ones, impossible ones, and those read from a checkpoint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "models/vit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- named sizes ------------------------------------------------------------------------------------------------- */

/* The parameter counts that timm states for 1000 classes. */
static void test_named(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t patch, parameters;
    } known[] = {{"tiny", 16, 5717416},
                 {"small", 16, 22050664},
                 {"base", 16, 86567656},
                 {"large", 16, 304326632},
                 {"huge", 14, 632045800}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        ssfer_vit_config c;
        ssfer_vit vit;
        assert_true(ssfer_vit_config_named(&c, known[i].name));
        assert_int_equal(c.image_size, 224);
        assert_int_equal(c.patch_size, known[i].patch);
        assert_int_equal(c.channels, 3);
        assert_int_equal(c.hidden, 4 * c.embed_dim);
        assert_true(c.eps == 1e-6f && c.drop_path == 0.0f);
        c.classes = 1000;
        assert_int_equal(ssfer_vit_init(&vit, &c, NULL), SSFER_OK);
        assert_int_equal(ssfer_params_total(&vit.table), known[i].parameters);
        ssfer_vit_deinit(&vit);
    }
    ssfer_vit_config c = {.depth = 77};
    assert_false(ssfer_vit_config_named(&c, "enormous"));
    assert_false(ssfer_vit_config_named(&c, ""));
    assert_int_equal(c.depth, 77);
}

/* Which parameters decay with --decay matrices; and which layer one belongs to, for the decay of rates by layer, as
 * BEiT's and MAE's fine-tuning have it: 0 what embeds, i + 1 block i, and one more for what follows the blocks. */
static void test_layers(void **state)
{
    (void)state;
    enum { DEPTH = 3 };
    ssfer_vit_config c;
    ssfer_vit vit;
    size_t seen[DEPTH + 2] = {0};
    assert_true(ssfer_vit_config_named(&c, "tiny"));
    c.depth = DEPTH;
    c.classes = 7;
    assert_int_equal(ssfer_vit_init(&vit, &c, NULL), SSFER_OK);
    for (size_t i = 0; i < vit.table.count; i++) {
        const ssfer_param *p = &vit.table.items[i];
        size_t block, layer = DEPTH + 1; /* norm, head */
        if (sscanf(p->name, "blocks.%zu.", &block) == 1)
            layer = block + 1;
        else if (strcmp(p->name, "cls_token") == 0 || strcmp(p->name, "pos_embed") == 0 ||
                 strncmp(p->name, "patch_embed.", strlen("patch_embed.")) == 0)
            layer = 0;
        assert_int_equal(p->layer, layer);
        const bool token = strcmp(p->name, "cls_token") == 0 || strcmp(p->name, "pos_embed") == 0;
        assert_int_equal(p->decays, p->ndim > 1 && !token); /* timm's rule, the patch embedding's weight included */
        seen[layer]++;
    }
    assert_true(seen[0] == 4 && seen[1] == 12 && seen[2] == 12 && seen[3] == 12 && seen[4] == 4);
    ssfer_vit_deinit(&vit);
}

/* Multiply-adds of ViT-B/16 at 224 px, counted by hand: 196 patches of 768 values; 12 blocks of 197 tokens (12 C^2 a
 * token) and two products of 197 x 197 x C; a head. 17.56 G, which the papers call "17.6 GFLOPs". */
static void test_flops(void **state)
{
    (void)state;
    ssfer_vit_config c;
    ssfer_vit_config_named(&c, "base");
    c.classes = 1000;
    const double C = 768, N = 197;
    const double by_hand = 196 * 768 * C + 12 * (N * 12 * C * C + 2 * N * N * C) + 1000 * C;
    assert_true(fabs(ssfer_vit_flops(&c) / (2 * by_hand) - 1) < 1e-12);
    assert_true(fabs(ssfer_vit_flops(&c) / 35.13e9 - 1) < 1e-3);
}

/* ---- impossible sizes -------------------------------------------------------------------------------------------- */

static ssfer_vit_config good(void)
{
    return (ssfer_vit_config){.image_size = 16,
                              .patch_size = 8,
                              .channels = 3,
                              .embed_dim = 12,
                              .depth = 2,
                              .heads = 3,
                              .hidden = 48,
                              .classes = 4,
                              .eps = 1e-6f};
}

static void expect_refused(const ssfer_vit_config *c, const char *message)
{
    ssfer_error err = {0};
    ssfer_vit vit;
    assert_int_equal(ssfer_vit_config_check(c, &err), SSFER_ERR_ARGUMENT);
    assert_string_equal(err.message, message);
    assert_int_equal(ssfer_vit_init(&vit, c, &err), SSFER_ERR_ARGUMENT);
    ssfer_vit_deinit(&vit); /* fine after a failure too */
}

static void test_refused(void **state)
{
    (void)state;
    ssfer_vit_config c = good();
    assert_int_equal(ssfer_vit_config_check(&c, NULL), SSFER_OK);
#define REFUSED(field, value, message)                                                                                 \
    c = good();                                                                                                        \
    c.field = value;                                                                                                   \
    expect_refused(&c, message)
    REFUSED(image_size, 0, "model: image size 0 is out of range (1 to 4096)");
    REFUSED(image_size, 4104, "model: image size 4104 is out of range (1 to 4096)");
    REFUSED(patch_size, 0, "model: patch size 0 is out of range (1 to 4096)");
    REFUSED(patch_size, 5, "model: image size 16 is no multiple of patch size 5");
    REFUSED(patch_size, 32, "model: image size 16 is no multiple of patch size 32");
    REFUSED(channels, 0, "model: channels 0 is out of range (1 to 64)");
    REFUSED(embed_dim, 0, "model: embed dim 0 is out of range (1 to 16384)");
    REFUSED(embed_dim, SIZE_MAX, "model: embed dim 18446744073709551615 is out of range (1 to 16384)");
    REFUSED(embed_dim, 13, "model: embed dim 13 is no multiple of 3 heads; choose --heads");
    REFUSED(depth, 0, "model: depth 0 is out of range (1 to 1024)");
    REFUSED(depth, 1025, "model: depth 1025 is out of range (1 to 1024)");
    REFUSED(heads, 0, "model: heads 0 is out of range (1 to 1024)");
    REFUSED(hidden, 0, "model: MLP width 0 is out of range (1 to 65536)");
    REFUSED(classes, 0, "model: class count 0 is out of range (1 to 65536)");
    REFUSED(drop_path, 1.0f, "model: drop path 1 is out of range (0 to below 1)");
    REFUSED(drop_path, -0.1f, "model: drop path -0.1 is out of range (0 to below 1)");
    REFUSED(drop_path, NAN, "model: drop path nan is out of range (0 to below 1)");
}

/* The largest sizes that pass make a table, and an allocation that fails cleanly if it must. */
static void test_largest(void **state)
{
    (void)state;
    ssfer_vit_config c = {.image_size = 4096,
                          .patch_size = 1,
                          .channels = 64,
                          .embed_dim = 16384,
                          .depth = 1024,
                          .heads = 1024,
                          .hidden = 65536,
                          .classes = 65536,
                          .eps = 1e-6f};
    ssfer_vit vit;
    ssfer_vit_acts acts;
    ssfer_error err = {0};
    assert_int_equal(ssfer_vit_init(&vit, &c, &err), SSFER_OK);
    ssfer_compute *cx;
    assert_int_equal(ssfer_compute_create(&cx, SSFER_BACKEND_REF, SSFER_PRECISION_FP32, 1, &err), SSFER_OK);
    assert_int_equal(ssfer_vit_acts_init(&acts, cx, &vit, (size_t)1 << 30, true, &err), SSFER_ERR_MEMORY);
    assert_int_equal(ssfer_vit_acts_init(&acts, cx, &vit, (size_t)1 << 50, true, &err), SSFER_ERR_LIMIT);
    assert_string_equal(err.message, "model: a batch of 1125899906842624 is too large");
    ssfer_vit_acts_deinit(&acts);
    ssfer_vit_deinit(&vit);
    ssfer_compute_destroy(cx);
}

/* ---- from a checkpoint ------------------------------------------------------------------------------------------- */

/* A set with a model's parameters (zeros), then changed by the test. */
typedef struct checkpoint {
    ssfer_vit vit;
    float *params;
    ssfer_tensor_set *set;
} checkpoint;

/* Parameter `without` is left out; `other` has the shape given. */
static void open_checkpoint(checkpoint *c, const ssfer_vit_config *config, const char *without, const char *other,
                            const size_t *shape, size_t ndim)
{
    static const float zeros[1 << 12];
    assert_int_equal(ssfer_vit_init(&c->vit, config, NULL), SSFER_OK);
    assert_int_equal(ssfer_params_alloc(&c->params, &c->vit.table, NULL), SSFER_OK);
    assert_int_equal(ssfer_tensor_set_create(&c->set, NULL), SSFER_OK);
    for (size_t i = 0; i < c->vit.table.count; i++) {
        const ssfer_param *p = &c->vit.table.items[i];
        const bool replaced = other && strcmp(p->name, other) == 0;
        if (without && strstr(p->name, without))
            continue;
        assert_int_equal(ssfer_tensor_set_add(c->set, p->name, SSFER_DTYPE_F32, replaced ? shape : p->shape,
                                              replaced ? ndim : p->ndim, replaced ? zeros : c->params + p->offset,
                                              NULL),
                         SSFER_OK);
    }
}

static void close_checkpoint(checkpoint *c)
{
    ssfer_tensor_set_destroy(c->set);
    ssfer_free(c->params);
    ssfer_vit_deinit(&c->vit);
}

static void expect_same(const ssfer_vit_config *a, const ssfer_vit_config *b)
{
    assert_int_equal(a->image_size, b->image_size);
    assert_int_equal(a->patch_size, b->patch_size);
    assert_int_equal(a->channels, b->channels);
    assert_int_equal(a->embed_dim, b->embed_dim);
    assert_int_equal(a->depth, b->depth);
    assert_int_equal(a->heads, b->heads);
    assert_int_equal(a->hidden, b->hidden);
    assert_int_equal(a->classes, b->classes);
    assert_true(a->eps == b->eps && a->drop_path == 0.0f);
}

static void test_from_checkpoint(void **state)
{
    (void)state;
    ssfer_vit_config want = good(), got;
    checkpoint c;
    want.hidden = 30; /* not 4 C */
    open_checkpoint(&c, &want, NULL, NULL, NULL, 0);
    /* The shapes do not tell the heads: asked for, else in the metadata, else a head of 64 channels. */
    assert_int_equal(ssfer_vit_config_from_checkpoint(&got, c.set, 3, NULL), SSFER_OK);
    expect_same(&got, &want);
    assert_int_equal(ssfer_vit_config_from_checkpoint(&got, c.set, 0, NULL), SSFER_OK);
    assert_int_equal(got.heads, 1);
    assert_int_equal(ssfer_vit_config_to_metadata(&want, c.set, NULL), SSFER_OK);
    assert_int_equal(ssfer_vit_config_from_checkpoint(&got, c.set, 0, NULL), SSFER_OK);
    expect_same(&got, &want);
    assert_int_equal(ssfer_vit_config_from_checkpoint(&got, c.set, 2, NULL), SSFER_OK);
    assert_int_equal(got.heads, 2);
    close_checkpoint(&c);

    ssfer_vit_config wide = good();
    wide.embed_dim = 192;
    wide.heads = 3;
    open_checkpoint(&c, &wide, "head", NULL, NULL, 0); /* an encoder */
    assert_int_equal(ssfer_vit_config_from_checkpoint(&got, c.set, 0, NULL), SSFER_OK);
    assert_int_equal(got.heads, 3);
    assert_int_equal(got.classes, 1);
    close_checkpoint(&c);
}

static void test_metadata(void **state)
{
    (void)state;
    static const char *const want[][2] = {{"architecture", "vit"}, {"image_size", "16"}, {"patch_size", "8"},
                                          {"embed_dim", "12"},     {"depth", "2"},       {"num_heads", "3"},
                                          {"mlp_hidden", "48"},    {"num_classes", "4"}};
    const ssfer_vit_config c = good();
    ssfer_tensor_set *set;
    assert_int_equal(ssfer_tensor_set_create(&set, NULL), SSFER_OK);
    assert_int_equal(ssfer_vit_config_to_metadata(&c, set, NULL), SSFER_OK);
    assert_int_equal(ssfer_tensor_set_metadata_count(set), 8);
    for (size_t i = 0; i < 8; i++)
        assert_string_equal(ssfer_tensor_set_get(set, want[i][0]), want[i][1]);
    ssfer_tensor_set_destroy(set);
}

static void test_refused_checkpoints(void **state)
{
    (void)state;
    static const struct {
        const char *without, *other;
        size_t shape[4], ndim;
        const char *message;
    } cases[] = {
        {"patch_embed.proj.weight",
         NULL,
         {0},
         0,
         "not a ViT in timm's naming: no 4-dimensional patch_embed.proj.weight"},
        {"pos_embed", NULL, {0}, 0, "not a ViT in timm's naming: no 3-dimensional pos_embed"},
        {"blocks.0.", NULL, {0}, 0, "not a ViT in timm's naming: no 2-dimensional blocks.0.mlp.fc1.weight"},
        {"blocks.0.norm1.", NULL, {0}, 0, "model: depth 0 is out of range (1 to 1024)"},
        {NULL, "pos_embed", {5, 12}, 2, "not a ViT in timm's naming: no 3-dimensional pos_embed"},
        {NULL, "pos_embed", {1, 0, 12}, 3, "pos_embed has 0 positions: no square grid and a class token"},
        {NULL, "pos_embed", {1, 1, 12}, 3, "pos_embed has 1 positions: no square grid and a class token"},
        {NULL, "pos_embed", {1, 4, 12}, 3, "pos_embed has 4 positions: no square grid and a class token"},
        {NULL, "pos_embed", {1, 4000, 0}, 3, "pos_embed has 4000 positions: no square grid and a class token"},
        {NULL, "patch_embed.proj.weight", {0, 3, 8, 8}, 4, "model: embed dim 0 is out of range (1 to 16384)"},
        {NULL, "patch_embed.proj.weight", {12, 0, 8, 8}, 4, "model: channels 0 is out of range (1 to 64)"},
        {NULL, "patch_embed.proj.weight", {12, 3, 0, 8}, 4, "model: image size 0 is out of range (1 to 4096)"},
        {NULL,
         "patch_embed.proj.weight",
         {12, 3, 5000, 0},
         4,
         "pos_embed has 5 positions: no square grid and a class token"},
        {NULL, "blocks.0.mlp.fc1.weight", {0, 12}, 2, "model: MLP width 0 is out of range (1 to 65536)"},
        {NULL, "blocks.0.mlp.fc1.weight", {70000, 0}, 2, "model: MLP width 70000 is out of range (1 to 65536)"},
        {NULL, "head.weight", {0, 12}, 2, "model: class count 0 is out of range (1 to 65536)"},
    };
    const ssfer_vit_config config = good();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ssfer_vit_config got = {.depth = 77};
        ssfer_error err = {0};
        checkpoint c;
        open_checkpoint(&c, &config, cases[i].without, cases[i].other, cases[i].shape, cases[i].ndim);
        assert_int_not_equal(ssfer_vit_config_from_checkpoint(&got, c.set, 0, &err), SSFER_OK);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(got.depth, 77); /* set on success only */
        close_checkpoint(&c);
    }
}

static void test_refused_heads(void **state)
{
    (void)state;
    static const struct {
        const char *stored;
        size_t asked;
        const char *message;
    } cases[] = {
        {NULL, 5, "model: embed dim 12 is no multiple of 5 heads; choose --heads"},
        {"5", 0, "model: embed dim 12 is no multiple of 5 heads; choose --heads"},
        {"0", 0, "model: heads 0 is out of range (1 to 1024)"},
        {"18446744073709551615", 0, "model: heads 18446744073709551615 is out of range (1 to 1024)"},
        {"many", 0, "metadata num_heads is 'many'; a whole number was expected"},
        {"4x", 0, "metadata num_heads is '4x'; a whole number was expected"},
        {"99999999999999999999999", 0, "metadata num_heads is '99999999999999999999999'; a whole number was expected"},
        {"-3", 0, "metadata num_heads is '-3'; a whole number was expected"},
    };
    const ssfer_vit_config config = good();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ssfer_vit_config got;
        ssfer_error err = {0};
        checkpoint c;
        open_checkpoint(&c, &config, NULL, NULL, NULL, 0);
        if (cases[i].stored)
            assert_int_equal(ssfer_tensor_set_put(c.set, "num_heads", cases[i].stored, NULL), SSFER_OK);
        assert_int_equal(ssfer_vit_config_from_checkpoint(&got, c.set, cases[i].asked, &err),
                         cases[i].message[1] == 'o' ? SSFER_ERR_ARGUMENT : SSFER_ERR_FORMAT);
        assert_string_equal(err.message, cases[i].message);
        close_checkpoint(&c);
    }
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void test_out_of_memory(void **state)
{
    (void)state;
    const ssfer_vit_config config = good();
    ssfer_vit vit;
    ssfer_vit_acts acts;
    ssfer_status st = SSFER_ERR_MEMORY;
    size_t n = 0;
    while (st != SSFER_OK) {
        ssfer_error err = {0};
        ssfer_memory_fail_at(++n);
        st = ssfer_vit_init(&vit, &config, &err);
        ssfer_memory_fail_at(0);
        assert_true(st == SSFER_OK || (st == SSFER_ERR_MEMORY && strcmp(err.message, "model: out of memory") == 0));
    }
    assert_true(n > 3);
    ssfer_compute *cx;
    assert_int_equal(ssfer_compute_create(&cx, SSFER_BACKEND_REF, SSFER_PRECISION_FP32, 1, NULL), SSFER_OK);
    st = SSFER_ERR_MEMORY;
    for (n = 0; st != SSFER_OK;) {
        ssfer_error err = {0};
        ssfer_memory_fail_at(++n);
        st = ssfer_vit_acts_init(&acts, cx, &vit, 3, true, &err);
        ssfer_memory_fail_at(0);
        assert_true(st == SSFER_OK || (st == SSFER_ERR_MEMORY && *err.message));
        ssfer_vit_acts_deinit(&acts);
    }
    assert_true(n > 3);
    ssfer_vit_deinit(&vit);
    ssfer_compute_destroy(cx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_named),         cmocka_unit_test(test_layers),
        cmocka_unit_test(test_flops),         cmocka_unit_test(test_refused),
        cmocka_unit_test(test_largest),       cmocka_unit_test(test_from_checkpoint),
        cmocka_unit_test(test_metadata),      cmocka_unit_test(test_refused_checkpoints),
        cmocka_unit_test(test_refused_heads), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
