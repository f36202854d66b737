/* Fine-tuning with mixed pictures: what each mode does with batches and detectors, and that stopping and going on
 * changes nothing. */
#include "unit/train_finetune/finetune_case.h"

/* Mixing draws a lambda a step, CutMix also a place; FaceMix looks at faces first. None of it may depend on a stop. */
static void test_stop_anywhere_while_mixing(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 8);
    make_split(&s, "set", "valid", 2);
    for (int mode = SSFER_MIX_FACEMIX; mode < SSFER_MIX_COUNT; mode++) {
        char whole[32], parts[32];
        snprintf(whole, sizeof whole, "whole%d", mode);
        snprintf(parts, sizeof parts, "parts%d", mode);
        set_up(&r, &s, "set", whole);
        r.options.mix.mode = (ssfer_mix_mode)mode;
        expect_trained(&r);
        assert_int_equal(polls, POLLS);
        set_up(&r, &s, "set", parts);
        r.options.mix.mode = (ssfer_mix_mode)mode;
        for (size_t i = 0; i < 3; i++) { /* after 1, 3 and 5 steps */
            stop_at = i + 1;
            r.options.training.resume = i > 0;
            expect_failure(&r, SSFER_ERR_CANCELLED, "go on with --resume");
        }
        stop_at = 0;
        expect_trained(&r);
        expect_same_model(&s, whole, parts);
    }
}

/* Without a detector all faces are at the same place: FaceMix is mixup, and says so, and that once. */
static void test_facemix_without_detector(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 8);
    make_split(&s, "set", "valid", 2);
    static const ssfer_mix_mode modes[] = {SSFER_MIX_FACEMIX, SSFER_MIX_FACEMIX_RELEASED, SSFER_MIX_MIXUP};
    char *metrics[3];
    for (size_t i = 0; i < 3; i++) {
        char name[32], *at;
        size_t size;
        snprintf(name, sizeof name, "run%zu", i);
        set_up(&r, &s, "set", name);
        r.options.mix.mode = modes[i];
        expect_trained(&r);
        const char *warning = strstr(logged, "no --detector: every face is taken to be at 25,25,220,220 of 224");
        assert_int_equal(warning != NULL, modes[i] != SSFER_MIX_MIXUP);
        assert_null(warning ? strstr(warning + 1, "no --detector") : NULL);
        snprintf(name, sizeof name, "run%zu/metrics.jsonl", i);
        metrics[i] = (char *)read_file(&s, name, &size);
        at = strstr(metrics[i], "\"validation_loss\":");
        assert_non_null(at);
        memmove(metrics[i], at, 32); /* the first validation's loss */
        metrics[i][32] = 0;
    }
    assert_string_equal(metrics[0], metrics[2]);
    assert_string_equal(metrics[1], metrics[2]);
    for (size_t i = 0; i < 3; i++)
        ssfer_free(metrics[i]);
}

static void test_batches_that_cannot_be_mixed(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 8);
    make_split(&s, "set", "valid", 2);
    set_up(&r, &s, "set", "run");
    r.options.training.batch = 1;
    r.options.mix.mode = SSFER_MIX_MIXUP;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "--facemix mixup: a batch of one picture has nothing to mix with");
    r.options.training.batch = 3;
    r.options.mix.mode = SSFER_MIX_FACEMIX_RELEASED;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "the published code takes no odd batches, and this one has 3 pictures");
    r.options.mix.mode = SSFER_MIX_FACEMIX;
    r.options.mix.alpha = 0.0;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "--mixup-alpha 0: above 0 is possible");
    r.options.mix.alpha = 1.0;
    r.options.mix.detector = "missing.pt";
    expect_failure(&r, SSFER_ERR_IO, "missing.pt: No such file or directory");
    assert_int_equal(count_files(&s, "run"), 0);
    r.options.mix.detector = NULL;
    expect_trained(&r); /* an odd batch: the picture in the middle stays as it is */
}

