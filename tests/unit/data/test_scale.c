/* Large sets open in a time that grows with their size, whatever the number of splits, classes, folders and shards. */
#include "scene.h"
#include "unit/growth.h"

#include "data/by_class.h"
#include "data/split.h"

enum { ROWS = 300000, FOLDERS = 100, FILES = 1000 };

/* "d7/d42/p123.png" exists for all numbers below FOLDERS and FILES, in one real folder: d0, d1, ... are links to it. */
static void make_files(const scene *s)
{
    for (int i = 0; i < FILES; i++) {
        char name[32];
        snprintf(name, sizeof name, "files/p%d.png", i);
        scene_file(s, name, "x", 1);
    }
    for (int i = 0; i < FOLDERS; i++) {
        char name[32];
        snprintf(name, sizeof name, "files/d%d", i);
        assert_int_equal(symlink(".", scene_at(s, name).text), 0);
    }
}

typedef struct list_job {
    const scene *s;
    size_t splits, classes; /* splits 0: no such column */
} list_job;

/* Rows in the order of their paths, split after split: the last split is the one that a search would find last. */
static void write_list(const list_job *job, size_t rows)
{
    scene_path path = scene_at(job->s, "files/list.csv");
    FILE *f = fopen(path.text, "wb");
    assert_non_null(f);
    fprintf(f, "path,label%s\n", job->splits ? ",split" : "");
    for (size_t i = 0; i < rows; i++) {
        const size_t file = i % FILES, folder = i / FILES;
        fprintf(f, "d%zu/d%zu/p%zu.png,class-%zu", folder / FOLDERS, folder % FOLDERS, file, i % job->classes);
        if (job->splits)
            fprintf(f, ",split-%zu", i * job->splits / rows);
        fputc('\n', f);
    }
    fclose(f);
}

static double open_list(void *context, size_t rows)
{
    const list_job *job = context;
    ssfer_dataset *set = NULL;
    char split[32];
    snprintf(split, sizeof split, "split-%zu", job->splits - 1);
    write_list(job, rows);
    const double start_s = growth_now_s();
    assert_ok(ssfer_dataset_open(&set, scene_at(job->s, "files/list.csv").text,
                                 &(ssfer_dataset_options){.split = job->splits ? split : NULL}, err));
    const double taken_s = growth_now_s() - start_s;
    assert_int_equal(ssfer_dataset_class_count(set), job->classes);
    assert_int_equal(ssfer_dataset_count(set),
                     job->splits ? rows - ((job->splits - 1) * rows + job->splits - 1) / job->splits : rows);
    ssfer_dataset_close(set);
    return taken_s;
}

static void test_lists(void **state)
{
    (void)state;
    scene s = scene_create();
    make_files(&s);
    assert_grows_linearly(open_list, &(list_job){&s, 2, 7}, ROWS / 10, 5.0);
    assert_grows_linearly(open_list, &(list_job){&s, 64, 7}, ROWS / 3, 5.0);
    assert_grows_linearly(open_list, &(list_job){&s, 0, 7}, ROWS / 3, 5.0);
    assert_grows_linearly(open_list, &(list_job){&s, 2, SSFER_MAX_CLASSES}, ROWS / 3, 5.0);
    assert_grows_linearly(open_list, &(list_job){&s, 2, 7}, ROWS, 5.0);
    scene_destroy(&s);
}

/* `count` class folders that are links to one folder of pictures. */
static double open_folder(void *context, size_t count)
{
    const scene *s = context;
    ssfer_dataset *set = NULL;
    char name[64];
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "classes-%zu/c%zu", count, i);
        scene_make_parent(scene_at(s, name).text);
        if (symlink("../pictures", scene_at(s, name).text) != 0)
            break; /* made before */
    }
    snprintf(name, sizeof name, "classes-%zu", count);
    const double start_s = growth_now_s();
    assert_ok(ssfer_dataset_open(&set, scene_at(s, name).text, NULL, err));
    const double taken_s = growth_now_s() - start_s;
    assert_int_equal(ssfer_dataset_class_count(set), count);
    assert_int_equal(ssfer_dataset_count(set), 100 * count);
    ssfer_dataset_close(set);
    return taken_s;
}

static void test_folders(void **state)
{
    (void)state;
    scene s = scene_create();
    for (int i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "pictures/p%d.png", i);
        scene_file(&s, name, "x", 1);
    }
    assert_grows_linearly(open_folder, &s, 3000, 5.0);
    scene_destroy(&s);
}

