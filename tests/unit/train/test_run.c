#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scratch.h"
#include "train/run.h"

#include <glob.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char warnings[1024];

static void keep_warning(void *user, ssfer_log_level level, const char *line)
{
    (void)user;
    if (level <= SSFER_LOG_WARNING)
        snprintf(warnings + strlen(warnings), sizeof warnings - strlen(warnings), "%s\n", line);
}

static const ssfer_log LOG = {.write = keep_warning, .most = SSFER_LOG_INFO};

static ssfer_status open_run(ssfer_run **run, bool resume, double lr, ssfer_error *err)
{
    ssfer_recipe recipe = {0};
    ssfer_recipe_section(&recipe, "optimizer");
    ssfer_recipe_double(&recipe, "lr", lr);
    ssfer_run_options o = {.folder = scratch_path("deep/run"),
                           .stage = "finetune",
                           .resume = resume,
                           .keep_checkpoints = 2,
                           .recipe = &recipe,
                           .log = &LOG};
    *warnings = 0;
    ssfer_status st = ssfer_run_open(run, &o, err);
    ssfer_recipe_deinit(&recipe);
    return st;
}

static ssfer_train_state state_at(size_t step)
{
    return (ssfer_train_state){.stage = "finetune", .epoch = step / 10, .step = step, .elapsed_s = 1.0 / 3};
}

static ssfer_status save_step(ssfer_run *run, size_t step, bool best, ssfer_error *err)
{
    ssfer_tensor_set *set;
    float weights[2] = {(float)step, -1};
    size_t shape = 2;
    ssfer_train_state at = state_at(step);
    if (best) {
        at.best_epoch = at.epoch;
        at.best = 0.5;
    }
    assert_int_equal(ssfer_tensor_set_create(&set, NULL), SSFER_OK);
    assert_int_equal(ssfer_tensor_set_add(set, "w", SSFER_DTYPE_F32, &shape, 1, weights, NULL), SSFER_OK);
    ssfer_status st = ssfer_run_save(run, set, &at, best, err);
    ssfer_tensor_set_destroy(set);
    return st;
}

static void record_steps(ssfer_run *run, size_t first, size_t last)
{
    for (size_t step = first; step <= last; step++) {
        ssfer_metric m[] = {{"loss", 1.0 / (double)step}, {"lr", step == 4 ? (double)NAN : 1e-4}};
        assert_int_equal(ssfer_run_record(run, 1, step, m, 2, NULL), SSFER_OK);
    }
}

static size_t count_files(const char *pattern)
{
    glob_t found;
    size_t count = glob(scratch_path(pattern), 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return count;
}

static float first_weight(const ssfer_tensor_set *set)
{
    float w[2] = {NAN, NAN};
    const ssfer_tensor *t = ssfer_tensor_set_find(set, "w");
    assert_non_null(t);
    ssfer_tensor_to_f32(w, t);
    return w[0];
}

static void test_new_run(void **state)
{
    (void)state;
    ssfer_run *run;
    ssfer_error err = {0};
    ssfer_train_state at;
    assert_int_equal(open_run(&run, false, 1e-4, &err), SSFER_OK);
    assert_null(ssfer_run_take_checkpoint(run, &at));
    assert_false(ssfer_run_is_finished(run));
    record_steps(run, 3, 4);
    ssfer_warn(ssfer_run_log(run), "a picture was skipped");
    ssfer_run_close(run);
    char *text = scratch_read(scratch_path("deep/run/metrics.jsonl"));
    assert_string_equal(text,
                        "{\"stage\":\"finetune\",\"epoch\":1,\"step\":3,\"loss\":0.3333333333333333,\"lr\":0.0001}\n"
                        "{\"stage\":\"finetune\",\"epoch\":1,\"step\":4,\"loss\":0.25,\"lr\":null}\n");
    ssfer_free(text);
    text = scratch_read(scratch_path("deep/run/training.log"));
    assert_non_null(strstr(text, " warning a picture was skipped\n"));
    ssfer_free(text);
    assert_string_equal(warnings, "a picture was skipped\n");
    assert_int_equal(count_files("deep/run/events.out.tfevents.*"), 1);
    assert_true(ssfer_file_exists(scratch_path("deep/run/recipe.yaml")));
    /* It is there now, so only --resume may touch it. */
    assert_int_equal(open_run(&run, false, 1e-4, &err), SSFER_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "an unfinished run already; continue it with --resume"));
    assert_null(run);
    assert_int_equal(open_run(&run, true, 2e-4, &err), SSFER_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "optimizer.lr"));
}

