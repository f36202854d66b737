/* Stage III from pictures on disk to a model file: that unlabeled pictures teach, where they come from, and what it
 * does with settings that cannot be used. */
#include "point_number.h"
#include "semi_case.h"

/* ---- learning ---------------------------------------------------------------------------------------------------- */

static void test_unlabeled_pictures_teach(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    ssfer_evaluation e = {0};
    ssfer_error err;
    ssfer_classifier before, after;
    make_split(&s, "train", 16);
    make_split(&s, "valid", 8);
    make_stage2(&s, 40);
    set_up(&r, &s, "run");
    r.options.training.epochs = 20;
    r.options.training.lr = 3e-3;
    r.options.training.accumulate = 1;
    r.options.model.drop_path = 0.0f;
    if (run(&r, &e, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    assert_int_equal(e.count, 24);
    if (!(e.accuracy > 0.6)) /* chance is one in three */
        fail_msg("accuracy %g", e.accuracy);
    ssfer_evaluation_deinit(&e);
    assert_non_null(strstr(logged, "12 labeled, 36 unlabeled and 24 validation pictures, 3 classes; an epoch is 4 "
                                   "steps"));
    const double rate = last_figure(&s, "run", "pseudo_label_rate");
    assert_true(rate > 0.1 && rate <= 1.0);
    assert_true(last_figure(&s, "run", "pseudo_label_accuracy") > 0.7);
    assert_true(last_figure(&s, "run", "pseudo_label_entropy") > 0.5);
    assert_true(last_figure(&s, "run", "pseudo_label_accuracy/top") > 0.5);
    assert_true(last_figure(&s, "run", "unlabeled_loss") > 0.0);
    assert_int_equal(ssfer_classifier_load(&before, r.init.text, NULL, NULL), SSFER_OK);
    assert_int_equal(ssfer_classifier_load(&after, scene_at(&s, "run/model.safetensors").text, NULL, NULL), SSFER_OK);
    assert_true(memcmp(before.params, after.params, before.vit.table.block_floats * sizeof(float)) != 0);
    ssfer_classifier_deinit(&before);
    ssfer_classifier_deinit(&after);
}

/* With a threshold that nothing reaches, the unlabeled pictures leave no trace: neither do they in a burn-in. */
static void test_burn_in(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "train", 8);
    make_split(&s, "valid", 2);
    make_stage2(&s, 1);
    set_up(&r, &s, "unsure");
    r.options.selection.threshold = 1.0;
    expect_trained(&r);
    set_up(&r, &s, "burnt");
    r.options.burn_in = 2;
    r.options.selection.threshold = 1.0;
    expect_trained(&r);
    assert_true(isnan(last_figure(&s, "burnt", "pseudo_label_rate")));
    assert_true(last_figure(&s, "unsure", "pseudo_label_rate") == 0.0);
    assert_true(last_figure(&s, "burnt", "labeled_loss") == last_figure(&s, "unsure", "labeled_loss"));
    set_up(&r, &s, "sure");
    r.options.selection.threshold = 0.1;
    expect_trained(&r);
    assert_true(last_figure(&s, "sure", "labeled_loss") != last_figure(&s, "unsure", "labeled_loss"));
}

/* Blended pictures teach otherwise than plain ones; where nobody is sure, they too leave no trace. */
static void test_pseudo_mixup(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "train", 8);
    make_split(&s, "valid", 2);
    make_stage2(&s, 20);
    const double thresholds[] = {0.36, 1.0};
    double losses[2][2];
    for (size_t t = 0; t < 2; t++)
        for (size_t mixed = 0; mixed < 2; mixed++) {
            char name[32];
            snprintf(name, sizeof name, "run%zu%zu", t, mixed);
            set_up(&r, &s, name);
            r.options.selection.threshold = thresholds[t];
            r.options.pseudo_mixup = mixed == 1;
            expect_trained(&r);
            losses[t][mixed] = last_figure(&s, name, "unlabeled_loss");
        }
    if (!(losses[0][0] > 0.0 && losses[0][1] > losses[0][0]))
        fail_msg("%g plain, %g blended", losses[0][0], losses[0][1]); /* more pictures, with soft targets */
    assert_true(losses[1][0] == 0.0 && losses[1][1] == 0.0);
}