/* A tar of `count` empty pictures, 15 of each class, over `shards` files. */
static void write_shards(const scene *s, size_t count, size_t shards)
{
    const size_t classes = count / 15;
    for (size_t shard = 0; shard < shards; shard++) {
        char name[64];
        ssfer_tar_writer *writer;
        snprintf(name, sizeof name, "shard-%zu.tar", shard);
        assert_ok(ssfer_tar_writer_open(&writer, scene_at(s, name).text, err));
        for (size_t i = shard; i < count; i += shards) {
            snprintf(name, sizeof name, "class-%zu/%zu.png", i % classes, i);
            assert_ok(ssfer_tar_writer_add(writer, name, "", 0, err));
        }
        assert_ok(ssfer_tar_writer_commit(writer, err));
    }
}

static double open_shards(void *context, size_t count)
{
    const scene *s = context;
    ssfer_dataset *set = NULL;
    write_shards(s, count, 16);
    const double start_s = growth_now_s();
    assert_ok(ssfer_dataset_open(&set, scene_at(s, "shard-{0..15}.tar").text, NULL, err));
    const double taken_s = growth_now_s() - start_s;
    assert_int_equal(ssfer_dataset_count(set), count);
    ssfer_dataset_close(set);
    return taken_s;
}

/* Chooses half of the samples as labeled, keeps them, and finds them again by path. */
static double split_and_load(void *context, size_t count)
{
    const scene *s = context;
    ssfer_dataset *set = NULL;
    ssfer_split made, loaded;
    scene_path file = scene_at(s, "labels.json");
    write_shards(s, count, 1);
    assert_ok(ssfer_dataset_open(&set, scene_at(s, "shard-0.tar").text, NULL, err));
    const double start_s = growth_now_s();
    assert_ok(ssfer_split_make(&made, set, 0.5, 3, err));
    assert_ok(ssfer_split_save(&made, set, file.text, err));
    assert_ok(ssfer_split_load(&loaded, set, file.text, err));
    const double taken_s = growth_now_s() - start_s;
    assert_int_equal(loaded.labeled_count, made.labeled_count);
    assert_memory_equal(loaded.labeled, made.labeled, made.labeled_count * sizeof *made.labeled);
    ssfer_split_deinit(&made);
    ssfer_split_deinit(&loaded);
    ssfer_dataset_close(set);
    return taken_s;
}

static void test_tars(void **state)
{
    (void)state;
    scene s = scene_create();
    assert_grows_linearly(open_shards, &s, 60000, 5.0);
    scene_destroy(&s);
}

static void test_splits(void **state)
{
    (void)state;
    scene s = scene_create();
    assert_grows_linearly(split_and_load, &s, 60000, 5.0);
    scene_destroy(&s);
}

/* The counting that splits, hold-outs and balancing stand on, against a plain search. */
static void test_by_class(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_dataset *set = NULL;
    ssfer_by_class all, part;
    scene_text(&s, "list.csv", "a.png,x\nb.png,y\nc.png,x\nd.png,z\ne.png,y\n");
    for (const char *name = "abcde"; *name; name++)
        scene_text(&s, (char[]){*name, '.', 'p', 'n', 'g', 0}, "x");
    assert_ok(ssfer_dataset_open(&set, scene_at(&s, "list.csv").text, NULL, err));
    assert_ok(ssfer_by_class_init(&all, set, NULL, 0, err));
    assert_memory_equal(all.positions, ((const size_t[]){0, 2, 1, 4, 3}), 5 * sizeof(size_t));
    assert_memory_equal(all.starts, ((const size_t[]){0, 2, 4, 5}), 4 * sizeof(size_t));
    /* Positions in the list, not samples; class x has none. */
    assert_ok(ssfer_by_class_init(&part, set, (const size_t[]){4, 3, 1}, 3, err));
    assert_memory_equal(part.positions, ((const size_t[]){0, 2, 1}), 3 * sizeof(size_t));
    assert_memory_equal(part.starts, ((const size_t[]){0, 0, 2, 3}), 4 * sizeof(size_t));
    assert_int_equal(ssfer_by_class_size(&part, 1), 2);
    ssfer_by_class_deinit(&all);
    ssfer_by_class_deinit(&part);
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_class), cmocka_unit_test(test_lists),  cmocka_unit_test(test_folders),
        cmocka_unit_test(test_tars),     cmocka_unit_test(test_splits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
