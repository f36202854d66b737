/* Files: whole reads, maps, atomic writes, folders. Each test works in an empty folder of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SMALL = 1000 };

static int enter_folder(void **state)
{
    char name[] = "test_file.XXXXXX";
    if (!mkdtemp(name) || chdir(name) != 0)
        return -1;
    *state = strdup(name);
    return *state ? 0 : -1;
}

static int remove_all(const char *folder)
{
    DIR *d = opendir(folder);
    if (!d)
        return -1;
    int failed = 0;
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        char path[512];
        struct stat info;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (lstat(path, &info) == 0 && S_ISDIR(info.st_mode))
            failed |= remove_all(path);
        else
            failed |= unlink(path);
    }
    closedir(d);
    return failed | rmdir(folder);
}

static int leave_folder(void **state)
{
    int failed = chdir("..") || remove_all(*state);
    free(*state);
    return failed;
}

/* The folder holds exactly these names (a NULL ends the list): no temporary file is left. */
static void check_names(const char *const *names)
{
    size_t wanted = 0, found = 0;
    while (names[wanted])
        wanted++;
    DIR *d = opendir(".");
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        bool known = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
        for (size_t i = 0; i < wanted; i++)
            if (strcmp(e->d_name, names[i]) == 0) {
                known = true;
                found++;
            }
        if (!known)
            fail_msg("%s was left behind", e->d_name);
    }
    closedir(d);
    assert_int_equal(found, wanted);
}
#define CHECK_NAMES(...) check_names((const char *const[]){__VA_ARGS__, NULL})

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void check_content(const char *path, const char *text)
{
    unsigned char *data;
    size_t size;
    ssfer_error err = {0};
    if (ssfer_file_read(&data, &size, path, SMALL, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    assert_int_equal(size, strlen(text));
    assert_string_equal((char *)data, text); /* a zero byte follows the data */
    ssfer_free(data);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void test_read(void **state)
{
    (void)state;
    put("full", "some words");
    put("empty", "");
    check_content("full", "some words");
    check_content("empty", "");
}

/* What is refused, and that the message names the file. */
static void check_refused(const char *path, size_t max_bytes, ssfer_status want)
{
    unsigned char *data = (unsigned char *)"";
    size_t size = 5;
    ssfer_error err = {0};
    assert_int_equal(ssfer_file_read(&data, &size, path, max_bytes, &err), want);
    assert_null(data);
    assert_int_equal(size, 0);
    assert_memory_equal(err.message, path, strlen(path));
    assert_null(strchr(err.message, '\n'));

    ssfer_file_map map = {(const unsigned char *)"", 1};
    if (want != SSFER_ERR_LIMIT) {
        assert_int_equal(ssfer_file_map_open(&map, path, &err), want);
        assert_null(map.data);
        assert_int_equal(map.size_bytes, 0);
    }
}

static void test_read_refuses(void **state)
{
    (void)state;
    put("ten", "0123456789");
    assert_int_equal(mkdir("folder", 0777), 0);
    assert_int_equal(mkfifo("pipe", 0666), 0);
    check_refused("missing", SMALL, SSFER_ERR_IO);
    check_refused("ten/inside", SMALL, SSFER_ERR_IO);
    check_refused("folder", SMALL, SSFER_ERR_IO);
    check_refused("pipe", SMALL, SSFER_ERR_IO); /* at once: nobody will ever write to it */
    check_refused("/dev/zero", SMALL, SSFER_ERR_IO);
    check_refused("ten", 9, SSFER_ERR_LIMIT);
    check_content("ten", "0123456789");
}

static void test_read_without_memory(void **state)
{
    (void)state;
    unsigned char *data;
    size_t size;
    put("full", "some words");
    ssfer_memory_fail_at(1);
    assert_int_equal(ssfer_file_read(&data, &size, "full", SMALL, NULL), SSFER_ERR_MEMORY);
    ssfer_memory_fail_at(0);
    assert_null(data);
}

static void test_map(void **state)
{
    (void)state;
    put("full", "some words");
    put("empty", "");
    ssfer_file_map map;
    assert_int_equal(ssfer_file_map_open(&map, "full", NULL), SSFER_OK);
    assert_int_equal(map.size_bytes, 10);
    assert_memory_equal(map.data, "some words", 10);
    ssfer_file_map_close(&map);
    assert_null(map.data);
    ssfer_file_map_close(&map); /* twice is fine */
    assert_int_equal(ssfer_file_map_open(&map, "empty", NULL), SSFER_OK);
    assert_int_equal(map.size_bytes, 0);
    assert_non_null(map.data);
    ssfer_file_map_close(&map);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void test_write(void **state)
{
    (void)state;
    assert_int_equal(ssfer_file_write("new", "first", 5, NULL), SSFER_OK);
    check_content("new", "first");
    assert_int_equal(ssfer_file_write("new", "second one", 10, NULL), SSFER_OK);
    check_content("new", "second one");
    assert_int_equal(ssfer_file_write("new", NULL, 0, NULL), SSFER_OK);
    check_content("new", "");
    CHECK_NAMES("new");
}

/* Nothing shows before the commit, and nothing of what was given up. */
static void test_write_is_atomic(void **state)
{
    (void)state;
    ssfer_file_writer writer;
    put("file", "old");
    assert_int_equal(ssfer_file_writer_open(&writer, "file", NULL), SSFER_OK);
    fputs("new", writer.stream);
    fflush(writer.stream);
    check_content("file", "old");
    ssfer_file_writer_abort(&writer);
    check_content("file", "old");
    CHECK_NAMES("file");

    assert_int_equal(ssfer_file_writer_open(&writer, "file", NULL), SSFER_OK);
    fputs("new", writer.stream);
    assert_int_equal(ssfer_file_writer_commit(&writer, NULL), SSFER_OK);
    check_content("file", "new");
    CHECK_NAMES("file");
}

/* A disk that fills up, played by a limit on the size of files: a small write fails when it is flushed, a large one
 * while it is made. The old file stays. */
static void test_write_fails_half_way(void **state)
{
    (void)state;
    static const char data[1 << 18];
    const size_t amounts[] = {3000, sizeof data};
    struct rlimit limit, before;
    put("file", "old");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < 2; i++) {
        ssfer_error err = {0};
        limit = before;
        limit.rlim_cur = 2000;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        ssfer_status st = ssfer_file_write("file", data, amounts[i], &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0); /* before anything is printed */
        assert_int_equal(st, SSFER_ERR_IO);
        assert_string_equal(err.message, "file: cannot write: File too large; raise the limit with 'ulimit -f' or "
                                         "choose another place");
        check_content("file", "old");
        CHECK_NAMES("file");
    }
    signal(SIGXFSZ, handler);
}

static void check_unwritable(const char *path)
{
    ssfer_error err = {0};
    ssfer_file_writer writer;
    assert_int_equal(ssfer_file_write(path, "x", 1, &err), SSFER_ERR_IO);
    assert_memory_equal(err.message, path, strlen(path));
    assert_int_equal(ssfer_file_writer_open(&writer, path, NULL), SSFER_ERR_IO);
    assert_null(writer.stream);
    ssfer_file_writer_abort(&writer); /* after a failed open: fine */
}

static void test_write_refuses(void **state)
{
    (void)state;
    put("file", "old");
    assert_int_equal(mkdir("folder", 0777), 0);
    check_unwritable("missing/file");
    check_unwritable("file/inside");
    check_unwritable("folder");
    check_unwritable("");
    if (geteuid() != 0) { /* root writes anywhere */
        assert_int_equal(chmod("folder", 0555), 0);
        check_unwritable("folder/file");
    }
    check_content("file", "old");
    CHECK_NAMES("file", "folder");
}

static mode_t kind(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0 ? info.st_mode & S_IFMT : 0;
}

/* A device cannot be replaced by a file (root could, and would be left without /dev/null): it is written to. */
static void test_write_to_devices(void **state)
{
    (void)state;
    static const char data[1 << 18];
    ssfer_error err = {0};
    assert_int_equal(ssfer_file_write("/dev/null", data, sizeof data, &err), SSFER_OK);
    assert_int_equal(ssfer_file_write("/dev/full", data, 10, &err), SSFER_ERR_IO);
    assert_string_equal(err.message,
                        "/dev/full: cannot write: No space left on device; free some space or choose another place");
    assert_int_equal(ssfer_file_write("/dev/full", data, sizeof data, &err), SSFER_ERR_IO);
    assert_string_equal(err.message,
                        "/dev/full: cannot write: No space left on device; free some space or choose another place");
    assert_int_equal(kind("/dev/null"), S_IFCHR);
    assert_int_equal(kind("/dev/full"), S_IFCHR);

    assert_int_equal(mkfifo("pipe", 0666), 0);
    int fd = open("pipe", O_RDWR); /* its other end */
    char got[8] = {0};
    assert_int_equal(ssfer_file_write("pipe", "through", 7, &err), SSFER_OK);
    assert_int_equal(read(fd, got, 7), 7);
    assert_string_equal(got, "through");
    close(fd);
    assert_int_equal(kind("pipe"), S_IFIFO);
    CHECK_NAMES("pipe");
}

static void test_write_through_link(void **state)
{
    (void)state;
    assert_int_equal(mkdir("folder", 0777), 0);
    put("folder/file", "old");
    assert_int_equal(symlink("folder/file", "link"), 0);
    assert_int_equal(ssfer_file_write("link", "new", 3, NULL), SSFER_OK);
    assert_int_equal(kind("link"), S_IFLNK);
    assert_int_equal(kind("folder/file"), S_IFREG);
    check_content("folder/file", "new");
    CHECK_NAMES("folder", "link");
}

static void test_write_without_memory(void **state)
{
    (void)state;
    put("file", "old");
    for (size_t n = 1;; n++) {
        ssfer_memory_fail_at(n);
        ssfer_status st = ssfer_file_write("file", "new", 3, NULL);
        ssfer_memory_fail_at(0);
        CHECK_NAMES("file");
        if (st == SSFER_OK) {
            assert_true(n > 2);
            break;
        }
        assert_int_equal(st, SSFER_ERR_MEMORY);
        check_content("file", "old");
    }
    check_content("file", "new");
}

/* ---- folders ----------------------------------------------------------------------------------------------------- */

static void test_folders(void **state)
{
    (void)state;
    ssfer_error err = {0};
    assert_int_equal(ssfer_folder_create("a/b/c", &err), SSFER_OK);
    assert_true(ssfer_folder_exists("a/b/c"));
    assert_int_equal(ssfer_folder_create("a/b/c/", &err), SSFER_OK); /* is there, and ends in a slash */
    assert_int_equal(ssfer_folder_create("a//b/./d", &err), SSFER_OK);
    assert_true(ssfer_folder_exists("a/b/d"));
    assert_int_equal(ssfer_folder_create("x", &err), SSFER_OK);
    assert_int_equal(ssfer_folder_create("/", &err), SSFER_OK);
    assert_int_equal(ssfer_folder_create(".", &err), SSFER_OK);

    put("file", "");
    const char *const bad[] = {"file", "file/below", "", "/dev/null"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(ssfer_folder_create(bad[i], &err), SSFER_ERR_IO);
        assert_memory_equal(err.message, bad[i], strlen(bad[i]));
    }
    ssfer_memory_fail_at(1);
    assert_int_equal(ssfer_folder_create("y", NULL), SSFER_ERR_MEMORY);
    ssfer_memory_fail_at(0);
    CHECK_NAMES("a", "x", "file");
}

static void test_exists(void **state)
{
    (void)state;
    put("file", "");
    assert_int_equal(mkdir("folder", 0777), 0);
    assert_true(ssfer_file_exists("file") && !ssfer_folder_exists("file"));
    assert_true(!ssfer_file_exists("folder") && ssfer_folder_exists("folder"));
    assert_true(!ssfer_file_exists("missing") && !ssfer_folder_exists("missing"));
    assert_true(!ssfer_file_exists("/dev/null"));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

static void test_short_names(void **state)
{
    (void)state;
    char name[300], other[300];
    char *kept = ssfer_name_shorten("short.png", 16);
    assert_string_equal(kept, "short.png");
    ssfer_free(kept);
    memset(name, 'n', sizeof name);
    name[299] = 0;
    memcpy(other, name, sizeof name);
    other[298] = 'o';
    kept = ssfer_name_shorten(name, 299);
    assert_string_equal(kept, name);
    ssfer_free(kept);
    kept = ssfer_name_shorten(name, 100);
    char *kept_other = ssfer_name_shorten(other, 100);
    assert_int_equal(strlen(kept), 100);
    assert_int_equal(strlen(kept_other), 100);
    assert_memory_equal(kept, name, 91);
    assert_int_equal(kept[91], '-');
    assert_int_equal(strspn(kept + 92, "0123456789abcdef"), 8);
    assert_string_not_equal(kept, kept_other);
    ssfer_free(kept);
    ssfer_free(kept_other);
    for (size_t i = 0; i + 2 < sizeof name; i += 2) /* whole characters */
        memcpy(name + i, "\xc3\xa4", 2);
    for (size_t most = 100; most < 102; most++) {
        kept = ssfer_name_shorten(name, most);
        assert_int_equal(strcspn(kept, "-"), most == 100 ? 90 : 92);
        ssfer_free(kept);
    }
}

/* A name as long as the file system takes leaves no room for the temporary's suffix. */
static void test_write_long_name(void **state)
{
    (void)state;
    char path[300] = "./", *data, *names[] = {path + 2, path};
    unsigned char *read = NULL;
    size_t size = 0;
    const size_t most = ssfer_name_most(".");
    assert_in_range(most, 32, 255);
    memset(path + 2, 'n', most);
    path[2 + most] = 0;
    for (size_t i = 0; i < 2; i++) {
        ssfer_error err = {0};
        data = i ? "two" : "one";
        if (ssfer_file_write(names[i], data, 3, &err) != SSFER_OK)
            fail_msg("%s", err.message);
        assert_int_equal(ssfer_file_read(&read, &size, names[i], SMALL, NULL), SSFER_OK);
        assert_string_equal(read, data);
        ssfer_free(read);
    }
    path[2 + most] = 'n';
    path[3 + most] = 0;
    ssfer_error err = {0};
    ssfer_file_writer writer;
    assert_int_equal(ssfer_file_writer_open(&writer, path, &err), SSFER_ERR_IO); /* before any work, not after it */
    assert_non_null(strstr(err.message, "File name too long"));
    DIR *d = opendir(".");
    size_t entries = 0;
    while (readdir(d))
        entries++;
    closedir(d);
    assert_int_equal(entries, 3); /* ".", ".." and the file: no temporary is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_read),
        IN_FOLDER(test_read_refuses),
        IN_FOLDER(test_read_without_memory),
        IN_FOLDER(test_map),
        IN_FOLDER(test_write),
        IN_FOLDER(test_write_is_atomic),
        IN_FOLDER(test_write_refuses),
        IN_FOLDER(test_write_to_devices),
        IN_FOLDER(test_write_through_link),
        IN_FOLDER(test_folders),
        IN_FOLDER(test_exists),
        IN_FOLDER(test_write_without_memory),
        IN_FOLDER(test_write_fails_half_way),
        cmocka_unit_test(test_short_names),
        IN_FOLDER(test_write_long_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
