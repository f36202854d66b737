/* Label rules, the forms in which the three sets are distributed, and what is wrong with lists. */
#include "unit/data/scene.h"
#include "unit/growth.h"

#include "import/finder.h"
#include "import/import.h"
#include "import/list.h"

/* ---- rules ---- */

static void test_rules(void **state)
{
    (void)state;
    enum { NONE = SSFER_IMPORT_CLASSES };
    static const struct {
        unsigned votes[10];
        int most, majority;
    } cases[] = {
        {{4, 0, 0, 1, 3, 2, 0, 0, 0, 0}, SSFER_IMPORT_NEUTRAL, NONE},                 /* 4 of 9 */
        {{5, 0, 0, 1, 3, 1, 0, 0, 0, 0}, SSFER_IMPORT_NEUTRAL, SSFER_IMPORT_NEUTRAL}, /* 5 of 8 */
        {{0, 5, 5, 0, 0, 0, 0, 0, 0, 0}, SSFER_IMPORT_HAPPINESS, NONE},
        {{0, 0, 5, 0, 5, 0, 0, 0, 0, 0}, SSFER_IMPORT_SURPRISE, NONE},
        {{0, 0, 0, 4, 0, 0, 0, 0, 4, 2}, SSFER_IMPORT_SADNESS, NONE}, /* before unknown */
        {{0, 0, 0, 3, 0, 0, 0, 0, 4, 3}, NONE, NONE},
        {{0, 0, 0, 0, 0, 0, 0, 0, 0, 10}, NONE, NONE},
        {{0, 0, 0, 0, 0, 0, 0, 10, 0, 0}, SSFER_IMPORT_CONTEMPT, SSFER_IMPORT_CONTEMPT},
        {{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, SSFER_IMPORT_NEUTRAL, NONE}, /* single votes only */
        {{1, 1, 1, 1, 2, 1, 1, 1, 1, 0}, SSFER_IMPORT_ANGER, SSFER_IMPORT_ANGER},
        {{0, 0, 0, 0, 0, 6, 4, 0, 0, 0}, SSFER_IMPORT_DISGUST, SSFER_IMPORT_DISGUST},
        {{0, 0, 0, 0, 0, 4, 6, 0, 0, 0}, SSFER_IMPORT_FEAR, SSFER_IMPORT_FEAR},
        {{0}, NONE, NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ssfer_import_most_voted(cases[i].votes), cases[i].most);
        assert_int_equal(ssfer_import_majority(cases[i].votes), cases[i].majority);
    }
}

/* ---- whole imports ---- */

static const char FERPLUS_HEADER[] =
    "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n";

/* fer2013.csv with rows of these usages; pixel i of row r is (r * 50 + i) % 256. */
static void write_pixels(const scene *s, const char *const *usages, size_t count)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    fprintf(f, "emotion,pixels,Usage\n");
    for (size_t r = 0; r < count; r++) {
        fprintf(f, "0,");
        for (size_t i = 0; i < 48 * 48; i++)
            fprintf(f, "%s%zu", i ? " " : "", (r * 50 + i) % 256);
        fprintf(f, ",%s\n", usages[r]);
    }
    fclose(f);
    scene_text(s, "fer2013.csv", text);
    free(text);
}

typedef struct trial {
    scene_path labels[2], pictures, output;
    const char *names[2];
    ssfer_import_options options;
    ssfer_import_report report;
} trial;

static void trial_set(trial *t, const scene *s, ssfer_import_kind kind, const char *labels, const char *pictures)
{
    *t = (trial){.labels = {scene_at(s, labels)}, .pictures = scene_at(s, pictures), .output = scene_at(s, "out.tar")};
    t->names[0] = t->labels[0].text;
    t->options = (ssfer_import_options){.kind = kind,
                                        .labels = t->names,
                                        .label_count = 1,
                                        .pictures = t->pictures.text,
                                        .output = t->output.text,
                                        .classes = 8,
                                        .crop = true};
}

