/* Fine-tuning from pictures on disk to a model file: that it learns, that stopping and going on changes nothing, and
 * what it does with data, weights and settings that cannot be used. */
#include "unit/train_finetune/finetune_case.h"

#include "models/classifier.h"
#include "models/mae.h"
#include "point_number.h"

/* ---- learning ---------------------------------------------------------------------------------------------------- */

/* Chance is one in three; the training loss starts near log 3. */
static void test_learns(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    ssfer_evaluation e = {0};
    ssfer_error err;
    make_split(&s, "set", "train", 16);
    make_split(&s, "set", "valid", 8);
    set_up(&r, &s, "set", "run");
    r.options.training.epochs = 25;
    r.options.training.accumulate = 1;
    r.options.model.drop_path = 0.0f;
    r.options.training.transform.erasing = 0.0;
    r.options.training.transform.scale_min = 0.8;
    r.options.training.optimizer.ema_decay = 0.0f;
    if (run(&r, &e, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    assert_int_equal(e.count, 24);
    if (!(e.accuracy > 0.6))
        fail_msg("accuracy %g", e.accuracy);
    ssfer_evaluation_deinit(&e);

    size_t size;
    char *text = (char *)read_file(&s, "run/metrics.jsonl", &size), *last = text;
    const char *key = "\"epoch_loss\":";
    const double first_loss = point_number(strstr(text, key) + strlen(key));
    for (char *at = text; (at = strstr(at, key)); at++)
        last = at;
    const double last_loss = point_number(last + strlen(key));
    assert_true(first_loss > 0.8 && first_loss < 2.5);
    assert_true(last_loss < 0.8 * first_loss);
    ssfer_free(text);

    /* The model file says everything that a prediction needs. */
    ssfer_classifier m;
    assert_int_equal(ssfer_classifier_load(&m, scene_at(&s, "run/model.safetensors").text, NULL, NULL), SSFER_OK);
    for (size_t k = 0; k < 3; k++)
        assert_string_equal(m.classes[k], CLASSES[k]);
    assert_int_equal(m.vit.config.heads, 2);
    assert_int_equal(m.vit.config.hidden, 32);
    ssfer_classifier_deinit(&m);
    expect_no_leftovers(&s);
}

/* A batch of 4 pictures of 1,025 tokens goes through the model in two parts: what two batches of 2 would give, up to
 * rounding. */
static void test_parts(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    ssfer_evaluation e[2] = {{0}, {0}};
    ssfer_error err;
    make_split(&s, "set", "train", 8);
    make_split(&s, "set", "valid", 2);
    assert_int_equal(ssfer_stack_part(4, 1025), 2);
    for (size_t i = 0; i < 2; i++) {
        set_up(&r, &s, "set", i ? "batches" : "parts");
        r.options.model.image_size = 32;
        r.options.model.patch_size = 1;
        r.options.model.drop_path = 0.0f;
        r.options.training.batch = i ? 2 : 4;
        r.options.training.accumulate = i ? 2 : 1;
        r.options.training.epochs = 2;
        if (run(&r, &e[i], &err) != SSFER_OK)
            fail_msg("%s", err.message);
    }
    if (!(fabs(e[0].cross_entropy - e[1].cross_entropy) <= 1e-4 * e[1].cross_entropy))
        fail_msg("in parts %.9g, in batches %.9g", e[0].cross_entropy, e[1].cross_entropy);
    ssfer_evaluation_deinit(&e[0]);
    ssfer_evaluation_deinit(&e[1]);
}

/* The same seed gives the same bytes, another seed others. */
static void test_repeats(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 8);
    make_split(&s, "set", "test", 2);
    set_up(&r, &s, "set", "a");
    expect_trained(&r);
    set_up(&r, &s, "set", "b");
    expect_trained(&r);
    expect_same_model(&s, "a", "b");
    set_up(&r, &s, "set", "c");
    r.options.training.seed = 1;
    expect_trained(&r);
    size_t size[2];
    unsigned char *x = read_file(&s, "a/model.safetensors", &size[0]),
                  *y = read_file(&s, "c/model.safetensors", &size[1]);
    assert_true(size[0] != size[1] || memcmp(x, y, size[0]) != 0);
    ssfer_free(x);
    ssfer_free(y);
}

/* With a decay of 10^-6 a layer nothing reaches what embeds the patches, while the head learns. */
static void test_layer_decay(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    ssfer_classifier m;
    float *initial = NULL;
    make_split(&s, "set", "train", 8);
    make_split(&s, "set", "valid", 2);
    set_up(&r, &s, "set", "run");
    r.options.training.optimizer.layer_decay = 1e-6f;
    r.options.training.optimizer.ema_decay = 0.0f;
    expect_trained(&r);
    assert_int_equal(ssfer_classifier_load(&m, scene_at(&s, "run/model.safetensors").text, NULL, NULL), SSFER_OK);
    assert_int_equal(ssfer_params_alloc(&initial, &m.vit.table, NULL), SSFER_OK);
    ssfer_vit_init_params(initial, &m.vit, r.options.training.seed);
    for (size_t i = 0; i < m.vit.table.count; i++) {
        const ssfer_param *p = &m.vit.table.items[i];
        double moved = 0.0;
        for (size_t j = p->offset; j < p->offset + p->count; j++)
            moved = fmax(moved, fabs((double)m.params[j] - (double)initial[j]));
        if (p->layer == 0 ? moved > 1e-15
                          : p->layer == 3 && moved < 1e-3) /* 9 steps of at most 3e-3 x 10^-18, or 3e-3 */
            fail_msg("%s moved by %g", p->name, moved);
    }
    ssfer_free(initial);
    ssfer_classifier_deinit(&m);
}

/* ---- stopping and going on --------------------------------------------------------------------------------------- */

static void test_stop_anywhere(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 8);
    make_split(&s, "set", "valid", 2);
    set_up(&r, &s, "set", "whole");
    expect_trained(&r);
    assert_int_equal(polls, POLLS);
    for (size_t stop = 1; stop <= POLLS; stop++) {
        const bool done = stop == POLLS; /* stopped in the last evaluation: only that is left */
        const bool validating = stop % EPOCH_POLLS == 0 || done;
        const size_t step = done ? STEPS : stop - stop / EPOCH_POLLS;
        char name[32], pattern[96];
        snprintf(name, sizeof name, "stop%zu", stop);
        set_up(&r, &s, "set", name);
        stop_at = stop;
        expect_failure(&r, SSFER_ERR_CANCELLED, "go on with --resume");
        snprintf(pattern, sizeof pattern, "%s/checkpoints/step-%08zu.safetensors", name, step);
        assert_int_equal(count_files(&s, pattern), 1);
        snprintf(pattern, sizeof pattern, "%s/model.safetensors", name);
        assert_int_equal(count_files(&s, pattern), done);
        stop_at = 0;
        r.options.training.resume = true;
        expect_trained(&r);
        assert_int_equal(polls, POLLS - stop + validating);
        expect_same_model(&s, "whole", name);
    }
    /* Three stops in one run, one of them on the last step of an epoch. */
    set_up(&r, &s, "set", "often");
    for (size_t i = 0; i < 3; i++) {
        stop_at = i + 1;
        r.options.training.resume = i > 0;
        expect_failure(&r, SSFER_ERR_CANCELLED, "go on with --resume");
    }
    stop_at = 0;
    expect_trained(&r);
    expect_same_model(&s, "whole", "often");
    /* A finished run is finished. */
    expect_trained(&r);
    assert_int_equal(polls, 1);
    expect_same_model(&s, "whole", "often");
    expect_no_leftovers(&s);
}