/* The auxiliary head is what is judged and what the model file has, as a plain classifier; checkpoints have both. */
static void test_abc(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    ssfer_classifier model;
    ssfer_tensor_set *set;
    make_split(&s, "train", 16);
    make_split(&s, "valid", 8);
    for (size_t i = 4; i < 16; i++) { /* small classes: a quarter of the large one */
        char name[64];
        snprintf(name, sizeof name, "set/train/%s/%02zu.png", CLASSES[1 + i % 2], i);
        unlink(scene_at(&s, name).text);
    }
    make_stage2(&s, 40);
    set_up(&r, &s, "plain");
    r.options.selection.threshold = 0.36;
    expect_trained(&r);
    set_up(&r, &s, "abc");
    r.options.selection.threshold = 0.36;
    r.options.abc = true;
    r.options.training.epochs = 6;
    r.options.training.keep = 1;
    ssfer_evaluation e = {0};
    ssfer_error err;
    if (run(&r, &e, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    assert_true(e.accuracy > 0.4); /* chance is one in three */
    ssfer_evaluation_deinit(&e);
    assert_false(same_file(&s, "model.safetensors", "plain", "abc"));
    assert_int_equal(ssfer_classifier_load(&model, scene_at(&s, "abc/model.safetensors").text, NULL, NULL), SSFER_OK);
    assert_int_equal(model.vit.config.classes, 3);
    assert_string_equal(model.classes[1], "middle");
    assert_int_equal(ssfer_safetensors_read(&set, scene_at(&s, "abc/checkpoints/best.safetensors").text, NULL),
                     SSFER_OK);
    const ssfer_tensor *head = ssfer_tensor_set_find(set, "ema.head.weight"),
                       *bias = ssfer_tensor_set_find(set, "ema.head.bias");
    assert_int_equal(head->count, 6 * 16);
    assert_memory_equal(model.params + model.vit.head_w, (const float *)head->data + 3 * 16, 3 * 16 * sizeof(float));
    assert_memory_equal(model.params + model.vit.head_b, (const float *)bias->data + 3, 3 * sizeof(float));
    assert_memory_not_equal(head->data, (const float *)head->data + 3 * 16, 3 * 16 * sizeof(float));
    ssfer_tensor_set_destroy(set);
    ssfer_classifier_deinit(&model);
}

/* As many classes as have figures of their own: a record of an epoch takes them all. */
static void test_many_classes(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    size_t size, rates = 0;
    make_many_classes(&s);
    make_stage2(&s, 200);
    set_up(&r, &s, "run");
    r.options.selection.threshold = 0.01; /* all that is seen counts: two figures of each class that is named */
    r.options.training.epochs = 1;
    expect_trained(&r);
    char *text = (char *)read_file(&s, "run", "metrics.jsonl", &size), *at = text;
    for (; (at = strstr(at, "\"pseudo_label_rate/")); at++)
        rates++;
    if (rates <= 32)
        fail_msg("%zu of 40 classes have figures: no more than a record of 64 would hold", rates);
    ssfer_free(text);
}

/* ---- sources of pictures ----------------------------------------------------------------------------------------- */

static void test_sources(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "train", 8);
    make_split(&s, "valid", 2);
    make_stage2(&s, 1);
    for (size_t i = 0; i < 6; i++) {
        char name[64];
        snprintf(name, sizeof name, "more/%zu.png", i);
        picture(&s, name, i % 3, 500 + i);
    }
    set_up(&r, &s, "both");
    r.unlabeled = scene_at(&s, "more");
    r.options.unlabeled.data = r.unlabeled.text;
    expect_trained(&r);
    assert_non_null(strstr(logged, "6 labeled, 24 unlabeled"));
    assert_true(last_figure(&s, "both", "pseudo_label_rate") >= 0.0);
    set_up(&r, &s, "only");
    r.options.unlabeled = (ssfer_unlabeled_options){.data = r.unlabeled.text};
    expect_trained(&r);
    assert_non_null(strstr(logged, "6 labeled, 6 unlabeled"));
    assert_non_null(strstr(logged, "6 unlabeled pictures for batches of 8: each comes 1.3 times in a step"));
    assert_true(isnan(last_figure(&s, "only", "pseudo_label_accuracy"))); /* no truth is known */
    set_up(&r, &s, "none");
    r.options.unlabeled = (ssfer_unlabeled_options){0};
    expect_failure(&r, SSFER_ERR_ARGUMENT, "no picture is unlabeled; use part of the labels");
    set_up(&r, &s, "none");
    r.options.data.fraction = 1.0;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "no picture is unlabeled");
    set_up(&r, &s, "large");
    r.options.training.batch = 10;
    r.options.training.accumulate = 1;
    expect_trained(&r);
    assert_non_null(strstr(logged, "6 labeled pictures for batches of 10: each comes 1.7 times in a step"));
    set_up(&r, &s, "refused");
    r.options.stop_on_mismatch = true;
    r.options.training.batch = 10;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "6 labeled pictures for batches of 10: each comes 1.7 times in a step");
    r.options.balanced = true; /* those of small classes more often */
    expect_failure(&r, SSFER_ERR_ARGUMENT,
                   "6 labeled pictures for batches of 10: each comes about 1.7 times in a step");
    r.options.training.batch = 6;
    r.options.mu = 4;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "18 unlabeled pictures for batches of 24: each comes 1.3 times in a step");
    assert_int_not_equal(access(scene_at(&s, "refused").text, F_OK), 0);
    r.options.mu = 3;
    expect_trained(&r);
}

