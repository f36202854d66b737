/* Tars: our own, those of other packers, compressed, damaged and hostile ones. */
#include "scene.h"

#include <archive.h>
#include <archive_entry.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void fill(unsigned char *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)(i * 31 + seed * 7 + 1);
}

enum { NAME_MAX_TEST = 1200 };

/* Names on both sides of the limits of ustar's fields: 100 and 155 + 1 + 100 bytes, and without a place to split. */
static void make_name(char out[NAME_MAX_TEST], size_t i)
{
    static const size_t folders[] = {0, 0, 0, 90, 155, 156, 0, 710, 20},
                        names[] = {5, 100, 101, 100, 100, 100, 300, 90, 1};
    size_t at = 0;
    for (size_t k = 0; k < folders[i]; k++)
        out[at++] = k % 50 == 49 && folders[i] > 500 ? '/' : 'd';
    if (at)
        out[at++] = '/';
    memset(out + at, 'a' + (int)i, names[i]);
    out[at + names[i]] = 0;
}

static void write_sample(const char *path)
{
    ssfer_tar_writer *writer;
    unsigned char data[2048];
    char name[NAME_MAX_TEST];
    static const size_t sizes[] = {0, 1, 511, 512, 513, 1024, 2048, 3, 700};
    assert_ok(ssfer_tar_writer_open(&writer, path, err));
    for (size_t i = 0; i < 9; i++) {
        fill(data, sizes[i], (unsigned)i);
        make_name(name, i);
        assert_ok(ssfer_tar_writer_add(writer, name, data, sizes[i], err));
    }
    assert_ok(ssfer_tar_writer_add(writer, "caf\xc3\xa9/\xff.png", "x", 1, err));
    assert_ok(ssfer_tar_writer_commit(writer, err));
}

static void test_round_trip(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_tar *tar;
    unsigned char data[2048];
    char name[NAME_MAX_TEST];
    static const size_t sizes[] = {0, 1, 511, 512, 513, 1024, 2048, 3, 700};
    write_sample(scene_at(&s, "a.tar").text);
    assert_ok(ssfer_tar_open(&tar, scene_at(&s, "a.tar").text, 0, err));
    assert_int_equal(ssfer_tar_count(tar), 10);
    assert_true(ssfer_tar_get_info(tar).complete);
    for (size_t i = 0; i < 9; i++) {
        make_name(name, i);
        const ssfer_tar_member *m = ssfer_tar_find(tar, name);
        assert_non_null(m);
        assert_int_equal(m->size_bytes, sizes[i]);
        fill(data, sizes[i], (unsigned)i);
        assert_memory_equal(m->data, data, sizes[i]);
    }
    assert_non_null(ssfer_tar_find(tar, "caf\xc3\xa9/\xff.png"));
    assert_null(ssfer_tar_find(tar, "caf"));
    for (size_t i = 1; i < ssfer_tar_count(tar); i++)
        assert_true(strcmp(ssfer_tar_at(tar, i - 1)->path, ssfer_tar_at(tar, i)->path) < 0);
    ssfer_tar_close(tar);
    ssfer_tar_close(NULL);
    scene_destroy(&s);
}

static void test_same_bytes_again(void **state)
{
    (void)state;
    scene s = scene_create();
    unsigned char *a, *b;
    size_t n, m;
    write_sample(scene_at(&s, "a.tar").text);
    write_sample(scene_at(&s, "b.tar").text);
    assert_ok(ssfer_file_read(&a, &n, scene_at(&s, "a.tar").text, SIZE_MAX, err));
    assert_ok(ssfer_file_read(&b, &m, scene_at(&s, "b.tar").text, SIZE_MAX, err));
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);
    ssfer_free(a);
    ssfer_free(b);
    scene_destroy(&s);
}

static void test_writer_refuses(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_tar_writer *writer;
    assert_ok(ssfer_tar_writer_open(&writer, scene_at(&s, "a.tar").text, err));
    static const char *const bad[] = {"", "/abs.png", "../up.png", "a/../../b", "a//b", "./a", "a/", "."};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(ssfer_tar_writer_add(writer, bad[i], "x", 1, err), SSFER_ERR_ARGUMENT, "a.tar");
    assert_fails(ssfer_tar_writer_add(writer, "large", "x", (size_t)1 << 33, err), SSFER_ERR_LIMIT, "8 GiB");
    ssfer_tar_writer_abort(writer);
    ssfer_tar_writer_abort(NULL);
    assert_false(ssfer_file_exists(scene_at(&s, "a.tar").text));
    assert_fails(ssfer_tar_writer_open(&writer, scene_at(&s, "no/folder/a.tar").text, err), SSFER_ERR_IO, "a.tar");
    scene_destroy(&s);
}