static const ssfer_tar_member *member(ssfer_tar **tar, const trial *t, const char *name)
{
    if (!*tar)
        assert_ok(ssfer_tar_open(tar, t->output.text, 0, err));
    const ssfer_tar_member *m = ssfer_tar_find(*tar, name);
    if (!m)
        fail_msg("no %s in the output", name);
    return m;
}

static void test_ferplus_pixels(void **state)
{
    (void)state;
    static const char *const usages[] = {"Training", "Training", "Training", "PublicTest", "PrivateTest"};
    scene s = scene_create();
    trial t;
    ssfer_tar *tar = NULL;
    char text[1024];
    snprintf(
        text, sizeof text,
        "%sTraining,fer0.png,4,0,0,1,3,2,0,0,0,0\nTraining,,0,0,0,0,0,0,0,0,0,0\nTraining,fer2.png,0,0,0,0,0,0,0,0,6,"
        "4\nPublicTest,fer3.png,0,8,2,0,0,0,0,0,0,0\nPrivateTest,fer4.png,0,0,0,0,0,0,0,10,0,0\n",
        FERPLUS_HEADER);
    scene_text(&s, "new.csv", text);
    write_pixels(&s, usages, 5);
    trial_set(&t, &s, SSFER_IMPORT_FERPLUS, "new.csv", "fer2013.csv");
    assert_ok(ssfer_import(&t.options, &t.report, err));
    assert_int_equal(t.report.totals[SSFER_IMPORT_TRAIN], 1);
    assert_int_equal(t.report.counts[SSFER_IMPORT_VALID][SSFER_IMPORT_HAPPINESS], 1);
    assert_int_equal(t.report.counts[SSFER_IMPORT_TEST][SSFER_IMPORT_CONTEMPT], 1);
    assert_int_equal(t.report.left_out, 2);
    assert_int_equal(t.report.published[SSFER_IMPORT_TRAIN], 28389);

    ssfer_image image = {0};
    const ssfer_tar_member *m = member(&tar, &t, "valid/happiness/fer3.png");
    assert_ok(ssfer_image_decode(&image, m->data, m->size_bytes, "fer3", NULL, err));
    assert_int_equal(image.width, 48);
    assert_int_equal(image.height, 48);
    for (size_t i = 0; i < 48 * 48 * 3; i++)
        assert_int_equal(image.data[i], (150 + i / 3) % 256);
    ssfer_image_deinit(&image);
    member(&tar, &t, "train/neutral/fer0.png");
    member(&tar, &t, "test/contempt/fer4.png");
    assert_int_equal(ssfer_tar_count(tar), 3);
    ssfer_tar_close(tar);

    t.options.joined = t.options.majority = true;
    assert_ok(ssfer_import(&t.options, &t.report, err));
    assert_int_equal(t.report.totals[SSFER_IMPORT_TRAIN], 0); /* 4 of 9 */
    assert_int_equal(t.report.totals[SSFER_IMPORT_VALID], 0);
    assert_int_equal(t.report.totals[SSFER_IMPORT_TEST], 2);
    assert_int_equal(t.report.published[SSFER_IMPORT_TRAIN], 0);
    scene_destroy(&s);
}

