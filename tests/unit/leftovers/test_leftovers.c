/* What programs do with the library, also what fails and what runs out of memory on the way: afterwards no file
 * descriptor is open and no thread runs that was not there before. */
#include "test_support.h"

#include "compute/cpu/neighbours.h"
#include "data/loader.h"
#include "leftovers.h"
#include "small_model.h"
#include "ssfer/predict.h"
#include "train/finetune.h"
#include "train/pretrain.h"
#include "train/semi.h"
#include "unit/data/scene.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define IO SSFER_TEST_DIR "/golden/io/"
#define NETWORK SSFER_TEST_DIR "/golden/yolov7/blocks.pt"

enum { A_CLASS = 6, SIDE = 16 };

static scene files;

static const char *in_files(const char *name)
{
    static scene_path paths[4];
    static unsigned next;
    scene_path *p = &paths[next++ % 4];
    *p = scene_at(&files, name);
    return p->text;
}

/* set/{train,valid}/{a,b}/, the same as a tar; a folder in which most pictures are damaged; files that are damaged. */
static int setup(void **state)
{
    (void)state;
    static const char *const folders[] = {"set/train/a", "set/train/b", "set/valid/a", "set/valid/b"};
    files = scene_create();
    for (size_t f = 0; f < 4; f++)
        for (size_t i = 0; i < A_CLASS; i++) {
            char name[64];
            snprintf(name, sizeof name, "%s/%zu.png", folders[f], i);
            scene_picture(&files, name, SIDE, SIDE, f * A_CLASS + i);
            snprintf(name, sizeof name, "damaged/%s/%zu.png", f % 2 ? "a" : "b", i);
            scene_text(&files, name, "\x89PNG\r\n\x1a\n and then nothing of use");
        }
    scene_pack(&files, "set", "set.tar", "");
    scene_text(&files, "damaged.tar", "no tar at all");
    scene_text(&files, "damaged.pt", "PK\x03\x04 and then nothing of use");
    scene_text(&files, "damaged.safetensors", "\x08\0\0\0\0\0\0\0{}      ");
    scene_text(&files, "list.csv", "path,label\nset/train/a/0.png,a\nset/train/b/0.png,b\n");
    write_small_model(in_files("model.safetensors"));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scene_destroy(&files);
    return 0;
}

static void nothing_left(const char *what, void (*use)(void))
{
    const leftovers before = leftovers_now();
    use();
    if (leftovers_any(&before, what))
        fail_msg("%s leaves something behind", what);
}

/* Runs out of memory at each stride-th allocation of `use` in turn. */
static void each_allocation_fails(const char *what, void (*use)(void), size_t stride)
{
    const leftovers before = leftovers_now();
    ssfer_memory_fail_at(0);
    use();
    const size_t count = ssfer_memory_fail_at(0);
    assert_true(count > 0);
    for (size_t n = 1; n <= count; n += stride) {
        ssfer_memory_fail_at(n);
        use();
        ssfer_memory_fail_at(0);
    }
    if (leftovers_any(&before, what))
        fail_msg("%s leaves something behind when memory runs out", what);
}

/* ---- pictures, models, detectors --------------------------------------------------------------------------------- */

static void use_pictures(void)
{
    ssfer_image image = {0};
    if (ssfer_image_load(&image, in_files("set/train/a/0.png"), NULL, NULL) == SSFER_OK) {
        ssfer_image_save(&image, in_files("copy.png"), NULL);
        ssfer_image_save(&image, in_files("copy.jpg"), NULL);
        ssfer_image_save(&image, in_files("copy.webp"), NULL);
        assert_int_not_equal(ssfer_image_save(&image, in_files("no/folder/copy.png"), NULL), SSFER_OK);
    }
    ssfer_image_deinit(&image);
    assert_int_not_equal(ssfer_image_load(&image, in_files("damaged/a/0.png"), NULL, NULL), SSFER_OK);
    assert_int_not_equal(ssfer_image_load(&image, in_files("none.png"), NULL, NULL), SSFER_OK);
    assert_int_not_equal(ssfer_image_load(&image, in_files("set"), NULL, NULL), SSFER_OK);
}