/* A file-size limit stands in for a full disk. */
static void test_disk_full(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_tar_writer *writer;
    static unsigned char data[1 << 16];
    struct rlimit before, tight;
    ssfer_error error = {0};
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    tight = before;
    tight.rlim_cur = 1 << 17;
    assert_ok(ssfer_tar_writer_open(&writer, scene_at(&s, "a.tar").text, err));
    setrlimit(RLIMIT_FSIZE, &tight);
    ssfer_status st = SSFER_OK;
    for (int i = 0; i < 8 && st == SSFER_OK; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d.png", i);
        st = ssfer_tar_writer_add(writer, name, data, sizeof data, &error);
    }
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(st, SSFER_ERR_IO);
    assert_non_null(strstr(error.message, "a.tar"));
    ssfer_tar_writer_abort(writer);
    assert_int_equal(rmdir(s.folder), 0); /* nothing was left behind */
}

/* ---- other packers ---- */

static void put(struct archive *a, const char *name, unsigned type, const char *text, const char *link, bool hard)
{
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, name);
    archive_entry_set_filetype(e, type);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_size(e, text ? (la_int64_t)strlen(text) : 0);
    if (link && hard)
        archive_entry_set_hardlink(e, link);
    else if (link)
        archive_entry_set_symlink(e, link);
    assert_true(archive_write_header(a, e) >= ARCHIVE_WARN);
    if (text && *text)
        assert_true(archive_write_data(a, text, strlen(text)) == (la_ssize_t)strlen(text));
    archive_entry_free(e);
}

static struct archive *packer(const char *path, int format, int filter)
{
    struct archive *a = archive_write_new();
    assert_int_equal(archive_write_set_format(a, format), ARCHIVE_OK);
    assert_int_equal(archive_write_add_filter(a, filter), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    return a;
}

static void pack_sample(const char *path, int format, int filter)
{
    char deep[300];
    memset(deep, 'n', sizeof deep - 1);
    memcpy(deep + 120, "/", 1);
    memcpy(deep + 220, "/", 1);
    memcpy(deep + sizeof deep - 5, ".png", 5);
    struct archive *a = packer(path, format, filter);
    put(a, "./", AE_IFDIR, NULL, NULL, false);
    put(a, "./train/", AE_IFDIR, NULL, NULL, false);
    put(a, "./train/anger/1.png", AE_IFREG, "first", NULL, false);
    put(a, "train//anger/./2.png", AE_IFREG, "second", NULL, false);
    put(a, "/train/fear/1.png", AE_IFREG, "third", NULL, false);
    put(a, "train/fear/hard.png", AE_IFREG, NULL, "train/fear/1.png", true);
    put(a, "train/fear/soft.png", AE_IFLNK, NULL, "1.png", false);
    put(a, "train/anger/1.png", AE_IFREG, "first, again", NULL, false);
    put(a, "train/empty.png", AE_IFREG, "", NULL, false);
    if (format != ARCHIVE_FORMAT_TAR_USTAR)
        put(a, deep, AE_IFREG, "deep", NULL, false);
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
}

static void assert_member(const ssfer_tar *tar, const char *path, const char *text)
{
    const ssfer_tar_member *m = ssfer_tar_find(tar, path);
    if (!m)
        fail_msg("no member %s", path);
    assert_int_equal(m->size_bytes, strlen(text));
    assert_memory_equal(m->data, text, strlen(text));
}

static void check_sample(const char *path, bool deep)
{
    ssfer_tar *tar;
    assert_ok(ssfer_tar_open(&tar, path, 0, err));
    assert_member(tar, "train/anger/1.png", "first, again"); /* the last of a name, as when unpacking */
    assert_member(tar, "train/anger/2.png", "second");
    assert_member(tar, "train/fear/1.png", "third");
    assert_member(tar, "train/fear/hard.png", "third");
    assert_member(tar, "train/empty.png", "");
    assert_null(ssfer_tar_find(tar, "train/fear/soft.png"));
    assert_true(ssfer_tar_find(tar, "train")->folder);
    ssfer_tar_info info = ssfer_tar_get_info(tar);
    assert_int_equal(info.replaced, 1);
    assert_int_equal(info.ignored, 1);
    assert_true(info.complete);
    assert_int_equal(ssfer_tar_count(tar), deep ? 7 : 6);
    ssfer_tar_close(tar);
}

static void test_other_packers(void **state)
{
    (void)state;
    scene s = scene_create();
    static const int formats[] = {ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FORMAT_TAR_GNUTAR,
                                  ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED};
    scene_path p = scene_at(&s, "a.tar");
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        pack_sample(p.text, formats[i], ARCHIVE_FILTER_NONE);
        check_sample(p.text, formats[i] != ARCHIVE_FORMAT_TAR_USTAR);
    }
    scene_destroy(&s);
}

