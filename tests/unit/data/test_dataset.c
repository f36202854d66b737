/* Folders, tars and lists give the same samples; everything that is wrong with them gives one clear line. */
#include "scene.h"

static ssfer_dataset *open_set(const scene *s, const char *name, const ssfer_dataset_options *options)
{
    ssfer_dataset *set = NULL;
    assert_ok(ssfer_dataset_open(&set, scene_at(s, name).text, options, err));
    return set;
}

#define assert_refused(scene, name, options, status, part)                                                             \
    do {                                                                                                               \
        ssfer_dataset *refused;                                                                                        \
        assert_fails(ssfer_dataset_open(&refused, scene_at(scene, name).text, options, err), status, part);            \
        assert_null(refused);                                                                                          \
    } while (0)

/* data/{train,valid}/{anger,anger-2,fear}/..., with files in it that are no samples. */
static void make_splits(const scene *s)
{
    static const char *const names[] = {
        "data/train/anger/b.png",      "data/train/anger/a.JPG",
        "data/train/anger/sub/c.webp", "data/train/anger-2/d.jpeg",
        "data/train/fear/z.png",       "data/valid/anger/v.png",
        "data/valid/fear/w.png",       "data/valid/anger-2/caf\xc3\xa9.png",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        scene_picture(s, names[i], 6 + i, 5, i);
    scene_text(s, "data/README.txt", "not a picture");
    scene_text(s, "data/train/anger/notes.txt", "not a picture");
    scene_text(s, "data/train/anger/.hidden.png", "hidden");
    scene_text(s, "data/.git/anger/x.png", "hidden");
}

static void test_folder(void **state)
{
    (void)state;
    scene s = scene_create();
    make_splits(&s);
    ssfer_dataset *set = open_set(&s, "data", &(ssfer_dataset_options){.split = "train"});
    /* "/" sorts before every other character, so a class's pictures stand together, in the order of class names. */
    static const char *const paths[] = {"anger/a.JPG", "anger/b.png", "anger/sub/c.webp", "anger-2/d.jpeg",
                                        "fear/z.png"};
    static const int labels[] = {0, 0, 0, 1, 2};
    assert_int_equal(ssfer_dataset_count(set), 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(ssfer_dataset_path(set, i), paths[i]);
        assert_int_equal(ssfer_dataset_label(set, i), labels[i]);
        assert_int_equal(ssfer_dataset_find(set, paths[i]), i);
    }
    assert_true(ssfer_dataset_find(set, "anger/none.png") == SIZE_MAX);
    assert_int_equal(ssfer_dataset_class_count(set), 3);
    assert_string_equal(ssfer_dataset_class_name(set, 1), "anger-2");
    assert_string_equal(ssfer_dataset_class_names(set)[2], "fear");
    assert_string_equal(ssfer_dataset_split(set), "train");
    assert_string_equal(ssfer_dataset_source(set), scene_at(&s, "data").text);
    char location[256];
    ssfer_dataset_location(set, 2, location, sizeof location);
    assert_string_equal(location, scene_at(&s, "data/train/anger/sub/c.webp").text);
    ssfer_dataset_close(set);
    ssfer_dataset_close(NULL);
    scene_destroy(&s);
}

static void assert_same(const ssfer_dataset *a, const ssfer_dataset *b)
{
    assert_int_equal(ssfer_dataset_count(a), ssfer_dataset_count(b));
    assert_int_equal(ssfer_dataset_class_count(a), ssfer_dataset_class_count(b));
    for (size_t k = 0; k < ssfer_dataset_class_count(a); k++)
        assert_string_equal(ssfer_dataset_class_name(a, k), ssfer_dataset_class_name(b, k));
    for (size_t i = 0; i < ssfer_dataset_count(a); i++) {
        ssfer_image x = {0}, y = {0};
        assert_string_equal(ssfer_dataset_path(a, i), ssfer_dataset_path(b, i));
        assert_int_equal(ssfer_dataset_label(a, i), ssfer_dataset_label(b, i));
        assert_ok(ssfer_dataset_image(a, i, &x, err));
        assert_ok(ssfer_dataset_image(b, i, &y, err));
        assert_int_equal(x.width, y.width);
        assert_int_equal(x.height, y.height);
        assert_memory_equal(x.data, y.data, 3 * x.width * x.height);
        ssfer_image_deinit(&x);
        ssfer_image_deinit(&y);
    }
}

/* A list of a split, out of order, quoted, with a header or not. */
static void make_list(const scene *s, const ssfer_dataset *set, const char *name, bool header)
{
    char text[4096] = "";
    size_t at = 0;
    if (header)
        at += (size_t)sprintf(text, "label,note,path\r\n");
    for (size_t i = ssfer_dataset_count(set); i-- > 0;) {
        const char *class_name = ssfer_dataset_class_name(set, (size_t)ssfer_dataset_label(set, i));
        at += (size_t)(header ? sprintf(text + at, "%s,\"x, \"\"y\"\"\",\"%s\"\r\n", class_name,
                                        ssfer_dataset_path(set, i))
                              : sprintf(text + at, "%s,%s\n", ssfer_dataset_path(set, i), class_name));
    }
    scene_text(s, name, text);
}

static void test_all_containers_agree(void **state)
{
    (void)state;
    scene s = scene_create();
    make_splits(&s);
    scene_pack(&s, "data", "plain.tar", "");
    scene_pack(&s, "data", "top.tar", "top/"); /* packed with the folder around it */
    scene_pack(&s, "data/train", "shard-0.tar", "train/");
    scene_pack(&s, "data/valid", "shard-1.tar", "valid/");
    for (int k = 0; k < 2; k++) {
        ssfer_dataset_options options = {.split = k ? "valid" : "train"};
        ssfer_dataset *folder = open_set(&s, "data", &options);
        static const char *const others[] = {"plain.tar", "top.tar", "shard-{0..1}.tar", "shard-?.tar"};
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
            ssfer_dataset *other = open_set(&s, others[i], &options);
            assert_same(folder, other);
            ssfer_dataset_close(other);
        }
        ssfer_dataset *inside = open_set(&s, k ? "plain.tar/valid" : "plain.tar/train", NULL);
        assert_same(folder, inside);
        ssfer_dataset_close(inside);
        for (int header = 0; header < 2; header++) {
            scene_path list = scene_at(&s, k ? "data/valid/list.csv" : "data/train/list.csv");
            make_list(&s, folder, list.text + strlen(s.folder) + 1, header);
            ssfer_dataset *csv = NULL;
            assert_ok(ssfer_dataset_open(&csv, list.text, NULL, err));
            assert_same(folder, csv);
            ssfer_dataset_close(csv);
        }
        ssfer_dataset_close(folder);
    }
    scene_destroy(&s);
}