static void test_resume_with_other_settings(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 8);
    make_split(&s, "set", "valid", 2);
    set_up(&r, &s, "set", "run");
    stop_at = 2;
    expect_failure(&r, SSFER_ERR_CANCELLED, "stopped at epoch 1, step 2");
    stop_at = 0;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "holds an unfinished run already; continue it with --resume");
    r.options.training.resume = true;
    r.options.training.lr = 1e-3;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "training.lr");
    r.options.training.lr = 3e-3;
    r.options.model.embed_dim = 32;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "model.embed_dim");
    r.options.model.embed_dim = 16;
    r.options.training.transform.flip = 0.25;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "augmentation.flip");
    r.options.training.transform.flip = 0.5;
    striped(&s, "set/train/down/99.png", 1, 99); /* the data have changed too */
    expect_failure(&r, SSFER_ERR_ARGUMENT, "data.training_pictures");
    assert_int_equal(unlink(scene_at(&s, "set/train/down/99.png").text), 0);
    expect_trained(&r); /* none of it has done any harm */
}

static void test_damaged_checkpoints(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 8);
    make_split(&s, "set", "valid", 2);
    set_up(&r, &s, "set", "whole");
    expect_trained(&r);
    set_up(&r, &s, "set", "run");
    r.options.training.save_every = 1;
    r.options.training.keep = 3;
    stop_at = 7 + 2;
    expect_failure(&r, SSFER_ERR_CANCELLED, "step 7");
    assert_int_equal(truncate(scene_at(&s, "run/checkpoints/step-00000007.safetensors").text, 1000), 0);
    stop_at = 0;
    r.options.training.resume = true;
    expect_trained(&r);
    assert_non_null(strstr(logged, "step-00000007.safetensors: "));
    assert_non_null(strstr(logged, "trying the one before"));
    assert_int_equal(polls, EPOCH_POLLS + 1); /* from step 6 */
    expect_same_model(&s, "whole", "run");
}