/* A run that failed or was killed before its first step: it starts anew, with other options too, resumed or not. */
static void test_never_begun(void **state)
{
    (void)state;
    ssfer_run *run;
    ssfer_train_state at;
    for (int resume = 0; resume < 2; resume++) {
        assert_int_equal(open_run(&run, resume == 1, resume ? 3e-4 : 1e-4, NULL), SSFER_OK);
        ssfer_run_close(run);
        assert_false(ssfer_run_has_begun(scratch_path("deep/run")));
        assert_int_equal(ssfer_folder_create(scratch_path("deep/run/checkpoints"), NULL), SSFER_OK);
        assert_int_equal(
            ssfer_file_write(scratch_path("deep/run/checkpoints/step-00000001.safetensors.tmp.1"), "x", 1, NULL),
            SSFER_OK);
        assert_false(ssfer_run_has_begun(scratch_path("deep/run"))); /* killed while it saved */
    }
    assert_int_equal(open_run(&run, false, 2e-4, NULL), SSFER_OK);
    assert_null(ssfer_run_take_checkpoint(run, &at));
    assert_int_equal(count_files("deep/run/events.out.tfevents.*"), 1);
    assert_int_equal(count_files("deep/run/checkpoints/*"), 0);
    char *text = scratch_read(scratch_path("deep/run/recipe.yaml"));
    assert_non_null(strstr(text, "lr: 0.0002"));
    ssfer_free(text);
    record_steps(run, 1, 1);
    ssfer_run_close(run);
    assert_true(ssfer_run_has_begun(scratch_path("deep/run")));
    assert_int_equal(open_run(&run, false, 2e-4, NULL), SSFER_ERR_ARGUMENT);
    assert_int_equal(open_run(&run, true, 1e-4, NULL), SSFER_ERR_ARGUMENT);
    assert_int_equal(open_run(&run, true, 2e-4, NULL), SSFER_OK);
    ssfer_run_close(run);
    assert_false(ssfer_run_has_begun(scratch_path("nowhere")));
}

/* Ten steps in one go, or killed after seven with a checkpoint of five: the same files. */
static void test_resume(void **state)
{
    (void)state;
    ssfer_run *run;
    ssfer_train_state at;
    assert_int_equal(open_run(&run, false, 1e-4, NULL), SSFER_OK);
    record_steps(run, 1, 5);
    assert_int_equal(save_step(run, 5, false, NULL), SSFER_OK);
    record_steps(run, 6, 10);
    ssfer_run_close(run);
    char *whole = scratch_read(scratch_path("deep/run/metrics.jsonl"));
    assert_int_equal(truncate(scratch_path("deep/run/metrics.jsonl"), (off_t)strlen(whole) - 100), 0);
    assert_int_equal(
        ssfer_file_write(scratch_path("deep/run/checkpoints/step-00000010.safetensors.tmp.123"), "x", 1, NULL),
        SSFER_OK);

    assert_int_equal(open_run(&run, true, 1e-4, NULL), SSFER_OK);
    assert_string_equal(warnings, "");
    assert_int_equal(count_files("deep/run/checkpoints/*.tmp.*"), 0);
    ssfer_tensor_set *set = ssfer_run_take_checkpoint(run, &at);
    assert_non_null(set);
    assert_true(first_weight(set) == 5);
    assert_int_equal(at.step, 5);
    assert_true(at.elapsed_s == 1.0 / 3);
    ssfer_tensor_set_destroy(set);
    record_steps(run, 6, 10);
    ssfer_run_close(run);
    char *again = scratch_read(scratch_path("deep/run/metrics.jsonl"));
    assert_string_equal(again, whole);
    assert_int_equal(count_files("deep/run/events.out.tfevents.*"), 1);
    ssfer_free(whole);
    ssfer_free(again);
}

