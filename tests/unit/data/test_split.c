/* Splits and statistics. */
#include "scene.h"

#include "data/split.h"
#include "data/stats.h"

#include <math.h>

enum { CLASSES = 4 };
static const size_t sizes[CLASSES] = {40, 7, 1, 25};

/* Only names count for splits: the "pictures" are empty, and a tar keeps them in one file. */
static ssfer_dataset *make_set(const scene *s, size_t extra)
{
    static const char *const classes[CLASSES] = {"anger", "fear", "neutral", "caf\xc3\xa9"};
    ssfer_tar_writer *writer;
    ssfer_dataset *set = NULL;
    assert_ok(ssfer_tar_writer_open(&writer, scene_at(s, "set.tar").text, err));
    for (size_t k = 0; k < CLASSES; k++)
        for (size_t i = 0; i < sizes[k] + extra; i++) {
            char name[64];
            snprintf(name, sizeof name, "%s/%03zu.png", classes[k], (i * 37) % 500);
            assert_ok(ssfer_tar_writer_add(writer, name, "x", 1, err));
        }
    assert_ok(ssfer_tar_writer_commit(writer, err));
    assert_ok(ssfer_dataset_open(&set, scene_at(s, "set.tar").text, NULL, err));
    return set;
}

static void test_class_count(void **state)
{
    (void)state;
    assert_int_equal(ssfer_split_class_count(0.1, 0), 0);
    assert_int_equal(ssfer_split_class_count(0.001, 5), 1);
    assert_int_equal(ssfer_split_class_count(0.5, 5), 2);   /* 2.5: to even */
    assert_int_equal(ssfer_split_class_count(0.5, 7), 4);   /* 3.5: to even */
    assert_int_equal(ssfer_split_class_count(0.25, 10), 2); /* 2.5 */
    assert_int_equal(ssfer_split_class_count(1.0, 9), 9);
    assert_int_equal(ssfer_split_class_count(5.0, 9), 9);
}

static bool contains(const size_t *list, size_t count, size_t value)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == value)
            return true;
    return false;
}