static void test_ferplus_pictures(void **state)
{
    (void)state;
    scene s = scene_create();
    trial t;
    char text[1024];
    scene_log log = {0};
    const ssfer_log to_log = {scene_log_write, &log, SSFER_LOG_WARNING};
    snprintf(
        text, sizeof text,
        "%sTraining,fer0.png,9,0,0,1,0,0,0,0,0,0\nTraining,fer1.png,0,9,0,1,0,0,0,0,0,0\nTraining,fer0.png,9,0,0,1,0,"
        "0,0,0,0,0\nTraining,fer9.png,0,0,9,1,0,0,0,0,0,0\n",
        FERPLUS_HEADER);
    scene_text(&s, "new.csv", text);
    scene_picture(&s, "pictures/FER2013Train/fer0.png", 48, 48, 1);
    scene_picture(&s, "pictures/FER2013Train/fer1.png", 48, 48, 2);
    trial_set(&t, &s, SSFER_IMPORT_FERPLUS, "new.csv", "pictures");
    t.options.log = &to_log;
    assert_fails(ssfer_import(&t.options, &t.report, err), SSFER_ERR_LIMIT, "lacks 1 of 3 listed pictures");
    assert_non_null(strstr(log.last, "new.csv:5: fer9.png is not there; left out"));
    assert_false(ssfer_file_exists(t.output.text));
    t.options.max_missing = 0.5;
    assert_ok(ssfer_import(&t.options, &t.report, err));
    assert_int_equal(t.report.totals[SSFER_IMPORT_TRAIN], 2);
    assert_int_equal(t.report.repeated[SSFER_IMPORT_TRAIN], 1);
    assert_int_equal(t.report.missing, 1);

    /* The same bytes in the output. */
    ssfer_tar *tar = NULL;
    unsigned char *bytes;
    size_t size;
    const ssfer_tar_member *m = member(&tar, &t, "train/happiness/fer1.png");
    assert_ok(ssfer_file_read(&bytes, &size, scene_at(&s, "pictures/FER2013Train/fer1.png").text, 1 << 20, err));
    assert_int_equal(size, m->size_bytes);
    assert_memory_equal(bytes, m->data, size);
    ssfer_free(bytes);
    ssfer_tar_close(tar);

    /* What stands in the list a second time with another class is told. */
    snprintf(text, sizeof text, "%sTraining,fer0.png,9,0,0,1,0,0,0,0,0,0\nTraining,fer0.png,0,9,0,1,0,0,0,0,0,0\n",
             FERPLUS_HEADER);
    scene_text(&s, "new.csv", text);
    assert_ok(ssfer_import(&t.options, &t.report, err));
    assert_int_equal(t.report.counts[SSFER_IMPORT_TRAIN][SSFER_IMPORT_NEUTRAL], 1);
    assert_non_null(strstr(log.last, "new.csv:3: fer0.png was listed before with another class"));
    scene_destroy(&s);
}

static void test_ferplus_damage(void **state)
{
    (void)state;
    static const char *const usages[] = {"Training", "PublicTest"};
    static const struct {
        const char *rows, *message;
    } cases[] = {
        {"Training,a.png,1,2\n", "new.csv:2: 4 fields"},
        {"Training,a.png,9,0,0,1,0,0,0,0,0,x\n", "new.csv:2: 'x' is no number of votes for NF"},
        {"Training,a.png,9,0,0,-1,0,0,0,0,0,0\n", "new.csv:2: '-1' is no number of votes for sadness"},
        {"Training,a.png,9,0,0,1,0,0,0,0,0,0\nTset,b.png,9,0,0,1,0,0,0,0,0,0\n", "new.csv:3: usage 'Tset' is none of"},
        {"Training,../a.png,9,0,0,1,0,0,0,0,0,0\n", "new.csv:2: '../a.png' is no name"},
        {"Training,/a.png,9,0,0,1,0,0,0,0,0,0\n", "new.csv:2: '/a.png' is no name"},
        {"Training,a.png,9,0,0,1,0,0,0,0,0,0\nTraining,b.png,9,0,0,1,0,0,0,0,0,0\n",
         "fer2013.csv:3: is not the picture of"},
        {"Training,a.png,9,0,0,1,0,0,0,0,0,0\nPublicTest,b.png,9,0,0,1,0,0,0,0,0,0\nPublicTest,c.png,9,0,0,1,0,0,0,0,0,"
         "0\n",
         "fer2013.csv: ends before the row of"},
        {"Training,\"a.png,9,0,0\n", "new.csv:2: a quote without"},
        {"", "new.csv: names no picture that has a class"},
    };
    scene s = scene_create();
    write_pixels(&s, usages, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        trial t;
        snprintf(text, sizeof text, "%s%s", FERPLUS_HEADER, cases[i].rows);
        scene_text(&s, "new.csv", text);
        trial_set(&t, &s, SSFER_IMPORT_FERPLUS, "new.csv", "fer2013.csv");
        assert_fails(ssfer_import(&t.options, &t.report, err), SSFER_ERR_FORMAT, cases[i].message);
        assert_false(ssfer_file_exists(t.output.text));
    }
    trial t;
    scene_text(&s, "new.csv", "Usage,Image name,neutral\n");
    trial_set(&t, &s, SSFER_IMPORT_FERPLUS, "new.csv", "fer2013.csv");
    assert_fails(ssfer_import(&t.options, &t.report, err), SSFER_ERR_FORMAT, "new.csv:1: no column 'happiness'");
    char text[512];
    snprintf(text, sizeof text, "%sTraining,a.png,9,0,0,1,0,0,0,0,0,0\n", FERPLUS_HEADER);
    scene_text(&s, "new.csv", text);
    scene_text(&s, "fer2013.csv", "emotion,pixels,Usage\n0,1 2 300,Training\n");
    assert_fails(ssfer_import(&t.options, &t.report, err), SSFER_ERR_FORMAT, "fer2013.csv:2: pixel 3 is no number");
    scene_text(&s, "fer2013.csv", "emotion,Usage\n0,Training\n");
    assert_fails(ssfer_import(&t.options, &t.report, err), SSFER_ERR_FORMAT, "fer2013.csv:1: no columns 'pixels'");
    scene_destroy(&s);
}