/* A batch of 624 pictures of 5 tokens goes through both models in two parts: what two batches of 312 would give, up to
 * rounding, when every picture comes as often. */
static void test_parts(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    double loss[2], kept[2];
    make_split(&s, "train", 16);
    make_split(&s, "valid", 8);
    make_stage2(&s, 10);
    assert_int_equal(ssfer_stack_part(624, 5), 312);
    for (size_t i = 0; i < 2; i++) {
        set_up(&r, &s, i ? "batches" : "parts");
        r.options.model.drop_path = 0.0f;
        r.options.mu = 1;
        r.options.training.batch = i ? 312 : 624;
        r.options.training.accumulate = i ? 2 : 1;
        r.options.training.epochs = 4;
        expect_trained(&r);
        loss[i] = last_figure(&s, i ? "batches" : "parts", "validation_loss");
        kept[i] = last_figure(&s, i ? "batches" : "parts", "pseudo_label_rate");
    }
    assert_true(kept[0] > 0.0);
    if (!(fabs(loss[0] - loss[1]) <= 1e-3 * loss[1]))
        fail_msg("in parts %.9g (%g kept), in batches %.9g (%g kept)", loss[0], kept[0], loss[1], kept[1]);
}

/* What is held out for validation is not learned from, with or without its label. */
static void test_holdout(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "train", 16);
    make_stage2(&s, 1);
    set_up(&r, &s, "run");
    r.options.data.fraction = 0.5;
    r.options.data.holdout = 0.25;
    expect_trained(&r);
    assert_non_null(strstr(logged, "18 labeled, 24 unlabeled and 6 validation pictures"));
}

/* Two pictures of a class, six of another, three of the third: the small classes come until all have six. */
static void test_balance(void **state)
{
    scene s = *(scene *)*state;
    const size_t sizes[3] = {2, 6, 3}; /* in the order of sorted names: left, middle, top */
    const char *const names[3] = {"left", "middle", "top"};
    size_t *indices, count, counts[3] = {0};
    ssfer_labeled l;
    ssfer_error err;
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < sizes[k]; i++) {
            char name[64];
            snprintf(name, sizeof name, "set/train/%s/%zu.png", names[k], i);
            picture(&s, name, k, i);
        }
    const scene_path data = scene_at(&s, "set/train");
    const ssfer_labeled_options o = {.data = data.text, .holdout = 0.01, .fraction = 1.0};
    assert_int_equal(ssfer_labeled_open(&l, &o, 0, NULL, &err), SSFER_OK);
    const size_t train = l.train_count, most = 6 - (train < 11); /* one picture of each class is held out */
    assert_int_equal(ssfer_labeled_balance(&indices, &count, &l, &err), SSFER_OK);
    assert_int_equal(count, 3 * most);
    for (size_t i = 0; i < count; i++)
        counts[ssfer_dataset_label(l.train_set, indices[i])]++;
    for (size_t k = 0; k < 3; k++)
        assert_int_equal(counts[k], most);
    ssfer_free(indices);
    ssfer_labeled_close(&l);
}