static void test_make(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_dataset *set = make_set(&s, 0);
    static const double fractions[] = {0.01, 0.05, 0.3, 0.5, 1.0};
    ssfer_split before = {0};
    for (size_t f = 0; f < sizeof fractions / sizeof *fractions; f++) {
        ssfer_split split, again, other;
        size_t wanted = 0, per_class[CLASSES] = {0};
        assert_ok(ssfer_split_make(&split, set, fractions[f], 7, err));
        for (size_t i = 0; i < split.labeled_count; i++) {
            per_class[ssfer_dataset_label(set, split.labeled[i])]++;
            assert_true(i == 0 || split.labeled[i] > split.labeled[i - 1]);
        }
        /* classes are sorted: anger, café, fear, neutral */
        static const size_t sorted[CLASSES] = {40, 25, 7, 1};
        for (size_t k = 0; k < CLASSES; k++) {
            wanted += per_class[k];
            assert_int_equal(per_class[k], ssfer_split_class_count(fractions[f], sorted[k]));
        }
        assert_int_equal(split.labeled_count, wanted);
        assert_int_equal(split.labeled_count + split.unlabeled_count, ssfer_dataset_count(set));
        for (size_t i = 0; i < split.unlabeled_count; i++)
            assert_false(contains(split.labeled, split.labeled_count, split.unlabeled[i]));
        for (size_t i = 0; i < before.labeled_count; i++) /* smaller fractions are part of larger ones */
            assert_true(contains(split.labeled, split.labeled_count, before.labeled[i]));
        assert_ok(ssfer_split_make(&again, set, fractions[f], 7, err));
        assert_memory_equal(again.labeled, split.labeled, split.labeled_count * sizeof *split.labeled);
        assert_ok(ssfer_split_make(&other, set, fractions[f], 8, err));
        if (f == 2)
            assert_memory_not_equal(other.labeled, split.labeled, split.labeled_count * sizeof *split.labeled);
        ssfer_split_deinit(&again);
        ssfer_split_deinit(&other);
        ssfer_split_deinit(&before);
        before = split;
    }
    ssfer_split_deinit(&before);
    ssfer_split none;
    static const double bad[] = {0.0, -0.1, 1.01, NAN};
    for (size_t i = 0; i < 4; i++)
        assert_fails(ssfer_split_make(&none, set, bad[i], 1, err), SSFER_ERR_ARGUMENT, "fraction");
    assert_fails(ssfer_split_make(&none, set, 0.5, (uint64_t)INT64_MAX + 1, err), SSFER_ERR_ARGUMENT,
                 "seed 9223372036854775808");
    ssfer_dataset_close(set);
    assert_ok(ssfer_dataset_open(&set, scene_at(&s, "set.tar").text, &(ssfer_dataset_options){.unlabeled = true}, err));
    assert_fails(ssfer_split_make(&none, set, 0.5, 1, err), SSFER_ERR_ARGUMENT, "needs labels");
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

/* Carrying a split to another set is saving and loading it. */
static void test_carry(const ssfer_dataset *from, const ssfer_split *split, const scene *s)
{
    ssfer_split carried, loaded;
    ssfer_dataset *part = NULL;
    scene_path p = scene_at(s, "carried.json");
    assert_ok(ssfer_split_save(split, from, p.text, err));
    assert_ok(ssfer_split_load(&loaded, from, p.text, err));
    assert_ok(ssfer_split_carry(&carried, from, split, from, p.text, err));
    assert_int_equal(carried.labeled_count, loaded.labeled_count);
    assert_memory_equal(carried.labeled, loaded.labeled, loaded.labeled_count * sizeof *loaded.labeled);
    assert_memory_equal(carried.unlabeled, loaded.unlabeled, loaded.unlabeled_count * sizeof *loaded.unlabeled);
    assert_true(carried.fraction == loaded.fraction && carried.seed == loaded.seed);
    ssfer_split_deinit(&carried);
    ssfer_split_deinit(&loaded);
    scene_picture(s, "part/a/other.png", 4, 4, 1);
    scene_picture(s, "part/b/other.png", 4, 4, 2);
    assert_ok(ssfer_dataset_open(&part, scene_at(s, "part").text, &(ssfer_dataset_options){0}, err));
    assert_fails(ssfer_split_carry(&carried, part, split, from, "labels.json", err), SSFER_ERR_FORMAT,
                 "labels.json: labels ");
    assert_int_equal(carried.labeled_count, 0);
    ssfer_dataset_close(part);
}

static void test_save_and_load(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_dataset *set = make_set(&s, 0);
    scene_path p = scene_at(&s, "labels.json");
    ssfer_split split, loaded;
    assert_ok(ssfer_split_make(&split, set, 0.3, INT64_MAX, err));
    assert_ok(ssfer_split_save(&split, set, p.text, err));
    assert_ok(ssfer_split_load(&loaded, set, p.text, err));
    assert_int_equal(loaded.labeled_count, split.labeled_count);
    assert_int_equal(loaded.unlabeled_count, split.unlabeled_count);
    assert_memory_equal(loaded.labeled, split.labeled, split.labeled_count * sizeof *split.labeled);
    assert_memory_equal(loaded.unlabeled, split.unlabeled, split.unlabeled_count * sizeof *split.unlabeled);
    assert_true(loaded.fraction == 0.3 && loaded.seed == INT64_MAX);
    ssfer_split_deinit(&loaded);
    /* Files that are added later are unlabeled; the labeled ones stay. */
    char kept[64][64];
    for (size_t i = 0; i < split.labeled_count; i++)
        snprintf(kept[i], sizeof kept[i], "%s", ssfer_dataset_path(set, split.labeled[i]));
    ssfer_dataset_close(set);
    set = make_set(&s, 5);
    assert_ok(ssfer_split_load(&loaded, set, p.text, err));
    assert_int_equal(loaded.labeled_count, split.labeled_count);
    assert_int_equal(loaded.unlabeled_count, split.unlabeled_count + CLASSES * 5);
    for (size_t i = 0; i < loaded.labeled_count; i++)
        assert_string_equal(ssfer_dataset_path(set, loaded.labeled[i]), kept[i]);
    test_carry(set, &loaded, &s);
    ssfer_split_deinit(&loaded);
    ssfer_split_deinit(&split);
    assert_fails(ssfer_split_save(&split, set, scene_at(&s, "no/labels.json").text, err), SSFER_ERR_IO, "labels.json");
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

static void test_bad_files(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_dataset *set = make_set(&s, 0);
    ssfer_split split;
#define HEAD "{\"format\":\"ssfer-split\",\"version\":1,\"fraction\":0.5,\"seed\":1,"
    static const struct {
        const char *text, *part;
        ssfer_status status;
    } bad[] = {
        {"", "labels.json", SSFER_ERR_FORMAT},
        {"{", "labels.json", SSFER_ERR_FORMAT},
        {"[1]", "ssfer split", SSFER_ERR_FORMAT},
        {"{\"format\":\"other\"}", "ssfer split", SSFER_ERR_FORMAT},
        {"{\"format\":\"ssfer-split\"}", "version", SSFER_ERR_FORMAT},
        {"{\"format\":\"ssfer-split\",\"version\":2}", "version 2", SSFER_ERR_UNSUPPORTED},
        {"{\"format\":\"ssfer-split\",\"version\":1,\"seed\":1,\"labeled\":[]}", "fraction", SSFER_ERR_FORMAT},
        {HEAD "\"labeled\":[]}", "no sample", SSFER_ERR_FORMAT},
        {HEAD "\"labeled\":{}}", "labeled", SSFER_ERR_FORMAT},
        {HEAD "\"labeled\":[1]}", "labels.json", SSFER_ERR_FORMAT},
        {HEAD "\"labeled\":[\"anger/000.png\",\"anger/none.png\"]}", "anger/none.png, which is not in",
         SSFER_ERR_FORMAT},
        {HEAD "\"labeled\":[\"anger/000.png\",\"anger/000.png\"]}", "twice", SSFER_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        scene_text(&s, "labels.json", bad[i].text);
        assert_fails(ssfer_split_load(&split, set, scene_at(&s, "labels.json").text, err), bad[i].status, bad[i].part);
        assert_null(split.labeled);
    }
    assert_fails(ssfer_split_load(&split, set, scene_at(&s, "absent.json").text, err), SSFER_ERR_IO, "absent.json");
    ssfer_dataset_close(set);
    /* Names that JSON cannot hold */
    static const char *const names[] = {"\xff.png", "\xc3.png", "\xed\xa0\x80.png", "\xc0\x80.png",
                                        "\xf4\x90\x80\x80.png"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ssfer_tar_writer *writer;
        char name[64];
        snprintf(name, sizeof name, "a/%s", names[i]);
        assert_ok(ssfer_tar_writer_open(&writer, scene_at(&s, "odd.tar").text, err));
        assert_ok(ssfer_tar_writer_add(writer, name, "x", 1, err));
        assert_ok(ssfer_tar_writer_add(writer, "b/x.png", "x", 1, err));
        assert_ok(ssfer_tar_writer_commit(writer, err));
        assert_ok(ssfer_dataset_open(&set, scene_at(&s, "odd.tar").text, NULL, err));
        assert_ok(ssfer_split_make(&split, set, 1.0, 1, err));
        assert_fails(ssfer_split_save(&split, set, scene_at(&s, "odd.json").text, err), SSFER_ERR_UNSUPPORTED, "UTF-8");
        assert_false(ssfer_file_exists(scene_at(&s, "odd.json").text));
        ssfer_split_deinit(&split);
        ssfer_dataset_close(set);
    }
    scene_destroy(&s);
}

static void test_allocations_fail(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_dataset *set = make_set(&s, 0);
    ssfer_split split;
    scene_path p = scene_at(&s, "labels.json");
    for (int load = 0; load < 2; load++)
        for (size_t n = 1;; n++) {
            ssfer_memory_fail_at(n);
            ssfer_status st =
                load ? ssfer_split_load(&split, set, p.text, NULL) : ssfer_split_make(&split, set, 0.5, 1, NULL);
            ssfer_memory_fail_at(0);
            if (st == SSFER_OK) {
                assert_true(n > 3);
                if (!load)
                    assert_ok(ssfer_split_save(&split, set, p.text, err));
                ssfer_split_deinit(&split);
                break;
            }
            assert_int_equal(st, SSFER_ERR_MEMORY);
            assert_null(split.labeled);
        }
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

/* Cut at any length it is refused, unless only the last line break is missing. */
static void test_cut_files(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_dataset *set = NULL;
    ssfer_split split, cut;
    for (size_t i = 0; i < 6; i++) {
        char name[32];
        snprintf(name, sizeof name, "set/%c/%zu.png", i % 2 ? 'a' : 'b', i);
        scene_text(&s, name, "x");
    }
    assert_ok(ssfer_dataset_open(&set, scene_at(&s, "set").text, NULL, err));
    assert_ok(ssfer_split_make(&split, set, 0.5, 3, err));
    const scene_path path = scene_at(&s, "labels.json");
    assert_ok(ssfer_split_save(&split, set, path.text, err));
    unsigned char *text;
    size_t size;
    assert_ok(ssfer_file_read(&text, &size, path.text, 1 << 20, err));
    assert_true(text[size - 1] == '\n' && text[size - 2] == '}');
    for (size_t n = 0; n < size; n++) {
        scene_file(&s, "labels.json", text, n);
        const ssfer_status st = ssfer_split_load(&cut, set, path.text, NULL);
        assert_int_equal(st, n == size - 1 ? SSFER_OK : SSFER_ERR_FORMAT);
        if (st == SSFER_OK) {
            assert_int_equal(cut.labeled_count, split.labeled_count);
            assert_memory_equal(cut.labeled, split.labeled, split.labeled_count * sizeof *split.labeled);
            ssfer_split_deinit(&cut);
        }
    }
    ssfer_free(text);
    ssfer_split_deinit(&split);
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

/* ---- statistics ---- */

static void test_stats(void **state)
{
    (void)state;
    scene s = scene_create();
    scene_log kept = {0};
    ssfer_log log = {scene_log_write, &kept, SSFER_LOG_WARNING};
    double sum[3] = {0}, squares[3] = {0}, pixels = 0;
    static const char *const names[] = {"set/a/1.png", "set/a/2.png", "set/b/1.png", "set/b/2.png"};
    static const size_t size[][2] = {{9, 4}, {6, 6}, {20, 30}, {7, 8}};
    for (size_t i = 0; i < 4; i++) {
        ssfer_image image = {0};
        scene_picture(&s, names[i], size[i][0], size[i][1], i);
        scene_image(&image, size[i][0], size[i][1], i);
        for (size_t k = 0; k < 3 * size[i][0] * size[i][1]; k++) {
            sum[k % 3] += image.data[k] / 255.0;
            squares[k % 3] += image.data[k] / 255.0 * (image.data[k] / 255.0);
        }
        pixels += (double)(size[i][0] * size[i][1]);
        ssfer_image_deinit(&image);
    }
    scene_text(&s, "set/b/bad.png", "not a picture");
    ssfer_dataset *set = NULL;
    assert_ok(ssfer_dataset_open(&set, scene_at(&s, "set").text, NULL, err));
    for (size_t threads = 1; threads <= 5; threads += 2) {
        ssfer_dataset_stats stats;
        kept.count = 0;
        assert_ok(ssfer_dataset_stats_compute(&stats, set, threads, &log, NULL, err));
        assert_int_equal(stats.count, 5);
        assert_int_equal(stats.unreadable, 1);
        assert_int_equal(kept.count, 1);
        assert_non_null(strstr(kept.last, "set/b/bad.png"));
        assert_int_equal(stats.class_count, 2);
        assert_int_equal(stats.class_counts[0], 2);
        assert_int_equal(stats.class_counts[1], 3);
        for (size_t c = 0; c < 3; c++) {
            double mean = sum[c] / pixels, std = sqrt(squares[c] / pixels - mean * mean);
            assert_true(fabs(stats.mean[c] - mean) < 1e-12 && fabs(stats.std[c] - std) < 1e-12);
        }
        /* 9x4 and 6x6 have as many pixels: the narrower one comes first */
        assert_true(stats.smallest[0] == 6 && stats.smallest[1] == 6);
        assert_true(stats.largest[0] == 20 && stats.largest[1] == 30);
        ssfer_dataset_stats_deinit(&stats);
    }
    ssfer_dataset_stats stats;
    assert_fails(ssfer_dataset_stats_compute(&stats, set, 0, NULL, NULL, err), SSFER_ERR_ARGUMENT, "threads");
    for (size_t n = 1; n <= 2; n++) {
        ssfer_memory_fail_at(n);
        assert_int_equal(ssfer_dataset_stats_compute(&stats, set, 1, NULL, NULL, NULL), SSFER_ERR_MEMORY);
        ssfer_memory_fail_at(0);
    }
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

static void test_stats_printed(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_image grey = {0};
    ssfer_dataset *set = NULL;
    ssfer_dataset_stats stats;
    char *text = NULL;
    size_t size = 0;
    assert_ok(ssfer_image_create(&grey, 4, 2, err));
    memset(grey.data, 51, 24); /* 0.2 */
    scene_folder(&s, "set/a");
    scene_folder(&s, "set/b\"");
    assert_ok(ssfer_image_save(&grey, scene_at(&s, "set/a/1.png").text, err));
    assert_ok(ssfer_image_save(&grey, scene_at(&s, "set/b\"/1.png").text, err));
    scene_path folder = scene_at(&s, "set");
    assert_ok(ssfer_dataset_open(&set, folder.text, NULL, err));
    assert_ok(ssfer_dataset_stats_compute(&stats, set, 2, NULL, NULL, err));
    FILE *f = open_memstream(&text, &size);
    ssfer_dataset_stats_print_json(&stats, set, f);
    ssfer_dataset_stats_print(&stats, set, f);
    fclose(f);
    char wanted[2048];
    snprintf(wanted, sizeof wanted,
             "{\"dataset\":\"%s\",\"split\":null,\"count\":2,\"unreadable\":0,"
             "\"classes\":{\"a\":1,\"b\\\"\":1},\"mean\":[0.2,0.2,0.2],\"std\":[0,0,0],"
             "\"smallest\":[4,2],\"largest\":[4,2]}\n"
             "%s: 2 pictures\n"
             "\n"
             "class  pictures    share\n"
             "a             1   50.0 %%\n"
             "b\"            1   50.0 %%\n"
             "\n"
             "mean        0.2000 0.2000 0.2000\n"
             "deviation   0.0000 0.0000 0.0000\n"
             "smallest    4x2\n"
             "largest     4x2\n"
             "unreadable  0\n",
             folder.text, folder.text);
    assert_string_equal(text, wanted);
    free(text);
    ssfer_dataset_stats_deinit(&stats);
    ssfer_dataset_close(set);
    ssfer_image_deinit(&grey);
    scene_destroy(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_class_count),
        cmocka_unit_test(test_make),
        cmocka_unit_test(test_save_and_load),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_allocations_fail),
        cmocka_unit_test(test_cut_files),
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_stats_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