static void test_rafdb(void **state)
{
    (void)state;
    scene s = scene_create();
    trial t;
    ssfer_tar *tar = NULL;
    scene_text(&s, "list.txt", "train_00001.jpg 5\r\n\ntrain_00002.jpg 1\ntest_0001.jpg 7\n");
    scene_picture(&s, "Image/aligned/train_00001_aligned.jpg", 20, 20, 1);
    scene_picture(&s, "Image/aligned/test_0001_aligned.jpg", 20, 20, 2);
    scene_picture(&s, "Image/original/train_00001.jpg", 30, 20, 3);
    scene_picture(&s, "Image/original/train_00002.jpg", 30, 20, 4);
    trial_set(&t, &s, SSFER_IMPORT_RAFDB, "list.txt", "Image");
    assert_ok(ssfer_import(&t.options, &t.report, err));
    assert_int_equal(t.report.counts[SSFER_IMPORT_TRAIN][SSFER_IMPORT_SADNESS], 1);
    assert_int_equal(t.report.counts[SSFER_IMPORT_TRAIN][SSFER_IMPORT_SURPRISE], 1);
    assert_int_equal(t.report.counts[SSFER_IMPORT_TEST][SSFER_IMPORT_NEUTRAL], 1);
    assert_int_equal(t.report.published[SSFER_IMPORT_TEST], 3068);
    ssfer_image image = {0};
    const ssfer_tar_member *m = member(&tar, &t, "train/sadness/train_00001.jpg");
    assert_ok(ssfer_image_decode(&image, m->data, m->size_bytes, "aligned", NULL, err));
    assert_int_equal(image.width, 20); /* the aligned one was preferred */
    ssfer_image_deinit(&image);
    ssfer_tar_close(tar);

    static const char *const damage[][2] = {
        {"train_00001.jpg 5\ntrain_00002.jpg\n", "list.txt:2: not a picture's name and a class of 1 to 7"},
        {"train_00001.jpg 8\n", "list.txt:1: not a picture's name"},
        {"train_00001.jpg 0\n", "list.txt:1: not a picture's name"},
        {"train_00001.jpg 3 3\n", "list.txt:1: not a picture's name"},
        {"valid_00001.jpg 3\n", "list.txt:1: 'valid_00001.jpg' starts neither with train nor with test"},
        {"train/../../x.jpg 3\n", "list.txt:1: 'train/../../x.jpg' is no name"}};
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        scene_text(&s, "list.txt", damage[i][0]);
        assert_fails(ssfer_import(&t.options, &t.report, err), SSFER_ERR_FORMAT, damage[i][1]);
    }
    scene_destroy(&s);
}

static const char AFFECTNET_HEADER[] = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,"
                                       "expression,valence,arousal\n";