/* ---- the released code ------------------------------------------------------------------------------------------- */

/* The accuracy that is recorded is that of Stage II's model, epoch after epoch; the labeled pictures are others. */
static void test_released(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "train", 16);
    make_split(&s, "valid", 8);
    make_stage2(&s, 6);
    set_up(&r, &s, "ours");
    r.options.last_weights = true;
    expect_trained(&r);
    set_up(&r, &s, "released");
    r.options.released = true;
    r.options.last_weights = true;
    r.options.training.epochs = 10;
    r.options.training.schedule = SSFER_SCHEDULE_CONSTANT;
    expect_trained(&r);
    size_t size;
    char *text = (char *)read_file(&s, "released", "metrics.jsonl", &size);
    double first = NAN;
    for (char *at = text; (at = memmem(at, (size_t)(text + size - at), "\"accuracy\":", 11)); at++) {
        const double now = point_number(at + 11);
        first = isnan(first) ? now : first;
        assert_true(now == first);
    }
    assert_true(!isnan(first));
    ssfer_free(text);
    assert_true(last_figure(&s, "released", "teacher_accuracy") > 0.0);
    assert_true(isnan(last_figure(&s, "ours", "teacher_accuracy")));
    assert_true(last_figure(&s, "released", "lr") == 1e-3);
    assert_true(last_figure(&s, "ours", "lr") < 2e-4);
    set_up(&r, &s, "bad");
    r.options.released = true;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "--released draws its own labeled pictures and keeps the last");
}

/* ---- what cannot be done ------------------------------------------------------------------------------------------
 */

static void test_impossible_settings(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "train", 8);
    make_split(&s, "valid", 2);
    make_stage2(&s, 1);
    set_up(&r, &s, "bad");
    r.options.init = NULL;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "--init: teacher and student start from a model of Stage II");
    set_up(&r, &s, "bad");
    r.options.training.optimizer.ema_decay = 0.0f;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "--ema 0");
    set_up(&r, &s, "bad");
    r.options.mu = 0;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "batches of 0 pictures");
    set_up(&r, &s, "bad");
    r.options.unlabeled_weight = 0.0;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "--unlabeled-weight 0");
    set_up(&r, &s, "bad");
    r.options.on_collapse = SSFER_COLLAPSE_ROLLBACK;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "--on-collapse rollback: the best checkpoint may be of what is undone");
    set_up(&r, &s, "bad");
    r.init = scene_at(&s, "nothing.safetensors");
    expect_failure(&r, SSFER_ERR_IO, "nothing.safetensors");
    assert_int_not_equal(access(scene_at(&s, "bad").text, F_OK), 0); /* nothing has been written */
}

/* A class that no labeled picture is of, by a list of labels. */
static void test_class_without_labels(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "train", 8);
    make_split(&s, "valid", 2);
    make_stage2(&s, 1);
    const scene_path labels = scene_at(&s, "labels.json");
    FILE *f = fopen(labels.text, "w");
    fputs("{\"format\": \"ssfer-split\", \"version\": 1, \"fraction\": 0.2, \"seed\": 0, "
          "\"labeled\": [\"left/00.png\", \"left/01.png\", \"middle/00.png\"]}",
          f);
    fclose(f);
    set_up(&r, &s, "bad");
    r.options.data.labels = labels.text;
    r.options.data.fraction = 1.0;
    r.options.logit_adjustment = 1.0;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "--logit-adjustment: class top has no labeled picture; label one");
    r.options.logit_adjustment = 0.0;
    r.options.abc = true;
    expect_failure(&r, SSFER_ERR_ARGUMENT, "--abc: class top has no labeled picture; label one");
    r.options.abc = false;
    expect_trained(&r);
}

