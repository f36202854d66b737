/* Stage III: stopping and going on changes nothing, whichever method selects; running out of memory is survived. */
#include "semi_case.h"

/* 24 pictures, 6 of them labeled; the 18 others make 2 steps an epoch: two batches of 8, or four of 4, two a step. */
static void stop_anywhere(const scene *s, const ssfer_select_method *method, size_t mu)
{
    enum { EPOCHS = 4, EPOCH_POLLS = 2 + 1, POLLS = EPOCHS * EPOCH_POLLS + 1 }; /* steps, validations, the end */
    run_case r;
    char whole[64], part[64];
    snprintf(whole, sizeof whole, "%s-%zu", method->name, mu);
    for (size_t stop = 0; stop <= POLLS; stop += stop ? 4 : 1) { /* none; after steps 1 and 4, validating, at the end */
        snprintf(part, sizeof part, "%s-%zu-%zu", method->name, mu, stop);
        set_up(&r, s, stop ? part : whole);
        r.options.select = method;
        r.options.mu = mu;
        r.options.training.epochs = EPOCHS;
        r.options.training.accumulate = mu == 1 ? 2 : 1;
        r.options.pseudo = (ssfer_pseudo_options){.align = SSFER_ALIGN_LABELS, .temperature = 0.5};
        r.options.selection.momentum = 0.9;
        r.options.selection.threshold = 0.36; /* what this little Stage II reaches */
        r.options.balanced = true;
        r.options.logit_adjustment = 1.0;
        r.options.pseudo_mixup = r.options.abc = mu == 2;
        stop_at = stop;
        if (stop) {
            expect_failure(&r, SSFER_ERR_CANCELLED, "go on with --resume");
            stop_at = 0;
            r.options.training.resume = true;
        }
        expect_trained(&r);
        assert_int_equal(polls, POLLS - stop + (stop && (stop % EPOCH_POLLS == 0 || stop == POLLS)));
        assert_true(last_figure(s, whole, "pseudo_label_rate") > 0.0);
        if (stop && (!same_file(s, "model.safetensors", whole, part) ||
                     last_figure(s, whole, "pseudo_label_rate") != last_figure(s, part, "pseudo_label_rate")))
            fail_msg("%s with mu %zu: stopping at poll %zu changes the result", method->name, mu, stop);
    }
}

static void test_stop_anywhere(void **state)
{
    scene s = *(scene *)*state;
    make_split(&s, "train", 8);
    make_split(&s, "valid", 2);
    make_stage2(&s, 2);
    for (size_t i = 0; SSFER_SELECT_METHODS[i]; i++) {
        stop_anywhere(&s, SSFER_SELECT_METHODS[i], 1);
        stop_anywhere(&s, SSFER_SELECT_METHODS[i], 2);
    }
}

/* The n-th allocation fails, for each n: the right status, no crash; AddressSanitizer looks for leaks. */
static void test_out_of_memory(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    size_t passed = 0, failed = 0;
    make_split(&s, "train", 4);
    make_split(&s, "valid", 1);
    make_stage2(&s, 1);
    for (size_t n = 1; passed == 0; n++) {
        ssfer_error err;
        set_up(&r, &s, "run");
        r.options.training.epochs = 1;
        r.options.pseudo_mixup = r.options.abc = true;
        ssfer_memory_fail_at(n);
        const ssfer_status st = run(&r, NULL, &err);
        const size_t made = ssfer_memory_fail_at(0);
        if (st == SSFER_OK) {
            passed += made < n; /* beyond the last one */
        } else {
            if (st != SSFER_ERR_MEMORY || !*err.message)
                fail_msg("allocation %zu: %s: %s", n, ssfer_status_name(st), err.message);
            failed++;
        }
        nftw(r.out.text, scene_remove, 16, FTW_DEPTH | FTW_PHYS);
    }
    assert_true(failed > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_stop_anywhere), TEST(test_out_of_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