/* ---- with a detector --------------------------------------------------------------------------------------------- */

/* Random weights that find something everywhere: the best place in a picture is its face, and differs from picture to
 * picture. */
static void use_detector(run_case *r, ssfer_mix_mode mode)
{
    r->options.mix.mode = mode;
    r->options.mix.detector = SSFER_TEST_DIR "/golden/yolov7/lite.pt";
    r->options.mix.find = (ssfer_detector_options){
        .size = 64, .confidence = 0.2f, .iou = 0.5f, .max_faces = 1, .threads = r->options.training.threads};
}

static void expect_other_model(const scene *s, const char *a, const char *b)
{
    size_t size[2];
    char path[2][64];
    snprintf(path[0], sizeof path[0], "%s/model.safetensors", a);
    snprintf(path[1], sizeof path[1], "%s/model.safetensors", b);
    unsigned char *x = read_file(s, path[0], &size[0]), *y = read_file(s, path[1], &size[1]);
    assert_true(size[0] != size[1] || memcmp(x, y, size[0]) != 0);
    ssfer_free(x);
    ssfer_free(y);
}

static char *read_text(const scene *s, const char *name)
{
    size_t size;
    unsigned char *bytes = read_file(s, name, &size);
    char *text = ssfer_format("%.*s", (int)size, (const char *)bytes);
    assert_non_null(text);
    ssfer_free(bytes);
    return text;
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)); text++)
        count++;
    return count;
}

/* Stops while faces are looked for (24 pictures are two batches of the detector), and after steps 1, 3 and 6. That the
 * boxes count shows in other weights than without a detector. */
static void test_stop_anywhere_with_a_detector(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 8);
    make_split(&s, "set", "valid", 2);
    for (int mode = SSFER_MIX_FACEMIX; mode <= SSFER_MIX_FACEMIX_RELEASED; mode++) {
        const size_t looks = mode == SSFER_MIX_FACEMIX ? 2 : 0;
        char whole[32], parts[32], blind[32];
        snprintf(whole, sizeof whole, "whole%d", mode);
        snprintf(parts, sizeof parts, "parts%d", mode);
        snprintf(blind, sizeof blind, "blind%d", mode);
        set_up(&r, &s, "set", whole);
        use_detector(&r, (ssfer_mix_mode)mode);
        expect_trained(&r);
        assert_int_equal(polls, POLLS + looks);
        set_up(&r, &s, "set", parts);
        use_detector(&r, (ssfer_mix_mode)mode);
        if (looks) {
            stop_at = 1;
            expect_failure(&r, SSFER_ERR_CANCELLED, "stopped while faces were looked for; go on with --resume");
            char *text = read_text(&s, "parts1/face-boxes.json");
            assert_int_equal(count_of(text, ".png\": ["), 16);
            ssfer_free(text);
            r.options.training.resume = true;
            stop_at = 2; /* the rest of them, then a step */
            expect_failure(&r, SSFER_ERR_CANCELLED, "stopped at epoch 1, step 1");
        }
        for (size_t i = looks ? 1 : 0; i < 3; i++) {
            stop_at = i + 1;
            r.options.training.resume = i > 0;
            expect_failure(&r, SSFER_ERR_CANCELLED, "go on with --resume");
        }
        stop_at = 0;
        expect_trained(&r);
        assert_int_equal(polls, POLLS - 5 - 1); /* 5 steps and a validation are done */
        expect_same_model(&s, whole, parts);
        set_up(&r, &s, "set", blind);
        r.options.mix.mode = (ssfer_mix_mode)mode;
        expect_trained(&r);
        expect_other_model(&s, whole, blind);
    }
}

