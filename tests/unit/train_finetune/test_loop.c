/* The training loop with a stage of a few lines: a vector that is to become another one, with noise in its gradients
 * that is named by position as all randomness is. Stopping at every step, twice, at an epoch's end; what is recorded,
 * judged, kept; failures on the way. (test_finetune.c does the same with a real stage.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "point_number.h"
#include "train/loop.h"
#include "unit/train/scratch.h"

#include <glob.h>
#include <math.h>
#include <unistd.h>

enum { EPOCHS = 3, ITERATIONS = 5, STEPS = EPOCHS * ITERATIONS, SIZE = 20, BLOCK = 32 /* SIZE, padded */ };

typedef struct toy {
    ssfer_param_table table;
    size_t fail_at, judged, started, started_at; /* step whose gradient is NaN (0: none) */
    const double *scores;                        /* of the epochs; NULL: from the weights */
    bool sleeps;                                 /* as if pictures were to be waited for */
    ssfer_status judge_fails;
} toy;

static size_t polls, stop_at; /* a stop callback has no argument */

static int stop_now(void)
{
    return ++polls == stop_at;
}

static ssfer_status start_epoch(void *user, const ssfer_loop_position *at, ssfer_error *err)
{
    toy *t = user;
    (void)err;
    t->started++;
    t->started_at = at->iteration;
    assert_int_equal(at->step, at->epoch * ITERATIONS + at->iteration);
    return SSFER_OK;
}

static ssfer_status gradients(void *user, const float *params, float *grads, const ssfer_loop_position *at,
                              ssfer_loop_sums *sums, ssfer_error *err)
{
    toy *t = user;
    ssfer_rng rng = ssfer_rng_stream(1, 2, (uint32_t)at->epoch, at->iteration, SSFER_RNG_TEST);
    (void)err;
    for (size_t i = 0; i < SIZE; i++) {
        assert_true(grads[i] == 0.0f); /* cleared before */
        const double off = (double)params[i] - 1.0;
        grads[i] = (float)(off + 0.3 * ssfer_rng_normal(&rng));
        sums->loss += off * off;
    }
    if (t->fail_at == at->step + 1)
        grads[3] = NAN;
    if (t->sleeps) {
        const double start = ssfer_clock_s();
        usleep(20000);
        sums->wait_s += ssfer_clock_s() - start;
    }
    sums->images += 2 + at->iteration % 2;
    sums->right += 1;
    return SSFER_OK;
}

static ssfer_status judge(void *user, const float *weights, ssfer_metric_list *metrics, double *score, ssfer_error *err)
{
    toy *t = user;
    double off = 0.0;
    if (t->judge_fails != SSFER_OK)
        return ssfer_fail(err, t->judge_fails, "cannot judge");
    for (size_t i = 0; i < SIZE; i++)
        off += fabs((double)weights[i] - 1.0);
    *score = t->scores ? t->scores[t->judged] : -off;
    t->judged++;
    ssfer_metric_list_add(metrics, "accuracy", *score);
    return SSFER_OK;
}

static ssfer_status store(void *user, const float *weights, ssfer_tensor_set *set, ssfer_error *err)
{
    const toy *t = user;
    return ssfer_params_store(weights, &t->table, set, "", err);
}

typedef struct settings {
    bool resume, unjudged;
    float ema;
    size_t stop_at, save_every, keep, epochs, judge_every;
    double warmup;
    FILE *report;
    bool verbose;
} settings;

static char logged[2048];

static void keep_log(void *user, ssfer_log_level level, const char *line)
{
    (void)user, (void)level;
    snprintf(logged + strlen(logged), sizeof logged - strlen(logged), "%s\n", line);
}

