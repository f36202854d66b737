/* Going back to a good checkpoint, on a training whose every number is known: one weight that AdamW, fed with the
 * gradient -1, raises by the learning rate at each step, and a loss that is not a number above a limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scratch.h"
#include "train/loop.h"

#include <math.h>

enum { EPOCHS = 10, ITERATIONS = 3 };

typedef struct toy {
    ssfer_param_table table;
    size_t weight;
    float limit;
    size_t steps; /* gradients asked for */
} toy;

static ssfer_status start_epoch(void *user, const ssfer_loop_position *at, ssfer_error *err)
{
    (void)user, (void)at, (void)err;
    return SSFER_OK;
}

static ssfer_status gradients(void *user, const float *params, float *grads, const ssfer_loop_position *at,
                              ssfer_loop_sums *sums, ssfer_error *err)
{
    toy *t = user;
    (void)at, (void)err;
    t->steps++;
    grads[t->weight] += -1.0f;
    sums->loss = params[t->weight] > t->limit ? (double)NAN : 1.0;
    sums->images = 1;
    return SSFER_OK;
}

static ssfer_status store(void *user, const float *weights, ssfer_tensor_set *set, ssfer_error *err)
{
    const toy *t = user;
    return ssfer_params_store(weights, &t->table, set, "", err);
}

static int steps_left;

static int stop_after(void)
{
    return --steps_left == 0;
}

typedef struct outcome {
    ssfer_status status;
    float weight;
    char message[SSFER_ERROR_MESSAGE_SIZE];
} outcome;

static outcome train(const char *name, float limit, size_t rollbacks, bool resume, int (*stop)(void))
{
    ssfer_error err = {0};
    ssfer_compute *cx = NULL;
    ssfer_run *run = NULL;
    ssfer_recipe recipe = {0};
    float *params = NULL;
    toy t = {.limit = limit};
    outcome result = {0};
    t.weight = ssfer_params_add(&t.table, SSFER_INIT_ZERO, 0.0f, (size_t[]){1}, 1, "weight");
    ssfer_recipe_section(&recipe, "training");
    const ssfer_loop_task task = {
        .user = &t, .table = &t.table, .start_epoch = start_epoch, .gradients = gradients, .store = store};
    ssfer_loop_options o = {.stage = "toy",
                            .epochs = EPOCHS,
                            .iterations = ITERATIONS,
                            .accumulate = 1,
                            .save_every = 2,
                            .rollbacks = rollbacks,
                            .optimizer = {.beta1 = 0.9f, .beta2 = 0.95f, .eps = 1e-8f, .layer_decay = 1.0f},
                            .stop = stop};
    o.schedule =
        (ssfer_schedule){.kind = SSFER_SCHEDULE_CONSTANT, .base_lr = 1.0, .epochs = EPOCHS, .iterations = ITERATIONS};
    assert_int_equal(ssfer_compute_create(&cx, SSFER_BACKEND_REF, SSFER_PRECISION_FP32, 1, &err), SSFER_OK);
    assert_int_equal(ssfer_params_alloc(&params, &t.table, &err), SSFER_OK);
    result.status = ssfer_run_open(
        &run,
        &(ssfer_run_options){
            .folder = scratch_path(name), .stage = "toy", .resume = resume, .keep_checkpoints = 1, .recipe = &recipe},
        &err);
    assert_int_equal(result.status, SSFER_OK);
    result.status = ssfer_loop_run(cx, run, &task, params, &o, NULL, &err);
    result.weight = params[t.weight];
    snprintf(result.message, sizeof result.message, "%s", err.message);
    ssfer_run_close(run);
    ssfer_recipe_deinit(&recipe);
    ssfer_params_deinit(&t.table);
    ssfer_free(params);
    ssfer_compute_destroy(cx);
    return result;
}

static char *read_file(const char *run, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", run, name);
    char *text = scratch_read(path);
    assert_non_null(text);
    return text;
}

/* 30 steps of 1 never reach a limit of 40. */
static void test_untouched(void **state)
{
    (void)state;
    outcome o = train("untouched", 40.0f, 3, false, NULL);
    assert_int_equal(o.status, SSFER_OK);
    assert_true(fabs((double)o.weight - 30.0) < 1e-4);
}

