/* Pre-training from end to end on a handful of small pictures: stopping and resuming, damaged pictures, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scratch.h"
#include "ssfer/image.h"
#include "train/pretrain.h"

#include <glob.h>
#include <math.h>

enum { PICTURES = 26, EPOCHS = 3, BATCH = 4, STEPS = 5 * EPOCHS }; /* 5 are held out: 21 make 5 batches of 4 */

/* Soft blobs: something that a decoder can learn. */
static void make_picture(size_t i, const char *folder)
{
    ssfer_image image;
    char name[64];
    ssfer_rng rng = ssfer_rng_stream(9, 0, 0, i, SSFER_RNG_TEST);
    assert_int_equal(ssfer_image_create(&image, 20, 18, NULL), SSFER_OK);
    double x = ssfer_rng_range(&rng, 4, 16), y = ssfer_rng_range(&rng, 4, 14), r = ssfer_rng_range(&rng, 3, 8);
    for (size_t row = 0; row < image.height; row++)
        for (size_t column = 0; column < image.width; column++)
            for (size_t k = 0; k < 3; k++) {
                double d = hypot((double)column - x, (double)row - y) / r;
                image.data[(row * image.width + column) * 3 + k] =
                    (uint8_t)(40.0 + 50.0 * (double)k + 110.0 * exp(-d * d));
            }
    snprintf(name, sizeof name, "%s/%02zu.png", folder, i);
    assert_int_equal(ssfer_image_save(&image, scratch_path(name), NULL), SSFER_OK);
    ssfer_image_deinit(&image);
}