static void test_affectnet_lists(void **state)
{
    (void)state;
    scene s = scene_create();
    trial t;
    ssfer_tar *tar = NULL;
    char text[1024];
    snprintf(
        text, sizeof text,
        "%s1/a.png,4,2,10,12,1;2,6,0,0\n1/b.png,0,0,5,5,1;2,7,0,0\n1/c.png,0,0,5,5,1;2,8,0,0\n2/e.png,-3,30,9,99,1;2,"
        "0,0,0\n",
        AFFECTNET_HEADER);
    scene_text(&s, "training.csv", text);
    scene_text(&s, "validation.csv", "2/d.png,0,0,40,40,1;2,1,0,0\n"); /* without a header, as it is found */
    scene_picture(&s, "images/1/a.png", 40, 40, 1);
    scene_picture(&s, "images/1/b.png", 40, 40, 2);
    scene_picture(&s, "images/2/d.png", 40, 40, 3);
    scene_picture(&s, "images/2/e.png", 40, 40, 4);
    trial_set(&t, &s, SSFER_IMPORT_AFFECTNET, "training.csv", "images");
    t.labels[1] = scene_at(&s, "validation.csv");
    t.names[1] = t.labels[1].text;
    t.options.label_count = 2;
    assert_ok(ssfer_import(&t.options, &t.report, err));
    assert_int_equal(t.report.totals[SSFER_IMPORT_TRAIN], 3);
    assert_int_equal(t.report.counts[SSFER_IMPORT_TEST][SSFER_IMPORT_HAPPINESS], 1);
    assert_int_equal(t.report.left_out, 1);
    ssfer_image face = {0}, whole = {0};
    const ssfer_tar_member *m = member(&tar, &t, "train/anger/1/a.png");
    assert_ok(ssfer_image_decode(&face, m->data, m->size_bytes, "a", NULL, err));
    assert_ok(ssfer_image_load(&whole, scene_at(&s, "images/1/a.png").text, NULL, err));
    assert_int_equal(face.width, 10);
    assert_int_equal(face.height, 12);
    for (size_t y = 0; y < 12; y++)
        assert_memory_equal(face.data + y * 30, whole.data + ((y + 2) * 40 + 4) * 3, 30);
    ssfer_image_deinit(&face);
    ssfer_image_deinit(&whole);
    m = member(&tar, &t, "train/neutral/2/e.png"); /* its box reaches out of the picture */
    assert_ok(ssfer_image_decode(&face, m->data, m->size_bytes, "e", NULL, err));
    assert_int_equal(face.width, 6);
    assert_int_equal(face.height, 10);
    ssfer_image_deinit(&face);
    ssfer_tar_close(tar);

    t.options.classes = 7;
    t.options.crop = false;
    assert_ok(ssfer_import(&t.options, &t.report, err));
    assert_int_equal(t.report.counts[SSFER_IMPORT_TRAIN][SSFER_IMPORT_CONTEMPT], 0);
    assert_int_equal(t.report.left_out, 2);
    assert_int_equal(t.report.published[SSFER_IMPORT_TRAIN], 283901);

    static const char *const damage[][2] = {
        {"1/a.png,4,2,10,12,1;2,11,0,0\n", "training.csv:2: expression '11' is no number from 0 to 10"},
        {"1/a.png,4,2,10,12,1;2,6,0,0\n1/b.png,4\n", "training.csv:3: no picture and expression"},
        {"1/a.png,4,2,0,12,1;2,6,0,0\n", "training.csv:2: no box of a face"},
        {"1/../../a.png,4,2,9,12,1;2,6,0,0\n", "training.csv:2: '1/../../a.png' is no name"}};
    t.options.crop = true;
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        snprintf(text, sizeof text, "%s%s", AFFECTNET_HEADER, damage[i][0]);
        scene_text(&s, "training.csv", text);
        assert_fails(ssfer_import(&t.options, &t.report, err), SSFER_ERR_FORMAT, damage[i][1]);
    }
    scene_text(&s, "list.csv", AFFECTNET_HEADER);
    t.labels[0] = scene_at(&s, "list.csv");
    assert_fails(ssfer_import(&t.options, &t.report, err), SSFER_ERR_ARGUMENT, "its name does not say");
    scene_destroy(&s);
}

