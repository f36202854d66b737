/* Folds of cross-validation: every labeled picture judges once, class by class or whatever its class. */
#include "unit/data/scene.h"
#include "unit/growth.h"

#include "train/folds.h"
#include "train/labeled.h"

enum { CLASSES = 3, COUNTS_SUM = 33 };
static const size_t COUNTS[CLASSES] = {17, 11, 5};

/* Nobody looks at the pictures. */
static void make_set(const scene *s)
{
    static const char *const names[CLASSES] = {"a", "b", "c"};
    for (size_t k = 0; k < CLASSES; k++)
        for (size_t i = 0; i < COUNTS[k]; i++) {
            char name[64];
            snprintf(name, sizeof name, "set/%s/%02zu.png", names[k], i);
            scene_text(s, name, "-");
        }
}

typedef struct fold_case {
    scene_path data;
    ssfer_labeled_options options;
    ssfer_labeled labeled;
} fold_case;

static void open_fold(fold_case *c, const scene *s, size_t folds, size_t fold, bool plain, uint64_t seed)
{
    ssfer_error err = {0};
    c->data = scene_at(s, "set");
    c->options = (ssfer_labeled_options){
        .data = c->data.text, .fraction = 1.0, .holdout = 0.1, .folds = folds, .fold = fold, .plain_folds = plain};
    if (ssfer_labeled_open(&c->labeled, &c->options, seed, NULL, &err) != SSFER_OK)
        fail_msg("%s", err.message);
}

/* By fold and class, how many pictures judge; each picture does in one fold and is learned from in the others. */
static void count_folds(size_t counts[][CLASSES], const scene *s, size_t folds, bool plain, uint64_t seed)
{
    unsigned char judged[COUNTS_SUM] = {0};
    for (size_t f = 0; f < folds; f++) {
        fold_case c;
        unsigned char here[COUNTS_SUM] = {0};
        open_fold(&c, s, folds, f, plain, seed);
        const ssfer_labeled *l = &c.labeled;
        memset(counts[f], 0, sizeof counts[f]);
        assert_int_equal(l->train_count + l->valid_count, COUNTS_SUM);
        for (size_t i = 0; i < l->valid_count; i++) {
            counts[f][ssfer_dataset_label(l->train_set, l->valid[i])]++;
            judged[l->valid[i]]++;
            here[l->valid[i]] = 1;
        }
        for (size_t i = 0; i < l->train_count; i++)
            assert_int_equal(here[l->train[i]]++, 0);
        ssfer_labeled_close(&c.labeled);
    }
    for (size_t i = 0; i < COUNTS_SUM; i++)
        assert_int_equal(judged[i], 1);
}

static size_t size_of(const size_t counts[CLASSES])
{
    return counts[0] + counts[1] + counts[2];
}

static void test_stratified(void **state)
{
    make_set(*state);
    for (size_t folds = 2; folds <= 7; folds++) {
        size_t counts[7][CLASSES];
        count_folds(counts, *state, folds, false, 3);
        for (size_t f = 0; f < folds; f++)
            for (size_t k = 0; k < CLASSES; k++)
                assert_in_range(counts[f][k], COUNTS[k] / folds, (COUNTS[k] + folds - 1) / folds);
    }
}

/* Sizes are as equal as can be, the larger parts first; classes are not dealt out: in one of 20 seeds at least a part
 * lacks the smallest class altogether. */
static void test_plain(void **state)
{
    size_t without = 0, counts[7][CLASSES], other[7][CLASSES];
    make_set(*state);
    for (size_t folds = 2; folds <= 7; folds++) {
        count_folds(counts, *state, folds, true, 3);
        for (size_t f = 0; f < folds; f++)
            assert_int_equal(size_of(counts[f]), COUNTS_SUM / folds + (f < COUNTS_SUM % folds));
    }
    for (uint64_t seed = 0; seed < 20; seed++) {
        count_folds(counts, *state, 5, true, seed);
        for (size_t f = 0; f < 5; f++)
            without += counts[f][2] == 0;
    }
    assert_true(without > 0);
    count_folds(counts, *state, 5, true, 1);
    count_folds(other, *state, 5, true, 2);
    assert_memory_not_equal(counts, other, 5 * sizeof *counts);
    count_folds(other, *state, 5, true, 1);
    assert_memory_equal(counts, other, 5 * sizeof *counts);
}

/* More folds than pictures: the fold that would judge nothing says so. */
static void test_too_many(void **state)
{
    const scene *s = *state;
    static const char *const names[] = {"few/a/0.png", "few/a/1.png", "few/b/0.png"};
    const scene_path data = scene_at(s, "few");
    for (size_t i = 0; i < 3; i++)
        scene_text(s, names[i], "-");
    for (int plain = 0; plain < 2; plain++) {
        ssfer_labeled l;
        const ssfer_labeled_options o = {
            .data = data.text, .fraction = 1.0, .holdout = 0.1, .folds = 5, .fold = 4, .plain_folds = plain != 0};
        assert_fails(ssfer_labeled_open(&l, &o, 1, NULL, err), SSFER_ERR_ARGUMENT,
                     "fold 5 of 5 has no picture of the 3 labeled ones; use fewer --folds");
        ssfer_labeled_close(&l);
    }
}

/* Holds a part out and balances the rest: half of the pictures in one class, two in each of the others. */
static double open_and_balance(void *context, size_t count)
{
    const scene *s = context;
    const scene_path tar = scene_at(s, "set.tar");
    ssfer_tar_writer *writer;
    ssfer_labeled l;
    size_t *indices, balanced;
    assert_ok(ssfer_tar_writer_open(&writer, tar.text, err));
    for (size_t i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%zu/%zu.png", i % 2 ? 0 : i / (count / 4), i);
        assert_ok(ssfer_tar_writer_add(writer, name, "", 0, err));
    }
    for (size_t k = 4; k < 100; k++)
        for (size_t i = 0; i < 2; i++) {
            char name[64];
            snprintf(name, sizeof name, "%zu/%zu.png", k, i);
            assert_ok(ssfer_tar_writer_add(writer, name, "", 0, err));
        }
    assert_ok(ssfer_tar_writer_commit(writer, err));
    const ssfer_labeled_options options = {.data = tar.text, .fraction = 1.0, .holdout = 0.1};
    const double start_s = growth_now_s();
    assert_ok(ssfer_labeled_open(&l, &options, 1, NULL, err));
    assert_ok(ssfer_labeled_balance(&indices, &balanced, &l, err));
    const double taken_s = growth_now_s() - start_s;
    assert_int_equal(ssfer_dataset_class_count(l.train_set), 100);
    assert_int_equal(balanced % 100, 0);
    ssfer_free(indices);
    ssfer_labeled_close(&l);
    return taken_s;
}

static void test_scale(void **state)
{
    assert_grows_linearly(open_and_balance, *state, 16000, 5.0);
}

static int setup(void **state)
{
    static scene s;
    s = scene_create();
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    scene_destroy(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_stratified), TEST(test_plain), TEST(test_too_many), TEST(test_scale)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