static void test_compressed(void **state)
{
    (void)state;
    scene s = scene_create();
    static const int filters[] = {ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_BZIP2, ARCHIVE_FILTER_XZ, ARCHIVE_FILTER_ZSTD,
                                  ARCHIVE_FILTER_LZ4};
    scene_path p = scene_at(&s, "a.tar");
    ssfer_tar *tar;
    unsigned char *data;
    size_t size;
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        pack_sample(p.text, ARCHIVE_FORMAT_TAR_GNUTAR, filters[i]);
        check_sample(p.text, true);
        assert_fails(ssfer_tar_open(&tar, p.text, 1000, err), SSFER_ERR_LIMIT, "decompress");
        assert_ok(ssfer_file_read(&data, &size, p.text, SIZE_MAX, err));
        scene_file(&s, "cut.tar", data, size / 2);
        assert_fails(ssfer_tar_open(&tar, scene_at(&s, "cut.tar").text, 0, err), SSFER_ERR_FORMAT, "cut.tar");
        assert_null(tar);
        ssfer_free(data);
    }
    scene_destroy(&s);
}

/* ---- damaged and hostile ---- */

static void test_not_a_tar(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_tar *tar;
    char noise[5000];
    fill((unsigned char *)noise, sizeof noise, 3);
    scene_text(&s, "empty.tar", "");
    scene_text(&s, "text.tar", "this is a text, not a tar\n");
    scene_file(&s, "noise.tar", noise, sizeof noise);
    scene_folder(&s, "folder.tar");
    assert_fails(ssfer_tar_open(&tar, scene_at(&s, "empty.tar").text, 0, err), SSFER_ERR_FORMAT, "empty");
    assert_fails(ssfer_tar_open(&tar, scene_at(&s, "text.tar").text, 0, err), SSFER_ERR_FORMAT, "not a tar");
    assert_fails(ssfer_tar_open(&tar, scene_at(&s, "noise.tar").text, 0, err), SSFER_ERR_FORMAT, "noise.tar");
    assert_fails(ssfer_tar_open(&tar, scene_at(&s, "folder.tar").text, 0, err), SSFER_ERR_IO, "folder.tar");
    assert_fails(ssfer_tar_open(&tar, scene_at(&s, "absent.tar").text, 0, err), SSFER_ERR_IO, "absent.tar");
    memset(noise, 0, sizeof noise);
    scene_file(&s, "zeros.tar", noise, 1024); /* a valid tar without members */
    assert_ok(ssfer_tar_open(&tar, scene_at(&s, "zeros.tar").text, 0, err));
    assert_int_equal(ssfer_tar_count(tar), 0);
    ssfer_tar_close(tar);
    scene_destroy(&s);
}

static void test_unsafe_names(void **state)
{
    (void)state;
    scene s = scene_create();
    static const char *const bad[] = {"../x.png", "a/../../x.png", "a/..", ".."};
    scene_path p = scene_at(&s, "a.tar");
    ssfer_tar *tar;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct archive *a = packer(p.text, ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_NONE);
        put(a, "good.png", AE_IFREG, "x", NULL, false);
        put(a, bad[i], AE_IFREG, "x", NULL, false);
        archive_write_close(a);
        archive_write_free(a);
        assert_fails(ssfer_tar_open(&tar, p.text, 0, err), SSFER_ERR_FORMAT, "unsafe");
    }
    scene_destroy(&s);
}

/* Cut at every length: either refused, or what is listed is whole. */
static void test_every_cut(void **state)
{
    (void)state;
    scene s = scene_create();
    unsigned char *data;
    size_t size, opened = 0;
    scene_path p = scene_at(&s, "cut.tar");
    pack_sample(scene_at(&s, "a.tar").text, ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_NONE);
    assert_ok(ssfer_file_read(&data, &size, scene_at(&s, "a.tar").text, SIZE_MAX, err));
    static const size_t offsets[] = {0, 1, 100, 511};
    for (size_t k = 0; k < 4 * ((size - 512) / 512); k++) {
        ssfer_tar *tar;
        scene_file(&s, "cut.tar", data, k / 4 * 512 + offsets[k % 4]);
        ssfer_status st = ssfer_tar_open(&tar, p.text, 0, NULL);
        assert_true(st == SSFER_OK || st == SSFER_ERR_FORMAT);
        if (st != SSFER_OK)
            continue;
        opened++;
        const ssfer_tar_member *m = ssfer_tar_find(tar, "train/fear/1.png");
        if (m)
            assert_memory_equal(m->data, "third", 5);
        ssfer_tar_close(tar);
    }
    assert_true(opened > 0);
    ssfer_free(data);
    scene_destroy(&s);
}