/* Killed before the first checkpoint: starts anew in the same folder. And --resume where nothing is starts too. */
static void test_resume_from_nothing(void **state)
{
    (void)state;
    ssfer_run *run;
    ssfer_train_state at;
    assert_int_equal(open_run(&run, true, 1e-4, NULL), SSFER_OK);
    record_steps(run, 1, 3);
    ssfer_run_close(run);
    assert_int_equal(open_run(&run, true, 1e-4, NULL), SSFER_OK);
    assert_null(ssfer_run_take_checkpoint(run, &at));
    assert_int_equal(at.step, 0);
    ssfer_run_close(run);
    char *text = scratch_read(scratch_path("deep/run/metrics.jsonl"));
    assert_string_equal(text, "");
    ssfer_free(text);
}

static void test_checkpoints(void **state)
{
    (void)state;
    ssfer_run *run;
    ssfer_tensor_set *set;
    assert_int_equal(open_run(&run, false, 1e-4, NULL), SSFER_OK);
    assert_int_equal(save_step(run, 10, true, NULL), SSFER_OK);
    assert_int_equal(save_step(run, 10, true, NULL), SSFER_OK); /* the same step again */
    for (size_t step = 20; step <= 50; step += 10)
        assert_int_equal(save_step(run, step, false, NULL), SSFER_OK);
    assert_int_equal(count_files("deep/run/checkpoints/*"), 3);
    assert_true(ssfer_file_exists(scratch_path("deep/run/checkpoints/step-00000040.safetensors")));
    assert_true(ssfer_file_exists(scratch_path("deep/run/checkpoints/step-00000050.safetensors")));
    assert_int_equal(ssfer_safetensors_read(&set, scratch_path("deep/run/checkpoints/best.safetensors"), NULL),
                     SSFER_OK);
    assert_true(first_weight(set) == 10); /* though its other name is gone */
    assert_int_equal(save_step(run, 60, true, NULL), SSFER_OK);
    assert_true(first_weight(set) == 10); /* what is open stays what it was */
    ssfer_tensor_set_destroy(set);
    assert_int_equal(ssfer_safetensors_read(&set, scratch_path("deep/run/checkpoints/best.safetensors"), NULL),
                     SSFER_OK);
    assert_true(first_weight(set) == 60);
    assert_int_equal(ssfer_run_finish(run, set, NULL), SSFER_OK);
    ssfer_tensor_set_destroy(set);
    ssfer_run_close(run);
    ssfer_error err = {0};
    assert_int_equal(open_run(&run, false, 1e-4, &err), SSFER_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "a finished run"));
    assert_int_equal(open_run(&run, true, 1e-4, &err), SSFER_OK);
    assert_true(ssfer_run_is_finished(run));
    ssfer_run_close(run);
}

/* Killed between the checkpoint and its second name: the next start completes it. */
static void test_best_completed(void **state)
{
    (void)state;
    ssfer_run *run;
    assert_int_equal(open_run(&run, false, 1e-4, NULL), SSFER_OK);
    assert_int_equal(save_step(run, 10, true, NULL), SSFER_OK);
    ssfer_run_close(run);
    assert_int_equal(unlink(scratch_path("deep/run/checkpoints/best.safetensors")), 0);
    assert_int_equal(open_run(&run, true, 1e-4, NULL), SSFER_OK);
    ssfer_run_close(run);
    assert_true(ssfer_file_exists(scratch_path("deep/run/checkpoints/best.safetensors")));
}