/* Runs the toy in SCRATCH/name; `best` (BLOCK, may be NULL) as of ssfer_loop_run. */
static ssfer_status run_toy(toy *t, const char *name, const settings *s, float *best, ssfer_error *err)
{
    const ssfer_loop_task task = {.user = t,
                                  .table = &t->table,
                                  .score_name = s->unjudged ? NULL : "accuracy",
                                  .start_epoch = start_epoch,
                                  .gradients = gradients,
                                  .judge = s->unjudged ? NULL : judge,
                                  .store = store};
    ssfer_loop_options o = {.stage = "toy",
                            .epochs = s->epochs ? s->epochs : EPOCHS,
                            .iterations = ITERATIONS,
                            .accumulate = 1,
                            .record_every = 3,
                            .judge_every = s->judge_every,
                            .save_every = s->save_every,
                            .optimizer = ssfer_optimizer_defaults(),
                            .report = s->report,
                            .verbose = s->verbose,
                            .stop = stop_now};
    o.schedule = (ssfer_schedule){.kind = SSFER_SCHEDULE_COSINE,
                                  .base_lr = 0.1,
                                  .min_lr = 0.01,
                                  .epochs = (double)o.epochs,
                                  .warmup_epochs = s->warmup,
                                  .iterations = ITERATIONS};
    o.optimizer.ema_decay = s->ema;
    static const ssfer_log log = {.write = keep_log, .most = SSFER_LOG_INFO};
    ssfer_recipe recipe = {0};
    ssfer_compute *cx;
    ssfer_run *run;
    float *params;
    *logged = 0;
    polls = 0;
    stop_at = s->stop_at;
    t->table = (ssfer_param_table){0};
    ssfer_params_add(&t->table, SSFER_INIT_NORMAL, 1.0f, (size_t[]){SIZE}, 1, "x");
    ssfer_recipe_section(&recipe, "toy");
    const ssfer_run_options options = {.folder = scratch_path(name),
                                       .stage = "toy",
                                       .resume = s->resume,
                                       .keep_checkpoints = s->keep ? s->keep : 1,
                                       .recipe = &recipe,
                                       .log = &log};
    assert_int_equal(ssfer_compute_create(&cx, SSFER_BACKEND_REF, SSFER_PRECISION_FP32, 1, NULL), SSFER_OK);
    assert_int_equal(ssfer_params_alloc(&params, &t->table, NULL), SSFER_OK);
    assert_int_equal(t->table.block_floats, BLOCK);
    ssfer_params_init(params, &t->table, 1);
    ssfer_status st = ssfer_run_open(&run, &options, err);
    if (st == SSFER_OK)
        st = ssfer_loop_run(cx, run, &task, params, &o, best, err);
    ssfer_run_close(run);
    ssfer_recipe_deinit(&recipe);
    ssfer_free(params);
    ssfer_compute_destroy(cx);
    ssfer_params_deinit(&t->table);
    return st;
}

/* Not inlined: GCC 12 then takes the buffer for the pointer to it and warns of a dangling pointer. */
static __attribute__((noinline)) char *read_bytes(const char *name, const char *file, size_t *size)
{
    char path[256];
    unsigned char *bytes = NULL;
    snprintf(path, sizeof path, "%s/%s", name, file);
    if (ssfer_file_read(&bytes, size, scratch_path(path), 1 << 24, NULL) != SSFER_OK)
        fail_msg("no %s", path);
    return (char *)bytes;
}

static void expect_same_file(const char *a, const char *b, const char *file)
{
    size_t size_a, size_b;
    char *x = read_bytes(a, file, &size_a), *y = read_bytes(b, file, &size_b);
    if (size_a != size_b || memcmp(x, y, size_a) != 0)
        fail_msg("%s of %s and %s differ", file, a, b);
    ssfer_free(x);
    ssfer_free(y);
}

/* The records without the figures that depend on the clock. */
static char *records(const char *name)
{
    size_t size;
    char *text = read_bytes(name, "metrics.jsonl", &size);
    scratch_drop_clocked(text);
    return text;
}

static void expect_same_records(const char *a, const char *b)
{
    char *x = records(a), *y = records(b);
    assert_string_equal(x, y);
    ssfer_free(x);
    ssfer_free(y);
}