/* Every byte of the headers changed in two ways: never a crash, and members stay inside the file. */
static void test_damaged_headers(void **state)
{
    (void)state;
    scene s = scene_create();
    unsigned char *data;
    size_t size;
    scene_path p = scene_at(&s, "b.tar");
    pack_sample(scene_at(&s, "a.tar").text, ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_NONE);
    assert_ok(ssfer_file_read(&data, &size, scene_at(&s, "a.tar").text, SIZE_MAX, err));
    for (size_t at = 0; at < 4096 && at < size; at++) {
        unsigned char kept = data[at];
        data[at] = at % 2 ? 0xff : (unsigned char)(kept + 1);
        scene_file(&s, "b.tar", data, size);
        data[at] = kept;
        ssfer_tar *tar;
        if (ssfer_tar_open(&tar, p.text, 0, NULL) != SSFER_OK)
            continue;
        unsigned sum = 0;
        for (size_t i = 0; i < ssfer_tar_count(tar); i++)
            for (size_t k = 0; k < ssfer_tar_at(tar, i)->size_bytes; k++)
                sum += ssfer_tar_at(tar, i)->data[k];
        assert_true(sum < 1000000);
        ssfer_tar_close(tar);
    }
    ssfer_free(data);
    scene_destroy(&s);
}

/* A header with a right checksum that claims 8 GiB - 1, and one with a negative base-256 size. */
static void test_absurd_sizes(void **state)
{
    (void)state;
    scene s = scene_create();
    unsigned char *data;
    size_t size;
    write_sample(scene_at(&s, "a.tar").text);
    assert_ok(ssfer_file_read(&data, &size, scene_at(&s, "a.tar").text, SIZE_MAX, err));
    for (int k = 0; k < 2; k++) {
        if (k == 0)
            memcpy(data + 124, "77777777777", 11);
        else
            memset(data + 124, 0xff, 12);
        unsigned sum = 8 * ' ';
        for (int i = 0; i < 512; i++)
            sum += i >= 148 && i < 156 ? 0u : data[i];
        snprintf((char *)data + 148, 8, "%06o", sum & 0777777u);
        scene_file(&s, "b.tar", data, size);
        ssfer_tar *tar;
        assert_fails(ssfer_tar_open(&tar, scene_at(&s, "b.tar").text, 0, err), SSFER_ERR_FORMAT, "b.tar");
    }
    ssfer_free(data);
    scene_destroy(&s);
}

static void test_allocations_fail(void **state)
{
    (void)state;
    scene s = scene_create();
    scene_path p = scene_at(&s, "a.tar"), q = scene_at(&s, "b.tar");
    pack_sample(p.text, ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_GZIP);
    for (size_t n = 1;; n++) {
        ssfer_tar *tar;
        ssfer_memory_fail_at(n);
        ssfer_status st = ssfer_tar_open(&tar, p.text, 0, NULL);
        size_t made = ssfer_memory_fail_at(0);
        if (st == SSFER_OK) {
            ssfer_tar_close(tar);
            assert_true(made < n);
            break;
        }
        assert_int_equal(st, SSFER_ERR_MEMORY);
        assert_null(tar);
    }
    for (size_t n = 1; n < 4; n++) {
        ssfer_tar_writer *writer;
        ssfer_memory_fail_at(n);
        ssfer_status st = ssfer_tar_writer_open(&writer, q.text, NULL);
        ssfer_memory_fail_at(0);
        assert_int_equal(st, SSFER_ERR_MEMORY);
    }
    assert_false(ssfer_file_exists(q.text));
    scene_destroy(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_same_bytes_again),
        cmocka_unit_test(test_writer_refuses), cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_other_packers),  cmocka_unit_test(test_compressed),
        cmocka_unit_test(test_not_a_tar),      cmocka_unit_test(test_unsafe_names),
        cmocka_unit_test(test_every_cut),      cmocka_unit_test(test_damaged_headers),
        cmocka_unit_test(test_absurd_sizes),   cmocka_unit_test(test_allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
