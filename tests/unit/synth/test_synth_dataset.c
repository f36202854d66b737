/* Sets on disk: the same bytes from any number of threads, what they hold, what happens when something fails. */
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "io/tar.h"
#include "point_number.h"
#include "synth/synth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <dirent.h>
#include <ftw.h>
#include <sys/stat.h>

static char scratch[64];

static int make_scratch(void **state)
{
    (void)state;
    strcpy(scratch, access("/dev/shm", W_OK) == 0 ? "/dev/shm/ssfer-synth.XXXXXX" : "/tmp/ssfer-synth.XXXXXX");
    return mkdtemp(scratch) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path);
}

static int remove_scratch(void **state)
{
    (void)state;
    return nftw(scratch, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

typedef struct path {
    char text[256];
} path;

static path at(const char *name)
{
    path p;
    snprintf(p.text, sizeof p.text, "%s/%s", scratch, name);
    return p;
}

static size_t entries(const char *folder)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    for (const struct dirent *e; dir && (e = readdir(dir));)
        count += e->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return count;
}

static ssfer_synth_dataset_options small_set(void)
{
    ssfer_synth_dataset_options o = ssfer_synth_dataset_options_default();
    o.face.size = 24;
    o.face.seed = 3;
    o.train = 21;
    o.test = 8;
    o.unlabeled = 5;
    o.threads = 1;
    return o;
}

static void write_set(const char *name, const ssfer_synth_dataset_options *o)
{
    ssfer_error err = {0};
    if (ssfer_synth_dataset(at(name).text, o, &err) != SSFER_OK)
        fail_msg("%s", err.message);
}

static unsigned char *read_all(const char *file, size_t *size)
{
    unsigned char *bytes = NULL;
    ssfer_error err = {0};
    if (ssfer_file_read(&bytes, size, file, 1 << 26, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    return bytes;
}

static void test_same_tar_from_any_number_of_threads(void **state)
{
    (void)state;
    ssfer_synth_dataset_options o = small_set();
    size_t one_size, size;
    write_set("one.tar", &o);
    unsigned char *one = read_all(at("one.tar").text, &one_size);
    for (size_t threads = 2; threads <= 5; threads++) {
        o.threads = threads;
        write_set("many.tar", &o); /* replaces the last one */
        unsigned char *many = read_all(at("many.tar").text, &size);
        assert_int_equal(size, one_size);
        assert_memory_equal(many, one, size);
        ssfer_free(many);
    }
    ssfer_free(one);
    assert_int_equal(entries(scratch), 2);
}

/* A larger set begins with the pictures of a smaller one. */
static void test_count_does_not_change_a_face(void **state)
{
    (void)state;
    ssfer_synth_dataset_options o = small_set();
    ssfer_tar *small, *large;
    write_set("small.tar", &o);
    o.train += 9;
    o.test += 2;
    o.threads = 2;
    write_set("large.tar", &o);
    assert_int_equal(ssfer_tar_open(&small, at("small.tar").text, 0, NULL), SSFER_OK);
    assert_int_equal(ssfer_tar_open(&large, at("large.tar").text, 0, NULL), SSFER_OK);
    size_t compared = 0;
    for (size_t i = 0; i < ssfer_tar_count(small); i++) {
        const ssfer_tar_member *a = ssfer_tar_at(small, i), *b = ssfer_tar_find(large, a->path);
        if (a->folder || strcmp(a->path, "annotations.csv") == 0)
            continue;
        assert_non_null(b);
        assert_int_equal(a->size_bytes, b->size_bytes);
        assert_memory_equal(a->data, b->data, a->size_bytes);
        compared++;
    }
    assert_int_equal(compared, 21 + 8 + 5);
    ssfer_tar_close(small);
    ssfer_tar_close(large);
}

static void check_split(const char *source, const char *split, size_t count)
{
    ssfer_dataset *set;
    ssfer_error err = {0};
    ssfer_dataset_options o = {.split = split};
    if (ssfer_dataset_open(&set, source, &o, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    assert_int_equal(ssfer_dataset_count(set), count);
    assert_int_equal(ssfer_dataset_class_count(set), 8);
    size_t most = 0, least = count;
    for (size_t k = 0; k < 8; k++) {
        size_t n = 0;
        for (size_t i = 0; i < count; i++)
            n += ssfer_dataset_label(set, i) == (int32_t)k;
        most = n > most ? n : most;
        least = n < least ? n : least;
    }
    assert_true(most - least <= 1);
    for (size_t i = 0; i < count; i++) {
        ssfer_image image;
        assert_int_equal(ssfer_dataset_image(set, i, &image, &err), SSFER_OK);
        assert_int_equal(image.width, 24);
        ssfer_image_deinit(&image);
    }
    ssfer_dataset_close(set);
}

/* Folder and tar are read back by the data layer as the same balanced set. */
static void test_sets_are_read_back(void **state)
{
    (void)state;
    ssfer_synth_dataset_options o = small_set();
    write_set("read.tar", &o);
    o.threads = 0;
    write_set("read", &o);
    check_split(at("read.tar").text, "train", 21);
    check_split(at("read.tar").text, "test", 8);
    check_split(at("read").text, "train", 21);
    check_split(at("read").text, "test", 8);
    assert_int_equal(entries(at("read/unlabeled").text), 5);
    size_t a_size, b_size;
    ssfer_tar *tar;
    unsigned char *a = read_all(at("read/annotations.csv").text, &a_size);
    assert_int_equal(ssfer_tar_open(&tar, at("read.tar").text, 0, NULL), SSFER_OK);
    const ssfer_tar_member *b = ssfer_tar_find(tar, "annotations.csv");
    assert_non_null(b);
    b_size = b->size_bytes;
    assert_int_equal(a_size, b_size);
    assert_memory_equal(a, b->data, a_size);
    ssfer_tar_close(tar);
    ssfer_free(a);
}

/* Each line of the annotations says of its picture what ssfer_synth_face says. */
static void test_annotations_are_the_truth(void **state)
{
    (void)state;
    ssfer_synth_dataset_options o = small_set();
    size_t size, lines = 0;
    write_set("notes", &o);
    char *text = (char *)read_all(at("notes/annotations.csv").text, &size), *rest = text;
    char *header = strsep(&rest, "\n");
    size_t columns = 1;
    for (const char *c = header; *c; c++)
        columns += *c == ',';
    assert_int_equal(columns, 2 + 4 + 10 + 4 + 2 * SSFER_SYNTH_AU_COUNT);
    assert_int_equal(strncmp(header, "path,label,x1,y1,x2,y2,left_eye_x,", 34), 0);
    for (char *line; (line = strsep(&rest, "\n")) && *line; lines++) {
        uint64_t part = lines < 21 ? 0 : lines < 29 ? 1 : 2, number = lines - (part == 0 ? 0 : part == 1 ? 21 : 29);
        ssfer_synth_truth truth;
        ssfer_image image;
        assert_int_equal(ssfer_synth_face(&image, &truth, &o.face, part * SSFER_SYNTH_PART_STRIDE + number, NULL),
                         SSFER_OK);
        ssfer_image_deinit(&image);
        char *name = strsep(&line, ",");
        assert_true(ssfer_file_exists(at("notes").text) || ssfer_folder_exists(at("notes").text));
        char file[320];
        snprintf(file, sizeof file, "%s/%s", at("notes").text, name);
        assert_true(ssfer_file_exists(file));
        assert_string_equal(strsep(&line, ","), ssfer_synth_expression_name(truth.label));
        for (int i = 0; i < 4; i++)
            assert_true(point_number(strsep(&line, ",")) - truth.box[i] <= 0.00501);
        for (int i = 0; i < 10; i++) {
            double off = point_number(strsep(&line, ",")) - truth.keypoints[i / 2][i % 2];
            assert_true(off <= 0.00501 && off >= -0.00501);
        }
    }
    assert_int_equal(lines, 34);
    ssfer_free(text);
}

/* ---- failures ---- */

static void refuse(const char *name, const ssfer_synth_dataset_options *o, ssfer_status wanted, const char *word)
{
    ssfer_error err = {0};
    assert_int_equal(ssfer_synth_dataset(name, o, &err), wanted);
    if (!strstr(err.message, word))
        fail_msg("'%s' lacks '%s'", err.message, word);
}

static void test_bad_requests_are_refused(void **state)
{
    (void)state;
    ssfer_synth_dataset_options o = small_set();
    o.train = o.test = o.unlabeled = 0;
    refuse(at("none").text, &o, SSFER_ERR_ARGUMENT, "no pictures");
    o = small_set();
    o.test = (size_t)1 << 41;
    refuse(at("none").text, &o, SSFER_ERR_ARGUMENT, "2^40");
    o = small_set();
    o.face.size = 5;
    refuse(at("none").text, &o, SSFER_ERR_ARGUMENT, "size 5");
    refuse("", &(ssfer_synth_dataset_options){.face = ssfer_synth_options_default(), .train = 1}, SSFER_ERR_ARGUMENT,
           "output");
    o = small_set();
    assert_int_equal(mkdir(at("taken").text, 0777), 0);
    assert_int_equal(ssfer_file_write(at("taken/mine").text, "x", 1, NULL), SSFER_OK);
    refuse(at("taken").text, &o, SSFER_ERR_ARGUMENT, "not empty");
    refuse(at("taken/mine").text, &o, SSFER_ERR_IO, "mine");
    refuse(at("taken/mine/below").text, &o, SSFER_ERR_IO, "below");
    refuse(at("nowhere/x.tar").text, &o, SSFER_ERR_IO, "x.tar");
    assert_int_equal(entries(at("taken").text), 1);
    assert_int_equal(entries(scratch), 1);
}

static void test_an_empty_folder_is_taken(void **state)
{
    (void)state;
    ssfer_synth_dataset_options o = small_set();
    assert_int_equal(mkdir(at("empty").text, 0777), 0);
    write_set("empty/", &o);
    assert_int_equal(entries(at("empty").text), 4);
    assert_int_equal(symlink(at("behind").text, at("link").text), 0);
    assert_int_equal(mkdir(at("behind").text, 0777), 0);
    write_set("link", &o);
    assert_int_equal(entries(at("behind").text), 4);
}

static int stop_after(void *user, size_t done, size_t total)
{
    size_t *limit = user;
    assert_int_equal(total, 34);
    return done == *limit;
}

static void test_cancelling_leaves_nothing(void **state)
{
    (void)state;
    ssfer_synth_dataset_options o = small_set();
    size_t limit = 0;
    o.progress = stop_after;
    o.user = &limit;
    for (o.threads = 1; o.threads <= 3; o.threads += 2)
        for (limit = 1; limit <= 34; limit += 11) {
            refuse(at("stopped").text, &o, SSFER_ERR_CANCELLED, "stopped after");
            refuse(at("stopped.tar").text, &o, SSFER_ERR_CANCELLED, "stopped after");
            assert_int_equal(entries(scratch), 0);
        }
}

static void test_failed_allocations_leave_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"broken", "broken.tar"};
    ssfer_synth_dataset_options o = small_set();
    o.train = 2;
    o.test = o.unlabeled = 1;
    for (size_t k = 0; k < 2; k++)
        for (size_t n = 1;; n++) {
            ssfer_error err = {0};
            ssfer_memory_fail_at(n);
            ssfer_status st = ssfer_synth_dataset(at(names[k]).text, &o, &err);
            ssfer_memory_fail_at(0);
            if (st == SSFER_OK)
                break;
            assert_int_equal(st, SSFER_ERR_MEMORY);
            assert_int_equal(entries(scratch), k); /* the folder of the round before */
        }
}

int main(void)
{
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(test_same_tar_from_any_number_of_threads),
        IN_SCRATCH(test_count_does_not_change_a_face),
        IN_SCRATCH(test_sets_are_read_back),
        IN_SCRATCH(test_annotations_are_the_truth),
        IN_SCRATCH(test_bad_requests_are_refused),
        IN_SCRATCH(test_an_empty_folder_is_taken),
        IN_SCRATCH(test_cancelling_leaves_nothing),
        IN_SCRATCH(test_failed_allocations_leave_nothing),
    };
    return cmocka_run_group_tests_name("synth: sets", tests, NULL, NULL);
}