static size_t count_files(const char *pattern)
{
    glob_t found;
    size_t count = glob(scratch_path(pattern), 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return count;
}

static void must(ssfer_status st, const ssfer_error *err)
{
    if (st != SSFER_OK)
        fail_msg("%s", err->message);
}

/* ---- stopping and going on --------------------------------------------------------------------------------------- */

/* At every step there is: the first, those at and around records, the last of an epoch, the last of all. */
static void test_stop_anywhere(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        float ema;
        size_t judge_every;
    } cases[] = {{"plain", 0, 0}, {"ema", 0.9f, 0}, {"seldom", 0, 2}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        toy t = {0};
        ssfer_error err = {0};
        const char *whole = cases[c].name;
        settings s = {.ema = cases[c].ema, .judge_every = cases[c].judge_every};
        must(run_toy(&t, whole, &s, NULL, &err), &err);
        for (size_t stop = 1; stop <= STEPS; stop++) {
            char name[32];
            snprintf(name, sizeof name, "%s_%zu", whole, stop);
            t = (toy){0};
            err = (ssfer_error){0};
            s.resume = false;
            s.stop_at = stop;
            assert_int_equal(run_toy(&t, name, &s, NULL, &err), SSFER_ERR_CANCELLED);
            char want[128], pattern[64];
            snprintf(want, sizeof want, "stopped at epoch %zu, step %zu; go on with --resume",
                     (stop - 1) / ITERATIONS + 1, stop);
            assert_string_equal(err.message, want);
            snprintf(pattern, sizeof pattern, "%s/model.safetensors", name);
            assert_int_equal(count_files(pattern), 0);
            t = (toy){0};
            s.resume = true;
            s.stop_at = 0;
            must(run_toy(&t, name, &s, NULL, &err), &err);
            assert_int_equal(polls, STEPS - stop);
            expect_same_file(whole, name, "model.safetensors");
            expect_same_records(whole, name);
        }
    }
}

static void test_stop_again_and_again(void **state)
{
    (void)state;
    static const size_t stops[] = {1, 3, 1, 2, 5};
    toy t = {0};
    ssfer_error err = {0};
    must(run_toy(&t, "whole", &(settings){.ema = 0.9f}, NULL, &err), &err);
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
        assert_int_equal(
            run_toy(&t, "often", &(settings){.ema = 0.9f, .resume = i > 0, .stop_at = stops[i]}, NULL, &err),
            SSFER_ERR_CANCELLED);
    must(run_toy(&t, "often", &(settings){.ema = 0.9f, .resume = true}, NULL, &err), &err);
    expect_same_file("whole", "often", "model.safetensors");
    expect_same_records("whole", "often");
}

/* A process that is killed leaves the checkpoint of some epoch and records beyond it. */
static void test_killed(void **state)
{
    (void)state;
    toy t = {0};
    ssfer_error err = {0};
    must(run_toy(&t, "whole", &(settings){.save_every = 1, .keep = 9}, NULL, &err), &err);
    t = (toy){0};
    must(run_toy(&t, "killed", &(settings){.save_every = 1, .keep = 9}, NULL, &err), &err);
    assert_int_equal(unlink(scratch_path("killed/model.safetensors")), 0);
    assert_int_equal(unlink(scratch_path("killed/checkpoints/step-00000015.safetensors")), 0);
    assert_int_equal(unlink(scratch_path("killed/checkpoints/step-00000010.safetensors")), 0);
    t = (toy){0};
    must(run_toy(&t, "killed", &(settings){.save_every = 1, .keep = 9, .resume = true}, NULL, &err), &err);
    assert_int_equal(polls, 10);
    expect_same_file("whole", "killed", "model.safetensors");
    expect_same_records("whole", "killed");
}

static void test_finished_run(void **state)
{
    (void)state;
    toy t = {0};
    ssfer_error err = {0};
    must(run_toy(&t, "whole", &(settings){0}, NULL, &err), &err);
    must(run_toy(&t, "again", &(settings){0}, NULL, &err), &err);
    must(run_toy(&t, "again", &(settings){.resume = true}, NULL, &err), &err);
    assert_int_equal(polls, 0);
    expect_same_file("whole", "again", "model.safetensors");
    expect_same_records("whole", "again");
}

static void test_checkpoint_of_another_model(void **state)
{
    (void)state;
    toy t = {0};
    ssfer_error err = {0};
    assert_int_equal(run_toy(&t, "run", &(settings){.stop_at = 2}, NULL, &err), SSFER_ERR_CANCELLED);
    assert_int_equal(run_toy(&t, "run", &(settings){.resume = true, .ema = 0.9f}, NULL, &err), SSFER_ERR_SHAPE);
    assert_string_equal(err.message, "checkpoint to resume from: no tensor ema.x; the checkpoint is of another model");
}

/* ---- what is kept ------------------------------------------------------------------------------------------------ */

static float kept_value(const char *file)
{
    ssfer_tensor_set *set;
    ssfer_error err = {0};
    must(ssfer_safetensors_read(&set, scratch_path(file), &err), &err);
    const float value = *(const float *)ssfer_tensor_set_find(set, "x")->data;
    ssfer_tensor_set_destroy(set);
    return value;
}