static void test_damaged_checkpoints(void **state)
{
    (void)state;
    ssfer_run *run;
    ssfer_error err = {0};
    ssfer_train_state at;
    assert_int_equal(open_run(&run, false, 1e-4, NULL), SSFER_OK);
    assert_int_equal(save_step(run, 10, false, NULL), SSFER_OK);
    assert_int_equal(save_step(run, 20, false, NULL), SSFER_OK);
    ssfer_run_close(run);
    assert_int_equal(truncate(scratch_path("deep/run/checkpoints/step-00000020.safetensors"), 30), 0);
    assert_int_equal(open_run(&run, true, 1e-4, &err), SSFER_OK);
    assert_non_null(strstr(warnings, "step-00000020.safetensors"));
    ssfer_tensor_set_destroy(ssfer_run_take_checkpoint(run, &at));
    assert_int_equal(at.step, 10);
    /* It is kept, but not in the way: of three checkpoints the damaged one would be the newest. */
    assert_int_equal(count_files("deep/run/checkpoints/step-00000020.safetensors.damaged"), 1);
    assert_int_equal(save_step(run, 12, false, NULL), SSFER_OK);
    assert_int_equal(save_step(run, 15, false, NULL), SSFER_OK);
    assert_int_equal(count_files("deep/run/checkpoints/step-*.safetensors"), 2);
    ssfer_run_close(run);
    assert_int_equal(truncate(scratch_path("deep/run/checkpoints/step-00000012.safetensors"), 0), 0);
    assert_int_equal(truncate(scratch_path("deep/run/checkpoints/step-00000015.safetensors"), 0), 0);
    assert_int_not_equal(open_run(&run, true, 1e-4, &err), SSFER_OK);
    assert_non_null(strstr(err.message, "step-00000012.safetensors"));
    assert_non_null(strstr(err.message, "to start anew"));
    assert_int_equal(count_files("deep/run/checkpoints/step-*.safetensors"), 2); /* and everything as it was */
}

/* The newest checkpoint cut at any length, or with a wrong bit anywhere: the one before it, never wrong numbers. */
static void test_damage_of_every_kind(void **state)
{
    (void)state;
    ssfer_run *run;
    size_t size;
    unsigned char *bytes;
    assert_int_equal(open_run(&run, false, 1e-4, NULL), SSFER_OK);
    assert_int_equal(save_step(run, 10, false, NULL), SSFER_OK);
    assert_int_equal(save_step(run, 20, false, NULL), SSFER_OK);
    ssfer_run_close(run);
    char *path = ssfer_strdup(scratch_path("deep/run/checkpoints/step-00000020.safetensors"));
    assert_int_equal(ssfer_file_read(&bytes, &size, path, 1 << 20, NULL), SSFER_OK);
    for (size_t i = 0; i < 2 * size; i++) {
        const size_t cut = i < size ? i : size;
        FILE *f = fopen(path, "wb"); /* without an fsync a time */
        if (i >= size)
            bytes[i - size] ^= (unsigned char)(1u << i % 8);
        fwrite(bytes, 1, cut, f);
        fclose(f);
        if (i >= size)
            bytes[i - size] ^= (unsigned char)(1u << i % 8);
        ssfer_train_state at;
        assert_int_equal(open_run(&run, true, 1e-4, NULL), SSFER_OK);
        ssfer_tensor_set *set = ssfer_run_take_checkpoint(run, &at);
        if (!(first_weight(set) == (float)at.step && (at.step == 10 || (at.step == 20 && i >= size))))
            fail_msg("change %zu of %zu bytes: step %zu, weight %g", i, size, at.step, (double)first_weight(set));
        if (at.step == 10)
            assert_non_null(strstr(warnings, "trying the one before"));
        ssfer_tensor_set_destroy(set);
        ssfer_run_close(run);
        unlink(path);
    }
    ssfer_free(path);
    ssfer_free(bytes);
}