/* Every golden checkpoint, good and bad ones, and files that are none; written again in both formats. */
static void use_checkpoints(void)
{
    static const char *const others[] = {"damaged.pt", "damaged.safetensors", "none", "set"};
    ssfer_tensor_set *set;
    DIR *folder = opendir(IO);
    assert_non_null(folder);
    for (struct dirent *e; (e = readdir(folder));) {
        char path[1024];
        snprintf(path, sizeof path, IO "%s", e->d_name);
        if (ssfer_checkpoint_read(&set, path, NULL, NULL) == SSFER_OK) {
            ssfer_safetensors_write(set, in_files("again.safetensors"), NULL);
            ssfer_torch_write(set, in_files("again.pt"), NULL);
            assert_int_not_equal(ssfer_safetensors_write(set, in_files("no/folder/x"), NULL), SSFER_OK);
            assert_int_not_equal(ssfer_torch_write(set, in_files("no/folder/x"), NULL), SSFER_OK);
            ssfer_tensor_set_destroy(set);
        }
        if (ssfer_checkpoint_read_optimizer(&set, path, NULL) == SSFER_OK)
            ssfer_tensor_set_destroy(set);
    }
    closedir(folder);
    for (size_t i = 0; i < 4; i++)
        assert_int_not_equal(ssfer_checkpoint_read(&set, in_files(others[i]), NULL, NULL), SSFER_OK);
}

static void use_models(void)
{
    ssfer_predictor *p = NULL;
    ssfer_detector *d = NULL;
    ssfer_image face = {0};
    ssfer_expressions found = {0};
    ssfer_predictor_create(&p, in_files("model.safetensors"), &(ssfer_predictor_options){.threads = 3}, NULL);
    ssfer_detector_create(&d, NETWORK, &(ssfer_detector_options){.size = 64, .confidence = 0.2f, .threads = 3}, NULL);
    ssfer_image_load(&face, in_files("set/train/a/0.png"), NULL, NULL);
    if (p && face.data)
        ssfer_predictor_run(p, &face, 1, (float[SMALL_MODEL_CLASSES]){0}, NULL, NULL);
    if (p && d && face.data)
        ssfer_predictor_run_faces(p, d, &face, 1, NULL, &found, NULL);
    ssfer_expressions_deinit(&found);
    ssfer_image_deinit(&face);
    ssfer_detector_destroy(d);
    ssfer_predictor_destroy(p);
    static const char *const wrong[] = {"damaged.pt", "damaged.safetensors", "none", "set.tar"};
    for (size_t i = 0; i < 4; i++) {
        const scene_path path = scene_at(&files, wrong[i]), to = scene_at(&files, "converted.safetensors");
        assert_int_not_equal(ssfer_predictor_create(&p, path.text, NULL, NULL), SSFER_OK);
        assert_int_not_equal(ssfer_detector_create(&d, path.text, NULL, NULL), SSFER_OK);
        ssfer_detector_recognise(path.text);
        assert_int_not_equal(ssfer_detector_convert(path.text, to.text, NULL, NULL), SSFER_OK);
    }
}

static void test_models(void **state)
{
    (void)state;
    nothing_left("pictures", use_pictures);
    each_allocation_fails("pictures", use_pictures, 1);
    nothing_left("checkpoints", use_checkpoints);
    nothing_left("models", use_models);
    each_allocation_fails("models", use_models, 7);
}

/* ---- sets and batches -------------------------------------------------------------------------------------------- */