/* ---- numbers that leave the range -------------------------------------------------------------------------------- */

static void test_numbers_that_explode(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 8);
    make_split(&s, "set", "valid", 2);
    set_up(&r, &s, "set", "run");
    r.options.training.schedule = SSFER_SCHEDULE_CONSTANT;
    r.options.training.warmup_epochs = 0;
    r.options.training.lr = 1e30;
    r.options.training.optimizer.clip_grad = 0.0f;
    expect_failure(&r, SSFER_ERR_NUMERIC, "try a lower --lr");
    assert_int_equal(count_files(&s, "run/model.safetensors"), 0);
    expect_no_leftovers(&s);
}

/* ---- pictures that cannot be read -------------------------------------------------------------------------------- */

static void test_bad_pictures(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 10);
    make_split(&s, "set", "valid", 10);
    scene_text(&s, "set/train/down/00.png", "not a picture");
    scene_text(&s, "set/train/across/01.png", "");
    scene_text(&s, "set/valid/down/00.png", "not a picture");
    set_up(&r, &s, "set", "run");
    ssfer_evaluation e = {0};
    ssfer_error err;
    if (run(&r, &e, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    assert_int_equal(e.count, 29); /* the bad one is left out */
    ssfer_evaluation_deinit(&e);
    assert_non_null(strstr(logged, "set/train/down/00.png: "));
    assert_non_null(strstr(logged, "set/train/across/01.png: "));
    assert_non_null(strstr(logged, "set/valid/down/00.png: "));
    assert_non_null(strstr(logged, "2 training and 1 validation pictures could not be read and were skipped"));
    /* The same again, and stopped in between: other pictures take the place of the bad ones, always the same. */
    set_up(&r, &s, "set", "parts");
    stop_at = 4;
    expect_failure(&r, SSFER_ERR_CANCELLED, "--resume");
    stop_at = 0;
    r.options.training.resume = true;
    expect_trained(&r);
    expect_same_model(&s, "run", "parts");

    set_up(&r, &s, "set", "strict");
    r.options.training.max_bad_share = 0.05;
    expect_failure(&r, SSFER_ERR_FORMAT, "pictures are bad so far, more than the share 0.05 that is allowed");
    assert_int_equal(count_files(&s, "strict/model.safetensors"), 0);
}

static void test_all_validation_pictures_bad(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 8);
    for (size_t k = 0; k < 3; k++) {
        char name[64];
        snprintf(name, sizeof name, "set/valid/%s/0.png", CLASSES[k]);
        scene_text(&s, name, "nothing");
    }
    set_up(&r, &s, "set", "run");
    expect_failure(&r, SSFER_ERR_FORMAT, "3 of its 3 pictures are bad so far");
}

/* ---- which pictures ---------------------------------------------------------------------------------------------- */

static void expect_counts(size_t train, size_t valid)
{
    char want[96];
    snprintf(want, sizeof want, "%zu training pictures, %zu for validation, 3 classes", train, valid);
    if (!strstr(logged, want))
        fail_msg("no \"%s\" in %s", want, logged);
}

static void test_validation_split(void **state)
{
    static const char *const usual[] = {"valid", "val", "test"};
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 4);
    for (size_t i = 3; i-- > 0;) { /* of several the one named first counts */
        make_split(&s, "set", usual[i], i + 1);
        set_up(&r, &s, "set", usual[i]);
        r.options.training.epochs = 1;
        expect_trained(&r);
        expect_counts(12, 3 * (i + 1));
    }
    set_up(&r, &s, "set", "asked");
    r.options.data.valid_split = "test";
    r.options.training.epochs = 1;
    expect_trained(&r);
    expect_counts(12, 9);
    make_split(&s, "other", "x", 5);
    scene_path other = scene_at(&s, "other");
    set_up(&r, &s, "set", "elsewhere");
    r.options.data.valid_data = other.text;
    r.options.data.valid_split = "x";
    r.options.training.epochs = 1;
    expect_trained(&r);
    expect_counts(12, 15);
    set_up(&r, &s, "set", "never");
    r.options.data.valid_split = "nowhere";
    expect_failure(&r, SSFER_ERR_ARGUMENT, "there is no split nowhere");
    assert_int_equal(count_files(&s, "never"), 0);
}

/* A validation split that is there but cannot be used must not be passed over in silence. */
static void test_unusable_validation_split(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 4);
    make_split(&s, "set", "valid", 2);
    scene_folder(&s, "set/valid/empty");
    set_up(&r, &s, "set", "run");
    expect_failure(&r, SSFER_ERR_FORMAT, "the class folder empty holds no pictures");
    assert_int_equal(rmdir(scene_at(&s, "set/valid/empty").text), 0);
    striped(&s, "set/valid/curly/0.png", 0, 1);
    expect_failure(&r, SSFER_ERR_ARGUMENT, "class curly is unknown to the model; it has across, down, slanting");
    assert_int_equal(count_files(&s, "run"), 0);
}