/* What a process was writing when it was killed: gone with the next start, and nothing else with it. */
static void test_temporaries(void **state)
{
    (void)state;
    ssfer_run *run;
    static const char *const left[] = {"deep/run/model.safetensors.tmp.12", "deep/run/report.html.tmp.345",
                                       "deep/run/checkpoints/best.safetensors.tmp.6"},
                             *const others[] = {"deep/run/notes.tmp.txt", "deep/run/a.tmp.", "deep/run/7"};
    assert_int_equal(open_run(&run, false, 1e-4, NULL), SSFER_OK);
    assert_int_equal(save_step(run, 10, false, NULL), SSFER_OK);
    ssfer_run_close(run);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(ssfer_file_write(scratch_path(left[i]), "x", 1, NULL), SSFER_OK);
        assert_int_equal(ssfer_file_write(scratch_path(others[i]), "x", 1, NULL), SSFER_OK);
    }
    assert_int_equal(open_run(&run, true, 1e-4, NULL), SSFER_OK);
    ssfer_run_close(run);
    for (size_t i = 0; i < 3; i++)
        assert_true(!ssfer_file_exists(scratch_path(left[i])) && ssfer_file_exists(scratch_path(others[i])));
}

/* When none of the newest can be read there is still the best. */
static void test_best_is_left(void **state)
{
    (void)state;
    ssfer_run *run;
    ssfer_error err = {0};
    ssfer_train_state at;
    assert_int_equal(open_run(&run, false, 1e-4, NULL), SSFER_OK);
    assert_int_equal(save_step(run, 10, true, NULL), SSFER_OK);
    assert_int_equal(save_step(run, 20, false, NULL), SSFER_OK);
    assert_int_equal(save_step(run, 30, false, NULL), SSFER_OK);
    ssfer_run_close(run);
    assert_int_equal(truncate(scratch_path("deep/run/checkpoints/step-00000020.safetensors"), 30), 0);
    assert_int_equal(truncate(scratch_path("deep/run/checkpoints/step-00000030.safetensors"), 30), 0);
    if (open_run(&run, true, 1e-4, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    assert_non_null(strstr(warnings, "going on from checkpoints/best.safetensors, step 10"));
    ssfer_tensor_set *set = ssfer_run_take_checkpoint(run, &at);
    assert_int_equal(at.step, 10);
    assert_true(first_weight(set) == 10.0f);
    ssfer_tensor_set_destroy(set);
    assert_int_equal(count_files("deep/run/checkpoints/step-*.safetensors"), 0);
    assert_int_equal(count_files("deep/run/checkpoints/best.safetensors"), 1);
    ssfer_run_close(run);
}

static void test_refusals(void **state)
{
    (void)state;
    ssfer_run *run, *second;
    ssfer_error err = {0};
    assert_int_equal(ssfer_folder_create(scratch_path("deep/run"), NULL), SSFER_OK);
    assert_int_equal(ssfer_file_write(scratch_path("deep/run/thesis.txt"), "x", 1, NULL), SSFER_OK);
    assert_int_equal(open_run(&run, false, 1e-4, &err), SSFER_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "no run"));
    assert_int_equal(open_run(&run, true, 1e-4, &err), SSFER_ERR_ARGUMENT);
    assert_int_equal(count_files("deep/run/*"), 1); /* nothing was added */
    assert_int_equal(unlink(scratch_path("deep/run/thesis.txt")), 0);
    assert_int_equal(open_run(&run, false, 1e-4, &err), SSFER_OK);
    assert_int_equal(open_run(&second, true, 1e-4, &err), SSFER_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "another process"));
    ssfer_run_close(run);
    ssfer_run_close(NULL);
    ssfer_recipe none = {0};
    ssfer_run_options o = {.folder = "/proc/none", .stage = "finetune", .keep_checkpoints = 1, .recipe = &none};
    assert_int_equal(ssfer_run_open(&run, &o, &err), SSFER_ERR_IO);
    assert_non_null(strstr(err.message, "/proc/none"));
    o.keep_checkpoints = 0;
    assert_int_equal(ssfer_run_open(&run, &o, &err), SSFER_ERR_ARGUMENT);
    o.keep_checkpoints = 1;
    o.folder = scratch_path("deep/run/recipe.yaml"); /* a file */
    assert_int_equal(ssfer_run_open(&run, &o, &err), SSFER_ERR_IO);
}