static void write_text(const char *name, const char *text)
{
    FILE *f = fopen(scratch_path(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int setup(void **state)
{
    if (scratch_setup(state) != 0)
        return -1;
    const char *const folders[] = {"faces", "more", "damaged", "empty"};
    for (size_t i = 0; i < 4; i++)
        if (ssfer_folder_create(scratch_path(folders[i]), NULL) != SSFER_OK)
            return -1;
    for (size_t i = 0; i < PICTURES; i++)
        make_picture(i, i < 20 ? "faces" : "more");
    for (size_t i = 0; i < 8; i++)
        make_picture(i, "damaged");
    write_text("damaged/08.png", "this is no picture");
    write_text("damaged/09.png", "");
    write_text("empty/readme.txt", "no pictures here");
    return 0;
}

static char sources[1200];

static ssfer_pretrain_options small_options(const char *out)
{
    ssfer_pretrain_options o = ssfer_pretrain_defaults();
    snprintf(sources, sizeof sources, "%s,%s", scratch_path("faces"), scratch_path("more"));
    o.data = sources;
    o.holdout = 0.2;
    o.model = (ssfer_mae_config){.image_size = 16,
                                 .patch_size = 4,
                                 .channels = 3,
                                 .embed_dim = 16,
                                 .depth = 1,
                                 .heads = 2,
                                 .hidden = 24,
                                 .decoder_dim = 8,
                                 .decoder_depth = 1,
                                 .decoder_heads = 1,
                                 .decoder_hidden = 16,
                                 .eps = 1e-6f,
                                 .mask_ratio = 0.75};
    o.training.epochs = EPOCHS;
    o.training.batch = BATCH;
    o.training.lr = 5e-3;
    o.training.warmup_epochs = 0.5;
    o.training.schedule = SSFER_SCHEDULE_MAE;
    o.training.seed = 3;
    o.training.out = out;
    o.training.save_every = 1;
    o.training.threads = 2;
    return o;
}

static void must(ssfer_status st, const ssfer_error *err)
{
    if (st != SSFER_OK)
        fail_msg("%s: %s", ssfer_status_name(st), err->message);
}

/* The tensors alone: runs that came to the same weights on different ways say so in the metadata. */
static void check_same_tensors(const char *a, const char *b)
{
    ssfer_tensor_set *x = NULL, *y = NULL;
    ssfer_error err = {0};
    must(ssfer_safetensors_read(&x, a, &err), &err);
    must(ssfer_safetensors_read(&y, b, &err), &err);
    assert_int_equal(ssfer_tensor_set_count(x), ssfer_tensor_set_count(y));
    for (size_t i = 0; i < ssfer_tensor_set_count(x); i++) {
        const ssfer_tensor *t = ssfer_tensor_set_at(x, i), *u = ssfer_tensor_set_find(y, t->name);
        assert_non_null(u);
        assert_int_equal(t->size_bytes, u->size_bytes);
        assert_memory_equal(t->data, u->data, t->size_bytes);
    }
    ssfer_tensor_set_destroy(x);
    ssfer_tensor_set_destroy(y);
}

static void check_same_file(const char *a, const char *b)
{
    unsigned char *x = NULL, *y = NULL;
    size_t nx = 0, ny = 0;
    must(ssfer_file_read(&x, &nx, a, 1 << 24, NULL), &(ssfer_error){0});
    must(ssfer_file_read(&y, &ny, b, 1 << 24, NULL), &(ssfer_error){0});
    assert_int_equal(nx, ny);
    assert_memory_equal(x, y, nx);
    ssfer_free(x);
    ssfer_free(y);
}

/* The figures of metrics.jsonl but for the speed, which no two runs share. */
static char *metrics_of(const char *run)
{
    char name[128];
    snprintf(name, sizeof name, "%s/metrics.jsonl", run);
    char *text = scratch_read(name);
    assert_non_null(text);
    scratch_drop_clocked(text);
    return text;
}

/* ---- stopping ---------------------------------------------------------------------------------------------------- */

static int steps_left;

static int stop_after(void)
{
    return --steps_left == 0;
}

static void train_through(const char *out, ssfer_pretrain_result *result)
{
    ssfer_error err = {0};
    ssfer_pretrain_options o = small_options(out);
    must(ssfer_pretrain(&o, result, &err), &err);
}

/* Stops at random steps, again and again, until the run is done. Returns how often it stopped. */
static size_t train_in_pieces(const char *out, ssfer_rng *rng)
{
    ssfer_error err = {0};
    ssfer_pretrain_options o = small_options(out);
    o.training.stop = stop_after;
    for (size_t stops = 0;; stops++) {
        steps_left = 1 + (int)ssfer_rng_below(rng, STEPS / 2);
        ssfer_status st = ssfer_pretrain(&o, NULL, &err);
        if (st == SSFER_OK)
            return stops;
        assert_int_equal(st, SSFER_ERR_CANCELLED);
        assert_true(stops < STEPS);
        o.training.resume = true;
    }
}

/* Ten runs, each stopped at random moments, the last step of an epoch among them: the same weights, byte for byte. */
static void test_resume(void **state)
{
    (void)state;
    ssfer_pretrain_result result;
    char whole[256], piece[256], a[300], b[300];
    size_t stops = 0;
    snprintf(whole, sizeof whole, "%s", scratch_path("whole"));
    train_through(whole, &result);
    assert_int_equal(result.training_pictures, 21);
    assert_int_equal(result.held_out, 5);
    assert_true(isfinite(result.validation_loss));
    snprintf(a, sizeof a, "%s/model.safetensors", whole);
    char *figures = metrics_of(whole);
    ssfer_rng rng = ssfer_rng_stream(21, 0, 0, 0, SSFER_RNG_TEST);
    for (size_t i = 0; i < 10; i++) {
        snprintf(piece, sizeof piece, "%s/pieces%zu", scratch, i);
        stops += train_in_pieces(piece, &rng);
        snprintf(b, sizeof b, "%s/model.safetensors", piece);
        check_same_file(a, b);
        char *same = metrics_of(piece);
        assert_string_equal(figures, same);
        ssfer_free(same);
    }
    assert_true(stops >= 10);
    ssfer_free(figures);
}

/* The loss falls, and the files that a run leaves are there. */
static void test_run(void **state)
{
    (void)state;
    static const char *const files[] = {"recipe.yaml", "metrics.jsonl",     "training.log", "loss.png",   "loss.svg",
                                        "lr.png",      "model.safetensors", "lr.svg",       "report.html"};
    ssfer_error err = {0};
    ssfer_pretrain_result few, many;
    char out[256], file[300];
    snprintf(out, sizeof out, "%s", scratch_path("run"));
    ssfer_pretrain_options o = small_options(out);
    o.training.epochs = 1;
    must(ssfer_pretrain(&o, &few, &err), &err);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(file, sizeof file, "%s/%s", out, files[i]);
        if (!ssfer_file_exists(file))
            fail_msg("no %s", file);
    }
    o.training.out = scratch_path("longer");
    o.training.epochs = 12;
    o.training.accumulate = 1;
    must(ssfer_pretrain(&o, &many, &err), &err);
    assert_true(many.validation_loss < 0.8 * few.validation_loss);

    ssfer_mae_model model; /* the whole autoencoder, with all it needs to be used */
    snprintf(file, sizeof file, "%s/model.safetensors", out);
    must(ssfer_mae_model_load(&model, file, 0, 0, &err), &err);
    assert_int_equal(model.mae.config.heads, 2);
    assert_int_equal(model.mae.config.decoder_dim, 8);
    ssfer_mae_model_deinit(&model);
}

/* Two micro-batches of 2 are one batch of 4 in exact arithmetic; here up to rounding. */
static void test_accumulation(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_pretrain_result once, twice;
    ssfer_pretrain_options o = small_options(scratch_path("batch4"));
    o.training.epochs = 1;
    must(ssfer_pretrain(&o, &once, &err), &err);
    o.training.out = scratch_path("batch2");
    o.training.batch = BATCH / 2;
    o.training.accumulate = 2;
    must(ssfer_pretrain(&o, &twice, &err), &err);
    assert_true(fabs(once.validation_loss - twice.validation_loss) <= 1e-4 * once.validation_loss);
}

/* A batch of 4 whose encoder sees 769 tokens a picture goes through the model in two parts. */
static void test_parts(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_pretrain_result parts, batches;
    ssfer_pretrain_options o = small_options(scratch_path("parts"));
    o.model.image_size = 64;
    o.model.patch_size = 2;
    o.model.mask_ratio = 0.25;
    assert_int_equal(ssfer_stack_part(BATCH, 769), BATCH / 2);
    o.training.epochs = 1;
    must(ssfer_pretrain(&o, &parts, &err), &err);
    o.training.out = scratch_path("batches");
    o.training.batch = BATCH / 2;
    o.training.accumulate = 2;
    must(ssfer_pretrain(&o, &batches, &err), &err);
    assert_true(fabs(parts.validation_loss - batches.validation_loss) <= 1e-4 * parts.validation_loss);
}

/* ---- where a run starts ------------------------------------------------------------------------------------------ */

/* With a constant rate, two epochs and then two more are four. */
static void test_continue(void **state)
{
    (void)state;
    ssfer_error err = {0};
    char from[256], model[256], four[256];
    ssfer_pretrain_options o = small_options(scratch_path("four"));
    o.training.schedule = SSFER_SCHEDULE_CONSTANT;
    o.training.epochs = 4;
    must(ssfer_pretrain(&o, NULL, &err), &err);
    o.training.out = scratch_path("two");
    o.training.epochs = 2;
    must(ssfer_pretrain(&o, NULL, &err), &err);
    snprintf(from, sizeof from, "%s", scratch_path("two/checkpoints/step-00000010.safetensors"));
    o.training.out = scratch_path("two_more");
    o.continue_from = from;
    o.model.embed_dim = 0; /* sizes from the file */
    assert_int_equal(ssfer_pretrain(&o, NULL, &err), SSFER_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "--epochs"));
    o.training.epochs = 4;
    o.training.resume = true; /* the folder is there already */
    o.training.out = scratch_path("two_more_again");
    must(ssfer_pretrain(&o, NULL, &err), &err);
    snprintf(four, sizeof four, "%s", scratch_path("four/model.safetensors"));
    snprintf(model, sizeof model, "%s", scratch_path("two_more_again/model.safetensors"));
    check_same_tensors(four, model);
}

/* Weights alone: training goes on from them with a new optimizer; a file of something else is refused. */
static void test_init(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_pretrain_result before, after;
    char from[256];
    ssfer_pretrain_options o = small_options(scratch_path("first"));
    o.training.epochs = 8;
    must(ssfer_pretrain(&o, &before, &err), &err);
    snprintf(from, sizeof from, "%s", scratch_path("first/model.safetensors"));
    o.init = from;
    o.training.out = scratch_path("second");
    o.training.epochs = 1;
    o.training.lr = 1e-6;
    must(ssfer_pretrain(&o, &after, &err), &err);
    assert_true(fabs(after.validation_loss - before.validation_loss) < 0.02 * before.validation_loss);

    o.training.out = scratch_path("third");
    o.model.hidden = 32;
    assert_int_equal(ssfer_pretrain(&o, NULL, &err), SSFER_ERR_SHAPE);
    assert_non_null(strstr(err.message, "mlp.fc1"));
    assert_non_null(strstr(err.message, "first/model.safetensors"));
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

static void check_refused(ssfer_pretrain_options o, const char *data, ssfer_status wanted, const char *words)
{
    ssfer_error err = {0};
    o.data = data;
    o.training.out = scratch_path("refused");
    ssfer_status st = ssfer_pretrain(&o, NULL, &err);
    if (st != wanted || !strstr(err.message, words))
        fail_msg("%s: '%s', wanted %s: '...%s...'", ssfer_status_name(st), err.message, ssfer_status_name(wanted),
                 words);
    assert_false(ssfer_file_exists(scratch_path("refused/recipe.yaml"))); /* nothing was started */
}

static void test_refused(void **state)
{
    (void)state;
    char faces[256], empty[256], missing[256];
    const ssfer_pretrain_options good = small_options("");
    snprintf(faces, sizeof faces, "%s", scratch_path("faces"));
    snprintf(empty, sizeof empty, "%s", scratch_path("empty"));
    snprintf(missing, sizeof missing, "%s", scratch_path("nowhere"));
    check_refused(good, missing, SSFER_ERR_IO, "nowhere");
    check_refused(good, empty, SSFER_ERR_FORMAT, "empty");
    ssfer_pretrain_options o = good;
    o.holdout = 0.99;
    check_refused(o, faces, SSFER_ERR_ARGUMENT, "--holdout");
    o = good;
    o.training.accumulate = 100;
    check_refused(o, faces, SSFER_ERR_ARGUMENT, "--accumulate");
    o = good;
    o.model.mask_ratio = 0.99;
    check_refused(o, faces, SSFER_ERR_ARGUMENT, "mask ratio");
    o = good;
    o.init = missing;
    check_refused(o, faces, SSFER_ERR_IO, "nowhere");
    o.init = NULL;
    o.continue_from = faces; /* a folder */
    check_refused(o, faces, SSFER_ERR_IO, "faces");
    o = good;
    o.training.warmup_epochs = EPOCHS;
    check_refused(o, missing, SSFER_ERR_ARGUMENT, "--warmup-epochs"); /* before the data are looked at */
    o = good;
    o.split = "none";
    check_refused(o, faces, SSFER_ERR_ARGUMENT, "there is no split none");
}

/* What --continue takes is looked at before anything is written, too. */
static void test_refused_start(void **state)
{
    (void)state;
    ssfer_error err = {0};
    char made[256], faces[256];
    snprintf(made, sizeof made, "%s", scratch_path("made"));
    snprintf(faces, sizeof faces, "%s", scratch_path("faces"));
    ssfer_pretrain_options o = small_options(made);
    o.training.epochs = 1;
    o.data = faces;
    must(ssfer_pretrain(&o, NULL, &err), &err);
    char model[300], checkpoint[300] = "";
    snprintf(model, sizeof model, "%s/model.safetensors", made);
    glob_t found;
    if (glob(scratch_path("made/checkpoints/step-*.safetensors"), 0, NULL, &found) == 0)
        snprintf(checkpoint, sizeof checkpoint, "%s", found.gl_pathv[0]);
    globfree(&found);
    o.continue_from = model;
    o.training.epochs = 4;
    check_refused(o, faces, SSFER_ERR_FORMAT, "made/model.safetensors");
    o.continue_from = checkpoint;
    o.training.epochs = 1;
    check_refused(o, faces, SSFER_ERR_ARGUMENT, "1 epochs are done already; use a larger --epochs than 1");
    o.training.epochs = 2;
    o.training.optimizer.ema_decay = 0.9f;
    check_refused(o, faces, SSFER_ERR_SHAPE, "ema.");
    o.training.optimizer.ema_decay = 0.0f;
    ssfer_rehearsal rehearsal = {0};
    o.training.rehearsal = &rehearsal;
    o.training.out = scratch_path("refused");
    must(ssfer_pretrain(&o, NULL, &err), &err);
    assert_false(ssfer_file_exists(scratch_path("refused")));
    assert_non_null(ssfer_tensor_set_find(rehearsal.model, "decoder_embed.weight"));
    assert_string_equal(ssfer_tensor_set_get(rehearsal.model, "architecture"), "mae");
    ssfer_tensor_set_destroy(rehearsal.model);
}

static void test_damaged(void **state)
{
    (void)state;
    ssfer_error err = {0};
    char data[256];
    snprintf(data, sizeof data, "%s", scratch_path("damaged"));
    ssfer_pretrain_options o = small_options(scratch_path("tolerant"));
    o.data = data;
    o.training.batch = 2;
    o.training.max_bad_share = 0.5;
    must(ssfer_pretrain(&o, NULL, &err), &err);
    o.training.out = scratch_path("strict");
    o.training.max_bad_share = 0.1;
    assert_int_equal(ssfer_pretrain(&o, NULL, &err), SSFER_ERR_FORMAT);
}

/* A held-out picture that can be decoded but not scaled is left out of the reconstructions, and ends nothing. */
static void test_long_and_thin(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_image image;
    char data[256];
    snprintf(data, sizeof data, "%s", scratch_path("thin"));
    must(ssfer_folder_create(data, &err), &err);
    for (size_t i = 0; i < 6; i++)
        make_picture(i, "thin");
    must(ssfer_image_create(&image, 1, 65000, &err), &err);
    memset(image.data, 90, image.width * image.height * 3);
    must(ssfer_image_save(&image, scratch_path("thin/6.png"), &err), &err);
    ssfer_image_deinit(&image);
    ssfer_pretrain_options o = small_options(scratch_path("thin-run"));
    o.data = data;
    o.holdout = 0.7; /* five of the seven: with this seed the long one is among them */
    o.training.batch = 2;
    o.training.max_bad_share = 0.5;
    ssfer_pretrain_result result;
    must(ssfer_pretrain(&o, &result, &err), &err);
    assert_true(ssfer_file_exists(scratch_path("thin-run/reconstructions.jpg")));
    assert_true(ssfer_file_exists(scratch_path("thin-run/report.html")));
}

/* Rates that no network survives: the message says what to try. With rollbacks it says how many were made. */
static void test_not_finite(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_pretrain_options o = small_options(scratch_path("nan"));
    o.training.lr = 1e38;
    o.training.schedule = SSFER_SCHEDULE_CONSTANT;
    assert_int_equal(ssfer_pretrain(&o, NULL, &err), SSFER_ERR_NUMERIC);
    assert_non_null(strstr(err.message, "--lr"));
    assert_non_null(strstr(err.message, "--on-nan rollback"));
    o.training.out = scratch_path("nan_again");
    o.rollbacks = 2;
    assert_int_equal(ssfer_pretrain(&o, NULL, &err), SSFER_ERR_NUMERIC);
    assert_non_null(strstr(err.message, "after 2 returns"));
    assert_false(ssfer_file_exists(scratch_path("nan_again/model.safetensors")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resume),        cmocka_unit_test(test_run),           cmocka_unit_test(test_accumulation),
        cmocka_unit_test(test_parts),         cmocka_unit_test(test_continue),      cmocka_unit_test(test_init),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_not_finite),    cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_long_and_thin), cmocka_unit_test(test_refused_start),
    };
    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}