static void test_holdout(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "flat", "", 10);
    set_up(&r, &s, "flat", "run");
    r.options.data.split = NULL;
    r.options.data.holdout = 0.2;
    expect_trained(&r);
    expect_counts(24, 6);
    /* With a share of the labels it is a part of that share: the labels of the others are not to be used. */
    static const struct {
        double fraction, holdout;
        size_t train, valid;
    } cases[] = {{0.2, 0.2, 3, 3}, {0.5, 0.2, 12, 3}, {0.1, 0.1, 0, 0}, {0.2, 0.9, 3, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[32];
        snprintf(name, sizeof name, "run%zu", i);
        set_up(&r, &s, "flat", name);
        r.options.data.split = NULL;
        r.options.data.fraction = cases[i].fraction;
        r.options.data.holdout = cases[i].holdout;
        r.options.training.accumulate = 1;
        r.options.training.epochs = 1;
        if (cases[i].train) {
            expect_trained(&r);
            expect_counts(cases[i].train, cases[i].valid);
        } else {
            expect_failure(&r, SSFER_ERR_ARGUMENT, "no class has two labeled pictures");
            assert_int_equal(count_files(&s, name), 0);
        }
    }
}

static void test_fraction_and_labels(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 10);
    make_split(&s, "set", "valid", 2);
    set_up(&r, &s, "set", "tenth");
    r.options.data.fraction = 0.1;
    r.options.training.accumulate = 1;
    expect_trained(&r); /* 3 pictures: fewer than a batch */
    expect_counts(3, 6);

    scene_text(&s, "labels.json",
               "{\"format\":\"ssfer-split\",\"version\":1,\"fraction\":0.2,\"seed\":0,\"labeled\":[\"across/00.png\","
               "\"across/03.png\",\"down/01.png\",\"slanting/09.png\"]}");
    scene_path labels = scene_at(&s, "labels.json");
    set_up(&r, &s, "set", "labels");
    r.options.data.labels = labels.text;
    r.options.training.accumulate = 1;
    expect_trained(&r);
    expect_counts(4, 6);

    scene_text(&s, "labels.json",
               "{\"format\":\"ssfer-split\",\"version\":1,\"fraction\":0.2,\"seed\":0,\"labeled\":[\"down/77.png\"]}");
    set_up(&r, &s, "set", "never");
    r.options.data.labels = labels.text;
    expect_failure(&r, SSFER_ERR_FORMAT, "down/77.png");
    scene_text(&s, "labels.json",
               "{\"format\":\"ssfer-split\",\"version\":1,\"fraction\":1,\"seed\":0,\"labeled\":[]}");
    expect_failure(&r, SSFER_ERR_FORMAT, "labels.json: labels no sample at all");
    scene_text(&s, "labels.json", "{");
    expect_failure(&r, SSFER_ERR_FORMAT, "labels.json");
    striped(&s, "labels.json.png", 0, 0);
    assert_int_equal(rename(scene_at(&s, "labels.json.png").text, labels.text), 0);
    expect_failure(&r, SSFER_ERR_FORMAT, "labels.json");
    assert_int_equal(unlink(labels.text), 0);
    expect_failure(&r, SSFER_ERR_IO, "labels.json: No such file or directory");
    assert_int_equal(count_files(&s, "never"), 0);
}

static void test_sets_that_cannot_be_used(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    striped(&s, "one/train/across/0.png", 0, 0);
    set_up(&r, &s, "one", "run");
    expect_failure(&r, SSFER_ERR_FORMAT, "only one class");
    make_split(&s, "hollow", "train", 2);
    scene_folder(&s, "hollow/train/empty");
    set_up(&r, &s, "hollow", "run");
    expect_failure(&r, SSFER_ERR_FORMAT, "the class folder empty holds no pictures");
    scene_folder(&s, "nothing");
    set_up(&r, &s, "nothing", "run");
    r.options.data.split = NULL;
    expect_failure(&r, SSFER_ERR_FORMAT, "no pictures");
    set_up(&r, &s, "missing", "run");
    expect_failure(&r, SSFER_ERR_IO, "missing: No such file or directory");
    assert_int_equal(count_files(&s, "run"), 0);
}

/* ---- settings that cannot be used: nothing is written before they are refused --------------------------------------
 */

static void test_impossible_settings(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 4);
    make_split(&s, "set", "valid", 2);