static void use_sets(void)
{
    static const char *const good[] = {"set", "set.tar", "list.csv"};
    static const char *const bad[] = {"none", "damaged.tar", "model.safetensors", "damaged.pt"};
    ssfer_dataset *set;
    for (size_t i = 0; i < 3; i++) {
        const ssfer_dataset_options o = {.split = i < 2 ? "train" : NULL};
        if (ssfer_dataset_open(&set, in_files(good[i]), &o, NULL) != SSFER_OK)
            continue;
        ssfer_image image = {0};
        ssfer_dataset_image(set, 0, &image, NULL);
        ssfer_image_deinit(&image);
        ssfer_dataset_close(set);
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_not_equal(ssfer_dataset_open(&set, in_files(bad[i]), NULL, NULL), SSFER_OK);
}

/* Through an epoch, left in the middle, never started, ended by damaged pictures. */
static void use_loader(void)
{
    static const char *const names[] = {"set", "damaged"};
    for (size_t i = 0; i < 4; i++) {
        ssfer_dataset *set = NULL;
        ssfer_loader *loader = NULL;
        ssfer_batch b = {.count = 1};
        ssfer_dataset_open(&set, in_files(names[i / 3]), &(ssfer_dataset_options){.split = i < 3 ? "train" : NULL},
                           NULL);
        if (set)
            ssfer_loader_create(
                &loader,
                &(ssfer_loader_options){
                    .set = set, .batch = 2, .threads = 3, .max_bad_share = 0.1, .transform = ssfer_transform_train(8)},
                NULL);
        if (loader && i != 2 && ssfer_loader_start(loader, 0, 0, NULL) == SSFER_OK)
            while (ssfer_loader_next(loader, &b, NULL) == SSFER_OK && b.count && i != 1)
                ;
        ssfer_loader_destroy(loader);
        ssfer_dataset_close(set);
    }
}

static void test_data(void **state)
{
    (void)state;
    nothing_left("sets", use_sets);
    each_allocation_fails("sets", use_sets, 1);
    nothing_left("the loader", use_loader);
    each_allocation_fails("the loader", use_loader, 3);
}

/* ---- the three stages -------------------------------------------------------------------------------------------- */

static int polls_left;

static int stop_at_zero(void)
{
    return polls_left-- <= 0;
}

/* How a run ends. */
typedef enum ending { DONE, STOPPED, DAMAGED, NOWHERE, ENDINGS } ending;

static const char *const DATA[ENDINGS] = {"set", "set", "damaged", "none"};

static void set_up(ssfer_training_options *t, ending end)
{
    t->epochs = 2;
    t->batch = 4;
    t->lr = 1e-3;
    t->min_lr = 0.0;
    t->warmup_epochs = 0.0;
    t->threads = 3;
    t->stop = stop_at_zero;
    polls_left = end == STOPPED ? 1 : 1 << 20;
}

static void expect_ending(ssfer_status st, ending end, const ssfer_error *err)
{
    const bool right = end == DONE ? st == SSFER_OK : end == STOPPED ? st == SSFER_ERR_CANCELLED : st != SSFER_OK;
    if (!right)
        fail_msg("ending %d: %s (%s)", end, ssfer_status_name(st), err->message);
}

static void use_pretrain(void)
{
    static const char *const out[ENDINGS] = {"pretrained", "pretrain1", "pretrain2", "pretrain3"};
    for (ending end = 0; end < ENDINGS; end++) {
        ssfer_error err = {0};
        ssfer_pretrain_options o = ssfer_pretrain_defaults();
        const scene_path data = scene_at(&files, DATA[end]), run = scene_at(&files, out[end]);
        o.data = data.text;
        o.model = (ssfer_mae_config){.image_size = SIDE,
                                     .patch_size = 8,
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
        set_up(&o.training, end);
        o.training.out = run.text;
        expect_ending(ssfer_pretrain(&o, NULL, &err), end, &err);
    }
}

static void use_finetune(void)
{
    static const char *const out[ENDINGS] = {"finetuned", "finetune1", "finetune2", "finetune3"};
    for (ending end = 0; end < ENDINGS; end++) {
        ssfer_error err = {0};
        ssfer_finetune_options o = ssfer_finetune_defaults();
        const scene_path data = scene_at(&files, DATA[end]), run = scene_at(&files, out[end]);
        o.data.data = data.text;
        o.data.split = end == DAMAGED ? NULL : "train";
        o.model = (ssfer_vit_config){.image_size = SIDE,
                                     .patch_size = 8,
                                     .channels = 3,
                                     .embed_dim = 16,
                                     .depth = 1,
                                     .heads = 2,
                                     .hidden = 32,
                                     .eps = 1e-6f};
        set_up(&o.training, end);
        o.training.out = run.text;
        expect_ending(ssfer_finetune(&o, NULL, &err), end, &err);
    }
}

static void use_semi(void)
{
    static const char *const out[ENDINGS] = {"semi0", "semi1", "semi2", "semi3"};
    for (ending end = 0; end < ENDINGS; end++) {
        ssfer_error err = {0};
        ssfer_semi_options o = ssfer_semi_defaults();
        const scene_path data = scene_at(&files, DATA[end]), run = scene_at(&files, out[end]),
                         init = scene_at(&files, "finetuned/model.safetensors");
        o.data.data = data.text;
        o.data.split = end == DAMAGED ? NULL : "train";
        o.data.fraction = 0.5;
        o.init = init.text;
        o.mu = 2;
        o.strong_scale_min = 0.6;
        set_up(&o.training, end);
        o.training.out = run.text;
        expect_ending(ssfer_semi(&o, NULL, &err), end, &err);
    }
}

static void test_training(void **state)
{
    (void)state;
    nothing_left("pre-training", use_pretrain);
    nothing_left("fine-tuning", use_finetune);
    nothing_left("Stage III", use_semi);
}

/* ---- the thread kept beside neighbours --------------------------------------------------------------------------- */

static atomic_bool spinning;

static void *spin(void *unused)
{
    (void)unused;
    while (atomic_load(&spinning))
        ;
    return NULL;
}

/* Keeps the processor of this thread busy until threads that wait do so asleep, or for 20 s. */
static bool crowd(void)
{
    enum { SPINNERS = 6 };
    pthread_t spinners[SPINNERS];
    cpu_set_t all, one;
    CPU_ZERO(&one);
    assert_int_equal(pthread_getaffinity_np(pthread_self(), sizeof all, &all), 0);
    CPU_SET((size_t)sched_getcpu(), &one);
    assert_int_equal(pthread_setaffinity_np(pthread_self(), sizeof one, &one), 0);
    atomic_store(&spinning, true);
    for (size_t i = 0; i < SPINNERS; i++)
        assert_int_equal(pthread_create(&spinners[i], NULL, spin, NULL), 0);
    const time_t begin = time(NULL);
    while (!ssfer_neighbours_crowded() && time(NULL) < begin + 20)
        ssfer_neighbours_look(2);
    atomic_store(&spinning, false);
    for (size_t i = 0; i < SPINNERS; i++)
        pthread_join(spinners[i], NULL);
    pthread_setaffinity_np(pthread_self(), sizeof all, &all);
    return ssfer_neighbours_crowded();
}

/* A detector and a predictor use the same team of sleepers: the last of them to go ends it, whichever it is. */
static void test_neighbours(void **state)
{
    (void)state;
    if (access("/proc/thread-self/schedstat", R_OK) != 0)
        skip(); /* the kernel does not tell how long a thread waited */
    for (int detector_first = 0; detector_first < 2; detector_first++) {
        ssfer_error err = {0};
        ssfer_predictor *p;
        ssfer_detector *d;
        const leftovers before = leftovers_now();
        CHECK_OK(ssfer_predictor_create(&p, in_files("model.safetensors"), NULL, &err));
        CHECK_OK(ssfer_detector_create(&d, NETWORK, NULL, &err));
        assert_true(crowd());
        if (detector_first)
            ssfer_detector_destroy(d);
        else
            ssfer_predictor_destroy(p);
        assert_true(ssfer_neighbours_crowded());
        if (detector_first)
            ssfer_predictor_destroy(p);
        else
            ssfer_detector_destroy(d);
        assert_false(ssfer_neighbours_crowded());
        assert_false(leftovers_any(&before, "a team of sleepers"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_models), cmocka_unit_test(test_data),
                                       cmocka_unit_test(test_training), cmocka_unit_test(test_neighbours)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