static char *epoch_of_model(const char *file, char text[16])
{
    ssfer_tensor_set *set;
    ssfer_error err = {0};
    must(ssfer_safetensors_read(&set, scratch_path(file), &err), &err);
    snprintf(text, 16, "%s", ssfer_tensor_set_get(set, "epoch"));
    assert_string_equal(ssfer_tensor_set_get(set, "stage"), "toy");
    ssfer_tensor_set_destroy(set);
    return text;
}

/* The first of equal scores. */
static void test_best(void **state)
{
    (void)state;
    static const struct {
        double scores[EPOCHS];
        const char *epoch;
    } cases[] = {{{0.5, 0.7, 0.6}, "2"}, {{0.7, 0.7, 0.7}, "1"}, {{-3, -2, -1}, "3"}, {{0, 0, 0}, "1"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        toy t = {.scores = cases[i].scores};
        ssfer_error err = {0};
        float best[BLOCK];
        char name[32], file[64], text[16];
        snprintf(name, sizeof name, "best%zu", i);
        must(run_toy(&t, name, &(settings){.save_every = 1}, best, &err), &err);
        snprintf(file, sizeof file, "%s/model.safetensors", name);
        assert_string_equal(epoch_of_model(file, text), cases[i].epoch);
        assert_true(kept_value(file) == best[0]);
        snprintf(file, sizeof file, "%s/checkpoints/best.safetensors", name);
        assert_true(kept_value(file) == best[0]);
        snprintf(file, sizeof file, "%s/checkpoints/step-*.safetensors", name);
        assert_int_equal(count_files(file), 1); /* the last; the best has a name of its own */
    }
}

/* Only every second epoch and the last are judged, so no other can be the best. */
static void test_judged_seldom(void **state)
{
    (void)state;
    static const double scores[] = {1, 2, 0.5};
    toy t = {.scores = scores};
    ssfer_error err = {0};
    char text[16];
    must(run_toy(&t, "seldom", &(settings){.epochs = 5, .judge_every = 2}, NULL, &err), &err);
    assert_int_equal(t.judged, 3);
    assert_string_equal(epoch_of_model("seldom/model.safetensors", text), "4");
}

/* With an average it is the average that is judged and written. */
static void test_best_is_the_average(void **state)
{
    (void)state;
    static const double scores[] = {1, 2, 3};
    toy t = {.scores = scores};
    ssfer_error err = {0};
    float best[BLOCK];
    must(run_toy(&t, "ema", &(settings){.ema = 0.9f}, best, &err), &err);
    ssfer_tensor_set *set;
    must(ssfer_safetensors_read(&set, scratch_path("ema/checkpoints/best.safetensors"), &err), &err);
    assert_memory_equal(ssfer_tensor_set_find(set, "ema.x")->data, best, SIZE * sizeof *best);
    assert_memory_not_equal(ssfer_tensor_set_find(set, "x")->data, best, SIZE * sizeof *best);
    ssfer_tensor_set_destroy(set);
    assert_true(kept_value("ema/model.safetensors") == best[0]);
}

static void test_without_a_judge(void **state)
{
    (void)state;
    toy t = {0};
    ssfer_error err = {0};
    char text[16];
    must(run_toy(&t, "unjudged", &(settings){.unjudged = true}, NULL, &err), &err);
    assert_string_equal(epoch_of_model("unjudged/model.safetensors", text), "3");
    assert_int_equal(count_files("unjudged/checkpoints/best.safetensors"), 0);
    assert_int_equal(count_files("unjudged/checkpoints/step-00000015.safetensors"), 1);
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

static void test_records(void **state)
{
    (void)state;
    toy t = {0};
    ssfer_error err = {0};
    must(run_toy(&t, "run", &(settings){0}, NULL, &err), &err);
    char *text = records("run");
    static const char *const wanted[] = {
        "\"epoch\":1,\"step\":3,\"loss\":",        "\"epoch\":1,\"step\":5,\"epoch_loss\":",
        "\"epoch\":2,\"step\":6,\"loss\":",        "\"epoch\":2,\"step\":9,\"loss\":",
        "\"epoch\":2,\"step\":10,\"epoch_loss\":", "\"epoch\":3,\"step\":12,\"loss\":",
        "\"epoch\":3,\"step\":15,\"loss\":",       "\"epoch\":3,\"step\":15,\"epoch_loss\":"};
    const char *at = text;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        at = strstr(at, wanted[i]);
        assert_non_null(at);
    }
    size_t lines = 0;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    assert_int_equal(lines, 8);
    ssfer_free(text);
}

/* A line an epoch for people, the best ones marked. */
static void test_report(void **state)
{
    (void)state;
    static const double scores[] = {0.25, 0.5, 0.125};
    toy t = {.scores = scores};
    ssfer_error err = {0};
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    must(run_toy(&t, "run", &(settings){.report = stream}, NULL, &err), &err);
    fclose(stream);
    assert_int_equal(strncmp(text, "epoch  1/3  loss ", 17), 0);
    assert_non_null(strstr(text, " img/s  accuracy 25.00 %  *\nepoch  2/3  loss "));
    assert_non_null(strstr(text, " img/s  accuracy 50.00 %  *\nepoch  3/3  loss "));
    assert_non_null(strstr(text, " img/s  accuracy 12.50 %\n"));
    free(text);
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

/* The checkpoints before are kept, the message says what to do, and nothing looks finished. */
static void test_gradient_that_is_not_finite(void **state)
{
    (void)state;
    toy t = {.fail_at = 8};
    ssfer_error err = {0};
    assert_int_equal(run_toy(&t, "nan", &(settings){.save_every = 1}, NULL, &err), SSFER_ERR_NUMERIC);
    assert_string_equal(err.message, "the gradient is not finite after 7 updates; try a lower --lr, a longer warm-up "
                                     "or --clip-grad 1");
    assert_int_equal(count_files("nan/checkpoints/step-00000005.safetensors"), 1);
    assert_int_equal(count_files("nan/checkpoints/*"), 2);
    assert_int_equal(count_files("nan/model.safetensors"), 0);
    t = (toy){0}; /* had it been a passing fault: it goes on from there */
    must(run_toy(&t, "nan", &(settings){.save_every = 1, .resume = true}, NULL, &err), &err);
    t = (toy){0};
    must(run_toy(&t, "whole", &(settings){.save_every = 1}, NULL, &err), &err);
    expect_same_file("whole", "nan", "model.safetensors");
}

static void test_judge_that_fails(void **state)
{
    (void)state;
    toy t = {.judge_fails = SSFER_ERR_FORMAT};
    ssfer_error err = {0};
    assert_int_equal(run_toy(&t, "run", &(settings){0}, NULL, &err), SSFER_ERR_FORMAT);
    assert_string_equal(err.message, "cannot judge");
    assert_int_equal(count_files("run/model.safetensors"), 0);
}

static void test_impossible_schedule(void **state)
{
    (void)state;
    toy t = {0};
    ssfer_error err = {0};
    assert_int_equal(run_toy(&t, "run", &(settings){.warmup = 7}, NULL, &err), SSFER_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "warm"));
    assert_int_equal(t.started, 0);
}

/* Steps that do little else than wait say so: in each record, and on the line of --verbose. */
static void test_waiting(void **state)
{
    (void)state;
    toy t = {.sleeps = true};
    ssfer_error err = {0};
    char *line = NULL;
    size_t size, records_seen = 0;
    FILE *stream = open_memstream(&line, &size);
    must(run_toy(&t, "run", &(settings){.report = stream, .verbose = true}, NULL, &err), &err);
    fclose(stream);
    char *text = read_bytes("run", "metrics.jsonl", &size);
    for (const char *at = text; (at = strstr(at, "\"wait_share\":")); records_seen++) {
        const double share = point_number(at += strlen("\"wait_share\":"));
        assert_true(share > 0.3 && share <= 1.0);
    }
    assert_int_equal(records_seen, STEPS / 3 + EPOCHS - 1); /* every third step; the last one ends an epoch, too */
    assert_non_null(strstr(line, "img/s  waited "));
    free(line);
    ssfer_free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stop_anywhere),
        TEST(test_stop_again_and_again),
        TEST(test_killed),
        TEST(test_finished_run),
        TEST(test_checkpoint_of_another_model),
        TEST(test_best),
        TEST(test_judged_seldom),
        TEST(test_best_is_the_average),
        TEST(test_without_a_judge),
        TEST(test_records),
        TEST(test_waiting),
        TEST(test_report),
        TEST(test_gradient_that_is_not_finite),
        TEST(test_judge_that_fails),
        TEST(test_impossible_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