/* numpy.save(path, str(code)) */
static void write_code(const scene *s, const char *name, char code)
{
    char bytes[132] = "\x93NUMPY\x01\0\x76\0{'descr': '<U1', 'fortran_order': False, 'shape': (), }";
    memset(bytes + strlen(bytes + 10) + 10, ' ', 128 - 10 - strlen(bytes + 10));
    bytes[127] = '\n';
    bytes[128] = code;
    scene_file(s, name, bytes, sizeof bytes);
}

static void test_affectnet_files(void **state)
{
    (void)state;
    scene s = scene_create();
    trial t;
    ssfer_tar *tar = NULL;
    write_code(&s, "A/train_set/annotations/0_exp.npy", '1');
    write_code(&s, "A/train_set/annotations/1_exp.npy", '7');
    write_code(&s, "A/val_set/annotations/0_exp.npy", '4');
    scene_text(&s, "A/train_set/annotations/0_val.npy", "not looked at");
    scene_picture(&s, "A/train_set/images/0.jpg", 20, 20, 1);
    scene_picture(&s, "A/train_set/images/1.jpg", 20, 20, 2);
    scene_picture(&s, "A/val_set/images/0.jpg", 30, 20, 3);
    trial_set(&t, &s, SSFER_IMPORT_AFFECTNET, "A", "A");
    assert_ok(ssfer_import(&t.options, &t.report, err));
    assert_int_equal(t.report.counts[SSFER_IMPORT_TRAIN][SSFER_IMPORT_CONTEMPT], 1);
    assert_int_equal(t.report.totals[SSFER_IMPORT_TRAIN], 2);
    ssfer_image image = {0};
    const ssfer_tar_member *m = member(&tar, &t, "test/fear/0.jpg");
    assert_ok(ssfer_image_decode(&image, m->data, m->size_bytes, "0.jpg", NULL, err));
    assert_int_equal(image.width, 30); /* not the one of the same name in the other set */
    ssfer_image_deinit(&image);
    member(&tar, &t, "train/happiness/0.jpg");
    ssfer_tar_close(tar);

    write_code(&s, "A/train_set/annotations/0_exp.npy", 'x');
    assert_fails(ssfer_import(&t.options, &t.report, err), SSFER_ERR_FORMAT, "annotations/0_exp.npy: holds no number");
    t.labels[0] = scene_at(&s, "A/train_set");
    assert_fails(ssfer_import(&t.options, &t.report, err), SSFER_ERR_FORMAT, "no train_set/annotations");
    scene_destroy(&s);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    scene s = scene_create();
    trial t;
    scene_text(&s, "list.txt", "train_00001.jpg 5\ntest_0001.jpg 7\n");
    scene_picture(&s, "aligned/train_00001_aligned.jpg", 20, 20, 1);
    scene_picture(&s, "aligned/test_0001_aligned.jpg", 20, 20, 2);
    trial_set(&t, &s, SSFER_IMPORT_RAFDB, "list.txt", "aligned");
    ssfer_status st = SSFER_ERR_MEMORY;
    for (size_t n = 1; st != SSFER_OK && n < 500; n++) {
        ssfer_error error = {0};
        ssfer_memory_fail_at(n);
        st = ssfer_import(&t.options, &t.report, &error);
        ssfer_memory_fail_at(0);
        if (st != SSFER_OK)
            assert_false(ssfer_file_exists(t.output.text));
    }
    assert_int_equal(st, SSFER_OK);
    scene_destroy(&s);
}

/* ---- finding pictures ---- */

static void check_found(const import_finder *f, const char *name, const char *path)
{
    const size_t i = ssfer_import_find(f, name);
    if (!path)
        assert_true(i == SIZE_MAX);
    else if (i == SIZE_MAX)
        fail_msg("%s is not found", name);
    else
        assert_string_equal(ssfer_dataset_path(f->set, i), path);
}