#define REFUSED(change, part)                                                                                          \
    set_up(&r, &s, "set", "run");                                                                                      \
    change;                                                                                                            \
    expect_failure(&r, SSFER_ERR_ARGUMENT, part);                                                                      \
    assert_int_equal(count_files(&s, "run"), 0)
    REFUSED(r.options.training.accumulate = 4,
            "12 training pictures make no step of 4 batches of 4; use a smaller --batch-size");
    REFUSED(r.options.training.batch = 0, "1 is the least");
    REFUSED(r.options.training.accumulate = 0, "1 is the least");
    REFUSED(r.options.training.warmup_epochs = 3, "warm");
    REFUSED(r.options.training.epochs = 0, "epochs");
    REFUSED(r.options.training.lr = NAN, "lr");
    REFUSED(r.options.training.transform.flip = 1.5, "flip");
    REFUSED(r.options.model.heads = 3, "embed dim 16 is no multiple of 3 heads");
    REFUSED(r.options.model.patch_size = 5, "image size 16 is no multiple of patch size 5");
    REFUSED(r.options.data.fraction = 0.0, "fraction 0");
    REFUSED(r.options.training.threads = 5000, "threads");
}

static void test_batch_larger_than_the_set(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 2);
    make_split(&s, "set", "valid", 1);
    set_up(&r, &s, "set", "run");
    r.options.training.batch = 1000;
    r.options.training.accumulate = 1;
    expect_trained(&r);
    assert_int_equal(polls, 3 + 3 + 1); /* one step an epoch */
    unsigned char *recipe;
    size_t size;
    recipe = read_file(&s, "run/recipe.yaml", &size);
    assert_non_null(strstr((char *)recipe, "batch_size: 6\n"));
    ssfer_free(recipe);
}

static void test_places_that_cannot_be_written(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 4);
    make_split(&s, "set", "valid", 2);
    scene_text(&s, "file", "keep me");
    set_up(&r, &s, "set", "file");
    expect_failure(&r, SSFER_ERR_IO, "file: exists and is not a folder; choose another name");
    set_up(&r, &s, "set", "file/run");
    expect_failure(&r, SSFER_ERR_IO, "file/run: cannot create the folder: Not a directory; check the path");
    set_up(&r, &s, "set", "set");
    expect_failure(&r, SSFER_ERR_ARGUMENT, "set: holds files that are no run; use another --out");
    set_up(&r, &s, "set", "run");
    scene_folder(&s, "run/recipe.yaml"); /* a folder where a file has to be */
    expect_failure(&r, SSFER_ERR_IO, "run/recipe.yaml");
    r.options.training.resume = true;
    expect_failure(&r, SSFER_ERR_IO, "run/recipe.yaml");
    size_t size;
    unsigned char *text = read_file(&s, "file", &size);
    assert_string_equal((char *)text, "keep me");
    ssfer_free(text);
    expect_no_leftovers(&s);
}

/* ---- weights to start from --------------------------------------------------------------------------------------- */

/* A file with the parameters of a model like the run's, in which `change` says what is different. */
typedef enum init_file { INIT_SAME, INIT_OTHER_HEAD, INIT_ENCODER, INIT_PARTIAL, INIT_WIDE, INIT_POSITIONS } init_file;

static void write_init(const scene *s, const char *name, init_file kind)
{
    run_case r;
    ssfer_classifier m = {0};
    ssfer_tensor_set *all, *set;
    ssfer_error err = {0};
    set_up(&r, s, "set", "unused");
    ssfer_vit_config config = r.options.model;
    config.classes = kind == INIT_OTHER_HEAD ? 7 : 3;
    config.image_size = kind == INIT_POSITIONS ? 24 : 16;
    config.embed_dim = kind == INIT_WIDE ? 24 : 16;
    assert_int_equal(ssfer_vit_init(&m.vit, &config, &err), SSFER_OK);
    assert_int_equal(ssfer_params_alloc(&m.params, &m.vit.table, &err), SSFER_OK);
    ssfer_params_init(m.params, &m.vit.table, 77);
    assert_int_equal(ssfer_tensor_set_create(&all, &err), SSFER_OK);
    assert_int_equal(ssfer_tensor_set_create(&set, &err), SSFER_OK);
    assert_int_equal(ssfer_params_store(m.params, &m.vit.table, all, "", &err), SSFER_OK);
    for (size_t i = 0; i < ssfer_tensor_set_count(all); i++) {
        const ssfer_tensor *t = ssfer_tensor_set_at(all, i);
        if (kind == INIT_ENCODER && strncmp(t->name, "head.", 5) == 0)
            continue;
        if (kind == INIT_PARTIAL && strncmp(t->name, "blocks.1.", 9) == 0)
            continue;
        assert_int_equal(ssfer_tensor_set_add(set, t->name, t->dtype, t->shape, t->ndim, t->data, &err), SSFER_OK);
    }
    assert_int_equal(ssfer_safetensors_write(set, scene_at(s, name).text, &err), SSFER_OK);
    ssfer_tensor_set_destroy(all);
    ssfer_tensor_set_destroy(set);
    ssfer_classifier_deinit(&m);
}