/* A rate that ruins everything in a step, as the loss or the validation finds: stopped, or undone as often as allowed
 * and then stopped. */
static void test_numbers_that_explode(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "train", 8);
    make_split(&s, "valid", 2);
    make_stage2(&s, 1);
    set_up(&r, &s, "stop");
    r.options.training.lr = 1e30;
    r.options.training.epochs = 6;
    expect_failure(&r, SSFER_ERR_NUMERIC, "");
    set_up(&r, &s, "back");
    r.options.training.lr = 1e30;
    r.options.training.epochs = 6;
    r.options.training.save_every = 1;
    r.options.on_collapse = SSFER_COLLAPSE_ROLLBACK;
    r.options.last_weights = true;
    expect_failure(&r, SSFER_ERR_NUMERIC, "after 3 returns to a good checkpoint");
    assert_non_null(strstr(logged, "with 0.125 of the learning rate"));
}

/* A teacher that says one class only, since its head does: warned of, or stopped. A share of 1 calls every epoch that
 * is not the best a collapse. */
static void test_collapse(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    make_split(&s, "train", 8);
    make_split(&s, "valid", 2);
    make_stage2(&s, 1);
    set_up(&r, &s, "warned");
    r.options.collapse_share = 1.0;
    r.options.selection.threshold = 0.34;
    r.options.training.lr = 0.3;
    r.options.training.epochs = 8;
    expect_trained(&r);
    assert_non_null(strstr(logged, "the teacher collapses: "));
    set_up(&r, &s, "stopped");
    r.options.collapse_share = 1.0;
    r.options.selection.threshold = 0.34;
    r.options.training.lr = 0.3;
    r.options.training.epochs = 8;
    r.options.on_collapse = SSFER_COLLAPSE_STOP;
    expect_failure(&r, SSFER_ERR_NUMERIC, "the teacher collapses: ");
    set_up(&r, &s, "back");
    r.options.collapse_share = 1.0;
    r.options.selection.threshold = 0.34;
    r.options.training.lr = 0.3;
    r.options.training.epochs = 8;
    r.options.training.save_every = 1;
    r.options.on_collapse = SSFER_COLLAPSE_ROLLBACK;
    r.options.last_weights = true;
    ssfer_error err;
    const ssfer_status st = run(&r, NULL, &err); /* half the rate may help */
    assert_true(st == SSFER_OK || (st == SSFER_ERR_NUMERIC && strstr(err.message, "the teacher collapses: ")));
    assert_non_null(strstr(logged, "the teacher collapses: "));
    assert_non_null(strstr(logged, "with 0.5 of the learning rate"));
}

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;
    for (; (text = strstr(text, part)); text += strlen(part))
        n++;
    return n;
}

/* Nothing is sure enough to count: said once an epoch, in the log, in training.log and in the report. */
static void test_guard_of_the_rate(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    size_t size;
    make_split(&s, "train", 8);
    make_split(&s, "valid", 2);
    make_stage2(&s, 20);
    set_up(&r, &s, "sure");
    r.options.selection.threshold = 0.34;
    expect_trained(&r);
    assert_int_equal(count_of(logged, "pseudo-labels count"), 0);
    char *text = (char *)read_file(&s, "sure", "report.html", &size);
    assert_int_equal(count_of(text, "pseudo-labels count"), 0);
    ssfer_free(text);
    set_up(&r, &s, "unsure");
    r.options.selection.threshold = 1.0;
    r.options.training.epochs = 3;
    r.options.burn_in = 1;
    expect_trained(&r);
    static const char said[] = "fewer than 0.1 % of the pseudo-labels count, so the labeled pictures alone teach";
    assert_int_equal(count_of(logged, said), 2);
    assert_non_null(strstr(logged, "epoch 3: fewer than 0.1 %"));
    assert_non_null(strstr(logged, "(pseudo_label_rate 0); try a lower --threshold"));
    text = (char *)read_file(&s, "unsure", "training.log", &size);
    assert_int_equal(count_of(text, said), 2);
    ssfer_free(text);
    text = (char *)read_file(&s, "unsure", "report.html", &size);
    assert_non_null(strstr(text, "in 2 of 2 epochs, last in 3, fewer than 0.1 %"));
    ssfer_free(text);
}