static void test_split_level(void **state)
{
    (void)state;
    scene s = scene_create();
    make_splits(&s);
    assert_refused(&s, "data", NULL, SSFER_ERR_ARGUMENT, "choose one with --split: train, valid");
    assert_refused(&s, "data", &(ssfer_dataset_options){.split = "test"}, SSFER_ERR_ARGUMENT,
                   "no split test; there are train, valid");
    /* No split level: leave --split out. */
    assert_refused(&s, "data/train", &(ssfer_dataset_options){.split = "test"}, SSFER_ERR_ARGUMENT,
                   "its folders are anger, anger-2, fear; leave --split out");
    ssfer_dataset *direct = open_set(&s, "data/train", NULL);
    assert_int_equal(ssfer_dataset_count(direct), 5);
    assert_null(ssfer_dataset_split(direct));
    /* The only split there is need not be named. */
    scene_pack(&s, "data/train", "only.tar", "train/");
    ssfer_dataset *only = open_set(&s, "only.tar", NULL);
    assert_same(direct, only);
    assert_string_equal(ssfer_dataset_split(only), "train");
    ssfer_dataset_close(direct);
    ssfer_dataset_close(only);
    scene_destroy(&s);
}

static void test_unlabeled(void **state)
{
    (void)state;
    scene s = scene_create();
    make_splits(&s);
    scene_picture(&s, "data/top.png", 4, 4, 9);
    ssfer_dataset *all = open_set(&s, "data", &(ssfer_dataset_options){.unlabeled = true});
    assert_int_equal(ssfer_dataset_count(all), 9);
    assert_string_equal(ssfer_dataset_path(all, 0), "top.png");
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(ssfer_dataset_label(all, i), SSFER_LABEL_NONE);
    assert_int_equal(ssfer_dataset_class_count(all), 0);
    ssfer_dataset_close(all);
    ssfer_dataset *part = open_set(&s, "data", &(ssfer_dataset_options){.unlabeled = true, .split = "valid"});
    assert_int_equal(ssfer_dataset_count(part), 3);
    ssfer_dataset_close(part);
    /* A single picture, and several sources whose paths may coincide. */
    ssfer_dataset *one = open_set(&s, "data/top.png", &(ssfer_dataset_options){.unlabeled = true});
    assert_int_equal(ssfer_dataset_count(one), 1);
    assert_string_equal(ssfer_dataset_path(one, 0), "top.png");
    ssfer_image image = {0};
    assert_ok(ssfer_dataset_image(one, 0, &image, err));
    ssfer_image_deinit(&image);
    ssfer_dataset_close(one);
    scene_path a = scene_at(&s, "data/train"), b = scene_at(&s, "data/valid"), c = scene_at(&s, "data/top.png");
    const char *paths[] = {a.text, b.text, c.text, a.text};
    ssfer_dataset *several = NULL;
    assert_ok(ssfer_dataset_open_paths(&several, paths, 4, &(ssfer_dataset_options){.unlabeled = true}, err));
    assert_int_equal(ssfer_dataset_count(several), 5 + 3 + 1 + 5);
    ssfer_dataset_close(several);
    assert_refused(&s, "data/top.png", NULL, SSFER_ERR_ARGUMENT, "no label");
    scene_destroy(&s);
}