static void test_finder(void **state)
{
    (void)state;
    static const char *const names[] = {"a/1.png", "a/b/1.png", "b/1.png", "c/a/1.png", "x1.png", "-1.png", "z/2.png"};
    scene s = scene_create();
    import_finder f;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        scene_text(&s, names[i], "-");
    assert_ok(ssfer_import_finder_open(&f, s.folder, NULL, err));
    check_found(&f, "1.png", "a/1.png"); /* the first of several; neither x1.png nor -1.png */
    check_found(&f, "b/1.png", "a/b/1.png");
    check_found(&f, "a/1.png", "a/1.png");
    check_found(&f, "c/a/1.png", "c/a/1.png");
    check_found(&f, "x1.png", "x1.png");
    check_found(&f, "-1.png", "-1.png");
    check_found(&f, "2.png", "z/2.png");
    check_found(&f, ".png", NULL);
    check_found(&f, "d/1.png", NULL);
    check_found(&f, "d/c/a/1.png", NULL);
    check_found(&f, "0.png", NULL);
    check_found(&f, "zz.png", NULL);
    ssfer_import_finder_close(&f);
    scene_destroy(&s);
}

/* All pictures have one file name, each in a folder of its own: the folder tells them apart. */
static double find_all(void *context, size_t count)
{
    const scene *s = context;
    const scene_path tar = scene_at(s, "faces.tar");
    ssfer_tar_writer *writer;
    import_finder f;
    char name[64];
    assert_ok(ssfer_tar_writer_open(&writer, tar.text, err));
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%zu/face.png", i);
        assert_ok(ssfer_tar_writer_add(writer, name, "", 0, err));
    }
    assert_ok(ssfer_tar_writer_commit(writer, err));
    const double start_s = growth_now_s();
    assert_ok(ssfer_import_finder_open(&f, tar.text, NULL, err));
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%zu/face.png", i);
        check_found(&f, name, name);
    }
    ssfer_import_finder_close(&f);
    return growth_now_s() - start_s;
}

static void test_finder_scale(void **state)
{
    (void)state;
    scene s = scene_create();
    assert_grows_linearly(find_all, &s, 24000, 5.0);
    scene_destroy(&s);
}

/* Every vote of the real lists, where SSFER_TEST_DATA names a folder that has them: the rule must give the folders of
 * the real set. */
static void test_real_votes(void **state)
{
    (void)state;
    const char *folder = getenv("SSFER_TEST_DATA");
    char votes[512], pictures[512];
    if (!folder)
        skip();
    snprintf(votes, sizeof votes, "%s/ferplus-votes.csv", folder);
    snprintf(pictures, sizeof pictures, "%s/ferplus.tar", folder);
    const char *labels = votes;
    ssfer_import_options o = {.kind = SSFER_IMPORT_FERPLUS, .labels = &labels, .label_count = 1, .pictures = pictures};
    import_list list = {0};
    import_finder finder;
    assert_ok(ssfer_import_ferplus(&list, &o, err));
    assert_ok(ssfer_import_finder_open(&finder, pictures, NULL, err));
    size_t parts[SSFER_IMPORT_PARTS] = {0}, wrong = 0;
    for (size_t i = 0; i < list.count; i++) {
        char path[256];
        const import_record *r = &list.records[i];
        snprintf(path, sizeof path, "%s/%s/%s", ssfer_import_part_name((ssfer_import_part)r->part),
                 ssfer_import_class_name((ssfer_import_class)r->label), r->name);
        parts[r->part]++;
        wrong += ssfer_dataset_find(finder.set, path) == SIZE_MAX;
    }
    assert_int_equal(wrong, 0);
    assert_int_equal(parts[SSFER_IMPORT_TRAIN], 28389);
    assert_int_equal(parts[SSFER_IMPORT_VALID], 3553);
    /* The set has three names twice, as the list has. */
    assert_int_equal(ssfer_dataset_count(finder.set), 28389 + 3553 - 3);
    ssfer_import_finder_close(&finder);
    ssfer_import_list_deinit(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_ferplus_pixels),
        cmocka_unit_test(test_ferplus_pictures),
        cmocka_unit_test(test_ferplus_damage),
        cmocka_unit_test(test_rafdb),
        cmocka_unit_test(test_affectnet_lists),
        cmocka_unit_test(test_affectnet_files),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_finder),
        cmocka_unit_test(test_finder_scale),
        cmocka_unit_test(test_real_votes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