/* A disk that fills up while a checkpoint is written: an error, the old checkpoint stays, no half file. */
static void test_full_disk(void **state)
{
    (void)state;
    ssfer_run *run;
    ssfer_error err = {0};
    struct rlimit before, small;
    assert_int_equal(open_run(&run, false, 1e-4, NULL), SSFER_OK);
    assert_int_equal(save_step(run, 10, false, NULL), SSFER_OK);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 20;
    setrlimit(RLIMIT_FSIZE, &small);
    ssfer_metric m = {"loss", 1};
    ssfer_status st = save_step(run, 20, true, &err), recorded = ssfer_run_record(run, 1, 20, &m, 1, NULL);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(st, SSFER_ERR_IO);
    assert_non_null(strstr(err.message, "step-00000020.safetensors"));
    assert_int_equal(recorded, SSFER_ERR_IO);
    assert_int_equal(count_files("deep/run/checkpoints/*"), 1);
    char *text = scratch_read(scratch_path("deep/run/metrics.jsonl"));
    assert_string_equal(text, "");
    ssfer_free(text);
    ssfer_run_close(run);
}

static void test_state(void **unused)
{
    (void)unused;
    ssfer_train_state s = {"pretrain", 3, 7, 1234567890123, 2, 0.1, 1e9 + 1.0 / 3, NAN, 99, 98, 2, 0.25, 0.5, 12}, back;
    ssfer_error err = {0};
    char *text;
    assert_int_equal(ssfer_train_state_write(&text, &s, NULL), SSFER_OK);
    assert_null(strchr(text, '\n'));
    assert_int_equal(ssfer_train_state_parse(&back, text, "state", &err), SSFER_OK);
    assert_string_equal(back.stage, "pretrain");
    assert_true(back.epoch == 3 && back.iteration == 7 && back.step == 1234567890123 && back.best_epoch == 2);
    assert_true(back.best == 0.1 && back.elapsed_s == s.elapsed_s && isnan(back.epoch_loss));
    assert_true(back.epoch_images == 99 && back.epoch_right == 98);
    assert_true(back.window_loss == 0.5 && back.window_images == 12);
    ssfer_free(text);
    static const char older[] =
        "{\"stage\":\"a\",\"epoch\":1,\"iteration\":0,\"step\":5,\"best_epoch\":0,\"best\":0,"
        "\"elapsed_s\":1,\"epoch_loss\":0,\"epoch_images\":0,\"epoch_right\":0,\"rollbacks\":0,\"lr_scale\":1}";
    assert_int_equal(ssfer_train_state_parse(&back, older, "state", &err), SSFER_OK);
    assert_true(back.step == 5 && back.window_images == 0);
    static const char *const bad[] = {
        "", "[]", "{\"stage\":\"a\"}", "{\"stage\":3}", "{\"stage\":\"a\",\"epoch\":-1}", "{}", "{"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ssfer_train_state_parse(&back, bad[i], "file.safetensors", &err), SSFER_ERR_FORMAT);
    assert_non_null(strstr(err.message, "file.safetensors"));
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        ssfer_run *run;
        ssfer_recipe recipe = {0};
        ssfer_run_options o = {
            .folder = scratch_path("r"), .stage = "s", .resume = true, .keep_checkpoints = 1, .recipe = &recipe};
        ssfer_memory_fail_at(n);
        ssfer_status st = ssfer_run_open(&run, &o, NULL);
        if (st == SSFER_OK)
            st = ssfer_run_record(run, 1, 1, &(ssfer_metric){"loss", 1}, 1, NULL);
        size_t made = ssfer_memory_fail_at(0);
        ssfer_run_close(run);
        if (st == SSFER_OK && made < n)
            break;
        assert_true(st == SSFER_ERR_MEMORY || st == SSFER_OK);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_new_run),
        TEST(test_resume),
        TEST(test_never_begun),
        TEST(test_checkpoints),
        TEST(test_resume_from_nothing),
        TEST(test_best_completed),
        TEST(test_damaged_checkpoints),
        TEST(test_damage_of_every_kind),
        TEST(test_temporaries),
        TEST(test_best_is_left),
        TEST(test_refusals),
        TEST(test_full_disk),
        TEST(test_state),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