/* A model that says one class only: the validation finds it, in Stages II and III, and so do the teacher's labels. */
static void test_guard_of_one_class(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    size_t size;
    static const char same[] = "nearly all validation pictures are taken to be of the same class",
                      taught[] = "the teacher gives nearly all unlabeled pictures the same label";
    make_split(&s, "train", 16);
    make_split(&s, "valid", 4);
    make_stage2(&s, 40); /* learns */
    char *text = (char *)read_file(&s, "stage2", "training.log", &size);
    assert_non_null(strstr(text, "epoch 40/40"));
    assert_null(strstr(text, "epoch 40: "));
    ssfer_free(text);
    nftw(scene_at(&s, "stage2").text, scene_remove, 16, FTW_DEPTH | FTW_PHYS);
    *logged = 0;
    make_blind_stage2(&s);
    assert_int_equal(count_of(logged, same), 2); /* of four epochs, two are warm-up */
    assert_null(strstr(logged, "epoch 2: "));
    assert_non_null(strstr(logged, "epoch 3: nearly all"));
    assert_non_null(strstr(logged, "try another --lr or more epochs"));
    text = (char *)read_file(&s, "stage2", "report.html", &size);
    assert_non_null(strstr(text, "in 2 of 2 epochs, last in 4, nearly all validation pictures"));
    ssfer_free(text);
    set_up(&r, &s, "run");
    r.options.training.lr = 1e-12;
    expect_trained(&r);
    assert_int_equal(count_of(logged, same), 2);
    assert_int_equal(count_of(logged, taught), 2);
    assert_non_null(strstr(logged, "try a lower --lr, --align labels"));
    text = (char *)read_file(&s, "run", "report.html", &size); /* tells of Stage II as well */
    assert_int_equal(count_of(text, same), 2);
    assert_int_equal(count_of(text, taught), 1);
    ssfer_free(text);
}

/* Rehearsed from what Stage II would make; the refusals are those of the training, and leave nothing. */
static void test_rehearsal(void **state)
{
    scene *s = *state;
    run_case r;
    ssfer_error err;
    ssfer_rehearsal rehearsal = {0};
    make_split(s, "train", 8);
    make_split(s, "valid", 2);
    make_stage2(s, 1);
    set_up(&r, s, "run");
    r.options.released = r.options.last_weights = true;
    r.options.abc = true;
    r.options.training.rehearsal = &rehearsal;
    if (run(&r, NULL, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    assert_false(ssfer_file_exists(r.out.text));
    assert_non_null(rehearsal.model);
    ssfer_rehearsal next = {.init_later = true, .init = rehearsal.model};
    r.options.init = "later.safetensors";
    r.options.training.rehearsal = &next;
    if (run(&r, NULL, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    ssfer_tensor_set_destroy(next.model);
    ssfer_tensor_set_destroy(rehearsal.model);
    const scene_path more = scene_at(s, "set/train");
    for (int rehearsed = 0; rehearsed < 2; rehearsed++) {
        set_up(&r, s, "run");
        r.options.unlabeled.data = more.text;
        r.options.mu = r.options.training.batch = 1;
        r.options.training.rehearsal = rehearsed ? &(ssfer_rehearsal){0} : NULL;
        expect_failure(&r, SSFER_ERR_ARGUMENT, "cannot come from two sources");
        assert_false(ssfer_file_exists(r.out.text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_unlabeled_pictures_teach),
        TEST(test_burn_in),
        TEST(test_pseudo_mixup),
        TEST(test_abc),
        TEST(test_many_classes),
        TEST(test_sources),
        TEST(test_parts),
        TEST(test_holdout),
        TEST(test_balance),
        TEST(test_released),
        TEST(test_impossible_settings),
        TEST(test_class_without_labels),
        TEST(test_numbers_that_explode),
        TEST(test_collapse),
        TEST(test_guard_of_the_rate),
        TEST(test_guard_of_one_class),
        TEST(test_rehearsal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