static void test_source_without_the_split(void **state)
{
    (void)state;
    scene s = scene_create();
    scene_log kept = {0};
    ssfer_log log = {scene_log_write, &kept, SSFER_LOG_WARNING};
    make_splits(&s);
    scene_picture(&s, "more/faces/x.png", 4, 4, 1);
    char source[600];
    ssfer_dataset *set;
    snprintf(source, sizeof source, "%s/data,%s/more", s.folder, s.folder);
    assert_ok(ssfer_dataset_open(&set, source,
                                 &(ssfer_dataset_options){.unlabeled = true, .split = "train", .log = &log}, err));
    assert_int_equal(ssfer_dataset_count(set), 5);
    assert_int_equal(kept.count, 1);
    assert_non_null(strstr(kept.last, "more"));
    ssfer_dataset_close(set);
    /* A part of one source beside the whole of another. */
    snprintf(source, sizeof source, "%s/data/train,%s/more", s.folder, s.folder);
    assert_ok(ssfer_dataset_open(&set, source, &(ssfer_dataset_options){.unlabeled = true}, err));
    assert_int_equal(ssfer_dataset_count(set), 6);
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

static void test_numbers_as_names(void **state)
{
    (void)state;
    scene s = scene_create();
    static const char *const names[] = {"n/10/a.png", "n/2/a.png", "n/1/a.png"};
    for (size_t i = 0; i < 3; i++)
        scene_picture(&s, names[i], 4, 4, i);
    ssfer_dataset *set = open_set(&s, "n", NULL); /* as torchvision: sorted as text */
    assert_string_equal(ssfer_dataset_class_name(set, 0), "1");
    assert_string_equal(ssfer_dataset_class_name(set, 1), "10");
    assert_string_equal(ssfer_dataset_class_name(set, 2), "2");
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

static void assert_mapped(const scene *s, const char *name, const char *folder_classes, const char *const *classes,
                          size_t count, const int *labels)
{
    ssfer_dataset *set = open_set(
        s, name, &(ssfer_dataset_options){.classes = classes, .class_count = count, .folder_classes = folder_classes});
    assert_int_equal(ssfer_dataset_class_count(set), count);
    for (size_t i = 0; i < ssfer_dataset_count(set); i++)
        assert_int_equal(ssfer_dataset_label(set, i), labels[i]);
    for (size_t k = 0; k < count; k++)
        assert_string_equal(ssfer_dataset_class_name(set, k), classes[k]);
    ssfer_dataset_close(set);
}

static void assert_labels(const scene *s, const char *name, const char *const *classes, size_t count, const int *labels)
{
    assert_mapped(s, name, NULL, classes, count, labels);
}

static void assert_numbered(const scene *s, const char *name, const char *const *classes, size_t count,
                            const int *labels)
{
    assert_mapped(s, name, "model", classes, count, labels);
}

static void test_classes_of_a_model(void **state)
{
    (void)state;
    scene s = scene_create();
    static const char *const four[] = {"neutral", "fear", "anger", "happiness"};
    scene_picture(&s, "names/anger/a.png", 4, 4, 1);
    scene_picture(&s, "names/Fear/a.png", 4, 4, 2);
    assert_labels(&s, "names", four, 4, (const int[]){1, 2}); /* "Fear" sorts before "anger" */
    ssfer_dataset_options two = {.classes = four, .class_count = 2};
    assert_refused(&s, "names", &two, SSFER_ERR_ARGUMENT, "class anger is unknown to the model; it has neutral, fear");
    /* One class is enough to test a model on. */
    scene_picture(&s, "one/anger/a.png", 4, 4, 1);
    assert_labels(&s, "one", four, 4, (const int[]){2});
    assert_refused(&s, "one", NULL, SSFER_ERR_FORMAT, "only one class (anger)");
    /* A model's file could not hold such a name; where the model's classes are given, it is one they do not have. */
    scene_picture(&s, "bytes/anger/a.png", 4, 4, 1);
    scene_picture(&s, "bytes/f\xff/a.png", 4, 4, 1);
    assert_refused(&s, "bytes", NULL, SSFER_ERR_FORMAT, "the name of class f? is not UTF-8; rename it");
    ssfer_dataset_options given = {.classes = four, .class_count = 4};
    assert_refused(&s, "bytes", &given, SSFER_ERR_ARGUMENT, "class f? is unknown");
    /* Numbers say nothing of these four (test_class_map.c has more), unless they are said to be in the model's order:
     * from 0, and from 1. */
    ssfer_dataset_options options = {.classes = four, .class_count = 4};
    scene_picture(&s, "zero/0/a.png", 4, 4, 1);
    scene_picture(&s, "zero/2/a.png", 4, 4, 1);
    assert_refused(&s, "zero", &options, SSFER_ERR_ARGUMENT,
                   "zero: its classes are numbers (0, 2), and no known data set has these for the model's classes "
                   "(neutral, fear, anger, happiness); say with --folder-classes what they are");
    assert_numbered(&s, "zero", four, 4, (const int[]){0, 2});
    scene_picture(&s, "unit/2/a.png", 4, 4, 1);
    scene_picture(&s, "unit/4/a.png", 4, 4, 1);
    assert_numbered(&s, "unit", four, 4, (const int[]){1, 3});
    options.folder_classes = "model";
    scene_picture(&s, "between/2/a.png", 4, 4, 1);
    scene_picture(&s, "between/3/a.png", 4, 4, 1);
    assert_refused(&s, "between", &options, SSFER_ERR_ARGUMENT, "2 to 3 do not tell which of the model's 4 classes");
    scene_picture(&s, "beyond/0/a.png", 4, 4, 1);
    scene_picture(&s, "beyond/4/a.png", 4, 4, 1);
    assert_refused(&s, "beyond", &options, SSFER_ERR_ARGUMENT, "0 to 4 do not tell which of the model's 4 classes");
    scene_text(&s, "list.csv", "zero/2/a.png,2\nzero/0/a.png,0\n");
    assert_numbered(&s, "list.csv", four, 4, (const int[]){0, 2});
    scene_text(&s, "list.csv", "zero/2/a.png,anger\nzero/0/a.png,Happiness\n");
    assert_labels(&s, "list.csv", four, 4, (const int[]){3, 2});
    scene_destroy(&s);
}

static void test_bad_folders(void **state)
{
    (void)state;
    scene s = scene_create();
    scene_picture(&s, "gap/anger/a.png", 4, 4, 1);
    scene_picture(&s, "gap/fear/a.png", 4, 4, 1);
    scene_folder(&s, "gap/disgust");
    assert_refused(&s, "gap", NULL, SSFER_ERR_FORMAT, "class folder disgust holds no pictures");
    scene_folder(&s, "nothing");
    assert_refused(&s, "nothing", NULL, SSFER_ERR_FORMAT, "no pictures");
    scene_text(&s, "nothing/x/readme.txt", "x");
    assert_refused(&s, "nothing", NULL, SSFER_ERR_FORMAT, "no pictures");
    assert_refused(&s, "nothing", &(ssfer_dataset_options){.unlabeled = true}, SSFER_ERR_FORMAT, "no pictures");
    scene_picture(&s, "flat/a.png", 4, 4, 1);
    assert_refused(&s, "flat", NULL, SSFER_ERR_FORMAT, "without class folders");
    assert_refused(&s, "absent", NULL, SSFER_ERR_IO, "absent: No such file");
    assert_refused(&s, "flat/a.png/b", NULL, SSFER_ERR_FORMAT, "a.png"); /* not a tar */
    scene_pack(&s, "gap", "gap.tar", "");
    assert_refused(&s, "gap.tar/train", NULL, SSFER_ERR_IO, "no folder train");
    assert_int_equal(symlink("..", scene_at(&s, "gap/anger/loop").text), 0);
    assert_refused(&s, "gap", NULL, SSFER_ERR_LIMIT, "link to a parent");
    assert_int_equal(mkfifo(scene_at(&s, "pipe").text, 0600), 0);
    assert_refused(&s, "pipe", NULL, SSFER_ERR_IO, "neither a file nor a folder");
    /* Two shards with a path in common */
    char source[600];
    ssfer_dataset *set;
    snprintf(source, sizeof source, "%s/gap.tar,%s/gap.tar", s.folder, s.folder);
    assert_fails(ssfer_dataset_open(&set, source, NULL, err), SSFER_ERR_FORMAT, "anger/a.png is both in");
    assert_fails(ssfer_dataset_open(&set, "", NULL, err), SSFER_ERR_ARGUMENT, "names no file");
    scene_destroy(&s);
}

static void test_too_many_classes(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_tar_writer *writer;
    assert_ok(ssfer_tar_writer_open(&writer, scene_at(&s, "a.tar").text, err));
    for (int i = 0; i <= SSFER_MAX_CLASSES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d/x.png", i);
        assert_ok(ssfer_tar_writer_add(writer, name, "x", 1, err));
    }
    assert_ok(ssfer_tar_writer_commit(writer, err));
    assert_refused(&s, "a.tar", NULL, SSFER_ERR_LIMIT, "unlabeled");
    scene_destroy(&s);
}

static void test_lists(void **state)
{
    (void)state;
    scene s = scene_create();
    scene_picture(&s, "a.png", 4, 4, 1);
    scene_picture(&s, "b.png", 4, 4, 2);
    scene_picture(&s, "c, d.png", 4, 4, 3);
    static const struct {
        const char *text, *part;
        ssfer_status status;
    } bad[] = {
        {"a.png,x\nb.png\n", "list.csv:2: 1 fields", SSFER_ERR_FORMAT},
        {"a.png,x\n\nnone.png,y\n", "list.csv:3: there is no file none.png", SSFER_ERR_IO},
        {"a.png,x\n,y\n", "list.csv:2: the path is empty", SSFER_ERR_FORMAT},
        {"a.png,x\nb.png,\n", "list.csv:2: b.png has no label", SSFER_ERR_FORMAT},
        {"a.png,x\nb.png,y\na.png,y\n", "list.csv:3: a.png is listed before, in", SSFER_ERR_FORMAT},
        {"a.png,x\n\"b.png,y\n", "list.csv:2", SSFER_ERR_FORMAT},
        {"a.png,x,1\n", "list.csv:1: 3 fields", SSFER_ERR_FORMAT},
        {"a.png\nb.png\n", "no label column", SSFER_ERR_FORMAT},
        {"a.png,x\nb.png,x\n", "only one class (x)", SSFER_ERR_FORMAT},
        {"path,label\n", "no pictures", SSFER_ERR_FORMAT},
        {"", "no pictures", SSFER_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        scene_text(&s, "list.csv", bad[i].text);
        assert_refused(&s, "list.csv", NULL, bad[i].status, bad[i].part);
    }
    scene_text(&s, "list.csv", "Split,File,Label\ntrain,a.png,x\nvalid,b.png,x\ntrain,\"c, d.png\",y\n");
    assert_refused(&s, "list.csv", NULL, SSFER_ERR_ARGUMENT, "choose one with --split: train, valid");
    assert_refused(&s, "list.csv", &(ssfer_dataset_options){.split = "x"}, SSFER_ERR_ARGUMENT,
                   "there are train, valid");
    ssfer_dataset *set = open_set(&s, "list.csv", &(ssfer_dataset_options){.split = "train"});
    assert_int_equal(ssfer_dataset_count(set), 2);
    assert_string_equal(ssfer_dataset_path(set, 1), "c, d.png");
    assert_string_equal(ssfer_dataset_split(set), "train");
    ssfer_dataset_close(set);
    scene_text(&s, "plain.csv", "a.png\nb.png\n");
    set = open_set(&s, "plain.csv", &(ssfer_dataset_options){.unlabeled = true});
    assert_int_equal(ssfer_dataset_count(set), 2);
    ssfer_dataset_close(set);
    char text[600];
    snprintf(text, sizeof text, "b.png,y\n%s/a.png,x\n", s.folder[0] == '/' ? s.folder : ".");
    scene_text(&s, "list.csv", text); /* absolute paths */
    set = open_set(&s, "list.csv", NULL);
    ssfer_image image = {0};
    for (size_t i = 0; i < 2; i++) {
        assert_ok(ssfer_dataset_image(set, i, &image, err));
        ssfer_image_deinit(&image);
    }
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

static void test_links_and_unreadable(void **state)
{
    (void)state;
    scene s = scene_create();
    scene_picture(&s, "store/1.png", 4, 4, 1);
    scene_folder(&s, "data/anger");
    scene_folder(&s, "data/fear");
    assert_int_equal(symlink("../../store/1.png", scene_at(&s, "data/anger/a.png").text), 0);
    assert_int_equal(symlink("../../store/2.png", scene_at(&s, "data/anger/dangling.png").text), 0);
    assert_int_equal(symlink("../store", scene_at(&s, "data/linked").text), 0);
    scene_text(&s, "data/fear/b.png", "no picture at all");
    ssfer_dataset *set = open_set(&s, "data", NULL);
    assert_int_equal(ssfer_dataset_count(set), 4);
    assert_string_equal(ssfer_dataset_path(set, 3), "linked/1.png");
    ssfer_image image = {0};
    assert_ok(ssfer_dataset_image(set, 0, &image, err));
    ssfer_image_deinit(&image);
    assert_fails(ssfer_dataset_image(set, 1, &image, err), SSFER_ERR_IO, "data/anger/dangling.png");
    assert_fails(ssfer_dataset_image(set, 2, &image, err), SSFER_ERR_FORMAT, "data/fear/b.png");
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

static void test_allocations_fail(void **state)
{
    (void)state;
    scene s = scene_create();
    make_splits(&s);
    scene_pack(&s, "data", "data.tar", "");
    scene_text(&s, "data/list.csv", "train/anger/b.png,x\nvalid/fear/w.png,y\n");
    static const char *const four[] = {"fear", "anger", "anger-2", "x", "y"};
    static const char *const names[] = {"data", "data.tar", "data/list.csv"};
    for (size_t k = 0; k < 3; k++)
        for (size_t n = 1;; n++) {
            ssfer_dataset *set;
            ssfer_dataset_options options = {.split = k < 2 ? "train" : NULL, .classes = four, .class_count = 5};
            scene_path p = scene_at(&s, names[k]);
            ssfer_memory_fail_at(n);
            ssfer_status st = ssfer_dataset_open(&set, p.text, &options, NULL);
            ssfer_memory_fail_at(0);
            if (st == SSFER_OK) {
                assert_true(n > 10);
                ssfer_dataset_close(set);
                break;
            }
            assert_int_equal(st, SSFER_ERR_MEMORY);
            assert_null(set);
        }
    scene_destroy(&s);
}

enum { INPUTS = 10 };

/* Inputs of all kinds, good and bad; `paths` hold their names. */
static void make_inputs(const scene *s, scene_path at[INPUTS], const char *paths[INPUTS])
{
    static const char *const names[INPUTS] = {"set/z.png", "missing.png", "set/",      "x.bmp", "nameless",
                                              "set.tar",   "broken.tar",  "set/a.csv", "empty", "set/z.png/x"};
    scene_picture(s, "set/z.png", 5, 4, 1);
    scene_picture(s, "set/b/0.png", 6, 4, 2);
    scene_picture(s, "set/a/1.png", 7, 4, 3);
    scene_pack(s, "set", "set.tar", "");
    scene_text(s, "set/b/notes\x1b.txt", "no picture");
    scene_text(s, "set/a.csv", "z.png\ngone.png\na/1.png\n");
    scene_text(s, "x.bmp", "BM no picture");
    scene_text(s, "broken.tar", "no tar");
    scene_picture(s, "n.png", 8, 4, 4);
    assert_int_equal(rename(scene_at(s, "n.png").text, scene_at(s, "nameless").text), 0);
    scene_folder(s, "empty");
    for (size_t i = 0; i < INPUTS; i++) {
        at[i] = scene_at(s, names[i]);
        paths[i] = at[i].text;
    }
}

/* In the order in which they are given; what cannot be read does not stop the others. */
static void test_inputs(void **state)
{
    (void)state;
    static const struct {
        const char *location;
        size_t width;        /* 0: it cannot be read */
        const char *message; /* and what is said of it */
        bool failed;         /* known without reading it */
    } wanted[] = {
        {"set/z.png", 5, NULL, false},
        {"missing.png", 0, "/missing.png: No such file or directory", true},
        {"set/a/1.png", 7, NULL, false},
        {"set/b/0.png", 6, NULL, false},
        {"set/z.png", 5, NULL, false},
        {"x.bmp", 0, "/x.bmp: not a JPEG, PNG or WebP picture but a BMP file; convert it", false},
        {"nameless", 8, NULL, false},
        {"set.tar/a/1.png", 7, NULL, false},
        {"set.tar/b/0.png", 6, NULL, false},
        {"set.tar/z.png", 5, NULL, false},
        {"broken.tar", 0, "/broken.tar: not a tar file", true},
        {"set/z.png", 5, NULL, false},
        {"set/gone.png", 0, "/set/gone.png: No such file or directory", false},
        {"set/a/1.png", 7, NULL, false},
        {"empty", 0, "/empty: no pictures (png, jpg, jpeg, webp) in it; other files: 0", true},
        {"set/z.png/x", 0, "/set/z.png", true},
    };
    scene s = scene_create();
    scene_path at[INPUTS];
    const char *paths[INPUTS], *names;
    char location[SSFER_LOCATION_MAX];
    ssfer_dataset *set;
    const ssfer_dataset_options options = {.unlabeled = true, .inputs = true};
    make_inputs(&s, at, paths);
    assert_ok(ssfer_dataset_open_paths(&set, paths, INPUTS, &options, err));
    assert_int_equal(ssfer_dataset_count(set), sizeof wanted / sizeof *wanted);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        ssfer_image image = {0};
        ssfer_dataset_location(set, i, location, sizeof location);
        assert_string_equal(location, scene_at(&s, wanted[i].location).text);
        assert_int_equal(ssfer_dataset_has_failed(set, i), wanted[i].failed);
        if (wanted[i].width) {
            assert_ok(ssfer_dataset_image(set, i, &image, err));
            assert_int_equal(image.width, wanted[i].width);
        } else {
            ssfer_error why = {0};
            assert_true(ssfer_dataset_image(set, i, &image, &why) != SSFER_OK);
            assert_non_null(strstr(why.message, wanted[i].message));
        }
        ssfer_image_deinit(&image);
    }
    assert_int_equal(ssfer_dataset_left_out(set, &names), 2);
    snprintf(location, sizeof location, "%s/set/a.csv, %s/set/b/notes?.txt", s.folder, s.folder);
    assert_string_equal(names, location);
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

/* All of them failed: samples, too. And without `inputs` the first failure is the end. */
static void test_inputs_that_fail(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_dataset *set;
    scene_path at[] = {scene_at(&s, "missing"), scene_at(&s, "nothing")};
    const char *const paths[] = {at[0].text, at[1].text};
    assert_ok(
        ssfer_dataset_open_paths(&set, paths, 2, &(ssfer_dataset_options){.unlabeled = true, .inputs = true}, err));
    assert_int_equal(ssfer_dataset_count(set), 2);
    ssfer_dataset_close(set);
    assert_fails(ssfer_dataset_open_paths(&set, paths, 2, &(ssfer_dataset_options){.unlabeled = true}, err),
                 SSFER_ERR_IO, "missing: No such file");
    scene_destroy(&s);
}

/* Of the split in use only. */
static void test_left_out(void **state)
{
    (void)state;
    scene s = scene_create();
    make_splits(&s);
    const char *names;
    char wanted[256];
    ssfer_dataset *set = open_set(&s, "data", &(ssfer_dataset_options){.split = "train"});
    assert_int_equal(ssfer_dataset_left_out(set, &names), 1);
    snprintf(wanted, sizeof wanted, "%s/data/train/anger/notes.txt", s.folder);
    assert_string_equal(names, wanted);
    ssfer_dataset_close(set);
    set = open_set(&s, "data", &(ssfer_dataset_options){.unlabeled = true});
    assert_int_equal(ssfer_dataset_left_out(set, &names), 2);
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

static void test_inputs_allocations_fail(void **state)
{
    (void)state;
    scene s = scene_create();
    scene_path at[INPUTS];
    const char *paths[INPUTS];
    make_inputs(&s, at, paths);
    for (size_t n = 1;; n++) {
        ssfer_dataset *set;
        ssfer_memory_fail_at(n);
        ssfer_status st = ssfer_dataset_open_paths(&set, paths, INPUTS,
                                                   &(ssfer_dataset_options){.unlabeled = true, .inputs = true}, NULL);
        ssfer_memory_fail_at(0);
        if (st == SSFER_OK) {
            assert_true(n > 30);
            ssfer_dataset_close(set);
            break;
        }
        assert_int_equal(st, SSFER_ERR_MEMORY);
        assert_null(set);
    }
    scene_destroy(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_all_containers_agree),
        cmocka_unit_test(test_split_level),
        cmocka_unit_test(test_unlabeled),
        cmocka_unit_test(test_source_without_the_split),
        cmocka_unit_test(test_numbers_as_names),
        cmocka_unit_test(test_classes_of_a_model),
        cmocka_unit_test(test_bad_folders),
        cmocka_unit_test(test_too_many_classes),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_links_and_unreadable),
        cmocka_unit_test(test_allocations_fail),
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_inputs_that_fail),
        cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_inputs_allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