/* Limit 20.8: after step 21 the weight is 21 and the loss of step 22 is NaN. The good checkpoint is that of epoch 6,
 * weight 18. From there steps of 0.5 lead to 21 at the end of epoch 8: it is saved, but its first loss is NaN, so it is
 * not good and the run goes back to epoch 6 again. At 0.25 the last 12 steps end at 21, whose loss nobody asks for. */
static void test_rollback(void **state)
{
    (void)state;
    outcome o = train("back", 20.8f, 5, false, NULL);
    assert_int_equal(o.status, SSFER_OK);
    assert_true(fabs((double)o.weight - 21.0) < 1e-4);
    char *metrics = read_file(scratch_path("back"), "metrics.jsonl");
    assert_non_null(strstr(metrics, "\"rollbacks\":2,\"lr_scale\":0.25"));
    assert_null(strstr(metrics, "null")); /* what was undone left no records */
    size_t lines = 0, steps = 0;
    for (const char *at = metrics; (at = strchr(at, '\n')); at++)
        lines++;
    for (const char *at = metrics; (at = strstr(at, "\"epoch_loss\"")); at++)
        steps++;
    assert_int_equal(steps, EPOCHS);
    assert_int_equal(lines, EPOCHS + 2); /* and those of both returns, to the same step */
    char *log = read_file(scratch_path("back"), "training.log");
    assert_non_null(strstr(log, "back to epoch 7, step 18, with 0.25 of the learning rate"));
    ssfer_free(metrics);
    ssfer_free(log);
}

/* Nothing good but the start: the run begins anew. */
static void test_from_the_start(void **state)
{
    (void)state;
    outcome o = train("start", 3.5f, 10, false, NULL);
    assert_int_equal(o.status, SSFER_OK);
    assert_true((double)o.weight < 5.0);
    o = train("stop", 3.5f, 0, false, NULL);
    assert_int_equal(o.status, SSFER_ERR_NUMERIC);
    assert_non_null(strstr(o.message, "epoch 2, step 5"));
    o = train("once", 3.5f, 1, false, NULL);
    assert_int_equal(o.status, SSFER_ERR_NUMERIC);
    assert_non_null(strstr(o.message, "after 1 returns"));
}

/* Stopped every so many steps, down to every single one: the same result as in one go. */
static void test_stops(void **state)
{
    (void)state;
    const outcome whole = train("whole", 20.8f, 5, false, NULL);
    char *metrics = read_file(scratch_path("whole"), "metrics.jsonl");
    unsigned char *bytes = NULL;
    size_t size;
    assert_int_equal(ssfer_file_read(&bytes, &size, scratch_path("whole/model.safetensors"), 1 << 20, NULL), SSFER_OK);
    for (int pause = 1; pause <= 45; pause += 1 + pause / 3) {
        char name[64];
        snprintf(name, sizeof name, "stops%d", pause);
        outcome o = {.status = SSFER_ERR_CANCELLED};
        for (int tries = 0; o.status == SSFER_ERR_CANCELLED; tries++) {
            steps_left = pause;
            assert_true(tries < 60);
            o = train(name, 20.8f, 5, tries > 0, stop_after);
        }
        assert_int_equal(o.status, SSFER_OK);
        assert_memory_equal(&o.weight, &whole.weight, sizeof o.weight);
        char *same = read_file(scratch_path(name), "metrics.jsonl");
        assert_string_equal(same, metrics);
        unsigned char *other = NULL;
        size_t other_size;
        snprintf(name, sizeof name, "stops%d/model.safetensors", pause);
        assert_int_equal(ssfer_file_read(&other, &other_size, scratch_path(name), 1 << 20, NULL), SSFER_OK);
        assert_int_equal(other_size, size);
        assert_memory_equal(other, bytes, size);
        ssfer_free(other);
        ssfer_free(same);
    }
    ssfer_free(metrics);
    ssfer_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_untouched),
        cmocka_unit_test(test_rollback),
        cmocka_unit_test(test_from_the_start),
        cmocka_unit_test(test_stops),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