/* A masked autoencoder of the same encoder. */
static void write_mae(const scene *s, const char *name)
{
    const ssfer_mae_config config = {.image_size = 16,
                                     .patch_size = 8,
                                     .channels = 3,
                                     .embed_dim = 16,
                                     .depth = 2,
                                     .heads = 2,
                                     .hidden = 32,
                                     .decoder_dim = 8,
                                     .decoder_depth = 1,
                                     .decoder_heads = 2,
                                     .decoder_hidden = 32,
                                     .eps = 1e-6f,
                                     .mask_ratio = 0.5};
    ssfer_mae mae;
    ssfer_tensor_set *set;
    ssfer_error err = {0};
    float *params;
    if (ssfer_mae_init(&mae, &config, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    assert_int_equal(ssfer_params_alloc(&params, &mae.table, &err), SSFER_OK);
    ssfer_mae_init_params(params, &mae, 78);
    assert_int_equal(ssfer_tensor_set_create(&set, &err), SSFER_OK);
    assert_int_equal(ssfer_params_store(params, &mae.table, set, "", &err), SSFER_OK);
    assert_int_equal(ssfer_mae_config_to_metadata(&config, set, &err), SSFER_OK);
    assert_int_equal(ssfer_safetensors_write(set, scene_at(s, name).text, &err), SSFER_OK);
    ssfer_tensor_set_destroy(set);
    ssfer_free(params);
    ssfer_mae_deinit(&mae);
}

/* With a rate of next to nothing the model is what it started from. */
static void expect_starts_from(const scene *s, const char *run_name, const char *init, const char *tensor, bool same)
{
    char path[64];
    ssfer_tensor_set *a, *b;
    ssfer_error err = {0};
    snprintf(path, sizeof path, "%s/model.safetensors", run_name);
    assert_int_equal(ssfer_safetensors_read(&a, scene_at(s, path).text, &err), SSFER_OK);
    assert_int_equal(ssfer_safetensors_read(&b, scene_at(s, init).text, &err), SSFER_OK);
    const ssfer_tensor *x = ssfer_tensor_set_find(a, tensor), *y = ssfer_tensor_set_find(b, tensor);
    assert_true(x && (y || !same));
    bool equal = y && x->count == y->count;
    for (size_t i = 0; equal && i < x->count; i++)
        equal = fabs((double)((const float *)x->data)[i] - (double)((const float *)y->data)[i]) < 1e-6;
    assert_int_equal(equal, same);
    ssfer_tensor_set_destroy(a);
    ssfer_tensor_set_destroy(b);
}

static void test_init(void **state)
{
    enum { MAE = -1 };
    static const struct {
        int kind;                /* an init_file, or MAE */
        const char *name, *said; /* in the log; NULL: nothing */
        bool head, block1;       /* are taken from the file */
    } cases[] = {
        {INIT_SAME, "same", NULL, true, true},
        {INIT_OTHER_HEAD, "head", "the head starts random (3 classes)", false, true},
        {INIT_ENCODER, "encoder", "the head starts random (3 classes)", false, true},
        {MAE, "mae", "the head starts random (3 classes)", false, true},
        {INIT_PARTIAL, "partial",
         "12 parameters are not in the checkpoint and start random (blocks.1.norm1.weight, ...)", true, false},
        {INIT_POSITIONS, "positions", "positions resampled from 3x3 to 2x2 patches", true, true},
    };
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 4);
    make_split(&s, "set", "valid", 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char file[64];
        snprintf(file, sizeof file, "%s.safetensors", cases[i].name);
        if (cases[i].kind == MAE)
            write_mae(&s, file);
        else
            write_init(&s, file, (init_file)cases[i].kind);
        scene_path init = scene_at(&s, file);
        set_up(&r, &s, "set", cases[i].name);
        r.options.init = init.text;
        r.options.training.epochs = 1;
        r.options.training.accumulate = 1;
        r.options.training.warmup_epochs = 0;
        r.options.training.lr = r.options.training.min_lr = 1e-12;
        expect_trained(&r);
        if (!cases[i].said)
            assert_null(strstr(logged, "random"));
        if (cases[i].said && !strstr(logged, cases[i].said))
            fail_msg("no \"%s\" in %s", cases[i].said, logged);
        expect_starts_from(&s, cases[i].name, file, "blocks.0.mlp.fc1.weight", true);
        expect_starts_from(&s, cases[i].name, file, "blocks.1.mlp.fc1.weight", cases[i].block1);
        expect_starts_from(&s, cases[i].name, file, "head.weight", cases[i].head);
    }
}

static void test_init_that_does_not_fit(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 4);
    make_split(&s, "set", "valid", 2);
    scene_path wide = scene_at(&s, "wide.safetensors");
    write_init(&s, "wide.safetensors", INIT_WIDE);
    set_up(&r, &s, "set", "run");
    r.options.init = wide.text;
    expect_failure(&r, SSFER_ERR_SHAPE,
                   "wide.safetensors: cls_token has shape (1, 1, 24), the model needs (1, 1, 16); leave the model's "
                   "sizes to the checkpoint");
    scene_path missing = scene_at(&s, "missing.pth"), text = scene_at(&s, "text.pth"), picture = scene_at(&s, "p.pth");
    r.options.init = missing.text;
    expect_failure(&r, SSFER_ERR_IO, "missing.pth: No such file or directory; check the path");
    scene_text(&s, "text.pth", "weights");
    r.options.init = text.text;
    expect_failure(&r, SSFER_ERR_FORMAT, "text.pth: ");
    striped(&s, "p.png", 0, 0);
    assert_int_equal(rename(scene_at(&s, "p.png").text, picture.text), 0);
    r.options.init = picture.text;
    expect_failure(&r, SSFER_ERR_FORMAT, "p.pth: ");
    ssfer_tensor_set *set;
    void *data;
    scene_path strange = scene_at(&s, "strange.safetensors");
    assert_int_equal(ssfer_tensor_set_create(&set, NULL), SSFER_OK);
    assert_int_equal(ssfer_tensor_set_new(set, "weight", SSFER_DTYPE_F32, (size_t[]){3}, 1, &data, NULL), SSFER_OK);
    assert_int_equal(ssfer_safetensors_write(set, strange.text, NULL), SSFER_OK);
    ssfer_tensor_set_destroy(set);
    r.options.init = strange.text;
    expect_failure(&r, SSFER_ERR_FORMAT, "strange.safetensors: not a ViT in timm's naming");
    assert_int_equal(count_files(&s, "run"), 0);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* Every allocation up to the first step failing, then some later ones. What fails must say so; a lost line of a log may
 * pass. Under AddressSanitizer nothing may leak. */
static void expect_refused(run_case *r, ssfer_rehearsal *rehearsal, ssfer_status status, const char *part)
{
    r->options.training.rehearsal = rehearsal;
    expect_failure(r, status, part);
    r->options.training.rehearsal = NULL;
    expect_failure(r, status, part); /* what would be trained says the same */
    assert_false(ssfer_file_exists(r->options.training.out));
}

/* A rehearsal refuses what the training would, writes nothing, and tells of the model that it would make, from which
 * the next one can be rehearsed. */
static void test_rehearsal(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    ssfer_error err;
    ssfer_rehearsal first = {0}, next = {.init_later = true};
    make_split(&s, "set", "train", 4);
    make_split(&s, "set", "valid", 2);
    set_up(&r, &s, "set", "run");
    r.options.training.rehearsal = &first;
    if (run(&r, NULL, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    assert_false(ssfer_file_exists(r.out.text));
    assert_non_null(first.model);
    assert_int_equal(ssfer_tensor_set_find(first.model, "head.weight")->shape[0], 3);
    assert_string_equal(ssfer_tensor_set_get(first.model, "num_heads"), "2");
    /* From what the first one would make, which is in no file. */
    next.init = first.model;
    r.options.init = "later.safetensors";
    r.options.model = (ssfer_vit_config){.drop_path = 0.3f};
    r.options.training.rehearsal = &next;
    if (run(&r, NULL, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    assert_int_equal(ssfer_tensor_set_count(next.model), ssfer_tensor_set_count(first.model));
    ssfer_tensor_set_destroy(next.model);
    next.model = NULL;
    r.options.model.heads = 4;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "later.safetensors: the encoder has 2 attention heads, the model 4");
    r.options.model.heads = 0;
    r.options.model.embed_dim = 32;
    expect_failure(&r, SSFER_ERR_SHAPE, "later.safetensors: ");
    assert_null(next.model);
    next.init = NULL; /* not known: what depends on it is passed over */
    if (run(&r, NULL, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    assert_null(next.model);
    ssfer_tensor_set_destroy(first.model);
    /* The same refusals as of a training; those of options even before the data are looked at. */
    first.model = NULL;
    set_up(&r, &s, "nowhere", "run");
    expect_refused(&r, &first, SSFER_ERR_IO, "nowhere");
    r.options.training.warmup_epochs = 3;
    expect_refused(&r, &first, SSFER_ERR_ARGUMENT, "--warmup-epochs 3: must be less than --epochs 3");
    set_up(&r, &s, "set", "run");
    r.options.training.accumulate = 100;
    expect_refused(&r, &first, SSFER_ERR_ARGUMENT, "--accumulate");
    set_up(&r, &s, "set", "run");
    r.options.training.batch = 1;
    r.options.mix.mode = SSFER_MIX_MIXUP;
    expect_refused(&r, &first, SSFER_ERR_ARGUMENT, "a batch of one picture has nothing to mix with");
    set_up(&r, &s, "set", "run");
    r.options.model.embed_dim = 15;
    expect_refused(&r, &first, SSFER_ERR_ARGUMENT, "embed dim 15 is no multiple of 2 heads");
    assert_null(first.model);
}

/* Labels that are still to be written are those of a split in memory. */
static void test_rehearsal_of_labels(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    ssfer_error err;
    ssfer_dataset *set = NULL;
    ssfer_split split = {0};
    ssfer_rehearsal rehearsal = {.labels_later = true};
    make_split(&s, "set", "train", 4);
    make_split(&s, "set", "valid", 2);
    make_split(&s, "other", "train", 2);
    set_up(&r, &s, "set", "run");
    const ssfer_dataset_options train = {.split = "train"};
    assert_int_equal(ssfer_dataset_open(&set, r.data.text, &train, NULL), SSFER_OK);
    assert_int_equal(ssfer_split_make(&split, set, 0.25, 1, NULL), SSFER_OK);
    r.options.data.labels = "labels.json";
    r.options.data.rehearsal = r.options.training.rehearsal = &rehearsal;
    if (run(&r, NULL, &err) != SSFER_OK) /* not known yet */
        fail_msg("%s", err.message);
    rehearsal.labels = &split;
    rehearsal.labels_set = set;
    r.options.training.accumulate = 4;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "3 training pictures make no step of 4 batches of 3; ");
    r.data = scene_at(&s, "other");
    expect_failure(&r, SSFER_ERR_FORMAT, "labels.json: labels ");
    ssfer_split_deinit(&split);
    ssfer_dataset_close(set);
}

static void test_out_of_memory(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "set", "train", 2);
    make_split(&s, "set", "valid", 1);
    size_t failed = 0, passed = 0;
    for (size_t n = 1; passed < 3; n += n < 150 ? 1 : 23) {
        ssfer_error err;
        scene_path out;
        set_up(&r, &s, "set", "run");
        r.options.training.accumulate = 1;
        r.options.training.epochs = 1;
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
        out = scene_at(&s, "run");
        nftw(out.text, scene_remove, 16, FTW_DEPTH | FTW_PHYS);
    }
    assert_true(failed > 100);
}

/* training.log holds all that was said: what came before the folder was there, an epoch a line, why it ended; each in
 * its order, once, and in full when nothing is shown. */
static void test_log(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    size_t size;
    make_split(&s, "set", "train", 9);
    set_up(&r, &s, "set", "run");
    stop_at = 5 + 1; /* in the second epoch */
    const ssfer_log quiet = {.write = keep_log, .most = SSFER_LOG_ERROR};
    r.options.training.log = &quiet;
    expect_failure(&r, SSFER_ERR_CANCELLED, "go on with --resume");
    assert_string_equal(logged, "");
    stop_at = 0;
    r.options.training.resume = true;
    expect_trained(&r);
    r.options.training.epochs = 99;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "epochs");
    static const char *const lines[] = {"info    no validation split: 10 % of the labeled pictures are held out\n",
                                        "info    ssfer ",
                                        "training pictures, ",
                                        "info    epoch  1/3  loss ",
                                        "info    stopped at epoch 2, step 5; go on with --resume\n",
                                        "no validation split",
                                        "info    ssfer ",
                                        "resumed at epoch 2, step 5\n",
                                        "epoch  2/3  loss ",
                                        "epoch  3/3  loss ",
                                        "finished after 3 epochs, 9 steps, ",
                                        "no validation split",
                                        "error   "};
    char *text = (char *)read_file(&s, "run/training.log", &size), *at = text;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char *found = strstr(at, lines[i]);
        if (!found)
            fail_msg("no \"%s\" after %zu others in:\n%s", lines[i], i, text);
        at = found + strlen(lines[i]);
    }
    assert_null(strstr(at, "epoch "));
    ssfer_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_learns),
        TEST(test_parts),
        TEST(test_repeats),
        TEST(test_layer_decay),
        TEST(test_stop_anywhere),
        TEST(test_resume_with_other_settings),
        TEST(test_damaged_checkpoints),
        TEST(test_numbers_that_explode),
        TEST(test_log),
        TEST(test_bad_pictures),
        TEST(test_all_validation_pictures_bad),
        TEST(test_validation_split),
        TEST(test_unusable_validation_split),
        TEST(test_holdout),
        TEST(test_fraction_and_labels),
        TEST(test_sets_that_cannot_be_used),
        TEST(test_impossible_settings),
        TEST(test_batch_larger_than_the_set),
        TEST(test_places_that_cannot_be_written),
        TEST(test_init),
        TEST(test_init_that_does_not_fit),
        TEST(test_rehearsal),
        TEST(test_rehearsal_of_labels),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