/* What finding faces costs is in the records: of the whole run so far, or of the epoch's steps. */
static void test_cost_is_recorded(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 8);
    make_split(&s, "set", "valid", 2);
    static const struct {
        ssfer_mix_mode mode;
        size_t records, shares;
    } cases[] = {{SSFER_MIX_FACEMIX, 3, 0}, {SSFER_MIX_FACEMIX_RELEASED, 3, 3}, {SSFER_MIX_MIXUP, 0, 0}};
    for (size_t i = 0; i < 3; i++) {
        char name[32], file[64];
        snprintf(name, sizeof name, "run%zu", i);
        snprintf(file, sizeof file, "%s/metrics.jsonl", name);
        set_up(&r, &s, "set", name);
        use_detector(&r, cases[i].mode);
        expect_trained(&r);
        char *text = read_text(&s, file);
        assert_int_equal(count_of(text, "\"detect_share\":0."), cases[i].records);
        assert_int_equal(count_of(text, "\"one_face_share\":1"), cases[i].shares);
        ssfer_free(text);
    }
}

/* One warning, however long the run. */
static void test_detector_that_finds_nothing(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 8);
    make_split(&s, "set", "valid", 2);
    for (int mode = SSFER_MIX_FACEMIX; mode <= SSFER_MIX_FACEMIX_RELEASED; mode++) {
        char name[32];
        snprintf(name, sizeof name, "run%d", mode);
        set_up(&r, &s, "set", name);
        use_detector(&r, (ssfer_mix_mode)mode);
        r.options.mix.find.confidence = 0.99f;
        expect_trained(&r);
        assert_int_equal(count_of(logged, "lite.pt finds exactly one face in 0 of 24 pictures: nearly all pairs"), 1);
    }
}

/* A file of boxes that was made for another part of the set: what is missing is found and added, what is not of this
 * set stays, and the weights are those of a run with its own file. */
static void test_boxes_of_another_set(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    const scene_path shared = scene_at(&s, "shared.json");
    make_split(&s, "set", "train", 8);
    make_split(&s, "set", "valid", 2);
    set_up(&r, &s, "set", "own");
    use_detector(&r, SSFER_MIX_FACEMIX);
    expect_trained(&r);
    assert_null(strstr(logged, "made for"));

    make_split(&s, "other", "train", 4); /* 12 of the 24 names, and one of its own */
    make_split(&s, "other", "valid", 2);
    striped(&s, "other/train/down/77.png", 1, 77);
    set_up(&r, &s, "other", "first");
    use_detector(&r, SSFER_MIX_FACEMIX);
    r.options.mix.boxes = shared.text;
    expect_trained(&r);
    char *text = read_text(&s, "shared.json");
    assert_int_equal(count_of(text, ".png\": ["), 13);
    ssfer_free(text);

    set_up(&r, &s, "set", "second");
    use_detector(&r, SSFER_MIX_FACEMIX);
    r.options.mix.boxes = shared.text;
    expect_trained(&r);
    assert_int_equal(count_of(logged, "shared.json: made for "), 1);
    assert_non_null(strstr(logged, "12 of 24 pictures are new to it"));
    text = read_text(&s, "shared.json");
    assert_int_equal(count_of(text, ".png\": ["), 25);
    assert_int_equal(count_of(text, "down/77.png"), 1);
    ssfer_free(text);
    expect_same_model(&s, "own", "second");

    set_up(&r, &s, "set", "third"); /* complete now: nobody looks, and nothing is written */
    use_detector(&r, SSFER_MIX_FACEMIX);
    r.options.mix.boxes = shared.text;
    expect_trained(&r);
    assert_int_equal(polls, POLLS);
    expect_same_model(&s, "own", "third");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stop_anywhere_while_mixing),
        TEST(test_facemix_without_detector),
        TEST(test_batches_that_cannot_be_mixed),
        TEST(test_stop_anywhere_with_a_detector),
        TEST(test_cost_is_recorded),
        TEST(test_detector_that_finds_nothing),
        TEST(test_boxes_of_another_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
